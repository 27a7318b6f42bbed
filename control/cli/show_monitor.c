/* SPDX-License-Identifier: Apache-2.0 */
/* show vpn tunnel-monitor. */
#include "handlers.h"

static void target(json_t *o, const struct ctl_monitor *m, unsigned i)
{
	const struct ctl_target *t = &m->target[i];

	doc_str(o, "tunnel", m->conf->name);
	doc_addr(o, "destination", &m->conf->monitor.dst[i]);
	doc_addr(o, "source", &m->conf->monitor.source);
	doc_str(o, "status", t->up ? "up" : "down");
	doc_str(o, "tunnel-status", m->up ? "up" : "down");
	doc_str(o, "action", m->conf->monitor.fail_over ? "fail-over" : "wait-recover");
	doc_uint(o, "interval", m->conf->monitor.interval_s);
	doc_uint(o, "threshold", m->conf->monitor.threshold);
	doc_uint(o, "quorum", m->conf->monitor.quorum);
	doc_uint(o, "pkt-sent", t->sent);
	doc_uint(o, "pkt-recv", t->recv);
	doc_uint(o, "bitmap", t->bitmap);
	doc_uint(o, "rtt-ns", t->rtt_ns);
	doc_uint(o, "rtt-min-ns", t->rtt_min_ns);
	doc_uint(o, "rtt-max-ns", t->rtt_max_ns);
	doc_wall(o, "since", m->since);
	doc_uint(o, "failures", m->failures);
}

/* A monitor is a page's smallest part: its destinations stand together. */
enum cli_page cli_show_monitor(struct cli_job *j, json_t *doc)
{
	json_t *list = doc_list(doc, "entries");
	uint64_t end = j->at + j->page_len;

	doc_str(doc, "type", "vpn-tunnel-monitor");
	for (; j->at < j->c->n_monitors && j->at < end; j->at++)
		for (unsigned i = 0; i < j->c->monitors[j->at].conf->monitor.n; i++)
			target(doc_append(list), &j->c->monitors[j->at], i);
	return j->at < j->c->n_monitors ? CLI_MORE : CLI_LAST;
}
