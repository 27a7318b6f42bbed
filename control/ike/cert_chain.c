/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer's certificate: decoded within bounds, led back to a trust anchor, held against its identity.
 *
 * X509_verify_cert() does the path (RFC 5280 6); what it found is put into words here.  Whether one of the path is
 * revoked is a second pass over a path that is known to be good, so that nobody's word about revocation is asked for
 * on behalf of a stranger.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cert_int.h"
#include "reason.h"
#include "wire.h"

enum { SECURITY_LEVEL = 2 /* 112 bits: no SHA-1 signatures, no RSA below 2048 bits */, NAME = 128 };

static void verdict(struct cert_verdict *v, enum cert_rule rule, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void verdict(struct cert_verdict *v, enum cert_rule rule, const char *fmt, ...)
{
	va_list ap;

	*v = (struct cert_verdict){.rule = rule};
	va_start(ap, fmt);
	vsnprintf(v->text, sizeof(v->text), fmt, ap);
	va_end(ap);
}

static void hint(struct cert_verdict *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void hint(struct cert_verdict *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v->hint, sizeof(v->hint), fmt, ap);
	va_end(ap);
}

/* ---- what was sent ------------------------------------------------------------------------------------------------ */

/* Bounds, before anything costs more than decoding. */
static bool bounded(X509 *x)
{
	EVP_PKEY *k = X509_get0_pubkey(x);

	return k && EVP_PKEY_get_bits(k) <= CERT_KEY_BITS_MAX;
}

static STACK_OF(X509) * decode(const struct bytes *der, size_t n, struct cert_verdict *v)
{
	STACK_OF(X509) *all = sk_X509_new_null();

	for (size_t i = 0; all && i < n; i++) {
		X509 *x = cert_decode(der[i]);

		if (x && bounded(x) && sk_X509_push(all, x) > 0)
			continue;
		verdict(v, CERT_MALFORMED, "peer's certificate %zu of %zu (%zu bytes) %s", i + 1, n,
			der[i].len,
			x ? "has a key of an unknown kind, or one that is too long"
			  : "is not a certificate, or larger than allowed");
		hint(v, "allowed: X.509 in DER, at most %d bytes, keys of at most %d bits", CERT_BYTES_MAX,
		     CERT_KEY_BITS_MAX);
		X509_free(x);
		sk_X509_pop_free(all, X509_free);
		return NULL;
	}
	return all;
}

/* A peer that sends none may be one whose certificate was imported as its own trust anchor. */
static X509 *imported(const struct cert_profile *p, const struct ike_id *id)
{
	for (int i = 0; i < sk_X509_num(p->anchors); i++)
		if (!X509_check_ca(sk_X509_value(p->anchors, i)) && cert_is(sk_X509_value(p->anchors, i), id))
			return sk_X509_value(p->anchors, i);
	return NULL;
}

/* ---- the path ----------------------------------------------------------------------------------------------------- */

/* "the peer's certificate", "the intermediate": which of the path it is. */
static const char *role(int depth)
{
	return depth ? "the CA certificate" : "the peer's certificate";
}

static void wrong_time(struct cert_verdict *v, const X509 *x, int depth, int64_t now, bool early)
{
	int64_t limit = cert_time(early ? X509_get0_notBefore(x) : X509_get0_notAfter(x));
	char name[NAME], at[CERT_TIME], here[CERT_TIME];
	long long off = (long long)(early ? limit - now : now - limit);

	verdict(v, early ? CERT_NOT_YET : CERT_EXPIRED, "%s \"%s\" %s %s", role(depth),
		cert_name(x, name, sizeof(name)), early ? "is not valid before" : "expired",
		cert_time_str(limit, at));
	snprintf(v->ours, sizeof(v->ours), "the clock here says %s", cert_time_str(now, here));
	snprintf(v->theirs, sizeof(v->theirs), "valid %s %s", early ? "from" : "until", at);
	if (off < 86400)
		hint(v, "that is %lld min %s: check the clock here against NTP first; otherwise %s", off / 60,
		     early ? "ahead" : "ago", early ? "wait" : "renew the certificate");
	else if (early)
		hint(v,
		     "that is %lld days ahead: correct the clock here if it is wrong, or issue the certificate "
		     "for now",
		     off / 86400);
	else
		hint(v,
		     "that was %lld days ago: renew the certificate, or correct the clock here if it is wrong",
		     off / 86400);
}

static void untrusted(struct cert_verdict *v, const struct cert_profile *p, const X509 *x, int depth)
{
	char name[NAME], issuer[NAME], anchor[NAME];
	struct cert_info i;

	cert_info_of(x, &i);
	snprintf(issuer, sizeof(issuer), "%.*s", NAME - 1, i.issuer);
	verdict(v, CERT_UNTRUSTED, "%s \"%s\" leads to no trust anchor: nobody here knows its issuer",
		role(depth), cert_name(x, name, sizeof(name)));
	snprintf(v->theirs, sizeof(v->theirs), "issuer \"%s\"", issuer);
	if (sk_X509_num(p->anchors))
		snprintf(v->ours, sizeof(v->ours), "%d trust anchor%s, the first \"%s\"",
			 sk_X509_num(p->anchors), sk_X509_num(p->anchors) == 1 ? "" : "s",
			 cert_name(sk_X509_value(p->anchors, 0), anchor, sizeof(anchor)));
	hint(v,
	     "add \"%s\" to the certificate-profile's ca if it is to be trusted, or let the peer send the "
	     "intermediates",
	     issuer);
}

static void refused(struct cert_verdict *v, const struct cert_profile *p, X509_STORE_CTX *ctx, int64_t now)
{
	int e = X509_STORE_CTX_get_error(ctx), depth = X509_STORE_CTX_get_error_depth(ctx);
	X509 *x = X509_STORE_CTX_get_current_cert(ctx);
	char name[NAME];

	if (!x)
		x = X509_STORE_CTX_get0_cert(ctx);
	switch (e) {
	case X509_V_ERR_CERT_HAS_EXPIRED: wrong_time(v, x, depth, now, false); return;
	case X509_V_ERR_CERT_NOT_YET_VALID: wrong_time(v, x, depth, now, true); return;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_UNTRUSTED: untrusted(v, p, x, depth); return;
	case X509_V_ERR_CERT_CHAIN_TOO_LONG:
		verdict(v, CERT_USAGE, "the peer's chain has too many intermediates");
		hint(v, "allowed: %d between its certificate and a trust anchor", CERT_DEPTH_MAX);
		return;
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		verdict(v, CERT_UNTRUSTED, "%s \"%s\" was not signed by the CA that it names", role(depth),
			cert_name(x, name, sizeof(name)));
		hint(v,
		     "a CA of the same name with another key: compare fingerprints, and renew the one that is "
		     "out of date");
		return;
	default: break;
	}
	verdict(v, CERT_USAGE, "%s \"%s\" is refused: %s", role(depth), cert_name(x, name, sizeof(name)),
		X509_verify_cert_error_string(e));
	if (e == X509_V_ERR_CA_MD_TOO_WEAK || e == X509_V_ERR_EE_KEY_TOO_SMALL ||
	    e == X509_V_ERR_CA_KEY_TOO_SMALL)
		hint(v,
		     "allowed: signatures with SHA-256 or longer, RSA keys of 2048 to %d bits, ECDSA, Ed25519",
		     CERT_KEY_BITS_MAX);
	else
		hint(v,
		     "issue it anew; CA certificates need basicConstraints CA:TRUE and keyUsage keyCertSign");
}

/* The path from all[0] to a trust anchor, or NULL. */
static STACK_OF(X509) * path(const struct cert_profile *p, X509 *leaf, STACK_OF(X509) * all, int64_t now,
			     struct cert_verdict *v)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;
	STACK_OF(X509) *chain = NULL;

	if (!ctx || X509_STORE_CTX_init(ctx, p->store, leaf, all) != 1) {
		verdict(v, CERT_MALFORMED, "out of memory");
		X509_STORE_CTX_free(ctx);
		return NULL;
	}
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_depth(param, CERT_DEPTH_MAX);
	X509_VERIFY_PARAM_set_time(param, (time_t)now);
	X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
	/* An intermediate, or the peer's very certificate, may be the trust anchor. */
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
	if (X509_verify_cert(ctx) == 1)
		chain = X509_STORE_CTX_get1_chain(ctx);
	else
		refused(v, p, ctx, now);
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return chain;
}

