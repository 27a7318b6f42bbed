/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration -> data plane and engine.  Start-up is a commit onto an empty box: both take the same
 * way, which touches only what differs.
 */
#include "ctl.h"
#include "ctl_certs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal.h"
#include "log.h"
#include "wire.h"

/* ---- proxy-IDs ------------------------------------------------------------------------------- */

/* Finds the policy a proxy-ID already has, by what the data plane knows of it: a renamed proxy-ID keeps
 * its traffic. */
struct policy_index {
	const struct ctl_policy *p;
	bool kept;
	UT_hash_handle hh; /* by p->dp */
};

static int policy_wanted(struct ctl *c, const struct cfg_tunnel *t, const struct cfg_proxy_id *x,
			 struct dp_policy_conf *d)
{
	memset(d, 0, sizeof(*d)); /* it is a hash key: padding counts */
	d->local = prefix_mask(x->local);
	d->remote = prefix_mask(x->remote);
	d->proto = x->proto;
	d->local_port = x->local_port;
	d->remote_port = x->remote_port;
	d->local_port_hi = x->local_port_hi;
	d->remote_port_hi = x->remote_port_hi;
	d->transport = t->transport;
	return ctl_ifindex(c, t->interface, &d->tunnel_if);
}

static bool carry_eq(const struct dp_policy_options *a, const struct dp_policy_options *b)
{
	return a->mss == b->mss && a->df == b->df && a->dscp_fixed == b->dscp_fixed && a->dscp == b->dscp;
}

static int policy_make(struct ctl *c, struct policy_index *old, struct ctl_policy *p)
{
	struct policy_index *found;

	HASH_FIND(hh, old, &p->dp, sizeof(p->dp), found);
	if (found && !found->kept) {
		found->kept = true;
		p->number = found->p->number;
		p->policy = found->p->policy;
		p->other_carry = !carry_eq(&p->tunnel->carry, &found->p->tunnel->carry);
		return 0;
	}
	p->other_carry = true;
	p->number = ++c->next_number;
	p->fresh = true;
	return dp_policy_add(&p->dp, &p->policy);
}

/* The new table of policies; those only the old one has are deleted by the caller when the engine has
 * let go of them. */
static int make_policies(struct ctl *c, const struct config *conf, struct policy_index *old,
			 struct ctl_policy *table, uint32_t *n, char *err, size_t err_len)
{
	for (size_t i = 0; i < conf->n_tunnels; i++) {
		const struct cfg_tunnel *t = &conf->tunnels[i];

		for (uint32_t x = 0; x < t->n_proxy_ids; x++) {
			struct ctl_policy *p = &table[*n];
			int rc = policy_wanted(c, t, &t->proxy_ids[x], &p->dp);

			p->tunnel = t;
			p->proxy = &t->proxy_ids[x];
			if (rc == 0)
				rc = policy_make(c, old, p);
			if (rc < 0) {
				snprintf(err, err_len, "ipsec-tunnel \"%s\": proxy-id \"%s\": %s", t->name,
					 p->proxy->name, strerror(-rc));
				return rc;
			}
			(*n)++;
		}
	}
	return 0;
}

/* ---- gateways -------------------------------------------------------------------------------- */

static void selector_add(struct ts *list, uint8_t *n, struct ts one)
{
	for (uint8_t i = 0; i < *n; i++)
		if (ts_eq(&list[i], &one))
			return;
	list[(*n)++] = one; /* config_check.c counted them */
}

/* The Child SA of n proxy-IDs: of one, or of all that a tunnel has. */
static struct ike_child_conf child_of(const struct config *conf, const struct ctl_policy *p, uint32_t n)
{
	const struct cfg_ipsec_profile *prof = config_ipsec_profile(conf, p->tunnel->profile);
	const struct cfg_proxy_id *x = p->proxy;
	struct ike_child_conf k = {
		.tunnel_id = p->number,
		.policy = p->policy,
		.ts_policy = p->tunnel->ts_policy,
		.replay_window = p->tunnel->replay_window,
		.tfc_pad_to = p->tunnel->tfc_pad_to,
		.transport = p->tunnel->transport,
		.start = p->tunnel->start,
	};

