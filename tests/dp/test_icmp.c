/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMP errors of the gateway's own: which packets get one, what it holds, which address it comes from, how
 * many there may be, and that it finds its way back, into the tunnel as well.
 */
#include "peer.h"

#include <string.h>

#include "dp.h"
#include "icmp.h"

#define HOST "10.1.1.7"
#define FAR  "203.0.113.9"

enum { ETH = 14, RATE = 100, BURST = 64 };

static uint16_t tunnel;
static uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX], inner[DPT_FRAME_MAX];
static const uint8_t data[64];
static struct peer peer = {.spi_out = 0xc0ffee02};

/* The error at e, of len bytes, is of this type and code and quotes `about`. */
static void is_error(const uint8_t *e, size_t len, uint8_t type, uint8_t code, const char *from,
		     const char *to, const uint8_t *about, size_t about_len)
{
	const uint32_t src = dpt_ip(from), dst = dpt_ip(to);
	size_t quote = about_len < 576 - 28 ? about_len : 576 - 28;

	assert_int_equal(len, 28 + quote);
	assert_true(dpt_sums_right(e, len));
	assert_int_equal(e[0], 0x45);
	assert_int_equal(e[1], 0xc0);
	assert_int_equal(e[6] << 8 | e[7], 0);
	assert_int_equal(e[8], 64);
	assert_int_equal(e[9], 1);
	assert_memory_equal(e + 12, &src, 4);
	assert_memory_equal(e + 16, &dst, 4);
	assert_int_equal(e[20], type);
	assert_int_equal(e[21], code);
	assert_memory_equal(e + 28, about, quote);
}

/* The packet that HOST sends by port 1 is dropped for this reason, and HOST is told so.  What has been routed by
 * then is one hop older (RFC 1812 4.3.2.3). */
static void told(size_t len, const char *why, uint8_t type, uint8_t code)
{
	size_t got;

	dpt_inject_ip(1, 0, packet, len);
	dpt_run();
	if (code == 13) {
		packet[8]--;
		dpt_sum4(packet);
	}
	dpt_expect_drop(why, 1);
	got = dpt_take_one(1, frame);
	assert_memory_equal(frame, dpt_peer[1], 6);
	is_error(frame + ETH, got - ETH, type, code, "10.1.1.1", HOST, packet, len);
	dpt_take_none(0);
	dpt_sleep_ms(100);
}

static void silent(size_t len, const char *why)
{
	memcpy(dpt_eth(frame, 1, 0x0800), packet, len);
	dpt_drops(1, frame, ETH + len, why);
}

static void no_route(void **state)
{
	for (size_t n = 0; n < 1400; n += 139)
		told(dpt_udp4(packet, HOST, 1000, FAR, 2000, inner, n), "no-route", 3, 0);
}

static size_t with_ttl(size_t len, uint8_t ttl)
{
	packet[8] = ttl;
	dpt_sum4(packet);
	return len;
}

static void time_exceeded(void **state)
{
	told(with_ttl(dpt_echo4(packet, HOST, "192.0.2.2", 1, 20), 1), "ip-ttl-exceeded", 11, 0);
	told(with_ttl(dpt_udp4(packet, HOST, 9, "10.2.0.1", 33434, inner, 20), 0), "ip-ttl-exceeded", 11, 0);
}

/* RFC 1122 3.2.2 */
static void never_about(void **state)
{
	static const struct {
		uint8_t type;
		bool told;
	} icmp[] = {{0, true},   {3, false},  {4, false}, {5, false}, {8, true},
		    {11, false}, {12, false}, {13, true}, {14, true}, {40, false}};
	struct dpt_ip4 h = {.src = HOST, .dst = FAR, .proto = 1};
	uint8_t body[64] = {0};

	for (size_t i = 0; i < sizeof(icmp) / sizeof(icmp[0]); i++) {
		size_t len;

		body[0] = icmp[i].type;
		h.frag = 0;
		len = dpt_ip4(packet, &h, body, sizeof(body));
		if (icmp[i].told)
			told(len, "no-route", 3, 0);
		else
			silent(len, "no-route");
		h.frag = 0x2000; /* the first fragment tells its type as well */
		len = dpt_ip4(packet, &h, body, sizeof(body));
		if (icmp[i].told)
			told(len, "no-route", 3, 0);
		else
			silent(len, "no-route");
	}
	h.proto = 17;
	h.frag = 0x2000; /* the first fragment */
	told(dpt_ip4(packet, &h, body, sizeof(body)), "no-route", 3, 0);
	h.frag = 0x2001;
	silent(dpt_ip4(packet, &h, body, sizeof(body)), "no-route");
	h.frag = 0x0100;
	silent(dpt_ip4(packet, &h, body, sizeof(body)), "no-route");
	h.frag = 0;
	h.dst = "192.0.2.255"; /* a network's broadcast address */
	silent(dpt_ip4(packet, &h, body, sizeof(body)), "ip-martian-address");
	h.dst = "224.0.0.5";
	silent(dpt_ip4(packet, &h, body, sizeof(body)), "ip-martian-address");
	/* our own answers cause none either: the way back to this one is missing */
	silent(dpt_echo4(packet, "198.51.100.1", "10.1.1.1", 1, 20), "no-route");
}

