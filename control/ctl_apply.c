/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration -> data plane and engine.  Start-up is a commit onto an empty box: both take the same
 * way, which touches only what differs, in the steps that the table at the end names.
 */
#include "ctl.h"
#include "ctl_plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "wire.h"

/* In this order. */
enum {
	STEP_INTERFACES,
	STEP_POLICIES,
	STEP_NUMBERS,
	STEP_REMOVE_GATEWAYS,
	STEP_SHRINK_GATEWAYS,
	STEP_GATEWAYS,
	STEP_ROUTES,
	STEP_RULES,
	STEP_MONITORS,
	STEP_OPTIONS,
	STEP_DELETE_POLICIES,
	STEP_TAKE_OVER,
	STEPS
};
enum { LOOK_AT_CLOCK = 8 };

struct ctl_apply {
	struct ctl *c;
	struct config *conf;
	struct ctl_plan plan;
	unsigned step;
	size_t at;          /* within the step */
	uint32_t *rule_ids; /* of conf->rules */
	char *err;
	size_t err_len;
};

/* A piece of a step: 1 when there are more of it, 0 when the step is done. */
typedef int piece_fn(struct ctl_apply *a);

/* ---- proxy-IDs ------------------------------------------------------------------------------- */

static int add_policy(struct ctl_apply *a)
{
	struct ctl_policy *p = &a->plan.table[a->at];
	int rc = 0;

	if (a->at >= a->plan.n)
		return 0;
	if (p->fresh) {
		p->number = ++a->c->next_number;
		rc = ctl_ifindex(a->c, p->tunnel->interface, &p->dp.tunnel_if);
		if (rc == 0)
			rc = dp_policy_add(&p->dp, &p->policy);
	}
	if (rc < 0) {
		snprintf(a->err, a->err_len, "ipsec-tunnel \"%s\": proxy-id \"%s\": %s", p->tunnel->name,
			 p->proxy->name, strerror(-rc));
		return rc;
	}
	a->at++;
	return 1;
}

/* It failed: those that were added go. */
static void take_back(struct ctl_apply *a)
{
	for (uint32_t i = 0; i < a->plan.n && (a->step > STEP_POLICIES || i < a->at); i++)
		if (a->plan.table[i].fresh)
			dp_policy_del(a->plan.table[i].policy);
}

static int set_options(struct ctl_apply *a)
{
	const struct ctl_policy *p = &a->plan.table[a->at];

	if (a->at >= a->plan.n)
		return 0;
	if (p->other_carry)
		dp_policy_options(p->policy, &p->tunnel->carry);
	a->at++;
	return 1;
}

