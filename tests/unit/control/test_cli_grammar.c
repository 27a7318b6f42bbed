/* SPDX-License-Identifier: Apache-2.0 */
/* Words: which command they mean, what is said when they mean none, what may come next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "grammar.h"

static size_t split(char *text, const char **words)
{
	size_t n = 0;

	for (char *w = strtok(text, " "); w; w = strtok(NULL, " "))
		words[n++] = w;
	return n;
}

static int parse(const char *text, struct cli_match *m, char why[CLI_WHY])
{
	static char buf[512];
	const char *words[CLI_WORDS_MAX];

	snprintf(buf, sizeof(buf), "%s", text);
	return cli_parse(words, split(buf, words), m, why);
}

/* No command's words begin another's: finding the first complete one would hide the longer. */
static void test_table(void **state)
{
	for (size_t i = 0; i < cli_n_commands; i++) {
		const struct cli_command *a = &cli_commands[i];

		assert_non_null(a->words[0]);
		assert_true(strlen(a->help) > 5);
		assert_true(a->id < CLI_CMD_MAX);
		for (size_t j = 0; j < cli_n_commands; j++) {
			const struct cli_command *b = &cli_commands[j];
			size_t d = 0;

			while (a->words[d] && b->words[d] && strcmp(a->words[d], b->words[d]) == 0)
				d++;
			if (i != j && !a->words[d])
				fail_msg("command %zu begins command %zu", i, j);
		}
	}
	for (int id = 0; id < CLI_CMD_MAX; id++) {
		bool found = false;

		for (size_t i = 0; i < cli_n_commands; i++)
			found |= (int)cli_commands[i].id == id;
		assert_true(found);
	}
}

static void test_found(void **state)
{
	static const struct {
		const char *text;
		enum cli_cmd id;
	} cases[] = {
		{"show vpn ike-sa", CLI_SHOW_VPN_IKE_SA},
		{"show vpn ike-sa detail gateway G", CLI_SHOW_VPN_IKE_SA},
		{"show vpn ike-sa gateway G detail", CLI_SHOW_VPN_IKE_SA},
		{"sh v ik", CLI_SHOW_VPN_IKE_SA},
		{"sh v ip tunnel T:P", CLI_SHOW_VPN_IPSEC_SA},
		{"sh vpn fl tunnel-id 4", CLI_SHOW_VPN_FLOW},
		{"show counter drop all", CLI_SHOW_COUNTER_DROP},
		{"show interface", CLI_SHOW_INTERFACE},
		{"show interface ethernet1/1", CLI_SHOW_INTERFACE},
		{"show routing route destination 10.0.0.1", CLI_SHOW_ROUTING_ROUTE},
		{"show sys info", CLI_SHOW_SYSTEM_INFO},
		{"test vpn ipsec-sa", CLI_TEST_VPN_IPSEC_SA},
		{"req vpn rek ik", CLI_REKEY_IKE_SA},
		{"request vpn rekey ipsec-sa tunnel T:P", CLI_REKEY_IPSEC_SA},
		{"request vpn rea gateway G", CLI_REAUTHENTICATE},
		{"clear vpn ike g X", CLI_CLEAR_VPN_IKE_SA},
		{"debug ike on", CLI_DEBUG_IKE_ON},
		{"debug ike global off", CLI_DEBUG_IKE_OFF},
		{"commit", CLI_COMMIT},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cli_match m;
		char why[CLI_WHY];

		if (parse(cases[i].text, &m, why) < 0)
			fail_msg("%s: %s", cases[i].text, why);
		assert_int_equal(m.cmd->id, cases[i].id);
	}
}

static void test_arguments(void **state)
{
	struct cli_match m;
	char why[CLI_WHY];

	assert_int_equal(parse("show vpn ike-sa gateway G1 detail", &m, why), 0);
	assert_true(cli_given(&m, "detail"));
	assert_string_equal(cli_arg(&m, "gateway"), "G1");
	assert_null(cli_arg(&m, "detail"));
	assert_false(cli_given(&m, "nothing"));
	assert_int_equal(parse("show vpn ike-sa", &m, why), 0);
	assert_false(cli_given(&m, "detail"));
	assert_null(cli_arg(&m, "gateway"));
	assert_int_equal(parse("show interface tunnel.1", &m, why), 0);
	assert_string_equal(cli_arg(&m, ""), "tunnel.1");
	/* An argument may look like an option's word. */
	assert_int_equal(parse("show vpn ike-sa gateway detail", &m, why), 0);
	assert_string_equal(cli_arg(&m, "gateway"), "detail");
	assert_false(cli_given(&m, "detail"));
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"",
		 "incomplete; allowed next: show, test, diagnose, request, clear, ping, debug, tail, less, commit, explain, reference"},
		{"shwo vpn",
		 "shwo: unknown word \"shwo\"; allowed: show, test, diagnose, request, clear, ping, debug, tail, less, commit, explain, reference"},
		{"show vpn",
		 "show vpn: incomplete; allowed next: ike-sa, ipsec-sa, flow, gateway, tunnel, tunnel-monitor, history, capacity"},
		{"show vpn foo",
		 "show vpn foo: unknown word \"foo\"; allowed: ike-sa, ipsec-sa, flow, gateway, tunnel, tunnel-monitor, history, capacity"},
		{"show vpn i", "show vpn i: \"i\" is ambiguous; it may be: ike-sa, ipsec-sa"},
		{"c", "c: \"c\" is ambiguous; it may be: clear, commit"},
		{"show vpn ike-sa gateway", "show vpn ike-sa gateway: incomplete; allowed next: <gateway>"},
		{"show vpn ike-sa tunnel T",
		 "show vpn ike-sa tunnel: unknown word \"tunnel\"; allowed: detail, gateway, peer, state"},
		{"show vpn ike-sa detail detail",
		 "show vpn ike-sa detail detail: unknown word \"detail\"; allowed: gateway, peer, state"},
		{"show interface a b", "show interface a b: unknown word \"b\"; allowed: nothing more"},
		{"show counter drop x", "show counter drop x: unknown word \"x\"; allowed: all"},
		{"commit now", "commit now: unknown word \"now\"; allowed: nothing more"},
		{"debug ike", "debug ike: incomplete; allowed next: on, off, global, gateway"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cli_match m;
		char why[CLI_WHY];

		assert_true(parse(cases[i].text, &m, why) < 0);
		assert_string_equal(why, cases[i].why);
	}
}

