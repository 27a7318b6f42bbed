/* SPDX-License-Identifier: Apache-2.0 */
#include "icmp.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include "dp.h"
#include "spd.h"

enum {
	L2 = sizeof(struct rte_ether_hdr),
	HDR4 = 20,
	HDR6 = 40,
	ICMP_HDR = 8,
	TOTAL4_MAX = 576,  /* RFC 1812 4.3.2.3 */
	TOTAL6_MAX = 1280, /* RFC 4443 2.4 (c) */
	TTL_OWN = 64,
	TOS_OWN = 6 << 5, /* RFC 1812 4.3.2.5: internetwork control */
	BURST = 64,
};

/* Type and code of a reason, RFC 792, 1812 5.2.7 and 4443 3. */
struct message {
	uint8_t type4, code4, type6, code6;
};

static const struct message *message_of(enum drop why)
{
	static const struct message no_route = {3, 0, 1, 0}, no_neighbour = {3, 1, 1, 3},
				    too_big = {3, 4, 2, 0}, prohibited = {3, 13, 1, 1},
				    exceeded = {11, 0, 3, 0};

	switch (why) {
	case DROP_IP_TTL: return &exceeded;
	case DROP_NO_ROUTE: return &no_route;
	case DROP_NEIGH_UNRESOLVED: return &no_neighbour;
	case DROP_TOO_BIG: return &too_big;
	case DROP_TUNNEL_NO_PROXY_ID:
	case DROP_TUNNEL_SELECTOR: return &prohibited; /* RFC 4301 6 */
	default: return NULL;
	}
}

/* ---- may there be one at all? ---------------------------------------------------------------- */

/* RFC 1122 3.2.2, 1812 4.3.2.7: not about an error, nor about a fragment but the first, nor to or from what is
 * no single host.  parse_ip() lets no other sources in; broadcasts of the link end before they come here. */
static bool may_answer4(const struct pkt *p)
{
	const uint8_t *ip = pkt_l3(p);

	if ((ip[6] & 0x1f) || ip[7] || ip[16] >= 224)
		return false;
	if (p->proto != IPPROTO_ICMP)
		return true;
	if (p->ip_len <= p->l3_len)
		return false;
	switch (ip[p->l3_len]) { /* questions and answers; all else is an error, or unknown */
	case 0:
	case 8:
	case 13:
	case 14: return true;
	default: return false;
	}
}

/* The type of an ICMPv6 packet; of fragments the first shows it, right behind the fragment header.  -1: unknown. */
static int type6_of(const struct pkt *p)
{
	const uint8_t *icmp = (const uint8_t *)pkt_l3(p) + p->l3_len;

	if (p->fragment == FRAG_KNOWN)
		return p->dport >> 8;
	if (p->ip_len <= p->l3_len || (p->fragment && (icmp[-6] << 8 | icmp[-5]) & 0xfff8))
		return -1;
	return icmp[0];
}

/* RFC 4443 2.4 (e).  Too big is the exception that may be told about a multicast packet. */
static bool may_answer6(const struct pkt *p, enum drop why)
{
	static const uint8_t none[16];
	const uint8_t *ip = pkt_l3(p);
	int type;

	if (ip[8] == 0xff || memcmp(ip + 8, none, sizeof(none)) == 0)
		return false;
	if (ip[24] == 0xff && why != DROP_TOO_BIG)
		return false;
	if (p->proto != IPPROTO_ICMPV6)
		return true;
	type = type6_of(p); /* a later fragment may be part of an error */
	return type >= 128 && type != 137;
}

/* ---- from which address ---------------------------------------------------------------------- */

static struct addr sender(const struct pkt *p)
{
	const uint8_t *ip = pkt_l3(p);

	return p->v == 4 ? addr_v4(ip + 12) : addr_v6(ip + 8);
}

/* Of an interface's addresses the one on the sender's network, else the first that is no link's own. */
static const struct addr *own_of(const struct dp_if *f, const struct addr *to)
{
	const struct addr *first = NULL;

	for (unsigned i = 0; i < f->n_addr; i++) {
		const struct addr *a = &f->addr[i].a;

		if (a->v != to->v)
			continue;
		if (prefix_has(&f->addr[i], to))
			return a;
		if (!first && !(a->v == 6 && a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80))
			first = a;
	}
	return first;
}

/* RFC 1812 4.3.2.4: of the interface the packet came in by.  A tunnel interface mostly has none; then one of a
 * port's that the tunnel would carry back, for an error that its proxy-IDs refuse helps nobody. */
static const struct addr *own_address(const struct pkt *p, const struct addr *to)
{
	const struct dp_if *in = &dp.ifs[p->in_if];
	const struct addr *own = own_of(in, to);

	if (own)
		return own;
	for (uint16_t i = 0; i < dp.n_ifs; i++) {
		const struct dp_if *f = &dp.ifs[i];

		for (unsigned k = 0; f->is_port && k < f->n_addr; k++)
			if (f->addr[k].a.v == to->v &&
			    (in->is_port || spd_carries(p->in_if, &f->addr[k].a, to)))
				return &f->addr[k].a;
	}
	return NULL;
}

