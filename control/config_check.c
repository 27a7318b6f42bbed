/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold between the objects of a configuration: names, references, addresses, reachability. */
#include "config_read.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A kind of object by name: sorted, so that a file of many thousands is checked in no time. */
struct index {
	size_t n;
	struct entry {
		const char *name;
		uint32_t pos;
	} * e;
};

struct check {
	struct cfg_load *l;
	struct config *c;
	struct index interfaces, ike_profiles, ipsec_profiles, gateways;
	uint32_t *routes;   /* indices of conf->routes, by prefix length, then address, then metric */
	bool *used_gateway; /* a tunnel names it */
	bool *routed_into;  /* interfaces that a route names */
};

/* ---- names --------------------------------------------------------------------------------------- */

static int entry_cmp(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : x->pos < y->pos ? -1 : x->pos > y->pos;
}

/* Index the objects by the name at the start of each, and complain about names given twice. */
static bool index_make(struct cfg_load *l, struct index *x, const char *kind, const void *objects, size_t n,
		       size_t size, size_t name_at, const config_setting_t **sources)
{
	x->e = calloc(n ? n : 1, sizeof(x->e[0]));
	if (!x->e) {
		cfg_out_of_memory(l);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		const char *name = (const char *)objects + i * size + name_at;

		if (name[0])
			x->e[x->n++] = (struct entry){name, (uint32_t)i};
	}
	qsort(x->e, x->n, sizeof(x->e[0]), entry_cmp);
	for (size_t i = 1; i < x->n; i++) {
		struct cfg_obj o = {.l = l, .kind = kind};
		const config_setting_t *first;

		if (strcmp(x->e[i].name, x->e[i - 1].name) != 0)
			continue;
		o.s = sources[x->e[i].pos];
		first = sources[x->e[i - 1].pos];
		memcpy(o.name, x->e[i].name, strlen(x->e[i].name) + 1);
		cfg_error(&o, NULL, "name", "found twice, first in line %u; allowed: a name of its own",
			  config_setting_source_line(first));
	}
	return true;
}

