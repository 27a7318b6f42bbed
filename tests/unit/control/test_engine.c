/* SPDX-License-Identifier: Apache-2.0 */
/* Two engines: bring-up in every way, and every way of failing with its reason. */
#include "net_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void up(unsigned children)
{
	net_both(children);
	assert_true(net_until(&net, net_up, 20 * NET_S));
	net_run(&net, 5 * NET_S);
	net_check_pairs(&net);
}

/* ---- bring-up --------------------------------------------------------------------------------------------- */

static void a_initiates(void **state)
{
	up(1);
	assert_int_equal(net_sas(A), 1);
	assert_int_equal(net_sas(B), 1);
	assert_int_equal(net_children(A), 1);
	assert_int_equal(net_children(B), 1);
	assert_int_equal(A->events[IKE_EV_IKE_UP], 1);
	assert_int_equal(B->events[IKE_EV_IKE_UP], 1);
	assert_int_equal(A->events[IKE_EV_CHILD_UP], 1);
	assert_int_equal(A->events[IKE_EV_IKE_FAIL], 0);
	assert_int_equal(net.sent, 4);
}

static void b_initiates_by_traffic(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 2), b = net_conf(NET_B, 2);

	a.children[0].start = a.children[1].start = false;
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	net_run(&net, 10 * NET_S);
	assert_int_equal(net.sent, 0);
	ike_acquire(B->ike, 2, net.now);
	ike_acquire(B->ike, 2, net.now);
	net_run(&net, 5 * NET_S);
	assert_int_equal(net_children(A), 1);
	assert_int_equal(net_children(B), 1);
	assert_int_equal(net.sent, 4);
	ike_acquire(B->ike, 1, net.now);
	net_run(&net, 5 * NET_S);
	assert_int_equal(net_children(A), 2);
	assert_int_equal(net.sent, 6);
	net_check_pairs(&net);
}

static void both_initiate_at_once(void **state)
{
	for (unsigned seed = 1; seed <= 20; seed++) {
		struct ike_gw_conf a = net_conf(NET_A, 3), b = net_conf(NET_B, 3);
		unsigned up_a, up_b;

		net_end(&net);
		net_init(&net, seed);
		net.jitter = seed * 3 * NET_MS;
		for (unsigned i = 0; i < 3; i++)
			b.children[i].start = true;
		net_set(&net, NET_B, &b);
		net_set(&net, NET_A, &a);
		net_run(&net, 60 * NET_S);
		assert_true(net_up(&net));
		net_check_pairs(&net);
		/* The duplicate went, and nothing flaps. */
		assert_int_equal(net_sas(A), 1);
		assert_int_equal(net_sas(B), 1);
		up_a = A->events[IKE_EV_IKE_UP];
		up_b = B->events[IKE_EV_IKE_UP];
		assert_true(up_a <= 2 && up_b <= 2);
		net_run(&net, 600 * NET_S);
		assert_int_equal(A->events[IKE_EV_IKE_UP], up_a);
		assert_int_equal(B->events[IKE_EV_IKE_UP], up_b);
		assert_true(net_up(&net));
	}
}

