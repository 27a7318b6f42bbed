/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CREATE_CHILD_SA that rekeys the IKE SA (RFC 7296 1.3.2, 2.18):
 *
 *     initiator                                 responder
 *     HDR, SK {SA, Ni, KEi}  -->
 *                             <--  HDR, SK {SA, Nr, KEr}
 *
 * The new IKE SA takes over the Child SAs and whatever waits to be done; then the initiator of the rekey
 * deletes the old one.  When both rekey at once, the exchange with the lowest of the four nonces is
 * redundant and its initiator deletes that new SA (2.8.1); until that is known, neither new SA is used.
 */
#include <stdlib.h>
#include <string.h>

#include "followup.h"
#include "fsm.h"
#include "reason.h"
#include "reauth.h"
#include "xchg.h"

enum { NONCE_MIN = 16, KE_TRIES = 3, OLD_S = 60 };

static struct bytes view(const void *p, size_t len)
{
	return (struct bytes){.p = p, .len = len};
}

static void spi_write(uint64_t spi, uint8_t out[IKE_SPI])
{
	struct wr w = wr_of(out, IKE_SPI);

	wr_u64(&w, spi);
}

static uint64_t spi_read(const struct suite_choice *s)
{
	struct rd r = rd_of(s->spi, s->spi_len == IKE_SPI ? IKE_SPI : 0);

	return rd_u64(&r);
}

static void offer(const struct ike_sa *sa, const struct ike_sa *fresh, struct proposals *out)
{
	uint8_t spi[IKE_SPI];

	spi_write(fresh->spi_own, spi);
	prop_offer(&sa->gw->conf.ike, PROP_IKE, IKE_ESN_NO, spi, sizeof(spi), out);
}

static bool group_ours(const struct ike_algs *a, uint16_t group)
{
	for (unsigned i = 0; i < a->n_dh; i++)
		if (a->dh[i] == group)
			return true;
	return false;
}

/* A new SA between the same ends. */
static struct ike_sa *successor(const struct ike_sa *old, enum ike_role role)
{
	struct ike_sa *sa = sa_new(old->k, old->gw, role);

	if (!sa)
		return NULL;
	sa->local = old->local;
	sa->remote = old->remote;
	sa->nat_local = old->nat_local;
	sa->nat_remote = old->nat_remote;
	sa->natt_peer = old->natt_peer;
	sa->udp_encap = old->udp_encap;
	sa->fragmentation = old->fragmentation;
	sa->ppk = old->ppk;
	sa->mobike = old->mobike;
	sa->began = old->began;
	sa->id_remote = old->id_remote;
	sa_same_peer(sa, old);
	sa->rekeys = old->rekeys + 1;
	sa->authenticated_at = old->authenticated_at;
	return sa;
}

/* ---- who stays --------------------------------------------------------------------------------------------- */

/* fresh takes over from old.  ours: we started this rekey, so we delete the old one. */
static void take_over(struct ike_sa *fresh, struct ike_sa *old, bool ours)
{
	struct ike_reason r;

	reason_set(&r, old->k->now, IKE_CAUSE_REPLACED, fresh->role, CREATE_CHILD_SA, "rekeyed");
	sa_up(fresh, true);
	sa_inherit(fresh, old);
	reauth_inherit(fresh, old);
	timer_stop(&old->k->timers, &old->t[SA_T_REKEY]);
	timer_stop(&old->k->timers, &old->t[SA_T_DPD]);
	timer_stop(&old->k->timers, &old->t[SA_T_KEEPALIVE]);
	timer_stop(&old->k->timers, &old->t[SA_T_DUPLICATE]);
	sa_state_set(old, SA_REKEYED);
	if (ours)
		sa_close(old, &r, TASK_IKE_DELETE);
	else
		timer_set(&old->k->timers, &old->t[SA_T_LINGER], old->k->now + OLD_S * NS_S);
	task_run(fresh);
}

/* A new SA that lost.  ours: we delete it; else the peer does. */
static void give_way(struct ike_sa *sa, bool ours)
{
	struct ike_reason r;

	reason_set(&r, sa->k->now, IKE_CAUSE_REPLACED, sa->role, CREATE_CHILD_SA,
		   "both ends rekeyed at once; the other IKE SA stays");
	sa_state_set(sa, SA_UP);
	sa_state_set(sa, SA_REKEYED);
	if (ours)
		sa_close(sa, &r, TASK_IKE_DELETE);
	else
		timer_set(&sa->k->timers, &sa->t[SA_T_LINGER], sa->k->now + OLD_S * NS_S);
}

