/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proxy-IDs that say the same, or meet.  Equal ones on a tunnel interface, or below a gateway, are errors:
 * nobody could tell which of the two a packet, or a peer's proposal, belongs to.  Those that merely meet
 * are sound (most specific wins, then the first), and worth a warning.
 */
#include "config_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One proxy-ID, and where it stands. */
struct pid {
	const struct cfg_proxy_id *p;
	const char *scope; /* name of the tunnel interface, or of the gateway */
	uint32_t tunnel, pos;
	struct ts local, remote;
};

/* Comparisons and warnings spent on overlaps, at most: they are advice, and a file may hold 100,000. */
enum { COMPARISONS_MAX = 5000000, WARNINGS_MAX = 20 };

static int pid_cmp(const void *a, const void *b)
{
	const struct pid *x = a, *y = b;
	int c = strcmp(x->scope, y->scope);

	if (!c)
		c = addr_cmp(&x->local.lo, &y->local.lo);
	if (!c)
		c = (int)x->p->local.len - (int)y->p->local.len;
	if (!c)
		c = addr_cmp(&x->remote.lo, &y->remote.lo);
	if (!c)
		c = (int)x->p->remote.len - (int)y->p->remote.len;
	if (!c)
		c = (int)x->p->proto - (int)y->p->proto;
	if (!c)
		c = (int)x->p->local_port - (int)y->p->local_port;
	if (!c)
		c = (int)x->p->remote_port - (int)y->p->remote_port;
	if (!c)
		c = (int)x->p->local_port_hi - (int)y->p->local_port_hi;
	if (!c)
		c = (int)x->p->remote_port_hi - (int)y->p->remote_port_hi;
	return c;
}

/* As pid_cmp, and the file's order where that says equal. */
static int pid_order(const void *a, const void *b)
{
	const struct pid *x = a, *y = b;
	int c = pid_cmp(a, b);

	if (!c)
		c = x->tunnel < y->tunnel ? -1 : x->tunnel > y->tunnel;
	return c ? c : x->pos < y->pos ? -1 : x->pos > y->pos;
}

static struct pid *collect(const struct config *c, bool by_gateway, size_t *n)
{
	struct pid *list;
	size_t total = 0;

	*n = 0;
	for (size_t i = 0; i < c->n_tunnels; i++)
		total += c->tunnels[i].n_proxy_ids;
	list = calloc(total ? total : 1, sizeof(list[0]));
	if (!list)
		return NULL;
	for (size_t i = 0; i < c->n_tunnels; i++) {
		const struct cfg_tunnel *t = &c->tunnels[i];

		for (uint32_t x = 0; x < t->n_proxy_ids; x++) {
			const struct cfg_proxy_id *p = &t->proxy_ids[x];
			const char *scope = by_gateway ? t->gateway : t->interface;

			if (!scope[0] || !p->local.a.v || p->local.a.v != p->remote.a.v)
				continue; /* complained about already */
			list[(*n)++] = (struct pid){
				.p = p,
				.scope = scope,
				.tunnel = (uint32_t)i,
				.pos = x,
				.local = ts_of_ports(&p->local, p->proto, p->local_port, p->local_port_hi),
				.remote = ts_of_ports(&p->remote, p->proto, p->remote_port,
						      p->remote_port_hi),
			};
		}
	}
	qsort(list, *n, sizeof(list[0]), pid_order);
	return list;
}

static struct cfg_obj object(struct cfg_load *l, const struct pid *x, char *kind, size_t cap)
{
	const struct cfg_tunnel *t = &l->conf->tunnels[x->tunnel];
	const config_setting_t *tun = l->src.tunnels[x->tunnel];
	const config_setting_t *m = config_setting_get_member(tun, "proxy-ids");
	struct cfg_obj o = {.l = l, .kind = kind};

	/* Without proxy-ids the any-to-any one stands for the tunnel. */
	if (m && (int)x->pos < config_setting_length(m)) {
		snprintf(kind, cap, "ipsec-tunnel \"%s\": proxy-id", t->name);
		memcpy(o.name, x->p->name, sizeof(o.name));
		o.s = config_setting_get_elem(m, x->pos);
	} else {
		snprintf(kind, cap, "ipsec-tunnel");
		memcpy(o.name, t->name, sizeof(o.name));
		o.s = tun;
	}
	return o;
}

