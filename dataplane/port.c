/* SPDX-License-Identifier: Apache-2.0 */
#include "port.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_ether.h>

#include "device.h"
#include "dp.h"
#include "fib.h"
#include "nd.h"
#include "neigh.h"
#include "worker.h"

enum {
	MTU_MIN = 576, /* RFC 791 3.2: what every host takes */
	DESCRIPTORS = 1024,
	LINK_EVERY_MS = 1000,
	L2_MAX = RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN,
};

struct port ports[LINKS_MAX];
uint8_t n_ports;
uint8_t port_vlan[PORTS_MAX][VLANS];
static uint8_t n_devices;
static uint64_t link_seen_ns;

/* ---- ethdev -------------------------------------------------------------------------------- */

static int find_ethdev(const struct dp_port_conf *c, uint16_t *ethdev, char *err, size_t err_len)
{
	struct rte_dev_iterator it;
	char name[DP_DEVICE];
	uint16_t id;
	int rc;

	device_name(c->device, name, sizeof(name));
	if (rte_eth_dev_get_port_by_name(name, ethdev) == 0)
		return 0;
	if (device_is_pci(c->device) && !rte_eal_has_pci())
		return dp_fail(err, err_len, ENODEV, "%s: PCI device %s was not announced at start", c->name,
			       name);
	rc = rte_dev_probe(c->device);
	if (rc < 0 && rc != -EEXIST)
		return dp_fail(err, err_len, -rc, "%s: no port from \"%s\": %s%s", c->name, c->device,
			       strerror(-rc), device_is_pci(c->device) ? " (is it bound to vfio-pci?)" : "");
	if (rte_eth_dev_get_port_by_name(name, ethdev) == 0)
		return 0;
	if (rte_eth_iterator_init(&it, c->device) == 0) { /* a PCI device with several ports: its first */
		id = rte_eth_iterator_next(&it);
		if (id != RTE_MAX_ETHPORTS) {
			*ethdev = id;
			rte_eth_iterator_cleanup(&it);
			return 0;
		}
	}
	return dp_fail(err, err_len, ENODEV, "%s: device \"%s\" has no Ethernet port", c->name, c->device);
}

static const char *more_queues(const char *device)
{
	if (device_is(device, "net_af_packet"))
		return "; add qpairs=";
	if (device_is(device, "net_af_xdp"))
		return "; add queue_count=";
	if (device_is(device, "net_virtio_user") || device_is(device, "net_vhost"))
		return "; add queues=";
	return NULL;
}

static int check_queues(const struct dp_port_conf *c, const struct rte_eth_dev_info *info, char *err,
			size_t err_len)
{
	uint16_t have = (uint16_t)RTE_MIN(info->max_rx_queues, info->max_tx_queues), want = dp.n_workers;
	const char *hint = more_queues(c->device);

	if (have >= want)
		return 0;
	if (hint)
		return dp_fail(err, err_len, ENOSPC, "%s: port has %u queues for %u workers%s%u", c->name,
			       have, want, hint, want);
	return dp_fail(err, err_len, ENOSPC, "%s: port has %u queues for %u workers", c->name, have, want);
}

/* What to ask of the device so that a tagged packet of our MTU fits.  Drivers count the tag in, or do not;
 * those that say nothing do not. */
static uint16_t device_mtu(uint16_t mtu, const struct rte_eth_dev_info *info)
{
	uint32_t beside = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;

	if (info->max_mtu != UINT16_MAX && info->max_rx_pktlen > info->max_mtu)
		beside = info->max_rx_pktlen - info->max_mtu;
	if (beside >= L2_MAX + RTE_ETHER_CRC_LEN)
		return mtu;
	return (uint16_t)RTE_MAX(mtu, RTE_MIN(mtu + RTE_VLAN_HLEN, info->max_mtu));
}

