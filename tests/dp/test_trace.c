/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What dp_trace_packet() says of a packet is what happens to it: every verdict is compared with the fate of
 * the same packet on the path.  And several next hops, and probes of a tunnel monitor.
 */
#include "peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "dp.h"
#include "port.h"

#define HOST  "10.1.1.50"
#define WEB   "192.0.2.80"
#define HOST6 "fd00:1::50"

static uint16_t tunnel[2];
static struct peer peer, peer6;
static struct dp_probe_answer answer;
static unsigned n_answers;

static void on_answer(void *ctx, const struct dp_probe_answer *a)
{
	answer = *a;
	n_answers++;
}

static void route_if(const char *dst, uint16_t ifindex)
{
	struct dp_route r = {.ifindex = ifindex};

	assert_int_equal(prefix_parse(dst, &r.dst), 0);
	assert_int_equal(dp_route_add(&r), 0);
}

static void in6(struct dp_sa_in_conf *c)
{
	c->ts_local[0] = peer_ts("fd00:1::/48", 0, 0);
	c->ts_remote[0] = peer_ts("2001:db8:f::/50", 0, 0);
}

static void out6(struct dp_sa_out_conf *c)
{
	c->ts_local[0] = peer_ts("fd00:1::/48", 0, 0);
	c->ts_remote[0] = peer_ts("2001:db8:f::/50", 0, 0);
}

static const struct peer_edit edit6 = {in6, out6};

static int setup(void **state)
{
	const struct dpt_conf c = {.n_workers = 2, .v6 = true};
	struct prefix own[2];

	dpt_init(&c);
	dp.handlers.probe_answer = on_answer;
	assert_int_equal(prefix_parse("10.1.2.1/32", &own[0]), 0);
	assert_int_equal(prefix_parse("fd00:1:0:1::1/128", &own[1]), 0);
	assert_int_equal(dp_tunnel_if_add("tunnel.1", own, 2, &tunnel[0]), 0);
	assert_int_equal(dp_tunnel_if_add("tunnel.2", NULL, 0, &tunnel[1]), 0);
	route_if("10.2.0.0/15", tunnel[0]); /* half of it outside the proxy-ID */
	route_if("10.4.0.0/16", tunnel[1]);
	peer = (struct peer){.spi_out = 0x4711};
	peer_keys(&peer, 1);
	peer_install(&peer, peer_policy(tunnel[0], "10.1.0.0/16", "10.2.0.0/16", 0, 0, 0), NULL);
	peer_policy(tunnel[1], "10.1.0.0/16", "10.4.0.0/16", 0, 0, 0);
	route_if("2001:db8:f::/48", tunnel[0]); /* half of it outside the proxy-ID */
	route_if("2001:db8:e::/48", tunnel[1]);
	peer6 = (struct peer){.spi_out = 0x6711};
	peer_keys(&peer6, 6);
	peer_install(&peer6, peer_policy(tunnel[0], "fd00:1::/48", "2001:db8:f::/49", 0, 0, 0), &edit6);
	peer_policy(tunnel[1], "fd00:1::/48", "2001:db8:e::/48", 0, 0, 0);
	dpt_neighbour(0, PEER_IP, dpt_peer[0]);
	dpt_neighbour(0, WEB, dpt_peer[0]);
	dpt_neighbour(1, HOST, dpt_peer[1]);
	return 0;
}

static int teardown(void **state)
{
	peer_remove(&peer);
	peer_remove(&peer6);
	dpt_fini();
	return 0;
}

static struct dp_trace trace(const char *src, const char *dst, uint16_t len)
{
	struct dp_trace_packet q = {.proto = IPPROTO_ICMP, .dport = 8 << 8, .len = len, .in_if = dpt_port[1]};
	struct dp_trace t;

	if (strchr(src, ':')) {
		q.proto = IPPROTO_ICMPV6;
		q.dport = 128 << 8;
	}

