/* SPDX-License-Identifier: Apache-2.0 */
/* Documents: what --json prints, and what the client makes of lists, logs, counters, history and texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli_fixture.h"
#include "fake_world.h"
#include "journal.h"
#include "knowledge.h"

static void test_ipsec_sa_document(void **state)
{
	struct got g;
	const json_t *e;

	fake_child(2);
	g = ask("show vpn ipsec-sa tunnel T1:P2", 0);
	e = got_entry(&g, "entries", 0);
	assert_int_equal(doc_member(g.doc, "ntun"), 1);
	assert_int_equal(doc_member(e, "gwid"), 1);
	assert_int_equal(doc_member(e, "tid"), 2);
	assert_int_equal(doc_member(e, "i_spi"), 0x1001);
	assert_int_equal(doc_member(e, "o_spi"), 0xFCAEE176);
	assert_int_equal(doc_member(e, "life"), 3600);
	assert_int_equal(doc_member(e, "remain"), 3600);
	assert_int_equal(doc_member(e, "kb"), 0);
	assert_string_equal(json_string_value(json_object_get(e, "name")), "T1:P2");
	assert_string_equal(json_string_value(json_object_get(e, "enc")), "G256");
	assert_string_equal(json_string_value(json_object_get(e, "hash")), "");
	assert_string_equal(json_string_value(json_object_get(e, "dh")), "no-pfs");
	assert_string_equal(json_string_value(json_array_get(json_object_get(e, "ts-local"), 0)),
			    "10.20.21.0/24");
	got_free(&g);
	g = ask("show vpn ipsec-sa tunnel T1:P1", 0);
	assert_int_equal(json_array_size(json_object_get(g.doc, "entries")), 0);
	got_free(&g);
}

/* Old and new SA of a rekey are one tunnel's counters, and the newer one's numbers. */
static void test_flow_while_rekeying(void **state)
{
	struct ike_child_info *old = fake_child(1), *new = fake_child(1);
	struct got g;

	old->spi_out = 1;
	new->spi_out = 2;
	new->created += 1000000000;
	fake->in.packets = 5;
	fake->out.packets = 7;
	g = ask("show vpn flow name T1:P1", 0);
	assert_int_equal(doc_member(got_entry(&g, "entries", 0), "pkt-decap"), 10);
	assert_int_equal(doc_member(got_entry(&g, "entries", 0), "pkt-encap"), 14);
	assert_string_equal(json_string_value(json_object_get(got_entry(&g, "entries", 0), "remote-spi")),
			    "00000002");
	got_free(&g);
}

static void test_counters(void **state)
{
	struct got g;

	fake->drops[1] = 9;
	fake->counters.v[0] = 4;
	assert_text("show counter drop", "name                                 packets  description\n"
					 "----                                 -------  -----------\n"
					 "esp-replay                                 9  why it is dropped\n"
					 "\n"
					 "Total counters shown: 1\n");
	g = ask("show counter drop all", 0);
	assert_int_equal(json_array_size(json_object_get(g.doc, "entries")), 3);
	got_free(&g);
	g = ask("show counter ike", 0);
	assert_int_equal(json_array_size(json_object_get(g.doc, "entries")), 1);
	assert_int_equal(doc_member(got_entry(&g, "entries", 0), "value"), 4);
	got_free(&g);
}

static void test_counter_global(void **state)
{
	struct got g;
	const json_t *e;

	fake->drops[1] = 7;
	g = ask("show counter global", 0);
	e = got_entry(&g, "entries", 0);
	assert_string_equal(json_string_value(json_object_get(e, "name")), "packets-received");
	assert_int_equal(doc_member(e, "value"), 5);
	got_free(&g);
	g = ask("show counter global delta", 0);
	got_free(&g);
	fake->drops[1] = 9;
	fake->now += 2000000000;
	g = ask("show counter global delta", 0);
	assert_int_equal(json_array_size(json_object_get(g.doc, "entries")), 1);
	e = got_entry(&g, "entries", 0);
	assert_string_equal(json_string_value(json_object_get(e, "name")), "esp-replay");
	assert_string_equal(json_string_value(json_object_get(e, "severity")), "drop");
	assert_int_equal(doc_member(e, "value"), 2);
	assert_int_equal(doc_member(e, "rate"), 1);
	got_free(&g);
	assert_error("test routing fib-lookup", 2, "ip: missing; allowed: an IP address");
}

