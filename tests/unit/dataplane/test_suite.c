/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Suites against published vectors, on packets made by hand.  A packet here is what the stages see: an
 * mbuf whose data is the ESP packet alone.  tests/dp has the same suites against another implementation.
 */
#include "suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static struct worker w;
static struct sa_in in;
static struct sa_out out;

struct frame {
	struct rte_mbuf m;
	struct pkt p;
	uint8_t data[2048];
};

static unsigned unhex(const char *s, uint8_t *b)
{
	unsigned n = 0, byte;

	for (; s && *s; s += 2) {
		assert_int_equal(sscanf(s, "%2x", &byte), 1);
		b[n++] = (uint8_t)byte;
	}
	return n;
}

static void frame_set(struct frame *f, const uint8_t *esp, unsigned len)
{
	memset(f, 0, sizeof(*f));
	memcpy(f->data, esp, len);
	f->m.buf_addr = f->data;
	f->p.m = &f->m;
	f->p.ip_len = (uint16_t)len;
	f->p.spi = (uint32_t)(esp[0] << 24 | esp[1] << 16 | esp[2] << 8 | esp[3]);
	f->p.seq = (uint32_t)(esp[4] << 24 | esp[5] << 16 | esp[6] << 8 | esp[7]);
}

static const struct suite *use(enum dp_encr e, uint16_t bits, enum dp_integ i, const struct dp_keys *k,
			       bool esn)
{
	const struct suite *s = suite_find(&(struct dp_suite){e, bits, i});

	assert_non_null(s);
	assert_true(suite_keys_fit(s, k));
	memset(&in, 0, sizeof(in));
	memset(&out, 0, sizeof(out));
	assert_int_equal(s->expand(s, w.mb, k, in.key), 0);
	assert_int_equal(s->expand(s, w.mb, k, out.key), 0);
	memcpy(&in.salt, k->salt, 4);
	memcpy(&out.salt, k->salt, 4);
	in.flags = out.flags = esn ? SA_ESN : 0;
	in.suite = out.suite = (uint8_t)(s - suite_table);
	return s;
}

static void keys_set(struct dp_keys *k, const char *encr, const char *salt, const char *integ)
{
	memset(k, 0, sizeof(*k));
	k->encr_len = (uint8_t)unhex(encr, k->encr);
	k->salt_len = (uint8_t)unhex(salt, k->salt);
	k->integ_len = (uint8_t)unhex(integ, k->integ);
}

static enum drop open_one(const struct suite *s, struct frame *f)
{
	struct pkt *p = &f->p;

	p->sa_in = &in;
	p->drop = DROP_NONE;
	s->open(&w, s, &p, 1);
	return (enum drop)p->drop;
}

/* RFC 4868 2.7: keys 0b.., 01 02 03.. */
#define KEY_0B_32 "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"
#define KEY_12_20 "0102030405060708090a0b0c0d0e0f1011121314"
#define KEY_12_32 "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"
#define KEY_12_48 KEY_12_32 "2122232425262728292a2b2c2d2e2f30"
#define KEY_12_64 KEY_12_48 "3132333435363738393a3b3c3d3e3f40"
/* RFC 3602 4, case 5: an ESP packet without ICV, and its text with padding and trailer */
#define ESP_3602                                                                                             \
	"0000432100000001e96e8c08ab465763fd098d45dd3ff893f663c25d325c18c6a9453e194e120849a4870b66cc6b9965"   \
	"330013b4898dc856a4699e523a55db080b59ec3a8e4b7e52775b07d1db34ed9c538ab50c551b874aa269add047ad2d59"   \
	"13ac19b7cfbad4a6"
#define TEXT_3602                                                                                            \
	"08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223242526"     \
	"2728292a2b2c2d2e2f30313233343536370102030405060708090a0b0c0d0e0e01"
#define CBC128_KEY "90d382b410eeba7ad938c46cec1a82bf"

