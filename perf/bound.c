/* SPDX-License-Identifier: Apache-2.0 */
#include "bound.h"

#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "dp.h"
#include "rig.h"

enum { AHEAD = 4, LINE = 64, POWERS = 48, ICV_ROOM = 32, AAD = ESP_HDR, GCM_IV = 8 };

/* What one key takes. */
union bound_key {
	alignas(64) struct gcm_key_data gcm;
	struct {
		alignas(64) uint8_t enc[240], dec[240], ipad[64], opad[64];
	} job;
};

static union bound_key *key;
static uint32_t n_keys;
static IMB_MGR *mb;

/* One run: where everything is. */
static struct {
	uint8_t *esp, *text;
	const union bound_key *key;
	uint32_t len;
} work[FRAMES];
static alignas(64) uint8_t iv[FRAMES][16], tag[FRAMES][ICV_ROOM];

/* ---- keys ------------------------------------------------------------------------------------ */

static bool is_gcm(const struct suite *s)
{
	return s->id.encr == DP_AES_GCM_16 || s->id.encr == DP_AES_GCM_12 || s->id.encr == DP_AES_GCM_8;
}

static bool is_gmac(const struct suite *s)
{
	return s->id.encr == DP_AES_GMAC;
}

static bool has_hmac(const struct suite *s)
{
	return s->id.integ != DP_INTEG_NONE;
}

static void expand(const struct suite *s, const uint8_t *raw, union bound_key *k)
{
	if (is_gcm(s) || is_gmac(s)) {
		switch (s->key_len) {
		case 16: IMB_AES128_GCM_PRE(mb, raw, &k->gcm); break;
		case 24: IMB_AES192_GCM_PRE(mb, raw, &k->gcm); break;
		default: IMB_AES256_GCM_PRE(mb, raw, &k->gcm); break;
		}
		return;
	}
	switch (s->key_len) {
	case 16: IMB_AES_KEYEXP_128(mb, raw, k->job.enc, k->job.dec); break;
	case 24: IMB_AES_KEYEXP_192(mb, raw, k->job.enc, k->job.dec); break;
	default: IMB_AES_KEYEXP_256(mb, raw, k->job.enc, k->job.dec); break;
	}
	if (s->id.encr == DP_CHACHA20_POLY1305)
		memcpy(k->job.enc, raw, s->key_len);
	/* Any state of the hash costs the same. */
	memset(k->job.ipad, raw[0], sizeof(k->job.ipad));
	memset(k->job.opad, raw[1], sizeof(k->job.opad));
}

void bound_keys(const struct suite *s, uint32_t n)
{
	mb = dp.worker[0]->mb;
	n_keys = n;
	key = rte_zmalloc("bound", n * sizeof(*key), RTE_CACHE_LINE_SIZE);
	if (!key)
		die("no memory for %u keys", n);
	for (uint32_t i = 0; i < n; i++) {
		uint8_t raw[32];

		for (unsigned b = 0; b < sizeof(raw); b++)
			raw[b] = (uint8_t)random();
		expand(s, raw, &key[i]);
	}
}

void bound_free(void)
{
	rte_free(key);
	key = NULL;
}

/* ---- direct calls ---------------------------------------------------------------------------- */

static aes_gcm_enc_dec_t gcm_call(const struct traffic *t)
{
	bool enc = !t->inbound || is_gmac(t->suite);

	switch (t->suite->key_len) {
	case 16: return enc ? mb->gcm128_enc : mb->gcm128_dec;
	case 24: return enc ? mb->gcm192_enc : mb->gcm192_dec;
	default: return enc ? mb->gcm256_enc : mb->gcm256_dec;
	}
}

/* The round keys, and of the hash key's powers as many as the packet has blocks: they count from the end where
 * the library uses VAES, and are eight elsewhere. */
static inline void fetch_gcm(const struct suite *s, unsigned i, bool vaes)
{
	const uint8_t *k = (const uint8_t *)work[i].key;
	uint32_t rounds = 16 * (7 + s->key_len / 4), powers = offsetof(struct gcm_key_data, ghash_keys);
	uint32_t end = powers + (vaes ? POWERS * 16 : 2 * 8 * 16), from = powers;

	if (vaes)
		from = end - 16 * RTE_MIN(work[i].len / 16 + 3, (uint32_t)POWERS);
	for (uint32_t at = 0; at < rounds; at += LINE)
		rte_prefetch0(k + at);
	for (uint32_t at = from & ~(LINE - 1u); at < end; at += LINE)
		rte_prefetch0(k + at);
}

