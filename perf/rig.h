/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The production data plane in this process, one worker turned by hand, between two ports in memory.
 *
 * The ports are ethdevs whose burst functions were replaced by one that hands out pointers and one that takes
 * them down, which costs about a cycle a packet (rig_harness_cost).  "out" is 192.0.2.1/24, the way to
 * every peer; "in" is 10.1.1.1/24, and the protected hosts are behind 10.1.1.7.
 *
 * A layout is a number of SA pairs and how many proxy-IDs each tunnel interface has:
 *
 *     sas  proxy_ids
 *       1          1   one any-any proxy-ID
 *       1          N   N proxy-IDs that share the SA
 *       N          1   N tunnel interfaces, each with one any-any proxy-ID and its SA
 *       N          N   one tunnel interface, N proxy-IDs, an SA each
 *
 * Whoever is behind the tunnels is a target: as many as SAs or proxy-IDs, whichever is more.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "suite.h"

enum { BURSTS = 9, FRAMES = BURSTS * BURST_MAX, L2 = 14, RIG_TUNNELS = 1000 };
/* The rules before the last deny this UDP destination port towards the tunnels, the next one, and so on. */
enum { RIG_DENIED_PORT = 40000, RIG_RULES_MAX = 20000 };

struct rig_conf {
	uint32_t max_sas, max_proxy_ids; /* of any layout */
	uint32_t rules;                  /* security rules in force, the last of which allows; 0: none */
	bool two_workers;                /* for rig_hand_over() */
	bool hugepages;                  /* that are reserved, as on a gateway; else ordinary pages */
};

struct layout {
	const struct suite *suite;
	uint32_t sas, proxy_ids;
};

/* An SA pair of ours, and the peer's end of it.  The peer's keys are not those in the data plane's memory, so
 * that sealing its packets leaves the caches as they were. */
struct pair {
	uint32_t policy, spi_in, sa_out;
	uint64_t seq; /* the peer's */
	struct sa_out *peer;
};

void rig_start(const struct rig_conf *c);
void rig_stop(void);
/* Install a layout; returns SA pairs a second, control thread and worker. */
double rig_install(const struct layout *l);
/* Returns pairs a second as well. */
double rig_remove(void);

uint32_t rig_targets(void);
uint32_t rig_far_ip(uint32_t target); /* network order; beyond the last one: nobody's */
struct pair *rig_pair(uint32_t target);
const uint8_t *rig_port_mac(unsigned port);
extern const uint8_t rig_peer_mac[6];

/* Frames that go in, and what came out in order. */
extern struct rte_mbuf *rig_frame[FRAMES], *rig_tx[FRAMES];
extern unsigned rig_n_tx;
/* Start of the data of a frame as it came from the pool. */
extern uint16_t rig_frame_off[FRAMES];

/* All frames through the path, from one port; cycles.  Stages are timed if told so. */
uint64_t rig_run(bool inbound, bool stages);
/* With two workers: cycles that a packet costs more if it comes to the one that does not own its SA, both turned by this
 * thread.  Rings, copies and looking up the SA again are in it; what it takes to bring cache lines from core to core is
 * not.  fill() makes the frames anew. */
double rig_hand_over(bool inbound, void (*fill)(void *arg), void *arg);
/* Fails with the drop counters when not all of them came out. */
void rig_all_passed(void);
/* The frames again, but every one must die for this reason.  They are kept. */
void rig_all_dropped(bool inbound, const char *why);

/* Cycles a packet of what is not the data plane's. */
double rig_harness_cost(void);
/* Cycles of a turn that finds nothing. */
double rig_idle_turn(void);

/* Says why, and ends the program. */
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
