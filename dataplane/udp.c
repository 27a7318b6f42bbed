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
#include "neigh.h"
#include "port.h"

enum { PORT_NATT = 4500, MARKER = 4, IP_HDR = 20, UDP_HDR = 8, PACKET_MAX = 65535, TTL_OWN = 64 };

/* What goes behind the IP header: UDP header and marker, then the caller's bytes. */
struct datagram {
	uint8_t head[UDP_HDR + MARKER];
	size_t head_len;
	const uint8_t *data;
	size_t len; /* of data */
};

static uint16_t checksum(const struct dp_udp *u, const struct datagram *d)
{
	size_t total = d->head_len + d->len;
	uint8_t pseudo[12] = {[9] = IPPROTO_UDP, [10] = (uint8_t)(total >> 8), [11] = (uint8_t)total};
	uint32_t sum;
	uint16_t r;

	memcpy(pseudo, u->local.a.b, 4);
	memcpy(pseudo + 4, u->remote.a.b, 4);
	/* All parts but the last are of even length, so their sums add up (RFC 1071 2). */
	sum = (uint32_t)rte_raw_cksum(pseudo, sizeof(pseudo)) + rte_raw_cksum(d->head, d->head_len) +
	      rte_raw_cksum(d->data, d->len);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	r = (uint16_t)~sum;
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

static bool put_fragment(struct rte_mbuf *m, const struct dp_udp *u, const struct datagram *d, uint16_t id,
			 size_t off, size_t n)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)rte_pktmbuf_append(m, (uint16_t)(IP_HDR + n));
	bool more = off + n < d->head_len + d->len;

	if (!ip) /* buffers are made for the MTU; this one is not */
		return false;
	memset(ip, 0, sizeof(*ip));
	ip->version_ihl = 0x45;
	ip->total_length = htons((uint16_t)(IP_HDR + n));
	ip->packet_id = id;
	ip->fragment_offset = htons((uint16_t)((more ? 0x2000 : 0) | off / 8)); /* RFC 791 3.1 */
	ip->time_to_live = TTL_OWN;
	ip->next_proto_id = IPPROTO_UDP;
	memcpy(&ip->src_addr, u->local.a.b, 4);
	memcpy(&ip->dst_addr, u->remote.a.b, 4);
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, sizeof(*ip));
	copy_part((uint8_t *)(ip + 1), d, off, n);
	return true;
}

int dp_udp_send(const struct dp_udp *u)
{
	static uint16_t next_id;
	struct rte_mbuf *m[NEIGH_WAIT];
	struct addr next_hop;
	struct datagram d;
	size_t total, step, n;
	uint32_t own;
	uint8_t port;
	int rc;

	if (u->local.a.v != 4 || u->remote.a.v != 4)
		return -EAFNOSUPPORT;
	memcpy(&own, u->local.a.b, 4);
	if (!fib_is_own(own))
		return -EADDRNOTAVAIL;
	if (!u->keepalive && u->len > PACKET_MAX - IP_HDR - UDP_HDR - MARKER)
		return -EMSGSIZE;
	rc = fib_resolve(&u->remote.a, &port, &next_hop);
	if (rc < 0)
		return rc;
	make_datagram(&d, u);
	total = d.head_len + d.len;
	/* Fragments start at multiples of 8; the last, or only one may have any length. */
	step = total + IP_HDR <= ports[port].mtu ? total : (ports[port].mtu - IP_HDR) & ~(size_t)7;
	n = (total + step - 1) / step;
	if (n > NEIGH_WAIT)
		return -EMSGSIZE;
	if (rte_pktmbuf_alloc_bulk(dp.pool, m, (unsigned)n) < 0) {
		count_add(&dp.drops[DROP_NO_MBUF], n);
		return -ENOBUFS;
	}
	if (next_id == 0)
		next_id = (uint16_t)rte_rand();
	next_id++;
	for (size_t i = 0; i < n; i++) {
		size_t off = i * step;

		if (!put_fragment(m[i], u, &d, next_id, off, total - off < step ? total - off : step)) {
			rte_pktmbuf_free_bulk(m, (unsigned)n);
			return -EMSGSIZE;
		}
	}
	return neigh_send(port, &next_hop, m, (uint16_t)n);
}
