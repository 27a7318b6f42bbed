/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timing on a machine that is not ours alone.
 *
 * Neighbours double figures for seconds at a time.  So what is measured runs in short intervals, each
 * between two runs of a canary, work of a known cost that fits the first-level cache; an interval counts
 * only if both canaries cost little more than the cheapest one seen.  Things to be compared take
 * turns, interval by interval.  The figure is the median of the quiet intervals.
 */
#pragma once

#include <stdint.h>

enum { BENCH_INTERVALS = 400 };

struct bench_series {
	unsigned n;
	double cycles[BENCH_INTERVALS];   /* a packet */
	uint64_t canary[BENCH_INTERVALS]; /* the dearer of the two around it */
};

/* Cycles of one canary now. */
uint64_t bench_canary(void);
void bench_add(struct bench_series *s, double cycles, uint64_t canary_before, uint64_t canary_after);
/* Median of the quiet intervals; *spread: half the distance between quartiles, as a share of the median;
 * *quiet: how many counted. */
double bench_median(const struct bench_series *s, double *spread, unsigned *quiet);
