/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neighbours: next-hop address -> MAC (RFC 826, RFC 4861), with the states of RFC 4861 7.3.2.
 *
 * The control thread runs the state machine and is the only writer.  Workers see one 64-bit word per
 * neighbour, so that MAC, port and state are always of one moment.  An index stays with its neighbour
 * until every worker has been quiescent after its removal.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "addr.h"
#include "drop.h"
#include "worker.h"

/* struct neigh_hot.adj: MAC in the low 48 bits as it lies in memory, port number, state. */
#define ADJ_PORT_SHIFT 48
#define ADJ_PORT(adj)  ((uint8_t)((adj) >> ADJ_PORT_SHIFT))
#define ADJ_VALID      (UINT64_C(1) << 56) /* the MAC may be used */
#define ADJ_STALE      (UINT64_C(1) << 57) /* whoever uses it says so, once: NEIGH_USED */

struct neigh_hot {
	_Atomic uint64_t adj;  /* control: w, workers: r */
	_Atomic uint32_t told; /* a worker has told of its use of the stale entry; control clears it */
};
extern struct neigh_hot *neigh_hot;
/* By the same index.  Written before a worker can see the index. */
extern struct addr *neigh_addr;

#define NEIGH_NONE UINT32_MAX
/* Packets that may wait for one neighbour: the fragments of the largest datagram at MTU 1500, and some. */
enum { NEIGH_WAIT = 64 };

/* Worker: the neighbours ip[0..n) (network order) on ports port[], NEIGH_NONE where there is none.
 * n <= BURST_MAX. */
void neigh_find_burst(const uint8_t *port, const uint32_t *ip, uint32_t *neigh, uint16_t n);

/* One neighbour of either family, NEIGH_NONE when there is none. */
uint32_t neigh_find(uint8_t port, const struct addr *a);

/* What an ARP or neighbour discovery packet says of its sender: it answers us (NEIGH_CONFIRMS: without
 * displacing another MAC), or asks for one of our addresses; anything else can only raise doubt about a
 * neighbour known already. */
enum neigh_news { NEIGH_ANSWER, NEIGH_CONFIRMS, NEIGH_ASKS_US, NEIGH_RUMOUR };
/* Would this change what control knows?  Saves it an event for each broadcast of the LAN: only a request
 * for us makes a new neighbour, only an answer counts when nothing changes. */
bool neigh_is_news(uint8_t port, const struct addr *a, const uint8_t mac[6], enum neigh_news news);

/* All below: control thread. */
int neigh_init(uint32_t max_neighbours);
void neigh_fini(void);

/* A neighbour that routes hold on to, made when there is none yet.  -ENOSPC. */
int neigh_pin(uint8_t port, const struct addr *a, uint32_t *neigh);
void neigh_unpin(uint32_t neigh);
/* Send packets, each an IP packet of the neighbour's family from its first byte, to a neighbour, in order: at once, or when it is
 * resolved.  Takes all of m[0..n), n <= NEIGH_WAIT, or none: 0, or -errno with everything dropped by name. */
int neigh_send(uint8_t port, const struct addr *a, struct rte_mbuf **m, uint16_t n);
/* A stale neighbour is in use: ask whether it is still there. */
void neigh_used(uint32_t neigh);
/* Such news came in on a port. */
void neigh_learn(uint8_t port, const struct addr *a, const uint8_t mac[6], enum neigh_news news);
/* Every neighbour of a port whose link went down has to prove itself again. */
void neigh_doubt_port(uint8_t port);
/* Timers. */
void neigh_service(uint64_t now_ns);
/* Announce our own addresses of a port. */
void neigh_announce(uint8_t port);
/* Neighbours known, of whatever state. */
uint32_t neigh_count(void);
