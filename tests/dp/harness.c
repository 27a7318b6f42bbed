/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_ring.h>

#include "dp.h"
#include "neigh.h"
#include "port.h"

enum { RING = 1024 };

uint16_t dpt_port[DPT_PORTS];
const uint8_t dpt_mac[DPT_PORTS][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};
const uint8_t dpt_peer[DPT_PORTS][6] = {{2, 0, 0, 0, 1, 1}, {2, 0, 0, 0, 1, 2}};
uint64_t dpt_now = UINT64_C(1000000000000);
struct dpt_seen dpt_seen;

static struct rte_ring *rx[DPT_PORTS][DP_WORKERS_MAX], *tx[DPT_PORTS][DP_WORKERS_MAX];
static uint64_t marks[DROP_MAX];

/* ---- handlers ------------------------------------------------------------------------------ */

static void on_udp(void *ctx, const struct dp_udp *u)
{
	dpt_seen.n_udp++;
	dpt_seen.udp = *u;
	memcpy(dpt_seen.udp_data, u->data, u->len);
	dpt_seen.udp.data = dpt_seen.udp_data;
}

static void on_acquire(void *ctx, const struct dp_acquire *a)
{
	dpt_seen.n_acquire++;
	dpt_seen.acquire = *a;
}

static void on_expire(void *ctx, const struct dp_expire *e)
{
	dpt_seen.n_expire++;
	dpt_seen.expire = *e;
}

static void on_unknown_spi(void *ctx, const struct dp_unknown_spi *u)
{
	dpt_seen.n_unknown_spi++;
	dpt_seen.unknown_spi = *u;
}

static void on_echo_error(void *ctx, const struct dp_echo_error *e)
{
	dpt_seen.n_echo_error++;
	dpt_seen.echo_error = *e;
}

static void on_echo(void *ctx, const struct dp_echo_answer *a)
{
	dpt_seen.n_echo++;
	dpt_seen.echo = *a;
}

static void on_moved(void *ctx, const struct dp_moved *m)
{
	dpt_seen.n_moved++;
	dpt_seen.moved = *m;
}

static void on_log(enum dp_log_level level, const char *text)
{
	snprintf(dpt_seen.log, sizeof(dpt_seen.log), "%s", text);
}

/* ---- life ---------------------------------------------------------------------------------- */

static void die(const char *what)
{
	fprintf(stderr, "Bail out! harness: %s\n", what);
	exit(1);
}

