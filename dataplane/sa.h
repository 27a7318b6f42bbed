/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run-time SAs: what a worker touches per packet, and little else.  Names, identities, lifetimes in
 * seconds and the negotiation live in the control plane.
 *
 * An SA belongs to one worker (`owner`); sequence number, window and counters are plain integers that
 * only the owner writes.  The control thread reads the counters without a lock: an aligned 64-bit
 * load is never torn, and a value one packet old is as good as a fresh one.
 *
 * Cache lines are what an SA costs when there are many of them, so both types are laid out by line.
 * Outbound: line 0, one of two header templates, the key lines.  Inbound: lines 0 and 1, the window's
 * word, the key lines.  Everything else is cold and lies between.
 */
#pragma once

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <intel-ipsec-mb.h>
#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "addr.h"
#include "dp_api.h"

/* Expanded keys.  GCM's with its 48 powers of the hash key is the largest; the suites that need AES and
 * HMAC keys assert that theirs fit. */
enum { SA_KEY_BYTES = (sizeof(struct gcm_key_data) + 63) & ~63 };

enum sa_flag {
	SA_PLAIN4 =
		1, /* selectors: one IPv4 range a side, any protocol and port: struct sa_ranges says all */
	SA_ESN = 2,
	SA_UDP = 4, /* RFC 3948 encapsulation */
	SA_REPLAY = 8,
	SA_TFC = 16,       /* outbound: short packets are padded to tfc_pad_to */
	SA_OUTER6 = 32,    /* outer header is IPv6 */
	SA_TRANSPORT = 64, /* the packet's own IP header is the outer one */
};

/* Last use in units of 2^31 TSC cycles, about a second; 0 is never. */
enum { SA_USED_SHIFT = 31 };

/* Address ranges of a SA_PLAIN4 SA, host order: the first address, and how many follow. */
struct sa_ranges {
	uint32_t local, local_more, remote, remote_more;
};

/* An IPv6 prefix as a packet's address is compared with it, network order. */
struct sa_prefix6 {
	uint64_t net[2], mask[2];
};

/* Negotiated selectors that struct sa_ranges cannot express.  Immutable while the SA lives. */
struct sa_selectors {
	uint8_t n_local, n_remote;
	bool plain6; /* one IPv6 prefix a side, any protocol and port: these two say all */
	struct sa_prefix6 local6, remote6;
	struct ts local[DP_TS_MAX], remote[DP_TS_MAX];
};

/* Limits in force and what was said about them already; life.h. */
struct sa_life {
	struct dp_limits limits;
	bool soft_sent, hard_sent;
};

/* Outer headers ready to copy: IPv4 20 + UDP 8 + SPI 4, or IPv6 40 + 8 + 4.  DF and the TOS byte are the inner header's,
 * masked, and what is always set, which in IPv4 is in the template. */
struct sa_outer {
	alignas(64) uint8_t hdr[52];
	uint16_t sum;    /* IPv4: of the header's words behind the first two, the checksum taken for zero */
	uint8_t tos_set; /* IPv6 */
	uint64_t keep;   /* of an IPv4 header's first eight bytes, as in memory */
};
static_assert(sizeof(struct sa_outer) == 64, "a template is one line");

