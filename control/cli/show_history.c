/* SPDX-License-Identifier: Apache-2.0 */
/* show vpn history: what became of tunnels, and what the times of their outages say. */
#include "handlers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal.h"

static int flaps_of(const struct ctl *c, const struct journal_query *q, struct flap_periods *equal,
		    struct flaps *f)
{
	const struct cfg_gateway *g = cli_gateway(c, q->gateway);
	const struct journal_entry **list;
	size_t n;
	int rc = journal_collect(c->journal, q, &list, &n);

	if (rc < 0)
		return rc;
	if (g) {
		equal->ike_lifetime = g->ike.lifetime_s;
		equal->dpd = (uint32_t)g->ike.dpd_interval_s * (g->ike.dpd_retry + 1u);
	}
	flaps_find(list, n, equal, ctl_wall_ms(), f);
	free(list);
	return 0;
}

int cli_flaps(const struct ctl *c, const struct ctl_policy *p, struct flaps *f)
{
	const struct cfg_ipsec_profile *prof = config_ipsec_profile(c->conf, p->tunnel->profile);
	struct flap_periods equal = {.child_lifetime = prof ? prof->lifetime_s : 0};
	struct journal_query q = {p->tunnel->gateway, p->tunnel->name, p->proxy->name};

	return flaps_of(c, &q, &equal, f);
}

static void put_ms(json_t *o, const char *key, int64_t ms)
{
	if (ms)
		doc_int(o, key, ms / 1000);
	else
		doc_null(o, key);
}

void cli_flaps_doc(json_t *o, const struct flaps *f)
{
	static const char *const causes[] = {
		[FLAPS_UNTOLD] = "", [FLAPS_PEER_SILENT] = "peer-silent", [FLAPS_MONITOR] = "monitor"};

	doc_uint(o, "outages", f->outages);
	doc_bool(o, "down", f->down);
	put_ms(o, "first-outage", f->first);
	put_ms(o, "last-outage", f->last);
	doc_int(o, "down-seconds", f->down_ms / 1000);
	doc_uint(o, "period", f->period);
	doc_uint(o, "period-min", f->min);
	doc_uint(o, "period-max", f->max);
	doc_bool(o, "regular", f->regular);
	doc_str(o, "period-equals", f->equals);
	doc_str(o, "outages-cause", causes[f->cause]);
}

static void summary(json_t *o, const struct ctl *c, const struct ctl_policy *p)
{
	char name[DOC_NAME];
	struct flaps f;

	doc_str(o, "name", doc_tunnel_name(p->tunnel->name, p->proxy->name, name));
	doc_str(o, "gateway", p->tunnel->gateway);
	doc_bool(o, "configured", true);
	if (cli_flaps(c, p, &f) == 0)
		cli_flaps_doc(o, &f);
}

static bool configured(const struct ctl *c, const struct journal_entry *e)
{
	const struct cfg_tunnel *t = config_tunnel(c->conf, e->tunnel);

	for (uint32_t x = 0; t && x < t->n_proxy_ids && strcmp(t->gateway, e->gateway) == 0; x++)
		if (strcmp(t->proxy_ids[x].name, e->proxy_id) == 0)
			return true;
	return false;
}

static bool listed(const json_t *list, const char *name)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o) if (strcmp(json_string_value(json_object_get(o, "name")), name) ==
					   0) return true;
	return false;
}

/* A gateway's tunnels that were renamed or taken out have had their outages all the same. */
static void gone(json_t *tunnels, const struct ctl *c, const char *gateway)
{
	enum { MOST = 32 };
	struct journal_query all = {.gateway = gateway};
	const struct journal_entry **list;
	unsigned made = 0;
	size_t n;

	if (journal_collect(c->journal, &all, &list, &n) < 0)
		return;
	for (size_t i = 0; i < n && made < MOST; i++) {
		const struct journal_entry *e = list[i];
		struct journal_query q = {gateway, e->tunnel, e->proxy_id};
		struct flap_periods equal = {0};
		char name[DOC_NAME];
		struct flaps f;
		json_t *o;

		if (!e->tunnel[0] || e->kind != JOURNAL_UP || configured(c, e) ||
		    listed(tunnels, doc_tunnel_name(e->tunnel, e->proxy_id, name)) ||
		    flaps_of(c, &q, &equal, &f) < 0)
			continue;
		o = doc_append(tunnels);
		doc_str(o, "name", name);
		doc_str(o, "gateway", gateway);
		doc_bool(o, "configured", false);
		f.down = false; /* nobody wants it up */
		cli_flaps_doc(o, &f);
		made++;
	}
	free(list);
}

static void entry(json_t *o, const struct journal_entry *e)
{
	char name[DOC_NAME];

	doc_int(o, "ms", e->first);
	put_ms(o, "time", e->first);
	put_ms(o, "last", e->last);
	doc_uint(o, "count", e->count);
	doc_str(o, "event", journal_kind_str(e->kind));
	doc_str(o, "by", journal_by_str(e->by));
	doc_str(o, "gateway", e->gateway);
	doc_str(o, "name", e->tunnel[0] ? doc_tunnel_name(e->tunnel, e->proxy_id, name) : "");
	doc_str(o, "cause", e->cause);
	doc_str(o, "text", e->text);
}

/* Whose history is asked for. */
static struct journal_query query_of(const struct cli_filter *f)
{
	struct journal_query q = {.gateway = f->gateway};

	if (!f->one_tunnel)
		return q;
	q.gateway = f->one_tunnel->gateway;
	q.tunnel = f->one_tunnel->name;
	if (strcmp(f->tunnel, q.tunnel) != 0)
		q.proxy_id = f->tunnel + strlen(q.tunnel) + 1;
	return q;
}

/* The list may have grown since the page before; what is older keeps its place unless it was dropped. */
static bool entries(struct cli_job *j, json_t *list_doc, const struct cli_filter *f)
{
	struct journal_query q = query_of(f);
	struct page p = page_begin(j, list_doc);
	const struct journal_entry **list;
	size_t n;

	if (journal_collect(j->c->journal, &q, &list, &n) < 0)
		return false;
	for (; j->at < n && page_take(&p); j->at++)
		entry(doc_append(list_doc), list[j->at]);
	free(list);
	return page_end(&p);
}

static bool summaries(struct cli_job *j, json_t *list, const struct cli_filter *f)
{
	struct page p = page_begin(j, list);
	const struct ctl_policy *x;

	for (; (x = page_policy(&p, f)) && page_take(&p); j->at++)
		summary(doc_append(list), j->c, x);
	return page_end(&p);
}

/* A summary of each proxy-ID; then, of one tunnel or gateway, what happened. */
enum cli_page cli_show_history(struct cli_job *j, json_t *doc)
{
	struct cli_filter f;
	bool one;

	if (!cli_filter_take(j, &f))
		return CLI_FAILED;
	one = f.one_tunnel || f.one_gateway;
	doc_str(doc, "type", "vpn-history");
	doc_bool(doc, "detail", one);
	doc_list(doc, "tunnels");
	doc_list(doc, "entries");
	if (j->part == 1)
		return entries(j, doc_list(doc, "entries"), &f) ? CLI_MORE : CLI_LAST;
	if (summaries(j, doc_list(doc, "tunnels"), &f))
		return CLI_MORE;
	cli_filter_doc(doc, &f, j->shown, j->c->n_policies);
	if (!one || j->shown == 0)
		return CLI_LAST;
	if (f.one_gateway)
		gone(doc_list(doc, "tunnels"), j->c, f.gateway);
	j->part = 1;
	return CLI_MORE;
}
