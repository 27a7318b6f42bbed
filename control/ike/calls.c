/* SPDX-License-Identifier: Apache-2.0 */
#include "calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fsm.h"
#include "reason.h"

/* IKEv1: exchange types, payload types and a notify (RFC 2408 3.1, 3.14.1; RFC 2409 4). */
enum {
	V1_MAIN = 2,
	V1_AGGRESSIVE = 4,
	V1_INFORMATIONAL = 5,
	V1_PL_ID = 5,
	V1_PL_NOTIFY = 11,
	V1_ENCRYPTED = 1,
	V1_INVALID_MAJOR_VERSION = 5,
};
enum { NEW_CALLS_PER_S = 1, NEW_CALLS_BURST = 5, PAYLOADS_MAX = 16 };

/* ---- the table ------------------------------------------------------------------------------------- */

static bool is(const struct ike_call *c, enum ike_call_kind kind, const struct addr *from,
	       const char *identity)
{
	return c->kind == kind && addr_eq(&c->remote.a, from) && strcmp(c->identity, identity) == 0;
}

static struct ike_call *row(struct ike *k, enum ike_call_kind kind, const struct addr *from,
			    const char *identity)
{
	struct calls *t = k->calls;
	struct ike_call *oldest = &t->c[0];

	for (unsigned i = 0; i < t->n; i++) {
		if (is(&t->c[i], kind, from, identity))
			return &t->c[i];
		if (t->c[i].last < oldest->last)
			oldest = &t->c[i];
	}
	if (!bucket_take(&k->unknown_peers, k->now, NEW_CALLS_PER_S, NEW_CALLS_BURST))
		return NULL;
	if (t->n < CALLS_KEPT)
		oldest = &t->c[t->n++];
	*oldest = (struct ike_call){.kind = kind, .first = k->now};
	snprintf(oldest->identity, sizeof(oldest->identity), "%s", identity);
	return oldest;
}

bool calls_note(struct ike *k, enum ike_call_kind kind, const struct endpoint *local,
		const struct endpoint *remote, const char *what, const char *identity)
{
	char id[sizeof(k->calls->c[0].identity)] = "";
	struct ike_call *c;

	if (!k->calls)
		k->calls = calloc(1, sizeof(*k->calls));
	if (!k->calls)
		return false;
	if (identity)
		snprintf(id, sizeof(id), "%s", identity);
	c = row(k, kind, &remote->a, id);
	if (!c)
		return false;
	c->local = *local;
	c->remote = *remote;
	snprintf(c->what, sizeof(c->what), "%s", what);
	c->last = k->now;
	c->count++;
	return true;
}

void ike_each_call(struct ike *k, bool (*cb)(void *arg, const struct ike_call *i), void *arg)
{
	for (unsigned i = 0; k->calls && i < k->calls->n; i++)
		if (!cb(arg, &k->calls->c[i]))
			return;
}

/* ---- IKEv1 ------------------------------------------------------------------------------------------- */

static const char *mode(uint8_t exchange)
{
	switch (exchange) {
	case V1_MAIN: return "IKEv1 main mode";
	case V1_AGGRESSIVE: return "IKEv1 aggressive mode";
	default: return "IKEv1";
	}
}

/* The body of the first payload of a type; empty when there is none in clear. */
static struct bytes payload(const struct ike_packet *p, const struct ike_hdr *h, uint8_t type)
{
	struct rd r = rd_of(p->data, p->len);
	uint8_t next = h->next;

	rd_take(&r, IKE_HDR);
	for (unsigned i = 0; next && i < PAYLOADS_MAX && !(h->flags & V1_ENCRYPTED); i++) {
		uint8_t this = next;
		struct bytes body;
		uint16_t len;

		next = rd_u8(&r);
		rd_u8(&r);
		len = rd_u16(&r);
		body = rd_bytes(&r, len < 4 ? SIZE_MAX : len - 4u);
		if (!body.p)
			break;
		if (this == type)
			return body;
	}
	return (struct bytes){0};
}

