/* SPDX-License-Identifier: Apache-2.0 */
/* The journal: what of the engine's events it keeps, what repeats, what strangers cannot displace, what a restart
 * remembers, and what the times of outages say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal.h"

const char *ike_cause_str(enum ike_cause c)
{
	return c == IKE_CAUSE_PEER_DELETED ? "peer-deleted"
	       : c == IKE_CAUSE_EXPIRED    ? "expired"
	       : c == IKE_CAUSE_NO_ANSWER  ? "no-answer"
					   : "other";
}

static char dir[] = "/tmp/culvert-test-journal-XXXXXX";
static char path[64], before[64];

enum { T0 = 1764000000 };
static const int64_t MS = 1000;

static int begin(void **state)
{
	unlink(path);
	unlink(before);
	return 0;
}

static struct journal *open_it(void)
{
	char err[256];
	struct journal *j = journal_open(path, err, sizeof(err));

	assert_non_null(j);
	assert_string_equal(err, "");
	return j;
}

static void child(struct journal *j, enum ike_event_type type, enum ike_cause cause, int64_t at_s)
{
	struct ike_reason r = {.cause = cause, .text = "as the test says"};
	struct ike_event e = {.type = type,
			      .gateway = "G",
			      .tunnel = "T",
			      .proxy_id = "P",
			      .spi_in = 0xabc,
			      .spi_out = 0xdef,
			      .reason = cause == IKE_CAUSE_NONE ? NULL : &r};

	journal_ike_event(j, &e, (T0 + at_s) * MS);
}

static void failed(struct journal *j, enum ike_role role, enum ike_cause cause, int64_t at_s)
{
	struct ike_reason r = {.cause = cause, .text = "no luck"};
	struct ike_event e = {.type = IKE_EV_IKE_FAIL, .gateway = "G", .role = role, .reason = &r};

	journal_ike_event(j, &e, (T0 + at_s) * MS);
}

/* "kind kind*count ..." of the proxy-ID's history */
static const char *words(struct journal *j, const struct journal_query *q)
{
	static char buf[8192];
	const struct journal_entry **list;
	size_t n, at = 0;

	assert_int_equal(journal_collect(j, q, &list, &n), 0);
	buf[0] = 0;
	for (size_t i = 0; i < n && at < sizeof(buf); i++) {
		at += (size_t)snprintf(buf + at, sizeof(buf) - at, "%s%s", i ? " " : "",
				       journal_kind_str(list[i]->kind));
		if (list[i]->count > 1)
			at += (size_t)snprintf(buf + at, sizeof(buf) - at, "*%u", list[i]->count);
	}
	free(list);
	return buf;
}

static const struct journal_query one = {"G", "T", "P"};

static void test_ups_and_downs(void **state)
{
	struct journal *j = open_it();

	child(j, IKE_EV_CHILD_START, IKE_CAUSE_NONE, 0);
	child(j, IKE_EV_CHILD_UP, IKE_CAUSE_NONE, 1);
	for (int i = 0; i < 3; i++) { /* rekeys: the new one first */
		child(j, IKE_EV_CHILD_UP, IKE_CAUSE_NONE, 100 * i + 10);
		child(j, IKE_EV_CHILD_DOWN, IKE_CAUSE_REPLACED, 100 * i + 12);
	}
	child(j, IKE_EV_CHILD_DOWN, IKE_CAUSE_PEER_DELETED, 400);
	child(j, IKE_EV_CHILD_UP, IKE_CAUSE_NONE, 401);
	assert_string_equal(words(j, &one), "up rekey*3 down up");
	journal_close(j);
}

