/* SPDX-License-Identifier: Apache-2.0 */
/* Reauthentication, make before break (RFC 7296 2.8.3), between two engines under traffic. */
#include "engine_state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "child.h"
#include "dice.h"
#include "reason.h"

enum { CHILDREN = 3, LIFE_S = 400 };

static struct net net;
static struct net_host *const A = &net.host[NET_A], *const B = &net.host[NET_B];

static int setup(void **state)
{
	dice_seed(1);
	net_init(&net, 1);
	return 0;
}

static int teardown(void **state)
{
	net_end(&net);
	return 0;
}

/* every: the n-th rekey of A, of B, authenticates anew; 0: it leaves that to the other. */
static void up(unsigned every_a, unsigned every_b)
{
	struct ike_gw_conf a = net_conf(NET_A, CHILDREN), b = net_conf(NET_B, CHILDREN);

	a.lifetime_s = every_a ? LIFE_S : 28800;
	b.lifetime_s = every_b ? LIFE_S : 28800;
	a.reauth_every = (uint8_t)every_a;
	b.reauth_every = (uint8_t)every_b;
	for (unsigned i = 0; i < CHILDREN; i++)
		a.children[i].lifetime_s = b.children[i].lifetime_s = 180;
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	assert_true(net_until(&net, net_up, 60 * NET_S));
	net_run(&net, 5 * NET_S);
}

static bool at_rest(struct net *n)
{
	return !n->queue && !engine_unrest(A, 1, CHILDREN) && !engine_unrest(B, 1, CHILDREN);
}

static void rest(void)
{
	net.loss = net.dup = 0;
	if (!net_until(&net, at_rest, 400 * NET_S))
		fail_msg("no rest: A %s, B %s", engine_unrest(A, 1, CHILDREN), engine_unrest(B, 1, CHILDREN));
	net_check_pairs(&net);
}

/* Nothing fell, nothing was lost, nobody took anybody for restarted. */
static void nobody_fell(void)
{
	assert_int_equal(net.probes_lost + net.probes_no_child, 0);
	assert_true(net.probes_ok > 0);
	for (int i = 0; i < 2; i++) {
		if (net.host[i].unasked_downs)
			fail_msg("%c: down: %s", 'A' + i, net.host[i].last_reason.text);
		assert_int_equal(net_counter(&net.host[i], "initial_contact"), 0);
		assert_int_equal(net.host[i].events[IKE_EV_IKE_FAIL], 0);
		assert_int_equal(net.host[i].events[IKE_EV_CHILD_FAIL], 0);
	}
}

static uint64_t both(const char *counter)
{
	return net_counter(A, counter) + net_counter(B, counter);
}

/* ---- it works ---------------------------------------------------------------------------------------------- */

/* A, then B, then both: a day of it, and the data plane has something to send on all the time.  Packets go slower
 * than IKE messages as often as not. */
static void a_day(void **state)
{
	static const unsigned every[][2] = {{1, 0}, {0, 1}, {1, 1}, {2, 3}};

	for (unsigned i = 0; i < 4; i++) {
		net_end(&net);
		dice_seed(i + 1);
		net_init(&net, i + 1);
		net.latency = 40 * NET_MS;
		net.jitter = 60 * NET_MS;
		up(every[i][0], every[i][1]);
		net_probe(&net, CHILDREN, 20 * NET_MS);
		net_run(&net, 86400 / 8 * NET_S);
		net_probe(&net, 0, 0);
		rest();
		nobody_fell();
		printf("# every %u, %u: %lu reauthentications, %lu rekeys, %lu duplicates; %lu packets\n",
		       every[i][0], every[i][1], (unsigned long)both("reauth_done"),
		       (unsigned long)net_counter(A, "ike_rekey"), (unsigned long)both("duplicate_closed"),
		       (unsigned long)net.probes_ok);
		if (i < 3) {
			assert_in_range(both("reauth_done"), 86400 / 8 / LIFE_S, 2 * 86400 / 8 / LIFE_S);
			assert_int_equal(net_counter(A, "ike_rekey"), 0);
		} else {
			assert_in_range(net_counter(A, "ike_rekey"), 12, 24);
			assert_in_range(both("reauth_done"), 12, 18);
		}
	}
}

