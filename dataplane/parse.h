/* SPDX-License-Identifier: Apache-2.0 */
/* From bytes to struct pkt: everything later stages may rely on is checked here, once. */
#pragma once

#include "worker.h"

/* Fill w->pkts[0..n) from the frames m received on port in_if: bounds, checksum, addresses, ports,
 * class.  Takes over the frames.  Frees nothing: an unsound packet gets class PKT_DROP and its reason.
 * A sound one ends where its IP packet ends: padding of the frame is cut off. */
void parse_burst(struct worker *w, uint16_t in_if, struct rte_mbuf **m, uint16_t n);
/* Fill l3_len, ip_len, v, proto, addresses, ports and fragment of a packet whose l3_off is set and of
 * which `len` bytes follow there.  DROP_NONE, or why it is unsound.  Used for inner packets as well:
 * ip_len may then be smaller than len. */
enum drop parse_ip(struct pkt *p, uint16_t len);
