/* SPDX-License-Identifier: Apache-2.0 */
#include "handlers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "diag_way.h"
#include "peer_fix.h"

static const uint64_t SECOND = 1000000000;

/* ---- phase 1 --------------------------------------------------------------------------------------- */

static bool on_sa(void *arg, const struct ike_sa_info *i)
{
	struct diag_facts *f = arg;
	uint64_t now = ctl_now();

	f->ike_up |= i->established;
	if (!i->established && i->role == IKE_INITIATOR) {
		f->ike_trying = true;
		f->auth_sent = i->spi_r != 0;
		f->resent = i->retransmits;
	}
	if (i->established) {
		f->heard_ago_s = i->last_heard && now > i->last_heard ? (now - i->last_heard) / SECOND : 0;
		f->nat |= i->nat_local || i->nat_remote;
		if (i->retransmits > f->unanswered)
			f->unanswered = i->retransmits;
	}
	return true;
}

/* What a failure is about, as far as the peer tells. */
enum subject { OTHER, PROPOSAL, IDENTITY };

static enum subject subject_of(enum ike_cause c)
{
	if (c == IKE_CAUSE_NO_PROPOSAL || c == IKE_CAUSE_INVALID_KE)
		return PROPOSAL;
	if (c == IKE_CAUSE_AUTH_FAILED || c == IKE_CAUSE_ID_MISMATCH ||
	    (c >= IKE_CAUSE_CERT_UNTRUSTED && c <= IKE_CAUSE_CERT_REFUSED))
		return IDENTITY;
	return OTHER;
}

/* Why it failed last.  A peer that refuses us does not say why; when it called just before, it was seen here what does
 * not fit. */
static const struct ike_reason *telling(const struct ike_gw_info *i)
{
	enum { JUST_BEFORE_S = 120 };
	const struct ike_reason *last = i->last_failure;
	enum subject what = subject_of(last->cause);

	if (what == OTHER || !last->reported_by_peer)
		return last;
	for (unsigned n = 0; n < i->n_recent; n++) {
		const struct ike_reason *r = i->recent[n];

		if (!r->past && r->role == IKE_RESPONDER && subject_of(r->cause) == what &&
		    r->exchange != CREATE_CHILD_SA && last->at - r->at < JUST_BEFORE_S * SECOND)
			return r;
	}
	return last;
}

/* What the engine has of it. */
static void take_ike(struct ike *k, struct diag_facts *f)
{
	struct ike_gw_info i;

	f->half_open = ike_half_open(k);
	f->half_open_max = ike_tuning(k)->half_open_max;
	ike_starts(k, &f->starts, &f->starts_max, &f->line);
	ike_each_sa_after(k, f->gateway, 0, 0, on_sa, f);
	if (!ike_gateway_read(k, f->gateway, &i))
		return;
	f->attempts = i.attempts;
	f->nat_ignored = i.nat_ignored;
	f->in_line = i.in_line;
	if (i.last_failure && i.last_failure->cause != IKE_CAUSE_NONE)
		f->ike_failure = telling(&i);
}

/* ---- strangers' calls -------------------------------------------------------------------------------- */

enum { CALL_STR = 200 };

static const char *call_str(const struct ike_call *i, char buf[CALL_STR])
{
	static const char *const why[] = {
		[IKE_CALL_NO_GATEWAY] = "no gateway has that peer-address",
		[IKE_CALL_VERSION] = "culvert has no IKEv1",
		[IKE_CALL_IDENTITY] = "no gateway has that peer-id",
	};
	char from[ENDPOINT_STR];

	snprintf(buf, CALL_STR, "%s called in %s%s%s, last %llu s ago: %s", endpoint_str(&i->remote, from),
		 i->what, i->identity[0] ? ", identity " : "", i->identity,
		 (unsigned long long)((ctl_now() - i->last) / SECOND), why[i->kind]);
	return buf;
}

/* A stranger where this gateway's peer would call, from another address than its. */
static void take_stray(struct diag_facts *f, const struct ike_gw_conf *g, const struct ike_call *i)
{
	if (i->kind != IKE_CALL_NO_GATEWAY || !g->remote.v ||
	    (g->local.v && !addr_eq(&g->local, &i->local.a)))
		return;
	f->n_strays++;
	if (i->count <= f->stray_calls)
		return;
	f->stray_calls = i->count;
	f->stray_ago_s = (ctl_now() - i->last) / SECOND;
	addr_str(&i->remote.a, f->stray);
}

