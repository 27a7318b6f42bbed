/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The neighbour table.
 *
 * IDLE        no MAC, nobody asks.  Only gateways of routes stay here; others are forgotten.
 * INCOMPLETE  asked by broadcast, once a second, three times; packets wait.
 * REACHABLE   answered within the last 30 s.
 * STALE       answered once, or asked us for our MAC.  Good to use; the first use makes it PROBE.
 * PROBE       in use while we ask, by unicast first, whether it is still there.
 *
 * Every state has one time-out, so a list per state in order of arrival is in order of time, too: a
 * timer is the head of a list, and nothing walks the table.
 *
 * A host on the link can always lie about itself.  It cannot fill the table by it: an entry comes from
 * our own question or from a question to us from a connected network, and those that have not answered
 * may take half of the table only.  What others say to each other makes us ask, never believe.
 */
#include "neigh.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_hash.h>
#include <rte_jhash.h>
#include <rte_malloc.h>
#include <rte_random.h>

#include "dp.h"
#include "fib.h"
#include "nd.h"
#include "port.h"

#define S_NS UINT64_C(1000000000)

enum { ASK_TIMES = 3, WAIT_ALL = 1024 };
#define ASK_EVERY_NS      (1 * S_NS)
#define REACHABLE_NS      (30 * S_NS)
#define STALE_NS          (600 * S_NS)
#define CONFLICT_EVERY_NS (10 * S_NS)

enum state { FREE, IDLE, INCOMPLETE, REACHABLE, STALE, PROBE, N_STATES };

struct neigh {
	TAILQ_ENTRY(neigh) link;
	uint64_t due_ns;
	enum state state;
	struct addr a;
	uint8_t mac[6];
	uint8_t port;
	uint8_t asked;  /* times, in INCOMPLETE and PROBE */
	bool broadcast; /* PROBE: ask everybody, the MAC itself is in doubt */
	uint32_t pins;
	int32_t hash_pos;
	uint16_t n_wait;
	struct rte_mbuf *wait[NEIGH_WAIT];
};
TAILQ_HEAD(neigh_list, neigh);

struct neigh_hot *neigh_hot;
struct addr *neigh_addr;

static struct {
	uint32_t max, n_free, n_waiting, max_waiting, n_incomplete;
	struct neigh *all;
	struct rte_hash *hash4, *hash6;
	struct neigh_list list[N_STATES];
	uint64_t conflict_ns;
} t;

static uint64_t key4(uint8_t port, uint32_t ip)
{
	return (uint64_t)port << 32 | ip;
}

/* A neighbour of the IPv6 hash. */
struct key6 {
	uint64_t port;
	uint8_t ip[16];
};

/* Which hash knows a neighbour, and under which key. */
struct place {
	struct rte_hash *hash;
	union {
		uint64_t v4;
		struct key6 v6;
	} key;
};

static struct place place_of(uint8_t port, const struct addr *a)
{
	struct place p = {.hash = a->v == 4 ? t.hash4 : t.hash6};
	uint32_t ip;

	if (a->v == 4) {
		memcpy(&ip, a->b, 4);
		p.key.v4 = key4(port, ip);
	} else {
		p.key.v6.port = port;
		memcpy(p.key.v6.ip, a->b, 16);
	}
	return p;
}

static uint32_t index_of(const struct neigh *e)
{
	return (uint32_t)(e - t.all);
}

void neigh_find_burst(const uint8_t *port, const uint32_t *ip, uint32_t *neigh, uint16_t n)
{
	uint64_t key[BURST_MAX], hits = 0;
	const void *keys[BURST_MAX];
	void *data[BURST_MAX];
	uint8_t at[BURST_MAX];
	uint16_t k = 0;

	/* Packets for one peer come in runs: each run is looked up once. */
	for (uint16_t i = 0; i < n; i++) {
		uint64_t x = key4(port[i], ip[i]);

		if (k == 0 || key[k - 1] != x) {
			key[k] = x;
			keys[k] = &key[k];
			k++;
		}
		at[i] = (uint8_t)(k - 1);
	}
	rte_hash_lookup_bulk_data(t.hash4, keys, k, &hits, data);
	for (uint16_t i = 0; i < n; i++)
		neigh[i] = hits >> at[i] & 1 ? (uint32_t)(uintptr_t)data[at[i]] : NEIGH_NONE;
}

