/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which gateway is meant by a message: by the pair of addresses first, then by the proposal, then by the identity.  Ten
 * thousand branches with addresses of their providers' choice are gateways of one pair, so nothing here walks them: those
 * with the same algorithms count as one until the peer has told who it is, and then its identity is looked up.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway.h"
#include "msg.h"

/* ---- the pair of addresses ------------------------------------------------------------------------------------- */

static void addr_copy(struct addr *to, const struct addr *from)
{
	/* Compared as bytes in a hash: what lies behind an IPv4 address has to be zero. */
	*to = (struct addr){.v = from->v};
	memcpy(to->b, from->b, addr_len(from));
}

struct gw_pair *gw_pair_find(struct ike *k, const struct addr *local, const struct addr *remote)
{
	struct gw_pair_key key = {0};
	struct gw_pair *p;

	addr_copy(&key.local, local);
	if (remote)
		addr_copy(&key.remote, remote);
	HASH_FIND(hh, k->pairs, &key, sizeof(key), p);
	return p;
}

/* Only what is in use of it, so that it can be compared as bytes. */
static void algs_copy(struct ike_algs *to, const struct ike_algs *a)
{
	memset(to, 0, sizeof(*to));
	for (unsigned i = 0; i < a->n_encr; i++) {
		to->encr[i].id = a->encr[i].id;
		to->encr[i].key_bits = a->encr[i].key_bits;
	}
	memcpy(to->integ, a->integ, a->n_integ * sizeof(a->integ[0]));
	memcpy(to->prf, a->prf, a->n_prf * sizeof(a->prf[0]));
	memcpy(to->dh, a->dh, a->n_dh * sizeof(a->dh[0]));
	for (unsigned i = 0; i < a->n_ake; i++) {
		to->n_ake_algs[i] = a->n_ake_algs[i];
		memcpy(to->ake[i], a->ake[i], a->n_ake_algs[i] * sizeof(a->ake[i][0]));
	}
	to->n_encr = a->n_encr;
	to->n_integ = a->n_integ;
	to->n_prf = a->n_prf;
	to->n_dh = a->n_dh;
	to->n_ake = a->n_ake;
}

static void kind_join(struct gw *gw)
{
	struct ike_algs algs;
	struct gw_kind *kind;

	algs_copy(&algs, &gw->conf.ike);
	HASH_FIND(hh, gw->pair->kinds, &algs, sizeof(algs), kind);
	if (!kind) {
		kind = calloc(1, sizeof(*kind));
		if (!kind)
			return;
		memcpy(&kind->algs, &algs, sizeof(algs));
		HASH_ADD(hh, gw->pair->kinds, algs, sizeof(kind->algs), kind);
	}
	gw->kind = kind;
	DL_APPEND2(kind->gws, gw, kind_prev, kind_next);
}

static void kind_leave(struct gw *gw)
{
	struct gw_kind *kind = gw->kind;

	if (!kind)
		return;
	gw->kind = NULL;
	DL_DELETE2(kind->gws, gw, kind_prev, kind_next);
	if (kind->gws)
		return;
	HASH_DELETE(hh, gw->pair->kinds, kind);
	free(kind);
}

/* The one identity that its peer has, as a key; false: a pattern, a name with several spellings, or the address that it
 * happens to have. */
static bool id_key(const struct ike_gw_conf *g, struct ike_id *key)
{
	struct ike_id id;

	if (g->remote_pattern || g->remote_id.type == ID_DER_ASN1_DN || (!g->remote_id.type && !g->remote.v))
		return false;
	gw_id_or_addr(&g->remote_id, &g->remote, &id);
	memset(key, 0, sizeof(*key));
	key->type = id.type;
	key->len = id.len;
	memcpy(key->data, id.data, id.len);
	return true;
}

static struct gw *by_id(const struct gw_pair *p, const struct ike_id *key)
{
	struct gw *gw;

	HASH_FIND(hh_id, p->by_id, key, sizeof(*key), gw);
	return gw;
}

struct gw *gw_pair_twin(struct ike *k, const struct ike_gw_conf *g, const struct gw *self)
{
	struct gw_pair *p = gw_pair_find(k, &g->local, &g->remote);
	struct ike_id key, a, b;
	struct gw *o;

	if (!p)
		return NULL;
	if (id_key(g, &key)) {
		o = by_id(p, &key);
		return o != self ? o : NULL;
	}
	gw_id_or_addr(&g->remote_id, &g->remote, &a);
	for (o = p->others; o; o = o->id_next) {
		gw_id_or_addr(&o->conf.remote_id, &o->conf.remote, &b);
		if (o != self && a.type == b.type && a.len == b.len && !memcmp(a.data, b.data, a.len))
			return o;
	}
	return NULL;
}

void gw_pair_join(struct gw *gw)
{
	struct gw_pair *p = gw_pair_find(gw->k, &gw->conf.local, &gw->conf.remote);

	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return;
		addr_copy(&p->key.local, &gw->conf.local);
		addr_copy(&p->key.remote, &gw->conf.remote);
		HASH_ADD(hh, gw->k->pairs, key, sizeof(p->key), p);
	}
	gw->pair = p;
	DL_APPEND2(p->gws, gw, pair_prev, pair_next);
	p->n_ppk += gw->conf.ppk_len > 0;
	kind_join(gw);
	gw->in_by_id = id_key(&gw->conf, &gw->id_key);
	if (gw->in_by_id)
		HASH_ADD(hh_id, p->by_id, id_key, sizeof(gw->id_key), gw);
	else
		DL_APPEND2(p->others, gw, id_prev, id_next);
}

