/* SPDX-License-Identifier: Apache-2.0 */
/* What the file says of the box itself: system, interfaces, routes, crypto profiles. */
#include "config_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dp_api.h"
#include "wire.h"

#define N_ELEMS(a) (sizeof(a) / sizeof((a)[0]))

/* ---- system ------------------------------------------------------------------------------------ */

enum { MAX_SAS_DEFAULT = 4096, MEMORY_MB_DEFAULT = 512, ICMP_RATE_DEFAULT = 1000, CPU_MAX = 1024 };

void cfg_default_system(struct cfg_system *sys)
{
	char name[sizeof(sys->hostname)] = "";

	*sys = (struct cfg_system){
		.workers = 1,
		.hugepages = true,
		.memory_mb = MEMORY_MB_DEFAULT,
		.max_sas = MAX_SAS_DEFAULT,
		.icmp_rate = ICMP_RATE_DEFAULT,
		.cli_socket = "/run/culvert/culvert.sock",
	};
	/* A name that fills the buffer may have been cut off. */
	if (gethostname(name, sizeof(name)) < 0 || name[sizeof(name) - 1] || !cfg_name_ok(name, false))
		strcpy(name, "culvert");
	memcpy(sys->hostname, name, sizeof(name));
}

/* "2-5,8": how many cores that is; 0 when it is not such a list or names a core twice. */
static unsigned count_cores(const char *s)
{
	uint8_t seen[CPU_MAX] = {0};
	unsigned n = 0;

	for (;;) {
		char *end;
		unsigned long lo, hi;

		if (*s < '0' || *s > '9')
			return 0;
		lo = hi = strtoul(s, &end, 10);
		if (*end == '-') {
			s = end + 1;
			if (*s < '0' || *s > '9')
				return 0;
			hi = strtoul(s, &end, 10);
		}
		if (hi >= CPU_MAX || lo > hi)
			return 0;
		for (; lo <= hi; lo++, n++)
			if (seen[lo]++)
				return 0;
		if (!*end)
			return n;
		if (*end != ',')
			return 0;
		s = end + 1;
	}
}

static void read_cores(struct cfg_obj *o, struct cfg_system *sys, bool workers_given)
{
	const config_setting_t *m = config_setting_get_member(o->s, "cores");
	char found[CFG_FOUND];
	unsigned n;

	if (!cfg_text(o, "cores", CFG_OPTIONAL, "a list of cores such as \"2-5,8\"", sys->cores,
		      sizeof(sys->cores)))
		return;
	n = count_cores(sys->cores);
	if (n == 0 || n > DP_WORKERS_MAX)
		cfg_error(o, m, "cores", "found %s; allowed: 1 to %d different cores such as \"2-5,8\"",
			  cfg_found(m, false, found), DP_WORKERS_MAX);
	else if (workers_given && n != sys->workers)
		cfg_error(o, m, "cores", "found %u cores for %u workers; allowed: one core for each worker",
			  n, sys->workers);
	else
		sys->workers = (uint16_t)n;
}

