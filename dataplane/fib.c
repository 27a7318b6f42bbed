/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes.
 *
 * Three copies: a RIB, the control thread's truth, changed at once by every call; and two rte_fib
 * (DIR24_8), one that workers read and a spare.  rte_fib must not be changed under its readers: an
 * 8-bit table that a change frees may be reused by the next while a reader still walks it, and a packet
 * would leave in the clear by somebody else's route.  So changes go to the spare, a release store swaps
 * the two, and when every worker has been quiescent the same changes are made to the other one.  Changes
 * that arrive meanwhile collect in the log and go out together, which makes a batch of a bulk load.
 *
 * A fib's result is an index into nh[].  An entry of nh[] is written before the first fib that names it
 * is published and reused after neither fib names it and every worker was quiescent, so workers read it
 * without care.
 *
 * IPv6 gets a second RIB and pair of rte_fib6 beside these; nh[], pins and log serve both.
 */
#include "fib.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <rte_fib.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_rib.h>

#include "dp.h"
#include "icmp.h"
#include "neigh.h"
#include "port.h"
#include "punt.h"

enum {
	NH_MAX = 32767, /* what two bytes of a DIR24_8 entry can name */
	TBL8_MAX = 32767,
	LOCAL_ROUTES = 2048, /* room for connected routes beside the configured ones */
};

enum nh_kind {
	NH_NONE,      /* no route */
	NH_LOCAL,     /* one of our addresses */
	NH_BROADCAST, /* of a connected network: never forwarded (RFC 2644) */
	NH_CONNECTED, /* the destination is a neighbour */
	NH_GATEWAY,   /* the neighbour is known */
	NH_TUNNEL,
	NH_GROUP, /* one of several, by flow */
};
enum { NH_ID_NONE, NH_ID_LOCAL, NH_ID_BROADCAST, NH_ID_FIRST };

struct nh { /* workers: r */
	uint8_t kind;
	uint8_t port;
	uint16_t ifindex; /* NH_TUNNEL, NH_CONNECTED, NH_GATEWAY */
	uint32_t neigh;   /* NH_GATEWAY; NH_GROUP: its place in group[] */
};

enum { GROUPS_MAX = 256 };
struct group { /* workers: r; reused as an entry of nh[] is */
	uint16_t n, nh[DP_HOPS_MAX];
};

struct nh_hold {         /* control only */
	uint32_t routes; /* in the RIB */
	uint32_t frees;  /* OP_FREE_NH in the log */
	struct addr via;
};

enum op { OP_ADD, OP_DEL, OP_FREE_NH };
struct change {
	uint8_t op, depth;
	uint16_t nh;
	uint32_t ip;
};

/* In the RIB beside the next hop's index: the route came with an address of ours. */
#define ROUTE_CONNECTED (UINT64_C(1) << 32)

static struct nh nh[NH_MAX];
static struct group group[GROUPS_MAX];
static _Atomic(struct rte_fib *) active;
_Atomic(struct fib_own *) fib_own;

static struct {
	struct rte_rib *rib;
	struct rte_fib *spare, *fib[2];
	bool spare_in_use; /* workers may still read it ... */
	uint64_t token;    /* ... until they have been quiescent since this */
	struct change *log;
	size_t n_log, log_size, n_half; /* log[0..n_half) is in the active fib, not yet in the spare */
	uint32_t n_routes, max_routes, n_tbl8, max_tbl8;
	struct nh_hold hold[NH_MAX];
	uint16_t free_nh[NH_MAX], n_free_nh;
	uint16_t nh_of_if[IFS_MAX];       /* NH_CONNECTED or NH_TUNNEL of an interface, 0: none yet */
	uint16_t nh_of_group[GROUPS_MAX]; /* NH_GROUP, 0: free */
	uint16_t *nh_of_neigh;            /* NH_GATEWAY by neighbour */
	uint32_t max_neigh;
} t;

/* ---- workers ------------------------------------------------------------------------------- */

/* RFC 1812 5.3.1; the checksum is corrected, not recomputed (RFC 1141). */
static inline bool age(struct pkt *p)
{
	struct rte_ipv4_hdr *ip = pkt_l3(p);
	uint32_t sum;

	if (unlikely(p->in_if == IF_SELF))
		return true;
	if (unlikely(ip->time_to_live <= 1))
		return false;
	ip->time_to_live--;
	sum = (uint32_t)ip->hdr_checksum + RTE_BE16(0x0100);
	ip->hdr_checksum = (uint16_t)(sum + (sum >= 0xffff));
	return true;
}

