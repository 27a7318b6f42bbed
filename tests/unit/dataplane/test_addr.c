/* SPDX-License-Identifier: Apache-2.0 */
#include "addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct ts ts(const char *prefix, uint8_t proto, uint16_t port)
{
	struct prefix p;

	assert_int_equal(prefix_parse(prefix, &p), 0);
	return ts_of(&p, proto, port);
}

static void parse_accepts(void **state)
{
	static const struct {
		const char *in, *out;
	} good[] = {
		{"10.1.2.3", "10.1.2.3/32"}, {"10.1.2.3/8", "10.1.2.3/8"},
		{"0.0.0.0/0", "0.0.0.0/0"},  {"::/0", "::/0"},
		{"fd00::1", "fd00::1/128"},  {"2001:db8::/32", "2001:db8::/32"},
	};
	char buf[PREFIX_STR];
	struct prefix p;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(prefix_parse(good[i].in, &p), 0);
		assert_string_equal(prefix_str(&p, buf), good[i].out);
	}
}

static void parse_refuses(void **state)
{
	static const char *const bad[] = {
		"",
		"10.1.2",
		"10.1.2.3/33",
		"10.1.2.3/",
		"10.1.2.3/x",
		"10.1.2.3/-1",
		"fd00::/129",
		"10.1.2.3 ",
		"10.1.2.3/8 ",
		"10.1.2.3/+8",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
	struct prefix p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_not_equal(prefix_parse(bad[i], &p), 0);
}

static void prefix_contains(void **state)
{
	struct prefix p;
	struct addr a;

	prefix_parse("10.1.16.0/20", &p);
	addr_parse("10.1.31.255", &a);
	assert_true(prefix_has(&p, &a));
	addr_parse("10.1.32.0", &a);
	assert_false(prefix_has(&p, &a));
	addr_parse("fd00::1", &a);
	assert_false(prefix_has(&p, &a));
}

static void selectors_print(void **state)
{
	char buf[TS_STR];
	struct ts t;

	t = ts("10.1.0.0/16", 0, 0);
	assert_string_equal(ts_str(&t, buf), "10.1.0.0/16");
	t = ts("10.1.0.0/16", 6, 443);
	assert_string_equal(ts_str(&t, buf), "10.1.0.0/16[tcp/443]");
	t = ts("10.1.0.0/16", 17, 0);
	assert_string_equal(ts_str(&t, buf), "10.1.0.0/16[udp]");
	t = ts("10.1.0.3", 0, 0);
	addr_parse("10.1.0.9", &t.hi);
	assert_string_equal(ts_str(&t, buf), "10.1.0.3-10.1.0.9");
}

static void selectors_meet(void **state)
{
	struct ts a = ts("0.0.0.0/0", 0, 0), b = ts("10.1.2.0/24", 6, 443), c = ts("10.1.3.0/24", 0, 0), out;

	assert_true(ts_intersect(&a, &b, &out));
	assert_true(ts_eq(&out, &b));
	assert_true(ts_within(&b, &a));
	assert_false(ts_within(&a, &b));
	assert_false(ts_intersect(&b, &c, &out));
	c = ts("10.1.2.0/24", 17, 443);
	assert_false(ts_intersect(&b, &c, &out));
	c = ts("::/0", 0, 0);
	assert_false(ts_intersect(&a, &c, &out));
}

static void selectors_hold_packets(void **state)
{
	struct ts t = ts("10.1.2.0/24", 6, 443);
	struct addr in, out;

	addr_parse("10.1.2.255", &in);
	addr_parse("10.1.3.0", &out);
	assert_true(ts_has(&t, &in, 6, 443));
	assert_false(ts_has(&t, &in, 6, 444));
	assert_false(ts_has(&t, &in, 17, 443));
	assert_false(ts_has(&t, &out, 6, 443));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_accepts),   cmocka_unit_test(parse_refuses),
		cmocka_unit_test(prefix_contains), cmocka_unit_test(selectors_print),
		cmocka_unit_test(selectors_meet),  cmocka_unit_test(selectors_hold_packets),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
