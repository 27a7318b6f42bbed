/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life cycle: dp_init, dp_port_add..., dp_start, dp_service again and again, dp_fini.
 */
#include "dp.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "capture.h"
#include "device.h"
#include "eal.h"
#include "fib.h"
#include "neigh.h"
#include "pmtu.h"
#include "port.h"
#include "punt.h"
#include "rules.h"
#include "sa.h"
#include "sad.h"
#include "spd.h"

enum {
	DEFAULT_MTU = 1500,
	DEFAULT_MBUFS = 8192,
	MBUF_CACHE = 256,
	FRAME_MIN = 2048,  /* what most drivers want a buffer to hold */
	LINK_HDR_MAX = 22, /* Ethernet and two VLAN tags */
	TAIL_ROOM = 128,   /* ESP padding, trailer and ICV */
};
static_assert(RTE_PKTMBUF_HEADROOM >= 128, "room for an outer header, UDP, ESP, IV and Ethernet");

struct dp dp;

/* ---- small things -------------------------------------------------------------------------- */

void dp_log(enum dp_log_level level, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!dp.conf.log)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	dp.conf.log(level, text);
}

int dp_fail(char *text, size_t text_len, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, text_len, fmt, ap);
	va_end(ap);
	return -err;
}

void dp_drop(struct rte_mbuf *m, enum drop why)
{
	count_add(&dp.drops[why], 1);
	rte_pktmbuf_free(m);
}

static uint64_t tsc_ns(uint64_t tsc)
{
	return (uint64_t)((double)tsc * 1e9 / (double)rte_get_tsc_hz());
}

uint64_t dp_used_ns(uint32_t used)
{
	uint64_t now = rte_rdtsc(), then = (uint64_t)(used - 1) << SA_USED_SHIFT;
	double ago;

	if (used == 0)
		return 0;
	ago = now > then ? (double)(now - then) * 1e9 / (double)rte_get_tsc_hz() : 0;
	return (double)dp.now_ns > ago ? dp.now_ns - (uint64_t)ago : 1;
}

/* ---- deferred freeing ---------------------------------------------------------------------- */

struct retired {
	STAILQ_ENTRY(retired) link;
	uint64_t token;
	void (*fn)(void *arg);
	void *arg;
};
static STAILQ_HEAD(, retired) retired = STAILQ_HEAD_INITIALIZER(retired);

bool dp_quiescent(uint64_t token)
{
	return rte_rcu_qsbr_check(dp.qsbr, token, false) == 1;
}

/* A worker reads this behind each burst that it has received: what it remembers of that burst carries the number from
 * before whatever it may have missed, and has no value with the next. */
void dp_changed(void)
{
	uint32_t next = atomic_load_explicit(&dp.generation, memory_order_relaxed) + 1;

	atomic_store_explicit(&dp.generation, next ? next : 1, memory_order_release);
}

void dp_retire(void (*fn)(void *arg), void *arg)
{
	struct retired *r = malloc(sizeof(*r));

	dp_changed();

	if (!r) { /* then wait for it here: a worker's turn at most */
		rte_rcu_qsbr_synchronize(dp.qsbr, RTE_QSBR_THRID_INVALID);
		fn(arg);
		return;
	}
	r->fn = fn;
	r->arg = arg;
	r->token = rte_rcu_qsbr_start(dp.qsbr);
	STAILQ_INSERT_TAIL(&retired, r, link);
}

/* Tokens grow, so the first that is not due yet ends the walk. */
static void free_retired(void)
{
	struct retired *r;

	while ((r = STAILQ_FIRST(&retired)) != NULL && dp_quiescent(r->token)) {
		STAILQ_REMOVE_HEAD(&retired, link);
		r->fn(r->arg);
		free(r);
	}
}

/* ---- interfaces ---------------------------------------------------------------------------- */

int dp_if_new(const char *name, const struct prefix *addr, uint8_t n_addr, uint16_t *ifindex)
{
	struct dp_if *f = &dp.ifs[dp.n_ifs];

	if (dp.n_ifs == IFS_MAX)
		return -ENOSPC;
	if (n_addr > DP_ADDRS || !*name || strnlen(name, DP_NAME) == DP_NAME)
		return -EINVAL;
	for (uint16_t i = 0; i < dp.n_ifs; i++)
		if (strcmp(dp.ifs[i].name, name) == 0)
			return -EEXIST;
	memset(f, 0, sizeof(*f));
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->n_addr = n_addr;
	if (n_addr)
		memcpy(f->addr, addr, n_addr * sizeof(*addr));
	*ifindex = dp.n_ifs;
	return 0;
}

void dp_if_commit(void)
{
	dp.n_ifs++;
}

int dp_tunnel_if_add(const char *name, const struct prefix *addr, uint8_t n_addr, uint16_t *ifindex)
{
	uint16_t i;
	int rc = dp_if_new(name, addr, n_addr, &i);

	if (rc == 0)
		rc = fib_if_add(i);
	if (rc < 0)
		return rc;
	dp_if_commit();
	*ifindex = i;
	return 0;
}

