/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The IKE engine: a library without I/O.
 *
 * In go a datagram with its addresses, the time, an acquire, an operator's request; out come, through
 * struct ike_host, datagrams, SA installs and removals, and events with reasons.  The daemon wires it
 * to the data plane and the event loop; tests, fuzzers and simulators wire two engines to each other
 * in virtual time.  One engine, one behaviour everywhere.
 *
 * One thread.  Time is an argument: `now` is monotonic nanoseconds and never goes back.  The host's
 * functions are called from inside engine calls and must not call back into the engine.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "cert.h"
#include "crypto.h"
#include "ike_conf.h"
#include "ts.h"

struct cert_fetch; /* cert_cache.h */
struct ike;        /* one engine */

enum ike_role { IKE_INITIATOR, IKE_RESPONDER };

struct ike_packet {
	struct endpoint local, remote;
	const uint8_t *data;
	size_t len;
	bool keepalive; /* out only: NAT keepalive (RFC 3948 2.3), data unused */
};

/* ---- what happened: events and reasons --------------------------------------------------------- */

/* Why a negotiation failed or an SA went away.  `name` in the JSON is the part behind IKE_CAUSE_. */
enum ike_cause {
	IKE_CAUSE_NONE,
	IKE_CAUSE_NO_ANSWER,       /* retransmissions used up */
	IKE_CAUSE_NO_PROPOSAL,     /* nothing common in the SA payload */
	IKE_CAUSE_AUTH_FAILED,     /* PSK or identity */
	IKE_CAUSE_ID_MISMATCH,     /* peer's identity is not the configured one */
	IKE_CAUSE_TS_UNACCEPTABLE, /* proxy-IDs have nothing in common, or not what ts-policy asks */
	IKE_CAUSE_INVALID_KE,      /* no Diffie-Hellman group in common, or the value is bad */
	IKE_CAUSE_MALFORMED,       /* peer's message breaks the protocol */
	IKE_CAUSE_UNSUPPORTED,     /* a critical payload or method we do not have */
	IKE_CAUSE_PEER_ERROR,      /* error notify without further meaning to us */
	IKE_CAUSE_PEER_DELETED,
	IKE_CAUSE_DPD, /* peer declared dead */
	IKE_CAUSE_EXPIRED,
	IKE_CAUSE_OPERATOR, /* clear vpn … */
	IKE_CAUSE_SHUTDOWN,
	IKE_CAUSE_REPLACED,       /* rekeyed, or superseded by INITIAL_CONTACT */
	IKE_CAUSE_INSTALL,        /* data plane refused the SA */
	IKE_CAUSE_NO_CONFIG,      /* nobody configured for this peer */
	IKE_CAUSE_HALF_OPEN,      /* as many half-open SAs as there may be */
	IKE_CAUSE_VERSION,        /* the peer speaks another version of IKE */
	IKE_CAUSE_CERT_UNTRUSTED, /* the peer's certificate leads to no trust anchor */
	IKE_CAUSE_CERT_EXPIRED,   /* it, or one of its chain */
	IKE_CAUSE_CERT_NOT_YET,   /* likewise: not valid yet */
	IKE_CAUSE_CERT_REVOKED,
	IKE_CAUSE_CERT_STATUS,   /* whether it is revoked cannot be told */
	IKE_CAUSE_CERT_IDENTITY, /* it does not have the peer's identity */
	IKE_CAUSE_CERT_REFUSED,  /* missing, malformed, not made for this */
	IKE_CAUSE_MAX,
};
const char *ike_cause_str(enum ike_cause c); /* "no-answer" */

/* One parameter that both ends have, where the failure compares them one by one. */
struct ike_diff {
	const char *what; /* "encryption", "remote network" */
	bool same;
	const char *how; /* how they differ, if there is a word for it: "swapped"; else NULL */
	char ours[72], theirs[72];
};
enum { IKE_DIFFS = 6 };

/* The record an operator reads.  ours/theirs are filled where the failure compares the two, and diff where it
 * does so parameter by parameter. */
