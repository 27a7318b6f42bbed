/* SPDX-License-Identifier: Apache-2.0 */
#include "parse.h"

#include <emmintrin.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_prefetch.h>
#include <rte_udp.h>

#include "dp.h"
#include "fib.h"
#include "parse_l4.h"
#include "parse_plain.h"
#include "port.h"

enum {
	ETH = sizeof(struct rte_ether_hdr),
	IPV4_MIN = 20,
	ARP_LEN = 28,
	ESP_HDR = 8, /* SPI and sequence number */
	PORT_IKE = 500,
	PORT_NATT = 4500,
};

/* One's complement sum over a header, which is a number of 32-bit words; 0xffff when the checksum in it is right
 * (RFC 1071 2).  len is a constant nearly always. */
static inline uint16_t header_sum(const uint8_t *b, unsigned len)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < len; i += 4) {
		uint32_t word;

		memcpy(&word, b + i, sizeof(word));
		sum += word;
	}
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

/* The port's verdict where it has one; an inner packet and what this host made have none. */
static inline bool checksum_right(const struct rte_mbuf *m, const uint8_t *b, unsigned len)
{
	uint64_t port = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;

	if (port == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		return true;
	if (port == RTE_MBUF_F_RX_IP_CKSUM_BAD)
		return false;
	return (likely(len == IPV4_MIN) ? header_sum(b, IPV4_MIN) : header_sum(b, len)) == 0xffff;
}

/* RFC 1122 3.2.1.3, RFC 1812 5.3.7: this network, loopback, multicast, class E and broadcast neither
 * send through a gateway nor are sent to by one.  Host order. */
static inline bool martian(uint32_t ip)
{
	uint8_t net = (uint8_t)(ip >> 24);

	return net == 0 || net == 127 || net >= 224;
}

/* RFC 791 3.1.  Source routing would let a sender choose the way round our policy (RFC 6274 3.13.2.3);
 * the list itself has to be sound, too. */
static enum drop check_options(const uint8_t *o, unsigned len)
{
	while (len > 0 && o[0] != 0) { /* 0: end of list */
		unsigned skip = 1;

		if (o[0] != 1) { /* 1: no operation, the only other single byte */
			if (len < 2 || o[1] < 2 || o[1] > len)
				return DROP_IP_HEADER;
			if (o[0] == 131 || o[0] == 137) /* loose, strict source and record route */
				return DROP_IP_OPTIONS;
			skip = o[1];
		}
		o += skip;
		len -= skip;
	}
	return DROP_NONE;
}

enum drop parse_headers(struct pkt *p, uint16_t len)
{
	const uint8_t *b = pkt_l3(p);
	unsigned hlen, total;
	enum drop why;

	if (len < 1)
		return DROP_IP_TRUNCATED;
	p->v = b[0] >> 4;
	if (p->v == 6)
		return parse6_ip(p, len);
	if (p->v != 4)
		return DROP_IP_HEADER;
	if (len < IPV4_MIN)
		return DROP_IP_TRUNCATED;
	hlen = (b[0] & 15u) * 4;
	total = parse_be16(b + 2);
	if (unlikely(hlen < IPV4_MIN || total < hlen))
		return DROP_IP_HEADER;
	if (unlikely(total > len))
		return DROP_IP_TRUNCATED;
	if (unlikely(!checksum_right(p->m, b, hlen)))
		return DROP_IP_CHECKSUM;
	p->l3_len = (uint16_t)hlen;
	p->ip_len = (uint16_t)total;
	p->proto = b[9];
	memcpy(&p->src4, b + 12, 4);
	memcpy(&p->dst4, b + 16, 4);
	if (unlikely(hlen > IPV4_MIN)) {
		why = check_options(b + IPV4_MIN, hlen - IPV4_MIN);
		if (why != DROP_NONE)
			return why;
	}
	p->fragment = parse_be16(b + 6) & 0x3fff ? FRAG_BLIND : FRAG_NO; /* more fragments, or an offset */
	return parse_l4(p, b + hlen, total - hlen);
}

/* UDP 4500: RFC 3948 2.2 (non-ESP marker), 2.3 (keepalive), 2.1 (ESP). */
static void classify_natt(struct pkt *p, const uint8_t *payload, unsigned len)
{
	static const uint8_t marker[4];

	if (len == 1 && payload[0] == 0xff)
		parse_drop(p, DROP_NATT_KEEPALIVE);
	else if (len > 4 && memcmp(payload, marker, 4) == 0)
		p->cls = PKT_IKE;
	else if (len >= ESP_HDR && memcmp(payload, marker, 4) != 0)
		p->cls = PKT_ESP_UDP;
	else
		parse_drop(p, DROP_NATT_MALFORMED);
	p->esp_off = (uint16_t)(p->l3_off + p->l3_len + PARSE_UDP_HDR);
}

static void classify_udp(struct pkt *p)
{
	const uint8_t *udp = pkt_at(p, (uint16_t)(p->l3_off + p->l3_len));
	unsigned have = (unsigned)(p->ip_len - p->l3_len); /* parse_l4: at least PARSE_UDP_HDR */
	unsigned len = parse_be16(udp + 4);

	if (len < PARSE_UDP_HDR || len > have)
		parse_drop(p, DROP_L4_TRUNCATED);
	else if (p->dport == PORT_NATT)
		classify_natt(p, udp + PARSE_UDP_HDR, len - PARSE_UDP_HDR);
	else if (p->dport == PORT_IKE)
		p->cls = PKT_IKE;
	else
		parse_drop(p, DROP_LOCAL_NO_SERVICE);
}

/* A fragment is no whole message: it must not be taken for one. */
static void classify_fragment(struct pkt *p)
{
	if (p->proto == IPPROTO_ESP || p->proto == IPPROTO_UDP ||
	    p->proto == (p->v == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		p->cls = PKT_FRAGMENT;
	else
		parse_drop(p, DROP_LOCAL_NO_SERVICE);
}

void parse_local(struct pkt *p)
{
	if (unlikely(p->fragment)) {
		classify_fragment(p);
		return;
	}
	switch (p->proto) {
	case IPPROTO_ESP:
		p->cls = PKT_ESP;
		p->esp_off = (uint16_t)(p->l3_off + p->l3_len);
		if (p->ip_len - p->l3_len < ESP_HDR)
			parse_drop(p, DROP_ESP_TRUNCATED);
		break;
	case IPPROTO_UDP: classify_udp(p); break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if ((p->proto == IPPROTO_ICMP) == (p->v == 4))
			p->cls = PKT_ICMP;
		else
			parse_drop(p, DROP_LOCAL_NO_SERVICE);
		break;
	default: parse_drop(p, DROP_LOCAL_NO_SERVICE); break;
	}
}

static inline void parse_ipv4_frame(struct pkt *p, const struct rte_ether_hdr *eth)
{
	struct rte_mbuf *m = p->m;
	enum drop why;
	uint16_t end;

	/* RFC 1122 3.3.6, RFC 1812 5.3.4: what was broadcast on the link is not forwarded, and no service
	 * here listens to broadcasts. */
	if (unlikely(eth->dst_addr.addr_bytes[0] & 1)) {
		parse_drop(p, DROP_L2_MULTICAST);
		return;
	}
	p->l3_off = sizeof(*eth);
	why = parse_headers(p, (uint16_t)(m->data_len - sizeof(*eth)));
	if (unlikely(why != DROP_NONE || p->v != 4)) { /* the EtherType says 4 */
		parse_drop(p, why != DROP_NONE ? why : DROP_IP_HEADER);
		return;
	}
	end = (uint16_t)(p->l3_off + p->ip_len);
	if (end != m->data_len) {
		m->data_len = end;
		m->pkt_len = end;
	}
	p->cls = PKT_IP;
}

bool parse_addresses(const struct pkt *p)
{
	return p->v == 6 ||
	       likely(!martian(ntohl(p->src4)) && !martian(ntohl(p->dst4)) && !fib_is_own(p->src4));
}

enum drop parse_ip(struct pkt *p, uint16_t len)
{
	enum drop why = parse_headers(p, len);

	return why != DROP_NONE ? why : parse_addresses(p) ? DROP_NONE : DROP_IP_MARTIAN;
}

void parse_place(struct pkt *p)
{
	if (unlikely(!parse_addresses(p)))
		parse_drop(p, DROP_IP_MARTIAN);
	else if (fib_is_own(p->dst4))
		parse_local(p);
	else
		p->cls = parse_transit(p);
}

/* RFC 826, for Ethernet and IPv4 only. */
static void parse_arp_frame(struct pkt *p, const struct rte_ether_hdr *eth)
{
	static const uint8_t kind[6] = {0, 1, 8, 0, 6, 4}; /* Ethernet, IPv4, and their lengths */
	const uint8_t *arp = (const uint8_t *)(eth + 1);

	p->l3_off = sizeof(*eth);
	if (p->m->data_len < sizeof(*eth) + ARP_LEN || memcmp(arp, kind, sizeof(kind)) != 0 || arp[6] != 0 ||
	    (arp[7] != 1 && arp[7] != 2))
		parse_drop(p, DROP_ARP_MALFORMED);
	else
		p->cls = PKT_ARP;
}

/* What has no tag, or none any more. */
static __attribute__((noinline)) void parse_untagged(struct pkt *p)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(p->m, const struct rte_ether_hdr *);

	switch (eth->ether_type) {
	case RTE_BE16(RTE_ETHER_TYPE_IPV4): parse_ipv4_frame(p, eth); break;
	case RTE_BE16(RTE_ETHER_TYPE_ARP): parse_arp_frame(p, eth); break;
	case RTE_BE16(RTE_ETHER_TYPE_IPV6):
		p->l3_off = sizeof(*eth);
		parse6_frame(p, eth->dst_addr.addr_bytes);
		break;
	default: parse_drop(p, DROP_L2_TYPE); break;
	}
}

static bool is_tag(rte_be16_t type)
{
	return type == RTE_BE16(RTE_ETHER_TYPE_VLAN) || type == RTE_BE16(RTE_ETHER_TYPE_QINQ);
}

/* IEEE 802.1Q.  The tag is taken off, in its buffer or in the device already: what follows sees a frame of the
 * VLAN's own link, untagged.  VLAN 0 is none: such a tag carries a priority only. */
static __attribute__((noinline)) void parse_tagged(struct worker *w, struct pkt *p, const struct port *port)
{
	struct rte_mbuf *m = p->m;
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	uint16_t len = m->data_len, vid;

	if (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) {
		vid = m->vlan_tci;
		len += RTE_VLAN_HLEN;
	} else if (len < sizeof(*eth) + RTE_VLAN_HLEN) {
		parse_drop(p, DROP_VLAN_TRUNCATED);
		return;
	} else if (eth->ether_type != RTE_BE16(RTE_ETHER_TYPE_VLAN)) {
		parse_drop(p, DROP_VLAN_NESTED);
		return;
	} else {
		vid = rte_be_to_cpu_16(((const struct rte_vlan_hdr *)(eth + 1))->vlan_tci);
		memmove((uint8_t *)eth + RTE_VLAN_HLEN, eth, 2 * RTE_ETHER_ADDR_LEN);
		eth = (struct rte_ether_hdr *)rte_pktmbuf_adj(m, RTE_VLAN_HLEN);
	}
	if (is_tag(eth->ether_type)) {
		parse_drop(p, DROP_VLAN_NESTED);
		return;
	}
	vid &= VLANS - 1;
	if (vid) {
		uint8_t link = port_of_vlan(port, vid);

		if (!link) {
			parse_drop(p, DROP_VLAN_UNKNOWN);
			return;
		}
		p->in_if = ports[link].ifindex;
		count_add(&w->vlan[link].rx_packets, 1);
		count_add(&w->vlan[link].rx_bytes, len);
	}
	parse_untagged(p);
}

/* An untagged frame with a plain IPv4 packet, and for our MAC: destination and EtherType are compared at
 * once.  A checksum that its port finds wrong is wrong. */
static inline bool parse_plain_frame(struct pkt *p, const struct port *port, uint16_t in_if)
{
	const uint32_t care = 0x303f; /* bytes 0 to 5, 12 and 13 */
	struct rte_mbuf *m = p->m;
	const uint8_t *eth = rte_pktmbuf_mtod(m, const uint8_t *);
	uint16_t end;

	if (unlikely(m->nb_segs != 1 || m->data_len < ETH + PLAIN4_HDR ||
		     m->ol_flags & (RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_IP_CKSUM_BAD)))
		return false;
	if (unlikely((~(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)eth),
								  *(const __m128i *)port->plain_frame)) &
		      care) != 0))
		return false;
	if (unlikely(!parse_plain4(p, eth + ETH, m->data_len - ETH, ETH, in_if)))
		return false;
	p->cls = PKT_IP;
	end = (uint16_t)(ETH + p->ip_len);
	if (end != m->data_len) {
		m->data_len = end;
		m->pkt_len = end;
	}
	return true;
}

