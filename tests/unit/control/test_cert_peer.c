/* SPDX-License-Identifier: Apache-2.0 */
/* A peer's certificates by themselves: bounds, OCSP answers that come along, the cache of fetched ones, names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/ocsp.h>

#include "cert_key.h"
#include "cert_ocsp.h"
#include "cert_status.h"
#include "test_ca.h"
#include "wire.h"

enum { DAY = 86400 };

static struct test_ca root;
static const struct bytes content = {(const uint8_t *)"content", 7};

static struct ike_id fqdn(const char *name)
{
	struct ike_id id = {.type = ID_FQDN, .len = (uint8_t)strlen(name)};

	memcpy(id.data, name, id.len);
	return id;
}

/* ---- bounds ------------------------------------------------------------------------------------------------------------ */

/* One intermediate more than there may be. */
static void chain_too_long(void **state)
{
	struct cert_profile *p = test_profile(&root, NULL);
	struct ike_id id = fqdn("deep.example");
	struct test_ca ca[CERT_DEPTH_MAX + 1];
	struct bytes der[CERT_DEPTH_MAX + 2];
	struct cert_verdict v;
	struct cert_peer *c;

	for (int deep = 0; deep < 2; deep++) {
		int n = CERT_DEPTH_MAX + deep;
		struct test_cert leaf = {.name = "deep.example", .dns = true};
		struct test_ca l;

		for (int i = 0; i < n; i++) {
			char name[16];
			struct test_cert want = {.name = name, .ca = true};

			snprintf(name, sizeof(name), "sub%d", i);
			ca[i] = test_issue(i ? &ca[i - 1] : &root, &want);
			der[n - i] = test_der(&ca[i]);
		}
		l = test_issue(&ca[n - 1], &leaf);
		der[0] = test_der(&l);
		c = cert_peer_check(p, der, (size_t)n + 1, &id, (int64_t)time(NULL), &v);
		assert_int_equal(!c, deep);
		if (deep)
			assert_non_null(strstr(v.text, "too many intermediates"));
		cert_peer_free(c);
		test_ca_free(&l);
		for (int i = 0; i <= n; i++)
			cert_der_free(&der[i]);
		for (int i = 0; i < n; i++)
			test_ca_free(&ca[i]);
	}
	cert_profile_put(p);
}

/* Larger than a certificate may be, or of a key that takes too long: neither is looked at any further. */
static void too_large(void **state)
{
	struct cert_profile *p = test_profile(&root, NULL);
	struct test_cert want = {.name = "a.example", .dns = true, .pad = CERT_BYTES_MAX};
	struct test_ca c = test_issue(&root, &want);
	struct bytes der = test_der(&c);
	struct ike_id id = fqdn("a.example");
	struct cert_verdict v;

	assert_null(cert_peer_check(p, &der, 1, &id, (int64_t)time(NULL), &v));
	assert_int_equal(v.rule, CERT_MALFORMED);
	assert_non_null(strstr(v.text, "larger than allowed"));
	cert_der_free(&der);
	test_ca_free(&c);
	cert_profile_put(p);
}

static void cache_is_bounded(void **state)
{
	struct cert_cache *c = cert_cache_new();
	struct cert_fetch f = {0};
	const char *why;
	struct bytes b;
	unsigned have = 0;

	for (unsigned i = 0; i < 3 * CACHE_ENTRIES; i++) {
		snprintf(f.url, sizeof(f.url), "http://x/%u", i);
		cert_cache_put(c, &f, content, 100, "");
		assert_int_equal(cert_cache_find(c, &f, 99, &b, &why), CACHE_HAVE);
		assert_int_equal(cert_cache_find(c, &f, 100, &b, &why), CACHE_NONE);
	}
	for (unsigned i = 0; i < 3 * CACHE_ENTRIES; i++) {
		snprintf(f.url, sizeof(f.url), "http://x/%u", i);
		have += cert_cache_find(c, &f, 99, &b, &why) == CACHE_HAVE;
	}
	assert_int_equal(have, CACHE_ENTRIES);
	cert_cache_free(c);
}

