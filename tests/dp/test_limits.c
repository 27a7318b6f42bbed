/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that has an end: rings, buffers, the room in one, the way to the peer.  What does not fit is
 * dropped by name, what does keeps its order, and afterwards all goes on as before.
 */
#include "peer.h"

#include <errno.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dp.h"
#include "neigh.h"
#include "port.h"
#include "sad.h"

#define HOST "10.1.1.7"
#define NEAR "192.0.2.7"
#define FAR  "10.2.0.9"

enum { ETH = 14, RING = 1023, INJECT = 4095, BUFFERS = 8192 };

static uint16_t tunnel;
static uint8_t packet[DPT_FRAME_MAX], frame[DPT_FRAME_MAX], got[DPT_FRAME_MAX];
static struct peer peer = {.spi_out = 0xc0ffee01};

static void inject(uint16_t queue, const char *dst, unsigned first, unsigned n)
{
	for (unsigned i = first; i < first + n; i++)
		dpt_inject_ip(1, queue, packet, dpt_echo4(packet, HOST, dst, (uint16_t)i, 20));
}

/* The packets that left by port 0 in the clear are numbered from `first` on; how many. */
static unsigned take_numbered(unsigned first)
{
	unsigned n = 0;

	while (dpt_take(0, frame, NULL) > 0) {
		assert_int_equal(frame[ETH + 26] << 8 | frame[ETH + 27], first + n);
		n++;
	}
	return n;
}

/* ---- rings ----------------------------------------------------------------------------------- */

static void tx_ring(void **state)
{
	struct dp_if_stats before, after;

	assert_int_equal(dp_if_stats(dpt_port[0], &before), 0);
	inject(0, NEAR, 0, 800);
	dpt_run();
	dpt_expect_drop("", 0);
	inject(0, NEAR, 800, 300);
	dpt_run();
	dpt_expect_drop("tx-ring-full", 1100 - RING);
	assert_int_equal(dp_if_stats(dpt_port[0], &after), 0);
	assert_int_equal(after.tx_failed - before.tx_failed, 1100 - RING);
	assert_int_equal(take_numbered(0), RING);
	inject(0, NEAR, 5, 1);
	dpt_run();
	assert_int_equal(take_numbered(5), 1);
}

static uint64_t in_use(const char *name)
{
	struct dp_capacity c;

	for (unsigned i = 0; dp_capacity(i, &c) == 0; i++)
		if (strcmp(c.name, name) == 0)
			return c.used;
	fail_msg("%s is not counted", name);
	return 0;
}

/* What is said beforehand is enough, and not much more than that. */
static void memory_is_known(void **state)
{
	assert_in_range(dp_memory_needed(&dp.conf), in_use("memory-bytes"),
			in_use("memory-bytes") * 11 / 10 + (8 << 20));
}

/* The worker that owns the SA does not come to its ring. */
static void handover_ring(void **state)
{
	unsigned owner = sad_out_find(peer.sa_out)->owner;
	uint16_t other = !owner;
	uint64_t seq;
	unsigned n;

	inject(other, FAR, 0, 1000);
	while (dpt_turn(other))
		;
	inject(other, FAR, 1000, 200);
	while (dpt_turn(other))
		;
	dpt_expect_drop("handover-ring-full", 1200 - RING);
	dpt_run();
	dpt_expect_drop("", 0);
	for (n = 0; n < RING; n++) {
		size_t len = dpt_take(0, frame, NULL);

		assert_int_not_equal(len, 0);
		peer_open(&peer, frame + ETH, len - ETH, got, &seq);
		assert_int_equal(seq, n + 1); /* no number was spent on what was dropped */
		assert_int_equal(got[26] << 8 | got[27], n);
	}
	dpt_take_none(0);
}

static struct dp_udp datagram(size_t len)
{
	static const uint8_t zeros[65535];

	return (struct dp_udp){
		.local = dpt_ep(OWN_IP, 500), .remote = dpt_ep(NEAR, 500), .data = zeros, .len = len};
}

static void inject_ring(void **state)
{
	struct dp_udp u = datagram(10), large = datagram(2000), larger = datagram(20000);
	unsigned n = 0;

	for (unsigned i = 0; i < INJECT - 1; i++)
		assert_int_equal(dp_udp_send(&u), 0);
	assert_int_equal(dp_udp_send(&large), -ENOBUFS); /* two fragments: none of them */
	dpt_expect_drop("inject-ring-full", 2);
	assert_int_equal(dp_udp_send(&u), 0);
	assert_int_equal(dp_udp_send(&u), -ENOBUFS);
	dpt_expect_drop("inject-ring-full", 1);
	neigh_announce(0); /* by the first worker's ring, which may be another */
	dpt_mark();
	for (bool busy = true; busy;) {
		busy = dpt_turn(0) + dpt_turn(1);
		while (dpt_take(0, frame, NULL) > 0)
			n += frame[13] == 0;
	}
	assert_int_equal(n, INJECT);
	assert_int_equal(dp_udp_send(&larger), 0);
	dpt_run();
	dpt_expect_drop("", 0);
	dpt_clear();
}

/* ---- buffers --------------------------------------------------------------------------------- */

static struct rte_mbuf *taken[BUFFERS];
static unsigned n_taken;

