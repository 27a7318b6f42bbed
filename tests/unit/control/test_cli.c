/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a request's line to what the operator reads: the daemon's jobs over an engine and a data plane that
 * hold what the test put there, their pages put together as the client does, and the client's text of that
 * document.  Texts marked [V] are layouts seen on real PAN-OS; they are compared to the letter.
 */
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
#include <unistd.h>

#include "conn.h"
#include "fake_world.h"
#include "job.h"
#include "journal.h"
#include "knowledge.h"
#include "ping.h"
#include "render.h"
#include "wire.h"

static int begin(void **state)
{
	fake_begin();
	return 0;
}

static int end(void **state)
{
	fake_end();
	return 0;
}

/* ---- asking ------------------------------------------------------------------------------------- */

struct got {
	json_t *doc, *last;
	unsigned pages;
};

/* The next line; one that waits for echo answers gets them. */
static char *line_of(struct cli_job *j)
{
	char *text = cli_job_line(j);

	while (!text && j->waiting) {
		unsigned before = fake->echoes;

		ev_run(fake->ctl.loop, EVRUN_ONCE);
		fake->now += 2000000;
		if (fake->echoes > before && fake->answers_echoes)
			cli_ping_answer(
				&(struct dp_echo_answer){.echo = fake->echo, .ttl = 63, .ago_ns = 500000});
		text = cli_job_line(j);
	}
	return text;
}

static struct got ask_line(const char *line)
{
	struct cli_job *j = cli_job_new(&fake->ctl, line, strlen(line));
	struct got g = {0};
	char *text;

	assert_non_null(j);
	while ((text = line_of(j))) {
		json_t *o = json_loads(text, 0, NULL), *doc;

		assert_non_null(o);
		assert_int_equal(text[strlen(text) - 1], '\n');
		assert_null(memchr(text, '\n', strlen(text) - 1));
		assert_null(g.last); /* nothing comes behind the status */
		free(text);
		doc = json_object_get(o, "document");
		if (!doc) {
			g.last = o;
			continue;
		}
		assert_true(json_is_true(json_object_get(o, "more")));
		g.pages++;
		if (g.doc)
			conn_merge(g.doc, doc);
		else
			g.doc = json_incref(doc);
		json_decref(o);
	}
	assert_non_null(g.last);
	cli_job_free(j);
	return g;
}

static void got_free(struct got *g)
{
	json_decref(g->doc);
	json_decref(g->last);
}

/* A command's words, blank-separated; page 0: the default. */
static struct got ask(const char *words, int page)
{
	char buf[512], *w, *line;
	json_t *o = json_object(), *list = json_array();
	struct got g;

	snprintf(buf, sizeof(buf), "%s", words);
	for (w = strtok(buf, " "); w; w = strtok(NULL, " "))
		json_array_append_new(list, json_string(w));
	json_object_set_new(o, "command", list);
	if (page)
		json_object_set_new(o, "options", json_pack("{s:i}", "page", page));
	line = json_dumps(o, JSON_COMPACT);
	g = ask_line(line);
	free(line);
	json_decref(o);
	return g;
}

static void assert_error(const char *words, int status, const char *error)
{
	struct got g = ask(words, 0);

	assert_string_equal(json_string_value(json_object_get(g.last, "status")), "error");
	assert_string_equal(json_string_value(json_object_get(g.last, "error")), error);
	assert_int_equal(json_integer_value(json_object_get(g.last, "exit")), status);
	assert_null(g.doc);
	got_free(&g);
}

static char *text_of(const json_t *doc)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_true(render(f, doc));
	fclose(f);
	return text;
}

static void assert_text(const char *words, const char *want)
{
	struct got g = ask(words, 0);
	char *text;

	if (!g.doc)
		fail_msg("%s: %s", words, json_string_value(json_object_get(g.last, "error")));
	text = text_of(g.doc);
	assert_string_equal(text, want);
	free(text);
	got_free(&g);
}

static void assert_rendered(const char *json, const char *want)
{
	json_error_t e;
	json_t *doc = json_loads(json, 0, &e);
	char *text;

	if (!doc)
		fail_msg("%s", e.text);
	text = text_of(doc);
	assert_string_equal(text, want);
	free(text);
	json_decref(doc);
}

