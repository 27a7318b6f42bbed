/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neighbour discovery: answered, asked, believed; echo and the control plane's datagrams over IPv6.
 */
#include "ip6.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "dp.h"
#include "neigh.h"

#define NEAR  "2001:db8:1::50"
#define HOST  "fd00:1::50"
#define LOCAL "fe80::ff:fe00:1"
#define GROUP "ff02::1:ff00:1" /* of OWN6 and of LOCAL */

enum { ETH = 14, NS = 135, NA = 136, ROUTER = 0x80, SOLICITED = 0x40, OVERRIDE = 0x20 };

static const uint8_t mac_a[6] = {2, 0, 0, 0, 9, 1}, mac_b[6] = {2, 0, 0, 0, 9, 2};
static uint8_t frame[DPT_FRAME_MAX];

static int fresh(void **state)
{
	dpt_sleep_ms(700000);
	dpt_clear();
	assert_int_equal(neigh_count(), 0);
	return 0;
}

static void nd_from(const uint8_t mac[6], uint8_t type, const char *src, const char *dst, const char *target,
		    uint8_t flags, const uint8_t *option, const char *dropped)
{
	size_t len = ip6_nd(dpt_eth(frame, 0, 0x86dd), type, src, dst, target, flags, option);

	if (frame[ETH + 24] == 0xff) {
		frame[0] = frame[1] = 0x33;
		memcpy(frame + 2, frame + ETH + 36, 4);
	}
	memcpy(frame + 6, mac, 6);
	dpt_inject(0, 0, frame, ETH + len);
	dpt_run();
	dpt_expect_drop(dropped, *dropped ? 1 : 0);
}

/* The next frame out of port 0 is an advertisement of OWN6 (or own) by us. */
static void expect_advert(const uint8_t mac[6], const char *own, const char *dst, uint8_t flags)
{
	uint8_t a[16], nd[32] = {NA, 0, 0, 0, flags, [24] = 2, [25] = 1};

	assert_int_equal(dpt_take(0, frame, NULL), ETH + 72);
	assert_memory_equal(frame, mac, 6);
	assert_memory_equal(frame + 6, dpt_mac[0], 6);
	assert_int_equal(frame[ETH + 7], 255);
	ip6_addr(own, a);
	assert_memory_equal(frame + ETH + 8, a, 16);
	memcpy(nd + 8, a, 16);
	ip6_addr(dst, a);
	assert_memory_equal(frame + ETH + 24, a, 16);
	assert_true(ip6_sum_right(frame + ETH, 72));
	memcpy(nd + 26, dpt_mac[0], 6);
	memset(frame + ETH + 42, 0, 2);
	assert_memory_equal(frame + ETH + 40, nd, 32);
}

/* The next frame out of port 0 asks for an address; mac NULL: everybody who may have it. */
static void expect_ask(const char *own, const char *asked, const uint8_t *mac)
{
	static const uint8_t group[6] = {0x33, 0x33, 0xff, 0, 0, 0x50};
	uint8_t a[16];

	assert_int_equal(dpt_take(0, frame, NULL), ETH + 72);
	assert_memory_equal(frame, mac ? mac : group, 6);
	assert_int_equal(frame[ETH + 7], 255);
	assert_int_equal(frame[ETH + 40], NS);
	ip6_addr(own, a);
	assert_memory_equal(frame + ETH + 8, a, 16);
	ip6_addr(mac ? asked : "ff02::1:ff00:50", a);
	assert_memory_equal(frame + ETH + 24, a, 16);
	ip6_addr(asked, a);
	assert_memory_equal(frame + ETH + 48, a, 16);
	assert_memory_equal(frame + ETH + 66, dpt_mac[0], 6);
	assert_true(ip6_sum_right(frame + ETH, 72));
}

static void transmit(const char *dst, uint16_t first, unsigned n)
{
	uint8_t packet[DPT_FRAME_MAX];

	for (unsigned i = 0; i < n; i++)
		ip6_inject(1, packet, ip6_echo(packet, HOST, dst, (uint16_t)(first + i), 20));
	dpt_run();
}