	memcpy(k.tunnel, p->tunnel->name, sizeof(k.tunnel));
	if (!p->tunnel->combined)
		memcpy(k.proxy_id, x->name, sizeof(k.proxy_id));
	for (uint32_t i = 0; i < n; i++) {
		selector_add(k.local, &k.n_local,
			     ts_of_ports(&p[i].proxy->local, p[i].proxy->proto, p[i].proxy->local_port,
					 p[i].proxy->local_port_hi));
		selector_add(k.remote, &k.n_remote,
			     ts_of_ports(&p[i].proxy->remote, p[i].proxy->proto, p[i].proxy->remote_port,
					 p[i].proxy->remote_port_hi));
		if (i)
			k.more[k.n_more++] = p[i].policy;
	}
	if (prof) {
		k.esp = prof->algs;
		k.lifetime_s = prof->lifetime_s;
		k.life_bytes = prof->life_bytes;
		k.life_packets = prof->life_packets;
		k.esn = prof->esn;
	}
	return k;
}

/* The proxy-IDs of one gateway, gathered in a single pass over all of them. */
struct gateway_children {
	const char *gateway;
	struct ike_child_conf *child;
	uint32_t n, room;
	UT_hash_handle hh;
};

static void children_free(struct gateway_children *all)
{
	struct gateway_children *g = all, *next;

	/* The table goes at once; its elements stay strung together. */
	HASH_CLEAR(hh, all);
	for (; g; g = next) {
		next = g->hh.next;
		free(g->child);
		free(g);
	}
}

static int children_add(struct gateway_children **all, const char *gateway,
			const struct ike_child_conf *child)
{
	struct gateway_children *g;

	HASH_FIND_STR(*all, gateway, g);
	if (!g) {
		g = calloc(1, sizeof(*g));
		if (!g)
			return -ENOMEM;
		g->gateway = gateway;
		HASH_ADD_KEYPTR(hh, *all, g->gateway, strlen(g->gateway), g);
	}
	if (g->n == g->room) {
		uint32_t room = g->room ? g->room * 2 : 4;
		void *more = reallocarray(g->child, room, sizeof(*g->child));

		if (!more)
			return -ENOMEM;
		g->child = more;
		g->room = room;
	}
	g->child[g->n++] = *child;
	return 0;
}

