/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets into tunnels and out of them, through the whole path, against the peer of peer.h.
 *
 *     host 10.1.0.7 -- [in] culvert [out] 192.0.2.1 ---- 192.0.2.2 peer -- 10.2.0.9
 */
#include "peer.h"

#include <netinet/in.h>
#include <string.h>

#include "sad.h"

#define HOST "10.1.0.7"
#define FAR  "10.2.0.9"

static uint16_t tunnel;
static uint32_t policy;
static struct peer gcm = {.spi_out = 0xc0ffee01}, cbc = {.cbc = true, .udp = true, .spi_out = 0xc0ffee02};

/* ---- steps ----------------------------------------------------------------------------------- */

/* A packet from the host; what the peer reads of it. */
static size_t out(const struct peer *p, const uint8_t *packet, size_t len, uint8_t *inner, uint64_t *seq)
{
	uint8_t frame[DPT_FRAME_MAX];
	size_t n;

	dpt_inject_ip(1, 0, packet, len);
	dpt_run();
	dpt_expect_drop("", 0);
	n = dpt_take_one(0, frame);
	assert_memory_equal(frame, dpt_peer[0], 6);
	return peer_open(p, frame + 14, n - 14, inner, seq);
}

/* A packet of the peer; what arrives at the host. */
static size_t in(struct peer *p, const uint8_t *inner, size_t len, const struct peer_how *how,
		 uint8_t *packet)
{
	uint8_t esp[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
	size_t n = peer_seal(p, inner, len, how, esp);

	dpt_inject_ip(0, 0, esp, n);
	dpt_run();
	dpt_expect_drop("", 0);
	n = dpt_take_one(1, frame) - 14;
	memcpy(packet, frame + 14, n);
	assert_true(dpt_sums_right(packet, n));
	return n;
}

/* A packet of the peer that must not pass. */
static void in_dropped(struct peer *p, const uint8_t *inner, size_t len, const struct peer_how *how,
		       const char *why)
{
	uint8_t esp[DPT_FRAME_MAX];

	dpt_inject_ip(0, 0, esp, peer_seal(p, inner, len, how, esp));
	dpt_run();
	dpt_expect_drop(why, 1);
	dpt_take_none(1);
}

static void raw_dropped(const uint8_t *packet, size_t len, const char *why)
{
	dpt_inject_ip(0, 0, packet, len);
	dpt_run();
	dpt_expect_drop(why, 1);
	dpt_take_none(1);
}

static void out_dropped(const uint8_t *packet, size_t len, const char *why)
{
	dpt_inject_ip(1, 0, packet, len);
	dpt_run();
	dpt_expect_drop(why, 1);
	dpt_take_none(0);
}

/* The packet as it looks one hop on. */
static void age(uint8_t *packet)
{
	packet[8]--;
	dpt_sum4(packet);
}

/* Group of a test: one tunnel interface with one any-any policy, and the SA pairs a test installs. */
static int setup(void **state)
{
	const struct dpt_conf c = {.n_workers = 1};

	tunnel = peer_lab(&c);
	policy = peer_policy(tunnel, "0.0.0.0/0", "0.0.0.0/0", 0, 0, 0);
	peer_keys(&gcm, 1);
	peer_keys(&cbc, 2);
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(dp_policy_del(policy), 0);
	dpt_fini();
	return 0;
}

/* ---- the right way --------------------------------------------------------------------------- */

static void tunnel_both_ways(struct peer *p)
{
	uint8_t packet[DPT_FRAME_MAX], got[DPT_FRAME_MAX];
	struct dp_sa_stats s;
	uint64_t seq;
	size_t len, n;

	p->seq = 0;
	peer_install(p, policy, NULL);
	for (unsigned i = 0; i < 40; i++) { /* every length of padding */
		len = dpt_echo4(packet, HOST, FAR, (uint16_t)i, i);
		n = out(p, packet, len, got, &seq);
		age(packet);
		assert_int_equal(n, len);
		assert_memory_equal(got, packet, len);
		assert_int_equal(seq, i + 1);
	}
	for (unsigned i = 0; i < 40; i++) {
		len = dpt_echo4(packet, FAR, HOST, (uint16_t)i, i);
		n = in(p, packet, len, NULL, got);
		age(packet);
		assert_int_equal(n, len);
		assert_memory_equal(got, packet, len);
	}
	assert_int_equal(dp_sa_out_stats(p->sa_out, &s), 0);
	assert_int_equal(s.packets, 40);
	assert_int_equal(s.seq, 40);
	assert_int_equal(s.bytes, 40 * 28 + 39 * 20);
	assert_int_not_equal(s.last_used_ns, 0);
	assert_int_equal(dp_sa_in_stats(p->spi_in, &s), 0);
	assert_int_equal(s.packets, 40);
	assert_int_equal(s.seq, 40);
	assert_int_equal(s.bytes, 40 * 28 + 39 * 20);
	assert_int_not_equal(s.last_used_ns, 0);
	peer_remove(p);
}

static void gcm_both_ways(void **state)
{
	tunnel_both_ways(&gcm);
}

static void cbc_both_ways(void **state)
{
	tunnel_both_ways(&cbc);
}

/* Bursts of packets of two suites mixed come out complete and in order, each suite's. */
static void mixed_bursts(void **state)
{
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX], got[DPT_FRAME_MAX];
	uint32_t other = peer_policy(tunnel, "10.1.0.0/16", "10.2.8.0/24", 0, 0, 0);
	uint64_t seq;
	size_t n;

	gcm.seq = cbc.seq = 0;
	peer_install(&gcm, policy, NULL);
	peer_install(&cbc, other, NULL);
	for (unsigned i = 0; i < 96; i++)
		dpt_inject_ip(1, 0, packet,
			      dpt_echo4(packet, HOST, i % 3 ? FAR : "10.2.8.1", (uint16_t)i, 100 + i));
	dpt_run();
	dpt_expect_drop("", 0);
	for (unsigned i = 0; i < 96; i++) {
		n = dpt_take(0, frame, NULL);
		assert_int_not_equal(n, 0);
		assert_int_equal(peer_open(i % 3 ? &gcm : &cbc, frame + 14, n - 14, got, &seq), 128 + i);
		assert_int_equal(got[26] << 8 | got[27], i);
	}
	for (unsigned i = 0; i < 96; i++) {
		n = dpt_echo4(packet, i % 3 ? FAR : "10.2.8.1", HOST, (uint16_t)i, 100 + i);
		dpt_inject_ip(0, 0, frame, peer_seal(i % 3 ? &gcm : &cbc, packet, n, NULL, frame));
	}
	dpt_run();
	dpt_expect_drop("", 0);
	/* A known flow may overtake one that comes for the first time; within a flow order is kept. */
	for (unsigned k = 0, next[2] = {0, 1}; k < 96; k++) {
		unsigned flow = 0, i;

		n = dpt_take(1, frame, NULL);
		flow = frame[14 + 14] != 8;
		i = next[flow];
		assert_int_equal(n, 14 + 128 + i);
		assert_int_equal(frame[14 + 26] << 8 | frame[14 + 27], i);
		next[flow] = flow && i % 3 == 1 ? i + 1 : i + (flow ? 2 : 3);
	}
	peer_remove(&gcm);
	peer_remove(&cbc);
	assert_int_equal(dp_policy_del(other), 0);
}

