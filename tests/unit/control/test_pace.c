/* SPDX-License-Identifier: Apache-2.0 */
/* Many tunnels that want to come up at once: so many at a time, in turn, the dead in nobody's way. */
#include "net_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "msg.h"

enum { GATEWAYS = 40, AT_ONCE = 4, STARTS_A_CALL = 16 };

/* Gateway g of a side, with n proxy-IDs of its own. */
static struct ike_gw_conf gateway(int side, unsigned g, unsigned n)
{
	struct ike_gw_conf c = net_conf(side, n);
	char id[32];

	snprintf(c.name, sizeof(c.name), "GW-%u", g);
	c.id = g + 1;
	for (int end = NET_A; end <= NET_B; end++) {
		struct ike_id *to = end == side ? &c.local_id : &c.remote_id;

		snprintf(id, sizeof(id), "%c%u.example", 'a' + end, g);
		to->type = ID_FQDN;
		to->len = (uint8_t)strlen(id);
		memcpy(to->data, id, to->len);
	}
	for (unsigned i = 0; i < n; i++) {
		snprintf(c.children[i].tunnel, sizeof(c.children[i].tunnel), "TUN-%u", g);
		c.children[i].policy = g * 100 + i + 1;
	}
	c.passive = side == NET_B;
	return c;
}

static void set(int side, unsigned g, unsigned n, const char *remote)
{
	struct ike_gw_conf c = gateway(side, g, n);

	if (remote)
		assert_int_equal(addr_parse(remote, &c.remote), 0);
	net_set(&net, side, &c);
}

/* As many as there are, with n proxy-IDs each. */
static void set_all(unsigned n)
{
	for (int side = NET_B; side >= NET_A; side--)
		for (unsigned g = 0; g < GATEWAYS; g++)
			set(side, g, n, NULL);
}

static void places(struct net_host *h, unsigned n)
{
	struct ike_tuning t = *ike_tuning(h->ike);

	t.starts_max = n;
	ike_tune(h->ike, &t);
}

static unsigned in_line(struct net_host *h)
{
	uint32_t out, max, waiting;

	ike_starts(h->ike, &out, &max, &waiting);
	assert_true(out <= max);
	return waiting;
}

/* What A asks for and B has not seen yet; and what is lost on the way to somebody who is not there. */
struct watch {
	unsigned out, most, to_the_dead;
};

static bool look(struct net *n, struct net_packet *p, void *arg)
{
	struct watch *w = arg;
	struct addr b;
	uint32_t out, max, waiting;

	ike_starts(A->ike, &out, &max, &waiting);
	w->most = out > w->most ? out : w->most;
	assert_int_equal(addr_parse("192.0.2.2", &b), 0);
	if (p->to != NET_B || addr_eq(&p->dst.a, &b))
		return true;
	w->to_the_dead++;
	return false;
}

static bool all_up(struct net *n)
{
	return net_active(&n->host[NET_A]) == GATEWAYS;
}

static void a_few_at_a_time(void **state)
{
	struct watch w = {0};

	places(A, AT_ONCE);
	net.tap = look;
	net.tap_arg = &w;
	set_all(1);
	net_run(&net, NET_MS);
	assert_int_equal(in_line(A), GATEWAYS - AT_ONCE);
	assert_int_equal(net_sas_all(A), AT_ONCE);
	assert_true(net_until(&net, all_up, 60 * NET_S));
	assert_int_equal(w.most, AT_ONCE);
	assert_int_equal(in_line(A), 0);
	assert_int_equal(net_counter(A, "tx_retransmit"), 0);
	net_check_pairs(&net);
}

/* Key pairs are made sixteen in a turn at most, whatever there is room for. */
static void a_turn_is_short(void **state)
{
	set_all(1);
	ike_run(A->ike, net.now);
	assert_int_equal(net_sas_all(A), STARTS_A_CALL);
	assert_true(ike_next(A->ike) <= net.now);
	assert_true(net_until(&net, all_up, 60 * NET_S));
}

static struct net_child *child_of(struct net_host *h, uint32_t policy)
{
	for (unsigned i = 0; i < h->n_child; i++)
		if (h->child[i].used && h->child[i].policy == policy)
			return &h->child[i];
	return NULL;
}

static bool last_up(struct net *n)
{
	return child_of(&n->host[NET_A], (GATEWAYS - 1) * 100 + 1);
}

/* All but the last are dead.  Each of them has its place until its first repetition, and not until it is given up. */
static void the_dead_in_nobodys_way(void **state)
{
	struct watch w = {0};
	uint64_t begun;

	places(A, AT_ONCE);
	net.tap = look;
	net.tap_arg = &w;
	set(NET_B, GATEWAYS - 1, 1, NULL);
	for (unsigned g = 0; g < GATEWAYS - 1; g++)
		set(NET_A, g, 1, "192.0.2.77");
	net_run(&net, NET_MS);
	set(NET_A, GATEWAYS - 1, 1, NULL);
	begun = net.now;
	assert_true(net_until(&net, last_up, 60 * NET_S));
	/* Nine rounds of four that wait 0.9 to 1.1 s each.  Had they waited to be given up, it were eight minutes. */
	assert_in_range((net.now - begun) / NET_MS, 8000, 12000);
	assert_true(w.to_the_dead >= GATEWAYS - AT_ONCE);
}

