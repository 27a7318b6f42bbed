/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine and the data plane have of proxy-IDs at this moment, for as many of them as a page has: the
 * time it takes does not depend on how many more there are. */
#pragma once

#include "ctl.h"

struct proxy_state {
	const struct ctl_policy *p; /* whose: the caller's to set */
	bool negotiating, up;
	uint32_t gateway_id;               /* 0: the engine has no such gateway */
	const struct ike_child_conf *conf; /* the Child SA's, as the engine has it; NULL: it has none */
	/* Of a rekey, for want of a common group or suite: the last one kept, mended or not. */
	const struct ike_reason *rekey_failure;
	const struct ike_reason *failure; /* the last one; NULL: none since it was up */
	unsigned n_sas;
	struct ike_child_info sa; /* the newest of n_sas; engine's strings are not kept beyond the call */
	struct dp_sa_stats in,
		out; /* of all its SAs together, since they were cleared: a rekeyed one is still read */
	uint64_t used_bytes,
		used_packets; /* of the newest, of the way that has more: what its lifetime counts */
	uint32_t sa_out;      /* the newest one's */
};

/* The operator wants counters to start from 0: as proxy_state_gather() tells them, from now on.
 * How many SAs it has, or -ENOMEM. */
int proxy_state_clear(struct ctl *c, const struct ctl_policy *p);
/* Fill in all but p, which are of different proxy-IDs.  Order is kept. */
void proxy_state_gather(struct ctl *c, struct proxy_state *list, size_t n);

/* "active", "init" or "inactive", of one alone: cheaper than to gather all. */
const char *proxy_state_word(struct ctl *c, const struct ctl_policy *p);

/* Which way packets go on SAs that are up.  *one_way_s: for how long the other way has been silent. */
enum proxy_traffic { TRAFFIC_NONE, TRAFFIC_BOTH, TRAFFIC_OUT_ONLY, TRAFFIC_IN_ONLY };
enum proxy_traffic proxy_traffic(const struct proxy_state *s, uint64_t *one_way_s);