struct call_facts {
	struct diag_facts *f;
	const struct ike_gw_conf *g;
	uint64_t newest;
};

static bool on_call(void *arg, const struct ike_call *i)
{
	enum { RECENT_S = 600 };
	struct call_facts *a = arg;
	bool from_peer = addr_eq(&i->remote.a, &a->g->remote);

	if ((ctl_now() - i->last) / SECOND > RECENT_S)
		return true;
	a->f->n_callers++;
	take_stray(a->f, a->g, i);
	/* A call from the peer's own address says most. */
	if (i->kind == IKE_CALL_VERSION && from_peer)
		a->f->peer_v1 = true;
	else if (a->f->peer_v1 || i->last < a->newest)
		return true;
	a->newest = i->last;
	call_str(i, a->f->caller);
	return true;
}

static bool on_gateway_down(void *arg, const struct ike_gw_info *i)
{
	unsigned *n = arg;

	*n += i->conf->remote.v && !i->n_children;
	return true;
}

static void take_own_cert(const struct cert_own *own, struct diag_facts *f)
{
	int64_t now = ctl_wall_ms() / 1000;
	char limit[CERT_TIME], clock[CERT_TIME];
	struct cert_info i;
	bool expired;

	cert_own_info(own, &i);
	expired = now > i.not_after;
	if (!expired && now >= i.not_before)
		return;
	f->own_cert = expired ? OWN_CERT_EXPIRED : OWN_CERT_NOT_YET;
	snprintf(f->own_cert_told, sizeof(f->own_cert_told), "%s is valid %s %s, and the clock here says %s",
		 i.subject, expired ? "until" : "from",
		 cert_time_str(expired ? i.not_after : i.not_before, limit), cert_time_str(now, clock));
}

static void take_gateway(struct ctl *c, const struct cfg_gateway *g, struct diag_facts *f)
{
	struct dp_route way;
	struct dp_if_stats s;

	f->gateway = g->ike.name;
	f->outer_if = g->interface;
	f->passive = g->ike.passive;
	f->certified = g->ike.own || g->ike.trust;
	if (g->ike.own)
		take_own_cert(g->ike.own, f);
	f->natt_off = g->ike.natt == IKE_NATT_OFF;
	f->dpd_off = !g->ike.dpd_interval_s;
	if (g->ike.remote.v) {
		addr_str(&g->ike.remote, f->peer);
		f->peer_route = dp_route_lookup(&g->ike.remote, &way) == 0;
	}
	for (size_t i = 0; i < c->n_interfaces; i++)
		if (strcmp(c->interfaces[i].name, g->interface) == 0 &&
		    dp_if_stats(c->interfaces[i].ifindex, &s) == 0)
			f->port_up = s.link_up;
	ike_each_call(c->ike, on_call, &(struct call_facts){.f = f, .g = &g->ike});
	if (f->n_strays)
		ike_each_gateway(c->ike, on_gateway_down, &f->n_down);
	take_ike(c->ike, f);
}

/* ---- phase 2 and traffic ----------------------------------------------------------------------------- */

static void clock_of(uint64_t at, char buf[8])
{
	time_t t = (time_t)ctl_wall(at);
	struct tm tm;

	if (!at || !localtime_r(&t, &tm) || strftime(buf, 8, "%H:%M", &tm) == 0)
		buf[0] = 0;
}

/* Does the SA carry less than is configured?  Of transport mode addresses are not those of the configuration. */
static void take_narrowing(const struct proxy_state *s, struct diag_facts *f)
{
	struct ts_list local = {0}, remote = {0};
	char a[120], b[120];

	if (!s->conf || s->sa.transport)
		return;
	local.n = s->conf->n_local;
	remote.n = s->conf->n_remote;
	memcpy(local.t, s->conf->local, local.n * sizeof(local.t[0]));
	memcpy(remote.t, s->conf->remote, remote.n * sizeof(remote.t[0]));
	if (ts_list_within(&local, &s->sa.ts_local) && ts_list_within(&remote, &s->sa.ts_remote))
		return;
	snprintf(f->narrowed, sizeof(f->narrowed), "local %s remote %s",
		 ts_list_str(&s->sa.ts_local, a, sizeof(a)), ts_list_str(&s->sa.ts_remote, b, sizeof(b)));
	f->cut_off = s->out.selector_drops;
}

