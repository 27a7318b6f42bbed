/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MTU of the way to a peer, learned from ICMP errors: what such a message must know, what it can do, and when it
 * is forgotten.
 */
#include "peer.h"

#include <netinet/in.h>
#include <string.h>

#include "dp.h"
#include "sad.h"

#define HOST   "10.1.1.7"
#define FAR    "10.2.0.9"
#define ROUTER "192.0.2.254"

enum { ETH = 14, IP = 20, IP6 = 40, UNREACHABLE = 3, FRAG_NEEDED = 4 };

static uint16_t tunnel;
static uint32_t policy;
static uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX], outer[DPT_FRAME_MAX];

/* The peer's SA sends a packet of n bytes; the outer one, as a router on its way sees it, comes into `outer`. */
static size_t sends(size_t n)
{
	size_t len = dpt_echo4(packet, HOST, FAR, 1, n - 28);

	packet[6] = 0x40;
	dpt_sum4(packet);
	dpt_inject_ip(1, 0, packet, len);
	dpt_run();
	dpt_expect_drop("", 0);
	len = dpt_take_one(0, frame) - ETH;
	memcpy(outer, frame + ETH, len);
	return len;
}

/* A router says: `mtu` at most, and quotes `quote` bytes of `outer`. */
static void router_says(uint16_t mtu, size_t quote, const char *why)
{
	struct dpt_ip4 h = {.src = ROUTER, .dst = OWN_IP, .proto = IPPROTO_ICMP};
	uint8_t icmp[8 + 1500] = {UNREACHABLE, FRAG_NEEDED}, *p = dpt_eth(frame, 0, 0x0800);
	uint32_t sum = 0;
	size_t len;

	icmp[6] = (uint8_t)(mtu >> 8);
	icmp[7] = (uint8_t)mtu;
	memcpy(icmp + 8, outer, quote);
	for (size_t i = 0; i < 8 + quote; i++)
		sum += i & 1 ? icmp[i] : (uint32_t)icmp[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	icmp[2] = (uint8_t)(~sum >> 8);
	icmp[3] = (uint8_t)~sum;
	len = dpt_ip4(p, &h, icmp, 8 + quote);
	dpt_drops(0, frame, ETH + len, why);
	dpt_sleep_ms(50);
}

static void learns(struct peer *p)
{
	uint16_t whole, narrow, room;
	size_t head = IP + (p->udp ? 8u : 0) + 8, len;

	peer_install(p, policy, NULL);
	whole = dp_sa_out_mtu(p->sa_out);
	assert_int_equal(dp_sa_out_pmtu(p->sa_out), 0);
	sends(1400);
	router_says(1400, head, "pmtu-learned"); /* the least that is enough */
	assert_int_equal(dp_sa_out_pmtu(p->sa_out), 1400);
	narrow = dp_sa_out_mtu(p->sa_out);
	room = p->cbc ? 16 : 4;
	assert_in_range(whole - narrow, 100 - room, 100 + room);
	assert_int_equal(sad_out_find(p->sa_out)->max_inner, narrow);
	/* what fits now, and not a byte more */
	assert_in_range(sends(narrow), 1400 - room + 1, 1400);
	packet[3]++;
	len = dpt_echo4(packet, HOST, FAR, 1, narrow - 27u);
	packet[6] = 0x40;
	dpt_sum4(packet);
	memcpy(dpt_eth(frame, 1, 0x0800), packet, len);
	dpt_drops(1, frame, ETH + len, "too-big");
	/* never upward, nor the same again */
	len = sends(narrow);
	router_says(1400, len, "pmtu-implausible");
	router_says(1450, len, "pmtu-implausible");
	router_says(65535, len, "pmtu-implausible");
	assert_int_equal(dp_sa_out_pmtu(p->sa_out), 1400);
	router_says(1300, len < 548 ? len : 548, "pmtu-learned");
	assert_int_equal(dp_sa_out_pmtu(p->sa_out), 1300);
	/* never below what every link carries */
	router_says(68, head, "pmtu-learned");
	assert_int_equal(dp_sa_out_pmtu(p->sa_out), 576);
	router_says(1, head, "pmtu-implausible");
	peer_remove(p);
}

static void learned(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct peer p = {.spi_out = 0x9001 + i, .cbc = i & 1, .udp = i & 2};

		peer_keys(&p, (uint8_t)(90 + i));
		learns(&p);
	}
}

/* Routers that leave the field zero: the next smaller MTU in use (RFC 1191 7.1). */
static void old_router(void **state)
{
	struct peer p = {.spi_out = 0x9101};

	peer_keys(&p, 7);
	peer_install(&p, policy, NULL);
	sends(1446);
	router_says(0, 28, "pmtu-learned");
	assert_int_equal(dp_sa_out_pmtu(p.sa_out), 1492);
	sends(1000);
	router_says(0, 28, "pmtu-learned");
	assert_int_equal(dp_sa_out_pmtu(p.sa_out), 1006);
	sends(600);
	router_says(0, 28, "pmtu-learned");
	assert_int_equal(dp_sa_out_pmtu(p.sa_out), 576);
	peer_remove(&p);
}

