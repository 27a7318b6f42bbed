/* SPDX-License-Identifier: Apache-2.0 */
/* What the file says of peers: IKE gateways. */
#include "config_read.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cert.h"
#include "wire.h"

/* IP packets of IKE fragments, bytes */
enum { FRAGMENT_SIZE = 1280, FRAGMENT_SIZE_MIN = 576, FRAGMENT_SIZE_MAX = 9216 };

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

/* "*.branch.example", "*@example.com", "C=CH, CN=*": with matching = "wildcard". */
static bool pattern_ok(const struct cfg_obj *o, const config_setting_t *vm, const struct ike_id *id,
		       const char *v)
{
	bool text = id->type == ID_FQDN || id->type == ID_RFC822_ADDR;

	if (id->type == ID_DER_ASN1_DN
		    ? cert_dn_has_wildcard((struct bytes){.p = id->data, .len = id->len})
		    : text && v[0] == '*' && v[1] == (id->type == ID_FQDN ? '.' : '@') && !strchr(v + 1, '*'))
		return true;
	cfg_error(o, vm, "value", "found \"%s\", with matching = \"wildcard\"; allowed: %s", v,
		  id->type == ID_FQDN          ? "\"*.branch.example\""
		  : id->type == ID_RFC822_ADDR ? "\"*@branch.example\""
		  : id->type == ID_DER_ASN1_DN ? "a name with at least one value that is \"*\""
					       : "type fqdn, ufqdn or dn");
	return false;
}

static void no_wildcard(struct cfg_obj *o, const config_setting_t *vm, const struct ike_id *id, const char *v,
			bool could)
{
	if (cert_dn_has_wildcard((struct bytes){.p = id->data, .len = id->len}))
		cfg_error(o, vm, "value",
			  "found \"%s\", whose \"*\" stands for nothing; allowed: a name without any%s", v,
			  could ? ", or matching = \"wildcard\"" : "");
}

/* Returns whether it is a pattern, where such a thing may stand. */
static bool read_id(struct cfg_obj *gw, const char *key, struct ike_id *id, bool may)
{
	static const char *const known[] = {"type", "value", "matching", NULL};
	static const struct cfg_word matchings[] = {{"exact", 0}, {"wildcard", 1}, {0}};
	static const struct cfg_word types[] = {
		{"ipaddr", ID_IPV4_ADDR}, {"fqdn", ID_FQDN},      {"ufqdn", ID_RFC822_ADDR},
		{"keyid", ID_KEY_ID},     {"dn", ID_DER_ASN1_DN}, {0},
	};
	const config_setting_t *m = config_setting_get_member(gw->s, key), *vm;
	struct cfg_obj o;
	const struct cfg_word *type, *w;
	char found[CFG_FOUND], kind[CFG_KIND];
	const char *v;
	bool ok;

	if (!m)
		return false;
	if (!config_setting_is_group(m)) {
		cfg_error(gw, m, key, "found %s; allowed: { type = \"ipaddr\"; value = \"198.51.100.20\"; }",
			  cfg_found(m, false, found));
		return false;
	}
	o = cfg_sub(gw, m, key, kind);
	cfg_keys(&o, known, NULL);
	type = cfg_word(&o, "type", CFG_REQUIRED, types);
	w = cfg_word(&o, "matching", CFG_OPTIONAL, matchings);
	if (w && w->id && !may)
		cfg_error(&o, config_setting_get_member(m, "matching"), "matching",
			  "found \"wildcard\"; allowed: \"exact\", since we have one identity");
	v = cfg_string(&o, "value", CFG_REQUIRED, "the identity as text");
	if (!type || !v)
		return false;
	vm = config_setting_get_member(m, "value");
	if (strlen(v) == 0 || strlen(v) > IKE_ID_MAX) {
		cfg_error(&o, vm, "value", "found %zu characters; allowed: 1 to %d", strlen(v), IKE_ID_MAX);
		return false;
	}
	if (type->id == ID_IPV4_ADDR) {
		struct addr a;

		if (!cfg_addr_of(&o, vm, "value", v, "an IPv4 or IPv6 address", &a))
			return false;
		memcpy(id->data, a.b, addr_len(&a));
		id->len = (uint8_t)addr_len(&a);
		id->type = a.v == 4 ? ID_IPV4_ADDR : ID_IPV6_ADDR;
		return false;
	}
	ok = type->id == ID_KEY_ID        ? keyid_set(v, id)
	     : type->id == ID_DER_ASN1_DN ? cert_dn_parse(v, id)
	     : type->id == ID_FQDN        ? printable(v) && !strchr(v, '@') && v[0] != '.'
				   : printable(v) && strchr(v, '@') && v[0] != '@' && v[strlen(v) - 1] != '@';
	if (!ok) {
		cfg_error(&o, vm, "value", "found %s; allowed: %s", cfg_found(vm, false, found),
			  type->id == ID_DER_ASN1_DN
				  ? "a name such as \"C=CH, O=Example, CN=hq.example.com\", at "
				    "most 255 bytes as DER"
			  : type->id == ID_KEY_ID ? "text, or 0x and an even number of hexadecimal digits"
			  : type->id == ID_FQDN   ? "a host name such as \"hq.example.com\""
						  : "a mail address such as \"hq@example.com\"");
		*id = (struct ike_id){0};
		return false;
	}
	if (type->id != ID_KEY_ID && type->id != ID_DER_ASN1_DN) {
		memcpy(id->data, v, strlen(v));
		id->len = (uint8_t)strlen(v);
	}
	id->type = (uint8_t)type->id;
	if (may && w && w->id)
		return pattern_ok(&o, vm, id, v);
	if (type->id == ID_DER_ASN1_DN)
		no_wildcard(&o, vm, id, v, may);
	return false;
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
					    "local-certificate",
					    "certificate-profile",
					    "rsa-sha1",
					    "local-id",
					    "peer-id",
					    "ike-crypto-profile",
					    "dpd",
					    "nat-traversal",
					    "nat-keepalive",
					    "passive-mode",
					    "fragmentation",
					    "fragment-size",
					    "ppk",
					    "mobike",
					    "redirect",
					    NULL};
	static const char *const later[] = {"certificate",       "authentication", "exchange-mode",
					    "cookie-threshold",  "peer-port",      "comment",
					    "strict-validation", "disabled",       NULL};
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
	cfg_read_authentication(o, gw);
	(void)read_id(o, "local-id", &g->local_id, false);
	g->remote_pattern = read_id(o, "peer-id", &g->remote_id, true);
	cfg_name(o, "ike-crypto-profile", CFG_REQUIRED, false, gw->profile);
	read_dpd(o, g);
	w = cfg_word(o, "nat-traversal", CFG_OPTIONAL, natts);
	g->natt = w ? (enum ike_natt)w->id : IKE_NATT_AUTO;
	g->natt_keepalive_s = 20;
	if (cfg_int(o, "nat-keepalive", CFG_OPTIONAL, 10, 3600, &v))
		g->natt_keepalive_s = (uint16_t)v;
	read_fragmentation(o, g);
	cfg_read_ppk(o, g);
	cfg_bool(o, "mobike", &g->mobike);
	cfg_bool(o, "redirect", &g->redirect);
	if (g->redirect && !g->remote_id.type) /* or its address, which is another there, would be it */
		cfg_error(
			o, config_setting_get_member(o->s, "redirect"), "redirect",
			"the peer has to prove the same identity at its new address; allowed: false, or a peer-id "
			"as well");
}
