/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Years of rekeying in virtual time, on a path that loses, doubles and reorders.
 *
 * CULVERT_SOAK=N makes it N times as long, CULVERT_SOAK_SEED=N another run: the engines draw their random
 * numbers from the test, so that what happened once can be looked at again.
 */
#include "engine_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dice.h"
#include "heap.h"

enum { CHILDREN = 3, DAY_S = 86400 };

static struct net net;
static struct net_host *const A = &net.host[NET_A], *const B = &net.host[NET_B];

static int setup(void **state)
{
	const char *seed = getenv("CULVERT_SOAK_SEED");

	dice_seed(seed ? strtoull(seed, NULL, 10) : 1);
	net_init(&net, 7);
	return 0;
}

static int teardown(void **state)
{
	net_end(&net);
	return 0;
}

static unsigned long_as(void)
{
	const char *s = getenv("CULVERT_SOAK");

	return s ? (unsigned)strtoul(s, NULL, 10) : 1;
}

static bool at_rest(struct net *n)
{
	return !n->queue && !engine_unrest(A, 1, CHILDREN) && !engine_unrest(B, 1, CHILDREN);
}

struct path {
	unsigned loss, dup; /* per cent */
	uint64_t latency, jitter;
};

static void use(const struct path *p)
{
	net.loss = p->loss;
	net.dup = p->dup;
	net.latency = p->latency;
	net.jitter = p->jitter;
}

static void rest(void)
{
	static const struct path good = {.latency = 10 * NET_MS};

	use(&good);
	if (!net_until(&net, at_rest, 400 * NET_S))
		fail_msg("no rest: A %s, B %s", engine_unrest(A, 1, CHILDREN), engine_unrest(B, 1, CHILDREN));
	net_check_pairs(&net);
}

static void up(uint32_t ike_s, uint32_t child_s)
{
	struct ike_gw_conf a = net_conf(NET_A, CHILDREN), b = net_conf(NET_B, CHILDREN);

	a.lifetime_s = b.lifetime_s = ike_s;
	for (unsigned i = 0; i < CHILDREN; i++)
		a.children[i].lifetime_s = b.children[i].lifetime_s = child_s;
	/* PFS on one of them. */
	a.children[1].esp.dh[0] = b.children[1].esp.dh[0] = DH_CURVE25519;
	a.children[1].esp.n_dh = b.children[1].esp.n_dh = 1;
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	rest();
}

/* So many days on this path, a packet each way on each proxy-ID every so often. */
static void days(unsigned n, const struct path *p, uint64_t probe_every)
{
	size_t heap = 0;

	for (unsigned day = 0; day < n; day++) {
		use(p);
		net_probe(&net, CHILDREN, probe_every);
		net_run(&net, DAY_S * NET_S);
		net_probe(&net, 0, 0);
		if (day % 10)
			continue;
		rest();
		if (!heap)
			heap = heap_used();
		/* The same SAs take the same room, but for a table's growth and the allocator's crumbs: a byte
		 * left behind by each rekey would be more. */
		if (heap_used() > heap + 16384)
			fail_msg("day %u: %zu bytes in use, %zu at first", day, heap_used(), heap);
	}
	rest();
}

static void tell(const char *what)
{
	printf("# %s: %.0f days; %lu IKE SA rekeys, %lu Child SA rekeys, %lu collisions; of %lu packets %lu lost\n",
	       what, (double)net.now / 1e9 / DAY_S, (unsigned long)net_counter(A, "ike_rekey"),
	       (unsigned long)net_counter(A, "child_rekey"),
	       (unsigned long)(net_counter(A, "collision") + net_counter(B, "collision")),
	       (unsigned long)(net.probes_ok + net.probes_lost), (unsigned long)net.probes_lost);
}

static void nobody_fell(void)
{
	assert_int_equal(A->events[IKE_EV_PEER_DEAD] + B->events[IKE_EV_PEER_DEAD], 0);
	assert_int_equal(A->events[IKE_EV_IKE_FAIL] + B->events[IKE_EV_IKE_FAIL], 0);
	assert_int_equal(A->events[IKE_EV_CHILD_FAIL] + B->events[IKE_EV_CHILD_FAIL], 0);
	for (int i = 0; i < 2; i++)
		if (net.host[i].unasked_downs)
			fail_msg("%c: down: %s", 'A' + i, net.host[i].last_reason.text);
	assert_int_equal(net.probes_lost + net.probes_no_child, 0);
}

/* A year as most are configured. */
static void usual_lifetimes(void **state)
{
	static const struct path path = {5, 5, 40 * NET_MS, 60 * NET_MS};

	A->traffic = B->traffic = true;
	up(28800, 3600);
	days(365 * long_as(), &path, 300 * NET_S);
	tell("8 h and 1 h, 5 % lost, 5 % doubled");
	assert_true(net_counter(A, "ike_rekey") > 1000 && net_counter(A, "child_rekey") > 3 * 8000);
	nobody_fell();
}

/* As short as can be, and a path on which whatever can cross does. */
static void short_lifetimes(void **state)
{
	static const struct path path = {10, 10, 700 * NET_MS, 700 * NET_MS};

	A->traffic = B->traffic = true;
	up(400, 180);
	days(15 * long_as(), &path, 10 * NET_S);
	tell("400 s and 180 s, 10 % lost, 10 % doubled, 0.7-1.4 s away");
	assert_true(net_counter(A, "ike_rekey") > 3000 && net_counter(A, "child_rekey") > 3 * 6000);
	nobody_fell();
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(usual_lifetimes),
		T(short_lifetimes),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
