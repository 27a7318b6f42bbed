/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IKE_SA_INIT (RFC 7296 1.2):
 *
 *     initiator                                 responder
 *     HDR, SAi1, KEi, Ni,
 *       N(NATD_S_IP), N(NATD_D_IP)  -->
 *                             <--  HDR, SAr1, KEr, Nr, N(NATD_S_IP), N(NATD_D_IP)
 *
 *     or, without any state made:
 *                             <--  HDR, N(COOKIE)                  the same again behind N(COOKIE)
 *                             <--  HDR, N(INVALID_KE_PAYLOAD)      again with that group
 *                             <--  HDR, N(NO_PROPOSAL_CHOSEN) …
 *
 * Nothing of this exchange is authenticated.  As initiator an error is remembered and believed only when
 * no proper answer comes until the next retransmission is due.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "alt.h"
#include "auth.h"
#include "calls.h"
#include "cookie.h"
#include "fsm.h"
#include "intermediate.h"
#include "natd.h"
#include "ppk.h"
#include "reason.h"
#include "redirect.h"
#include "sign.h"
#include "tap.h"
#include "xchg.h"

enum { CERTREQ_GATEWAYS = 4, NONCE_LEN = 32, NONCE_MIN = 16, KE_TRIES = 3, COOKIE_TRIES = 3 };

static struct bytes view(const void *p, size_t len)
{
	return (struct bytes){.p = p, .len = len};
}

static bool group_ours(const struct ike_algs *a, uint16_t group)
{
	for (unsigned i = 0; i < a->n_dh; i++)
		if (a->dh[i] == group)
			return true;
	return false;
}

/* ---- initiator ------------------------------------------------------------------------------------------ */

static int send_init(struct ike_sa *sa)
{
	const struct ike_gw_conf *conf = &sa->gw->conf;
	struct init *in = sa->init;
	struct ike_hdr h = {
		.spi_i = sa->spi_own, .version = 0x20, .exchange = IKE_SA_INIT, .flags = IKE_FLAG_INITIATOR};
	struct proposals offer;
	struct msg_wr w;
	uint8_t buf[OUT_MAX];
	struct bytes pub = dh_public(in->dh);
	size_t len;

	prop_offer(&conf->ike, PROP_IKE, IKE_ESN_NO, NULL, 0, &offer);
	msg_wr_begin(&w, buf, sizeof(buf), &h);
	if (in->cookie_len)
		msg_wr_notify(&w, PROTO_NONE, NULL, 0, N_COOKIE, in->cookie, in->cookie_len);
	msg_wr_open(&w, PL_SA);
	prop_encode(&w.w, &offer);
	msg_wr_close(&w);
	msg_wr_ke(&w, in->group, pub.p, pub.len);
	msg_wr_bytes(&w, PL_NONCE, in->ni, in->ni_len);
	natd_write(&w, conf->natt, sa->spi_own, 0, &sa->local, &sa->remote);
	if (conf->fragment_size)
		msg_wr_notify(&w, PROTO_NONE, NULL, 0, N_IKEV2_FRAGMENTATION_SUPPORTED, NULL, 0);
	redirect_write(&w, sa->gw);
	if (conf->ppk_len)
		msg_wr_notify(&w, PROTO_NONE, NULL, 0, N_USE_PPK, NULL, 0);
	if (conf->ike.n_ake)
		msg_wr_notify(&w, PROTO_NONE, NULL, 0, N_INTERMEDIATE_EXCHANGE_SUPPORTED, NULL, 0);
	if (auth_signs(sa->gw))
		msg_wr_notify(&w, PROTO_NONE, NULL, 0, N_SIGNATURE_HASH_ALGORITHMS, sig_hashes().p,
			      sig_hashes().len);
	len = msg_wr_end(&w);
	if (!len)
		return -EMSGSIZE;
	/* AUTH covers the message as it was last sent, COOKIE and all (RFC 7296 2.6, 2.15). */
	if (datagram_set(&in->request, buf, len))
		return -ENOMEM;
	in->local = sa->local;
	in->remote = sa->remote;
	xchg_done(sa);
	return xchg_request_plain(sa, buf, len);
}

