/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges that cross (RFC 7296 2.8, 2.25), in every interleaving: see explore.h.
 *
 * CULVERT_EXPLORE="losses copies timers together seeds" looks further, e.g. "2 2 2 3 8".
 */
#include "explore.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "child.h"

/* ---- what an end may be told to do ----------------------------------------------------------------------- */

static uint32_t spi_of(struct net_host *h, uint32_t policy)
{
	for (unsigned i = 0; i < h->n_child; i++)
		if (h->child[i].used && h->child[i].active && h->child[i].policy == policy)
			return h->child[i].sa.spi_in;
	return 0;
}

static void rekey_child(struct net_host *h)
{
	ike_child_expire(h->ike, spi_of(h, 1), false, h->net->now);
}

static void rekey_second(struct net_host *h)
{
	ike_child_expire(h->ike, spi_of(h, 2), false, h->net->now);
}

static void delete_child(struct net_host *h)
{
	ike_clear_ipsec_sa(h->ike, "TUN:P0", h->net->now);
}

static void delete_ike(struct net_host *h)
{
	ike_clear_ike_sa(h->ike, NULL, h->net->now);
}

static void rekey_ike(struct net_host *h)
{
	struct ike_sa *sa = sa_current(h->ike->gws);

	h->ike->now = h->net->now;
	if (sa)
		sa_on_rekey(h->ike, sa);
	sa_reap(h->ike);
}

static void reauth(struct net_host *h)
{
	ike_rekey_ike_sa(h->ike, NULL, true, h->net->now);
}

static void acquire(struct net_host *h)
{
	ike_acquire(h->ike, 1, h->net->now);
}

static void acquire_second(struct net_host *h)
{
	ike_acquire(h->ike, 2, h->net->now);
}

/* ---- scenarios ------------------------------------------------------------------------------------------------- */

