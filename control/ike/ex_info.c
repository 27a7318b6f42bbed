/* SPDX-License-Identifier: Apache-2.0 */
/*
 * INFORMATIONAL (RFC 7296 1.4, 2.4, 2.21.2):
 *
 *     initiator                                 responder
 *     HDR, SK {}  -->                                         are you there?
 *                             <--  HDR, SK {}
 *     HDR, SK {N(INVALID_SPI)}  -->                           you send on what we do not have
 *                             <--  HDR, SK {}
 *     HDR, SK {D(ESP: our inbound SPIs)}  -->
 *                             <--  HDR, SK {D(ESP: its inbound SPIs of the same pairs)}
 *     HDR, SK {D(IKE)}  -->                                   the IKE SA and all in it end
 *                             <--  HDR, SK {}
 *     HDR, SK {N(AUTHENTICATION_FAILED)}  -->                 as if deleted
 *                             <--  HDR, SK {}
 *
 * When both ends delete the same pair at once, neither answer names it again (2.25.1).
 */
#include "fsm.h"
#include "hint.h"
#include "mobike.h"
#include "reason.h"
#include "reauth.h"
#include "redirect.h"
#include "xchg.h"

enum { DELETES_MAX = 64 };

/* ---- initiator ------------------------------------------------------------------------------------------- */

/* This Delete, and those queued right behind it. */
static uint16_t gather(struct ike_sa *sa, uint32_t first, uint32_t spis[DELETES_MAX])
{
	uint16_t n = 0;

	for (;;) {
		struct child_sa *c = child_find(sa->k, first);

		/* One without a Child SA here undoes what the peer installed and we refused. */
		if (c) {
			c->delete_sent = true;
			c->delete_msgid = sa->msgid_out;
		}
		spis[n++] = first;
		if (n == DELETES_MAX || !sa->tasks || sa->tasks->kind != TASK_CHILD_DELETE)
			return n;
		first = sa->tasks->id;
		task_drop(sa, TASK_CHILD_DELETE, first);
	}
}

/* RFC 7296 3.10.1: the SPI is the notification's data. */
static void write_invalid_spi(struct msg_wr *w, uint32_t spi)
{
	uint8_t data[ESP_SPI];
	struct wr d = wr_of(data, sizeof(data));

	wr_u32(&d, spi);
	msg_wr_notify(w, PROTO_NONE, NULL, 0, N_INVALID_SPI, data, sizeof(data));
}

bool info_start(struct ike_sa *sa, const struct task *t)
{
	uint32_t spis[DELETES_MAX];
	struct out o;

	out_begin(&o);
	switch (t->kind) {
	case TASK_CHILD_DELETE: msg_wr_delete_esp(&o.w, spis, gather(sa, t->id, spis)); break;
	case TASK_IKE_DELETE: msg_wr_delete_ike(&o.w); break;
	case TASK_AUTH_FAILED: out_notify(&o, N_AUTHENTICATION_FAILED); break;
	case TASK_LIVENESS: break;
	case TASK_MOVE:
	case TASK_ADDRESS_CHECK: mobike_write_task(sa, t->kind, &o); break;
	case TASK_INVALID_SPI: write_invalid_spi(&o.w, t->id); break;
	default: return false;
	}
	if (!xchg_request(sa, INFORMATIONAL, &o, t))
		return true;
	if (t->kind == TASK_IKE_DELETE || t->kind == TASK_AUTH_FAILED)
		sa_remove(sa);
	return false;
}

void info_response(struct in *in)
{
	struct ike_sa *sa = in->sa;
	enum task_kind kind = sa->req.task.kind;
	struct child_sa *c, *tmp;

	xchg_done(sa);
	switch (kind) {
	case TASK_IKE_DELETE:
	case TASK_AUTH_FAILED: sa_remove(sa); break;
	case TASK_MOVE:
	case TASK_ADDRESS_CHECK: mobike_task_done(in, kind); break;
	case TASK_CHILD_DELETE:
		DL_FOREACH_SAFE(sa->children, c, tmp)
		{
			if (c->state == CHILD_DELETING && c->delete_sent &&
			    c->delete_msgid == in->m->hdr.msgid)
				child_finish(c, NULL);
		}
		break;
	default: break;
	}
}

/* ---- responder ----------------------------------------------------------------------------------------------- */

/* The peer's inbound SPI is our outbound one.  After a rekey of the IKE SA a Delete may still come on
 * the old one. */
static struct child_sa *child_meant(struct ike_sa *sa, uint32_t spi)
{
	struct child_sa *c = child_by_spi_out(sa, spi);
	struct ike_sa *o;

	if (c || sa->state != SA_REKEYED)
		return c;
	for (o = sa->gw->sas; o; o = o->next) {
		c = child_by_spi_out(o, spi);
		if (c)
			return c;
	}
	return NULL;
}

/* The peer made it while ours was on its way, and takes it back because it lost. */
static bool was_rival(const struct child_sa *c)
{
	const struct nego *n = c->sa->nego;

	return n && n->rival && n->rival_spi_in == c->spi_in;
}