static void take_proxy(const struct proxy_state *s, struct diag_facts *f)
{
	const uint16_t mss = s->p->tunnel->carry.mss;
	struct dp_policy_stats p;
	uint64_t now = ctl_now();

	f->start = s->p->tunnel->start;
	f->child_up = s->n_sas > 0;
	f->negotiating = s->negotiating;
	f->child_failure = s->failure;
	if (dp_policy_stats(s->p->policy, &p) == 0) {
		f->asked = p.acquires;
		f->without_sa = p.no_sa_drops;
	}
	if (!f->child_up)
		return;
	f->udp_encap = s->sa.udp_encap;
	take_narrowing(s, f);
	f->sa_pfs = s->sa.suite.dh;
	f->rekey_in_s = s->sa.rekey_at > now ? (s->sa.rekey_at - now) / SECOND : 0;
	f->expires_in_s = s->sa.expires > now ? (s->sa.expires - now) / SECOND : 0;
	clock_of(s->sa.rekey_at, f->rekey_at);
	clock_of(s->sa.expires, f->expires_at);
	f->pfs_before = s->rekey_failure;
	f->sa_age_s = now > s->sa.created ? (now - s->sa.created) / SECOND : 0;
	f->traffic = proxy_traffic(s, &f->one_way_s);
	f->encap = s->out.packets;
	f->decap = s->in.packets;
	f->auth_errors = s->in.auth_errors;
	f->replays = s->in.replays;
	f->malformed = s->in.malformed;
	f->outside = s->in.selector_drops;
	f->window = s->p->tunnel->replay_window;
	f->window_needed = dp_window_needed(&s->in);
	f->mtu = dp_sa_out_mtu(s->sa_out);
	if (mss != DP_MSS_FIT && mss != DP_MSS_OFF)
		f->mss = mss;
	f->path_mtu = dp_sa_out_pmtu(s->sa_out);
	f->tried = mtu_found_of(s->p->number, now);
	f->tried_ago_s = f->tried ? (now - f->tried->at) / SECOND : 0;
}

static void take_monitor(const struct ctl *c, const struct cfg_tunnel *t, struct diag_facts *f)
{
	for (size_t i = 0; i < c->n_monitors; i++) {
		const struct ctl_monitor *m = &c->monitors[i];

		if (m->conf != t)
			continue;
		f->monitored = true;
		f->monitor_up = m->up;
		f->rtt_ns = m->target[0].rtt_ns;
	}
}

static void take_box(const struct ctl *c, struct diag_facts *f)
{
	struct dp_drop d;

	for (unsigned i = 0; dp_drop_stats(i, &d) == 0; i++)
		if (strcmp(d.name, "too-big") == 0)
			f->too_big = d.packets;
	for (unsigned i = 0; i < DP_WORKERS_MAX; i++) {
		uint64_t up = c->load[0][i].up_ns - c->load[1][i].up_ns;
		uint64_t busy = c->load[0][i].busy_ns - c->load[1][i].busy_ns;
		unsigned percent = up ? (unsigned)(busy * 100 / up) : 0;

		if (percent > f->busy_percent)
			f->busy_percent = percent;
	}
}

/* ---- the command ----------------------------------------------------------------------------------- */

static void put_report(json_t *o, const struct diag_report *r)
{
	json_t *steps = doc_list(o, "steps");

	doc_str(o, "tree", r->tree);
	doc_str(o, "verdict", r->verdict);
	doc_str(o, "cause", r->cause);
	doc_str(o, "fix", r->fix);
	doc_bool(o, "ask-peer", r->ask_peer);
	for (unsigned i = 0; i < r->n; i++) {
		json_t *s = doc_append(steps);

		doc_str(s, "step", r->step[i].name);
		doc_str(s, "state", diag_state_str(r->step[i].state));
		doc_str(s, "text", r->step[i].text);
	}
}

