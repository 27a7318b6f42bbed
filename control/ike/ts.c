/* SPDX-License-Identifier: Apache-2.0 */
#include "ts.h"
#include "sb.h"
#include "wire.h"

#include <errno.h>

static bool opaque(const struct ts *t)
{
	return t->port_lo == 65535 && t->port_hi == 0;
}

/* Ports that RFC 7296 3.13.1 allows: a range, or OPAQUE (65535 to 0); all of them with protocol "any". */
static bool ports_ok(const struct ts *t)
{
	if (t->proto == 0)
		return opaque(t) || (t->port_lo == 0 && t->port_hi == 65535);
	return opaque(t) || t->port_lo <= t->port_hi;
}

/*
 * RFC 7296 3.13.1; the reader covers the selector behind its type and length.
 *
 *   +---------------+---------------+-------------------------------+
 *   |   TS Type     |IP Protocol ID |       Selector Length         |
 *   +---------------+---------------+-------------------------------+
 *   |           Start Port          |           End Port            |
 *   +-------------------------------+-------------------------------+
 *   ~              Starting Address, Ending Address                 ~
 *   +---------------------------------------------------------------+
 */
static int decode_one(struct rd *r, uint8_t type, uint8_t proto, struct ts *t)
{
	size_t n = type == TS_IPV4_ADDR_RANGE ? 4 : 16;
	const uint8_t *lo, *hi;

	*t = (struct ts){.proto = proto};
	t->port_lo = rd_u16(r);
	t->port_hi = rd_u16(r);
	lo = rd_take(r, n);
	hi = rd_take(r, n);
	if (!rd_done(r))
		return -EINVAL;
	t->lo = n == 4 ? addr_v4(lo) : addr_v6(lo);
	t->hi = n == 4 ? addr_v4(hi) : addr_v6(hi);
	return ports_ok(t) && addr_cmp(&t->lo, &t->hi) <= 0 ? 0 : -EINVAL;
}

int ts_decode(struct bytes body, struct ts_list *l, unsigned *skipped)
{
	struct rd r = rd_of(body.p, body.len);
	uint8_t n = rd_u8(&r);
	struct ts_list out = {0};
	unsigned skip = 0;

	rd_take(&r, 3);
	if (r.bad || !n)
		return -EINVAL;
	for (uint8_t i = 0; i < n; i++) {
		uint8_t type = rd_u8(&r), proto = rd_u8(&r);
		uint16_t len = rd_u16(&r);
		struct rd one;
		struct ts t;

		if (r.bad || len < 4)
			return -EINVAL;
		one = rd_sub(&r, len - 4u);
		if (one.bad)
			return -EINVAL;
		if (type != TS_IPV4_ADDR_RANGE && type != TS_IPV6_ADDR_RANGE) {
			skip++; /* RFC 7296 2.9: not to be chosen, no error */
			continue;
		}
		if (decode_one(&one, type, proto, &t) < 0)
			return -EINVAL;
		if (out.n == TS_LIST_MAX)
			skip++; /* nor is what there is no room for: narrowing leaves it out */
		else
			out.t[out.n++] = t;
	}
	if (!rd_done(&r))
		return -EINVAL;
	*l = out;
	if (skipped)
		*skipped = skip;
	return 0;
}

void ts_encode(struct wr *w, const struct ts_list *l)
{
	wr_u8(w, l->n);
	wr_zero(w, 3);
	for (uint8_t i = 0; i < l->n; i++) {
		const struct ts *t = &l->t[i];
		size_t start = w->len, mark;

		wr_u8(w, t->lo.v == 4 ? TS_IPV4_ADDR_RANGE : TS_IPV6_ADDR_RANGE);
		wr_u8(w, t->proto);
		mark = wr_len16(w);
		wr_u16(w, t->port_lo);
		wr_u16(w, t->port_hi);
		wr_bytes(w, t->lo.b, addr_len(&t->lo));
		wr_bytes(w, t->hi.b, addr_len(&t->hi));
		wr_end16(w, mark, start);
	}
}

/* OPAQUE is no range: it meets OPAQUE and "any port" only (RFC 4301 4.4.1.1). */
static bool ports_disjoint(const struct ts *a, const struct ts *b)
{
	if (opaque(a))
		return !opaque(b) && !(b->port_lo == 0 && b->port_hi == 65535);
	return opaque(b) ? ports_disjoint(b, a) : a->port_hi < b->port_lo || b->port_hi < a->port_lo;
}

static bool within(const struct ts *a, const struct ts *b)
{
	return !ports_disjoint(a, b) && ts_within(a, b);
}

/* Add t unless the list covers it already; what t covers goes. */
static void list_merge(struct ts_list *l, const struct ts *t)
{
	uint8_t kept = 0;

	for (uint8_t i = 0; i < l->n; i++)
		if (within(t, &l->t[i]))
			return;
	for (uint8_t i = 0; i < l->n; i++)
		if (!within(&l->t[i], t))
			l->t[kept++] = l->t[i];
	l->n = kept;
	if (l->n < TS_LIST_MAX)
		l->t[l->n++] = *t;
}

void ts_narrow(const struct ts_list *mine, const struct ts_list *theirs, struct ts_list *out)
{
	struct ts_list r = {0};
	struct ts both;

	for (uint8_t i = 0; i < theirs->n; i++)
		for (uint8_t j = 0; j < mine->n; j++)
			if (!ports_disjoint(&theirs->t[i], &mine->t[j]) &&
			    ts_intersect(&theirs->t[i], &mine->t[j], &both))
				list_merge(&r, &both);
	*out = r;
}

bool ts_list_within(const struct ts_list *a, const struct ts_list *b)
{
	for (uint8_t i = 0; i < a->n; i++) {
		bool in = false;

		for (uint8_t j = 0; j < b->n && !in; j++)
			in = within(&a->t[i], &b->t[j]);
		if (!in)
			return false;
	}
	return true;
}

static bool list_has(const struct ts_list *l, const struct ts *t)
{
	for (uint8_t i = 0; i < l->n; i++)
		if (ts_eq(&l->t[i], t))
			return true;
	return false;
}

bool ts_list_eq(const struct ts_list *a, const struct ts_list *b)
{
	if (a->n != b->n)
		return false;
	for (uint8_t i = 0; i < a->n; i++)
		if (!list_has(b, &a->t[i]) || !list_has(a, &b->t[i]))
			return false;
	return true;
}

bool ts_list_meet(const struct ts_list *local, const struct ts_list *remote)
{
	for (uint8_t i = 0; i < local->n; i++)
		for (uint8_t j = 0; j < remote->n; j++)
			if (local->t[i].lo.v == remote->t[j].lo.v)
				return true;
	return false;
}

const char *ts_list_str(const struct ts_list *l, char *buf, size_t cap)
{
	char one[TS_STR];
	struct sb t = sb_of(buf, cap);

	if (!l->n)
		sb_put(&t, "none");
	for (uint8_t i = 0; i < l->n; i++)
		sb_put(&t, "%s%s", i ? "," : "", ts_str(&l->t[i], one));
	return buf;
}
