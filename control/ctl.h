/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control thread's world: configuration, engine, data plane, event loop.  main.c makes one, the
 * CLI's handlers read from it.
 */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "dp_api.h"
#include "ike.h"

struct cli_server;

/* What the daemon remembers of an interface, a proxy-ID, and an installed Child SA. */
struct ctl_interface {
	char name[CFG_NAME];
	uint16_t ifindex;
};

struct ctl_policy { /* one proxy-ID */
	const struct cfg_tunnel *tunnel;
	const struct cfg_proxy_id *proxy;
	uint32_t number; /* position in the box's list of proxy-IDs: what the operator calls tunnel-id */
	uint32_t policy; /* the data plane's */
};

struct ctl {
	struct ev_loop *loop;
	struct config *conf;
	struct ike *ike;
	struct cli_server *cli;
	uint32_t n_policies;
	struct ctl_policy *policies;
	size_t n_interfaces;
	struct ctl_interface *interfaces;
	uint64_t started_ns; /* monotonic */
	bool stopping;
	ev_io dp_io;
	ev_timer dp_tick, ike_timer, stop_timer;
	ev_signal sigterm, sigint;
};

/* Monotonic nanoseconds: the `now` of the engine and the data plane. */
uint64_t ctl_now(void);
/* Wall-clock seconds of a `now` time, for the operator. */
int64_t ctl_wall(uint64_t now_time);

/* Build everything from a checked configuration and run until SIGTERM.  Process exit status. */
int ctl_run(struct config *conf);
/* After any engine call from outside its own timer: arm the timer for what it wants next. */
void ctl_ike_rearm(struct ctl *c);

/* An installed Child SA in the data plane, as kept in struct ike_child_sa.host. */
struct ctl_child {
	uint32_t spi_in, sa_out, policy;
};
