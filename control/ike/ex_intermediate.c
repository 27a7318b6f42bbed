/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IKE_INTERMEDIATE (RFC 9242) for the additional key exchanges of an IKE SA (RFC 9370 2.2.2), between IKE_SA_INIT
 * and IKE_AUTH, once for each:
 *
 *     initiator                                 responder
 *     HDR, SK {KEi(n)}  -->
 *                             <--  HDR, SK {KEr(n)}
 *
 * Each exchange is protected by the keys that the one before led to, and leads to new ones:
 *
 *     SKEYSEED(n) = prf(SK_d(n-1), SK(n) | Ni | Nr)
 *
 * Nobody is authenticated yet: AUTH covers what was said here by IntAuth, a chain over all messages (RFC 9242
 * 3.3.2).
 */
#include "intermediate.h"

#include <errno.h>
#include <string.h>

#include "fsm.h"
#include "reason.h"
#include "xchg.h"

enum { HEAD = IKE_HDR + IKE_PAYLOAD_HDR };

static struct bytes view(const void *p, size_t len)
{
	return (struct bytes){.p = p, .len = len};
}

bool inter_due(const struct ike_sa *sa)
{
	return suite_ake(&sa->suite, sa->init->inter.step) < IKE_AKE_MAX;
}

/* IntAuth_n = prf(SK_p(n), IntAuth_(n-1) | A | P): A are the headers as they would be without encryption and in one
 * piece, P is what was encrypted.  SK_p is that of the keys which protect the exchange. */
static int chain(struct ike_sa *sa, const struct ike_hdr *h, uint8_t payload_flags, uint8_t first,
		 struct bytes p)
{
	struct intermediate *x = &sa->init->inter;
	bool request = !(h->flags & IKE_FLAG_RESPONSE);
	const struct ike_keys *k = &sa->keys;
	uint8_t *mac = request ? x->auth_i : x->auth_r, head[HEAD];
	struct wr w = wr_of(head, sizeof(head));
	struct bytes parts[3] = {view(mac, x->n ? k->prf_len : 0), view(head, sizeof(head)), p};

	wr_u64(&w, h->spi_i);
	wr_u64(&w, h->spi_r);
	wr_u8(&w, PL_SK);
	wr_u8(&w, h->version);
	wr_u8(&w, h->exchange);
	wr_u8(&w, h->flags);
	wr_u32(&w, h->msgid);
	wr_u32(&w, (uint32_t)(HEAD + p.len));
	wr_u8(&w, first);
	wr_u8(&w, payload_flags);
	wr_u16(&w, (uint16_t)(IKE_PAYLOAD_HDR + p.len));
	return w.bad ? -EINVAL : prf(k->prf, view(request ? k->pi : k->pr, k->prf_len), parts, 3, mac);
}

static int chain_own(struct ike_sa *sa, uint32_t msgid, bool response, const struct out *o)
{
	const struct ike_hdr h = xchg_header(sa, IKE_INTERMEDIATE, msgid, response);

	return chain(sa, &h, 0, msg_wr_inner_first(&o->w), view(o->buf, o->w.w.len));
}

/* The peer's; of a message in fragments the first one's headers count. */
static int chain_theirs(struct in *in)
{
	const struct bytes raw = in->m->raw;
	struct rd r = rd_of(raw.p, raw.len);
	uint8_t next, flags;

	rd_take(&r, 16);
	next = rd_u8(&r);
	rd_take(&r, IKE_HDR - 17 + 1);
	flags = rd_u8(&r);
	/* Nothing may stand in front of what is encrypted: there is nothing it could be. */
	if (r.bad || (next != PL_SK && next != PL_SKF))
		return -EINVAL;
	return chain(in->sa, &in->m->hdr, flags, in->m->sk_first, in->plain);
}

size_t inter_octets(const struct ike_sa *sa, uint8_t out[INTER_OCTETS])
{
	const struct intermediate *x = &sa->init->inter;
	struct wr w = wr_of(out, INTER_OCTETS);

	if (!x->n)
		return 0;
	wr_bytes(&w, x->auth_i, sa->keys.prf_len);
	wr_bytes(&w, x->auth_r, sa->keys.prf_len);
	wr_u32(&w, x->n + 1); /* IKE_AUTH's message ID */
	return w.len;
}

/* What the SA is protected with from now on. */
static int next_keys(const struct ike_sa *sa, struct bytes secret, struct ike_keys *k)
{
	const struct init *i = sa->init;

	return ike_keys_rekey(&sa->keys, &sa->suite, view(i->ni, i->ni_len), view(i->nr, i->nr_len),
			      sa_spi_i(sa), sa_spi_r(sa), secret, view(NULL, 0), k);
}

