/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a datagram on UDP 500.  What parses is written again payload by payload and parses the same. */
#include <string.h>

#include "fuzz.h"
#include "ike_props.h"

static void write_back(const struct msg *m, uint8_t *buf, size_t cap, size_t *len)
{
	uint8_t n = 0, d = 0, c = 0, r = 0, v = 0;
	struct msg_wr w;

	msg_wr_begin(&w, buf, cap, &m->hdr);
	for (uint8_t i = 0; i < m->n_order; i++) {
		const struct msg_notify *x = &m->notify[n];

		switch (m->order[i]) {
		case PL_SA: msg_wr_bytes(&w, PL_SA, m->sa.p, m->sa.len); break;
		case PL_KE: msg_wr_ke(&w, m->ke.group, m->ke.data.p, m->ke.data.len); break;
		case PL_IDI: msg_wr_id(&w, PL_IDI, m->idi.type, m->idi.data.p, m->idi.data.len); break;
		case PL_IDR: msg_wr_id(&w, PL_IDR, m->idr.type, m->idr.data.p, m->idr.data.len); break;
		case PL_AUTH: msg_wr_auth(&w, m->auth.method, m->auth.data.p, m->auth.data.len); break;
		case PL_NONCE: msg_wr_bytes(&w, PL_NONCE, m->nonce.p, m->nonce.len); break;
		case PL_NOTIFY:
			msg_wr_notify(&w, x->protocol, x->spi.p, x->spi.len, x->type, x->data.p, x->data.len);
			n++;
			break;
		case PL_DELETE:
			msg_wr_open(&w, PL_DELETE);
			wr_u8(&w.w, m->del[d].protocol);
			wr_u8(&w.w, m->del[d].spi_size);
			wr_u16(&w.w, m->del[d].n);
			wr_bytes(&w.w, m->del[d].spis.p, m->del[d].spis.len);
			msg_wr_close(&w);
			d++;
			break;
		case PL_CERT:
		case PL_CERTREQ: {
			const struct msg_cert *cert = m->order[i] == PL_CERT ? &m->cert[c++]
									     : &m->certreq[r++];

			msg_wr_open(&w, m->order[i]);
			wr_u8(&w.w, cert->encoding);
			wr_bytes(&w.w, cert->data.p, cert->data.len);
			msg_wr_close(&w);
			break;
		}
		case PL_VENDOR:
			msg_wr_bytes(&w, PL_VENDOR, m->vendor[v].p, m->vendor[v].len);
			v++;
			break;
		case PL_TSI: msg_wr_bytes(&w, PL_TSI, m->tsi.p, m->tsi.len); break;
		case PL_TSR: msg_wr_bytes(&w, PL_TSR, m->tsr.p, m->tsr.len); break;
		case PL_CP: msg_wr_bytes(&w, PL_CP, m->cp.p, m->cp.len); break;
		case PL_EAP: msg_wr_bytes(&w, PL_EAP, m->eap.p, m->eap.len); break;
		default: break; /* unknown: not written; SK: not here */
		}
	}
	*len = msg_wr_end(&w);
}

static bool same(struct bytes a, struct bytes b)
{
	return a.len == b.len && (!a.len || memcmp(a.p, b.p, a.len) == 0);
}

static void check_same(const struct msg *a, const struct msg *b)
{
	MUST(a->seen == b->seen && a->hdr.msgid == b->hdr.msgid && a->hdr.spi_i == b->hdr.spi_i);
	MUST(same(a->sa, b->sa) && same(a->tsi, b->tsi) && same(a->tsr, b->tsr) && same(a->nonce, b->nonce));
	MUST(a->ke.group == b->ke.group && same(a->ke.data, b->ke.data));
	MUST(a->idi.type == b->idi.type && same(a->idi.data, b->idi.data));
	MUST(a->auth.method == b->auth.method && same(a->auth.data, b->auth.data));
	MUST(a->n_notify == b->n_notify && a->n_delete == b->n_delete && a->n_vendor == b->n_vendor);
	for (uint8_t i = 0; i < a->n_notify; i++)
		MUST(a->notify[i].type == b->notify[i].type && same(a->notify[i].spi, b->notify[i].spi) &&
		     same(a->notify[i].data, b->notify[i].data));
	for (uint8_t i = 0; i < a->n_delete; i++)
		MUST(a->del[i].n == b->del[i].n && same(a->del[i].spis, b->del[i].spis));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t buf[2 * MSG_MAX];
	static struct msg m, again;
	enum msg_error e = msg_parse(data, len, &m);
	size_t out;

	check_msg(&m, data, len);
	MUST(msg_error_str(e)[0]);
	if (e != MSG_OK)
		return 0;
	MUST(m.hdr.len == len);
	if (m.seen & PL_BIT(PL_SA))
		check_sa(m.sa);
	if (m.seen & PL_BIT(PL_TSI))
		check_ts(m.tsi);
	if (m.seen & (PL_BIT(PL_SK) | PL_BIT(PL_SKF)) || m.n_order == MSG_ORDER_MAX)
		return 0;
	write_back(&m, buf, sizeof(buf), &out);
	MUST(out && out <= len);
	MUST(msg_parse(buf, out, &again) == MSG_OK);
	check_same(&m, &again);
	return 0;
}
