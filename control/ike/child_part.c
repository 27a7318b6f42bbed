/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Child SA part that IKE_AUTH and CREATE_CHILD_SA share: SA, TSi and TSr, offered, chosen, narrowed
 * and checked (RFC 7296 2.7, 2.9).
 */
#include <limits.h>
#include <string.h>

#include "fsm.h"
#include "reason.h"

static uint32_t spi_read(const struct suite_choice *s)
{
	struct rd r = rd_of(s->spi, s->spi_len == ESP_SPI ? ESP_SPI : 0);

	return rd_u32(&r);
}

static void spi_write(uint32_t spi, uint8_t out[ESP_SPI])
{
	struct wr w = wr_of(out, ESP_SPI);

	wr_u32(&w, spi);
}

void child_conf_ts(const struct slot *s, struct ts_list *local, struct ts_list *remote)
{
	*local = (struct ts_list){.n = s->conf->n_local};
	*remote = (struct ts_list){.n = s->conf->n_remote};
	memcpy(local->t, s->conf->local, local->n * sizeof(local->t[0]));
	memcpy(remote->t, s->conf->remote, remote->n * sizeof(remote->t[0]));
}

static void offer(const struct slot *s, uint32_t spi_in, bool first, struct proposals *out)
{
	uint8_t spi[ESP_SPI];

	spi_write(spi_in, spi);
	prop_offer(&s->conf->esp, first ? PROP_ESP_FIRST : PROP_ESP, s->conf->esn, spi, sizeof(spi), out);
}

void child_write_sa(struct msg_wr *w, const struct slot *s, uint32_t spi_in, bool first)
{
	struct proposals p;

	if (s->conf->transport)
		msg_wr_notify(w, PROTO_NONE, NULL, 0, N_USE_TRANSPORT_MODE, NULL, 0);
	offer(s, spi_in, first, &p);
	msg_wr_open(w, PL_SA);
	prop_encode(&w->w, &p);
	msg_wr_close(w);
}

void child_write_choice(struct msg_wr *w, const struct child_plan *p)
{
	uint8_t spi[ESP_SPI];

	if (p->transport)
		msg_wr_notify(w, PROTO_NONE, NULL, 0, N_USE_TRANSPORT_MODE, NULL, 0);
	spi_write(p->spi_in, spi);
	msg_wr_open(w, PL_SA);
	prop_encode_choice(&w->w, &p->suite, spi, sizeof(spi));
	msg_wr_close(w);
}

void child_write_ts(struct msg_wr *w, const struct ts_list *local, const struct ts_list *remote,
		    enum ike_role role)
{
	msg_wr_open(w, PL_TSI);
	ts_encode(&w->w, role == IKE_INITIATOR ? local : remote);
	msg_wr_close(w);
	msg_wr_open(w, PL_TSR);
	ts_encode(&w->w, role == IKE_INITIATOR ? remote : local);
	msg_wr_close(w);
}

void child_write_answer_ts(struct msg_wr *w, const struct child_plan *p)
{
	child_write_ts(w, &p->local, &p->remote, IKE_RESPONDER);
	if (p->additional)
		msg_wr_notify(w, PROTO_NONE, NULL, 0, N_ADDITIONAL_TS_POSSIBLE, NULL, 0);
}

/* ---- the packet that asked --------------------------------------------------------------------------------- */

static bool has_ports(uint8_t proto)
{
	return proto == 6 || proto == 17 || proto == 33 || proto == 132 || proto == 136;
}

static struct ts host(const struct endpoint *e, uint8_t proto)
{
	struct prefix p = {.a = e->a, .len = e->a.v == 6 ? 128 : 32};

	return ts_of(&p, proto, has_ports(proto) ? e->port : 0);
}

static bool inside(const struct ts *t, const struct ts *list, uint8_t n)
{
	for (uint8_t i = 0; i < n; i++)
		if (ts_within(t, &list[i]))
			return true;
	return false;
}

