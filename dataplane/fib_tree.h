/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prefixes of both families to 64-bit values: the tree that control asks (rte_rib, rte_rib6), and the
 * copies that workers read (rte_fib, rte_fib6), which hold 15 bits.  fib.c gives the values their meaning.
 *
 * All of this belongs to the control thread, but for looking up in a copy.  Prefixes have their host bits
 * clear.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_fib.h>
#include <rte_fib6.h>

#include "addr.h"

struct fib_copy {
	struct rte_fib *v4;
	struct rte_fib6 *v6;
};
/* What a copy says of an address without a route. */
enum { FIB_TREE_NOWHERE = 0, FIB_TREE_VALUE_MAX = 32767 };

/* What that takes of memory. */
size_t fib_tree_bytes(uint32_t max_routes);
/* Room for max_routes of each family. 0 or -ENOMEM. */
int fib_tree_init(uint32_t max_routes, struct fib_copy copy[2]);
void fib_tree_fini(struct fib_copy copy[2]);

/* The value of exactly this prefix, or of the longest that holds the address. */
bool fib_tree_find(const struct prefix *p, uint64_t *value);
bool fib_tree_match(const struct addr *a, struct prefix *p, uint64_t *value);
/* Prefixes of a family (4 or 6), and room for how many. */
uint32_t fib_tree_count(uint8_t v, uint32_t *max);
/* Add or change.  0, or -ENOSPC, which also says that a copy would have no room for it. */
int fib_tree_set(const struct prefix *p, uint64_t value);
/* The prefix is there. */
void fib_tree_remove(const struct prefix *p);

/* The same for a copy that no worker reads. 0 or -errno. */
int fib_copy_add(struct fib_copy *c, const struct prefix *p, uint16_t value);
int fib_copy_del(struct fib_copy *c, const struct prefix *p);
/* ip: n addresses of 16 bytes, one after the other. */
static inline void fib_copy_lookup6(const struct fib_copy *c, uint8_t ip[][16], uint64_t *value, unsigned n)
{
	/* By way of void: DPDK 24.11 made a struct of the sixteen bytes. */
	rte_fib6_lookup_bulk(c->v6, (void *)ip, value, (int)n);
}