/* Which of a group: the same for all packets of a flow, and any for different ones.  The product's high bits
 * depend on all bits of the words. */
static inline uint16_t group_pick(const struct nh *h, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	const struct group *g = &group[h->neigh];
	uint64_t x = ((uint64_t)a << 32 | b) * UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 29 ^ ((uint64_t)c << 32 | d)) * UINT64_C(0xbf58476d1ce4e5b9);
	return g->nh[(x >> 32) * g->n >> 32];
}

static inline uint16_t group_pick_flow(const struct nh *h, const struct pkt *p)
{
	return group_pick(h, p->src4, p->dst4, (uint32_t)p->sport << 16 | p->dport, p->proto);
}

/* Packets whose next hop is a neighbour: those of gateways know it, others are looked up together. */
struct hops {
	uint16_t n_connected;
	uint8_t port[BURST_MAX];
	uint32_t ip[BURST_MAX];
	struct pkt *p[BURST_MAX];
};

static inline void hops_add(struct hops *c, struct pkt *p, const struct nh *h, uint32_t dst)
{
	if (h->kind == NH_GATEWAY) {
		p->next_hop = h->neigh;
		return;
	}
	c->port[c->n_connected] = h->port;
	c->ip[c->n_connected] = dst;
	c->p[c->n_connected++] = p;
}

/* Nobody is asked for the sake of a packet that cannot be sent, but for its fragments, when they come. */
static void wait_for_neighbour(struct worker *w, struct pkt *p, uint8_t port, uint32_t ip, bool outer)
{
	if (unlikely(p->ip_len > ports[port].mtu) && !outer) {
		p->fits = ports[port].mtu;
		list_add(&w->big, p);
		return;
	}
	punt_unresolved(w, p, port, ip);
}

/* Fill in what hops_add left open; packets without a neighbour leave l to wait for one, or to be cut. */
static inline void hops_find(struct worker *w, struct hops *c, struct list *l, bool outer)
{
	uint32_t neigh[BURST_MAX];
	uint16_t kept = 0, k = 0;

	if (c->n_connected == 0)
		return;
	neigh_find_burst(c->port, c->ip, neigh, c->n_connected);
	for (uint16_t i = 0; i < l->n; i++) {
		struct pkt *p = l->p[i];

		if (k < c->n_connected && c->p[k] == p) {
			p->next_hop = neigh[k++];
			if (unlikely(p->next_hop == NEIGH_NONE)) {
				wait_for_neighbour(w, p, c->port[k - 1], c->ip[k - 1], outer);
				continue;
			}
		}
		l->p[kept++] = p;
	}
	l->n = kept;
}

void fib_lookup(struct worker *w, struct list *l, struct list *tunnel, struct list *local)
{
	struct rte_fib *f = atomic_load_explicit(&active, memory_order_acquire);
	uint64_t hop[BURST_MAX];
	uint32_t dst[BURST_MAX];
	uint16_t n = l->n, kept = 0;

	for (uint16_t i = 0; i < n; i++)
		dst[i] = ntohl(l->p[i]->dst4);
	rte_fib_lookup_bulk(f, dst, hop, n);
	for (uint16_t i = 0; i < n; i++) {
		struct pkt *p = l->p[i];
		const struct nh *h = &nh[hop[i]];

		if (unlikely(h->kind == NH_GROUP)) {
			hop[i] = group_pick_flow(h, p);
			h = &nh[hop[i]];
		}
		switch ((enum nh_kind)h->kind) {
		case NH_NONE: icmp_drop(w, p, DROP_NO_ROUTE); continue;
		case NH_BROADCAST: pkt_drop(w, p, DROP_IP_MARTIAN); continue;
		case NH_LOCAL:
			if (p->in_if == IF_SELF)
				pkt_drop(w, p, DROP_LOCAL_NO_SERVICE);
			else
				list_add(local, p);
			continue;
		case NH_TUNNEL:
		case NH_CONNECTED:
		case NH_GATEWAY: break;
		case NH_GROUP: pkt_drop(w, p, DROP_NO_ROUTE); continue; /* no group is in a group */
		}
		if (unlikely(!age(p))) {
			icmp_drop(w, p, DROP_IP_TTL);
			continue;
		}
		p->out_if = h->ifindex;
		if (h->kind == NH_TUNNEL) {
			p->next_hop = h->ifindex;
			list_add(tunnel, p);
			continue;
		}
		p->next_hop = (uint32_t)hop[i];
		l->p[kept++] = p;
	}
	l->n = kept;
}

