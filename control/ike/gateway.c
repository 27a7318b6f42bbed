/* SPDX-License-Identifier: Apache-2.0 */
/* Who is configured, who is meant by a message, and who is to be brought up when. */
#include "gateway.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cert.h"
#include "child.h"
#include "fsm.h"
#include "msg.h"
#include "pace.h"
#include "reason.h"
#include "redirect.h"
#include "xchg.h"

enum { SLOT_BACKOFF_S = 5, SLOT_BACKOFF_CAP_S = 300 };

struct gw *gw_find(struct ike *k, const char *name)
{
	struct gw *gw;

	HASH_FIND_STR(k->gws, name, gw);
	return gw;
}

struct slot *slot_find(struct ike *k, uint32_t policy)
{
	struct slot *s;

	HASH_FIND(hh, k->slots, &policy, sizeof(policy), s);
	return s;
}

static struct ts ts_key(const struct ts *t)
{
	struct ts key;

	memset(&key, 0, sizeof(key)); /* padding counts, and what lies behind an IPv4 address */
	key.proto = t->proto;
	key.port_lo = t->port_lo;
	key.port_hi = t->port_hi;
	key.lo.v = t->lo.v;
	key.hi.v = t->hi.v;
	memcpy(key.lo.b, t->lo.b, addr_len(&t->lo));
	memcpy(key.hi.b, t->hi.b, addr_len(&t->hi));
	return key;
}

static struct slot *by_ts(const struct gw *gw, const struct slot_ts *key)
{
	struct slot *s;

	HASH_FIND(hh_ts, gw->by_ts, key, sizeof(*key), s);
	return s;
}

struct slot *slot_by_ts(const struct gw *gw, const struct ts *local, const struct ts *remote)
{
	const struct slot_ts key = {ts_key(local), ts_key(remote)};
	struct slot *s = by_ts(gw, &key);

	return s && !s->twin ? s : NULL;
}

void slots_unindex(struct gw *gw)
{
	HASH_CLEAR(hh_ts, gw->by_ts);
}

void slots_index(struct gw *gw)
{
	slots_unindex(gw);
	for (unsigned i = 0; i < gw->conf.n_children; i++) {
		struct slot *s = gw->slots[i], *first;

		s->twin = false;
		if (s->conf->n_local != 1 || s->conf->n_remote != 1)
			continue;
		s->ts = (struct slot_ts){ts_key(&s->conf->local[0]), ts_key(&s->conf->remote[0])};
		first = by_ts(gw, &s->ts);
		if (first)
			first->twin = true;
		else
			HASH_ADD(hh_ts, gw->by_ts, ts, sizeof(s->ts), s);
	}
}

/* ---- identities ----------------------------------------------------------------------------------------- */

void gw_id_or_addr(const struct ike_id *id, const struct addr *a, struct ike_id *out)
{
	*out = *id;
	if (id->type)
		return;
	out->type = a->v == 6 ? ID_IPV6_ADDR : ID_IPV4_ADDR;
	out->len = (uint8_t)addr_len(a);
	memcpy(out->data, a->b, out->len);
}

void gw_local_id(const struct gw *gw, const struct addr *local, struct ike_id *out)
{
	gw_id_or_addr(&gw->conf.local_id, gw->conf.local.v ? &gw->conf.local : local, out);
}

void gw_remote_id(const struct gw *gw, const struct addr *remote, struct ike_id *out)
{
	gw_id_or_addr(&gw->conf.remote_id, gw->conf.remote.v ? &gw->conf.remote : remote, out);
}

bool id_is(const struct ike_id *id, const struct msg_id *m)
{
	return id->type == m->type && id->len == m->data.len && !memcmp(id->data, m->data.p, id->len);
}

/* "*.branch.example", "*@example.com": one label of a host name, or any user. */
static bool text_fits(const struct ike_id *want, const struct msg_id *m)
{
	size_t tail = want->len - 1u;
	const uint8_t *got = m->data.p;

	return m->data.len > tail &&
	       !strncasecmp((const char *)got + m->data.len - tail, (const char *)want->data + 1, tail) &&
	       !memchr(got, '\0', m->data.len) &&
	       (want->type != ID_FQDN || !memchr(got, '.', m->data.len - tail));
}

bool gw_peer_is(const struct gw *gw, const struct addr *remote, const struct msg_id *m)
{
	const struct ike_id *want = &gw->conf.remote_id;
	struct ike_id id;

	if (want->type == ID_DER_ASN1_DN && m->type == ID_DER_ASN1_DN)
		return cert_dn_is((struct bytes){.p = want->data, .len = want->len}, m->data,
				  gw->conf.remote_pattern);
	if (gw->conf.remote_pattern)
		return want->type == m->type && want->len && text_fits(want, m);
	gw_remote_id(gw, remote, &id);
	return id_is(&id, m);
}

void id_of(const struct msg_id *m, struct ike_id *out)
{
	*out = (struct ike_id){.type = m->type,
			       .len = (uint8_t)(m->data.len < IKE_ID_MAX ? m->data.len : IKE_ID_MAX)};
	if (out->len)
		memcpy(out->data, m->data.p, out->len);
}

/* ---- records ------------------------------------------------------------------------------------------------- */

void gw_record(struct gw *gw, const struct ike_reason *r)
{
	reason_log_add(&gw->failed, r);
}

void slot_record(struct slot *s, const struct ike_reason *r)
{
	reason_log_add(&s->failed, r);
}

bool slot_wanted(const struct slot *s)
{
	return (s->conf->start && s->rest == IKE_DPD_RESTART) || s->was_up || s->acquired;
}

