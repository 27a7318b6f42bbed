/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long an SA lives, counted in packets, bytes and sequence numbers (RFC 4301 4.4.2.1).
 *
 * Per packet there is one compare, of a count of packets with the SA's mark; the functions here are the slow path
 * behind it.  A limit in bytes is a mark as well: as many packets pass unasked as cannot reach it however large they
 * are, so that near the limit each one is asked about.  They tell control once when a soft and once when a hard limit
 * is reached, move the mark on, and say whether the packet may still pass.  Exactly hard_packets packets and at most
 * hard_bytes inner bytes pass.  An outbound SA asks for a successor when three quarters of its sequence numbers are
 * used, and stops at the last: the number never wraps (RFC 4303 3.3.3).
 */
#pragma once

#include "sa.h"
#include "worker.h"

/* May the next packet, of `len` inner bytes, pass?  DROP_NONE or why not. */
enum drop life_out(struct worker *w, struct sa_out *sa, uint32_t len);
enum drop life_in(struct worker *w, struct sa_in *sa, uint32_t len);

/* Set the mark of a new SA. */
void life_out_init(struct sa_out *sa);
void life_in_init(struct sa_in *sa);
