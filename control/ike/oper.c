/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's side: test, clear, shut down, and read. */
#include <errno.h>
#include <string.h>

#include "child.h"
#include "fsm.h"
#include "reason.h"
#include "reauth.h"
#include "xchg.h"

/* ---- test ------------------------------------------------------------------------------------------------ */

/* What was asked for waits on sa for the peer's answer: do not let the operator wait for the next repetition. */
static void ask_again(struct ike_sa *sa, unsigned *again)
{
	if (!again || !xchg_again(sa))
		return;
	++*again;
	if (sa_negotiating(sa))
		sa->gw->again = true;
}

static int test_gw(struct gw *gw, unsigned *again)
{
	struct ike_sa *sa = gw_trying(gw);

	if (sa_current(gw))
		return 0;
	if (sa) {
		ask_again(sa, again);
		return 0;
	}
	for (unsigned i = 0; i < gw->conf.n_children; i++)
		gw->slots[i]->rest = IKE_DPD_RESTART;
	gw_start(gw);
	return 1;
}

int ike_test_ike_sa(struct ike *k, const char *name, uint64_t now, unsigned *again)
{
	struct gw *gw, *tmp;
	int n = 0;

	k->now = now;
	if (again)
		*again = 0;
	if (k->stopping)
		return 0;
	if (name) {
		gw = gw_find(k, name);
		if (!gw)
			return -ENOENT;
		n = gw_initiates(gw) ? test_gw(gw, again) : -EPERM;
	} else {
		HASH_ITER (hh, k->gws, gw, tmp)
			if (gw_initiates(gw))
				n += test_gw(gw, again);
	}
	engine_done(k);
	return n;
}

/* "tunnel" or "tunnel:proxyid"; NULL means all. */
static bool slot_named(const struct slot *s, const char *name)
{
	size_t n = strnlen(s->conf->tunnel, IKE_NAME);

	if (!name)
		return true;
	if (strncmp(name, s->conf->tunnel, n) != 0)
		return false;
	return !name[n] || (name[n] == ':' && !strcmp(name + n + 1, s->conf->proxy_id));
}

static int test_slot(struct slot *s, unsigned *again)
{
	struct ike_sa *sa = s->on;

	if (s->current)
		return 0;
	if (!sa && !sa_current(s->gw))
		sa = gw_trying(s->gw);
	if (sa)
		ask_again(sa, again);
	if (s->on)
		return 0;
	slot_start(s);
	return 1;
}

int ike_test_ipsec_sa(struct ike *k, const char *tunnel, uint64_t now, unsigned *again)
{
	struct gw *gw, *tmp;
	bool found = false, allowed = false;
	int n = 0;

	k->now = now;
	if (again)
		*again = 0;
	HASH_ITER (hh, k->gws, gw, tmp)
		for (unsigned i = 0; i < gw->conf.n_children; i++) {
			struct slot *s = gw->slots[i];

			if (!slot_named(s, tunnel))
				continue;
			found = true;
			if (!gw_initiates(gw) && !sa_current(gw))
				continue;
			allowed = true;
			n += k->stopping ? 0 : test_slot(s, again);
		}
	engine_done(k);
	return !found && tunnel ? -ENOENT : !allowed && tunnel ? -EPERM : n;
}

/* ---- rekey ------------------------------------------------------------------------------------------------- */

static int rekey_gw(struct gw *gw, bool reauth)
{
	struct ike_sa *sa = sa_current(gw);

	/* One that is just taking over is as fresh as can be. */
	if (!sa || sa->renews)
		return 0;
	if (reauth)
		return reauth_start(sa);
	task_add(sa, TASK_IKE_REKEY, 0, false);
	task_run(sa);
	return 1;
}

int ike_rekey_ike_sa(struct ike *k, const char *name, bool reauth, uint64_t now)
{
	struct gw *gw, *tmp;
	int n = 0;

	k->now = now;
	if (name && !gw_find(k, name))
		return -ENOENT;
	if (name && reauth && !gw_initiates(gw_find(k, name)))
		return -EPERM;
	HASH_ITER (hh, k->gws, gw, tmp)
		if (!k->stopping && (!name || !strcmp(name, gw->conf.name)) && (!reauth || gw_initiates(gw)))
			n += rekey_gw(gw, reauth);
	engine_done(k);
	return n;
}

int ike_rekey_ipsec_sa(struct ike *k, const char *tunnel, uint64_t now)
{
	struct gw *gw, *tmp;
	bool found = false;
	int n = 0;

	k->now = now;
	HASH_ITER (hh, k->gws, gw, tmp)
		for (unsigned i = 0; i < gw->conf.n_children; i++) {
			struct child_sa *c = gw->slots[i]->current;

			if (!slot_named(gw->slots[i], tunnel))
				continue;
			found = true;
			if (!c || c->state != CHILD_MATURE || k->stopping)
				continue;
			child_rekey(c);
			task_run(c->sa);
			n++;
		}
	engine_done(k);
	return !found && tunnel ? -ENOENT : n;
}

