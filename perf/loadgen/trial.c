/* SPDX-License-Identifier: Apache-2.0 */
#include "trial.h"

#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_prefetch.h>

#define CATCH_UP 1.05

/* A port's end of both ways. */
struct side {
	const struct trial_conf *c;
	struct port *port;
	struct stream out, in;
	struct trial_way *sends, *receives; /* NULL: nothing that way */
	uint64_t start, stop, end;          /* TSC; packets until stop, stragglers until end */
	uint64_t total;                     /* packets to send; no limit but time: UINT64_MAX */
	uint64_t other;
	uint64_t *next; /* of each flow the least number that may come; flows may overtake each other */
	uint16_t n_waiting;
	struct rte_mbuf *waiting[PORT_BURST]; /* made, not yet taken by the port */
};

static struct side side[2];
volatile sig_atomic_t trial_enough;

static uint64_t due(const struct side *s, uint64_t now)
{
	double seconds = (double)(now - s->start) / (double)rte_get_tsc_hz();

	return s->c->pps > 0 ? RTE_MIN((uint64_t)(seconds * s->c->pps), s->total) : UINT64_MAX;
}

static void push(struct side *s)
{
	uint16_t n = rte_eth_tx_burst(s->port->ethdev, 0, s->waiting, s->n_waiting);

	if (n)
		s->sends->seconds = (double)(rte_rdtsc() - s->start) / (double)rte_get_tsc_hz();
	s->sends->sent += n;
	s->n_waiting = (uint16_t)(s->n_waiting - n);
	memmove(s->waiting, s->waiting + n, s->n_waiting * sizeof(s->waiting[0]));
}

/* At most a burst of what is due.  What the port does not take is tried again before anything new is made. */
static void send_due(struct side *s, uint64_t now)
{
	uint64_t made = s->sends->sent + s->n_waiting, want = due(s, now);

	if (s->n_waiting == 0) {
		uint16_t n = (uint16_t)RTE_MIN(want > made ? want - made : 0, (uint64_t)PORT_BURST);

		if (n == 0 || rte_pktmbuf_alloc_bulk(s->c->pool, s->waiting, n) < 0)
			return;
		for (uint16_t i = 0; i < n; i++)
			packet_make(&s->out, made + i, now, s->waiting[i]);
		s->n_waiting = n;
	}
	if (s->n_waiting)
		push(s);
}

static void count(struct side *s, const struct rte_mbuf *m, uint64_t now)
{
	struct trial_way *w = s->receives;
	uint64_t n = 0, tsc = 0, none = 0, *next;

	switch (w ? packet_read(&s->in, m, &n, &tsc) : PACKET_OTHER) {
	case PACKET_OTHER: s->other++; return;
	case PACKET_ALTERED: w->altered++; return;
	case PACKET_OURS: break;
	}
	w->received++;
	next = s->next ? &s->next[packet_flow(s->c->traffic, n)] : &none;
	w->reordered += n < *next;
	*next = RTE_MAX(*next, n + 1);
	hist_add(&w->latency, now > tsc ? now - tsc : 0);
}

static void receive(struct side *s)
{
	struct rte_mbuf *m[PORT_BURST];
	uint16_t n = rte_eth_rx_burst(s->port->ethdev, 0, m, PORT_BURST);
	uint64_t now = rte_rdtsc();

	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
	for (uint16_t i = 0; i < n; i++) {
		if (port_arp(s->port, s->c->pool, m[i]))
			continue;
		count(s, m[i], now);
		rte_pktmbuf_free(m[i]);
	}
}

/* True until the trial is over. */
static bool step(struct side *s)
{
	uint64_t now = rte_rdtsc();

	if (trial_enough && now < s->stop) {
		s->end -= s->stop - now;
		s->stop = now;
	}
	if (s->sends && now < s->stop)
		send_due(s, now);
	receive(s);
	return now < s->end;
}

static int run_side(void *arg)
{
	while (step(arg))
		;
	return 0;
}

static void run_both(void)
{
	bool a = true, b = true;

	while (a || b) {
		a = step(&side[0]);
		b = step(&side[1]);
	}
}

static void prepare(struct side *s, unsigned i, const struct trial_conf *c, struct trial_result *r,
		    uint16_t number)
{
	struct port *p = &c->port[i];
	double hz = (double)rte_get_tsc_hz();

	memset(s, 0, sizeof(*s));
	s->c = c;
	s->port = p;
	s->next = calloc(c->traffic->flows, sizeof(*s->next));
	s->out = (struct stream){.t = c->traffic, .way = i, .trial = number};
	s->in = (struct stream){.t = c->traffic, .way = !i, .trial = number};
	memcpy(s->out.src_mac, p->mac, 6);
	memcpy(s->out.dst_mac, p->gateway ? p->gateway_mac : c->port[!i].mac, 6);
	s->sends = c->way[i] ? &r->way[i] : NULL;
	s->receives = c->way[!i] ? &r->way[!i] : NULL;
	s->start = rte_rdtsc();
	s->total = c->pps > 0 ? (uint64_t)(c->seconds * c->pps + 0.5) : UINT64_MAX;
	/* A generator that was held up has some time to catch up in. */
	s->stop = s->start + (uint64_t)(c->seconds * hz * (c->pps > 0 ? CATCH_UP : 1));
	s->end = s->stop + (uint64_t)(c->wait * hz);
}

void trial_run(const struct trial_conf *c, struct trial_result *r)
{
	static uint16_t number;
	unsigned other = rte_get_next_lcore(-1, 1, 0);

	memset(r, 0, sizeof(*r));
	number++;
	for (unsigned i = 0; i < 2; i++)
		prepare(&side[i], i, c, r, number);
	if (c->two_cores && other < RTE_MAX_LCORE && rte_eal_remote_launch(run_side, &side[1], other) == 0) {
		run_side(&side[0]);
		rte_eal_wait_lcore(other);
	} else {
		run_both();
	}
	for (unsigned i = 0; i < 2; i++) {
		struct side *s = &side[i];

		r->way[i].seconds = RTE_MAX(r->way[i].seconds, c->seconds);
		r->way[i].offered = c->pps > 0 && s->sends && !trial_enough ? s->total : r->way[i].sent;
		r->other += s->other;
		rte_pktmbuf_free_bulk(s->waiting, s->n_waiting);
		free(s->next);
	}
}

double trial_loss_ppm(const struct trial_way *w)
{
	return w->sent > w->received ? (double)(w->sent - w->received) * 1e6 / (double)w->sent : 0;
}

bool trial_kept_up(const struct trial_way *w)
{
	return (double)w->sent >= 0.999 * (double)w->offered;
}
