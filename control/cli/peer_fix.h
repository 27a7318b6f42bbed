/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What to type at the other end, in its own syntax, so that it fits what is configured here.  Names of objects at
 * the peer are not known and stand in angle brackets; a pre-shared key is never printed.
 */
#pragma once

#include <jansson.h>

#include "ike.h"

/* Adds the list "at-peer" to o: {"system": "PAN-OS", "commands": [...]} each; nothing when no setting of the peer's
 * mends it.  child NULL: the gateway's own failure. */
void peer_fix(json_t *o, const struct ike_reason *r, const struct ike_gw_conf *g,
	      const struct ike_child_conf *child);
