/* SPDX-License-Identifier: Apache-2.0 */
/* A tunnel interface with a proxy-ID of each family, hosts and peers, and packets through it: what the tests of IPv6
 * inside tunnels share. */
#pragma once

#include "peer.h"

#define HOST  "fd00:1::7"
#define FAR   "2001:db8:f::9"
#define HOST4 "10.1.1.7"
#define FAR4  "10.2.0.9"

enum { ETH = 14, IP6 = 40, MIN6 = 1280, TC = 0x2e << 2 };

extern uint32_t policy4, policy6;
extern uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX], inner[DPT_FRAME_MAX], outer[DPT_FRAME_MAX];
/* Every combination that an IPv6 packet can go out in. */
enum { PEERS = 4 };
extern struct peer peers[PEERS];

int inner6_setup(void **state);
int inner6_teardown(void **state);

/* SAs with the proxy-ID's networks as selectors. */
void ts_in6(struct dp_sa_in_conf *c);
void ts_out6(struct dp_sa_out_conf *c);
extern const struct peer_edit edit6;
/* That peer's SAs are there. */
struct peer *up(unsigned i);

/* Of a header of either family. */
uint8_t tos_of(const uint8_t *ip);
void set_tc(uint8_t *ip, uint8_t tc);
/* `packet` from the host's side, and out of the tunnel. */
void inject_out(size_t len);
void inject_in(struct peer *p, size_t len, const struct peer_how *how);
/* The next packet of ours to the peer is `packet`, one hop older, in one piece. */
void leaves_sealed(const struct peer *p, size_t len, uint8_t tos);
/* The ICMPv6 error that HOST gets about `packet`, from our address on its network. */
void told(uint8_t type, uint8_t code, uint32_t more, size_t about);
