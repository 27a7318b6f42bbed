/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv6: header, extension headers, addresses (RFC 8200, RFC 4291).
 *
 * The walk along extension headers ends at the upper layer or at a fragment header: what lies behind that
 * is there in the first fragment only, so no fragment tells its ports.  A fragment header on a packet that
 * is whole (RFC 6946) is passed over.
 */
#include <netinet/in.h>
#include <string.h>

#include "dp.h"
#include "fib_own.h"
#include "ip6.h"
#include "parse.h"
#include "parse_l4.h"
#include "port.h"

enum {
	EXT_MAX = 8,    /* more than RFC 8200 4.1 has a use for; a longer chain is there to cost time */
	ND_FIRST = 133, /* router solicitation ... */
	ND_LAST = 137,  /* ... redirect */
	ND_HOPS = 255,
};

static uint8_t *header(const struct pkt *p)
{
	return pkt_l3(p);
}

static const uint8_t *src_of(const struct pkt *p)
{
	return header(p) + 8;
}

static const uint8_t *dst_of(const struct pkt *p)
{
	return header(p) + 24;
}

/* RFC 8200 4.5.  True: the walk ends here. */
static bool at_fragment(struct pkt *p, const uint8_t *ext)
{
	p->fragment = parse_be16(ext + 2) & 0xfff9 ? FRAG_BLIND : FRAG_NO; /* an offset, or more fragments */
	return p->fragment != FRAG_NO;
}

/* From header `next` at `off` on: proto and l3_len of the upper layer, or of what is behind a fragment header. */
static enum drop walk(struct pkt *p, const uint8_t *b, unsigned total, uint8_t next, unsigned off)
{
	unsigned len;

	for (unsigned i = 0; i < EXT_MAX; i++) {
		const uint8_t *ext = b + off;

		switch (next) {
		case IPPROTO_HOPOPTS:
			if (off != IP6_HDR) /* RFC 8200 4.1: directly behind the fixed header */
				return DROP_IPV6_EXTENSION;
			break;
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
		case IPPROTO_FRAGMENT: break;
		default:
			p->proto = next;
			p->l3_len = (uint16_t)off;
			return DROP_NONE;
		}
		if (total - off < 8)
			return DROP_IPV6_EXTENSION;
		len = next == IPPROTO_FRAGMENT ? 8 : (ext[1] + 1u) * 8;
		if (len > total - off)
			return DROP_IPV6_EXTENSION;
		/* Source routing would let a sender choose the way round our policy (RFC 5095); a route that
		 * has been travelled to its end is history. */
		if (next == IPPROTO_ROUTING && (ext[3] != 0 || ext[2] == 0))
			return DROP_IP_OPTIONS;
		if (next == IPPROTO_FRAGMENT && at_fragment(p, ext)) {
			p->proto = ext[0];
			p->l3_len = (uint16_t)(off + len);
			return DROP_NONE;
		}
		next = ext[0];
		off += len;
	}
	return DROP_IPV6_EXTENSION;
}

enum drop parse6_upper(struct pkt *p)
{
	enum drop why = walk(p, header(p), p->ip_len, p->proto, p->l3_len);

	return why != DROP_NONE ? why : p->fragment ? DROP_IPV6_EXTENSION : DROP_NONE;
}

/* All but the addresses. */
static enum drop parse_header(struct pkt *p, uint16_t len)
{
	const uint8_t *b = header(p);
	unsigned total;
	enum drop why;

	p->v = 6;
	if (len < IP6_HDR)
		return DROP_IP_TRUNCATED;
	if (b[0] >> 4 != 6)
		return DROP_IP_HEADER;
	total = IP6_HDR +
		(unsigned)parse_be16(b + 4); /* jumbograms (RFC 2675) say 0 here and end as truncated */
	if (total > len)
		return DROP_IP_TRUNCATED;
	p->ip_len = (uint16_t)total;
	p->src4 = p->dst4 = 0;
	p->fragment = FRAG_NO;
	why = walk(p, b, total, b[6], IP6_HDR);
	return why != DROP_NONE ? why : parse_l4(p, b + p->l3_len, total - p->l3_len);
}

