/* SPDX-License-Identifier: Apache-2.0 */
/* The system log: what each of the engine's events is told as, and what strangers cannot do to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "log_limit.h"
#include "text.h"

const char *ike_cause_str(enum ike_cause c)
{
	return c == IKE_CAUSE_AUTH_FAILED ? "auth-failed" : c == IKE_CAUSE_EXPIRED ? "expired" : "other";
}

static char dir[] = "/tmp/culvert-test-log-XXXXXX";
static char path[64];
static char text[1 << 20];

/* What was logged since the log was opened, without the time in front of each line. */
static const char *logged(void)
{
	FILE *f = fopen(path, "r");
	char line[4096];
	size_t n = 0;

	assert_non_null(f);
	text[0] = 0;
	while (fgets(line, sizeof(line), f)) {
		/* "2026/11/24 04:15:03 " */
		assert_true(strlen(line) > 20 && line[4] == '/' && line[10] == ' ' && line[16] == ':' &&
			    line[19] == ' ');
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", line + 20);
	}
	fclose(f);
	return text;
}

static int begin(void **state)
{
	unlink(path);
	return log_open(path);
}

static int end(void **state)
{
	log_close();
	return unlink(path);
}

static struct ike_event event(enum ike_event_type type)
{
	struct ike_event e = {
		.type = type,
		.gateway = "GW-A",
		.spi_i = 0x1122334455667788,
		.spi_r = 0x99aabbccddeeff00,
		.serial = 67,
		.spi_in = 0xFCAEE176,
		.spi_out = 0x1EF41BA9,
		.lifetime_s = 28800,
		.tunnel = "TUN",
		.proxy_id = "P1",
	};

	addr_parse("198.51.100.20", &e.local.a);
	addr_parse("203.0.113.10", &e.remote.a);
	e.local.port = e.remote.port = 500;
	return e;
}

#define PAIR "198.51.100.20[500]-203.0.113.10[500]"
#define SPIS "1122334455667788:99aabbccddeeff00 SN:67"

static void test_ike_events(void **state)
{
	struct ike_reason why = {.cause = IKE_CAUSE_AUTH_FAILED,
				 .text = "peer's proof does not verify.",
				 .ours = "psk",
				 .theirs = "other psk",
				 .hint = "compare keys"};
	struct ike_event e = event(IKE_EV_IKE_START);

	log_ike_event(&e);
	e.type = IKE_EV_IKE_UP;
	e.rekey = true;
	log_ike_event(&e);
	e.type = IKE_EV_IKE_FAIL;
	e.reason = &why;
	e.rekey = false;
	log_ike_event(&e);
	assert_string_equal(
		logged(),
		"informational vpn ikev2-nego-ike-start GW-A IKEv2 IKE SA negotiation is started as initiator, non-rekey. "
		"Initiated SA: " PAIR " SPI:" SPIS "\n"
		"informational vpn ikev2-nego-ike-succ GW-A IKEv2 IKE SA negotiation is succeeded as initiator, rekey. "
		"Established SA: " PAIR " SPI:" SPIS " lifetime 28800 Sec.\n"
		"medium vpn ikev2-nego-ike-fail GW-A IKEv2 IKE SA negotiation is failed as initiator, non-rekey. "
		"Failed SA: " PAIR " SPI:" SPIS
		" Due to auth-failed: peer's proof does not verify. Ours: psk. "
		"Theirs: other psk. Hint: compare keys\n");
}

