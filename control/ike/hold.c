/* SPDX-License-Identifier: Apache-2.0 */
#include "hold.h"

#include <stdlib.h>

#include "xchg.h"

struct held {
	struct ike_hdr hdr;
	uint8_t first; /* type of the first payload inside */
	struct endpoint local, remote;
	struct datagram raw, plain;
};

void hold_free(struct held *h)
{
	if (!h)
		return;
	if (h->plain.p)
		crypto_wipe(h->plain.p, h->plain.len);
	datagram_free(&h->plain);
	datagram_free(&h->raw);
	free(h);
}

void hold(struct in *in)
{
	struct held *h = calloc(1, sizeof(*h));

	COUNT(in->k, auth_waits);
	if (!h || datagram_set(&h->raw, in->m->raw.p, in->m->raw.len) ||
	    datagram_set(&h->plain, in->plain.p, in->plain.len)) {
		hold_free(h); /* the peer's retransmission does as well */
		COUNT(in->k, drop_memory);
		return;
	}
	h->hdr = in->m->hdr;
	h->first = in->m->sk_first;
	h->local = in->pkt->local;
	h->remote = in->pkt->remote;
	hold_free(in->sa->init->held);
	in->sa->init->held = h;
}

static bool due(const struct ike_sa *sa, const struct ike_hdr *h)
{
	if (h->flags & IKE_FLAG_RESPONSE)
		return sa->state == SA_AUTH_SENT && sa->req.busy && sa->req.msgid == h->msgid &&
		       sa->req.exchange == h->exchange;
	return sa->state == SA_INIT_RCVD && sa->msgid_in == h->msgid;
}

struct held *hold_take(struct ike_sa *sa, struct msg *m, struct ike_packet *pkt, struct bytes *plain)
{
	struct held *h = sa->init ? sa->init->held : NULL;

	if (!h)
		return NULL;
	sa->init->held = NULL;
	if (!due(sa, &h->hdr)) {
		hold_free(h);
		return NULL;
	}
	*m = (struct msg){.hdr = h->hdr, .raw = {.p = h->raw.p, .len = h->raw.len}, .sk_first = h->first};
	*pkt = (struct ike_packet){
		.local = h->local, .remote = h->remote, .data = h->raw.p, .len = h->raw.len};
	*plain = (struct bytes){.p = h->plain.p, .len = h->plain.len};
	return h;
}
