/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VLANs of a port: frames in and out by their tags, neighbours and counters of their own, tunnels over them.
 *
 * Port 0 carries, beside its untagged 192.0.2.0/24, VLAN 100 with 198.18.0.1/24 and 2001:db8:100::1/64, and
 * VLAN 4094 with 10.1.2.1/24 and an MTU of 1400.
 */
#include "ip6.h"
#include "peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "dp.h"
#include "neigh.h"
#include "port.h"

#define NEAR   "198.18.0.2"
#define NEAR6  "2001:db8:100::2"
#define OWN100 "198.18.0.1"
#define HOST   "10.1.2.7"
#define FAR    "10.2.0.9"

enum { ETH = 14, TAGGED = 18 };

static uint8_t frame[DPT_FRAME_MAX], got[DPT_FRAME_MAX];
static uint16_t vlan100, vlan4094, tunnel;

/* ---- interfaces ------------------------------------------------------------------------------ */

static int add(const char *name, uint16_t parent, uint16_t vid, uint16_t mtu, const char *a, const char *a6,
	       uint16_t *ifindex)
{
	struct dp_port_conf c = {.vid = vid, .parent = parent, .mtu = mtu, .n_addr = a6 ? 2 : 1};
	char err[256];

	snprintf(c.name, sizeof(c.name), "%s", name);
	assert_int_equal(prefix_parse(a, &c.addr[0]), 0);
	if (a6)
		assert_int_equal(prefix_parse(a6, &c.addr[1]), 0);
	return dp_port_add(&c, ifindex, err, sizeof(err));
}

static void add_vlans(void)
{
	uint16_t i;

	assert_int_equal(dp_tunnel_if_add("tunnel.1", NULL, 0, &tunnel), 0);
	assert_int_equal(add("out.100", dpt_port[0], 100, 1500, OWN100 "/24", "2001:db8:100::1/64", &vlan100),
			 0);
	assert_int_equal(add("out.4094", dpt_port[0], 4094, 1400, "10.1.2.1/24", NULL, &vlan4094), 0);
	assert_int_equal(add("x", dpt_port[0], 4095, 1500, "10.9.0.1/24", NULL, &i), -EINVAL);
	assert_int_equal(add("x", dpt_port[0], 100, 1500, "10.9.0.1/24", NULL, &i), -EEXIST);
	assert_int_equal(add("x", dpt_port[0], 7, 1501, "10.9.0.1/24", NULL, &i), -EINVAL);
	assert_int_equal(add("out.4094", dpt_port[0], 7, 1500, "10.9.0.1/24", NULL, &i), -EEXIST);
	assert_int_equal(add("x", dpt_port[0], 7, 1500, "10.1.2.1/24", NULL, &i), -EADDRINUSE);
	assert_int_equal(add("x", vlan4094, 7, 1400, "10.9.0.1/24", NULL, &i), -EINVAL); /* no port */
	assert_int_equal(add("x", tunnel, 7, 1400, "10.9.0.1/24", NULL, &i), -EINVAL);
	assert_int_equal(add("x", 4000, 7, 1400, "10.9.0.1/24", NULL, &i), -EINVAL);
	assert_int_equal(port_of_vlan(&ports[dp.ifs[dpt_port[0]].port], 7), 0); /* a failure leaves nothing */
	assert_int_equal(add("in.100", dpt_port[1], 100, 1500, "10.9.0.1/24", NULL, &i), 0);
	assert_int_equal(add("x", dpt_port[1], 7, 1300, "10.9.1.1/24", NULL, &i), 0);
}

static void route(const char *dst, const char *via, uint16_t ifindex)
{
	struct dp_route r = {.ifindex = ifindex};

	assert_int_equal(prefix_parse(dst, &r.dst), 0);
	if (via)
		assert_int_equal(addr_parse(via, &r.via), 0);
	assert_int_equal(dp_route_add(&r), 0);
}

static int setup(void **state)
{
	const struct dpt_conf c = {.v6 = true, .before_start = add_vlans};

	dpt_init(&c);
	dpt_neighbour(1, "10.1.1.7", dpt_peer[1]);
	return 0;
}

