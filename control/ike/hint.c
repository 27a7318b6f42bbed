/* SPDX-License-Identifier: Apache-2.0 */
#include "hint.h"

#include "xchg.h"

/* How often a hint may make us do something, for an SA or a gateway; how old an SA has to be before the peer
 * can be believed not to have it, for its answer may still be on its way. */
enum { HINT_EVERY_S = 10, SETTLED_S = 5 };

static bool too_soon(uint64_t *last, uint64_t now)
{
	if (*last && now - *last < HINT_EVERY_S * NS_S)
		return true;
	*last = now;
	return false;
}

/* ---- what the peer says we have wrong ---------------------------------------------------------------------- */

static void look(struct ike_sa *sa)
{
	struct ike *k = sa->k;

	if (sa->state != SA_UP || sa->req.busy || too_soon(&sa->hinted_at, k->now)) {
		COUNT(k, hint_ignored);
		return;
	}
	COUNT(k, hint_heeded);
	COUNT(k, dpd_sent);
	task_add(sa, TASK_LIVENESS, 0, true);
	task_run(sa);
}

void hint_unprotected_answer(struct ike_sa *sa, const struct msg *m)
{
	/* Our request stays unanswered and is repeated, so that the peer is asked by that already. */
	if (msg_notify_find(m, N_INVALID_IKE_SPI))
		look(sa);
}

static uint32_t spi_of(const struct msg_notify *n)
{
	struct rd r = rd_of(n->data.p, n->data.len == ESP_SPI ? ESP_SPI : 0);

	return rd_u32(&r);
}

bool hint_unprotected_request(struct ike *k, const struct ike_packet *p, const struct ike_hdr *h)
{
	const struct msg_notify *n;
	struct msg m = {.hdr = *h};
	struct gw *gw = NULL;

	if (h->exchange != INFORMATIONAL || msg_parse(p->data, p->len, &m) != MSG_OK)
		return false;
	n = msg_notify_find(&m, N_INVALID_SPI);
	while (n && (gw = gw_candidate(k, &p->local.a, &p->remote.a, gw))) {
		struct ike_sa *sa = sa_current(gw);

		if (sa && addr_eq(&sa->remote.a, &p->remote.a) && child_by_spi_out(sa, spi_of(n))) {
			look(sa);
			break;
		}
	}
	return n || msg_notify_find(&m, N_INVALID_IKE_SPI);
}

void hint_protected(struct in *in)
{
	const struct msg_notify *n = msg_notify_find(in->m, N_INVALID_SPI);
	struct child_sa *c = n ? child_by_spi_out(in->sa, spi_of(n)) : NULL;

	if (!c)
		return;
	if (in->sa->state != SA_UP || c->state != CHILD_MATURE ||
	    in->k->now - c->created < SETTLED_S * NS_S) {
		COUNT(in->k, hint_ignored);
		return;
	}
	COUNT(in->k, hint_heeded);
	child_rekey(c);
}

/* ---- what we tell the peer --------------------------------------------------------------------------------- */

/* We were started anew, say, and the peer sends on what it had.  As if traffic had asked, for that is what it is:
 * and INITIAL_CONTACT tells the peer what we do not have any more.  A gateway that had an SA since the engine was
 * made is left alone, for there these are the last packets of what was ended in an orderly way. */
static void start_over(struct gw *gw)
{
	struct slot *s = gw->conf.n_children ? gw->slots[0] : NULL;

	if (gw->known || !s || slot_up(s) || s->rest == IKE_DPD_CLEAR)
		return;
	COUNT(gw->k, hint_heeded);
	s->acquired = true;
	slot_service(s);
}

void ike_unknown_spi(struct ike *k, uint32_t spi, const struct endpoint *local, const struct endpoint *remote,
		     uint64_t now)
{
	struct gw *gw = NULL;

	k->now = now;
	if (k->stopping)
		return;
	COUNT(k, unknown_esp_spi);
	while ((gw = gw_candidate(k, &local->a, &remote->a, gw))) {
		struct ike_sa *sa = sa_current(gw);

		if ((sa && !addr_eq(&sa->remote.a, &remote->a)) || too_soon(&gw->spi_told_at, now))
			continue;
		if (sa) {
			COUNT(k, invalid_spi_sent);
			task_add(sa, TASK_INVALID_SPI, spi, false);
			task_run(sa);
		} else {
			start_over(gw);
		}
	}
	engine_done(k);
}
