/* SPDX-License-Identifier: Apache-2.0 */
/* Private keys: from a file, or in a token (PKCS#11). */
#pragma once

#include "cert_int.h"

/* The key of a PEM or DER text, or the one that the text names by a "pkcs11:" URI.  passphrase may be NULL.  NULL, and
 * err says why. */
EVP_PKEY *cert_key_load(const struct cert_text *t, const char *passphrase, char err[CERT_ERR]);
/* cert_token.c: that second kind. */
EVP_PKEY *cert_key_token(const char *uri, const char *pin, char err[CERT_ERR]);
/* Is it of a kind and size that IKE can sign with? */
bool cert_key_usable(EVP_PKEY *k);
