/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_bus_vdev.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>

#include "dp.h"
#include "neigh.h"
#include "port.h"

enum {
	MTU = 1600,
	OUT = 0,
	IN = 1,
	ZONE_OUT = 1,
	ZONE_IN = 2,
};

const uint8_t rig_peer_mac[6] = {2, 0, 0, 0, 1, 1};
struct rte_mbuf *rig_frame[FRAMES], *rig_tx[FRAMES];
uint16_t rig_frame_off[FRAMES];
unsigned rig_n_tx;

static uint16_t port_if[2], tunnel[RIG_TUNNELS];
static uint32_t n_tunnels;
static unsigned rx_next, rx_left;
static void *rx_queue; /* the one that frames come by */
static unsigned rx_worker;
static struct layout now;
static struct pair *pair;
static uint32_t *guest; /* policies besides the SAs' own */
static struct sa_out *peers;

void die(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("bench: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static void must(int err, const char *what)
{
	if (err < 0)
		die("%s: %s", what, strerror(-err));
}

/* ---- ports in memory ------------------------------------------------------------------------- */

static uint16_t burst_rx(void *queue, struct rte_mbuf **m, uint16_t n)
{
	if (rx_left < n || queue != rx_queue)
		return 0;
	memcpy(m, &rig_frame[rx_next], n * sizeof(*m));
	rx_next += n;
	rx_left -= n;
	return n;
}

static uint16_t burst_none(void *queue, struct rte_mbuf **m, uint16_t n)
{
	return 0;
}

static uint16_t burst_tx(void *queue, struct rte_mbuf **m, uint16_t n)
{
	if (rig_n_tx + n > FRAMES)
		return 0;
	memcpy(&rig_tx[rig_n_tx], m, n * sizeof(*m));
	rig_n_tx += n;
	return n;
}

/* What control sends on its own: ARP. */
static uint16_t burst_free(void *queue, struct rte_mbuf **m, uint16_t n)
{
	rte_pktmbuf_free_bulk(m, n);
	return n;
}

static uint16_t ethdev(unsigned port)
{
	return ports[dp.ifs[port_if[port]].port].ethdev;
}

static void take_port(unsigned port, eth_rx_burst_t rx, eth_tx_burst_t send)
{
	rte_eth_fp_ops[ethdev(port)].rx_pkt_burst = rx;
	rte_eth_fp_ops[ethdev(port)].tx_pkt_burst = send;
}

const uint8_t *rig_port_mac(unsigned port)
{
	return ports[dp.ifs[port_if[port]].port].mac;
}

static void aim(bool inbound)
{
	take_port(OUT, inbound ? burst_rx : burst_none, burst_tx);
	take_port(IN, inbound ? burst_none : burst_rx, burst_tx);
	rx_queue = rte_eth_fp_ops[ethdev(inbound ? OUT : IN)].rxq.data[rx_worker];
	rx_next = rig_n_tx = 0;
	rx_left = FRAMES;
}

/* Let control do what it has to, and throw away what it sends. */
static void settle(void)
{
	static uint64_t now_ns = 1000000000;

	take_port(OUT, burst_none, burst_free);
	take_port(IN, burst_none, burst_free);
	for (unsigned i = 0; i < 4; i++) {
		dp_service(now_ns++);
		for (unsigned k = 0; k < dp.n_workers; k++)
			worker_turn(dp.worker[k]);
	}
}

/* ---- start ----------------------------------------------------------------------------------- */

static void handle_udp(void *ctx, const struct dp_udp *u)
{
}
static void handle_acquire(void *ctx, const struct dp_acquire *a)
{
}
static void handle_expire(void *ctx, const struct dp_expire *e)
{
}
static void handle_moved(void *ctx, const struct dp_moved *m)
{
}

static void make_port(unsigned i, const char *name, const char *address)
{
	struct dp_port_conf c = {.mtu = MTU, .n_addr = 1};
	char err[256] = "";

	snprintf(c.name, sizeof(c.name), "%s", name);
	snprintf(c.device, sizeof(c.device), "net_null%u", i);
	prefix_parse(address, &c.addr[0]);
	if (dp_port_add(&c, &port_if[i], err, sizeof(err)) < 0)
		die("%s", err);
}

static void route(const struct prefix *dst, const char *via, uint16_t ifindex)
{
	struct dp_route r = {.dst = *dst, .ifindex = ifindex};

	if (via)
		addr_parse(via, &r.via);
	must(dp_route_add(&r), "dp_route_add");
}

static void need_tunnels(uint32_t n)
{
	for (; n_tunnels < n; n_tunnels++) {
		char name[DP_NAME];

		snprintf(name, sizeof(name), "tunnel.%u", n_tunnels + 1);
		must(dp_tunnel_if_add(name, NULL, 0, &tunnel[n_tunnels]), "dp_tunnel_if_add");
		must(dp_if_zone(tunnel[n_tunnels], ZONE_OUT), "dp_if_zone");
	}
}

static void make_rules(uint32_t n)
{
	struct dp_rule *rule = calloc(n, sizeof(*rule));
	struct dp_rule_term *term = calloc(n, sizeof(*term));

	if (!rule || !term)
		die("no memory for %u rules", n);
	for (uint32_t i = 0; i < n; i++) {
		rule[i] = (struct dp_rule){.id = i + 1, .allow = i + 1 == n};
		term[i] = (struct dp_rule_term){.rule = i, .sport_hi = 0xffff, .dport_hi = 0xffff};
		if (rule[i].allow)
			break;
		term[i].from = ZONE_IN;
		term[i].to = ZONE_OUT;
		term[i].proto = IPPROTO_UDP;
		term[i].dport_lo = term[i].dport_hi = (uint16_t)(RIG_DENIED_PORT + i);
	}
	must(dp_rules_set(rule, n, term, n), "dp_rules_set");
	free(rule);
	free(term);
}

static void make_frames(void)
{
	for (unsigned i = 0; i < FRAMES; i++) {
		rig_frame[i] = rte_pktmbuf_alloc(dp.pool);
		if (!rig_frame[i])
			die("no packet buffers");
		rig_frame_off[i] = rig_frame[i]->data_off;
	}
}

void rig_start(const struct rig_conf *c)
{
	const struct dp_handlers h = {
		.udp = handle_udp, .acquire = handle_acquire, .expire = handle_expire, .moved = handle_moved};
	uint32_t targets = RTE_MAX(c->max_sas, c->max_proxy_ids);
	char name[32], err[256] = "";
	struct dp_conf conf = {
		.name = name,
		.n_workers = c->two_workers ? 2 : 1,
		.hugepages = c->hugepages,
		/* SAs with their keys, the peer's end and the bound's keys; proxy-IDs. */
		.memory_mb = 256 + c->max_sas / 1000 * 9 + targets / 1000,
		.max_sas = c->max_sas,
		.max_policies = targets,
		.max_routes = RIG_TUNNELS + 64,
		.max_neighbours = 64,
		.max_mtu = MTU,
		.n_mbufs = 4096,
	};
	struct prefix p;
	struct addr a;

	snprintf(name, sizeof(name), "bench%d", getpid());
	if (dp_init(&conf, &h, NULL, err, sizeof(err)) < 0)
		die("%s", err);
	make_port(OUT, "out", "192.0.2.1/24");
	make_port(IN, "in", "10.1.1.1/24");
	if (dp_prepare(err, sizeof(err)) < 0)
		die("%s", err);
	must(dp_if_zone(port_if[OUT], ZONE_OUT), "dp_if_zone");
	must(dp_if_zone(port_if[IN], ZONE_IN), "dp_if_zone");
	need_tunnels(1);
	prefix_parse("10.128.0.0/9", &p);
	route(&p, NULL, tunnel[0]);
	prefix_parse("10.1.0.0/16", &p);
	route(&p, "10.1.1.7", 0);
	for (unsigned i = 0; i < 2; i++) {
		addr_parse(i == IN ? "10.1.1.7" : "192.0.2.2", &a);
		neigh_learn(dp.ifs[port_if[i]].port, &a, rig_peer_mac, NEIGH_ASKS_US);
	}
	if (c->rules)
		make_rules(c->rules);
	settle();
	make_frames();
}

void rig_stop(void)
{
	rte_pktmbuf_free_bulk(rig_frame, FRAMES);
	dp_fini();
}

/* ---- layouts --------------------------------------------------------------------------------- */

uint32_t rig_targets(void)
{
	return RTE_MAX(now.sas, now.proxy_ids);
}

/* In 10.128.0.0/9. */
uint32_t rig_far_ip(uint32_t target)
{
	return htonl(0x0a800001u + target);
}

struct pair *rig_pair(uint32_t target)
{
	return &pair[now.sas == 1 ? 0 : target];
}

static struct prefix far_host(uint32_t target)
{
	struct prefix p = {.a.v = 4, .len = 32};
	uint32_t ip = rig_far_ip(target);

	memcpy(p.a.b, &ip, sizeof(ip));
	return p;
}

static bool any_any(void)
{
	return now.proxy_ids == 1;
}

/* The proxy-ID of a target. */
static uint32_t policy_add(uint32_t target)
{
	struct dp_policy_conf c = {.tunnel_if = tunnel[any_any() ? target : 0]};
	uint32_t policy = 0;

	c.local.a.v = c.remote.a.v = 4;
	if (!any_any()) {
		prefix_parse("10.1.0.0/16", &c.local);
		c.remote = far_host(target);
	}
	must(dp_policy_add(&c, &policy), "dp_policy_add");
	return policy;
}

/* An SA's selectors: its proxy-ID's, or what takes in all that share it. */
static void set_selectors(uint32_t target, struct ts *local, struct ts *remote)
{
	struct prefix p;

	prefix_parse(any_any() ? "0.0.0.0/0" : "10.1.0.0/16", &p);
	*local = ts_of(&p, 0, 0);
	if (now.sas == 1)
		prefix_parse(any_any() ? "0.0.0.0/0" : "10.128.0.0/9", &p);
	else if (!any_any())
		p = far_host(target);
	*remote = ts_of(&p, 0, 0);
}

static void keys(struct dp_keys *k, uint32_t i)
{
	const struct suite *s = now.suite;

	k->encr_len = s->key_len;
	k->salt_len = s->salt_len;
	k->integ_len = s->integ_key_len;
	for (unsigned n = 0; n < sizeof(k->encr); n++)
		k->encr[n] = (uint8_t)(i * 7 + (i >> 8) + n * 31);
	memcpy(k->salt, &i, sizeof(k->salt));
	for (unsigned n = 0; n < sizeof(k->integ); n++)
		k->integ[n] = (uint8_t)(i + n);
}

static void install_pair(uint32_t i)
{
	struct dp_sa_in_conf in = {
		.suite = now.suite->id, .replay_window = 1024, .n_local = 1, .n_remote = 1};
	struct dp_sa_out_conf out = {.suite = now.suite->id, .spi = 0x10000 + i, .n_local = 1, .n_remote = 1};
	struct pair *p = &pair[i];

	p->policy = policy_add(i);
	in.policy = out.policy = p->policy;
	keys(&in.keys, i);
	out.keys = in.keys;
	addr_parse("192.0.2.1", &in.local.a);
	addr_parse("192.0.2.2", &in.remote.a);
	out.local = in.local;
	out.remote = in.remote;
	set_selectors(i, &in.ts_local[0], &in.ts_remote[0]);
	out.ts_local[0] = in.ts_local[0];
	out.ts_remote[0] = in.ts_remote[0];
	must(dp_spi_alloc(&in.spi), "dp_spi_alloc");
	must(dp_sa_in_install(&in), "dp_sa_in_install");
	must(dp_sa_out_install(&out, &p->sa_out), "dp_sa_out_install");
	must(dp_policy_bind(p->policy, p->sa_out), "dp_policy_bind");
	p->spi_in = in.spi;
}

static void make_peers(void)
{
	peers = rte_zmalloc("peers", now.sas * sizeof(*peers), RTE_CACHE_LINE_SIZE);
	if (!peers)
		die("no memory for %u peers", now.sas);
	for (uint32_t i = 0; i < now.sas; i++) {
		struct dp_keys k = {0};

		keys(&k, i);
		pair[i].peer = &peers[i];
		memcpy(&peers[i].salt, k.salt, sizeof(peers[i].salt));
		must(now.suite->expand(now.suite, dp.mb, &k, peers[i].key), "peer's keys");
	}
}

static double rate(uint32_t n, uint64_t since)
{
	return n * (double)rte_get_tsc_hz() / (double)(rte_rdtsc() - since);
}

double rig_install(const struct layout *l)
{
	uint64_t start;
	double per_s;

	now = *l;
	pair = calloc(now.sas, sizeof(*pair));
	guest = calloc(now.proxy_ids, sizeof(*guest));
	if (!pair || !guest)
		die("no memory for %u SAs", now.sas);
	if (any_any())
		need_tunnels(now.sas);
	start = rte_rdtsc();
	for (uint32_t i = 0; i < now.sas; i++) {
		install_pair(i);
		if (i % 64 == 0)
			settle();
	}
	settle();
	per_s = rate(now.sas, start);
	for (uint32_t i = 1; now.sas == 1 && i < now.proxy_ids; i++) {
		guest[i] = policy_add(i);
		must(dp_policy_bind(guest[i], pair[0].sa_out), "dp_policy_bind");
	}
	for (uint32_t i = 1; any_any() && i < now.sas; i++) {
		struct prefix p = far_host(i);

		route(&p, NULL, tunnel[i]);
	}
	make_peers();
	settle();
	return per_s;
}

double rig_remove(void)
{
	uint64_t start;
	double per_s;

	for (uint32_t i = 1; now.sas == 1 && i < now.proxy_ids; i++)
		must(dp_policy_del(guest[i]), "dp_policy_del");
	for (uint32_t i = 1; any_any() && i < now.sas; i++) {
		struct prefix p = far_host(i);

		must(dp_route_del(&p), "dp_route_del");
	}
	start = rte_rdtsc();
	for (uint32_t i = 0; i < now.sas; i++) {
		must(dp_sa_in_remove(pair[i].spi_in), "dp_sa_in_remove");
		must(dp_sa_out_remove(pair[i].sa_out), "dp_sa_out_remove");
		must(dp_policy_del(pair[i].policy), "dp_policy_del");
		if (i % 64 == 0)
			settle();
	}
	settle();
	per_s = rate(now.sas, start);
	rte_free(peers);
	free(guest);
	free(pair);
	return per_s;
}

/* ---- running --------------------------------------------------------------------------------- */

static uint64_t turns(void)
{
	struct worker *w = dp.worker[0];
	uint64_t start = rte_rdtsc_precise();

	while (rx_left) {
		w->tsc = rte_rdtsc();
		worker_turn(w);
	}
	return rte_rdtsc_precise() - start;
}

uint64_t rig_run(bool inbound, bool stages)
{
	aim(inbound);
	dp.worker[0]->stage.every = stages ? 0 : UINT64_MAX;
	return turns();
}

/* As turns(), by the worker that frames come to and then the other, to the end. */
static uint64_t both_turn(void)
{
	uint64_t start = rte_rdtsc_precise();

	while (rx_left) {
		for (unsigned i = 0; i < dp.n_workers; i++) {
			struct worker *w = dp.worker[(rx_worker + i) % dp.n_workers];

			w->tsc = rte_rdtsc();
			worker_turn(w);
		}
	}
	return rte_rdtsc_precise() - start;
}

double rig_hand_over(bool inbound, void (*fill)(void *), void *arg)
{
	enum { TIMES = 400 };
	uint64_t best[2] = {UINT64_MAX, UINT64_MAX};

	for (unsigned i = 0; i < 2 * TIMES; i++) {
		uint64_t cost;

		rx_worker = i % 2;
		fill(arg);
		aim(inbound);
		cost = both_turn();
		rig_all_passed();
		best[i % 2] = RTE_MIN(best[i % 2], cost);
	}
	rx_worker = 0;
	return ((double)RTE_MAX(best[0], best[1]) - (double)RTE_MIN(best[0], best[1])) / FRAMES;
}

void rig_all_passed(void)
{
	struct dp_drop d;

	if (rig_n_tx == FRAMES)
		return;
	for (unsigned i = 0; dp_drop_stats(i, &d) == 0; i++)
		if (d.packets)
			fprintf(stderr, "bench: %s: %lu\n", d.name, (unsigned long)d.packets);
	die("%u of %u packets came out", rig_n_tx, FRAMES);
}

static uint64_t dropped(const char *why)
{
	struct dp_drop d;

	for (unsigned i = 0; dp_drop_stats(i, &d) == 0; i++)
		if (strcmp(d.name, why) == 0)
			return d.packets;
	die("no drop reason is called %s", why);
}

void rig_all_dropped(bool inbound, const char *why)
{
	uint64_t before = dropped(why);

	for (unsigned i = 0; i < FRAMES; i++)
		rte_mbuf_refcnt_update(rig_frame[i], 1); /* dropping gives this one back */
	aim(inbound);
	turns();
	if (rig_n_tx || dropped(why) - before != FRAMES)
		die("of %u packets that must die as %s %lu did, and %u came out", FRAMES, why,
		    (unsigned long)(dropped(why) - before), rig_n_tx);
}

/* The ports' part of turns(), without a worker between them. */
static uint64_t port_calls(void)
{
	uint64_t start = rte_rdtsc_precise();

	while (rx_left) {
		struct rte_mbuf *m[BURST_MAX];
		uint16_t n = rte_eth_rx_burst(ethdev(IN), 0, m, BURST_MAX);

		rte_eth_rx_burst(ethdev(OUT), 0, m + n, (uint16_t)(BURST_MAX - n));
		rte_eth_tx_burst(ethdev(OUT), 0, m, n);
	}
	return rte_rdtsc_precise() - start;
}

double rig_harness_cost(void)
{
	enum { TIMES = 2000 };
	uint64_t cheapest = UINT64_MAX;

	for (unsigned i = 0; i < TIMES; i++) {
		uint64_t cost;

		aim(false);
		cost = port_calls();
		cheapest = RTE_MIN(cheapest, cost);
	}
	return (double)cheapest / FRAMES;
}

double rig_idle_turn(void)
{
	enum { TIMES = 2000, TURNS = 32 };
	struct worker *w = dp.worker[0];
	uint64_t cheapest = UINT64_MAX;

	w->stage.every = UINT64_MAX;
	aim(false);
	take_port(IN, burst_none, burst_tx);
	for (unsigned i = 0; i < TIMES; i++) {
		uint64_t start = rte_rdtsc_precise(), cost;

		for (unsigned k = 0; k < TURNS; k++) {
			w->tsc = rte_rdtsc();
			worker_turn(w);
		}
		cost = rte_rdtsc_precise() - start;
		cheapest = RTE_MIN(cheapest, cost);
	}
	return (double)cheapest / TURNS;
}
