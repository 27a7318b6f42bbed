/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and their answers' pages: every command answers, in pages of any size; refusals; completion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli_fixture.h"
#include "fake_world.h"
#include "grammar.h"
#include "job.h"

static void test_every_command(void **state)
{
	/* those that cannot do without */
	static const struct {
		enum cli_cmd id;
		const char *words;
	} needs[] = {
		{CLI_TEST_VPN_PACKET, "source 10.20.20.10 destination 10.10.10.10"},
		{CLI_TEST_VPN_MTU, "tunnel T1:P1 host 10.10.10.10"},
		{CLI_TEST_FIB_LOOKUP, "ip 10.10.10.10"},
		{CLI_DEBUG_CAPTURE, "T1 file /f.pcapng"},
		{CLI_DEBUG_IKE_GATEWAY, "G1"},
		{CLI_PING, "host 203.0.113.10 source 198.51.100.20 count 1"},
	};

	fake->ctl.loop = ev_loop_new(0);
	fake->answers_echoes = true;

	log_with("a line\n");
	fake_ike_sa();
	fake_child(1);
	fake->policy.sa_out = 7;
	fake->route.ifindex = 1;
	fake->conf.interfaces[1].n_addr = 1;
	prefix_parse("10.20.20.1/24", &fake->conf.interfaces[1].addr[0]);
	for (size_t i = 0; i < cli_n_commands; i++) {
		char words[256] = "";
		struct got g;
		char *text;

		for (size_t w = 0; cli_commands[i].words[w]; w++)
			snprintf(words + strlen(words), sizeof(words) - strlen(words), "%s ",
				 cli_commands[i].words[w]);
		for (size_t w = 0; w < sizeof(needs) / sizeof(needs[0]); w++)
			if (needs[w].id == cli_commands[i].id)
				snprintf(words + strlen(words), sizeof(words) - strlen(words), "%s",
					 needs[w].words);
		g = ask(words, 0);
		assert_non_null(g.doc);
		assert_string_equal(json_string_value(json_object_get(g.last, "status")), "ok");
		text = text_of(g.doc);
		assert_true(strlen(text) > 5);
		free(text);
		got_free(&g);
	}
	log_gone();
}

static void test_pages(void **state)
{
	enum { SAS = 1000 };
	static const int sizes[] = {1, 7, 64, 500, 1000, 1024};

	for (int i = 0; i < SAS; i++) {
		fake_ike_sa();
		fake_child(1)->id = (uint32_t)i + 1;
	}
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		struct got g = ask("show vpn ike-sa", sizes[s]);

		assert_int_equal(json_array_size(json_object_get(g.doc, "entries")), SAS);
		assert_int_equal(json_array_size(json_object_get(g.doc, "children")), SAS);
		assert_int_equal(g.pages, 2 * ((SAS + sizes[s] - 1) / sizes[s]));
		for (int i = 0; i < SAS; i++) {
			assert_int_equal(doc_member(got_entry(&g, "entries", (size_t)i), "sn"), i + 1);
			assert_int_equal(doc_member(got_entry(&g, "children", (size_t)i), "id"), i + 1);
		}
		got_free(&g);
	}
}

static void test_flow_pages(void **state)
{
	enum { N = 300 };
	static struct ctl_policy many[N];
	struct got g;

	for (int i = 0; i < N; i++) {
		many[i] = fake->ctl.policies[i % 2];
		many[i].number = (uint32_t)i + 1;
		many[i].policy = 5000 - (uint32_t)i; /* not in the table's order */
	}
	fake->ctl.policies = many;
	fake->ctl.n_policies = N;
	g = ask("show vpn flow", 0);
	assert_int_equal(g.pages, (N + CLI_PAGE - 1) / CLI_PAGE);
	assert_int_equal(json_array_size(json_object_get(g.doc, "entries")), N);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(doc_member(got_entry(&g, "entries", i), "id"), i + 1);
	got_free(&g);
	g = ask("show vpn flow name T1:P2", 100);
	assert_int_equal(json_array_size(json_object_get(g.doc, "entries")), N / 2);
	got_free(&g);
}

/* SAs that go away between two pages do not keep the listing from its end. */
static void test_change_between_pages(void **state)
{
	static const char line[] = "{\"command\":[\"show\",\"vpn\",\"ike-sa\"],\"options\":{\"page\":10}}";
	struct cli_job *j;
	unsigned lines = 0;
	char *text;

	for (int i = 0; i < 100; i++)
		fake_ike_sa();
	j = cli_job_new(&fake->ctl, line, strlen(line));
	while ((text = cli_job_line(j))) {
		free(text);
		if (++lines == 3)
			fake->n_sas = 5;
	}
	assert_true(lines < 10);
	cli_job_free(j);
}

