/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small model checker: two engines, something that each of them is told to do, and every order in which the
 * datagrams can arrive, be lost or be doubled, and timers can overtake them.
 *
 * At each step one of these happens: an action of the scenario starts; a datagram in flight arrives (any of
 * them: that is reordering), is lost, or arrives and leaves a copy; the next timer fires although something is
 * still in flight.  Losses, copies and early timers are limited in number.  Nothing in flight: time goes on.
 *
 * A run is a string of such decisions and is repeated from the start to try the next one (the engines' random
 * numbers come from a seed), depth first.  A run that gets into a state that was seen before ends there: what
 * comes after has been, or will be, looked at from the first visit.
 */
#pragma once

#include "net.h"

enum { EXPLORE_ACTIONS = 4, EXPLORE_COUNTERS = 6 };

struct explore_action {
	int side;
	void (*run)(struct net_host *h);
};

struct explore_scenario {
	const char *name;
	unsigned children, waiting; /* proxy-IDs, and the last so many of them are not up at the start */
	unsigned spare; /* so many fewer mishaps than else, because there is so much else to order */
	bool outage;    /* an SA is deleted on purpose: traffic may be lost */
	void (*conf)(struct ike_gw_conf *a, struct ike_gw_conf *b);
	struct explore_action act[EXPLORE_ACTIONS];
	/* Counters of the engine that some run has to raise after the actions: else the scenario missed its aim. */
	const char *reach[EXPLORE_COUNTERS];
};

struct explore_limits {
	unsigned losses, copies, timers;
	unsigned all; /* of the three together */
};

struct explore_result {
	uint64_t runs;   /* started */
	uint64_t ends;   /* of these, came to an end of their own: distinct interleavings */
	uint64_t states; /* distinct */
	unsigned deepest;
	uint64_t reached[EXPLORE_COUNTERS]; /* ends in which this counter had grown */
};

/* Try all there is.  Fails the test, with the run told step by step, where an end is not one IKE SA and one
 * Child SA for each proxy-ID at both ends, with nothing left over; or where, short of an outage, an end without
 * a Child SA to send on, or sending on one that the other end has not got, was seen in between. */
void explore(const struct explore_scenario *s, const struct explore_limits *l, uint64_t seed,
	     struct explore_result *r);
