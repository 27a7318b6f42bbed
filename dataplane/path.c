/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rx to tx, in order.  Read this first.
 *
 * Every stage is a plain function over a list of packets; it leaves its survivors in the list and
 * gives the others to another list, a ring, or pkt_drop().  Nothing here allocates, locks, logs or
 * makes a system call.  stage_done() says what the stages so far have cost (stage.h).
 */
#include "path.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>

#include "capture.h"
#include "dp.h"
#include "early.h"
#include "esp_in.h"
#include "esp_out.h"
#include "fib.h"
#include "flow.h"
#include "frag_ports.h"
#include "handover.h"
#include "host.h"
#include "icmp.h"
#include "ip6.h"
#include "local.h"
#include "mss.h"
#include "mtu.h"
#include "parse.h"
#include "punt.h"
#include "reassemble.h"
#include "rules.h"
#include "sad.h"
#include "spd.h"
#include "xmit.h"

enum { L2 = sizeof(struct rte_ether_hdr), ICMP_ECHO = 8, ICMP6_ECHO = 128 };

/* Outer packets longer than the way to the peer is known to carry join those that are too big for the port. */
static void path_wide(struct worker *w, struct list *l)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < l->n; i++) {
		struct pkt *p = l->p[i];

		if (p->wide) {
			p->fits = atomic_load_explicit(&p->sa_out->outer_mtu, memory_order_relaxed);
			list_add(&w->big, p);
		} else {
			l->p[kept++] = p;
		}
	}
	l->n = kept;
	w->n_wide = 0;
}

/* Outer packets that have become too big for the port since their SA was told what fits, or have been since they
 * were made. */
static void path_outer_too_big(struct worker *w)
{
	struct list big = w->big, l;
	struct mtu_walk c;

	w->big.n = 0;
	for (uint16_t i = 0; i < big.n; i++) {
		struct pkt *p = big.p[i];

		p->wide = true; /* we may cut our own */
		memcpy(&p->spi, pkt_at(p, p->esp_off), sizeof(p->spi));
	}
	mtu_walk_start(&c, &big);
	while (mtu_cut(w, &c, &l)) {
		fib_lookup_outer(w, &l);
		xmit_port(w, &l);
		for (uint16_t i = 0; i < w->big.n; i++) /* the way has changed meanwhile */
			pkt_drop(w, w->big.p[i], DROP_TOO_BIG);
		w->big.n = 0;
	}
}

/* Into the queues of the ports; next hops are known. */
static void path_xmit(struct worker *w, struct list *l)
{
	uint16_t n = l->n;

	xmit_port(w, l);
	stage_done(&w->stage, STAGE_NEXT_HOP, n);
}

static void path_encrypt(struct worker *w, struct list *l)
{
	esp_out_prepare(w, l); /* selectors, sequence number, outer header, padding */
	stage_done(&w->stage, STAGE_OUT_PREPARE, l->n);
	esp_out_seal(w, l); /* IV, encrypt, authenticate */
	stage_done(&w->stage, STAGE_OUT_SEAL, l->n);
	capture_tap(w, l, DP_CAPTURE_OUTER, false);
	if (unlikely(w->n_wide))
		path_wide(w, l);
	fib_lookup_outer(w, l); /* the peer's address -> port and neighbour */
	stage_done(&w->stage, STAGE_OUT_ROUTE, l->n);
	path_xmit(w, l);
	if (unlikely(w->big.n))
		path_outer_too_big(w);
}

/* Clear text whose outbound SA is known. */
static void path_into_sa(struct worker *w, struct list *l)
{
	struct mtu_walk c;
	struct list part;

	handover_sa_out(w, l); /* packets whose SA another worker owns leave here */
	capture_tap(w, l, DP_CAPTURE_INNER, false);
	if (likely(mtu_fit(l))) {
		stage_done(&w->stage, STAGE_OUT_SA, l->n);
		path_encrypt(w, l);
		return;
	}
	mtu_walk_start(&c, l); /* a list of fragments may be longer than a burst */
	while (mtu_cut(w, &c, &part))
		path_encrypt(w, &part);
}

/* Clear text that a route sends into a tunnel: encrypt, or drop and say why. */
static void path_outbound(struct worker *w, struct list *l)
{
	spd_match(w, l); /* proxy-ID, then its outbound SA; none: ask for keys, drop */
	path_into_sa(w, l);
}

/* Packets that have to leave, clear or not: a decrypted one may well go into another tunnel. */
static void path_forward(struct worker *w, struct list *l);

/* For the gateway itself.  What it answers is routed like everything else, perhaps into the tunnel that
 * the question came from.  An answer is never for the gateway again: fib_lookup refuses that. */
