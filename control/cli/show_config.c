/* SPDX-License-Identifier: Apache-2.0 */
/* show vpn gateway, show vpn tunnel: what is configured, in its order, and how it fares. */
#include "handlers.h"

#include <string.h>

#include "peer_fix.h"

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
	const struct cfg_gateway *cfg = cli_gateway_of(j->c, g->name, g->id);
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
	doc_bool(o, "in-line", i->in_line);
	doc_uint(o, "ike-sas", i->n_ike);
	doc_uint(o, "ipsec-sas", i->n_children);
	failures(o, i->last_failure, i->recent, i->n_recent, g, NULL);
}

/* In the order of the configuration. */
static bool gateway_page(struct cli_job *j, json_t *list, const struct cli_filter *f)
{
	const struct config *conf = j->c->conf;
	struct page p = page_begin(j, list);
	struct ike_gw_info i;

	if (f->one_gateway && j->at == 0)
		j->at = (uint64_t)(f->one_gateway - conf->gateways);
	for (; j->at < conf->n_gateways && page_look(&p); j->at++) {
		const struct ike_gw_conf *g = &conf->gateways[j->at].ike;

		if (!cli_name_fits(f->gateway, g->name) || (f->peer.v && !addr_eq(&f->peer, &g->remote)) ||
		    !ike_gateway_read(j->c->ike, g->name, &i))
			continue;
		if (!page_take(&p))
			break;
		gateway(doc_append(list), j, &i);
		page_spend(&p, i.n_children / COUNTED);
		if (f->one_gateway)
			break;
	}
	return page_end(&p);
}

enum cli_page cli_show_gateway(struct cli_job *j, json_t *doc)
{
	struct cli_filter f;
	bool more;

	if (!cli_filter_take(j, &f))
		return CLI_FAILED;
	doc_str(doc, "type", "vpn-gateway");
	more = gateway_page(j, doc_list(doc, "entries"), &f);
	doc_uint(doc, "gateways-found", j->shown);
	if (!more)
		cli_filter_doc(doc, &f, j->shown, j->c->conf->n_gateways);
	return more ? CLI_MORE : CLI_LAST;
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

static const char *state_word(const struct ike_conf_child_info *i)
{
	return i->up ? "active" : i->negotiating ? "init" : "inactive";
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
	doc_str(o, "state", state_word(i));
	failures(o, i->last_failure, i->recent, i->n_recent, i->gw, k);
}

static bool tunnel_page(struct cli_job *j, json_t *list, const struct cli_filter *f)
{
	struct page p = page_begin(j, list);
	struct ike_conf_child_info i;
	const struct ctl_policy *x;

	for (; (x = page_policy(&p, f)); j->at++) {
		if (!cli_leads(j->c, x) || !ike_conf_child_read(j->c->ike, x->policy, &i) ||
		    !cli_state_fits(f, state_word(&i)) ||
		    !cli_prefix_fits(f, i.conf->local, i.conf->n_local, i.conf->remote, i.conf->n_remote))
			continue;
		if (!page_take(&p))
			break;
		tunnel(doc_append(list), &i);
	}
	return page_end(&p);
}

/* With proxy-id-mode = "combined" all that a tunnel has are one. */
static uint64_t count_tunnels(const struct config *conf)
{
	uint64_t n = 0;

	for (size_t i = 0; i < conf->n_tunnels; i++)
		n += conf->tunnels[i].combined ? 1 : conf->tunnels[i].n_proxy_ids;
	return n;
}

enum cli_page cli_show_tunnel(struct cli_job *j, json_t *doc)
{
	struct cli_filter f;
	bool more;

	if (!cli_filter_take(j, &f))
		return CLI_FAILED;
	if (f.one_tunnel && f.one_tunnel->combined)
		f.tunnel = f.one_tunnel->name;
	doc_str(doc, "type", "vpn-tunnel");
	doc_bool(doc, "detail", f.one_tunnel);
	more = tunnel_page(j, doc_list(doc, "entries"), &f);
	doc_uint(doc, "tunnels-found", j->shown);
	if (!more)
		cli_filter_doc(doc, &f, j->shown, count_tunnels(j->c->conf));
	return more ? CLI_MORE : CLI_LAST;
}