void fib_neighbours(struct worker *w, struct list *l)
{
	struct hops c;

	c.n_connected = 0;
	for (uint16_t i = 0; i < l->n; i++)
		hops_add(&c, l->p[i], &nh[l->p[i]->next_hop], l->p[i]->dst4);
	hops_find(w, &c, l, false);
}

void fib_lookup_outer(struct worker *w, struct list *l)
{
	struct rte_fib *f = atomic_load_explicit(&active, memory_order_acquire);
	uint64_t hop[BURST_MAX];
	uint32_t dst[BURST_MAX];
	uint16_t n = l->n, kept = 0;
	struct hops c;

	c.n_connected = 0;
	for (uint16_t i = 0; i < n; i++) {
		const struct rte_ipv4_hdr *ip = pkt_l3(l->p[i]);

		dst[i] = ip->version_ihl >> 4 == 4 ? ntohl(ip->dst_addr)
						   : 0; /* 0.0.0.0 has no route, see below */
	}
	rte_fib_lookup_bulk(f, dst, hop, n);
	for (uint16_t i = 0; i < n; i++) {
		struct pkt *p = l->p[i];
		const struct nh *h = &nh[hop[i]];

		if (unlikely(h->kind == NH_GROUP)) { /* the packets of an SA keep their order */
			uint32_t spi;

			memcpy(&spi, pkt_at(p, p->esp_off), sizeof(spi));
			h = &nh[group_pick(h, p->src4, p->dst4, spi, p->proto)];
		}
		if (unlikely((h->kind != NH_CONNECTED && h->kind != NH_GATEWAY) || dst[i] == 0)) {
			pkt_drop(w, p, DROP_TUNNEL_OUTER_ROUTE);
			continue;
		}
		hops_add(&c, p, h, htonl(dst[i]));
		l->p[kept++] = p;
	}
	l->n = kept;
	hops_find(w, &c, l, true);
}

/* ---- the two fibs -------------------------------------------------------------------------- */

static void group_release(uint32_t i);

static void nh_release(uint16_t id)
{
	if (nh[id].kind == NH_GROUP) {
		group_release(nh[id].neigh);
	} else if (nh[id].kind == NH_GATEWAY) {
		t.nh_of_neigh[nh[id].neigh] = 0;
		neigh_unpin(nh[id].neigh);
	} else {
		t.nh_of_if[nh[id].ifindex] = 0;
	}
	memset(&nh[id], 0, sizeof(nh[id]));
	t.free_nh[t.n_free_nh++] = id;
}

/* Its members are named by nobody else, or by routes, or wait in the log for their own end. */
static void group_release(uint32_t i)
{
	for (uint16_t k = 0; k < group[i].n; k++) {
		struct nh_hold *h = &t.hold[group[i].nh[k]];

		if (--h->routes == 0 && h->frees == 0)
			nh_release(group[i].nh[k]);
	}
	group[i].n = 0;
	t.nh_of_group[i] = 0;
}

/* Neither fib names it any more, unless a later change took it up again: then the last free counts. */
static void nh_free(uint16_t id)
{
	if (--t.hold[id].frees == 0 && t.hold[id].routes == 0)
		nh_release(id);
}

/* rte_fib of DPDK 22.11 does not count the 8-bit table of a route longer than /24 that leads where its
 * parent does, but takes it off when the route goes: in the end it believes itself full and refuses routes.
 * So such a route comes in leading nowhere, as no other does, and is turned then; nobody reads this fib. */
static int fib_add(struct rte_fib *f, const struct change *c)
{
	int rc = c->depth > 24 ? rte_fib_add(f, c->ip, c->depth, NH_ID_NONE) : 0;

	return rc < 0 ? rc : rte_fib_add(f, c->ip, c->depth, c->nh);
}

