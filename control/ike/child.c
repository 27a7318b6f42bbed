/* SPDX-License-Identifier: Apache-2.0 */
#include "child.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reason.h"
#include "reauth.h"
#include "xchg.h"

/* The table of Child SAs begins with room for most: one that grows moves all it has in one turn, and a hundred thousand of
 * them take ten milliseconds. */
#undef HASH_INITIAL_NUM_BUCKETS
#undef HASH_INITIAL_NUM_BUCKETS_LOG2
#define HASH_INITIAL_NUM_BUCKETS      16384U
#define HASH_INITIAL_NUM_BUCKETS_LOG2 14U

enum { SETTLE_S = 2, SETTLE_MAX_S = 30, REPLACED_S = 60, REKEY_RETRY_S = 10, COMEBACK_S = 2, DRAIN_S = 3 };

void child_view(const struct child_sa *c, struct ike_child_sa *v)
{
	*v = (struct ike_child_sa){
		.conf = c->slot->conf,
		.role = c->role,
		.spi_in = c->spi_in,
		.spi_out = c->spi_out,
		.suite = c->suite,
		.local = c->sa->local,
		.remote = c->sa->remote,
		.udp_encap = c->sa->udp_encap,
		.no_tfc = c->no_tfc,
		.transport = c->transport,
		.ts_local.n = c->n_local,
		.ts_remote.n = c->n_remote,
		.host = c->host,
	};
	memcpy(v->ts_local.t, c->ts, c->n_local * sizeof(c->ts[0]));
	memcpy(v->ts_remote.t, c->ts + c->n_local, c->n_remote * sizeof(c->ts[0]));
}

struct child_sa *child_find(struct ike *k, uint32_t spi_in)
{
	struct child_sa *c;

	HASH_FIND(hh, k->children, &spi_in, sizeof(spi_in), c);
	return c;
}

struct child_sa *child_by_spi_out(struct ike_sa *sa, uint32_t spi_out)
{
	struct child_sa *c;

	DL_FOREACH (sa->children, c)
		if (c->spi_out == spi_out && c->state != CHILD_GONE)
			return c;
	return NULL;
}

static void event(struct ike_sa *sa, struct slot *s, const struct child_sa *c, enum ike_event_type type,
		  const struct ike_reason *r, bool rekey, const char *text)
{
	struct gw *gw = s->gw;
	struct ike_event e = {
		.type = type,
		.gateway = gw->conf.name,
		.tunnel = s->conf->tunnel,
		.proxy_id = s->conf->proxy_id,
		.local = {.a = gw->conf.local},
		.remote = {.a = gw->conf.remote},
		.rekey = rekey,
		.lifetime_s = s->conf->lifetime_s,
		.reason = r,
		.text = text,
	};

	if (sa) {
		e.local = sa->local;
		e.remote = sa->remote;
		e.role = sa->role;
		e.spi_i = sa_spi_i(sa);
		e.spi_r = sa_spi_r(sa);
		e.serial = sa->serial;
	}
	if (r)
		e.role = r->role;
	if (c) {
		e.role = c->role;
		e.spi_in = c->spi_in;
		e.spi_out = c->spi_out;
	}
	gw->k->host->event(gw->k->ctx, &e);
}

void child_event(struct ike_sa *sa, struct slot *s, const struct child_sa *c, enum ike_event_type type,
		 const struct ike_reason *r, bool rekey)
{
	event(sa, s, c, type, r, rekey, NULL);
}

/* Up, and what the peer left out: the traffic an operator would miss. */
static void up_event(struct ike_sa *sa, const struct child_sa *c, const struct child_plan *p, bool rekey)
{
	char text[400] = "", l[120], r[120];

	if (p->narrowed && !rekey)
		snprintf(text, sizeof(text), "Peer narrowed the proxy-ID to local %s remote %s%s.",
			 ts_list_str(&p->local, l, sizeof(l)), ts_list_str(&p->remote, r, sizeof(r)),
			 c->single       ? "; it takes single pairs of addresses only"
			 : p->additional ? "; it would take the rest in SAs of their own: give them proxy-IDs"
					 : "");
	event(sa, c->slot, c, IKE_EV_CHILD_UP, NULL, rekey, text);
}

