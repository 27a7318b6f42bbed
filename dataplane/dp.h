/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data plane's one process-wide state: what dp_init() made.  Workers read it, the control thread
 * changes it before dp_start() or by publishing (see the modules).
 */
#pragma once

#include <stdatomic.h>

#include <rte_mempool.h>

#include "dp_api.h"
#include "worker.h"

enum { IFS_MAX = 4096 };

struct dp_if {
	char name[DP_NAME];
	bool is_port; /* false: tunnel interface */
	uint8_t port; /* index into ports[], ports only */
	uint16_t mtu;
	uint16_t zone; /* control: w, workers: r.  DP_ZONE_NONE: in no zone */
	uint8_t n_addr;
	struct prefix addr[DP_ADDRS];
};

struct dp {
	struct dp_conf conf;
	struct dp_handlers handlers;
	void *ctx;
	uint16_t n_workers;
	struct worker *worker[DP_WORKERS_MAX];
	struct rte_rcu_qsbr *qsbr;
	struct rte_mempool *pool;
	IMB_MGR *mb; /* the control thread's own, for key expansion */
	uint16_t n_ifs;
	struct dp_if ifs[IFS_MAX];
	uint64_t now_ns;             /* of the last dp_service() */
	bool prepared;               /* ports run, no more can be added */
	bool running;                /* workers run */
	_Atomic uint32_t generation; /* control: w, workers: r.  dp_changed() */
	uint64_t drops[DROP_MAX];    /* packets the control thread dropped */
};
extern struct dp dp;

/* All of dp_start() but launching the workers.  Tests and benchmarks stop here and call worker_turn(). */
int dp_prepare(char *err, size_t err_len);

/* What workers remember of their decisions (flow.h, sa_out.hop) is void from each worker's next burst on.  Called after
 * every change of routes, rules, zones, proxy-IDs, SAs, own addresses or neighbours has been published. */
void dp_changed(void);
/* Call fn(arg) on the control thread, from dp_service() or dp_fini(), once no worker can still hold
 * what the caller has just unpublished, in a table or in what it remembers: calls dp_changed(). */
void dp_retire(void (*fn)(void *arg), void *arg);
/* What a configuration says of packet buffers: bytes of room in each, and how many. */
size_t dp_buffer_room(const struct dp_conf *c);
uint32_t dp_buffers(const struct dp_conf *c);
/* Has every worker been quiescent since rte_rcu_qsbr_start() gave this token? */
bool dp_quiescent(uint64_t token);
/* Text for the log of control.  Control thread only: workers count instead. */
void dp_log(enum dp_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Write a text for the operator and return -err. */
int dp_fail(char *text, size_t text_len, int err, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* pkt_drop() of the control thread. */
void dp_drop(struct rte_mbuf *m, enum drop why);

/* The monotonic time of an sa_used_now() of a worker, 0 for never. */
uint64_t dp_used_ns(uint32_t used);

/* A new interface number, or -EEXIST, -ENOSPC.  It counts from dp_if_commit() on. */
int dp_if_new(const char *name, const struct prefix *addr, uint8_t n_addr, uint16_t *ifindex);
void dp_if_commit(void);
