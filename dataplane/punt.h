/* SPDX-License-Identifier: Apache-2.0 */
/* Everything a worker tells the control thread: events and packets, by one ring of fixed structs per
 * worker, rate-limited per class.  A full ring drops and counts; it never blocks.  A quarter of the
 * ring is kept for events, so that a flood of packets cannot displace them. */
#pragma once

#include "neigh.h"
#include "worker.h"

/* IKE datagram for a local address. Takes the packet. */
void punt_ike(struct worker *w, struct pkt *p);
/* ICMP error about an outer packet, at l3_off. Takes the packet. */
void punt_icmp(struct worker *w, struct pkt *p);
/* What an ARP or neighbour discovery packet says of its sender; p stays the caller's. */
void punt_neigh(struct worker *w, const struct pkt *p, const struct addr *a, const uint8_t mac[6],
		enum neigh_news news);
/* Packet whose neighbour `hop` on a port is not resolved: control asks, keeps it meanwhile.  Takes the
 * packet, which starts at l3_off. */
void punt_unresolved(struct worker *w, struct pkt *p, uint8_t port, const struct addr *hop);
/* Events; p stays the caller's.  False: the ring is full, control was not told; tell again later. */
bool punt_neigh_used(struct worker *w, uint32_t neigh);
bool punt_acquire(struct worker *w, uint32_t policy, const struct pkt *p);
bool punt_expire(struct worker *w, const struct dp_expire *e);
/* A packet met a rule that logs; rate-limited, no matter whether it comes through. */
void punt_rule_hit(struct worker *w, uint32_t rule, bool allow, const struct pkt *p);
/* An echo reply that a monitor or the operator waits for; p stays the caller's. */
void punt_probe_answer(struct worker *w, const struct pkt *p, uint16_t id, uint16_t seq, uint8_t ttl);
/* An ICMP error about an echo request of the operator's; p stays the caller's. */
void punt_echo_error(struct worker *w, const struct dp_echo_error *e);
/* An ESP packet with an SPI that is not in use; rate-limited, no matter whether it comes through. */
void punt_unknown_spi(struct worker *w, const struct pkt *p);
bool punt_moved(struct worker *w, uint32_t spi, const struct endpoint *from);

/* Wake the control thread if this turn left something for it.  Last act of a turn. */
void punt_tell(struct worker *w);

/* Control thread. */
int punt_init(void);
void punt_fini(void);
int punt_fd(void);
/* Element size of the workers' `up` rings. */
unsigned punt_event_size(void);
/* Take what workers have left and deliver it. */
void punt_service(void);
/* Free packets on the ring of a worker that will not run again. */
void punt_drain(struct worker *w);
