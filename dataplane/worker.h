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

#include "bucket.h"
#include "burst.h"
#include "dp_api.h"
#include "stage.h"

/* Packets between workers, and between a worker and control: with ten thousand peers that are asked for a sign of life
 * by a control thread that had to wait for its core, thousands at once. */
enum { PORTS_MAX = 32, WORKER_RINGS = 1024, CONTROL_RINGS = 4096 };

struct tx_queue { /* packets on their way out of one port, sent at the end of each turn or when full */
	uint16_t n, ethdev;
	uint64_t refused; /* this worker: w, control: r */
	struct rte_mbuf *m[2 * BURST_MAX];
};

/* What a worker passes to control is limited by class, so that a flood of one does not starve another. */
enum punt_class {
	PUNT_IKE,
	PUNT_IKE_NEW, /* of somebody who has no SA with us */
	PUNT_NEIGH,
	PUNT_UNRESOLVED,
	PUNT_RULE,
	PUNT_PROBE,
	PUNT_ECHO,
	PUNT_ICMP,
	PUNT_UNKNOWN_SPI,
	PUNT_CLASSES
};

struct datagram_table;
struct flow;

struct vlan_count { /* this worker: w, control: r */
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
};

/* m->port of an injected dummy packet, whose outbound SA's handle is in m->hash.usr; of an echo request of ours. */
enum { INJECT_DUMMY = 0x7fff, INJECT_OWN = 0x7ffe };
/* Beside the interface in m->port of an injected packet: it is no frame to send, but came in there, and the next hop
 * it waited for is silent. */
enum inject { INJECT_UNRESOLVED = 0x8000 };

/* ESP packets that wait for their SA: early.h.  All of them until the first has waited long enough. */
enum { EARLY_MAX = 32 };
static_assert((int)EARLY_MAX <= (int)BURST_MAX, "they are taken as a burst");
struct early {
	uint16_t n;
	uint64_t until; /* tsc */
	struct pkt p[EARLY_MAX];
};

struct worker {
	/* read-only after start */
	uint16_t id, lcore;
	uint16_t n_rx; /* receive queues this worker polls, and transmit queues it has: one of each port */
	struct {
		uint16_t ifindex, ethdev, queue;
	} rx[PORTS_MAX];
	IMB_MGR *mb;
	struct rte_ring *handover; /* other workers: enqueue, this one: dequeue */
	struct rte_ring *inject;   /* control: enqueue ready frames, m->port = ifindex; enum inject */
	struct rte_ring *up;       /* this worker: enqueue struct event, control: dequeue */
	uint64_t tsc_hz;

	/* this worker only */
	uint64_t tsc;        /* time of this turn, set by the caller of worker_turn */
	uint32_t generation; /* dp.generation behind the last burst received */
	uint32_t flow_mask;
	struct flow *flow; /* flow.h */
	bool tell;         /* events lie on `up` that control has not been woken for */
	struct bucket punt[PUNT_CLASSES];
	struct pkt pkts[BURST_MAX];
	uint16_t n_wide;            /* packets marked so since path_encrypt() looked */
	struct list big;            /* clear text and outer packets that their port refused: mtu.h */
	struct bucket icmp;         /* errors of our own ... */
	struct pkt made[BURST_MAX]; /* ... that wait until the stages which run have ended: icmp.h */
	uint16_t n_made;
	struct early early;
	uint16_t ip_id; /* of the next packet made here */
	struct datagram_table *reassembly, *frag_ports;
	uint32_t n_frag_wait;          /* packets that wait in frag_ports */
	struct tx_queue tx[PORTS_MAX]; /* as rx[] */

	/* this worker: w, control: r */
	alignas(64) uint64_t drops[DROP_MAX];
	uint64_t loops, idle_loops, rx_packets, tx_packets, handed_over;
	uint64_t cpu;         /* where it ran last */
	uint64_t fragments;   /* sent, of packets too big */
	uint64_t reassembled; /* datagrams, of fragments */
	uint64_t rx_bursts;
	uint64_t known_flows;             /* packets of such */
	uint64_t busy_tsc, start_tsc;     /* cycles of turns that had packets; when it began */
	uint64_t icmp_sent, icmp_limited; /* errors made, and those that the rate did not allow */
	struct stage_clock stage;
	struct vlan_count *vlan; /* by place in ports[] */

	/* control: w, this worker: r */
	alignas(64) atomic_bool stop;
};

/* Free a packet and count why. The only way for a packet to end here. */
static inline void pkt_drop(struct worker *w, struct pkt *p, enum drop why)
{
	count_add(&w->drops[why], 1);
	rte_pktmbuf_free(p->m);
	p->m = NULL;
}

/* One turn: control's frames, other workers' packets, then every receive queue.  Returns packets seen.
 * Tests and benchmarks call it directly, from one thread at a time and after setting w->tsc, the clock of
 * everything that is limited per second; worker_main calls it for ever. */
unsigned worker_turn(struct worker *w);
/* The lcore's function: turns, quiescent states, idling, until w->stop. */
int worker_main(void *w);

/* Control thread.  A worker with its rings, not running; NULL when memory is short.  Freeing it drops
 * what its rings still hold. */
struct worker *worker_new(uint16_t id, uint16_t lcore);
void worker_free(struct worker *w);
