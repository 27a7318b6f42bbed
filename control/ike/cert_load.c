/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates, lists and keys from files: read once, when the configuration is. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cert_int.h"
#include "cert_key.h"
#include "crypto.h"

static void fail(char err[CERT_ERR], const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void fail(char err[CERT_ERR], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, CERT_ERR, fmt, ap);
	va_end(ap);
	ERR_clear_error();
}

/* ---- texts ------------------------------------------------------------------------------------------------------ */

X509 *cert_decode(struct bytes der)
{
	const uint8_t *p = der.p;
	X509 *x = der.len && der.len <= CERT_BYTES_MAX ? d2i_X509(NULL, &p, (long)der.len) : NULL;

	if (x && p != der.p + der.len) {
		X509_free(x);
		x = NULL;
	}
	ERR_clear_error();
	return x;
}

static bool is_pem(const struct cert_text *t)
{
	return memmem(t->b.p, t->b.len, "-----BEGIN ", 11);
}

STACK_OF(X509) * cert_read_all(const struct cert_text *t)
{
	STACK_OF(X509) *all = sk_X509_new_null();
	BIO *b = BIO_new_mem_buf(t->b.p, (int)t->b.len);
	unsigned long e = 0;
	X509 *x;

	if (all && b && is_pem(t)) {
		while ((x = PEM_read_bio_X509(b, NULL, NULL, NULL)) && sk_X509_push(all, x) > 0)
			;
		e = ERR_peek_last_error();
	} else if (all && (x = cert_decode(t->b))) {
		sk_X509_push(all, x);
	}
	BIO_free(b);
	ERR_clear_error();
	/* At the end of the text PEM says that there is no further start; anything else is damage. */
	if (sk_X509_num(all) > 0 && (!e || ERR_GET_REASON(e) == PEM_R_NO_START_LINE))
		return all;
	sk_X509_pop_free(all, X509_free);
	return NULL;
}

int64_t cert_time(const ASN1_TIME *t)
{
	struct tm tm;

	return t && ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

const char *cert_time_str(int64_t t, char buf[CERT_TIME])
{
	time_t at = (time_t)t;
	struct tm tm;

	if (!gmtime_r(&at, &tm) || !strftime(buf, CERT_TIME, "%Y-%m-%d %H:%M:%S UTC", &tm))
		snprintf(buf, CERT_TIME, "an unknown time");
	return buf;
}

bool cert_text_ids(const struct cert_text *t, char *ids, size_t cap)
{
	STACK_OF(X509) *all = cert_read_all(t);

	if (all)
		cert_ids(sk_X509_value(all, 0), ids, cap);
	sk_X509_pop_free(all, X509_free);
	return all;
}

static void hex_colons(const uint8_t *p, size_t n, char *buf, size_t cap)
{
	buf[0] = '\0';
	for (size_t i = 0, at = 0; i < n && at + 3 < cap; i++)
		at += (size_t)snprintf(buf + at, cap - at, "%s%02X", i ? ":" : "", p[i]);
}

static void key_str(EVP_PKEY *k, char *buf, size_t cap)
{
	char group[32] = "";
	size_t n;

	switch (k ? EVP_PKEY_get_base_id(k) : EVP_PKEY_NONE) {
	case EVP_PKEY_RSA:
	case EVP_PKEY_RSA_PSS: snprintf(buf, cap, "RSA %d", EVP_PKEY_get_bits(k)); break;
	case EVP_PKEY_EC:
		EVP_PKEY_get_group_name(k, group, sizeof(group), &n);
		snprintf(buf, cap, "ECDSA %s",
			 !strcmp(group, "prime256v1")  ? "P-256"
			 : !strcmp(group, "secp384r1") ? "P-384"
			 : !strcmp(group, "secp521r1") ? "P-521"
						       : group);
		break;
	case EVP_PKEY_ED25519: snprintf(buf, cap, "Ed25519"); break;
	case EVP_PKEY_ED448: snprintf(buf, cap, "Ed448"); break;
	default: snprintf(buf, cap, "unknown kind");
	}
}

void cert_info_of(const X509 *x, struct cert_info *i)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
	uint8_t hash[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	char dn[sizeof(i->issuer)];

	*i = (struct cert_info){0};
	cert_name(x, i->subject, sizeof(i->subject));
	uint8_t *der = NULL;
	int len = i2d_X509_NAME(X509_get_issuer_name(x), &der);

	if (len > 0)
		snprintf(i->issuer, sizeof(i->issuer), "%s",
			 cert_dn_str((struct bytes){.p = der, .len = (size_t)len}, dn, sizeof(dn)));
	OPENSSL_free(der);
	hex_colons(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial), i->serial,
		   sizeof(i->serial));
	if (X509_digest(x, EVP_sha256(), hash, &n) == 1)
		hex_colons(hash, n, i->fingerprint, sizeof(i->fingerprint));
	key_str(X509_get0_pubkey(x), i->key, sizeof(i->key));
	i->not_before = cert_time(X509_get0_notBefore(x));
	i->not_after = cert_time(X509_get0_notAfter(x));
	ERR_clear_error();
}

