/* SPDX-License-Identifier: Apache-2.0 */
#include "replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

struct window {
	uint64_t ring[512], top;
	uint32_t size, mask;
};

static void open_window(struct window *w, uint32_t size)
{
	memset(w, 0, sizeof(*w));
	w->size = size;
	w->mask = replay_words(size) - 1;
	assert_true(w->mask < LEN(w->ring));
	memset(w->ring + w->mask + 1, 0xa5, sizeof(w->ring) - (w->mask + 1) * 8); /* must stay so */
}

static bool receive(struct window *w, uint64_t seq)
{
	bool first = replay_ok(w->ring, w->mask, w->size, w->top, seq);
	bool ok = replay_update(w->ring, w->mask, w->size, &w->top, seq);

	assert_int_equal(first, ok); /* nothing came in between */
	for (uint32_t i = w->mask + 1; i < LEN(w->ring); i++)
		assert_int_equal(w->ring[i], UINT64_C(0xa5a5a5a5a5a5a5a5));
	return ok;
}

/* RFC 4303 3.4.3 by hand, window of 64: 'y' taken, 'n' refused, in this order. */
static void window_by_hand(void **state)
{
	static const struct {
		uint64_t seq;
		char want;
	} step[] = {
		{0, 'n'}, /* never sent */
		{1, 'y'},
		{1, 'n'},
		{3, 'y'},
		{2, 'y'},
		{2, 'n'},
		{64, 'y'},
		{1, 'n'},
		{4, 'y'}, /* left edge is 1 */
		{65, 'y'},
		{1, 'n'},
		{2, 'n'},
		{5, 'y'},
		{128, 'y'},
		{65, 'n'},
		{64, 'n'},
		{66, 'y'}, /* left edge is 65, taken */
		{129, 'y'},
		{65, 'n'},
		{67, 'y'},
		{1000, 'y'},
		{936, 'n'},
		{937, 'y'},
		{999, 'y'},
		{999, 'n'},
		{129, 'n'},
		{UINT64_MAX, 'y'},
		{UINT64_MAX, 'n'},
		{UINT64_MAX - 63, 'y'},
		{UINT64_MAX - 64, 'n'},
	};
	struct window w;

	open_window(&w, 64);
	for (size_t i = 0; i < LEN(step); i++) {
		if (receive(&w, step[i].seq) != (step[i].want == 'y'))
			fail_msg("step %zu: %llu", i, (unsigned long long)step[i].seq);
	}
}

/* The packet whose check stood before a duplicate in the same burst. */
static void update_checks_again(void **state)
{
	struct window w;

	open_window(&w, 32);
	assert_true(replay_ok(w.ring, w.mask, w.size, w.top, 7));
	assert_true(replay_ok(w.ring, w.mask, w.size, w.top, 7));
	assert_true(replay_update(w.ring, w.mask, w.size, &w.top, 7));
	assert_false(replay_update(w.ring, w.mask, w.size, &w.top, 7));
	/* and one that the window has meanwhile left behind */
	assert_true(replay_ok(w.ring, w.mask, w.size, w.top, 5));
	assert_true(replay_update(w.ring, w.mask, w.size, &w.top, 100));
	assert_false(replay_update(w.ring, w.mask, w.size, &w.top, 5));
}

/* A list of all numbers ever taken says what any window must answer. */
static void window_against_model(void **state)
{
	static const uint32_t sizes[] = {32, 33, 63, 64, 65, 127, 128, 1000, 1024, 4096, 16383, 16384};
	enum { SPAN = 200000 };
	uint8_t *seen = malloc(SPAN);

	assert_non_null(seen);
	srandom(1);
	for (size_t s = 0; s < LEN(sizes); s++) {
		uint64_t top = 0;
		struct window w;

		open_window(&w, sizes[s]);
		memset(seen, 0, SPAN);
		for (unsigned i = 0; i < 60000; i++) {
			uint64_t spread = (uint64_t)random() % (sizes[s] * 2 + 3);
			uint64_t seq = top + 2 + sizes[s] / 500 > spread ? top + 2 + sizes[s] / 500 - spread
									 : 0;
			bool want;

			if (random() % 1000 == 0)
				seq = top + (uint64_t)random() % (sizes[s] * 3); /* a leap */
			if (seq >= SPAN)
				break;
			want = seq != 0 && (seq > top || (top - seq < sizes[s] && !seen[seq]));
			if (receive(&w, seq) != want)
				fail_msg("window %u: %llu at top %llu", sizes[s], (unsigned long long)seq,
					 (unsigned long long)top);
			seen[seq] |= want;
			if (want && seq > top)
				top = seq;
		}
		assert_int_equal(w.top, top);
	}
	free(seen);
}