uint32_t neigh_find(uint8_t port, const struct addr *a)
{
	struct place p = place_of(port, a);
	void *data;

	return rte_hash_lookup_data(p.hash, &p.key, &data) < 0 ? NEIGH_NONE : (uint32_t)(uintptr_t)data;
}

bool neigh_is_news(uint8_t port, const struct addr *a, const uint8_t mac[6], enum neigh_news news)
{
	uint32_t neigh;
	uint64_t adj, have = 0;

	if (fib_is_own_addr(a) ||
	    port_has_addr(port, a)) /* another host has our address: the operator is told */
		return true;
	neigh = neigh_find(port, a);
	if (neigh == NEIGH_NONE)
		return news == NEIGH_ASKS_US;
	if (news == NEIGH_ANSWER || news == NEIGH_CONFIRMS)
		return true;
	adj = atomic_load_explicit(&neigh_hot[neigh].adj, memory_order_acquire);
	memcpy(&have, mac, 6);
	return !(adj & ADJ_VALID) || (adj & ((UINT64_C(1) << ADJ_PORT_SHIFT) - 1)) != have;
}

static struct neigh *find(uint8_t port, const struct addr *a)
{
	uint32_t neigh = neigh_find(port, a);

	return neigh == NEIGH_NONE ? NULL : &t.all[neigh];
}

/* What workers see of the state. */
static void publish(struct neigh *e)
{
	struct neigh_hot *h = &neigh_hot[index_of(e)];
	uint64_t adj = 0;

	if (e->state >= REACHABLE) {
		memcpy(&adj, e->mac, 6);
		adj |= ADJ_VALID;
	}
	if (e->state == STALE) {
		adj |= ADJ_STALE;
		atomic_store_explicit(&h->told, 0, memory_order_relaxed);
	}
	adj |= (uint64_t)e->port << ADJ_PORT_SHIFT;
	atomic_store_explicit(&h->adj, adj, memory_order_release);
}

static void enter(struct neigh *e, enum state state, uint64_t wait_ns)
{
	TAILQ_REMOVE(&t.list[e->state], e, link);
	t.n_incomplete -= e->state == INCOMPLETE;
	e->state = state;
	t.n_incomplete += state == INCOMPLETE;
	e->due_ns = dp.now_ns + wait_ns;
	TAILQ_INSERT_TAIL(&t.list[state], e, link);
	publish(e);
}

/* ---- frames out ---------------------------------------------------------------------------- */

static int inject(struct neigh *e, struct rte_mbuf **m, uint16_t n)
{
	struct worker *w = dp.worker[index_of(e) % dp.n_workers];

	for (uint16_t i = 0; i < n; i++)
		m[i]->port = ports[e->port].ifindex;
	if (rte_ring_enqueue_bulk(w->inject, (void **)m, n, NULL) == n)
		return 0;
	for (uint16_t i = 0; i < n; i++)
		dp_drop(m[i], DROP_INJECT_FULL);
	return -ENOBUFS;
}

/* The address we ask with: the one of the neighbour's network, or the port's first of that family, or the
 * link-local one where the neighbour has but that. */
static const struct addr *own_addr(uint8_t port, const struct addr *a)
{
	const struct dp_if *f = &dp.ifs[ports[port].ifindex];
	const struct addr *first = NULL;

	if (addr_is_link_local(a))
		return ports[port].has_v6 ? &ports[port].link_local : NULL;
	for (unsigned i = 0; i < f->n_addr; i++) {
		if (f->addr[i].a.v != a->v)
			continue;
		if (prefix_has(&f->addr[i], a))
			return &f->addr[i].a;
		if (!first)
			first = &f->addr[i].a;
	}
	return first;
}