void slot_flow(struct slot *s, const struct ike_flow *f)
{
	struct ts local = host(&f->src, f->proto), remote = host(&f->dst, f->proto);

	if (s->on || !f->src.a.v || !f->dst.a.v || !inside(&local, s->conf->local, s->conf->n_local) ||
	    !inside(&remote, s->conf->remote, s->conf->n_remote))
		return;
	s->has_flow = true;
	s->flow_local = local;
	s->flow_remote = remote;
	/* Refused for want of just this: no need to wait, nor to ask for all again. */
	if (s->wants_flow) {
		s->single = s->conf->ts_policy != IKE_TS_EXACT;
		s->next_try = 0;
	}
	s->wants_flow = false;
}

/* The one packet's address, of all that the selector around it has. */
static void only(struct ts_list *l, const struct ts *flow)
{
	struct ts any = *flow, one;

	any.proto = 0;
	any.port_lo = 0;
	any.port_hi = UINT16_MAX;
	for (uint8_t i = 0; i < l->n; i++)
		if (ts_within(flow, &l->t[i]) && ts_intersect(&any, &l->t[i], &one)) {
			l->t[0] = one;
			l->n = 1;
			return;
		}
}

static void in_front(struct ts_list *l, const struct ts *flow)
{
	if (l->n == TS_LIST_MAX)
		return;
	memmove(&l->t[1], &l->t[0], l->n * sizeof(l->t[0]));
	l->t[0] = *flow;
	l->n++;
}

void child_ask_ts(const struct slot *s, const struct child_sa *old, struct ts_list *local,
		  struct ts_list *remote)
{
	child_conf_ts(s, local, remote);
	if (old && old->single) {
		*local = (struct ts_list){.n = old->n_local};
		*remote = (struct ts_list){.n = old->n_remote};
		memcpy(local->t, old->ts, old->n_local * sizeof(old->ts[0]));
		memcpy(remote->t, old->ts + old->n_local, old->n_remote * sizeof(old->ts[0]));
		return;
	}
	/* To a policy of "exact" anything besides the proxy-ID would be something else. */
	if (old || !s->has_flow || s->conf->ts_policy == IKE_TS_EXACT)
		return;
	if (s->single) {
		only(local, &s->flow_local);
		only(remote, &s->flow_remote);
	} else {
		in_front(local, &s->flow_local);
		in_front(remote, &s->flow_remote);
	}
}

bool child_single_pair(struct slot *s, uint16_t notify)
{
	s->wants_flow = notify == N_SINGLE_PAIR_REQUIRED && !s->has_flow;
	if (notify != N_SINGLE_PAIR_REQUIRED || s->single || !s->has_flow ||
	    s->conf->ts_policy == IKE_TS_EXACT)
		return false;
	COUNT(s->gw->k, single_pair);
	s->single = true;
	return true;
}

static bool same_cover(const struct ts_list *a, const struct ts_list *b)
{
	return ts_list_within(a, b) && ts_list_within(b, a);
}

/* RFC 7296 1.3.1: whoever cannot take off TFC padding says so wherever an SA is agreed upon. */
static bool no_tfc(const struct in *in)
{
	return msg_notify_find(in->m, N_ESP_TFC_PADDING_NOT_SUPPORTED);
}

/* ---- transport mode ------------------------------------------------------------------------------------- */

static bool asks_transport(const struct in *in)
{
	return msg_notify_find(in->m, N_USE_TRANSPORT_MODE);
}

static void put_address(struct ts_list *l, const struct addr *a)
{
	for (unsigned i = 0; i < l->n; i++)
		if (l->t[i].lo.v == a->v && addr_eq(&l->t[i].lo, &l->t[i].hi))
			l->t[i].lo = l->t[i].hi = *a;
}

/* Selectors of hosts name the addresses that their sender knows; behind a NAT these are not those of the packets that
 * we see (RFC 7296 2.23.1). */
static void undo_nat(const struct ike_sa *sa, struct ts_list *local, struct ts_list *remote)
{
	if (sa->nat_local)
		put_address(local, &sa->local.a);
	if (sa->nat_remote)
		put_address(remote, &sa->remote.a);
}

