/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flows that a worker remembers: the second packet of one is not looked up and fares as the first did, until
 * anything changes that its fate hangs on.  What is dropped, logged, in fragments or our own is never remembered.
 */
#include "peer.h"

#include <netinet/in.h>
#include <string.h>

#include "dp.h"
#include "flow.h"

#define HOST "10.1.0.7"
#define FAR  "10.2.0.9"
#define WEB  "192.0.2.80" /* behind port 0, in the clear */

enum { TRUST = 1, UNTRUST = 2, VPN = 3 };

static uint16_t tunnel;
static struct peer peer;
static uint32_t policy;
static unsigned n_logged;

static void on_hit(void *ctx, const struct dp_rule_hit *h)
{
	n_logged++;
}

static int setup(void **state)
{
	tunnel = peer_lab(NULL);
	dp.handlers.rule_hit = on_hit;
	policy = peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", 0, 0, 0);
	peer = (struct peer){.spi_out = 0x1001};
	peer_keys(&peer, 1);
	peer_install(&peer, policy, NULL);
	dpt_neighbour(0, WEB, dpt_peer[0]);
	assert_int_equal(dp_if_zone(dpt_port[1], TRUST), 0);
	assert_int_equal(dp_if_zone(dpt_port[0], UNTRUST), 0);
	assert_int_equal(dp_if_zone(tunnel, VPN), 0);
	dpt_clear();
	return 0;
}

static int teardown(void **state)
{
	peer_remove(&peer);
	assert_int_equal(dp_policy_del(policy), 0);
	dpt_fini();
	return 0;
}

static uint64_t known(void)
{
	struct dp_worker_stats s;

	assert_int_equal(dp_worker_stats(0, &s), 0);
	return s.known_flows;
}

/* A UDP packet of the host.  `out`: it leaves by port 0; else nothing does. */
static bool sends_from(const char *src, const char *dst, uint16_t sport, bool out)
{
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
	uint64_t before = known();

	dpt_inject_ip(1, 0, packet, dpt_udp4(packet, src, sport, dst, 53, "question", 8));
	dpt_run();
	if (out)
		dpt_take_one(0, frame);
	else
		dpt_take_none(0);
	return known() != before;
}

static bool sends(const char *dst, uint16_t sport, bool out)
{
	return sends_from(HOST, dst, sport, out);
}

static bool peer_sends(uint16_t sport)
{
	uint8_t packet[DPT_FRAME_MAX], esp[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
	size_t len = dpt_udp4(packet, FAR, sport, HOST, 53, "question", 8);
	uint64_t before = known();

	dpt_inject_ip(0, 0, esp, peer_seal(&peer, packet, len, NULL, esp));
	dpt_run();
	dpt_take_one(1, frame);
	return known() != before;
}

static void second_is_known(void **state)
{
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(sends(FAR, 1000, true), i > 0);
		assert_int_equal(sends(WEB, 1000, true), i > 0);
		assert_int_equal(peer_sends(1000), i > 0);
	}
	assert_false(sends(FAR, 1001, true)); /* another flow */
	dpt_expect_drop("", 0);
}

/* A known flow's packets are as those of an unknown one but for what counts up. */
static void same_packets(void **state)
{
	uint8_t packet[DPT_FRAME_MAX], frame[2][DPT_FRAME_MAX], got[2][DPT_FRAME_MAX];
	size_t len[2], n[2];
	uint64_t seq;

	for (unsigned i = 0; i < 2; i++) {
		dpt_inject_ip(1, 0, packet, dpt_udp4(packet, HOST, 1100, FAR, 53, "question", 8));
		dpt_run();
		len[i] = dpt_take_one(0, frame[i]);
		n[i] = peer_open(&peer, frame[i] + 14, len[i] - 14, got[i], &seq);
		dpt_inject_ip(1, 0, packet, dpt_udp4(packet, HOST, 1100, WEB, 53, "question", 8));
		dpt_run();
		dpt_take_one(0, frame[i]);
		assert_int_equal(frame[i][14 + 8], 63);
		assert_true(dpt_sums_right(frame[i] + 14, 36));
	}
	assert_int_equal(n[0], n[1]);
	assert_memory_equal(got[0], got[1], n[0]);
	assert_int_equal(got[1][8], 63);
	assert_memory_equal(frame[0], frame[1], 14 + 36);
}

