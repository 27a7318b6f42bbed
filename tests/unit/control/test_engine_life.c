/* SPDX-License-Identifier: Apache-2.0 */
/* Two engines after bring-up: liveness, deletion, rekeying with its collisions, operator, configuration. */
#include "net_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "child.h"
#include "dice.h"

static int setup(void **state)
{
	dice_seed(1);
	net_init(&net, 1);
	return 0;
}

static void again(unsigned seed)
{
	net_end(&net);
	dice_seed(seed);
	net_init(&net, seed);
}

struct lives {
	uint32_t ike_a, ike_b, child_a, child_b;
};

static void up_for(unsigned children, struct lives l)
{
	struct ike_gw_conf a = net_conf(NET_A, children), b = net_conf(NET_B, children);

	if (l.ike_a)
		a.lifetime_s = l.ike_a;
	if (l.ike_b)
		b.lifetime_s = l.ike_b;
	for (unsigned i = 0; i < children; i++) {
		if (l.child_a)
			a.children[i].lifetime_s = l.child_a;
		if (l.child_b)
			b.children[i].lifetime_s = l.child_b;
	}
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	assert_true(net_until(&net, net_up, 60 * NET_S));
	net_run(&net, 5 * NET_S);
	net_check_pairs(&net);
}

static void up(unsigned children)
{
	up_for(children, (struct lives){0});
}

/* ---- liveness --------------------------------------------------------------------------------------------- */

static void idle_peers_check_each_other(void **state)
{
	up(1);
	net_run(&net, 1000 * NET_S);
	assert_true(net_counter(A, "dpd_sent") + net_counter(B, "dpd_sent") > 90);
	assert_true(net_up(&net));
	assert_int_equal(A->events[IKE_EV_PEER_DEAD] + B->events[IKE_EV_PEER_DEAD], 0);
}

static void traffic_is_proof(void **state)
{
	up(1);
	A->traffic = B->traffic = true;
	net.sent = 0;
	net_run(&net, 1000 * NET_S);
	assert_int_equal(net.sent, 0);
}

static void dead_peer_and_recovery(void **state)
{
	up(3);
	B->dead = true;
	net_run(&net, 29 * NET_S);
	assert_int_equal(A->events[IKE_EV_PEER_DEAD], 0);
	net_run(&net, 12 * NET_S); /* 10 s silence, 3 x 10 s patience */
	assert_int_equal(A->events[IKE_EV_PEER_DEAD], 1);
	assert_int_equal(A->events[IKE_EV_IKE_DOWN], 1);
	assert_int_equal(A->events[IKE_EV_CHILD_DOWN], 3);
	assert_int_equal(net_children(A), 0);
	net_run(&net, 200 * NET_S);
	assert_int_equal(A->events[IKE_EV_PEER_DEAD], 1);
	B->dead = false;
	assert_true(net_until(&net, net_up, 130 * NET_S));
	net_run(&net, 10 * NET_S);
	assert_true(net_up(&net));
	net_check_pairs(&net);
}

/* What a dead peer leaves behind comes back as configured. */
static void dead_peer_action(void **state)
{
	for (int action = IKE_DPD_HOLD; action <= IKE_DPD_CLEAR; action++) {
		struct ike_gw_conf a, b;

		again(1);
		a = net_conf(NET_A, 2);
		b = net_conf(NET_B, 2);
		a.dpd_action = b.dpd_action = (enum ike_dpd_action)action;
		b.passive = true;
		net_set(&net, NET_B, &b);
		net_set(&net, NET_A, &a);
		assert_true(net_until(&net, net_up, 60 * NET_S));
		B->dead = true;
		net_run(&net, 50 * NET_S);
		assert_int_equal(A->events[IKE_EV_PEER_DEAD], 1);
		assert_non_null(strstr(net_gw_failure(A)->text, "interval 10 s x retry 3"));
		assert_int_equal(net_sas_all(A) + net_children(A), 0);
		net_run(&net, 10 * NET_S); /* B finds A dead, too */
		B->dead = false;
		/* Configured to start by themselves, and yet they wait. */
		net_run(&net, 600 * NET_S);
		assert_int_equal(net_sas_all(A), 0);
		ike_acquire(A->ike, 2, net.now);
		net_run(&net, 5 * NET_S);
		if (action == IKE_DPD_HOLD) {
			assert_int_equal(net_active(A), 1);
			assert_int_equal(net_active(B), 1);
			continue;
		}
		assert_int_equal(net_sas_all(A), 0);
		assert_true(ike_test_ipsec_sa(A->ike, NULL, net.now, NULL) > 0);
		assert_true(net_until(&net, net_up, 10 * NET_S));
		net_check_pairs(&net);
	}
}