static int teardown(void **state)
{
	dpt_fini();
	return 0;
}

/* ---- frames ---------------------------------------------------------------------------------- */

/* The tag into a frame that has none; its length afterwards. */
static size_t tag(size_t len, uint16_t tci)
{
	memmove(frame + 16, frame + 12, len - 12);
	memcpy(frame + 12, (uint8_t[]){0x81, 0, (uint8_t)(tci >> 8), (uint8_t)tci}, 4);
	return len + 4;
}

static void inject(size_t len)
{
	dpt_inject(0, 0, frame, len);
	dpt_run();
}

static void inject_ip(uint16_t tci, uint16_t type, const uint8_t *packet, size_t len)
{
	memcpy(dpt_eth(frame, 0, type), packet, len);
	inject(tag(ETH + len, tci));
}

/* One frame left, with exactly this tag; it lies in got[], its IP packet at got + TAGGED. */
static size_t take(uint16_t tci, uint16_t type)
{
	size_t len = dpt_take_one(0, got);

	assert_memory_equal(got + 12, ((uint8_t[]){0x81, 0, (uint8_t)(tci >> 8), (uint8_t)tci}), 4);
	assert_memory_equal(got + 16, ((uint8_t[]){(uint8_t)(type >> 8), (uint8_t)type}), 2);
	assert_memory_equal(got + 6, dpt_mac[0], 6);
	return len;
}

/* Its question makes a host known, its answer to ours makes it sure. */
static void known(const char *ip, uint16_t vid, uint16_t ifindex)
{
	char own[ADDR_STR];
	struct addr a;
	uint32_t neigh;

	addr_str(&dp.ifs[ifindex].addr[0].a, own);
	assert_int_equal(addr_parse(ip, &a), 0);
	inject(tag(dpt_arp(frame, 0, 1, dpt_peer[0], ip, NULL, own), vid));
	assert_int_equal(take(vid, 0x0806), 60 + 4); /* the answer, in the question's buffer */
	neigh = neigh_find(dp.ifs[ifindex].port, &a);
	assert_int_not_equal(neigh, NEIGH_NONE);
	neigh_used(neigh);
	dpt_run();
	inject(tag(dpt_arp(frame, 0, 2, dpt_peer[0], ip, dpt_mac[0], own), vid));
	dpt_clear();
}

static struct dp_if_stats stats(uint16_t ifindex)
{
	struct dp_if_stats s;

	assert_int_equal(dp_if_stats(ifindex, &s), 0);
	return s;
}

/* ---- what comes in --------------------------------------------------------------------------- */

static void bad_tags(void **state)
{
	uint8_t packet[DPT_FRAME_MAX] = {0};
	size_t n = dpt_echo4(packet, NEAR, OWN100, 1, 20), len;

	memcpy(dpt_eth(frame, 0, 0x0800), packet, n);
	len = tag(ETH + n, 100);
	for (size_t i = 0; i < TAGGED; i++)
		dpt_drops(0, frame, i, i < ETH ? "l2-truncated" : "vlan-truncated");
	dpt_drops(0, frame, TAGGED, "ip-truncated");
	for (unsigned vid = 1; vid < VLANS; vid++) {
		if (vid == 100 || vid == 4094)
			continue;
		frame[14] = (uint8_t)(vid >> 8);
		frame[15] = (uint8_t)vid;
		dpt_drops(0, frame, len, "vlan-unknown");
	}
	memcpy(dpt_eth(frame, 0, 0x0800), packet, n);
	len = tag(tag(ETH + n, 100), 100);
	dpt_drops(0, frame, len, "vlan-nested");
	frame[14] = frame[15] = 0; /* behind a priority as well */
	dpt_drops(0, frame, len, "vlan-nested");
	frame[16] = 0x88; /* 802.1ad within */
	frame[17] = 0xa8;
	dpt_drops(0, frame, len, "vlan-nested");
	frame[12] = 0x88; /* and outside */
	frame[13] = 0xa8;
	dpt_drops(0, frame, len, "vlan-nested");
	memcpy(dpt_eth(frame, 0, 0x88cc), packet, n); /* LLDP */
	dpt_drops(0, frame, tag(ETH + n, 100), "l2-unknown-type");
	memcpy(dpt_eth(frame, 0, 0x0800), packet, n);
	frame[5] ^= 1;
	dpt_drops(0, frame, tag(ETH + n, 100), "l2-not-for-us");
}

