/* SPDX-License-Identifier: Apache-2.0 */
/* The packet's way, see path.c. */
#pragma once

#include "worker.h"

/* A burst as received from port number `in_if` (not the ethdev number): parse, sort, and run every
 * class to its end.  m[] is consumed. */
void path_rx(struct worker *w, uint16_t in_if, struct rte_mbuf **m, uint16_t n);
/* An echo request of the gateway's own, behind room for a frame's header, into a tunnel interface: past routes
 * and rules, then like any other.  Takes m. */
void path_into_tunnel(struct worker *w, uint16_t tunnel_if, struct rte_mbuf *m);
/* One that goes where routes lead.  Takes m. */
void path_own(struct worker *w, struct rte_mbuf *m);
/* A dummy packet, nothing behind room for a frame's header, by an outbound SA of this worker's.  Takes m. */
void path_dummy(struct worker *w, uint32_t sa_out, struct rte_mbuf *m);
/* A packet, its IP header in front, that came in by `in_if` and whose next hop has not answered: its sender is told
 * (RFC 1812 5.2.7.1, RFC 4443 3.1).  Takes m. */
void path_unresolved(struct worker *w, uint16_t in_if, struct rte_mbuf *m);
/* Packets that have waited for their SA (early.h) and go on now, or not at all.  Returns how many go on. */
unsigned path_early(struct worker *w);
/* Packets another worker handed over because this one owns their SA: their struct pkt lies in the mbuf's
 * private area (handover.h).  The SA is looked up again, since the other worker's pointer to it is not
 * good beyond that worker's turn. */
void path_handed_over(struct worker *w, struct rte_mbuf **m, uint16_t n);
