/* SPDX-License-Identifier: Apache-2.0 */
/* Additional key exchanges (RFC 9370): IKE_INTERMEDIATE (RFC 9242) and IKE_FOLLOWUP_KE, between two engines. */
#include "net_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Methods by name of the test: classic groups are legal additional key exchanges, and every OpenSSL has them. */
static void ake(struct ike_algs *a, const uint16_t *methods, unsigned n)
{
	a->n_ake = (uint8_t)n;
	for (unsigned i = 0; i < n; i++) {
		a->n_ake_algs[i] = 1;
		a->ake[i][0] = methods[i];
	}
}

static const uint16_t seven[] = {DH_ECP256,   DH_ECP384,   DH_ECP521,  DH_CURVE448,
				 DH_MODP2048, DH_MODP3072, DH_MODP4096};

static void both(unsigned n)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);

	ake(&a.ike, seven, n);
	ake(&b.ike, seven, n);
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
}

static void again(void)
{
	net_end(&net);
	net_init(&net, 1);
}

struct suite_seen {
	struct suite_choice suite;
	unsigned n;
};

static bool take_suite(void *arg, const struct ike_sa_info *i)
{
	struct suite_seen *s = arg;

	s->suite = i->suite;
	s->n++;
	return true;
}

static void ike_has(struct net_host *h, unsigned n)
{
	struct suite_seen s = {.n = 0};

	ike_each_sa(h->ike, take_suite, &s);
	assert_int_equal(s.n, 1);
	for (unsigned i = 0; i < IKE_AKE_MAX; i++)
		assert_int_equal(s.suite.ake[i], i < n ? seven[i] : 0);
}

static void one_to_seven(void **state)
{
	for (unsigned n = 1; n <= IKE_AKE_MAX; n++) {
		again();
		both(n);
		if (!net_until(&net, net_up, 2 * NET_S))
			fail_msg("%u additional key exchanges: %s", n, B->last_reason.text);
		net_check_pairs(&net);
		ike_has(A, n);
		ike_has(B, n);
		assert_int_equal(net_counter(A, "intermediate"), n);
		assert_int_equal(net_counter(B, "intermediate"), n);
	}
}

/* Lost, doubled and late messages are no different in between. */
static void lossy(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		net_end(&net);
		net_init(&net, seed);
		net.loss = 25;
		net.dup = 25;
		net.jitter = 400 * NET_MS;
		both(3);
		if (!net_until(&net, net_up, 300 * NET_S))
			fail_msg("seed %u: %s", (unsigned)seed, A->last_reason.text);
		net.loss = net.dup = 0;
		net_check_pairs(&net);
	}
}

/* A method of which the other end has none, one that may be left out, one that only one end wants. */
static void agreement(void **state)
{
	static const struct {
		uint16_t a[3], b[3]; /* of additional key exchange 1; ends with 0xffff */
		int want;            /* -1: no agreement */
	} t[] = {
		{{19, 0xffff}, {20, 0xffff}, -1},
		{{19, 20, 0xffff}, {20, 0xffff}, 20},
		{{19, 20, 0xffff}, {20, 19, 0xffff}, 20}, /* the responder's order counts */
		{{19, 0, 0xffff}, {0xffff}, 0},
		{{19, 0xffff}, {0xffff}, -1},
		{{0xffff}, {19, 0, 0xffff}, 0},
		{{0xffff}, {19, 0xffff}, -1},
		{{19, 0, 0xffff}, {20, 0, 0xffff}, 0},
		{{31, 0xffff}, {31, 0xffff}, -1}, /* that of IKE_SA_INIT may not serve again */
	};

	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct ike_gw_conf c[2] = {net_conf(NET_A, 1), net_conf(NET_B, 1)};
		struct suite_seen s = {.n = 0};
		bool up;

		again();
		for (int side = 1; side >= 0; side--) {
			const uint16_t *m = side ? t[i].b : t[i].a;
			struct ike_algs *x = &c[side].ike;

			for (; *m != 0xffff; m++)
				x->ake[0][x->n_ake_algs[0]++] = *m;
			x->n_ake = x->n_ake_algs[0] ? 1 : 0;
			net_set(&net, side, &c[side]);
		}
		up = net_until(&net, net_up, NET_S);
		if (up != (t[i].want >= 0))
			fail_msg("case %u: %s", i, B->last_reason.text);
		if (!up) {
			assert_int_equal(B->last_reason.cause, IKE_CAUSE_NO_PROPOSAL);
			assert_non_null(strstr(B->last_reason.text, "additional key exchange"));
			continue;
		}
		ike_each_sa(B->ike, take_suite, &s);
		assert_int_equal(s.suite.ake[0], t[i].want);
	}
}