	assert_int_equal(addr_parse(src, &q.src), 0);
	assert_int_equal(addr_parse(dst, &q.dst), 0);
	assert_int_equal(dp_trace_packet(&q, &t), 0);
	dpt_run();
	dpt_expect_drop("", 0); /* nothing was counted ... */
	dpt_take_none(0);       /* ... sent ... */
	assert_int_equal(dpt_seen.n_acquire, 0);
	return t;
}

/* The trace's verdict, and the path's. */
static struct dp_trace both(const char *src, const char *dst, uint16_t data, enum dp_trace_step at,
			    const char *why)
{
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
	bool v6 = strchr(src, ':');
	struct dp_trace t = trace(src, dst, (uint16_t)((v6 ? 48 : 28) + data));

	assert_int_equal(t.stopped, at);
	assert_string_equal(t.drop ? t.drop : "", why);
	assert_true(!t.drop == !t.help);
	if (v6)
		ip6_inject(1, packet, ip6_echo(packet, src, dst, 1, data));
	else
		dpt_inject_ip(1, 0, packet, dpt_echo4(packet, src, dst, 1, data));
	dpt_run();
	dpt_expect_drop(why, *why ? 1 : 0);
	while (dpt_take(1, frame, NULL) > 0) /* an ICMP error may tell the sender */
		;
	if (*why)
		dpt_take_none(0);
	else
		dpt_take_one(0, frame);
	dpt_clear();
	return t;
}

static bool is_addr(const struct addr *a, const char *text)
{
	struct endpoint e = dpt_ep(text, 0);

	return addr_eq(a, &e.a);
}

static void verdicts(void **state)
{
	static const struct dp_rule none;
	struct dp_trace t = both(HOST, "10.2.0.9", 20, DP_TRACE_DONE, "");

	assert_int_equal(t.in_if, dpt_port[1]);
	assert_int_equal(t.out_if, tunnel[0]);
	assert_int_equal(t.policy, peer.policy);
	assert_int_equal(t.sa_out, peer.sa_out);
	assert_int_equal(t.spi, 0x4711);
	assert_int_equal(t.port_if, dpt_port[0]);
	assert_true(is_addr(&t.next_hop, PEER_IP));
	assert_true(t.neighbour && !t.rules && t.back.sa && t.back.selector && t.back.allow && t.back.route);
	assert_int_equal(t.mtu, dp_sa_out_mtu(peer.sa_out));

	both(HOST, "198.18.0.1", 20, DP_TRACE_ROUTE, "no-route");
	both(HOST, "192.0.2.255", 20, DP_TRACE_ROUTE, "ip-martian-address");
	both(HOST, "224.0.0.1", 20, DP_TRACE_PACKET, "ip-martian-address");
	both(HOST, "10.3.0.1", 20, DP_TRACE_PROXY_ID, "no-matching-proxy-id");
	both(HOST, "10.4.0.1", 20, DP_TRACE_SA, "no-sa");
	t = both(HOST, WEB, 20, DP_TRACE_DONE, "");
	assert_int_equal(t.out_if, dpt_port[0]);
	assert_true(is_addr(&t.next_hop, WEB));
	t = trace(HOST, "10.1.1.1", 40);
	assert_true(t.for_us && !t.drop);
	t = trace(HOST, "192.0.2.99", 40);
	assert_true(!t.drop && !t.neighbour);

	assert_int_equal(dp_if_zone(dpt_port[1], 1), 0);
	assert_int_equal(dp_if_zone(tunnel[0], 2), 0);
	assert_int_equal(dp_rules_set(&none, 0, NULL, 0), 0);
	t = both(HOST, "10.2.0.9", 20, DP_TRACE_RULE, "rule-denied");
	assert_int_equal(t.rule, DP_RULE_INTERZONE);
	assert_int_equal(dp_if_zone(tunnel[0], 1), 0);
	t = both(HOST, "10.2.0.9", 20, DP_TRACE_DONE, "");
	assert_true(t.rules && t.allow && t.rule == DP_RULE_INTRAZONE && t.back.allow);
	assert_int_equal(dp_rules_set(NULL, 0, NULL, 0), 0);
}

