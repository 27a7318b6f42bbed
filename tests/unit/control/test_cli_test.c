/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that do something: test, ping, clear, debug, commit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "cli_fixture.h"
#include "fake_world.h"
#include "job.h"

/* [V] */
static void test_actions_golden(void **state)
{
	fake->epoch = 1780619429 - 1000; /* Jun.05 00:30:29 */
	fake->answer = 1;
	assert_text("test vpn ike-sa gateway G1", "Start time: Jun.05 00:30:29\nInitiate 1 IKE SA.\n");
	assert_string_equal(fake->called, "test ike-sa G1");
	assert_int_equal(fake->rearmed, 2);
	assert_text("test vpn ipsec-sa tunnel T1:P1",
		    "Start time: Jun.05 00:30:29\nInitiate 1 IPSec SA for tunnel T1:P1.\n");
	assert_string_equal(fake->called, "test ipsec-sa T1:P1");
	assert_text("clear vpn ike-sa", "Clear IKE SA: 0 IKEv1 SA, 1 IKEv2 SA.\n");
	assert_string_equal(fake->called, "clear ike-sa (all)");
	fake->answer = 2;
	assert_text("clear vpn ipsec-sa tunnel T1", "Clear IPSec SA: 0 IKEv1 SA, 2 IKEv2 SA.\n");
	assert_string_equal(fake->called, "clear ipsec-sa T1");
	assert_text("request vpn rekey ipsec-sa tunnel T1:P1", "Rekey 2 IPSec SA.\n");
	assert_string_equal(fake->called, "rekey ipsec-sa T1:P1");
	assert_text("request vpn rekey ike-sa", "Rekey 2 IKE SA.\n");
	assert_string_equal(fake->called, "rekey ike-sa (all)");
	/* Where all proxy-IDs share one Child SA, each of them means that. */
	fake->conf.tunnels[0].combined = true;
	assert_text("request vpn rekey ipsec-sa tunnel T1:P2", "Rekey 2 IPSec SA.\n");
	assert_string_equal(fake->called, "rekey ipsec-sa T1");
	assert_text("clear vpn ipsec-sa tunnel T1:P1", "Clear IPSec SA: 0 IKEv1 SA, 2 IKEv2 SA.\n");
	assert_string_equal(fake->called, "clear ipsec-sa T1");
	fake->conf.tunnels[0].combined = false;
	fake->answer = 0;
	assert_text("request vpn reauthenticate gateway G1",
		    "Reauthenticate 0 IKE SA.\n"
		    "Nothing to do: what was asked for is not up, or is being replaced already.\n");
	assert_string_equal(fake->called, "reauthenticate G1");
	assert_text("test vpn ike-sa gateway G1",
		    "Start time: Jun.05 00:30:29\nInitiate 0 IKE SA.\n"
		    "Nothing to do: what was asked for is up, or being negotiated, or waits for its peer.\n");
	fake->again = 1;
	assert_text("test vpn ipsec-sa tunnel T1",
		    "Start time: Jun.05 00:30:29\nInitiate 0 IPSec SA for tunnel T1.\n"
		    "Asked again: the negotiation that waits for its peer.\n");
	fake->again = 3;
	assert_text("test vpn ike-sa", "Start time: Jun.05 00:30:29\nInitiate 0 IKE SA.\n"
				       "Asked again: 3 negotiations that wait for their peer.\n");
	assert_int_equal(fake->rearmed, 24);
}

