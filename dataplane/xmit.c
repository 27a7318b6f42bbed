/* SPDX-License-Identifier: Apache-2.0 */
#include "xmit.h"

#include <string.h>

#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_prefetch.h>

#include "dp.h"
#include "neigh.h"
#include "port.h"
#include "punt.h"

static void drop_frame(struct worker *w, struct rte_mbuf *m, enum drop why)
{
	struct pkt p = {.m = m};

	pkt_drop(w, &p, why);
}

static void flush_port(struct worker *w, struct tx_queue *q)
{
	uint16_t sent = rte_eth_tx_burst(q->ethdev, w->id, q->m, q->n);

	count_add(&w->tx_packets, sent);
	if (unlikely(sent < q->n)) {
		count_add(&q->refused, q->n - sent);
		for (uint16_t i = sent; i < q->n; i++)
			drop_frame(w, q->m[i], DROP_TX_FULL);
	}
	q->n = 0;
}

static inline void queue_frame(struct worker *w, const struct port *port, struct rte_mbuf *m)
{
	struct tx_queue *q = &w->tx[port->device];

	if (unlikely(q->n == RTE_DIM(q->m)))
		flush_port(w, q);
	q->m[q->n++] = m;
}

/* IEEE 802.1Q: the tag stands between the MACs and the EtherType.  False: there is no room for it. */
static __attribute__((noinline)) bool put_tag(struct worker *w, struct rte_mbuf *m, const struct port *port)
{
	struct vlan_count *c = &w->vlan[port - ports];
	struct rte_vlan_hdr *tag;
	uint8_t *eth = (uint8_t *)rte_pktmbuf_prepend(m, RTE_VLAN_HLEN);

	if (!eth)
		return false;
	memmove(eth, eth + RTE_VLAN_HLEN, 2 * RTE_ETHER_ADDR_LEN);
	((struct rte_ether_hdr *)eth)->ether_type = RTE_BE16(RTE_ETHER_TYPE_VLAN);
	tag = (struct rte_vlan_hdr *)(eth + sizeof(struct rte_ether_hdr));
	tag->vlan_tci = rte_cpu_to_be_16(port->vid);
	count_add(&c->tx_packets, 1);
	count_add(&c->tx_bytes, m->data_len);
	return true;
}

/* Move the start of the data so that the IP header lies behind an Ethernet header.  False: there is no room. */
static __rte_noinline bool move_start(struct pkt *p)
{
	struct rte_mbuf *m = p->m;
	int shift = (int)p->l3_off - (int)sizeof(struct rte_ether_hdr);

	if (shift < -(int)m->data_off)
		return false;
	m->data_off = (uint16_t)(m->data_off + shift);
	m->data_len = (uint16_t)(m->data_len - shift);
	m->pkt_len = m->data_len;
	p->l3_off = sizeof(struct rte_ether_hdr);
	return true;
}

/* The MACs in two words, which overlap in the middle of the source's. */
static inline void put_ethernet(struct pkt *p, uint64_t adj, const struct port *port)
{
	uint8_t *eth = rte_pktmbuf_mtod(p->m, uint8_t *);
	uint64_t head = (adj & ((UINT64_C(1) << ADJ_PORT_SHIFT) - 1)) | port->eth_head;
	uint64_t tail = likely(p->v == 4) ? port->eth_tail4 : port->eth_tail6;

	memcpy(eth, &head, sizeof(head));
	memcpy(eth + 6, &tail, sizeof(tail));
}

/* All that can come between a packet and its port; adj is its next hop's word. */
static __rte_noinline void xmit_special(struct worker *w, struct pkt *p, uint64_t adj)
{
	struct neigh_hot *n = &neigh_hot[p->next_hop];
	const struct port *port = &ports[ADJ_PORT(adj)];

	if (!atomic_load_explicit(&port->up, memory_order_relaxed)) {
		pkt_drop(w, p, DROP_PORT_DOWN);
		return;
	}
	if (p->m->data_len - p->l3_off > port->mtu) {
		p->fits = port->mtu;
		list_add(&w->big, p);
		return;
	}
	if (!(adj & ADJ_VALID)) {
		punt_unresolved(w, p, ADJ_PORT(adj), &neigh_addr[p->next_hop]);
		return;
	}
	if (adj & ADJ_STALE && !atomic_load_explicit(&n->told, memory_order_relaxed) &&
	    punt_neigh_used(w, p->next_hop))
		atomic_store_explicit(&n->told, 1, memory_order_relaxed);
	if (p->l3_off != sizeof(struct rte_ether_hdr) && !move_start(p)) {
		pkt_drop(w, p, DROP_TOO_BIG);
		return;
	}
	put_ethernet(p, adj, port);
	if (port->vid && !put_tag(w, p->m, port))
		pkt_drop(w, p, DROP_TOO_BIG);
	else
		queue_frame(w, port, p->m);
}

/* The longest frame that simply goes to a next hop, for its MAC is good, control knows of its use if it wants to, and
 * the port is up and without a tag; 0: none does. */
static inline uint32_t plain_most(const struct neigh_hot *n, uint64_t adj, const struct port *port)
{
	bool plain = adj & ADJ_VALID && !port->vid && atomic_load_explicit(&port->up, memory_order_relaxed);

	if (adj & ADJ_STALE)
		plain &= atomic_load_explicit(&n->told, memory_order_relaxed);
	return plain ? port->mtu + (uint32_t)sizeof(struct rte_ether_hdr) : 0;
}

void xmit_port(struct worker *w, struct list *l)
{
	uint32_t neigh = NEIGH_NONE, most = 0;
	const struct port *port = ports;
	struct tx_queue *q = w->tx;
	unsigned n = l->n, at = q->n;
	uint64_t adj = 0;

	for (unsigned i = 0; i < n; i++)
		rte_prefetch0(&neigh_hot[l->p[i]->next_hop]);
	for (unsigned i = 0; i < n; i++) {
		struct pkt *p = l->p[i];

		if (p->next_hop != neigh) { /* runs for one are the rule */
			neigh = p->next_hop;
			adj = atomic_load_explicit(&neigh_hot[neigh].adj, memory_order_acquire);
			port = &ports[ADJ_PORT(adj)];
			q->n = (uint16_t)at;
			q = &w->tx[port->device];
			at = q->n;
			most = plain_most(&neigh_hot[neigh], adj, port);
		}
		if (unlikely(p->m->data_len > most || p->l3_off != sizeof(struct rte_ether_hdr) ||
			     at == RTE_DIM(q->m))) {
			q->n = (uint16_t)at;
			xmit_special(w, p, adj);
			at = q->n;
			continue;
		}
		put_ethernet(p, adj, port);
		q->m[at++] = p->m;
	}
	q->n = (uint16_t)at;
	l->n = 0;
}

void xmit_frame(struct worker *w, uint16_t ifindex, struct rte_mbuf *m)
{
	const struct port *port = &ports[dp.ifs[ifindex].port];

	if (unlikely(!atomic_load_explicit(&port->up, memory_order_relaxed)))
		drop_frame(w, m, DROP_PORT_DOWN);
	else if (port->vid && !put_tag(w, m, port))
		drop_frame(w, m, DROP_TOO_BIG);
	else
		queue_frame(w, port, m);
}

void xmit_flush(struct worker *w)
{
	for (uint16_t i = 0; i < w->n_rx; i++)
		if (w->tx[i].n)
			flush_port(w, &w->tx[i]);
}
