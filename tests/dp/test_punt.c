/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams of the control plane, up and down, and what keeps a flood from it.
 */
#include "harness.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>

#include "dp.h"

#define PEER "192.0.2.7"
#define OWN  "192.0.2.1"

enum { ETH = 14, IP = 20, UDP = 8, MARKER = 4, LARGEST = 65535 - IP - UDP - MARKER };

static uint8_t frame[DPT_FRAME_MAX], packet[DPT_FRAME_MAX], data[65536], whole[65536];

static size_t ike(uint16_t port, const void *bytes, size_t len)
{
	return dpt_udp4(packet, PEER, port == 500 ? 500 : 40001, OWN, port, bytes, len);
}

static void inject(size_t len)
{
	dpt_inject_ip(0, 0, packet, len);
}

static bool fd_readable(void)
{
	struct pollfd p = {.fd = dp_event_fd(), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* ---- up -------------------------------------------------------------------------------------- */

static void delivered(uint16_t port, const void *bytes, size_t len)
{
	const struct endpoint local = dpt_ep(OWN, port), remote = dpt_ep(PEER, port == 500 ? 500 : 40001);

	dpt_run();
	dpt_expect_drop("", 0);
	assert_int_equal(dpt_seen.n_udp, 1);
	assert_true(endpoint_eq(&dpt_seen.udp.local, &local));
	assert_true(endpoint_eq(&dpt_seen.udp.remote, &remote));
	assert_int_equal(dpt_seen.udp.marker, port == 4500);
	assert_int_equal(dpt_seen.udp.len, len);
	if (len)
		assert_memory_equal(dpt_seen.udp.data, bytes, len);
	dpt_clear();
}

static void up(void **state)
{
	for (size_t n = 0; n <= 1472; n += n < 20 ? 1 : 121) {
		inject(ike(500, data, n));
		delivered(500, data, n);
	}
	memset(data, 0, MARKER);
	for (size_t n = MARKER + 1; n <= 1472; n += n < 20 ? 1 : 121) {
		inject(ike(4500, data, n));
		delivered(4500, data + MARKER, n - MARKER);
	}
}

/* The UDP header says how much of the packet is the datagram. */
static void udp_length(void **state)
{
	size_t len = ike(500, "0123456789", 10);

	packet[IP + 5] = UDP + 6;
	packet[IP + 6] = packet[IP + 7] = 0;
	inject(len);
	delivered(500, "012345", 6);
}

static void checksum(void **state)
{
	size_t len = ike(500, "0123456789", 10);

	for (size_t i = 12; i < len; i++) { /* addresses are part of it, too */
		if (i >= 16 && i < 20)
			continue; /* would not be ours */
		if (i >= IP + 2 && i < IP + 6)
			continue; /* the port that makes it IKE, and the length, which is judged before */
		packet[i] ^= 2;
		dpt_sum4(packet);
		inject(len);
		dpt_run();
		dpt_expect_drop("udp-bad-checksum", 1);
		packet[i] ^= 2;
	}
	assert_int_equal(dpt_seen.n_udp, 0);
	dpt_sum4(packet);
	packet[IP + 6] = packet[IP + 7] = 0; /* RFC 768: none */
	inject(len);
	delivered(500, "0123456789", 10);
}

/* The control thread is woken by a descriptor, once. */
static void wakes(void **state)
{
	assert_false(fd_readable());
	inject(ike(500, "text", 4));
	assert_int_equal(dpt_turn(0), 1);
	assert_true(fd_readable());
	assert_int_equal(dpt_seen.n_udp, 0); /* never called from a worker */
	dp_service(dpt_now);
	assert_false(fd_readable());
	assert_int_equal(dpt_seen.n_udp, 1);
	dpt_turn(0);
	assert_false(fd_readable());
	dpt_clear();
}

/* ---- floods ---------------------------------------------------------------------------------- */

static void flood(size_t len, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		inject(len);
}

/* 3000 at once, then 10000 each second. */
static void ike_rate(void **state)
{
	size_t len;

	dpt_sleep_ms(1000);
	len = ike(500, "text", 4);
	for (unsigned i = 0; i < 5; i++) {
		flood(len, 700);
		dpt_run();
	}
	assert_int_equal(dpt_seen.n_udp, 3000);
	dpt_expect_drop("punt-rate-limited", 3500 - 3000);
	dpt_now += 10 * 1000000; /* 10 ms: 100 more */
	dpt_run();
	flood(len, 200);
	dpt_run();
	assert_in_range(dpt_seen.n_udp, 3000 + 99, 3000 + 101);
	dpt_expect_drop("punt-rate-limited", 3000 + 200 - dpt_seen.n_udp);
	dpt_clear();
}

/* Those who begin have a limit of their own: what belongs to an SA comes through beside them. */
static void strangers_apart(void **state)
{
	uint8_t text[4 + 28] = {0};
	size_t len;

	dpt_sleep_ms(1000);
	for (unsigned marker = 0; marker <= 4; marker += 4) {
		uint16_t port = marker ? 4500 : 500;

		memset(text, 0, sizeof(text));
		memset(text + marker, 0xa5, 8);
		len = ike(port, text, marker + 28);
		flood(len, 600);
		dpt_run();
		dpt_expect_drop("punt-rate-limited", 88);
		assert_int_equal(dpt_seen.n_udp, 512);
		text[marker + 15] = 1; /* the responder's SPI */
		len = ike(port, text, marker + 28);
		flood(len, 200);
		dpt_run();
		assert_int_equal(dpt_seen.n_udp, 512 + 200);
		text[marker + 15] = 0;
		text[marker + 19] = 0x20; /* an answer: a cookie */
		len = ike(port, text, marker + 28);
		flood(len, 200);
		dpt_run();
		assert_int_equal(dpt_seen.n_udp, 512 + 400);
		dpt_clear();
		dpt_sleep_ms(1000);
	}
}

/* Classes have their own limits: ARP and strangers' addresses cannot keep IKE out. */
static void classes_are_apart(void **state)
{
	size_t len;

	dpt_sleep_ms(1000);
	for (unsigned i = 0; i < 300; i++) {
		dpt_inject(0, 0, frame, dpt_arp(frame, 0, 1, dpt_peer[0], PEER, NULL, OWN));
		dpt_inject_ip(1, 0, packet, dpt_echo4(packet, "10.1.1.7", "192.0.2.99", 1, 10));
	}
	dpt_run();
	assert_int_equal(dpt_dropped("punt-rate-limited"), 300 - 128); /* ARP that is not told is answered */
	for (unsigned i = 0; i < 300; i++)
		assert_int_not_equal(dpt_take(0, frame, NULL), 0);
	dpt_mark();
	len = ike(500, "text", 4);
	flood(len, 900);
	dpt_run();
	assert_int_equal(dpt_seen.n_udp, 900);
	dpt_sleep_ms(5000);
	dpt_clear();
}

/* Three quarters of the ring for packets, the rest for events. */
static void ring_full(void **state)
{
	enum { PACKETS = CONTROL_RINGS - 1 - CONTROL_RINGS / 4 };
	struct dp_policy_conf c = {0};
	struct dp_route r = {0};
	uint32_t policy;
	size_t len;

	assert_int_equal(dp_tunnel_if_add("tunnel.1", NULL, 0, &c.tunnel_if), 0);
	assert_int_equal(prefix_parse("0.0.0.0/0", &c.local), 0);
	assert_int_equal(prefix_parse("0.0.0.0/0", &c.remote), 0);
	assert_int_equal(dp_policy_add(&c, &policy), 0);
	assert_int_equal(prefix_parse("10.2.0.0/16", &r.dst), 0);
	r.ifindex = c.tunnel_if;
	assert_int_equal(dp_route_add(&r), 0);
	dpt_sleep_ms(1000);
	len = ike(500, "text", 4);
	for (unsigned i = 0; i < 5; i++) {
		flood(len, 700);
		while (dpt_turn(0))
			;
		dpt_now += 100 * 1000000; /* within the rate */
	}
	dpt_expect_drop("punt-ring-full", 5 * 700 - PACKETS);
	dpt_inject_ip(1, 0, packet, dpt_echo4(packet, "10.1.1.7", "10.2.0.9", 1, 10));
	dpt_turn(0);
	dpt_expect_drop("no-sa", 1);
	assert_int_equal(dpt_seen.n_acquire, 0);
	dpt_run();
	assert_int_equal(dpt_seen.n_acquire, 1);
	assert_int_equal(dpt_seen.n_udp, PACKETS);
	dpt_expect_drop("", 0);
	assert_int_equal(dp_route_del(&r.dst), 0);
	assert_int_equal(dp_policy_del(policy), 0);
	dpt_clear();
}

/* ESP for us with an SPI that is not in use: control hears of some of it. */
static void unknown_spi(void **state)
{
	uint8_t esp[40] = {0x12, 0x34, 0x56, 0x78};
	struct dpt_ip4 raw = {.src = PEER, .dst = OWN, .proto = IPPROTO_ESP};
	struct endpoint local, remote;

	dpt_sleep_ms(5000);
	dpt_inject_ip(0, 0, packet, dpt_ip4(packet, &raw, esp, sizeof(esp)));
	dpt_run();
	local = dpt_ep(OWN, 0);
	remote = dpt_ep(PEER, 0);
	assert_int_equal(dpt_seen.n_unknown_spi, 1);
	assert_int_equal(dpt_seen.unknown_spi.spi, 0x12345678);
	assert_true(endpoint_eq(&dpt_seen.unknown_spi.local, &local));
	assert_true(endpoint_eq(&dpt_seen.unknown_spi.remote, &remote));
	for (unsigned i = 0; i < 100; i++)
		dpt_inject_ip(0, 0, packet, dpt_udp4(packet, PEER, 4501, OWN, 4500, esp, sizeof(esp)));
	dpt_run();
	dpt_expect_drop("esp-unknown-spi", 101);
	local.port = 4500;
	remote.port = 4501;
	assert_int_equal(dpt_seen.n_unknown_spi, 20); /* at once */
	assert_true(endpoint_eq(&dpt_seen.unknown_spi.local, &local));
	assert_true(endpoint_eq(&dpt_seen.unknown_spi.remote, &remote));
	dpt_clear();
}

/* ---- down ------------------------------------------------------------------------------------ */

static struct dp_udp to(const char *remote, uint16_t port, size_t len)
{
	return (struct dp_udp){
		.local = dpt_ep(OWN, port), .remote = dpt_ep(remote, port), .data = data, .len = len};
}

/* The frame in `frame` is the one UDP packet that u asks for. */
static void expect_sent(const struct dp_udp *u, size_t n)
{
	size_t marker = u->local.port == 4500 && !u->keepalive ? MARKER : 0;
	size_t len = u->keepalive ? 1 : u->len;
	const uint8_t *ip = frame + ETH, *udp = ip + IP;
	static const uint8_t zero[MARKER], keepalive = 0xff;

	assert_int_equal(n, ETH + IP + UDP + marker + len);
	assert_memory_equal(frame, dpt_peer[0], 6);
	assert_memory_equal(frame + 6, dpt_mac[0], 6);
	assert_true(dpt_sums_right(ip, n - ETH));
	assert_int_equal(ip[0], 0x45);
	assert_int_equal(ip[8], 64);
	assert_int_equal(ip[9], IPPROTO_UDP);
	assert_memory_equal(ip + 12, u->local.a.b, 4);
	assert_memory_equal(ip + 16, u->remote.a.b, 4);
	assert_int_equal(udp[0] << 8 | udp[1], u->local.port);
	assert_int_equal(udp[2] << 8 | udp[3], u->remote.port);
	assert_int_equal(udp[4] << 8 | udp[5], UDP + marker + len);
	assert_memory_equal(udp + UDP, zero, marker);
	if (len)
		assert_memory_equal(udp + UDP + marker, u->keepalive ? &keepalive : u->data, len);
}

static void sent(const struct dp_udp *u)
{
	assert_int_equal(dp_udp_send(u), 0);
	dpt_run();
	dpt_expect_drop("", 0);
	expect_sent(u, dpt_take_one(0, frame));
}

static void down(void **state)
{
	struct dp_udp u;

	dpt_neighbour(0, PEER, dpt_peer[0]);
	for (size_t n = 0; n <= 1468; n += n < 20 ? 1 : 181) {
		u = to(PEER, 500, n);
		sent(&u);
		u = to(PEER, 4500, n);
		sent(&u);
	}
	u = to(PEER, 500, 1472); /* just fits */
	sent(&u);
	u.remote.port = 61000; /* behind a NAT */
	sent(&u);
	u = to(PEER, 4500, 100);
	u.keepalive = true; /* RFC 3948 2.3: no marker */
	sent(&u);
	u.data = NULL;
	u.len = 0;
	sent(&u);
}

/* RFC 768: a sum of 0 is sent as all ones; dpt_sums_right() takes no 0. */
static void sum_of_zero(void **state)
{
	struct dp_udp u = to(PEER, 500, 2);
	uint8_t text[2] = {0, 0};

	u.data = text;
	sent(&u);
	memcpy(text, frame + ETH + IP + 6, 2); /* what is missing to 0xffff */
	sent(&u);
	assert_int_equal(frame[ETH + IP + 6] << 8 | frame[ETH + IP + 7], 0xffff);
}

static void waits_for_neighbour(void **state)
{
	struct dp_udp u = to("192.0.2.8", 500, 100);

	assert_int_equal(dp_udp_send(&u), 0);
	dpt_run();
	dpt_take_one(0, frame);
	assert_int_equal(frame[12] << 8 | frame[13], 0x0806);
	dpt_inject(0, 0, frame, dpt_arp(frame, 0, 2, dpt_peer[0], "192.0.2.8", dpt_mac[0], OWN));
	dpt_run();
	dpt_expect_drop("arp-done", 1);
	expect_sent(&u, dpt_take_one(0, frame));
	/* and when there is none */
	u = to("192.0.2.9", 500, 100);
	assert_int_equal(dp_udp_send(&u), 0);
	dpt_sleep_ms(3000);
	dpt_expect_drop("neighbour-unresolved", 1);
	dpt_clear();
}

static void not_sent(void **state)
{
	struct dp_udp u = to("198.51.100.1", 500, 10);
	struct dp_route r = {0};

	assert_int_equal(dp_udp_send(&u), -ENETUNREACH);
	u = to(OWN, 500, 10); /* to ourselves */
	assert_int_equal(dp_udp_send(&u), -ENETUNREACH);
	u = to("192.0.2.255", 500, 10);
	assert_int_equal(dp_udp_send(&u), -ENETUNREACH);
	u = to(PEER, 500, 10);
	u.local = dpt_ep("192.0.2.99", 500);
	assert_int_equal(dp_udp_send(&u), -EADDRNOTAVAIL);
	u = to(PEER, 500, LARGEST + 1);
	assert_int_equal(dp_udp_send(&u), -EMSGSIZE);
	u = to(PEER, 500, SIZE_MAX);
	assert_int_equal(dp_udp_send(&u), -EMSGSIZE);
	u = to(PEER, 500, 10);
	u.remote.a.v = 6;
	assert_int_equal(dp_udp_send(&u), -EAFNOSUPPORT);
	u = to(PEER, 500, 10);
	u.local.a.v = 0;
	assert_int_equal(dp_udp_send(&u), -EAFNOSUPPORT);
	/* IKE does not go through its own tunnels */
	assert_int_equal(dp_tunnel_if_add("tunnel.2", NULL, 0, &r.ifindex), 0);
	assert_int_equal(prefix_parse("198.51.100.0/24", &r.dst), 0);
	assert_int_equal(dp_route_add(&r), 0);
	u = to("198.51.100.1", 500, 10);
	assert_int_equal(dp_udp_send(&u), -ENETUNREACH);
	assert_int_equal(dp_route_del(&r.dst), 0);
	dpt_run();
	dpt_take_none(0);
	dpt_expect_drop("", 0);
}

/* ---- fragments ------------------------------------------------------------------------------- */

/* Take the fragments that left by port 0 and put the datagram together, RFC 791 3.2; its length. */
static size_t reassemble(uint8_t *to, size_t *n_frags)
{
	size_t n, end = 0, have = 0;
	unsigned id = 0;

	*n_frags = 0;
	while ((n = dpt_take(0, frame, NULL)) > 0) {
		const uint8_t *ip = frame + ETH;
		size_t len = (size_t)(ip[2] << 8 | ip[3]) - IP, off = (ip[6] << 8 | ip[7]) & 0x1fffu;
		bool more = ip[6] & 0x20;

		assert_true(dpt_sums_right(ip, n - ETH));
		assert_int_equal(n, ETH + IP + len);
		assert_in_range(n, ETH + IP + 1, ETH + 1500);
		assert_false(ip[6] & 0x40); /* DF on a fragment would be absurd */
		assert_int_equal(ip[9], IPPROTO_UDP);
		if ((*n_frags)++ == 0)
			id = (unsigned)(ip[4] << 8 | ip[5]);
		assert_int_equal(ip[4] << 8 | ip[5], id);
		off *= 8;
		assert_int_equal(off, have); /* in order, without holes or overlap */
		if (more)
			assert_int_equal(len % 8, 0);
		else
			end = off + len;
		assert_in_range(off + len, 1, 65535 - IP);
		memcpy(to + IP + off, ip + IP, len);
		memcpy(to, ip, IP);
		have += len;
	}
	assert_int_equal(have, end);
	to[2] = (uint8_t)((IP + end) >> 8);
	to[3] = (uint8_t)(IP + end);
	to[6] = to[7] = 0;
	dpt_sum4(to);
	return IP + end;
}

static void fragmented(void **state)
{
	static const size_t sizes[] = {1469, 1473, 2000, 2948, 2949, 2956, 9000, 20001, LARGEST};
	unsigned last_id = 65536, id;
	size_t n_frags;

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 256);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct dp_udp u = to(PEER, 4500, sizes[i]);
		size_t len = UDP + MARKER + sizes[i];

		assert_int_equal(dp_udp_send(&u), 0);
		dpt_run();
		dpt_expect_drop("", 0);
		assert_int_equal(reassemble(whole, &n_frags), IP + len);
		assert_int_equal(n_frags, (len + 1479) / 1480);
		assert_true(dpt_sums_right(whole, IP + len)); /* the UDP checksum covers all of it */
		assert_int_equal(whole[IP + 4] << 8 | whole[IP + 5], len);
		assert_memory_equal(whole + IP + UDP, "\0\0\0\0", MARKER);
		assert_memory_equal(whole + IP + UDP + MARKER, data, sizes[i]);
		id = (unsigned)(whole[4] << 8 |
				whole[5]); /* two datagrams after each other do not share it */
		assert_int_not_equal(id, last_id);
		last_id = id;
	}
}

