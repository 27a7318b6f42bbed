/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy_state.h"

#include <errno.h>
#include <stdlib.h>

#include "wire.h"

static void stats_add(struct dp_sa_stats *to, const struct dp_sa_stats *s, bool newest)
{
	to->packets += s->packets;
	to->bytes += s->bytes;
	to->auth_errors += s->auth_errors;
	to->replays += s->replays;
	to->selector_drops += s->selector_drops;
	to->malformed += s->malformed;
	for (unsigned i = 0; i < DP_LATE_BUCKETS; i++) {
		to->late[i] += s->late[i];
		to->left[i] += s->left[i];
	}
	if (s->last_used_ns > to->last_used_ns)
		to->last_used_ns = s->last_used_ns;
	if (newest) {
		to->seq = s->seq;
		to->worker = s->worker;
	}
}

static void stats_sub(struct dp_sa_stats *s, const struct dp_sa_stats *cleared)
{
	if (!cleared)
		return;
	s->packets -= cleared->packets;
	s->bytes -= cleared->bytes;
	s->auth_errors -= cleared->auth_errors;
	s->replays -= cleared->replays;
	s->selector_drops -= cleared->selector_drops;
	s->malformed -= cleared->malformed;
	for (unsigned i = 0; i < DP_LATE_BUCKETS; i++) {
		s->late[i] -= cleared->late[i];
		s->left[i] -= cleared->left[i];
	}
}

static void take_used(struct proxy_state *s, const struct dp_sa_stats *st, bool newest)
{
	if (newest && st->bytes > s->used_bytes)
		s->used_bytes = st->bytes;
	if (newest && st->packets > s->used_packets)
		s->used_packets = st->packets;
}

static void take_child(struct proxy_state *s, const struct ike_child_info *i, const struct ctl_child *h)
{
	struct dp_sa_stats st;
	bool newest;

	newest = s->n_sas == 0 || i->created >= s->sa.created;
	if (newest) {
		s->sa = *i;
		s->sa_out = h->sa_out;
	}
	s->n_sas++;
	if (newest)
		s->used_bytes = s->used_packets = 0;
	if (dp_sa_in_stats(h->spi_in, &st) == 0) {
		take_used(s, &st, newest);
		stats_sub(&st, h->cleared ? &h->cleared[0] : NULL);
		stats_add(&s->in, &st, newest);
	}
	if (dp_sa_out_stats(h->sa_out, &st) == 0) {
		take_used(s, &st, newest);
		stats_sub(&st, h->cleared ? &h->cleared[1] : NULL);
		stats_add(&s->out, &st, newest);
	}
}

static bool on_child(void *arg, const struct ike_child_info *i)
{
	if (i->host)
		take_child(arg, i, i->host);
	return true;
}

static void take_conf(struct proxy_state *s, const struct ike_conf_child_info *i)
{
	s->negotiating = i->negotiating;
	s->up = i->up;
	s->gateway_id = i->gw->id;
	s->conf = i->conf;
	if (i->last_failure && i->last_failure->cause != IKE_CAUSE_NONE)
		s->failure = i->last_failure;
	for (unsigned n = 0; n < i->n_recent && !s->rekey_failure; n++)
		if (!i->recent[n]->past && i->recent[n]->exchange == CREATE_CHILD_SA &&
		    (i->recent[n]->cause == IKE_CAUSE_NO_PROPOSAL ||
		     i->recent[n]->cause == IKE_CAUSE_INVALID_KE))
			s->rekey_failure = i->recent[n];
}

static uint32_t leader_of(const struct ctl *c, const struct ctl_policy *p)
{
	return p->policy < c->n_leaders ? c->leaders[p->policy] : p->policy;
}

static bool on_first_child(void *arg, const struct ike_child_info *i)
{
	*(bool *)arg |= i->host != NULL;
	return !i->host;
}

const char *proxy_state_word(struct ctl *c, const struct ctl_policy *p)
{
	struct ike_conf_child_info i;
	bool active = false;

	ike_each_child_of(c->ike, leader_of(c, p), on_first_child, &active);
	if (active)
		return "active";
	return ike_conf_child_read(c->ike, leader_of(c, p), &i) && i.negotiating ? "init" : "inactive";
}

/* A Child SA that several proxy-IDs share stands at each of them, with the SA's own counters. */
void proxy_state_gather(struct ctl *c, struct proxy_state *list, size_t n)
{
	struct ike_conf_child_info i;

	for (size_t k = 0; k < n; k++) {
		uint32_t policy = leader_of(c, list[k].p);

		ike_each_child_of(c->ike, policy, on_child, &list[k]);
		if (ike_conf_child_read(c->ike, policy, &i))
			take_conf(&list[k], &i);
	}
}

static bool on_clear(void *arg, const struct ike_child_info *i)
{
	struct ctl_child *h = i->host;

	if (!h)
		return true;
	if (!h->cleared)
		h->cleared = calloc(2, sizeof(h->cleared[0]));
	if (!h->cleared) {
		*(int *)arg = -ENOMEM;
		return false;
	}
	(void)dp_sa_in_stats(h->spi_in, &h->cleared[0]);
	(void)dp_sa_out_stats(h->sa_out, &h->cleared[1]);
	++*(int *)arg;
	return true;
}

int proxy_state_clear(struct ctl *c, const struct ctl_policy *p)
{
	int n = 0;

	ike_each_child_of(c->ike, leader_of(c, p), on_clear, &n);
	return n;
}

/* Stamps are good to a second and an answer takes its time, so that a few seconds, or a few packets, tell
 * nothing. */
enum proxy_traffic proxy_traffic(const struct proxy_state *s, uint64_t *one_way_s)
{
	enum { APART_S = 4, PACKETS = 3 };
	const uint64_t second = 1000000000;
	uint64_t made = s->sa.created / second, now = ctl_now() / second;
	uint64_t in = s->in.last_used_ns / second, out = s->out.last_used_ns / second;
	uint64_t missed = 0; /* when the way that is silent was last in use */
	enum proxy_traffic t = TRAFFIC_BOTH;

	if (!in && !out) {
		t = TRAFFIC_NONE;
	} else if (out > (in ? in : made) + APART_S || (!in && s->out.packets >= PACKETS)) {
		t = TRAFFIC_OUT_ONLY;
		missed = in ? in : made;
	} else if (in > (out ? out : made) + APART_S || (!out && s->in.packets >= PACKETS)) {
		t = TRAFFIC_IN_ONLY;
		missed = out ? out : made;
	}
	*one_way_s = missed && now > missed ? now - missed : 0;
	return t;
}
