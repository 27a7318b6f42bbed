/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our own addresses as two hashes of open addressing, one a family; replaced whole, freed after a grace
 * period.  The link-local addresses of the ports are not among them: those are known on their link only.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "addr.h"

struct fib_own {
	uint32_t mask, mask6;
	uint64_t (*ip6)[2]; /* as bytes, in network order; zeros: free */
	uint32_t ip[];      /* network order, 0: free */
};
extern _Atomic(struct fib_own *) fib_own;

static inline uint32_t fib_own_hash6(const uint64_t a[2])
{
	return (uint32_t)((a[0] ^ a[1] * UINT64_C(0x9e3779b97f4a7c15)) >> 40);
}

/* Is ip (network order) one of ours? Any thread that reports quiescent states. */
static inline bool fib_is_own(uint32_t ip)
{
	const struct fib_own *o = atomic_load_explicit(&fib_own, memory_order_acquire);
	uint32_t i = (ip * UINT32_C(0x9e3779b1)) >> 16;

	if (!o)
		return false;
	for (;; i++) {
		uint32_t have = o->ip[i & o->mask];

		if (have == ip)
			return ip != 0;
		if (have == 0)
			return false;
	}
}

/* The same for an IPv6 address. */
static inline bool fib_is_own6(const uint8_t ip[16])
{
	const struct fib_own *o = atomic_load_explicit(&fib_own, memory_order_acquire);
	uint64_t a[2];

	if (!o)
		return false;
	memcpy(a, ip, 16);
	if ((a[0] | a[1]) == 0)
		return false;
	for (uint32_t i = fib_own_hash6(a);; i++) {
		const uint64_t *have = o->ip6[i & o->mask6];

		if (have[0] == a[0] && have[1] == a[1])
			return true;
		if ((have[0] | have[1]) == 0)
			return false;
	}
}

static inline bool fib_is_own_addr(const struct addr *a)
{
	uint32_t ip;

	memcpy(&ip, a->b, 4);
	return a->v == 4 ? fib_is_own(ip) : a->v == 6 && fib_is_own6(a->b);
}

/* All below: control thread.  A new table with the addresses of all interfaces up to `last`; NULL without
 * memory.  It counts from fib_own_publish() on, or is freed. */
struct fib_own *fib_own_build(uint16_t last);
void fib_own_publish(struct fib_own *o);
void fib_own_free(void *o);
