/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets too big for their way: an IPv4 packet that may be cut goes on as fragments, before encryption where it
 * is for a tunnel (RFC 4301 8, 4303 3.3.4); the sender of any other is told what would have fitted.  IPv6 may rely on
 * 1280 bytes: where a way to a peer does not carry those and what ESP adds, the outer packet is cut (RFC 2473 7.1).
 *
 * Proxy-ID and SA have been found by then, with the whole packet's ports: fragments follow it, all by one SA.
 */
#pragma once

#include "worker.h"

/* RFC 8200 5: a tunnel carries as much, if need be in outer fragments (RFC 2473 7.1). */
enum { MTU6_MIN = 1280 };

/* Packets whose sa_out is set: what TCP offers is clamped (mss.h).  True: all fit their tunnel.  False: some do not; all have `fits` set and go
 * through mtu_cut(). */
bool mtu_fit(struct list *l);

/* A walk over packets with `fits` set, some of which are too big. */
struct mtu_walk {
	const struct list *l;
	uint16_t next; /* the first packet of l that has not gone on ... */
	uint32_t done; /* ... and how much of its payload has */
	uint16_t n_frags;
	struct pkt frags[BURST_MAX]; /* of this step */
};

static inline void mtu_walk_start(struct mtu_walk *c, const struct list *l)
{
	c->l = l;
	c->next = 0;
	c->done = 0;
}

/* The next packets and fragments, in order, at most a list full; false: there are none left.  What cannot be
 * cut is dropped and its sender told.  Packets of `out` are good until the next step. */
bool mtu_cut(struct worker *w, struct mtu_walk *c, struct list *out);