static void prohibited(void **state)
{
	told(dpt_echo4(packet, HOST, "10.3.0.1", 1, 20), "no-matching-proxy-id", 3, 13);
}

/* A whole burst, then as many as the rate allows. */
static void limited(void **state)
{
	struct dp_worker_stats before, after;
	unsigned n = 0;

	dpt_sleep_ms(5000);
	assert_int_equal(dp_worker_stats(0, &before), 0);
	for (unsigned i = 0; i < 200; i++)
		dpt_inject_ip(1, 0, packet, dpt_echo4(packet, HOST, FAR, (uint16_t)i, 20));
	dpt_run();
	dpt_expect_drop("no-route", 200);
	while (dpt_take(1, frame, NULL))
		n++;
	assert_int_equal(n, BURST);
	dpt_sleep_ms(250);
	for (unsigned i = 0; i < 200; i++)
		dpt_inject_ip(1, 0, packet, dpt_echo4(packet, HOST, FAR, (uint16_t)i, 20));
	dpt_run();
	dpt_mark();
	for (n = 0; dpt_take(1, frame, NULL); n++)
		;
	assert_in_range(n, RATE / 4 - 1, RATE / 4 + 1);
	assert_int_equal(dp_worker_stats(0, &after), 0);
	assert_int_equal(after.icmp_sent - before.icmp_sent, BURST + n);
	assert_int_equal(after.icmp_limited - before.icmp_limited, 400 - BURST - n);
	dpt_sleep_ms(1000);
}

/* About a packet from inside the tunnel: back into it, from the address that the proxy-ID carries, which is not
 * the one of the port that leads to the peer. */
static void into_the_tunnel(void **state)
{
	uint8_t outer[DPT_FRAME_MAX], open[DPT_FRAME_MAX];
	uint64_t seq;
	size_t len, got;

	for (unsigned i = 0; i < 2; i++) {
		len = with_ttl(dpt_udp4(inner, "10.2.0.5", 7, "10.1.1.7", 9, packet, 30), 64);
		if (i == 0) {
			inner[8] = 1;
			dpt_sum4(inner);
		} else {
			len = dpt_udp4(inner, "10.2.0.5", 7, "10.1.200.7", 9, packet, 30);
		}
		dpt_inject_ip(0, 0, outer, peer_seal(&peer, inner, len, NULL, outer));
		dpt_run();
		dpt_expect_drop(i == 0 ? "ip-ttl-exceeded" : "no-route", 1);
		dpt_take_none(1);
		got = dpt_take_one(0, frame);
		got = peer_open(&peer, frame + ETH, got - ETH, open, &seq);
		is_error(open, got, i == 0 ? 11 : 3, 0, "10.1.1.1", "10.2.0.5", inner, len);
	}
}

/* With an address of its own the tunnel interface answers from that. */
static void tunnel_address(void **state)
{
	uint8_t outer[DPT_FRAME_MAX], open[DPT_FRAME_MAX];
	struct dp_if *f = &dp.ifs[tunnel];
	uint64_t seq;
	size_t len, got;

	assert_int_equal(prefix_parse("10.1.99.1/32", &f->addr[0]), 0);
	f->n_addr = 1;
	len = dpt_udp4(inner, "10.2.0.5", 7, "10.1.200.7", 9, packet, 30);
	dpt_inject_ip(0, 0, outer, peer_seal(&peer, inner, len, NULL, outer));
	dpt_run();
	dpt_expect_drop("no-route", 1);
	got = dpt_take_one(0, frame);
	got = peer_open(&peer, frame + ETH, got - ETH, open, &seq);
	is_error(open, got, 3, 0, "10.1.99.1", "10.2.0.5", inner, len);
	f->n_addr = 0;
}

/* How many frames left by the port, each an ARP question. */
static unsigned take_asks(unsigned port)
{
	unsigned n = 0;

	for (; dpt_take(port, frame, NULL) > 0; n++)
		assert_int_equal(frame[12] << 8 | frame[13], 0x0806);
	return n;
}

static void to_far(struct dp_sa_out_conf *c)
{
	c->remote = dpt_ep("203.0.113.5", 0);
	c->ts_remote[0] = peer_ts("10.3.0.0/16", 0, 0);
}