static void test_interface(void **state)
{
	struct got g;

	assert_text(
		"show interface all",
		"total configured interfaces: 2\n"
		"\n"
		"name                id    state zone             mac address       rx packets      tx packets      address\n"
		"----                --    ----- ----             -----------       ----------      ----------      -------\n"
		"ethernet1/1         0     up    untrust          02:00:00:00:00:01 11              12              198.51.100.20/24\n"
		"tunnel.1            1     up    VPN-Zone                           11              12              N/A\n");
	g = ask("show interface ethernet1/1", 0);
	assert_int_equal(json_array_size(json_object_get(g.doc, "entries")), 1);
	assert_int_equal(doc_member(got_entry(&g, "entries", 0), "mtu"), 1500);
	got_free(&g);
}

static void test_routes(void **state)
{
	prefix_parse("10.10.10.0/24", &fake->route.dst);
	fake->route.ifindex = 1;
	assert_text("show routing route destination 10.10.10.9",
		    "destination:  10.10.10.9\n"
		    "route:        10.10.10.0/24  Route-to-Branch\n"
		    "interface:    tunnel.1\n"
		    "nexthop:      None\n");
	fake->conf.routes[0].metric = 10;
	fake->conf.routes[1].metric = 20;
	fake->inactive = 2;
	assert_text("show routing route",
		    "flags: A:active, C:connect, S:static, E:ecmp\n"
		    "\n"
		    "destination        nexthop         metric flags  interface         name\n"
		    "-----------        -------         ------ -----  ---------         ----\n"
		    "198.51.100.0/24    198.51.100.20          A C    ethernet1/1\n"
		    "0.0.0.0/0          198.51.100.1    10     A S    ethernet1/1\n"
		    "10.10.10.0/24      0.0.0.0         20       S    tunnel.1          Route-to-Branch\n"
		    "total routes shown: 3\n");
	fake->route_rc = -ENETUNREACH;
	assert_error("show routing route destination 192.0.2.1", 1, "no route leads to 192.0.2.1");
	assert_error("show routing route destination nowhere", 2,
		     "destination: found \"nowhere\"; allowed: an IP address");
}

static void test_capacity(void **state)
{
	struct got g = ask("show vpn capacity", 0);

	assert_int_equal(doc_member(json_array_get(json_object_get(g.doc, "entries"), 0), "left"), 47);
	got_free(&g);
	assert_text(
		"show vpn capacity",
		"table                used        limit       left        used%  what\n"
		"-----                ----        -----       ----        -----  ----\n"
		"inbound-sas          3           50          47          6.0    SPIs\n"
		"memory-bytes         1000        -           -           -      bytes\n"
		"ike-gateways         1           -           -           -      no limit but memory\n"
		"ike-sas              0           -           -           -      no limit but memory\n"
		"half-open-ike-sas    0           2000        2000        0.0    peers that have not proved who they "
		"are; maximum-half-opened-sa\n"
		"negotiations         12          256         244         4.7    of ours, that bring up something "
		"new; maximum-negotiations\n"
		"negotiations-waiting 340         -           -           -      gateways and IKE SAs that wait for "
		"their turn\n");
}

