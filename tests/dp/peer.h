/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other end of a tunnel, on OpenSSL: an ESP implementation that shares nothing with the data plane,
 * can be told to do things wrong, and says what it received.  And the SA pairs of ours that face it.
 *
 * The peer is 192.0.2.2, or 2001:db8:1::2; its network 10.2.0.0/16, ours 10.1.0.0/16.
 */
#pragma once

#include "harness.h"
#include "ip6.h"

struct peer {
	bool cbc; /* AES-256-CBC with HMAC-SHA2-256-128 instead of AES-256-GCM */
	bool esn, udp, outer6;
	struct dp_keys keys;      /* both directions use them; SPIs differ */
	uint32_t spi_in, spi_out; /* ours: inbound, outbound */
	uint64_t seq;             /* last one the peer sent */
	uint8_t next;  /* transport mode: the protocol that our packets have to carry; 0: IP packets */
	uint32_t high; /* upper half of our numbers: with ESN it counts, but does not travel */
	/* filled by peer_install */
	uint32_t policy, sa_out;
};

#define PEER_IP "192.0.2.2"
#define OWN_IP  "192.0.2.1"
#define PEER6   "2001:db8:1::2"

/* What the peer does differently from what it should. */
struct peer_how {
	uint8_t tos;      /* of the outer header */
	uint8_t next;     /* next header; 0: 4 or 41, as the packet is */
	uint8_t more_pad; /* bytes of padding beyond the least, a multiple of the block */
	bool bad_pad;     /* zeros for 1, 2, 3 */
	uint8_t pad_len;  /* written instead of the real one, if not 0 */
	uint16_t tfc;     /* bytes between packet and padding */
	uint16_t sport;   /* UDP source port; 0: 4500 */
	const char *src;  /* outer source; NULL: PEER_IP */
	bool raw, udp;    /* encapsulation against the SA's */
};

/* A policy's SA pair: reserves the SPI, installs both, binds.  edit may change what is installed. */
struct peer_edit {
	void (*in)(struct dp_sa_in_conf *c);
	void (*out)(struct dp_sa_out_conf *c);
};
void peer_keys(struct peer *p, uint8_t seed);
void peer_install(struct peer *p, uint32_t policy, const struct peer_edit *edit);
void peer_remove(struct peer *p);

/* The peer encrypts `inner` as its packet number p->seq + 1; outer IP packet at out, its length
 * returned. */
size_t peer_seal(struct peer *p, const uint8_t *inner, size_t len, const struct peer_how *how, uint8_t *out);
/* The peer decrypts an outer packet of ours; fails the test unless every field of it is right: addresses,
 * ports, SPI, ICV, padding, next header.  *seq: the number it carried. */
size_t peer_open(const struct peer *p, const uint8_t *packet, size_t len, uint8_t *inner, uint64_t *seq);

/* The data plane as c says (NULL: as usual), and a tunnel interface, whose number is returned, that leads to the peer's
 * network; ours lies behind 10.1.1.7.  Next hops are known.  dpt_fini() ends it. */
uint16_t peer_lab(const struct dpt_conf *c);
/* A policy of a tunnel interface. */
uint32_t peer_policy(uint16_t tunnel_if, const char *local, const char *remote, uint8_t proto,
		     uint16_t local_port, uint16_t remote_port);
struct ts peer_ts(const char *prefix, uint8_t proto, uint16_t port);
