/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration as a model: what the file says, checked, defaults filled in, references resolved.
 * config_load() either returns a complete sound model or a list of errors; it touches nothing else.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "dp_api.h"
#include "ike_conf.h"

enum { CFG_NAME = 64, CFG_DEVICE = 256, CFG_ADDRS = 8 };

struct cfg_interface {
	char name[CFG_NAME];
	bool tunnel;           /* "tunnel.N": no port */
	bool vlan;             /* "PORT.N": a VLAN of that port, by its tag */
	uint16_t tag;          /* 1 to 4094 */
	char port[CFG_DEVICE]; /* PCI address or vdev string */
	char zone[CFG_NAME];
	uint16_t mtu; /* of a VLAN that says none its port's */
	uint8_t n_addr;
	struct prefix addr[CFG_ADDRS];
};

struct cfg_route {
	char name[CFG_NAME]; /* "": none */
	struct prefix dst;
	struct addr via; /* v == 0: by interface */
	char interface[CFG_NAME];
	uint16_t metric; /* of several for one destination the lowest that is usable */
};

struct cfg_ike_profile {
	char name[CFG_NAME];
	struct ike_algs algs;
	uint32_t lifetime_s;
	uint8_t reauth_every; /* rekeys; 0: none */
};

struct cfg_ipsec_profile {
	char name[CFG_NAME];
	struct ike_algs algs; /* dh empty: no-pfs */
	uint32_t lifetime_s;
	uint64_t life_bytes, life_packets;
	enum ike_esn esn;
};

struct cfg_gateway {
	struct ike_gw_conf ike; /* without children: those come with the tunnels' policy numbers */
	char interface[CFG_NAME], profile[CFG_NAME];
	char certificate[CFG_NAME], cert_profile[CFG_NAME]; /* "": by pre-shared key */
};

/* A certificate of ours, with its key. */
struct cfg_certificate {
	char name[CFG_NAME];
	struct cert_own *own;
};

/* Whose certificates are believed. */
struct cfg_cert_profile {
	char name[CFG_NAME];
	struct cert_profile *profile;
};

struct cfg_proxy_id {
	char name[CFG_NAME];
	struct prefix local, remote;
	uint8_t proto;
	uint16_t local_port, remote_port;       /* 0: any */
	uint16_t local_port_hi, remote_port_hi; /* the same but for a range */
};

enum { CFG_MONITORED = 8 };

/* Echo requests through a tunnel. */
struct cfg_monitor {
	uint8_t n; /* 0: none */
	struct addr dst[CFG_MONITORED];
	struct addr source;
	uint16_t interval_s, threshold; /* lost in a row */
	uint8_t quorum;                 /* so many of dst must answer */
	bool fail_over;
};

struct cfg_tunnel {
	char name[CFG_NAME], interface[CFG_NAME], gateway[CFG_NAME], profile[CFG_NAME];
	uint32_t id;
	uint32_t n_proxy_ids; /* at least one: 0.0.0.0/0 both ways, name "", when none is configured */
	struct cfg_proxy_id *proxy_ids;
	uint16_t replay_window; /* 0: off */
	uint16_t tfc_pad_to;    /* 0: no TFC padding; DP_TFC_MTU: to the tunnel's MTU */
	uint16_t dummy_rate;    /* dummy packets a second and Child SA */
	enum ike_ts_policy ts_policy;
	struct dp_policy_options carry;
	bool combined;  /* one Child SA for all proxy-IDs */
	bool transport; /* ipsec-mode */
	bool start;     /* negotiate at start-up, without waiting for traffic */
	struct cfg_monitor monitor;
};

/* One protocol and its destination ports. */
struct cfg_service {
	uint8_t proto;
	uint16_t port_lo, port_hi;
};

typedef char cfg_zone_name[CFG_NAME];

/* An empty list is "any". */
struct cfg_rule {
	char name[CFG_NAME];
	bool allow, log;
	uint32_t n_from, n_to, n_source, n_destination, n_services;
	cfg_zone_name *from, *to;
	struct prefix *source, *destination;
	struct cfg_service *services;
	uint16_t sport_lo, sport_hi;
};

struct cfg_system {
	char hostname[CFG_NAME];
	uint16_t workers;
	char cores[CFG_NAME]; /* "" : any */
	bool adaptive_idle;   /* idle = "adaptive" | "poll" */
	bool hugepages;
	uint32_t memory_mb;
	uint32_t max_sas;          /* room for so many Child SAs */
	uint32_t icmp_rate;        /* ICMP errors of our own a second and worker; 0: none */
	uint32_t datagrams;        /* for us that may wait for fragments at once, a worker ... */
	uint32_t datagram_s;       /* ... and for how long */
	char log_file[CFG_DEVICE]; /* "" : stderr */
	char journal[CFG_DEVICE];  /* "" : in memory only */
	char cli_socket[108];
};

/* What strangers may cost; read with the system, changed by a commit. */
struct cfg_limits {
	uint32_t cookie_threshold, half_open_max, half_open_source, starts_max;
};

struct config {
	struct cfg_system sys;
	struct cfg_limits limits;
	size_t n_interfaces, n_routes, n_ike_profiles, n_ipsec_profiles, n_gateways, n_tunnels, n_rules,
		n_certificates, n_cert_profiles;
	struct cfg_interface *interfaces;
	struct cfg_route *routes;
	struct cfg_ike_profile *ike_profiles;
	struct cfg_ipsec_profile *ipsec_profiles;
	struct cfg_gateway *gateways;
	struct cfg_certificate *certificates;
	struct cfg_cert_profile *cert_profiles;
	struct cfg_tunnel *tunnels;
	bool rules_given; /* the section stands there, be it empty: what no rule allows is denied between zones */
	struct cfg_rule *rules;
};

/* Read and check a file.  NULL on error.  Every problem found is passed to `say` as one line
 * "FILE:LINE: OBJECT \"NAME\": key: found X; allowed: Y", warnings as well (warning = true). */
typedef void config_say_fn(void *arg, bool warning, const char *line);
struct config *config_load(const char *path, config_say_fn *say, void *arg);
/* Frees and wipes secrets. */
void config_free(struct config *c);

const struct cfg_interface *config_interface(const struct config *c, const char *name);
/* The interface whose VLAN this one is, as its name says; NULL: there is none of that name. */
const struct cfg_interface *config_vlan_port(const struct config *c, const struct cfg_interface *vlan);
const struct cfg_ipsec_profile *config_ipsec_profile(const struct config *c, const char *name);
const struct cfg_tunnel *config_tunnel(const struct config *c, const char *name);