struct ike_reason {
	enum ike_cause cause;
	uint64_t at;    /* now when it happened last; 0: never */
	uint64_t first; /* of the same one several times over: when it began ... */
	uint32_t count; /* ... and how often; both are kept by reason_log.h */
	enum ike_role role;
	uint8_t exchange;      /* enum ike_exchange */
	bool reported_by_peer; /* the peer said so by notify: the detail is in the peer's log */
	bool past;             /* such an exchange went well since, or the configuration is another one */
	char text[256];        /* one sentence: "peer offered no proposal we accept: encryption …" */
	char ours[256], theirs[256];
	char hint[256]; /* what to do, here and at the peer */
	unsigned n_diff;
	struct ike_diff diff[IKE_DIFFS];
};

enum ike_event_type {
	IKE_EV_IKE_START,
	IKE_EV_IKE_UP,
	IKE_EV_IKE_FAIL,
	IKE_EV_IKE_DOWN,
	IKE_EV_CHILD_START,
	IKE_EV_CHILD_UP,
	IKE_EV_CHILD_FAIL,
	IKE_EV_CHILD_DOWN,
	IKE_EV_PEER_DEAD, /* DPD; a DOWN for each SA follows */
	IKE_EV_PEER_MOVED,
	IKE_EV_UNKNOWN_PEER, /* rate-limited by the engine */
	IKE_EV_DEBUG,        /* text only: messages sent and received, when debug is on */
};

struct ike_event {
	enum ike_event_type type;
	const char *gateway;           /* "" when unknown */
	const char *tunnel, *proxy_id; /* child events; else NULL */
	struct endpoint local, remote;
	enum ike_role role;
	bool rekey;
	uint64_t spi_i, spi_r;    /* IKE SPIs */
	uint32_t spi_in, spi_out; /* ESP SPIs */
	uint32_t serial;          /* IKE SA serial number (SN) */
	uint32_t lifetime_s;
	const struct ike_reason *reason; /* FAIL and DOWN */
	const char *text;                /* extra words, or NULL */
};

/* ---- the host ------------------------------------------------------------------------------------ */

/* A Child SA as the data plane needs it.  Valid during the call. */
struct ike_child_sa {
	const struct ike_child_conf *conf;
	enum ike_role role; /* in the exchange that made it */
	uint32_t spi_in, spi_out;
	struct suite_choice suite;
	const struct child_keys *keys; /* install only; encr_i is the initiator's */
	struct endpoint local, remote;
	bool udp_encap, transport;
	bool no_tfc; /* the peer takes no TFC padding */
	struct ts_list ts_local, ts_remote;
	void *host; /* the host's own handle, set by child_install */
};

struct ike_child_usage {
	uint64_t packets_in, bytes_in, packets_out, bytes_out;
	uint64_t last_in; /* now-time of the last authenticated inbound packet; 0: none */
};

/* A message of a gateway that is being debugged, in clear: with the payloads inside it in place of the one that
 * encrypts them.  Valid during the call. */
struct ike_clear {
	const char *gateway;
	bool inbound;
	struct endpoint local, remote;
	const uint8_t *data;
	size_t len;
};

struct ike_host {
	void (*send)(void *ctx, const struct ike_packet *p);
	/* Reserve an inbound SPI; give one back that was never installed. */
	int (*spi_alloc)(void *ctx, uint32_t *spi);
	void (*spi_release)(void *ctx, uint32_t spi);
	/* Install both directions.  Inbound works at once.  activate = false leaves outbound traffic on the
	 * SA it is on (make-before-break as responder); child_activate switches it. */
	int (*child_install)(void *ctx, struct ike_child_sa *c, bool activate);
	void (*child_activate)(void *ctx, struct ike_child_sa *c);
	void (*child_remove)(void *ctx, struct ike_child_sa *c);
	void (*child_move)(void *ctx, struct ike_child_sa *c); /* c->local, remote, udp_encap are new */
	void (*child_usage)(void *ctx, const struct ike_child_sa *c, struct ike_child_usage *u);
	bool (*esp_supported)(void *ctx, uint16_t encr, uint16_t key_bits, uint16_t integ);
	void (*event)(void *ctx, const struct ike_event *e);
	void (*clear)(void *ctx, const struct ike_clear *c); /* may be NULL */
	/* Fetch by HTTP what tells whether a certificate is revoked, and give it to ike_fetched(), not before this has
	 * returned.  NULL: nothing can be fetched. */
	void (*fetch)(void *ctx, const struct cert_fetch *f);
};

