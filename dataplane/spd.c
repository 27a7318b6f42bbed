/* SPDX-License-Identifier: Apache-2.0 */
#include "spd.h"
#include "spd_table.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_prefetch.h>

#include "icmp.h"
#include "ip6.h"
#include "punt.h"
#include "sad.h"
#include "selector.h"

struct policy *spd_policy;
struct spd_family spd4, spd6;

/* What is known of the packets of one list while their policies are looked for. */
struct search {
	const struct spd_if *tun[BURST_MAX];
	uint32_t policy[BURST_MAX]; /* SPD_NONE until found */
	uint16_t rank[BURST_MAX];   /* of the policy found */
	uint64_t pending;           /* bit set */
	uint64_t six;               /* bit set of IPv6 packets */
};
static_assert(BURST_MAX <= 64, "a bit for each packet");

/* Can a packet match a combination at all?  A fragment may know no ports (RFC 4301 7). */
static inline bool may_match(const struct pkt *p, const struct spd_mask *m)
{
	if (m->proto && p->proto == 0)
		return false;
	return !m->ports || !(p->fragment == FRAG_BLIND || (m->ports & SPD_LOCAL_PORT && p->sport == 0) ||
			      (m->ports & SPD_REMOTE_PORT && p->dport == 0));
}

/* The key of packet p under a combination. */
static inline void make_key4(const struct pkt *p, const struct spd_mask *m, struct spd_key *k)
{
	*k = (struct spd_key){
		.shape = spd_shape(p->next_hop, m->local_len, m->remote_len, m->proto ? p->proto : 0),
		.local = p->src4 & m->local,
		.remote = p->dst4 & m->remote,
		.local_port = m->ports & SPD_LOCAL_PORT ? p->sport : 0,
		.remote_port = m->ports & SPD_REMOTE_PORT ? p->dport : 0,
	};
}

static inline void make_key6(const struct pkt *p, const struct spd_mask *m, struct spd_key6 *k)
{
	const uint8_t *ip = pkt_l3(p);

	*k = (struct spd_key6){
		.tunnel_if = (uint16_t)p->next_hop,
		.local_len = m->local_len,
		.remote_len = m->remote_len,
		.local_port = m->ports & SPD_LOCAL_PORT ? p->sport : 0,
		.remote_port = m->ports & SPD_REMOTE_PORT ? p->dport : 0,
		.proto = m->proto ? p->proto : 0,
	};
	spd_masked6(ip + 8, m->local_len, k->local);
	spd_masked6(ip + 24, m->remote_len, k->remote);
}

static bool in_ranges(const struct policy *pol, const struct pkt *p)
{
	return !pol->ranged ||
	       (p->fragment != FRAG_BLIND && p->sport >= pol->local_lo && p->sport <= pol->local_hi &&
		p->dport >= pol->remote_lo && p->dport <= pol->remote_hi);
}

/* Of the policies of one key, the first whose ranges hold the packet's ports.  Ports of a packet that has none are 0,
 * which no range holds. */
static __rte_noinline uint32_t ranged(uint32_t found, const struct pkt *p)
{
	while (found != SPD_NONE && !in_ranges(&spd_policy[found], p))
		found = atomic_load_explicit(&spd_policy[found].next, memory_order_acquire);
	return found;
}

/* Policy `found` fits packet i under a combination of this rank: of equals, the one of fewer ports wins, and then
 * the first in the configuration. */
static inline void hit(struct search *s, unsigned i, const struct pkt *p, uint32_t found, uint16_t rank)
{
	if (unlikely(spd_policy[found].ranged)) {
		found = ranged(found, p);
		if (found == SPD_NONE)
			return;
	}
	if (s->policy[i] == SPD_NONE || spd_policy[found].prefer < spd_policy[s->policy[i]].prefer)
		s->policy[i] = found;
	s->rank[i] = rank;
}

/* Round r: every pending packet, all of one family, under the r-th combination of its tunnel. */
static __rte_always_inline void search_round(const struct list *l, struct search *s, uint16_t r, bool v6)
{
	union {
		struct spd_key v4[BURST_MAX];
		struct spd_key6 v6[BURST_MAX];
	} key;
	const void *keys[BURST_MAX];
	uint8_t idx[BURST_MAX];
	void *data[BURST_MAX];
	uint64_t hits = 0;
	uint32_t n = 0;

	for (uint64_t todo = s->pending; todo; todo &= todo - 1) {
		unsigned i = (unsigned)__builtin_ctzll(todo);
		const struct spd_if *t = s->tun[i];

		if (r >= t->n_masks || (s->policy[i] != SPD_NONE && s->rank[i] != t->mask[r].rank)) {
			s->pending &= ~(UINT64_C(1) << i);
			continue;
		}
		if (!may_match(l->p[i], &t->mask[r]))
			continue;
		if (v6) {
			make_key6(l->p[i], &t->mask[r], &key.v6[n]);
			keys[n] = &key.v6[n];
		} else {
			make_key4(l->p[i], &t->mask[r], &key.v4[n]);
			keys[n] = &key.v4[n];
		}
		idx[n++] = (uint8_t)i;
	}
	if (n == 0)
		return;
	rte_hash_lookup_bulk_data(v6 ? spd6.hash : spd4.hash, keys, n, &hits, data);
	for (uint32_t k = 0; k < n; k++) {
		unsigned i = idx[k];

		if (hits >> k & 1)
			hit(s, i, l->p[i], (uint32_t)(uintptr_t)data[k], s->tun[i]->mask[r].rank);
	}
}

