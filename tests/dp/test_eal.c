/* SPDX-License-Identifier: Apache-2.0 */
/* Which thread runs on which CPU: the lists an operator writes, and what the EAL is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "eal.h"

static void core_lists(void **state)
{
	static const struct {
		const char *s;
		int n; /* -1: refused */
		uint16_t cpu[8];
	} c[] = {
		{"0", 1, {0}},
		{"7", 1, {7}},
		{"2-5", 4, {2, 3, 4, 5}},
		{"2-5,8", 5, {2, 3, 4, 5, 8}},
		{"8,2-3,1", 4, {8, 2, 3, 1}}, /* as written */
		{"3-3", 1, {3}},
		{"0-7", 8, {0, 1, 2, 3, 4, 5, 6, 7}},
		{"1023", 1, {1023}}, /* CPU_SETSIZE */
		{"00002", 1, {2}},
		{"", -1, {0}},
		{",", -1, {0}},
		{"1,", -1, {0}},
		{",1", -1, {0}},
		{"1,,2", -1, {0}},
		{"1-", -1, {0}},
		{"-1", -1, {0}},
		{"5-2", -1, {0}},
		{"1-2-3", -1, {0}},
		{"1;2", -1, {0}},
		{"1 2", -1, {0}},
		{" 1", -1, {0}},
		{"1 ", -1, {0}},
		{"+1", -1, {0}},
		{"0x2", -1, {0}},
		{"a", -1, {0}},
		{"1,1", -1, {0}}, /* each once */
		{"1-4,3", -1, {0}},
		{"0-8", -1, {0}}, /* more than there is room for */
		{"1024", -1, {0}},
		{"1-1024", -1, {0}},
		{"99999999999999999999", -1, {0}}, /* wraps in no type */
		{"4294967297", -1, {0}},
		{"65536", -1, {0}},
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		uint16_t cpu[9] = {[8] = 0xbeef};
		int n = eal_parse_cores(c[i].s, cpu, 8);

		if (n != (c[i].n < 0 ? -EINVAL : c[i].n))
			fail_msg("\"%s\": %d", c[i].s, n);
		if (n > 0)
			assert_memory_equal(cpu, c[i].cpu, (size_t)n * sizeof(cpu[0]));
		assert_int_equal(cpu[8], 0xbeef);
	}
}

/* Each digit a CPU of the process. */
static cpu_set_t set_of(const char *digits)
{
	cpu_set_t s;

	CPU_ZERO(&s);
	for (; *digits; digits++)
		CPU_SET(*digits - '0', &s);
	return s;
}

static void lcores(void **state)
{
	static const struct {
		const char *cores, *allowed;
		uint16_t n_workers;
		const char *want; /* NULL: refused ... */
		const char *err;  /* ... with this in the text */
	} c[] = {
		/* a CPU for each: the first stays with control */
		{NULL, "01", 1, "0@(0-0),1@1", NULL},
		{NULL, "0123", 2, "0@(0-0,3-3),1@1,2@2", NULL},
		{NULL, "0123", 3, "0@(0-0),1@1,2@2,3@3", NULL},
		{NULL, "2468", 2, "0@(2-2,8-8),1@4,2@6", NULL},
		/* too few: all float */
		{NULL, "0", 1, "0@(0-0),1@(0-0)", NULL},
		{NULL, "01", 2, "0@(0-1),1@(0-1),2@(0-1)", NULL},
		{NULL, "0134", 4, "0@(0-1,3-4),1@(0-1,3-4),2@(0-1,3-4),3@(0-1,3-4),4@(0-1,3-4)", NULL},
		/* chosen */
		{"2,0", "0123", 2, "0@(1-1,3-3),1@2,2@0", NULL},
		{"1-3", "0123", 2, "0@(0-0,3-3),1@1,2@2", NULL}, /* the first n_workers of them */
		{"0-3", "0123", 4, "0@(0-3),1@0,2@1,3@2,4@3", NULL},
		{"0", "0", 1, "0@(0-0),1@0", NULL},
		/* refused */
		{"1-", "0123", 1, NULL, "cores \"1-\""},
		{"1", "0123", 2, NULL, "1 cores for 2 workers"},
		{"1,7", "0123", 2, NULL, "core 7 does not exist"},
		{"", "0123", 1, NULL, "cores \"\""},
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		cpu_set_t allowed = set_of(c[i].allowed);
		char out[256] = "", err[256] = "";
		int rc = eal_lcores(c[i].cores, c[i].n_workers, &allowed, out, sizeof(out), err, sizeof(err));

		if (c[i].want) {
			assert_int_equal(rc, 0);
			assert_string_equal(out, c[i].want);
			continue;
		}
		assert_int_equal(rc, -EINVAL);
		if (!strstr(err, c[i].err))
			fail_msg("\"%s\" is not in \"%s\"", c[i].err, err);
	}
}

/* Never cut off: half an argument would be another one. */
static void no_room(void **state)
{
	cpu_set_t allowed = set_of("0123");
	static const char want[] = "0@(0-0,3-3),1@1,2@2";
	char out[64], err[64];

	for (size_t n = 1; n < sizeof(out); n++) {
		int rc = eal_lcores(NULL, 2, &allowed, out, n, err, sizeof(err));

		assert_int_equal(rc, n >= sizeof(want) ? 0 : -EINVAL);
		if (rc == 0)
			assert_string_equal(out, want);
		else
			assert_string_equal(err, "too many cores to name");
	}
}

/* As many workers and as ragged a set as there can be. */
static void large_host(void **state)
{
	cpu_set_t allowed;
	char out[8192], err[256] = "";

	CPU_ZERO(&allowed);
	for (int i = 0; i < CPU_SETSIZE; i += 8)
		CPU_SET(i, &allowed);
	assert_int_equal(eal_lcores(NULL, 64, &allowed, out, sizeof(out), err, sizeof(err)), 0);
	assert_non_null(strstr(out, ",1@8,2@16,"));
	assert_non_null(strstr(out, ",64@512"));
	assert_null(strstr(out, "(8-8"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(core_lists),
		cmocka_unit_test(lcores),
		cmocka_unit_test(no_room),
		cmocka_unit_test(large_host),
	};

	return cmocka_run_group_tests_name("eal", tests, NULL, NULL);
}
