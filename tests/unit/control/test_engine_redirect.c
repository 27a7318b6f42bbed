/* SPDX-License-Identifier: Apache-2.0 */
/* REDIRECT (RFC 5685) in the answer to IKE_SA_INIT: obeyed with our nonce in it, where it is configured, so many times. */
#include "net_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "msg.h"

enum { A_LITTLE = 1000 };

/* The end that redirects, in front of B: whoever calls 192.0.2.2, or in a circle whoever calls at all. */
struct front {
	unsigned sent;
	bool wrong_nonce, circle;
	uint8_t type;
};

static bool front(struct net *n, struct net_packet *p, void *arg)
{
	struct front *f = arg;
	uint8_t buf[256], data[2 + 4 + 32] = {f->type ? f->type : 1, 4, 192, 0, 2, 9};
	struct ike_hdr h;
	struct msg_wr w;
	struct msg m;

	if (p->to != NET_B || p->data[18] != IKE_SA_INIT || (p->dst.a.b[3] != 2 && !f->circle))
		return true;
	assert_int_equal(msg_parse(p->data, p->len, &m), MSG_OK);
	assert_int_equal(m.nonce.len, 32);
	memcpy(data + 6, m.nonce.p, 32);
	data[6] ^= f->wrong_nonce;
	if (f->circle)
		data[5] = p->dst.a.b[3] == 2 ? 9 : 2;
	h = (struct ike_hdr){.spi_i = m.hdr.spi_i, .exchange = IKE_SA_INIT, .flags = IKE_FLAG_RESPONSE};
	msg_wr_begin(&w, buf, sizeof(buf), &h);
	msg_wr_notify(&w, PROTO_NONE, NULL, 0, N_REDIRECT, data, sizeof(data));
	f->sent++;
	net_inject(n, NET_A, &p->dst, &p->src, buf, msg_wr_end(&w), A_LITTLE);
	return false;
}

static void start(struct front *f, bool obey)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);

	a.redirect = obey;
	a.remote_id = b.local_id = (struct ike_id){.type = ID_FQDN, .len = 3, .data = "hub"};
	assert_int_equal(addr_parse("192.0.2.9", &b.local), 0);
	net.tap = front;
	net.tap_arg = f;
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
}

static void obeyed(void **state)
{
	struct front f = {0};

	start(&f, true);
	if (!net_until(&net, net_up, 5 * NET_S))
		fail_msg("%s / %s", A->last_reason.text, B->last_reason.text);
	assert_int_equal(f.sent, 1);
	assert_int_equal(net_counter(A, "redirected"), 1);
	net_check_pairs(&net);
}

static void refused(void **state)
{
	struct front wrong = {.wrong_nonce = true}, name = {.type = 3};

	start(&wrong, true);
	assert_false(net_until(&net, net_up, 5 * NET_S));
	assert_int_equal(net_counter(A, "redirected"), 0);
	net_end(&net);
	net_init(&net, 1);
	start(&name, true); /* a host name */
	assert_false(net_until(&net, net_up, 5 * NET_S));
	assert_int_equal(net_counter(A, "redirected"), 0);
	assert_true(net_counter(A, "redirect_ignored") > 0);
}

static void off_unless_configured(void **state)
{
	struct front f = {0};

	start(&f, false);
	assert_false(net_until(&net, net_up, 5 * NET_S));
	assert_true(f.sent > 0);
	assert_int_equal(net_counter(A, "redirected"), 0);
}

static void in_a_circle(void **state)
{
	struct front f = {.circle = true};

	start(&f, true);
	net_run(&net, 200 * NET_S);
	assert_int_equal(net_counter(A, "redirected"), 5);
}

#define T(f) cmocka_unit_test_setup_teardown(f, net_setup, net_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {T(obeyed), T(refused), T(off_unless_configured), T(in_a_circle)};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
