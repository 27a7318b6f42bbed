/* SPDX-License-Identifier: Apache-2.0 */
/* What the file says of peers: IKE gateways. */
#include "config_read.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
