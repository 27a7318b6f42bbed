/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker has decided about the flows it has seen.
 *
 * A flow is what a packet's fate hangs on besides its size and TTL: addresses, protocol, ports, and the interface
 * it came in by.  Remembered is the whole decision: the rule that lets it pass, and the outbound SA or the next hop.  The
 * table has a fixed size and two or four places for a flow, which later ones take from it.  What was decided before the last
 * change of anything counts for nothing (dp_changed()), so a flow that is found is treated as if everything had been
 * looked up.  Only what lets packets pass is remembered: drops are decided anew each time, and so is what comes in
 * fragments, in IPv6, from this host itself, or by a rule that logs.
 */
#pragma once

#include "worker.h"

/* Packets of known flows, by where they go. */
struct known {
	struct list tunnel; /* sa_out is set */
	struct list clear;  /* next_hop is the neighbour */
};

/* Packets that parse_burst() or esp_in_finish() has found sound: those of known flows leave l, their TTL seen to and
 * their rule's hits counted. */
void flow_find(struct worker *w, struct list *l, struct known *k);

/* Packets as they are when everything has been decided: sa_out set; next_hop a neighbour. */
void flow_keep_tunnel(struct worker *w, const struct list *l);
void flow_keep_clear(struct worker *w, const struct list *l);

/* Packets have been received: which decisions count now?  Asked afterwards, so that no packet goes by one that was void
 * before it came. */
void flow_begin(struct worker *w);

/* Control thread, no worker runs.  False: no memory. */
bool flow_init(struct worker *w);
/* What a worker's table takes of memory with so many proxy-IDs. */
size_t flow_bytes(uint32_t policies);
void flow_free(struct worker *w);
/* Places that a worker has. */
uint32_t flow_places(const struct worker *w);
