/* SPDX-License-Identifier: Apache-2.0 */
/* Messages in clear, and more words in the log, for a gateway that the operator debugs; it ends by itself. */
#pragma once

#include "ike_sa.h"
#include "msg.h"

/* Is more to be said of this SA's doings? */
bool tap_talks(const struct ike_sa *sa);
/* A message that no keys protect: IKE_SA_INIT.  gw may be NULL. */
void tap_plain(const struct gw *gw, bool inbound, const struct endpoint *local, const struct endpoint *remote,
	       struct bytes message);
/* The inside of one that is protected: h is its header, first the type of the first payload in `plain`. */
void tap_inner(const struct ike_sa *sa, bool inbound, const struct endpoint *local,
	       const struct endpoint *remote, const struct ike_hdr *h, uint8_t first, struct bytes plain);
