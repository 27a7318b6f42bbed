/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's side: test, rekey, clear, and shut down; what is read for him is in read.c. */
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

/* What is looked at in one step, and what is done. */
enum { LOOKS_A_STEP = 1024, DEEDS_A_STEP = 32 };

/* Of a step: deeds is how many there may be when it ends.  An IKE SA that goes counts as its Child SAs. */
static bool enough(const struct ike *k, const struct ike_request *r, unsigned looks, int deeds)
{
	return looks >= LOOKS_A_STEP || r->n + (int)r->again >= deeds || k->n_removed >= REMOVED_A_CALL;
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

		if (enough(gw->k, r, *looks, end))
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
		if (enough(k, r, looks, end))
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
