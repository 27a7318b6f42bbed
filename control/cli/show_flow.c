/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show vpn flow: proxy-IDs as the data plane has them.  The list is the daemon's table of proxy-IDs.
 */
#include "handlers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy_state.h"

/* ---- one proxy-ID as a document -------------------------------------------------------------------- */

static uint64_t seconds_until(uint64_t t)
{
	uint64_t now = ctl_now();

	return t > now ? (t - now) / 1000000000 : 0;
}

static void flow_life(json_t *o, const struct proxy_state *s)
{
	const struct ike_child_info *i = &s->sa;
	uint64_t used = s->used_bytes;

	doc_uint(o, "softtime",
		 i->rekey_at > i->created ? (i->rekey_at - i->created) / 1000000000 : i->lifetime_s);
	doc_uint(o, "hardtime", i->lifetime_s);
	doc_uint(o, "remaintime", seconds_until(i->expires));
	if (i->life_bytes)
		doc_uint(o, "remainsize", used < i->life_bytes ? i->life_bytes - used : 0);
	else
		doc_null(o, "remainsize");
	used = s->used_packets;
	if (i->life_packets)
		doc_uint(o, "remainpackets", used < i->life_packets ? i->life_packets - used : 0);
	doc_uint(o, "last-rekey", (ctl_now() - i->created) / 1000000000);
}

static void flow_ts(json_t *o, const struct ike_child_info *i)
{
	json_t *ts = doc_object(o, "ts");

	for (int side = 0; side < 2; side++) {
		const struct ts_list *l = side ? &i->ts_remote : &i->ts_local;
		json_t *list = doc_list(ts, side ? "remote" : "local");

		for (unsigned k = 0; k < l->n && k < TS_LIST_MAX; k++) {
			json_t *t = doc_append(list);

			doc_addr(t, "sip", &l->t[k].lo);
			doc_addr(t, "eip", &l->t[k].hi);
			doc_uint(t, "sport", l->t[k].port_lo);
			doc_uint(t, "eport", l->t[k].port_hi);
			doc_uint(t, "proto", l->t[k].proto);
		}
	}
}

static void flow_sa(json_t *o, const struct proxy_state *s)
{
	const struct ike_child_info *i = &s->sa;
	char enc[DOC_ALG], spi[12];

	flow_life(o, s);
	doc_uint(o, "mtu", dp_sa_out_mtu(s->sa_out));
	if (dp_sa_out_pmtu(s->sa_out))
		doc_uint(o, "path-mtu", dp_sa_out_pmtu(s->sa_out));
	snprintf(spi, sizeof(spi), "%08X", i->spi_in);
	doc_str(o, "local-spi", spi);
	snprintf(spi, sizeof(spi), "%08X", i->spi_out);
	doc_str(o, "remote-spi", spi);
	doc_str(o, "auth", i->suite.integ ? doc_integ(i->suite.integ) : "null");
	doc_str(o, "enc", doc_encr_long(i->suite.encr, i->suite.key_bits, enc));
	flow_ts(o, i);
	doc_bool(o, "initiator", i->role == IKE_INITIATOR);
	doc_bool(o, "natt", i->udp_encap);
	doc_uint(o, "natt-lp", i->udp_encap ? i->local.port : 0);
	doc_uint(o, "natt-rp", i->udp_encap ? i->remote.port : 0);
	doc_wall(o, "start", i->created);
	doc_uint(o, "owner-cpuid", s->in.worker);
}

/* How far out of order packets come, and the window that would take them all. */
static void flow_reorder(json_t *o, const struct dp_sa_stats *in)
{
	uint64_t late = 0, left = 0;
	json_t *list = doc_list(o, "reorder");

	for (unsigned i = 0; i < DP_LATE_BUCKETS; i++) {
		json_t *b;

		if (!in->late[i] && !in->left[i])
			continue;
		late += in->late[i];
		left += in->left[i];
		b = doc_append(list);
		doc_uint(b, "from", UINT64_C(1) << i);
		if (i + 1 < DP_LATE_BUCKETS)
			doc_uint(b, "to", (UINT64_C(2) << i) - 1);
		else
			doc_null(b, "to");
		doc_uint(b, "late", in->late[i]);
		doc_uint(b, "left", in->left[i]);
	}
	doc_uint(o, "pkt-late", late);
	doc_uint(o, "pkt-left", left);
	doc_uint(o, "window-needed", dp_window_needed(in));
}