static void verdicts6(void **state)
{
	static const struct dp_rule none;
	struct dp_trace t;
	uint16_t mtu;

	ports[0].mtu = 1500;
	t = both(HOST6, "2001:db8:f::9", 20, DP_TRACE_DONE, "");
	assert_int_equal(t.in_if, dpt_port[1]);
	assert_int_equal(t.out_if, tunnel[0]);
	assert_int_equal(t.policy, peer6.policy);
	assert_int_equal(t.sa_out, peer6.sa_out);
	assert_int_equal(t.spi, 0x6711);
	assert_int_equal(t.route.len, 48);
	assert_true(is_addr(&t.next_hop, PEER_IP));
	assert_true(t.neighbour && !t.rules && t.back.sa && t.back.selector && t.back.allow && t.back.route);
	mtu = dp_sa_out_mtu(peer6.sa_out);
	assert_int_equal(t.mtu, mtu);

	both(HOST6, "2001:db8:abcd::1", 20, DP_TRACE_ROUTE, "no-route");
	both(HOST6, "ff02::1:2", 20, DP_TRACE_PACKET, "ip-martian-address");
	both(HOST6, "2001:db8:f:8000::1", 20, DP_TRACE_PROXY_ID, "no-matching-proxy-id");
	both(HOST6, "2001:db8:f:4000::1", 20, DP_TRACE_SELECTOR, "outside-selectors");
	both(HOST6, "2001:db8:e::1", 20, DP_TRACE_SA, "no-sa");
	both(HOST6, "2001:db8:f::9", (uint16_t)(mtu - 48), DP_TRACE_DONE, "");
	both(HOST6, "2001:db8:f::9", (uint16_t)(mtu - 47), DP_TRACE_MTU, "too-big");
	t = trace(HOST6, INSIDE6, 0);
	assert_true(t.for_us && !t.drop);
	t = trace(HOST6, "2001:db8:1::77", 0);
	assert_true(!t.drop && !t.neighbour && t.port_if == dpt_port[0]);
	assert_true(is_addr(&t.next_hop, "2001:db8:1::77"));

	ports[0].mtu = 1280; /* less goes in one piece, but a host may count on it */
	t = trace(HOST6, "2001:db8:f::9", 1280);
	assert_true(!t.drop && t.mtu == 1280);
	assert_string_equal(trace(HOST6, "2001:db8:f::9", 1281).drop, "too-big");
	ports[0].mtu = 1500;

	assert_int_equal(dp_if_zone(dpt_port[1], 1), 0);
	assert_int_equal(dp_if_zone(tunnel[0], 2), 0);
	assert_int_equal(dp_rules_set(&none, 0, NULL, 0), 0);
	both(HOST6, "2001:db8:f::9", 20, DP_TRACE_RULE, "rule-denied");
	assert_int_equal(dp_rules_set(NULL, 0, NULL, 0), 0);
}

/* Addresses of two families are no packet. */
static void no_packet(void **state)
{
	struct dp_trace_packet q = {.in_if = DP_IF_NONE, .src = dpt_ep(HOST, 0).a};
	struct dp_trace t;

	assert_int_equal(dp_trace_packet(&q, &t), -EAFNOSUPPORT);
	q.dst = dpt_ep(HOST6, 0).a;
	assert_int_equal(dp_trace_packet(&q, &t), -EAFNOSUPPORT);
}

static void narrow(struct dp_sa_out_conf *c)
{
	c->ts_remote[0] = peer_ts("10.2.0.0/24", 0, 0);
}

static void narrow_in(struct dp_sa_in_conf *c)
{
	c->ts_local[0] = peer_ts("10.1.1.0/24", 0, 0);
}

