/* SPDX-License-Identifier: Apache-2.0 */
#include "inner6.h"

#include <netinet/in.h>
#include <string.h>

#include "port.h"

uint32_t policy4, policy6;
uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX], inner[DPT_FRAME_MAX], outer[DPT_FRAME_MAX];
static uint16_t tunnel;

struct peer peers[PEERS] = {
	{.spi_out = 0xc0ffee61},
	{.spi_out = 0xc0ffee62, .cbc = true, .udp = true},
	{.spi_out = 0xc0ffee63, .outer6 = true},
	{.spi_out = 0xc0ffee64, .outer6 = true, .cbc = true, .udp = true},
};

void ts_in6(struct dp_sa_in_conf *c)
{
	c->ts_local[0] = peer_ts("fd00:1::/64", 0, 0);
	c->ts_remote[0] = peer_ts("2001:db8:f::/48", 0, 0);
}

void ts_out6(struct dp_sa_out_conf *c)
{
	c->ts_local[0] = peer_ts("fd00:1::/64", 0, 0);
	c->ts_remote[0] = peer_ts("2001:db8:f::/48", 0, 0);
}

const struct peer_edit edit6 = {ts_in6, ts_out6};

struct peer *up(unsigned i)
{
	peers[i].seq = 0;
	peer_install(&peers[i], policy6, &edit6);
	return &peers[i];
}

void set_tc(uint8_t *ip, uint8_t tc)
{
	ip[0] = (uint8_t)(0x60 | tc >> 4);
	ip[1] = (uint8_t)(tc << 4);
}

uint8_t tos_of(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? ip[1] : (uint8_t)(ip[0] << 4 | ip[1] >> 4);
}

void leaves_sealed(const struct peer *p, size_t len, uint8_t tos)
{
	size_t n = dpt_take_one(0, frame) - ETH;
	uint64_t seq;

	assert_int_equal(frame[12] << 8 | frame[13], p->outer6 ? 0x86dd : 0x0800);
	assert_int_equal(tos_of(frame + ETH), tos);
	if (!p->outer6)
		assert_int_equal(frame[ETH + 6] << 8 | frame[ETH + 7],
				 0x4000); /* DF, as IPv6 has it by nature */
	assert_int_equal(peer_open(p, frame + ETH, n, inner, &seq), len);
	packet[7]--;
	assert_memory_equal(inner, packet, len);
}

void inject_out(size_t len)
{
	ip6_inject(1, packet, len);
	dpt_run();
}

void inject_in(struct peer *p, size_t len, const struct peer_how *how)
{
	size_t n = peer_seal(p, packet, len, how, outer);

	if (p->outer6)
		ip6_inject(0, outer, n);
	else
		dpt_inject_ip(0, 0, outer, n);
	dpt_run();
}

void told(uint8_t type, uint8_t code, uint32_t more, size_t about)
{
	size_t len = dpt_take_one(1, frame) - ETH, quote = about < 1280 - 48 ? about : 1280 - 48;
	const uint8_t *ip = frame + ETH;
	uint8_t own[16], host[16];

	ip6_addr(INSIDE6, own);
	ip6_addr(HOST, host);
	assert_int_equal(len, 48 + quote);
	assert_memory_equal(ip + 8, own, 16);
	assert_memory_equal(ip + 24, host, 16);
	assert_int_equal(ip[6], IPPROTO_ICMPV6);
	assert_true(ip6_sum_right(ip, len));
	assert_int_equal(ip[IP6] << 8 | ip[IP6 + 1], type << 8 | code);
	assert_int_equal(ip[IP6 + 4] << 8 | ip[IP6 + 5], 0);
	assert_int_equal(ip[IP6 + 6] << 8 | ip[IP6 + 7], more);
	assert_memory_equal(ip + 48 + 8, packet + 8, quote - 8);
	dpt_sleep_ms(50);
}

static void route(const char *dst, uint16_t to)
{
	struct dp_route r = {.ifindex = to};

	assert_int_equal(prefix_parse(dst, &r.dst), 0);
	assert_int_equal(dp_route_add(&r), 0);
}

int inner6_setup(void **state)
{
	dpt_init(&(struct dpt_conf){.v6 = true, .icmp_rate = 1000});
	assert_int_equal(dp_tunnel_if_add("tunnel.1", NULL, 0, &tunnel), 0);
	route("10.2.0.0/16", tunnel);
	route("2001:db8:f::/48", tunnel);
	route("2001:db8:10::/48", tunnel);
	policy4 = peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", 0, 0, 0);
	policy6 = peer_policy(tunnel, "fd00:1::/64", "2001:db8:f::/48", 0, 0, 0);
	for (unsigned i = 0; i < PEERS; i++)
		peer_keys(&peers[i], (uint8_t)(60 + i));
	dpt_neighbour(0, PEER_IP, dpt_peer[0]);
	dpt_neighbour(1, HOST4, dpt_peer[1]);
	ip6_reachable(0, PEER6, dpt_peer[0]);
	ip6_reachable(1, HOST, dpt_peer[1]);
	return 0;
}

int inner6_teardown(void **state)
{
	dpt_fini();
	return 0;
}
