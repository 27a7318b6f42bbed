/* SPDX-License-Identifier: Apache-2.0 */
/* What two engines make of selectors: lists, the packet that asked, and what a peer leaves out (RFC 7296 2.9). */
#include "net_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "child.h"
#include "xchg.h"

/* "10.1.0.0/24,fd00:1::/64" into a child's selectors. */
static void selectors(struct ts *t, uint8_t *n, const char *list)
{
	char text[200], *save, *p;

	snprintf(text, sizeof(text), "%s", list);
	*n = 0;
	for (p = strtok_r(text, ",", &save); p; p = strtok_r(NULL, ",", &save))
		net_ts(&t[(*n)++], p);
}

static void pair(struct ike_child_conf *c, const char *local, const char *remote)
{
	selectors(c->local, &c->n_local, local);
	selectors(c->remote, &c->n_remote, remote);
}

static const struct net_child *child_of(const struct net_host *h, uint32_t policy)
{
	for (unsigned i = 0; i < NET_CHILDREN; i++)
		if (h->child[i].used && h->child[i].policy == policy)
			return &h->child[i];
	return NULL;
}

static void assert_ts(const struct net_host *h, uint32_t policy, const char *local, const char *remote)
{
	const struct net_child *c = child_of(h, policy);
	char text[400];

	assert_non_null(c);
	assert_string_equal(ts_list_str(&c->sa.ts_local, text, sizeof(text)), local);
	assert_string_equal(ts_list_str(&c->sa.ts_remote, text, sizeof(text)), remote);
}

static void acquire(struct net_host *h, uint32_t policy, uint8_t proto, const char *src, uint16_t sport,
		    const char *dst, uint16_t dport)
{
	struct ike_flow f = {.proto = proto, .src.port = sport, .dst.port = dport};

	assert_int_equal(addr_parse(src, &f.src.a), 0);
	assert_int_equal(addr_parse(dst, &f.dst.a), 0);
	ike_acquire_packet(h->ike, policy, &f, net.now);
}

static void lists_of_both_families(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);

	pair(&a.children[0], "10.1.0.0/24,10.1.5.0/24,fd00:1::/64", "10.2.0.0/16,fd00:2::/48");
	pair(&b.children[0], "10.2.1.0/24,10.2.2.0/24,fd00:2:0:7::/64", "10.1.0.0/16,fd00:1::/32");
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	assert_true(net_until(&net, net_up, NET_S));
	net_check_pairs(&net);
	assert_ts(A, 1, "10.1.0.0/24,10.1.5.0/24,fd00:1::/64", "10.2.1.0/24,10.2.2.0/24,fd00:2:0:7::/64");
}

/* What is left is IPv4 at one end and IPv6 at the other: no packet would ever fit. */
static void families_that_do_not_meet(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);

	pair(&a.children[0], "10.1.0.0/24,fd00:1::/64", "10.2.0.0/24,fd00:2::/64");
	pair(&b.children[0], "10.2.0.0/24", "fd00:1::/64");
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	net_run(&net, NET_S);
	assert_null(child_of(A, 1));
	assert_null(child_of(B, 1));
}

/* Of two networks of the peer that fit, the one the packet goes to. */
static void packet_goes_first(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 2);

		net_end(&net);
		net_init(&net, 1);
		a.children[0].start = false;
		pair(&a.children[0], "10.1.0.0/24", "10.2.0.0/16");
		pair(&b.children[0], "10.2.0.0/24", "10.1.0.0/24");
		pair(&b.children[1], "10.2.1.0/24", "10.1.0.0/24");
		net_set(&net, NET_B, &b);
		net_set(&net, NET_A, &a);
		net_run(&net, NET_S);
		acquire(A, 1, 6, "10.1.0.9", 40000, i ? "10.2.1.7" : "10.2.0.7", 443);
		net_run(&net, NET_S);
		assert_ts(A, 1, "10.1.0.0/24", i ? "10.2.1.0/24" : "10.2.0.0/24");
		assert_non_null(child_of(B, i + 1));
		net_check_pairs(&net);
		/* What it left out could be had, too. */
		assert_int_equal(net_counter(A, "additional_ts"), 1);
	}
}

