/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proxy-IDs as the control thread handles them.
 *
 * Order of publication: a new policy goes into the hash before the combination that would look for it
 * is shown to workers, and leaves in the reverse order.  Policies with the same selectors, as there are
 * for a moment when a configuration is replaced, form a chain of which the hash knows the first.  A
 * policy's number is used again after a grace period.
 */
#include "spd_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_hash_crc.h>
#include <rte_malloc.h>

#include "capture.h"
#include "frag_ports.h"
#include "host.h"
#include "sad.h"

struct policy_ctl {       /* control's half of struct policy */
	bool live, ports; /* some packet's ports count */
	uint16_t owner, tunnel_if;
	struct spd_family *family;
	union { /* what the family's hash finds it by */
		struct spd_key v4;
		struct spd_key6 v6;
	} key;
	struct spd_mask mask; /* and the combination that leads there */
	struct dp_policy_options options;
};

static struct {
	uint32_t max, order;
	uint16_t next_owner;
	struct policy_ctl *ctl;
	uint32_t *free, head, n_free; /* numbers, first freed first used */
	uint32_t if_policies[IFS_MAX][2];
} t;

/* How many policies a family has on a tunnel interface. */
static uint32_t *policies_on(const struct spd_family *f, uint16_t i)
{
	return &t.if_policies[i][f == &spd6];
}

/* ---- numbers --------------------------------------------------------------------------------- */

static uint32_t number_take(void)
{
	uint32_t policy = t.free[t.head];

	t.head = (t.head + 1) % t.max;
	t.n_free--;
	return policy;
}

static void number_put(uint32_t policy)
{
	t.free[(t.head + t.n_free++) % t.max] = policy;
}

static void number_put_later(void *arg)
{
	number_put((uint32_t)(uintptr_t)arg);
}

/* ---- chains of equal selectors ------------------------------------------------------------------ */

static uint32_t chain_head(uint32_t policy)
{
	const struct policy_ctl *c = &t.ctl[policy];
	void *data;

	return rte_hash_lookup_data(c->family->hash, &c->key, &data) < 0 ? SPD_NONE
									 : (uint32_t)(uintptr_t)data;
}

/* Policies of the key that `policy` has begin with `head`. */
static int chain_set(uint32_t policy, uint32_t head)
{
	const struct policy_ctl *c = &t.ctl[policy];

	return rte_hash_add_key_data(c->family->hash, &c->key, (void *)(uintptr_t)head);
}

static uint32_t chain_next(uint32_t policy)
{
	return atomic_load_explicit(&spd_policy[policy].next, memory_order_relaxed);
}

static void chain_link(uint32_t policy, uint32_t next)
{
	atomic_store_explicit(&spd_policy[policy].next, next, memory_order_release);
}

/* In its place by preference; workers that walk the chain meanwhile see it with or without the new one. */
static int chain_add(uint32_t policy)
{
	uint32_t next = chain_head(policy), before = SPD_NONE;

	while (next != SPD_NONE && spd_policy[next].prefer < spd_policy[policy].prefer) {
		before = next;
		next = chain_next(next);
	}
	chain_link(policy, next);
	if (before == SPD_NONE)
		return chain_set(policy, policy) < 0 ? -ENOSPC : 0;
	chain_link(before, policy);
	return 0;
}

/* Its own link stays as it is for workers that stand on it. */
static void chain_del(uint32_t policy)
{
	uint32_t i = chain_head(policy), next = chain_next(policy);

	if (i != policy) {
		while (chain_next(i) != policy)
			i = chain_next(i);
		chain_link(i, next);
	} else if (next != SPD_NONE) {
		chain_set(policy, next); /* replaces the data of a key that exists: cannot fail */
	} else {
		rte_hash_del_key(t.ctl[policy].family->hash, &t.ctl[policy].key);
	}
}

/* ---- the seam -------------------------------------------------------------------------------- */

/* A side without address is any of the other side's family, and both are IPv4. */
static int side_ok(const struct prefix *p, bool v6)
{
	if (p->a.v == 0)
		return p->len == 0 ? 0 : -EINVAL;
	if (p->a.v != (v6 ? 6 : 4))
		return -EAFNOSUPPORT;
	return p->len <= (v6 ? 128 : 32) ? 0 : -EINVAL;
}

static void set_key4(struct spd_key *k, const struct dp_policy_conf *c)
{
	struct prefix local = prefix_mask(c->local), remote = prefix_mask(c->remote);

	*k = (struct spd_key){
		.shape = spd_shape(c->tunnel_if, c->local.len, c->remote.len, c->proto),
		.local_port = c->local_port,
		.remote_port = c->remote_port,
	};
	memcpy(&k->local, local.a.b, sizeof(k->local));
	memcpy(&k->remote, remote.a.b, sizeof(k->remote));
}

static void set_key6(struct spd_key6 *k, const struct dp_policy_conf *c)
{
	*k = (struct spd_key6){
		.tunnel_if = c->tunnel_if,
		.local_len = c->local.len,
		.remote_len = c->remote.len,
		.local_port = c->local_port,
		.remote_port = c->remote_port,
		.proto = c->proto,
	};
	spd_masked6(c->local.a.b, c->local.len, k->local);
	spd_masked6(c->remote.a.b, c->remote.len, k->remote);
}

