/* SPDX-License-Identifier: Apache-2.0 */
#include "redirect.h"

#include <stdio.h>
#include <string.h>

#include "reason.h"

/* RFC 5685 3, 8.2, and the loop protection of 6. */
enum { GW_IPV4 = 1, GW_IPV6 = 2, HOPS_MAX = 5, HOPS_S = 300 };

const struct addr *redirect_target(const struct gw *gw)
{
	return gw->redirect.v ? &gw->redirect : &gw->conf.remote;
}

void redirect_forget(struct gw *gw)
{
	gw->redirect = gw->redirected_from = (struct addr){0};
}

void redirect_write(struct msg_wr *w, const struct gw *gw)
{
	const struct addr *from = &gw->redirected_from;
	uint8_t buf[2 + 16];

	if (!gw->conf.redirect)
		return;
	if (!from->v) {
		msg_wr_notify(w, PROTO_NONE, NULL, 0, N_REDIRECT_SUPPORTED, NULL, 0);
		return;
	}
	buf[0] = from->v == 6 ? GW_IPV6 : GW_IPV4;
	buf[1] = (uint8_t)addr_len(from);
	memcpy(buf + 2, from->b, addr_len(from));
	msg_wr_notify(w, PROTO_NONE, NULL, 0, N_REDIRECTED_FROM, buf, 2 + addr_len(from));
}

static bool read_target(const struct msg_notify *n, const struct bytes *nonce, struct addr *to)
{
	struct rd r = rd_of(n->data.p, n->data.len);
	uint8_t type = rd_u8(&r), len = rd_u8(&r);
	struct bytes id = rd_bytes(&r, len), rest = rd_rest(&r);

	if (r.bad || len != (type == GW_IPV4 ? 4 : 16) || (type != GW_IPV4 && type != GW_IPV6))
		return false; /* a host name: there is nobody here to resolve it */
	if (nonce && (rest.len != nonce->len || memcmp(rest.p, nonce->p, rest.len) != 0))
		return false;
	*to = type == GW_IPV4 ? addr_v4(id.p) : addr_v6(id.p);
	return true;
}

/* So often, and then no more for a while: two gateways may point at each other. */
static bool may_hop(struct gw *gw)
{
	if (!gw->hops || gw->k->now - gw->hops_since > HOPS_S * NS_S) {
		gw->hops = 0;
		gw->hops_since = gw->k->now;
	}
	return gw->hops++ < HOPS_MAX;
}

bool redirect_take(struct ike_sa *sa, const struct msg *m, const struct bytes *nonce)
{
	const struct msg_notify *n = msg_notify_find(m, N_REDIRECT);
	struct gw *gw = sa->gw;
	char text[ADDR_STR + 40], a[ADDR_STR];
	struct addr to;

	if (!n || !gw || !gw->conf.redirect)
		return false;
	if (!read_target(n, nonce, &to) || to.v != gw->conf.local.v || addr_eq(&to, &sa->remote.a) ||
	    !may_hop(gw)) {
		COUNT(sa->k, redirect_ignored);
		return false;
	}
	COUNT(sa->k, redirected);
	gw->redirected_from = sa->remote.a;
	gw->redirect = to;
	snprintf(text, sizeof(text), "redirected to %s", addr_str(&to, a));
	engine_debug(sa->k, sa, "%s", text);
	return true;
}
