/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ESP outbound (RFC 4303 3.3), in two steps over one list.
 *
 *                     hdr_len                      ip_len on entry
 *     |<------------------------------------->|<------------------>|
 *     | outer IP | UDP? | SPI | seq | IV      | inner IP packet    | 1 2 3 .. | n | 4 | ICV |
 *     ^ l3_off          ^ esp_off                                    ip_len on exit       ^
 */
#pragma once

#include "sa.h"
#include "worker.h"

/* Inner packets with sa_out set, whose SAs this worker owns: check selectors, size and lifetime, take
 * the sequence number, put header and trailer around.  On exit the data starts with room for an Ethernet
 * header and l3_off, l3_len, ip_len, src4, dst4, proto and esp_off speak of the outer packet. */
void esp_out_prepare(struct worker *w, struct list *l);
/* Write IVs, encrypt and authenticate. */
void esp_out_seal(struct worker *w, struct list *l);
