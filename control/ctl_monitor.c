/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tunnel monitors: echo requests through a tunnel at an interval, each destination judged by itself, the
 * tunnel by how many of them answer.  A destination is lost after `threshold` unanswered probes in a row and
 * back after RECOVERED answered ones.  When a tunnel is lost its keys are negotiated anew, for a peer that
 * has lost them answers nothing; with fail-over its interface is down meanwhile and its routes are withdrawn.
 * Probes go on past the routes, so that its return is seen.
 */
#include "ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal.h"
#include "log.h"

enum {
	RECOVERED = 2,
	RENEGOTIATE_EVERY_S = 60, /* while it stays lost */
	/* Echo identifiers are theirs but for a few. */
	MONITORS_MAX = (UINT16_MAX + 1 - DP_ECHO_MAX) / CFG_MONITORED,
};

/* ---- what is done about it ----------------------------------------------------------------------- */

/* New keys by a rekey where there are some: it asks whether the peer is alive, and takes none away that
 * might still work.  From nothing where there are none. */
static void renegotiate(struct ctl *c, struct ctl_monitor *m)
{
	const struct cfg_tunnel *t = m->conf;

	m->renegotiated = ctl_now();
	if (ike_request(c->ike,
			&(struct ike_request){
				.verb = IKE_REKEY_IPSEC_SA, .gateway = t->gateway, .tunnel = t->name},
			ctl_now()) <= 0)
		/* A passive gateway waits for its peer. */
		(void)ike_request(c->ike,
				  &(struct ike_request){.verb = IKE_TEST_IPSEC_SA,
							.gateway = t->gateway,
							.tunnel = t->name},
				  ctl_now());
	ctl_ike_rearm(c);
}

static void went(struct ctl *c, struct ctl_monitor *m, bool up, unsigned answering)
{
	const struct cfg_monitor *conf = &m->conf->monitor;
	char text[96];

	m->up = up;
	m->since = ctl_now();
	snprintf(text, sizeof(text), "%u of %u monitored destinations answer, %u must", answering, conf->n,
		 conf->quorum);
	journal_note(c->journal,
		     &(struct journal_entry){.kind = up ? JOURNAL_MONITOR_UP : JOURNAL_MONITOR_DOWN,
					     .by = JOURNAL_LIVENESS,
					     .first = ctl_wall_ms(),
					     .gateway = m->conf->gateway,
					     .tunnel = m->conf->name,
					     .text = text});
	if (up) {
		log_event(LOG_SEV_INFORMATIONAL, "tunnel-status-up", m->conf->name,
			  "Tunnel %s is up: %u of %u monitored destinations answer", m->conf->name, answering,
			  conf->n);
	} else {
		m->failures++;
		log_event(
			LOG_SEV_CRITICAL, "tunnel-status-down", m->conf->name,
			"Tunnel %s is down: %u of %u monitored destinations answer, %u must; keys are negotiated "
			"anew%s",
			m->conf->name, answering, conf->n, conf->quorum,
			conf->fail_over ? ", its routes are withdrawn" : "");
	}
	if (conf->fail_over)
		ctl_tunnel_if_state(c, m->conf->interface, up);
	if (!up)
		renegotiate(c, m);
}

static void judge(struct ctl *c, struct ctl_monitor *m)
{
	unsigned answering = 0;
	bool up;

	for (unsigned i = 0; i < m->conf->monitor.n; i++)
		answering += m->target[i].up;
	up = answering >= m->conf->monitor.quorum;
	if (up != m->up)
		went(c, m, up, answering);
}

/* ---- probes -------------------------------------------------------------------------------------- */

static void missed(const struct cfg_monitor *conf, struct ctl_target *t)
{
	t->waiting = false;
	t->bitmap <<= 1;
	t->answered_in_row = 0;
	if (++t->lost_in_row >= conf->threshold)
		t->up = false;
}

static void probe(struct ctl_monitor *m, unsigned i)
{
	struct ctl_target *t = &m->target[i];
	struct dp_probe p = {
		.tunnel_if = m->ifindex,
		.id = (uint16_t)(m->number * CFG_MONITORED + i),
		.seq = ++t->seq,
		.src = m->conf->monitor.source,
		.dst = m->conf->monitor.dst[i],
	};

	t->waiting = true; /* one that could not even be sent is lost like any other */
	t->sent_ns = ctl_now();
	if (dp_probe_send(&p) == 0)
		t->sent++;
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ctl_monitor *m = w->data;
	struct ctl *c = m->c;

	for (unsigned i = 0; i < m->conf->monitor.n; i++)
		if (m->target[i].waiting)
			missed(&m->conf->monitor, &m->target[i]);
	judge(c, m);
	if (!m->up && ctl_now() - m->renegotiated >= RENEGOTIATE_EVERY_S * UINT64_C(1000000000))
		renegotiate(c, m);
	for (unsigned i = 0; i < m->conf->monitor.n; i++)
		probe(m, i);
}

