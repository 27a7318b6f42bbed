/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clear text from port to port: routes and how they change, TTL, MTU, and what is not forwarded.
 */
#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "dp.h"
#include "fib.h"

#define HOST "10.1.1.50"
#define NEAR "192.0.2.50"
#define FAR  "203.0.113.9"

enum { GATEWAYS = 3, MAX_ROUTES = 16, LOCAL_ROUTES = 2048 };

/* Two gateways on port 0, one on port 1. */
static const struct {
	unsigned port;
	const char *ip;
	uint8_t mac[6];
} gateway[GATEWAYS] = {{0, "192.0.2.2", {2, 0, 0, 0, 9, 1}},
		       {0, "192.0.2.3", {2, 0, 0, 0, 9, 2}},
		       {1, "10.1.1.2", {2, 0, 0, 0, 9, 3}}};
static uint16_t tunnel;

static struct prefix prefix(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static struct addr address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static int add_via(const char *dst, const char *via)
{
	const struct dp_route r = {.dst = prefix(dst), .via = address(via)};

	return dp_route_add(&r);
}

static int add_if(const char *dst, uint16_t ifindex)
{
	const struct dp_route r = {.dst = prefix(dst), .ifindex = ifindex};

	return dp_route_add(&r);
}

static int del(const char *dst)
{
	const struct prefix p = prefix(dst);

	return dp_route_del(&p);
}

/* A packet from the host goes out of port 0 to this MAC. */
static void goes_to(const char *dst, const uint8_t mac[6])
{
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
	size_t len = dpt_echo4(packet, HOST, dst, 1, 20);

	dpt_inject_ip(1, 0, packet, len);
	dpt_run();
	dpt_expect_drop("", 0);
	assert_int_equal(dpt_take_one(0, frame), 14 + len);
	dpt_take_none(1);
	assert_memory_equal(frame, mac, 6);
	assert_memory_equal(frame + 6, dpt_mac[0], 6);
	assert_int_equal(frame[12] << 8 | frame[13], 0x0800);
	packet[8]--;
	dpt_sum4(packet);
	assert_memory_equal(frame + 14, packet, len);
}

static void dropped(const char *dst, const char *why)
{
	uint8_t frame[DPT_FRAME_MAX];
	size_t len = dpt_echo4(dpt_eth(frame, 1, 0x0800), HOST, dst, 1, 20);

	dpt_drops(1, frame, 14 + len, why);
}

/* ---- one packet ------------------------------------------------------------------------------ */

static void connected(void **state)
{
	goes_to(NEAR, dpt_peer[0]);
}

static void by_gateway(void **state)
{
	dropped(FAR, "no-route");
	assert_int_equal(add_via("203.0.113.0/24", gateway[0].ip), 0);
	goes_to(FAR, gateway[0].mac);
	assert_int_equal(del("203.0.113.0/24"), 0);
	dropped(FAR, "no-route");
}

/* A route to a port without a gateway: the destination itself is the neighbour, and asked for. */
static void by_port(void **state)
{
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
	size_t len = dpt_echo4(packet, HOST, FAR, 1, 20);
	const uint32_t far = dpt_ip(FAR);

	assert_int_equal(add_if("203.0.113.0/24", dpt_port[0]), 0);
	dpt_inject_ip(1, 0, packet, len);
	dpt_run();
	dpt_expect_drop("", 0);
	dpt_take_one(0, frame);
	assert_int_equal(frame[12] << 8 | frame[13], 0x0806);
	assert_memory_equal(frame + 14 + 24, &far, 4);
	dpt_inject(0, 0, frame, dpt_arp(frame, 0, 2, gateway[1].mac, FAR, dpt_mac[0], "192.0.2.1"));
	dpt_run();
	dpt_expect_drop("arp-done", 1);
	dpt_take_one(0, frame); /* the one that waited */
	goes_to(FAR, gateway[1].mac);
	assert_int_equal(del("203.0.113.0/24"), 0);
	dropped(FAR, "no-route");
}

/* A packet may leave by the port it came by: hosts of one link that use us as gateway. */
static void same_port(void **state)
{
	uint8_t frame[DPT_FRAME_MAX];
	size_t len = dpt_echo4(dpt_eth(frame, 0, 0x0800), "192.0.2.60", NEAR, 1, 20);

	dpt_inject(0, 0, frame, 14 + len);
	dpt_run();
	dpt_expect_drop("", 0);
	assert_int_equal(dpt_take_one(0, frame), 14 + len);
	assert_memory_equal(frame, dpt_peer[0], 6);
}

/* RFC 1812 5.3.1. */
static void ttl(void **state)
{
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];

	for (unsigned t = 0; t < 256; t++) {
		size_t len = dpt_echo4(packet, HOST, NEAR, 1, 20);

		packet[8] = (uint8_t)t;
		dpt_sum4(packet);
		dpt_inject_ip(1, 0, packet, len);
		dpt_run();
		if (t < 2) {
			dpt_expect_drop("ip-ttl-exceeded", 1);
			dpt_take_none(0);
			continue;
		}
		dpt_expect_drop("", 0);
		dpt_take_one(0, frame);
		assert_int_equal(frame[14 + 8], t - 1);
		assert_true(dpt_sums_right(frame + 14, len));
	}
	/* into a tunnel, too: it is a hop (RFC 4301 5.1.2.1) */
	assert_int_equal(add_if("203.0.113.0/24", tunnel), 0);
	for (unsigned t = 0; t < 2; t++) {
		size_t len = dpt_echo4(dpt_eth(frame, 1, 0x0800), HOST, FAR, 1, 20);

		frame[14 + 8] = (uint8_t)t;
		dpt_sum4(frame + 14);
		dpt_drops(1, frame, 14 + len, "ip-ttl-exceeded");
	}
	assert_int_equal(del("203.0.113.0/24"), 0);
}

