/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker: what a core owns.  Nothing here is shared except where a field says so.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

#include <intel-ipsec-mb.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include "burst.h"
#include "dp_api.h"

enum { PORTS_MAX = 32, WORKER_RINGS = 1024 };

struct tx_queue { /* packets on their way out of one port, sent at the end of each burst */
	uint16_t n;
	struct rte_mbuf *m[2 * BURST_MAX];
};

struct worker {
	/* read-only after start */
	uint16_t id, lcore;
	uint16_t n_rx;                          /* receive queues this worker polls */
	struct { uint16_t port, queue; } rx[PORTS_MAX];
	IMB_MGR *mb;
	struct rte_ring *handover;              /* other workers: enqueue, this one: dequeue */
	struct rte_ring *inject;                /* control: enqueue ready frames, this worker: transmit */
	struct rte_ring *up;                    /* this worker: enqueue struct event, control: dequeue */
	uint64_t tsc_hz;

	/* this worker only */
	uint64_t tsc;                           /* time at the start of this turn */
	struct pkt pkts[BURST_MAX];
	struct tx_queue tx[PORTS_MAX];

	/* this worker: w, control: r */
	alignas(64) uint64_t drops[DROP_MAX];
	uint64_t loops, idle_loops, rx_packets, tx_packets, handed_over;

	/* control: w, this worker: r */
	alignas(64) atomic_bool stop;
};

/* Free a packet and count why. The only way for a packet to end here. */
static inline void pkt_drop(struct worker *w, struct pkt *p, enum drop why)
{
	w->drops[why]++;
	rte_pktmbuf_free(p->m);
	p->m = NULL;
}

/* One turn: control's frames, other workers' packets, then every receive queue.  Returns packets seen.
 * Tests and benchmarks call it directly; worker_main calls it for ever. */
unsigned worker_turn(struct worker *w);
/* The lcore's function: turns, quiescent states, idling, until w->stop. */
int worker_main(void *w);
