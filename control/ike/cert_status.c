/* SPDX-License-Identifier: Apache-2.0 */
#include "cert_status.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cert_ocsp.h"

enum { NAME = 128, DEPTHS = 32 };

/* What the walk along the path found. */
struct walk {
	int last;         /* depth of the trust anchor, which answers for itself */
	unsigned unknown; /* bits by depth: no list, or none that counts */
	unsigned forged;  /* likewise: a list that its CA did not sign was left out */
	int why[DEPTHS];
};

static void note(struct walk *w, int depth, int e)
{
	if (!(w->unknown & 1u << depth))
		w->why[depth] = e;
	w->unknown |= 1u << depth;
}

/* Only an entry of a list says revoked; whatever else is wrong with lists leaves it unknown. */
static int on_error(int ok, X509_STORE_CTX *ctx)
{
	struct walk *w = X509_STORE_CTX_get_app_data(ctx);
	int depth = X509_STORE_CTX_get_error_depth(ctx), e = X509_STORE_CTX_get_error(ctx);

	if (ok || depth < 0 || depth >= DEPTHS)
		return ok;
	if (depth >= w->last)
		return 1;
	if (e == X509_V_ERR_CERT_REVOKED)
		return 0;
	note(w, depth, e);
	return 1;
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

static const char *why_list(int e)
{
	switch (e) {
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_DIFFERENT_CRL_SCOPE: return "there is no list of its CA";
	case X509_V_ERR_CRL_HAS_EXPIRED: return "its CA's list is out of date";
	case X509_V_ERR_CRL_NOT_YET_VALID: return "its CA's list is of the future";
	case X509_V_ERR_CRL_SIGNATURE_FAILURE: return "its CA's list is not signed by the CA";
	default: return X509_verify_cert_error_string(e);
	}
}

/* why: what kept the responder from telling; "" when none was asked. */
static void unknown(const struct cert_peer *c, const struct walk *w, int depth, const char *why,
		    struct cert_verdict *v)
{
	char name[NAME], ca[NAME];
	int e = w->forged & 1u << depth ? X509_V_ERR_CRL_SIGNATURE_FAILURE : w->why[depth];

	*v = (struct cert_verdict){.rule = CERT_STATUS};
	cert_name(sk_X509_value(c->chain, depth + 1), ca, sizeof(ca));
	snprintf(v->text, sizeof(v->text), "nobody can tell whether \"%s\" is revoked: %.90s%s%s",
		 cert_name(sk_X509_value(c->chain, depth), name, sizeof(name)), why, why[0] ? ", and " : "",
		 why_list(e));
	snprintf(v->ours, sizeof(v->ours), "revocation = \"strict\"");
	snprintf(
		v->hint, sizeof(v->hint),
		"give the certificate-profile a current crl of \"%.100s\", make its responder answer, or set "
		"revocation = \"soft-fail\"",
		ca);
}

/* ---- what can be fetched -------------------------------------------------------------------------------------- */

static bool http(const char *url, size_t len)
{
	return len < sizeof(((struct cert_fetch *)0)->url) && !memchr(url, '\0', len) &&
	       (!strncasecmp(url, "http://", 7) || !strncasecmp(url, "https://", 8));
}

static bool ocsp_of(const struct cert_profile *p, const struct cert_peer *c, int depth, struct cert_fetch *f)
{
	X509 *x = sk_X509_value(c->chain, depth);
	STACK_OF(OPENSSL_STRING) *urls = NULL;
	const char *url = p->policy.ocsp_url;

	*f = (struct cert_fetch){.max = CACHE_OCSP_BYTES, .timeout_s = p->policy.timeout_s};
	if (!p->policy.use_ocsp)
		return false;
	if (!url[0]) {
		urls = X509_get1_ocsp(x);
		url = sk_OPENSSL_STRING_num(urls) > 0 ? sk_OPENSSL_STRING_value(urls, 0) : "";
	}
	if (http(url, strlen(url)))
		snprintf(f->url, sizeof(f->url), "%s", url);
	X509_email_free(urls);
	f->post_len = f->url[0]
			      ? ocsp_request(x, sk_X509_value(c->chain, depth + 1), f->post, sizeof(f->post))
			      : 0;
	return f->post_len;
}

/* The first list of the certificate's that HTTP reaches. */
static bool crl_of(const struct cert_profile *p, const struct cert_peer *c, int depth, struct cert_fetch *f)
{
	CRL_DIST_POINTS *all;

	*f = (struct cert_fetch){.max = CACHE_CRL_BYTES, .timeout_s = p->policy.timeout_s};
	if (!p->policy.use_crl)
		return false;
	all = X509_get_ext_d2i(sk_X509_value(c->chain, depth), NID_crl_distribution_points, NULL, NULL);
	for (int i = 0; i < sk_DIST_POINT_num(all) && !f->url[0]; i++) {
		const DIST_POINT *d = sk_DIST_POINT_value(all, i);
		const GENERAL_NAMES *names = d->distpoint && !d->distpoint->type ? d->distpoint->name.fullname
										 : NULL;

		for (int k = 0; k < sk_GENERAL_NAME_num(names) && !f->url[0]; k++) {
			int type;
			const ASN1_STRING *s = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, k),
								       &type);

			if (type == GEN_URI &&
			    http((const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)))
				snprintf(f->url, sizeof(f->url), "%.*s", ASN1_STRING_length(s),
					 (const char *)ASN1_STRING_get0_data(s));
		}
	}
	CRL_DIST_POINTS_free(all);
	ERR_clear_error();
	return f->url[0];
}

