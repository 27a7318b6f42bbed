/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Diffie-Hellman and ML-KEM by EVP_PKEY.  A group's parameters are made once; a key pair or a peer's value then
 * costs no set-up of the group.  What a peer sends is checked here before it meets our secret
 * (RFC 6989), whatever OpenSSL checks besides; what an encapsulation key must be (FIPS 203 7.2) is OpenSSL's.
 */
#include "crypto.h"
#include "evp.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/dh.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>

enum kind { MODP, ECP, XCURVE, KEM };

struct group {
	uint16_t id;
	uint8_t kind;
	uint16_t pub_len, secret_len; /* on the wire; of g^ir */
	const char *name;             /* OpenSSL's; NULL: made of its prime */
	uint16_t answer_len;          /* KEM: of the ciphertext */
};

static const struct group groups[] = {
	{DH_MODP1024, MODP, 128, 128, NULL, 0},
	{DH_MODP1536, MODP, 192, 192, "modp_1536", 0},
	{DH_MODP2048, MODP, 256, 256, "modp_2048", 0},
	{DH_MODP3072, MODP, 384, 384, "modp_3072", 0},
	{DH_MODP4096, MODP, 512, 512, "modp_4096", 0},
	{DH_MODP6144, MODP, 768, 768, "modp_6144", 0},
	{DH_MODP8192, MODP, 1024, 1024, "modp_8192", 0},
	{DH_ECP256, ECP, 64, 32, "P-256", 0}, /* RFC 5903: x and y out, x alone as the secret */
	{DH_ECP384, ECP, 96, 48, "P-384", 0},
	{DH_ECP521, ECP, 132, 66, "P-521", 0},
	{DH_CURVE25519, XCURVE, 32, 32, "X25519", 0},
	{DH_CURVE448, XCURVE, 56, 56, "X448", 0},
	{KE_ML_KEM_512, KEM, 800, 32, "ML-KEM-512", 768},
	{KE_ML_KEM_768, KEM, 1184, 32, "ML-KEM-768", 1088},
	{KE_ML_KEM_1024, KEM, 1568, 32, "ML-KEM-1024", 1568},
};
enum { GROUPS = sizeof(groups) / sizeof(groups[0]) };

/* Made once, then read only: parameters, and p - 1 for the range check. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_PKEY *params[GROUPS];
static BIGNUM *p_minus_1[GROUPS];

struct dh {
	const struct group *g;
	EVP_PKEY *key; /* NULL: a KEM's answer, which has none */
	uint16_t pub_len;
	uint8_t pub[];
};

/* OpenSSL names no 1024-bit group (RFC 2409 6.2). */
static EVP_PKEY *modp1024_params(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
	BIGNUM *p = BN_get_rfc2409_prime_1024(NULL);
	uint8_t p_raw[128], g_raw[1] = {2};
	EVP_PKEY *k = NULL;

	/* Numbers in OSSL_PARAM are in the machine's byte order; ours is little-endian. */
	if (ctx && p && BN_bn2nativepad(p, p_raw, sizeof(p_raw)) == sizeof(p_raw)) {
		OSSL_PARAM a[] = {OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_FFC_P, p_raw, sizeof(p_raw)),
				  OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_FFC_G, g_raw, sizeof(g_raw)),
				  OSSL_PARAM_construct_end()};

		if (EVP_PKEY_fromdata_init(ctx) == 1)
			EVP_PKEY_fromdata(ctx, &k, EVP_PKEY_KEY_PARAMETERS, a);
	}
	BN_free(p);
	EVP_PKEY_CTX_free(ctx);
	return k;
}

static EVP_PKEY *named_params(const struct group *g)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, g->kind == MODP ? "DH" : "EC", NULL);
	OSSL_PARAM a[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)g->name, 0),
		OSSL_PARAM_construct_end()};
	EVP_PKEY *k = NULL;

	if (ctx && EVP_PKEY_paramgen_init(ctx) == 1 && EVP_PKEY_CTX_set_params(ctx, a) == 1)
		EVP_PKEY_paramgen(ctx, &k);
	EVP_PKEY_CTX_free(ctx);
	return k;
}

static void make_params(void)
{
	for (int i = 0; i < GROUPS; i++) {
		const struct group *g = &groups[i];

		if (g->kind == XCURVE || g->kind == KEM)
			continue; /* have no parameters */
		params[i] = g->name ? named_params(g) : modp1024_params();
		if (g->kind == MODP && params[i]) {
			EVP_PKEY_get_bn_param(params[i], OSSL_PKEY_PARAM_FFC_P, &p_minus_1[i]);
			if (!p_minus_1[i] || BN_sub_word(p_minus_1[i], 1) != 1) {
				EVP_PKEY_free(params[i]);
				params[i] = NULL;
			}
		}
	}
	ERR_clear_error();
}

