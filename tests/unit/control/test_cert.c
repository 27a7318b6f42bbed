/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates: signatures as RFC 7427 and 8420 encode them, two engines with certificates, what is refused and why. */
#include "net_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <openssl/ocsp.h>

#include "cert_status.h"
#include "sign.h"
#include "test_ca.h"

static struct test_ca root;

/* ---- signatures ----------------------------------------------------------------------------------------------------- */

static const uint8_t message[] = "what is signed";
static const struct bytes octets = {message, sizeof(message)};

/* The AlgorithmIdentifiers that RFC 7427 appendix A and RFC 8420 appendix A print. */
static const struct {
	const char *type;
	bool pss;
	unsigned hash;
	const char *hex;
} encodings[] = {
	{"RSA", false, SIG_SHA2_256, "300d06092a864886f70d01010b0500"},
	{"RSA", false, SIG_SHA2_384, "300d06092a864886f70d01010c0500"},
	{"RSA", false, SIG_SHA2_512, "300d06092a864886f70d01010d0500"},
	{"RSA", true, SIG_SHA2_256,
	 "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086"
	 "480165030402010500a203020120"},
	{"EC", false, SIG_SHA2_256, "300a06082a8648ce3d040302"},
	{"P-384", false, SIG_SHA2_384, "300a06082a8648ce3d040303"},
	{"P-521", false, SIG_SHA2_512, "300a06082a8648ce3d040304"},
	{"ED25519", false, SIG_IDENTITY, "300506032b6570"},
};

static void alg_encodings(void **state)
{
	for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++) {
		EVP_PKEY *k = test_key(encodings[i].type);
		struct sig_way way = {.peer_hashes = SIG_BIT(encodings[i].hash), .pss = encodings[i].pss};
		uint8_t out[SIG_AUTH_MAX], method;
		char hex[2 * SIG_ALG_MAX + 1] = "";
		const char *what;
		size_t len;

		assert_int_equal(sig_make(k, &way, &octets, 1, &method, out, &len), 0);
		assert_int_equal(method, AUTHM_DIGITAL);
		for (size_t b = 0; b < out[0]; b++)
			snprintf(hex + 2 * b, 3, "%02x", out[1 + b]);
		assert_string_equal(hex, encodings[i].hex);
		assert_int_equal(sig_check(k, method, (struct bytes){out, len}, false, &octets, 1, &what),
				 SIG_RIGHT);
		out[len - 1] ^= 1;
		assert_int_equal(sig_check(k, method, (struct bytes){out, len}, false, &octets, 1, &what),
				 SIG_WRONG);
		EVP_PKEY_free(k);
	}
}

/* RFC 7427 A.1, A.3: with SHA-1; and what is no AlgorithmIdentifier at all. */
static void algs_refused(void **state)
{
	static const uint8_t rsa_sha1[] = {15,   0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
					   0xf7, 0x0d, 0x01, 0x01, 0x05, 0x05, 0x00, 1};
	static const uint8_t ecdsa_sha1[] = {11,   0x30, 0x09, 0x06, 0x07, 0x2a, 0x86,
					     0x48, 0xce, 0x3d, 0x04, 0x01, 1};
	static const uint8_t ecdsa[] = {12,   0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
					0x48, 0xce, 0x3d, 0x04, 0x03, 0x02, 1};
	static const uint8_t cut[] = {200, 0x30, 0x0d};
	EVP_PKEY *k = test_key("RSA");
	const char *what;

#define CHECK(b, enabled)                                                                                    \
	sig_check(k, AUTHM_DIGITAL, (struct bytes){b, sizeof(b)}, enabled, &octets, 1, &what)
	assert_int_equal(CHECK(rsa_sha1, true), SIG_REFUSED);
	assert_int_equal(CHECK(ecdsa_sha1, true), SIG_REFUSED);
	assert_int_equal(CHECK(ecdsa, true), SIG_KEY);
	assert_int_equal(CHECK(cut, true), SIG_MALFORMED);
	assert_int_equal(sig_check(k, AUTHM_DIGITAL, (struct bytes){NULL, 0}, true, &octets, 1, &what),
			 SIG_MALFORMED);
	assert_int_equal(sig_check(k, AUTHM_RSA, octets, false, &octets, 1, &what), SIG_REFUSED);
	assert_int_equal(sig_check(k, AUTHM_RSA, octets, true, &octets, 1, &what), SIG_WRONG);
	EVP_PKEY_free(k);
}

/* ---- two engines ------------------------------------------------------------------------------------------------------ */

static struct ike_id fqdn(const char *name)
{
	struct ike_id id = {.type = ID_FQDN, .len = (uint8_t)strlen(name)};

	memcpy(id.data, name, id.len);
	return id;
}

static struct ike_gw_conf conf[2];

