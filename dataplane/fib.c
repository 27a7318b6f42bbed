/* SPDX-License-Identifier: Apache-2.0 */
/* Where packets go: what workers do with the fibs that fib_api.c makes. */
#include "fib.h"
#include "fib_table.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_ip.h>

#include "age.h"
#include "dp.h"
#include "icmp.h"
#include "neigh.h"
#include "port.h"
#include "punt.h"
#include "sa.h"

struct nh fib_nh[NH_MAX];
struct group fib_group[GROUPS_MAX];
_Atomic(const struct fib_copy *) fib_active;

/* RFC 1812 5.3.1, RFC 8200 3. */
static inline bool age(struct pkt *p)
{
	if (unlikely(p->in_if == IF_SELF))
		return true;
	if (unlikely(p->v == 6)) {
		struct rte_ipv6_hdr *ip6 = pkt_l3(p);

		return ip6->hop_limits > 1 && ip6->hop_limits-- > 0;
	}
	return age4(pkt_l3(p));
}

/* Which of a group: the same for all packets of a flow, and any for different ones.  The product's high bits
 * depend on all bits of the words. */
static inline uint16_t group_pick(const struct nh *h, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	const struct group *g = &fib_group[h->neigh];
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

/* The packets of an SA keep their order.  Only the first fragment of one shows its SPI, so whoever cuts keeps it. */
static inline uint16_t group_pick_outer(const struct nh *h, const struct pkt *p)
{
	uint32_t spi = p->spi;

	if (likely(!p->fragment))
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
static void wait_for_neighbour(struct worker *w, struct pkt *p, uint8_t port, const struct addr *hop)
{
	if (unlikely(p->ip_len > ports[port].mtu)) {
		p->fits = ports[port].mtu;
		list_add(&w->big, p);
		return;
	}
	punt_unresolved(w, p, port, hop);
}

/* Fill in what hops_add left open; packets without a neighbour leave l to wait for one, or to be cut. */
static inline void hops_find(struct worker *w, struct hops *c, struct list *l)
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

				wait_for_neighbour(w, p, c->port[k - 1], &a);
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
	const struct nh *h = &fib_nh[id];

	if (unlikely(h->kind == NH_GROUP)) {
		id = group_pick_flow(h, p);
		h = &fib_nh[id];
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
	p->hit = NULL;
	if (h->kind == NH_TUNNEL) {
		p->next_hop = h->ifindex;
		list_add(tunnel, p);
		return false;
	}
	p->next_hop = (uint32_t)id;
	return true;
}

/* ---- IPv6, apart, so that a burst of IPv4 packets costs what it did -------------------------- */

enum side6 { SRC6 = 8, DST6 = 24 };

static void find6(const struct list *six, enum side6 side, uint64_t hop[BURST_MAX])
{
	uint8_t ip[BURST_MAX][16];

	for (uint16_t i = 0; i < six->n; i++)
		memcpy(ip[i], (const uint8_t *)pkt_l3(six->p[i]) + side, 16);
	fib_copy_lookup6(atomic_load_explicit(&fib_active, memory_order_acquire), ip, hop, six->n);
}

static void lookup6(struct worker *w, const struct list *six, struct list *l, struct list *tunnel,
		    struct list *local)
{
	uint64_t hop[BURST_MAX];

	find6(six, DST6, hop);
	for (uint16_t i = 0; i < six->n; i++)
		if (follow(w, six->p[i], hop[i], tunnel, local))
			list_add(l, six->p[i]);
}

/* From next hop to neighbour; false: the packet waits for it, or to be cut. */
static bool neighbour6(struct worker *w, struct pkt *p)
{
	const struct rte_ipv6_hdr *ip = pkt_l3(p);
	const struct nh *h = &fib_nh[p->next_hop];
	struct addr dst;

	if (h->kind == NH_GATEWAY) {
		p->next_hop = h->neigh;
		return true;
	}
	dst = addr_v6((const uint8_t *)&ip->dst_addr);
	p->next_hop = neigh_find(h->port, &dst);
	if (likely(p->next_hop != NEIGH_NONE))
		return true;
	wait_for_neighbour(w, p, h->port, &dst);
	return false;
}

static void lookup_outer6(struct worker *w, const struct list *six, struct list *l)
{
	uint64_t hop[BURST_MAX];

	find6(six, DST6, hop);
	for (uint16_t i = 0; i < six->n; i++) {
		const struct nh *h = &fib_nh[hop[i]];
		struct pkt *p = six->p[i];

		if (unlikely(h->kind == NH_GROUP)) {
			hop[i] = group_pick_outer(h, p);
			h = &fib_nh[hop[i]];
		}
		p->next_hop = (uint32_t)hop[i];
		if (unlikely(h->kind != NH_CONNECTED && h->kind != NH_GATEWAY))
			pkt_drop(w, p, DROP_TUNNEL_OUTER_ROUTE);
		else if (neighbour6(w, p))
			list_add(l, p);
	}
}

/* ---- both families --------------------------------------------------------------------------- */

void fib_lookup(struct worker *w, struct list *l, struct list *tunnel, struct list *local)
{
	const struct fib_copy *f = atomic_load_explicit(&fib_active, memory_order_acquire);
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

/* Does this lead into tunnels only?  What may also come by a port, as an equal of theirs, is not refused. */
static bool is_tunnel(uint64_t hop)
{
	const struct nh *h = &fib_nh[hop];
	const struct group *g;

	if (likely(h->kind != NH_GROUP))
		return h->kind == NH_TUNNEL;
	g = &fib_group[h->neigh];
	for (uint16_t i = 0; i < g->n; i++)
		if (fib_nh[g->nh[i]].kind != NH_TUNNEL)
			return false;
	return true;
}

void fib_refuse_clear(struct worker *w, struct list *l)
{
	const struct fib_copy *f = atomic_load_explicit(&fib_active, memory_order_acquire);
	uint64_t hop[BURST_MAX], hop6[BURST_MAX];
	uint32_t src[BURST_MAX];
	uint16_t n = l->n, kept = 0, k = 0;
	struct list six;

	six.n = 0;
	for (uint16_t i = 0; i < n; i++) {
		src[i] = ntohl(l->p[i]->src4);
		if (l->p[i]->v == 6)
			list_add(&six, l->p[i]);
	}
	rte_fib_lookup_bulk(f->v4, src, hop, n);
	if (six.n)
		find6(&six, SRC6, hop6);
	for (uint16_t i = 0; i < n; i++) {
		struct pkt *p = l->p[i];

		if (unlikely(is_tunnel(p->v == 6 ? hop6[k++] : hop[i])))
			pkt_drop(w, p, DROP_HOST_CLEAR);
		else
			l->p[kept++] = p;
	}
	l->n = kept;
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
			if (neighbour6(w, p))
				list_add(&six, p);
			continue;
		}
		hops_add(&c, p, &fib_nh[p->next_hop], p->dst4);
		l->p[kept++] = p;
	}
	l->n = kept;
	hops_find(w, &c, l);
	for (uint16_t i = 0; i < six.n; i++)
		list_add(l, six.p[i]);
}

/* Those whose SA does not know its next hop. */
static __rte_noinline void lookup_outer(struct worker *w, struct list *l)
{
	const struct fib_copy *f = atomic_load_explicit(&fib_active, memory_order_acquire);
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
		const struct nh *h = &fib_nh[hop[i]];

		if (unlikely(p->v == 6)) {
			list_add(&six, p);
			continue;
		}
		if (unlikely(h->kind == NH_GROUP))
			h = &fib_nh[group_pick_outer(h, p)];
		if (unlikely(h->kind != NH_CONNECTED && h->kind != NH_GATEWAY)) {
			pkt_drop(w, p, DROP_TUNNEL_OUTER_ROUTE);
			continue;
		}
		hops_add(&c, p, h, p->dst4);
		l->p[kept++] = p;
	}
	l->n = kept;
	hops_find(w, &c, l);
	if (unlikely(six.n))
		lookup_outer6(w, &six, l);
}

