/* SPDX-License-Identifier: Apache-2.0 */
#include "msg.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "vectors.h"

static const struct ike_hdr hdr = {
	.spi_i = 0x0102030405060708, .exchange = INFORMATIONAL, .flags = IKE_FLAG_INITIATOR, .msgid = 7};
static const uint8_t filler[300];

/* A message whose chain is given in hex, its first payload's type apart. */
static enum msg_error parse_chain(uint8_t first, const char *chain, struct msg *m)
{
	static uint8_t buf[4096];
	struct bytes c = hex(chain);
	struct wr w = wr_of(buf, sizeof(buf));

	wr_u64(&w, 1);
	wr_u64(&w, 2);
	wr_u8(&w, first);
	wr_u8(&w, 0x20);
	wr_u8(&w, INFORMATIONAL);
	wr_u8(&w, 0);
	wr_u32(&w, 0);
	wr_u32(&w, (uint32_t)(IKE_HDR + c.len));
	wr_bytes(&w, c.p, c.len);
	return msg_parse(buf, w.len, m);
}

static void header(void **state)
{
	struct bytes good = hex("1111111111111111 2222222222222222 00 20 25 28 00000003 0000001c");
	uint8_t b[64] = {0};
	struct ike_hdr h;

	assert_int_equal(msg_parse_header(good.p, good.len, &h), MSG_OK);
	assert_true(h.spi_i == 0x1111111111111111 && h.spi_r == 0x2222222222222222);
	assert_int_equal(h.next, PL_NONE);
	assert_int_equal(h.version, 0x20);
	assert_int_equal(h.exchange, INFORMATIONAL);
	assert_int_equal(h.flags, IKE_FLAG_RESPONSE | IKE_FLAG_INITIATOR);
	assert_int_equal(h.msgid, 3);
	assert_int_equal(h.len, 28);
	for (size_t n = 0; n < 28; n++)
		assert_int_equal(msg_parse_header(good.p, n, &h), MSG_SHORT);

	memcpy(b, good.p, good.len);
	assert_int_equal(msg_parse_header(b, 29, &h), MSG_LENGTH);
	b[27] = 0x1b;
	assert_int_equal(msg_parse_header(b, 28, &h), MSG_LENGTH);
	b[24] = 0x80;
	b[27] = 0x1c;
	assert_int_equal(msg_parse_header(b, 28, &h), MSG_LENGTH);
	b[24] = 0;
	/* minor version and reserved flags are ignored, another major version is not ours (RFC 7296 2.5, 3.1) */
	b[17] = 0x2f;
	b[19] = 0xff;
	assert_int_equal(msg_parse_header(b, 28, &h), MSG_OK);
	b[17] = 0x30;
	assert_int_equal(msg_parse_header(b, 28, &h), MSG_VERSION);
	assert_int_equal(h.version, 0x30);
	assert_true(h.spi_i == 0x1111111111111111);
	b[17] = 0x10;
	assert_int_equal(msg_parse_header(b, 28, &h), MSG_VERSION);
	b[17] = 0x20;
	for (unsigned x = 0; x < 256; x++) {
		bool known = (x >= 34 && x <= 37) || x == 43 || x == 44;

		b[18] = (uint8_t)x;
		assert_int_equal(msg_parse_header(b, 28, &h), known ? MSG_OK : MSG_EXCHANGE);
	}
}

