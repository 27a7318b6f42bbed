/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-GCM in ESP (RFC 4106) by intel-ipsec-mb's direct calls, one a packet, with expanded keys.
 *
 * Three things decide the speed.  The library loads nonces with wide loads, which wait for narrower
 * stores still on their way to the cache: all nonces of a burst are written before the first call, each
 * with one 16-byte store.  Tags go straight to their places, never through one shared buffer.  And
 * with many SAs the cost is in fetching keys, not in AES: the lines that packets will touch are prefetched, and no
 * others, so far ahead as there are line-fill buffers for them.
 */
#include <emmintrin.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_prefetch.h>

#include "suite.h"

enum { LINES_AHEAD = 52, LINE = 64, HASH_END = offsetof(struct gcm_key_data, ghash_keys) + 48 * 16 };
static_assert(sizeof(struct gcm_key_data) <= SA_KEY_BYTES, "GCM keys fit the SA");

union block {
	__m128i v;
	uint8_t b[16];
	uint64_t q[2];
};

int suite_gcm_expand(const struct suite *s, IMB_MGR *mb, const struct dp_keys *k, uint8_t *key)
{
	struct gcm_key_data *kd = (struct gcm_key_data *)key;

	switch (s->key_len) {
	case 16: IMB_AES128_GCM_PRE(mb, k->encr, kd); break;
	case 24: IMB_AES192_GCM_PRE(mb, k->encr, kd); break;
	default: IMB_AES256_GCM_PRE(mb, k->encr, kd); break;
	}
	return 0;
}

/* How the keys of a list are fetched ahead: of each packet's key the lines that it needs, the round keys, and from the end
 * of the hash key's powers one for each block of text, AAD and length.  The powers lie so where AVX512 and VAES are;
 * elsewhere there are only eight, right behind the round keys. */
struct ahead {
	uint32_t rounds_end;
	bool vaes;
	uint16_t next;  /* the first packet whose key has not been asked for */
	uint32_t lines; /* asked for, of packets whose turn has not come */
};

/* Lines of a packet's powers, and where they begin. */
static inline uint32_t powers(const struct ahead *a, uint32_t len, uint32_t *lines)
{
	uint32_t from, to;

	if (a->vaes) {
		from = HASH_END - 16 * RTE_MIN(len / 16 + 3, 48u);
		to = HASH_END;
	} else {
		from = offsetof(struct gcm_key_data, ghash_keys);
		to = from + 2 * 8 * 16;
	}
	from &= ~(LINE - 1u);
	*lines = (to - from + LINE - 1) / LINE;
	return from;
}

static inline void prefetch_key(struct ahead *a, const uint8_t *key, uint32_t len)
{
	uint32_t lines, from = powers(a, len, &lines);

	for (uint32_t i = 0; i < a->rounds_end; i += LINE)
		rte_prefetch0(key + i);
	for (uint32_t i = 0; i < lines; i++)
		rte_prefetch0(key + from + i * LINE);
	a->lines += lines + (a->rounds_end + LINE - 1) / LINE;
}

/* Packet i of n has its turn: ask for as many of the keys to come as there may be lines on their way.  Short packets,
 * which need few, are asked for from far, as their turns are short. */
static inline void look_ahead(struct ahead *a, const uint8_t *const *key, struct pkt *const *p, unsigned i,
			      unsigned n)
{
	uint32_t lines;

	if (a->next > i && i > 0 && key[i] != key[i - 1]) {
		(void)powers(a, p[i]->text_len, &lines);
		lines += (a->rounds_end + LINE - 1) / LINE;
		a->lines -= RTE_MIN(a->lines, lines);
	}
	while (a->next < n && a->lines < LINES_AHEAD) {
		if (a->next == 0 || key[a->next] != key[a->next - 1])
			prefetch_key(a, key[a->next], p[a->next]->text_len);
		a->next++;
	}
}

static inline bool has_vaes(const IMB_MGR *mb)
{
	const uint64_t need = IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ | IMB_FEATURE_AVX512_SKX;

	return (mb->features & need) == need;
}

/* salt | IV, with one store (RFC 4106 4) */
static inline __m128i nonce(uint32_t salt, uint64_t iv_be)
{
	return _mm_set_epi64x((int64_t)(iv_be >> 32), (int64_t)(iv_be << 32 | salt));
}

/* SPI | sequence number, high half first: the AAD with ESN (RFC 4106 5) */
static inline __m128i aad_esn(uint32_t spi_be, uint64_t seq)
{
	uint64_t seq_be = rte_cpu_to_be_64(seq);

	return _mm_set_epi64x((int64_t)(seq_be >> 32), (int64_t)(seq_be << 32 | spi_be));
}

static aes_gcm_enc_dec_t cipher(const IMB_MGR *mb, const struct suite *s, bool seal)
{
	switch (s->key_len) {
	case 16: return seal ? mb->gcm128_enc : mb->gcm128_dec;
	case 24: return seal ? mb->gcm192_enc : mb->gcm192_dec;
	default: return seal ? mb->gcm256_enc : mb->gcm256_dec;
	}
}

/* A list whose packets all have one key has nothing to fetch ahead.  Functions that have a parameter `many` know it
 * when they are compiled. */
static inline bool many_keys(const uint8_t *const *key, unsigned n)
{
	uintptr_t differs = 0;

	for (unsigned i = 1; i < n; i++)
		differs |= (uintptr_t)key[i] ^ (uintptr_t)key[0];
	return differs != 0;
}