static int configure(const struct dp_port_conf *c, uint16_t ethdev, char *err, size_t err_len)
{
	bool kernel_mtu = device_is(c->device, "net_af_packet") || device_is(c->device, "net_af_xdp");
	uint16_t n_rxd = DESCRIPTORS, n_txd = DESCRIPTORS;
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(ethdev, &info);

	if (rc < 0)
		return dp_fail(err, err_len, -rc, "%s: device information: %s", c->name, strerror(-rc));
	rc = check_queues(c, &info, err, err_len);
	if (rc < 0)
		return rc;
	/* These two have the kernel's MTU and refuse to be told another. */
	conf.rxmode.mtu = kernel_mtu ? (uint16_t)RTE_ETHER_MTU : device_mtu(c->mtu, &info);
	if (dp.n_workers > 1 && info.flow_type_rss_offloads) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads &
						   (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP |
						    RTE_ETH_RSS_ESP);
	}
	conf.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
	/* All frames come from one pool and have one owner. */
	conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
	rc = rte_eth_dev_configure(ethdev, dp.n_workers, dp.n_workers, &conf);
	if (rc == 0)
		rc = rte_eth_dev_adjust_nb_rx_tx_desc(ethdev, &n_rxd, &n_txd);
	for (uint16_t q = 0; q < dp.n_workers && rc == 0; q++)
		rc = rte_eth_rx_queue_setup(ethdev, q, n_rxd, (unsigned)rte_eth_dev_socket_id(ethdev), NULL,
					    dp.pool);
	for (uint16_t q = 0; q < dp.n_workers && rc == 0; q++)
		rc = rte_eth_tx_queue_setup(ethdev, q, n_txd, (unsigned)rte_eth_dev_socket_id(ethdev), NULL);
	if (rc < 0)
		return dp_fail(err, err_len, -rc,
			       "%s: port \"%s\" refuses its set-up: %s (mtu %u, %u queues)", c->name,
			       c->device, strerror(-rc), c->mtu, dp.n_workers);
	return 0;
}

static bool wants_v6(const struct dp_port_conf *c)
{
	for (unsigned i = 0; i < c->n_addr; i++)
		if (c->addr[i].a.v == 6)
			return true;
	return false;
}

/* ---- ports --------------------------------------------------------------------------------- */

static int check_conf(const struct dp_port_conf *c, char *err, size_t err_len)
{
	uint16_t max = dp.conf.max_mtu;

	if (dp.prepared)
		return dp_fail(err, err_len, EBUSY, "%s: ports are added before the workers start", c->name);
	if (n_ports == LINKS_MAX || (!c->vid && n_devices == PORTS_MAX))
		return dp_fail(err, err_len, ENOSPC, "%s: more than %d ports, or %d with VLANs", c->name,
			       PORTS_MAX, LINKS_MAX);
	if (c->mtu < MTU_MIN || c->mtu > max)
		return dp_fail(err, err_len, EINVAL, "%s: mtu %u, but %d to %u is possible", c->name, c->mtu,
			       MTU_MIN, max);
	if (c->n_addr > DP_ADDRS)
		return dp_fail(err, err_len, EINVAL, "%s: more than %d addresses", c->name, DP_ADDRS);
	return 0;
}

/* *p: what a port and a VLAN differ in is filled in. */
static int add_interface(const struct dp_port_conf *c, const struct port *p, uint16_t *ifindex, char *err,
			 size_t err_len)
{
	int rc = dp_if_new(c->name, c->addr, c->n_addr, ifindex);

	if (rc < 0)
		return dp_fail(err, err_len, -rc, "%s: %s", c->name,
			       rc == -EEXIST ? "there is an interface of that name" : strerror(-rc));
	ports[n_ports] = *p;
	ports[n_ports].mtu = c->mtu;
	ports[n_ports].ifindex = *ifindex;
	ports[n_ports].has_addr = c->n_addr > 0;
	ports[n_ports].has_v6 = wants_v6(c);
	port_mac_changed(n_ports);
	atomic_store_explicit(&ports[n_ports].up, true, memory_order_relaxed);
	dp.ifs[*ifindex].is_port = true;
	dp.ifs[*ifindex].port = n_ports;
	dp.ifs[*ifindex].mtu = c->mtu;
	rc = fib_if_add(*ifindex);
	if (rc < 0)
		return dp_fail(err, err_len, -rc, "%s: addresses: %s", c->name,
			       rc == -EADDRINUSE ? "one is in use already"
			       : rc == -EEXIST   ? "there is a route for one's network already"
			       : rc == -EINVAL   ? "one is no host address"
						 : strerror(-rc));
	/* Neighbour discovery comes by multicast; a driver that cannot be told receives it anyway. */
	if (ports[n_ports].has_v6)
		(void)rte_eth_allmulticast_enable(p->ethdev);
	dp_if_commit();
	n_ports++;
	return 0;
}

