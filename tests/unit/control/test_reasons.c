/* SPDX-License-Identifier: Apache-2.0 */
/* What operators are told of failures: the last few kept, parameters compared, strangers' calls. */
#include "net_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "reason.h"
#include "reason_log.h"
#include "wire.h"

/* ---- the last few ----------------------------------------------------------------------------------------- */

static void add(struct reason_log *l, uint64_t at, const char *text)
{
	struct ike_reason r;

	reason_set(&r, at, IKE_CAUSE_NO_PROPOSAL, IKE_INITIATOR, IKE_SA_INIT, "%s", text);
	reason_log_add(l, &r);
}

static void last_few(void **state)
{
	struct reason_log l = {0};
	char text[16];

	assert_null(reason_log_last(&l));
	for (unsigned i = 1; i <= 20; i++)
		add(&l, i, "no");
	add(&l, 21, "other");
	add(&l, 22, "no");
	assert_int_equal(l.n, 2);
	assert_int_equal(l.r[0]->count, 21);
	assert_int_equal(l.r[0]->first, 1);
	assert_int_equal(l.r[0]->at, 22);
	assert_string_equal(l.r[1]->text, "other");
	assert_ptr_equal(reason_log_last(&l), l.r[0]);
	assert_false(l.r[0]->past);
	reason_log_mended(&l, IKE_AUTH); /* which shows nothing of rekeys */
	assert_null(reason_log_last(&l));
	assert_false(l.r[0]->past);
	reason_log_mended(&l, CREATE_CHILD_SA);
	assert_false(l.r[0]->past);
	reason_log_mended(&l, IKE_SA_INIT);
	assert_true(l.r[0]->past);
	assert_int_equal(l.n, 2);
	for (unsigned i = 0; i < 10; i++) {
		snprintf(text, sizeof(text), "number %u", i);
		add(&l, 30 + i, text);
	}
	assert_int_equal(l.n, REASONS_KEPT);
	assert_string_equal(l.r[0]->text, "number 9");
	assert_string_equal(l.r[REASONS_KEPT - 1]->text, "number 2");
	assert_non_null(reason_log_last(&l));
	reason_log_free(&l);
}

/* ---- selectors -------------------------------------------------------------------------------------------- */

static struct ts_list one(const char *net_, uint8_t proto, uint16_t port)
{
	struct ts_list l = {.n = 1};
	struct prefix p;

	assert_int_equal(prefix_parse(net_, &p), 0);
	l.t[0] = ts_of(&p, proto, port);
	return l;
}

static void selectors(void **state)
{
	static const struct {
		const char *local, *remote; /* the peer's, as seen from 10.1.0.0/16 and 10.2.0.0/16 */
		uint8_t proto;
		uint16_t port;
		bool exact;
		const char *how_local, *how_remote, *text;
	} cases[] = {
		{"10.2.0.0/16", "10.1.0.0/16", 0, 0, false, "swapped", "swapped", "mirrored"},
		{"10.1.0.0/24", "10.2.0.0/16", 0, 0, true, "another mask: theirs is narrower", NULL,
		 "overlap but are not equal (local differs)"},
		{"10.1.0.0/16", "10.2.0.0/15", 0, 0, true, NULL, "another mask: theirs is wider",
		 "overlap but are not equal (remote differs)"},
		{"10.1.0.0/16", "10.2.0.0/15", 0, 0, false, NULL, "another mask: theirs is wider",
		 "differ in their mask (remote)"},
		{"10.9.0.0/16", "10.2.0.0/16", 0, 0, false, "nothing in common", NULL,
		 "disjoint: the local networks"},
		{"10.1.0.0/16", "10.2.0.0/16", 17, 0, false, "another protocol", "another protocol",
		 "same networks and another protocol"},
		{"10.1.0.0/16", "10.2.0.0/16", 6, 80, false, "other ports", "other ports",
		 "same networks and another port"},
	};
	struct ts_list l = one("10.1.0.0/16", 6, 443), r = one("10.2.0.0/16", 6, 443);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t proto = cases[i].proto ? cases[i].proto : 6;
		uint16_t port = cases[i].proto ? cases[i].port : 443;
		struct ts_list tl = one(cases[i].local, proto, port), tr = one(cases[i].remote, proto, port);
		struct ike_reason got = {0};

		reason_ts(&got, &l, &r, &tl, &tr, cases[i].exact);
		assert_non_null(strstr(got.text, cases[i].text));
		assert_int_equal(got.n_diff, 2);
		assert_int_equal(got.diff[0].same, !cases[i].how_local);
		assert_int_equal(got.diff[1].same, !cases[i].how_remote);
		if (cases[i].how_local)
			assert_string_equal(got.diff[0].how, cases[i].how_local);
		if (cases[i].how_remote)
			assert_string_equal(got.diff[1].how, cases[i].how_remote);
		assert_string_not_equal(got.hint, "");
	}
}

/* ---- proposals ---------------------------------------------------------------------------------------------- */

static void proposals(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);
	const struct ike_reason *r;
	unsigned differ = 0;

	a.ike.n_dh = b.ike.n_dh = 1;
	a.ike.dh[0] = DH_ECP256;
	b.ike.dh[0] = DH_ECP384;
	net_set(&net, NET_A, &a);
	net_set(&net, NET_B, &b);
	ike_test_ike_sa(net.host[NET_A].ike, NULL, net.now, NULL);
	net_run(&net, 5 * NET_S);
	r = net_gw_failure(B);
	assert_int_equal(r->cause, IKE_CAUSE_NO_PROPOSAL);
	for (unsigned i = 0; i < r->n_diff; i++) {
		bool dh = strcmp(r->diff[i].what, "dh-group") == 0;

		assert_int_equal(r->diff[i].same, !dh);
		differ += !r->diff[i].same;
		if (dh) {
			assert_string_equal(r->diff[i].ours, "group20");
			assert_string_equal(r->diff[i].theirs, "group19");
		}
	}
	assert_int_equal(differ, 1);
	net_conf_free(&a);
	net_conf_free(&b);
}

