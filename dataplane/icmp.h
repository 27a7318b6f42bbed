/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMP and ICMPv6 errors of the gateway's own: what a sender is told of a packet that cannot go on.
 *
 * An error is a new packet of IF_SELF; it waits in w->made until the stages that run have ended, and is then
 * routed like any other, perhaps into the tunnel that its cause came from (path_made).
 */
#pragma once

#include "worker.h"

/* Drop a packet, which still lies as it came in, and tell its sender why: as far as there is a message for
 * the reason, the RFCs let such a packet have one, and the rate has not been reached. */
void icmp_drop(struct worker *w, struct pkt *p, enum drop why);
/* The same with DROP_TOO_BIG: `mtu` bytes would have fitted.  IPv4: fragmentation needed (RFC 1191 4); IPv6:
 * packet too big. */
void icmp_drop_too_big(struct worker *w, struct pkt *p, uint16_t mtu);
