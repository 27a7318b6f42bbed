/* SPDX-License-Identifier: Apache-2.0 */
#include "timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { N = 200 };

static uint64_t rng = 88172645463325252u;

static uint64_t dice(uint64_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng % n;
}

/* The earliest armed timer by looking at all of them. */
static uint64_t earliest(const struct timer *t)
{
	uint64_t best = UINT64_MAX;

	for (unsigned i = 0; i < N; i++)
		if (t[i].pos && t[i].at < best)
			best = t[i].at;
	return best;
}

static void against_a_model(void **state)
{
	struct timers h = {0};
	struct timer t[N];
	unsigned fired = 0;

	assert_int_equal(timer_reserve(&h, N), 0);
	for (unsigned i = 0; i < N; i++)
		timer_init(&t[i], TIMER_DPD, &t[i]);
	for (unsigned step = 0; step < 200000; step++) {
		struct timer *x = &t[dice(N)];

		switch (dice(4)) {
		case 0:
		case 1: timer_set(&h, x, dice(1000)); break;
		case 2: timer_stop(&h, x); break;
		default: {
			uint64_t now = dice(1000), want = earliest(t);
			struct timer *due = timer_pop(&h, now);

			if (want > now) {
				assert_null(due);
			} else {
				assert_non_null(due);
				assert_int_equal(due->at, want);
				assert_int_equal(due->pos, 0);
				fired++;
			}
		}
		}
		assert_int_equal(timer_next(&h), earliest(t));
	}
	assert_true(fired > 10000);
	timer_free(&h);
}

static void room_is_given_back(void **state)
{
	struct timers h = {0};
	struct timer t;

	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(timer_reserve(&h, 100), 0);
		timer_unreserve(&h, 100);
	}
	assert_true(h.cap <= 128);
	assert_int_equal(timer_reserve(&h, 1), 0);
	timer_init(&t, TIMER_DPD, NULL);
	timer_stop(&h, &t); /* not armed: nothing happens */
	timer_set(&h, &t, 5);
	timer_set(&h, &t, 3);
	assert_int_equal(timer_next(&h), 3);
	timer_stop(&h, &t);
	assert_true(timer_next(&h) == UINT64_MAX);
	timer_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_a_model),
		cmocka_unit_test(room_is_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
