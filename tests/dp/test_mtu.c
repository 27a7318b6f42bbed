/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets too big for their way, clear or encrypted: told to the sender with the MTU that is exactly right, or cut
 * into fragments that make the same packet again.
 */
#include "peer.h"

#include <stdlib.h>
#include <string.h>

#include "dp.h"
#include "port.h"
#include "sad.h"

#define HOST "10.1.1.7"
#define NEAR "192.0.2.7"
#define FAR  "10.2.0.9"

enum { ETH = 14, DF = 0x4000, MF = 0x2000, LONGEST = 2000 };

static uint16_t tunnel;
static uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX], data[LONGEST];
static const uint8_t no_options[1];

/* ---- putting together ------------------------------------------------------------------------ */

/* Fragments of one packet, as they come. */
struct whole {
	uint8_t b[DPT_FRAME_MAX];
	size_t hlen, len, got; /* len: 0 until the last has come */
};

static void add_fragment(struct whole *w, const uint8_t *p, size_t len)
{
	size_t hlen = (p[0] & 15u) * 4, off = (size_t)((p[6] & 0x1f) << 8 | p[7]) * 8, n = len - hlen;

	assert_true(dpt_sums_right(p, len));
	assert_int_equal(p[2] << 8 | p[3], len);
	assert_in_range(off + n, 1, sizeof(w->b));
	if (off == 0) {
		w->hlen = hlen;
		memmove(w->b + hlen, w->b, w->got); /* nothing, unless they came out of order */
		memcpy(w->b, p, hlen);
	} else {
		assert_int_not_equal(w->hlen, 0);
	}
	assert_int_equal(off, w->got); /* in order, without holes */
	memcpy(w->b + w->hlen + off, p + hlen, n);
	w->got += n;
	if (p[6] & 0x20)
		assert_int_equal(n % 8, 0);
	else
		w->len = w->hlen + off + n;
}

/* What came is what was sent, one hop older. */
static void is_whole(struct whole *w, const uint8_t *sent, size_t len)
{
	uint8_t want[DPT_FRAME_MAX];

	assert_int_equal(w->len, len);
	memcpy(want, sent, len);
	want[8]--;
	dpt_sum4(want);
	w->b[2] = want[2];
	w->b[3] = want[3];
	w->b[6] = want[6];
	w->b[7] = want[7];
	dpt_sum4(w->b);
	assert_memory_equal(w->b, want, len);
}

static size_t make(uint16_t frag, const char *dst, size_t total, const uint8_t *options, size_t options_len)
{
	struct dpt_ip4 h = {.src = HOST,
			    .dst = dst,
			    .proto = 99,
			    .frag = frag,
			    .options = options,
			    .options_len = options_len};

	return dpt_ip4(packet, &h, data, total - 20 - options_len);
}

/* The error that HOST gets. */
static void told_mtu(uint16_t mtu, const uint8_t *about)
{
	size_t len = dpt_take_one(1, frame), about_len = (size_t)(about[2] << 8 | about[3]);

	assert_int_equal(len, ETH + 28 + (about_len < 548 ? about_len : 548));
	assert_true(dpt_sums_right(frame + ETH, len - ETH));
	assert_int_equal(frame[ETH + 20] << 8 | frame[ETH + 21], 0x304);
	assert_int_equal(frame[ETH + 24] << 8 | frame[ETH + 25], 0);
	assert_int_equal(frame[ETH + 26] << 8 | frame[ETH + 27], mtu);
	assert_memory_equal(frame + ETH + 28 + 12, about + 12, 40);
}

/* ---- through a tunnel ------------------------------------------------------------------------ */

static unsigned take_tunnel(const struct peer *p, struct whole *w, uint16_t most)
{
	uint8_t inner[DPT_FRAME_MAX];
	uint64_t seq;
	unsigned n = 0;

	memset(w, 0, sizeof(*w));
	while (!w->len) {
		size_t len = dpt_take(0, frame, NULL);

		assert_int_not_equal(len, 0);
		assert_in_range(len - ETH, 1, most);
		len = peer_open(p, frame + ETH, len - ETH, inner, &seq);
		add_fragment(w, inner, len);
		n++;
	}
	return n;
}

