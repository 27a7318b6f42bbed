/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each stage of the path costs.
 *
 * Of every so many bursts one is timed: each stage says when it is done and is charged for the cycles since
 * the stage before it.  All other bursts pay one test of a flag a stage.  The names are for the operator
 * and for perf/; one list gives enum, name and help.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_branch_prediction.h>
#include <rte_cycles.h>

/* clang-format off */
#define STAGES(X) \
	X(STAGE_RECEIVE,     "receive",     "a burst taken from the port") \
	X(STAGE_PARSE,       "parse",       "headers checked and read") \
	X(STAGE_FLOW,        "flow",        "is the flow known, and with it the whole decision?") \
	X(STAGE_GATEWAY,     "gateway",     "packets for the gateway itself") \
	X(STAGE_IN_SA,       "in-sa",       "SPI to inbound SA, and over to its owner") \
	X(STAGE_IN_CHECK,    "in-check",    "lengths, and the sequence number against the window") \
	X(STAGE_IN_OPEN,     "in-open",     "verify and decrypt") \
	X(STAGE_IN_FINISH,   "in-finish",   "window, padding, inner header, selectors") \
	X(STAGE_ROUTE,       "route",       "TTL and route") \
	X(STAGE_RULES,       "rules",       "security rules") \
	X(STAGE_OUT_SA,      "out-sa",      "proxy-ID to outbound SA, over to its owner, size") \
	X(STAGE_OUT_PREPARE, "out-prepare", "selectors, sequence number, outer header, padding") \
	X(STAGE_OUT_SEAL,    "out-seal",    "encrypt and authenticate") \
	X(STAGE_OUT_ROUTE,   "out-route",   "the peer's address to port and next hop") \
	X(STAGE_NEXT_HOP,    "next-hop",    "next hop's Ethernet header, into the port's queue") \
	X(STAGE_SEND,        "send",        "queues handed to the ports")
/* clang-format on */

enum stage {
#define X(id, name, help) id,
	STAGES(X)
#undef X
		STAGE_MAX
};

/* One burst in so many is timed on a worker that forwards; its thirty readings of the clock vanish in that. */
enum { STAGE_EVERY = 256 };

struct stage_clock {
	/* this worker only */
	bool on;
	uint64_t every;   /* bursts; UINT64_MAX: never */
	uint64_t sampled; /* rx_bursts at the last timed one */
	uint64_t last;    /* TSC when the stage before was done */
	/* this worker: w, control: r */
	uint64_t cycles[STAGE_MAX], packets[STAGE_MAX];
};

void stage_charge(struct stage_clock *c, enum stage s, uint16_t n);

/* A turn begins: is a burst of it to be timed? */
static inline void stage_turn(struct stage_clock *c, uint64_t rx_bursts)
{
	c->on = rx_bursts - c->sampled >= c->every;
	if (unlikely(c->on))
		c->sampled = rx_bursts;
}

/* What went before is nobody's. */
static inline void stage_start(struct stage_clock *c)
{
	if (unlikely(c->on))
		c->last = rte_rdtsc();
}

/* A stage is done, with n packets left of its list. */
static inline void stage_done(struct stage_clock *c, enum stage s, uint16_t n)
{
	if (unlikely(c->on))
		stage_charge(c, s, n);
}
