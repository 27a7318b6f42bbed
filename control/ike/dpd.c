/* SPDX-License-Identifier: Apache-2.0 */
#include "dpd.h"

#include <stdio.h>

#include "child.h"
#include "fsm.h"
#include "reason.h"
#include "redirect.h"
#include "xchg.h"

enum { PATIENCE_MIN_S = 5 };

static uint64_t interval(const struct ike_sa *sa)
{
	return sa->gw ? sa->gw->conf.dpd_interval_s * NS_S : 0;
}

uint64_t dpd_patience(const struct ike_sa *sa)
{
	unsigned retry = sa->gw && sa->gw->conf.dpd_retry ? sa->gw->conf.dpd_retry : 1;
	uint64_t t = interval(sa) * retry;

	if (!t || sa_negotiating(sa) || sa->state == SA_CLOSING)
		return 0;
	return t < PATIENCE_MIN_S * NS_S ? PATIENCE_MIN_S * NS_S : t;
}

void dpd_up(struct ike_sa *sa)
{
	struct ike *k = sa->k;

	sa->last_heard = k->now;
	if (interval(sa))
		timer_set(&k->timers, &sa->t[SA_T_DPD], k->now + interval(sa));
	else
		timer_stop(&k->timers, &sa->t[SA_T_DPD]);
}

/* The last sign of life: an authenticated IKE message or ESP packet. */
static uint64_t last_sign(struct ike_sa *sa, uint64_t enough)
{
	uint64_t last = sa->last_heard;
	struct child_sa *c;

	for (c = sa->children; c; c = c->next) {
		uint64_t in;

		if (last >= enough)
			break;
		in = child_last_in(c);
		if (in > last)
			last = in;
	}
	return last;
}

void dpd_on_timer(struct ike *k, void *p)
{
	struct ike_sa *sa = p;
	uint64_t every = interval(sa), last;

	if (!every || sa->state != SA_UP)
		return;
	last = last_sign(sa, k->now > every ? k->now - every + 1 : 0);
	if (last > sa->last_heard)
		sa->last_heard = last;
	if (k->now - last < every) {
		timer_set(&k->timers, &sa->t[SA_T_DPD], last + every);
		return;
	}
	timer_set(&k->timers, &sa->t[SA_T_DPD], k->now + every);
	if (sa->req.busy)
		return; /* an unanswered request is a liveness check as well */
	COUNT(k, dpd_sent);
	task_add(sa, TASK_LIVENESS, 0, true);
	task_run(sa);
}

/* What the configuration has for this: proxy-IDs that no other IKE SA serves are left alone until somebody
 * asks. */
static void lay_to_rest(const struct ike_sa *sa)
{
	struct gw *gw = sa->gw;

	for (unsigned i = 0; i < gw->conf.n_children; i++) {
		struct slot *s = gw->slots[i];

		if (s->current && s->current->sa != sa)
			continue;
		s->rest = gw->conf.dpd_action;
		s->was_up = s->acquired = false;
	}
}

void dpd_dead(struct ike_sa *sa, const struct request *q)
{
	struct ike *k = sa->k;
	const struct ike_gw_conf *conf = &sa->gw->conf;
	struct ike_reason r;
	char a[ENDPOINT_STR], patience[64] = "";

	COUNT(k, dpd_dead);
	redirect_forget(sa->gw);
	if (q->deadline)
		snprintf(patience, sizeof(patience), " (dpd interval %u s x retry %u)", conf->dpd_interval_s,
			 conf->dpd_retry);
	reason_set(&r, k->now, IKE_CAUSE_DPD, sa->role, q->exchange,
		   "peer %s is silent: no answer to %s for %u s%s, though it was sent %u times",
		   endpoint_str(&sa->remote, a), ike_exchange_str(q->exchange),
		   (unsigned)((k->now - q->sent) / NS_S), patience, q->tries + 1);
	reason_hint(&r, "check the peer and the path to it (UDP port %u)", sa->remote.port);
	gw_record(sa->gw, &r);
	sa_event(sa, IKE_EV_PEER_DEAD, &r, NULL);
	if (conf->dpd_action != IKE_DPD_RESTART)
		lay_to_rest(sa);
	sa_lost(sa, &r);
}
