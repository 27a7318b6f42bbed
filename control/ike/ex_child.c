/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CREATE_CHILD_SA for Child SAs: a further one, or the successor of one (RFC 7296 1.3.1, 1.3.3, 2.8):
 *
 *     initiator                                 responder
 *     HDR, SK {[N(REKEY_SA),] SA, Ni,
 *       [KEi,] TSi, TSr}  -->
 *                             <--  HDR, SK {SA, Nr, [KEr,] TSi, TSr}
 *     or
 *                             <--  HDR, SK {N(INVALID_KE_PAYLOAD)}     again with that group
 *                             <--  HDR, SK {N(TEMPORARY_FAILURE)}      later
 *                             <--  HDR, SK {N(CHILD_SA_NOT_FOUND)}     the old one is gone there
 *                             <--  HDR, SK {N(TS_UNACCEPTABLE)} …
 *
 * Make before break: the responder installs the new SA at once but goes on sending on the old one until
 * the initiator deletes that; the initiator sends on the new one from its installation on, and then
 * deletes the old one.
 *
 * When both ends rekey the same Child SA at once, both exchanges succeed and the one that has the lowest
 * of the four nonces is redundant: whoever started it deletes it (2.8.1).
 */
#include <stdlib.h>
#include <string.h>

#include "followup.h"
#include "fsm.h"
#include "reason.h"
#include "xchg.h"

enum { NONCE_MIN = 16, KE_TRIES = 3, LOSER_S = 60 };

static struct bytes view(const void *p, size_t len)
{
	return (struct bytes){.p = p, .len = len};
}

bool nonce_less(struct bytes a, struct bytes b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = memcmp(a.p, b.p, n);

	return c ? c < 0 : a.len < b.len;
}

struct bytes nonce_min(struct bytes a, struct bytes b)
{
	return nonce_less(b, a) ? b : a;
}

static bool nonce_ok(struct bytes n)
{
	return n.len >= NONCE_MIN && n.len <= IKE_NONCE_MAX;
}

static void write_spi_notify(struct msg_wr *w, uint16_t type, uint32_t spi)
{
	uint8_t buf[ESP_SPI];
	struct wr s = wr_of(buf, sizeof(buf));

	wr_u32(&s, spi);
	msg_wr_notify(w, PROTO_ESP, buf, sizeof(buf), type, NULL, 0);
}

/* ---- initiator -------------------------------------------------------------------------------------------- */

static int write_request(struct out *o, const struct nego *n, const struct child_sa *old)
{
	const struct slot *s = n->slot;
	struct ts_list local, remote;

	out_begin(o);
	if (old)
		write_spi_notify(&o->w, N_REKEY_SA, old->spi_in);
	child_write_sa(&o->w, s, n->spi_in, false);
	msg_wr_bytes(&o->w, PL_NONCE, n->nonce, sizeof(n->nonce));
	if (n->dh) {
		struct bytes pub = dh_public(n->dh);

		msg_wr_ke(&o->w, n->group, pub.p, pub.len);
	}
	child_ask_ts(s, old, &local, &remote);
	child_write_ts(&o->w, &local, &remote, IKE_INITIATOR);
	return 0;
}

static int prepare(struct ike_sa *sa, struct slot *s, const struct child_sa *old, uint16_t group,
		   struct out *o)
{
	const struct ike_algs *a = &s->conf->esp;
	struct nego *n = calloc(1, sizeof(*n));
	int rc;

	if (!n)
		return -1;
	sa->nego = n;
	n->slot = s;
	n->old_spi = old ? old->spi_in : 0;
	if (!old)
		s->on = sa;
	rc = sa->k->host->spi_alloc(sa->k->ctx, &n->spi_in);
	if (rc) {
		n->spi_in = 0;
		return rc;
	}
	crypto_random(n->nonce, sizeof(n->nonce));
	if (a->n_dh) {
		n->group = group ? group : a->dh[0];
		n->dh = dh_new(n->group);
		if (!n->dh)
			return -1;
	}
	return write_request(o, n, old);
}

