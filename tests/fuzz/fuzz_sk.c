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

	if (len > sizeof(plain) || msg_parse(data, len, &m) != MSG_OK || !(m.seen & PL_BIT(PL_SK)))
		return;
	MUST(sk_open(k, true, &m, plain, &n) == -EBADMSG && n == 0);
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
