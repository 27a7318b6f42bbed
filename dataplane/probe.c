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
#include "ip6.h"

enum { IP4_HDR = 20, ICMP_HDR = 8, DATA = 36, TTL_OWN = 64, ICMP_ECHO = 8, ICMP6_ECHO = 128 };

static void put16(uint8_t *b, uint16_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

/* RFC 792, and RFC 4443 4.1; without checksum. */
static void put_echo(uint8_t *icmp, const struct dp_probe *p, uint8_t type)
{
	static const uint8_t data[DATA] = "culvert tunnel monitor";

	memset(icmp, 0, ICMP_HDR);
	icmp[0] = type;
	put16(icmp + 4, p->id);
	put16(icmp + 6, p->seq);
	memcpy(icmp + ICMP_HDR, data, DATA);
}

static void put4(uint8_t *at, const struct dp_probe *p)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)at;
	uint8_t *icmp = at + IP4_HDR;
	uint16_t sum;

	memset(ip, 0, sizeof(*ip));
	ip->version_ihl = 0x45;
	ip->total_length = htons(IP4_HDR + ICMP_HDR + DATA);
	ip->packet_id = (uint16_t)rte_rand();
	ip->time_to_live = TTL_OWN;
	ip->next_proto_id = IPPROTO_ICMP;
	memcpy(&ip->src_addr, p->src.b, 4);
	memcpy(&ip->dst_addr, p->dst.b, 4);
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, sizeof(*ip));
	put_echo(icmp, p, ICMP_ECHO);
	sum = (uint16_t)~rte_raw_cksum(icmp, ICMP_HDR + DATA);
	memcpy(icmp + 2, &sum, sizeof(sum));
}

static void put6(uint8_t *ip, const struct dp_probe *p)
{
	uint8_t *icmp = ip + IP6_HDR;
	uint16_t sum;

	memset(ip, 0, IP6_HDR);
	ip[0] = 0x60;
	put16(ip + 4, ICMP_HDR + DATA);
	ip[6] = IPPROTO_ICMPV6;
	ip[7] = TTL_OWN;
	memcpy(ip + 8, p->src.b, 16);
	memcpy(ip + 24, p->dst.b, 16);
	put_echo(icmp, p, ICMP6_ECHO);
	sum = (uint16_t)~ip6_sum((const struct rte_ipv6_hdr *)ip, IPPROTO_ICMPV6, icmp, ICMP_HDR + DATA);
	memcpy(icmp + 2, &sum, sizeof(sum));
}

static bool is_own(const struct addr *a)
{
	uint32_t v4;

	memcpy(&v4, a->b, sizeof(v4));
	return a->v == 6 ? fib_is_own6(a->b) : fib_is_own(v4);
}

/* The first worker sends it, or hands it to the SA's owner. */
int dp_probe_send(const struct dp_probe *p)
{
	const uint16_t hdr = p->src.v == 6 ? IP6_HDR : IP4_HDR;
	struct rte_mbuf *m;
	uint8_t *frame;

	if (addr_len(&p->src) == 0 || p->src.v != p->dst.v)
		return -EAFNOSUPPORT;
	if (p->tunnel_if >= dp.n_ifs || dp.ifs[p->tunnel_if].is_port || !is_own(&p->src))
		return -EINVAL;
	m = rte_pktmbuf_alloc(dp.pool);
	frame = m ? (uint8_t *)rte_pktmbuf_append(
			    m, (uint16_t)(sizeof(struct rte_ether_hdr) + hdr + ICMP_HDR + DATA))
		  : NULL;
	if (!frame) {
		rte_pktmbuf_free(m);
		count_add(&dp.drops[DROP_NO_MBUF], 1);
		return -ENOBUFS;
	}
	(p->src.v == 6 ? put6 : put4)(frame + sizeof(struct rte_ether_hdr), p);
	m->port = p->tunnel_if;
	if (rte_ring_enqueue(dp.worker[0]->inject, m) < 0) {
		dp_drop(m, DROP_INJECT_FULL);
		return -ENOBUFS;
	}
	return 0;
}