static void test_child_events(void **state)
{
	struct ike_reason why = {.cause = IKE_CAUSE_EXPIRED, .text = "hard lifetime."};
	struct ike_event e = event(IKE_EV_CHILD_START);

	e.role = IKE_RESPONDER;
	log_ike_event(&e);
	e.type = IKE_EV_CHILD_UP;
	log_ike_event(&e);
	e.type = IKE_EV_CHILD_DOWN;
	e.reason = &why;
	log_ike_event(&e);
	assert_string_equal(
		logged(),
		"informational vpn ikev2-nego-child-start TUN:P1 IKEv2 child SA negotiation is started as responder, "
		"non-rekey. Initiated SA: " PAIR " SPI:0xFCAEE176/0x1EF41BA9 parent SN:67.\n"
		"informational vpn ikev2-nego-child-succ TUN:P1 IKEv2 child SA negotiation is succeeded as responder, "
		"non-rekey. Established SA: " PAIR " SPI:0xFCAEE176/0x1EF41BA9 parent SN:67.\n"
		"informational vpn ipsec-key-install TUN:P1 IPSec key installed. Installed SA: " PAIR
		" SPI:0xFCAEE176/0x1EF41BA9 lifetime 28800 Sec.\n"
		"informational vpn tunnel-status-up TUN:P1 Tunnel TUN:P1 is up\n"
		"informational vpn ipsec-key-expire TUN:P1 IPSec key lifetime expired. Expired SA: " PAIR
		" SPI:0xFCAEE176/0x1EF41BA9 Due to expired: hard lifetime.\n"
		"critical vpn tunnel-status-down TUN:P1 Tunnel TUN:P1 is down\n");
}

static unsigned count(const char *in, const char *what)
{
	unsigned n = 0;

	for (; (in = strstr(in, what)); in++)
		n++;
	return n;
}

/* A tunnel goes down with its last SA, not with one that was rekeyed. */
static void test_tunnel_status(void **state)
{
	struct ike_reason replaced = {.cause = IKE_CAUSE_REPLACED};
	struct ike_event up = event(IKE_EV_CHILD_UP), down = event(IKE_EV_CHILD_DOWN);

	down.reason = &replaced;
	log_ike_event(&up);
	up.rekey = true;
	log_ike_event(&up);
	log_ike_event(&down);
	assert_int_equal(count(logged(), "tunnel-status-up"), 1);
	assert_int_equal(count(logged(), "tunnel-status-down"), 0);
	log_ike_event(&down);
	assert_int_equal(count(logged(), "tunnel-status-down"), 1);
	log_ike_event(&down); /* of an SA nobody announced */
	assert_int_equal(count(logged(), "tunnel-status-down"), 1);
}

static void test_deletes(void **state)
{
	struct ike_reason peer = {.cause = IKE_CAUSE_PEER_DELETED}, op = {.cause = IKE_CAUSE_OPERATOR};
	struct ike_event e = event(IKE_EV_IKE_DOWN);

	e.reason = &peer;
	log_ike_event(&e);
	e.reason = &op;
	log_ike_event(&e);
	e.type = IKE_EV_CHILD_DOWN;
	e.reason = &peer;
	log_ike_event(&e);
	e.reason = NULL;
	e.type = IKE_EV_PEER_DEAD;
	log_ike_event(&e);
	e.type = IKE_EV_PEER_MOVED;
	log_ike_event(&e);
	assert_int_equal(count(logged(), " ikev2-recv-p1-delete GW-A "), 1);
	assert_int_equal(count(logged(), " ikev2-send-p1-delete GW-A "), 1);
	assert_int_equal(count(logged(), " ikev2-recv-p2-delete TUN:P1 "), 1);
	assert_int_equal(count(logged(), "high vpn ikev2-nego-ike-dpd-dn GW-A "), 1);
	assert_int_equal(count(logged(), " ikev2-peer-moved GW-A "), 1);
}

/* A peer's bytes cannot make a line, nor talk to a terminal. */
static void test_hostile_text(void **state)
{
	struct ike_event e = event(IKE_EV_DEBUG);

	e.text = "id \"a\n2026/01/01 00:00:00 critical vpn forged\x1b[2J\"";
	log_ike_event(&e);
	assert_string_equal(logged(),
			    "debug vpn ikev2-debug GW-A id \"a\\x0a2026/01/01 00:00:00 critical vpn "
			    "forged\\x1b[2J\"\n");
}

static void test_unknown_peers_are_limited(void **state)
{
	struct ike_event e = event(IKE_EV_UNKNOWN_PEER);

	e.gateway = "";
	for (int i = 0; i < 1000; i++)
		log_ike_event(&e);
	assert_int_equal(count(logged(), "ikev2-nego-fail-common"), 1);
	assert_non_null(strstr(
		logged(), "medium vpn ikev2-nego-fail-common - IKEv2 negotiation is failed. Couldn't find "
			  "configuration for IKEv2 request for peer IP 203.0.113.10[500].\n"));
	for (uint32_t i = 0; i < 5000; i++) { /* from as many addresses as one likes to forge */
		memcpy(e.remote.a.b, &i, 4);
		log_ike_event(&e);
	}
	assert_true(count(logged(), "ikev2-nego-fail-common") <= LOG_LIMIT_BURST + 60 * LOG_LIMIT_RATE);
	/* Our own tries are never limited. */
	e = event(IKE_EV_IKE_START);
	for (int i = 0; i < 100; i++)
		log_ike_event(&e);
	assert_int_equal(count(logged(), "ikev2-nego-ike-start"), 100);
}

