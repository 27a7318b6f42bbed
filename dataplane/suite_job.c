/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The suites of intel-ipsec-mb's job API: AES-CBC, AES-CTR and NULL with HMAC, ChaCha20-Poly1305.
 *
 * All packets of a list are submitted before any is waited for, so that they fill the library's lanes
 * whatever SA they belong to; then everything is flushed.  Jobs may come back in any order: each names
 * its packet, and the list keeps its own order.  A packet counts as failed until its job says
 * otherwise.
 */
#include <emmintrin.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <rte_byteorder.h>

#include "suite.h"

/* What lies in an SA's key area. */
struct job_key {
	alignas(16) uint8_t enc[16 * 15]; /* AES round keys, or the ChaCha20 key as it is */
	alignas(16) uint8_t dec[16 * 15];
	alignas(16) uint8_t ipad[64], opad[64];
	alignas(16) uint8_t iv[16 * 11]; /* CBC: expanded key of its own that makes IVs */
};
static_assert(sizeof(struct job_key) <= SA_KEY_BYTES, "AES and HMAC keys fit the SA");

static bool is_aead(const struct suite *s)
{
	return s->id.encr == DP_CHACHA20_POLY1305;
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* State of the hash after the key block XOR `pad` (RFC 2104), where HMAC starts. */
static void hmac_pad(IMB_MGR *mb, enum dp_integ integ, const struct dp_keys *k, uint8_t pad, uint8_t *state)
{
	alignas(16) uint8_t block[128];

	memset(block, pad, sizeof(block));
	for (unsigned i = 0; i < k->integ_len; i++)
		block[i] ^= k->integ[i];
	switch (integ) {
	case DP_HMAC_SHA1_96: IMB_SHA1_ONE_BLOCK(mb, block, state); break;
	case DP_HMAC_SHA256_128: IMB_SHA256_ONE_BLOCK(mb, block, state); break;
	case DP_HMAC_SHA384_192: IMB_SHA384_ONE_BLOCK(mb, block, state); break;
	case DP_HMAC_SHA512_256: IMB_SHA512_ONE_BLOCK(mb, block, state); break;
	case DP_INTEG_NONE: break;
	}
	imb_clear_mem(block, sizeof(block));
}

static void aes_expand(IMB_MGR *mb, const uint8_t *key, uint8_t len, void *enc, void *dec)
{
	switch (len) {
	case 16: IMB_AES_KEYEXP_128(mb, key, enc, dec); break;
	case 24: IMB_AES_KEYEXP_192(mb, key, enc, dec); break;
	default: IMB_AES_KEYEXP_256(mb, key, enc, dec); break;
	}
}

int suite_job_expand(const struct suite *s, IMB_MGR *mb, const struct dp_keys *k, uint8_t *key)
{
	struct job_key *jk = (struct job_key *)key;
	uint8_t r[16], unused[16 * 11] __attribute__((aligned(16)));

	switch (s->id.encr) {
	case DP_AES_CBC:
		if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
			return -EIO;
		IMB_AES_KEYEXP_128(mb, r, jk->iv, unused);
		imb_clear_mem(r, sizeof(r));
		imb_clear_mem(unused, sizeof(unused));
		aes_expand(mb, k->encr, s->key_len, jk->enc, jk->dec);
		break;
	case DP_AES_CTR: aes_expand(mb, k->encr, s->key_len, jk->enc, jk->dec); break;
	case DP_CHACHA20_POLY1305: memcpy(jk->enc, k->encr, s->key_len); break;
	default: break;
	}
	hmac_pad(mb, s->id.integ, k, 0x36, jk->ipad);
	hmac_pad(mb, s->id.integ, k, 0x5c, jk->opad);
	return 0;
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static IMB_HASH_ALG hash_alg(const struct suite *s)
{
	switch (s->id.integ) {
	case DP_HMAC_SHA1_96: return IMB_AUTH_HMAC_SHA_1;
	case DP_HMAC_SHA256_128: return IMB_AUTH_HMAC_SHA_256;
	case DP_HMAC_SHA384_192: return IMB_AUTH_HMAC_SHA_384;
	case DP_HMAC_SHA512_256: return IMB_AUTH_HMAC_SHA_512;
	case DP_INTEG_NONE: break;
	}
	return IMB_AUTH_CHACHA20_POLY1305;
}

static IMB_CIPHER_MODE cipher_mode(const struct suite *s)
{
	switch (s->id.encr) {
	case DP_AES_CBC: return IMB_CIPHER_CBC;
	case DP_AES_CTR: return IMB_CIPHER_CNTR;
	case DP_ENCR_NULL: return IMB_CIPHER_NULL;
	default: return IMB_CIPHER_CHACHA20_POLY1305;
	}
}

union block {
	__m128i v;
	uint8_t b[16];
};

/* What the jobs of one list point to while they are in flight. */
struct scratch {
	alignas(64) union block iv[BURST_MAX], aad[BURST_MAX];
	uint8_t tag[BURST_MAX][ICV_MAX], icv[BURST_MAX][ICV_MAX];
};

struct ctx { /* constant over a list */
	const struct suite *s;
	bool seal;
	IMB_HASH_ALG hash;
	IMB_CIPHER_MODE mode;
	struct scratch *t;
};

/* Fill one job.  With ESN and HMAC the high half of the sequence number counts as if it stood behind the
 * ciphertext (RFC 4303 2.2.1): it is put where the ICV goes, which has been saved or comes later. */
static void job_fill(IMB_JOB *j, const struct ctx *c, struct pkt *p, unsigned i, const struct job_key *k,
		     bool esn, uint8_t *tag)
{
	const struct suite *s = c->s;
	uint8_t *esp = pkt_at(p, p->esp_off);
	uint32_t len = p->text_len, text = ESP_HDR + s->iv_len;

	j->enc_keys = k->enc;
	j->dec_keys = s->id.encr == DP_AES_CBC ? k->dec : k->enc;
	j->key_len_in_bytes = s->key_len;
	j->src = esp;
	j->dst = esp + text;
	j->cipher_start_src_offset_in_bytes = text;
	j->msg_len_to_cipher_in_bytes = len;
	j->iv = s->id.encr == DP_AES_CBC ? esp + ESP_HDR : c->t->iv[i].b;
	j->iv_len_in_bytes = s->id.encr == DP_AES_CBC ? 16 : 12;
	j->auth_tag_output = tag;
	j->auth_tag_output_len_in_bytes = s->icv_len;
	j->cipher_mode = c->mode;
	j->cipher_direction = c->seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
	j->chain_order = c->seal ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
	j->hash_alg = c->hash;
	j->user_data = p;
	if (is_aead(s)) {
		j->hash_start_src_offset_in_bytes = text;
		j->msg_len_to_hash_in_bytes = len;
		j->u.CHACHA20_POLY1305.aad = esn ? c->t->aad[i].b : esp;
		j->u.CHACHA20_POLY1305.aad_len_in_bytes = esn ? 12 : 8;
		return;
	}
	j->hash_start_src_offset_in_bytes = 0;
	j->msg_len_to_hash_in_bytes = text + len;
	if (esn) {
		uint32_t high = rte_cpu_to_be_32((uint32_t)(p->seq >> 32));

		memcpy(esp + text + len, &high, sizeof(high));
		j->msg_len_to_hash_in_bytes += sizeof(high);
	}
	j->u.HMAC._hashed_auth_key_xor_ipad = k->ipad;
	j->u.HMAC._hashed_auth_key_xor_opad = k->opad;
}

static void job_done(const IMB_JOB *j)
{
	struct pkt *p = j->user_data;

	if (likely(j->status == IMB_STATUS_COMPLETED))
		p->drop = DROP_NONE;
}

static void submit(IMB_MGR *mb)
{
	IMB_JOB *j = IMB_SUBMIT_JOB_NOCHECK(mb);

	while (j) {
		job_done(j);
		j = IMB_GET_COMPLETED_JOB(mb);
	}
}

static void flush(IMB_MGR *mb)
{
	IMB_JOB *j;

	while ((j = IMB_FLUSH_JOB(mb)) != NULL)
		job_done(j);
}

static bool all_done(struct pkt *const *p, uint16_t n)
{
	uint8_t drop = DROP_NONE;

	for (uint16_t i = 0; i < n; i++)
		drop |= p[i]->drop;
	return drop == DROP_NONE;
}
static_assert(DROP_NONE == 0, "no bit of a reason is set");

/* salt | IV with one store; for CTR the library appends the block counter 1 (RFC 3686 4) */
static void nonce_set(struct scratch *t, unsigned i, uint32_t salt, uint64_t iv_be)
{
	_mm_store_si128(&t->iv[i].v, _mm_set_epi64x((int64_t)(iv_be >> 32), (int64_t)(iv_be << 32 | salt)));
}

/* SPI | sequence number, high half first (RFC 7634 2.1) */
static void aad_set(struct scratch *t, unsigned i, uint32_t spi_be, uint64_t seq)
{
	uint64_t seq_be = rte_cpu_to_be_64(seq);

	_mm_store_si128(&t->aad[i].v,
			_mm_set_epi64x((int64_t)(seq_be >> 32), (int64_t)(seq_be << 32 | spi_be)));
}

/* CBC wants IVs that nobody can predict (RFC 3602 3): the sequence number, which does not repeat,
 * encrypted under a random key that serves nothing else (SP 800-38A appendix C).  Encrypting zeros in
 * CFB with a one-block "IV" is the library's way to say AES of one block. */
static void cbc_iv(IMB_MGR *mb, const struct job_key *k, uint64_t seq, uint8_t *iv)
{
	static const uint8_t zero[16] __attribute__((aligned(16)));
	union block in = {.v = _mm_set_epi64x(0, (int64_t)seq)};

	IMB_AES128_CFB_ONE(mb, iv, zero, in.b, k->iv, 16);
}

/* The packets' places, the longest first.  A lane that has a long text alone at the end keeps the whole machine waiting:
 * begun early, it has company all the way. */
static void longest_first(struct pkt *const *p, uint16_t n, uint8_t order[BURST_MAX])
{
	enum { CLASSES = 32, SHIFT = 6 };
	uint8_t at[CLASSES + 1] = {0}, class[BURST_MAX];

	for (unsigned i = 0; i < n; i++) {
		class[i] = (uint8_t)(CLASSES - 1 - RTE_MIN(p[i]->text_len >> SHIFT, CLASSES - 1));
		at[class[i] + 1]++;
	}
	for (unsigned i = 1; i <= CLASSES; i++)
		at[i] = (uint8_t)(at[i] + at[i - 1]);
	for (unsigned i = 0; i < n; i++)
		order[at[class[i]]++] = (uint8_t)i;
}

bool suite_job_seal(struct worker *w, const struct suite *s, struct pkt **p, uint16_t n)
{
	struct scratch t;
	struct ctx c = {.s = s, .seal = true, .hash = hash_alg(s), .mode = cipher_mode(s), .t = &t};
	uint8_t order[BURST_MAX];

	for (uint16_t i = 0; i < n; i++) {
		const struct sa_out *sa = p[i]->sa_out;
		uint8_t *esp = pkt_at(p[i], p[i]->esp_off);
		uint64_t iv_be = rte_cpu_to_be_64(p[i]->seq);

		p[i]->drop = DROP_ESP_CRYPTO;
		if (s->id.encr == DP_AES_CBC) {
			cbc_iv(w->mb, (const struct job_key *)sa->key, p[i]->seq, esp + ESP_HDR);
			continue;
		}
		nonce_set(&t, i, sa->salt, iv_be);
		memcpy(esp + ESP_HDR, &iv_be, s->iv_len ? sizeof(iv_be) : 0);
		if (is_aead(s) && sa->flags & SA_ESN) {
			uint32_t spi_be;

			memcpy(&spi_be, esp, sizeof(spi_be));
			aad_set(&t, i, spi_be, p[i]->seq);
		}
	}
	longest_first(p, n, order);
	for (uint16_t k = 0; k < n; k++) {
		unsigned i = order[k];
		const struct sa_out *sa = p[i]->sa_out;

		job_fill(IMB_GET_NEXT_JOB(w->mb), &c, p[i], i, (const struct job_key *)sa->key,
			 sa->flags & SA_ESN, suite_icv(s, p[i]));
		submit(w->mb);
	}
	flush(w->mb);
	return all_done(p, n);
}

/* No early exit: the time must not tell how many bytes were right.  len is a multiple of 4. */
static bool tag_differs(const uint8_t *a, const uint8_t *b, unsigned len)
{
	uint32_t differs = 0;

	for (unsigned i = 0; i < len; i += 4) {
		uint32_t x, y;

		memcpy(&x, a + i, 4);
		memcpy(&y, b + i, 4);
		differs |= x ^ y;
	}
	return differs != 0;
}

bool suite_job_open(struct worker *w, const struct suite *s, struct pkt **p, uint16_t n)
{
	struct scratch t;
	struct ctx c = {.s = s, .seal = false, .hash = hash_alg(s), .mode = cipher_mode(s), .t = &t};
	uint8_t order[BURST_MAX];

	for (uint16_t i = 0; i < n; i++) {
		const struct sa_in *sa = p[i]->sa_in;
		const uint8_t *esp = pkt_at(p[i], p[i]->esp_off);
		uint64_t iv_be;

		p[i]->drop = DROP_ESP_CRYPTO;
		memcpy(t.icv[i], suite_icv(s, p[i]), s->icv_len);
		memcpy(&iv_be, esp + ESP_HDR, sizeof(iv_be)); /* of no use to CBC and NULL, but there */
		nonce_set(&t, i, sa->salt, iv_be);
		if (is_aead(s) && sa->flags & SA_ESN)
			aad_set(&t, i, rte_cpu_to_be_32(p[i]->spi), p[i]->seq);
	}
	longest_first(p, n, order);
	for (uint16_t k = 0; k < n; k++) {
		unsigned i = order[k];
		const struct sa_in *sa = p[i]->sa_in;

		job_fill(IMB_GET_NEXT_JOB(w->mb), &c, p[i], i, (const struct job_key *)sa->key,
			 sa->flags & SA_ESN, t.tag[i]);
		submit(w->mb);
	}
	flush(w->mb);
	for (uint16_t i = 0; i < n; i++) {
		if (p[i]->drop == DROP_NONE && unlikely(tag_differs(t.tag[i], t.icv[i], s->icv_len)))
			p[i]->drop = DROP_ESP_AUTH;
	}
	return all_done(p, n);
}