bool child_start(struct ike_sa *sa, struct slot *s, struct child_sa *old, uint16_t group)
{
	struct task t = {.kind = old ? TASK_CHILD_REKEY : TASK_CHILD, .id = old ? old->spi_in : s->policy};
	struct ike_reason r;
	struct out o;
	int rc = prepare(sa, s, old, group, &o);

	if (!rc)
		rc = xchg_request(sa, CREATE_CHILD_SA, &o, &t);
	if (!rc) {
		if (!group)
			child_event(sa, s, old, IKE_EV_CHILD_START, NULL, old != NULL);
		if (old)
			old->rekeying = true;
		return true;
	}
	nego_free(sa, true);
	if (old)
		old->rekeying = false;
	reason_set(&r, sa->k->now, IKE_CAUSE_INSTALL, IKE_INITIATOR, CREATE_CHILD_SA,
		   "cannot start: no SPI, memory or Diffie-Hellman group available");
	slot_failed(s, sa, &r, old);
	return false;
}

/* The request is answered: take what belongs to it out of the SA. */
static struct nego take_nego(struct ike_sa *sa)
{
	struct nego n = *sa->nego;
	struct child_sa *old = child_find(sa->k, n.old_spi);

	xchg_done(sa);
	sa->nego->spi_in = 0;
	sa->nego->dh = NULL;
	nego_free(sa, false);
	n.more = NULL;
	if (old)
		old->rekeying = false;
	return n;
}

static void drop_nego(struct ike *k, struct nego *n)
{
	if (n->spi_in)
		k->host->spi_release(k->ctx, n->spi_in);
	dh_free(n->dh);
	crypto_wipe(n, sizeof(*n));
}

/* The child being rekeyed, unless it ended meanwhile. */
static struct child_sa *old_of(struct ike_sa *sa, const struct nego *n)
{
	struct child_sa *c = n->old_spi ? child_find(sa->k, n->old_spi) : NULL;

	return c && c->state != CHILD_GONE ? c : NULL;
}

static struct child_sa *rival_of(struct ike_sa *sa, const struct nego *n)
{
	struct child_sa *c = n->rival ? child_find(sa->k, n->rival_spi_in) : NULL;

	return c && c->sa == sa ? c : NULL;
}

/* Ours is installed as well as the peer's: who stays?  Both ends come to the same answer. */
static void settle(struct ike_sa *sa, const struct nego *n, struct bytes nr, struct child_sa *old,
		   struct child_sa *ours, struct child_sa *rival)
{
	struct bytes mine = nonce_min(view(n->nonce, sizeof(n->nonce)), nr);
	struct ike *k = sa->k;
	struct ike_reason r;

	reason_set(&r, k->now, IKE_CAUSE_REPLACED, IKE_INITIATOR, CREATE_CHILD_SA,
		   "both ends rekeyed at once; the other Child SA stays");
	COUNT(k, collision);
	if (nonce_less(mine, view(n->rival_nonce, n->rival_nonce_len))) {
		ours->loser = true;
		if (old)
			child_replace(old, rival);
		else
			child_use(rival);
		child_delete(ours, &r, true);
		return;
	}
	rival->loser = true;
	timer_stop(&k->timers, &rival->t[CHILD_T_REKEY]);
	timer_set(&k->timers, &rival->t[CHILD_T_SETTLE], k->now + LOSER_S * NS_S);
	child_use(ours);
	if (old) {
		child_replace(old, ours);
		reason_set(&r, k->now, IKE_CAUSE_REPLACED, IKE_INITIATOR, CREATE_CHILD_SA, "rekeyed");
		child_delete(old, &r, true);
	}
}

/* Both ends made a Child SA for the same proxy-ID at once.  The RFC has no rule for that, so the one
 * for rekeys serves.  The peer may have had its answer before it saw our request, and know of no
 * collision: so the one that lost is deleted from here, whoever made it. */
static void settle_twins(struct ike_sa *sa, const struct nego *n, struct bytes nr, struct child_sa *ours,
			 struct child_sa *rival)
{
	struct bytes mine = nonce_min(view(n->nonce, sizeof(n->nonce)), nr);
	bool lost = nonce_less(mine, view(n->rival_nonce, n->rival_nonce_len));
	struct child_sa *loser = lost ? ours : rival;
	struct ike_reason r;

	COUNT(sa->k, collision);
	reason_set(&r, sa->k->now, IKE_CAUSE_REPLACED, IKE_INITIATOR, CREATE_CHILD_SA,
		   "both ends started at once; the other Child SA stays");
	if (!lost)
		child_use(ours);
	loser->loser = true;
	child_delete(loser, &r, true);
}