/* Packet i is on its way into tunnel interface t, NULL if that has no proxy-ID of the packet's family. */
static inline void search_begin(struct search *s, unsigned i, const struct spd_if *t)
{
	s->tun[i] = t;
	s->policy[i] = SPD_NONE;
	if (likely(t && t->single))
		s->policy[i] = t->single - 1;
	else if (t)
		s->pending |= UINT64_C(1) << i;
}

static const struct spd_if *tunnel_of(struct spd_family *f, const struct pkt *p)
{
	return atomic_load_explicit(&f->tunnel[p->next_hop], memory_order_acquire);
}

static __rte_noinline void search6(const struct list *l, struct search *s)
{
	for (uint64_t todo = s->six; todo; todo &= todo - 1) {
		unsigned i = (unsigned)__builtin_ctzll(todo);

		search_begin(s, i, tunnel_of(&spd6, l->p[i]));
	}
	for (uint16_t r = 0; s->pending; r++)
		search_round(l, s, r, true);
}

static void search(const struct list *l, struct search *s)
{
	s->pending = s->six = 0;
	for (unsigned i = 0; i < l->n; i++) {
		if (unlikely(l->p[i]->v == 6))
			s->six |= UINT64_C(1) << i;
		else
			search_begin(s, i, tunnel_of(&spd4, l->p[i]));
	}
	for (uint16_t r = 0; s->pending; r++)
		search_round(l, s, r, false);
	if (unlikely(s->six))
		search6(l, s);
}

/* Traffic without SA.  It asks for keys at most once a second for a policy, whichever worker it is. */
static void no_sa(struct worker *w, struct pkt *p, uint32_t policy)
{
	struct policy *pol = &spd_policy[policy];
	uint64_t last = atomic_load_explicit(&pol->acquire_tsc, memory_order_relaxed);

	atomic_fetch_add_explicit(&pol->no_sa_drops, 1, memory_order_relaxed);
	if ((last == 0 || (int64_t)(w->tsc - last) >= (int64_t)w->tsc_hz) &&
	    atomic_compare_exchange_strong_explicit(&pol->acquire_tsc, &last, w->tsc | 1,
						    memory_order_relaxed, memory_order_relaxed)) {
		if (punt_acquire(w, policy, p))
			atomic_fetch_add_explicit(&pol->acquires, 1, memory_order_relaxed);
		else /* ring full: ask again with the next packet */
			atomic_store_explicit(&pol->acquire_tsc, 0, memory_order_relaxed);
	}
	pkt_drop(w, p, DROP_TUNNEL_NO_SA);
}

bool spd_carries(uint16_t tunnel_if, const struct addr *local, const struct addr *remote)
{
	struct pkt p = {.v = local->v, .next_hop = tunnel_if};
	struct ip6_shell shell;
	struct list l = {.n = 1, .p = {&p}};
	struct search s;
	uint32_t handle;

	if (p.v == 6) {
		p.proto = IPPROTO_ICMPV6;
		ip6_shell(&shell, &p, local->b, remote->b);
	} else {
		p.proto = IPPROTO_ICMP;
		memcpy(&p.src4, local->b, 4);
		memcpy(&p.dst4, remote->b, 4);
	}
	search(&l, &s);
	if (s.policy[0] == SPD_NONE)
		return false;
	handle = atomic_load_explicit(&spd_policy[s.policy[0]].sa_out, memory_order_acquire);
	return handle != DP_SA_NONE && selector_out(sad_out_at(handle), &p);
}

enum drop spd_find(struct pkt *p, uint32_t *policy, uint32_t *sa_out)
{
	struct list l = {.n = 1, .p = {p}};
	struct search s;

	search(&l, &s);
	if (s.policy[0] == SPD_NONE)
		return DROP_TUNNEL_NO_PROXY_ID;
	*policy = s.policy[0];
	*sa_out = atomic_load_explicit(&spd_policy[*policy].sa_out, memory_order_acquire);
	return *sa_out == DP_SA_NONE ? DROP_TUNNEL_NO_SA : DROP_NONE;
}

void spd_match(struct worker *w, struct list *l)
{
	struct search s;
	uint16_t kept = 0;

	search(l, &s);
	for (uint16_t i = 0; i < l->n; i++) {
		struct pkt *p = l->p[i];
		uint32_t handle;

		if (unlikely(s.policy[i] == SPD_NONE)) {
			icmp_drop(w, p, DROP_TUNNEL_NO_PROXY_ID);
			continue;
		}
		handle = atomic_load_explicit(&spd_policy[s.policy[i]].sa_out, memory_order_acquire);
		if (unlikely(handle == DP_SA_NONE)) {
			no_sa(w, p, s.policy[i]);
			continue;
		}
		p->sa_out = sad_out_at(handle);
		rte_prefetch0(p->sa_out);
		rte_prefetch0(&p->sa_out->outer[0]);
		l->p[kept++] = p;
	}
	l->n = kept;
}