/* The last hop's packets die although their flow lives. */
static void no_time_left(void **state)
{
	uint8_t packet[DPT_FRAME_MAX];

	assert_false(sends(FAR, 1200, true));
	assert_true(sends(FAR, 1200, true));
	dpt_clear();
	for (unsigned i = 0; i < 2; i++) {
		size_t len = dpt_udp4(packet, HOST, 1200, FAR, 53, "question", 8);

		packet[8] = 1;
		dpt_sum4(packet);
		dpt_inject_ip(1, 0, packet, len);
	}
	dpt_run();
	dpt_take_none(0);
	dpt_expect_drop("ip-ttl-exceeded", 2);
}

static struct dp_route via_port(const char *prefix)
{
	struct dp_route r;

	memset(&r, 0, sizeof(r));
	assert_int_equal(prefix_parse(prefix, &r.dst), 0);
	assert_int_equal(addr_parse("192.0.2.80", &r.via), 0);
	return r;
}

/* More specific routes and proxy-IDs take their packets at once, and give them back. */
static void routes_and_policies(void **state)
{
	struct dp_route r = via_port("10.2.0.9/32");
	uint32_t other;

	assert_false(sends(FAR, 1300, true));
	assert_true(sends(FAR, 1300, true));
	assert_int_equal(dp_route_add(&r), 0);
	dpt_run();
	assert_false(sends(FAR, 1300, true)); /* in the clear, by port 0 */
	assert_true(sends(FAR, 1300, true));
	assert_int_equal(dp_route_del(&r.dst), 0);
	dpt_run();
	assert_false(sends(FAR, 1300, true));
	dpt_expect_drop("", 0);

	other = peer_policy(tunnel, "10.1.0.0/16", "10.2.0.9/32", IPPROTO_UDP, 0, 0);
	assert_false(sends(FAR, 1300, false));
	dpt_expect_drop("no-sa", 1);
	assert_int_equal(dp_policy_del(other), 0);
	assert_false(sends(FAR, 1300, true));
	assert_true(sends(FAR, 1300, true));
	dpt_expect_drop("", 0);
}

/* A new SA carries the next packet; without one there is none. */
static void sas(void **state)
{
	struct peer next = {.spi_out = 0x1002};
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];

	assert_false(sends(FAR, 1400, true));
	assert_true(sends(FAR, 1400, true));
	peer_keys(&next, 2);
	peer_install(&next, policy, NULL);
	dpt_inject_ip(1, 0, packet, dpt_udp4(packet, HOST, 1400, FAR, 53, "question", 8));
	dpt_run();
	dpt_take_one(0, frame);
	assert_int_equal(frame[14 + 20 + 3], 2);
	assert_true(sends(FAR, 1400, true));
	assert_int_equal(dp_policy_bind(policy, DP_SA_NONE), 0);
	assert_false(sends(FAR, 1400, false));
	dpt_expect_drop("no-sa", 1);
	assert_int_equal(dp_policy_bind(policy, peer.sa_out), 0);
	peer_remove(&next);
	assert_false(sends(FAR, 1400, true));
	dpt_expect_drop("", 0);
}

