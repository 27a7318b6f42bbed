/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gateways set, changed and removed.  What did not change keeps its SAs; what changed is deleted towards
 * the peer and made anew.  A slot that leaves the configuration lives on, retired, until its last Child SA
 * has gone; a gateway until its last IKE SA has.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "child.h"
#include "followup.h"
#include "gateway.h"
#include "mobike.h"
#include "pace.h"
#include "reason.h"
#include "xchg.h"

static void conf_free(struct ike_gw_conf *c)
{
	cert_own_put(c->own);
	cert_profile_put(c->trust);
	free(c->children);
	crypto_wipe(c, sizeof(*c));
}

static bool algs_eq(const struct ike_algs *a, const struct ike_algs *b)
{
	if (a->n_encr != b->n_encr || a->n_integ != b->n_integ || a->n_prf != b->n_prf || a->n_dh != b->n_dh)
		return false;
	for (unsigned i = 0; i < a->n_encr; i++)
		if (a->encr[i].id != b->encr[i].id || a->encr[i].key_bits != b->encr[i].key_bits)
			return false;
	if (a->n_ake != b->n_ake)
		return false;
	for (unsigned i = 0; i < a->n_ake; i++)
		if (a->n_ake_algs[i] != b->n_ake_algs[i] ||
		    memcmp(a->ake[i], b->ake[i], a->n_ake_algs[i] * sizeof(a->ake[i][0])) != 0)
			return false;
	return !memcmp(a->integ, b->integ, a->n_integ * sizeof(a->integ[0])) &&
	       !memcmp(a->prf, b->prf, a->n_prf * sizeof(a->prf[0])) &&
	       !memcmp(a->dh, b->dh, a->n_dh * sizeof(a->dh[0]));
}

static bool id_eq(const struct ike_id *a, const struct ike_id *b)
{
	return a->type == b->type && (!a->type || (a->len == b->len && !memcmp(a->data, b->data, a->len)));
}

static bool ppk_eq(const struct ike_gw_conf *a, const struct ike_gw_conf *b)
{
	return a->ppk_len == b->ppk_len && a->ppk_required == b->ppk_required &&
	       !strcmp(a->ppk_id, b->ppk_id) && crypto_equal(a->ppk, b->ppk, a->ppk_len);
}

/* What an IKE SA was negotiated with. */
static bool ike_same(const struct ike_gw_conf *a, const struct ike_gw_conf *b)
{
	return (addr_eq(&a->local, &b->local) || (a->mobike && a->local.v == b->local.v)) &&
	       a->mobike == b->mobike && addr_eq(&a->remote, &b->remote) &&
	       id_eq(&a->local_id, &b->local_id) && id_eq(&a->remote_id, &b->remote_id) &&
	       a->psk_len == b->psk_len && crypto_equal(a->psk, b->psk, a->psk_len) && ppk_eq(a, b) &&
	       algs_eq(&a->ike, &b->ike) && a->natt == b->natt && cert_own_same(a->own, b->own) &&
	       cert_profile_same(a->trust, b->trust) && a->rsa_sha1 == b->rsa_sha1;
}

static bool ts_same(const struct ts *a, unsigned na, const struct ts *b, unsigned nb)
{
	if (na != nb)
		return false;
	for (unsigned i = 0; i < na; i++)
		if (!ts_eq(&a[i], &b[i]))
			return false;
	return true;
}

/* What a Child SA was negotiated and installed with. */
static bool child_same(const struct ike_child_conf *a, const struct ike_child_conf *b)
{
	return a->policy == b->policy && a->n_more == b->n_more &&
	       !memcmp(a->more, b->more, a->n_more * sizeof(a->more[0])) && a->tunnel_id == b->tunnel_id &&
	       algs_eq(&a->esp, &b->esp) && ts_same(a->local, a->n_local, b->local, b->n_local) &&
	       ts_same(a->remote, a->n_remote, b->remote, b->n_remote) && a->ts_policy == b->ts_policy &&
	       a->replay_window == b->replay_window && a->tfc_pad_to == b->tfc_pad_to && a->esn == b->esn &&
	       a->transport == b->transport;
}

