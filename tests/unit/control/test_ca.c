/* SPDX-License-Identifier: Apache-2.0 */
#include "test_ca.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

enum { HOUR = 3600 };

/* Nothing here may fail: a fuzzer has no other way to say so. */
#define SURE(x)                                                                                              \
	do {                                                                                                 \
		if (!(x))                                                                                    \
			abort();                                                                             \
	} while (0)

EVP_PKEY *test_key(const char *type)
{
	static const char *const types[] = {"EC", "P-384", "P-521", "ED25519", "RSA"};
	static EVP_PKEY *keys[5];
	unsigned i = 0;

	while (strcmp(types[i], type) != 0)
		SURE(++i < 5);
	if (!keys[i])
		keys[i] = i == 0   ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")
			  : i <= 2 ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", types[i])
			  : i == 3 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
				   : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	SURE(keys[i] && EVP_PKEY_up_ref(keys[i]));
	return keys[i];
}

static void extend(X509 *x, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	SURE(e && X509_add_ext(x, e, -1));
	X509_EXTENSION_free(e);
}

static void pad_with(X509 *x, size_t n)
{
	ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.4.1.55555.1", 1);
	ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();
	uint8_t *b = calloc(1, n);
	X509_EXTENSION *e;

	SURE(oid && s && b && ASN1_OCTET_STRING_set(s, b, (int)n));
	e = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, s);
	SURE(e && X509_add_ext(x, e, -1));
	X509_EXTENSION_free(e);
	ASN1_OCTET_STRING_free(s);
	ASN1_OBJECT_free(oid);
	free(b);
}

struct test_ca test_issue(const struct test_ca *by, const struct test_cert *c)
{
	struct test_ca made = {.cert = X509_new(), .key = test_key(c->type ? c->type : "EC")};
	bool span = c->from_s || c->to_s;
	EVP_PKEY *signer = by ? by->key : made.key;
	X509 *x = made.cert;
	static long serial;
	char san[128];

	SURE(x && X509_set_version(x, X509_VERSION_3));
	SURE(ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial));
	SURE(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
					(const uint8_t *)c->name, -1, -1, 0));
	SURE(X509_set_issuer_name(x, X509_get_subject_name(by ? by->cert : x)));
	SURE(X509_gmtime_adj(X509_getm_notBefore(x), span ? c->from_s : -HOUR));
	SURE(X509_gmtime_adj(X509_getm_notAfter(x), span ? c->to_s : HOUR));
	SURE(X509_set_pubkey(x, made.key));
	extend(x, NID_basic_constraints, c->ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	extend(x, NID_key_usage, c->ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
	snprintf(san, sizeof(san), "DNS:%s", c->name);
	if (c->dns)
		extend(x, NID_subject_alt_name, san);
	snprintf(san, sizeof(san), "URI:%s", c->cdp ? c->cdp : "");
	if (c->cdp)
		extend(x, NID_crl_distribution_points, san);
	if (c->pad)
		pad_with(x, c->pad);
	SURE(X509_sign(x, signer, EVP_PKEY_get_base_id(signer) == EVP_PKEY_ED25519 ? NULL : EVP_sha256()) >
	     0);
	return made;
}

void test_ca_free(struct test_ca *c)
{
	X509_free(c->cert);
	EVP_PKEY_free(c->key);
	*c = (struct test_ca){0};
}

struct bytes test_der(const struct test_ca *c)
{
	uint8_t *p = NULL;
	int len = i2d_X509(c->cert, &p);

	SURE(len > 0);
	return (struct bytes){.p = p, .len = (size_t)len};
}

struct cert_own *test_own(const struct test_ca *c, const struct test_ca *chain, size_t n, bool pss)
{
	struct cert_text texts[8] = {{0}};
	uint8_t *key = NULL;
	int len = i2d_PrivateKey(c->key, &key);
	struct cert_own_source s = {.cert = {.name = "cert", .b = test_der(c)},
				    .chain = texts,
				    .n_chain = n,
				    .key = {.name = "key", .b = {.p = key, .len = (size_t)len}},
				    .pss = pss};
	char err[CERT_ERR];
	struct cert_own *own;

	SURE(len > 0 && n <= 8);
	for (size_t i = 0; i < n; i++)
		texts[i] = (struct cert_text){.name = "chain", .b = test_der(&chain[i])};
	own = cert_own_new(&s, err);
	for (size_t i = 0; i < n; i++)
		cert_der_free(&texts[i].b);
	cert_der_free(&s.cert.b);
	OPENSSL_free(key);
	return own;
}

struct cert_profile *test_profile(const struct test_ca *ca, const struct cert_policy *policy)
{
	static const struct cert_policy none;
	struct cert_profile *p = cert_profile_new(policy ? policy : &none);
	struct cert_text t = {.name = "ca", .b = test_der(ca)};
	char err[CERT_ERR];

	SURE(p && cert_profile_add_ca(p, &t, err) == 1);
	cert_der_free(&t.b);
	return p;
}
