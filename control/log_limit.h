/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps strangers from filling the log.  Lines that anybody on the Internet can cause pass here: the same
 * one once a minute, and all of them together at a bounded rate, since source addresses are forged freely.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { LOG_LIMIT_SLOTS = 256, LOG_LIMIT_SAME_S = 60, LOG_LIMIT_RATE = 5, LOG_LIMIT_BURST = 50 };

struct log_limit {
	struct {
		uint64_t key, until_s;
	} slot[LOG_LIMIT_SLOTS];
	uint64_t filled_s; /* when tokens were last given */
	uint32_t tokens;
	bool started;
	uint64_t suppressed; /* since a line passed */
};

/* May the line with this key be written at this second?  If so, *suppressed is how many were not since the
 * last one that might. */
bool log_limit_pass(struct log_limit *l, uint64_t key, uint64_t now_s, uint64_t *suppressed);
/* FNV-1a over len bytes, going on from h; start with LOG_LIMIT_SEED. */
#define LOG_LIMIT_SEED 0xcbf29ce484222325ull
uint64_t log_limit_hash(uint64_t h, const void *p, uint32_t len);