/* On a path that loses and doubles, too. */
static void on_a_bad_path(void **state)
{
	for (unsigned seed = 1; seed <= 4; seed++) {
		net_end(&net);
		dice_seed(seed);
		net_init(&net, seed);
		net.latency = 300 * NET_MS;
		net.jitter = 400 * NET_MS;
		up(1, 1);
		net.loss = net.dup = 10;
		net_probe(&net, CHILDREN, 50 * NET_MS);
		net_run(&net, 86400 / 8 * NET_S);
		net_probe(&net, 0, 0);
		rest();
		nobody_fell();
		assert_true(both("reauth_done") >= 86400 / 8 / LIFE_S);
	}
}

/* The peer rekeys before we ever come to it: its rekeys count. */
static void peers_rekeys_count(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);

	a.lifetime_s = 28800;
	a.reauth_every = 3;
	b.lifetime_s = LIFE_S;
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	net_run(&net, 3 * LIFE_S * NET_S);
	assert_int_equal(net_counter(B, "ike_rekey"), 3);
	assert_int_equal(net_counter(A, "reauth_done"), 1);
	assert_int_equal(net_sas_all(A), 1);
}

/* A gateway that is not to start anything rekeys instead; so does one that does not know where its peer is. */
static void passive_rekeys_instead(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);

	b.lifetime_s = LIFE_S;
	b.reauth_every = 1;
	b.passive = true;
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	net_run(&net, 2 * LIFE_S * NET_S);
	assert_int_equal(net_counter(B, "reauth"), 0);
	assert_int_equal(net_counter(B, "ike_rekey"), 2);
	assert_int_equal(ike_rekey_ike_sa(B->ike, "GW-B", true, net.now), -EPERM);
	assert_int_equal(ike_rekey_ike_sa(B->ike, NULL, true, net.now), 0);
	assert_int_equal(ike_rekey_ike_sa(B->ike, NULL, false, net.now), 1);
	net_run(&net, NET_S);
	assert_int_equal(net_counter(B, "ike_rekey"), 3);
}

/* ---- it does not -------------------------------------------------------------------------------------------- */

static unsigned refuse_exchange;

/* Loses what is not on the first IKE SA. */
static bool only_old(struct net *n, struct net_packet *p, void *arg)
{
	return p->data[18] != refuse_exchange;
}

/* New IKE SAs do not get through: the old one carries on to its end, and then there is none. */
static void new_one_does_not_come_up(void **state)
{
	for (refuse_exchange = IKE_SA_INIT; refuse_exchange <= IKE_AUTH; refuse_exchange++) {
		uint64_t end;

		net_end(&net);
		net_init(&net, 1);
		up(1, 0);
		end = sa_current(A->ike->gws)->expires;
		net.tap = only_old;
		net_probe(&net, CHILDREN, 20 * NET_MS);
		net_run(&net, end - net.now - NET_S);
		assert_true(net_counter(A, "reauth") >= 1);
		assert_true(A->events[IKE_EV_IKE_FAIL] >= 1);
		assert_int_equal(net.probes_lost + net.probes_no_child, 0);
		assert_int_equal(net_active(A), CHILDREN);
		net_probe(&net, 0, 0);
		net_run(&net, 2 * NET_S);
		assert_int_equal(net_active(A), 0);
		assert_int_equal(A->last_reason.cause, IKE_CAUSE_EXPIRED);
		net.tap = NULL;
		assert_true(net_until(&net, net_up, 130 * NET_S));
		rest();
	}
}

