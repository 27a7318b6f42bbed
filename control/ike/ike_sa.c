/* SPDX-License-Identifier: Apache-2.0 */
#include "ike_sa.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "alt.h"
#include "child.h"
#include "cookie.h"
#include "dpd.h"
#include "followup.h"
#include "frag.h"
#include "natd.h"
#include "hold.h"
#include "pace.h"
#include "reason.h"
#include "reauth.h"
#include "xchg.h"

enum { LINGER_S = 30, DUPLICATE_S = 5, REKEY_RETRY_S = 10 };

static const struct {
	const char *name;
	unsigned next; /* bits of the states that may follow */
} states[SA_STATES] = {
	[SA_NEW] = {"Larval", 1u << SA_INIT_SENT | 1u << SA_INIT_RCVD | 1u << SA_UP | 1u << SA_GONE},
	[SA_INIT_SENT] = {"Init sent", 1u << SA_AUTH_SENT | 1u << SA_GONE},
	[SA_AUTH_SENT] = {"Auth sent", 1u << SA_UP | 1u << SA_CLOSING | 1u << SA_GONE},
	[SA_INIT_RCVD] = {"Init received", 1u << SA_UP | 1u << SA_GONE},
	[SA_UP] = {"Established", 1u << SA_REKEYED | 1u << SA_CLOSING | 1u << SA_GONE},
	[SA_REKEYED] = {"Rekeyed", 1u << SA_CLOSING | 1u << SA_GONE},
	[SA_CLOSING] = {"SA dying", 1u << SA_GONE},
	[SA_GONE] = {"Gone", 0},
};

const char *sa_state_str(enum sa_state s)
{
	return states[s].name;
}

void sa_state_set(struct ike_sa *sa, enum sa_state to)
{
	if (sa->state == to)
		return;
	assert(states[sa->state].next & 1u << to);
	engine_debug(sa->k, sa, "SN %u: %s -> %s", sa->serial, states[sa->state].name, states[to].name);
	sa->k->n_shown += (uint32_t)sa_shown(to) - (uint32_t)sa_shown(sa->state);
	sa->state = to;
}

uint64_t sa_spi_i(const struct ike_sa *sa)
{
	return sa->role == IKE_INITIATOR ? sa->spi_own : sa->spi_peer;
}

uint64_t sa_spi_r(const struct ike_sa *sa)
{
	return sa->role == IKE_INITIATOR ? sa->spi_peer : sa->spi_own;
}

struct ike_sa *sa_find(struct ike *k, uint64_t spi_own)
{
	struct ike_sa *sa;

	HASH_FIND(hh, k->sas, &spi_own, sizeof(spi_own), sa);
	return sa;
}

struct ike_sa *sa_new(struct ike *k, struct gw *gw, enum ike_role role)
{
	static const enum timer_kind kinds[SA_T_N] = {
		[SA_T_RETRANSMIT] = TIMER_RETRANSMIT,
		[SA_T_HALF_OPEN] = TIMER_HALF_OPEN,
		[SA_T_DPD] = TIMER_DPD,
		[SA_T_KEEPALIVE] = TIMER_KEEPALIVE,
		[SA_T_REKEY] = TIMER_IKE_REKEY,
		[SA_T_EXPIRE] = TIMER_IKE_EXPIRE,
		[SA_T_LINGER] = TIMER_LINGER,
		[SA_T_DUPLICATE] = TIMER_DUPLICATE,
		[SA_T_HOLD] = TIMER_HOLD,
		[SA_T_FOLLOWUP] = TIMER_FOLLOWUP,
	};
	struct ike_sa *sa = calloc(1, sizeof(*sa));

	if (!sa || timer_reserve(&k->timers, SA_T_N)) {
		free(sa);
		COUNT(k, drop_memory);
		return NULL;
	}
	do
		crypto_random(&sa->spi_own, sizeof(sa->spi_own));
	while (!sa->spi_own || sa_find(k, sa->spi_own));
	for (unsigned i = 0; i < SA_T_N; i++)
		timer_init(&sa->t[i], kinds[i], sa);
	sa->k = k;
	sa->turn.sa = sa;
	sa->role = role;
	sa->serial = ++k->next_serial;
	sa->created = sa->last_heard = k->now;
	HASH_ADD(hh, k->sas, spi_own, sizeof(sa->spi_own), sa);
	DL_APPEND(k->orphans, sa);
	if (gw)
		sa_set_gw(sa, gw);
	return sa;
}