static void path_local(struct worker *w, struct list *l)
{
	reassemble(w, l); /* what came out of a tunnel in fragments */
	local_input(w, l);
	stage_done(&w->stage, STAGE_GATEWAY, l->n);
	if (l->n)
		path_forward(w, l);
}

/* Clear text too big for its port: cut, and the fragments routed again as packets that we made. */
static void path_too_big(struct worker *w)
{
	struct list big = w->big, l;
	struct mtu_walk c;

	w->big.n = 0;
	mtu_walk_start(&c, &big);
	while (mtu_cut(w, &c, &l)) {
		for (uint16_t i = 0; i < l.n; i++)
			l.p[i]->in_if = IF_SELF;
		path_forward(w, &l);
	}
}

/* Out of a port in the clear. */
static void path_clear(struct worker *w, struct list *l)
{
	path_xmit(w, l);
	if (unlikely(w->big.n))
		path_too_big(w);
}

static bool from_port(const struct pkt *p)
{
	return p->in_if != IF_SELF && dp.ifs[p->in_if].is_port;
}

static void path_forward(struct worker *w, struct list *l)
{
	struct list tunnel, local;

	tunnel.n = local.n = 0;
	if (host_on())
		host_select(l, &tunnel);   /* our own, for a peer of transport mode: to its SA, past routes */
	fib_lookup(w, l, &tunnel, &local); /* TTL, route; what stays in l goes out of a port in the clear */
	if (l->n && from_port(l->p[0]))    /* which all of a list are, or none */
		fib_refuse_clear(w, l);    /* past a tunnel that its source is behind */
	stage_done(&w->stage, STAGE_ROUTE, (uint16_t)(l->n + tunnel.n));
	if (unlikely(rules_on())) {
		rules_check(w, &tunnel); /* both zones are known now: allowed, or dropped */
		rules_check(w, l);
		stage_done(&w->stage, STAGE_RULES, (uint16_t)(l->n + tunnel.n));
	}
	if (l->n) {
		fib_neighbours(w, l); /* unknown: the packet waits with control */
		flow_keep_clear(w, l);
		path_clear(w, l);
	}
	if (tunnel.n) {
		spd_match(w, &tunnel); /* proxy-ID, then its outbound SA; none: ask for keys, drop */
		flow_keep_tunnel(w, &tunnel);
		path_into_sa(w, &tunnel);
	}
	if (local.n)
		path_local(w, &local); /* inner packet addressed to the gateway itself */
}

/* Packets of known flows: all that path_forward() does has been done once, and holds. */
static void path_known(struct worker *w, struct known *k)
{
	if (k->clear.n)
		path_clear(w, &k->clear);
	if (k->tunnel.n)
		path_into_sa(w, &k->tunnel);
}

/* ICMP errors that the stages above have made.  Being packets of IF_SELF they cause no others. */
static void path_made(struct worker *w)
{
	struct list l;

	if (likely(w->n_made == 0))
		return;
	l.n = 0;
	for (uint16_t i = 0; i < w->n_made; i++)
		list_add(&l, &w->made[i]);
	w->n_made = 0;
	path_forward(w, &l);
}

/* ESP whose SA is known; `others`: some of them are another worker's. */
static void path_out_of_sa(struct worker *w, struct list *l, bool others)
{
	struct known known;

	if (unlikely(others))
		handover_sa_in(w, l);
	stage_done(&w->stage, STAGE_IN_SA, l->n);
	capture_tap(w, l, DP_CAPTURE_OUTER, true);
	esp_in_check(w, l); /* lengths, sequence number against the window */
	stage_done(&w->stage, STAGE_IN_CHECK, l->n);
	esp_in_open(w, l); /* verify and decrypt */
	stage_done(&w->stage, STAGE_IN_OPEN, l->n);
	esp_in_finish(w, l); /* window moves; padding, inner header, selectors; strip */
	capture_tap(w, l, DP_CAPTURE_INNER, true);
	mss_clamp_in(l); /* no TCP segment back will be too big for the tunnel */
	stage_done(&w->stage, STAGE_IN_FINISH, l->n);
	flow_find(w, l, &known);
	stage_done(&w->stage, STAGE_FLOW, (uint16_t)(l->n + known.clear.n + known.tunnel.n));
	path_known(w, &known);
	if (likely(l->n == 0))
		return;
	esp_in_admit(w, l); /* of flows yet unknown: addresses */
	if (unlikely(frag_ports_on()))
		frag_ports(w, l); /* fragments wait for the first of their datagram, which tells ports */
	if (l->n)
		path_forward(w, l);
}

/* ESP, raw or in UDP 4500, addressed to us. */
static void path_inbound(struct worker *w, struct list *l)
{
	bool others = sad_lookup(w, l); /* SPI -> SA */

	path_out_of_sa(w, l, others);
}

