/* SPDX-License-Identifier: Apache-2.0 */
/* The time to live of packets that are forwarded. */
#pragma once

#include <rte_byteorder.h>
#include <rte_ip.h>

#include "burst.h"

/* RFC 1812 5.3.1; the checksum is corrected, not recomputed (RFC 1141).  False: it has no time left, and is as it was. */
static inline bool age4(struct pkt *p)
{
	struct rte_ipv4_hdr *ip = pkt_l3(p);
	uint32_t sum;

	if (unlikely(ip->time_to_live <= 1))
		return false;
	ip->time_to_live--;
	sum = (uint32_t)ip->hdr_checksum + RTE_BE16(0x0100);
	ip->hdr_checksum = (uint16_t)(sum + (sum >= 0xffff));
	return true;
}
