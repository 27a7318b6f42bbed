/* SPDX-License-Identifier: Apache-2.0 */
/* ESP that comes before its SA: some of it waits, for a moment, and only on SPIs that control has reserved. */
#include "dp.h"
#include "harness.h"
#include "peer.h"

#include <string.h>

#define HOST "10.1.1.7"
#define FAR  "10.2.3.4"

enum { HELD = 32 };

static uint16_t tunnel;
static uint32_t policy, reserved;
static struct peer peer = {.spi_out = 0x3333};

static int setup(void **state)
{
	struct dp_route r = {0};

	dpt_init(&(struct dpt_conf){.n_workers = 2});
	assert_int_equal(dp_tunnel_if_add("tunnel.1", NULL, 0, &tunnel), 0);
	assert_int_equal(prefix_parse("10.1.0.0/16", &r.dst), 0);
	assert_int_equal(addr_parse(HOST, &r.via), 0);
	assert_int_equal(dp_route_add(&r), 0);
	dpt_neighbour(0, PEER_IP, dpt_peer[0]);
	dpt_neighbour(1, HOST, dpt_peer[1]);
	policy = peer_policy(tunnel, "0.0.0.0/0", "0.0.0.0/0", 0, 0, 0);
	peer_keys(&peer, 1);
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(dp_policy_del(policy), 0);
	dpt_fini();
	return 0;
}

static int fresh(void **state)
{
	dpt_sleep_ms(1000);
	dpt_clear();
	peer.seq = 0;
	assert_int_equal(dp_spi_alloc(&reserved), 0);
	peer.spi_in = reserved;
	return 0;
}

/* The peer's next packets; which worker gets them is as it happens. */
static void send(unsigned n)
{
	uint8_t packet[DPT_FRAME_MAX], esp[DPT_FRAME_MAX];

	for (unsigned i = 0; i < n; i++) {
		size_t len = dpt_echo4(packet, FAR, HOST, (uint16_t)i, 64);

		dpt_inject_ip(0, (uint16_t)(i % 2), esp, peer_seal(&peer, packet, len, NULL, esp));
	}
	dpt_run();
}

static void on_reserved(struct dp_sa_in_conf *c)
{
	dp_spi_release(c->spi);
	c->spi = reserved;
}

static void install(void)
{
	peer_install(&peer, policy, &(struct peer_edit){.in = on_reserved});
	peer.spi_in = reserved;
	dpt_run();
}

static void came_out(unsigned n)
{
	uint8_t frame[DPT_FRAME_MAX];

	for (unsigned i = 0; i < n; i++)
		assert_int_not_equal(dpt_take(1, frame, NULL), 0);
	dpt_take_none(1);
}

/* The SA comes, and each of them comes out, once. */
static void waits_for_its_sa(void **state)
{
	struct dp_sa_stats s;

	send(10);
	dpt_take_none(1);
	dpt_expect_drop("esp-unknown-spi", 0);
	dpt_now += 50 * 1000000;
	install();
	came_out(10);
	assert_int_equal(dp_sa_in_stats(reserved, &s), 0);
	assert_int_equal(s.packets, 10);
	/* What comes now finds it at once. */
	send(3);
	came_out(3);
	dpt_expect_drop("esp-unknown-spi", 0);
	peer_remove(&peer);
	assert_int_equal(dpt_seen.n_unknown_spi, 0);
}

/* It does not come: they are dropped as if they had not waited. */
static void not_for_ever(void **state)
{
	send(10);
	dpt_expect_drop("esp-unknown-spi", 0);
	dpt_now += 200 * 1000000;
	dpt_run();
	dpt_expect_drop("esp-unknown-spi", 10);
	install();
	came_out(0);
	peer_remove(&peer);
}

/* So many a worker, and no more. */
static void not_too_many(void **state)
{
	send(2 * HELD + 5);
	dpt_expect_drop("esp-unknown-spi", 5);
	install();
	came_out(2 * HELD);
	peer_remove(&peer);
}

/* On no other SPI: not one given back, nor one that was in use, nor one that never was. */
static void on_reserved_spis_only(void **state)
{
	dp_spi_release(reserved);
	send(1);
	dpt_expect_drop("esp-unknown-spi", 1);
	assert_int_equal(dp_spi_alloc(&reserved), 0);
	peer.spi_in = reserved ^ 0x80000000;
	send(1);
	dpt_expect_drop("esp-unknown-spi", 1);
	install();
	peer_remove(&peer);
	send(1);
	dpt_expect_drop("esp-unknown-spi", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(waits_for_its_sa, fresh),
		cmocka_unit_test_setup(not_for_ever, fresh),
		cmocka_unit_test_setup(not_too_many, fresh),
		cmocka_unit_test_setup(on_reserved_spis_only, fresh),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