/* Decrypted fragments that have waited for the first before their SA's selectors could be asked. */
static void path_inbound_resume(struct worker *w, struct list *l)
{
	esp_in_resume(w, l);
	capture_tap(w, l, DP_CAPTURE_INNER, true);
	if (l->n)
		path_forward(w, l);
}

/* What has come in, by class. */
struct arrivals {
	struct list transit, esp, local, fragments;
};

static inline void arrivals_start(struct arrivals *a)
{
	a->transit.n = a->esp.n = a->local.n = a->fragments.n = 0;
}

static inline void arrivals_add(struct worker *w, struct arrivals *a, struct pkt *p)
{
	switch ((enum pkt_class)p->cls) {
	case PKT_TRANSIT: list_add(&a->transit, p); break;
	case PKT_TRANSIT_FRAGMENT: list_add(frag_ports_on() ? &a->fragments : &a->transit, p); break;
	case PKT_FRAGMENT: list_add(&a->fragments, p); break;
	case PKT_ESP:
	case PKT_ESP_UDP: list_add(&a->esp, p); break;
	case PKT_IKE: punt_ike(w, p); break;
	case PKT_ARP:
	case PKT_ND:
	case PKT_ICMP: list_add(&a->local, p); break;
	case PKT_DROP: pkt_drop(w, p, (enum drop)p->drop); break;
	case PKT_IP: /* has been placed */
	case PKT_WAITED:
	case PKT_WAITED_IN: break; /* do not come from the parser */
	}
}

/* In the clear, and for us: echo requests from where a tunnel leads should have come out of it (RFC 4301 5.2), and their
 * answers would go into it.  Errors pass: routers on the way to a peer make them, whichever way a default route leads. */
static void path_refuse_questions(struct worker *w, struct list *l)
{
	struct list asks;
	uint16_t kept = 0;

	asks.n = 0;
	for (uint16_t i = 0; i < l->n; i++) {
		struct pkt *p = l->p[i];
		uint8_t echo = p->v == 6 ? ICMP6_ECHO : ICMP_ECHO;

		if (p->cls == PKT_ICMP && p->dport >> 8 == echo)
			list_add(&asks, p);
		else
			l->p[kept++] = p;
	}
	l->n = kept;
	if (asks.n)
		fib_refuse_clear(w, &asks);
	for (uint16_t i = 0; i < asks.n; i++)
		list_add(l, asks.p[i]);
}

static void path_arrived(struct worker *w, struct arrivals *a)
{
	if (a->esp.n)
		path_inbound(w, &a->esp);
	if (a->transit.n)
		path_forward(w, &a->transit);
	if (a->local.n) {
		path_refuse_questions(w, &a->local);
		if (host_on())
			host_refuse(w, &a->local); /* what transport mode should have protected */
		path_local(w, &a->local);
	}
}

/* Fragments: in transit they get to know their ports; those of datagrams for us make these, which are then taken for
 * what they are, as if they had come in one piece. */
static __rte_noinline void path_fragments(struct worker *w, struct list *l)
{
	struct list ours;
	struct arrivals a;

	handover_fragments(w, l); /* those of a datagram meet at one worker */
	arrivals_start(&a);
	ours.n = 0;
	for (uint16_t i = 0; i < l->n; i++)
		list_add(l->p[i]->cls == PKT_FRAGMENT ? &ours : &a.transit, l->p[i]);
	frag_ports(w, &a.transit);
	reassemble(w, &ours);
	for (uint16_t i = 0; i < ours.n; i++)
		arrivals_add(w, &a, ours.p[i]);
	stage_done(&w->stage, STAGE_GATEWAY, ours.n);
	path_arrived(w, &a);
}

/* IPv4: of flows that are known, or for whom? */
static void path_ip(struct worker *w, struct arrivals *a, struct list *l)
{
	struct known known;

	flow_find(w, l, &known);
	stage_done(&w->stage, STAGE_FLOW, (uint16_t)(l->n + known.clear.n + known.tunnel.n));
	path_known(w, &known);
	for (uint16_t i = 0; i < l->n; i++) {
		parse_place(l->p[i]);
		arrivals_add(w, a, l->p[i]);
	}
}