/* Aggressive mode sends its identity in clear (RFC 2409 5). */
static const char *identity(const struct ike_packet *p, const struct ike_hdr *h, char *buf, size_t cap)
{
	struct bytes b = payload(p, h, V1_PL_ID);
	struct rd r = rd_of(b.p, b.len);
	struct ike_id id = {0};
	struct bytes data;

	id.type = rd_u8(&r);
	rd_take(&r, 3);
	data = rd_rest(&r);
	if (r.bad || !data.len || data.len > IKE_ID_MAX)
		return NULL;
	id.len = (uint8_t)data.len;
	memcpy(id.data, data.p, data.len);
	return id_str(&id, buf, cap);
}

static bool refuses_our_version(const struct ike_packet *p, const struct ike_hdr *h)
{
	struct bytes b = payload(p, h, V1_PL_NOTIFY);
	struct rd r = rd_of(b.p, b.len);

	rd_take(&r, 6); /* DOI, protocol, SPI size */
	return rd_u16(&r) == V1_INVALID_MAJOR_VERSION && !r.bad;
}

static void v1_reason(struct ike_reason *r, uint64_t now, enum ike_role role, const char *how)
{
	reason_set(r, now, IKE_CAUSE_VERSION, role, IKE_SA_INIT, "peer speaks IKEv1: %s", how);
	reason_ours(r, "IKEv2");
	reason_theirs(r, "IKEv1");
	reason_diff(r, "IKE version", false, NULL, "2", "1");
	reason_hint(r, "set the peer's gateway to IKEv2; culvert has no IKEv1");
}

/* An answer to our IKE_SA_INIT: unprotected, so it only counts when nothing better comes. */
static bool answered(struct ike *k, const struct ike_packet *p, const struct ike_hdr *h)
{
	struct ike_sa *sa = sa_find(k, h->spi_i);

	if (!sa || sa->state != SA_INIT_SENT || !addr_eq(&sa->remote.a, &p->remote.a))
		return false;
	if (sa->init->hint)
		return true;
	sa->init->hint = malloc(sizeof(*sa->init->hint));
	if (sa->init->hint)
		v1_reason(sa->init->hint, k->now, IKE_INITIATOR,
			  refuses_our_version(p, h) ? "it answers that it does not know our version"
						    : "it answers in that version");
	return true;
}

void calls_v1(struct ike *k, const struct ike_packet *p, const struct ike_hdr *h)
{
	struct gw *gw = gw_candidate(k, &p->local.a, &p->remote.a, NULL);
	char id[ID_STR];
	const char *who;
	struct ike_reason r;
	struct ike_event e = {.type = gw ? IKE_EV_IKE_FAIL : IKE_EV_UNKNOWN_PEER,
			      .gateway = gw ? gw->conf.name : "",
			      .local = p->local,
			      .remote = p->remote,
			      .role = IKE_RESPONDER,
			      .spi_i = h->spi_i,
			      .reason = &r};

	if (answered(k, p, h) || (h->exchange != V1_MAIN && h->exchange != V1_AGGRESSIVE) || h->spi_r)
		return;
	who = identity(p, h, id, sizeof(id));
	if (!calls_note(k, IKE_CALL_VERSION, &p->local, &p->remote, mode(h->exchange), who) ||
	    !bucket_take(&k->starts, k->now, 10, 20))
		return;
	v1_reason(&r, k->now, IKE_RESPONDER, mode(h->exchange) + sizeof("IKEv1"));
	if (who)
		reason_theirs(&r, "IKEv1, identity %.200s", who);
	/* Of a gateway that is up it says nothing: anybody may have sent it. */
	if (gw && !sa_current(gw))
		gw_record(gw, &r);
	COUNT(k, ike_fail);
	k->host->event(k->ctx, &e);
}
