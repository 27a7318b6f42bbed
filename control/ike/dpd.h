/* SPDX-License-Identifier: Apache-2.0 */
/* Dead peer detection: traffic-aware liveness checks (RFC 7296 2.4). */
#pragma once

#include "ike_sa.h"

void dpd_up(struct ike_sa *sa);
/* How long an unanswered request on this SA is kept alive; 0: count tries. */
uint64_t dpd_patience(const struct ike_sa *sa);
/* A request of an established SA stayed unanswered. */
void dpd_dead(struct ike_sa *sa, const struct request *req);
void dpd_on_timer(struct ike *k, void *sa);
