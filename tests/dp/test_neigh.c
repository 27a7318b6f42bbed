/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neighbours: ARP answered, asked, waited for, doubted and given up; and who is believed.
 */
#include "harness.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <rte_ethdev.h>

#include "dp.h"
#include "neigh.h"
#include "port.h"

#define HOST "10.1.1.50"
#define OWN  "192.0.2.1"
#define NEAR "192.0.2.50"

enum { TABLE = 64, ETH = 14, ARP = 28 };

static const uint8_t mac_a[6] = {2, 0, 0, 0, 9, 1}, mac_b[6] = {2, 0, 0, 0, 9, 2};
static uint8_t frame[DPT_FRAME_MAX];

/* ---- steps ----------------------------------------------------------------------------------- */

/* Long enough that every neighbour is forgotten. */
static int fresh(void **state)
{
	dpt_sleep_ms(700000);
	dpt_clear();
	assert_int_equal(neigh_count(), 0);
	return 0;
}

/* Packets from the host to an address beyond port 0, numbered. */
static void transmit(const char *dst, unsigned first, unsigned n)
{
	uint8_t packet[DPT_FRAME_MAX];

	for (unsigned i = first; i < first + n; i++)
		dpt_inject_ip(1, 0, packet, dpt_echo4(packet, HOST, dst, (uint16_t)i, 20));
	dpt_run();
}

/* The next frame out of port 0 is that packet, to that MAC. */
static void expect_packet(const uint8_t mac[6], unsigned number)
{
	assert_int_equal(dpt_take(0, frame, NULL), ETH + 48);
	assert_memory_equal(frame, mac, 6);
	assert_memory_equal(frame + 6, dpt_mac[0], 6);
	assert_int_equal(frame[12] << 8 | frame[13], 0x0800);
	assert_int_equal(frame[ETH + 26] << 8 | frame[ETH + 27], number);
	assert_true(dpt_sums_right(frame + ETH, 48));
}

/* The next frame out of a port asks for an address; NULL: everybody. */
static void expect_ask(unsigned port, const char *own, const char *asked, const uint8_t *mac)
{
	static const uint8_t head[8] = {0, 1, 8, 0, 6, 4, 0, 1}, nobody[6],
			     all[6] = {255, 255, 255, 255, 255, 255};
	const uint32_t spa = dpt_ip(own), tpa = dpt_ip(asked);

	assert_in_range(dpt_take(port, frame, NULL), ETH + ARP, 60);
	assert_memory_equal(frame, mac ? mac : all, 6);
	assert_memory_equal(frame + 6, dpt_mac[port], 6);
	assert_int_equal(frame[12] << 8 | frame[13], 0x0806);
	assert_memory_equal(frame + ETH, head, 8);
	assert_memory_equal(frame + ETH + 8, dpt_mac[port], 6);
	assert_memory_equal(frame + ETH + 14, &spa, 4);
	assert_memory_equal(frame + ETH + 18, nobody, 6);
	assert_memory_equal(frame + ETH + 24, &tpa, 4);
}

/* An ARP packet arrives on port 0. */
static void arp(uint16_t op, const uint8_t sha[6], const char *spa, const char *tpa, const char *dropped)
{
	dpt_inject(0, 0, frame, dpt_arp(frame, 0, op, sha, spa, op == 2 ? dpt_mac[0] : NULL, tpa));
	dpt_run();
	dpt_expect_drop(dropped, *dropped ? 1 : 0);
}

static void answer(const char *ip, const uint8_t mac[6])
{
	arp(2, mac, ip, OWN, "arp-done");
}

/* They ask us, and are answered. */
static void asked_by(const char *ip, const uint8_t mac[6])
{
	static const uint8_t head[8] = {0, 1, 8, 0, 6, 4, 0, 2};
	const uint32_t spa = dpt_ip(OWN), tpa = dpt_ip(ip);

	arp(1, mac, ip, OWN, "");
	assert_in_range(dpt_take(0, frame, NULL), ETH + ARP, 60);
	assert_memory_equal(frame, mac, 6);
	assert_memory_equal(frame + 6, dpt_mac[0], 6);
	assert_int_equal(frame[12] << 8 | frame[13], 0x0806);
	assert_memory_equal(frame + ETH, head, 8);
	assert_memory_equal(frame + ETH + 8, dpt_mac[0], 6);
	assert_memory_equal(frame + ETH + 14, &spa, 4);
	assert_memory_equal(frame + ETH + 18, mac, 6);
	assert_memory_equal(frame + ETH + 24, &tpa, 4);
}

