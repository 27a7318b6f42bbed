/* SPDX-License-Identifier: Apache-2.0 */
/* What crypto.c, dh.c, keys.c and sk.c share of OpenSSL.  Algorithms are fetched once for the process: a fetch
 * by name costs more than a small HMAC. */
#pragma once

#include <openssl/evp.h>

#include "crypto.h"

/* One keyed hash, of PRFs and integrity algorithms alike. */
enum hash { HASH_SHA1, HASH_SHA256, HASH_SHA384, HASH_SHA512, HASH_MAX };

/* NULL or false: OpenSSL or its policy does not have it. */
const EVP_CIPHER *evp_cipher(uint16_t encr, uint16_t key_bits);
const EVP_MD *evp_hash(enum hash h);

/* HMAC in pieces; every call after a failed one does nothing, evp_mac_end tells. */
struct evp_mac {
	EVP_MAC_CTX *ctx;
	bool bad;
};
void evp_mac_begin(struct evp_mac *m, enum hash h, struct bytes key);
/* Begin anew with the same key. */
void evp_mac_again(struct evp_mac *m);
void evp_mac_add(struct evp_mac *m, struct bytes b);
/* Write the whole output, 20 to 64 bytes.  0 or -EIO. */
int evp_mac_out(struct evp_mac *m, uint8_t out[64]);
void evp_mac_end(struct evp_mac *m);

/* Integrity algorithms: hash, bytes of key, bytes of ICV; false: unknown. */
struct integ_alg {
	uint16_t id;
	enum hash hash;
	uint8_t key_len, icv_len;
};
const struct integ_alg *integ_find(uint16_t integ);

/* Ciphers of SK payloads and of ESP; sizes in bytes. */
struct encr_alg {
	uint16_t id;
	uint8_t salt_len, iv_len, icv_len, block;
	uint16_t fixed_bits; /* key bits of a cipher with one size; 0: key length attribute */
	bool aead, sk;       /* sk: usable in SK payloads */
};
const struct encr_alg *encr_find(uint16_t encr);
/* Bytes of key without salt, or -EINVAL for a size the cipher does not have. */
int encr_key_len(const struct encr_alg *a, uint16_t key_bits);
