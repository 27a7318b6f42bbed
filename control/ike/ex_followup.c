/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IKE_FOLLOWUP_KE (RFC 9370 2.2.4): the additional key exchanges behind CREATE_CHILD_SA, one after the other:
 *
 *     initiator                                 responder
 *     HDR, SK {SA, Ni, KEi, …}  -->                                              CREATE_CHILD_SA
 *                             <--  HDR, SK {SA, Nr, KEr, …, N(ADDITIONAL_KEY_EXCHANGE)(link1)}
 *     HDR, SK {KEi(1),
 *       N(ADDITIONAL_KEY_EXCHANGE)(link1)}  -->                                  IKE_FOLLOWUP_KE
 *                             <--  HDR, SK {KEr(1), N(ADDITIONAL_KEY_EXCHANGE)(link2)}
 *     HDR, SK {KEi(2),
 *       N(ADDITIONAL_KEY_EXCHANGE)(link2)}  -->
 *                             <--  HDR, SK {KEr(2)}                              no link: that was the last
 *     or
 *                             <--  HDR, SK {N(STATE_NOT_FOUND)}                  the responder knows of nothing
 */
#include "followup.h"

#include <stdlib.h>
#include <string.h>

#include "reason.h"

enum { PATIENCE_S = 60 };

static struct bytes view(const void *p, size_t len)
{
	return (struct bytes){.p = p, .len = len};
}

bool followup_needed(const struct suite_choice *s)
{
	return suite_ake(s, 0) < IKE_AKE_MAX;
}

void followup_free(struct followup *f)
{
	if (!f)
		return;
	dh_free(f->dh);
	crypto_wipe(f, sizeof(*f));
	free(f);
}

static struct followup *followup_new(const struct suite_choice *s, struct bytes ni, struct bytes nr,
				     struct bytes secret)
{
	struct followup *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->suite = *s;
	f->step = suite_ake(s, 0);
	memcpy(f->ni, ni.p, ni.len);
	f->ni_len = ni.len;
	memcpy(f->nr, nr.p, nr.len);
	f->nr_len = nr.len;
	memcpy(f->secret, secret.p, secret.len);
	f->secret_len = secret.len;
	return f;
}

static uint16_t method(const struct followup *f)
{
	return f->suite.ake[f->step];
}

/* One exchange is done; true when there is another one. */
static bool step_done(struct followup *f, struct bytes secret)
{
	memcpy(f->more + f->more_len, secret.p, secret.len); /* AKE_MAX of the largest fit */
	f->more_len += secret.len;
	dh_free(f->dh);
	f->dh = NULL;
	f->step = suite_ake(&f->suite, f->step + 1);
	return f->step < IKE_AKE_MAX;
}

static bool link_is(const struct followup *f, const struct msg_notify *n)
{
	return n && n->data.len == f->link_len && crypto_equal(n->data.p, f->link, f->link_len);
}

/* ---- initiator ------------------------------------------------------------------------------------------------ */

/* Take the link that the answer has, and go on with it. */
static bool send_next(struct in *in, struct followup *f)
{
	const struct msg_notify *n = msg_notify_find(in->m, N_ADDITIONAL_KEY_EXCHANGE);
	const struct task t = in->sa->req.task;
	struct bytes pub;
	struct out o;

	if (!n || !n->data.len || n->data.len > LINK_MAX)
		return false;
	f->link_len = n->data.len;
	memcpy(f->link, n->data.p, n->data.len);
	f->dh = dh_new(method(f));
	if (!f->dh)
		return false;
	pub = dh_public(f->dh);
	out_begin(&o);
	msg_wr_ke(&o.w, method(f), pub.p, pub.len);
	msg_wr_notify(&o.w, PROTO_NONE, NULL, 0, N_ADDITIONAL_KEY_EXCHANGE, f->link, f->link_len);
	xchg_done(in->sa);
	return !xchg_request(in->sa, IKE_FOLLOWUP_KE, &o, &t);
}

bool followup_start(struct in *in, const struct suite_choice *s, const struct child_plan *plan,
		    struct bytes secret)
{
	struct nego *n = in->sa->nego;
	struct followup *f = followup_new(s, view(n->nonce, sizeof(n->nonce)), in->m->nonce, secret);

	if (!f)
		return false;
	f->child = plan;
	if (plan)
		f->plan = *plan;
	n->more = f;
	return send_next(in, f);
}

