/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IKE_AUTH and the first Child SA (RFC 7296 1.2, 2.15); the AUTH payload itself is auth.c's:
 *
 *     initiator                                 responder
 *     HDR, SK {IDi, [IDr,] AUTH,
 *       [N(INITIAL_CONTACT),]
 *       SAi2, TSi, TSr}  -->
 *                             <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
 *     or, the IKE SA up and the Child SA refused:
 *                             <--  HDR, SK {IDr, AUTH, N(TS_UNACCEPTABLE)}
 *     or
 *                             <--  HDR, SK {N(AUTHENTICATION_FAILED)}
 *
 * An initiator that does not believe the responder's AUTH says so in INFORMATIONAL (2.21.2).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "alt.h"
#include "auth.h"
#include "calls.h"
#include <stdio.h>
#include <stdlib.h>

#include "fsm.h"
#include "hold.h"
#include "intermediate.h"
#include "mobike.h"
#include "ppk.h"
#include "reason.h"
#include "redirect.h"
#include "xchg.h"

enum { RESPONDER_WAIT_S = 3 };

static struct bytes view(const void *p, size_t len)
{
	return (struct bytes){.p = p, .len = len};
}

/* ---- initiator ------------------------------------------------------------------------------------------------ */

/* No other SA with this peer is there. */
static bool only_one(const struct ike_sa *sa)
{
	const struct ike_sa *o;

	DL_FOREACH (sa->gw->sas, o)
		if (o != sa && (o->state == SA_UP || o->state == SA_REKEYED))
			return false;
	return true;
}

static int write_request(struct out *o, struct ike_sa *sa)
{
	struct slot *s = sa->nego->slot;
	const struct gw *gw = sa->gw;
	struct ts_list local, remote;
	struct ike_id id;
	int rc;

	out_begin(o);
	gw_local_id(gw, &sa->local.a, &id);
	msg_wr_id(&o->w, PL_IDI, id.type, id.data, id.len);
	auth_write_certs(o, gw);
	auth_write_certreq(&o->w, gw);
	if (gw->conf.remote_id.type && !gw->conf.remote_pattern)
		msg_wr_id(&o->w, PL_IDR, gw->conf.remote_id.type, gw->conf.remote_id.data,
			  gw->conf.remote_id.len);
	rc = ppk_write_request(o, sa, &id);
	if (rc)
		return rc;
	mobike_write(o, gw);
	if (only_one(sa))
		out_notify(o, N_INITIAL_CONTACT);
	if (!s)
		return sa->init->childless_ok ? 0 : -ENOENT;
	/* Another answer to IKE_SA_INIT, another IKE_AUTH, but one Child SA. */
	rc = sa->nego->spi_in ? 0 : sa->k->host->spi_alloc(sa->k->ctx, &sa->nego->spi_in);
	if (rc) {
		sa->nego->spi_in = 0;
		return rc;
	}
	child_write_sa(&o->w, s, sa->nego->spi_in, true);
	child_ask_ts(s, NULL, &local, &remote);
	child_write_ts(&o->w, &local, &remote, IKE_INITIATOR);
	return 0;
}

int auth_start(struct ike_sa *sa)
{
	struct ike *k = sa->k;
	struct ike_reason r;
	struct out o;
	int rc = write_request(&o, sa);

	if (!rc)
		rc = xchg_request(sa, IKE_AUTH, &o, NULL);
	if (!rc) {
		if (sa->nego->slot)
			child_event(sa, sa->nego->slot, NULL, IKE_EV_CHILD_START, NULL, false);
		return 0;
	}
	if (rc == -ENOENT)
		reason_set(&r, k->now, IKE_CAUSE_NO_CONFIG, IKE_INITIATOR, IKE_AUTH,
			   "cannot go on: the gateway has no proxy-ID, and the peer wants one");
	else
		auth_write_reason(sa, sa->gw, rc, &r);
	sa_fail(sa, &r);
	return rc;
}

