/* SPDX-License-Identifier: Apache-2.0 */
#include "mobike.h"

#include <string.h>

#include "natd.h"
#include "reason.h"

enum { COOKIE2_MIN = 8, COOKIE2_MAX = 64 };

void mobike_write(struct out *o, const struct gw *gw)
{
	if (gw->conf.mobike)
		out_notify(o, N_MOBIKE_SUPPORTED);
}

void mobike_read(struct ike_sa *sa, const struct msg *m)
{
	sa->began = sa->role == IKE_INITIATOR;
	sa->mobike = sa->gw->conf.mobike && msg_notify_find(m, N_MOBIKE_SUPPORTED);
}

/* Made for another address of ours, or with the other encapsulation. */
static bool outdated(const struct child_sa *c)
{
	return !addr_eq(&c->from, &c->sa->local.a) || c->encap != c->sa->udp_encap;
}

/* Both ends use the addresses of the SA from now on.  What the data plane cannot change in place comes with new Child SAs;
 * the peer may have begun to make them. */
static void moved(struct ike_sa *sa)
{
	struct child_sa *c;

	COUNT(sa->k, mobike_moved);
	sa->unproved = false;
	child_move_all(sa);
	for (c = sa->children; c; c = c->next)
		if (outdated(c))
			child_rekey(c);
	sa_event(sa, IKE_EV_PEER_MOVED, NULL, "by MOBIKE");
}

/* ---- the peer decides ------------------------------------------------------------------------------------------- */

/* RFC 4555 3.9: source, destination and their ports as the sender has them. */
static bool through_nat(const struct in *in)
{
	const struct msg_notify *n = msg_notify_find(in->m, N_NO_NATS_ALLOWED);
	const struct endpoint *src = &in->sa->from_remote, *dst = &in->sa->from_local;
	uint8_t want[2 * 16 + 4];
	struct wr w = wr_of(want, sizeof(want));

	if (!n)
		return false;
	wr_bytes(&w, src->a.b, addr_len(&src->a));
	wr_bytes(&w, dst->a.b, addr_len(&dst->a));
	wr_u16(&w, src->port);
	wr_u16(&w, dst->port);
	return n->data.len != w.len || memcmp(n->data.p, want, w.len) != 0;
}

void mobike_answer(struct in *in, struct out *o)
{
	struct ike_sa *sa = in->sa;
	const struct msg_notify *cookie = msg_notify_find(in->m, N_COOKIE2);

	if (!sa->mobike)
		return;
	if (cookie && cookie->data.len >= COOKIE2_MIN && cookie->data.len <= COOKIE2_MAX)
		msg_wr_notify(&o->w, PROTO_NONE, NULL, 0, N_COOKIE2, cookie->data.p, cookie->data.len);
	if (through_nat(in))
		out_notify(o, N_UNEXPECTED_NAT_DETECTED);
	else if (msg_notify_find(in->m, N_NAT_DETECTION_SOURCE_IP))
		natd_write(&o->w, sa->gw->conf.natt, sa_spi_i(sa), sa_spi_r(sa), &sa->from_local,
			   &sa->from_remote);
}

void mobike_update(struct in *in)
{
	struct ike_sa *sa = in->sa;
	bool encap = sa->udp_encap;

	if (!sa->mobike || sa->began || sa->state != SA_UP ||
	    !msg_notify_find(in->m, N_UPDATE_SA_ADDRESSES) || through_nat(in))
		return;
	natd_read(sa, in->m, sa->gw->conf.natt, in->pkt);
	if (endpoint_eq(&sa->local, &sa->from_local) && endpoint_eq(&sa->remote, &sa->from_remote) &&
	    encap == sa->udp_encap)
		return;
	sa->local = sa->from_local;
	sa->remote = sa->from_remote;
	/* One that is being asked for already is as good. */
	if (!sa->unproved)
		crypto_random(sa->cookie2, sizeof(sa->cookie2));
	sa->unproved = true;
	task_add(sa, TASK_ADDRESS_CHECK, 0, true);
}

/* ---- requests of ours -------------------------------------------------------------------------------------------- */

bool mobike_move(struct ike_sa *sa, const struct addr *local)
{
	if (!sa->mobike || !sa->began || sa->state != SA_UP)
		return false;
	sa->local.a = *local;
	task_add(sa, TASK_MOVE, 0, true);
	return true;
}

void mobike_write_task(struct ike_sa *sa, enum task_kind kind, struct out *o)
{
	sa->asked = sa->remote;
	if (kind == TASK_ADDRESS_CHECK) {
		msg_wr_notify(&o->w, PROTO_NONE, NULL, 0, N_COOKIE2, sa->cookie2, sizeof(sa->cookie2));
		return;
	}
	out_notify(o, N_UPDATE_SA_ADDRESSES);
	natd_write(&o->w, sa->gw->conf.natt, sa_spi_i(sa), sa_spi_r(sa), &sa->local, &sa->remote);
}

static void checked(struct in *in)
{
	struct ike_sa *sa = in->sa;
	const struct msg_notify *n = msg_notify_find(in->m, N_COOKIE2);
	struct ike_reason r;

	if (!sa->unproved)
		return;
	if (!n || n->data.len != sizeof(sa->cookie2) || !crypto_equal(n->data.p, sa->cookie2, n->data.len)) {
		/* RFC 4555 3.7: then the IKE SA must end. */
		reason_set(&r, in->k->now, IKE_CAUSE_MALFORMED, sa->role, INFORMATIONAL,
			   "peer at its new address did not return our COOKIE2");
		sa_close(sa, &r, TASK_IKE_DELETE);
		return;
	}
	if (!endpoint_eq(&sa->asked, &sa->remote)) { /* it has moved on meanwhile */
		task_add(sa, TASK_ADDRESS_CHECK, 0, true);
		return;
	}
	moved(sa);
}

void mobike_task_done(struct in *in, enum task_kind kind)
{
	struct ike_sa *sa = in->sa;
	const struct msg_notify *e = msg_notify_error(in->m);
	struct ike_reason r;

	if (kind == TASK_ADDRESS_CHECK) {
		checked(in);
		return;
	}
	if (e) {
		reason_set(&r, in->k->now, IKE_CAUSE_PEER_ERROR, sa->role, INFORMATIONAL, "%s", "");
		reason_notify(&r, e->type, false);
		sa_close(sa, &r, TASK_IKE_DELETE);
		return;
	}
	natd_read(sa, in->m, sa->gw->conf.natt, in->pkt);
	natd_float(sa);
	moved(sa);
}
