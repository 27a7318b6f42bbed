/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing a suite from an offer, and telling an operator why none could be chosen. */
#include "proposal.h"
#include "sb.h"

#include <errno.h>
#include <stdio.h>

/* What decides, gathered once. */
struct chooser {
	const struct ike_algs *mine;
	enum prop_kind kind;
	enum ike_esn esn;
	uint8_t n_prf;
	uint16_t prf[IKE_ALGS_MAX];
};

static bool has_type(const struct proposal *p, unsigned type)
{
	for (uint8_t i = 0; i < p->n; i++)
		if (p->t[i].type == type)
			return true;
	return false;
}

/* Key lengths must be the same, so that an AES without one matches nothing (RFC 7296 3.3.5). */
static bool has(const struct proposal *p, unsigned type, uint16_t id, uint16_t key_bits)
{
	for (uint8_t i = 0; i < p->n; i++) {
		const struct transform *t = &p->t[i];

		if (t->type == type && t->id == id && t->key_bits == key_bits && !t->odd)
			return true;
	}
	return false;
}

static bool has_encr(const struct proposal *p, const struct ike_alg *a)
{
	bool sized = encr_has_key_length(a->id);

	return (!sized || a->key_bits) && has(p, TT_ENCR, a->id, sized ? a->key_bits : 0);
}

/* Index of the first of our IDs, `none` left out, that the proposal has; -1: none of them. */
static int pick(const struct proposal *p, uint8_t type, const uint16_t *ids, uint8_t n)
{
	for (uint8_t i = 0; i < n; i++)
		if (ids[i] && has(p, type, ids[i], 0))
			return i;
	return -1;
}

/* A type that is not there, or is there with NONE, is the same offer (RFC 7296 3.3.6). */
static bool none_ok(const struct proposal *p, unsigned type)
{
	return !has_type(p, type) || has(p, type, 0, 0);
}

static bool wants_none(const uint16_t *ids, uint8_t n)
{
	for (uint8_t i = 0; i < n; i++)
		if (!ids[i])
			return true;
	return n == 0;
}

/* RFC 7296 3.3.3, RFC 9370 2.2.1: which transform types a protocol's proposal may have.  Types from later RFCs
 * are not among them, and make the proposal unacceptable (3.3.6). */
static bool types_ok(const struct proposal *p, enum prop_kind kind)
{
	unsigned allowed = kind == PROP_IKE
				   ? TT_BIT(TT_ENCR) | TT_BIT(TT_PRF) | TT_BIT(TT_INTEG) | TT_BIT(TT_DH)
				   : TT_BIT(TT_ENCR) | TT_BIT(TT_INTEG) | TT_BIT(TT_DH) | TT_BIT(TT_ESN);

	for (unsigned type = TT_AKE1; type <= TT_AKE7; type++)
		allowed |= TT_BIT(type);
	for (uint8_t i = 0; i < p->n; i++)
		if (p->t[i].type >= TT_MAX || !(allowed & TT_BIT(p->t[i].type)))
			return false;
	return true;
}

static bool protocol_ok(const struct proposal *p, enum prop_kind kind)
{
	return p->protocol == (kind == PROP_IKE ? PROTO_IKE : PROTO_ESP);
}

/* Each returns our index, the larger the less preferred, or -1. */
static int choose_integ(const struct chooser *c, const struct proposal *p, uint16_t encr)
{
	/* RFC 5282 8, RFC 7296 3.3: a combined-mode cipher goes with no integrity transform, or with NONE */
	if (encr_is_aead(encr))
		return none_ok(p, TT_INTEG) ? 0 : -1;
	return pick(p, TT_INTEG, c->mine->integ, c->mine->n_integ);
}

static int choose_prf(const struct chooser *c, const struct proposal *p)
{
	return c->kind == PROP_IKE ? pick(p, TT_PRF, c->prf, c->n_prf) : 0;
}

static int choose_dh(const struct chooser *c, const struct proposal *p, uint16_t *dh)
{
	int i;

	*dh = DH_NONE;
	if (c->kind == PROP_ESP_FIRST) /* RFC 7296 1.2: IKE_AUTH carries no key exchange */
		return 0;
	if (c->kind == PROP_ESP && c->mine->n_dh == 0)
		return none_ok(p, TT_DH) ? 0 : -1;
	i = pick(p, TT_DH, c->mine->dh, c->mine->n_dh);
	if (i >= 0)
		*dh = c->mine->dh[i];
	else if (c->kind == PROP_ESP && wants_none(c->mine->dh, c->mine->n_dh) && none_ok(p, TT_DH))
		i = IKE_ALGS_MAX;
	return i;
}

