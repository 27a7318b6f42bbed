/* SPDX-License-Identifier: Apache-2.0 */
/* An SA belongs to one worker, and so does a datagram in fragments.  Packets that need another worker's travel to it
 * by ring and take the path up again there. */
#pragma once

#include "worker.h"

/* Packets whose SA (sa_in, sa_out) this worker does not own leave the list. */
void handover_sa_in(struct worker *w, struct list *l);
void handover_sa_out(struct worker *w, struct list *l);
/* Fragments whose datagram another worker puts together leave: a port spreads them as it likes. */
void handover_fragments(struct worker *w, struct list *l);
/* Packets handed to this worker; returns how many. */
unsigned handover_poll(struct worker *w);

/* The struct pkt that travels with a packet; cls is PKT_TRANSIT for one that has to be encrypted, PKT_FRAGMENT for one
 * that has to be reassembled. */
static inline struct pkt *handover_pkt(struct rte_mbuf *m)
{
	return rte_mbuf_to_priv(m);
}