/* The same changes in the same order bring both fibs to the same state, and change_room() has made sure
 * that they fit; a failure here would be a defect. */
static void apply(struct rte_fib *f, const struct change *c)
{
	int rc = 0;

	if (c->op == OP_ADD)
		rc = fib_add(f, c);
	else if (c->op == OP_DEL)
		rc = rte_fib_delete(f, c->ip, c->depth);
	if (rc < 0)
		dp_log(DP_LOG_ERR, "route %u.%u.%u.%u/%u could not be changed: %s", c->ip >> 24,
		       c->ip >> 16 & 255, c->ip >> 8 & 255, c->ip & 255, c->depth, strerror(-rc));
}

void fib_service(void)
{
	for (;;) {
		struct rte_fib *old;

		if (t.spare_in_use) {
			if (!dp_quiescent(t.token))
				return;
			t.spare_in_use = false;
			for (size_t i = 0; i < t.n_half; i++) {
				apply(t.spare, &t.log[i]);
				if (t.log[i].op == OP_FREE_NH)
					nh_free(t.log[i].nh);
			}
			memmove(t.log, t.log + t.n_half, (t.n_log - t.n_half) * sizeof(*t.log));
			t.n_log -= t.n_half;
			t.n_half = 0;
		}
		if (t.n_log == 0)
			return;
		for (size_t i = 0; i < t.n_log; i++)
			apply(t.spare, &t.log[i]);
		old = atomic_load_explicit(&active, memory_order_relaxed);
		atomic_store_explicit(&active, t.spare, memory_order_release);
		t.spare = old;
		t.token = rte_rcu_qsbr_start(dp.qsbr);
		t.spare_in_use = true;
		t.n_half = t.n_log;
	}
}

/* Room in the log for one route's change and its old next hop. */
static int change_room(void)
{
	size_t size = t.log_size ? t.log_size * 2 : 64;
	struct change *log;

	if (t.n_log + 2 <= t.log_size)
		return 0;
	log = realloc(t.log, size * sizeof(*log));
	if (!log)
		return -ENOMEM;
	t.log = log;
	t.log_size = size;
	return 0;
}

static void change(enum op op, uint32_t ip, uint8_t depth, uint16_t id)
{
	t.log[t.n_log++] = (struct change){.op = (uint8_t)op, .depth = depth, .nh = id, .ip = ip};
}

/* ---- next hops ----------------------------------------------------------------------------- */

static void nh_hold(uint16_t id)
{
	t.hold[id].routes++;
}

/* change_room() must have been called. */
static void nh_put(uint16_t id)
{
	if (id < NH_ID_FIRST || --t.hold[id].routes > 0)
		return;
	t.hold[id].frees++;
	change(OP_FREE_NH, 0, 0, id);
}

static int nh_new(uint16_t *id, struct nh h, const struct addr *via)
{
	if (t.n_free_nh == 0)
		return -ENOSPC;
	*id = t.free_nh[--t.n_free_nh];
	nh[*id] = h;
	t.hold[*id] = (struct nh_hold){.via = via ? *via : (struct addr){0}};
	return 0;
}

static int nh_of_if(uint16_t ifindex, uint16_t *id)
{
	const struct dp_if *f = &dp.ifs[ifindex];
	struct nh h = {.kind = f->is_port ? NH_CONNECTED : NH_TUNNEL, .port = f->port, .ifindex = ifindex};
	int rc = 0;

	if (!t.nh_of_if[ifindex])
		rc = nh_new(&t.nh_of_if[ifindex], h, NULL);
	*id = t.nh_of_if[ifindex];
	return rc;
}

static int nh_of_gateway(uint8_t port, const struct addr *via, uint16_t *id)
{
	struct nh h = {.kind = NH_GATEWAY, .port = port, .ifindex = ports[port].ifindex};
	int rc = neigh_pin(port, via, &h.neigh);

	if (rc < 0)
		return rc;
	if (t.nh_of_neigh[h.neigh]) {
		*id = t.nh_of_neigh[h.neigh];
		neigh_unpin(h.neigh); /* the next hop's own pin stays */
		return 0;
	}
	rc = nh_new(id, h, via);
	if (rc < 0)
		neigh_unpin(h.neigh);
	else
		t.nh_of_neigh[h.neigh] = *id;
	return rc;
}

