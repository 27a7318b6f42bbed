/* SPDX-License-Identifier: Apache-2.0 */
#include "proposal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "vectors.h"

/* ---- profiles and offers in short -------------------------------------------------------------- */

#define GCM256                                                                                               \
	{                                                                                                    \
		ENCR_AES_GCM_16, 256                                                                         \
	}
#define GCM128                                                                                               \
	{                                                                                                    \
		ENCR_AES_GCM_16, 128                                                                         \
	}
#define CBC256                                                                                               \
	{                                                                                                    \
		ENCR_AES_CBC, 256                                                                            \
	}
#define CBC128                                                                                               \
	{                                                                                                    \
		ENCR_AES_CBC, 128                                                                            \
	}
#define CHACHA                                                                                               \
	{                                                                                                    \
		ENCR_CHACHA20_POLY1305, 256                                                                  \
	}
#define SHA1   AUTH_HMAC_SHA1_96
#define SHA256 AUTH_HMAC_SHA2_256_128
#define SHA384 AUTH_HMAC_SHA2_384_192

/* "1/256.20,3.12,2.5,4.19": transforms as type.id or type.id/bits; "!" behind one: with an attribute we do not
 * understand; "|" parts proposals. */
static struct proposals offered(uint8_t protocol, const char *s)
{
	static const uint8_t spi[8] = {0xc0, 0xff, 0xee, 0x01};
	struct proposals ps = {0};
	struct proposal *p = NULL;

	while (*s) {
		unsigned type, id, bits = 0;
		int n = 0, more = 0;

		if (!p) {
			p = &ps.p[ps.n++];
			*p = (struct proposal){
				.num = ps.n, .protocol = protocol, .spi_len = protocol == PROTO_IKE ? 0 : 4};
			memcpy(p->spi, spi, p->spi_len);
		}
		assert_int_equal(sscanf(s, " %u.%u%n", &type, &id, &n), 2);
		s += n;
		if (*s == '/') {
			assert_int_equal(sscanf(s, "/%u%n", &bits, &more), 1);
			s += more;
		}
		p->t[p->n++] = (struct transform){.type = (uint8_t)type,
						  .id = (uint16_t)id,
						  .key_bits = (uint16_t)bits,
						  .odd = *s == '!'};
		s += *s == '!';
		if (*s == '|')
			p = NULL;
		s += *s == '|' || *s == ',';
	}
	return ps;
}

static const struct ike_algs ike_modern = {
	.n_encr = 1, .encr = {GCM256}, .n_prf = 1, .prf = {PRF_HMAC_SHA2_384}, .n_dh = 2, .dh = {20, 19}};
static const struct ike_algs ike_mixed = {.n_encr = 3,
					  .encr = {CBC256, GCM256, CBC128},
					  .n_integ = 2,
					  .integ = {SHA384, SHA256},
					  .n_dh = 2,
					  .dh = {14, 19}};
static const struct ike_algs esp_pfs = {.n_encr = 2, .encr = {GCM256, GCM128}, .n_dh = 1, .dh = {20}};
static const struct ike_algs esp_cbc = {
	.n_encr = 2, .encr = {CBC256, CBC128}, .n_integ = 2, .integ = {SHA256, SHA1}};
static const struct ike_algs esp_either = {.n_encr = 1, .encr = {GCM256}, .n_dh = 2, .dh = {19, DH_NONE}};

/* ---- codec ----------------------------------------------------------------------------------------- */

