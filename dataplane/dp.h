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
	bool port;            /* false: tunnel interface */
	uint16_t ethdev;      /* DPDK's port number, ports only */
	uint16_t mtu;
	uint8_t mac[6];
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
	IMB_MGR *mb;          /* the control thread's own, for key expansion */
	uint16_t n_ifs;
	struct dp_if ifs[IFS_MAX];
	uint64_t now_ns;      /* of the last dp_service() */
};
extern struct dp dp;

/* Call fn(arg) on the control thread, from dp_service() or dp_fini(), once no worker can still hold
 * what the caller has just unpublished. */
void dp_retire(void (*fn)(void *arg), void *arg);
/* Text for the log of control.  Control thread only: workers count instead. */
void dp_log(enum dp_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