static void finish(struct ike_sa *sa, const struct nego *n, struct bytes nr, struct child_sa *c)
{
	struct child_sa *old = old_of(sa, n), *rival = rival_of(sa, n);
	struct ike_reason r;

	if (rival && !n->old_spi) {
		settle_twins(sa, n, nr, c, rival);
		return;
	}
	if (rival) {
		settle(sa, n, nr, old, c, rival);
		return;
	}
	if (!old)
		return;
	child_replace(old, c);
	reason_set(&r, sa->k->now, IKE_CAUSE_REPLACED, IKE_INITIATOR, CREATE_CHILD_SA, "rekeyed");
	child_delete(old, &r, true);
}

/* The peer's rekey of the same SA stands alone. */
static void rival_stands(struct ike_sa *sa, const struct nego *n)
{
	struct child_sa *old = old_of(sa, n), *rival = rival_of(sa, n);

	if (rival && old)
		child_replace(old, rival);
	else if (rival)
		child_use(rival);
}

/* The secret of an answer with KE; false: not what we asked for. */
static bool derive(struct in *in, const struct nego *n, const struct child_plan *p, uint8_t *secret,
		   size_t *len, struct ike_reason *r)
{
	bool ke = in->m->seen & PL_BIT(PL_KE);

	*len = 0;
	if (!p->suite.dh && !n->dh)
		return true;
	if (n->dh && ke && p->suite.dh == n->group && in->m->ke.group == n->group) {
		*len = DH_SECRET_MAX;
		if (!dh_derive(n->dh, in->m->ke.data, secret, len))
			return true;
	}
	reason_set(r, in->k->now, IKE_CAUSE_INVALID_KE, IKE_INITIATOR, CREATE_CHILD_SA,
		   "peer's answer has no or a bad Diffie-Hellman value");
	reason_hint(r, "compare dh-group (PFS) on both sides");
	return false;
}

static bool deleted_early(const struct nego *n, uint32_t spi_out)
{
	for (unsigned i = 0; i < n->n_early_deletes; i++)
		if (n->early_deletes[i] == spi_out)
			return true;
	return false;
}

/* The answer is fine, but the peer's Delete of it overtook it. */
static void gone_again(struct ike_sa *sa, struct nego *n, struct child_sa *old)
{
	struct ike_reason r;

	reason_set(&r, sa->k->now, IKE_CAUSE_PEER_DELETED, IKE_INITIATOR, CREATE_CHILD_SA,
		   "peer deleted the Child SA as soon as it was made");
	rival_stands(sa, n);
	/* Of two that both ends made at once the peer keeps the other: nothing is missing. */
	if (old || !child_on(n->slot, sa, false))
		slot_failed(n->slot, sa, &r, old);
	drop_nego(sa->k, n);
}

/* The answer as it should be, and the secret of its key exchange. */
static bool judge(struct in *in, const struct nego *n, struct child_plan *p, uint8_t *secret, size_t *len,
		  struct ike_reason *r)
{
	if (nonce_ok(in->m->nonce))
		return child_plan_accept(in, n->slot, n->spi_in, false, p, r) &&
		       derive(in, n, p, secret, len, r);
	reason_set(r, in->k->now, IKE_CAUSE_MALFORMED, IKE_INITIATOR, CREATE_CHILD_SA,
		   "peer's nonce has a wrong length");
	return false;
}

/* Install what plan p says, or, p NULL, do without for reason r. */
static void conclude(struct in *in, const struct child_plan *p, struct bytes secret, struct bytes nr,
		     struct ike_reason *r)
{
	struct ike_sa *sa = in->sa;
	struct nego n = take_nego(sa);
	struct child_sa *old = old_of(sa, &n), *rival = rival_of(sa, &n), *c = NULL;

	if (p && deleted_early(&n, p->spi_out)) {
		gone_again(sa, &n, old);
		return;
	}
	if (p) {
		/* Against a rival only the comparison tells which one is to carry traffic. */
		c = child_commit(sa, p, view(n.nonce, sizeof(n.nonce)), nr, secret, in->m->hdr.msgid, !rival,
				 old, r);
		if (!c)
			task_add(sa, TASK_CHILD_DELETE, n.spi_in, false);
		n.spi_in = 0;
	}
	sa->holds = 0;
	if (c) {
		finish(sa, &n, nr, c);
	} else {
		/* The peer has installed what we refuse. */
		if (n.spi_in)
			task_add(sa, TASK_CHILD_DELETE, n.spi_in, false);
		rival_stands(sa, &n);
		slot_failed(n.slot, sa, r, old);
	}
	drop_nego(in->k, &n);
}

