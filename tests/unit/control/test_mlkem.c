/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ML-KEM (FIPS 203), where this OpenSSL has it.
 *
 * Beside NIST's numbers there is Go's accumulated test of ML-KEM-768: keys, encapsulations and decapsulations, of good and of bad
 * ciphertexts, with everything random drawn from SHAKE128 of nothing, and SHAKE128 of all that came out.  dh.c is taken
 * in whole: the product never makes a key pair from a given seed.
 */
#include "../../../control/ike/dh.c" /* NOLINT(bugprone-suspicious-include) */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "vectors.h"

enum { SEED = 64, MESSAGE = 32 };

static const uint16_t kems[] = {KE_ML_KEM_512, KE_ML_KEM_768, KE_ML_KEM_1024};

/* cmocka's skip() counts as failed in TAP.  Where OpenSSL has none of it, absent() below has something to say. */
static bool have(void)
{
	return crypto_have_dh(KE_ML_KEM_768);
}

static void shake128(struct bytes in, uint8_t *out, size_t len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	assert_int_equal(EVP_DigestInit_ex(ctx, EVP_shake128(), NULL), 1);
	assert_int_equal(EVP_DigestUpdate(ctx, in.p, in.len), 1);
	assert_int_equal(EVP_DigestFinalXOF(ctx, out, len), 1);
	EVP_MD_CTX_free(ctx);
}

static struct dh *from_seed(const struct group *g, const uint8_t seed[SEED])
{
	OSSL_PARAM a[] = {OSSL_PARAM_construct_octet_string("seed", (void *)(uintptr_t)seed, SEED),
			  OSSL_PARAM_construct_end()};
	EVP_PKEY_CTX *ctx = keygen_ctx(g);
	struct dh *d = malloc(sizeof(*d) + g->pub_len);

	*d = (struct dh){.g = g, .pub_len = g->pub_len};
	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_params(ctx, a), 1);
	assert_int_equal(EVP_PKEY_generate(ctx, &d->key), 1);
	EVP_PKEY_CTX_free(ctx);
	assert_true(export_public(d));
	return d;
}

static void encapsulate_to(struct dh *d, const uint8_t m[MESSAGE], uint8_t *ct, uint8_t key[32])
{
	OSSL_PARAM a[] = {OSSL_PARAM_construct_octet_string("ikme", (void *)(uintptr_t)m, MESSAGE),
			  OSSL_PARAM_construct_end()};
	EVP_PKEY *pub = import_public(d->g, dh_public(d));
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pub, NULL);
	size_t n = d->g->answer_len, k = 32;

	assert_int_equal(EVP_PKEY_encapsulate_init(ctx, a), 1);
	assert_int_equal(EVP_PKEY_encapsulate(ctx, ct, &n, key, &k), 1);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(pub);
}

