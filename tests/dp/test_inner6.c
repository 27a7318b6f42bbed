/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv6 inside tunnels, over IPv4 and over IPv6, raw and in UDP, beside IPv4 on the same tunnel interface.
 */
#include "inner6.h"

#include <netinet/in.h>
#include <string.h>

#include "port.h"

static void out(void **state)
{
	for (unsigned i = 0; i < PEERS; i++) {
		const struct peer *p = up(i);
		uint16_t most = dp_sa_out_mtu(p->sa_out);

		for (size_t size = 0; size <= most - 48u; size += size < 32 ? 1 : 97) {
			size_t len = ip6_echo(packet, HOST, FAR, 1, size);

			set_tc(packet, TC | 2);
			inject_out(len);
			dpt_expect_drop("", 0);
			leaves_sealed(p, len, TC | 2);
		}
		inject_out(ip6_echo(packet, HOST, FAR, 1, most - 48u));
		leaves_sealed(p, most, 0);
		peer_remove(&peers[i]);
	}
}

static void in(void **state)
{
	for (unsigned i = 0; i < PEERS; i++) {
		struct peer *p = up(i);
		struct dp_sa_stats s;
		uint64_t bytes = 0;
		unsigned n = 0;

		for (size_t size = 0; size < 1400; size += size < 32 ? 1 : 97, n++) {
			size_t len = ip6_echo(packet, FAR, HOST, 1, size);

			inject_in(p, len, &(struct peer_how){.tfc = size % 3 ? 0 : 20});
			dpt_expect_drop("", 0);
			assert_int_equal(dpt_take_one(1, frame), ETH + len);
			assert_int_equal(frame[12] << 8 | frame[13], 0x86dd);
			packet[7]--;
			assert_memory_equal(frame + ETH, packet, len);
			bytes += len;
		}
		assert_int_equal(dp_sa_in_stats(p->spi_in, &s), 0);
		assert_int_equal(s.packets, n);
		assert_int_equal(s.bytes, bytes);
		peer_remove(p);
	}
}

/* Authenticated is not enough: addresses, family, a sound packet, and no marks that it cannot carry. */
static void in_refused(void **state)
{
	static const struct {
		const char *src, *dst;
	} bad[] = {{"2001:db8:e:ffff::1", HOST}, {FAR, "fd00:2::7"}, {HOST, FAR}, {"2001:db8:10::9", HOST}};

	for (unsigned i = 0; i < PEERS; i++) {
		struct peer *p = up(i);
		size_t len;

		for (unsigned k = 0; k < 4; k++) {
			inject_in(p, ip6_echo(packet, bad[k].src, bad[k].dst, 1, 5), NULL);
			dpt_expect_drop("esp-inner-selector", 1);
		}
		inject_in(p, dpt_echo4(packet, FAR4, HOST4, 1, 5), NULL);
		dpt_expect_drop("esp-inner-selector", 1);
		len = ip6_echo(packet, FAR, HOST, 1, 5);
		inject_in(p, len, &(struct peer_how){.next = 4});
		dpt_expect_drop("esp-inner-malformed", 1);
		inject_in(p, len, &(struct peer_how){.next = 59});
		dpt_expect_drop("esp-dummy", 1);
		inject_in(p, 39, NULL);
		dpt_expect_drop("esp-inner-malformed", 1);
		packet[5]++; /* says more than there is */
		inject_in(p, len, NULL);
		dpt_expect_drop("esp-inner-malformed", 1);
		inject_in(p, ip6_echo(packet, "fe80::9", HOST, 1, 5), NULL);
		dpt_expect_drop("esp-inner-malformed", 1);
		/* RFC 6040 4.2 */
		len = ip6_echo(packet, FAR, HOST, 1, 5);
		inject_in(p, len, &(struct peer_how){.tos = 3});
		dpt_expect_drop("esp-ecn", 1);
		dpt_take_none(1);
		set_tc(packet, TC | 2);
		inject_in(p, len, &(struct peer_how){.tos = 3});
		dpt_take_one(1, frame);
		assert_int_equal(tos_of(frame + ETH), TC | 3);
		set_tc(packet, TC | 2);
		inject_in(p, len, &(struct peer_how){.tos = 1});
		dpt_take_one(1, frame);
		assert_int_equal(tos_of(frame + ETH), TC | 1);
		peer_remove(p);
		dpt_clear();
	}
}

