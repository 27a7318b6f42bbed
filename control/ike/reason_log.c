/* SPDX-License-Identifier: Apache-2.0 */
#include "reason_log.h"

#include <stdlib.h>
#include <string.h>

static bool same(const struct ike_reason *a, const struct ike_reason *b)
{
	return a->cause == b->cause && a->role == b->role && a->exchange == b->exchange &&
	       strcmp(a->text, b->text) == 0 && strcmp(a->ours, b->ours) == 0 &&
	       strcmp(a->theirs, b->theirs) == 0;
}

/* The place of the same one, of a free one, or of the oldest. */
static unsigned place(const struct reason_log *l, const struct ike_reason *r, bool *again)
{
	*again = true;
	for (unsigned i = 0; i < l->n; i++)
		if (same(l->r[i], r))
			return i;
	*again = false;
	return l->n < REASONS_KEPT ? l->n : REASONS_KEPT - 1;
}

void reason_log_add(struct reason_log *l, const struct ike_reason *r)
{
	bool again;
	unsigned at = place(l, r, &again);
	struct ike_reason *e = l->r[at] ? l->r[at] : calloc(1, sizeof(*e));
	uint64_t first;
	uint32_t count;

	if (!e)
		return; /* the log has the line */
	first = again ? e->first : r->at;
	count = again ? e->count : 0;
	*e = *r;
	e->first = first;
	e->count = count + 1;
	memmove(&l->r[1], &l->r[0], at * sizeof(l->r[0]));
	l->r[0] = e;
	if (at == l->n)
		l->n++;
	l->mended = false;
}

void reason_log_mended(struct reason_log *l, uint8_t exchange)
{
	l->mended = true;
	for (unsigned i = 0; i < l->n; i++)
		l->r[i]->past |= !exchange || l->r[i]->exchange == exchange;
}

const struct ike_reason *reason_log_last(const struct reason_log *l)
{
	return l->n && !l->mended ? l->r[0] : NULL;
}

void reason_log_free(struct reason_log *l)
{
	for (unsigned i = 0; i < l->n; i++)
		free(l->r[i]);
	*l = (struct reason_log){0};
}
