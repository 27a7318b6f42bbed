/* SPDX-License-Identifier: Apache-2.0 */
#include "xchg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "alt.h"
#include "child.h"
#include "dpd.h"
#include "followup.h"
#include "frag.h"
#include "fsm.h"
#include "pace.h"
#include "reason.h"
#include "reauth.h"
#include "tap.h"

/* What a task is found by: its kind and id. */
enum { TASK_KEY = offsetof(struct task, id) + sizeof(uint32_t) };
_Static_assert(TASK_KEY == 8, "no padding in a key");

enum { TRIES_MIN = 8, HOLDS_INITIATOR = 3, HOLDS_RESPONDER = 1 };

/* ---- buffers -------------------------------------------------------------------------------------------- */

void datagram_free(struct datagram *d)
{
	free(d->p);
	*d = (struct datagram){0};
}

int datagram_set(struct datagram *d, const void *p, size_t len)
{
	uint8_t *copy = malloc(len);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, p, len);
	datagram_free(d);
	*d = (struct datagram){.p = copy, .len = len};
	return 0;
}

void out_begin(struct out *o)
{
	msg_wr_begin_inner(&o->w, o->buf, sizeof(o->buf));
}

void out_notify(struct out *o, uint16_t type)
{
	msg_wr_notify(&o->w, PROTO_NONE, NULL, 0, type, NULL, 0);
}

void xchg_hash(const struct ike_packet *p, bool with_source, uint8_t out[20])
{
	struct bytes parts[3] = {{.p = p->data, .len = p->len},
				 {.p = p->remote.a.b, .len = addr_len(&p->remote.a)},
				 {.p = (const uint8_t *)&p->remote.port, .len = sizeof(p->remote.port)}};

	if (crypto_sha1(parts, with_source ? 3 : 1, out))
		memset(out, 0, 20);
}

/* ---- sending ------------------------------------------------------------------------------------------------ */

static void send_packet(struct ike *k, const struct ike_packet *p)
{
	COUNT(k, tx);
	k->counters.v[CNT_tx_bytes] += p->len;
	k->host->send(k->ctx, p);
}

void xchg_send(struct ike_sa *sa, const struct endpoint *local, const struct endpoint *remote,
	       const uint8_t *p, size_t len)
{
	struct rd r = rd_of(p, len);

	sa->last_sent = sa->k->now;
	while (rd_left(&r)) {
		struct ike_packet out = {.local = *local, .remote = *remote, .data = r.p};
		struct ike_hdr h;

		/* One message, or the fragments of one. */
		msg_parse_header(r.p, rd_left(&r), &h);
		out.len = h.len;
		if (!rd_take(&r, h.len))
			return;
		if (h.exchange == IKE_SA_INIT)
			tap_plain(sa->gw, false, local, remote,
				  (struct bytes){.p = out.data, .len = out.len});
		send_packet(sa->k, &out);
	}
}

struct ike_hdr xchg_header(const struct ike_sa *sa, uint8_t exchange, uint32_t msgid, bool response)
{
	return (struct ike_hdr){
		.spi_i = sa_spi_i(sa),
		.spi_r = sa_spi_r(sa),
		.version = 0x20,
		.exchange = exchange,
		.msgid = msgid,
		.flags = (uint8_t)((sa->role == IKE_INITIATOR ? IKE_FLAG_INITIATOR : 0) |
				   (response ? IKE_FLAG_RESPONSE : 0)),
	};
}

static int seal(struct ike_sa *sa, uint8_t exchange, uint32_t msgid, bool response, const struct out *o,
		struct datagram *d)
{
	const struct ike_hdr h = xchg_header(sa, exchange, msgid, response);

	return frag_seal(sa, &h, o, d);
}

static void arm(struct ike_sa *sa)
{
	struct ike *k = sa->k;
	const struct ike_tuning *t = &k->tune;
	uint64_t wait = t->retransmit_ms * NS_MS, cap = t->retransmit_cap_ms * NS_MS, at;

	/* Where DPD sets the time, use it for enough tries to tell a lossy path from a dead peer. */
	if (sa->req.deadline && (sa->req.deadline - sa->req.sent) / TRIES_MIN < cap)
		cap = (sa->req.deadline - sa->req.sent) / TRIES_MIN;
	for (unsigned i = 0; i < sa->req.tries && wait < cap; i++)
		wait *= 2;
	if (wait > cap)
		wait = cap;
	at = k->now + engine_jitter(k, wait);
	if (sa->req.deadline && at > sa->req.deadline)
		at = sa->req.deadline;
	timer_set(&k->timers, &sa->t[SA_T_RETRANSMIT], at);
}

