/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules as the control thread handles them: compiled aside, published with a release store, the list
 * before them freed when no worker can hold it.  Until then its workers may still count there, so what
 * it counted is added to its successor only when it goes: no hit is lost by a commit.
 */
#include "frag_ports.h"
#include "rules_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_malloc.h>

#include "sa.h"

/* Addresses are so many fields as they have words; what stands behind them begins so much later. */
enum { FIELD_PROTO, FIELD_FROM, FIELD_TO, FIELD_SRC, WORDS4 = 1, WORDS6 = 4 };
#define FIELD_DST(words)   (FIELD_SRC + (words))
#define FIELD_SPORT(words) (FIELD_SRC + 2 * (words))
#define FIELD_DPORT(words) (FIELD_SPORT(words) + 1)
#define FIELDS(words)      (FIELD_DPORT(words) + 1)

/* input_index: fields of one number lie in the same word. */
#define FIELD(key, id, kind, member, word)                                                                   \
	[id] = {.type = RTE_ACL_FIELD_TYPE_##kind,                                                           \
		.size = sizeof(((struct key *)0)->member),                                                   \
		.field_index = (id),                                                                         \
		.input_index = (word),                                                                       \
		.offset = offsetof(struct key, member)}
static const struct rte_acl_field_def fields4[FIELDS(WORDS4)] = {
	FIELD(rules_key, FIELD_PROTO, BITMASK, proto, 0),
	FIELD(rules_key, FIELD_FROM, MASK, from, 1),
	FIELD(rules_key, FIELD_TO, MASK, to, 1),
	FIELD(rules_key, FIELD_SRC, MASK, src, 2),
	FIELD(rules_key, FIELD_DST(WORDS4), MASK, dst, 3),
	FIELD(rules_key, FIELD_SPORT(WORDS4), RANGE, sport, 4),
	FIELD(rules_key, FIELD_DPORT(WORDS4), RANGE, dport, 4),
};
static const struct rte_acl_field_def fields6[FIELDS(WORDS6)] = {
	FIELD(rules_key6, FIELD_PROTO, BITMASK, proto, 0),
	FIELD(rules_key6, FIELD_FROM, MASK, from, 1),
	FIELD(rules_key6, FIELD_TO, MASK, to, 1),
	FIELD(rules_key6, FIELD_SRC, MASK, src[0], 2),
	FIELD(rules_key6, FIELD_SRC + 1, MASK, src[1], 3),
	FIELD(rules_key6, FIELD_SRC + 2, MASK, src[2], 4),
	FIELD(rules_key6, FIELD_SRC + 3, MASK, src[3], 5),
	FIELD(rules_key6, FIELD_DST(WORDS6), MASK, dst[0], 6),
	FIELD(rules_key6, FIELD_DST(WORDS6) + 1, MASK, dst[1], 7),
	FIELD(rules_key6, FIELD_DST(WORDS6) + 2, MASK, dst[2], 8),
	FIELD(rules_key6, FIELD_DST(WORDS6) + 3, MASK, dst[3], 9),
	FIELD(rules_key6, FIELD_SPORT(WORDS6), RANGE, sport, 10),
	FIELD(rules_key6, FIELD_DPORT(WORDS6), RANGE, dport, 10),
};
/* As rte_acl takes them; one of IPv4 leaves the last fields unused. */
RTE_ACL_RULE_DEF(acl_rule, FIELDS(WORDS6));

/* ---- life ------------------------------------------------------------------------------------ */

