/* SPDX-License-Identifier: Apache-2.0 */
#include "frag.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "xchg.h"

/* ---- out -------------------------------------------------------------------------------------------------- */

enum { SKF_HDR = IKE_PAYLOAD_HDR + 4, UDP_AND_MARKER = 8 + 4, PARTS_ROOM = 2 * OUT_MAX };

/* Bytes that an IKE message may have in an IP packet of the gateway's size, the non-ESP marker whether it is
 * there or not. */
static size_t message_max(const struct ike_sa *sa)
{
	size_t size = sa->gw ? sa->gw->conf.fragment_size : sa->fragment_size;

	if (!sa->fragmentation || !size)
		return MSG_MAX;
	return (size < FRAG_SIZE_MIN ? FRAG_SIZE_MIN : size) - (sa->remote.a.v == 6 ? 40 : 20) -
	       UDP_AND_MARKER;
}

static int seal_parts(struct ike_sa *sa, const struct ike_hdr *h, const struct out *o, size_t room,
		      struct datagram *d)
{
	size_t len = o->w.w.len, total = (len + room - 1) / room;
	uint8_t buf[PARTS_ROOM];
	struct wr w = wr_of(buf, sizeof(buf));
	int rc = total > FRAGS_MAX ? -EMSGSIZE : 0;

	for (size_t i = 0; !rc && i < total; i++) {
		struct sk_part part = {.num = (uint16_t)(i + 1), .total = (uint16_t)total};
		struct bytes plain = {.p = o->buf + i * room,
				      .len = len - i * room < room ? len - i * room : room};

		rc = sk_seal_part(&sa->keys, sa->role == IKE_INITIATOR, h, msg_wr_inner_first(&o->w), part,
				  plain, &w);
	}
	if (!rc)
		COUNT(sa->k, tx_fragmented);
	return rc ? rc : datagram_set(d, buf, w.len);
}

int frag_seal(struct ike_sa *sa, const struct ike_hdr *h, const struct out *o, struct datagram *d)
{
	size_t max = message_max(sa), over = sk_overhead(&sa->keys), len;
	struct bytes plain = {.p = o->buf, .len = o->w.w.len};
	uint8_t buf[OUT_MAX + 512];
	int rc;

	if (o->w.w.bad)
		return -EMSGSIZE;
	tap_inner(sa, false, &sa->local, &sa->remote, h, msg_wr_inner_first(&o->w), plain);
	if (IKE_HDR + IKE_PAYLOAD_HDR + over + plain.len > max)
		return seal_parts(sa, h, o, max - IKE_HDR - SKF_HDR - over, d);
	rc = sk_seal(&sa->keys, sa->role == IKE_INITIATOR, h, msg_wr_inner_first(&o->w), plain, buf,
		     sizeof(buf), &len);
	return rc ? rc : datagram_set(d, buf, len);
}

/* ---- in ---------------------------------------------------------------------------------------------------- */

static void clear(struct frag_in *f)
{
	for (unsigned i = 0; i < FRAGS_MAX; i++) {
		if (f->part[i].p)
			crypto_wipe(f->part[i].p, f->part[i].len);
		datagram_free(&f->part[i]);
	}
	datagram_free(&f->raw);
	timer_stop(&f->k->timers, &f->t);
	if (f->early) {
		DL_DELETE(f->k->fragments, f);
		f->k->fragment_bytes -= f->bytes;
	}
	f->early = false;
	f->total = f->have = 0;
	f->bytes = 0;
}

void frag_free(struct frag_in *f)
{
	if (!f)
		return;
	clear(f);
	timer_unreserve(&f->k->timers, 1);
	free(f);
}

void frag_free_all(struct ike_sa *sa)
{
	for (unsigned i = 0; i < 2; i++) {
		frag_free(sa->frag[i]);
		sa->frag[i] = NULL;
	}
}

void frag_on_timeout(struct ike *k, void *p)
{
	COUNT(k, fragment_timeout);
	clear(p);
}

static struct frag_in **slot_of(struct ike_sa *sa, const struct msg *m)
{
	return &sa->frag[m->hdr.flags & IKE_FLAG_RESPONSE ? 1 : 0];
}

static bool early(const struct ike_sa *sa)
{
	return sa->state == SA_INIT_RCVD || sa->state == SA_AUTH_SENT;
}