static int new_group(struct init *in, uint16_t group)
{
	struct dh *d = dh_new(group);

	if (!d)
		return -ENOTSUP;
	dh_free(in->dh);
	in->dh = d;
	in->group = group;
	return 0;
}

static int start(struct ike_sa *sa, struct slot *first)
{
	const struct gw *gw = sa->gw;
	const struct ike_algs *a = &gw->conf.ike;

	sa->init = calloc(1, sizeof(*sa->init));
	sa->nego = calloc(1, sizeof(*sa->nego));
	if (!sa->init || !sa->nego)
		return -ENOMEM;
	sa->nego->slot = first;
	if (first)
		first->on = sa;
	if (!a->n_encr || !a->n_dh)
		return -ENOTSUP;
	sa->init->ni_len = NONCE_LEN;
	crypto_random(sa->init->ni, NONCE_LEN);
	/* What the peer wanted last time saves a round trip. */
	if (new_group(sa->init, group_ours(a, gw->group) ? gw->group : a->dh[0]))
		return -ENOTSUP;
	sa_state_set(sa, SA_INIT_SENT);
	sa_event(sa, IKE_EV_IKE_START, NULL, NULL);
	return send_init(sa);
}

/* What was cleared before its IKE_AUTH was answered is not waited for any more: INITIAL_CONTACT tells the peer.  And a
 * repetition of that IKE_AUTH would say the same behind ours: the peer would let go of the fresh SA. */
static void drop_cleared(struct gw *gw)
{
	struct ike_reason r;

	reason_set(&r, gw->k->now, IKE_CAUSE_OPERATOR, IKE_INITIATOR, IKE_AUTH,
		   "cleared while it was being negotiated");
	for (struct ike_sa *sa = gw->sas, *next; sa; sa = next) {
		next = sa->next;
		if (!sa_negotiating(sa) || !sa->abandon)
			continue;
		sa_event(sa, IKE_EV_IKE_FAIL, &r, NULL);
		sa_remove(sa);
	}
}

int init_start(struct gw *gw, struct slot *first, const struct ike_sa *old)
{
	struct ike *k = gw->k;
	struct ike_reason r;
	struct ike_sa *sa;
	int rc;

	if (!sa_current(gw))
		drop_cleared(gw);
	sa = sa_new(k, gw, IKE_INITIATOR);
	if (!sa)
		return -ENOMEM;
	gw->attempts++;
	sa->renews = old ? old->spi_own : 0;
	sa->local = (struct endpoint){.a = gw->conf.local, .port = IKE_PORT};
	sa->remote = (struct endpoint){.a = *redirect_target(gw), .port = IKE_PORT};
	rc = start(sa, first);
	if (!rc)
		return 0;
	reason_set(&r, k->now, rc == -ENOTSUP ? IKE_CAUSE_UNSUPPORTED : IKE_CAUSE_INSTALL, IKE_INITIATOR,
		   IKE_SA_INIT, "cannot start: %s",
		   rc == -ENOTSUP ? "nothing of the ike crypto profile is available on this system"
				  : strerror(-rc));
	sa_fail(sa, &r);
	return rc;
}

static void hint(struct in *in, enum ike_cause cause, const char *text)
{
	struct init *i = in->sa->init;

	/* Unprotected: believed only when nothing better comes, and the first one stays. */
	if (i->hint || in->sa->state != SA_INIT_SENT)
		return;
	i->hint = malloc(sizeof(*i->hint));
	if (i->hint)
		reason_set(i->hint, in->k->now, cause, IKE_INITIATOR, IKE_SA_INIT, "%s", text);
}

/* Additional key exchanges need IKE_INTERMEDIATE, which both ends announce (RFC 9370 2.2.1). */
static bool intermediate_ok(const struct msg *m, const struct suite_choice *s)
{
	return suite_ake(s, 0) == IKE_AKE_MAX || msg_notify_find(m, N_INTERMEDIATE_EXCHANGE_SUPPORTED);
}

/* Everything an answer tells, in an object of its own; NULL: not a proper answer. */
static struct alt *read_response(struct in *in)
{
	struct ike_sa *sa = in->sa;
	const struct init *i = sa->init;
	const struct msg *m = in->m;
	struct alt *a = calloc(1, sizeof(*a));
	struct proposals offered, answer;
	uint8_t secret[DH_SECRET_MAX];
	size_t secret_len = sizeof(secret);
	int rc;

