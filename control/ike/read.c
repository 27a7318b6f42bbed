/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator is shown. */
#include <string.h>

#include "child.h"
#include "fsm.h"
#include "reauth.h"
#include "xchg.h"

static unsigned children_up(const struct ike_sa *sa)
{
	const struct child_sa *c;
	unsigned n = 0;

	DL_FOREACH (sa->children, c)
		n += c->state == CHILD_MATURE || c->state == CHILD_REPLACED;
	return n;
}

static void sa_read(const struct ike_sa *sa, struct ike_sa_info *i)
{
	*i = (struct ike_sa_info){
		.gateway = sa->gw ? sa->gw->conf.name : "",
		.gateway_id = sa->gw ? sa->gw->conf.id : 0,
		.serial = sa->serial,
		.local = sa->local,
		.remote = sa->remote,
		.role = sa->role,
		.state = sa_state_str(sa->state),
		.established = sa->state == SA_UP,
		.spi_i = sa_spi_i(sa),
		.spi_r = sa_spi_r(sa),
		.suite = sa->suite,
		.created = sa->created,
		.established_at = sa->established_at,
		.expires = sa->expires,
		.rekey_at = sa->rekey_at,
		.retransmits = sa->retransmits,
		.ppk = sa->ppk ? sa->gw->conf.ppk_id : "",
		.rekeys = sa->rekeys,
		.reauth = sa->gw && reauth_due(sa),
		.n_children = children_up(sa),
		.remote_id = sa->id_remote,
		.auth_local = sa->auth_local,
		.auth_remote = sa->auth_remote,
		.certificate = sa->cert,
		.nat_local = sa->nat_local,
		.nat_remote = sa->nat_remote,
		.udp_encap = sa->udp_encap,
		.msgid_out = sa->msgid_out,
		.msgid_in = sa->msgid_in,
		.last_heard = sa->last_heard,
	};
	if (sa->gw)
		gw_local_id(sa->gw, &sa->local.a, &i->local_id);
}

void ike_each_sa(struct ike *k, bool (*cb)(void *arg, const struct ike_sa_info *i), void *arg)
{
	ike_each_sa_after(k, NULL, 0, 0, cb, arg);
}

static const struct ike_sa *sa_next(const struct ike_sa *sa, const struct gw *of)
{
	return of ? sa->next : sa->hh.next;
}

void ike_each_sa_after(struct ike *k, const char *gateway, uint64_t spi_own, uint32_t serial,
		       bool (*cb)(void *arg, const struct ike_sa_info *i), void *arg)
{
	const struct gw *of = gateway ? gw_find(k, gateway) : NULL;
	const struct ike_sa *last = spi_own ? sa_find(k, spi_own) : NULL, *sa;
	struct ike_sa_info i;

	if (gateway && !of)
		return;
	if (last && last->serial == serial && (!of || last->gw == of))
		sa = sa_next(last, of);
	else /* it has gone, or is another's: both lists are in the order of serial numbers, or nearly so */
		for (sa = of ? of->sas : k->sas; sa && sa->serial <= serial; sa = sa_next(sa, of))
			;
	for (; sa; sa = sa_next(sa, of)) {
		if (!sa_shown(sa->state))
			continue;
		sa_read(sa, &i);
		if (!cb(arg, &i))
			return;
	}
}

static const char *const child_states[] = {[CHILD_MATURE] = "Mature",
					   [CHILD_REPLACED] = "Dying",
					   [CHILD_DELETING] = "Dying",
					   [CHILD_GONE] = "Dying"};

static void child_read(const struct child_sa *c, struct ike_child_info *i)
{
	struct ike_child_sa v;

	child_view(c, &v);
	*i = (struct ike_child_info){
		.gateway = c->slot->gw->conf.name,
		.tunnel = c->slot->conf->tunnel,
		.proxy_id = c->slot->conf->proxy_id,
		.gateway_id = c->slot->gw->conf.id,
		.tunnel_id = c->slot->conf->tunnel_id,
		.policy = c->slot->policy,
		.id = c->id,
		.parent_serial = c->sa->serial,
		.msgid = c->msgid,
		.local = v.local,
		.remote = v.remote,
		.role = c->role,
		.state = child_states[c->state],
		.spi_in = c->spi_in,
		.spi_out = c->spi_out,
		.suite = c->suite,
		.ts_local = v.ts_local,
		.ts_remote = v.ts_remote,
		.created = c->created,
		.expires = c->expires,
		.rekey_at = c->rekey_at,
		.lifetime_s = c->lifetime_s,
		.life_bytes = c->life_bytes,
		.life_packets = c->life_packets,
		.udp_encap = v.udp_encap,
		.no_tfc = v.no_tfc,
		.transport = v.transport,
		.host = c->host,
	};
}