void sa_set_gw(struct ike_sa *sa, struct gw *gw)
{
	assert(!sa->gw);
	DL_DELETE(sa->k->orphans, sa);
	sa->gw = gw;
	gw->refs++;
	DL_APPEND(gw->sas, sa);
}

struct ike_sa *sa_current(const struct gw *gw)
{
	struct ike_sa *sa, *best = NULL;

	DL_FOREACH (gw->sas, sa)
		if (sa->state == SA_UP && (!best || sa->established_at >= best->established_at))
			best = sa;
	return best;
}

/* ---- the end of parts ------------------------------------------------------------------------------ */

void sa_init_free(struct ike_sa *sa)
{
	struct init *i = sa->init;

	if (!i)
		return;
	alt_free_all(i);
	dh_free(i->dh);
	dh_free(i->inter.dh);
	datagram_free(&i->request);
	datagram_free(&i->response);
	free(i->hint);
	hold_free(i->held);
	crypto_wipe(i, sizeof(*i));
	free(i);
	sa->init = NULL;
}

void sa_half_open_done(struct ike_sa *sa)
{
	half_open_sub(sa);
	if (sa->in_inits)
		HASH_DELETE(hh_init, sa->k->inits, sa);
	sa->in_inits = false;
}

void nego_free(struct ike_sa *sa, bool release_spi)
{
	struct nego *n = sa->nego;

	if (!n)
		return;
	if (n->spi_in && release_spi)
		sa->k->host->spi_release(sa->k->ctx, n->spi_in);
	if (n->slot && n->slot->on == sa)
		n->slot->on = NULL;
	sa->nego = NULL;
	/* New IKE SAs that nobody has taken over. */
	if (n->fresh)
		sa_remove(n->fresh);
	if (n->rival_sa)
		sa_remove(n->rival_sa);
	dh_free(n->dh);
	followup_free(n->more);
	crypto_wipe(n, sizeof(*n));
	free(n);
}

/* Its Child SAs leave the data plane; where another IKE SA has taken over in peace, once their last packets are
 * in. */
static void drop_children(struct ike_sa *sa, const struct ike_reason *r)
{
	bool peace = !r || r->cause == IKE_CAUSE_REPLACED;
	struct child_sa *c, *tmp;

	DL_FOREACH_SAFE(sa->children, c, tmp)
	{
		struct child_sa *heir = peace ? child_elsewhere(c) : NULL;

		if (heir)
			child_drain(c, heir, r);
		else
			child_remove(c, r);
	}
}

/* We are about to delete the SA: what another one has taken over receives until the peer has heard of it. */
static void retire_children(struct ike_sa *sa, const struct ike_reason *r)
{
	struct child_sa *c, *tmp;

	DL_FOREACH_SAFE(sa->children, c, tmp)
	{
		struct child_sa *heir = r->cause == IKE_CAUSE_REPLACED ? child_elsewhere(c) : NULL;

		if (heir)
			child_retire(c, heir, r);
		else
			child_remove(c, r);
	}
}

static void quiet(struct ike_sa *sa)
{
	for (unsigned i = 0; i < SA_T_N; i++)
		timer_stop(&sa->k->timers, &sa->t[i]);
	xchg_done(sa);
	nego_free(sa, true);
	followup_drop(sa);
	task_flush(sa);
	pace_forget(sa->k, &sa->turn);
	sa_init_free(sa);
	sa_half_open_done(sa);
	frag_free_all(sa);
	drop_children(sa, NULL);
	crypto_wipe(&sa->keys, sizeof(sa->keys));
}

void sa_remove(struct ike_sa *sa)
{
	struct ike *k = sa->k;
	struct ike_sa *other;

	if (sa->buried)
		return;
	quiet(sa);
	sa_state_set(sa, SA_GONE);
	/* Nobody may be left waiting for it. */
	for (other = sa->gw ? sa->gw->sas : NULL; other; other = other->next) {
		if (other->nego && other->nego->rival_sa == sa)
			other->nego->rival_sa = NULL;
		if (other->nego && other->nego->fresh == sa)
			other->nego->fresh = NULL;
		if (other->pending && other->pending->fresh == sa)
			other->pending->fresh = NULL;
	}
	HASH_DELETE(hh, k->sas, sa);
	if (sa->gw)
		DL_DELETE(sa->gw->sas, sa);
	else
		DL_DELETE(k->orphans, sa);
	datagram_free(&sa->answer);
	sa->buried = true;
	sa->grave_next = k->grave;
	k->grave = sa;
}

