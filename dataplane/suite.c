/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

/* RFC 4106: 4 bytes of salt, 8 of IV; the ciphertext is padded to 4 (RFC 4303 2.4). */
#define SUITE_GCM(bits, icv, enum_encr)                                                                      \
	{                                                                                                    \
		.id = {enum_encr, bits, DP_INTEG_NONE}, .name = "AES" #bits "-GCM" #icv,                     \
		.key_len = bits / 8, .salt_len = 4, .iv_len = 8, .icv_len = icv, .block = 4,                 \
		.expand = suite_gcm_expand, .seal = suite_gcm_seal, .open = suite_gcm_open,                  \
	}
/* RFC 4543: the same lengths, nothing encrypted. */
#define SUITE_GMAC(bits)                                                                                     \
	{                                                                                                    \
		.id = {DP_AES_GMAC, bits, DP_INTEG_NONE}, .name = "AES" #bits "-GMAC", .key_len = bits / 8,  \
		.salt_len = 4, .iv_len = 8, .icv_len = 16, .block = 4, .expand = suite_gcm_expand,           \
		.seal = suite_gmac_seal, .open = suite_gmac_open,                                            \
	}
#define SUITE_JOB(e, bits, salt, iv, blk, hash, hash_key, icv, label)                                        \
	{                                                                                                    \
		.id = {e, bits, hash}, .name = label, .key_len = bits / 8, .salt_len = salt,                 \
		.integ_key_len = hash_key, .iv_len = iv, .icv_len = icv, .block = blk,                       \
		.expand = suite_job_expand, .seal = suite_job_seal, .open = suite_job_open,                  \
	}
/* RFC 2404 and RFC 4868: keys as long as the hash, tags of half of it (SHA-1: 96 bits). */
#define SUITE_HMACS(e, bits, salt, iv, blk, label)                                                           \
	SUITE_JOB(e, bits, salt, iv, blk, DP_HMAC_SHA1_96, 20, 12, label "-SHA1-96"),                        \
		SUITE_JOB(e, bits, salt, iv, blk, DP_HMAC_SHA256_128, 32, 16, label "-SHA256-128"),          \
		SUITE_JOB(e, bits, salt, iv, blk, DP_HMAC_SHA384_192, 48, 24, label "-SHA384-192"),          \
		SUITE_JOB(e, bits, salt, iv, blk, DP_HMAC_SHA512_256, 64, 32, label "-SHA512-256")

const struct suite suite_table[] = {
	SUITE_GCM(128, 16, DP_AES_GCM_16),
	SUITE_GCM(192, 16, DP_AES_GCM_16),
	SUITE_GCM(256, 16, DP_AES_GCM_16),
	SUITE_GCM(128, 12, DP_AES_GCM_12),
	SUITE_GCM(192, 12, DP_AES_GCM_12),
	SUITE_GCM(256, 12, DP_AES_GCM_12),
	SUITE_GCM(128, 8, DP_AES_GCM_8),
	SUITE_GCM(192, 8, DP_AES_GCM_8),
	SUITE_GCM(256, 8, DP_AES_GCM_8),
	SUITE_GMAC(128),
	SUITE_GMAC(192),
	SUITE_GMAC(256),
	/* RFC 3602 */
	SUITE_HMACS(DP_AES_CBC, 128, 0, 16, 16, "AES128-CBC"),
	SUITE_HMACS(DP_AES_CBC, 192, 0, 16, 16, "AES192-CBC"),
	SUITE_HMACS(DP_AES_CBC, 256, 0, 16, 16, "AES256-CBC"),
	/* RFC 3686 */
	SUITE_HMACS(DP_AES_CTR, 128, 4, 8, 4, "AES128-CTR"),
	SUITE_HMACS(DP_AES_CTR, 192, 4, 8, 4, "AES192-CTR"),
	SUITE_HMACS(DP_AES_CTR, 256, 4, 8, 4, "AES256-CTR"),
	/* RFC 2410 */
	SUITE_HMACS(DP_ENCR_NULL, 0, 0, 0, 4, "NULL"),
	/* RFC 7634; its one key length is given as 0 at the seam */
	{
		.id = {DP_CHACHA20_POLY1305, 0, DP_INTEG_NONE},
		.name = "CHACHA20-POLY1305",
		.key_len = 32,
		.salt_len = 4,
		.iv_len = 8,
		.icv_len = 16,
		.block = 4,
		.expand = suite_job_expand,
		.seal = suite_job_seal,
		.open = suite_job_open,
	},
};
const unsigned suite_count = sizeof(suite_table) / sizeof(suite_table[0]);
static_assert(sizeof(suite_table) / sizeof(suite_table[0]) <= UINT8_MAX, "SAs hold the index in a byte");

const struct suite *suite_find(const struct dp_suite *id)
{
	for (unsigned i = 0; i < suite_count; i++) {
		const struct suite *s = &suite_table[i];

		if (s->id.encr == id->encr && s->id.key_bits == id->key_bits && s->id.integ == id->integ)
			return s;
	}
	return NULL;
}

bool suite_keys_fit(const struct suite *s, const struct dp_keys *k)
{
	return k->encr_len == s->key_len && k->salt_len == s->salt_len && k->integ_len == s->integ_key_len;
}

bool dp_suite_supported(const struct dp_suite *s)
{
	return suite_find(s) != NULL;
}