static long long member(const json_t *o, const char *key)
{
	if (!json_is_integer(json_object_get(o, key)))
		fail_msg("%s is not a number", key);
	return json_integer_value(json_object_get(o, key));
}

static const json_t *entry(const struct got *g, const char *list, size_t i)
{
	const json_t *e = json_array_get(json_object_get(g->doc, list), i);

	assert_non_null(e);
	return e;
}

/* ---- golden text -------------------------------------------------------------------------------- */

/* [V] */
static void test_ike_sa_golden(void **state)
{
	struct ike_sa_info *s = fake_ike_sa();
	struct ike_child_info *c = fake_child(1);
	static struct cfg_gateway two[2];

	/* Jun.04 21:09:13 UTC */
	fake->epoch = 1780607353 - 1000;
	two[0] = two[1] = fake->conf.gateways[0];
	strcpy(two[0].ike.name, "CF_Magic_WAN_IKE_01");
	fake->conf.gateways = two;
	fake->conf.n_gateways = 2;
	s->gateway = c->gateway = two[0].ike.name;
	s->gateway_id = 2;
	s->serial = c->parent_serial = 67;
	s->suite.dh = DH_ECP384;
	s->n_children = 1;
	addr_parse("162.159.66.164", &s->remote.a);
	c->tunnel = "CF_Magic_WAN_IPsec_01";
	c->proxy_id = "";
	c->tunnel_id = 2;
	c->id = 322550;
	c->spi_in = 0xFCAEE176;
	c->spi_out = 0x1EF41BA9;
	c->msgid = 0x7B4;
	assert_text(
		"show vpn ike-sa gateway CF_Magic_WAN_IKE_01",
		"\n"
		"There is no IKEv1 phase-1 SA found.\n"
		"\n"
		"There is no IKEv1 phase-2 SA found.\n"
		"\n"
		"IKEv2 SAs\n"
		"Gateway ID      Peer-Address           Gateway Name           Role SN       Algorithm             Established     Expiration      Xt Child  ST\n"
		"----------      ------------           ------------           ---- --       ---------             -----------     ----------      -- -----  --\n"
		"2               162.159.66.164         CF_Magic_WAN_IKE_01    Init 67       PSK/DH20/A256/SHA256  Jun.04 21:09:13 Jun.05 05:09:13 0  1      Established\n"
		"\n"
		"IKEv2 IPSec Child SAs\n"
		"Gateway Name           TnID     Tunnel                    ID       Parent   Role SPI(in)  SPI(out) MsgID    ST\n"
		"------------           ----     ------                    --       ------   ---- -------  -------- -----    --\n"
		"CF_Magic_WAN_IKE_01    2        CF_Magic_WAN_IPsec_01     322550   67       Init FCAEE176 1EF41BA9 000007B4 Mature\n"
		"\n"
		"Show IKEv2 SA: Total 2 gateways found. 1 ike sa found.\n");
}

/* [V] */
static void test_ipsec_sa_golden(void **state)
{
	struct ike_child_info *c = fake_child(1);

	c->gateway_id = c->tunnel_id = 2;
	c->gateway = "CF_Magic_WAN_IKE_01";
	c->tunnel = "CF_Magic_WAN_IPsec_01";
	c->proxy_id = "";
	c->suite = (struct suite_choice){
		.encr = ENCR_AES_CBC, .key_bits = 256, .integ = AUTH_HMAC_SHA2_256_128};
	c->spi_in = 0xB5D09AB8;
	c->spi_out = 0x9FA69407;
	c->expires = fake->now + 3445ull * 1000000000;
	addr_parse("162.159.66.164", &c->remote.a);
	fake->n_conf_children = 1;
	assert_text(
		"show vpn ipsec-sa",
		"GwID/client IP  TnID   Peer-Address           Tunnel(Gateway)                                Algorithm          SPI(in)  SPI(out) life(Sec/KB)             remain-time(Sec)\n"
		"--------------  ----   ------------           ---------------                                ---------          -------  -------- ------------             ----------------\n"
		"2               2      162.159.66.164         CF_Magic_WAN_IPsec_01(CF_Magic_WAN_IKE_01)     ESP/A256/SHA256    B5D09AB8 9FA69407 3600/Unlimited           3445\n"
		"\n"
		"Show IPSec SA: Total 1 tunnels found. 1 ipsec sa found.\n");
}