/* ---- life ------------------------------------------------------------------------------------------ */

struct ike *ike_new(const struct ike_host *host, void *ctx, uint64_t now);

/* The engine's own numbers, the same for all gateways.  ike_new sets the defaults given here. */
struct ike_tuning {
	uint32_t retransmit_ms;      /* 1000: first retransmission; doubles each time, +-10 % jitter */
	uint32_t retransmit_cap_ms;  /* 16000: never later than this behind the one before */
	uint32_t retransmit_tries;   /* 5: retransmissions of a request before the peer counts as silent */
	uint32_t half_open_s;        /* 30: an SA we answered has to be up by then */
	uint32_t half_open_max;      /* 2000: half-open SAs as responder, in all */
	uint32_t half_open_source;   /* 64: and from one address */
	uint32_t cookie_threshold;   /* 200: half-open SAs from which COOKIE is demanded */
	uint32_t backoff_s;          /* 1: first pause of a gateway after a failure, doubling */
	uint32_t backoff_cap_s;      /* 60 */
	uint32_t children_per_proxy; /* 8: Child SAs at once on one proxy-ID */
	uint32_t fragment_bytes;     /* 1 MB: fragments kept of peers not authenticated yet, in all */
	uint32_t starts_max;         /* 256: requests at once that start something new (pace.h) */
};
void ike_tune(struct ike *k, const struct ike_tuning *t);
const struct ike_tuning *ike_tuning(const struct ike *k);
/* Frees everything at once and wipes keys; sends nothing (ike_shutdown does). */
void ike_free(struct ike *k);
/* Add or replace a gateway by name (deep copy).  Existing SAs are kept when nothing they were
 * negotiated with changed, and cleared otherwise.  -EINVAL: ambiguous with another gateway. */
int ike_gateway_set(struct ike *k, const struct ike_gw_conf *g, uint64_t now);
/* A gateway that has not changed: as if it had been set again, and what rests since its peer died is tried once more. */
int ike_gateway_touch(struct ike *k, const char *name, uint64_t now);
int ike_gateway_remove(struct ike *k, const char *name, uint64_t now);
void ike_set_debug(struct ike *k, bool on);
/* Of one gateway, until then (a now-time; 0: no more): debug events; messages in clear to struct ike_host.clear.
 * -ENOENT. */
int ike_gateway_debug(struct ike *k, const char *name, uint64_t until);
int ike_gateway_tap(struct ike *k, const char *name, uint64_t until);

/* ---- what comes in ----------------------------------------------------------------------------- */

void ike_input(struct ike *k, const struct ike_packet *p, uint64_t now);
/* Run timers that are due, a bounded number of them; ike_next is when to call again (UINT64_MAX: nothing waits). */
void ike_run(struct ike *k, uint64_t now);
uint64_t ike_next(const struct ike *k);

/* Traffic wants this child (host's policy number); harmless when it is up or on its way. */
void ike_acquire(struct ike *k, uint32_t policy, uint64_t now);
/* The same, and the packet that asked is known: it is what the peer is asked for first (RFC 7296 2.9). */
struct ike_flow {
	uint8_t proto;
	struct endpoint src, dst;
};
void ike_acquire_packet(struct ike *k, uint32_t policy, const struct ike_flow *f, uint64_t now);
/* Byte, packet or sequence limit of an installed child reached. */
void ike_child_expire(struct ike *k, uint32_t spi_in, bool hard, uint64_t now);
/* ESP from remote to local had an SPI that the data plane does not know: the peer has what we have not. */
void ike_unknown_spi(struct ike *k, uint32_t spi, const struct endpoint *local, const struct endpoint *remote,
		     uint64_t now);
/* What host->fetch was asked for: content as it came; content.p NULL: it failed, and why. */
void ike_fetched(struct ike *k, const struct cert_fetch *f, struct bytes content, const char *why,
		 uint64_t now);
/* Authenticated ESP of that child came from another endpoint. */
void ike_child_moved(struct ike *k, uint32_t spi_in, const struct endpoint *from, uint64_t now);

/* ---- the operator's requests --------------------------------------------------------------------- */