static int index_find(const struct index *x, const char *name)
{
	size_t lo = 0, hi = x->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (strcmp(x->e[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < x->n && strcmp(x->e[lo].name, name) == 0 ? (int)x->e[lo].pos : -1;
}

/* Resolve a reference; complain when there is nothing of that name. */
static int refer(const struct cfg_obj *o, const char *key, const char *name, const struct index *x,
		 const char *kind)
{
	enum { SHOWN = 8 };
	const char *names[1024];
	char list[SHOWN * (CFG_NAME + 4) + 16] = "";
	const char *near;
	size_t n = 0, len = 0;
	int i;

	if (!name[0])
		return -1;
	i = index_find(x, name);
	if (i >= 0)
		return i;
	for (; n < x->n && n < 1023; n++)
		names[n] = x->e[n].name;
	names[n] = NULL;
	near = cfg_nearest(name, names);
	for (size_t k = 0; k < n && k < SHOWN; k++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s\"%s\"", k ? ", " : "", names[k]);
	if (near)
		cfg_error(o, config_setting_get_member(o->s, key), key,
			  "found \"%s\", but no %s has that name; did you "
			  "mean \"%s\"?",
			  name, kind, near);
	else
		cfg_error(o, config_setting_get_member(o->s, key), key,
			  "found \"%s\", but no %s has that name; allowed: "
			  "%s%s",
			  name, kind, n ? list : "none is configured", n > SHOWN ? ", …" : "");
	return -1;
}

static struct cfg_obj object(struct check *k, const char *kind, const char *name, const config_setting_t *s)
{
	struct cfg_obj o = {.l = k->l, .s = s, .kind = kind};

	snprintf(o.name, sizeof(o.name), "%s", name);
	return o;
}

/* ---- interfaces ---------------------------------------------------------------------------------- */

/* The interface whose network has this address, or -1. */
static int connected(const struct config *c, const struct addr *a)
{
	for (size_t i = 0; i < c->n_interfaces; i++)
		for (unsigned x = 0; x < c->interfaces[i].n_addr; x++)
			if (prefix_has(&c->interfaces[i].addr[x], a))
				return (int)i;
	return -1;
}

static int owner_of(const struct config *c, const struct addr *a)
{
	for (size_t i = 0; i < c->n_interfaces; i++)
		for (unsigned x = 0; x < c->interfaces[i].n_addr; x++)
			if (addr_eq(&c->interfaces[i].addr[x].a, a))
				return (int)i;
	return -1;
}

/* ---- routes -------------------------------------------------------------------------------------- */

static const struct config *sort_conf; /* qsort has no argument; the loader is one thread */

static int route_cmp(const void *a, const void *b)
{
	const struct cfg_route *x = &sort_conf->routes[*(const uint32_t *)a];
	const struct cfg_route *y = &sort_conf->routes[*(const uint32_t *)b];
	int c = (int)x->dst.len - (int)y->dst.len;

	if (!c)
		c = addr_cmp(&x->dst.a, &y->dst.a);
	if (!c)
		c = (int)x->metric - (int)y->metric;
	return c ? c : *(const uint32_t *)a < *(const uint32_t *)b ? -1 : 1;
}

/* Where the routes for a destination begin in k->routes; n_routes: there is none. */
static size_t route_find(const struct check *k, const struct prefix *p)
{
	size_t lo = 0, hi = k->c->n_routes;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		const struct prefix *d = &k->c->routes[k->routes[mid]].dst;
		int c = (int)d->len - (int)p->len;

		if (!c)
			c = addr_cmp(&d->a, &p->a);
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < k->c->n_routes && prefix_eq(&k->c->routes[k->routes[lo]].dst, p))
		return lo;
	return k->c->n_routes;
}

static int leaves_by(const struct check *k, const struct cfg_route *r)
{
	return r->via.v ? connected(k->c, &r->via) : index_find(&k->interfaces, r->interface);
}

/* The interface a packet to this address leaves by, or -1: the longest prefix among the connected
 * networks and the routes, a connected one before a route of the same length.  Of several routes for one
 * destination it is `want` if any of them leads there, else the first's. */
static int way_out(const struct check *k, const struct addr *a, int want)
{
	const struct config *c = k->c;
	int best = -1, best_len = -1;

	for (size_t i = 0; i < c->n_interfaces; i++) {
		for (unsigned x = 0; x < c->interfaces[i].n_addr; x++) {
			const struct prefix *p = &c->interfaces[i].addr[x];

			if (prefix_has(p, a) && p->len > best_len) {
				best = (int)i;
				best_len = p->len;
			}
		}
	}
	for (int len = (int)addr_len(a) * 8; len > best_len; len--) {
		struct prefix p = prefix_mask((struct prefix){.a = *a, .len = (uint8_t)len});
		size_t at = route_find(k, &p);

		if (at == c->n_routes)
			continue;
		for (size_t i = at; i < c->n_routes && prefix_eq(&c->routes[k->routes[i]].dst, &p); i++)
			if (leaves_by(k, &c->routes[k->routes[i]]) == want)
				return want;
		return leaves_by(k, &c->routes[k->routes[at]]);
	}
	return best;
}

static void check_route(struct check *k, size_t i)
{
	const struct cfg_route *r = &k->c->routes[i];
	char dst[PREFIX_STR], via[ADDR_STR];
	struct cfg_obj o = object(k, "route", r->dst.a.v ? prefix_str(&r->dst, dst) : "",
				  k->l->src.routes[i]);
	int f;

	if (r->interface[0]) {
		f = refer(&o, "interface", r->interface, &k->interfaces, "interface");
		if (f >= 0)
			k->routed_into[f] = true;
	}
	if (!r->via.v)
		return;
	addr_str(&r->via, via);
	f = connected(k->c, &r->via);
	if (f < 0)
		cfg_error(&o, config_setting_get_member(o.s, "via"), "via",
			  "found %s, which is on no interface's network; allowed: a neighbour's address",
			  via);
	else if (owner_of(k->c, &r->via) >= 0)
		cfg_error(&o, config_setting_get_member(o.s, "via"), "via",
			  "found %s, which is our own address; allowed: a neighbour's address", via);
	else if (k->c->interfaces[f].tunnel)
		cfg_error(&o, config_setting_get_member(o.s, "via"), "via",
			  "found %s on %s; allowed: interface = \"%s\", since a tunnel has no next hop", via,
			  k->c->interfaces[f].name, k->c->interfaces[f].name);
}

static bool check_routes(struct check *k)
{
	const struct config *c = k->c;

	k->routes = calloc(c->n_routes ? c->n_routes : 1, sizeof(k->routes[0]));
	if (!k->routes) {
		cfg_out_of_memory(k->l);
		return false;
	}
	for (size_t i = 0; i < c->n_routes; i++) {
		k->routes[i] = (uint32_t)i;
		check_route(k, i);
	}
	sort_conf = c;
	qsort(k->routes, c->n_routes, sizeof(k->routes[0]), route_cmp);
	for (size_t i = 1; i < c->n_routes; i++) {
		const struct cfg_route *a = &c->routes[k->routes[i - 1]], *b = &c->routes[k->routes[i]];
		char dst[PREFIX_STR];
		struct cfg_obj o;

		if (!a->dst.a.v || !prefix_eq(&a->dst, &b->dst) || !addr_eq(&a->via, &b->via) ||
		    strcmp(a->interface, b->interface) != 0)
			continue;
		o = object(k, "route", prefix_str(&b->dst, dst), k->l->src.routes[k->routes[i]]);
		cfg_error(&o, NULL, "destination",
			  "found twice with one next hop, first in line %u; allowed: next hops that differ",
			  config_setting_source_line(k->l->src.routes[k->routes[i - 1]]));
	}
	return true;
}

/* ---- gateways ------------------------------------------------------------------------------------ */

static void check_local(struct check *k, const struct cfg_obj *o, struct cfg_gateway *g,
			const struct cfg_interface *f)
{
	char found[ADDR_STR], list[CFG_ADDRS * (ADDR_STR + 2)] = "";
	size_t n = 0;

	if (!g->ike.local.v) {
		for (unsigned i = 0; i < f->n_addr && !config_setting_get_member(o->s, "local-address");
		     i++) {
			g->ike.local = f->addr[i].a;
			if (!g->ike.remote.v || g->ike.remote.v == g->ike.local.v)
				return;
			g->ike.local = (struct addr){0};
		}
		if (f->n_addr && g->ike.remote.v && !config_setting_get_member(o->s, "local-address"))
			cfg_error(
				o, config_setting_get_member(o->s, "peer-address"), "peer-address",
				"found an IPv%d address; allowed: of a family that interface \"%s\" has an address of",
				g->ike.remote.v, f->name);
		return;
	}
	if (g->ike.remote.v && g->ike.remote.v != g->ike.local.v)
		cfg_error(o, config_setting_get_member(o->s, "peer-address"), "peer-address",
			  "found an IPv%d address; allowed: an IPv%d address, as local-address is",
			  g->ike.remote.v, g->ike.local.v);
	for (unsigned i = 0; i < f->n_addr; i++) {
		char a[ADDR_STR];

		if (addr_eq(&f->addr[i].a, &g->ike.local))
			return;
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", i ? ", " : "",
				      addr_str(&f->addr[i].a, a));
	}
	cfg_error(o, config_setting_get_member(o->s, "local-address"), "local-address",
		  "found %s, which is no address of \"%s\"; allowed: %s", addr_str(&g->ike.local, found),
		  f->name, n ? list : "none, it has no addresses");
}

static void check_peer(struct check *k, const struct cfg_obj *o, const struct cfg_gateway *g, int ifc)
{
	const config_setting_t *m = config_setting_get_member(o->s, "peer-address");
	char peer[ADDR_STR];
	int out;

	if (!g->ike.remote.v || (g->ike.local.v && g->ike.local.v != g->ike.remote.v))
		return;
	addr_str(&g->ike.remote, peer);
	if (owner_of(k->c, &g->ike.remote) >= 0) {
		cfg_error(o, m, "peer-address", "found %s, which is our own address; allowed: the peer's",
			  peer);
		return;
	}
	if (k->l->paths_unsure)
		return;
	out = way_out(k, &g->ike.remote, ifc);
	if (out < 0)
		cfg_error(
			o, m, "peer-address",
			"found %s, and no route leads there; allowed: an address on a connected network, or behind a "
			"route",
			peer);
	else if (k->c->interfaces[out].tunnel)
		cfg_error(
			o, m, "peer-address",
			"found %s, which is routed into %s; allowed: an address that is reached without a tunnel",
			peer, k->c->interfaces[out].name);
	else if (ifc >= 0 && out != ifc)
		cfg_warn(o, m, "peer-address", "%s is reached by \"%s\", not by interface \"%s\"", peer,
			 k->c->interfaces[out].name, g->interface);
}

static void check_gateway(struct check *k, size_t i)
{
	struct cfg_gateway *g = &k->c->gateways[i];
	struct cfg_obj o = object(k, "ike-gateway", g->ike.name, k->l->src.gateways[i]);
	int f = refer(&o, "interface", g->interface, &k->interfaces, "interface");
	int p = refer(&o, "ike-crypto-profile", g->profile, &k->ike_profiles, "ike-crypto-profile");

	if (f >= 0 && k->c->interfaces[f].tunnel)
		cfg_error(&o, config_setting_get_member(o.s, "interface"), "interface",
			  "found \"%s\"; allowed: an interface with a port", g->interface);
	else if (f >= 0)
		check_local(k, &o, g, &k->c->interfaces[f]);
	if (p >= 0) {
		g->ike.ike = k->c->ike_profiles[p].algs;
		g->ike.lifetime_s = k->c->ike_profiles[p].lifetime_s;
		g->ike.reauth_every = k->c->ike_profiles[p].reauth_every;
		if (g->ike.reauth_every && g->ike.passive)
			cfg_warn(&o, config_setting_get_member(o.s, "ike-crypto-profile"),
				 "ike-crypto-profile",
				 "authentication-multiple of \"%s\" has no effect here: a gateway that never "
				 "starts leaves reauthentication to its peer, and rekeys",
				 g->profile);
	}
	check_peer(k, &o, g, f);
	if (!k->used_gateway[i] && o.name[0])
		cfg_warn(&o, NULL, NULL, "no ipsec-tunnel names this gateway: it does nothing");
}

static bool id_eq(const struct ike_id *a, const struct ike_id *b)
{
	return a->type == b->type && a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static int gateway_cmp(const void *a, const void *b)
{
	const struct ike_gw_conf *x = &sort_conf->gateways[*(const uint32_t *)a].ike;
	const struct ike_gw_conf *y = &sort_conf->gateways[*(const uint32_t *)b].ike;
	int c = addr_cmp(&x->local, &y->local);

	if (!c)
		c = addr_cmp(&x->remote, &y->remote);
	if (!c)
		c = (int)x->remote_id.type - (int)y->remote_id.type;
	if (!c)
		c = (int)x->remote_id.len - (int)y->remote_id.len;
	if (!c)
		c = memcmp(x->remote_id.data, y->remote_id.data, x->remote_id.len);
	return c ? c : *(const uint32_t *)a < *(const uint32_t *)b ? -1 : 1;
}

/* Two gateways between the same addresses are told apart by the peer's identity only, which arrives when
 * the crypto profile has been used already. */
static void check_gateway_pair(struct check *k, uint32_t first, uint32_t second)
{
	const struct cfg_gateway *a = &k->c->gateways[first], *b = &k->c->gateways[second];
	struct cfg_obj o = object(k, "ike-gateway", b->ike.name, k->l->src.gateways[second]);

	if (!a->ike.local.v || !addr_eq(&a->ike.local, &b->ike.local) ||
	    !addr_eq(&a->ike.remote, &b->ike.remote))
		return;
	/* A dynamic peer, or one whose address was complained about: only the former is comparable. */
	if (!a->ike.remote.v && (!a->ike.passive || !b->ike.passive))
		return;
	if (id_eq(&a->ike.remote_id, &b->ike.remote_id))
		cfg_error(
			&o, NULL, "peer-id",
			"same local address, peer address and peer identity as \"%s\"; allowed: one of them different",
			a->ike.name);
	else if (strcmp(a->profile, b->profile) != 0)
		cfg_error(
			&o, config_setting_get_member(o.s, "ike-crypto-profile"), "ike-crypto-profile",
			"found \"%s\", and \"%s\" between the same addresses has \"%s\"; allowed: the same, because a "
			"peer's identity is not known yet when it is used",
			b->profile, a->ike.name, a->profile);
}

static bool check_gateways(struct check *k)
{
	uint32_t *by = calloc(k->c->n_gateways ? k->c->n_gateways : 1, sizeof(by[0]));

	if (!by) {
		cfg_out_of_memory(k->l);
		return false;
	}
	for (size_t i = 0; i < k->c->n_gateways; i++) {
		by[i] = (uint32_t)i;
		check_gateway(k, i);
	}
	sort_conf = k->c;
	qsort(by, k->c->n_gateways, sizeof(by[0]), gateway_cmp);
	for (size_t i = 1; i < k->c->n_gateways; i++)
		check_gateway_pair(k, by[i - 1], by[i]);
	free(by);
	return true;
}

/* ---- tunnels ------------------------------------------------------------------------------------- */

static void check_proxy_names(struct check *k, const struct cfg_obj *tun, const struct cfg_tunnel *t)
{
	const config_setting_t *m = config_setting_get_member(tun->s, "proxy-ids");
	char kind[CFG_KIND];
	const config_setting_t **src;
	struct index x = {0};

	if (!m || t->n_proxy_ids < 2)
		return;
	src = calloc(t->n_proxy_ids, sizeof(const config_setting_t *));
	if (!src) {
		cfg_out_of_memory(k->l);
		return;
	}
	for (uint32_t i = 0; i < t->n_proxy_ids; i++)
		src[i] = config_setting_get_elem(m, i);
	snprintf(kind, sizeof(kind), "ipsec-tunnel \"%s\": proxy-id", t->name);
	index_make(k->l, &x, kind, t->proxy_ids, t->n_proxy_ids, sizeof(t->proxy_ids[0]),
		   offsetof(struct cfg_proxy_id, name), src);
	free(x.e);
	free(src);
}

/* What a proxy-ID protects must be routed into its tunnel interface, or it protects nothing. */
static void check_proxy_route(struct check *k, const struct cfg_obj *tun, const struct cfg_tunnel *t, int ifc)
{
	const config_setting_t *m = config_setting_get_member(tun->s, "proxy-ids");

	for (uint32_t i = 0; i < t->n_proxy_ids; i++) {
		const struct cfg_proxy_id *p = &t->proxy_ids[i];
		struct cfg_obj o;
		char kind[CFG_KIND], dst[PREFIX_STR];
		int out;

		if (!p->name[0] || !p->remote.a.v || p->remote.len == 0)
			continue;
		out = way_out(k, &p->remote.a, ifc);
		if (out == ifc)
			continue;
		o = cfg_sub(tun, config_setting_get_elem(m, i), "proxy-id", kind);
		memcpy(o.name, p->name, sizeof(o.name));
		cfg_warn(&o, config_setting_get_member(o.s, "remote"), "remote",
			 "%s is routed to %s%s%s, not into %s", prefix_str(&p->remote, dst),
			 out < 0 ? "nowhere" : "\"", out < 0 ? "" : k->c->interfaces[out].name,
			 out < 0 ? "" : "\"", t->interface);
	}
}

static unsigned distinct(const struct cfg_tunnel *t, uint8_t v, bool local)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < t->n_proxy_ids; i++) {
		const struct cfg_proxy_id *a = &t->proxy_ids[i], *b;
		bool seen = a->local.a.v != v;

		for (b = t->proxy_ids; b < a && !seen; b++)
			seen = a->proto == b->proto &&
			       (local ? prefix_eq(&a->local, &b->local) && a->local_port == b->local_port &&
						a->local_port_hi == b->local_port_hi
				      : prefix_eq(&a->remote, &b->remote) &&
						a->remote_port == b->remote_port &&
						a->remote_port_hi == b->remote_port_hi);
		n += !seen;
	}
	return n;
}

