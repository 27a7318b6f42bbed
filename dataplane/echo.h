/* SPDX-License-Identifier: Apache-2.0 */
/* ICMP echo requests of the gateway's own: for tunnel monitors (probe.c) and the operator's ping (echo.c). */
#pragma once

#include "dp_api.h"
#include "worker.h"

/* Identifiers from here on are the operator's. */
enum { ECHO_ID_FIRST = 0x10000 - DP_ECHO_MAX };

/* A frame with the request, its Ethernet header to be filled in; len is the IP packet's.  NULL with *err: -EMSGSIZE
 * more or less than a buffer holds, -ENOBUFS.  Control thread. */
struct rte_mbuf *echo_make(const struct dp_echo *e, int *err);
bool echo_is_own(const struct addr *a);
/* To the first worker, which looks at port.  -ENOBUFS. */
int echo_inject(struct rte_mbuf *m, uint16_t port);

/* Is somebody waiting for answers with this identifier?  Any thread. */
bool echo_wanted(uint16_t id);
