/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes.
 *
 * Three copies (fib_tree.h): a tree, the control thread's truth, changed at once by every call; and two
 * fibs, one that workers read and a spare.  rte_fib and rte_fib6 must not be changed under their readers:
 * an 8-bit table that a change frees may be reused by the next while a reader still walks it, and a packet
 * would leave in the clear by somebody else's route.  So changes go to the spare, a release store swaps
 * the two, and when every worker has been quiescent the same changes are made to the other one.  Changes
 * that arrive meanwhile collect in the log and go out together, which makes a batch of a bulk load.
 *
 * A fib's result is an index into nh[].  An entry of nh[] is written before the first fib that names it
 * is published and reused after neither fib names it and every worker was quiescent, so workers read it
 * without care.  nh[], pins and log serve both families.
 */
#include "fib.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_malloc.h>

#include "dp.h"
#include "fib_tree.h"
#include "icmp.h"
#include "neigh.h"
#include "port.h"
#include "punt.h"

enum {
	NH_MAX = FIB_TREE_VALUE_MAX,
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
enum { NH_ID_NONE = FIB_TREE_NOWHERE, NH_ID_LOCAL, NH_ID_BROADCAST, NH_ID_FIRST };

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
	uint32_t routes; /* in the tree */
	uint32_t frees;  /* OP_FREE_NH in the log */
	struct addr via;
};

enum op { OP_ADD, OP_DEL, OP_FREE_NH };
struct change {
	uint8_t op;
	uint16_t nh;
	struct prefix p;
};

/* In the tree beside the next hop's index: the route came with an address of ours. */
#define ROUTE_CONNECTED (UINT64_C(1) << 32)

static struct nh nh[NH_MAX];
static struct group group[GROUPS_MAX];
static _Atomic(const struct fib_copy *) active;

static struct {
	struct fib_copy copy[2];
	unsigned spare;    /* of copy[] */
	bool spare_in_use; /* workers may still read it ... */
	uint64_t token;    /* ... until they have been quiescent since this */
	struct change *log;
	size_t n_log, log_size, n_half; /* log[0..n_half) is in the active fib, not yet in the spare */
	struct nh_hold hold[NH_MAX];
	uint16_t free_nh[NH_MAX], n_free_nh;
	uint16_t nh_of_if[IFS_MAX];       /* NH_CONNECTED or NH_TUNNEL of an interface, 0: none yet */
	uint16_t nh_of_group[GROUPS_MAX]; /* NH_GROUP, 0: free */
	uint16_t *nh_of_neigh;            /* NH_GATEWAY by neighbour */
	uint32_t max_neigh;
} t;

/* ---- workers ------------------------------------------------------------------------------- */

