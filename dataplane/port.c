/* SPDX-License-Identifier: Apache-2.0 */
#include "port.h"

#include <ctype.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_ether.h>

#include "dp.h"
#include "fib.h"
#include "nd.h"
#include "neigh.h"
#include "worker.h"

enum {
	MTU_MIN = 576, /* RFC 791 3.2: what every host takes */
	DESCRIPTORS = 1024,
	LINK_EVERY_MS = 1000,
	/* af_packet's ring frame: the kernel puts the IP header 80 bytes into it (TPACKET2_HDRLEN and the
	 * room for a link header, aligned), whatever is behind the frame's end is cut off in silence. */
	AF_PACKET_FRAME = 2048,
	AF_PACKET_HDR = 80,
	AF_XDP_FRAME_MAX = 1790,
};

struct port ports[PORTS_MAX];
uint8_t n_ports;
static uint64_t link_seen_ns;

/* ---- device strings ------------------------------------------------------------------------ */

static bool hex_run(const char **s, int n)
{
	while (n-- > 0)
		if (!isxdigit((unsigned char)*(*s)++))
			return false;
	return true;
}

/* [dddd:]bb:dd.f, with or without arguments behind it */
bool port_device_is_pci(const char *device)
{
	const char *s = device;

	if (strnlen(s, 5) == 5 && s[4] == ':') {
		if (!hex_run(&s, 4) || *s++ != ':')
			return false;
	}
	return hex_run(&s, 2) && *s++ == ':' && hex_run(&s, 2) && *s++ == '.' && hex_run(&s, 1) &&
	       (*s == 0 || *s == ',');
}

/* The text behind "key=" up to the next comma; false when there is none or it does not fit. */
static bool device_arg(const char *device, const char *key, char *out, size_t len)
{
	size_t key_len = strlen(key);

	for (const char *s = strchr(device, ','); s; s = strchr(s, ',')) {
		size_t n;

		s++;
		if (strncmp(s, key, key_len) != 0 || s[key_len] != '=')
			continue;
		s += key_len + 1;
		n = strcspn(s, ",");
		if (n >= len)
			return false;
		memcpy(out, s, n);
		out[n] = 0;
		return true;
	}
	return false;
}

unsigned long port_device_arg(const char *device, const char *key, unsigned long otherwise)
{
	char buf[24], *end;
	unsigned long v;

	if (!device_arg(device, key, buf, sizeof(buf)))
		return otherwise;
	v = strtoul(buf, &end, 10);
	return *end || end == buf ? otherwise : v;
}

static void device_name(const char *device, char *out, size_t len)
{
	snprintf(out, len, "%.*s", (int)strcspn(device, ","), device);
}

static bool is_driver(const char *device, const char *driver)
{
	return strncmp(device, driver, strlen(driver)) == 0;
}

/* ---- the kernel's interface below ---------------------------------------------------------- */

static bool kernel_flags(const char *name, short *flags, int *mtu)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = {0};
	bool ok;

	if (s < 0)
		return false;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	ok = ioctl(s, SIOCGIFFLAGS, &r) == 0;
	*flags = r.ifr_flags;
	if (ok && mtu) {
		ok = ioctl(s, SIOCGIFMTU, &r) == 0;
		*mtu = r.ifr_mtu;
	}
	close(s);
	return ok;
}

static bool kernel_has(const char *name, int family, char *text, size_t len)
{
	struct ifaddrs *all, *a;
	bool found = false;

	if (getifaddrs(&all) < 0)
		return false;
	for (a = all; a && !found; a = a->ifa_next) {
		struct addr ip;

		if (strcmp(a->ifa_name, name) != 0 || !a->ifa_addr || a->ifa_addr->sa_family != family)
			continue;
		if (family == AF_INET6) {
			struct sockaddr_in6 s;

			memcpy(&s, a->ifa_addr, sizeof(s));
			ip = addr_v6(s.sin6_addr.s6_addr);
		} else {
			struct sockaddr_in s;

			memcpy(&s, a->ifa_addr, sizeof(s));
			ip = addr_v4((const uint8_t *)&s.sin_addr);
		}
		snprintf(text, len, "%s", addr_str(&ip, (char[ADDR_STR]){0}));
		found = true;
	}
	freeifaddrs(all);
	return found;
}

static bool wants_v6(const struct dp_port_conf *c)
{
	for (unsigned i = 0; i < c->n_addr; i++)
		if (c->addr[i].a.v == 6)
			return true;
	return false;
}