void followup_response(struct in *in)
{
	struct nego *n = in->sa->nego;
	struct followup *f = n->more;
	uint8_t secret[DH_SECRET_MAX];
	bool ok, more = false;
	size_t len = 0;

	ok = in->m->ke.group == method(f) && !dh_derive(f->dh, in->m->ke.data, secret, &len);
	if (ok)
		more = step_done(f, view(secret, len));
	crypto_wipe(secret, sizeof(secret));
	if (ok)
		COUNT(in->k, followup);
	if (ok && more && send_next(in, f))
		return;
	if (!ok || more) { /* as if it had been refused */
		followup_response_error(in);
		return;
	}
	n->more = NULL;
	if (f->child)
		child_followed(in, f);
	else
		rekey_followed(in, f);
	followup_free(f);
}

void followup_response_error(struct in *in)
{
	if (in->sa->req.task.kind == TASK_IKE_REKEY)
		rekey_response_error(in);
	else
		child_response_error(in);
}

/* ---- responder ------------------------------------------------------------------------------------------------ */

void followup_drop(struct ike_sa *sa)
{
	struct followup *f = sa->pending;
	struct child_sa *old;

	if (!f)
		return;
	sa->pending = NULL;
	timer_stop(&sa->k->timers, &sa->t[SA_T_FOLLOWUP]);
	if (f->child && f->plan.spi_in)
		sa->k->host->spi_release(sa->k->ctx, f->plan.spi_in);
	if (f->child && !f->old_spi && f->plan.slot && f->plan.slot->on == sa)
		f->plan.slot->on = NULL;
	old = f->old_spi ? child_find(sa->k, f->old_spi) : NULL;
	if (old)
		old->rekeying = task_queued(old->sa, TASK_CHILD_REKEY, old->spi_in);
	if (f->fresh)
		sa_remove(f->fresh);
	followup_free(f);
}

void followup_on_timeout(struct ike *k, void *p)
{
	struct ike_sa *sa = p;

	COUNT(k, followup_timeout);
	followup_drop(sa);
	task_run(sa);
}

bool followup_rekeys(const struct ike_sa *sa, uint32_t spi_in)
{
	return sa->pending && sa->pending->old_spi == spi_in;
}

struct followup *followup_expect(struct in *in, const struct suite_choice *s, struct bytes nr,
				 struct bytes secret)
{
	struct ike_sa *sa = in->sa;

	followup_drop(sa);
	sa->pending = followup_new(s, in->m->nonce, nr, secret);
	if (sa->pending)
		timer_set(&in->k->timers, &sa->t[SA_T_FOLLOWUP], in->k->now + PATIENCE_S * NS_S);
	return sa->pending;
}

void followup_write_link(struct followup *f, struct out *o)
{
	f->link_len = LINK_LEN;
	crypto_random(f->link, LINK_LEN);
	msg_wr_notify(&o->w, PROTO_NONE, NULL, 0, N_ADDITIONAL_KEY_EXCHANGE, f->link, f->link_len);
}

/* That was the last one: what was agreed on comes into force.  0: it does not, and notify says why. */
static bool complete(struct in *in, struct followup *f, uint16_t *notify)
{
	*notify = N_STATE_NOT_FOUND;
	return f->child ? child_complete(in, f, notify) : rekey_complete(in, f);
}

void followup_request(struct in *in)
{
	struct ike_sa *sa = in->sa;
	struct followup *f = sa->pending;
	struct dh *dh = NULL;
	uint8_t secret[DH_SECRET_MAX];
	uint16_t notify = N_STATE_NOT_FOUND;
	size_t len = 0;
	struct out o;

	if (!f || !link_is(f, msg_notify_find(in->m, N_ADDITIONAL_KEY_EXCHANGE))) {
		COUNT(in->k, followup_unknown);
		xchg_respond_notify(sa, in->m, notify, NULL, 0);
		return;
	}
	if (in->m->ke.group == method(f))
		dh = dh_respond(method(f), in->m->ke.data, secret, &len);
	if (!dh) {
		followup_drop(sa);
		xchg_respond_notify(sa, in->m, N_INVALID_SYNTAX, NULL, 0);
		return;
	}
	COUNT(in->k, followup);
	out_begin(&o);
	msg_wr_ke(&o.w, method(f), dh_public(dh).p, dh_public(dh).len);
	dh_free(dh);
	if (step_done(f, view(secret, len))) {
		followup_write_link(f, &o);
		timer_set(&in->k->timers, &sa->t[SA_T_FOLLOWUP], in->k->now + PATIENCE_S * NS_S);
		xchg_respond(sa, in->m, &o);
	} else if (complete(in, f, &notify)) {
		struct ike_sa *fresh = f->fresh;

		f->plan.spi_in = 0;
		f->fresh = NULL;
		followup_drop(sa);
		xchg_respond(sa, in->m, &o);
		if (fresh)
			rekey_take_over(fresh, sa);
	} else {
		followup_drop(sa);
		xchg_respond_notify(sa, in->m, notify, NULL, 0);
	}
	crypto_wipe(secret, sizeof(secret));
}
