/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The IKE engine's cryptography, by OpenSSL 3 EVP.  Secrets live in fixed buffers that their owner
 * wipes with crypto_wipe(); nothing here keeps a copy.  0 or -errno; -ENOTSUP for what this build or
 * OpenSSL's policy does not have.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proposal.h"
#include "rd.h"
#include "wire.h"

struct ike_hdr;
struct msg;

enum {
	PRF_MAX = 64,
	DH_PUB_MAX = 1568, /* ML-KEM-1024's, larger than any group's */
	DH_SECRET_MAX = 1024,
	IKE_KEY_MAX = 64,
	IKE_NONCE_MAX = 256,
	KEYMAT_MAX = 512
};

bool crypto_have_encr(uint16_t encr, uint16_t key_bits); /* for IKE SK payloads */
bool crypto_have_integ(uint16_t integ);                  /* false for AUTH_NONE */
bool crypto_have_prf(uint16_t prf);
bool crypto_have_dh(uint16_t group);
const char *crypto_version(void); /* of OpenSSL: "3.0.17" */

/* Ends the process when there is no entropy: going on would mean predictable keys. */
void crypto_random(void *p, size_t n);
void crypto_wipe(void *p, size_t n);
bool crypto_equal(const void *a, const void *b, size_t n); /* constant time */

/*
 * Key exchange methods: Diffie-Hellman groups and key encapsulation mechanisms (FIPS 203, with OpenSSL 3.5 and
 * later).  The initiator makes a key pair, dh_new(), sends its public value, and with the answer has the secret,
 * dh_derive(); the responder has answer and secret at once, dh_respond().  The object is owned by the caller until
 * dh_free().
 */
struct dh;
struct dh *dh_new(uint16_t group); /* a fresh key pair; NULL: not supported */
/* An answer to the peer's value, in dh_public().  NULL, secret wiped: not supported, or a bad value (see
 * dh_derive). */
struct dh *dh_respond(uint16_t group, struct bytes peer, uint8_t *secret, size_t *secret_len);
void dh_free(struct dh *d); /* NULL is fine */
uint16_t dh_group(const struct dh *d);
struct bytes dh_public(const struct dh *d); /* as the KE payload carries it */
/* secret has DH_SECRET_MAX bytes.  -EINVAL: peer's value has the wrong length, is off the curve or
 * degenerate (RFC 6989); secret is wiped then. */
int dh_derive(struct dh *d, struct bytes peer, uint8_t *secret, size_t *secret_len);
size_t dh_public_len(uint16_t group); /* the initiator's; 0: unknown group */
bool dh_is_kem(uint16_t group);

size_t prf_len(uint16_t alg); /* output and preferred key length; 0: unknown */
int prf(uint16_t alg, struct bytes key, const struct bytes *parts, size_t n_parts, uint8_t *out);
/* RFC 7296 2.13; at most 255 blocks (-EINVAL) */
int prf_plus(uint16_t alg, struct bytes key, struct bytes seed, uint8_t *out, size_t out_len);
/* SHA-1 of the parts, for NAT detection (2.23). */
int crypto_sha1(const struct bytes *parts, size_t n_parts, uint8_t out[20]);

/* Keys of an IKE SA (2.14).  One owner: a copy would use its IVs a second time. */
struct ike_keys {
	uint16_t prf, encr, key_bits, integ;
	size_t prf_len, encr_len /* salt included */, integ_len;
	uint8_t d[PRF_MAX], ai[IKE_KEY_MAX], ar[IKE_KEY_MAX], ei[IKE_KEY_MAX], er[IKE_KEY_MAX], pi[PRF_MAX],
		pr[PRF_MAX];
	/* Next IV of a counter mode; either direction takes from it, so that none comes twice under a key. */
	uint64_t iv;
};
int ike_keys_derive(const struct suite_choice *s, struct bytes ni, struct bytes nr, uint64_t spi_i,
		    uint64_t spi_r, struct bytes dh_secret, struct ike_keys *k);
/* SKEYSEED of a rekeyed IKE SA comes from the old SK_d (2.18), and from the secrets of additional key exchanges
 * (RFC 9370 2.2.4).  With the SA's own nonces and SPIs: the keys after an IKE_INTERMEDIATE (2.2.2). */
int ike_keys_rekey(const struct ike_keys *old, const struct suite_choice *s, struct bytes ni, struct bytes nr,
		   uint64_t spi_i, uint64_t spi_r, struct bytes dh_secret, struct bytes more,
		   struct ike_keys *k);

/* SK_d, SK_pi and SK_pr with a postquantum preshared key in them (RFC 8784 3); out may be k. */
int ike_keys_ppk(const struct ike_keys *k, struct bytes ppk, struct ike_keys *out);

/* Keys of a Child SA (2.17), in the order the RFC takes them from KEYMAT. */
struct child_keys {
	size_t encr_len, salt_len, integ_len;
	uint8_t encr_i[32], salt_i[4], integ_i[64], encr_r[32], salt_r[4], integ_r[64];
};
/* more: the secrets of additional key exchanges behind one another (RFC 9370 2.2.4). */
int child_keys_derive(const struct ike_keys *ike, const struct suite_choice *s, struct bytes dh_secret,
		      struct bytes ni, struct bytes nr, struct bytes more, struct child_keys *k);
/* Bytes of key and salt a Child SA suite takes. */
int child_key_sizes(const struct suite_choice *s, size_t *encr, size_t *salt, size_t *integ);

/* MACedIDForI or MACedIDForR (2.15): prf(SK_p, body of the ID payload). */
int auth_maced_id(const struct ike_keys *k, bool initiator, struct bytes id_body, uint8_t out[PRF_MAX]);
/* AUTH by PSK (2.15): prf(prf(PSK, "Key Pad for IKEv2"), signed octets). */
int auth_psk(const struct ike_keys *k, struct bytes psk, const struct bytes *octets, size_t n, uint8_t *out,
	     size_t *out_len);

/*
 * SK payloads (3.14, RFC 5282).  `initiator` in both: the sender of the message is the original
 * initiator of the IKE SA (flag I), so SK_ei and SK_ai are used, else SK_er and SK_ar.
 */
size_t sk_overhead(const struct ike_keys *k); /* IV + most padding + pad length + ICV */
/* Write a whole message: header h (its next and len are set here), the SK payload with `plain` in it, a
 * chain of payloads that starts with type `first`.  -EMSGSIZE when cap is too small. */
int sk_seal(struct ike_keys *k, bool initiator, const struct ike_hdr *h, uint8_t first, struct bytes plain,
	    uint8_t *out, size_t cap, size_t *out_len);
/* The same with an Encrypted Fragment payload (RFC 7383 2.5), behind what w holds: fragment num of total. */
struct sk_part {
	uint16_t num, total;
};
int sk_seal_part(struct ike_keys *k, bool initiator, const struct ike_hdr *h, uint8_t first,
		 struct sk_part part, struct bytes plain, struct wr *w);
/* Verify, then decrypt m->sk, or m->skf, into plain (cap >= its length), padding taken off.  m is as msg_parse()
 * left it.  -EBADMSG when it does not verify, whatever the cause; plain holds nothing then. */
int sk_open(const struct ike_keys *k, bool initiator, const struct msg *m, uint8_t *plain, size_t *plain_len);
