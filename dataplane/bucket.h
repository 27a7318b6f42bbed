/* SPDX-License-Identifier: Apache-2.0 */
/* A token bucket counted in TSC ticks: what is limited per second costs two additions and no division
 * by time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct bucket {
	uint64_t credit, last;
};

/* May one more happen at `tsc`, of `rate` a second and `burst` at once?  rate > 0. */
static inline bool bucket_take(struct bucket *b, uint64_t tsc, uint64_t hz, uint32_t rate, uint32_t burst)
{
	uint64_t cost = hz / rate, most = cost * burst, passed = tsc - b->last;

	b->last = tsc;
	b->credit = passed > most - b->credit ? most : b->credit + passed;
	if (b->credit < cost)
		return false;
	b->credit -= cost;
	return true;
}
