/* SPDX-License-Identifier: Apache-2.0 */
#include "addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct addr addr_v4(const uint8_t b[4])
{
	struct addr a = {.v = 4};

	memcpy(a.b, b, 4);
	return a;
}

struct addr addr_v6(const uint8_t b[16])
{
	struct addr a = {.v = 6};

	memcpy(a.b, b, 16);
	return a;
}

bool addr_is_link_local(const struct addr *a)
{
	return a->v == 6 && a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
	return addr_cmp(a, b) == 0;
}

int addr_cmp(const struct addr *a, const struct addr *b)
{
	if (a->v != b->v)
		return a->v < b->v ? -1 : 1;
	return memcmp(a->b, b->b, addr_len(a));
}

bool endpoint_eq(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && addr_eq(&a->a, &b->a);
}

int addr_parse(const char *s, struct addr *a)
{
	struct addr r = {0};

	if (inet_pton(AF_INET, s, r.b) == 1)
		r.v = 4;
	else if (inet_pton(AF_INET6, s, r.b) == 1)
		r.v = 6;
	else
		return -EINVAL;
	*a = r;
	return 0;
}

int prefix_parse(const char *s, struct prefix *p)
{
	char host[ADDR_STR];
	const char *slash = strchr(s, '/');
	size_t n = slash ? (size_t)(slash - s) : strlen(s);
	struct prefix r = {0};

	if (n >= sizeof(host))
		return -EINVAL;
	memcpy(host, s, n);
	host[n] = 0;
	if (addr_parse(host, &r.a) < 0)
		return -EINVAL;
	r.len = (uint8_t)(addr_len(&r.a) * 8);
	if (slash) {
		char *end;
		unsigned long len = strtoul(slash + 1, &end, 10);

		if (slash[1] < '0' || slash[1] > '9' || *end || len > r.len)
			return -EINVAL;
		r.len = (uint8_t)len;
	}
	*p = r;
	return 0;
}

struct prefix prefix_mask(struct prefix p)
{
	size_t n = addr_len(&p.a);

	for (size_t i = 0; i < n; i++) {
		int keep = (int)p.len - (int)i * 8;

		if (keep <= 0)
			p.a.b[i] = 0;
		else if (keep < 8)
			p.a.b[i] &= (uint8_t)(0xff << (8 - keep));
	}
	return p;
}

bool prefix_has(const struct prefix *p, const struct addr *a)
{
	struct prefix x = {.a = *a, .len = p->len};
	struct prefix y = prefix_mask(*p);

	if (a->v != p->a.v)
		return false;
	x = prefix_mask(x);
	return addr_eq(&x.a, &y.a);
}

bool prefix_eq(const struct prefix *a, const struct prefix *b)
{
	return a->len == b->len && addr_eq(&a->a, &b->a);
}

const char *addr_str(const struct addr *a, char buf[ADDR_STR])
{
	if (a->v == 0 || !inet_ntop(a->v == 4 ? AF_INET : AF_INET6, a->b, buf, ADDR_STR))
		snprintf(buf, ADDR_STR, "any");
	return buf;
}

const char *prefix_str(const struct prefix *p, char buf[PREFIX_STR])
{
	char a[ADDR_STR];

	snprintf(buf, PREFIX_STR, "%s/%u", addr_str(&p->a, a), p->len);
	return buf;
}

const char *endpoint_str(const struct endpoint *e, char buf[ENDPOINT_STR])
{
	char a[ADDR_STR];

	snprintf(buf, ENDPOINT_STR, "%s[%u]", addr_str(&e->a, a), e->port);
	return buf;
}

struct ts ts_of(const struct prefix *p, uint8_t proto, uint16_t port)
{
	return ts_of_ports(p, proto, port, port);
}

struct ts ts_of_ports(const struct prefix *p, uint8_t proto, uint16_t lo, uint16_t hi)
{
	struct prefix m = prefix_mask(*p);
	struct ts t = {.proto = proto, .port_lo = lo, .port_hi = lo ? hi : UINT16_MAX, .lo = m.a, .hi = m.a};
	size_t n = addr_len(&m.a);

	for (size_t i = 0; i < n; i++) {
		int keep = (int)p->len - (int)i * 8;

		if (keep <= 0)
			t.hi.b[i] = 0xff;
		else if (keep < 8)
			t.hi.b[i] |= (uint8_t)(0xff >> keep);
	}
	return t;
}

