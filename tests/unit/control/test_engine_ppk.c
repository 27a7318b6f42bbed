/* SPDX-License-Identifier: Apache-2.0 */
/* Postquantum preshared keys (RFC 8784) between two engines: right, wrong, missing; required or not. */
#include "net_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum ppk { NONE, ONE, OTHER_KEY, OTHER_ID };

static void give(struct ike_gw_conf *c, enum ppk what, bool required)
{
	if (what == NONE)
		return;
	snprintf(c->ppk_id, sizeof(c->ppk_id), "%s", what == OTHER_ID ? "ppk-2" : "ppk-1");
	memset(c->ppk, what == OTHER_KEY ? 0x55 : 0xaa, 32);
	c->ppk_len = 32;
	c->ppk_required = required;
}

static void again(void)
{
	net_end(&net);
	net_init(&net, 1);
}

static void start(enum ppk a, bool a_required, enum ppk b, bool b_required)
{
	for (int side = 1; side >= 0; side--) {
		struct ike_gw_conf c = net_conf(side, 2);

		give(&c, side ? b : a, side ? b_required : a_required);
		net_set(&net, side, &c);
	}
}

static void every_combination(void **state)
{
	static const struct {
		enum ppk a;
		bool a_required;
		enum ppk b;
		bool b_required;
		int with;         /* 1: up with it, 0: without, -1: not up */
		const char *said; /* by whoever finds it, in its reason */
	} t[] = {
		{ONE, true, ONE, true, 1, NULL},
		{ONE, false, ONE, true, 1, NULL},
		{ONE, true, ONE, false, 1, NULL},
		{ONE, false, ONE, false, 1, NULL},
		{ONE, false, NONE, false, 0, NULL},
		{NONE, false, ONE, false, 0, NULL},
		{ONE, false, OTHER_ID, false, 0, NULL},
		{ONE, true, NONE, false, -1, "peer does not announce PPKs"},
		{NONE, false, ONE, true, -1, "peer uses no PPK"},
		{ONE, true, OTHER_ID, false, -1, "peer's PPK is \"ppk-1\", configured is \"ppk-2\""},
		{ONE, false, OTHER_ID, true, -1, "peer's PPK is \"ppk-1\", configured is \"ppk-2\""},
		{ONE, true, OTHER_KEY, true, -1, "proves another pre-shared key"},
		{ONE, false, OTHER_KEY, false, -1,
		 "PPK \"ppk-1\" is another one than ours; all else is right"},
	};

	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		const struct ike_reason *r;
		bool up;

		again();
		start(t[i].a, t[i].a_required, t[i].b, t[i].b_required);
		up = net_until(&net, net_up, 5 * NET_S);
		if (up != (t[i].with >= 0))
			fail_msg("case %u: %s / %s", i, A->last_reason.text, B->last_reason.text);
		assert_int_equal(net_counter(A, "ppk"), t[i].with == 1);
		assert_int_equal(net_counter(B, "ppk"), t[i].with == 1);
		if (up) {
			net_check_pairs(&net);
			continue;
		}
		assert_int_equal(net_sas(A), 0);
		assert_int_equal(net_sas(B), 0);
		if (!t[i].said) {
			fail_msg("case %u does not say what it is refused for", i);
			continue;
		}
		r = strstr(B->last_reason.text, t[i].said) ? &B->last_reason : &A->last_reason;
		if (!strstr(r->text, t[i].said))
			fail_msg("case %u: %s / %s", i, A->last_reason.text, B->last_reason.text);
	}
}

/* The keys of Child SAs and of later IKE SAs have it in them: they agree, also after rekeys of both kinds. */
static void rekeys(void **state)
{
	start(ONE, true, ONE, true);
	assert_true(net_until(&net, net_up, 2 * NET_S));
	for (unsigned i = 0; i < 3; i++) {
		ike_rekey_ike_sa(i % 2 ? A->ike : B->ike, NULL, false, net.now);
		net_run(&net, 5 * NET_S);
		ike_rekey_ipsec_sa(i % 2 ? B->ike : A->ike, NULL, net.now);
		net_run(&net, 10 * NET_S);
		net_check_pairs(&net);
	}
	assert_int_equal(net_counter(A, "ike_rekey"), 3);
	assert_int_equal(net_counter(A, "ppk"), 1);
}

/* Somebody takes USE_PPK out of the answer, so that both do without: AUTH tells. */
static bool strip(struct net *n, struct net_packet *p, void *arg)
{
	static const uint8_t use_ppk[] = {0x00, 0x00, 0x40, 0x33};

	for (size_t i = 28; p->to == NET_A && p->data[18] == IKE_SA_INIT && i + 3 < p->len; i++)
		if (!memcmp(p->data + i, use_ppk, 4))
			p->data[i + 3] = 0x99;
	return true;
}

static void downgrade(void **state)
{
	net.tap = strip;
	start(ONE, false, ONE, false);
	assert_false(net_until(&net, net_up, 20 * NET_S));
	assert_int_equal(net_children(A), 0);
	assert_int_equal(net_counter(A, "ike_up"), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, net_setup, net_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {T(every_combination), T(rekeys), T(downgrade)};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
