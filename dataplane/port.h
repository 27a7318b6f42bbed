/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports: DPDK ethdevs with one receive and one transmit queue per worker.  A port has two numbers: its
 * interface number (dp_api.h), and its place in ports[], which workers use.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dp_api.h"

struct port {
	/* read-only after dp_port_add */
	uint8_t mac[6];
	uint16_t mtu;
	uint16_t ifindex, ethdev;
	bool has_v6;            /* has IPv6 addresses, and so a link-local one */
	struct addr link_local; /* valid with has_v6 */
	/* control: w, workers: r */
	alignas(64) atomic_bool up;
	/* control only */
	char kernel_if[16]; /* the kernel's interface below, "" without one */
};
extern struct port ports[];
extern uint8_t n_ports;

/* Is this one of the port's addresses, the link-local one included?  Any thread. */
bool port_has_addr(uint8_t port, const struct addr *a);

/* Derive from ports[port].mac what follows from it. */
void port_mac_changed(uint8_t port);

/* Start all ports' queues / stop and close them.  Control thread. */
int port_start_all(char *err, size_t err_len);
void port_stop_all(void);
/* Look at the links again, at most once a second. */
void port_service(uint64_t now_ns);

/* What a device string says before the device exists. */
bool port_device_is_pci(const char *device);
/* The number behind "key=" in a device string, or otherwise. */
unsigned long port_device_arg(const char *device, const char *key, unsigned long otherwise);