/* ---- what it is for --------------------------------------------------------------------------------------------- */

/* ipsecIKE, iKEIntermediate and anyExtendedKeyUsage (RFC 4945 5.1.3.12) */
static bool names_ike(const EXTENDED_KEY_USAGE *u, bool any_counts)
{
	char oid[64];

	for (int i = 0; i < sk_ASN1_OBJECT_num(u); i++) {
		OBJ_obj2txt(oid, sizeof(oid), sk_ASN1_OBJECT_value(u, i), 1);
		if (!strcmp(oid, "1.3.6.1.5.5.7.3.17") || !strcmp(oid, "1.3.6.1.5.5.8.2.2") ||
		    (any_counts && !strcmp(oid, "2.5.29.37.0")))
			return true;
	}
	return false;
}

static bool usage_ok(const struct cert_profile *p, X509 *x, struct cert_verdict *v)
{
	uint32_t u = X509_get_key_usage(x);
	EXTENDED_KEY_USAGE *e;
	char name[NAME];
	bool ok;

	/* RFC 4945 5.1.3.2: no key usage at all is any; else it has to be one of these. */
	if (u != UINT32_MAX && !(u & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION))) {
		verdict(v, CERT_USAGE, "the peer's certificate \"%s\" is not for signing",
			cert_name(x, name, sizeof(name)));
		hint(v, "issue it with keyUsage digitalSignature, or without keyUsage");
		return false;
	}
	if (!p->policy.ike_usage)
		return true;
	e = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
	ok = names_ike(e, true);
	EXTENDED_KEY_USAGE_free(e);
	if (ok)
		return true;
	verdict(v, CERT_USAGE, "the peer's certificate \"%s\" has no extended key usage for IKE",
		cert_name(x, name, sizeof(name)));
	snprintf(v->ours, sizeof(v->ours), "extended-key-usage = \"ike\"");
	hint(v, "issue it with ipsecIKE (1.3.6.1.5.5.7.3.17), or set extended-key-usage = \"any\"");
	return false;
}

