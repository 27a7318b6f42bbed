/* SPDX-License-Identifier: Apache-2.0 */
/* SA payloads: offering, choosing, and saying what was wrong (RFC 7296 2.7, 3.3). */
#pragma once

#include "ike_conf.h"
#include "rd.h"
#include "wire.h"
#include "wr.h"

enum { PROPOSALS_MAX = 32, TRANSFORMS_MAX = 64 };

struct transform {
	uint8_t type;
	uint16_t id, key_bits;
};

/* One proposal as offered. */
struct proposal {
	uint8_t num, protocol, spi_len;
	uint8_t spi[8];
	uint8_t n;
	struct transform t[TRANSFORMS_MAX];
};

struct proposals {
	uint8_t n;
	struct proposal p[PROPOSALS_MAX];
};

/* One chosen suite: at most one transform of each type; 0 where the type is absent. */
struct suite_choice {
	uint8_t num, protocol;
	uint8_t spi_len;
	uint8_t spi[8]; /* the chooser's peer's: the SPI that came with the proposal */
	uint16_t encr, key_bits, prf, integ, dh;
	bool esn;
};

enum prop_kind { PROP_IKE, PROP_ESP_FIRST /* in IKE_AUTH: no DH */, PROP_ESP };

/* -EINVAL malformed, -E2BIG beyond the bounds.  Unknown transforms are kept (they simply never match). */
int prop_decode(struct bytes body, struct proposals *out);
/* The proposals a profile offers: combined-mode and separate ciphers apart (RFC 7296 3.3), with `spi` in
 * each.  esn: offer ESN and no-ESN, ESN preferred. */
void prop_offer(const struct ike_algs *a, enum prop_kind kind, bool esn, const void *spi, uint8_t spi_len,
		struct proposals *out);
void prop_encode(struct wr *w, const struct proposals *p);
/* Responder: the first of our suites, in our order of preference, that some proposal contains.
 * -ENOENT none; `why` then says in words which parameter of the nearest proposal did not match. */
int prop_choose(const struct proposals *theirs, const struct ike_algs *mine, enum prop_kind kind, bool esn,
		struct suite_choice *out, char *why, size_t why_len);
/* Initiator: the answer must be one proposal, one transform a type, and among what we offered. */
int prop_accept(const struct proposals *answer, const struct proposals *offered, struct suite_choice *out);
void prop_encode_choice(struct wr *w, const struct suite_choice *c, const void *spi, uint8_t spi_len);

/* "AES_GCM_16_256/PRF_HMAC_SHA2_384/ECP_384": one suite, or a whole offer with all its transforms. */
const char *suite_str(const struct suite_choice *c, char *buf, size_t cap);
const char *proposals_str(const struct proposals *p, char *buf, size_t cap);
const char *transform_name(uint8_t type, uint16_t id);
bool encr_is_aead(uint16_t encr);