/* ---- into the data plane ------------------------------------------------------------------------------ */

static struct child_sa *child_new(struct ike *k, const struct child_plan *p)
{
	unsigned n = p->local.n + p->remote.n;
	struct child_sa *c = calloc(1, sizeof(*c) + n * sizeof(c->ts[0]));

	if (!c || timer_reserve(&k->timers, CHILD_T_N)) {
		free(c);
		return NULL;
	}
	timer_init(&c->t[CHILD_T_REKEY], TIMER_CHILD_REKEY, c);
	timer_init(&c->t[CHILD_T_EXPIRE], TIMER_CHILD_EXPIRE, c);
	timer_init(&c->t[CHILD_T_SETTLE], TIMER_CHILD_SETTLE, c);
	c->slot = p->slot;
	c->role = p->role;
	c->suite = p->suite;
	c->spi_in = p->spi_in;
	c->spi_out = p->spi_out;
	c->no_tfc = p->no_tfc;
	c->transport = p->transport;
	c->created = k->now;
	c->lifetime_s = p->slot->conf->lifetime_s;
	c->life_bytes = p->slot->conf->life_bytes;
	c->life_packets = p->slot->conf->life_packets;
	c->n_local = p->local.n;
	c->n_remote = p->remote.n;
	memcpy(c->ts, p->local.t, c->n_local * sizeof(c->ts[0]));
	memcpy(c->ts + c->n_local, p->remote.t, c->n_remote * sizeof(c->ts[0]));
	return c;
}

static int install(struct ike_sa *sa, struct child_sa *c, struct bytes ni, struct bytes nr,
		   struct bytes dh_secret, struct bytes more, bool activate)
{
	struct child_keys keys;
	struct ike_child_sa v;
	int rc = child_keys_derive(&sa->keys, &c->suite, dh_secret, ni, nr, more, &keys);

	if (!rc) {
		c->sa = sa;
		child_view(c, &v);
		v.keys = &keys;
		rc = sa->k->host->child_install(sa->k->ctx, &v, activate);
		c->host = v.host;
	}
	crypto_wipe(&keys, sizeof(keys));
	return rc;
}

static void lifetime_start(struct ike *k, struct child_sa *c)
{
	uint64_t life = c->lifetime_s * NS_S;

	if (!life)
		return;
	c->expires = k->now + life;
	c->rekey_at = k->now + life / 100 * 80 + engine_random(k, life / 10 + 1);
	timer_set(&k->timers, &c->t[CHILD_T_REKEY], c->rekey_at);
	timer_set(&k->timers, &c->t[CHILD_T_EXPIRE], c->expires);
}

struct child_sa *child_commit(struct ike_sa *sa, const struct child_plan *p, struct bytes ni, struct bytes nr,
			      struct bytes dh_secret, uint32_t msgid, bool activate, struct child_sa *old,
			      struct ike_reason *r)
{
	struct ike *k = sa->k;
	struct slot *s = p->slot;
	struct child_sa *c = child_new(k, p);
	int rc = c ? install(sa, c, ni, nr, dh_secret, p->more, activate) : -ENOMEM;

