/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run-time SAs: what a worker touches per packet, and nothing else.  Names, identities, lifetimes in
 * seconds and the negotiation live in the control plane.
 *
 * An SA belongs to one worker (`owner`); sequence number, window and counters are plain integers that
 * only the owner writes.  The control thread reads the counters without a lock: an aligned 64-bit
 * load is never torn, and a value one packet old is as good as a fresh one.  Each type starts with
 * the line every packet needs, then colder ones, then the expanded keys, which the suite lays out.
 */
#pragma once

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_common.h>

#include "addr.h"
#include "dp_api.h"

struct suite;

/* Expanded keys: the largest is GCM's gcm_key_data, see suite.c. */
enum { SA_KEY_BYTES = 1280 };

/* The negotiated selectors of one SA, with the one-IPv4-range-a-side case ready for the fast path. */
struct sa_selectors {
	bool plain4; /* one IPv4 range each way, any protocol, any port: only the four words below count */
	uint8_t n_local, n_remote;
	uint32_t local_lo, local_hi, remote_lo, remote_hi; /* host order */
	struct ts local[DP_TS_MAX], remote[DP_TS_MAX];
};

struct sa_counters { /* owner worker: w, control: r */
	uint64_t packets, bytes;
	uint64_t last_used_tsc; /* refreshed at most once a second */
	uint64_t auth_errors, replays, selector_drops, malformed;
};

struct sa_out {
	/* line 0: read per packet, seq and counters written by the owner */
	const struct suite *suite;
	uint64_t seq;                      /* last one used */
	uint64_t packets, bytes;           /* owner: w */
	uint64_t check_at;                 /* packets + 1 at which limits are looked at again (slow path) */
	uint32_t spi_be;
	uint32_t salt;                     /* as bytes */
	uint16_t owner;
	uint8_t hdr_len;                   /* outer IP + UDP + ESP header + IV: bytes to prepend */
	uint8_t icv_len;
	uint8_t udp_encap, esn, v, expired;
	/* line 1: the outer header, ready to copy (IPv4 20 + UDP 8 + ESP 8 at most, or IPv6 40 + 8 + 8) */
	alignas(64) uint8_t outer[64];
	/* line 2: cold */
	alignas(64) uint32_t handle;       /* DP_SA_NONE while free */
	uint32_t policy;
	struct endpoint local, remote;
	struct dp_limits limits;
	struct sa_counters c;              /* its packets and bytes are unused: line 0 has them */
	uint16_t mtu_overhead;
	uint8_t soft_sent, hard_sent;
	struct sa_selectors sel;
	alignas(64) uint8_t key[SA_KEY_BYTES];
};
static_assert(offsetof(struct sa_out, outer) == 64, "outer header template has its own line");
static_assert(offsetof(struct sa_out, handle) == 128, "hot part of sa_out is two lines");

struct sa_in {
	/* line 0 */
	_Atomic uint32_t spi;              /* host order; 0 while free; stored last (release) on install */
	uint32_t salt;
	const struct suite *suite;
	uint64_t seq_top;                  /* right edge of the window */
	uint64_t *window;                  /* replay_window bits, rounded up (replay.h) */
	uint64_t packets, bytes;
	uint16_t owner;
	uint16_t window_size;
	uint16_t tunnel_if;                /* where decrypted packets arrive */
	uint8_t icv_len, iv_len;
	uint8_t udp_encap, esn, expired, spare;
	uint32_t policy;
	/* line 1 on: per packet but small, then cold */
	alignas(64) struct sa_selectors sel;
	struct sa_counters c;
	struct endpoint local, remote;
	uint64_t moved_sent_tsc;
	struct dp_limits limits;
	uint64_t check_at;
	uint8_t soft_sent, hard_sent;
	alignas(64) uint8_t key[SA_KEY_BYTES];
};
static_assert(offsetof(struct sa_in, sel) == 64, "hot line of sa_in");
