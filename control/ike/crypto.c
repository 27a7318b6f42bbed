/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto.h"
#include "evp.h"

#include <errno.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>

static const char *const hash_names[HASH_MAX] = {"SHA1", "SHA256", "SHA384", "SHA512"};
static const uint8_t hash_len[HASH_MAX] = {20, 32, 48, 64};

static const struct integ_alg integs[] = {
	{AUTH_HMAC_SHA1_96, HASH_SHA1, 20, 12},
	{AUTH_HMAC_SHA2_256_128, HASH_SHA256, 32, 16},
	{AUTH_HMAC_SHA2_384_192, HASH_SHA384, 48, 24},
	{AUTH_HMAC_SHA2_512_256, HASH_SHA512, 64, 32},
};

static const struct {
	uint16_t id;
	enum hash hash;
} prfs[] = {
	{PRF_HMAC_SHA1, HASH_SHA1},
	{PRF_HMAC_SHA2_256, HASH_SHA256},
	{PRF_HMAC_SHA2_384, HASH_SHA384},
	{PRF_HMAC_SHA2_512, HASH_SHA512},
};

static const struct encr_alg encrs[] = {
	{.id = ENCR_AES_CBC, .iv_len = 16, .block = 16, .sk = true},
	{.id = ENCR_AES_CTR, .salt_len = 4, .iv_len = 8, .block = 1},
	{.id = ENCR_AES_GCM_16,
	 .salt_len = 4,
	 .iv_len = 8,
	 .icv_len = 16,
	 .block = 1,
	 .aead = true,
	 .sk = true},
	{.id = ENCR_AES_GCM_12,
	 .salt_len = 4,
	 .iv_len = 8,
	 .icv_len = 12,
	 .block = 1,
	 .aead = true,
	 .sk = true},
	{.id = ENCR_AES_GCM_8,
	 .salt_len = 4,
	 .iv_len = 8,
	 .icv_len = 8,
	 .block = 1,
	 .aead = true,
	 .sk = true},
	{.id = ENCR_NULL_AUTH_AES_GMAC, .salt_len = 4, .iv_len = 8, .icv_len = 16, .block = 1, .aead = true},
	{.id = ENCR_CHACHA20_POLY1305,
	 .salt_len = 4,
	 .iv_len = 8,
	 .icv_len = 16,
	 .block = 1,
	 .fixed_bits = 256,
	 .aead = true,
	 .sk = true},
	{.id = ENCR_NULL, .block = 1},
};

static const struct {
	uint16_t id, bits;
	const char *name;
} ciphers[] = {
	{ENCR_AES_CBC, 128, "AES-128-CBC"},
	{ENCR_AES_CBC, 192, "AES-192-CBC"},
	{ENCR_AES_CBC, 256, "AES-256-CBC"},
	{ENCR_AES_GCM_16, 128, "AES-128-GCM"},
	{ENCR_AES_GCM_16, 192, "AES-192-GCM"},
	{ENCR_AES_GCM_16, 256, "AES-256-GCM"},
	{ENCR_CHACHA20_POLY1305, 256, "ChaCha20-Poly1305"},
};
enum { CIPHERS = sizeof(ciphers) / sizeof(ciphers[0]) };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *mds[HASH_MAX];
static EVP_MAC *hmac;
static EVP_CIPHER *fetched[CIPHERS];

static void fetch(void)
{
	hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	for (int i = 0; i < HASH_MAX; i++)
		mds[i] = EVP_MD_fetch(NULL, hash_names[i], NULL);
	for (int i = 0; i < CIPHERS; i++)
		fetched[i] = EVP_CIPHER_fetch(NULL, ciphers[i].name, NULL);
	ERR_clear_error(); /* what is missing is not an error, but not supported */
}

const EVP_MD *evp_hash(enum hash h)
{
	pthread_once(&once, fetch);
	return mds[h];
}

const struct encr_alg *encr_find(uint16_t encr)
{
	for (size_t i = 0; i < sizeof(encrs) / sizeof(encrs[0]); i++)
		if (encrs[i].id == encr)
			return &encrs[i];
	return NULL;
}

int encr_key_len(const struct encr_alg *a, uint16_t key_bits)
{
	if (a->id == ENCR_NULL)
		return key_bits ? -EINVAL : 0;
	if (a->fixed_bits)
		return key_bits && key_bits != a->fixed_bits ? -EINVAL : a->fixed_bits / 8;
	return key_bits == 128 || key_bits == 192 || key_bits == 256 ? key_bits / 8 : -EINVAL;
}

const EVP_CIPHER *evp_cipher(uint16_t encr, uint16_t key_bits)
{
	const struct encr_alg *a = encr_find(encr);
	int key_len = a ? encr_key_len(a, key_bits) : -1;

	pthread_once(&once, fetch);
	/* The GCMs differ in how much of the tag is sent. */
	if (encr == ENCR_AES_GCM_8 || encr == ENCR_AES_GCM_12)
		encr = ENCR_AES_GCM_16;
	for (int i = 0; i < CIPHERS && a && a->sk; i++)
		if (ciphers[i].id == encr && ciphers[i].bits == key_len * 8)
			return fetched[i];
	return NULL;
}

