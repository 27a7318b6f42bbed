/* SPDX-License-Identifier: Apache-2.0 */
/* Tunnel interfaces as workers see them: snapshots of the mask combinations that their proxy-IDs have.  Control
 * thread. */
#include "spd_table.h"

#include <errno.h>

#include <rte_malloc.h>

static uint32_t mask_of(uint8_t len)
{
	return len ? rte_cpu_to_be_32(UINT32_MAX << (32 - len)) : 0;
}

/* Rank: bits of both addresses first, then the protocol, then ports. */
struct spd_mask spd_mask_for(const struct dp_policy_conf *c, bool v6)
{
	struct spd_mask m = {
		.local_len = c->local.len,
		.remote_len = c->remote.len,
		.proto = c->proto != 0,
		.ports = (uint8_t)((c->local_port ? SPD_LOCAL_PORT : 0) |
				   (c->remote_port ? SPD_REMOTE_PORT : 0)),
	};
	unsigned bits = v6 ? 256 : 64;

	if (!v6) {
		m.local = mask_of(m.local_len);
		m.remote = mask_of(m.remote_len);
	}
	m.rank = (uint16_t)((bits - m.local_len - m.remote_len) * 8 + (m.proto ? 0 : 4) + 2 -
			    (unsigned)__builtin_popcount(m.ports));
	return m;
}

static bool mask_same(const struct spd_mask *a, const struct spd_mask *b)
{
	return a->local_len == b->local_len && a->remote_len == b->remote_len && a->proto == b->proto &&
	       a->ports == b->ports;
}

static struct spd_mask *mask_find(struct spd_if *s, const struct spd_mask *want)
{
	for (uint16_t i = 0; s && i < s->n_masks; i++)
		if (mask_same(&s->mask[i], want))
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

static struct spd_if *if_now(const struct spd_family *f, uint16_t i)
{
	return atomic_load_explicit(&f->tunnel[i], memory_order_relaxed);
}

static void if_publish(struct spd_family *f, uint16_t i, struct spd_if *s)
{
	struct spd_if *old = if_now(f, i);

	atomic_store_explicit(&f->tunnel[i], s, memory_order_release);
	dp_changed();
	if (old)
		dp_retire(rte_free, old);
}

/* old with one more combination, in its place by rank. */
static struct spd_if *if_with(const struct spd_if *old, const struct spd_mask *m)
{
	uint16_t n = old ? old->n_masks : 0, at = 0;
	struct spd_if *s = if_new((uint16_t)(n + 1));

	if (!s)
		return NULL;
	while (at < n && old->mask[at].rank <= m->rank)
		at++;
	if (n) {
		memcpy(s->mask, old->mask, at * sizeof(s->mask[0]));
		memcpy(s->mask + at + 1, old->mask + at, (n - at) * sizeof(s->mask[0]));
	}
	s->mask[at] = *m;
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

static bool mask_any(const struct spd_mask *m)
{
	return m->local_len == 0 && m->remote_len == 0 && !m->proto && m->ports == 0;
}

int spd_if_show(struct spd_family *f, uint16_t i, const struct spd_mask *mask, uint32_t policy)
{
	struct spd_if *old = if_now(f, i), *s;
	struct spd_mask *m = mask_find(old, mask);

	if (m && !old->single) {
		m->policies++;
		return 0;
	}
	/* The snapshot changes: a new combination, or an any-any policy is alone no longer. */
	s = old && m ? if_without(old, NULL) : if_with(old, mask);
	if (!s)
		return -ENOMEM;
	if (m)
		mask_find(s, mask)->policies++;
	if (!old && mask_any(mask) && !spd_policy[policy].ranged)
		s->single = policy + 1;
	if_publish(f, i, s);
	return 0;
}

void spd_if_hide(struct spd_family *f, uint16_t i, const struct spd_mask *mask, bool last)
{
	struct spd_if *old = if_now(f, i), *s = NULL;
	struct spd_mask *m = mask_find(old, mask);

	m->policies--;
	if (last) {
		if_publish(f, i, NULL);
	} else if (m->policies == 0 && (s = if_without(old, m)) != NULL) {
		if_publish(f, i, s);
	}
}

void spd_if_crown(struct spd_family *f, uint16_t i, uint32_t policy)
{
	struct spd_if *old = if_now(f, i), *s;

	if (policy == SPD_NONE || spd_policy[policy].ranged || old->single)
		return;
	s = if_without(old, NULL);
	if (!s)
		return;
	s->single = policy + 1;
	if_publish(f, i, s);
}
