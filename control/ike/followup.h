/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The additional key exchanges of a CREATE_CHILD_SA (RFC 9370 2.2.4), from its answer to the last IKE_FOLLOWUP_KE:
 * what the two ends have agreed on, of which nothing is in force before that.
 *
 * An IKE SA has one on either side at most: nego->more is ours, sa->pending the peer's.  A request that crosses ours
 * is answered with TEMPORARY_FAILURE, so that the rules for simultaneous rekeys (RFC 7296 2.8.1) need not reach over
 * several exchanges.  A peer that asks for something else has left its own: its window is one.
 */
#pragma once

#include "fsm.h"
#include "xchg.h"

enum { LINK_MAX = 64, LINK_LEN = 8 };

struct followup {
	struct suite_choice suite;
	unsigned step;          /* of suite.ake: the one that is due */
	struct dh *dh;          /* initiator: its value is on its way */
	uint8_t link[LINK_MAX]; /* what ties the exchanges together, the responder's choice */
	size_t link_len;
	uint8_t ni[IKE_NONCE_MAX], nr[IKE_NONCE_MAX];
	size_t ni_len, nr_len;
	uint8_t secret[DH_SECRET_MAX]; /* of CREATE_CHILD_SA itself */
	size_t secret_len;
	uint8_t more[AKE_MAX * DH_SECRET_MAX]; /* SK(1) | SK(2) … */
	size_t more_len;
	bool child; /* a Child SA by this plan, or */
	struct child_plan plan;
	uint32_t old_spi;     /* responder: inbound SPI of the child being rekeyed */
	struct ike_sa *fresh; /* responder: the new IKE SA */
};

/* The suite needs more than CREATE_CHILD_SA. */
bool followup_needed(const struct suite_choice *s);
/* Initiator: the answer in->m is as it should be; secret is that of its own key exchange, plan NULL: of an IKE SA.
 * The next exchange goes out, and the negotiation with it; false: it cannot. */
bool followup_start(struct in *in, const struct suite_choice *s, const struct child_plan *plan,
		    struct bytes secret);
/* Responder: what the request in->m asks for waits for more exchanges; nr is our nonce.  Replaces one that the peer
 * has left.  NULL: no memory. */
struct followup *followup_expect(struct in *in, const struct suite_choice *s, struct bytes nr,
				 struct bytes secret);
/* The notify that says so, in the answer. */
void followup_write_link(struct followup *f, struct out *o);
/* The responder's comes to nothing. */
void followup_drop(struct ike_sa *sa);
void followup_free(struct followup *f); /* NULL is fine */
/* The peer is rekeying this Child SA. */
bool followup_rekeys(const struct ike_sa *sa, uint32_t spi_in);
void followup_on_timeout(struct ike *k, void *sa);