static void mode_differs(struct in *in, const struct slot *s, enum ike_role role, const char *what,
			 struct ike_reason *r)
{
	reason_set(r, in->k->now, IKE_CAUSE_UNSUPPORTED, role, in->m->hdr.exchange,
		   "%s, and ipsec-mode of tunnel %s is transport", what, s->conf->tunnel);
	reason_ours(r, "transport");
	reason_theirs(r, "tunnel");
	reason_hint(r, "set the peer to transport mode, or ipsec-mode of tunnel %s to \"tunnel\"",
		    s->conf->tunnel);
}

/* ---- responder --------------------------------------------------------------------------------------------- */

/* How well a slot fits; 0: not at all. */
enum { EQUAL = 6 };
static unsigned fit(const struct slot *s, const struct ts_list *local, const struct ts_list *remote,
		    struct child_plan *p)
{
	struct ts_list l, r;

	child_conf_ts(s, &l, &r);
	ts_narrow(&l, local, &p->local);
	ts_narrow(&r, remote, &p->remote);
	if (!ts_list_meet(&p->local, &p->remote))
		return 0;
	if (same_cover(&l, local) && same_cover(&r, remote))
		return EQUAL;
	if (s->conf->ts_policy == IKE_TS_EXACT)
		return 1; /* overlaps, but that does not count: see the reason */
	/* All that the peer asked for, all that we have, or a part of both. */
	if (ts_list_within(local, &l) && ts_list_within(remote, &r))
		return 5;
	if (ts_list_within(&l, local) && ts_list_within(&r, remote))
		return 4;
	return 3;
}

/* The packet that asked is the peer's first selector; whatever is chosen is to contain it (RFC 7296 2.9). */
static bool has_first(const struct child_plan *p, const struct ts_list *local, const struct ts_list *remote)
{
	const struct ts_list l = {.n = 1, .t = {local->t[0]}}, r = {.n = 1, .t = {remote->t[0]}};

	return ts_list_within(&l, &p->local) && ts_list_within(&r, &p->remote);
}

/* The slot that is just what was asked for, where the peer named it by one selector at each end, the packet that asked
 * perhaps besides.  Found without looking at the others: a gateway may have thousands. */
static struct slot *equal_slot(struct gw *gw, const struct ts_list *local, const struct ts_list *remote,
			       struct child_plan *out)
{
	for (unsigned i = 0; i < local->n && i < 2; i++) {
		for (unsigned n = 0; n < remote->n && n < 2; n++) {
			struct slot *s = slot_by_ts(gw, &local->t[i], &remote->t[n]);

			if (s && fit(s, local, remote, out) == EQUAL)
				return s;
		}
	}
	return NULL;
}

/* The best slot: one that is just what was asked for, then one with the first selector; then one that this IKE SA
 * does not have yet, then configuration order.  *best is how well it fits. */
static struct slot *select_slot(const struct ike_sa *sa, struct gw *gw, const struct ts_list *local,
				const struct ts_list *remote, struct child_plan *out, unsigned *best)
{
	struct slot *found = equal_slot(gw, local, remote, out);
	bool found_up = false;
	unsigned top = 0;

	*best = found ? EQUAL : 0;
	if (found)
		return found;
	for (unsigned i = 0; i < gw->conf.n_children; i++) {
		struct slot *s = gw->slots[i];
		struct child_plan p = *out;
		unsigned score = fit(s, local, remote, &p), rank = score * 2;
		bool up = child_on(s, sa, false);

		if (score == EQUAL)
			rank = UINT_MAX;
		else if (score > 1 && has_first(&p, local, remote))
			rank += EQUAL;
		if (rank < top || !score || (rank == top && (up || !found_up)))
			continue;
		found = s;
		found_up = up;
		top = rank;
		*best = score;
		*out = p;
	}
	return found;
}

/* For the reason: the slot that shares most with what came, or the first. */
static struct slot *nearest_slot(struct gw *gw, const struct ts_list *local, const struct ts_list *remote)
{
	struct slot *best = gw->conf.n_children ? gw->slots[0] : NULL;
	unsigned best_score = 0;

