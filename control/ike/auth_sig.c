/* SPDX-License-Identifier: Apache-2.0 */
/* AUTH by certificate: CERT, CERTREQ, the signature, and what makes a peer's certificate a reason to believe it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth.h"
#include "cert_status.h"
#include "reason.h"
#include "sign.h"

bool auth_signs(const struct gw *gw)
{
	return gw->conf.own || gw->conf.trust;
}

unsigned auth_peer_hashes(const struct msg *m)
{
	const struct msg_notify *n = msg_notify_find(m, N_SIGNATURE_HASH_ALGORITHMS);

	return n ? sig_hashes_read(n->data) : 0;
}

const char *auth_method_str(uint8_t method)
{
	switch (method) {
	case AUTHM_RSA: return "RSA signature with SHA-1";
	case AUTHM_PSK: return "pre-shared key";
	case AUTHM_ECDSA_256:
	case AUTHM_ECDSA_384:
	case AUTHM_ECDSA_521: return "ECDSA signature";
	case AUTHM_DIGITAL: return "digital signature";
	default: return "a method that we do not have";
	}
}

/* ---- out ---------------------------------------------------------------------------------------------------------- */

void auth_write_certs(struct out *o, const struct gw *gw)
{
	struct bytes der;

	for (unsigned i = 0; gw->conf.own && cert_own_der(gw->conf.own, i, &der); i++) {
		msg_wr_open(&o->w, PL_CERT);
		wr_u8(&o->w.w, CERT_X509_SIGNATURE);
		wr_bytes(&o->w.w, der.p, der.len);
		msg_wr_close(&o->w);
		cert_der_free(&der);
	}
}

void auth_write_certreq(struct msg_wr *w, const struct gw *gw)
{
	uint8_t hash[CERT_HASH];

	if (!gw->conf.trust)
		return;
	msg_wr_open(w, PL_CERTREQ);
	wr_u8(&w->w, CERT_X509_SIGNATURE);
	for (unsigned i = 0; cert_profile_hash(gw->conf.trust, i, hash); i++)
		wr_bytes(&w->w, hash, sizeof(hash));
	msg_wr_close(w);
	if (!cert_profile_policy(gw->conf.trust)->use_ocsp)
		return;
	/* RFC 4806 3.1: the answer of any responder may come along. */
	msg_wr_open(w, PL_CERTREQ);
	wr_u8(&w->w, CERT_OCSP);
	msg_wr_close(w);
}

int sig_write(struct out *o, struct ike_sa *sa, const struct gw *gw, const struct auth_octets *octets)
{
	const struct cert_own *own = gw->conf.own;
	struct sig_way way = {
		.peer_hashes = sa->init->sig_hashes, .pss = own->pss, .rsa_sha1 = gw->conf.rsa_sha1};
	uint8_t auth[SIG_AUTH_MAX], method;
	size_t len;
	int rc = sig_make(own->key, &way, octets->part, octets->n, &method, auth, &len);

	if (rc)
		return rc;
	msg_wr_auth(&o->w, method, auth, len);
	sa->auth_local = method;
	return 0;
}

void auth_write_reason(const struct ike_sa *sa, const struct gw *gw, int rc, struct ike_reason *r)
{
	struct cert_info i;

	if (rc != -ENOTSUP || !gw->conf.own) {
		reason_set(r, sa->k->now, IKE_CAUSE_INSTALL, sa->role, IKE_AUTH, "cannot sign: %s",
			   rc == -EIO ? "the private key does not work; a token that was taken away?"
				      : strerror(-rc));
		return;
	}
	cert_own_info(gw->conf.own, &i);
	reason_set(r, sa->k->now, IKE_CAUSE_UNSUPPORTED, sa->role, IKE_AUTH,
		   "peer takes no signature that our key (%s) can make", i.key);
	reason_ours(r, "certificate \"%.150s\" with a key of %s", i.subject, i.key);
	reason_theirs(r, "%s",
		      sa->init->sig_hashes ? "SIGNATURE_HASH_ALGORITHMS without a hash that fits"
					   : "no SIGNATURE_HASH_ALGORITHMS (RFC 7427)");
	reason_hint(r,
		    "let the peer use RFC 7427 (signature authentication), or give the gateway a certificate "
		    "with an ECDSA key%s",
		    strncmp(i.key, "RSA", 3) ? "" : ", or rsa-sha1 = true");
}

/* ---- in ----------------------------------------------------------------------------------------------------------- */

static enum ike_cause cause_of(enum cert_rule rule)
{
	switch (rule) {
	case CERT_UNTRUSTED: return IKE_CAUSE_CERT_UNTRUSTED;
	case CERT_EXPIRED: return IKE_CAUSE_CERT_EXPIRED;
	case CERT_NOT_YET: return IKE_CAUSE_CERT_NOT_YET;
	case CERT_REVOKED: return IKE_CAUSE_CERT_REVOKED;
	case CERT_STATUS: return IKE_CAUSE_CERT_STATUS;
	case CERT_IDENTITY: return IKE_CAUSE_CERT_IDENTITY;
	default: return IKE_CAUSE_CERT_REFUSED;
	}
}

