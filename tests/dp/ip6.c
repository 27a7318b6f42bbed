/* SPDX-License-Identifier: Apache-2.0 */
#include "ip6.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "dp.h"
#include "neigh.h"

static void put16(uint8_t *b, size_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

void ip6_addr(const char *text, uint8_t b[16])
{
	if (inet_pton(AF_INET6, text, b) != 1)
		fail_msg("%s is no address", text);
}

static uint32_t sum16(const uint8_t *b, size_t len, uint32_t sum)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(b[i] << 8 | b[i + 1]);
	if (len & 1)
		sum += (uint32_t)(b[len - 1] << 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* RFC 8200 8.1. */
static uint32_t sum_of(const uint8_t *packet, uint8_t proto, const uint8_t *l4, size_t len)
{
	return sum16(l4, len, sum16(packet + 8, 32, (uint32_t)(len + proto)));
}

size_t ip6_put(uint8_t *b, const struct ip6 *h, const void *payload, size_t len)
{
	memset(b, 0, 40);
	b[0] = (uint8_t)(0x60 | h->tc >> 4);
	b[1] = (uint8_t)(h->tc << 4);
	put16(b + 4, len);
	b[6] = h->next;
	b[7] = h->hops ? h->hops : 64;
	ip6_addr(h->src, b + 8);
	ip6_addr(h->dst, b + 24);
	if (len)
		memcpy(b + 40, payload, len);
	return 40 + len;
}

size_t ip6_put_sum(uint8_t *b, const struct ip6 *h, void *payload, size_t len, size_t at)
{
	uint8_t *l4 = payload;
	uint32_t sum;

	put16(l4 + at, 0);
	ip6_put(b, h, payload, len);
	sum = 0xffff ^ sum_of(b, h->next, b + 40, len);
	put16(b + 40 + at, sum ? sum : 0xffff);
	return 40 + len;
}

size_t ip6_udp(uint8_t *b, const char *src, uint16_t sport, const char *dst, uint16_t dport, const void *data,
	       size_t len)
{
	uint8_t udp[DPT_FRAME_MAX] = {0};

	put16(udp, sport);
	put16(udp + 2, dport);
	put16(udp + 4, 8 + len);
	if (len)
		memcpy(udp + 8, data, len);
	return ip6_put_sum(b, &(struct ip6){.src = src, .dst = dst, .next = IPPROTO_UDP}, udp, 8 + len, 6);
}

size_t ip6_echo(uint8_t *b, const char *src, const char *dst, uint16_t seq, size_t len)
{
	uint8_t icmp[DPT_FRAME_MAX] = {128};

	put16(icmp + 4, 0xbeef);
	put16(icmp + 6, seq);
	for (size_t i = 0; i < len; i++)
		icmp[8 + i] = (uint8_t)i;
	return ip6_put_sum(b, &(struct ip6){.src = src, .dst = dst, .next = IPPROTO_ICMPV6}, icmp, 8 + len,
			   2);
}

size_t ip6_nd(uint8_t *b, uint8_t type, const char *src, const char *dst, const char *target, uint8_t flags,
	      const uint8_t *option_mac)
{
	uint8_t nd[32] = {type, [4] = flags, [24] = type == 135 ? 1 : 2, [25] = 1};

	ip6_addr(target, nd + 8);
	if (option_mac)
		memcpy(nd + 26, option_mac, 6);
	return ip6_put_sum(b, &(struct ip6){.src = src, .dst = dst, .next = IPPROTO_ICMPV6, .hops = 255}, nd,
			   option_mac ? 32 : 24, 2);
}

bool ip6_sum_right(const uint8_t *b, size_t len)
{
	size_t n = (size_t)(b[4] << 8 | b[5]), at = b[6] == IPPROTO_UDP ? 46 : 42;

	return 40 + n == len && (b[at] || b[at + 1]) && sum_of(b, b[6], b + 40, n) == 0xffff;
}

void ip6_inject(unsigned port, const uint8_t *packet, size_t len)
{
	uint8_t frame[DPT_FRAME_MAX];

	memcpy(dpt_eth(frame, port, 0x86dd), packet, len);
	dpt_inject(port, 0, frame, 14 + len);
}

void ip6_neighbour(unsigned port, const char *ip, const uint8_t mac[6])
{
	const char *own = port == 0 ? OWN6 : INSIDE6;
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
	size_t len = ip6_nd(packet, 135, ip, own, own, 0, mac);

	ip6_inject(port, packet, len);
	dpt_run();
	dpt_take_one(port, frame); /* the answer */
}

void ip6_reachable(unsigned port, const char *ip, const uint8_t mac[6])
{
	const struct endpoint e = dpt_ep(ip, 0);
	uint8_t packet[DPT_FRAME_MAX];
	size_t len = ip6_nd(packet, 136, ip, port ? INSIDE6 : OWN6, ip, 0x60, mac);

	ip6_neighbour(port, ip, mac);
	neigh_used(neigh_find(dp.ifs[dpt_port[port]].port, &e.a));
	dpt_run();
	ip6_inject(port, packet, len);
	dpt_clear();
}