/* ---- routes -------------------------------------------------------------------------------- */

/* rte_fib takes an 8-bit table for each /24 that has longer prefixes. */
static bool needs_tbl8(uint32_t ip, uint8_t depth)
{
	return depth > 24 && !rte_rib_get_nxt(t.rib, ip, 24, NULL, RTE_RIB_GET_NXT_COVER);
}

static int route_set(uint32_t ip, uint8_t depth, uint16_t id, uint64_t flags)
{
	struct rte_rib_node *node = rte_rib_lookup_exact(t.rib, ip, depth);
	uint64_t old = NH_ID_NONE;
	int rc = change_room();

	if (rc < 0)
		return rc;
	if (node) {
		rte_rib_get_nh(node, &old);
	} else {
		bool tbl8 = needs_tbl8(ip, depth);

		if (t.n_routes == t.max_routes || (tbl8 && t.n_tbl8 == t.max_tbl8))
			return -ENOSPC;
		node = rte_rib_insert(t.rib, ip, depth);
		if (!node)
			return -ENOSPC;
		t.n_tbl8 += tbl8;
		t.n_routes++;
	}
	rte_rib_set_nh(node, id | flags);
	nh_hold(id);
	change(OP_ADD, ip, depth, id);
	if (old != NH_ID_NONE)
		nh_put((uint16_t)old);
	return 0;
}

static int route_clear(uint32_t ip, uint8_t depth)
{
	struct rte_rib_node *node = rte_rib_lookup_exact(t.rib, ip, depth);
	uint64_t old;
	int rc = change_room();

	if (!node)
		return -ENOENT;
	if (rc < 0)
		return rc;
	rte_rib_get_nh(node, &old);
	rte_rib_remove(t.rib, ip, depth);
	t.n_tbl8 -= needs_tbl8(ip, depth);
	t.n_routes--;
	change(OP_DEL, ip, depth, 0);
	nh_put((uint16_t)old);
	return 0;
}

/* What was made for a route that did not come to be, and no fib has seen. */
static void nh_unused(uint16_t id)
{
	if (id >= NH_ID_FIRST && t.hold[id].routes == 0 && t.hold[id].frees == 0)
		nh_release(id);
}

static int nh_of_group(const uint16_t *member, uint16_t n, uint16_t *id)
{
	uint32_t free = GROUPS_MAX;
	int rc;

	for (uint32_t i = 0; i < GROUPS_MAX; i++) {
		if (!t.nh_of_group[i])
			free = free == GROUPS_MAX ? i : free;
		else if (group[i].n == n && memcmp(group[i].nh, member, n * sizeof(member[0])) == 0) {
			*id = t.nh_of_group[i];
			return 0;
		}
	}
	if (free == GROUPS_MAX)
		return -ENOSPC;
	rc = nh_new(id, (struct nh){.kind = NH_GROUP, .neigh = free}, NULL);
	if (rc < 0)
		return rc;
	group[free].n = n;
	memcpy(group[free].nh, member, n * sizeof(member[0]));
	for (uint16_t k = 0; k < n; k++)
		nh_hold(member[k]);
	t.nh_of_group[free] = *id;
	return 0;
}

static uint32_t host_ip(const struct addr *a)
{
	uint32_t ip;

	memcpy(&ip, a->b, 4);
	return ntohl(ip);
}

static bool is_connected(uint32_t ip, uint8_t depth)
{
	struct rte_rib_node *node = rte_rib_lookup_exact(t.rib, ip, depth);
	uint64_t have = 0;

	return node && rte_rib_get_nh(node, &have) == 0 && (have & ROUTE_CONNECTED);
}

int fib_port_of(uint32_t ip)
{
	struct addr a = addr_v4((const uint8_t *)&ip);

	for (uint8_t i = 0; i < n_ports; i++) {
		const struct dp_if *f = &dp.ifs[ports[i].ifindex];

		for (unsigned k = 0; k < f->n_addr; k++)
			if (prefix_has(&f->addr[k], &a))
				return i;
	}
	return -1;
}