/* Both ends by certificates of the root; tests change what they are about. */
static void prepare(const char *type)
{
	static const char *const names[] = {"a.example", "b.example"};

	for (int s = 0; s < 2; s++) {
		struct test_cert want = {.name = names[s], .type = type, .dns = true};
		struct test_ca c = test_issue(&root, &want);

		conf[s] = net_conf(s, 1);
		conf[s].local_id = fqdn(names[s]);
		conf[s].remote_id = fqdn(names[1 - s]);
		conf[s].psk_len = 0;
		conf[s].own = test_own(&c, NULL, 0, false);
		conf[s].trust = test_profile(&root, NULL);
		test_ca_free(&c);
	}
}

static void own_is(int s, const struct test_ca *by, const struct test_cert *want)
{
	struct test_ca c = test_issue(by, want);

	cert_own_put(conf[s].own);
	conf[s].own = test_own(&c, NULL, 0, false);
	assert_non_null(conf[s].own);
	test_ca_free(&c);
}

static void trust_is(int s, const struct cert_policy *p)
{
	cert_profile_put(conf[s].trust);
	conf[s].trust = test_profile(&root, p);
}

static void go(void)
{
	for (int s = 1; s >= 0; s--) {
		struct cert_own *own = conf[s].own;
		struct cert_profile *trust = conf[s].trust;

		net_set(&net, s, &conf[s]); /* the engine has references of its own */
		cert_own_put(own);
		cert_profile_put(trust);
	}
}

static void both_by_certificate(void **state)
{
	static const char *const types[] = {"EC", "P-384", "P-521", "ED25519", "RSA"};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		net_end(&net);
		net_init(&net, i + 1);
		prepare(types[i]);
		go();
		assert_true(net_until(&net, net_up, 20 * NET_S));
		net_check_pairs(&net);
	}
}

static void one_by_certificate_one_by_key(void **state)
{
	prepare("EC");
	for (int s = 0; s < 2; s++) {
		conf[s].psk_len = 6;
		memcpy(conf[s].psk, "secret", 6);
	}
	cert_own_put(conf[NET_B].own);
	cert_profile_put(conf[NET_A].trust);
	conf[NET_B].own = NULL;
	conf[NET_A].trust = NULL;
	go();
	assert_true(net_until(&net, net_up, 20 * NET_S));
}

/* A refuses B, or B refuses A: the reason stands where it was found, and the other only hears that it was refused. */
static void refused(enum ike_cause cause, const char *words)
{
	const struct ike_reason *r;

	net_run(&net, 3 * NET_S);
	assert_int_equal(A->events[IKE_EV_CHILD_UP],
			 0); /* A is the initiator: B may have believed for a moment */
	r = net_gw_failure(B);
	if (!r || r->cause != cause)
		r = net_gw_failure(A);
	assert_non_null(r);
	if (r->cause != cause || !strstr(r->text, words))
		fail_msg("%s: %s", ike_cause_str(r->cause), r->text);
	assert_false(r->reported_by_peer);
}

static void refusals(void **state)
{
	static const struct {
		struct test_cert cert;
		bool stranger;
		enum ike_cause cause;
		const char *words;
	} v[] = {
		{{"a.example", NULL, false, true, -7200, -3600, 0}, false, IKE_CAUSE_CERT_EXPIRED, "expired"},
		{{"a.example", NULL, false, true, 3600, 7200, 0},
		 false,
		 IKE_CAUSE_CERT_NOT_YET,
		 "not valid before"},
		{{"a.example", NULL, false, true, 0, 0, 0},
		 true,
		 IKE_CAUSE_CERT_UNTRUSTED,
		 "no trust anchor"},
		{{"c.example", NULL, false, true, 0, 0, 0}, false, IKE_CAUSE_CERT_IDENTITY, "a.example"},
		{{"a.example", NULL, true, true, 0, 0, 0}, false, IKE_CAUSE_CERT_REFUSED, "not for signing"},
	};
	struct test_cert other = {.name = "other", .ca = true};
	struct test_ca stranger = test_issue(NULL, &other);

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		for (int s = 0; s < 2; s++) {
			struct test_cert c = v[i].cert;

			net_end(&net);
			net_init(&net, i + 1);
			prepare("EC");
			c.name = s && c.name[0] == 'a' ? "b.example" : c.name;
			own_is(s, v[i].stranger ? &stranger : &root, &c);
			go();
			refused(v[i].cause, v[i].words[0] == 'a' && s ? "b.example" : v[i].words);
		}
	test_ca_free(&stranger);
}