/* Whatever of the quoted packet is not ours, or too little of it, or not what a router would complain of. */
static void forged(void **state)
{
	struct peer raw = {.spi_out = 0x9201}, udp = {.spi_out = 0x9202, .udp = true};

	for (unsigned u = 0; u < 2; u++) {
		struct peer *p = u ? &udp : &raw;
		size_t esp = IP + (u ? 8u : 0), head = esp + 8;
		uint8_t kept[DPT_FRAME_MAX];
		size_t len;

		peer_keys(p, 8);
		peer_install(p, policy, NULL);
		len = sends(1400);
		memcpy(kept, outer, len);
		for (size_t at = 12; at < head - 4; at++) { /* addresses, ports, SPI */
			if (u && (at == 24 || at == 25 || at == 26 || at == 27))
				continue; /* UDP length and checksum say nothing */
			outer[at] ^= 1;
			router_says(1300, head, "pmtu-unknown-packet");
			outer[at] ^= 1;
		}
		for (size_t n = 0; n < head; n++)
			router_says(1300, n, "pmtu-unknown-packet");
		outer[0] = 0x4f; /* a header longer than what is quoted */
		router_says(1300, head, "pmtu-unknown-packet");
		outer[0] = 0x65;
		router_says(1300, head, "pmtu-unknown-packet");
		outer[0] = 0x45;
		outer[6] = 0; /* without DF a router fragments */
		router_says(1300, head, "pmtu-unknown-packet");
		outer[6] = 0x40;
		outer[7] = 1; /* a later fragment */
		router_says(1300, head, "pmtu-unknown-packet");
		outer[7] = 0;
		outer[9] = IPPROTO_TCP;
		router_says(1300, head, "pmtu-unknown-packet");
		memcpy(outer, kept, len);
		/* a number that was never sent, and one from long ago */
		outer[esp + 7]++;
		router_says(1300, head, "pmtu-implausible");
		memcpy(outer, kept, len);
		sad_out_find(p->sa_out)->seq += (1 << 20) - 1;
		router_says(1300, head, "pmtu-learned");
		sad_out_find(p->sa_out)->seq++;
		router_says(1200, head, "pmtu-implausible");
		assert_int_equal(dp_sa_out_pmtu(p->sa_out), 1300);
		peer_remove(p);
		router_says(1200, head, "pmtu-unknown-packet");
	}
}

/* Forgotten after ten minutes, counted from the last time; a peer that moves is on another way. */
static void forgotten(void **state)
{
	struct peer p = {.spi_out = 0x9301, .udp = true};
	struct endpoint elsewhere = dpt_ep("192.0.2.77", 4500);
	uint16_t whole;

	peer_keys(&p, 9);
	peer_install(&p, policy, NULL);
	whole = dp_sa_out_mtu(p.sa_out);
	sends(1400);
	router_says(1400, 36, "pmtu-learned");
	dpt_sleep_ms(300000);
	router_says(1300, 36, "pmtu-learned");
	dpt_sleep_ms(590000);
	assert_int_equal(dp_sa_out_pmtu(p.sa_out), 1300);
	dpt_sleep_ms(10000);
	assert_int_equal(dp_sa_out_pmtu(p.sa_out), 0);
	assert_int_equal(sad_out_find(p.sa_out)->max_inner, whole);
	router_says(1300, 36, "pmtu-learned");
	assert_int_equal(dp_sa_move(p.spi_in, p.sa_out, &elsewhere), 0);
	assert_int_equal(dp_sa_out_pmtu(p.sa_out), 0);
	peer_remove(&p);
}

/* The successor of an SA starts with what is known of the way. */
static void inherited(void **state)
{
	struct peer p = {.spi_out = 0x9401}, next = {.spi_out = 0x9402};

	dpt_neighbour(0, PEER_IP, dpt_peer[0]); /* time has passed */
	peer_keys(&p, 10);
	peer_keys(&next, 11);
	peer_install(&p, policy, NULL);
	sends(1400);
	router_says(1400, 28, "pmtu-learned");
	peer_install(&next, policy, NULL);
	assert_int_equal(dp_sa_out_pmtu(next.sa_out), 1400);
	assert_int_equal(dp_sa_out_mtu(next.sa_out), dp_sa_out_mtu(p.sa_out));
	peer_remove(&p);
	dpt_sleep_ms(601000);
	assert_int_equal(dp_sa_out_pmtu(next.sa_out), 0);
	peer_remove(&next);
}

/* ---- over IPv6 --------------------------------------------------------------------------------- */

static void router_says6(uint32_t mtu, size_t quote, const char *why)
{
	struct ip6 h = {.src = "2001:db8:1::fe", .dst = OWN6, .next = IPPROTO_ICMPV6};
	uint8_t icmp[8 + 1500] = {
		2, 0, 0, 0, (uint8_t)(mtu >> 24), (uint8_t)(mtu >> 16), (uint8_t)(mtu >> 8), (uint8_t)mtu};
	uint8_t *p = dpt_eth(frame, 0, 0x86dd);

	memcpy(icmp + 8, outer, quote);
	dpt_drops(0, frame, ETH + ip6_put_sum(p, &h, icmp, 8 + quote, 2), why);
	dpt_sleep_ms(50);
}