static void take_buffers(void)
{
	while (n_taken < BUFFERS && (taken[n_taken] = rte_pktmbuf_alloc(dp.pool)) != NULL)
		n_taken++;
	assert_null(rte_pktmbuf_alloc(dp.pool));
}

static void give_buffers(void)
{
	rte_pktmbuf_free_bulk(taken, n_taken);
	n_taken = 0;
}

static void no_buffers(void **state)
{
	struct dp_udp u = datagram(10), large = datagram(20000);

	inject(0, "192.0.2.77", 1, 1); /* its neighbour has to be asked for */
	take_buffers();
	assert_int_equal(dp_udp_send(&u), -ENOBUFS);
	dpt_expect_drop("no-buffers", 1);
	assert_int_equal(dp_udp_send(&large), -ENOBUFS);
	dpt_expect_drop("no-buffers", 14);
	neigh_announce(0);
	dpt_expect_drop("no-buffers", 1);
	dpt_run();
	dpt_expect_drop("no-buffers", 1);
	dpt_take_none(0);
	give_buffers();
	dpt_sleep_ms(1000); /* asked again */
	dpt_take_one(0, frame);
	assert_int_equal(frame[12] << 8 | frame[13], 0x0806);
	dpt_sleep_ms(3000);
	dpt_expect_drop("neighbour-unresolved", 1);
	dpt_clear();
	assert_int_equal(dp_udp_send(&u), 0);
	dpt_run();
	dpt_take_one(0, frame);
}

/* A packet that lies in its buffer at this offset. */
static void inject_at(size_t off, const char *dst)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp.pool);
	size_t len = ETH + dpt_echo4(dpt_eth(frame, 1, 0x0800), HOST, dst, 1, 20);
	void *at;

	assert_non_null(m);
	m->data_off = (uint16_t)(off <= m->buf_len - len ? off : m->buf_len - len);
	at = rte_pktmbuf_append(m, (uint16_t)len);
	assert_non_null(at);
	memcpy(at, frame, len);
	dpt_inject_mbuf(1, 0, m);
	dpt_run();
}

/* ESP needs room in front and behind; what goes in the clear needs none. */
static void no_room(void **state)
{
	inject_at(0, FAR);
	dpt_expect_drop("no-buffer-room", 1);
	inject_at(SIZE_MAX, FAR);
	dpt_expect_drop("no-buffer-room", 1);
	dpt_take_none(0);
	inject_at(0, NEAR);
	dpt_expect_drop("", 0);
	dpt_take_one(0, frame);
	inject_at(SIZE_MAX, NEAR);
	dpt_expect_drop("", 0);
	dpt_take_one(0, frame);
	inject_at(RTE_PKTMBUF_HEADROOM, FAR);
	dpt_expect_drop("", 0);
	dpt_take_one(0, frame);
}

/* ---- the way to the peer --------------------------------------------------------------------- */

static void far_peer(struct dp_sa_out_conf *c)
{
	c->remote = dpt_ep("198.51.100.1", 0);
}

/* No route, a route into a tunnel, which could go round for ever, and a good one. */
static void outer_route(void **state)
{
	const struct peer_edit edit = {.out = far_peer};
	struct dp_route r = {.ifindex = tunnel};

	peer_remove(&peer);
	peer_install(&peer, peer.policy, &edit);
	inject(0, FAR, 1, 2);
	dpt_run();
	dpt_expect_drop("outer-route", 2);
	assert_int_equal(prefix_parse("198.51.100.0/24", &r.dst), 0);
	assert_int_equal(dp_route_add(&r), 0);
	inject(0, FAR, 1, 1);
	dpt_run();
	dpt_expect_drop("outer-route", 1);
	assert_int_equal(addr_parse(NEAR, &r.via), 0);
	assert_int_equal(dp_route_add(&r), 0);
	inject(0, FAR, 1, 1);
	dpt_run();
	dpt_expect_drop("", 0);
	dpt_take_one(0, frame);
	assert_int_equal(dp_route_del(&r.dst), 0);
}

static int setup(void **state)
{
	const struct dpt_conf c = {
		.n_workers = 2, .n_mbufs = BUFFERS, .max_sas = 5000, .max_policies = 20000};
	struct dp_route r = {0};

	dpt_init(&c);
	assert_int_equal(dp_tunnel_if_add("tunnel.1", NULL, 0, &tunnel), 0);
	assert_int_equal(prefix_parse("10.2.0.0/16", &r.dst), 0);
	r.ifindex = tunnel;
	assert_int_equal(dp_route_add(&r), 0);
	dpt_neighbour(0, PEER_IP, dpt_peer[0]);
	dpt_neighbour(0, NEAR, dpt_peer[0]);
	peer_keys(&peer, 1);
	peer_install(&peer, peer_policy(tunnel, "0.0.0.0/0", "0.0.0.0/0", 0, 0, 0), NULL);
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
		cmocka_unit_test(memory_is_known), cmocka_unit_test(handover_ring), cmocka_unit_test(tx_ring),
		cmocka_unit_test(inject_ring),     cmocka_unit_test(no_buffers),    cmocka_unit_test(no_room),
		cmocka_unit_test(outer_route),
	};

	return cmocka_run_group_tests_name("limits", tests, setup, teardown);
}
