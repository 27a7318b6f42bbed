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
	bool odd; /* carries an attribute we do not understand: must not be chosen (RFC 7296 3.3.6) */
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
	/* TT_BITs of the types the chosen proposal carried: the answer has one transform of each, NONE
	 * included (RFC 7296 2.7).  0: not from a proposal. */
	uint16_t types;
	uint8_t spi_len;
	uint8_t spi[8]; /* the chooser's peer's: the SPI that came with the proposal */
	uint16_t encr, key_bits, prf, integ, dh;
	uint16_t ake[IKE_AKE_MAX]; /* additional key exchanges (RFC 9370) */
	bool esn;
};

#define TT_BIT(type) (1u << (type))

enum prop_kind { PROP_IKE, PROP_ESP_FIRST /* in IKE_AUTH: no key exchange */, PROP_ESP };

/* The next additional key exchange at or behind step (counted from 0); AKE_MAX: there is none. */
unsigned suite_ake(const struct suite_choice *c, unsigned step);

/* -EINVAL malformed, -E2BIG beyond the bounds.  Unknown transforms are kept (they simply never match);
 * a proposal with a transform type we do not know is kept as well and never chosen (RFC 7296 3.3.6). */
int prop_decode(struct bytes body, struct proposals *out);
/* The proposals a profile offers: combined-mode and separate ciphers apart (RFC 7296 3.3), with `spi` in
 * each.  With IKE_ESN_PREFER both ESN and no-ESN.  Without PRFs in the profile those of its integrity
 * algorithms' hashes are meant, and SHA-2 in general when it has none of these either. */
void prop_offer(const struct ike_algs *a, enum prop_kind kind, enum ike_esn esn, const void *spi,
		uint8_t spi_len, struct proposals *out);
/* The profile's PRFs as just said; returns how many. */
uint8_t prop_prfs(const struct ike_algs *a, uint16_t prf[IKE_ALGS_MAX]);
void prop_encode(struct wr *w, const struct proposals *p);
/* Responder: the first of our suites, in our order of preference (cipher, then integrity, PRF, DH), that
 * some proposal contains.  PROP_ESP_FIRST takes no notice of DH transforms.  An ESP proposal without
 * ESN transform means no ESN.
 * -ENOENT none; `why` then says in words which parameters of the nearest proposal did not match:
 * "encryption: peer offers aes-128-cbc; we accept aes-256-gcm. dh-group: peer offers group2; we accept …" */
int prop_choose(const struct proposals *theirs, const struct ike_algs *mine, enum prop_kind kind,
		enum ike_esn esn, struct suite_choice *out, char *why, size_t why_len);
/* The nearest of their proposals beside ours, parameter by parameter; nothing when they offer none. */
typedef void prop_compare_fn(void *arg, const char *what, bool same, const char *ours, const char *theirs);
void prop_compare(const struct proposals *theirs, const struct ike_algs *mine, enum prop_kind kind,
		  enum ike_esn esn, prop_compare_fn *cb, void *arg);
/* Initiator: the answer must be one proposal, one transform a type (-EINVAL), and among what we offered
 * (-ENOENT). */
int prop_accept(const struct proposals *answer, const struct proposals *offered, struct suite_choice *out);
void prop_encode_choice(struct wr *w, const struct suite_choice *c, const void *spi, uint8_t spi_len);

/* For operators, in the words of their configuration: "aes-256-gcm/prf-sha384/group31+mlkem768" is a suite;
 * "aes-256-gcm/prf-sha256,prf-sha384/group19,group20 | aes-256-cbc/…" an offer of two proposals. */
const char *suite_str(const struct suite_choice *c, char *buf, size_t cap);
const char *proposals_str(const struct proposals *p, char *buf, size_t cap);
/* One transform: "aes-256-gcm", "prf-sha256", "sha256", "group19", "esn"; "encr-99" when unknown.  prop_alg_str
 * returns buf. */
enum { ALG_STR = 32 };
const char *prop_alg_str(const struct transform *t, char buf[ALG_STR]);
/* The IANA registry's name, "AES_GCM_16", for logs that are read beside another implementation's. */
const char *transform_name(uint8_t type, uint16_t id);
/* The cipher comes in several key sizes, so that it needs the key length attribute (RFC 7296 3.3.5). */
bool encr_has_key_length(uint16_t encr);
bool encr_is_aead(uint16_t encr);