struct sa_out {
	/* line 0: the owner's, per packet */
	uint64_t seq;          /* last one used; also the number of packets */
	uint64_t bytes;        /* inner */
	uint64_t stop_seq;     /* the next sequence number beyond this takes the slow path: life.h */
	uint32_t hop, hop_gen; /* next hop to the peer as of dp.generation hop_gen: fib_lookup_outer() */
	struct sa_ranges ranges;
	uint32_t salt; /* as bytes */
	uint32_t used;
	uint16_t owner;
	_Atomic uint16_t max_inner; /* control: w.  Largest inner packet for the way out's MTU */
	uint8_t suite;              /* index, see suite_at() */
	uint8_t hdr_len; /* outer IP unless SA_TRANSPORT, UDP, ESP header and IV: bytes to prepend */
	uint8_t flags;   /* enum sa_flag */
	_Atomic uint8_t outer_now; /* control: w.  Which of outer[] is in force */
	/* Two header templates: dp_sa_move() writes the one not in force and flips outer_now (release);
	 * it writes again only after a grace period, so a worker never copies one that is being written. */
	struct sa_outer outer[2];
	/* cold */
	_Atomic uint32_t handle; /* 0 while free */
	uint32_t policy;
	uint32_t spi; /* host order */
	uint16_t tfc_pad_to;
	uint16_t tunnel_if;         /* of its policies */
	_Atomic uint16_t outer_mtu; /* control: w.  Of the way to the peer; max_inner follows from it */
	struct sa_life life;
	uint64_t selector_drops;  /* owner: w */
	struct sa_selectors *sel; /* NULL with SA_PLAIN4 */
	/* control only */
	struct endpoint local, remote;
	uint16_t pmtu;           /* of the way to the peer as routers say, 0: nothing; pmtu.h */
	uint64_t pmtu_until;     /* when that is forgotten */
	bool moving, move_again; /* grace period of a move runs; another move waits for its end */
	bool dying;
	uint16_t guests; /* policies bound to it besides its own */
	alignas(64) uint8_t key[SA_KEY_BYTES];
};
static_assert(offsetof(struct sa_out, outer) == 64, "hot part of sa_out is one line");
static_assert(offsetof(struct sa_out, handle) == 192, "each template has its own line");

struct sa_in {
	/* line 0 */
	_Atomic uint32_t spi;    /* host order; 0 while free; stored last (release) on install */
	uint32_t salt;           /* as bytes */
	uint64_t *window;        /* replay.h */
	uint64_t seq_top;        /* highest authenticated */
	uint64_t packets, bytes; /* inner */
	uint16_t owner;
	uint16_t window_size, window_mask;
	uint16_t tunnel_if; /* where decrypted packets arrive */
	uint8_t suite, flags;
	uint8_t around; /* bytes of ESP header, IV and ICV */
	uint8_t align;  /* low bits that the text's length has not: its suite's block less one */
	uint32_t used;
	uint64_t stop_packets; /* slow path beyond this: life.h */
	/* line 1 */
	alignas(64) struct sa_ranges ranges;
	_Atomic uint64_t peer;    /* control: w.  sa_peer() of the peer's address and port */
	uint64_t moved_at;        /* TSC of the last punt_moved() */
	uint32_t local4;          /* our address, network order; 0: IPv6 */
	struct sa_selectors *sel; /* NULL with SA_PLAIN4 */
	/* cold: owner: w, control: r */
	alignas(64) uint64_t auth_errors;
	uint64_t replays, selector_drops, malformed;
	uint64_t late[DP_LATE_BUCKETS], left[DP_LATE_BUCKETS]; /* see struct dp_sa_stats */
	struct sa_life life;
	/* control only */
	uint32_t policy;
	bool dying;
	struct endpoint local, remote;
	alignas(64) uint8_t key[SA_KEY_BYTES];
};
static_assert(offsetof(struct sa_in, ranges) == 64, "line 0 of sa_in");
static_assert(offsetof(struct sa_in, auth_errors) == 128, "hot part of sa_in is two lines");

/* An IPv4 peer and its port as one word that is stored and loaded whole. */
enum { SA_PEER_ADDR = 16 };
static inline uint64_t sa_peer(uint32_t addr_be, uint16_t port)
{
	return (uint64_t)addr_be << SA_PEER_ADDR | port;
}

/* The same of an IPv6 peer, whose address does not fit: mixed, so that no two are alike but by an accident
 * of one in 2^64, which would only keep a move from being noticed. */
static inline uint64_t sa_peer6(const uint8_t addr[16], uint16_t port)
{
	uint64_t a[2];

	memcpy(a, addr, sizeof(a));
	a[0] = (a[0] ^ port) * UINT64_C(0x9e3779b97f4a7c15);
	a[0] ^= a[0] >> 32;
	return (a[0] + a[1]) * UINT64_C(0xff51afd7ed558ccd);
}

static inline uint32_t sa_used_now(uint64_t tsc)
{
	return (uint32_t)(tsc >> SA_USED_SHIFT) + 1;
}

/* Owner.  A second's packets write it once. */
static inline void sa_use(uint32_t *used, uint32_t now)
{
	if (unlikely(*used != now))
		__atomic_store_n(used, now, __ATOMIC_RELAXED);
}
