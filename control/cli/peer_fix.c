/* SPDX-License-Identifier: Apache-2.0 */
#include "peer_fix.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "doc.h"
#include "wire.h"

enum { LINE = 320, NAME = 40 };

struct vendor {
	const char *system;
	json_t *commands;
};
enum { PANOS, IOSXE, STRONGSWAN, VENDORS };
struct fix {
	struct vendor v[VENDORS];
	const struct ike_gw_conf *g;
	const struct ike_child_conf *child;
};

static void say(struct fix *f, int vendor, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void say(struct fix *f, int vendor, const char *fmt, ...)
{
	char line[LINE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	json_array_append_new(f->v[vendor].commands, json_string(line));
}

/* ---- algorithms, in each one's words ----------------------------------------------------------------- */

struct names {
	uint16_t id;
	const char *panos, *iosxe, *strongswan; /* a '#' is the key's bits */
};

static const struct names ciphers[] = {
	{ENCR_AES_CBC, "aes-#-cbc", "aes-cbc-#", "aes#"},
	{ENCR_AES_GCM_16, "aes-#-gcm", "aes-gcm-#", "aes#gcm16"},
	{ENCR_CHACHA20_POLY1305, NULL, NULL, "chacha20poly1305"},
	{ENCR_AES_CTR, NULL, NULL, "aes#ctr"},
	{ENCR_NULL, "null", NULL, "null"},
};
static const struct names hashes[] = {
	{AUTH_HMAC_SHA1_96, "sha1", "sha1", "sha1"},
	{AUTH_HMAC_SHA2_256_128, "sha256", "sha256", "sha256"},
	{AUTH_HMAC_SHA2_384_192, "sha384", "sha384", "sha384"},
	{AUTH_HMAC_SHA2_512_256, "sha512", "sha512", "sha512"},
};
static const struct names groups[] = {
	{DH_MODP1024, "group2", "2", "modp1024"},   {DH_MODP1536, "group5", "5", "modp1536"},
	{DH_MODP2048, "group14", "14", "modp2048"}, {DH_MODP3072, "group15", "15", "modp3072"},
	{DH_MODP4096, "group16", "16", "modp4096"}, {DH_ECP256, "group19", "19", "ecp256"},
	{DH_ECP384, "group20", "20", "ecp384"},     {DH_ECP521, "group21", "21", "ecp521"},
	{DH_CURVE25519, NULL, NULL, "x25519"},      {DH_CURVE448, NULL, NULL, "x448"},
};

/* The vendor's word; "<what>" when it has none for this. */
static const char *word(const struct names *t, size_t n, uint16_t id, unsigned bits, int vendor,
			char buf[NAME])
{
	const char *w = NULL;

	for (size_t i = 0; i < n; i++)
		if (t[i].id == id)
			w = vendor == PANOS ? t[i].panos : vendor == IOSXE ? t[i].iosxe : t[i].strongswan;
	if (!w)
		snprintf(buf, NAME, "<not available there>");
	else if (strchr(w, '#'))
		snprintf(buf, NAME, "%.*s%u%s", (int)strcspn(w, "#"), w, bits, strchr(w, '#') + 1);
	else
		snprintf(buf, NAME, "%s", w);
	return buf;
}
#define WORD(t, id, bits, vendor, buf) word(t, sizeof(t) / sizeof((t)[0]), id, bits, vendor, buf)

static bool aead(uint16_t encr)
{
	return encr == ENCR_AES_GCM_16 || encr == ENCR_AES_GCM_12 || encr == ENCR_AES_GCM_8 ||
	       encr == ENCR_CHACHA20_POLY1305;
}

/* What we prefer; the peer may well have more. */
struct suite {
	char enc[NAME], hash[NAME], dh[NAME];
};

static void suite(const struct ike_algs *a, int vendor, struct suite *s)
{
	*s = (struct suite){0};
	if (a->n_encr)
		WORD(ciphers, a->encr[0].id, a->encr[0].key_bits, vendor, s->enc);
	if (a->n_integ)
		WORD(hashes, a->integ[0], 0, vendor, s->hash);
	if (a->n_dh)
		WORD(groups, a->dh[0], 0, vendor, s->dh);
}

/* ---- each cause --------------------------------------------------------------------------------------- */

static void ike_proposal(struct fix *f)
{
	const struct ike_algs *a = &f->g->ike;
	bool combined = a->n_encr && aead(a->encr[0].id);
	struct suite s;

	suite(a, PANOS, &s);
	say(f, PANOS,
	    "set network ike crypto-profiles ike-crypto-profiles <profile> dh-group %s encryption %s hash %s",
	    s.dh, s.enc, s.hash[0] ? s.hash : "sha256");
	suite(a, IOSXE, &s);
	say(f, IOSXE, "crypto ikev2 proposal <proposal>");
	say(f, IOSXE, " encryption %s", s.enc);
	say(f, IOSXE, " %s %s", combined ? "prf" : "integrity", s.hash[0] ? s.hash : "sha256");
	say(f, IOSXE, " group %s", s.dh);
	suite(a, STRONGSWAN, &s);
	say(f, STRONGSWAN, "proposals = %s-%s%s-%s", s.enc, combined ? "prf" : "",
	    s.hash[0] ? s.hash : "sha256", s.dh);
}

static void esp_proposal(struct fix *f)
{
	const struct ike_algs *a = &f->child->esp;
	bool combined = a->n_encr && aead(a->encr[0].id);
	struct suite s;

	suite(a, PANOS, &s);
	say(f, PANOS,
	    "set network ike crypto-profiles ipsec-crypto-profiles <profile> esp encryption %s "
	    "authentication %s",
	    s.enc, combined || !s.hash[0] ? "none" : s.hash);
	say(f, PANOS, "set network ike crypto-profiles ipsec-crypto-profiles <profile> dh-group %s",
	    s.dh[0] ? s.dh : "no-pfs");
	suite(a, IOSXE, &s);
	if (combined)
		say(f, IOSXE, "crypto ipsec transform-set <set> esp-gcm %u", a->encr[0].key_bits);
	else
		say(f, IOSXE, "crypto ipsec transform-set <set> esp-aes %u esp-%s-hmac",
		    a->n_encr ? a->encr[0].key_bits : 0, s.hash);
	say(f, IOSXE, "crypto ipsec profile <profile>");
	say(f, IOSXE, s.dh[0] ? " set pfs group%s" : " no set pfs%s", s.dh);
	suite(a, STRONGSWAN, &s);
	say(f, STRONGSWAN, "esp_proposals = %s%s%s%s%s", s.enc, combined || !s.hash[0] ? "" : "-",
	    combined ? "" : s.hash, s.dh[0] ? "-" : "", s.dh);
}

static const char *id_type(const json_t *id)
{
	return json_string_value(json_object_get(id, "type"));
}

static const char *id_value(const json_t *id)
{
	return json_string_value(json_object_get(id, "value"));
}

/* As strongSwan writes it: without a type it guesses one from how the text looks. */
static const char *swan_id(const json_t *id, char *buf, size_t cap)
{
	const char *type = id_type(id), *value = id_value(id);
	bool mail = strchr(value, '@');
	struct addr a;
	const char *prefix = "";

	if (strcmp(type, "keyid") == 0)
		prefix = "keyid:";
	else if (strcmp(type, "fqdn") == 0 && (mail || addr_parse(value, &a) == 0))
		prefix = "fqdn:";
	else if (strcmp(type, "ufqdn") == 0 && !mail)
		prefix = "email:";
	snprintf(buf, cap, "%s%.80s", prefix, value);
	return buf;
}

/* An identity that is not set is the address. */
static void identities(struct fix *f)
{
	static const char *const ios[][2] = {{"ipaddr", "address"},
					     {"fqdn", "fqdn"},
					     {"ufqdn", "email"},
					     {"keyid", "key-id"},
					     {"dn", "dn"}};
	json_t *o = json_object();
	const json_t *ours, *theirs;
	const char *a = "address", *b = "address";
	char id[LINE - 16];

	doc_id(o, "ours", &f->g->local_id, &f->g->local);
	doc_id(o, "theirs", &f->g->remote_id, &f->g->remote);
	ours = json_object_get(o, "ours");
	theirs = json_object_get(o, "theirs");
	if (id_value(ours) && id_value(theirs)) {
		for (size_t i = 0; i < sizeof(ios) / sizeof(ios[0]); i++) {
			a = strcmp(ios[i][0], id_type(theirs)) == 0 ? ios[i][1] : a;
			b = strcmp(ios[i][0], id_type(ours)) == 0 ? ios[i][1] : b;
		}
		say(f, PANOS, "set network ike gateway <gateway> local-id type %s id %.80s", id_type(theirs),
		    id_value(theirs));
		say(f, PANOS, "set network ike gateway <gateway> peer-id type %s id %.80s", id_type(ours),
		    id_value(ours));
		say(f, IOSXE, "crypto ikev2 profile <profile>");
		say(f, IOSXE, " identity local %s %.80s", a, id_value(theirs));
		say(f, IOSXE, " match identity remote %s %.80s", b, id_value(ours));
		say(f, STRONGSWAN, "local {");
		say(f, STRONGSWAN, "    id = %s", swan_id(theirs, id, sizeof(id)));
		say(f, STRONGSWAN, "}");
		say(f, STRONGSWAN, "remote {");
		say(f, STRONGSWAN, "    id = %s", swan_id(ours, id, sizeof(id)));
		say(f, STRONGSWAN, "}");
	}
	json_decref(o);
}

static void key(struct fix *f)
{
	char peer[ADDR_STR];

	addr_str(&f->g->local, peer);
	say(f, PANOS, "set network ike gateway <gateway> authentication pre-shared-key key <the same key>");
	say(f, IOSXE, "crypto ikev2 keyring <keyring>");
	say(f, IOSXE, " peer <peer>");
	say(f, IOSXE, "  address %s", peer);
	say(f, IOSXE, "  pre-shared-key <the same key>");
	say(f, STRONGSWAN, "secrets {");
	say(f, STRONGSWAN, "    ike-<name> {");
	say(f, STRONGSWAN, "        id = %s", peer);
	say(f, STRONGSWAN, "        secret = \"<the same key>\"");
	say(f, STRONGSWAN, "    }");
	say(f, STRONGSWAN, "}");
}

static const char *net(const struct ts *t, char buf[TS_STR])
{
	struct ts any = *t;

	any.proto = 0;
	any.port_lo = 0;
	any.port_hi = UINT16_MAX;
	return ts_str(&any, buf);
}

/* "10.1.0.0 0.0.255.255" of an IPv4 network, as access lists have it. */
static const char *wildcard(const struct ts *t, char buf[TS_STR])
{
	struct prefix p;
	char a[ADDR_STR], w[ADDR_STR];
	uint32_t mask;
	struct addr m;

	if (!ts_prefix(t, &p) || p.a.v != 4)
		return net(t, buf);
	mask = p.len == 32 ? 0 : htonl(UINT32_MAX >> p.len);
	m = addr_v4((const uint8_t *)&mask);
	snprintf(buf, TS_STR, "%s %s", addr_str(&p.a, a), addr_str(&m, w));
	return buf;
}

static void selectors(struct fix *f)
{
	const struct ts *l = &f->child->local[0], *r = &f->child->remote[0];
	char a[TS_STR], b[TS_STR];

	say(f, PANOS,
	    "set network tunnel ipsec <tunnel> auto-key proxy-id <name> local %s remote %s protocol %s",
	    net(r, a), net(l, b), l->proto ? "number <number>" : "any");
	say(f, IOSXE, "ip access-list extended <list>");
	say(f, IOSXE, " permit %s %s %s", l->lo.v == 6 ? "ipv6" : "ip", wildcard(r, a), wildcard(l, b));
	say(f, STRONGSWAN, "local_ts = %s", ts_str(r, a));
	say(f, STRONGSWAN, "remote_ts = %s", ts_str(l, b));
}

static void version(struct fix *f)
{
	say(f, PANOS, "set network ike gateway <gateway> protocol version ikev2");
	say(f, IOSXE, "crypto map <map> <number> ipsec-isakmp");
	say(f, IOSXE, " set ikev2-profile <profile>");
	say(f, STRONGSWAN, "version = 2");
}

static void by_cause(struct fix *f, const struct ike_reason *r)
{
	switch (r->cause) {
	case IKE_CAUSE_NO_PROPOSAL:
	case IKE_CAUSE_INVALID_KE:
		if (f->child)
			esp_proposal(f);
		else
			ike_proposal(f);
		break;
	case IKE_CAUSE_AUTH_FAILED:
		if (!f->g->own || !f->g->trust)
			key(f);
		/* The one who proves it wrong knows that it is the key. */
		if (r->reported_by_peer)
			identities(f);
		break;
	case IKE_CAUSE_ID_MISMATCH: identities(f); break;
	case IKE_CAUSE_TS_UNACCEPTABLE:
		if (f->child)
			selectors(f);
		break;
	case IKE_CAUSE_VERSION: version(f); break;
	default: break;
	}
}

void peer_fix(json_t *o, const struct ike_reason *r, const struct ike_gw_conf *g,
	      const struct ike_child_conf *child)
{
	static const char *const systems[VENDORS] = {"PAN-OS", "IOS-XE", "strongSwan"};
	struct fix f = {.g = g, .child = child};

	for (int i = 0; i < VENDORS; i++)
		f.v[i] = (struct vendor){systems[i], json_array()};
	by_cause(&f, r);
	for (int i = 0; i < VENDORS; i++) {
		json_t *e;

		if (json_array_size(f.v[i].commands) == 0) {
			json_decref(f.v[i].commands);
			continue;
		}
		e = doc_append(doc_list(o, "at-peer"));
		doc_str(e, "system", f.v[i].system);
		json_object_set_new(e, "commands", f.v[i].commands);
	}
}
