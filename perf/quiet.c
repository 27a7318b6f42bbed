/* SPDX-License-Identifier: Apache-2.0 */
#include "quiet.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <rte_common.h>
#include <rte_cycles.h>

enum { CHAIN_STEPS = 4000, WIDE_STEPS = 3000, LEARN = 400, PATIENCE_MS = 50, MUCH_PERCENT = 6, UNEVEN = 2 };

static uint64_t chain_cheapest = UINT64_MAX, wide_cheapest = UINT64_MAX;
static long switches;
static bool shared;

/* Each step waits for the one before: nothing but the clock decides what it costs. */
static uint64_t chain(void)
{
	uint64_t x = 1, start = rte_rdtsc_precise();

	for (unsigned i = 0; i < CHAIN_STEPS; i++) {
		x = x * UINT64_C(6364136223846793005) + 1;
		__asm__ volatile("" : "+r"(x));
	}
	return rte_rdtsc_precise() - start;
}

/* Independent steps, as many as the core can issue. */
static uint64_t wide(void)
{
	uint64_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, start = rte_rdtsc_precise();

	for (unsigned i = 0; i < WIDE_STEPS; i++) {
		a += i;
		b ^= i;
		c -= i;
		d += b;
		e ^= a;
		f += i;
		__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
	}
	return rte_rdtsc_precise() - start;
}

static bool cheap(uint64_t cost, uint64_t *cheapest)
{
	if (cost < *cheapest)
		*cheapest = cost;
	return cost <= *cheapest + *cheapest * MUCH_PERCENT / 100;
}

/* How often the kernel has taken the core away. */
static long taken_away(void)
{
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	return u.ru_nivcsw;
}

bool quiet_core(void)
{
	bool narrow_ok = cheap(chain(), &chain_cheapest), wide_ok = cheap(wide(), &wide_cheapest);

	return shared || (narrow_ok && wide_ok);
}

bool quiet_so_far(void)
{
	bool ok = quiet_core();
	long before = switches;

	switches = taken_away();
	return ok && switches == before;
}

void quiet_wait(void)
{
	const struct timespec ms = {.tv_nsec = 1000000};

	for (unsigned i = 0; i < PATIENCE_MS && !quiet_so_far(); i++)
		nanosleep(&ms, NULL);
}

void quiet_init(bool with_others)
{
	shared = with_others;
	for (unsigned i = 0; i < LEARN; i++)
		quiet_so_far();
}

unsigned quiet_interval_us(void)
{
	return shared ? 200 : 1000;
}

void quiet_piece(struct quiet_interval *i, uint64_t cycles)
{
	i->cycles += cycles;
	i->cheapest = i->pieces ? RTE_MIN(i->cheapest, cycles) : cycles;
	i->dearest = RTE_MAX(i->dearest, cycles);
	i->pieces++;
}

bool quiet_even(const struct quiet_interval *i)
{
	return i->dearest <= UNEVEN * i->cheapest;
}

void series_add(struct series *s, double v)
{
	if (s->n < QUIET_SERIES)
		s->v[s->n++] = v;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double series_figure(const struct series *s, double *spread)
{
	struct series sorted = *s;
	unsigned at = shared ? s->n / 10 : s->n / 2, lo = shared ? 0 : s->n / 4,
		 hi = shared ? s->n / 5 : s->n * 3 / 4;
	double figure;

	if (spread)
		*spread = 0;
	if (s->n == 0)
		return 0;
	qsort(sorted.v, s->n, sizeof(sorted.v[0]), by_size);
	figure = sorted.v[at];
	if (spread && figure > 0)
		*spread = (sorted.v[hi] - sorted.v[lo]) / 2 / figure;
	return figure;
}
