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
	uint8_t before[64]; /* an outer header's place */
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
	f->m.buf_addr = f->before;
	f->m.data_off = sizeof(f->before);
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
	p->text_len = (uint16_t)suite_text_len(s, p);
	s->open(&w, s, &p, 1);
	return (enum drop)p->drop;
}

/* RFC 4868 2.7: keys 0b.., 01 02 03.. */
#define KEY_0B_16 "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"
#define KEY_0B_20 KEY_0B_16 "0b0b0b0b"
#define KEY_0B_32 KEY_0B_16 KEY_0B_16
#define KEY_0B_48 KEY_0B_32 KEY_0B_16
#define KEY_0B_64 KEY_0B_32 KEY_0B_32
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
/* SP 800-38A F.2: one text under all keys */
#define TEXT_38A                                                                                             \
	"6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"                                   \
	"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
#define CBC192_KEY "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b"
#define ESP_CBC192                                                                                           \
	"0000432100000001000102030405060708090a0b0c0d0e0f4f021db243bc633d7178183a9fa071e8b4d9ada9"           \
	"ad7dedf4e5e738763f69145a571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd"
#define CBC256_KEY "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"
#define ESP_CBC256                                                                                           \
	"0000432100000001000102030405060708090a0b0c0d0e0ff58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e96"           \
	"7edb808d679f777bc6702c7d39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b"