/* Taken out of the configuration meanwhile. */
static void unwanted(struct ike_sa *sa)
{
	struct nego n = take_nego(sa);

	task_add(sa, TASK_CHILD_DELETE, n.spi_in, false);
	drop_nego(sa->k, &n);
}

void child_response(struct in *in)
{
	const struct nego *n = in->sa->nego;
	uint8_t secret[DH_SECRET_MAX];
	size_t len = 0;
	struct child_plan p;
	struct ike_reason r;
	bool ok, goes_on = false;

	if (!n->slot) {
		unwanted(in->sa);
		return;
	}
	ok = judge(in, n, &p, secret, &len, &r);
	if (ok && followup_needed(&p.suite)) {
		goes_on = followup_start(in, &p.suite, &p, view(secret, len));
		reason_set(&r, in->k->now, IKE_CAUSE_MALFORMED, IKE_INITIATOR, CREATE_CHILD_SA,
			   "peer's answer has no ADDITIONAL_KEY_EXCHANGE, or it cannot be followed");
		ok = false;
	}
	if (!goes_on)
		conclude(in, ok ? &p : NULL, view(secret, len), in->m->nonce, &r);
	crypto_wipe(secret, sizeof(secret));
}

void child_followed(struct in *in, struct followup *f)
{
	struct ike_reason r;

	if (!in->sa->nego->slot) {
		unwanted(in->sa);
		return;
	}
	f->plan.more = view(f->more, f->more_len);
	conclude(in, &f->plan, view(f->secret, f->secret_len), view(f->nr, f->nr_len), &r);
}

static bool group_ours(const struct slot *s, uint16_t group)
{
	for (unsigned i = 0; i < s->conf->esp.n_dh; i++)
		if (s->conf->esp.dh[i] == group)
			return true;
	return false;
}

/* Another group is asked for: try that one, a few times at most. */
static bool other_group(struct ike_sa *sa, const struct nego *n, const struct msg_notify *e,
			struct child_sa *old)
{
	uint16_t group;

	if (e->type != N_INVALID_KE_PAYLOAD || e->data.len != 2 || n->rival)
		return false;
	group = (uint16_t)(e->data.p[0] << 8 | e->data.p[1]);
	if (group == n->group || !group_ours(n->slot, group) || n->ke_tries >= KE_TRIES || sa->state != SA_UP)
		return false;
	COUNT(sa->k, ke_retry);
	if (!child_start(sa, n->slot, old, group))
		return true; /* the failure is recorded */
	sa->nego->ke_tries = n->ke_tries + 1;
	return true;
}

static void refused(struct in *in, struct nego *n, struct child_sa *old)
{
	const struct msg_notify *e = msg_notify_error(in->m);
	struct ike_reason r;

	reason_set(&r, in->k->now, IKE_CAUSE_MALFORMED, IKE_INITIATOR, CREATE_CHILD_SA,
		   "peer's answer has neither an SA nor an error");
	if (e)
		child_refused(n->slot, false, e->type, &r);
	slot_failed(n->slot, in->sa, &r, old);
}

void child_response_error(struct in *in)
{
	struct ike_sa *sa = in->sa;
	struct ike *k = in->k;
	struct nego n = take_nego(sa);
	struct child_sa *old = old_of(sa, &n);
	const struct msg_notify *e = msg_notify_error(in->m);
	uint16_t type = e ? e->type : 0;

	rival_stands(sa, &n);
	if (!n.slot || (n.old_spi && !old) || rival_of(sa, &n)) {
		drop_nego(k, &n); /* nothing is missing */
		return;
	}
	if (type == N_TEMPORARY_FAILURE) {
		/* The peer is busy with something that crosses ours (2.25): come back later. */
		if (!old)
			xchg_hold(sa, TASK_CHILD, n.slot->policy);
		else if (old->state == CHILD_MATURE) {
			old->rekeying = true;
			xchg_hold(sa, TASK_CHILD_REKEY, old->spi_in);
		}
	} else if (type == N_CHILD_SA_NOT_FOUND && old) {
		struct slot *s = old->slot;
		struct ike_reason r;

		/* The peer does not have it: make a new one from scratch (2.25).  It may have been about to get
		 * it, by the answer to what it asked for; a Delete takes it away again. */
		COUNT(k, child_not_found);
		reason_set(&r, k->now, IKE_CAUSE_PEER_DELETED, IKE_INITIATOR, CREATE_CHILD_SA,
			   "peer does not know the Child SA that was to be rekeyed");
		child_delete(old, &r, false);
		if (!slot_up(s))
			task_add(sa, TASK_CHILD, s->policy, false);
	} else if (!old && child_single_pair(n.slot, type)) {
		task_add(sa, TASK_CHILD, n.slot->policy, true);
	} else if (!e || !other_group(sa, &n, e, old)) {
		refused(in, &n, old);
	}
	drop_nego(k, &n);
}