static void test_by_whom(void **state)
{
	struct journal *j = open_it();
	const struct journal_entry **list;
	size_t n;

	child(j, IKE_EV_CHILD_UP, IKE_CAUSE_NONE, 1);
	child(j, IKE_EV_CHILD_DOWN, IKE_CAUSE_PEER_DELETED, 2);
	assert_int_equal(journal_collect(j, &one, &list, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(list[1]->by, JOURNAL_PEER);
	assert_string_equal(list[1]->cause, "peer-deleted");
	assert_string_equal(list[1]->text, "as the test says");
	assert_string_equal(list[0]->text, "SPI 00000ABC/00000DEF");
	free(list);
	journal_close(j);
}

static void test_failures_are_counted_not_listed(void **state)
{
	struct journal *j = open_it();

	for (int i = 0; i < 1000; i++)
		failed(j, IKE_INITIATOR, IKE_CAUSE_NO_ANSWER, i * 60);
	failed(j, IKE_INITIATOR, IKE_CAUSE_AUTH_FAILED, 60000);
	assert_string_equal(words(j, &one), "ike-fail*1000 ike-fail");
	journal_close(j);
}

/* Whoever has not proved to be the peer can fill no more than his own place, and not the disk. */
static void test_strangers_displace_nothing(void **state)
{
	struct journal *j = open_it();
	struct stat st;
	const char *all;

	child(j, IKE_EV_CHILD_UP, IKE_CAUSE_NONE, 0);
	for (int i = 1; i < 5000; i++)
		failed(j, IKE_RESPONDER, i % 2 ? IKE_CAUSE_AUTH_FAILED : IKE_CAUSE_NO_ANSWER, i);
	child(j, IKE_EV_CHILD_DOWN, IKE_CAUSE_PEER_DELETED, 9000);
	all = words(j, &one);
	assert_int_equal(strncmp(all, "up ike-fail ", 12), 0);
	assert_string_equal(all + strlen(all) - 5, " down");
	assert_true(strlen(all) < 129 * 9 + 8);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size < 1000);
	journal_close(j);
}

static void test_bounded(void **state)
{
	struct journal *j = open_it();
	const char *all;

	for (int i = 0; i < 1000; i++) {
		child(j, IKE_EV_CHILD_UP, IKE_CAUSE_NONE, i * 10);
		child(j, IKE_EV_CHILD_DOWN, IKE_CAUSE_PEER_DELETED, i * 10 + 5);
	}
	all = words(j, &one);
	assert_int_equal(strlen(all), 64 * strlen("up down ") - 1);
	journal_close(j);
}

static void test_a_restart_remembers(void **state)
{
	struct journal *j = open_it();

	child(j, IKE_EV_CHILD_UP, IKE_CAUSE_NONE, 1);
	child(j, IKE_EV_CHILD_UP, IKE_CAUSE_NONE, 2);
	child(j, IKE_EV_CHILD_DOWN, IKE_CAUSE_REPLACED, 2);
	child(j, IKE_EV_CHILD_UP, IKE_CAUSE_NONE, 3);
	journal_close(j); /* as if killed: no word of it going down */
	j = open_it();
	journal_note(j, &(struct journal_entry){.kind = JOURNAL_START, .first = (T0 + 5) * MS});
	child(j, IKE_EV_CHILD_UP, IKE_CAUSE_NONE, 6);
	assert_string_equal(words(j, &one), "up rekey*2 start up");
	journal_close(j);
}

static void test_a_broken_file_is_read_as_far_as_it_is_sound(void **state)
{
	struct journal *j = open_it();
	FILE *f;

	child(j, IKE_EV_CHILD_UP, IKE_CAUSE_NONE, 1);
	journal_close(j);
	f = fopen(path, "a");
	assert_non_null(f);
	fputs("{\"ms\": 17640000", f); /* cut off by a crash */
	fputs("\n[1,2]\nnonsense\n{\"ms\":-1,\"event\":\"up\",\"by\":\"here\"}\n", f);
	fputs("{\"ms\":1764000002000,\"event\":\"gone\",\"by\":\"here\"}\n", f);
	fputs("{\"ms\":1764000003000,\"event\":\"down\",\"by\":\"peer\",\"gateway\":\"G\",\"tunnel\":\"T\","
	      "\"proxy-id\":\"P\"}\n",
	      f);
	fclose(f);
	j = open_it();
	assert_string_equal(words(j, &one), "up down");
	journal_close(j);
}

static void test_a_large_file_becomes_the_one_before(void **state)
{
	struct journal *j = open_it();
	struct stat st;

	for (int i = 0; i < 30000; i++) {
		child(j, IKE_EV_CHILD_UP, IKE_CAUSE_NONE, i);
		child(j, IKE_EV_CHILD_DOWN, IKE_CAUSE_PEER_DELETED, i);
	}
	journal_close(j);
	assert_int_equal(stat(before, &st), 0);
	assert_true(st.st_size < 5 << 20);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size < 5 << 20);
	j = open_it();
	assert_int_equal(strlen(words(j, &one)), 64 * strlen("up down ") - 1);
	journal_close(j);
}