static __rte_always_inline void seal_all(struct worker *w, const struct suite *s, struct pkt *const *p,
					 unsigned n, const uint8_t *const *key, bool many)
{
	alignas(LINE) union block iv[BURST_MAX], aad[BURST_MAX];
	aes_gcm_enc_dec_t enc = cipher(w->mb, s, true);
	struct ahead a = {.rounds_end = 16 * (7 + s->key_len / 4u), .vaes = has_vaes(w->mb)};
	const uint32_t front = ESP_HDR + s->iv_len, icv_len = s->icv_len;
	struct gcm_context_data ctx;
	uint8_t *text[BURST_MAX];

	if (many)
		look_ahead(&a, key, p, 0, n);
	for (unsigned i = 0; i < n; i++) {
		const struct sa_out *sa = p[many ? i : 0]->sa_out;
		uint8_t *esp = pkt_at(p[i], p[i]->esp_off);
		uint64_t iv_be = rte_cpu_to_be_64(p[i]->seq); /* never repeats under one key: RFC 4106 3.1 */

		text[i] = esp + front;
		memcpy(esp + ESP_HDR, &iv_be, sizeof(iv_be));
		_mm_store_si128(&iv[i].v, nonce(sa->salt, iv_be));
		if (unlikely(sa->flags & SA_ESN)) {
			uint32_t spi_be;

			memcpy(&spi_be, esp, sizeof(spi_be));
			_mm_store_si128(&aad[i].v, aad_esn(spi_be, p[i]->seq));
		}
	}
	for (unsigned i = 0; i < n; i++) {
		bool esn = p[many ? i : 0]->sa_out->flags & SA_ESN;
		uint32_t len = p[i]->text_len;

		if (many)
			look_ahead(&a, key, p, i, n);
		enc((const struct gcm_key_data *)key[many ? i : 0], &ctx, text[i], text[i], len, iv[i].b,
		    esn ? aad[i].b : text[i] - front, esn ? 12 : 8, text[i] + len, icv_len);
	}
}

bool suite_gcm_seal(struct worker *w, const struct suite *s, struct pkt **p, uint16_t n)
{
	const uint8_t *key[BURST_MAX];

	for (unsigned i = 0; i < n; i++)
		key[i] = p[i]->sa_out->key;
	if (many_keys(key, n))
		seal_all(w, s, p, n, key, true);
	else
		seal_all(w, s, p, n, key, false);
	return true;
}

/* No early exit: the time must not tell how many bytes were right. */
static inline bool tag_differs(const union block *tag, const uint8_t *icv, unsigned len)
{
	uint64_t a, b, differs;

	memcpy(&a, icv, 8);
	differs = a ^ tag->q[0];
	if (len == 16) {
		memcpy(&b, icv + 8, 8);
		differs |= b ^ tag->q[1];
	} else if (len == 12) {
		uint32_t c, d;

		memcpy(&c, icv + 8, 4);
		memcpy(&d, tag->b + 8, 4);
		differs |= c ^ d;
	}
	return differs != 0;
}

static __rte_always_inline bool open_all(struct worker *w, const struct suite *s, struct pkt *const *p,
					 unsigned n, const uint8_t *const *key, bool many)
{
	alignas(LINE) union block iv[BURST_MAX], aad[BURST_MAX], tag[BURST_MAX];
	aes_gcm_enc_dec_t dec = cipher(w->mb, s, false);
	struct ahead a = {.rounds_end = 16 * (7 + s->key_len / 4u), .vaes = has_vaes(w->mb)};
	const uint32_t front = ESP_HDR + s->iv_len, icv_len = s->icv_len;
	struct gcm_context_data ctx;
	uint8_t *text[BURST_MAX];
	bool all = true;

	if (many)
		look_ahead(&a, key, p, 0, n);
	for (unsigned i = 0; i < n; i++) {
		const struct sa_in *sa = p[many ? i : 0]->sa_in;
		uint8_t *esp = pkt_at(p[i], p[i]->esp_off);
		uint64_t iv_be;

		text[i] = esp + front;
		memcpy(&iv_be, esp + ESP_HDR, sizeof(iv_be));
		_mm_store_si128(&iv[i].v, nonce(sa->salt, iv_be));
		if (unlikely(sa->flags & SA_ESN))
			_mm_store_si128(&aad[i].v, aad_esn(rte_cpu_to_be_32(p[i]->spi), p[i]->seq));
	}
	for (unsigned i = 0; i < n; i++) {
		bool esn = p[many ? i : 0]->sa_in->flags & SA_ESN;

		if (many)
			look_ahead(&a, key, p, i, n);
		dec((const struct gcm_key_data *)key[many ? i : 0], &ctx, text[i], text[i], p[i]->text_len,
		    iv[i].b, esn ? aad[i].b : text[i] - front, esn ? 12 : 8, tag[i].b, icv_len);
	}
	for (unsigned i = 0; i < n; i++)
		if (unlikely(tag_differs(&tag[i], text[i] + p[i]->text_len, icv_len))) {
			p[i]->drop = DROP_ESP_AUTH;
			all = false;
		}
	return all;
}

bool suite_gcm_open(struct worker *w, const struct suite *s, struct pkt **p, uint16_t n)
{
	const uint8_t *key[BURST_MAX];

	for (unsigned i = 0; i < n; i++)
		key[i] = p[i]->sa_in->key;
	return many_keys(key, n) ? open_all(w, s, p, n, key, true) : open_all(w, s, p, n, key, false);
}