/* Is it more than one port and less than all? */
static bool is_range(uint16_t lo, uint16_t hi)
{
	return lo && hi > lo;
}

/* What workers compare, and c without what the hash knows nothing of. */
static int take_ranges(struct dp_policy_conf *c, struct policy *w)
{
	bool local = is_range(c->local_port, c->local_port_hi),
	     remote = is_range(c->remote_port, c->remote_port_hi);
	uint32_t n_local = local           ? c->local_port_hi - c->local_port + 1u
			   : c->local_port ? 1
					   : UINT16_MAX + 1u;
	uint32_t n_remote = remote           ? c->remote_port_hi - c->remote_port + 1u
			    : c->remote_port ? 1
					     : UINT16_MAX + 1u;

	if ((c->local_port_hi && c->local_port_hi < RTE_MAX(c->local_port, 1)) ||
	    (c->remote_port_hi && c->remote_port_hi < RTE_MAX(c->remote_port, 1)))
		return -EINVAL;
	w->ranged = local || remote;
	w->local_lo = local ? c->local_port : 0;
	w->local_hi = local ? c->local_port_hi : UINT16_MAX;
	w->remote_lo = remote ? c->remote_port : 0;
	w->remote_hi = remote ? c->remote_port_hi : UINT16_MAX;
	w->prefer = (uint64_t)(n_local + n_remote) << 32;
	if (local)
		c->local_port = 0;
	if (remote)
		c->remote_port = 0;
	return 0;
}

static int policy_of(const struct dp_policy_conf *c, struct policy_ctl *p)
{
	bool v6 = c->local.a.v == 6 || c->remote.a.v == 6;
	int err;

	memset(p, 0, sizeof(*p));
	if (c->tunnel_if >= dp.n_ifs || dp.ifs[c->tunnel_if].is_port)
		return -EINVAL;
	err = side_ok(&c->local, v6);
	if (err == 0)
		err = side_ok(&c->remote, v6);
	if (err != 0)
		return err;
	p->owner = t.next_owner;
	p->tunnel_if = c->tunnel_if;
	p->family = v6 ? &spd6 : &spd4;
	p->mask = spd_mask_for(c, v6);
	if (v6)
		set_key6(&p->key.v6, c);
	else
		set_key4(&p->key.v4, c);
	return 0;
}

int dp_policy_add(const struct dp_policy_conf *c, uint32_t *policy)
{
	struct dp_policy_conf hashed = *c;
	struct policy w = {0};
	struct policy_ctl p;
	uint32_t n;
	int err = take_ranges(&hashed, &w);

	if (err == 0)
		err = policy_of(&hashed, &p);
	if (err != 0)
		return err;
	if (t.n_free == 0)
		return -ENOSPC;
	n = number_take();
	spd_policy[n] = w;
	spd_policy[n].prefer |= t.order++;
	p.ports = p.mask.ports || w.ranged;
	t.ctl[n] = p;
	err = c->transport ? host_add(c, n) : 0;
	if (err == 0)
		err = chain_add(n);
	if (err == 0) {
		err = spd_if_show(p.family, p.tunnel_if, &p.mask, n);
		if (err != 0)
			chain_del(n);
	}
	if (err != 0) {
		host_del(n);
		number_put(n);
		return err;
	}
	t.ctl[n].live = true;
	dp_changed();
	if (p.ports)
		frag_ports_want(true);
	++*policies_on(p.family, p.tunnel_if);
	t.next_owner = (uint16_t)((t.next_owner + 1) % RTE_MAX(dp.n_workers, 1));
	*policy = n;
	return 0;
}

static bool live(uint32_t policy)
{
	return policy < t.max && t.ctl[policy].live;
}

/* The any-any policy of a family on a tunnel interface, or SPD_NONE. */
static uint32_t any_on(struct spd_family *f, uint16_t i)
{
	struct spd_key v4 = {.shape = spd_shape(i, 0, 0, 0)};
	struct spd_key6 v6 = {.tunnel_if = i};
	void *data;

	return rte_hash_lookup_data(f->hash, f == &spd6 ? (const void *)&v6 : &v4, &data) < 0
		       ? SPD_NONE
		       : (uint32_t)(uintptr_t)data;
}

/* The SA a policy is bound to and that was made for another one counts it as its guest. */
static void guest_leaves(uint32_t policy)
{
	struct sa_out *sa = sad_out_find(
		atomic_load_explicit(&spd_policy[policy].sa_out, memory_order_relaxed));

	if (sa && sa->policy != policy)
		sa->guests--;
}

int dp_policy_del(uint32_t policy)
{
	struct policy_ctl *c;
	uint32_t left;

	if (!live(policy))
		return -ENOENT;
	guest_leaves(policy);
	c = &t.ctl[policy];
	c->live = false;
	if (c->ports)
		frag_ports_want(false);
	capture_forget(policy);
	host_del(policy);
	left = --*policies_on(c->family, c->tunnel_if);
	spd_if_hide(c->family, c->tunnel_if, &c->mask, left == 0);
	chain_del(policy);
	if (left == 1)
		spd_if_crown(c->family, c->tunnel_if, any_on(c->family, c->tunnel_if));
	dp_retire(number_put_later, (void *)(uintptr_t)policy);
	return 0;
}

