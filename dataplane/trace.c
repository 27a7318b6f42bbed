/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What would happen to a packet: the stages' questions, asked of the stages' tables by the control thread,
 * one step after the other, with a real packet in a real buffer.  Nothing is sent, counted or asked for.
 */
#include "dp_api.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>

#include "dp.h"
#include "fib.h"
#include "neigh.h"
#include "parse.h"
#include "port.h"
#include "rules.h"
#include "sad.h"
#include "selector.h"
#include "spd.h"

enum { L2 = sizeof(struct rte_ether_hdr), IP_HDR = 20, L4_MIN = 20, TTL = 64 };

static void put16(uint8_t *b, uint16_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

/* The packet as it would lie there: as much of it as anybody looks at.  What parse says of it goes to *why. */
static int make(struct rte_mbuf *m, const struct dp_trace_packet *q, struct pkt *p, enum drop *why)
{
	uint16_t room = (uint16_t)(rte_pktmbuf_tailroom(m) - L2);
	uint16_t len = q->len < IP_HDR + L4_MIN ? IP_HDR + L4_MIN : q->len;
	uint8_t *b = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(L2 + (len < room ? len : room)));
	struct rte_ipv4_hdr *ip;

	if (!b)
		return -ENOBUFS;
	memset(b, 0, m->data_len);
	ip = (struct rte_ipv4_hdr *)(b + L2);
	ip->version_ihl = 0x45;
	ip->total_length = htons((uint16_t)(m->data_len - L2));
	ip->time_to_live = TTL;
	ip->fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG); /* or nothing is too big */
	ip->next_proto_id = q->proto;
	memcpy(&ip->src_addr, q->src.b, 4);
	memcpy(&ip->dst_addr, q->dst.b, 4);
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, sizeof(*ip));
	put16((uint8_t *)(ip + 1), q->proto == IPPROTO_ICMP ? q->dport : q->sport);
	put16((uint8_t *)(ip + 1) + 2, q->dport);
	*p = (struct pkt){.m = m, .l3_off = L2, .cls = PKT_TRANSIT};
	*why = parse_ip(p, (uint16_t)(m->data_len - L2));
	p->ip_len = len;
	return 0;
}

static enum drop stop(struct dp_trace *t, enum dp_trace_step at, enum drop why)
{
	t->stopped = at;
	return why;
}

/* The peer's route, or the next hop's of a packet in the clear. */
static enum drop way_out(struct dp_trace *t, const struct fib_way *way, uint16_t len)
{
	const struct port *port = &ports[way->port];
	uint32_t neigh;

	t->port_if = way->ifindex;
	t->next_hop = way->next_hop;
	if (!atomic_load_explicit(&port->up, memory_order_relaxed))
		return stop(t, DP_TRACE_OUTER, DROP_PORT_DOWN);
	if (len > port->mtu)
		return stop(t, DP_TRACE_MTU, DROP_TOO_BIG);
	neigh = neigh_find(way->port, &way->next_hop);
	t->neighbour = neigh != NEIGH_NONE &&
		       atomic_load_explicit(&neigh_hot[neigh].adj, memory_order_acquire) & ADJ_VALID;
	return stop(t, DP_TRACE_DONE, DROP_NONE);
}

static struct pkt turned(const struct pkt *p)
{
	struct pkt back = *p;

	back.src4 = p->dst4;
	back.dst4 = p->src4;
	back.sport = p->proto == IPPROTO_ICMP ? 0 : p->dport;
	back.dport = p->proto == IPPROTO_ICMP ? 0 : p->sport; /* ICMP: an echo reply */
	back.in_if = p->out_if;
	back.out_if = p->in_if;
	return back;
}

/* What an answer to the packet would meet. */
static void answer(const struct pkt *p, struct dp_trace *t)
{
	struct pkt back = turned(p);
	struct fib_way way;
	struct sa_in *sa;
	uint32_t next = 0;

	fib_way(&back, &way);
	t->back.route = (way.kind == FIB_PORT || way.kind == FIB_TUNNEL) && way.ifindex == p->in_if;
	t->back.allow = true;
	if (rules_on())
		t->back.rule = rules_verdict(&back, &t->back.allow);
	while ((sa = sad_in_of(t->policy, &next)) != NULL) {
		t->back.sa = true;
		t->back.selector |= selector_in(sa, &back);
	}
}

