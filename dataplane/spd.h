/* SPDX-License-Identifier: Apache-2.0 */
/* Proxy-IDs: (tunnel interface, inner addresses, protocol, ports) -> policy -> outbound SA.  A hash is
 * tried once per distinct mask combination of the tunnel, most specific first, so the number of
 * proxy-IDs does not matter. */
#pragma once

#include "sa.h"
#include "worker.h"

/* Packets whose next_hop is a tunnel interface.  Sets sa_out; packets outside all proxy-IDs or without
 * SA are dropped, the latter asking for keys. */
void spd_match(struct worker *w, struct list *l);

/* Would a tunnel interface carry an ICMP packet between these addresses now?  Worker. */
bool spd_carries(uint16_t tunnel_if, const struct addr *local, const struct addr *remote);

/* The same for one packet, without counting, dropping or asking: DROP_NONE, or what it would die for;
 * *policy is set unless no proxy-ID fits.  Control thread. */
enum drop spd_find(struct pkt *p, uint32_t *policy, uint32_t *sa_out);

/* Policies there are, and may be.  Control thread. */
void spd_use(uint64_t *used, uint64_t *limit);
int spd_init(uint32_t max_policies);
void spd_fini(void);

/* Where a policy's SAs live.  Both directions share an owner, so that traffic of one pair of networks
 * stays on one worker. */
struct spd_place {
	uint16_t owner, tunnel_if;
};
/* 0, or -ENOENT.  Control thread. */
int spd_place(uint32_t policy, struct spd_place *at);
/* How the packets of a policy travel.  Control thread. */
const struct dp_policy_options *spd_options(uint32_t policy);
/* Forget the binding if the policy is bound to this SA.  Control thread. */
void spd_unbind(uint32_t policy, uint32_t sa_out);