int auth_start_again(struct ike_sa *sa)
{
	struct out o;
	int rc = write_request(&o, sa);

	if (!rc)
		rc = xchg_seal(sa, IKE_AUTH, sa->req.msgid, &o, &sa->req.d);
	if (!rc)
		xchg_send(sa, &sa->local, &sa->remote, sa->req.d.p, sa->req.d.len);
	return rc;
}

/* Refuse the responder: it believes the SA to be up, so it has to hear of it. */
static void refuse(struct ike_sa *sa, const struct ike_reason *r)
{
	struct gw *gw = sa->gw;

	COUNT(sa->k, ike_fail);
	sa_event(sa, IKE_EV_IKE_FAIL, r, NULL);
	sa_close(sa, r, TASK_AUTH_FAILED);
	gw_failed(gw, r);
}

/* What changes in the keys once both ends are authenticated. */
static bool keys_done(struct in *in, struct ike_reason *r)
{
	if (!ppk_apply(in->sa))
		return true;
	reason_set(r, in->k->now, IKE_CAUSE_INSTALL, in->sa->role, IKE_AUTH,
		   "cannot mix the PPK into the keys");
	return false;
}

static bool responder_right(struct in *in, struct ike_reason *r)
{
	struct ike_sa *sa = in->sa;
	struct ike_id want, got;
	char a[ID_STR], b[ID_STR];

	gw_remote_id(sa->gw, &sa->remote.a, &want);
	id_of(&in->m->idr, &got);
	if (!gw_peer_is(sa->gw, &sa->remote.a, &in->m->idr)) {
		reason_set(r, in->k->now, IKE_CAUSE_ID_MISMATCH, IKE_INITIATOR, IKE_AUTH,
			   "peer's identity is %.100s, configured is %.100s", id_str(&got, a, sizeof(a)),
			   id_str(&want, b, sizeof(b)));
		reason_peer_id(r, &want, &got);
		return false;
	}
	return ppk_judge_response(in, r) && keys_done(in, r);
}

/* The Child SA of the answer, or why there is none. */
static void first_child(struct in *in)
{
	struct ike_sa *sa = in->sa;
	struct init *i = sa->init;
	struct slot *s = sa->nego->slot;
	uint32_t spi_in = sa->nego->spi_in;
	const struct msg_notify *n = msg_notify_error(in->m);
	bool made = (in->m->seen & PL_BIT(PL_SA)) && (in->m->seen & PL_BIT(PL_TSI)) &&
		    (in->m->seen & PL_BIT(PL_TSR));
	struct child_plan p;
	struct ike_reason r;

	sa->nego->spi_in = 0;
	nego_free(sa, false);
	if (!spi_in)
		return;
	if (made && s) {
		if (!child_plan_accept(in, s, spi_in, true, &p, &r)) {
			in->k->host->spi_release(in->k->ctx, spi_in);
		} else if (child_commit(sa, &p, view(i->ni, i->ni_len), view(i->nr, i->nr_len), view(NULL, 0),
					in->m->hdr.msgid, true, NULL, &r)) {
			return;
		}
	} else {
		in->k->host->spi_release(in->k->ctx, spi_in);
		if (s && n && child_single_pair(s, n->type)) {
			task_add(sa, TASK_CHILD, s->policy, true);
			return;
		}
		reason_set(&r, in->k->now, IKE_CAUSE_PEER_ERROR, IKE_INITIATOR, IKE_AUTH,
			   "peer answered without a Child SA and without an error");
		if (n && s)
			child_refused(s, true, n->type, &r);
	}
	if (made)
		task_add(sa, TASK_CHILD_DELETE, spi_in, false); /* the peer has it */
	if (s)
		slot_failed(s, sa, &r, false);
}

/* The peer is who it should be, and sends us to another one (RFC 5685 5). */
static void leave(struct in *in)
{
	struct ike_sa *sa = in->sa;
	struct slot *s = sa->nego->slot;
	struct gw *gw = sa->gw;
	struct ike_reason r;

	reason_set(&r, in->k->now, IKE_CAUSE_REPLACED, IKE_INITIATOR, IKE_AUTH,
		   "peer redirects us to another gateway");
	sa_close(sa, &r, TASK_IKE_DELETE);
	init_start(gw, s, NULL);
}

