/* SPDX-License-Identifier: Apache-2.0 */
/* What a sound configuration needs and this machine, or this build, does not have. */
#include "ctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire.h"

static bool profile_suite_supported(const struct ike_algs *a, size_t encr)
{
	struct dp_suite s;

	if (encr_is_aead(a->encr[encr].id))
		return ctl_dp_suite(a->encr[encr].id, a->encr[encr].key_bits, AUTH_NONE, &s);
	for (size_t i = 0; i < a->n_integ; i++)
		if (ctl_dp_suite(a->encr[encr].id, a->encr[encr].key_bits, a->integ[i], &s))
			return true;
	return false;
}

static unsigned problem(config_say_fn *say, void *arg, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static unsigned problem(config_say_fn *say, void *arg, const char *fmt, ...)
{
	char line[CFG_DEVICE + 256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	say(arg, false, line);
	return 1;
}

/* What this machine has to bear the configuration out. */
static unsigned check_machine(const struct config *conf, config_say_fn *say, void *arg)
{
	const char *const files[] = {conf->sys.log_file, conf->sys.journal};
	long cores = sysconf(_SC_NPROCESSORS_CONF);
	unsigned problems = 0;
	struct stat st;

	for (int i = 0; i < 2; i++)
		if (files[i][0] == '/' && stat(files[i], &st) == 0 && S_ISDIR(st.st_mode))
			problems += problem(say, arg,
					    "system: %s: found the folder \"%s\"; allowed: a file in one",
					    i ? "journal" : "log", files[i]);
	for (const char *p = conf->sys.cores; *p && cores > 0;) {
		char *end;

		if (strtol(p, &end, 10) >= cores) {
			problems += problem(
				say, arg,
				"system: cores: found \"%s\"; allowed: 0 to %ld, as many as this machine has",
				conf->sys.cores, cores - 1);
			break;
		}
		p = end + (*end != 0);
	}
	return problems;
}

/* Key exchange methods that this OpenSSL does not have. */
static unsigned check_methods(const char *kind, const char *name, const struct ike_algs *a,
			      config_say_fn *say, void *arg)
{
	unsigned problems = 0;

	for (unsigned i = 0; i < a->n_ake; i++)
		for (unsigned m = 0; m < a->n_ake_algs[i]; m++) {
			const struct transform t = {.type = TT_DH, .id = a->ake[i][m]};
			char word[ALG_STR];

			if (t.id && !crypto_have_dh(t.id))
				problems += problem(
					say, arg,
					"%s \"%s\": additional-key-exchange: %s %s; this is OpenSSL %s", kind,
					name, prop_alg_str(&t, word),
					dh_is_kem(t.id) ? "needs OpenSSL 3.5 or later (Debian 13 has it)"
							: "is refused by OpenSSL's configuration",
					crypto_version());
		}
	return problems;
}

unsigned ctl_check(const struct config *conf, config_say_fn *say, void *arg)
{
	unsigned problems = check_machine(conf, say, arg);

	if (!conf->rules_given)
		say(arg, true, "security-rules: none configured: every packet may pass between zones");
	for (size_t i = 0; i < conf->n_ike_profiles; i++)
		problems += check_methods("ike-crypto-profile", conf->ike_profiles[i].name,
					  &conf->ike_profiles[i].algs, say, arg);
	for (size_t i = 0; i < conf->n_ipsec_profiles; i++) {
		const struct cfg_ipsec_profile *p = &conf->ipsec_profiles[i];

		problems += check_methods("ipsec-crypto-profile", p->name, &p->algs, say, arg);
		for (size_t e = 0; e < p->algs.n_encr; e++) {
			if (!profile_suite_supported(&p->algs, e))
				problems += problem(
					say, arg,
					"ipsec-crypto-profile \"%s\": %s with the authentication given is "
					"not a suite this data plane has",
					p->name, transform_name(TT_ENCR, p->algs.encr[e].id));
		}
	}
	return problems;
}
