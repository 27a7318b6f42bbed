/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes: of all that are configured for one destination, those whose interface is up and that have the
 * lowest metric are in force, together where they are several.  A port's link and a tunnel monitor change
 * that.  The data plane gets what differs from what it has.
 */
#include "ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

/* What the data plane has for a destination. */
struct ctl_fib_entry {
	struct prefix dst;
	uint8_t n;
	struct dp_hop hop[DP_HOPS_MAX];
};

/* The interface a route leaves by; NULL when there is none, which the configuration's check has refused. */
static struct ctl_interface *way_of(struct ctl *c, const struct config *conf, const struct cfg_route *r)
{
	if (!r->via.v)
		return ctl_interface_find(c, r->interface);
	for (size_t i = 0; i < conf->n_interfaces; i++)
		for (unsigned x = 0; x < conf->interfaces[i].n_addr; x++)
			if (prefix_has(&conf->interfaces[i].addr[x], &r->via))
				return ctl_interface_find(c, conf->interfaces[i].name);
	return NULL;
}

bool ctl_route_usable(struct ctl *c, const struct config *conf, const struct cfg_route *r)
{
	const struct ctl_interface *f = way_of(c, conf, r);

	return f && !f->link_down && !f->monitor_down;
}

/* ---- which are in force ---------------------------------------------------------------------- */

static const struct config *sort_conf; /* qsort has no argument; there is one control thread */

static int route_cmp(const void *a, const void *b)
{
	const struct cfg_route *x = &sort_conf->routes[*(const uint32_t *)a];
	const struct cfg_route *y = &sort_conf->routes[*(const uint32_t *)b];
	int cmp = (int)x->dst.len - (int)y->dst.len;

	if (!cmp)
		cmp = addr_cmp(&x->dst.a, &y->dst.a);
	if (!cmp)
		cmp = (int)x->metric - (int)y->metric;
	return cmp ? cmp : *(const uint32_t *)a < *(const uint32_t *)b ? -1 : 1;
}

static int entry_cmp(const struct ctl_fib_entry *a, const struct ctl_fib_entry *b)
{
	int cmp = (int)a->dst.len - (int)b->dst.len;

	return cmp ? cmp : addr_cmp(&a->dst.a, &b->dst.a);
}

static bool entry_same(const struct ctl_fib_entry *a, const struct ctl_fib_entry *b)
{
	if (a->n != b->n)
		return false;
	for (unsigned i = 0; i < a->n; i++)
		if (!addr_eq(&a->hop[i].via, &b->hop[i].via) || a->hop[i].ifindex != b->hop[i].ifindex)
			return false;
	return true;
}

/* Into a tunnel whose monitor has failed, and whose port has not. */
static bool last_resort(struct ctl *c, const struct config *conf, const struct cfg_route *r)
{
	const struct ctl_interface *f = way_of(c, conf, r);

	return f && f->monitor_down && !f->link_down;
}

/* order[]: routes by destination, then metric.  Takes the usable ones of the first metric that has any. */
static void choose(struct ctl *c, const struct config *conf, const uint32_t *order, size_t n,
		   bool (*usable)(struct ctl *, const struct config *, const struct cfg_route *),
		   struct ctl_fib_entry *e)
{
	uint16_t metric = 0;

	for (size_t i = 0; i < n && e->n < DP_HOPS_MAX; i++) {
		const struct cfg_route *r = &conf->routes[order[i]];

		if ((e->n && r->metric != metric) || !usable(c, conf, r))
			continue;
		metric = r->metric;
		e->hop[e->n] = (struct dp_hop){.via = r->via};
		if (!r->via.v)
			e->hop[e->n].ifindex = way_of(c, conf, r)->ifindex;
		e->n++;
	}
}

/* Entries in order of destination; those without a usable route are left out. */
static size_t build(struct ctl *c, const struct config *conf, uint32_t *order, struct ctl_fib_entry *table)
{
	size_t n = 0, i = 0;

	for (size_t k = 0; k < conf->n_routes; k++)
		order[k] = (uint32_t)k;
	sort_conf = conf;
	qsort(order, conf->n_routes, sizeof(order[0]), route_cmp);
	while (i < conf->n_routes) {
		struct ctl_fib_entry *e = &table[n];
		size_t end = i + 1;

		while (end < conf->n_routes &&
		       prefix_eq(&conf->routes[order[i]].dst, &conf->routes[order[end]].dst))
			end++;
		*e = (struct ctl_fib_entry){.dst = prefix_mask(conf->routes[order[i]].dst)};
		choose(c, conf, &order[i], end - i, ctl_route_usable, e);
		/* A wider route, the default one for instance, is no back-up: what the tunnel is to protect would
		 * leave by it in the clear. */
		if (e->n == 0)
			choose(c, conf, &order[i], end - i, last_resort, e);
		n += e->n > 0;
		i = end;
	}
	return n;
}

