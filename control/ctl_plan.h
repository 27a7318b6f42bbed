/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a new configuration changes of the one in force, found out beforehand: which proxy-IDs go on under their numbers,
 * which gateways stay as they are.  Reads the control thread's world and changes nothing in it, so it may be done in
 * another thread as long as no other configuration is being applied.
 */
#pragma once

#include "ctl.h"

/* Of the gateway at the same place in conf->gateways. */
struct plan_gateway {
	uint32_t *tunnels, n_tunnels; /* its own: places in conf->tunnels, in the file's order */
	bool same;                    /* neither it nor any of its tunnels differs */
	bool loses;                   /* a proxy-ID of its own goes on at another gateway */
};

struct ctl_plan {
	const struct config *conf;
	/* Every proxy-ID, in the file's order.  Fresh ones have no number yet, nor an interface if that is new, too. */
	struct ctl_policy *table;
	uint32_t n, *first; /* by tunnel: its first place in the table */
	bool *kept;         /* by place in the table in force: it goes on */
	bool *stays;        /* by place among the gateways in force: there is one of that name */
	struct plan_gateway *gateways;
	uint32_t *owners; /* of the tunnels in plan_gateway */
	size_t n_changed; /* gateways that are not the same */
};

/* 0 or -ENOMEM; plan_free() in both cases. */
int plan_make(const struct ctl *c, const struct config *conf, struct ctl_plan *p);
/* What was not taken out of it. */
void plan_free(struct ctl_plan *p);