	for (unsigned i = 0; i < gw->conf.n_children; i++) {
		struct ts_list l, r, x;
		unsigned score = 0;

		child_conf_ts(gw->slots[i], &l, &r);
		ts_narrow(&l, local, &x);
		score += x.n ? 2 : 0;
		ts_narrow(&r, remote, &x);
		score += x.n ? 2 : 0;
		ts_narrow(&l, remote, &x);
		score += x.n ? 1 : 0;
		if (score > best_score) {
			best_score = score;
			best = gw->slots[i];
		}
	}
	return best;
}

/* The peer asked for more than p has of it, and another slot has some of that. */
static bool more_elsewhere(struct gw *gw, const struct child_plan *p, const struct ts_list *local,
			   const struct ts_list *remote)
{
	if (ts_list_within(local, &p->local) && ts_list_within(remote, &p->remote))
		return false;
	for (unsigned i = 0; i < gw->conf.n_children; i++) {
		struct child_plan o = {0};

		if (gw->slots[i] != p->slot && fit(gw->slots[i], local, remote, &o) > 1 &&
		    !(ts_list_within(&o.local, &p->local) && ts_list_within(&o.remote, &p->remote)))
			return true;
	}
	return false;
}

static bool refuse_ts(struct in *in, struct gw *gw, const struct child_sa *old, const struct ts_list *local,
		      const struct ts_list *remote, struct child_plan *p, uint16_t *notify,
		      struct ike_reason *r)
{
	struct ts_list l, rem;

	*notify = N_TS_UNACCEPTABLE;
	reason_set(r, in->k->now, IKE_CAUSE_TS_UNACCEPTABLE, IKE_RESPONDER, in->m->hdr.exchange, "%s",
		   "gateway has no proxy-ID");
	p->slot = old ? old->slot : nearest_slot(gw, local, remote);
	if (!p->slot)
		return false;
	child_conf_ts(p->slot, &l, &rem);
	reason_ts(r, &l, &rem, local, remote, p->slot->conf->ts_policy == IKE_TS_EXACT);
	return false;
}

static bool choose_suite(struct in *in, const struct slot *s, bool first, struct child_plan *p,
			 uint16_t *notify, struct ike_reason *r)
{
	enum prop_kind kind = first ? PROP_ESP_FIRST : PROP_ESP;
	struct ike_algs one = s->conf->esp;
	struct proposals theirs, mine;
	char why[256], buf[256];
	int rc;

	*notify = N_NO_PROPOSAL_CHOSEN;
	if (prop_decode(in->m->sa, &theirs)) {
		*notify = N_INVALID_SYNTAX;
		reason_set(r, in->k->now, IKE_CAUSE_MALFORMED, IKE_RESPONDER, in->m->hdr.exchange,
			   "peer's SA payload is malformed");
		return false;
	}
	/* The group the peer used already, if it is one of ours: no round trip for another. */
	rc = -1;
	for (unsigned i = 0; rc && !first && i < s->conf->esp.n_dh; i++) {
		if (s->conf->esp.dh[i] != in->m->ke.group)
			continue;
		one.n_dh = 1;
		one.dh[0] = in->m->ke.group;
		rc = prop_choose(&theirs, &one, kind, s->conf->esn, &p->suite, why, sizeof(why));
	}
	if (rc)
		rc = prop_choose(&theirs, &s->conf->esp, kind, s->conf->esn, &p->suite, why, sizeof(why));
	if (!rc && p->suite.protocol == PROTO_ESP && spi_read(&p->suite) >= 256) {
		p->spi_out = spi_read(&p->suite);
		return true;
	}
	reason_set(r, in->k->now, IKE_CAUSE_NO_PROPOSAL, IKE_RESPONDER, in->m->hdr.exchange,
		   "peer offered no ESP proposal we accept: %s", rc ? why : "its SPI is not valid");
	offer(s, 0, first, &mine);
	reason_ours(r, "%s", proposals_str(&mine, buf, sizeof(buf)));
	reason_theirs(r, "%s", proposals_str(&theirs, buf, sizeof(buf)));
	reason_proposals(r, &theirs, &s->conf->esp, kind, s->conf->esn);
	reason_hint(r, "make the ipsec crypto profile of tunnel %s and the peer's agree%s", s->conf->tunnel,
		    first ? "" : "; PFS (dh-group) counts here, though not for the first Child SA");
	return false;
}

