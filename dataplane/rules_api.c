/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules as the control thread handles them: compiled aside, published with a release store, the list
 * before them freed when no worker can hold it.  Until then its workers may still count there, so what
 * it counted is added to its successor only when it goes: no hit is lost by a commit.
 */
#include "rules_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_malloc.h>

#include "sa.h"

enum { FIELD_PROTO, FIELD_FROM, FIELD_TO, FIELD_SRC, FIELD_DST, FIELD_SPORT, FIELD_DPORT, FIELD_V, FIELDS };

/* input_index: fields of one number lie in the same word. */
#define FIELD(id, kind, member, word)                                                                        \
	[id] = {.type = RTE_ACL_FIELD_TYPE_##kind,                                                           \
		.size = sizeof(((struct rules_key *)0)->member),                                             \
		.field_index = (id),                                                                         \
		.input_index = (word),                                                                       \
		.offset = offsetof(struct rules_key, member)}
static const struct rte_acl_field_def fields[FIELDS] = {
	FIELD(FIELD_PROTO, BITMASK, proto, 0), FIELD(FIELD_FROM, MASK, from, 1),
	FIELD(FIELD_TO, MASK, to, 1),          FIELD(FIELD_SRC, MASK, src, 2),
	FIELD(FIELD_DST, MASK, dst, 3),        FIELD(FIELD_SPORT, RANGE, sport, 4),
	FIELD(FIELD_DPORT, RANGE, dport, 4),   FIELD(FIELD_V, MASK, v, 5),
};
RTE_ACL_RULE_DEF(acl_rule, FIELDS);

/* ---- life ------------------------------------------------------------------------------------ */

static void rules_free(struct rules *r)
{
	if (!r)
		return;
	rte_acl_free(r->acl);
	for (unsigned i = 0; i < DP_WORKERS_MAX; i++)
		rte_free(r->hits[i]);
	rte_free(r->rule);
	free(r->base);
	free(r);
}

static struct rules *rules_new(uint32_t n)
{
	struct rules *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->n = n;
	r->rule = rte_zmalloc("rules", (n + 2) * sizeof(r->rule[0]), RTE_CACHE_LINE_SIZE);
	r->base = calloc(n + 2, sizeof(r->base[0]));
	for (uint16_t i = 0; i < dp.n_workers; i++) {
		r->hits[i] = rte_zmalloc("hits", (n + 2) * sizeof(struct rules_hit), RTE_CACHE_LINE_SIZE);
		if (!r->hits[i])
			goto fail;
	}
	if (r->rule && r->base)
		return r;
fail:
	rules_free(r);
	return NULL;
}

/* ---- hits ------------------------------------------------------------------------------------ */

static void hit_add(struct rules_hit *to, const struct rules_hit *h)
{
	uint64_t used = count_read(&h->used);

	to->packets += count_read(&h->packets);
	if (used > to->used)
		to->used = used;
}

static int index_of(const struct rules *r, uint32_t id)
{
	for (uint32_t i = 0; i < r->n + 2; i++)
		if (r->rule[i].id == id)
			return (int)i;
	return -1;
}

/* All that was counted for an id by a list and those before it. */
static void total(const struct rules *r, uint32_t id, struct rules_hit *sum)
{
	for (; r; r = r->prev) {
		int i = index_of(r, id);

		if (i < 0)
			return; /* the rule began with the list behind this one */
		hit_add(sum, &r->base[i]);
		for (uint16_t w = 0; w < dp.n_workers; w++)
			hit_add(sum, &r->hits[w][i]);
	}
}

/* `heir` is what replaced a list that no worker holds any more. */
static void settle(void *arg)
{
	struct rules *heir = arg, *r = heir->prev;

	for (uint32_t i = 0; i < heir->n + 2; i++) {
		struct rules_hit sum = {0};

		total(r, heir->rule[i].id, &sum);
		hit_add(&heir->base[i], &sum);
	}
	heir->prev = NULL;
	rules_free(r);
}

static void free_alone(void *arg)
{
	struct rules *r = arg;

	rules_free(r);
}

/* ---- compiling ------------------------------------------------------------------------------- */

static void put_prefix(struct rte_acl_field *f, const struct prefix *p)
{
	uint32_t ip = 0;

	if (p->a.v == 4)
		memcpy(&ip, p->a.b, 4);
	f->value.u32 = rte_be_to_cpu_32(ip);
	f->mask_range.u32 = p->a.v == 4 ? p->len : 0;
}

static void put_zone(struct rte_acl_field *f, uint16_t zone)
{
	f->value.u16 = zone;
	f->mask_range.u16 = zone == DP_ZONE_NONE ? 0 : 16;
}

static void put_range(struct rte_acl_field *f, uint16_t lo, uint16_t hi)
{
	f->value.u16 = lo;
	f->mask_range.u16 = hi;
}