enum ike_verb {
	/* Bring up.  A negotiation that has waited for its peer long enough to repeat its request does so again at once if
	 * urged to, and should no answer come at all, a fresh one begins without a pause, once. */
	IKE_TEST_IKE_SA,
	IKE_TEST_IPSEC_SA,
	IKE_REKEY_IKE_SA,
	IKE_REAUTHENTICATE,
	IKE_REKEY_IPSEC_SA,
	IKE_CLEAR_IKE_SA, /* peers get a Delete */
	IKE_CLEAR_IPSEC_SA,
};
/* To one or to all, a part at a time: a hundred thousand SAs take seconds, in which peers want their answers. */
struct ike_request {
	enum ike_verb verb;
	const char *gateway,
		*tunnel; /* whom it is for, NULL: all.  The tunnel "tunnel" or "tunnel:proxyid"; where its
				       * gateway is told as well, only that one is searched. */
	bool urge;       /* see above */
	/* What came of it: negotiations or SAs that were started, or cleared; negotiations urged. */
	int n;
	unsigned again;
	/* Where it stands, zero at first: the gateway's name and number, whether it is through with that, and the place
	 * among its proxy-IDs; was there anything of that name, and was it allowed; the newest Child SA it is for. */
	char at[IKE_NAME];
	uint32_t number, slot, newest;
	bool whole, found, allowed;
};
/* Go on with it.  -EAGAIN: there is more to do; 0: done; -ENOENT: no such name; -EPERM: a passive gateway, which cannot
 * begin. */
int ike_request_step(struct ike *k, struct ike_request *r, uint64_t now);
/* All of it in one: r->n, or -ENOENT or -EPERM. */
int ike_request(struct ike *k, struct ike_request *r, uint64_t now);
/* The same in short.  *again: r->again; again NULL: not urged. */
int ike_test_ike_sa(struct ike *k, const char *gateway, uint64_t now, unsigned *again);
int ike_test_ipsec_sa(struct ike *k, const char *tunnel, uint64_t now, unsigned *again);
int ike_rekey_ike_sa(struct ike *k, const char *gateway, bool reauth, uint64_t now);
int ike_rekey_ipsec_sa(struct ike *k, const char *tunnel, uint64_t now);
int ike_clear_ike_sa(struct ike *k, const char *gateway, uint64_t now);
int ike_clear_ipsec_sa(struct ike *k, const char *tunnel, uint64_t now);
/* Delete every IKE SA towards its peer and refuse new ones; true once nothing waits for an answer.
 * Call again (with ike_run and ike_input going on) until true or patience ends. */
bool ike_shutdown(struct ike *k, uint64_t now);

/* ---- reading ----------------------------------------------------------------------------------------- */