void sa_reap(struct ike *k)
{
	while (k->grave) {
		struct ike_sa *sa = k->grave;
		struct gw *gw = sa->gw;

		k->grave = sa->grave_next;
		timer_unreserve(&k->timers, SA_T_N);
		free(sa->cert);
		free(sa->id_asked);
		crypto_wipe(sa, sizeof(*sa));
		free(sa);
		if (gw)
			gw_put(gw);
	}
}

/* Finished, but the peer may not have got our last answer: keep just that. */
static void linger(struct ike_sa *sa)
{
	if (!sa->answer.p) {
		sa_remove(sa);
		return;
	}
	quiet(sa);
	sa_state_set(sa, SA_GONE);
	timer_set(&sa->k->timers, &sa->t[SA_T_LINGER], sa->k->now + LINGER_S * NS_S);
}

/* ---- the end of an SA --------------------------------------------------------------------------------- */

static void announce_down(struct ike_sa *sa, const struct ike_reason *r)
{
	if (sa->announced)
		sa_event(sa, IKE_EV_IKE_DOWN, r, NULL);
	sa->announced = false;
}

void sa_fail(struct ike_sa *sa, const struct ike_reason *r)
{
	struct gw *gw = sa->gw;

	COUNT(sa->k, ike_fail);
	sa_event(sa, IKE_EV_IKE_FAIL, r, NULL);
	if (sa->state == SA_INIT_RCVD)
		linger(sa);
	else
		sa_remove(sa);
	if (gw)
		gw_failed(gw, r);
}

/* The SA will not be: another one may make its Child SA. */
static void abandon(struct ike_sa *sa)
{
	struct slot *s = sa->nego ? sa->nego->slot : NULL;

	sa->abandon = true;
	if (s && s->on == sa)
		s->on = NULL;
}

void sa_close(struct ike_sa *sa, const struct ike_reason *r, enum task_kind last)
{
	switch (sa->state) {
	case SA_AUTH_SENT:
		/* Either the peer has this SA already or it never will: only its answer tells. */
		if (last != TASK_AUTH_FAILED) {
			abandon(sa);
			return;
		}
		break;
	case SA_UP:
	case SA_REKEYED: break;
	case SA_CLOSING:
	case SA_GONE: return;
	default:
		if (r->cause != IKE_CAUSE_REPLACED)
			sa_event(sa, IKE_EV_IKE_FAIL, r, NULL);
		sa_remove(sa);
		return;
	}
	timer_stop(&sa->k->timers, &sa->t[SA_T_REKEY]);
	timer_stop(&sa->k->timers, &sa->t[SA_T_DPD]);
	timer_stop(&sa->k->timers, &sa->t[SA_T_KEEPALIVE]);
	timer_stop(&sa->k->timers, &sa->t[SA_T_DUPLICATE]);
	timer_stop(&sa->k->timers, &sa->t[SA_T_LINGER]);
	timer_stop(&sa->k->timers, &sa->t[SA_T_EXPIRE]);
	timer_stop(&sa->k->timers, &sa->t[SA_T_HOLD]);
	task_flush(sa);
	nego_free(sa, true);
	followup_drop(sa);
	retire_children(sa, r);
	sa_init_free(sa);
	sa_state_set(sa, SA_CLOSING);
	announce_down(sa, r);
	task_add(sa, last, 0, true);
	task_run(sa);
	reauth_pass_on(sa);
}

void sa_lost(struct ike_sa *sa, const struct ike_reason *r)
{
	struct gw *gw = sa->gw;

	drop_children(sa, r);
	announce_down(sa, r);
	if (r->cause == IKE_CAUSE_DPD || r->cause == IKE_CAUSE_NO_ANSWER)
		sa_remove(sa);
	else
		linger(sa);
	reauth_pass_on(sa);
	if (gw && !sa_current(gw))
		timer_set(&gw->k->timers, &gw->retry,
			  gw->k->now + engine_jitter(gw->k, gw->k->tune.backoff_s * NS_S));
	else if (gw)
		gw_service(gw);
}