static void step_done(struct ike_sa *sa, struct ike_keys *k)
{
	struct intermediate *x = &sa->init->inter;

	sa->keys = *k;
	crypto_wipe(k, sizeof(*k));
	dh_free(x->dh);
	x->dh = NULL;
	x->step = suite_ake(&sa->suite, x->step) + 1;
	x->n++;
	COUNT(sa->k, intermediate);
}

/* ---- initiator ---------------------------------------------------------------------------------------------- */

static int send_request(struct ike_sa *sa)
{
	struct intermediate *x = &sa->init->inter;
	uint16_t method = sa->suite.ake[suite_ake(&sa->suite, x->step)];
	struct bytes pub;
	struct out o;
	int rc;

	x->dh = dh_new(method);
	if (!x->dh)
		return -ENOTSUP;
	pub = dh_public(x->dh);
	out_begin(&o);
	msg_wr_ke(&o.w, method, pub.p, pub.len);
	rc = chain_own(sa, sa->msgid_out, false, &o);
	return rc ? rc : xchg_request(sa, IKE_INTERMEDIATE, &o, NULL);
}

void inter_go_on(struct ike_sa *sa)
{
	struct ike_reason r;
	int rc;

	if (!inter_due(sa)) {
		auth_start(sa);
		return;
	}
	rc = send_request(sa);
	if (!rc)
		return;
	reason_set(&r, sa->k->now, rc == -ENOTSUP ? IKE_CAUSE_UNSUPPORTED : IKE_CAUSE_INSTALL, IKE_INITIATOR,
		   IKE_INTERMEDIATE, "cannot go on with the additional key exchange: %s", strerror(-rc));
	sa_fail(sa, &r);
}

void inter_response(struct in *in)
{
	struct ike_sa *sa = in->sa;
	struct intermediate *x = &sa->init->inter;
	uint8_t secret[DH_SECRET_MAX];
	size_t len = 0;
	struct ike_keys k;
	struct ike_reason r;
	int rc = x->dh && in->m->ke.group == dh_group(x->dh) ? dh_derive(x->dh, in->m->ke.data, secret, &len)
							     : -EINVAL;

	if (!rc)
		rc = chain_theirs(in);
	if (!rc)
		rc = next_keys(sa, view(secret, len), &k);
	crypto_wipe(secret, sizeof(secret));
	xchg_done(sa);
	if (!rc) {
		step_done(sa, &k);
		inter_go_on(sa);
		return;
	}
	reason_set(&r, in->k->now, IKE_CAUSE_INVALID_KE, IKE_INITIATOR, IKE_INTERMEDIATE,
		   "peer's value for the additional key exchange is not valid");
	sa_fail(sa, &r);
}

void inter_response_error(struct in *in)
{
	const struct msg_notify *n = msg_notify_error(in->m);
	struct ike_reason r;

	xchg_done(in->sa);
	reason_set(&r, in->k->now, IKE_CAUSE_MALFORMED, IKE_INITIATOR, IKE_INTERMEDIATE,
		   "peer's IKE_INTERMEDIATE answer has neither KE nor an error");
	if (n)
		reason_notify(&r, n->type, false);
	sa_fail(in->sa, &r);
}

/* ---- responder ------------------------------------------------------------------------------------------------ */

void inter_request(struct in *in)
{
	struct ike_sa *sa = in->sa;
	unsigned step = suite_ake(&sa->suite, sa->init->inter.step);
	uint16_t method = step < IKE_AKE_MAX ? sa->suite.ake[step] : 0;
	uint8_t secret[DH_SECRET_MAX];
	size_t len = 0;
	struct ike_keys k;
	struct bytes pub;
	struct dh *dh;
	struct out o;
	int rc;

	dh = method && in->m->ke.group == method ? dh_respond(method, in->m->ke.data, secret, &len) : NULL;
	if (!dh || chain_theirs(in)) {
		dh_free(dh);
		crypto_wipe(secret, sizeof(secret));
		fsm_bad_request(in, N_INVALID_SYNTAX, "not the additional key exchange that is due");
		return;
	}
	pub = dh_public(dh);
	out_begin(&o);
	msg_wr_ke(&o.w, method, pub.p, pub.len);
	rc = chain_own(sa, in->m->hdr.msgid, true, &o);
	if (!rc)
		rc = next_keys(sa, view(secret, len), &k);
	crypto_wipe(secret, sizeof(secret));
	dh_free(dh);
	if (!rc)
		rc = xchg_respond(sa, in->m, &o);
	if (!rc) {
		step_done(sa, &k);
		return;
	}
	/* What was chained cannot be taken back. */
	fsm_bad_request(in, N_INVALID_SYNTAX, "cannot be answered");
}
