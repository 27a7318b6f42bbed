/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ESP suites: what intel-ipsec-mb does for an SA, one table entry each.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "burst.h"
#include "dp_api.h"
#include "worker.h"

struct suite {
	struct dp_suite id;
	const char *name;      /* "AES256-GCM16" */
	uint8_t key_len, salt_len, integ_key_len;
	uint8_t iv_len, icv_len;
	uint8_t block;         /* ciphertext is a multiple of this: 4 for counter modes, 16 for CBC */
	/* Expand keys into an SA's key area (SA_KEY_BYTES, 64-byte aligned). */
	void (*expand)(IMB_MGR *mb, const struct dp_keys *k, uint8_t *key);
	/* Encrypt and authenticate in place. All p have this suite; esp_off, seq and the plaintext with
	 * its padding and trailer are set, room for the ICV is behind it. */
	void (*seal)(struct worker *w, struct pkt **p, uint16_t n);
	/* Verify and decrypt in place; sets p->drop = DROP_ESP_AUTH on what fails.  The tag is compared
	 * in constant time. */
	void (*open)(struct worker *w, struct pkt **p, uint16_t n);
};

/* NULL: no such suite in this build. */
const struct suite *suite_find(const struct dp_suite *id);
