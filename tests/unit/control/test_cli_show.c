/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of show, as PAN-OS lays them out.  Texts marked [V] are layouts seen on real PAN-OS; they are compared
 * to the letter. */
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

static void test_flow_down(void **state)
{
	struct got g = ask("show vpn flow name T1:P2", 0);
	char *text = text_of(g.doc);

	assert_string_equal(json_string_value(json_object_get(got_entry(&g, "entries", 0), "state")),
			    "inactive");
	assert_non_null(strstr(text, "        enc  algorithm:         not established\n"));
	assert_non_null(strstr(text, "        proxy-id local ip:      10.20.21.0/24\n"));
	assert_null(strstr(text, "local spi"));
	free(text);
	got_free(&g);
	fake->conf_children[1].negotiating = true;
	g = ask("show vpn flow name T1:P2", 0);
	assert_string_equal(json_string_value(json_object_get(got_entry(&g, "entries", 0), "state")), "init");
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

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, cli_begin, cli_end)
	const struct CMUnitTest tests[] = {
		T(test_ike_sa_golden), T(test_ipsec_sa_golden),  T(test_ipsec_sa_aead),
		T(test_long_names),    T(test_flow_list_golden), T(test_gateway_golden),
		T(test_tunnel_golden), T(test_flow_detail),      T(test_flow_traffic),
		T(test_flow_down),     T(test_ike_sa_detail),    T(test_nothing_up),
		T(test_rules),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