/* The corrected checksum is right for every checksum there is (RFC 1624 3). */
static void every_checksum(void **state)
{
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
	size_t len = dpt_echo4(packet, HOST, NEAR, 1, 20);

	for (unsigned id = 0; id < 65536; id++) {
		packet[4] = (uint8_t)(id >> 8);
		packet[5] = (uint8_t)id;
		dpt_sum4(packet);
		dpt_inject_ip(1, 0, packet, len);
		dpt_turn(0);
		assert_int_equal(dpt_take(0, frame, NULL), 14 + len);
		assert_true(dpt_sums_right(frame + 14, len));
	}
	dpt_expect_drop("", 0);
}

static void too_big(void **state)
{
	static uint8_t data[1600];
	uint8_t frame[DPT_FRAME_MAX];
	size_t len;

	for (unsigned i = 0; i < 4; i++) {
		struct dpt_ip4 h = {.src = HOST, .dst = NEAR, .proto = 99, .frag = i & 1 ? 0x4000 : 0};
		size_t body = i & 2 ? 1481 : 1480;

		len = 14 + dpt_ip4(dpt_eth(frame, 1, 0x0800), &h, data, body);
		if (i == 3) {
			dpt_drops(1, frame, len, "too-big");
			continue;
		}
		dpt_inject(1, 0, frame, len);
		dpt_run();
		dpt_expect_drop("", 0);
		assert_int_equal(dpt_take(0, frame, NULL), 14 + 1500);
		if (i == 2) /* test_mtu looks at fragments */
			assert_int_equal(dpt_take(0, frame, NULL), 14 + 20 + 1);
		dpt_take_none(0);
	}
	/* nobody is asked for the sake of a packet that cannot be sent */
	len = 14 + dpt_ip4(dpt_eth(frame, 1, 0x0800),
			   &(struct dpt_ip4){.src = HOST, .dst = "192.0.2.99", .proto = 99, .frag = 0x4000},
			   data, 1481);
	dpt_drops(1, frame, len, "too-big");
}