/* All proxy-IDs in one Child SA: a list of networks for each end, of which every pair of one family is meant
 * (RFC 7296 2.9), and no longer than SAs have room for. */
static void check_combined(const struct cfg_obj *o, const struct cfg_tunnel *t)
{
	const config_setting_t *m = config_setting_get_member(o->s, "proxy-id-mode");
	unsigned l4, r4, l6, r6;

	if (!t->combined)
		return;
	if (t->n_proxy_ids > IKE_TS_MAX) {
		cfg_error(o, m, "proxy-id-mode",
			  "found combined, with %u proxy-IDs; allowed: at most %d in one Child SA, or each",
			  t->n_proxy_ids, IKE_TS_MAX);
		return;
	}
	l4 = distinct(t, 4, true);
	r4 = distinct(t, 4, false);
	l6 = distinct(t, 6, true);
	r6 = distinct(t, 6, false);
	if (l4 * r4 + l6 * r6 != t->n_proxy_ids)
		cfg_warn(
			o, m, "proxy-id-mode",
			"combined offers %u local and %u remote networks, and with them every pair, not just the "
			"%u that are named",
			l4 + l6, r4 + r6, t->n_proxy_ids);
}

static void check_tunnel(struct check *k, size_t i, uint32_t *per_gateway)
{
	struct cfg_tunnel *t = &k->c->tunnels[i];
	struct cfg_obj o = object(k, "ipsec-tunnel", t->name, k->l->src.tunnels[i]);
	int f = refer(&o, "tunnel-interface", t->interface, &k->interfaces, "interface");
	int g = refer(&o, "ike-gateway", t->gateway, &k->gateways, "ike-gateway");

	refer(&o, "ipsec-crypto-profile", t->profile, &k->ipsec_profiles, "ipsec-crypto-profile");
	check_proxy_names(k, &o, t);
	check_combined(&o, t);
	if (f >= 0 && !k->c->interfaces[f].tunnel) {
		cfg_error(&o, config_setting_get_member(o.s, "tunnel-interface"), "tunnel-interface",
			  "found \"%s\"; allowed: an interface tunnel.1 to tunnel.9999", t->interface);
	} else if (f >= 0 && !t->transport && !k->l->paths_unsure) {
		if (!k->routed_into[f])
			cfg_warn(&o, config_setting_get_member(o.s, "tunnel-interface"), "tunnel-interface",
				 "no route leads into %s: nothing will be encrypted", t->interface);
		else
			check_proxy_route(k, &o, t, f);
	}
	if (g < 0)
		return;
	k->used_gateway[g] = true;
	per_gateway[g] += t->n_proxy_ids;
	if (per_gateway[g] > UINT16_MAX && per_gateway[g] - t->n_proxy_ids <= UINT16_MAX)
		cfg_error(&o, NULL, "ike-gateway",
			  "found more than %d proxy-IDs for \"%s\"; allowed: at most %d", UINT16_MAX,
			  t->gateway, UINT16_MAX);
	if (t->start && k->c->gateways[g].ike.passive)
		cfg_error(&o, config_setting_get_member(o.s, "start"), "start",
			  "found true, and gateway \"%s\" is passive: it waits for its peer; allowed: false",
			  t->gateway);
}

