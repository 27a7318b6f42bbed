/* SPDX-License-Identifier: Apache-2.0 */
/* sb: a string put together piece by piece in a buffer that may be too small: it is cut, never overrun. */
#pragma once

#include <stddef.h>

struct sb {
	char *buf;
	size_t len, cap; /* len may exceed cap: what it would have been */
};

/* An empty string in buf. */
struct sb sb_of(char *buf, size_t cap);
void sb_put(struct sb *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
