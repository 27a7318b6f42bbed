/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "vectors.h"

static const struct suite_choice gcm256 = {
	.encr = ENCR_AES_GCM_16, .key_bits = 256, .prf = PRF_HMAC_SHA2_384};
static const struct suite_choice cbc128 = {
	.encr = ENCR_AES_CBC, .key_bits = 128, .integ = AUTH_HMAC_SHA2_256_128, .prf = PRF_HMAC_SHA2_256};

static uint64_t spi(struct bytes b)
{
	struct rd r = rd_of(b.p, b.len);

	return rd_u64(&r);
}

/* SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr, as they came out of prf+. */
static const struct bytes none;

static struct bytes concatenated(const struct ike_keys *k)
{
	static uint8_t buf[KEYMAT_MAX];
	struct wr w = wr_of(buf, sizeof(buf));

	wr_bytes(&w, k->d, k->prf_len);
	wr_bytes(&w, k->ai, k->integ_len);
	wr_bytes(&w, k->ar, k->integ_len);
	wr_bytes(&w, k->ei, k->encr_len);
	wr_bytes(&w, k->er, k->encr_len);
	wr_bytes(&w, k->pi, k->prf_len);
	wr_bytes(&w, k->pr, k->prf_len);
	assert_false(w.bad);
	return (struct bytes){buf, w.len};
}

static struct bytes concatenated_child(const struct child_keys *k)
{
	static uint8_t buf[KEYMAT_MAX];
	struct wr w = wr_of(buf, sizeof(buf));

	wr_bytes(&w, k->encr_i, k->encr_len);
	wr_bytes(&w, k->salt_i, k->salt_len);
	wr_bytes(&w, k->integ_i, k->integ_len);
	wr_bytes(&w, k->encr_r, k->encr_len);
	wr_bytes(&w, k->salt_r, k->salt_len);
	wr_bytes(&w, k->integ_r, k->integ_len);
	assert_false(w.bad);
	return (struct bytes){buf, w.len};
}

static struct bytes head(struct bytes b, size_t n)
{
	assert_true(n <= b.len);
	return (struct bytes){b.p, n};
}

/* One set of a vector file: the IKE SA's keys, a Child SA's with and without key exchange, a rekey. */
static void check_set(const struct vectors *v, const char *s, struct suite_choice suite)
{
	struct bytes ni = vector(v, "%s.ni", s), nr = vector(v, "%s.nr", s), gir = vector(v, "%s.gir", s);
	struct bytes gir_new = vector(v, "%s.gir_new", s), prf_id = vector(v, "%s.prf", s), got;
	uint64_t spi_i = spi(vector(v, "%s.spi_i", s)), spi_r = spi(vector(v, "%s.spi_r", s));
	uint8_t nonces[128], expanded[KEYMAT_MAX];
	struct wr seed = wr_of(nonces, sizeof(nonces));
	struct child_keys child;
	struct ike_keys k, next;
	char name[64];

	suite.prf = prf_id.p[1];
	assert_int_equal(ike_keys_derive(&suite, ni, nr, spi_i, spi_r, gir, &k), 0);
	got = concatenated(&k);
	assert_bytes(got, head(vector(v, "%s.dkm", s), got.len));

	/* A rekeyed SA's keys are prf+ of the published SKEYSEED(rekey); spi_r and spi_i as the new SPIs. */
	wr_bytes(&seed, ni.p, ni.len);
	wr_bytes(&seed, nr.p, nr.len);
	wr_u64(&seed, spi_r);
	wr_u64(&seed, spi_i);
	assert_int_equal(ike_keys_rekey(&k, &suite, ni, nr, spi_r, spi_i, gir_new, none, &next), 0);
	got = concatenated(&next);
	assert_int_equal(prf_plus(suite.prf, vector(v, "%s.skeyseed_rekey", s),
				  (struct bytes){nonces, seed.len}, expanded, got.len),
			 0);
	assert_bytes(got, (struct bytes){expanded, got.len});

	snprintf(name, sizeof(name), "%s.dkm_child", s);
	if (!vectors_has(v, name))
		return;
	assert_int_equal(child_keys_derive(&k, &suite, none, ni, nr, none, &child), 0);
	got = concatenated_child(&child);
	assert_bytes(got, head(vector(v, "%s", name), got.len));
	assert_int_equal(child_keys_derive(&k, &suite, gir_new, ni, nr, none, &child), 0);
	got = concatenated_child(&child);
	assert_bytes(got, head(vector(v, "%s.dkm_child_dh", s), got.len));
}