static void peer_restarts(void **state)
{
	struct ike_gw_conf b = net_conf(NET_B, 2);

	up(2);
	/* B forgets everything and is the one to start again: INITIAL_CONTACT. */
	ike_free(B->ike);
	memset(B->child, 0, sizeof(B->child));
	B->n_spis = 0;
	B->ike = ike_new(&B->vt, B, net.now);
	b.children[0].start = b.children[1].start = true;
	net_set(&net, NET_B, &b);
	net_run(&net, 5 * NET_S);
	assert_true(net_up(&net));
	assert_int_equal(net_counter(A, "initial_contact"), 1);
	assert_int_equal(net_sas(A), 1);
	assert_int_equal(net_children(A), 2);
	net_check_pairs(&net);
}

/* ---- one end has lost an SA ------------------------------------------------------------------------------------ */

static struct endpoint ep(int side, uint16_t port)
{
	struct endpoint e = {.port = port};

	assert_int_equal(addr_parse(side == NET_A ? "192.0.2.1" : "192.0.2.2", &e.a), 0);
	return e;
}

/* B's data plane meets ESP of A that it has no SA for. */
static void esp_without_sa(uint32_t spi)
{
	struct endpoint a = ep(NET_A, 0), b = ep(NET_B, 0);

	ike_unknown_spi(B->ike, spi, &b, &a, net.now);
}

/* B starts with nothing, and nothing to start by itself.  A's next packet brings it back. */
static void restart_found_by_esp(void **state)
{
	struct ike_gw_conf b = net_conf(NET_B, 2);

	up(2);
	B->dead = true;
	ike_free(B->ike);
	memset(B->child, 0, sizeof(B->child));
	B->n_spis = 0;
	B->ike = ike_new(&B->vt, B, net.now);
	B->dead = false;
	net_set(&net, NET_B, &b);
	esp_without_sa(0xdead0001);
	net_run(&net, NET_S);
	assert_int_equal(net_counter(A, "initial_contact"), 1);
	assert_true(net_until(&net, net_up, 5 * NET_S));
	net_run(&net, 5 * NET_S);
	assert_int_equal(net_sas(A), 1);
	net_check_pairs(&net);
	/* A says goodbye: what of it is still on the way does not bring it back. */
	ike_shutdown(A->ike, net.now);
	net_run(&net, 20 * NET_S);
	esp_without_sa(0xdead0002);
	assert_int_equal(net_sas_all(B), 0);
}

/* B has lost one Child SA and says so within the IKE SA. */
static void child_lost_at_one_end(void **state)
{
	uint32_t spi, old;
	struct child_sa *c;

	up(2);
	net_run(&net, 10 * NET_S);
	old = A->child[0].sa.spi_out;
	c = child_find(B->ike, old);
	assert_non_null(c);
	child_remove(c, NULL);
	for (unsigned i = 0; i < 50; i++) {
		esp_without_sa(old);
		net_run(&net, 100 * NET_MS);
	}
	assert_true(net_until(&net, net_up, 5 * NET_S));
	net_run(&net, 5 * NET_S);
	spi = A->child[0].sa.spi_out;
	assert_int_not_equal(spi, old);
	assert_int_equal(net_counter(B, "invalid_spi_sent"), 1);
	assert_int_equal(net_counter(A, "child_not_found"), 1);
	assert_int_equal(net_sas_all(A), 1);
	assert_int_equal(net_children(A), 2);
	net_check_pairs(&net);
	/* One that never was: nothing happens. */
	net_run(&net, 20 * NET_S);
	esp_without_sa(0xdead0001);
	net_run(&net, 5 * NET_S);
	assert_int_equal(net_counter(B, "invalid_spi_sent"), 2);
	assert_int_equal(net_counter(A, "child_not_found"), 1);
}

