/* SPDX-License-Identifier: Apache-2.0 */
/* Routes: longest prefix match (rte_fib) to a next hop, which is a port and neighbour, a tunnel
 * interface, or this host. */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "worker.h"

/* Transit packets: TTL, route.  Out: l keeps those that leave by a port, for fib_neighbours(); the others
 * move to tunnel (next_hop: the tunnel interface) and local (for one of our addresses), or are dropped.
 * All that leave have out_if.  A packet of IF_SELF keeps its TTL. */
void fib_lookup(struct worker *w, struct list *l, struct list *tunnel, struct list *local);
/* What fib_lookup() left in l: next_hop becomes the neighbour; packets whose neighbour is not known leave l
 * to wait for it (punt_unresolved), or, too big for the port, are added to w->big (mtu.h). */
void fib_neighbours(struct worker *w, struct list *l);
/* Encrypted packets, l3_off at the outer header: next_hop for the outer destination; anything but a port
 * is dropped. */
void fib_lookup_outer(struct worker *w, struct list *l);

/* Our own IPv4 addresses as a hash of open addressing; replaced whole, freed after a grace period. */
struct fib_own {
	uint32_t mask;
	uint32_t ip[]; /* network order, 0: free */
};
extern _Atomic(struct fib_own *) fib_own;

/* Is ip (network order) one of ours? Any thread that reports quiescent states. */
static inline bool fib_is_own(uint32_t ip)
{
	const struct fib_own *o = atomic_load_explicit(&fib_own, memory_order_acquire);
	uint32_t i = (ip * UINT32_C(0x9e3779b1)) >> 16;

	if (!o)
		return false;
	for (;; i++) {
		uint32_t have = o->ip[i & o->mask];

		if (have == ip)
			return ip != 0;
		if (have == 0)
			return false;
	}
}

/* All below: control thread. */
int fib_init(uint32_t max_routes);
void fib_fini(void);
/* Connected routes and own addresses of an interface that dp_if_new() made. */
int fib_if_add(uint16_t ifindex);
/* Bring what has changed to the workers; see fib.c. */
void fib_service(void);
/* The port and neighbour a packet to dst leaves by: 0, or -ENETUNREACH when that is not a port. */
int fib_resolve(const struct addr *dst, uint8_t *port, struct addr *next_hop);
/* The port of whose network ip (network order) is, or -1. */
/* Where workers send a packet: the same tables, one packet. */
enum fib_kind { FIB_NOWHERE, FIB_BROADCAST, FIB_FOR_US, FIB_PORT, FIB_TUNNEL };
struct fib_way {
	enum fib_kind kind;
	uint16_t ifindex;     /* FIB_PORT, FIB_TUNNEL */
	uint8_t port;         /* FIB_PORT */
	struct addr next_hop; /* FIB_PORT: the neighbour, dst itself on a connected network */
};
void fib_way(const struct pkt *p, struct fib_way *way);
int fib_port_of(uint32_t ip);