/* Does this request make something new?  What replaces something does not. */
static bool starts(const struct ike_sa *sa, uint8_t exchange, const struct task *t)
{
	if (sa->renews)
		return false;
	return exchange == IKE_SA_INIT || exchange == IKE_INTERMEDIATE || exchange == IKE_AUTH ||
	       (t && t->kind == TASK_CHILD);
}

static void sent(struct ike_sa *sa, uint8_t exchange, const struct task *t)
{
	uint64_t patience = dpd_patience(sa);

	sa->req.busy = true;
	sa->req.exchange = exchange;
	sa->req.tries = 0;
	sa->req.sent = sa->k->now;
	sa->req.deadline = patience ? sa->k->now + patience : 0;
	sa->req.task = t ? *t : (struct task){.kind = TASK_NONE};
	if (starts(sa, exchange, t))
		pace_take(sa);
	arm(sa);
	xchg_send(sa, &sa->local, &sa->remote, sa->req.d.p, sa->req.d.len);
}

int xchg_seal(struct ike_sa *sa, uint8_t exchange, uint32_t msgid, const struct out *o, struct datagram *d)
{
	return seal(sa, exchange, msgid, false, o, d);
}

int xchg_request(struct ike_sa *sa, uint8_t exchange, const struct out *o, const struct task *t)
{
	int rc;

	if (sa->req.busy)
		return -EBUSY;
	rc = xchg_seal(sa, exchange, sa->msgid_out, o, &sa->req.d);
	if (rc)
		return rc;
	sa->req.msgid = sa->msgid_out++;
	sent(sa, exchange, t);
	return 0;
}

int xchg_request_plain(struct ike_sa *sa, const uint8_t *p, size_t len)
{
	int rc = datagram_set(&sa->req.d, p, len);

	if (rc)
		return rc;
	/* IKE_SA_INIT is always message 0, also when it is sent anew with a COOKIE (RFC 7296 2.2). */
	sa->req.msgid = 0;
	sa->msgid_out = 1;
	sent(sa, IKE_SA_INIT, NULL);
	return 0;
}

int xchg_respond(struct ike_sa *sa, const struct msg *m, const struct out *o)
{
	struct ike_packet raw = {.data = m->raw.p, .len = m->raw.len};
	int rc = seal(sa, m->hdr.exchange, m->hdr.msgid, true, o, &sa->answer);

	if (rc)
		return rc;
	xchg_hash(&raw, false, sa->answered);
	sa->msgid_in = m->hdr.msgid + 1;
	/* Back the way the request came (RFC 7296 2.11). */
	xchg_send(sa, &sa->from_local, &sa->from_remote, sa->answer.p, sa->answer.len);
	return 0;
}

void xchg_respond_notify(struct ike_sa *sa, const struct msg *m, uint16_t type, const void *data, size_t len)
{
	struct out o;

	out_begin(&o);
	msg_wr_notify(&o.w, PROTO_NONE, NULL, 0, type, data, len);
	xchg_respond(sa, m, &o);
	if (type == N_TEMPORARY_FAILURE)
		COUNT(sa->k, temporary_failure);
}

void xchg_respond_empty(struct ike_sa *sa, const struct msg *m)
{
	struct out o;

	out_begin(&o);
	xchg_respond(sa, m, &o);
}

void xchg_done(struct ike_sa *sa)
{
	timer_stop(&sa->k->timers, &sa->t[SA_T_RETRANSMIT]);
	datagram_free(&sa->req.d);
	pace_give(sa);
	sa->req.busy = false;
}

void xchg_plain_error(struct ike *k, const struct ike_packet *to, const struct ike_hdr *h, uint16_t type,
		      const void *data, size_t len)
{
	if (bucket_take(&k->plain_errors, k->now, 50, 100))
		xchg_plain(k, to, h, type, data, len);
	else
		COUNT(k, drop_rate_limited);
}