/* RFC 2644: not forwarded, of either port; nor to the network's own address (RFC 1812 5.3.5.2). */
static void directed_broadcast(void **state)
{
	dropped("192.0.2.255", "ip-martian-address");
	dropped("192.0.2.0", "ip-martian-address");
	dropped("10.1.1.255", "ip-martian-address");
	dropped("10.1.1.0", "ip-martian-address");
}

/* A gateway without keys must not let protected traffic out in the clear. */
static void into_tunnel(void **state)
{
	struct dp_policy_conf c = {
		.tunnel_if = tunnel, .local = prefix("10.1.1.0/24"), .remote = prefix("203.0.113.128/25")};
	uint32_t policy;

	assert_int_equal(add_if("203.0.113.0/24", tunnel), 0);
	dropped(FAR, "no-matching-proxy-id"); /* there is none at all */
	assert_int_equal(dp_policy_add(&c, &policy), 0);
	dropped(FAR, "no-matching-proxy-id");
	assert_int_equal(dpt_seen.n_acquire, 0);
	dropped("203.0.113.200", "no-sa");
	assert_int_equal(dpt_seen.n_acquire, 1);
	assert_int_equal(dpt_seen.acquire.policy, policy);
	assert_int_equal(dp_policy_del(policy), 0);
	dropped("203.0.113.200", "no-matching-proxy-id");
	assert_int_equal(del("203.0.113.0/24"), 0);
	dpt_clear();
}

/* ---- routes ---------------------------------------------------------------------------------- */

static void replaced_while_running(void **state)
{
	assert_int_equal(add_via("203.0.113.0/24", gateway[0].ip), 0);
	goes_to(FAR, gateway[0].mac);
	assert_int_equal(add_via("203.0.113.0/24", gateway[1].ip), 0);
	goes_to(FAR, gateway[1].mac);
	assert_int_equal(add_if("203.0.113.0/24", tunnel), 0);
	dropped(FAR, "no-matching-proxy-id");
	assert_int_equal(add_via("203.0.113.0/24", gateway[0].ip), 0);
	goes_to(FAR, gateway[0].mac);
	/* a longer one wins, and its end brings back the shorter */
	assert_int_equal(add_via("203.0.113.9/32", gateway[1].ip), 0);
	goes_to(FAR, gateway[1].mac);
	goes_to("203.0.113.8", gateway[0].mac);
	assert_int_equal(add_via("0.0.0.0/0", gateway[1].ip), 0);
	goes_to("8.8.8.8", gateway[1].mac);
	assert_int_equal(del("203.0.113.9/32"), 0);
	goes_to(FAR, gateway[0].mac);
	assert_int_equal(del("203.0.113.0/24"), 0);
	goes_to(FAR, gateway[1].mac);
	assert_int_equal(del("0.0.0.0/0"), 0);
	dropped(FAR, "no-route");
	dropped("8.8.8.8", "no-route");
}

/* More changes than one swap of the two tables takes, without a service in between. */
static void many_changes_at_once(void **state)
{
	for (unsigned i = 0; i < 500; i++) {
		assert_int_equal(add_via("203.0.113.0/24", gateway[i % 2].ip), 0);
		if (i % 3 == 0)
			assert_int_equal(del("203.0.113.0/24"), 0);
	}
	goes_to(FAR, gateway[1].mac);
	assert_int_equal(del("203.0.113.0/24"), 0);
	dropped(FAR, "no-route");
}

