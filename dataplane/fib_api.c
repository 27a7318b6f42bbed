/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes, as the control thread changes them.
 *
 * Three copies (fib_tree.h): a tree, the control thread's truth, changed at once by every call; and two
 * fibs, one that workers read and a spare.  rte_fib and rte_fib6 must not be changed under their readers:
 * an 8-bit table that a change frees may be reused by the next while a reader still walks it, and a packet
 * would leave in the clear by somebody else's route.  So changes go to the spare, a release store swaps
 * the two, and when every worker has been quiescent the same changes are made to the other one.  Changes
 * that arrive meanwhile collect in the log and go out together, which makes a batch of a bulk load.
 *
 * A fib's result is an index into fib_nh[] (fib_table.h).  Pins and log serve both families.
 */
#include "fib.h"
#include "fib_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_malloc.h>

#include "dp.h"
#include "neigh.h"
#include "port.h"

enum { LOCAL_ROUTES = 2048 /* room for connected routes beside the configured ones */ };

struct nh_hold {         /* control only */
	uint32_t routes; /* in the tree */
	uint32_t frees;  /* OP_FREE_NH in the log */
	struct addr via;
};

enum op { OP_ADD, OP_DEL, OP_FREE_NH };
struct change {
	uint8_t op;
	uint16_t nh;
	struct prefix p;
};

/* In the tree beside the next hop's index: the route came with an address of ours. */
#define ROUTE_CONNECTED (UINT64_C(1) << 32)

static struct {
	struct fib_copy copy[2];
	unsigned spare;    /* of copy[] */
	bool spare_in_use; /* workers may still read it ... */
	uint64_t token;    /* ... until they have been quiescent since this */
	struct change *log;
	uint64_t n_changes;
	size_t n_log, log_size, n_half; /* log[0..n_half) is in the active fib, not yet in the spare */
	struct nh_hold hold[NH_MAX];
	uint16_t free_nh[NH_MAX], n_free_nh;
	uint16_t nh_of_if[IFS_MAX];       /* NH_CONNECTED or NH_TUNNEL of an interface, 0: none yet */
	uint16_t nh_of_group[GROUPS_MAX]; /* NH_GROUP, 0: free */
	uint16_t *nh_of_neigh;            /* NH_GATEWAY by neighbour */
	uint32_t max_neigh;
} t;

/* ---- the two fibs -------------------------------------------------------------------------- */

static void group_release(uint32_t i);

static void nh_release(uint16_t id)
{
	if (fib_nh[id].kind == NH_GROUP) {
		group_release(fib_nh[id].neigh);
	} else if (fib_nh[id].kind == NH_GATEWAY) {
		t.nh_of_neigh[fib_nh[id].neigh] = 0;
		neigh_unpin(fib_nh[id].neigh);
	} else {
		t.nh_of_if[fib_nh[id].ifindex] = 0;
	}
	memset(&fib_nh[id], 0, sizeof(fib_nh[id]));
	t.free_nh[t.n_free_nh++] = id;
}

/* Its members are named by nobody else, or by routes, or wait in the log for their own end. */
static void group_release(uint32_t i)
{
	for (uint16_t k = 0; k < fib_group[i].n; k++) {
		struct nh_hold *h = &t.hold[fib_group[i].nh[k]];

		if (--h->routes == 0 && h->frees == 0)
			nh_release(fib_group[i].nh[k]);
	}
	fib_group[i].n = 0;
	t.nh_of_group[i] = 0;
}

/* Neither fib names it any more, unless a later change took it up again: then the last free counts. */
static void nh_free(uint16_t id)
{
	if (--t.hold[id].frees == 0 && t.hold[id].routes == 0)
		nh_release(id);
}

/* The same changes in the same order bring both fibs to the same state, and fib_tree_set() has made sure
 * that they fit; a failure here would be a defect. */
static void apply(struct fib_copy *f, const struct change *c)
{
	char text[PREFIX_STR];
	int rc = 0;

	if (c->op == OP_ADD)
		rc = fib_copy_add(f, &c->p, c->nh);
	else if (c->op == OP_DEL)
		rc = fib_copy_del(f, &c->p);
	if (rc < 0)
		dp_log(DP_LOG_ERR, "route %s could not be changed: %s", prefix_str(&c->p, text),
		       strerror(-rc));
}