/* ---- our own ---------------------------------------------------------------------------------------------------- */

/* Our certificate, and whatever goes along with it. */
static bool read_chain(struct cert_own *c, const struct cert_own_source *s, char err[CERT_ERR])
{
	size_t total = 0;

	c->chain = cert_read_all(&s->cert);
	if (!c->chain) {
		fail(err, "\"%s\" holds no certificate, or a damaged one; allowed: PEM or DER", s->cert.name);
		return false;
	}
	for (size_t i = 0; i < s->n_chain; i++) {
		STACK_OF(X509) *more = cert_read_all(&s->chain[i]);

		if (!more) {
			fail(err, "\"%s\" holds no certificate, or a damaged one; allowed: PEM or DER",
			     s->chain[i].name);
			return false;
		}
		while (sk_X509_num(more))
			sk_X509_push(c->chain, sk_X509_shift(more));
		sk_X509_free(more);
	}
	c->cert = sk_X509_value(c->chain, 0);
	for (int i = 0; i < sk_X509_num(c->chain); i++)
		total += (size_t)i2d_X509(sk_X509_value(c->chain, i), NULL);
	if (sk_X509_num(c->chain) > 1 + CERT_DEPTH_MAX || total > CERT_CHAIN_BYTES) {
		fail(err, "\"%s\" and its chain are %d certificates of %zu bytes; allowed: %d of %d bytes",
		     s->cert.name, sk_X509_num(c->chain), total, 1 + CERT_DEPTH_MAX, CERT_CHAIN_BYTES);
		return false;
	}
	return true;
}

struct cert_own *cert_own_new(const struct cert_own_source *s, char err[CERT_ERR])
{
	struct cert_own *c = calloc(1, sizeof(*c));
	unsigned n;

	if (!c) {
		fail(err, "out of memory");
		return NULL;
	}
	c->refs = 1;
	c->pss = s->pss;
	if (!read_chain(c, s, err))
		goto bad;
	c->key = cert_key_load(&s->key, s->passphrase, err);
	if (!c->key)
		goto bad;
	if (!X509_get0_pubkey(c->cert) || EVP_PKEY_eq(X509_get0_pubkey(c->cert), c->key) != 1) {
		fail(err, "the key \"%s\" does not belong to the certificate \"%s\"", s->key.name,
		     s->cert.name);
		goto bad;
	}
	if (!cert_key_usable(c->key)) {
		fail(err,
		     "\"%s\" holds a key of a kind that IKE has no signature for; allowed: RSA of 2048 to %d "
		     "bits, ECDSA on P-256, P-384 or P-521, Ed25519, Ed448",
		     s->key.name, CERT_KEY_BITS_MAX);
		goto bad;
	}
	X509_digest(c->cert, EVP_sha256(), c->fingerprint, &n);
	return c;
bad:
	cert_own_put(c);
	ERR_clear_error();
	return NULL;
}

struct cert_own *cert_own_ref(struct cert_own *c)
{
	if (c)
		c->refs++;
	return c;
}

void cert_own_put(struct cert_own *c)
{
	if (!c || --c->refs)
		return;
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
	free(c);
}

bool cert_own_same(const struct cert_own *a, const struct cert_own *b)
{
	return a == b || (a && b && a->pss == b->pss &&
			  !memcmp(a->fingerprint, b->fingerprint, sizeof(a->fingerprint)));
}

bool cert_own_der(const struct cert_own *c, unsigned i, struct bytes *der)
{
	X509 *x = i < (unsigned)sk_X509_num(c->chain) ? sk_X509_value(c->chain, (int)i) : NULL;
	uint8_t *p = NULL;
	int len = x ? i2d_X509(x, &p) : -1;

	*der = (struct bytes){.p = p, .len = len > 0 ? (size_t)len : 0};
	return len > 0;
}

void cert_der_free(struct bytes *der)
{
	OPENSSL_free((void *)(uintptr_t)der->p);
	*der = (struct bytes){0};
}

void cert_own_info(const struct cert_own *c, struct cert_info *i)
{
	cert_info_of(c->cert, i);
}

bool cert_own_dn(const struct cert_own *c, struct ike_id *id)
{
	uint8_t *der = NULL;
	int len = i2d_X509_NAME(X509_get_subject_name(c->cert), &der);
	bool ok = len > 2 && len <= IKE_ID_MAX;

	if (ok) {
		*id = (struct ike_id){.type = ID_DER_ASN1_DN, .len = (uint8_t)len};
		memcpy(id->data, der, (size_t)len);
	}
	OPENSSL_free(der);
	return ok;
}

