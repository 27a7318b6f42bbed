/* SPDX-License-Identifier: Apache-2.0 */
#include "log_limit.h"

uint64_t log_limit_hash(uint64_t h, const void *p, uint32_t len)
{
	const uint8_t *b = p;

	for (uint32_t i = 0; i < len; i++)
		h = (h ^ b[i]) * 0x100000001b3ull;
	return h;
}

static void refill(struct log_limit *l, uint64_t now_s)
{
	uint64_t passed = now_s - l->filled_s;

	if (!l->started || passed >= LOG_LIMIT_BURST / LOG_LIMIT_RATE)
		l->tokens = LOG_LIMIT_BURST;
	else
		l->tokens += (uint32_t)passed * LOG_LIMIT_RATE;
	if (l->tokens > LOG_LIMIT_BURST)
		l->tokens = LOG_LIMIT_BURST;
	l->filled_s = now_s;
	l->started = true;
}

bool log_limit_pass(struct log_limit *l, uint64_t key, uint64_t now_s, uint64_t *suppressed)
{
	unsigned i = (unsigned)((key ^ key >> 32) % LOG_LIMIT_SLOTS);

	refill(l, now_s);
	if ((l->slot[i].key == key && now_s < l->slot[i].until_s) || l->tokens == 0) {
		l->suppressed++;
		return false;
	}
	l->tokens--;
	l->slot[i].key = key;
	l->slot[i].until_s = now_s + LOG_LIMIT_SAME_S;
	*suppressed = l->suppressed;
	l->suppressed = 0;
	return true;
}