static void test_capture(void **state)
{
	assert_text("debug capture show", "There was no capture.\n");
	assert_error("debug capture stop", 1, "no capture goes on");
	assert_error("debug capture tunnel T1", 2,
		     "file: missing; allowed: an absolute path ending in .pcapng");
	assert_error("debug capture tunnel file /f.pcapng", 2,
		     "debug capture tunnel: which tunnel? debug capture tunnel <tunnel> file <file>");
	assert_error("debug capture tunnel T1 inner outer file /f.pcapng", 2,
		     "inner, outer, both: allowed: one of them");
	assert_error("debug capture tunnel T1 count 0 file /f.pcapng", 2,
		     "count: found \"0\"; allowed: 1 to 1000000");
	assert_error("debug capture tunnel T1 count 1000001 file /f.pcapng", 2,
		     "count: found \"1000001\"; allowed: 1 to 1000000");
	assert_error("debug capture tunnel T1 count 5x file /f.pcapng", 2,
		     "count: found \"5x\"; allowed: 1 to 1000000");
	assert_error("debug capture tunnel T9 file /f.pcapng", 1,
		     "there is no tunnel, or proxy-ID of a tunnel, \"T9\"; show vpn tunnel lists them");
	fake->answer = -EEXIST;
	assert_error("debug capture tunnel T1 file /f.pcapng", 1, "/f.pcapng: no");
	fake->answer = 0;
	assert_text("debug capture tunnel T1 file /f.pcapng",
		    "Capture of tunnel T1, both, to /f.pcapng\n"
		    "0 of 1000 packets, 0 bytes, 0 packets lost; going on\n");
	assert_string_equal(fake->called, "capture T1 sides 3 count 1000 policies 2 file /f.pcapng");
	assert_text("debug capture stop",
		    "Capture of tunnel T1, both, to /f.pcapng\n"
		    "0 of 1000 packets, 0 bytes, 0 packets lost; stopped by the operator\n");
	assert_text("debug capture tunnel T1:P2 outer count 7 file /g.pcapng",
		    "Capture of tunnel T1:P2, outer, to /g.pcapng\n"
		    "0 of 7 packets, 0 bytes, 0 packets lost; going on\n");
	assert_string_equal(fake->called, "capture T1:P2 sides 2 count 7 policies 1 file /g.pcapng");
	assert_text("debug capture show", "Capture of tunnel T1:P2, outer, to /g.pcapng\n"
					  "0 of 7 packets, 0 bytes, 0 packets lost; going on\n");
}

static void test_packet(void **state)
{
	struct dp_trace *t = &fake->trace;

	*t = (struct dp_trace){.stopped = DP_TRACE_SA,
			       .drop = "no-sa",
			       .help = "proxy-ID has no SA yet",
			       .out_if = 1,
			       .policy = 101};
	prefix_parse("10.10.10.0/24", &t->route);
	assert_text(
		"test vpn packet source 10.20.20.10 destination 10.10.10.10 protocol tcp source-port 1024 "
		"destination-port 443",
		"10.20.20.10 to 10.10.10.10, protocol 6, port 1024 to 443\n"
		"\n"
		"  ok   ingress         ethernet1/1, zone untrust (where the route to the source leads)\n"
		"  ok   route           10.10.10.0/24 to tunnel.1, zone VPN-Zone\n"
		"  ok   rule            no security rules are configured\n"
		"  ok   proxy-id        T1:P1, local 10.20.20.0/24, remote 10.10.10.0/24\n"
		"  FAIL sa              none\n"
		"\n"
		"verdict: it would be dropped: no-sa (proxy-ID has no SA yet)\n"
		"what to do: test vpn ipsec-sa tunnel T1:P1; if it stays down, show vpn ike-sa gateway G1 says "
		"why\n");
	assert_int_equal(fake->asked.proto, 6);
	assert_int_equal(fake->asked.sport, 1024);
	assert_int_equal(fake->asked.dport, 443);
	assert_int_equal(fake->asked.in_if, DP_IF_NONE);

	fake_child(1);
	*t = (struct dp_trace){.stopped = DP_TRACE_DONE,
			       .out_if = 1,
			       .policy = 101,
			       .sa_out = 7,
			       .spi = 0xFCAEE176,
			       .mtu = 1438,
			       .neighbour = true,
			       .back = {.sa = true, .selector = true, .route = true, .allow = true}};
	prefix_parse("10.10.10.0/24", &t->route);
	addr_parse("203.0.113.10", &t->remote.a);
	t->remote.port = 4500;
	addr_parse("198.51.100.1", &t->next_hop);
	assert_text("test vpn packet source 10.20.20.10 destination 10.10.10.10 interface ethernet1/1",
		    "10.20.20.10 to 10.10.10.10, protocol 1\n"
		    "\n"
		    "  ok   ingress         ethernet1/1, zone untrust\n"
		    "  ok   route           10.10.10.0/24 to tunnel.1, zone VPN-Zone\n"
		    "  ok   rule            no security rules are configured\n"
		    "  ok   proxy-id        T1:P1, local 10.20.20.0/24, remote 10.10.10.0/24\n"
		    "  ok   sa              SPI FCAEE176, AES256-GCM16, to 203.0.113.10[4500], worker 0\n"
		    "  ok   selectors       inside what was negotiated\n"
		    "  ok   mtu             40 bytes of at most 1438\n"
		    "  ok   outer route     ethernet1/1, next hop 198.51.100.1\n"
		    "  ok   neighbour       known\n"
		    "  ok   answer: sa      an inbound SA of this proxy-ID accepts it\n"
		    "  ok   answer: route   back to where the packet came from\n"
		    "\n"
		    "verdict: it would be sent\n");
	assert_int_equal(fake->asked.in_if, 0);
	assert_error("test vpn packet source 10.20.20.10", CLI_EXIT_USAGE,
		     "destination: missing; allowed: an IP address");
	assert_error("test vpn packet source x destination 10.10.10.10", CLI_EXIT_USAGE,
		     "source: found \"x\"; allowed: an IP address");
	assert_error("test vpn packet source 10.20.20.5 destination 2001:db8::1", CLI_EXIT_USAGE,
		     "destination: found \"2001:db8::1\"; allowed: an IPv4 address, as source is");
	assert_error("test vpn packet source 10.20.20.10 destination 10.10.10.10 protocol ip", CLI_EXIT_USAGE,
		     "protocol: found \"ip\"; allowed: icmp, icmp6, tcp, udp, gre, esp, sctp, or 0 to 255");
	assert_error("test vpn packet source 10.20.20.10 destination 10.10.10.10 source-port 65536",
		     CLI_EXIT_USAGE, "source-port: found \"65536\"; allowed: 0 to 65535");
	assert_error("test vpn packet source 10.20.20.10 destination 10.10.10.10 interface tunnel.9",
		     CLI_EXIT_USAGE,
		     "interface: found \"tunnel.9\"; allowed: an interface; show interface lists them");
}

