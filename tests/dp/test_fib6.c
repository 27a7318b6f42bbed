/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv6 routes against a model that looks at all of them: what control says, and what workers find in either
 * copy, after thousands of changes; and that room is never lost by coming and going.
 */
#include "harness.h"

#include <errno.h>
#include <string.h>

#include <rte_common.h>
#include <rte_eal.h>

#include "fib_tree.h"

enum { MAX = 400, CHANGES = 6000, ROUNDS = 40 };

static struct {
	struct prefix p;
	uint16_t value;
} model[MAX];
static unsigned n_model;
static struct fib_copy copy[2];
static uint32_t seed = 20260107;

static uint32_t rnd(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(seed >> 8) * below >> 24);
}

/* Few different bits, so that prefixes lie inside each other, at all depths. */
static struct addr random_addr(void)
{
	static const uint8_t bytes[] = {0, 0x80, 0xff, 1};
	struct addr a = {.v = 6, .b = {0x20, 1, 0xd, 0xb8}};

	for (unsigned i = 4; i < 16; i++)
		a.b[i] = rnd(3) ? 0 : bytes[rnd(4)];
	return a;
}

static struct prefix random_prefix(void)
{
	static const uint8_t len[] = {0,  1,  16, 23, 24, 25, 31,  32,  33, 40,
				      48, 56, 63, 64, 65, 96, 120, 127, 128};

	return prefix_mask(
		(struct prefix){random_addr(), rnd(3) ? len[rnd(sizeof(len))] : (uint8_t)rnd(129)});
}

static unsigned model_find(const struct prefix *p)
{
	unsigned i = 0;

	while (i < n_model && !prefix_eq(&model[i].p, p))
		i++;
	return i;
}

static uint16_t model_match(const struct addr *a)
{
	uint16_t best = FIB_TREE_NOWHERE;
	int len = -1;

	for (unsigned i = 0; i < n_model; i++) {
		if (prefix_has(&model[i].p, a) && model[i].p.len > len) {
			best = model[i].value;
			len = model[i].p.len;
		}
	}
	return best;
}

static void change(void)
{
	struct prefix p = n_model && rnd(2) ? model[rnd(n_model)].p : random_prefix();
	unsigned i = model_find(&p);
	uint16_t value = (uint16_t)(1 + rnd(5)); /* few, so that many routes lead where their parent does */

	if (i < n_model && rnd(2)) {
		fib_tree_remove(&p);
		assert_int_equal(fib_copy_del(&copy[0], &p), 0);
		assert_int_equal(fib_copy_del(&copy[1], &p), 0);
		model[i] = model[--n_model];
		return;
	}
	if (i == MAX)
		return;
	assert_int_equal(fib_tree_set(&p, value), 0);
	assert_int_equal(fib_copy_add(&copy[0], &p, value), 0);
	assert_int_equal(fib_copy_add(&copy[1], &p, value), 0);
	model[i].p = p;
	model[i].value = value;
	n_model += i == n_model;
}

static void look(void)
{
	uint8_t ip[32][16];
	uint64_t found[2][32], value;
	struct prefix match;

	for (unsigned i = 0; i < 32; i++) {
		struct addr a = random_addr();

		if (n_model && rnd(2))
			a = model[rnd(n_model)].p.a;
		memcpy(ip[i], a.b, 16);
	}
	fib_copy_lookup6(&copy[0], ip, found[0], 32);
	fib_copy_lookup6(&copy[1], ip, found[1], 32);
	for (unsigned i = 0; i < 32; i++) {
		struct addr a = addr_v6(ip[i]);
		uint16_t want = model_match(&a);

		assert_int_equal(found[0][i], want);
		assert_int_equal(found[1][i], want);
		if (!fib_tree_match(&a, &match, &value))
			value = FIB_TREE_NOWHERE;
		assert_int_equal(value, want);
	}
}

static void against_model(void **state)
{
	for (unsigned i = 0; i < CHANGES; i++) {
		change();
		if (i % 4 == 0)
			look();
	}
}

/* A table full of host routes, each leading where its parent does, again and again. */
static void room_comes_back(void **state)
{
	struct prefix p = {.a = {.v = 6, .b = {0x20, 1, 0xd, 0xb8, 0xee}}, .len = 128}, net = p;
	unsigned most = 0;

	while (n_model) {
		struct prefix gone = model[--n_model].p;

		fib_tree_remove(&gone);
		assert_int_equal(fib_copy_del(&copy[0], &gone), 0);
		assert_int_equal(fib_copy_del(&copy[1], &gone), 0);
	}
	net.len = 40;
	assert_int_equal(fib_tree_set(&net, 7), 0);
	assert_int_equal(fib_copy_add(&copy[0], &net, 7), 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned n = 0;
		int rc;

		for (;; n++) {
			p.a.b[6] = (uint8_t)(n >> 8);
			p.a.b[7] = (uint8_t)n;
			rc = fib_tree_set(&p, 7);
			if (rc < 0)
				break;
			assert_int_equal(fib_copy_add(&copy[0], &p, 7), 0);
		}
		assert_int_equal(rc, -ENOSPC);
		assert_true(round == 0 || n == most);
		assert_in_range(n, 20, 65535);
		most = n;
		while (n-- > 0) {
			p.a.b[6] = (uint8_t)(n >> 8);
			p.a.b[7] = (uint8_t)n;
			fib_tree_remove(&p);
			assert_int_equal(fib_copy_del(&copy[0], &p), 0);
		}
	}
}

static int setup(void **state)
{
	const char *const argv[] = {"fib6",        "--no-huge",     "-m", "256", "--no-pci",
				    "--no-shconf", "--no-telemetry"};

	if (rte_eal_init((int)RTE_DIM(argv), (char **)(uintptr_t)argv) < 0)
		return -1;
	return fib_tree_init(MAX * 4, copy); /* room for the longest of all depths */
}

static int teardown(void **state)
{
	fib_tree_fini(copy);
	return rte_eal_cleanup();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_model),
		cmocka_unit_test(room_comes_back),
	};

	return cmocka_run_group_tests_name("fib6", tests, setup, teardown);
}