void xchg_plain(struct ike *k, const struct ike_packet *to, const struct ike_hdr *h, uint16_t type,
		const void *data, size_t len)
{
	struct ike_hdr rh = {
		.spi_i = h->spi_i,
		.spi_r = h->spi_r,
		.version = 0x20,
		.exchange = h->exchange,
		.msgid = h->msgid,
		/* We answer as the end the sender did not claim to be. */
		.flags = (uint8_t)(IKE_FLAG_RESPONSE |
				   (h->flags & IKE_FLAG_INITIATOR ? 0 : IKE_FLAG_INITIATOR)),
	};
	struct ike_packet out = {.local = to->local, .remote = to->remote};
	struct msg_wr w;
	uint8_t buf[256];

	msg_wr_begin(&w, buf, sizeof(buf), &rh);
	msg_wr_notify(&w, PROTO_NONE, NULL, 0, type, data, len);
	out.len = msg_wr_end(&w);
	out.data = buf;
	if (!out.len)
		return;
	COUNT(k, tx_plain_error);
	send_packet(k, &out);
}

/* ---- nobody answers ------------------------------------------------------------------------------------------- */

static void give_up(struct ike_sa *sa)
{
	struct request *q = &sa->req;
	char a[ENDPOINT_STR];
	struct ike_reason r;

	switch (sa->state) {
	case SA_INIT_SENT:
	case SA_AUTH_SENT:
		if (sa->init && sa->init->hint) {
			r = *sa->init->hint;
			sa_fail(sa, &r);
			return;
		}
		reason_set(&r, sa->k->now, IKE_CAUSE_NO_ANSWER, sa->role, q->exchange,
			   "no answer from %s to %s after %u tries", endpoint_str(&sa->remote, a),
			   ike_exchange_str(q->exchange), q->tries + 1);
		if (q->exchange == IKE_SA_INIT)
			reason_hint(
				&r,
				"check that the peer is reachable, runs IKEv2, knows our address, and that "
				"UDP port 500 passes in both directions");
		else
			reason_hint(
				&r,
				"the peer answered IKE_SA_INIT but not %s: check that UDP port %u passes in both "
				"directions%s, and the peer's log for %s it refused silently",
				ike_exchange_str(q->exchange), sa->remote.port,
				q->exchange == IKE_INTERMEDIATE ? " with large packets" : "",
				q->exchange == IKE_INTERMEDIATE ? "a key exchange" : "an identity or key");
		sa_fail(sa, &r);
		return;
	case SA_UP: dpd_dead(sa, q); return;
	default: sa_remove(sa); return;
	}
}

static void repeat(struct ike_sa *sa)
{
	sa->retransmits++;
	COUNT(sa->k, tx_retransmit);
	xchg_send(sa, &sa->local, &sa->remote, sa->req.d.p, sa->req.d.len);
	alt_retransmit(sa);
}

bool xchg_again(struct ike_sa *sa)
{
	if (!sa->req.busy || !sa->req.tries || sa->last_sent == sa->k->now)
		return false;
	repeat(sa);
	return true;
}

void xchg_on_retransmit(struct ike *k, void *p)
{
	struct ike_sa *sa = p;
	struct request *q = &sa->req;

	if (q->deadline ? k->now >= q->deadline : q->tries >= k->tune.retransmit_tries) {
		give_up(sa);
		return;
	}
	/* The peer refused in the clear, and nothing better came while we waited (RFC 7296 2.21.1). */
	if (sa->state == SA_INIT_SENT && sa->init->hint && k->now >= sa->init->hint->at + NS_S / 2) {
		give_up(sa);
		return;
	}
	q->tries++;
	pace_give(sa);
	arm(sa);
	repeat(sa);
}

/* ---- tasks ------------------------------------------------------------------------------------------------------ */

static struct task *task_find(const struct ike_sa *sa, enum task_kind kind, uint32_t id)
{
	struct {
		enum task_kind kind;
		uint32_t id;
	} key = {kind, id};
	struct task *t;

	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): of a number it sees the first byte set */
	HASH_FIND(hh, sa->by_key, &key, sizeof(key), t);
	return t;
}

bool task_queued(const struct ike_sa *sa, enum task_kind kind, uint32_t id)
{
	return task_find(sa, kind, id);
}

void task_add(struct ike_sa *sa, enum task_kind kind, uint32_t id, bool front)
{
	struct task *t;

	if (task_find(sa, kind, id))
		return;
	t = calloc(1, sizeof(*t));
	if (!t) {
		COUNT(sa->k, drop_memory);
		return;
	}
	t->kind = kind;
	t->id = id;
	HASH_ADD(hh, sa->by_key, kind, TASK_KEY, t);
	if (front)
		DL_PREPEND(sa->tasks, t);
	else
		DL_APPEND(sa->tasks, t);
	if (kind == TASK_CHILD) {
		struct slot *s = slot_find(sa->k, id);

		if (s && !s->on)
			s->on = sa;
	}
}

