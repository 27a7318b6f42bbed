/* SPDX-License-Identifier: Apache-2.0 */
/* Two engines agree on every suite there is, in both roles, and on nothing that one of them does not have. */
#include "net_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void again(void)
{
	net_end(&net);
	net_init(&net, 1);
}

/* Two children, so that one comes of IKE_AUTH and one of CREATE_CHILD_SA. */
static void both(const struct ike_algs *ike, const struct ike_algs *esp, enum ike_esn esn_a,
		 enum ike_esn esn_b)
{
	struct ike_gw_conf c[2] = {net_conf(NET_A, 2), net_conf(NET_B, 2)};

	for (int s = 1; s >= 0; s--) {
		if (ike)
			c[s].ike = *ike;
		for (unsigned k = 0; k < 2; k++) {
			if (esp)
				c[s].children[k].esp = *esp;
			c[s].children[k].esn = s ? esn_b : esn_a;
		}
		net_set(&net, s, &c[s]);
	}
}

static void each_as(const struct suite_choice *want)
{
	for (int s = 0; s < 2; s++)
		for (unsigned i = 0; i < NET_CHILDREN; i++) {
			const struct net_child *c = &net.host[s].child[i];

			if (!c->used)
				continue;
			assert_int_equal(c->sa.suite.encr, want->encr);
			assert_int_equal(c->sa.suite.key_bits, want->key_bits);
			assert_int_equal(c->sa.suite.integ, want->integ);
		}
}

static const uint16_t groups[] = {
	DH_MODP1024, DH_MODP1536, DH_MODP2048, DH_MODP3072, DH_MODP4096,   DH_MODP6144,
	DH_MODP8192, DH_ECP256,   DH_ECP384,   DH_ECP521,   DH_CURVE25519, DH_CURVE448,
};

/* For IKE and as PFS, also through a rekey of both kinds. */
static void every_group(void **state)
{
	for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		struct ike_algs ike = {.n_encr = 1,
				       .encr = {{ENCR_AES_GCM_16, 128}},
				       .n_prf = 1,
				       .prf = {PRF_HMAC_SHA2_256},
				       .n_dh = 1,
				       .dh = {groups[i]}};
		struct ike_algs esp = {
			.n_encr = 1, .encr = {{ENCR_AES_GCM_16, 256}}, .n_dh = 1, .dh = {groups[i]}};

		again();
		both(&ike, &esp, IKE_ESN_NO, IKE_ESN_NO);
		if (!net_until(&net, net_up, NET_S))
			fail_msg("group %u", groups[i]);
		for (unsigned k = 0; k < NET_CHILDREN; k++)
			if (A->child[k].used && A->child[k].policy == 1)
				ike_child_expire(A->ike, A->child[k].sa.spi_in, false, net.now);
		net_run(&net, 10 * NET_S);
		assert_int_equal(net_counter(A, "child_rekey"), 1);
		net_check_pairs(&net);
	}
}

static const struct suite_choice esp_suites[] = {
	{.encr = ENCR_AES_GCM_16, .key_bits = 128}, {.encr = ENCR_AES_GCM_16, .key_bits = 192},
	{.encr = ENCR_AES_GCM_16, .key_bits = 256}, {.encr = ENCR_AES_GCM_12, .key_bits = 128},
	{.encr = ENCR_AES_GCM_12, .key_bits = 192}, {.encr = ENCR_AES_GCM_12, .key_bits = 256},
	{.encr = ENCR_AES_GCM_8, .key_bits = 128},  {.encr = ENCR_AES_GCM_8, .key_bits = 192},
	{.encr = ENCR_AES_GCM_8, .key_bits = 256},  {.encr = ENCR_CHACHA20_POLY1305},
};
static const struct ike_alg ciphers[] = {
	{ENCR_AES_CBC, 128}, {ENCR_AES_CBC, 192}, {ENCR_AES_CBC, 256}, {ENCR_AES_CTR, 128},
	{ENCR_AES_CTR, 192}, {ENCR_AES_CTR, 256}, {ENCR_NULL, 0},
};
static const uint16_t hashes[] = {AUTH_HMAC_SHA1_96, AUTH_HMAC_SHA2_256_128, AUTH_HMAC_SHA2_384_192,
				  AUTH_HMAC_SHA2_512_256};

static void esp_one(const struct suite_choice *s)
{
	struct ike_algs esp = {.n_encr = 1, .encr = {{s->encr, s->key_bits}}};

	if (s->integ)
		esp.integ[esp.n_integ++] = s->integ;
	again();
	both(NULL, &esp, IKE_ESN_NO, IKE_ESN_NO);
	if (!net_until(&net, net_up, NET_S))
		fail_msg("cipher %u/%u, hash %u", s->encr, s->key_bits, s->integ);
	net_check_pairs(&net);
	each_as(s);
}

static void every_esp_suite(void **state)
{
	for (unsigned i = 0; i < sizeof(esp_suites) / sizeof(esp_suites[0]); i++)
		esp_one(&esp_suites[i]);
	for (unsigned i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++)
		for (unsigned k = 0; k < sizeof(hashes) / sizeof(hashes[0]); k++) {
			struct suite_choice s = {
				.encr = ciphers[i].id, .key_bits = ciphers[i].key_bits, .integ = hashes[k]};

			esp_one(&s);
		}
}

/* What a profile has with one ICV is not agreed to with another. */
static void icv_lengths_differ(void **state)
{
	static const uint16_t gcm[] = {ENCR_AES_GCM_16, ENCR_AES_GCM_12, ENCR_AES_GCM_8};

	for (unsigned i = 0; i < 3; i++) {
		struct ike_gw_conf a = net_conf(NET_A, 1), b = net_conf(NET_B, 1);

		again();
		a.children[0].esp.encr[0] = (struct ike_alg){gcm[i], 256};
		b.children[0].esp.encr[0] = (struct ike_alg){gcm[(i + 1) % 3], 256};
		net_set(&net, NET_B, &b);
		net_set(&net, NET_A, &a);
		net_run(&net, NET_S);
		assert_int_equal(net_children(A), 0);
		assert_int_equal(B->last_reason.cause, IKE_CAUSE_NO_PROPOSAL);
	}
}

static void esn(void **state)
{
	for (enum ike_esn a = IKE_ESN_NO; a <= IKE_ESN_YES; a++)
		for (enum ike_esn b = IKE_ESN_NO; b <= IKE_ESN_YES; b++) {
			bool can = (a != IKE_ESN_NO || b != IKE_ESN_YES) &&
				   (a != IKE_ESN_YES || b != IKE_ESN_NO);
			bool on = a != IKE_ESN_NO && b != IKE_ESN_NO;

			again();
			both(NULL, NULL, a, b);
			assert_int_equal(net_until(&net, net_up, NET_S), can);
			net_check_pairs(&net);
			for (unsigned i = 0; i < NET_CHILDREN; i++)
				if (A->child[i].used)
					assert_int_equal(A->child[i].sa.suite.esn, on);
			if (can)
				continue;
			assert_int_equal(B->last_reason.cause, IKE_CAUSE_NO_PROPOSAL);
			assert_non_null(strstr(B->last_reason.text, "extended sequence numbers"));
		}
}

#define T(f) cmocka_unit_test_setup_teardown(f, net_setup, net_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(every_group),
		T(every_esp_suite),
		T(icv_lengths_differ),
		T(esn),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
