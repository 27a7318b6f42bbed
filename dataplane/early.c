/* SPDX-License-Identifier: Apache-2.0 */
#include "early.h"

#include "sad.h"

enum { WAIT_MS = 100 };

static bool has_sa(const struct pkt *p)
{
	return atomic_load_explicit(&p->sa_in->spi, memory_order_acquire) == p->spi;
}

/* Its SA is about to come, or has come since it was looked up. */
static bool expected(const struct pkt *p)
{
	return sad_reserved(p->spi) || (p->spi != 0 && has_sa(p));
}

bool early_keep(struct worker *w, const struct pkt *p)
{
	struct early *e = &w->early;

	if (e->n == EARLY_MAX || !expected(p))
		return false;
	if (e->n == 0)
		e->until = w->tsc + w->tsc_hz / 1000 * WAIT_MS;
	e->p[e->n++] = *p;
	return true;
}

void early_take(struct worker *w, struct list *l)
{
	struct early *e = &w->early;
	uint16_t kept = 0;

	for (uint16_t i = 0; i < e->n; i++) {
		if (has_sa(&e->p[i])) {
			w->pkts[l->n] = e->p[i];
			list_add(l, &w->pkts[l->n]);
		} else if (w->tsc > e->until) {
			pkt_drop(w, &e->p[i], DROP_ESP_NO_SA);
		} else {
			e->p[kept++] = e->p[i];
		}
	}
	e->n = kept;
}

void early_free(struct worker *w)
{
	for (uint16_t i = 0; i < w->early.n; i++)
		rte_pktmbuf_free(w->early.p[i].m);
	w->early.n = 0;
}
