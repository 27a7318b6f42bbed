/* SPDX-License-Identifier: Apache-2.0 */
/* The shell's line: words, quotes, filters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "client.h"

static void test_words(void **state)
{
	struct shell_line l;
	char why[128];

	assert_true(shell_split("  show   vpn\tike-sa \n", &l, why, sizeof(why)));
	assert_int_equal(l.n_words, 3);
	assert_string_equal(l.words[0], "show");
	assert_string_equal(l.words[2], "ike-sa");
	assert_int_equal(l.n_pipes, 0);
	assert_true(shell_split("", &l, why, sizeof(why)));
	assert_int_equal(l.n_words, 0);
	assert_true(shell_split("a \"b c\" d\"e f\"", &l, why, sizeof(why)));
	assert_int_equal(l.n_words, 3);
	assert_string_equal(l.words[1], "b c");
	assert_string_equal(l.words[2], "de f");
}

static void test_pipes(void **state)
{
	struct shell_line l;
	char why[128];

	assert_true(shell_split("show vpn flow | match \"a b\" |except init", &l, why, sizeof(why)));
	assert_int_equal(l.n_words, 3);
	assert_int_equal(l.n_pipes, 2);
	assert_int_equal(l.pipes[0].kind, SHELL_MATCH);
	assert_string_equal(l.pipes[0].text, "a b");
	assert_int_equal(l.pipes[1].kind, SHELL_EXCEPT);
	assert_string_equal(l.pipes[1].text, "init");
	assert_true(shell_split("show|match x", &l, why, sizeof(why)));
	assert_int_equal(l.n_words, 1);
	assert_int_equal(l.n_pipes, 1);
}

static void test_refused(void **state)
{
	static const char *const lines[][2] = {
		{"show \"vpn", "a quote is not closed, or the line is too long"},
		{"show |", "behind |: found nothing; allowed: match TEXT, except TEXT"},
		{"show | grep x", "behind |: found \"grep\"; allowed: match TEXT, except TEXT"},
		{"show | match", "match needs a text to look for"},
		{"show | match | except x", "match needs a text to look for"},
		{"show | match x y", "behind a filter: found \"y\"; allowed: another |"},
		{"a | match 1 | match 2 | match 3 | match 4 | match 5", "at most 4 filters"},
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct shell_line l;
		char why[128] = "";

		assert_false(shell_split(lines[i][0], &l, why, sizeof(why)));
		assert_string_equal(why, lines[i][1]);
	}
}

/* Lines of any length, and of nothing but separators. */
static void test_bounds(void **state)
{
	static const char parts[][4] = {"a", "a ", " |", "\"", "||", "\" "};
	struct shell_line l;
	char why[128], *text = malloc(20001);

	assert_non_null(text);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		for (size_t len = 0; len <= 20000; len += len < 4090 || len > 4110 ? 97 : 1) {
			for (size_t k = 0; k < len; k++)
				text[k] = parts[i][k % strlen(parts[i])];
			text[len] = 0;
			(void)shell_split(text, &l, why, sizeof(why));
		}
	}
	free(text);
}

static void test_filters(void **state)
{
	struct shell_line l;
	char why[128];

	assert_true(shell_split("show | match Ike.*UP | except nothing", &l, why, sizeof(why)));
	assert_true(shell_passes(&l, "the IKE SA is up"));
	assert_false(shell_passes(&l, "the IKE SA is down"));
	assert_false(shell_passes(&l, "ike nothing up"));
	assert_true(shell_split("show | match \"a(b\"", &l, why, sizeof(why)));
	assert_true(shell_passes(&l, "xA(Bx"));
	assert_false(shell_passes(&l, "ab"));
	assert_true(shell_split("show", &l, why, sizeof(why)));
	assert_true(shell_passes(&l, "anything"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),  cmocka_unit_test(test_pipes),   cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bounds), cmocka_unit_test(test_filters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