/* Nobody answers on the link: three seconds later each sender of what waited is told, be it behind a port or behind
 * the tunnel.  What we made ourselves, answers and outer packets, has no sender to tell. */
static void silent_neighbour(void **state)
{
	uint8_t outer[DPT_FRAME_MAX], open[DPT_FRAME_MAX];
	struct peer far = {.spi_out = 0xc0ffee03};
	struct dp_worker_stats before, after;
	struct dp_route r = {.via = dpt_ep("192.0.2.77", 0).a};
	const struct peer_edit edit = {.out = to_far};
	uint64_t seq;
	size_t len, got;

	assert_int_equal(dp_worker_stats(0, &before), 0);
	for (uint16_t i = 0; i < 2; i++) {
		len = dpt_udp4(packet, HOST, 7, "192.0.2.66", i, data, 30);
		dpt_inject_ip(1, 0, packet, len);
	}
	dpt_run();
	dpt_expect_drop("", 0);
	dpt_sleep_ms(3000);
	assert_int_equal(take_asks(0), 3);
	dpt_expect_drop("neighbour-unresolved", 2);
	for (uint16_t i = 0; i < 2; i++) {
		len = with_ttl(dpt_udp4(packet, HOST, 7, "192.0.2.66", i, data, 30), 63);
		got = dpt_take(1, frame, NULL);
		is_error(frame + ETH, got - ETH, 3, 1, "10.1.1.1", HOST, packet, len);
	}
	dpt_take_none(1);

	len = dpt_udp4(inner, "10.2.0.5", 7, "10.1.1.99", 9, data, 30);
	dpt_inject_ip(0, 0, outer, peer_seal(&peer, inner, len, NULL, outer));
	dpt_run();
	dpt_sleep_ms(3000);
	assert_int_equal(take_asks(1), 3);
	dpt_expect_drop("neighbour-unresolved", 1);
	with_ttl(len, 64);
	inner[8]--;
	dpt_sum4(inner);
	got = dpt_take_one(0, frame);
	got = peer_open(&peer, frame + ETH, got - ETH, open, &seq);
	is_error(open, got, 3, 1, "10.1.1.1", "10.2.0.5", inner, len);

	dpt_inject_ip(1, 0, packet,
		      dpt_echo4(packet, "192.0.2.88", "10.1.1.1", 1, 20)); /* our answer waits */
	assert_int_equal(prefix_parse("203.0.113.0/24", &r.dst), 0);
	assert_int_equal(dp_route_add(&r), 0);
	peer_keys(&far, 4);
	peer_install(&far, peer_policy(tunnel, "10.1.0.0/16", "10.3.0.0/16", 0, 0, 0), &edit);
	dpt_inject_ip(1, 0, packet, dpt_echo4(packet, HOST, "10.3.0.1", 1, 20));
	dpt_run();
	dpt_sleep_ms(3000);
	dpt_expect_drop("neighbour-unresolved", 2);
	assert_int_equal(take_asks(0), 2 * 3);
	dpt_take_none(1);
	assert_int_equal(dp_worker_stats(0, &after), 0);
	assert_int_equal(after.icmp_sent - before.icmp_sent, 3);
	peer_remove(&far);
	assert_int_equal(dp_policy_del(far.policy), 0);
	assert_int_equal(dp_route_del(&r.dst), 0);
	dpt_clear();
}