static void test_limiter(void **state)
{
	struct log_limit l = {0};
	uint64_t suppressed = 7, passed = 0, told = 0;

	assert_true(log_limit_pass(&l, 1, 1000, &suppressed));
	assert_int_equal(suppressed, 0);
	for (int i = 0; i < 9; i++)
		assert_false(log_limit_pass(&l, 1, 1059, &suppressed));
	assert_true(log_limit_pass(&l, 1, 1060, &suppressed));
	assert_int_equal(suppressed, 9);
	/* A flood of different ones: the rate, and every one not told is counted. */
	for (uint64_t i = 0; i < 100000; i++) {
		if (log_limit_pass(&l, 2 + i, 2000 + i / 1000, &suppressed)) {
			passed++;
			told += suppressed;
		}
	}
	assert_true(passed >= 99 * LOG_LIMIT_RATE && passed <= LOG_LIMIT_BURST + 100 * LOG_LIMIT_RATE);
	assert_int_equal(passed + told + l.suppressed, 100000);
}

static void test_files(void **state)
{
	struct stat st;

	log_event(LOG_SEV_HIGH, "general", "obj", "%s %d", "words", 5);
	assert_string_equal(logged(), "high vpn general obj words 5\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0137, 0);
	assert_int_equal(log_open("/nowhere/at/all"), -ENOENT);
	log_event(LOG_SEV_HIGH, "general", "obj", "still the old file");
	assert_non_null(strstr(logged(), "still the old file"));
	assert_int_equal(log_open(path), 0); /* appends */
	log_event(LOG_SEV_HIGH, "general", NULL, "third");
	assert_non_null(strstr(logged(), "words 5\n"));
	assert_non_null(strstr(logged(), "high vpn general - third\n"));
}

static void test_clean(void **state)
{
	static const struct {
		const char *from, *to;
	} cases[] = {
		{"plain", "plain"},
		{"", ""},
		{"a\tb\r\n", "a\\x09b\\x0d\\x0a"},
		{"back\\slash", "back\\\\slash"},
		{"z\xc3\xbcrich \xe2\x86\x92 \xf0\x9f\x98\x80",
		 "z\xc3\xbcrich \xe2\x86\x92 \xf0\x9f\x98\x80"},
		{"\xff\xfe", "\\xff\\xfe"},
		{"\xc3", "\\xc3"},
		{"\xc0\x80", "\\xc0\\x80"},                   /* overlong */
		{"\xed\xa0\x80", "\\xed\\xa0\\x80"},          /* surrogate */
		{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, /* beyond Unicode */
		{"\xc2\x9b", "\\xc2\\x9b"},                   /* C1: a terminal's CSI */
		{"\xe2\x80\xae", "\\xe2\\x80\\xae"},          /* right-to-left override */
	};
	char buf[64], tiny[6];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		text_clean(buf, sizeof(buf), cases[i].from, strlen(cases[i].from));
		assert_string_equal(buf, cases[i].to);
	}
	assert_int_equal(text_clean(tiny, sizeof(tiny), "abc\n", 4), 3); /* an escape is not cut */
	assert_string_equal(tiny, "abc");
	assert_int_equal(text_clean(tiny, 1, "abc", 3), 0);
	assert_int_equal(text_clean(tiny, sizeof(tiny), "a\0b", 3), 5);
}

static int set_up(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/log", dir);
	return 0;
}

static int tear_down(void **state)
{
	return rmdir(dir);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_ike_events), T(test_child_events),           T(test_tunnel_status),
		T(test_deletes),    T(test_hostile_text),           T(test_unknown_peers_are_limited),
		T(test_files),      cmocka_unit_test(test_limiter), cmocka_unit_test(test_clean),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
