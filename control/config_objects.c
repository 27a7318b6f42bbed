/* SPDX-License-Identifier: Apache-2.0 */
/* What the file says of the box itself: system, interfaces, routes. */
#include "config_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dp_api.h"

#define N_ELEMS(a) (sizeof(a) / sizeof((a)[0]))

/* ---- system ------------------------------------------------------------------------------------ */

enum {
	MAX_SAS_DEFAULT = 4096,
	MEMORY_MB_DEFAULT = 512,
	ICMP_RATE_DEFAULT = 1000,
	DATAGRAMS_DEFAULT = 256,
	DATAGRAM_S_DEFAULT = 15,
	CPU_MAX = 1024
};

void cfg_default_system(struct cfg_system *sys)
{
	char name[sizeof(sys->hostname)] = "";

	*sys = (struct cfg_system){
		.workers = 1,
		.hugepages = true,
		.memory_mb = MEMORY_MB_DEFAULT,
		.max_sas = MAX_SAS_DEFAULT,
		.icmp_rate = ICMP_RATE_DEFAULT,
		.datagrams = DATAGRAMS_DEFAULT,
		.datagram_s = DATAGRAM_S_DEFAULT,
		.journal = "/var/lib/culvert/journal",
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

/* A key exchange is answered before anybody is known: how many of these may be open at once.  And how many we begin. */
static void read_limits(struct cfg_obj *o, struct cfg_limits *to)
{
	long long v;

	if (cfg_int(o, "cookie-activation-threshold", CFG_OPTIONAL, 0, 65535, &v))
		to->cookie_threshold = (uint32_t)v;
	if (cfg_int(o, "maximum-half-opened-sa", CFG_OPTIONAL, 1, 65535, &v))
		to->half_open_max = (uint32_t)v;
	if (cfg_int(o, "half-opened-sa-per-source", CFG_OPTIONAL, 1, 65535, &v))
		to->half_open_source = (uint32_t)v;
	if (cfg_int(o, "maximum-negotiations", CFG_OPTIONAL, 1, 65535, &v))
		to->starts_max = (uint32_t)v;
}

void cfg_read_system(struct cfg_load *l, const config_setting_t *s)
{
	static const char *const known[] = {"hostname",
					    "workers",
					    "cores",
					    "idle",
					    "hugepages",
					    "memory",
					    "max-sas",
					    "log",
					    "journal",
					    "cli-socket",
					    "icmp-rate",
					    "reassembly-max",
					    "reassembly-timeout",
					    "cookie-activation-threshold",
					    "maximum-half-opened-sa",
					    "maximum-negotiations",
					    "half-opened-sa-per-source",
					    NULL};
	static const struct cfg_word idles[] = {{"poll", false}, {"adaptive", true}, {0}};
	struct cfg_system *sys = &l->conf->sys;
	struct cfg_obj o = {.l = l, .s = s, .kind = "system"};
	const struct cfg_word *w;
	bool workers_given = false;
	long long v;

	cfg_keys(&o, known, NULL);
	read_limits(&o, &l->conf->limits);
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
	if (cfg_int(&o, "reassembly-max", CFG_OPTIONAL, 1, 65535, &v))
		sys->datagrams = (uint32_t)v;
	if (cfg_int(&o, "reassembly-timeout", CFG_OPTIONAL, 1, 120, &v))
		sys->datagram_s = (uint32_t)v;
	cfg_text(&o, "log", CFG_OPTIONAL, "a file, \"syslog\", or \"\" for standard error", sys->log_file,
		 sizeof(sys->log_file));
	if (cfg_text(&o, "journal", CFG_OPTIONAL, "a file, or \"\" for memory only", sys->journal,
		     sizeof(sys->journal)) &&
	    sys->journal[0] && sys->journal[0] != '/')
		cfg_error(
			&o, config_setting_get_member(s, "journal"), "journal",
			"found \"%s\"; allowed: a path from the root on, such as \"/var/lib/culvert/journal\", or "
			"\"\" for memory only",
			sys->journal);
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

/* "PORT.1" to "PORT.9999" */
static bool vlan_name_ok(const char *s)
{
	const char *dot = strrchr(s, '.');
	size_t n = dot ? strlen(dot + 1) : 0;

	return n >= 1 && n <= 4 && dot != s && dot[1] != '0' && strspn(dot + 1, "0123456789") == n;
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

enum { IPV6_MTU_MIN = 1280 }; /* RFC 8200 5 */

static bool host_address_ok(const struct prefix *p)
{
	struct prefix net = prefix_mask(*p);
	struct ts range = ts_of(p, 0, 0);

	if (!cfg_unicast(&p->a) || addr_is_link_local(&p->a) || p->len == 0)
		return false;
	if (p->a.v == 6)
		return true;
	/* In a /31 and a /32 every address is a host's (RFC 3021). */
	return p->len >= 31 || (!addr_eq(&net.a, &p->a) && !addr_eq(&range.hi, &p->a));
}

static void read_addresses(struct cfg_obj *o, struct cfg_interface *f)
{
	static const char allowed[] = "addresses with prefix length, such as (\"198.51.100.20/24\")";
	/* That a port without VLANs has one is seen when all are known. */
	const config_setting_t *m = cfg_member(o, "address", f->vlan ? CFG_REQUIRED : CFG_OPTIONAL, allowed);
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
		if (p.a.v == 6 && f->mtu && f->mtu < IPV6_MTU_MIN)
			cfg_error(o, at, "address", "found \"%s\" with mtu %u; allowed: IPv6 from mtu %d on",
				  v, f->mtu, IPV6_MTU_MIN);
		f->addr[f->n_addr++] = p;
	}
}

static void read_name(struct cfg_obj *o, struct cfg_interface *f)
{
	const config_setting_t *m = config_setting_get_member(o->s, "name");

	if (!cfg_name(o, "name", CFG_REQUIRED, true, f->name))
		return;
	memcpy(o->name, f->name, sizeof(o->name));
	f->tunnel = strncmp(f->name, "tunnel.", 7) == 0;
	if (f->tunnel && !tunnel_name_ok(f->name))
		cfg_error(o, m, "name", "found \"%s\"; allowed: tunnel.1 to tunnel.9999", f->name);
	if (!f->tunnel && f->vlan && !vlan_name_ok(f->name))
		cfg_error(
			o, m, "name",
			"found \"%s\" with a tag; allowed: the port's name and a number from 1 to 9999, such as "
			"\"ethernet1/1.100\"",
			f->name);
}

/* What it lies on: a device, or a VLAN of another interface's. */
static void read_link(struct cfg_obj *o, struct cfg_interface *f)
{
	static const char port_allowed[] =
		"a PCI address such as \"0000:3b:00.0\", or a DPDK device such as \"net_af_packet0,iface=eth1\"";
	const config_setting_t *port = config_setting_get_member(o->s, "port");
	const config_setting_t *tag = config_setting_get_member(o->s, "tag");
	char found[CFG_FOUND];
	long long v;

	if (f->tunnel && tag)
		cfg_error(o, tag, "tag", "a tunnel interface is on no port; allowed: no such key here");
	else if (cfg_int(o, "tag", CFG_OPTIONAL, 1, 4094, &v))
		f->tag = (uint16_t)v;
	if (f->tunnel && port)
		cfg_error(o, port, "port", "a tunnel interface has no port; allowed: no such key here");
	else if (f->vlan && port)
		cfg_error(
			o, port, "port",
			"stands beside tag; allowed: one of the two, for a VLAN's port is the one it is named after");
	else if (!f->tunnel && !f->vlan &&
		 cfg_text(o, "port", f->name[0] ? CFG_REQUIRED : CFG_OPTIONAL, port_allowed, f->port,
			  sizeof(f->port)) &&
		 !device_ok(f->port))
		cfg_error(o, port, "port", "found %s; allowed: %s", cfg_found(port, false, found),
			  port_allowed);
}

void cfg_read_interface(struct cfg_obj *o, struct cfg_interface *f)
{
	static const char *const known[] = {"name", "port", "tag", "address", "zone", "mtu", NULL};
	static const char *const later[] = {"comment", "virtual-router", "management-profile", "dhcp", NULL};
	long long v;

	f->vlan = config_setting_get_member(o->s, "tag");
	read_name(o, f);
	f->vlan &= !f->tunnel;
	f->mtu = f->vlan ? 0 : 1500;
	cfg_keys(o, known, later);
	if (cfg_int(o, "mtu", CFG_OPTIONAL, 576, 9216, &v)) {
		f->mtu = (uint16_t)v;
		if (f->tunnel)
			cfg_error(o, config_setting_get_member(o->s, "mtu"), "mtu",
				  "a tunnel's MTU follows from its SA; allowed: on a port");
	}
	read_link(o, f);
	cfg_name(o, "zone", CFG_OPTIONAL, false, f->zone);
	read_addresses(o, f);
}

/* ---- routes ------------------------------------------------------------------------------------ */

void cfg_read_route(struct cfg_obj *o, struct cfg_route *r)
{
	static const char *const known[] = {"name", "destination", "via", "interface", "metric", NULL};
	static const char *const later[] = {"path-monitor", "virtual-router", NULL};
	const config_setting_t *via = config_setting_get_member(o->s, "via");
	const config_setting_t *ifc = config_setting_get_member(o->s, "interface");
	char dst[PREFIX_STR];
	long long metric;

	r->metric = 10;
	if (cfg_prefix(o, "destination", CFG_REQUIRED, &r->dst))
		snprintf(o->name, sizeof(o->name), "%s", prefix_str(&r->dst, dst));
	cfg_keys(o, known, later);
	cfg_name(o, "name", CFG_OPTIONAL, false, r->name);
	if (cfg_int(o, "metric", CFG_OPTIONAL, 1, 65535, &metric))
		r->metric = (uint16_t)metric;
	if (via && ifc)
		cfg_error(o, via, "via", "stands beside interface; allowed: one of the two");
	else if (!via && !ifc)
		cfg_error(o, NULL, "via",
			  "missing; allowed: the next router's address, or interface = a name");
	if (via)
		cfg_addr(o, "via", CFG_OPTIONAL, "the next router's address", &r->via);
	if (r->via.v && r->dst.a.v && r->via.v != r->dst.a.v) {
		cfg_error(o, via, "via",
			  "found an IPv%d address; allowed: an IPv%d address, as the destination is",
			  r->via.v, r->dst.a.v);
		r->via = (struct addr){0};
	}
	if (ifc)
		cfg_name(o, "interface", CFG_OPTIONAL, true, r->interface);
}