const struct integ_alg *integ_find(uint16_t integ)
{
	for (size_t i = 0; i < sizeof(integs) / sizeof(integs[0]); i++)
		if (integs[i].id == integ)
			return &integs[i];
	return NULL;
}

bool crypto_have_encr(uint16_t encr, uint16_t key_bits)
{
	return evp_cipher(encr, key_bits) != NULL;
}

bool crypto_have_integ(uint16_t integ)
{
	const struct integ_alg *a = integ_find(integ);

	return a && evp_hash(a->hash) && hmac;
}

static int prf_hash(uint16_t alg)
{
	for (size_t i = 0; i < sizeof(prfs) / sizeof(prfs[0]); i++)
		if (prfs[i].id == alg)
			return (int)prfs[i].hash;
	return -1;
}

bool crypto_have_prf(uint16_t alg)
{
	int h = prf_hash(alg);

	return h >= 0 && evp_hash((enum hash)h) && hmac;
}

const char *crypto_version(void)
{
	return OpenSSL_version(OPENSSL_VERSION_STRING);
}

void crypto_random(void *p, size_t n)
{
	if (n > INT_MAX || RAND_bytes(p, (int)n) != 1)
		abort();
}

void crypto_wipe(void *p, size_t n)
{
	OPENSSL_cleanse(p, n);
}

bool crypto_equal(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}

void evp_mac_begin(struct evp_mac *m, enum hash h, struct bytes key)
{
	static const uint8_t empty;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)hash_names[h], 0),
		OSSL_PARAM_construct_end()};

	*m = (struct evp_mac){.bad = true};
	if (!evp_hash(h) || !hmac)
		return;
	m->ctx = EVP_MAC_CTX_new(hmac);
	/* A NULL key would mean "the one before". */
	m->bad = !m->ctx || EVP_MAC_init(m->ctx, key.len ? key.p : &empty, key.len, params) != 1;
}

void evp_mac_again(struct evp_mac *m)
{
	m->bad = m->bad || EVP_MAC_init(m->ctx, NULL, 0, NULL) != 1;
}

void evp_mac_add(struct evp_mac *m, struct bytes b)
{
	if (b.len)
		m->bad = m->bad || EVP_MAC_update(m->ctx, b.p, b.len) != 1;
}

int evp_mac_out(struct evp_mac *m, uint8_t out[64])
{
	size_t n;

	m->bad = m->bad || EVP_MAC_final(m->ctx, out, &n, 64) != 1;
	if (!m->bad)
		return 0;
	ERR_clear_error();
	return -EIO;
}

void evp_mac_end(struct evp_mac *m)
{
	EVP_MAC_CTX_free(m->ctx); /* wipes the key */
	m->ctx = NULL;
}

size_t prf_len(uint16_t alg)
{
	int h = prf_hash(alg);

	return h < 0 ? 0 : hash_len[h];
}

int prf(uint16_t alg, struct bytes key, const struct bytes *parts, size_t n_parts, uint8_t *out)
{
	int h = prf_hash(alg), e;
	uint8_t full[64];
	struct evp_mac m;

	if (h < 0)
		return -ENOTSUP;
	evp_mac_begin(&m, (enum hash)h, key);
	for (size_t i = 0; i < n_parts; i++)
		evp_mac_add(&m, parts[i]);
	e = evp_mac_out(&m, full);
	if (!e)
		memcpy(out, full, hash_len[h]);
	evp_mac_end(&m);
	crypto_wipe(full, sizeof(full));
	return e;
}

/* T1 = prf(K, S | 1), T2 = prf(K, T1 | S | 2), … */
int prf_plus(uint16_t alg, struct bytes key, struct bytes seed, uint8_t *out, size_t out_len)
{
	size_t done = 0, len = prf_len(alg);
	struct bytes before = {0};
	uint8_t t[64], count = 0;
	struct evp_mac m;
	int e = 0;

	if (!len)
		return -ENOTSUP;
	if (out_len > len * 255)
		return -EINVAL;
	evp_mac_begin(&m, (enum hash)prf_hash(alg), key);
	while (done < out_len && !e) {
		size_t n = out_len - done < len ? out_len - done : len;

		if (count++)
			evp_mac_again(&m);
		evp_mac_add(&m, before);
		evp_mac_add(&m, seed);
		evp_mac_add(&m, (struct bytes){&count, 1});
		e = evp_mac_out(&m, t);
		if (e)
			break;
		memcpy(out + done, t, n);
		before = (struct bytes){t, len};
		done += n;
	}
	evp_mac_end(&m);
	crypto_wipe(t, sizeof(t));
	if (e)
		crypto_wipe(out, out_len);
	return e;
}

int crypto_sha1(const struct bytes *parts, size_t n_parts, uint8_t out[20])
{
	const EVP_MD *md = evp_hash(HASH_SHA1);
	EVP_MD_CTX *ctx;
	bool ok;

	if (!md)
		return -ENOTSUP;
	ctx = EVP_MD_CTX_new();
	ok = ctx && EVP_DigestInit_ex2(ctx, md, NULL) == 1;
	for (size_t i = 0; i < n_parts; i++)
		ok = ok && (!parts[i].len || EVP_DigestUpdate(ctx, parts[i].p, parts[i].len) == 1);
	ok = ok && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	if (!ok)
		ERR_clear_error();
	return ok ? 0 : -EIO;
}
