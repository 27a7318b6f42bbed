/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Additional key exchanges of a crypto profile (RFC 9370): a list of them, each a method or a list of methods to choose
 * from.
 *
 *     additional-key-exchange = ( "mlkem768", ( "group20", "none" ) );
 */
#include "config_read.h"

#include <string.h>

#include "wire.h"

static const char key[] = "additional-key-exchange";

static const struct cfg_word methods[] = {
	{"mlkem512", KE_ML_KEM_512}, {"mlkem768", KE_ML_KEM_768}, {"mlkem1024", KE_ML_KEM_1024},
	{"group14", DH_MODP2048},    {"group15", DH_MODP3072},    {"group16", DH_MODP4096},
	{"group17", DH_MODP6144},    {"group18", DH_MODP8192},    {"group19", DH_ECP256},
	{"group20", DH_ECP384},      {"group21", DH_ECP521},      {"group31", DH_CURVE25519},
	{"group32", DH_CURVE448},    {"none", DH_NONE},           {0},
};

/* A method serves once in an SA (RFC 9370 2.2.1), so it is named once: which one goes where is then never a matter of
 * what the peer offers first. */
static bool named_already(const struct ike_algs *a, uint16_t method)
{
	for (unsigned i = 0; i < a->n_dh; i++)
		if (a->dh[i] == method)
			return true;
	for (unsigned i = 0; i < a->n_ake; i++)
		for (unsigned m = 0; m < a->n_ake_algs[i]; m++)
			if (a->ake[i][m] == method)
				return true;
	return false;
}

static void read_one(struct cfg_obj *o, const config_setting_t *m, struct ike_algs *a)
{
	const struct cfg_word *w[IKE_AKE_ALGS_MAX];
	unsigned n = cfg_words_of(o, m, key, methods, w, IKE_AKE_ALGS_MAX), k = a->n_ake;

	if (n == 1 && w[0]->id == DH_NONE)
		cfg_error(o, m, key,
			  "found \"none\" alone; allowed: beside a method, which may then be left out");
	for (unsigned i = 0; i < n; i++) {
		if (w[i]->id != DH_NONE && named_already(a, w[i]->id))
			cfg_error(
				o, m, key,
				"\"%s\" is named twice, here and there or as dh-group; a method serves once",
				w[i]->word);
		a->ake[k][i] = w[i]->id;
	}
	if (!n)
		return;
	a->n_ake_algs[k] = (uint8_t)n;
	a->n_ake++;
}

void cfg_read_ake(struct cfg_obj *o, struct ike_algs *a)
{
	const config_setting_t *m = config_setting_get_member(o->s, key);
	char found[CFG_FOUND];
	int n;

	if (!m)
		return;
	if (!config_setting_is_aggregate(m)) {
		read_one(o, m, a);
	} else {
		n = config_setting_length(m);
		if (config_setting_is_group(m) || n == 0 || n > IKE_AKE_MAX) {
			cfg_error(o, m, key,
				  "found %s; allowed: one to seven of them, such as ( \"mlkem768\" )",
				  cfg_found(m, false, found));
			return;
		}
		for (int i = 0; i < n; i++)
			read_one(o, config_setting_get_elem(m, (unsigned)i), a);
	}
	if (!a->n_dh)
		cfg_error(o, m, key, "stands without a dh-group, to which it would be additional");
}
