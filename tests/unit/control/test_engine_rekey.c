/* SPDX-License-Identifier: Apache-2.0 */
/* Two engines after bring-up: rekeying with its collisions, and lifetimes. */
#include "life_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "child.h"

static uint32_t spi_of(struct net_host *h)
{
	for (unsigned i = 0; i < NET_CHILDREN; i++)
		if (h->child[i].used && h->child[i].active)
			return h->child[i].sa.spi_in;
	return 0;
}

/* One IKE SA and one child each, that belong together. */
static bool quiet_one(struct net *n)
{
	return net_up(n) && net_sas_all(A) == 1 && net_sas_all(B) == 1 && net_children(A) == 1 &&
	       net_children(B) == 1;
}

static void child_rekey_by_either_end(void **state)
{
	for (int side = 0; side < 2; side++) {
		struct net_host *h = &net.host[side];
		uint32_t old;

		life_again(1);
		life_up(1);
		net.jitter = 50 * NET_MS;
		net_probe(&net, 1, 5 * NET_MS);
		for (unsigned i = 0; i < 25; i++) {
			old = spi_of(h);
			ike_child_expire(h->ike, old, false, net.now);
			net_run(&net, 10 * NET_S);
			assert_int_not_equal(spi_of(h), old);
			assert_true(quiet_one(&net));
			net_check_pairs(&net);
		}
		assert_int_equal(net_counter(A, "child_rekey"), 25);
		assert_int_equal(net_counter(B, "child_rekey"), 25);
		assert_int_equal(net.probes_lost, 0);
		assert_int_equal(net.probes_no_child, 0);
		assert_true(net.probes_ok > 90000);
	}
}

/* Faster than replaced ones are let go: those that are only waiting for stragglers do not count as too many. */
static void child_rekeyed_in_a_hurry(void **state)
{
	life_up(1);
	for (unsigned i = 0; i < 30; i++) {
		uint32_t old = spi_of(A);

		ike_child_expire(A->ike, old, false, net.now);
		net_run(&net, 200 * NET_MS);
		assert_int_not_equal(spi_of(A), old);
		assert_true(net_children(B) <= ike_tuning(B->ike)->children_per_proxy);
	}
	assert_int_equal(net_counter(A, "child_rekey"), 30);
	net_run(&net, 10 * NET_S);
	assert_true(quiet_one(&net));
}

static void child_rekey_with_pfs(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);

	a.children[0].esp.n_dh = 2;
	a.children[0].esp.dh[0] = DH_ECP256;
	a.children[0].esp.dh[1] = DH_CURVE25519;
	b.children[0].esp.n_dh = 1;
	b.children[0].esp.dh[0] = DH_CURVE25519;
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	assert_true(net_until(&net, net_up, 5 * NET_S));
	for (unsigned i = 0; i < 4; i++) {
		struct net_host *h = &net.host[i & 1];

		ike_child_expire(h->ike, spi_of(h), false, net.now);
		net_run(&net, 10 * NET_S);
		assert_true(quiet_one(&net));
		net_check_pairs(&net);
	}
	assert_int_equal(net_counter(A, "ke_retry"), 2);
}

static void child_rekeys_collide(void **state)
{
	unsigned collisions = 0;

	for (unsigned seed = 1; seed <= 200; seed++) {
		life_again(seed);
		life_up(1);
		net.latency = 100 * NET_MS;
		net.jitter = (seed % 4) * 60 * NET_MS;
		net.loss = seed % 3 ? 0 : 20;
		net.dup = seed % 5 ? 0 : 30;
		net_probe(&net, 1, 20 * NET_MS);
		ike_child_expire(A->ike, spi_of(A), false, net.now);
		net_run(&net, (seed % 25) * 10 * NET_MS);
		ike_child_expire(B->ike, spi_of(B), false, net.now);
		net_run(&net, 30 * NET_S);
		net.loss = net.dup = 0;
		net_run(&net, 90 * NET_S);
		if (!quiet_one(&net))
			fail_msg("seed %u: %u %u IKE SAs, %u %u children", seed, net_sas_all(A),
				 net_sas_all(B), net_children(A), net_children(B));
		net_check_pairs(&net);
		assert_int_equal(net.probes_lost, 0);
		assert_int_equal(net.probes_no_child, 0);
		collisions += (unsigned)net_counter(A, "collision");
	}
	assert_true(collisions > 50);
}