static void refused(void **state)
{
	struct dp_route r = {.dst = prefix("203.0.113.0/24")};

	assert_int_equal(add_via("203.0.113.0/24", "172.16.0.1"), -ENETUNREACH);
	assert_int_equal(add_via("203.0.113.0/24", "192.0.2.1"), -EINVAL); /* ourselves */
	assert_int_equal(add_if("203.0.113.0/24", 77), -EINVAL);
	assert_int_equal(add_via("192.0.2.0/24", gateway[0].ip), -EEXIST);
	assert_int_equal(add_via("192.0.2.1/32", gateway[0].ip), -EEXIST);
	assert_int_equal(del("192.0.2.0/24"), -EPERM);
	assert_int_equal(del("203.0.113.0/24"), -ENOENT);
	assert_int_equal(add_via("2001:db8::/32", gateway[0].ip), -EINVAL); /* of the other family */
	assert_int_equal(add_via("203.0.113.0/24", "2001:db8::1"), -EINVAL);
	assert_int_equal(add_via("2001:db8::/32", "2001:db8:9::1"), -ENETUNREACH);
	assert_int_equal(del("2001:db8::/32"), -ENOENT);
	r.dst.a.v = 0;
	assert_int_equal(dp_route_add(&r), -EINVAL);
	assert_int_equal(dp_route_del(&r.dst), -EINVAL);
	/* nothing of it has stuck */
	dropped(FAR, "no-route");
	goes_to(NEAR, dpt_peer[0]);
	/* host bits are cut off */
	assert_int_equal(add_via("203.0.113.77/24", gateway[0].ip), 0);
	goes_to(FAR, gateway[0].mac);
	assert_int_equal(del("203.0.113.1/24"), 0);
	dropped(FAR, "no-route");
}

static void looked_up(void **state)
{
	struct addr a = address(FAR), via = address(gateway[0].ip);
	struct dp_route r;

	assert_int_equal(dp_route_lookup(&a, &r), -ENETUNREACH);
	assert_int_equal(add_via("203.0.113.0/24", gateway[0].ip), 0);
	assert_int_equal(dp_route_lookup(&a, &r), 0);
	assert_int_equal(r.dst.len, 24);
	assert_int_equal(r.ifindex, dpt_port[0]);
	assert_true(addr_eq(&r.via, &via));
	assert_int_equal(del("203.0.113.0/24"), 0);
	assert_int_equal(add_if("203.0.0.0/16", tunnel), 0);
	assert_int_equal(dp_route_lookup(&a, &r), 0);
	assert_int_equal(r.ifindex, tunnel);
	assert_int_equal(r.via.v, 0);
	assert_int_equal(del("203.0.0.0/16"), 0);
	a = address(NEAR);
	assert_int_equal(dp_route_lookup(&a, &r), 0);
	assert_int_equal(r.ifindex, dpt_port[0]);
	assert_int_equal(r.dst.len, 24);
	a = address("192.0.2.255");
	assert_int_equal(dp_route_lookup(&a, &r), -ENETUNREACH);
	a = address("192.0.2.1");
	assert_int_equal(dp_route_lookup(&a, &r), -ENETUNREACH);
	a = address("2001:db8::1");
	assert_int_equal(dp_route_lookup(&a, &r), -ENETUNREACH);
}

/* The table says no when it is full, keeps what it has, and takes as many again afterwards. */
static void full(void **state)
{
	struct dp_route r = {.via = address(gateway[0].ip), .dst = {.a = address("203.0.113.9"), .len = 32}};
	unsigned first = 0;

	for (unsigned round = 0; round < 2; round++) {
		unsigned n = 0;
		int rc;

		do { /* all longer than 24: each /24 takes a table of the second level */
			r.dst.a.b[0] = (uint8_t)(20 + n / 256);
			r.dst.a.b[1] = (uint8_t)n;
			rc = dp_route_add(&r);
		} while (rc == 0 && ++n < 10000);
		assert_int_equal(rc, -ENOSPC);
		assert_in_range(n, MAX_ROUTES, MAX_ROUTES + LOCAL_ROUTES);
		if (round == 0)
			first = n;
		assert_int_equal(n, first);
		goes_to("20.7.113.9", gateway[0].mac);
		r.dst.a.b[0] = 20; /* to replace needs no room */
		r.dst.a.b[1] = 7;
		assert_int_equal(dp_route_add(&r), 0);
		while (n-- > 0) {
			r.dst.a.b[0] = (uint8_t)(20 + n / 256);
			r.dst.a.b[1] = (uint8_t)n;
			assert_int_equal(dp_route_del(&r.dst), 0);
		}
		dropped("20.7.113.9", "no-route");
	}
}

