/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include <errno.h>

#include "crypto.h"
#include "engine.h"
#include "gateway.h"
#include "wire.h"
#include "wr.h"

static bool open_tap(const struct gw *gw)
{
	return gw && gw->k->now < gw->tap_until && gw->k->host->clear;
}

bool tap_talks(const struct ike_sa *sa)
{
	return sa && sa->gw && sa->k->now < sa->gw->debug_until;
}

static void tell(const struct gw *gw, bool inbound, const struct endpoint *local,
		 const struct endpoint *remote, struct bytes message)
{
	const struct ike_clear c = {.gateway = gw->conf.name,
				    .inbound = inbound,
				    .local = *local,
				    .remote = *remote,
				    .data = message.p,
				    .len = message.len};

	gw->k->host->clear(gw->k->ctx, &c);
}

void tap_plain(const struct gw *gw, bool inbound, const struct endpoint *local, const struct endpoint *remote,
	       struct bytes message)
{
	if (open_tap(gw))
		tell(gw, inbound, local, remote, message);
}

/* The header as it would be without the payload that encrypts the others. */
void tap_inner(const struct ike_sa *sa, bool inbound, const struct endpoint *local,
	       const struct endpoint *remote, const struct ike_hdr *h, uint8_t first, struct bytes plain)
{
	uint8_t buf[IKE_HDR + MSG_MAX];
	struct wr w = wr_of(buf, sizeof(buf));

	if (!open_tap(sa->gw))
		return;
	wr_u64(&w, h->spi_i);
	wr_u64(&w, h->spi_r);
	wr_u8(&w, first);
	wr_u8(&w, h->version);
	wr_u8(&w, h->exchange);
	wr_u8(&w, h->flags);
	wr_u32(&w, h->msgid);
	wr_u32(&w, (uint32_t)(IKE_HDR + plain.len));
	wr_bytes(&w, plain.p, plain.len);
	if (!w.bad)
		tell(sa->gw, inbound, local, remote, (struct bytes){.p = buf, .len = w.len});
	crypto_wipe(buf, w.len);
}

int ike_gateway_debug(struct ike *k, const char *name, uint64_t until)
{
	struct gw *gw = gw_find(k, name);

	if (!gw)
		return -ENOENT;
	gw->debug_until = until;
	return 0;
}

int ike_gateway_tap(struct ike *k, const char *name, uint64_t until)
{
	struct gw *gw = gw_find(k, name);

	if (!gw)
		return -ENOENT;
	gw->tap_until = until;
	return 0;
}
