/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Anti-replay (RFC 4303 3.4.3) on a ring of 64-bit words (RFC 6479): moving the window clears whole
 * words and never shifts.  The ring is longer than the window by at least a word, so that the word
 * being cleared is never one still looked at.
 *
 * replay_ok() is asked before the ICV is verified, replay_update() after; the latter asks again,
 * because a duplicate may stand in the same burst.  Sequence numbers have 64 bits everywhere;
 * replay_infer() makes them from the 32 on the wire (RFC 4303 appendix A2).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dp_api.h"

enum { REPLAY_WINDOW_MIN = 32, REPLAY_WINDOW_MAX = 16384 };

/* Words of the ring for a window of `size` packets: a power of two. */
static inline uint32_t replay_words(uint32_t size)
{
	uint32_t n = 1;

	while (n < size / 64 + 2)
		n *= 2;
	return n;
}

/* The 64-bit number of a packet that carries its low half, RFC 4303 A2.1: of the candidates choose the
 * one for which the window's left edge lies at or below it.  Without a window (size 0) the nearer half
 * of the number space decides.  False: the number would lie before the first or behind the last. */
static inline bool replay_infer(uint64_t top, uint32_t size, uint32_t low, uint64_t *seq)
{
	uint32_t w = size ? size : UINT32_C(1) << 31;
	uint32_t tl = (uint32_t)top, th = (uint32_t)(top >> 32);
	uint32_t left = tl - w + 1; /* wraps in case B, as it should */

	if (tl >= w - 1) { /* case A: the window lies within one subspace */
		if (low < left) {
			if (th == UINT32_MAX)
				return false;
			th++;
		}
	} else if (low >= left) { /* case B: it spans two, and this one is of the former */
		if (th == 0)
			return false;
		th--;
	}
	*seq = (uint64_t)th << 32 | low;
	return true;
}

/* Which bucket of DP_LATE_BUCKETS a packet belongs to that comes `behind` the highest number; behind > 0. */
static inline unsigned replay_bucket(uint64_t behind)
{
	unsigned log2 = 63 - (unsigned)__builtin_clzll(behind);

	return log2 < DP_LATE_BUCKETS ? log2 : DP_LATE_BUCKETS - 1;
}

/* May `seq` still come?  Zero is never sent (RFC 4303 3.3.3). */
static inline bool replay_ok(const uint64_t *ring, uint32_t mask, uint32_t size, uint64_t top, uint64_t seq)
{
	if (seq > top)
		return true;
	if (seq == 0 || top - seq >= size)
		return false;
	return !(ring[(seq >> 6) & mask] >> (seq & 63) & 1);
}

/* The packet is authentic: mark it, move the window.  False: it has come meanwhile.  Nearly every packet is one of the
 * next, and of the ring makes one word new or none. */
static inline bool replay_update(uint64_t *ring, uint32_t mask, uint32_t size, uint64_t *top, uint64_t seq)
{
	const uint64_t word = seq >> 6, last = *top >> 6, bit = UINT64_C(1) << (seq & 63);

	if (seq <= *top) {
		if (!replay_ok(ring, mask, size, *top, seq))
			return false;
		ring[word & mask] |= bit;
		return true;
	}
	if (word - last > 1) {
		uint64_t first = word - last > mask ? word - mask
						    : last + 1; /* or all is out of the window */

		for (uint64_t i = first; i < word; i++)
			ring[i & mask] = 0;
	}
	ring[word & mask] = (word == last ? ring[word & mask] : 0) | bit;
	*top = seq;
	return true;
}