static void suites(void **state)
{
	static const struct {
		uint16_t encr, bits, integ, prf, dh;
	} v[] = {
		{ENCR_AES_CBC, 128, AUTH_HMAC_SHA1_96, PRF_HMAC_SHA1, DH_MODP2048},
		{ENCR_AES_CBC, 192, AUTH_HMAC_SHA2_256_128, PRF_HMAC_SHA2_256, DH_ECP256},
		{ENCR_AES_CBC, 256, AUTH_HMAC_SHA2_384_192, PRF_HMAC_SHA2_384, DH_ECP384},
		{ENCR_AES_CBC, 256, AUTH_HMAC_SHA2_512_256, PRF_HMAC_SHA2_512, DH_ECP521},
		{ENCR_AES_GCM_16, 128, 0, PRF_HMAC_SHA2_256, DH_MODP3072},
		{ENCR_AES_GCM_16, 256, 0, PRF_HMAC_SHA2_512, DH_CURVE25519},
	};

	for (unsigned i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct ike_gw_conf c[2] = {net_conf(NET_A, 2), net_conf(NET_B, 2)};

		net_end(&net);
		net_init(&net, i + 1);
		for (int s = 1; s >= 0; s--) {
			c[s].ike = (struct ike_algs){.n_encr = 1, .n_prf = 1, .n_dh = 1};
			c[s].ike.encr[0] = (struct ike_alg){v[i].encr, v[i].bits};
			c[s].ike.n_integ = v[i].integ != 0;
			c[s].ike.integ[0] = v[i].integ;
			c[s].ike.prf[0] = v[i].prf;
			c[s].ike.dh[0] = v[i].dh;
			/* PFS, with the same group, for the second child. */
			for (unsigned k = 0; k < 2; k++) {
				c[s].children[k].esp.n_dh = 1;
				c[s].children[k].esp.dh[0] = v[i].dh;
			}
			net_set(&net, s, &c[s]);
		}
		assert_true(net_until(&net, net_up, 10 * NET_S));
		net_check_pairs(&net);
	}
}

static void lossy(void **state)
{
	for (unsigned seed = 1; seed <= 60; seed++) {
		net_end(&net);
		net_init(&net, seed);
		net.loss = 30;
		net.dup = 30;
		net.jitter = 1500 * NET_MS;
		net_both(3);
		assert_true(net_until(&net, net_up, 1000 * NET_S));
		net.loss = net.dup = 0;
		net.jitter = 0;
		net_run(&net, 200 * NET_S);
		assert_true(net_up(&net));
		net_check_pairs(&net);
	}
}

static void two_hundred_proxy_ids(void **state)
{
	up(200);
	assert_int_equal(net_sas(A), 1);
	assert_int_equal(net_children(A), 200);
	assert_int_equal(net_children(B), 200);
}

static void identities(void **state)
{
	static const struct ike_id ids[] = {
		{ID_FQDN, 9, "a.example"},
		{ID_RFC822_ADDR, 11, "a@a.example"},
		{ID_KEY_ID, 4, {0, 1, 0xff, 0}},
		{ID_IPV4_ADDR, 4, {10, 9, 8, 7}},
	};

	for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);

		net_end(&net);
		net_init(&net, 1);
		a.local_id = b.remote_id = ids[i];
		a.remote_id = b.local_id = ids[(i + 1) % 4];
		net_set(&net, NET_B, &b);
		net_set(&net, NET_A, &a);
		assert_true(net_until(&net, net_up, 5 * NET_S));
	}
}

static void ke_retry(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 2), b = net_conf(NET_B, 2);

	a.ike.n_dh = 2;
	a.ike.dh[0] = DH_ECP256;
	a.ike.dh[1] = DH_ECP384;
	b.ike.dh[0] = DH_ECP384;
	for (unsigned i = 0; i < 2; i++) {
		a.children[i].esp.n_dh = 2;
		a.children[i].esp.dh[0] = DH_ECP256;
		a.children[i].esp.dh[1] = DH_CURVE25519;
		b.children[i].esp.n_dh = 1;
		b.children[i].esp.dh[0] = DH_CURVE25519;
	}
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	assert_true(net_until(&net, net_up, 5 * NET_S));
	net_check_pairs(&net);
	/* One for IKE_SA_INIT, one for the second child; without any delay for retransmission. */
	assert_int_equal(net_counter(A, "ke_retry"), 2);
	assert_int_equal(net_counter(A, "tx_retransmit"), 0);
	assert_int_equal(net.sent, 10);
}

static void cookie(void **state)
{
	struct ike_tuning t = *ike_tuning(B->ike);

	t.cookie_threshold = 0;
	ike_tune(B->ike, &t);
	up(1);
	assert_int_equal(net_counter(B, "cookie_sent"), 1);
	assert_int_equal(net_counter(A, "cookie_answered"), 1);
}

