/* SPDX-License-Identifier: Apache-2.0 */
#include "port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_arp.h>
#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_ethdev.h>

enum { ASK_MS = 200, NAME_LEN = 64 };

static int fail(char *err, size_t err_len, int rc, const char *what, const char *device)
{
	snprintf(err, err_len, "%s: %s: %s", device, what, strerror(-rc));
	return rc;
}

int port_open(struct port *p, const char *device, struct rte_mempool *pool, char *err, size_t err_len)
{
	const struct rte_eth_conf conf = {0};
	struct rte_ether_addr mac;
	char name[NAME_LEN];
	int rc;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(device, ","), device);
	if (rte_eth_dev_get_port_by_name(name, &p->ethdev) < 0) {
		rc = rte_dev_probe(device);
		if (rc < 0)
			return fail(err, err_len, rc, "no such device", device);
		rc = rte_eth_dev_get_port_by_name(name, &p->ethdev);
		if (rc < 0)
			return fail(err, err_len, rc, "no Ethernet port", device);
	}
	rc = rte_eth_dev_configure(p->ethdev, 1, 1, &conf);
	if (rc < 0)
		return fail(err, err_len, rc, "configure", device);
	rc = rte_eth_rx_queue_setup(p->ethdev, 0, PORT_DESCRIPTORS, SOCKET_ID_ANY, NULL, pool);
	if (rc == 0)
		rc = rte_eth_tx_queue_setup(p->ethdev, 0, PORT_DESCRIPTORS, SOCKET_ID_ANY, NULL);
	if (rc == 0)
		rc = rte_eth_dev_start(p->ethdev);
	if (rc < 0)
		return fail(err, err_len, rc, "start", device);
	rte_eth_macaddr_get(p->ethdev, &mac);
	memcpy(p->mac, mac.addr_bytes, sizeof(p->mac));
	return 0;
}

static void send_arp(const struct port *p, struct rte_mempool *pool, uint16_t op, const uint8_t *to,
		     uint32_t ip)
{
	static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct rte_ether_hdr *eth;
	struct rte_arp_hdr *arp;

	if (!m)
		return;
	eth = (struct rte_ether_hdr *)rte_pktmbuf_append(m, sizeof(*eth) + sizeof(*arp));
	arp = (struct rte_arp_hdr *)(eth + 1);
	memcpy(eth->dst_addr.addr_bytes, to ? to : everybody, 6);
	memcpy(eth->src_addr.addr_bytes, p->mac, 6);
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP);
	*arp = (struct rte_arp_hdr){.arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER),
				    .arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
				    .arp_hlen = 6,
				    .arp_plen = 4,
				    .arp_opcode = rte_cpu_to_be_16(op)};
	memcpy(arp->arp_data.arp_sha.addr_bytes, p->mac, 6);
	arp->arp_data.arp_sip = htonl(p->ip);
	if (to)
		memcpy(arp->arp_data.arp_tha.addr_bytes, to, 6);
	arp->arp_data.arp_tip = htonl(ip);
	if (rte_eth_tx_burst(p->ethdev, 0, &m, 1) == 0)
		rte_pktmbuf_free(m);
}

bool port_arp(struct port *p, struct rte_mempool *pool, struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_arp_hdr *arp = (const struct rte_arp_hdr *)(eth + 1);

	if (m->data_len < sizeof(*eth) || eth->ether_type != RTE_BE16(RTE_ETHER_TYPE_ARP))
		return false;
	if (m->data_len >= sizeof(*eth) + sizeof(*arp)) {
		uint32_t from = ntohl(arp->arp_data.arp_sip);

		if (from == p->gateway) {
			memcpy(p->gateway_mac, arp->arp_data.arp_sha.addr_bytes, 6);
			p->resolved = true;
		}
		if (arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) && ntohl(arp->arp_data.arp_tip) == p->ip)
			send_arp(p, pool, RTE_ARP_OP_REPLY, arp->arp_data.arp_sha.addr_bytes, from);
	}
	rte_pktmbuf_free(m);
	return true;
}

/* Take what is there; all but ARP is of no use yet. */
static void take_arp(struct port *p, struct rte_mempool *pool)
{
	struct rte_mbuf *m[PORT_BURST];
	uint16_t n = rte_eth_rx_burst(p->ethdev, 0, m, PORT_BURST);

	for (uint16_t i = 0; i < n; i++)
		if (!port_arp(p, pool, m[i]))
			rte_pktmbuf_free(m[i]);
}

static bool link_up(const struct port *p)
{
	struct rte_eth_link link;

	return rte_eth_link_get_nowait(p->ethdev, &link) == 0 && link.link_status;
}

int port_resolve(struct port *p, struct rte_mempool *pool, unsigned seconds)
{
	uint64_t end = rte_rdtsc() + seconds * rte_get_tsc_hz(), ask = 0;

	while (rte_rdtsc() < end) {
		if (!link_up(p)) {
			rte_delay_us_sleep(1000);
			continue;
		}
		if (!p->gateway || p->resolved)
			return 0;
		if (rte_rdtsc() > ask) {
			send_arp(p, pool, RTE_ARP_OP_REQUEST, NULL, p->gateway);
			ask = rte_rdtsc() + ASK_MS * rte_get_tsc_hz() / 1000;
		}
		take_arp(p, pool);
		rte_delay_us_sleep(100);
	}
	return link_up(p) ? -EHOSTUNREACH : -ENOLINK;
}