static const struct {
	const char *what;
	enum dp_encr encr;
	uint16_t bits;
	enum dp_integ integ;
	const char *key, *salt, *integ_key;
	uint32_t seq_high; /* with ESN; 0: without */
	const char *esp, *text;
} vectors[] = {
	/* McGrew and Viega, "GCM test vectors for ESP" (draft-mcgrew-gcm-test-01) */
	{"gcm-128, ESN", DP_AES_GCM_16, 128, DP_INTEG_NONE, "4c80cdefbb5d10da906ac73c3613a634", "2e443b68",
	 NULL, 0x87654321,
	 "0000432100000000"
	 "4956ed7e3b244cfe"
	 "fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34cfa2436f14a3f3cf65925bf1f4a13c5d"
	 "15b21e1884f5ff6247aeabb786b93bce61bc17d768fd9732"
	 "459018148f6cbe722fd04796562dfdb4",
	 "45000048699a000080114db7c0a80102c0a801010a9bf15638d301000001000000000000045f736970045f7564700373"
	 "69700963796265726369747902646b000021000101020201"},
	{"gcm-192", DP_AES_GCM_16, 192, DP_INTEG_NONE, "feffe9928665731c6d6a8f9467308308feffe9928665731c",
	 "cafebabe", NULL, 0,
	 "0000a5f80000000a"
	 "facedbaddecaf888"
	 "a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0315b27452144cc77"
	 "95457b9652037f5318027b5b4cd7a636",
	 "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e501016d075680001"},
	{"gcm-256", DP_AES_GCM_16, 256, DP_INTEG_NONE,
	 "abbccddef00112233445566778899aababbccddef00112233445566778899aab", "11223344", NULL, 0,
	 "4a2cbfe300000002"
	 "0102030405060708"
	 "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763748a637985771d347f0545659f14e99d"
	 "ef842d8e"
	 "b335f4eecfdbf831824b4c4915956c96",
	 "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b401010402"
	 "01020201"},
	/* RFC 4106 6: shorter ICVs are the first bytes of the long one */
	{"gcm-256, ICV 12", DP_AES_GCM_12, 256, DP_INTEG_NONE,
	 "abbccddef00112233445566778899aababbccddef00112233445566778899aab", "11223344", NULL, 0,
	 "4a2cbfe300000002"
	 "0102030405060708"
	 "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763748a637985771d347f0545659f14e99d"
	 "ef842d8e"
	 "b335f4eecfdbf831824b4c49",
	 "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b401010402"
	 "01020201"},
	{"gcm-256, ICV 8", DP_AES_GCM_8, 256, DP_INTEG_NONE,
	 "abbccddef00112233445566778899aababbccddef00112233445566778899aab", "11223344", NULL, 0,
	 "4a2cbfe300000002"
	 "0102030405060708"
	 "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763748a637985771d347f0545659f14e99d"
	 "ef842d8e"
	 "b335f4eecfdbf831",
	 "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b401010402"
	 "01020201"},
	/* RFC 3602 4, case 5; the ICVs computed apart, with Python's hmac */
	{"cbc-128, sha1", DP_AES_CBC, 128, DP_HMAC_SHA1_96, CBC128_KEY, NULL, KEY_12_20, 0,
	 ESP_3602 "6ffe6c928cd19f695d057034", TEXT_3602},
	{"cbc-128, sha256", DP_AES_CBC, 128, DP_HMAC_SHA256_128, CBC128_KEY, NULL, KEY_12_32, 0,
	 ESP_3602 "a4de5ff4f4cf744b89129c5b5e3efa4b", TEXT_3602},
	{"cbc-128, sha384", DP_AES_CBC, 128, DP_HMAC_SHA384_192, CBC128_KEY, NULL, KEY_12_48, 0,
	 ESP_3602 "640e2ec8078f4ad63990230d856bb6f458ba73d9ad854f3c", TEXT_3602},
	{"cbc-128, sha512", DP_AES_CBC, 128, DP_HMAC_SHA512_256, CBC128_KEY, NULL, KEY_12_64, 0,
	 ESP_3602 "5a03496de23c2dd69916cdb9915ed68f596df936dc340dda109a954159f5ca3f", TEXT_3602},
	{"cbc-128, sha256, ESN", DP_AES_CBC, 128, DP_HMAC_SHA256_128, CBC128_KEY, NULL, KEY_12_32, 5,
	 ESP_3602 "f6ae66ed02cfeb9c002f776fd90b7df4", TEXT_3602},
	{"cbc-128, sha512, ESN", DP_AES_CBC, 128, DP_HMAC_SHA512_256, CBC128_KEY, NULL, KEY_12_64, 5,
	 ESP_3602 "dae30031596b3ecff5cedff16c608fdf39db39be58db428754869f9f826c0e1f", TEXT_3602},
	/* RFC 4868 2.7.2, cases 1 and 4, read as ESP of the NULL cipher: header "Hi There", or fifty times cd */
	{"null, sha256", DP_ENCR_NULL, 0, DP_HMAC_SHA256_128, NULL, NULL, KEY_0B_32, 0,
	 "4869205468657265"
	 "198a607eb44bfbc69903a0f1cf2bbdc5",
	 ""},
	{"null, sha256", DP_ENCR_NULL, 0, DP_HMAC_SHA256_128, NULL, NULL, KEY_12_32, 0,
	 "cdcdcdcdcdcdcdcd"
	 "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
	 "372efcf9b40b35c2115b1346903d2ef4",
	 "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"},
	/* RFC 7634 appendix A */
	{"chacha20-poly1305", DP_CHACHA20_POLY1305, 0, DP_INTEG_NONE,
	 "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", "a0a1a2a3", NULL, 0,
	 "0102030400000005"
	 "1011121314151617"
	 "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f7"
	 "2aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da9165b82829f641e0"
	 "76aaa8266b7fb0f7b11b369907e1ad43",
	 "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec100007362708090a0b0c0d0e0f10111213"
	 "1415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363701020204"},
};