/* What strongSwan 5.9.8 sends for aes256gcm16-prfsha384-ecp384 and, as a second proposal, aes128-sha256-modp2048. */
static void decode(void **state)
{
	struct proposals p;
	char text[200];
	uint8_t buf[200];
	struct wr w = wr_of(buf, sizeof(buf));
	struct bytes body = hex(
		"02000024 01010003 0300000c 01000014 800e0100 03000008 02000006 00000008 04000014"
		"0000002c 02010004 0300000c 0100000c 800e0080 03000008 0300000c 03000008 02000005"
		"00000008 0400000e");

	assert_int_equal(prop_decode(body, &p), 0);
	assert_int_equal(p.n, 2);
	assert_int_equal(p.p[0].protocol, PROTO_IKE);
	assert_int_equal(p.p[0].n, 3);
	assert_int_equal(p.p[1].num, 2);
	assert_string_equal(proposals_str(&p, text, sizeof(text)),
			    "aes-256-gcm/prf-sha384/group20 | aes-128-cbc/sha256/prf-sha256/group14");
	prop_encode(&w, &p);
	assert_bytes((struct bytes){buf, w.len}, body);
	for (size_t cap = 0; cap < body.len; cap++) {
		struct wr small = wr_of(buf, cap);

		prop_encode(&small, &p);
		assert_true(small.bad);
		assert_int_equal(prop_decode((struct bytes){body.p, cap}, &p), -EINVAL);
		assert_int_equal(prop_decode(body, &p), 0);
	}
	/* ESP with its SPI */
	assert_int_equal(
		prop_decode(hex("0000001c 01030401 aabbccdd 0000000c 01000014 800e0100 00000008"), &p),
		-EINVAL);
	assert_int_equal(
		prop_decode(hex("00000020 01030402 aabbccdd 0300000c 01000014 800e0100 00000008 05000000"),
			    &p),
		0);
	assert_int_equal(p.p[0].spi_len, 4);
	assert_memory_equal(p.p[0].spi, "\xaa\xbb\xcc\xdd", 4);
}

static void attributes(void **state)
{
	static const struct {
		const char *attrs;
		int e;
		bool odd;
		uint16_t bits;
	} t[] = {
		{"", 0, false, 0},
		{"800e0100", 0, false, 256},
		{"800e0100800e0080", 0, true, 256}, /* twice */
		{"000e00020100", 0, true, 0},       /* key length in the long form (RFC 7296 3.3.5) */
		{"80110001", 0, true, 0},           /* an attribute nobody knows */
		{"800e010080110001", 0, true, 256},
		{"00110000", 0, true, 0},
		{"00110003aabbcc800e0080", 0, true, 128},
		{"800e01", -EINVAL},
		{"00110003aabb", -EINVAL},
		{"0011ffff", -EINVAL},
	};
	struct proposals p;
	char s[200];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		size_t n = strlen(t[i].attrs) / 2;

		snprintf(s, sizeof(s), "0000%04zx 01010001 0000%04zx 0100000c %s", 16 + n, 8 + n, t[i].attrs);
		assert_int_equal(prop_decode(hex(s), &p), t[i].e);
		if (t[i].e)
			continue;
		assert_int_equal(p.p[0].t[0].odd, t[i].odd);
		assert_int_equal(p.p[0].t[0].key_bits, t[i].bits);
	}
}

