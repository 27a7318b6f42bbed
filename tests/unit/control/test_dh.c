/* SPDX-License-Identifier: Apache-2.0 */
/* dh.c is taken in whole: the published exchanges need a key pair with a given secret, which the product never
 * makes. */
#include "../../../control/ike/dh.c" /* NOLINT(bugprone-suspicious-include) */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "vectors.h"

static const uint16_t all_groups[] = {2, 5, 14, 15, 16, 17, 18, 19, 20, 21, 31, 32};

static void reversed(const uint8_t *from, size_t n, uint8_t *to)
{
	for (size_t i = 0; i < n; i++)
		to[i] = from[n - 1 - i];
}

static EVP_PKEY *key_of(const struct group *g, struct bytes priv, struct bytes pub)
{
	uint8_t priv_n[DH_PUB_MAX], pub_n[1 + DH_PUB_MAX], p_n[DH_PUB_MAX], g_n[1] = {2};
	BIGNUM *p = NULL;
	OSSL_PARAM a[5], *next = a;
	EVP_PKEY_CTX *ctx;
	EVP_PKEY *k = NULL;

	if (g->kind == XCURVE)
		return EVP_PKEY_new_raw_private_key_ex(NULL, g->name, NULL, priv.p, priv.len);
	reversed(priv.p, priv.len, priv_n);
	*next++ = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, priv_n, priv.len);
	if (g->kind == ECP) {
		pub_n[0] = POINT_CONVERSION_UNCOMPRESSED;
		memcpy(pub_n + 1, pub.p, pub.len);
		*next++ = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, pub_n, pub.len + 1);
		*next++ = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
							   (char *)(uintptr_t)g->name, 0);
	} else {
		reversed(pub.p, pub.len, pub_n);
		*next++ = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PUB_KEY, pub_n, pub.len);
		assert_int_equal(EVP_PKEY_get_bn_param(params_of(g), OSSL_PKEY_PARAM_FFC_P, &p), 1);
		assert_int_equal(BN_bn2nativepad(p, p_n, g->pub_len), g->pub_len);
		*next++ = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_FFC_P, p_n, g->pub_len);
		*next++ = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_FFC_G, g_n, 1);
		BN_free(p);
	}
	*next = OSSL_PARAM_construct_end();
	ctx = EVP_PKEY_CTX_new_from_name(NULL, g->kind == ECP ? "EC" : "DH", NULL);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	EVP_PKEY_fromdata(ctx, &k, EVP_PKEY_KEYPAIR, a);
	EVP_PKEY_CTX_free(ctx);
	return k;
}

static void check_exchange(const struct vectors *v, uint16_t group, const char *name)
{
	const struct group *g = find(group);
	struct bytes pub = vector(v, "%s.pub", name), want = vector(v, "%s.secret", name);
	struct dh *d = malloc(sizeof(*d) + g->pub_len);
	uint8_t secret[DH_SECRET_MAX];
	size_t len;

	*d = (struct dh){.g = g, .pub_len = g->pub_len, .key = key_of(g, vector(v, "%s.priv", name), pub)};
	assert_non_null(d->key);
	assert_true(export_public(d));
	assert_bytes(dh_public(d), pub);
	assert_int_equal(dh_derive(d, vector(v, "%s.peer", name), secret, &len), 0);
	assert_bytes((struct bytes){secret, len}, want);
	dh_free(d);
}

static void published_curves(void **state)
{
	struct vectors *v = vectors_load("dh-rfc.txt");

	assert_non_null(v);
	check_exchange(v, 19, "19");
	check_exchange(v, 20, "20");
	check_exchange(v, 21, "21");
	check_exchange(v, 31, "31");
	check_exchange(v, 32, "32");
	vectors_free(v);
}

static void modp_exchanges(void **state)
{
	struct vectors *v = vectors_load("dh-modp.txt");
	char name[8];

	assert_non_null(v);
	for (size_t i = 0; i < 7; i++) {
		snprintf(name, sizeof(name), "%u", all_groups[i]);
		check_exchange(v, all_groups[i], name);
	}
	vectors_free(v);
}

/* RFC 7296 2.14: a secret that starts with zeros is still as long as the prime. */
static void modp_secret_is_padded(void **state)
{
	struct vectors *v = vectors_load("dh-modp.txt");

	assert_non_null(v);
	assert_int_equal(vector(v, "14.padded.secret").p[0], 0);
	check_exchange(v, 14, "14.padded");
	vectors_free(v);
}