static X509_CRL *crl_decode(struct bytes b)
{
	const uint8_t *p = b.p;
	X509_CRL *l = d2i_X509_CRL(NULL, &p, (long)b.len);
	BIO *bio;

	if (!l && (bio = BIO_new_mem_buf(b.p, (int)b.len))) {
		l = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
		BIO_free(bio);
	}
	ERR_clear_error();
	return l;
}

void cert_status_fetched(struct cert_cache *cache, const struct cert_fetch *f, struct bytes content,
			 const char *why, int64_t now)
{
	int64_t until = now + CACHE_DEFAULT_S;
	X509_CRL *l = NULL;

	if (content.p && !f->post_len) {
		l = crl_decode(content);
		if (!l)
			why = "what came from there is no list";
		else if (X509_CRL_get0_nextUpdate(l))
			until = cert_time(X509_CRL_get0_nextUpdate(l));
	} else if (content.p) {
		until = ocsp_until(content, until);
	}
	until = until > now + CACHE_FAILED_S ? until
					     : now + CACHE_FAILED_S; /* out of date already: looked at once */
	if (l)
		cert_cache_put_list(cache, f, l, until);
	else if (!content.p || !f->post_len)
		cert_cache_put(cache, f, (struct bytes){0}, now + CACHE_FAILED_S, why);
	else
		cert_cache_put(cache, f, content, until, "");
	X509_CRL_free(l);
}

/* ---- lists -------------------------------------------------------------------------------------------------------- */

static bool prepare(const struct cert_profile *p, X509_STORE_CTX *ctx, const struct cert_peer *c,
		    STACK_OF(X509_CRL) * crls, int64_t now, struct walk *w)
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
	X509_STORE_CTX_set0_crls(ctx, crls);
	X509_STORE_CTX_set_app_data(ctx, w);
	X509_STORE_CTX_set_verify_cb(ctx, on_error);
	return true;
}

/* Look the path up in the lists: w says of whom they do not tell.  false: v says who is revoked.  A walk that broke
 * off tells of nobody. */
static bool by_lists(const struct cert_profile *p, const struct cert_peer *c, STACK_OF(X509_CRL) * crls,
		     int64_t now, struct walk *w, struct cert_verdict *v)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool ok = ctx && prepare(p, ctx, c, crls, now, w) && X509_verify_cert(ctx) == 1;
	int e = ctx ? X509_STORE_CTX_get_error(ctx) : X509_V_ERR_OUT_OF_MEM;
	bool listed = !ok && e == X509_V_ERR_CERT_REVOKED;

	if (listed)
		revoked(c, X509_STORE_CTX_get_error_depth(ctx), v);
	for (int i = 0; !ok && !listed && i < w->last; i++)
		note(w, i, e ? e : X509_V_ERR_UNSPECIFIED);
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return !listed;
}

/* ---- all of it ---------------------------------------------------------------------------------------------------- */

/* Did a CA of the path, one that may (RFC 5280 4.2.1.3), sign the list?  named: bits by depth, whose CA has the list's
 * name.  OpenSSL takes the newest list of a name and looks at its signature afterwards, so a forged one, which anybody
 * between us and an HTTP server can make, would hide a good one. */
static bool by_ca(const struct cert_peer *c, X509_CRL *l, unsigned *named)
{
	bool ok = false;

	*named = 0;
	for (int i = 1; !ok && i < sk_X509_num(c->chain); i++) {
		X509 *ca = sk_X509_value(c->chain, i);

		if (X509_NAME_cmp(X509_get_subject_name(ca), X509_CRL_get_issuer(l)) != 0)
			continue;
		*named |= 1u << (i - 1);
		ok = (X509_get_key_usage(ca) & X509v3_KU_CRL_SIGN) &&
		     X509_CRL_verify(l, X509_get0_pubkey(ca)) == 1;
	}
	ERR_clear_error();
	return ok;
}

/* Keep the list, or drop it; it is the callee's. */
static void push(STACK_OF(X509_CRL) * all, X509_CRL *l)
{
	if (sk_X509_CRL_push(all, l) <= 0)
		X509_CRL_free(l);
}