/* RFC 4301 5.1.2.1: DSCP and DF go out; RFC 6040 4.1: ECN too. */
static void header_fields_go_out(void **state)
{
	uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX], got[DPT_FRAME_MAX];
	static const struct {
		uint8_t tos;
		uint16_t frag;
	} c[] = {{0xb8, 0}, {0x03, 0x4000}, {0x01, 0x4000}, {0x00, 0x2000}, {0xff, 0}};
	uint64_t seq;
	size_t n;

	peer_install(&gcm, policy, NULL);
	for (unsigned i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		size_t len = dpt_ip4(
			packet, &(struct dpt_ip4){.src = HOST, .dst = FAR, .proto = 99, .frag = c[i].frag},
			"text", 4);

		packet[1] = c[i].tos;
		dpt_sum4(packet);
		dpt_inject_ip(1, 0, packet, len);
		dpt_run();
		n = dpt_take_one(0, frame);
		assert_int_equal(frame[14 + 1], c[i].tos);
		assert_int_equal(frame[14 + 6] << 8 | frame[14 + 7], c[i].frag & 0x4000);
		assert_int_equal(peer_open(&gcm, frame + 14, n - 14, got, &seq), len);
	}
	dpt_expect_drop("", 0);
	peer_remove(&gcm);
}

