/* SPDX-License-Identifier: Apache-2.0 */
#include "proposal.h"

#include <errno.h>

/* "Last Substruc" of RFC 7296 3.3.1 and 3.3.2 */
enum { LAST = 0, MORE_PROPOSALS = 2, MORE_TRANSFORMS = 3 };
enum { ATTR_TV = 0x8000 };

/* RFC 7296 3.3.5.  Key length is the one attribute we understand, and only in its short form. */
static int decode_attributes(struct rd *r, struct transform *t)
{
	bool have_bits = false;

	while (rd_left(r)) {
		uint16_t type = rd_u16(r), value = rd_u16(r);

		if (r->bad)
			return -EINVAL;
		if (!(type & ATTR_TV)) { /* value is the length of what follows */
			rd_take(r, value);
			t->odd = true;
		} else if ((type & ~ATTR_TV) != ATTR_KEY_LENGTH || have_bits) {
			t->odd = true;
		} else {
			t->key_bits = value;
			have_bits = true;
		}
	}
	return r->bad ? -EINVAL : 0;
}

/*
 *   +---------------+---------------+-------------------------------+
 *   | Last Substruc |   RESERVED    |        Transform Length       |
 *   +---------------+---------------+-------------------------------+
 *   |Transform Type |   RESERVED    |          Transform ID         |
 *   +---------------+---------------+-------------------------------+
 *   ~                      Transform Attributes                     ~
 *   +---------------------------------------------------------------+
 */
static int decode_transform(struct rd *r, bool last, struct transform *t)
{
	uint8_t more = rd_u8(r);
	uint16_t len;
	struct rd body;

	rd_u8(r);
	len = rd_u16(r);
	if (r->bad || len < 8 || more != (last ? LAST : MORE_TRANSFORMS))
		return -EINVAL;
	body = rd_sub(r, len - 4u);
	*t = (struct transform){.type = rd_u8(&body)};
	rd_u8(&body);
	t->id = rd_u16(&body);
	return body.bad ? -EINVAL : decode_attributes(&body, t);
}

/* RFC 7296 3.3.1: eight octets for IKE when it rekeys, none at first; four for ESP and AH. */
static bool spi_size_ok(uint8_t protocol, uint8_t n)
{
	switch (protocol) {
	case PROTO_IKE: return n == 0 || n == IKE_SPI;
	case PROTO_AH:
	case PROTO_ESP: return n == ESP_SPI;
	default: return n <= IKE_SPI;
	}
}

/*
 *   +---------------+---------------+-------------------------------+
 *   | Last Substruc |   RESERVED    |         Proposal Length       |
 *   +---------------+---------------+-------------------------------+
 *   | Proposal Num  |  Protocol ID  |    SPI Size   |Num  Transforms|
 *   +---------------+---------------+-------------------------------+
 *   ~                        SPI (variable)                         ~
 *   +---------------------------------------------------------------+
 *   ~                        <Transforms>                           ~
 *   +---------------------------------------------------------------+
 */
static int decode_proposal(struct rd *r, struct proposal *p)
{
	uint8_t n;

	*p = (struct proposal){.num = rd_u8(r)};
	p->protocol = rd_u8(r);
	p->spi_len = rd_u8(r);
	n = rd_u8(r);
	if (r->bad || !spi_size_ok(p->protocol, p->spi_len))
		return -EINVAL;
	for (uint8_t i = 0; i < p->spi_len; i++)
		p->spi[i] = rd_u8(r);
	if (n > TRANSFORMS_MAX)
		return -E2BIG;
	for (; p->n < n; p->n++)
		if (decode_transform(r, p->n + 1 == n, &p->t[p->n]) < 0)
			return -EINVAL;
	return rd_done(r) ? 0 : -EINVAL;
}

