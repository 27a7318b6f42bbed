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

struct dp_conf ctl_dp_conf(const struct config *conf, const char *devices[CTL_PORTS_MAX])
{
	uint16_t n_devices = 0, max_mtu = 0;
	uint32_t proxy_ids = 0;

	for (size_t i = 0; i < conf->n_interfaces; i++) {
		const struct cfg_interface *f = &conf->interfaces[i];

		if (!f->port[0] || n_devices == CTL_PORTS_MAX)
			continue;
		devices[n_devices++] = f->port;
		max_mtu = f->mtu > max_mtu ? f->mtu : max_mtu;
	}
	for (size_t i = 0; i < conf->n_tunnels; i++)
		proxy_ids += conf->tunnels[i].n_proxy_ids;
	/* Sized for what is configured, with room for a commit that adds to it. */
	return (struct dp_conf){
		.name = conf->sys.hostname,
		.cores = conf->sys.cores[0] ? conf->sys.cores : NULL,
		.n_workers = conf->sys.workers,
		.adaptive_idle = conf->sys.adaptive_idle,
		.hugepages = conf->sys.hugepages,
		.memory_mb = conf->sys.memory_mb,
		.max_sas = conf->sys.max_sas,
		.icmp_rate = conf->sys.icmp_rate,
		.max_datagrams = conf->sys.datagrams,
		.datagram_timeout_s = (uint16_t)conf->sys.datagram_s,
		.max_policies = proxy_ids * 2 + 1024,
		.max_routes = (uint32_t)conf->n_routes * 2 + 1024,
		.max_neighbours = 1024,
		.n_mbufs = 16384,
		.max_mtu = max_mtu,
		.devices = devices,
		.n_devices = n_devices,
	};
}

/* With huge pages the system has what it has. */
static unsigned check_memory(const struct config *conf, config_say_fn *say, void *arg)
{
	const char *devices[CTL_PORTS_MAX];
	struct dp_conf d = ctl_dp_conf(conf, devices);
	size_t mb = (dp_memory_needed(&d) >> 20) + 1;

	if (conf->sys.hugepages || conf->sys.memory_mb >= mb)
		return 0;
	return problem(
		say, arg,
		"system: memory: found %u; allowed: at least %zu (MB), for max-sas = %u, %u proxy-IDs and %zu routes with room for "
		"as many again, and %u worker%s",
		conf->sys.memory_mb, mb, conf->sys.max_sas, (d.max_policies - 1024) / 2, conf->n_routes,
		conf->sys.workers, conf->sys.workers == 1 ? "" : "s");
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
	unsigned problems = check_machine(conf, say, arg) + check_memory(conf, say, arg);

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