static void check_tunnels(struct check *k)
{
	uint32_t *per_gateway = calloc(k->c->n_gateways ? k->c->n_gateways : 1, sizeof(per_gateway[0]));
	uint64_t total = 0;

	if (!per_gateway) {
		cfg_out_of_memory(k->l);
		return;
	}
	for (size_t i = 0; i < k->c->n_tunnels; i++) {
		check_tunnel(k, i, per_gateway);
		total += k->c->tunnels[i].n_proxy_ids;
	}
	free(per_gateway);
	/* Two each, since a rekey has the old and the new one at once. */
	if (total * 2 > k->c->sys.max_sas)
		cfg_file_error(
			k->l, NULL, 0,
			"system: max-sas: found %u; allowed: at least %llu, two for each of %llu proxy-IDs",
			k->c->sys.max_sas, (unsigned long long)total * 2, (unsigned long long)total);
}

enum { HAS_V4 = 1, HAS_V6 = 2, IN_USE = 4 };

static uint8_t family_bit(const struct addr *a)
{
	return a->v == 6 ? HAS_V6 : a->v == 4 ? HAS_V4 : 0;
}

/* Packets that a route sends to proxy-IDs of the other family die, all of them. */
static void check_route_family(struct check *k, size_t i, const uint8_t *carries)
{
	const struct cfg_route *r = &k->c->routes[i];
	int f = index_find(&k->interfaces, r->interface);
	char dst[PREFIX_STR];
	struct cfg_obj o;

	if (f < 0 || !(carries[f] & (HAS_V4 | HAS_V6)) || !r->dst.a.v || carries[f] & family_bit(&r->dst.a))
		return;
	o = object(k, "route", prefix_str(&r->dst, dst), k->l->src.routes[i]);
	cfg_warn(&o, config_setting_get_member(o.s, "interface"), "interface",
		 "\"%s\" has no proxy-ID of IPv%u: packets routed there die", r->interface, r->dst.a.v);
}