/* ---- the packet ------------------------------------------------------------------------------ */

static void put16(uint8_t *b, uint32_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

static void put_sum(uint8_t *at, uint32_t sum)
{
	uint16_t v;

	sum = (sum & 0xffff) + (sum >> 16);
	v = (uint16_t) ~(sum + (sum >> 16));
	memcpy(at, &v, sizeof(v));
}

static void put_ip4(struct worker *w, uint8_t *ip, const struct addr *own, const struct addr *to,
		    uint32_t total)
{
	ip[0] = 0x45;
	ip[1] = TOS_OWN;
	put16(ip + 2, total);
	put16(ip + 4, w->ip_id++);
	ip[8] = TTL_OWN;
	ip[9] = IPPROTO_ICMP;
	memcpy(ip + 12, own->b, 4);
	memcpy(ip + 16, to->b, 4);
	put_sum(ip + 10, rte_raw_cksum(ip, HDR4));
	put_sum(ip + HDR4 + 2, rte_raw_cksum(ip + HDR4, total - HDR4));
}

static void put_ip6(uint8_t *ip, const struct addr *own, const struct addr *to, uint32_t total)
{
	uint8_t pseudo[40] = {[39] = IPPROTO_ICMPV6}; /* RFC 8200 8.1 */

	ip[0] = 0x60 | TOS_OWN >> 4;
	put16(ip + 4, total - HDR6);
	ip[6] = IPPROTO_ICMPV6;
	ip[7] = TTL_OWN;
	memcpy(ip + 8, own->b, 16);
	memcpy(ip + 24, to->b, 16);
	memcpy(pseudo, ip + 8, 32);
	put16(pseudo + 34, total - HDR6);
	put_sum(ip + HDR6 + 2,
		(uint32_t)rte_raw_cksum(pseudo, sizeof(pseudo)) + rte_raw_cksum(ip + HDR6, total - HDR6));
}

static void make(struct worker *w, const struct pkt *p, const struct message *msg, uint16_t mtu,
		 const struct addr *own, const struct addr *to)
{
	uint32_t hdr = p->v == 4 ? HDR4 : HDR6, most = p->v == 4 ? TOTAL4_MAX : TOTAL6_MAX;
	uint32_t quote = RTE_MIN((uint32_t)p->ip_len, most - hdr - ICMP_HDR), total = hdr + ICMP_HDR + quote;
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp.pool);
	struct pkt *e = &w->made[w->n_made];
	uint8_t *ip, *icmp;

	ip = m ? (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(L2 + total)) : NULL;
	if (!ip) {
		rte_pktmbuf_free(m);
		count_add(&w->drops[DROP_NO_MBUF], 1);
		return;
	}
	ip += L2;
	icmp = ip + hdr;
	memset(ip, 0, hdr + ICMP_HDR);
	icmp[0] = p->v == 4 ? msg->type4 : msg->type6;
	icmp[1] = p->v == 4 ? msg->code4 : msg->code6;
	put16(icmp + 6, mtu); /* IPv6: the low half of 32 bits */
	memcpy(icmp + ICMP_HDR, pkt_l3(p), quote);
	if (p->v == 4)
		put_ip4(w, ip, own, to, total);
	else
		put_ip6(ip, own, to, total);

	memset(e, 0, sizeof(*e));
	e->m = m;
	e->v = p->v;
	e->in_if = IF_SELF;
	e->cls = PKT_TRANSIT;
	e->l3_off = L2;
	e->l3_len = (uint16_t)hdr;
	e->ip_len = (uint16_t)total;
	e->proto = p->v == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	e->dport = (uint16_t)(icmp[0] << 8 | icmp[1]);
	if (p->v == 4) {
		memcpy(&e->src4, own->b, 4);
		memcpy(&e->dst4, to->b, 4);
	}
	w->n_made++;
	count_add(&w->icmp_sent, 1);
}

static void tell(struct worker *w, const struct pkt *p, enum drop why, uint16_t mtu)
{
	const struct message *msg = message_of(why);
	const struct addr *own;
	struct addr to;

	if (!msg || p->in_if == IF_SELF || dp.conf.icmp_rate == 0)
		return;
	if (p->v == 4 ? !may_answer4(p) : !may_answer6(p, why))
		return;
	if (w->n_made == RTE_DIM(w->made) ||
	    !bucket_take(&w->icmp, w->tsc, w->tsc_hz, dp.conf.icmp_rate, BURST)) {
		count_add(&w->icmp_limited, 1);
		return;
	}
	to = sender(p);
	own = own_address(p, &to);
	if (own)
		make(w, p, msg, mtu, own, &to);
}

void icmp_drop(struct worker *w, struct pkt *p, enum drop why)
{
	tell(w, p, why, 0);
	pkt_drop(w, p, why);
}

void icmp_drop_too_big(struct worker *w, struct pkt *p, uint16_t mtu)
{
	tell(w, p, DROP_TOO_BIG, mtu);
	pkt_drop(w, p, DROP_TOO_BIG);
}
