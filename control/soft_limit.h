/* SPDX-License-Identifier: Apache-2.0 */
/* When an SA with a volume limit (RFC 4301 4.4.2.1) asks for its successor. */
#pragma once

#include <stdint.h>

/* The soft limit of a hard one: a tenth to a fifth is left, by dice, so that both ends do not rekey in the same moment.
 * A rekey takes as long with a small limit as with a large one: at least `spare` is left, what a busy SA uses up
 * meanwhile, or about half where that is not there. */
static inline uint64_t soft_limit(uint64_t hard, uint64_t spare, uint16_t dice)
{
	uint64_t tenth = hard / 10, most = hard / 2 - tenth, least = spare < most ? spare : most;

	return hard - (tenth > least ? tenth : least) - (uint64_t)((__uint128_t)tenth * dice >> 16);
}
