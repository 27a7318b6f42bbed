/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of cert.h share: the objects as OpenSSL has them.  Included by those, by sign.c and auth_sig.c, and by
 * culvert pki. */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "cert.h"

struct cert_own {
	unsigned refs;
	X509 *cert;
	STACK_OF(X509) * chain; /* cert itself first */
	EVP_PKEY *key;
	bool pss;
	uint8_t fingerprint[32];
};

struct cert_profile {
	unsigned refs;
	struct cert_policy policy;
	X509_STORE *store; /* of the trust anchors */
	STACK_OF(X509) * anchors;
	STACK_OF(X509_CRL) * crls;
};

struct cert_peer {
	STACK_OF(X509) * chain; /* the peer's certificate to the trust anchor */
};

/* A certificate for people: its subject, and its serial number where it has none. */
const char *cert_name(const X509 *x, char *buf, size_t cap);
int64_t cert_time(const ASN1_TIME *t);
void cert_info_of(const X509 *x, struct cert_info *i);
/* Does the certificate have this identity (RFC 4945 3.1)? */
bool cert_is(X509 *x, const struct ike_id *id);
/* Its identities: "gw.example, 192.0.2.1, dn:…". */
void cert_ids(X509 *x, char *buf, size_t cap);
/* One certificate, nothing behind it, within the bounds; NULL. */
X509 *cert_decode(struct bytes der);
/* The certificates of a PEM or DER text; NULL when there is none or one is broken. */
STACK_OF(X509) * cert_read_all(const struct cert_text *t);
/* The public key of the peer's certificate; the object's. */
EVP_PKEY *cert_peer_key(const struct cert_peer *c);