void cfg_read_system(struct cfg_load *l, const config_setting_t *s)
{
	static const char *const known[] = {"hostname",   "workers",   "cores",   "idle",
					    "hugepages",  "memory",    "max-sas", "log",
					    "cli-socket", "icmp-rate", NULL};
	static const struct cfg_word idles[] = {{"poll", false}, {"adaptive", true}, {0}};
	struct cfg_system *sys = &l->conf->sys;
	struct cfg_obj o = {.l = l, .s = s, .kind = "system"};
	const struct cfg_word *w;
	bool workers_given = false;
	long long v;

	cfg_keys(&o, known, NULL);
	cfg_name(&o, "hostname", CFG_OPTIONAL, false, sys->hostname);
	if (cfg_int(&o, "workers", CFG_OPTIONAL, 1, DP_WORKERS_MAX, &v)) {
		sys->workers = (uint16_t)v;
		workers_given = true;
	}
	read_cores(&o, sys, workers_given);
	w = cfg_word(&o, "idle", CFG_OPTIONAL, idles);
	if (w)
		sys->adaptive_idle = w->id;
	cfg_bool(&o, "hugepages", &sys->hugepages);
	if (cfg_int(&o, "memory", CFG_OPTIONAL, 64, 1048576, &v)) {
		sys->memory_mb = (uint32_t)v;
		if (sys->hugepages)
			cfg_error(&o, config_setting_get_member(s, "memory"), "memory",
				  "has no effect with hugepages; allowed: only with hugepages = false");
	}
	if (cfg_int(&o, "max-sas", CFG_OPTIONAL, 16, 1 << 22, &v))
		sys->max_sas = (uint32_t)v;
	if (cfg_int(&o, "icmp-rate", CFG_OPTIONAL, 0, 1000000, &v))
		sys->icmp_rate = (uint32_t)v;
	cfg_text(&o, "log", CFG_OPTIONAL, "a file, \"syslog\", or \"\" for standard error", sys->log_file,
		 sizeof(sys->log_file));
	if (cfg_text(&o, "cli-socket", CFG_OPTIONAL, "the path of a UNIX socket", sys->cli_socket,
		     sizeof(sys->cli_socket)) &&
	    sys->cli_socket[0] != '/')
		cfg_error(
			&o, config_setting_get_member(s, "cli-socket"), "cli-socket",
			"found \"%s\"; allowed: a path from the root on, such as \"/run/culvert/culvert.sock\"",
			sys->cli_socket);
}

/* ---- interfaces -------------------------------------------------------------------------------- */

/* "tunnel.1" to "tunnel.9999" */
static bool tunnel_name_ok(const char *s)
{
	size_t n = strlen(s);

	return n >= 8 && n <= 11 && s[7] != '0' && strspn(s + 7, "0123456789") == n - 7;
}

/* A PCI address, with or without domain, or a virtual device of DPDK. */
static bool device_ok(const char *s)
{
	static const char *const vdevs[] = {"net_", "virtio_user", "eth_"};
	unsigned domain, bus, dev, fn;
	int end = 0;

	if (sscanf(s, "%4x:%2x:%2x.%1x%n", &domain, &bus, &dev, &fn, &end) == 4 && !s[end])
		return true;
	end = 0;
	if (sscanf(s, "%2x:%2x.%1x%n", &bus, &dev, &fn, &end) == 3 && !s[end])
		return true;
	for (size_t i = 0; i < N_ELEMS(vdevs); i++)
		if (strncmp(s, vdevs[i], strlen(vdevs[i])) == 0)
			return true;
	return false;
}

static bool host_address_ok(const struct prefix *p)
{
	struct prefix net = prefix_mask(*p);
	struct ts range = ts_of(p, 0, 0);

	if (p->a.b[0] == 0 || p->a.b[0] == 127 || p->a.b[0] >= 224 || p->len == 0)
		return false;
	/* In a /31 and a /32 every address is a host's (RFC 3021). */
	return p->len >= 31 || (!addr_eq(&net.a, &p->a) && !addr_eq(&range.hi, &p->a));
}

static void read_addresses(struct cfg_obj *o, struct cfg_interface *f)
{
	static const char allowed[] = "addresses with prefix length, such as (\"198.51.100.20/24\")";
	const config_setting_t *m = cfg_member(o, "address", f->tunnel ? CFG_OPTIONAL : CFG_REQUIRED,
					       allowed);
	const config_setting_t *at = m;
	const char *v;
	int i = 0;

	if (m && config_setting_is_aggregate(m) && config_setting_length(m) == 0 && !f->tunnel)
		cfg_error(o, m, "address", "found no address; allowed: %s", allowed);
	while (m && (v = cfg_next_string(o, m, "address", allowed, &i, &at))) {
		struct prefix p;

		if (!cfg_prefix_of(o, at, "address", v, true, &p))
			continue;
		if (!host_address_ok(&p)) {
			cfg_error(o, at, "address",
				  "found \"%s\"; allowed: a host's address inside its network", v);
			continue;
		}
		if (f->n_addr == CFG_ADDRS) {
			cfg_error(o, at, "address", "found more than %d addresses; allowed: at most %d",
				  CFG_ADDRS, CFG_ADDRS);
			return;
		}
		f->addr[f->n_addr++] = p;
	}
}