void fib_service(void)
{
	for (;;) {
		if (t.spare_in_use) {
			if (!dp_quiescent(t.token))
				return;
			t.spare_in_use = false;
			for (size_t i = 0; i < t.n_half; i++) {
				apply(&t.copy[t.spare], &t.log[i]);
				if (t.log[i].op == OP_FREE_NH)
					nh_free(t.log[i].nh);
			}
			memmove(t.log, t.log + t.n_half, (t.n_log - t.n_half) * sizeof(*t.log));
			t.n_log -= t.n_half;
			t.n_half = 0;
		}
		if (t.n_log == 0)
			return;
		for (size_t i = 0; i < t.n_log; i++)
			apply(&t.copy[t.spare], &t.log[i]);
		atomic_store_explicit(&fib_active, &t.copy[t.spare], memory_order_release);
		dp_changed();
		t.spare = !t.spare;
		t.token = rte_rcu_qsbr_start(dp.qsbr);
		t.spare_in_use = true;
		t.n_half = t.n_log;
	}
}

/* Room in the log for one route's change and its old next hop. */
static int change_room(void)
{
	size_t size = t.log_size ? t.log_size * 2 : 64;
	struct change *log;

	if (t.n_log + 2 <= t.log_size)
		return 0;
	log = realloc(t.log, size * sizeof(*log));
	if (!log)
		return -ENOMEM;
	t.log = log;
	t.log_size = size;
	return 0;
}

static void change(enum op op, const struct prefix *p, uint16_t id)
{
	t.log[t.n_log++] = (struct change){.op = (uint8_t)op, .nh = id};
	t.n_changes++;
	if (p)
		t.log[t.n_log - 1].p = *p;
}

uint64_t fib_changes(void)
{
	return t.n_changes;
}

/* ---- next hops ----------------------------------------------------------------------------- */

static void nh_hold(uint16_t id)
{
	t.hold[id].routes++;
}

/* change_room() must have been called. */
static void nh_put(uint16_t id)
{
	if (id < NH_ID_FIRST || --t.hold[id].routes > 0)
		return;
	t.hold[id].frees++;
	change(OP_FREE_NH, NULL, id);
}

static int nh_new(uint16_t *id, struct nh h, const struct addr *via)
{
	if (t.n_free_nh == 0)
		return -ENOSPC;
	*id = t.free_nh[--t.n_free_nh];
	fib_nh[*id] = h;
	t.hold[*id] = (struct nh_hold){.via = via ? *via : (struct addr){0}};
	return 0;
}

static int nh_of_if(uint16_t ifindex, uint16_t *id)
{
	const struct dp_if *f = &dp.ifs[ifindex];
	struct nh h = {.kind = f->is_port ? NH_CONNECTED : NH_TUNNEL, .port = f->port, .ifindex = ifindex};
	int rc = 0;

	if (!t.nh_of_if[ifindex])
		rc = nh_new(&t.nh_of_if[ifindex], h, NULL);
	*id = t.nh_of_if[ifindex];
	return rc;
}

static int nh_of_gateway(uint8_t port, const struct addr *via, uint16_t *id)
{
	struct nh h = {.kind = NH_GATEWAY, .port = port, .ifindex = ports[port].ifindex};
	int rc = neigh_pin(port, via, &h.neigh);

	if (rc < 0)
		return rc;
	if (t.nh_of_neigh[h.neigh]) {
		*id = t.nh_of_neigh[h.neigh];
		neigh_unpin(h.neigh); /* the next hop's own pin stays */
		return 0;
	}
	rc = nh_new(id, h, via);
	if (rc < 0)
		neigh_unpin(h.neigh);
	else
		t.nh_of_neigh[h.neigh] = *id;
	return rc;
}

/* ---- routes -------------------------------------------------------------------------------- */

static int route_set(const struct prefix *p, uint16_t id, uint64_t flags)
{
	uint64_t old = NH_ID_NONE;
	int rc = change_room();

	if (rc < 0)
		return rc;
	(void)fib_tree_find(p, &old);
	rc = fib_tree_set(p, id | flags);
	if (rc < 0)
		return rc;
	nh_hold(id);
	change(OP_ADD, p, id);
	if (old != NH_ID_NONE)
		nh_put((uint16_t)old);
	return 0;
}

static int route_clear(const struct prefix *p)
{
	uint64_t old;
	int rc = change_room();

	if (!fib_tree_find(p, &old))
		return -ENOENT;
	if (rc < 0)
		return rc;
	fib_tree_remove(p);
	change(OP_DEL, p, 0);
	nh_put((uint16_t)old);
	return 0;
}

