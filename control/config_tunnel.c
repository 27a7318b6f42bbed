/* SPDX-License-Identifier: Apache-2.0 */
/* What the file says of tunnels: IPsec tunnels and their proxy-IDs. */
#include "config_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dp_api.h"

/* A port, 443; 0 is any; or a range, "8000-8080". */
static bool read_ports(const struct cfg_obj *o, const char *key, uint16_t *lo, uint16_t *hi)
{
	static const char allowed[] = "0 (any port) to 65535, or a range from 1 on such as \"8000-8080\"";
	const config_setting_t *m = config_setting_get_member(o->s, key);
	char found[CFG_FOUND];
	long long v;

	if (!m || config_setting_type(m) != CONFIG_TYPE_STRING) {
		if (!cfg_int(o, key, CFG_OPTIONAL, 0, 65535, &v))
			return false;
		*lo = *hi = (uint16_t)v;
		return true;
	}
	if (!cfg_ports_of(config_setting_get_string(m), lo, hi)) {
		cfg_error(o, m, key, "found %s; allowed: %s", cfg_found(m, false, found), allowed);
		return false;
	}
	return true;
}

static void read_protocol(struct cfg_obj *o, struct cfg_proxy_id *p)
{
	static const struct cfg_word protos[] = {
		{"any", 0},  {"tcp", 6},  {"udp", 17},   {"icmp", 1}, {"icmp6", 58},
		{"gre", 47}, {"esp", 50}, {"sctp", 132}, {0},
	};
	const config_setting_t *m = config_setting_get_member(o->s, "protocol");
	unsigned before = o->l->errors;
	const struct cfg_word *w;
	long long v;

	if (m && config_setting_is_number(m)) {
		if (cfg_int(o, "protocol", CFG_OPTIONAL, 1, 254, &v))
			p->proto = (uint8_t)v;
	} else {
		w = cfg_word(o, "protocol", CFG_OPTIONAL, protos);
		p->proto = w ? (uint8_t)w->id : 0;
	}
	if (o->l->errors != before)
		return;
	if (p->local.a.v == p->remote.a.v &&
	    ((p->proto == 1 && p->local.a.v == 6) || (p->proto == 58 && p->local.a.v == 4)))
		cfg_error(o, m, "protocol", "found ICMP of IPv%u between IPv%u prefixes; allowed: \"%s\"",
			  p->proto == 1 ? 4 : 6, p->local.a.v, p->proto == 1 ? "icmp6" : "icmp");
	for (int i = 0; i < 2; i++) {
		const char *key = i ? "remote-port" : "local-port";

		uint16_t *lo = i ? &p->remote_port : &p->local_port;

		if (!read_ports(o, key, lo, i ? &p->remote_port_hi : &p->local_port_hi))
			continue;
		if (*lo && p->proto != 6 && p->proto != 17 && p->proto != 132)
			cfg_error(
				o, config_setting_get_member(o->s, key), key,
				"found a port, and a protocol that has none; allowed: with protocol tcp, udp or sctp");
	}
}

static void read_proxy_id(struct cfg_obj *o, struct cfg_proxy_id *p)
{
	static const char *const known[] = {"name",       "local",       "remote", "protocol",
					    "local-port", "remote-port", NULL};

	if (cfg_name(o, "name", CFG_REQUIRED, false, p->name))
		memcpy(o->name, p->name, sizeof(o->name));
	cfg_keys(o, known, NULL);
	cfg_prefix(o, "local", CFG_REQUIRED, &p->local);
	cfg_prefix(o, "remote", CFG_REQUIRED, &p->remote);
	if (p->local.a.v && p->remote.a.v && p->local.a.v != p->remote.a.v)
		cfg_error(o, config_setting_get_member(o->s, "remote"), "remote",
			  "found an IPv%u prefix; allowed: an IPv%u prefix, as local is", p->remote.a.v,
			  p->local.a.v);
	read_protocol(o, p);
}

static bool proxy_ids_alloc(struct cfg_load *l, struct cfg_tunnel *t, size_t n)
{
	t->proxy_ids = calloc(n, sizeof(t->proxy_ids[0]));
	if (!t->proxy_ids) {
		cfg_out_of_memory(l);
		return false;
	}
	return true;
}

static void read_proxy_ids(struct cfg_obj *tun, struct cfg_tunnel *t)
{
	const config_setting_t *m = config_setting_get_member(tun->s, "proxy-ids");
	int n = m && config_setting_is_list(m) ? config_setting_length(m) : 0;
	char found[CFG_FOUND], kind[CFG_KIND];

	if (m && !config_setting_is_list(m)) {
		cfg_error(tun, m, "proxy-ids",
			  "found %s; allowed: ( { name = …; local = …; remote = …; }, … )",
			  cfg_found(m, false, found));
		return;
	}
	if (!proxy_ids_alloc(tun->l, t, n ? (size_t)n : 1))
		return;
	if (n == 0) { /* as on the field's firewalls: none configured means any to any, of IPv4 */
		prefix_parse("0.0.0.0/0", &t->proxy_ids[0].local);
		prefix_parse("0.0.0.0/0", &t->proxy_ids[0].remote);
		t->n_proxy_ids = 1;
		return;
	}
	for (int i = 0; i < n; i++) {
		struct cfg_obj o = cfg_sub(tun, config_setting_get_elem(m, (unsigned)i), "proxy-id", kind);

		if (config_setting_is_group(o.s))
			read_proxy_id(&o, &t->proxy_ids[i]);
		else
			cfg_error(&o, o.s, NULL, "found %s; allowed: a group { }",
				  cfg_found(o.s, false, found));
		t->n_proxy_ids++;
	}
}