static void flow_counters(json_t *o, const struct proxy_state *s)
{
	struct dp_policy_stats p;

	if (dp_policy_stats(s->p->policy, &p) < 0)
		p = (struct dp_policy_stats){0};
	doc_uint(o, "auth-err", s->in.auth_errors);
	doc_uint(o, "dec-err", s->in.malformed);
	doc_uint(o, "inner-warn", s->in.selector_drops);
	doc_uint(o, "pkt-replay", s->in.replays);
	flow_reorder(o, &s->in);
	doc_uint(o, "seq-send", s->out.seq);
	doc_uint(o, "seq-recv", s->in.seq);
	doc_uint(o, "pkt-encap", s->out.packets);
	doc_uint(o, "pkt-decap", s->in.packets);
	doc_uint(o, "byte-encap", s->out.bytes);
	doc_uint(o, "byte-decap", s->in.bytes);
	doc_wall(o, "last-encap", s->out.last_used_ns);
	doc_wall(o, "last-decap", s->in.last_used_ns);
	doc_uint(o, "acquire", p.acquires);
	doc_uint(o, "no-sa-drops", p.no_sa_drops);
}

static void flow_traffic(json_t *o, const struct proxy_state *s)
{
	static const char *const words[] = {[TRAFFIC_NONE] = "none yet",
					    [TRAFFIC_BOTH] = "both ways",
					    [TRAFFIC_OUT_ONLY] = "out only",
					    [TRAFFIC_IN_ONLY] = "in only"};
	uint64_t one_way_s;
	enum proxy_traffic t = proxy_traffic(s, &one_way_s);

	doc_str(o, "traffic", words[t]);
	if (t == TRAFFIC_OUT_ONLY || t == TRAFFIC_IN_ONLY)
		doc_uint(o, "one-way-s", one_way_s);
}

static void flow_proxy_id(json_t *o, const struct cfg_proxy_id *x)
{
	json_t *p = doc_object(o, "proxy-id");

	doc_str(p, "name", x->name);
	doc_addr(p, "lip", &x->local.a);
	doc_uint(p, "lprefix", x->local.len);
	doc_addr(p, "rip", &x->remote.a);
	doc_uint(p, "rprefix", x->remote.len);
	doc_uint(p, "proto", x->proto);
	doc_uint(p, "lport", x->local_port);
	doc_uint(p, "rport", x->remote_port);
	if (x->local_port_hi != x->local_port)
		doc_uint(p, "lport-end", x->local_port_hi);
	if (x->remote_port_hi != x->remote_port)
		doc_uint(p, "rport-end", x->remote_port_hi);
}

static void flow_carry(json_t *o, const struct dp_policy_options *c)
{
	static const char *const df[] = {[DP_DF_COPY] = "copy", [DP_DF_SET] = "set", [DP_DF_CLEAR] = "clear"};

	doc_bool(o, "copy-tos", !c->dscp_fixed);
	if (c->dscp_fixed)
		doc_uint(o, "dscp", c->dscp);
	doc_str(o, "df", df[c->df]);
	doc_bool(o, "adjust-tcp-mss", c->mss != DP_MSS_OFF);
	if (c->mss != DP_MSS_FIT && c->mss != DP_MSS_OFF)
		doc_uint(o, "tcp-mss", c->mss);
}

