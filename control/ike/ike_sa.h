/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An IKE SA: its state, its keys, its place in the tables.
 *
 *            we initiate                     the peer initiates
 *   NEW ──> INIT_SENT ──> AUTH_SENT          INIT_RCVD
 *                              │                 │
 *                              └───> UP <────────┘
 *                                  │    │
 *              rekeyed: REKEYED <──┘    └──> CLOSING   our Delete is on its way
 *                          └──────────────>     │
 *                                              GONE    only repeats its last answer, then is freed
 *
 * sa_state_set() is the only place that changes the state.
 */
#pragma once

#include "engine.h"
#include "gateway.h"
#include "msg.h"

enum sa_state {
	SA_NEW,
	SA_INIT_SENT,
	SA_AUTH_SENT,
	SA_INIT_RCVD,
	SA_UP,
	SA_REKEYED,
	SA_CLOSING,
	SA_GONE,
	SA_STATES
};

enum sa_timer {
	SA_T_RETRANSMIT,
	SA_T_HALF_OPEN,
	SA_T_DPD,
	SA_T_KEEPALIVE,
	SA_T_REKEY,
	SA_T_EXPIRE,
	SA_T_LINGER,
	SA_T_DUPLICATE,
	SA_T_HOLD,
	SA_T_FOLLOWUP,
	SA_T_N
};

/* A message kept for repetition: one datagram, or the fragments of one behind one another; the IKE header
 * of each says how long it is. */
struct datagram {
	uint8_t *p;
	size_t len;
};

enum task_kind {
	TASK_NONE,
	TASK_CHILD,        /* make a Child SA for policy */
	TASK_CHILD_REKEY,  /* rekey the child with inbound SPI */
	TASK_CHILD_DELETE, /* delete it */
	TASK_IKE_REKEY,
	TASK_IKE_DELETE,
	TASK_AUTH_FAILED, /* tell the peer that its AUTH is wrong; ends the SA as a Delete does */
	TASK_LIVENESS,
	TASK_MOVE,          /* tell the peer our new address (MOBIKE) */
	TASK_ADDRESS_CHECK, /* is the peer at its new address? */
	TASK_INVALID_SPI,   /* tell the peer that we have no Child SA with this SPI */
};

/* Something to be done in an exchange of our own.  It names its object by number, not by pointer, so it
 * survives the object and is then simply skipped. */
struct task {
	enum task_kind kind;
	uint32_t id; /* policy or inbound SPI */
	struct task *prev, *next;
	UT_hash_handle hh; /* by kind and id */
};

/* The request we wait to be answered: there is one at most (window 1, RFC 7296 2.3). */
struct request {
	bool busy;
	bool placed; /* of the few that may start something (pace.h) */
	uint8_t exchange;
	uint32_t msgid;
	unsigned tries;
	uint64_t sent, deadline; /* deadline 0: count tries */
	struct datagram d;
	struct task task;
};

/* What an exchange of ours has offered, from request to response. */
struct nego {
	struct slot *slot;    /* NULL: IKE rekey, or the slot was taken out of the configuration */
	uint32_t spi_in;      /* reserved inbound SPI; 0: none (any more) */
	uint32_t old_spi;     /* inbound SPI of the child being rekeyed */
	struct ike_sa *fresh; /* the new IKE SA */
	struct dh *dh;
	struct followup *more; /* additional key exchanges go on (followup.h) */
	uint16_t group;        /* to use instead of the first configured one (INVALID_KE_PAYLOAD) */
	unsigned ke_tries;
	uint8_t nonce[32];
	/* The peer rekeyed the same SA while ours is on its way (RFC 7296 2.8.1): what came of it. */
	bool rival;
	uint32_t rival_spi_in;
	struct ike_sa *rival_sa;
	uint8_t rival_nonce[IKE_NONCE_MAX]; /* the lower of its two */
	size_t rival_nonce_len;
	/* The peer's Deletes may overtake its answer: outbound SPIs it deleted that we do not know yet. */
	uint32_t early_deletes[8];
	unsigned n_early_deletes;
};

/* IKE_INTERMEDIATE so far (ex_intermediate.c). */
struct intermediate {
	unsigned step;                            /* of suite.ake: the next one is there or behind */
	struct dh *dh;                            /* initiator: its value is on its way */
	uint32_t n;                               /* exchanges done */
	uint8_t auth_i[PRF_MAX], auth_r[PRF_MAX]; /* IntAuth of the n-th */
};

/* What only lives until the SA is up. */
struct init {
	struct dh *dh;
	uint16_t group;
	unsigned ke_tries, cookie_tries;
	uint8_t ni[IKE_NONCE_MAX], nr[IKE_NONCE_MAX];
	size_t ni_len, nr_len;
	struct datagram request, response; /* of IKE_SA_INIT: AUTH covers them */
	uint8_t cookie[64];
	size_t cookie_len;
	struct endpoint local, remote; /* IKE_SA_INIT went this way */
	struct alt *alts;              /* other answers to it */
	unsigned n_alts;
	struct intermediate inter;
	struct held *held;       /* IKE_AUTH that waits for its verdict (hold.h) */
	unsigned sig_hashes;     /* SIG_BITs of what the peer takes in signatures (RFC 7427) */
	bool ppk_peer;           /* peer sent USE_PPK */
	struct bytes ppk;        /* AUTH is made with this one, the gateway's; or none */
	bool childless_ok;       /* peer sent CHILDLESS_IKEV2_SUPPORTED */
	struct ike_reason *hint; /* an unprotected error: believed only when nothing better comes */
};

struct held;

