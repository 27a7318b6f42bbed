/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the IKE engine is told about the world: gateways and the Child SAs they may have.  The
 * configuration file's profiles, tunnels and proxy-IDs become these; tests write them directly.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"

struct cert_own;
struct cert_profile;

enum {
	IKE_NAME = 64,
	IKE_ID_MAX = 255,
	IKE_PSK_MAX = 255,
	IKE_PPK_MAX = 64,
	IKE_ALGS_MAX = 12,
	IKE_TS_MAX = 8,
	IKE_AKE_MAX = 7, /* additional key exchanges of one SA (RFC 9370) */
	IKE_AKE_ALGS_MAX = 4,
};

/* An identity as it goes into IDi/IDr (RFC 7296 3.5). */
struct ike_id {
	uint8_t type; /* enum ike_id_type; 0: not set */
	uint8_t len;
	uint8_t data[IKE_ID_MAX];
};

/* One configured cipher or the like: transform ID, key bits where the cipher takes several. */
struct ike_alg {
	uint16_t id;
	uint16_t key_bits;
};

/* A crypto profile: what we offer and accept, in order of preference.  Combined-mode ciphers need no
 * integrity algorithm; they go into a proposal of their own (RFC 7296 3.3).  For IKE, the PRF list
 * follows from the authentication list unless given. */
struct ike_algs {
	uint8_t n_encr, n_integ, n_prf, n_dh;
	struct ike_alg encr[IKE_ALGS_MAX];
	uint16_t integ[IKE_ALGS_MAX], prf[IKE_ALGS_MAX], dh[IKE_ALGS_MAX];
	/* Additional key exchanges (RFC 9370), each with the methods to choose from; 0 among them: it may be left
	 * out. */
	uint8_t n_ake, n_ake_algs[IKE_AKE_MAX];
	uint16_t ake[IKE_AKE_MAX][IKE_AKE_ALGS_MAX];
};

enum ike_ts_policy { IKE_TS_NARROW, IKE_TS_EXACT };
/* Extended sequence numbers: never, if the peer has them, or nothing else. */
enum ike_esn { IKE_ESN_NO, IKE_ESN_PREFER, IKE_ESN_YES };
enum ike_natt { IKE_NATT_AUTO, IKE_NATT_OFF, IKE_NATT_FORCE };

/* What becomes of the proxy-IDs of a peer that was declared dead: negotiated again at once; left until traffic
 * asks; or left until the operator, a new configuration or the peer brings them back. */
enum ike_dpd_action { IKE_DPD_RESTART, IKE_DPD_HOLD, IKE_DPD_CLEAR };

/* A Child SA a gateway may have: one proxy-ID of one tunnel. */
struct ike_child_conf {
	char tunnel[IKE_NAME], proxy_id[IKE_NAME]; /* proxy_id "" when the tunnel has none */
	uint32_t tunnel_id, policy;                /* the host's numbers; opaque to the engine */
	uint8_t n_more;                            /* further proxy-IDs that share the Child SA: */
	uint32_t more[IKE_TS_MAX - 1];             /* their numbers, opaque as well */
	struct ike_algs esp;                       /* dh: PFS groups; none: no PFS */
	uint8_t n_local, n_remote;
	struct ts local[IKE_TS_MAX], remote[IKE_TS_MAX];
	enum ike_ts_policy ts_policy;
	uint32_t lifetime_s;
	uint64_t life_bytes, life_packets; /* 0: unlimited */
	uint16_t replay_window, tfc_pad_to;
	enum ike_esn esn;
	bool transport; /* between the gateway's address and the peer's own (RFC 7296 1.3.1) */
	bool start;     /* bring it up without waiting for traffic */
};

struct ike_gw_conf {
	char name[IKE_NAME];
	uint32_t id;                       /* gateway number shown to the operator */
	struct addr local, remote;         /* remote.v == 0: any address */
	struct ike_id local_id, remote_id; /* type 0: the address in use */
	bool remote_pattern;               /* remote_id has wildcards */
	/* How the ends authenticate themselves: by certificate where there is one, else by the key; the two need
	 * not do the same (RFC 7296 2.15).  The engine takes a reference. */
	struct cert_own *own;
	struct cert_profile *trust;
	bool rsa_sha1; /* RSA with SHA-1 (method 1), for a peer that does not know RFC 7427 */
	uint8_t psk[IKE_PSK_MAX];
	uint16_t psk_len;
	/* Postquantum preshared key (RFC 8784); ppk_len 0: none.  Required: no SA without it. */
	char ppk_id[IKE_NAME];
	uint8_t ppk[IKE_PPK_MAX], ppk_len;
	bool ppk_required;
	struct ike_algs ike;
	uint32_t lifetime_s;
	uint8_t reauth_every; /* every so manieth rekey authenticates anew instead (RFC 7296 2.8.3); 0: none */
	uint16_t dpd_interval_s, dpd_retry; /* interval 0: no DPD */
	enum ike_dpd_action dpd_action;
	enum ike_natt natt;
	uint16_t natt_keepalive_s;
	bool passive;  /* never initiates */
	bool mobike;   /* addresses may change (RFC 4555) */
	bool redirect; /* go where the peer sends us (RFC 5685) */
	/* Messages that make a larger IP packet than this go in fragments (RFC 7383); 0: fragmentation is
	 * neither offered nor agreed to. */
	uint16_t fragment_size;
	uint16_t n_children;
	struct ike_child_conf *children;
};
