/* SPDX-License-Identifier: Apache-2.0 */
/* The commands' handlers, and what they share. */
#pragma once

#include "doc.h"
#include "filter.h"
#include "job.h"

struct flaps;

cli_handler cli_show_ike_sa, cli_show_ipsec_sa, cli_show_flow, cli_show_gateway, cli_show_tunnel;
cli_handler cli_show_counter_drop, cli_show_counter_ike, cli_show_counter_global, cli_show_log,
	cli_show_dataplane, cli_show_interface, cli_show_route, cli_show_system_info, cli_show_capacity,
	cli_show_rules, cli_show_monitor, cli_show_history, cli_diagnose;
cli_handler cli_test_ike_sa, cli_test_ipsec_sa, cli_test_packet, cli_test_mtu, cli_rekey_ike_sa,
	cli_rekey_ipsec_sa, cli_reauthenticate, cli_clear_ike_sa, cli_clear_ipsec_sa, cli_debug_ike_on,
	cli_debug_ike_off, cli_debug_ike_gateway, cli_debug_capture, cli_debug_capture_stop,
	cli_debug_capture_show, cli_commit, cli_explain, cli_ping, cli_clear_flow;

/* Complain that there is no such thing. */
enum cli_page cli_no_gateway(struct cli_job *j, const char *name);
enum cli_page cli_no_tunnel(struct cli_job *j, const char *name);
/* The configured gateway of this name, or NULL. */
const struct cfg_gateway *cli_gateway(const struct ctl *c, const char *name);
/* The same of one whose number the engine has: without a search. */
const struct cfg_gateway *cli_gateway_of(const struct ctl *c, const char *name, uint32_t id);
/* A Child SA is this proxy-ID's, and not that of another of a tunnel whose proxy-IDs share one. */
bool cli_leads(const struct ctl *c, const struct ctl_policy *p);
/* Is it one of the configured interfaces'? */
bool cli_own_address(const struct ctl *c, const struct addr *a);
/* The tunnel that "tunnel" or "tunnel:proxy-id" is of; NULL: there is no such thing. */
const struct cfg_tunnel *cli_tunnel_of(const struct ctl *c, const char *name);
/* Is there? */
bool cli_tunnel_known(const struct ctl *c, const char *name);

/* What the times of a proxy-ID's outages say; 0 or -ENOMEM. */
int cli_flaps(const struct ctl *c, const struct ctl_policy *p, struct flaps *f);
void cli_flaps_doc(json_t *o, const struct flaps *f);

/* The Child SA that serves "tunnel" or "tunnel:proxy-id": that of the whole tunnel where its proxy-IDs share one.
 * NULL stays NULL. */
const char *cli_child_name(const struct ctl *c, const char *name);

/* To read an IKE SA or a gateway its Child SAs are counted: so many are as dear as reading one. */
enum { COUNTED = 4 };

/* What "show vpn ike-sa" and "show vpn ipsec-sa" tell of a Child SA. */
void cli_child(json_t *o, const struct ike_child_info *i);
