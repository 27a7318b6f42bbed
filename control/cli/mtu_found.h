/* SPDX-License-Identifier: Apache-2.0 */
/* What "test vpn mtu" found out of the ways through tunnels: the last ones, for "diagnose vpn". */
#pragma once

#include "dp_api.h"

struct mtu_found {
	uint32_t number;       /* whose: tunnel-id; 0: an unused place */
	uint64_t at;           /* monotonic */
	uint16_t mtu, carried; /* the tunnel's then; the largest packet that was answered */
	/* What the port would have to have for that; 0: less than it can be set to. */
	uint16_t port_mtu;
	struct addr host; /* who answered */
	struct addr told; /* who, behind the peer, says of larger ones that they do not fit; none: nobody */
};

void mtu_found_note(const struct mtu_found *f);
/* Of this tunnel-id, not older than an hour; NULL: none. */
const struct mtu_found *mtu_found_of(uint32_t number, uint64_t now);

/* What TCP may offer to fit packets of this size (RFC 9293 3.7.1). */
static inline uint16_t mtu_found_mss(const struct mtu_found *f)
{
	return (uint16_t)(f->carried - (f->host.v == 6 ? 60 : 40));
}
