/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control thread's world: configuration, engine, data plane, event loop.
 *
 *     main.c       arguments, --check
 *     ctl.c        the event loop: what wakes it, start, stop
 *     ctl_plan.c   what a configuration changes of the one in force
 *     ctl_apply.c  configuration -> data plane and engine, at start and on commit
 *     ctl_commit.c the file read anew, beside the control thread, and applied a little at a time
 *     ctl_check.c  what a configuration needs and this machine has not
 *     ctl_rules.c  zones and security rules
 *     ctl_route.c  which of the configured routes are in force
 *     ctl_monitor.c  tunnel monitors
 *     capture_file.c  packets of a tunnel into a file, at the operator's wish
 *     ike_capture.c  a gateway's IKE messages in clear into a file, and more of it in the log
 *     ctl_certs.c  certificates that end soon, told in the log
 *     ctl_fetch.c  lists and OCSP answers, by HTTP
 *     ctl_host.c   what the engine asks of its host: SAs into the data plane, datagrams out
 *
 * One thread; everything here belongs to it.
 */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include <uthash.h>

#include "config.h"
#include "dp_api.h"
#include "ike.h"

struct cli_server;
struct ctl_capture;
struct ctl_ike_capture;
struct ctl_fetcher;
struct ctl_commit;
struct journal;

struct ctl_interface {
	char name[CFG_NAME];
	uint16_t ifindex;
	bool link_down, monitor_down; /* the port has no link; a monitor's fail-over */
};

/* One monitored destination. */
struct ctl_target {
	bool up, waiting; /* for the answer to the last probe */
	uint16_t seq;
	unsigned lost_in_row, answered_in_row;
	uint64_t bitmap; /* of the last probes, the newest lowest; 1: answered */
	uint64_t sent, recv;
	uint64_t sent_ns, rtt_ns, rtt_min_ns, rtt_max_ns;
};

struct ctl_monitor {
	struct ctl *c;
	const struct cfg_tunnel *conf;
	uint16_t ifindex, number;
	bool up;
	uint64_t since, renegotiated, failures;
	struct ctl_target target[CFG_MONITORED];
	ev_timer timer;
};

/* One proxy-ID in the data plane. */
struct ctl_policy {
	struct dp_policy_conf dp;
	const struct cfg_tunnel *tunnel;
	const struct cfg_proxy_id *proxy;
	uint32_t number; /* what the operator calls tunnel-id */
	uint32_t policy; /* the data plane's number */
	/* Of use while it is being applied: its tunnel before, NULL if it is new; its options are not those it had. */
	const struct cfg_tunnel *was;
	bool fresh, other_carry;
};

/* An installed Child SA: what struct ike_child_sa.host points to. */
struct ctl_child {
	uint32_t spi_in, sa_out, policy;
	uint16_t dummy_rate;                       /* packets a second ... */
	struct ctl_child *dummy_prev, *dummy_next; /* ... and if any, ctl->dummies */
	struct dp_sa_stats
		*cleared; /* inbound and outbound counters when the operator cleared them; NULL: never */
	uint8_t n_more;   /* further policies it serves: proxy-id-mode = "combined" */
	uint32_t more[IKE_TS_MAX - 1];
	UT_hash_handle hh; /* by sa_out, for expiry events */
};

/* What workers had done at a moment, to tell how busy they were since. */
struct ctl_load {
	uint64_t busy_ns, up_ns;
};

/* What the control thread does between two waits is a turn: while it lasts, nobody's IKE message is answered. */
struct ctl_turns {
	uint64_t began_ns;
	uint64_t busy_ns, second_ns;    /* since the start; in the last full second */
	uint64_t before_ns;             /* busy_ns when that second ended */
	uint64_t longest_ns, long_ones; /* those beyond CTL_LONG_TURN_MS */
	uint64_t began_cpu_ns,
		longest_cpu_ns; /* what this thread did itself, others' turns on its core not counted */
};
enum { CTL_LONG_TURN_MS = 10 };