static int route_nh(const struct dp_route *r, uint16_t *id)
{
	uint32_t via;
	int port;

	if (r->via.v == 6)
		return -EAFNOSUPPORT;
	if (r->via.v != 4)
		return r->ifindex < dp.n_ifs ? nh_of_if(r->ifindex, id) : -EINVAL;
	memcpy(&via, r->via.b, 4);
	port = fib_port_of(via);
	if (port < 0)
		return -ENETUNREACH;
	if (fib_is_own(via))
		return -EINVAL;
	return nh_of_gateway((uint8_t)port, &r->via, id);
}

static int route_hops(const struct dp_hop *hop, uint8_t n, uint16_t *id)
{
	uint16_t member[DP_HOPS_MAX], have = 0;
	int rc = n >= 1 && n <= DP_HOPS_MAX ? 0 : -EINVAL;

	for (; rc == 0 && have < n; have++) {
		const struct dp_route r = {.via = hop[have].via, .ifindex = hop[have].ifindex};

		rc = route_nh(&r, &member[have]);
		if (rc < 0)
			break;
	}
	if (rc == 0 && n == 1)
		*id = member[0];
	else if (rc == 0)
		rc = nh_of_group(member, n, id);
	for (uint16_t k = 0; rc < 0 && k < have; k++)
		if (nh[member[k]].kind != NH_NONE) /* not twice the same */
			nh_unused(member[k]);
	return rc;
}

int dp_route_set(const struct prefix *dst, const struct dp_hop *hop, uint8_t n)
{
	struct prefix p = prefix_mask(*dst);
	uint16_t id = NH_ID_NONE;
	int rc;

	if (p.a.v != 4)
		return p.a.v == 6 ? -EAFNOSUPPORT : -EINVAL;
	if (is_connected(host_ip(&p.a), p.len))
		return -EEXIST;
	rc = route_hops(hop, n, &id);
	if (rc < 0)
		return rc;
	rc = route_set(host_ip(&p.a), p.len, id, 0);
	if (rc < 0)
		nh_unused(id);
	fib_service();
	return rc;
}

int dp_route_add(const struct dp_route *r)
{
	const struct dp_hop hop = {.via = r->via, .ifindex = r->ifindex};

	return dp_route_set(&r->dst, &hop, 1);
}

int dp_route_del(const struct prefix *dst)
{
	struct prefix p = prefix_mask(*dst);
	int rc;

	if (p.a.v != 4)
		return p.a.v == 6 ? -EAFNOSUPPORT : -EINVAL;
	if (is_connected(host_ip(&p.a), p.len))
		return -EPERM;
	rc = route_clear(host_ip(&p.a), p.len);
	fib_service();
	return rc;
}

static const struct nh *lookup(const struct addr *dst, struct prefix *match, uint16_t *id)
{
	struct rte_rib_node *node = dst->v == 4 ? rte_rib_lookup(t.rib, host_ip(dst)) : NULL;
	uint64_t v;
	uint32_t ip;

	if (!node)
		return NULL;
	rte_rib_get_nh(node, &v);
	rte_rib_get_ip(node, &ip);
	rte_rib_get_depth(node, &match->len);
	ip = htonl(ip);
	match->a = addr_v4((const uint8_t *)&ip);
	*id = (uint16_t)v;
	if (nh[*id].kind == NH_GROUP) /* what has no flow takes the first */
		*id = group[nh[*id].neigh].nh[0];
	return &nh[*id];
}

int dp_route_lookup(const struct addr *dst, struct dp_route *r)
{
	struct dp_route found = {0};
	const struct nh *h;
	uint16_t id;

	h = lookup(dst, &found.dst, &id);
	if (!h || h->kind == NH_BROADCAST || h->kind == NH_LOCAL)
		return -ENETUNREACH;
	found.ifindex = h->ifindex;
	found.via = t.hold[id].via;
	*r = found;
	return 0;
}

void fib_way(const struct pkt *p, struct fib_way *way)
{
	static const enum fib_kind kinds[] = {
		[NH_NONE] = FIB_NOWHERE,   [NH_LOCAL] = FIB_FOR_US, [NH_BROADCAST] = FIB_BROADCAST,
		[NH_CONNECTED] = FIB_PORT, [NH_GATEWAY] = FIB_PORT, [NH_TUNNEL] = FIB_TUNNEL,
		[NH_GROUP] = FIB_NOWHERE,
	};
	uint32_t dst = ntohl(p->dst4);
	uint64_t hop;
	const struct nh *h;

	rte_fib_lookup_bulk(atomic_load_explicit(&active, memory_order_relaxed), &dst, &hop, 1);
	if (nh[hop].kind == NH_GROUP)
		hop = group_pick_flow(&nh[hop], p);
	h = &nh[hop];
	*way = (struct fib_way){.kind = kinds[h->kind], .ifindex = h->ifindex, .port = h->port};
	if (h->kind == NH_GATEWAY)
		way->next_hop = t.hold[hop].via;
	else if (h->kind == NH_CONNECTED)
		way->next_hop = addr_v4((const uint8_t *)&p->dst4);
}

