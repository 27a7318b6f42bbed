/* SPDX-License-Identifier: Apache-2.0 */
/*
 * REDIRECT (RFC 5685), obeyed as initiator where the gateway's configuration says so: the peer names another address,
 * in its answer to IKE_SA_INIT, in IKE_AUTH, or later.  All else of the configuration, the peer's identity and key
 * first, counts for that address as well.  After a failure there we are back at the configured one.
 */
#pragma once

#include "fsm.h"

/* The address of the gateway that is to be called. */
const struct addr *redirect_target(const struct gw *gw);
/* Announce that we obey, and where we come from. */
void redirect_write(struct msg_wr *w, const struct gw *gw);
/* Does the message redirect us, to an address that we may go to?  nonce: what IKE_SA_INIT must repeat, or NULL.  The
 * gateway's next start goes there. */
bool redirect_take(struct ike_sa *sa, const struct msg *m, const struct bytes *nonce);
void redirect_forget(struct gw *gw);