void auth_response(struct in *in)
{
	struct ike_sa *sa = in->sa;
	struct gw *gw = sa->gw;
	struct ike_reason r;
	unsigned n = 0;
	bool right;

	/* Of several answers to IKE_SA_INIT some may differ only in what AUTH covers. */
	for (right = responder_right(in, &r); !right && !in->wait && alt_next_same_keys(sa, &n);)
		right = responder_right(in, &r);
	if (in->wait) {
		hold(in);
		return;
	}
	if (!right && alt_next(sa))
		return;
	xchg_done(sa);
	if (!right) {
		refuse(sa, &r);
		return;
	}
	id_of(&in->m->idr, &sa->id_remote);
	mobike_read(sa, in->m);
	sa_up(sa, false);
	if (sa->abandon) {
		reason_set(&r, in->k->now, in->k->stopping ? IKE_CAUSE_SHUTDOWN : IKE_CAUSE_OPERATOR,
			   sa->role, IKE_AUTH, "cleared while it was being negotiated");
		sa_close(sa, &r, TASK_IKE_DELETE);
		return;
	}
	if (redirect_take(sa, in->m, NULL)) {
		leave(in);
		return;
	}
	first_child(in);
	sa_init_free(sa);
	gw_service(gw);
}

/* Both identities went to the peer, IDi and IDr: either may be the one it does not know. */
void auth_refused_ids(const struct ike_sa *sa, struct ike_reason *r)
{
	struct ike_id local, remote;
	char a[ID_STR], b[ID_STR];

	gw_local_id(sa->gw, &sa->local.a, &local);
	gw_remote_id(sa->gw, &sa->remote.a, &remote);
	reason_ours(r, "local-id %.100s (%s), peer-id %.100s (%s)", id_str(&local, a, sizeof(a)),
		    id_type_str(&local), id_str(&remote, b, sizeof(b)), id_type_str(&remote));
	if (sa->gw->conf.own)
		reason_hint(
			r,
			"likely the peer does not accept our certificate or identity, its log says which: has it the "
			"certificate of our issuer, is its clock right, has nobody revoked ours, and is local-id "
			"in it and what the peer expects");
}

void auth_response_error(struct in *in)
{
	const struct msg_notify *n = msg_notify_error(in->m);
	struct ike_sa *sa = in->sa;
	struct ike_reason r;

	/* Refused on the strength of a forged IKE_SA_INIT, perhaps: another answer may be the good one. */
	if (alt_next(sa))
		return;
	xchg_done(sa);
	reason_set(&r, in->k->now, IKE_CAUSE_MALFORMED, IKE_INITIATOR, IKE_AUTH,
		   "peer's IKE_AUTH answer has neither AUTH nor an error");
	if (n)
		reason_notify(&r, n->type, false);
	if (r.cause == IKE_CAUSE_AUTH_FAILED)
		auth_refused_ids(sa, &r);
	sa_fail(sa, &r);
}

/* The peer has proved the key that we prove, so that is not it: what it saw of us beyond that is our identity. */
void auth_refused_us(const struct ike_sa *sa, struct ike_reason *r)
{
	const struct ike_id *asked = sa->id_asked;
	struct ike_id local;
	char a[ID_STR], b[ID_STR];

	gw_local_id(sa->gw, &sa->local.a, &local);
	id_str(&local, a, sizeof(a));
	r->cause = IKE_CAUSE_ID_MISMATCH;
	snprintf(r->text, sizeof(r->text),
		 "peer proved the pre-shared key, and refused our identity %.100s (AUTHENTICATION_FAILED)",
		 a);
	reason_ours(r, "local-id %.200s (%s)", a, id_type_str(&local));
	reason_theirs(r, "%s", "");
	reason_hint(
		r, "set local-id here to the peer's remote id, or that to local-id; type and spelling count");
	if (!asked)
		return;
	r->reported_by_peer = false; /* all there is to know */
	id_str(asked, b, sizeof(b));
	reason_theirs(r, "remote id %.200s (%s)", b, id_type_str(asked));
	if (id_alike(&local, asked))
		reason_diff(r, "type of identity", false, "the value is alike", id_type_str(&local),
			    id_type_str(asked));
	else
		reason_diff(r, "our identity", false, NULL, a, b);
}

