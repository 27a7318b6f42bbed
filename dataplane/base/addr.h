/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses, prefixes, endpoints and traffic selectors, as both rooms speak of them.
 *
 * Bytes are in network order, ports and lengths in host order.  The structs hold no padding that is
 * read, so an object that was zeroed first may be compared with memcmp; the functions here do not
 * rely on it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct addr {
	uint8_t v;     /* 4, 6, or 0: no address ("any" where the context allows it) */
	uint8_t b[16]; /* network order; an IPv4 address in the first four */
};

struct prefix {
	struct addr a;
	uint8_t len; /* bits */
};

struct endpoint {
	struct addr a;
	uint16_t port;
};

/* One traffic selector: what RFC 7296 3.13.1 calls an individual selector and a firewall one half of
 * a proxy-ID.  Ranges are inclusive. */
struct ts {
	uint8_t proto; /* IP protocol, 0: any */
	uint16_t port_lo, port_hi;
	struct addr lo, hi;
};

enum { ADDR_STR = 48, PREFIX_STR = 52, ENDPOINT_STR = 56, TS_STR = 128 };

/* Number of address bytes: 4, 16, or 0 for no address. */
static inline size_t addr_len(const struct addr *a)
{
	return a->v == 4 ? 4 : a->v == 6 ? 16 : 0;
}

struct addr addr_v4(const uint8_t b[4]);
struct addr addr_v6(const uint8_t b[16]);
/* fe80::/10 (RFC 4291 2.5.6): good on one link only. */
bool addr_is_link_local(const struct addr *a);
bool addr_eq(const struct addr *a, const struct addr *b);
/* <0, 0, >0 as memcmp; an IPv4 address sorts before an IPv6 one. */
int addr_cmp(const struct addr *a, const struct addr *b);
bool endpoint_eq(const struct endpoint *a, const struct endpoint *b);

/* Text to object: 0, or -EINVAL when the whole of s is not an address (a prefix).  prefix_parse takes
 * a bare address as a host prefix and keeps host bits as written; prefix_mask clears them. */
int addr_parse(const char *s, struct addr *a);
int prefix_parse(const char *s, struct prefix *p);
struct prefix prefix_mask(struct prefix p);
bool prefix_has(const struct prefix *p, const struct addr *a);
bool prefix_eq(const struct prefix *a, const struct prefix *b);

/* Object to text into a buffer of at least ADDR_STR, PREFIX_STR, ENDPOINT_STR bytes; returns buf.
 * An endpoint prints as 192.0.2.1[500]. */
const char *addr_str(const struct addr *a, char buf[ADDR_STR]);
const char *prefix_str(const struct prefix *p, char buf[PREFIX_STR]);
const char *endpoint_str(const struct endpoint *e, char buf[ENDPOINT_STR]);

/* Traffic selectors. ts_of makes one from a prefix; port 0 means any. */
struct ts ts_of(const struct prefix *p, uint8_t proto, uint16_t port);
/* The same of a range of ports; lo 0: any. */
struct ts ts_of_ports(const struct prefix *p, uint8_t proto, uint16_t lo, uint16_t hi);
bool ts_eq(const struct ts *a, const struct ts *b);
/* Is a wholly inside b? */
bool ts_within(const struct ts *a, const struct ts *b);
/* The part common to a and b; false when there is none (RFC 7296 2.9). */
bool ts_intersect(const struct ts *a, const struct ts *b, struct ts *out);
/* Does a packet's address, protocol and port fall inside? */
bool ts_has(const struct ts *t, const struct addr *a, uint8_t proto, uint16_t port);
/* The one prefix a selector's addresses amount to; false for a range that is not a prefix. */
bool ts_prefix(const struct ts *t, struct prefix *p);
/* "10.1.0.0/16", "10.1.0.3-10.1.0.9", with "[tcp/443]" or "[udp/1000-2000]" behind it if not any. */
const char *ts_str(const struct ts *t, char buf[TS_STR]);