static const struct explore_scenario scenarios[] = {
	{"child rekey x child rekey", .children = 1, .act = {{NET_A, rekey_child}, {NET_B, rekey_child}},
	 .reach = {"collision"}},
	{"child rekey x child delete", .children = 1, .outage = true,
	 .act = {{NET_A, rekey_child}, {NET_B, delete_child}},
	 .reach = {"temporary_failure", "child_not_found"}},
	{"child delete x child rekey", .children = 1, .outage = true,
	 .act = {{NET_A, delete_child}, {NET_B, rekey_child}},
	 .reach = {"temporary_failure", "child_not_found"}},
	{"child rekey x IKE rekey", .children = 1, .act = {{NET_A, rekey_child}, {NET_B, rekey_ike}},
	 .reach = {"temporary_failure"}},
	{"IKE rekey x child rekey", .children = 1, .act = {{NET_A, rekey_ike}, {NET_B, rekey_child}},
	 .reach = {"temporary_failure"}},
	{"IKE rekey x IKE rekey", .children = 1, .act = {{NET_A, rekey_ike}, {NET_B, rekey_ike}},
	 .reach = {"collision"}},
	{"IKE rekey x IKE delete", .children = 1, .outage = true,
	 .act = {{NET_A, rekey_ike}, {NET_B, delete_ike}}},
	{"IKE delete x IKE rekey", .children = 1, .outage = true,
	 .act = {{NET_A, delete_ike}, {NET_B, rekey_ike}}},
	{"child delete x child delete", .children = 1, .outage = true,
	 .act = {{NET_A, delete_child}, {NET_B, delete_child}}},
	{"IKE delete x IKE delete", .children = 1, .outage = true,
	 .act = {{NET_A, delete_ike}, {NET_B, delete_ike}}},
	{"new child x IKE rekey", .children = 2, .waiting = 1,
	 .act = {{NET_A, acquire_second}, {NET_B, rekey_ike}}, .reach = {"temporary_failure"}},
	{"IKE rekey x new child", .children = 2, .waiting = 1,
	 .act = {{NET_A, rekey_ike}, {NET_B, acquire_second}}, .reach = {"temporary_failure"}},
	{"new child x new child", .children = 2, .waiting = 1,
	 .act = {{NET_A, acquire_second}, {NET_B, acquire_second}}, .reach = {"collision"}},
	{"both start at once", .children = 1, .waiting = 1, .act = {{NET_A, acquire}, {NET_B, acquire}},
	 .reach = {"duplicate_closed"}},
	{"IKE rekey x rekeys of two children", .children = 2, .spare = 1,
	 .act = {{NET_A, rekey_ike}, {NET_A, rekey_child}, {NET_B, rekey_second}},
	 .reach = {"temporary_failure"}},
	{"reauth x reauth", .children = 1, .act = {{NET_A, reauth}, {NET_B, reauth}},
	 .reach = {"reauth_done", "duplicate_closed"}},
	{"reauth of two children x reauth", .children = 2, .spare = 1,
	 .act = {{NET_A, reauth}, {NET_B, reauth}}, .reach = {"reauth_done", "duplicate_closed"}},
	{"reauth x IKE rekey", .children = 1, .act = {{NET_A, reauth}, {NET_B, rekey_ike}},
	 .reach = {"reauth_done", "ike_rekey"}},
	{"IKE rekey x reauth", .children = 1, .spare = 1, .act = {{NET_A, rekey_ike}, {NET_B, reauth}},
	 .reach = {"reauth_done", "ike_rekey"}},
	{"reauth x child rekey", .children = 1, .spare = 1, .act = {{NET_A, reauth}, {NET_B, rekey_child}},
	 .reach = {"reauth_done", "child_rekey"}},
	{"reauth x new child", .children = 2, .waiting = 1, .spare = 1,
	 .act = {{NET_A, reauth}, {NET_B, acquire_second}}, .reach = {"reauth_done"}},
	{"reauth x IKE delete", .children = 1, .outage = true, .act = {{NET_A, reauth}, {NET_B, delete_ike}},
	 .reach = {"reauth_done"}},
	{"reauth x child delete", .children = 1, .outage = true,
	 .act = {{NET_A, reauth}, {NET_B, delete_child}}, .reach = {"reauth_done"}},
};

static struct explore_limits limits = {1, 1, 1, 1};
static unsigned seeds = 1;

static void scenario(void **state)
{
	const struct explore_scenario *s = *state;
	uint64_t reached[EXPLORE_COUNTERS] = {0};

	for (unsigned seed = 1; seed <= seeds; seed++) {
		struct explore_result r;

		explore(s, &limits, seed, &r);
		printf("# %s, seed %u: %lu runs, %lu interleavings to the end, %lu states, %u decisions deep\n",
		       s->name, seed, (unsigned long)r.runs, (unsigned long)r.ends, (unsigned long)r.states,
		       r.deepest);
		for (unsigned c = 0; c < EXPLORE_COUNTERS; c++)
			reached[c] += r.reached[c];
	}
	for (unsigned c = 0; c < EXPLORE_COUNTERS && s->reach[c]; c++) {
		printf("# %s: %s in %lu\n", s->name, s->reach[c], (unsigned long)reached[c]);
		assert_true(reached[c]);
	}
}

int main(int argc, char **argv)
{
	enum { N = sizeof(scenarios) / sizeof(scenarios[0]) };
	const char *deeper = getenv("CULVERT_EXPLORE");
	struct CMUnitTest tests[N];

	if (deeper && sscanf(deeper, "%u %u %u %u %u", &limits.losses, &limits.copies, &limits.timers,
			     &limits.all, &seeds) != 5) {
		fprintf(stderr, "CULVERT_EXPLORE=\"losses copies timers together seeds\"\n");
		return 1;
	}
	for (unsigned i = 0; i < N; i++)
		tests[i] = (struct CMUnitTest){.name = scenarios[i].name,
					       .test_func = scenario,
					       .initial_state = (void *)(uintptr_t)&scenarios[i]};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