/* ---- responder -------------------------------------------------------------------------------------------------- */

/* Say no; the answer stays for retransmissions, the SA does not. */
static void deny(struct in *in, struct gw *gw, struct ike_reason *r)
{
	struct ike_sa *sa = in->sa;

	xchg_respond_notify(sa, in->m, N_AUTHENTICATION_FAILED, NULL, 0);
	if (gw && !sa->gw)
		sa_set_gw(sa, gw);
	sa_fail(sa, r);
}

/* RFC 7296 3.5: we are free to answer with another identity than the one asked for; the peer is to refuse it, and then
 * we know why. */
static void note_asked(struct ike_sa *sa, const struct msg_id *idr)
{
	free(sa->id_asked);
	sa->id_asked = malloc(sizeof(*sa->id_asked));
	if (sa->id_asked)
		id_of(idr, sa->id_asked);
}

/* Nobody has this identity.  A gateway that has it as another type, or just one that has the address, is where the
 * operator looks. */
static struct gw *meant(const struct ike_sa *sa, const struct ike_id *got, struct ike_id *want)
{
	struct gw *gw = NULL;

	while ((gw = gw_candidate(sa->k, &sa->local.a, &sa->remote.a, gw))) {
		gw_remote_id(gw, &sa->remote.a, want);
		if (id_alike(want, got))
			return gw;
	}
	gw = gw_candidate(sa->k, &sa->local.a, &sa->remote.a, NULL);
	if (gw)
		gw_remote_id(gw, &sa->remote.a, want);
	return gw;
}

static void unknown_id(struct in *in)
{
	struct ike_sa *sa = in->sa;
	struct ike_id want, got;
	struct ike_reason r;
	struct gw *gw;
	char a[ID_STR];

	id_of(&in->m->idi, &got);
	gw = meant(sa, &got, &want);
	reason_set(&r, in->k->now, IKE_CAUSE_ID_MISMATCH, IKE_RESPONDER, IKE_AUTH,
		   "peer's identity %.100s belongs to no gateway for its address",
		   id_str(&got, a, sizeof(a)));
	(void)calls_note(in->k, IKE_CALL_IDENTITY, &sa->local, &sa->remote, "IKEv2", a);
	if (gw) {
		reason_peer_id(&r, &want, &got);
	} else {
		reason_theirs(&r, "local id %.200s (%s)", a, id_type_str(&got));
		reason_hint(&r, "set peer-id of a gateway to what the peer sends; type and spelling count");
	}
	deny(in, gw, &r);
}

void auth_request_eap(struct in *in)
{
	struct ike_sa *sa = in->sa;
	struct gw *gw = gw_by_id(in->k, &sa->local.a, &sa->remote.a, &sa->suite, &in->m->idi, NULL);
	struct ike_reason r;

	reason_set(&r, in->k->now, IKE_CAUSE_UNSUPPORTED, IKE_RESPONDER, IKE_AUTH,
		   "peer sends no AUTH: it wants EAP");
	reason_hint(&r, "let the peer authenticate itself by pre-shared key");
	deny(in, gw, &r);
}

/* A peer that lost its memory says that this is its only SA (2.4).  SAs that came up while this one was
 * being negotiated are not meant: they are a simultaneous start of ours. */
