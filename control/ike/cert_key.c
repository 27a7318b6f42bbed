/* SPDX-License-Identifier: Apache-2.0 */
#include "cert_key.h"

#include <openssl/decoder.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "sign.h"

enum { RSA_BITS_MIN = 2048 };

/* OpenSSL asks for the passphrase of an encrypted key; without one it must not ask the terminal. */
static int give_passphrase(char *buf, int size, int for_writing, void *arg)
{
	const char *p = arg;
	size_t n = p ? strnlen(p, (size_t)size + 1) : 0;

	if (!n || n > (size_t)size)
		return -1;
	memcpy(buf, p, n);
	return (int)n;
}

static bool encrypted(const struct cert_text *t)
{
	return memmem(t->b.p, t->b.len, "ENCRYPTED", 9);
}

static EVP_PKEY *from_text(const struct cert_text *t, const char *passphrase, char err[CERT_ERR])
{
	EVP_PKEY *k = NULL;
	OSSL_DECODER_CTX *d = OSSL_DECODER_CTX_new_for_pkey(&k, NULL, NULL, NULL,
							    OSSL_KEYMGMT_SELECT_PRIVATE_KEY, NULL, NULL);
	const uint8_t *p = t->b.p;
	size_t len = t->b.len;

	if (d) {
		OSSL_DECODER_CTX_set_pem_password_cb(d, give_passphrase, (void *)(uintptr_t)passphrase);
		if (OSSL_DECODER_from_data(d, &p, &len) != 1) {
			EVP_PKEY_free(k);
			k = NULL;
		}
	}
	OSSL_DECODER_CTX_free(d);
	ERR_clear_error();
	if (!k)
		snprintf(err, CERT_ERR, "\"%s\" %s", t->name,
			 !encrypted(t) ? "holds no private key, or a damaged one; allowed: PEM or DER"
			 : passphrase  ? "is encrypted by another passphrase"
				       : "is encrypted, and there is no passphrase for it");
	return k;
}

EVP_PKEY *cert_key_load(const struct cert_text *t, const char *passphrase, char err[CERT_ERR])
{
	/* Of a URI the configuration keeps a NUL behind the text. */
	if (t->b.len > 7 && !memcmp(t->b.p, "pkcs11:", 7))
		return cert_key_token((const char *)t->b.p, passphrase, err);
	return from_text(t, passphrase, err);
}

bool cert_key_usable(EVP_PKEY *k)
{
	int bits = EVP_PKEY_get_bits(k);

	switch (EVP_PKEY_get_base_id(k)) {
	case EVP_PKEY_RSA: return bits >= RSA_BITS_MIN && bits <= CERT_KEY_BITS_MAX;
	case EVP_PKEY_EC: return sig_curve(k) != 0;
	case EVP_PKEY_ED25519:
	case EVP_PKEY_ED448: return true;
	default: return false;
	}
}