static const struct group *find(uint16_t id)
{
	for (int i = 0; i < GROUPS; i++)
		if (groups[i].id == id)
			return &groups[i];
	return NULL;
}

static EVP_PKEY *params_of(const struct group *g)
{
	pthread_once(&once, make_params);
	return params[g - groups];
}

static EVP_PKEY_CTX *keygen_ctx(const struct group *g)
{
	if (g->kind == XCURVE || g->kind == KEM)
		return EVP_PKEY_CTX_new_from_name(NULL, g->name, NULL);
	return params_of(g) ? EVP_PKEY_CTX_new_from_pkey(NULL, params_of(g), NULL) : NULL;
}

bool crypto_have_dh(uint16_t group)
{
	const struct group *g = find(group);
	EVP_PKEY_CTX *ctx = g ? keygen_ctx(g) : NULL;
	bool ok = ctx && EVP_PKEY_keygen_init(ctx) == 1;

	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}

bool dh_is_kem(uint16_t group)
{
	const struct group *g = find(group);

	return g && g->kind == KEM;
}

size_t dh_public_len(uint16_t group)
{
	const struct group *g = find(group);

	return g ? g->pub_len : 0;
}

/* Our value as the KE payload carries it: padded to the prime's length, x|y without the 0x04, raw. */
static bool export_public(struct dh *d)
{
	const struct group *g = d->g;
	uint8_t point[1 + 132];
	size_t n = 0;

	if (g->kind == MODP) {
		BIGNUM *y = NULL;
		bool ok = EVP_PKEY_get_bn_param(d->key, OSSL_PKEY_PARAM_PUB_KEY, &y) == 1 &&
			  BN_bn2binpad(y, d->pub, g->pub_len) == g->pub_len;

		BN_free(y);
		return ok;
	}
	if (g->kind == XCURVE || g->kind == KEM) {
		n = g->pub_len;
		return EVP_PKEY_get_raw_public_key(d->key, d->pub, &n) == 1 && n == g->pub_len;
	}
	if (EVP_PKEY_get_octet_string_param(d->key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &n) != 1 ||
	    n != 1u + g->pub_len || point[0] != POINT_CONVERSION_UNCOMPRESSED)
		return false;
	memcpy(d->pub, point + 1, g->pub_len);
	return true;
}

struct dh *dh_new(uint16_t group)
{
	const struct group *g = find(group);
	EVP_PKEY_CTX *ctx = g ? keygen_ctx(g) : NULL;
	struct dh *d = ctx ? malloc(sizeof(*d) + g->pub_len) : NULL;

	if (d) {
		*d = (struct dh){.g = g, .pub_len = g->pub_len};
		if (EVP_PKEY_keygen_init(ctx) != 1 || EVP_PKEY_generate(ctx, &d->key) != 1 ||
		    !export_public(d)) {
			dh_free(d);
			d = NULL;
		}
	}
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return d;
}

void dh_free(struct dh *d)
{
	if (!d)
		return;
	EVP_PKEY_free(d->key); /* wipes the secret */
	free(d);
}

uint16_t dh_group(const struct dh *d)
{
	return d->g->id;
}

struct bytes dh_public(const struct dh *d)
{
	return (struct bytes){.p = d->pub, .len = d->pub_len};
}

/* RFC 6989 2.1: 1 < y < p - 1; enough, as all our primes are safe primes. */
static bool modp_in_range(const struct group *g, struct bytes peer)
{
	BIGNUM *y = BN_bin2bn(peer.p, (int)peer.len, NULL);
	bool ok = y && BN_cmp(y, BN_value_one()) > 0 && BN_cmp(y, p_minus_1[g - groups]) < 0;

	BN_free(y);
	return ok;
}