void path_rx(struct worker *w, uint16_t in_if, struct rte_mbuf **m, uint16_t n)
{
	struct arrivals a;
	struct parsed got;
	struct list ours;
	bool others;

	flow_begin(w);
	arrivals_start(&a);
	parse_burst(w, in_if, m, n, &got);
	for (uint16_t i = 0; i < got.rest.n; i++)
		arrivals_add(w, &a, got.rest.p[i]);
	stage_done(&w->stage, STAGE_PARSE, n);
	if (got.esp.n) {
		/* Between the ends of their SA: no question whom they are for. */
		others = sad_lookup_plain(w, &got.esp, &ours);
		for (uint16_t i = 0; i < got.esp.n; i++)
			list_add(&got.ip, got.esp.p[i]);
		path_out_of_sa(w, &ours, others);
	}
	if (got.ip.n)
		path_ip(w, &a, &got.ip);
	if (unlikely(a.fragments.n))
		path_fragments(w, &a.fragments);
	path_arrived(w, &a);
	path_made(w);
}

/* An echo request that control has made (echo.c). */
static struct pkt own_echo(struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, L2);
	struct pkt p = {
		.m = m,
		.v = ip->version_ihl >> 4,
		.in_if = IF_SELF,
		.l3_off = L2,
		.ip_len = (uint16_t)(m->data_len - L2),
		.cls = PKT_TRANSIT,
	};

	if (p.v == 6) {
		p.proto = IPPROTO_ICMPV6;
		p.dport = ICMP6_ECHO << 8;
		p.l3_len = IP6_HDR;
	} else {
		p.proto = IPPROTO_ICMP;
		p.dport = ICMP_ECHO << 8;
		p.l3_len = sizeof(*ip);
		p.src4 = ip->src_addr;
		p.dst4 = ip->dst_addr;
	}
	return p;
}

void path_into_tunnel(struct worker *w, uint16_t tunnel_if, struct rte_mbuf *m)
{
	struct pkt p = own_echo(m);
	struct list l = {.n = 1, .p = {&p}};

	p.out_if = tunnel_if;
	p.next_hop = tunnel_if;
	path_outbound(w, &l);
	path_made(w);
}

void path_own(struct worker *w, struct rte_mbuf *m)
{
	struct pkt p = own_echo(m);
	struct list l = {.n = 1, .p = {&p}};

	path_forward(w, &l);
	path_made(w);
}

void path_unresolved(struct worker *w, uint16_t in_if, struct rte_mbuf *m)
{
	struct pkt p = {.m = m, .in_if = in_if};

	if (parse_ip(&p, m->data_len) == DROP_NONE) /* as it was when it came */
		icmp_drop(w, &p, DROP_NEIGH_UNRESOLVED);
	else
		pkt_drop(w, &p, DROP_NEIGH_UNRESOLVED);
	path_made(w);
}

unsigned path_early(struct worker *w)
{
	struct list esp;
	unsigned n;

	esp.n = 0;
	early_take(w, &esp);
	n = esp.n;
	if (n)
		path_inbound(w, &esp);
	path_made(w);
	return n;
}

void path_dummy(struct worker *w, uint32_t sa_out, struct rte_mbuf *m)
{
	struct sa_out *sa = sad_out_at(sa_out);
	struct pkt p = {
		.m = m,
		.sa_out = sa,
		.in_if = IF_SELF,
		.l3_off = L2,
		.ip_len = (uint16_t)(m->data_len - L2),
		.cls = PKT_TRANSIT,
	};
	struct list l = {.n = 1, .p = {&p}};

	/* It may have gone since; a slot that has a new SA has a new handle. */
	if (atomic_load_explicit(&sa->handle, memory_order_acquire) == sa_out)
		path_encrypt(w, &l);
	else
		pkt_drop(w, &p, DROP_TUNNEL_NO_SA);
}

void path_handed_over(struct worker *w, struct rte_mbuf **m, uint16_t n)
{
	struct list out, esp, fragments, waited[2], waited_in; /* waited[1]: came by a port */

	flow_begin(w);
	out.n = esp.n = fragments.n = waited[0].n = waited[1].n = waited_in.n = 0;
	for (uint16_t i = 0; i < n; i++) {
		struct pkt *p = &w->pkts[i];

		*p = *handover_pkt(m[i]);
		p->m = m[i];
		switch ((enum pkt_class)p->cls) {
		case PKT_TRANSIT: list_add(&out, p); break;
		case PKT_TRANSIT_FRAGMENT:
		case PKT_FRAGMENT: list_add(&fragments, p); break;
		case PKT_WAITED: list_add(&waited[from_port(p)], p); break;
		case PKT_WAITED_IN: list_add(&waited_in, p); break;
		default: list_add(&esp, p); break;
		}
	}
	if (unlikely(fragments.n))
		path_fragments(w, &fragments);
	if (esp.n)
		path_inbound(w, &esp);
	if (unlikely(waited_in.n))
		path_inbound_resume(w, &waited_in);
	for (unsigned i = 0; i < 2; i++)
		if (unlikely(waited[i].n))
			path_forward(w, &waited[i]);
	if (out.n)
		path_outbound(w, &out);
	path_made(w);
}