/* ---- start --------------------------------------------------------------------------------- */

size_t dp_buffer_room(const struct dp_conf *c)
{
	size_t frame = RTE_MAX((size_t)FRAME_MIN,
			       (size_t)(c->max_mtu ? c->max_mtu : DEFAULT_MTU) + LINK_HDR_MAX);

	/* af_packet wants a buffer to hold the ring's frame, however large the packets are. */
	for (uint16_t i = 0; i < c->n_devices; i++)
		frame = RTE_MAX(frame, device_number(c->devices[i], "framesz", 0));
	return RTE_PKTMBUF_HEADROOM + frame + TAIL_ROOM;
}

uint32_t dp_buffers(const struct dp_conf *c)
{
	return c->n_mbufs ? c->n_mbufs : DEFAULT_MBUFS;
}

static int make_pool(char *err, size_t err_len)
{
	size_t room = dp_buffer_room(&dp.conf);

	if (room > UINT16_MAX)
		return dp_fail(err, err_len, EINVAL, "packet buffers of %zu bytes are too large", room);
	dp.pool = rte_pktmbuf_pool_create("mbufs", dp.conf.n_mbufs, MBUF_CACHE,
					  RTE_ALIGN(sizeof(struct pkt), RTE_MBUF_PRIV_ALIGN), (uint16_t)room,
					  SOCKET_ID_ANY);
	if (!dp.pool)
		return dp_fail(err, err_len, rte_errno, "%u packet buffers of %zu bytes: %s", dp.conf.n_mbufs,
			       room, rte_strerror(rte_errno));
	return 0;
}

static int make_workers(char *err, size_t err_len)
{
	size_t size = rte_rcu_qsbr_get_memsize(dp.conf.n_workers);

	dp.qsbr = rte_zmalloc("qsbr", size, RTE_CACHE_LINE_SIZE);
	if (!dp.qsbr || rte_rcu_qsbr_init(dp.qsbr, dp.conf.n_workers) != 0)
		return dp_fail(err, err_len, ENOMEM, "memory for the workers");
	for (uint16_t i = 0; i < dp.conf.n_workers; i++) {
		dp.worker[i] = worker_new(i, (uint16_t)(i + 1));
		if (!dp.worker[i])
			return dp_fail(err, err_len, ENOMEM, "memory for worker %u", i);
		dp.n_workers++;
	}
	dp.mb = alloc_mb_mgr(0);
	if (!dp.mb)
		return dp_fail(err, err_len, ENOMEM, "intel-ipsec-mb did not start");
	init_mb_mgr_auto(dp.mb, NULL);
	return 0;
}

static int make_tables(char *err, size_t err_len)
{
	static const struct {
		const char *what;
		int (*init)(uint32_t n);
		size_t n;
	} tables[] = {
		{"neighbours", neigh_init, offsetof(struct dp_conf, max_neighbours)},
		{"routes", fib_init, offsetof(struct dp_conf, max_routes)},
		{"SAs", sad_init, offsetof(struct dp_conf, max_sas)},
		{"proxy-IDs", spd_init, offsetof(struct dp_conf, max_policies)},
	};

	for (size_t i = 0; i < RTE_DIM(tables); i++) {
		uint32_t n = *(const uint32_t *)((const char *)&dp.conf + tables[i].n);
		int rc = tables[i].init(n);

		if (rc < 0)
			return dp_fail(err, err_len, -rc, "table of %u %s: %s; all of it takes about %zu MB",
				       n, tables[i].what, strerror(-rc), dp_memory_needed(&dp.conf) >> 20);
	}
	return 0;
}

int dp_init(const struct dp_conf *conf, const struct dp_handlers *h, void *ctx, char *err, size_t err_len)
{
	int rc;

	if (dp.n_workers)
		return dp_fail(err, err_len, EALREADY, "the data plane runs already");
	if (conf->n_workers < 1 || conf->n_workers > DP_WORKERS_MAX)
		return dp_fail(err, err_len, EINVAL, "%u workers, but 1 to %d are possible", conf->n_workers,
			       DP_WORKERS_MAX);
	memset(&dp, 0, sizeof(dp));
	dp.conf = *conf;
	dp.conf.max_mtu = conf->max_mtu ? conf->max_mtu : DEFAULT_MTU;
	dp.conf.n_mbufs = dp_buffers(conf);
	dp.handlers = *h;
	dp.ctx = ctx;
	dp_changed(); /* 0 is what nobody remembers */
	rc = eal_start(&dp.conf, err, err_len);
	if (rc < 0)
		return rc;
	rc = make_pool(err, err_len);
	if (rc == 0)
		rc = make_workers(err, err_len);
	if (rc == 0 && (rc = punt_init()) < 0)
		dp_fail(err, err_len, -rc, "eventfd: %s", strerror(-rc));
	if (rc == 0)
		rc = make_tables(err, err_len);
	if (rc < 0)
		dp_fini();
	/* The caller's strings need not live on. */
	dp.conf.name = dp.conf.cores = NULL;
	dp.conf.devices = NULL;
	dp.conf.n_devices = 0;
	return rc;
}

