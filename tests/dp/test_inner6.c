/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv6 inside tunnels, over IPv4 and over IPv6, raw and in UDP, beside IPv4 on the same tunnel interface.
 */
#include "peer.h"

#include <netinet/in.h>
#include <string.h>

#include "port.h"

#define HOST  "fd00:1::7"
#define FAR   "2001:db8:f::9"
#define HOST4 "10.1.1.7"
#define FAR4  "10.2.0.9"

enum { ETH = 14, IP6 = 40, MIN6 = 1280, TC = 0x2e << 2 };

static uint16_t tunnel;
static uint32_t policy4, policy6;
static uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX], inner[DPT_FRAME_MAX], outer[DPT_FRAME_MAX];

/* Every combination that an IPv6 packet can go out in. */
static struct peer peers[] = {
	{.spi_out = 0xc0ffee61},
	{.spi_out = 0xc0ffee62, .cbc = true, .udp = true},
	{.spi_out = 0xc0ffee63, .outer6 = true},
	{.spi_out = 0xc0ffee64, .outer6 = true, .cbc = true, .udp = true},
};
enum { PEERS = sizeof(peers) / sizeof(peers[0]) };

static void ts_in6(struct dp_sa_in_conf *c)
{
	c->ts_local[0] = peer_ts("fd00:1::/64", 0, 0);
	c->ts_remote[0] = peer_ts("2001:db8:f::/48", 0, 0);
}

static void ts_out6(struct dp_sa_out_conf *c)
{
	c->ts_local[0] = peer_ts("fd00:1::/64", 0, 0);
	c->ts_remote[0] = peer_ts("2001:db8:f::/48", 0, 0);
}

static const struct peer_edit edit6 = {ts_in6, ts_out6};

static struct peer *up(unsigned i)
{
	peers[i].seq = 0;
	peer_install(&peers[i], policy6, &edit6);
	return &peers[i];
}

static void set_tc(uint8_t *ip, uint8_t tc)
{
	ip[0] = (uint8_t)(0x60 | tc >> 4);
	ip[1] = (uint8_t)(tc << 4);
}

static uint8_t tos_of(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? ip[1] : (uint8_t)(ip[0] << 4 | ip[1] >> 4);
}

/* The next packet of ours to the peer is `packet`, one hop older, in one piece. */
static void leaves_sealed(const struct peer *p, size_t len, uint8_t tos)
{
	size_t n = dpt_take_one(0, frame) - ETH;
	uint64_t seq;

	assert_int_equal(frame[12] << 8 | frame[13], p->outer6 ? 0x86dd : 0x0800);
	assert_int_equal(tos_of(frame + ETH), tos);
	if (!p->outer6)
		assert_int_equal(frame[ETH + 6] << 8 | frame[ETH + 7],
				 0x4000); /* DF, as IPv6 has it by nature */
	assert_int_equal(peer_open(p, frame + ETH, n, inner, &seq), len);
	packet[7]--;
	assert_memory_equal(inner, packet, len);
}

static void inject_out(size_t len)
{
	ip6_inject(1, packet, len);
	dpt_run();
}

static void inject_in(struct peer *p, size_t len, const struct peer_how *how)
{
	size_t n = peer_seal(p, packet, len, how, outer);

	if (p->outer6)
		ip6_inject(0, outer, n);
	else
		dpt_inject_ip(0, 0, outer, n);
	dpt_run();
}

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

/* The ICMPv6 error that HOST gets about `packet`, from our address on its network. */
static void told(uint8_t type, uint8_t code, uint32_t more, size_t about)
{
	size_t len = dpt_take_one(1, frame) - ETH, quote = about < 1280 - 48 ? about : 1280 - 48;
	const uint8_t *ip = frame + ETH;
	uint8_t own[16], host[16];

	ip6_addr(INSIDE6, own);
	ip6_addr(HOST, host);
	assert_int_equal(len, 48 + quote);
	assert_memory_equal(ip + 8, own, 16);
	assert_memory_equal(ip + 24, host, 16);
	assert_int_equal(ip[6], IPPROTO_ICMPV6);
	assert_true(ip6_sum_right(ip, len));
	assert_int_equal(ip[IP6] << 8 | ip[IP6 + 1], type << 8 | code);
	assert_int_equal(ip[IP6 + 4] << 8 | ip[IP6 + 5], 0);
	assert_int_equal(ip[IP6 + 6] << 8 | ip[IP6 + 7], more);
	assert_memory_equal(ip + 48 + 8, packet + 8, quote - 8);
	dpt_sleep_ms(50);
}

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

/* ---- MTU ---------------------------------------------------------------------------------------- */