static void one_tunnel(struct peer *p, uint16_t mtu)
{
	uint16_t most;
	struct whole w;

	ports[0].mtu = mtu;
	most = dp_sa_out_mtu(p->sa_out);
	assert_in_range(most, mtu - 100, mtu - 20 - 8 - 8 - 16 - 2);
	for (size_t len = most - 2u; len <= LONGEST; len += len < most + 10u ? 1 : 211) {
		for (unsigned df = 0; df < 2; df++) {
			make(df ? DF : 0, FAR, len, no_options, 0);
			dpt_inject_ip(1, 0, packet, len);
			dpt_run();
			if (df && len > most) {
				dpt_expect_drop("too-big", 1);
				dpt_take_none(0);
				told_mtu(most, packet);
				dpt_sleep_ms(50);
				continue;
			}
			dpt_expect_drop("", 0);
			assert_int_equal(take_tunnel(p, &w, mtu) > 1, len > most);
			is_whole(&w, packet, len);
			dpt_take_none(0);
			dpt_take_none(1);
		}
	}
	/* exactly: with one byte more the outer packet would have exceeded the port's MTU */
	make(DF, FAR, most, no_options, 0);
	dpt_inject_ip(1, 0, packet, most);
	dpt_run();
	{
		size_t outer = dpt_take_one(0, frame) - ETH;

		assert_in_range(outer, mtu - (p->cbc ? 15 : 3), mtu);
	}
	ports[0].mtu = 1500;
}

static void through_tunnels(void **state)
{
	static const uint16_t mtus[] = {576, 1280, 1400, 1500};

	for (unsigned i = 0; i < 4; i++) {
		struct peer p = {.spi_out = 0x8001 + i, .cbc = i & 1, .udp = i & 2};
		uint32_t policy = peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", 0, 0, 0);

		peer_keys(&p, (uint8_t)(70 + i));
		peer_install(&p, policy, NULL);
		for (unsigned k = 0; k < 4; k++)
			one_tunnel(&p, mtus[k]);
		peer_remove(&p);
		assert_int_equal(dp_policy_del(policy), 0);
		dpt_run();
	}
}

/* The route to the peer moves to a port of another MTU, and back: what fits the tunnel follows, nobody having asked. */
static void route_moves(void **state)
{
	struct peer p = {.spi_out = 0x8f01};
	struct dp_route r = {.ifindex = dpt_port[1], .via = dpt_ep("10.1.1.9", 0).a};
	uint32_t policy = peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", 0, 0, 0);
	const uint16_t want[] = {1500, 700, 1500};
	uint16_t most[3];

	peer_keys(&p, 79);
	peer_install(&p, policy, NULL);
	ports[1].mtu = 700;
	assert_int_equal(prefix_parse(PEER_IP "/32", &r.dst), 0);
	for (unsigned i = 0; i < 3; i++) {
		if (i > 0)
			assert_int_equal(i == 1 ? dp_route_add(&r) : dp_route_del(&r.dst), 0);
		dpt_run();
		most[i] = atomic_load(&sad_out_at(p.sa_out)->max_inner);
		assert_in_range(most[i], want[i] - 100, want[i] - 20 - 8 - 8 - 16 - 2);
		dpt_sleep_ms(50);
		make(DF, FAR, most[i] + 1u, no_options, 0);
		dpt_inject_ip(1, 0, packet, most[i] + 1u);
		dpt_run();
		dpt_expect_drop("too-big", 1);
		told_mtu(most[i], packet);
	}
	assert_int_equal(most[0], most[2]);
	ports[1].mtu = 1500;
	peer_remove(&p);
	assert_int_equal(dp_policy_del(policy), 0);
}

/* A burst becomes many: all fragments come, in order, those of a packet together. */
static void whole_burst(void **state)
{
	struct peer p = {.spi_out = 0x8101};
	uint32_t policy = peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", 0, 0, 0);
	struct whole w;

	peer_keys(&p, 80);
	peer_install(&p, policy, NULL);
	ports[0].mtu = 576;
	assert_int_not_equal(dp_sa_out_mtu(p.sa_out), 0);
	for (unsigned i = 0; i < 64; i++) {
		size_t len = i % 3 ? LONGEST : 100;

		make(0, FAR, len, no_options, 0);
		packet[5] = (uint8_t)i;
		dpt_sum4(packet);
		dpt_inject_ip(1, 0, packet, len);
	}
	dpt_run();
	dpt_expect_drop("", 0);
	for (unsigned i = 0; i < 64; i++) {
		assert_int_equal(take_tunnel(&p, &w, 576), i % 3 ? 4 : 1);
		assert_int_equal(w.b[5], i);
		assert_int_equal(w.len, i % 3 ? LONGEST : 100);
	}
	dpt_take_none(0);
	ports[0].mtu = 1500;
	peer_remove(&p);
	assert_int_equal(dp_policy_del(policy), 0);
}

static void one_port(struct dp_sa_out_conf *c)
{
	c->ts_local[0] = peer_ts("10.1.0.0/16", 17, 0);
	c->ts_remote[0] = peer_ts("10.2.0.0/16", 17, 5000);
}

