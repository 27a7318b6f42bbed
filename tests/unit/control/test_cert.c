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

#include "cert_cache.h"
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
		NET_TEST(soft_fail_goes_on),
		NET_TEST(strict_does_not),
		NET_TEST(too_late),
	};

	return cmocka_run_group_tests(tests, make_root, free_root);
}