/* ---- somebody on the path ---------------------------------------------------------------------------------- */

struct meddler {
	uint8_t exchange;
	bool response, done;
	size_t at; /* from the end, of the byte to be changed */
};

static bool flip(struct net *n, struct net_packet *p, void *arg)
{
	struct meddler *m = arg;

	if (m->done || p->len < 29 || p->data[18] != m->exchange || !(p->data[19] & 0x20) != !m->response)
		return true;
	p->data[m->at ? p->len - m->at : 24] ^= 1;
	m->done = true;
	return true;
}

/* A message that does not verify is as if it had not come: the retransmission is taken. */
static void altered_in_between(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct meddler m = {.exchange = IKE_INTERMEDIATE, .response = i, .at = 1};

		again();
		net.tap = flip;
		net.tap_arg = &m;
		both(2);
		assert_true(net_until(&net, net_up, 10 * NET_S));
		assert_true(m.done);
		net_check_pairs(&net);
	}
}

/* Takes the announcement or the transform out of IKE_SA_INIT, so that both ends do without: AUTH tells. */
static bool strip(struct net *n, struct net_packet *p, void *arg)
{
	bool *done = arg;
	uint8_t announce[] = {0x40, 0x36};

	for (size_t i = 28; p->data[18] == IKE_SA_INIT && i + 1 < p->len; i++)
		if (!memcmp(p->data + i, announce, 2)) {
			p->data[i + 1] ^= 0x80;
			*done = true;
		}
	return true;
}

static void announcement_taken_out(void **state)
{
	bool done = false;

	net.tap = strip;
	net.tap_arg = &done;
	both(1);
	assert_false(net_until(&net, net_up, 5 * NET_S));
	assert_true(done);
	assert_int_equal(net_sas(A), 0);
	assert_int_equal(net_sas(B), 0);
}

/* ---- CREATE_CHILD_SA ---------------------------------------------------------------------------------------- */

static const uint16_t child_methods[] = {DH_ECP384, DH_ECP521};

/* n_ike and n_child additional key exchanges; two proxy-IDs, so that the second takes a CREATE_CHILD_SA. */
static void both_kinds(unsigned n_ike, unsigned n_child, uint32_t ike_life)
{
	for (int side = 1; side >= 0; side--) {
		struct ike_gw_conf c = net_conf(side, 2);

		ake(&c.ike, seven, n_ike);
		c.lifetime_s = ike_life;
		for (unsigned i = 0; i < 2; i++) {
			c.children[i].esp.n_dh = 1;
			c.children[i].esp.dh[0] = DH_CURVE25519;
			ake(&c.children[i].esp, child_methods, n_child);
		}
		net_set(&net, side, &c);
	}
}

static void expire(struct net_host *h, uint32_t policy)
{
	for (unsigned k = 0; k < NET_CHILDREN; k++)
		if (h->child[k].used && h->child[k].active && h->child[k].policy == policy) {
			ike_child_expire(h->ike, h->child[k].sa.spi_in, false, net.now);
			return;
		}
	fail();
}

static unsigned child_kes(const struct net_host *h, uint32_t policy)
{
	unsigned n = 0;

	for (unsigned k = 0; k < NET_CHILDREN; k++)
		for (unsigned i = 0; h->child[k].used && h->child[k].policy == policy && i < IKE_AKE_MAX; i++)
			n += h->child[k].sa.suite.ake[i] != 0;
	return n;
}

/* A further Child SA, and rekeys of it and of that from IKE_AUTH, by either end, with traffic. */
static void followed_children(void **state)
{
	for (unsigned n = 1; n <= 2; n++) {
		again();
		both_kinds(1, n, 28800);
		assert_true(net_until(&net, net_up, 2 * NET_S));
		net_check_pairs(&net);
		assert_int_equal(net_counter(A, "followup"), n);
		assert_int_equal(child_kes(B, 2), n);
		assert_int_equal(child_kes(B, 1), 0); /* IKE_AUTH has no key exchange */
		net_probe(&net, 2, 10 * NET_MS);
		for (unsigned side = 0; side < 2; side++) {
			expire(&net.host[side], 1);
			expire(&net.host[side], 2);
			net_run(&net, 20 * NET_S);
			net_check_pairs(&net);
			assert_int_equal(net_children(A), 2);
			assert_int_equal(child_kes(A, 1), n);
			assert_int_equal(child_kes(B, 2), n);
		}
		assert_int_equal(net_counter(A, "child_rekey"), 4);
		assert_int_equal(net_counter(B, "followup"), 5 * n);
		assert_int_equal(net.probes_lost + net.probes_no_child, 0);
	}
}

