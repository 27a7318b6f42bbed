/* SPDX-License-Identifier: Apache-2.0 */
/* show vpn gateway, show vpn tunnel: what is configured, and how it fares. */
#include "handlers.h"

#include <string.h>

#include "peer_fix.h"

struct walk {
	struct page p;
	const char *name;
	uint64_t found;
};

static const char *const dpd_actions[] = {
	[IKE_DPD_RESTART] = "restart", [IKE_DPD_HOLD] = "hold", [IKE_DPD_CLEAR] = "clear"};

/* What is wrong now, and what was before. */
static void failures(json_t *o, const struct ike_reason *last, const struct ike_reason *const *recent,
		     unsigned n, const struct ike_gw_conf *g, const struct ike_child_conf *child)
{
	json_t *list = doc_list(o, "earlier-failures");

	if (last && last->cause != IKE_CAUSE_NONE) {
		json_t *f = doc_object(o, "last-failure");

		doc_reason(f, last);
		peer_fix(f, last, g, child);
	}
	for (unsigned i = 0; i < n; i++)
		if (recent[i] != last)
			doc_reason(doc_append(list), recent[i]);
}

static void gateway(json_t *o, const struct cli_job *j, const struct ike_gw_info *i)
{
	const struct ike_gw_conf *g = i->conf;
	const struct cfg_gateway *cfg = cli_gateway(j->c, g->name);
	struct cert_info own;

	doc_uint(o, "gwid", g->id);
	doc_str(o, "name", g->name);
	doc_str(o, "interface", cfg ? cfg->interface : "");
	doc_addr(o, "local-ip", &g->local);
	doc_addr(o, "peer-ip", &g->remote);
	if (g->local_id.type)
		doc_id(o, "local-id", &g->local_id, &g->local);
	if (g->remote_id.type)
		doc_id(o, "peer-id", &g->remote_id, &g->remote);
	doc_str(o, "proto", "IKEv2");
	if (g->own) {
		cert_own_info(g->own, &own);
		doc_certificate(o, "certificate", &own);
	}
	doc_str(o, "auth", g->own ? "certificate" : "PSK");
	doc_str(o, "peer-auth", g->trust ? "certificate" : "PSK");
	doc_algs(o, &g->ike);
	doc_uint(o, "life", g->lifetime_s);
	doc_uint(o, "authentication-multiple", g->reauth_every);
	doc_bool(o, "passive", g->passive);
	doc_str(o, "nat-traversal",
		g->natt == IKE_NATT_AUTO  ? "auto"
		: g->natt == IKE_NATT_OFF ? "off"
					  : "force");
	doc_uint(o, "dpd-interval", g->dpd_interval_s);
	doc_uint(o, "dpd-retry", g->dpd_retry);
	doc_str(o, "dpd-action", dpd_actions[g->dpd_action]);
	doc_uint(o, "attempts", i->attempts);
	doc_uint(o, "failures", i->failures);
	doc_wall(o, "next-try", i->next_try);
	doc_uint(o, "ike-sas", i->n_ike);
	doc_uint(o, "ipsec-sas", i->n_children);
	failures(o, i->last_failure, i->recent, i->n_recent, g, NULL);
}

static bool on_gateway(void *arg, const struct ike_gw_info *i)
{
	struct walk *w = arg;
	bool stop = false;

	if (w->name && strcmp(w->name, i->conf->name) != 0)
		return true;
	if (page_take(&w->p, &stop))
		gateway(doc_append(w->p.list), w->p.j, i);
	return !stop;
}

static bool count_gateway(void *arg, const struct ike_gw_info *i)
{
	struct walk *w = arg;

	w->found += !w->name || strcmp(w->name, i->conf->name) == 0;
	return true;
}

enum cli_page cli_show_gateway(struct cli_job *j, json_t *doc)
{
	struct walk w = {.name = cli_arg(&j->m, "name")};