static bool same_message(const struct frag_in *f, const struct msg *m)
{
	return f->total && f->msgid == m->hdr.msgid && f->exchange == m->hdr.exchange;
}

/* Until AUTH has shown which IKE_SA_INIT answer was the peer's, what we announced counts: a forger may have
 * taken the notify out of a copy of it. */
static bool agreed(const struct ike_sa *sa)
{
	return sa->fragmentation || (sa->state == SA_AUTH_SENT && sa->gw->conf.fragment_size);
}

bool frag_wanted(struct ike_sa *sa, const struct msg *m)
{
	const struct frag_in *f = *slot_of(sa, m);

	if (!agreed(sa)) {
		COUNT(sa->k, drop_fragment_unasked);
		return false;
	}
	if (m->skf.total > FRAGS_MAX) {
		COUNT(sa->k, drop_fragment_limit);
		return false;
	}
	if (!f || !same_message(f, m))
		return true;
	/* A sender that cuts anew makes smaller fragments, hence more; fewer are old ones (RFC 7383 2.6). */
	if (m->skf.total < f->total || (m->skf.total == f->total && f->part[m->skf.num - 1].p)) {
		COUNT(sa->k, drop_fragment_again);
		return false;
	}
	return true;
}

/* The object for m's message: empty, or with fragments of the same cut. */
static struct frag_in *open_for(struct ike_sa *sa, const struct msg *m)
{
	struct frag_in **at = slot_of(sa, m), *f = *at;
	struct ike *k = sa->k;

	if (!f) {
		f = calloc(1, sizeof(*f));
		if (!f || timer_reserve(&k->timers, 1)) {
			free(f);
			COUNT(k, drop_memory);
			return NULL;
		}
		f->k = k;
		timer_init(&f->t, TIMER_FRAGMENTS, f);
		*at = f;
	}
	if (f->total && (!same_message(f, m) || f->total != m->skf.total))
		clear(f);
	if (f->total)
		return f;
	f->msgid = m->hdr.msgid;
	f->exchange = m->hdr.exchange;
	f->total = m->skf.total;
	f->early = early(sa);
	if (f->early)
		DL_APPEND(k->fragments, f);
	timer_set(&k->timers, &f->t, k->now + FRAG_WAIT_S * NS_S);
	return f;
}

/* Room among the peers that are not authenticated: those that began first make it. */
static void make_room(struct ike *k, struct frag_in *f, size_t len)
{
	while (k->fragment_bytes + len > k->tune.fragment_bytes && k->fragments != f) {
		COUNT(k, drop_fragment_memory);
		clear(k->fragments);
	}
}

/* Keep a copy; false: limits, or memory is out. */
static bool keep(struct frag_in *f, const struct msg *m, const uint8_t *plain, size_t len)
{
	size_t max = f->early ? FRAG_BYTES_EARLY : FRAG_BYTES;
	bool first = m->skf.num == 1;
	size_t cost = len + (first ? m->raw.len : 0);

	if (f->bytes + cost > max) {
		COUNT(f->k, drop_fragment_limit);
		return false;
	}
	if (f->early)
		make_room(f->k, f, cost);
	if (datagram_set(&f->part[m->skf.num - 1], plain, len) ||
	    (first && datagram_set(&f->raw, m->raw.p, m->raw.len))) {
		COUNT(f->k, drop_memory);
		return false;
	}
	if (first)
		f->first = m->sk_first;
	f->bytes += cost;
	if (f->early)
		f->k->fragment_bytes += cost;
	f->have++;
	return true;
}

struct frag_in *frag_add(struct ike_sa *sa, struct msg *m, uint8_t *plain, size_t *len)
{
	struct frag_in *f = frag_wanted(sa, m) ? open_for(sa, m) : NULL;
	struct wr w = wr_of(plain, MSG_MAX);

	if (!f)
		return NULL;
	if (!keep(f, m, plain, *len)) {
		clear(f); /* it could never be complete */
		return NULL;
	}
	if (f->have < f->total)
		return NULL;
	for (unsigned i = 0; i < f->total; i++)
		wr_bytes(&w, f->part[i].p, f->part[i].len);
	*len = w.len; /* FRAG_BYTES are less than MSG_MAX */
	m->sk_first = f->first;
	m->raw = (struct bytes){.p = f->raw.p, .len = f->raw.len};
	*slot_of(sa, m) = NULL;
	COUNT(sa->k, rx_fragmented);
	return f;
}