struct ctl {
	struct ev_loop *loop;
	const char *conf_path;
	struct config *conf;
	struct ike *ike;
	struct cli_server *cli;
	struct ctl_fetcher *fetcher; /* made when it is first needed */
	struct journal *journal;     /* journal.h */
	struct ctl_commit *commit;   /* going on */
	bool commit_again;           /* the file may have changed since that was begun */
	struct ctl_capture *capture; /* capture_file.c */
	struct ctl_ike_capture *ike_capture;
	struct ctl_child *children;
	struct ctl_child *dummies; /* those with a dummy_rate */
	uint32_t n_policies, next_number, next_rule_id;
	uint32_t *rule_ids; /* the data plane's, of conf->rules */
	struct ctl_policy *policies;
	uint32_t n_leaders, *leaders; /* by policy: the one whose Child SA serves it, mostly itself */
	uint16_t *dummy_rates;        /* by policy, n_leaders of them; NULL: no tunnel has one */
	size_t n_interfaces, n_monitors, n_fib, last_interface;
	uint16_t n_zones;
	cfg_zone_name *zones; /* by their number, less one */
	struct ctl_interface *interfaces;
	struct ctl_monitor *monitors;
	struct ctl_fib_entry *fib; /* routes that the data plane has */
	uint64_t started_ns;       /* monotonic */
	uint64_t stop_by_ns;
	bool stopping;
	unsigned ticks;
	struct ctl_load load[2][DP_WORKERS_MAX]; /* at the last full second, and the one before */
	ev_io dp_io;
	struct ctl_turns turns;
	ev_check turn_begins;
	ev_prepare turn_ends;
	ev_timer dp_tick, ike_timer, cert_day;
	ev_signal sigterm, sigint, sighup;
};

/* Monotonic nanoseconds: the `now` of the engine and the data plane. */
uint64_t ctl_now(void);
/* Wall-clock seconds of a `now` time, for the operator. */
int64_t ctl_wall(uint64_t now_time);
/* The wall clock, milliseconds since 1970. */
int64_t ctl_wall_ms(void);

/* Build everything from a checked configuration (taken over) and run until SIGTERM.  Exit status. */
int ctl_run(struct config *conf, const char *conf_path);
/* After any engine call from outside ctl.c: arm the timer for what the engine wants next. */
void ctl_ike_rearm(struct ctl *c);

/* ---- ctl_check.c ---- */

/* What a file may say and this build or machine cannot do: ESP suites the data plane lacks, cores there are not.
 * Number of problems.  Warns when nothing filters. */
unsigned ctl_check(const struct config *conf, config_say_fn *say, void *arg);
/* What the data plane is started with, but for its log.  devices: to hold what the result points to; more ports than the
 * data plane takes, so that dp_port_add() says so. */
enum { CTL_PORTS_MAX = 64 };
struct dp_conf ctl_dp_conf(const struct config *conf, const char *devices[CTL_PORTS_MAX]);

/* ---- ctl_apply.c ---- */

/* Routes, proxy-IDs and gateways: makes the data plane and the engine match conf, touching only what
 * differs from before.  conf is taken over unless it fails; on error a text is in err. */
int ctl_apply(struct ctl *c, struct config *conf, char *err, size_t err_len);
/* The same a little at a time, as planned (taken over): other events come in between. */
struct ctl_plan;
struct ctl_apply *ctl_apply_begin(struct ctl *c, struct config *conf, struct ctl_plan *plan);
/* For about so long.  -EAGAIN: there is more to do; 0: done; else it failed, err tells, and whether some of it is in
 * force all the same.  Freed but for -EAGAIN. */
int ctl_apply_step(struct ctl_apply *a, uint64_t ns, bool *partly, char *err, size_t err_len);
/* It is not done: the process ends.  May be NULL. */
void ctl_apply_end(struct ctl_apply *a);
void ctl_apply_fini(struct ctl *c);

/* ---- ctl_commit.c ---- */