/* The peer's value as a key object; NULL when it is none. */
static EVP_PKEY *import_public(const struct group *g, struct bytes peer)
{
	uint8_t point[1 + 132];
	EVP_PKEY *k;
	int ok;

	if (peer.len != g->pub_len)
		return NULL;
	if (g->kind == XCURVE || g->kind == KEM)
		return EVP_PKEY_new_raw_public_key_ex(NULL, g->name, NULL, peer.p, peer.len);
	if (g->kind == MODP && !modp_in_range(g, peer))
		return NULL;
	k = EVP_PKEY_dup(params_of(g));
	if (!k)
		return NULL;
	if (g->kind == MODP) {
		ok = EVP_PKEY_set1_encoded_public_key(k, peer.p, peer.len);
	} else {
		/* RFC 6989 2.3: refuses a point that is not on the curve; its cofactor is 1. */
		point[0] = POINT_CONVERSION_UNCOMPRESSED;
		memcpy(point + 1, peer.p, peer.len);
		ok = EVP_PKEY_set1_encoded_public_key(k, point, 1 + peer.len);
	}
	if (ok == 1)
		return k;
	EVP_PKEY_free(k);
	return NULL;
}

static bool all_zero(const uint8_t *p, size_t n)
{
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= p[i];
	return !any;
}

static bool derive(struct dh *d, EVP_PKEY *peer, uint8_t *secret, size_t *len)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, d->key, NULL);
	bool ok;

	*len = DH_SECRET_MAX;
	ok = ctx && EVP_PKEY_derive_init(ctx) == 1 &&
	     /* RFC 7296 2.14: padded with zeros to the length of the prime */
	     (d->g->kind != MODP || EVP_PKEY_CTX_set_dh_pad(ctx, 1) == 1) &&
	     EVP_PKEY_derive_set_peer_ex(ctx, peer, 0) == 1 && EVP_PKEY_derive(ctx, secret, len) == 1;
	EVP_PKEY_CTX_free(ctx);
	/* RFC 7748 6, RFC 8031 5: small-order values give zero, and must be refused */
	return ok && *len == d->g->secret_len && !all_zero(secret, *len);
}

/* FIPS 203 6.3: a ciphertext that is not ours gives a secret that nobody has. */
static bool decapsulate(struct dh *d, struct bytes ct, uint8_t *secret, size_t *len)
{
	EVP_PKEY_CTX *ctx = NULL;
	bool ok = d->key && ct.len == d->g->answer_len;

	*len = DH_SECRET_MAX;
	if (ok)
		ctx = EVP_PKEY_CTX_new_from_pkey(NULL, d->key, NULL);
	ok = ctx && EVP_PKEY_decapsulate_init(ctx, NULL) == 1 &&
	     EVP_PKEY_decapsulate(ctx, secret, len, ct.p, ct.len) == 1;
	EVP_PKEY_CTX_free(ctx);
	return ok && *len == d->g->secret_len;
}

int dh_derive(struct dh *d, struct bytes peer, uint8_t *secret, size_t *secret_len)
{
	bool kem = d->g->kind == KEM;
	EVP_PKEY *k = kem ? NULL : import_public(d->g, peer);
	bool ok = kem ? decapsulate(d, peer, secret, secret_len) : k && derive(d, k, secret, secret_len);

	EVP_PKEY_free(k);
	ERR_clear_error();
	if (ok)
		return 0;
	crypto_wipe(secret, DH_SECRET_MAX);
	*secret_len = 0;
	return -EINVAL;
}

static struct dh *encapsulate(const struct group *g, struct bytes peer, uint8_t *secret, size_t *secret_len)
{
	EVP_PKEY *k = import_public(g, peer);
	EVP_PKEY_CTX *ctx = k ? EVP_PKEY_CTX_new_from_pkey(NULL, k, NULL) : NULL;
	struct dh *d = ctx ? malloc(sizeof(*d) + g->answer_len) : NULL;
	size_t n = g->answer_len;
	bool ok = d && EVP_PKEY_encapsulate_init(ctx, NULL) == 1;

	*secret_len = DH_SECRET_MAX;
	if (d)
		*d = (struct dh){.g = g, .pub_len = g->answer_len};
	ok = ok && EVP_PKEY_encapsulate(ctx, d->pub, &n, secret, secret_len) == 1 && n == g->answer_len &&
	     *secret_len == g->secret_len;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(k);
	ERR_clear_error();
	if (ok)
		return d;
	free(d);
	crypto_wipe(secret, DH_SECRET_MAX);
	*secret_len = 0;
	return NULL;
}

struct dh *dh_respond(uint16_t group, struct bytes peer, uint8_t *secret, size_t *secret_len)
{
	const struct group *g = find(group);
	struct dh *d;

	if (g && g->kind == KEM)
		return encapsulate(g, peer, secret, secret_len);
	d = dh_new(group);
	if (d && !dh_derive(d, peer, secret, secret_len))
		return d;
	dh_free(d);
	*secret_len = 0;
	return NULL;
}