/* The tag goes behind the text, as it has to, or beside the one that came. */
static inline void gcm_one(const struct traffic *t, aes_gcm_enc_dec_t call, unsigned i)
{
	const struct suite *s = t->suite;
	struct gcm_context_data ctx;
	uint8_t *out = t->inbound ? tag[i] : work[i].text + work[i].len;

	if (is_gmac(s))
		call(&work[i].key->gcm, &ctx, work[i].esp, work[i].esp, 0, iv[i], work[i].esp,
		     AAD + GCM_IV + work[i].len, out, s->icv_len);
	else
		call(&work[i].key->gcm, &ctx, work[i].text, work[i].text, work[i].len, iv[i], work[i].esp,
		     AAD, out, s->icv_len);
}

static void gcm_direct(const struct traffic *t)
{
	aes_gcm_enc_dec_t call = gcm_call(t);

	for (unsigned i = 0; i < FRAMES; i++)
		gcm_one(t, call, i);
}

static void gcm_ahead(const struct traffic *t)
{
	const uint64_t need = IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ | IMB_FEATURE_AVX512_SKX;
	bool vaes = (mb->features & need) == need;
	aes_gcm_enc_dec_t call = gcm_call(t);

	for (unsigned i = 0; i < AHEAD; i++)
		fetch_gcm(t->suite, i, vaes);
	for (unsigned i = 0; i < FRAMES; i++) {
		if (i + AHEAD < FRAMES)
			fetch_gcm(t->suite, i + AHEAD, vaes);
		gcm_one(t, call, i);
	}
}

static bool can_gcm(const struct suite *s)
{
	return is_gcm(s) || is_gmac(s);
}

static bool can_gcm_ahead(const struct suite *s)
{
	return can_gcm(s) && n_keys > 1;
}

static void chacha_direct(const struct traffic *t)
{
	for (unsigned i = 0; i < FRAMES; i++) {
		struct chacha20_poly1305_context_data ctx;
		uint8_t *out = t->inbound ? tag[i] : work[i].text + work[i].len;

		IMB_CHACHA20_POLY1305_INIT(mb, work[i].key->job.enc, &ctx, iv[i], work[i].esp, AAD);
		if (t->inbound)
			IMB_CHACHA20_POLY1305_DEC_UPDATE(mb, work[i].key->job.enc, &ctx, work[i].text,
							 work[i].text, work[i].len);
		else
			IMB_CHACHA20_POLY1305_ENC_UPDATE(mb, work[i].key->job.enc, &ctx, work[i].text,
							 work[i].text, work[i].len);
		IMB_CHACHA20_POLY1305_ENC_FINALIZE(mb, &ctx, out, t->suite->icv_len);
	}
}

static bool can_chacha(const struct suite *s)
{
	return s->id.encr == DP_CHACHA20_POLY1305;
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
	return is_gcm(s) ? IMB_AUTH_AES_GMAC : IMB_AUTH_CHACHA20_POLY1305;
}

static IMB_CIPHER_MODE cipher_mode(const struct suite *s)
{
	switch (s->id.encr) {
	case DP_AES_CBC: return IMB_CIPHER_CBC;
	case DP_AES_CTR: return IMB_CIPHER_CNTR;
	case DP_ENCR_NULL: return IMB_CIPHER_NULL;
	case DP_CHACHA20_POLY1305: return IMB_CIPHER_CHACHA20_POLY1305;
	default: return IMB_CIPHER_GCM;
	}
}