bool slot_up(const struct slot *s)
{
	return s->current || s->on;
}

static uint64_t backoff(struct ike *k, unsigned fails, uint64_t base_s, uint64_t cap_s)
{
	uint64_t s = base_s;

	for (unsigned i = 1; i < fails && s < cap_s; i++)
		s *= 2;
	return engine_jitter(k, (s < cap_s ? s : cap_s) * NS_S);
}

void gw_failed(struct gw *gw, const struct ike_reason *r)
{
	bool again = gw->again && r->role == IKE_INITIATOR && r->cause == IKE_CAUSE_NO_ANSWER;
	struct ike *k = gw->k;

	gw_record(gw, r);
	gw->failures++;
	for (unsigned i = 0; i < gw->conf.n_children; i++) {
		struct slot *s = gw->slots[i];

		if (s->current || !slot_wanted(s))
			continue;
		slot_record(s, r);
		if (!s->on && !again)
			s->acquired = false; /* one attempt; traffic will ask again */
	}
	redirect_forget(gw);
	if (r->role != IKE_INITIATOR || gw->removed)
		return;
	gw->again = false;
	gw->fails++;
	gw->next_try = k->now;
	if (!again)
		gw->next_try += backoff(k, gw->fails, k->tune.backoff_s, k->tune.backoff_cap_s);
	timer_set(&k->timers, &gw->retry, gw->next_try);
}

void gw_succeeded(struct gw *gw)
{
	gw->fails = 0;
	gw->again = false;
	gw->known = true;
	gw->next_try = 0;
	gw->group = 0;
	reason_log_mended(&gw->failed, IKE_SA_INIT);
	reason_log_mended(&gw->failed, IKE_AUTH);
}

void slot_failed(struct slot *s, struct ike_sa *sa, const struct ike_reason *r, bool rekey)
{
	struct ike *k = s->gw->k;

	COUNT(k, child_fail);
	slot_record(s, r);
	child_event(sa, s, NULL, IKE_EV_CHILD_FAIL, r, rekey);
	if (rekey || s->retired || r->role != IKE_INITIATOR)
		return;
	s->acquired = s->has_flow = s->single = false;
	s->fails++;
	s->next_try = k->now + backoff(k, s->fails, SLOT_BACKOFF_S, SLOT_BACKOFF_CAP_S);
	if (slot_wanted(s))
		timer_set(&k->timers, &s->retry, s->next_try);
}

/* ---- bringing up ----------------------------------------------------------------------------------------------- */

bool gw_initiates(const struct gw *gw)
{
	return !gw->conf.passive && gw->conf.remote.v;
}

struct ike_sa *gw_trying(const struct gw *gw)
{
	struct ike_sa *sa;

	DL_FOREACH (gw->sas, sa)
		if (sa_negotiating(sa) && !sa->abandon)
			return sa;
	return NULL;
}

static int bring_up(struct slot *s, bool force)
{
	struct gw *gw = s->gw;
	struct ike *k = gw->k;
	struct ike_sa *sa = sa_current(gw);

	if (sa) {
		task_add(sa, TASK_CHILD, s->policy, false);
		task_run(sa);
		return 1;
	}
	if (!gw_initiates(gw)) {
		s->acquired = false;
		return 0;
	}
	if (gw_trying(gw))
		return 0; /* served as soon as the IKE SA is up */
	if (!force && k->now < gw->next_try) {
		timer_set(&k->timers, &gw->retry, gw->next_try);
		return 0;
	}
	if (!pace_may(k)) {
		gw->forced |= force;
		pace_wait(k, &gw->turn, force);
		return force;
	}
	return init_start(gw, s, NULL) ? 0 : 1;
}

/* A proxy-ID to go into IKE_AUTH: one that is wanted, or not up, or any. */
static struct slot *first_slot(const struct gw *gw)
{
	struct slot *down = NULL;

	for (unsigned i = 0; i < gw->conf.n_children; i++) {
		struct slot *s = gw->slots[i];

		if (slot_up(s))
			continue;
		if (slot_wanted(s))
			return s;
		if (!down)
			down = s;
	}
	return down || !gw->conf.n_children ? down : gw->slots[0];
}

void gw_start(struct gw *gw)
{
	struct slot *s = first_slot(gw);

	if (s && !slot_up(s))
		s->acquired = true;
	if (pace_may(gw->k)) {
		init_start(gw, s, NULL);
		return;
	}
	gw->forced = true;
	pace_wait(gw->k, &gw->turn, true);
}

void gw_turn(struct gw *gw)
{
	bool forced = gw->forced;

	gw->forced = false;
	if (forced && !sa_current(gw) && !gw_trying(gw))
		init_start(gw, first_slot(gw), NULL);
	else
		gw_service(gw);
}

void slot_service(struct slot *s)
{
	struct ike *k = s->gw->k;

	if (k->stopping || s->retired || slot_up(s) || !slot_wanted(s))
		return;
	if (k->now < s->next_try)
		timer_set(&k->timers, &s->retry, s->next_try);
	else
		bring_up(s, false);
}

int slot_start(struct slot *s)
{
	if (s->gw->k->stopping || slot_up(s))
		return 0;
	s->rest = IKE_DPD_RESTART;
	s->acquired = true;
	return bring_up(s, true);
}

void gw_service(struct gw *gw)
{
	if (gw->removed)
		return;
	for (unsigned i = 0; i < gw->conf.n_children; i++)
		slot_service(gw->slots[i]);
}

void gw_on_retry(struct ike *k, void *p)
{
	gw_service(p);
}

void slot_on_retry(struct ike *k, void *p)
{
	slot_service(p);
}
