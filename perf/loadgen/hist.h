/* SPDX-License-Identifier: Apache-2.0 */
/* Latencies counted in buckets a sixteenth of their size wide: exact enough for percentiles, any number of them. */
#pragma once

#include <stdint.h>

enum { HIST_SUB_BITS = 4, HIST_BUCKETS = (65 - HIST_SUB_BITS) << HIST_SUB_BITS };

struct hist {
	uint64_t n, max;
	uint64_t count[HIST_BUCKETS];
};

void hist_add(struct hist *h, uint64_t v);
void hist_merge(struct hist *into, const struct hist *h);
/* The value that `percent` of all values do not exceed, rounded up to its bucket's end, the largest at most.  0 of
 * an empty one. */
uint64_t hist_percentile(const struct hist *h, double percent);