/* A method serves once in a suite (RFC 9370 2.2.1). */
static bool used(const struct suite_choice *s, uint16_t method)
{
	bool found = s->dh == method;

	for (unsigned i = 0; i < IKE_AKE_MAX; i++)
		found = found || s->ake[i] == method;
	return found;
}

/* The additional key exchanges; their rank, or -1. */
static long choose_ake(const struct chooser *c, const struct proposal *p, struct suite_choice *s)
{
	long rank = 0;

	if (c->kind == PROP_ESP_FIRST)
		return 0;
	for (unsigned i = 0; i < IKE_AKE_MAX; i++) {
		unsigned type = TT_AKE1 + i, n = i < c->mine->n_ake ? c->mine->n_ake_algs[i] : 0, m = 0;
		const uint16_t *ids = c->mine->ake[i];

		while (m < n && !(ids[m] ? has(p, type, ids[m], 0) && !used(s, ids[m]) : none_ok(p, type)))
			m++;
		if (m == n && (n || !none_ok(p, type)))
			return -1;
		s->ake[i] = n ? ids[m] : 0;
		rank = rank << 3 | (long)m;
	}
	return rank;
}

static int choose_esn(const struct chooser *c, const struct proposal *p)
{
	if (c->kind == PROP_IKE)
		return 0;
	if (c->esn && has(p, TT_ESN, ESN_YES, 0))
		return ESN_YES;
	return c->esn != IKE_ESN_YES && none_ok(p, TT_ESN) ? ESN_NO : -1;
}

static uint16_t types_carried(const struct proposal *p, enum prop_kind kind)
{
	unsigned bits = 0;

	for (uint8_t i = 0; i < p->n; i++)
		bits |= TT_BIT(p->t[i].type);
	for (unsigned type = TT_DH; type < TT_MAX && kind == PROP_ESP_FIRST; type++)
		if (type != TT_ESN && !has(p, type, DH_NONE, 0))
			bits &= ~TT_BIT(type);
	return (uint16_t)bits;
}

/* The best that proposal p can give with our cipher number e; its rank, the less the better, or -1. */
static long choose_from(const struct chooser *c, const struct proposal *p, uint8_t e, struct suite_choice *s)
{
	const struct ike_alg *encr = &c->mine->encr[e];
	uint16_t dh;
	int integ, prf, d, esn;
	long ake;

	if (!protocol_ok(p, c->kind) || !types_ok(p, c->kind) || !has_encr(p, encr))
		return -1;
	integ = choose_integ(c, p, encr->id);
	prf = choose_prf(c, p);
	d = choose_dh(c, p, &dh);
	esn = choose_esn(c, p);
	if (integ < 0 || prf < 0 || d < 0 || esn < 0)
		return -1;
	*s = (struct suite_choice){.num = p->num,
				   .protocol = p->protocol,
				   .types = types_carried(p, c->kind),
				   .spi_len = p->spi_len,
				   .encr = encr->id,
				   .key_bits = encr_has_key_length(encr->id) ? encr->key_bits : 0,
				   .prf = c->kind == PROP_IKE ? c->prf[prf] : 0,
				   .integ = encr_is_aead(encr->id) ? 0 : c->mine->integ[integ],
				   .dh = dh,
				   .esn = esn == ESN_YES};
	memcpy(s->spi, p->spi, sizeof(s->spi));
	ake = choose_ake(c, p, s);
	if (ake < 0)
		return -1;
	return (((long)e << 24 | (long)integ << 16 | (long)prf << 8 | (long)d << 1 | (esn == ESN_NO)) << 21) |
	       ake;
}

static void put_theirs(struct sb *t, const struct proposal *p, uint8_t type)
{
	const char *sep = "";
	char one[ALG_STR];

	for (uint8_t i = 0; i < p->n; i++) {
		if (p->t[i].type != type)
			continue;
		sb_put(t, "%s%s", sep, prop_alg_str(&p->t[i], one));
		sep = ", ";
	}
	if (!*sep)
		sb_put(t, type == TT_DH ? "no-pfs" : "none");
}