/* Its SA has the way to the peer: when that changes, packets go the new one at once. */
static void way_to_the_peer(void **state)
{
	static const uint8_t router[6] = {2, 0, 0, 0, 9, 9};
	struct dp_route r = via_port("203.0.113.0/24");
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];

	assert_false(sends(FAR, 1500, true));
	assert_true(sends(FAR, 1500, true));
	dpt_neighbour(0, "192.0.2.81", router);
	assert_int_equal(addr_parse("192.0.2.81", &r.via), 0);
	assert_int_equal(prefix_parse("192.0.2.2/32", &r.dst), 0); /* the peer is behind a router now */
	assert_int_equal(dp_route_add(&r), 0);
	dpt_run();
	dpt_inject_ip(1, 0, packet, dpt_udp4(packet, HOST, 1500, FAR, 53, "question", 8));
	dpt_run();
	dpt_take_one(0, frame);
	assert_memory_equal(frame, router, 6);
	assert_int_equal(dp_route_del(&r.dst), 0);
	dpt_run();
	dpt_inject_ip(1, 0, packet, dpt_udp4(packet, HOST, 1500, FAR, 53, "question", 8));
	dpt_run();
	dpt_take_one(0, frame);
	assert_memory_equal(frame, dpt_peer[0], 6);
}

static void rules(uint32_t id, bool allow, bool log)
{
	struct dp_rule r = {.id = id, .allow = allow, .log = log};
	struct dp_rule_term t = {.sport_hi = 65535, .dport_hi = 65535};

	assert_int_equal(dp_rules_set(&r, 1, &t, 1), 0);
}

static uint64_t hits(uint32_t id)
{
	struct dp_rule_stats s;

	assert_int_equal(dp_rule_stats(id, &s), 0);
	return s.packets;
}

/* Known flows count for their rule; a rule that denies or logs is asked each time. */
static void hits_and_denials(void **state)
{
	assert_false(sends(FAR, 1600, true));
	assert_true(sends(FAR, 1600, true));
	rules(7, true, false);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(sends(FAR, 1600, true), i > 0);
		assert_int_equal(sends(WEB, 1600, true), i > 0);
		assert_int_equal(peer_sends(1600), i > 0);
	}
	assert_int_equal(hits(7), 15);
	rules(7, false, false);
	for (unsigned i = 0; i < 2; i++)
		assert_false(sends(FAR, 1600, false));
	dpt_expect_drop("rule-denied", 2);
	assert_int_equal(hits(7), 17);
	rules(8, true, true);
	n_logged = 0;
	for (unsigned i = 0; i < 2; i++)
		assert_false(sends(FAR, 1600, true));
	assert_int_equal(n_logged, 2);
	/* no rule for what changes its zone */
	rules(9, true, false);
	assert_false(sends(FAR, 1600, true));
	assert_true(sends(FAR, 1600, true));
	assert_int_equal(dp_if_zone(tunnel, DP_ZONE_NONE), 0);
	assert_false(sends(FAR, 1600, true));
	assert_int_equal(dp_if_zone(tunnel, VPN), 0);
	assert_int_equal(dp_rules_set(NULL, 0, NULL, 0), 0);
	assert_false(sends(FAR, 1600, true));
	dpt_expect_drop("", 0);
}

/* An address that becomes ours is not forwarded to any longer, nor from. */
static void becomes_ours(void **state)
{
	struct prefix p;
	uint16_t own;

	assert_false(sends("10.2.9.9", 1700, true));
	assert_true(sends("10.2.9.9", 1700, true));
	assert_false(sends_from("10.1.9.9", FAR, 1700, true));
	assert_true(sends_from("10.1.9.9", FAR, 1700, true));
	assert_int_equal(prefix_parse("10.2.9.9/32", &p), 0);
	assert_int_equal(dp_tunnel_if_add("tunnel.90", &p, 1, &own), 0);
	assert_false(sends("10.2.9.9", 1700, false));
	dpt_expect_drop("local-no-service", 1);
	assert_int_equal(prefix_parse("10.1.9.9/32", &p), 0);
	assert_int_equal(dp_tunnel_if_add("tunnel.91", &p, 1, &own), 0);
	assert_false(sends_from("10.1.9.9", FAR, 1700, false));
	dpt_expect_drop("ip-martian-address", 1);
}

