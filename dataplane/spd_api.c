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
#include "sad.h"

struct policy_ctl { /* control's half of struct policy */
	bool live;
	uint16_t owner, tunnel_if;
	struct spd_key key;
	uint32_t next_same; /* of the same key, by order; SPD_NONE ends */
	struct dp_policy_options options;
};

static struct {
	uint32_t max, order;
	uint16_t next_owner;
	struct policy_ctl *ctl;
	uint32_t *free, head, n_free; /* numbers, first freed first used */
	uint32_t if_policies[IFS_MAX];
} t;

/* ---- combinations ---------------------------------------------------------------------------- */

static uint32_t mask_of(uint8_t len)
{
	return len ? rte_cpu_to_be_32(UINT32_MAX << (32 - len)) : 0;
}

/* The combination that finds a key.  Rank: bits of both addresses first, then the protocol, then ports;
 * smaller is more specific. */
static struct spd_mask mask_for(const struct spd_key *k)
{
	struct spd_mask m = {
		.local_len = k->shape >> 12 & 63,
		.remote_len = k->shape >> 18 & 63,
		.proto = k->shape >> 24 != 0,
		.ports = (uint8_t)((k->local_port ? SPD_LOCAL_PORT : 0) |
				   (k->remote_port ? SPD_REMOTE_PORT : 0)),
	};

	m.local = mask_of(m.local_len);
	m.remote = mask_of(m.remote_len);
	m.rank = (uint16_t)((64 - m.local_len - m.remote_len) * 8 + (m.proto ? 0 : 4) + 2 -
			    __builtin_popcount(m.ports));
	return m;
}

static bool mask_same(const struct spd_mask *a, const struct spd_mask *b)
{
	return a->local_len == b->local_len && a->remote_len == b->remote_len && a->proto == b->proto &&
	       a->ports == b->ports;
}

static struct spd_mask *mask_find(struct spd_if *s, const struct spd_key *k)
{
	struct spd_mask want = mask_for(k);

	for (uint16_t i = 0; s && i < s->n_masks; i++)
		if (mask_same(&s->mask[i], &want))
			return &s->mask[i];
	return NULL;
}

static struct spd_if *if_new(uint16_t n_masks)
{
	struct spd_if *s = rte_zmalloc("spd_if", sizeof(*s) + n_masks * sizeof(s->mask[0]),
				       RTE_CACHE_LINE_SIZE);

	if (s)
		s->n_masks = n_masks;
	return s;
}

static void if_publish(uint16_t i, struct spd_if *s)
{
	struct spd_if *old = atomic_load_explicit(&spd_if[i], memory_order_relaxed);

	for (uint16_t k = 0; s && k < s->n_masks; k++)
		s->ports |= s->mask[k].ports != 0;
	atomic_store_explicit(&spd_if[i], s, memory_order_release);
	if (old)
		dp_retire(rte_free, old);
}

/* old with one more combination, in its place by rank. */
static struct spd_if *if_with(const struct spd_if *old, const struct spd_key *k)
{
	uint16_t n = old ? old->n_masks : 0, at = 0;
	struct spd_if *s = if_new((uint16_t)(n + 1));
	struct spd_mask m = mask_for(k);

	if (!s)
		return NULL;
	while (at < n && old->mask[at].rank <= m.rank)
		at++;
	if (n) {
		memcpy(s->mask, old->mask, at * sizeof(s->mask[0]));
		memcpy(s->mask + at + 1, old->mask + at, (n - at) * sizeof(s->mask[0]));
	}
	s->mask[at] = m;
	s->mask[at].policies = 1;
	return s;
}

/* old without a combination, if that is not NULL. */
static struct spd_if *if_without(const struct spd_if *old, const struct spd_mask *gone)
{
	struct spd_if *s = if_new((uint16_t)(old->n_masks - (gone ? 1 : 0)));
	uint16_t n = 0;

	if (!s)
		return NULL;
	for (uint16_t i = 0; i < old->n_masks; i++)
		if (&old->mask[i] != gone)
			s->mask[n++] = old->mask[i];
	return s;
}

