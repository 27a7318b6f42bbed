/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a peer's certificates, signatures and their status may be.  The first byte says what the rest is: certificates,
 * each behind its length in two bytes; the data of an AUTH payload; an OCSP answer; a revocation list; a name.
 */
#include <string.h>
#include <time.h>

#include "cert_int.h"
#include "cert_ocsp.h"
#include "cert_status.h"
#include "fuzz.h"
#include "reason.h"
#include "sign.h"
#include "test_ca.h"

enum { CERTS = 8 };

static struct cert_profile *profile;
static struct cert_peer *known; /* a good one, of whom status is asked */
static struct bytes good;
static struct ike_id id = {.type = ID_FQDN, .len = 9, .data = "a.example"};

static void prepare(void)
{
	const struct test_cert ca = {.name = "root", .ca = true}, leaf = {.name = "a.example", .dns = true};
	const struct cert_policy policy = {
		.revocation = CERT_REVOCATION_STRICT, .use_crl = true, .use_ocsp = true, .timeout_s = 5};
	struct test_ca root = test_issue(NULL, &ca), end = test_issue(&root, &leaf);
	struct cert_verdict v;

	profile = test_profile(&root, &policy);
	good = test_der(&end);
	known = cert_peer_check(profile, &good, 1, &id, (int64_t)time(NULL), &v);
	MUST(known);
	test_ca_free(&root);
	test_ca_free(&end);
}

static void certificates(const uint8_t *data, size_t len)
{
	struct rd r = rd_of(data, len);
	struct bytes der[CERTS];
	struct cert_verdict v;
	struct cert_peer *c;
	size_t n = 0;

	while (n < CERTS && rd_left(&r) >= 2)
		der[n++] = rd_bytes(&r, rd_u16(&r));
	c = cert_peer_check(profile, der, n, &id, (int64_t)time(NULL), &v);
	/* Nobody but the CA signs, and its key is made anew each time. */
	MUST(!c && v.rule != CERT_GOOD && v.text[0]);
	for (size_t i = 0; i < n; i++) {
		struct cert_text t = {.name = "input", .b = der[i]};
		char ids[64];

		cert_text_ids(&t, ids, sizeof(ids));
	}
	/* Behind a good one: whatever comes along does no harm. */
	memmove(der + 1, der, (n < CERTS ? n : CERTS - 1) * sizeof(der[0]));
	der[0] = good;
	c = cert_peer_check(profile, der, n < CERTS ? n + 1 : CERTS, &id, (int64_t)time(NULL), &v);
	MUST(c || v.rule == CERT_MALFORMED);
	cert_peer_free(c);
}

static void signature(uint8_t method, const uint8_t *data, size_t len)
{
	static const char *const types[] = {"EC", "P-384", "P-521", "ED25519", "RSA"};
	static const struct bytes octets = {(const uint8_t *)"signed", 6};
	const char *what;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		EVP_PKEY *k = test_key(types[i]);

		MUST(sig_check(k, method, (struct bytes){data, len}, true, &octets, 1, &what) != SIG_RIGHT);
		MUST(what[0]);
		EVP_PKEY_free(k);
	}
}

/* No answer of anybody but the CA counts. */
static void status(bool list, const uint8_t *data, size_t len)
{
	struct cert_cache *cache = cert_cache_new();
	struct cert_fetch f = {.url = "http://x/", .post_len = list ? 0 : 1}, ask;
	const struct bytes b = {data, len};
	struct cert_verdict v;
	bool start;

	MUST(cert_status(profile, known, cache, list ? (struct bytes){0} : b, (int64_t)time(NULL), &v, &ask,
			 &start) == CERT_STATUS_BAD);
	MUST(v.rule == CERT_STATUS);
	cert_status_fetched(cache, &f, b, "", (int64_t)time(NULL));
	cert_cache_free(cache);
}

static void name(const uint8_t *data, size_t len)
{
	const struct bytes b = {data, len};
	char s[128], text[256];
	struct ike_id got = {.type = ID_DER_ASN1_DN, .len = (uint8_t)(len < IKE_ID_MAX ? len : IKE_ID_MAX)};

	memcpy(got.data, data, got.len);
	cert_dn_str(b, s, sizeof(s));
	for (const char *p = s; *p; p++)
		MUST((unsigned char)*p >= ' ' && (unsigned char)*p < 0x7f);
	cert_dn_is(b, b, true);
	cert_dn_has_wildcard(b);
	id_str(&got, s, sizeof(s));
	if (len < sizeof(text)) {
		memcpy(text, data, len);
		text[len] = '\0';
		if (cert_dn_parse(text, &got))
			MUST(cert_dn_is((struct bytes){got.data, got.len}, (struct bytes){got.data, got.len},
					false));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (!profile)
		prepare();
	if (len < 2)
		return 0;
	switch (data[0] % 5) {
	case 0: certificates(data + 1, len - 1); break;
	case 1: signature(data[1], data + 2, len - 2); break;
	case 2: status(false, data + 1, len - 1); break;
	case 3: status(true, data + 1, len - 1); break;
	default: name(data + 1, len - 1);
	}
	return 0;
}