/* Priority and "drop eligible" of a tag say nothing about the VLAN; VLAN 0 is the port itself. */
static void priorities(void **state)
{
	uint8_t packet[DPT_FRAME_MAX] = {0};

	known(NEAR, 100, vlan100);
	for (unsigned i = 0; i < 16; i++) {
		inject_ip((uint16_t)(i << 12 | 100), 0x0800, packet, dpt_echo4(packet, NEAR, OWN100, 1, 20));
		assert_int_equal(take(100, 0x0800), TAGGED + 48);
		assert_true(dpt_sums_right(got + TAGGED, 48));
	}
	dpt_neighbour(0, "192.0.2.7", dpt_peer[0]);
	inject_ip(0xe000, 0x0800, packet, dpt_echo4(packet, "192.0.2.7", "192.0.2.1", 1, 20));
	assert_int_equal(dpt_take_one(0, got), ETH + 48);
	assert_int_equal(got[12] << 8 | got[13], 0x0800);
	dpt_expect_drop("", 0);
}

/* What a device has taken off stands beside the frame. */
static void stripped(void **state)
{
	static const struct {
		uint16_t tci;
		const char *dropped;
	} c[] = {{0x2064, ""}, {101, "vlan-unknown"}, {0, "arp-not-for-us"}};

	for (unsigned i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		size_t len = dpt_arp(frame, 0, 1, dpt_peer[0], NEAR, NULL, OWN100);
		struct rte_mbuf *m = rte_pktmbuf_alloc(dp.pool);

		assert_non_null(m);
		memcpy(rte_pktmbuf_append(m, (uint16_t)len), frame, len);
		m->ol_flags = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
		m->vlan_tci = c[i].tci;
		dpt_inject_mbuf(0, 0, m);
		dpt_run();
		dpt_expect_drop(c[i].dropped, *c[i].dropped ? 1 : 0);
		if (!*c[i].dropped)
			take(100, 0x0806);
		dpt_take_none(0);
	}
	tag(dpt_arp(frame, 0, 1, dpt_peer[0], NEAR, NULL, OWN100), 100);
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp.pool); /* of two tags, one */

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, 64), frame, 64);
	m->ol_flags = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->vlan_tci = 100;
	dpt_inject_mbuf(0, 0, m);
	dpt_run();
	dpt_expect_drop("vlan-nested", 1);
}

/* A port without addresses is there for its VLANs: nothing untagged gets through it. */
static void port_without_addresses(void **state)
{
	struct port *p = &ports[dp.ifs[dpt_port[0]].port];
	uint8_t packet[DPT_FRAME_MAX] = {0};
	size_t n = dpt_echo4(packet, NEAR, "10.1.1.7", 1, 20);

	p->has_addr = false;
	memcpy(dpt_eth(frame, 0, 0x0800), packet, n);
	dpt_drops(0, frame, ETH + n, "vlan-missing");
	dpt_drops(0, frame, tag(ETH + n, 0), "vlan-missing");
	inject_ip(100, 0x0800, packet, n);
	p->has_addr = true;
	assert_int_equal(dpt_take_one(1, got), ETH + n);
	dpt_expect_drop("", 0);
}

/* ---- neighbours ------------------------------------------------------------------------------ */

/* An address belongs to its VLAN's link alone. */
static void arp_by_link(void **state)
{
	size_t len;

	dpt_drops(0, frame, dpt_arp(frame, 0, 1, dpt_peer[0], NEAR, NULL, OWN100), "arp-not-for-us");
	len = dpt_arp(frame, 0, 1, dpt_peer[0], NEAR, NULL, OWN100);
	dpt_drops(0, frame, tag(len, 4094), "arp-not-for-us");
	inject(tag(dpt_arp(frame, 0, 1, dpt_peer[0], NEAR, NULL, OWN100), 100));
	take(100, 0x0806);
	assert_memory_equal(got + TAGGED + 8, dpt_mac[0], 6);
	inject(tag(dpt_arp(frame, 0, 1, dpt_peer[0], HOST, NULL, "10.1.2.1"), 4094));
	take(4094, 0x0806);
	dpt_clear();
}