/* "\"TUNNEL:PROXY\"", or the tunnel alone */
static const char *name_of(const struct cfg_load *l, const struct pid *x, char *buf, size_t cap)
{
	snprintf(buf, cap, "\"%s%s%s\"", l->conf->tunnels[x->tunnel].name, x->p->name[0] ? ":" : "",
		 x->p->name);
	return buf;
}

static void say_equal(struct cfg_load *l, const struct pid *first, const struct pid *second, bool by_gateway)
{
	char kind[CFG_KIND], other[2 * CFG_NAME + 8];
	struct cfg_obj o = object(l, second, kind, sizeof(kind));

	cfg_error(
		&o, NULL, NULL,
		"the same local, remote, protocol and ports as %s of the same %s \"%s\"; allowed: proxy-IDs that "
		"differ%s",
		name_of(l, first, other, sizeof(other)), by_gateway ? "ike-gateway" : "tunnel-interface",
		first->scope,
		second->p->name[0] ? "" : " (without proxy-ids a tunnel has 0.0.0.0/0 both ways)");
}

static bool within(const struct pid *a, const struct pid *b)
{
	return ts_within(&a->local, &b->local) && ts_within(&a->remote, &b->remote);
}

static bool meet(const struct pid *a, const struct pid *b)
{
	struct ts common;

	return ts_intersect(&a->local, &b->local, &common) && ts_intersect(&a->remote, &b->remote, &common);
}

static void say_overlap(struct cfg_load *l, const struct pid *a, const struct pid *b)
{
	bool a_first = a->tunnel != b->tunnel ? a->tunnel < b->tunnel : a->pos < b->pos;
	const struct pid *first = a_first ? a : b, *second = a_first ? b : a;
	char kind[CFG_KIND], other[2 * CFG_NAME + 8];
	struct cfg_obj o = object(l, second, kind, sizeof(kind));

	name_of(l, first, other, sizeof(other));
	if (within(second, first))
		cfg_warn(&o, NULL, NULL, "lies inside %s and takes its part of the traffic", other);
	else if (within(first, second))
		cfg_warn(&o, NULL, NULL, "contains %s, which takes its part of the traffic", other);
	else
		cfg_warn(&o, NULL, NULL,
			 "overlaps %s; where both match, the more specific wins, then the first", other);
}

/* Sorted by local address, those whose local ends before another's begins cannot meet it. */
static void check_meeting(struct cfg_load *l, const struct pid *list, size_t n)
{
	unsigned warned = 0, compared = 0;

	for (size_t i = 0; i < n; i++) {
		for (size_t j = i + 1; j < n && strcmp(list[i].scope, list[j].scope) == 0 &&
				       addr_cmp(&list[j].local.lo, &list[i].local.hi) <= 0;
		     j++) {
			if (++compared > COMPARISONS_MAX || warned == WARNINGS_MAX)
				return;
			if (pid_cmp(&list[i], &list[j]) == 0 || !meet(&list[i], &list[j]))
				continue;
			say_overlap(l, &list[i], &list[j]);
			warned++;
		}
	}
}

void cfg_check_overlaps(struct cfg_load *l)
{
	for (int by_gateway = 0; by_gateway < 2; by_gateway++) {
		size_t n;
		struct pid *list = collect(l->conf, by_gateway, &n);

		if (!list) {
			cfg_out_of_memory(l);
			return;
		}
		for (size_t i = 1; i < n; i++) {
			/* What is equal on one interface and one gateway is told once. */
			if (pid_cmp(&list[i - 1], &list[i]) == 0 &&
			    !(by_gateway && strcmp(l->conf->tunnels[list[i].tunnel].interface,
						   l->conf->tunnels[list[i - 1].tunnel].interface) == 0))
				say_equal(l, &list[i - 1], &list[i], by_gateway);
		}
		if (!by_gateway)
			check_meeting(l, list, n);
		free(list);
	}
}