static void malformed(void **state)
{
	static const char *const bad[] = {
		"",
		"00",
		"00000007 010100",
		"00000010 01010001 00000008 01000003 00", /* bytes left */
		"02000010 01010001 00000008 01000003",    /* more announced */
		"01000010 01010001 00000008 01000003",    /* no such marker */
		"00000011 01010001 00000008 01000003",    /* too long */
		"0000000f 01010001 00000008 01000003",    /* too short */
		"00000010 01010001 03000008 01000003",    /* the last transform says there are more */
		"00000010 01010002 00000008 01000003",    /* fewer transforms than announced */
		"00000010 01010000 00000008 01000003",    /* more */
		"00000018 01010002 00000008 01000003 00000008 02000002", /* the first of two says it is the last */
		"00000010 01010001 00000007 01000003",
		"00000010 01010001 00000000 01000003",
		"00000010 01010001 00000009 01000003",
		"00000018 01010401 01020304 00000008 01000003 00000000", /* SPI sizes */
		"00000014 01010401 01020304 00000008 01000003",
		"00000010 01030001 00000008 01000003",
		"00000018 01030801 0102030405060708 00000008 01000003",
		"00000019 01090901 010203040506070809 00000008 01000003",
		"02000010 01010001 00000008 01000003 00000010 01010001 00000008 01000003", /* number twice */
		"02000010 01010001 00000008 01000003 00000010 03010001 00000008 01000003", /* number left out */
	};
	struct proposals p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (prop_decode(hex(bad[i]), &p) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
	/* none of these is wrong */
	assert_int_equal(prop_decode(hex("00ff0010 01010001 00ff0008 01ff0003"), &p), 0);
	assert_int_equal(prop_decode(hex("00000008 01010000"), &p), 0);
	assert_int_equal(prop_decode(hex("00000018 01010801 0102030405060708 00000008 01000003"), &p), 0);
	assert_int_equal(prop_decode(hex("00000010 05010001 00000008 01000003"), &p), 0);
}

static void how_many(void **state)
{
	static uint8_t buf[65000];
	struct proposals p;

	for (unsigned n = 1; n <= 70; n++) {
		struct wr w = wr_of(buf, sizeof(buf));

		wr_u16(&w, 0);
		wr_u16(&w, (uint16_t)(8 + 8 * n));
		wr_u32(&w, 0x01010000 + n);
		for (unsigned i = 0; i < n; i++) {
			wr_u32(&w, i + 1 == n ? 0x00000008 : 0x03000008);
			wr_u32(&w, 0x01000003);
		}
		assert_int_equal(prop_decode((struct bytes){buf, w.len}, &p),
				 n <= TRANSFORMS_MAX ? 0 : -E2BIG);
		w = wr_of(buf, sizeof(buf));
		for (unsigned i = 1; i <= n; i++) {
			wr_u32(&w, i == n ? 0x00000010 : 0x02000010);
			wr_u32(&w, 0x00010001 | i << 24);
			wr_u32(&w, 0x00000008);
			wr_u32(&w, 0x01000003);
		}
		assert_int_equal(prop_decode((struct bytes){buf, w.len}, &p),
				 n <= PROPOSALS_MAX ? 0 : -E2BIG);
	}
}

/* ---- offering -------------------------------------------------------------------------------------- */

static void check_offer(const struct ike_algs *a, enum prop_kind kind, enum ike_esn esn, const char *want)
{
	struct proposals p, back;
	uint8_t buf[2000];
	struct wr w = wr_of(buf, sizeof(buf));
	uint8_t spi_len = kind == PROP_IKE ? 0 : 4;
	char text[500];

	prop_offer(a, kind, esn, "\1\2\3\4", spi_len, &p);
	assert_string_equal(proposals_str(&p, text, sizeof(text)), want);
	prop_encode(&w, &p);
	assert_int_equal(prop_decode((struct bytes){buf, w.len}, &back), p.n ? 0 : -EINVAL);
	for (uint8_t i = 0; i < p.n; i++) {
		assert_int_equal(p.p[i].num, i + 1);
		assert_int_equal(p.p[i].spi_len, spi_len);
		assert_memory_equal(p.p[i].spi, "\1\2\3\4", spi_len);
	}
}

static void offer(void **state)
{
	static const struct ike_algs no_integ = {
		.n_encr = 2, .encr = {CBC256, CHACHA}, .n_dh = 1, .dh = {31}};
	static const struct ike_algs nothing = {0};

	check_offer(&ike_modern, PROP_IKE, false, "aes-256-gcm/prf-sha384/group20,group19");
	/* the cipher named first decides which kind goes first; PRFs follow from the hashes */
	check_offer(&ike_mixed, PROP_IKE, false,
		    "aes-256-cbc,aes-128-cbc/sha384,sha256/prf-sha384,prf-sha256/group14,group19 | "
		    "aes-256-gcm/prf-sha384,prf-sha256/group14,group19");
	check_offer(&esp_pfs, PROP_ESP, false, "aes-256-gcm,aes-128-gcm/group20");
	check_offer(&esp_pfs, PROP_ESP_FIRST, false, "aes-256-gcm,aes-128-gcm");
	check_offer(&esp_pfs, PROP_ESP_FIRST, true, "aes-256-gcm,aes-128-gcm/esn");
	check_offer(&esp_cbc, PROP_ESP, true, "aes-256-cbc,aes-128-cbc/sha256,sha1/esn");
	check_offer(&esp_either, PROP_ESP, false, "aes-256-gcm/group19,no-pfs");
	/* a cipher without integrity is not offered; one of fixed size gets no key length */
	check_offer(&no_integ, PROP_IKE, false, "chacha20-poly1305/prf-sha256,prf-sha384,prf-sha512/group31");
	check_offer(&nothing, PROP_IKE, false, "none");
}

/* ESN is offered before, and with it always, the choice of none (RFC 7296 3.3.2). */
static void offer_esn(void **state)
{
	struct proposals p;

	prop_offer(&esp_pfs, PROP_ESP, true, "\1\2\3\4", 4, &p);
	assert_int_equal(p.p[0].t[p.p[0].n - 2].id, ESN_YES);
	assert_int_equal(p.p[0].t[p.p[0].n - 1].type, TT_ESN);
	assert_int_equal(p.p[0].t[p.p[0].n - 1].id, ESN_NO);
	prop_offer(&esp_pfs, PROP_ESP, false, "\1\2\3\4", 4, &p);
	assert_int_equal(p.p[0].t[p.p[0].n - 1].id, ESN_NO);
	assert_int_not_equal(p.p[0].t[p.p[0].n - 2].type, TT_ESN);
}

/* ---- choosing ---------------------------------------------------------------------------------------- */

/* num:suite, or the reason in words. */
static void check_choice(const struct ike_algs *mine, enum prop_kind kind, enum ike_esn esn,
			 const char *theirs, const char *want)
{
	struct proposals p = offered(kind == PROP_IKE ? PROTO_IKE : PROTO_ESP, theirs);
	char got[400], why[400], suite[100];
	struct suite_choice s;
	int e = prop_choose(&p, mine, kind, esn, &s, why, sizeof(why));

	snprintf(got, sizeof(got), "%u:%s", s.num, e ? "" : suite_str(&s, suite, sizeof(suite)));
	assert_string_equal(e ? why : got, want);
	assert_int_equal(e, strchr(want, ' ') ? -ENOENT : 0);
}

static void choose_ike(void **state)
{
	check_choice(&ike_modern, PROP_IKE, false, "1.20/256,2.6,4.19,4.20",
		     "1:aes-256-gcm/prf-sha384/group20");
	check_choice(&ike_modern, PROP_IKE, false, "1.20/256,2.6,4.19", "1:aes-256-gcm/prf-sha384/group19");
	/* explicit NONE beside a combined-mode cipher (RFC 5282 8) */
	check_choice(&ike_modern, PROP_IKE, false, "1.20/256,3.0,2.6,4.19",
		     "1:aes-256-gcm/prf-sha384/group19");
	/* our order, not the peer's, over all its proposals */
	check_choice(&ike_mixed, PROP_IKE, false,
		     "1.20/256,2.5,4.19|1.12/128,3.12,2.5,4.14|1.12/256,3.12,2.5,4.14",
		     "3:aes-256-cbc/sha256/prf-sha256/group14");
	check_choice(&ike_mixed, PROP_IKE, false, "1.12/256,3.12,2.5,4.14|1.12/256,3.13,2.5,4.19",
		     "2:aes-256-cbc/sha384/prf-sha256/group19");
	check_choice(&ike_mixed, PROP_IKE, false, "1.12/256,3.12,3.13,2.5,2.6,4.19,4.14",
		     "1:aes-256-cbc/sha384/prf-sha384/group14");
	/* equally good: the first */
	check_choice(&ike_modern, PROP_IKE, false, "1.20/256,2.6,4.20|1.20/256,2.6,4.20",
		     "1:aes-256-gcm/prf-sha384/group20");
	/* transforms we cannot judge are passed over, others of their type count (RFC 7296 3.3.6) */
	check_choice(&ike_modern, PROP_IKE, false, "1.20/256!,1.20/256,2.6!,2.6,4.20!,4.19",
		     "1:aes-256-gcm/prf-sha384/group19");
}

static void choose_esp(void **state)
{
	check_choice(&esp_pfs, PROP_ESP, false, "1.20/128,4.20,5.0", "1:aes-128-gcm/group20");
	check_choice(&esp_pfs, PROP_ESP_FIRST, false, "1.20/256,5.0", "1:aes-256-gcm");
	check_choice(&esp_pfs, PROP_ESP_FIRST, false, "1.20/256,4.14,5.0", "1:aes-256-gcm");
	check_choice(&esp_cbc, PROP_ESP, false, "1.12/128,1.12/256,3.2,3.12,5.0", "1:aes-256-cbc/sha256");
	check_choice(&esp_cbc, PROP_ESP, false, "1.12/128,3.2,4.0,5.0", "1:aes-128-cbc/sha1");
	check_choice(&esp_either, PROP_ESP, false, "1.20/256,4.19,4.0,5.0", "1:aes-256-gcm/group19");
	check_choice(&esp_either, PROP_ESP, false, "1.20/256,4.20,4.0,5.0", "1:aes-256-gcm");
	check_choice(&esp_either, PROP_ESP, false, "1.20/256,5.0", "1:aes-256-gcm");
	/* ESN: ours to prefer, theirs to leave out */
	check_choice(&esp_cbc, PROP_ESP, true, "1.12/256,3.12,5.0,5.1", "1:aes-256-cbc/sha256/esn");
	check_choice(&esp_cbc, PROP_ESP, true, "1.12/256,3.12,5.0", "1:aes-256-cbc/sha256");
	check_choice(&esp_cbc, PROP_ESP, false, "1.12/256,3.12,5.0,5.1", "1:aes-256-cbc/sha256");
	check_choice(&esp_cbc, PROP_ESP, true, "1.12/256,3.12", "1:aes-256-cbc/sha256");
	check_choice(&esp_cbc, PROP_ESP, true, "1.12/256,3.12,5.0|1.12/256,3.12,5.1",
		     "2:aes-256-cbc/sha256/esn");
}

static void explained(void **state)
{
	check_choice(&ike_modern, PROP_IKE, false, "1.12/128,3.12,2.6,4.20",
		     "encryption: peer offers aes-128-cbc; we accept aes-256-gcm");
	check_choice(&ike_modern, PROP_IKE, false, "1.20/128,2.5,4.14",
		     "encryption: peer offers aes-128-gcm; we accept aes-256-gcm. "
		     "prf: peer offers prf-sha256; we accept prf-sha384. "
		     "dh-group: peer offers group14; we accept group20, group19");
	/* the nearest of several is the one spoken of */
	check_choice(&ike_modern, PROP_IKE, false,
		     "1.3,3.2,2.2,4.2|1.20/256,2.6,4.14,4.2|1.12/256,3.12,2.6,4.20",
		     "dh-group: peer offers group14, group2; we accept group20, group19");
	check_choice(&ike_mixed, PROP_IKE, false, "1.12/256,3.2,2.5,4.14",
		     "authentication: peer offers sha1; we accept sha384, sha256");
	check_choice(&ike_mixed, PROP_IKE, false, "1.12/256,2.5,4.14",
		     "authentication: peer offers none; we accept sha384, sha256");
	check_choice(&ike_modern, PROP_IKE, false, "1.20/256,3.12,2.6,4.20",
		     "authentication: peer offers sha256; we accept none beside a combined-mode cipher");
	/* what a proposal lacks, and what is in it that we do not know */
	check_choice(&ike_modern, PROP_IKE, false, "1.20,2.6,4.20",
		     "encryption: peer offers aes-?-gcm; we accept aes-256-gcm");
	check_choice(&ike_modern, PROP_IKE, false, "1.20/256,4.20",
		     "prf: peer offers none; we accept prf-sha384");
	check_choice(&ike_modern, PROP_IKE, false, "1.20/256!,2.6,4.1031",
		     "encryption: peer offers aes-256-gcm?; we accept aes-256-gcm. "
		     "dh-group: peer offers group1031; we accept group20, group19");
	check_choice(&ike_modern, PROP_IKE, false, "1.20/256,2.6,4.20,6.36",
		     "additional key exchange 1: peer offers ke1_mlkem768; we accept none");
	check_choice(
		&ike_modern, PROP_IKE, false, "1.99,2.99,4.20",
		"encryption: peer offers encr-99; we accept aes-256-gcm. prf: peer offers prf-99; we accept prf-sha384");
	check_choice(&ike_modern, PROP_IKE, false, "", "peer offers nothing");
	check_choice(&esp_pfs, PROP_ESP, false, "1.20/256,5.0",
		     "dh-group (PFS): peer offers no-pfs; we accept group20");
	check_choice(&esp_cbc, PROP_ESP, false, "1.12/256,3.12,4.14,5.0",
		     "dh-group (PFS): peer offers group14; we accept no-pfs");
	check_choice(&esp_cbc, PROP_ESP, false, "1.12/256,3.12,5.1",
		     "extended sequence numbers: peer offers esn; we accept no-esn");
	check_choice(&esp_cbc, PROP_ESP, false, "1.12/256,3.12,2.5,5.0",
		     "further transforms: peer requires prf-sha256; we accept none");
}

static void explained_protocol(void **state)
{
	struct proposals p = offered(PROTO_AH, "3.12,5.0");
	struct suite_choice s;
	char why[100], tiny[20];

	assert_int_equal(prop_choose(&p, &esp_cbc, PROP_ESP, false, &s, why, sizeof(why)), -ENOENT);
	assert_string_equal(why, "protocol: peer offers AH; we accept ESP");
	assert_int_equal(prop_choose(&p, &esp_cbc, PROP_ESP, false, &s, tiny, sizeof(tiny)), -ENOENT);
	assert_string_equal(tiny, "protocol: peer offe");
	assert_int_equal(prop_choose(&p, &esp_cbc, PROP_ESP, false, &s, NULL, 0), -ENOENT);
}

/* A cipher of one size must come without key length; a bare AES in our own profile matches nothing. */
static void key_length(void **state)
{
	static const struct ike_algs chacha = {.n_encr = 1, .encr = {CHACHA}};
	static const struct ike_algs bare = {.n_encr = 1, .encr = {{ENCR_AES_GCM_16, 0}}};

	check_choice(&chacha, PROP_ESP, false, "1.28,5.0", "1:chacha20-poly1305");
	check_choice(&chacha, PROP_ESP, false, "1.28/256,5.0",
		     "encryption: peer offers chacha20-poly1305/256; we accept chacha20-poly1305");
	check_choice(&bare, PROP_ESP, false, "1.20,5.0",
		     "encryption: peer offers aes-?-gcm; we accept aes-?-gcm");
}

/* ---- answering --------------------------------------------------------------------------------------- */

/* RFC 7296 2.7: the answer has exactly one transform of each type that the proposal had. */
static void check_answer(const struct ike_algs *mine, enum prop_kind kind, const char *theirs,
			 const char *want)
{
	struct proposals p = offered(kind == PROP_IKE ? PROTO_IKE : PROTO_ESP, theirs), back;
	struct proposals expect = offered(kind == PROP_IKE ? PROTO_IKE : PROTO_ESP, want);
	uint8_t buf[300];
	struct wr w = wr_of(buf, sizeof(buf));
	struct suite_choice s, accepted;

	assert_int_equal(prop_choose(&p, mine, kind, false, &s, NULL, 0), 0);
	assert_int_equal(s.spi_len, p.p[0].spi_len);
	assert_memory_equal(s.spi, p.p[0].spi, s.spi_len);
	prop_encode_choice(&w, &s, "\xde\xad\xbe\xef", s.spi_len);
	assert_int_equal(prop_decode((struct bytes){buf, w.len}, &back), 0);
	assert_int_equal(back.n, 1);
	assert_int_equal(back.p[0].num, s.num);
	assert_memory_equal(back.p[0].spi, "\xde\xad\xbe\xef", s.spi_len);
	assert_int_equal(back.p[0].n, expect.p[0].n);
	for (uint8_t i = 0; i < back.p[0].n; i++) {
		assert_int_equal(back.p[0].t[i].type, expect.p[0].t[i].type);
		assert_int_equal(back.p[0].t[i].id, expect.p[0].t[i].id);
		assert_int_equal(back.p[0].t[i].key_bits, expect.p[0].t[i].key_bits);
	}
	/* and the one who offered takes it for the same suite */
	assert_int_equal(prop_accept(&back, &p, &accepted), 0);
	assert_true(accepted.encr == s.encr && accepted.key_bits == s.key_bits && accepted.integ == s.integ &&
		    accepted.prf == s.prf && accepted.dh == s.dh && accepted.esn == s.esn &&
		    accepted.num == s.num);
	assert_memory_equal(accepted.spi, "\xde\xad\xbe\xef", s.spi_len);
}

static void answer(void **state)
{
	check_answer(&ike_modern, PROP_IKE, "1.20/256,1.20/128,2.6,2.5,4.19,4.20", "1.20/256,2.6,4.20");
	check_answer(&ike_modern, PROP_IKE, "1.20/256,3.0,2.6,4.20", "1.20/256,3.0,2.6,4.20");
	check_answer(&ike_mixed, PROP_IKE, "1.12/256,3.12,2.5,4.14", "1.12/256,3.12,2.5,4.14");
	check_answer(&esp_pfs, PROP_ESP, "1.20/256,4.20,5.0", "1.20/256,4.20,5.0");
	check_answer(&esp_cbc, PROP_ESP, "1.12/256,3.12,4.0,5.1,5.0", "1.12/256,3.12,4.0,5.0");
	check_answer(&esp_cbc, PROP_ESP, "1.12/256,3.12", "1.12/256,3.12");
	check_answer(&esp_pfs, PROP_ESP_FIRST, "1.20/256,5.0", "1.20/256,5.0");
	check_answer(&esp_pfs, PROP_ESP_FIRST, "1.20/256,4.0,5.0", "1.20/256,4.0,5.0");
}

/* A suite that came from no proposal is written in full. */
static void answer_from_nothing(void **state)
{
	struct suite_choice s = {.num = 1, .protocol = PROTO_ESP, .encr = ENCR_AES_GCM_16, .key_bits = 128};
	struct proposals p;
	uint8_t buf[100];
	struct wr w = wr_of(buf, sizeof(buf));

	prop_encode_choice(&w, &s, "\1\2\3\4", 4);
	assert_int_equal(prop_decode((struct bytes){buf, w.len}, &p), 0);
	assert_int_equal(p.p[0].n, 2);
	assert_int_equal(p.p[0].t[1].type, TT_ESN);
}

static void accept(void **state)
{
	static const struct {
		const char *offered, *answer;
		int e;
	} t[] = {
		{"1.20/256,2.6,4.20", "1.20/256,2.6,4.20", 0},
		{"1.20/256,1.20/128,2.6,2.5,4.20", "1.20/128,2.5,4.20", 0},
		{"1.20/256,2.6,4.20", "1.20/256,3.0,2.6,4.20", 0}, /* says NONE where we said nothing */
		{"1.20/256,2.6,4.20", "1.20/128,2.6,4.20", -ENOENT},
		{"1.20/256,2.6,4.20", "1.20,2.6,4.20", -ENOENT},
		{"1.20/256,2.6,4.20", "1.20/256!,2.6,4.20", -ENOENT},
		{"1.20/256,2.6,4.20", "1.20/256,2.6", -ENOENT},
		{"1.20/256,2.6,4.20", "1.20/256,2.6,4.0", -ENOENT},
		{"1.20/256,2.6,4.20", "1.20/256,4.20", -ENOENT},
		{"1.20/256,2.6,4.20", "2.6,4.20", -ENOENT},
		{"1.20/256,2.6,4.20", "1.20/256,3.12,2.6,4.20", -ENOENT},
		{"1.20/256,2.6,4.20", "1.20/256,2.6,4.20,6.1", -ENOENT},
		{"1.12/256,3.12,2.5,4.14", "1.12/256,2.5,4.14", -ENOENT}, /* no integrity: no */
		{"1.12/256,3.12,2.5,4.14", "1.12/256,3.0,2.5,4.14", -ENOENT},
		{"1.20/256,2.6,4.20,4.19", "1.20/256,2.6,4.20,4.19", -EINVAL}, /* two of a type */
		{"1.20/256,2.6,4.20", "1.20/256,2.6,2.6,4.20", -EINVAL},
		{"1.20/256,2.6,4.20", "1.20/256,2.6,4.20|1.20/256,2.6,4.20", -EINVAL},
		{"1.20/256,2.6,4.20", "", -EINVAL},
	};
	struct suite_choice s;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct proposals o = offered(PROTO_IKE, t[i].offered), a = offered(PROTO_IKE, t[i].answer);

		if (prop_accept(&a, &o, &s) != t[i].e)
			fail_msg("offered %s, answered %s", t[i].offered, t[i].answer);
	}
}