/* A tunnel interface that routes point at and no tunnel uses swallows packets. */
static void check_tunnel_interfaces(struct check *k)
{
	uint8_t *carries = calloc(k->c->n_interfaces ? k->c->n_interfaces : 1, sizeof(carries[0]));

	if (!carries) {
		cfg_out_of_memory(k->l);
		return;
	}
	for (size_t i = 0; i < k->c->n_tunnels; i++) {
		const struct cfg_tunnel *t = &k->c->tunnels[i];
		int f = index_find(&k->interfaces, t->interface);

		if (f < 0)
			continue;
		carries[f] |= IN_USE;
		for (uint32_t x = 0; x < t->n_proxy_ids; x++)
			carries[f] |= family_bit(&t->proxy_ids[x].local.a);
	}
	for (size_t i = 0; i < k->c->n_interfaces; i++) {
		struct cfg_obj o = object(k, "interface", k->c->interfaces[i].name, k->l->src.interfaces[i]);

		if (k->c->interfaces[i].tunnel && !carries[i])
			cfg_warn(&o, NULL, NULL,
				 "no ipsec-tunnel uses this tunnel interface: packets routed there die");
	}
	for (size_t i = 0; i < k->c->n_routes; i++)
		check_route_family(k, i, carries);
	free(carries);
}

