/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine and a data plane that hold what a test puts into them: what the operator's handlers read and
 * call, without either being there.
 */
#pragma once

#include "capture_file.h"
#include "ctl.h"
#include "ike_capture.h"

enum { FAKE_MAX = 4096 };

struct fake_world {
	struct ctl ctl;
	struct config conf;
	uint64_t now;
	int64_t epoch; /* wall clock at now 0 */

	size_t n_sas, n_children, n_gateways, n_conf_children;
	size_t looked; /* SAs, gateways and configured children that were told of */
	struct ike_sa_info sas[FAKE_MAX];
	struct ike_child_info children[FAKE_MAX];
	struct ike_gw_info gateways[64];
	struct ike_conf_child_info conf_children[FAKE_MAX];
	size_t n_calls;
	struct ike_call calls[16];
	struct ike_counters counters;

	/* what was called */
	char called[256];
	int answer;     /* of test and clear */
	unsigned again; /* of test: asked again */
	unsigned rearmed;
	const char *commit_says; /* an error line; NULL: commit succeeds */
	bool commit_partly;

	struct dp_sa_stats in, out;
	struct dp_policy_stats policy;
	uint64_t drops[3];
	struct dp_route route;
	struct capture_state capture;
	struct ike_capture_state ike_capture;
	int route_rc;
	struct dp_echo echo; /* dp_echo_send() */
	unsigned echoes, echo_closed;
	bool answers_echoes;
	uint32_t inactive;            /* a bit for each route */
	struct dp_trace_packet asked; /* dp_trace_packet() */
	struct dp_trace trace;
};
extern struct fake_world *fake;

/* A gateway "G1" (198.51.100.20 to 203.0.113.10), tunnel "T1" with proxy-IDs "P1" and "P2", nothing up. */
void fake_begin(void);
void fake_end(void);
/* An established IKE SA of G1, and a Child SA of policy number n (1, 2). */
struct ike_sa_info *fake_ike_sa(void);
struct ike_child_info *fake_child(uint32_t n);
