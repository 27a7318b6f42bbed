/* SPDX-License-Identifier: Apache-2.0 */
/* Revocation lists: of a file, fetched, forged, and such as OpenSSL does not understand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/x509v3.h>

#include "cert_status.h"
#include "test_ca.h"
#include "wire.h"

enum { HOUR = 3600 };

/* The CA, somebody with its name and another key, and a peer whose certificate says where the CA's list is. */
static struct test_ca root, forger, leaf;

struct list {
	const struct test_ca *signer;
	bool names_peer, critical; /* an extension that nobody knows */
	long age_s;
};

static void add_critical(X509_CRL *l)
{
	ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.4.1.55555.2", 1);
	ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();
	X509_EXTENSION *e;

	assert_true(ASN1_OCTET_STRING_set(s, (const uint8_t *)"x", 1));
	e = X509_EXTENSION_create_by_OBJ(NULL, oid, 1, s);
	assert_true(X509_CRL_add_ext(l, e, -1));
	X509_EXTENSION_free(e);
	ASN1_OCTET_STRING_free(s);
	ASN1_OBJECT_free(oid);
}

/* DER, to be freed by cert_der_free(). */
static struct bytes list_der(const struct list *w)
{
	ASN1_TIME *at = X509_gmtime_adj(NULL, -w->age_s), *next = X509_gmtime_adj(NULL, HOUR);
	X509_CRL *l = X509_CRL_new();
	uint8_t *der = NULL;
	int len;

	assert_true(X509_CRL_set_version(l, X509_CRL_VERSION_2));
	assert_true(X509_CRL_set_issuer_name(l, X509_get_subject_name(root.cert)));
	assert_true(X509_CRL_set1_lastUpdate(l, at) && X509_CRL_set1_nextUpdate(l, next));
	if (w->names_peer) {
		X509_REVOKED *r = X509_REVOKED_new();

		assert_true(X509_REVOKED_set_serialNumber(r, X509_get_serialNumber(leaf.cert)));
		assert_true(X509_REVOKED_set_revocationDate(r, at) && X509_CRL_add0_revoked(l, r));
	}
	if (w->critical)
		add_critical(l);
	assert_true(X509_CRL_sign(l, w->signer->key, EVP_sha256()) > 0);
	len = i2d_X509_CRL(l, &der);
	assert_true(len > 0);
	X509_CRL_free(l);
	ASN1_TIME_free(at);
	ASN1_TIME_free(next);
	return (struct bytes){.p = der, .len = (size_t)len};
}

/* Who asks: a profile, the peer as it judged it, and what was fetched. */
struct asker {
	struct cert_profile *p;
	struct cert_peer *peer;
	struct cert_cache *cache;
	struct cert_fetch f;
	struct cert_verdict v;
	int64_t now;
	bool start;
};

static struct asker asker(enum cert_revocation how, const struct list *file)
{
	const struct cert_policy policy = {.revocation = how, .use_crl = true};
	struct asker a = {
		.p = test_profile(&root, &policy), .cache = cert_cache_new(), .now = (int64_t)time(NULL)};
	struct ike_id id = {.type = ID_FQDN, .len = 9, .data = "a.example"};
	struct bytes der = test_der(&leaf);
	char err[CERT_ERR];

	if (file) {
		struct cert_text t = {.name = "crl", .b = list_der(file)};

		assert_int_equal(cert_profile_add_crl(a.p, &t, err), 1);
		cert_der_free(&t.b);
	}
	a.peer = cert_peer_check(a.p, &der, 1, &id, a.now, &a.v);
	assert_non_null(a.peer);
	cert_der_free(&der);
	return a;
}

static enum cert_status ask(struct asker *a)
{
	return cert_status(a->p, a->peer, a->cache, (struct bytes){0}, a->now, &a->v, &a->f, &a->start);
}

static void came(struct asker *a, const struct list *l)
{
	struct bytes der = list_der(l);

	strcpy(a->f.url, "http://x/list");
	cert_status_fetched(a->cache, &a->f, der, "", a->now);
	cert_der_free(&der);
}

static void done(struct asker *a)
{
	cert_peer_free(a->peer);
	cert_cache_free(a->cache);
	cert_profile_put(a->p);
}