/* One tunnel interface, a proxy-ID and an SA of each family: neither takes what is the other's. */
static void side_by_side(void **state)
{
	struct peer four = {.spi_out = 0xc0ffee44};
	struct peer *six = up(0);
	size_t len;
	uint64_t seq;

	peer_keys(&four, 44);
	peer_install(&four, policy4, NULL);
	len = dpt_echo4(packet, HOST4, FAR4, 1, 33);
	dpt_inject_ip(1, 0, packet, len);
	inject_out(ip6_echo(packet, HOST, FAR, 2, 44));
	dpt_expect_drop("", 0);
	assert_int_equal(peer_open(&four, frame + ETH, dpt_take(0, frame, NULL) - ETH, inner, &seq), len);
	leaves_sealed(six, 48 + 44, 0);
	inject_in(&four, ip6_echo(packet, FAR, HOST, 1, 5), NULL);
	dpt_expect_drop("esp-inner-selector", 1);
	inject_in(&four, dpt_echo4(packet, FAR4, HOST4, 1, 5), NULL);
	inject_in(six, ip6_echo(packet, FAR, HOST, 1, 5), NULL);
	dpt_expect_drop("", 0);
	dpt_clear();
	peer_remove(&four);
	peer_remove(six);
}

/* ---- what does not go -------------------------------------------------------------------------- */

static void not_without(void **state)
{
	struct addr far;
	struct dp_policy_stats s;
	size_t len;

	inject_out(ip6_echo(packet, HOST, FAR, 1, 5));
	dpt_expect_drop("no-sa", 1);
	assert_int_equal(dpt_seen.n_acquire, 1);
	assert_int_equal(dpt_seen.acquire.policy, policy6);
	assert_int_equal(dpt_seen.acquire.proto, IPPROTO_ICMPV6);
	assert_int_equal(addr_parse(FAR, &far), 0);
	assert_true(addr_eq(&dpt_seen.acquire.dst.a, &far));
	assert_int_equal(dp_policy_stats(policy6, &s), 0);
	assert_int_equal(s.no_sa_drops, 1);
	len = ip6_echo(packet, HOST, "2001:db8:10::1", 1, 5); /* the route is wider than the proxy-ID */
	inject_out(len);
	dpt_expect_drop("no-matching-proxy-id", 1);
	told(1, 1, 0, len);
	len = ip6_echo(packet, HOST, FAR, 1, 5);
	packet[7] = 1;
	inject_out(len);
	dpt_expect_drop("ip-ttl-exceeded", 1);
	told(3, 0, 0, len);
}

/* What the gateway has to say of a packet out of the tunnel goes back through it, from an address it carries. */
static void told_through_tunnel(void **state)
{
	const uint8_t *icmp = inner + IP6;

	for (unsigned i = 0; i < PEERS; i++) {
		struct peer *p = up(i);
		size_t len = ip6_echo(packet, FAR, HOST, 1, 5), n;
		uint8_t own[16], far[16];
		uint64_t seq;

		packet[7] = 1;
		inject_in(p, len, NULL);
		dpt_expect_drop("ip-ttl-exceeded", 1);
		n = dpt_take_one(0, frame) - ETH;
		n = peer_open(p, frame + ETH, n, inner, &seq);
		ip6_addr(INSIDE6, own);
		ip6_addr(FAR, far);
		assert_memory_equal(inner + 8, own, 16);
		assert_memory_equal(inner + 24, far, 16);
		assert_int_equal(n, 48 + len);
		assert_true(ip6_sum_right(inner, n));
		assert_int_equal(icmp[0] << 8 | icmp[1], 3 << 8);
		/* and so does an answer to an echo request */
		inject_in(p, ip6_echo(packet, FAR, INSIDE6, 1, 5), NULL);
		dpt_expect_drop("", 0);
		n = dpt_take_one(0, frame) - ETH;
		n = peer_open(p, frame + ETH, n, inner, &seq);
		assert_true(ip6_sum_right(inner, n));
		assert_int_equal(icmp[0], 129);
		peer_remove(p);
	}
}

