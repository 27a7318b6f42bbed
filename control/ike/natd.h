/* SPDX-License-Identifier: Apache-2.0 */
/* NAT detection, the float to port 4500, keepalives, and following a peer (RFC 7296 2.23, RFC 3948). */
#pragma once

#include "ike_sa.h"

/* Write both NAT detection notifies into an IKE_SA_INIT. */
void natd_write(struct msg_wr *w, enum ike_natt natt, uint64_t spi_i, uint64_t spi_r,
		const struct endpoint *local, const struct endpoint *remote);
/* Read the peer's: sets nat_local, nat_remote, nat_ignored, natt_peer, udp_encap of sa. */
void natd_read(struct ike_sa *sa, const struct msg *m, enum ike_natt natt, const struct ike_packet *p);
/* Initiator: go to port 4500 when encapsulation is needed. */
void natd_float(struct ike_sa *sa);
/* A fresh authenticated message came this way. */
void natd_follow(struct ike_sa *sa, const struct endpoint *local, const struct endpoint *remote);
void natd_up(struct ike_sa *sa);
void natd_on_keepalive(struct ike *k, void *sa);
