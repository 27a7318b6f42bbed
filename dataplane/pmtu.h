/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What routers on the way to a peer say of its MTU (RFC 1191, RFC 8201, RFC 4301 8.2): an ICMP "fragmentation
 * needed", or an ICMPv6 "packet too big", that quotes an outer packet which we have lately sent lowers what the SA takes for a while.  Anybody can send such a
 * message; so it has to know SPI, addresses and a recent sequence number, it can never raise an MTU, and never
 * lower it below what every link of the Internet carries.  Control thread.
 */
#pragma once

#include <rte_mbuf.h>

#include "sa.h"

int pmtu_init(uint32_t sas);
void pmtu_fini(void);

/* An outbound SA can be found by its SPI from now on / no longer.  A new one starts with what was learned for the
 * one before it, if that leads to the same peer. */
void pmtu_add(struct sa_out *sa, uint32_t slot);
void pmtu_del(struct sa_out *sa, uint32_t slot);
/* The MTU of the way to the peer, at most `port`, its port's. */
uint16_t pmtu_of(const struct sa_out *sa, uint16_t port);

/* An ICMP error to one of our addresses, its checksum right; takes the frame.  Offsets count from its data. */
void pmtu_input(struct rte_mbuf *m, uint16_t icmp_off);
/* Forget what has been known for long enough: the way may have become wider. */
void pmtu_service(uint64_t now_ns);
