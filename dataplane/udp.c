/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams of the control plane: built, fragmented where they have to be (an IKE message with certificates
 * easily exceeds the MTU, and a peer may not know RFC 7383), and given to the neighbour.
 */
#include "dp_api.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_random.h>
#include <rte_udp.h>

#include "dp.h"
#include "fib.h"
#include "ip6.h"
#include "neigh.h"
#include "port.h"

enum { PORT_NATT = 4500, MARKER = 4, IP_HDR = 20, UDP_HDR = 8, PACKET_MAX = 65535, TTL_OWN = 64 };
enum { MORE = 1 }; /* RFC 8200 4.5: more fragments follow */

/* What goes behind the IP header: UDP header and marker, then the caller's bytes. */
struct datagram {
	uint8_t head[UDP_HDR + MARKER];
	size_t head_len;
	const uint8_t *data;
	size_t len; /* of data */
};

static uint32_t pseudo_sum4(const struct dp_udp *u, size_t total)
{
	uint8_t pseudo[12] = {[9] = IPPROTO_UDP, [10] = (uint8_t)(total >> 8), [11] = (uint8_t)total};

	memcpy(pseudo, u->local.a.b, 4);
	memcpy(pseudo + 4, u->remote.a.b, 4);
	return rte_raw_cksum(pseudo, sizeof(pseudo));
}

static uint32_t pseudo_sum6(const struct dp_udp *u, size_t total)
{
	uint8_t addrs[32];

	memcpy(addrs, u->local.a.b, 16);
	memcpy(addrs + 16, u->remote.a.b, 16);
	return ip6_pseudo_sum(addrs, IPPROTO_UDP, (uint32_t)total);
}

static uint16_t checksum(const struct dp_udp *u, const struct datagram *d)
{
	size_t total = d->head_len + d->len;
	uint32_t sum = u->local.a.v == 4 ? pseudo_sum4(u, total) : pseudo_sum6(u, total);
	uint16_t r;

	/* All parts but the last are of even length, so their sums add up (RFC 1071 2). */
	sum += (uint32_t)rte_raw_cksum(d->head, d->head_len) + rte_raw_cksum(d->data, d->len);
	r = (uint16_t)~ip6_fold(sum);
	return r ? r : 0xffff; /* RFC 768: 0 would say that there is none */
}

static void put16(uint8_t *b, size_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

static void make_datagram(struct datagram *d, const struct dp_udp *u)
{
	static const uint8_t keepalive[1] = {0xff};
	uint16_t sum;

	memset(d, 0, sizeof(*d));
	d->data = u->keepalive ? keepalive : u->data;
	d->len = u->keepalive ? sizeof(keepalive) : u->len;
	d->head_len = u->local.port == PORT_NATT && !u->keepalive ? UDP_HDR + MARKER : UDP_HDR;
	put16(d->head, u->local.port);
	put16(d->head + 2, u->remote.port);
	put16(d->head + 4, d->head_len + d->len);
	sum = checksum(u, d);
	memcpy(d->head + 6, &sum, 2);
}

/* The part [off, off + n) of the datagram. */
static void copy_part(uint8_t *to, const struct datagram *d, size_t off, size_t n)
{
	if (off < d->head_len) {
		size_t k = d->head_len - off < n ? d->head_len - off : n;

		memcpy(to, d->head + off, k);
		to += k;
		off += k;
		n -= k;
	}
	if (n)
		memcpy(to, d->data + (off - d->head_len), n);
}

/* A part of a datagram: `more` of them follow; id is what they have in common. */
struct part {
	size_t off, len;
	uint32_t id;
	bool more;
};

static bool put_part4(struct rte_mbuf *m, const struct dp_udp *u, const struct datagram *d,
		      const struct part *f)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)rte_pktmbuf_append(m, (uint16_t)(IP_HDR + f->len));

	if (!ip) /* buffers are made for the MTU; this one is not */
		return false;
	memset(ip, 0, sizeof(*ip));
	ip->version_ihl = 0x45;
	ip->total_length = htons((uint16_t)(IP_HDR + f->len));
	ip->packet_id = (uint16_t)f->id;
	ip->fragment_offset = htons((uint16_t)((f->more ? 0x2000 : 0) | f->off / 8)); /* RFC 791 3.1 */
	ip->time_to_live = TTL_OWN;
	ip->next_proto_id = IPPROTO_UDP;
	memcpy(&ip->src_addr, u->local.a.b, 4);
	memcpy(&ip->dst_addr, u->remote.a.b, 4);
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, sizeof(*ip));
	copy_part((uint8_t *)(ip + 1), d, f->off, f->len);
	return true;
}

