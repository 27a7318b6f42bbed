/* SPDX-License-Identifier: Apache-2.0 */
/* What parse.c and parse6.c share: the upper layer, and packets addressed to us. */
#pragma once

#include <netinet/in.h>

#include "worker.h"

enum { PARSE_PROTO_DCCP = 33, PARSE_ICMP_HDR = 8, PARSE_UDP_HDR = 8 };

static inline uint16_t parse_be16(const uint8_t *b)
{
	return (uint16_t)(b[0] << 8 | b[1]);
}

/* Ports, or type and code.  All fragments of a datagram go without, so that they share one fate. */
static inline enum drop parse_l4(struct pkt *p, const uint8_t *b, unsigned len)
{
	unsigned need;

	p->sport = p->dport = 0;
	if (p->fragment)
		return DROP_NONE;
	switch (p->proto) {
	case IPPROTO_TCP: need = 20; break;
	case IPPROTO_UDP: need = PARSE_UDP_HDR; break;
	case IPPROTO_SCTP:
	case PARSE_PROTO_DCCP: need = 12; break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (len < PARSE_ICMP_HDR)
			return DROP_L4_TRUNCATED;
		p->dport = parse_be16(b);
		return DROP_NONE;
	default: return DROP_NONE;
	}
	if (len < need)
		return DROP_L4_TRUNCATED;
	p->sport = parse_be16(b);
	p->dport = parse_be16(b + 2);
	return DROP_NONE;
}

static inline void parse_drop(struct pkt *p, enum drop why)
{
	p->cls = PKT_DROP;
	p->drop = (uint8_t)why;
}

/* The class of a packet that is not addressed to us. */
static inline uint8_t parse_transit(const struct pkt *p)
{
	static_assert(PKT_TRANSIT + FRAG_NO == PKT_TRANSIT &&
			      PKT_TRANSIT + FRAG_BLIND == PKT_TRANSIT_FRAGMENT,
		      "no branch for what is rare");
	return p->fragment;
}

/* The class of a sound packet that is addressed to us. */
void parse_local(struct pkt *p);
/* Of a first fragment of IPv6: go on behind the fragment header, so that proto and l3_len are of the upper layer. */
enum drop parse6_upper(struct pkt *p);

/* An IPv6 packet, as parse_ip() wants it; and a frame whose EtherType says that it is one. */
enum drop parse6_ip(struct pkt *p, uint16_t len);
void parse6_frame(struct pkt *p, const uint8_t dst_mac[6]);