static void without_child(void **state)
{
	net_both(0);
	assert_int_equal(ike_test_ike_sa(A->ike, "GW-A", net.now, NULL), 1);
	net_run(&net, 5 * NET_S);
	assert_int_equal(net_sas(A), 1);
	assert_int_equal(net_sas(B), 1);
	assert_int_equal(net_children(A) + net_children(B), 0);
}

static void peer_without_address(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1), other = net_conf(NET_B, 1);

	a.local_id = b.remote_id = (struct ike_id){ID_FQDN, 9, "a.example"};
	other.remote_id = (struct ike_id){ID_FQDN, 9, "x.example"};
	b.remote = other.remote = (struct addr){0};
	snprintf(other.name, sizeof(other.name), "other");
	other.children[0].policy = 77;
	net_set(&net, NET_B, &other);
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	assert_true(net_until(&net, net_up, 5 * NET_S));
	net_check_pairs(&net);
	/* It cannot be reached by ourselves. */
	assert_int_equal(ike_test_ike_sa(B->ike, "other", net.now, NULL), -EPERM);
}

/* ---- NAT ---------------------------------------------------------------------------------------------------- */

struct nat_seen {
	bool local, remote, encap;
	uint16_t port;
};

static bool see_nat(void *arg, const struct ike_sa_info *i)
{
	*(struct nat_seen *)arg = (struct nat_seen){i->nat_local, i->nat_remote, i->udp_encap, i->local.port};
	return false;
}

static struct nat_seen nat_of(struct net_host *h)
{
	struct nat_seen s = {0};

	ike_each_sa(h->ike, see_nat, &s);
	return s;
}

static void nat_configure(struct ike_gw_conf *a, struct ike_gw_conf *b)
{
	a->local_id = b->remote_id = (struct ike_id){ID_FQDN, 9, "a.example"};
	b->local_id = a->remote_id = (struct ike_id){ID_FQDN, 9, "b.example"};
	if (net.nat[NET_A].on)
		b->remote = (struct addr){0};
	if (net.nat[NET_B].on)
		a->remote = net.nat[NET_B].outside;
}

static void nat_run(enum ike_natt natt_a, enum ike_natt natt_b)
{
	struct ike_gw_conf a = net_conf(NET_A, 2), b = net_conf(NET_B, 2);

	nat_configure(&a, &b);
	a.natt = natt_a;
	b.natt = natt_b;
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	assert_true(net_until(&net, net_up, 5 * NET_S));
	net_check_pairs(&net);
}

static void no_nat(void **state)
{
	nat_run(IKE_NATT_AUTO, IKE_NATT_AUTO);
	assert_false(nat_of(A).encap);
	assert_int_equal(nat_of(A).port, 500);
	net_run(&net, 100 * NET_S);
	assert_int_equal(net.keepalives, 0);
}

static void nat_a(void **state)
{
	net_nat(&net, NET_A, false);
	nat_run(IKE_NATT_AUTO, IKE_NATT_AUTO);
	assert_true(nat_of(A).encap && nat_of(B).encap);
	assert_true(nat_of(A).local && !nat_of(A).remote && nat_of(B).remote && !nat_of(B).local);
	assert_int_equal(nat_of(A).port, 4500);
	assert_int_equal(nat_of(B).port, 4500);
	A->traffic = B->traffic = true; /* no DPD traffic in the way of the keepalives */
	net_run(&net, 100 * NET_S);
	assert_in_range(net.keepalives, 4, 6);
}

static void nat_b(void **state)
{
	net_nat(&net, NET_B, true);
	nat_run(IKE_NATT_AUTO, IKE_NATT_AUTO);
	assert_true(nat_of(B).local && nat_of(A).remote && nat_of(A).encap && nat_of(B).encap);
}

static void nat_both(void **state)
{
	net_nat(&net, NET_A, false);
	net_nat(&net, NET_B, true);
	nat_run(IKE_NATT_AUTO, IKE_NATT_AUTO);
	assert_true(nat_of(A).local && nat_of(A).remote && nat_of(B).local && nat_of(B).remote);
}

static void nat_forced(void **state)
{
	nat_run(IKE_NATT_AUTO, IKE_NATT_FORCE);
	assert_true(nat_of(A).encap && nat_of(B).encap);
	assert_int_equal(nat_of(A).port, 4500);
}

