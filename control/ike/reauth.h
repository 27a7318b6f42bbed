/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reauthentication, make before break (RFC 7296 2.8.3): a new IKE SA with Child SAs of its own comes up
 * beside the old one, traffic moves over, then the old one is deleted.
 *
 *     old   UP ──────────────────────────────────────> CLOSING   its Child SAs receive until the answer
 *     new        INIT_SENT ──> AUTH_SENT ──> UP  CREATE_CHILD_SA for what the old one has
 *
 * Whatever goes wrong with the new one, the old one goes on, and it is tried again until its lifetime ends.
 */
#pragma once

#include "ike_sa.h"

/* The soft lifetime of sa is over: does the configuration have it authenticate anew, and may we start that? */
bool reauth_due(const struct ike_sa *sa);
/* What IKE_AUTH is to bring up: anything the old SA has, or failing that what is configured first. */
struct slot *reauth_first_slot(const struct ike_sa *sa);
/* Start, or go on with, replacing sa.  False: no new SA could be started. */
bool reauth_start(struct ike_sa *sa);
/* Nothing is left to do on sa: ask for what the SA that it replaces has beyond it, or close that one; or let the one
 * that replaces it do so.  True when something was queued. */
bool reauth_go_on(struct ike_sa *sa);
/* fresh is old's successor by a rekey: it is replaced by, or replaces, what old was or did. */
void reauth_inherit(struct ike_sa *fresh, const struct ike_sa *old);
/* sa ends before it has replaced another one: a newer one, if there is any, goes on with that. */
void reauth_pass_on(struct ike_sa *sa);
/* Is there an SA that is up and about to replace this one? */
bool reauth_leaving(const struct ike_sa *sa);