/* What was made for a route that did not come to be, and no fib has seen. */
static void nh_unused(uint16_t id)
{
	if (id >= NH_ID_FIRST && t.hold[id].routes == 0 && t.hold[id].frees == 0)
		nh_release(id);
}

static int nh_of_group(const uint16_t *member, uint16_t n, uint16_t *id)
{
	uint32_t free = GROUPS_MAX;
	int rc;

	for (uint32_t i = 0; i < GROUPS_MAX; i++) {
		if (!t.nh_of_group[i])
			free = free == GROUPS_MAX ? i : free;
		else if (fib_group[i].n == n && memcmp(fib_group[i].nh, member, n * sizeof(member[0])) == 0) {
			*id = t.nh_of_group[i];
			return 0;
		}
	}
	if (free == GROUPS_MAX)
		return -ENOSPC;
	rc = nh_new(id, (struct nh){.kind = NH_GROUP, .neigh = free}, NULL);
	if (rc < 0)
		return rc;
	fib_group[free].n = n;
	memcpy(fib_group[free].nh, member, n * sizeof(member[0]));
	for (uint16_t k = 0; k < n; k++)
		nh_hold(member[k]);
	t.nh_of_group[free] = *id;
	return 0;
}

static bool is_connected(const struct prefix *p)
{
	uint64_t have = 0;

	return fib_tree_find(p, &have) && (have & ROUTE_CONNECTED);
}

int fib_port_of(const struct addr *a)
{
	for (uint8_t i = 0; i < n_ports; i++) {
		const struct dp_if *f = &dp.ifs[ports[i].ifindex];

		for (unsigned k = 0; k < f->n_addr; k++)
			if (prefix_has(&f->addr[k], a))
				return i;
	}
	return -1;
}

/* A link-local gateway (RFC 4291 2.5.6) says nothing of its link; the interface beside it does. */
static int port_of_gateway(const struct dp_route *r)
{
	const struct dp_if *f;

	if (!addr_is_link_local(&r->via))
		return fib_port_of(&r->via);
	if (r->ifindex >= dp.n_ifs)
		return -1;
	f = &dp.ifs[r->ifindex];
	return f->is_port && ports[f->port].has_v6 ? f->port : -1;
}

static int route_nh(const struct dp_route *r, uint16_t *id)
{
	int port;

	if (r->via.v == 0)
		return r->ifindex < dp.n_ifs ? nh_of_if(r->ifindex, id) : -EINVAL;
	if (r->via.v != r->dst.a.v)
		return -EINVAL;
	port = port_of_gateway(r);
	if (port < 0)
		return -ENETUNREACH;
	if (fib_is_own_addr(&r->via))
		return -EINVAL;
	return nh_of_gateway((uint8_t)port, &r->via, id);
}

static int route_hops(const struct prefix *dst, const struct dp_hop *hop, uint8_t n, uint16_t *id)
{
	uint16_t member[DP_HOPS_MAX], have = 0;
	int rc = n >= 1 && n <= DP_HOPS_MAX ? 0 : -EINVAL;

	for (; rc == 0 && have < n; have++) {
		const struct dp_route r = {.dst = *dst, .via = hop[have].via, .ifindex = hop[have].ifindex};

		rc = route_nh(&r, &member[have]);
		if (rc < 0)
			break;
	}
	if (rc == 0 && n == 1)
		*id = member[0];
	else if (rc == 0)
		rc = nh_of_group(member, n, id);
	for (uint16_t k = 0; rc < 0 && k < have; k++)
		if (fib_nh[member[k]].kind != NH_NONE) /* not twice the same */
			nh_unused(member[k]);
	return rc;
}

int dp_route_set(const struct prefix *dst, const struct dp_hop *hop, uint8_t n)
{
	struct prefix p = prefix_mask(*dst);
	uint16_t id = NH_ID_NONE;
	int rc;

	if (addr_len(&p.a) == 0)
		return -EINVAL;
	if (is_connected(&p))
		return -EEXIST;
	rc = route_hops(&p, hop, n, &id);
	if (rc < 0)
		return rc;
	rc = route_set(&p, id, 0);
	if (rc < 0)
		nh_unused(id);
	fib_service();
	return rc;
}

int dp_route_add(const struct dp_route *r)
{
	const struct dp_hop hop = {.via = r->via, .ifindex = r->ifindex};

	return dp_route_set(&r->dst, &hop, 1);
}