/* We ask on the VLAN, and what waited leaves there. */
static void unresolved(void **state)
{
	uint8_t packet[DPT_FRAME_MAX] = {0};
	size_t n = dpt_echo4(packet, "10.1.1.7", "198.18.0.77", 1, 20);

	dpt_inject_ip(1, 0, packet, n);
	dpt_run();
	take(100, 0x0806);
	assert_memory_equal(got, ((uint8_t[]){255, 255, 255, 255, 255, 255}), 6);
	inject(dpt_arp(frame, 0, 2, dpt_peer[0], "198.18.0.77", dpt_mac[0], OWN100)); /* on another link */
	dpt_expect_drop("arp-not-for-us", 1);
	dpt_take_none(0);
	inject(tag(dpt_arp(frame, 0, 2, dpt_peer[0], "198.18.0.77", dpt_mac[0], OWN100), 100));
	assert_int_equal(take(100, 0x0800), TAGGED + n);
	dpt_expect_drop("arp-done", 1);
}

static void neighbour_discovery(void **state)
{
	static const char local[] = "fe80::ff:fe00:1", theirs[] = "fe80::200:ff:fe00:101";
	uint8_t packet[DPT_FRAME_MAX] = {0};
	size_t n = ip6_nd(packet, 135, NEAR6, "2001:db8:100::1", "2001:db8:100::1", 0, dpt_peer[0]);

	ip6_inject(0, packet, n); /* untagged it is nobody's */
	dpt_run();
	dpt_expect_drop("nd-not-for-us", 1);
	inject_ip(100, 0x86dd, packet, n);
	assert_int_equal(take(100, 0x86dd), TAGGED + 72);
	assert_true(ip6_sum_right(got + TAGGED, 72));
	inject_ip(100, 0x86dd, packet, ip6_echo(packet, NEAR6, "2001:db8:100::1", 1, 20));
	assert_int_equal(dpt_take(0, got, NULL), TAGGED + 68);
	assert_int_equal(got[15], 100);
	assert_true(ip6_sum_right(got + TAGGED, 68));
	take(100, 0x86dd); /* is the neighbour still there? */
	inject_ip(100, 0x86dd, packet, ip6_echo(packet, theirs, local, 1, 20));
	assert_int_equal(take(100, 0x86dd), TAGGED + 68);
	inject_ip(4094, 0x86dd, packet, ip6_echo(packet, theirs, local, 1, 20)); /* no IPv6 there */
	dpt_expect_drop("ip-martian-address", 1);
}

/* ---- through --------------------------------------------------------------------------------- */

static void between_vlans(void **state)
{
	struct dp_if_stats a, b, c;
	uint8_t packet[DPT_FRAME_MAX] = {0};
	size_t n = dpt_echo4(packet, NEAR, HOST, 1, 100);

	known(NEAR, 100, vlan100);
	known(HOST, 4094, vlan4094);
	a = stats(vlan100);
	b = stats(vlan4094);
	inject_ip(100, 0x0800, packet, n);
	assert_int_equal(take(4094, 0x0800), TAGGED + n);
	assert_int_equal(got[TAGGED + 8], 63);
	assert_true(dpt_sums_right(got + TAGGED, n));
	assert_memory_equal(got, dpt_peer[0], 6);
	c = stats(vlan100);
	assert_int_equal(c.rx_packets - a.rx_packets, 1);
	assert_int_equal(c.rx_bytes - a.rx_bytes, TAGGED + n);
	assert_int_equal(c.tx_packets, a.tx_packets);
	c = stats(vlan4094);
	assert_int_equal(c.tx_packets - b.tx_packets, 1);
	assert_int_equal(c.tx_bytes - b.tx_bytes, TAGGED + n);
	assert_int_equal(c.rx_packets, b.rx_packets);
	assert_int_equal(c.vid, 4094);
	assert_int_equal(c.mtu, 1400);
	assert_true(c.is_port && c.link_up);
	assert_memory_equal(c.mac, dpt_mac[0], 6);
	assert_int_equal(stats(dpt_port[0]).vid, 0);
}