void sa_same_peer(struct ike_sa *sa, const struct ike_sa *old)
{
	sa->auth_local = old->auth_local;
	sa->auth_remote = old->auth_remote;
	if (!old->cert)
		return;
	sa->cert = malloc(sizeof(*sa->cert));
	if (sa->cert)
		*sa->cert = *old->cert;
}

void sa_inherit(struct ike_sa *to, struct ike_sa *from)
{
	struct child_sa *c, *tmp;
	struct task *t, *tt;

	DL_FOREACH_SAFE(from->children, c, tmp)
	{
		DL_DELETE(from->children, c);
		DL_APPEND(to->children, c);
		c->sa = to;
		/* Our Delete did not go out, or its answer will not come on the new SA: ask again. */
		if (c->state == CHILD_DELETING) {
			c->delete_sent = false;
			task_add(to, TASK_CHILD_DELETE, c->spi_in, false);
		}
	}
	to->n_children += from->n_children;
	from->n_children = 0;
	DL_FOREACH_SAFE(from->tasks, t, tt)
	{
		if (t->kind == TASK_IKE_DELETE || t->kind == TASK_IKE_REKEY || t->kind == TASK_LIVENESS ||
		    t->kind == TASK_MOVE || t->kind == TASK_ADDRESS_CHECK || t->kind == TASK_INVALID_SPI)
			continue;
		if (t->kind == TASK_CHILD) {
			struct slot *s = slot_find(to->k, t->id);

			if (s)
				s->on = to;
		}
		task_add(to, t->kind, t->id, false);
	}
	task_forget_all(from);
}

/* ---- the beginning ---------------------------------------------------------------------------------------- */

static void lifetime_start(struct ike_sa *sa)
{
	struct ike *k = sa->k;
	uint64_t life = sa->gw->conf.lifetime_s * NS_S;

	sa->established_at = k->now;
	if (!life)
		return;
	sa->expires = k->now + life;
	/* A random point, so that both ends seldom rekey at once (RFC 7296 2.8.1). */
	sa->rekey_at = k->now + life / 100 * 80 + engine_random(k, life / 10 + 1);
	/* The peer has rekeyed where it was time to authenticate. */
	if (reauth_due(sa) && sa->rekeys >= sa->gw->conf.reauth_every)
		sa->rekey_at = k->now + engine_jitter(k, REKEY_RETRY_S * NS_S);
	timer_set(&k->timers, &sa->t[SA_T_REKEY], sa->rekey_at);
	timer_set(&k->timers, &sa->t[SA_T_EXPIRE], sa->expires);
}

/* Both ends initiated at once and both SAs are up.  The one with the smaller SPIi is the duplicate: both
 * ends agree on that, and only its initiator closes it. */
static void find_duplicate(struct ike_sa *sa)
{
	struct ike_sa *o;

	DL_FOREACH (sa->gw->sas, o) {
		struct ike_sa *loser;

		if (o == sa || o->state != SA_UP || o->role == sa->role || o->established_at < sa->created)
			continue;
		loser = sa_spi_i(o) < sa_spi_i(sa) ? o : sa;
		if (loser->role == IKE_INITIATOR)
			timer_set(&sa->k->timers, &loser->t[SA_T_DUPLICATE],
				  sa->k->now + engine_jitter(sa->k, DUPLICATE_S * NS_S));
	}
}

void sa_up(struct ike_sa *sa, bool rekey)
{
	struct ike *k = sa->k;
	struct ike_sa *o, *tmp;

	sa_state_set(sa, SA_UP);
	lifetime_start(sa);
	dpd_up(sa);
	natd_up(sa);
	gw_succeeded(sa->gw);
	sa->gw->nat_ignored |= sa->nat_ignored;
	sa->announced = true;
	half_open_sub(sa);
	if (rekey) {
		COUNT(k, ike_rekey);
	} else {
		COUNT(k, ike_up);
	}
	if (!rekey)
		sa->authenticated_at = k->now;
	sa->reborn = rekey;
	sa_event(sa, IKE_EV_IKE_UP, NULL,
		 sa->nat_ignored ? "a NAT is on the way and nat-traversal is off: ESP will hardly pass it"
				 : NULL);
	if (rekey)
		return;
	/* An attempt of ours that has not shown itself to the peer yet is not needed any more.  Not both
	 * ends can get here with an attempt in this state, because each would have seen the other's AUTH. */
	DL_FOREACH_SAFE(sa->gw->sas, o, tmp)
	if (o != sa && o->state == SA_INIT_SENT)
		sa_remove(o);
	find_duplicate(sa);
}

