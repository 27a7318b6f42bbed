/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timing on a machine that is not ours alone.
 *
 * Neighbours double figures for seconds at a time.  So what is measured runs in short intervals, and an
 * interval counts only if nothing was in its way: the canaries around it cost little more than the cheapest
 * ever seen, the kernel gave the core to nobody else, and no piece of it cost twice the cheapest piece.
 * Canaries are work of a known cost that fits the first-level cache: one chain that only the clock decides
 * about, and one wide piece that suffers when another hardware thread shares the core.  Things to be compared
 * take turns, interval by interval.  The figure is the median of the quiet ones.
 *
 * What the canaries cannot see is a disturbance that lasts from the program's start to its end, and
 * neighbours that only use up memory bandwidth: the spread tells of those.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { QUIET_SERIES = 512 };

/* Learn what the canaries cost here.  `shared`: there are always others on the machine, so canaries say nothing; the
 * figure is a tenth from the bottom of many short intervals, which is enough to compare by, and no more. */
void quiet_init(bool shared);
/* How long an interval should be. */
unsigned quiet_interval_us(void);
/* Was the time since the last call, or since quiet_init(), undisturbed? */
bool quiet_so_far(void);
/* The same for what is measured in CPU time: only the canaries, for it does not matter who else had the core. */
bool quiet_core(void);
/* Let go of the core until it is quiet, a twentieth of a second at most. */
void quiet_wait(void);

/* One interval: pieces of work, added up. */
struct quiet_interval {
	uint64_t cycles, cheapest, dearest;
	unsigned pieces;
};
void quiet_piece(struct quiet_interval *i, uint64_t cycles);
bool quiet_even(const struct quiet_interval *i);

/* Figures of several intervals. */
struct series {
	unsigned n;
	double v[QUIET_SERIES];
};
void series_add(struct series *s, double v);
/* The figure; 0 of an empty one.  *spread, if not NULL: half the distance between the quartiles, or, where others share the
 * machine, between the bottom and a fifth from there, as a share of the figure. */
double series_figure(const struct series *s, double *spread);
