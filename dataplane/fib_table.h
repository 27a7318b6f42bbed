/* SPDX-License-Identifier: Apache-2.0 */
/* What fib.c (looking up) and fib_api.c (changing) share. */
#pragma once

#include "fib.h"
#include "fib_tree.h"

enum { NH_MAX = FIB_TREE_VALUE_MAX };

enum nh_kind {
	NH_NONE,      /* no route */
	NH_LOCAL,     /* one of our addresses */
	NH_BROADCAST, /* of a connected network: never forwarded (RFC 2644) */
	NH_CONNECTED, /* the destination is a neighbour */
	NH_GATEWAY,   /* the neighbour is known */
	NH_TUNNEL,
	NH_GROUP, /* one of several, by flow */
};
enum { NH_ID_NONE = FIB_TREE_NOWHERE, NH_ID_LOCAL, NH_ID_BROADCAST, NH_ID_FIRST };

struct nh { /* workers: r */
	uint8_t kind;
	uint8_t port;
	uint16_t ifindex; /* NH_TUNNEL, NH_CONNECTED, NH_GATEWAY */
	uint32_t neigh;   /* NH_GATEWAY; NH_GROUP: its place in fib_group[] */
};

enum { GROUPS_MAX = 256 };
struct group { /* workers: r; reused as an entry of fib_nh[] is */
	uint16_t n, nh[DP_HOPS_MAX];
};

/* An entry of fib_nh[] is written before the first fib that names it is published and reused after neither fib
 * names it and every worker was quiescent, so workers read it without care.  Both serve both families. */
extern struct nh fib_nh[NH_MAX];
extern struct group fib_group[GROUPS_MAX];
extern _Atomic(const struct fib_copy *) fib_active;

/* The index into fib_nh[] that a packet's route leads to, as a worker would find it; of a group the
 * one for its flow. */
uint32_t fib_hop(const struct pkt *p);
