/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures in AUTH payloads: methods 1 (RSA with SHA-1, RFC 7296 3.8), 9 to 11 (ECDSA, RFC 4754) and 14 (RFC 7427,
 * with Ed25519 and Ed448 of RFC 8420).
 */
#pragma once

#include <openssl/evp.h>

#include "crypto.h"

/* IANA's IKEv2 Hash Algorithms, as SIGNATURE_HASH_ALGORITHMS lists them. */
enum { SIG_SHA1 = 1, SIG_SHA2_256 = 2, SIG_SHA2_384 = 3, SIG_SHA2_512 = 4, SIG_IDENTITY = 5 };
#define SIG_BIT(hash) (1u << (hash))

enum { SIG_MAX = 1024 /* RSA of 8192 bits */, SIG_ALG_MAX = 80, SIG_AUTH_MAX = 1 + SIG_ALG_MAX + SIG_MAX };

/* The hashes that we take in signatures of method 14, for the notify. */
struct bytes sig_hashes(void); /* two octets each */
/* A notify's data as SIG_BITs; unknown ones are left out. */
unsigned sig_hashes_read(struct bytes data);

/* How we are going to sign. */
struct sig_way {
	unsigned peer_hashes; /* SIG_BITs; 0: the peer does not know method 14 */
	bool pss, rsa_sha1;   /* RSA: by PSS; method 1 allowed where 14 is not known */
};
/* Sign; method and data of the AUTH payload.  -ENOTSUP: no method that the key and the peer have in common. */
int sig_make(EVP_PKEY *key, const struct sig_way *way, const struct bytes *octets, size_t n, uint8_t *method,
	     uint8_t out[SIG_AUTH_MAX], size_t *len);

enum sig_result {
	SIG_RIGHT,
	SIG_WRONG,
	SIG_MALFORMED,
	SIG_REFUSED /* method or algorithm not accepted */,
	SIG_KEY /* not one for this key */
};
/* Check the data of an AUTH payload.  `what` gets the name of the algorithm that it claims, for messages. */
enum sig_result sig_check(EVP_PKEY *key, uint8_t method, struct bytes data, bool rsa_sha1,
			  const struct bytes *octets, size_t n, const char **what);
/* Bits of the NIST curve of the key: 256, 384, 521; 0: none of these. */
int sig_curve(EVP_PKEY *key);
/* Is the method one of a signature? */
bool sig_method(uint8_t method);
