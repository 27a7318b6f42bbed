/* SPDX-License-Identifier: Apache-2.0 */
#include "ts.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vectors.h"

/* "10.1.0.0/16 tcp 443", protocol and ports as numbers: "10.0.0.1-10.0.0.9 6 80 90"; several with commas. */
static struct ts_list list(const char *s)
{
	struct ts_list l = {0};
	char buf[1024], *save = NULL;

	snprintf(buf, sizeof(buf), "%s", s);
	for (char *one = strtok_r(buf, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
		unsigned proto = 0, lo = 0, hi = 65535;
		struct ts *t = &l.t[l.n++];
		char addr[120], *dash;
		struct prefix p;

		assert_true(sscanf(one, " %119s %u %u %u", addr, &proto, &lo, &hi) >= 1);
		dash = strchr(addr, '-');
		if (dash) {
			*dash = 0;
			assert_int_equal(addr_parse(addr, &t->lo), 0);
			assert_int_equal(addr_parse(dash + 1, &t->hi), 0);
		} else {
			assert_int_equal(prefix_parse(addr, &p), 0);
			*t = ts_of(&p, 0, 0);
		}
		t->proto = (uint8_t)proto;
		t->port_lo = (uint16_t)lo;
		t->port_hi = (uint16_t)hi;
	}
	return l;
}

static void assert_list(const struct ts_list *got, const char *want)
{
	char text[2000];

	assert_string_equal(ts_list_str(got, text, sizeof(text)), want);
}

static void decode(void **state)
{
	struct ts_list l;
	unsigned skipped = 9;

	assert_int_equal(ts_decode(hex("02000000"
				       "07000010 0000ffff 0a010000 0a01ffff"
				       "07060010 01bb01bb c0000201 c0000201"),
				   &l, &skipped),
			 0);
	assert_int_equal(skipped, 0);
	assert_list(&l, "10.1.0.0/16,192.0.2.1/32[tcp/443]");
	assert_int_equal(ts_decode(hex("01ffffff 08000028 0000ffff 20010db8000000000000000000000000"
				       "20010db8ffffffffffffffffffffffff"),
				   &l, NULL),
			 0);
	assert_list(&l, "2001:db8::/32");
	/* a type we do not know (RFC 4595's 9) is skipped and counted, alone or among others */
	assert_int_equal(
		ts_decode(
			hex("02000000 09000010 000000000000000000000000 07000010 0000ffff 0a010000 0a01ffff"),
			&l, &skipped),
		0);
	assert_int_equal(skipped, 1);
	assert_list(&l, "10.1.0.0/16");
	assert_int_equal(ts_decode(hex("01000000 09000004"), &l, &skipped), 0);
	assert_int_equal(skipped, 1);
	assert_list(&l, "none");
}

static void malformed(void **state)
{
	static const char *const bad[] = {
		"",
		"01",
		"00000000",                                        /* none at all */
		"01000000",                                        /* one announced */
		"01000000 07000010 0000ffff 0a010000 0a01ff",      /* cut */
		"01000000 07000010 0000ffff 0a010000 0a01ffff 00", /* bytes left */
		"01000000 07000011 0000ffff 0a010000 0a01ffff 00", /* too long for IPv4 */
		"01000000 0700000c 0000ffff 0a010000",             /* too short */
		"01000000 08000010 0000ffff 0a010000 0a01ffff",    /* IPv4's length, IPv6's type */
		"01000000 07000010 0000ffff 0a01ffff 0a010000",    /* addresses backwards */
		"01000000 07060010 01bb01ba 0a010000 0a01ffff",    /* ports backwards */
		"01000000 07000010 01bb01bb 0a010000 0a01ffff",    /* ports without protocol */
		"01000000 07000003",                               /* shorter than its header */
		"01000000 07000000",
		"01000000 09000003",
		"02000000 07000010 0000ffff 0a010000 0a01ffff", /* two announced */
		"01000000 07000010 0000ffff 0a010000 0a01ffff 07000010 0000ffff 0a010000 0a01ffff",
	};
	struct ts_list l = {.n = 3};
	unsigned skipped = 5;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (ts_decode(hex(bad[i]), &l, &skipped) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
	/* and the list is as it was */
	assert_int_equal(l.n, 3);
	assert_int_equal(skipped, 5);
}

static void how_many(void **state)
{
	uint8_t body[4 + 40 * 16];
	struct ts_list l;
	unsigned skipped;

	for (unsigned n = 1; n <= 40; n++) {
		unsigned kept = n <= TS_LIST_MAX ? n : TS_LIST_MAX;

		struct wr w = wr_of(body, sizeof(body));

		wr_u8(&w, (uint8_t)n);
		wr_zero(&w, 3);
		for (unsigned i = 0; i < n; i++) {
			wr_u32(&w, 0x07000010);
			wr_u32(&w, 0x0000ffff);
			wr_u32(&w, 0x0a000000 + i);
			wr_u32(&w, 0x0a000000 + i);
		}
		assert_int_equal(ts_decode((struct bytes){body, w.len}, &l, &skipped), 0);
		assert_int_equal(l.n, kept);
		assert_int_equal(skipped, n - kept);
	}
}

static void encode(void **state)
{
	struct ts_list l = list("10.0.0.3-10.0.0.9 17 1000 2000, 2001:db8::/64, 10.1.0.0/16 6 65535 0"), back;
	uint8_t buf[200];
	struct wr w = wr_of(buf, sizeof(buf));

	ts_encode(&w, &l);
	assert_bytes((struct bytes){buf, w.len},
		     hex("03000000 07110010 03e807d0 0a000003 0a000009"
			 "08000028 0000ffff 20010db8000000000000000000000000 20010db800000000ffffffffffffffff"
			 "07060010 ffff0000 0a010000 0a01ffff"));
	assert_int_equal(ts_decode((struct bytes){buf, w.len}, &back, NULL), 0);
	assert_true(ts_list_eq(&l, &back));
	assert_list(&back, "10.0.0.3-10.0.0.9[udp/1000-2000],2001:db8::/64,10.1.0.0/16[tcp/opaque]");
	for (size_t cap = 0; cap < w.len; cap++) {
		struct wr small = wr_of(buf, cap);

		ts_encode(&small, &l);
		assert_true(small.bad);
	}
}

static void narrow(void **state)
{
	static const struct {
		const char *mine, *theirs, *want;
	} t[] = {
		{"10.1.0.0/16", "10.1.0.0/16", "10.1.0.0/16"},
		{"10.1.0.0/16", "0.0.0.0/0", "10.1.0.0/16"},
		{"0.0.0.0/0", "10.1.2.0/24", "10.1.2.0/24"},
		{"10.1.0.0/16", "10.2.0.0/16", "none"},
		{"10.1.0.0/16", "::/0", "none"},
		{"10.1.0.0/16,2001:db8::/32", "::/0,0.0.0.0/0", "2001:db8::/32,10.1.0.0/16"},
		/* RFC 7296 2.9: the packet first, then what it is part of; the wider covers it */
		{"10.1.0.0/16", "10.1.0.5/32 6 443 443,10.1.0.0/16", "10.1.0.0/16"},
		{"10.1.0.0/16 6 0 65535", "10.1.0.5/32 6 443 443,10.2.0.0/16", "10.1.0.5/32[tcp/443]"},
		{"10.1.0.0/24,10.1.2.0/24", "10.1.0.0/16", "10.1.0.0/24,10.1.2.0/24"},
		{"10.0.0.0-10.0.0.100", "10.0.0.50-10.0.0.200", "10.0.0.50-10.0.0.100"},
		{"10.0.0.0/8 6 80 90", "10.0.0.0/8 6 85 100", "10.0.0.0/8[tcp/85-90]"},
		{"10.0.0.0/8 6 80 80", "10.0.0.0/8 6 81 81", "none"},
		{"10.0.0.0/8 6 0 65535", "10.0.0.0/8 17 0 65535", "none"},
		{"10.0.0.0/8", "10.0.0.0/8 17 53 53,10.0.0.0/8 6 53 53",
		 "10.0.0.0/8[udp/53],10.0.0.0/8[tcp/53]"},
		/* OPAQUE is no range of ports */
		{"10.0.0.0/8 6 65535 0", "10.0.0.0/8", "10.0.0.0/8[tcp/opaque]"},
		{"10.0.0.0/8 6 65535 0", "10.0.0.0/8 6 65535 0", "10.0.0.0/8[tcp/opaque]"},
		{"10.0.0.0/8 6 65535 0", "10.0.0.0/8 6 443 443", "none"},
		{"10.0.0.0/8 6 443 443", "10.0.0.0/8 6 65535 0", "none"},
		{"10.0.0.0/8 6 65535 65535", "10.0.0.0/8 6 0 0", "none"},
		{"10.0.0.0/8 6 0 0", "10.0.0.0/8 6 65535 65535", "none"},
		{"10.1.0.0/16", "", "none"},
		{"", "10.1.0.0/16", "none"},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct ts_list mine = list(t[i].mine), theirs = list(t[i].theirs), got;

		ts_narrow(&mine, &theirs, &got);
		assert_list(&got, t[i].want);
		assert_true(ts_list_within(&got, &mine));
		assert_true(ts_list_within(&got, &theirs));
	}
}

/* More intersections than fit: those of the peer's first selectors stay. */
static void narrow_overflow(void **state)
{
	struct ts_list mine = {0}, theirs = {0}, got;
	struct prefix p;

	for (unsigned i = 0; i < TS_LIST_MAX; i++) {
		char s[20];

		snprintf(s, sizeof(s), "10.%u.0.0/16", i);
		assert_int_equal(prefix_parse(s, &p), 0);
		mine.t[mine.n++] = ts_of(&p, 0, 0);
	}
	assert_int_equal(prefix_parse("10.0.0.0/8", &p), 0);
	for (unsigned i = 0; i < TS_LIST_MAX; i++)
		theirs.t[theirs.n++] = ts_of(&p, 6, (uint16_t)(i + 1));
	ts_narrow(&mine, &theirs, &got);
	assert_int_equal(got.n, TS_LIST_MAX);
	assert_true(ts_list_within(&got, &mine));
	for (uint8_t i = 0; i < got.n; i++)
		assert_int_equal(got.t[i].port_lo, 1);
}

static void compare(void **state)
{
	struct ts_list a = list("10.1.0.0/16,10.2.0.0/16"), b = list("10.2.0.0/16,10.1.0.0/16");
	struct ts_list c = list("10.1.0.0/16,10.1.0.0/16"), d = list("10.1.0.0/16"), e = list("");
	struct ts_list opaque = list("10.1.0.0/16 6 65535 0"), https = list("10.1.0.0/16 6 443 443");

	assert_true(ts_list_eq(&a, &b));
	assert_false(ts_list_eq(&a, &c));
	assert_false(ts_list_eq(&c, &a));
	assert_false(ts_list_eq(&a, &d));
	assert_true(ts_list_within(&d, &a));
	assert_false(ts_list_within(&a, &d));
	assert_true(ts_list_within(&e, &d));
	assert_false(ts_list_within(&opaque, &https));
	assert_false(ts_list_within(&https, &opaque));
	assert_true(ts_list_within(&opaque, &d));
}

/* Against a model: a packet is in the narrowed list exactly when it is in both. */
static void narrow_model(void **state)
{
	srand(7);
	for (unsigned round = 0; round < 3000; round++) {
		struct ts_list l[2] = {0}, got;

		for (unsigned k = 0; k < 2; k++)
			for (unsigned i = 0; i < 3; i++) {
				struct ts *t = &l[k].t[l[k].n++];
				uint8_t lo = (uint8_t)(rand() % 8), hi = (uint8_t)(lo + rand() % (8 - lo));

				*t = (struct ts){.proto = rand() % 2 ? 6 : 0, .port_hi = 65535};
				t->lo = addr_v4((uint8_t[]){10, 0, 0, lo});
				t->hi = addr_v4((uint8_t[]){10, 0, 0, hi});
				if (t->proto) {
					t->port_lo = (uint16_t)(rand() % 4);
					t->port_hi = (uint16_t)(t->port_lo + rand() % 3);
				}
			}
		ts_narrow(&l[0], &l[1], &got);
		for (unsigned x = 0; x < 8 * 6; x++) {
			struct addr a = addr_v4((uint8_t[]){10, 0, 0, (uint8_t)(x % 8)});
			bool in[3] = {false, false, false};
			const struct ts_list *all[3] = {&l[0], &l[1], &got};

			for (unsigned k = 0; k < 3; k++)
				for (uint8_t i = 0; i < all[k]->n; i++)
					in[k] = in[k] || ts_has(&all[k]->t[i], &a, 6, (uint16_t)(x / 8));
			assert_int_equal(in[2], in[0] && in[1]);
		}
	}
}

static void text(void **state)
{
	struct ts_list l = list("10.1.0.0/16,10.2.0.0/16");
	char buf[16];

	assert_string_equal(ts_list_str(&l, buf, sizeof(buf)), "10.1.0.0/16,10.");
	assert_string_equal(ts_list_str(&l, buf, 5), "10.1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decode),  cmocka_unit_test(malformed),    cmocka_unit_test(how_many),
		cmocka_unit_test(encode),  cmocka_unit_test(narrow),       cmocka_unit_test(narrow_overflow),
		cmocka_unit_test(compare), cmocka_unit_test(narrow_model), cmocka_unit_test(text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
