/* SPDX-License-Identifier: Apache-2.0 */
/* An operator asks for what is being negotiated already, and for what was cleared before it came up. */
#include "net_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "msg.h"

/* What does not get to B: the requests of one exchange. */
struct lossy {
	uint8_t exchange;
	unsigned lost;
	uint64_t last; /* SPIi of the last one lost */
	uint64_t only; /* of the IKE SA with this SPIi; 0: of any */
};

static bool lossy(struct net *n, struct net_packet *p, void *arg)
{
	struct lossy *l = arg;
	struct ike_hdr h;

	if (p->to != NET_B || p->esp || msg_parse_header(p->data, p->len, &h) || h.exchange != l->exchange ||
	    (l->only && h.spi_i != l->only))
		return true;
	l->lost++;
	l->last = h.spi_i;
	return false;
}

/* Nothing starts by itself: A begins when it is told to, B never. */
static void idle(unsigned children, struct lossy *l)
{
	struct ike_gw_conf a = net_conf(NET_A, children), b = net_conf(NET_B, children);

	for (unsigned i = 0; i < children; i++)
		a.children[i].start = false;
	b.passive = true;
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	net.tap = lossy;
	net.tap_arg = l;
}

static int test_ipsec(const char *tunnel, unsigned *again)
{
	return ike_test_ipsec_sa(A->ike, tunnel, net.now, again);
}

/* Repeated often, so that the next repetition would be long in coming: the operator's goes out now. */
static void sent_again_at_once(void **state)
{
	static const uint8_t exchanges[] = {IKE_SA_INIT, IKE_AUTH};

	for (size_t i = 0; i < sizeof(exchanges); i++) {
		struct lossy l = {.exchange = exchanges[i]};
		unsigned again;

		if (i) {
			net_teardown(state);
			net_setup(state);
		}
		idle(1, &l);
		assert_int_equal(test_ipsec("TUN", &again), 1);
		assert_int_equal(again, 0);
		net_run(&net, 20 * NET_S);
		net.tap = NULL;
		assert_int_equal(net_sas(A), 0);
		assert_int_equal(test_ipsec("TUN", NULL), 0);
		assert_int_equal(test_ipsec("TUN", &again), 0);
		assert_int_equal(again, 1);
		net_run(&net, NET_S);
		assert_true(net_up(&net));
		net_check_pairs(&net);
		assert_int_equal(A->events[IKE_EV_IKE_START], 1);
		assert_int_equal(test_ipsec("TUN", &again), 0);
		assert_int_equal(again, 0);
	}
}

/* The first answer may still be on its way, and many proxy-IDs may wait for one request. */
static void not_too_often(void **state)
{
	struct lossy l = {.exchange = IKE_SA_INIT};
	unsigned again;

	idle(5, &l);
	assert_int_equal(ike_test_ike_sa(A->ike, "GW-A", net.now, &again), 1);
	assert_int_equal(again, 0);
	net_run(&net, NET_S / 2);
	assert_int_equal(ike_test_ike_sa(A->ike, "GW-A", net.now, &again), 0);
	assert_int_equal(again, 0);
	net_run(&net, 5 * NET_S);
	l.lost = 0;
	test_ipsec(NULL, &again);
	assert_int_equal(again, 1);
	net_run(&net, NET_S / 10);
	assert_int_equal(l.lost, 1);
	assert_int_equal(ike_test_ike_sa(A->ike, NULL, net.now, &again), 0);
	assert_int_equal(again, 1);
	net.tap = NULL;
	assert_true(net_until(&net, net_up, 20 * NET_S));
	net_check_pairs(&net);
}

static bool failed(struct net *n)
{
	return n->host[NET_A].events[IKE_EV_IKE_FAIL];
}

/* The peer has forgotten what the request belongs to: a fresh attempt at once, but no third one. */
static void fresh_attempt_once(void **state)
{
	struct lossy l = {.exchange = IKE_AUTH};
	unsigned again;

	idle(1, &l);
	test_ipsec("TUN", &again);
	net_run(&net, 35 * NET_S);
	assert_int_equal(test_ipsec("TUN", &again), 0);
	assert_int_equal(again, 1);
	assert_true(net_until(&net, failed, 20 * NET_S));
	net_run(&net, NET_S / 10);
	assert_int_equal(A->events[IKE_EV_IKE_START], 2);
	net_run(&net, 600 * NET_S);
	assert_int_equal(A->events[IKE_EV_IKE_START], 2);
	assert_int_equal(A->events[IKE_EV_IKE_FAIL], 2);
	assert_int_equal(net_sas_all(A), 0);
}

