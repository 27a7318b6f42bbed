/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DPDK 24.11 made struct rte_ipv6_addr of what were arrays of sixteen bytes; the two lie in memory alike.
 * Addresses are handed over as pointers to void here, which C converts to either.
 */
#include "fib_tree.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>
#include <rte_memory.h>
#include <rte_rib.h>
#include <rte_rib6.h>

enum {
	TBL8_MAX = 32767,
	TBL8_EACH6 = 4,  /* of rte_fib6, for a route */
	TBL24_BITS = 24, /* the first table's; each further eight bits want another one of 256 entries */
};

static struct {
	struct rte_rib *v4;
	struct rte_rib6 *v6;
	uint32_t max_routes, n_routes4, n_routes6;
	uint32_t max_tbl8_4, n_tbl8_4, max_tbl8_6, n_tbl8_6;
} t;

static uint32_t host_ip(const struct addr *a)
{
	uint32_t ip;

	memcpy(&ip, a->b, 4);
	return ntohl(ip);
}

/* ---- the tree ------------------------------------------------------------------------------ */

bool fib_tree_find(const struct prefix *p, uint64_t *value)
{
	struct rte_rib6_node *n6;
	struct rte_rib_node *n4;

	if (p->a.v == 4) {
		n4 = rte_rib_lookup_exact(t.v4, host_ip(&p->a), p->len);
		return n4 && rte_rib_get_nh(n4, value) == 0;
	}
	n6 = rte_rib6_lookup_exact(t.v6, (const void *)p->a.b, p->len);
	return n6 && rte_rib6_get_nh(n6, value) == 0;
}

static bool match4(const struct addr *a, struct prefix *p, uint64_t *value)
{
	struct rte_rib_node *n = rte_rib_lookup(t.v4, host_ip(a));
	uint32_t ip;

	if (!n)
		return false;
	rte_rib_get_nh(n, value);
	rte_rib_get_ip(n, &ip);
	rte_rib_get_depth(n, &p->len);
	ip = htonl(ip);
	p->a = addr_v4((const uint8_t *)&ip);
	return true;
}

bool fib_tree_match(const struct addr *a, struct prefix *p, uint64_t *value)
{
	struct rte_rib6_node *n;

	if (a->v == 4)
		return match4(a, p, value);
	n = a->v == 6 ? rte_rib6_lookup(t.v6, (const void *)a->b) : NULL;
	if (!n)
		return false;
	rte_rib6_get_nh(n, value);
	p->a = *a;
	rte_rib6_get_ip(n, (void *)p->a.b);
	rte_rib6_get_depth(n, &p->len);
	return true;
}

/* rte_fib takes an 8-bit table for each /24 that has longer prefixes. */
static uint32_t tbl8_4(const struct prefix *p)
{
	uint32_t ip = host_ip(&p->a);

	return p->len > TBL24_BITS && !rte_rib_get_nxt(t.v4, ip, TBL24_BITS, NULL, RTE_RIB_GET_NXT_COVER);
}

/* rte_fib6 takes one for each eight bits, as far as prefixes do not share them.  How they share depends on
 * what came first; that they do not share at all is the worst that can happen, and is what is counted. */
static uint32_t tbl8_6(const struct prefix *p)
{
	return p->len > TBL24_BITS ? (p->len - TBL24_BITS + 7u) / 8 : 0;
}

static int set4(const struct prefix *p, uint64_t value)
{
	struct rte_rib_node *n = rte_rib_lookup_exact(t.v4, host_ip(&p->a), p->len);

	if (!n) {
		uint32_t tbl8 = tbl8_4(p);

		if (t.n_routes4 == t.max_routes || t.n_tbl8_4 + tbl8 > t.max_tbl8_4)
			return -ENOSPC;
		n = rte_rib_insert(t.v4, host_ip(&p->a), p->len);
		if (!n)
			return -ENOSPC;
		t.n_tbl8_4 += tbl8;
		t.n_routes4++;
	}
	return rte_rib_set_nh(n, value);
}