static inline void parse_frame(struct worker *w, struct pkt *p, const struct port *port)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(p->m, const struct rte_ether_hdr *);

	if (unlikely(p->m->nb_segs != 1)) {
		parse_drop(p, DROP_L2_TOO_BIG);
		return;
	}
	if (unlikely(p->m->data_len < sizeof(*eth))) {
		parse_drop(p, DROP_L2_TRUNCATED);
		return;
	}
	if (memcmp(eth->dst_addr.addr_bytes, port->mac, 6) != 0 && !(eth->dst_addr.addr_bytes[0] & 1)) {
		parse_drop(p, DROP_L2_NOT_FOR_US);
		return;
	}
	if (unlikely(p->m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED))
		parse_tagged(w, p, port);
	else if (likely(eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4)))
		parse_ipv4_frame(p, eth);
	else if (is_tag(eth->ether_type))
		parse_tagged(w, p, port);
	else
		parse_untagged(p);
}

/* All that parse_plain_frame() has left.  A port without addresses is no interface: what comes to it without a tag ends
 * here. */
static __attribute__((noinline)) void parse_special(struct worker *w, struct pkt *p, const struct port *port,
						    struct parsed *out)
{
	uint16_t in_if = p->in_if;

	parse_frame(w, p, port);
	if (!port->has_addr && p->in_if == in_if && p->cls != PKT_DROP)
		parse_drop(p, DROP_VLAN_MISSING);
	if (p->cls != PKT_IP)
		list_add(&out->rest, p);
	else
		list_add(p->proto == IPPROTO_ESP && !p->fragment ? &out->esp : &out->ip, p);
}

void parse_burst(struct worker *w, uint16_t in_if, struct rte_mbuf **m, uint16_t n, struct parsed *out)
{
	const struct port *port = &ports[dp.ifs[in_if].port];
	const bool has_addr = port->has_addr;

	out->esp.n = out->ip.n = out->rest.n = 0;
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
	for (uint16_t i = 0; i < n; i++) {
		struct pkt *p = &w->pkts[i];

		memset(p, 0, sizeof(*p));
		p->m = m[i];
		p->in_if = in_if;
		if (likely(has_addr && parse_plain_frame(p, port, in_if)))
			list_add(p->proto == IPPROTO_ESP ? &out->esp : &out->ip, p);
		else
			parse_special(w, p, port, out);
	}
}
