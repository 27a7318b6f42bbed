/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ESP inbound (RFC 4303 3.4), in three steps over one list.
 *
 * Raw ESP and ESP in UDP are both accepted for every SA, whatever was negotiated: RFC 7296 2.23 asks
 * for it where NAT traversal is supported.  Only packets in UDP can tell that a peer's NAT moved it.
 */
#pragma once

#include "sa.h"
#include "worker.h"

/* Lengths, full sequence number, first look at the window. */
void esp_in_check(struct worker *w, struct list *l);
/* Verify and decrypt. */
void esp_in_open(struct worker *w, struct list *l);
/* Window, peer's address, padding, inner packet, selectors, ECN.  On exit the packets are inner ones
 * that arrived on the SA's tunnel interface. */
void esp_in_finish(struct worker *w, struct list *l);
/* Those whose flow is not known: addresses that no packet may have. */
void esp_in_admit(struct worker *w, struct list *l);
/* Fragments that have waited for their ports: selectors, again by SPI, and the SA's counters. */
void esp_in_resume(struct worker *w, struct list *l);
