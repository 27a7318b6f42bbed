/* SPDX-License-Identifier: Apache-2.0 */
/* What the file says of peers: IKE gateways, IPsec tunnels, proxy-IDs. */
#include "config_read.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dp_api.h"
#include "wire.h"

/* Recommended least length of a pre-shared key: what an eavesdropper can try offline must be long. */
enum { PSK_RECOMMENDED = 32 };

/* IP packets of IKE fragments, bytes */
enum { FRAGMENT_SIZE = 1280, FRAGMENT_SIZE_MIN = 576, FRAGMENT_SIZE_MAX = 9216 };

/* ---- pre-shared keys: never echoed ------------------------------------------------------------- */

static void psk_set(struct cfg_obj *o, const config_setting_t *at, const char *key, const char *psk,
		    size_t len, struct ike_gw_conf *g)
{
	if (len == 0 || len > IKE_PSK_MAX) {
		cfg_error(o, at, key, "found %zu characters; allowed: 1 to %d", len, IKE_PSK_MAX);
		return;
	}
	memcpy(g->psk, psk, len);
	g->psk_len = (uint16_t)len;
	if (isspace((unsigned char)psk[0]) || isspace((unsigned char)psk[len - 1]))
		cfg_warn(o, at, key,
			 "begins or ends with white space, which counts: the peer needs it as well");
	else if (len >= 2 && psk[0] == psk[len - 1] && strchr("\"'", psk[0]))
		cfg_warn(o, at, key, "stands in quotes that belong to the key: the peer needs them as well");
	if (len < PSK_RECOMMENDED)
		cfg_warn(o, at, key, "has %zu characters; recommended: at least %d", len, PSK_RECOMMENDED);
}

/* The path of a file named in the configuration: relative to the configuration's own folder. */
static void path_beside(const struct cfg_load *l, const char *name, char *path, size_t cap)
{
	const char *slash = strrchr(l->path, '/');

	if (name[0] == '/' || !slash)
		snprintf(path, cap, "%s", name);
	else
		snprintf(path, cap, "%.*s/%s", (int)(slash - l->path), l->path, name);
}

