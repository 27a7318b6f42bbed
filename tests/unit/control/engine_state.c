/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_state.h"

#include <stdio.h>
#include <string.h>

#include "child.h"
#include "followup.h"

uint64_t hash_bytes(uint64_t h, const void *p, size_t len)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < len; i++)
		h = (h ^ b[i]) * UINT64_C(0x100000001b3);
	return h;
}

uint64_t hash_u64(uint64_t h, uint64_t v)
{
	return hash_bytes(h, &v, sizeof(v));
}

/* ---- hash -------------------------------------------------------------------------------------------------- */

static uint64_t hash_timer(uint64_t h, const struct timer *t, uint64_t now)
{
	uint64_t left = t->at > now ? t->at - now : 0;

	if (!t->pos)
		return hash_u64(h, 0);
	if (left < 2 * NET_S)
		return hash_u64(h, 1 + (left + NET_S / 4) / (NET_S / 2));
	return hash_u64(h, 100 + (unsigned)__builtin_clzll(left));
}

static uint64_t hash_followup(uint64_t h, const struct followup *f)
{
	if (!f)
		return hash_u64(h, 0);
	h = hash_u64(h, (uint64_t)f->step << 32 | f->old_spi);
	h = hash_u64(h, (uint64_t)f->plan.spi_in << 32 | f->plan.spi_out);
	h = hash_u64(h, f->fresh ? f->fresh->serial : 0);
	h = hash_bytes(h, f->ni, 2);
	return hash_bytes(h, f->nr, 2);
}

static uint64_t hash_nego(uint64_t h, const struct nego *n)
{
	if (!n)
		return hash_u64(h, 0);
	h = hash_u64(h, n->slot ? n->slot->policy : 0);
	h = hash_u64(h, n->spi_in);
	h = hash_u64(h, n->old_spi);
	h = hash_u64(h, n->fresh ? n->fresh->serial : 0);
	h = hash_u64(h, n->rival_sa ? n->rival_sa->serial : 0);
	h = hash_u64(h, n->rival_spi_in);
	h = hash_u64(h, n->group);
	h = hash_u64(h, n->ke_tries);
	h = hash_followup(h, n->more);
	h = hash_bytes(h, n->nonce, 2);
	h = hash_bytes(h, n->rival_nonce, n->rival ? 2 : 0);
	return hash_bytes(h, n->early_deletes, n->n_early_deletes * sizeof(n->early_deletes[0]));
}

static uint64_t hash_child(uint64_t h, const struct child_sa *c, uint64_t now)
{
	const struct net_child *n = c->host;

	h = hash_u64(h, (uint64_t)c->spi_in << 32 | c->spi_out);
	h = hash_u64(h, c->replaced_by);
	h = hash_u64(h, (uint64_t)c->state << 8 | (uint64_t)c->in_dp << 5 | (uint64_t)c->inactive << 4 |
				(uint64_t)c->rekeying << 3 | (uint64_t)c->loser << 2 |
				(uint64_t)c->delete_sent << 1 | (c->slot->current == c));
	h = hash_u64(h, (uint64_t)c->delete_msgid << 1 | c->encap);
	if (c->in_dp)
		h = hash_u64(h, (uint64_t)n->active << 1 | (n->packets_in != 0));
	for (unsigned i = 0; i < CHILD_T_N; i++)
		h = hash_timer(h, &c->t[i], now);
	return h;
}

static uint64_t hash_sa(uint64_t h, const struct ike_sa *sa, uint64_t now)
{
	const struct child_sa *c;
	const struct task *t;

	h = hash_u64(h, sa->serial);
	h = hash_u64(h, (uint64_t)sa->state << 8 | (uint64_t)sa->role << 4 | (uint64_t)sa->req.busy << 3 |
				(uint64_t)sa->abandon << 2 | (uint64_t)sa->announced << 1 | sa->first);
	h = hash_u64(h, (uint64_t)sa->msgid_out << 32 | sa->msgid_in);
	h = hash_u64(h, sa->req.busy ? (uint64_t)sa->req.task.kind << 32 | sa->req.task.id : 0);
	h = hash_u64(h, sa->req.busy ? sa->req.tries : 0);
	h = hash_u64(h, sa->holds);
	h = hash_u64(h, sa->renews);
	h = hash_u64(h, (uint64_t)sa->mobike << 2 | (uint64_t)sa->began << 1 | sa->unproved);
	h = hash_nego(h, sa->nego);
	h = hash_followup(h, sa->pending);
	DL_FOREACH (sa->tasks, t)
		h = hash_u64(h, (uint64_t)t->kind << 32 | t->id);
	for (unsigned i = 0; i < SA_T_N; i++)
		h = hash_timer(h, &sa->t[i], now);
	DL_FOREACH (sa->children, c)
		h = hash_child(h, c, now);
	return h;
}