/* A name longer than its column widens it: the columns behind it stay where their titles are. */
static void test_long_names(void **state)
{
	struct ike_child_info *c = fake_child(1);
	struct got g;
	char *text;

	c->tunnel = "a-tunnel-with-a-name-of-considerable-length";
	g = ask("show vpn ipsec-sa", 0);
	text = text_of(g.doc);
	assert_string_equal(
		strtok(text, "\n"),
		"GwID/client IP  TnID   Peer-Address           Tunnel(Gateway)                                 "
		"   Algorithm          SPI(in)  SPI(out) life(Sec/KB)             remain-time(Sec)");
	strtok(NULL, "\n");
	assert_string_equal(
		strtok(NULL, "\n"),
		"1               1      203.0.113.10           a-tunnel-with-a-name-of-considerable-length:P1(G1"
		") ESP/G256/          00001001 FCAEE176 3600/Unlimited           3600");
	free(text);
	got_free(&g);
}

/* AEAD has no hash behind its slash [V]; a volume limit stands in KB. */
static void test_ipsec_sa_aead(void **state)
{
	struct ike_child_info *c = fake_child(1);
	struct got g;
	char *text;

	c->life_bytes = 102400ull * 1024;
	g = ask("show vpn ipsec-sa", 0);
	text = text_of(g.doc);
	assert_non_null(strstr(text, "T1:P1(G1) "));
	assert_non_null(strstr(text, " ESP/G256/ "));
	assert_non_null(strstr(text, " 3600/102400 "));
	free(text);
	got_free(&g);
}

/* [V] but for the blanks in front of the totals */
static void test_flow_list_golden(void **state)
{
	assert_rendered(
		"{\"type\":\"vpn-flow\",\"total\":2,\"num_ipsec\":2,\"num_shown\":2,\"detail\":false,\"entries\":[{\"id\":24,"
		"\"name\":\"localzs3:primarytunnel\",\"state\":\"active\",\"mon\":\"up\",\"localip\":\"10.96.19.238\","
		"\"peerip\":\"10.66.88.108\",\"inner-if\":\"tunnel.2\"}]}",
		"total tunnels configured:                                     2\n"
		"filter - type IPSec, state any\n"
		"\n"
		"total IPSec tunnel configured:                                2\n"
		"total IPSec tunnel shown:                                     2\n"
		"\n"
		"id    name                          state   monitor local-ip                      peer-ip                       tunnel-i/f\n"
		"--    ----                          -----   ------- --------                      -------                       ----------\n"
		"24    localzs3:primarytunnel        active  up      10.96.19.238                  10.66.88.108                  tunnel.2\n");
}

/* [V]: the identity is cut to its column there. */
static void test_gateway_golden(void **state)
{
	assert_rendered(
		"{\"type\":\"vpn-gateway\",\"gateways-found\":1,\"entries\":[{\"gwid\":17,\"name\":\"localzs3\","
		"\"peer-ip\":\"10.66.88.108\",\"local-ip\":\"10.96.19.238\",\"local-id\":{\"type\":\"email\",\"value\":"
		"\"pa220@ec2.compute\"},\"proto\":\"IKEv2\",\"auth\":\"PSK\",\"dh\":[\"DH2\"],\"enc\":[\"AES128\"],"
		"\"hash\":[\"SHA1\"],\"life\":360}]}",
		"GwID     Name                 Peer-Address/ID                Local Address/ID               Protocol    Proposals\n"
		"----     ----                 ---------------                ----------------               --------    ---------\n"
		"17       localzs3             10.66.88.108                   10.96.19.238(email:pa220@ec2.c IKEv2       [PSK][DH2][AES128][SHA1]360-sec\n"
		"\n"
		"Show IKE gateway config: Total 1 gateways found.\n");
}