/* One more for the peer?  Those that both ends have deleted only wait for packets that were overtaken: the
 * oldest of them makes room. */
static bool room_for_one(struct slot *s, uint32_t most)
{
	struct child_sa *c, *oldest = NULL;

	if (s->n_children < most)
		return true;
	for (c = s->children; c; c = c->snext)
		if (c->state == CHILD_GONE)
			oldest = c;
	if (oldest)
		child_remove(oldest, NULL);
	return oldest;
}

bool child_plan_answer(struct in *in, struct gw *gw, const struct child_sa *old, bool first,
		       struct child_plan *p, uint16_t *notify, struct ike_reason *r)
{
	struct ike *k = in->k;
	struct ts_list local, remote;
	unsigned score;
	int rc;

	*p = (struct child_plan){
		.role = IKE_RESPONDER, .no_tfc = no_tfc(in), .transport = asks_transport(in)};
	if (ts_decode(in->m->tsr, &local, NULL) || ts_decode(in->m->tsi, &remote, NULL)) {
		*notify = N_INVALID_SYNTAX;
		reason_set(r, k->now, IKE_CAUSE_MALFORMED, IKE_RESPONDER, in->m->hdr.exchange,
			   "peer's traffic selectors are malformed");
		return false;
	}
	if (p->transport)
		undo_nat(in->sa, &local, &remote);
	if (old) {
		p->slot = old->slot;
		score = fit(old->slot, &local, &remote, p);
	} else {
		p->slot = select_slot(in->sa, gw, &local, &remote, p, &score);
	}
	if (score <= 1)
		return refuse_ts(in, gw, old, &local, &remote, p, notify, r);
	if (p->slot->conf->transport && !p->transport) {
		*notify = N_NO_PROPOSAL_CHOSEN; /* there is none that says it better */
		mode_differs(in, p->slot, IKE_RESPONDER, "peer asks for tunnel mode", r);
		return false;
	}
	p->transport = p->slot->conf->transport; /* to a proxy-ID of tunnel mode we say nothing (1.3.1) */
	if (!choose_suite(in, p->slot, first, p, notify, r))
		return false;
	p->additional = !old && more_elsewhere(gw, p, &local, &remote);
	if (!room_for_one(p->slot, k->tune.children_per_proxy)) {
		*notify = N_NO_ADDITIONAL_SAS;
		reason_set(r, k->now, IKE_CAUSE_INSTALL, IKE_RESPONDER, in->m->hdr.exchange,
			   "peer asked for more than %u Child SAs on one proxy-ID",
			   k->tune.children_per_proxy);
		return false;
	}
	rc = k->host->spi_alloc(k->ctx, &p->spi_in);
	if (!rc)
		return true;
	p->spi_in = 0;
	*notify = N_NO_ADDITIONAL_SAS;
	reason_set(r, k->now, IKE_CAUSE_INSTALL, IKE_RESPONDER, in->m->hdr.exchange, "no SPI left: %s",
		   strerror(-rc));
	reason_hint(r, "raise max-sas in the system section");
	return false;
}

/* ---- initiator ------------------------------------------------------------------------------------------------ */

bool child_plan_accept(struct in *in, struct slot *s, uint32_t spi_in, bool first, struct child_plan *p,
		       struct ike_reason *r)
{
	struct proposals answer, offered;
	struct ts_list l, rem;
	char buf[256];
	bool exact = s->conf->ts_policy == IKE_TS_EXACT;