int prop_decode(struct bytes body, struct proposals *out)
{
	struct rd r = rd_of(body.p, body.len);
	uint8_t more = MORE_PROPOSALS;

	out->n = 0;
	while (more == MORE_PROPOSALS) {
		struct proposal *p = &out->p[out->n];
		uint16_t len;
		struct rd sub;
		int e;

		if (out->n == PROPOSALS_MAX)
			return -E2BIG;
		more = rd_u8(&r);
		rd_u8(&r);
		len = rd_u16(&r);
		if (r.bad || len < 8 || (more != MORE_PROPOSALS && more != LAST))
			return -EINVAL;
		sub = rd_sub(&r, len - 4u);
		if (sub.bad)
			return -EINVAL;
		e = decode_proposal(&sub, p);
		if (e < 0)
			return e;
		/* RFC 7296 3.3.1: one more than the one before.  Equal numbers would tie two proposals
		 * together, as in IKEv1; to take one of them alone is not what such a peer means. */
		if (out->n && p->num != p[-1].num + 1)
			return -EINVAL;
		out->n++;
	}
	return rd_done(&r) ? 0 : -EINVAL;
}

static void encode_transform(struct wr *w, const struct transform *t, bool last)
{
	size_t start = w->len, mark;

	wr_u8(w, last ? LAST : MORE_TRANSFORMS);
	wr_u8(w, 0);
	mark = wr_len16(w);
	wr_u8(w, t->type);
	wr_u8(w, 0);
	wr_u16(w, t->id);
	if (t->key_bits) {
		wr_u16(w, ATTR_TV | ATTR_KEY_LENGTH);
		wr_u16(w, t->key_bits);
	}
	wr_end16(w, mark, start);
}

static void encode_proposal(struct wr *w, const struct proposal *p, bool last)
{
	size_t start = w->len, mark;

	wr_u8(w, last ? LAST : MORE_PROPOSALS);
	wr_u8(w, 0);
	mark = wr_len16(w);
	wr_u8(w, p->num);
	wr_u8(w, p->protocol);
	wr_u8(w, p->spi_len);
	wr_u8(w, p->n);
	wr_bytes(w, p->spi, p->spi_len);
	for (uint8_t k = 0; k < p->n; k++)
		encode_transform(w, &p->t[k], k + 1 == p->n);
	wr_end16(w, mark, start);
}

void prop_encode(struct wr *w, const struct proposals *ps)
{
	for (uint8_t i = 0; i < ps->n; i++)
		encode_proposal(w, &ps->p[i], i + 1 == ps->n);
}

static void add(struct proposal *p, uint8_t type, uint16_t id, uint16_t key_bits)
{
	if (p->n < TRANSFORMS_MAX)
		p->t[p->n++] = (struct transform){.type = type, .id = id, .key_bits = key_bits};
}

uint8_t prop_prfs(const struct ike_algs *a, uint16_t prf[IKE_ALGS_MAX])
{
	static const uint16_t of_integ[][2] = {{AUTH_HMAC_SHA1_96, PRF_HMAC_SHA1},
					       {AUTH_HMAC_SHA2_256_128, PRF_HMAC_SHA2_256},
					       {AUTH_HMAC_SHA2_384_192, PRF_HMAC_SHA2_384},
					       {AUTH_HMAC_SHA2_512_256, PRF_HMAC_SHA2_512}};
	uint8_t n = 0;

	for (; n < a->n_prf; n++)
		prf[n] = a->prf[n];
	if (n)
		return n;
	for (uint8_t i = 0; i < a->n_integ; i++)
		for (size_t k = 0; k < sizeof(of_integ) / sizeof(of_integ[0]); k++)
			if (a->integ[i] == of_integ[k][0])
				prf[n++] = of_integ[k][1];
	if (n)
		return n;
	for (size_t k = 1; k < sizeof(of_integ) / sizeof(of_integ[0]); k++)
		prf[n++] = of_integ[k][1];
	return n;
}

