/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MOBIKE (RFC 4555): the addresses of an IKE SA change, and its Child SAs go along.
 *
 *     initiator                                 responder
 *     HDR, SK {…, N(MOBIKE_SUPPORTED)}  -->                                      IKE_AUTH
 *                             <--  HDR, SK {…, N(MOBIKE_SUPPORTED)}
 *     HDR, SK {N(UPDATE_SA_ADDRESSES), N(NATD_S_IP), N(NATD_D_IP)}  -->          INFORMATIONAL, from elsewhere
 *                             <--  HDR, SK {N(NATD_S_IP), N(NATD_D_IP)}
 *                             <--  HDR, SK {N(COOKIE2)}                          return routability (3.7)
 *     HDR, SK {N(COOKIE2)}  -->
 *
 * Which addresses are used is the decision of whoever began the first of the IKE SAs (2.1); rekeys do not change that.
 * With MOBIKE nobody follows packets that come from elsewhere (3.8): only this exchange moves an SA, and ESP goes to
 * the new address once the peer has shown that it is there.
 */
#pragma once

#include "fsm.h"
#include "xchg.h"

/* IKE_AUTH: ours, and what follows from the peer's. */
void mobike_write(struct out *o, const struct gw *gw);
void mobike_read(struct ike_sa *sa, const struct msg *m);
/* A request in INFORMATIONAL: the part of its answer, and, behind the answer, what it asks for. */
void mobike_answer(struct in *in, struct out *o);
void mobike_update(struct in *in);
/* TASK_MOVE and TASK_ADDRESS_CHECK: the request, and its answer. */
void mobike_write_task(struct ike_sa *sa, enum task_kind kind, struct out *o);
void mobike_task_done(struct in *in, enum task_kind kind);
/* Our address is another one from now on; false: this SA cannot take part. */
bool mobike_move(struct ike_sa *sa, const struct addr *local);