int fib_resolve(const struct addr *dst, uint8_t *port, struct addr *next_hop)
{
	struct prefix match;
	const struct nh *h;
	uint16_t id;

	h = lookup(dst, &match, &id);
	if (!h || (h->kind != NH_CONNECTED && h->kind != NH_GATEWAY))
		return -ENETUNREACH;
	*port = h->port;
	*next_hop = h->kind == NH_GATEWAY ? t.hold[id].via : *dst;
	return 0;
}

/* ---- own addresses ------------------------------------------------------------------------- */

static void own_put(struct fib_own *o, uint32_t ip)
{
	uint32_t i = (ip * UINT32_C(0x9e3779b1)) >> 16;

	while (o->ip[i & o->mask] != 0)
		i++;
	o->ip[i & o->mask] = ip;
}

/* All addresses up to and with interface `last`. */
static struct fib_own *own_build(uint16_t last)
{
	uint32_t n = 0, size;
	struct fib_own *o;

	for (uint32_t i = 0; i <= last; i++)
		n += dp.ifs[i].n_addr;
	size = rte_align32pow2(RTE_MAX(16u, n * 4));
	if (size > UINT32_C(1) << 16)
		return NULL;
	o = rte_zmalloc("own", sizeof(*o) + size * sizeof(o->ip[0]), RTE_CACHE_LINE_SIZE);
	if (!o)
		return NULL;
	o->mask = size - 1;
	for (uint32_t i = 0; i <= last; i++) {
		for (unsigned k = 0; k < dp.ifs[i].n_addr; k++) {
			uint32_t ip;

			memcpy(&ip, dp.ifs[i].addr[k].a.b, 4);
			own_put(o, ip);
		}
	}
	return o;
}

/* The routes that an address brings: itself, its network, and on a port the network's two broadcast
 * addresses (RFC 1812 5.3.5; none in a /31, RFC 3021). */
static int connect_address(uint16_t ifindex, const struct prefix *p)
{
	struct prefix net = prefix_mask(*p);
	uint32_t ip = host_ip(&p->a), first = host_ip(&net.a);
	uint32_t last = first | (uint32_t)(UINT64_C(0xffffffff) >> p->len);
	uint16_t id = 0;
	int rc;

	if (p->len < 32) {
		rc = nh_of_if(ifindex, &id);
		if (rc == 0)
			rc = route_set(first, p->len, id, ROUTE_CONNECTED);
		if (rc < 0)
			return rc;
	}
	if (p->len < 31 && dp.ifs[ifindex].is_port) {
		rc = route_set(first, 32, NH_ID_BROADCAST, ROUTE_CONNECTED);
		if (rc == 0)
			rc = route_set(last, 32, NH_ID_BROADCAST, ROUTE_CONNECTED);
		if (rc < 0)
			return rc;
	}
	return route_set(ip, 32, NH_ID_LOCAL, ROUTE_CONNECTED);
}

static void disconnect(uint32_t ip, uint8_t depth)
{
	if (is_connected(ip, depth))
		(void)route_clear(ip, depth);
}

static void disconnect_address(const struct prefix *p)
{
	struct prefix net = prefix_mask(*p);
	uint32_t first = host_ip(&net.a);

	disconnect(host_ip(&p->a), 32);
	disconnect(first, 32);
	disconnect(first | (uint32_t)(UINT64_C(0xffffffff) >> p->len), 32);
	disconnect(first, p->len);
}

/* An address that another interface has, a network that another route leads to, the first or last address
 * of a network: refused before anything changes. */
