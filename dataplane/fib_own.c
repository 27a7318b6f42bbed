/* SPDX-License-Identifier: Apache-2.0 */
#include "fib_own.h"

#include <rte_common.h>
#include <rte_malloc.h>

#include "dp.h"

_Atomic(struct fib_own *) fib_own;

static void put4(struct fib_own *o, const struct addr *a)
{
	uint32_t ip, i;

	memcpy(&ip, a->b, 4);
	i = (ip * UINT32_C(0x9e3779b1)) >> 16;
	while (o->ip[i & o->mask] != 0)
		i++;
	o->ip[i & o->mask] = ip;
}

static void put6(struct fib_own *o, const struct addr *a)
{
	uint64_t ip[2];
	uint32_t i;

	memcpy(ip, a->b, 16);
	i = fib_own_hash6(ip);
	while ((o->ip6[i & o->mask6][0] | o->ip6[i & o->mask6][1]) != 0)
		i++;
	memcpy(o->ip6[i & o->mask6], ip, 16);
}

/* Slots for n addresses: a quarter full at most, so that a search ends soon and always. */
static uint32_t slots(uint32_t n)
{
	return rte_align32pow2(RTE_MAX(16u, n * 4));
}

struct fib_own *fib_own_build(uint16_t last)
{
	uint32_t n4 = 0, n6 = 0, size4, size6;
	struct fib_own *o;

	for (uint32_t i = 0; i <= last; i++) {
		for (unsigned k = 0; k < dp.ifs[i].n_addr; k++) {
			n4 += dp.ifs[i].addr[k].a.v == 4;
			n6 += dp.ifs[i].addr[k].a.v == 6;
		}
	}
	size4 = slots(n4);
	size6 = slots(n6);
	if (size4 > UINT32_C(1) << 16)
		return NULL;
	o = rte_zmalloc("own", sizeof(*o) + size4 * sizeof(o->ip[0]), RTE_CACHE_LINE_SIZE);
	if (!o)
		return NULL;
	o->ip6 = rte_zmalloc("own6", size6 * sizeof(o->ip6[0]), RTE_CACHE_LINE_SIZE);
	if (!o->ip6) {
		rte_free(o);
		return NULL;
	}
	o->mask = size4 - 1;
	o->mask6 = size6 - 1;
	for (uint32_t i = 0; i <= last; i++)
		for (unsigned k = 0; k < dp.ifs[i].n_addr; k++)
			(dp.ifs[i].addr[k].a.v == 4 ? put4 : put6)(o, &dp.ifs[i].addr[k].a);
	return o;
}

void fib_own_publish(struct fib_own *o)
{
	struct fib_own *old = atomic_load_explicit(&fib_own, memory_order_relaxed);

	atomic_store_explicit(&fib_own, o, memory_order_release);
	dp_changed();
	if (old)
		dp_retire(fib_own_free, old);
}

void fib_own_free(void *arg)
{
	struct fib_own *o = arg;

	if (o)
		rte_free(o->ip6);
	rte_free(o);
}
