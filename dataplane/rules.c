/* SPDX-License-Identifier: Apache-2.0 */
#include "rules.h"
#include "rules_table.h"

#include <netinet/in.h>
#include <string.h>

#include "punt.h"
#include "sa.h"

_Atomic(struct rules *) rules_now;
struct rules_hit rules_hit_logs;

static inline uint16_t zone_of(uint16_t ifindex)
{
	return __atomic_load_n(&dp.ifs[ifindex].zone, __ATOMIC_RELAXED);
}

static inline void key_of(const struct pkt *p, uint16_t from, uint16_t to, struct rules_key *k)
{
	*k = (struct rules_key){
		.proto = p->proto,
		.from = htons(from),
		.to = htons(to),
		.src = p->src4,
		.dst = p->dst4,
		.sport = htons(p->sport),
		.dport = htons(p->dport),
	};
}

static inline void key6_of(const struct pkt *p, uint16_t from, uint16_t to, struct rules_key6 *k)
{
	const uint8_t *ip = pkt_l3(p);

	*k = (struct rules_key6){
		.proto = p->proto,
		.from = htons(from),
		.to = htons(to),
		.sport = htons(p->sport),
		.dport = htons(p->dport),
	};
	memcpy(k->src, ip + 8, sizeof(k->src));
	memcpy(k->dst, ip + 24, sizeof(k->dst));
}

/* The IPv6 packets of a list: their places in it, and what the rules say of them. */
static __rte_noinline void match6(const struct rules *r, const struct list *l, const uint16_t *from,
				  const uint16_t *to, uint32_t *found)
{
	struct rules_key6 key[BURST_MAX];
	const uint8_t *data[BURST_MAX];
	uint32_t found6[BURST_MAX] = {0};
	uint16_t at[BURST_MAX], n = 0;

	for (uint16_t i = 0; i < l->n; i++) {
		if (l->p[i]->v != 6)
			continue;
		key6_of(l->p[i], from[i], to[i], &key[n]);
		data[n] = (const uint8_t *)&key[n];
		at[n++] = i;
	}
	if (r->acl6)
		rte_acl_classify(r->acl6, data, found6, n, 1);
	for (uint16_t i = 0; i < n; i++)
		found[at[i]] = found6[i];
}

/* Which rule, for each packet of the list. */
static void match(const struct rules *r, const struct list *l, uint32_t *rule)
{
	struct rules_key key[BURST_MAX];
	const uint8_t *data[BURST_MAX];
	uint16_t from[BURST_MAX], to[BURST_MAX];
	uint32_t found[BURST_MAX];
	bool six = false;

	for (uint16_t i = 0; i < l->n; i++) {
		const struct pkt *p = l->p[i];

		from[i] = p->in_if == IF_SELF ? DP_ZONE_NONE : zone_of(p->in_if);
		to[i] = zone_of(p->out_if);
		key_of(p, from[i], to[i], &key[i]);
		data[i] = (const uint8_t *)&key[i];
		found[i] = 0;
		six |= p->v == 6;
	}
	if (r->acl)
		rte_acl_classify(r->acl, data, found, l->n, 1);
	if (unlikely(six)) /* what IPv4's rules found for them counts for nothing */
		match6(r, l, from, to, found);
	for (uint16_t i = 0; i < l->n; i++)
		rule[i] = found[i] ? found[i] - 1 : rules_default(r, from[i], to[i]);
}

void rules_check(struct worker *w, struct list *l)
{
	const struct rules *r = atomic_load_explicit(&rules_now, memory_order_acquire);
	uint32_t rule[BURST_MAX];
	uint16_t kept = 0;

	if (!r || l->n == 0)
		return;
	match(r, l, rule);
	for (uint16_t i = 0; i < l->n; i++) {
		const struct dp_rule *d = &r->rule[rule[i]];
		struct rules_hit *hit = &r->hits[w->id][rule[i]];
		struct pkt *p = l->p[i];

		if (unlikely(p->in_if == IF_SELF)) {
			l->p[kept++] = p;
			continue;
		}
		rules_count(w, hit);
		p->hit = d->log ? &rules_hit_logs : hit;
		if (unlikely(d->log))
			punt_rule_hit(w, d->id, d->allow, p);
		if (likely(d->allow))
			l->p[kept++] = p;
		else
			pkt_drop(w, p, DROP_RULE);
	}
	l->n = kept;
}

uint32_t rules_verdict(const struct pkt *p, bool *allow)
{
	const struct rules *r = atomic_load_explicit(&rules_now, memory_order_relaxed);
	struct pkt copy = *p;
	struct list l = {.n = 1, .p = {&copy}};
	uint32_t rule;

	match(r, &l, &rule);
	*allow = r->rule[rule].allow;
	return r->rule[rule].id;
}
