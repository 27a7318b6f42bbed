/* SPDX-License-Identifier: Apache-2.0 */
/* IKE messages in fragments (RFC 7383): between two engines, and from a peer that has the keys and bad manners. */
#include "net_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "frag.h"
#include "xchg.h"

/* An identity that makes IKE_AUTH large. */
static void long_id(struct ike_id *id, char fill)
{
	id->type = ID_KEY_ID;
	id->len = IKE_ID_MAX;
	memset(id->data, fill, IKE_ID_MAX);
}

static void both(uint16_t size_a, uint16_t size_b)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);

	a.fragment_size = size_a;
	b.fragment_size = size_b;
	long_id(&a.local_id, 'a');
	long_id(&a.remote_id, 'b');
	long_id(&b.local_id, 'b');
	long_id(&b.remote_id, 'a');
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
}

/* ---- two engines ------------------------------------------------------------------------------------------- */

struct seen {
	size_t largest;      /* protected message, IP and UDP headers and the non-ESP marker included */
	unsigned drop_below; /* drop this many protected messages to A */
};

static bool watch(struct net *n, struct net_packet *p, void *arg)
{
	struct seen *s = arg;

	if (p->data[18] == IKE_SA_INIT)
		return true;
	if (p->len + 20 + 8 + 4 > s->largest)
		s->largest = p->len + 20 + 8 + 4;
	if (p->to == NET_A && s->drop_below) {
		s->drop_below--;
		return false;
	}
	return true;
}

static void nothing_larger_than_agreed(void **state)
{
	static const uint16_t sizes[] = {256, 300, 576};
	struct seen s;

	for (unsigned i = 0; i < 3; i++) {
		s = (struct seen){0};
		net_end(&net);
		net_init(&net, i);
		net.tap = watch;
		net.tap_arg = &s;
		both(sizes[i], sizes[i]);
		assert_true(net_until(&net, net_up, NET_S));
		net_check_pairs(&net);
		assert_int_equal(net_counter(A, "tx_fragmented"), 1);
		assert_int_equal(net_counter(B, "tx_fragmented"), sizes[i] < 576);
		assert_int_equal(net_counter(B, "rx_fragmented"), 1);
		assert_int_equal(net_counter(A, "rx_fragmented"), sizes[i] < 576);
		assert_in_range(s.largest, sizes[i] - 32, sizes[i]);
	}
}

static void only_if_both_have_it(void **state)
{
	struct seen s = {0};

	net.tap = watch;
	net.tap_arg = &s;
	both(300, 0);
	assert_true(net_until(&net, net_up, NET_S));
	assert_int_equal(net_counter(A, "tx_fragmented") + net_counter(B, "tx_fragmented"), 0);
	assert_true(s.largest > 300);
}

static void each_cuts_as_it_likes(void **state)
{
	both(256, 400);
	assert_true(net_until(&net, net_up, NET_S));
	net_check_pairs(&net);
	assert_int_equal(net_counter(A, "rx_fragmented"), 1);
	assert_int_equal(net_counter(B, "rx_fragmented"), 1);
}

static void loss_duplication_reordering(void **state)
{
	for (unsigned seed = 1; seed <= 40; seed++) {
		net_end(&net);
		net_init(&net, seed);
		net.loss = 20;
		net.dup = 20;
		net.jitter = 500 * NET_MS;
		both(256, 300);
		if (!net_until(&net, net_up, 200 * NET_S))
			fail_msg("seed %u", seed);
		net.loss = 0;
		net_run(&net, 60 * NET_S);
		net_check_pairs(&net);
		assert_true(net_counter(B, "rx_fragmented"));
	}
}

/* Keys come from IKE_SA_INIT, the agreement on fragments as well: a rekeyed SA has it still. */
static void rekeyed_sa_has_it(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);

	a.lifetime_s = 100;
	a.fragment_size = b.fragment_size = 256;
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	assert_true(net_until(&net, net_up, NET_S));
	net_run(&net, 95 * NET_S);
	assert_int_equal(net_counter(A, "ike_rekey"), 1);
	for (struct ike_sa *sa = A->ike->sas; sa; sa = sa->hh.next)
		assert_true(sa->fragmentation);
	for (unsigned i = 0; i < NET_CHILDREN; i++)
		if (A->child[i].used && A->child[i].active)
			ike_child_expire(A->ike, A->child[i].sa.spi_in, false, net.now);
	net_run(&net, NET_S);
	assert_int_equal(net_counter(A, "child_rekey"), 1);
	net_check_pairs(&net);
}

