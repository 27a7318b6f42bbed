/* SPDX-License-Identifier: Apache-2.0 */
#include "device.h"

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

#include <rte_ether.h>

#include "dp.h"

enum {
	/* af_packet's ring frame: the kernel puts the IP header 80 bytes into it (TPACKET2_HDRLEN and the
	 * room for a link header, aligned), whatever is behind the frame's end is cut off in silence. */
	AF_PACKET_FRAME = 2048,
	AF_PACKET_HDR = 80,
	AF_XDP_FRAME_MAX = 1790,
	L2_MAX = RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN,
};

/* ---- device strings ------------------------------------------------------------------------ */

static bool hex_run(const char **s, int n)
{
	while (n-- > 0)
		if (!isxdigit((unsigned char)*(*s)++))
			return false;
	return true;
}

bool device_is_pci(const char *device)
{
	const char *s = device;

	if (strnlen(s, 5) == 5 && s[4] == ':') {
		if (!hex_run(&s, 4) || *s++ != ':')
			return false;
	}
	return hex_run(&s, 2) && *s++ == ':' && hex_run(&s, 2) && *s++ == '.' && hex_run(&s, 1) &&
	       (*s == 0 || *s == ',');
}

bool device_arg(const char *device, const char *key, char *out, size_t len)
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

unsigned long device_number(const char *device, const char *key, unsigned long otherwise)
{
	char buf[24], *end;
	unsigned long v;

	if (!device_arg(device, key, buf, sizeof(buf)))
		return otherwise;
	v = strtoul(buf, &end, 10);
	return *end || end == buf ? otherwise : v;
}

void device_name(const char *device, char *out, size_t len)
{
	snprintf(out, len, "%.*s", (int)strcspn(device, ","), device);
}

bool device_is(const char *device, const char *driver)
{
	return strncmp(device, driver, strlen(driver)) == 0;
}

/* ---- the kernel's interface below ---------------------------------------------------------- */

bool device_kernel_flags(const char *name, short *flags, int *mtu)
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

int device_check_kernel(const struct dp_port_conf *c, bool v6, const char *name, char *err, size_t err_len)
{
	bool af_packet = device_is(c->device, "net_af_packet");
	unsigned long frame = device_number(c->device, "framesz", AF_PACKET_FRAME);
	char ip[ADDR_STR];
	short flags;
	int mtu;

	if (!device_kernel_flags(name, &flags, &mtu))
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
	if (!af_packet && c->mtu + L2_MAX > AF_XDP_FRAME_MAX)
		return dp_fail(err, err_len, EMSGSIZE, "%s: mtu %u is more than af_xdp carries (%d)", c->name,
			       c->mtu, AF_XDP_FRAME_MAX - L2_MAX);
	/* Its stack would answer ARP, ping and IKE besides us. */
	if (af_packet && kernel_has(name, AF_INET, ip, sizeof(ip)))
		return dp_fail(
			err, err_len, EADDRINUSE,
			"%s: the kernel has address %s on interface \"%s\" and would answer besides us "
			"(ip addr flush dev %s)",
			c->name, ip, name, name);
	if (af_packet && v6 && kernel_has(name, AF_INET6, ip, sizeof(ip)))
		return dp_fail(
			err, err_len, EADDRINUSE,
			"%s: the kernel has address %s on interface \"%s\" and would answer besides us "
			"(sysctl net.ipv6.conf.%s.disable_ipv6=1)",
			c->name, ip, name, name);
	return 0;
}