static void one(json_t *o, struct ctl *c, const struct proxy_state *s)
{
	const struct cfg_tunnel *t = s->p->tunnel;
	const struct cfg_gateway *g = cli_gateway(c, t->gateway);
	char name[DOC_NAME], remote[ADDR_STR], net[ADDR_STR + 4];
	const struct cfg_ipsec_profile *prof;
	struct diag_facts f = {.tunnel = name, .tunnel_if = t->interface, .remote_net = net};
	struct diag_report r;

	if (!g)
		return;
	snprintf(net, sizeof(net), "%s/%u", addr_str(&s->p->proxy->remote.a, remote),
		 s->p->proxy->remote.len);
	doc_tunnel_name(t->name, s->p->proxy->name, name);
	prof = config_ipsec_profile(c->conf, t->profile);
	f.pfs = prof && prof->algs.n_dh > 0;
	take_gateway(c, g, &f);
	take_proxy(s, &f);
	diag_take_way(c, s->p, &f);
	take_monitor(c, t, &f);
	take_box(c, &f);
	(void)cli_flaps(c, s->p, &f.flaps); /* without memory: no flaps to speak of */
	diagnose(&f, &r);
	doc_str(o, "name", name);
	doc_str(o, "gateway", t->gateway);
	doc_str(o, "peer", f.peer);
	doc_bool(o, "ike-sa", f.ike_up);
	doc_bool(o, "ipsec-sa", f.child_up);
	doc_uint(o, "pkt-encap", f.encap);
	doc_uint(o, "pkt-decap", f.decap);
	put_report(o, &r);
	if (r.reason && (!r.of_child || s->conf)) {
		json_t *why = doc_object(o, "reason");

		doc_reason(why, r.reason);
		peer_fix(why, r.reason, &g->ike, r.of_child ? s->conf : NULL);
	} else {
		doc_null(o, "reason");
	}
}

static bool on_caller(void *arg, const struct ike_call *i)
{
	static const char *const kinds[] = {[IKE_CALL_NO_GATEWAY] = "no-gateway",
					    [IKE_CALL_VERSION] = "version",
					    [IKE_CALL_IDENTITY] = "identity"};
	json_t *o = doc_append(arg);
	char text[CALL_STR];

	doc_addr(o, "remote-ip", &i->remote.a);
	doc_uint(o, "remote-port", i->remote.port);
	doc_addr(o, "local-ip", &i->local.a);
	doc_str(o, "kind", kinds[i->kind]);
	doc_str(o, "protocol", i->what);
	doc_str(o, "identity", i->identity);
	doc_wall(o, "first", i->first);
	doc_wall(o, "last", i->last);
	doc_uint(o, "count", i->count);
	doc_str(o, "text", call_str(i, text));
	return true;
}

/* The minute's triage of all, or of one tunnel all there is. */
enum cli_page cli_diagnose(struct cli_job *j, json_t *doc)
{
	const char *tunnel = cli_arg(&j->m, "tunnel");
	struct proxy_state *list;
	size_t n = 0;

	if (tunnel && !cli_tunnel_known(j->c, tunnel))
		return cli_no_tunnel(j, tunnel);
	list = calloc(j->page_len, sizeof(list[0]));
	if (!list) {
		snprintf(j->err, sizeof(j->err), "out of memory");
		return CLI_FAILED;
	}
	doc_str(doc, "type", "diagnose-vpn");
	doc_bool(doc, "detail", tunnel);
	doc_list(doc, "entries");
	for (; j->at < j->c->n_policies && n < j->page_len; j->at++)
		if (doc_tunnel_is(tunnel, j->c->policies[j->at].tunnel->name,
				  j->c->policies[j->at].proxy->name))
			list[n++].p = &j->c->policies[j->at];
	proxy_state_gather(j->c, list, n);
	for (size_t i = 0; i < n; i++)
		one(doc_append(doc_list(doc, "entries")), j->c, &list[i]);
	free(list);
	if (j->at >= j->c->n_policies && !tunnel)
		ike_each_call(j->c->ike, on_caller, doc_list(doc, "callers"));
	return j->at < j->c->n_policies ? CLI_MORE : CLI_LAST;
}