/* ---- events -------------------------------------------------------------------------------------------------- */

void sa_event(struct ike_sa *sa, enum ike_event_type type, const struct ike_reason *r, const char *text)
{
	struct ike_event e = {
		.type = type,
		.gateway = sa->gw ? sa->gw->conf.name : "",
		.local = sa->local,
		.remote = sa->remote,
		.role = sa->role,
		.rekey = r ? r->cause == IKE_CAUSE_REPLACED : sa->reborn,
		.spi_i = sa_spi_i(sa),
		.spi_r = sa_spi_r(sa),
		.serial = sa->serial,
		.lifetime_s = sa->gw ? sa->gw->conf.lifetime_s : 0,
		.reason = r,
		.text = text,
	};

	sa->k->host->event(sa->k->ctx, &e);
}

/* ---- timers --------------------------------------------------------------------------------------------------- */

void sa_on_half_open(struct ike *k, void *p)
{
	struct ike_sa *sa = p;

	if (sa->state == SA_INIT_RCVD) {
		COUNT(k, half_open_expired);
		sa_remove(sa);
		return;
	}
	sa_half_open_done(sa);
}

void sa_on_rekey(struct ike *k, void *p)
{
	struct ike_sa *sa = p;

	if (reauth_due(sa))
		reauth_start(sa);
	else
		task_add(sa, TASK_IKE_REKEY, 0, false);
	/* Should it fail, the next attempt is due before the lifetime ends. */
	timer_set(&k->timers, &sa->t[SA_T_REKEY],
		  k->now + engine_jitter(k, REKEY_RETRY_S * NS_S) + (sa->expires - sa->rekey_at) / 10);
	task_run(sa);
}

void sa_on_expire(struct ike *k, void *p)
{
	struct ike_sa *sa = p;
	struct gw *gw = sa->gw;
	struct ike_reason r;

	reason_set(&r, k->now, IKE_CAUSE_EXPIRED, sa->role, INFORMATIONAL,
		   "lifetime of the IKE SA ended without a rekey");
	sa_close(sa, &r, TASK_IKE_DELETE);
	timer_set(&k->timers, &gw->retry, k->now + engine_jitter(k, k->tune.backoff_s * NS_S));
}

void sa_on_linger(struct ike *k, void *p)
{
	struct ike_sa *sa = p;
	struct ike_reason r;

	if (sa->state != SA_REKEYED) {
		sa_remove(sa);
		return;
	}
	reason_set(&r, k->now, IKE_CAUSE_REPLACED, sa->role, INFORMATIONAL,
		   "rekeyed; the peer sent no Delete");
	sa_close(sa, &r, TASK_IKE_DELETE);
}

/* Are all proxy-IDs of this SA served by another one as well?  Those that are not are queued there. */
static bool served_elsewhere(struct ike_sa *sa, struct ike_sa *other)
{
	struct child_sa *c;
	bool all = true;

	DL_FOREACH (sa->children, c) {
		if (c->state != CHILD_MATURE || child_on(c->slot, other, true))
			continue;
		task_add(other, TASK_CHILD, c->slot->policy, false);
		all = false;
	}
	if (!all)
		task_run(other);
	return all;
}

void sa_on_duplicate(struct ike *k, void *p)
{
	struct ike_sa *sa = p, *o, *other = NULL;
	struct ike_reason r;

	DL_FOREACH (sa->gw->sas, o)
		if (o != sa && o->state == SA_UP && !reauth_leaving(o))
			other = o;
	if (sa->state != SA_UP || !other)
		return;
	timer_set(&k->timers, &sa->t[SA_T_DUPLICATE], k->now + engine_jitter(k, DUPLICATE_S * NS_S));
	if (!served_elsewhere(sa, other))
		return;
	COUNT(k, duplicate_closed);
	reason_set(&r, k->now, IKE_CAUSE_REPLACED, sa->role, INFORMATIONAL,
		   "both ends started at once; the other IKE SA stays");
	sa_close(sa, &r, TASK_IKE_DELETE);
}
