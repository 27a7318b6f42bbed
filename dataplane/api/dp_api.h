/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam: everything the control plane can see of the data plane.
 *
 * All functions here are called from one thread, the control thread, which is also the one that
 * called dp_init (the EAL's main lcore).  Objects passed in are copied.  Imperative functions return
 * 0 or -errno.  Nothing here blocks on a worker: changes are published with a release store, and what
 * they replace is freed by dp_service() once every worker has passed a quiescent point.
 *
 * The data plane knows packets, ports, neighbours, routes, proxy-IDs and SAs.  It does not know IKE,
 * the configuration file, or the CLI.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

enum { DP_NAME = 64, DP_DEVICE = 256, DP_ADDRS = 8, DP_TS_MAX = 16, DP_WORKERS_MAX = 64 };

/* ---- life cycle ---------------------------------------------------------------------------- */

enum dp_log_level { DP_LOG_ERR, DP_LOG_WARN, DP_LOG_INFO, DP_LOG_DEBUG };

struct dp_conf {
	const char *name;      /* EAL file prefix: one per process on a host */
	const char *cores;     /* worker cores as a list, "2-5,8"; NULL: the first n_workers that are free */
	uint16_t n_workers;    /* 1..DP_WORKERS_MAX */
	bool adaptive_idle;    /* give the core back when nothing arrives; false: poll flat out */
	bool hugepages;        /* false: ordinary pages (labs) */
	uint32_t memory_mb;    /* EAL memory without hugepages */
	uint32_t max_sas;      /* inbound and outbound SAs, each */
	uint32_t max_policies; /* proxy-IDs on the box */
	uint32_t max_routes;
	uint32_t max_neighbours;
	uint32_t n_mbufs;   /* per process */
	uint32_t icmp_rate; /* ICMP errors of our own a second and worker; 0: none at all */
	/* Datagrams for us that may wait for fragments at once, a worker (0: 256; no more than buffers allow), and
	 * for how many seconds (0: 15). */
	uint32_t max_datagrams;
	uint16_t datagram_timeout_s;
	uint16_t max_mtu; /* the largest MTU of a port that will be added; 0: 1500 */
	/* The device strings of the ports that will be added, as far as they are known.  PCI devices must be
	 * among them: the EAL takes over those at its start and no others; without any it leaves PCI alone. */
	const char *const *devices;
	uint16_t n_devices;
	void (*log)(enum dp_log_level level, const char *text);
};

/* An IKE datagram, in or out.  In: data points into a buffer that is valid during the call only, and
 * the non-ESP marker (RFC 3948 2.2) has been taken off.  Out: dp_udp_send adds it when local.port is
 * 4500 and keepalive is false. */
struct dp_udp {
	struct endpoint local, remote;
	const uint8_t *data;
	size_t len;
	bool marker;    /* in: arrived on 4500 behind a non-ESP marker */
	bool keepalive; /* out: send the one byte 0xff of RFC 3948 2.3 instead of data */
};

/* Traffic met proxy-ID `policy` and found no SA.  Sent at most once a second for a proxy-ID. */
struct dp_acquire {
	uint32_t policy;
	uint8_t proto;
	struct endpoint src, dst; /* of the packet that asked */
};

enum dp_expire_kind { DP_EXPIRE_SOFT, DP_EXPIRE_HARD };
enum dp_expire_cause { DP_EXPIRE_BYTES, DP_EXPIRE_PACKETS, DP_EXPIRE_SEQUENCE };

struct dp_expire {
	enum dp_expire_kind kind;
	enum dp_expire_cause cause;
	bool inbound;
	uint32_t sa; /* inbound: SPI; outbound: handle */
};

/* An authenticated packet of inbound SA `spi` came from another address or port than the SA has
 * (RFC 7296 2.23).  At most once a second for an SA. */
struct dp_moved {
	uint32_t spi;
	struct endpoint from;
};

/* An ESP packet for us had an SPI that is not in use.  A few a second of each worker: nothing of it is
 * authenticated, so it is a hint and no more. */
struct dp_unknown_spi {
	uint32_t spi;
	struct endpoint local, remote; /* ports 0: not in UDP */
};

/* A packet met a rule that logs.  At most a few a second of each worker: a sample, not a record. */
struct dp_rule_hit {
	uint32_t rule; /* its id; DP_RULE_INTRAZONE, DP_RULE_INTERZONE: none matched */
	bool allow;
	uint8_t proto;
	uint16_t in_if, out_if;
	struct endpoint src, dst; /* ICMP: type << 8 | code in dst.port */
};

/* A port's link, at most a second late. */
struct dp_link {
	uint16_t ifindex;
	bool up;
};

/* An ICMP echo request of the gateway's own into a tunnel interface, whatever the routes say: by proxy-ID and
 * SA like any packet for dst.  src is one of our addresses. */
struct dp_probe {
	uint16_t tunnel_if;
	uint16_t id, seq;
	struct addr src, dst;
};
/* An echo reply to one of our addresses that came out of a tunnel. */
struct dp_probe_answer {
	struct dp_probe probe; /* src, dst as they were asked */
	uint64_t ago_ns;       /* since it arrived */
};

/* An ICMP echo request of the gateway's own, routed like any packet of ours. */
struct dp_echo {
	struct addr src, dst; /* src is one of our addresses, dst none */
	uint16_t id, seq;     /* id: from dp_echo_open() */
	uint16_t len;         /* of the IP packet */
	bool df;              /* IPv4: don't fragment */
	uint8_t ttl, tos;     /* ttl 0: 64; tos: IPv6's traffic class */
};
struct dp_echo_answer {
	struct dp_echo echo; /* src, dst as they were asked; len of the answer */
	uint8_t ttl;
	uint64_t ago_ns; /* since it arrived */
};

/* An ICMP error about one of them.  Anybody can send such a message who guesses the request's addresses. */
struct dp_echo_error {
	struct addr host, from; /* whom it was sent to; who says so */
	uint16_t id, seq;
	uint8_t type, code; /* of ICMP, of ICMPv6 between IPv6 addresses */
	uint16_t mtu;       /* what would fit, where that is told; else 0 */
};

enum dp_capture_side { DP_CAPTURE_INNER = 1, DP_CAPTURE_OUTER = 2 };

/* A packet that dp_capture_start() asked for. */
struct dp_captured {
	enum dp_capture_side side; /* in clear, or as ESP with its outer header */
	bool inbound;
	uint32_t policy, spi; /* host order */
	uint16_t worker;
	uint64_t after_ns;   /* since the capture's start */
	uint16_t len, kept;  /* of the packet; of it at data */
	const uint8_t *data; /* from the IP header on; valid during the call only */
};

struct dp_handlers {
	void (*udp)(void *ctx, const struct dp_udp *u);
	void (*acquire)(void *ctx, const struct dp_acquire *a);
	void (*expire)(void *ctx, const struct dp_expire *e);
	void (*moved)(void *ctx, const struct dp_moved *m);
	void (*unknown_spi)(void *ctx, const struct dp_unknown_spi *u);
	void (*rule_hit)(void *ctx, const struct dp_rule_hit *h);
	void (*link)(void *ctx, const struct dp_link *l);
	void (*probe_answer)(void *ctx, const struct dp_probe_answer *a);
	void (*echo_answer)(void *ctx, const struct dp_echo_answer *a);
	void (*echo_error)(void *ctx, const struct dp_echo_error *e);
	void (*captured)(void *ctx, const struct dp_captured *p);
};

/* Bytes of memory that this takes, about: with ordinary pages dp_conf.memory_mb has to hold them.  Needs no dp_init(). */
size_t dp_memory_needed(const struct dp_conf *conf);
/* Start the EAL and reserve all tables.  Fails loudly: on error a text is in err. */
int dp_init(const struct dp_conf *conf, const struct dp_handlers *h, void *ctx, char *err, size_t err_len);
/* Launch the workers, after the ports have been added. */
int dp_start(char *err, size_t err_len);
/* Stop the workers, close the ports, wipe every key, release the EAL. */
void dp_fini(void);

/* Readable when a worker has left something for dp_service(). */
int dp_event_fd(void);
/* Deliver events to the handlers, run neighbour resolution, free what workers no longer use.
 * now_ns is monotonic. Call when dp_event_fd() is readable and at least every 100 ms. */
void dp_service(uint64_t now_ns);

/* ---- interfaces ---------------------------------------------------------------------------- */

struct dp_port_conf {
	char name[DP_NAME];     /* "ethernet1/1" */
	char device[DP_DEVICE]; /* PCI address or vdev string, "net_af_packet0,iface=d0" */
	uint16_t vid,
		parent; /* vid 1 to 4094: no device, but that VLAN of the port whose ifindex is parent */
	uint16_t mtu;
	uint8_t n_addr;
	struct prefix addr[DP_ADDRS];
};

/* Interface numbers are small, stable, and one name space for ports and tunnel interfaces.  Ports are
 * added before dp_start(), tunnel interfaces at any time.  A VLAN counts as a port, and a port without addresses
 * takes frames of its VLANs only.  A port with IPv6 addresses has a
 * link-local one besides, made of its MAC.  -EADDRINUSE
 * for an address that another interface has, -EEXIST for a name, tag or connected network that exists. */
int dp_port_add(const struct dp_port_conf *c, uint16_t *ifindex, char *err, size_t err_len);
/* A tunnel interface may have addresses of its own: they answer ICMP echo through the tunnel. */
int dp_tunnel_if_add(const char *name, const struct prefix *addr, uint8_t n_addr, uint16_t *ifindex);

struct dp_if_stats {
	char name[DP_NAME];
	bool is_port, link_up;
	uint8_t mac[6];
	uint16_t mtu, vid;
	/* Of a port with all its VLANs; of a VLAN those that were given to its port, and no missed and failed. */
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes, rx_missed, tx_failed;
};
/* -ENOENT behind the last interface. */
int dp_if_stats(uint16_t ifindex, struct dp_if_stats *s);

/* ---- routes -------------------------------------------------------------------------------- */

/* A route leads to a gateway on a port's network (via), straight to a port's network (via.v == 0,
 * ifindex a port), or into a tunnel interface.  Connected routes come with the ports' addresses. */
struct dp_route {
	struct prefix dst;
	struct addr via;
	uint16_t ifindex; /* ignored when via is set, unless that is link-local: then the port of its link */
};
/* Add or replace. -ENETUNREACH: via is on no port's network; -EEXIST, -EPERM: a connected route, which
 * comes and goes with its address; -ENOSPC, -EINVAL, -EAFNOSUPPORT. */
int dp_route_add(const struct dp_route *r);
int dp_route_del(const struct prefix *dst);
/* The same with several next hops: every flow (addresses, protocol, ports; an SA is one) keeps to one of them
 * as long as they stay the same.  -ENOSPC: too many different sets of next hops. */
enum { DP_HOPS_MAX = 8 };
struct dp_hop {
	struct addr via;
	uint16_t ifindex;
};
int dp_route_set(const struct prefix *dst, const struct dp_hop *hop, uint8_t n);
/* The route a packet to dst would take: 0 and *r, or -ENETUNREACH. */
int dp_route_lookup(const struct addr *dst, struct dp_route *r);

/* ---- zones and security rules -------------------------------------------------------------- */

/* Zones are numbers; an interface that is in none matches only rules that say any zone. */
enum { DP_ZONE_NONE = 0 };
int dp_if_zone(uint16_t ifindex, uint16_t zone);

/* What a rule matches: one combination of its lists.  A fragment has the ports of its
 * datagram. */
struct dp_rule_term {
	uint32_t rule;          /* index into the rules */
	uint16_t from, to;      /* zones; DP_ZONE_NONE: any */
	struct prefix src, dst; /* a.v == 0: any, of both families if both are */
	uint8_t proto;          /* 0: any */
	uint16_t sport_lo, sport_hi, dport_lo, dport_hi;
};
/* Ids are the caller's, below DP_RULE_ID_MAX; hits are kept across dp_rules_set() for a rule of the same id.
 * Behind the last rule stand two more: packets that no rule matched pass within a zone and are denied
 * between zones. */
#define DP_RULE_ID_MAX    0xffffff00u
#define DP_RULE_INTRAZONE 0xffffff01u
#define DP_RULE_INTERZONE 0xffffff02u
struct dp_rule {
	uint32_t id;
	bool allow, log;
};
enum { DP_RULE_TERMS_MAX = 65536 };
/* Replace all rules, in order: the first that matches decides about a packet between two interfaces.  It
 * does not concern packets to or from the gateway itself, nor ESP and IKE.  rules == NULL: no rules, every
 * packet passes.  terms are in the order of their rules.  -EINVAL, -E2BIG, -ENOMEM: the old ones stay. */
int dp_rules_set(const struct dp_rule *rules, uint32_t n_rules, const struct dp_rule_term *terms,
		 uint32_t n_terms);
struct dp_rule_stats {
	uint64_t packets;
	uint64_t last_hit_ns; /* monotonic, to the second; 0: never */
};
/* -ENOENT: no such id, or no rules at all. */
int dp_rule_stats(uint32_t id, struct dp_rule_stats *s);

/* ---- proxy-IDs ----------------------------------------------------------------------------- */

/* One proxy-ID of a tunnel interface: which packets that a route sent there are protected by which
 * SA.  Most specific wins, then the one added first.  It is for one family, IPv4 if no side has an address;
 * -EAFNOSUPPORT: the sides are of two. */
struct dp_policy_conf {
	uint16_t tunnel_if;
	struct prefix local, remote;
	uint8_t proto;                          /* 0: any */
	uint16_t local_port, remote_port;       /* 0: any */
	uint16_t local_port_hi, remote_port_hi; /* a range ends here; 0: one port, or any */
	/* For what the gateway itself and a peer send each other: two single addresses, and no route is needed.  What
	 * comes in the clear though it fits is dropped. */
	bool transport;
};
enum { DP_HOSTS_MAX = 64 }; /* so many of transport mode */
int dp_policy_add(const struct dp_policy_conf *c, uint32_t *policy);
int dp_policy_del(uint32_t policy);
/* Point a proxy-ID's outbound traffic at an outbound SA; DP_SA_NONE: drop and ask for keys.  Several of one
 * tunnel interface may share an SA (-EINVAL: of different ones); those besides the SA's own are unbound before
 * it is removed. */
#define DP_SA_NONE 0u
int dp_policy_bind(uint32_t policy, uint32_t sa_out);

/* How the packets of a proxy-ID travel; zeros are the default. */
enum dp_df { DP_DF_COPY, DP_DF_SET, DP_DF_CLEAR };
enum { DP_MSS_FIT = 0, DP_MSS_OFF = 0xffff };
struct dp_policy_options {
	uint16_t mss;  /* of TCP, both ways: no more than fits, not touched, or the most bytes */
	enum dp_df df; /* of the outer IPv4 header (RFC 4301 8.1): the inner one's, or always the same */
	bool dscp_fixed; /* outer DSCP is `dscp`, not the inner one's (RFC 4301 5.1.2.1); ECN is always copied */
	uint8_t dscp;    /* 0..63 */
};
/* From now on, for the SA it is bound to as well.  -ENOENT, -EINVAL. */
int dp_policy_options(uint32_t policy, const struct dp_policy_options *o);

struct dp_policy_stats {
	uint64_t acquires; /* "key acquire requests" */
	uint64_t no_sa_drops;
	uint32_t sa_out; /* what it is bound to */
};
int dp_policy_stats(uint32_t policy, struct dp_policy_stats *s);

/* ---- SAs ----------------------------------------------------------------------------------- */

enum dp_encr {
	DP_ENCR_NONE,
	DP_AES_GCM_16,
	DP_AES_GCM_12,
	DP_AES_GCM_8,
	DP_AES_CBC,
	DP_AES_CTR,
	DP_CHACHA20_POLY1305,
	DP_ENCR_NULL,
	DP_AES_GMAC
};
enum dp_integ { DP_INTEG_NONE, DP_HMAC_SHA1_96, DP_HMAC_SHA256_128, DP_HMAC_SHA384_192, DP_HMAC_SHA512_256 };

struct dp_suite {
	enum dp_encr encr;
	uint16_t key_bits; /* of the cipher, without salt; 0 where it has but one */
	enum dp_integ integ;
};
/* Has this build the suite?  Control offers to peers only what answers true. */
bool dp_suite_supported(const struct dp_suite *s);

struct dp_keys {
	uint8_t encr[32], salt[4], integ[64];
	uint8_t encr_len, salt_len, integ_len;
};

struct dp_limits { /* 0: no limit.  Sequence exhaustion is watched always. */
	uint64_t soft_bytes, hard_bytes, soft_packets, hard_packets;
};

struct dp_sa_in_conf {
	uint32_t spi; /* from dp_spi_alloc, host order */
	uint32_t policy;
	struct dp_suite suite;
	struct dp_keys keys;
	bool esn;
	uint16_t replay_window;        /* packets; 0: no anti-replay */
	struct endpoint local, remote; /* outer; ports matter with udp_encap only */
	bool udp_encap;
	bool transport; /* RFC 4303 3.1.1: no inner IP header */
	struct dp_limits limits;
	uint8_t n_local, n_remote; /* negotiated selectors: inner packets must fall inside (RFC 4301 5.2) */
	struct ts ts_local[DP_TS_MAX], ts_remote[DP_TS_MAX];
};

struct dp_sa_out_conf {
	uint32_t spi; /* the peer's, host order */
	uint32_t policy;
	struct dp_suite suite;
	struct dp_keys keys;
	bool esn;
	struct endpoint local, remote;
	bool udp_encap;
	bool transport;
	struct dp_limits limits;
	/* Traffic-flow confidentiality (RFC 4303 2.7): packets shorter than this are padded to it, or to what
	 * one outer packet carries where that is less.  0: none. */
	uint16_t tfc_pad_to;
	uint8_t n_local, n_remote;
	struct ts ts_local[DP_TS_MAX], ts_remote[DP_TS_MAX];
};
#define DP_TFC_MTU UINT16_MAX /* as long as they can be */

/* Reserve an inbound SPI, unique on this box and above 255 (RFC 4303 2.1).  -ENOSPC when all are in use. */
int dp_spi_alloc(uint32_t *spi);
/* Give back a reserved SPI on which no SA was installed. */
void dp_spi_release(uint32_t spi);

/* Install; -EBUSY when the SPI has an SA already, -EINVAL, -ENOTSUP, -ENOSPC.  An outbound SA carries
 * no traffic until a policy is bound to its handle. */
int dp_sa_in_install(const struct dp_sa_in_conf *c);
int dp_sa_out_install(const struct dp_sa_out_conf *c, uint32_t *sa_out);
/* Remove; keys are wiped once no worker can hold them. The SPI is free again after that.  A policy
 * still bound to an outbound SA is unbound, if it is the SA's own; -EBUSY while others are bound. */
int dp_sa_in_remove(uint32_t spi);
int dp_sa_out_remove(uint32_t sa_out);
/* The peer's address or port changed (NAT): traffic goes to the new one from now on. */
int dp_sa_move(uint32_t spi_in, uint32_t sa_out, const struct endpoint *remote);

/* Packets by how far behind the highest authenticated sequence number they came: bucket i counts those
 * 2^i to 2^(i+1) - 1 behind, the last one everything beyond. */
enum { DP_LATE_BUCKETS = 20 };

struct dp_sa_stats {
	uint64_t packets, bytes; /* inner bytes */
	uint64_t seq;            /* out: last sent; in: highest authenticated */
	uint64_t last_used_ns;   /* monotonic, to the second; 0: never */
	uint64_t auth_errors, replays, selector_drops, malformed;
	/* Inbound.  late: authentic and accepted, out of order.  left: dropped as left of the window, and so
	 * never authenticated: whoever can send to us can raise these. */
	uint64_t late[DP_LATE_BUCKETS], left[DP_LATE_BUCKETS];
	uint16_t worker; /* owner */
};
/* The smallest window, a power of two, that takes every packet counted in late and left; 0: none came out
 * of order. */
static inline uint32_t dp_window_needed(const struct dp_sa_stats *s)
{
	for (unsigned i = DP_LATE_BUCKETS; i-- > 0;)
		if (s->late[i] || s->left[i])
			return UINT32_C(2) << i;
	return 0;
}
int dp_sa_in_stats(uint32_t spi, struct dp_sa_stats *s);
int dp_sa_out_stats(uint32_t sa_out, struct dp_sa_stats *s);

/* The largest inner packet that an outbound SA carries in one outer packet, bytes; 0: no such SA. */
uint16_t dp_sa_out_mtu(uint32_t sa_out);
/* What routers have said within ten minutes of the MTU of the way to its peer; 0: nothing. */
uint16_t dp_sa_out_pmtu(uint32_t sa_out);

/* ---- what would happen to a packet ---------------------------------------------------------- */

enum { DP_IF_NONE = 0xffff };
enum dp_trace_step {
	DP_TRACE_PACKET, /* its header is sound */
	DP_TRACE_ROUTE,  /* where it goes: out_if, or the gateway itself */
	DP_TRACE_RULE,   /* zones and security rule */
	DP_TRACE_PROXY_ID,
	DP_TRACE_SA,
	DP_TRACE_SELECTOR, /* inside what was negotiated */
	DP_TRACE_MTU,
	DP_TRACE_OUTER, /* the peer's route; without a tunnel the next hop's */
	DP_TRACE_NEIGHBOUR,
	DP_TRACE_DONE
};
struct dp_trace_packet {
	struct addr src, dst;
	uint8_t proto;
	uint16_t sport, dport; /* ICMP and ICMPv6: type << 8 | code in dport */
	uint16_t len;          /* bytes of the IP packet; 0: the least */
	uint16_t in_if;        /* DP_IF_NONE: where the route back to the source leads */
};
struct dp_trace {
	enum dp_trace_step stopped; /* the step that failed; DP_TRACE_DONE: it would leave */
	const char *drop, *help;    /* the reason it would be counted by; NULL with DP_TRACE_DONE */
	uint16_t in_if, out_if;     /* DP_IF_NONE: unknown, or the gateway itself */
	bool for_us;
	struct prefix route;
	bool rules, allow;
	uint32_t rule; /* its id */
	uint32_t policy, sa_out, spi;
	struct endpoint local, remote; /* outer */
	bool udp_encap;
	uint16_t mtu, worker; /* largest inner packet; the SA's owner */
	uint16_t port_if;     /* it leaves by */
	struct addr next_hop;
	bool neighbour;                   /* false: it would wait for the next hop to be resolved */
	struct {                          /* to the answer, if one came */
		bool sa, selector, allow; /* an inbound SA of the proxy-ID; it accepts; a rule allows */
		uint32_t rule;
		bool route; /* to the source leads where the packet came from */
	} back;
};
/* Take a packet through the tables that workers use, and tell of each step; nothing is sent, counted or asked
 * for.  -EINVAL, -EAFNOSUPPORT: not a packet; -ENOBUFS. */
int dp_trace_packet(const struct dp_trace_packet *p, struct dp_trace *t);

/* ---- capture --------------------------------------------------------------------------------- */

/* From now on, copies of the packets of these proxy-IDs come to the handler `captured`, from dp_service():
 * outbound ones before they are sealed and after, inbound ones before they are checked and after they were
 * found good.  sides: DP_CAPTURE_INNER | DP_CAPTURE_OUTER.  One capture at a time: -EBUSY; -EINVAL, -ENOMEM.
 * It ends by dp_capture_stop(), which the handler may call; nothing is delivered after that. */
int dp_capture_start(const uint32_t *policies, uint32_t n, unsigned sides);
void dp_capture_stop(void);
/* Packets of this capture, or of the last one, that were lost because dp_service() was behind. */
uint64_t dp_capture_lost(void);

/* ---- packets of the control plane ---------------------------------------------------------- */

/* Routed, resolved and sent; -ENETUNREACH, -EMSGSIZE, -ENOBUFS.  A datagram whose neighbour is not
 * known yet waits for it (bounded) and counts as sent. */
int dp_udp_send(const struct dp_udp *u);
/* -EINVAL: no tunnel interface, or src is not ours; -ENOBUFS. */
int dp_probe_send(const struct dp_probe *p);
/* An identifier of one's own, so that answers to it are delivered; at most so many at once: -EBUSY. */
enum { DP_ECHO_MAX = 8 };
int dp_echo_open(uint16_t *id);
void dp_echo_close(uint16_t id);
/* -EINVAL: src is not ours, or dst is; -EMSGSIZE: len; -EAFNOSUPPORT, -ENOBUFS. */
int dp_echo_send(const struct dp_echo *e);
/* A packet that the peer drops (RFC 4303 2.6) on this SA; it is counted as one of its packets, but is no use of the
 * SA.  -ESTALE: no such SA; -EINVAL: of transport mode; -ENOBUFS. */
int dp_dummy_send(uint32_t sa_out);

/* ---- what happened ------------------------------------------------------------------------- */

struct dp_drop {
	const char *name; /* "esp-auth-failed" */
	const char *help; /* one sentence an operator understands */
	uint64_t packets;
};
/* Sum over workers of drop reason i; -ENOENT behind the last. */
int dp_drop_stats(unsigned i, struct dp_drop *d);

struct dp_worker_stats {
	uint16_t cpu;
	uint64_t loops, idle_loops, rx_packets, tx_packets, handed_over;
	uint64_t fragments;               /* sent, of packets too big for their way */
	uint64_t reassembled;             /* datagrams for the gateway that came in fragments */
	uint64_t icmp_sent, icmp_limited; /* ICMP errors made, and those that the rate did not allow */
	uint64_t rx_bursts;
	uint64_t known_flows;    /* packets whose flow was known, so that nothing had to be looked up */
	uint64_t busy_ns, up_ns; /* turns that had packets, of the time since start */
};
int dp_worker_stats(unsigned worker, struct dp_worker_stats *s);

/* How full a table is.  Limits are those of dp_conf, but for interfaces, whose number is built in, and memory, which with
 * huge pages grows while the system has some. */
struct dp_capacity {
	const char *name; /* "ipsec-sas" */
	const char *help;
	uint64_t used, limit; /* limit 0: none is known */
};
/* -ENOENT behind the last.  Control thread. */
int dp_capacity(unsigned i, struct dp_capacity *c);

/* What stages of the path cost a worker, of the bursts that are timed: one in a few hundred. */
struct dp_stage {
	const char *name; /* "out-seal" */
	const char *help;
	uint64_t packets, cycles;
};
/* -ENOENT: no such worker, or behind the last stage. */
int dp_stage_stats(unsigned worker, unsigned i, struct dp_stage *s);