static void job_fill(IMB_JOB *j, const struct traffic *t, unsigned i)
{
	const struct suite *s = t->suite;
	const union bound_key *k = work[i].key;
	uint32_t text = ESP_HDR + s->iv_len;

	j->enc_keys = k->job.enc;
	j->dec_keys = s->id.encr == DP_AES_CBC ? k->job.dec : k->job.enc;
	j->key_len_in_bytes = s->key_len;
	j->src = work[i].esp;
	j->dst = work[i].text;
	j->cipher_start_src_offset_in_bytes = text;
	j->msg_len_to_cipher_in_bytes = work[i].len;
	j->iv = iv[i];
	j->iv_len_in_bytes = s->id.encr == DP_AES_CBC ? 16 : 12;
	j->auth_tag_output = tag[i];
	j->auth_tag_output_len_in_bytes = s->icv_len;
	j->cipher_mode = cipher_mode(s);
	j->cipher_direction = t->inbound ? IMB_DIR_DECRYPT : IMB_DIR_ENCRYPT;
	j->chain_order = t->inbound ? IMB_ORDER_HASH_CIPHER : IMB_ORDER_CIPHER_HASH;
	j->hash_alg = hash_alg(s);
	if (has_hmac(s)) {
		j->hash_start_src_offset_in_bytes = 0;
		j->msg_len_to_hash_in_bytes = text + work[i].len;
		j->u.HMAC._hashed_auth_key_xor_ipad = k->job.ipad;
		j->u.HMAC._hashed_auth_key_xor_opad = k->job.opad;
		return;
	}
	j->hash_start_src_offset_in_bytes = text;
	j->msg_len_to_hash_in_bytes = work[i].len;
	if (is_gcm(s)) {
		j->u.GCM.aad = work[i].esp;
		j->u.GCM.aad_len_in_bytes = AAD;
	} else {
		j->u.CHACHA20_POLY1305.aad = work[i].esp;
		j->u.CHACHA20_POLY1305.aad_len_in_bytes = AAD;
	}
}

static void submit(const struct traffic *t, unsigned i)
{
	job_fill(IMB_GET_NEXT_JOB(mb), t, i);
	IMB_SUBMIT_JOB_NOCHECK(mb);
	while (IMB_GET_COMPLETED_JOB(mb))
		;
}

static void flush(void)
{
	while (IMB_FLUSH_JOB(mb))
		;
}

/* A burst must be whole before it can leave. */
static void jobs(const struct traffic *t)
{
	for (unsigned i = 0; i < FRAMES; i++) {
		submit(t, i);
		if (i % BURST_MAX == BURST_MAX - 1)
			flush();
	}
}

/* Lanes never run empty; nobody could forward so, but it is what the library can do. */
static void jobs_all(const struct traffic *t)
{
	for (unsigned i = 0; i < FRAMES; i++)
		submit(t, i);
	flush();
}

static bool can_job(const struct suite *s)
{
	return !is_gmac(s);
}

/* Of the later library, which wants to know beforehand what a burst's job is about. */
static void name_session(IMB_JOB *j)
{
#if IMB_VERSION_NUM > IMB_VERSION(1, 3, 0)
	(void)imb_set_session(mb, j);
#endif
}

static void job_bursts(const struct traffic *t)
{
	for (unsigned b = 0; b < BURSTS; b++) {
		IMB_JOB *j[BURST_MAX];

		while (IMB_GET_NEXT_BURST(mb, BURST_MAX, j) < BURST_MAX)
			IMB_FLUSH_BURST(mb, BURST_MAX, j);
		for (unsigned k = 0; k < BURST_MAX; k++) {
			job_fill(j[k], t, b * BURST_MAX + k);
			name_session(j[k]);
		}
		IMB_SUBMIT_BURST_NOCHECK(mb, BURST_MAX, j);
		while (IMB_FLUSH_BURST(mb, BURST_MAX, j))
			;
	}
}

/* Cipher and hash in bursts of their own, in the order of the direction. */
static void two_bursts(const struct traffic *t)
{
	const struct suite *s = t->suite;
	IMB_CIPHER_DIRECTION way = t->inbound ? IMB_DIR_DECRYPT : IMB_DIR_ENCRYPT;
	static IMB_JOB j[BURST_MAX];

	for (unsigned b = 0; b < BURSTS; b++) {
		for (unsigned k = 0; k < BURST_MAX; k++)
			job_fill(&j[k], t, b * BURST_MAX + k);
		if (s->key_len && !t->inbound)
			IMB_SUBMIT_CIPHER_BURST_NOCHECK(mb, j, BURST_MAX, cipher_mode(s), way, s->key_len);
		IMB_SUBMIT_HASH_BURST_NOCHECK(mb, j, BURST_MAX, hash_alg(s));
		if (s->key_len && t->inbound)
			IMB_SUBMIT_CIPHER_BURST_NOCHECK(mb, j, BURST_MAX, cipher_mode(s), way, s->key_len);
	}
}