static void rules_free(struct rules *r)
{
	if (!r)
		return;
	rte_acl_free(r->acl);
	rte_acl_free(r->acl6);
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

static void put_prefix(struct rte_acl_field *f, const struct prefix *p, unsigned words)
{
	for (unsigned i = 0; i < words; i++) {
		unsigned bits = p->len > 32 * i ? p->len - 32 * i : 0;
		uint32_t word;

		memcpy(&word, p->a.b + 4 * i, sizeof(word));
		f[i].value.u32 = rte_be_to_cpu_32(word);
		f[i].mask_range.u32 = RTE_MIN(bits, 32u);
	}
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

static void put_term(struct acl_rule *a, const struct dp_rule_term *t, uint32_t i, unsigned words)
{
	memset(a, 0, sizeof(*a));
	a->data.category_mask = 1;
	a->data.priority = RTE_ACL_MAX_PRIORITY - (int32_t)i;
	a->data.userdata = t->rule + 1;
	a->field[FIELD_PROTO].value.u8 = t->proto;
	a->field[FIELD_PROTO].mask_range.u8 = t->proto ? 0xff : 0;
	put_zone(&a->field[FIELD_FROM], t->from);
	put_zone(&a->field[FIELD_TO], t->to);
	put_prefix(&a->field[FIELD_SRC], &t->src, words);
	put_prefix(&a->field[FIELD_DST(words)], &t->dst, words);
	put_range(&a->field[FIELD_SPORT(words)], t->sport_lo, t->sport_hi);
	put_range(&a->field[FIELD_DPORT(words)], t->dport_lo, t->dport_hi);
}

/* A term without addresses is for both families. */
static bool is_for(const struct dp_rule_term *t, uint8_t v)
{
	return (t->src.a.v == 0 || t->src.a.v == v) && (t->dst.a.v == 0 || t->dst.a.v == v);
}

/* The terms of one family into *acl, which stays NULL if there are none. */
static int compile(struct rte_acl_ctx **acl, uint8_t v, const struct dp_rule_term *terms, uint32_t n)
{
	const unsigned words = v == 6 ? WORDS6 : WORDS4;
	static unsigned serial;
	char name[RTE_ACL_NAMESIZE];
	struct rte_acl_param param = {.name = name,
				      .socket_id = SOCKET_ID_ANY,
				      .rule_size = (uint32_t)RTE_ACL_RULE_SZ(FIELDS(words)),
				      .max_rule_num = n};
	struct rte_acl_config conf = {.num_categories = 1, .num_fields = FIELDS(words)};
	uint32_t added = 0;
	int rc = 0;

	if (n == 0)
		return 0;
	snprintf(name, sizeof(name), "rules%u", serial++);
	memcpy(conf.defs, v == 6 ? fields6 : fields4, FIELDS(words) * sizeof(conf.defs[0]));
	*acl = rte_acl_create(&param);
	if (!*acl)
		return -ENOMEM;
	for (uint32_t i = 0; i < n && rc == 0; i++) {
		struct acl_rule a;

		if (!is_for(&terms[i], v))
			continue;
		put_term(&a, &terms[i], i, words);
		rc = rte_acl_add_rules(*acl, (const struct rte_acl_rule *)&a, 1);
		added++;
	}
	if (rc == 0 && added)
		return rte_acl_build(*acl, &conf);
	rte_acl_free(*acl);
	*acl = NULL;
	return rc;
}

/* What a side of a term may be: an IPv4 or IPv6 prefix, or any address. */
static bool side_ok(const struct prefix *p)
{
	return p->a.v == 4 ? p->len <= 32 : p->a.v == 6 ? p->len <= 128 : p->a.v == 0 && p->len == 0;
}

static bool term_ok(const struct dp_rule_term *t)
{
	return t->sport_lo <= t->sport_hi && t->dport_lo <= t->dport_hi && side_ok(&t->src) &&
	       side_ok(&t->dst) && (is_for(t, 4) || is_for(t, 6));
}

static int check(const struct dp_rule *rules, uint32_t n_rules, const struct dp_rule_term *terms,
		 uint32_t n_terms)
{
	if (n_terms > DP_RULE_TERMS_MAX || n_rules > DP_RULE_TERMS_MAX)
		return -E2BIG;
	for (uint32_t i = 0; i < n_rules; i++)
		if (rules[i].id >= DP_RULE_ID_MAX)
			return -EINVAL;
	for (uint32_t i = 0; i < n_terms; i++)
		if (terms[i].rule >= n_rules || (i && terms[i].rule < terms[i - 1].rule) ||
		    !term_ok(&terms[i]))
			return -EINVAL;
	return 0;
}

static bool ask_ports(const struct dp_rule_term *terms, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (terms[i].sport_lo || terms[i].dport_lo || terms[i].sport_hi != UINT16_MAX ||
		    terms[i].dport_hi != UINT16_MAX)
			return true;
	return false;
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
		rc = compile(&r->acl, 4, terms, n_terms);
		if (rc == 0)
			rc = compile(&r->acl6, 6, terms, n_terms);
		if (rc < 0) {
			rules_free(r);
			return rc;
		}
		r->prev = old;
		r->ports = ask_ports(terms, n_terms);
	}
	if (r && r->ports)
		frag_ports_want(true);
	atomic_store_explicit(&rules_now, r, memory_order_release);
	dp_changed();
	if (old && old->ports)
		frag_ports_want(false);
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
	dp_changed();
	return 0;
}

void rules_fini(void)
{
	struct rules *r = atomic_load_explicit(&rules_now, memory_order_relaxed);

	atomic_store_explicit(&rules_now, NULL, memory_order_relaxed);
	rules_free(r);
}