void rekey_rival_wins(struct ike_sa *old)
{
	struct ike_sa *rival = old->nego ? old->nego->rival_sa : NULL;

	if (!rival)
		return;
	old->nego->rival_sa = NULL;
	take_over(rival, old, false);
}

/* ---- initiator ----------------------------------------------------------------------------------------------- */

static int prepare(struct ike_sa *sa, uint16_t group, struct out *o)
{
	const struct ike_algs *a = &sa->gw->conf.ike;
	struct nego *n = calloc(1, sizeof(*n));
	struct proposals p;
	struct bytes pub;

	if (!n)
		return -1;
	sa->nego = n;
	if (!a->n_dh)
		return -1;
	n->group = group ? group : group_ours(a, sa->suite.dh) ? sa->suite.dh : a->dh[0];
	n->dh = dh_new(n->group);
	n->fresh = successor(sa, IKE_INITIATOR);
	if (!n->dh || !n->fresh)
		return -1;
	crypto_random(n->nonce, sizeof(n->nonce));
	pub = dh_public(n->dh);
	offer(sa, n->fresh, &p);
	out_begin(o);
	msg_wr_open(&o->w, PL_SA);
	prop_encode(&o->w.w, &p);
	msg_wr_close(&o->w);
	msg_wr_bytes(&o->w, PL_NONCE, n->nonce, sizeof(n->nonce));
	msg_wr_ke(&o->w, n->group, pub.p, pub.len);
	return 0;
}

bool rekey_start(struct ike_sa *sa, uint16_t group)
{
	struct task t = {.kind = TASK_IKE_REKEY};
	struct out o;

	if (sa->state != SA_UP)
		return false;
	if (!prepare(sa, group, &o) && !xchg_request(sa, CREATE_CHILD_SA, &o, &t))
		return true;
	nego_free(sa, true);
	return false; /* the timer comes again */
}

static void failed(struct ike_sa *sa, const struct ike_reason *r)
{
	COUNT(sa->k, ike_fail);
	gw_record(sa->gw, r);
	sa_event(sa, IKE_EV_IKE_FAIL, r, "rekey");
}

/* The answer is good: both ends have the new SA. */
static void finish(struct in *in, struct bytes nr, struct ike_sa *fresh, struct ike_sa *rival)
{
	struct ike_sa *sa = in->sa;
	struct nego *n = sa->nego;
	struct bytes mine = nonce_min(view(n->nonce, sizeof(n->nonce)), nr);
	bool lost = rival && nonce_less(mine, view(n->rival_nonce, n->rival_nonce_len));

	n->fresh = NULL;
	n->rival_sa = NULL;
	nego_free(sa, true);
	if (rival)
		COUNT(in->k, collision);
	if (lost) {
		take_over(rival, sa, false);
		give_way(fresh, true);
		return;
	}
	take_over(fresh, sa, true);
	if (rival)
		give_way(rival, false);
}

/* The answer is not what was offered, or its keys cannot be made. */
static void useless(struct in *in)
{
	struct ike_reason r;

	reason_set(&r, in->k->now, IKE_CAUSE_NO_PROPOSAL, IKE_INITIATOR, CREATE_CHILD_SA,
		   "peer's answer to the rekey of the IKE SA is not what was offered");
	xchg_done(in->sa);
	failed(in->sa, &r);
	rekey_rival_wins(in->sa);
	nego_free(in->sa, true);
}

/* The suite of the answer, and the secret of its key exchange. */
static bool judge(struct in *in, const struct nego *n, struct suite_choice *suite, uint8_t *secret,
		  size_t *len)
{
	struct proposals offered, answer;

	offer(in->sa, n->fresh, &offered);
	*len = DH_SECRET_MAX;
	return !prop_decode(in->m->sa, &answer) && !prop_accept(&answer, &offered, suite) &&
	       spi_read(suite) && suite->dh == n->group && in->m->ke.group == n->group &&
	       in->m->nonce.len >= NONCE_MIN && in->m->nonce.len <= IKE_NONCE_MAX &&
	       !dh_derive(n->dh, in->m->ke.data, secret, len);
}

/* All key exchanges are done. */
static void conclude(struct in *in, struct bytes nr, struct bytes secret, struct bytes more)
{
	struct ike_sa *sa = in->sa;
	struct nego *n = sa->nego;
	struct ike_sa *fresh = n->fresh;

	if (ike_keys_rekey(&sa->keys, &fresh->suite, view(n->nonce, sizeof(n->nonce)), nr, fresh->spi_own,
			   fresh->spi_peer, secret, more, &fresh->keys)) {
		useless(in);
		return;
	}
	xchg_done(sa);
	finish(in, nr, fresh, n->rival_sa);
}