/* The profile's lists, and those that were fetched for this path, as far as its CAs signed them. */
static STACK_OF(X509_CRL) * lists(const struct cert_profile *p, const struct cert_peer *c,
				  struct cert_cache *cache, int64_t now, struct walk *w)
{
	STACK_OF(X509_CRL) *all = sk_X509_CRL_new_null();
	struct cert_fetch f;
	unsigned named;
	X509_CRL *l;

	for (int i = 0; i < sk_X509_CRL_num(p->crls); i++) {
		l = sk_X509_CRL_value(p->crls, i);
		if (!by_ca(c, l, &named))
			w->forged |= named;
		else if (X509_CRL_up_ref(l) == 1)
			push(all, l);
	}
	for (int i = 0; i < w->last; i++) {
		l = crl_of(p, c, i, &f) ? cert_cache_list(cache, &f, now) : NULL;
		if (l && by_ca(c, l, &named)) {
			push(all, l);
		} else if (l) {
			w->forged |= 1u << i;
			cert_cache_until(cache, &f, now + CACHE_FAILED_S);
			X509_CRL_free(l);
		}
	}
	return all;
}

/* What somebody else says of one of whom the lists do not tell. */
enum says { SAYS_GOOD, SAYS_REVOKED, SAYS_NOTHING, SAYS_LATER };

/* Where the fetch stands; LATER: it has to be waited for, and perhaps begun. */
static enum says fetched(struct cert_cache *cache, const struct cert_fetch *f, int64_t now, struct bytes *b,
			 const char **why, bool *start)
{
	enum cache_state s = cert_cache_find(cache, f, now, b, why);

	*start = s == CACHE_NONE;
	return cache && (s == CACHE_NONE || s == CACHE_WAITING) ? SAYS_LATER : SAYS_NOTHING;
}

static enum says by_ocsp(const struct cert_profile *p, const struct cert_peer *c, int depth,
			 struct cert_cache *cache, struct bytes stapled, int64_t now, const char **why,
			 struct cert_fetch *f, bool *start)
{
	enum ocsp_answer a = stapled.len && !depth ? ocsp_read(p, c, depth, stapled, why) : OCSP_NO_ANSWER;
	struct bytes b = {0};

	if (a != OCSP_GOOD && a != OCSP_REVOKED && ocsp_of(p, c, depth, f)) {
		if (fetched(cache, f, now, &b, why, start) == SAYS_LATER)
			return SAYS_LATER;
		if (b.p)
			a = ocsp_read(p, c, depth, b, why);
	}
	return a == OCSP_GOOD ? SAYS_GOOD : a == OCSP_REVOKED ? SAYS_REVOKED : SAYS_NOTHING;
}

/* A responder's word; without one, the certificate's own list, which lists() has when it was fetched. */
static enum says elsewhere(const struct cert_profile *p, const struct cert_peer *c, int depth,
			   struct cert_cache *cache, struct bytes stapled, int64_t now, const char **why,
			   struct cert_fetch *f, bool *start)
{
	enum says says = by_ocsp(p, c, depth, cache, stapled, now, why, f, start);
	const char *list = "";
	struct bytes b;

	if (says != SAYS_NOTHING || !crl_of(p, c, depth, f))
		return says;
	says = fetched(cache, f, now, &b, &list, start);
	if (!**why)
		*why = list;
	return says;
}

enum cert_status cert_status(const struct cert_profile *p, const struct cert_peer *c,
			     struct cert_cache *cache, struct bytes stapled, int64_t now,
			     struct cert_verdict *v, struct cert_fetch *fetch, bool *start)
{
	STACK_OF(X509_CRL) * crls;
	struct walk w;
	bool ok;

	*v = (struct cert_verdict){0};
	*start = false;
	if (p->policy.revocation == CERT_REVOCATION_OFF)
		return CERT_STATUS_GOOD;
	w = (struct walk){.last = sk_X509_num(c->chain) - 1};
	crls = lists(p, c, cache, now, &w);
	ok = by_lists(p, c, crls, now, &w, v);
	sk_X509_CRL_pop_free(crls, X509_CRL_free);
	if (!ok)
		return CERT_STATUS_BAD;
	for (int i = 0; i < w.last; i++) {
		const char *why = "";

		if (!(w.unknown & 1u << i))
			continue;
		switch (elsewhere(p, c, i, cache, stapled, now, &why, fetch, start)) {
		case SAYS_GOOD: continue;
		case SAYS_REVOKED: revoked(c, i, v); return CERT_STATUS_BAD;
		case SAYS_LATER: return CERT_STATUS_WAIT;
		default: break;
		}
		if (p->policy.revocation == CERT_REVOCATION_STRICT) {
			unknown(c, &w, i, why, v);
			return CERT_STATUS_BAD;
		}
	}
	return CERT_STATUS_GOOD;
}