static void test_system(void **state)
{
	struct got g = ask("show system info", 0);

	assert_string_equal(json_string_value(json_object_get(g.doc, "hostname")), "hq");
	assert_int_equal(doc_member(g.doc, "uptime"), 999);
	assert_int_equal(doc_member(g.doc, "proxy-ids"), 2);
	got_free(&g);
	fake->ctl.load[1][0] = (struct ctl_load){.busy_ns = 100, .up_ns = 6000};
	fake->ctl.turns = (struct ctl_turns){
		.second_ns = 40000000, .longest_ns = 2500000, .longest_cpu_ns = 1500000, .long_ones = 1};
	fake->ctl.load[0][0] = (struct ctl_load){.busy_ns = 850, .up_ns = 7000};
	assert_text(
		"show dataplane",
		"idle mode: poll\n"
		"busy%: of the last second; total%: since the start\n"
		"control thread: busy 4.0%, longest turn 2.5 ms (1.5 ms on its core), 1 turns beyond 10 ms\n"
		"\n"
		"worker cpu  busy%  total%  rx packets      per burst known flow% tx packets      handed over     icmp errors "
		"reassembled loops\n"
		"------ ---  -----  ------  ----------      --------- ----------- ----------      -----------     ----------- "
		"----------- -----\n"
		"0      3    75.0   12.5    5               2.5       80.0        6               0               17          "
		"3           1000\n"
		"\n"
		"cycles per packet of each stage, of a burst now and then\n"
		"\n"
		"worker stage       packets         cycles  what\n"
		"------ -----       -------         ------  ----\n"
		"0      out-seal    2               127.5   encrypt\n");
}

static void test_config_documents(void **state)
{
	struct got g = ask("show vpn gateway", 0);
	char *text = text_of(g.doc);

	assert_non_null(strstr(
		text, "1        G1                   203.0.113.10                   198.51.100.20          "
		      "        IKEv2       [PSK][DH14,DH19][AES256][SHA256]28800-sec\n"));
	free(text);
	got_free(&g);
	g = ask("show vpn tunnel name T1:P2", 0);
	assert_int_equal(json_array_size(json_object_get(g.doc, "entries")), 1);
	assert_string_equal(json_string_value(json_object_get(got_entry(&g, "entries", 0), "TSi_ip")),
			    "10.20.21.0");
	assert_int_equal(doc_member(got_entry(&g, "entries", 0), "TSi_prefix"), 24);
	text = text_of(g.doc);
	assert_non_null(strstr(text, "ESP tunl [no-pfs][AES256-GCM]  3600-sec\n"));
	free(text);
	got_free(&g);
}

static void test_log(void **state)
{
	char many[8192] = "";
	struct got g;

	for (int i = 0; i < 200; i++)
		snprintf(many + strlen(many), sizeof(many) - strlen(many), "line %d %s\n", i,
			 i % 10 ? "other" : "Tunnel T1 is up");
	log_with(many);
	assert_text("show log system match TUNNEL count 2",
		    "line 180 Tunnel T1 is up\nline 190 Tunnel T1 is up\n");
	g = ask("show log system", 0);
	assert_int_equal(json_array_size(json_object_get(g.doc, "entries")), 50);
	got_free(&g);
	assert_error("show log system count 0", 2, "count: found \"0\"; allowed: 1 to 1000");
	log_gone();
	strcpy(fake->conf.sys.log_file, "syslog");
	assert_error(
		"show log system", 1,
		"the log goes to syslog: journalctl -t culvertd, or set log in the section system to a file");
}

static void note(enum journal_kind kind, enum journal_by by, int64_t at_s, const char *text)
{
	const struct journal_entry e = {.kind = kind,
					.by = by,
					.first = (fake->epoch + at_s) * 1000,
					.gateway = "G1",
					.tunnel = "T1",
					.proxy_id = "P1",
					.cause = kind == JOURNAL_DOWN ? "peer-deleted" : "",
					.text = text};

	journal_note(fake->ctl.journal, &e);
}