static void test_two_daemons_do_not_share_a_file(void **state)
{
	struct journal *j = open_it(), *second;
	char err[256];

	second = journal_open(path, err, sizeof(err));
	assert_non_null(second);
	assert_non_null(strstr(err, "another culvertd uses it"));
	child(second, IKE_EV_CHILD_UP, IKE_CAUSE_NONE, 1);
	assert_string_equal(words(second, &one), "up");
	assert_string_equal(words(j, &one), "");
	journal_close(second);
	second = journal_open("/nonexistent/dir/journal", err, sizeof(err));
	assert_non_null(second);
	assert_non_null(strstr(err, "history is kept in memory only"));
	journal_close(second);
	journal_close(j);
}

static void test_queries(void **state)
{
	struct journal *j = open_it();
	struct journal_query gateway = {"G", NULL, NULL}, tunnel = {"T", "U", NULL}, other = {"H", "T", "P"};

	child(j, IKE_EV_CHILD_UP, IKE_CAUSE_NONE, 1);
	failed(j, IKE_INITIATOR, IKE_CAUSE_NO_ANSWER, 2);
	journal_note(j, &(struct journal_entry){.kind = JOURNAL_MONITOR_DOWN,
						.first = (T0 + 3) * MS,
						.gateway = "G",
						.tunnel = "T"});
	journal_note(j, &(struct journal_entry){.kind = JOURNAL_COMMIT, .first = (T0 + 4) * MS});
	assert_string_equal(words(j, &one), "up ike-fail monitor-down commit");
	assert_string_equal(words(j, &gateway), "up ike-fail monitor-down commit");
	assert_string_equal(words(j, &tunnel), "commit");
	assert_string_equal(words(j, &other), "commit");
	journal_close(j);
}

/* ---- flaps --------------------------------------------------------------------------------------- */

static const struct flap_periods periods = {.child_lifetime = 3600, .ike_lifetime = 28800, .dpd = 40};

static void flaps_of(struct journal *j, int64_t now_s, struct flaps *f)
{
	const struct journal_entry **list;
	size_t n;

	assert_int_equal(journal_collect(j, &one, &list, &n), 0);
	flaps_find(list, n, &periods, (T0 + now_s) * MS, f);
	free(list);
}

static void flap(struct journal *j, int64_t at_s, enum ike_cause cause)
{
	child(j, IKE_EV_CHILD_DOWN, cause, at_s);
	child(j, IKE_EV_CHILD_UP, IKE_CAUSE_NONE, at_s + 60);
}

static void test_flaps_on_schedule(void **state)
{
	struct journal *j = open_it();
	struct flaps f;

	child(j, IKE_EV_CHILD_UP, IKE_CAUSE_NONE, 0);
	for (int i = 1; i <= 4; i++)
		flap(j, i * 3600 + i, IKE_CAUSE_PEER_DELETED);
	flaps_of(j, 20000, &f);
	assert_int_equal(f.outages, 4);
	assert_false(f.down);
	assert_int_equal(f.down_ms, 4 * 60 * MS);
	assert_true(f.regular);
	assert_int_equal(f.period, 3601);
	assert_string_equal(f.equals, "the Child SA lifetime here, 3600 s");
	journal_close(j);
}

static void test_flaps_without_schedule(void **state)
{
	struct journal *j = open_it();
	struct flaps f;

	child(j, IKE_EV_CHILD_UP, IKE_CAUSE_NONE, 0);
	flap(j, 500, IKE_CAUSE_PEER_DELETED);
	flap(j, 4000, IKE_CAUSE_PEER_DELETED);
	flap(j, 4700, IKE_CAUSE_PEER_DELETED);
	child(j, IKE_EV_CHILD_DOWN, IKE_CAUSE_PEER_DELETED, 9000);
	flaps_of(j, 9010, &f);
	assert_int_equal(f.outages, 4);
	assert_true(f.down);
	assert_int_equal(f.down_ms, (3 * 60 + 10) * MS);
	assert_false(f.regular);
	assert_string_equal(f.equals, "");
	journal_close(j);
}

