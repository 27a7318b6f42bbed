/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One trial: packets at a rate for a time, then a pause in which stragglers may come in (RFC 2544 23).
 *
 * A side is a port with its sender and its receiver, on a core of its own or both sides on one.  Nothing is shared
 * while it runs.  Latency is from the making of a packet to the burst in which it arrived.
 */
#pragma once

#include <signal.h>
#include "hist.h"
#include "packet.h"
#include "port.h"

struct trial_conf {
	const struct traffic *traffic;
	struct port *port; /* two */
	struct rte_mempool *pool;
	bool way[2]; /* from A to B, from B to A */
	double pps;  /* each way; 0: as fast as it goes */
	double seconds, wait;
	bool two_cores;
};

/* Of one way. */
struct trial_way {
	uint64_t offered, sent; /* due by the rate; given to the port */
	uint64_t received, altered, reordered;
	double seconds;      /* of sending */
	struct hist latency; /* TSC cycles */
};
struct trial_result {
	struct trial_way way[2];
	uint64_t other; /* frames received that are of no trial */
};

void trial_run(const struct trial_conf *c, struct trial_result *r);
/* Set by a signal handler: nothing more is sent; the trial that runs, or the next, ends as if its time were up. */
extern volatile sig_atomic_t trial_enough;
/* Sent and not received, as a share of a million. */
double trial_loss_ppm(const struct trial_way *w);
/* The port took as much as the rate wanted, but for a thousandth. */
bool trial_kept_up(const struct trial_way *w);
