/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wr: the only way bytes for the network are written.
 *
 * A writer is a buffer and a limit.  A write past the limit writes nothing and sets the sticky flag,
 * asked once at the end.  Lengths in front of bodies are reserved with wr_len16() and filled in by
 * wr_end16(), so that no length is ever computed by hand.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wr {
	uint8_t *base;
	size_t len, cap;
	bool bad;
};

static inline struct wr wr_of(void *buf, size_t cap)
{
	return (struct wr){.base = buf, .cap = cap};
}

/* Room for n bytes, counted as written; NULL when they do not fit. */
static inline uint8_t *wr_room(struct wr *w, size_t n)
{
	uint8_t *p;

	if (w->bad || w->cap - w->len < n) {
		w->bad = true;
		return NULL;
	}
	p = w->base + w->len;
	w->len += n;
	return p;
}

static inline void wr_u8(struct wr *w, uint8_t v)
{
	uint8_t *p = wr_room(w, 1);

	if (p)
		p[0] = v;
}

static inline void wr_u16(struct wr *w, uint16_t v)
{
	uint8_t *p = wr_room(w, 2);

	if (p) {
		p[0] = (uint8_t)(v >> 8);
		p[1] = (uint8_t)v;
	}
}

static inline void wr_u32(struct wr *w, uint32_t v)
{
	wr_u16(w, (uint16_t)(v >> 16));
	wr_u16(w, (uint16_t)v);
}

static inline void wr_u64(struct wr *w, uint64_t v)
{
	wr_u32(w, (uint32_t)(v >> 32));
	wr_u32(w, (uint32_t)v);
}

static inline void wr_bytes(struct wr *w, const void *src, size_t n)
{
	uint8_t *p = wr_room(w, n);

	if (p && n)
		memcpy(p, src, n);
}

static inline void wr_zero(struct wr *w, size_t n)
{
	uint8_t *p = wr_room(w, n);

	if (p)
		memset(p, 0, n);
}

/* Reserve a 16-bit length; the mark goes to wr_end16 with the offset at which the counted part starts. */
static inline size_t wr_len16(struct wr *w)
{
	size_t mark = w->len;

	wr_u16(w, 0);
	return mark;
}

/* Fill in the length reserved at mark: the bytes from `from` to here. */
static inline void wr_end16(struct wr *w, size_t mark, size_t from)
{
	size_t n = w->len - from;

	if (w->bad)
		return;
	if (n > 0xffff) {
		w->bad = true;
		return;
	}
	w->base[mark] = (uint8_t)(n >> 8);
	w->base[mark + 1] = (uint8_t)n;
}
