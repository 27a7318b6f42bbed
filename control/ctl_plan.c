/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

/* Something with a name, and its place in its list. */
struct named {
	const char *name;
	uint32_t at;
	UT_hash_handle hh;
};

/* An index by name, made of a list whose elements begin with their names. */
struct index {
	struct named *slots, *by_name;
};

static int index_make(struct index *x, const void *list, size_t n, size_t size, size_t name_at)
{
	x->by_name = NULL;
	x->slots = calloc(n ? n : 1, sizeof(*x->slots));
	if (!x->slots)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct named *s = &x->slots[i];

		s->name = (const char *)list + i * size + name_at;
		s->at = (uint32_t)i;
		HASH_ADD_KEYPTR(hh, x->by_name, s->name, strlen(s->name), s);
	}
	return 0;
}

static const struct named *index_find(const struct index *x, const char *name)
{
	struct named *s;

	HASH_FIND_STR(x->by_name, name, s);
	return s;
}

static void index_free(struct index *x)
{
	HASH_CLEAR(hh, x->by_name);
	free(x->slots);
}

/* ---- proxy-IDs ------------------------------------------------------------------------------------- */

/* A policy in force, found by what the data plane knows of it: a renamed proxy-ID keeps its traffic. */
struct in_force {
	const struct ctl_policy *p;
	UT_hash_handle hh; /* by p->dp */
};

static struct dp_policy_conf wanted(const struct cfg_tunnel *t, const struct cfg_proxy_id *x)
{
	struct dp_policy_conf d;

	memset(&d, 0, sizeof(d)); /* it is a hash key: padding counts */
	d.local = prefix_mask(x->local);
	d.remote = prefix_mask(x->remote);
	d.proto = x->proto;
	d.local_port = x->local_port;
	d.remote_port = x->remote_port;
	d.local_port_hi = x->local_port_hi;
	d.remote_port_hi = x->remote_port_hi;
	d.transport = t->transport;
	return d;
}

static bool carry_eq(const struct dp_policy_options *a, const struct dp_policy_options *b)
{
	return a->mss == b->mss && a->df == b->df && a->dscp_fixed == b->dscp_fixed && a->dscp == b->dscp;
}

static void match(const struct ctl *c, const struct in_force *all, struct ctl_plan *plan,
		  struct ctl_policy *p)
{
	struct in_force *found;

	HASH_FIND(hh, all, &p->dp, sizeof(p->dp), found);
	p->fresh = p->other_carry = true;
	if (!found || plan->kept[found->p - c->policies])
		return;
	plan->kept[found->p - c->policies] = true;
	p->fresh = false;
	p->number = found->p->number;
	p->policy = found->p->policy;
	p->was = found->p->tunnel;
	p->other_carry = !carry_eq(&p->tunnel->carry, &p->was->carry);
}

static int make_table(const struct ctl *c, const struct index *interfaces, struct ctl_plan *plan)
{
	const struct config *conf = plan->conf;
	struct in_force *slots = calloc(c->n_policies ? c->n_policies : 1, sizeof(*slots)), *all = NULL;

	if (!slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->n_policies; i++) {
		slots[i].p = &c->policies[i];
		HASH_ADD_KEYPTR(hh, all, &slots[i].p->dp, sizeof(slots[i].p->dp), &slots[i]);
	}
	for (size_t i = 0; i < conf->n_tunnels; i++) {
		const struct cfg_tunnel *t = &conf->tunnels[i];
		const struct named *f = index_find(interfaces, t->interface);

		plan->first[i] = plan->n;
		for (uint32_t x = 0; x < t->n_proxy_ids; x++) {
			struct ctl_policy *p = &plan->table[plan->n++];

			p->tunnel = t;
			p->proxy = &t->proxy_ids[x];
			p->dp = wanted(t, p->proxy);
			p->fresh = p->other_carry = true;
			if (!f)
				continue; /* a new interface: so is what goes into it */
			p->dp.tunnel_if = c->interfaces[f->at].ifindex;
			match(c, all, plan, p);
		}
	}
	HASH_CLEAR(hh, all);
	free(slots);
	return 0;
}

/* ---- gateways ---------------------------------------------------------------------------------------- */

/* Each gateway's tunnels.  *owners is what the lists are made of. */
static int list_tunnels(const struct config *conf, const struct index *gateways, struct plan_gateway **list,
			uint32_t **owners)
{
	size_t n = conf->n_tunnels, at = 0;
	uint32_t *whose = malloc((n ? n : 1) * sizeof(*whose));

	*list = calloc(conf->n_gateways ? conf->n_gateways : 1, sizeof(**list));
	*owners = malloc((n ? n : 1) * sizeof(**owners));
	if (!whose || !*list || !*owners) {
		free(whose);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		/* config_links.c has seen that it is there. */
		whose[i] = index_find(gateways, conf->tunnels[i].gateway)->at;
		(*list)[whose[i]].n_tunnels++;
	}
	for (size_t g = 0; g < conf->n_gateways; g++) {
		struct plan_gateway *x = &(*list)[g];

		x->tunnels = *owners + at;
		at += x->n_tunnels;
		x->n_tunnels = 0;
	}
	for (size_t i = 0; i < n; i++) {
		struct plan_gateway *x = &(*list)[whose[i]];

		x->tunnels[x->n_tunnels++] = (uint32_t)i;
	}
	free(whose);
	return 0;
}

/* Parts of configurations, which are made of zeroed memory: padding is alike. */
static bool alike(const void *a, const void *b, size_t n)
{
	return memcmp(a, b, n) == 0;
}

