/* SPDX-License-Identifier: Apache-2.0 */
#include "flow.h"

#include <emmintrin.h>
#include <nmmintrin.h>
#include <string.h>

#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "age.h"
#include "dp.h"
#include "rules.h"
#include "sad.h"

enum flow_kind { FLOW_TUNNEL, FLOW_CLEAR };
enum { KIND_SHIFT = 31, SPILT_SHIFT = 30, TO_MASK = (1 << SPILT_SHIFT) - 1 };
#define SPILT (UINT32_C(1) << SPILT_SHIFT)

struct flow {
	__m128i key;  /* struct pkt, src4 to v; zero: nobody's */
	uint32_t gen; /* of the decision */
	uint32_t to;  /* enum flow_kind << KIND_SHIFT | SPILT | the outbound SA's slot, or the neighbour */
	/* Of the rule that lets it pass, or NULL.  It lives as long as the decision counts. */
	struct rules_hit *hit;
};
static_assert(sizeof(struct flow) == 32, "two a line");

enum { PLACES_MIN = 1 << 14, PLACES_MAX = 1 << 20 };

static inline __m128i key_of(const struct pkt *p)
{
	return _mm_load_si128((const __m128i *)&p->src4);
}

/* The line with the two places that a flow may have.  A checksum spreads well enough: whoever makes flows that meet in
 * one line has them looked up, no more.  A third flow into a tunnel, of which more has to be looked up than of others, goes
 * to the line beside it, which the second place of its own line then says (SPILT). */
static inline struct flow *line_of(const struct worker *w, const struct pkt *p)
{
	uint64_t half[2], sum;

	memcpy(half, &p->src4, sizeof(half));
	sum = _mm_crc32_u64(_mm_crc32_u64(0, half[0]), half[1]);
	return &w->flow[(sum & w->flow_mask) & ~UINT64_C(1)];
}

static inline bool same_key(const struct flow *f, __m128i key)
{
	return _mm_movemask_epi8(_mm_cmpeq_epi8(f->key, key)) == 0xffff;
}

static inline struct flow *beside(const struct worker *w, struct flow *line)
{
	return &w->flow[(line - w->flow) ^ 2];
}

static inline bool counts(const struct flow *f, const struct worker *w)
{
	return f->gen == w->generation;
}

/* A flow in a line, or NULL. */
static inline struct flow *in_line(struct flow *line, const struct worker *w, __m128i key)
{
	struct flow *f = same_key(&line[0], key) ? &line[0] : &line[1];

	return same_key(f, key) && counts(f, w) ? f : NULL;
}

/* The packet's flow, or NULL. */
static inline const struct flow *find(struct flow *line, const struct worker *w, const struct pkt *p)
{
	__m128i key = key_of(p);
	const struct flow *f = in_line(line, w, key);

	if (unlikely(!f) && line[1].to & SPILT && counts(&line[1], w))
		f = in_line(beside(w, line), w, key);
	return likely(p->fragment == FRAG_NO) ? f : NULL;
}

/* As its flow does, p goes on: into a tunnel, or to a next hop. */
static inline void go_tunnel(struct pkt *p, uint8_t *ip, uint32_t sa)
{
	p->sa_out = &sad_out[sa];
	rte_prefetch0(p->sa_out);
	rte_prefetch0(&p->sa_out->outer[0]);
	rte_prefetch0(ip - 64);             /* where the outer header will be ... */
	rte_prefetch0(ip + p->ip_len + 16); /* ... and the ICV */
}