/* ---- asked ----------------------------------------------------------------------------------- */

static void answers(void **state)
{
	asked_by("192.0.2.9", mac_a);
	dpt_take_none(0);
	assert_int_equal(neigh_count(), 1);
	asked_by("0.0.0.0", mac_b); /* RFC 5227 2.1.1: is the address free?  Teaches nothing */
	assert_int_equal(neigh_count(), 1);
	asked_by("172.16.0.1", mac_b); /* of another network: answered, not remembered */
	assert_int_equal(neigh_count(), 1);
	arp(1, mac_a, "192.0.2.9", "192.0.2.10", "arp-not-for-us");
	arp(1, mac_a, "192.0.2.9", "10.1.1.1", "arp-not-for-us"); /* the other port's */
	arp(2, mac_a, "192.0.2.9", "192.0.2.10", "arp-not-for-us");
	dpt_take_none(0);
	assert_int_equal(neigh_count(), 1);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void resolved(void **state)
{
	transmit(NEAR, 1, 10);
	dpt_expect_drop("", 0);
	expect_ask(0, OWN, NEAR, NULL);
	dpt_take_none(0); /* asked once, however many wait */
	dpt_take_none(1);
	answer(NEAR, mac_a);
	for (unsigned i = 1; i <= 10; i++)
		expect_packet(mac_a, i);
	dpt_take_none(0);
	transmit(NEAR, 11, 1);
	expect_packet(mac_a, 11);
	dpt_take_none(0);
}

/* Asked at 0, 1 and 2 s; at 3 s what waits is dropped. */
static void no_answer(void **state)
{
	transmit(NEAR, 1, 5);
	for (unsigned i = 0; i < 3; i++) {
		expect_ask(0, OWN, NEAR, NULL);
		dpt_take_none(0);
		dpt_sleep_ms(750);
		dpt_take_none(0);
		dpt_expect_drop("", 0);
		dpt_sleep_ms(250);
	}
	dpt_take_none(0);
	dpt_expect_drop("neighbour-unresolved", 5);
	assert_int_equal(neigh_count(), 0);
	/* an answer that comes too late is one that nobody asked for */
	answer(NEAR, mac_a);
	assert_int_equal(neigh_count(), 0);
	transmit(NEAR, 6, 1);
	expect_ask(0, OWN, NEAR, NULL);
	answer(NEAR, mac_a);
	expect_packet(mac_a, 6);
}

static void queue_full(void **state)
{
	transmit(NEAR, 1, NEIGH_WAIT);
	dpt_expect_drop("", 0);
	expect_ask(0, OWN, NEAR, NULL);
	transmit(NEAR, 100, 6);
	dpt_expect_drop("neighbour-queue-full", 6);
	answer(NEAR, mac_a);
	for (unsigned i = 1; i <= NEIGH_WAIT; i++) /* the oldest ones were kept */
		expect_packet(mac_a, i);
	dpt_take_none(0);
}

/* 128 at once and a thousand each second are asked for, so that a scan cannot keep control busy. */
static void scan_is_limited(void **state)
{
	char dst[16];

	for (unsigned i = 0; i < 200; i++) {
		uint8_t packet[DPT_FRAME_MAX];

		snprintf(dst, sizeof(dst), "192.0.2.%u", 10 + i % 30);
		dpt_inject_ip(1, 0, packet, dpt_echo4(packet, HOST, dst, (uint16_t)i, 20));
	}
	dpt_run();
	dpt_expect_drop("punt-rate-limited", 200 - 128);
	for (unsigned i = 0; i < 30; i++)
		assert_int_not_equal(dpt_take(0, frame, NULL), 0);
	dpt_take_none(0);
	dpt_sleep_ms(3000);
	dpt_expect_drop("neighbour-unresolved", 128);
}

/* Those that have not answered may take half of the table. */
static void table_full(void **state)
{
	char dst[16];

	for (unsigned i = 0; i < TABLE / 2; i++) {
		snprintf(dst, sizeof(dst), "192.0.2.%u", 10 + i);
		transmit(dst, 1, 1);
		expect_ask(0, OWN, dst, NULL);
	}
	dpt_expect_drop("", 0);
	assert_int_equal(neigh_count(), TABLE / 2);
	transmit("192.0.2.200", 1, 3);
	dpt_expect_drop("neighbour-table-full", 3);
	dpt_take_none(0);
	/* one that is known is not hurt by it, and one that asks us still comes in */
	answer("192.0.2.10", mac_a);
	expect_packet(mac_a, 1);
	transmit("192.0.2.200", 1, 1); /* room for one */
	expect_ask(0, OWN, "192.0.2.200", NULL);
	asked_by("192.0.2.201", mac_b);
	transmit("192.0.2.201", 7, 1);
	expect_packet(mac_b, 7);
	expect_ask(0, OWN, "192.0.2.201", mac_b);
	dpt_sleep_ms(3000);
	dpt_expect_drop("neighbour-unresolved", TABLE / 2);
	assert_int_equal(neigh_count(), 1);
}

/* A host that asks us under many addresses displaces those of its like, not the gateway. */
static void flood_of_questions(void **state)
{
	const struct addr via = {.v = 4, .b = {192, 0, 2, 254}};
	uint32_t gateway;
	char ip[16];

	assert_int_equal(neigh_pin(0, &via, &gateway), 0);
	for (unsigned i = 2; i < 250; i++) {
		snprintf(ip, sizeof(ip), "192.0.2.%u", i);
		asked_by(ip, mac_a);
		assert_in_range(neigh_count(), 1, TABLE);
		dpt_sleep_ms(250);
	}
	dpt_take_none(0);
	asked_by("192.0.2.254", mac_b);
	transmit("192.0.2.254", 1, 1);
	expect_packet(mac_b, 1);
	expect_ask(0, OWN, "192.0.2.254", mac_b);
	answer("192.0.2.254", mac_b);
	transmit("192.0.2.249", 2, 1); /* the latest is there, too */
	expect_packet(mac_a, 2);
	neigh_unpin(gateway);
}

/* Packets wait for many neighbours, up to a bound for all together; no entry is left of those turned away. */
static void all_queues_full(void **state)
{
	struct rte_mbuf *m[NEIGH_WAIT];
	struct addr a = {.v = 4, .b = {192, 0, 2, 0}};

	for (unsigned i = 0; i < 17; i++) {
		a.b[3] = (uint8_t)(10 + i);
		assert_int_equal(rte_pktmbuf_alloc_bulk(dp.pool, m, NEIGH_WAIT), 0);
		for (unsigned k = 0; k < NEIGH_WAIT; k++)
			assert_non_null(rte_pktmbuf_append(m[k], 40));
		assert_int_equal(neigh_send(0, &a, m, NEIGH_WAIT), i < 16 ? 0 : -ENOBUFS);
	}
	dpt_expect_drop("neighbour-queue-full", NEIGH_WAIT);
	assert_int_equal(neigh_count(), 16);
	dpt_sleep_ms(3000);
	dpt_expect_drop("neighbour-unresolved", 1024);
	assert_int_equal(neigh_count(), 0);
}

/* ---- states over time ------------------------------------------------------------------------ */

/* RFC 4861 7.3.2 in ARP's words: 30 s sure, then asked again, by unicast, when used. */
static void used_again(void **state)
{
	transmit(NEAR, 1, 1);
	expect_ask(0, OWN, NEAR, NULL);
	answer(NEAR, mac_a);
	expect_packet(mac_a, 1);
	dpt_sleep_ms(29000);
	transmit(NEAR, 2, 1);
	expect_packet(mac_a, 2);
	dpt_take_none(0);
	dpt_sleep_ms(2000);
	dpt_take_none(0); /* nobody asks after one that is not used */
	transmit(NEAR, 3, 20);
	for (unsigned i = 3; i < 23; i++)
		expect_packet(mac_a, i);
	expect_ask(0, OWN, NEAR, mac_a);
	dpt_take_none(0);
	answer(NEAR, mac_a);
	dpt_sleep_ms(29000);
	transmit(NEAR, 50, 1);
	expect_packet(mac_a, 50);
	dpt_take_none(0);
	dpt_expect_drop("", 0);
}

/* Twice by unicast, the third time by broadcast (RFC 1122 2.3.2.1); packets go on meanwhile. */
static void gone(void **state)
{
	asked_by(NEAR, mac_a);
	transmit(NEAR, 1, 1);
	expect_packet(mac_a, 1);
	for (unsigned i = 0; i < 3; i++) {
		expect_ask(0, OWN, NEAR, i < 2 ? mac_a : NULL);
		transmit(NEAR, 2, 1);
		expect_packet(mac_a, 2);
		dpt_take_none(0);
		dpt_sleep_ms(1000);
	}
	dpt_take_none(0);
	assert_int_equal(neigh_count(), 0);
	transmit(NEAR, 3, 1);
	expect_ask(0, OWN, NEAR, NULL);
	answer(NEAR, mac_b); /* its replacement */
	expect_packet(mac_b, 3);
	dpt_take_none(0);
}

static void forgotten(void **state)
{
	asked_by(NEAR, mac_a);
	dpt_sleep_ms(599000);
	assert_int_equal(neigh_count(), 1);
	dpt_sleep_ms(1000);
	assert_int_equal(neigh_count(), 0);
	dpt_take_none(0);
}

/* A gateway is not forgotten, for its routes name it; it is asked anew when it is needed. */
static void gateway(void **state)
{
	struct dp_route r = {.via = {.v = 4, .b = {192, 0, 2, 50}}};

	assert_int_equal(prefix_parse("203.0.113.0/24", &r.dst), 0);
	assert_int_equal(dp_route_add(&r), 0);
	dpt_take_none(0);
	assert_int_equal(neigh_count(), 1);
	for (unsigned round = 0; round < 2; round++) {
		transmit("203.0.113.1", 1, 2);
		for (unsigned i = 0; i < 3; i++) {
			expect_ask(0, OWN, NEAR, NULL);
			dpt_sleep_ms(1000);
		}
		dpt_take_none(0);
		dpt_expect_drop("neighbour-unresolved", 2);
	}
	transmit("203.0.113.1", 1, 1);
	expect_ask(0, OWN, NEAR, NULL);
	answer(NEAR, mac_a);
	expect_packet(mac_a, 1);
	dpt_sleep_ms(1300000);
	assert_int_equal(neigh_count(), 1);
	assert_int_equal(dp_route_del(&r.dst), 0);
	dpt_sleep_ms(700000);
	assert_int_equal(neigh_count(), 0);
	/* never resolved: gone with its last route */
	assert_int_equal(dp_route_add(&r), 0);
	assert_int_equal(neigh_count(), 1);
	assert_int_equal(dp_route_del(&r.dst), 0);
	dpt_run();
	assert_int_equal(neigh_count(), 0);
}

/* ---- who is believed ------------------------------------------------------------------------- */

static void strangers(void **state)
{
	/* nobody asked */
	answer(NEAR, mac_a);
	arp(2, mac_a, NEAR, NEAR, "arp-not-for-us"); /* gratuitous */
	arp(1, mac_a, NEAR, NEAR, "arp-not-for-us");
	arp(1, mac_a, NEAR, "192.0.2.10", "arp-not-for-us");
	assert_int_equal(neigh_count(), 0);
	/* asked, but somebody else speaks */
	transmit(NEAR, 1, 1);
	expect_ask(0, OWN, NEAR, NULL);
	answer("192.0.2.51", mac_b);
	arp(2, mac_b, NEAR, "192.0.2.10", "arp-not-for-us");
	arp(1, mac_b, NEAR, NEAR, "arp-not-for-us");
	dpt_take_none(0);
	answer(NEAR, mac_a);
	expect_packet(mac_a, 1);
}

/* A rumour of another MAC makes us ask everybody; the old one is good until there is an answer. */
static void rumours(void **state)
{
	static const struct {
		uint16_t op;
		const char *to, *dropped;
	} c[] = {{1, NEAR, "arp-not-for-us"}, {2, NEAR, "arp-not-for-us"}, {2, OWN, "arp-done"}};

	transmit(NEAR, 1, 1);
	expect_ask(0, OWN, NEAR, NULL);
	answer(NEAR, mac_a);
	expect_packet(mac_a, 1);
	for (unsigned i = 0; i < 3; i++) {
		arp(c[i].op, mac_b, NEAR, c[i].to, c[i].dropped);
		expect_ask(0, OWN, NEAR, NULL);
		transmit(NEAR, 2, 1);
		expect_packet(mac_a, 2);
		dpt_take_none(0);
		answer(NEAR, mac_a); /* the old one is there still */
		arp(c[i].op, mac_a, NEAR, c[i].to, c[i].dropped);
		dpt_take_none(0); /* the same once more is no rumour */
	}
	arp(1, mac_b, NEAR, NEAR, "arp-not-for-us");
	expect_ask(0, OWN, NEAR, NULL);
	answer(NEAR, mac_b); /* it has moved indeed */
	transmit(NEAR, 3, 1);
	expect_packet(mac_b, 3);
	dpt_take_none(0);
	/* RFC 826: a question to us tells the MAC of who asks; asked back when it is used */
	asked_by(NEAR, mac_a);
	transmit(NEAR, 4, 1);
	expect_packet(mac_a, 4);
	expect_ask(0, OWN, NEAR, mac_a);
}

static void our_address(void **state)
{
	asked_by("192.0.2.9", mac_b);
	arp(1, mac_a, OWN, OWN, ""); /* answered, which defends it */
	assert_int_not_equal(dpt_take(0, frame, NULL), 0);
	assert_non_null(strstr(dpt_seen.log, "02:00:00:00:09:01 claims our address 192.0.2.1"));
	assert_int_equal(neigh_count(), 1);
	dpt_seen.log[0] = 0;
	answer(OWN, mac_a); /* said once in a while */
	assert_string_equal(dpt_seen.log, "");
	dpt_sleep_ms(10000);
	answer(OWN, mac_a);
	assert_int_not_equal(dpt_seen.log[0], 0);
	dpt_sleep_ms(10000);
	dpt_seen.log[0] = 0;
	answer(OWN, dpt_mac[0]); /* our own frame, sent back by a switch */
	assert_string_equal(dpt_seen.log, "");
	assert_int_equal(neigh_count(), 1);
}

/* ---- links ----------------------------------------------------------------------------------- */

/* While it is down nothing goes to it; when it is back we say who we are, and ask who they are. */
static void link_changes(void **state)
{
	uint16_t ethdev = ports[dp.ifs[dpt_port[0]].port].ethdev;
	struct dp_if_stats s;

	transmit(NEAR, 1, 1);
	expect_ask(0, OWN, NEAR, NULL);
	answer(NEAR, mac_a);
	expect_packet(mac_a, 1);
	assert_int_equal(rte_eth_dev_set_link_down(ethdev), 0);
	dpt_sleep_ms(1000);
	assert_string_equal(dpt_seen.log, "out: link is down");
	assert_int_equal(dp_if_stats(dpt_port[0], &s), 0);
	assert_false(s.link_up);
	transmit(NEAR, 2, 3);
	dpt_expect_drop("port-not-usable", 3);
	transmit("192.0.2.77", 2, 1); /* the questions for it */
	dpt_sleep_ms(3000);
	assert_int_equal(dpt_dropped("neighbour-unresolved"), 1);
	assert_int_equal(dpt_dropped("port-not-usable"), 3);
	dpt_mark();
	dpt_take_none(0);
	assert_int_equal(rte_eth_dev_set_link_up(ethdev), 0);
	dpt_sleep_ms(4000);
	assert_string_equal(dpt_seen.log, "out: link is up");
	expect_ask(0, OWN, OWN, NULL); /* RFC 5227 3 */
	dpt_clear();
	transmit(NEAR, 5, 1); /* known as before, but in doubt */
	expect_packet(mac_a, 5);
	expect_ask(0, OWN, NEAR, mac_a);
	answer(NEAR, mac_a);
	dpt_take_none(0);
}

/* At the start, too. */
static void announced(void **state)
{
	neigh_announce(0);
	neigh_announce(1);
	dpt_run();
	expect_ask(0, OWN, OWN, NULL);
	expect_ask(1, "10.1.1.1", "10.1.1.1", NULL);
	dpt_take_none(0);
	dpt_take_none(1);
}

static int setup(void **state)
{
	const struct dpt_conf c = {.max_neighbours = TABLE};

	dpt_init(&c);
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
		cmocka_unit_test_setup(answers, fresh),
		cmocka_unit_test_setup(resolved, fresh),
		cmocka_unit_test_setup(no_answer, fresh),
		cmocka_unit_test_setup(queue_full, fresh),
		cmocka_unit_test_setup(scan_is_limited, fresh),
		cmocka_unit_test_setup(table_full, fresh),
		cmocka_unit_test_setup(flood_of_questions, fresh),
		cmocka_unit_test_setup(all_queues_full, fresh),
		cmocka_unit_test_setup(used_again, fresh),
		cmocka_unit_test_setup(gone, fresh),
		cmocka_unit_test_setup(forgotten, fresh),
		cmocka_unit_test_setup(gateway, fresh),
		cmocka_unit_test_setup(strangers, fresh),
		cmocka_unit_test_setup(rumours, fresh),
		cmocka_unit_test_setup(our_address, fresh),
		cmocka_unit_test_setup(link_changes, fresh),
		cmocka_unit_test_setup(announced, fresh),
	};

	return cmocka_run_group_tests_name("neigh", tests, setup, teardown);
}
