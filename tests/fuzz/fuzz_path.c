/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wire bytes through the whole path, inbound and outbound.
 *
 * The input is a list of packets, each behind a head of four bytes: what it is, a choice, and its length.
 * It enters the real data plane as a frame, as an IP packet, as the text of an ESP packet that is then
 * sealed with the right keys (so that what lies behind the ICV is reached), or as an ESP packet with a
 * wrong ICV.  Several can come in one burst.
 *
 * What must hold, whatever comes: nothing leaves but whole frames from our MAC with sound IP headers; what
 * is routed into the tunnel never leaves in clear; no packet buffer is lost; nothing reads or writes where
 * it should not (the sanitizers' part).
 */
#include <string.h>

#include <rte_mbuf.h>

#include "dp.h"
#include "fuzz.h"
#include "harness.h"
#include "peer.h"
#include "sad.h"
#include "suite.h"

enum { SAS = 6, SAS4 = 5, SA6 = 5, HEAD = 4, L2 = 14, OUTER = 28, PACKETS_MAX = 80 };

#define HOST6 "fd00:1::7"
enum { FOR_V6 = 16 }; /* in the head's first byte */
enum { VLAN = 100 };
#define FRAGMENTS_NS UINT64_C(16000000000) /* longer than a datagram waits for the rest */

static const struct {
	struct dp_suite suite;
	uint8_t key, salt, integ;
	bool esn, udp;
} kinds[SAS] = {
	/* the last is for IPv6, the others for IPv4 */
	{{DP_AES_GCM_16, 256, DP_INTEG_NONE}, 32, 4, 0, false, false},
	{{DP_AES_CBC, 128, DP_HMAC_SHA256_128}, 16, 0, 32, false, true},
	{{DP_ENCR_NULL, 0, DP_HMAC_SHA1_96}, 0, 0, 20, true, false},
	{{DP_CHACHA20_POLY1305, 0, DP_INTEG_NONE}, 32, 4, 0, true, true},
	{{DP_AES_GMAC, 128, DP_INTEG_NONE}, 16, 4, 0, true, false},
	{{DP_AES_GCM_16, 128, DP_INTEG_NONE}, 16, 4, 0, false, false},
};

static struct {
	uint32_t spi, out;
	struct sa_out mirror; /* the peer's outbound half: our inbound keys, sealing */
	uint64_t seq;
} sas[SAS];

/* ---- the world ------------------------------------------------------------------------------- */

static void add_sa(unsigned i, uint32_t policy)
{
	const struct suite *s = suite_find(&kinds[i].suite);
	uint16_t port = kinds[i].udp ? 4500 : 0;
	struct dp_sa_in_conf in = {.policy = policy,
				   .suite = kinds[i].suite,
				   .esn = kinds[i].esn,
				   .replay_window = i == 2 ? 0 : 64,
				   .local = dpt_ep(OWN_IP, port),
				   .remote = dpt_ep(PEER_IP, port),
				   .udp_encap = kinds[i].udp,
				   .n_local = 1,
				   .n_remote = 1};
	struct dp_sa_out_conf out = {.spi = 0x1000 + i, .policy = policy, .suite = in.suite};

	in.keys = (struct dp_keys){
		.encr_len = kinds[i].key, .salt_len = kinds[i].salt, .integ_len = kinds[i].integ};
	memset(in.keys.encr, (int)(0x10 + i), sizeof(in.keys.encr));
	/* every second one has selectors that only a walk can check */
	in.ts_local[0] = peer_ts("10.1.0.0/16", i & 1 ? 17 : 0, 0);
	in.ts_remote[0] = peer_ts("10.2.0.0/16", i & 1 ? 17 : 0, 0);
	if (i == SA6) {
		in.ts_local[0] = peer_ts("fd00:1::/64", 0, 0);
		in.ts_remote[0] = peer_ts("2001:db8:f::/48", 0, 0);
	}
	MUST(s && dp_spi_alloc(&in.spi) == 0 && dp_sa_in_install(&in) == 0);
	out.keys = in.keys;
	out.esn = in.esn;
	out.local = in.local;
	out.remote = in.remote;
	out.udp_encap = in.udp_encap;
	out.n_local = out.n_remote = 1;
	out.ts_local[0] = in.ts_local[0];
	out.ts_remote[0] = in.ts_remote[0];
	MUST(dp_sa_out_install(&out, &sas[i].out) == 0 && dp_policy_bind(policy, sas[i].out) == 0);
	sas[i].spi = in.spi;
	MUST(s->expand(s, dp.mb, &in.keys, sas[i].mirror.key) == 0);
	sas[i].mirror.suite = (uint8_t)(s - suite_table);
	sas[i].mirror.flags = in.esn ? SA_ESN : 0;
}

/* Port 0 has a VLAN. */
static void add_vlan(void)
{
	struct dp_port_conf c = {
		.name = "out.100", .vid = VLAN, .parent = dpt_port[0], .mtu = 1500, .n_addr = 1};
	char err[256];
	uint16_t i;

	prefix_parse("198.18.0.1/24", &c.addr[0]);
	MUST(dp_port_add(&c, &i, err, sizeof(err)) == 0);
}

static void make_world(void)
{
	struct dp_route r = {0};
	uint16_t tunnel;
	char net[20];

	dpt_init(&(struct dpt_conf){.v6 = true, .before_start = add_vlan});
	MUST(dp_tunnel_if_add("tunnel.1", NULL, 0, &tunnel) == 0);
	prefix_parse("10.2.0.0/16", &r.dst);
	r.ifindex = tunnel;
	MUST(dp_route_add(&r) == 0);
	prefix_parse("2001:db8:f::/48", &r.dst);
	MUST(dp_route_add(&r) == 0);
	memset(&r, 0, sizeof(r));
	prefix_parse("10.1.0.0/16", &r.dst);
	addr_parse("10.1.1.7", &r.via);
	MUST(dp_route_add(&r) == 0);
	for (unsigned i = 0; i < SAS4; i++) {
		snprintf(net, sizeof(net), "10.2.%u.0/24", i);
		add_sa(i, peer_policy(tunnel, "10.1.0.0/16", net, 0, 0, 0));
	}
	peer_policy(tunnel, "0.0.0.0/0", "10.2.128.0/17", 0, 0, 0); /* without SA */
	add_sa(SA6, peer_policy(tunnel, "fd00:1::/64", "2001:db8:f::/48", 0, 0, 0));
	peer_policy(tunnel, "::/0", "2001:db8:f:8000::/49", 17, 0, 53); /* without SA */
}

/* As before the first input: an input must do the same whenever it is run. */
static void reset(void)
{
	for (unsigned i = 0; i < SAS; i++) {
		struct sa_in *in = sad_in_find(sas[i].spi);

		in->seq_top = 0;
		if (in->window)
			memset(in->window, 0, (in->window_mask + 1u) * sizeof(*in->window));
		sad_out_find(sas[i].out)->seq = 0;
		sas[i].seq = 0;
	}
	dp_changed(); /* no flow is known */
	dpt_clear();
	dpt_neighbour(0, PEER_IP, dpt_peer[0]);
	dpt_neighbour(1, "10.1.1.7", dpt_peer[1]);
	ip6_reachable(1, HOST6, dpt_peer[1]);
}

/* ---- what comes in --------------------------------------------------------------------------- */

/* An IPv4 header, and UDP 4500 where the SA wants it, around n bytes at b + OUTER. */
static const uint8_t *wrap(uint8_t *b, const uint8_t *ip_bits, bool udp, size_t *n)
{
	uint8_t *ip = udp ? b : b + 8;
	size_t total = *n + (udp ? OUTER : OUTER - 8);
	uint32_t src = dpt_ip(PEER_IP), dst = dpt_ip(OWN_IP);

	memset(ip, 0, 20);
	ip[0] = 0x45;
	ip[1] = ip_bits[0]; /* DSCP and ECN as the input likes */
	ip[2] = (uint8_t)(total >> 8);
	ip[3] = (uint8_t)total;
	ip[8] = 64;
	ip[9] = udp ? 17 : 50;
	memcpy(ip + 12, &src, 4);
	memcpy(ip + 16, &dst, 4);
	dpt_sum4(ip);
	if (udp) {
		uint8_t u[8] = {0x11, 0x94, 0x11, 0x94, (uint8_t)((*n + 8) >> 8), (uint8_t)(*n + 8)};

		memcpy(b + 20, u, sizeof(u));
	}
	*n = total;
	return ip;
}

/* The text as the peer would send it: sealed under the next number, or one that `jump` says. */
static void sealed(const uint8_t *head, const uint8_t *text, size_t len, bool forge)
{
	unsigned i = head[0] & FOR_V6 ? SA6 : head[1] % SAS4;
	const struct suite *s = suite_at(sas[i].mirror.suite);
	uint8_t b[OUTER + DPT_FRAME_MAX] = {0}, *esp = b + OUTER;
	uint32_t spi_be = __builtin_bswap32(sas[i].spi), seq_be;
	size_t n;
	struct rte_mbuf m = {.buf_addr = b, .data_off = 0};
	struct pkt p = {.m = &m, .sa_out = &sas[i].mirror, .esp_off = OUTER, .l3_off = OUTER}, *list = &p;

	len -= len % s->block;
	if (len > 1400)
		len = 1400 - 1400 % s->block;
	n = ESP_HDR + s->iv_len + len + s->icv_len;
	p.seq = sas[i].seq = sas[i].seq + 1 + (head[1] & 0x80 ? (uint64_t)head[1] << 4 : 0) -
			     (head[1] & 0x40 ? 3 : 0);
	p.ip_len = (uint16_t)n;
	p.text_len = (uint16_t)len;
	seq_be = __builtin_bswap32((uint32_t)p.seq);
	memcpy(esp, &spi_be, 4);
	memcpy(esp + 4, &seq_be, 4);
	memcpy(esp + ESP_HDR + s->iv_len, text, len);
	s->seal(dp.worker[0], s, &list, 1);
	MUST(p.drop == DROP_NONE);
	if (forge)
		esp[n - 1] ^= 0x10;
	dpt_inject_ip(0, 0, wrap(b, head, kinds[i].udp, &n), n);
}

/* A packet from an SA's host to one behind the peer, or the other way round in clear: addresses right, the
 * rest as the input likes. */
static void addressed(const uint8_t *head, const uint8_t *data, size_t len)
{
	uint8_t b[DPT_FRAME_MAX];
	bool out = head[1] & 0x80;
	uint32_t src = dpt_ip(out ? "10.1.0.7" : PEER_IP), dst = dpt_ip(out ? "10.2.0.9" : OWN_IP);

	if (len < 20)
		return;
	if (len > 1500)
		len = 1500;
	memcpy(b, data, len);
	b[0] = (uint8_t)(0x40 | (b[0] & 15 ? b[0] & 15 : 5));
	memcpy(b + 12, &src, 4);
	memcpy(b + 16, &dst, 4);
	if (out)
		b[18] = head[1] % SAS4;
	if ((b[0] & 15) >= 5 && (b[0] & 15u) * 4 <= len)
		dpt_sum4(b);
	dpt_inject_ip(out, 0, b, len);
}

static void addressed6(const uint8_t *head, const uint8_t *data, size_t len)
{
	uint8_t b[DPT_FRAME_MAX];
	bool out = head[1] & 0x80;

	if (len < 40)
		return;
	if (len > 1500)
		len = 1500;
	memcpy(b, data, len);
	b[0] = (uint8_t)(0x60 | (b[0] & 15));
	ip6_addr(out ? HOST6 : PEER6, b + 8);
	ip6_addr(out ? "2001:db8:f::9" : OWN6, b + 24);
	if (out)
		b[30] = head[1] & 1 ? 0x80 : 0;
	ip6_inject(out, b, len);
}

static void arrive(const uint8_t *head, const uint8_t *data, size_t len)
{
	uint8_t frame[DPT_FRAME_MAX];

	switch (head[0] & 7) {
	case 0:
	case 1: /* a frame as it is */ dpt_inject(head[0] & 1, 0, data, len < 1600 ? len : 1600); break;
	case 2:
	case 3: /* an IP packet as it is */
		memcpy(dpt_eth(frame, head[0] & 1, head[1] & 1 ? 0x86dd : 0x0800), data,
		       len < 1500 ? len : 1500);
		dpt_inject(head[0] & 1, 0, frame, L2 + (len < 1500 ? len : 1500));
		break;
	case 4:
	case 5: sealed(head, data, len, false); break;
	case 6: (head[0] & FOR_V6 ? addressed6 : addressed)(head, data, len); break;
	default: sealed(head, data, len, true); break;
	}
	if (head[0] & 8)
		dpt_run();
}

/* ---- what goes out --------------------------------------------------------------------------- */

static void check_frame(unsigned port, const uint8_t *f, size_t len)
{
	const uint8_t *ip = f + L2;
	uint16_t type;

	MUST(len >= L2 && memcmp(f + 6, dpt_mac[port], 6) == 0);
	type = (uint16_t)(f[12] << 8 | f[13]);
	if (type == 0x8100) {
		MUST(len >= L2 + 4 && port == 0 && (f[14] << 8 | f[15]) == VLAN);
		type = (uint16_t)(f[16] << 8 | f[17]);
		ip += 4;
		len -= 4;
	}
	if (type == 0x86dd) {
		static const uint8_t far[6] = {0x20, 0x01, 0x0d, 0xb8, 0, 0x0f};

		MUST(len >= L2 + 40 && len - L2 <= 1500 && ip[0] >> 4 == 6);
		MUST((size_t)(ip[4] << 8 | ip[5]) == len - L2 - 40);
		MUST(memcmp(ip + 24, far, sizeof(far)) != 0); /* as below */
	}
	if (type != 0x0800)
		return;
	MUST(len >= L2 + 20 && len - L2 <= 1500 && ip[0] >> 4 == 4 && (ip[0] & 15) >= 5);
	MUST((size_t)(ip[2] << 8 | ip[3]) == len - L2);
	MUST(!(ip[16] == 10 && ip[17] == 2)); /* what the route sends into the tunnel, in clear */
}

static void drain(void)
{
	uint8_t frame[DPT_FRAME_MAX];
	size_t n;

	for (unsigned port = 0; port < DPT_PORTS; port++)
		while ((n = dpt_take(port, frame, NULL)) != 0)
			check_frame(port, frame, n);
}

/* DPDK keeps what it took at its start, and this process has no end at which to give it back. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static bool ready;
	unsigned n = 0;

	if (!ready)
		make_world();
	ready = true;
	reset();
	while (len >= HEAD && n++ < PACKETS_MAX) {
		size_t l = (size_t)(data[2] << 8 | data[3]) & 0x7ff;

		if (l > len - HEAD)
			l = len - HEAD;
		arrive(data, data + HEAD, l);
		data += HEAD + l;
		len -= HEAD + l;
	}
	dpt_run();
	drain();
	/* Whoever waits for the rest of a datagram gives up, or for a neighbour; his sender is told of that, for whom
	 * a neighbour may have to be found. */
	for (unsigned i = 0; i < 4 && (i == 0 || rte_mempool_in_use_count(dp.pool)); i++) {
		dpt_now += FRAGMENTS_NS;
		dpt_run();
		drain();
		dpt_sleep_ms(10000);
		drain();
	}
	MUST(rte_mempool_in_use_count(dp.pool) == 0);
	return 0;
}
