/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "vectors.h"

static struct bytes text(const char *s)
{
	return (struct bytes){(const uint8_t *)s, strlen(s)};
}

static struct bytes filled(uint8_t byte, size_t n)
{
	static uint8_t buf[4][256];
	static unsigned turn;
	uint8_t *b = buf[turn++ % 4];

	memset(b, byte, n);
	return (struct bytes){b, n};
}

static void check_prf(uint16_t alg, struct bytes key, struct bytes data, const char *want)
{
	const struct bytes parts[] = {
		{data.p, data.len / 3}, {NULL, 0}, {data.p + data.len / 3, data.len - data.len / 3}};
	uint8_t out[PRF_MAX];

	assert_int_equal(prf(alg, key, &data, 1, out), 0);
	assert_bytes((struct bytes){out, prf_len(alg)}, hex(want));
	assert_int_equal(prf(alg, key, parts, 3, out), 0);
	assert_bytes((struct bytes){out, prf_len(alg)}, hex(want));
}

/* RFC 2202 section 3 */
static void hmac_sha1(void **state)
{
	check_prf(PRF_HMAC_SHA1, filled(0x0b, 20), text("Hi There"),
		  "b617318655057264e28bc0b6fb378c8ef146be00");
	check_prf(PRF_HMAC_SHA1, text("Jefe"), text("what do ya want for nothing?"),
		  "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
	check_prf(PRF_HMAC_SHA1, filled(0xaa, 20), filled(0xdd, 50),
		  "125d7342b9ac11cd91a39af48aa17b4f63f175d3");
	check_prf(PRF_HMAC_SHA1, filled(0xaa, 80),
		  text("Test Using Larger Than Block-Size Key - Hash Key First"),
		  "aa4ae5e15272d00e95705637ce8a3b55ed402112");
}

/* RFC 4231 sections 4.2, 4.3, 4.4, 4.7 */
static void hmac_sha2(void **state)
{
	struct bytes hi = text("Hi There"), what = text("what do ya want for nothing?");
	struct bytes large = text("Test Using Larger Than Block-Size Key - Hash Key First");

	check_prf(PRF_HMAC_SHA2_256, filled(0x0b, 20), hi,
		  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	check_prf(
		PRF_HMAC_SHA2_384, filled(0x0b, 20), hi,
		"afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6");
	check_prf(PRF_HMAC_SHA2_512, filled(0x0b, 20), hi,
		  "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
		  "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854");
	check_prf(PRF_HMAC_SHA2_256, text("Jefe"), what,
		  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	check_prf(
		PRF_HMAC_SHA2_384, text("Jefe"), what,
		"af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649");
	check_prf(PRF_HMAC_SHA2_512, text("Jefe"), what,
		  "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
		  "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
	check_prf(PRF_HMAC_SHA2_256, filled(0xaa, 20), filled(0xdd, 50),
		  "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
	check_prf(PRF_HMAC_SHA2_256, filled(0xaa, 131), large,
		  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	check_prf(
		PRF_HMAC_SHA2_384, filled(0xaa, 131), large,
		"4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952");
	check_prf(PRF_HMAC_SHA2_512, filled(0xaa, 131), large,
		  "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
		  "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598");
}

/* An empty key is a key: not the one before it. */
static void hmac_empty_key(void **state)
{
	uint8_t out[PRF_MAX];
	struct bytes nothing = {0};

	check_prf(PRF_HMAC_SHA1, filled(0x0b, 20), text("Hi There"),
		  "b617318655057264e28bc0b6fb378c8ef146be00");
	assert_int_equal(prf(PRF_HMAC_SHA1, nothing, &nothing, 1, out), 0);
	assert_bytes((struct bytes){out, 20}, hex("fbdb1d1b18aa6c08324b7d64b71fb76370690e1d"));
}

static void prf_plus_bounds(void **state)
{
	static uint8_t out[64 * 255 + 1], again[64];
	struct bytes key = text("key"), seed = text("seed");

	assert_int_equal(prf_plus(PRF_HMAC_SHA2_512, key, seed, out, 64 * 255), 0);
	assert_int_equal(prf_plus(PRF_HMAC_SHA2_512, key, seed, out, 64 * 255 + 1), -EINVAL);
	/* a shorter output is the longer one's beginning */
	assert_int_equal(prf_plus(PRF_HMAC_SHA2_256, key, seed, out, 500), 0);
	for (size_t n = 1; n <= 64; n++) {
		assert_int_equal(prf_plus(PRF_HMAC_SHA2_256, key, seed, again, n), 0);
		assert_memory_equal(again, out, n);
	}
	assert_int_equal(prf_plus(999, key, seed, out, 20), -ENOTSUP);
	assert_int_equal(prf(999, key, &seed, 1, out), -ENOTSUP);
	assert_int_equal(prf_len(999), 0);
}

/* FIPS 180-2 appendix A */
static void sha1(void **state)
{
	const struct bytes parts[] = {
		text("abcdbcdecdefdefgefghfghighij"), {0}, text("hijkijkljklmklmnlmnomnopnopq")};
	uint8_t out[20];

	assert_int_equal(crypto_sha1(parts, 3, out), 0);
	assert_bytes((struct bytes){out, 20}, hex("84983e441c3bd26ebaae4aa1f95129e5e54670f1"));
	assert_int_equal(crypto_sha1(NULL, 0, out), 0);
	assert_bytes((struct bytes){out, 20}, hex("da39a3ee5e6b4b0d3255bfef95601890afd80709"));
}

static void have(void **state)
{
	static const uint16_t gcm[] = {ENCR_AES_GCM_8, ENCR_AES_GCM_12, ENCR_AES_GCM_16, ENCR_AES_CBC};

	for (size_t i = 0; i < 4; i++) {
		assert_true(crypto_have_encr(gcm[i], 128));
		assert_true(crypto_have_encr(gcm[i], 192));
		assert_true(crypto_have_encr(gcm[i], 256));
		assert_false(crypto_have_encr(gcm[i], 0));
		assert_false(crypto_have_encr(gcm[i], 64));
		assert_false(crypto_have_encr(gcm[i], 512));
	}
	assert_true(crypto_have_encr(ENCR_CHACHA20_POLY1305, 0));
	assert_true(crypto_have_encr(ENCR_CHACHA20_POLY1305, 256));
	assert_false(crypto_have_encr(ENCR_CHACHA20_POLY1305, 128));
	/* ciphers of ESP, but not for the IKE SA itself */
	assert_false(crypto_have_encr(ENCR_NULL, 0));
	assert_false(crypto_have_encr(ENCR_NULL_AUTH_AES_GMAC, 128));
	assert_false(crypto_have_encr(ENCR_AES_CTR, 128));
	assert_false(crypto_have_encr(ENCR_3DES, 0));
	assert_true(crypto_have_integ(AUTH_HMAC_SHA1_96));
	assert_true(crypto_have_integ(AUTH_HMAC_SHA2_256_128));
	assert_true(crypto_have_integ(AUTH_HMAC_SHA2_384_192));
	assert_true(crypto_have_integ(AUTH_HMAC_SHA2_512_256));
	assert_false(crypto_have_integ(AUTH_NONE));
	assert_false(crypto_have_integ(1));
	assert_true(crypto_have_prf(PRF_HMAC_SHA1));
	assert_true(crypto_have_prf(PRF_HMAC_SHA2_512));
	assert_false(crypto_have_prf(1));
	assert_false(crypto_have_prf(4));
}

static void small_things(void **state)
{
	uint8_t a[32], b[32];

	crypto_random(a, sizeof(a));
	crypto_random(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_false(crypto_equal(a, b, sizeof(a)));
	memcpy(b, a, sizeof(a));
	assert_true(crypto_equal(a, b, sizeof(a)));
	b[31] ^= 0x80;
	assert_false(crypto_equal(a, b, sizeof(a)));
	assert_true(crypto_equal(a, b, 31));
	crypto_wipe(a, sizeof(a));
	memset(b, 0, sizeof(b));
	assert_memory_equal(a, b, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hmac_sha1),      cmocka_unit_test(hmac_sha2),
		cmocka_unit_test(hmac_empty_key), cmocka_unit_test(prf_plus_bounds),
		cmocka_unit_test(sha1),           cmocka_unit_test(have),
		cmocka_unit_test(small_things),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
