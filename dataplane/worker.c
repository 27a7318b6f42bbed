/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of a core.  A turn is a quiescent state: nothing that was looked up in one turn is used in the
 * next, so whatever the control thread unpublished before a turn is free of this worker after it.
 */
#include "worker.h"

#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_pause.h>

#include "datagram.h"
#include "dp.h"
#include "early.h"
#include "flow.h"
#include "frag_ports.h"
#include "handover.h"
#include "path.h"
#include "port.h"
#include "punt.h"
#include "reassemble.h"
#include "xmit.h"

enum {
	EMPTY_SPIN = 64,   /* empty turns before a worker sleeps, each with a pause */
	SLEEP_MIN_US = 20, /* the first sleep ... */
	SLEEP_MAX_US = 200 /* ... and the longest: what a packet may wait */
};

static unsigned inject_poll(struct worker *w)
{
	struct rte_mbuf *m[BURST_MAX];
	unsigned n = rte_ring_sc_dequeue_burst(w->inject, (void **)m, BURST_MAX, NULL);

	for (unsigned i = 0; i < n; i++) {
		if (unlikely(m[i]->port & INJECT_UNRESOLVED))
			path_unresolved(w, m[i]->port & ~INJECT_UNRESOLVED, m[i]);
		else if (unlikely(m[i]->port == INJECT_DUMMY))
			path_dummy(w, m[i]->hash.usr, m[i]);
		else if (unlikely(m[i]->port == INJECT_OWN))
			path_own(w, m[i]);
		else if (dp.ifs[m[i]->port].is_port)
			xmit_frame(w, m[i]->port, m[i]);
		else
			path_into_tunnel(w, m[i]->port, m[i]);
	}
	return n;
}

unsigned worker_turn(struct worker *w)
{
	struct rte_mbuf *m[BURST_MAX];
	unsigned seen;

	flow_begin(w);
	stage_turn(&w->stage, w->rx_bursts);
	stage_start(&w->stage);
	seen = inject_poll(w) + handover_poll(w);
	if (unlikely(w->early.n))
		seen += path_early(w);
	for (uint16_t i = 0; i < w->n_rx; i++) {
		uint16_t n;

		stage_start(&w->stage);
		n = rte_eth_rx_burst(w->rx[i].ethdev, w->rx[i].queue, m, BURST_MAX);
		if (n == 0)
			continue;
		stage_done(&w->stage, STAGE_RECEIVE, n);
		path_rx(w, w->rx[i].ifindex, m, n);
		count_add(&w->rx_packets, n);
		count_add(&w->rx_bursts, 1);
		seen += n;
	}
	datagram_service(w, w->reassembly);
	datagram_service(w, w->frag_ports);
	stage_start(&w->stage);
	xmit_flush(w);
	stage_done(&w->stage, STAGE_SEND, (uint16_t)seen);
	punt_tell(w);
	count_add(&w->loops, 1);
	if (seen == 0)
		count_add(&w->idle_loops, 1);
	return seen;
}

/* Give the core back, a little longer each time.  Off line meanwhile: nothing need wait for a sleeper. */
static void idle(struct worker *w, unsigned empty)
{
	unsigned doubled = (empty - EMPTY_SPIN) / 4;
	uint32_t us = doubled > 3 ? SLEEP_MAX_US : SLEEP_MIN_US << doubled;
	struct timespec t = {.tv_nsec = RTE_MIN(us, (uint32_t)SLEEP_MAX_US) * 1000};

	rte_rcu_qsbr_thread_offline(dp.qsbr, w->id);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
	rte_rcu_qsbr_thread_online(dp.qsbr, w->id);
}

int worker_main(void *arg)
{
	struct worker *w = arg;
	uint64_t look_at_cpu = 0, before = rte_rdtsc();
	unsigned empty = 1;

	__atomic_store_n(&w->start_tsc, before, __ATOMIC_RELAXED);

	if (dp.conf.adaptive_idle)
		prctl(PR_SET_TIMERSLACK, 1000ul); /* or 20 us become 70 */
	rte_rcu_qsbr_thread_register(dp.qsbr, w->id);
	rte_rcu_qsbr_thread_online(dp.qsbr, w->id);
	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		w->tsc = rte_rdtsc();
		if (!empty)
			count_add(&w->busy_tsc, w->tsc - before);
		before = w->tsc;
		if (w->tsc > look_at_cpu) {
			__atomic_store_n(&w->cpu, (uint64_t)sched_getcpu(), __ATOMIC_RELAXED);
			look_at_cpu = w->tsc + w->tsc_hz;
		}
		empty = worker_turn(w) ? 0 : empty + 1;
		rte_rcu_qsbr_quiescent(dp.qsbr, w->id);
		if (empty == 0)
			continue;
		if (dp.conf.adaptive_idle && empty > EMPTY_SPIN)
			idle(w, empty);
		else
			rte_pause();
	}
	rte_rcu_qsbr_thread_offline(dp.qsbr, w->id);
	rte_rcu_qsbr_thread_unregister(dp.qsbr, w->id);
	return 0;
}

static struct rte_ring *make_ring(const char *what, uint16_t id, unsigned size, unsigned flags)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "%s%u", what, id);
	return rte_ring_create(name, size, SOCKET_ID_ANY, flags);
}

struct worker *worker_new(uint16_t id, uint16_t lcore)
{
	int socket = (int)rte_lcore_to_socket_id(lcore);
	struct worker *w = rte_zmalloc_socket("worker", sizeof(*w), RTE_CACHE_LINE_SIZE, socket);
	char name[RTE_RING_NAMESIZE];

	if (!w)
		return NULL;
	w->id = id;
	w->lcore = lcore;
	w->tsc_hz = rte_get_tsc_hz();
	w->tsc = rte_rdtsc();
	w->stage.every = STAGE_EVERY;
	w->vlan = rte_zmalloc_socket("vlans", LINKS_MAX * sizeof(*w->vlan), RTE_CACHE_LINE_SIZE, socket);
	w->mb = alloc_mb_mgr(0);
	if (w->mb)
		init_mb_mgr_auto(w->mb, NULL);
	/* Relaxed tail sync: a producer that loses its CPU must not hold up the others. */
	w->handover = make_ring("handover", id, WORKER_RINGS, RING_F_MP_RTS_ENQ | RING_F_SC_DEQ);
	w->inject = make_ring("inject", id, CONTROL_RINGS, RING_F_SP_ENQ | RING_F_SC_DEQ);
	snprintf(name, sizeof(name), "up%u", id);
	w->up = rte_ring_create_elem(name, punt_event_size(), CONTROL_RINGS, SOCKET_ID_ANY,
				     RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (reassemble_init(w) && frag_ports_init(w) && flow_init(w) && w->vlan && w->mb && w->handover &&
	    w->inject && w->up)
		return w;
	worker_free(w);
	return NULL;
}

static void drain(struct rte_ring *r)
{
	void *m;

	while (r && rte_ring_dequeue(r, &m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(r);
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	for (unsigned i = 0; i < PORTS_MAX; i++)
		for (uint16_t k = 0; k < w->tx[i].n; k++)
			rte_pktmbuf_free(w->tx[i].m[k]);
	datagram_table_free(w, w->reassembly);
	datagram_table_free(w, w->frag_ports);
	early_free(w);
	flow_free(w);
	drain(w->handover);
	drain(w->inject);
	if (w->up)
		punt_drain(w);
	rte_ring_free(w->up);
	if (w->mb)
		free_mb_mgr(w->mb);
	rte_free(w->vlan);
	rte_free(w);
}