/* What goes wrong silently on af_packet and af_xdp, said in plain words. */
static int check_kernel_if(const struct dp_port_conf *c, const char *name, char *err, size_t err_len)
{
	bool af_packet = is_driver(c->device, "net_af_packet");
	unsigned long frame = port_device_arg(c->device, "framesz", AF_PACKET_FRAME);
	char ip[ADDR_STR];
	short flags;
	int mtu;

	if (!kernel_flags(name, &flags, &mtu))
		return dp_fail(err, err_len, ENODEV,
			       "%s: there is no interface \"%s\" in this network namespace", c->name, name);
	if (!(flags & IFF_UP))
		return dp_fail(err, err_len, ENETDOWN, "%s: interface \"%s\" is down (ip link set %s up)",
			       c->name, name, name);
	if (mtu < c->mtu)
		return dp_fail(err, err_len, EMSGSIZE,
			       "%s: mtu %u, but interface \"%s\" has %d (ip link set %s mtu %u)", c->name,
			       c->mtu, name, mtu, name, c->mtu);
	if (af_packet && (unsigned long)c->mtu + AF_PACKET_HDR > frame)
		return dp_fail(err, err_len, EMSGSIZE,
			       "%s: mtu %u does not fit a frame of %lu bytes (add "
			       "blocksz=40960,framesz=10240,framecnt=256 to the port)",
			       c->name, c->mtu, frame);
	if (!af_packet && c->mtu + RTE_ETHER_HDR_LEN > AF_XDP_FRAME_MAX)
		return dp_fail(err, err_len, EMSGSIZE, "%s: mtu %u is more than af_xdp carries (%d)", c->name,
			       c->mtu, AF_XDP_FRAME_MAX - RTE_ETHER_HDR_LEN);
	/* Its stack would answer ARP, ping and IKE besides us. */
	if (af_packet && kernel_has(name, AF_INET, ip, sizeof(ip)))
		return dp_fail(
			err, err_len, EADDRINUSE,
			"%s: the kernel has address %s on interface \"%s\" and would answer besides us "
			"(ip addr flush dev %s)",
			c->name, ip, name, name);
	if (af_packet && wants_v6(c) && kernel_has(name, AF_INET6, ip, sizeof(ip)))
		return dp_fail(
			err, err_len, EADDRINUSE,
			"%s: the kernel has address %s on interface \"%s\" and would answer besides us "
			"(sysctl net.ipv6.conf.%s.disable_ipv6=1)",
			c->name, ip, name, name);
	return 0;
}

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
	if (port_device_is_pci(c->device) && !rte_eal_has_pci())
		return dp_fail(err, err_len, ENODEV, "%s: PCI device %s was not announced at start", c->name,
			       name);
	rc = rte_dev_probe(c->device);
	if (rc < 0 && rc != -EEXIST)
		return dp_fail(err, err_len, -rc, "%s: no port from \"%s\": %s%s", c->name, c->device,
			       strerror(-rc),
			       port_device_is_pci(c->device) ? " (is it bound to vfio-pci?)" : "");
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
	if (is_driver(device, "net_af_packet"))
		return "; add qpairs=";
	if (is_driver(device, "net_af_xdp"))
		return "; add queue_count=";
	if (is_driver(device, "net_virtio_user") || is_driver(device, "net_vhost"))
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

static int configure(const struct dp_port_conf *c, uint16_t ethdev, char *err, size_t err_len)
{
	bool kernel_mtu = is_driver(c->device, "net_af_packet") || is_driver(c->device, "net_af_xdp");
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
	conf.rxmode.mtu = kernel_mtu ? (uint16_t)RTE_ETHER_MTU : c->mtu;
	if (dp.n_workers > 1 && info.flow_type_rss_offloads) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads &
						   (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP |
						    RTE_ETH_RSS_ESP);
	}
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

/* ---- ports --------------------------------------------------------------------------------- */

static int check_conf(const struct dp_port_conf *c, char *err, size_t err_len)
{
	uint16_t max = dp.conf.max_mtu;

	if (dp.prepared)
		return dp_fail(err, err_len, EBUSY, "%s: ports are added before the workers start", c->name);
	if (n_ports == PORTS_MAX)
		return dp_fail(err, err_len, ENOSPC, "%s: more than %d ports", c->name, PORTS_MAX);
	if (c->mtu < MTU_MIN || c->mtu > max)
		return dp_fail(err, err_len, EINVAL, "%s: mtu %u, but %d to %u is possible", c->name, c->mtu,
			       MTU_MIN, max);
	if (c->n_addr > DP_ADDRS)
		return dp_fail(err, err_len, EINVAL, "%s: more than %d addresses", c->name, DP_ADDRS);
	return 0;
}