static void followed_ike_rekey(void **state)
{
	both_kinds(3, 1, 300);
	assert_true(net_until(&net, net_up, 2 * NET_S));
	net_probe(&net, 2, 100 * NET_MS);
	net_run(&net, 1000 * NET_S);
	assert_true(net_counter(A, "ike_rekey") >= 3);
	assert_int_equal(net_counter(A, "ike_rekey"), net_counter(B, "ike_rekey"));
	ike_has(A, 3);
	ike_has(B, 3);
	net_check_pairs(&net);
	assert_int_equal(net.probes_lost + net.probes_no_child, 0);
}

/* Both ends rekey at once, over and over, on a bad line. */
static void collisions(void **state)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		net_end(&net);
		net_init(&net, seed);
		both_kinds(1, 1, 3600);
		assert_true(net_until(&net, net_up, 5 * NET_S));
		net_probe(&net, 2, 100 * NET_MS);
		net.jitter = 30 * NET_MS;
		net.loss = 10;
		for (unsigned i = 0; i < 5; i++) {
			expire(A, 1 + i % 2);
			expire(B, 1 + i % 2);
			ike_rekey_ike_sa(i % 2 ? A->ike : B->ike, NULL, false, net.now);
			net_run(&net, 60 * NET_S);
		}
		net.loss = 0;
		net_run(&net, 100 * NET_S);
		net_check_pairs(&net);
		assert_int_equal(net_children(A), 2);
		assert_int_equal(net_sas_all(A), 1);
		assert_int_equal(net.probes_no_child, 0);
		assert_int_equal(net.probes_lost, 0);
	}
}

/* IKE_FOLLOWUP_KE does not pass: the responder forgets, and what it reserved comes back. */
static bool no_followup(struct net *n, struct net_packet *p, void *arg)
{
	return p->data[18] != IKE_FOLLOWUP_KE;
}

static void followup_lost(void **state)
{
	both_kinds(1, 1, 28800);
	net.tap = no_followup;
	net_run(&net, 10 * NET_S);
	assert_int_equal(net_children(A), 1);
	assert_int_equal(B->n_spis, 1);
	net_run(&net, 300 * NET_S); /* A declares B dead, and starts anew */
	net.tap = NULL;
	assert_true(net_until(&net, net_up, 300 * NET_S));
	net_run(&net, 100 * NET_S);
	net_check_pairs(&net);
	assert_int_equal(B->n_spis, 0);
}

/* The operator clears the tunnel at the responder just before the last exchange. */
static bool cleared(struct net *n, struct net_packet *p, void *arg)
{
	unsigned *seen = arg;

	if (p->data[18] == IKE_FOLLOWUP_KE && p->to == NET_B && !(*seen)++)
		ike_clear_ipsec_sa(B->ike, "TUN", n->now);
	return true;
}

static void cleared_in_between(void **state)
{
	unsigned seen = 0;

	both_kinds(1, 1, 28800);
	assert_true(net_until(&net, net_up, 2 * NET_S));
	net.tap = cleared;
	net.tap_arg = &seen;
	expire(A, 2);
	net_run(&net, NET_S);
	assert_int_equal(seen > 0, 1);
	assert_true(net_counter(B, "followup_unknown") + net_counter(B, "followup") > 0);
	net.tap = NULL;
	assert_true(net_until(&net, net_up, 300 * NET_S));
	net_run(&net, 100 * NET_S);
	net_check_pairs(&net);
	assert_int_equal(B->n_spis, 0);
	assert_int_equal(A->n_spis, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, net_setup, net_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(one_to_seven),
		T(lossy),
		T(agreement),
		T(altered_in_between),
		T(announcement_taken_out),
		T(followed_children),
		T(followed_ike_rekey),
		T(collisions),
		T(followup_lost),
		T(cleared_in_between),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