/* RFC 6040 4.2, figure 4. */
static void ecn_comes_in(void **state)
{
	enum { NOT = 0, ECT1 = 1, ECT0 = 2, CE = 3, DROP = 4 };
	static const uint8_t want[4][4] = {
		/* outer:     NOT   ECT1  ECT0  CE */
		[NOT] = {NOT, NOT, NOT, DROP},
		[ECT0] = {ECT0, ECT1, ECT0, CE},
		[ECT1] = {ECT1, ECT1, ECT1, CE},
		[CE] = {CE, CE, CE, CE},
	};
	uint8_t packet[DPT_FRAME_MAX], got[DPT_FRAME_MAX];

	gcm.seq = 0;
	peer_install(&gcm, policy, NULL);
	for (unsigned inner = 0; inner < 4; inner++) {
		for (unsigned outer = 0; outer < 4; outer++) {
			size_t len = dpt_echo4(packet, FAR, HOST, 1, 10);
			struct peer_how how = {.tos = (uint8_t)(0xb8 | outer)};

			packet[1] = (uint8_t)(0x20 | inner);
			dpt_sum4(packet);
			if (want[inner][outer] == DROP) {
				in_dropped(&gcm, packet, len, &how, "esp-ecn");
				continue;
			}
			in(&gcm, packet, len, &how, got);
			assert_int_equal(got[1], 0x20 | want[inner][outer]);
		}
	}
	peer_remove(&gcm);
}

/* RFC 7296 2.23: raw and UDP are both taken, whatever the SA is. */
static void both_encapsulations(void **state)
{
	uint8_t packet[DPT_FRAME_MAX], got[DPT_FRAME_MAX];
	struct peer_how raw = {.raw = true}, udp = {.udp = true};
	size_t len = dpt_echo4(packet, FAR, HOST, 1, 10);

	gcm.seq = cbc.seq = 0;
	peer_install(&gcm, policy, NULL);
	in(&gcm, packet, len, &udp, got);
	in(&gcm, packet, len, &raw, got);
	peer_remove(&gcm);
	peer_install(&cbc, policy, NULL);
	in(&cbc, packet, len, &udp, got);
	in(&cbc, packet, len, &raw, got);
	peer_remove(&cbc);
	assert_int_equal(dpt_seen.n_moved, 0);
}

/* RFC 4303 2.4 and 2.7: as much padding as a peer likes, and bytes behind the inner packet. */
static void long_padding_and_tfc(void **state)
{
	uint8_t packet[DPT_FRAME_MAX], got[DPT_FRAME_MAX];
	size_t len = dpt_echo4(packet, FAR, HOST, 1, 11);
	struct peer_how how[] = {
		{.more_pad = 4}, {.more_pad = 248}, {.tfc = 1}, {.tfc = 700, .more_pad = 16}};

	gcm.seq = 0;
	peer_install(&gcm, policy, NULL);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(in(&gcm, packet, len, &how[i], got), len);
	peer_remove(&gcm);
}

static void esn(void **state)
{
	struct peer a = {.esn = true, .spi_out = 0xc0ffee03},
		    b = {.esn = true, .cbc = true, .spi_out = 0xc0ffee04};
	struct peer *p[] = {&a, &b};
	uint8_t packet[DPT_FRAME_MAX], got[DPT_FRAME_MAX];
	size_t len = dpt_echo4(packet, FAR, HOST, 1, 11);
	struct dp_sa_stats s;

	for (unsigned i = 0; i < 2; i++) {
		peer_keys(p[i], (uint8_t)(10 + i));
		peer_install(p[i], policy, NULL);
		p[i]->seq = UINT32_MAX -
			    50; /* a window's reach from zero would be replayed: go there by steps */
		p[i]->seq = 0;
		in(p[i], packet, len, NULL, got);
		p[i]->seq = UINT32_MAX - 100;
		for (unsigned k = 0; k < 200; k++) /* over the border of 2^32 */
			assert_int_equal(in(p[i], packet, len, NULL, got), len);
		assert_int_equal(dp_sa_in_stats(p[i]->spi_in, &s), 0);
		assert_int_equal(s.seq, UINT64_C(0xffffffff) + 100);
		p[i]->seq -= 120; /* behind the window, in the subspace before: read as one far ahead */
		in_dropped(p[i], packet, len, NULL, "esp-auth-failed");
		p[i]->seq = UINT64_C(0xffffffff) + 99; /* and a replay this side of it */
		in_dropped(p[i], packet, len, NULL, "esp-replay");
		peer_remove(p[i]);
	}
}