static void reason_cert(struct ike_reason *r, const struct in *in, const struct cert_verdict *v)
{
	COUNT(in->k, cert_refused);
	reason_set(r, in->k->now, cause_of(v->rule), in->sa->role, IKE_AUTH, "%s", v->text);
	reason_ours(r, "%s", v->ours);
	reason_theirs(r, "%s", v->theirs);
	reason_hint(r, "%s", v->hint);
}

static bool method_ok(struct in *in, struct ike_reason *r)
{
	uint8_t method = in->m->auth.method;

	if (sig_method(method))
		return true;
	reason_set(r, in->k->now, IKE_CAUSE_UNSUPPORTED, in->sa->role, IKE_AUTH,
		   "peer authenticates by %s (method %u), configured is a certificate",
		   auth_method_str(method), method);
	reason_ours(r, "certificate-profile");
	reason_theirs(r, "%s", auth_method_str(method));
	reason_hint(r,
		    "let the peer authenticate itself by certificate, or take certificate-profile out of the "
		    "gateway and give it the pre-shared key");
	return false;
}

static bool signature_right(struct in *in, const struct gw *gw, const struct cert_peer *c,
			    const struct auth_octets *octets, struct ike_reason *r)
{
	const struct msg_auth *a = &in->m->auth;
	const char *what;
	enum sig_result s = sig_check(cert_peer_key(c), a->method, a->data, gw->conf.rsa_sha1, octets->part,
				      octets->n, &what);
	struct cert_info info;

	if (s == SIG_RIGHT)
		return true;
	COUNT(in->k, auth_signature_wrong);
	cert_peer_info(c, &info);
	reason_set(r, in->k->now, s == SIG_REFUSED ? IKE_CAUSE_UNSUPPORTED : IKE_CAUSE_AUTH_FAILED,
		   in->sa->role, IKE_AUTH, "%s",
		   s == SIG_WRONG       ? "peer's signature does not verify by the key of its certificate"
		   : s == SIG_MALFORMED ? "peer's signature is malformed"
		   : s == SIG_KEY ? "peer's signature is of another kind than the key of its certificate"
				  : "peer signs by an algorithm that is not accepted");
	reason_theirs(r, "%s, method %u; certificate \"%.100s\" with %s", what, a->method, info.subject,
		      info.key);
	if (s == SIG_REFUSED)
		reason_hint(
			r, "let the peer sign with SHA-256 or longer (RFC 7427); for RSA with SHA-1 there is "
			   "rsa-sha1 = true");
	else
		reason_hint(r, "the peer's private key is not that of the certificate it sends, or somebody "
			       "changes IKE_SA_INIT on its way");
	return false;
}

/* Nobody of the path is revoked, as far as that has to be known.  in->wait: it has to be fetched first. */
static bool status_good(struct in *in, const struct gw *gw, const struct cert_peer *c, int64_t now,
			struct ike_reason *r)
{
	struct ike *k = in->k;
	struct bytes stapled = {0};
	struct cert_fetch f;
	struct cert_verdict v;
	bool start;

	if (k->host->fetch && !k->cert_cache)
		k->cert_cache = cert_cache_new();
	for (unsigned i = 0; i < in->m->n_cert; i++)
		if (in->m->cert[i].encoding == CERT_OCSP)
			stapled = in->m->cert[i].data;
	switch (cert_status(gw->conf.trust, c, k->cert_cache, stapled, now, &v, &f, &start)) {
	case CERT_STATUS_GOOD: return true;
	case CERT_STATUS_WAIT:
		*r = (struct ike_reason){0};
		in->wait = true;
		break;
	default: reason_cert(r, in, &v);
	}
	if (in->wait && start && k->host->fetch) {
		cert_cache_wait(k->cert_cache, &f, now);
		k->host->fetch(k->ctx, &f);
	}
	return false;
}

static void remember(struct ike_sa *sa, const struct cert_peer *c, uint8_t method)
{
	if (!sa->cert)
		sa->cert = malloc(sizeof(*sa->cert));
	if (sa->cert)
		cert_peer_info(c, sa->cert);
	sa->auth_remote = method;
}

bool sig_judge(struct in *in, const struct gw *gw, const struct msg_id *id, const struct auth_octets *octets,
	       struct ike_reason *r)
{
	struct bytes der[MSG_CERTS_MAX];
	int64_t now = (int64_t)time(NULL);
	struct cert_peer *c;
	struct cert_verdict v;
	struct ike_id who;
	size_t n = 0;
	bool ok;

	if (!method_ok(in, r))
		return false;
	for (unsigned i = 0; i < in->m->n_cert; i++)
		if (in->m->cert[i].encoding == CERT_X509_SIGNATURE)
			der[n++] = in->m->cert[i].data;
	id_of(id, &who);
	c = cert_peer_check(gw->conf.trust, der, n, &who, now, &v);
	if (!c) {
		reason_cert(r, in, &v);
		return false;
	}
	ok = signature_right(in, gw, c, octets, r);
	ok = ok && status_good(in, gw, c, now, r);
	if (ok)
		remember(in->sa, c, in->m->auth.method);
	cert_peer_free(c);
	return ok;
}