/* ---- against a model that walks a list ------------------------------------------------------- */

enum { MODEL = 60, TO_TUNNEL = GATEWAYS, TO_NOWHERE, DESTS };
static struct {
	bool live;
	uint32_t ip; /* host order */
	uint8_t len;
	unsigned to;
} model[MODEL];

static uint32_t mask(uint8_t len)
{
	return len ? UINT32_MAX << (32 - len) : 0;
}

static struct prefix prefix_of(uint32_t ip, uint8_t len)
{
	uint32_t n = htonl(ip);

	return (struct prefix){.a = addr_v4((const uint8_t *)&n), .len = len};
}

/* Few values at every depth, so that routes overlap. */
static uint32_t some_ip(void)
{
	return UINT32_C(0x14000000) | (uint32_t)(random() % 2) << 23 | (uint32_t)(random() % 2) << 16 |
	       (uint32_t)(random() % 3) << 8 | (uint32_t)(random() % 2) << 7 | (uint32_t)(random() % 3);
}

static void model_add(uint32_t ip, uint8_t len)
{
	struct dp_route r = {.dst = prefix_of(ip, len), .ifindex = tunnel};
	unsigned i, hole = MODEL, to = (unsigned)random() % (GATEWAYS + 1);

	for (i = 0; i < MODEL; i++) {
		if (!model[i].live)
			hole = i;
		else if (model[i].ip == (ip & mask(len)) && model[i].len == len)
			break;
	}
	if (i == MODEL)
		i = hole;
	if (i == MODEL)
		return;
	if (to < GATEWAYS)
		r.via = address(gateway[to].ip);
	assert_int_equal(dp_route_add(&r), 0);
	model[i].live = true;
	model[i].ip = ip & mask(len);
	model[i].len = len;
	model[i].to = to;
}

static void model_del(unsigned i)
{
	struct prefix p = prefix_of(model[i].ip, model[i].len);

	if (model[i].live)
		assert_int_equal(dp_route_del(&p), 0);
	model[i].live = false;
}

static unsigned model_find(uint32_t ip)
{
	unsigned to = TO_NOWHERE;
	int best = -1;

	for (unsigned i = 0; i < MODEL; i++) {
		if (!model[i].live || ((ip ^ model[i].ip) & mask(model[i].len)) || model[i].len <= best)
			continue;
		best = model[i].len;
		to = model[i].to;
	}
	return to;
}

/* Where a real packet goes. */
static unsigned real_find(uint32_t ip)
{
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
	size_t len = dpt_echo4(packet, HOST, FAR, 1, 20);
	uint64_t before[2] = {dpt_dropped("no-matching-proxy-id"), dpt_dropped("no-route")};
	uint32_t n = htonl(ip);

	memcpy(packet + 16, &n, 4);
	dpt_sum4(packet);
	dpt_inject_ip(1, 0, packet, len);
	dpt_turn(0);
	for (unsigned p = 0; p < DPT_PORTS; p++) {
		if (dpt_take(p, frame, NULL) == 0)
			continue;
		for (unsigned i = 0; i < GATEWAYS; i++)
			if (gateway[i].port == p && memcmp(frame, gateway[i].mac, 6) == 0)
				return i;
		fail_msg("out of port %u to nobody", p);
	}
	if (dpt_dropped("no-matching-proxy-id") > before[0])
		return TO_TUNNEL;
	assert_int_equal(dpt_dropped("no-route"), before[1] + 1);
	return TO_NOWHERE;
}