/* A list of which nothing is left stays as it is: to do without that key exchange is not ours to decide, and no
 * start gets past it. */
static void filter_ake(struct ike_algs *a)
{
	for (unsigned i = 0; i < a->n_ake; i++) {
		unsigned n = 0;

		for (unsigned m = 0; m < a->n_ake_algs[i]; m++)
			if (!a->ake[i][m] || crypto_have_dh(a->ake[i][m]))
				a->ake[i][n++] = a->ake[i][m];
		if (n)
			a->n_ake_algs[i] = (uint8_t)n;
	}
}

/* Offer nothing that this build, OpenSSL's policy or the data plane does not have. */
static void filter_ike(struct ike_algs *a)
{
	unsigned n = 0;

	for (unsigned i = 0; i < a->n_encr; i++)
		if (crypto_have_encr(a->encr[i].id, a->encr[i].key_bits))
			a->encr[n++] = a->encr[i];
	a->n_encr = (uint8_t)n;
#define KEEP(list, have)                                                                                     \
	n = 0;                                                                                               \
	for (unsigned i = 0; i < a->n_##list; i++)                                                           \
		if (have(a->list[i]))                                                                        \
			a->list[n++] = a->list[i];                                                           \
	a->n_##list = (uint8_t)n
	KEEP(integ, crypto_have_integ);
	KEEP(prf, crypto_have_prf);
	KEEP(dh, crypto_have_dh);
	filter_ake(a);
}

static bool esp_has(struct ike *k, const struct ike_alg *e, uint16_t integ)
{
	return !k->host->esp_supported || k->host->esp_supported(k->ctx, e->id, e->key_bits, integ);
}

static void filter_esp(struct ike *k, struct ike_algs *a)
{
	unsigned n = 0, m;

	for (unsigned i = 0; i < a->n_encr; i++) {
		bool ok = encr_is_aead(a->encr[i].id) && esp_has(k, &a->encr[i], AUTH_NONE);

		for (unsigned j = 0; !ok && j < a->n_integ && !encr_is_aead(a->encr[i].id); j++)
			ok = esp_has(k, &a->encr[i], a->integ[j]);
		if (ok)
			a->encr[n++] = a->encr[i];
	}
	a->n_encr = (uint8_t)n;
	m = 0;
	for (unsigned j = 0; j < a->n_integ; j++) {
		bool ok = true;

		for (unsigned i = 0; ok && i < a->n_encr; i++)
			ok = encr_is_aead(a->encr[i].id) || esp_has(k, &a->encr[i], a->integ[j]);
		if (ok)
			a->integ[m++] = a->integ[j];
	}
	a->n_integ = (uint8_t)m;
	KEEP(dh, crypto_have_dh);
	filter_ake(a);
}

static int conf_copy(struct ike *k, const struct ike_gw_conf *g, struct ike_gw_conf *out)
{
	*out = *g;
	out->children = calloc(g->n_children ? g->n_children : 1u, sizeof(*out->children));
	if (!out->children)
		return -ENOMEM;
	memset(out->name, 0, sizeof(out->name));
	memcpy(out->name, g->name, strnlen(g->name, sizeof(g->name) - 1));
	cert_own_ref(out->own);
	cert_profile_ref(out->trust);
	filter_ike(&out->ike);
	for (unsigned i = 0; i < g->n_children; i++) {
		struct ike_child_conf *c = &out->children[i];

		*c = g->children[i];
		filter_esp(k, &c->esp);
	}
	return 0;
}

static int conf_check(struct ike *k, const struct ike_gw_conf *g, const struct gw *self)
{
	if (!g->name[0] || strnlen(g->name, sizeof(g->name)) == sizeof(g->name) || !g->local.v ||
	    (g->remote.v && g->remote.v != g->local.v) || g->psk_len > IKE_PSK_MAX ||
	    (!g->psk_len && (!g->own || !g->trust)))
		return -EINVAL;
	for (unsigned i = 0; i < g->n_children; i++) {
		const struct ike_child_conf *c = &g->children[i];
		struct slot *s = slot_find(k, c->policy);

		if (!c->n_local || !c->n_remote || c->n_local > IKE_TS_MAX || c->n_remote > IKE_TS_MAX)
			return -EINVAL;
		if (s && s->gw != self)
			return -EINVAL;
	}
	return gw_pair_twin(k, g, self) ? -EINVAL : 0;
}

static void slot_free(struct slot *s)
{
	struct ike *k = s->gw->k;

	timer_stop(&k->timers, &s->retry);
	timer_unreserve(&k->timers, 1);
	if (s->retired)
		free(s->conf);
	reason_log_free(&s->failed);
	free(s);
}

void slot_put(struct slot *s)
{
	struct gw *gw = s->gw;

	if (!s->retired || s->n_children)
		return;
	slot_free(s);
	gw->refs--;
}

/* Out of the configuration: its children are deleted and keep it until they are gone. */
static void slot_retire(struct slot *s, const struct ike_reason *r)
{
	struct ike *k = s->gw->k;
	struct child_sa *c, *tmp;
	struct ike_child_conf *own;
	struct ike_sa *sa;

	if (s->on)
		task_drop(s->on, TASK_CHILD, s->policy);
	DL_FOREACH (s->gw->sas, sa) {
		if (sa->nego && sa->nego->slot == s)
			sa->nego->slot = NULL;
		if (sa->pending && sa->pending->child && sa->pending->plan.slot == s)
			followup_drop(sa);
	}
	s->on = NULL;
	HASH_DELETE(hh, k->slots, s);
	HASH_DELETE(hh_name, s->gw->by_name, s);
	timer_stop(&k->timers, &s->retry);
	s->gw->refs++;
	s->retired = true;
	s->n_children++; /* keeps s while its children go */
	own = malloc(sizeof(*own));
	if (own)
		*own = *s->conf;
	DL_FOREACH_SAFE2(s->children, c, tmp, snext)
	{
		if (own)
			child_delete(c, r, false);
		else
			child_remove(c, r);
	}
	s->conf = own;
	s->n_children--;
	slot_put(s);
}

static void slot_key(const struct ike_child_conf *c, char key[2 * IKE_NAME])
{
	memset(key, 0, 2 * IKE_NAME);
	memcpy(key, c->tunnel, strnlen(c->tunnel, IKE_NAME - 1));
	memcpy(key + IKE_NAME, c->proxy_id, strnlen(c->proxy_id, IKE_NAME - 1));
}

static struct slot *slot_new(struct gw *gw, struct ike_child_conf *c)
{
	struct slot *s = calloc(1, sizeof(*s));

	if (!s || timer_reserve(&gw->k->timers, 1)) {
		free(s);
		return NULL;
	}
	timer_init(&s->retry, TIMER_SLOT_RETRY, s);
	s->gw = gw;
	s->conf = c;
	s->policy = c->policy;
	slot_key(c, s->key);
	return s;
}

/* Slots for the new list of children: those that did not change stay, the others are replaced. */
static int slots_set(struct gw *gw, struct ike_gw_conf *conf, const struct ike_reason *r)
{
	struct slot **slots = calloc(conf->n_children ? conf->n_children : 1u, sizeof(void *));
	struct slot *s, *tmp;
	char key[2 * IKE_NAME];

	if (!slots)
		return -ENOMEM;
	for (unsigned i = 0; i < conf->n_children; i++) {
		struct ike_child_conf *c = &conf->children[i];

		slot_key(c, key);
		HASH_FIND(hh_name, gw->by_name, key, sizeof(key), s);
		if (s && child_same(s->conf, c)) {
			slots[i] = s;
			s->rest = IKE_DPD_RESTART;
			continue;
		}
		slots[i] = slot_new(gw, c);
		if (!slots[i]) {
			for (unsigned j = 0; j < i; j++)
				if (!slots[j]->hh.tbl)
					slot_free(slots[j]);
			free(slots);
			return -ENOMEM;
		}
		slots[i]->was_up = s && s->was_up;
	}
	slots_unindex(gw);
	for (unsigned i = 0; i < conf->n_children; i++)
		if (slots[i]->hh.tbl)
			slots[i]->conf = &conf->children[i];
	HASH_ITER (hh_name, gw->by_name, s, tmp) {
		if (s->conf < conf->children || s->conf >= conf->children + conf->n_children)
			slot_retire(s, r);
	}
	for (unsigned i = 0; i < conf->n_children; i++) {
		if (slots[i]->hh.tbl)
			continue;
		HASH_ADD(hh, gw->k->slots, policy, sizeof(slots[i]->policy), slots[i]);
		HASH_ADD(hh_name, gw->by_name, key, sizeof(slots[i]->key), slots[i]);
	}
	free(gw->slots);
	gw->slots = slots;
	return 0;
}

static void close_all(struct gw *gw, const struct ike_reason *r)
{
	struct ike_sa *sa, *tmp;

	DL_FOREACH_SAFE(gw->sas, sa, tmp)
	{
		if (sa_negotiating(sa) || sa->state == SA_INIT_RCVD)
			sa_remove(sa);
		else
			sa_close(sa, r, TASK_IKE_DELETE);
	}
}

static struct gw *gw_new(struct ike *k)
{
	struct gw *gw = calloc(1, sizeof(*gw));

	if (!gw || timer_reserve(&k->timers, 1)) {
		free(gw);
		return NULL;
	}
	gw->k = k;
	gw->number = ++k->next_gw;
	timer_init(&gw->retry, TIMER_GW_RETRY, gw);
	gw->turn.gw = gw;
	return gw;
}

static void gw_free(struct gw *gw)
{
	timer_stop(&gw->k->timers, &gw->retry);
	timer_unreserve(&gw->k->timers, 1);
	free(gw->slots);
	reason_log_free(&gw->failed);
	conf_free(&gw->conf);
	free(gw);
}

void gw_put(struct gw *gw)
{
	gw->refs--;
	if (gw->removed && !gw->refs)
		gw_free(gw);
}

/* Policies of one gateway must differ, too. */
static bool policies_differ(const struct ike_gw_conf *g)
{
	struct seen {
		UT_hash_handle hh;
		uint32_t policy;
		char key[2 * IKE_NAME];
		UT_hash_handle hk;
	} *v = calloc(g->n_children ? g->n_children : 1u, sizeof(*v)), *byp = NULL, *byk = NULL, *f;
	bool ok = v;

	for (unsigned i = 0; ok && i < g->n_children; i++) {
		v[i].policy = g->children[i].policy;
		slot_key(&g->children[i], v[i].key);
		HASH_FIND(hh, byp, &v[i].policy, sizeof(uint32_t), f);
		ok = !f;
		HASH_FIND(hk, byk, v[i].key, sizeof(v[i].key), f);
		ok = ok && !f;
		if (!ok)
			break;
		HASH_ADD(hh, byp, policy, sizeof(uint32_t), &v[i]);
		HASH_ADD(hk, byk, key, sizeof(v[i].key), &v[i]);
	}
	HASH_CLEAR(hh, byp);
	HASH_CLEAR(hk, byk);
	free(v);
	return ok;
}

/* Our address has changed: SAs move, or where the peer has no MOBIKE, start anew. */
static void move_all(struct gw *gw, const struct ike_reason *r)
{
	struct ike_sa *sa, *tmp;

	DL_FOREACH_SAFE(gw->sas, sa, tmp)
	{
		if (addr_eq(&sa->local.a, &gw->conf.local))
			continue;
		if (mobike_move(sa, &gw->conf.local))
			task_run(sa);
		else
			sa_close(sa, r, TASK_IKE_DELETE);
	}
}

int ike_gateway_set(struct ike *k, const struct ike_gw_conf *g, uint64_t now)
{
	struct gw *gw, *old = gw_find(k, g->name);
	struct ike_gw_conf conf, before = {0};
	struct ike_reason r;
	struct addr left = {0};
	bool same = false;
	int rc;

	k->now = now;
	rc = conf_check(k, g, old);
	if (!rc && !policies_differ(g))
		rc = -EINVAL;
	if (!rc)
		rc = conf_copy(k, g, &conf);
	if (rc)
		return rc;
	gw = old ? old : gw_new(k);
	if (!gw) {
		conf_free(&conf);
		return -ENOMEM;
	}
	reason_set(&r, now, IKE_CAUSE_OPERATOR, IKE_INITIATOR, INFORMATIONAL, "configuration changed");
	if (old) {
		same = ike_same(&old->conf, &conf);
		if (!same)
			close_all(old, &r);
	}
	rc = slots_set(gw, &conf, &r);
	if (rc) {
		conf_free(&conf);
		if (!old)
			gw_free(gw);
		return rc;
	}
	gw_pair_leave(gw);
	before = gw->conf;
	left = before.local;
	gw->conf = conf;
	conf_free(&before);
	slots_index(gw);
	gw_pair_join(gw);
	if (!old)
		HASH_ADD_STR(k->gws, conf.name, gw);
	if (!same) {
		gw->fails = 0;
		gw->next_try = 0;
		gw->group = 0;
		reason_log_mended(&gw->failed, 0);
	}
	struct ike_sa *sa;
	DL_FOREACH (gw->sas, sa)
		task_run(sa);
	if (same && !addr_eq(&left, &gw->conf.local))
		move_all(gw, &r);
	timer_set(&k->timers, &gw->retry, now);
	engine_done(k);
	return 0;
}

int ike_gateway_touch(struct ike *k, const char *name, uint64_t now)
{
	struct gw *gw = gw_find(k, name);
	struct ike_sa *sa;

	k->now = now;
	if (!gw)
		return -ENOENT;
	for (unsigned i = 0; i < gw->conf.n_children; i++)
		gw->slots[i]->rest = IKE_DPD_RESTART;
	DL_FOREACH (gw->sas, sa)
		task_run(sa);
	timer_set(&k->timers, &gw->retry, now);
	engine_done(k);
	return 0;
}

static void gw_remove(struct gw *gw, const struct ike_reason *r)
{
	struct ike *k = gw->k;
	struct slot *s, *tmp;

	HASH_DELETE(hh, k->gws, gw);
	gw_pair_leave(gw);
	timer_stop(&k->timers, &gw->retry);
	pace_forget(k, &gw->turn);
	gw->removed = true;
	gw->refs++;
	slots_unindex(gw);
	close_all(gw, r);
	HASH_ITER (hh_name, gw->by_name, s, tmp)
		slot_retire(s, r);
	gw->conf.n_children = 0;
	gw_put(gw);
}

int ike_gateway_remove(struct ike *k, const char *name, uint64_t now)
{
	struct gw *gw = gw_find(k, name);
	struct ike_reason r;

	k->now = now;
	if (!gw)
		return -ENOENT;
	reason_set(&r, now, IKE_CAUSE_OPERATOR, IKE_INITIATOR, INFORMATIONAL, "gateway removed");
	gw_remove(gw, &r);
	engine_done(k);
	return 0;
}

void gw_free_all(struct ike *k)
{
	struct ike_sa *sa, *tmp_sa;
	struct gw *gw, *tmp;

	/* SAs first: also of gateways that were removed and wait for theirs. */
	HASH_ITER (hh, k->sas, sa, tmp_sa)
		sa_remove(sa);
	sa_reap(k);
	HASH_ITER (hh, k->gws, gw, tmp)
		gw_remove(gw, NULL);
}