static void expect_packet(const uint8_t mac[6], unsigned number)
{
	assert_int_equal(dpt_take(0, frame, NULL), ETH + 68);
	assert_memory_equal(frame, mac, 6);
	assert_int_equal(frame[12] << 8 | frame[13], 0x86dd);
	assert_int_equal(frame[ETH + 7], 63);
	assert_int_equal(frame[ETH + 46] << 8 | frame[ETH + 47], number);
	assert_true(ip6_sum_right(frame + ETH, 68));
}

static void answers(void **state)
{
	nd_from(mac_a, NS, NEAR, GROUP, OWN6, 0, mac_a, "");
	expect_advert(mac_a, OWN6, NEAR, ROUTER | SOLICITED | OVERRIDE);
	nd_from(mac_a, NS, "fe80::50", GROUP, LOCAL, 0, mac_a, "");
	expect_advert(mac_a, LOCAL, "fe80::50", ROUTER | SOLICITED | OVERRIDE);
	nd_from(mac_a, NS, NEAR, OWN6, OWN6, 0, NULL, ""); /* by unicast, and without an option */
	expect_advert(mac_a, OWN6, NEAR, ROUTER | SOLICITED | OVERRIDE);
	assert_int_equal(neigh_count(), 2);
	/* RFC 4862 5.4: somebody tries our address out */
	nd_from(mac_b, NS, "::", GROUP, OWN6, 0, NULL, "");
	expect_advert((const uint8_t[]){0x33, 0x33, 0, 0, 0, 1}, OWN6, "ff02::1", ROUTER | OVERRIDE);
	assert_non_null(strstr(dpt_seen.log, "02:00:00:00:09:02 claims our address " OWN6));
	nd_from(mac_a, NS, NEAR, "ff02::1:ff00:2", "2001:db8:1::2", 0, mac_a, "nd-not-for-us");
	nd_from(mac_a, NS, NEAR, "ff02::1:ff00:1", INSIDE6, 0, mac_a, "nd-not-for-us"); /* the other port's */
	dpt_take_none(0);
	assert_int_equal(neigh_count(), 2);
}

/* RFC 4861 7.1.1, 7.1.2 */
static void malformed(void **state)
{
	size_t len;

	nd_from(mac_a, NS, NEAR, GROUP, "ff02::1", 0, mac_a, "nd-malformed");
	nd_from(mac_a, NS, "::", GROUP, OWN6, 0, mac_a, "nd-malformed"); /* no address, but a MAC */
	nd_from(mac_a, NS, "::", "ff02::1", OWN6, 0, NULL, "nd-malformed");
	nd_from(mac_a, NS, NEAR, GROUP, OWN6, 0, (const uint8_t[]){1, 0, 0, 0, 0, 1}, "nd-malformed");
	nd_from(mac_a, NS, NEAR, GROUP, OWN6, 0, (const uint8_t[6]){0}, "nd-malformed");
	nd_from(mac_a, NA, NEAR, "ff02::1", NEAR, SOLICITED, mac_a, "nd-malformed");
	nd_from(mac_a, NA, "::", OWN6, NEAR, SOLICITED, mac_a, "nd-malformed");
	len = ip6_nd(dpt_eth(frame, 0, 0x86dd), NS, NEAR, OWN6, OWN6, 0, mac_a);
	frame[ETH + 42] ^= 1; /* checksum */
	dpt_drops(0, frame, ETH + len, "nd-malformed");
	for (unsigned n = 8; n < 24; n++) {
		uint8_t nd[32] = {NS};

		ip6_addr(OWN6, nd + 8);
		ip6_put_sum(frame + ETH,
			    &(struct ip6){.src = NEAR, .dst = OWN6, .next = IPPROTO_ICMPV6, .hops = 255}, nd,
			    n, 2);
		dpt_drops(0, frame, ETH + 40 + n, "nd-malformed");
	}
	for (unsigned i = 0; i < 3;
	     i++) { /* an option of length 0, one longer than the packet, half of one */
		uint8_t nd[32] = {NS, [24] = 1, [25] = i == 0 ? 0 : i == 1 ? 2 : 1};

		ip6_addr(OWN6, nd + 8);
		len = ip6_put_sum(
			frame + ETH,
			&(struct ip6){.src = NEAR, .dst = OWN6, .next = IPPROTO_ICMPV6, .hops = 255}, nd,
			i == 2 ? 28 : 32, 2);
		dpt_drops(0, frame, ETH + len, "nd-malformed");
	}
	/* router solicitations and redirects are not for us */
	nd_from(mac_a, 137, "fe80::1", OWN6, NEAR, 0, mac_a, "nd-not-for-us");
	assert_int_equal(neigh_count(), 0);
}

