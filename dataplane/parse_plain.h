/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What nearly every packet is: IPv4, whole, without options, and of UDP, TCP or ESP.  Recognised in one go, by few
 * compares; whatever is not so is left to parse_headers(), which says what is wrong with it, if anything is.
 */
#pragma once

#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>

#include "burst.h"

enum { PLAIN4_HDR = 20, PLAIN4_UDP = 8, PLAIN4_TCP = 20 };

/* One's complement sum of header words in any order is 0xffff where the checksum is right (RFC 1071 2). */
static inline bool plain4_sum_right(uint64_t a, uint64_t b, uint32_t c)
{
	uint64_t sum = (a & UINT32_MAX) + (a >> 32) + (b & UINT32_MAX) + (b >> 32) + c;

	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff || sum == 0x1fffe;
}

/* At ip stand `len` bytes.  True: p has everything that parse_headers() would have filled in.  False: nothing has been
 * found out, and nothing of p that parse_headers() does not fill in has changed. */
static inline bool parse_plain4(struct pkt *p, const uint8_t *ip, uint32_t len)
{
	/* version 4, five words of header; no more fragments, no offset */
	const uint64_t mask = RTE_BE64(UINT64_C(0xff00000000003fff)), want = RTE_BE64(UINT64_C(0x45) << 56);
	uint64_t a, b;
	uint32_t c, total, ports;

	if (unlikely(len < PLAIN4_HDR))
		return false;
	memcpy(&a, ip, 8);
	memcpy(&b, ip + 8, 8);
	memcpy(&c, ip + 16, 4);
	total = rte_be_to_cpu_16((uint16_t)(a >> 16));
	if (unlikely((a & mask) != want || total > len || !plain4_sum_right(a, b, c)))
		return false;
	p->proto = (uint8_t)(b >> 8);
	switch (p->proto) {
	case IPPROTO_UDP:
		if (unlikely(total < PLAIN4_HDR + PLAIN4_UDP))
			return false;
		break;
	case IPPROTO_TCP:
		if (unlikely(total < PLAIN4_HDR + PLAIN4_TCP))
			return false;
		break;
	case IPPROTO_ESP:
		if (unlikely(total < PLAIN4_HDR))
			return false;
		break;
	default: return false;
	}
	ports = 0;
	if (p->proto != IPPROTO_ESP) {
		memcpy(&ports, ip + PLAIN4_HDR, 4);
		ports = rte_be_to_cpu_32(ports);
	}
	p->sport = (uint16_t)(ports >> 16);
	p->dport = (uint16_t)ports;
	p->src4 = (uint32_t)(b >> 32);
	p->dst4 = c;
	p->v = 4;
	p->l3_len = PLAIN4_HDR;
	p->ip_len = (uint16_t)total;
	p->fragment = FRAG_NO;
	return true;
}
