/* SPDX-License-Identifier: Apache-2.0 */
/* MOBIKE (RFC 4555) between two engines: an end's address changes, its SAs stay. */
#include "net_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void start(bool a, bool b, enum ike_natt natt)
{
	for (int side = 1; side >= 0; side--) {
		struct ike_gw_conf c = net_conf(side, 2);

		c.mobike = side ? b : a;
		c.natt = natt;
		net_set(&net, side, &c);
	}
	assert_true(net_until(&net, net_up, 5 * NET_S));
}

static struct addr wan(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static void move(int side, const char *to, bool mobike)
{
	struct ike_gw_conf c = net_conf(side, 2);

	c.mobike = mobike;
	c.local = wan(to);
	net_set(&net, side, &c);
}

/* All SAs in the data plane of h lead to that address. */
static unsigned leads_to(const struct net_host *h, const char *to)
{
	const struct addr a = wan(to);
	unsigned n = 0;

	for (unsigned i = 0; i < h->n_child; i++)
		n += h->child[i].used && h->child[i].active && addr_eq(&h->child[i].sa.remote.a, &a);
	return n;
}

static void initiator_moves(void **state)
{
	start(true, true, IKE_NATT_AUTO);
	net_probe(&net, 2, 10 * NET_MS);
	for (unsigned i = 0; i < 5; i++) {
		const char *to = i % 2 ? "192.0.2.1" : "192.0.2.11";

		move(NET_A, to, true);
		net_run(&net, 20 * NET_S);
		assert_int_equal(leads_to(B, to), 2);
		net_check_pairs(&net);
	}
	assert_int_equal(net_counter(A, "mobike_moved"), 5);
	assert_int_equal(net_counter(B, "mobike_moved"), 5);
	assert_int_equal(net_counter(A, "ike_up"), 1);
	assert_int_equal(net_counter(A, "child_rekey"), 5 * 2);
	assert_int_equal(A->unasked_downs + B->unasked_downs, 0);
	assert_int_equal(net.probes_lost + net.probes_no_child, 0);
}

/* It is still the one that decides when the other has rekeyed. */
static void after_a_rekey_by_the_other(void **state)
{
	start(true, true, IKE_NATT_AUTO);
	ike_rekey_ike_sa(B->ike, NULL, false, net.now);
	net_run(&net, 5 * NET_S);
	move(NET_A, "192.0.2.11", true);
	net_run(&net, 20 * NET_S);
	assert_int_equal(leads_to(B, "192.0.2.11"), 2);
	assert_int_equal(net_counter(A, "ike_up"), 1);
}

/* A's INFORMATIONAL requests are not answered. */
static bool unanswered(struct net *n, struct net_packet *p, void *arg)
{
	return p->to != NET_A || p->data[18] != 37 || !(p->data[19] & 0x20);
}

/* The other end makes new Child SAs for the new address before we hear that it knows it: these are not renewed again. */
static void renewed_by_the_other(void **state)
{
	start(true, true, IKE_NATT_AUTO);
	net.tap = unanswered;
	move(NET_A, "192.0.2.11", true);
	net_run(&net, 300 * NET_MS);
	ike_rekey_ipsec_sa(B->ike, NULL, net.now);
	net_run(&net, 500 * NET_MS);
	assert_int_equal(net_counter(A, "mobike_moved"), 0);
	assert_int_equal(net_counter(A, "child_rekey"), 2);
	net.tap = NULL;
	net_run(&net, 20 * NET_S);
	assert_int_equal(net_counter(A, "mobike_moved"), 1);
	assert_int_equal(net_counter(A, "child_rekey"), 2);
	assert_int_equal(leads_to(B, "192.0.2.11"), 2);
	net_check_pairs(&net);
}

/* Without the other end's agreement, or where it is not ours to decide: new SAs. */
static void not_agreed(void **state)
{
	start(true, false, IKE_NATT_AUTO);
	move(NET_A, "192.0.2.11", true);
	net_run(&net, 5 * NET_S);
	assert_int_equal(net_counter(A, "mobike_moved") + net_counter(B, "mobike_moved"), 0);
	assert_int_equal(net_sas(A), 0); /* B has no gateway for this address */
}

/* ---- return routability --------------------------------------------------------------------------------------- */

/* Encrypted INFORMATIONALs to A are lost: A never returns the COOKIE2. */
static bool deaf(struct net *n, struct net_packet *p, void *arg)
{
	return p->to != NET_A || p->data[18] != 37 || (p->data[19] & 0x20);
}

static void address_is_proved_first(void **state)
{
	start(true, true, IKE_NATT_AUTO);
	net.tap = deaf;
	move(NET_A, "192.0.2.11", true);
	net_run(&net, 3 * NET_S);
	assert_int_equal(net_counter(A, "mobike_moved"), 1); /* its update was answered */
	assert_int_equal(net_counter(B, "mobike_moved"), 0);
	assert_int_equal(leads_to(B, "192.0.2.11"), 0);
	net.tap = NULL;
	net_run(&net, 10 * NET_S);
	assert_int_equal(net_counter(B, "mobike_moved"), 1);
	assert_int_equal(leads_to(B, "192.0.2.11"), 2);
}

/* Moves again before it has answered from where it was. */
static void moves_twice(void **state)
{
	start(true, true, IKE_NATT_AUTO);
	net.tap = deaf;
	move(NET_A, "192.0.2.11", true);
	net_run(&net, NET_S);
	move(NET_A, "192.0.2.12", true);
	net_run(&net, NET_S);
	net.tap = NULL;
	net_run(&net, 20 * NET_S);
	assert_int_equal(leads_to(B, "192.0.2.12"), 2);
	assert_int_equal(net_sas(B), 1);
	net_check_pairs(&net);
}

/* On a bad line, both ends rekeying meanwhile. */
static void lossy(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		net_end(&net);
		net_init(&net, seed);
		start(true, true, IKE_NATT_AUTO);
		net.loss = net.dup = 20;
		net.jitter = 100 * NET_MS;
		for (unsigned i = 0; i < 4; i++) {
			move(NET_A, i % 2 ? "192.0.2.1" : "192.0.2.11", true);
			ike_rekey_ipsec_sa(i % 2 ? A->ike : B->ike, NULL, net.now);
			net_run(&net, 40 * NET_S);
		}
		net.loss = net.dup = 0;
		net_run(&net, 60 * NET_S);
		assert_int_equal(leads_to(B, "192.0.2.1"), 2);
		assert_int_equal(net_sas(A), 1);
		net_check_pairs(&net);
	}
}

/* Packets from elsewhere alone move nothing (RFC 4555 3.8). */
static void no_implicit_move(void **state)
{
	struct endpoint from = {.a = wan("192.0.2.66"), .port = 4500};

	start(true, true, IKE_NATT_FORCE);
	for (unsigned i = 0; i < B->n_child; i++)
		if (B->child[i].used)
			ike_child_moved(B->ike, B->child[i].sa.spi_in, &from, net.now);
	net_run(&net, NET_S);
	assert_int_equal(leads_to(B, "192.0.2.66"), 0);
	assert_int_equal(net_counter(B, "peer_moved"), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, net_setup, net_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(initiator_moves), T(after_a_rekey_by_the_other), T(renewed_by_the_other),
		T(not_agreed),      T(address_is_proved_first),    T(moves_twice),
		T(lossy),           T(no_implicit_move),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