/* RFC 4291 2.5.2, 2.5.3, 2.5.5 and RFC 6890: unspecified, loopback, and IPv4 addresses in IPv6's clothes,
 * none of which belongs on a wire. */
static bool never_on_wire(const uint8_t a[16])
{
	static const uint8_t zero[10];

	return memcmp(a, zero, sizeof(zero)) == 0 &&
	       ((a[10] == 0 && a[11] == 0) || (a[10] == 0xff && a[11] == 0xff));
}

static bool martian(const struct pkt *p)
{
	const uint8_t *src = src_of(p), *dst = dst_of(p);

	return never_on_wire(src) || never_on_wire(dst) || ip6_is_multicast(src) || ip6_is_multicast(dst) ||
	       fib_is_own6(src);
}

enum drop parse6_ip(struct pkt *p, uint16_t len)
{
	enum drop why = parse_header(p, len);

	if (why != DROP_NONE)
		return why;
	/* RFC 4291 2.5.6: link-local addresses are not forwarded. */
	return martian(p) || ip6_is_link_local(src_of(p)) || ip6_is_link_local(dst_of(p)) ? DROP_IP_MARTIAN
											  : DROP_NONE;
}

/* ---- frames -------------------------------------------------------------------------------- */

/* RFC 4861 2.3, 7.2.1: multicast that a host listens to.  Solicited-node addresses are not told apart
 * here: the target inside is what counts. */
static bool multicast_for_us(const struct pkt *p)
{
	static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
	static const uint8_t solicited[13] = {0xff, 2, [11] = 1, [12] = 0xff};
	const uint8_t *dst = dst_of(p);

	return memcmp(dst, all_nodes, 16) == 0 || memcmp(dst, solicited, 13) == 0;
}

static bool is_nd(const struct pkt *p)
{
	return p->proto == IPPROTO_ICMPV6 && !p->fragment && p->dport >> 8 >= ND_FIRST &&
	       p->dport >> 8 <= ND_LAST;
}

/* Neighbour discovery has rules of its own for addresses; what came through a router is not of this link
 * (RFC 4861 3.1). */
static void classify_nd(struct pkt *p)
{
	if (header(p)[7] != ND_HOPS)
		parse_drop(p, DROP_ND_OFF_LINK);
	else
		p->cls = PKT_ND;
}

static bool own_link_local(const struct pkt *p)
{
	const struct port *port = &ports[dp.ifs[p->in_if].port];

	return port->has_v6 && memcmp(port->link_local.b, dst_of(p), 16) == 0;
}

static void classify(struct pkt *p)
{
	bool ll_dst = ip6_is_link_local(dst_of(p)), own = ll_dst ? own_link_local(p) : fib_is_own6(dst_of(p));

	if (is_nd(p) && (own || ip6_is_multicast(dst_of(p)))) {
		classify_nd(p);
		return;
	}
	if (martian(p) || (ll_dst && !own)) {
		parse_drop(p, DROP_IP_MARTIAN);
		return;
	}
	if (!ll_dst && !ip6_is_link_local(src_of(p))) {
		if (own)
			parse_local(p);
		else
			p->cls = parse_transit(p);
		return;
	}
	/* On the link, for us: nothing but echo. */
	if (!own)
		parse_drop(p, DROP_IP_MARTIAN);
	else if (p->proto == IPPROTO_ICMPV6 && !p->fragment)
		p->cls = PKT_ICMP;
	else
		parse_drop(p, p->fragment ? DROP_IP_FRAGMENT : DROP_LOCAL_NO_SERVICE);
}

void parse6_frame(struct pkt *p, const uint8_t dst_mac[6])
{
	struct rte_mbuf *m = p->m;
	enum drop why = parse_header(p, (uint16_t)(m->data_len - p->l3_off));
	bool multicast = dst_mac[0] & 1;

	if (why != DROP_NONE) {
		parse_drop(p, why);
		return;
	}
	m->data_len = (uint16_t)(p->l3_off + p->ip_len);
	m->pkt_len = m->data_len;
	if (multicast && !(is_nd(p) && multicast_for_us(p))) {
		parse_drop(p, DROP_L2_MULTICAST);
		return;
	}
	classify(p);
}