static const struct suite_choice suites[] = {
	{.encr = ENCR_AES_GCM_16, .key_bits = 128},
	{.encr = ENCR_AES_CBC, .key_bits = 128, .integ = AUTH_HMAC_SHA1_96},
	{.encr = ENCR_CHACHA20_POLY1305},
};

/* NIST CAVP; 132 octets take the SHA-1 suites whole. */
static void cavp(void **state)
{
	struct vectors *v = vectors_load("kdf-cavp.txt");

	assert_non_null(v);
	check_set(v, "a", suites[1]);
	check_set(v, "b", suites[1]);
	check_set(v, "a", suites[0]);
	vectors_free(v);
}

static void sha2(void **state)
{
	struct vectors *v = vectors_load("kdf-sha2.txt");
	struct suite_choice s = cbc128;

	assert_non_null(v);
	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
		check_set(v, "sha256", suites[i]);
		check_set(v, "sha384", suites[i]);
		check_set(v, "sha512", suites[i]);
	}
	s.integ = AUTH_HMAC_SHA2_512_256;
	s.key_bits = 256;
	check_set(v, "sha256", s);
	vectors_free(v);
}

/* RFC 9370 2.2.4: secrets of additional key exchanges behind the nonces; RFC 8784 3: a PPK. */
static void more_and_ppk(void **state)
{
	static const char *const sets[] = {"sha256", "sha384", "sha512"};
	struct vectors *v = vectors_load("kdf-sha2.txt");

	assert_non_null(v);
	for (unsigned i = 0; i < 3; i++) {
		const char *s = sets[i];
		struct bytes ni = vector(v, "%s.ni", s), nr = vector(v, "%s.nr", s),
			     more = vector(v, "%s.more", s);
		uint64_t spi_i = spi(vector(v, "%s.spi_i", s)), spi_r = spi(vector(v, "%s.spi_r", s));
		struct bytes gir_new = vector(v, "%s.gir_new", s), got;
		struct suite_choice suite = gcm256;
		struct ike_keys k, next, mixed;
		uint8_t seed[128], expanded[KEYMAT_MAX];
		struct wr w = wr_of(seed, sizeof(seed));
		struct child_keys child;

		suite.prf = vector(v, "%s.prf", s).p[1];
		assert_int_equal(ike_keys_derive(&suite, ni, nr, spi_i, spi_r, vector(v, "%s.gir", s), &k),
				 0);
		assert_int_equal(child_keys_derive(&k, &suite, gir_new, ni, nr, more, &child), 0);
		got = concatenated_child(&child);
		assert_bytes(got, head(vector(v, "%s.dkm_child_more", s), got.len));
		assert_int_equal(ike_keys_rekey(&k, &suite, ni, nr, spi_i, spi_r, gir_new, more, &next), 0);
		wr_bytes(&w, ni.p, ni.len);
		wr_bytes(&w, nr.p, nr.len);
		wr_u64(&w, spi_i);
		wr_u64(&w, spi_r);
		got = concatenated(&next);
		assert_int_equal(prf_plus(suite.prf, vector(v, "%s.skeyseed_more", s),
					  (struct bytes){seed, w.len}, expanded, got.len),
				 0);
		assert_bytes(got, (struct bytes){expanded, got.len});

		assert_int_equal(ike_keys_ppk(&k, vector(v, "%s.ppk", s), &mixed), 0);
		assert_bytes((struct bytes){mixed.d, mixed.prf_len}, vector(v, "%s.d_ppk", s));
		assert_bytes((struct bytes){mixed.pi, mixed.prf_len}, vector(v, "%s.pi_ppk", s));
		assert_bytes((struct bytes){mixed.pr, mixed.prf_len}, vector(v, "%s.pr_ppk", s));
		assert_memory_equal(mixed.ei, k.ei, k.encr_len);
		assert_memory_equal(mixed.er, k.er, k.encr_len);
	}
	vectors_free(v);
}

/* RFC 7296 2.18: SKEYSEED by the old SA's PRF, the keys by the new one's. */
static void rekey_with_another_prf(void **state)
{
	const struct bytes n = hex("000102030405060708090a0b0c0d0e0f"), secret = hex("c0ffee");
	const struct bytes parts[] = {secret, n, n};
	struct ike_keys old, next;
	uint8_t skeyseed[PRF_MAX], want[KEYMAT_MAX];
	struct bytes got;

	assert_int_equal(ike_keys_derive(&cbc128, n, n, 1, 2, secret, &old), 0);
	assert_int_equal(ike_keys_rekey(&old, &gcm256, n, n, 3, 4, secret, none, &next), 0);
	assert_int_equal(prf(PRF_HMAC_SHA2_256, (struct bytes){old.d, 32}, parts, 3, skeyseed), 0);
	got = concatenated(&next);
	assert_int_equal(got.len, 3 * 48 + 2 * 36);
	assert_int_equal(prf_plus(PRF_HMAC_SHA2_384, (struct bytes){skeyseed, 32},
				  hex("000102030405060708090a0b0c0d0e0f 000102030405060708090a0b0c0d0e0f"
				      "0000000000000003 0000000000000004"),
				  want, got.len),
			 0);
	assert_bytes(got, (struct bytes){want, got.len});
}

