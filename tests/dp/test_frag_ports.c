/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fragments where ports are asked for (RFC 4301 7): by proxy-IDs on the way out, selectors on the way in, and
 * rules.  All fragments of a datagram share its fate, whatever order they come in.
 */
#include "ip6.h"
#include "peer.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_mempool.h>

#include "dp.h"

#define HOST "10.1.0.7"
#define FAR  "10.2.0.9"

enum { ETH = 14, LIMIT = 16, TIMEOUT_S = 5, WORKERS = 2, DNS = 53 };

static uint16_t tunnel;
static struct peer dns = {.spi_out = 0xc0ffee01}, any = {.spi_out = 0xc0ffee02};
static uint8_t whole[DPT_FRAME_MAX], got[DPT_FRAME_MAX], opened[DPT_FRAME_MAX];

static void dns_in(struct dp_sa_in_conf *c)
{
	c->ts_local[0] = peer_ts("10.1.0.0/16", IPPROTO_UDP, 0);
	c->ts_remote[0] = peer_ts("10.2.0.0/16", IPPROTO_UDP, DNS);
}

static void dns_out(struct dp_sa_out_conf *c)
{
	c->ts_local[0] = peer_ts("10.1.0.0/16", IPPROTO_UDP, 0);
	c->ts_remote[0] = peer_ts("10.2.0.0/16", IPPROTO_UDP, DNS);
}

static void route(const char *dst, const char *via, uint16_t ifindex)
{
	struct dp_route r = {.ifindex = ifindex};

	assert_int_equal(prefix_parse(dst, &r.dst), 0);
	if (via)
		assert_int_equal(addr_parse(via, &r.via), 0);
	assert_int_equal(dp_route_add(&r), 0);
}

static void neighbours(void)
{
	dpt_neighbour(0, PEER_IP, dpt_peer[0]);
	dpt_neighbour(1, "10.1.1.7", dpt_peer[1]);
}