static void put_ids(struct sb *t, uint8_t type, const uint16_t *ids, uint8_t n)
{
	char one[ALG_STR];

	for (uint8_t i = 0; i < n; i++)
		sb_put(t, "%s%s", i ? ", " : "",
		       prop_alg_str(&(struct transform){.type = type, .id = ids[i]}, one));
	if (!n)
		sb_put(t, type == TT_DH ? "no-pfs" : "none");
}

static void put_ciphers(struct sb *t, const struct ike_algs *a)
{
	char one[ALG_STR];

	for (uint8_t i = 0; i < a->n_encr; i++) {
		const struct transform x = {
			.type = TT_ENCR,
			.id = a->encr[i].id,
			.key_bits = encr_has_key_length(a->encr[i].id) ? a->encr[i].key_bits : 0};

		sb_put(t, "%s%s", i ? ", " : "", prop_alg_str(&x, one));
	}
}

/* Opens the sentence about one parameter. */
static void put_head(struct sb *t, const char *what, const struct proposal *p, uint8_t type)
{
	sb_put(t, "%s%s: peer offers ", t->len ? ". " : "", what);
	put_theirs(t, p, type);
	sb_put(t, "; we accept ");
}

/* How far a proposal got, parameter by parameter. */
struct verdict {
	bool protocol, types, encr, integ, prf, dh, esn, ake;
	bool aead; /* some cipher in common is a combined-mode one */
};

static struct verdict judge(const struct chooser *c, const struct proposal *p)
{
	struct verdict v = {.protocol = protocol_ok(p, c->kind), .types = types_ok(p, c->kind)};
	uint16_t dh;
	bool need_integ = false;

	for (uint8_t e = 0; e < c->mine->n_encr; e++) {
		need_integ = need_integ || !encr_is_aead(c->mine->encr[e].id);
		if (!has_encr(p, &c->mine->encr[e]))
			continue;
		v.encr = true;
		v.aead = v.aead || encr_is_aead(c->mine->encr[e].id);
		v.integ = v.integ || choose_integ(c, p, c->mine->encr[e].id) >= 0;
	}
	/* No cipher in common: speak of integrity only if we and this proposal both want some. */
	if (!v.encr)
		v.integ = !need_integ || !has_type(p, TT_INTEG) ||
			  pick(p, TT_INTEG, c->mine->integ, c->mine->n_integ) >= 0;
	v.prf = choose_prf(c, p) >= 0;
	v.dh = choose_dh(c, p, &dh) >= 0;
	v.esn = choose_esn(c, p) >= 0;
	v.ake = choose_ake(c, p, &(struct suite_choice){.dh = v.dh ? dh : DH_NONE}) >= 0;
	return v;
}

/* The cipher weighs most: two ends that mean the same tunnel differ in detail, not in kind. */
static int score(const struct verdict *v)
{
	return v->protocol * 32 + v->encr * 8 + v->types * 4 + v->integ * 2 + v->prf * 2 + v->dh * 2 +
	       v->esn + v->ake * 2;
}

static void put_foreign(struct sb *t, const struct proposal *p, enum prop_kind kind)
{
	const char *sep = "";
	char one[ALG_STR];

	sb_put(t, "%sfurther transforms: peer requires ", t->len ? ". " : "");
	for (uint8_t i = 0; i < p->n; i++) {
		const struct proposal only = {.n = 1, .t = {p->t[i]}};

		if (types_ok(&only, kind))
			continue;
		sb_put(t, "%s%s", sep, prop_alg_str(&p->t[i], one));
		sep = ", ";
	}
	sb_put(t, "; we accept none");
}

/* The first additional key exchange that does not fit. */
static void put_ake(struct sb *t, const struct chooser *c, const struct proposal *p)
{
	static const struct ike_algs none;
	struct chooser one = *c;
	char what[40];

	for (unsigned i = 0; i < IKE_AKE_MAX; i++) {
		struct ike_algs mine = none;
		struct proposal theirs = *p;
		struct suite_choice s = {0};

		for (uint8_t k = theirs.n = 0; k < p->n; k++)
			if (p->t[k].type == TT_AKE1 + i)
				theirs.t[theirs.n++] = p->t[k];
		mine.n_ake = (uint8_t)(i + 1);
		if (i < c->mine->n_ake) {
			mine.n_ake_algs[i] = c->mine->n_ake_algs[i];
			memcpy(mine.ake[i], c->mine->ake[i], sizeof(mine.ake[i]));
		}
		one.mine = &mine;
		if (choose_ake(&one, &theirs, &s) >= 0)
			continue;
		snprintf(what, sizeof(what), "additional key exchange %u", i + 1);
		put_head(t, what, p, (uint8_t)(TT_AKE1 + i));
		put_ids(t, (uint8_t)(TT_AKE1 + i), mine.ake[i], mine.n_ake_algs[i]);
		return;
	}
	sb_put(t, "%sadditional key exchanges: peer offers no method that is not used already",
	       t->len ? ". " : "");
}