static void ts_out_narrow(struct dp_sa_out_conf *c)
{
	ts_out6(c);
	c->ts_remote[0] = peer_ts("2001:db8:f::/64", IPPROTO_UDP, 53);
}

/* What the peer has narrowed it to: one network, protocol and port. */
static void narrowed(void **state)
{
	const struct peer_edit edit = {ts_in6, ts_out_narrow};
	size_t len;

	peer_install(&peers[0], policy6, &edit);
	len = ip6_udp(packet, HOST, 1000, FAR, 53, inner, 20);
	inject_out(len);
	leaves_sealed(&peers[0], len, 0);
	len = ip6_udp(packet, HOST, 1000, FAR, 54, inner, 20);
	inject_out(len);
	dpt_expect_drop("outside-selectors", 1);
	told(1, 1, 0, len);
	inject_out(ip6_udp(packet, HOST, 1000, "2001:db8:f:1::9", 53, inner, 20));
	dpt_expect_drop("outside-selectors", 1);
	dpt_clear();
	peer_remove(&peers[0]);
}

static void ts_out_range(struct dp_sa_out_conf *c)
{
	ts_out6(c);
	c->ts_remote[0].lo = dpt_ep("2001:db8:f::5", 0).a;
	c->ts_remote[0].hi = dpt_ep("2001:db8:f::9", 0).a;
}

/* A range that is no prefix. */
static void ranges(void **state)
{
	const struct peer_edit edit = {ts_in6, ts_out_range};
	static const char *const in[] = {"2001:db8:f::5", "2001:db8:f::8", FAR};

	peer_install(&peers[0], policy6, &edit);
	for (unsigned i = 0; i < 3; i++) {
		size_t len = ip6_echo(packet, HOST, in[i], 1, 20);

		inject_out(len);
		leaves_sealed(&peers[0], len, 0);
	}
	inject_out(ip6_echo(packet, HOST, "2001:db8:f::4", 1, 20));
	dpt_expect_drop("outside-selectors", 1);
	inject_out(ip6_echo(packet, HOST, "2001:db8:f::a", 1, 20));
	dpt_expect_drop("outside-selectors", 1);
	dpt_clear();
	peer_remove(&peers[0]);
}

/* Of IPv6 as well: in the clear from where the tunnel leads. */
static void past_the_tunnel(void **state)
{
	struct ip6 h = {.src = FAR, .dst = HOST, .next = IPPROTO_UDP};
	uint8_t body[20] = {0, 7, 0, 7, 0, 20};
	size_t len = ip6_put_sum(packet, &h, body, sizeof(body), 6);

	ip6_inject(0, packet, len);
	dpt_run();
	dpt_expect_drop("clear-text-refused", 1);
	dpt_take_none(1);
}

/* Extension headers are part of the packet like all else, and fragments pass where ports do not matter. */
static void extensions(void **state)
{
	static const uint8_t hop[16] = {IPPROTO_UDP, 0, 1, 4, [8] = 0x10, 0, 0, 53, 0, 8};
	static const uint8_t frag[16] = {IPPROTO_UDP, 0, 0, 1, [7] = 9};
	struct ip6 h = {.src = HOST, .dst = FAR, .next = IPPROTO_HOPOPTS};
	const struct peer *p = up(1);
	size_t len;

	len = ip6_put(packet, &h, hop, sizeof(hop));
	inject_out(len);
	leaves_sealed(p, len, 0);
	h.next = IPPROTO_FRAGMENT;
	len = ip6_put(packet, &h, frag, sizeof(frag));
	inject_out(len);
	leaves_sealed(p, len, 0);
	peer_remove(&peers[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(out),
		cmocka_unit_test(in),
		cmocka_unit_test(in_refused),
		cmocka_unit_test(side_by_side),
		cmocka_unit_test(not_without),
		cmocka_unit_test(told_through_tunnel),
		cmocka_unit_test(narrowed),
		cmocka_unit_test(ranges),
		cmocka_unit_test(past_the_tunnel),
		cmocka_unit_test(extensions),
	};

	return cmocka_run_group_tests_name("inner6", tests, inner6_setup, inner6_teardown);
}