/* A packet that is none of the proxy-ID's, or a policy of exact: asked for is what is configured. */
static void packet_that_does_not_count(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 2), b = net_conf(NET_B, 2);

	for (unsigned i = 0; i < 2; i++) {
		a.children[i].start = false;
		b.children[i].ts_policy = a.children[i].ts_policy = i ? IKE_TS_EXACT : IKE_TS_NARROW;
	}
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	acquire(A, 1, 1, "10.9.0.9", 0, "10.2.0.7", 0);
	acquire(A, 2, 1, "10.1.1.9", 0, "10.2.1.7", 0);
	net_run(&net, 5 * NET_S);
	assert_ts(A, 1, "10.1.0.0/24", "10.2.0.0/24");
	assert_ts(A, 2, "10.1.1.0/24", "10.2.1.0/24");
	assert_int_equal(net_counter(A, "additional_ts"), 0);
}

/* ---- SINGLE_PAIR_REQUIRED ---------------------------------------------------------------------------------- */

/* What A sends is opened with its own keys, and held back. */
static struct {
	uint8_t raw[2000], plain[2000];
	size_t n, len;
	struct msg m;
} got;

static bool hold(struct net *n, struct net_packet *p, void *arg)
{
	struct ike_sa *sa = A->ike->sas;

	if (p->to == NET_A)
		return true;
	memcpy(got.raw, p->data, p->len);
	assert_int_equal(msg_parse(got.raw, p->len, &got.m), MSG_OK);
	assert_int_equal(sk_open(&sa->keys, sa->role == IKE_INITIATOR, &got.m, got.plain, &got.len), 0);
	assert_int_equal(msg_parse_inner((struct bytes){got.plain, got.len}, got.m.sk_first, &got.m), MSG_OK);
	got.n++;
	return false;
}

static void answer(uint16_t notify)
{
	struct ike_sa *sa = A->ike->sas;
	struct ike_hdr h = {.spi_i = sa_spi_i(sa),
			    .spi_r = sa_spi_r(sa),
			    .version = 0x20,
			    .exchange = CREATE_CHILD_SA,
			    .flags = IKE_FLAG_RESPONSE,
			    .msgid = sa->req.msgid};
	struct ike_packet in = {.local = sa->local, .remote = sa->remote};
	struct ike_keys keys = sa->keys;
	uint8_t buf[500];
	struct out o;

	keys.iv += 1000;
	out_begin(&o);
	out_notify(&o, notify);
	assert_int_equal(sk_seal(&keys, false, &h, PL_NOTIFY, (struct bytes){o.buf, o.w.w.len}, buf,
				 sizeof(buf), &in.len),
			 0);
	in.data = buf;
	ike_input(A->ike, &in, net.now);
}

static void assert_asked(const char *tsi, const char *tsr)
{
	struct ts_list l;
	char text[400];

	assert_int_equal(ts_decode(got.m.tsi, &l, NULL), 0);
	assert_string_equal(ts_list_str(&l, text, sizeof(text)), tsi);
	assert_int_equal(ts_decode(got.m.tsr, &l, NULL), 0);
	assert_string_equal(ts_list_str(&l, text, sizeof(text)), tsr);
}

static void single_pair(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 2), b = net_conf(NET_B, 2);

	a.children[1].start = b.children[1].start = false;
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	net_run(&net, 6 * NET_S);
	net.tap = hold;
	acquire(A, 2, 17, "10.1.1.9", 5000, "10.2.1.7", 53);
	net_run(&net, 50 * NET_MS);
	assert_int_equal(got.n, 1);
	assert_asked("10.1.1.9/32[udp/5000],10.1.1.0/24", "10.2.1.7/32[udp/53],10.2.1.0/24");
	answer(N_SINGLE_PAIR_REQUIRED);
	net_run(&net, 50 * NET_MS);
	assert_int_equal(got.n, 2);
	assert_asked("10.1.1.9/32", "10.2.1.7/32");
	assert_int_equal(net_counter(A, "single_pair"), 1);
	/* It insists: that is a failure, with the way out. */
	answer(N_SINGLE_PAIR_REQUIRED);
	assert_int_equal(A->last_reason.cause, IKE_CAUSE_TS_UNACCEPTABLE);
	assert_non_null(strstr(A->last_reason.hint, "one selector pair"));
	net_run(&net, 50 * NET_MS);
	assert_int_equal(got.n, 2);
	net.tap = NULL;
	net_run(&net, 20 * NET_S);
}