/* Narrowed by the peer, each direction apart. */
static void selectors(void **state)
{
	const struct peer_edit edit = {.out = narrow, .in = narrow_in};
	uint32_t policy = peer.policy;
	struct dp_trace t;

	peer_remove(&peer);
	peer = (struct peer){.spi_out = 0x4712};
	peer_keys(&peer, 2);
	peer_install(&peer, policy, &edit);
	both(HOST, "10.2.1.9", 20, DP_TRACE_SELECTOR, "outside-selectors");
	t = both(HOST, "10.2.0.9", 20, DP_TRACE_DONE, "");
	assert_true(t.back.selector);
	t = trace("10.1.9.9", "10.2.0.9", 40);
	assert_true(!t.drop && t.back.sa && !t.back.selector && !t.back.route);
}

static void sizes(void **state)
{
	uint16_t mtu = dp_sa_out_mtu(peer.sa_out);

	assert_null(trace(HOST, "10.2.0.9", mtu).drop);
	assert_string_equal(trace(HOST, "10.2.0.9", (uint16_t)(mtu + 1)).drop, "too-big");
	assert_null(trace(HOST, WEB, 1500).drop);
	assert_string_equal(trace(HOST, WEB, 1501).drop, "too-big");
}

/* ---- several next hops -------------------------------------------------------------------------- */

static int hops(const char *dst, const struct dp_hop *h, uint8_t n)
{
	struct prefix p;

	assert_int_equal(prefix_parse(dst, &p), 0);
	return dp_route_set(&p, h, n);
}

/* By which gateway a UDP packet with this source port leaves. */
static unsigned gateway_of(uint16_t sport, const uint8_t mac[][6], unsigned n)
{
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];

	dpt_inject_ip(1, 0, packet, dpt_udp4(packet, HOST, sport, "203.0.113.9", 53, "x", 1));
	dpt_run();
	dpt_expect_drop("", 0);
	dpt_take_one(0, frame);
	for (unsigned i = 0; i < n; i++)
		if (memcmp(frame, mac[i], 6) == 0)
			return i;
	fail_msg("to nobody");
	return n;
}

static void ecmp(void **state)
{
	static const char *const ip[] = {"192.0.2.11", "192.0.2.12", "192.0.2.13"};
	static const uint8_t mac[][6] = {{2, 0, 0, 0, 9, 1}, {2, 0, 0, 0, 9, 2}, {2, 0, 0, 0, 9, 3}};
	enum { FLOWS = 600 };
	unsigned first[FLOWS], share[3] = {0};
	struct dp_hop h[3];
	struct prefix p;

	for (unsigned i = 0; i < 3; i++) {
		dpt_neighbour(0, ip[i], mac[i]);
		h[i] = (struct dp_hop){.via = dpt_ep(ip[i], 0).a};
	}
	assert_int_equal(hops("203.0.113.0/24", h, 0), -EINVAL);
	assert_int_equal(hops("203.0.113.0/24", h, 3), 0);
	for (unsigned i = 0; i < FLOWS; i++) {
		first[i] = gateway_of((uint16_t)(1000 + i), mac, 3);
		share[first[i]]++;
	}
	for (unsigned i = 0; i < 3; i++)
		assert_in_range(share[i], FLOWS / 6, FLOWS / 2);
	for (unsigned i = 0; i < FLOWS; i++) /* a flow keeps to its way */
		assert_int_equal(gateway_of((uint16_t)(1000 + i), mac, 3), first[i]);
	/* fewer, one, and the group's members on their own */
	assert_int_equal(hops("203.0.113.0/24", &h[1], 2), 0);
	dpt_run();
	for (unsigned i = 0; i < FLOWS; i++)
		assert_true(gateway_of((uint16_t)(1000 + i), mac, 3) != 0);
	assert_int_equal(hops("203.0.113.0/24", &h[2], 1), 0);
	dpt_run();
	assert_int_equal(gateway_of(1, mac, 3), 2);
	/* sets come and go; nothing is used up */
	for (unsigned i = 0; i < 2000; i++) {
		struct dp_hop two[] = {h[i % 3], h[(i + 1) % 3]};

		assert_int_equal(hops("203.0.113.0/24", two, 2), 0);
		dpt_run();
	}
	/* one that cannot be leaves the old one, and no trace */
	h[1].via = dpt_ep("172.16.0.1", 0).a;
	assert_int_equal(hops("203.0.113.0/24", h, 3), -ENETUNREACH);
	gateway_of(1, mac, 3);
	assert_int_equal(prefix_parse("203.0.113.0/24", &p), 0);
	assert_int_equal(dp_route_del(&p), 0);
	both(HOST, "203.0.113.9", 20, DP_TRACE_ROUTE, "no-route");
}