static void put_verdict(struct sb *t, const struct chooser *c, const struct proposal *p,
			const struct verdict *v)
{
	if (!v->protocol) {
		sb_put(t, "protocol: peer offers %s; we accept %s",
		       p->protocol == PROTO_AH    ? "AH"
		       : p->protocol == PROTO_IKE ? "IKE"
		       : p->protocol == PROTO_ESP ? "ESP"
						  : "an unknown one",
		       c->kind == PROP_IKE ? "IKE" : "ESP");
		return;
	}
	if (!v->encr) {
		put_head(t, "encryption", p, TT_ENCR);
		put_ciphers(t, c->mine);
	}
	if (!v->integ) {
		put_head(t, "authentication", p, TT_INTEG);
		if (v->encr && v->aead)
			sb_put(t, "none beside a combined-mode cipher");
		else
			put_ids(t, TT_INTEG, c->mine->integ, c->mine->n_integ);
	}
	if (!v->prf) {
		put_head(t, "prf", p, TT_PRF);
		put_ids(t, TT_PRF, c->prf, c->n_prf);
	}
	if (!v->dh) {
		put_head(t, c->kind == PROP_IKE ? "dh-group" : "dh-group (PFS)", p, TT_DH);
		put_ids(t, TT_DH, c->mine->dh, c->mine->n_dh);
	}
	if (!v->esn) {
		put_head(t, "extended sequence numbers", p, TT_ESN);
		sb_put(t, c->esn == IKE_ESN_YES ? "esn" : c->esn ? "esn, no-esn" : "no-esn");
	}
	if (!v->ake)
		put_ake(t, c, p);
	if (!v->types)
		put_foreign(t, p, c->kind);
}

/* NULL: they offer none. */
static const struct proposal *nearest(const struct chooser *c, const struct proposals *theirs,
				      struct verdict *best)
{
	const struct proposal *found = NULL;

	for (uint8_t i = 0; i < theirs->n; i++) {
		struct verdict v = judge(c, &theirs->p[i]);

		if (found && score(&v) <= score(best))
			continue;
		found = &theirs->p[i];
		*best = v;
	}
	return found;
}

/* The proposal that came nearest, in words. */
static void explain(const struct chooser *c, const struct proposals *theirs, char *why, size_t why_len)
{
	struct sb t = sb_of(why, why_len);
	struct verdict v = {0};
	const struct proposal *p = nearest(c, theirs, &v);

	if (!p)
		sb_put(&t, "peer offers nothing");
	else
		put_verdict(&t, c, p, &v);
}

enum { PARAMETER = 80 };

/* One line of the comparison; ids NULL: ciphers. */
static void parameter(const char *what, bool same, const struct proposal *p, uint8_t type,
		      const struct ike_algs *mine, const uint16_t *ids, uint8_t n, prop_compare_fn *cb,
		      void *arg)
{
	char ours[PARAMETER], theirs[PARAMETER];
	struct sb a = sb_of(ours, sizeof(ours)), b = sb_of(theirs, sizeof(theirs));

	if (ids)
		put_ids(&a, type, ids, n);
	else
		put_ciphers(&a, mine);
	put_theirs(&b, p, type);
	cb(arg, what, same, ours, theirs);
}

void prop_compare(const struct proposals *theirs, const struct ike_algs *mine, enum prop_kind kind,
		  enum ike_esn esn, prop_compare_fn *cb, void *arg)
{
	struct chooser c = {.mine = mine, .kind = kind, .esn = esn};
	const struct proposal *p;
	struct verdict v = {0};