static void chain_bounds(void **state)
{
	struct msg m;

	assert_int_equal(parse_chain(PL_NONE, "", &m), MSG_OK);
	assert_int_equal(parse_chain(PL_VENDOR, "00000004", &m), MSG_OK);
	assert_int_equal(m.n_vendor, 1);
	assert_int_equal(m.vendor[0].len, 0);
	assert_int_equal(parse_chain(PL_VENDOR, "00000006 abcd", &m), MSG_OK);
	assert_bytes(m.vendor[0], hex("abcd"));
	/* no payload where one was announced; part of one; too short, too long a length; bytes left over */
	assert_int_equal(parse_chain(PL_VENDOR, "", &m), MSG_CHAIN);
	assert_int_equal(parse_chain(PL_VENDOR, "000000", &m), MSG_CHAIN);
	assert_int_equal(parse_chain(PL_VENDOR, "00000000", &m), MSG_CHAIN);
	assert_int_equal(parse_chain(PL_VENDOR, "00000003", &m), MSG_CHAIN);
	assert_int_equal(parse_chain(PL_VENDOR, "00000005", &m), MSG_CHAIN);
	assert_int_equal(parse_chain(PL_VENDOR, "0000ffff 00", &m), MSG_CHAIN);
	assert_int_equal(parse_chain(PL_VENDOR, "00000004 00", &m), MSG_CHAIN);
	assert_int_equal(parse_chain(PL_VENDOR, "2b000004", &m), MSG_CHAIN);
	assert_int_equal(m.bad, PL_VENDOR);
	assert_int_equal(parse_chain(PL_NONE, "00", &m), MSG_CHAIN);
}

static void unknown_payloads(void **state)
{
	struct msg m;

	/* skipped: 1, 99, 255; reserved bits of the flags octet mean nothing */
	assert_int_equal(parse_chain(1, "63000004 ff7f0006abcd 2b000005aa 00000005bb", &m), MSG_OK);
	assert_int_equal(m.n_vendor, 1);
	assert_bytes(m.vendor[0], hex("bb"));
	assert_int_equal(m.seen, PL_BIT(PL_VENDOR));
	assert_int_equal(m.unknown_critical, 0);
	/* critical: the message is refused and the type remembered (RFC 7296 2.5) */
	assert_int_equal(parse_chain(PL_VENDOR, "63000004 00800004", &m), MSG_CRITICAL);
	assert_int_equal(m.unknown_critical, 99);
	/* on types we know the bit is ignored */
	assert_int_equal(parse_chain(PL_VENDOR, "00800005bb", &m), MSG_OK);
	assert_int_equal(m.n_vendor, 1);
}

static void duplicates(void **state)
{
	static const struct {
		uint8_t type;
		const char *body;
	} once[] = {
		{PL_SA, "00"},           {PL_KE, "0013000001"},
		{PL_IDI, "0b00000061"},  {PL_IDR, "0b00000061"},
		{PL_AUTH, "02000000aa"}, {PL_NONCE, "00000000000000000000000000000000"},
		{PL_TSI, "00"},          {PL_TSR, "00"},
		{PL_CP, "01000000"},     {PL_EAP, "00"},
	};
	struct msg m;
	char chain[300];

	for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++) {
		unsigned len = (unsigned)strlen(once[i].body) / 2 + 4;

		snprintf(chain, sizeof(chain), "0000%04x%s", len, once[i].body);
		assert_int_equal(parse_chain(once[i].type, chain, &m), MSG_OK);
		assert_int_equal(m.seen, PL_BIT(once[i].type));
		snprintf(chain, sizeof(chain), "%02x00%04x%s 0000%04x%s", once[i].type, len, once[i].body,
			 len, once[i].body);
		assert_int_equal(parse_chain(once[i].type, chain, &m), MSG_DUPLICATE);
		assert_int_equal(m.bad, once[i].type);
	}
}

/* count payloads of one type and body */
static enum msg_error parse_many(uint8_t type, const char *body, unsigned count, struct msg *m)
{
	static char chain[4097];
	size_t n = 0;

	chain[0] = 0;
	for (unsigned i = 1; i <= count; i++)
		n += (size_t)snprintf(chain + n, sizeof(chain) - n, "%02x00%04zx%s", i == count ? 0 : type,
				      strlen(body) / 2 + 4, body);
	return parse_chain(type, chain, m);
}

