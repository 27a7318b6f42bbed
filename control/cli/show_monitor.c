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

static bool wanted(const struct cli_filter *f, const struct ctl_monitor *m)
{
	return cli_name_fits(f->tunnel, m->conf->name) && cli_name_fits(f->gateway, m->conf->gateway) &&
	       cli_state_fits(f, m->up ? "up" : "down");
}

/* A monitor is a page's smallest part: its destinations stand together. */
enum cli_page cli_show_monitor(struct cli_job *j, json_t *doc)
{
	json_t *list = doc_list(doc, "entries");
	struct page p = page_begin(j, list);
	struct cli_filter f;

	if (!cli_filter_take(j, &f))
		return CLI_FAILED;
	if (f.one_tunnel) /* it monitors for all its proxy-IDs */
		f.tunnel = f.one_tunnel->name;
	doc_str(doc, "type", "vpn-tunnel-monitor");
	for (; j->at < j->c->n_monitors && page_look(&p); j->at++) {
		const struct ctl_monitor *m = &j->c->monitors[j->at];

		if (!wanted(&f, m))
			continue;
		if (!page_take(&p))
			break;
		for (unsigned i = 0; i < m->conf->monitor.n; i++)
			target(doc_append(list), m, i);
	}
	if (page_end(&p))
		return CLI_MORE;
	cli_filter_doc(doc, &f, j->shown, j->c->n_monitors);
	return CLI_LAST;
}