static void against_model(void **state)
{
	static const uint8_t lens[] = {0, 1, 6, 8, 9, 16, 23, 24, 25, 26, 31, 32};
	unsigned hits[DESTS] = {0};

	srandom(23);
	for (unsigned round = 0; round < 4000; round++) {
		if (random() % 5 < (round % 1000 < 600 ? 3 : 1))
			model_add(some_ip(), lens[random() % sizeof(lens)]);
		else
			model_del((unsigned)random() % MODEL);
		if (random() % 2)
			dp_service(dpt_now);
		for (unsigned i = 0; i < 30; i++) {
			uint32_t ip = some_ip();
			unsigned want = model_find(ip);

			assert_int_equal(real_find(ip), want);
			hits[want]++;
		}
	}
	for (unsigned i = 0; i < MODEL; i++)
		model_del(i);
	for (unsigned i = 0; i < DESTS; i++)
		assert_in_range(hits[i], 100, 100000);
	assert_int_equal(real_find(some_ip()), TO_NOWHERE);
	dpt_clear();
}

/* ---- interfaces ------------------------------------------------------------------------------ */

static void tunnel_interfaces(void **state)
{
	const struct prefix own[] = {prefix("10.9.0.1/30")}, same = prefix("10.9.0.2/30"),
			    taken = prefix("192.0.2.1/32"), multicast = prefix("ff05::1/64");
	struct dp_if_stats s;
	uint16_t i, k;

	assert_int_equal(dp_tunnel_if_add("tunnel.1", NULL, 0, &i), -EEXIST);
	assert_int_equal(dp_tunnel_if_add("out", NULL, 0, &i), -EEXIST); /* one name space */
	assert_int_equal(dp_tunnel_if_add("", NULL, 0, &i), -EINVAL);
	assert_int_equal(dp_tunnel_if_add("tunnel.8", &taken, 1, &i), -EADDRINUSE);
	assert_int_equal(dp_tunnel_if_add("tunnel.8", &multicast, 1, &i), -EINVAL);
	assert_int_equal(dp_tunnel_if_add("tunnel.8", own, 1, &i), 0);
	assert_int_equal(dp_tunnel_if_add("tunnel.9", &same, 1, &k), -EEXIST);
	assert_int_equal(dp_tunnel_if_add("tunnel.9", own, 1, &k), -EADDRINUSE);
	dropped("10.9.0.2", "no-matching-proxy-id"); /* its network is routed into it */
	assert_int_equal(dp_if_stats(i, &s), 0);
	assert_string_equal(s.name, "tunnel.8");
	assert_false(s.is_port);
	assert_int_equal(dp_if_stats((uint16_t)(i + 1), &s), -ENOENT);
	assert_int_equal(dp_if_stats(dpt_port[0], &s), 0);
	assert_true(s.is_port && s.link_up);
	assert_int_equal(s.mtu, 1500);
	assert_memory_equal(s.mac, dpt_mac[0], 6);
}

static int setup(void **state)
{
	const struct dpt_conf c = {.max_routes = MAX_ROUTES};

	dpt_init(&c);
	assert_int_equal(dp_tunnel_if_add("tunnel.1", NULL, 0, &tunnel), 0);
	for (unsigned i = 0; i < GATEWAYS; i++)
		dpt_neighbour(gateway[i].port, gateway[i].ip, gateway[i].mac);
	dpt_neighbour(0, NEAR, dpt_peer[0]);
	dpt_neighbour(1, HOST, dpt_peer[1]);
	return 0;
}

static int teardown(void **state)
{
	dpt_fini();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connected),
		cmocka_unit_test(by_gateway),
		cmocka_unit_test(by_port),
		cmocka_unit_test(same_port),
		cmocka_unit_test(ttl),
		cmocka_unit_test(every_checksum),
		cmocka_unit_test(too_big),
		cmocka_unit_test(directed_broadcast),
		cmocka_unit_test(into_tunnel),
		cmocka_unit_test(replaced_while_running),
		cmocka_unit_test(many_changes_at_once),
		cmocka_unit_test(refused),
		cmocka_unit_test(looked_up),
		cmocka_unit_test(full),
		cmocka_unit_test(against_model),
		cmocka_unit_test(tunnel_interfaces),
	};

	return cmocka_run_group_tests_name("forward", tests, setup, teardown);
}