/* Fragments have no ports, and IPv4 without them has: one is not taken for the other. */
static void fragments(void **state)
{
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
	struct dpt_ip4 h = {.src = HOST, .dst = FAR, .proto = IPPROTO_ESP, .frag = 0x2000};
	uint64_t before = known();

	for (unsigned i = 0; i < 3; i++) {
		dpt_inject_ip(1, 0, packet, dpt_ip4(packet, &h, "12345678", 8));
		dpt_run();
		dpt_take_one(0, frame);
	}
	assert_int_equal(known(), before);
	h.frag = 0;
	for (unsigned i = 0; i < 2; i++) {
		dpt_inject_ip(1, 0, packet, dpt_ip4(packet, &h, "12345678", 8));
		dpt_run();
		dpt_take_one(0, frame);
	}
	assert_int_equal(known(), before + 1);
	h.frag = 0x2000;
	dpt_inject_ip(1, 0, packet, dpt_ip4(packet, &h, "12345678", 8));
	dpt_run();
	dpt_take_one(0, frame);
	assert_int_equal(known(), before + 1);
}

/* As many flows as half the lines, which chance spreads unevenly: hardly one finds no place. */
static void third_of_a_line(void **state)
{
	uint32_t flows = flow_places(dp.worker[0]) / 4, n = 0;
	char src[20];

	for (unsigned round = 0; round < 2; round++) {
		srandom(1);
		for (uint32_t i = 0; i < flows; i++) {
			unsigned host = (unsigned)random() & 0x3fff;
			bool was;

			snprintf(src, sizeof(src), "10.1.%u.%u", 64 + (host >> 8), host & 255);
			was = sends_from(src, FAR, (uint16_t)(3000 + (random() & 0xfff)), true);
			n += round && was;
		}
	}
	assert_in_range(n, flows - flows / 100, flows);
	dpt_expect_drop("", 0);
}

/* More flows than there are places: all get through, and most of the latest are known. */
static void more_than_fit(void **state)
{
	uint32_t places = flow_places(dp.worker[0]), n = 0;
	char src[20];

	assert_in_range(places, 1 << 14, 1 << 20);
	for (uint32_t i = 0; i < 2 * places; i++) {
		snprintf(src, sizeof(src), "10.1.%u.%u", 16 + (i >> 14), i >> 6 & 255);
		sends_from(src, FAR, (uint16_t)(2000 + (i & 63)), true);
	}
	for (uint32_t i = 2 * places - places / 4; i < 2 * places; i++) {
		snprintf(src, sizeof(src), "10.1.%u.%u", 16 + (i >> 14), i >> 6 & 255);
		n += sends_from(src, FAR, (uint16_t)(2000 + (i & 63)), true);
	}
	assert_in_range(n, places / 5, places / 4);
	dpt_expect_drop("", 0);
}

/* The number of changes begins anew: what was kept under the same number long ago is forgotten. */
static void numbers_begin_anew(void **state)
{
	struct worker *w = dp.worker[0];
	uint32_t now;

	assert_false(sends(FAR, 1800, true));
	now = atomic_load(&dp.generation);
	atomic_store(&dp.generation, 1); /* all that lies between has been counted through */
	flow_begin(w);
	atomic_store(&dp.generation, now);
	assert_false(sends(FAR, 1800, true));
	assert_true(sends(FAR, 1800, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(second_is_known),
		cmocka_unit_test(same_packets),
		cmocka_unit_test(no_time_left),
		cmocka_unit_test(routes_and_policies),
		cmocka_unit_test(sas),
		cmocka_unit_test(way_to_the_peer),
		cmocka_unit_test(hits_and_denials),
		cmocka_unit_test(becomes_ours),
		cmocka_unit_test(fragments),
		cmocka_unit_test(third_of_a_line),
		cmocka_unit_test(more_than_fit),
		cmocka_unit_test(numbers_begin_anew),
	};

	return cmocka_run_group_tests_name("flow", tests, setup, teardown);
}
