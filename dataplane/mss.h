/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP's maximum segment size, lowered in the SYNs of both ways so that no segment is too big for the tunnel: for
 * hosts that never hear an ICMP error, which is most of them.
 */
#pragma once

#include <netinet/in.h>

#include "burst.h"

/* A packet that offers an MSS?  parse_ip() has seen that the TCP header is there. */
static inline bool mss_is_syn(const struct pkt *p)
{
	return p->proto == IPPROTO_TCP && p->fragment == FRAG_NO &&
	       *pkt_at(p, (uint16_t)(p->l3_off + p->l3_len + 13)) & 2;
}

/* Offer no more than `mtu` carries, or what the tunnel is told to (DP_MSS_FIT, DP_MSS_OFF, or bytes). */
void mss_clamp(struct pkt *p, uint16_t mtu, uint16_t mss);
/* Decrypted packets, sa_in set: as much as their tunnel's way back carries. */
void mss_clamp_in(const struct list *l);
