/* SPDX-License-Identifier: Apache-2.0 */
#include "soft_limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MB = 1 << 20 };

static void check(uint64_t hard, uint64_t spare, uint64_t least, uint64_t most)
{
	for (unsigned dice = 0; dice <= UINT16_MAX; dice += 257)
		assert_in_range(soft_limit(hard, spare, (uint16_t)dice), least, most);
	assert_int_not_equal(soft_limit(hard, spare, 0), soft_limit(hard, spare, UINT16_MAX));
}

/* Large ones: 80 to 90 % of it. */
static void by_tenths(void **state)
{
	check(UINT64_C(100) << 30, 64 * MB, UINT64_C(80) << 30, UINT64_C(90) << 30);
	check(UINT64_MAX, 64 * MB, UINT64_MAX / 10 * 8, UINT64_MAX / 10 * 9 + 10);
}

/* Small ones: as much is left as a rekey may take, and where there is not so much, half. */
static void small_ones(void **state)
{
	check(256 * (uint64_t)MB, 64 * MB, (256 - 64 - 26) * (uint64_t)MB, 192 * (uint64_t)MB);
	check(MB, 64 * MB, MB / 2, MB / 10 * 6 + 10);
	check(1000, 65536, 500, 600);
	/* It ends, and begins, before it is over. */
	for (uint64_t hard = 20; hard < 1000; hard++)
		check(hard, 64, hard / 2, hard - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_tenths),
		cmocka_unit_test(small_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