static void test_history(void **state)
{
	struct got g;
	json_t *t;

	setenv("TZ", "UTC", 1);
	note(JOURNAL_UP, JOURNAL_HERE, 0, "SPI 00000ABC/00000DEF");
	note(JOURNAL_REKEY, JOURNAL_PEER, 100, "");
	note(JOURNAL_REKEY, JOURNAL_PEER, 200, "");
	note(JOURNAL_DOWN, JOURNAL_PEER, 300, "the peer deleted it");
	note(JOURNAL_UP, JOURNAL_HERE, 310, "SPI 00000ABC/00000DEF");
	assert_text(
		"show vpn history tunnel T1:P1",
		"Name                          Gateway                 Outages Last outage      Down for     Period\n"
		"----                          -------                 ------- -----------      --------     ------\n"
		"T1:P1                         G1                      1       Nov.24 16:05:00  10 s         -\n"
		"\n"
		"When            Event        By       Of                      What\n"
		"----            -----        --       --                      ----\n"
		"Nov.24 16:00:00 up           here     T1:P1                   SPI 00000ABC/00000DEF\n"
		"Nov.24 16:01:40 rekey        peer     T1:P1                   2 times, last Nov.24 16:03:20\n"
		"Nov.24 16:05:00 down         peer     T1:P1                   peer-deleted: the peer deleted it\n"
		"Nov.24 16:05:10 up           here     T1:P1                   SPI 00000ABC/00000DEF\n");
	/* Pages of one and of many tell the same. */
	g = ask("show vpn history gateway G1", 1);
	assert_int_equal(json_array_size(json_object_get(g.doc, "tunnels")), 2);
	assert_int_equal(json_array_size(json_object_get(g.doc, "entries")), 4);
	t = json_array_get(json_object_get(g.doc, "tunnels"), 1);
	assert_int_equal(json_integer_value(json_object_get(t, "outages")), 0);
	got_free(&g);
	assert_error("show vpn history tunnel nix", 1,
		     "there is no tunnel, or proxy-ID of a tunnel, \"nix\"; show vpn tunnel lists them");
}

static void test_knowledge(void **state)
{
	struct got g;

	for (size_t i = 0; i < n_knowledge; i++) {
		const struct knowledge *k = &knowledge[i];
		char cmd[64], see[128], *w;

		snprintf(cmd, sizeof(cmd), "%s %s", k->kind == KNOWLEDGE_VENDOR ? "reference" : "explain",
			 k->word);
		g = ask(cmd, 0);
		assert_string_equal(json_string_value(json_object_get(g.doc, "word")),
				    k->word); /* no two alike */
		assert_true(json_array_size(json_object_get(g.doc, "lines")) > 0);
		for (size_t n = 0; n < json_array_size(json_object_get(g.doc, "lines")); n++)
			assert_true(json_string_length(json_array_get(json_object_get(g.doc, "lines"), n)) <=
				    110);
		got_free(&g);
		snprintf(see, sizeof(see), "%s", k->see);
		for (w = strtok(see, " "); w; w = strtok(NULL, " "))
			assert_non_null(knowledge_find(w, k->kind == KNOWLEDGE_VENDOR));
	}
	assert_text(
		"reference gcp",
		"Google Cloud VPN\n\n"
		"Status        console, Hybrid connectivity, VPN tunnels; Logs Explorer: resource type vpn_gateway\n"
		"Proxy-IDs     HA VPN with BGP: 0.0.0.0/0 both ways; policy-based: all pairs in one Child SA, so use\n"
		"              proxy-id-mode = \"combined\"\n"
		"Crypto        IKEv2, aes-256-gcm, sha256 as PRF, group14 to 20; lifetimes 36000 s and 10800 s\n"
		"Mind          PFS is required; the peer's identity is its public address.\n\n"
		"see also: reference aws, reference azure\n");
	fake->drops[2] = 7;
	assert_text("explain NO-SA", "no-sa, a counter of packets dropped: show counter drop\n\n"
				     "why it is dropped.\nSo far: 7\n");
	assert_error("explain nix", 1, "there is nothing about \"nix\"; explain lists what there is");
	g = ask("reference", 0);
	assert_int_equal(json_array_size(json_object_get(g.doc, "entries")), 6);
	got_free(&g);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, cli_begin, cli_end)
	const struct CMUnitTest tests[] = {
		T(test_ipsec_sa_document), T(test_flow_while_rekeying),
		T(test_counters),          T(test_counter_global),
		T(test_interface),         T(test_routes),
		T(test_capacity),          T(test_system),
		T(test_config_documents),  T(test_log),
		T(test_history),           T(test_knowledge),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
