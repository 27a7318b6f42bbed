/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's side: test, clear, shut down, and read. */
#include <errno.h>
#include <string.h>

#include "child.h"
#include "fsm.h"
#include "reason.h"
#include "reauth.h"
#include "xchg.h"

/* ---- requests: what is done to one ------------------------------------------------------------------------- */

/* What was asked for waits on sa for the peer's answer: do not let the operator wait for the next repetition. */
static void ask_again(struct ike_sa *sa, struct ike_request *r)
{
	if (!r->urge || !xchg_again(sa))
		return;
	r->again++;
	if (sa_negotiating(sa))
		sa->gw->again = true;
}

static void test_gw(struct gw *gw, struct ike_request *r)
{
	struct ike_sa *sa = gw_trying(gw);

	if (sa_current(gw))
		return;
	if (sa) {
		ask_again(sa, r);
		return;
	}
	for (unsigned i = 0; i < gw->conf.n_children; i++)
		gw->slots[i]->rest = IKE_DPD_RESTART;
	gw_start(gw);
	r->n++;
}

static void test_slot(struct slot *s, struct ike_request *r)
{
	struct ike_sa *sa = s->on;

	if (s->current)
		return;
	if (!sa && !sa_current(s->gw))
		sa = gw_trying(s->gw);
	if (sa)
		ask_again(sa, r);
	if (s->on)
		return;
	slot_start(s);
	r->n++;
}

static void rekey_gw(struct gw *gw, struct ike_request *r)
{
	struct ike_sa *sa = sa_current(gw);

	/* One that is just taking over is as fresh as can be. */
	if (!sa || sa->renews)
		return;
	if (r->verb == IKE_REAUTHENTICATE) {
		r->n += reauth_start(sa);
		return;
	}
	task_add(sa, TASK_IKE_REKEY, 0, false);
	task_run(sa);
	r->n++;
}