/* ---- responder -------------------------------------------------------------------------------------------------- */

/* The group of the suite and that of the KE payload; our value and the secret.  false: *notify. */
static bool exchange_keys(struct in *in, const struct child_plan *p, struct dh **dh, uint8_t *secret,
			  size_t *len, uint16_t *notify)
{
	*len = 0;
	*dh = NULL;
	if (!p->suite.dh)
		return true;
	*notify = N_INVALID_KE_PAYLOAD;
	if (in->m->ke.group != p->suite.dh)
		return false;
	*dh = dh_respond(p->suite.dh, in->m->ke.data, secret, len);
	if (*dh)
		return true;
	*notify = N_INVALID_SYNTAX;
	return false;
}

static void respond_group(struct in *in, uint16_t group)
{
	uint8_t buf[2] = {(uint8_t)(group >> 8), (uint8_t)group};

	COUNT(in->k, ke_retry);
	xchg_respond_notify(in->sa, in->m, N_INVALID_KE_PAYLOAD, buf, sizeof(buf));
}

/* more: further exchanges belong to it, or NULL. */
static void respond_child(struct in *in, const struct child_plan *p, const uint8_t *nr, size_t nr_len,
			  const struct dh *dh, struct followup *more)
{
	struct out o;

	out_begin(&o);
	child_write_choice(&o.w, p);
	msg_wr_bytes(&o.w, PL_NONCE, nr, nr_len);
	if (dh) {
		struct bytes pub = dh_public(dh);

		msg_wr_ke(&o.w, p->suite.dh, pub.p, pub.len);
	}
	child_write_answer_ts(&o.w, p);
	if (more)
		followup_write_link(more, &o);
	xchg_respond(in->sa, in->m, &o);
}

/* The peer's exchange crosses ours for the same thing: the answer to ours will tell who stays. */
static void meet_rival(struct in *in, struct child_sa *c, struct bytes nr)
{
	struct bytes low = nonce_min(in->m->nonce, nr);
	struct nego *n = in->sa->nego;

	n->rival = true;
	n->rival_spi_in = c->spi_in;
	n->rival_nonce_len = low.len;
	memcpy(n->rival_nonce, low.p, low.len);
}

/* We have installed a Child SA at the peer's wish, the successor of old if there is one. */
static void installed(struct in *in, struct child_sa *old, struct child_sa *c, struct bytes nr)
{
	const struct nego *n = in->sa->nego;

	if (old && n && n->old_spi == old->spi_in)
		meet_rival(in, c, nr);
	else if (old)
		child_replace(old, c);
	else if (n && n->slot == c->slot && !n->old_spi && in->sa->req.task.kind == TASK_CHILD)
		meet_rival(in, c, nr);
}

/* The suite wants more key exchanges: so far it is only agreed on. */
static void create_later(struct in *in, struct child_sa *old, const struct child_plan *p, struct bytes nr,
			 struct bytes secret, const struct dh *dh)
{
	struct ike_sa *sa = in->sa;
	const struct nego *n = sa->nego;
	bool crosses = n && (old ? n->old_spi == old->spi_in : n->slot == p->slot);
	struct followup *f = crosses ? NULL : followup_expect(in, &p->suite, nr, secret);

	if (!f) {
		in->k->host->spi_release(in->k->ctx, p->spi_in);
		xchg_respond_notify(sa, in->m, N_TEMPORARY_FAILURE, NULL, 0);
		return;
	}
	f->child = true;
	f->plan = *p;
	if (old) {
		f->old_spi = old->spi_in;
		old->rekeying = true; /* by the peer */
	} else if (!p->slot->on) {
		p->slot->on = sa;
	}
	respond_child(in, p, nr.p, nr.len, dh, f);
}

