/* SPDX-License-Identifier: Apache-2.0 */
/* From bytes to struct pkt: everything later stages may rely on is checked here, once. */
#pragma once

#include "worker.h"

/* What a burst is made of. */
struct parsed {
	struct list esp; /* IPv4 of class PKT_IP: whole packets of ESP, and ... */
	struct list ip;  /* ... all others */
	struct list rest;
};

/* Fill w->pkts[0..n) from the frames m received on port in_if: bounds, checksum, addresses, ports,
 * class.  Takes over the frames.  Frees nothing: an unsound packet gets class PKT_DROP and its reason.  IPv4 gets class
 * PKT_IP, and what it is to us is known only when parse_place() was asked, or its flow is known.
 * A sound one ends where its IP packet ends: padding of the frame is cut off. */
void parse_burst(struct worker *w, uint16_t in_if, struct rte_mbuf **m, uint16_t n, struct parsed *out);
/* A packet of class PKT_IP: may it have these addresses, and is it for us? */
void parse_place(struct pkt *p);
/* Fill l3_len, ip_len, v, proto, addresses, ports and fragment of a packet whose l3_off is set and of
 * which `len` bytes follow there.  DROP_NONE, or why it is unsound.  Used for inner packets as well:
 * ip_len may then be smaller than len. */
enum drop parse_ip(struct pkt *p, uint16_t len);
/* The same in two steps, for those who ask about flows first: everything but IPv4 addresses; and these. */
enum drop parse_headers(struct pkt *p, uint16_t len);
bool parse_addresses(const struct pkt *p);