static void rekey_slot(struct slot *s, struct ike_request *r)
{
	struct child_sa *c = s->current;

	if (!c || c->state != CHILD_MATURE)
		return;
	child_rekey(c);
	task_run(c->sa);
	r->n++;
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

static int clear_sas(struct gw *gw, const struct ike_reason *r)
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

static void cleared(const struct ike *k, struct ike_reason *r)
{
	reason_set(r, k->now, IKE_CAUSE_OPERATOR, IKE_INITIATOR, INFORMATIONAL, "cleared by the operator");
}

static void clear_gw(struct gw *gw, struct ike_request *r)
{
	struct ike_reason why;

	cleared(gw->k, &why);
	r->n += clear_sas(gw, &why);
	come_back(gw);
}

/* What has come up since the request was made is none of its business. */
static void clear_slot(struct slot *s, struct ike_request *r)
{
	struct ike_sa *on = s->current ? s->current->sa : NULL;
	struct child_sa *c, *next;
	struct ike_reason why;

	cleared(s->gw->k, &why);
	DL_FOREACH_SAFE2(s->children, c, next, snext)
	{
		if (c->state == CHILD_DELETING || c->state == CHILD_GONE || c->id > r->newest)
			continue;
		r->n += c->state == CHILD_MATURE;
		child_delete(c, &why, false);
	}
	if (on)
		task_run(on);
}

/* ---- requests: to whom --------------------------------------------------------------------------------------- */

/* By verb: what is done to a gateway, or to a proxy-ID; only by a gateway that may begin. */
static const struct {
	void (*gw)(struct gw *gw, struct ike_request *r);
	void (*slot)(struct slot *s, struct ike_request *r);
	bool begins;
} verbs[] = {
	[IKE_TEST_IKE_SA] = {.gw = test_gw, .begins = true},
	[IKE_TEST_IPSEC_SA] = {.slot = test_slot, .begins = true},
	[IKE_REKEY_IKE_SA] = {.gw = rekey_gw},
	[IKE_REAUTHENTICATE] = {.gw = rekey_gw, .begins = true},
	[IKE_REKEY_IPSEC_SA] = {.slot = rekey_slot},
	[IKE_CLEAR_IKE_SA] = {.gw = clear_gw},
	[IKE_CLEAR_IPSEC_SA] = {.slot = clear_slot},
};

/* What is looked at in one step, and what is done; a gateway counts as its SAs. */
enum { LOOKS_A_STEP = 1024, DEEDS_A_STEP = 32 };

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

/* May it be asked to begin?  With an IKE SA a passive gateway makes Child SAs, too. */
static bool may_begin(const struct gw *gw, const struct ike_request *r)
{
	return !verbs[r->verb].begins || gw_initiates(gw) || (verbs[r->verb].slot && sa_current(gw));
}

/* The gateway where the last step ended, or the one behind it if that has gone meanwhile: they are in the order of
 * their numbers. */
static struct gw *where(struct ike *k, struct ike_request *r)
{
	struct gw *gw;

	if (r->gateway)
		return r->at[0] && r->whole ? NULL : gw_find(k, r->gateway);
	if (!r->at[0])
		return k->gws;
	gw = gw_find(k, r->at);
	if (gw && gw->number == r->number)
		return r->whole ? gw->hh.next : gw;
	for (gw = k->gws; gw && gw->number <= r->number; gw = gw->hh.next)
		;
	r->slot = 0;
	return gw;
}

/* On one gateway, from where the last step ended; false when the step is over before it is through. */
static bool go_on(struct gw *gw, struct ike_request *r, unsigned *looks, int end)
{
	bool may = may_begin(gw, r) && !gw->k->stopping;

	if (verbs[r->verb].gw) {
		r->found = true;
		r->allowed |= may;
		if (may)
			verbs[r->verb].gw(gw, r);
		++*looks;
		return true;
	}
	for (; r->slot < gw->conf.n_children; r->slot++, ++*looks) {
		struct slot *s = gw->slots[r->slot];

		if (*looks >= LOOKS_A_STEP || r->n + (int)r->again >= end)
			return false;
		if (!slot_named(s, r->tunnel))
			continue;
		r->found = true;
		r->allowed |= may;
		if (may)
			verbs[r->verb].slot(s, r);
	}
	return true;
}

int ike_request_step(struct ike *k, struct ike_request *r, uint64_t now)
{
	struct gw *gw;
	unsigned looks = 0;
	int end = r->n + (int)r->again + DEEDS_A_STEP;

	k->now = now;
	if (!r->at[0])
		r->newest = k->next_child;
	for (gw = where(k, r); gw; gw = r->gateway ? NULL : gw->hh.next) {
		if (looks >= LOOKS_A_STEP || r->n + (int)r->again >= end)
			break;
		memcpy(r->at, gw->conf.name, sizeof(r->at));
		r->number = gw->number;
		r->whole = go_on(gw, r, &looks, end);
		if (!r->whole)
			break;
		r->slot = 0;
	}
	engine_done(k);
	if (gw)
		return -EAGAIN;
	if (r->gateway || r->tunnel)
		return !r->found ? -ENOENT : !r->allowed ? -EPERM : 0;
	return 0;
}

int ike_request(struct ike *k, struct ike_request *r, uint64_t now)
{
	int rc;

	while ((rc = ike_request_step(k, r, now)) == -EAGAIN)
		;
	return rc ? rc : r->n;
}

static int test(struct ike *k, struct ike_request *r, uint64_t now, unsigned *again)
{
	int rc;

	r->urge = again;
	rc = ike_request(k, r, now);
	if (again)
		*again = r->again;
	return rc;
}

int ike_test_ike_sa(struct ike *k, const char *name, uint64_t now, unsigned *again)
{
	return test(k, &(struct ike_request){.verb = IKE_TEST_IKE_SA, .gateway = name}, now, again);
}

int ike_test_ipsec_sa(struct ike *k, const char *tunnel, uint64_t now, unsigned *again)
{
	return test(k, &(struct ike_request){.verb = IKE_TEST_IPSEC_SA, .tunnel = tunnel}, now, again);
}

int ike_rekey_ike_sa(struct ike *k, const char *name, bool reauth, uint64_t now)
{
	return ike_request(k,
			   &(struct ike_request){.verb = reauth ? IKE_REAUTHENTICATE : IKE_REKEY_IKE_SA,
						 .gateway = name},
			   now);
}

int ike_rekey_ipsec_sa(struct ike *k, const char *tunnel, uint64_t now)
{
	return ike_request(k, &(struct ike_request){.verb = IKE_REKEY_IPSEC_SA, .tunnel = tunnel}, now);
}

int ike_clear_ike_sa(struct ike *k, const char *name, uint64_t now)
{
	return ike_request(k, &(struct ike_request){.verb = IKE_CLEAR_IKE_SA, .gateway = name}, now);
}

int ike_clear_ipsec_sa(struct ike *k, const char *tunnel, uint64_t now)
{
	return ike_request(k, &(struct ike_request){.verb = IKE_CLEAR_IPSEC_SA, .tunnel = tunnel}, now);
}

/* ---- the end --------------------------------------------------------------------------------------------------- */

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
			clear_sas(gw, &r);
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