/* A route may lead into a tunnel and to a port; and the peer itself be reached two ways: an SA keeps to one. */
static void ecmp_outer(void **state)
{
	static const uint8_t mac[][6] = {{2, 0, 0, 0, 9, 1}, {2, 0, 0, 0, 9, 2}};
	struct dp_hop h[] = {{.via = dpt_ep("192.0.2.11", 0).a}, {.via = dpt_ep("192.0.2.12", 0).a}};
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX], used[6];
	struct prefix p;

	assert_int_equal(hops(PEER_IP "/32", h, 2), 0);
	dpt_run();
	for (unsigned i = 0; i < 50; i++) {
		dpt_inject_ip(1, 0, packet,
			      dpt_udp4(packet, HOST, (uint16_t)(i + 1), "10.2.0.9", 53, "x", 1));
		dpt_run();
		dpt_expect_drop("", 0);
		dpt_take_one(0, frame);
		assert_true(memcmp(frame, mac[0], 6) == 0 || memcmp(frame, mac[1], 6) == 0);
		if (i == 0)
			memcpy(used, frame, 6);
		assert_memory_equal(frame, used, 6);
	}
	assert_int_equal(prefix_parse(PEER_IP "/32", &p), 0);
	assert_int_equal(dp_route_del(&p), 0);
}

/* ---- probes --------------------------------------------------------------------------------------- */

