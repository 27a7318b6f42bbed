/* SPDX-License-Identifier: Apache-2.0 */
/* What spd.c (matching) and spd_api.c (changing) share. */
#pragma once

#include <stdalign.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_hash.h>

#include "dp.h"
#include "spd.h"

#define SPD_NONE UINT32_MAX

struct policy {
	_Atomic uint32_t sa_out; /* control: w, workers: r.  Handle, or DP_SA_NONE */
	_Atomic uint32_t next;   /* control: w, workers: r.  Of the same key, less preferred; SPD_NONE ends */
	uint64_t prefer;         /* read-only while published; of equally specific ones the smaller wins */
	/* Read-only while published: only packets with such ports are meant, if ranged. */
	bool ranged;
	uint16_t local_lo, local_hi, remote_lo, remote_hi;
	_Atomic uint16_t mss; /* control: w, workers: r.  struct dp_policy_options */
	/* workers: w, only where traffic has no SA */
	_Atomic uint64_t acquire_tsc; /* of the last acquire, 0: none yet */
	_Atomic uint64_t acquires, no_sa_drops;
};

/* A proxy-ID as the hash knows it: of a range of ports it knows nothing, those policies are told apart behind it; 16 bytes because rte_hash compares those fastest.  Prefix lengths are
 * part of the key: 10.0.0.0/8 and 10.0.0.0/16 are two. */
struct spd_key {
	alignas(8) uint32_t shape;        /* spd_shape(); the hash function loads eight bytes at a time */
	uint32_t local, remote;           /* network order, masked */
	uint16_t local_port, remote_port; /* 0: any */
};
static_assert(sizeof(struct spd_key) == 16, "no padding: keys are hashed as bytes");

static inline uint32_t spd_shape(uint32_t tunnel_if, uint8_t local_len, uint8_t remote_len, uint8_t proto)
{
	return tunnel_if | (uint32_t)local_len << 12 | (uint32_t)remote_len << 18 | (uint32_t)proto << 24;
}
static_assert(IFS_MAX <= 1 << 12, "an interface number has 12 bits in the shape");

/* The same of IPv6, whose lengths and addresses need more room: 48 bytes, another size that rte_hash knows. */
struct spd_key6 {
	alignas(8) uint16_t tunnel_if;
	uint8_t local_len, remote_len;
	uint16_t local_port, remote_port; /* 0: any */
	uint8_t proto, pad[7];
	uint64_t local[2], remote[2]; /* network order, masked */
};
static_assert(sizeof(struct spd_key6) == 48, "no padding but where it says so");

/* The first `len` bits of an IPv6 address. */
static inline void spd_masked6(const uint8_t addr[16], uint8_t len, uint64_t masked[2])
{
	uint64_t high = len >= 64 ? UINT64_MAX : len ? UINT64_MAX << (64 - len) : 0;
	uint64_t low = len >= 128 ? UINT64_MAX : len > 64 ? UINT64_MAX << (128 - len) : 0;

	memcpy(masked, addr, 16);
	masked[0] &= rte_cpu_to_be_64(high);
	masked[1] &= rte_cpu_to_be_64(low);
}

enum { SPD_LOCAL_PORT = 1, SPD_REMOTE_PORT = 2 };

/* One combination of masks that at least one proxy-ID of a tunnel interface has. */
struct spd_mask {
	uint8_t local_len, remote_len;
	bool proto;
	uint8_t ports;
	uint16_t rank;          /* combinations of one rank are equally specific: order decides */
	uint32_t local, remote; /* masks, network order; IPv4 only */
	uint32_t policies;      /* control only: how many have it */
};

/* A tunnel interface as workers see it, with its proxy-IDs of one family.  Replaced whole when a combination comes
 * or goes. */
struct spd_if {
	uint32_t single; /* policy + 1 when it is the only one and any-any: no lookup */
	uint16_t n_masks;
	struct spd_mask mask[]; /* most specific first */
};

/* IPv4 and IPv6 share policies, and nothing else. */
struct spd_family {
	struct rte_hash *hash; /* spd_key or spd_key6 -> policy */
	_Atomic(struct spd_if *) tunnel[IFS_MAX];
};

extern struct policy *spd_policy;
extern struct spd_family spd4, spd6;

/* All below: spd_if.c, control thread. */

/* The combination that finds a proxy-ID. */
struct spd_mask spd_mask_for(const struct dp_policy_conf *c, bool v6);
/* Show workers tunnel interface i with one more policy, which is in the hash.  0, or -ENOMEM. */
int spd_if_show(struct spd_family *f, uint16_t i, const struct spd_mask *mask, uint32_t policy);
/* Workers stop looking for a policy that is about to go, the last one of its family or not.  When memory is
 * short they keep looking in vain, which costs time and nothing else. */
void spd_if_hide(struct spd_family *f, uint16_t i, const struct spd_mask *mask, bool last);
/* `policy` is left alone on the interface and any-any, so it gets the short way; SPD_NONE: none is. */
void spd_if_crown(struct spd_family *f, uint16_t i, uint32_t policy);