	if (rc) {
		k->host->spi_release(k->ctx, p->spi_in);
		if (c)
			timer_unreserve(&k->timers, CHILD_T_N);
		free(c);
		reason_set(r, k->now, IKE_CAUSE_INSTALL, p->role, CREATE_CHILD_SA,
			   "the data plane refused the SA: %s", strerror(-rc));
		reason_hint(r, rc == -ENOSPC ? "raise max-sas in the system section"
					     : "see the log of the data plane for the cause");
		return NULL;
	}
	c->id = ++k->next_child;
	c->msgid = msgid;
	c->from = sa->local.a;
	c->encap = sa->udp_encap;
	c->in_dp = true;
	k->n_installed++;
	c->inactive = !activate;
	HASH_ADD(hh, k->children, spi_in, sizeof(c->spi_in), c);
	DL_APPEND(sa->children, c);
	sa->n_children++;
	DL_PREPEND2(s->children, c, sprev, snext);
	s->n_children++;
	if (activate || !s->current) {
		s->current = c;
		c->inactive = false;
	}
	if (!activate && !c->inactive)
		child_use(c);
	/* Beside one that is no relation: what comes in on it, or the end of that one, tells that the peer has it. */
	if (c->inactive && !old)
		timer_set(&k->timers, &c->t[CHILD_T_SETTLE], k->now + SETTLE_S * NS_S);
	lifetime_start(k, c);
	s->was_up = true;
	s->rest = IKE_DPD_RESTART;
	s->acquired = false;
	s->fails = 0;
	s->next_try = 0;
	/* In IKE_AUTH, that is: while there still is the beginning of the SA.  Which says nothing of PFS. */
	reason_log_mended(&s->failed, sa->init ? IKE_AUTH : CREATE_CHILD_SA);
	if (old) {
		COUNT(k, child_rekey);
	} else {
		COUNT(k, child_up);
	}
	c->single = s->single || (old && old->single);
	s->has_flow = s->single = false;
	up_event(sa, c, p, old != NULL);
	return c;
}

void child_use(struct child_sa *c)
{
	struct ike_child_sa v;

	timer_stop(&c->sa->k->timers, &c->t[CHILD_T_SETTLE]);
	c->inactive = false;
	c->slot->current = c;
	child_view(c, &v);
	c->sa->k->host->child_activate(c->sa->k->ctx, &v);
}

struct child_sa *child_sibling(const struct child_sa *c)
{
	struct child_sa *s, *second = NULL;

	for (s = c->slot->children; s; s = s->snext) {
		if (s == c || !s->in_dp)
			continue;
		if (s->state == CHILD_MATURE && !s->loser)
			return s;
		if (s->state == CHILD_REPLACED)
			second = s;
	}
	return second;
}

static bool serves(const struct child_sa *c)
{
	return c->in_dp && c->state == CHILD_MATURE && !c->loser;
}

struct child_sa *child_elsewhere(const struct child_sa *c)
{
	struct child_sa *s;

	for (s = c->slot->children; s; s = s->snext)
		if (s->sa != c->sa && s->sa->state == SA_UP && serves(s))
			return s;
	return NULL;
}

bool child_on(const struct slot *s, const struct ike_sa *sa, bool sure)
{
	const struct child_sa *c;

	for (c = s->children; c; c = c->snext)
		if (c->sa == sa && serves(c) && !(sure && c->inactive))
			return true;
	return false;
}

void child_replace(struct child_sa *old, struct child_sa *c)
{
	struct ike *k = c->sa->k;

	old->state = CHILD_REPLACED;
	old->rekeying = false;
	old->replaced_by = c->spi_in;
	timer_stop(&k->timers, &old->t[CHILD_T_REKEY]);
	task_drop(old->sa, TASK_CHILD_REKEY, old->spi_in);
	timer_set(&k->timers, &old->t[CHILD_T_SETTLE], k->now + REPLACED_S * NS_S);
	if (c->inactive)
		timer_set(&k->timers, &c->t[CHILD_T_SETTLE], k->now + SETTLE_S * NS_S);
}

/* ---- and out ------------------------------------------------------------------------------------------- */

static void leave_dp(struct child_sa *c)
{
	struct ike *k = c->sa->k;
	struct slot *s = c->slot;
	struct ike_child_sa v;

	if (s->current == c) {
		struct child_sa *sib = child_sibling(c);

		s->current = NULL;
		if (sib)
			child_use(sib);
	}
	if (!c->in_dp)
		return;
	c->in_dp = false;
	k->n_installed--;
	k->n_removed++;
	child_view(c, &v);
	k->host->child_remove(k->ctx, &v);
}