/* Monitors are in the order of their tunnels. */
static const struct ctl_monitor *monitor_of(const struct ctl *c, const struct cfg_tunnel *t)
{
	size_t lo = 0, hi = c->n_monitors;

	while (t->monitor.n && lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (c->monitors[mid].conf == t)
			return &c->monitors[mid];
		if (c->monitors[mid].conf < t)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* PAN-OS has one destination; with several the counters are those of all. */
static void flow_monitor(json_t *o, const struct ctl *c, const struct cfg_tunnel *t)
{
	const struct ctl_monitor *m = monitor_of(c, t);
	struct ctl_target sum = {0};
	char dst[ADDR_STR];
	json_t *mon, *list;

	doc_str(o, "mon", !m ? "off" : m->up ? "up" : "down");
	if (!m)
		return;
	mon = doc_object(o, "monitor");
	list = doc_list(mon, "dst");
	for (unsigned i = 0; i < t->monitor.n; i++) {
		json_array_append_new(list, json_string(addr_str(&t->monitor.dst[i], dst)));
		sum.sent += m->target[i].sent;
		sum.recv += m->target[i].recv;
	}
	doc_bool(mon, "on", true);
	doc_str(mon, "status", m->up ? "up" : "down");
	doc_uint(mon, "interval", t->monitor.interval_s);
	doc_uint(mon, "threshold", t->monitor.threshold);
	doc_uint(mon, "bitmap", m->target[0].bitmap & 0x1f);
	doc_uint(mon, "pkt-sent", sum.sent);
	doc_uint(mon, "pkt-recv", sum.recv);
}

static void flow(json_t *o, const struct ctl *c, const struct proxy_state *s)
{
	const struct cfg_tunnel *t = s->p->tunnel;
	const struct cfg_gateway *g = cli_gateway_of(c, t->gateway, s->gateway_id);
	const struct addr *local = s->n_sas ? &s->sa.local.a : g ? &g->ike.local : NULL;
	const struct addr *peer = s->n_sas ? &s->sa.remote.a : g ? &g->ike.remote : NULL;
	static const struct addr any;
	char name[DOC_NAME];

	doc_uint(o, "id", s->p->number);
	doc_str(o, "name", doc_tunnel_name(t->name, s->p->proxy->name, name));
	doc_str(o, "tunnel", t->name);
	doc_str(o, "type", "IPSec");
	doc_uint(o, "gwid", g ? g->ike.id : 0);
	doc_str(o, "gateway", t->gateway);
	doc_addr(o, "localip", local ? local : &any);
	doc_addr(o, "peerip", peer ? peer : &any);
	doc_str(o, "inner-if", t->interface);
	doc_str(o, "outer-if", g ? g->interface : "");
	doc_str(o, "state", s->n_sas ? "active" : s->negotiating ? "init" : "inactive");
	flow_monitor(o, c, t);
	doc_str(o, "keytype", "auto key");
	doc_str(o, "proto", "ESP");
	doc_str(o, "mode", t->transport ? "trans" : "tunl");
	doc_bool(o, "anti-replay", t->replay_window > 0);
	doc_uint(o, "anti-replay-window", t->replay_window);
	if (t->tfc_pad_to == DP_TFC_MTU)
		doc_str(o, "tfc-pad-to", "mtu");
	else if (t->tfc_pad_to)
		doc_uint(o, "tfc-pad-to", t->tfc_pad_to);
	if (t->dummy_rate)
		doc_uint(o, "tfc-dummy-rate", t->dummy_rate);
	if (t->tfc_pad_to && s->n_sas)
		doc_bool(o, "tfc-refused", s->sa.no_tfc);
	flow_carry(o, &t->carry);
	doc_bool(o, "enable-gre-encap", false);
	flow_proxy_id(o, s->p->proxy);
	if (s->n_sas) {
		flow_sa(o, s);
		flow_traffic(o, s);
	}
	flow_counters(o, s);
}

/* ---- the command --------------------------------------------------------------------------------- */

/* "1" to "4294967295"; 0 when it is no such number */
static uint32_t number_of(const char *s)
{
	char *end;
	unsigned long v = s[0] >= '0' && s[0] <= '9' ? strtoul(s, &end, 10) : 0;

	return v && !*end && v <= UINT32_MAX ? (uint32_t)v : 0;
}

static enum cli_page no_number(struct cli_job *j, uint32_t number)
{
	snprintf(j->err, sizeof(j->err), "there is no tunnel with id %u; show vpn flow lists them", number);
	return CLI_FAILED;
}

static void flow_head(const struct cli_job *j, json_t *doc, const struct cli_filter *f, bool detail)
{
	doc_str(doc, "type", "vpn-flow");
	doc_bool(doc, "detail", detail);
	if (f->state)
		doc_str(doc, "filter-state", f->state);
	doc_uint(doc, "total", j->c->n_policies);
	doc_uint(doc, "num_ipsec", j->c->n_policies);
	doc_bool(doc, "filtered", f->any || ((f->gateway || f->tunnel) && !detail));
}

/* Of all it is known from the beginning how many they are. */
static void flow_totals(const struct cli_job *j, json_t *doc, uint64_t shown)
{
	bool all = !json_is_true(json_object_get(doc, "filtered")) &&
		   !json_is_true(json_object_get(doc, "detail"));

	doc_uint(doc, "num_shown", all ? j->c->n_policies : shown);
	doc_uint(doc, "shown", shown);
	doc_uint(doc, "of", j->c->n_policies);
}

static const struct ctl_policy *numbered(const struct ctl *c, uint32_t number)
{
	for (uint32_t i = 0; i < c->n_policies; i++)
		if (c->policies[i].number == number)
			return &c->policies[i];
	return NULL;
}

static bool flow_wanted(struct ctl *c, const struct cli_filter *f, const struct ctl_policy *p)
{
	return cli_prefixes_fit(f, &p->proxy->local, &p->proxy->remote) &&
	       (!f->state || cli_state_fits(f, proxy_state_word(c, p)));
}

/* The page's proxy-IDs into the list; true when there are more behind them. */
static bool fill(struct cli_job *j, struct proxy_state *list, size_t *n, const struct cli_filter *f)
{
	struct page p = page_begin(j, NULL);
	const struct ctl_policy *x;

	for (; (x = page_policy(&p, f)); j->at++) {
		if (!flow_wanted(j->c, f, x))
			continue;
		if (!page_take(&p))
			break;
		list[(*n)++].p = x;
	}
	return page_end(&p);
}

/* False: there is a tunnel-id and it is no number, as err says. */
static bool take_number(struct cli_job *j, uint32_t *number)
{
	const char *id = cli_arg(&j->m, "tunnel-id");

	*number = id ? number_of(id) : 0;
	if (!id || *number)
		return true;
	snprintf(j->err, sizeof(j->err), "tunnel-id: found \"%s\"; allowed: a number from 1", id);
	j->exit = CLI_EXIT_USAGE;
	return false;
}

enum cli_page cli_show_flow(struct cli_job *j, json_t *doc)
{
	const struct ctl_policy *one = NULL;
	struct proxy_state *states;
	struct cli_filter f;
	uint32_t number;
	bool more = false;
	json_t *list;
	size_t n = 0;

	if (!take_number(j, &number) || !cli_filter_take(j, &f))
		return CLI_FAILED;
	if (number && !(one = numbered(j->c, number)))
		return no_number(j, number);
	states = calloc(j->page_len, sizeof(states[0]));
	if (!states) {
		snprintf(j->err, sizeof(j->err), "out of memory");
		return CLI_FAILED;
	}
	flow_head(j, doc, &f, one || (f.one_tunnel && cli_given(&j->m, "name")));
	if (one)
		states[n++].p = one;
	else
		more = fill(j, states, &n, &f);
	proxy_state_gather(j->c, states, n);
	list = doc_list(doc, "entries");
	for (size_t i = 0; i < n; i++)
		flow(doc_append(list), j->c, &states[i]);
	free(states);
	flow_totals(j, doc, one ? 1 : j->shown);
	return more ? CLI_MORE : CLI_LAST;
}

static bool clear_page(struct cli_job *j, const struct cli_filter *f)
{
	struct page p = page_begin(j, NULL);
	const struct ctl_policy *x;

	for (; (x = page_policy(&p, f)); j->at++, j->shown++) {
		int n = proxy_state_clear(j->c, x);

		if (n < 0)
			snprintf(j->err, sizeof(j->err), "out of memory");
		else
			page_spend(&p, (unsigned)n);
	}
	return page_end(&p);
}

enum cli_page cli_clear_flow(struct cli_job *j, json_t *doc)
{
	const struct ctl_policy *one = NULL;
	struct cli_filter f;
	uint32_t number;
	bool more = false;

	if (!take_number(j, &number) || !cli_filter_take(j, &f))
		return CLI_FAILED;
	if (number && !(one = numbered(j->c, number)))
		return no_number(j, number);
	if (!one)
		more = clear_page(j, &f);
	else if (proxy_state_clear(j->c, one) < 0)
		snprintf(j->err, sizeof(j->err), "out of memory");
	if (j->err[0])
		return CLI_FAILED;
	doc_str(doc, "type", "clear-vpn-flow");
	doc_str(doc, "name", f.tunnel);
	doc_uint(doc, "cleared", one ? 1 : j->shown);
	return more ? CLI_MORE : CLI_LAST;
}
