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

/* At ip, l3_off behind the start of the buffer's data, stand `len` bytes.  True: p has everything that parse_headers()
 * would have filled in.  False: nothing has been found out, and p is as it was. */
static inline bool parse_plain4(struct pkt *p, const uint8_t *ip, uint32_t len, uint32_t l3_off)
{
	/* version 4, five words of header; no more fragments, no offset */
	const uint64_t mask = RTE_BE64(UINT64_C(0xff00000000003fff)), want = RTE_BE64(UINT64_C(0x45) << 56);
	uint64_t a, b;
	uint32_t c, total, ports;
	uint8_t proto;

	if (unlikely(len < PLAIN4_HDR))
		return false;
	memcpy(&a, ip, 8);
	memcpy(&b, ip + 8, 8);
	memcpy(&c, ip + 16, 4);
	total = rte_be_to_cpu_16((uint16_t)(a >> 16));
	if (unlikely((a & mask) != want || total > len || !plain4_sum_right(a, b, c)))
		return false;
	proto = (uint8_t)(b >> 8);
	switch (proto) {
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
	if (proto != IPPROTO_ESP) {
		memcpy(&ports, ip + PLAIN4_HDR, 4);
		ports = rte_be_to_cpu_32(ports);
	}
	a = b >> 32 | (uint64_t)c << 32;
	b = ports >> 16 | (ports & 0xffff) << 16 | (uint64_t)p->in_if << 32 | (uint64_t)proto << 48 |
	    (uint64_t)4 << 56;
	memcpy(&p->src4, &a, sizeof(a));
	memcpy(&p->sport, &b, sizeof(b));
	pkt_lay_out(p, l3_off, PLAIN4_HDR, total, 0);
	p->fragment = FRAG_NO;
	return true;
}
