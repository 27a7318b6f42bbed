/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bound: intel-ipsec-mb alone on the lengths, buffers and number of keys that the path has, every text and
 * every key known beforehand and nonces ready.  No gateway on this library can be faster.
 *
 * The library has several ways to the same result.  Each that does a suite is tried, and the fastest is the
 * bound: the direct call for each packet, with and without fetching keys ahead; jobs one by one, with as many
 * as a burst and with all frames in flight; jobs in bursts; cipher and hash in bursts of their own.
 */
#pragma once

#include "frames.h"

/* Keys of the library for a suite, in memory of the kind that SAs lie in; dies without room. */
void bound_keys(const struct suite *s, uint32_t n);
void bound_free(void);

struct bound_way {
	const char *name;
	bool (*can)(const struct suite *s);
	void (*run)(const struct traffic *t);
	bool tag_in_place; /* outbound, it goes behind the text; else beside */
};
/* All ways come to the same texts and tags for frames such as these: or die. */
void bound_agree(const struct traffic *t);
/* The fastest way here for frames such as these, each tried so often.  NULL: the library cannot do it. */
const struct bound_way *bound_choose(const struct traffic *t, unsigned tries);
/* All frames once, with keys of chance; cycles. */
uint64_t bound_run(const struct bound_way *way, const struct traffic *t);