static bool key_any(const struct spd_key *k)
{
	return k->shape >> 12 == 0 && k->local_port == 0 && k->remote_port == 0;
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

static uint32_t chain_head(const struct spd_key *k)
{
	void *data;

	return rte_hash_lookup_data(spd_hash, k, &data) < 0 ? SPD_NONE : (uint32_t)(uintptr_t)data;
}

static int chain_set(const struct spd_key *k, uint32_t policy)
{
	return rte_hash_add_key_data(spd_hash, k, (void *)(uintptr_t)policy);
}

/* The newest goes to the end. */
static int chain_add(uint32_t policy)
{
	uint32_t i = chain_head(&t.ctl[policy].key);

	t.ctl[policy].next_same = SPD_NONE;
	if (i == SPD_NONE)
		return chain_set(&t.ctl[policy].key, policy) < 0 ? -ENOSPC : 0;
	while (t.ctl[i].next_same != SPD_NONE)
		i = t.ctl[i].next_same;
	t.ctl[i].next_same = policy;
	return 0;
}

static void chain_del(uint32_t policy)
{
	const struct spd_key *k = &t.ctl[policy].key;
	uint32_t i = chain_head(k), next = t.ctl[policy].next_same;

	if (i != policy) {
		while (t.ctl[i].next_same != policy)
			i = t.ctl[i].next_same;
		t.ctl[i].next_same = next;
	} else if (next != SPD_NONE) {
		chain_set(k, next); /* replaces the data of a key that exists: cannot fail */
	} else {
		rte_hash_del_key(spd_hash, k);
	}
}

/* ---- the seam -------------------------------------------------------------------------------- */

static int side(const struct prefix *p, uint8_t *len, uint32_t *addr)
{
	struct prefix m = prefix_mask(*p);

	if (p->a.v == 0 && p->len == 0) /* no address: any */
		return 0;
	if (p->a.v != 4)
		return -EAFNOSUPPORT;
	if (p->len > 32)
		return -EINVAL;
	*len = p->len;
	memcpy(addr, m.a.b, sizeof(*addr));
	return 0;
}

static int key_of(const struct dp_policy_conf *c, struct spd_key *k)
{
	uint8_t local_len = 0, remote_len = 0;
	int err;

	memset(k, 0, sizeof(*k));
	if (c->tunnel_if >= dp.n_ifs || dp.ifs[c->tunnel_if].is_port)
		return -EINVAL;
	err = side(&c->local, &local_len, &k->local);
	if (err == 0)
		err = side(&c->remote, &remote_len, &k->remote);
	k->shape = spd_shape(c->tunnel_if, local_len, remote_len, c->proto);
	k->local_port = c->local_port;
	k->remote_port = c->remote_port;
	return err;
}

/* Show workers the tunnel interface with `policy`, which is in the hash. */
static int show(uint16_t i, uint32_t policy)
{
	struct spd_if *old = atomic_load_explicit(&spd_if[i], memory_order_relaxed), *s;
	struct spd_mask *m = mask_find(old, &t.ctl[policy].key);

	if (m && !old->single) {
		m->policies++;
		return 0;
	}
	/* The snapshot changes: a new combination, or an any-any policy is alone no longer. */
	s = old && m ? if_without(old, NULL) : if_with(old, &t.ctl[policy].key);
	if (!s)
		return -ENOMEM;
	if (m)
		mask_find(s, &t.ctl[policy].key)->policies++;
	if (!old && key_any(&t.ctl[policy].key))
		s->single = policy + 1;
	if_publish(i, s);
	return 0;
}

int dp_policy_add(const struct dp_policy_conf *c, uint32_t *policy)
{
	struct spd_key key;
	uint32_t n;
	int err = key_of(c, &key);

	if (err != 0)
		return err;
	if (t.n_free == 0)
		return -ENOSPC;
	n = number_take();
	memset(&spd_policy[n], 0, sizeof(spd_policy[n]));
	spd_policy[n].order = t.order++;
	t.ctl[n] = (struct policy_ctl){.key = key, .owner = t.next_owner, .tunnel_if = c->tunnel_if};
	err = chain_add(n);
	if (err == 0) {
		err = show(c->tunnel_if, n);
		if (err != 0)
			chain_del(n);
	}
	if (err != 0) {
		number_put(n);
		return err;
	}
	t.ctl[n].live = true;
	t.if_policies[c->tunnel_if]++;
	t.next_owner = (uint16_t)((t.next_owner + 1) % RTE_MAX(dp.n_workers, 1));
	*policy = n;
	return 0;
}

static bool live(uint32_t policy)
{
	return policy < t.max && t.ctl[policy].live;
}

/* Workers stop looking for a policy that is about to go.  When memory is short they keep looking in vain,
 * which costs time and nothing else. */
static void hide(uint16_t i, const struct spd_key *k)
{
	struct spd_if *old = atomic_load_explicit(&spd_if[i], memory_order_relaxed), *s = NULL;
	struct spd_mask *m = mask_find(old, k);

	m->policies--;
	if (t.if_policies[i] == 0) {
		if_publish(i, NULL);
	} else if (m->policies == 0 && (s = if_without(old, m)) != NULL) {
		if_publish(i, s);
	}
}

/* The policy that is left alone on a tunnel interface gets the short way if it is any-any. */
static void crown(uint16_t i)
{
	struct spd_if *old = atomic_load_explicit(&spd_if[i], memory_order_relaxed), *s;
	struct spd_key any = {.shape = spd_shape(i, 0, 0, 0)};
	uint32_t last = chain_head(&any);

	if (t.if_policies[i] != 1 || last == SPD_NONE || old->single)
		return;
	s = if_without(old, NULL);
	if (!s)
		return;
	s->single = last + 1;
	if_publish(i, s);
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
	uint16_t i;

	if (!live(policy))
		return -ENOENT;
	guest_leaves(policy);
	i = t.ctl[policy].tunnel_if;
	t.ctl[policy].live = false;
	t.if_policies[i]--;
	capture_forget(policy);
	hide(i, &t.ctl[policy].key);
	chain_del(policy);
	crown(i);
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
	return 0;
}

void spd_unbind(uint32_t policy, uint32_t sa_out)
{
	uint32_t bound = sa_out;

	atomic_compare_exchange_strong_explicit(&spd_policy[policy].sa_out, &bound, DP_SA_NONE,
						memory_order_release, memory_order_relaxed);
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

static int hash_init(uint32_t max)
{
	struct rte_hash_parameters p = {
		.name = "spd",
		/* buckets for half as many again, and a table behind them for those that collide: adding
		 * must not fail below the promised number */
		.entries = RTE_MAX(max + max / 2, 64u),
		.key_len = sizeof(struct spd_key),
		.hash_func = rte_hash_crc,
		.socket_id = SOCKET_ID_ANY,
		.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF | RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};
	struct rte_hash_rcu_config rcu = {.v = dp.qsbr, .mode = RTE_HASH_QSBR_MODE_DQ};

	spd_hash = rte_hash_create(&p);
	if (!spd_hash)
		return -ENOMEM;
	return rte_hash_rcu_qsbr_add(spd_hash, &rcu) == 0 ? 0 : -ENOMEM;
}

int spd_init(uint32_t max_policies)
{
	t.max = RTE_MAX(max_policies, 1u);
	spd_policy = rte_zmalloc("spd_policy", t.max * sizeof(*spd_policy), RTE_CACHE_LINE_SIZE);
	t.ctl = calloc(t.max, sizeof(*t.ctl));
	t.free = calloc(t.max, sizeof(*t.free));
	if (!spd_policy || !t.ctl || !t.free || hash_init(t.max) != 0) {
		spd_fini();
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < t.max; i++)
		number_put(i);
	return 0;
}

void spd_fini(void)
{
	for (unsigned i = 0; i < IFS_MAX; i++) {
		rte_free(atomic_load_explicit(&spd_if[i], memory_order_relaxed));
		atomic_store_explicit(&spd_if[i], NULL, memory_order_relaxed);
	}
	rte_hash_free(spd_hash);
	rte_free(spd_policy);
	free(t.ctl);
	free(t.free);
	spd_hash = NULL;
	spd_policy = NULL;
	memset(&t, 0, sizeof(t));
}