/* No packet was known: the next one that asks is what is asked for, at once. */
static void single_pair_without_packet(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 2), b = net_conf(NET_B, 2);

	a.children[1].start = b.children[1].start = false;
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	net_run(&net, 6 * NET_S);
	net.tap = hold;
	got.n = 0;
	ike_acquire(A->ike, 2, net.now);
	net_run(&net, 50 * NET_MS);
	assert_int_equal(got.n, 1);
	assert_asked("10.1.1.0/24", "10.2.1.0/24");
	answer(N_SINGLE_PAIR_REQUIRED);
	assert_int_equal(A->last_reason.cause, IKE_CAUSE_TS_UNACCEPTABLE);
	acquire(A, 2, 17, "10.1.1.9", 5000, "10.2.1.7", 53);
	net_run(&net, 50 * NET_MS);
	assert_int_equal(got.n, 2);
	assert_asked("10.1.1.9/32", "10.2.1.7/32");
	/* Refused again, it waits its time like anything else. */
	answer(N_SINGLE_PAIR_REQUIRED);
	acquire(A, 2, 17, "10.1.1.9", 5000, "10.2.1.7", 53);
	net_run(&net, 50 * NET_MS);
	assert_int_equal(got.n, 2);
	net.tap = NULL;
	net_run(&net, 20 * NET_S);
}

/* Agreed on with a real peer, the pair stays alone through a rekey. */
static void single_pair_is_rekeyed_as_such(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 2), b = net_conf(NET_B, 2);

	a.children[1].start = b.children[1].start = false;
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	net_run(&net, 6 * NET_S);
	net.tap = hold;
	acquire(A, 2, 17, "10.1.1.9", 5000, "10.2.1.7", 53);
	net_run(&net, 50 * NET_MS);
	net.tap = NULL;
	answer(N_SINGLE_PAIR_REQUIRED);
	/* B did not see the request that this answers: let it have that message ID. */
	B->ike->sas->msgid_in++;
	net_run(&net, NET_S);
	assert_ts(A, 2, "10.1.1.9/32", "10.2.1.7/32");
	for (unsigned i = 0; i < 2; i++) {
		ike_child_expire(A->ike, child_of(A, 2)->sa.spi_in, false, net.now);
		net_run(&net, 10 * NET_S);
		assert_ts(A, 2, "10.1.1.9/32", "10.2.1.7/32");
	}
	assert_int_equal(net_counter(A, "child_rekey"), 2);
	net_check_pairs(&net);
}

/* ---- transport mode (RFC 7296 1.3.1, 2.23.1) ----------------------------------------------------------------- */

static void modes(struct ike_gw_conf *a, struct ike_gw_conf *b, bool ta, bool tb)
{
	a->children[0].transport = ta;
	b->children[0].transport = tb;
	pair(&a->children[0], "192.0.2.1/32", net.nat[NET_B].on ? "198.51.100.2/32" : "192.0.2.2/32");
	pair(&b->children[0], "192.0.2.2/32", net.nat[NET_A].on ? "198.51.100.1/32" : "192.0.2.1/32");
	b->children[0].start = false;
	net_set(&net, NET_B, b);
	net_set(&net, NET_A, a);
}

static void transport_mode(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);

	modes(&a, &b, true, true);
	assert_true(net_until(&net, net_up, NET_S));
	net_check_pairs(&net);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(child_of(A, 1)->sa.transport && child_of(B, 1)->sa.transport);
		ike_child_expire((i & 1 ? B : A)->ike, child_of(i & 1 ? B : A, 1)->sa.spi_in, false, net.now);
		net_run(&net, 20 * NET_S);
		assert_int_equal(net_children(A), 1);
		assert_int_equal(net_counter(A, "child_rekey") + net_counter(B, "child_rekey"), 2 * (i + 1));
	}
}