/* Another's certificate, with a key that is not its: the signature tells. */
static void stolen_certificate(void **state)
{
	struct test_cert want = {.name = "a.example", .dns = true};
	struct test_ca c = test_issue(&root, &want);
	uint8_t out[SIG_AUTH_MAX], method;
	struct sig_way way = {.peer_hashes = SIG_BIT(SIG_SHA2_256)};
	EVP_PKEY *thief = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	const char *what;
	size_t len;

	assert_int_equal(sig_make(thief, &way, &octets, 1, &method, out, &len), 0);
	assert_int_equal(sig_check(c.key, method, (struct bytes){out, len}, false, &octets, 1, &what),
			 SIG_WRONG);
	EVP_PKEY_free(thief);
	test_ca_free(&c);
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
		cert_cache_put(c, &f, octets, 100, "");
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

/* ---- waiting for the status --------------------------------------------------------------------------------------------- */

static struct cert_fetch asked;
static unsigned n_asked;

static void on_fetch(void *ctx, const struct cert_fetch *f)
{
	asked = *f;
	n_asked++;
}

static void wait_for_status(enum cert_revocation policy)
{
	struct cert_policy p = {.revocation = policy, .use_ocsp = true, .timeout_s = 5};

	snprintf(p.ocsp_url, sizeof(p.ocsp_url), "http://192.0.2.9/");
	n_asked = 0;
	A->vt.fetch = B->vt.fetch = on_fetch;
	prepare("EC");
	trust_is(NET_B, &p);
	go();
	net_run(&net, 2 * NET_S);
	/* Nothing is decided, retransmissions notwithstanding, and it was asked for once. */
	assert_int_equal(n_asked, 1);
	assert_string_equal(asked.url, "http://192.0.2.9/");
	assert_true(asked.post_len > 0);
	assert_int_equal(net_sas(A) + net_sas(B), 0);
	assert_int_equal(B->events[IKE_EV_IKE_FAIL], 0);
}

static void nobody_there(void)
{
	ike_fetched(B->ike, &asked, (struct bytes){0}, "nobody there", net.now);
}

static void soft_fail_goes_on(void **state)
{
	wait_for_status(CERT_REVOCATION_SOFT);
	nobody_there();
	net_run(&net, NET_S / 2);
	assert_true(net_up(&net));
}

static void strict_does_not(void **state)
{
	wait_for_status(CERT_REVOCATION_STRICT);
	nobody_there();
	refused(IKE_CAUSE_CERT_STATUS, "nobody there");
}

/* An answer of the CA about c. */
static struct bytes ocsp_answer(const struct test_ca *c, int status, const struct test_ca *signer)
{
	OCSP_BASICRESP *b = OCSP_BASICRESP_new();
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), c->cert, root.cert);
	ASN1_TIME *now = X509_gmtime_adj(NULL, 0), *next = X509_gmtime_adj(NULL, 3600);
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
	} v[] = {
		{V_OCSP_CERTSTATUS_GOOD, &root, CERT_STATUS_GOOD, CERT_GOOD},
		{V_OCSP_CERTSTATUS_REVOKED, &root, CERT_STATUS_BAD, CERT_REVOKED},
		{V_OCSP_CERTSTATUS_UNKNOWN, &root, CERT_STATUS_BAD, CERT_STATUS},
		{V_OCSP_CERTSTATUS_GOOD, &forger, CERT_STATUS_BAD, CERT_STATUS},
		{V_OCSP_CERTSTATUS_GOOD, &c, CERT_STATUS_BAD, CERT_STATUS}, /* not a responder of the CA's */
	};
	struct cert_verdict verdict;
	struct cert_fetch f;
	struct cert_peer *peer;
	bool start;

	peer = cert_peer_check(p, &der, 1, &id, (int64_t)time(NULL), &verdict);
	assert_non_null(peer);
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct bytes a = ocsp_answer(&c, v[i].status, v[i].signer);

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

/* The SA is gone by the time: nothing happens. */
static void too_late(void **state)
{
	wait_for_status(CERT_REVOCATION_SOFT);
	ike_gateway_remove(A->ike, conf[NET_A].name, net.now);
	net_run(&net, 40 * NET_S);
	nobody_there();
	net_run(&net, NET_S);
	assert_int_equal(B->events[IKE_EV_IKE_UP], 0);
	assert_int_equal(net_sas_all(B), 0);
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
#define IS(x, y) cert_dn_is((struct bytes){x.data, x.len}, (struct bytes){y.data, y.len})
	assert_true(IS(a, b)); /* RFC 5280 7.1 */
	assert_true(IS(w, a));
	assert_false(IS(a, w));
	assert_true(cert_dn_parse("C=DE, CN=Gate", &b));
	assert_false(IS(w, b));
	assert_true(cert_dn_parse("C=CH, O=More, CN=Gate", &b));
	assert_false(IS(w, b));
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
#define NET_TEST(f) cmocka_unit_test_setup_teardown(f, net_setup, net_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alg_encodings),
		cmocka_unit_test(algs_refused),
		NET_TEST(both_by_certificate),
		NET_TEST(one_by_certificate_one_by_key),
		NET_TEST(refusals),
		cmocka_unit_test(stolen_certificate),
		cmocka_unit_test(chain_too_long),
		cmocka_unit_test(too_large),
		cmocka_unit_test(cache_is_bounded),
		NET_TEST(soft_fail_goes_on),
		NET_TEST(strict_does_not),
		cmocka_unit_test(stapled_answers),
		NET_TEST(too_late),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, make_root, free_root);
}
