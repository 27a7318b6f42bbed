/* SPDX-License-Identifier: Apache-2.0 */
/* Traffic selector payloads (RFC 7296 3.13) and narrowing (2.9). */
#pragma once

#include "addr.h"
#include "ike_conf.h"
#include "rd.h"
#include "wr.h"

enum { TS_LIST_MAX = 16 };

struct ts_list {
	uint8_t n;
	struct ts t[TS_LIST_MAX];
};

/* Decode a TSi or TSr body.  Selectors of types we do not know, and those after the first TS_LIST_MAX, are skipped
 * and counted in *skipped (may be NULL); anything malformed: -EINVAL. */
int ts_decode(struct bytes body, struct ts_list *l, unsigned *skipped);
void ts_encode(struct wr *w, const struct ts_list *l);

/* What a responder with `mine` answers to `theirs`: all pairwise intersections without those wholly
 * inside another, in their order; n == 0 when nothing is common.  Should there be more than fit, those of
 * the peer's first selectors stay (RFC 7296 2.9: the first is the packet that asked). */
void ts_narrow(const struct ts_list *mine, const struct ts_list *theirs, struct ts_list *out);
/* Every element of a inside some element of b: an initiator accepts only such an answer. */
bool ts_list_within(const struct ts_list *a, const struct ts_list *b);
/* The same selectors, whatever their order. */
bool ts_list_eq(const struct ts_list *a, const struct ts_list *b);
/* Is there an address family that both have?  No packet goes from one to another. */
bool ts_list_meet(const struct ts_list *local, const struct ts_list *remote);
/* "10.1.0.0/16,10.9.0.0/24[tcp/443]"; "none" when empty. */
const char *ts_list_str(const struct ts_list *l, char *buf, size_t cap);
