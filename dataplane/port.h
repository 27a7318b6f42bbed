/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links: ports, which are DPDK ethdevs with one receive and one transmit queue per worker, and the VLANs on
 * them (IEEE 802.1Q), which share a port's device, MAC and queues and have addresses and neighbours of their
 * own.  A link has two numbers: its interface number (dp_api.h), and its place in ports[], which workers use.
 * A VLAN stands behind its port there.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dp_api.h"

enum { LINKS_MAX = 255 };

struct port {
	/* read-only after dp_port_add */
	uint8_t mac[6];
	uint16_t mtu;
	uint16_t ifindex, ethdev;
	uint16_t vid;           /* 1 to 4094: a VLAN; 0: a port, and what comes to it without a tag */
	uint8_t device;         /* of the workers' tx[]: the port's queue */
	uint8_t parent;         /* the port of a VLAN; a port itself */
	bool has_addr;          /* without one it is there for its VLANs only */
	bool has_v6;            /* has IPv6 addresses, and so a link-local one */
	struct addr link_local; /* valid with has_v6 */
	/* How an untagged frame with IPv4 for this port begins: MACs and EtherType; the source's counts for nothing. */
	alignas(16) uint8_t plain_frame[16];
	/* The last eight bytes of the Ethernet header of a frame from this port, its MAC and EtherType, for IPv4 and
	 * IPv6; and that MAC's first two bytes as the last of the eight before. */
	uint64_t eth_tail4, eth_tail6, eth_head;
	/* control: w, workers: r */
	alignas(64) atomic_bool up;
	/* control only */
	char kernel_if[16]; /* the kernel's interface below, "" without one */
};
extern struct port ports[];
extern uint8_t n_ports;

/* The VLAN of a port that a tag's number leads to; 0, which is a port, when there is none. */
enum { VLANS = 4096 };
extern uint8_t port_vlan[][VLANS];
static inline uint8_t port_of_vlan(const struct port *parent, uint16_t vid)
{
	return port_vlan[parent->device][vid];
}

/* Is this one of the port's addresses, the link-local one included?  Any thread. */
bool port_has_addr(uint8_t port, const struct addr *a);

/* Derive from ports[port].mac what follows from it. */
void port_mac_changed(uint8_t port);

/* Start all ports' queues / stop and close them.  Control thread. */
int port_start_all(char *err, size_t err_len);
void port_stop_all(void);
/* Look at the links again, at most once a second. */
void port_service(uint64_t now_ns);
