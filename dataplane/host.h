/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proxy-IDs of transport mode: one of our addresses and a peer's (RFC 4301 4.1).
 *
 * No route leads such packets to their SA, for they are not forwarded: it is the gateway itself that sends and
 * receives them.  So packets that we have made are asked about before they are routed, and ICMP for us that comes in
 * the clear before it is answered.  IKE, ESP, ARP and neighbour discovery never come to be asked about: they go
 * other ways.
 */
#pragma once

#include "sa.h"
#include "worker.h"

struct host_pair {
	struct addr local, remote;
	uint8_t proto; /* 0: any */
	uint16_t tunnel_if;
	uint32_t policy;
};

/* Replaced whole; NULL while there are none. */
struct host_table {
	uint32_t n;
	struct host_pair pair[];
};
extern _Atomic(struct host_table *) host_table;

static inline bool host_on(void)
{
	return unlikely(atomic_load_explicit(&host_table, memory_order_acquire) != NULL);
}

/* Packets of IF_SELF that a transport mode proxy-ID is for move to tunnel, next_hop being its tunnel interface. */
void host_select(struct list *l, struct list *tunnel);
/* ICMP for us that came in the clear: what such a proxy-ID is for is dropped (RFC 4301 5.2). */
void host_refuse(struct worker *w, struct list *l);

/* Control thread.  -EINVAL: not two addresses of one family; -ENOSPC, -ENOMEM. */
int host_add(const struct dp_policy_conf *c, uint32_t policy);
void host_del(uint32_t policy);
void host_fini(void);