/* Asked of the library itself, with checks on. */
static bool can_two_bursts(const struct suite *s)
{
	struct traffic t = {.suite = s};
	IMB_JOB j = {0};

	if (!has_hmac(s))
		return false;
	job_fill(&j, &t, 0);
	if (s->key_len &&
	    IMB_SUBMIT_CIPHER_BURST(mb, &j, 1, cipher_mode(s), IMB_DIR_ENCRYPT, s->key_len) != 1)
		return false;
	return IMB_SUBMIT_HASH_BURST(mb, &j, 1, hash_alg(s)) == 1;
}

/* ---- choosing -------------------------------------------------------------------------------- */

static const struct bound_way ways[] = {
	{"direct call", can_gcm, gcm_direct, true},
	{"direct call, keys ahead", can_gcm_ahead, gcm_ahead, true},
	{"direct calls", can_chacha, chacha_direct, true},
	{"jobs, a burst in flight", can_job, jobs},
	{"jobs, all in flight", can_job, jobs_all},
	{"job bursts", can_job, job_bursts},
	{"cipher and hash bursts", can_two_bursts, two_bursts},
};

static void lay_out(const struct traffic *t)
{
	static uint64_t nonce;

	for (unsigned i = 0; i < FRAMES; i++) {
		work[i].esp = frames_esp(t, i);
		work[i].text = work[i].esp + ESP_HDR + t->suite->iv_len;
		work[i].len = frames_text_len(t, i);
		work[i].key = &key[n_keys > 1 ? (uint32_t)random() % n_keys : 0];
		nonce++;
		memcpy(iv[i] + 4, &nonce, sizeof(nonce));
	}
}

static uint64_t fnv(uint64_t h, const uint8_t *b, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		h = (h ^ b[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* What a way makes of texts that are always the same. */
static uint64_t outcome(const struct bound_way *way, const struct traffic *t)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (unsigned i = 0; i < FRAMES; i++)
		memset(work[i].esp, (int)i, ESP_HDR + t->suite->iv_len + work[i].len);
	memset(tag, 0, sizeof(tag));
	way->run(t);
	for (unsigned i = 0; i < FRAMES; i++) {
		bool behind = way->tag_in_place && !t->inbound;

		h = fnv(h, work[i].text, work[i].len);
		h = fnv(h, behind ? work[i].text + work[i].len : tag[i], t->suite->icv_len);
	}
	return h;
}

void bound_agree(const struct traffic *t)
{
	uint64_t first = 0;
	bool any = false;

	frames_fill(t);
	lay_out(t);
	for (unsigned i = 0; i < RTE_DIM(ways); i++) {
		uint64_t h;

		if (!ways[i].can(t->suite))
			continue;
		h = outcome(&ways[i], t);
		if (any && h != first)
			die("%s: the library's ways differ: %s", t->suite->name, ways[i].name);
		first = h;
		any = true;
	}
}

uint64_t bound_run(const struct bound_way *way, const struct traffic *t)
{
	uint64_t start;

	lay_out(t);
	start = rte_rdtsc_precise();
	way->run(t);
	return rte_rdtsc_precise() - start;
}

const struct bound_way *bound_choose(const struct traffic *t, unsigned tries)
{
	const struct bound_way *best = NULL;
	uint64_t least = UINT64_MAX;

	frames_fill(t);
	lay_out(t);
	for (unsigned i = 0; i < RTE_DIM(ways); i++) {
		uint64_t cheapest = UINT64_MAX;

		if (!ways[i].can(t->suite))
			continue;
		for (unsigned k = 0; k < tries; k++) {
			uint64_t cost = bound_run(&ways[i], t);

			cheapest = RTE_MIN(cheapest, cost);
		}
		if (cheapest < least) {
			least = cheapest;
			best = &ways[i];
		}
	}
	return best;
}