/* [V] */
static void test_tunnel_golden(void **state)
{
	assert_rendered(
		"{\"type\":\"vpn-tunnel\",\"tunnels-found\":2,\"entries\":[{\"id\":3,\"name\":\"Zscaler-Tunnel\",\"gw\":"
		"\"VPN-71\",\"TSi_ip\":\"0.0.0.0\",\"TSi_prefix\":0,\"TSi_proto\":0,\"TSi_port\":0,\"TSr_ip\":\"0.0.0.0\","
		"\"TSr_prefix\":0,\"TSr_proto\":0,\"TSr_port\":0,\"dh\":[\"DH2\"],\"enc\":[\"NULL\"],\"hash\":[\"MD5\"],"
		"\"life\":7200}]}",
		"TnID    Name(Gateway)                        Local Proxy IP     Ptl:Port      Remote Proxy IP    Ptl:Port         Proposals\n"
		"----    -------------                        --------------     --------      ---------------    --------         ---------\n"
		"3          Zscaler-Tunnel(VPN-71)            0.0.0.0/0          0:0           0.0.0.0/0          0:0         ESP tunl [DH2][NULL][MD5]      7200-sec\n"
		"\n"
		"Show IPSec tunnel config: Total 2 tunnels found\n");
}

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

/* The long form: labels as on PAN-OS, values to column 32. */
static void test_flow_detail(void **state)
{
	struct ike_child_info *c = fake_child(1);

	fake->now += 862ull * 1000000000;
	c->udp_encap = true;
	c->local.port = c->remote.port = 4500;
	fake->out = (struct dp_sa_stats){.packets = 231300323, .bytes = 144622057752, .seq = 20957};
	fake->in = (struct dp_sa_stats){.packets = 198892459,
					.bytes = 28346038120,
					.seq = 16585,
					.replays = 3,
					.auth_errors = 2,
					.last_used_ns = fake->now,
					.worker = 1};
	fake->out.last_used_ns = fake->now;
	fake->policy.acquires = 38863;
	fake->in.late[0] = 1200;
	fake->in.late[6] = 3;
	fake->in.left[14] = 1;
	assert_text("show vpn flow tunnel-id 1",
		    "tunnel  T1:P1\n"
		    "        id:                     1\n"
		    "        type:                   IPSec\n"
		    "        gateway id:             1\n"
		    "        local ip:               198.51.100.20\n"
		    "        peer ip:                203.0.113.10\n"
		    "        inner interface:        tunnel.1\n"
		    "        outer interface:        ethernet1/1\n"
		    "        state:                  active\n"
		    "        tunnel mtu:             1438\n"
		    "        path mtu learned:       1492\n"
		    "        soft lifetime:          3000\n"
		    "        hard lifetime:          3600\n"
		    "        lifetime remain:        2738 sec\n"
		    "        lifesize remain:        N/A\n"
		    "        latest rekey:           862 seconds ago\n"
		    "        monitor:                off\n"
		    "        local spi:              00001001\n"
		    "        remote spi:             FCAEE176\n"
		    "        key type:               auto key\n"
		    "        protocol:               ESP\n"
		    "        auth algorithm:         null\n"
		    "        enc  algorithm:         AES256-GCM16\n"
		    "        NAT traversal:          UDP 4500 - 4500\n"
		    "        traffic selector:\n"
		    "          protocol:             any\n"
		    "          local ip range:       10.20.20.0 - 10.20.20.255\n"
		    "          local port range:     0 - 65535\n"
		    "          remote ip range:      10.10.10.0 - 10.10.10.255\n"
		    "          remote port range:    0 - 65535\n"
		    "        anti replay check:      yes\n"
		    "        anti replay window:     1024\n"
		    "        copy tos:               yes\n"
		    "        outer DF:               copy\n"
		    "        adjust tcp mss:         yes\n"
		    "        enable gre encap:       no\n"
		    "        initiator:              yes\n"
		    "        traffic:                both ways\n"
		    "        authentication errors:  2\n"
		    "        decryption errors:      0\n"
		    "        inner packet warnings:  0\n"
		    "        replay packets:         3\n"
		    "        sending sequence:       20957\n"
		    "        receive sequence:       16585\n"
		    "        encap packets:          231300323\n"
		    "        decap packets:          198892459\n"
		    "        encap bytes:            144622057752\n"
		    "        decap bytes:            28346038120\n"
		    "        key acquire requests:   38863\n"
		    "        dropped without SA:     0\n"
		    "        late packets:           1203\n"
		    "        left of window:         1\n"
		    "          behind 1-1:           1200 late, 0 left of window\n"
		    "          behind 64-127:        3 late, 0 left of window\n"
		    "          behind 16384-32767:   0 late, 1 left of window\n"
		    "        window needed:          32768, more than the largest, 16384\n"
		    "        owner cpuid:            1\n"
		    "\n");
}

