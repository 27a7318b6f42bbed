/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Postquantum preshared keys (RFC 8784): a secret that both ends have besides their means of authentication, mixed into
 * the keys that Child SAs and rekeys come from, and into AUTH.  Who breaks the key exchange later then has nothing.
 *
 *     initiator                                 responder
 *     HDR, …, N(USE_PPK)  -->                                                    IKE_SA_INIT
 *                             <--  HDR, …, N(USE_PPK)
 *     HDR, SK {…, AUTH, N(PPK_IDENTITY)(id),                                     IKE_AUTH
 *       [N(NO_PPK_AUTH)]}  -->
 *                             <--  HDR, SK {…, AUTH, [N(PPK_IDENTITY)]}
 *
 * AUTH is made with the PPK.  An initiator that does not insist on it adds NO_PPK_AUTH, which is AUTH without; the
 * responder says by PPK_IDENTITY that it has the PPK.
 */
#pragma once

#include "fsm.h"
#include "xchg.h"

/* Does any gateway between these addresses have a PPK? */
bool ppk_wanted(struct ike *k, const struct addr *local, const struct addr *remote);
/* Initiator: our AUTH, by auth_write(), and what belongs to it here.  -errno. */
int ppk_write_request(struct out *o, struct ike_sa *sa, const struct ike_id *id);
/* Is the peer's AUTH right, by auth_judge(), with the PPK or without, as the message says and the gateway allows? */
bool ppk_judge_response(struct in *in, struct ike_reason *r);
bool ppk_judge_request(struct in *in, const struct gw *gw, struct ike_reason *r);
/* Responder: the confirmation, where the PPK is used. */
void ppk_write_answer(struct out *o, const struct ike_sa *sa);
/* Both ends are authenticated: the keys get the PPK, where it is used.  -errno. */
int ppk_apply(struct ike_sa *sa);
