/* SPDX-License-Identifier: Apache-2.0 */
#include "sb.h"

#include <stdarg.h>
#include <stdio.h>

struct sb sb_of(char *buf, size_t cap)
{
	if (cap)
		buf[0] = 0;
	return (struct sb){.buf = buf, .cap = cap};
}

void sb_put(struct sb *t, const char *fmt, ...)
{
	size_t at = t->len < t->cap ? t->len : t->cap;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->cap > at ? t->buf + at : NULL, t->cap - at, fmt, ap);
	va_end(ap);
	t->len += n > 0 ? (size_t)n : 0;
}