bool ts_eq(const struct ts *a, const struct ts *b)
{
	return a->proto == b->proto && a->port_lo == b->port_lo && a->port_hi == b->port_hi &&
	       addr_eq(&a->lo, &b->lo) && addr_eq(&a->hi, &b->hi);
}

bool ts_within(const struct ts *a, const struct ts *b)
{
	struct ts common;

	return ts_intersect(a, b, &common) && ts_eq(&common, a);
}

bool ts_intersect(const struct ts *a, const struct ts *b, struct ts *out)
{
	struct ts r;

	if (a->lo.v != b->lo.v || (a->proto && b->proto && a->proto != b->proto))
		return false;
	r.proto = a->proto ? a->proto : b->proto;
	r.port_lo = a->port_lo > b->port_lo ? a->port_lo : b->port_lo;
	r.port_hi = a->port_hi < b->port_hi ? a->port_hi : b->port_hi;
	r.lo = addr_cmp(&a->lo, &b->lo) > 0 ? a->lo : b->lo;
	r.hi = addr_cmp(&a->hi, &b->hi) < 0 ? a->hi : b->hi;
	if (addr_cmp(&r.lo, &r.hi) > 0)
		return false;
	/* OPAQUE is port_lo 65535, port_hi 0 (RFC 7296 3.13.1): it meets OPAQUE and ANY only. */
	if (r.port_lo > r.port_hi && !(r.port_lo == 65535 && r.port_hi == 0))
		return false;
	*out = r;
	return true;
}

bool ts_has(const struct ts *t, const struct addr *a, uint8_t proto, uint16_t port)
{
	return (!t->proto || t->proto == proto) && port >= t->port_lo && port <= t->port_hi &&
	       addr_cmp(a, &t->lo) >= 0 && addr_cmp(a, &t->hi) <= 0 && a->v == t->lo.v;
}

bool ts_prefix(const struct ts *t, struct prefix *p)
{
	size_t n = addr_len(&t->lo);
	struct prefix r = {.a = t->lo, .len = 0};
	struct ts back;

	for (size_t bit = 0; bit < n * 8; bit++) {
		uint8_t mask = (uint8_t)(0x80 >> (bit % 8));

		if ((t->lo.b[bit / 8] ^ t->hi.b[bit / 8]) & mask)
			break;
		r.len++;
	}
	back = ts_of(&r, 0, 0);
	if (!addr_eq(&back.lo, &t->lo) || !addr_eq(&back.hi, &t->hi))
		return false;
	*p = r;
	return true;
}

static const char *proto_str(uint8_t proto, char buf[8])
{
	switch (proto) {
	case 0: return "any";
	case IPPROTO_ICMP: return "icmp";
	case IPPROTO_TCP: return "tcp";
	case IPPROTO_UDP: return "udp";
	case IPPROTO_ICMPV6: return "icmp6";
	default: snprintf(buf, 8, "%u", proto); return buf;
	}
}

const char *ts_str(const struct ts *t, char buf[TS_STR])
{
	char lo[ADDR_STR], hi[ADDR_STR], pre[PREFIX_STR], pr[8];
	const char *proto = proto_str(t->proto, pr);
	struct prefix p;
	int n;

	if (ts_prefix(t, &p))
		n = snprintf(buf, TS_STR, "%s", prefix_str(&p, pre));
	else
		n = snprintf(buf, TS_STR, "%s-%s", addr_str(&t->lo, lo), addr_str(&t->hi, hi));
	if (!t->proto && t->port_lo == 0 && t->port_hi == 65535)
		return buf;
	if (t->port_lo == 0 && t->port_hi == 65535)
		snprintf(buf + n, TS_STR - (size_t)n, "[%s]", proto);
	else if (t->port_lo > t->port_hi)
		snprintf(buf + n, TS_STR - (size_t)n, "[%s/opaque]", proto);
	else if (t->port_lo == t->port_hi)
		snprintf(buf + n, TS_STR - (size_t)n, "[%s/%u]", proto, t->port_lo);
	else
		snprintf(buf + n, TS_STR - (size_t)n, "[%s/%u-%u]", proto, t->port_lo, t->port_hi);
	return buf;
}