static void test_ping(void **state)
{
	fake->ctl.loop = ev_loop_new(0);
	fake->answers_echoes = true;
	assert_text("ping host 203.0.113.10 source 198.51.100.20 count 1 size 100 do-not-fragment yes",
		    "PING 203.0.113.10 from 198.51.100.20: 100(128) bytes of data, not to be fragmented.\n"
		    "108 bytes from 203.0.113.10: icmp_seq=1 ttl=63 time=1.500 ms\n"
		    "\n--- 203.0.113.10 ping statistics ---\n"
		    "1 packets transmitted, 1 received, 0% packet loss, time 2ms\n"
		    "rtt min/avg/max = 1.500/1.500/1.500 ms\n");
	assert_int_equal(fake->echo.len, 128);
	assert_true(fake->echo.df);
	assert_int_equal(fake->echo_closed, 1);
	assert_error("ping host 203.0.113.10 interval 0", 2, "interval: found \"0\"; allowed: 1 to 3600");
	assert_error("ping host 203.0.113.10 ttl 256", 2, "ttl: found \"256\"; allowed: 1 to 255");
	assert_error("ping host 203.0.113.10 tos 256", 2, "tos: found \"256\"; allowed: 0 to 255");
	assert_error("ping host 203.0.113.10 count 0", 2, "count: found \"0\"; allowed: 1 to 65535");
	assert_error("ping host 203.0.113.10 count 7x", 2, "count: found \"7x\"; allowed: 1 to 65535");
	assert_error("ping host 198.51.100.20", 1, "ping: 198.51.100.20 is an address of this gateway's own");
	assert_error(
		"ping host 203.0.113.10 source 192.0.2.9", 1,
		"ping: source 192.0.2.9 is none of this gateway's addresses; show interface all lists them");
	assert_int_equal(fake->echo_closed, 1);
}

/* A second answer to one request, and what routers say. */
static void test_ping_rendered(void **state)
{
	assert_rendered(
		"{\"type\":\"ping\",\"stream\":true,\"host\":\"192.0.2.1\","
		"\"replies\":[{\"seq\":1,\"bytes\":64,\"ttl\":63,\"rtt-ns\":1500000,\"duplicate\":true}],"
		"\"errors\":[{\"seq\":2,\"from\":\"192.0.2.254\",\"text\":\"Destination Host Unreachable\"}],"
		"\"summary\":{\"sent\":3,\"received\":1,\"duplicates\":1,\"errors\":1,\"time-ms\":5,\"rtt-min-ns\":1500000,"
		"\"rtt-avg-ns\":1500000,\"rtt-max-ns\":1500000}}",
		"64 bytes from 192.0.2.1: icmp_seq=1 ttl=63 time=1.500 ms (DUP!)\n"
		"From 192.0.2.254 icmp_seq=2 Destination Host Unreachable\n"
		"\n--- 192.0.2.1 ping statistics ---\n"
		"3 packets transmitted, 1 received, +1 duplicates, +1 errors, 66% packet loss, time 5ms\n"
		"rtt min/avg/max = 1.500/1.500/1.500 ms\n");
}