/* RFC 3686 6: "Single block msg" */
#define TEXT_3686 "53696e676c6520626c6f636b206d7367"
#define TEXT_GMAC                                                                                            \
	"45000030da3a00008001df3bc0a80005c0a800010800c6cd02000700"                                           \
	"6162636465666768696a6b6c6d6e6f707172737401020201"

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
	/* The same draft, its GMAC case: all text is in clear (RFC 4543) */
	{"gmac-128", DP_AES_GMAC, 128, DP_INTEG_NONE, "4c80cdefbb5d10da906ac73c3613a634", "22433c64", NULL, 0,
	 "0000432100000007"
	 "0000000000000000" TEXT_GMAC "f2a9a836e155106aa8dcd618e4099aaa",
	 TEXT_GMAC},
	/* and with other keys and ESN; the ICVs computed apart, with Python's cryptography */
	{"gmac-128, ESN", DP_AES_GMAC, 128, DP_INTEG_NONE, "4c80cdefbb5d10da906ac73c3613a634", "22433c64",
	 NULL, 5,
	 "0000432100000007"
	 "0000000000000000" TEXT_GMAC "84fe5123c235d4d84132cdeaba07c467",
	 TEXT_GMAC},
	{"gmac-192", DP_AES_GMAC, 192, DP_INTEG_NONE, "feffe9928665731c6d6a8f9467308308feffe9928665731c",
	 "22433c64", NULL, 0,
	 "0000432100000007"
	 "0000000000000000" TEXT_GMAC "23286ea9d124d02c974f9b283c7d526f",
	 TEXT_GMAC},
	{"gmac-256", DP_AES_GMAC, 256, DP_INTEG_NONE,
	 "abbccddef00112233445566778899aababbccddef00112233445566778899aab", "22433c64", NULL, 0,
	 "0000432100000007"
	 "0000000000000000" TEXT_GMAC "13dcfad9a321e8a379d3cef105984f95",
	 TEXT_GMAC},
	{"gmac-256, ESN", DP_AES_GMAC, 256, DP_INTEG_NONE,
	 "abbccddef00112233445566778899aababbccddef00112233445566778899aab", "22433c64", NULL, 5,
	 "0000432100000007"
	 "0000000000000000" TEXT_GMAC "de3400369659c34232a3c57bafb783e7",
	 TEXT_GMAC},
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
	/* SP 800-38A F.2.3 and F.2.5, its IV and text in an ESP packet; ICVs by Python's hmac */
	{"cbc-192, sha1", DP_AES_CBC, 192, DP_HMAC_SHA1_96, CBC192_KEY, NULL, KEY_12_20, 0,
	 ESP_CBC192 "a7e7251d0e62b12ad77a3fd9", TEXT_38A},
	{"cbc-192, sha256", DP_AES_CBC, 192, DP_HMAC_SHA256_128, CBC192_KEY, NULL, KEY_12_32, 0,
	 ESP_CBC192 "420b6cbbc2f8c6e708f862fcc6b8b78a", TEXT_38A},
	{"cbc-192, sha384", DP_AES_CBC, 192, DP_HMAC_SHA384_192, CBC192_KEY, NULL, KEY_12_48, 0,
	 ESP_CBC192 "3c572febf56dac09f9c085c581a5a128289f4176b3551d54", TEXT_38A},
	{"cbc-192, sha512", DP_AES_CBC, 192, DP_HMAC_SHA512_256, CBC192_KEY, NULL, KEY_12_64, 0,
	 ESP_CBC192 "ad5c9eb47d7c4846df052d41af712e5d5c111c471e9b9dff75ab096df1a84271", TEXT_38A},
	{"cbc-192, sha512, ESN", DP_AES_CBC, 192, DP_HMAC_SHA512_256, CBC192_KEY, NULL, KEY_12_64, 5,
	 ESP_CBC192 "36f5f6c6638758d7b9a7ca6cc14fd95af2add1e5dd1a6deeee30ba4b8fc05e4f", TEXT_38A},
	{"cbc-256, sha1", DP_AES_CBC, 256, DP_HMAC_SHA1_96, CBC256_KEY, NULL, KEY_12_20, 0,
	 ESP_CBC256 "243ebe06e9524b2534b29a58", TEXT_38A},
	{"cbc-256, sha256", DP_AES_CBC, 256, DP_HMAC_SHA256_128, CBC256_KEY, NULL, KEY_12_32, 0,
	 ESP_CBC256 "fa183e94ab16dc98ba8d9d83ee4bab09", TEXT_38A},
	{"cbc-256, sha384", DP_AES_CBC, 256, DP_HMAC_SHA384_192, CBC256_KEY, NULL, KEY_12_48, 0,
	 ESP_CBC256 "798825f4f7ba10ef3ef5b3279d90216f67044e7027afd4d7", TEXT_38A},
	{"cbc-256, sha512", DP_AES_CBC, 256, DP_HMAC_SHA512_256, CBC256_KEY, NULL, KEY_12_64, 0,
	 ESP_CBC256 "885075b7b4a7fe8c094a4d58526f08c7632231f35803ba1cb341fcd39227d15b", TEXT_38A},
	{"cbc-256, sha512, ESN", DP_AES_CBC, 256, DP_HMAC_SHA512_256, CBC256_KEY, NULL, KEY_12_64, 5,
	 ESP_CBC256 "aa6909a3930faa2a5a9abe0fe3c113a86aeff7c21816ddfc7638f615daac1607", TEXT_38A},
	/* RFC 3686 6, cases 1, 4 and 7; ICVs by Python's hmac */
	{"ctr-128, sha1", DP_AES_CTR, 128, DP_HMAC_SHA1_96, "ae6852f8121067cc4bf7a5765577f39e", "00000030",
	 KEY_12_20, 0,
	 "00004321000000010000000000000000e4095d4fb7a7b3792d6175a3261311b8"
	 "32ff14e48ce13360362507a2",
	 TEXT_3686},
	{"ctr-128, sha256", DP_AES_CTR, 128, DP_HMAC_SHA256_128, "ae6852f8121067cc4bf7a5765577f39e",
	 "00000030", KEY_12_32, 0,
	 "00004321000000010000000000000000e4095d4fb7a7b3792d6175a3261311b8"
	 "ba0ac02024aff044564131e515669f82",
	 TEXT_3686},
	{"ctr-128, sha256, ESN", DP_AES_CTR, 128, DP_HMAC_SHA256_128, "ae6852f8121067cc4bf7a5765577f39e",
	 "00000030", KEY_12_32, 5,
	 "00004321000000010000000000000000e4095d4fb7a7b3792d6175a3261311b8"
	 "38de88e2ecaa0286ba288aee1050b66a",
	 TEXT_3686},
	{"ctr-128, sha384", DP_AES_CTR, 128, DP_HMAC_SHA384_192, "ae6852f8121067cc4bf7a5765577f39e",
	 "00000030", KEY_12_48, 0,
	 "00004321000000010000000000000000e4095d4fb7a7b3792d6175a3261311b8"
	 "501947a937e2e4a753133ec29459c0a1408bfb7700483083",
	 TEXT_3686},
	{"ctr-128, sha512", DP_AES_CTR, 128, DP_HMAC_SHA512_256, "ae6852f8121067cc4bf7a5765577f39e",
	 "00000030", KEY_12_64, 0,
	 "00004321000000010000000000000000e4095d4fb7a7b3792d6175a3261311b8"
	 "d486d75ce83e63bb30c277a153f8bfdeaee522deb5cc74106ccfd06a58a3e6ba",
	 TEXT_3686},
	{"ctr-192, sha1", DP_AES_CTR, 192, DP_HMAC_SHA1_96,
	 "16af5b145fc9f579c175f93e3bfb0eed863d06ccfdb78515", "00000048", KEY_12_20, 0,
	 "000043210000000136733c147d6d93cb4b55384fe259c9c84e7935a003cbe928"
	 "84bba16e8e4c1a9729b58ec3",
	 TEXT_3686},
	{"ctr-192, sha256", DP_AES_CTR, 192, DP_HMAC_SHA256_128,
	 "16af5b145fc9f579c175f93e3bfb0eed863d06ccfdb78515", "00000048", KEY_12_32, 0,
	 "000043210000000136733c147d6d93cb4b55384fe259c9c84e7935a003cbe928"
	 "ea5173d5dfa380057b293c08ab533f1f",
	 TEXT_3686},
	{"ctr-192, sha256, ESN", DP_AES_CTR, 192, DP_HMAC_SHA256_128,
	 "16af5b145fc9f579c175f93e3bfb0eed863d06ccfdb78515", "00000048", KEY_12_32, 5,
	 "000043210000000136733c147d6d93cb4b55384fe259c9c84e7935a003cbe928"
	 "012dc39206b880d3e19891485495d69e",
	 TEXT_3686},
	{"ctr-192, sha384", DP_AES_CTR, 192, DP_HMAC_SHA384_192,
	 "16af5b145fc9f579c175f93e3bfb0eed863d06ccfdb78515", "00000048", KEY_12_48, 0,
	 "000043210000000136733c147d6d93cb4b55384fe259c9c84e7935a003cbe928"
	 "843b3b35a2690cacd2b0b75f577661ac1cb4053d6b51ec21",
	 TEXT_3686},
	{"ctr-192, sha512", DP_AES_CTR, 192, DP_HMAC_SHA512_256,
	 "16af5b145fc9f579c175f93e3bfb0eed863d06ccfdb78515", "00000048", KEY_12_64, 0,
	 "000043210000000136733c147d6d93cb4b55384fe259c9c84e7935a003cbe928"
	 "56234d8549041c5a2e27fb915295775dad4f1425e927017974d01672accaa3be",
	 TEXT_3686},
	{"ctr-256, sha1", DP_AES_CTR, 256, DP_HMAC_SHA1_96,
	 "776beff2851db06f4c8a0542c8696f6c6a81af1eec96b4d37fc1d689e6c1c104", "00000060", KEY_12_20, 0,
	 "0000432100000001db5672c97aa8f0b2145ad01dbf824ec7560863dc71e3e0c0"
	 "ba2523c2ead6f6a8798f817a",
	 TEXT_3686},
	{"ctr-256, sha256", DP_AES_CTR, 256, DP_HMAC_SHA256_128,
	 "776beff2851db06f4c8a0542c8696f6c6a81af1eec96b4d37fc1d689e6c1c104", "00000060", KEY_12_32, 0,
	 "0000432100000001db5672c97aa8f0b2145ad01dbf824ec7560863dc71e3e0c0"
	 "3a05b2d55ddb00193c4ab9f9eedfa4ee",
	 TEXT_3686},
	{"ctr-256, sha256, ESN", DP_AES_CTR, 256, DP_HMAC_SHA256_128,
	 "776beff2851db06f4c8a0542c8696f6c6a81af1eec96b4d37fc1d689e6c1c104", "00000060", KEY_12_32, 5,
	 "0000432100000001db5672c97aa8f0b2145ad01dbf824ec7560863dc71e3e0c0"
	 "af0dc42dc331446a7aaec8085ae3088e",
	 TEXT_3686},
	{"ctr-256, sha384", DP_AES_CTR, 256, DP_HMAC_SHA384_192,
	 "776beff2851db06f4c8a0542c8696f6c6a81af1eec96b4d37fc1d689e6c1c104", "00000060", KEY_12_48, 0,
	 "0000432100000001db5672c97aa8f0b2145ad01dbf824ec7560863dc71e3e0c0"
	 "cf1fc2b24ae8dee0e6a342c25fcf5c60fb489f11ac94e0ca",
	 TEXT_3686},
	{"ctr-256, sha512", DP_AES_CTR, 256, DP_HMAC_SHA512_256,
	 "776beff2851db06f4c8a0542c8696f6c6a81af1eec96b4d37fc1d689e6c1c104", "00000060", KEY_12_64, 0,
	 "0000432100000001db5672c97aa8f0b2145ad01dbf824ec7560863dc71e3e0c0"
	 "3bcfb7270eea29dabdd81543fd369efe76afee0b7aed4d0278786537c9fac21d",
	 TEXT_3686},
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
	/* RFC 2202 3, case 1, and RFC 4868 2.7.2.2, 2.7.2.3 in the same way */
	{"null, sha1", DP_ENCR_NULL, 0, DP_HMAC_SHA1_96, NULL, NULL, KEY_0B_20, 0,
	 "4869205468657265"
	 "b617318655057264e28bc0b6",
	 ""},
	{"null, sha384", DP_ENCR_NULL, 0, DP_HMAC_SHA384_192, NULL, NULL, KEY_0B_48, 0,
	 "4869205468657265"
	 "b6a8d5636f5c6a7224f9977dcf7ee6c7fb6d0c48cbdee973",
	 ""},
	{"null, sha512", DP_ENCR_NULL, 0, DP_HMAC_SHA512_256, NULL, NULL, KEY_0B_64, 0,
	 "4869205468657265"
	 "637edc6e01dce7e6742a99451aae82df23da3e92439e590e43e761b33e910fb8",
	 ""},
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
		assert_int_equal(f.p.text_len, text_len);
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
			f[i].p.text_len = (uint16_t)len[i];
			f[i].p.seq = UINT64_C(0x700000100) + i;
			f[i].p.sa_out = &out;
			p[i] = &f[i].p;
		}
		s->seal(&w, s, p, n);
		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(f[i].p.drop, DROP_NONE);
			assert_ptr_equal(p[i], &f[i].p);
			if (s->id.encr != DP_ENCR_NULL && s->id.encr != DP_AES_GMAC && len[i] > 16)
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
			f[i].p.text_len = 64;
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
			f[i].p.text_len = 64;
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