static int add_interface(const struct dp_port_conf *c, uint16_t ethdev, uint16_t *ifindex, char *err,
			 size_t err_len)
{
	struct port *p = &ports[n_ports];
	int rc = dp_if_new(c->name, c->addr, c->n_addr, ifindex);

	if (rc < 0)
		return dp_fail(err, err_len, -rc, "%s: %s", c->name,
			       rc == -EEXIST ? "there is an interface of that name" : strerror(-rc));
	memset(p, 0, sizeof(*p));
	p->ethdev = ethdev;
	p->mtu = c->mtu;
	p->ifindex = *ifindex;
	rte_eth_macaddr_get(ethdev, (struct rte_ether_addr *)p->mac);
	p->has_v6 = wants_v6(c);
	port_mac_changed(n_ports);
	atomic_store_explicit(&p->up, true, memory_order_relaxed);
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
	if (p->has_v6)
		(void)rte_eth_allmulticast_enable(ethdev);
	dp_if_commit();
	n_ports++;
	return 0;
}

int dp_port_add(const struct dp_port_conf *c, uint16_t *ifindex, char *err, size_t err_len)
{
	bool on_kernel = is_driver(c->device, "net_af_packet") || is_driver(c->device, "net_af_xdp");
	char name[IFNAMSIZ] = "";
	uint16_t ethdev;
	int rc = check_conf(c, err, err_len);

	if (rc < 0)
		return rc;
	if (on_kernel) {
		if (!device_arg(c->device, "iface", name, sizeof(name)) || !*name)
			return dp_fail(err, err_len, EINVAL, "%s: port \"%s\" names no interface (iface=...)",
				       c->name, c->device);
		rc = check_kernel_if(c, name, err, err_len);
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
	rc = configure(c, ethdev, err, err_len);
	if (rc == 0)
		rc = add_interface(c, ethdev, ifindex, err, err_len);
	if (rc < 0) {
		rte_eth_dev_close(ethdev);
		return rc;
	}
	snprintf(ports[n_ports - 1].kernel_if, sizeof(ports[0].kernel_if), "%s", name);
	return 0;
}

void port_mac_changed(uint8_t port)
{
	uint8_t ip[16];

	nd_link_local(ports[port].mac, ip);
	ports[port].link_local = addr_v6(ip);
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
		int rc = rte_eth_dev_start(ports[i].ethdev);

		if (rc < 0)
			return dp_fail(err, err_len, -rc, "%s: port does not start: %s",
				       dp.ifs[ports[i].ifindex].name, strerror(-rc));
	}
	return 0;
}

void port_stop_all(void)
{
	for (uint8_t i = 0; i < n_ports; i++) {
		(void)rte_eth_dev_stop(ports[i].ethdev); /* not started: says so */
		(void)rte_eth_dev_close(ports[i].ethdev);
	}
	n_ports = 0;
	link_seen_ns = 0;
}

/* The drivers on kernel interfaces report a link that is always up; the kernel knows better. */
static bool link_is_up(const struct port *p)
{
	struct rte_eth_link l = {0};
	short flags;

	if (p->kernel_if[0])
		return kernel_flags(p->kernel_if, &flags, NULL) && (flags & IFF_UP) && (flags & IFF_RUNNING);
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

int dp_if_stats(uint16_t ifindex, struct dp_if_stats *s)
{
	const struct dp_if *f = &dp.ifs[ifindex];
	struct rte_eth_stats e = {0};
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
	s->link_up = link_is_up(p);
	(void)rte_eth_stats_get(p->ethdev, &e); /* a driver without leaves zeros */
	s->rx_packets = e.ipackets;
	s->rx_bytes = e.ibytes;
	s->tx_packets = e.opackets;
	s->tx_bytes = e.obytes;
	s->rx_missed = e.imissed + e.rx_nombuf;
	/* What the port refused; its own count of that is left out, for some drivers count it there, too. */
	for (uint16_t i = 0; i < dp.n_workers; i++)
		s->tx_failed += count_read(&dp.worker[i]->tx[f->port].refused);
	return 0;
}