static bool small_ones_up(struct net *n)
{
	for (unsigned g = 1; g < 10; g++)
		if (!child_of(&n->host[NET_A], g * 100 + 1))
			return false;
	return true;
}

static bool every_one_up(struct net *n)
{
	return net_active(&n->host[NET_A]) == 59;
}

/* One gateway with fifty proxy-IDs, and nine with one. */
static void one_after_another(void **state)
{
	places(A, 1);
	for (unsigned g = 0; g < 10; g++)
		set(NET_B, g, g ? 1 : 50, NULL);
	for (unsigned g = 0; g < 10; g++)
		set(NET_A, g, g ? 1 : 50, NULL);
	assert_true(net_until(&net, small_ones_up, 60 * NET_S));
	assert_in_range(net_active(A), 10, 25);
	assert_true(net_until(&net, every_one_up, 60 * NET_S));
	assert_int_equal(net_counter(A, "tx_retransmit"), 0);
}

static uint32_t active_spi(struct net_host *h, uint32_t policy)
{
	for (unsigned i = 0; i < h->n_child; i++)
		if (h->child[i].used && h->child[i].active && h->child[i].policy == policy)
			return h->child[i].sa.spi_in;
	return 0;
}

/* A rekey of what is up does not stand in line, and what an operator asks for is at its head. */
static void what_is_up_goes_first(void **state)
{
	struct watch w = {0};
	uint32_t before;

	places(A, 1);
	net.tap = look;
	net.tap_arg = &w;
	set(NET_B, 0, 1, NULL);
	set(NET_B, GATEWAYS, 1, NULL);
	set(NET_A, 0, 1, NULL);
	net_run(&net, NET_S);
	before = active_spi(A, 1);
	assert_int_not_equal(before, 0);
	for (unsigned g = 1; g < GATEWAYS; g++)
		set(NET_A, g, 1, "192.0.2.77");
	set(NET_A, GATEWAYS, 1, NULL);
	net_run(&net, NET_MS);
	assert_int_equal(in_line(A), GATEWAYS - 1);
	assert_int_equal(ike_rekey_ipsec_sa(A->ike, "TUN-0", net.now), 1);
	net_run(&net, 200 * NET_MS);
	assert_int_not_equal(active_spi(A, 1), 0);
	assert_int_not_equal(active_spi(A, 1), before);
	assert_int_equal(in_line(A), GATEWAYS - 1);
	assert_int_equal(ike_test_ike_sa(A->ike, "GW-40", net.now, NULL), 1);
	net_run(&net, 1500 * NET_MS);
	assert_int_not_equal(active_spi(A, GATEWAYS * 100 + 1), 0);
}

/* Forty peers that die at once with three Child SAs each do not go in one call. */
static void many_die_at_once(void **state)
{
	unsigned before, most = 0;

	set_all(3);
	net_run(&net, 5 * NET_S);
	assert_int_equal(net_children(A), GATEWAYS * 3);
	net.host[NET_B].dead = true;
	net.now += 50 * NET_S; /* nobody has run meanwhile: every liveness check is due */
	ike_run(A->ike, net.now);
	net.now += 50 * NET_S;
	for (before = net_children(A); before; before = net_children(A)) {
		assert_true(ike_next(A->ike) <= net.now + 60 * NET_S);
		net.now = ike_next(A->ike) > net.now ? ike_next(A->ike) : net.now;
		ike_run(A->ike, net.now);
		most = before - net_children(A) > most ? before - net_children(A) : most;
	}
	assert_in_range(most, 3, 66);
}

/* Who goes away while in line, or is cleared there, leaves no trace. */
static void out_of_the_line(void **state)
{
	struct watch w = {0};

	places(A, 1);
	net.tap = look;
	net.tap_arg = &w;
	for (unsigned g = 0; g < 4; g++)
		set(NET_A, g, 2, "192.0.2.77");
	net_run(&net, NET_MS);
	assert_int_equal(in_line(A), 3);
	assert_int_equal(ike_gateway_remove(A->ike, "GW-2", net.now), 0);
	assert_int_equal(in_line(A), 2);
	assert_int_equal(ike_gateway_remove(A->ike, "GW-0", net.now), 0); /* its place is free */
	net_run(&net, NET_MS);
	assert_int_equal(in_line(A), 1);
	ike_shutdown(A->ike, net.now);
	net_run(&net, 60 * NET_S);
	assert_int_equal(net_sas_all(A), 0);
}

static bool one_each(void *arg, const struct ike_gw_info *i)
{
	assert_int_equal(i->n_ike, 1);
	++*(unsigned *)arg;
	return true;
}