void rekey_response(struct in *in)
{
	struct ike_sa *fresh = in->sa->nego->fresh;
	uint8_t secret[DH_SECRET_MAX];
	struct suite_choice suite;
	size_t len;

	if (!judge(in, in->sa->nego, &suite, secret, &len)) {
		useless(in);
	} else {
		fresh->spi_peer = spi_read(&suite);
		fresh->suite = suite;
		if (!followup_needed(&suite))
			conclude(in, in->m->nonce, view(secret, len), view(NULL, 0));
		else if (!followup_start(in, &suite, NULL, view(secret, len)))
			useless(in);
	}
	crypto_wipe(secret, sizeof(secret));
}

void rekey_followed(struct in *in, const struct followup *f)
{
	conclude(in, view(f->nr, f->nr_len), view(f->secret, f->secret_len), view(f->more, f->more_len));
}

void rekey_response_error(struct in *in)
{
	const struct msg_notify *e = msg_notify_error(in->m);
	struct ike_sa *sa = in->sa;
	struct ike *k = in->k;
	struct nego *n = sa->nego;
	unsigned tries = n->ke_tries;
	uint16_t group = 0, used = n->group;
	struct ike_reason r;

	xchg_done(sa);
	if (n->rival_sa) {
		rekey_rival_wins(sa);
		nego_free(sa, true);
		return;
	}
	nego_free(sa, true);
	if (e && e->type == N_TEMPORARY_FAILURE) {
		xchg_hold(sa, TASK_IKE_REKEY, 0);
		return;
	}
	if (e && e->type == N_INVALID_KE_PAYLOAD && e->data.len == 2)
		group = (uint16_t)(e->data.p[0] << 8 | e->data.p[1]);
	if (group && group != used && group_ours(&sa->gw->conf.ike, group) && tries < KE_TRIES) {
		COUNT(k, ke_retry);
		if (rekey_start(sa, group))
			sa->nego->ke_tries = tries + 1;
		return;
	}
	reason_set(&r, k->now, IKE_CAUSE_MALFORMED, IKE_INITIATOR, CREATE_CHILD_SA,
		   "peer's answer to the rekey has neither an SA nor an error");
	if (e)
		reason_notify(&r, e->type, false);
	failed(sa, &r);
}

/* ---- responder ------------------------------------------------------------------------------------------------- */

static bool choose(struct in *in, struct suite_choice *out, struct ike_reason *r)
{
	const struct ike_gw_conf *conf = &in->sa->gw->conf;
	struct ike_algs one = conf->ike;
	struct proposals theirs, mine;
	char why[256] = "SA payload malformed", buf[256];

	if (!prop_decode(in->m->sa, &theirs)) {
		if (group_ours(&one, in->m->ke.group)) {
			one.n_dh = 1;
			one.dh[0] = in->m->ke.group;
			if (!prop_choose(&theirs, &one, PROP_IKE, IKE_ESN_NO, out, why, sizeof(why)) &&
			    spi_read(out))
				return true;
		}
		if (!prop_choose(&theirs, &conf->ike, PROP_IKE, IKE_ESN_NO, out, why, sizeof(why)) &&
		    spi_read(out))
			return true;
	} else {
		theirs.n = 0;
	}
	reason_set(r, in->k->now, IKE_CAUSE_NO_PROPOSAL, IKE_RESPONDER, CREATE_CHILD_SA,
		   "peer wants to rekey the IKE SA with no proposal we accept: %s", why);
	prop_offer(&conf->ike, PROP_IKE, IKE_ESN_NO, NULL, 0, &mine);
	reason_ours(r, "%s", proposals_str(&mine, buf, sizeof(buf)));
	reason_theirs(r, "%s", proposals_str(&theirs, buf, sizeof(buf)));
	reason_proposals(r, &theirs, &conf->ike, PROP_IKE, IKE_ESN_NO);
	return false;
}

static void write_answer(struct out *o, const struct ike_sa *fresh, const struct suite_choice *suite,
			 const uint8_t nr[32], const struct dh *dh)
{
	struct bytes pub = dh_public(dh);
	uint8_t spi[IKE_SPI];

	spi_write(fresh->spi_own, spi);
	out_begin(o);
	msg_wr_open(&o->w, PL_SA);
	prop_encode_choice(&o->w.w, suite, spi, sizeof(spi));
	msg_wr_close(&o->w);
	msg_wr_bytes(&o->w, PL_NONCE, nr, 32);
	msg_wr_ke(&o->w, suite->dh, pub.p, pub.len);
}