static void nat_off(void **state)
{
	nat_run(IKE_NATT_OFF, IKE_NATT_AUTO);
	assert_false(nat_of(A).encap || nat_of(B).encap);
}

static void nat_mapping_moves(void **state)
{
	net_nat(&net, NET_A, false);
	nat_run(IKE_NATT_AUTO, IKE_NATT_AUTO);
	net.nat[NET_A].n = 0; /* every mapping forgotten */
	net.nat[NET_A].next_port = 30000;
	net_run(&net, 60 * NET_S); /* DPD of A goes out of the new one */
	assert_int_equal(B->events[IKE_EV_PEER_MOVED], 1);
	assert_int_equal(A->events[IKE_EV_PEER_DEAD], 0);
	assert_true(net_up(&net));
	for (unsigned i = 0; i < NET_CHILDREN; i++)
		if (B->child[i].used)
			assert_int_equal(B->child[i].sa.remote.port, 30000);
}

/* ---- failures ------------------------------------------------------------------------------------------------- */

static void assert_has(const char *text, const char *word)
{
	if (!strstr(text, word))
		fail_msg("\"%s\" does not say \"%s\"", text, word);
}

static void wrong_psk(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);

	a.psk[3] ^= 1;
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	net_run(&net, 30 * NET_S);
	assert_int_equal(net_sas(A) + net_sas(B), 0);
	assert_int_equal(net_gw_failure(A)->cause, IKE_CAUSE_AUTH_FAILED);
	assert_true(net_gw_failure(A)->reported_by_peer);
	assert_has(net_gw_failure(A)->hint, "pre-shared key mismatch");
	assert_int_equal(net_gw_failure(B)->cause, IKE_CAUSE_AUTH_FAILED);
	assert_false(net_gw_failure(B)->reported_by_peer);
	assert_has(net_gw_failure(B)->text, "pre-shared key");
	assert_has(net_gw_failure(B)->theirs, "192.0.2.1");
	assert_int_equal(net_child_failure(A, 0)->cause, IKE_CAUSE_AUTH_FAILED);
	assert_true(A->events[IKE_EV_IKE_FAIL] > 1); /* tried again */
	/* Corrected, it comes up and the failure is history. */
	b = net_conf(NET_B, 1);
	b.psk[3] ^= 1;
	net_set(&net, NET_B, &b);
	assert_true(net_until(&net, net_up, 70 * NET_S));
	assert_int_equal(net_gw_failure(A)->cause, IKE_CAUSE_NONE);
	assert_int_equal(net_child_failure(A, 0)->cause, IKE_CAUSE_NONE);
	net_check_pairs(&net);
}

static void wrong_id_of_initiator(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);

	a.local_id = (struct ike_id){ID_FQDN, 9, "a.example"};
	b.remote_id = (struct ike_id){ID_FQDN, 9, "b.example"};
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	net_run(&net, 5 * NET_S);
	assert_int_equal(net_sas(A) + net_sas(B), 0);
	assert_int_equal(net_gw_failure(B)->cause, IKE_CAUSE_ID_MISMATCH);
	assert_has(net_gw_failure(B)->ours, "b.example");
	assert_has(net_gw_failure(B)->theirs, "a.example");
	assert_int_equal(net_gw_failure(A)->cause, IKE_CAUSE_AUTH_FAILED);
}

/* The same to read, of another type: that is what differs, whoever finds it. */
static void id_of_another_type(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);
	const struct ike_reason *r;

	a.local_id = (struct ike_id){ID_KEY_ID, 9, "a.example"};
	b.remote_id = (struct ike_id){ID_FQDN, 9, "A.example"};
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	net_run(&net, 5 * NET_S);
	r = net_gw_failure(B);
	assert_int_equal(r->cause, IKE_CAUSE_ID_MISMATCH);
	assert_string_equal(r->text,
			    "peer's identity is the keyid A.example, and peer-id the fqdn of the same "
			    "text: the type differs");
	assert_int_equal(r->n_diff, 1);
	assert_string_equal(r->diff[0].ours, "fqdn");
	assert_string_equal(r->diff[0].theirs, "keyid");
}