static void assert_flow(const char *traffic, int64_t one_way_s)
{
	struct got g = ask("show vpn flow tunnel-id 1", 0);
	const json_t *e = json_array_get(json_object_get(g.doc, "entries"), 0);
	char *text = text_of(g.doc), line[64];

	assert_string_equal(json_string_value(json_object_get(e, "traffic")), traffic);
	assert_int_equal(json_integer_value(json_object_get(e, "one-way-s")), one_way_s);
	snprintf(line, sizeof(line), "        traffic:                %s%s", traffic,
		 strstr(traffic, "only") ? " for " : "\n");
	assert_non_null(strstr(text, line));
	free(text);
	got_free(&g);
}

/* Which way packets go, by when each direction was last in use. */
static void test_flow_traffic(void **state)
{
	const uint64_t s = 1000000000, now = fake->now + 100 * s;
	static const struct {
		uint8_t in, out; /* seconds ago; 0: never */
		uint8_t packets; /* of both */
		const char *traffic;
		uint8_t one_way_s;
	} cases[] = {
		{0, 0, 0, "none yet", 0},  {1, 1, 9, "both ways", 0},   {5, 1, 9, "both ways", 0},
		{6, 1, 9, "out only", 6},  {1, 6, 9, "in only", 6},     {0, 1, 9, "out only", 100},
		{1, 0, 9, "in only", 100}, {90, 90, 9, "both ways", 0},
	};
	struct ike_child_info *c = fake_child(1);

	fake->now = now;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake->in = (struct dp_sa_stats){.packets = cases[i].packets,
						.last_used_ns = cases[i].in ? now - cases[i].in * s : 0};
		fake->out = (struct dp_sa_stats){.packets = cases[i].packets,
						 .last_used_ns = cases[i].out ? now - cases[i].out * s : 0};
		assert_flow(cases[i].traffic, cases[i].one_way_s);
	}
	/* One that has just come up: a packet or two are on their way. */
	c->created = now;
	fake->in = (struct dp_sa_stats){0};
	fake->out = (struct dp_sa_stats){.packets = 2, .last_used_ns = now};
	assert_flow("both ways", 0);
	fake->out.packets = 3;
	assert_flow("out only", 0);
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

static void test_flow_down(void **state)
{
	struct got g = ask("show vpn flow name T1:P2", 0);
	char *text = text_of(g.doc);

	assert_string_equal(json_string_value(json_object_get(entry(&g, "entries", 0), "state")), "inactive");
	assert_non_null(strstr(text, "        enc  algorithm:         not established\n"));
	assert_non_null(strstr(text, "        proxy-id local ip:      10.20.21.0/24\n"));
	assert_null(strstr(text, "local spi"));
	free(text);
	got_free(&g);
	fake->conf_children[1].negotiating = true;
	g = ask("show vpn flow name T1:P2", 0);
	assert_string_equal(json_string_value(json_object_get(entry(&g, "entries", 0), "state")), "init");
	got_free(&g);
}