/* The new SA with its keys, or, *more, what has to come before it has any; and the answer.  NULL: nothing happened. */
static struct ike_sa *make(struct in *in, const struct suite_choice *suite, const uint8_t nr[32],
			   struct out *o, struct followup **more)
{
	struct ike_sa *sa = in->sa, *fresh = successor(sa, IKE_RESPONDER);
	uint8_t secret[DH_SECRET_MAX];
	size_t len = 0;
	struct dh *dh = dh_respond(suite->dh, in->m->ke.data, secret, &len);
	bool ok = fresh && dh;

	*more = NULL;
	if (ok && followup_needed(suite))
		ok = (*more = followup_expect(in, suite, view(nr, 32), view(secret, len))) != NULL;
	else if (ok)
		ok = !ike_keys_rekey(&sa->keys, suite, in->m->nonce, view(nr, 32), spi_read(suite),
				     fresh->spi_own, view(secret, len), view(NULL, 0), &fresh->keys);
	crypto_wipe(secret, sizeof(secret));
	if (ok) {
		fresh->spi_peer = spi_read(suite);
		fresh->suite = *suite;
		write_answer(o, fresh, suite, nr, dh);
	} else if (fresh) {
		sa_remove(fresh);
		fresh = NULL;
	}
	dh_free(dh);
	return fresh;
}

bool rekey_complete(struct in *in, const struct followup *f)
{
	return f->fresh &&
	       !ike_keys_rekey(&in->sa->keys, &f->suite, view(f->ni, f->ni_len), view(f->nr, f->nr_len),
			       f->fresh->spi_peer, f->fresh->spi_own, view(f->secret, f->secret_len),
			       view(f->more, f->more_len), &f->fresh->keys);
}

void rekey_take_over(struct ike_sa *fresh, struct ike_sa *old)
{
	take_over(fresh, old, false);
}

/* 2.25.2: what crosses a rekey of the IKE SA. */
static bool busy(const struct ike_sa *sa)
{
	if (sa->state != SA_UP || sa->unproved)
		return true;
	if (!sa->req.busy)
		return false;
	return sa->req.task.kind == TASK_CHILD || sa->req.task.kind == TASK_CHILD_REKEY ||
	       sa->req.task.kind == TASK_CHILD_DELETE || (sa->nego && sa->nego->rival_sa);
}

void rekey_request(struct in *in)
{
	struct ike_sa *sa = in->sa, *fresh;
	struct suite_choice suite;
	struct followup *more;
	struct ike_reason r;
	uint8_t nr[32];
	struct bytes low;
	struct out o;

	followup_drop(sa);
	if (busy(sa)) {
		xchg_respond_notify(sa, in->m, N_TEMPORARY_FAILURE, NULL, 0);
		return;
	}
	if (in->m->nonce.len < NONCE_MIN || in->m->nonce.len > IKE_NONCE_MAX) {
		fsm_bad_request(in, N_INVALID_SYNTAX, "nonce of wrong length");
		return;
	}
	if (!choose(in, &suite, &r)) {
		xchg_respond_notify(sa, in->m, N_NO_PROPOSAL_CHOSEN, NULL, 0);
		failed(sa, &r);
		return;
	}
	if (suite.dh != in->m->ke.group) {
		uint8_t group[2] = {(uint8_t)(suite.dh >> 8), (uint8_t)suite.dh};

		COUNT(in->k, ke_retry);
		xchg_respond_notify(sa, in->m, N_INVALID_KE_PAYLOAD, group, sizeof(group));
		return;
	}
	if (followup_needed(&suite) && sa->nego) { /* crosses ours */
		xchg_respond_notify(sa, in->m, N_TEMPORARY_FAILURE, NULL, 0);
		return;
	}
	crypto_random(nr, sizeof(nr));
	fresh = make(in, &suite, nr, &o, &more);
	if (!fresh) {
		xchg_respond_notify(sa, in->m, N_NO_PROPOSAL_CHOSEN, NULL, 0);
		return;
	}
	if (more) {
		more->fresh = fresh;
		followup_write_link(more, &o);
		xchg_respond(sa, in->m, &o);
		return;
	}
	xchg_respond(sa, in->m, &o);
	if (!sa->nego) {
		take_over(fresh, sa, false);
		return;
	}
	/* Ours is on its way, too: its answer decides. */
	low = nonce_min(in->m->nonce, view(nr, sizeof(nr)));
	sa->nego->rival = true;
	sa->nego->rival_sa = fresh;
	sa->nego->rival_nonce_len = low.len;
	memcpy(sa->nego->rival_nonce, low.p, low.len);
}