static void make_port(unsigned i, const char *name, const char *address, const char *address6)
{
	struct dp_port_conf c = {.mtu = 1500, .n_addr = 1};
	char text[64], err[256];

	for (uint16_t q = 0; q < dp.n_workers; q++) {
		snprintf(text, sizeof(text), "rx%u.%u", i, q);
		rx[i][q] = rte_ring_create(text, RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
		snprintf(text, sizeof(text), "tx%u.%u", i, q);
		tx[i][q] = rte_ring_create(text, RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	}
	snprintf(text, sizeof(text), "dpt%u", i);
	if (rte_eth_from_rings(text, rx[i], dp.n_workers, tx[i], dp.n_workers, 0) < 0)
		die("no ring port");
	snprintf(c.name, sizeof(c.name), "%s", name);
	snprintf(c.device, sizeof(c.device), "net_ring_%s", text);
	prefix_parse(address, &c.addr[0]);
	if (address6 && prefix_parse(address6, &c.addr[1]) == 0)
		c.n_addr = 2;
	if (dp_port_add(&c, &dpt_port[i], err, sizeof(err)) < 0)
		die(err);
	/* A port of rings has no MAC. */
	memcpy(ports[dp.ifs[dpt_port[i]].port].mac, dpt_mac[i], 6);
	port_mac_changed(dp.ifs[dpt_port[i]].port);
}

void dpt_init(const struct dpt_conf *want)
{
	struct dpt_conf c = want ? *want : (struct dpt_conf){0};
	char name[32], err[256] = "";
	struct dp_conf conf = {
		.name = name,
		.n_workers = c.n_workers ? c.n_workers : 1,
		.memory_mb = 256,
		.max_sas = c.max_sas ? c.max_sas : 50, /* no power of two */
		.max_policies = c.max_policies ? c.max_policies : 64,
		.max_routes = c.max_routes ? c.max_routes : 64,
		.max_neighbours = c.max_neighbours ? c.max_neighbours : 64,
		.n_mbufs = c.n_mbufs ? c.n_mbufs : 8192,
		.icmp_rate = c.icmp_rate,
		.max_datagrams = c.max_datagrams,
		.datagram_timeout_s = c.datagram_timeout_s,
		.log = on_log,
	};
	const struct dp_handlers h = {.udp = on_udp,
				      .acquire = on_acquire,
				      .expire = on_expire,
				      .moved = on_moved,
				      .unknown_spi = on_unknown_spi,
				      .echo_answer = on_echo,
				      .echo_error = on_echo_error};

	snprintf(name, sizeof(name), "dpt%d", getpid());
	if (dp_init(&conf, &h, NULL, err, sizeof(err)) < 0)
		die(err);
	make_port(0, "out", "192.0.2.1/24", c.v6 ? "2001:db8:1::1/64" : NULL);
	make_port(1, "in", "10.1.1.1/24", c.v6 ? "fd00:1::1/64" : NULL);
	if (c.before_start)
		c.before_start();
	if (dp_prepare(err, sizeof(err)) < 0)
		die(err);
	dpt_clear();
}

void dpt_fini(void)
{
	unsigned lost;

	dpt_sleep_ms(20000); /* whoever waits for a neighbour or a fragment gives up */
	dpt_clear();
	lost = rte_mempool_in_use_count(dp.pool);
	dp_fini();
	assert_int_equal(lost, 0);
}

/* ---- frames in and out --------------------------------------------------------------------- */

void dpt_inject(unsigned port, uint16_t queue, const void *frame, size_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp.pool);
	void *at;

	assert_non_null(m);
	at = rte_pktmbuf_append(m, (uint16_t)len);
	assert_non_null(at);
	memcpy(at, frame, len);
	dpt_inject_mbuf(port, queue, m);
}

void dpt_inject_mbuf(unsigned port, uint16_t queue, struct rte_mbuf *m)
{
	assert_int_equal(rte_ring_enqueue(rx[port][queue], m), 0);
}

unsigned dpt_turn(unsigned worker)
{
	struct worker *w = dp.worker[worker];

	w->tsc = (uint64_t)((__uint128_t)dpt_now * w->tsc_hz / 1000000000);
	return worker_turn(w);
}

static bool work_left(void)
{
	bool left = false;

	for (uint16_t i = 0; i < dp.n_workers; i++) {
		left |= !rte_ring_empty(dp.worker[i]->up) || !rte_ring_empty(dp.worker[i]->inject) ||
			!rte_ring_empty(dp.worker[i]->handover);
		for (unsigned p = 0; p < DPT_PORTS; p++)
			left |= !rte_ring_empty(rx[p][i]);
	}
	return left;
}

void dpt_run(void)
{
	do {
		for (uint16_t i = 0; i < dp.n_workers; i++)
			dpt_turn(i);
		dp_service(dpt_now);
	} while (work_left());
}

void dpt_sleep_ms(uint64_t ms)
{
	enum { STEP_MS = 250 };

	while (ms) {
		uint64_t step = ms < STEP_MS ? ms : STEP_MS;

		dpt_now += step * 1000000;
		ms -= step;
		dpt_run();
	}
}

size_t dpt_take(unsigned port, uint8_t frame[DPT_FRAME_MAX], uint16_t *queue)
{
	for (uint16_t q = 0; q < dp.n_workers; q++) {
		struct rte_mbuf *m;
		size_t len;

		if (rte_ring_dequeue(tx[port][q], (void **)&m) < 0)
			continue;
		len = m->data_len;
		assert_int_equal(m->pkt_len, len);
		assert_in_range(len, 1, DPT_FRAME_MAX);
		memcpy(frame, rte_pktmbuf_mtod(m, void *), len);
		rte_pktmbuf_free(m);
		if (queue)
			*queue = q;
		return len;
	}
	return 0;
}

void dpt_take_none(unsigned port)
{
	uint8_t frame[DPT_FRAME_MAX];

	assert_int_equal(dpt_take(port, frame, NULL), 0);
}

size_t dpt_take_one(unsigned port, uint8_t frame[DPT_FRAME_MAX])
{
	size_t len = dpt_take(port, frame, NULL);

	assert_int_not_equal(len, 0);
	dpt_take_none(port);
	return len;
}

/* ---- drops --------------------------------------------------------------------------------- */

void dpt_mark(void)
{
	struct dp_drop d;

	for (unsigned i = 0; dp_drop_stats(i, &d) == 0; i++)
		marks[i] = d.packets;
}

uint64_t dpt_dropped(const char *name)
{
	struct dp_drop d;

	for (unsigned i = 0; dp_drop_stats(i, &d) == 0; i++)
		if (strcmp(d.name, name) == 0)
			return d.packets - marks[i];
	fail_msg("no drop reason is called %s", name);
	return 0;
}

void dpt_expect_drop(const char *name, uint64_t n)
{
	struct dp_drop d;

	if (*name && dpt_dropped(name) != n)
		print_error("%s: %lu, expected %lu\n", name, dpt_dropped(name), n);
	for (unsigned i = 0; dp_drop_stats(i, &d) == 0; i++) {
		uint64_t got = d.packets - marks[i];

		if (got != (strcmp(d.name, name) == 0 ? n : 0))
			fail_msg("%lu packets dropped as %s", got, d.name);
	}
	if (*name)
		assert_int_equal(dpt_dropped(name), n);
	dpt_mark();
}

void dpt_drops(unsigned port, const void *frame, size_t len, const char *why)
{
	dpt_inject(port, 0, frame, len);
	dpt_run();
	dpt_expect_drop(why, 1);
	for (unsigned i = 0; i < DPT_PORTS; i++)
		dpt_take_none(i);
}

void dpt_clear(void)
{
	uint8_t frame[DPT_FRAME_MAX];

	dpt_run();
	for (unsigned i = 0; i < DPT_PORTS; i++)
		while (dpt_take(i, frame, NULL) > 0)
			;
	memset(&dpt_seen, 0, sizeof(dpt_seen));
	dpt_mark();
}

/* ---- making frames ------------------------------------------------------------------------- */

uint32_t dpt_ip(const char *text)
{
	uint32_t ip;

	if (inet_pton(AF_INET, text, &ip) != 1)
		fail_msg("%s is no address", text);
	return ip;
}

struct endpoint dpt_ep(const char *ip, uint16_t port)
{
	struct endpoint e = {.port = port};

	assert_int_equal(addr_parse(ip, &e.a), 0);
	return e;
}

static void put16(uint8_t *b, size_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

/* Independent of the data plane's: RFC 1071, word by word. */
static uint32_t sum16(const uint8_t *b, size_t len, uint32_t sum)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(b[i] << 8 | b[i + 1]);
	if (len & 1)
		sum += (uint32_t)(b[len - 1] << 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint32_t pseudo(const uint8_t *ip, size_t l4_len)
{
	return sum16(ip + 12, 8, (uint32_t)(ip[9] + l4_len));
}

void dpt_sum4(uint8_t *b)
{
	put16(b + 10, 0);
	put16(b + 10, 0xffff ^ sum16(b, (b[0] & 15u) * 4, 0));
}

bool dpt_sums_right(const uint8_t *b, size_t len)
{
	size_t hlen = (b[0] & 15u) * 4, total = (size_t)(b[2] << 8 | b[3]);

	if (total > len || sum16(b, hlen, 0) != 0xffff)
		return false;
	if ((b[6] & 0x3f) || b[7])
		return true;
	if (b[9] == IPPROTO_UDP)
		return (b[hlen + 6] || b[hlen + 7]) &&
		       sum16(b + hlen, total - hlen, pseudo(b, total - hlen)) == 0xffff;
	if (b[9] == IPPROTO_ICMP)
		return sum16(b + hlen, total - hlen, 0) == 0xffff;
	return true;
}

uint8_t *dpt_eth(uint8_t *frame, unsigned port, uint16_t type)
{
	memcpy(frame, dpt_mac[port], 6);
	memcpy(frame + 6, dpt_peer[port], 6);
	put16(frame + 12, type);
	return frame + 14;
}

size_t dpt_ip4(uint8_t *b, const struct dpt_ip4 *h, const void *payload, size_t len)
{
	size_t hlen = 20 + h->options_len;
	uint32_t src = dpt_ip(h->src), dst = dpt_ip(h->dst);

	memset(b, 0, hlen);
	b[0] = (uint8_t)(0x40 | hlen / 4);
	put16(b + 2, hlen + len);
	put16(b + 4, 0x1234);
	put16(b + 6, h->frag);
	b[8] = h->ttl ? h->ttl : 64;
	b[9] = h->proto;
	memcpy(b + 12, &src, 4);
	memcpy(b + 16, &dst, 4);
	if (h->options_len)
		memcpy(b + 20, h->options, h->options_len);
	dpt_sum4(b);
	if (len)
		memcpy(b + hlen, payload, len);
	return hlen + len;
}

size_t dpt_udp4(uint8_t *b, const char *src, uint16_t sport, const char *dst, uint16_t dport,
		const void *data, size_t len)
{
	struct dpt_ip4 h = {.src = src, .dst = dst, .proto = IPPROTO_UDP};
	uint8_t udp[DPT_FRAME_MAX] = {0};
	size_t total;
	uint32_t sum;

	put16(udp, sport);
	put16(udp + 2, dport);
	put16(udp + 4, 8 + len);
	if (len)
		memcpy(udp + 8, data, len);
	total = dpt_ip4(b, &h, udp, 8 + len);
	sum = 0xffff ^ sum16(b + 20, 8 + len, pseudo(b, 8 + len));
	put16(b + 26, sum ? sum : 0xffff);
	return total;
}

size_t dpt_echo4(uint8_t *b, const char *src, const char *dst, uint16_t seq, size_t len)
{
	struct dpt_ip4 h = {.src = src, .dst = dst, .proto = IPPROTO_ICMP};
	uint8_t icmp[DPT_FRAME_MAX] = {8};

	put16(icmp + 4, 0xbeef);
	put16(icmp + 6, seq);
	for (size_t i = 0; i < len; i++)
		icmp[8 + i] = (uint8_t)i;
	put16(icmp + 2, 0xffff ^ sum16(icmp, 8 + len, 0));
	return dpt_ip4(b, &h, icmp, 8 + len);
}

size_t dpt_arp(uint8_t *frame, unsigned port, uint16_t op, const uint8_t sha[6], const char *spa,
	       const uint8_t tha[6], const char *tpa)
{
	static const uint8_t kind[6] = {0, 1, 8, 0, 6, 4};
	uint8_t *a = dpt_eth(frame, port, 0x0806);
	uint32_t s = dpt_ip(spa), t = dpt_ip(tpa);

	if (op == 1)
		memset(frame, 0xff, 6);
	memcpy(frame + 6, sha, 6);
	memcpy(a, kind, 6);
	put16(a + 6, op);
	memcpy(a + 8, sha, 6);
	memcpy(a + 14, &s, 4);
	memset(a + 18, 0, 6);
	if (tha)
		memcpy(a + 18, tha, 6);
	memcpy(a + 24, &t, 4);
	memset(a + 28, 0, 18); /* padding to the least frame */
	return 60;
}

void dpt_inject_ip(unsigned port, uint16_t queue, const uint8_t *packet, size_t len)
{
	uint8_t frame[DPT_FRAME_MAX];

	memcpy(dpt_eth(frame, port, 0x0800), packet, len);
	dpt_inject(port, queue, frame, 14 + len);
}

static uint32_t neighbour_index(unsigned port, const char *ip)
{
	uint32_t v = dpt_ip(ip), neigh;
	uint8_t p = dp.ifs[dpt_port[port]].port;

	neigh_find_burst(&p, &v, &neigh, 1);
	return neigh;
}

/* A question of theirs makes them known, our question and their answer makes it sure. */
void dpt_neighbour(unsigned port, const char *ip, const uint8_t mac[6])
{
	uint8_t frame[DPT_FRAME_MAX];
	char own[ADDR_STR];
	uint32_t neigh;
	size_t len;

	addr_str(&dp.ifs[dpt_port[port]].addr[0].a, own);
	len = dpt_arp(frame, port, 1, mac, ip, NULL, own);
	dpt_inject(port, 0, frame, len);
	dpt_run();
	neigh = neighbour_index(port, ip);
	assert_int_not_equal(neigh, NEIGH_NONE);
	neigh_used(neigh);
	dpt_run();
	dpt_inject(port, 0, frame, dpt_arp(frame, port, 2, mac, ip, dpt_mac[port], own));
	dpt_clear();
}