static void test_ike_sa_detail(void **state)
{
	struct ike_sa_info *s = fake_ike_sa();

	fake_child(1);
	fake->epoch = 1780607353 - 1000;
	s->msgid_in = 35;
	s->msgid_out = 37;
	s->nat_remote = true;
	s->remote_id = (struct ike_id){.type = ID_FQDN, .len = 6, .data = "branch"};
	s->rekey_at = fake->now + 100ull * 1000000000;
	assert_text("show vpn ike-sa detail gateway G1",
		    "IKE Gateway G1, ID 1 198.51.100.20[500] => 203.0.113.10[500]\n"
		    "Current time: Jun.04 21:09:13\n"
		    "\n"
		    "IKE SA:\n"
		    "SPI: 8669654AB024E4AE:CABD66D702C02131 Init\n"
		    "State: Established\n"
		    "SN: 1\n"
		    "Authentication: PSK, peer PSK\n"
		    "Proposal: AES256-CBC/SHA256/DH14\n"
		    "ID local: ipaddr:198.51.100.20\n"
		    "remote: fqdn:branch\n"
		    "ID_i: IPv4_address:198.51.100.20\n"
		    "ID_r: FQDN:branch\n"
		    "NAT: Peer behind NAT\n"
		    "Message ID: rx 35, tx 37\n"
		    "Liveness check: sending informational packet after idle 10 seconds\n"
		    "Created: Jun.04 21:09:13, rekey: Jun.04 21:10:53, expires: Jun.05 05:09:13\n"
		    "Rekeyed since authentication: 0\n"
		    "\n"
		    "Child SA 1:\n"
		    "Tunnel: T1:P1, ID 1\n"
		    "SPI: 00001001:FCAEE176 Init\n"
		    "State: Mature\n"
		    "Proposal: ESP/G256//no-pfs\n"
		    "TS local: 10.20.20.0/24\n"
		    "TS remote: 10.10.10.0/24\n"
		    "Created: Jun.04 21:09:13, rekey: Jun.04 21:59:13, expires: Jun.04 22:09:13\n"
		    "\n");
}

static void test_nothing_up(void **state)
{
	assert_text("show vpn ike-sa",
		    "\nThere is no IKEv1 phase-1 SA found.\n\nThere is no IKEv1 phase-2 SA found.\n\n"
		    "There is no IKEv2 SA found.\n");
	assert_text("show vpn ipsec-sa", "\nThere is no IPSec SA found.\n");
}

/* ---- why it failed ------------------------------------------------------------------------------- */

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
	assert_string_equal(json_string_value(json_object_get(entry(&g, "callers", 0), "kind")), "identity");
	text = text_of(g.doc);
	assert_non_null(strstr(text,
			       "\nCalls from nobody's peer:\n  192.0.2.9[500] called in IKEv2, identity "
			       "x\\x1b[31m.example, last 5 s ago: no gateway has that peer-id (4)\n"));
	free(text);
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

