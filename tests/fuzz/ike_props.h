/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold for the parts of an IKE message whatever the bytes: shared by the targets that reach them. */
#pragma once

#include "msg.h"

/* Views inside [p, p + len), counters inside their arrays, words that end inside their buffer. */
void check_msg(const struct msg *m, const uint8_t *p, size_t len);
/* SA body: what is decoded encodes to something that decodes to the same; any choice from it is a suite that the
 * offer accepts as an answer. */
void check_sa(struct bytes body);
/* TS body: decoded, encoded, decoded again is the same; narrowing gives what lies inside both. */
void check_ts(struct bytes body);
