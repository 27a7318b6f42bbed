/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gateways as configured, the slots they offer (one for each proxy-ID), and the will to have them up:
 * who is tried, when, and how long to wait after a failure.
 */
#pragma once

#include "engine.h"
#include "reason_log.h"

struct msg_id;

/* One selector at each end, as the key of a hash: with nothing in its padding. */
struct slot_ts {
	struct ts local, remote;
};

/* A configured Child SA: up, on its way, or not. */
struct slot {
	UT_hash_handle hh;      /* ike->slots by policy */
	UT_hash_handle hh_name; /* gw->by_name */
	UT_hash_handle hh_ts;   /* gw->by_ts, of which only the first of twins is */
	struct slot_ts ts;      /* its selectors, where it has one at each end */
	struct gw *gw;
	struct ike_child_conf *conf; /* inside gw->conf; of its own once retired */
	uint32_t policy;
	char key[2 * IKE_NAME];
	struct child_sa *children; /* all of this slot */
	struct child_sa *current;  /* the one that carries outbound traffic */
	unsigned n_children;
	/* What a dead peer left behind (dpd_action): on HOLD it does not start by itself, on CLEAR not by traffic
	 * either.  RESTART: nothing of the kind. */
	enum ike_dpd_action rest;
	bool acquired;   /* asked for by traffic or operator: one attempt */
	bool was_up;     /* came up once and was not cleared: keep it up */
	bool has_flow;   /* the packet that asked is known: these selectors are it (RFC 7296 2.9) */
	bool single;     /* the peer takes no more than that pair of addresses */
	bool wants_flow; /* refused as that was not known */
	struct ts flow_local, flow_remote;
	bool twin;         /* another slot of the gateway has the same ts */
	bool retired;      /* no more in the configuration; freed with its last child */
	struct ike_sa *on; /* queued or negotiating there */
	unsigned fails;
	uint64_t next_try;
	struct reason_log failed;
	struct timer retry;
};

/* Gateways between one pair of addresses; remote.v == 0: any. */
struct gw_pair_key {
	struct addr local, remote;
};
struct gw_pair {
	UT_hash_handle hh;
	struct gw_pair_key key;
	struct gw *gws;
};

struct gw {
	UT_hash_handle hh;
	struct gw *pair_prev, *pair_next;
	struct gw_pair *pair;
	struct ike *k;
	struct ike_gw_conf conf;
	struct slot **slots;
	struct slot *by_name, *by_ts;
	struct ike_sa *sas;
	uint32_t number; /* the n-th that was made */
	unsigned refs;   /* SAs that point here, buried ones too */
	bool removed;    /* freed with its last SA */
	bool in_pair;
	uint16_t group;                        /* DH group the peer asked for last */
	struct addr redirect, redirected_from; /* redirect.h; v == 0: as configured */
	unsigned hops;                         /* redirects since hops_since */
	uint64_t hops_since;
	uint64_t attempts, failures, next_try;
	unsigned fails;                  /* in a row */
	bool known;                      /* had an SA */
	bool forced;                     /* an operator waits for its turn (pace.h): whatever the back-off */
	bool again;                      /* asked for once more while we waited: one fresh attempt at once */
	bool nat_ignored;                /* a NAT was seen on the way, with nat-traversal off */
	uint64_t debug_until, tap_until; /* tap.h */
	uint64_t spi_told_at;            /* last time that ESP with an unknown SPI made us do something */
	struct reason_log failed;
	struct timer retry;
	struct pace_wait turn;
};

struct gw *gw_find(struct ike *k, const char *name);
void gw_free_all(struct ike *k);
/* Its last SA has gone: free it when it was removed from the configuration. */
void gw_put(struct gw *gw);

/* Walk the gateways between these addresses: those with the exact remote address first, then those with
 * any.  Start with NULL. */
struct gw *gw_candidate(struct ike *k, const struct addr *local, const struct addr *remote,
			const struct gw *after);
/* The gateway among the candidates whose peer has this identity, and that would have agreed on suite. */
struct gw *gw_by_id(struct ike *k, const struct addr *local, const struct addr *remote,
		    const struct suite_choice *suite, const struct msg_id *idi, const struct msg_id *idr);
/* Gateways between these addresses, or NULL; remote NULL: any. */
struct gw_pair *gw_pair_find(struct ike *k, const struct addr *local, const struct addr *remote);
void gw_pair_join(struct gw *gw);
void gw_pair_leave(struct gw *gw);
/* Identities in use: what is configured, or the address. */
void gw_local_id(const struct gw *gw, const struct addr *local, struct ike_id *out);
void gw_remote_id(const struct gw *gw, const struct addr *remote, struct ike_id *out);
/* Is m the identity of the gateway's peer at that address? */
bool gw_peer_is(const struct gw *gw, const struct addr *remote, const struct msg_id *m);
void gw_id_or_addr(const struct ike_id *id, const struct addr *a, struct ike_id *out);
bool id_is(const struct ike_id *id, const struct msg_id *m);
void id_of(const struct msg_id *m, struct ike_id *out);

/* May we start an IKE SA? */
bool gw_initiates(const struct gw *gw);
/* Our attempt under way, which was not cleared; NULL: none. */
struct ike_sa *gw_trying(const struct gw *gw);
/* Bring up what is wanted; arms the retry timer when it is too early. */
void gw_service(struct gw *gw);
/* An operator wants its IKE SA, whatever the back-off; it is neither up nor on its way. */
void gw_start(struct gw *gw);
/* It has waited for its turn, and may start. */
void gw_turn(struct gw *gw);
void slot_service(struct slot *s);
/* An attempt failed or came up. */
void gw_failed(struct gw *gw, const struct ike_reason *r);
void gw_succeeded(struct gw *gw);
void gw_record(struct gw *gw, const struct ike_reason *r);
/* A child negotiation failed: record, event, back-off.  sa may be NULL. */
void slot_failed(struct slot *s, struct ike_sa *sa, const struct ike_reason *r, bool rekey);
void slot_record(struct slot *s, const struct ike_reason *r);
/* Traffic asked, with this packet; taken no notice of when it does not fit the slot. */
void slot_flow(struct slot *s, const struct ike_flow *f);
/* Up now, or on its way? */
bool slot_up(const struct slot *s);
/* Is somebody waiting for it: configuration, traffic, or because it was up? */
bool slot_wanted(const struct slot *s);
/* Try now, whatever the back-off: 1 when a negotiation was started, 0 when up or on its way. */
int slot_start(struct slot *s);
struct slot *slot_find(struct ike *k, uint32_t policy);
/* For slot_by_ts(): none is found any more, before slots may be freed; and then those that the gateway has. */
void slots_unindex(struct gw *gw);
void slots_index(struct gw *gw);
/* The gateway's slot with just these two selectors, if it is the only one. */
struct slot *slot_by_ts(const struct gw *gw, const struct ts *local, const struct ts *remote);
/* Its last child has gone: free it when it was retired. */
void slot_put(struct slot *s);

void gw_on_retry(struct ike *k, void *gw);
void slot_on_retry(struct ike *k, void *slot);
