/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Security rules: from zone, to zone, addresses, protocol, ports -> allow or deny.  The whole list is
 * compiled into one rte_acl for each family and replaced whole; the cost does not grow with the rules as long as they are
 * not wildly different.  There is no session table: a rule allows one direction.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "burst.h"
#include "dp_api.h"
#include "sa.h"
#include "worker.h"

struct rules;
extern _Atomic(struct rules *) rules_now;

/* Are there rules at all?  One load a burst where there are none. */
static inline bool rules_on(void)
{
	return atomic_load_explicit(&rules_now, memory_order_relaxed) != NULL;
}

/* Packets that fib_lookup() has given an out_if: those that the rules deny are dropped, others say where they were
 * counted.  What the gateway itself sends is not asked about. */
void rules_check(struct worker *w, struct list *l);

/* A rule's packets on one worker.  That worker: w, control: r */
struct rules_hit {
	uint64_t packets;
	uint64_t used; /* sa_used_now() */
};
/* In struct pkt: the rule that let it pass wants to hear of every packet. */
extern struct rules_hit rules_hit_logs;

static inline void rules_count(struct worker *w, struct rules_hit *hit)
{
	count_add(&hit->packets, 1);
	__atomic_store_n(&hit->used, sa_used_now(w->tsc), __ATOMIC_RELAXED);
}

/* The verdict on one packet, without counting it: the rule's id.  Control thread. */
uint32_t rules_verdict(const struct pkt *p, bool *allow);

/* No worker runs. */
void rules_fini(void);
