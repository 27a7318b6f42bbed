/* SPDX-License-Identifier: Apache-2.0 */
/* Out of a port: Ethernet header from next_hop's neighbour, into the port's transmit queue. */
#pragma once

#include "worker.h"

/* IP packets at l3_off, next_hop a neighbour.  Those too big for the port are added to w->big, with what fits. */
void xmit_port(struct worker *w, struct list *l);
/* A frame that has its Ethernet header already (answers, control's frames). ifindex: a port. */
void xmit_frame(struct worker *w, uint16_t ifindex, struct rte_mbuf *m);
/* Hand the collected packets to the ports; what a port refuses is dropped and counted. */
void xmit_flush(struct worker *w);
