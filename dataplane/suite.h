/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ESP suites: what intel-ipsec-mb does for an SA, one table entry each.
 *
 * AES-GCM and GMAC go through the direct per-packet calls (suite_gcm.c, suite_gmac.c), which are the
 * fastest at every size; the others through the job API (suite_job.c), where the packets of a list fill
 * the lanes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "burst.h"
#include "dp_api.h"
#include "sa.h"
#include "worker.h"

enum { ESP_HDR = 8, ICV_MAX = 32 };

struct suite {
	alignas(64) struct dp_suite id; /* a line each: an index is a shift */
	const char *name;               /* "AES256-GCM16" */
	uint8_t key_len, salt_len, integ_key_len;
	uint8_t iv_len, icv_len;
	uint8_t block; /* ciphertext is a multiple of this: 4 for stream ciphers, 16 for CBC */
	/* Expand keys of the right lengths into an SA's key area (SA_KEY_BYTES, 64-byte aligned).
	 * 0, or -EIO when the system has no random numbers. */
	int (*expand)(const struct suite *s, IMB_MGR *mb, const struct dp_keys *k, uint8_t *key);
	/* Write the IV, encrypt and authenticate in place.  All p have this suite; sa_out, esp_off, seq and
	 * ip_len and text_len are set, the plaintext stands with its padding and trailer behind the room for the IV,
	 * and ip_len counts the room for the ICV.  p->drop is DROP_NONE before; what fails gets
	 * DROP_ESP_CRYPTO, and then false is returned. */
	bool (*seal)(struct worker *w, const struct suite *s, struct pkt **p, uint16_t n);
	/* Verify and decrypt in place; sa_in, esp_off, seq, ip_len and text_len are set, and lengths were checked.
	 * p->drop is DROP_NONE before; what fails gets DROP_ESP_AUTH or DROP_ESP_CRYPTO, and then false is
	 * returned.  Tags are compared in constant time. */
	bool (*open)(struct worker *w, const struct suite *s, struct pkt **p, uint16_t n);
};

extern const struct suite suite_table[];
extern const unsigned suite_count;

static inline const struct suite *suite_at(uint8_t index)
{
	return &suite_table[index];
}

/* NULL: no such suite in this build. */
const struct suite *suite_find(const struct dp_suite *id);
/* Do these keys have the lengths that the suite wants? */
bool suite_keys_fit(const struct suite *s, const struct dp_keys *k);
/* Bytes of ciphertext between IV and ICV, from ip_len: what text_len is to be. */
static inline uint32_t suite_text_len(const struct suite *s, const struct pkt *p)
{
	return (uint32_t)p->l3_off + p->ip_len - p->esp_off - ESP_HDR - s->iv_len - s->icv_len;
}

/* Where the ICV stands. */
static inline uint8_t *suite_icv(const struct suite *s, const struct pkt *p)
{
	return pkt_at(p, 0) + p->l3_off + p->ip_len - s->icv_len;
}

int suite_gcm_expand(const struct suite *s, IMB_MGR *mb, const struct dp_keys *k, uint8_t *key);
bool suite_gcm_seal(struct worker *w, const struct suite *s, struct pkt **p, uint16_t n);
bool suite_gcm_open(struct worker *w, const struct suite *s, struct pkt **p, uint16_t n);
bool suite_gmac_seal(struct worker *w, const struct suite *s, struct pkt **p, uint16_t n);
bool suite_gmac_open(struct worker *w, const struct suite *s, struct pkt **p, uint16_t n);
int suite_job_expand(const struct suite *s, IMB_MGR *mb, const struct dp_keys *k, uint8_t *key);
bool suite_job_seal(struct worker *w, const struct suite *s, struct pkt **p, uint16_t n);
bool suite_job_open(struct worker *w, const struct suite *s, struct pkt **p, uint16_t n);