static void test_periods_and_what_they_equal(void **state)
{
	static const struct {
		int period;
		const char *equals;
	} cases[] = {
		{3060, "80 to 90 % of the Child SA lifetime here, 3600 s: the time of its rekeys"},
		{28800, "the IKE SA lifetime here, 28800 s"},
		{40, "the 40 s after which a silent peer is declared dead here"},
		{300, "a usual UDP time-out of NAT devices and firewalls, 300 s"},
		{86400, "the IKE SA lifetime that IOS has by default, 86400 s"},
		{1000, ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct journal *j;
		struct flaps f;

		begin(state);
		j = open_it();
		child(j, IKE_EV_CHILD_UP, IKE_CAUSE_NONE, 0);
		for (int k = 1; k <= 4; k++) {
			child(j, IKE_EV_CHILD_DOWN, IKE_CAUSE_PEER_DELETED, k * cases[i].period);
			child(j, IKE_EV_CHILD_UP, IKE_CAUSE_NONE, k * cases[i].period + 1);
		}
		flaps_of(j, 5 * cases[i].period, &f);
		assert_true(f.regular);
		assert_string_equal(f.equals, cases[i].equals);
		journal_close(j);
	}
}

/* No lifetime makes a peer silent, whatever the period equals. */
static void test_flaps_with_a_cause(void **state)
{
	struct journal *j = open_it();
	struct flaps f;

	child(j, IKE_EV_CHILD_UP, IKE_CAUSE_NONE, 0);
	for (int i = 1; i <= 4; i++)
		flap(j, i * 3600, IKE_CAUSE_DPD);
	flaps_of(j, 20000, &f);
	assert_true(f.regular);
	assert_int_equal(f.cause, FLAPS_PEER_SILENT);
	assert_string_equal(f.equals, "");
	assert_true(f.lasts);
	flaps_of(j, 4 * 3600 + 7201, &f);
	assert_false(f.lasts);
	flap(j, 5 * 3600, IKE_CAUSE_PEER_DELETED);
	flaps_of(j, 20000, &f);
	assert_int_equal(f.cause, FLAPS_UNTOLD);
	assert_string_equal(f.equals, "the Child SA lifetime here, 3600 s");
	journal_close(j);
}

/* An operator who clears a tunnel every hour is no schedule, and a restart is an outage without a word before. */
static void test_what_is_no_flap(void **state)
{
	struct journal *j = open_it();
	struct flaps f;

	child(j, IKE_EV_CHILD_UP, IKE_CAUSE_NONE, 0);
	for (int i = 1; i <= 3; i++)
		flap(j, i * 3600, IKE_CAUSE_OPERATOR);
	journal_note(j, &(struct journal_entry){.kind = JOURNAL_START, .first = (T0 + 20000) * MS});
	flaps_of(j, 20010, &f);
	assert_int_equal(f.outages, 4);
	assert_int_equal(f.period, 0);
	assert_false(f.regular);
	/* Nobody has asked for it since the restart: it is idle.  Once an attempt has failed, it is down. */
	assert_false(f.down);
	assert_int_equal(f.down_ms, 3 * 60 * MS);
	child(j, IKE_EV_CHILD_FAIL, IKE_CAUSE_NO_PROPOSAL, 20005);
	flaps_of(j, 20010, &f);
	assert_true(f.down);
	assert_int_equal(f.down_ms, (3 * 60 + 10) * MS);
	journal_close(j);
}

static void test_a_monitor_tells_outages_that_keys_do_not(void **state)
{
	struct journal *j = open_it();
	struct journal_entry e = {
		.kind = JOURNAL_MONITOR_DOWN, .gateway = "G", .tunnel = "T", .by = JOURNAL_LIVENESS};
	struct flaps f;

	child(j, IKE_EV_CHILD_UP, IKE_CAUSE_NONE, 0);
	e.first = (T0 + 100) * MS;
	journal_note(j, &e);
	e.kind = JOURNAL_MONITOR_UP;
	e.first = (T0 + 130) * MS;
	journal_note(j, &e);
	flaps_of(j, 200, &f);
	assert_int_equal(f.outages, 1);
	assert_false(f.down);
	assert_int_equal(f.down_ms, 30 * MS);
	journal_close(j);
}

#define T(f) cmocka_unit_test_setup(f, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_ups_and_downs),
		T(test_by_whom),
		T(test_failures_are_counted_not_listed),
		T(test_strangers_displace_nothing),
		T(test_bounded),
		T(test_a_restart_remembers),
		T(test_a_broken_file_is_read_as_far_as_it_is_sound),
		T(test_a_large_file_becomes_the_one_before),
		T(test_two_daemons_do_not_share_a_file),
		T(test_queries),
		T(test_flaps_on_schedule),
		T(test_flaps_without_schedule),
		T(test_periods_and_what_they_equal),
		T(test_flaps_with_a_cause),
		T(test_what_is_no_flap),
		T(test_a_monitor_tells_outages_that_keys_do_not),
	};
	int rc;

	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/journal", dir);
	snprintf(before, sizeof(before), "%s/journal.1", dir);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	begin(NULL);
	rmdir(dir);
	return rc;
}