static void test_no_such_thing(void **state)
{
	assert_error("show vpn ike-sa gateway X", 1,
		     "there is no gateway \"X\"; show vpn gateway lists them");
	assert_error("clear vpn ike-sa gateway X", 1,
		     "there is no gateway \"X\"; show vpn gateway lists them");
	assert_error("request vpn reauthenticate gateway X", 1,
		     "there is no gateway \"X\"; show vpn gateway lists them");
	assert_error("request vpn rekey ipsec-sa tunnel T9", 1,
		     "there is no tunnel, or proxy-ID of a tunnel, \"T9\"; show vpn tunnel lists them");
	assert_error("test vpn ipsec-sa tunnel T1:P9", 1,
		     "there is no tunnel, or proxy-ID of a tunnel, \"T1:P9\"; show vpn tunnel lists them");
	assert_error("show vpn flow name T", 1,
		     "there is no tunnel, or proxy-ID of a tunnel, \"T\"; show vpn tunnel lists them");
	assert_error("show vpn flow tunnel-id 99", 1,
		     "there is no tunnel with id 99; show vpn flow lists them");
	assert_error("show vpn flow tunnel-id 0x1", 2, "tunnel-id: found \"0x1\"; allowed: a number from 1");
	assert_error("show interface eth9", 1, "there is no interface \"eth9\"; show interface lists them");
	assert_string_equal(fake->called, "");
}

static void test_bad_requests(void **state)
{
	static const struct {
		const char *line, *error;
	} cases[] = {
		{"", "not JSON: "},
		{"nonsense", "not JSON: "},
		{"{\"command\":[\"show\"", "not JSON: "},
		{"[]", "a request is one JSON object in one line"},
		{"5", "not JSON: "},
		{"{}", "a request holds either command or complete"},
		{"{\"command\":[],\"complete\":[]}", "a request holds either command or complete"},
		{"{\"command\":\"show\"}", "a command is a list of at most 32 words"},
		{"{\"command\":[1]}", "a word is a string of at most 255 bytes"},
		{"{\"command\":[\"a\\u0000b\"]}", "not JSON: "},
		{"{\"command\":[\"show\"],\"x\":1}",
		 "unknown member \"x\"; allowed: command, complete, options"},
		{"{\"command\":[\"show\"],\"command\":[]}", "not JSON: "},
		{"{\"command\":[\"commit\"],\"options\":{\"x\":1}}",
		 "unknown option \"x\"; allowed: page, stream"},
		{"{\"command\":[\"commit\"],\"options\":{\"page\":0}}", "option page is 1 to 1024"},
		{"{\"command\":[\"commit\"],\"options\":[]}", "options is an object"},
		{"{\"command\":[]}",
		 "incomplete; allowed next: show, test, diagnose, request, clear, ping, debug, tail, less, commit, explain, reference"},
		{"{\"command\":[\"\\u001b[2J\"]}", "\\x1b[2J: unknown word \"\\x1b[2J\"; allowed: "},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct got g = ask_line(cases[i].line);
		const char *error = json_string_value(json_object_get(g.last, "error"));

		if (!error || strncmp(error, cases[i].error, strlen(cases[i].error)) != 0)
			fail_msg("%s: %s", cases[i].line, error);
		assert_int_equal(doc_member(g.last, "exit"), 2);
		assert_null(g.doc);
		got_free(&g);
	}
	assert_string_equal(fake->called, "");
}

static void assert_completes(const char *line, const char *want)
{
	struct got g = ask_line(line);
	char text[1024] = "";
	const json_t *e;
	size_t i;

	json_array_foreach(json_object_get(g.last, "candidates"), i, e)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "",
			 json_string_value(json_object_get(e, "word")));
	assert_string_equal(text, want);
	got_free(&g);
}

static void test_complete(void **state)
{
	assert_completes("{\"complete\":[\"show\",\"vpn\",\"ip\"]}", "ipsec-sa");
	assert_completes("{\"complete\":[]}",
			 "show test diagnose request clear ping debug tail less commit explain reference");
	assert_completes("{\"complete\":[\"test\",\"vpn\",\"ike-sa\",\"gateway\",\"\"]}", "G1");
	assert_completes("{\"complete\":[\"test\",\"vpn\",\"ike-sa\",\"gateway\",\"X\"]}", "");
	assert_completes("{\"complete\":[\"show\",\"vpn\",\"flow\",\"name\",\"T\"]}", "T1 T1:P1 T1:P2");
	assert_completes("{\"complete\":[\"show\",\"vpn\",\"flow\",\"name\",\"X\"]}", "");
	assert_completes("{\"complete\":[\"show\",\"vpn\",\"flow\",\"name\",\"T1:\"]}", "T1:P1 T1:P2");
	assert_completes("{\"complete\":[\"show\",\"interface\",\"\"]}", "ethernet1/1 tunnel.1");
	assert_completes("{\"complete\":[\"show\",\"routing\",\"route\",\"destination\",\"\"]}",
			 "<ip-address>");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, cli_begin, cli_end)
	const struct CMUnitTest tests[] = {
		T(test_every_command), T(test_pages),        T(test_flow_pages), T(test_change_between_pages),
		T(test_no_such_thing), T(test_bad_requests), T(test_complete),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