int dp_route_del(const struct prefix *dst)
{
	struct prefix p = prefix_mask(*dst);
	int rc;

	if (addr_len(&p.a) == 0)
		return -EINVAL;
	if (is_connected(&p))
		return -EPERM;
	rc = route_clear(&p);
	fib_service();
	return rc;
}

static const struct nh *lookup(const struct addr *dst, struct prefix *match, uint16_t *id)
{
	uint64_t v;

	if (!fib_tree_match(dst, match, &v))
		return NULL;
	*id = (uint16_t)v;
	if (fib_nh[*id].kind == NH_GROUP) /* what has no flow takes the first */
		*id = fib_group[fib_nh[*id].neigh].nh[0];
	return &fib_nh[*id];
}

int dp_route_lookup(const struct addr *dst, struct dp_route *r)
{
	struct dp_route found = {0};
	const struct nh *h;
	uint16_t id;

	h = lookup(dst, &found.dst, &id);
	if (!h || h->kind == NH_BROADCAST || h->kind == NH_LOCAL)
		return -ENETUNREACH;
	found.ifindex = h->ifindex;
	found.via = t.hold[id].via;
	*r = found;
	return 0;
}

static void way_of(uint64_t hop, const struct addr *dst, struct fib_way *way)
{
	static const enum fib_kind kinds[] = {
		[NH_NONE] = FIB_NOWHERE,   [NH_LOCAL] = FIB_FOR_US, [NH_BROADCAST] = FIB_BROADCAST,
		[NH_CONNECTED] = FIB_PORT, [NH_GATEWAY] = FIB_PORT, [NH_TUNNEL] = FIB_TUNNEL,
		[NH_GROUP] = FIB_NOWHERE,
	};
	const struct nh *h = &fib_nh[hop];

	*way = (struct fib_way){.kind = kinds[h->kind], .ifindex = h->ifindex, .port = h->port};
	if (h->kind == NH_GATEWAY)
		way->next_hop = t.hold[hop].via;
	else if (h->kind == NH_CONNECTED)
		way->next_hop = *dst;
}

void fib_way(const struct pkt *p, struct fib_way *way)
{
	struct addr from, to;

	pkt_addrs(p, &from, &to);
	way_of(fib_hop(p), &to, way);
}

void fib_way_to(const struct addr *dst, struct fib_way *way)
{
	struct prefix match;
	uint16_t id;

	way_of(lookup(dst, &match, &id) ? id : NH_ID_NONE, dst, way);
}

int fib_resolve(const struct addr *dst, uint8_t *port, struct addr *next_hop)
{
	struct prefix match;
	const struct nh *h;
	uint16_t id;

	h = lookup(dst, &match, &id);
	if (!h || (h->kind != NH_CONNECTED && h->kind != NH_GATEWAY))
		return -ENETUNREACH;
	*port = h->port;
	*next_hop = h->kind == NH_GATEWAY ? t.hold[id].via : *dst;
	return 0;
}

/* ---- own addresses ------------------------------------------------------------------------- */

static struct prefix host_prefix(const struct addr *a)
{
	return (struct prefix){.a = *a, .len = a->v == 4 ? 32 : 128};
}

/* The last address of a network. */
static struct addr last_of(const struct prefix *net)
{
	struct addr a = net->a;

	for (unsigned bit = net->len; bit < addr_len(&a) * 8; bit++)
		a.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return a;
}

/* Has a port's network broadcast addresses, its first and last?  None in IPv6, nor in a /31 (RFC 3021). */
static bool has_broadcast(uint16_t ifindex, const struct prefix *p)
{
	return p->a.v == 4 && p->len < 31 && dp.ifs[ifindex].is_port;
}

/* The routes that an address brings: itself, its network, and on a port the network's two broadcast
 * addresses (RFC 1812 5.3.5). */
static int connect_address(uint16_t ifindex, const struct prefix *p)
{
	struct prefix net = prefix_mask(*p), self = host_prefix(&p->a), first = host_prefix(&net.a), last;
	uint16_t id = 0;
	int rc;

	if (p->len < self.len) {
		rc = nh_of_if(ifindex, &id);
		if (rc == 0)
			rc = route_set(&net, id, ROUTE_CONNECTED);
		if (rc < 0)
			return rc;
	}
	if (has_broadcast(ifindex, p)) {
		last = first;
		last.a = last_of(&net);
		rc = route_set(&first, NH_ID_BROADCAST, ROUTE_CONNECTED);
		if (rc == 0)
			rc = route_set(&last, NH_ID_BROADCAST, ROUTE_CONNECTED);
		if (rc < 0)
			return rc;
	}
	return route_set(&self, NH_ID_LOCAL, ROUTE_CONNECTED);
}