static void responder_id_of_another_type(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);

	a.remote_id = (struct ike_id){ID_FQDN, 9, "192.0.2.2"};
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	net_run(&net, NET_S / 2);
	assert_int_equal(net_gw_failure(A)->cause, IKE_CAUSE_ID_MISMATCH);
	assert_string_equal(net_gw_failure(A)->text,
			    "peer's identity is the ipaddr 192.0.2.2, and peer-id the fqdn "
			    "of the same text: the type differs");
}

static void wrong_id_of_responder(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);

	a.remote_id = (struct ike_id){ID_FQDN, 9, "x.example"};
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	net_run(&net, NET_S / 2);
	assert_int_equal(net_gw_failure(A)->cause, IKE_CAUSE_ID_MISMATCH);
	assert_has(net_gw_failure(A)->ours, "x.example");
	assert_has(net_gw_failure(A)->theirs, "192.0.2.2");
	/* B had it up, and was told. */
	assert_int_equal(net_sas_all(B), 0);
	assert_int_equal(net_children(B), 0);
	/* By key it was proved: what A refuses is who B is, and whom it wants instead it said in IDr. */
	assert_int_equal(net_gw_failure(B)->cause, IKE_CAUSE_ID_MISMATCH);
	assert_has(net_gw_failure(B)->theirs, "x.example (fqdn)");
	assert_false(net_gw_failure(B)->reported_by_peer);
}

static void ike_proposal_mismatch(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);

	a.ike.encr[0].key_bits = 128;
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	net_run(&net, 4 * NET_S);
	assert_int_equal(net_gw_failure(B)->cause, IKE_CAUSE_NO_PROPOSAL);
	assert_has(net_gw_failure(B)->ours, "256");
	assert_has(net_gw_failure(B)->theirs, "128");
	assert_int_equal(net_gw_failure(A)->cause, IKE_CAUSE_NO_PROPOSAL);
	assert_true(net_gw_failure(A)->reported_by_peer);
	assert_int_equal(net_sas_all(B), 0);
}

static void no_common_group(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);

	a.ike.dh[0] = DH_ECP256;
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	net_run(&net, 4 * NET_S);
	assert_int_equal(net_gw_failure(A)->cause, IKE_CAUSE_NO_PROPOSAL);
	assert_int_equal(net_gw_failure(B)->cause, IKE_CAUSE_NO_PROPOSAL);
}

static void esp_proposal_mismatch(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);

	a.children[0].esp.encr[0].key_bits = 256;
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	net_run(&net, 3 * NET_S);
	/* The IKE SA stays up (RFC 7296 1.2). */
	assert_int_equal(net_sas(A), 1);
	assert_int_equal(net_sas(B), 1);
	assert_int_equal(net_children(A) + net_children(B), 0);
	assert_int_equal(net_child_failure(A, 0)->cause, IKE_CAUSE_NO_PROPOSAL);
	assert_int_equal(net_child_failure(B, 0)->cause, IKE_CAUSE_NO_PROPOSAL);
	assert_has(net_child_failure(B, 0)->theirs, "256");
	assert_has(net_child_failure(A, 0)->ours, "256");
	assert_int_equal(A->events[IKE_EV_CHILD_FAIL], 1);
}

static void pfs_mismatch(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 2), b = net_conf(NET_B, 2);

	for (unsigned i = 0; i < 2; i++) {
		a.children[i].esp.n_dh = b.children[i].esp.n_dh = 1;
		a.children[i].esp.dh[0] = DH_ECP256;
		b.children[i].esp.dh[0] = DH_ECP384;
	}
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	net_run(&net, 3 * NET_S);
	assert_int_equal(net_children(A), 1);
	assert_int_equal(net_child_failure(B, 1)->cause, IKE_CAUSE_NO_PROPOSAL);
	assert_has(net_child_failure(B, 1)->hint, "PFS");
}

