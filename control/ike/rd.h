/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rd: the only way bytes of the network are read.
 *
 * A reader is a pointer and an end.  A read past the end returns zero, consumes nothing more, and
 * sets the sticky flag; so a decoder reads straight on and asks rd_done() once.  Readers never own
 * memory; a sub-reader ends inside its parent.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct rd {
	const uint8_t *p, *end;
	bool bad;
};

/* A view of bytes somebody else owns. */
struct bytes {
	const uint8_t *p;
	size_t len;
};

static inline struct rd rd_of(const void *p, size_t len)
{
	return (struct rd){.p = p, .end = (const uint8_t *)p + len};
}

static inline size_t rd_left(const struct rd *r)
{
	return r->bad ? 0 : (size_t)(r->end - r->p);
}

/* The next n bytes, or NULL. */
static inline const uint8_t *rd_take(struct rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (rd_left(r) < n || r->bad) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	return p;
}

static inline uint8_t rd_u8(struct rd *r)
{
	const uint8_t *p = rd_take(r, 1);

	return p ? p[0] : 0;
}

static inline uint16_t rd_u16(struct rd *r)
{
	const uint8_t *p = rd_take(r, 2);

	return p ? (uint16_t)(p[0] << 8 | p[1]) : 0;
}

static inline uint32_t rd_u32(struct rd *r)
{
	const uint8_t *p = rd_take(r, 4);

	return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

static inline uint64_t rd_u64(struct rd *r)
{
	uint64_t hi = rd_u32(r);

	return hi << 32 | rd_u32(r);
}

/* n bytes as a view; empty with p == NULL when they are not there. */
static inline struct bytes rd_bytes(struct rd *r, size_t n)
{
	const uint8_t *p = rd_take(r, n);

	return (struct bytes){.p = p, .len = p ? n : 0};
}

static inline struct bytes rd_rest(struct rd *r)
{
	return rd_bytes(r, rd_left(r));
}

/* A reader over the next n bytes; it is bad from the start when they are not there. */
static inline struct rd rd_sub(struct rd *r, size_t n)
{
	const uint8_t *p = rd_take(r, n);

	return p ? rd_of(p, n) : (struct rd){.bad = true};
}

/* Everything read, nothing missing. */
static inline bool rd_done(const struct rd *r)
{
	return !r->bad && r->p == r->end;
}
