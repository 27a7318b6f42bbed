/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a packet inside its SA's negotiated selectors?  Outbound that matters when the peer has narrowed a
 * proxy-ID, inbound it is the check of RFC 4301 5.2 that a peer sends only what it may.
 */
#pragma once

#include <rte_byteorder.h>

#include "burst.h"
#include "sa.h"

/* One IPv4 range a side and nothing else; addresses in host order. */
static inline bool selector_ranges_have(const struct sa_ranges *r, uint32_t local, uint32_t remote)
{
	return local - r->local <= r->local_more && remote - r->remote <= r->remote_more;
}

/* All other selectors: some local and some remote one must hold the packet.  A fragment that knows no ports fits only
 * where any port does (RFC 4301 7); ICMP has one number, type and code, for both
 * sides (RFC 7296 3.13.1). */
bool selector_has(const struct sa_selectors *s, const struct pkt *p, bool outbound);

/* Does some selector leave some port out?  s may be NULL: plain ranges. */
bool selector_asks_ports(const struct sa_selectors *s);

/* The same of a packet that is to leave by an outbound SA, whichever kind its selectors are of. */
static inline bool selector_out(const struct sa_out *sa, const struct pkt *p)
{
	if (likely(sa->flags & SA_PLAIN4))
		return likely(p->v != 6) && selector_ranges_have(&sa->ranges, rte_be_to_cpu_32(p->src4),
								 rte_be_to_cpu_32(p->dst4));
	return selector_has(sa->sel, p, true);
}

static inline bool selector_in(const struct sa_in *sa, const struct pkt *p)
{
	if (likely(sa->flags & SA_PLAIN4))
		return likely(p->v != 6) && selector_ranges_have(&sa->ranges, rte_be_to_cpu_32(p->dst4),
								 rte_be_to_cpu_32(p->src4));
	return selector_has(sa->sel, p, false);
}