static int add_vlan(const struct dp_port_conf *c, uint16_t *ifindex, char *err, size_t err_len)
{
	const struct dp_if *f = c->parent < dp.n_ifs ? &dp.ifs[c->parent] : NULL;
	struct port p;
	int rc;

	if (!f || !f->is_port || ports[f->port].vid)
		return dp_fail(err, err_len, EINVAL, "%s: a VLAN of an interface that is no port", c->name);
	if (c->vid >= VLANS - 1)
		return dp_fail(err, err_len, EINVAL, "%s: tag %u, but 1 to %d is possible", c->name, c->vid,
			       VLANS - 2);
	p = ports[f->port];
	if (c->mtu > p.mtu)
		return dp_fail(err, err_len, EMSGSIZE, "%s: mtu %u, but its port %s has %u", c->name, c->mtu,
			       f->name, p.mtu);
	if (port_of_vlan(&p, c->vid))
		return dp_fail(err, err_len, EEXIST, "%s: tag %u of %s is %s already", c->name, c->vid,
			       f->name, dp.ifs[ports[port_of_vlan(&p, c->vid)].ifindex].name);
	p.vid = c->vid;
	p.parent = f->port;
	rc = add_interface(c, &p, ifindex, err, err_len);
	if (rc == 0)
		port_vlan[p.device][c->vid] = dp.ifs[*ifindex].port;
	return rc;
}

static int add_port(const struct dp_port_conf *c, const char *kernel_if, uint16_t ethdev, uint16_t *ifindex,
		    char *err, size_t err_len)
{
	struct port p = {.ethdev = ethdev, .device = n_devices, .parent = n_ports};
	int rc = configure(c, ethdev, err, err_len);

	rte_eth_macaddr_get(ethdev, (struct rte_ether_addr *)p.mac);
	snprintf(p.kernel_if, sizeof(p.kernel_if), "%s", kernel_if);
	if (rc == 0)
		rc = add_interface(c, &p, ifindex, err, err_len);
	if (rc < 0)
		rte_eth_dev_close(ethdev);
	else
		n_devices++;
	return rc;
}

int dp_port_add(const struct dp_port_conf *c, uint16_t *ifindex, char *err, size_t err_len)
{
	bool on_kernel = device_is(c->device, "net_af_packet") || device_is(c->device, "net_af_xdp");
	char name[IFNAMSIZ] = "";
	uint16_t ethdev;
	int rc = check_conf(c, err, err_len);

	if (rc < 0)
		return rc;
	if (c->vid)
		return add_vlan(c, ifindex, err, err_len);
	if (on_kernel) {
		if (!device_arg(c->device, "iface", name, sizeof(name)) || !*name)
			return dp_fail(err, err_len, EINVAL, "%s: port \"%s\" names no interface (iface=...)",
				       c->name, c->device);
		rc = device_check_kernel(c, wants_v6(c), name, err, err_len);
		if (rc < 0)
			return rc;
	}
	rc = find_ethdev(c, &ethdev, err, err_len);
	if (rc < 0)
		return rc;
	for (uint8_t i = 0; i < n_ports; i++)
		if (ports[i].ethdev == ethdev)
			return dp_fail(err, err_len, EBUSY, "%s: device is port %s already", c->name,
				       dp.ifs[ports[i].ifindex].name);
	return add_port(c, name, ethdev, ifindex, err, err_len);
}

void port_mac_changed(uint8_t port)
{
	struct port *p = &ports[port];
	uint8_t ip[16];
	uint64_t mac = 0;

	nd_link_local(p->mac, ip);
	p->link_local = addr_v6(ip);
	memcpy(p->plain_frame, p->mac, RTE_ETHER_ADDR_LEN);
	p->plain_frame[12] = RTE_ETHER_TYPE_IPV4 >> 8;
	p->plain_frame[13] = RTE_ETHER_TYPE_IPV4 & 0xff;
	memcpy(&mac, p->mac, RTE_ETHER_ADDR_LEN);
	p->eth_head = mac << 48;
	p->eth_tail4 = mac | (uint64_t)RTE_BE16(RTE_ETHER_TYPE_IPV4) << 48;
	p->eth_tail6 = mac | (uint64_t)RTE_BE16(RTE_ETHER_TYPE_IPV6) << 48;
}

bool port_has_addr(uint8_t port, const struct addr *a)
{
	const struct dp_if *f = &dp.ifs[ports[port].ifindex];

	if (ports[port].has_v6 && addr_eq(&ports[port].link_local, a))
		return true;
	for (unsigned i = 0; i < f->n_addr; i++)
		if (addr_eq(&f->addr[i].a, a))
			return true;
	return false;
}

