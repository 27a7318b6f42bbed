/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv6 inside tunnels: what is too big for them, TCP's segment size, and padding.
 */
#include "inner6.h"

#include <netinet/in.h>
#include <string.h>

#include "port.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_big),
		cmocka_unit_test(fragments_too_big),
		cmocka_unit_test(least_mtu),
		cmocka_unit_test(least_mtu_unresolved),
		cmocka_unit_test(least_mtu_burst),
		cmocka_unit_test(stale_mtu),
		cmocka_unit_test(mss),
		cmocka_unit_test(tfc),
	};

	return cmocka_run_group_tests_name("inner6-mtu", tests, inner6_setup, inner6_teardown);
}