static void initial_contact(struct ike_sa *sa)
{
	struct ike_sa *o, *next;
	struct ike_reason r;

	reason_set(&r, sa->k->now, IKE_CAUSE_REPLACED, IKE_RESPONDER, IKE_AUTH,
		   "peer started anew (INITIAL_CONTACT)");
	for (o = sa->gw->sas; o; o = next) {
		next = o->next;
		if (o == sa || (o->state != SA_UP && o->state != SA_REKEYED) ||
		    o->established_at > sa->created || o->id_remote.type != sa->id_remote.type ||
		    o->id_remote.len != sa->id_remote.len ||
		    memcmp(o->id_remote.data, sa->id_remote.data, o->id_remote.len) != 0)
			continue;
		COUNT(sa->k, initial_contact);
		sa_close(o, &r, TASK_IKE_DELETE);
	}
}

/* The Child SA part of the answer. */
static void answer_child(struct in *in, struct out *o)
{
	struct ike_sa *sa = in->sa;
	struct init *i = sa->init;
	struct child_plan p;
	struct ike_reason r;
	uint16_t notify;

	if (!(in->m->seen & PL_BIT(PL_SA)) || !(in->m->seen & PL_BIT(PL_TSI)) ||
	    !(in->m->seen & PL_BIT(PL_TSR)))
		return; /* childless (RFC 6023) */
	if (child_plan_answer(in, sa->gw, NULL, true, &p, &notify, &r)) {
		if (child_commit(sa, &p, view(i->ni, i->ni_len), view(i->nr, i->nr_len), view(NULL, 0),
				 in->m->hdr.msgid, false, NULL, &r)) {
			child_write_choice(&o->w, &p);
			child_write_answer_ts(&o->w, &p);
			return;
		}
		notify = N_NO_ADDITIONAL_SAS;
	}
	out_notify(o, notify);
	if (p.slot)
		slot_failed(p.slot, sa, &r, false);
	else
		gw_record(sa->gw, &r);
}

void auth_request(struct in *in)
{
	struct ike *k = in->k;
	struct ike_sa *sa = in->sa;
	bool has_idr = in->m->seen & PL_BIT(PL_IDR);
	struct gw *gw = gw_by_id(k, &sa->local.a, &sa->remote.a, &sa->suite, &in->m->idi,
				 has_idr ? &in->m->idr : NULL);
	struct ike_reason r;
	struct ike_id id;
	struct out o;
	int rc;

	if (inter_due(sa)) {
		fsm_bad_request(in, N_INVALID_SYNTAX, "an additional key exchange is left out");
		return;
	}
	if (!gw) {
		unknown_id(in);
		return;
	}
	if (!ppk_judge_request(in, gw, &r)) {
		if (in->wait)
			hold(in);
		else
			deny(in, gw, &r);
		return;
	}
	out_begin(&o);
	gw_local_id(gw, &sa->local.a, &id);
	if (has_idr && !id_is(&id, &in->m->idr))
		note_asked(sa, &in->m->idr);
	msg_wr_id(&o.w, PL_IDR, id.type, id.data, id.len);
	auth_write_certs(&o, gw);
	rc = auth_write(&o, sa, gw, &id);
	if (rc) {
		auth_write_reason(sa, gw, rc, &r);
		deny(in, gw, &r);
		return;
	}
	ppk_write_answer(&o, sa);
	if (!keys_done(in, &r)) {
		deny(in, gw, &r);
		return;
	}

	sa_set_gw(sa, gw);
	mobike_read(sa, in->m);
	if (sa->mobike)
		mobike_write(&o, gw);
	id_of(&in->m->idi, &sa->id_remote);
	sa_event(sa, IKE_EV_IKE_START, NULL, NULL);
	sa_up(sa, false);
	if (msg_notify_find(in->m, N_INITIAL_CONTACT))
		initial_contact(sa);
	answer_child(in, &o);
	xchg_respond(sa, in->m, &o);
	sa_init_free(sa);
	/* The initiator brings up what it has; what is still missing then is ours to ask for. */
	timer_set(&k->timers, &gw->retry, k->now + engine_jitter(k, RESPONDER_WAIT_S * NS_S));
}
