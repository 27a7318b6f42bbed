/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams for the gateway itself that come in fragments, put together before anything looks into them
 * (RFC 791 3.2, RFC 8200 4.5).
 *
 * A datagram has one buffer, into which the payload of every fragment is copied at its place as it comes; so a flood
 * holds no more buffers than there are entries, and what is complete is one piece.  A datagram with fragments that
 * overlap is refused with all that belongs to it (RFC 5722); a fragment that comes twice counts once.
 */
#pragma once

#include "worker.h"

/* Fragments of the list are taken in; the one that completes its datagram becomes that, as sound as parse_ip() finds it:
 * the class is that of a packet for us, or PKT_DROP and its reason; out of a tunnel it stays PKT_TRANSIT.  Others that
 * are no fragments stay as they are. */
void reassemble(struct worker *w, struct list *l);

/* Give the worker its table; false without memory.  Control thread. */
bool reassemble_init(struct worker *w);
