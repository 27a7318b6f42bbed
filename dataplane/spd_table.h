/* SPDX-License-Identifier: Apache-2.0 */
/* What spd.c (matching) and spd_api.c (changing) share. */
#pragma once

#include <rte_hash.h>

#include "dp.h"
#include "spd.h"

struct policy {
	_Atomic uint32_t sa_out; /* control: w, workers: r.  Handle, or DP_SA_NONE */
	uint32_t order;          /* read-only while published; smaller was added earlier */
	_Atomic uint16_t mss;    /* control: w, workers: r.  struct dp_policy_options */
	/* workers: w, only where traffic has no SA */
	_Atomic uint64_t acquire_tsc; /* of the last acquire, 0: none yet */
	_Atomic uint64_t acquires, no_sa_drops;
};

/* A proxy-ID as the hash knows it, 16 bytes because rte_hash compares those fastest.  Prefix lengths are
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

enum { SPD_LOCAL_PORT = 1, SPD_REMOTE_PORT = 2 };

/* One combination of masks that at least one proxy-ID of a tunnel interface has. */
struct spd_mask {
	uint8_t local_len, remote_len;
	bool proto;
	uint8_t ports;
	uint16_t rank;          /* combinations of one rank are equally specific: order decides */
	uint32_t local, remote; /* masks, network order */
	uint32_t policies;      /* control only: how many have it */
};

/* A tunnel interface as workers see it.  Replaced whole when a combination comes or goes. */
struct spd_if {
	uint32_t single; /* policy + 1 when it is the only one and any-any: no lookup */
	uint16_t n_masks;
	bool ports;             /* some combination looks at ports */
	struct spd_mask mask[]; /* most specific first */
};

#define SPD_NONE UINT32_MAX

extern struct policy *spd_policy;
extern struct rte_hash *spd_hash;
extern _Atomic(struct spd_if *) spd_if[IFS_MAX];