	if (!a) {
		COUNT(in->k, drop_memory);
		return NULL;
	}
	if (!m->hdr.spi_r || m->nonce.len < NONCE_MIN || m->nonce.len > IKE_NONCE_MAX) {
		hint(in, IKE_CAUSE_MALFORMED,
		     "peer's IKE_SA_INIT answer has no SPI or a nonce of wrong length");
		goto bad;
	}
	prop_offer(&sa->gw->conf.ike, PROP_IKE, IKE_ESN_NO, NULL, 0, &offered);
	if (prop_decode(m->sa, &answer) || prop_accept(&answer, &offered, &a->suite)) {
		hint(in, IKE_CAUSE_NO_PROPOSAL, "peer chose a proposal that we did not offer");
		goto bad;
	}
	if (sa->gw->conf.ppk_required && !msg_notify_find(m, N_USE_PPK)) {
		hint(in, IKE_CAUSE_UNSUPPORTED,
		     "peer does not announce PPKs (RFC 8784), and ppk is required here: give it one, or set "
		     "required = false");
		goto bad;
	}
	if (!intermediate_ok(m, &a->suite)) {
		hint(in, IKE_CAUSE_MALFORMED,
		     "peer chose an additional key exchange and does not announce IKE_INTERMEDIATE for it");
		goto bad;
	}
	if (m->ke.group != i->group || a->suite.dh != i->group) {
		hint(in, IKE_CAUSE_INVALID_KE,
		     "peer answered with another Diffie-Hellman group than we used");
		goto bad;
	}
	rc = dh_derive(i->dh, m->ke.data, secret, &secret_len);
	if (!rc)
		rc = ike_keys_derive(&a->suite, view(i->ni, i->ni_len), m->nonce, sa->spi_own, m->hdr.spi_r,
				     view(secret, secret_len), &a->keys);
	crypto_wipe(secret, sizeof(secret));
	if (!rc)
		rc = datagram_set(&a->response, m->raw.p, m->raw.len);
	if (rc) {
		hint(in, IKE_CAUSE_INVALID_KE, "peer's Diffie-Hellman value is not valid");
		goto bad;
	}
	a->ppk_peer = msg_notify_find(m, N_USE_PPK);
	a->spi_peer = m->hdr.spi_r;
	memcpy(a->nr, m->nonce.p, m->nonce.len);
	a->nr_len = m->nonce.len;
	a->sig_hashes = auth_peer_hashes(m);
	a->childless_ok = msg_notify_find(m, N_CHILDLESS_IKEV2_SUPPORTED);
	a->fragmentation = sa->gw->conf.fragment_size && msg_notify_find(m, N_IKEV2_FRAGMENTATION_SUPPORTED);
	a->local = i->local;
	a->remote = i->remote;
	return a;
bad:
	alt_free(a);
	return NULL;
}

void init_response(struct in *in)
{
	struct ike_sa *sa = in->sa;
	struct alt *a = read_response(in);

	if (!a)
		return;
	xchg_done(sa);
	alt_swap(sa, a);
	alt_free(a);
	free(sa->init->hint);
	sa->init->hint = NULL;
	natd_read(sa, in->m, sa->gw->conf.natt, in->pkt);
	natd_float(sa);
	sa_state_set(sa, SA_AUTH_SENT);
	inter_go_on(sa);
}

void init_response_again(struct in *in)
{
	struct ike_sa *sa = in->sa;
	struct alt *a;
	bool shared;
	int rc;

	if (alt_refused(sa, in->m)) {
		COUNT(in->k, drop_state);
		return;
	}
	a = read_response(in);
	if (!a)
		return;
	/* One that wants further exchanges could not be tried beside the first in IKE_AUTH. */
	if (suite_ake(&a->suite, 0) < IKE_AKE_MAX) {
		alt_free(a);
		COUNT(in->k, drop_state);
		return;
	}
	shared = alt_share(sa, a);
	alt_swap(sa, a);
	natd_read(sa, in->m, sa->gw->conf.natt, in->pkt);
	natd_float(sa);
	rc = shared ? 0 : auth_start_again(sa);
	alt_swap(sa, a);
	if (rc) {
		alt_free(a);
		return;
	}
	if (shared)
		xchg_send(sa, &a->local, &a->remote, a->request.p, a->request.len);
	alt_add(sa, a);
}

