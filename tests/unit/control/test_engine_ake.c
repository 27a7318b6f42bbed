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

#define T(f) cmocka_unit_test_setup_teardown(f, net_setup, net_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(one_to_seven), T(lossy), T(agreement), T(altered_in_between), T(announcement_taken_out),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
