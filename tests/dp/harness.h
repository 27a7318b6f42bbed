/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real data plane in this process, its workers turned by hand and its clock by the test.
 *
 * Two ports made of rings: port 0, "out", 192.0.2.1/24, and port 1, "in", 10.1.1.1/24, MTU 1500 both.
 * A frame goes in by dpt_inject(), dpt_run() turns everything until nothing moves, and then dpt_take()
 * has the frames that came out, or dpt_dropped() the reason by name.  Nothing sleeps, nothing depends on
 * how fast the machine is.
 *
 * One dp_init() per process: DPDK starts only once.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dp_api.h"

struct rte_mbuf;

enum { DPT_PORTS = 2, DPT_FRAME_MAX = 4096, DPT_UDP_MAX = 65536 };

/* What a test wants other than one worker and small tables; zeros for the defaults. */
struct dpt_conf {
	uint16_t n_workers;
	bool v6; /* port 0 has 2001:db8:1::1/64, port 1 fd00:1::1/64, besides */
	uint32_t max_neighbours, max_routes, max_sas, max_policies, n_mbufs;
	uint32_t icmp_rate; /* 0: no errors of our own, so that only what a test is about leaves */
	uint32_t max_datagrams;
	uint16_t datagram_timeout_s;
	void (*before_start)(void); /* more interfaces */
};

/* dp_init(), the two ports, dp_prepare().  Aborts the process with a text when it fails: there is
 * nothing to test then.  dpt_fini() fails when a packet buffer has been lost. */
void dpt_init(const struct dpt_conf *c);
void dpt_fini(void);

extern uint16_t dpt_port[DPT_PORTS];         /* interface numbers */
extern const uint8_t dpt_mac[DPT_PORTS][6];  /* of our ports */
extern const uint8_t dpt_peer[DPT_PORTS][6]; /* of a host beyond each port */
extern uint64_t dpt_now;                     /* ns, what dp_service() is told */

/* A frame into a receive queue of a port. */
void dpt_inject(unsigned port, uint16_t queue, const void *frame, size_t len);
/* The same with a buffer the test has made. */
void dpt_inject_mbuf(unsigned port, uint16_t queue, struct rte_mbuf *m);
/* Turn every worker and serve the control thread until a whole round does nothing. */
void dpt_run(void);
/* Only worker w, once. */
unsigned dpt_turn(unsigned worker);
/* Pass time, in steps a timer notices. */
void dpt_sleep_ms(uint64_t ms);

/* The next frame that left by a port (and the queue it left by); 0: none. */
size_t dpt_take(unsigned port, uint8_t frame[DPT_FRAME_MAX], uint16_t *queue);
/* Fails the test unless exactly one frame left by the port; returns its length. */
size_t dpt_take_one(unsigned port, uint8_t frame[DPT_FRAME_MAX]);
/* Fails the test if a frame left by the port. */
void dpt_take_none(unsigned port);

/* Drop counters since the last dpt_mark(), which dpt_clear() calls. */
void dpt_mark(void);
uint64_t dpt_dropped(const char *name);
/* Fails the test unless this and nothing else was dropped since the mark; then marks. "": nothing. */
void dpt_expect_drop(const char *name, uint64_t n);
/* The frame is dropped for this reason and no other, and nothing leaves. */
void dpt_drops(unsigned port, const void *frame, size_t len, const char *why);
/* Between cases: run, throw away what is in flight, forget delivered events, mark. */
void dpt_clear(void);

/* Make a host known to us, by ARP frames as it would send them. */
void dpt_neighbour(unsigned port, const char *ip, const uint8_t mac[6]);

/* What the handlers were given last, and how often. */
struct dpt_seen {
	unsigned n_udp, n_acquire, n_expire, n_moved, n_unknown_spi, n_echo, n_echo_error;
	struct dp_udp udp; /* data points into udp_data */
	uint8_t udp_data[DPT_UDP_MAX];
	struct dp_acquire acquire;
	struct dp_expire expire;
	struct dp_moved moved;
	struct dp_unknown_spi unknown_spi;
	struct dp_echo_answer echo;
	struct dp_echo_error echo_error;
	char log[512]; /* last line */
};
extern struct dpt_seen dpt_seen;

/* ---- frames -------------------------------------------------------------------------------- */

uint32_t dpt_ip(const char *text); /* network order */
struct endpoint dpt_ep(const char *ip, uint16_t port);
/* Ethernet header from the peer beyond a port to us; returns where the packet goes. */
uint8_t *dpt_eth(uint8_t *frame, unsigned port, uint16_t type);

struct dpt_ip4 {
	const char *src, *dst;
	uint8_t proto, ttl; /* 0: 64 */
	uint16_t frag;      /* flags and offset as on the wire */
	const uint8_t *options;
	size_t options_len; /* a multiple of 4 */
};
/* An IPv4 packet at b; returns its length. */
size_t dpt_ip4(uint8_t *b, const struct dpt_ip4 *h, const void *payload, size_t len);
/* The same with UDP, checksum included, and with an ICMP echo request of len data bytes. */
size_t dpt_udp4(uint8_t *b, const char *src, uint16_t sport, const char *dst, uint16_t dport,
		const void *data, size_t len);
size_t dpt_echo4(uint8_t *b, const char *src, const char *dst, uint16_t seq, size_t len);
size_t dpt_arp(uint8_t *frame, unsigned port, uint16_t op, const uint8_t sha[6], const char *spa,
	       const uint8_t tha[6], const char *tpa);
/* Inject a packet as a frame from the peer beyond a port. */
void dpt_inject_ip(unsigned port, uint16_t queue, const uint8_t *packet, size_t len);
/* Correct the header checksum after an edit. */
void dpt_sum4(uint8_t *packet);
/* Are IPv4 header checksum and, for an unfragmented UDP or ICMP packet, the inner one right? */
bool dpt_sums_right(const uint8_t *packet, size_t len);