/* The longest request there can be must not overflow the reason. */
static void test_long(void **state)
{
	static char word[CLI_WORD_LEN + 1];
	const char *words[CLI_WORDS_MAX] = {"show", "interface"};
	struct cli_match m;
	char why[CLI_WHY];

	memset(word, 'w', CLI_WORD_LEN);
	for (int i = 2; i < CLI_WORDS_MAX; i++)
		words[i] = word;
	assert_true(cli_parse(words, CLI_WORDS_MAX, &m, why) < 0);
	words[0] = word;
	assert_true(cli_parse(words, CLI_WORDS_MAX, &m, why) < 0);
	assert_true(strlen(why) < CLI_WHY);
}

struct list {
	char text[1024];
};

static void on_candidate(void *arg, const char *word, enum cli_arg kind, const char *help)
{
	struct list *l = arg;
	size_t n = strlen(l->text);

	snprintf(l->text + n, sizeof(l->text) - n, "%s%s", n ? " " : "", word ? word : cli_arg_name(kind));
}

static void test_completion(void **state)
{
	static const struct {
		const char *text; /* a blank at the end: a new word begins */
		const char *list;
	} cases[] = {
		{" ", "show test diagnose request clear ping debug tail less commit explain reference"},
		{"s", "show"},
		{"c", "clear commit"},
		{"show ", "vpn counter log dataplane interface routing running rule-hit-count system"},
		{"show vpn i", "ike-sa ipsec-sa"},
		{"show vpn ike-sa ", "detail gateway peer state"},
		{"show vpn ike-sa detail ", "gateway peer state"},
		{"show vpn ike-sa gateway ", "<gateway>"},
		{"show vpn ike-sa gateway G", "<gateway>"},
		{"show vpn ike-sa gateway G ", "detail peer state"},
		{"show vpn ike-sa state ", "<state>"},
		{"show vpn ipsec-sa gateway G ", "detail tunnel state prefix"},
		{"show vpn flow prefix ", "<ip-prefix>"},
		{"show vpn tunnel-monitor state ", "<up|down>"},
		{"show vpn ike-sa gateway G detail ", "peer state"},
		{"sh v fl n", "name"},
		{"sh v fl name ", "<tunnel[:proxy-id]>"},
		{"show interface ", "<interface>"},
		{"show interface x ", ""},
		{"show routing route destination ", "<ip-address>"},
		{"debug capture ", "tunnel stop show"},
		{"debug capture tunnel T out", "outer"},
		{"debug capture tunnel T outer count ", "<count>"},
		{"debug capture tunnel T file ", "<file>"},
		{"nonsense ", ""},
		{"show nonsense ", ""},
		{"show vpn ike-sa nonsense ", ""},
		{"commit ", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char buf[128];
		const char *words[CLI_WORDS_MAX];
		size_t n;
		struct list l = {""};

		snprintf(buf, sizeof(buf), "%s", cases[i].text);
		n = split(buf, words);
		if (cases[i].text[strlen(cases[i].text) - 1] == ' ')
			words[n++] = "";
		cli_complete(words, n, on_candidate, &l);
		if (strcmp(l.text, cases[i].list) != 0)
			fail_msg("\"%s\": %s, not %s", cases[i].text, l.text, cases[i].list);
	}
}

static void test_syntax(void **state)
{
	char buf[128];

	assert_string_equal(
		cli_syntax(&cli_commands[0], buf, sizeof(buf)),
		"show vpn ike-sa [detail] [gateway <gateway>] [peer <ip-address>] [state <state>]");
	for (size_t i = 0; i < cli_n_commands; i++)
		if (cli_commands[i].id == CLI_SHOW_INTERFACE)
			assert_string_equal(cli_syntax(&cli_commands[i], buf, sizeof(buf)),
					    "show interface [<interface>]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),     cmocka_unit_test(test_found),
		cmocka_unit_test(test_arguments), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_long),      cmocka_unit_test(test_completion),
		cmocka_unit_test(test_syntax),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