static void limits(void **state)
{
	static const struct {
		uint8_t type;
		const char *body;
		unsigned most;
	} t[] = {
		{PL_NOTIFY, "00004000", MSG_NOTIFIES_MAX},
		{PL_DELETE, "01000000", MSG_DELETES_MAX},
		{PL_CERT, "04", MSG_CERTS_MAX},
		{PL_CERTREQ, "04", MSG_CERTS_MAX},
		{PL_VENDOR, "aa", MSG_VENDORS_MAX},
	};
	struct msg m;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_int_equal(parse_many(t[i].type, t[i].body, t[i].most, &m), MSG_OK);
		assert_int_equal(parse_many(t[i].type, t[i].body, t[i].most + 1, &m), MSG_TOO_MANY);
		assert_int_equal(m.bad, t[i].type);
	}
	/* more than msg_str can tell is no error */
	assert_int_equal(parse_many(99, "", MSG_ORDER_MAX + 9, &m), MSG_OK);
	assert_int_equal(m.n_order, MSG_ORDER_MAX);
}

static void nonce_length(void **state)
{
	uint8_t buf[400];

	for (size_t n = 0; n <= 270; n++) {
		struct msg_wr w;
		struct msg m;

		msg_wr_begin(&w, buf, sizeof(buf), &hdr);
		msg_wr_bytes(&w, PL_NONCE, filler, n);
		assert_int_equal(msg_parse(buf, msg_wr_end(&w), &m),
				 n >= 16 && n <= 256 ? MSG_OK : MSG_PAYLOAD);
	}
}

/* Each is one payload: its type, its body, and whether it stands. */
static void bodies(void **state)
{
	static const struct {
		uint8_t type;
		const char *body;
		enum msg_error e;
	} t[] = {
		{PL_KE, "", MSG_PAYLOAD},
		{PL_KE, "001300", MSG_PAYLOAD},
		{PL_KE, "00130000", MSG_PAYLOAD}, /* no value */
		{PL_KE, "0013ffff01", MSG_OK},    /* reserved is ignored */
		{PL_IDI, "", MSG_PAYLOAD},
		{PL_IDI, "0b0000", MSG_PAYLOAD},
		{PL_IDI, "0b000000", MSG_OK},
		{PL_IDI, "01000000 0a000001", MSG_OK},
		{PL_IDI, "01000000 0a0000", MSG_PAYLOAD},
		{PL_IDI, "01000000 0a00000101", MSG_PAYLOAD},
		{PL_IDR, "05000000 20010db8000000000000000000000001", MSG_OK},
		{PL_IDR, "05000000 0a000001", MSG_PAYLOAD},
		{PL_AUTH, "020000", MSG_PAYLOAD},
		{PL_AUTH, "02000000", MSG_OK},
		{PL_CERT, "", MSG_PAYLOAD},
		{PL_CERT, "04", MSG_OK},
		{PL_CERTREQ, "", MSG_PAYLOAD},
		{PL_CERTREQ, "04", MSG_OK},
		{PL_NOTIFY, "000040", MSG_PAYLOAD},
		{PL_NOTIFY, "00004000", MSG_OK},
		{PL_NOTIFY, "01004000", MSG_OK},
		{PL_NOTIFY, "01084000 0102030405060708", MSG_OK},
		{PL_NOTIFY, "01044000 01020304", MSG_PAYLOAD},
		{PL_NOTIFY, "03044009 01020304", MSG_OK},
		{PL_NOTIFY, "03004009", MSG_OK},
		{PL_NOTIFY, "02044009 01020304", MSG_OK},
		{PL_NOTIFY, "03044009 010203", MSG_PAYLOAD},
		{PL_NOTIFY, "03084009 0102030405060708", MSG_PAYLOAD},
		{PL_NOTIFY, "00044009 01020304", MSG_PAYLOAD},
		{PL_NOTIFY, "09034009 010203 ff", MSG_OK}, /* a protocol we do not know keeps its SPI */
		{PL_NOTIFY, "09ff4009 010203", MSG_PAYLOAD},
		{PL_DELETE, "010000", MSG_PAYLOAD},
		{PL_DELETE, "01000000", MSG_OK},
		{PL_DELETE, "01000001", MSG_PAYLOAD},
		{PL_DELETE, "01080001 0102030405060708", MSG_PAYLOAD},
		{PL_DELETE, "03040000", MSG_OK},
		{PL_DELETE, "03040002 0102030405060708", MSG_OK},
		{PL_DELETE, "03040002 01020304", MSG_PAYLOAD},
		{PL_DELETE, "03040001 0102030405", MSG_PAYLOAD},
		{PL_DELETE, "03080001 0102030405060708", MSG_PAYLOAD},
		{PL_DELETE, "0304ffff 01020304", MSG_PAYLOAD},
		{PL_DELETE, "00000000", MSG_PAYLOAD},
		{PL_DELETE, "09040001 01020304", MSG_PAYLOAD},
		{PL_SKF, "0001", MSG_PAYLOAD},
		{PL_SKF, "00010002", MSG_OK},
		{PL_SKF, "00000002", MSG_PAYLOAD},
		{PL_SKF, "00030002", MSG_PAYLOAD},
	};
	struct msg m;
	char chain[200];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		snprintf(chain, sizeof(chain), "0000%04zx%s", hex(t[i].body).len + 4, t[i].body);
		if (parse_chain(t[i].type, chain, &m) != t[i].e)
			fail_msg("%s { %s }", ike_payload_str(t[i].type), t[i].body);
		if (t[i].e != MSG_OK)
			assert_int_equal(m.bad, t[i].type);
	}
}