/* RFC 4301 7: the whole packet is matched, with its ports; its fragments follow it by the same SA. */
static void matched_whole(void **state)
{
	const struct peer_edit edit = {.out = one_port};
	struct peer p = {.spi_out = 0x8201};
	uint32_t policy = peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", 17, 0, 5000);
	struct whole w;
	size_t len;

	peer_keys(&p, 81);
	peer_install(&p, policy, &edit);
	len = dpt_udp4(packet, HOST, 1000, FAR, 5000, data, 1800);
	dpt_inject_ip(1, 0, packet, len);
	dpt_run();
	dpt_expect_drop("", 0);
	assert_int_equal(take_tunnel(&p, &w, 1500), 2);
	is_whole(&w, packet, len);
	len = dpt_udp4(packet, HOST, 1000, FAR, 5001, data, 1800);
	dpt_inject_ip(1, 0, packet, len);
	dpt_run();
	dpt_expect_drop("no-matching-proxy-id", 1);
	dpt_clear();
	peer_remove(&p);
	assert_int_equal(dp_policy_del(policy), 0);
}

/* The way to the peer has become narrower than the SA was told: outer fragments, until it is told again. */
static void narrower(void **state)
{
	struct peer p = {.spi_out = 0x8301};
	uint32_t policy = peer_policy(tunnel, "10.1.0.0/16", "10.2.0.0/16", 0, 0, 0);
	uint8_t inner[DPT_FRAME_MAX];
	struct whole w = {0};
	uint64_t seq;
	size_t len;

	peer_keys(&p, 82);
	peer_install(&p, policy, NULL);
	ports[0].mtu = 700;
	make(0, FAR, 1200, no_options, 0);
	dpt_inject_ip(1, 0, packet, 1200);
	dpt_run();
	dpt_expect_drop("", 0);
	while ((len = dpt_take(0, frame, NULL)) > 0) {
		assert_in_range(len - ETH, 21, 700);
		add_fragment(&w, frame + ETH, len - ETH);
	}
	assert_int_not_equal(w.len, 0);
	w.b[2] = (uint8_t)(w.len >> 8);
	w.b[3] = (uint8_t)w.len;
	w.b[6] = w.b[7] = 0;
	dpt_sum4(w.b);
	assert_int_equal(peer_open(&p, w.b, w.len, inner, &seq), 1200);
	make(DF, FAR, 1200, no_options, 0);
	dpt_inject_ip(1, 0, packet, 1200);
	dpt_run();
	dpt_expect_drop("too-big", 1); /* an outer packet: its sender are we */
	dpt_take_none(1);
	ports[0].mtu = 1500;
	peer_remove(&p);
	assert_int_equal(dp_policy_del(policy), 0);
	dpt_clear();
}

/* ---- out of a port in the clear -------------------------------------------------------------- */

static unsigned take_clear(struct whole *w)
{
	unsigned n = 0;

	memset(w, 0, sizeof(*w));
	while (!w->len) {
		size_t len = dpt_take(0, frame, NULL);

		assert_int_not_equal(len, 0);
		assert_in_range(len - ETH, 21, ports[0].mtu);
		assert_memory_equal(frame, dpt_peer[0], 6);
		add_fragment(w, frame + ETH, len - ETH);
		n++;
	}
	return n;
}

static void in_the_clear(void **state)
{
	struct whole w;

	ports[0].mtu = 800;
	for (size_t len = 799; len < LONGEST; len += 97) {
		make(0, NEAR, len, no_options, 0);
		dpt_inject_ip(1, 0, packet, len);
		dpt_run();
		dpt_expect_drop("", 0);
		assert_int_equal(take_clear(&w), len <= 800 ? 1 : (len - 24 + 775) / 776);
		is_whole(&w, packet, len);
		make(DF, NEAR, len, no_options, 0);
		dpt_inject_ip(1, 0, packet, len);
		dpt_run();
		if (len > 800) {
			dpt_expect_drop("too-big", 1);
			told_mtu(800, packet);
		} else {
			dpt_expect_drop("", 0);
			dpt_take_one(0, frame);
		}
	}
	ports[0].mtu = 1500;
	dpt_clear();
}

/* Only options with the copied flag are in later fragments (RFC 791 3.1). */
static void options(void **state)
{
	static const uint8_t o[12] = {0x07, 3, 4, 0x01, 0x94, 4, 0, 0, 0x44, 3, 5, 0};
	unsigned n = 0;
	size_t len;

	ports[0].mtu = 576;
	make(0, NEAR, 1300, o, sizeof(o));
	dpt_inject_ip(1, 0, packet, 1300);
	dpt_run();
	dpt_expect_drop("", 0);
	for (; (len = dpt_take(0, frame, NULL)) > 0; n++) {
		const uint8_t *p = frame + ETH;

		assert_true(dpt_sums_right(p, len - ETH));
		assert_int_equal(p[0], n == 0 ? 0x48 : 0x46);
		assert_memory_equal(p + 20, n == 0 ? o : o + 4, n == 0 ? 12 : 4);
	}
	assert_int_equal(n, 3);
	ports[0].mtu = 1500;
}