/* Whoever wants transport mode does not do with less, and leaves nothing at the peer that agreed to that. */
static void mode_differs(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);
		struct net_host *wants = i & 1 ? A : B;

		net_end(&net);
		net_init(&net, 1);
		if (i & 2) { /* a further Child SA, not the first */
			a.children[0].start = false;
			modes(&a, &b, i & 1, !(i & 1));
			ike_test_ike_sa(A->ike, NULL, net.now, NULL);
			net_run(&net, NET_S);
			ike_test_ipsec_sa(A->ike, NULL, net.now, NULL);
		} else {
			modes(&a, &b, i & 1, !(i & 1));
		}
		net_run(&net, 700 * NET_MS);
		assert_int_equal(net_children(A), 0);
		assert_int_equal(net_children(B), 0);
		assert_int_equal(net_sas(A), 1);
		assert_int_equal(wants->last_reason.cause, IKE_CAUSE_UNSUPPORTED);
		assert_non_null(strstr(wants->last_reason.text,
				       wants == A ? "agrees to tunnel mode only" : "asks for tunnel mode"));
		assert_non_null(strstr(wants->last_reason.hint, "ipsec-mode"));
		assert_int_equal(A->last_reason.cause,
				 wants == A ? IKE_CAUSE_UNSUPPORTED : IKE_CAUSE_NO_PROPOSAL);
	}
}

/* Each end's selectors name the addresses that its packets have. */
static void transport_behind_nat(void **state)
{
	for (unsigned i = 1; i < 4; i++) {
		struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);
		const char *out_a = i & 1 ? "198.51.100.1/32" : "192.0.2.1/32";
		const char *out_b = i & 2 ? "198.51.100.2/32" : "192.0.2.2/32";

		net_end(&net);
		net_init(&net, 1);
		a.local_id = b.remote_id = (struct ike_id){ID_FQDN, 9, "a.example"};
		b.local_id = a.remote_id = (struct ike_id){ID_FQDN, 9, "b.example"};
		if (i & 1)
			net_nat(&net, NET_A, false);
		if (i & 2)
			net_nat(&net, NET_B, true);
		if (i & 1)
			b.remote = net.nat[NET_A].outside;
		if (i & 2)
			a.remote = net.nat[NET_B].outside;
		modes(&a, &b, true, true);
		assert_true(net_until(&net, net_up, 5 * NET_S));
		assert_true(child_of(A, 1)->sa.transport && child_of(A, 1)->sa.udp_encap);
		assert_ts(A, 1, "192.0.2.1/32", out_b);
		assert_ts(B, 1, "192.0.2.2/32", out_a);
	}
}

/* Of proxy-IDs that lie in one another the one that is just what was asked for, wherever it stands. */
static void just_what_was_asked_for(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 3);

		net_end(&net);
		net_init(&net, 1);
		b.children[0].start = b.children[1].start = b.children[2].start = false;
		pair(&a.children[0], "10.1.1.0/24", "10.2.1.0/24");
		pair(&b.children[i], "10.2.0.0/16", "10.1.0.0/16");
		pair(&b.children[1 - i], "10.2.1.0/24", "10.1.1.0/24");
		pair(&b.children[2], "10.2.0.0/16,10.9.0.0/16", "10.1.0.0/16");
		net_set(&net, NET_B, &b);
		net_set(&net, NET_A, &a);
		assert_true(net_until(&net, net_up, NET_S));
		assert_non_null(child_of(B, 2 - i));
		net_check_pairs(&net);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, net_setup, net_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(lists_of_both_families),
		T(families_that_do_not_meet),
		T(packet_goes_first),
		T(packet_that_does_not_count),
		T(just_what_was_asked_for),
		T(single_pair),
		T(single_pair_is_rekeyed_as_such),
		T(single_pair_without_packet),
		T(transport_mode),
		T(mode_differs),
		T(transport_behind_nat),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