int dp_prepare(char *err, size_t err_len)
{
	int rc;

	if (dp.prepared)
		return dp_fail(err, err_len, EALREADY, "the ports run already");
	for (uint16_t i = 0; i < dp.n_workers; i++) {
		struct worker *w = dp.worker[i];

		w->n_rx = 0;
		for (uint8_t k = 0; k < n_ports; k++) {
			uint8_t d = ports[k].device;

			if (ports[k].vid)
				continue;
			w->rx[d].ifindex = ports[k].ifindex;
			w->rx[d].ethdev = w->tx[d].ethdev = ports[k].ethdev;
			w->rx[d].queue = i;
			w->n_rx++;
		}
	}
	fib_service();
	rc = port_start_all(err, err_len);
	if (rc < 0)
		return rc;
	for (uint8_t i = 0; i < n_ports; i++)
		neigh_announce(i);
	dp.prepared = true;
	return 0;
}

int dp_start(char *err, size_t err_len)
{
	int rc = dp_prepare(err, err_len);

	for (uint16_t i = 0; i < dp.n_workers && rc == 0; i++) {
		rc = rte_eal_remote_launch(worker_main, dp.worker[i], dp.worker[i]->lcore);
		if (rc < 0)
			return dp_fail(err, err_len, -rc, "worker %u does not start: %s", i, strerror(-rc));
		dp.running = true;
	}
	return rc;
}

static void stop_workers(void)
{
	for (uint16_t i = 0; i < dp.n_workers; i++)
		atomic_store_explicit(&dp.worker[i]->stop, true, memory_order_relaxed);
	if (dp.running)
		rte_eal_mp_wait_lcore();
	dp.running = false;
}

void dp_fini(void)
{
	stop_workers();
	port_stop_all();
	if (dp.qsbr) {
		capture_fini();
		free_retired();
	}
	rules_fini();
	spd_fini();
	sad_fini();
	fib_fini();
	neigh_fini();
	if (dp.qsbr)
		free_retired();
	for (uint16_t i = 0; i < dp.n_workers; i++)
		worker_free(dp.worker[i]);
	if (dp.mb)
		free_mb_mgr(dp.mb);
	punt_fini();
	rte_mempool_free(dp.pool);
	rte_free(dp.qsbr);
	memset(&dp, 0, sizeof(dp));
	rte_eal_cleanup();
}

/* ---- service ------------------------------------------------------------------------------- */

int dp_event_fd(void)
{
	return punt_fd();
}

void dp_service(uint64_t now_ns)
{
	dp.now_ns = now_ns;
	punt_service();
	capture_service();
	neigh_service(now_ns);
	port_service(now_ns);
	pmtu_service(now_ns);
	fib_service();
	sad_service();
	free_retired();
}

/* ---- what happened ------------------------------------------------------------------------- */

int dp_drop_stats(unsigned i, struct dp_drop *d)
{
	static const struct {
		const char *name, *help;
	} text[DROP_MAX] = {
#define X(id, name, help) [id] = {name, help},
		DROP_REASONS(X)
#undef X
	};
	unsigned why = i + 1; /* 0 is DROP_NONE */

	if (why >= DROP_MAX)
		return -ENOENT;
	d->name = text[why].name;
	d->help = text[why].help;
	d->packets = count_read(&dp.drops[why]);
	for (uint16_t k = 0; k < dp.n_workers; k++)
		d->packets += count_read(&dp.worker[k]->drops[why]);
	return 0;
}

int dp_worker_stats(unsigned worker, struct dp_worker_stats *s)
{
	const struct worker *w = worker < dp.n_workers ? dp.worker[worker] : NULL;

	if (!w)
		return -ENOENT;
	s->cpu = (uint16_t)count_read(&w->cpu);
	s->loops = count_read(&w->loops);
	s->idle_loops = count_read(&w->idle_loops);
	s->rx_packets = count_read(&w->rx_packets);
	s->tx_packets = count_read(&w->tx_packets);
	s->handed_over = count_read(&w->handed_over);
	s->fragments = count_read(&w->fragments);
	s->reassembled = count_read(&w->reassembled);
	s->rx_bursts = count_read(&w->rx_bursts);
	s->known_flows = count_read(&w->known_flows);
	s->busy_ns = tsc_ns(count_read(&w->busy_tsc));
	s->up_ns = count_read(&w->start_tsc) ? tsc_ns(rte_rdtsc() - count_read(&w->start_tsc)) : 0;
	s->icmp_sent = count_read(&w->icmp_sent);
	s->icmp_limited = count_read(&w->icmp_limited);
	return 0;
}