/* ---- wrong packets --------------------------------------------------------------------------- */

static void replays(void **state)
{
	uint8_t packet[DPT_FRAME_MAX], got[DPT_FRAME_MAX], esp[DPT_FRAME_MAX];
	size_t len = dpt_echo4(packet, FAR, HOST, 1, 10), n;
	struct dp_sa_stats s;

	gcm.seq = 0;
	peer_install(&gcm, policy, NULL);
	n = peer_seal(&gcm, packet, len, NULL, esp);
	dpt_inject_ip(0, 0, esp, n);
	dpt_inject_ip(0, 0, esp, n); /* twice in one burst */
	dpt_run();
	dpt_expect_drop("esp-replay", 1);
	dpt_take_one(1, got);
	raw_dropped(esp, n, "esp-replay"); /* and later */
	gcm.seq = 100;
	in(&gcm, packet, len, NULL, got);
	gcm.seq = 36;
	in_dropped(&gcm, packet, len, NULL, "esp-replay"); /* 37: left of the window */
	in(&gcm, packet, len, NULL, got);                  /* 38: its left edge */
	assert_int_equal(dp_sa_in_stats(gcm.spi_in, &s), 0);
	assert_int_equal(s.replays, 3);
	assert_int_equal(s.packets, 3);
	peer_remove(&gcm);
}

static void no_window(struct dp_sa_in_conf *c)
{
	c->replay_window = 0;
}

static void replays_without_window(void **state)
{
	struct peer_edit edit = {.in = no_window};
	uint8_t packet[DPT_FRAME_MAX], got[DPT_FRAME_MAX];
	size_t len = dpt_echo4(packet, FAR, HOST, 1, 10);

	peer_install(&gcm, policy, &edit);
	for (unsigned i = 0; i < 3; i++) {
		gcm.seq = 7;
		in(&gcm, packet, len, NULL, got);
	}
	peer_remove(&gcm);
}

