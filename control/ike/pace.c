/* SPDX-License-Identifier: Apache-2.0 */
#include "pace.h"

#include "gateway.h"
#include "ike_sa.h"
#include "xchg.h"

/* Starts in one call of the engine: each makes a key pair, and other events wait meanwhile. */
enum { STARTS_A_CALL = 16 };

static bool room(const struct ike *k)
{
	return k->pace.out < k->tune.starts_max && k->pace.started < STARTS_A_CALL;
}

bool pace_may(const struct ike *k)
{
	return k->pace.granted || (!k->pace.line && room(k));
}

void pace_wait(struct ike *k, struct pace_wait *w, bool front)
{
	if (w->waits)
		return;
	w->waits = true;
	k->pace.waiting++;
	COUNT(k, start_waits);
	if (front)
		DL_PREPEND(k->pace.line, w);
	else
		DL_APPEND(k->pace.line, w);
}

void pace_forget(struct ike *k, struct pace_wait *w)
{
	if (!w->waits)
		return;
	w->waits = false;
	k->pace.waiting--;
	DL_DELETE(k->pace.line, w);
}

void pace_take(struct ike_sa *sa)
{
	if (sa->req.placed)
		return;
	sa->req.placed = true;
	sa->k->pace.out++;
	sa->k->pace.started++;
}

void pace_give(struct ike_sa *sa)
{
	if (!sa->req.placed)
		return;
	sa->req.placed = false;
	sa->k->pace.out--;
}

void pace_run(struct ike *k)
{
	struct pace_wait *w;

	while (!k->stopping && (w = k->pace.line) && room(k)) {
		pace_forget(k, w);
		k->pace.granted = true;
		if (w->sa)
			task_run(w->sa);
		else
			gw_turn(w->gw);
		k->pace.granted = false;
	}
	k->pace.started = 0;
}

bool pace_due(const struct ike *k)
{
	return k->pace.line && !k->stopping && k->pace.out < k->tune.starts_max;
}
