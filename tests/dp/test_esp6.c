/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ESP between IPv6 gateways, raw and in UDP.
 */
#include "peer.h"

#include <netinet/in.h>
#include <string.h>

#define HOST "10.1.1.50"
#define FAR  "10.2.0.7"

enum { ETH = 14, TOS = 0x2e << 2 };

static struct peer gcm, cbc_udp;
static uint32_t policy;
static uint8_t frame[DPT_FRAME_MAX], packet[DPT_FRAME_MAX], inner[DPT_FRAME_MAX];

/* One packet of ours, as long as it says, with every field of the outer header right. */
static void expect_out(const struct peer *p, size_t len)
{
	size_t n = dpt_take_one(0, frame) - ETH, got;
	uint8_t *ip = frame + ETH;
	uint64_t seq;

	assert_int_equal(frame[12] << 8 | frame[13], 0x86dd);
	assert_memory_equal(frame, dpt_peer[0], 6);
	assert_int_equal(ip[0], 0x60 | TOS >> 4);
	assert_int_equal(ip[1], TOS << 4 & 0xff);
	got = peer_open(p, ip, n, inner, &seq);
	packet[8]--; /* TTL */
	dpt_sum4(packet);
	assert_int_equal(got, len);
	assert_memory_equal(inner, packet, len);
}

static void out(struct peer *p)
{
	peer_install(p, policy, NULL);
	ip6_neighbour(0, PEER6, dpt_peer[0]);
	for (size_t size = 0; size < 1300; size += 97) {
		size_t len = dpt_echo4(packet, HOST, FAR, 1, size);

		packet[1] = TOS;
		dpt_sum4(packet);
		dpt_inject_ip(1, 0, packet, len);
		dpt_run();
		if (size == 0) { /* with it we ask whether the peer is still there */
			dpt_clear();
			continue;
		}
		dpt_expect_drop("", 0);
		expect_out(p, len);
	}
	/* the largest that fits, and one more */
	for (unsigned more = 0; more < 2; more++) {
		size_t len = dpt_echo4(packet, HOST, FAR, 1, dp_sa_out_mtu(p->sa_out) - 28u + more);

		packet[1] = TOS;
		packet[6] = 0x40; /* DF */
		dpt_sum4(packet);
		dpt_inject_ip(1, 0, packet, len);
		dpt_run();
		if (more) {
			dpt_expect_drop("too-big", 1);
			dpt_take_none(0);
		} else {
			expect_out(p, len);
		}
	}
	dpt_clear();
	peer_remove(p);
}

static void in(struct peer *p)
{
	uint8_t esp[DPT_FRAME_MAX];
	size_t len = dpt_echo4(packet, FAR, HOST, 1, 333), n;
	struct dp_sa_stats s;

	peer_install(p, policy, NULL);
	p->seq = 0;
	dpt_neighbour(1, HOST, dpt_peer[1]);
	dpt_clear();
	ip6_inject(0, esp, peer_seal(p, packet, len, NULL, esp)); /* in UDP: no checksum, RFC 6935 */
	dpt_run();
	dpt_expect_drop("", 0);
	assert_int_equal(dpt_take_one(1, frame), ETH + len);
	assert_true(dpt_sums_right(frame + ETH, len));
	/* RFC 6040: congestion on the way, to a packet that can carry the mark, and to one that cannot */
	packet[1] = 2;
	dpt_sum4(packet);
	ip6_inject(0, esp, peer_seal(p, packet, len, &(struct peer_how){.tos = 3}, esp));
	dpt_run();
	assert_int_equal(dpt_take_one(1, frame), ETH + len);
	assert_int_equal(frame[ETH + 1], 3);
	assert_true(dpt_sums_right(frame + ETH, len));
	packet[1] = 0;
	dpt_sum4(packet);
	ip6_inject(0, esp, peer_seal(p, packet, len, &(struct peer_how){.tos = 3}, esp));
	dpt_run();
	dpt_expect_drop("esp-ecn", 1);
	n = peer_seal(p, packet, len, NULL, esp);
	esp[n - 1] ^= 1;
	ip6_inject(0, esp, n);
	dpt_run();
	dpt_expect_drop("esp-auth-failed", 1);
	assert_int_equal(dp_sa_in_stats(p->spi_in, &s), 0);
	assert_int_equal(s.packets, 2);
	peer_remove(p);
}

