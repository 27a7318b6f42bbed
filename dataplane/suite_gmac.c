/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-GMAC in ESP (RFC 4543): the text is only authenticated.  To GCM the whole packet up to the ICV is
 * associated data, in one piece with the IV, so the direct call does it with nothing to encrypt.
 *
 * With ESN the high half of the sequence number stands between SPI and low half (RFC 4543 3.3).  To keep
 * it one piece, the SPI moves four bytes to the front for as long as the call takes: there is an outer
 * header to lend the room.
 */
#include <emmintrin.h>
#include <string.h>

#include <rte_byteorder.h>

#include "suite.h"

enum { SHIFT = 4 }; /* bytes that ESN adds */

union block {
	__m128i v;
	uint8_t b[16];
	uint64_t q[2];
};

static aes_gcm_enc_dec_t cipher(const IMB_MGR *mb, const struct suite *s)
{
	switch (s->key_len) {
	case 16: return mb->gcm128_enc;
	case 24: return mb->gcm192_enc;
	default: return mb->gcm256_enc;
	}
}

static __m128i nonce(uint32_t salt, const uint8_t *iv)
{
	uint64_t v;

	memcpy(&v, iv, sizeof(v));
	return _mm_set_epi64x((int64_t)(v >> 32), (int64_t)(v << 32 | salt));
}

static void mac(const struct worker *w, const struct suite *s, struct pkt *p, const uint8_t *key, bool esn,
		const union block *iv, uint8_t *tag)
{
	uint8_t *esp = pkt_at(p, p->esp_off), *from = esp - SHIFT, saved[2 * SHIFT];
	uint32_t len = ESP_HDR + s->iv_len + p->text_len;
	struct gcm_context_data ctx;
	uint32_t high;

	if (!esn) {
		cipher(w->mb, s)((const struct gcm_key_data *)key, &ctx, esp, esp, 0, iv->b, esp, len, tag,
				 s->icv_len);
		return;
	}
	high = rte_cpu_to_be_32((uint32_t)(p->seq >> 32));
	memcpy(saved, from, sizeof(saved));
	memcpy(from, saved + SHIFT, SHIFT);
	memcpy(esp, &high, sizeof(high));
	cipher(w->mb, s)((const struct gcm_key_data *)key, &ctx, esp, esp, 0, iv->b, from, len + SHIFT, tag,
			 s->icv_len);
	memcpy(from, saved, sizeof(saved));
}

bool suite_gmac_seal(struct worker *w, const struct suite *s, struct pkt **p, uint16_t n)
{
	union block iv[BURST_MAX];

	for (uint16_t i = 0; i < n; i++) {
		uint8_t *esp = pkt_at(p[i], p[i]->esp_off);
		uint64_t iv_be = rte_cpu_to_be_64(p[i]->seq); /* never repeats under one key: RFC 4543 3.1 */

		memcpy(esp + ESP_HDR, &iv_be, sizeof(iv_be));
		iv[i].v = nonce(p[i]->sa_out->salt, esp + ESP_HDR);
	}
	for (uint16_t i = 0; i < n; i++) {
		const struct sa_out *sa = p[i]->sa_out;

		mac(w, s, p[i], sa->key, sa->flags & SA_ESN, &iv[i], suite_icv(s, p[i]));
	}
	return true;
}

bool suite_gmac_open(struct worker *w, const struct suite *s, struct pkt **p, uint16_t n)
{
	union block iv[BURST_MAX], tag[BURST_MAX];
	bool all = true;

	for (uint16_t i = 0; i < n; i++)
		iv[i].v = nonce(p[i]->sa_in->salt, pkt_at(p[i], p[i]->esp_off) + ESP_HDR);
	for (uint16_t i = 0; i < n; i++) {
		const struct sa_in *sa = p[i]->sa_in;

		mac(w, s, p[i], sa->key, sa->flags & SA_ESN, &iv[i], tag[i].b);
	}
	for (uint16_t i = 0; i < n; i++) {
		union block icv;

		/* No early exit: the time must not tell how many bytes were right. */
		memcpy(icv.b, suite_icv(s, p[i]), sizeof(icv.b));
		if (unlikely(((icv.q[0] ^ tag[i].q[0]) | (icv.q[1] ^ tag[i].q[1])) != 0)) {
			p[i]->drop = DROP_ESP_AUTH;
			all = false;
		}
	}
	return all;
}