/* RFC 1812 5.3.1, RFC 8200 3; the checksum is corrected, not recomputed (RFC 1141). */
static inline bool age(struct pkt *p)
{
	struct rte_ipv4_hdr *ip = pkt_l3(p);
	uint32_t sum;

	if (unlikely(p->in_if == IF_SELF))
		return true;
	if (unlikely(p->v == 6)) {
		struct rte_ipv6_hdr *ip6 = pkt_l3(p);

		return ip6->hop_limits > 1 && ip6->hop_limits-- > 0;
	}
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

/* An IPv6 address in 32 bits, for picking only. */
static uint32_t address_hash(const uint8_t ip[16])
{
	uint64_t a[2];

	memcpy(a, ip, sizeof(a));
	return (uint32_t)((a[0] ^ a[1] * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

static inline uint16_t group_pick_flow(const struct nh *h, const struct pkt *p)
{
	const uint8_t *ip = pkt_l3(p);
	uint32_t both = (uint32_t)p->sport << 16 | p->dport;

	if (unlikely(p->v == 6))
		return group_pick(h, address_hash(ip + 8), address_hash(ip + 24), both, p->proto);
	return group_pick(h, p->src4, p->dst4, both, p->proto);
}

/* The packets of an SA keep their order. */
static inline uint16_t group_pick_outer(const struct nh *h, const struct pkt *p)
{
	uint32_t spi;

	memcpy(&spi, pkt_at(p, p->esp_off), sizeof(spi));
	return group_pick(h, p->src4, p->dst4, spi, p->proto);
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
static void wait_for_neighbour(struct worker *w, struct pkt *p, uint8_t port, const struct addr *hop,
			       bool outer)
{
	if (unlikely(p->ip_len > ports[port].mtu) && !outer) {
		p->fits = ports[port].mtu;
		list_add(&w->big, p);
		return;
	}
	punt_unresolved(w, p, port, hop);
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
				struct addr a = addr_v4((const uint8_t *)&c->ip[k - 1]);

				wait_for_neighbour(w, p, c->port[k - 1], &a, outer);
				continue;
			}
		}
		l->p[kept++] = p;
	}
	l->n = kept;
}

/* Where a packet's route leads: true when it goes out of a port, and else it is in another's hands. */
static inline bool follow(struct worker *w, struct pkt *p, uint64_t id, struct list *tunnel,
			  struct list *local)
{
	const struct nh *h = &nh[id];

	if (unlikely(h->kind == NH_GROUP)) {
		id = group_pick_flow(h, p);
		h = &nh[id];
	}
	switch ((enum nh_kind)h->kind) {
	case NH_NONE: icmp_drop(w, p, DROP_NO_ROUTE); return false;
	case NH_BROADCAST: pkt_drop(w, p, DROP_IP_MARTIAN); return false;
	case NH_LOCAL:
		if (p->in_if == IF_SELF)
			pkt_drop(w, p, DROP_LOCAL_NO_SERVICE);
		else
			list_add(local, p);
		return false;
	case NH_TUNNEL:
	case NH_CONNECTED:
	case NH_GATEWAY: break;
	case NH_GROUP: pkt_drop(w, p, DROP_NO_ROUTE); return false; /* no group is in a group */
	}
	if (unlikely(!age(p))) {
		icmp_drop(w, p, DROP_IP_TTL);
		return false;
	}
	p->out_if = h->ifindex;
	if (h->kind == NH_TUNNEL) {
		p->next_hop = h->ifindex;
		list_add(tunnel, p);
		return false;
	}
	p->next_hop = (uint32_t)id;
	return true;
}

/* ---- IPv6, apart, so that a burst of IPv4 packets costs what it did -------------------------- */

static void find6(const struct list *six, uint64_t hop[BURST_MAX])
{
	uint8_t dst[BURST_MAX][16];

	for (uint16_t i = 0; i < six->n; i++) {
		const struct rte_ipv6_hdr *ip = pkt_l3(six->p[i]);

		memcpy(dst[i], &ip->dst_addr, 16);
	}
	fib_copy_lookup6(atomic_load_explicit(&active, memory_order_acquire), dst, hop, six->n);
}

static void lookup6(struct worker *w, const struct list *six, struct list *l, struct list *tunnel,
		    struct list *local)
{
	uint64_t hop[BURST_MAX];

	find6(six, hop);
	for (uint16_t i = 0; i < six->n; i++)
		if (follow(w, six->p[i], hop[i], tunnel, local))
			list_add(l, six->p[i]);
}

/* From next hop to neighbour; false: the packet waits for it, or to be cut. */
static bool neighbour6(struct worker *w, struct pkt *p, bool outer)
{
	const struct rte_ipv6_hdr *ip = pkt_l3(p);
	const struct nh *h = &nh[p->next_hop];
	struct addr dst;

	if (h->kind == NH_GATEWAY) {
		p->next_hop = h->neigh;
		return true;
	}
	dst = addr_v6((const uint8_t *)&ip->dst_addr);
	p->next_hop = neigh_find(h->port, &dst);
	if (likely(p->next_hop != NEIGH_NONE))
		return true;
	wait_for_neighbour(w, p, h->port, &dst, outer);
	return false;
}

static void lookup_outer6(struct worker *w, const struct list *six, struct list *l)
{
	uint64_t hop[BURST_MAX];

	find6(six, hop);
	for (uint16_t i = 0; i < six->n; i++) {
		const struct nh *h = &nh[hop[i]];
		struct pkt *p = six->p[i];

		if (unlikely(h->kind == NH_GROUP)) {
			hop[i] = group_pick_outer(h, p);
			h = &nh[hop[i]];
		}
		p->next_hop = (uint32_t)hop[i];
		if (unlikely(h->kind != NH_CONNECTED && h->kind != NH_GATEWAY))
			pkt_drop(w, p, DROP_TUNNEL_OUTER_ROUTE);
		else if (neighbour6(w, p, true))
			list_add(l, p);
	}
}

/* ---- both families --------------------------------------------------------------------------- */

void fib_lookup(struct worker *w, struct list *l, struct list *tunnel, struct list *local)
{
	const struct fib_copy *f = atomic_load_explicit(&active, memory_order_acquire);
	uint64_t hop[BURST_MAX];
	uint32_t dst[BURST_MAX];
	uint16_t n = l->n, kept = 0;
	struct list six;

	six.n = 0;
	for (uint16_t i = 0; i < n; i++)
		dst[i] = ntohl(l->p[i]->dst4);
	rte_fib_lookup_bulk(f->v4, dst, hop, n);
	for (uint16_t i = 0; i < n; i++) {
		struct pkt *p = l->p[i];

		if (unlikely(p->v == 6))
			list_add(&six, p);
		else if (follow(w, p, hop[i], tunnel, local))
			l->p[kept++] = p;
	}
	l->n = kept;
	if (unlikely(six.n))
		lookup6(w, &six, l, tunnel, local);
}

void fib_neighbours(struct worker *w, struct list *l)
{
	uint16_t n = l->n, kept = 0;
	struct list six;
	struct hops c;

	c.n_connected = six.n = 0;
	for (uint16_t i = 0; i < n; i++) {
		struct pkt *p = l->p[i];

		if (unlikely(p->v == 6)) {
			if (neighbour6(w, p, false))
				list_add(&six, p);
			continue;
		}
		hops_add(&c, p, &nh[p->next_hop], p->dst4);
		l->p[kept++] = p;
	}
	l->n = kept;
	hops_find(w, &c, l, false);
	for (uint16_t i = 0; i < six.n; i++)
		list_add(l, six.p[i]);
}

void fib_lookup_outer(struct worker *w, struct list *l)
{
	const struct fib_copy *f = atomic_load_explicit(&active, memory_order_acquire);
	uint64_t hop[BURST_MAX];
	uint32_t dst[BURST_MAX];
	uint16_t n = l->n, kept = 0;
	struct list six;
	struct hops c;

	c.n_connected = six.n = 0;
	for (uint16_t i = 0; i < n; i++)
		dst[i] = ntohl(l->p[i]->dst4);
	rte_fib_lookup_bulk(f->v4, dst, hop, n);
	for (uint16_t i = 0; i < n; i++) {
		struct pkt *p = l->p[i];
		const struct nh *h = &nh[hop[i]];

		if (unlikely(p->v == 6)) {
			list_add(&six, p);
			continue;
		}
		if (unlikely(h->kind == NH_GROUP))
			h = &nh[group_pick_outer(h, p)];
		if (unlikely(h->kind != NH_CONNECTED && h->kind != NH_GATEWAY)) {
			pkt_drop(w, p, DROP_TUNNEL_OUTER_ROUTE);
			continue;
		}
		hops_add(&c, p, h, p->dst4);
		l->p[kept++] = p;
	}
	l->n = kept;
	hops_find(w, &c, l, true);
	if (unlikely(six.n))
		lookup_outer6(w, &six, l);
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

/* The same changes in the same order bring both fibs to the same state, and fib_tree_set() has made sure
 * that they fit; a failure here would be a defect. */
static void apply(struct fib_copy *f, const struct change *c)
{
	char text[PREFIX_STR];
	int rc = 0;

	if (c->op == OP_ADD)
		rc = fib_copy_add(f, &c->p, c->nh);
	else if (c->op == OP_DEL)
		rc = fib_copy_del(f, &c->p);
	if (rc < 0)
		dp_log(DP_LOG_ERR, "route %s could not be changed: %s", prefix_str(&c->p, text),
		       strerror(-rc));
}

void fib_service(void)
{
	for (;;) {
		if (t.spare_in_use) {
			if (!dp_quiescent(t.token))
				return;
			t.spare_in_use = false;
			for (size_t i = 0; i < t.n_half; i++) {
				apply(&t.copy[t.spare], &t.log[i]);
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
			apply(&t.copy[t.spare], &t.log[i]);
		atomic_store_explicit(&active, &t.copy[t.spare], memory_order_release);
		t.spare = !t.spare;
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

static void change(enum op op, const struct prefix *p, uint16_t id)
{
	t.log[t.n_log++] = (struct change){.op = (uint8_t)op, .nh = id};
	if (p)
		t.log[t.n_log - 1].p = *p;
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
	change(OP_FREE_NH, NULL, id);
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

static int route_set(const struct prefix *p, uint16_t id, uint64_t flags)
{
	uint64_t old = NH_ID_NONE;
	int rc = change_room();

	if (rc < 0)
		return rc;
	(void)fib_tree_find(p, &old);
	rc = fib_tree_set(p, id | flags);
	if (rc < 0)
		return rc;
	nh_hold(id);
	change(OP_ADD, p, id);
	if (old != NH_ID_NONE)
		nh_put((uint16_t)old);
	return 0;
}

static int route_clear(const struct prefix *p)
{
	uint64_t old;
	int rc = change_room();

	if (!fib_tree_find(p, &old))
		return -ENOENT;
	if (rc < 0)
		return rc;
	fib_tree_remove(p);
	change(OP_DEL, p, 0);
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

static bool is_connected(const struct prefix *p)
{
	uint64_t have = 0;

	return fib_tree_find(p, &have) && (have & ROUTE_CONNECTED);
}

int fib_port_of(const struct addr *a)
{
	for (uint8_t i = 0; i < n_ports; i++) {
		const struct dp_if *f = &dp.ifs[ports[i].ifindex];

		for (unsigned k = 0; k < f->n_addr; k++)
			if (prefix_has(&f->addr[k], a))
				return i;
	}
	return -1;
}

/* A link-local gateway (RFC 4291 2.5.6) says nothing of its link; the interface beside it does. */
static int port_of_gateway(const struct dp_route *r)
{
	const struct dp_if *f;

	if (!addr_is_link_local(&r->via))
		return fib_port_of(&r->via);
	if (r->ifindex >= dp.n_ifs)
		return -1;
	f = &dp.ifs[r->ifindex];
	return f->is_port && ports[f->port].has_v6 ? f->port : -1;
}

static int route_nh(const struct dp_route *r, uint16_t *id)
{
	int port;

	if (r->via.v == 0)
		return r->ifindex < dp.n_ifs ? nh_of_if(r->ifindex, id) : -EINVAL;
	if (r->via.v != r->dst.a.v)
		return -EINVAL;
	port = port_of_gateway(r);
	if (port < 0)
		return -ENETUNREACH;
	if (fib_is_own_addr(&r->via))
		return -EINVAL;
	return nh_of_gateway((uint8_t)port, &r->via, id);
}

static int route_hops(const struct prefix *dst, const struct dp_hop *hop, uint8_t n, uint16_t *id)
{
	uint16_t member[DP_HOPS_MAX], have = 0;
	int rc = n >= 1 && n <= DP_HOPS_MAX ? 0 : -EINVAL;

	for (; rc == 0 && have < n; have++) {
		const struct dp_route r = {.dst = *dst, .via = hop[have].via, .ifindex = hop[have].ifindex};

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

	if (addr_len(&p.a) == 0)
		return -EINVAL;
	if (is_connected(&p))
		return -EEXIST;
	rc = route_hops(&p, hop, n, &id);
	if (rc < 0)
		return rc;
	rc = route_set(&p, id, 0);
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

	if (addr_len(&p.a) == 0)
		return -EINVAL;
	if (is_connected(&p))
		return -EPERM;
	rc = route_clear(&p);
	fib_service();
	return rc;
}

static const struct nh *lookup(const struct addr *dst, struct prefix *match, uint16_t *id)
{
	uint64_t v;

	if (!fib_tree_match(dst, match, &v))
		return NULL;
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

static void way_of(uint64_t hop, const struct addr *dst, struct fib_way *way)
{
	static const enum fib_kind kinds[] = {
		[NH_NONE] = FIB_NOWHERE,   [NH_LOCAL] = FIB_FOR_US, [NH_BROADCAST] = FIB_BROADCAST,
		[NH_CONNECTED] = FIB_PORT, [NH_GATEWAY] = FIB_PORT, [NH_TUNNEL] = FIB_TUNNEL,
		[NH_GROUP] = FIB_NOWHERE,
	};
	const struct nh *h = &nh[hop];

	*way = (struct fib_way){.kind = kinds[h->kind], .ifindex = h->ifindex, .port = h->port};
	if (h->kind == NH_GATEWAY)
		way->next_hop = t.hold[hop].via;
	else if (h->kind == NH_CONNECTED)
		way->next_hop = *dst;
}

void fib_way(const struct pkt *p, struct fib_way *way)
{
	const struct fib_copy *f = atomic_load_explicit(&active, memory_order_relaxed);
	struct addr to = addr_v4((const uint8_t *)&p->dst4);
	uint32_t dst = ntohl(p->dst4);
	uint64_t hop;

	rte_fib_lookup_bulk(f->v4, &dst, &hop, 1);
	if (nh[hop].kind == NH_GROUP)
		hop = group_pick_flow(&nh[hop], p);
	way_of(hop, &to, way);
}

void fib_way_to(const struct addr *dst, struct fib_way *way)
{
	struct prefix match;
	uint16_t id;

	way_of(lookup(dst, &match, &id) ? id : NH_ID_NONE, dst, way);
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

static struct prefix host_prefix(const struct addr *a)
{
	return (struct prefix){.a = *a, .len = a->v == 4 ? 32 : 128};
}

/* The last address of a network. */
static struct addr last_of(const struct prefix *net)
{
	struct addr a = net->a;

	for (unsigned bit = net->len; bit < addr_len(&a) * 8; bit++)
		a.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return a;
}

/* Has a port's network broadcast addresses, its first and last?  None in IPv6, nor in a /31 (RFC 3021). */
static bool has_broadcast(uint16_t ifindex, const struct prefix *p)
{
	return p->a.v == 4 && p->len < 31 && dp.ifs[ifindex].is_port;
}

/* The routes that an address brings: itself, its network, and on a port the network's two broadcast
 * addresses (RFC 1812 5.3.5). */
static int connect_address(uint16_t ifindex, const struct prefix *p)
{
	struct prefix net = prefix_mask(*p), self = host_prefix(&p->a), first = host_prefix(&net.a), last;
	uint16_t id = 0;
	int rc;

	if (p->len < self.len) {
		rc = nh_of_if(ifindex, &id);
		if (rc == 0)
			rc = route_set(&net, id, ROUTE_CONNECTED);
		if (rc < 0)
			return rc;
	}
	if (has_broadcast(ifindex, p)) {
		last = first;
		last.a = last_of(&net);
		rc = route_set(&first, NH_ID_BROADCAST, ROUTE_CONNECTED);
		if (rc == 0)
			rc = route_set(&last, NH_ID_BROADCAST, ROUTE_CONNECTED);
		if (rc < 0)
			return rc;
	}
	return route_set(&self, NH_ID_LOCAL, ROUTE_CONNECTED);
}

static void disconnect(const struct prefix *p)
{
	if (is_connected(p))
		(void)route_clear(p);
}

static void disconnect_address(const struct prefix *p)
{
	struct prefix net = prefix_mask(*p), host = host_prefix(&p->a);

	disconnect(&host);
	host.a = net.a;
	disconnect(&host);
	host.a = last_of(&net);
	disconnect(&host);
	disconnect(&net);
}

/* An address that nobody can have: none at all, multicast, or one that belongs to every link. */
static bool is_host_address(const struct addr *a)
{
	static const struct addr none;

	if (memcmp(a->b, none.b, addr_len(a)) == 0)
		return false;
	return a->v == 4 || (a->v == 6 && a->b[0] != 0xff && !addr_is_link_local(a));
}

/* An address that another interface has, a network that another route leads to, the first or last address
 * of a network: refused before anything changes. */
static int check_address(uint16_t ifindex, unsigned k)
{
	const struct dp_if *f = &dp.ifs[ifindex];
	const struct prefix *p = &f->addr[k];
	struct prefix net = prefix_mask(*p), self = host_prefix(&p->a);
	struct addr last = last_of(&net);
	uint64_t have;

	if (!is_host_address(&p->a) || p->len == 0)
		return -EINVAL;
	if (has_broadcast(ifindex, p) && (addr_eq(&p->a, &net.a) || addr_eq(&p->a, &last)))
		return -EINVAL;
	if (fib_is_own_addr(&p->a) || fib_tree_find(&self, &have))
		return -EADDRINUSE;
	if (p->len < self.len && fib_tree_find(&net, &have))
		return -EEXIST;
	for (unsigned i = 0; i < k; i++)
		if (addr_eq(&f->addr[i].a, &p->a))
			return -EADDRINUSE;
	return 0;
}

int fib_if_add(uint16_t ifindex)
{
	struct dp_if *f = &dp.ifs[ifindex];
	struct fib_own *own;
	int rc = 0;

	for (unsigned i = 0; i < f->n_addr && rc == 0; i++)
		rc = check_address(ifindex, i);
	if (rc < 0)
		return rc;
	own = fib_own_build(ifindex);
	if (!own)
		return -ENOMEM;
	for (unsigned i = 0; i < f->n_addr; i++) {
		rc = connect_address(ifindex, &f->addr[i]);
		if (rc == 0)
			continue;
		for (unsigned k = 0; k <= i; k++)
			disconnect_address(&f->addr[k]);
		fib_own_free(own);
		fib_service();
		return rc;
	}
	fib_own_publish(own);
	fib_service();
	return 0;
}

/* ---- life ---------------------------------------------------------------------------------- */

int fib_init(uint32_t max_routes)
{
	memset(&t, 0, sizeof(t));
	memset(nh, 0, sizeof(nh));
	memset(group, 0, sizeof(group));
	t.max_neigh = RTE_MAX(dp.conf.max_neighbours, 64u);
	t.nh_of_neigh = calloc(t.max_neigh, sizeof(*t.nh_of_neigh));
	if (fib_tree_init(max_routes + LOCAL_ROUTES, t.copy) < 0 || !t.nh_of_neigh) {
		fib_fini();
		return -ENOMEM;
	}
	nh[NH_ID_LOCAL].kind = NH_LOCAL;
	nh[NH_ID_BROADCAST].kind = NH_BROADCAST;
	for (uint16_t i = NH_MAX - 1; i >= NH_ID_FIRST; i--)
		t.free_nh[t.n_free_nh++] = i;
	atomic_store_explicit(&active, &t.copy[0], memory_order_release);
	t.spare = 1;
	return 0;
}

void fib_fini(void)
{
	fib_own_free(atomic_load_explicit(&fib_own, memory_order_relaxed));
	atomic_store_explicit(&fib_own, NULL, memory_order_relaxed);
	atomic_store_explicit(&active, NULL, memory_order_relaxed);
	fib_tree_fini(t.copy);
	free(t.nh_of_neigh);
	free(t.log);
	memset(&t, 0, sizeof(t));
}