static void sk_is_last(void **state)
{
	struct msg m;

	/* its next payload is the first inside, even where none stands behind it */
	assert_int_equal(parse_chain(PL_SK, "23000008 01020304", &m), MSG_OK);
	assert_int_equal(m.sk_first, PL_IDI);
	assert_bytes(m.sk, hex("01020304"));
	assert_int_equal(m.seen, PL_BIT(PL_SK));
	assert_int_equal(parse_chain(PL_VENDOR, "2e000004 00000006 0102", &m), MSG_OK);
	assert_int_equal(m.seen, PL_BIT(PL_SK) | PL_BIT(PL_VENDOR));
	assert_int_equal(parse_chain(PL_SK, "2b000008 01020304 00000004", &m), MSG_CHAIN);
	assert_int_equal(parse_chain(PL_SK, "23000009 01020304", &m), MSG_CHAIN);
	assert_int_equal(parse_chain(PL_SKF, "2300000a 00010002 aabb", &m), MSG_OK);
	assert_int_equal(m.skf.num, 1);
	assert_int_equal(m.skf.total, 2);
	assert_bytes(m.skf.body, hex("aabb"));
	assert_int_equal(parse_chain(PL_SKF, "2e00000a 00010002 aabb 00000004", &m), MSG_CHAIN);
}

static void inner(void **state)
{
	struct msg m;

	assert_int_equal(parse_chain(PL_NOTIFY, "2e000008 00004000 00000006 0102", &m), MSG_OK);
	assert_int_equal(m.n_notify, 1);
	/* what stood outside is gone, what identifies the message stays */
	assert_int_equal(msg_parse_inner(hex("00000005 aa"), PL_VENDOR, &m), MSG_OK);
	assert_int_equal(m.n_notify, 0);
	assert_int_equal(m.seen, PL_BIT(PL_VENDOR));
	assert_int_equal(m.n_order, 1);
	assert_true(m.hdr.spi_r == 2 && m.raw.len == 42 && m.sk.len == 2);
	assert_int_equal(msg_parse_inner((struct bytes){0}, PL_NONE, &m), MSG_OK);
	assert_int_equal(m.seen, 0);
	assert_int_equal(msg_parse_inner((struct bytes){0}, PL_IDI, &m), MSG_CHAIN);
	assert_int_equal(msg_parse_inner(hex("00"), PL_NONE, &m), MSG_CHAIN);
	/* no SK in SK */
	assert_int_equal(msg_parse_inner(hex("00000005 aa"), PL_SK, &m), MSG_CHAIN);
	assert_int_equal(msg_parse_inner(hex("00000008 00010001"), PL_SKF, &m), MSG_CHAIN);
	assert_int_equal(msg_parse_inner(hex("00800004"), 200, &m), MSG_CRITICAL);
	assert_int_equal(m.unknown_critical, 200);
}