void ctl_probe_answer(struct ctl *c, const struct dp_probe_answer *a)
{
	unsigned number = a->probe.id / CFG_MONITORED, i = a->probe.id % CFG_MONITORED;
	struct ctl_monitor *m = number < c->n_monitors ? &c->monitors[number] : NULL;
	struct ctl_target *t = m ? &m->target[i] : NULL;
	uint64_t now = ctl_now();

	/* Only what was asked, of whom and where; one that comes after its interval counts as lost. */
	if (!m || i >= m->conf->monitor.n || !t->waiting || t->seq != a->probe.seq ||
	    m->ifindex != a->probe.tunnel_if || !addr_eq(&a->probe.dst, &m->conf->monitor.dst[i]))
		return;
	t->waiting = false;
	t->recv++;
	t->bitmap = t->bitmap << 1 | 1;
	t->lost_in_row = 0;
	t->rtt_ns = now > t->sent_ns + a->ago_ns ? now - t->sent_ns - a->ago_ns : 0;
	if (!t->rtt_min_ns || t->rtt_ns < t->rtt_min_ns)
		t->rtt_min_ns = t->rtt_ns;
	if (t->rtt_ns > t->rtt_max_ns)
		t->rtt_max_ns = t->rtt_ns;
	if (++t->answered_in_row >= RECOVERED)
		t->up = true;
	judge(c, m);
}

/* ---- configuration ------------------------------------------------------------------------------- */

static bool same(const struct cfg_tunnel *a, const struct cfg_tunnel *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->interface, b->interface) == 0 &&
	       memcmp(&a->monitor, &b->monitor, sizeof(a->monitor)) == 0;
}

static const struct ctl_monitor *kept(const struct ctl *c, const struct cfg_tunnel *t)
{
	for (size_t i = 0; i < c->n_monitors; i++)
		if (same(c->monitors[i].conf, t))
			return &c->monitors[i];
	return NULL;
}

/* A tunnel counts as up until its destinations have been silent for as long as it takes. */
static void begin(struct ctl *c, struct ctl_monitor *m, const struct cfg_tunnel *t)
{
	const struct ctl_monitor *old = kept(c, t);

	if (old) {
		*m = *old;
	} else {
		m->up = true;
		m->since = ctl_now();
		for (unsigned i = 0; i < t->monitor.n; i++)
			m->target[i].up = true;
	}
	m->c = c;
	m->conf = t;
	for (size_t i = 0; i < c->n_interfaces; i++)
		if (strcmp(c->interfaces[i].name, t->interface) == 0)
			m->ifindex = c->interfaces[i].ifindex;
}

/* A monitor that is gone, or starts anew, no longer holds its interface down. */
static void release_interfaces(struct ctl *c, const struct ctl_monitor *next, size_t n)
{
	for (size_t i = 0; i < c->n_interfaces; i++) {
		bool down = false;

		for (size_t k = 0; k < n; k++)
			down |= !next[k].up && next[k].conf->monitor.fail_over &&
				strcmp(next[k].conf->interface, c->interfaces[i].name) == 0;
		if (c->interfaces[i].monitor_down && !down)
			ctl_tunnel_if_state(c, c->interfaces[i].name, true);
	}
}

int ctl_apply_monitors(struct ctl *c, const struct config *conf)
{
	struct ctl_monitor *next;
	size_t n = 0;

	for (size_t i = 0; i < conf->n_tunnels; i++)
		n += conf->tunnels[i].monitor.n > 0;
	if (n > MONITORS_MAX)
		return -E2BIG;
	next = calloc(n ? n : 1, sizeof(next[0]));
	if (!next)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < conf->n_tunnels; i++)
		if (conf->tunnels[i].monitor.n)
			begin(c, &next[n++], &conf->tunnels[i]);
	for (size_t i = 0; i < c->n_monitors; i++)
		ev_timer_stop(c->loop, &c->monitors[i].timer);
	free(c->monitors);
	c->monitors = next;
	c->n_monitors = n;
	release_interfaces(c, next, n);
	for (size_t i = 0; i < n; i++) {
		double every = next[i].conf->monitor.interval_s;

		next[i].number = (uint16_t)i;
		for (unsigned k = 0; k < CFG_MONITORED; k++)
			next[i].target[k].waiting = false; /* its number may have changed */
		ev_timer_init(&next[i].timer, on_timer, 0.1, every);
		next[i].timer.data = &next[i];
		ev_timer_start(c->loop, &next[i].timer);
	}
	return 0;
}
