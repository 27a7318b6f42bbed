/* SPDX-License-Identifier: Apache-2.0 */
#include "cookie.h"

#include <stdlib.h>
#include <string.h>

#include "reason.h"
#include "xchg.h"

enum { COOKIE_LEN = 33, SECRET_LIFE_S = 60 };

/* Half-open SAs of one source: an IPv4 address, or the /64 of an IPv6 one, which is what one host has for
 * the asking. */
struct source {
	UT_hash_handle hh;
	struct addr a;
	uint32_t n;
};

static void source_key(const struct addr *a, struct addr *key)
{
	memset(key, 0, sizeof(*key));
	key->v = a->v;
	memcpy(key->b, a->b, a->v == 6 ? 8 : addr_len(a));
}

static struct source *source_find(struct ike *k, const struct addr *a)
{
	struct addr key;
	struct source *s;

	source_key(a, &key);
	HASH_FIND(hh, k->sources, &key, sizeof(key), s);
	return s;
}

void half_open_add(struct ike_sa *sa, const struct addr *a)
{
	struct ike *k = sa->k;
	struct source *s = source_find(k, a);

	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return;
		source_key(a, &s->a);
		HASH_ADD(hh, k->sources, a, sizeof(s->a), s);
	}
	s->n++;
	k->n_half_open++;
	sa->counted = true;
	sa->counted_as = *a;
}

void half_open_sub(struct ike_sa *sa)
{
	struct ike *k = sa->k;
	struct source *s;

	if (!sa->counted)
		return;
	sa->counted = false;
	k->n_half_open--;
	s = source_find(k, &sa->counted_as);
	if (!s || --s->n)
		return;
	HASH_DELETE(hh, k->sources, s);
	free(s);
}

/* Version | PRF(secret, Ni | IPi | port | SPIi): proves that the initiator gets our packets, and costs us
 * nothing to remember (RFC 7296 2.6). */
static bool cookie_make(struct ike *k, unsigned which, const struct ike_packet *p, const struct msg *m,
			uint8_t out[COOKIE_LEN])
{
	struct bytes parts[4] = {m->nonce,
				 {.p = p->remote.a.b, .len = addr_len(&p->remote.a)},
				 {.p = (const uint8_t *)&p->remote.port, .len = sizeof(p->remote.port)},
				 {.p = (const uint8_t *)&m->hdr.spi_i, .len = sizeof(m->hdr.spi_i)}};
	struct bytes key = {.p = k->cookie_secret[which], .len = sizeof(k->cookie_secret[which])};

	out[0] = 1;
	return !prf(PRF_HMAC_SHA2_256, key, parts, 4, out + 1);
}

static void secret_turn(struct ike *k)
{
	if (k->cookie_since && k->now - k->cookie_since < SECRET_LIFE_S * NS_S)
		return;
	memcpy(k->cookie_secret[1], k->cookie_secret[0], sizeof(k->cookie_secret[0]));
	crypto_random(k->cookie_secret[0], sizeof(k->cookie_secret[0]));
	if (!k->cookie_since)
		memcpy(k->cookie_secret[1], k->cookie_secret[0], sizeof(k->cookie_secret[0]));
	k->cookie_since = k->now;
}

static bool cookie_right(struct ike *k, const struct ike_packet *p, const struct msg *m)
{
	const struct msg_notify *n = msg_notify_find(m, N_COOKIE);
	uint8_t want[COOKIE_LEN];

	if (!n || n->data.len != COOKIE_LEN)
		return false;
	for (unsigned i = 0; i < 2; i++)
		if (cookie_make(k, i, p, m, want) && crypto_equal(want, n->data.p, COOKIE_LEN))
			return true;
	return false;
}

/* When there is room for no more half-open SAs, there is still for a configured address that shows by its
 * COOKIE to be the sender's: those are few, and each is bounded by half_open_source. */
static bool full(struct ike *k, const struct ike_packet *p)
{
	return k->n_half_open >= k->tune.half_open_max && !gw_pair_find(k, &p->local.a, &p->remote.a);
}

/* Once a minute: the counter has them all. */
static void tell_full(struct ike *k, const struct ike_packet *p, const struct msg *m)
{
	struct ike_reason r;
	struct ike_event e = {.type = IKE_EV_UNKNOWN_PEER,
			      .gateway = "",
			      .local = p->local,
			      .remote = p->remote,
			      .role = IKE_RESPONDER,
			      .spi_i = m->hdr.spi_i,
			      .reason = &r};

	COUNT(k, drop_half_open_full);
	if (!bucket_take(&k->full, k->now, 1.0 / 60, 1))
		return;
	reason_set(&r, k->now, IKE_CAUSE_HALF_OPEN, IKE_RESPONDER, IKE_SA_INIT,
		   "%u negotiations are half open, as many as there may be", k->n_half_open);
	reason_hint(&r,
		    "a flood, or peers that begin and do not go on: show counter ike; maximum-half-opened-sa "
		    "in the system section sets the limit");
	k->host->event(k->ctx, &e);
}

bool cookie_admit(struct ike *k, const struct ike_packet *p, const struct msg *m)
{
	const struct source *s = source_find(k, &p->remote.a);
	uint8_t cookie[COOKIE_LEN];

	if (full(k, p)) {
		tell_full(k, p, m);
		return false;
	}
	/* The second half of a source's share is for who shows to be it: forgers cannot lock a peer out. */
	if (k->n_half_open >= k->tune.cookie_threshold || k->n_half_open >= k->tune.half_open_max ||
	    (s && s->n >= k->tune.half_open_source / 2)) {
		secret_turn(k);
		if (!cookie_right(k, p, m)) {
			if (msg_notify_find(m, N_COOKIE))
				COUNT(k, drop_cookie_wrong);
			if (cookie_make(k, 0, p, m, cookie)) {
				COUNT(k, cookie_sent);
				xchg_plain(k, p, &m->hdr, N_COOKIE, cookie, sizeof(cookie));
			}
			return false;
		}
	}
	if (s && s->n >= k->tune.half_open_source) {
		COUNT(k, drop_half_open_source);
		return false;
	}
	return true;
}