/* Pieces wait for their neighbour together, all or none. */
static void fragments_wait(void **state)
{
	struct dp_udp u = to("192.0.2.18", 500, 20000);
	size_t n_frags;

	assert_int_equal(dp_udp_send(&u), 0);
	dpt_run();
	dpt_take_one(0, frame);
	assert_int_equal(frame[12] << 8 | frame[13], 0x0806);
	dpt_inject(0, 0, frame, dpt_arp(frame, 0, 2, dpt_peer[0], "192.0.2.18", dpt_mac[0], OWN));
	dpt_run();
	assert_int_equal(reassemble(whole, &n_frags), IP + UDP + 20000);
	assert_memory_equal(whole + IP + UDP, data, 20000);
	/* 14 wait, 45 more fit into the queue, another 14 do not */
	u = to("192.0.2.19", 500, 20000);
	assert_int_equal(dp_udp_send(&u), 0);
	u.len = LARGEST;
	assert_int_equal(dp_udp_send(&u), 0);
	u.len = 20000;
	assert_int_equal(dp_udp_send(&u), -ENOBUFS);
	dpt_mark();
	dpt_sleep_ms(3000);
	dpt_expect_drop("neighbour-unresolved", 14 + 45);
	dpt_clear();
}

static int setup(void **state)
{
	dpt_init(NULL);
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 5 + 1);
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
		cmocka_unit_test(up),
		cmocka_unit_test(udp_length),
		cmocka_unit_test(checksum),
		cmocka_unit_test(wakes),
		cmocka_unit_test(ike_rate),
		cmocka_unit_test(strangers_apart),
		cmocka_unit_test(classes_are_apart),
		cmocka_unit_test(ring_full),
		cmocka_unit_test(unknown_spi),
		cmocka_unit_test(down),
		cmocka_unit_test(sum_of_zero),
		cmocka_unit_test(waits_for_neighbour),
		cmocka_unit_test(not_sent),
		cmocka_unit_test(fragmented),
		cmocka_unit_test(fragments_wait),
	};

	return cmocka_run_group_tests_name("punt", tests, setup, teardown);
}