/* RFC 826 request; to everybody when dst is NULL. NULL without buffers. */
static struct rte_mbuf *arp_request(uint8_t port, const struct addr *own, const struct addr *asked,
				    const uint8_t *dst)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp.pool);
	struct rte_ether_hdr *eth;
	struct rte_arp_hdr *arp;

	if (!m) {
		count_add(&dp.drops[DROP_NO_MBUF], 1);
		return NULL;
	}
	eth = (struct rte_ether_hdr *)rte_pktmbuf_append(m, sizeof(*eth) + sizeof(*arp));
	if (!eth) {
		dp_drop(m, DROP_NO_MBUF);
		return NULL;
	}
	arp = (struct rte_arp_hdr *)(eth + 1);
	memset(&eth->dst_addr, 0xff, 6);
	if (dst)
		memcpy(&eth->dst_addr, dst, 6);
	memcpy(&eth->src_addr, ports[port].mac, 6);
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP);
	arp->arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER);
	arp->arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	arp->arp_hlen = 6;
	arp->arp_plen = 4;
	arp->arp_opcode = RTE_BE16(RTE_ARP_OP_REQUEST);
	memcpy(&arp->arp_data.arp_sha, ports[port].mac, 6);
	memcpy(&arp->arp_data.arp_sip, own->b, 4);
	memset(&arp->arp_data.arp_tha, 0, 6);
	memcpy(&arp->arp_data.arp_tip, asked->b, 4);
	return m;
}

static void ask(struct neigh *e)
{
	bool unicast = e->state == PROBE && !e->broadcast && e->asked < ASK_TIMES - 1;
	const struct addr *own = own_addr(e->port, &e->a);
	struct rte_mbuf *m = NULL;

	if (own)
		m = (e->a.v == 4 ? arp_request : nd_solicit)(e->port, own, &e->a, unicast ? e->mac : NULL);
	e->asked++;
	if (m)
		(void)inject(e, &m, 1); /* a lost question is asked again */
}

static void start_asking(struct neigh *e, enum state state, bool broadcast)
{
	e->asked = 0;
	e->broadcast = broadcast;
	enter(e, state, ASK_EVERY_NS);
	ask(e);
}

static void drop_all(struct rte_mbuf **m, uint16_t n, enum drop why)
{
	for (uint16_t i = 0; i < n; i++)
		dp_drop(m[i], why);
}

static int send_to(struct neigh *e, struct rte_mbuf **m, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct rte_ether_hdr *eth = (struct rte_ether_hdr *)rte_pktmbuf_prepend(
			m[i], sizeof(struct rte_ether_hdr));

		if (!eth) {
			drop_all(m, n, DROP_TOO_BIG);
			return -EMSGSIZE;
		}
		memcpy(&eth->dst_addr, e->mac, 6);
		memcpy(&eth->src_addr, ports[e->port].mac, 6);
		eth->ether_type = e->a.v == 4 ? RTE_BE16(RTE_ETHER_TYPE_IPV4) : RTE_BE16(RTE_ETHER_TYPE_IPV6);
	}
	return inject(e, m, n);
}

static void send_waiting(struct neigh *e)
{
	uint16_t n = e->n_wait;

	t.n_waiting -= n;
	e->n_wait = 0;
	if (n)
		(void)send_to(e, e->wait, n); /* counted there */
}