/* The table is in the order of ids. */
static const struct child_sa *child_behind(struct ike *k, uint32_t spi_in, uint32_t id)
{
	const struct child_sa *c = child_find(k, spi_in);

	if (!c || c->id != id)
		for (c = k->children; c && c->id <= id; c = c->hh.next)
			;
	else
		c = c->hh.next;
	return c;
}

void ike_each_child(struct ike *k, bool (*cb)(void *arg, const struct ike_child_info *i), void *arg)
{
	ike_each_child_after(k, 0, 0, cb, arg);
}

void ike_each_child_after(struct ike *k, uint32_t spi_in, uint32_t id,
			  bool (*cb)(void *arg, const struct ike_child_info *i), void *arg)
{
	struct ike_child_info i;

	for (const struct child_sa *c = child_behind(k, spi_in, id); c; c = c->hh.next) {
		/* Deleted here, the peer's answer is still out: nothing of it is left to show. */
		if (!c->in_dp)
			continue;
		child_read(c, &i);
		if (!cb(arg, &i))
			return;
	}
}

void ike_starts(const struct ike *k, uint32_t *out, uint32_t *max, uint32_t *in_line)
{
	*out = k->pace.out;
	*max = k->tune.starts_max;
	*in_line = k->pace.waiting;
}

uint32_t ike_half_open(const struct ike *k)
{
	return k->n_half_open;
}

void ike_count(const struct ike *k, uint32_t *sas, uint32_t *children)
{
	*sas = k->n_shown;
	*children = k->n_installed;
}

static const struct ike_reason never;

static const struct ike_reason *last_of(const struct reason_log *l)
{
	const struct ike_reason *r = reason_log_last(l);

	return r ? r : &never;
}

static void gateway_read(const struct gw *gw, struct ike_gw_info *i)
{
	const struct ike_sa *sa;

	*i = (struct ike_gw_info){
		.conf = &gw->conf,
		.last_failure = last_of(&gw->failed),
		.recent = (const struct ike_reason *const *)gw->failed.r,
		.n_recent = gw->failed.n,
		.attempts = gw->attempts,
		.failures = gw->failures,
		.nat_ignored = gw->nat_ignored && gw->conf.natt == IKE_NATT_OFF,
		.in_line = gw->turn.waits,
		.next_try = gw->retry.pos && gw->next_try > gw->k->now ? gw->next_try : 0,
	};
	DL_FOREACH (gw->sas, sa) {
		i->n_ike += sa_shown(sa->state);
		i->n_children += children_up(sa);
	}
}

void ike_each_gateway(struct ike *k, bool (*cb)(void *arg, const struct ike_gw_info *i), void *arg)
{
	struct ike_gw_info i;
	struct gw *gw, *tmp;

	HASH_ITER (hh, k->gws, gw, tmp) {
		gateway_read(gw, &i);
		if (!cb(arg, &i))
			return;
	}
}

bool ike_gateway_read(struct ike *k, const char *name, struct ike_gw_info *i)
{
	const struct gw *gw = gw_find(k, name);

	if (gw)
		gateway_read(gw, i);
	return gw;
}

static void conf_child_read(const struct slot *s, struct ike_conf_child_info *i)
{
	*i = (struct ike_conf_child_info){.gw = &s->gw->conf,
					  .conf = s->conf,
					  .last_failure = last_of(&s->failed),
					  .recent = (const struct ike_reason *const *)s->failed.r,
					  .n_recent = s->failed.n,
					  .up = s->current,
					  .negotiating = s->on};
}

void ike_each_conf_child(struct ike *k, bool (*cb)(void *arg, const struct ike_conf_child_info *i), void *arg)
{
	struct ike_conf_child_info i;
	struct gw *gw, *tmp;

	HASH_ITER (hh, k->gws, gw, tmp) {
		for (unsigned n = 0; n < gw->conf.n_children; n++) {
			conf_child_read(gw->slots[n], &i);
			if (!cb(arg, &i))
				return;
		}
	}
}

bool ike_conf_child_read(struct ike *k, uint32_t policy, struct ike_conf_child_info *i)
{
	const struct slot *s = slot_find(k, policy);

	if (s)
		conf_child_read(s, i);
	return s;
}

void ike_each_child_of(struct ike *k, uint32_t policy, bool (*cb)(void *arg, const struct ike_child_info *i),
		       void *arg)
{
	const struct slot *s = slot_find(k, policy);
	const struct child_sa *c;
	struct ike_child_info i;

	if (!s)
		return;
	for (c = s->children; c; c = c->snext) {
		if (!c->in_dp)
			continue;
		child_read(c, &i);
		if (!cb(arg, &i))
			return;
	}
}