static int gather_children(const struct config *conf, const struct ctl_policy *table, uint32_t n,
			   struct gateway_children **all)
{
	for (uint32_t i = 0, step; i < n; i += step) {
		struct ike_child_conf child;
		int rc;

		step = table[i].tunnel->combined ? table[i].tunnel->n_proxy_ids : 1;
		child = child_of(conf, &table[i], step);
		rc = children_add(all, table[i].tunnel->gateway, &child);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int apply_gateway(struct ctl *c, const struct cfg_gateway *g, struct gateway_children *all)
{
	struct ike_gw_conf k = g->ike;
	struct gateway_children *mine;
	int rc;

	HASH_FIND_STR(all, k.name, mine);
	if (mine && mine->n > UINT16_MAX)
		return -E2BIG;
	k.n_children = mine ? (uint16_t)mine->n : 0;
	k.children = mine ? mine->child : NULL;
	rc = ike_gateway_set(c->ike, &k, ctl_now());
	crypto_wipe(k.psk, sizeof(k.psk));
	return rc;
}

static bool gateway_in(const struct config *conf, const char *name)
{
	for (size_t i = 0; i < conf->n_gateways; i++)
		if (strcmp(conf->gateways[i].ike.name, name) == 0)
			return true;
	return false;
}

static int apply_gateways(struct ctl *c, const struct config *conf, const struct ctl_policy *table,
			  uint32_t n, char *err, size_t err_len)
{
	struct gateway_children *all = NULL;
	int rc = gather_children(conf, table, n, &all);

	if (rc < 0)
		snprintf(err, err_len, "%s", strerror(-rc));
	/* Removed ones first: a new gateway may take over their peer. */
	for (size_t i = 0; rc == 0 && c->conf && i < c->conf->n_gateways; i++)
		if (!gateway_in(conf, c->conf->gateways[i].ike.name))
			ike_gateway_remove(c->ike, c->conf->gateways[i].ike.name, ctl_now());
	for (size_t i = 0; rc == 0 && i < conf->n_gateways; i++) {
		rc = apply_gateway(c, &conf->gateways[i], all);
		if (rc < 0)
			snprintf(err, err_len, "ike-gateway \"%s\": %s", conf->gateways[i].ike.name,
				 rc == -EINVAL ? "cannot be told apart from another gateway" : strerror(-rc));
	}
	children_free(all);
	return rc;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static uint32_t count_proxy_ids(const struct config *conf)
{
	uint32_t n = 0;

	for (size_t i = 0; i < conf->n_tunnels; i++)
		n += conf->tunnels[i].n_proxy_ids;
	return n;
}

/* What is looked up by the number of a policy: whose Child SA serves it (with proxy-id-mode = "combined" that of the
 * tunnel's first), and how many dummies it sends. */
static int apply_by_policy(struct ctl *c, const struct ctl_policy *table, uint32_t n)
{
	uint32_t top = 1, *leaders;
	uint16_t *rates = NULL;
	bool dummies = false;

	for (uint32_t i = 0; i < n; i++) {
		top = table[i].policy >= top ? table[i].policy + 1 : top;
		dummies |= table[i].tunnel->dummy_rate > 0;
	}
	leaders = calloc(top, sizeof(*leaders));
	if (dummies)
		rates = calloc(top, sizeof(*rates));
	if (!leaders || (dummies && !rates)) {
		free(leaders);
		free(rates);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++) {
		bool follows = i && table[i].tunnel->combined && table[i - 1].tunnel == table[i].tunnel;

		leaders[table[i].policy] = follows ? leaders[table[i - 1].policy] : table[i].policy;
		if (rates)
			rates[table[i].policy] = table[i].tunnel->dummy_rate;
	}
	free(c->leaders);
	free(c->dummy_rates);
	c->leaders = leaders;
	c->dummy_rates = rates;
	c->n_leaders = top;
	return 0;
}

static void apply_limits(struct ctl *c, const struct config *conf)
{
	struct ike_tuning t = *ike_tuning(c->ike);

	t.cookie_threshold = conf->limits.cookie_threshold;
	t.half_open_max = conf->limits.half_open_max;
	t.half_open_source = conf->limits.half_open_source;
	t.starts_max = conf->limits.starts_max;
	ike_tune(c->ike, &t);
}

int ctl_apply(struct ctl *c, struct config *conf, char *err, size_t err_len)
{
	uint32_t n = 0, room = count_proxy_ids(conf);
	struct ctl_policy *table = calloc(room ? room : 1, sizeof(*table));
	struct policy_index *slots = calloc(c->n_policies ? c->n_policies : 1, sizeof(*slots)), *old = NULL;
	int rc = -ENOMEM;

	if (!table || !slots) {
		snprintf(err, err_len, "out of memory");
		goto out;
	}
	for (uint32_t i = 0; i < c->n_policies; i++) {
		slots[i].p = &c->policies[i];
		HASH_ADD_KEYPTR(hh, old, &slots[i].p->dp, sizeof(slots[i].p->dp), &slots[i]);
	}
	rc = ctl_apply_interfaces(c, conf, err, err_len);
	if (rc == 0 && (rc = ctl_name_zones(c, conf)) < 0)
		snprintf(err, err_len, "zones: %s", strerror(-rc));
	if (rc == 0)
		rc = make_policies(c, conf, old, table, &n, err, err_len);
	if (rc == 0)
		rc = apply_by_policy(c, table, n);
	if (rc == 0)
		rc = apply_gateways(c, conf, table, n, err, err_len);
	if (rc == 0)
		rc = ctl_apply_routes(c, conf, err, err_len);
	if (rc == 0)
		rc = ctl_apply_rules(c, conf, err, err_len);
	if (rc == 0)
		rc = ctl_apply_zones(c, conf);
	if (rc == 0 && (rc = ctl_apply_monitors(c, conf)) < 0)
		snprintf(err, err_len, "tunnel-monitor: %s", strerror(-rc));
	if (rc < 0) {
		for (uint32_t i = 0; i < n; i++)
			if (table[i].fresh)
				dp_policy_del(table[i].policy);
		goto out;
	}
	for (uint32_t i = 0; i < n; i++) {
		table[i].fresh = false;
		if (table[i].other_carry)
			dp_policy_options(table[i].policy, &table[i].tunnel->carry);
	}
	for (uint32_t i = 0; i < c->n_policies; i++)
		if (!slots[i].kept)
			dp_policy_del(c->policies[i].policy);
	free(c->policies);
	c->policies = table;
	c->n_policies = n;
	config_free(c->conf);
	c->conf = conf;
	apply_limits(c, conf);
	table = NULL;
out:
	HASH_CLEAR(hh, old);
	free(slots);
	free(table);
	return rc;
}

/* Parts of configurations, which are made of zeroed memory: padding is alike. */
static bool same(const void *a, const void *b, size_t n)
{
	return memcmp(a, b, n) == 0;
}

/* What a running process cannot change: ports, workers, memory. */
static bool needs_restart(const struct ctl *c, const struct config *next, char *what, size_t cap)
{
	if (!same(&c->conf->sys, &next->sys, sizeof(next->sys))) {
		snprintf(what, cap, "section system differs");
		return true;
	}
	return ctl_interfaces_need_restart(c, next, what, cap);
}

int ctl_commit(struct ctl *c, config_say_fn *say, void *arg)
{
	struct config *next = config_load(c->conf_path, say, arg);
	char err[512] = "", what[128];
	int rc;

	if (!next)
		return -EINVAL;
	rc = ctl_check(next, say, arg) ? -EINVAL : 0;
	if (needs_restart(c, next, what, sizeof(what))) {
		snprintf(
			err, sizeof(err),
			"%s: %s, which takes a restart: a commit changes tunnel interfaces, zones, routes, rules, "
			"profiles, gateways and tunnels; nothing was applied",
			c->conf_path, what);
		say(arg, false, err);
		rc = -EBUSY;
	}
	if (rc == 0) {
		rc = ctl_apply(c, next, err, sizeof(err));
		if (rc < 0)
			say(arg, false, err);
		else
			ctl_certs_watch(c);
		if (rc == 0)
			journal_note(c->journal, &(struct journal_entry){.kind = JOURNAL_COMMIT,
									 .by = JOURNAL_OPERATOR,
									 .first = ctl_wall_ms(),
									 .text = "configuration committed"});
	}
	if (rc < 0)
		config_free(next);
	ctl_ike_rearm(c);
	return rc;
}

void ctl_apply_fini(struct ctl *c)
{
	config_free(c->conf);
	free(c->policies);
	free(c->interfaces);
	free(c->zones);
	free(c->rule_ids);
	free(c->monitors);
	free(c->fib);
	c->monitors = NULL;
	c->fib = NULL;
	c->n_monitors = 0;
	free(c->leaders);
	free(c->dummy_rates);
	c->leaders = NULL;
	c->dummy_rates = NULL;
	c->n_leaders = 0;
	c->rule_ids = NULL;
	c->conf = NULL;
	c->policies = NULL;
	c->interfaces = NULL;
	c->zones = NULL;
}