static bool put_part6(struct rte_mbuf *m, const struct dp_udp *u, const struct datagram *d,
		      const struct part *f)
{
	bool whole = f->off == 0 && !f->more;
	size_t behind = (whole ? 0u : IP6_FRAG_HDR) + f->len;
	uint8_t *b = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(IP6_HDR + behind));
	uint8_t frag[IP6_FRAG_HDR] = {IPPROTO_UDP};

	if (!b)
		return false;
	memset(b, 0, IP6_HDR);
	b[0] = 0x60;
	put16(b + 4, behind);
	b[6] = whole ? IPPROTO_UDP : IPPROTO_FRAGMENT;
	b[7] = IP6_HOPS;
	memcpy(b + 8, u->local.a.b, 16);
	memcpy(b + 24, u->remote.a.b, 16);
	b += IP6_HDR;
	if (!whole) { /* RFC 8200 4.5 */
		put16(frag + 2, f->off | (f->more ? MORE : 0));
		memcpy(frag + 4, &f->id, sizeof(f->id));
		memcpy(b, frag, sizeof(frag));
		b += sizeof(frag);
	}
	copy_part(b, d, f->off, f->len);
	return true;
}

/* Bytes of the datagram in each packet but the last, which start at multiples of 8. */
static size_t part_len(size_t total, bool v6, uint16_t mtu)
{
	size_t hdr = v6 ? IP6_HDR : IP_HDR;

	if (total + hdr <= mtu)
		return total;
	return (mtu - hdr - (v6 ? IP6_FRAG_HDR : 0)) & ~(size_t)7;
}

int dp_udp_send(const struct dp_udp *u)
{
	static uint32_t next_id;
	struct rte_mbuf *m[NEIGH_WAIT];
	struct addr next_hop;
	struct datagram d;
	bool v6 = u->local.a.v == 6;
	size_t total, step, n;
	uint8_t port;
	int rc;

	if (u->local.a.v != u->remote.a.v)
		return -EAFNOSUPPORT;
	if (!fib_is_own_addr(&u->local.a))
		return -EADDRNOTAVAIL;
	if (!u->keepalive && u->len > PACKET_MAX - (v6 ? IP6_HDR : IP_HDR) - UDP_HDR - MARKER)
		return -EMSGSIZE;
	rc = fib_resolve(&u->remote.a, &port, &next_hop);
	if (rc < 0)
		return rc;
	make_datagram(&d, u);
	total = d.head_len + d.len;
	step = part_len(total, v6, ports[port].mtu);
	n = (total + step - 1) / step;
	if (n > NEIGH_WAIT)
		return -EMSGSIZE;
	if (rte_pktmbuf_alloc_bulk(dp.pool, m, (unsigned)n) < 0) {
		count_add(&dp.drops[DROP_NO_MBUF], n);
		return -ENOBUFS;
	}
	if (next_id == 0)
		next_id = (uint32_t)rte_rand();
	next_id++;
	for (size_t i = 0; i < n; i++) {
		struct part f = {.off = i * step, .id = next_id, .more = i + 1 < n};

		f.len = f.more ? step : total - f.off;
		if (!(v6 ? put_part6 : put_part4)(m[i], u, &d, &f)) {
			rte_pktmbuf_free_bulk(m, (unsigned)n);
			return -EMSGSIZE;
		}
	}
	return neigh_send(port, &next_hop, m, (uint16_t)n);
}