/* Peers of any address at one of ours: only the identity tells whose they are, and half of them have other algorithms. */
static void any_address(void **state)
{
	unsigned n = 0;

	for (int side = NET_B; side >= NET_A; side--)
		for (unsigned g = 0; g < GATEWAYS; g++) {
			struct ike_gw_conf c = gateway(side, g, 1);

			if (side == NET_B)
				c.remote.v = 0;
			if (g % 2)
				c.ike.encr[0].key_bits = 128;
			net_set(&net, side, &c);
		}
	assert_true(net_until(&net, all_up, 60 * NET_S));
	ike_each_gateway(B->ike, one_each, &n);
	assert_int_equal(n, GATEWAYS);
	net_check_pairs(&net);
	/* A second one for the same peer is refused, and one that has changed its identity is another's no more. */
	for (unsigned twin = 0; twin < 2; twin++) {
		struct ike_gw_conf c = gateway(NET_B, 7, 0);

		c.remote.v = 0;
		snprintf(c.name, sizeof(c.name), "TWIN");
		assert_int_equal(ike_gateway_set(B->ike, &c, net.now), twin ? 0 : -EINVAL);
		net_conf_free(&c);
		c = gateway(NET_B, 7, 1);
		c.remote.v = 0;
		c.remote_id.data[0] = 'x';
		net_set(&net, NET_B, &c);
	}
}

/* An operator's request to all of them: a part at a time, each once, and what came up meanwhile is not of it. */
static void request_in_parts(void **state)
{
	struct ike_request r = {.verb = IKE_CLEAR_IPSEC_SA};
	unsigned steps = 1;
	int rc, before = 0;

	set_all(3);
	net_run(&net, 5 * NET_S);
	assert_int_equal(net_active(A), GATEWAYS * 3);
	while ((rc = ike_request_step(A->ike, &r, net.now)) == -EAGAIN) {
		assert_in_range(r.n - before, 1, 34);
		before = r.n;
		/* The gateway it stands at goes away, and what has been cleared is made anew. */
		if (steps++ == 1)
			assert_int_equal(ike_gateway_remove(A->ike, r.at, net.now), 0);
		net_run(&net, 4 * NET_S);
	}
	assert_int_equal(rc, 0);
	assert_in_range(r.n, GATEWAYS * 3 - 3, GATEWAYS * 3);
	assert_in_range(steps, 4, 8);
	net_run(&net, 5 * NET_S);
	assert_int_equal(net_active(A), (GATEWAYS - 1) * 3);
}

/* IKE SAs take their Child SAs with them: those count. */
static void gateways_in_parts(void **state)
{
	struct ike_request r = {.verb = IKE_CLEAR_IKE_SA};
	unsigned before, most = 0;
	int rc;

	set_all(3);
	net_run(&net, 5 * NET_S);
	do {
		before = net_children(A);
		rc = ike_request_step(A->ike, &r, net.now);
		most = before - net_children(A) > most ? before - net_children(A) : most;
	} while (rc == -EAGAIN);
	assert_int_equal(rc, 0);
	assert_int_equal(r.n, GATEWAYS);
	assert_int_equal(net_children(A), 0);
	assert_in_range(most, 64, 66);
}

/* Of one tunnel, whose gateway is told; of one there is not; of one that may not begin. */
static void request_to_one(void **state)
{
	struct ike_request one = {.verb = IKE_TEST_IPSEC_SA, .gateway = "GW-3", .tunnel = "TUN-3:P1"},
			   none = {.verb = IKE_TEST_IPSEC_SA, .gateway = "GW-3", .tunnel = "TUN-4"},
			   passive = {.verb = IKE_TEST_IKE_SA, .gateway = "GW-3"};

	set(NET_B, 3, 70, NULL);
	set(NET_A, 3, 70, NULL);
	ike_clear_ike_sa(A->ike, NULL, net.now);
	assert_int_equal(ike_request(A->ike, &none, net.now), -ENOENT);
	assert_int_equal(ike_request(A->ike, &one, net.now), 1);
	assert_int_equal(ike_request(B->ike, &passive, net.now), -EPERM);
	net_run(&net, 5 * NET_S);
	assert_int_equal(net_active(A), 70);
	one = (struct ike_request){.verb = IKE_CLEAR_IPSEC_SA, .gateway = "GW-3"};
	assert_int_equal(ike_request(A->ike, &one, net.now), 70);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_few_at_a_time, net_setup, net_teardown),
		cmocka_unit_test_setup_teardown(a_turn_is_short, net_setup, net_teardown),
		cmocka_unit_test_setup_teardown(the_dead_in_nobodys_way, net_setup, net_teardown),
		cmocka_unit_test_setup_teardown(one_after_another, net_setup, net_teardown),
		cmocka_unit_test_setup_teardown(what_is_up_goes_first, net_setup, net_teardown),
		cmocka_unit_test_setup_teardown(many_die_at_once, net_setup, net_teardown),
		cmocka_unit_test_setup_teardown(out_of_the_line, net_setup, net_teardown),
		cmocka_unit_test_setup_teardown(any_address, net_setup, net_teardown),
		cmocka_unit_test_setup_teardown(request_in_parts, net_setup, net_teardown),
		cmocka_unit_test_setup_teardown(gateways_in_parts, net_setup, net_teardown),
		cmocka_unit_test_setup_teardown(request_to_one, net_setup, net_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
