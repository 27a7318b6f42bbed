/* SPDX-License-Identifier: Apache-2.0 */
#include "frag_ports.h"

#include <rte_lcore.h>

#include "datagram.h"
#include "dp.h"
#include "handover.h"
#include "parse_l4.h"

enum { WAIT_MAX = 48 }; /* the fragments of the largest datagram at MTU 1500, and some */

_Atomic(uint32_t) frag_ports_wanted;

struct flow {
	struct datagram d;
	bool known;
	uint8_t proto;
	uint16_t sport, dport;
	uint16_t shown; /* bytes of the payload in the first fragment */
	uint16_t n_wait;
	struct rte_mbuf *wait[WAIT_MAX]; /* each with its struct pkt, as on a hand-over ring */
};

static void end(struct worker *w, struct datagram *d, enum drop why)
{
	struct flow *f = (struct flow *)d;

	count_add(&w->drops[why], f->n_wait);
	for (uint16_t i = 0; i < f->n_wait; i++)
		rte_pktmbuf_free(f->wait[i]);
	w->n_frag_wait -= f->n_wait;
	f->n_wait = 0;
}

static struct flow *flow_of(struct worker *w, const struct fragment_info *f)
{
	struct datagram *d = datagram_find(w->frag_ports, &f->key);

	if (!d)
		d = datagram_add(w, w->frag_ports, sizeof(struct flow), &f->key);
	return (struct flow *)d;
}

static enum drop tell(struct pkt *p, const struct fragment_info *f, const struct flow *flow)
{
	if (f->off != 0 && f->off < flow->shown)
		return DROP_FRAG_OVERLAP;
	p->proto = flow->proto; /* of IPv6 the first fragment's counts (RFC 8200 4.5) */
	p->sport = flow->sport;
	p->dport = flow->dport;
	p->fragment = FRAG_KNOWN;
	return DROP_NONE;
}

/* ---- waiting for the first --------------------------------------------------------------------- */

static enum drop wait(struct worker *w, struct flow *flow, struct pkt *p)
{
	if (flow->n_wait == WAIT_MAX || w->n_frag_wait >= datagram_limit())
		return DROP_FRAG_FULL;
	*handover_pkt(p->m) = *p;
	flow->wait[flow->n_wait++] = p->m;
	w->n_frag_wait++;
	return DROP_MAX;
}

/* They take up the path again in the next turn, as if another worker had handed them over: what was looked up for
 * them when they came may not be used any more. */
static void resume(struct worker *w, struct flow *flow)
{
	for (uint16_t i = 0; i < flow->n_wait; i++) {
		struct pkt *p = handover_pkt(flow->wait[i]);
		struct fragment_info f;
		enum drop why;

		p->m = flow->wait[i];
		fragment_of(p, &f);
		why = tell(p, &f, flow);
		if (why == DROP_NONE && rte_ring_enqueue(w->handover, p->m) < 0)
			why = DROP_HANDOVER_FULL;
		if (why != DROP_NONE)
			pkt_drop(w, p, why);
	}
	w->n_frag_wait -= flow->n_wait;
	flow->n_wait = 0;
}

/* ---- the first --------------------------------------------------------------------------------- */

/* Its upper layer's header must be whole, or whoever asks for ports could be shown others than the receiver will see
 * (RFC 1858 3, RFC 7112 5).  A datagram of the same number as one before takes its place: numbers are few (RFC 4963),
 * and each first fragment is checked for itself. */
static enum drop first(struct worker *w, struct pkt *p, const struct fragment_info *f)
{
	struct pkt whole = *p;
	struct flow *flow;
	enum drop why = DROP_NONE;

	whole.fragment = FRAG_NO;
	if (p->v == 6)
		why = parse6_upper(&whole);
	if (why == DROP_NONE)
		why = parse_l4(&whole, pkt_at(&whole, (uint16_t)(whole.l3_off + whole.l3_len)),
			       (unsigned)(whole.ip_len - whole.l3_len));
	if (why != DROP_NONE)
		return DROP_FRAG_TINY;
	flow = flow_of(w, f);
	flow->known = true;
	flow->proto = whole.proto;
	flow->sport = whole.sport;
	flow->dport = whole.dport;
	flow->shown = (uint16_t)f->len;
	resume(w, flow);
	return tell(p, f, flow);
}

enum drop frag_ports_find(struct worker *w, struct pkt *p)
{
	struct fragment_info f;
	struct flow *flow;

	fragment_of(p, &f);
	if (f.off == 0)
		return first(w, p, &f);
	flow = flow_of(w, &f);
	return flow->known ? tell(p, &f, flow) : wait(w, flow, p);
}

void frag_ports(struct worker *w, struct list *l)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < l->n; i++) {
		struct pkt *p = l->p[i];
		enum drop why = DROP_NONE;

		if (unlikely(p->fragment == FRAG_BLIND)) {
			p->cls = PKT_WAITED;
			why = frag_ports_find(w, p);
			p->cls = PKT_TRANSIT;
		}
		if (likely(why == DROP_NONE))
			l->p[kept++] = p;
		else if (why != DROP_MAX)
			pkt_drop(w, p, why);
	}
	l->n = kept;
}

/* ---- life ------------------------------------------------------------------------------------- */

void frag_ports_want(bool more)
{
	atomic_fetch_add_explicit(&frag_ports_wanted, more ? 1 : UINT32_MAX, memory_order_relaxed);
}

bool frag_ports_init(struct worker *w)
{
	w->frag_ports = datagram_table_new(datagram_limit(), sizeof(struct flow),
					   (int)rte_lcore_to_socket_id(w->lcore), end);
	return w->frag_ports;
}