/* The peer says that this one has gone. */
static void child_ended(struct child_sa *c)
{
	struct ike *k = c->sa->k;
	struct ike_reason r;

	struct child_sa *other;

	child_rival_stands(c);
	other = child_sibling(c);
	if (c->state == CHILD_REPLACED || c->loser || was_rival(c)) {
		reason_set(&r, k->now, IKE_CAUSE_REPLACED, c->role, INFORMATIONAL, "rekeyed");
		child_finish(c, &r);
	} else if (other && other->state == CHILD_MATURE) {
		reason_set(&r, k->now, IKE_CAUSE_REPLACED, c->role, INFORMATIONAL,
			   "peer uses another Child SA");
		child_finish(c, &r);
	} else {
		reason_set(&r, k->now, IKE_CAUSE_PEER_DELETED, c->role, INFORMATIONAL,
			   "peer deleted the Child SA after %u s of its %u s",
			   (unsigned)((k->now - c->created) / NS_S), c->lifetime_s);
		reason_hint(&r,
			    "if that comes at equal intervals, the peer's lifetime is shorter and it does "
			    "not rekey: compare it with the ipsec crypto profile's");
		child_remove(c, &r);
	}
}

static void delete_children(struct in *in, const struct msg_delete *d, uint32_t *spis, uint16_t *n)
{
	struct rd r = rd_of(d->spis.p, d->spis.len);

	while (rd_left(&r) && *n < DELETES_MAX) {
		uint32_t spi = rd_u32(&r);
		struct child_sa *c = child_meant(in->sa, spi);
		struct nego *neg = in->sa->nego;

		if (!c) {
			if (neg && neg->n_early_deletes < 8)
				neg->early_deletes[neg->n_early_deletes++] = spi;
			continue;
		}
		if (c->state != CHILD_DELETING || !c->delete_sent)
			spis[(*n)++] = c->spi_in;
		child_ended(c);
	}
}

/* It has been replaced, for another IKE SA has what it had. */
static bool superseded(const struct ike_sa *sa)
{
	const struct child_sa *c;

	if (sa->state == SA_REKEYED || sa->state == SA_CLOSING)
		return true;
	DL_FOREACH (sa->children, c)
		if (c->state == CHILD_MATURE && !child_elsewhere(c))
			return false;
	return sa->children;
}

static void end_sa(struct in *in)
{
	struct ike_sa *sa = in->sa;
	struct child_sa *c;
	struct ike_reason r;

	/* Once it has our answer the peer takes nothing more. */
	DL_FOREACH (sa->children, c)
		child_hand_over(c);
	xchg_respond_empty(sa, in->m);
	/* 2.25.2: its own rekey of this SA, that came with it, stands; ours is forgotten. */
	rekey_rival_wins(sa);
	if (superseded(sa))
		reason_set(&r, in->k->now, IKE_CAUSE_REPLACED, sa->role, INFORMATIONAL,
			   sa->state == SA_UP ? "peer uses the newer IKE SA" : "rekeyed");
	else
		reason_set(&r, in->k->now, IKE_CAUSE_PEER_DELETED, sa->role, INFORMATIONAL,
			   "peer deleted the IKE SA");
	sa_lost(sa, &r);
}

static void auth_refused(struct in *in)
{
	struct ike_sa *sa = in->sa;
	struct ike_reason r;

	xchg_respond_empty(sa, in->m);
	reason_set(&r, in->k->now, IKE_CAUSE_AUTH_FAILED, sa->role, INFORMATIONAL, "%s", "");
	reason_notify(&r, N_AUTHENTICATION_FAILED, false);
	if (!sa->began && sa->auth_local == AUTHM_PSK && sa->auth_remote == AUTHM_PSK)
		auth_refused_us(sa, &r);
	else
		auth_refused_ids(sa, &r);
	COUNT(in->k, ike_fail);
	gw_record(sa->gw, &r);
	sa_lost(sa, &r);
}

/* The same as to authenticate anew, elsewhere: a new IKE SA takes all Child SAs before this one is deleted. */
static void redirect_leave(struct ike_sa *sa)
{
	init_start(sa->gw, reauth_first_slot(sa), sa);
}

void info_request(struct in *in)
{
	struct ike_sa *sa = in->sa;
	uint32_t spis[DELETES_MAX];
	uint16_t n = 0;
	struct out o;

	for (unsigned i = 0; i < in->m->n_delete; i++)
		if (in->m->del[i].protocol == PROTO_IKE) {
			end_sa(in);
			return;
		}
	if (msg_notify_find(in->m, N_AUTHENTICATION_FAILED) && sa->state == SA_UP) {
		auth_refused(in);
		return;
	}
	hint_protected(in);
	for (unsigned i = 0; i < in->m->n_delete; i++)
		if (in->m->del[i].protocol == PROTO_ESP && in->m->del[i].spi_size == ESP_SPI)
			delete_children(in, &in->m->del[i], spis, &n);
	out_begin(&o);
	if (n)
		msg_wr_delete_esp(&o.w, spis, n);
	mobike_answer(in, &o);
	xchg_respond(sa, in->m, &o);
	mobike_update(in);
	/* The other one is there before this one goes (RFC 5685 4). */
	if (sa->state == SA_UP && sa->began && redirect_take(sa, in->m, NULL))
		redirect_leave(sa);
}