	if (w.name && !cli_gateway(j->c, w.name))
		return cli_no_gateway(j, w.name);
	if (j->at == 0) {
		ike_each_gateway(j->c->ike, count_gateway, &w);
		doc_str(doc, "type", "vpn-gateway");
		doc_uint(doc, "gateways-found", w.found);
	}
	w.p = page_begin(j, doc_list(doc, "entries"));
	ike_each_gateway(j->c->ike, on_gateway, &w);
	return page_end(&w.p) ? CLI_MORE : CLI_LAST;
}

/* One side of a proxy-ID, as PAN-OS' XML names it: TSi_ip, TSi_prefix, TSi_proto, TSi_port. */
static void side(json_t *o, bool local, const struct ts *t)
{
	struct prefix p = {.a = t->lo, .len = 0};

	ts_prefix(t, &p);
	doc_addr(o, local ? "TSi_ip" : "TSr_ip", &p.a);
	doc_uint(o, local ? "TSi_prefix" : "TSr_prefix", p.len);
	doc_uint(o, local ? "TSi_proto" : "TSr_proto", t->proto);
	doc_uint(o, local ? "TSi_port" : "TSr_port", t->port_lo);
	if (t->port_lo && t->port_hi != t->port_lo) /* PAN-OS has no ranges */
		doc_uint(o, local ? "TSi_port_end" : "TSr_port_end", t->port_hi);
}

static void tunnel(json_t *o, const struct ike_conf_child_info *i)
{
	const struct ike_child_conf *k = i->conf;
	char name[DOC_NAME];

	doc_uint(o, "id", k->tunnel_id);
	doc_str(o, "name", doc_tunnel_name(k->tunnel, k->proxy_id, name));
	doc_str(o, "tunnel", k->tunnel);
	doc_str(o, "proxy-id", k->proxy_id);
	doc_str(o, "gw", i->gw->name);
	side(o, true, &k->local[0]);
	side(o, false, &k->remote[0]);
	doc_str(o, "proto", "ESP");
	doc_str(o, "mode", k->transport ? "trans" : "tunl");
	doc_str(o, "proxy-id-mode", k->n_more ? "combined" : "each");
	doc_algs(o, &k->esp);
	doc_uint(o, "life", k->lifetime_s);
	doc_uint(o, "kb", k->life_bytes / 1024);
	doc_uint(o, "packets", k->life_packets);
	doc_str(o, "ts-policy", k->ts_policy == IKE_TS_EXACT ? "exact" : "narrow");
	doc_bool(o, "start", k->start);
	doc_str(o, "state", i->up ? "active" : i->negotiating ? "init" : "inactive");
	failures(o, i->last_failure, i->recent, i->n_recent, i->gw, k);
}

static bool on_tunnel(void *arg, const struct ike_conf_child_info *i)
{
	struct walk *w = arg;
	bool stop = false;

	if (!doc_tunnel_is(w->name, i->conf->tunnel, i->conf->proxy_id))
		return true;
	if (page_take(&w->p, &stop))
		tunnel(doc_append(w->p.list), i);
	return !stop;
}

static bool count_tunnel(void *arg, const struct ike_conf_child_info *i)
{
	struct walk *w = arg;

	w->found += doc_tunnel_is(w->name, i->conf->tunnel, i->conf->proxy_id);
	return true;
}

enum cli_page cli_show_tunnel(struct cli_job *j, json_t *doc)
{
	struct walk w = {.name = cli_arg(&j->m, "name")};

	if (w.name && !cli_tunnel_known(j->c, w.name))
		return cli_no_tunnel(j, w.name);
	if (j->at == 0) {
		ike_each_conf_child(j->c->ike, count_tunnel, &w);
		doc_str(doc, "type", "vpn-tunnel");
		doc_bool(doc, "detail", w.name);
		doc_uint(doc, "tunnels-found", w.found);
	}
	w.p = page_begin(j, doc_list(doc, "entries"));
	ike_each_conf_child(j->c->ike, on_tunnel, &w);
	return page_end(&w.p) ? CLI_MORE : CLI_LAST;
}