/* The whole answer is lost.  Of the request that comes again only the first fragment is answered. */
static void answer_is_resent_once(void **state)
{
	struct seen s = {.drop_below = 3};

	net.tap = watch;
	net.tap_arg = &s;
	both(256, 256);
	assert_false(net_until(&net, net_up, NET_S / 2));
	assert_int_equal(s.drop_below, 0);
	assert_true(net_until(&net, net_up, 2 * NET_S));
	assert_int_equal(net_counter(A, "tx_retransmit"), 1);
	assert_int_equal(net_counter(B, "tx_cached"), 1);
	assert_true(net_counter(B, "drop_msgid_old"));
	assert_int_equal(net_counter(B, "rx_fragmented"), 1);
}

/* ---- A writes its fragments by hand ------------------------------------------------------------------------ */

struct cut {
	uint8_t data[4000];
	size_t len;
};

/* A request with `len` bytes of vendor ID inside, as the next of A, cut into so many. */
static void cut(struct cut *c, unsigned total, size_t len)
{
	struct ike_sa *sa = A->ike->sas;
	struct ike_hdr h = {.spi_i = sa_spi_i(sa),
			    .spi_r = sa_spi_r(sa),
			    .version = 0x20,
			    .exchange = sa->state == SA_UP ? INFORMATIONAL : IKE_AUTH,
			    .flags = IKE_FLAG_INITIATOR,
			    .msgid = sa->state == SA_UP ? sa->msgid_out : 1};
	size_t each = (len + total - 1) / total;
	uint8_t vendor[3000];
	struct out o;

	out_begin(&o);
	memset(vendor, 'v', sizeof(vendor));
	msg_wr_bytes(&o.w, PL_VENDOR, vendor, len - IKE_PAYLOAD_HDR);
	assert_int_equal(o.w.w.len, len);
	for (unsigned i = 0; i < total; i++) {
		size_t n = i + 1 < total ? each : len - each * (total - 1);
		struct wr w = wr_of(c[i].data, sizeof(c[i].data));

		assert_int_equal(
			sk_seal_part(&sa->keys, true, &h, PL_VENDOR,
				     (struct sk_part){.num = (uint16_t)(i + 1), .total = (uint16_t)total},
				     (struct bytes){o.buf + i * each, n}, &w),
			0);
		c[i].len = w.len;
	}
}

static void give_to(struct net_host *h, const struct cut *c)
{
	struct endpoint l = {.port = 500}, r = {.port = 500};
	struct ike_packet p = {.data = c->data, .len = c->len};

	addr_parse("192.0.2.2", &l.a);
	addr_parse("192.0.2.1", &r.a);
	p.local = l;
	p.remote = r;
	ike_input(h->ike, &p, net.now);
}

static void give(const struct cut *c)
{
	give_to(B, c);
}

static uint32_t msgid_in(void)
{
	return B->ike->sas->msgid_in;
}

static struct cut c3[3], c4[4], c5[5], c65[65];

static void up(void)
{
	both(1280, 1280);
	assert_true(net_until(&net, net_up, NET_S));
	net_run(&net, 5 * NET_S);
}

static void any_order(void **state)
{
	static const unsigned orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

	up();
	for (unsigned i = 0; i < 6; i++) {
		uint32_t before = msgid_in();

		A->ike->sas->msgid_out = before;
		cut(c3, 3, 100 + i);
		for (unsigned k = 0; k < 3; k++) {
			assert_int_equal(msgid_in(), before);
			give(&c3[orders[i][k]]);
			if (k < 2)
				give(&c3[orders[i][k]]);
		}
		assert_int_equal(msgid_in(), before + 1);
		assert_null(B->ike->sas->frag[0]);
		assert_int_equal(net_counter(B, "drop_fragment_again"), 2 * (i + 1));
	}
	assert_int_equal(net_counter(B, "bad_inner"), 0);
}

/* A sender that cuts anew makes more of them (RFC 7383 2.5.2, 2.6): what was there goes, stragglers do not count. */
static void cut_anew(void **state)
{
	uint32_t before;

	up();
	before = msgid_in();
	A->ike->sas->msgid_out = before;
	cut(c3, 3, 200);
	cut(c4, 4, 200);
	give(&c3[0]);
	give(&c3[1]);
	give(&c4[2]);
	give(&c3[2]);
	assert_int_equal(msgid_in(), before);
	assert_int_equal(net_counter(B, "drop_fragment_again"), 1);
	give(&c4[0]);
	give(&c4[1]);
	give(&c4[3]);
	assert_int_equal(msgid_in(), before + 1);
	/* Answered, and asked again in a third cut: the first fragment gets the answer, if it verifies. */
	cut(c5, 5, 200);
	give(&c5[1]);
	assert_int_equal(net_counter(B, "tx_cached"), 0);
	give(&c5[0]);
	assert_int_equal(net_counter(B, "tx_cached"), 1);
	c5[0].data[c5[0].len - 1] ^= 1;
	give(&c5[0]);
	assert_int_equal(net_counter(B, "tx_cached"), 1);
	assert_int_equal(msgid_in(), before + 1);
}

