/* SPDX-License-Identifier: Apache-2.0 */
/* IKE_INTERMEDIATE: what IKE_SA_INIT and IKE_AUTH need to know of it. */
#pragma once

#include "ike_sa.h"

enum { INTER_OCTETS = 2 * PRF_MAX + 4 };

/* Some additional key exchange of the suite has not taken place yet. */
bool inter_due(const struct ike_sa *sa);
/* Initiator: the next one, or IKE_AUTH. */
void inter_go_on(struct ike_sa *sa);
/* IntAuth, the end of what AUTH signs (RFC 9242 3.3.2): IntAuth_i | IntAuth_r | IKE_AUTH's message ID.  0: there was
 * no IKE_INTERMEDIATE. */
size_t inter_octets(const struct ike_sa *sa, uint8_t out[INTER_OCTETS]);