/* RFC 4303 A2.1 with its two cases, and the ends of the number space. */
static void esn_by_hand(void **state)
{
	static const struct {
		uint64_t top;
		uint32_t size, low;
		uint64_t seq; /* 0: refused */
	} c[] = {
		/* case A: the window does not span a subspace */
		{UINT64_C(0x100000100), 64, 0x101, UINT64_C(0x100000101)},
		{UINT64_C(0x100000100), 64, 0xc1, UINT64_C(0x1000000c1)}, /* left edge */
		{UINT64_C(0x100000100), 64, 0xc0, UINT64_C(0x2000000c0)}, /* left of it: next subspace */
		{UINT64_C(0x1ffffffff), 64, 0, UINT64_C(0x200000000)},
		{UINT64_C(0x10000003f), 64, 0, UINT64_C(0x100000000)},
		/* case B: it does */
		{UINT64_C(0x100000010), 64, 0x11, UINT64_C(0x100000011)},
		{UINT64_C(0x100000010), 64, 0, UINT64_C(0x100000000)},
		{UINT64_C(0x100000010), 64, 0xffffffff, UINT64_C(0xffffffff)},
		{UINT64_C(0x100000010), 64, 0xffffffd1, UINT64_C(0xffffffd1)},  /* left edge */
		{UINT64_C(0x100000010), 64, 0xffffffd0, UINT64_C(0x1ffffffd0)}, /* far to the right */
		/* the ends */
		{0, 64, 1, 1},
		{0, 64, 0xffffffff, 0},
		{5, 64, 0xfffffff0, 0},
		{UINT64_C(0xffffffff00000100), 64, 1, 0},
		/* without a window the nearer half */
		{UINT64_C(0x180000000), 0, 0x80000001, UINT64_C(0x180000001)},
		{UINT64_C(0x1ffffff00), 0, 5, UINT64_C(0x200000005)},
		{UINT64_C(0x200000005), 0, 0xffffff00, UINT64_C(0x1ffffff00)},
	};

	for (size_t i = 0; i < LEN(c); i++) {
		uint64_t seq = 0;
		bool ok = replay_infer(c[i].top, c[i].size, c[i].low, &seq);

		if (ok != (c[i].seq != 0) || (ok && seq != c[i].seq))
			fail_msg("case %zu: %llx", i, (unsigned long long)seq);
	}
}

/* Whatever lies in the window or less than 2^32 - size ahead of it comes out as it was sent. */
static void esn_against_truth(void **state)
{
	static const uint32_t sizes[] = {32, 1024, 16384};

	srandom(2);
	for (unsigned i = 0; i < 300000; i++) {
		uint32_t size = sizes[random() % 3];
		uint64_t top = ((uint64_t)random() << 20 ^ (uint64_t)random()) & UINT64_C(0xffffffffff), seq,
			 got = 0;
		uint64_t ahead = (uint64_t)random() << 1;

		if (random() % 2) /* near a border of subspaces */
			top = (top & ~UINT64_C(0xffffffff)) + (uint64_t)(random() % 40000) - 20000 +
			      UINT64_C(0x100000000);
		if (random() % 2)
			seq = top - (uint64_t)random() % size;
		else
			seq = top + (ahead > UINT32_MAX - size ? UINT32_MAX - size : ahead);
		if (seq > top + UINT32_MAX)
			continue; /* before the beginning */
		assert_true(replay_infer(top, size, (uint32_t)seq, &got));
		assert_int_equal(got, seq);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(window_by_hand),       cmocka_unit_test(update_checks_again),
		cmocka_unit_test(window_against_model), cmocka_unit_test(esn_by_hand),
		cmocka_unit_test(esn_against_truth),
	};

	return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