static void test_clear_flow(void **state)
{
	fake_child(1);
	assert_text("clear vpn flow name T1:P1", "Clear flow counters: 1 tunnels.\n");
	assert_text("clear vpn flow", "Clear flow counters: 2 tunnels.\n");
	assert_error("clear vpn flow tunnel-id 99", 1,
		     "there is no tunnel with id 99; show vpn flow lists them");
	assert_error("clear vpn flow tunnel-id x", 2, "tunnel-id: found \"x\"; allowed: a number from 1");
}

static void test_debug_of_a_gateway(void **state)
{
	assert_text("debug ike gateway G1", "There was no capture of IKE of gateway G1.\n");
	assert_text("debug ike gateway G1 on minutes 5",
		    "IKE messages of gateway G1 are logged to standard error for 5 minutes.\n");
	assert_string_equal(fake->called, "debug G1 5");
	assert_text("debug ike gateway G1 pcap /tmp/x.pcapng",
		    "Its messages go, decrypted, to /tmp/x.pcapng; 4 so far.\n");
	assert_text("debug ike gateway G1 off", "IKE of gateway G1: events only.\n"
						"/tmp/x.pcapng holds 4 messages: stopped by the operator.\n");
	assert_string_equal(fake->called, "debug G1 0");
	assert_error("debug ike gateway", 2, "a gateway is missing; show vpn gateway lists them");
	assert_error("debug ike gateway G1 off on", 2, "off goes with nothing else");
	assert_error("debug ike gateway G1 on minutes 0", 2, "minutes: allowed: 1 to 1440");
	assert_error("debug ike gateway nix on", 1,
		     "there is no gateway \"nix\"; show vpn gateway lists them");
}

static void test_engine_refuses(void **state)
{
	fake->answer = -EPERM;
	assert_error("test vpn ike-sa gateway G1", 1,
		     "G1 is passive-mode: it waits for its peer to begin; start the negotiation there");
	fake->answer = -ENOENT;
	assert_error("clear vpn ipsec-sa", 1, "every gateway: No such file or directory");
}

static void test_commit(void **state)
{
	struct got g;
	char *text;

	assert_text(
		"commit",
		"warning: culvert.conf:1: a warning\n/etc/culvert/culvert.conf is committed: 1 of 2 gateways "
		"changed.\n");
	fake->commit_says = "culvert.conf:5: ike-crypto-profile \"P\": dh-group: found \"group99\"";
	g = ask("commit", 0);
	assert_int_equal(doc_member(g.last, "exit"), 1);
	assert_string_equal(json_string_value(json_object_get(g.last, "error")),
			    "/etc/culvert/culvert.conf: 1 error; nothing was changed");
	text = text_of(g.doc);
	assert_string_equal(text,
			    "warning: culvert.conf:1: a warning\n"
			    "error: culvert.conf:5: ike-crypto-profile \"P\": dh-group: found \"group99\"\n");
	free(text);
	got_free(&g);
	fake->commit_partly = true;
	g = ask("commit", 0);
	assert_string_equal(
		json_string_value(json_object_get(g.last, "error")),
		"/etc/culvert/culvert.conf: 1 error; what was applied before it stays: mend it and "
		"commit again");
	got_free(&g);
	fake->answer = -EALREADY;
	g = ask("commit", 0);
	assert_string_equal(json_string_value(json_object_get(g.last, "error")),
			    "another commit is going on: wait until it has ended");
	got_free(&g);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, cli_begin, cli_end)
	const struct CMUnitTest tests[] = {
		T(test_actions_golden),
		T(test_capture),
		T(test_packet),
		T(test_ping),
		T(test_ping_rendered),
		T(test_clear_flow),
		T(test_debug_of_a_gateway),
		T(test_engine_refuses),
		T(test_commit),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