/* A packet that fails its ICV does not move the window. */
static void altered(void **state)
{
	uint8_t packet[DPT_FRAME_MAX], esp[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
	struct peer *p[] = {&gcm, &cbc};
	struct dp_sa_stats s;

	for (unsigned i = 0; i < 2; i++) {
		size_t len = dpt_echo4(packet, FAR, HOST, 1, 10), n;

		p[i]->seq = 1000;
		peer_install(p[i], policy, NULL);
		n = peer_seal(p[i], packet, len, NULL, esp);
		esp[n - 1] ^= 1;
		raw_dropped(esp, n, "esp-auth-failed");
		esp[n - 1] ^= 1;
		esp[n - 20] ^= 0x40;
		raw_dropped(esp, n, "esp-auth-failed");
		esp[n - 20] ^= 0x40;
		assert_int_equal(dp_sa_in_stats(p[i]->spi_in, &s), 0);
		assert_int_equal(s.auth_errors, 2);
		assert_int_equal(s.seq, 0);
		dpt_inject_ip(0, 0, esp, n);
		dpt_run();
		dpt_expect_drop("", 0);
		dpt_take_one(1, frame);
		peer_remove(p[i]);
	}
}

static void malformed(void **state)
{
	uint8_t packet[DPT_FRAME_MAX], esp[DPT_FRAME_MAX];
	size_t len = dpt_echo4(packet, FAR, HOST, 1, 11), n;
	struct dp_sa_stats s;

	gcm.seq = 0;
	peer_install(&gcm, policy, NULL);
	/* padding */
	in_dropped(&gcm, packet, len, &(struct peer_how){.bad_pad = true, .more_pad = 4}, "esp-bad-padding");
	in_dropped(&gcm, packet, len, &(struct peer_how){.pad_len = 255}, "esp-bad-padding");
	/* next header */
	in_dropped(&gcm, packet, len, &(struct peer_how){.next = 6}, "esp-next-header");
	in_dropped(&gcm, packet, len, &(struct peer_how){.next = 41}, "esp-inner-malformed");
	in_dropped(&gcm, packet, len, &(struct peer_how){.next = 59}, "esp-dummy");
	/* inner packet */
	in_dropped(&gcm, packet, 0, NULL, "esp-inner-malformed");
	in_dropped(&gcm, packet, 19, NULL, "esp-inner-malformed");
	in_dropped(&gcm, packet, len - 1, NULL, "esp-inner-malformed"); /* says it is longer */
	packet[0] = 0x65;
	in_dropped(&gcm, packet, len, NULL, "esp-inner-malformed");
	packet[0] = 0x45;
	packet[10] ^= 1; /* header checksum */
	in_dropped(&gcm, packet, len, NULL, "esp-inner-malformed");
	packet[10] ^= 1;
	/* lengths */
	n = peer_seal(&gcm, packet, len, NULL, esp);
	esp[3] = (uint8_t)(n - 1);
	dpt_sum4(esp);
	raw_dropped(esp, n - 1, "esp-misaligned");
	esp[3] = 20 + 8 + 8 + 16 + 3; /* no room for the trailer */
	dpt_sum4(esp);
	raw_dropped(esp, 20 + 8 + 8 + 16 + 3, "esp-truncated");
	esp[3] = 20 + 8;
	dpt_sum4(esp);
	raw_dropped(esp, 20 + 8, "esp-truncated");
	assert_int_equal(dp_sa_in_stats(gcm.spi_in, &s), 0);
	assert_int_equal(s.malformed, 12);
	assert_int_equal(s.packets, 0);
	peer_remove(&gcm);
}

/* What the UDP header says counts, not what the IP packet has behind it. */
static void udp_length_counts(void **state)
{
	uint8_t packet[DPT_FRAME_MAX], esp[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
	size_t len = dpt_echo4(packet, FAR, HOST, 1, 11), n;

	cbc.seq = 0;
	peer_install(&cbc, policy, NULL);
	n = peer_seal(&cbc, packet, len, NULL, esp);
	memset(esp + n, 0x77, 5);
	esp[3] = (uint8_t)(n + 5);
	dpt_sum4(esp);
	dpt_inject_ip(0, 0, esp, n + 5);
	dpt_run();
	dpt_expect_drop("", 0);
	assert_int_equal(dpt_take_one(1, frame), 14 + len);
	peer_remove(&cbc);
}

static void unknown_spi(void **state)
{
	uint8_t packet[DPT_FRAME_MAX], esp[DPT_FRAME_MAX];
	size_t len = dpt_echo4(packet, FAR, HOST, 1, 11), n;

	gcm.seq = 0;
	peer_install(&gcm, policy, NULL);
	n = peer_seal(&gcm, packet, len, NULL, esp);
	esp[20] ^= 0x80; /* the slot is right, the generation is not */
	raw_dropped(esp, n, "esp-unknown-spi");
	for (unsigned slot = 0; slot < 64; slot++) { /* and there are 50 */
		esp[23] = (uint8_t)((esp[23] & 0xc0) | slot);
		raw_dropped(esp, n, "esp-unknown-spi");
	}
	memset(esp + 20, 0, 4); /* empty slots must not answer to 0 */
	raw_dropped(esp, n, "esp-unknown-spi");
	peer_remove(&gcm);
	raw_dropped(esp, n, "esp-unknown-spi");
}

/* RFC 4301 5.2: authenticated is not enough. */
static void selectors_in(void **state)
{
	static const struct {
		const char *src, *dst;
	} bad[] = {{"10.3.0.1", HOST}, {FAR, "10.3.0.1"}, {"10.1.255.255", HOST}, {HOST, FAR}};
	uint8_t packet[DPT_FRAME_MAX], got[DPT_FRAME_MAX];
	struct dp_sa_stats s;

	gcm.seq = 0;
	peer_install(&gcm, policy, NULL);
	for (unsigned i = 0; i < 4; i++)
		in_dropped(&gcm, packet, dpt_echo4(packet, bad[i].src, bad[i].dst, 1, 5), NULL,
			   "esp-inner-selector");
	assert_int_equal(dp_sa_in_stats(gcm.spi_in, &s), 0);
	assert_int_equal(s.selector_drops, 4);
	in(&gcm, packet, dpt_echo4(packet, "10.2.0.0", HOST, 1, 5), NULL, got);
	in(&gcm, packet, dpt_echo4(packet, "10.2.255.255", HOST, 1, 5), NULL, got);
	peer_remove(&gcm);
}

static void narrow_in(struct dp_sa_in_conf *c)
{
	c->n_local = c->n_remote = 2;
	c->ts_local[0] = peer_ts("10.1.0.0/24", IPPROTO_UDP, 53);
	c->ts_local[1] = peer_ts("10.1.5.0/24", 0, 0);
	c->ts_remote[0] = peer_ts("10.2.0.9", 0, 0);
	c->ts_remote[1] = peer_ts("10.2.0.128/25", IPPROTO_UDP, 0);
}

static void narrow_out(struct dp_sa_out_conf *c)
{
	struct dp_sa_in_conf in;

	narrow_in(&in);
	c->n_local = c->n_remote = 2;
	memcpy(c->ts_local, in.ts_local, sizeof(in.ts_local));
	memcpy(c->ts_remote, in.ts_remote, sizeof(in.ts_remote));
}

/* Lists of selectors with protocols and ports, both directions, fragments. */
static void selector_lists(void **state)
{
	static const struct {
		const char *near;
		uint16_t near_port;
		const char *far;
		bool ok;
	} c[] = {
		{"10.1.0.7", 53, "10.2.0.9", true},   {"10.1.0.7", 54, "10.2.0.9", false},
		{"10.1.0.7", 53, "10.2.0.10", false}, {"10.1.0.7", 53, "10.2.0.200", true},
		{"10.1.5.7", 9999, "10.2.0.9", true}, {"10.1.5.7", 9999, "10.2.0.200", true},
		{"10.1.6.7", 53, "10.2.0.9", false},
	};
	struct peer_edit edit = {.in = narrow_in, .out = narrow_out};
	uint8_t packet[DPT_FRAME_MAX], got[DPT_FRAME_MAX], part[64] = {0};
	struct dp_sa_stats s;
	uint64_t seq;
	size_t len;

	gcm.seq = 0;
	peer_install(&gcm, policy, &edit);
	for (unsigned i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		len = dpt_udp4(packet, c[i].near, c[i].near_port, c[i].far, 4242, "data", 4);
		if (c[i].ok)
			out(&gcm, packet, len, got, &seq);
		else
			out_dropped(packet, len, "outside-selectors");
		len = dpt_udp4(packet, c[i].far, 4242, c[i].near, c[i].near_port, "data", 4);
		if (c[i].ok)
			in(&gcm, packet, len, NULL, got);
		else
			in_dropped(&gcm, packet, len, NULL, "esp-inner-selector");
	}
	/* a fragment has the ports of its datagram's first, which were not right here */
	len = dpt_ip4(packet, &(struct dpt_ip4){.src = HOST, .dst = FAR, .proto = 17, .frag = 0x2000}, part,
		      64);
	out_dropped(packet, len, "outside-selectors");
	len = dpt_ip4(packet, &(struct dpt_ip4){.src = "10.1.5.1", .dst = FAR, .proto = 17, .frag = 0x2000},
		      part, 64);
	out(&gcm, packet, len, got, &seq);
	len = dpt_ip4(packet, &(struct dpt_ip4){.src = "10.1.5.1", .dst = FAR, .proto = 17, .frag = 8}, part,
		      64);
	out(&gcm, packet, len, got, &seq);
	assert_int_equal(dp_sa_out_stats(gcm.sa_out, &s), 0);
	assert_int_equal(s.selector_drops, 4);
	peer_remove(&gcm);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

/* dp_sa_out_mtu() is exact: that much passes, one byte more does not. */
static void mtu(void **state)
{
	struct peer gcm_udp = {.udp = true, .spi_out = 0xc0ffee05},
		    cbc_raw = {.cbc = true, .spi_out = 0xc0ffee06};
	/* by hand: 1500 - 20 - 8 - 8 - 16 = 1448, less 2; with UDP 8 less; CBC: 1500 - 20 - 8 - 16 - 16 = 1440,
	 * whole blocks 1440; with UDP 1432, whole blocks 1424 */
	struct {
		struct peer *p;
		uint16_t mtu;
	} c[] = {{&gcm, 1446}, {&gcm_udp, 1438}, {&cbc_raw, 1438}, {&cbc, 1422}};
	uint8_t packet[DPT_FRAME_MAX], got[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
	uint64_t seq;

	peer_keys(&gcm_udp, 5);
	peer_keys(&cbc_raw, 6);
	for (unsigned i = 0; i < 4; i++) {
		size_t len = dpt_echo4(packet, HOST, FAR, 1, c[i].mtu - 28u), n;

		peer_install(c[i].p, policy, NULL);
		assert_int_equal(dp_sa_out_mtu(c[i].p->sa_out), c[i].mtu);
		dpt_inject_ip(1, 0, packet, len);
		dpt_run();
		n = dpt_take_one(0, frame) - 14;
		assert_in_range(n, 1500 - (c[i].p->cbc ? 15 : 3), 1500);
		assert_int_equal(peer_open(c[i].p, frame + 14, n, got, &seq), len);
		len = dpt_echo4(packet, HOST, FAR, 1, c[i].mtu - 27u);
		packet[6] = 0x40; /* without DF it would be cut: test_mtu */
		dpt_sum4(packet);
		out_dropped(packet, len, "too-big");
		peer_remove(c[i].p);
		assert_int_equal(dp_sa_out_mtu(c[i].p->sa_out), 0);
	}
}

/* Nothing goes out in clear without SA; control is asked once a second and told by which packet. */
static void no_sa(void **state)
{
	uint8_t packet[DPT_FRAME_MAX];
	struct dp_policy_stats s, before;
	size_t len = dpt_udp4(packet, HOST, 1000, FAR, 2000, "x", 1);

	assert_int_equal(dp_policy_stats(policy, &before), 0);
	dpt_sleep_ms(2000);
	dpt_clear();
	for (unsigned i = 0; i < 5; i++)
		out_dropped(packet, len, "no-sa");
	assert_int_equal(dpt_seen.n_acquire, 1);
	assert_int_equal(dpt_seen.acquire.policy, policy);
	assert_int_equal(dpt_seen.acquire.proto, IPPROTO_UDP);
	assert_true(endpoint_eq(&dpt_seen.acquire.src, &(struct endpoint){dpt_ep(HOST, 0).a, 1000}));
	assert_true(endpoint_eq(&dpt_seen.acquire.dst, &(struct endpoint){dpt_ep(FAR, 0).a, 2000}));
	dpt_sleep_ms(1250);
	out_dropped(packet, len, "no-sa");
	assert_int_equal(dpt_seen.n_acquire, 2);
	assert_int_equal(dp_policy_stats(policy, &s), 0);
	assert_int_equal(s.acquires - before.acquires, 2);
	assert_int_equal(s.no_sa_drops - before.no_sa_drops, 6);
	assert_int_equal(s.sa_out, DP_SA_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gcm_both_ways),
		cmocka_unit_test(cbc_both_ways),
		cmocka_unit_test(mixed_bursts),
		cmocka_unit_test(header_fields_go_out),
		cmocka_unit_test(ecn_comes_in),
		cmocka_unit_test(both_encapsulations),
		cmocka_unit_test(long_padding_and_tfc),
		cmocka_unit_test(esn),
		cmocka_unit_test(replays),
		cmocka_unit_test(replays_without_window),
		cmocka_unit_test(altered),
		cmocka_unit_test(malformed),
		cmocka_unit_test(udp_length_counts),
		cmocka_unit_test(unknown_spi),
		cmocka_unit_test(selectors_in),
		cmocka_unit_test(selector_lists),
		cmocka_unit_test(mtu),
		cmocka_unit_test(no_sa),
	};

	return cmocka_run_group_tests_name("esp", tests, setup, teardown);
}
