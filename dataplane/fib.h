/* SPDX-License-Identifier: Apache-2.0 */
/* Routes: longest prefix match (rte_fib) to a next hop, which is a port and neighbour, a tunnel
 * interface, or this host. */
#pragma once

#include "worker.h"

/* Transit packets: TTL, route.  Out: l keeps those that leave by a port, next_hop set; the others move
 * to tunnel (next_hop: the tunnel interface) and local (for one of our addresses), or are dropped. */
void fib_lookup(struct worker *w, struct list *l, struct list *tunnel, struct list *local);
/* Encrypted packets: next_hop for the outer destination; anything but a port is dropped. */
void fib_lookup_outer(struct worker *w, struct list *l);