void cfg_read_interface(struct cfg_obj *o, struct cfg_interface *f)
{
	static const char *const known[] = {"name", "port", "address", "zone", "mtu", NULL};
	static const char *const later[] = {"comment", "vlan", "virtual-router", "management-profile",
					    "dhcp",    NULL};
	static const char port_allowed[] =
		"a PCI address such as \"0000:3b:00.0\", or a DPDK device such as \"net_af_packet0,iface=eth1\"";
	const config_setting_t *m;
	char found[CFG_FOUND];
	long long v;

	f->mtu = 1500;
	if (cfg_name(o, "name", CFG_REQUIRED, true, f->name)) {
		memcpy(o->name, f->name, sizeof(o->name));
		f->tunnel = strncmp(f->name, "tunnel.", 7) == 0;
		if (f->tunnel && !tunnel_name_ok(f->name))
			cfg_error(o, config_setting_get_member(o->s, "name"), "name",
				  "found \"%s\"; allowed: tunnel.1 to tunnel.9999", f->name);
	}
	cfg_keys(o, known, later);
	if (cfg_int(o, "mtu", CFG_OPTIONAL, 576, 9216, &v)) {
		f->mtu = (uint16_t)v;
		if (f->tunnel)
			cfg_error(o, config_setting_get_member(o->s, "mtu"), "mtu",
				  "a tunnel's MTU follows from its SA; allowed: on a port");
	}
	m = config_setting_get_member(o->s, "port");
	if (f->tunnel && m)
		cfg_error(o, m, "port", "a tunnel interface has no port; allowed: no such key here");
	else if (!f->tunnel &&
		 cfg_text(o, "port", f->name[0] ? CFG_REQUIRED : CFG_OPTIONAL, port_allowed, f->port,
			  sizeof(f->port)) &&
		 !device_ok(f->port))
		cfg_error(o, m, "port", "found %s; allowed: %s", cfg_found(m, false, found), port_allowed);
	cfg_name(o, "zone", CFG_OPTIONAL, false, f->zone);
	read_addresses(o, f);
}

/* ---- routes ------------------------------------------------------------------------------------ */

void cfg_read_route(struct cfg_obj *o, struct cfg_route *r)
{
	static const char *const known[] = {"name", "destination", "via", "interface", NULL};
	static const char *const later[] = {"metric", "path-monitor", "virtual-router", NULL};
	const config_setting_t *via = config_setting_get_member(o->s, "via");
	const config_setting_t *ifc = config_setting_get_member(o->s, "interface");
	char dst[PREFIX_STR];

	if (cfg_prefix(o, "destination", CFG_REQUIRED, &r->dst))
		snprintf(o->name, sizeof(o->name), "%s", prefix_str(&r->dst, dst));
	cfg_keys(o, known, later);
	cfg_name(o, "name", CFG_OPTIONAL, false, r->name);
	if (via && ifc)
		cfg_error(o, via, "via", "stands beside interface; allowed: one of the two");
	else if (!via && !ifc)
		cfg_error(o, NULL, "via",
			  "missing; allowed: the next router's address, or interface = a name");
	if (via)
		cfg_addr(o, "via", CFG_OPTIONAL, "the next router's IPv4 address", &r->via);
	if (ifc)
		cfg_name(o, "interface", CFG_OPTIONAL, true, r->interface);
}

/* ---- crypto profiles --------------------------------------------------------------------------- */

static const char no_3des[] = "64-bit blocks leak plain text under one busy key (Sweet32), so it is refused";
static const char no_des[] = "DES MUST NOT be used (RFC 8247 2.1)";
static const char no_md5[] = "MD5 MUST NOT be used (RFC 8247 2.3)";
static const char no_group1[] = "768-bit MODP MUST NOT be used (RFC 8247 2.4)";
static const char no_group2[] = "1024-bit MODP is too weak and SHOULD NOT be used (RFC 8247 2.4)";
static const char no_group5[] = "1536-bit MODP is too weak and SHOULD NOT be used (RFC 8247 2.4)";
static const char not_yet[] = "not available in this version";

#define REFUSED_CIPHERS                                                                                      \
	{"3des", 0, 0, no_3des},                                                                             \
	{                                                                                                    \
		"des", 0, 0, no_des                                                                          \
	}