static void read_replay(struct cfg_obj *o, struct cfg_tunnel *t)
{
	static const char allowed[] = "64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384; 0: off";
	const config_setting_t *m = config_setting_get_member(o->s, "anti-replay-window");
	char found[CFG_FOUND];
	bool on = true;
	long long v;

	t->replay_window = 1024;
	cfg_bool(o, "anti-replay", &on);
	if (m) {
		v = config_setting_get_int64(m);
		if (!config_setting_is_number(m) || (v != 0 && (v < 64 || v > 16384)) || (v & (v - 1)))
			cfg_error(o, m, "anti-replay-window", "found %s; allowed: %s",
				  cfg_found(m, false, found), allowed);
		else
			t->replay_window = (uint16_t)v;
		if (!on)
			cfg_error(o, m, "anti-replay-window",
				  "has no effect with anti-replay = false; allowed: one of the two");
	}
	if (!on)
		t->replay_window = 0;
	if (t->replay_window == 0)
		cfg_warn(o, on ? m : config_setting_get_member(o->s, "anti-replay"),
			 on ? "anti-replay-window" : "anti-replay",
			 "off: captured packets can be sent again");
}

enum { DUMMY_RATE_MAX = 1000 };

/* tfc = { pad-to = 800; dummy-rate = 10; } or { pad-to = "mtu"; } */
static void read_tfc(struct cfg_obj *tun, struct cfg_tunnel *t)
{
	static const char *const known[] = {"pad-to", "dummy-rate", NULL};
	static const char allowed[] = "64 to 16000 (bytes of inner packet), \"mtu\"";
	const config_setting_t *m = config_setting_get_member(tun->s, "tfc"), *to;
	char kind[CFG_KIND], found[CFG_FOUND];
	struct cfg_obj o;
	long long v;

	if (!m)
		return;
	if (!config_setting_is_group(m)) {
		cfg_error(tun, m, "tfc",
			  "found %s; allowed: a group { pad-to = 800; } or { pad-to = \"mtu\"; }",
			  cfg_found(m, false, found));
		return;
	}
	o = cfg_sub(tun, m, "tfc", kind);
	cfg_keys(&o, known, NULL);
	if (cfg_int(&o, "dummy-rate", CFG_OPTIONAL, 0, DUMMY_RATE_MAX, &v))
		t->dummy_rate = (uint16_t)v;
	to = cfg_member(&o, "pad-to", CFG_REQUIRED, allowed);
	if (!to)
		return;
	v = config_setting_get_int64(to);
	if (config_setting_type(to) == CONFIG_TYPE_STRING && !strcmp(config_setting_get_string(to), "mtu"))
		t->tfc_pad_to = DP_TFC_MTU;
	else if (config_setting_type(to) == CONFIG_TYPE_INT && v >= 64 && v <= 16000)
		t->tfc_pad_to = (uint16_t)v;
	else
		cfg_error(&o, to, "pad-to", "found %s; allowed: %s", cfg_found(to, false, found), allowed);
}

/* Without an inner packet there is nothing for these to be about. */
static void no_tunnel_keys(struct cfg_obj *o)
{
	static const char *const keys[] = {"tfc", "proxy-id-mode", "adjust-tcp-mss",
					   "df",  "dscp",          "copy-tos"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (config_setting_get_member(o->s, keys[i]))
			cfg_error(o, config_setting_get_member(o->s, keys[i]), keys[i],
				  "has no effect with ipsec-mode = \"transport\"; allowed: with \"tunnel\"");
}

void cfg_read_tunnel(struct cfg_obj *o, struct cfg_tunnel *t)
{
	static const char *const known[] = {"name",
					    "tunnel-interface",
					    "ike-gateway",
					    "ipsec-crypto-profile",
					    "proxy-ids",
					    "anti-replay",
					    "anti-replay-window",
					    "tfc",
					    "ts-policy",
					    "proxy-id-mode",
					    "ipsec-mode",
					    "start",
					    "adjust-tcp-mss",
					    "df",
					    "dscp",
					    "copy-tos",
					    "tunnel-monitor",
					    NULL};
	static const char *const later[] = {
		"enable-gre-encapsulation", "type", "manual-key", "disabled", "comment", "mtu", "esn", NULL};
	static const struct cfg_word modes[] = {{"each", false}, {"combined", true}, {0}};
	static const struct cfg_word ipsec_modes[] = {{"tunnel", false}, {"transport", true}, {0}};
	static const struct cfg_word policies[] = {{"narrow", IKE_TS_NARROW}, {"exact", IKE_TS_EXACT}, {0}};
	const struct cfg_word *w;

	if (cfg_name(o, "name", CFG_REQUIRED, false, t->name))
		memcpy(o->name, t->name, sizeof(o->name));
	cfg_keys(o, known, later);
	cfg_name(o, "tunnel-interface", CFG_REQUIRED, true, t->interface);
	cfg_name(o, "ike-gateway", CFG_REQUIRED, false, t->gateway);
	cfg_name(o, "ipsec-crypto-profile", CFG_REQUIRED, false, t->profile);
	read_replay(o, t);
	read_tfc(o, t);
	w = cfg_word(o, "ts-policy", CFG_OPTIONAL, policies);
	t->ts_policy = w ? (enum ike_ts_policy)w->id : IKE_TS_NARROW;
	w = cfg_word(o, "proxy-id-mode", CFG_OPTIONAL, modes);
	t->combined = w && w->id;
	w = cfg_word(o, "ipsec-mode", CFG_OPTIONAL, ipsec_modes);
	t->transport = w && w->id;
	if (t->transport)
		no_tunnel_keys(o);
	cfg_bool(o, "start", &t->start);
	cfg_read_carry(o, &t->carry);
	read_proxy_ids(o, t);
	cfg_read_monitor(o, &t->monitor);
}