static void resolved(void **state)
{
	transmit(NEAR, 1, 5);
	dpt_expect_drop("", 0);
	expect_ask(OWN6, NEAR, NULL);
	dpt_take_none(0);
	nd_from(mac_a, NA, NEAR, OWN6, NEAR, SOLICITED | OVERRIDE, mac_a, "nd-done");
	for (unsigned i = 1; i <= 5; i++)
		expect_packet(mac_a, i);
	dpt_sleep_ms(31000); /* not sure of it any more: used, and asked by unicast */
	transmit(NEAR, 9, 1);
	expect_packet(mac_a, 9);
	expect_ask(OWN6, NEAR, mac_a);
	nd_from(mac_b, NA, NEAR, OWN6, NEAR, SOLICITED, mac_b, "nd-done"); /* does not override */
	transmit(NEAR, 10, 1);
	expect_packet(mac_a, 10);
	nd_from(mac_a, NA, NEAR, OWN6, NEAR, SOLICITED, NULL,
		"nd-done"); /* RFC 4861 4.4: the option may lack */
	dpt_sleep_ms(5000);
	dpt_take_none(0);
}

static void no_answer(void **state)
{
	transmit(NEAR, 1, 2);
	for (unsigned i = 0; i < 3; i++) {
		expect_ask(OWN6, NEAR, NULL);
		dpt_take_none(0);
		dpt_sleep_ms(1000);
	}
	dpt_expect_drop("neighbour-unresolved", 2);
	assert_int_equal(neigh_count(), 0);
}

static void strangers(void **state)
{
	nd_from(mac_a, NA, NEAR, OWN6, NEAR, SOLICITED | OVERRIDE, mac_a, "nd-done"); /* nobody asked */
	nd_from(mac_a, NA, NEAR, "ff02::1", NEAR, OVERRIDE, mac_a, "nd-done");
	nd_from(mac_a, NA, NEAR, "ff02::1", NEAR, 0, NULL, "nd-not-for-us");
	nd_from(mac_a, NS, "2001:db8:2::50", OWN6, OWN6, 0, mac_a, ""); /* of no network of ours */
	assert_int_not_equal(dpt_take(0, frame, NULL), 0);
	assert_int_equal(neigh_count(), 0);
	nd_from(mac_a, NS, NEAR, OWN6, OWN6, 0, mac_a, "");
	assert_int_not_equal(dpt_take(0, frame, NULL), 0);
	nd_from(mac_b, NA, NEAR, "ff02::1", NEAR, OVERRIDE, mac_b, "nd-done"); /* a rumour: we ask */
	expect_ask(OWN6, NEAR, NULL);
	nd_from(mac_b, NA, NEAR, OWN6, NEAR, SOLICITED | OVERRIDE, mac_b, "nd-done");
	transmit(NEAR, 1, 1);
	expect_packet(mac_b, 1);
	nd_from(mac_b, NA, OWN6, "ff02::1", OWN6, OVERRIDE, mac_b, "nd-done");
	assert_non_null(strstr(dpt_seen.log, "claims our address"));
}

