/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams for the gateway in fragments: put together in whatever order they come, refused by name where they
 * overlap, never come to an end or are too large; and what a flood of them may cost.
 */
#include "ip6.h"
#include "peer.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_mempool.h>

#include "datagram.h"
#include "dp.h"

#define HOST  "10.1.0.7"
#define FAR   "10.2.0.9"
#define OWN   "192.0.2.1"
#define NEAR  "192.0.2.2"
#define NEAR6 "2001:db8:1::2"

enum { ETH = 14, LIMIT = 16, TIMEOUT_S = 5, WORKERS = 2 };

static uint16_t tunnel;
static struct peer peer = {.spi_out = 0xc0ffee01};
static uint8_t packet[DPT_FRAME_MAX], outer[DPT_FRAME_MAX], got[DPT_FRAME_MAX];

static int setup(void **state)
{
	const struct dpt_conf c = {
		.n_workers = WORKERS, .v6 = true, .max_datagrams = LIMIT, .datagram_timeout_s = TIMEOUT_S};
	const struct prefix own = {.a = addr_v4((const uint8_t[]){10, 1, 0, 1}), .len = 24};
	struct dp_route r = {0};

	dpt_init(&c);
	assert_int_equal(dp_tunnel_if_add("tunnel.1", &own, 1, &tunnel), 0);
	assert_int_equal(prefix_parse("10.2.0.0/16", &r.dst), 0);
	r.ifindex = tunnel;
	assert_int_equal(dp_route_add(&r), 0);
	memset(&r, 0, sizeof(r));
	assert_int_equal(prefix_parse("10.1.0.7/32", &r.dst), 0);
	assert_int_equal(addr_parse("10.1.1.7", &r.via), 0);
	assert_int_equal(dp_route_add(&r), 0);
	dpt_neighbour(0, NEAR, dpt_peer[0]);
	dpt_neighbour(1, "10.1.1.7", dpt_peer[1]);
	peer_keys(&peer, 3);
	peer_install(&peer, peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", 0, 0, 0), NULL);
	return 0;
}

static int teardown(void **state)
{
	peer_remove(&peer);
	dpt_fini();
	return 0;
}

/* ---- fragments ------------------------------------------------------------------------------- */

/* Bytes [off, off + n) of the payload of the whole packet as a fragment at `to`; its length. */
static size_t cut(const uint8_t *whole, size_t off, size_t n, bool more, uint32_t id, uint8_t *to)
{
	bool v6 = whole[0] >> 4 == 6;
	size_t hdr = v6 ? 40 : 20, total = (v6 ? 48 : 20) + n, len = v6 ? total - 40 : total;

	memcpy(to, whole, hdr);
	if (v6) {
		memcpy(to + 40, (uint8_t[8]){whole[6], 0, (uint8_t)(off >> 8), (uint8_t)(off | more)}, 8);
		memcpy(to + 44, &id, 4);
		to[6] = IPPROTO_FRAGMENT;
		to[4] = (uint8_t)(len >> 8);
		to[5] = (uint8_t)len;
	} else {
		to[2] = (uint8_t)(len >> 8);
		to[3] = (uint8_t)len;
		memcpy(to + 4, &id, 2);
		to[6] = (uint8_t)((more ? 0x20 : 0) | off >> 11);
		to[7] = (uint8_t)(off >> 3);
		dpt_sum4(to);
	}
	memcpy(to + total - n, whole + hdr + off, n);
	return total;
}

static void put(const uint8_t *ip, size_t len, uint16_t queue)
{
	uint8_t frame[DPT_FRAME_MAX];

	memcpy(dpt_eth(frame, 0, ip[0] >> 4 == 6 ? 0x86dd : 0x0800), ip, len);
	dpt_inject(0, queue, frame, ETH + len);
}

static size_t payload_of(const uint8_t *whole, size_t len)
{
	return len - (whole[0] >> 4 == 6 ? 40 : 20);
}

/* The i-th piece of `size` bytes of a whole packet, into a queue. */
static void send_piece(const uint8_t *whole, size_t len, size_t size, size_t i, uint32_t id, uint16_t queue)
{
	size_t all = payload_of(whole, len), off = i * size, n = RTE_MIN(size, all - off);
	uint8_t f[DPT_FRAME_MAX] = {0};

	put(f, cut(whole, off, n, off + n < all, id, f), queue);
}

/* Part [off, off + n) of a datagram of which more follows, and what it is dropped for; "": nothing. */
static void part(const uint8_t *whole, size_t off, size_t n, uint32_t id, const char *why, uint64_t dropped)
{
	uint8_t f[DPT_FRAME_MAX] = {0};

	put(f, cut(whole, off, n, true, id, f), 0);
	dpt_run();
	dpt_expect_drop(why, dropped);
}

static uint64_t reassembled(void)
{
	struct dp_worker_stats s;
	uint64_t n = 0;

	for (unsigned i = 0; dp_worker_stats(i, &s) == 0; i++)
		n += s.reassembled;
	return n;
}

/* The six orders of three pieces. */
static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

/* A whole packet in three pieces, in one of the orders, the queues taken in turn. */
static void send_in_order(const uint8_t *whole, size_t len, unsigned order, uint32_t id)
{
	size_t size = (payload_of(whole, len) / 3 + 8) & ~(size_t)7;

	for (unsigned i = 0; i < 3; i++)
		send_piece(whole, len, size, orders[order][i], id, (uint16_t)(i % WORKERS));
	dpt_run();
}

/* ---- what comes together --------------------------------------------------------------------- */

/* ESP, raw and in UDP, over both families, in every order and spread over the workers. */
static void esp(void **state)
{
	struct peer udp = {.udp = true, .spi_out = 0xc0ffee02};
	struct peer *p[] = {&peer, &udp};
	uint64_t before = reassembled();
	uint32_t id = 1;

	peer_keys(&udp, 9);
	peer_install(&udp, peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", 17, 0, 0), NULL);
	for (unsigned k = 0; k < 2; k++) {
		for (unsigned order = 0; order < 6; order++, id++) {
			size_t n = dpt_echo4(packet, FAR, HOST, (uint16_t)id, 900 + id);
			size_t len = peer_seal(p[k], packet, n, &(struct peer_how){0}, outer);

			send_in_order(outer, len, order, id);
			dpt_expect_drop("", 0);
			assert_int_equal(dpt_take_one(1, got), ETH + n);
			assert_true(dpt_sums_right(got + ETH, n));
			assert_memory_equal(got + ETH + 20, packet + 20, n - 20);
		}
	}
	assert_int_equal(reassembled() - before, 12);
	peer_remove(&udp);
}

/* IKE messages, and echo, of both families. */
static void ike_and_echo(void **state)
{
	uint8_t data[1900];
	size_t len;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	for (unsigned order = 0; order < 6; order++) {
		for (unsigned v6 = 0; v6 < 2; v6++) {
			len = v6 ? ip6_udp(packet, NEAR6, 500, OWN6, 500, data, sizeof(data))
				 : dpt_udp4(packet, NEAR, 500, OWN, 500, data, sizeof(data));
			dpt_clear();
			send_in_order(packet, len, order, 100 + order);
			dpt_expect_drop("", 0);
			assert_int_equal(dpt_seen.n_udp, 1);
			assert_int_equal(dpt_seen.udp.len, sizeof(data));
			assert_memory_equal(dpt_seen.udp_data, data, sizeof(data));
			assert_int_equal(dpt_seen.udp.local.port, 500);
		}
		send_in_order(packet, dpt_echo4(packet, NEAR, OWN, 7, 1300), order, 200 + order);
		dpt_expect_drop("", 0);
		assert_int_equal(dpt_take_one(0, got), ETH + 1328);
		assert_true(dpt_sums_right(got + ETH, 1328));
	}
}

/* Extension headers in front of the fragment header stay, and the fragment header goes. */
static void extension_headers(void **state)
{
	static const uint8_t options[8] = {IPPROTO_FRAGMENT, 0, 1, 4};
	uint8_t f[DPT_FRAME_MAX], with[DPT_FRAME_MAX];
	size_t len = ip6_udp(packet, NEAR6, 500, OWN6, 500, outer, 512), all = len - 40;

	dpt_clear();
	for (unsigned i = 0; i < 2; i++) {
		size_t off = i * 256, n = i ? all - 256 : 256, total = cut(packet, off, n, !i, 77, f);

		memcpy(with, f, 40);
		memcpy(with + 40, options, 8);
		memcpy(with + 48, f + 40, total - 40);
		with[6] = IPPROTO_HOPOPTS;
		with[5] = (uint8_t)(total - 40 + 8);
		with[4] = (uint8_t)((total - 40 + 8) >> 8);
		put(with, total + 8, 0);
	}
	dpt_run();
	dpt_expect_drop("", 0);
	assert_int_equal(dpt_seen.n_udp, 1);
	assert_int_equal(dpt_seen.udp.len, 512);
}

/* A ping to the gateway through the tunnel; its fragments travel in ESP packets of their own. */
static void out_of_a_tunnel(void **state)
{
	size_t n = dpt_echo4(packet, FAR, "10.1.0.1", 3, 1200), size = 616, len;
	uint8_t f[DPT_FRAME_MAX] = {0};
	uint64_t seq;

	for (unsigned i = 2; i-- > 0;) {
		len = cut(packet, i * size, i ? n - 20 - size : size, !i, 5, f);
		put(outer, peer_seal(&peer, f, len, &(struct peer_how){0}, outer), 0);
	}
	dpt_run();
	dpt_expect_drop("", 0);
	len = dpt_take_one(0, got);
	assert_int_equal(peer_open(&peer, got + ETH, len - ETH, outer, &seq), n);
	assert_true(dpt_sums_right(outer, n));
	/* Half from the tunnel and half from outside are not one datagram. */
	len = cut(packet, 0, size, true, 6, f);
	put(outer, peer_seal(&peer, f, len, &(struct peer_how){0}, outer), 0);
	put(f, cut(packet, size, n - 20 - size, false, 6, f), 0);
	dpt_run();
	dpt_take_none(0);
	dpt_sleep_ms(TIMEOUT_S * 1000);
	dpt_expect_drop("fragment-timeout", 2);
}

/* RFC 3168 5.3. */
static void congestion(void **state)
{
	static const struct {
		uint8_t a, b;
		const char *dropped;
	} c[] = {{2, 2, ""}, {2, 3, ""}, {3, 2, ""}, {3, 3, ""}, {0, 3, "ip-fragment"}, {3, 0, "ip-fragment"},
		 {0, 0, ""}};
	uint8_t f[DPT_FRAME_MAX] = {0};

	for (unsigned i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		size_t n = dpt_echo4(packet, FAR, HOST, 1, 800), len, step = 400;

		packet[1] = 2; /* ECT(0), where the outer header says anything */
		dpt_sum4(packet);
		len = peer_seal(&peer, packet, n, &(struct peer_how){0}, outer);
		for (unsigned k = 0; k < 2; k++) {
			size_t part_len = cut(outer, k * step, k ? len - 20 - step : step, !k, 300 + i, f);

			f[1] = k ? c[i].b : c[i].a;
			dpt_sum4(f);
			put(f, part_len, 0);
		}
		dpt_run();
		dpt_expect_drop(c[i].dropped, *c[i].dropped ? 1 : 0);
		if (*c[i].dropped)
			continue;
		assert_int_equal(dpt_take_one(1, got), ETH + n);
		assert_int_equal(got[ETH + 1] & 3, c[i].a == 3 || c[i].b == 3 ? 3 : 2);
	}
}

/* ---- what does not --------------------------------------------------------------------------- */

static void malformed(void **state)
{
	size_t len = dpt_echo4(packet, NEAR, OWN, 7, 600);
	uint8_t f[DPT_FRAME_MAX] = {0};

	assert_true(len > 600);
	for (unsigned n = 0; n < 8; n++) /* not a multiple of eight, and nothing */
		part(packet, 0, n, 20, "ip-fragment", 1);
	put(f, cut(packet, 8, 0, false, 20, f), 0); /* an empty last one */
	dpt_run();
	dpt_expect_drop("ip-fragment", 1);
	len = cut(packet, 0, 100, false, 21, f);
	f[6] = 0x1f; /* beyond the largest datagram */
	f[7] = 0xff;
	dpt_sum4(f);
	put(f, len, 0);
	dpt_run();
	dpt_expect_drop("ip-fragment", 1);
	packet[9] = IPPROTO_TCP; /* nothing of ours listens to it, so it need not wait */
	part(packet, 0, 64, 22, "local-no-service", 1);
}

/* RFC 5722: with the one that overlaps, all go, and those that come later. */
static void overlaps(void **state)
{
	static const struct {
		uint16_t a, a_len, b, b_len;
		bool last; /* b is */
	} c[] = {
		{0, 64, 56, 64, false}, {56, 64, 0, 64, false}, {0, 64, 8, 8, false},
		{8, 8, 0, 64, false},   {0, 64, 0, 56, false},  {0, 64, 0, 72, false},
		{64, 64, 32, 64, true}, {128, 64, 8, 64, true}, {128, 64, 64, 64, true},
		{0, 64, 56, 8, false},
	};
	uint8_t f[DPT_FRAME_MAX] = {0};

	for (unsigned v6 = 0; v6 < 2; v6++) {
		size_t len = v6 ? ip6_echo(packet, NEAR6, OWN6, 1, 500)
				: dpt_echo4(packet, NEAR, OWN, 1, 500);

		assert_true(len > 500);
		for (unsigned i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
			uint32_t id = 1000 + v6 * 100 + i;

			part(packet, c[i].a, c[i].a_len, id, "", 0);
			put(f, cut(packet, c[i].b, c[i].b_len, !c[i].last, id, f), 1);
			dpt_run();
			dpt_expect_drop("fragment-overlap", 2);
			part(packet, 256, 64, id, "fragment-overlap", 1);
			if (i % 8 == 7)
				dpt_sleep_ms(TIMEOUT_S * 1000 + 1); /* room for the next */
			dpt_expect_drop("", 0);
		}
	}
	dpt_sleep_ms(TIMEOUT_S * 1000);
	dpt_expect_drop("", 0); /* they have been counted */
}

/* A second end somewhere else. */
static void two_ends(void **state)
{
	uint8_t f[DPT_FRAME_MAX] = {0};

	dpt_echo4(packet, NEAR, OWN, 1, 500);
	put(f, cut(packet, 128, 64, false, 40, f), 0);
	put(f, cut(packet, 192, 64, false, 40, f), 0);
	put(f, cut(packet, 128, 56, false, 41, f), 0);
	put(f, cut(packet, 64, 40, false, 41, f), 0);
	put(f, cut(packet, 128, 64, false, 42, f), 0);
	put(f, cut(packet, 192, 64, true, 42, f), 0);
	dpt_run();
	dpt_expect_drop("fragment-overlap", 6);
}

/* The same piece twice harms nobody. */
static void duplicates(void **state)
{
	size_t len = dpt_echo4(packet, NEAR, OWN, 9, 300);

	for (unsigned order = 0; order < 6; order++) {
		size_t size = 104;

		for (unsigned i = 0; i < 3; i++) {
			send_piece(packet, len, size, orders[order][i], 400 + order, 0);
			dpt_run();
			if (i < 2)
				send_piece(packet, len, size, orders[order][i], 400 + order, 1);
			dpt_run();
		}
		dpt_expect_drop("fragment-duplicate", 2);
		assert_int_equal(dpt_take_one(0, got), ETH + len);
		assert_true(dpt_sums_right(got + ETH, len));
	}
}

static void too_big(void **state)
{
	uint32_t room = rte_pktmbuf_data_room_size(dp.pool);
	uint8_t f[DPT_FRAME_MAX] = {0};
	size_t len;

	dpt_echo4(packet, NEAR, OWN, 1, 1000);
	part(packet, 0, 64, 50, "", 0);
	len = cut(packet, 0, 64, true, 50, f);
	f[6] = (uint8_t)(0x20 | room >> 11);
	f[7] = (uint8_t)(room >> 3);
	dpt_sum4(f);
	put(f, len, 0);
	dpt_run();
	dpt_expect_drop("fragment-too-big", 2);
	part(packet, 64, 64, 50, "fragment-too-big", 1);
	for (unsigned i = 0; i < 64; i++) /* as many pieces as there may be */
		part(packet, i * 8, 8, 51, "", 0);
	part(packet, 64 * 8, 8, 51, "fragment-too-big", 65);
	dpt_sleep_ms(TIMEOUT_S * 1000);
	dpt_expect_drop("", 0);
}

static void time_out(void **state)
{
	size_t len = dpt_echo4(packet, NEAR, OWN, 1, 500);

	send_piece(packet, len, 256, 0, 60, 0);
	dpt_sleep_ms(TIMEOUT_S * 1000 - 500);
	dpt_expect_drop("", 0);
	send_piece(packet, len, 256, 1, 60, 0); /* just in time */
	dpt_run();
	assert_int_equal(dpt_take_one(0, got), ETH + len);
	send_piece(packet, len, 256, 0, 61, 0);
	dpt_sleep_ms(TIMEOUT_S * 1000 + 500);
	dpt_expect_drop("fragment-timeout", 1);
	send_piece(packet, len, 256, 1, 61, 0); /* too late */
	dpt_run();
	dpt_take_none(0);
	dpt_sleep_ms(TIMEOUT_S * 1000 + 500);
	dpt_expect_drop("fragment-timeout", 1);
}

/* Fragments that never make a datagram: buffers stay bounded, everything else passes, and so do datagrams whose
 * fragments come close together. */
static void flood(void **state)
{
	size_t len = dpt_echo4(packet, NEAR, OWN, 1, 500), esp_len, n;
	uint8_t attack[DPT_FRAME_MAX], f[DPT_FRAME_MAX];
	unsigned before, answered = 0;
	const unsigned rounds = 2000;

	dpt_neighbour(0, NEAR, dpt_peer[0]); /* some time has passed */
	dpt_neighbour(1, "10.1.1.7", dpt_peer[1]);
	before = rte_mempool_in_use_count(dp.pool);
	memcpy(attack, packet, len);
	for (unsigned i = 0; i < rounds; i++) {
		memcpy(attack + 12, (uint8_t[]){198, 51, (uint8_t)(100 + (i >> 8)), (uint8_t)i}, 4);
		put(f, cut(attack, 0, 64, true, i, f), (uint16_t)(i % WORKERS));
		if (i % 100 == 50) {
			send_piece(packet, len, 256, 0, i, 0);
			send_piece(packet, len, 256, 1, i, 1);
		}
		dpt_run();
		assert_true(rte_mempool_in_use_count(dp.pool) <= before + WORKERS * LIMIT + 2);
		while (dpt_take(0, got, NULL))
			answered += got[12] == 8 && got[13] == 0; /* and not ARP */
	}
	assert_int_equal(answered, rounds / 100);
	assert_int_equal(dpt_dropped("fragment-table-full"), rounds - WORKERS * LIMIT);
	dpt_mark();
	n = dpt_echo4(packet, FAR, HOST, 1, 100);
	esp_len = peer_seal(&peer, packet, n, &(struct peer_how){0}, outer);
	put(outer, esp_len, 0);
	dpt_run();
	assert_int_equal(dpt_take_one(1, got), ETH + n);
	dpt_sleep_ms(TIMEOUT_S * 1000 + 500);
	dpt_expect_drop("fragment-timeout", WORKERS * LIMIT);
	assert_int_equal(rte_mempool_in_use_count(dp.pool), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(esp),
		cmocka_unit_test(ike_and_echo),
		cmocka_unit_test(extension_headers),
		cmocka_unit_test(congestion),
		cmocka_unit_test(out_of_a_tunnel),
		cmocka_unit_test(malformed),
		cmocka_unit_test(overlaps),
		cmocka_unit_test(two_ends),
		cmocka_unit_test(duplicates),
		cmocka_unit_test(too_big),
		cmocka_unit_test(time_out),
		cmocka_unit_test(flood),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