/* With one Child SA only, which came with IKE_AUTH, nothing shows before its first rekey.  The SA lives on. */
static void pfs_mismatch_at_rekey(void **state)
{
	for (unsigned both = 0; both < 2; both++) {
		struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);

		net_end(&net);
		net_init(&net, 1);
		a.children[0].esp.n_dh = 1;
		a.children[0].esp.dh[0] = DH_ECP256;
		b.children[0].esp.n_dh = (uint8_t)both;
		b.children[0].esp.dh[0] = DH_ECP384;
		net_set(&net, NET_B, &b);
		net_set(&net, NET_A, &a);
		net_run(&net, 3 * NET_S);
		assert_int_equal(net_children(A), 1);
		assert_int_equal(ike_rekey_ipsec_sa(A->ike, NULL, net.now), 1);
		net_run(&net, 3 * NET_S);
		assert_int_equal(net_children(A), 1);
		assert_int_equal(net_child_failure(B, 0)->cause, IKE_CAUSE_NO_PROPOSAL);
		assert_has(net_child_failure(B, 0)->text, "dh-group (PFS): peer offers group19");
		assert_has(net_child_failure(B, 0)->text, both ? "group20" : "no-pfs");
		assert_has(net_child_failure(B, 0)->hint,
			   "PFS (dh-group) counts here, though not for the first");
		assert_int_equal(net_child_failure(A, 0)->cause, IKE_CAUSE_NO_PROPOSAL);
		assert_has(net_child_failure(A, 0)->ours, "group19");
		assert_has(net_child_failure(A, 0)->hint, "PFS");
	}
}

static void ts_case(const char *al, const char *ar, enum ike_ts_policy pa, const char *bl, const char *br,
		    enum ike_ts_policy pb)
{
	struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);

	net_ts(&a.children[0].local[0], al);
	net_ts(&a.children[0].remote[0], ar);
	net_ts(&b.children[0].local[0], bl);
	net_ts(&b.children[0].remote[0], br);
	a.children[0].ts_policy = pa;
	b.children[0].ts_policy = pb;
	net_set(&net, NET_B, &b);
	net_set(&net, NET_A, &a);
	net_run(&net, 3 * NET_S);
}

static void ts_disjoint(void **state)
{
	ts_case("10.1.0.0/16", "10.2.0.0/16", 0, "10.3.0.0/16", "10.1.0.0/16", 0);
	assert_int_equal(net_sas(A), 1);
	assert_int_equal(net_children(A) + net_children(B), 0);
	assert_int_equal(net_child_failure(B, 0)->cause, IKE_CAUSE_TS_UNACCEPTABLE);
	assert_has(net_child_failure(B, 0)->text, "disjoint");
	assert_has(net_child_failure(B, 0)->ours, "10.3.0.0/16");
	assert_has(net_child_failure(B, 0)->theirs, "10.2.0.0/16");
	assert_int_equal(net_child_failure(A, 0)->cause, IKE_CAUSE_TS_UNACCEPTABLE);
	assert_true(net_child_failure(A, 0)->reported_by_peer);
}

static void ts_mirrored(void **state)
{
	ts_case("10.1.0.0/16", "10.2.0.0/16", 0, "10.1.0.0/16", "10.2.0.0/16", 0);
	assert_has(net_child_failure(B, 0)->text, "mirrored");
}

static void ts_narrowed(void **state)
{
	ts_case("10.1.0.0/16", "10.2.0.0/16", 0, "10.2.7.0/24", "10.1.0.0/16", 0);
	assert_int_equal(net_children(A), 1);
	net_check_pairs(&net);
	assert_int_equal(A->child[0].sa.ts_remote.t[0].lo.b[2], 7);
}

static void ts_exact_responder(void **state)
{
	ts_case("10.1.0.0/16", "10.2.0.0/16", 0, "10.2.7.0/24", "10.1.0.0/16", IKE_TS_EXACT);
	assert_int_equal(net_children(A) + net_children(B), 0);
	assert_has(net_child_failure(B, 0)->text, "exact");
}

