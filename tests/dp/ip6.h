/* SPDX-License-Identifier: Apache-2.0 */
/* IPv6 packets for the tests, made without the data plane's help. */
#pragma once

#include "harness.h"

/* A second address for each port: 2001:db8:1::1/64 outside, fd00:1::1/64 inside. */
#define OWN6    "2001:db8:1::1"
#define INSIDE6 "fd00:1::1"

struct ip6 {
	const char *src, *dst;
	uint8_t next, hops; /* 0: 64 */
	uint8_t tc;
};
/* An IPv6 packet at b; returns its length. */
size_t ip6_put(uint8_t *b, const struct ip6 *h, const void *payload, size_t len);
/* The same with the checksum of the message put in at `at` of it. */
size_t ip6_put_sum(uint8_t *b, const struct ip6 *h, void *payload, size_t len, size_t at);
size_t ip6_udp(uint8_t *b, const char *src, uint16_t sport, const char *dst, uint16_t dport, const void *data,
	       size_t len);
size_t ip6_echo(uint8_t *b, const char *src, const char *dst, uint16_t seq, size_t len);
/* A neighbour solicitation or advertisement; option_mac NULL: none. */
size_t ip6_nd(uint8_t *b, uint8_t type, const char *src, const char *dst, const char *target, uint8_t flags,
	      const uint8_t *option_mac);
/* Is the checksum of a UDP or ICMPv6 packet right, and there? */
bool ip6_sum_right(const uint8_t *packet, size_t len);
/* Inject a packet as a frame from the peer beyond a port. */
void ip6_inject(unsigned port, const uint8_t *packet, size_t len);
/* A host becomes known by asking us. */
void ip6_neighbour(unsigned port, const char *ip, const uint8_t mac[6]);
/* And one that need not be asked whether it is still there when it is used first. */
void ip6_reachable(unsigned port, const char *ip, const uint8_t mac[6]);
void ip6_addr(const char *text, uint8_t b[16]);