/* A list that was fetched, under strict and soft-fail. */
static void fetched_lists(void **state)
{
	static const struct {
		struct list l;
		enum cert_rule strict, soft;
		const char *text;
	} v[] = {
		{{&root, false, false, 0}, CERT_GOOD, CERT_GOOD, ""},
		{{&root, true, false, 0}, CERT_REVOKED, CERT_REVOKED, "was revoked by its CA"},
		{{&forger, false, false, 0}, CERT_STATUS, CERT_GOOD, "its CA's list is not signed by the CA"},
		{{&forger, true, false, 0}, CERT_STATUS, CERT_GOOD, "its CA's list is not signed by the CA"},
		{{&root, false, true, 0}, CERT_STATUS, CERT_GOOD, "critical"},
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		for (int strict = 0; strict < 2; strict++) {
			struct asker a = asker(strict ? CERT_REVOCATION_STRICT : CERT_REVOCATION_SOFT, NULL);
			enum cert_rule rule = strict ? v[i].strict : v[i].soft;

			assert_int_equal(ask(&a), CERT_STATUS_WAIT);
			assert_string_equal(a.f.url, "http://x/list");
			came(&a, &v[i].l);
			assert_int_equal(ask(&a), rule ? CERT_STATUS_BAD : CERT_STATUS_GOOD);
			assert_int_equal(a.v.rule, rule);
			if (rule)
				assert_non_null(strstr(a.v.text, v[i].text));
			done(&a);
		}
}

/* A forged list, newer than the file's, neither hides the file's entry nor adds one; it is fetched again soon. */
static void forged_beside_a_file(void **state)
{
	const struct list revokes = {&root, true, false, 60}, clears = {&root, false, false, 60};
	const struct list forged = {&forger, false, false, 0}, names = {&forger, true, false, 0};
	struct asker a = asker(CERT_REVOCATION_SOFT, &revokes);

	came(&a, &forged);
	assert_int_equal(ask(&a), CERT_STATUS_BAD);
	assert_int_equal(a.v.rule, CERT_REVOKED);
	done(&a);

	a = asker(CERT_REVOCATION_STRICT, &clears);
	came(&a, &names);
	assert_int_equal(ask(&a), CERT_STATUS_GOOD);
	done(&a);

	a = asker(CERT_REVOCATION_STRICT, NULL);
	came(&a, &forged);
	assert_int_equal(ask(&a), CERT_STATUS_BAD);
	a.now += CACHE_FAILED_S - 1;
	assert_int_equal(ask(&a), CERT_STATUS_BAD); /* asking again does not put it off */
	a.now += 1;
	assert_int_equal(ask(&a), CERT_STATUS_WAIT);
	assert_true(a.start);
	done(&a);
}

/* A file that the CA did not sign counts as none. */
static void forged_file(void **state)
{
	const struct list forged = {&forger, true, false, 0};
	const struct list good = {&root, false, false, 60};
	struct asker a = asker(CERT_REVOCATION_STRICT, &forged);

	came(&a, &good);
	assert_int_equal(ask(&a), CERT_STATUS_GOOD);
	done(&a);
}

/* A list is decoded once. */
static void kept_decoded(void **state)
{
	const struct list good = {&root, false, false, 0};
	struct asker a = asker(CERT_REVOCATION_STRICT, NULL);
	X509_CRL *one, *two;

	came(&a, &good);
	one = cert_cache_list(a.cache, &a.f, a.now);
	two = cert_cache_list(a.cache, &a.f, a.now);
	assert_non_null(one);
	assert_ptr_equal(one, two);
	X509_CRL_free(one);
	X509_CRL_free(two);
	assert_null(cert_cache_list(a.cache, &a.f, a.now + 2 * HOUR));
	done(&a);
}

static int make(void **state)
{
	struct test_cert ca = {.name = "root", .ca = true},
			 other = {.name = "root", .type = "P-384", .ca = true};
	struct test_cert peer = {.name = "a.example", .dns = true, .cdp = "http://x/list"};

	root = test_issue(NULL, &ca);
	forger = test_issue(NULL, &other);
	leaf = test_issue(&root, &peer);
	return 0;
}

static int unmake(void **state)
{
	test_ca_free(&root);
	test_ca_free(&forger);
	test_ca_free(&leaf);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fetched_lists),
		cmocka_unit_test(forged_beside_a_file),
		cmocka_unit_test(forged_file),
		cmocka_unit_test(kept_decoded),
	};

	return cmocka_run_group_tests(tests, make, unmake);
}
