/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storm control: tunnels that all want to come up at once do so a few at a time.
 *
 * A request of ours that makes something new (IKE_SA_INIT to IKE_AUTH; CREATE_CHILD_SA for a proxy-ID that is not up)
 * takes a place until it is answered, and there are ike_tuning.starts_max places.  Who finds none stands in line,
 * gateways and IKE SAs alike, each for one request: one with thousands of proxy-IDs keeps nobody waiting.  A request
 * that has to be repeated gives its place up, so the dead do not keep the living waiting.  Rekeys, reauthentication,
 * liveness checks, Deletes and answers need no place: what is up goes before what is new.
 */
#pragma once

#include "engine.h"

/* May a request go out that makes something new? */
bool pace_may(const struct ike *k);
/* Stand in line for that, at its end or, for an operator, its head; no matter if there already. */
void pace_wait(struct ike *k, struct pace_wait *w, bool front);
/* Out of the line, for what w belongs to goes away. */
void pace_forget(struct ike *k, struct pace_wait *w);
/* A place is taken, and given back; it is with the request that waits for its answer. */
void pace_take(struct ike_sa *sa);
void pace_give(struct ike_sa *sa);
/* At the end of every call of the engine: whose turn is it? */
void pace_run(struct ike *k);
/* Has pace_run() something to do, although nothing has come in? */
bool pace_due(const struct ike *k);