/* True when the exchange goes on with another request. */
static bool retry(struct in *in)
{
	struct ike_sa *sa = in->sa;
	struct init *i = sa->init;
	const struct msg_notify *n = msg_notify_find(in->m, N_COOKIE);

	if (n && n->data.len && n->data.len <= sizeof(i->cookie) && i->cookie_tries < COOKIE_TRIES) {
		i->cookie_tries++;
		i->cookie_len = n->data.len;
		memcpy(i->cookie, n->data.p, n->data.len);
		COUNT(in->k, cookie_answered);
		return !send_init(sa);
	}
	n = msg_notify_find(in->m, N_INVALID_KE_PAYLOAD);
	if (n && n->data.len == 2) {
		uint16_t group = (uint16_t)(n->data.p[0] << 8 | n->data.p[1]);

		if (group == i->group || i->ke_tries >= KE_TRIES || !group_ours(&sa->gw->conf.ike, group) ||
		    new_group(i, group))
			return false;
		i->ke_tries++;
		sa->gw->group = group;
		COUNT(in->k, ke_retry);
		return !send_init(sa);
	}
	return false;
}

/* Nothing vouches for it but our nonce, so it leads to a peer that has to prove the same as this one (RFC 5685 3). */
static bool redirected(struct in *in)
{
	struct ike_sa *sa = in->sa;
	struct bytes ni = view(sa->init->ni, sa->init->ni_len);
	struct gw *gw = sa->gw;
	struct slot *s = sa->nego->slot;
	struct ike_sa *old = sa->renews ? sa_find(in->k, sa->renews) : NULL;

	if (!redirect_take(sa, in->m, &ni))
		return false;
	sa_remove(sa);
	init_start(gw, s, old);
	return true;
}

void init_response_error(struct in *in)
{
	const struct msg_notify *n = msg_notify_error(in->m);
	struct ike_sa *sa = in->sa;
	struct ike_reason *r;

	if (redirected(in) || retry(in) || !n || sa->init->hint)
		return;
	r = malloc(sizeof(*r));
	if (!r)
		return;
	reason_set(r, in->k->now, IKE_CAUSE_PEER_ERROR, IKE_INITIATOR, IKE_SA_INIT, "%s", "");
	reason_notify(r, n->type, false);
	if (n->type == N_NO_PROPOSAL_CHOSEN || n->type == N_INVALID_KE_PAYLOAD) {
		struct proposals offered;
		char buf[sizeof(r->ours)];

		prop_offer(&sa->gw->conf.ike, PROP_IKE, IKE_ESN_NO, NULL, 0, &offered);
		reason_ours(r, "%s", proposals_str(&offered, buf, sizeof(buf)));
	}
	if (n->type == N_INVALID_KE_PAYLOAD && n->data.len == 2) {
		char name[64];
		uint16_t group = (uint16_t)(n->data.p[0] << 8 | n->data.p[1]);

		strncpy(name, transform_name(TT_DH, group), sizeof(name) - 1);
		name[sizeof(name) - 1] = '\0';
		reason_theirs(r, "wants Diffie-Hellman group %u (%s)", group, name);
	}
	sa->init->hint = r;
}

/* ---- responder ------------------------------------------------------------------------------------------- */

struct choice {
	struct gw *gw;
	struct suite_choice suite;
};

/* With the group the initiator used already, when some of our suites have it: that saves a round trip. */
static bool choose_group(struct gw *gw, const struct proposals *p, uint16_t group, struct choice *out)
{
	struct ike_algs one = gw->conf.ike;
	char why[64];

	if (!group_ours(&one, group))
		return false;
	one.n_dh = 1;
	one.dh[0] = group;
	if (prop_choose(p, &one, PROP_IKE, IKE_ESN_NO, &out->suite, why, sizeof(why)))
		return false;
	out->gw = gw;
	return true;
}