/* Those only the old configuration has: the engine has let go of them. */
static int delete_policy(struct ctl_apply *a)
{
	if (a->at >= a->c->n_policies)
		return 0;
	if (!a->plan.kept[a->at])
		dp_policy_del(a->c->policies[a->at].policy);
	a->at++;
	return 1;
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

/* What the engine is to have of a gateway: of its proxy-IDs all, or those it had before. */
static int set_gateway(struct ctl_apply *a, size_t at, bool only_old)
{
	const struct plan_gateway *g = &a->plan.gateways[at];
	struct ike_gw_conf k = a->conf->gateways[at].ike;
	uint32_t n = 0, room = 0;
	int rc;

	for (uint32_t i = 0; i < g->n_tunnels; i++)
		room += a->conf->tunnels[g->tunnels[i]].n_proxy_ids;
	k.children = calloc(room ? room : 1, sizeof(*k.children));
	if (!k.children)
		return -ENOMEM;
	for (uint32_t i = 0; i < g->n_tunnels; i++) {
		const struct cfg_tunnel *t = &a->conf->tunnels[g->tunnels[i]];
		const struct ctl_policy *p = &a->plan.table[a->plan.first[g->tunnels[i]]];
		uint32_t step = t->combined ? t->n_proxy_ids : 1;

		for (uint32_t x = 0; x < t->n_proxy_ids; x += step)
			if (!only_old || (p[x].was && strcmp(p[x].was->gateway, t->gateway) == 0))
				k.children[n++] = child_of(a->conf, &p[x], step);
	}
	k.n_children = (uint16_t)n;
	rc = n > UINT16_MAX ? -E2BIG : ike_gateway_set(a->c->ike, &k, ctl_now());
	if (rc < 0)
		snprintf(a->err, a->err_len, "ike-gateway \"%s\": %s", k.name,
			 rc == -EINVAL ? "cannot be told apart from another gateway" : strerror(-rc));
	free(k.children);
	crypto_wipe(k.psk, sizeof(k.psk));
	return rc;
}

/* First those that are gone: a new gateway may take over their peer. */
static int remove_gateway(struct ctl_apply *a)
{
	const struct config *old = a->c->conf;
	const char *name;

	if (!old || a->at >= old->n_gateways)
		return 0;
	name = old->gateways[a->at].ike.name;
	if (!a->plan.stays[a->at])
		ike_gateway_remove(a->c->ike, name, ctl_now());
	a->at++;
	return 1;
}

static int shrink_gateway(struct ctl_apply *a)
{
	int rc = 0;

	if (a->at >= a->conf->n_gateways)
		return 0;
	if (a->plan.gateways[a->at].loses)
		rc = set_gateway(a, a->at, true);
	a->at++;
	return rc < 0 ? rc : 1;
}

static int apply_gateway(struct ctl_apply *a)
{
	int rc;

	if (a->at >= a->conf->n_gateways)
		return 0;
	if (a->plan.gateways[a->at].same)
		rc = ike_gateway_touch(a->c->ike, a->conf->gateways[a->at].ike.name, ctl_now());
	else
		rc = set_gateway(a, a->at, false);
	a->at++;
	return rc < 0 ? rc : 1;
}

/* ---- the whole ------------------------------------------------------------------------------- */

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
	/* Those that are about to go are still there for a while. */
	for (uint32_t i = 0; i < top; i++)
		leaders[i] = i;
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

static int apply_interfaces(struct ctl_apply *a)
{
	int rc = ctl_apply_interfaces(a->c, a->conf, a->err, a->err_len);

	if (rc == 0 && (rc = ctl_name_zones(a->c, a->conf)) < 0)
		snprintf(a->err, a->err_len, "zones: %s", strerror(-rc));
	return rc;
}

static int apply_numbers(struct ctl_apply *a)
{
	return apply_by_policy(a->c, a->plan.table, a->plan.n);
}

static int apply_routes(struct ctl_apply *a)
{
	return ctl_apply_routes(a->c, a->conf, a->err, a->err_len);
}

static int apply_rules(struct ctl_apply *a)
{
	int rc = ctl_apply_rules(a->c, a->conf, &a->rule_ids, a->err, a->err_len);

	return rc == 0 ? ctl_apply_zones(a->c, a->conf) : rc;
}

static int apply_monitors(struct ctl_apply *a)
{
	int rc = ctl_apply_monitors(a->c, a->conf);

	if (rc < 0)
		snprintf(a->err, a->err_len, "tunnel-monitor: %s", strerror(-rc));
	return rc;
}

/* From here on the new configuration is the one in force. */
static int take_over(struct ctl_apply *a)
{
	struct ctl *c = a->c;

	for (uint32_t i = 0; i < a->plan.n; i++) {
		a->plan.table[i].fresh = false;
		a->plan.table[i].was = NULL;
	}
	free(c->policies);
	c->policies = a->plan.table;
	c->n_policies = a->plan.n;
	a->plan.table = NULL;
	free(c->rule_ids);
	c->rule_ids = a->rule_ids;
	a->rule_ids = NULL;
	config_free(c->conf);
	c->conf = a->conf;
	apply_limits(c, a->conf);
	return 0;
}

static piece_fn *const steps[] = {
	[STEP_INTERFACES] = apply_interfaces,
	[STEP_POLICIES] = add_policy,
	[STEP_NUMBERS] = apply_numbers,
	[STEP_REMOVE_GATEWAYS] = remove_gateway,
	[STEP_SHRINK_GATEWAYS] = shrink_gateway,
	[STEP_GATEWAYS] = apply_gateway,
	[STEP_ROUTES] = apply_routes,
	[STEP_RULES] = apply_rules,
	[STEP_MONITORS] = apply_monitors,
	[STEP_OPTIONS] = set_options,
	[STEP_DELETE_POLICIES] = delete_policy,
	[STEP_TAKE_OVER] = take_over,
};

struct ctl_apply *ctl_apply_begin(struct ctl *c, struct config *conf, struct ctl_plan *plan)
{
	struct ctl_apply *a = calloc(1, sizeof(*a));

	if (!a) {
		plan_free(plan);
		return NULL;
	}
	a->c = c;
	a->conf = conf;
	a->plan = *plan;
	*plan = (struct ctl_plan){0};
	return a;
}

int ctl_apply_step(struct ctl_apply *a, uint64_t ns, bool *partly, char *err, size_t err_len)
{
	uint64_t end = ctl_now() + ns;
	int rc = 1;

	a->err = err;
	a->err_len = err_len;
	for (unsigned n = 0; rc >= 0 && a->step < STEPS; n++) {
		/* The clock is not asked for every one of the cheapest pieces. */
		if (n % LOOK_AT_CLOCK == 0 && n && ctl_now() > end)
			return -EAGAIN;
		rc = steps[a->step](a);
		if (rc == 0) {
			a->step++;
			a->at = 0;
		}
	}
	*partly = rc < 0 && a->step > STEP_POLICIES;
	if (rc < 0)
		take_back(a);
	ctl_apply_end(a);
	/* -EAGAIN tells the caller to go on with it. */
	return rc == -EAGAIN ? -EBUSY : rc < 0 ? rc : 0;
}

void ctl_apply_end(struct ctl_apply *a)
{
	if (a) {
		plan_free(&a->plan);
		free(a->rule_ids);
	}
	free(a);
}

int ctl_apply(struct ctl *c, struct config *conf, char *err, size_t err_len)
{
	struct ctl_plan plan;
	struct ctl_apply *a = NULL;
	int rc = plan_make(c, conf, &plan);
	bool partly;

	if (rc < 0)
		plan_free(&plan);
	else
		a = ctl_apply_begin(c, conf, &plan);
	if (!a) {
		snprintf(err, err_len, "out of memory");
		return -ENOMEM;
	}
	while ((rc = ctl_apply_step(a, UINT64_MAX / 2, &partly, err, err_len)) == -EAGAIN)
		;
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