static void disconnect(const struct prefix *p)
{
	if (is_connected(p))
		(void)route_clear(p);
}

static void disconnect_address(const struct prefix *p)
{
	struct prefix net = prefix_mask(*p), host = host_prefix(&p->a);

	disconnect(&host);
	host.a = net.a;
	disconnect(&host);
	host.a = last_of(&net);
	disconnect(&host);
	disconnect(&net);
}

/* An address that nobody can have: none at all, multicast, or one that belongs to every link. */
static bool is_host_address(const struct addr *a)
{
	static const struct addr none;

	if (memcmp(a->b, none.b, addr_len(a)) == 0)
		return false;
	return a->v == 4 || (a->v == 6 && a->b[0] != 0xff && !addr_is_link_local(a));
}

/* An address that another interface has, a network that another route leads to, the first or last address
 * of a network: refused before anything changes. */
static int check_address(uint16_t ifindex, unsigned k)
{
	const struct dp_if *f = &dp.ifs[ifindex];
	const struct prefix *p = &f->addr[k];
	struct prefix net = prefix_mask(*p), self = host_prefix(&p->a);
	struct addr last = last_of(&net);
	uint64_t have;

	if (!is_host_address(&p->a) || p->len == 0)
		return -EINVAL;
	if (has_broadcast(ifindex, p) && (addr_eq(&p->a, &net.a) || addr_eq(&p->a, &last)))
		return -EINVAL;
	if (fib_is_own_addr(&p->a) || fib_tree_find(&self, &have))
		return -EADDRINUSE;
	if (p->len < self.len && fib_tree_find(&net, &have))
		return -EEXIST;
	for (unsigned i = 0; i < k; i++)
		if (addr_eq(&f->addr[i].a, &p->a))
			return -EADDRINUSE;
	return 0;
}

int fib_if_add(uint16_t ifindex)
{
	struct dp_if *f = &dp.ifs[ifindex];
	struct fib_own *own;
	int rc = 0;

	for (unsigned i = 0; i < f->n_addr && rc == 0; i++)
		rc = check_address(ifindex, i);
	if (rc < 0)
		return rc;
	own = fib_own_build(ifindex);
	if (!own)
		return -ENOMEM;
	for (unsigned i = 0; i < f->n_addr; i++) {
		rc = connect_address(ifindex, &f->addr[i]);
		if (rc == 0)
			continue;
		for (unsigned k = 0; k <= i; k++)
			disconnect_address(&f->addr[k]);
		fib_own_free(own);
		fib_service();
		return rc;
	}
	fib_own_publish(own);
	fib_service();
	return 0;
}

void fib_use(uint8_t v, uint64_t *used, uint64_t *limit)
{
	uint32_t max;

	*used = fib_tree_count(v, &max);
	*limit = max;
}

/* ---- life ---------------------------------------------------------------------------------- */

int fib_init(uint32_t max_routes)
{
	memset(&t, 0, sizeof(t));
	memset(fib_nh, 0, sizeof(fib_nh));
	memset(fib_group, 0, sizeof(fib_group));
	t.max_neigh = RTE_MAX(dp.conf.max_neighbours, 64u);
	t.nh_of_neigh = calloc(t.max_neigh, sizeof(*t.nh_of_neigh));
	if (fib_tree_init(max_routes + LOCAL_ROUTES, t.copy) < 0 || !t.nh_of_neigh) {
		fib_fini();
		return -ENOMEM;
	}
	fib_nh[NH_ID_LOCAL].kind = NH_LOCAL;
	fib_nh[NH_ID_BROADCAST].kind = NH_BROADCAST;
	for (uint16_t i = NH_MAX - 1; i >= NH_ID_FIRST; i--)
		t.free_nh[t.n_free_nh++] = i;
	atomic_store_explicit(&fib_active, &t.copy[0], memory_order_release);
	t.spare = 1;
	return 0;
}

void fib_fini(void)
{
	fib_own_free(atomic_load_explicit(&fib_own, memory_order_relaxed));
	atomic_store_explicit(&fib_own, NULL, memory_order_relaxed);
	atomic_store_explicit(&fib_active, NULL, memory_order_relaxed);
	fib_tree_fini(t.copy);
	free(t.nh_of_neigh);
	free(t.log);
	memset(&t, 0, sizeof(t));
}