int dp_policy_bind(uint32_t policy, uint32_t sa_out)
{
	struct sa_out *sa = NULL;

	if (!live(policy))
		return -ENOENT;
	if (sa_out != DP_SA_NONE) {
		sa = sad_out_find(sa_out);
		if (!sa)
			return -ESTALE;
		/* What comes in on an SA comes out of one tunnel interface: so do the policies that share it. */
		if (t.ctl[sa->policy].tunnel_if != t.ctl[policy].tunnel_if)
			return -EINVAL;
	}
	guest_leaves(policy);
	if (sa && sa->policy != policy)
		sa->guests++;
	atomic_store_explicit(&spd_policy[policy].sa_out, sa_out, memory_order_release);
	dp_changed();
	return 0;
}

void spd_unbind(uint32_t policy, uint32_t sa_out)
{
	uint32_t bound = sa_out;

	atomic_compare_exchange_strong_explicit(&spd_policy[policy].sa_out, &bound, DP_SA_NONE,
						memory_order_release, memory_order_relaxed);
	dp_changed();
}

int spd_place(uint32_t policy, struct spd_place *at)
{
	if (!live(policy))
		return -ENOENT;
	at->owner = t.ctl[policy].owner;
	at->tunnel_if = t.ctl[policy].tunnel_if;
	return 0;
}

int dp_policy_options(uint32_t policy, const struct dp_policy_options *o)
{
	if (!live(policy))
		return -ENOENT;
	if (o->dscp > 63 || o->df > DP_DF_CLEAR)
		return -EINVAL;
	t.ctl[policy].options = *o;
	atomic_store_explicit(&spd_policy[policy].mss, o->mss, memory_order_relaxed);
	sad_out_refresh(atomic_load_explicit(&spd_policy[policy].sa_out, memory_order_relaxed));
	return 0;
}

const struct dp_policy_options *spd_options(uint32_t policy)
{
	return &t.ctl[policy].options;
}

int dp_policy_stats(uint32_t policy, struct dp_policy_stats *s)
{
	if (!live(policy))
		return -ENOENT;
	s->acquires = atomic_load_explicit(&spd_policy[policy].acquires, memory_order_relaxed);
	s->no_sa_drops = atomic_load_explicit(&spd_policy[policy].no_sa_drops, memory_order_relaxed);
	s->sa_out = atomic_load_explicit(&spd_policy[policy].sa_out, memory_order_relaxed);
	return 0;
}

/* ---- life ------------------------------------------------------------------------------------ */

static int hash_init(struct rte_hash **hash, const char *name, uint32_t key_len, uint32_t max)
{
	struct rte_hash_parameters p = {
		.name = name,
		/* buckets for half as many again, and a table behind them for those that collide: adding
		 * must not fail below the promised number */
		.entries = RTE_MAX(max + max / 2, 64u),
		.key_len = key_len,
		.hash_func = rte_hash_crc,
		.socket_id = SOCKET_ID_ANY,
		.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF | RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};
	struct rte_hash_rcu_config rcu = {.v = dp.qsbr, .mode = RTE_HASH_QSBR_MODE_DQ};

	*hash = rte_hash_create(&p);
	if (!*hash)
		return -ENOMEM;
	return rte_hash_rcu_qsbr_add(*hash, &rcu) == 0 ? 0 : -ENOMEM;
}

void spd_use(uint64_t *used, uint64_t *limit)
{
	*used = t.max - t.n_free;
	*limit = t.max;
}

int spd_init(uint32_t max_policies)
{
	t.max = RTE_MAX(max_policies, 1u);
	spd_policy = rte_zmalloc("spd_policy", t.max * sizeof(*spd_policy), RTE_CACHE_LINE_SIZE);
	t.ctl = calloc(t.max, sizeof(*t.ctl));
	t.free = calloc(t.max, sizeof(*t.free));
	if (!spd_policy || !t.ctl || !t.free ||
	    hash_init(&spd4.hash, "spd4", sizeof(struct spd_key), t.max) ||
	    hash_init(&spd6.hash, "spd6", sizeof(struct spd_key6), t.max)) {
		spd_fini();
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < t.max; i++)
		number_put(i);
	return 0;
}

static void family_fini(struct spd_family *f)
{
	for (unsigned i = 0; i < IFS_MAX; i++) {
		rte_free(atomic_load_explicit(&f->tunnel[i], memory_order_relaxed));
		atomic_store_explicit(&f->tunnel[i], NULL, memory_order_relaxed);
	}
	rte_hash_free(f->hash);
	f->hash = NULL;
}

void spd_fini(void)
{
	family_fini(&spd4);
	family_fini(&spd6);
	host_fini();
	rte_free(spd_policy);
	free(t.ctl);
	free(t.free);
	spd_policy = NULL;
	memset(&t, 0, sizeof(t));
}
