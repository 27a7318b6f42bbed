/* SPDX-License-Identifier: Apache-2.0 */
/* Packets for the gateway itself: ARP and neighbour discovery are answered and done with; ICMP echo requests are turned round
 * in place; the rest is dropped by name. */
#pragma once

#include "worker.h"

/* Out: l keeps the echo answers, IP packets of IF_SELF which have to be routed. */
void local_input(struct worker *w, struct list *l);