struct ctl_commit_result {
	int rc; /* 0: applied; -EBUSY, -ENOSPC: takes a restart; else bad, or could not be done */
	size_t changed_gateways; /* of so many: */
	size_t gateways;
	bool partly; /* it failed, and some of it is in force all the same */
};
/* How it went, to whom asked for it. */
typedef void ctl_committed_fn(void *arg, const struct ctl_commit_result *r);
/* Re-read the file and apply it; a bad file, or one that changes what only a restart can, changes nothing.  It is read in
 * another thread, and what is to be done then is done in slices, so that nothing else waits.  Problems go to say line
 * by line, and then done is called, all in the control thread.  -EALREADY: another commit is going on. */
int ctl_commit(struct ctl *c, config_say_fn *say, ctl_committed_fn *done, void *arg);
/* Nobody waits for the outcome, which goes to the log; if one is going on already, then another behind it. */
void ctl_commit_again(struct ctl *c);
/* Who asked has gone; what was begun goes on. */
void ctl_commit_forget(struct ctl *c, void *arg);
void ctl_commit_fini(struct ctl *c);

/* ---- ctl_interface.c ---- */

/* Those of conf that are not there yet: all of them before dp_start(), and tunnel interfaces afterwards. */
int ctl_apply_interfaces(struct ctl *c, const struct config *conf, char *err, size_t err_len);
/* Does next want of interfaces what only a new process can do?  Then what says so in words. */
bool ctl_interfaces_need_restart(const struct ctl *c, const struct config *next, char *what, size_t cap);
/* NULL: there is none of this name. */
struct ctl_interface *ctl_interface_find(struct ctl *c, const char *name);
/* 0, or -ENOENT. */
int ctl_ifindex(struct ctl *c, const char *name, uint16_t *ifindex);
const char *ctl_interface_name(const struct ctl *c, uint16_t ifindex);
/* Numbers for the zones of conf that have none yet. */
int ctl_name_zones(struct ctl *c, const struct config *conf);
/* The zone's number in the data plane, the same for every interface that is in it; 0 for "". */
uint16_t ctl_zone(const struct ctl *c, const char *zone);
/* Interfaces into their zones. */
int ctl_apply_zones(struct ctl *c, const struct config *conf);

/* ---- ctl_rules.c ---- */

/* conf's rules into force: a rule keeps its hits by its name.  *ids: theirs in the data plane, in conf's order, the
 * caller's. */
int ctl_apply_rules(struct ctl *c, const struct config *conf, uint32_t **ids, char *err, size_t err_len);
/* A rule that logs was met. */
void ctl_rule_hit(struct ctl *c, const struct dp_rule_hit *h);

/* ---- ctl_route.c ---- */

/* conf's routes that are in force now into the data plane, touching only what differs. */
int ctl_apply_routes(struct ctl *c, const struct config *conf, char *err, size_t err_len);
/* Is the interface that a route leaves by up? */
bool ctl_route_usable(struct ctl *c, const struct config *conf, const struct cfg_route *r);
/* Is conf->routes[i] in force, and how many are for its destination? */
bool ctl_route_active(const struct ctl *c, size_t i, unsigned *together);
/* A port's link changed; a monitor has its tunnel interface go down or come up. */
void ctl_link(struct ctl *c, const struct dp_link *l);
void ctl_tunnel_if_state(struct ctl *c, const char *name, bool up);

/* ---- ctl_monitor.c ---- */

/* conf's monitors run from now on; those that did not change go on where they are. */
int ctl_apply_monitors(struct ctl *c, const struct config *conf);
void ctl_probe_answer(struct ctl *c, const struct dp_probe_answer *a);

/* ---- ctl_host.c ---- */

/* Every 100 ms: the dummy packets that are due. */
void ctl_dummies(struct ctl *c);
extern const struct ike_host ctl_ike_host;       /* ctx: struct ctl */
extern const struct dp_handlers ctl_dp_handlers; /* ctx: struct ctl */
/* An ESP suite in the data plane's words; false: no such suite there. */
bool ctl_dp_suite(uint16_t encr, uint16_t key_bits, uint16_t integ, struct dp_suite *s);