void flow_find(struct worker *w, struct list *l, struct known *k)
{
	struct flow *line[BURST_MAX];
	unsigned n = l->n, kept = 0, tunnel = 0, clear = 0;

	for (unsigned i = 0; i < n; i++) {
		line[i] = line_of(w, l->p[i]);
		rte_prefetch0(line[i]);
	}
	for (unsigned i = 0; i < n; i++) {
		struct pkt *p = l->p[i];
		const struct flow *f = find(line[i], w, p);
		uint8_t *ip = pkt_l3(p);

		/* without time to live an error is due */
		if (unlikely(!f || !age4((struct rte_ipv4_hdr *)ip))) {
			l->p[kept++] = p;
			continue;
		}
		p->cls = PKT_TRANSIT;
		if (unlikely(f->hit != NULL))
			rules_count(w, f->hit);
		if (f->to >> KIND_SHIFT == FLOW_TUNNEL) {
			go_tunnel(p, ip, f->to & TO_MASK);
			k->tunnel.p[tunnel++] = p;
		} else {
			p->next_hop = f->to & TO_MASK;
			k->clear.p[clear++] = p;
		}
	}
	l->n = (uint16_t)kept;
	k->tunnel.n = (uint16_t)tunnel;
	k->clear.n = (uint16_t)clear;
	count_add(&w->known_flows, tunnel + clear);
}

/* ---- keeping --------------------------------------------------------------------------------- */

/* Where a flow may be put in a line: its own old place, or one that counts for nothing; NULL: others live in both. */
static inline struct flow *place(struct flow *line, const struct worker *w, __m128i key)
{
	if (same_key(&line[1], key) && counts(&line[1], w))
		return &line[1];
	if (same_key(&line[0], key) || !counts(&line[0], w))
		return &line[0];
	return counts(&line[1], w) ? NULL : &line[1];
}

static inline void keep(struct worker *w, const struct pkt *p, enum flow_kind kind, uint32_t to,
			struct rules_hit *hit)
{
	struct flow *line = line_of(w, p), *f;
	uint32_t spilt;

	if (p->v != 4 || p->fragment != FRAG_NO || p->in_if == IF_SELF)
		return;
	if (unlikely(hit == &rules_hit_logs))
		return;
	f = place(line, w, key_of(p));
	if (!f) {
		if (kind == FLOW_TUNNEL)
			f = place(beside(w, line), w, key_of(p));
		if (f) {
			line[1].to |= SPILT;
		} else { /* the second place is given up for the first, and that for the new one */
			line[0].to |= line[1].to & SPILT;
			line[1] = line[0];
			line[0].to &= ~SPILT;
			f = &line[0];
		}
	}
	spilt = counts(f, w) ? f->to & SPILT : 0; /* which is its line's, not its own */
	*f = (struct flow){.key = key_of(p),
			   .gen = w->generation,
			   .to = (uint32_t)kind << KIND_SHIFT | spilt | to,
			   .hit = hit};
}

void flow_keep_tunnel(struct worker *w, const struct list *l)
{
	for (uint16_t i = 0; i < l->n; i++)
		keep(w, l->p[i], FLOW_TUNNEL, (uint32_t)(l->p[i]->sa_out - sad_out), l->p[i]->hit);
}

void flow_keep_clear(struct worker *w, const struct list *l)
{
	for (uint16_t i = 0; i < l->n; i++)
		keep(w, l->p[i], FLOW_CLEAR, l->p[i]->next_hop, l->p[i]->hit);
}

/* ---- life ------------------------------------------------------------------------------------ */

void flow_begin(struct worker *w)
{
	uint32_t now = atomic_load_explicit(&dp.generation, memory_order_acquire);

	if (unlikely(now < w->generation)) /* it begins anew: old numbers will come again */
		memset(w->flow, 0, (w->flow_mask + 1) * sizeof(*w->flow));
	w->generation = now;
}

static uint32_t places_for(uint32_t policies)
{
	return rte_align32pow2(RTE_MIN(RTE_MAX(policies, PLACES_MIN / 2u), PLACES_MAX / 2u)) * 2;
}

size_t flow_bytes(uint32_t policies)
{
	return places_for(policies) * sizeof(struct flow);
}

bool flow_init(struct worker *w)
{
	uint32_t n = places_for(dp.conf.max_policies);

	w->flow = rte_zmalloc("flows", n * sizeof(*w->flow), RTE_CACHE_LINE_SIZE);
	w->flow_mask = n - 1;
	return w->flow != NULL;
}

void flow_free(struct worker *w)
{
	rte_free(w->flow);
	w->flow = NULL;
}

uint32_t flow_places(const struct worker *w)
{
	return w->flow_mask + 1;
}
