/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diagnose vpn: does a packet find its way from the proxy-ID's local to its remote network, and its answer back?  One
 * packet stands for all of them, so it has to be one that hosts here would send: a proxy-ID may be wider than what is
 * routed and than the LAN.  And where the rules deny it they may allow others, which is told apart.
 */
#include "handlers.h"

#include <string.h>

#include "diag_way.h"

struct way {
	const struct ctl *c;
	const struct ctl_policy *p;
	const char *outer_if;
	struct dp_trace_packet packet;
	struct dp_trace trace;
};

/* The n-th host of a network, or its only one. */
static struct addr host_of(const struct prefix *p, uint8_t n)
{
	struct prefix m = prefix_mask(*p);
	unsigned bytes = m.a.v == 4 ? 4 : 16;

	if (m.len + 3u < bytes * 8)
		m.a.b[bytes - 1] |= n;
	return m.a;
}

/* The LAN in the proxy-ID's local network; else that itself.  "Any" has no host that stands for it. */
static struct prefix local_part(const struct way *w)
{
	const struct config *conf = w->c->conf;
	const struct prefix *local = &w->p->proxy->local;

	for (size_t i = 0; i < conf->n_interfaces; i++) {
		const struct cfg_interface *f = &conf->interfaces[i];

		for (unsigned k = 0; k < f->n_addr; k++)
			if (!f->tunnel && strcmp(f->name, w->outer_if) != 0 && f->addr[k].len > local->len &&
			    prefix_has(local, &f->addr[k].a))
				return f->addr[k];
	}
	return *local;
}

/* What of the remote network is routed into the tunnel, if less than all of it is. */
static const struct prefix *remote_part(const struct way *w)
{
	const struct config *conf = w->c->conf;
	const struct prefix *remote = &w->p->proxy->remote;

	for (size_t i = 0; i < conf->n_routes; i++) {
		const struct cfg_route *r = &conf->routes[i];

		if (r->dst.len > remote->len && prefix_has(remote, &r->dst.a) &&
		    strcmp(r->interface, w->p->tunnel->interface) == 0)
			return &r->dst;
	}
	return NULL;
}

/* False: nobody could send such a packet. */
static bool trace(struct way *w, const struct prefix *from, const struct prefix *to)
{
	w->packet.dst = host_of(to, 1);
	/* The first host is often this gateway itself, from whose address nothing comes in. */
	for (uint8_t n = 1; n <= 2; n++) {
		w->packet.src = host_of(from, n);
		if (dp_trace_packet(&w->packet, &w->trace) == 0 && w->trace.stopped != DP_TRACE_PACKET)
			return true;
	}
	return false;
}

static bool goes_in(const struct way *w)
{
	return w->trace.stopped != DP_TRACE_ROUTE && w->trace.out_if != DP_IF_NONE &&
	       strcmp(ctl_interface_name(w->c, w->trace.out_if), w->p->tunnel->interface) == 0;
}

/* ---- rules ------------------------------------------------------------------------------------------- */

static bool meet(const struct prefix *a, const struct prefix *b)
{
	return a->len <= b->len ? prefix_has(a, &b->a) : prefix_has(b, &a->a);
}

static bool of_zone(cfg_zone_name *zones, uint32_t n, const char *zone)
{
	bool found = n == 0;

	for (uint32_t i = 0; i < n && !found; i++)
		found = strcmp(zones[i], zone) == 0;
	return found;
}

static bool of_network(const struct prefix *list, uint32_t n, const struct prefix *net)
{
	bool found = n == 0;

	for (uint32_t i = 0; i < n && !found; i++)
		found = meet(&list[i], net);
	return found;
}

static const char *zone_of(const struct ctl *c, uint16_t ifindex)
{
	const struct cfg_interface *f = config_interface(c->conf, ctl_interface_name(c, ifindex));

	return f ? f->zone : "";
}

/* Does a rule allow anything from one of the networks to the other, between these interfaces? */
static bool some_allowed(const struct ctl *c, uint16_t from_if, const struct prefix *from, uint16_t to_if,
			 const struct prefix *to)
{
	const char *from_zone = zone_of(c, from_if), *to_zone = zone_of(c, to_if);

	for (size_t i = 0; i < c->conf->n_rules; i++) {
		const struct cfg_rule *r = &c->conf->rules[i];

		if (!of_zone(r->from, r->n_from, from_zone) || !of_zone(r->to, r->n_to, to_zone) ||
		    !of_network(r->source, r->n_source, from) ||
		    !of_network(r->destination, r->n_destination, to))
			continue;
		if (r->allow)
			return true;
		if (!r->n_source && !r->n_destination && !r->n_services)
			return false; /* no later one is asked */
	}
	return false;
}

/* ---- the facts --------------------------------------------------------------------------------------- */

static void take_rules(const struct way *w, struct diag_facts *f)
{
	const struct cfg_proxy_id *x = w->p->proxy;
	const struct dp_trace *t = &w->trace;
	char a[ADDR_STR], b[ADDR_STR];

	f->ruled_out = t->stopped == DP_TRACE_RULE;
	f->back_ruled_out = t->back.sa && !t->back.allow;
	if (f->ruled_out)
		f->others_allowed = some_allowed(w->c, t->in_if, &x->local, t->out_if, &x->remote);
	else if (f->back_ruled_out)
		f->others_allowed = some_allowed(w->c, t->out_if, &x->remote, t->in_if, &x->local);
	if (f->ruled_out || f->back_ruled_out)
		snprintf(f->denied, sizeof(f->denied), "%s to %s",
			 addr_str(f->ruled_out ? &w->packet.src : &w->packet.dst, a),
			 addr_str(f->ruled_out ? &w->packet.dst : &w->packet.src, b));
}

void diag_take_way(const struct ctl *c, const struct ctl_policy *p, struct diag_facts *f)
{
	const struct cfg_proxy_id *x = p->proxy;
	struct way w = {
		.c = c,
		.p = p,
		.outer_if = f->outer_if,
		.packet = {.proto = x->proto            ? x->proto
				    : x->local.a.v == 6 ? 58
							: 1,
			   .sport = x->local_port,
			   .dport = x->remote_port,
			   .in_if = DP_IF_NONE},
	};
	const struct prefix from = local_part(&w), *part;

	if (!from.len || !x->remote.len)
		return;
	f->traced = trace(&w, &from, &x->remote);
	if (f->traced && !goes_in(&w) && (part = remote_part(&w))) {
		f->traced = trace(&w, &from, part);
		prefix_str(part, f->routed_part);
	}
	if (!f->traced)
		return;
	f->routed_in = goes_in(&w);
	take_rules(&w, f);
}
