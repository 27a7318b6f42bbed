/* SPDX-License-Identifier: Apache-2.0 */
/* Two engines after bring-up: liveness, an end that has lost SAs, deletion, and the operator. */
#include "life_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "child.h"

/* ---- liveness --------------------------------------------------------------------------------------------- */

static void idle_peers_check_each_other(void **state)
{
	life_up(1);
	net_run(&net, 1000 * NET_S);
	assert_true(net_counter(A, "dpd_sent") + net_counter(B, "dpd_sent") > 90);
	assert_true(net_up(&net));
	assert_int_equal(A->events[IKE_EV_PEER_DEAD] + B->events[IKE_EV_PEER_DEAD], 0);
}

static void traffic_is_proof(void **state)
{
	life_up(1);
	A->traffic = B->traffic = true;
	net.sent = 0;
	net_run(&net, 1000 * NET_S);
	assert_int_equal(net.sent, 0);
}

static void dead_peer_and_recovery(void **state)
{
	life_up(3);
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

		life_again(1);
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

	life_up(2);
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

	life_up(2);
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

	life_up(2);
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

	life_up(1);
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

		life_again(1);
		life_up(3);
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

		life_again(1);
		life_up(3);
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
	life_up(3);
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

	life_up(3);
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

		life_again(1);
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

#define T(f) cmocka_unit_test_setup_teardown(f, life_setup, net_teardown)

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
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