/* One proposal with the ciphers of one kind; none when the profile has none, or no integrity to go with. */
static void offer(const struct ike_algs *a, enum prop_kind kind, enum ike_esn esn, bool aead,
		  struct proposals *out)
{
	struct proposal *p = &out->p[out->n];
	uint16_t prf[IKE_ALGS_MAX];
	uint8_t n_integ = 0, n_prf = kind == PROP_IKE ? prop_prfs(a, prf) : 0;

	*p = (struct proposal){.num = (uint8_t)(out->n + 1),
			       .protocol = kind == PROP_IKE ? PROTO_IKE : PROTO_ESP};
	for (uint8_t i = 0; i < a->n_encr; i++)
		if (encr_is_aead(a->encr[i].id) == aead)
			add(p, TT_ENCR, a->encr[i].id,
			    encr_has_key_length(a->encr[i].id) ? a->encr[i].key_bits : 0);
	if (!p->n)
		return;
	for (uint8_t i = 0; i < a->n_integ && !aead; i++)
		if (a->integ[i] != AUTH_NONE) {
			add(p, TT_INTEG, a->integ[i], 0);
			n_integ++;
		}
	if (!aead && !n_integ)
		return;
	for (uint8_t i = 0; i < n_prf; i++)
		add(p, TT_PRF, prf[i], 0);
	for (uint8_t i = 0; i < a->n_dh && kind != PROP_ESP_FIRST; i++)
		add(p, TT_DH, a->dh[i], 0);
	if (kind != PROP_IKE && esn != IKE_ESN_NO)
		add(p, TT_ESN, ESN_YES, 0);
	if (kind != PROP_IKE && esn != IKE_ESN_YES)
		add(p, TT_ESN, ESN_NO, 0);
	for (uint8_t i = 0; i < a->n_ake && kind != PROP_ESP_FIRST; i++)
		for (uint8_t m = 0; m < a->n_ake_algs[i]; m++)
			add(p, (uint8_t)(TT_AKE1 + i), a->ake[i][m], 0);
	out->n++;
}

void prop_offer(const struct ike_algs *a, enum prop_kind kind, enum ike_esn esn, const void *spi,
		uint8_t spi_len, struct proposals *out)
{
	bool aead = a->n_encr && encr_is_aead(a->encr[0].id);

	out->n = 0;
	offer(a, kind, esn, aead, out);
	offer(a, kind, esn, !aead, out);
	for (uint8_t i = 0; i < out->n && spi_len <= sizeof(out->p[i].spi) && spi_len; i++) {
		memcpy(out->p[i].spi, spi, spi_len);
		out->p[i].spi_len = spi_len;
	}
}

unsigned suite_ake(const struct suite_choice *c, unsigned step)
{
	while (step < IKE_AKE_MAX && !c->ake[step])
		step++;
	return step;
}

void prop_encode_choice(struct wr *w, const struct suite_choice *c, const void *spi, uint8_t spi_len)
{
	struct proposal p = {.num = c->num, .protocol = c->protocol};
	const struct transform t[] = {{.type = TT_ENCR, .id = c->encr, .key_bits = c->key_bits},
				      {.type = TT_INTEG, .id = c->integ},
				      {.type = TT_PRF, .id = c->prf},
				      {.type = TT_DH, .id = c->dh},
				      {.type = TT_ESN, .id = c->esn}};

	if (spi_len && spi_len <= sizeof(p.spi)) {
		memcpy(p.spi, spi, spi_len);
		p.spi_len = spi_len;
	}
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		bool implied = t[i].type == TT_ESN && c->protocol == PROTO_ESP && !c->types;

		if (t[i].id || implied || c->types & TT_BIT(t[i].type))
			p.t[p.n++] = t[i];
	}
	for (unsigned i = 0; i < IKE_AKE_MAX; i++)
		if (c->ake[i] || c->types & TT_BIT(TT_AKE1 + i))
			add(&p, (uint8_t)(TT_AKE1 + i), c->ake[i], 0);
	encode_proposal(w, &p, true);
}
