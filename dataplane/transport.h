/* SPDX-License-Identifier: Apache-2.0 */
/* Transport mode: the packet's own IP header stands in front of ESP (RFC 4303 3.1.1). */
#pragma once

#include <rte_byteorder.h>
#include <rte_ip.h>

#include "ip6.h"

/* Tell a header, which has p->l3_len bytes with options or extension headers, what follows it now and how long the
 * packet is. */
static inline void transport_retell(uint8_t *ip, const struct pkt *p, uint8_t proto)
{
	struct rte_ipv4_hdr *v4 = (struct rte_ipv4_hdr *)ip;

	if (p->v == 6) {
		*ip6_next_of(ip, p->l3_len) = proto;
		((struct rte_ipv6_hdr *)ip)->payload_len = rte_cpu_to_be_16((uint16_t)(p->ip_len - IP6_HDR));
		return;
	}
	v4->next_proto_id = proto;
	v4->total_length = rte_cpu_to_be_16(p->ip_len);
	v4->hdr_checksum = 0;
	v4->hdr_checksum = (uint16_t)~rte_raw_cksum(v4, p->l3_len);
}