/* The slot lost a child for this reason: does it want another one? */
static void slot_lost(struct slot *s, enum ike_cause cause)
{
	struct ike *k = s->gw->k;

	if (s->current || s->on || s->retired)
		return;
	if (cause == IKE_CAUSE_OPERATOR || cause == IKE_CAUSE_PEER_DELETED || cause == IKE_CAUSE_SHUTDOWN)
		s->was_up = false;
	if (!slot_wanted(s))
		return;
	s->next_try = k->now + engine_jitter(k, COMEBACK_S * NS_S);
	timer_set(&k->timers, &s->retry, s->next_try);
}

static void down(struct child_sa *c, const struct ike_reason *r)
{
	if (r && c->state != CHILD_DELETING && c->state != CHILD_GONE) {
		bool replaced = c->state == CHILD_REPLACED || r->cause == IKE_CAUSE_REPLACED;

		child_event(c->sa, c->slot, c, IKE_EV_CHILD_DOWN, r, replaced);
	}
}

void child_remove(struct child_sa *c, const struct ike_reason *r)
{
	struct ike_sa *sa = c->sa;
	struct ike *k = sa->k;
	struct slot *s = c->slot;

	down(c, r);
	leave_dp(c);
	for (unsigned i = 0; i < CHILD_T_N; i++)
		timer_stop(&k->timers, &c->t[i]);
	timer_unreserve(&k->timers, CHILD_T_N);
	task_drop(sa, TASK_CHILD_REKEY, c->spi_in);
	task_drop(sa, TASK_CHILD_DELETE, c->spi_in);
	HASH_DELETE(hh, k->children, c);
	DL_DELETE(sa->children, c);
	sa->n_children--;
	DL_DELETE2(s->children, c, sprev, snext);
	s->n_children--;
	free(c);
	if (r)
		slot_lost(s, r->cause);
	slot_put(s);
}

void child_hand_over(struct child_sa *c)
{
	struct child_sa *sib = c->slot->current == c ? child_sibling(c) : NULL;

	if (sib)
		child_use(sib);
}

/* Gone, but for what is still on its way. */
static void fade(struct child_sa *c, const struct ike_reason *r)
{
	struct ike *k = c->sa->k;

	down(c, r);
	c->state = CHILD_GONE;
	timer_stop(&k->timers, &c->t[CHILD_T_REKEY]);
	timer_stop(&k->timers, &c->t[CHILD_T_EXPIRE]);
	task_drop(c->sa, TASK_CHILD_REKEY, c->spi_in);
	task_drop(c->sa, TASK_CHILD_DELETE, c->spi_in);
	timer_set(&k->timers, &c->t[CHILD_T_SETTLE], k->now + DRAIN_S * NS_S);
}

void child_finish(struct child_sa *c, const struct ike_reason *r)
{
	child_hand_over(c);
	if (!c->in_dp || c->slot->current == c)
		child_remove(c, r);
	else
		fade(c, r);
}

void child_delete(struct child_sa *c, const struct ike_reason *r, bool keep)
{
	if (c->state == CHILD_DELETING || c->state == CHILD_GONE)
		return;
	down(c, r);
	c->state = CHILD_DELETING;
	timer_stop(&c->sa->k->timers, &c->t[CHILD_T_REKEY]);
	timer_stop(&c->sa->k->timers, &c->t[CHILD_T_SETTLE]);
	task_drop(c->sa, TASK_CHILD_REKEY, c->spi_in);
	if (keep)
		child_hand_over(c);
	else
		leave_dp(c);
	task_add(c->sa, TASK_CHILD_DELETE, c->spi_in, false);
	if (!keep && r)
		slot_lost(c->slot, r->cause);
}

/* ---- the IKE SA goes, another one has the same proxy-ID ------------------------------------------------------ */

void child_retire(struct child_sa *c, const struct child_sa *heir, const struct ike_reason *r)
{
	struct ike *k = c->sa->k;

	child_hand_over(c);
	if (!c->in_dp || c->state == CHILD_GONE)
		return;
	down(c, r);
	c->state = CHILD_DELETING;
	c->replaced_by = heir->spi_in;
	timer_stop(&k->timers, &c->t[CHILD_T_REKEY]);
	timer_stop(&k->timers, &c->t[CHILD_T_SETTLE]);
}

