/* SPDX-License-Identifier: Apache-2.0 */
#include "reauth.h"

#include "child.h"
#include "fsm.h"
#include "reason.h"
#include "xchg.h"

bool reauth_due(const struct ike_sa *sa)
{
	const struct ike_gw_conf *conf = &sa->gw->conf;

	return conf->reauth_every && sa->rekeys + 1 >= conf->reauth_every && gw_initiates(sa->gw);
}

bool reauth_leaving(const struct ike_sa *sa)
{
	const struct ike_sa *o;

	DL_FOREACH (sa->gw->sas, o)
		if (o->renews == sa->spi_own && o->state == SA_UP)
			return true;
	return false;
}

void reauth_inherit(struct ike_sa *fresh, const struct ike_sa *old)
{
	struct ike_sa *o;

	fresh->renews = old->renews;
	DL_FOREACH (fresh->gw->sas, o)
		if (o->renews == old->spi_own)
			o->renews = fresh->spi_own;
}

void reauth_pass_on(struct ike_sa *sa)
{
	struct ike_sa *o = sa->renews ? sa_current(sa->gw) : NULL;

	if (o && o != sa && !o->renews && o->spi_own != sa->renews) {
		o->renews = sa->renews;
		task_run(o);
	}
	sa->renews = 0;
}

/* The SA that replaces this one, up or on its way.  One that came up later will do as well, whoever began it:
 * both ends may have had the same thought. */
static struct ike_sa *successor(const struct ike_sa *sa)
{
	struct ike_sa *o, *younger = NULL;

	DL_FOREACH (sa->gw->sas, o) {
		if (o->renews == sa->spi_own && (o->state == SA_UP || sa_negotiating(o)) && !o->abandon)
			return o;
		if (o->state == SA_UP && !o->renews && o->authenticated_at > sa->authenticated_at)
			younger = o;
	}
	return younger;
}

struct slot *reauth_first_slot(const struct ike_sa *sa)
{
	const struct gw *gw = sa->gw;
	const struct child_sa *c;

	DL_FOREACH (sa->children, c)
		if (c->state == CHILD_MATURE && !c->slot->on && !c->slot->retired)
			return c->slot;
	return gw->conf.n_children && !gw->slots[0]->on ? gw->slots[0] : NULL;
}

bool reauth_start(struct ike_sa *sa)
{
	struct ike_sa *o = successor(sa);

	if (!o) {
		COUNT(sa->k, reauth);
		return !init_start(sa->gw, reauth_first_slot(sa), sa);
	}
	o->renews = sa->spi_own;
	task_run(o);
	return true;
}

/* Is this one of the old SA's Child SAs still to be made on a newer one? */
static bool missing(const struct child_sa *c)
{
	const struct ike_sa *o;

	if (c->state != CHILD_MATURE || c->loser || c->slot->retired)
		return false;
	DL_FOREACH (c->sa->gw->sas, o)
		if (o->state == SA_UP && o->authenticated_at > c->sa->authenticated_at &&
		    child_on(c->slot, o, true))
			return false;
	return true;
}

/* Ask on sa for what old has beyond it.  One that the peer refuses lives on the old SA as long as that does, and
 * is asked for now and then: sa_on_rekey() of the old one comes back here. */
static bool ask(struct ike_sa *sa, const struct ike_sa *old, bool *complete)
{
	const struct child_sa *c;
	bool queued = false;

	*complete = true;
	DL_FOREACH (old->children, c) {
		if (!missing(c))
			continue;
		*complete = false;
		if (c->slot->on || sa->k->now < c->slot->next_try || child_on(c->slot, sa, false))
			continue;
		task_add(sa, TASK_CHILD, c->slot->policy, false);
		queued = true;
	}
	return queued;
}

/* What is under way on the old SA is waited for. */
static bool busy(const struct ike_sa *old)
{
	return old->nego || old->pending || old->tasks;
}

static void finish(struct ike_sa *sa, struct ike_sa *old)
{
	struct ike_reason r;

	sa->renews = 0;
	COUNT(sa->k, reauth_done);
	reason_set(&r, sa->k->now, IKE_CAUSE_REPLACED, sa->role, INFORMATIONAL, "reauthenticated");
	sa_close(old, &r, TASK_IKE_DELETE);
}

bool reauth_go_on(struct ike_sa *sa)
{
	struct ike_sa *old = sa->renews ? sa_find(sa->k, sa->renews) : NULL, *o, *tmp;
	bool complete;

	if (sa->state != SA_UP)
		return false;
	if (old && old->state == SA_UP) {
		if (ask(sa, old, &complete))
			return true;
		if (complete && !busy(old))
			finish(sa, old);
		return false;
	}
	sa->renews = 0;
	DL_FOREACH_SAFE(sa->gw->sas, o, tmp)
	if (o->renews == sa->spi_own && o->state == SA_UP)
		task_run(o);
	return false;
}
