/* SPDX-License-Identifier: Apache-2.0 */
/* Why it failed, who called, and that no command shows a key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli_fixture.h"
#include "fake_world.h"

static struct ike_reason failed = {
	.cause = IKE_CAUSE_AUTH_FAILED,
	.role = IKE_RESPONDER,
	.exchange = IKE_AUTH,
	.text = "peer's proof does not verify",
	.ours = "psk of G1",
	.theirs = "\x1b[31mid\xff\n",
	.hint = "compare the pre-shared keys",
};

static void test_failure_reason(void **state)
{
	static struct ike_reason child = {
		.cause = IKE_CAUSE_TS_UNACCEPTABLE, .reported_by_peer = true, .text = "no"};

	fake->epoch = 1780607353 - 1000;
	failed.at = child.at = fake->now;
	fake->gateways[0].last_failure = &failed;
	fake->conf_children[1].last_failure = &child;
	assert_text("show vpn ike-sa gateway G1",
		    "\nThere is no IKEv1 phase-1 SA found.\n\nThere is no IKEv1 phase-2 SA found.\n\n"
		    "There is no IKEv2 SA found.\n"
		    "\n"
		    "Last failure of gateway G1: Jun.04 21:09:13, as responder, in IKE_AUTH\n"
		    "  cause:         auth-failed\n"
		    "  what happened: peer's proof does not verify\n"
		    "  we have:       psk of G1\n"
		    "  peer has:      \\x1b[31mid\\xff\\x0a\n"
		    "  what to do:    compare the pre-shared keys\n"
		    "\n"
		    "Last failure of tunnel T1:P2: Jun.04 21:09:13, as initiator, as the peer reports\n"
		    "  cause:         ts-unacceptable\n"
		    "  what happened: no\n");
	/* Without a gateway the tables alone. */
	assert_text("show vpn ike-sa",
		    "\nThere is no IKEv1 phase-1 SA found.\n\nThere is no IKEv1 phase-2 SA found.\n\n"
		    "There is no IKEv2 SA found.\n");
}

/* With detail: how often, parameter by parameter, what to type at the peer, and what failed before. */
static void test_failure_at_length(void **state)
{
	static struct ike_reason child = {
		.cause = IKE_CAUSE_TS_UNACCEPTABLE,
		.role = IKE_RESPONDER,
		.text = "no",
		.hint = "do",
		.count = 3,
		.n_diff = 2,
		.diff = {{"local network", true, NULL, "10.20.20.0/24", "10.20.20.0/24"},
			 {"remote network", false, "swapped", "10.1.0.0/16", "10.2.0.0/16"}}};
	static struct ike_reason before = {.cause = IKE_CAUSE_DPD, .text = "silent"};
	static const struct ike_reason *const recent[] = {&child, &before};
	struct got g;
	char *text;

	fake->epoch = 1780607353 - 1000;
	child.at = child.first = before.at = fake->now;
	fake->conf_children[1].last_failure = &child;
	fake->conf_children[1].recent = recent;
	fake->conf_children[1].n_recent = 2;
	g = ask("show vpn ike-sa detail gateway G1", 0);
	text = text_of(g.doc);
	assert_non_null(strstr(text, "  times:         3 since Jun.04 21:09:13\n"
				     "  parameter         here                          peer\n"));
	assert_non_null(strstr(
		text,
		"  local network     10.20.20.0/24                 10.20.20.0/24                 fits\n"
		"  remote network    10.1.0.0/16                   10.2.0.0/16                   "
		"DIFFERS: swapped\n"
		"  at the peer, if what is here is right:\n"
		"    PAN-OS         set network tunnel ipsec <tunnel> auto-key proxy-id <name> local "));
	assert_non_null(strstr(text, "\nEarlier failure of tunnel T1:P2: Jun.04 21:09:13, as initiator\n"
				     "  cause:         other\n  what happened: silent\n"));
	free(text);
	got_free(&g);
	/* Without, what there is to know at once. */
	g = ask("show vpn ike-sa gateway G1", 0);
	text = text_of(g.doc);
	assert_null(strstr(text, "PAN-OS"));
	assert_null(strstr(text, "Earlier"));
	free(text);
	got_free(&g);
}

/* Callers that are nobody's peer stand under the triage. */
static void test_callers(void **state)
{
	struct ike_call *c = &fake->calls[0];
	struct got g;
	char *text;

	fake->n_calls = 1;
	*c = (struct ike_call){.kind = IKE_CALL_IDENTITY,
			       .identity = "x\x1b[31m.example",
			       .what = "IKEv2",
			       .count = 4,
			       .first = fake->now,
			       .last = fake->now - 5000000000};
	assert_int_equal(addr_parse("192.0.2.9", &c->remote.a), 0);
	c->remote.port = 500;
	g = ask("diagnose vpn", 0);
	assert_string_equal(json_string_value(json_object_get(got_entry(&g, "callers", 0), "kind")),
			    "identity");
	text = text_of(g.doc);
	assert_non_null(strstr(text,
			       "\nCalls from nobody's peer:\n  192.0.2.9[500] called in IKEv2, identity "
			       "x\\x1b[31m.example, last 5 s ago: no gateway has that peer-id (4)\n"));
	free(text);
	got_free(&g);
}

static void test_failure_document(void **state)
{
	struct got g;
	const json_t *f;

	failed.at = fake->now;
	fake->gateways[0].last_failure = &failed;
	g = ask("show vpn ike-sa gateway G1", 0);
	f = got_entry(&g, "failures", 0);
	assert_string_equal(json_string_value(json_object_get(f, "gateway")), "G1");
	assert_true(json_is_null(json_object_get(f, "tunnel")));
	assert_string_equal(json_string_value(json_object_get(f, "cause")), "auth-failed");
	assert_string_equal(json_string_value(json_object_get(f, "exchange")), "IKE_AUTH");
	assert_string_equal(json_string_value(json_object_get(f, "hint")), "compare the pre-shared keys");
	assert_int_equal(doc_member(f, "at"), fake->epoch + 1000);
	assert_true(json_is_false(json_object_get(f, "reported-by-peer")));
	got_free(&g);
}

/* What took the gateway and its tunnels is told once. */
static void test_failure_of_all(void **state)
{
	struct got g;
	char *text;

	failed.at = fake->now;
	fake->gateways[0].last_failure = &failed;
	fake->conf_children[0].last_failure = fake->conf_children[1].last_failure = &failed;
	g = ask("show vpn ike-sa gateway G1", 0);
	assert_int_equal(json_array_size(json_object_get(g.doc, "failures")), 3);
	text = text_of(g.doc);
	assert_non_null(strstr(text, "compare the pre-shared keys\n  with it:       tunnel T1:P1\n"
				     "  with it:       tunnel T1:P2\n"));
	free(text);
	got_free(&g);
}

/* No command shows a key. */
static void test_no_secret(void **state)
{
	static const char *const commands[] = {
		"show vpn ike-sa detail", "show vpn gateway", "show vpn tunnel",    "show vpn flow name T1",
		"show vpn ipsec-sa",      "show system info", "show interface all", "show routing route"};

	fake_ike_sa();
	fake_child(1);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct got g = ask(commands[i], 0);
		char *text = json_dumps(g.doc, 0);

		assert_non_null(text);
		assert_null(strstr(text, "never to be"));
		free(text);
		got_free(&g);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, cli_begin, cli_end)
	const struct CMUnitTest tests[] = {
		T(test_failure_reason),   T(test_failure_at_length), T(test_callers),
		T(test_failure_document), T(test_failure_of_all),    T(test_no_secret),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