static bool choose(struct in *in, const struct proposals *p, struct choice *out, char *why, size_t why_len)
{
	const struct addr *l = &in->pkt->local.a, *r = &in->pkt->remote.a;
	char other[256] = "";
	struct gw *gw;

	for (gw = gw_of_a_kind(in->k, l, r, NULL); gw; gw = gw_of_a_kind(in->k, l, r, gw))
		if (choose_group(gw, p, in->m->ke.group, out))
			return true;
	for (gw = gw_of_a_kind(in->k, l, r, NULL); gw; gw = gw_of_a_kind(in->k, l, r, gw)) {
		bool nearest = !*why;

		if (!prop_choose(p, &gw->conf.ike, PROP_IKE, IKE_ESN_NO, &out->suite, nearest ? why : other,
				 nearest ? why_len : sizeof(other))) {
			out->gw = gw;
			return true;
		}
	}
	return false;
}

static void refuse_proposal(struct in *in, const struct proposals *p, const char *why)
{
	struct gw *gw = gw_candidate(in->k, &in->pkt->local.a, &in->pkt->remote.a, NULL);
	struct proposals mine;
	struct ike_reason r;
	char buf[256];

	reason_set(&r, in->k->now, IKE_CAUSE_NO_PROPOSAL, IKE_RESPONDER, IKE_SA_INIT,
		   "peer offered no proposal we accept: %s", why);
	prop_offer(&gw->conf.ike, PROP_IKE, IKE_ESN_NO, NULL, 0, &mine);
	reason_ours(&r, "%s", proposals_str(&mine, buf, sizeof(buf)));
	reason_theirs(&r, "%s", proposals_str(p, buf, sizeof(buf)));
	reason_proposals(&r, p, &gw->conf.ike, PROP_IKE, IKE_ESN_NO);
	reason_hint(&r, "make the ike crypto profile of gateway %s and the peer's agree", gw->conf.name);
	gw_record(gw, &r);
	if (bucket_take(&in->k->starts, in->k->now, 10, 20)) {
		struct ike_event e = {.type = IKE_EV_IKE_FAIL,
				      .gateway = gw->conf.name,
				      .local = in->pkt->local,
				      .remote = in->pkt->remote,
				      .role = IKE_RESPONDER,
				      .spi_i = in->m->hdr.spi_i,
				      .reason = &r};

		COUNT(in->k, ike_fail);
		in->k->host->event(in->k->ctx, &e);
	}
	xchg_plain_error(in->k, in->pkt, &in->m->hdr, N_NO_PROPOSAL_CHOSEN, NULL, 0);
}

static void unknown_peer(struct in *in)
{
	struct ike_event e = {.type = IKE_EV_UNKNOWN_PEER,
			      .gateway = "",
			      .local = in->pkt->local,
			      .remote = in->pkt->remote,
			      .role = IKE_RESPONDER,
			      .spi_i = in->m->hdr.spi_i};
	struct ike_reason r;
	char a[ADDR_STR], b[ADDR_STR];

	COUNT(in->k, drop_unknown_peer);
	if (!calls_note(in->k, IKE_CALL_NO_GATEWAY, &in->pkt->local, &in->pkt->remote, "IKEv2", NULL) ||
	    !bucket_take(&in->k->strangers, in->k->now, 1, 5))
		return;
	reason_set(&r, in->k->now, IKE_CAUSE_NO_CONFIG, IKE_RESPONDER, IKE_SA_INIT,
		   "no gateway between local %s and peer %s", addr_str(&in->pkt->local.a, a),
		   addr_str(&in->pkt->remote.a, b));
	reason_hint(&r, "if this peer is wanted, configure a gateway with this peer-address (or any)");
	e.reason = &r;
	in->k->host->event(in->k->ctx, &e);
	xchg_plain_error(in->k, in->pkt, &in->m->hdr, N_NO_PROPOSAL_CHOSEN, NULL, 0);
}