	*p = (struct child_plan){.slot = s,
				 .role = IKE_INITIATOR,
				 .spi_in = spi_in,
				 .no_tfc = no_tfc(in),
				 .transport = asks_transport(in)};
	offer(s, spi_in, first, &offered);
	if (prop_decode(in->m->sa, &answer) || prop_accept(&answer, &offered, &p->suite) ||
	    p->suite.protocol != PROTO_ESP || spi_read(&p->suite) < 256) {
		reason_set(r, in->k->now, IKE_CAUSE_NO_PROPOSAL, IKE_INITIATOR, in->m->hdr.exchange,
			   "peer chose an ESP proposal that we did not offer");
		reason_ours(r, "%s", proposals_str(&offered, buf, sizeof(buf)));
		return false;
	}
	p->spi_out = spi_read(&p->suite);
	child_conf_ts(s, &l, &rem);
	if (ts_decode(in->m->tsi, &p->local, NULL) || ts_decode(in->m->tsr, &p->remote, NULL) ||
	    !ts_list_meet(&p->local, &p->remote)) {
		reason_set(r, in->k->now, IKE_CAUSE_MALFORMED, IKE_INITIATOR, in->m->hdr.exchange,
			   "peer's traffic selectors are malformed, none, or none of one family");
		return false;
	}
	if (s->conf->transport && !p->transport) { /* RFC 7296 1.3.1: then we do without */
		mode_differs(in, s, IKE_INITIATOR, "peer agrees to tunnel mode only", r);
		return false;
	}
	if (p->transport && !s->conf->transport) {
		reason_set(r, in->k->now, IKE_CAUSE_MALFORMED, IKE_INITIATOR, in->m->hdr.exchange,
			   "peer agrees to transport mode, which it was not asked for");
		return false;
	}
	if (p->transport)
		undo_nat(in->sa, &p->local, &p->remote);
	p->narrowed = !same_cover(&p->local, &l) || !same_cover(&p->remote, &rem);
	p->additional = msg_notify_find(in->m, N_ADDITIONAL_TS_POSSIBLE);
	if (p->additional)
		COUNT(in->k, additional_ts);
	if (ts_list_within(&p->local, &l) && ts_list_within(&p->remote, &rem) && (!exact || !p->narrowed)) {
		/* The packet that asked stands beside the selector that has it: once is enough. */
		ts_narrow(&p->local, &p->local, &p->local);
		ts_narrow(&p->remote, &p->remote, &p->remote);
		return true;
	}
	reason_set(r, in->k->now, IKE_CAUSE_TS_UNACCEPTABLE, IKE_INITIATOR, in->m->hdr.exchange, "%s", "");
	reason_ts(r, &l, &rem, &p->local, &p->remote, exact);
	return false;
}

static bool all_addresses(const struct ts_list *l)
{
	const struct ts *t = &l->t[0];
	unsigned n = t->lo.v == 6 ? 16 : 4;
	uint8_t zeros = 0, ones = 0xff;

	for (unsigned i = 0; i < n; i++) {
		zeros |= t->lo.b[i];
		ones &= t->hi.b[i];
	}
	return l->n == 1 && zeros == 0 && ones == 0xff;
}

void child_refused(const struct slot *s, bool first, uint16_t notify, struct ike_reason *r)
{
	struct proposals offered;
	struct ts_list local, remote;
	char a[256], b[100];

	reason_notify(r, notify, true);
	if (r->cause == IKE_CAUSE_TS_UNACCEPTABLE) {
		child_conf_ts(s, &local, &remote);
		reason_ours(r, "local %s remote %s", ts_list_str(&local, a, 100),
			    ts_list_str(&remote, b, sizeof(b)));
		if (all_addresses(&local) && all_addresses(&remote))
			reason_hint(
				r,
				"we propose any to any, as route-based gateways do, and the peer is policy-based "
				"(Azure, AWS, a crypto map): give the tunnel a proxy-ID for each pair of networks "
				"that the peer has, its remote as our local");
	} else if (r->cause == IKE_CAUSE_NO_PROPOSAL || r->cause == IKE_CAUSE_INVALID_KE) {
		offer(s, 0, first, &offered);
		reason_ours(r, "%s", proposals_str(&offered, a, sizeof(a)));
	}
	if (r->cause == IKE_CAUSE_NO_PROPOSAL && s->gw->conf.natt == IKE_NATT_OFF)
		reason_hint(
			r,
			"the peer may want ESP in UDP, as behind a NAT, and nat-traversal is off here: set it to "
			"\"auto\"; or compare the ipsec crypto profile with the peer's");
	else if (r->cause == IKE_CAUSE_NO_PROPOSAL && !first)
		reason_hint(
			r,
			"compare dh-group (PFS) with the peer's, which counts here, though not for the first "
			"Child SA; then the rest of the ipsec crypto profile");
}