static void psk_from_file(struct cfg_obj *o, const config_setting_t *m, struct ike_gw_conf *g)
{
	static const char key[] = "pre-shared-key-file";
	const char *name = cfg_string(o, key, CFG_OPTIONAL, "the path of a file that holds the key alone");
	char path[1024], *text;
	unsigned mode;
	size_t len;
	int rc;

	if (!name)
		return;
	path_beside(o->l, name, path, sizeof(path));
	/* One byte over the limit and a line end, so that a key that is too long is told as such. */
	rc = cfg_slurp(path, IKE_PSK_MAX + 3, &text, &len, &mode);
	if (rc < 0) {
		cfg_error(o, m, key, "\"%s\": %s", path,
			  rc == -EFBIG    ? "longer than any key"
			  : rc == -EINVAL ? "not a regular file"
					  : strerror(-rc));
		return;
	}
	if (mode & 077)
		cfg_warn(o, m, key, "\"%s\" may be read or written by others; recommended: mode 0600", path);
	while (len && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	psk_set(o, m, key, text, len, g);
	explicit_bzero(text, len);
	free(text);
}

static void read_psk(struct cfg_obj *o, struct ike_gw_conf *g)
{
	static const char key[] = "pre-shared-key";
	const config_setting_t *m = config_setting_get_member(o->s, key);
	const config_setting_t *f = config_setting_get_member(o->s, "pre-shared-key-file");
	const char *v = m ? config_setting_get_string(m) : NULL;
	char found[CFG_FOUND];

	if (m && f)
		cfg_error(o, f, "pre-shared-key-file",
			  "stands beside pre-shared-key; allowed: one of the two");
	else if (!m && !f)
		cfg_error(o, NULL, key,
			  "missing; allowed: a string, or pre-shared-key-file = the path of a file");
	else if (f)
		psk_from_file(o, f, g);
	else if (!v)
		cfg_error(o, m, key, "found %s; allowed: a string", cfg_found(m, true, found));
	else
		psk_set(o, m, key, v, strlen(v), g);
}

/* ---- identities -------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	return isdigit((unsigned char)c)    ? c - '0'
	       : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
					    : -1;
}

/* A key-id: text as it stands, or "0x…" for any bytes. */
static bool keyid_set(const char *v, struct ike_id *id)
{
	size_t n = strlen(v);

	if (strncmp(v, "0x", 2) != 0) {
		memcpy(id->data, v, n);
		id->len = (uint8_t)n;
		return true;
	}
	if (n < 4 || n % 2)
		return false;
	for (size_t i = 2; i < n; i += 2) {
		int hi = hex_digit(v[i]), lo = hex_digit(v[i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		id->data[id->len++] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

static bool printable(const char *v)
{
	for (; *v; v++)
		if ((unsigned char)*v <= ' ' || (unsigned char)*v == 0x7f)
			return false;
	return true;
}

static void read_id(struct cfg_obj *gw, const char *key, struct ike_id *id)
{
	static const char *const known[] = {"type", "value", NULL};
	static const char *const later[] = {"matching", NULL};
	static const struct cfg_word types[] = {
		{"ipaddr", ID_IPV4_ADDR},
		{"fqdn", ID_FQDN},
		{"ufqdn", ID_RFC822_ADDR},
		{"keyid", ID_KEY_ID},
		{"dn", ID_DER_ASN1_DN, 0, "not available in this version (it needs certificates)"},
		{0},
	};
	const config_setting_t *m = config_setting_get_member(gw->s, key), *vm;
	struct cfg_obj o;
	const struct cfg_word *type;
	char found[CFG_FOUND], kind[CFG_KIND];
	const char *v;
	bool ok;

	if (!m)
		return;
	if (!config_setting_is_group(m)) {
		cfg_error(gw, m, key, "found %s; allowed: { type = \"ipaddr\"; value = \"198.51.100.20\"; }",
			  cfg_found(m, false, found));
		return;
	}
	o = cfg_sub(gw, m, key, kind);
	cfg_keys(&o, known, later);
	type = cfg_word(&o, "type", CFG_REQUIRED, types);
	v = cfg_string(&o, "value", CFG_REQUIRED, "the identity as text");
	if (!type || !v)
		return;
	vm = config_setting_get_member(m, "value");
	if (strlen(v) == 0 || strlen(v) > IKE_ID_MAX) {
		cfg_error(&o, vm, "value", "found %zu characters; allowed: 1 to %d", strlen(v), IKE_ID_MAX);
		return;
	}
	if (type->id == ID_IPV4_ADDR) {
		struct addr a;

		if (!cfg_addr_of(&o, vm, "value", v, "an IPv4 or IPv6 address", &a))
			return;
		memcpy(id->data, a.b, addr_len(&a));
		id->len = (uint8_t)addr_len(&a);
		id->type = a.v == 4 ? ID_IPV4_ADDR : ID_IPV6_ADDR;
		return;
	}
	ok = type->id == ID_KEY_ID ? keyid_set(v, id)
	     : type->id == ID_FQDN ? printable(v) && !strchr(v, '@')
				   : printable(v) && strchr(v, '@') && v[0] != '@' && v[strlen(v) - 1] != '@';
	if (!ok) {
		cfg_error(&o, vm, "value", "found %s; allowed: %s", cfg_found(vm, false, found),
			  type->id == ID_KEY_ID ? "text, or 0x and an even number of hexadecimal digits"
			  : type->id == ID_FQDN ? "a host name such as \"hq.example.com\""
						: "a mail address such as \"hq@example.com\"");
		*id = (struct ike_id){0};
		return;
	}
	if (type->id != ID_KEY_ID) {
		memcpy(id->data, v, strlen(v));
		id->len = (uint8_t)strlen(v);
	}
	id->type = (uint8_t)type->id;
}

/* ---- gateways ---------------------------------------------------------------------------------- */

static void read_dpd(struct cfg_obj *gw, struct ike_gw_conf *g)
{
	static const char *const known[] = {"enable", "interval", "retry", "action", NULL};
	static const struct cfg_word actions[] = {
		{"restart", IKE_DPD_RESTART}, {"hold", IKE_DPD_HOLD}, {"clear", IKE_DPD_CLEAR}, {0}};
	const config_setting_t *m = config_setting_get_member(gw->s, "dpd");
	const struct cfg_word *w;
	struct cfg_obj o;
	char found[CFG_FOUND], kind[CFG_KIND];
	bool enable = true;
	long long v;

	/* A silent peer is declared dead in about half a minute. */
	g->dpd_interval_s = 10;
	g->dpd_retry = 3;
	if (!m)
		return;
	if (!config_setting_is_group(m)) {
		cfg_error(gw, m, "dpd",
			  "found %s; allowed: { interval = 10; retry = 3; } or { enable = false; }",
			  cfg_found(m, false, found));
		return;
	}
	o = cfg_sub(gw, m, "dpd", kind);
	cfg_keys(&o, known, NULL);
	cfg_bool(&o, "enable", &enable);
	if (cfg_int(&o, "interval", CFG_OPTIONAL, 2, 100, &v))
		g->dpd_interval_s = (uint16_t)v;
	if (cfg_int(&o, "retry", CFG_OPTIONAL, 2, 100, &v))
		g->dpd_retry = (uint16_t)v;
	w = cfg_word(&o, "action", CFG_OPTIONAL, actions);
	if (w)
		g->dpd_action = (enum ike_dpd_action)w->id;
	if (enable)
		return;
	for (unsigned i = 1; i <= 3; i++)
		if (config_setting_get_member(m, known[i]))
			cfg_error(&o, config_setting_get_member(m, known[i]), known[i],
				  "has no effect with enable = false; allowed: one of the two");
	g->dpd_interval_s = 0;
}

static void read_peer(struct cfg_obj *o, struct ike_gw_conf *g)
{
	static const char allowed[] = "the peer's address, or \"dynamic\"";
	const config_setting_t *m = config_setting_get_member(o->s, "peer-address");
	const char *v = cfg_string(o, "peer-address", CFG_REQUIRED, allowed);
	bool passive = true;

	if (!v)
		return;
	if (strcmp(v, "dynamic") != 0 && strcmp(v, "any") != 0) {
		if (cfg_addr_of(o, m, "peer-address", v, allowed, &g->remote) &&
		    (!cfg_unicast(&g->remote) || addr_is_link_local(&g->remote))) {
			cfg_error(o, m, "peer-address", "found \"%s\"; allowed: %s", v, allowed);
			g->remote = (struct addr){0};
		}
		return;
	}
	/* Nobody can call a peer whose address nobody knows, and only its identity tells it from others. */
	if (cfg_bool(o, "passive-mode", &passive) && !passive)
		cfg_error(o, config_setting_get_member(o->s, "passive-mode"), "passive-mode",
			  "found false, with peer-address = \"dynamic\"; allowed: true");
	g->passive = true;
	if (!config_setting_get_member(o->s, "peer-id"))
		cfg_error(
			o, NULL, "peer-id",
			"missing; allowed: an identity, since peer-address = \"dynamic\" says nothing about who calls");
}

/* IKE messages in fragments (RFC 7383).  1280 fits any path that IPv6 knows, and whatever tunnels IPv4 goes
 * through on its way. */
static void read_fragmentation(struct cfg_obj *o, struct ike_gw_conf *g)
{
	bool on = true;
	long long v;

	g->fragment_size = FRAGMENT_SIZE;
	cfg_bool(o, "fragmentation", &on);
	if (cfg_int(o, "fragment-size", CFG_OPTIONAL, FRAGMENT_SIZE_MIN, FRAGMENT_SIZE_MAX, &v)) {
		g->fragment_size = (uint16_t)v;
		if (!on)
			cfg_error(o, config_setting_get_member(o->s, "fragment-size"), "fragment-size",
				  "has no effect with fragmentation = false; allowed: one of the two");
	}
	if (!on)
		g->fragment_size = 0;
}

void cfg_read_gateway(struct cfg_obj *o, struct cfg_gateway *gw)
{
	static const char *const known[] = {"name",
					    "version",
					    "interface",
					    "local-address",
					    "peer-address",
					    "pre-shared-key",
					    "pre-shared-key-file",
					    "local-id",
					    "peer-id",
					    "ike-crypto-profile",
					    "dpd",
					    "nat-traversal",
					    "nat-keepalive",
					    "passive-mode",
					    "fragmentation",
					    "fragment-size",
					    NULL};
	static const char *const later[] = {"certificate",
					    "local-certificate",
					    "certificate-profile",
					    "authentication",
					    "exchange-mode",
					    "cookie-threshold",
					    "ppk",
					    "post-quantum",
					    "peer-port",
					    "comment",
					    "strict-validation",
					    "disabled",
					    NULL};
	static const struct cfg_word versions[] = {
		{"ikev2", 2},
		{"ikev1", 0, 0, "not available in this version"},
		{"ikev2-preferred", 0, 0,
		 "IKEv1, which it may fall back to, is not available in this version"},
		{0},
	};
	static const struct cfg_word natts[] = {
		{"auto", IKE_NATT_AUTO}, {"off", IKE_NATT_OFF}, {"force", IKE_NATT_FORCE}, {0}};
	struct ike_gw_conf *g = &gw->ike;
	const struct cfg_word *w;
	long long v;

	if (cfg_name(o, "name", CFG_REQUIRED, false, g->name))
		memcpy(o->name, g->name, sizeof(o->name));
	cfg_keys(o, known, later);
	cfg_word(o, "version", CFG_OPTIONAL, versions);
	cfg_name(o, "interface", CFG_REQUIRED, true, gw->interface);
	cfg_addr(o, "local-address", CFG_OPTIONAL, "an address of the interface", &g->local);
	cfg_bool(o, "passive-mode", &g->passive);
	read_peer(o, g);
	read_psk(o, g);
	read_id(o, "local-id", &g->local_id);
	read_id(o, "peer-id", &g->remote_id);
	cfg_name(o, "ike-crypto-profile", CFG_REQUIRED, false, gw->profile);
	read_dpd(o, g);
	w = cfg_word(o, "nat-traversal", CFG_OPTIONAL, natts);
	g->natt = w ? (enum ike_natt)w->id : IKE_NATT_AUTO;
	g->natt_keepalive_s = 20;
	if (cfg_int(o, "nat-keepalive", CFG_OPTIONAL, 10, 3600, &v))
		g->natt_keepalive_s = (uint16_t)v;
	read_fragmentation(o, g);
}

/* ---- tunnels ----------------------------------------------------------------------------------- */

/* A port, 443; 0 is any; or a range, "8000-8080". */
static bool read_ports(const struct cfg_obj *o, const char *key, uint16_t *lo, uint16_t *hi)
{
	static const char allowed[] = "0 to 65535, or a range such as \"8000-8080\"";
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