void gw_pair_leave(struct gw *gw)
{
	struct gw_pair *p = gw->pair;

	if (!p)
		return;
	if (gw->in_by_id)
		HASH_DELETE(hh_id, p->by_id, gw);
	else
		DL_DELETE2(p->others, gw, id_prev, id_next);
	kind_leave(gw);
	p->n_ppk -= gw->conf.ppk_len > 0;
	gw->pair = NULL;
	DL_DELETE2(p->gws, gw, pair_prev, pair_next);
	if (p->gws)
		return;
	HASH_DELETE(hh, gw->k->pairs, p);
	free(p);
}

/* ---- candidates ---------------------------------------------------------------------------------------------------- */

static struct gw_pair *exact(struct ike *k, const struct addr *local, const struct addr *remote)
{
	struct gw_pair *p = gw_pair_find(k, local, remote);

	return p ? p : gw_pair_find(k, local, NULL);
}

/* Those with any remote address, behind those with this one. */
static struct gw_pair *any(struct ike *k, const struct gw_pair *p)
{
	return p && p->key.remote.v ? gw_pair_find(k, &p->key.local, NULL) : NULL;
}

struct gw *gw_candidate(struct ike *k, const struct addr *local, const struct addr *remote,
			const struct gw *after)
{
	struct gw_pair *p;

	if (after && after->pair_next)
		return after->pair_next;
	p = after ? any(k, after->pair) : exact(k, local, remote);
	return p ? p->gws : NULL;
}

struct gw *gw_of_a_kind(struct ike *k, const struct addr *local, const struct addr *remote,
			const struct gw *after)
{
	struct gw_kind *kind = after && after->kind ? after->kind->hh.next : NULL;
	struct gw_pair *p;

	if (kind)
		return kind->gws;
	p = after ? any(k, after->pair) : exact(k, local, remote);
	return p && p->kinds ? p->kinds->gws : NULL;
}

bool gw_with_ppk(struct ike *k, const struct addr *local, const struct addr *remote)
{
	for (struct gw_pair *p = exact(k, local, remote); p; p = any(k, p))
		if (p->n_ppk)
			return true;
	return false;
}

static bool would_choose(const struct gw *gw, const struct suite_choice *s)
{
	struct proposals p = {.n = 1};
	struct proposal *o = &p.p[0];
	struct suite_choice out;
	char why[8];

	o->num = 1;
	o->protocol = PROTO_IKE;
	o->t[o->n++] = (struct transform){.type = TT_ENCR, .id = s->encr, .key_bits = s->key_bits};
	o->t[o->n++] = (struct transform){.type = TT_PRF, .id = s->prf};
	if (s->integ)
		o->t[o->n++] = (struct transform){.type = TT_INTEG, .id = s->integ};
	o->t[o->n++] = (struct transform){.type = TT_DH, .id = s->dh};
	for (unsigned i = 0; i < IKE_AKE_MAX; i++)
		if (s->ake[i])
			o->t[o->n++] = (struct transform){.type = (uint8_t)(TT_AKE1 + i), .id = s->ake[i]};
	return !prop_choose(&p, &gw->conf.ike, PROP_IKE, IKE_ESN_NO, &out, why, sizeof(why));
}

/* Who is looked for, and who would do if nobody fits better: one whose peer expects another identity of us, and will tell;
 * one with a pattern. */
struct search {
	const struct addr *local, *remote;
	const struct suite_choice *suite;
	const struct msg_id *idi, *idr;
	struct gw *other_self, *pattern;
};

static bool found(struct search *s, struct gw *gw)
{
	struct ike_id id;

	if (!gw_peer_is(gw, s->remote, s->idi) || !would_choose(gw, s->suite))
		return false;
	if (gw->conf.remote_pattern) {
		if (!s->pattern)
			s->pattern = gw;
		return false;
	}
	gw_local_id(gw, s->local, &id);
	if (!s->idr || id_is(&id, s->idr))
		return true;
	if (!s->other_self)
		s->other_self = gw;
	return false;
}

static struct gw *search_pair(const struct gw_pair *p, struct search *s)
{
	struct gw *gw = NULL;
	struct ike_id key;

	id_of(s->idi, &key); /* with zeroes behind it */
	if (s->idi->data.len <= sizeof(key.data))
		gw = by_id(p, &key);
	if (gw && found(s, gw))
		return gw;
	DL_FOREACH2(p->others, gw, id_next)
	if (found(s, gw))
		return gw;
	return NULL;
}

struct gw *gw_by_id(struct ike *k, const struct addr *local, const struct addr *remote,
		    const struct suite_choice *suite, const struct msg_id *idi, const struct msg_id *idr)
{
	struct search s = {.local = local, .remote = remote, .suite = suite, .idi = idi, .idr = idr};

	for (struct gw_pair *p = exact(k, local, remote); p; p = any(k, p)) {
		struct gw *gw = search_pair(p, &s);

		if (gw)
			return gw;
	}
	return s.other_self ? s.other_self : s.pattern;
}
