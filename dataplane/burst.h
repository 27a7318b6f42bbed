/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packet on its way, and lists of them.
 *
 * A worker parses one receive burst into its array of struct pkt; stages pass lists of pointers into
 * that array.  A stage walks its list once, keeps survivors in order, and gives every other packet to
 * exactly one of: another list, pkt_drop(), a hand-over or punt ring.
 */
#pragma once

#include <assert.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_mbuf.h>

#include "addr.h"
#include "drop.h"

/* So many that the lanes of the job suites are filled to the end though lengths differ, and a bit each in a word. */
enum { BURST_MAX = 64 };
/* in_if of a packet that this host made itself, an echo answer for one: its TTL stays as it is. */
enum { IF_SELF = 0xffff };

/* What a packet is to this host, decided by parse_burst(). */
enum pkt_class {
	PKT_TRANSIT,          /* not addressed to us: forward or encrypt */
	PKT_TRANSIT_FRAGMENT, /* the same, and part of a larger packet */
	PKT_FRAGMENT,         /* of a datagram to one of our addresses */
	PKT_WAITED,           /* transit, and has waited for its ports (frag_ports.h) ... */
	PKT_WAITED_IN,        /* ... before the selectors of its inbound SA were asked */
	PKT_ESP,              /* raw ESP to one of our addresses; esp_off set */
	PKT_ESP_UDP,          /* ESP in UDP 4500 to one of our addresses; esp_off set */
	PKT_IKE,              /* UDP 500, or UDP 4500 behind a non-ESP marker */
	PKT_ARP,
	PKT_ND,   /* neighbour discovery of this link */
	PKT_ICMP, /* to one of our addresses */
	PKT_IP,   /* IPv4, and nobody has asked yet whom it is for */
	PKT_DROP, /* unsound; reason in drop */
};

/* Part of a larger packet? */
enum fragment {
	FRAG_NO,
	FRAG_BLIND, /* yes, and nobody knows its ports */
	FRAG_KNOWN, /* yes; sport and dport are those of the whole packet */
};

struct rules_hit;
struct sa_in;
struct sa_out;

/* Counters have one writer, a worker, and are read by the control thread at any time. */
static inline void count_set(uint64_t *c, uint64_t n)
{
	__atomic_store_n(c, n, __ATOMIC_RELAXED);
}

static inline void count_add(uint64_t *c, uint64_t n)
{
	count_set(c, *c + n);
}

static inline uint64_t count_read(const uint64_t *c)
{
	return __atomic_load_n(c, __ATOMIC_RELAXED);
}

/* One cache line of what is known of a packet.  Offsets count from the start of the mbuf's data as it
 * is now; whoever moves the data start corrects l3_off. */
struct pkt {
	struct rte_mbuf *m;
	union { /* which is valid follows from the stage */
		struct sa_in *sa_in;
		struct sa_out *sa_out;
	};
	/* 16 bytes that are the flow's key (flow.h) */
	alignas(16) uint32_t src4; /* as on the wire (network order) ... */
	uint32_t dst4;             /* ... and 0 in IPv6, whose are read from the header */
	uint16_t sport,
		dport;  /* host order; 0 without ports and in fragments; ICMP: type << 8 | code in dport */
	uint16_t in_if; /* port, tunnel interface after decryption, or IF_SELF */
	uint8_t proto;  /* upper-layer protocol */
	uint8_t v;      /* 4 or 6; 0: a dummy, no packet of IP yet */
	union {
		uint64_t seq; /* ESP sequence number, 64 bits with ESN */
		struct rules_hit *
			hit; /* of a routed packet: where the rule that let it pass counts, or NULL (rules.h) */
		uint64_t fits; /* of a packet too big for its way: the bytes that would not be (mtu.h) */
	};
	uint32_t next_hop; /* fib result: tunnel interface, or index into nh[], then into neigh_hot */
	uint32_t spi;      /* host order */
	uint16_t l3_off;   /* start of IP header */
	uint16_t l3_len;   /* length of IP header(s) */
	uint16_t ip_len;   /* whole IP packet, header included, padding of the frame not */
	uint16_t esp_off;
	uint16_t out_if;   /* fib result: the interface it leaves by */
	uint16_t text_len; /* ESP: bytes between IV and ICV */
	uint8_t cls;       /* enum pkt_class */
	uint8_t drop;      /* enum drop */
	uint8_t fragment;  /* enum fragment */
	uint8_t wide;      /* outer packet, longer than the way to the peer carries: goes in fragments */
};
static_assert(sizeof(struct pkt) <= 64, "struct pkt is one cache line");
static_assert(offsetof(struct pkt, src4) == 16 && offsetof(struct pkt, v) == 31,
	      "a flow's key is loaded whole");

/* Stores are what the common way is short of: offsets and lengths go out four at a time. */
static inline void pkt_lay_out(struct pkt *p, uint32_t l3_off, uint32_t l3_len, uint32_t ip_len,
			       uint32_t esp_off)
{
	uint64_t all = l3_off | l3_len << 16 | (uint64_t)ip_len << 32 | (uint64_t)esp_off << 48;

	memcpy(&p->l3_off, &all, sizeof(all));
}
static_assert(offsetof(struct pkt, l3_off) + 6 == offsetof(struct pkt, esp_off), "four in a row");

/* The frame of a packet: where its data start, and how long it is.  The VLAN's number, which lies behind, is of no more
 * use when this is called. */
static inline void pkt_frame(struct rte_mbuf *m, uint32_t start, uint32_t len)
{
	uint64_t lens = len | (uint64_t)len << 32;

	m->data_off = (uint16_t)start;
	memcpy(&m->pkt_len, &lens, sizeof(lens));
}
static_assert(offsetof(struct rte_mbuf, pkt_len) + 4 == offsetof(struct rte_mbuf, data_len) &&
		      offsetof(struct rte_mbuf, data_len) + 2 == offsetof(struct rte_mbuf, vlan_tci),
	      "lengths and the VLAN's number lie together");

struct list {
	uint16_t n;
	struct pkt *p[BURST_MAX];
};

static inline void list_add(struct list *l, struct pkt *p)
{
	l->p[l->n++] = p;
}

static inline uint8_t *pkt_at(const struct pkt *p, uint16_t off)
{
	return rte_pktmbuf_mtod_offset(p->m, uint8_t *, off);
}

static inline void *pkt_l3(const struct pkt *p)
{
	return pkt_at(p, p->l3_off);
}

/* Source and destination of the packet whose header is at l3_off. */
static inline void pkt_addrs(const struct pkt *p, struct addr *src, struct addr *dst)
{
	const uint8_t *b;

	if (p->v == 6) {
		b = pkt_l3(p);
		*src = addr_v6(b + 8);
		*dst = addr_v6(b + 24);
	} else {
		*src = addr_v4((const uint8_t *)&p->src4);
		*dst = addr_v4((const uint8_t *)&p->dst4);
	}
}
