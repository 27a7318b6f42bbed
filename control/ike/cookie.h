/* SPDX-License-Identifier: Apache-2.0 */
/* Half-open SAs under attack: limits, and the stateless COOKIE of RFC 7296 2.6. */
#pragma once

#include "ike_sa.h"

/* May this IKE_SA_INIT create state?  When not it was answered or dropped, and counted. */
bool cookie_admit(struct ike *k, const struct ike_packet *p, const struct msg *m);
void half_open_add(struct ike_sa *sa, const struct addr *source);
void half_open_sub(struct ike_sa *sa);
