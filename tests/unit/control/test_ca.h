/* SPDX-License-Identifier: Apache-2.0 */
/* A certification authority in memory, for tests and fuzzers. */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "cert.h"

struct test_ca {
	X509 *cert;
	EVP_PKEY *key;
};

struct test_cert {
	const char *name; /* its common name, and with `dns` its subjectAltName */
	const char *type; /* of the key, as test_key() has it */
	bool ca, dns;
	long from_s, to_s; /* from now; both 0: an hour around now */
	size_t pad;        /* bytes of an extension nobody knows */
	const char *cdp;   /* where its CA's list is */
};

/* "EC", "P-384", "P-521", "ED25519", "RSA"; one of each kind is made and handed out again and again. */
EVP_PKEY *test_key(const char *type);
/* by NULL: signs itself. */
struct test_ca test_issue(const struct test_ca *by, const struct test_cert *c);
void test_ca_free(struct test_ca *c);
/* Of these as objects of the engine; chain: intermediates, n of them. */
struct cert_own *test_own(const struct test_ca *c, const struct test_ca *chain, size_t n, bool pss);
struct cert_profile *test_profile(const struct test_ca *ca, const struct cert_policy *p);
/* DER, to be freed by cert_der_free(). */
struct bytes test_der(const struct test_ca *c);
