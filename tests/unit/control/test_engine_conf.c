/* SPDX-License-Identifier: Apache-2.0 */
/* Two engines after bring-up: duplicates, and a configuration that changes meanwhile. */
#include "life_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "child.h"

static void duplicates_are_answered_from_the_cache(void **state)
{
	net.dup = 100;
	life_up(2);
	assert_int_equal(net_sas(A), 1);
	assert_int_equal(net_sas(B), 1);
	assert_int_equal(B->installs, 2);
	assert_true(net_counter(B, "tx_cached") >= 2);
	net_run(&net, 60 * NET_S);
	assert_int_equal(net_sas_all(B), 1);
}

static void config_same_keeps_sas(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 3);

	life_up(3);
	a.dpd_interval_s = 30;
	a.lifetime_s = 1000;
	net_set(&net, NET_A, &a);
	net_run(&net, 30 * NET_S);
	assert_int_equal(A->events[IKE_EV_IKE_DOWN] + A->events[IKE_EV_CHILD_DOWN], 0);
	assert_true(net_up(&net));
}

static void config_child_changes(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 3), b = net_conf(NET_B, 3);

	life_up(3);
	a.children[1].esp.encr[0].key_bits = b.children[1].esp.encr[0].key_bits = 256;
	net_set(&net, NET_A, &a);
	net_set(&net, NET_B, &b);
	net_run(&net, 60 * NET_S);
	assert_int_equal(A->events[IKE_EV_IKE_DOWN], 0);
	/* Both replace it at once; one of the twins may have gone again. */
	assert_in_range(A->events[IKE_EV_CHILD_DOWN], 1, 2);
	assert_true(net_up(&net));
	assert_int_equal(net_children(A), 3);
	net_check_pairs(&net);
	/* One taken out, one put in. */
	a = net_conf(NET_A, 2);
	b = net_conf(NET_B, 2);
	net_set(&net, NET_A, &a);
	net_set(&net, NET_B, &b);
	net_run(&net, 60 * NET_S);
	assert_int_equal(net_children(A), 2);
	assert_int_equal(net_children(B), 2);
	net_check_pairs(&net);
}

struct walk {
	unsigned n;
	uint32_t id[4], spi[4];
	char tunnel[4][2 * IKE_NAME];
};

static bool on_walk(void *arg, const struct ike_child_info *i)
{
	struct walk *w = arg;

	assert_in_range(w->n, 0, 3);
	snprintf(w->tunnel[w->n], sizeof(w->tunnel[0]), "%s:%s", i->tunnel, i->proxy_id);
	w->id[w->n] = i->id;
	w->spi[w->n++] = i->spi_in;
	return true;
}

/* A listing goes on where it stood, also when the Child SA it stood at has gone. */
static void walk_goes_on(void **state)
{
	struct walk all = {0}, behind = {0};

	life_up(4);
	ike_each_child(A->ike, on_walk, &all);
	assert_int_equal(all.n, 4);
	ike_each_child_after(A->ike, all.spi[1], all.id[1], on_walk, &behind);
	assert_int_equal(behind.n, 2);
	assert_int_equal(behind.id[0], all.id[2]);
	assert_int_equal(behind.id[1], all.id[3]);
	assert_int_equal(ike_rekey_ipsec_sa(A->ike, all.tunnel[1], net.now), 1);
	net_run(&net, 60 * NET_S);
	assert_true(net_up(&net));
	behind.n = 0;
	ike_each_child_after(A->ike, all.spi[1], all.id[1], on_walk, &behind);
	assert_int_equal(behind.n, 3);
	assert_int_equal(behind.id[0], all.id[2]);
	assert_true(behind.id[2] > all.id[3]);
}

struct sa_walk {
	unsigned n;
	uint32_t serial;
	uint64_t spi_own;
};

static bool on_sa_walk(void *arg, const struct ike_sa_info *i)
{
	struct sa_walk *w = arg;

	w->n++;
	w->serial = i->serial;
	w->spi_own = i->role == IKE_INITIATOR ? i->spi_i : i->spi_r;
	return true;
}

static struct sa_walk sas_behind(const char *gateway, struct sa_walk last)
{
	struct sa_walk w = {0};

	ike_each_sa_after(A->ike, gateway, last.spi_own, last.serial, on_sa_walk, &w);
	return w;
}