static void write_all(struct msg_wr *w)
{
	static const uint32_t spis[] = {0x01020304, 0xfffefdfc};

	msg_wr_bytes(w, PL_SA, "sa", 2);
	msg_wr_ke(w, DH_ECP256, "public", 6);
	msg_wr_bytes(w, PL_NONCE, filler, 32);
	msg_wr_id(w, PL_IDI, ID_FQDN, "a.example", 9);
	msg_wr_id(w, PL_IDR, ID_IPV4_ADDR, "\x0a\0\0\x01", 4);
	msg_wr_auth(w, AUTHM_PSK, filler, 20);
	msg_wr_notify(w, PROTO_NONE, NULL, 0, N_INITIAL_CONTACT, NULL, 0);
	msg_wr_notify(w, PROTO_ESP, spis, 4, N_REKEY_SA, NULL, 0);
	msg_wr_notify(w, PROTO_NONE, NULL, 0, N_INVALID_KE_PAYLOAD, "\0\x13", 2);
	msg_wr_delete_ike(w);
	msg_wr_delete_esp(w, spis, 2);
	msg_wr_bytes(w, PL_TSI, "i", 1);
	msg_wr_bytes(w, PL_TSR, "r", 1);
}

static void check_all(const struct msg *m)
{
	assert_memory_equal(m->sa.p, "sa", 2);
	assert_int_equal(m->ke.group, DH_ECP256);
	assert_memory_equal(m->ke.data.p, "public", 6);
	assert_int_equal(m->nonce.len, 32);
	assert_int_equal(m->idi.type, ID_FQDN);
	assert_memory_equal(m->idi.data.p, "a.example", 9);
	assert_int_equal(m->idi.body.len, 13);
	assert_ptr_equal(m->idi.body.p + 4, m->idi.data.p);
	assert_int_equal(m->idr.type, ID_IPV4_ADDR);
	assert_int_equal(m->auth.method, AUTHM_PSK);
	assert_int_equal(m->auth.data.len, 20);
	assert_int_equal(m->n_notify, 3);
	assert_int_equal(msg_notify_find(m, N_REKEY_SA)->spi.len, 4);
	assert_int_equal(msg_notify_error(m)->type, N_INVALID_KE_PAYLOAD);
	assert_bytes(msg_notify_error(m)->data, hex("0013"));
	assert_null(msg_notify_find(m, N_COOKIE));
	assert_int_equal(m->n_delete, 2);
	assert_int_equal(m->del[0].protocol, PROTO_IKE);
	assert_int_equal(m->del[1].n, 2);
	assert_bytes(m->del[1].spis, hex("01020304 fffefdfc"));
	assert_memory_equal(m->tsi.p, "i", 1);
	assert_memory_equal(m->tsr.p, "r", 1);
}

static const char payloads[] = "SA KE No IDi IDr AUTH N(INIT_CONTACT) N(REKEY_SA) N(INVAL_KE) D D TSi TSr";

