/* SPDX-License-Identifier: Apache-2.0 */
/* What rules.c (matching) and rules_api.c (compiling, publishing, reading) share. */
#pragma once

#include <rte_acl.h>

#include "dp.h"
#include "rules.h"

/* What rte_acl looks at of an IPv4 packet, in network order.  Its first field is one byte, the others are read as
 * words. */
struct rules_key {
	uint8_t proto, pad[3];
	uint16_t from, to;
	uint32_t src, dst;
	uint16_t sport, dport;
};
static_assert(sizeof(struct rules_key) == 20, "no padding but where it says so");

/* And of an IPv6 packet. */
struct rules_key6 {
	uint8_t proto, pad[3];
	uint16_t from, to;
	uint32_t src[4], dst[4];
	uint16_t sport, dport;
};
static_assert(sizeof(struct rules_key6) == 44, "no padding but where it says so");

struct rules {
	struct rte_acl_ctx *acl, *acl6; /* of each family; NULL: no term, nothing to look for */
	uint32_t n;                     /* rules; behind them the two defaults */
	struct dp_rule *rule;
	struct rules_hit *hits[DP_WORKERS_MAX];
	/* control only */
	struct rules_hit *base; /* what earlier lists counted for the same ids */
	bool ports;             /* some term asks for ports */
	struct rules *prev;     /* the list before, while workers may still count there */
};

static inline uint32_t rules_default(const struct rules *r, uint16_t from, uint16_t to)
{
	return from == to && from != DP_ZONE_NONE ? r->n : r->n + 1;
}