static void accept_esp(void **state)
{
	struct proposals o = offered(PROTO_ESP, "1.12/256,3.12,5.1,5.0|1.20/256,5.1,5.0");
	struct proposals second = offered(PROTO_ESP, "1.20/256,5.1"), bare = offered(PROTO_ESP, "1.20/256");
	struct proposals esn_only = offered(PROTO_ESP, "1.12/256,3.12,5.1"),
			 a = offered(PROTO_ESP, "1.12/256,3.12");
	struct proposals ike = offered(PROTO_IKE, "1.12/256,3.12,5.0");
	struct suite_choice s;

	/* the number says which proposal it is of */
	assert_int_equal(prop_accept(&second, &o, &s), -ENOENT);
	second.p[0].num = 2;
	assert_int_equal(prop_accept(&second, &o, &s), 0);
	assert_true(s.esn);
	assert_int_equal(s.num, 2);
	bare.p[0].num = 2;
	assert_int_equal(prop_accept(&bare, &o, &s), 0);
	assert_false(s.esn);
	assert_int_equal(prop_accept(&a, &esn_only, &s), -ENOENT);
	assert_int_equal(prop_accept(&ike, &o, &s), -ENOENT);
	bare.p[0].num = 3;
	assert_int_equal(prop_accept(&bare, &o, &s), -ENOENT);
}