/* ---- clear -------------------------------------------------------------------------------------------------- */

static int clear_gw(struct gw *gw, const struct ike_reason *r)
{
	struct ike_sa *sa, *tmp;
	int n = 0;

	DL_FOREACH_SAFE(gw->sas, sa, tmp)
	{
		if (sa->state == SA_GONE || sa->state == SA_CLOSING)
			continue;
		if (sa->state != SA_NEW && !(sa->state == SA_AUTH_SENT && sa->abandon))
			n++;
		sa_close(sa, r, TASK_IKE_DELETE);
	}
	return n;
}

/* What was cleared comes back by traffic, or a little later where it is to start by itself. */
static void come_back(struct gw *gw)
{
	gw->fails = 0;
	gw->again = gw->forced = false;
	gw->next_try = 0;
	for (unsigned i = 0; i < gw->conf.n_children; i++) {
		gw->slots[i]->acquired = false;
		gw->slots[i]->was_up = false;
		gw->slots[i]->rest = IKE_DPD_RESTART;
	}
	timer_set(&gw->k->timers, &gw->retry, gw->k->now + engine_jitter(gw->k, 2 * NS_S));
}

int ike_clear_ike_sa(struct ike *k, const char *name, uint64_t now)
{
	struct gw *gw, *tmp;
	struct ike_reason r;
	int n = 0;

	k->now = now;
	reason_set(&r, now, IKE_CAUSE_OPERATOR, IKE_INITIATOR, INFORMATIONAL, "cleared by the operator");
	if (name && !gw_find(k, name))
		return -ENOENT;
	HASH_ITER (hh, k->gws, gw, tmp)
		if (!name || !strcmp(name, gw->conf.name)) {
			n += clear_gw(gw, &r);
			come_back(gw);
		}
	engine_done(k);
	return n;
}

int ike_clear_ipsec_sa(struct ike *k, const char *tunnel, uint64_t now)
{
	struct gw *gw, *tmp;
	struct ike_reason r;
	bool found = false;
	struct ike_sa *sa;
	int n = 0;

	k->now = now;
	reason_set(&r, now, IKE_CAUSE_OPERATOR, IKE_INITIATOR, INFORMATIONAL, "cleared by the operator");
	HASH_ITER (hh, k->gws, gw, tmp) {
		for (unsigned i = 0; i < gw->conf.n_children; i++) {
			struct child_sa *c, *next;

			if (!slot_named(gw->slots[i], tunnel))
				continue;
			found = true;
			DL_FOREACH_SAFE2(gw->slots[i]->children, c, next, snext)
			{
				if (c->state == CHILD_DELETING || c->state == CHILD_GONE)
					continue;
				n += c->state == CHILD_MATURE;
				child_delete(c, &r, false);
			}
		}
		DL_FOREACH (gw->sas, sa)
			task_run(sa);
	}
	engine_done(k);
	return !found && tunnel ? -ENOENT : n;
}

bool ike_shutdown(struct ike *k, uint64_t now)
{
	struct gw *gw, *tmp;
	struct ike_sa *sa, *next;
	struct ike_reason r;
	bool waiting = false;

	k->now = now;
	reason_set(&r, now, IKE_CAUSE_SHUTDOWN, IKE_INITIATOR, INFORMATIONAL, "shutting down");
	if (!k->stopping) {
		k->stopping = true;
		HASH_ITER (hh, k->gws, gw, tmp)
			clear_gw(gw, &r);
	}
	HASH_ITER (hh, k->sas, sa, next)
		waiting |= sa->state == SA_CLOSING || sa->state == SA_AUTH_SENT || sa->state == SA_UP;
	engine_done(k);
	return !waiting;
}

/* ---- read --------------------------------------------------------------------------------------------------------- */

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
	struct ike_sa *sa, *tmp;
	struct ike_sa_info i;

	HASH_ITER (hh, k->sas, sa, tmp) {
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

void ike_each_gateway(struct ike *k, bool (*cb)(void *arg, const struct ike_gw_info *i), void *arg)
{
	struct gw *gw, *tmp;

	HASH_ITER (hh, k->gws, gw, tmp) {
		struct ike_gw_info i = {.conf = &gw->conf,
					.last_failure = last_of(&gw->failed),
					.recent = (const struct ike_reason *const *)gw->failed.r,
					.n_recent = gw->failed.n,
					.attempts = gw->attempts,
					.failures = gw->failures,
					.nat_ignored = gw->nat_ignored && gw->conf.natt == IKE_NATT_OFF,
					.in_line = gw->turn.waits,
					.next_try = gw->retry.pos && gw->next_try > k->now ? gw->next_try
											   : 0};
		const struct ike_sa *sa;

		DL_FOREACH (gw->sas, sa) {
			i.n_ike += sa_shown(sa->state);
			i.n_children += children_up(sa);
		}
		if (!cb(arg, &i))
			return;
	}
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
	DL_FOREACH2(s->children, c, snext)
	{
		if (!c->in_dp)
			continue;
		child_read(c, &i);
		if (!cb(arg, &i))
			return;
	}
}
