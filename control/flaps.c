/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tunnels that go down on schedule do so for a reason that has the same period: a lifetime that differs, a NAT
 * that forgets, a liveness check that is too impatient.  Where the journal has the cause of all of them, it says more
 * than the period.  What an operator did, and restarts, are outages but no flaps.
 */
#include "journal.h"

#include <stdio.h>
#include <stdlib.h>

enum { FLAPS_MAX = 128, S = 1000, RECENT_S = 3600 };

struct walk {
	bool up, known; /* the SA; known: it has been up before */
	bool idle; /* down by a restart or the operator, and nobody has asked for it since: no outage that lasts */
	bool monitor_down;
	int64_t down_since;
	int64_t at[FLAPS_MAX]; /* beginnings of flaps */
	unsigned n;
	unsigned silent, monitored; /* of these: by liveness checks; by the monitor alone */
};

static bool is_flap(const struct journal_entry *e)
{
	return e->kind != JOURNAL_START && e->by != JOURNAL_OPERATOR;
}

static void note_flap(struct walk *w, const struct journal_entry *e)
{
	if (!is_flap(e) || w->n == FLAPS_MAX)
		return;
	w->at[w->n++] = e->first;
	w->silent += e->kind == JOURNAL_DOWN && e->by == JOURNAL_LIVENESS;
	w->monitored += e->kind == JOURNAL_MONITOR_DOWN;
}

static void step(struct walk *w, const struct journal_entry *e, struct flaps *f)
{
	bool was = w->known && w->up && !w->monitor_down, is;

	switch (e->kind) {
	case JOURNAL_UP:
		w->up = w->known = true;
		w->idle = false;
		break;
	case JOURNAL_START: /* tunnels and monitors start anew */
		w->monitor_down = false;
		w->up = false;
		w->idle = true;
		break;
	case JOURNAL_DOWN:
		w->up = false;
		w->idle = e->by == JOURNAL_OPERATOR;
		break;
	case JOURNAL_FAIL:
	case JOURNAL_IKE_FAIL: w->idle = false; return;
	case JOURNAL_MONITOR_DOWN: w->monitor_down = true; break;
	case JOURNAL_MONITOR_UP: w->monitor_down = false; break;
	default: return;
	}
	is = w->known && w->up && !w->monitor_down;
	if (was && !is) {
		f->first = f->outages ? f->first : e->first;
		f->last = w->down_since = e->first;
		f->outages++;
		note_flap(w, e);
	} else if (!was && is && f->outages) {
		f->down_ms += e->first - w->down_since;
	}
}

static int by_size(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void find_period(const struct walk *w, struct flaps *f)
{
	uint32_t gap[FLAPS_MAX];
	unsigned n = 0;

	for (unsigned i = 1; i < w->n; i++)
		gap[n++] = (uint32_t)((w->at[i] - w->at[i - 1] + S / 2) / S);
	if (n < 2)
		return;
	qsort(gap, n, sizeof(gap[0]), by_size);
	f->min = gap[0];
	f->max = gap[n - 1];
	f->period = gap[n / 2];
	f->regular = f->period > 0 && f->max - f->min <= (f->period / 10 > 3 ? f->period / 10 : 3);
}

/* As near as the jitter of timers and of a negotiation lets it be. */
static bool near(uint32_t a, uint32_t b)
{
	uint32_t d = a > b ? a - b : b - a, slack = b / 33 > 3 ? b / 33 : 3;

	return b > 0 && d <= slack;
}

static bool equals_lifetime(struct flaps *f, uint32_t life, const char *what)
{
	if (near(f->period, life)) {
		snprintf(f->equals, sizeof(f->equals), "the %s lifetime here, %u s", what, life);
		return true;
	}
	if (life && f->period >= life / 5 * 4 && f->period <= life / 10 * 9 + 3) {
		snprintf(f->equals, sizeof(f->equals),
			 "80 to 90 %% of the %s lifetime here, %u s: the time of its rekeys", what, life);
		return true;
	}
	return false;
}

static void find_equal(struct flaps *f, const struct flap_periods *p)
{
	static const struct {
		uint32_t s;
		const char *what;
	} usual[] = {
		/* lifetimes */
		{3600, "the Child SA lifetime that most peers have by default, 3600 s"},
		{28800, "a lifetime that many peers have by default, 28800 s"},
		{86400, "the IKE SA lifetime that IOS has by default, 86400 s"},
		/* what a peer may fall silent by */
		{30, "a usual UDP time-out of NAT devices and firewalls, 30 s"},
		{60, "a usual UDP time-out of NAT devices and firewalls, 60 s"},
		{120, "a usual UDP time-out of NAT devices and firewalls, 120 s"},
		{180, "a usual UDP time-out of NAT devices and firewalls, 180 s"},
		{300, "a usual UDP time-out of NAT devices and firewalls, 300 s"},
	};

	enum { LIFETIMES = 3 };
	/* No lifetime brings that about: the end of one is told by a Delete. */
	bool silent = f->cause != FLAPS_UNTOLD;

	if (!silent && (equals_lifetime(f, p->child_lifetime, "Child SA") ||
			equals_lifetime(f, p->ike_lifetime, "IKE SA")))
		return;
	if (near(f->period, p->dpd)) {
		snprintf(f->equals, sizeof(f->equals),
			 "the %u s after which a silent peer is declared dead here", p->dpd);
		return;
	}
	for (size_t i = silent ? LIFETIMES : 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (near(f->period, usual[i].s)) {
			snprintf(f->equals, sizeof(f->equals), "%s", usual[i].what);
			return;
		}
}

void flaps_find(const struct journal_entry *const *list, size_t n, const struct flap_periods *p,
		int64_t now_ms, struct flaps *f)
{
	struct walk w = {0};
	int64_t recent;

	*f = (struct flaps){0};
	for (size_t i = 0; i < n; i++)
		step(&w, list[i], f);
	f->down = f->outages && !(w.up && !w.monitor_down) && (!w.idle || w.monitor_down);
	if (f->down && now_ms > w.down_since)
		f->down_ms += now_ms - w.down_since;
	find_period(&w, f);
	recent = 2 * (int64_t)f->max > RECENT_S ? 2 * (int64_t)f->max : RECENT_S;
	f->lasts = f->period && now_ms - w.at[w.n - 1] <= recent * S;
	if (w.n)
		f->cause = w.silent == w.n      ? FLAPS_PEER_SILENT
			   : w.monitored == w.n ? FLAPS_MONITOR
						: FLAPS_UNTOLD;
	if (f->regular)
		find_equal(f, p);
}
