/* SPDX-License-Identifier: Apache-2.0 */
/* Is a certificate revoked?  By lists (RFC 5280 6.3). */
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>

#include "cert_int.h"

enum { NAME = 128, DEPTHS = 32 };

/* What the walk along the path found. */
struct walk {
	int last;         /* depth of the trust anchor, which answers for itself */
	unsigned unknown; /* bits by depth: no list, or none that counts */
	int why[DEPTHS];
};

static int on_error(int ok, X509_STORE_CTX *ctx)
{
	struct walk *w = X509_STORE_CTX_get_app_data(ctx);
	int depth = X509_STORE_CTX_get_error_depth(ctx), e = X509_STORE_CTX_get_error(ctx);

	if (ok || depth < 0 || depth >= DEPTHS)
		return ok;
	if (depth >= w->last)
		return 1;
	switch (e) {
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_CRL_NOT_YET_VALID:
	case X509_V_ERR_DIFFERENT_CRL_SCOPE:
	case X509_V_ERR_CRL_SIGNATURE_FAILURE:
	case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
		if (!(w->unknown & 1u << depth))
			w->why[depth] = e;
		w->unknown |= 1u << depth;
		return 1;
	default: return 0;
	}
}

static void revoked(const struct cert_peer *c, int depth, struct cert_verdict *v)
{
	char name[NAME];

	*v = (struct cert_verdict){.rule = CERT_REVOKED};
	snprintf(v->text, sizeof(v->text), "%s \"%s\" was revoked by its CA",
		 depth ? "the CA certificate" : "the peer's certificate",
		 cert_name(sk_X509_value(c->chain, depth), name, sizeof(name)));
	snprintf(v->hint, sizeof(v->hint), "give the peer a new certificate: a revocation is for good");
}

static void unknown(const struct cert_peer *c, const struct walk *w, int depth, struct cert_verdict *v)
{
	char name[NAME], ca[NAME];

	*v = (struct cert_verdict){.rule = CERT_STATUS};
	cert_name(sk_X509_value(c->chain, depth + 1), ca, sizeof(ca));
	snprintf(v->text, sizeof(v->text), "nobody can tell whether \"%s\" is revoked: %s",
		 cert_name(sk_X509_value(c->chain, depth), name, sizeof(name)),
		 w->why[depth] == X509_V_ERR_CRL_HAS_EXPIRED         ? "its CA's list is out of date"
		 : w->why[depth] == X509_V_ERR_CRL_NOT_YET_VALID     ? "its CA's list is of the future"
		 : w->why[depth] == X509_V_ERR_CRL_SIGNATURE_FAILURE ? "its CA's list is not signed by the CA"
								     : "there is no list of its CA");
	snprintf(v->ours, sizeof(v->ours), "revocation = \"strict\"");
	snprintf(v->hint, sizeof(v->hint),
		 "give the certificate-profile a current crl of \"%.100s\", or set revocation = "
		 "\"soft-fail\"",
		 ca);
}

static bool prepare(const struct cert_profile *p, X509_STORE_CTX *ctx, const struct cert_peer *c, int64_t now,
		    struct walk *w)
{
	X509_VERIFY_PARAM *param;

	if (X509_STORE_CTX_init(ctx, p->store, sk_X509_value(c->chain, 0), c->chain) != 1)
		return false;
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_depth(param, CERT_DEPTH_MAX);
	X509_VERIFY_PARAM_set_time(param, (time_t)now);
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST |
						   X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL |
						   X509_V_FLAG_EXTENDED_CRL_SUPPORT);
	X509_STORE_CTX_set0_crls(ctx, p->crls);
	X509_STORE_CTX_set_app_data(ctx, w);
	X509_STORE_CTX_set_verify_cb(ctx, on_error);
	return true;
}

bool cert_peer_status(const struct cert_profile *p, const struct cert_peer *c, int64_t now,
		      struct cert_verdict *v)
{
	struct walk w = {.last = sk_X509_num(c->chain) - 1};
	X509_STORE_CTX *ctx;
	bool ok;

	*v = (struct cert_verdict){0};
	if (p->policy.revocation == CERT_REVOCATION_OFF)
		return true;
	ctx = X509_STORE_CTX_new();
	ok = ctx && prepare(p, ctx, c, now, &w) && X509_verify_cert(ctx) == 1;
	if (!ok)
		revoked(c, ctx ? X509_STORE_CTX_get_error_depth(ctx) : 0, v);
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	for (int i = 0; ok && i < w.last; i++)
		if (p->policy.revocation == CERT_REVOCATION_STRICT && (w.unknown & 1u << i)) {
			unknown(c, &w, i, v);
			ok = false;
		}
	return ok;
}