static void key_sizes(void **state)
{
	static const struct {
		uint16_t encr, bits, integ;
		int e;
		size_t key, salt, auth;
	} t[] = {
		{ENCR_AES_GCM_16, 128, 0, 0, 16, 4, 0},
		{ENCR_AES_GCM_16, 256, 0, 0, 32, 4, 0},
		{ENCR_AES_GCM_8, 192, 0, 0, 24, 4, 0},
		{ENCR_NULL_AUTH_AES_GMAC, 256, 0, 0, 32, 4, 0},
		{ENCR_CHACHA20_POLY1305, 0, 0, 0, 32, 4, 0},
		{ENCR_AES_CBC, 128, AUTH_HMAC_SHA1_96, 0, 16, 0, 20},
		{ENCR_AES_CBC, 256, AUTH_HMAC_SHA2_256_128, 0, 32, 0, 32},
		{ENCR_AES_CBC, 192, AUTH_HMAC_SHA2_384_192, 0, 24, 0, 48},
		{ENCR_AES_CTR, 128, AUTH_HMAC_SHA2_512_256, 0, 16, 4, 64},
		{ENCR_NULL, 0, AUTH_HMAC_SHA2_256_128, 0, 0, 0, 32},
		{ENCR_AES_CBC, 256, 0, -ENOTSUP},
		{ENCR_AES_CBC, 0, AUTH_HMAC_SHA1_96, -ENOTSUP},
		{ENCR_AES_CBC, 100, AUTH_HMAC_SHA1_96, -ENOTSUP},
		{ENCR_AES_CBC, 128, 1, -ENOTSUP},
		{ENCR_AES_GCM_16, 128, 1, -ENOTSUP},
		{ENCR_NULL, 0, 0, -ENOTSUP},
		{ENCR_3DES, 0, AUTH_HMAC_SHA1_96, -ENOTSUP},
		{0, 0, 0, -ENOTSUP},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct suite_choice s = {.encr = t[i].encr, .key_bits = t[i].bits, .integ = t[i].integ};
		size_t key = 99, salt = 99, auth = 99;

		assert_int_equal(child_key_sizes(&s, &key, &salt, &auth), t[i].e);
		if (t[i].e)
			continue;
		assert_int_equal(key, t[i].key);
		assert_int_equal(salt, t[i].salt);
		assert_int_equal(auth, t[i].auth);
	}
}

/* What cannot be derived leaves no keys. */
static void refused_suites(void **state)
{
	static const struct suite_choice bad[] = {
		{.encr = ENCR_AES_CBC, .key_bits = 128, .prf = PRF_HMAC_SHA1},
		{.encr = ENCR_AES_CBC, .integ = AUTH_HMAC_SHA1_96, .prf = PRF_HMAC_SHA1},
		{.encr = ENCR_AES_GCM_16, .key_bits = 128},
		{.encr = ENCR_AES_GCM_16, .key_bits = 128, .prf = 1},
		{.encr = ENCR_NULL, .integ = AUTH_HMAC_SHA1_96, .prf = PRF_HMAC_SHA1},
		{.encr = ENCR_AES_CTR, .key_bits = 128, .integ = AUTH_HMAC_SHA1_96, .prf = PRF_HMAC_SHA1},
	};
	const struct bytes n = hex("00010203");
	static const uint8_t big[IKE_NONCE_MAX * 3];
	struct ike_keys k, zero;

	memset(&zero, 0, sizeof(zero));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&k, 0x55, sizeof(k));
		assert_int_equal(ike_keys_derive(&bad[i], n, n, 1, 2, n, &k), -ENOTSUP);
		assert_memory_equal(&k, &zero, sizeof(k));
	}
	assert_int_equal(ike_keys_derive(&gcm256, (struct bytes){big, sizeof(big)}, n, 1, 2, n, &k), -EINVAL);
	assert_memory_equal(&k, &zero, sizeof(k));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cavp),         cmocka_unit_test(sha2),
		cmocka_unit_test(more_and_ppk), cmocka_unit_test(rekey_with_another_prf),
		cmocka_unit_test(key_sizes),    cmocka_unit_test(refused_suites),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
