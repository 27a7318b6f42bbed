/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Those who call and are nobody's peer: kept in a small table for the operator, who is looking for why a tunnel
 * does not come up and finds its peer under another address, identity or version.  All of it comes from strangers:
 * the table is bounded, and a new row, a line in the log and an answer cost a token each.
 */
#pragma once

#include "engine.h"

enum { CALLS_KEPT = 16 };

struct calls {
	unsigned n;
	struct ike_call c[CALLS_KEPT];
};

/* The caller is in the table; false: too many new ones lately.  identity may be NULL. */
bool calls_note(struct ike *k, enum ike_call_kind kind, const struct endpoint *local,
		const struct endpoint *remote, const char *what, const char *identity);
/* A message with major version 1 (RFC 2408 3.1): says whose it is, answers nothing (RFC 7296 2.5). */
void calls_v1(struct ike *k, const struct ike_packet *p, const struct ike_hdr *h);
