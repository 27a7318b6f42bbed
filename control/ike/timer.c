/* SPDX-License-Identifier: Apache-2.0 */
#include "timer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int timer_reserve(struct timers *h, uint32_t n)
{
	uint32_t want = h->reserved + n, cap = h->cap ? h->cap : 64;
	struct timer **v;

	if (want > h->cap) {
		while (cap < want)
			cap *= 2;
		v = reallocarray(h->v, cap, sizeof(void *));
		if (!v)
			return -ENOMEM;
		h->v = v;
		h->cap = cap;
	}
	h->reserved = want;
	return 0;
}

void timer_unreserve(struct timers *h, uint32_t n)
{
	assert(h->reserved >= n);
	h->reserved -= n;
}

void timer_init(struct timer *t, enum timer_kind kind, void *owner)
{
	*t = (struct timer){.kind = (uint8_t)kind, .owner = owner};
}

static void put(struct timers *h, uint32_t i, struct timer *t)
{
	h->v[i] = t;
	t->pos = i + 1;
}

static void up(struct timers *h, uint32_t i, struct timer *t)
{
	while (i > 0 && h->v[(i - 1) / 2]->at > t->at) {
		put(h, i, h->v[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put(h, i, t);
}

static void down(struct timers *h, uint32_t i, struct timer *t)
{
	for (;;) {
		uint32_t c = 2 * i + 1;

		if (c >= h->n)
			break;
		if (c + 1 < h->n && h->v[c + 1]->at < h->v[c]->at)
			c++;
		if (h->v[c]->at >= t->at)
			break;
		put(h, i, h->v[c]);
		i = c;
	}
	put(h, i, t);
}

void timer_set(struct timers *h, struct timer *t, uint64_t at)
{
	timer_stop(h, t);
	assert(h->n < h->reserved);
	t->at = at;
	up(h, h->n++, t);
}

void timer_stop(struct timers *h, struct timer *t)
{
	uint32_t i = t->pos - 1;
	struct timer *last;

	if (!t->pos)
		return;
	t->pos = 0;
	last = h->v[--h->n];
	if (last == t)
		return;
	if (i > 0 && h->v[(i - 1) / 2]->at > last->at)
		up(h, i, last);
	else
		down(h, i, last);
}

struct timer *timer_pop(struct timers *h, uint64_t now)
{
	struct timer *t;

	if (!h->n || h->v[0]->at > now)
		return NULL;
	t = h->v[0];
	timer_stop(h, t);
	return t;
}

uint64_t timer_next(const struct timers *h)
{
	return h->n ? h->v[0]->at : UINT64_MAX;
}

void timer_free(struct timers *h)
{
	free(h->v);
	*h = (struct timers){0};
}
