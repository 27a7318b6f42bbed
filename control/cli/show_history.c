/* SPDX-License-Identifier: Apache-2.0 */
/* show vpn history: what became of tunnels, and what the times of their outages say. */
#include "handlers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal.h"

static bool wanted(const struct ctl_policy *p, const char *tunnel, const char *gateway)
{
	return doc_tunnel_is(tunnel, p->tunnel->name, p->proxy->name) &&
	       (!gateway || strcmp(gateway, p->tunnel->gateway) == 0);
}

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
	for (uint32_t i = 0; i < c->n_policies; i++)
		if (strcmp(c->policies[i].tunnel->name, e->tunnel) == 0 &&
		    strcmp(c->policies[i].proxy->name, e->proxy_id) == 0 &&
		    strcmp(c->policies[i].tunnel->gateway, e->gateway) == 0)
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

/* Whose history is asked for; p is any proxy-ID that fits. */
static struct journal_query query_of(const struct ctl_policy *p, const char *tunnel)
{
	struct journal_query q = {.gateway = p->tunnel->gateway};

	if (!tunnel)
		return q;
	q.tunnel = p->tunnel->name;
	if (strcmp(tunnel, p->tunnel->name) != 0)
		q.proxy_id = p->proxy->name;
	return q;
}

/* The list may have grown since the page before; what is older keeps its place unless it was dropped. */
static bool entries(struct cli_job *j, json_t *doc, const struct ctl_policy *p, const char *tunnel)
{
	struct journal_query q = query_of(p, tunnel);
	const struct journal_entry **list;
	uint64_t end = j->at + j->page_len;
	bool more;
	size_t n;

	if (journal_collect(j->c->journal, &q, &list, &n) < 0)
		return false;
	for (; j->at < n && j->at < end; j->at++)
		entry(doc_append(doc_list(doc, "entries")), list[j->at]);
	more = j->at < n;
	free(list);
	return more;
}

static const struct ctl_policy *first_wanted(const struct ctl *c, const char *tunnel, const char *gateway)
{
	for (uint32_t i = 0; i < c->n_policies; i++)
		if (wanted(&c->policies[i], tunnel, gateway))
			return &c->policies[i];
	return NULL;
}

/* A summary of each proxy-ID; then, of one tunnel or gateway, what happened. */
enum cli_page cli_show_history(struct cli_job *j, json_t *doc)
{
	const char *tunnel = cli_arg(&j->m, "tunnel"), *gateway = cli_arg(&j->m, "gateway");
	const struct ctl_policy *first = first_wanted(j->c, tunnel, gateway);
	unsigned made = 0;

	if (tunnel && !cli_tunnel_known(j->c, tunnel))
		return cli_no_tunnel(j, tunnel);
	if (gateway && !cli_gateway(j->c, gateway))
		return cli_no_gateway(j, gateway);
	doc_str(doc, "type", "vpn-history");
	doc_bool(doc, "detail", tunnel || gateway);
	doc_list(doc, "tunnels");
	doc_list(doc, "entries");
	if (!first)
		return CLI_LAST;
	if (j->part == 0) {
		for (; j->at < j->c->n_policies && made < j->page_len; j->at++)
			if (wanted(&j->c->policies[j->at], tunnel, gateway)) {
				summary(doc_append(doc_list(doc, "tunnels")), j->c, &j->c->policies[j->at]);
				made++;
			}
		if (j->at < j->c->n_policies)
			return CLI_MORE;
		if (!tunnel && !gateway)
			return CLI_LAST;
		if (gateway)
			gone(doc_list(doc, "tunnels"), j->c, gateway);
		j->part = 1;
		j->at = 0;
		return CLI_MORE;
	}
	return entries(j, doc, first, tunnel) ? CLI_MORE : CLI_LAST;
}