static void take_out(struct ike_sa *sa, struct task *t)
{
	HASH_DELETE(hh, sa->by_key, t);
	DL_DELETE(sa->tasks, t);
	free(t);
}

static void task_free(struct ike_sa *sa, struct task *t)
{
	struct slot *s = t->kind == TASK_CHILD ? slot_find(sa->k, t->id) : NULL;

	if (s && s->on == sa)
		s->on = NULL;
	take_out(sa, t);
}

void task_drop(struct ike_sa *sa, enum task_kind kind, uint32_t id)
{
	struct task *t = task_find(sa, kind, id);

	if (t)
		task_free(sa, t);
}

void task_forget_all(struct ike_sa *sa)
{
	while (sa->tasks)
		take_out(sa, sa->tasks);
}

void task_flush(struct ike_sa *sa)
{
	struct task *t, *tmp;

	DL_FOREACH_SAFE(sa->tasks, t, tmp)
	task_free(sa, t);
}

/* The proxy-ID is served already, and not just by an SA about to be closed as a duplicate or to be replaced. */
static bool served(const struct slot *s, const struct ike_sa *sa)
{
	const struct child_sa *c = s->current;

	if (c && !sa->renews && !c->sa->t[SA_T_DUPLICATE].pos && !reauth_leaving(c->sa))
		return true;
	return child_on(s, sa, false);
}

/* True when a request went out. */
static bool start(struct ike_sa *sa, const struct task *t)
{
	struct child_sa *c;
	struct slot *s;

	switch (t->kind) {
	case TASK_CHILD:
		s = slot_find(sa->k, t->id);
		return s && !served(s, sa) && !s->on && child_start(sa, s, NULL, 0);
	case TASK_CHILD_REKEY:
		c = child_find(sa->k, t->id);
		return c && c->sa == sa && c->state == CHILD_MATURE && !followup_rekeys(sa, t->id) &&
		       child_start(sa, c->slot, c, 0);
	case TASK_IKE_REKEY: return rekey_start(sa, 0);
	default: return info_start(sa, t);
	}
}

/* May this one start now? */
static bool runnable(const struct ike_sa *sa, const struct task *t)
{
	bool creates = t->kind == TASK_CHILD || t->kind == TASK_CHILD_REKEY || t->kind == TASK_IKE_REKEY;

	/* A rekey of the IKE SA and what else is created do not go together (RFC 7296 2.25.2). */
	if (sa->pending && (t->kind == TASK_IKE_REKEY || (creates && !sa->pending->child)))
		return false;
	return !creates || (!sa->t[SA_T_HOLD].pos && !sa->unproved);
}

/* The first that may start now; *turn: there is one that has to wait for its turn. */
static struct task *next_task(const struct ike_sa *sa, bool *turn)
{
	struct task *t;

	*turn = false;
	DL_FOREACH (sa->tasks, t) {
		if (!runnable(sa, t))
			continue;
		if (!starts(sa, CREATE_CHILD_SA, t) || pace_may(sa->k))
			return t;
		*turn = true;
	}
	return NULL;
}

void task_run(struct ike_sa *sa)
{

	if (sa->buried || (sa->state != SA_UP && sa->state != SA_REKEYED && sa->state != SA_CLOSING))
		return;
	while (!sa->req.busy && !sa->buried) {
		bool turn;
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): task_free() took what it freed off the list */
		struct task *t = next_task(sa, &turn), one;

		if (turn && !t)
			pace_wait(sa->k, &sa->turn, false);
		if (!t && !sa->tasks && reauth_go_on(sa))
			continue;
		if (!t)
			return;
		one = *t;
		task_free(sa, t);
		start(sa, &one);
	}
}

void xchg_hold(struct ike_sa *sa, enum task_kind kind, uint32_t id)
{
	struct ike *k = sa->k;
	bool first = sa->role == IKE_INITIATOR;
	uint64_t least = first ? 200 * NS_MS : 3 * NS_S, spread = first ? 400 * NS_MS : 3 * NS_S;

	COUNT(k, temporary_failure);
	task_add(sa, kind, id, true);
	timer_set(&k->timers, &sa->t[SA_T_HOLD], k->now + ((least + engine_random(k, spread)) << sa->holds));
	if (sa->holds < (first ? HOLDS_INITIATOR : HOLDS_RESPONDER))
		sa->holds++;
}

void xchg_on_hold(struct ike *k, void *p)
{
	task_run(p);
}