static void accumulated(uint16_t kem, unsigned rounds, const char *want)
{
	const struct group *g = find(kem);
	size_t draw = SEED + MESSAGE + g->answer_len, give = g->pub_len + g->answer_len + 32u + 32u, len;
	uint8_t *in = malloc(rounds * draw), *out = malloc(rounds * give), sum[32], secret[DH_SECRET_MAX];
	char hex[65];

	shake128((struct bytes){0}, in, rounds * draw);
	for (unsigned i = 0; i < rounds; i++) {
		const uint8_t *r = in + i * draw;
		uint8_t *o = out + i * give, *ct = o + g->pub_len, *key = ct + g->answer_len;
		struct dh *d = from_seed(g, r);

		memcpy(o, d->pub, g->pub_len);
		encapsulate_to(d, r + SEED, ct, key);
		assert_int_equal(dh_derive(d, (struct bytes){ct, g->answer_len}, secret, &len), 0);
		assert_bytes((struct bytes){secret, len}, (struct bytes){key, 32});
		/* A ciphertext of nobody's gives a secret all the same (implicit rejection). */
		assert_int_equal(
			dh_derive(d, (struct bytes){r + SEED + MESSAGE, g->answer_len}, secret, &len), 0);
		memcpy(key + 32, secret, 32);
		dh_free(d);
	}
	shake128((struct bytes){out, rounds * give}, sum, sizeof(sum));
	for (unsigned i = 0; i < sizeof(sum); i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	assert_string_equal(hex, want);
	free(in);
	free(out);
}

static void accumulated_768(void **state)
{
	if (!have())
		return;
	accumulated(KE_ML_KEM_768, 100, "1114b1b6699ed191734fa339376afa7e285c9e6acf6ff0177d346696ce564415");
	accumulated(KE_ML_KEM_768, 10000, "8a518cc63da366322a8e7a818c7a0d63483cb3528d34a4cf42f35d5ad73f22fc");
}

static void key_generation(void **state)
{
	static const unsigned sizes[] = {512, 768, 1024};
	struct vectors *v;

	if (!have())
		return;
	v = vectors_load("mlkem.txt");
	assert_non_null(v);
	for (unsigned i = 0; i < 3; i++) {
		struct dh *d = from_seed(find(kems[i]), vector(v, "%u.seed", sizes[i]).p);

		assert_bytes(dh_public(d), vector(v, "%u.ek", sizes[i]));
		dh_free(d);
	}
	vectors_free(v);
}

static void two_ends_agree(void **state)
{
	if (!have())
		return;
	for (unsigned i = 0; i < 3; i++) {
		uint8_t s1[DH_SECRET_MAX], s2[DH_SECRET_MAX];
		struct dh *a = dh_new(kems[i]), *b;
		size_t n1, n2;

		assert_non_null(a);
		assert_int_equal(dh_public(a).len, dh_public_len(kems[i]));
		b = dh_respond(kems[i], dh_public(a), s1, &n1);
		assert_non_null(b);
		assert_int_equal(dh_public(b).len, find(kems[i])->answer_len);
		assert_int_equal(dh_derive(a, dh_public(b), s2, &n2), 0);
		assert_bytes((struct bytes){s1, n1}, (struct bytes){s2, n2});
		assert_int_equal(n1, 32);
		/* The responder's object holds no key: nothing can be derived with it. */
		assert_int_equal(dh_derive(b, dh_public(a), s2, &n2), -EINVAL);
		dh_free(a);
		dh_free(b);
	}
}

/* FIPS 203 7.2: of wrong length, or with a coefficient that is not below q. */
static void bad_values(void **state)
{
	static uint8_t value[DH_PUB_MAX + 1], secret[DH_SECRET_MAX];
	size_t n;

	if (!have())
		return;
	for (unsigned i = 0; i < 3; i++) {
		struct dh *a = dh_new(kems[i]);
		struct bytes pub = dh_public(a);
		uint16_t ct = find(kems[i])->answer_len;

		memcpy(value, pub.p, pub.len);
		assert_null(dh_respond(kems[i], (struct bytes){value, pub.len - 1}, secret, &n));
		assert_null(dh_respond(kems[i], (struct bytes){value, pub.len + 1}, secret, &n));
		assert_null(dh_respond(kems[i], (struct bytes){0}, secret, &n));
		memset(value, 0xff, 3);
		assert_null(dh_respond(kems[i], (struct bytes){value, pub.len}, secret, &n));
		assert_int_equal(n, 0);
		assert_int_equal(dh_derive(a, (struct bytes){value, ct - 1u}, secret, &n), -EINVAL);
		assert_int_equal(dh_derive(a, (struct bytes){value, ct + 1u}, secret, &n), -EINVAL);
		dh_free(a);
	}
}

/* Without it nothing pretends to have it. */
static void absent(void **state)
{
	uint8_t secret[DH_SECRET_MAX], value[1184] = {0};
	size_t n;

	assert_true(dh_is_kem(KE_ML_KEM_768));
	assert_false(dh_is_kem(DH_CURVE25519));
	if (have())
		return;
	assert_null(dh_new(KE_ML_KEM_768));
	assert_null(dh_respond(KE_ML_KEM_768, (struct bytes){value, sizeof(value)}, secret, &n));
	assert_int_equal(n, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_generation), cmocka_unit_test(accumulated_768),
		cmocka_unit_test(two_ends_agree), cmocka_unit_test(bad_values),
		cmocka_unit_test(absent),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