static bool identity_ok(X509 *x, const struct ike_id *id, struct cert_verdict *v)
{
	char name[NAME], s[ID_STR], has[sizeof(v->theirs)];

	if (cert_is(x, id))
		return true;
	id_str(id, s, sizeof(s));
	cert_ids(x, has, sizeof(has));
	verdict(v, CERT_IDENTITY, "the peer's certificate \"%.80s\" does not have its identity %.100s",
		cert_name(x, name, sizeof(name)), s);
	snprintf(v->theirs, sizeof(v->theirs), "%s", has[0] ? has : "no name at all");
	snprintf(v->ours, sizeof(v->ours), "peer-id %.200s", s);
	hint(v, "let the peer send, and set as peer-id here, one of: %.190s", has[0] ? has : "(none)");
	return false;
}

/* ---- all of it ---------------------------------------------------------------------------------------------------- */

struct cert_peer *cert_peer_check(const struct cert_profile *p, const struct bytes *der, size_t n,
				  const struct ike_id *id, int64_t now, struct cert_verdict *v)
{
	STACK_OF(X509) *all = decode(der, n, v), *chain = NULL;
	X509 *leaf = all && n ? sk_X509_value(all, 0) : imported(p, id);
	struct cert_peer *c = NULL;

	if (!all)
		return NULL;
	if (!leaf) {
		verdict(v, CERT_MISSING, "peer sent no certificate");
		hint(v, "let the peer send its certificate, always or when asked, or add it to the "
			"certificate-profile's ca");
	} else {
		chain = path(p, leaf, all, now, v);
	}
	if (chain && (!usage_ok(p, leaf, v) || !identity_ok(leaf, id, v))) {
		sk_X509_pop_free(chain, X509_free);
		chain = NULL;
	}
	if (chain) {
		c = calloc(1, sizeof(*c));
		if (c)
			c->chain = chain;
		else
			sk_X509_pop_free(chain, X509_free);
		*v = (struct cert_verdict){.rule = c ? CERT_GOOD : CERT_MALFORMED};
	}
	sk_X509_pop_free(all, X509_free);
	return c;
}

void cert_peer_free(struct cert_peer *c)
{
	if (!c)
		return;
	sk_X509_pop_free(c->chain, X509_free);
	free(c);
}

void cert_peer_info(const struct cert_peer *c, struct cert_info *i)
{
	cert_info_of(sk_X509_value(c->chain, 0), i);
}

EVP_PKEY *cert_peer_key(const struct cert_peer *c)
{
	return X509_get0_pubkey(sk_X509_value(c->chain, 0));
}