/* The same of IKE SAs, of all and of one gateway. */
static void sa_walk_goes_on(void **state)
{
	struct sa_walk first, none = {0};
	uint32_t sas, children;
	struct ike_gw_info i;

	life_up(4);
	first = sas_behind(NULL, none);
	assert_int_equal(first.n, 1);
	assert_int_equal(sas_behind("GW-A", none).serial, first.serial);
	assert_int_equal(sas_behind("GW-X", none).n, 0);
	assert_int_equal(sas_behind(NULL, first).n, 0);
	assert_int_equal(sas_behind("GW-A", first).n, 0);
	ike_count(A->ike, &sas, &children);
	assert_int_equal(sas, 1);
	assert_int_equal(children, 4);
	assert_true(ike_gateway_read(A->ike, "GW-A", &i));
	assert_int_equal(i.n_children, 4);
	assert_false(ike_gateway_read(A->ike, "GW-X", &i));
	assert_int_equal(ike_rekey_ike_sa(A->ike, NULL, false, net.now), 1);
	net_run(&net, 60 * NET_S);
	assert_int_equal(sas_behind(NULL, first).n, 1);
	assert_true(sas_behind("GW-A", first).serial > first.serial);
	ike_clear_ipsec_sa(A->ike, NULL, net.now);
	net_run(&net, NET_S / 10);
	ike_count(A->ike, &sas, &children);
	assert_int_equal(children, net_children(A));
}

static void config_ike_changes(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 2), b = net_conf(NET_B, 2);

	life_up(2);
	a.psk[0] ^= 1;
	b.psk[0] ^= 1;
	net_set(&net, NET_A, &a);
	net_set(&net, NET_B, &b);
	net_run(&net, 100 * NET_S);
	assert_int_equal(A->events[IKE_EV_IKE_DOWN], 1);
	assert_true(net_up(&net));
	net_check_pairs(&net);
}

static void config_gateway_removed(void **state)
{
	life_up(3);
	assert_int_equal(ike_gateway_remove(A->ike, "GW-A", net.now), 0);
	assert_int_equal(ike_gateway_remove(A->ike, "GW-A", net.now), -ENOENT);
	assert_int_equal(net_children(A), 0);
	net_run(&net, 5 * NET_S);
	assert_int_equal(net_sas_all(A), 0);
	assert_int_equal(net_children(B), 0);
}

static void config_changes_at_any_moment(void **state)
{
	for (unsigned ms = 0; ms < 120; ms += 3) {
		struct ike_gw_conf a, b;

		life_again(ms + 1);
		a = net_conf(NET_A, 4);
		b = net_conf(NET_B, 4);
		net_set(&net, NET_B, &b);
		net_set(&net, NET_A, &a);
		net_run(&net, ms * NET_MS);
		a = net_conf(NET_A, 2);
		b = net_conf(NET_B, 2);
		a.children[0].replay_window = 128;
		net_set(&net, NET_A, &a);
		net_set(&net, NET_B, &b);
		net_run(&net, 60 * NET_S);
		if (!net_up(&net) || net_children(A) != 2 || net_children(B) != 2)
			fail_msg("after %u ms: %u %u children", ms, net_children(A), net_children(B));
		net_check_pairs(&net);
	}
}

static void config_refused(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_A, 1);

	assert_int_equal(ike_gateway_set(A->ike, &a, net.now), 0);
	snprintf(b.name, sizeof(b.name), "twin");
	b.children[0].policy = 50;
	/* The same addresses and the same peer identity. */
	assert_int_equal(ike_gateway_set(A->ike, &b, net.now), -EINVAL);
	b.remote_id = (struct ike_id){ID_FQDN, 9, "b.example"};
	assert_int_equal(ike_gateway_set(A->ike, &b, net.now), 0);
	/* A policy number twice. */
	snprintf(b.name, sizeof(b.name), "third");
	b.remote_id.data[0] = 'c';
	assert_int_equal(ike_gateway_set(A->ike, &b, net.now), -EINVAL);
	b.children[0].policy = 51;
	b.psk_len = 0;
	assert_int_equal(ike_gateway_set(A->ike, &b, net.now), -EINVAL);
	net_conf_free(&a);
	net_conf_free(&b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, life_setup, net_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(duplicates_are_answered_from_the_cache),
		T(config_same_keeps_sas),
		T(config_child_changes),
		T(walk_goes_on),
		T(sa_walk_goes_on),
		T(config_ike_changes),
		T(config_gateway_removed),
		T(config_changes_at_any_moment),
		T(config_refused),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
