/* SPDX-License-Identifier: Apache-2.0 */
/* diagnose vpn's trees: from facts to the verdict, one case for each branch.  That the facts themselves are true is
 * shown against a real peer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "diag.h"
#include "knowledge.h"
#include "wire.h"

const char *ike_cause_str(enum ike_cause c)
{
	return c == IKE_CAUSE_PEER_DELETED ? "peer-deleted" : "other";
}

static struct diag_facts f;
static struct ike_reason why;
static struct diag_report r;

/* A tunnel that is well, with traffic both ways. */
static int begin(void **state)
{
	f = (struct diag_facts){
		.gateway = "G",
		.tunnel_if = "tunnel.1",
		.outer_if = "ethernet1/1",
		.remote_net = "10.2.0.0/16",
		.peer = "203.0.113.10",
		.port_up = true,
		.peer_route = true,
		.half_open_max = 2000,
		.ike_up = true,
		.child_up = true,
		.sa_age_s = 100,
		.traffic = TRAFFIC_BOTH,
		.encap = 1000,
		.decap = 1000,
		.window = 1024,
		.traced = true,
		.routed_in = true,
		.mtu = 1400,
		.tunnel = "T",
	};
	why = (struct ike_reason){.text = "the text", .hint = "the hint", .exchange = IKE_AUTH};
	return 0;
}

static void failed(enum ike_cause cause, uint8_t exchange)
{
	why.cause = cause;
	why.exchange = exchange;
	f.child_up = f.ike_up = false;
	f.ike_failure = &why;
}

static void child_failed(enum ike_cause cause)
{
	why.cause = cause;
	f.child_up = false;
	f.child_failure = &why;
}

static const char *state_of(const char *name)
{
	for (unsigned i = 0; i < r.n; i++)
		if (strcmp(r.step[i].name, name) == 0)
			return diag_state_str(r.step[i].state);
	return "";
}

static void expect(const char *tree, const char *verdict)
{
	struct diag_report again;

	diagnose(&f, &r);
	assert_string_equal(r.tree, tree);
	assert_string_equal(r.verdict, verdict);
	if (strcmp(verdict, "healthy") != 0 &&
	    strcmp(verdict, "peer-deleted") != 0) /* which needs no explanation */
		assert_non_null(knowledge_find(verdict, false));
	assert_true(r.cause[0] != 0);
	assert_true(strcmp(verdict, "healthy") == 0 || r.fix[0] != 0);
	diagnose(&f, &again);
	assert_memory_equal(&r, &again, sizeof(r)); /* same state, same answer */
}

static void test_well(void **state)
{
	expect("up", "healthy");
	for (unsigned i = 0; i < r.n; i++)
		assert_int_equal(r.step[i].state, DIAG_OK);
}

static void test_no_way_to_the_peer(void **state)
{
	failed(IKE_CAUSE_NO_ANSWER, IKE_SA_INIT);
	f.port_up = false;
	expect("tunnel down", "port-down");
	f.port_up = true;
	f.peer_route = false;
	expect("tunnel down", "no-route-to-peer");
	assert_string_equal(r.fix, "add a route to 203.0.113.10, or a default route, out of ethernet1/1");
}