static void learned6(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct peer p = {.spi_out = 0x9601 + i, .outer6 = true, .cbc = i & 1, .udp = i & 2};
		size_t head = IP6 + (p.udp ? 8u : 0) + 8, room = p.cbc ? 16 : 4, len;
		uint16_t whole, narrow;

		ip6_reachable(0, PEER6, dpt_peer[0]);
		peer_keys(&p, (uint8_t)(190 + i));
		peer_install(&p, policy, NULL);
		whole = dp_sa_out_mtu(p.sa_out);
		sends(1400);
		router_says6(1400, head, "pmtu-learned");
		assert_int_equal(dp_sa_out_pmtu(p.sa_out), 1400);
		narrow = dp_sa_out_mtu(p.sa_out);
		assert_in_range(whole - narrow, 100 - room, 100 + room);
		len = sends(narrow);
		assert_in_range(len, 1400 - room + 1, 1400);
		router_says6(1400, len < 1232 ? len : 1232, "pmtu-implausible");
		router_says6(0x10000 + 1300, head, "pmtu-implausible");
		router_says6(1279, head, "pmtu-implausible"); /* RFC 8201 4 */
		router_says6(0, head, "pmtu-implausible");
		assert_int_equal(dp_sa_out_pmtu(p.sa_out), 1400);
		router_says6(1280, head, "pmtu-learned");
		assert_int_equal(dp_sa_out_pmtu(p.sa_out), 1280);
		assert_in_range(sends(dp_sa_out_mtu(p.sa_out)), 1280 - room + 1, 1280);
		peer_remove(&p);
	}
}

static void forged6(void **state)
{
	for (unsigned u = 0; u < 2; u++) {
		struct peer p = {.spi_out = 0x9701 + u, .outer6 = true, .udp = u};
		size_t esp = IP6 + (u ? 8u : 0), head = esp + 8;
		uint8_t kept[DPT_FRAME_MAX];
		size_t len;

		ip6_reachable(0, PEER6, dpt_peer[0]);
		peer_keys(&p, 18);
		peer_install(&p, policy, NULL);
		len = sends(1400);
		memcpy(kept, outer, len);
		for (size_t at = 8; at < head - 4; at++) { /* addresses, ports, SPI */
			if (u && at >= 44 && at < 48)
				continue; /* UDP length and checksum say nothing */
			outer[at] ^= 1;
			router_says6(1300, head, "pmtu-unknown-packet");
			outer[at] ^= 1;
		}
		for (size_t n = 0; n < head; n++)
			router_says6(1300, n, "pmtu-unknown-packet");
		outer[0] = 0x45;
		router_says6(1300, head, "pmtu-unknown-packet");
		outer[0] = 0x60;
		outer[6] = IPPROTO_TCP;
		router_says6(1300, head, "pmtu-unknown-packet");
		memcpy(outer, kept, len);
		router_says(1300, head, "pmtu-unknown-packet"); /* by a router of IPv4 */
		outer[esp + 7]++;
		router_says6(1300, head, "pmtu-implausible");
		/* the first fragment of what was cut, and a later one */
		memmove(outer + IP6 + 8, kept + IP6, len - IP6);
		memset(outer + IP6, 0, 8);
		outer[IP6] = outer[6];
		outer[6] = IPPROTO_FRAGMENT;
		outer[IP6 + 2] = 1;
		router_says6(1300, head + 8, "pmtu-unknown-packet");
		outer[IP6 + 2] = 0;
		outer[IP6 + 3] = 1;
		router_says6(1300, head + 7, "pmtu-unknown-packet");
		router_says6(1300, head + 8, "pmtu-learned");
		peer_remove(&p);
		router_says6(1290, head + 8, "pmtu-unknown-packet");
	}
}

static int setup(void **state)
{
	struct dp_route r = {0};

	dpt_init(&(struct dpt_conf){.v6 = true});
	assert_int_equal(dp_tunnel_if_add("tunnel.1", NULL, 0, &tunnel), 0);
	r.ifindex = tunnel;
	assert_int_equal(prefix_parse("10.2.0.0/16", &r.dst), 0);
	assert_int_equal(dp_route_add(&r), 0);
	dpt_neighbour(0, PEER_IP, dpt_peer[0]);
	policy = peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", 0, 0, 0);
	dpt_sleep_ms(1000);
	dpt_clear();
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
		cmocka_unit_test(learned),   cmocka_unit_test(old_router), cmocka_unit_test(forged),
		cmocka_unit_test(forgotten), cmocka_unit_test(inherited),  cmocka_unit_test(learned6),
		cmocka_unit_test(forged6),
	};

	return cmocka_run_group_tests_name("pmtu", tests, setup, teardown);
}
