/* SPDX-License-Identifier: Apache-2.0 */
#include "hist.h"

enum { SUB = 1 << HIST_SUB_BITS };

/* Below SUB every value has its bucket; above, each power of two has SUB of them. */
static unsigned bucket(uint64_t v)
{
	unsigned top;

	if (v < SUB)
		return (unsigned)v;
	top = 63 - (unsigned)__builtin_clzll(v);
	return ((top - HIST_SUB_BITS) << HIST_SUB_BITS) + (unsigned)(v >> (top - HIST_SUB_BITS));
}

static uint64_t bucket_end(unsigned i)
{
	unsigned shift;

	if (i < 2 * SUB)
		return i;
	shift = (i >> HIST_SUB_BITS) - 1;
	return (((uint64_t)(i & (SUB - 1)) + SUB + 1) << shift) - 1;
}

void hist_add(struct hist *h, uint64_t v)
{
	h->n++;
	h->count[bucket(v)]++;
	if (v > h->max)
		h->max = v;
}

void hist_merge(struct hist *into, const struct hist *h)
{
	into->n += h->n;
	if (h->max > into->max)
		into->max = h->max;
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		into->count[i] += h->count[i];
}

uint64_t hist_percentile(const struct hist *h, double percent)
{
	double want = percent / 100 * (double)h->n;
	uint64_t seen = 0;

	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		seen += h->count[i];
		if (seen && (double)seen >= want)
			return bucket_end(i) < h->max ? bucket_end(i) : h->max;
	}
	return h->max;
}
