/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration takes of memory, told before it is tried.  test_limits.c holds it against what is then in use. */
#include <rte_mbuf.h>

#include "dp.h"
#include "fib_tree.h"
#include "flow.h"
#include "sad_table.h"
#include "spd_table.h"

enum {
	/* rte_hash: key and value, its place among the free ones, and half as many places again, of which buckets of eight
	 * and as many more for collisions have a line each. */
	HASH_ENTRY = 8 + 4 + 2 * 64 / 8,
	WINDOW = 256,     /* bytes of an SA's anti-replay window, 1024 packets being the default */
	WORKER = 1 << 20, /* rings, the crypto library's state, tables of fragments */
	DPDK = 28 << 20,  /* its own, what ports take, and what is small */
};

static size_t hashes(size_t n)
{
	n += n / 2;
	return n * (2 * HASH_ENTRY + sizeof(struct spd_key) + sizeof(struct spd_key6));
}

size_t dp_memory_needed(const struct dp_conf *c)
{
	size_t bytes = fib_tree_bytes(c->max_routes) + DPDK;

	bytes += c->max_sas * (sizeof(struct sa_in) + sizeof(struct sa_out) + WINDOW / 2);
	bytes += c->max_policies * sizeof(*spd_policy) + hashes(c->max_policies);
	bytes += c->n_workers * (WORKER + flow_bytes(c->max_policies));
	bytes += dp_buffers(c) *
		 (sizeof(struct rte_mbuf) + sizeof(struct pkt) + RTE_CACHE_LINE_SIZE + dp_buffer_room(c));
	return bytes;
}