static void announced(void **state)
{
	static const uint8_t all[6] = {0x33, 0x33, 0, 0, 0, 1};

	neigh_announce(0);
	dpt_run();
	for (unsigned i = 0; i < 2; i++) {
		const char *own = i == 0 ? LOCAL : OWN6;

		if (i == 1)
			assert_int_not_equal(dpt_take(0, frame, NULL), 0); /* ARP for the IPv4 address */
		assert_int_equal(dpt_take(0, frame, NULL), ETH + 64);      /* is it free? */
		assert_int_equal(frame[ETH + 40], NS);
		assert_memory_equal(frame + ETH + 8, (const uint8_t[16]){0}, 16);
		expect_advert(all, own, "ff02::1", ROUTER | OVERRIDE);
	}
	dpt_take_none(0);
}

static void echo(void **state)
{
	uint8_t packet[DPT_FRAME_MAX], a[16];
	size_t len = ip6_echo(packet, NEAR, OWN6, 7, 33);

	ip6_neighbour(0, NEAR, mac_a);
	ip6_inject(0, packet, len);
	dpt_run();
	assert_int_equal(dpt_take(0, frame, NULL), ETH + len);
	assert_int_equal(frame[ETH + 40], 129);
	assert_int_equal(frame[ETH + 7], 64);
	assert_true(ip6_sum_right(frame + ETH, len));
	ip6_addr(NEAR, a);
	assert_memory_equal(frame + ETH + 24, a, 16);
	/* from a link-local address: back by the way it came */
	len = ip6_echo(packet, "fe80::50", LOCAL, 7, 33);
	ip6_inject(0, packet, len);
	dpt_run();
	expect_ask(OWN6, NEAR, mac_a);
	assert_int_equal(dpt_take_one(0, frame), ETH + len);
	assert_memory_equal(frame, dpt_peer[0], 6);
	assert_int_equal(frame[ETH + 40], 129);
	assert_true(ip6_sum_right(frame + ETH, len));
	dpt_expect_drop("", 0);
	packet[42] ^= 1;
	memcpy(dpt_eth(frame, 0, 0x86dd), packet, len);
	dpt_drops(0, frame, ETH + len, "icmp-malformed");
	/* hop limit */
	packet[7] = 1;
	len = ip6_echo(packet, HOST, NEAR, 7, 33);
	packet[7] = 1;
	memcpy(dpt_eth(frame, 1, 0x86dd), packet, len);
	dpt_drops(1, frame, ETH + len, "ip-ttl-exceeded");
}

static struct endpoint ep(const char *ip, uint16_t port)
{
	struct endpoint e = {.port = port};

	assert_int_equal(addr_parse(ip, &e.a), 0);
	return e;
}

