/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include <errno.h>

#include <rte_malloc.h>

#include "dp.h"

enum { HOSTS_MAX = DP_HOSTS_MAX };

_Atomic(struct host_table *) host_table;

/* A handful of peers and a packet now and then: nothing is gained by a hash. */
static const struct host_pair *find(const struct host_table *t, const struct pkt *p, bool outbound)
{
	struct addr src, dst;

	pkt_addrs(p, &src, &dst);
	for (uint32_t i = 0; i < t->n; i++) {
		const struct host_pair *h = &t->pair[i];

		if (addr_eq(&h->local, outbound ? &src : &dst) &&
		    addr_eq(&h->remote, outbound ? &dst : &src) && (h->proto == 0 || h->proto == p->proto))
			return h;
	}
	return NULL;
}

void host_select(struct list *l, struct list *tunnel)
{
	const struct host_table *t = atomic_load_explicit(&host_table, memory_order_acquire);
	uint16_t kept = 0;

	for (uint16_t i = 0; t && i < l->n; i++) {
		struct pkt *p = l->p[i];
		const struct host_pair *h = p->in_if == IF_SELF ? find(t, p, true) : NULL;

		if (!h) {
			l->p[kept++] = p;
			continue;
		}
		p->out_if = h->tunnel_if;
		p->next_hop = h->tunnel_if;
		list_add(tunnel, p);
	}
	if (t)
		l->n = kept;
}

void host_refuse(struct worker *w, struct list *l)
{
	const struct host_table *t = atomic_load_explicit(&host_table, memory_order_acquire);
	uint16_t kept = 0;

	for (uint16_t i = 0; t && i < l->n; i++) {
		struct pkt *p = l->p[i];

		if (p->cls == PKT_ICMP && find(t, p, false))
			pkt_drop(w, p, DROP_HOST_CLEAR);
		else
			l->p[kept++] = p;
	}
	if (t)
		l->n = kept;
}

/* ---- control --------------------------------------------------------------------------------- */

static void publish(struct host_table *t)
{
	struct host_table *old = atomic_exchange_explicit(&host_table, t, memory_order_acq_rel);

	if (old)
		dp_retire(rte_free, old);
}

static struct host_table *table_new(uint32_t n)
{
	struct host_table *t = rte_zmalloc("hosts", sizeof(*t) + n * sizeof(t->pair[0]), RTE_CACHE_LINE_SIZE);

	if (t)
		t->n = n;
	return t;
}

int host_add(const struct dp_policy_conf *c, uint32_t policy)
{
	const struct host_table *old = atomic_load_explicit(&host_table, memory_order_relaxed);
	uint32_t n = old ? old->n : 0;
	struct host_table *t;

	if (c->local.a.v == 0 || c->local.a.v != c->remote.a.v || c->local.len != addr_len(&c->local.a) * 8 ||
	    c->remote.len != c->local.len)
		return -EINVAL;
	if (n == HOSTS_MAX)
		return -ENOSPC;
	t = table_new(n + 1);
	if (!t)
		return -ENOMEM;
	if (old)
		memcpy(t->pair, old->pair, n * sizeof(t->pair[0]));
	t->pair[n] = (struct host_pair){.local = c->local.a,
					.remote = c->remote.a,
					.proto = c->proto,
					.tunnel_if = c->tunnel_if,
					.policy = policy};
	publish(t);
	return 0;
}

/* When memory is short the entry stays, and its packets, which no proxy-ID fits any more, are dropped. */
void host_del(uint32_t policy)
{
	const struct host_table *old = atomic_load_explicit(&host_table, memory_order_relaxed);
	struct host_table *t;
	uint32_t n = 0;

	for (uint32_t i = 0; old && i < old->n; i++)
		n += old->pair[i].policy != policy;
	if (!old || n == old->n)
		return;
	if (n == 0) {
		publish(NULL);
		return;
	}
	t = table_new(n);
	if (!t)
		return;
	n = 0;
	for (uint32_t i = 0; i < old->n; i++)
		if (old->pair[i].policy != policy)
			t->pair[n++] = old->pair[i];
	publish(t);
}

void host_fini(void)
{
	rte_free(atomic_exchange_explicit(&host_table, NULL, memory_order_relaxed));
}