/* Nobody is there.  A worker tells the senders, at its own rate; of what we made ourselves there is none. */
static void drop_waiting(struct neigh *e)
{
	struct worker *w = dp.worker[index_of(e) % dp.n_workers];

	t.n_waiting -= e->n_wait;
	for (uint16_t i = 0; i < e->n_wait; i++) {
		struct rte_mbuf *m = e->wait[i];
		bool own = m->port == IF_SELF;

		m->port |= INJECT_UNRESOLVED;
		if (own || rte_ring_enqueue(w->inject, m) < 0)
			dp_drop(m, DROP_NEIGH_UNRESOLVED);
	}
	e->n_wait = 0;
}
static_assert(IF_SELF == RTE_MBUF_PORT_INVALID, "a buffer that the control plane filled came in nowhere");
static_assert((int)IFS_MAX <= (int)INJECT_UNRESOLVED, "the interface lies beside it");

/* ---- coming and going ---------------------------------------------------------------------- */

static void reuse(void *arg)
{
	struct neigh *e = arg;

	rte_hash_free_key_with_position(e->a.v == 4 ? t.hash4 : t.hash6, e->hash_pos);
	e->state = FREE;
	TAILQ_INSERT_TAIL(&t.list[FREE], e, link);
	t.n_free++;
}

static void forget(struct neigh *e)
{
	struct place p = place_of(e->port, &e->a);

	drop_waiting(e);
	enter(e, IDLE, 0);
	TAILQ_REMOVE(&t.list[IDLE], e, link);
	e->hash_pos = rte_hash_del_key(p.hash, &p.key);
	dp_retire(reuse, e);
}

/* No answer.  A gateway stays, for its routes name it; the next packet for it asks anew. */
static void give_up(struct neigh *e)
{
	if (e->pins == 0) {
		forget(e);
		return;
	}
	drop_waiting(e);
	enter(e, IDLE, 0);
}

/* Make room before the table is full: what is unused longest goes first. */
static void make_room(void)
{
	struct neigh *e;

	if (t.n_free > t.max / 8)
		return;
	TAILQ_FOREACH (e, &t.list[STALE], link) {
		if (e->pins)
			continue;
		forget(e);
		return;
	}
}

static struct neigh *create(uint8_t port, const struct addr *a)
{
	struct place p = place_of(port, a);
	struct neigh *e;

	make_room();
	e = TAILQ_FIRST(&t.list[FREE]);
	if (!e)
		return NULL;
	e->port = port;
	e->a = *a;
	e->pins = 0;
	e->n_wait = 0;
	t.n_free--;
	enter(e, IDLE, 0);
	neigh_addr[index_of(e)] = *a; /* nobody has looked at it for a grace period, nor does yet */
	if (rte_hash_add_key_data(p.hash, &p.key, (void *)(uintptr_t)index_of(e)) < 0) {
		enter(e, FREE, 0);
		t.n_free++;
		return NULL;
	}
	return e;
}

int neigh_pin(uint8_t port, const struct addr *a, uint32_t *neigh)
{
	struct neigh *e = find(port, a);

	if (!e)
		e = create(port, a);
	if (!e)
		return -ENOSPC;
	e->pins++;
	*neigh = index_of(e);
	return 0;
}

void neigh_unpin(uint32_t neigh)
{
	struct neigh *e = &t.all[neigh];

	if (--e->pins == 0 && e->state == IDLE)
		forget(e);
}

/* ---- what happens -------------------------------------------------------------------------- */

int neigh_send(uint8_t port, const struct addr *a, struct rte_mbuf **m, uint16_t n)
{
	struct neigh *e = find(port, a);

	for (uint16_t i = 0; i < n; i++) {
		if (m[i]->pkt_len > ports[port].mtu) {
			drop_all(m, n, DROP_TOO_BIG);
			return -EMSGSIZE;
		}
	}
	/* Without room for its packets nobody is asked for, and an entry that nobody asks for would stay. */
	if (!e && t.n_waiting + n > t.max_waiting) {
		drop_all(m, n, DROP_NEIGH_QUEUE);
		return -ENOBUFS;
	}
	if (!e && t.n_incomplete < t.max / 2)
		e = create(port, a);
	if (!e) {
		drop_all(m, n, DROP_NEIGH_TABLE);
		return -ENOBUFS;
	}
	if (e->state == STALE)
		start_asking(e, PROBE, false);
	if (e->state >= REACHABLE)
		return send_to(e, m, n);
	if (e->n_wait + n > NEIGH_WAIT || t.n_waiting + n > t.max_waiting) {
		drop_all(m, n, DROP_NEIGH_QUEUE);
		return -ENOBUFS;
	}
	memcpy(e->wait + e->n_wait, m, n * sizeof(*m));
	e->n_wait = (uint16_t)(e->n_wait + n);
	t.n_waiting += n;
	if (e->state == IDLE)
		start_asking(e, INCOMPLETE, true);
	return 0;
}

