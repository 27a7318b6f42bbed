/* SPDX-License-Identifier: Apache-2.0 */
#include "mtu_found.h"

#include <stddef.h>

enum { KEPT = 64 };
#define GOOD_NS (UINT64_C(3600) * 1000000000)

static struct mtu_found found[KEPT];

/* In the place of the one before, or of the oldest. */
void mtu_found_note(const struct mtu_found *f)
{
	struct mtu_found *to = &found[0];

	for (size_t i = 0; i < KEPT && to->number != f->number; i++)
		if (found[i].number == f->number || found[i].at < to->at)
			to = &found[i];
	*to = *f;
}

const struct mtu_found *mtu_found_of(uint32_t number, uint64_t now)
{
	for (size_t i = 0; i < KEPT; i++)
		if (found[i].number == number && now - found[i].at < GOOD_NS)
			return &found[i];
	return NULL;
}