bool child_complete(struct in *in, const struct followup *f, uint16_t *notify)
{
	struct ike_sa *sa = in->sa;
	struct child_sa *old = f->old_spi ? child_find(in->k, f->old_spi) : NULL, *c;
	struct child_plan p = f->plan;
	struct ike_reason r;

	if (f->old_spi && (!old || old->sa != sa || old->state != CHILD_MATURE))
		return false;
	p.more = view(f->more, f->more_len);
	c = child_commit(sa, &p, view(f->ni, f->ni_len), view(f->nr, f->nr_len),
			 view(f->secret, f->secret_len), in->m->hdr.msgid, false, old, &r);
	if (!c) {
		*notify = N_NO_ADDITIONAL_SAS;
		slot_failed(p.slot, sa, &r, old);
		return false;
	}
	if (old)
		child_replace(old, c);
	return true;
}

static void create(struct in *in, struct child_sa *old)
{
	struct ike_sa *sa = in->sa;
	uint8_t secret[DH_SECRET_MAX], nr[32];
	size_t secret_len;
	struct dh *dh;
	struct child_plan p;
	struct child_sa *c;
	struct ike_reason r;
	uint16_t notify;

	if (!child_plan_answer(in, sa->gw, old, false, &p, &notify, &r)) {
		xchg_respond_notify(sa, in->m, notify, NULL, 0);
		if (p.slot)
			slot_failed(p.slot, sa, &r, old);
		else
			gw_record(sa->gw, &r);
		return;
	}
	if (!exchange_keys(in, &p, &dh, secret, &secret_len, &notify)) {
		in->k->host->spi_release(in->k->ctx, p.spi_in);
		if (notify == N_INVALID_KE_PAYLOAD)
			respond_group(in, p.suite.dh);
		else
			xchg_respond_notify(sa, in->m, notify, NULL, 0);
		return;
	}
	crypto_random(nr, sizeof(nr));
	if (followup_needed(&p.suite)) {
		create_later(in, old, &p, view(nr, sizeof(nr)), view(secret, secret_len), dh);
		crypto_wipe(secret, sizeof(secret));
		dh_free(dh);
		return;
	}
	c = child_commit(sa, &p, in->m->nonce, view(nr, sizeof(nr)), view(secret, secret_len),
			 in->m->hdr.msgid, false, old, &r);
	if (c) {
		installed(in, old, c, view(nr, sizeof(nr)));
		respond_child(in, &p, nr, sizeof(nr), dh, NULL);
	} else {
		xchg_respond_notify(sa, in->m, N_NO_ADDITIONAL_SAS, NULL, 0);
		slot_failed(p.slot, sa, &r, old);
	}
	crypto_wipe(secret, sizeof(secret));
	dh_free(dh);
}

void child_rival_stands(struct child_sa *old)
{
	struct nego *n = old->sa->nego;

	if (n && n->old_spi == old->spi_in && n->rival)
		rival_stands(old->sa, n);
}

void child_request(struct in *in)
{
	const struct msg_notify *n = msg_notify_find(in->m, N_REKEY_SA);
	struct ike_sa *sa = in->sa;
	struct child_sa *old = NULL;
	uint32_t spi = 0;

	/* 2.25.2: not while the IKE SA itself is being rekeyed or closed; nor for a place that may not be the peer's. */
	if (sa->state != SA_UP || sa->unproved || (sa->req.busy && sa->req.task.kind == TASK_IKE_REKEY)) {
		xchg_respond_notify(sa, in->m, N_TEMPORARY_FAILURE, NULL, 0);
		return;
	}
	if (!nonce_ok(in->m->nonce)) {
		fsm_bad_request(in, N_INVALID_SYNTAX, "nonce of wrong length");
		return;
	}
	followup_drop(sa);
	if (n) {
		struct rd r = rd_of(n->spi.p, n->spi.len);

		spi = rd_u32(&r);
		old = n->protocol == PROTO_ESP && n->spi.len == ESP_SPI ? child_by_spi_out(sa, spi) : NULL;
		/* It may be the one that we asked for: the answer was overtaken. */
		if (!old && sa->nego) {
			xchg_respond_notify(sa, in->m, N_TEMPORARY_FAILURE, NULL, 0);
			return;
		}
		if (!old || old->state == CHILD_REPLACED) {
			struct out o;

			out_begin(&o);
			write_spi_notify(&o.w, N_CHILD_SA_NOT_FOUND, spi);
			xchg_respond(sa, in->m, &o);
			COUNT(in->k, child_not_found);
			return;
		}
		/* 2.25.1: one that we are closing, or that has lost. */
		if (old->state == CHILD_DELETING || old->loser) {
			xchg_respond_notify(sa, in->m, N_TEMPORARY_FAILURE, NULL, 0);
			return;
		}
	}
	create(in, old);
}
