/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine object and what its parts share.  Only sources of the engine include this.
 *
 * Ownership: struct ike owns gateways, a gateway owns its slots and IKE SAs, an IKE SA owns its Child
 * SAs, tasks and exchange.  SAs that end inside a handler go to the graveyard and are freed when the
 * engine call returns, so no handler ever holds a freed SA.
 */
#pragma once

#include "counters.h"
#include "ike.h"
#include "timer.h"

/* uthash ends the process when memory is out; the control thread could not go on either. */
#include <uthash.h>
#include <utlist.h>

#define NS_S  UINT64_C(1000000000)
#define NS_MS UINT64_C(1000000)

struct gw;
struct gw_pair;
struct slot;
struct ike_sa;
struct child_sa;
struct source;
struct frag_in;
struct followup;
struct calls;

/* Somebody in line for a start (pace.h): an IKE SA with proxy-IDs to bring up, or a gateway without one. */
struct pace_wait {
	struct pace_wait *prev, *next;
	struct ike_sa *sa;
	struct gw *gw;
	bool waits;
};
struct pace {
	struct pace_wait *line;
	uint32_t waiting, out; /* in line; requests that hold a place */
	uint32_t started;      /* in this call of the engine */
	bool granted;          /* whose turn it is may start */
};

/* So many per second, so many at once. */
struct bucket {
	uint64_t last; /* when tokens was right */
	double tokens;
};

struct ike {
	const struct ike_host *host;
	void *ctx;
	uint64_t now;
	bool debug, stopping;
	struct ike_tuning tune;
	struct gw *gws;            /* by name */
	struct gw_pair *pairs;     /* by local and remote address */
	struct slot *slots;        /* by policy number */
	struct ike_sa *sas;        /* by our SPI */
	struct ike_sa *inits;      /* half-open ones by the hash of their IKE_SA_INIT */
	struct ike_sa *orphans;    /* list: half-open ones, whose gateway is not known yet */
	struct child_sa *children; /* by inbound SPI */
	struct ike_sa *grave;      /* list: to be freed */
	struct source *sources;    /* half-open ones counted by address */
	uint32_t n_half_open;
	uint32_t n_removed;            /* Child SAs that went in this call of the engine */
	uint32_t n_shown, n_installed; /* IKE SAs, Child SAs, that the operator is shown */
	struct frag_in *fragments;     /* list: of peers not authenticated yet, oldest first */
	size_t fragment_bytes;         /* held by these */
	struct cert_cache *cert_cache; /* made with the first certificate whose status is asked for */
	struct timers timers;
	struct pace pace;
	struct calls *calls; /* strangers, for the operator */
	struct bucket plain_errors, unknown_peers, strangers, starts, full, hints;
	uint8_t cookie_secret[2][32];
	uint64_t cookie_since; /* secret 0 in use since */
	uint32_t next_serial, next_child, next_gw;
	uint64_t rng;
	struct ike_counters counters;
};

/* So many Child SAs taken out of the data plane are work enough for a call: what is left of it is done in the next. */
enum { REMOVED_A_CALL = 64 };

#define COUNT(k, name) ((void)(k)->counters.v[CNT_##name]++)

/* Take a token: false when there is none. */
bool bucket_take(struct bucket *b, uint64_t now, double per_s, double burst);
/* The end of every call from outside. */
void engine_done(struct ike *k);
/* Not for secrets: jitter and lifetimes. Uniform in [0, n). */
uint64_t engine_random(struct ike *k, uint64_t n);
/* base, up to a tenth more or less */
uint64_t engine_jitter(struct ike *k, uint64_t base);
/* A debug event. */
void engine_debug(struct ike *k, const struct ike_sa *sa, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
