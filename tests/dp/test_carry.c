/* SPDX-License-Identifier: Apache-2.0 */
/* How a tunnel carries packets: the segment size that TCP offers, DF and DSCP of the outer header, each as the
 * tunnel's options say, and at once when they change. */
#include "peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define HOST "10.1.1.7"
#define FAR  "10.2.0.9"

enum { ETH = 14, SYN = 2, ACK = 16 };

static uint16_t tunnel;
static uint32_t policy;
static uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX], inner[DPT_FRAME_MAX];
static struct peer peer = {.spi_out = 0xc0ffee03};

static void options(struct dp_policy_options o)
{
	assert_int_equal(dp_policy_options(policy, &o), 0);
	dpt_run();
}

/* The TCP checksum, computed here, RFC 9293 3.1. */
static uint16_t tcp_sum(const uint8_t *ip, size_t len)
{
	size_t hlen = (ip[0] & 15u) * 4, n = len - hlen;
	uint32_t sum = (uint32_t)(6 + n);

	for (size_t i = 12; i < 20; i += 2)
		sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? ip[hlen + i] : (uint32_t)ip[hlen + i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static size_t make_tcp(bool out, uint8_t flags, const uint8_t *opt, size_t opt_len)
{
	struct dpt_ip4 h = {
		.src = out ? HOST : FAR, .dst = out ? FAR : HOST, .proto = IPPROTO_TCP, .frag = 0x4000};
	uint8_t tcp[64] = {0x12, 0x34, 0x00, 0x50, 1, 2, 3, 4, 5, 6, 7, 8};
	uint16_t sum;
	size_t len;

	tcp[12] = (uint8_t)((20 + opt_len) / 4 << 4);
	tcp[13] = flags;
	tcp[14] = 0xff;
	memcpy(tcp + 20, opt, opt_len);
	len = dpt_ip4(packet, &h, tcp, 20 + opt_len + 3); /* and three bytes of data */
	sum = tcp_sum(packet, len);
	packet[20 + 16] = (uint8_t)(sum >> 8);
	packet[20 + 17] = (uint8_t)sum;
	return len;
}

/* The packet through the tunnel, out or in; what came out of it lies in `inner`. */
static size_t through(bool out, size_t len)
{
	uint8_t outer[DPT_FRAME_MAX];
	uint64_t seq;
	size_t n;

	if (out)
		dpt_inject_ip(1, 0, packet, len);
	else
		dpt_inject_ip(0, 0, outer, peer_seal(&peer, packet, len, NULL, outer));
	dpt_run();
	dpt_expect_drop("", 0);
	n = dpt_take_one(out ? 0 : 1, frame);
	if (out)
		return peer_open(&peer, frame + ETH, n - ETH, inner, &seq);
	memcpy(inner, frame + ETH, n - ETH);
	return n - ETH;
}

/* The MSS at `at` of the options comes out as `want`, and nothing else changes. */
static void clamps(uint8_t flags, const uint8_t *opt, size_t opt_len, size_t at, uint16_t want)
{
	for (unsigned out = 0; out < 2; out++) {
		size_t len = make_tcp(out, flags, opt, opt_len);

		assert_int_equal(through(out, len), len);
		assert_int_equal(tcp_sum(inner, len), 0);
		packet[8]--;
		if (at) {
			packet[40 + at] = (uint8_t)(want >> 8);
			packet[40 + at + 1] = (uint8_t)want;
		}
		packet[20 + 16] = packet[20 + 17] = 0;
		len = dpt_ip4(packet,
			      &(struct dpt_ip4){.src = out ? HOST : FAR,
						.dst = out ? FAR : HOST,
						.proto = IPPROTO_TCP,
						.frag = 0x4000,
						.ttl = 63},
			      packet + 20, len - 20);
		{
			uint16_t sum = tcp_sum(packet, len);

			packet[20 + 16] = (uint8_t)(sum >> 8);
			packet[20 + 17] = (uint8_t)sum;
		}
		assert_memory_equal(inner, packet, len);
	}
}

static void mss(void **state)
{
	static const uint8_t usual[] = {2, 4, 5, 0xb4, 4, 2, 1, 3, 3, 7, 0, 0};
	static const uint8_t odd[] = {1, 2, 4, 5, 0xb4, 3, 3, 7};
	static const uint8_t low[] = {2, 4, 2, 0};
	static const uint8_t none[] = {1, 1, 1, 1}, ended[] = {0, 2, 4, 5, 0xb4, 0, 0, 0};
	static const uint8_t cut[] = {1, 1, 2, 4}, long_mss[] = {2, 5, 5, 0xb4, 0, 1, 1, 1},
			     zero[] = {3, 0, 2, 4};
	uint16_t fits = (uint16_t)(dp_sa_out_mtu(peer.sa_out) - 40);

	clamps(SYN, usual, sizeof(usual), 2, fits);
	clamps(SYN | ACK, usual, sizeof(usual), 2, fits);
	clamps(SYN, odd, sizeof(odd), 3, fits);
	clamps(SYN, low, sizeof(low), 2, 0x200);
	clamps(ACK, usual, sizeof(usual), 2, 0x5b4); /* only a SYN offers */
	clamps(SYN, none, sizeof(none), 0, 0);
	clamps(SYN, ended, sizeof(ended), 0, 0);
	clamps(SYN, cut, sizeof(cut), 0, 0);
	clamps(SYN, long_mss, sizeof(long_mss), 0, 0);
	clamps(SYN, zero, sizeof(zero), 0, 0);
	options((struct dp_policy_options){.mss = 1200});
	clamps(SYN, usual, sizeof(usual), 2, 1200);
	clamps(SYN, low, sizeof(low), 2, 0x200);
	options((struct dp_policy_options){.mss = DP_MSS_OFF});
	clamps(SYN, usual, sizeof(usual), 2, 0x5b4);
	options((struct dp_policy_options){0});
	clamps(SYN, usual, sizeof(usual), 2, fits);
}

/* Every MSS there is leaves a right checksum. */
static void mss_sums(void **state)
{
	for (unsigned v = 0; v < 65536; v += 97) {
		const uint8_t opt[4] = {2, 4, (uint8_t)(v >> 8), (uint8_t)v};
		size_t len = make_tcp(true, SYN, opt, sizeof(opt));

		assert_int_equal(through(true, len), len);
		assert_int_equal(tcp_sum(inner, len), 0);
	}
}

/* The outer header of a packet with this TOS byte and DF. */
static const uint8_t *outer_of(uint8_t tos, bool df)
{
	size_t len = dpt_echo4(packet, HOST, FAR, 1, 20);

	packet[1] = tos;
	packet[6] = df ? 0x40 : 0;
	dpt_sum4(packet);
	assert_int_equal(through(true, len), len);
	assert_int_equal(inner[1], tos); /* the inner header stays what it was */
	assert_int_equal(inner[6], df ? 0x40 : 0);
	return frame + ETH;
}

/* RFC 4301 8.1 */
static void df(void **state)
{
	static const struct {
		enum dp_df df;
		uint8_t clear, set;
	} c[] = {{DP_DF_COPY, 0, 0x40}, {DP_DF_SET, 0x40, 0x40}, {DP_DF_CLEAR, 0, 0}};

	for (unsigned i = 0; i < 3; i++) {
		options((struct dp_policy_options){.df = c[i].df});
		assert_int_equal(outer_of(0, false)[6], c[i].clear);
		assert_int_equal(outer_of(0, true)[6], c[i].set);
	}
	options((struct dp_policy_options){0});
}

/* RFC 4301 5.1.2.1, RFC 6040 4.1: DSCP as told, ECN always the inner one's. */
static void dscp(void **state)
{
	static const uint8_t fixed[] = {0, 1, 46, 63};

	for (unsigned tos = 0; tos < 256; tos++)
		assert_int_equal(outer_of((uint8_t)tos, true)[1], tos);
	for (unsigned i = 0; i < 4; i++) {
		options((struct dp_policy_options){.dscp_fixed = true, .dscp = fixed[i]});
		for (unsigned tos = 0; tos < 256; tos += 5)
			assert_int_equal(outer_of((uint8_t)tos, true)[1], fixed[i] << 2 | (tos & 3));
	}
	options((struct dp_policy_options){0});
}

static void checked(void **state)
{
	struct dp_policy_options o = {.dscp_fixed = true, .dscp = 64};

	assert_int_equal(dp_policy_options(policy, &o), -EINVAL);
	o = (struct dp_policy_options){.df = DP_DF_CLEAR + 1};
	assert_int_equal(dp_policy_options(policy, &o), -EINVAL);
	o = (struct dp_policy_options){0};
	assert_int_equal(dp_policy_options(policy + 1, &o), -ENOENT);
}

static int setup(void **state)
{
	struct dp_route r = {0};

	dpt_init(NULL);
	assert_int_equal(dp_tunnel_if_add("tunnel.1", NULL, 0, &tunnel), 0);
	r.ifindex = tunnel;
	assert_int_equal(prefix_parse("10.2.0.0/16", &r.dst), 0);
	assert_int_equal(dp_route_add(&r), 0);
	dpt_neighbour(0, PEER_IP, dpt_peer[0]);
	dpt_neighbour(1, HOST, dpt_peer[1]);
	peer_keys(&peer, 3);
	policy = peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", 0, 0, 0);
	peer_install(&peer, policy, NULL);
	dpt_clear();
	return 0;
}

static int teardown(void **state)
{
	peer_remove(&peer);
	dpt_fini();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mss),  cmocka_unit_test(mss_sums), cmocka_unit_test(df),
		cmocka_unit_test(dscp), cmocka_unit_test(checked),
	};

	return cmocka_run_group_tests_name("carry", tests, setup, teardown);
}