bool cert_own_is(const struct cert_own *c, const struct ike_id *id, char *has, size_t cap)
{
	cert_ids(c->cert, has, cap);
	return cert_is(c->cert, id);
}

/* ---- whom we believe -------------------------------------------------------------------------------------------- */

struct cert_profile *cert_profile_new(const struct cert_policy *policy)
{
	struct cert_profile *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->refs = 1;
	p->policy = *policy;
	p->store = X509_STORE_new();
	p->anchors = sk_X509_new_null();
	p->crls = sk_X509_CRL_new_null();
	if (p->store && p->anchors && p->crls) {
		/* An intermediate, or the very certificate of a peer, may be a trust anchor. */
		X509_STORE_set_flags(p->store, X509_V_FLAG_PARTIAL_CHAIN);
		return p;
	}
	cert_profile_put(p);
	return NULL;
}

struct cert_profile *cert_profile_ref(struct cert_profile *p)
{
	if (p)
		p->refs++;
	return p;
}

void cert_profile_put(struct cert_profile *p)
{
	if (!p || --p->refs)
		return;
	X509_STORE_free(p->store);
	sk_X509_pop_free(p->anchors, X509_free);
	sk_X509_CRL_pop_free(p->crls, X509_CRL_free);
	free(p);
}

const struct cert_policy *cert_profile_policy(const struct cert_profile *p)
{
	return &p->policy;
}

int cert_profile_add_ca(struct cert_profile *p, const struct cert_text *t, char err[CERT_ERR])
{
	STACK_OF(X509) *all = cert_read_all(t);
	int n = sk_X509_num(all);

	if (!all) {
		fail(err, "\"%s\" holds no certificate, or a damaged one; allowed: PEM or DER", t->name);
		return -1;
	}
	if (n + sk_X509_num(p->anchors) > CERT_ANCHORS_MAX) {
		fail(err, "\"%s\" brings the trust anchors to %d; allowed: %d", t->name,
		     n + sk_X509_num(p->anchors), CERT_ANCHORS_MAX);
		n = -1;
	}
	while (n > 0 && sk_X509_num(all)) {
		X509 *x = sk_X509_shift(all);

		if (sk_X509_push(p->anchors, x) > 0)
			X509_STORE_add_cert(p->store, x);
		else
			X509_free(x);
	}
	sk_X509_pop_free(all, X509_free);
	ERR_clear_error();
	return n;
}

static int take_crl(struct cert_profile *p, X509_CRL *l)
{
	if (!l)
		return 0;
	if (sk_X509_CRL_push(p->crls, l) > 0)
		return 1;
	X509_CRL_free(l);
	return 0;
}

int cert_profile_add_crl(struct cert_profile *p, const struct cert_text *t, char err[CERT_ERR])
{
	BIO *b = BIO_new_mem_buf(t->b.p, (int)t->b.len);
	const uint8_t *der = t->b.p;
	int n = 0;

	if (b && is_pem(t))
		while (take_crl(p, PEM_read_bio_X509_CRL(b, NULL, NULL, NULL)))
			n++;
	else
		n = take_crl(p, d2i_X509_CRL(NULL, &der, (long)t->b.len));
	BIO_free(b);
	if (!n)
		fail(err, "\"%s\" holds no certificate revocation list; allowed: PEM or DER", t->name);
	ERR_clear_error();
	return n ? n : -1;
}

bool cert_profile_same(const struct cert_profile *a, const struct cert_profile *b)
{
	if (a == b)
		return true;
	if (!a || !b || a->policy.ike_usage != b->policy.ike_usage ||
	    sk_X509_num(a->anchors) != sk_X509_num(b->anchors))
		return false;
	for (int i = 0; i < sk_X509_num(a->anchors); i++)
		if (X509_cmp(sk_X509_value(a->anchors, i), sk_X509_value(b->anchors, i)) != 0)
			return false;
	return true;
}

/* RFC 7296 3.7: SHA-1 of the SubjectPublicKeyInfo. */
static bool key_hash(const X509 *x, uint8_t hash[CERT_HASH])
{
	uint8_t *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
	bool ok = len > 0 && EVP_Digest(der, (size_t)len, hash, NULL, EVP_sha1(), NULL) == 1;

	OPENSSL_free(der);
	return ok;
}

bool cert_profile_hash(const struct cert_profile *p, unsigned i, uint8_t hash[CERT_HASH])
{
	return i < (unsigned)sk_X509_num(p->anchors) && key_hash(sk_X509_value(p->anchors, (int)i), hash);
}

bool cert_profile_anchor(const struct cert_profile *p, unsigned i, struct cert_info *info)
{
	if (i >= (unsigned)sk_X509_num(p->anchors))
		return false;
	cert_info_of(sk_X509_value(p->anchors, (int)i), info);
	return true;
}