/* What a look at the header tells of an outer packet. */
static void tell_outer4(struct pkt *p)
{
	const struct rte_ipv4_hdr *ip = pkt_l3(p);

	if (p->v != 4)
		return;
	p->src4 = ip->src_addr;
	p->dst4 = ip->dst_addr;
	p->proto = ip->next_proto_id;
}

/* All packets of an SA take one way, so the SA keeps it. */
void fib_lookup_outer(struct worker *w, struct list *l)
{
	uint16_t n = l->n, kept = 0;
	struct list ask;

	ask.n = 0;
	for (uint16_t i = 0; i < n; i++) {
		struct pkt *p = l->p[i];
		const struct sa_out *sa = p->sa_out;

		if (unlikely(sa->hop_gen != w->generation)) {
			list_add(&ask, p);
			continue;
		}
		p->next_hop = sa->hop;
		l->p[kept++] = p;
	}
	l->n = kept;
	if (likely(ask.n == 0))
		return;
	for (uint16_t i = 0; i < ask.n; i++)
		tell_outer4(ask.p[i]);
	lookup_outer(w, &ask);
	for (uint16_t i = 0; i < ask.n; i++) {
		struct sa_out *sa = ask.p[i]->sa_out;

		sa->hop = ask.p[i]->next_hop;
		sa->hop_gen = w->generation;
		list_add(l, ask.p[i]);
	}
}

/* ---- for those who ask without sending ------------------------------------------------------- */

uint32_t fib_hop(const struct pkt *p)
{
	const struct fib_copy *f = atomic_load_explicit(&fib_active, memory_order_acquire);
	uint32_t dst4 = ntohl(p->dst4);
	uint64_t hop;

	if (p->v == 6) {
		uint8_t dst[1][16];

		memcpy(dst[0], (const uint8_t *)pkt_l3(p) + 24, 16);
		fib_copy_lookup6(f, dst, &hop, 1);
	} else {
		rte_fib_lookup_bulk(f->v4, &dst4, &hop, 1);
	}
	return fib_nh[hop].kind == NH_GROUP ? group_pick_flow(&fib_nh[hop], p) : (uint32_t)hop;
}