static int check_address(const struct dp_if *f, unsigned k)
{
	const struct prefix *p = &f->addr[k];
	struct prefix net = prefix_mask(*p);
	uint32_t ip, first = host_ip(&net.a);

	if (p->a.v != 4)
		return p->a.v == 6 ? -EAFNOSUPPORT : -EINVAL;
	memcpy(&ip, p->a.b, 4);
	if (p->len == 0 || ip == 0)
		return -EINVAL;
	if (p->len < 31 && f->is_port &&
	    (host_ip(&p->a) == first || host_ip(&p->a) == (first | UINT32_MAX >> p->len)))
		return -EINVAL;
	if (fib_is_own(ip) || rte_rib_lookup_exact(t.rib, host_ip(&p->a), 32))
		return -EADDRINUSE;
	if (p->len < 32 && rte_rib_lookup_exact(t.rib, first, p->len))
		return -EEXIST;
	for (unsigned i = 0; i < k; i++)
		if (addr_eq(&f->addr[i].a, &p->a))
			return -EADDRINUSE;
	return 0;
}

int fib_if_add(uint16_t ifindex)
{
	struct dp_if *f = &dp.ifs[ifindex];
	struct fib_own *own, *old;
	int rc = 0;

	for (unsigned i = 0; i < f->n_addr && rc == 0; i++)
		rc = check_address(f, i);
	if (rc < 0)
		return rc;
	own = own_build(ifindex);
	if (!own)
		return -ENOMEM;
	for (unsigned i = 0; i < f->n_addr; i++) {
		rc = connect_address(ifindex, &f->addr[i]);
		if (rc == 0)
			continue;
		for (unsigned k = 0; k <= i; k++)
			disconnect_address(&f->addr[k]);
		rte_free(own);
		fib_service();
		return rc;
	}
	old = atomic_load_explicit(&fib_own, memory_order_relaxed);
	atomic_store_explicit(&fib_own, own, memory_order_release);
	if (old)
		dp_retire(rte_free, old);
	fib_service();
	return 0;
}

/* ---- life ---------------------------------------------------------------------------------- */

static struct rte_fib *make_fib(const char *name)
{
	struct rte_fib_conf c = {
		.type = RTE_FIB_DIR24_8,
		.default_nh = NH_ID_NONE,
		.max_routes = (int)t.max_routes,
		.dir24_8 = {.nh_sz = RTE_FIB_DIR24_8_2B, .num_tbl8 = t.max_tbl8},
	};

	return rte_fib_create(name, SOCKET_ID_ANY, &c);
}

int fib_init(uint32_t max_routes)
{
	struct rte_rib_conf c = {0};

	memset(&t, 0, sizeof(t));
	memset(nh, 0, sizeof(nh));
	memset(group, 0, sizeof(group));
	t.max_routes = max_routes + LOCAL_ROUTES;
	t.max_tbl8 = RTE_MIN(t.max_routes, (uint32_t)TBL8_MAX);
	t.max_neigh = RTE_MAX(dp.conf.max_neighbours, 64u);
	t.nh_of_neigh = calloc(t.max_neigh, sizeof(*t.nh_of_neigh));
	c.max_nodes = (int)t.max_routes * 2; /* a binary tree's inner nodes too */
	t.rib = rte_rib_create("routes4", SOCKET_ID_ANY, &c);
	t.fib[0] = make_fib("routes4a");
	t.fib[1] = make_fib("routes4b");
	if (!t.nh_of_neigh || !t.rib || !t.fib[0] || !t.fib[1]) {
		fib_fini();
		return -ENOMEM;
	}
	nh[NH_ID_LOCAL].kind = NH_LOCAL;
	nh[NH_ID_BROADCAST].kind = NH_BROADCAST;
	for (uint16_t i = NH_MAX - 1; i >= NH_ID_FIRST; i--)
		t.free_nh[t.n_free_nh++] = i;
	atomic_store_explicit(&active, t.fib[0], memory_order_release);
	t.spare = t.fib[1];
	return 0;
}

void fib_fini(void)
{
	rte_free(atomic_load_explicit(&fib_own, memory_order_relaxed));
	atomic_store_explicit(&fib_own, NULL, memory_order_relaxed);
	atomic_store_explicit(&active, NULL, memory_order_relaxed);
	rte_fib_free(t.fib[0]);
	rte_fib_free(t.fib[1]);
	rte_rib_free(t.rib);
	free(t.nh_of_neigh);
	free(t.log);
	memset(&t, 0, sizeof(t));
}