static int setup(void **state)
{
	const struct dpt_conf c = {
		.n_workers = WORKERS, .v6 = true, .max_datagrams = LIMIT, .datagram_timeout_s = TIMEOUT_S};
	const struct peer_edit edit = {dns_in, dns_out};

	dpt_init(&c);
	assert_int_equal(dp_tunnel_if_add("tunnel.1", NULL, 0, &tunnel), 0);
	route("10.2.0.0/16", NULL, tunnel);
	route(HOST "/32", "10.1.1.7", 0);
	neighbours();
	peer_keys(&dns, 1);
	peer_keys(&any, 2);
	peer_install(&dns, peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", IPPROTO_UDP, 0, DNS), &edit);
	peer_install(&any, peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", 0, 0, 0), NULL);
	return 0;
}

static int teardown(void **state)
{
	peer_remove(&dns);
	peer_remove(&any);
	dpt_fini();
	return 0;
}

/* ---- fragments ------------------------------------------------------------------------------- */

/* whole[] becomes a UDP datagram of 600 bytes of payload, to be sent in three pieces. */
enum { PIECE = 208, PIECES = 3, LEN = 20 + 608 };

static void make(bool out, uint16_t port)
{
	uint8_t data[600];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 3);
	assert_int_equal(out ? dpt_udp4(whole, HOST, 4000, FAR, port, data, sizeof(data))
			     : dpt_udp4(whole, FAR, port, HOST, 4000, data, sizeof(data)),
			 LEN);
}

static size_t piece(unsigned i, uint16_t id, uint8_t *f)
{
	size_t off = i * PIECE, n = RTE_MIN((size_t)PIECE, LEN - 20 - off), len = 20 + n;

	memcpy(f, whole, 20);
	f[2] = (uint8_t)(len >> 8);
	f[3] = (uint8_t)len;
	f[4] = (uint8_t)(id >> 8);
	f[5] = (uint8_t)id;
	f[6] = (uint8_t)((i < PIECES - 1 ? 0x20 : 0) | off >> 11);
	f[7] = (uint8_t)(off >> 3);
	dpt_sum4(f);
	memcpy(f + 20, whole + 20 + off, n);
	return len;
}

static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

/* The SPI of the ESP packet in got[]. */
static uint32_t spi_of(void)
{
	const uint8_t *b = got + ETH + 20;

	return (uint32_t)b[0] << 24 | (uint32_t)(b[1] << 16 | b[2] << 8 | b[3]);
}

/* ---- out -------------------------------------------------------------------------------------- */

static void pieces_leave_by(const struct peer *p)
{
	unsigned seen = 0;
	size_t len;

	for (unsigned i = 0; i < PIECES; i++) {
		uint64_t seq;

		len = dpt_take(0, got, NULL);
		assert_true(len > 0);
		assert_int_equal(spi_of(), p->spi_out);
		(void)peer_open(p, got + ETH, len - ETH, opened, &seq);
		seen |= 1u << ((opened[6] & 0x1f) << 8 | opened[7]) * 8 / PIECE;
	}
	assert_int_equal(seen, 7);
	dpt_take_none(0);
}

/* The proxy-ID is the datagram's, spread over the workers in whatever order. */
static void proxy_id(void **state)
{
	uint8_t f[DPT_FRAME_MAX];
	uint16_t id = 1;

	for (unsigned k = 0; k < 2; k++) {
		for (unsigned order = 0; order < 6; order++, id++) {
			make(true, k ? 9999 : DNS);
			for (unsigned i = 0; i < PIECES; i++) {
				size_t n = piece(orders[order][i], id, f);

				dpt_inject_ip(1, (uint16_t)(i % WORKERS), f, n);
				if (id % 2) /* each for itself, or all in a burst */
					dpt_run();
			}
			dpt_run();
			dpt_expect_drop("", 0);
			pieces_leave_by(k ? &any : &dns);
		}
	}
}

/* Numbers are few: the next datagram of the same one is another. */
static void same_number_again(void **state)
{
	uint8_t f[DPT_FRAME_MAX];

	for (unsigned k = 0; k < 4; k++) {
		make(true, k % 2 ? 9999 : DNS);
		for (unsigned i = 0; i < PIECES; i++)
			dpt_inject_ip(1, 0, f, piece(i, 100, f));
		dpt_run();
		dpt_expect_drop("", 0);
		pieces_leave_by(k % 2 ? &any : &dns);
	}
}

/* Without a proxy-ID or rule that asks, nobody waits. */
static void nobody_asks(void **state)
{
	uint8_t f[DPT_FRAME_MAX];

	peer_remove(&dns);
	assert_int_equal(dp_policy_del(dns.policy), 0);
	make(true, DNS);
	dpt_inject_ip(1, 0, f, piece(2, 110, f));
	dpt_run();
	dpt_expect_drop("", 0);
	dpt_take_one(0, got);
	assert_int_equal(spi_of(), any.spi_out);
	peer_install(&dns, peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", IPPROTO_UDP, 0, DNS),
		     &(struct peer_edit){dns_in, dns_out});
}

/* ---- in --------------------------------------------------------------------------------------- */

static void peer_sends(struct peer *p, const uint8_t *inner, size_t len)
{
	uint8_t esp[DPT_FRAME_MAX];
	size_t n = peer_seal(p, inner, len, &(struct peer_how){0}, esp);

	dpt_inject_ip(0, 0, esp, n);
}

/* RFC 4301 5.2 with ports: the whole datagram arrives or none of it. */
static void selectors(void **state)
{
	struct dp_sa_stats before, after;
	uint8_t f[DPT_FRAME_MAX];
	uint16_t id = 200;

	for (unsigned k = 0; k < 2; k++) {
		for (unsigned order = 0; order < 6; order++, id++) {
			assert_int_equal(dp_sa_in_stats(dns.spi_in, &before), 0);
			make(false, k ? 9999 : DNS);
			for (unsigned i = 0; i < PIECES; i++) {
				peer_sends(&dns, f, piece(orders[order][i], id, f));
				if (id % 2)
					dpt_run();
			}
			dpt_run();
			dpt_expect_drop(k ? "esp-inner-selector" : "", k ? PIECES : 0);
			for (unsigned i = 0; i < PIECES && !k; i++)
				assert_true(dpt_take(1, got, NULL) > 0);
			dpt_take_none(1);
			assert_int_equal(dp_sa_in_stats(dns.spi_in, &after), 0);
			assert_int_equal(after.packets - before.packets, k ? 0 : PIECES);
			assert_int_equal(after.selector_drops - before.selector_drops, k ? PIECES : 0);
		}
	}
}

/* The SA has gone while a fragment waited. */
static void sa_removed(void **state)
{
	uint8_t f[DPT_FRAME_MAX];

	make(false, DNS);
	peer_sends(&dns, f, piece(1, 300, f));
	dpt_run();
	peer_remove(&dns);
	dns.seq = 0;
	peer_install(&dns, dns.policy, &(struct peer_edit){dns_in, dns_out});
	peer_sends(&dns, f, piece(0, 300, f));
	dpt_run();
	dpt_expect_drop("esp-unknown-spi", 1);
	dpt_take_one(1, got); /* the first itself */
}

/* ---- rules ------------------------------------------------------------------------------------ */

static void rules(void **state)
{
	const struct dp_rule rule = {.id = 7, .allow = true};
	const struct dp_rule_term term = {
		.proto = IPPROTO_UDP, .sport_hi = UINT16_MAX, .dport_lo = DNS, .dport_hi = DNS};
	uint8_t f[DPT_FRAME_MAX];

	assert_int_equal(dp_rules_set(&rule, 1, &term, 1), 0);
	for (unsigned k = 0; k < 2; k++) {
		make(true, k ? 9999 : DNS);
		for (unsigned i = PIECES; i-- > 0;)
			dpt_inject_ip(1, 0, f, piece(i, (uint16_t)(400 + k), f));
		dpt_run();
		dpt_expect_drop(k ? "rule-denied" : "", k ? PIECES : 0);
		if (!k)
			pieces_leave_by(&dns);
		dpt_take_none(0);
	}
	assert_int_equal(dp_rules_set(NULL, 0, NULL, 0), 0);
}

/* ---- in the clear and out of a tunnel at once -------------------------------------------------- */

static void arrives_by(unsigned port, bool sealed, unsigned i, uint16_t id)
{
	uint8_t f[DPT_FRAME_MAX], esp[DPT_FRAME_MAX];
	size_t n = piece(i, id, f);

	if (sealed)
		dpt_inject_ip(port, 0, esp, peer_seal(&any, f, n, NULL, esp));
	else
		dpt_inject_ip(port, 0, f, n);
}

/* Fragments that have waited go on together, wherever they came from.  What is refused in the clear, for its source is
 * behind a tunnel, is not refused out of it, and the other way round. */
static void refused_in_the_clear(void **state)
{
	make(false, 9999);
	for (uint16_t id = 700; id < 716; id++) { /* of both workers */
		unsigned tunnel_by = id & 1;

		for (unsigned i = 1; i < PIECES; i++) {
			arrives_by(tunnel_by, true, i, id);
			arrives_by(0, false, i, id);
		}
		dpt_run();
		dpt_expect_drop("", 0);
		arrives_by(tunnel_by, true, 0, id);
		arrives_by(0, false, 0, id);
		dpt_run();
		dpt_expect_drop("clear-text-refused", PIECES);
		for (unsigned i = 0; i < PIECES; i++)
			assert_true(dpt_take(1, got, NULL) > 0);
		dpt_take_none(1);
	}
}

/* ---- what does not get through ---------------------------------------------------------------- */

/* RFC 1858, RFC 3128: a later fragment that writes over what the first has shown. */
static void overlap(void **state)
{
	uint8_t f[DPT_FRAME_MAX], bad[DPT_FRAME_MAX];
	size_t n;

	make(true, 9999);
	n = piece(1, 500, bad);
	bad[7] = 1; /* eight bytes into the datagram */
	dpt_sum4(bad);
	dpt_inject_ip(1, 0, bad, n); /* before the first ... */
	dpt_run();
	dpt_inject_ip(1, 0, f, piece(0, 500, f));
	dpt_run();
	dpt_expect_drop("fragment-overlap", 1);
	dpt_take_one(0, got);
	dpt_inject_ip(1, 0, bad, n); /* ... and behind it */
	dpt_run();
	dpt_expect_drop("fragment-overlap", 1);
	dpt_take_none(0);
}

static void tiny(void **state)
{
	static const struct {
		uint8_t proto;
		size_t need;
	} c[] = {{IPPROTO_TCP, 20}, {IPPROTO_UDP, 8}, {IPPROTO_ICMP, 8}, {IPPROTO_SCTP, 12}};
	uint8_t f[DPT_FRAME_MAX], l4[24] = {0};

	for (unsigned i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct dpt_ip4 h = {.src = HOST, .dst = FAR, .proto = c[i].proto, .frag = 0x2000};

		for (size_t n = 0; n < c[i].need; n++) {
			dpt_inject_ip(1, 0, f, dpt_ip4(f, &h, l4, n));
			dpt_run();
			dpt_expect_drop("fragment-tiny", 1);
		}
		dpt_inject_ip(1, 0, f, dpt_ip4(f, &h, l4, c[i].need));
		dpt_run();
		dpt_expect_drop("", 0);
		dpt_take_one(0, got);
	}
}

/* Those that wait are bounded, each datagram's and all together, and in time. */
static void flood(void **state)
{
	unsigned before;
	uint8_t f[DPT_FRAME_MAX];
	size_t n;

	neighbours();
	dpt_sleep_ms(TIMEOUT_S * 1000 + 500); /* what the others have left */
	neighbours();
	before = rte_mempool_in_use_count(dp.pool);
	make(true, DNS);
	for (unsigned i = 0; i < 100; i++) { /* one datagram's */
		dpt_inject_ip(1, 0, f, piece(1, 600, f));
		dpt_run();
	}
	dpt_expect_drop("fragment-table-full", 100 - LIMIT);
	assert_int_equal(rte_mempool_in_use_count(dp.pool), before + LIMIT);
	dpt_sleep_ms(TIMEOUT_S * 1000 + 500);
	dpt_expect_drop("fragment-timeout", LIMIT);
	for (uint16_t i = 0; i < 2000; i++) { /* many of one each */
		dpt_inject_ip(1, i % WORKERS, f, piece(1, (uint16_t)(1000 + i), f));
		dpt_run();
		assert_true(rte_mempool_in_use_count(dp.pool) <= before + WORKERS * LIMIT);
	}
	assert_int_equal(dpt_dropped("fragment-table-full"), 2000 - WORKERS * LIMIT);
	dpt_mark();
	for (unsigned i = 0; i < PIECES; i++) /* one that comes in order does not suffer */
		dpt_inject_ip(1, (uint16_t)(i % WORKERS), f, piece(i, 4000, f));
	dpt_run();
	pieces_leave_by(&dns);
	dpt_mark();
	n = dpt_udp4(f, HOST, 1, FAR, DNS, "whole", 5);
	dpt_inject_ip(1, 0, f, n);
	dpt_run();
	dpt_take_one(0, got);
	dpt_expect_drop("", 0);
	dpt_sleep_ms(TIMEOUT_S * 1000 + 500);
	assert_true(dpt_dropped("fragment-timeout") >= WORKERS * LIMIT - PIECES);
	assert_int_equal(rte_mempool_in_use_count(dp.pool), before);
	dpt_mark();
}

/* ---- IPv6 ------------------------------------------------------------------------------------- */

static size_t piece6(uint8_t id, uint8_t next, unsigned off, const uint8_t *data, size_t len, bool more,
		     uint8_t *f)
{
	uint8_t body[DPT_FRAME_MAX] = {next, 0, (uint8_t)(off >> 8), (uint8_t)(off | more), 0, 0, 0, id};

	memcpy(body + 8, data, len);
	return ip6_put(f, &(struct ip6){.src = "fd00:1::7", .dst = "2001:db8:1::9", .next = IPPROTO_FRAGMENT},
		       body, 8 + len);
}

/* The upper layer counts, wherever extension headers put it (RFC 7112), and the first fragment's word for it. */
static void ipv6(void **state)
{
	const struct dp_rule rule = {.id = 7, .allow = true};
	const struct dp_rule_term term = {
		.proto = IPPROTO_UDP, .sport_hi = UINT16_MAX, .dport_lo = DNS, .dport_hi = DNS};
	uint8_t data[24] = {IPPROTO_UDP, 0, 1, 4, 0, 0, 0, 0, 15, 160, 0, DNS, 0, 200}, f[DPT_FRAME_MAX];

	ip6_neighbour(0, "2001:db8:1::9", dpt_peer[0]);
	dpt_clear();
	assert_int_equal(dp_rules_set(&rule, 1, &term, 1), 0);
	for (unsigned k = 0; k < 2; k++) {
		data[11] = k ? DNS + 1 : DNS;
		/* the later one lies about what it is */
		ip6_inject(1, f, piece6((uint8_t)k, k ? IPPROTO_UDP : IPPROTO_TCP, 24, data, 16, false, f));
		ip6_inject(1, f, piece6((uint8_t)k, IPPROTO_DSTOPTS, 0, data, 24, true, f));
		dpt_run();
		dpt_expect_drop(k ? "rule-denied" : "", k ? 2 : 0);
		if (k)
			continue;
		assert_true(dpt_take(0, got, NULL) > 0 && dpt_take(0, got, NULL) > 0);
		dpt_clear();
	}
	ip6_inject(1, f, piece6(7, IPPROTO_DSTOPTS, 0, data, 8, true, f)); /* the chain does not end in it */
	dpt_run();
	dpt_expect_drop("fragment-tiny", 1);
	ip6_inject(1, f, piece6(8, IPPROTO_FRAGMENT, 0, data, 24, true, f)); /* fragments of fragments */
	dpt_run();
	dpt_expect_drop("fragment-tiny", 1);
	assert_int_equal(dp_rules_set(NULL, 0, NULL, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(proxy_id),
		cmocka_unit_test(same_number_again),
		cmocka_unit_test(nobody_asks),
		cmocka_unit_test(selectors),
		cmocka_unit_test(sa_removed),
		cmocka_unit_test(rules),
		cmocka_unit_test(overlap),
		cmocka_unit_test(tiny),
		cmocka_unit_test(ipv6),
		cmocka_unit_test(flood),
		cmocka_unit_test(refused_in_the_clear),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