struct ike_sa_info {
	const char *gateway;
	uint32_t gateway_id, serial;
	struct endpoint local, remote;
	enum ike_role role;
	const char *state; /* "Established", "Init sent", … */
	bool established;
	uint64_t spi_i, spi_r;
	struct suite_choice suite;
	uint64_t created, established_at, expires, rekey_at; /* now-times; 0: not yet */
	unsigned retransmits, n_children;
	const char *ppk; /* id of the PPK that its keys have in them (RFC 8784), or "" */
	unsigned rekeys; /* since the ends authenticated each other */
	bool reauth;     /* when the time to rekey comes, they do so again */
	struct ike_id local_id, remote_id;
	uint8_t auth_local, auth_remote;     /* enum ike_auth_method; 0: not yet */
	const struct cert_info *certificate; /* the peer's; NULL: none */
	bool nat_local, nat_remote, udp_encap;
	uint32_t msgid_out, msgid_in;
	uint64_t last_heard;
};
struct ike_child_info {
	const char *gateway, *tunnel, *proxy_id;
	uint32_t gateway_id, tunnel_id, policy, id, parent_serial, msgid;
	struct endpoint local, remote;
	enum ike_role role;
	const char *state; /* "Mature", "Larval", "Dying" */
	uint32_t spi_in, spi_out;
	struct suite_choice suite;
	struct ts_list ts_local, ts_remote;
	uint64_t created, expires, rekey_at;
	uint32_t lifetime_s;
	uint64_t life_bytes, life_packets;
	bool udp_encap, no_tfc, transport;
	void *host;
};
/* Per gateway: is it being tried, how did it last fail. */
struct ike_gw_info {
	const struct ike_gw_conf *conf;
	const struct ike_reason *last_failure;  /* cause NONE: never failed since it last came up */
	const struct ike_reason *const *recent; /* the last different ones, newest first, mended ones too */
	unsigned n_recent;
	uint64_t attempts, failures, next_try;
	unsigned n_ike, n_children;
	bool nat_ignored; /* a NAT was seen on the way while nat-traversal is off */
	bool in_line;     /* waits for its turn to start */
};
struct ike_conf_child_info { /* a configured child, up or not */
	const struct ike_gw_conf *gw;
	const struct ike_child_conf *conf;
	const struct ike_reason *last_failure;
	const struct ike_reason *const *recent; /* as above */
	unsigned n_recent;
	bool up, negotiating;
};
/* Somebody who called and is nobody's peer, as far as the protocol lets him say who he is. */
enum ike_call_kind {
	IKE_CALL_NO_GATEWAY, /* no gateway is configured between these addresses */
	IKE_CALL_VERSION,    /* IKEv1 */
	IKE_CALL_IDENTITY,   /* the identity is no gateway's */
};
struct ike_call {
	enum ike_call_kind kind;
	struct endpoint local, remote; /* of the last call */
	char identity[72];             /* "" when the protocol did not get that far, or hides it */
	char what[48];                 /* "IKEv2", "IKEv1 main mode" */
	uint64_t first, last, count;
};

/* Call back for each; a callback returning false ends the walk.  Nothing may change the engine inside. */
void ike_each_sa(struct ike *k, bool (*cb)(void *arg, const struct ike_sa_info *i), void *arg);
/* From the one behind the IKE SA that a walk came to last, by our SPI and its serial number, whether it is still there or
 * not; 0, 0: from the first.  gateway: those of this one, however many others there are; NULL: all. */
void ike_each_sa_after(struct ike *k, const char *gateway, uint64_t spi_own, uint32_t serial,
		       bool (*cb)(void *arg, const struct ike_sa_info *i), void *arg);
void ike_each_child(struct ike *k, bool (*cb)(void *arg, const struct ike_child_info *i), void *arg);
/* From the one behind the Child SA that a walk came to last, by its inbound SPI and id, whether it is still there or not. */
void ike_each_child_after(struct ike *k, uint32_t spi_in, uint32_t id,
			  bool (*cb)(void *arg, const struct ike_child_info *i), void *arg);
void ike_each_gateway(struct ike *k, bool (*cb)(void *arg, const struct ike_gw_info *i), void *arg);
void ike_each_conf_child(struct ike *k, bool (*cb)(void *arg, const struct ike_conf_child_info *i),
			 void *arg);
/* The gateway of this name, however many others there are.  False: there is none. */
bool ike_gateway_read(struct ike *k, const char *name, struct ike_gw_info *i);
/* The configured child with this policy, and its Child SAs, however many others there are.  False: none has it. */
bool ike_conf_child_read(struct ike *k, uint32_t policy, struct ike_conf_child_info *i);
void ike_each_child_of(struct ike *k, uint32_t policy, bool (*cb)(void *arg, const struct ike_child_info *i),
		       void *arg);
/* Starts: requests under way that make something new, how many may be, who waits in line for that. */
void ike_starts(const struct ike *k, uint32_t *out, uint32_t *max, uint32_t *in_line);
/* How many there are, those included that end. */
void ike_count(const struct ike *k, uint32_t *sas, uint32_t *children);
/* Of the SAs, those whose peer called and has not proved who it is. */
uint32_t ike_half_open(const struct ike *k);
/* Strangers' calls, at most sixteen, in no order. */
void ike_each_call(struct ike *k, bool (*cb)(void *arg, const struct ike_call *i), void *arg);

struct ike_counters { /* rejects and traffic of the whole engine; name list in ike_counter_name() */
	uint64_t v[96];
};
const struct ike_counters *ike_counters(const struct ike *k);
const char *ike_counter_name(unsigned i); /* NULL behind the last */
const char *ike_counter_help(unsigned i);
