/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neighbour discovery's packets (RFC 4861), and duplicate address detection's (RFC 4862 5.4): made and
 * answered here; what they tell is neigh.c's.  Routers are configured, so there are no advertisements and
 * solicitations of routers, and redirects are not followed.
 */
#pragma once

#include <rte_mbuf.h>

#include "addr.h"
#include "worker.h"

/* A PKT_ND: answered, or told to control; consumed in any case. */
void nd_input(struct worker *w, struct pkt *p);

/* Control thread.  Frames ready to inject; NULL without buffers, which is counted. */
/* A question for `asked`; to its solicited-node address when dst is NULL.  own NULL: whether it is free. */
struct rte_mbuf *nd_solicit(uint8_t port, const struct addr *own, const struct addr *asked,
			    const uint8_t *dst);
/* An unsolicited advertisement of an address of ours (RFC 4861 7.2.6). */
struct rte_mbuf *nd_announce(uint8_t port, const struct addr *own);

/* The link-local address of an interface identifier made from a MAC (RFC 4291 2.5.6, appendix A). */
void nd_link_local(const uint8_t mac[6], uint8_t ip[16]);
