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
#include "ip6.h"
#include "mtu.h"
#include "neigh.h"
#include "parse.h"
#include "port.h"
#include "rules.h"
#include "sad.h"
#include "selector.h"
#include "spd.h"

enum { L2 = sizeof(struct rte_ether_hdr), IP4_HDR = 20, L4_MIN = 20, TTL = 64 };
enum { ICMP_ECHO_REPLY = 0, ICMP6_ECHO_REPLY = 129 };

static void put16(uint8_t *b, uint16_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

static void make_ip4(uint8_t *b, const struct dp_trace_packet *q, uint16_t len)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)b;

	ip->version_ihl = 0x45;
	ip->total_length = htons(len);
	ip->time_to_live = TTL;
	ip->fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG); /* or nothing is too big */
	ip->next_proto_id = q->proto;
	memcpy(&ip->src_addr, q->src.b, 4);
	memcpy(&ip->dst_addr, q->dst.b, 4);
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, sizeof(*ip));
}

static void make_ip6(uint8_t *b, const struct dp_trace_packet *q, uint16_t len)
{
	b[0] = 0x60;
	put16(b + 4, (uint16_t)(len - IP6_HDR));
	b[6] = q->proto;
	b[7] = TTL;
	memcpy(b + 8, q->src.b, 16);
	memcpy(b + 24, q->dst.b, 16);
}

static bool is_icmp(uint8_t proto)
{
	return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

/* The packet as it would lie there: as much of it as anybody looks at.  What parse says of it goes to *why. */
static int make(struct rte_mbuf *m, const struct dp_trace_packet *q, struct pkt *p, enum drop *why)
{
	uint16_t room = (uint16_t)(rte_pktmbuf_tailroom(m) - L2), hdr = q->src.v == 6 ? IP6_HDR : IP4_HDR;
	uint16_t len = q->len < hdr + L4_MIN ? (uint16_t)(hdr + L4_MIN) : q->len;
	uint8_t *b = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(L2 + (len < room ? len : room)));

	if (!b)
		return -ENOBUFS;
	memset(b, 0, m->data_len);
	(q->src.v == 6 ? make_ip6 : make_ip4)(b + L2, q, (uint16_t)(m->data_len - L2));
	put16(b + L2 + hdr, is_icmp(q->proto) ? q->dport : q->sport);
	put16(b + L2 + hdr + 2, q->dport);
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

/* What an answer to a packet would look like; that to an echo request is a reply. */
static struct pkt turned(const struct pkt *p, struct ip6_shell *shell)
{
	uint16_t reply = (uint16_t)((p->v == 6 ? ICMP6_ECHO_REPLY : ICMP_ECHO_REPLY) << 8);
	struct pkt back = *p;

	if (p->v == 6)
		ip6_shell(shell, &back, (const uint8_t *)pkt_l3(p) + 24, (const uint8_t *)pkt_l3(p) + 8);
	back.src4 = p->dst4;
	back.dst4 = p->src4;
	back.sport = is_icmp(p->proto) ? 0 : p->dport;
	back.dport = is_icmp(p->proto) ? reply : p->sport;
	back.in_if = p->out_if;
	back.out_if = p->in_if;
	return back;
}

/* What an answer to the packet would meet. */
static void answer(const struct pkt *p, struct dp_trace *t)
{
	struct ip6_shell shell;
	struct pkt back = turned(p, &shell);
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
	if (p->v == 6 && t->mtu < MTU6_MIN)
		t->mtu = MTU6_MIN;
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
	struct ip6_shell shell;
	struct pkt back = turned(p, &shell);
	struct dp_route route;
	struct fib_way way;
	bool behind;

	fib_way(&back, &way);
	behind = way.kind == FIB_TUNNEL;
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
	if (behind && way.kind == FIB_PORT && p->in_if != IF_SELF && dp.ifs[p->in_if].is_port)
		return stop(t, DP_TRACE_ROUTE, DROP_HOST_CLEAR);
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
	if (addr_len(&q->src) == 0 || q->src.v != q->dst.v)
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