/* The new one fails now and then, and a later attempt is in time. */
static void tried_again(void **state)
{
	up(1, 0);
	refuse_exchange = IKE_SA_INIT;
	net.tap = only_old;
	net_probe(&net, CHILDREN, 20 * NET_MS);
	while (!A->events[IKE_EV_IKE_FAIL])
		net_run(&net, NET_S);
	net.tap = NULL;
	net_run(&net, 40 * NET_S);
	assert_int_equal(net_counter(A, "reauth_done"), 1);
	net_probe(&net, 0, 0);
	rest();
	assert_int_equal(net.probes_lost + net.probes_no_child + A->unasked_downs + B->unasked_downs, 0);
}

/* One proxy-ID is refused on the new SA: it stays on the old one as long as that lives, and moves as soon as it
 * may. */
static void one_child_is_refused(void **state)
{
	up(1, 0);
	net_probe(&net, CHILDREN, 20 * NET_MS);
	B->refuse_install = true;
	assert_int_equal(ike_rekey_ike_sa(A->ike, NULL, true, net.now), 1);
	net_run(&net, 10 * NET_S);
	assert_true(A->events[IKE_EV_CHILD_FAIL] >= CHILDREN);
	assert_int_equal(net_sas(A), 2);
	B->refuse_install = false;
	net_run(&net, LIFE_S * NET_S);
	assert_true(net_counter(A, "reauth_done") >= 1);
	net_probe(&net, 0, 0);
	rest();
	assert_int_equal(net.probes_lost + net.probes_no_child + A->unasked_downs + B->unasked_downs, 0);
}

/* The peer dies in the middle: both SAs go, and it comes back as after any death. */
static void peer_dies(void **state)
{
	for (unsigned ms = 0; ms < 120; ms += 10) {
		net_end(&net);
		dice_seed(ms);
		net_init(&net, 1);
		up(1, 0);
		ike_rekey_ike_sa(A->ike, NULL, true, net.now);
		net_run(&net, ms * NET_MS);
		B->dead = true;
		net_run(&net, 60 * NET_S);
		assert_int_equal(net_sas(A) + net_children(A), 0);
		assert_true(A->events[IKE_EV_PEER_DEAD] >= 1);
		B->dead = false;
		assert_true(net_until(&net, net_up, 130 * NET_S));
		rest();
	}
}

/* ---- the peer's way ------------------------------------------------------------------------------------------- */

/* A peer that breaks before it makes: gone, and there again at once, at whatever moment ours begins. */
static void peer_breaks_before_it_makes(void **state)
{
	up(0, 0);
	for (unsigned i = 0; i < 20; i++) {
		uint32_t serial = sa_current(A->ike->gws)->serial;

		if (i % 2)
			ike_rekey_ike_sa(A->ike, NULL, true, net.now);
		net_run(&net, i * 5 * NET_MS);
		ike_clear_ike_sa(B->ike, NULL, net.now);
		ike_test_ipsec_sa(B->ike, NULL, net.now, NULL);
		assert_true(net_until(&net, net_up, 10 * NET_S));
		rest();
		assert_true(sa_current(A->ike->gws)->serial > serial);
	}
}

/* It closes the old IKE SA as soon as the new one is up, with proxy-IDs still on it: they come back on the new one
 * without waiting for anything. */
static void peer_closes_early(void **state)
{
	struct ike_sa *old;
	struct ike_reason r;

	up(1, 0);
	ike_rekey_ike_sa(A->ike, NULL, true, net.now);
	net_run(&net, 45 * NET_MS); /* INIT and AUTH are through */
	assert_int_equal(net_sas(A), 2);
	old = B->ike->gws->sas;
	B->ike->now = net.now;
	reason_set(&r, net.now, IKE_CAUSE_REPLACED, IKE_INITIATOR, INFORMATIONAL, "uniqueness");
	sa_close(old, &r, TASK_IKE_DELETE);
	sa_reap(B->ike);
	net_run(&net, 200 * NET_MS);
	assert_true(net_up(&net));
	rest();
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(a_day),
		T(on_a_bad_path),
		T(peers_rekeys_count),
		T(passive_rekeys_instead),
		T(new_one_does_not_come_up),
		T(tried_again),
		T(one_child_is_refused),
		T(peer_dies),
		T(peer_breaks_before_it_makes),
		T(peer_closes_early),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