/* The same hints unprotected, from whoever can guess SPIs: a liveness check now and then, and no more. */
static void forged_hints(void **state)
{
	struct endpoint a = ep(NET_A, 500), b = ep(NET_B, 500);
	struct ike_sa *sa;
	uint64_t checks;

	up(1);
	A->traffic = B->traffic = true; /* so that nothing else makes them look */
	net_run(&net, 30 * NET_S);
	sa = sa_current(A->ike->gws);
	checks = net_counter(A, "dpd_sent");
	for (unsigned i = 0; i < 1000; i++) {
		bool answer = i % 2;
		struct ike_hdr h = {
			.spi_i = answer ? sa_spi_i(sa) : 0x1234,
			.spi_r = answer ? sa_spi_r(sa) : 0,
			.exchange = INFORMATIONAL,
			.msgid = i,
			.flags = answer ? IKE_FLAG_RESPONSE : IKE_FLAG_INITIATOR,
		};
		uint32_t spi = __builtin_bswap32(A->child[0].sa.spi_out);
		struct msg_wr w;
		uint8_t buf[100];

		msg_wr_begin(&w, buf, sizeof(buf), &h);
		msg_wr_notify(&w, PROTO_NONE, NULL, 0, answer ? N_INVALID_IKE_SPI : N_INVALID_SPI, &spi,
			      answer ? 0 : sizeof(spi));
		net_inject(&net, NET_A, &b, &a, buf, msg_wr_end(&w), 0);
		net_run(&net, 50 * NET_MS);
	}
	assert_in_range(net_counter(A, "dpd_sent") - checks, 5, 6); /* 50 s, one each ten */
	assert_int_equal(net_counter(A, "hint_heeded"), net_counter(A, "dpd_sent") - checks);
	assert_int_equal(net_counter(A, "tx_plain_error"), 0);
	assert_int_equal(A->events[IKE_EV_IKE_DOWN] + A->events[IKE_EV_CHILD_DOWN], 0);
	assert_true(net_up(&net));
}

/* ---- deletion ------------------------------------------------------------------------------------------------ */

static void clear_ike_sa(void **state)
{
	for (int side = 0; side < 2; side++) {
		struct net_host *h = &net.host[side], *o = &net.host[!side];

		again(1);
		up(3);
		assert_int_equal(ike_clear_ike_sa(h->ike, "no such", net.now), -ENOENT);
		assert_int_equal(ike_clear_ike_sa(h->ike, NULL, net.now), 1);
		assert_int_equal(net_children(h), 0);
		net_run(&net, NET_S);
		assert_int_equal(net_sas_all(h) + net_sas_all(o), 0);
		assert_int_equal(net_children(o), 0);
		assert_int_equal(o->events[IKE_EV_IKE_DOWN], 1);
		assert_int_equal(o->events[IKE_EV_CHILD_DOWN], 3);
		/* A is configured to start by itself. */
		assert_true(net_until(&net, net_up, 10 * NET_S));
		net_check_pairs(&net);
	}
}

static void clear_ipsec_sa(void **state)
{
	for (int side = 0; side < 2; side++) {
		struct net_host *h = &net.host[side], *o = &net.host[!side];

		again(1);
		up(3);
		assert_int_equal(ike_clear_ipsec_sa(h->ike, "TUN:P1", net.now), 1);
		net_run(&net, NET_S);
		assert_int_equal(net_children(h), 2);
		assert_int_equal(net_children(o), 2);
		assert_int_equal(net_sas(h), 1);
		assert_true(net_until(&net, net_up, 10 * NET_S));
		assert_int_equal(ike_clear_ipsec_sa(h->ike, "TUN", net.now), 3);
		net_run(&net, NET_S);
		assert_int_equal(net_children(h) + net_children(o), 0);
		assert_int_equal(ike_clear_ipsec_sa(h->ike, "TUNX", net.now), -ENOENT);
	}
}

static void both_clear_at_once(void **state)
{
	up(3);
	assert_int_equal(ike_clear_ipsec_sa(A->ike, NULL, net.now), 3);
	assert_int_equal(ike_clear_ipsec_sa(B->ike, NULL, net.now), 3);
	net_run(&net, NET_S);
	assert_int_equal(net_children(A) + net_children(B), 0);
	assert_true(net_until(&net, net_up, 10 * NET_S));
	assert_int_equal(ike_clear_ike_sa(A->ike, NULL, net.now), 1);
	assert_int_equal(ike_clear_ike_sa(B->ike, NULL, net.now), 1);
	net_run(&net, NET_S);
	assert_int_equal(net_sas_all(A) + net_sas_all(B), 0);
	assert_true(net_until(&net, net_up, 10 * NET_S));
}