static void too_big(void **state)
{
	for (unsigned i = 0; i < PEERS; i++) {
		struct peer *p = up(i);
		uint16_t most = dp_sa_out_mtu(p->sa_out);
		size_t len = ip6_echo(packet, HOST, FAR, 1, most - 47u);

		assert_in_range(most, MIN6, 1460);
		inject_out(len);
		dpt_expect_drop("too-big", 1);
		told(2, 0, most, len);
		dpt_take_none(0);
		peer_remove(p);
	}
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

/* A host learns of fragments that are too big by the first, which alone says that it is no part of an error. */
static void fragments_too_big(void **state)
{
	uint8_t body[1500] = {IPPROTO_ICMPV6, 0, 0, 1, [7] = 9, [8] = 128};
	struct ip6 h = {.src = HOST, .dst = FAR, .next = IPPROTO_FRAGMENT};
	struct peer *p = up(0);
	uint16_t most = dp_sa_out_mtu(p->sa_out);
	size_t len = ip6_put(packet, &h, body, most + 1u - 40);

	inject_out(len);
	dpt_expect_drop("too-big", 1);
	told(2, 0, most, len);
	body[8] = 1; /* of an error */
	inject_out(ip6_put(packet, &h, body, most + 1u - 40));
	dpt_expect_drop("too-big", 1);
	dpt_take_none(1);
	body[2] = 8; /* a later one */
	body[8] = 128;
	inject_out(ip6_put(packet, &h, body, most + 1u - 40));
	dpt_expect_drop("too-big", 1);
	dpt_take_none(1);
	peer_remove(p);
}

/* Fragments of an outer packet until the last: their payload to `whole`, behind a header as it was before. */
static size_t put_together(const struct peer *p, uint16_t mtu, uint8_t *whole, unsigned *n)
{
	size_t hdr = p->outer6 ? 48 : 20, at = p->outer6 ? 40 : 20, got = 0;
	bool more = true;
	uint32_t id = 0;

	for (*n = 0; more; (*n)++) {
		size_t len = dpt_take(0, frame, NULL) - ETH, off;
		const uint8_t *ip = frame + ETH;
		uint32_t this;

		assert_in_range(len, hdr + 1, mtu);
		if (p->outer6) {
			assert_int_equal(ip[6], IPPROTO_FRAGMENT);
			assert_int_equal(ip[4] << 8 | ip[5], len - 40);
			off = (size_t)(ip[42] << 8 | ip[43]);
			more = off & 1;
			off &= ~(size_t)7;
			memcpy(&this, ip + 44, 4);
		} else {
			assert_true(dpt_sums_right(ip, len));
			assert_int_equal(ip[6] & 0x40, 0);
			off = (size_t)((ip[6] & 0x1f) << 8 | ip[7]) * 8;
			more = ip[6] & 0x20;
			this = (uint32_t)(ip[4] << 8 | ip[5]);
		}
		assert_int_equal(off, got);
		if (*n == 0) {
			memcpy(whole, ip, at);
			if (p->outer6)
				whole[6] = ip[40];
			id = this;
		}
		assert_int_equal(this, id);
		memcpy(whole + at + off, ip + hdr, len - hdr);
		got += len - hdr;
	}
	if (p->outer6) {
		whole[4] = (uint8_t)(got >> 8);
		whole[5] = (uint8_t)got;
	} else {
		whole[2] = (uint8_t)((got + 20) >> 8);
		whole[3] = (uint8_t)(got + 20);
		whole[6] = whole[7] = 0;
		dpt_sum4(whole);
	}
	return at + got;
}

/* RFC 8200 5: hosts may send 1280 bytes without asking, so what the way does not carry goes in fragments of the
 * outer packet; nothing larger goes, and nobody is told less. */
static void least_mtu(void **state)
{
	static const uint16_t ways[] = {1280, 1300, 1000};

	for (unsigned i = 0; i < PEERS * 3; i++) {
		struct peer *p = up(i % PEERS);
		uint16_t mtu = ways[i / PEERS], most;
		unsigned n;
		uint64_t ids[2];

		ports[0].mtu = mtu;
		most = dp_sa_out_mtu(p->sa_out);
		assert_in_range(most, mtu - 110, MIN6 - 1);
		inject_out(ip6_echo(packet, HOST, FAR, 1, most - 48u));
		leaves_sealed(p, most, 0);
		for (unsigned k = 0; k < 2; k++) {
			size_t len = k ? most + 1u : MIN6, got;
			uint8_t sent[DPT_FRAME_MAX];

			ip6_echo(packet, HOST, FAR, 1, len - 48);
			inject_out(len);
			dpt_expect_drop("", 0);
			got = put_together(p, mtu, sent, &n);
			assert_int_equal(n, 2);
			assert_int_equal(peer_open(p, sent, got, inner, &ids[k]), len);
			packet[7]--;
			assert_memory_equal(inner, packet, len);
		}
		assert_int_equal(ids[1], ids[0] + 1);
		inject_out(ip6_echo(packet, HOST, FAR, 1, MIN6 - 47));
		dpt_expect_drop("too-big", 1);
		told(2, 0, MIN6, MIN6 + 1);
		dpt_take_none(0);
		peer_remove(p);
	}
	ports[0].mtu = 1500;
}

/* The fragments wait for the next hop together. */
static void least_mtu_unresolved(void **state)
{
	struct peer p = {.spi_out = 0xc0ffee77};
	struct dp_route r = {.ifindex = dpt_port[0]};
	uint8_t sent[DPT_FRAME_MAX];
	uint64_t seq;
	unsigned n;

	peer_keys(&p, 7);
	assert_int_equal(prefix_parse(PEER_IP "/32", &r.dst), 0);
	assert_int_equal(addr_parse("192.0.2.88", &r.via), 0);
	assert_int_equal(dp_route_add(&r), 0);
	ports[0].mtu = 1280;
	peer_install(&p, policy6, &edit6);
	inject_out(ip6_echo(packet, HOST, FAR, 1, MIN6 - 48));
	dpt_expect_drop("", 0);
	dpt_take_one(0, frame);
	assert_int_equal(frame[12] << 8 | frame[13], 0x0806);
	dpt_inject(0, 0, frame, dpt_arp(frame, 0, 2, dpt_peer[0], "192.0.2.88", dpt_mac[0], "192.0.2.1"));
	dpt_run();
	assert_int_equal(peer_open(&p, sent, put_together(&p, 1280, sent, &n), inner, &seq), MIN6);
	assert_int_equal(n, 2);
	peer_remove(&p);
	assert_int_equal(dp_route_del(&r.dst), 0);
	ports[0].mtu = 1500;
	dpt_clear();
}

/* A burst of them, longer than a list when cut. */
static void least_mtu_burst(void **state)
{
	uint8_t sent[DPT_FRAME_MAX];
	const struct peer *p = up(2);
	uint64_t seq, last = 0;
	unsigned n;

	ports[0].mtu = 1280;
	(void)dp_sa_out_mtu(p->sa_out);
	for (uint16_t i = 0; i < 32; i++)
		ip6_inject(1, packet, ip6_echo(packet, HOST, FAR, i, i % 4 ? MIN6 - 48 : 100));
	dpt_run();
	dpt_expect_drop("", 0);
	for (uint16_t i = 0; i < 8; i++) /* what is whole does not wait for what is cut */
		peer_open(p, frame + ETH, dpt_take(0, frame, NULL) - ETH, inner, &seq);
	for (uint16_t i = 0; i < 24; i++) {
		assert_int_equal(peer_open(p, sent, put_together(p, 1280, sent, &n), inner, &seq), MIN6);
		assert_true(seq > last);
		last = seq;
	}
	dpt_take_none(0);
	ports[0].mtu = 1500;
	peer_remove(&peers[2]);
}

/* A port that has become narrower than its SAs know: we are the source of outer IPv6 packets and may cut them. */
static void stale_mtu(void **state)
{
	uint8_t sent[DPT_FRAME_MAX];
	const struct peer *p = up(2);
	uint64_t seq;
	unsigned n;

	ports[0].mtu = 1280;
	inject_out(ip6_echo(packet, HOST, FAR, 1, 1400 - 48));
	dpt_expect_drop("", 0);
	assert_int_equal(peer_open(p, sent, put_together(p, 1280, sent, &n), inner, &seq), 1400);
	assert_int_equal(n, 2);
	ports[0].mtu = 1500;
	peer_remove(&peers[2]);
}

/* ---- TCP, TFC ------------------------------------------------------------------------------------ */

/* A SYN with an MSS of 1440, perhaps behind a destination options header, both ways. */
static size_t make_syn(bool outbound, bool options)
{
	uint8_t tcp[64] = {[0] = IPPROTO_TCP, [2] = 1, [3] = 4}, *t = tcp + (options ? 8 : 0);
	static const uint8_t syn[24] = {0x10,
					0,
					0x20,
					0,
					[12] = 0x60,
					[13] = 2,
					[14] = 0xff,
					[20] = 2,
					[21] = 4,
					[22] = 1440 >> 8,
					[23] = 1440 & 255};
	struct ip6 h = {.src = outbound ? HOST : FAR, .dst = outbound ? FAR : HOST, .next = IPPROTO_TCP};
	size_t len;

	/* the checksum is that of TCP alone; then the options go in front */
	len = ip6_put_sum(packet, &h, memcpy(inner, syn, sizeof(syn)), sizeof(syn), 16);
	if (!options)
		return len;
	memcpy(t, packet + 40, sizeof(syn));
	h.next = IPPROTO_DSTOPTS;
	return ip6_put(packet, &h, tcp, 8 + sizeof(syn));
}

static void syn_clamped(const uint8_t *got, size_t len, bool options, uint16_t mss)
{
	const uint8_t *tcp = got + 40 + (options ? 8 : 0);
	uint8_t plain[128];
	uint32_t sum = IPPROTO_TCP + 24;

	assert_int_equal(len, 64u + (options ? 8 : 0));
	assert_int_equal(tcp[22] << 8 | tcp[23], mss);
	memcpy(plain, got + 8, 32);
	memcpy(plain + 32, tcp, 24);
	for (unsigned i = 0; i < 56; i += 2)
		sum += (uint32_t)(plain[i] << 8 | plain[i + 1]);
	assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
}

static void mss(void **state)
{
	for (unsigned i = 0; i < PEERS; i++) {
		struct peer *p = up(i);
		uint16_t fits = (uint16_t)(dp_sa_out_mtu(p->sa_out) - 60);

		for (unsigned options = 0; options < 2; options++) {
			uint64_t seq;
			size_t n;

			inject_out(make_syn(true, options));
			n = dpt_take_one(0, frame);
			n = peer_open(p, frame + ETH, n - ETH, inner, &seq);
			syn_clamped(inner, n, options, fits);
			inject_in(p, make_syn(false, options), NULL);
			n = dpt_take_one(1, frame);
			syn_clamped(frame + ETH, n - ETH, options, fits);
		}
		peer_remove(p);
	}
}

static void set_tfc(struct dp_sa_out_conf *c)
{
	ts_out6(c);
	c->tfc_pad_to = 500;
}

static void tfc(void **state)
{
	const struct peer_edit edit = {ts_in6, set_tfc};

	for (unsigned i = 0; i < PEERS; i++) {
		size_t len = ip6_echo(packet, HOST, FAR, 1, 33), n;
		uint64_t seq;

		peer_install(&peers[i], policy6, &edit);
		inject_out(len);
		n = dpt_take_one(0, frame);
		assert_int_equal(peer_open(&peers[i], frame + ETH, n - ETH, inner, &seq), 500);
		packet[7]--;
		assert_memory_equal(inner, packet, len);
		peer_remove(&peers[i]);
	}
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

static void route(const char *dst, uint16_t to)
{
	struct dp_route r = {.ifindex = to};

	assert_int_equal(prefix_parse(dst, &r.dst), 0);
	assert_int_equal(dp_route_add(&r), 0);
}

static int setup(void **state)
{
	dpt_init(&(struct dpt_conf){.v6 = true, .icmp_rate = 1000});
	assert_int_equal(dp_tunnel_if_add("tunnel.1", NULL, 0, &tunnel), 0);
	route("10.2.0.0/16", tunnel);
	route("2001:db8:f::/48", tunnel);
	route("2001:db8:10::/48", tunnel);
	policy4 = peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", 0, 0, 0);
	policy6 = peer_policy(tunnel, "fd00:1::/64", "2001:db8:f::/48", 0, 0, 0);
	for (unsigned i = 0; i < PEERS; i++)
		peer_keys(&peers[i], (uint8_t)(60 + i));
	dpt_neighbour(0, PEER_IP, dpt_peer[0]);
	dpt_neighbour(1, HOST4, dpt_peer[1]);
	ip6_reachable(0, PEER6, dpt_peer[0]);
	ip6_reachable(1, HOST, dpt_peer[1]);
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
		cmocka_unit_test(out),
		cmocka_unit_test(in),
		cmocka_unit_test(in_refused),
		cmocka_unit_test(side_by_side),
		cmocka_unit_test(not_without),
		cmocka_unit_test(told_through_tunnel),
		cmocka_unit_test(narrowed),
		cmocka_unit_test(ranges),
		cmocka_unit_test(too_big),
		cmocka_unit_test(fragments_too_big),
		cmocka_unit_test(least_mtu),
		cmocka_unit_test(least_mtu_unresolved),
		cmocka_unit_test(least_mtu_burst),
		cmocka_unit_test(stale_mtu),
		cmocka_unit_test(mss),
		cmocka_unit_test(tfc),
		cmocka_unit_test(past_the_tunnel),
		cmocka_unit_test(extensions),
	};

	return cmocka_run_group_tests_name("inner6", tests, setup, teardown);
}