static void test_phase_1(void **state)
{
	static const struct {
		enum ike_cause cause;
		uint8_t exchange;
		const char *verdict, *bad;
	} cases[] = {
		{IKE_CAUSE_NO_ANSWER, IKE_SA_INIT, "no-answer", "UDP 500 and 4500"},
		{IKE_CAUSE_NO_ANSWER, IKE_AUTH, "no-answer-4500", "UDP 500 and 4500"},
		{IKE_CAUSE_DPD, INFORMATIONAL, "peer-dead", "UDP 500 and 4500"},
		{IKE_CAUSE_VERSION, IKE_SA_INIT, "version-mismatch", "IKE version"},
		{IKE_CAUSE_AUTH_FAILED, IKE_AUTH, "auth-failed", "pre-shared key, identity"},
		{IKE_CAUSE_ID_MISMATCH, IKE_AUTH, "identity-mismatch", "pre-shared key, identity"},
		{IKE_CAUSE_NO_PROPOSAL, IKE_SA_INIT, "no-proposal", "IKE crypto profile"},
		{IKE_CAUSE_INVALID_KE, IKE_SA_INIT, "dh-group-mismatch", "IKE crypto profile"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned bad = 0;

		begin(state);
		failed(cases[i].cause, cases[i].exchange);
		expect("tunnel down", cases[i].verdict);
		assert_string_equal(state_of(cases[i].bad), "bad");
		for (unsigned k = 0; k < r.n; k++)
			bad += r.step[k].state == DIAG_BAD;
		assert_int_equal(bad, 1);
	}
	failed(IKE_CAUSE_PEER_DELETED, INFORMATIONAL); /* no branch of its own: the record speaks */
	expect("tunnel down", "peer-deleted");
	assert_string_equal(r.cause, "the text");
	assert_string_equal(r.fix, "the hint");
}

/* The peer says no more than that it refuses, if that: our own certificate's date is known here. */
static void test_our_own_certificate(void **state)
{
	strcpy(f.own_cert_told,
	       "CN=hq is valid until 2026-11-25 10:00:00, and the clock here says 2026-11-28 10:00:00");
	f.certified = true;
	f.own_cert = OWN_CERT_EXPIRED;
	expect("up", "healthy"); /* for as long as its IKE SA lasts */
	assert_string_equal(state_of("own certificate"), "bad");
	failed(IKE_CAUSE_AUTH_FAILED, IKE_AUTH);
	expect("tunnel down", "own-cert-expired");
	assert_non_null(strstr(r.cause, "CN=hq is valid until 2026-11-25"));
	assert_non_null(strstr(r.fix, "renew"));
	failed(IKE_CAUSE_NO_ANSWER, IKE_AUTH);
	expect("tunnel down", "own-cert-expired");
	failed(IKE_CAUSE_NO_ANSWER, IKE_SA_INIT);
	expect("tunnel down", "no-answer");
	f.ike_failure = NULL;
	f.passive = true;
	expect("tunnel down", "own-cert-expired");
	assert_false(r.ask_peer);
	f.own_cert = OWN_CERT_NOT_YET;
	expect("tunnel down", "own-cert-not-yet-valid");
	assert_non_null(strstr(r.fix, "NTP"));
}

static void test_phase_1_not_tried(void **state)
{
	f.child_up = f.ike_up = false;
	expect("tunnel down", "not-asked");
	f.in_line = true;
	f.starts = f.starts_max = 256;
	f.line = 700;
	expect("tunnel down", "waits-its-turn");
	assert_non_null(strstr(r.fix, "test vpn ike-sa gateway"));
	f.in_line = false;
	f.ike_trying = true;
	expect("tunnel down", "negotiating");
	f.resent = 3; /* it takes a minute to fail: what it will fail for is told before */
	expect("tunnel down", "no-answer");
	f.auth_sent = true;
	expect("tunnel down", "no-answer-4500");
	f.resent = 0;
	f.ike_trying = false;
	f.passive = true;
	expect("tunnel down", "waits-for-peer");
	f.passive = false;
	f.peer[0] = 0;
	f.peer_route = false;
	expect("tunnel down", "waits-for-peer");
}

static void test_phase_1_only(void **state)
{
	f.child_up = false;
	expect("phase 1 only", "child-not-asked");
	f.negotiating = true;
	expect("phase 1 only", "negotiating");
	child_failed(IKE_CAUSE_TS_UNACCEPTABLE);
	expect("phase 1 only", "proxy-id-mismatch");
	child_failed(IKE_CAUSE_NO_PROPOSAL);
	why.reported_by_peer = true;
	expect("phase 1 only", "ipsec-no-proposal");
	assert_true(r.ask_peer);
	child_failed(IKE_CAUSE_INVALID_KE);
	expect("phase 1 only", "pfs-mismatch");
	child_failed(IKE_CAUSE_PEER_DELETED);
	expect("phase 1 only", "peer-deleted");
}

static void test_no_traffic(void **state)
{
	f.traffic = TRAFFIC_NONE;
	f.encap = f.decap = 0;
	expect("no traffic", "no-packets");
	f.routed_in = false;
	expect("no traffic", "no-route-into-tunnel");
	assert_string_equal(r.fix, "add a route: destination 10.2.0.0/16, interface tunnel.1");
	f.routed_in = true;
	strcpy(f.routed_part, "10.2.3.0/24"); /* less than the proxy-ID, which is no fault */
	expect("no traffic", "no-packets");
	assert_string_equal(state_of("route into tunnel"), "note");
}

/* A rule that denies the one packet that was asked for is the cause where nothing else could be; else it may be there
 * for that packet. */
static void test_rules(void **state)
{
	static const struct {
		enum proxy_traffic traffic;
		bool into, others;
		const char *tree, *verdict, *step;
	} cases[] = {
		{TRAFFIC_NONE, true, false, "no traffic", "rule-denies", "bad"},
		{TRAFFIC_NONE, true, true, "no traffic", "no-packets", "note"},
		{TRAFFIC_IN_ONLY, true, false, "one way", "rule-denies", "bad"},
		{TRAFFIC_IN_ONLY, true, true, "one way", "rule-denies", "bad"},
		{TRAFFIC_IN_ONLY, false, false, "one way", "rule-denies", "bad"},
		{TRAFFIC_OUT_ONLY, true, true, "one way", "one-way-out", "note"},
		{TRAFFIC_OUT_ONLY, false, false, "one way", "one-way-out", "note"},
		{TRAFFIC_BOTH, true, false, "up", "rule-denies", "bad"},
		{TRAFFIC_BOTH, false, false, "up", "rule-denies",
		 "bad"}, /* answers are decrypted, and then denied */
		{TRAFFIC_BOTH, false, true, "up", "healthy", "note"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(state);
		f.traffic = cases[i].traffic;
		f.ruled_out = cases[i].into;
		f.back_ruled_out = !cases[i].into;
		f.others_allowed = cases[i].others;
		strcpy(f.denied, "10.1.0.2 to 10.2.0.1");
		expect(cases[i].tree, cases[i].verdict);
		assert_string_equal(state_of("security rules"), cases[i].step);
	}
}

static void test_one_way(void **state)
{
	f.traffic = TRAFFIC_OUT_ONLY;
	f.decap = 0;
	f.one_way_s = 30;
	expect("one way", "one-way-out");
	assert_non_null(strstr(r.fix, "ESP, IP protocol 50"));
	f.udp_encap = true;
	expect("one way", "one-way-out");
	assert_non_null(strstr(r.fix, "UDP 4500"));
	f.dpd_off = true;
	f.heard_ago_s = 29; /* by IKE, since nothing comes back */
	expect("one way", "one-way-out");
	assert_null(strstr(r.fix, "dpd"));
	f.heard_ago_s = 40;
	expect("one way", "one-way-out");
	assert_non_null(strstr(r.fix, "clear vpn ike-sa gateway G"));
	f.port_up = false;
	expect("one way", "port-down");
	f.port_up = true;
	f.auth_errors = 5;
	expect("one way", "inbound-refused");
	begin(state);
	f.traffic = TRAFFIC_IN_ONLY;
	f.encap = 0;
	expect("one way", "one-way-in");
	f.back_ruled_out = true;
	expect("one way", "rule-denies");
}

static void test_not_well(void **state)
{
	f.monitored = true;
	expect("up", "monitor-down");
	f.monitor_up = true;
	expect("up", "healthy");
	f.replays = 5;
	f.window_needed = 4096;
	expect("up", "replay-window");
	assert_string_equal(state_of("anti-replay"), "bad");
	assert_non_null(strstr(r.fix, "anti-replay-window = 4096"));
	f.replays = 0;
	f.busy_percent = 99;
	expect("up", "busy");
	f.busy_percent = 0;
	f.flaps = (struct flaps){
		.outages = 5, .period = 3600, .min = 3599, .max = 3601, .regular = true, .lasts = true};
	strcpy(f.flaps.equals, "the Child SA lifetime here, 3600 s");
	expect("up", "flapping");
	assert_non_null(strstr(r.cause, "on schedule, every 3600 s: that is the Child SA lifetime here"));
	f.flaps.regular = false;
	f.flaps.equals[0] = 0;
	expect("up", "flapping");
	assert_non_null(strstr(r.fix, "no schedule"));
	f.flaps.outages = 2;
	expect("up", "healthy");
}

static void test_flapping_by_its_recorded_cause(void **state)
{
	f.flaps = (struct flaps){
		.outages = 4, .period = 12, .min = 12, .max = 13, .regular = true, .lasts = true};
	f.traffic = TRAFFIC_NONE;
	f.encap = f.decap = 0;
	expect("no traffic", "flapping");
	assert_non_null(strstr(r.fix, "lifetimes"));
	f.flaps.cause = FLAPS_PEER_SILENT;
	expect("no traffic", "flapping");
	assert_string_equal(state_of("history"), "bad");
	assert_non_null(strstr(r.cause, "on schedule, every 12 s, each because the peer was silent"));
	assert_non_null(strstr(r.fix, "restarts, its link and its CPU"));
	assert_null(strstr(r.fix, "lifetimes"));
	f.unanswered = 3; /* it is silent again */
	expect("no traffic", "flapping");
	f.unanswered = 0;
	f.flaps.cause = FLAPS_MONITOR;
	expect("no traffic", "flapping");
	assert_non_null(strstr(r.fix, "monitored destination"));
	f.flaps.cause = FLAPS_UNTOLD;
	f.traffic = TRAFFIC_OUT_ONLY; /* that lasts, and may be the cause */
	expect("one way", "one-way-out");
	assert_string_equal(state_of("history"), "bad");
	f.flaps.cause = FLAPS_PEER_SILENT;
	expect("one way", "flapping");
	f.traffic = TRAFFIC_NONE;
	f.flaps.lasts = false; /* long ago */
	expect("no traffic", "no-packets");
	assert_string_equal(state_of("history"), "note");
}

static void test_a_silent_peer(void **state)
{
	f.traffic = TRAFFIC_OUT_ONLY;
	f.decap = 0;
	f.unanswered = 1; /* a packet may be lost */
	expect("one way", "one-way-out");
	f.unanswered = 3;
	f.heard_ago_s = 20;
	expect("one way", "peer-silent");
	assert_string_equal(state_of("IKE SA"), "bad");
	begin(state);
	f.monitored = true; /* fail-over: its route is another one now */
	f.routed_in = false;
	expect("up", "monitor-down");
}

static void test_the_next_rekey(void **state)
{
	f.pfs = true;
	f.rekey_in_s = 3000;
	strcpy(f.rekey_at, "14:05");
	strcpy(f.expires_at, "14:10");
	expect("up", "healthy");
	assert_string_equal(state_of("rekey"), "note");
	f.sa_pfs = true;
	expect("up", "healthy");
	assert_string_equal(state_of("rekey"), "ok");
	f.expires_in_s = 300;
	f.child_failure = &why;
	why.cause = IKE_CAUSE_INVALID_KE;
	expect("up", "pfs-mismatch");
	assert_string_equal(r.cause,
			    "new keys are refused: the text; at 14:10, in 300 s, the tunnel goes down");
	why.cause = IKE_CAUSE_TS_UNACCEPTABLE;
	expect("up", "rekey-fails");
	assert_string_equal(r.fix, "the hint");
	why.cause = IKE_CAUSE_NO_PROPOSAL; /* the peer may have no PFS at all */
	f.sa_pfs = false;
	expect("up", "pfs-mismatch");
	f.pfs = false; /* nor have we: the peer has it */
	expect("up", "pfs-mismatch");
	why.n_diff = 2;
	why.diff[0] = (struct ike_diff){.what = "encryption", .same = true};
	why.diff[1] = (struct ike_diff){.what = "dh-group (PFS)"};
	expect("up", "pfs-mismatch");
	why.diff[0].same = false;
	expect("up", "rekey-fails");
	f.child_failure = NULL;
	f.pfs_before = &why; /* which says nothing of PFS either */
	expect("up", "healthy");
	why.n_diff = 0;
	f.pfs = true;
	/* It is up again, and failed so before. */
	f.child_failure = NULL;
	f.pfs_before = &why;
	expect("up", "pfs-mismatch");
	assert_memory_equal(r.cause, "the first rekey at 14:05 will fail", 34);
	assert_ptr_equal(r.reason, &why);
	f.sa_pfs = true; /* made with PFS: it fits now */
	expect("up", "healthy");
}

static void test_what_is_large_is_noted(void **state)
{
	f.path_mtu = 1300;
	expect("up", "healthy");
	assert_string_equal(state_of("MTU"), "note");
	f.path_mtu = 0;
	f.too_big = 7;
	expect("up", "healthy");
	assert_string_equal(state_of("MTU"), "note");
}

/* A stranger's call is as good a hint as nobody else calls, nobody else is missed, and the peer does not answer. */
static void test_peer_calls_from_elsewhere(void **state)
{
	failed(IKE_CAUSE_NO_ANSWER, IKE_SA_INIT);
	f.n_callers = f.n_strays = f.n_down = 1;
	strcpy(f.stray, "192.0.2.7");
	strcpy(f.caller, "192.0.2.7[500] called");
	f.stray_calls = 2;
	expect("tunnel down", "peer-address");
	assert_non_null(strstr(r.cause, "seems to call from 192.0.2.7, and peer-address is 203.0.113.10"));
	assert_non_null(strstr(r.cause, "not certain"));
	assert_string_equal(state_of("peer-address"), "bad");
	f.ike_failure = NULL;
	expect("tunnel down", "peer-address");
	f.ike_failure = &why;
	why.cause = IKE_CAUSE_DPD;
	expect("tunnel down", "peer-address");
	why.cause = IKE_CAUSE_NO_ANSWER;

	f.stray_calls = 1;
	expect("tunnel down", "no-answer");
	assert_string_equal(state_of("peer-address"), "note");
	f.stray_calls = 2;
	f.n_strays = 2;
	expect("tunnel down", "no-answer");
	f.n_strays = 1;
	f.n_down = 2;
	expect("tunnel down", "no-answer");
	f.n_down = 1;
	failed(IKE_CAUSE_AUTH_FAILED, IKE_AUTH);
	expect("tunnel down", "auth-failed");
	assert_string_equal(state_of("peer-address"), "note");
}

static void test_narrowed(void **state)
{
	strcpy(f.narrowed, "local 10.1.0.0/16 remote 10.2.0.0/24");
	expect("up", "healthy");
	assert_string_equal(state_of("proxy-ID"), "note");
	f.cut_off = 3;
	expect("up", "proxy-id-mismatch");
	assert_non_null(strstr(r.cause, "less than the proxy-ID, local 10.1.0.0/16 remote 10.2.0.0/24"));
}

/* What was tried goes before what traffic shows, while the tunnel takes packets as large as then. */
static void test_large_packets_vanish(void **state)
{
	static struct mtu_found t = {.number = 1, .mtu = 1400, .carried = 1200, .port_mtu = 1300};

	assert_int_equal(addr_parse("10.2.0.1", &t.host), 0);
	f.tried = &t;
	expect("up", "mtu-hole");
	assert_string_equal(state_of("MTU"), "bad");
	assert_non_null(strstr(r.fix, "set mtu = 1300 for ethernet1/1"));
	assert_non_null(strstr(r.fix, "adjust-tcp-mss = 1160 "));
	f.mss = 1161;
	expect("up", "mtu-hole");
	f.mss = 1160; /* as was said */
	expect("up", "healthy");
	assert_string_equal(state_of("MTU"), "note");
	f.mss = 0;
	assert_int_equal(addr_parse("10.2.0.254", &t.told), 0); /* whoever sends is told */
	expect("up", "healthy");
	t.told.v = 0;
	t.port_mtu = 0;
	f.traffic = TRAFFIC_OUT_ONLY;
	f.one_way_s = 20;
	expect("one way", "mtu-hole");
	assert_null(strstr(r.fix, "set mtu"));
	f.mtu = 1200; /* mended */
	expect("one way", "one-way-out");
	assert_non_null(strstr(r.fix, "only large packets are lost: test vpn mtu tunnel T"));
	f.traffic = TRAFFIC_BOTH;
	expect("up", "healthy");
	assert_string_equal(r.fix, "");
}

#define T(f) cmocka_unit_test_setup(f, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_well),
		T(test_no_way_to_the_peer),
		T(test_phase_1),
		T(test_our_own_certificate),
		T(test_phase_1_not_tried),
		T(test_phase_1_only),
		T(test_no_traffic),
		T(test_one_way),
		T(test_not_well),
		T(test_rules),
		T(test_the_next_rekey),
		T(test_flapping_by_its_recorded_cause),
		T(test_a_silent_peer),
		T(test_what_is_large_is_noted),
		T(test_large_packets_vanish),
		T(test_narrowed),
		T(test_peer_calls_from_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
