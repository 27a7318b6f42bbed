/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SA pairs of all kinds of suites, with and without ESN, UDP and a window, and the peer's halves of them.  These are
 * made of the data plane's own suites, which other tests hold against independent ones.
 *
 * Number i's peer is 192.0.2.2, its network 10.2.i.0/24, ours 10.1.0.0/16.
 */
#pragma once

#include "peer.h"

enum { EVERY_SA = 14, EVERY_SA_SPI = 0x1000 }; /* outbound SPIs begin here */

struct every_sa {
	uint32_t policy, spi, out;
	uint64_t seq; /* the highest that the peer has sent: of use to the test only */
};
extern struct every_sa every_sa[EVERY_SA];

/* Their policies, with all sorts of options. */
void every_sa_policies(uint16_t tunnel_if);
/* New SAs.  `halved`: instead of one range a side they have two, which are the same addresses; one SA has but half of its
 * policy's.  Numbers of 64 bits begin shortly before the end of 32. */
void every_sa_install(bool halved);
void every_sa_remove(void);

bool every_sa_udp(unsigned i);
size_t every_sa_block(unsigned i);
/* ESP header and IV. */
size_t every_sa_front(unsigned i);
/* The peer's packet of this number: `len` bytes of text stand at b + off + every_sa_front(), and b has 28 bytes in front.
 * Length of the ESP packet, which begins at b + off. */
size_t every_sa_seal(unsigned i, uint64_t seq, uint8_t *b, size_t off, size_t len);
/* The peer opens a packet of ours, len bytes long, whose ESP header is at b + off; fails the test if it cannot.  Where its
 * text is, *n bytes of it. */
uint8_t *every_sa_open(unsigned i, uint8_t *b, size_t off, size_t len, size_t *n);
