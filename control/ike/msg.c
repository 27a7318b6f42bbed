/* SPDX-License-Identifier: Apache-2.0 */
#include "msg.h"

enum msg_error msg_parse_header(const void *p, size_t len, struct ike_hdr *h)
{
	struct rd r = rd_of(p, len);

	*h = (struct ike_hdr){0};
	h->spi_i = rd_u64(&r);
	h->spi_r = rd_u64(&r);
	h->next = rd_u8(&r);
	h->version = rd_u8(&r);
	h->exchange = rd_u8(&r);
	h->flags = rd_u8(&r);
	h->msgid = rd_u32(&r);
	h->len = rd_u32(&r);
	if (r.bad)
		return MSG_SHORT;
	/* Before all else: a later version may have another meaning for what follows (RFC 7296 2.5). */
	if (h->version >> 4 != 2)
		return MSG_VERSION;
	if (h->len != len)
		return MSG_LENGTH;
	switch (h->exchange) {
	case IKE_SA_INIT:
	case IKE_AUTH:
	case CREATE_CHILD_SA:
	case INFORMATIONAL:
	case IKE_INTERMEDIATE:
	case IKE_FOLLOWUP_KE: return MSG_OK;
	default: return MSG_EXCHANGE;
	}
}

/* The reader is at its end and nothing was missing, or the payload is malformed. */
static enum msg_error closed(const struct rd *r)
{
	return rd_done(r) ? MSG_OK : MSG_PAYLOAD;
}

/* RFC 7296 3.4 */
static enum msg_error parse_ke(struct rd *r, struct msg_ke *ke)
{
	ke->group = rd_u16(r);
	rd_take(r, 2);
	ke->data = rd_rest(r);
	return ke->data.len ? closed(r) : MSG_PAYLOAD;
}

/* RFC 7296 3.5 */
static enum msg_error parse_id(struct rd *r, struct msg_id *id)
{
	struct rd whole = *r;

	id->type = rd_u8(r);
	rd_take(r, 3);
	id->data = rd_rest(r);
	id->body = rd_rest(&whole);
	if ((id->type == ID_IPV4_ADDR && id->data.len != 4) ||
	    (id->type == ID_IPV6_ADDR && id->data.len != 16))
		return MSG_PAYLOAD;
	return closed(r);
}

/* RFC 7296 3.6, 3.7 */
static enum msg_error parse_cert(struct rd *r, struct msg_cert *list, uint8_t *n)
{
	struct msg_cert *c = &list[*n];

	if (*n == MSG_CERTS_MAX)
		return MSG_TOO_MANY;
	c->encoding = rd_u8(r);
	c->data = rd_rest(r);
	(*n)++;
	return closed(r);
}

/* RFC 7296 3.8 */
static enum msg_error parse_auth(struct rd *r, struct msg_auth *a)
{
	a->method = rd_u8(r);
	rd_take(r, 3);
	a->data = rd_rest(r);
	return closed(r);
}

static enum msg_error parse_nonce(struct rd *r, struct bytes *nonce)
{
	*nonce = rd_rest(r);
	/* RFC 7296 3.9: between 16 and 256 octets */
	return nonce->len >= 16 && nonce->len <= 256 ? MSG_OK : MSG_PAYLOAD;
}

/* An SPI's size belongs to its protocol (RFC 7296 3.10, 3.11).  Protocols we do not know keep theirs. */
static bool notify_spi_size_ok(uint8_t protocol, size_t n)
{
	switch (protocol) {
	case PROTO_NONE: return n == 0;
	case PROTO_IKE: return n == 0 || n == IKE_SPI;
	case PROTO_AH:
	case PROTO_ESP: return n == 0 || n == ESP_SPI;
	default: return true;
	}
}

static enum msg_error parse_notify(struct rd *r, struct msg *m)
{
	struct msg_notify *n = &m->notify[m->n_notify];
	uint8_t spi_size;

	if (m->n_notify == MSG_NOTIFIES_MAX)
		return MSG_TOO_MANY;
	n->protocol = rd_u8(r);
	spi_size = rd_u8(r);
	n->type = rd_u16(r);
	n->spi = rd_bytes(r, spi_size);
	n->data = rd_rest(r);
	if (!rd_done(r) || !notify_spi_size_ok(n->protocol, spi_size))
		return MSG_PAYLOAD;
	m->n_notify++;
	return MSG_OK;
}

static enum msg_error parse_delete(struct rd *r, struct msg *m)
{
	struct msg_delete *d = &m->del[m->n_delete];
	size_t want;

	if (m->n_delete == MSG_DELETES_MAX)
		return MSG_TOO_MANY;
	d->protocol = rd_u8(r);
	d->spi_size = rd_u8(r);
	d->n = rd_u16(r);
	d->spis = rd_rest(r);
	switch (d->protocol) {
	case PROTO_IKE: want = 0; break; /* the SA is the one the message is under */
	case PROTO_AH:
	case PROTO_ESP: want = ESP_SPI; break;
	default: return MSG_PAYLOAD;
	}
	if (!rd_done(r) || d->spi_size != want || d->spis.len != want * d->n || (!want && d->n))
		return MSG_PAYLOAD;
	m->n_delete++;
	return MSG_OK;
}

static enum msg_error parse_vendor(struct rd *r, struct msg *m)
{
	if (m->n_vendor == MSG_VENDORS_MAX)
		return MSG_TOO_MANY;
	m->vendor[m->n_vendor++] = rd_rest(r);
	return MSG_OK;
}

