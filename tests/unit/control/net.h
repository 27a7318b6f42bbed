/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two engines, A and B, on a virtual network in virtual time.
 *
 *     A 192.0.2.1 ── [NAT 198.51.100.1] ── link ── [NAT 198.51.100.2] ── B 192.0.2.2
 *
 * The link delays, loses, duplicates and reorders as told, by a generator with a seed.  Each end has a
 * host that plays the data plane: it keeps what was installed, so that keys, selectors and leaks can be
 * checked against the other end.
 */
#pragma once

#include "ike.h"

#define NET_S  UINT64_C(1000000000)
#define NET_MS UINT64_C(1000000)

enum { NET_A, NET_B, NET_CHILDREN = 512, NET_SPIS = 4096, NET_EVENTS = 32, NET_MAPS = 8 };

struct net;

/* A Child SA as the host was given it. */
struct net_child {
	bool used, active;
	struct ike_child_sa sa;
	struct child_keys keys;
	uint32_t policy;
	uint64_t packets_in;
};

struct net_host {
	struct net *net;
	int side;
	struct ike *ike;
	struct ike_host vt;
	struct net_child child[NET_CHILDREN];
	unsigned n_child;        /* as far as child[] was ever used */
	uint32_t spis[NET_SPIS]; /* reserved, not installed */
	unsigned n_spis;
	uint32_t next_spi;
	unsigned events[NET_EVENTS];
	struct ike_reason last_reason; /* of the last FAIL, or DOWN nobody asked for */
	unsigned unasked_downs;        /* DOWN events but for what a successor replaced */
	unsigned installs, removes;
	bool refuse_install, traffic, dead; /* dead: neither receives nor sends */
	bool verbose;
};

struct net_packet {
	struct net_packet *next;
	int to;
	uint64_t at;
	struct endpoint src, dst; /* as on the wire between the NATs */
	size_t len;
	uint32_t esp; /* not IKE: a probe on this SPI */
	uint8_t data[];
};

struct net_nat {
	bool on;
	struct addr inside, outside;
	struct {
		uint16_t in, out;
	} map[NET_MAPS];
	unsigned n;
	uint16_t next_port;
};

struct net {
	uint64_t now, rng;
	uint64_t latency, jitter;
	unsigned loss, dup; /* per cent */
	struct net_nat nat[2];
	struct net_host host[2];
	struct net_packet *queue;
	unsigned sent, keepalives;
	int turn; /* whose engine runs */
	/* Traffic: every so often a packet on each active child; how many arrived, and how many found no SA.
	 * No_child: policies that should have had an active child and did not, summed over the ticks. */
	uint64_t probe_every, next_probe;
	uint64_t probes_ok, probes_lost, probes_no_child;
	unsigned probe_policies;
	/* Sees every packet as it is about to be delivered; false: drop it. */
	bool (*tap)(struct net *n, struct net_packet *p, void *arg);
	void *tap_arg;
};

/* Both engines made, no gateway yet. */
void net_init(struct net *n, uint64_t seed);
/* Frees both; fails the test when a host still has children or reserved SPIs. */
void net_end(struct net *n);
/* Go on for so long. */
void net_run(struct net *n, uint64_t ns);
/* Until the condition holds, at most so long: did it? */
bool net_until(struct net *n, bool (*cond)(struct net *n), uint64_t ns);
/* A packet to side `to` as if it came from `src` to `dst` (wire addresses). */
void net_inject(struct net *n, int to, const struct endpoint *src, const struct endpoint *dst, const void *p,
		size_t len, uint64_t delay);
uint64_t net_random(struct net *n, uint64_t below);
/* By hand instead: how many packets are on their way, and hand one of them over now, or lose it.  A copy of it
 * stays on its way when told so. */
unsigned net_in_flight(const struct net *n);
void net_deliver(struct net *n, unsigned i, bool copy_stays);
void net_drop(struct net *n, unsigned i);
/* The installed child with this inbound SPI, or NULL. */
struct net_child *net_child_find(struct net_host *h, uint32_t spi_in);

/* A gateway configuration for a side with n proxy-IDs 10.<side+1>.i.0/24 <-> 10.<2-side>.i.0/24; free
 * with net_conf_free. */
struct ike_gw_conf net_conf(int side, unsigned n_children);
void net_conf_free(struct ike_gw_conf *c);
void net_set(struct net *n, int side, struct ike_gw_conf *c);
void net_ts(struct ts *t, const char *prefix);
/* Both ends behind NATs that forward ports 500 and 4500 to the inside. */
void net_nat(struct net *n, int side, bool forward);

/* From now on there is traffic on so many policies each way, and none of it may be lost. */
void net_probe(struct net *n, unsigned policies, uint64_t every);

/* State of an end. */
unsigned net_sas(struct net_host *h);            /* established IKE SAs */
unsigned net_sas_all(struct net_host *h);        /* in any state that is shown */
unsigned net_children(const struct net_host *h); /* installed */
unsigned net_active(struct net_host *h);         /* policies with an active child */
bool net_up(struct net *n); /* both have an IKE SA and as many active policies as gateway conf A */
const struct ike_reason *net_gw_failure(struct net_host *h);
const struct ike_reason *net_child_failure(struct net_host *h, unsigned i);
/* Every installed child has its counterpart at the other end with the same keys and mirrored selectors. */
void net_check_pairs(struct net *n);
uint64_t net_counter(struct net_host *h, const char *name);
