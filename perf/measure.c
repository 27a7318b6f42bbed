/* SPDX-License-Identifier: Apache-2.0 */
#include "measure.h"

#include <string.h>

#include <rte_cycles.h>

#include "dp.h"
#include "quiet.h"

enum { TRIES = 60, ENOUGH = 8, SPREAD_PERCENT = 15 };

/* What is measured in turns. */
struct turns {
	const struct traffic *t;
	const struct bound_way *way;
	struct series path, bound, stage[STAGE_MAX];
	unsigned quiet;
};

const char *verdict_name(enum verdict v)
{
	static const char *const name[] = {[VERDICT_OK] = "ok",
					   [VERDICT_NOISY] = "noisy",
					   [VERDICT_UNSTEADY] = "unsteady",
					   [VERDICT_IMPOSSIBLE] = "impossible"};

	return name[v];
}

static uint64_t path_once(const struct traffic *t, bool stages)
{
	uint64_t cost;

	frames_fill(t);
	cost = rig_run(t->inbound, stages);
	rig_all_passed();
	frames_check(t);
	return cost;
}

/* Known flows are known: each has sent a packet. */
static void introduce(const struct traffic *t)
{
	struct traffic all = *t;

	all.walk = true;
	for (uint32_t i = 0; t->flows && i < frames_flows(t); i += FRAMES)
		path_once(&all, false);
}

static uint64_t cycles_of(unsigned us)
{
	return rte_get_tsc_hz() / 1000000 * us;
}

static double per_packet(const struct quiet_interval *i)
{
	return (double)i->cycles / i->pieces / FRAMES;
}

static bool path_interval(const struct turns *m, double *cycles)
{
	struct quiet_interval i = {0};

	while (i.cycles < cycles_of(quiet_interval_us()))
		quiet_piece(&i, path_once(m->t, false));
	*cycles = per_packet(&i);
	return quiet_even(&i) && quiet_so_far();
}

static bool bound_interval(const struct turns *m, double *cycles)
{
	struct quiet_interval i = {0};

	while (i.cycles < cycles_of(quiet_interval_us()))
		quiet_piece(&i, bound_run(m->way, m->t));
	*cycles = per_packet(&i);
	return quiet_even(&i) && quiet_so_far();
}

static bool stage_interval(const struct turns *m, double cycles[STAGE_MAX])
{
	const struct stage_clock *c = &dp.worker[0]->stage;
	struct quiet_interval i = {0};
	uint64_t before[STAGE_MAX];

	memcpy(before, c->cycles, sizeof(before));
	while (i.cycles < cycles_of(quiet_interval_us() / 3))
		quiet_piece(&i, path_once(m->t, true));
	for (unsigned s = 0; s < STAGE_MAX; s++)
		cycles[s] = (double)(c->cycles[s] - before[s]) / i.pieces / FRAMES;
	return quiet_even(&i) && quiet_so_far();
}

/* One of each, counted if nobody was in the way of path and bound. */
static void round_of(struct turns *m)
{
	double path, bound, stage[STAGE_MAX];
	bool quiet;

	quiet_wait();
	quiet = bound_interval(m, &bound);
	quiet = path_interval(m, &path) && quiet;
	if (quiet) {
		m->quiet++;
		series_add(&m->bound, bound);
		series_add(&m->path, path);
	}
	if (stage_interval(m, stage))
		for (unsigned s = 0; s < STAGE_MAX; s++)
			series_add(&m->stage[s], stage[s]);
}

static enum verdict judge(const struct result *r)
{
	if (r->quiet < ENOUGH)
		return VERDICT_NOISY;
	if (r->spread > SPREAD_PERCENT / 100. || r->bound_spread > SPREAD_PERCENT / 100.)
		return VERDICT_UNSTEADY;
	return r->ratio < 1 ? VERDICT_IMPOSSIBLE : VERDICT_OK;
}

void measure(const struct effort *e, struct result *r)
{
	static struct turns m;
	uint64_t end;

	memset(&m, 0, sizeof(m));
	m.t = &r->traffic;
	m.way = bound_choose(&r->traffic, TRIES);
	if (!m.way)
		die("%s: the library alone cannot do it", r->traffic.suite->name);
	introduce(&r->traffic);
	end = rte_rdtsc() + (uint64_t)(e->seconds * (double)rte_get_tsc_hz());
	for (r->rounds = 0; rte_rdtsc() < end && m.quiet < e->quiet; r->rounds++)
		round_of(&m);
	r->quiet = m.quiet;
	r->way = m.way->name;
	r->cycles = series_figure(&m.path, &r->spread);
	r->bound = series_figure(&m.bound, &r->bound_spread);
	r->ratio = r->bound > 0 ? r->cycles / r->bound : 0;
	for (unsigned s = 0; s < STAGE_MAX; s++)
		r->stage[s] = series_figure(&m.stage[s], NULL);
	r->verdict = judge(r);
}

void measure_nothing(const struct traffic *t)
{
	const struct bound_way *way = bound_choose(t, 1);

	if (!way)
		die("%s: the library alone cannot do it", t->suite->name);
	bound_agree(t);
	for (unsigned i = 0; i < 2; i++)
		path_once(t, i);
}