void neigh_used(uint32_t neigh)
{
	struct neigh *e = &t.all[neigh];

	/* The event may be older than the entry; then its index is somebody else's, who is asked whether
	 * he is there once more than needed. */
	if (e->state == STALE)
		start_asking(e, PROBE, false);
}

static void resolved(struct neigh *e, const uint8_t mac[6], enum state state)
{
	memcpy(e->mac, mac, 6);
	enter(e, state, state == STALE ? STALE_NS : REACHABLE_NS);
	send_waiting(e);
}

static void warn_conflict(uint8_t port, const struct addr *a, const uint8_t mac[6])
{
	char buf[ADDR_STR];

	if (dp.now_ns - t.conflict_ns < CONFLICT_EVERY_NS && t.conflict_ns)
		return;
	t.conflict_ns = dp.now_ns;
	dp_log(DP_LOG_WARN, "%s: host %02x:%02x:%02x:%02x:%02x:%02x claims our address %s",
	       dp.ifs[ports[port].ifindex].name, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
	       addr_str(a, buf));
}

/* Could a host of this address be on the port's link? */
static bool on_link(uint8_t port, const struct addr *a)
{
	return addr_is_link_local(a) ? ports[port].has_v6 : fib_port_of(a) == port;
}

void neigh_learn(uint8_t port, const struct addr *a, const uint8_t mac[6], enum neigh_news news)
{
	struct neigh *e = find(port, a);
	bool same;

	if (memcmp(mac, ports[port].mac, 6) == 0)
		return; /* our own frame, looped back */
	if (fib_is_own_addr(a) || port_has_addr(port, a)) {
		warn_conflict(port, a, mac);
		return;
	}
	if (!e) {
		if (news == NEIGH_ASKS_US && on_link(port, a) && (e = create(port, a)) != NULL)
			resolved(e, mac, STALE);
		return;
	}
	same = memcmp(e->mac, mac, 6) == 0;
	if (news == NEIGH_CONFIRMS && e->state == PROBE && !same)
		return; /* does not override what we have (RFC 4861 7.2.5) */
	if ((news == NEIGH_ANSWER || news == NEIGH_CONFIRMS) && (e->state == INCOMPLETE || e->state == PROBE))
		resolved(e, mac, REACHABLE);
	else if (news == NEIGH_ASKS_US && (e->state < REACHABLE || !same))
		resolved(e, mac, STALE);
	else if ((e->state == REACHABLE || e->state == STALE) && !same)
		start_asking(e, PROBE, true); /* an answer nobody asked for, or a rumour: see for ourselves */
}

void neigh_doubt_port(uint8_t port)
{
	struct neigh *e, *next;

	for (e = TAILQ_FIRST(&t.list[REACHABLE]); e; e = next) {
		next = TAILQ_NEXT(e, link);
		if (e->port == port)
			enter(e, STALE, STALE_NS);
	}
}

static struct neigh *due(enum state state)
{
	struct neigh *e = TAILQ_FIRST(&t.list[state]);

	return e && e->due_ns <= dp.now_ns ? e : NULL;
}

static void ask_again(enum state state)
{
	struct neigh *e;

	while ((e = due(state)) != NULL) {
		if (e->asked >= ASK_TIMES) {
			give_up(e);
			continue;
		}
		enter(e, state, ASK_EVERY_NS);
		ask(e);
	}
}

