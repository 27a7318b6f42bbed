/* SPDX-License-Identifier: Apache-2.0 */
#include "fsm.h"

#include "alt.h"
#include "reason.h"
#include "xchg.h"

#define IN(s)  (1u << (s))
#define ALIVE  (IN(SA_UP) | IN(SA_REKEYED) | IN(SA_CLOSING))
#define P(t)   PL_BIT(PL_##t)
#define ALWAYS (P(NOTIFY) | P(VENDOR))

static void done(struct in *in)
{
	/* An answer to what does not matter any more: the SA is being closed. */
	xchg_done(in->sa);
	nego_free(in->sa, true);
}

struct row {
	unsigned states;
	uint8_t exchange;
	bool response;
	enum task_kind task; /* responses: what we asked for; NONE: anything */
	uint64_t need, may;
	void (*run)(struct in *in);
};

/* The first row whose required payloads are all there.  `may`: what else is looked at; the rest is
 * ignored and counted. */
static const struct row rows[] = {
	{IN(SA_INIT_SENT), IKE_SA_INIT, true, TASK_NONE, P(SA) | P(KE) | P(NONCE), P(CERTREQ), init_response},
	{IN(SA_INIT_SENT), IKE_SA_INIT, true, TASK_NONE, P(NOTIFY), 0, init_response_error},
	{IN(SA_AUTH_SENT), IKE_SA_INIT, true, TASK_NONE, P(SA) | P(KE) | P(NONCE), P(CERTREQ),
	 init_response_again},

	{IN(SA_INIT_RCVD), IKE_INTERMEDIATE, false, TASK_NONE, P(KE), 0, inter_request},
	{IN(SA_AUTH_SENT), IKE_INTERMEDIATE, true, TASK_NONE, P(KE), 0, inter_response},
	{IN(SA_AUTH_SENT), IKE_INTERMEDIATE, true, TASK_NONE, 0, 0, inter_response_error},

	{IN(SA_INIT_RCVD), IKE_AUTH, false, TASK_NONE, P(IDI) | P(AUTH),
	 P(IDR) | P(SA) | P(TSI) | P(TSR) | P(CERT) | P(CERTREQ) | P(CP), auth_request},
	{IN(SA_INIT_RCVD), IKE_AUTH, false, TASK_NONE, P(IDI),
	 P(IDR) | P(SA) | P(TSI) | P(TSR) | P(CERTREQ) | P(CP), auth_request_eap},
	{IN(SA_AUTH_SENT), IKE_AUTH, true, TASK_NONE, P(IDR) | P(AUTH),
	 P(SA) | P(TSI) | P(TSR) | P(CERT) | P(CP), auth_response},
	{IN(SA_AUTH_SENT), IKE_AUTH, true, TASK_NONE, 0, P(IDR) | P(CERT) | P(EAP), auth_response_error},

	{ALIVE, CREATE_CHILD_SA, false, TASK_NONE, P(SA) | P(NONCE) | P(TSI) | P(TSR), P(KE) | P(CP),
	 child_request},
	{ALIVE, CREATE_CHILD_SA, false, TASK_NONE, P(SA) | P(NONCE) | P(KE), 0, rekey_request},
	{IN(SA_UP), CREATE_CHILD_SA, true, TASK_CHILD, P(SA) | P(NONCE) | P(TSI) | P(TSR), P(KE) | P(CP),
	 child_response},
	{IN(SA_UP), CREATE_CHILD_SA, true, TASK_CHILD, 0, 0, child_response_error},
	{IN(SA_UP), CREATE_CHILD_SA, true, TASK_CHILD_REKEY, P(SA) | P(NONCE) | P(TSI) | P(TSR),
	 P(KE) | P(CP), child_response},
	{IN(SA_UP), CREATE_CHILD_SA, true, TASK_CHILD_REKEY, 0, 0, child_response_error},
	{IN(SA_UP), CREATE_CHILD_SA, true, TASK_IKE_REKEY, P(SA) | P(NONCE) | P(KE), 0, rekey_response},
	{IN(SA_UP), CREATE_CHILD_SA, true, TASK_IKE_REKEY, 0, 0, rekey_response_error},
	{ALIVE, IKE_FOLLOWUP_KE, false, TASK_NONE, P(KE), 0, followup_request},
	{IN(SA_UP), IKE_FOLLOWUP_KE, true, TASK_NONE, P(KE), 0, followup_response},
	{IN(SA_UP), IKE_FOLLOWUP_KE, true, TASK_NONE, 0, 0, followup_response_error},
	{IN(SA_REKEYED) | IN(SA_CLOSING), IKE_FOLLOWUP_KE, true, TASK_NONE, 0, ~UINT64_C(0), done},
	{IN(SA_REKEYED) | IN(SA_CLOSING), CREATE_CHILD_SA, true, TASK_NONE, 0, ~UINT64_C(0), done},

	{ALIVE, INFORMATIONAL, false, TASK_NONE, 0, P(DELETE) | P(CP), info_request},
	{ALIVE, INFORMATIONAL, true, TASK_NONE, 0, P(DELETE) | P(CP), info_response},
};