static void rekey_crosses_delete(void **state)
{
	for (unsigned seed = 1; seed <= 100; seed++) {
		life_again(seed);
		life_up(1);
		net.latency = 100 * NET_MS;
		net.jitter = (seed % 4) * 60 * NET_MS;
		ike_child_expire(A->ike, spi_of(A), false, net.now);
		net_run(&net, (seed % 25) * 10 * NET_MS);
		ike_clear_ipsec_sa(B->ike, NULL, net.now);
		net_run(&net, 100 * NET_S);
		if (!quiet_one(&net))
			fail_msg("seed %u: %u %u children", seed, net_children(A), net_children(B));
		net_check_pairs(&net);
	}
}

static bool young(void *arg, const struct ike_sa_info *i)
{
	uint32_t *serial = arg;

	if (i->established)
		*serial = i->serial;
	return true;
}

static void ike_rekey_by_either_end(void **state)
{
	for (int side = 0; side < 2; side++) {
		struct lives l = {.ike_a = side ? 0 : 100, .ike_b = side ? 100 : 0};
		uint32_t serial = 0;

		life_again(1);
		life_up_for(3, l);
		net_probe(&net, 3, 50 * NET_MS);
		net_run(&net, 2000 * NET_S);
		assert_true(net_counter(A, "ike_rekey") >= 20);
		assert_true(net_counter(B, "ike_rekey") >= 20);
		ike_each_sa(A->ike, young, &serial);
		assert_true(serial > 20);
		assert_true(net_up(&net));
		assert_int_equal(net_children(A), 3);
		assert_int_equal(net_children(B), 3);
		net_check_pairs(&net);
		assert_int_equal(net.probes_lost, 0);
		assert_int_equal(net.probes_no_child, 0);
		assert_int_equal(A->events[IKE_EV_CHILD_DOWN] + B->events[IKE_EV_CHILD_DOWN], 0);
		/* A new child and a rekey on the new IKE SA. */
		ike_child_expire(B->ike, spi_of(B), false, net.now);
		net_run(&net, 10 * NET_S);
		net_check_pairs(&net);
	}
}

/* Everything rekeys often, the path is slow and bad: both ends cross each other in every way. */
static void soak(unsigned seeds, unsigned loss, uint64_t latency, uint64_t seconds, bool lossless)
{
	for (unsigned seed = 1; seed <= seeds; seed++) {
		struct lives l = {.ike_a = 120, .ike_b = 120, .child_a = 80, .child_b = 80};

		life_again(seed);
		life_up_for(1, l);
		net.latency = latency;
		net.jitter = latency / 2;
		net.loss = loss;
		net.dup = loss;
		net_probe(&net, 1, 100 * NET_MS);
		net_run(&net, seconds * NET_S);
		assert_true(net_counter(A, "child_rekey") > seconds / 100);
		if (lossless && (net.probes_lost || net.probes_no_child))
			fail_msg("seed %u: %lu lost, %lu without child", seed, (unsigned long)net.probes_lost,
				 (unsigned long)net.probes_no_child);
		net.loss = net.dup = 0;
		net.latency = 10 * NET_MS;
		net.jitter = 0;
		net_probe(&net, 0, 0);
		if (!net_until(&net, quiet_one, 200 * NET_S))
			fail_msg("seed %u: %u %u IKE SAs, %u %u children", seed, net_sas_all(A),
				 net_sas_all(B), net_children(A), net_children(B));
		net_check_pairs(&net);
	}
}

static void soak_slow(void **state)
{
	soak(25, 0, 800 * NET_MS, 1500, true);
}

static void soak_bad(void **state)
{
	soak(25, 10, 300 * NET_MS, 1500, false);
}

static void lifetimes_end(void **state)
{
	/* B answers nothing any more and DPD is off: the hard lifetime ends it. */
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);

	a.dpd_interval_s = 0;
	a.children[0].lifetime_s = 100;
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	assert_true(net_until(&net, net_up, 5 * NET_S));
	B->dead = true;
	net_run(&net, 200 * NET_S);
	assert_int_equal(net_children(A), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, life_setup, net_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(child_rekey_by_either_end),
		T(child_rekeyed_in_a_hurry),
		T(child_rekey_with_pfs),
		T(child_rekeys_collide),
		T(rekey_crosses_delete),
		T(ike_rekey_by_either_end),
		T(soak_slow),
		T(soak_bad),
		T(lifetimes_end),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