static void test_requests(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 3), b = net_conf(NET_B, 3);

	for (unsigned i = 0; i < 3; i++)
		a.children[i].start = false;
	b.passive = true;
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	assert_int_equal(ike_test_ike_sa(B->ike, "GW-B", net.now, NULL), -EPERM);
	assert_int_equal(ike_test_ike_sa(A->ike, "x", net.now, NULL), -ENOENT);
	assert_int_equal(ike_test_ike_sa(A->ike, "GW-A", net.now, NULL), 1);
	assert_int_equal(ike_test_ike_sa(A->ike, "GW-A", net.now, NULL), 0);
	net_run(&net, 2 * NET_S);
	assert_int_equal(net_sas(A), 1);
	assert_int_equal(net_children(A), 1);
	assert_int_equal(ike_test_ike_sa(A->ike, NULL, net.now, NULL), 0);
	assert_int_equal(ike_test_ipsec_sa(A->ike, "TUN:P2", net.now, NULL), 1);
	assert_int_equal(ike_test_ipsec_sa(A->ike, "TUN", net.now, NULL), 1);
	net_run(&net, 2 * NET_S);
	assert_int_equal(net_children(A), 3);
	assert_int_equal(ike_test_ipsec_sa(A->ike, NULL, net.now, NULL), 0);
	assert_int_equal(ike_test_ipsec_sa(A->ike, "x", net.now, NULL), -ENOENT);
	net_check_pairs(&net);
}

static void shutdown_says_goodbye(void **state)
{
	unsigned rounds = 0;

	up(3);
	net.loss = 30;
	while (!ike_shutdown(A->ike, net.now)) {
		assert_true(rounds++ < 200);
		net_run(&net, NET_S / 2);
	}
	assert_int_equal(net_sas_all(A) + net_sas_all(B), 0);
	assert_int_equal(net_children(B), 0);
	ike_acquire(A->ike, 1, net.now);
	net_run(&net, 100 * NET_S);
	assert_int_equal(net_sas_all(A), 0);
}

static void clear_while_negotiating(void **state)
{
	for (unsigned ms = 0; ms < 60; ms += 5) {
		struct ike_gw_conf a, b;

		again(1);
		a = net_conf(NET_A, 2);
		b = net_conf(NET_B, 2);
		a.children[0].start = a.children[1].start = false;
		net_set(&net, NET_B, &b);
		net_set(&net, NET_A, &a);
		ike_acquire(A->ike, 1, net.now);
		ike_acquire(A->ike, 2, net.now);
		net_run(&net, ms * NET_MS);
		ike_clear_ike_sa(A->ike, NULL, net.now);
		net_run(&net, 40 * NET_S); /* half-open ones at B included */
		assert_int_equal(net_sas_all(A) + net_sas_all(B), 0);
		assert_int_equal(net_children(A) + net_children(B), 0);
	}
}

/* ---- rekeying ---------------------------------------------------------------------------------------------------- */

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

		again(1);
		up(1);
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
	up(1);
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
		again(seed);
		up(1);
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
		again(seed);
		up(1);
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

		again(1);
		up_for(3, l);
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

		again(seed);
		up_for(1, l);
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

/* ---- duplicates, configuration -------------------------------------------------------------------------------------- */

static void duplicates_are_answered_from_the_cache(void **state)
{
	net.dup = 100;
	up(2);
	assert_int_equal(net_sas(A), 1);
	assert_int_equal(net_sas(B), 1);
	assert_int_equal(B->installs, 2);
	assert_true(net_counter(B, "tx_cached") >= 2);
	net_run(&net, 60 * NET_S);
	assert_int_equal(net_sas_all(B), 1);
}

static void config_same_keeps_sas(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 3);

	up(3);
	a.dpd_interval_s = 30;
	a.lifetime_s = 1000;
	net_set(&net, NET_A, &a);
	net_run(&net, 30 * NET_S);
	assert_int_equal(A->events[IKE_EV_IKE_DOWN] + A->events[IKE_EV_CHILD_DOWN], 0);
	assert_true(net_up(&net));
}

