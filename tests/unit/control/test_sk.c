/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto.h"
#include "msg.h"

#include <errno.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "vectors.h"

static const struct suite_choice suites[] = {
	{.encr = ENCR_AES_CBC, .key_bits = 128, .integ = AUTH_HMAC_SHA1_96, .prf = PRF_HMAC_SHA1},
	{.encr = ENCR_AES_CBC, .key_bits = 192, .integ = AUTH_HMAC_SHA2_256_128, .prf = PRF_HMAC_SHA2_256},
	{.encr = ENCR_AES_CBC, .key_bits = 256, .integ = AUTH_HMAC_SHA2_384_192, .prf = PRF_HMAC_SHA2_384},
	{.encr = ENCR_AES_CBC, .key_bits = 256, .integ = AUTH_HMAC_SHA2_512_256, .prf = PRF_HMAC_SHA2_512},
	{.encr = ENCR_AES_GCM_16, .key_bits = 128, .prf = PRF_HMAC_SHA2_256},
	{.encr = ENCR_AES_GCM_16, .key_bits = 192, .prf = PRF_HMAC_SHA2_256},
	{.encr = ENCR_AES_GCM_16, .key_bits = 256, .prf = PRF_HMAC_SHA2_384},
	{.encr = ENCR_AES_GCM_12, .key_bits = 256, .prf = PRF_HMAC_SHA2_256},
	{.encr = ENCR_AES_GCM_8, .key_bits = 128, .prf = PRF_HMAC_SHA2_256},
	{.encr = ENCR_CHACHA20_POLY1305, .prf = PRF_HMAC_SHA2_256},
};
enum { SUITES = sizeof(suites) / sizeof(suites[0]) };

static const struct ike_hdr hdr = {.spi_i = 0x1122334455667788,
				   .spi_r = 0x99aabbccddeeff00,
				   .exchange = IKE_AUTH,
				   .flags = IKE_FLAG_INITIATOR,
				   .msgid = 1};

static void keys_of(const struct suite_choice *s, struct ike_keys *k)
{
	const struct bytes n = hex("000102030405060708090a0b0c0d0e0f");

	assert_int_equal(ike_keys_derive(s, n, n, hdr.spi_i, hdr.spi_r, n, k), 0);
}

/* Every length up to three blocks comes back, sealed by either end, and says so in its lengths. */
static void seal_and_open(void **state)
{
	uint8_t chain[64], out[256], plain[256];
	size_t out_len, plain_len;
	struct ike_keys k;
	struct msg m;

	for (size_t i = 0; i < sizeof(chain); i++)
		chain[i] = (uint8_t)(i * 7);
	for (size_t s = 0; s < SUITES; s++) {
		keys_of(&suites[s], &k);
		for (size_t n = 0; n <= 50; n++) {
			bool initiator = n & 1;

			assert_int_equal(sk_seal(&k, initiator, &hdr, PL_IDI, (struct bytes){chain, n}, out,
						 sizeof(out), &out_len),
					 0);
			assert_true(out_len <= IKE_HDR + IKE_PAYLOAD_HDR + n + sk_overhead(&k));
			assert_int_equal(msg_parse(out, out_len, &m), MSG_OK);
			assert_int_equal(m.seen, PL_BIT(PL_SK));
			assert_int_equal(m.sk_first, PL_IDI);
			assert_true(m.hdr.spi_i == hdr.spi_i && m.hdr.spi_r == hdr.spi_r);
			assert_int_equal(sk_open(&k, initiator, &m, plain, &plain_len), 0);
			assert_bytes((struct bytes){plain, plain_len}, (struct bytes){chain, n});
			/* the other direction's keys do not open it */
			assert_int_equal(sk_open(&k, !initiator, &m, plain, &plain_len), -EBADMSG);
			assert_int_equal(plain_len, 0);
		}
	}
}

