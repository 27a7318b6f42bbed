/* SPDX-License-Identifier: Apache-2.0 */
/* show counter drop, ike, global. */
#include "handlers.h"

#include <string.h>

/* ---- one kind ---------------------------------------------------------------------------------------- */

static void counter(json_t *list, const char *name, const char *unit, uint64_t n, const char *help)
{
	json_t *e = doc_append(list);

	doc_str(e, "name", name);
	doc_uint(e, unit, n);
	doc_str(e, "help", help);
}

enum cli_page cli_show_counter_drop(struct cli_job *j, json_t *doc)
{
	bool all = cli_given(&j->m, "all");
	json_t *list = doc_list(doc, "entries");
	struct dp_drop d;

	doc_str(doc, "type", "counter-drop");
	for (unsigned i = 0; dp_drop_stats(i, &d) == 0; i++)
		if (all || d.packets)
			counter(list, d.name, "packets", d.packets, d.help);
	return CLI_LAST;
}

enum cli_page cli_show_counter_ike(struct cli_job *j, json_t *doc)
{
	const struct ike_counters *v = ike_counters(j->c->ike);
	bool all = cli_given(&j->m, "all");
	json_t *list = doc_list(doc, "entries");

	doc_str(doc, "type", "counter-ike");
	for (unsigned i = 0; i < sizeof(v->v) / sizeof(v->v[0]) && ike_counter_name(i); i++)
		if (all || v->v[i])
			counter(list, ike_counter_name(i), "value", v->v[i], ike_counter_help(i));
	return CLI_LAST;
}

/* ---- all of them, and since when somebody looked -------------------------------------------------------- */

enum { COUNTERS_MAX = 256 };

/* What delta counts from: the last time it was asked for, by whomever. */
static struct {
	uint64_t at_ns, value[COUNTERS_MAX];
} mark;

struct global {
	json_t *list;
	bool all, delta;
	unsigned n;
	double seconds;
};

static void global(struct global *g, const char *name, uint64_t value, bool drop, const char *category,
		   const char *help)
{
	unsigned i = g->n++;
	uint64_t shown;
	json_t *e;

	if (i >= COUNTERS_MAX)
		return;
	shown = g->delta ? value - mark.value[i] : value;
	if (g->delta)
		mark.value[i] = value;
	if (!shown && !g->all)
		return;
	e = doc_append(g->list);
	doc_str(e, "name", name);
	doc_uint(e, "value", shown);
	doc_uint(e, "rate", g->seconds > 0 ? (uint64_t)((double)shown / g->seconds) : 0);
	doc_str(e, "severity", drop ? "drop" : "info");
	doc_str(e, "category", category);
	doc_str(e, "help", help);
}

static void globals_of_workers(struct global *g)
{
	struct dp_worker_stats s, sum = {0};

	for (unsigned i = 0; dp_worker_stats(i, &s) == 0; i++) {
		sum.rx_packets += s.rx_packets;
		sum.tx_packets += s.tx_packets;
		sum.handed_over += s.handed_over;
		sum.known_flows += s.known_flows;
		sum.fragments += s.fragments;
		sum.icmp_sent += s.icmp_sent;
		sum.icmp_limited += s.icmp_limited;
	}
	global(g, "packets-received", sum.rx_packets, false, "dataplane", "by the workers from all ports");
	global(g, "packets-sent", sum.tx_packets, false, "dataplane", "by the workers to all ports");
	global(g, "packets-of-known-flows", sum.known_flows, false, "dataplane",
	       "forwarded or encrypted as their flow was before, nothing being looked up");
	global(g, "packets-handed-over", sum.handed_over, false, "dataplane",
	       "to the worker that owns their SA");
	global(g, "fragments-sent", sum.fragments, false, "dataplane", "of packets too big for their way");
	global(g, "icmp-errors-sent", sum.icmp_sent, false, "dataplane", "by the gateway itself");
	global(g, "icmp-errors-limited", sum.icmp_limited, false, "dataplane",
	       "not sent: the rate did not allow it");
}

enum cli_page cli_show_counter_global(struct cli_job *j, json_t *doc)
{
	const struct ike_counters *v = ike_counters(j->c->ike);
	uint64_t now = ctl_now();
	struct global g = {.list = doc_list(doc, "entries"),
			   .all = cli_given(&j->m, "all"),
			   .delta = cli_given(&j->m, "delta")};
	struct dp_drop d;

	g.seconds = (double)(now - (g.delta && mark.at_ns ? mark.at_ns : j->c->started_ns)) / 1e9;
	if (g.delta)
		mark.at_ns = now;
	doc_str(doc, "type", "counter-global");
	doc_bool(doc, "delta", g.delta);
	json_object_set_new(doc, "seconds", json_real(g.seconds));
	globals_of_workers(&g);
	for (unsigned i = 0; dp_drop_stats(i, &d) == 0; i++)
		global(&g, d.name, d.packets, true, "dataplane", d.help);
	for (unsigned i = 0; i < sizeof(v->v) / sizeof(v->v[0]) && ike_counter_name(i); i++)
		global(&g, ike_counter_name(i), v->v[i], false, "ike", ike_counter_help(i));
	return CLI_LAST;
}