uint64_t engine_state_hash(const struct net_host *host)
{
	const struct ike *k = host->ike;
	uint64_t now = host->net->now, h = HASH_START;
	const struct ike_sa *sa, *tmp;
	const struct gw *gw, *g;

	HASH_ITER (hh, k->sas, sa, tmp)
		h = hash_sa(h, sa, now);
	HASH_ITER (hh, k->gws, gw, g) {
		h = hash_timer(h, &gw->retry, now);
		h = hash_u64(h, (uint64_t)gw->fails << 1 | gw->again);
		for (unsigned i = 0; i < gw->conf.n_children; i++) {
			const struct slot *s = gw->slots[i];

			h = hash_timer(h, &s->retry, now);
			h = hash_u64(h, (uint64_t)s->fails << 8 | (uint64_t)s->was_up << 1 | s->acquired);
			h = hash_u64(h, s->on ? s->on->serial : 0);
		}
	}
	return h;
}

/* ---- at rest ------------------------------------------------------------------------------------------------- */

static char said[160];

#define SAY(...) (snprintf(said, sizeof(said), __VA_ARGS__), said)

static const char *child_unrest(const struct child_sa *c)
{
	const struct net_child *n = c->host;

	if (c->state != CHILD_MATURE || !c->in_dp)
		return SAY("Child SA %08x in state %d", c->spi_in, (int)c->state);
	if (c->slot->current != c || !n->active || c->inactive)
		return SAY("Child SA %08x does not carry traffic", c->spi_in);
	if (c->rekeying || c->delete_sent || c->loser)
		return SAY("Child SA %08x is marked as being rekeyed, deleted or lost", c->spi_in);
	if (c->t[CHILD_T_SETTLE].pos)
		return SAY("Child SA %08x has its settle timer armed", c->spi_in);
	if (!c->t[CHILD_T_REKEY].pos || !c->t[CHILD_T_EXPIRE].pos)
		return SAY("Child SA %08x without a lifetime", c->spi_in);
	return NULL;
}

static const char *sa_unrest(const struct ike_sa *sa)
{
	const struct child_sa *c;

	if (sa->state != SA_UP)
		return SAY("IKE SA %u is %s", sa->serial, sa_state_str(sa->state));
	if (sa->req.busy || sa->nego || sa->pending || sa->tasks || sa->init)
		return SAY("IKE SA %u: request, negotiation, task or init left", sa->serial);
	for (unsigned i = 0; i < SA_T_N; i++)
		if (sa->t[i].pos && i != SA_T_DPD && i != SA_T_KEEPALIVE && i != SA_T_REKEY &&
		    i != SA_T_EXPIRE)
			return SAY("IKE SA %u: timer %u armed", sa->serial, i);
	if (!sa->t[SA_T_REKEY].pos || !sa->t[SA_T_EXPIRE].pos)
		return SAY("IKE SA %u without a lifetime", sa->serial);
	DL_FOREACH (sa->children, c)
		if (child_unrest(c))
			return said;
	return NULL;
}

static const char *gw_unrest(const struct gw *gw)
{
	if (gw->retry.pos)
		return SAY("gateway's retry timer armed");
	for (unsigned i = 0; i < gw->conf.n_children; i++) {
		const struct slot *s = gw->slots[i];

		if (s->on || s->retry.pos || s->acquired)
			return SAY("slot %u: negotiating, retrying or asked for", s->policy);
		if (s->n_children > 1 || !s->n_children != !s->current)
			return SAY("slot %u has %u Child SAs", s->policy, s->n_children);
	}
	return NULL;
}

const char *engine_unrest(const struct net_host *host, unsigned n_ike, unsigned n_child)
{
	const struct ike *k = host->ike;
	unsigned places = n_ike * SA_T_N + n_child * CHILD_T_N;
	const struct ike_sa *sa, *tmp;
	const struct gw *gw, *g;

	if (HASH_COUNT(k->sas) != n_ike)
		return SAY("%u IKE SAs", HASH_COUNT(k->sas));
	if (HASH_COUNT(k->children) != n_child || net_children(host) != n_child)
		return SAY("%u Child SAs, %u installed", HASH_COUNT(k->children), net_children(host));
	if (host->n_spis)
		return SAY("%u SPIs reserved", host->n_spis);
	if (k->inits || k->orphans || k->grave || k->sources || k->n_half_open)
		return SAY("half-open SAs or their counts left");
	HASH_ITER (hh, k->sas, sa, tmp)
		if (sa_unrest(sa))
			return said;
	HASH_ITER (hh, k->gws, gw, g) {
		places += 1 + gw->conf.n_children;
		if (gw_unrest(gw))
			return said;
	}
	if (k->timers.reserved != places)
		return SAY("%u places for timers, %u needed", k->timers.reserved, places);
	return NULL;
}