struct ike_sa {
	uint64_t spi_own, spi_peer;
	UT_hash_handle hh;          /* ike->sas */
	UT_hash_handle hh_init;     /* ike->inits */
	struct ike_sa *prev, *next; /* of gw->sas or ike->orphans */
	struct ike_sa *grave_next;
	struct ike *k;
	struct gw *gw; /* NULL: half-open responder */
	enum ike_role role;
	enum sa_state state;
	uint32_t serial;
	struct endpoint local, remote;
	struct endpoint from_local, from_remote; /* of the request being answered */
	bool nat_local, nat_remote, natt_peer;   /* we/the peer behind NAT; the peer knows NAT traversal */
	bool nat_ignored;                        /* one of us is, and nat-traversal = "off" */
	bool udp_encap;
	bool fragmentation;     /* both ends have it (RFC 7383) */
	uint16_t fragment_size; /* as long as the gateway is not known */
	bool abandon;           /* close as soon as it is up */
	bool announced;         /* IKE_UP was sent, so IKE_DOWN will be */
	bool reborn;            /* made by a rekey */
	bool ppk;               /* its keys have a PPK in them (RFC 8784) */
	bool buried;
	bool first;      /* we sent INITIAL_CONTACT */
	uint64_t renews; /* our SPI of the SA that this one is to replace (reauth.h); 0: none */
	unsigned rekeys; /* since the ends authenticated each other */
	struct suite_choice suite;
	struct ike_keys keys;
	uint8_t init_hash[20];
	bool in_inits, counted; /* in ike->inits; counted as half-open */
	struct addr counted_as;

	/* MOBIKE (mobike.h): we began the first of the IKE SAs; the peer's new address is not shown to be its own yet;
	 * where the last question went. */
	bool mobike, began, unproved;
	uint8_t cookie2[16];
	struct endpoint asked;

	uint32_t msgid_out, msgid_in; /* next to send, next to expect */
	struct request req;
	struct nego *nego;
	struct followup *pending;    /* what the peer asked for, and has still to make key exchanges for */
	struct task *tasks, *by_key; /* in their order; found by kind and id */
	struct pace_wait turn;       /* in line for the next TASK_CHILD */
	struct frag_in *frag[2];     /* fragments of a request, of a response */
	struct datagram answer; /* to the peer's last request, and that one's hash, or its first fragment's */
	uint8_t answered[20];
	unsigned retransmits;
	unsigned holds; /* TEMPORARY_FAILUREs in a row */

	struct init *init;
	struct child_sa *children;
	unsigned n_children;
	struct ike_id id_remote; /* as authenticated */
	struct ike_id *id_asked; /* which the initiator asked of us by IDr, and we do not have; NULL */
	uint8_t auth_local, auth_remote; /* methods */
	struct cert_info *cert;          /* the peer's; NULL: none */

	uint64_t created, established_at, expires, rekey_at, last_heard, last_sent;
	uint64_t authenticated_at; /* by IKE_AUTH; rekeys since do not count */
	uint64_t hinted_at;        /* last time an unprotected hint was heeded */
	struct timer t[SA_T_N];
};

/* A new SA with an SPI of its own, in the tables; NULL: no memory. gw may be NULL. */
struct ike_sa *sa_new(struct ike *k, struct gw *gw, enum ike_role role);
void sa_set_gw(struct ike_sa *sa, struct gw *gw);
struct ike_sa *sa_find(struct ike *k, uint64_t spi_own);
void sa_state_set(struct ike_sa *sa, enum sa_state to);
const char *sa_state_str(enum sa_state s);
uint64_t sa_spi_i(const struct ike_sa *sa);
uint64_t sa_spi_r(const struct ike_sa *sa);
static inline bool sa_negotiating(const struct ike_sa *sa)
{
	return sa->state == SA_INIT_SENT || sa->state == SA_AUTH_SENT;
}

/* Is there something in it for an operator? */
static inline bool sa_shown(enum sa_state s)
{
	return s != SA_GONE && s != SA_NEW;
}

/* The SA is authenticated (or rekeyed from one that is): timers, counters, event. */
void sa_up(struct ike_sa *sa, bool rekey);
/* An attempt failed: recorded on the gateway and every proxy-ID that waits, event, back-off, gone. */
void sa_fail(struct ike_sa *sa, const struct ike_reason *r);
/* End an SA in an orderly way: its children leave the data plane, the peer gets `last` (a Delete or
 * AUTHENTICATION_FAILED), it goes when that is answered. */
void sa_close(struct ike_sa *sa, const struct ike_reason *r, enum task_kind last);
/* The peer is dead, or ended the SA itself: nothing is sent. */
void sa_lost(struct ike_sa *sa, const struct ike_reason *r);
/* Without a word: out of the tables, freed at the end of the engine call. */
void sa_remove(struct ike_sa *sa);
/* Rekeyed: how the ends authenticated each other holds for the new SA. */
void sa_same_peer(struct ike_sa *sa, const struct ike_sa *old);
/* Rekeyed: the new SA takes children and tasks. */
void sa_inherit(struct ike_sa *to, struct ike_sa *from);
void sa_reap(struct ike *k);
/* Half-open bookkeeping. */
void sa_init_free(struct ike_sa *sa);
void sa_half_open_done(struct ike_sa *sa);
void nego_free(struct ike_sa *sa, bool release_spi);

/* The newest SA of the gateway that is up, or NULL. */
struct ike_sa *sa_current(const struct gw *gw);

/* Events. */
void sa_event(struct ike_sa *sa, enum ike_event_type type, const struct ike_reason *r, const char *text);

/* Timers. */
void sa_on_half_open(struct ike *k, void *sa);
void sa_on_rekey(struct ike *k, void *sa);
void sa_on_expire(struct ike *k, void *sa);
void sa_on_linger(struct ike *k, void *sa);
void sa_on_duplicate(struct ike *k, void *sa);
