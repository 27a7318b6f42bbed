/* SPDX-License-Identifier: Apache-2.0 */
/* The time to live of packets that are forwarded. */
#pragma once

#include <string.h>

#include <rte_ip.h>

#include "burst.h"

/* RFC 1812 5.3.1; the checksum is corrected, not recomputed (RFC 1141).  False: it has no time left, and is as it was. */
static inline bool age4(struct rte_ipv4_hdr *ip)
{
	const uint32_t one = UINT32_C(1)
			     << 16; /* the checksum's low bit in memory; below are protocol and TTL */
	uint32_t ttl_to_sum;
	uint8_t *at = &ip->time_to_live;

	memcpy(&ttl_to_sum, at, sizeof(ttl_to_sum));
	if (unlikely((uint8_t)ttl_to_sum <= 1))
		return false;
	ttl_to_sum += one - 1;
	if (unlikely(ttl_to_sum + one < 2 * one)) /* the checksum is 0xffff or 0 now: the carry comes round */
		ttl_to_sum += one;
	memcpy(at, &ttl_to_sum, sizeof(ttl_to_sum));
	return true;
}
