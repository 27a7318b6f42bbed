/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diagnose vpn: from the state of a tunnel to what is wrong with it, by fixed trees of questions.  Same facts, same
 * answer; every step tells the evidence it went by.
 *
 *     diag_facts.c  the facts, from configuration, engine, data plane and journal; the command
 *     diag.c, diag_down.c  the trees: no I/O, nothing but the facts
 *     diag_way.c    of the facts those of a packet that is followed through
 */
#pragma once

#include "journal.h"
#include "mtu_found.h"
#include "proxy_state.h"

struct diag_facts {
	/* names, and the proxy-ID's remote network; tunnel: with its proxy-ID's, as commands take it */
	const char *gateway, *tunnel, *tunnel_if, *outer_if, *remote_net;
	char peer[ADDR_STR]; /* "" when it may be any */
	bool passive, start, natt_off, dpd_off;
	bool certified; /* one of the ends authenticates itself by certificate */
	/* Our own certificate is out of its time, by our own clock; told: which, its limit, the clock. */
	enum diag_own_cert { OWN_CERT_GOOD, OWN_CERT_EXPIRED, OWN_CERT_NOT_YET } own_cert;
	char own_cert_told[400];
	/* the way to the peer */
	bool port_up, peer_route;
	/* phase 1 */
	bool ike_up, ike_trying;
	bool auth_sent;  /* the negotiation under way has had an answer to IKE_SA_INIT ... */
	unsigned resent; /* ... and its last request was sent so many times more */
	uint64_t attempts, heard_ago_s;
	unsigned unanswered;                  /* times that the IKE SA's request was sent again */
	const struct ike_reason *ike_failure; /* NULL: none since it was up */
	bool nat, udp_encap;
	bool nat_ignored; /* a NAT was seen while nat-traversal is off */
	/* strangers' calls that may be the peer's */
	bool peer_v1; /* its address called in IKEv1 */
	unsigned n_callers;
	unsigned half_open, half_open_max; /* of the box */
	bool in_line;                      /* waits for its turn to start ... */
	uint32_t starts, starts_max, line; /* ... and what the box is at: so many, of so many; so many wait */
	char caller[200];                  /* the newest one: who, how, when */
	/* Of those who call us from an address that no gateway has: how many there are, the one with most calls; and how many
	 * gateways with a fixed peer-address are down, whose peer that may be.  IKE_SA_INIT does not say. */
	unsigned n_strays, n_down;
	uint64_t stray_calls, stray_ago_s;
	char stray[ADDR_STR];
	/* phase 2 */
	bool child_up, negotiating;
	const struct ike_reason *child_failure;
	uint64_t sa_age_s;
	bool pfs, sa_pfs;   /* configured; used for the SA that is up */
	char narrowed[300]; /* to what the peer narrowed the proxy-ID; "": it did not */
	uint64_t cut_off;   /* outbound packets outside of that */
	uint64_t rekey_in_s, expires_in_s;
	char rekey_at[8], expires_at[8];     /* the same by the clock, "14:05" */
	const struct ike_reason *pfs_before; /* an earlier rekey of this proxy-ID failed so; NULL: none did */
	/* traffic, of the SAs there are */
	enum proxy_traffic traffic;
	uint64_t one_way_s, encap, decap;
	uint64_t asked, without_sa; /* key acquire requests; packets dropped for want of an SA */
	uint64_t auth_errors, replays, malformed, outside; /* inbound drops; outside: not of the selectors */
	uint32_t window, window_needed;
	/* A packet from the proxy-ID's local to its remote network, as test vpn packet sees it.  others_allowed: the rules that
	 * deny it, or its answer, allow other packets of this proxy-ID. */
	bool traced, routed_in, ruled_out, back_ruled_out, others_allowed;
	char routed_part[PREFIX_STR];  /* all of the remote network that is routed in; "": the whole */
	char denied[2 * ADDR_STR + 8]; /* "10.1.0.2 to 10.2.0.1" */
	/* sizes */
	uint16_t mtu, path_mtu;
	uint16_t mss;                  /* what adjust-tcp-mss says; 0: no number */
	uint64_t too_big;              /* packets of the whole box that were told so */
	const struct mtu_found *tried; /* test vpn mtu, lately; NULL: not */
	uint64_t tried_ago_s;
	/* monitor */
	bool monitored, monitor_up;
	uint64_t rtt_ns;
	/* of the busiest worker, the last second */
	unsigned busy_percent;
	struct flaps flaps;
};

enum diag_state { DIAG_OK, DIAG_BAD, DIAG_NOTE, DIAG_UNKNOWN };
const char *diag_state_str(enum diag_state s);

enum { DIAG_STEPS = 16, DIAG_TEXT = 832 };
struct diag_report {
	const char *tree;    /* "tunnel down", "phase 1 only", "no traffic", "one way", "up" */
	const char *verdict; /* a word that stays the same: "no-answer" */
	char cause[DIAG_TEXT], fix[DIAG_TEXT];
	const struct ike_reason *reason; /* the recorded failure that the verdict follows; NULL: none */
	bool of_child;                   /* it is the Child SA's */
	bool ask_peer;                   /* only the peer knows more: its log has the reason */
	unsigned n;
	struct {
		const char *name;
		enum diag_state state;
		char text[DIAG_TEXT];
	} step[DIAG_STEPS];
};

void diagnose(const struct diag_facts *f, struct diag_report *r);