void fsm_bad_request(struct in *in, uint16_t notify, const char *what)
{
	struct ike_sa *sa = in->sa;
	uint8_t type = in->m->unknown_critical;
	struct ike_reason r;

	engine_debug(in->k, sa, "bad request: %s", what);
	xchg_respond_notify(sa, in->m, notify, &type, notify == N_UNSUPPORTED_CRITICAL_PAYLOAD ? 1 : 0);
	/* RFC 7296 2.21.3: INVALID_SYNTAX ends the SA at both ends; an unknown critical payload only spoils
	 * its exchange (2.5), but without IKE_AUTH there is no SA. */
	if (sa->state != SA_INIT_RCVD && notify != N_INVALID_SYNTAX)
		return;
	reason_set(&r, in->k->now, notify == N_INVALID_SYNTAX ? IKE_CAUSE_MALFORMED : IKE_CAUSE_UNSUPPORTED,
		   sa->role, in->m->hdr.exchange, "peer's request is malformed: %s", what);
	if (sa->state == SA_INIT_RCVD) {
		sa_fail(sa, &r);
		return;
	}
	if (sa->gw)
		gw_record(sa->gw, &r);
	sa_lost(sa, &r);
}

void fsm_bad_response(struct in *in, const char *what)
{
	struct ike_sa *sa = in->sa;
	struct child_sa *c;
	struct ike_reason r;

	engine_debug(in->k, sa, "bad response: %s", what);
	if (in->m->hdr.exchange == IKE_SA_INIT)
		return; /* anybody may have sent it */
	reason_set(&r, in->k->now, IKE_CAUSE_MALFORMED, IKE_INITIATOR, in->m->hdr.exchange,
		   "peer's answer is malformed: %s", what);
	switch (sa->state) {
	case SA_AUTH_SENT:
		if (alt_next(sa))
			return;
		xchg_done(sa);
		sa_fail(sa, &r);
		return;
	case SA_CLOSING: sa_remove(sa); return;
	default: break;
	}
	xchg_done(sa);
	if (sa->nego && sa->nego->slot)
		slot_failed(sa->nego->slot, sa, &r, sa->nego->old_spi);
	c = sa->nego ? child_find(in->k, sa->nego->old_spi) : NULL;
	if (c)
		c->rekeying = false;
	nego_free(sa, true);
	/* We do not know what the peer has installed: start afresh. */
	sa_close(sa, &r, TASK_IKE_DELETE);
}

static const struct row *find(const struct in *in, bool *any)
{
	bool response = in->m->hdr.flags & IKE_FLAG_RESPONSE;
	const struct row *w;

	*any = false;
	for (w = rows; w < rows + sizeof(rows) / sizeof(rows[0]); w++) {
		if (!(w->states & IN(in->sa->state)) || w->exchange != in->m->hdr.exchange ||
		    w->response != response)
			continue;
		if (w->task != TASK_NONE && w->task != in->sa->req.task.kind)
			continue;
		*any = true;
		if ((in->m->seen & w->need) == w->need)
			return w;
	}
	return NULL;
}

void fsm_dispatch(struct in *in)
{
	bool response = in->m->hdr.flags & IKE_FLAG_RESPONSE, any;
	const struct row *w = find(in, &any);

	if (w) {
		if (in->m->seen & ~(w->need | w->may | ALWAYS | P(SK)))
			COUNT(in->k, payload_ignored);
		w->run(in);
		return;
	}
	if (!any) {
		/* IKE_AUTH on an SA that is up, say.  It was protected, so its message ID is used up. */
		COUNT(in->k, drop_state);
		if (!response)
			xchg_respond_notify(in->sa, in->m, N_INVALID_SYNTAX, NULL, 0);
		return;
	}
	COUNT(in->k, bad_payloads);
	if (response)
		fsm_bad_response(in, "payloads missing");
	else
		fsm_bad_request(in, N_INVALID_SYNTAX, "payloads missing");
}