/* Write our answer; 0 when it does not fit. */
static size_t write_response(const struct ike_sa *sa, const struct choice *c, const struct dh *dh,
			     const uint8_t *nr, uint8_t *buf, size_t cap)
{
	struct ike_hdr h = {.spi_i = sa->spi_peer,
			    .spi_r = sa->spi_own,
			    .version = 0x20,
			    .exchange = IKE_SA_INIT,
			    .flags = IKE_FLAG_RESPONSE};
	struct bytes pub = dh_public(dh);
	const struct gw *gw;
	bool signs = false;
	unsigned n = 0;
	struct msg_wr w;

	msg_wr_begin(&w, buf, cap, &h);
	msg_wr_open(&w, PL_SA);
	prop_encode_choice(&w.w, &c->suite, NULL, 0);
	msg_wr_close(&w);
	msg_wr_ke(&w, c->suite.dh, pub.p, pub.len);
	msg_wr_bytes(&w, PL_NONCE, nr, NONCE_LEN);
	natd_write(&w, c->gw->conf.natt, sa->spi_peer, sa->spi_own, &sa->local, &sa->remote);
	msg_wr_notify(&w, PROTO_NONE, NULL, 0, N_CHILDLESS_IKEV2_SUPPORTED, NULL, 0);
	if (sa->fragmentation) /* only to one that has it, too (RFC 7383 2.3) */
		msg_wr_notify(&w, PROTO_NONE, NULL, 0, N_IKEV2_FRAGMENTATION_SUPPORTED, NULL, 0);
	if (sa->init->ppk_peer)
		msg_wr_notify(&w, PROTO_NONE, NULL, 0, N_USE_PPK, NULL, 0);
	if (suite_ake(&c->suite, 0) < IKE_AKE_MAX)
		msg_wr_notify(&w, PROTO_NONE, NULL, 0, N_INTERMEDIATE_EXCHANGE_SUPPORTED, NULL, 0);
	for (gw = gw_candidate(sa->k, &sa->local.a, &sa->remote.a, NULL); gw;
	     gw = gw_candidate(sa->k, &sa->local.a, &sa->remote.a, gw)) {
		if (++n > CERTREQ_GATEWAYS)
			break;
		signs = signs || auth_signs(gw);
		auth_write_certreq(&w, gw);
	}
	if (signs && sa->init->sig_hashes) /* likewise (RFC 7427 4) */
		msg_wr_notify(&w, PROTO_NONE, NULL, 0, N_SIGNATURE_HASH_ALGORITHMS, sig_hashes().p,
			      sig_hashes().len);
	return msg_wr_end(&w);
}

/* Everything that can fail, on an SA nobody else sees yet. */
static int respond(struct in *in, struct ike_sa *sa, const struct choice *c)
{
	const struct msg *m = in->m;
	uint8_t secret[DH_SECRET_MAX], buf[OUT_MAX];
	size_t secret_len = sizeof(secret), len = 0;
	struct dh *dh = dh_respond(c->suite.dh, m->ke.data, secret, &secret_len);
	struct init *i = calloc(1, sizeof(*i));
	int rc = !i ? -ENOMEM : dh ? 0 : -EINVAL;

	sa->init = i;
	sa->spi_peer = m->hdr.spi_i;
	sa->local = in->pkt->local;
	sa->remote = in->pkt->remote;
	sa->suite = c->suite;
	sa->fragment_size = c->gw->conf.fragment_size;
	sa->fragmentation = c->gw->conf.fragment_size && msg_notify_find(m, N_IKEV2_FRAGMENTATION_SUPPORTED);
	if (!rc) {
		i->ppk_peer = msg_notify_find(m, N_USE_PPK) &&
			      ppk_wanted(in->k, &in->pkt->local.a, &in->pkt->remote.a);
		memcpy(i->ni, m->nonce.p, m->nonce.len);
		i->ni_len = m->nonce.len;
		i->nr_len = NONCE_LEN;
		crypto_random(i->nr, NONCE_LEN);
		i->sig_hashes = auth_peer_hashes(m);
		rc = ike_keys_derive(&c->suite, m->nonce, view(i->nr, i->nr_len), m->hdr.spi_i, sa->spi_own,
				     view(secret, secret_len), &sa->keys);
	}
	if (!rc) {
		len = write_response(sa, c, dh, i->nr, buf, sizeof(buf));
		rc = !len ? -EMSGSIZE : datagram_set(&i->request, m->raw.p, m->raw.len);
	}
	if (!rc)
		rc = datagram_set(&i->response, buf, len);
	crypto_wipe(secret, sizeof(secret));
	dh_free(dh);
	return rc;
}

