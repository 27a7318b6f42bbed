/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's ping: echo requests routed like any packet of ours, into tunnels where that is their way. */
#include "echo.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_random.h>

#include "dp.h"
#include "fib.h"
#include "ip6.h"

enum {
	L2 = sizeof(struct rte_ether_hdr),
	IP4_HDR = sizeof(struct rte_ipv4_hdr),
	ICMP_HDR = 8,
	TTL_OWN = 64,
	ICMP_ECHO = 8,
	ICMP6_ECHO = 128
};

/* A bit for each identifier in use. */
static atomic_uint open_ids;
static_assert(DP_ECHO_MAX <= 32, "the identifiers in use fit a word");

static void put16(uint8_t *b, uint16_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

/* RFC 792, and RFC 4443 4.1; without checksum.  What is sent does not matter, as long as it shows damage. */
static void put_echo(uint8_t *icmp, const struct dp_echo *e, uint8_t type, size_t len)
{
	static const uint8_t text[] = "culvert echo request ";

	memset(icmp, 0, ICMP_HDR);
	icmp[0] = type;
	put16(icmp + 4, e->id);
	put16(icmp + 6, e->seq);
	for (size_t i = ICMP_HDR; i < len; i++)
		icmp[i] = text[(i - ICMP_HDR) % (sizeof(text) - 1)];
}

static void put4(uint8_t *at, const struct dp_echo *e)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)at;
	uint8_t *icmp = at + IP4_HDR;
	uint16_t sum;

	memset(ip, 0, sizeof(*ip));
	ip->version_ihl = 0x45;
	ip->type_of_service = e->tos;
	ip->total_length = htons(e->len);
	ip->packet_id = (uint16_t)rte_rand();
	ip->fragment_offset = e->df ? htons(RTE_IPV4_HDR_DF_FLAG) : 0;
	ip->time_to_live = e->ttl ? e->ttl : TTL_OWN;
	ip->next_proto_id = IPPROTO_ICMP;
	memcpy(&ip->src_addr, e->src.b, 4);
	memcpy(&ip->dst_addr, e->dst.b, 4);
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, sizeof(*ip));
	put_echo(icmp, e, ICMP_ECHO, e->len - (size_t)IP4_HDR);
	sum = (uint16_t)~rte_raw_cksum(icmp, e->len - (size_t)IP4_HDR);
	memcpy(icmp + 2, &sum, sizeof(sum));
}

static void put6(uint8_t *ip, const struct dp_echo *e)
{
	uint16_t len = (uint16_t)(e->len - IP6_HDR);
	uint8_t *icmp = ip + IP6_HDR;
	uint16_t sum;

	memset(ip, 0, IP6_HDR);
	ip[0] = (uint8_t)(0x60 | e->tos >> 4);
	ip[1] = (uint8_t)(e->tos << 4);
	put16(ip + 4, len);
	ip[6] = IPPROTO_ICMPV6;
	ip[7] = e->ttl ? e->ttl : TTL_OWN;
	memcpy(ip + 8, e->src.b, 16);
	memcpy(ip + 24, e->dst.b, 16);
	put_echo(icmp, e, ICMP6_ECHO, len);
	sum = (uint16_t)~ip6_sum((const struct rte_ipv6_hdr *)ip, IPPROTO_ICMPV6, icmp, len);
	memcpy(icmp + 2, &sum, sizeof(sum));
}

struct rte_mbuf *echo_make(const struct dp_echo *e, int *err)
{
	uint16_t least = (uint16_t)((e->src.v == 6 ? IP6_HDR : IP4_HDR) + ICMP_HDR);
	struct rte_mbuf *m;
	uint8_t *frame;

	*err = -EMSGSIZE;
	if (e->len < least)
		return NULL;
	m = rte_pktmbuf_alloc(dp.pool);
	if (!m) {
		count_add(&dp.drops[DROP_NO_MBUF], 1);
		*err = -ENOBUFS;
		return NULL;
	}
	frame = e->len + L2 <= rte_pktmbuf_tailroom(m)
			? (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(e->len + L2))
			: NULL;
	if (!frame) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	(e->src.v == 6 ? put6 : put4)(frame + L2, e);
	return m;
}

bool echo_is_own(const struct addr *a)
{
	uint32_t v4;

	memcpy(&v4, a->b, sizeof(v4));
	return a->v == 6 ? fib_is_own6(a->b) : fib_is_own(v4);
}

int echo_inject(struct rte_mbuf *m, uint16_t port)
{
	m->port = port;
	if (rte_ring_enqueue(dp.worker[0]->inject, m) == 0)
		return 0;
	dp_drop(m, DROP_INJECT_FULL);
	return -ENOBUFS;
}

bool echo_wanted(uint16_t id)
{
	return id >= ECHO_ID_FIRST &&
	       (atomic_load_explicit(&open_ids, memory_order_relaxed) & 1u << (id - ECHO_ID_FIRST));
}

int dp_echo_open(uint16_t *id)
{
	unsigned used = atomic_load_explicit(&open_ids, memory_order_relaxed);

	for (unsigned i = 0; i < DP_ECHO_MAX; i++) {
		if (used & 1u << i)
			continue;
		atomic_fetch_or_explicit(&open_ids, 1u << i, memory_order_relaxed);
		*id = (uint16_t)(ECHO_ID_FIRST + i);
		return 0;
	}
	return -EBUSY;
}

void dp_echo_close(uint16_t id)
{
	atomic_fetch_and_explicit(&open_ids, ~(1u << (id - ECHO_ID_FIRST)), memory_order_relaxed);
}

int dp_echo_send(const struct dp_echo *e)
{
	struct rte_mbuf *m;
	int err;

	if (addr_len(&e->src) == 0 || e->src.v != e->dst.v)
		return -EAFNOSUPPORT;
	if (!echo_is_own(&e->src) || echo_is_own(&e->dst))
		return -EINVAL;
	m = echo_make(e, &err);
	return m ? echo_inject(m, INJECT_OWN) : err;
}