/* ---- strangers ------------------------------------------------------------------------------------------------ */

static bool count_call(void *arg, const struct ike_call *i)
{
	struct ike_call *keep = arg;

	keep[1].count++;
	keep[0] = *i;
	return true;
}

static struct ike_call last_call(uint64_t *n)
{
	struct ike_call keep[2] = {0};

	ike_each_call(B->ike, count_call, keep);
	*n = keep[1].count;
	return keep[0];
}

/* IKEv1 aggressive mode: SA, KE, nonce and the identity "old.example" (RFC 2409 5). */
static size_t aggressive(uint8_t *p)
{
	static const uint8_t head[] = {1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x10, 4, 0};
	static const uint8_t id[] = {0,   0,   0,   19,  2,   17,  0x01, 0xf4, 'o', 'l',
				     'd', '.', 'e', 'x', 'a', 'm', 'p',  'l',  'e'};
	static const uint8_t next[] = {4, 10, 5};
	size_t n = sizeof(head) + 8;

	memset(p, 0, 28);
	memcpy(p, head, sizeof(head));
	for (unsigned i = 0; i < 3; i++) {
		memset(p + n, 0, 12);
		p[n] = next[i];
		p[n + 3] = 12;
		n += 12;
	}
	memcpy(p + n, id, sizeof(id));
	n += sizeof(id);
	p[27] = (uint8_t)n;
	return n;
}

static void ikev1_calls(void **state)
{
	struct endpoint stranger = {.port = 500}, us = {.port = 500};
	struct ike_call c;
	uint8_t p[200];
	size_t len = aggressive(p);
	uint64_t n;

	net_both(1);
	assert_int_equal(addr_parse("192.0.2.2", &us.a), 0);
	assert_int_equal(addr_parse("192.0.2.77", &stranger.a), 0);
	for (unsigned i = 0; i < 3; i++) {
		net_inject(&net, NET_B, &stranger, &us, p, len, NET_MS);
		net_run(&net, 2 * NET_S);
	}
	c = last_call(&n);
	assert_int_equal(n, 1);
	assert_int_equal(c.kind, IKE_CALL_VERSION);
	assert_string_equal(c.identity, "old.example");
	assert_string_equal(c.what, "IKEv1 aggressive mode");
	assert_int_equal(c.count, 3);
	/* Cut anywhere it is no crash, and at most a call without identity. */
	for (size_t cut = 0; cut < len; cut++) {
		p[27] = (uint8_t)cut;
		net_inject(&net, NET_B, &stranger, &us, p, cut, NET_MS);
		net_run(&net, 10 * NET_MS);
	}
	(void)last_call(&n);
	assert_int_equal(n, 2);
}

/* As many addresses as one likes: the table stays as it is, and so does the number of events. */
static void flood_of_calls(void **state)
{
	struct endpoint stranger = {.port = 500}, us = {.port = 500};
	unsigned before;
	uint8_t p[200];
	size_t len = aggressive(p);
	uint64_t n;

	net_both(1);
	before = B->events[IKE_EV_UNKNOWN_PEER];
	assert_int_equal(addr_parse("192.0.2.2", &us.a), 0);
	for (unsigned i = 0; i < 3000; i++) {
		char from[32];

		snprintf(from, sizeof(from), "203.0.%u.%u", i / 250, i % 250 + 1);
		assert_int_equal(addr_parse(from, &stranger.a), 0);
		net_inject(&net, NET_B, &stranger, &us, p, len, NET_MS);
		net_run(&net, 10 * NET_MS);
	}
	(void)last_call(&n);
	assert_int_equal(n, 16);
	assert_in_range(B->events[IKE_EV_UNKNOWN_PEER] - before, 16, 40);
}

/* The peer of a gateway that answers our IKE_SA_INIT in IKEv1: believed when nothing better comes. */
static bool answer_v1(struct net *w, struct net_packet *p, void *arg)
{
	uint8_t answer[28] = {0};

	if (p->to != NET_B || p->esp || p->len < 28 || p->data[18] != IKE_SA_INIT)
		return true;
	memcpy(answer, p->data, 8);
	answer[8] = 9;
	answer[17] = 0x10;
	answer[18] = 5;
	answer[27] = 28;
	net_inject(w, NET_A, &p->dst, &p->src, answer, sizeof(answer), NET_MS);
	return false;
}

static void answered_in_ikev1(void **state)
{
	const struct ike_reason *r;

	net.tap = answer_v1;
	net_both(1);
	net_run(&net, 10 * NET_S);
	r = net_gw_failure(A);
	assert_int_equal(r->cause, IKE_CAUSE_VERSION);
	assert_int_equal(r->role, IKE_INITIATOR);
	assert_string_equal(r->theirs, "IKEv1");
	net.tap = NULL;
	assert_true(net_until(&net, net_up, 300 * NET_S));
}

#define T(f) cmocka_unit_test_setup_teardown(f, net_setup, net_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_few), cmocka_unit_test(selectors), T(proposals), T(ikev1_calls),
		T(flood_of_calls),          T(answered_in_ikev1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