static void accept_peer(struct in *in, const struct choice *c)
{
	struct ike *k = in->k;
	struct ike_sa *sa = sa_new(k, NULL, IKE_RESPONDER);
	int rc;

	if (!sa)
		return;
	rc = respond(in, sa, c);
	if (rc) {
		sa_remove(sa);
		if (rc == -EINVAL)
			xchg_plain_error(k, in->pkt, &in->m->hdr, N_INVALID_SYNTAX, NULL, 0);
		COUNT(k, drop_malformed);
		return;
	}
	natd_read(sa, in->m, c->gw->conf.natt, in->pkt);
	sa->msgid_in = 1;
	xchg_hash(in->pkt, true, sa->init_hash);
	HASH_ADD(hh_init, k->inits, init_hash, sizeof(sa->init_hash), sa);
	sa->in_inits = true;
	half_open_add(sa, &sa->remote.a);
	sa_state_set(sa, SA_INIT_RCVD);
	timer_set(&k->timers, &sa->t[SA_T_HALF_OPEN], k->now + k->tune.half_open_s * NS_S);
	/* The SA has no gateway yet; this one would have agreed to what was chosen. */
	tap_plain(c->gw, true, &sa->local, &sa->remote, in->m->raw);
	tap_plain(c->gw, false, &sa->local, &sa->remote, view(sa->init->response.p, sa->init->response.len));
	xchg_send(sa, &sa->local, &sa->remote, sa->init->response.p, sa->init->response.len);
}

/* The same datagram again: the same answer, or none when the SA is past that (RFC 7296 2.1). */
static bool duplicate(struct in *in)
{
	uint8_t hash[20];
	struct ike_sa *sa;

	xchg_hash(in->pkt, true, hash);
	HASH_FIND(hh_init, in->k->inits, hash, sizeof(hash), sa);
	if (!sa)
		return false;
	if (sa->state != SA_INIT_RCVD) {
		COUNT(in->k, drop_duplicate_init);
		return true;
	}
	COUNT(in->k, tx_cached);
	xchg_send(sa, &in->pkt->local, &in->pkt->remote, sa->init->response.p, sa->init->response.len);
	return true;
}

void init_request(struct in *in)
{
	const struct msg *m = in->m;
	struct choice c = {0};
	struct proposals *p;
	char why[256] = "";

	if (duplicate(in))
		return;
	if (in->k->stopping) {
		COUNT(in->k, drop_stopping);
		return;
	}
	if (!gw_candidate(in->k, &in->pkt->local.a, &in->pkt->remote.a, NULL)) {
		unknown_peer(in);
		return;
	}
	if (m->nonce.len < NONCE_MIN || m->nonce.len > IKE_NONCE_MAX) {
		COUNT(in->k, drop_malformed);
		return;
	}
	if (!cookie_admit(in->k, in->pkt, m))
		return;
	p = malloc(sizeof(*p));
	if (!p) {
		COUNT(in->k, drop_memory);
		return;
	}
	if (prop_decode(m->sa, p)) {
		COUNT(in->k, drop_malformed);
		xchg_plain_error(in->k, in->pkt, &m->hdr, N_INVALID_SYNTAX, NULL, 0);
	} else if (!choose(in, p, &c, why, sizeof(why))) {
		refuse_proposal(in, p, why);
	} else if (!intermediate_ok(m, &c.suite)) {
		COUNT(in->k, drop_malformed);
		xchg_plain_error(in->k, in->pkt, &m->hdr, N_INVALID_SYNTAX, NULL, 0);
	} else if (c.suite.dh != m->ke.group) {
		uint8_t group[2] = {(uint8_t)(c.suite.dh >> 8), (uint8_t)c.suite.dh};

		COUNT(in->k, ke_retry);
		xchg_plain(in->k, in->pkt, &m->hdr, N_INVALID_KE_PAYLOAD, group, sizeof(group));
	} else {
		accept_peer(in, &c);
	}
	free(p);
}
