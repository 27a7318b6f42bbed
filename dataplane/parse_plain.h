/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What nearly every packet is: IPv4, whole, without options, and of UDP, TCP or ESP.  Recognised in one go, by few
 * compares; whatever is not so is left to parse_headers(), which says what is wrong with it, if anything is.
 */
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <tmmintrin.h>

#include <rte_byteorder.h>

#include "burst.h"

enum { PLAIN4_HDR = 20, PLAIN4_PROTO = 9 };

/* Bytes of the shortest packet of a protocol; 0 for those that are not plain.  A table, for branches would have to be
 * guessed. */
static const uint8_t plain4_least[UINT8_MAX + 1] = {
	[IPPROTO_TCP] = PLAIN4_HDR + 20, [IPPROTO_UDP] = PLAIN4_HDR + 8, [IPPROTO_ESP] = PLAIN4_HDR + 8};

/* The one's complement sum of 16-bit words is 0xffff where the checksum is right (RFC 1071 2): their sum is a multiple
 * of that then, and so is the sum of wider words. */
static inline bool plain4_sum_right(const uint8_t *ip)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < PLAIN4_HDR; i += 4) {
		uint32_t word;

		memcpy(&word, ip + i, sizeof(word));
		sum += word;
	}
	return sum % 0xffff == 0;
}

/* A flow's key from the 16 bytes of header and ports that begin with the TTL; ESP has no ports. */
static inline __m128i plain4_key(const uint8_t *ttl, bool esp, uint16_t in_if)
{
	enum { SRC = 4, DST = 8, PORTS = 12, PROTO = 1, ZERO = -1 };
	static const int8_t from[2][16] __attribute__((aligned(16))) = {
		{SRC, SRC + 1, SRC + 2, SRC + 3, DST, DST + 1, DST + 2, DST + 3, PORTS + 1, PORTS, PORTS + 3,
		 PORTS + 2, ZERO, ZERO, PROTO, ZERO},
		{SRC, SRC + 1, SRC + 2, SRC + 3, DST, DST + 1, DST + 2, DST + 3, ZERO, ZERO, ZERO, ZERO, ZERO,
		 ZERO, PROTO, ZERO},
	};
	const __m128i rest = _mm_set_epi32(in_if | 4 << 24, 0, 0, 0);

	return _mm_or_si128(
		_mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)ttl), *(const __m128i *)from[esp]), rest);
}
static_assert(offsetof(struct pkt, sport) == offsetof(struct pkt, src4) + 8 &&
		      offsetof(struct pkt, in_if) == offsetof(struct pkt, src4) + 12 &&
		      offsetof(struct pkt, proto) == offsetof(struct pkt, src4) + 14,
	      "as plain4_key() has it");

/* At ip, l3_off behind the start of the buffer's data, stand `len` bytes that came by in_if.  True: p has in_if and
 * everything that parse_headers() would have filled in.  False: nothing has been found out, and p is as it was. */
static inline bool parse_plain4(struct pkt *p, const uint8_t *ip, uint32_t len, uint32_t l3_off,
				uint16_t in_if)
{
	/* version 4, five words of header; no more fragments, no offset */
	const uint64_t mask = RTE_BE64(UINT64_C(0xff00000000003fff)), want = RTE_BE64(UINT64_C(0x45) << 56);
	uint64_t begin;
	uint32_t total, least;

	if (unlikely(len < PLAIN4_HDR))
		return false;
	memcpy(&begin, ip, sizeof(begin));
	total = rte_be_to_cpu_32((uint32_t)begin) & UINT16_MAX;
	least = plain4_least[ip[PLAIN4_PROTO]];
	if (unlikely((begin & mask) != want || total > len || total < least || least == 0 ||
		     !plain4_sum_right(ip)))
		return false;
	_mm_store_si128((__m128i *)&p->src4, plain4_key(ip + 8, ip[PLAIN4_PROTO] == IPPROTO_ESP, in_if));
	pkt_lay_out(p, l3_off, PLAIN4_HDR, total, 0);
	p->fragment = FRAG_NO;
	return true;
}