int fib_tree_set(const struct prefix *p, uint64_t value)
{
	struct rte_rib6_node *n;

	if (p->a.v == 4)
		return set4(p, value);
	n = rte_rib6_lookup_exact(t.v6, (const void *)p->a.b, p->len);
	if (!n) {
		if (t.n_routes6 == t.max_routes || t.n_tbl8_6 + tbl8_6(p) > t.max_tbl8_6)
			return -ENOSPC;
		n = rte_rib6_insert(t.v6, (const void *)p->a.b, p->len);
		if (!n)
			return -ENOSPC;
		t.n_tbl8_6 += tbl8_6(p);
		t.n_routes6++;
	}
	return rte_rib6_set_nh(n, value);
}

void fib_tree_remove(const struct prefix *p)
{
	if (p->a.v == 4) {
		rte_rib_remove(t.v4, host_ip(&p->a), p->len);
		t.n_tbl8_4 -= tbl8_4(p);
		t.n_routes4--;
		return;
	}
	rte_rib6_remove(t.v6, (const void *)p->a.b, p->len);
	t.n_tbl8_6 -= tbl8_6(p);
	t.n_routes6--;
}

/* ---- the copies ---------------------------------------------------------------------------- */

static int copy_put(struct fib_copy *c, const struct prefix *p, uint16_t value)
{
	if (p->a.v == 4)
		return rte_fib_add(c->v4, host_ip(&p->a), p->len, value);
	return rte_fib6_add(c->v6, (const void *)p->a.b, p->len, value);
}

static struct rte_fib6 *make_fib6(const char *name)
{
	struct rte_fib6_conf c = {
		.type = RTE_FIB6_TRIE,
		.default_nh = FIB_TREE_NOWHERE,
		.max_routes = (int)t.max_routes,
		.trie = {.nh_sz = RTE_FIB6_TRIE_2B, .num_tbl8 = t.max_tbl8_6},
	};

	return rte_fib6_create(name, SOCKET_ID_ANY, &c);
}

static int renew_route(struct rte_fib6 *f, struct rte_rib6_node *n)
{
	uint8_t ip[16], depth;
	uint64_t value;

	rte_rib6_get_ip(n, (void *)ip);
	rte_rib6_get_depth(n, &depth);
	rte_rib6_get_nh(n, &value);
	return rte_fib6_add(f, (const void *)ip, depth, value);
}

/* A new one with the old one's routes: rte_fib6 of DPDK 22.11 reckons what a route needs anew when it goes, by
 * what lies around it then, and so drifts away from what it has, until it refuses what would fit. */
static int renew6(struct fib_copy *c)
{
	static const uint8_t any[16];
	static unsigned serial;
	struct rte_rib6 *routes = rte_fib6_get_rib(c->v6);
	struct rte_rib6_node *n = rte_rib6_lookup_exact(routes, (const void *)any, 0);
	char name[24];
	struct rte_fib6 *f;
	int rc = 0;

	snprintf(name, sizeof(name), "routes6.%u", serial++);
	f = make_fib6(name);
	if (!f)
		return -ENOMEM;
	if (n)
		rc = renew_route(f, n);
	n = NULL;
	while (rc == 0 &&
	       (n = rte_rib6_get_nxt(routes, (const void *)any, 0, n, RTE_RIB6_GET_NXT_ALL)) != NULL)
		rc = renew_route(f, n);
	if (rc < 0) {
		rte_fib6_free(f);
		return rc;
	}
	rte_fib6_free(c->v6);
	c->v6 = f;
	return 0;
}

uint32_t fib_tree_count(uint8_t v, uint32_t *max)
{
	*max = t.max_routes;
	return v == 4 ? t.n_routes4 : t.n_routes6;
}

