/* SPDX-License-Identifier: Apache-2.0 */
#include "handover.h"

#include "datagram.h"
#include "dp.h"
#include "path.h"
#include "sa.h"

/* Send the packets of l whose owner[] is not this worker to their owners, one ring operation for each
 * owner; keep the others in order. */
static void hand_over(struct worker *w, struct list *l, const uint16_t *owner, enum pkt_class cls)
{
	uint64_t todo = 0;
	uint16_t kept = 0, n = l->n;
	struct pkt *all[BURST_MAX];

	for (uint16_t i = 0; i < n; i++) {
		all[i] = l->p[i];
		if (likely(owner[i] == w->id))
			l->p[kept++] = all[i];
		else
			todo |= UINT64_C(1) << i;
	}
	l->n = kept;
	while (todo) {
		uint16_t to = owner[__builtin_ctzll(todo)], k = 0, sent;
		struct pkt *p[BURST_MAX];
		void *m[BURST_MAX];

		for (uint16_t i = 0; i < n; i++) {
			if (!(todo >> i & 1) || owner[i] != to)
				continue;
			todo &= ~(UINT64_C(1) << i);
			p[k] = all[i];
			m[k] = all[i]->m;
			*handover_pkt(all[i]->m) = *all[i];
			if (cls == PKT_TRANSIT)
				handover_pkt(all[i]->m)->cls = PKT_TRANSIT;
			k++;
		}
		sent = (uint16_t)rte_ring_enqueue_burst(dp.worker[to]->handover, m, k, NULL);
		count_add(&w->handed_over, sent);
		for (uint16_t i = sent; i < k; i++)
			pkt_drop(w, p[i], DROP_HANDOVER_FULL);
	}
}
static_assert(BURST_MAX <= 64, "one bit for each packet of a burst");

void handover_sa_in(struct worker *w, struct list *l)
{
	uint16_t owner[BURST_MAX];

	for (uint16_t i = 0; i < l->n; i++)
		owner[i] = l->p[i]->sa_in->owner;
	hand_over(w, l, owner, PKT_ESP);
}

void handover_sa_out(struct worker *w, struct list *l)
{
	uint16_t owner[BURST_MAX], others = 0;
	unsigned n = l->n;

	for (unsigned i = 0; i < n; i++)
		others |= l->p[i]->sa_out->owner ^ w->id;
	if (likely(!others))
		return;
	for (unsigned i = 0; i < n; i++) { /* their flow may have been known: the owner looks them up */
		owner[i] = l->p[i]->sa_out->owner;
		l->p[i]->next_hop = l->p[i]->sa_out->tunnel_if;
	}
	hand_over(w, l, owner, PKT_TRANSIT);
}

void handover_fragments(struct worker *w, struct list *l)
{
	uint16_t owner[BURST_MAX];
	struct fragment_info f;

	for (uint16_t i = 0; i < l->n; i++) {
		fragment_of(l->p[i], &f);
		owner[i] = datagram_owner(&f.key);
	}
	hand_over(w, l, owner, PKT_FRAGMENT);
}

unsigned handover_poll(struct worker *w)
{
	struct rte_mbuf *m[BURST_MAX];
	unsigned n = rte_ring_dequeue_burst(w->handover, (void **)m, BURST_MAX, NULL);

	if (n)
		path_handed_over(w, m, (uint16_t)n);
	return n;
}