static enum msg_error parse_fragment(struct rd *r, struct msg_fragment *f)
{
	f->num = rd_u16(r);
	f->total = rd_u16(r);
	f->body = rd_rest(r);
	return rd_done(r) && f->num && f->num <= f->total ? MSG_OK : MSG_PAYLOAD;
}

static bool known(uint8_t type)
{
	return (type >= PL_SA && type <= PL_EAP) || type == PL_SKF;
}

static bool repeatable(uint8_t type)
{
	return type == PL_CERT || type == PL_CERTREQ || type == PL_NOTIFY || type == PL_DELETE ||
	       type == PL_VENDOR;
}

static enum msg_error parse_body(struct rd *r, uint8_t type, struct msg *m)
{
	switch (type) {
	case PL_SA: m->sa = rd_rest(r); return MSG_OK;
	case PL_KE: return parse_ke(r, &m->ke);
	case PL_IDI: return parse_id(r, &m->idi);
	case PL_IDR: return parse_id(r, &m->idr);
	case PL_CERT: return parse_cert(r, m->cert, &m->n_cert);
	case PL_CERTREQ: return parse_cert(r, m->certreq, &m->n_certreq);
	case PL_AUTH: return parse_auth(r, &m->auth);
	case PL_NONCE: return parse_nonce(r, &m->nonce);
	case PL_NOTIFY: return parse_notify(r, m);
	case PL_DELETE: return parse_delete(r, m);
	case PL_VENDOR: return parse_vendor(r, m);
	case PL_TSI: m->tsi = rd_rest(r); return MSG_OK;
	case PL_TSR: m->tsr = rd_rest(r); return MSG_OK;
	case PL_SK: m->sk = rd_rest(r); return MSG_OK;
	case PL_CP: m->cp = rd_rest(r); return MSG_OK;
	case PL_EAP: m->eap = rd_rest(r); return MSG_OK;
	case PL_SKF: return parse_fragment(r, &m->skf);
	default: return MSG_OK;
	}
}

/*
 * One payload (RFC 7296 3.2); *type is its type, and afterwards the next one's.
 *
 *    0                   1                   2                   3
 *   +---------------+-+-------------+-------------------------------+
 *   | Next Payload  |C|  RESERVED   |         Payload Length        |
 *   +---------------+-+-------------+-------------------------------+
 */
static enum msg_error parse_payload(struct rd *r, uint8_t *type, bool inner, struct msg *m)
{
	uint8_t next = rd_u8(r), critical = rd_u8(r) & 0x80, t = *type;
	uint16_t len = rd_u16(r);
	struct rd body;
	enum msg_error e;

	if (r->bad || len < IKE_PAYLOAD_HDR)
		return MSG_CHAIN;
	body = rd_sub(r, len - IKE_PAYLOAD_HDR);
	if (body.bad)
		return MSG_CHAIN;
	if (m->n_order < MSG_ORDER_MAX)
		m->order[m->n_order++] = t;
	*type = next;
	if (!known(t)) {
		/* RFC 7296 2.5: skip, or reject the message if it asks for that */
		if (!critical)
			return MSG_OK;
		m->unknown_critical = t;
		return MSG_CRITICAL;
	}
	if (t == PL_SK || t == PL_SKF) {
		/* RFC 7296 3.14: the last one, and its next payload is the first inside */
		if (inner || rd_left(r))
			return MSG_CHAIN;
		m->sk_first = next;
		*type = PL_NONE;
	}
	if (m->seen & PL_BIT(t) && !repeatable(t))
		return MSG_DUPLICATE;
	e = parse_body(&body, t, m);
	if (e == MSG_OK)
		m->seen |= PL_BIT(t);
	return e;
}

static enum msg_error parse_chain(struct rd *r, uint8_t type, bool inner, struct msg *m)
{
	while (type != PL_NONE) {
		uint8_t t = type;
		enum msg_error e = parse_payload(r, &type, inner, m);

		if (e != MSG_OK) {
			m->bad = t;
			return e;
		}
	}
	return rd_done(r) ? MSG_OK : MSG_CHAIN;
}

enum msg_error msg_parse(const void *p, size_t len, struct msg *m)
{
	struct rd r = rd_of(p, len);
	enum msg_error e;

	*m = (struct msg){.raw = {.p = p, .len = len}};
	e = msg_parse_header(p, len, &m->hdr);
	if (e != MSG_OK)
		return e;
	rd_take(&r, IKE_HDR);
	return parse_chain(&r, m->hdr.next, false, m);
}

enum msg_error msg_parse_inner(struct bytes plain, uint8_t first, struct msg *m)
{
	struct rd r = rd_of(plain.p, plain.len);

	*m = (struct msg){.hdr = m->hdr, .raw = m->raw, .sk = m->sk, .skf = m->skf, .sk_first = first};
	return parse_chain(&r, first, true, m);
}

const struct msg_notify *msg_notify_find(const struct msg *m, uint16_t type)
{
	for (uint8_t i = 0; i < m->n_notify; i++)
		if (m->notify[i].type == type)
			return &m->notify[i];
	return NULL;
}

const struct msg_notify *msg_notify_error(const struct msg *m)
{
	for (uint8_t i = 0; i < m->n_notify; i++)
		if (m->notify[i].type < N_INITIAL_CONTACT)
			return &m->notify[i];
	return NULL;
}