/* ---- words --------------------------------------------------------------------------------------------- */

static void words(void **state)
{
	static const struct {
		struct transform t;
		const char *s;
	} t[] = {
		{{.type = TT_ENCR, .id = ENCR_AES_CBC, .key_bits = 192}, "aes-192-cbc"},
		{{.type = TT_ENCR, .id = ENCR_AES_GCM_8, .key_bits = 128}, "aes-128-gcm-8"},
		{{.type = TT_ENCR, .id = ENCR_3DES}, "3des"},
		{{.type = TT_ENCR, .id = ENCR_NULL}, "null"},
		{{.type = TT_ENCR, .id = 4000, .key_bits = 128}, "encr-4000-128"},
		{{.type = TT_ENCR, .id = 65535, .key_bits = 65535, .odd = true}, "encr-65535-65535?"},
		{{.type = TT_INTEG, .id = 7}, "integ-7"},
		{{.type = TT_DH, .id = DH_CURVE25519}, "group31"},
		{{.type = TT_DH, .id = 9999}, "group9999"},
		{{.type = TT_ESN, .id = 1}, "esn"},
		{{.type = TT_ESN, .id = 2}, "esn-2"},
		{{.type = 0, .id = 5}, "type0-5"},
		{{.type = 255, .id = 65535}, "type255-65535"},
	};
	struct suite_choice none = {0};
	struct proposals p = offered(PROTO_IKE, "1.20/256,2.6,4.20,6.36");
	char buf[ALG_STR], text[100];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_string_equal(prop_alg_str(&t[i].t, buf), t[i].s);
	assert_string_equal(transform_name(TT_ENCR, ENCR_AES_GCM_16), "AES_GCM_16");
	assert_string_equal(transform_name(TT_PRF, PRF_HMAC_SHA2_384), "PRF_HMAC_SHA2_384");
	assert_string_equal(transform_name(TT_ENCR, 999), "unknown");
	assert_string_equal(suite_str(&none, text, sizeof(text)), "none");
	assert_string_equal(proposals_str(&p, text, sizeof(text)),
			    "aes-256-gcm/prf-sha384/group20/ke1_mlkem768");
	assert_true(encr_is_aead(ENCR_AES_GCM_12) && encr_is_aead(ENCR_CHACHA20_POLY1305) &&
		    encr_is_aead(ENCR_NULL_AUTH_AES_GMAC));
	assert_false(encr_is_aead(ENCR_AES_CBC) || encr_is_aead(ENCR_NULL) || encr_is_aead(ENCR_AES_CTR));
	assert_true(encr_has_key_length(ENCR_AES_CTR) && !encr_has_key_length(ENCR_CHACHA20_POLY1305));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decode),     cmocka_unit_test(attributes),
		cmocka_unit_test(malformed),  cmocka_unit_test(how_many),
		cmocka_unit_test(offer),      cmocka_unit_test(offer_esn),
		cmocka_unit_test(choose_ike), cmocka_unit_test(choose_esp),
		cmocka_unit_test(explained),  cmocka_unit_test(explained_protocol),
		cmocka_unit_test(key_length), cmocka_unit_test(answer),
		cmocka_unit_test(accept),     cmocka_unit_test(answer_from_nothing),
		cmocka_unit_test(accept_esp), cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