static const struct cfg_word ike_ciphers[] = {
	{"aes-256-gcm", ENCR_AES_GCM_16, 256},
	{"aes-128-gcm", ENCR_AES_GCM_16, 128},
	{"aes-256-cbc", ENCR_AES_CBC, 256},
	{"aes-192-cbc", ENCR_AES_CBC, 192},
	{"aes-128-cbc", ENCR_AES_CBC, 128},
	REFUSED_CIPHERS,
	{0},
};
static const struct cfg_word esp_ciphers[] = {
	{"aes-256-gcm", ENCR_AES_GCM_16, 256},
	{"aes-192-gcm", ENCR_AES_GCM_16, 192},
	{"aes-128-gcm", ENCR_AES_GCM_16, 128},
	{"aes-256-cbc", ENCR_AES_CBC, 256},
	{"aes-192-cbc", ENCR_AES_CBC, 192},
	{"aes-128-cbc", ENCR_AES_CBC, 128},
	{"chacha20-poly1305", ENCR_CHACHA20_POLY1305, 0},
	{"null", ENCR_NULL, 0},
	{"aes-128-ccm", 0, 0, not_yet},
	REFUSED_CIPHERS,
	{0},
};
static const struct cfg_word hashes[] = {
	{"sha512", AUTH_HMAC_SHA2_512_256, PRF_HMAC_SHA2_512},
	{"sha384", AUTH_HMAC_SHA2_384_192, PRF_HMAC_SHA2_384},
	{"sha256", AUTH_HMAC_SHA2_256_128, PRF_HMAC_SHA2_256},
	{"sha1", AUTH_HMAC_SHA1_96, PRF_HMAC_SHA1},
	{"none", AUTH_NONE},
	{"non-auth", AUTH_NONE},
	{"md5", 0, 0, no_md5},
	{0},
};
static const struct cfg_word prfs[] = {
	{"sha512", PRF_HMAC_SHA2_512}, {"sha384", PRF_HMAC_SHA2_384}, {"sha256", PRF_HMAC_SHA2_256},
	{"sha1", PRF_HMAC_SHA1},       {"md5", 0, 0, no_md5},         {0},
};

#define DH_GROUPS                                                                                            \
	{"group14", DH_MODP2048}, {"group15", DH_MODP3072}, {"group16", DH_MODP4096},                        \
		{"group19", DH_ECP256}, {"group20", DH_ECP384}, {"group21", DH_ECP521},                      \
		{"group31", DH_CURVE25519}, {"group1", 0, 0, no_group1}, {"group2", 0, 0, no_group2},        \
		{"group5", 0, 0, no_group5}, {"group17", 0, 0, not_yet}, {"group18", 0, 0, not_yet},         \
		{"group32", 0, 0, not_yet},                                                                  \
	{                                                                                                    \
		0                                                                                            \
	}

static const struct cfg_word ike_groups[] = {DH_GROUPS};
static const struct cfg_word pfs_groups[] = {{"no-pfs", DH_NONE}, DH_GROUPS};

static bool aead(uint16_t encr)
{
	return encr == ENCR_AES_GCM_16 || encr == ENCR_CHACHA20_POLY1305;
}

/* Both kinds of profile: ciphers, hashes, groups.  Returns how the hashes stand to the ciphers. */
struct algs_read {
	bool separate, combined; /* ciphers that need a hash, and those that bring their own */
	unsigned n_hash;
	const struct cfg_word *hash[IKE_ALGS_MAX];
};

static void read_algs(struct cfg_obj *o, const struct cfg_word *ciphers, const struct cfg_word *groups,
		      struct ike_algs *a, struct algs_read *r)
{
	const struct cfg_word *w[IKE_ALGS_MAX];
	unsigned n = cfg_words(o, "encryption", CFG_REQUIRED, ciphers, w, IKE_ALGS_MAX);