void child_drain(struct child_sa *c, const struct child_sa *heir, const struct ike_reason *r)
{
	struct ike_sa *from = c->sa;

	child_hand_over(c);
	if (!c->in_dp || c->slot->current == c) {
		child_remove(c, r);
		return;
	}
	if (c->state != CHILD_GONE)
		fade(c, r);
	DL_DELETE(from->children, c);
	from->n_children--;
	DL_APPEND(heir->sa->children, c);
	heir->sa->n_children++;
	c->sa = heir->sa;
}

/* ---- in between -------------------------------------------------------------------------------------------- */

void child_move_all(struct ike_sa *sa)
{
	struct child_sa *c;
	struct ike_child_sa v;

	for (c = sa->children; c; c = c->next) {
		if (!c->in_dp)
			continue;
		child_view(c, &v);
		sa->k->host->child_move(sa->k->ctx, &v);
	}
}

static struct ike_child_usage usage(const struct child_sa *c)
{
	struct ike_child_usage u = {0};
	struct ike_child_sa v;

	if (c->in_dp) {
		child_view(c, &v);
		c->sa->k->host->child_usage(c->sa->k->ctx, &v, &u);
	}
	return u;
}

uint64_t child_last_in(const struct child_sa *c)
{
	return usage(c).last_in;
}

static bool child_heard(const struct child_sa *c)
{
	return usage(c).packets_in;
}

void child_rekey(struct child_sa *c)
{
	struct child_sa *sib;

	if (c->state != CHILD_MATURE || c->rekeying)
		return;
	/* Simultaneous starts leave two children of one kind.  The one that does not carry our traffic and
	 * that we made is not worth a successor. */
	sib = child_sibling(c);
	if (sib && c->slot->current != c && sib->state == CHILD_MATURE && c->role == IKE_INITIATOR) {
		struct ike_reason r;

		reason_set(&r, c->sa->k->now, IKE_CAUSE_REPLACED, c->role, INFORMATIONAL,
			   "another Child SA carries the traffic");
		child_delete(c, &r, true);
		return;
	}
	if (child_elsewhere(c) && reauth_leaving(c->sa))
		return;
	c->rekeying = true;
	task_add(c->sa, TASK_CHILD_REKEY, c->spi_in, false);
}

void child_on_rekey(struct ike *k, void *p)
{
	struct child_sa *c = p;

	child_rekey(c);
	/* Should it fail, again before the lifetime ends. */
	timer_set(&k->timers, &c->t[CHILD_T_REKEY],
		  k->now + engine_jitter(k, REKEY_RETRY_S * NS_S) + (c->expires - c->rekey_at) / 10);
	task_run(c->sa);
}

void child_on_expire(struct ike *k, void *p)
{
	struct child_sa *c = p;
	struct ike_sa *sa = c->sa;
	struct ike_reason r;

	reason_set(&r, k->now, IKE_CAUSE_EXPIRED, c->role, INFORMATIONAL,
		   "lifetime of the Child SA ended without a rekey");
	/* One that has a successor may receive until the peer answers our Delete, or is found dead. */
	if (c->state == CHILD_DELETING && !c->replaced_by)
		leave_dp(c);
	else
		child_delete(c, &r, c->replaced_by);
	task_run(sa);
}

void child_on_settle(struct ike *k, void *p)
{
	struct child_sa *c = p;
	struct ike_sa *sa = c->sa;
	struct ike_reason r;

	if (c->state == CHILD_GONE) {
		child_remove(c, NULL);
		return;
	}
	if (c->state == CHILD_MATURE && !c->loser) {
		/* As long as nothing came in on it, the peer may still be without our answer. */
		if (!child_heard(c) && k->now - c->created < SETTLE_MAX_S * NS_S)
			timer_set(&k->timers, &c->t[CHILD_T_SETTLE], k->now + SETTLE_S * NS_S);
		else
			child_use(c);
		task_run(sa);
		return;
	}
	reason_set(&r, k->now, IKE_CAUSE_REPLACED, c->role, INFORMATIONAL,
		   "rekeyed; the peer sent no Delete");
	child_delete(c, &r, false);
	task_run(sa);
}
