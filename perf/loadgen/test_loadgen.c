/* SPDX-License-Identifier: Apache-2.0 */
/* What the generator says is so: lost, altered and reordered packets are seen, percentiles and the search are right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_eal.h>
#include <rte_ethdev.h>

#include "hist.h"
#include "loop.h"
#include "search.h"
#include "trial.h"

enum { VALUES = 5000, EVERY = 10, L2 = 14 };

/* ---- percentiles ----------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void percentiles(void **state)
{
	static const double percent[] = {0.1, 1, 25, 50, 90, 99, 99.9, 100};
	static uint64_t v[VALUES];
	static struct hist h, parts[2];

	assert_int_equal(hist_percentile(&h, 50), 0);
	srandom(1);
	for (unsigned i = 0; i < VALUES; i++) {
		v[i] = (uint64_t)random() >> random() % 31;
		hist_add(&parts[i % 2], v[i]);
	}
	v[0] = 0;
	hist_merge(&h, &parts[0]);
	hist_merge(&h, &parts[1]);
	hist_add(&h, 0);
	hist_add(&h, UINT64_MAX);
	assert_int_equal(h.n, VALUES + 2);
	assert_int_equal(hist_percentile(&h, 100), UINT64_MAX);
	memset(&h, 0, sizeof(h));
	for (unsigned i = 0; i < VALUES; i++)
		hist_add(&h, v[i]);
	qsort(v, VALUES, sizeof(v[0]), by_size);
	for (unsigned i = 0; i < RTE_DIM(percent); i++) {
		uint64_t exact = v[(unsigned)(percent[i] / 100 * VALUES + 0.999999) - 1];
		uint64_t said = hist_percentile(&h, percent[i]);

		assert_true(said >= exact && said <= exact + exact / 16);
	}
}

/* ---- the search ------------------------------------------------------------------------------ */

struct gateway {
	double capacity, generator;
	unsigned trials;
};

static enum search_outcome pretend(void *arg, double pps)
{
	struct gateway *g = arg;

	g->trials++;
	return pps > g->generator ? SEARCH_SHORT : pps > g->capacity ? SEARCH_LOSS : SEARCH_PASS;
}

static double find(struct gateway *g, bool *limited)
{
	struct search s = {.most = 1e6, .resolution = 0.01, .trial = pretend, .arg = g};

	return search_run(&s, limited);
}

static void searching(void **state)
{
	bool limited;
	double found;

	for (unsigned capacity = 5000; capacity < 1000000; capacity += capacity / 3) {
		struct gateway g = {.capacity = capacity, .generator = 1e9};

		found = find(&g, &limited);
		assert_true(found <= capacity && found >= capacity * 0.989 && !limited);
		assert_in_range(g.trials, 2, 20);
	}
	found = find(&(struct gateway){.capacity = 2e6, .generator = 1e9}, &limited);
	assert_true(found == 1e6 && !limited);
	found = find(&(struct gateway){.capacity = 2e6, .generator = 3e5}, &limited);
	assert_true(found <= 3e5 && found >= 2.9e5 && limited);
	found = find(&(struct gateway){.capacity = 0, .generator = 1e9}, &limited);
	assert_true(found == 0);
}

/* ---- packets --------------------------------------------------------------------------------- */

static struct port port[2];
static struct rte_mempool *pool;

static void recognised(void **state)
{
	const struct traffic t = {.net = {0x0a010001, 0x0a020001}, .hosts = 10, .flows = 100, .size = 200};
	const struct stream s = {.t = &t, .trial = 7}, back = {.t = &t, .way = 1, .trial = 7},
			    later = {.t = &t, .trial = 8};
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint64_t n, tsc;
	uint8_t *b;

	packet_make(&s, 640, 12345, m); /* one that is looked at in full */
	b = rte_pktmbuf_mtod(m, uint8_t *);
	assert_int_equal(packet_read(&s, m, &n, &tsc), PACKET_OURS);
	assert_true(n == 640 && tsc == 12345);
	assert_int_equal(packet_read(&back, m, &n, &tsc), PACKET_OTHER);
	assert_int_equal(packet_read(&later, m, &n, &tsc), PACKET_OTHER);
	for (unsigned i = L2; i < m->data_len; i++) {
		b[i] ^= 0x40;
		assert_int_not_equal(packet_read(&s, m, &n, &tsc), PACKET_OURS);
		b[i] ^= 0x40;
	}
	b[L2 + 8]--; /* a hop: TTL, and its checksum the way RFC 1624 does it */
	b[L2 + 10] = (uint8_t)(b[L2 + 10] + 1);
	assert_int_equal(packet_read(&s, m, &n, &tsc), PACKET_OURS);
	m->data_len = 60;
	m->pkt_len = 60;
	assert_int_not_equal(packet_read(&s, m, &n, &tsc), PACKET_OURS);
	rte_pktmbuf_free(m);
}