int port_start_all(char *err, size_t err_len)
{
	for (uint8_t i = 0; i < n_ports; i++) {
		int rc = ports[i].vid ? 0 : rte_eth_dev_start(ports[i].ethdev);

		if (rc < 0)
			return dp_fail(err, err_len, -rc, "%s: port does not start: %s",
				       dp.ifs[ports[i].ifindex].name, strerror(-rc));
	}
	return 0;
}

void port_stop_all(void)
{
	for (uint8_t i = 0; i < n_ports; i++) {
		if (ports[i].vid)
			continue;
		(void)rte_eth_dev_stop(ports[i].ethdev); /* not started: says so */
		(void)rte_eth_dev_close(ports[i].ethdev);
	}
	memset(port_vlan, 0, sizeof(port_vlan[0]) * n_devices);
	n_ports = n_devices = 0;
	link_seen_ns = 0;
}

/* The drivers on kernel interfaces report a link that is always up; the kernel knows better.  A VLAN has been
 * told of its port's. */
static bool link_is_up(const struct port *p)
{
	struct rte_eth_link l = {0};
	short flags;

	if (p->vid)
		return atomic_load_explicit(&ports[p->parent].up, memory_order_relaxed);

	if (p->kernel_if[0])
		return device_kernel_flags(p->kernel_if, &flags, NULL) && (flags & IFF_UP) &&
		       (flags & IFF_RUNNING);
	return rte_eth_link_get_nowait(p->ethdev, &l) < 0 || l.link_status == RTE_ETH_LINK_UP;
}

void port_service(uint64_t now_ns)
{
	if (link_seen_ns && now_ns - link_seen_ns < LINK_EVERY_MS * UINT64_C(1000000))
		return;
	link_seen_ns = now_ns;
	for (uint8_t i = 0; i < n_ports; i++) {
		bool up = link_is_up(&ports[i]);

		if (up == atomic_load_explicit(&ports[i].up, memory_order_relaxed))
			continue;
		atomic_store_explicit(&ports[i].up, up, memory_order_relaxed);
		dp_log(DP_LOG_WARN, "%s: link is %s", dp.ifs[ports[i].ifindex].name, up ? "up" : "down");
		if (dp.handlers.link)
			dp.handlers.link(dp.ctx, &(struct dp_link){.ifindex = ports[i].ifindex, .up = up});
		if (up)
			neigh_announce(i);
		else
			neigh_doubt_port(i);
	}
}

static void vlan_stats(uint8_t link, struct dp_if_stats *s)
{
	for (uint16_t i = 0; i < dp.n_workers; i++) {
		const struct vlan_count *c = &dp.worker[i]->vlan[link];

		s->rx_packets += count_read(&c->rx_packets);
		s->rx_bytes += count_read(&c->rx_bytes);
		s->tx_packets += count_read(&c->tx_packets);
		s->tx_bytes += count_read(&c->tx_bytes);
	}
}

static void port_stats(const struct port *p, struct dp_if_stats *s)
{
	struct rte_eth_stats e = {0};

	(void)rte_eth_stats_get(p->ethdev, &e); /* a driver without leaves zeros */
	s->rx_packets = e.ipackets;
	s->rx_bytes = e.ibytes;
	s->tx_packets = e.opackets;
	s->tx_bytes = e.obytes;
	s->rx_missed = e.imissed + e.rx_nombuf;
	/* What the port refused; its own count of that is left out, for some drivers count it there, too. */
	for (uint16_t i = 0; i < dp.n_workers; i++)
		s->tx_failed += count_read(&dp.worker[i]->tx[p->device].refused);
}

int dp_if_stats(uint16_t ifindex, struct dp_if_stats *s)
{
	const struct dp_if *f = &dp.ifs[ifindex];
	const struct port *p;

	if (ifindex >= dp.n_ifs)
		return -ENOENT;
	memset(s, 0, sizeof(*s));
	snprintf(s->name, sizeof(s->name), "%s", f->name);
	s->is_port = f->is_port;
	s->mtu = f->mtu;
	s->link_up = true;
	if (!f->is_port)
		return 0;
	p = &ports[f->port];
	memcpy(s->mac, p->mac, 6);
	s->vid = p->vid;
	s->link_up = link_is_up(p);
	if (p->vid)
		vlan_stats(f->port, s);
	else
		port_stats(p, s);
	return 0;
}