	c.n_prf = prop_prfs(mine, c.prf);
	p = nearest(&c, theirs, &v);
	if (!p || !v.protocol)
		return;
	parameter("encryption", v.encr, p, TT_ENCR, mine, NULL, 0, cb, arg);
	if (mine->n_integ || has_type(p, TT_INTEG))
		parameter("authentication", v.integ, p, TT_INTEG, mine, mine->integ, mine->n_integ, cb, arg);
	if (kind == PROP_IKE)
		parameter("prf", v.prf, p, TT_PRF, mine, c.prf, c.n_prf, cb, arg);
	if (kind != PROP_ESP_FIRST)
		parameter(kind == PROP_IKE ? "dh-group" : "dh-group (PFS)", v.dh, p, TT_DH, mine, mine->dh,
			  mine->n_dh, cb, arg);
	if (kind != PROP_IKE && !v.esn)
		cb(arg, "extended sequence numbers", false,
		   esn == IKE_ESN_YES ? "esn"
		   : esn              ? "esn, no-esn"
				      : "no-esn",
		   has(p, TT_ESN, ESN_YES, 0) ? "esn" : "no-esn");
}

int prop_choose(const struct proposals *theirs, const struct ike_algs *mine, enum prop_kind kind,
		enum ike_esn esn, struct suite_choice *out, char *why, size_t why_len)
{
	struct chooser c = {.mine = mine, .kind = kind, .esn = esn};
	struct suite_choice s;
	long best = -1;

	c.n_prf = prop_prfs(mine, c.prf);
	for (uint8_t i = 0; i < theirs->n; i++) {
		for (uint8_t e = 0; e < mine->n_encr; e++) {
			long rank = choose_from(&c, &theirs->p[i], e, &s);

			if (rank < 0 || (best >= 0 && rank >= best))
				continue;
			best = rank;
			*out = s;
		}
	}
	if (best >= 0)
		return 0;
	if (why && why_len)
		explain(&c, theirs, why, why_len);
	return -ENOENT;
}

static bool take(const struct proposal *answer, unsigned type, const struct transform **t)
{
	*t = NULL;
	for (uint8_t i = 0; i < answer->n; i++) {
		if (answer->t[i].type != type)
			continue;
		if (*t)
			return false;
		*t = &answer->t[i];
	}
	return true;
}

int prop_accept(const struct proposals *answer, const struct proposals *offered, struct suite_choice *out)
{
	const struct proposal *a = &answer->p[0], *o = NULL;
	const struct transform *t[TT_MAX] = {0};
	struct suite_choice s;

	/* RFC 7296 3.3.6: one proposal, by the number we gave it, one transform of each type */
	if (answer->n != 1)
		return -EINVAL;
	for (uint8_t i = 0; i < a->n; i++)
		if (a->t[i].type == 0 || a->t[i].type >= TT_MAX)
			return -ENOENT;
	for (unsigned type = TT_ENCR; type < TT_MAX; type++)
		if (!take(a, type, &t[type]))
			return -EINVAL;
	for (uint8_t i = 0; i < offered->n && !o; i++)
		if (offered->p[i].num == a->num && offered->p[i].protocol == a->protocol)
			o = &offered->p[i];
	if (!o)
		return -ENOENT;
	for (unsigned type = TT_ENCR; type < TT_MAX; type++) {
		/* What is left out means NONE, and so does ESN 0: no extended sequence numbers. */
		if (t[type] ? t[type]->odd || (!has(o, type, t[type]->id, t[type]->key_bits) &&
					       !(t[type]->id == 0 && none_ok(o, type)))
			    : !none_ok(o, type))
			return -ENOENT;
	}
	if (!t[TT_ENCR])
		return -ENOENT;
	s = (struct suite_choice){.num = a->num,
				  .protocol = a->protocol,
				  .types = types_carried(a, PROP_ESP),
				  .spi_len = a->spi_len,
				  .encr = t[TT_ENCR]->id,
				  .key_bits = t[TT_ENCR]->key_bits,
				  .prf = t[TT_PRF] ? t[TT_PRF]->id : 0,
				  .integ = t[TT_INTEG] ? t[TT_INTEG]->id : 0,
				  .dh = t[TT_DH] ? t[TT_DH]->id : 0,
				  .esn = t[TT_ESN] && t[TT_ESN]->id == ESN_YES};
	for (unsigned i = 0; i < IKE_AKE_MAX; i++) {
		uint16_t method = t[TT_AKE1 + i] ? t[TT_AKE1 + i]->id : 0;

		if (method && used(&s, method))
			return -EINVAL;
		s.ake[i] = method;
	}
	memcpy(s.spi, a->spi, sizeof(s.spi));
	*out = s;
	return 0;
}