static void ts_exact_initiator(void **state)
{
	ts_case("10.1.0.0/16", "10.2.0.0/16", IKE_TS_EXACT, "10.2.7.0/24", "10.1.0.0/16", 0);
	assert_has(net_child_failure(A, 0)->text, "exact");
	/* B had it installed, and was told. */
	assert_int_equal(net_children(A) + net_children(B), 0);
}

static void no_answer(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 1);

	net_set(&net, NET_A, &a);
	B->dead = true;
	net_run(&net, 60 * NET_S);
	assert_int_equal(net_gw_failure(A)->cause, IKE_CAUSE_NO_ANSWER);
	assert_has(net_gw_failure(A)->hint, "500");
	assert_int_equal(net.sent >= 6, true);
	assert_int_equal(net_child_failure(A, 0)->cause, IKE_CAUSE_NO_ANSWER);
}

static bool third_and_later(struct net *n, struct net_packet *p, void *arg)
{
	return ++*(unsigned *)arg < 3;
}

static void silence_after_ike_sa_init(void **state)
{
	unsigned seen = 0;

	net.tap = third_and_later;
	net.tap_arg = &seen;
	net_both(1);
	net_run(&net, 25 * NET_S);
	assert_int_equal(A->n_spis, 1); /* held for the answer to IKE_AUTH */
	/* 47 s of retransmissions, 10 % jitter on each. */
	net_run(&net, 35 * NET_S);
	assert_int_equal(net_gw_failure(A)->cause, IKE_CAUSE_NO_ANSWER);
	assert_has(net_gw_failure(A)->hint, "IKE_AUTH");
	ike_clear_ike_sa(A->ike, NULL, net.now);
	assert_int_equal(A->n_spis, 0);
}

static void unknown_peer(void **state)
{
	struct ike_gw_conf a = net_conf(NET_A, 1);

	net_set(&net, NET_A, &a);
	net_run(&net, 5 * NET_S);
	assert_true(B->events[IKE_EV_UNKNOWN_PEER] > 0);
	assert_int_equal(net_gw_failure(A)->cause, IKE_CAUSE_NO_PROPOSAL);
	assert_int_equal(net_sas_all(B), 0);
}

static void data_plane_refuses(void **state)
{
	B->refuse_install = true;
	net_both(1);
	net_run(&net, 3 * NET_S);
	assert_int_equal(net_sas(A), 1);
	assert_int_equal(net_children(A), 0);
	assert_int_equal(net_child_failure(B, 0)->cause, IKE_CAUSE_INSTALL);
	B->refuse_install = false;
	assert_true(net_until(&net, net_up, 60 * NET_S));
	A->refuse_install = true;
	assert_int_equal(ike_clear_ipsec_sa(A->ike, NULL, net.now), 1);
	net_run(&net, 10 * NET_S);
	assert_int_equal(net_child_failure(A, 0)->cause, IKE_CAUSE_INSTALL);
	assert_int_equal(net_children(B), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, net_setup, net_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(a_initiates),
		T(b_initiates_by_traffic),
		T(both_initiate_at_once),
		T(suites),
		T(lossy),
		T(two_hundred_proxy_ids),
		T(identities),
		T(ke_retry),
		T(cookie),
		T(without_child),
		T(peer_without_address),
		T(no_nat),
		T(nat_a),
		T(nat_b),
		T(nat_both),
		T(nat_forced),
		T(nat_off),
		T(nat_mapping_moves),
		T(wrong_psk),
		T(wrong_id_of_initiator),
		T(id_of_another_type),
		T(responder_id_of_another_type),
		T(wrong_id_of_responder),
		T(ike_proposal_mismatch),
		T(no_common_group),
		T(esp_proposal_mismatch),
		T(pfs_mismatch),
		T(pfs_mismatch_at_rekey),
		T(ts_disjoint),
		T(ts_mirrored),
		T(ts_narrowed),
		T(ts_exact_responder),
		T(ts_exact_initiator),
		T(no_answer),
		T(silence_after_ike_sa_init),
		T(unknown_peer),
		T(data_plane_refuses),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