/* ---- into the data plane --------------------------------------------------------------------- */

/* New ones first: where one takes another's place no packet is without a route. */
static int bring(const struct ctl_fib_entry *old, size_t n_old, const struct ctl_fib_entry *next,
		 size_t n_next, char *err, size_t err_len)
{
	char dst[PREFIX_STR];
	size_t o = 0;

	for (size_t i = 0; i < n_next; i++) {
		int rc;

		while (o < n_old && entry_cmp(&old[o], &next[i]) < 0)
			o++;
		if (o < n_old && entry_cmp(&old[o], &next[i]) == 0 && entry_same(&old[o], &next[i]))
			continue;
		rc = dp_route_set(&next[i].dst, next[i].hop, next[i].n);
		if (rc < 0) {
			snprintf(err, err_len, "route %s: %s", prefix_str(&next[i].dst, dst), strerror(-rc));
			return rc;
		}
	}
	o = 0;
	for (size_t i = 0; i < n_old; i++) {
		while (o < n_next && entry_cmp(&next[o], &old[i]) < 0)
			o++;
		if (o == n_next || entry_cmp(&next[o], &old[i]) != 0)
			dp_route_del(&old[i].dst);
	}
	return 0;
}

int ctl_apply_routes(struct ctl *c, const struct config *conf, char *err, size_t err_len)
{
	struct ctl_fib_entry *table = calloc(conf->n_routes + 1, sizeof(table[0]));
	uint32_t *order = calloc(conf->n_routes + 1, sizeof(order[0]));
	size_t n = 0;
	int rc = -ENOMEM;

	if (!table || !order) {
		snprintf(err, err_len, "out of memory");
		goto out;
	}
	n = build(c, conf, order, table);
	rc = bring(c->fib, c->n_fib, table, n, err, err_len);
	if (rc < 0)
		goto out;
	free(c->fib);
	c->fib = table;
	c->n_fib = n;
	table = NULL;
out:
	free(order);
	free(table);
	return rc;
}

static const struct ctl_fib_entry *entry_find(const struct ctl *c, const struct prefix *dst)
{
	const struct ctl_fib_entry want = {.dst = prefix_mask(*dst)};
	size_t lo = 0, hi = c->n_fib;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (entry_cmp(&c->fib[mid], &want) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < c->n_fib && entry_cmp(&c->fib[lo], &want) == 0 ? &c->fib[lo] : NULL;
}

bool ctl_route_active(const struct ctl *c, size_t i, unsigned *together)
{
	const struct cfg_route *r = &c->conf->routes[i];
	const struct ctl_fib_entry *e = entry_find(c, &r->dst);

	*together = e ? e->n : 0;
	for (unsigned k = 0; e && k < e->n; k++) {
		if (r->via.v ? addr_eq(&e->hop[k].via, &r->via)
			     : !e->hop[k].via.v &&
				       strcmp(ctl_interface_name(c, e->hop[k].ifindex), r->interface) == 0)
			return true;
	}
	return false;
}

static void refresh(struct ctl *c)
{
	char err[256] = "";

	if (c->conf && ctl_apply_routes(c, c->conf, err, sizeof(err)) < 0)
		log_event(LOG_SEV_HIGH, "general", "routing", "%s", err);
}

void ctl_link(struct ctl *c, const struct dp_link *l)
{
	for (size_t i = 0; i < c->n_interfaces; i++)
		if (c->interfaces[i].ifindex == l->ifindex)
			c->interfaces[i].link_down = !l->up;
	refresh(c);
}

void ctl_tunnel_if_state(struct ctl *c, const char *name, bool up)
{
	struct ctl_interface *f = ctl_interface_find(c, name);

	if (!f || f->monitor_down == !up)
		return;
	f->monitor_down = !up;
	log_event(LOG_SEV_MEDIUM, "general", name, "%s: tunnel interface is %s, its routes %s", name,
		  up ? "up" : "down", up ? "are back" : "give way to others of the same destination");
	refresh(c);
}
