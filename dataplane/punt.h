/* SPDX-License-Identifier: Apache-2.0 */
/* Everything a worker tells the control thread: events and packets, by one ring of fixed structs per
 * worker, rate-limited per class.  A full ring drops and counts; it never blocks. */
#pragma once

#include "worker.h"

/* IKE datagram for a local address. Takes the packet. */
void punt_ike(struct worker *w, struct pkt *p);
/* ARP packet that teaches a neighbour. Takes the packet. */
void punt_arp(struct worker *w, struct pkt *p);
/* Packet whose neighbour is not resolved: control asks, keeps it meanwhile. Takes the packet. */
void punt_unresolved(struct worker *w, struct pkt *p);
/* Events; p stays the caller's. */
void punt_acquire(struct worker *w, uint32_t policy, const struct pkt *p);
void punt_expire(struct worker *w, const struct dp_expire *e);
void punt_moved(struct worker *w, uint32_t spi, const struct endpoint *from);