static void probes(void **state)
{
	struct dp_probe q = {.tunnel_if = tunnel[0], .id = 77, .seq = 5};
	uint8_t packet[DPT_FRAME_MAX], esp[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
	uint64_t seq;
	size_t n;

	q.src = dpt_ep("10.1.2.1", 0).a;
	q.dst = dpt_ep("10.2.0.1", 0).a;
	assert_int_equal(dp_probe_send(&q), 0);
	dpt_run();
	dpt_expect_drop("", 0);
	n = dpt_take_one(0, frame);
	n = peer_open(&peer, frame + 14, n - 14, packet, &seq);
	assert_true(dpt_sums_right(packet, n));
	assert_memory_equal(packet + 12, q.src.b, 4);
	assert_memory_equal(packet + 16, q.dst.b, 4);
	assert_int_equal(packet[20], 8);

	/* the peer answers */
	packet[20] = 0;
	packet[22] = packet[23] = 0;
	memcpy(packet + 12, q.dst.b, 4);
	memcpy(packet + 16, q.src.b, 4);
	{
		uint32_t sum = 0;

		for (size_t i = 20; i < n; i += 2)
			sum += (uint32_t)(packet[i] << 8 | packet[i + 1]);
		sum = (sum & 0xffff) + (sum >> 16);
		sum = 0xffff ^ ((sum & 0xffff) + (sum >> 16));
		packet[22] = (uint8_t)(sum >> 8);
		packet[23] = (uint8_t)sum;
	}
	dpt_sum4(packet);
	dpt_inject_ip(0, 1, esp, peer_seal(&peer, packet, n, &(struct peer_how){0}, esp));
	dpt_run();
	dpt_expect_drop("monitor-answer", 1);
	assert_int_equal(n_answers, 1);
	assert_int_equal(answer.probe.tunnel_if, tunnel[0]);
	assert_int_equal(answer.probe.id, 77);
	assert_int_equal(answer.probe.seq, 5);
	assert_true(addr_eq(&answer.probe.src, &q.src) && addr_eq(&answer.probe.dst, &q.dst));

	/* the same out of a port is nobody's */
	memcpy(packet + 16, &(uint32_t){dpt_ip("10.1.1.1")}, 4);
	memcpy(packet + 12, &(uint32_t){dpt_ip(HOST)}, 4);
	dpt_sum4(packet);
	dpt_inject_ip(1, 0, packet, n);
	dpt_run();
	dpt_expect_drop("local-no-service", 1);
	assert_int_equal(n_answers, 1);
	dpt_clear();

	q.src = dpt_ep("10.1.2.9", 0).a;
	assert_int_equal(dp_probe_send(&q), -EINVAL);
	q.src = dpt_ep("10.1.2.1", 0).a;
	q.tunnel_if = dpt_port[0];
	assert_int_equal(dp_probe_send(&q), -EINVAL);
	dpt_sleep_ms(2000);
	q.tunnel_if = tunnel[1]; /* no SA: asks for one */
	q.dst = dpt_ep("10.4.0.1", 0).a;
	assert_int_equal(dp_probe_send(&q), 0);
	dpt_run();
	dpt_expect_drop("no-sa", 1);
	assert_int_equal(dpt_seen.n_acquire, 1);
	dpt_clear();
}

static void probes6(void **state)
{
	struct dp_probe q = {.tunnel_if = tunnel[0], .id = 78, .seq = 6};
	uint8_t packet[DPT_FRAME_MAX], esp[DPT_FRAME_MAX], frame[DPT_FRAME_MAX], icmp[DPT_FRAME_MAX];
	struct ip6 h = {.src = "2001:db8:f::1", .dst = "fd00:1:0:1::1", .next = IPPROTO_ICMPV6};
	unsigned before = n_answers;
	uint64_t seq;
	size_t n;

	q.src = dpt_ep(h.dst, 0).a;
	q.dst = dpt_ep(h.src, 0).a;
	assert_int_equal(dp_probe_send(&q), 0);
	dpt_run();
	dpt_expect_drop("", 0);
	n = dpt_take_one(0, frame);
	n = peer_open(&peer6, frame + 14, n - 14, packet, &seq);
	assert_true(ip6_sum_right(packet, n));
	assert_memory_equal(packet + 8, q.src.b, 16);
	assert_memory_equal(packet + 24, q.dst.b, 16);
	assert_int_equal(packet[40], 128);

	memcpy(icmp, packet + 40, n - 40); /* the peer answers */
	icmp[0] = 129;
	n = ip6_put_sum(packet, &h, icmp, n - 40, 2);
	peer6.seq = 100;
	dpt_inject_ip(0, 1, esp, peer_seal(&peer6, packet, n, NULL, esp));
	dpt_run();
	dpt_expect_drop("monitor-answer", 1);
	assert_int_equal(n_answers, before + 1);
	assert_int_equal(answer.probe.tunnel_if, tunnel[0]);
	assert_int_equal(answer.probe.id, 78);
	assert_int_equal(answer.probe.seq, 6);
	assert_true(addr_eq(&answer.probe.src, &q.src) && addr_eq(&answer.probe.dst, &q.dst));

	h.src = HOST6; /* the same out of a port is nobody's */
	ip6_inject(1, packet, ip6_put_sum(packet, &h, icmp, n - 40, 2));
	dpt_run();
	dpt_expect_drop("local-no-service", 1);
	assert_int_equal(n_answers, before + 1);
	dpt_clear();

	q.src = dpt_ep("fd00:1:0:1::2", 0).a;
	assert_int_equal(dp_probe_send(&q), -EINVAL);
	q.src = dpt_ep("10.1.2.1", 0).a;
	assert_int_equal(dp_probe_send(&q), -EAFNOSUPPORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts),   cmocka_unit_test(probes),    cmocka_unit_test(ecmp),
		cmocka_unit_test(ecmp_outer), cmocka_unit_test(sizes),     cmocka_unit_test(selectors),
		cmocka_unit_test(verdicts6),  cmocka_unit_test(no_packet), cmocka_unit_test(probes6),
	};

	return cmocka_run_group_tests_name("trace", tests, setup, teardown);
}
