/* SPDX-License-Identifier: Apache-2.0 */
/* Small things about IPv6 headers that several modules need. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <netinet/in.h>

#include <rte_ip.h>

#include "burst.h"

enum {
	IP6_HDR = 40,
	IP6_FRAG_HDR = 8,
	IP6_HOPS = 64, /* of packets that we make */
};

/* What asks a stage's question without having a packet: struct pkt finds IPv6 addresses in a header, so here is one
 * for it to look at. */
struct ip6_shell {
	struct rte_mbuf m;
	uint8_t ip[IP6_HDR];
};

static inline void ip6_shell(struct ip6_shell *s, struct pkt *p, const uint8_t src[16], const uint8_t dst[16])
{
	*s = (struct ip6_shell){.m.buf_addr = s->ip, .ip = {0x60}};
	memcpy(s->ip + 8, src, 16);
	memcpy(s->ip + 24, dst, 16);
	p->m = &s->m;
	p->v = 6;
	p->l3_off = 0;
}

static inline uint16_t ip6_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* What RFC 8200 8.1 adds to an upper layer's checksum, not folded: source and destination, which follow
 * each other in a header, the length, and the protocol. */
static inline uint32_t ip6_pseudo_sum(const uint8_t addrs[32], uint8_t proto, uint32_t len)
{
	const uint8_t tail[8] = {(uint8_t)(len >> 24),
				 (uint8_t)(len >> 16),
				 (uint8_t)(len >> 8),
				 (uint8_t)len,
				 0,
				 0,
				 0,
				 proto};

	return (uint32_t)rte_raw_cksum(addrs, 32) + rte_raw_cksum(tail, sizeof(tail));
}

/* The sum over pseudo header and message; 0xffff when the checksum in it is right. */
static inline uint16_t ip6_sum(const struct rte_ipv6_hdr *ip, uint8_t proto, const void *l4, uint32_t len)
{
	return ip6_fold((uint64_t)ip6_pseudo_sum((const uint8_t *)ip + 8, proto, len) +
			rte_raw_cksum(l4, len));
}

static inline uint8_t ip6_traffic_class(const struct rte_ipv6_hdr *ip)
{
	const uint8_t *b = (const uint8_t *)ip;

	return (uint8_t)(b[0] << 4 | b[1] >> 4);
}

static inline void ip6_set_traffic_class(struct rte_ipv6_hdr *ip, uint8_t tc)
{
	uint8_t *b = (uint8_t *)ip;

	b[0] = (uint8_t)((b[0] & 0xf0) | tc >> 4);
	b[1] = (uint8_t)((b[1] & 0x0f) | tc << 4);
}

/* Where a header of `len` bytes, extension headers included, says what follows it.  parse6_ip() has seen that it is
 * sound. */
static inline uint8_t *ip6_next_of(uint8_t *ip, uint16_t len)
{
	uint8_t *next = ip + offsetof(struct rte_ipv6_hdr, proto);
	uint32_t at = IP6_HDR;

	while (at < len) {
		uint32_t ext = *next == IPPROTO_FRAGMENT ? IP6_FRAG_HDR : (ip[at + 1] + 1u) * 8;

		next = ip + at;
		at += ext;
	}
	return next;
}

static inline bool ip6_is_multicast(const uint8_t a[16])
{
	return a[0] == 0xff;
}

static inline bool ip6_is_link_local(const uint8_t a[16])
{
	return a[0] == 0xfe && (a[1] & 0xc0) == 0x80;
}

static inline bool ip6_is_unspecified(const uint8_t a[16])
{
	uint64_t w[2];

	memcpy(w, a, 16);
	return (w[0] | w[1]) == 0;
}
