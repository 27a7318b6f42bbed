/* SPDX-License-Identifier: Apache-2.0 */
/* What the file says of cryptography: the profiles for IKE and for ESP. */
#include "config_read.h"

#include <string.h>

#include "wire.h"

/* Half of it lasts half a second at 1 Gbit/s, which is for a rekey over any path. */
enum { LIFESIZE_RECOMMENDED = 128 << 20 };

static const char no_3des[] = "64-bit blocks leak plain text under one busy key (Sweet32), so it is refused";
static const char no_des[] = "DES MUST NOT be used (RFC 8247 2.1)";
static const char no_md5[] = "MD5 MUST NOT be used (RFC 8247 2.3)";
static const char no_group1[] = "768-bit MODP MUST NOT be used (RFC 8247 2.4)";
static const char not_yet[] = "not available in this version";

#define REFUSED_CIPHERS                                                                                      \
	{"3des", 0, 0, no_3des},                                                                             \
	{                                                                                                    \
		"des", 0, 0, no_des                                                                          \
	}

static const struct cfg_word ike_ciphers[] = {
	{"aes-256-gcm", ENCR_AES_GCM_16, 256},
	{"aes-192-gcm", ENCR_AES_GCM_16, 192},
	{"aes-128-gcm", ENCR_AES_GCM_16, 128},
	{"aes-256-cbc", ENCR_AES_CBC, 256},
	{"aes-192-cbc", ENCR_AES_CBC, 192},
	{"aes-128-cbc", ENCR_AES_CBC, 128},
	{"chacha20-poly1305", ENCR_CHACHA20_POLY1305, 0},
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
	{"aes-256-ctr", ENCR_AES_CTR, 256},
	{"aes-192-ctr", ENCR_AES_CTR, 192},
	{"aes-128-ctr", ENCR_AES_CTR, 128},
	{"aes-256-gcm-12", ENCR_AES_GCM_12, 256},
	{"aes-192-gcm-12", ENCR_AES_GCM_12, 192},
	{"aes-128-gcm-12", ENCR_AES_GCM_12, 128},
	{"aes-256-gcm-8", ENCR_AES_GCM_8, 256},
	{"aes-192-gcm-8", ENCR_AES_GCM_8, 192},
	{"aes-128-gcm-8", ENCR_AES_GCM_8, 128},
	{"null", ENCR_NULL, 0},
	{"aes-256-gmac", ENCR_NULL_AUTH_AES_GMAC, 256},
	{"aes-192-gmac", ENCR_NULL_AUTH_AES_GMAC, 192},
	{"aes-128-gmac", ENCR_NULL_AUTH_AES_GMAC, 128},
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

/* clang-format off */
#define DH_GROUPS                                                                                            \
	{"group14", DH_MODP2048}, {"group15", DH_MODP3072}, {"group16", DH_MODP4096},                        \
	{"group17", DH_MODP6144}, {"group18", DH_MODP8192},                                                  \
	{"group19", DH_ECP256}, {"group20", DH_ECP384}, {"group21", DH_ECP521},                              \
	{"group31", DH_CURVE25519}, {"group32", DH_CURVE448},                                                \
	{"group2", DH_MODP1024}, {"group5", DH_MODP1536}, {"group1", 0, 0, no_group1},                       \
	{0}
/* clang-format on */

static const struct cfg_word ike_groups[] = {DH_GROUPS};
static const struct cfg_word pfs_groups[] = {{"no-pfs", DH_NONE}, DH_GROUPS};

/* A cipher that needs no hash beside it. */
static bool authenticates(uint16_t encr)
{
	return encr == ENCR_AES_GCM_16 || encr == ENCR_AES_GCM_12 || encr == ENCR_AES_GCM_8 ||
	       encr == ENCR_NULL_AUTH_AES_GMAC || encr == ENCR_CHACHA20_POLY1305;
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
		*(authenticates(w[i]->id) ? &r->combined : &r->separate) = true;
	}
	r->n_hash = cfg_words(o, "authentication", CFG_OPTIONAL, hashes, r->hash, IKE_ALGS_MAX);
	for (unsigned i = 0; i < r->n_hash; i++)
		if (r->hash[i]->id != AUTH_NONE)
			a->integ[a->n_integ++] = r->hash[i]->id;
	n = cfg_words(o, "dh-group", CFG_REQUIRED, groups, w, IKE_ALGS_MAX);
	for (unsigned i = 0; i < n; i++) {
		if (w[i]->id == DH_MODP1024 || w[i]->id == DH_MODP1536)
			cfg_warn(o, config_setting_get_member(o->s, "dh-group"), "dh-group",
				 "\"%s\" is a %s-bit MODP group, too weak for today (RFC 8247 2.4)",
				 w[i]->word, w[i]->id == DH_MODP1024 ? "1024" : "1536");
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
	static const char *const known[] = {"name",     "encryption",
					    "prf",      "authentication",
					    "dh-group", "additional-key-exchange",
					    "lifetime", "authentication-multiple",
					    NULL};
	struct algs_read r = {0};
	long long v;

	if (cfg_name(o, "name", CFG_REQUIRED, false, p->name))
		memcpy(o->name, p->name, sizeof(o->name));
	cfg_keys(o, known, NULL);
	p->lifetime_s = 28800;
	read_algs(o, ike_ciphers, ike_groups, &p->algs, &r);
	read_prf(o, &p->algs, &r);
	cfg_read_ake(o, &p->algs);
	cfg_seconds(o, "lifetime", &p->lifetime_s);
	if (cfg_int(o, "authentication-multiple", CFG_OPTIONAL, 0, 50, &v))
		p->reauth_every = (uint8_t)v;
}

void cfg_read_ipsec_profile(struct cfg_obj *o, struct cfg_ipsec_profile *p)
{
	static const char *const known[] = {
		"name",        "encryption", "authentication",          "dh-group", "lifetime", "lifesize",
		"lifepackets", "esn",        "additional-key-exchange", NULL};
	static const char *const later[] = {"protocol", "ah", "mode", NULL};
	static const struct cfg_word esns[] = {
		{"yes", IKE_ESN_YES}, {"no", IKE_ESN_NO}, {"prefer", IKE_ESN_PREFER}, {0}};
	const struct cfg_word *w;
	struct algs_read r = {0};
	long long v;

	if (cfg_name(o, "name", CFG_REQUIRED, false, p->name))
		memcpy(o->name, p->name, sizeof(o->name));
	cfg_keys(o, known, later);
	p->lifetime_s = 3600;
	read_algs(o, esp_ciphers, pfs_groups, &p->algs, &r);
	cfg_read_ake(o, &p->algs);
	if (r.combined && !r.separate && p->algs.n_integ)
		cfg_warn(o, config_setting_get_member(o->s, "authentication"), "authentication",
			 "has no effect: the ciphers here authenticate by themselves");
	for (unsigned i = 0; i < p->algs.n_encr; i++)
		if (p->algs.encr[i].id == ENCR_NULL || p->algs.encr[i].id == ENCR_NULL_AUTH_AES_GMAC)
			cfg_warn(o, config_setting_get_member(o->s, "encryption"), "encryption",
				 "\"%s\" authenticates packets and does not encrypt them",
				 p->algs.encr[i].id == ENCR_NULL ? "null" : "aes-gmac");
	cfg_seconds(o, "lifetime", &p->lifetime_s);
	cfg_bytes(o, "lifesize", &p->life_bytes);
	if (p->life_bytes && p->life_bytes < LIFESIZE_RECOMMENDED)
		cfg_warn(
			o, config_setting_get_member(o->s, "lifesize"), "lifesize",
			"used up in %llu ms at 1 Gbit/s, and what comes before the rekey is through is lost; "
			"recommended: at least \"128mb\"",
			(unsigned long long)p->life_bytes / 125000);
	/* Fewer would be gone before a rekey is through. */
	if (cfg_int(o, "lifepackets", CFG_OPTIONAL, 1000, INT64_C(1) << 48, &v))
		p->life_packets = (uint64_t)v;
	/* RFC 4303 2.2.1 calls ESN the rule; 32 bits last a fast SA for minutes. */
	w = cfg_word(o, "esn", CFG_OPTIONAL, esns);
	p->esn = w ? (enum ike_esn)w->id : IKE_ESN_PREFER;
}