/* ---- OCSP that comes along ------------------------------------------------------------------------------------------- */

/* An answer of the CA about c, given `age` seconds ago; next 0: it does not say when there will be a newer one. */
static struct bytes ocsp_answer(const struct test_ca *c, int status, const struct test_ca *signer, long age,
				long next_s)
{
	OCSP_BASICRESP *b = OCSP_BASICRESP_new();
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), c->cert, root.cert);
	ASN1_TIME *now = X509_gmtime_adj(NULL, -age), *next = next_s ? X509_gmtime_adj(NULL, next_s) : NULL;
	OCSP_RESPONSE *r;
	uint8_t *der = NULL;
	int len;

	assert_non_null(OCSP_basic_add1_status(b, id, status, OCSP_REVOKED_STATUS_NOSTATUS, now, now, next));
	assert_int_equal(OCSP_basic_sign(b, signer->cert, signer->key, EVP_sha256(), NULL, 0), 1);
	r = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, b);
	len = i2d_OCSP_RESPONSE(r, &der);
	assert_true(len > 0);
	OCSP_RESPONSE_free(r);
	OCSP_BASICRESP_free(b);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(now);
	ASN1_TIME_free(next);
	return (struct bytes){.p = der, .len = (size_t)len};
}

/* OCSP that comes along in a CERT payload (RFC 4806): the CA's word counts, nobody else's. */
static void stapled_answers(void **state)
{
	const struct cert_policy policy = {.revocation = CERT_REVOCATION_STRICT, .use_ocsp = true};
	struct cert_profile *p = test_profile(&root, &policy);
	struct test_cert want = {.name = "a.example", .dns = true},
			 other = {.name = "root", .type = "P-384", .ca = true};
	struct test_ca c = test_issue(&root, &want), forger = test_issue(NULL, &other);
	struct bytes der = test_der(&c);
	struct ike_id id = fqdn("a.example");
	const struct {
		int status;
		const struct test_ca *signer;
		enum cert_status result;
		enum cert_rule rule;
		long age, next;
	} v[] = {
		{V_OCSP_CERTSTATUS_GOOD, &root, CERT_STATUS_GOOD, CERT_GOOD, 0, 3600},
		{V_OCSP_CERTSTATUS_GOOD, &root, CERT_STATUS_GOOD, CERT_GOOD, 3 * DAY, 3600},
		{V_OCSP_CERTSTATUS_GOOD, &root, CERT_STATUS_BAD, CERT_STATUS, 3 * DAY, -3600},
		/* no nextUpdate: a day, lest one from before a revocation be replayed for ever */
		{V_OCSP_CERTSTATUS_GOOD, &root, CERT_STATUS_GOOD, CERT_GOOD, DAY - 60, 0},
		{V_OCSP_CERTSTATUS_GOOD, &root, CERT_STATUS_BAD, CERT_STATUS, DAY + 60, 0},
		{V_OCSP_CERTSTATUS_REVOKED, &root, CERT_STATUS_BAD, CERT_REVOKED, 0, 3600},
		{V_OCSP_CERTSTATUS_UNKNOWN, &root, CERT_STATUS_BAD, CERT_STATUS, 0, 3600},
		{V_OCSP_CERTSTATUS_GOOD, &forger, CERT_STATUS_BAD, CERT_STATUS, 0, 3600},
		/* not a responder of the CA's */
		{V_OCSP_CERTSTATUS_GOOD, &c, CERT_STATUS_BAD, CERT_STATUS, 0, 3600},
	};
	struct cert_verdict verdict;
	struct cert_fetch f;
	struct cert_peer *peer;
	bool start;

	peer = cert_peer_check(p, &der, 1, &id, (int64_t)time(NULL), &verdict);
	assert_non_null(peer);
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct bytes a = ocsp_answer(&c, v[i].status, v[i].signer, v[i].age, v[i].next);

		assert_int_equal(cert_status(p, peer, NULL, a, (int64_t)time(NULL), &verdict, &f, &start),
				 v[i].result);
		assert_int_equal(verdict.rule, v[i].rule);
		cert_der_free(&a);
	}
	cert_peer_free(peer);
	cert_der_free(&der);
	test_ca_free(&forger);
	test_ca_free(&c);
	cert_profile_put(p);
}