static void write_and_read(void **state)
{
	uint8_t buf[1000];
	char text[300], want[300];
	struct msg_wr w;
	struct msg m;
	size_t len;

	msg_wr_begin(&w, buf, sizeof(buf), &hdr);
	write_all(&w);
	len = msg_wr_end(&w);
	assert_int_equal(msg_parse(buf, len, &m), MSG_OK);
	assert_true(m.hdr.spi_i == hdr.spi_i && m.hdr.msgid == 7 && m.hdr.len == len &&
		    m.hdr.version == 0x20);
	check_all(&m);
	snprintf(want, sizeof(want), "INFORMATIONAL request 7 [ %s ]", payloads);
	assert_string_equal(msg_str(&m, text, sizeof(text)), want);
	/* into a buffer too small: refused wherever the end falls, and nothing written behind it */
	for (size_t cap = 0; cap < len; cap++) {
		memset(buf, 0xee, sizeof(buf));
		msg_wr_begin(&w, buf, cap, &hdr);
		write_all(&w);
		assert_int_equal(msg_wr_end(&w), 0);
		assert_int_equal(buf[cap], 0xee);
	}
}

static void write_and_read_inner(void **state)
{
	uint8_t buf[1000];
	struct bytes plain;
	struct msg_wr w;
	struct msg m = {.hdr = hdr};
	size_t len;

	msg_wr_begin_inner(&w, buf, sizeof(buf));
	assert_int_equal(msg_wr_inner_first(&w), PL_NONE);
	assert_int_equal(msg_wr_end_inner(&w, &plain), 0);
	assert_int_equal(plain.len, 0);
	write_all(&w);
	assert_int_equal(msg_wr_inner_first(&w), PL_SA);
	assert_int_equal(msg_wr_end_inner(&w, &plain), 0);
	len = plain.len;
	assert_int_equal(msg_wr_end(&w), len);
	assert_int_equal(msg_parse_inner(plain, PL_SA, &m), MSG_OK);
	check_all(&m);
	for (size_t cap = 0; cap < len; cap++) {
		memset(buf, 0xee, sizeof(buf));
		msg_wr_begin_inner(&w, buf, cap);
		write_all(&w);
		assert_int_equal(msg_wr_end_inner(&w, &plain), -EMSGSIZE);
		assert_int_equal(buf[cap], 0xee);
	}
	/* an SPI's size has one octet */
	msg_wr_begin_inner(&w, buf, sizeof(buf));
	msg_wr_notify(&w, 9, filler, 256, N_COOKIE, NULL, 0);
	assert_int_equal(msg_wr_end_inner(&w, &plain), -EMSGSIZE);
}

static void names(void **state)
{
	char text[64], tiny[12];
	struct msg m;

	assert_string_equal(ike_notify_str(N_NO_PROPOSAL_CHOSEN), "NO_PROPOSAL_CHOSEN");
	assert_string_equal(ike_notify_str(40999), "notify 40999");
	assert_string_equal(ike_exchange_str(CREATE_CHILD_SA), "CREATE_CHILD_SA");
	assert_string_equal(ike_exchange_str(42), "exchange 42");
	assert_string_equal(ike_payload_str(PL_TSR), "TSr");
	assert_string_equal(ike_payload_str(49), "payload 49");
	assert_string_equal(ike_payload_str(PL_SKF), "SKF");
	assert_string_equal(ike_payload_str(0), "payload 0");
	for (int e = MSG_OK; e <= MSG_CRITICAL; e++)
		assert_string_not_equal(msg_error_str((enum msg_error)e), "unknown");
	assert_int_equal(parse_chain(99, "29000004 2b0000080000ffff 00000004", &m), MSG_OK);
	assert_string_equal(msg_str(&m, text, sizeof(text)),
			    "INFORMATIONAL request 0 [ payload 99 N(65535) V ]");
	assert_string_equal(msg_str(&m, tiny, sizeof(tiny)), "INFORMATION");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header),
		cmocka_unit_test(chain_bounds),
		cmocka_unit_test(unknown_payloads),
		cmocka_unit_test(duplicates),
		cmocka_unit_test(limits),
		cmocka_unit_test(nonce_length),
		cmocka_unit_test(bodies),
		cmocka_unit_test(sk_is_last),
		cmocka_unit_test(inner),
		cmocka_unit_test(write_and_read),
		cmocka_unit_test(names),
		cmocka_unit_test(write_and_read_inner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