void neigh_service(uint64_t now_ns)
{
	struct neigh *e;

	(void)now_ns; /* dp.now_ns is the same */
	ask_again(INCOMPLETE);
	ask_again(PROBE);
	while ((e = due(REACHABLE)) != NULL)
		enter(e, STALE, STALE_NS);
	while ((e = due(STALE)) != NULL) {
		if (e->pins)
			enter(e, STALE, STALE_NS);
		else
			forget(e);
	}
}

static void say(uint8_t port, struct rte_mbuf *m)
{
	if (!m)
		return;
	m->port = ports[port].ifindex;
	if (rte_ring_enqueue(dp.worker[0]->inject, m) < 0)
		dp_drop(m, DROP_INJECT_FULL);
}

/* RFC 4862 5.4 asks before an address is used; ours is used at once, so that a fail-over is no outage, and
 * who has it as well is reported when the answer comes. */
static void announce6(uint8_t port, const struct addr *a)
{
	say(port, nd_solicit(port, NULL, a, NULL));
	say(port, nd_announce(port, a));
}

/* RFC 5227 3, RFC 4861 7.2.6: after the address of a gateway moved to this box, its neighbours learn so at
 * once. */
void neigh_announce(uint8_t port)
{
	const struct dp_if *f = &dp.ifs[ports[port].ifindex];

	if (ports[port].has_v6)
		announce6(port, &ports[port].link_local);
	for (unsigned i = 0; i < f->n_addr; i++) {
		const struct addr *a = &f->addr[i].a;

		if (a->v == 4)
			say(port, arp_request(port, a, a, NULL));
		else
			announce6(port, a);
	}
}

uint32_t neigh_count(void)
{
	return t.max - t.n_free;
}

/* ---- life ---------------------------------------------------------------------------------- */

int neigh_init(uint32_t max_neighbours)
{
	struct rte_hash_parameters p = {
		.name = "neigh4",
		.key_len = sizeof(uint64_t),
		.hash_func = rte_jhash,
		.hash_func_init_val = (uint32_t)rte_rand(), /* addresses are a stranger's choice */
		.socket_id = SOCKET_ID_ANY,
		.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF,
	};

	memset(&t, 0, sizeof(t));
	t.max = t.n_free = max_neighbours < 64 ? 64 : max_neighbours;
	t.max_waiting = RTE_MIN((uint32_t)WAIT_ALL, dp.conf.n_mbufs / 8);
	p.entries = t.max * 2; /* buckets never fill up; keys of the forgotten wait for their grace period */
	t.hash4 = rte_hash_create(&p);
	p.name = "neigh6";
	p.key_len = sizeof(struct key6);
	t.hash6 = rte_hash_create(&p);
	t.all = calloc(t.max, sizeof(*t.all));
	neigh_hot = rte_zmalloc("neigh", t.max * sizeof(*neigh_hot), RTE_CACHE_LINE_SIZE);
	neigh_addr = calloc(t.max, sizeof(*neigh_addr));
	if (!t.hash4 || !t.hash6 || !t.all || !neigh_hot || !neigh_addr) {
		neigh_fini();
		return -ENOMEM;
	}
	for (int i = 0; i < N_STATES; i++)
		TAILQ_INIT(&t.list[i]);
	for (uint32_t i = 0; i < t.max; i++)
		TAILQ_INSERT_TAIL(&t.list[FREE], &t.all[i], link);
	return 0;
}

void neigh_fini(void)
{
	for (uint32_t i = 0; t.all && i < t.max; i++)
		for (uint16_t k = 0; k < t.all[i].n_wait; k++)
			rte_pktmbuf_free(t.all[i].wait[k]);
	rte_hash_free(t.hash4);
	rte_hash_free(t.hash6);
	free(t.all);
	rte_free(neigh_hot);
	neigh_hot = NULL;
	free(neigh_addr);
	neigh_addr = NULL;
	memset(&t, 0, sizeof(t));
}