static void test_failure_document(void **state)
{
	struct got g;
	const json_t *f;

	failed.at = fake->now;
	fake->gateways[0].last_failure = &failed;
	g = ask("show vpn ike-sa gateway G1", 0);
	f = entry(&g, "failures", 0);
	assert_string_equal(json_string_value(json_object_get(f, "gateway")), "G1");
	assert_true(json_is_null(json_object_get(f, "tunnel")));
	assert_string_equal(json_string_value(json_object_get(f, "cause")), "auth-failed");
	assert_string_equal(json_string_value(json_object_get(f, "exchange")), "IKE_AUTH");
	assert_string_equal(json_string_value(json_object_get(f, "hint")), "compare the pre-shared keys");
	assert_int_equal(member(f, "at"), fake->epoch + 1000);
	assert_true(json_is_false(json_object_get(f, "reported-by-peer")));
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

/* ---- documents ----------------------------------------------------------------------------------- */

static void test_ipsec_sa_document(void **state)
{
	struct got g;
	const json_t *e;

	fake_child(2);
	g = ask("show vpn ipsec-sa tunnel T1:P2", 0);
	e = entry(&g, "entries", 0);
	assert_int_equal(member(g.doc, "ntun"), 1);
	assert_int_equal(member(e, "gwid"), 1);
	assert_int_equal(member(e, "tid"), 2);
	assert_int_equal(member(e, "i_spi"), 0x1001);
	assert_int_equal(member(e, "o_spi"), 0xFCAEE176);
	assert_int_equal(member(e, "life"), 3600);
	assert_int_equal(member(e, "remain"), 3600);
	assert_int_equal(member(e, "kb"), 0);
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
	assert_int_equal(member(entry(&g, "entries", 0), "pkt-decap"), 10);
	assert_int_equal(member(entry(&g, "entries", 0), "pkt-encap"), 14);
	assert_string_equal(json_string_value(json_object_get(entry(&g, "entries", 0), "remote-spi")),
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
	assert_int_equal(member(entry(&g, "entries", 0), "value"), 4);
	got_free(&g);
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
	assert_int_equal(member(entry(&g, "entries", 0), "mtu"), 1500);
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

	assert_int_equal(member(json_array_get(json_object_get(g.doc, "entries"), 0), "left"), 47);
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
	assert_int_equal(member(g.doc, "uptime"), 999);
	assert_int_equal(member(g.doc, "proxy-ids"), 2);
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
	assert_string_equal(json_string_value(json_object_get(entry(&g, "entries", 0), "TSi_ip")),
			    "10.20.21.0");
	assert_int_equal(member(entry(&g, "entries", 0), "TSi_prefix"), 24);
	text = text_of(g.doc);
	assert_non_null(strstr(text, "ESP tunl [no-pfs][AES256-GCM]  3600-sec\n"));
	free(text);
	got_free(&g);
}

/* Every command answers with a document that the client knows. */
/* A log file of the test's, gone with log_gone(). */
static void log_with(const char *text)
{
	FILE *f;
	int fd;

	strcpy(fake->conf.sys.log_file, "/tmp/culvert-test-cli-XXXXXX");
	fd = mkstemp(fake->conf.sys.log_file);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void log_gone(void)
{
	unlink(fake->conf.sys.log_file);
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

static void test_counter_global(void **state)
{
	struct got g;
	const json_t *e;

	fake->drops[1] = 7;
	g = ask("show counter global", 0);
	e = entry(&g, "entries", 0);
	assert_string_equal(json_string_value(json_object_get(e, "name")), "packets-received");
	assert_int_equal(member(e, "value"), 5);
	got_free(&g);
	g = ask("show counter global delta", 0);
	got_free(&g);
	fake->drops[1] = 9;
	fake->now += 2000000000;
	g = ask("show counter global delta", 0);
	assert_int_equal(json_array_size(json_object_get(g.doc, "entries")), 1);
	e = entry(&g, "entries", 0);
	assert_string_equal(json_string_value(json_object_get(e, "name")), "esp-replay");
	assert_string_equal(json_string_value(json_object_get(e, "severity")), "drop");
	assert_int_equal(member(e, "value"), 2);
	assert_int_equal(member(e, "rate"), 1);
	got_free(&g);
	assert_error("test routing fib-lookup", 2, "ip: missing; allowed: an IP address");
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
	assert_error("ping host 203.0.113.10 count 0", 2, "count: found \"0\"; allowed: 1 to 65535");
	assert_error("ping host 203.0.113.10 count 7x", 2, "count: found \"7x\"; allowed: 1 to 65535");
	assert_error("ping host 198.51.100.20", 1, "ping: 198.51.100.20 is an address of this gateway's own");
	assert_error(
		"ping host 203.0.113.10 source 192.0.2.9", 1,
		"ping: source 192.0.2.9 is none of this gateway's addresses; show interface all lists them");
	assert_int_equal(fake->echo_closed, 1);
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

static void test_every_command(void **state)
{
	/* those that cannot do without */
	static const struct {
		enum cli_cmd id;
		const char *words;
	} needs[] = {
		{CLI_TEST_VPN_PACKET, "source 10.20.20.10 destination 10.10.10.10"},
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

/* ---- pages ----------------------------------------------------------------------------------------- */

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
			assert_int_equal(member(entry(&g, "entries", (size_t)i), "sn"), i + 1);
			assert_int_equal(member(entry(&g, "children", (size_t)i), "id"), i + 1);
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
		assert_int_equal(member(entry(&g, "entries", i), "id"), i + 1);
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

/* ---- refusals -------------------------------------------------------------------------------------- */

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
	assert_int_equal(member(g.last, "exit"), 1);
	assert_string_equal(json_string_value(json_object_get(g.last, "error")),
			    "/etc/culvert/culvert.conf: 1 error; nothing was changed");
	text = text_of(g.doc);
	assert_string_equal(text,
			    "warning: culvert.conf:1: a warning\n"
			    "error: culvert.conf:5: ike-crypto-profile \"P\": dh-group: found \"group99\"\n");
	free(text);
	got_free(&g);
	fake->answer = -EALREADY;
	g = ask("commit", 0);
	assert_string_equal(json_string_value(json_object_get(g.last, "error")),
			    "another commit is going on: wait until it has ended");
	got_free(&g);
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
		assert_int_equal(member(g.last, "exit"), 2);
		assert_null(g.doc);
		got_free(&g);
	}
	assert_string_equal(fake->called, "");
}

/* ---- completion ------------------------------------------------------------------------------------ */

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

/* ---- security rules ------------------------------------------------------------------------------ */

static void test_rules(void **state)
{
	static cfg_zone_name from[1] = {"VPN-Zone"}, to[1] = {"untrust"};
	static struct prefix source[2];
	static struct cfg_service services[2] = {{1, 0, 65535}, {6, 5000, 5010}};
	static uint32_t ids[] = {42};
	static struct cfg_rule rule = {.name = "R1",
				       .allow = true,
				       .n_from = 1,
				       .from = from,
				       .n_to = 1,
				       .to = to,
				       .n_source = 2,
				       .source = source,
				       .n_services = 2,
				       .services = services,
				       .sport_hi = 65535};

	assert_text("show rule-hit-count",
		    "There are no security rules: every packet may pass between zones.\n");
	assert_text("show running security-policy",
		    "There are no security rules: every packet may pass between zones.\n");
	prefix_parse("10.10.10.0/24", &source[0]);
	prefix_parse("10.10.11.7/32", &source[1]);
	fake->conf.rules_given = true;
	fake->conf.rules = &rule;
	fake->conf.n_rules = 1;
	fake->ctl.rule_ids = ids;
	assert_text("show running security-policy", "\"R1; index: 1\" {\n"
						    "        from VPN-Zone;\n"
						    "        source [ 10.10.10.0/24 10.10.11.7/32 ];\n"
						    "        to untrust;\n"
						    "        destination any;\n"
						    "        service [ icmp tcp/5000-5010 ];\n"
						    "        action allow;\n"
						    "        log no;\n"
						    "}\n"
						    "\"intrazone-default\" {\n"
						    "        action allow;\n"
						    "        log no;\n"
						    "}\n"
						    "\"interzone-default\" {\n"
						    "        action deny;\n"
						    "        log yes;\n"
						    "}\n");
	assert_text("show rule-hit-count",
		    "Rule Name                         Action  Hit Count         Last Hit\n"
		    "---------                         ------  ---------         --------\n"
		    "R1                                allow   1234567           Nov.24 16:16:40\n"
		    "intrazone-default                 allow   0                 -\n"
		    "interzone-default                 deny    3                 Nov.24 16:16:40\n");
}

/* ---- test vpn packet ------------------------------------------------------------------------------ */

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

/* ---- history ------------------------------------------------------------------------------------ */

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

/* ---- explain, reference --------------------------------------------------------------------------- */

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
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_ike_sa_golden),
		T(test_ipsec_sa_golden),
		T(test_ipsec_sa_aead),
		T(test_long_names),
		T(test_flow_list_golden),
		T(test_gateway_golden),
		T(test_tunnel_golden),
		T(test_actions_golden),
		T(test_flow_detail),
		T(test_flow_traffic),
		T(test_flow_down),
		T(test_ike_sa_detail),
		T(test_nothing_up),
		T(test_failure_reason),
		T(test_failure_at_length),
		T(test_callers),
		T(test_failure_document),
		T(test_failure_of_all),
		T(test_no_secret),
		T(test_ipsec_sa_document),
		T(test_flow_while_rekeying),
		T(test_counters),
		T(test_interface),
		T(test_routes),
		T(test_capacity),
		T(test_system),
		T(test_config_documents),
		T(test_every_command),
		T(test_ping),
		T(test_clear_flow),
		T(test_pages),
		T(test_flow_pages),
		T(test_change_between_pages),
		T(test_no_such_thing),
		T(test_engine_refuses),
		T(test_commit),
		T(test_bad_requests),
		T(test_complete),
		T(test_rules),
		T(test_packet),
		T(test_capture),
		T(test_history),
		T(test_knowledge),
		T(test_log),
		T(test_debug_of_a_gateway),
		T(test_counter_global),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