/* A fragment is cut again: its place and its "more" stay. */
static void cut_again(void **state)
{
	static const uint16_t was[] = {MF, MF | 100, 100};

	ports[0].mtu = 576;
	for (unsigned i = 0; i < 3; i++) {
		size_t len, off = (was[i] & 0x1fff) * 8u, got = 0;
		bool more = true;

		make(was[i], NEAR, 20 + 1200, no_options, 0);
		dpt_inject_ip(1, 0, packet, 1220);
		dpt_run();
		dpt_expect_drop("", 0);
		while ((len = dpt_take(0, frame, NULL)) > 0) {
			const uint8_t *p = frame + ETH;

			assert_int_equal(((p[6] & 0x1f) << 8 | p[7]) * 8, off + got);
			assert_memory_equal(p + 20, data + got, len - ETH - 20);
			got += len - ETH - 20;
			more = p[6] & 0x20;
			assert_true(more || got == 1200);
		}
		assert_int_equal(got, 1200);
		assert_int_equal(more, (was[i] & MF) != 0);
	}
	ports[0].mtu = 1500;
}

/* The neighbour is asked for, for the fragments' sake; not for what cannot be sent. */
static void unknown_neighbour(void **state)
{
	struct whole w;

	ports[0].mtu = 800;
	make(DF, "192.0.2.55", 1000, no_options, 0);
	dpt_inject_ip(1, 0, packet, 1000);
	dpt_run();
	dpt_expect_drop("too-big", 1);
	told_mtu(800, packet);
	dpt_take_none(0);
	make(0, "192.0.2.55", 1000, no_options, 0);
	dpt_inject_ip(1, 0, packet, 1000);
	dpt_run();
	dpt_expect_drop("", 0);
	dpt_take_one(0, frame);
	assert_int_equal(frame[12] << 8 | frame[13], 0x0806);
	dpt_inject(0, 0, frame, dpt_arp(frame, 0, 2, dpt_peer[0], "192.0.2.55", dpt_mac[0], "192.0.2.1"));
	dpt_run();
	assert_int_equal(take_clear(&w), 2);
	is_whole(&w, packet, 1000);
	ports[0].mtu = 1500;
	dpt_clear();
}

static void no_buffers(void **state)
{
	static struct rte_mbuf *taken[8192];
	struct dp_worker_stats before, after;
	unsigned n = 0;

	ports[0].mtu = 800;
	make(0, NEAR, LONGEST, no_options, 0);
	dpt_inject_ip(1, 0, packet, LONGEST);
	while (n < 8192 && (taken[n] = rte_pktmbuf_alloc(dp.pool)) != NULL)
		n++;
	dpt_run();
	dpt_expect_drop("no-buffers", 1);
	dpt_take_none(0);
	rte_pktmbuf_free_bulk(taken, n);
	assert_int_equal(dp_worker_stats(0, &before), 0);
	dpt_inject_ip(1, 0, packet, LONGEST);
	dpt_run();
	dpt_expect_drop("", 0);
	assert_int_equal(dp_worker_stats(0, &after), 0);
	assert_int_equal(after.fragments - before.fragments, 3);
	ports[0].mtu = 1500;
	dpt_clear();
}

static int setup(void **state)
{
	const struct dpt_conf c = {.icmp_rate = 1000};
	struct dp_route r = {0};

	dpt_init(&c);
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	assert_int_equal(dp_tunnel_if_add("tunnel.1", NULL, 0, &tunnel), 0);
	r.ifindex = tunnel;
	assert_int_equal(prefix_parse("10.2.0.0/16", &r.dst), 0);
	assert_int_equal(dp_route_add(&r), 0);
	dpt_neighbour(0, PEER_IP, dpt_peer[0]);
	dpt_neighbour(0, NEAR, dpt_peer[0]);
	dpt_neighbour(1, HOST, dpt_peer[1]);
	dpt_sleep_ms(1000);
	dpt_clear();
	return 0;
}

static int teardown(void **state)
{
	dpt_fini();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(through_tunnels),   cmocka_unit_test(route_moves),
		cmocka_unit_test(whole_burst),       cmocka_unit_test(matched_whole),
		cmocka_unit_test(narrower),          cmocka_unit_test(in_the_clear),
		cmocka_unit_test(options),           cmocka_unit_test(cut_again),
		cmocka_unit_test(unknown_neighbour), cmocka_unit_test(no_buffers),
	};

	return cmocka_run_group_tests_name("mtu", tests, setup, teardown);
}
