/* SPDX-License-Identifier: Apache-2.0 */
/* How full the tables are. */
#include <errno.h>

#include <rte_malloc.h>

#include "dp.h"
#include "fib.h"
#include "neigh.h"
#include "sad.h"
#include "spd.h"

static void inbound_sas(struct dp_capacity *c)
{
	sad_use(true, &c->used, &c->limit);
}

static void outbound_sas(struct dp_capacity *c)
{
	sad_use(false, &c->used, &c->limit);
}

static void policies(struct dp_capacity *c)
{
	spd_use(&c->used, &c->limit);
}

static void interfaces(struct dp_capacity *c)
{
	c->used = dp.n_ifs;
	c->limit = IFS_MAX;
}

static void routes4(struct dp_capacity *c)
{
	fib_use(4, &c->used, &c->limit);
}

static void routes6(struct dp_capacity *c)
{
	fib_use(6, &c->used, &c->limit);
}

static void neighbours(struct dp_capacity *c)
{
	c->used = neigh_count();
	c->limit = dp.conf.max_neighbours;
}

static void buffers(struct dp_capacity *c)
{
	c->used = rte_mempool_in_use_count(dp.pool);
	c->limit = dp.pool->size;
}

static void memory(struct dp_capacity *c)
{
	struct rte_malloc_socket_stats s;

	c->used = c->limit = 0;
	for (int i = 0; i < RTE_MAX_NUMA_NODES; i++) {
		if (rte_malloc_get_socket_stats(i, &s) < 0)
			continue;
		c->used += s.heap_allocsz_bytes;
		c->limit += dp.conf.hugepages ? 0 : s.heap_totalsz_bytes;
	}
}

static const struct {
	const char *name, *help;
	void (*use)(struct dp_capacity *c);
} table[] = {
	{"inbound-sas", "SPIs reserved and inbound SAs; system max-sas", inbound_sas},
	{"outbound-sas", "outbound SAs; system max-sas", outbound_sas},
	{"proxy-ids", "twice what was configured at the start, and 1024", policies},
	{"interfaces", "ports, VLANs and tunnel interfaces", interfaces},
	{"routes-ipv4", "twice what was configured at the start, and 1024; own networks included", routes4},
	{"routes-ipv6", "the same", routes6},
	{"neighbours", "ARP and neighbour discovery", neighbours},
	{"packet-buffers", "those that ports hold ready are in use", buffers},
	{"memory-bytes", "of the data plane; system memory, or what huge pages there are", memory},
};

int dp_capacity(unsigned i, struct dp_capacity *c)
{
	if (i >= RTE_DIM(table))
		return -ENOENT;
	*c = (struct dp_capacity){.name = table[i].name, .help = table[i].help};
	table[i].use(c);
	return 0;
}