/* Nobody asked a second time: nothing begins anew. */
static void no_interest_no_attempt(void **state)
{
	struct lossy l = {.exchange = IKE_AUTH};

	idle(1, &l);
	test_ipsec("TUN", NULL);
	net_run(&net, 35 * NET_S);
	assert_int_equal(test_ipsec("TUN", NULL), 0);
	net_run(&net, 600 * NET_S);
	assert_int_equal(A->events[IKE_EV_IKE_START], 1);
}

/* A further Child SA of an IKE SA that is up waits in the same way. */
static void further_child(void **state)
{
	struct lossy l = {.exchange = CREATE_CHILD_SA};
	unsigned again;

	idle(2, &l);
	test_ipsec("TUN:P0", &again);
	net_run(&net, NET_S);
	assert_int_equal(net_active(A), 1);
	assert_int_equal(test_ipsec("TUN:P1", &again), 1);
	net_run(&net, 10 * NET_S);
	assert_int_equal(net_active(A), 1);
	net.tap = NULL;
	assert_int_equal(test_ipsec("TUN:P1", &again), 0);
	assert_int_equal(again, 1);
	net_run(&net, NET_S);
	assert_int_equal(net_active(A), 2);
	net_check_pairs(&net);
}

static bool state_is_auth_sent(void *arg, const struct ike_sa_info *i)
{
	*(bool *)arg = !strcmp(i->state, "Auth sent");
	return !*(bool *)arg;
}

static bool auth_sent(struct net *n)
{
	bool yes = false;

	ike_each_sa(n->host[NET_A].ike, state_is_auth_sent, &yes);
	return yes;
}

/* Cleared while only the peer knows whether it has the SA: it is not waited for.  The peer has it already, or it
 * never gets the first attempt's IKE_AUTH: that must not come behind the fresh one's. */
static void cleared_is_not_on_its_way(void **state)
{
	for (int lost = 0; lost < 2; lost++) {
		struct lossy l = {.exchange = IKE_AUTH};
		unsigned again;

		if (lost) {
			net_teardown(state);
			net_setup(state);
		}
		idle(2, &l);
		if (!lost)
			net.tap = NULL;
		test_ipsec("TUN", &again);
		assert_true(net_until(&net, auth_sent, 2 * NET_S));
		if (lost)
			net_run(&net, 2 * NET_S);
		assert_int_equal(ike_clear_ike_sa(A->ike, "GW-A", net.now), 1);
		assert_int_equal(test_ipsec("TUN", &again), 2);
		assert_int_equal(again, 0);
		assert_int_equal(A->events[IKE_EV_IKE_START], 2);
		l = (struct lossy){.exchange = IKE_AUTH, .only = l.last};
		net_run(&net, NET_S);
		assert_int_equal(net_active(A), 2);
		/* And the first one goes without a trace. */
		net_run(&net, 60 * NET_S);
		assert_int_equal(l.lost, 0);
		assert_int_equal(net_sas_all(A), 1);
		assert_int_equal(net_sas_all(B), 1);
		assert_true(net_up(&net));
		net_check_pairs(&net);
		assert_int_equal(A->events[IKE_EV_IKE_START], 2);
		assert_int_equal(A->events[IKE_EV_IKE_FAIL], 1);
	}
}

/* test vpn ike-sa does the same. */
static void cleared_gateway(void **state)
{
	struct lossy l = {.exchange = IKE_AUTH};
	unsigned again;

	idle(1, &l);
	test_ipsec("TUN", &again);
	net_run(&net, 2 * NET_S);
	assert_int_equal(ike_clear_ike_sa(A->ike, NULL, net.now), 1);
	net.tap = NULL;
	assert_int_equal(ike_test_ike_sa(A->ike, "GW-A", net.now, &again), 1);
	net_run(&net, NET_S);
	assert_true(net_up(&net));
	net_run(&net, 60 * NET_S);
	assert_int_equal(net_sas_all(A) + net_sas_all(B), 2);
	net_check_pairs(&net);
}

#define T(f) cmocka_unit_test_setup_teardown(f, net_setup, net_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {T(sent_again_at_once), T(not_too_often),
					   T(fresh_attempt_once), T(no_interest_no_attempt),
					   T(further_child),      T(cleared_is_not_on_its_way),
					   T(cleared_gateway)};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