/* The VLAN's own MTU counts, not its port's. */
static void mtu_of_vlan(void **state)
{
	uint8_t packet[DPT_FRAME_MAX] = {0};
	size_t n;

	known(HOST, 4094, vlan4094);
	n = dpt_echo4(packet, "10.1.1.7", HOST, 1, 1400 - 28);
	dpt_inject_ip(1, 0, packet, n);
	dpt_run();
	assert_int_equal(take(4094, 0x0800), TAGGED + 1400);
	n = dpt_echo4(packet, "10.1.1.7", HOST, 1, 1400 - 27);
	dpt_inject_ip(1, 0, packet, n);
	dpt_run();
	assert_int_equal(dpt_take(0, got, NULL), TAGGED + 1396);
	assert_int_equal(got[15], 4094 & 255);
	assert_int_equal(dpt_take(0, got, NULL), TAGGED + 25);
	dpt_expect_drop("", 0);
}

/* Underlay and inner network, both on VLANs of one port. */
static void esp_over_vlans(void **state)
{
	struct peer p = {.spi_out = 0x1000};
	uint8_t packet[DPT_FRAME_MAX], esp[DPT_FRAME_MAX];
	uint64_t seq;
	size_t n, esp_len;

	known(NEAR, 100, vlan100);
	known(HOST, 4094, vlan4094);
	route("10.2.0.0/16", NULL, tunnel);
	route(PEER_IP "/32", NEAR, 0);
	peer_keys(&p, 1);
	peer_install(&p, peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", 0, 0, 0), NULL);
	n = dpt_echo4(packet, HOST, FAR, 1, 56);
	inject_ip(4094, 0x0800, packet, n);
	esp_len = take(100, 0x0800);
	assert_int_equal(peer_open(&p, got + TAGGED, esp_len - TAGGED, esp, &seq), n);
	n = dpt_echo4(packet, FAR, HOST, 1, 56);
	esp_len = peer_seal(&p, packet, n, &(struct peer_how){0}, esp);
	inject_ip(100, 0x0800, esp, esp_len);
	assert_int_equal(take(4094, 0x0800), TAGGED + n);
	assert_true(dpt_sums_right(got + TAGGED, n));
	dpt_expect_drop("", 0);
	peer_remove(&p);
}

/* ---- links ----------------------------------------------------------------------------------- */

/* A VLAN's link is its port's. */
static void link_of_the_port(void **state)
{
	uint8_t packet[DPT_FRAME_MAX] = {0};

	known(NEAR, 100, vlan100);
	assert_int_equal(rte_eth_dev_set_link_down(ports[dp.ifs[dpt_port[0]].port].ethdev), 0);
	dpt_sleep_ms(2000);
	assert_false(stats(vlan100).link_up);
	dpt_clear();
	dpt_inject_ip(1, 0, packet, dpt_echo4(packet, "10.1.1.7", NEAR, 1, 20));
	dpt_run();
	dpt_expect_drop("port-not-usable", 1);
	assert_int_equal(rte_eth_dev_set_link_up(ports[dp.ifs[dpt_port[0]].port].ethdev), 0);
	dpt_sleep_ms(2000);
	assert_true(stats(vlan100).link_up);
	dpt_clear();
	dpt_inject_ip(1, 0, packet, dpt_echo4(packet, "10.1.1.7", NEAR, 1, 20));
	dpt_run();
	assert_true(dpt_take(0, got, NULL) > 0);
	dpt_clear();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_tags),
		cmocka_unit_test(priorities),
		cmocka_unit_test(stripped),
		cmocka_unit_test(port_without_addresses),
		cmocka_unit_test(arp_by_link),
		cmocka_unit_test(unresolved),
		cmocka_unit_test(neighbour_discovery),
		cmocka_unit_test(between_vlans),
		cmocka_unit_test(mtu_of_vlan),
		cmocka_unit_test(esp_over_vlans),
		cmocka_unit_test(link_of_the_port),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
