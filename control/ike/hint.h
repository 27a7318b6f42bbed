/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hints that one end has lost an SA that the other still uses (RFC 7296 1.5, 2.4, 2.21.4).
 *
 * Whatever is not protected may be forged: it makes us look sooner whether the peer lives, at most once in a
 * while, and ends nothing.  What comes protected makes us ask the peer about the Child SA by rekeying it: one
 * that it does not have it answers by CHILD_SA_NOT_FOUND.
 */
#pragma once

#include "fsm.h"

/* An unprotected answer to a request of ours: does it say INVALID_IKE_SPI? */
void hint_unprotected_answer(struct ike_sa *sa, const struct msg *m);
/* An unprotected INFORMATIONAL on no SA: false unless it says INVALID_SPI or INVALID_IKE_SPI. */
bool hint_unprotected_request(struct ike *k, const struct ike_packet *p, const struct ike_hdr *h);
/* INVALID_SPI within an SA. */
void hint_protected(struct in *in);