/* Datagrams of the control plane, whole and in fragments, and those it is given. */
static void datagrams(void **state)
{
	static uint8_t data[4000];
	struct dp_udp u = {.local = ep(OWN6, 4500), .remote = ep(NEAR, 4500), .data = data, .len = 101};
	uint8_t packet[DPT_FRAME_MAX];
	size_t len, total = 0;

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	ip6_neighbour(0, NEAR, mac_a);
	assert_int_equal(dp_udp_send(&u), 0);
	dpt_run();
	expect_ask(OWN6, NEAR, mac_a); /* it is in use again */
	assert_int_equal(dpt_take(0, frame, NULL), ETH + 40 + 8 + 4 + 101);
	assert_true(ip6_sum_right(frame + ETH, 153));
	assert_memory_equal(frame + ETH + 52, data, 101);
	dpt_clear();
	u.len = sizeof(data);
	assert_int_equal(dp_udp_send(&u), 0);
	dpt_run();
	while ((len = dpt_take(0, frame, NULL)) > 0) {
		size_t off = (size_t)(frame[ETH + 42] << 8 | (frame[ETH + 43] & 0xf8));

		assert_in_range(len, ETH + 48, ETH + 1500);
		assert_int_equal(frame[ETH + 6], IPPROTO_FRAGMENT);
		assert_int_equal(frame[ETH + 40], IPPROTO_UDP);
		assert_int_equal(frame[ETH + 4] << 8 | frame[ETH + 5], len - ETH - 40);
		assert_int_equal(off, total);
		assert_memory_equal(frame + ETH + 48 + (off ? 0 : 12), data + (off ? off - 12 : 0), 100);
		total += len - ETH - 48;
		assert_int_equal(frame[ETH + 43] & 1, total < 12 + sizeof(data));
	}
	assert_int_equal(total, 12 + sizeof(data));
	/* in */
	memset(data, 0x55, 64);
	ip6_inject(0, packet, ip6_udp(packet, NEAR, 500, OWN6, 500, data, 64));
	dpt_run();
	assert_int_equal(dpt_seen.n_udp, 1);
	assert_true(endpoint_eq(&dpt_seen.udp.remote, &(struct endpoint){ep(NEAR, 500).a, 500}));
	assert_true(endpoint_eq(&dpt_seen.udp.local, &(struct endpoint){ep(OWN6, 500).a, 500}));
	assert_int_equal(dpt_seen.udp.len, 64);
	dpt_clear();
	len = ip6_udp(packet, NEAR, 500, OWN6, 500, data, 64);
	packet[46] = packet[47] = 0; /* RFC 8200 8.1: there must be one */
	memcpy(dpt_eth(frame, 0, 0x86dd), packet, len);
	dpt_drops(0, frame, ETH + len, "udp-bad-checksum");
	packet[46] = 1;
	memcpy(dpt_eth(frame, 0, 0x86dd), packet, len);
	dpt_drops(0, frame, ETH + len, "udp-bad-checksum");
}

static void routes(void **state)
{
	struct dp_route r = {.via = ep("fe80::50", 0).a, .ifindex = dpt_port[0]}, got;

	assert_int_equal(prefix_parse("2001:db8:f::/48", &r.dst), 0);
	assert_int_equal(dp_route_add(&r), 0);
	assert_int_equal(dp_route_lookup(&(struct addr){6, {0x20, 1, 0xd, 0xb8, 0, 0xf, [15] = 1}}, &got), 0);
	assert_true(prefix_eq(&got.dst, &r.dst) && addr_eq(&got.via, &r.via));
	dpt_run();
	transmit("2001:db8:f::1", 3, 1);
	expect_ask(LOCAL, "fe80::50", NULL);
	nd_from(mac_b, NA, "fe80::50", LOCAL, "fe80::50", SOLICITED | OVERRIDE, mac_b, "nd-done");
	expect_packet(mac_b, 3);
	assert_int_equal(dp_route_del(&r.dst), 0);
	dpt_run();
	transmit("2001:db8:f::1", 3, 1);
	dpt_expect_drop("no-route", 1);
	r.via = ep("2001:db8:1::1", 0).a; /* ourselves */
	assert_int_equal(dp_route_add(&r), -EINVAL);
	r.via = ep("2001:db8:7::1", 0).a;
	assert_int_equal(dp_route_add(&r), -ENETUNREACH);
}

static int setup(void **state)
{
	dpt_init(&(struct dpt_conf){.v6 = true});
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
		cmocka_unit_test_setup(answers, fresh),   cmocka_unit_test_setup(malformed, fresh),
		cmocka_unit_test_setup(resolved, fresh),  cmocka_unit_test_setup(no_answer, fresh),
		cmocka_unit_test_setup(strangers, fresh), cmocka_unit_test_setup(announced, fresh),
		cmocka_unit_test_setup(echo, fresh),      cmocka_unit_test_setup(datagrams, fresh),
		cmocka_unit_test_setup(routes, fresh),
	};

	return cmocka_run_group_tests_name("nd", tests, setup, teardown);
}