/* Whatever byte is wrong, the fragment is not kept, and the right one does its work. */
static void forged(void **state)
{
	uint32_t before;

	up();
	before = msgid_in();
	A->ike->sas->msgid_out = before;
	cut(c3, 3, 90);
	for (unsigned i = 0; i < 3; i++) {
		for (size_t at = 0; at < c3[i].len; at++) {
			c3[i].data[at] ^= (uint8_t)(1u << (at % 8));
			give(&c3[i]);
			assert_int_equal(msgid_in(), before);
			c3[i].data[at] ^= (uint8_t)(1u << (at % 8));
			assert_int_equal(B->ike->sas->frag[0] ? B->ike->sas->frag[0]->have : 0, i);
		}
		give(&c3[i]);
	}
	assert_int_equal(msgid_in(), before + 1);
	assert_true(net_counter(B, "drop_integrity") > 100);
}

static void too_many(void **state)
{
	uint32_t before;

	up();
	before = msgid_in();
	A->ike->sas->msgid_out = before;
	cut(c65, 65, 650);
	for (unsigned i = 0; i < 65; i++)
		give(&c65[i]);
	assert_int_equal(net_counter(B, "drop_fragment_limit"), 65);
	assert_null(B->ike->sas->frag[0]);
	assert_int_equal(msgid_in(), before);
	cut(c65, 64, 640);
	for (unsigned i = 0; i < 64; i++)
		give(&c65[i]);
	assert_int_equal(msgid_in(), before + 1);
}

static void the_rest_never_comes(void **state)
{
	up();
	A->ike->sas->msgid_out = msgid_in();
	cut(c3, 3, 90);
	give(&c3[0]);
	give(&c3[2]);
	assert_int_equal(B->ike->sas->frag[0]->have, 2);
	net_run(&net, (FRAG_WAIT_S + 1) * NET_S);
	assert_int_equal(net_counter(B, "fragment_timeout"), 1);
	assert_int_equal(B->ike->sas->frag[0]->have, 0);
}

static void not_agreed_on(void **state)
{
	both(1280, 0);
	assert_true(net_until(&net, net_up, NET_S));
	net_run(&net, 5 * NET_S);
	A->ike->sas->msgid_out = msgid_in();
	cut(c3, 3, 90);
	give(&c3[0]);
	assert_int_equal(net_counter(B, "drop_fragment_unasked"), 1);
	assert_null(B->ike->sas->frag[0]);
}

/* ---- peers not authenticated ------------------------------------------------------------------------------- */

static bool no_auth(struct net *n, struct net_packet *p, void *arg)
{
	return p->data[18] != IKE_AUTH;
}

static size_t held(void)
{
	return B->ike->fragment_bytes;
}

/* Many that made a key exchange and then send fragments that are never complete share what memory there is. */
static void half_open_memory(void **state)
{
	struct ike_tuning t = *ike_tuning(B->ike);
	size_t most = 0;

	t.fragment_bytes = 20000;
	ike_tune(B->ike, &t);
	net.tap = no_auth;
	both(1280, 1280);
	for (unsigned i = 0; i < 20; i++) {
		net_run(&net, 50 * NET_MS);
		assert_int_equal(A->ike->sas->state, SA_AUTH_SENT);
		cut(c3, 3, 3000);
		give(&c3[0]);
		give(&c3[1]);
		if (held() > most)
			most = held();
		ike_free(A->ike);
		A->ike = ike_new(&A->vt, A, net.now);
		{
			struct ike_gw_conf a = net_conf(NET_A, 1);

			long_id(&a.local_id, 'a');
			long_id(&a.remote_id, 'b');
			net_set(&net, NET_A, &a);
		}
	}
	assert_in_range(most, 16000, 20000);
	assert_true(net_counter(B, "drop_fragment_memory"));
	net_run(&net, 40 * NET_S);
	assert_int_equal(held(), 0);
	assert_null(B->ike->fragments);
}

#define T(f) cmocka_unit_test_setup_teardown(f, net_setup, net_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(nothing_larger_than_agreed),
		T(only_if_both_have_it),
		T(each_cuts_as_it_likes),
		T(loss_duplication_reordering),
		T(rekeyed_sa_has_it),
		T(answer_is_resent_once),
		T(any_order),
		T(cut_anew),
		T(forged),
		T(too_many),
		T(the_rest_never_comes),
		T(not_agreed_on),
		T(half_open_memory),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
