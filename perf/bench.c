/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <stdlib.h>

#include <rte_cycles.h>

enum { CANARY_STEPS = 8000, MUCH_PERCENT = 5, ENOUGH = 8 };

static uint64_t cheapest = UINT64_MAX;

/* A chain in which each step waits for the one before: nothing but the clock decides what it costs. */
uint64_t bench_canary(void)
{
	uint64_t x = 1, start = rte_rdtsc_precise(), cost;

	for (unsigned i = 0; i < CANARY_STEPS; i++) {
		x = x * UINT64_C(6364136223846793005) + 1;
		__asm__ volatile("" : "+r"(x));
	}
	cost = rte_rdtsc_precise() - start;
	if (cost < cheapest)
		cheapest = cost;
	return cost;
}

void bench_add(struct bench_series *s, double cycles, uint64_t canary_before, uint64_t canary_after)
{
	if (s->n == BENCH_INTERVALS)
		return;
	s->cycles[s->n] = cycles;
	s->canary[s->n++] = canary_before > canary_after ? canary_before : canary_after;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_median(const struct bench_series *s, double *spread, unsigned *quiet)
{
	double c[BENCH_INTERVALS];
	uint64_t limit = cheapest + cheapest * MUCH_PERCENT / 100;
	unsigned n = 0;

	/* Where hardly anything was quiet, everything counts, and the spread tells. */
	for (unsigned i = 0; i < s->n; i++)
		if (s->canary[i] <= limit)
			c[n++] = s->cycles[i];
	*quiet = n;
	if (n < ENOUGH)
		for (n = 0; n < s->n; n++)
			c[n] = s->cycles[n];
	qsort(c, n, sizeof(c[0]), by_size);
	*spread = (c[n * 3 / 4] - c[n / 4]) / 2 / c[n / 2];
	return c[n / 2];
}