/* Both libraries of DPDK 22.11 do not count the 8-bit tables of a route longer than /24 that leads where
 * its parent does, but take them off when the route goes: in the end they believe themselves full and
 * refuse routes.  So such a route comes in leading nowhere, as no other does, and is turned then; nobody
 * reads this copy. */
int fib_copy_add(struct fib_copy *c, const struct prefix *p, uint16_t value)
{
	int rc = p->len > TBL24_BITS ? copy_put(c, p, FIB_TREE_NOWHERE) : 0;

	if (rc == -ENOSPC && p->a.v == 6) {
		rc = renew6(c);
		if (rc == 0)
			rc = copy_put(c, p, FIB_TREE_NOWHERE);
	}
	return rc < 0 ? rc : copy_put(c, p, value);
}

int fib_copy_del(struct fib_copy *c, const struct prefix *p)
{
	if (p->a.v == 4)
		return rte_fib_delete(c->v4, host_ip(&p->a), p->len);
	return rte_fib6_delete(c->v6, (const void *)p->a.b, p->len);
}

/* ---- life ---------------------------------------------------------------------------------- */

static struct rte_fib *make_fib(const char *name)
{
	struct rte_fib_conf c = {
		.type = RTE_FIB_DIR24_8,
		.default_nh = FIB_TREE_NOWHERE,
		.max_routes = (int)t.max_routes,
		.dir24_8 = {.nh_sz = RTE_FIB_DIR24_8_2B, .num_tbl8 = t.max_tbl8_4},
	};

	return rte_fib_create(name, SOCKET_ID_ANY, &c);
}

static uint32_t tbl8_of4(uint32_t max_routes)
{
	return RTE_MIN(max_routes, (uint32_t)TBL8_MAX);
}

static uint32_t tbl8_of6(uint32_t max_routes)
{
	return RTE_MIN(max_routes * TBL8_EACH6, (uint32_t)TBL8_MAX);
}

/* Two copies for each family, of 2^24 places and the tables of 256 behind them; and trees, a memory pool each, of two
 * nodes for a route. */
size_t fib_tree_bytes(uint32_t max_routes)
{
	enum { TREES = 6, POOL = 3 << 20 };
	size_t places = 2 * ((size_t)1 << TBL24_BITS) +
			256 * ((size_t)tbl8_of4(max_routes) + tbl8_of6(max_routes));

	return 2 * places * sizeof(uint16_t) + TREES * (POOL + 2 * (size_t)max_routes * RTE_CACHE_LINE_SIZE);
}

int fib_tree_init(uint32_t max_routes, struct fib_copy copy[2])
{
	struct rte_rib6_conf c6 = {0};
	struct rte_rib_conf c = {0};

	memset(&t, 0, sizeof(t));
	t.max_routes = max_routes;
	t.max_tbl8_4 = tbl8_of4(max_routes);
	t.max_tbl8_6 = tbl8_of6(max_routes);
	/* a binary tree's inner nodes too */
	c.max_nodes = c6.max_nodes = (int)max_routes * 2;
	t.v4 = rte_rib_create("routes4", SOCKET_ID_ANY, &c);
	t.v6 = rte_rib6_create("routes6", SOCKET_ID_ANY, &c6);
	copy[0] = (struct fib_copy){make_fib("routes4a"), make_fib6("routes6a")};
	copy[1] = (struct fib_copy){make_fib("routes4b"), make_fib6("routes6b")};
	return t.v4 && t.v6 && copy[0].v4 && copy[0].v6 && copy[1].v4 && copy[1].v6 ? 0 : -ENOMEM;
}

void fib_tree_fini(struct fib_copy copy[2])
{
	for (unsigned i = 0; i < 2; i++) {
		rte_fib_free(copy[i].v4);
		rte_fib6_free(copy[i].v6);
	}
	rte_rib_free(t.v4);
	rte_rib6_free(t.v6);
	memset(copy, 0, 2 * sizeof(*copy));
	memset(&t, 0, sizeof(t));
}