static void in_turn(void **state)
{
	const struct traffic t = {
		.net = {0x0a010001, 0x0a020001}, .hosts = 10, .flows = 10, .size = 64, .in_order = true};
	const struct stream s = {.t = &t};
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	for (uint64_t n = 0; n < 30; n++) {
		packet_make(&s, n, 1, m);
		assert_int_equal(rte_pktmbuf_mtod(m, uint8_t *)[L2 + 15],
				 1 + n % 10); /* the source's last byte */
	}
	rte_pktmbuf_free(m);
}

/* ---- trials ---------------------------------------------------------------------------------- */

/* What the "gateway" in the receiving port does to packets. */
static enum { FAITHFUL, LOSES, ALTERS, SWAPS } mischief;
static unsigned seen;

static uint16_t interfere(uint16_t ethdev, uint16_t queue, struct rte_mbuf *m[], uint16_t n, uint16_t max,
			  void *arg)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		seen++;
		if (mischief == LOSES && seen % EVERY == 0) {
			rte_pktmbuf_free(m[i]);
			continue;
		}
		if (mischief == ALTERS && seen % EVERY == 0)
			rte_pktmbuf_mtod(m[i], uint8_t *)[L2 + 16] ^= 1; /* another host's now */
		m[kept++] = m[i];
	}
	for (uint16_t i = 1; mischief == SWAPS && i < kept; i = (uint16_t)(i + 2)) {
		struct rte_mbuf *first = m[i - 1];

		m[i - 1] = m[i];
		m[i] = first;
	}
	return kept;
}

static void run(struct trial_result *r, uint16_t size, int what)
{
	/* Order is a flow's own: packets that change places are of one. */
	const struct traffic t = {.net = {0x0a010001, 0x0a020001},
				  .hosts = what == SWAPS ? 1 : 50,
				  .flows = what == SWAPS ? 1 : 500,
				  .size = size};
	const struct trial_conf c = {.traffic = &t,
				     .port = port,
				     .pool = pool,
				     .way = {true, what == FAITHFUL},
				     .pps = 50000,
				     .seconds = 0.2,
				     .wait = 0.02};

	mischief = what;
	seen = 0;
	trial_run(&c, r);
	assert_int_equal(r->way[0].offered, 10000);
	assert_in_range(r->way[0].sent, 1000, 10000); /* less on a machine that is very busy */
	assert_int_equal(r->way[1].sent > 0, what == FAITHFUL);
}

static void faithful(void **state)
{
	static struct trial_result r;

	for (unsigned i = 0; i < 2; i++) {
		run(&r, i ? PACKET_IMIX : 64, FAITHFUL);
		for (unsigned w = 0; w < 2; w++) {
			assert_int_equal(r.way[w].received, r.way[w].sent);
			assert_int_equal(r.way[w].latency.n, r.way[w].sent);
			assert_int_equal(r.way[w].altered + r.way[w].reordered, 0);
			assert_true(trial_loss_ppm(&r.way[w]) == 0);
		}
		assert_int_equal(r.other, 0);
	}
}

static void faults(void **state)
{
	static struct trial_result r;
	const struct trial_way *w = &r.way[0];

	run(&r, 64, LOSES);
	assert_int_equal(w->received, w->sent - w->sent / EVERY);
	assert_true(trial_loss_ppm(w) > 99000 && trial_loss_ppm(w) <= 100000);
	run(&r, 64, ALTERS);
	assert_int_equal(w->altered, w->sent / EVERY);
	assert_int_equal(w->received, w->sent - w->altered);
	run(&r, 64, SWAPS);
	assert_int_equal(w->received, w->sent);
	assert_true(w->reordered > 0);
}

static int setup(void **state)
{
	static const char *const devices[] = {"net_ring_loopa", "net_ring_loopb"};
	const char *argv[] = {"test", "--no-huge", "--no-shconf",         "--no-pci", "--no-telemetry",
			      "-m",   "128",       "--log-level=warning", NULL};
	char err[256] = "";

	assert_true(rte_eal_init(RTE_DIM(argv) - 1, (char **)(uintptr_t)argv) >= 0);
	pool = rte_pktmbuf_pool_create("test", 8192, 0, 0, 2176, SOCKET_ID_ANY);
	assert_non_null(pool);
	assert_int_equal(loop_make(), 0);
	for (unsigned i = 0; i < 2; i++) {
		if (port_open(&port[i], devices[i], pool, err, sizeof(err)) < 0)
			fail_msg("%s", err);
		assert_int_equal(port_resolve(&port[i], pool, 1), 0);
		assert_non_null(rte_eth_add_rx_callback(port[i].ethdev, 0, interfere, NULL));
	}
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	return rte_eal_cleanup();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percentiles), cmocka_unit_test(searching), cmocka_unit_test(recognised),
		cmocka_unit_test(in_turn),     cmocka_unit_test(faithful),  cmocka_unit_test(faults),
	};

	return cmocka_run_group_tests_name("loadgen", tests, setup, teardown);
}