static void two_fresh_keys_agree(void **state)
{
	for (size_t i = 0; i < sizeof(all_groups) / sizeof(all_groups[0]); i++) {
		uint8_t s1[DH_SECRET_MAX], s2[DH_SECRET_MAX];
		struct dh *a = dh_new(all_groups[i]), *b = dh_new(all_groups[i]);
		size_t n1, n2;

		assert_true(crypto_have_dh(all_groups[i]));
		assert_non_null(a);
		assert_non_null(b);
		assert_int_equal(dh_group(a), all_groups[i]);
		assert_int_equal(dh_public(a).len, dh_public_len(all_groups[i]));
		assert_memory_not_equal(dh_public(a).p, dh_public(b).p, dh_public(a).len);
		assert_int_equal(dh_derive(a, dh_public(b), s1, &n1), 0);
		assert_int_equal(dh_derive(b, dh_public(a), s2, &n2), 0);
		assert_bytes((struct bytes){s1, n1}, (struct bytes){s2, n2});
		dh_free(a);
		dh_free(b);
	}
}

static void unknown_groups(void **state)
{
	static const uint16_t none[] = {0, 1, 3, 22, 23, 24, 30, 33, 1031};

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		assert_false(crypto_have_dh(none[i]));
		assert_null(dh_new(none[i]));
		assert_int_equal(dh_public_len(none[i]), 0);
	}
	dh_free(NULL);
}

/* Refused, and nothing of a secret left behind. */
static void assert_refused(struct dh *d, const uint8_t *peer, size_t len)
{
	uint8_t secret[DH_SECRET_MAX], zero[DH_SECRET_MAX] = {0};
	size_t n = 77;

	memset(secret, 0xaa, sizeof(secret));
	assert_int_equal(dh_derive(d, (struct bytes){peer, len}, secret, &n), -EINVAL);
	assert_int_equal(n, 0);
	assert_memory_equal(secret, zero, sizeof(zero));
}

static void wrong_lengths(void **state)
{
	static uint8_t peer[DH_PUB_MAX + 1];

	memset(peer, 0x11, sizeof(peer));
	for (size_t i = 0; i < sizeof(all_groups) / sizeof(all_groups[0]); i++) {
		struct dh *d = dh_new(all_groups[i]);
		size_t n = dh_public_len(all_groups[i]);

		assert_refused(d, peer, 0);
		assert_refused(d, peer, n - 1);
		assert_refused(d, peer, n + 1);
		dh_free(d);
	}
}

/* RFC 6989 2.1: 0, 1, p - 1, p and what lies beyond. */
static void modp_range(void **state)
{
	uint8_t peer[DH_PUB_MAX];

	for (size_t i = 0; i < 7; i++) {
		const struct group *g = find(all_groups[i]);
		struct dh *d = dh_new(all_groups[i]);
		size_t n = g->pub_len;

		memset(peer, 0, sizeof(peer));
		assert_refused(d, peer, n);
		peer[n - 1] = 1;
		assert_refused(d, peer, n);
		BN_bn2binpad(p_minus_1[g - groups], peer, (int)n);
		assert_refused(d, peer, n);
		peer[n - 1]++; /* p is odd: no carry */
		assert_refused(d, peer, n);
		memset(peer, 0xff, n);
		assert_refused(d, peer, n);
		dh_free(d);
	}
}

/* RFC 6989 2.3 */
static void off_the_curve(void **state)
{
	static const uint16_t ecp[] = {19, 20, 21};
	uint8_t peer[132] = {0};

	for (size_t i = 0; i < 3; i++) {
		struct dh *d = dh_new(ecp[i]), *other = dh_new(ecp[i]);
		size_t n = dh_public_len(ecp[i]);

		memcpy(peer, dh_public(other).p, n);
		peer[n - 1] ^= 1;
		assert_refused(d, peer, n);
		peer[n - 1] ^= 1;
		peer[n / 2 - 1] ^= 1;
		assert_refused(d, peer, n);
		memset(peer, 0, n);
		assert_refused(d, peer, n);
		memset(peer, 0xff, n);
		assert_refused(d, peer, n);
		dh_free(d);
		dh_free(other);
	}
}

/* RFC 7748 6: values of small order make every secret zero. */
static void small_order(void **state)
{
	static const char *const low25519[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	uint8_t zero[56] = {0}, one[56] = {1};
	struct dh *d = dh_new(31), *e = dh_new(32);

	for (size_t i = 0; i < sizeof(low25519) / sizeof(low25519[0]); i++)
		assert_refused(d, hex(low25519[i]).p, 32);
	assert_refused(e, zero, 56);
	assert_refused(e, one, 56);
	dh_free(d);
	dh_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_curves),
		cmocka_unit_test(modp_exchanges),
		cmocka_unit_test(modp_secret_is_padded),
		cmocka_unit_test(two_fresh_keys_agree),
		cmocka_unit_test(unknown_groups),
		cmocka_unit_test(wrong_lengths),
		cmocka_unit_test(modp_range),
		cmocka_unit_test(off_the_curve),
		cmocka_unit_test(small_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