static enum drop through_tunnel(struct pkt *p, struct dp_trace *t)
{
	struct pkt outer = {.v = 4};
	struct fib_way way;
	struct sa_out *sa;
	enum drop why;

	why = spd_find(p, &t->policy, &t->sa_out);
	if (why != DROP_NONE)
		return stop(t, why == DROP_TUNNEL_NO_SA ? DP_TRACE_SA : DP_TRACE_PROXY_ID, why);
	sa = sad_out_find(t->sa_out);
	if (!sa)
		return stop(t, DP_TRACE_SA, DROP_TUNNEL_NO_SA);
	t->spi = sa->spi;
	t->local = sa->local;
	t->remote = sa->remote;
	t->udp_encap = sa->flags & SA_UDP;
	t->worker = sa->owner;
	t->mtu = dp_sa_out_mtu(t->sa_out);
	answer(p, t);
	if (!selector_out(sa, p))
		return stop(t, DP_TRACE_SELECTOR, DROP_TUNNEL_SELECTOR);
	if (p->ip_len > t->mtu)
		return stop(t, DP_TRACE_MTU, DROP_TOO_BIG);
	memcpy(&outer.src4, sa->local.a.b, 4);
	memcpy(&outer.dst4, sa->remote.a.b, 4);
	if (sa->remote.a.v == 4)
		fib_way(&outer, &way);
	else
		fib_way_to(&sa->remote.a, &way);
	if (way.kind != FIB_PORT)
		return stop(t, DP_TRACE_OUTER, DROP_TUNNEL_OUTER_ROUTE);
	return way_out(t, &way, 0);
}

static enum drop follow(struct pkt *p, const struct dp_trace_packet *q, struct dp_trace *t)
{
	struct pkt back = turned(p);
	struct dp_route route;
	struct fib_way way;

	fib_way(&back, &way);
	t->in_if = q->in_if;
	if (q->in_if == DP_IF_NONE && (way.kind == FIB_PORT || way.kind == FIB_TUNNEL))
		t->in_if = way.ifindex;
	p->in_if = t->in_if == DP_IF_NONE ? IF_SELF : t->in_if;
	if (dp_route_lookup(&q->dst, &route) == 0)
		t->route = route.dst;
	fib_way(p, &way);
	if (way.kind == FIB_NOWHERE || way.kind == FIB_BROADCAST)
		return stop(t, DP_TRACE_ROUTE, way.kind == FIB_NOWHERE ? DROP_NO_ROUTE : DROP_IP_MARTIAN);
	if (way.kind == FIB_FOR_US) {
		t->for_us = true;
		return stop(t, DP_TRACE_DONE, DROP_NONE);
	}
	t->out_if = p->out_if = way.ifindex;
	p->next_hop = way.ifindex;
	if (rules_on() && p->in_if != IF_SELF) {
		t->rules = true;
		t->rule = rules_verdict(p, &t->allow);
		if (!t->allow)
			return stop(t, DP_TRACE_RULE, DROP_RULE);
	}
	return way.kind == FIB_TUNNEL ? through_tunnel(p, t) : way_out(t, &way, p->ip_len);
}

int dp_trace_packet(const struct dp_trace_packet *q, struct dp_trace *t)
{
	struct rte_mbuf *m;
	struct pkt p;
	struct dp_drop d;
	enum drop why;
	int rc;

	memset(t, 0, sizeof(*t));
	t->in_if = t->out_if = t->port_if = DP_IF_NONE;
	if (q->src.v != 4 || q->dst.v != 4)
		return -EAFNOSUPPORT;
	if (q->in_if != DP_IF_NONE && q->in_if >= dp.n_ifs)
		return -EINVAL;
	m = rte_pktmbuf_alloc(dp.pool);
	if (!m)
		return -ENOBUFS;
	rc = make(m, q, &p, &why);
	if (rc == 0)
		why = why == DROP_NONE ? follow(&p, q, t) : stop(t, DP_TRACE_PACKET, why);
	rte_pktmbuf_free(m);
	if (rc == 0 && why != DROP_NONE && dp_drop_stats((unsigned)why - 1, &d) == 0) {
		t->drop = d.name;
		t->help = d.help;
	}
	return rc;
}
