/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first byte picks a cipher and a way: the rest is a message that a peer without our keys sends, or the plaintext
 * of one who has them.
 */
#include <errno.h>
#include <string.h>

#include "crypto.h"
#include "fuzz.h"
#include "ike_props.h"

static const struct suite_choice suites[] = {
	{.encr = ENCR_AES_GCM_16, .key_bits = 256, .prf = PRF_HMAC_SHA2_256},
	{.encr = ENCR_AES_CBC, .key_bits = 128, .integ = AUTH_HMAC_SHA1_96, .prf = PRF_HMAC_SHA2_256},
	{.encr = ENCR_CHACHA20_POLY1305, .prf = PRF_HMAC_SHA2_256},
	{.encr = ENCR_AES_CBC, .key_bits = 256, .integ = AUTH_HMAC_SHA2_512_256, .prf = PRF_HMAC_SHA2_256},
};
enum { SUITES = sizeof(suites) / sizeof(suites[0]) };

static void stranger(const struct ike_keys *k, const uint8_t *data, size_t len)
{
	static uint8_t plain[MSG_MAX];
	static struct msg m;
	size_t n;

	if (len > sizeof(plain) || msg_parse(data, len, &m) != MSG_OK ||
	    !(m.seen & (PL_BIT(PL_SK) | PL_BIT(PL_SKF))))
		return;
	MUST(sk_open(k, true, &m, plain, &n) == -EBADMSG && n == 0);
}

/* The last of so many parts, and the first: only that one shows what is inside. */
static void friend_in_fragments(struct ike_keys *k, uint8_t first, const uint8_t *data, size_t len)
{
	static uint8_t out[MSG_MAX], plain[MSG_MAX];
	const struct ike_hdr h = {.spi_i = 1, .spi_r = 2, .exchange = IKE_AUTH, .flags = IKE_FLAG_INITIATOR};
	uint16_t total = (uint16_t)(1 + len % 7);
	static struct msg m;
	size_t n;

	for (uint16_t num = 1; num <= total; num = (uint16_t)(num + (total > 1 ? total - 1 : 1))) {
		struct wr w = wr_of(out, sizeof(out));

		if (sk_seal_part(k, true, &h, first, (struct sk_part){num, total}, (struct bytes){data, len},
				 &w) < 0)
			return;
		MUST(msg_parse(out, w.len, &m) == MSG_OK && m.skf.num == num && m.skf.total == total);
		MUST(m.sk_first == (num == 1 ? first : PL_NONE));
		MUST(sk_open(k, true, &m, plain, &n) == 0 && n == len && (!len || !memcmp(plain, data, len)));
		out[IKE_HDR + 5] ^= 1; /* its number is protected, too */
		if (msg_parse(out, w.len, &m) == MSG_OK)
			MUST(sk_open(k, true, &m, plain, &n) == -EBADMSG);
	}
}

static void friend(struct ike_keys *k, uint8_t first, const uint8_t *data, size_t len)
{
	static uint8_t out[MSG_MAX], plain[MSG_MAX];
	const struct ike_hdr h = {
		.spi_i = 1, .spi_r = 2, .exchange = INFORMATIONAL, .flags = IKE_FLAG_INITIATOR};
	static struct msg m;
	size_t n, n_plain;

	if (sk_seal(k, true, &h, first, (struct bytes){data, len}, out, sizeof(out), &n) < 0)
		return;
	MUST(msg_parse(out, n, &m) == MSG_OK && m.sk_first == first);
	MUST(sk_open(k, true, &m, plain, &n_plain) == 0 && n_plain == len &&
	     (!len || !memcmp(plain, data, len)));
	msg_parse_inner((struct bytes){plain, n_plain}, m.sk_first, &m);
	check_msg(&m, plain, n_plain);
	friend_in_fragments(k, first, data, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t nonce[16];
	static struct ike_keys keys[SUITES];
	static bool ready;
	const struct bytes n = {nonce, sizeof(nonce)};

	for (size_t i = 0; i < SUITES && !ready; i++)
		MUST(ike_keys_derive(&suites[i], n, n, 1, 2, n, &keys[i]) == 0);
	ready = true;
	if (len < 2)
		return 0;
	if (data[0] & 0x80)
		friend(&keys[data[0] % SUITES], data[1], data + 2, len - 2);
	else
		stranger(&keys[data[0] % SUITES], data + 1, len - 1);
	return 0;
}
