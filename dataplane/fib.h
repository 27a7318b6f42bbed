/* SPDX-License-Identifier: Apache-2.0 */
/* Routes: longest prefix match (rte_fib) to a next hop, which is a port and neighbour, a tunnel
 * interface, or this host. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "fib_own.h"
#include "worker.h"

/* Transit packets: TTL, route.  Out: l keeps those that leave by a port, for fib_neighbours(); the others
 * move to tunnel (next_hop: the tunnel interface) and local (for one of our addresses), or are dropped.
 * All that leave have out_if.  A packet of IF_SELF keeps its TTL. */
void fib_lookup(struct worker *w, struct list *l, struct list *tunnel, struct list *local);
/* Packets of ports that are to leave by ports: those from where a tunnel leads are dropped, for what comes from there
 * has to come out of the tunnel (RFC 4301 5.2). */
void fib_refuse_clear(struct worker *w, struct list *l);
/* What fib_lookup() left in l: next_hop becomes the neighbour; packets whose neighbour is not known leave l
 * to wait for it (punt_unresolved), or, too big for the port, are added to w->big (mtu.h). */
void fib_neighbours(struct worker *w, struct list *l);
/* Encrypted packets, l3_off at the outer header: next_hop for the outer destination; anything but a port
 * is dropped.  Those too big for their port are added to w->big if their neighbour is not known. */
void fib_lookup_outer(struct worker *w, struct list *l);

/* All below: control thread. */
int fib_init(uint32_t max_routes);
void fib_fini(void);
/* Connected routes and own addresses of an interface that dp_if_new() made. */
int fib_if_add(uint16_t ifindex);
/* Bring what has changed to the workers; see fib.c. */
void fib_service(void);
/* Routes of a family (4 or 6), own networks and addresses among them, and how many there may be. */
void fib_use(uint8_t v, uint64_t *used, uint64_t *limit);
/* Grows with every change of a route. */
uint64_t fib_changes(void);
/* The port and neighbour a packet to dst leaves by: 0, or -ENETUNREACH when that is not a port. */
int fib_resolve(const struct addr *dst, uint8_t *port, struct addr *next_hop);
/* Where workers send a packet: the same tables, one packet. */
enum fib_kind { FIB_NOWHERE, FIB_BROADCAST, FIB_FOR_US, FIB_PORT, FIB_TUNNEL };
struct fib_way {
	enum fib_kind kind;
	uint16_t ifindex;     /* FIB_PORT, FIB_TUNNEL */
	uint8_t port;         /* FIB_PORT */
	struct addr next_hop; /* FIB_PORT: the neighbour, dst itself on a connected network */
};
void fib_way(const struct pkt *p, struct fib_way *way);
/* The same for an address alone; of several next hops the first. */
void fib_way_to(const struct addr *dst, struct fib_way *way);
/* The port of whose network an address is, or -1. */
int fib_port_of(const struct addr *a);
