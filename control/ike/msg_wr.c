/* SPDX-License-Identifier: Apache-2.0 */
#include "msg.h"

#include <errno.h>

/* RFC 7296 3.1: where the header keeps the first payload's type and the message's length */
enum { HDR_NEXT_AT = 16, HDR_LENGTH_AT = 24 };

void msg_wr_begin(struct msg_wr *m, void *buf, size_t cap, const struct ike_hdr *h)
{
	*m = (struct msg_wr){.w = wr_of(buf, cap), .next_at = HDR_NEXT_AT};
	wr_u64(&m->w, h->spi_i);
	wr_u64(&m->w, h->spi_r);
	wr_u8(&m->w, PL_NONE);
	wr_u8(&m->w, h->version ? h->version : 0x20);
	wr_u8(&m->w, h->exchange);
	wr_u8(&m->w, h->flags);
	wr_u32(&m->w, h->msgid);
	wr_u32(&m->w, 0);
}

void msg_wr_begin_inner(struct msg_wr *m, void *buf, size_t cap)
{
	*m = (struct msg_wr){.w = wr_of(buf, cap), .inner = true};
}

uint8_t msg_wr_inner_first(const struct msg_wr *m)
{
	return m->first;
}

void msg_wr_open(struct msg_wr *m, uint8_t type)
{
	if (m->w.bad)
		return;
	if (m->inner && !m->any)
		m->first = type;
	else
		m->w.base[m->next_at] = type;
	m->any = true;
	m->start = m->next_at = m->w.len;
	wr_u8(&m->w, PL_NONE);
	wr_u8(&m->w, 0); /* not critical: every type we write is one of RFC 7296 (2.5) */
	m->len_mark = wr_len16(&m->w);
}

void msg_wr_close(struct msg_wr *m)
{
	wr_end16(&m->w, m->len_mark, m->start);
}

void msg_wr_bytes(struct msg_wr *m, uint8_t type, const void *body, size_t len)
{
	msg_wr_open(m, type);
	wr_bytes(&m->w, body, len);
	msg_wr_close(m);
}

void msg_wr_ke(struct msg_wr *m, uint16_t group, const void *pub, size_t len)
{
	msg_wr_open(m, PL_KE);
	wr_u16(&m->w, group);
	wr_u16(&m->w, 0);
	wr_bytes(&m->w, pub, len);
	msg_wr_close(m);
}

/* ID and AUTH payloads share their shape: one octet, three reserved, data. */
static void wr_octet_and_data(struct msg_wr *m, uint8_t payload, uint8_t octet, const void *data, size_t len)
{
	msg_wr_open(m, payload);
	wr_u8(&m->w, octet);
	wr_zero(&m->w, 3);
	wr_bytes(&m->w, data, len);
	msg_wr_close(m);
}

void msg_wr_id(struct msg_wr *m, uint8_t payload, uint8_t id_type, const void *data, size_t len)
{
	wr_octet_and_data(m, payload, id_type, data, len);
}

void msg_wr_auth(struct msg_wr *m, uint8_t method, const void *data, size_t len)
{
	wr_octet_and_data(m, PL_AUTH, method, data, len);
}

void msg_wr_notify(struct msg_wr *m, uint8_t protocol, const void *spi, size_t spi_len, uint16_t type,
		   const void *data, size_t len)
{
	if (spi_len > UINT8_MAX) {
		m->w.bad = true;
		return;
	}
	msg_wr_open(m, PL_NOTIFY);
	wr_u8(&m->w, protocol);
	wr_u8(&m->w, (uint8_t)spi_len);
	wr_u16(&m->w, type);
	wr_bytes(&m->w, spi, spi_len);
	wr_bytes(&m->w, data, len);
	msg_wr_close(m);
}

void msg_wr_delete_ike(struct msg_wr *m)
{
	static const uint8_t body[] = {PROTO_IKE, 0, 0, 0};

	msg_wr_bytes(m, PL_DELETE, body, sizeof(body));
}

void msg_wr_delete_esp(struct msg_wr *m, const uint32_t *spis, uint16_t n)
{
	msg_wr_open(m, PL_DELETE);
	wr_u8(&m->w, PROTO_ESP);
	wr_u8(&m->w, ESP_SPI);
	wr_u16(&m->w, n);
	for (uint16_t i = 0; i < n; i++)
		wr_u32(&m->w, spis[i]);
	msg_wr_close(m);
}

size_t msg_wr_end(struct msg_wr *m)
{
	struct wr at;

	if (m->w.bad)
		return 0;
	if (m->inner)
		return m->w.len;
	at = wr_of(m->w.base + HDR_LENGTH_AT, 4);
	wr_u32(&at, (uint32_t)m->w.len);
	return m->w.len;
}

int msg_wr_end_inner(const struct msg_wr *m, struct bytes *plain)
{
	if (m->w.bad)
		return -EMSGSIZE;
	*plain = (struct bytes){.p = m->w.base, .len = m->w.len};
	return 0;
}