/* The cache keeps such an answer no longer than it counts; one that says until when, until then. */
static void answers_are_kept(void **state)
{
	struct test_cert want = {.name = "a.example", .dns = true};
	struct test_ca c = test_issue(&root, &want);
	int64_t now = (int64_t)time(NULL), until;
	struct bytes a = ocsp_answer(&c, V_OCSP_CERTSTATUS_GOOD, &root, DAY - 60, 0);

	until = ocsp_until(a, now + CACHE_DEFAULT_S);
	assert_in_range(until, now + 50, now + 70);
	assert_int_equal(ocsp_until(a, now + 10), now + 10);
	cert_der_free(&a);
	a = ocsp_answer(&c, V_OCSP_CERTSTATUS_GOOD, &root, DAY, 3600);
	assert_in_range(ocsp_until(a, now + 10), now + 3600, now + 3610);
	cert_der_free(&a);
	test_ca_free(&c);
}

/* ---- names -------------------------------------------------------------------------------------------------------------- */

static void names(void **state)
{
	static const struct {
		const char *text, *back; /* NULL: no name */
	} v[] = {
		{"C=CH, O=Lab, CN=x", "C=CH, O=Lab, CN=x"},
		{"CN = a\\, b", "CN=a\\, b"},
		{"CN=*", "CN=*"},
		{"", NULL},
		{"CN", NULL},
		{"CN=", NULL},
		{"NOSUCH=x", NULL},
		{"CN=x,", NULL},
	};
	struct ike_id a = {0}, b = {0}, w = {0};
	char s[256];

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct ike_id id = {0};

		assert_int_equal(cert_dn_parse(v[i].text, &id), v[i].back != NULL);
		if (v[i].back)
			assert_string_equal(cert_dn_str((struct bytes){id.data, id.len}, s, sizeof(s)),
					    v[i].back);
	}
	assert_true(cert_dn_parse("C=CH, CN=Gate", &a) && cert_dn_parse("C=ch, CN=gate", &b) &&
		    cert_dn_parse("C=CH, CN=*", &w));
#define IS(x, y)    cert_dn_is((struct bytes){x.data, x.len}, (struct bytes){y.data, y.len}, true)
#define EXACT(x, y) cert_dn_is((struct bytes){x.data, x.len}, (struct bytes){y.data, y.len}, false)
	assert_true(IS(a, b)); /* RFC 5280 7.1 */
	assert_true(IS(w, a));
	assert_true(EXACT(a, b) && EXACT(w, w));
	assert_false(EXACT(w, a)); /* nobody has said that it is a pattern */
	assert_false(IS(a, w));
	assert_true(cert_dn_parse("C=DE, CN=Gate", &b));
	assert_false(IS(w, b));
	assert_true(cert_dn_parse("C=CH, O=More, CN=Gate", &b));
	assert_false(IS(w, b));
}

/* What cannot be loaded is told without its PIN. */
static void pin_is_not_shown(void **state)
{
	static const char *const uris[] = {"pkcs11:token=x;pin-value=SECRET9",
					   "pkcs11:token=x?pin-value=SECRET9&module-path=/nowhere.so"};
	char err[CERT_ERR];

	for (unsigned i = 0; i < 2; i++) {
		assert_null(cert_key_token(uris[i], NULL, err));
		assert_null(strstr(err, "SECRET9"));
		assert_non_null(strstr(err, "pin-value=***"));
	}
}

static int make_root(void **state)
{
	struct test_cert want = {.name = "root", .ca = true};

	root = test_issue(NULL, &want);
	return 0;
}

static int free_root(void **state)
{
	test_ca_free(&root);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pin_is_not_shown),
		cmocka_unit_test(chain_too_long),
		cmocka_unit_test(too_large),
		cmocka_unit_test(cache_is_bounded),
		cmocka_unit_test(stapled_answers),
		cmocka_unit_test(answers_are_kept),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, make_root, free_root);
}