static void config_child_changes(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 3), b = net_conf(NET_B, 3);

	up(3);
	a.children[1].esp.encr[0].key_bits = b.children[1].esp.encr[0].key_bits = 256;
	net_set(&net, NET_A, &a);
	net_set(&net, NET_B, &b);
	net_run(&net, 60 * NET_S);
	assert_int_equal(A->events[IKE_EV_IKE_DOWN], 0);
	/* Both replace it at once; one of the twins may have gone again. */
	assert_in_range(A->events[IKE_EV_CHILD_DOWN], 1, 2);
	assert_true(net_up(&net));
	assert_int_equal(net_children(A), 3);
	net_check_pairs(&net);
	/* One taken out, one put in. */
	a = net_conf(NET_A, 2);
	b = net_conf(NET_B, 2);
	net_set(&net, NET_A, &a);
	net_set(&net, NET_B, &b);
	net_run(&net, 60 * NET_S);
	assert_int_equal(net_children(A), 2);
	assert_int_equal(net_children(B), 2);
	net_check_pairs(&net);
}

struct walk {
	unsigned n;
	uint32_t id[4], spi[4];
	char tunnel[4][2 * IKE_NAME];
};

static bool on_walk(void *arg, const struct ike_child_info *i)
{
	struct walk *w = arg;

	assert_in_range(w->n, 0, 3);
	snprintf(w->tunnel[w->n], sizeof(w->tunnel[0]), "%s:%s", i->tunnel, i->proxy_id);
	w->id[w->n] = i->id;
	w->spi[w->n++] = i->spi_in;
	return true;
}

/* A listing goes on where it stood, also when the Child SA it stood at has gone. */
static void walk_goes_on(void **state)
{
	struct walk all = {0}, behind = {0};

	up(4);
	ike_each_child(A->ike, on_walk, &all);
	assert_int_equal(all.n, 4);
	ike_each_child_after(A->ike, all.spi[1], all.id[1], on_walk, &behind);
	assert_int_equal(behind.n, 2);
	assert_int_equal(behind.id[0], all.id[2]);
	assert_int_equal(behind.id[1], all.id[3]);
	assert_int_equal(ike_rekey_ipsec_sa(A->ike, all.tunnel[1], net.now), 1);
	net_run(&net, 60 * NET_S);
	assert_true(net_up(&net));
	behind.n = 0;
	ike_each_child_after(A->ike, all.spi[1], all.id[1], on_walk, &behind);
	assert_int_equal(behind.n, 3);
	assert_int_equal(behind.id[0], all.id[2]);
	assert_true(behind.id[2] > all.id[3]);
}

struct sa_walk {
	unsigned n;
	uint32_t serial;
	uint64_t spi_own;
};

static bool on_sa_walk(void *arg, const struct ike_sa_info *i)
{
	struct sa_walk *w = arg;

	w->n++;
	w->serial = i->serial;
	w->spi_own = i->role == IKE_INITIATOR ? i->spi_i : i->spi_r;
	return true;
}

static struct sa_walk sas_behind(const char *gateway, struct sa_walk last)
{
	struct sa_walk w = {0};

	ike_each_sa_after(A->ike, gateway, last.spi_own, last.serial, on_sa_walk, &w);
	return w;
}

/* The same of IKE SAs, of all and of one gateway. */
static void sa_walk_goes_on(void **state)
{
	struct sa_walk first, none = {0};
	uint32_t sas, children;
	struct ike_gw_info i;

	up(4);
	first = sas_behind(NULL, none);
	assert_int_equal(first.n, 1);
	assert_int_equal(sas_behind("GW-A", none).serial, first.serial);
	assert_int_equal(sas_behind("GW-X", none).n, 0);
	assert_int_equal(sas_behind(NULL, first).n, 0);
	assert_int_equal(sas_behind("GW-A", first).n, 0);
	ike_count(A->ike, &sas, &children);
	assert_int_equal(sas, 1);
	assert_int_equal(children, 4);
	assert_true(ike_gateway_read(A->ike, "GW-A", &i));
	assert_int_equal(i.n_children, 4);
	assert_false(ike_gateway_read(A->ike, "GW-X", &i));
	assert_int_equal(ike_rekey_ike_sa(A->ike, NULL, false, net.now), 1);
	net_run(&net, 60 * NET_S);
	assert_int_equal(sas_behind(NULL, first).n, 1);
	assert_true(sas_behind("GW-A", first).serial > first.serial);
	ike_clear_ipsec_sa(A->ike, NULL, net.now);
	net_run(&net, NET_S / 10);
	ike_count(A->ike, &sas, &children);
	assert_int_equal(children, net_children(A));
}