static bool same_tunnel(const struct ctl *c, const struct ctl_plan *plan, uint32_t new, uint32_t old)
{
	const struct cfg_tunnel *b = &c->conf->tunnels[old];
	const struct cfg_ipsec_profile *p, *q;
	struct cfg_tunnel a;

	memcpy(&a, &plan->conf->tunnels[new], sizeof(a)); /* padding and all */
	p = config_ipsec_profile(plan->conf, a.profile);
	q = config_ipsec_profile(c->conf, b->profile);
	a.id = b->id;
	a.proxy_ids = b->proxy_ids;
	if (!alike(&a, b, sizeof(a)) || !p != !q || (p && !alike(p, q, sizeof(*p))) ||
	    !alike(plan->conf->tunnels[new].proxy_ids, b->proxy_ids, a.n_proxy_ids * sizeof(a.proxy_ids[0])))
		return false;
	for (uint32_t i = 0; i < a.n_proxy_ids; i++)
		if (plan->table[plan->first[new] + i].was != b)
			return false;
	return true;
}

/* One with certificates is never the same: they have been read anew, and the engine compares them. */
static bool same_gateway(const struct cfg_gateway *new, const struct cfg_gateway *old)
{
	return !new->certificate[0] && !new->cert_profile[0] && alike(new, old, sizeof(*new));
}

static bool same_tunnels(const struct ctl *c, const struct ctl_plan *plan, const struct plan_gateway *new,
			 const struct plan_gateway *old)
{
	if (new->n_tunnels != old->n_tunnels)
		return false;
	for (uint32_t i = 0; i < new->n_tunnels; i++)
		if (!same_tunnel(c, plan, new->tunnels[i], old->tunnels[i]))
			return false;
	return true;
}

/* Whose proxy-IDs go on elsewhere has to let go of them first. */
static void find_losers(struct ctl_plan *plan, const struct index *gateways)
{
	for (uint32_t i = 0; i < plan->n; i++) {
		const struct ctl_policy *p = &plan->table[i];
		const struct named *g;

		if (!p->was || strcmp(p->was->gateway, p->tunnel->gateway) == 0)
			continue;
		g = index_find(gateways, p->was->gateway);
		if (g)
			plan->gateways[g->at].loses = true;
	}
}

static int compare(const struct ctl *c, struct ctl_plan *plan, const struct index *gateways)
{
	struct index before = {0};
	struct plan_gateway *old = NULL;
	uint32_t *owners = NULL;
	int rc = 0;

	plan->n_changed = plan->conf->n_gateways;
	if (!c->conf)
		return 0;
	plan->stays = calloc(c->conf->n_gateways ? c->conf->n_gateways : 1, sizeof(*plan->stays));
	if (!plan->stays)
		return -ENOMEM;
	rc = index_make(&before, c->conf->gateways, c->conf->n_gateways, sizeof(c->conf->gateways[0]),
			offsetof(struct cfg_gateway, ike.name));
	if (rc == 0)
		rc = list_tunnels(c->conf, &before, &old, &owners);
	for (size_t i = 0; rc == 0 && i < plan->conf->n_gateways; i++) {
		const struct cfg_gateway *g = &plan->conf->gateways[i];
		const struct named *x = index_find(&before, g->ike.name);

		if (!x)
			continue;
		plan->stays[x->at] = true;
		plan->gateways[i].same = same_gateway(g, &c->conf->gateways[x->at]) &&
					 same_tunnels(c, plan, &plan->gateways[i], &old[x->at]);
		plan->n_changed -= plan->gateways[i].same;
	}
	find_losers(plan, gateways);
	index_free(&before);
	free(old);
	free(owners);
	return rc;
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

static uint32_t count_proxy_ids(const struct config *conf)
{
	uint32_t n = 0;

	for (size_t i = 0; i < conf->n_tunnels; i++)
		n += conf->tunnels[i].n_proxy_ids;
	return n;
}

int plan_make(const struct ctl *c, const struct config *conf, struct ctl_plan *p)
{
	uint32_t room = count_proxy_ids(conf);
	struct index interfaces = {0}, gateways = {0};
	int rc;

	*p = (struct ctl_plan){
		.conf = conf,
		.table = calloc(room ? room : 1, sizeof(*p->table)),
		.first = calloc(conf->n_tunnels ? conf->n_tunnels : 1, sizeof(*p->first)),
		.kept = calloc(c->n_policies ? c->n_policies : 1, sizeof(*p->kept)),
	};
	rc = p->table && p->first && p->kept ? 0 : -ENOMEM;
	if (rc == 0)
		rc = index_make(&interfaces, c->interfaces, c->n_interfaces, sizeof(c->interfaces[0]),
				offsetof(struct ctl_interface, name));
	if (rc == 0)
		rc = index_make(&gateways, conf->gateways, conf->n_gateways, sizeof(conf->gateways[0]),
				offsetof(struct cfg_gateway, ike.name));
	if (rc == 0)
		rc = make_table(c, &interfaces, p);
	if (rc == 0)
		rc = list_tunnels(conf, &gateways, &p->gateways, &p->owners);
	if (rc == 0)
		rc = compare(c, p, &gateways);
	index_free(&interfaces);
	index_free(&gateways);
	return rc;
}

void plan_free(struct ctl_plan *p)
{
	free(p->table);
	free(p->first);
	free(p->kept);
	free(p->stays);
	free(p->gateways);
	free(p->owners);
	*p = (struct ctl_plan){0};
}