	for (unsigned i = 0; i < n; i++) {
		a->encr[a->n_encr++] = (struct ike_alg){.id = w[i]->id, .key_bits = w[i]->bits};
		*(aead(w[i]->id) ? &r->combined : &r->separate) = true;
	}
	r->n_hash = cfg_words(o, "authentication", CFG_OPTIONAL, hashes, r->hash, IKE_ALGS_MAX);
	for (unsigned i = 0; i < r->n_hash; i++)
		if (r->hash[i]->id != AUTH_NONE)
			a->integ[a->n_integ++] = r->hash[i]->id;
	n = cfg_words(o, "dh-group", CFG_REQUIRED, groups, w, IKE_ALGS_MAX);
	for (unsigned i = 0; i < n; i++) {
		if (w[i]->id != DH_NONE)
			a->dh[a->n_dh++] = w[i]->id;
		else if (n > 1)
			cfg_error(o, config_setting_get_member(o->s, "dh-group"), "dh-group",
				  "no-pfs stands beside a group; allowed: no-pfs, or groups");
	}
	if (r->separate && a->n_integ == 0 &&
	    (r->n_hash || !config_setting_get_member(o->s, "authentication")))
		cfg_error(
			o, config_setting_get_member(o->s, "authentication"), "authentication",
			"%s, and %s has no integrity check of its own; allowed: sha512, sha384, sha256, sha1",
			r->n_hash ? "found none" : "missing",
			a->n_encr == 1 ? "this cipher" : "one of the ciphers");
}

/* 0 where read_algs has complained already */
static void read_prf(struct cfg_obj *o, struct ike_algs *a, const struct algs_read *r)
{
	const struct cfg_word *w[IKE_ALGS_MAX];
	bool given = config_setting_get_member(o->s, "prf");
	unsigned n = cfg_words(o, "prf", CFG_OPTIONAL, prfs, w, IKE_ALGS_MAX);

	for (unsigned i = 0; i < n; i++)
		a->prf[a->n_prf++] = w[i]->id;
	if (given)
		return;
	for (unsigned i = 0; i < r->n_hash; i++)
		if (r->hash[i]->id != AUTH_NONE)
			a->prf[a->n_prf++] = r->hash[i]->bits;
	if (a->n_prf == 0 && a->n_encr && !r->separate &&
	    (r->n_hash || !config_setting_get_member(o->s, "authentication")))
		cfg_error(
			o, NULL, "prf",
			"missing, and no authentication it could follow from; allowed: sha512, sha384, sha256, sha1");
}

void cfg_read_ike_profile(struct cfg_obj *o, struct cfg_ike_profile *p)
{
	static const char *const known[] = {"name",     "encryption", "authentication", "prf", "dh-group",
					    "lifetime", NULL};
	static const char *const later[] = {"authentication-multiple", "post-quantum", NULL};
	struct algs_read r = {0};

	if (cfg_name(o, "name", CFG_REQUIRED, false, p->name))
		memcpy(o->name, p->name, sizeof(o->name));
	cfg_keys(o, known, later);
	p->lifetime_s = 28800;
	read_algs(o, ike_ciphers, ike_groups, &p->algs, &r);
	read_prf(o, &p->algs, &r);
	cfg_seconds(o, "lifetime", &p->lifetime_s);
}

void cfg_read_ipsec_profile(struct cfg_obj *o, struct cfg_ipsec_profile *p)
{
	static const char *const known[] = {
		"name", "encryption", "authentication", "dh-group", "lifetime", "lifesize", NULL};
	static const char *const later[] = {"protocol", "ah", "esn", "mode", NULL};
	struct algs_read r = {0};

	if (cfg_name(o, "name", CFG_REQUIRED, false, p->name))
		memcpy(o->name, p->name, sizeof(o->name));
	cfg_keys(o, known, later);
	p->lifetime_s = 3600;
	read_algs(o, esp_ciphers, pfs_groups, &p->algs, &r);
	if (r.combined && !r.separate && p->algs.n_integ)
		cfg_warn(o, config_setting_get_member(o->s, "authentication"), "authentication",
			 "has no effect: the ciphers here authenticate by themselves");
	for (unsigned i = 0; i < p->algs.n_encr; i++)
		if (p->algs.encr[i].id == ENCR_NULL)
			cfg_warn(o, config_setting_get_member(o->s, "encryption"), "encryption",
				 "\"null\" authenticates packets and does not encrypt them");
	cfg_seconds(o, "lifetime", &p->lifetime_s);
	cfg_bytes(o, "lifesize", &p->life_bytes);
}
