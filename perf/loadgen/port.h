/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generator's two ports.  Each plays a router between the hosts of its side and a gateway: it has one address,
 * answers ARP for that, and asks for the gateway's MAC.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

enum { PORT_BURST = 32, PORT_DESCRIPTORS = 1024 };

struct port {
	uint16_t ethdev;
	uint32_t ip, gateway; /* host order; gateway 0: none, the other port is at the end of the cable */
	uint8_t mac[6], gateway_mac[6];
	bool resolved;
};

/* Probe the device ("net_memif0,...", a PCI address), one queue each way, started.  0, or -errno with a text. */
int port_open(struct port *p, const char *device, struct rte_mempool *pool, char *err, size_t err_len);
/* Look at a frame that came: true if it was ARP, and is done with. */
bool port_arp(struct port *p, struct rte_mempool *pool, struct rte_mbuf *m);
/* Until the link is up and the gateway has answered, for so long.  0, -ENOLINK, -EHOSTUNREACH. */
int port_resolve(struct port *p, struct rte_mempool *pool, unsigned seconds);