static uint32_t sum_all(const uint8_t *b, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? b[i] : (uint32_t)b[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* An IPv6 packet of `len` bytes with `next` behind its header; the builder is called as a stage would. */
static struct pkt packet6(uint8_t next, uint8_t type, size_t len, uint8_t src0, uint8_t dst0)
{
	struct pkt p = {.v = 6, .l3_off = ETH, .l3_len = 40, .ip_len = (uint16_t)len, .proto = next};
	uint8_t *b;

	p.in_if = dpt_port[1];
	p.m = rte_pktmbuf_alloc(dp.pool);
	assert_non_null(p.m);
	b = (uint8_t *)rte_pktmbuf_append(p.m, (uint16_t)(ETH + len));
	if (!b) {
		fail_msg("no room");
		return p;
	}
	b += ETH;
	memset(b, 0, len);
	b[0] = 0x60;
	b[4] = (uint8_t)((len - 40) >> 8);
	b[5] = (uint8_t)(len - 40);
	b[6] = next;
	b[7] = 64;
	b[8] = src0;
	b[23] = 7;
	b[24] = dst0;
	b[39] = 9;
	b[40] = type;
	return p;
}

static void version6(void **state)
{
	static const struct {
		uint8_t next, type, src, dst;
		enum drop why;
		int want; /* type << 8 | code, or -1 */
	} cases[] = {
		{17, 0, 0x20, 0x20, DROP_NO_ROUTE, 0x100},
		{17, 0, 0x20, 0x20, DROP_NEIGH_UNRESOLVED, 0x103},
		{17, 0, 0x20, 0x20, DROP_TUNNEL_NO_PROXY_ID, 0x101},
		{17, 0, 0x20, 0x20, DROP_IP_TTL, 0x300},
		{17, 0, 0x20, 0x20, DROP_TOO_BIG, 0x200},
		{17, 0, 0x20, 0x20, DROP_ESP_REPLAY, -1},
		{58, 128, 0x20, 0x20, DROP_NO_ROUTE, 0x100},
		{58, 1, 0x20, 0x20, DROP_NO_ROUTE, -1},
		{58, 137, 0x20, 0x20, DROP_NO_ROUTE, -1},
		{17, 0, 0xff, 0x20, DROP_NO_ROUTE, -1},
		{17, 0, 0x20, 0xff, DROP_NO_ROUTE, -1},
		{17, 0, 0x20, 0xff, DROP_TOO_BIG, 0x200},
	};
	struct dp_if *f = &dp.ifs[dpt_port[1]];
	struct worker *w = dp.worker[0];

	dpt_sleep_ms(1000);
	assert_int_equal(prefix_parse("2001:db8:1::1/64", &f->addr[f->n_addr++]), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = i & 1 ? 1400 : 300, quote = len < 1280 - 48 ? len : 1280 - 48;
		struct pkt p = packet6(cases[i].next, cases[i].type, len, cases[i].src, cases[i].dst);
		uint8_t about[1500], pseudo[40] = {0};
		const uint8_t *e;

		memcpy(about, pkt_l3(&p), len);
		if (cases[i].why == DROP_TOO_BIG)
			icmp_drop_too_big(w, &p, 1320);
		else
			icmp_drop(w, &p, cases[i].why);
		assert_int_equal(w->n_made, cases[i].want >= 0);
		if (w->n_made == 0)
			continue;
		e = pkt_l3(&w->made[0]);
		assert_int_equal(w->made[0].ip_len, 48 + quote);
		assert_int_equal(e[0], 0x6c);
		assert_int_equal(e[4] << 8 | e[5], 8 + quote);
		assert_int_equal(e[6], 58);
		assert_memory_equal(e + 8, f->addr[1].a.b, 16);
		assert_memory_equal(e + 24, about + 8, 16);
		assert_int_equal(e[40] << 8 | e[41], cases[i].want);
		assert_int_equal(e[46] << 8 | e[47], cases[i].why == DROP_TOO_BIG ? 1320 : 0);
		assert_memory_equal(e + 48, about, quote);
		memcpy(pseudo, e + 8, 32);
		pseudo[34] = e[4];
		pseudo[35] = e[5];
		pseudo[39] = 58;
		assert_int_equal((sum_all(pseudo, 40) + sum_all(e + 40, 8 + quote)) % 0xffff, 0);
		rte_pktmbuf_free(w->made[0].m);
		w->n_made = 0;
	}
	f->n_addr--;
	dpt_mark();
}

static int setup(void **state)
{
	const struct dpt_conf c = {.icmp_rate = RATE};
	struct dp_route r = {0};

	dpt_init(&c);
	assert_int_equal(dp_tunnel_if_add("tunnel.1", NULL, 0, &tunnel), 0);
	r.ifindex = tunnel;
	assert_int_equal(prefix_parse("10.2.0.0/16", &r.dst), 0);
	assert_int_equal(dp_route_add(&r), 0);
	assert_int_equal(prefix_parse("10.3.0.0/16", &r.dst), 0);
	assert_int_equal(dp_route_add(&r), 0);
	dpt_neighbour(0, PEER_IP, dpt_peer[0]);
	dpt_neighbour(1, HOST, dpt_peer[1]);
	peer_keys(&peer, 3);
	peer_install(&peer, peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", 0, 0, 0), NULL);
	dpt_sleep_ms(1000);
	dpt_clear();
	return 0;
}

static int teardown(void **state)
{
	peer_remove(&peer);
	dpt_fini();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_route),         cmocka_unit_test(time_exceeded),
		cmocka_unit_test(never_about),      cmocka_unit_test(prohibited),
		cmocka_unit_test(limited),          cmocka_unit_test(into_the_tunnel),
		cmocka_unit_test(tunnel_address),   cmocka_unit_test(version6),
		cmocka_unit_test(silent_neighbour),
	};

	return cmocka_run_group_tests_name("icmp", tests, setup, teardown);
}