void cfg_check(struct cfg_load *l)
{
	struct config *c = l->conf;
	struct check k = {
		.l = l,
		.c = c,
		.used_gateway = calloc(c->n_gateways ? c->n_gateways : 1, sizeof(bool)),
		.routed_into = calloc(c->n_interfaces ? c->n_interfaces : 1, sizeof(bool)),
	};
	struct index tunnels = {0}, rules = {0};
	unsigned before;

	if (!k.used_gateway || !k.routed_into) {
		cfg_out_of_memory(l);
		goto out;
	}
	if (!index_make(l, &k.interfaces, "interface", c->interfaces, c->n_interfaces,
			sizeof(c->interfaces[0]), offsetof(struct cfg_interface, name), l->src.interfaces) ||
	    !index_make(l, &k.ike_profiles, "ike-crypto-profile", c->ike_profiles, c->n_ike_profiles,
			sizeof(c->ike_profiles[0]), offsetof(struct cfg_ike_profile, name),
			l->src.ike_profiles) ||
	    !index_make(l, &k.ipsec_profiles, "ipsec-crypto-profile", c->ipsec_profiles, c->n_ipsec_profiles,
			sizeof(c->ipsec_profiles[0]), offsetof(struct cfg_ipsec_profile, name),
			l->src.ipsec_profiles) ||
	    !index_make(l, &k.gateways, "ike-gateway", c->gateways, c->n_gateways, sizeof(c->gateways[0]),
			offsetof(struct cfg_gateway, ike.name), l->src.gateways) ||
	    !index_make(l, &tunnels, "ipsec-tunnel", c->tunnels, c->n_tunnels, sizeof(c->tunnels[0]),
			offsetof(struct cfg_tunnel, name), l->src.tunnels) ||
	    !index_make(l, &rules, "security-rule", c->rules, c->n_rules, sizeof(c->rules[0]),
			offsetof(struct cfg_rule, name), l->src.rules))
		goto out;
	before = l->errors;
	cfg_check_interfaces(l);
	if (!check_routes(&k))
		goto out;
	l->paths_unsure |= l->errors != before;
	check_tunnels(&k);
	check_gateways(&k);
	cfg_check_authentication(l);
	cfg_check_transport(l);
	check_tunnel_interfaces(&k);
	cfg_check_overlaps(l);
	cfg_check_rules(l);
	cfg_check_monitors(l);
out:
	free(tunnels.e);
	free(rules.e);
	free(k.interfaces.e);
	free(k.ike_profiles.e);
	free(k.ipsec_profiles.e);
	free(k.gateways.e);
	free(k.routes);
	free(k.used_gateway);
	free(k.routed_into);
}