static void raw_out(void **state)
{
	out(&gcm);
}

static void udp_out(void **state)
{
	out(&cbc_udp);
}

static void raw_in(void **state)
{
	in(&gcm);
}

static void udp_in(void **state)
{
	in(&cbc_udp);
}

/* A peer whose NAT gives it another port: told, and followed. */
static void moved(void **state)
{
	struct endpoint to = dpt_ep(PEER6, 7777);
	uint8_t esp[DPT_FRAME_MAX];
	size_t len = dpt_echo4(packet, FAR, HOST, 1, 33);

	peer_install(&cbc_udp, policy, NULL);
	cbc_udp.seq = 0;
	dpt_clear();
	ip6_inject(0, esp, peer_seal(&cbc_udp, packet, len, NULL, esp));
	dpt_run();
	assert_int_equal(dpt_seen.n_moved, 0);
	ip6_inject(0, esp, peer_seal(&cbc_udp, packet, len, &(struct peer_how){.sport = 7777}, esp));
	dpt_run();
	assert_int_equal(dpt_seen.n_moved, 1);
	assert_int_equal(dpt_seen.moved.spi, cbc_udp.spi_in);
	assert_true(endpoint_eq(&dpt_seen.moved.from, &to));
	assert_int_equal(dp_sa_move(cbc_udp.spi_in, cbc_udp.sa_out, &to), 0);
	dpt_clear();
	len = dpt_echo4(packet, HOST, FAR, 1, 33);
	dpt_inject_ip(1, 0, packet, len);
	dpt_run();
	dpt_expect_drop("", 0);
	do
		assert_int_not_equal(dpt_take(0, frame, NULL), 0);
	while (frame[ETH + 6] != IPPROTO_UDP);
	assert_int_equal(frame[ETH + 42] << 8 | frame[ETH + 43], 7777);
	dpt_clear();
	peer_remove(&cbc_udp);
}

/* RFC 4301 5.2: what an SA of IPv4 selectors brings is IPv4, even where they say any address. */
static void edit_any4(struct dp_sa_in_conf *c)
{
	c->ts_local[0] = peer_ts("0.0.0.0/0", 0, 0);
	c->ts_remote[0] = peer_ts("0.0.0.0/0", 0, 0);
}

static void any4_is_not_any6(void **state)
{
	const struct peer_edit any4 = {.in = edit_any4};
	uint8_t esp[DPT_FRAME_MAX];
	size_t len = ip6_echo(packet, "2001:db8:f::7", "fd00:1::50", 1, 33);

	peer_install(&gcm, policy, &any4);
	gcm.seq = 0;
	dpt_clear();
	ip6_inject(0, esp, peer_seal(&gcm, packet, len, NULL, esp));
	dpt_run();
	dpt_expect_drop("esp-inner-selector", 1);
	dpt_take_none(1);
	peer_remove(&gcm);
}

static int setup(void **state)
{
	struct dp_route r = {0};

	dpt_init(&(struct dpt_conf){.v6 = true});
	assert_int_equal(dp_tunnel_if_add("tunnel.1", NULL, 0, &r.ifindex), 0);
	prefix_parse("10.2.0.0/16", &r.dst);
	assert_int_equal(dp_route_add(&r), 0);
	policy = peer_policy(r.ifindex, "10.1.0.0/16", "10.2.0.0/16", 0, 0, 0);
	gcm = (struct peer){.outer6 = true, .spi_out = 0xc0ffee00};
	cbc_udp = (struct peer){.outer6 = true, .cbc = true, .udp = true, .spi_out = 0xdecade00};
	peer_keys(&gcm, 3);
	peer_keys(&cbc_udp, 5);
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
		cmocka_unit_test(raw_out), cmocka_unit_test(udp_out), cmocka_unit_test(raw_in),
		cmocka_unit_test(udp_in),  cmocka_unit_test(moved),   cmocka_unit_test(any4_is_not_any6),
	};

	return cmocka_run_group_tests_name("esp6", tests, setup, teardown);
}