static void config_ike_changes(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 2), b = net_conf(NET_B, 2);

	up(2);
	a.psk[0] ^= 1;
	b.psk[0] ^= 1;
	net_set(&net, NET_A, &a);
	net_set(&net, NET_B, &b);
	net_run(&net, 100 * NET_S);
	assert_int_equal(A->events[IKE_EV_IKE_DOWN], 1);
	assert_true(net_up(&net));
	net_check_pairs(&net);
}

static void config_gateway_removed(void **state)
{
	up(3);
	assert_int_equal(ike_gateway_remove(A->ike, "GW-A", net.now), 0);
	assert_int_equal(ike_gateway_remove(A->ike, "GW-A", net.now), -ENOENT);
	assert_int_equal(net_children(A), 0);
	net_run(&net, 5 * NET_S);
	assert_int_equal(net_sas_all(A), 0);
	assert_int_equal(net_children(B), 0);
}

static void config_changes_at_any_moment(void **state)
{
	for (unsigned ms = 0; ms < 120; ms += 3) {
		struct ike_gw_conf a, b;

		again(ms + 1);
		a = net_conf(NET_A, 4);
		b = net_conf(NET_B, 4);
		net_set(&net, NET_B, &b);
		net_set(&net, NET_A, &a);
		net_run(&net, ms * NET_MS);
		a = net_conf(NET_A, 2);
		b = net_conf(NET_B, 2);
		a.children[0].replay_window = 128;
		net_set(&net, NET_A, &a);
		net_set(&net, NET_B, &b);
		net_run(&net, 60 * NET_S);
		if (!net_up(&net) || net_children(A) != 2 || net_children(B) != 2)
			fail_msg("after %u ms: %u %u children", ms, net_children(A), net_children(B));
		net_check_pairs(&net);
	}
}

static void config_refused(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_A, 1);

	assert_int_equal(ike_gateway_set(A->ike, &a, net.now), 0);
	snprintf(b.name, sizeof(b.name), "twin");
	b.children[0].policy = 50;
	/* The same addresses and the same peer identity. */
	assert_int_equal(ike_gateway_set(A->ike, &b, net.now), -EINVAL);
	b.remote_id = (struct ike_id){ID_FQDN, 9, "b.example"};
	assert_int_equal(ike_gateway_set(A->ike, &b, net.now), 0);
	/* A policy number twice. */
	snprintf(b.name, sizeof(b.name), "third");
	b.remote_id.data[0] = 'c';
	assert_int_equal(ike_gateway_set(A->ike, &b, net.now), -EINVAL);
	b.children[0].policy = 51;
	b.psk_len = 0;
	assert_int_equal(ike_gateway_set(A->ike, &b, net.now), -EINVAL);
	net_conf_free(&a);
	net_conf_free(&b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, net_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(idle_peers_check_each_other),
		T(traffic_is_proof),
		T(dead_peer_and_recovery),
		T(dead_peer_action),
		T(peer_restarts),
		T(restart_found_by_esp),
		T(child_lost_at_one_end),
		T(forged_hints),
		T(clear_ike_sa),
		T(clear_ipsec_sa),
		T(both_clear_at_once),
		T(test_requests),
		T(shutdown_says_goodbye),
		T(clear_while_negotiating),
		T(child_rekey_by_either_end),
		T(child_rekeyed_in_a_hurry),
		T(child_rekey_with_pfs),
		T(child_rekeys_collide),
		T(rekey_crosses_delete),
		T(ike_rekey_by_either_end),
		T(soak_slow),
		T(soak_bad),
		T(lifetimes_end),
		T(duplicates_are_answered_from_the_cache),
		T(config_same_keeps_sas),
		T(config_child_changes),
		T(walk_goes_on),
		T(config_ike_changes),
		T(sa_walk_goes_on),
		T(config_gateway_removed),
		T(config_changes_at_any_moment),
		T(config_refused),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
