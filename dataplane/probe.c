/* SPDX-License-Identifier: Apache-2.0 */
/* Echo requests of tunnel monitors: made here, sent by a worker through the tunnel like any packet. */
#include "dp_api.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_random.h>

#include "dp.h"
#include "fib.h"

enum { IP_HDR = 20, ICMP_HDR = 8, DATA = 36, TTL_OWN = 64, ICMP_ECHO = 8 };

static void put16(uint8_t *b, uint16_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

/* RFC 792.  The first worker sends it, or hands it to the SA's owner. */
int dp_probe_send(const struct dp_probe *p)
{
	static const uint8_t data[DATA] = "culvert tunnel monitor";
	const uint16_t total = IP_HDR + ICMP_HDR + DATA;
	struct rte_ipv4_hdr *ip;
	struct rte_mbuf *m;
	uint8_t *frame, *icmp;
	uint32_t own;
	uint16_t sum;

	if (p->src.v != 4 || p->dst.v != 4)
		return -EAFNOSUPPORT;
	memcpy(&own, p->src.b, sizeof(own));
	if (p->tunnel_if >= dp.n_ifs || dp.ifs[p->tunnel_if].is_port || !fib_is_own(own))
		return -EINVAL;
	m = rte_pktmbuf_alloc(dp.pool);
	frame = m ? (uint8_t *)rte_pktmbuf_append(m, sizeof(struct rte_ether_hdr) + total) : NULL;
	if (!frame) {
		rte_pktmbuf_free(m);
		count_add(&dp.drops[DROP_NO_MBUF], 1);
		return -ENOBUFS;
	}
	ip = (struct rte_ipv4_hdr *)(frame + sizeof(struct rte_ether_hdr));
	memset(ip, 0, sizeof(*ip));
	ip->version_ihl = 0x45;
	ip->total_length = htons(total);
	ip->packet_id = (uint16_t)rte_rand();
	ip->time_to_live = TTL_OWN;
	ip->next_proto_id = IPPROTO_ICMP;
	memcpy(&ip->src_addr, p->src.b, 4);
	memcpy(&ip->dst_addr, p->dst.b, 4);
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, sizeof(*ip));
	icmp = (uint8_t *)(ip + 1);
	memset(icmp, 0, ICMP_HDR);
	icmp[0] = ICMP_ECHO;
	put16(icmp + 4, p->id);
	put16(icmp + 6, p->seq);
	memcpy(icmp + ICMP_HDR, data, DATA);
	sum = (uint16_t)~rte_raw_cksum(icmp, ICMP_HDR + DATA);
	memcpy(icmp + 2, &sum, sizeof(sum));
	m->port = p->tunnel_if;
	if (rte_ring_enqueue(dp.worker[0]->inject, m) < 0) {
		dp_drop(m, DROP_INJECT_FULL);
		return -ENOBUFS;
	}
	return 0;
}