static void put_term(struct acl_rule *a, const struct dp_rule_term *t, uint32_t i)
{
	memset(a, 0, sizeof(*a));
	a->data.category_mask = 1;
	a->data.priority = RTE_ACL_MAX_PRIORITY - (int32_t)i;
	a->data.userdata = t->rule + 1;
	a->field[FIELD_PROTO].value.u8 = t->proto;
	a->field[FIELD_PROTO].mask_range.u8 = t->proto ? 0xff : 0;
	put_zone(&a->field[FIELD_FROM], t->from);
	put_zone(&a->field[FIELD_TO], t->to);
	put_prefix(&a->field[FIELD_SRC], &t->src);
	put_prefix(&a->field[FIELD_DST], &t->dst);
	if (t->src.a.v == 4 || t->dst.a.v == 4) { /* or an IPv6 packet would be from 0.0.0.0 */
		a->field[FIELD_V].value.u32 = 4;
		a->field[FIELD_V].mask_range.u32 = 32;
	}
	put_range(&a->field[FIELD_SPORT], t->sport_lo, t->sport_hi);
	put_range(&a->field[FIELD_DPORT], t->dport_lo, t->dport_hi);
}

static int compile(struct rules *r, const struct dp_rule_term *terms, uint32_t n)
{
	static unsigned serial;
	char name[RTE_ACL_NAMESIZE];
	struct rte_acl_param param = {.name = name,
				      .socket_id = SOCKET_ID_ANY,
				      .rule_size = RTE_ACL_RULE_SZ(FIELDS),
				      .max_rule_num = n};
	struct rte_acl_config conf = {.num_categories = 1, .num_fields = FIELDS};
	int rc = 0;

	if (n == 0)
		return 0;
	snprintf(name, sizeof(name), "rules%u", serial++);
	memcpy(conf.defs, fields, sizeof(fields));
	r->acl = rte_acl_create(&param);
	if (!r->acl)
		return -ENOMEM;
	for (uint32_t i = 0; i < n && rc == 0; i++) {
		struct acl_rule a;

		put_term(&a, &terms[i], i);
		rc = rte_acl_add_rules(r->acl, (const struct rte_acl_rule *)&a, 1);
	}
	return rc == 0 ? rte_acl_build(r->acl, &conf) : rc;
}

static int check(const struct dp_rule *rules, uint32_t n_rules, const struct dp_rule_term *terms,
		 uint32_t n_terms)
{
	if (n_terms > DP_RULE_TERMS_MAX || n_rules > DP_RULE_TERMS_MAX)
		return -E2BIG;
	for (uint32_t i = 0; i < n_rules; i++)
		if (rules[i].id >= DP_RULE_ID_MAX)
			return -EINVAL;
	for (uint32_t i = 0; i < n_terms; i++) {
		const struct dp_rule_term *t = &terms[i];

		if (t->rule >= n_rules || (i && t->rule < terms[i - 1].rule) || t->sport_lo > t->sport_hi ||
		    t->dport_lo > t->dport_hi || t->src.len > 32 || t->dst.len > 32)
			return -EINVAL;
		if (t->src.a.v == 6 || t->dst.a.v == 6)
			return -EAFNOSUPPORT;
	}
	return 0;
}

/* ---- the seam -------------------------------------------------------------------------------- */

int dp_rules_set(const struct dp_rule *rules, uint32_t n_rules, const struct dp_rule_term *terms,
		 uint32_t n_terms)
{
	struct rules *old = atomic_load_explicit(&rules_now, memory_order_relaxed), *r = NULL;
	int rc = rules ? check(rules, n_rules, terms, n_terms) : 0;

	if (rc < 0)
		return rc;
	if (rules) {
		r = rules_new(n_rules);
		if (!r)
			return -ENOMEM;
		memcpy(r->rule, rules, n_rules * sizeof(rules[0]));
		r->rule[n_rules] = (struct dp_rule){.id = DP_RULE_INTRAZONE, .allow = true};
		r->rule[n_rules + 1] = (struct dp_rule){.id = DP_RULE_INTERZONE, .log = true};
		rc = compile(r, terms, n_terms);
		if (rc < 0) {
			rules_free(r);
			return rc;
		}
		r->prev = old;
	}
	atomic_store_explicit(&rules_now, r, memory_order_release);
	if (old)
		dp_retire(r ? settle : free_alone, r ? r : old);
	return 0;
}

int dp_rule_stats(uint32_t id, struct dp_rule_stats *s)
{
	const struct rules *r = atomic_load_explicit(&rules_now, memory_order_relaxed);
	struct rules_hit sum = {0};

	if (!r || index_of(r, id) < 0)
		return -ENOENT;
	total(r, id, &sum);
	s->packets = sum.packets;
	s->last_hit_ns = dp_used_ns((uint32_t)sum.used);
	return 0;
}

int dp_if_zone(uint16_t ifindex, uint16_t zone)
{
	if (ifindex >= dp.n_ifs)
		return -ENOENT;
	__atomic_store_n(&dp.ifs[ifindex].zone, zone, __ATOMIC_RELAXED);
	return 0;
}

void rules_fini(void)
{
	struct rules *r = atomic_load_explicit(&rules_now, memory_order_relaxed);

	atomic_store_explicit(&rules_now, NULL, memory_order_relaxed);
	rules_free(r);
}