/* Whatever bit of the message flips, it does not verify, and no plaintext comes out. */
static void every_bit_counts(void **state)
{
	static const uint8_t chain[] = "a chain of payloads";
	uint8_t out[256], plain[256], zero[256] = {0};
	size_t out_len, plain_len;
	struct ike_keys k;
	struct msg m;

	for (size_t s = 0; s < SUITES; s++) {
		keys_of(&suites[s], &k);
		assert_int_equal(sk_seal(&k, true, &hdr, PL_IDI, (struct bytes){chain, sizeof(chain)}, out,
					 sizeof(out), &out_len),
				 0);
		for (size_t bit = 0; bit < out_len * 8; bit++) {
			out[bit / 8] ^= (uint8_t)(1 << bit % 8);
			memset(plain, 0, sizeof(plain));
			if (msg_parse(out, out_len, &m) == MSG_OK && m.seen & PL_BIT(PL_SK)) {
				assert_int_equal(sk_open(&k, true, &m, plain, &plain_len), -EBADMSG);
				assert_int_equal(plain_len, 0);
				assert_memory_equal(plain, zero, sizeof(plain));
			}
			out[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

static void cut_short(void **state)
{
	uint8_t out[256], plain[256];
	size_t out_len, plain_len;
	struct ike_keys k;
	struct msg m;

	for (size_t s = 0; s < SUITES; s++) {
		keys_of(&suites[s], &k);
		assert_int_equal(
			sk_seal(&k, true, &hdr, PL_NONE, (struct bytes){0}, out, sizeof(out), &out_len), 0);
		for (size_t n = IKE_HDR + IKE_PAYLOAD_HDR; n < out_len; n++) {
			out[27] = (uint8_t)n;
			out[IKE_HDR + 3] = (uint8_t)(n - IKE_HDR);
			assert_int_equal(msg_parse(out, n, &m), MSG_OK);
			assert_int_equal(sk_open(&k, true, &m, plain, &plain_len), -EBADMSG);
		}
	}
}

/* RFC 5282 3.1, RFC 7296 3.14: no IV twice; one end's and the other's count as one. */
static void iv_never_repeats(void **state)
{
	static uint8_t iv[600][16];
	uint8_t out[256];
	size_t out_len;
	struct ike_keys k;

	for (size_t s = 0; s < SUITES; s++) {
		size_t n = suites[s].encr == ENCR_AES_CBC ? 16 : 8;

		keys_of(&suites[s], &k);
		for (size_t i = 0; i < 600; i++) {
			assert_int_equal(sk_seal(&k, i % 3 == 0, &hdr, PL_NONE, (struct bytes){0}, out,
						 sizeof(out), &out_len),
					 0);
			memcpy(iv[i], out + IKE_HDR + IKE_PAYLOAD_HDR, n);
			for (size_t j = 0; j < i; j++)
				assert_memory_not_equal(iv[i], iv[j], n);
		}
	}
}

static void room(void **state)
{
	static uint8_t chain[65600], out[70000];
	size_t out_len, full;
	struct ike_keys k;

	for (size_t s = 0; s < SUITES; s++) {
		keys_of(&suites[s], &k);
		assert_int_equal(
			sk_seal(&k, true, &hdr, PL_NONE, (struct bytes){chain, 33}, out, sizeof(out), &full),
			0);
		for (size_t cap = 0; cap < full; cap++) {
			memset(out, 0xee, full + 1);
			assert_int_equal(sk_seal(&k, true, &hdr, PL_NONE, (struct bytes){chain, 33}, out, cap,
						 &out_len),
					 -EMSGSIZE);
			assert_int_equal(out[cap], 0xee);
		}
		/* a payload's length has 16 bits */
		assert_int_equal(sk_seal(&k, true, &hdr, PL_NONE, (struct bytes){chain, 65535}, out,
					 sizeof(out), &out_len),
				 -EMSGSIZE);
		assert_int_equal(sk_seal(&k, true, &hdr, PL_NONE, (struct bytes){chain, 65600}, out,
					 sizeof(out), &out_len),
				 -EMSGSIZE);
	}
}

/* RFC 5282: salt and IV are the nonce, header and payload header the AAD.  Key and nonce as in the GCM
 * specification's test case 16; ciphertext and tag by Python's cryptography over the same octets. */
static void gcm_layout(void **state)
{
	struct ike_keys k = {
		.encr = ENCR_AES_GCM_16, .key_bits = 256, .encr_len = 36, .iv = 0xfacedbaddecaf888};
	const struct bytes key = hex(
		"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308 cafebabe");
	uint8_t out[256];
	size_t out_len;

	memcpy(k.ei, key.p, key.len);
	assert_int_equal(sk_seal(&k, true, &hdr, PL_IDI, hex("d9313225f88406e5a55909c5aff5269a"), out,
				 sizeof(out), &out_len),
			 0);
	assert_bytes((struct bytes){out, out_len},
		     hex("1122334455667788 99aabbccddeeff00 2e202308 00000001 00000049"
			 "2300002d facedbaddecaf888"
			 "522dc1f099567d07f47f37a32a84427de247b8f9824e19680f61bba36baced8b53"));
}

/* A message as a peer of other habits would write it: AES-CBC-192 with HMAC-SHA2-256 and any padding. */
static size_t foreign_message(const struct ike_keys *k, const uint8_t text[48], uint8_t *out)
{
	static const uint8_t iv[16] = {7, 7, 7};
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t icv[PRF_MAX];
	struct msg_wr m;
	struct bytes all;
	uint8_t *body;
	int n = 0;

	msg_wr_begin(&m, out, 256, &hdr);
	msg_wr_open(&m, PL_SK);
	wr_bytes(&m.w, iv, sizeof(iv));
	body = wr_room(&m.w, 48);
	assert_int_equal(EVP_EncryptInit_ex(ctx, EVP_aes_192_cbc(), NULL, k->ei, iv), 1);
	EVP_CIPHER_CTX_set_padding(ctx, 0);
	assert_int_equal(EVP_EncryptUpdate(ctx, body, &n, text, 48), 1);
	assert_int_equal(n, 48);
	EVP_CIPHER_CTX_free(ctx);
	wr_zero(&m.w, 16);
	msg_wr_close(&m);
	assert_int_not_equal(msg_wr_end(&m), 0);
	out[IKE_HDR] = PL_IDI;
	all = (struct bytes){out, m.w.len - 16};
	assert_int_equal(prf(PRF_HMAC_SHA2_256, (struct bytes){k->ai, 32}, &all, 1, icv), 0);
	memcpy(out + all.len, icv, 16);
	return m.w.len;
}

/* RFC 7296 3.14: padding of any content and length is accepted, but not one longer than the text. */
static void padding(void **state)
{
	uint8_t text[48], out[256], plain[256];
	struct ike_keys k;
	struct msg m;

	keys_of(&suites[1], &k);
	for (unsigned pad = 0; pad < 256; pad++) {
		size_t len = 99;
		int e;

		memset(text, 0xa5, sizeof(text));
		text[47] = (uint8_t)pad;
		assert_int_equal(msg_parse(out, foreign_message(&k, text, out), &m), MSG_OK);
		e = sk_open(&k, true, &m, plain, &len);
		assert_int_equal(e, pad < 48 ? 0 : -EBADMSG);
		assert_int_equal(len, pad < 48 ? 47 - pad : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seal_and_open), cmocka_unit_test(every_bit_counts),
		cmocka_unit_test(cut_short),     cmocka_unit_test(iv_never_repeats),
		cmocka_unit_test(room),          cmocka_unit_test(gcm_layout),
		cmocka_unit_test(padding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
