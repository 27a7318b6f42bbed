/* SPDX-License-Identifier: Apache-2.0 */
#include "packet.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#define MAGIC UINT32_C(0x63766c67)

enum {
	L2 = sizeof(struct rte_ether_hdr),
	FULL_EVERY = 64,
	SPORT = 1024,
	PORTS = 60000,
	DPORT = 2544,
	HOPS_MAX = 8
};

struct mark {
	uint32_t magic;
	uint16_t trial, way;
	uint64_t n, tsc;
	uint64_t check; /* of both */
} __rte_packed;

struct headers {
	struct rte_ipv4_hdr ip;
	struct rte_udp_hdr udp;
	struct mark mark;
} __attribute__((packed, aligned(2))); /* which is how DPDK 24.11 aligns headers */
static_assert(sizeof(struct headers) <= PACKET_MIN, "the smallest packet has room for the mark");

static const uint16_t imix[] = {64, 576, 64, 64, 576, 64, 1420, 64, 576, 64, 576, 64};

double packet_mean(uint16_t size)
{
	double sum = 0;

	if (size != PACKET_IMIX)
		return size;
	for (unsigned i = 0; i < RTE_DIM(imix); i++)
		sum += imix[i];
	return sum / RTE_DIM(imix);
}

static uint16_t size_of(const struct traffic *t, uint64_t n)
{
	return t->size == PACKET_IMIX ? imix[n % RTE_DIM(imix)] : t->size;
}

static uint64_t mix(uint64_t v)
{
	return v * UINT64_C(0x9e3779b97f4a7c15);
}

uint32_t packet_flow(const struct traffic *t, uint64_t n)
{
	return (uint32_t)((t->in_order ? n : mix(n) >> 32) % t->flows);
}

static void put_headers(const struct stream *s, uint64_t n, uint64_t tsc, struct headers *h)
{
	uint32_t flow = packet_flow(s->t, n);
	uint32_t host = flow % s->t->hosts;
	uint16_t size = size_of(s->t, n);

	*h = (struct headers){
		.ip = {.version_ihl = RTE_IPV4_VHL_DEF,
		       .total_length = rte_cpu_to_be_16(size),
		       .time_to_live = 64,
		       .next_proto_id = IPPROTO_UDP,
		       .src_addr = htonl(s->t->net[s->way] + host),
		       .dst_addr = htonl(s->t->net[!s->way] + host)},
		.udp = {.src_port = rte_cpu_to_be_16((uint16_t)(SPORT + flow % PORTS)),
			.dst_port = rte_cpu_to_be_16(DPORT),
			.dgram_len = rte_cpu_to_be_16((uint16_t)(size - sizeof(h->ip)))},
		.mark = {.magic = MAGIC,
			 .trial = s->trial,
			 .way = (uint16_t)s->way,
			 .n = n,
			 .tsc = tsc,
			 .check = mix(mix(n) ^ tsc)},
	};
}

static uint8_t filler(uint64_t n, unsigned i)
{
	return (uint8_t)(n + i * 7);
}

void packet_make(const struct stream *s, uint64_t n, uint64_t tsc, struct rte_mbuf *m)
{
	uint16_t size = size_of(s->t, n);
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	struct headers *h = (struct headers *)(eth + 1);

	m->data_len = (uint16_t)(L2 + size);
	m->pkt_len = m->data_len;
	memcpy(eth->dst_addr.addr_bytes, s->dst_mac, 6);
	memcpy(eth->src_addr.addr_bytes, s->src_mac, 6);
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	put_headers(s, n, tsc, h);
	h->ip.hdr_checksum = rte_ipv4_cksum(&h->ip);
	for (unsigned i = sizeof(*h); n % FULL_EVERY == 0 && i < size; i++)
		((uint8_t *)h)[i] = filler(n, i);
}

/* Is it as it was made, but for the hops on its way? */
static bool intact(const struct stream *s, const struct rte_mbuf *m, const struct headers *h)
{
	uint64_t n = h->mark.n;
	struct headers want;

	put_headers(s, n, h->mark.tsc, &want);
	if (h->ip.time_to_live > want.ip.time_to_live || h->ip.time_to_live + HOPS_MAX < want.ip.time_to_live)
		return false;
	want.ip.time_to_live = h->ip.time_to_live;
	want.ip.hdr_checksum = rte_ipv4_cksum(&want.ip);
	if (memcmp(&want, h, sizeof(want)) != 0 || m->pkt_len < L2 + (uint32_t)size_of(s->t, n))
		return false;
	for (unsigned i = sizeof(*h); n % FULL_EVERY == 0 && i < size_of(s->t, n); i++)
		if (((const uint8_t *)h)[i] != filler(n, i))
			return false;
	return true;
}

enum packet_kind packet_read(const struct stream *s, const struct rte_mbuf *m, uint64_t *n, uint64_t *tsc)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct headers *h = (const struct headers *)(eth + 1);

	if (m->data_len < L2 + sizeof(*h) || eth->ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
	    h->mark.magic != MAGIC || h->mark.trial != s->trial || h->mark.way != s->way)
		return PACKET_OTHER;
	*n = h->mark.n;
	*tsc = h->mark.tsc;
	return intact(s, m, h) ? PACKET_OURS : PACKET_ALTERED;
}