static void opens_published_packets(void **state)
{
	for (size_t i = 0; i < LEN(vectors); i++) {
		uint8_t esp[512], text[512];
		unsigned len = unhex(vectors[i].esp, esp), text_len = unhex(vectors[i].text, text);
		const struct suite *s;
		struct dp_keys k;
		struct frame f;

		keys_set(&k, vectors[i].key, vectors[i].salt, vectors[i].integ_key);
		s = use(vectors[i].encr, vectors[i].bits, vectors[i].integ, &k, vectors[i].seq_high != 0);
		frame_set(&f, esp, len);
		f.p.seq |= (uint64_t)vectors[i].seq_high << 32;
		if (open_one(s, &f) != DROP_NONE)
			fail_msg("%s: refused", vectors[i].what);
		assert_int_equal(suite_text_len(s, &f.p), text_len);
		if (memcmp(f.data + ESP_HDR + s->iv_len, text, text_len) != 0)
			fail_msg("%s: wrong text", vectors[i].what);
	}
}

/* Every single bit of every vector counts. */
static void refuses_every_flipped_bit(void **state)
{
	for (size_t i = 0; i < LEN(vectors); i++) {
		uint8_t esp[512];
		unsigned len = unhex(vectors[i].esp, esp);
		const struct suite *s;
		struct dp_keys k;
		struct frame f;

		keys_set(&k, vectors[i].key, vectors[i].salt, vectors[i].integ_key);
		s = use(vectors[i].encr, vectors[i].bits, vectors[i].integ, &k, vectors[i].seq_high != 0);
		for (unsigned bit = 0; bit < len * 8; bit++) {
			esp[bit / 8] ^= (uint8_t)(1 << bit % 8);
			frame_set(&f, esp, len);
			f.p.seq |= (uint64_t)vectors[i].seq_high << 32;
			if (open_one(s, &f) != DROP_ESP_AUTH)
				fail_msg("%s: bit %u does not count", vectors[i].what, bit);
			esp[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		if (vectors[i].seq_high) { /* nor the half of the number that is not sent */
			frame_set(&f, esp, len);
			f.p.seq |= (uint64_t)(vectors[i].seq_high + 1) << 32;
			assert_int_equal(open_one(s, &f), DROP_ESP_AUTH);
		}
	}
}

static void random_bytes(uint8_t *b, size_t n)
{
	while (n--)
		*b++ = (uint8_t)random();
}

static void random_keys(const struct suite *s, struct dp_keys *k)
{
	memset(k, 0, sizeof(*k));
	k->encr_len = s->key_len;
	k->salt_len = s->salt_len;
	k->integ_len = s->integ_key_len;
	random_bytes(k->encr, k->encr_len);
	random_bytes(k->salt, k->salt_len);
	random_bytes(k->integ, k->integ_len);
}

/* Every suite of the table, full lists of packets of all lengths, ESN on and off: what is sealed opens
 * again as it was, in the same order, and never stands there in clear. */
static void seals_what_it_opens(void **state)
{
	static struct frame f[BURST_MAX];
	static uint8_t text[BURST_MAX][1600];

	srandom(3);
	for (unsigned t = 0; t < 2 * suite_count; t++) {
		const struct suite *s = &suite_table[t / 2];
		struct pkt *p[BURST_MAX];
		uint16_t n = (uint16_t)(t % 3 ? BURST_MAX : 5);
		unsigned len[BURST_MAX];
		struct dp_keys k;

		random_keys(s, &k);
		use(s->id.encr, s->id.key_bits, s->id.integ, &k, t % 2);
		for (unsigned i = 0; i < n; i++) {
			uint8_t hdr[ESP_HDR] = {0x12, 0x34, 0x56, 0x78, 0, 0, 1, (uint8_t)i};
			unsigned total;

			len[i] = s->block * (1 + (unsigned)random() % (1500u / s->block));
			random_bytes(text[i], len[i]);
			total = ESP_HDR + s->iv_len + len[i] + s->icv_len;
			frame_set(&f[i], hdr, sizeof(hdr));
			memcpy(f[i].data + ESP_HDR + s->iv_len, text[i], len[i]);
			f[i].p.ip_len = (uint16_t)total;
			f[i].p.seq = UINT64_C(0x700000100) + i;
			f[i].p.sa_out = &out;
			p[i] = &f[i].p;
		}
		s->seal(&w, s, p, n);
		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(f[i].p.drop, DROP_NONE);
			assert_ptr_equal(p[i], &f[i].p);
			if (s->id.encr != DP_ENCR_NULL && len[i] > 16)
				assert_memory_not_equal(f[i].data + ESP_HDR + s->iv_len, text[i], len[i]);
			f[i].p.sa_in = &in;
		}
		s->open(&w, s, p, n);
		for (unsigned i = 0; i < n; i++) {
			if (f[i].p.drop != DROP_NONE)
				fail_msg("%s: packet %u: refused", s->name, i);
			assert_memory_equal(f[i].data + ESP_HDR + s->iv_len, text[i], len[i]);
		}
	}
}

/* One bad packet in a full list is found, and only that one. */
static void finds_the_bad_one(void **state)
{
	static struct frame f[BURST_MAX];

	srandom(4);
	for (unsigned t = 0; t < suite_count; t++) {
		const struct suite *s = &suite_table[t];
		unsigned bad = (unsigned)random() % BURST_MAX;
		struct pkt *p[BURST_MAX];
		struct dp_keys k;

		random_keys(s, &k);
		use(s->id.encr, s->id.key_bits, s->id.integ, &k, false);
		for (unsigned i = 0; i < BURST_MAX; i++) {
			uint8_t hdr[ESP_HDR] = {0x12, 0x34, 0x56, 0x78, 0, 0, 0, (uint8_t)i};

			frame_set(&f[i], hdr, sizeof(hdr));
			f[i].p.ip_len = (uint16_t)(ESP_HDR + s->iv_len + 64 + s->icv_len);
			f[i].p.sa_out = &out;
			p[i] = &f[i].p;
		}
		s->seal(&w, s, p, BURST_MAX);
		f[bad].data[f[bad].p.ip_len - 1] ^= 0x80;
		for (unsigned i = 0; i < BURST_MAX; i++)
			f[i].p.sa_in = &in;
		s->open(&w, s, p, BURST_MAX);
		for (unsigned i = 0; i < BURST_MAX; i++)
			assert_int_equal(f[i].p.drop, i == bad ? DROP_ESP_AUTH : DROP_NONE);
	}
}

/* RFC 4106 3.1: no IV twice.  RFC 3602 3: nobody can tell the next CBC IV from the last ones: two SAs
 * with equal keys and numbers choose different ones, and no byte of it counts. */
static void ivs(void **state)
{
	static struct frame f[BURST_MAX];
	static uint8_t iv[2][BURST_MAX][16];
	const struct suite *s = NULL;
	struct dp_keys k;

	for (unsigned round = 0; round < 2; round++) {
		struct pkt *p[BURST_MAX];

		keys_set(&k, CBC128_KEY, NULL, KEY_12_32);
		s = use(DP_AES_CBC, 128, DP_HMAC_SHA256_128, &k, false);
		for (unsigned i = 0; i < BURST_MAX; i++) {
			uint8_t hdr[ESP_HDR] = {0x12, 0x34, 0x56, 0x78, 0, 0, 0, (uint8_t)i};

			frame_set(&f[i], hdr, sizeof(hdr));
			f[i].p.ip_len = (uint16_t)(ESP_HDR + s->iv_len + 64 + s->icv_len);
			f[i].p.sa_out = &out;
			p[i] = &f[i].p;
		}
		s->seal(&w, s, p, BURST_MAX);
		for (unsigned i = 0; i < BURST_MAX; i++)
			memcpy(iv[round][i], f[i].data + ESP_HDR, 16);
	}
	for (unsigned i = 0; i < BURST_MAX; i++) {
		assert_memory_not_equal(iv[0][i], iv[1][i], 16);
		for (unsigned j = 0; j < i; j++) {
			unsigned same = 0;

			for (unsigned b = 0; b < 16; b++)
				same += iv[0][i][b] == iv[0][j][b];
			assert_true(same < 8);
		}
	}
}

static void names_and_refusals(void **state)
{
	struct dp_keys k = {.encr_len = 32, .salt_len = 4};
	const struct suite *s;

	assert_true(dp_suite_supported(&(struct dp_suite){DP_AES_CBC, 256, DP_HMAC_SHA256_128}));
	assert_true(dp_suite_supported(&(struct dp_suite){DP_AES_GCM_16, 128, DP_INTEG_NONE}));
	assert_false(dp_suite_supported(&(struct dp_suite){DP_AES_CBC, 256, DP_INTEG_NONE}));
	assert_false(dp_suite_supported(&(struct dp_suite){DP_AES_GCM_16, 256, DP_HMAC_SHA256_128}));
	assert_false(dp_suite_supported(&(struct dp_suite){DP_AES_GCM_16, 160, DP_INTEG_NONE}));
	assert_false(dp_suite_supported(&(struct dp_suite){DP_ENCR_NULL, 0, DP_INTEG_NONE}));
	s = suite_find(&(struct dp_suite){DP_AES_GCM_16, 256, DP_INTEG_NONE});
	assert_string_equal(s->name, "AES256-GCM16");
	assert_true(suite_keys_fit(s, &k));
	k.salt_len = 0;
	assert_false(suite_keys_fit(s, &k));
	k = (struct dp_keys){.encr_len = 16, .salt_len = 4};
	assert_false(suite_keys_fit(s, &k));
}

static int setup(void **state)
{
	w.mb = alloc_mb_mgr(0);
	if (!w.mb)
		return -1;
	init_mb_mgr_auto(w.mb, NULL);
	return 0;
}

static int teardown(void **state)
{
	free_mb_mgr(w.mb);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_published_packets),
		cmocka_unit_test(refuses_every_flipped_bit),
		cmocka_unit_test(seals_what_it_opens),
		cmocka_unit_test(finds_the_bad_one),
		cmocka_unit_test(ivs),
		cmocka_unit_test(names_and_refusals),
	};

	return cmocka_run_group_tests_name("suite", tests, setup, teardown);
}
