/* SPDX-License-Identifier: Apache-2.0 */
/* Transforms and suites in words. */
#include "proposal.h"
#include "sb.h"

#include <stdio.h>
#include <string.h>

struct alg_name {
	uint8_t type;
	uint16_t id;
	const char *iana;
	const char *words; /* a cipher's key bits go where the '#' is */
};

static const struct alg_name names[] = {
	{TT_ENCR, ENCR_3DES, "3DES", "3des"},
	{TT_ENCR, ENCR_NULL, "NULL", "null"},
	{TT_ENCR, ENCR_AES_CBC, "AES_CBC", "aes-#-cbc"},
	{TT_ENCR, ENCR_AES_CTR, "AES_CTR", "aes-#-ctr"},
	{TT_ENCR, 14, "AES_CCM_8", "aes-#-ccm-8"},
	{TT_ENCR, 15, "AES_CCM_12", "aes-#-ccm-12"},
	{TT_ENCR, 16, "AES_CCM_16", "aes-#-ccm"},
	{TT_ENCR, ENCR_AES_GCM_8, "AES_GCM_8", "aes-#-gcm-8"},
	{TT_ENCR, ENCR_AES_GCM_12, "AES_GCM_12", "aes-#-gcm-12"},
	{TT_ENCR, ENCR_AES_GCM_16, "AES_GCM_16", "aes-#-gcm"},
	{TT_ENCR, ENCR_NULL_AUTH_AES_GMAC, "NULL_AUTH_AES_GMAC", "aes-#-gmac"},
	{TT_ENCR, 23, "CAMELLIA_CBC", "camellia-#-cbc"},
	{TT_ENCR, ENCR_CHACHA20_POLY1305, "CHACHA20_POLY1305", "chacha20-poly1305"},
	{TT_PRF, 1, "PRF_HMAC_MD5", "prf-md5"},
	{TT_PRF, PRF_HMAC_SHA1, "PRF_HMAC_SHA1", "prf-sha1"},
	{TT_PRF, 4, "PRF_AES128_XCBC", "prf-aes-xcbc"},
	{TT_PRF, PRF_HMAC_SHA2_256, "PRF_HMAC_SHA2_256", "prf-sha256"},
	{TT_PRF, PRF_HMAC_SHA2_384, "PRF_HMAC_SHA2_384", "prf-sha384"},
	{TT_PRF, PRF_HMAC_SHA2_512, "PRF_HMAC_SHA2_512", "prf-sha512"},
	{TT_PRF, 8, "PRF_AES128_CMAC", "prf-aes-cmac"},
	{TT_INTEG, AUTH_NONE, "NONE", "none"},
	{TT_INTEG, 1, "AUTH_HMAC_MD5_96", "md5"},
	{TT_INTEG, AUTH_HMAC_SHA1_96, "AUTH_HMAC_SHA1_96", "sha1"},
	{TT_INTEG, 5, "AUTH_AES_XCBC_96", "aes-xcbc"},
	{TT_INTEG, 8, "AUTH_AES_CMAC_96", "aes-cmac"},
	{TT_INTEG, AUTH_HMAC_SHA2_256_128, "AUTH_HMAC_SHA2_256_128", "sha256"},
	{TT_INTEG, AUTH_HMAC_SHA2_384_192, "AUTH_HMAC_SHA2_384_192", "sha384"},
	{TT_INTEG, AUTH_HMAC_SHA2_512_256, "AUTH_HMAC_SHA2_512_256", "sha512"},
	{TT_DH, DH_NONE, "NONE", "no-pfs"},
	{TT_DH, 1, "MODP_768", "group1"},
	{TT_DH, DH_MODP1024, "MODP_1024", "group2"},
	{TT_DH, DH_MODP1536, "MODP_1536", "group5"},
	{TT_DH, DH_MODP2048, "MODP_2048", "group14"},
	{TT_DH, DH_MODP3072, "MODP_3072", "group15"},
	{TT_DH, DH_MODP4096, "MODP_4096", "group16"},
	{TT_DH, DH_MODP6144, "MODP_6144", "group17"},
	{TT_DH, DH_MODP8192, "MODP_8192", "group18"},
	{TT_DH, DH_ECP256, "ECP_256", "group19"},
	{TT_DH, DH_ECP384, "ECP_384", "group20"},
	{TT_DH, DH_ECP521, "ECP_521", "group21"},
	{TT_DH, DH_CURVE25519, "CURVE_25519", "group31"},
	{TT_DH, DH_CURVE448, "CURVE_448", "group32"},
	{TT_DH, KE_ML_KEM_512, "ML_KEM_512", "mlkem512"},
	{TT_DH, KE_ML_KEM_768, "ML_KEM_768", "mlkem768"},
	{TT_DH, KE_ML_KEM_1024, "ML_KEM_1024", "mlkem1024"},
	{TT_ESN, ESN_NO, "NO_EXT_SEQ", "no-esn"},
	{TT_ESN, ESN_YES, "EXT_SEQ", "esn"},
};

static bool is_ake(uint8_t type)
{
	return type >= TT_AKE1 && type <= TT_AKE7;
}

/* Additional key exchanges have the methods of the first one (RFC 9370 2.2.1). */
static const struct alg_name *find(uint8_t type, uint16_t id)
{
	if (is_ake(type))
		type = TT_DH;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].type == type && names[i].id == id)
			return &names[i];
	return NULL;
}

const char *transform_name(uint8_t type, uint16_t id)
{
	const struct alg_name *n = find(type, id);

	return n ? n->iana : "unknown";
}

static const char *type_word(uint8_t type)
{
	static const char *const words[] = {[TT_ENCR] = "encr",
					    [TT_PRF] = "prf",
					    [TT_INTEG] = "integ",
					    [TT_DH] = "group",
					    [TT_ESN] = "esn"};

	return type && type < sizeof(words) / sizeof(words[0]) ? words[type] : NULL;
}

const char *prop_alg_str(const struct transform *t, char buf[ALG_STR])
{
	const struct alg_name *n = find(t->type, t->id);
	const char *hash = n ? strchr(n->words, '#') : NULL;
	const char *odd = t->odd ? "?" : "", *word = type_word(t->type);

	if (is_ake(t->type) && n)
		snprintf(buf, ALG_STR, "ke%u_%s%s", t->type - TT_AKE1 + 1u, t->id ? n->words : "none", odd);
	else if (is_ake(t->type))
		snprintf(buf, ALG_STR, "ke%u_group%u%s", t->type - TT_AKE1 + 1u, t->id, odd);
	else if (!word)
		snprintf(buf, ALG_STR, "type%u-%u", t->type, t->id);
	else if (!n && t->type == TT_DH)
		snprintf(buf, ALG_STR, "group%u", t->id);
	else if (!n && t->key_bits)
		snprintf(buf, ALG_STR, "%s-%u-%u%s", word, t->id, t->key_bits, odd);
	else if (!n)
		snprintf(buf, ALG_STR, "%s-%u%s", word, t->id, odd);
	else if (!hash && t->key_bits) /* where it must not be (RFC 7296 3.3.5) */
		snprintf(buf, ALG_STR, "%s/%u%s", n->words, t->key_bits, odd);
	else if (!hash)
		snprintf(buf, ALG_STR, "%s%s", n->words, odd);
	else if (t->key_bits)
		snprintf(buf, ALG_STR, "%.*s%u%s%s", (int)(hash - n->words), n->words, t->key_bits, hash + 1,
			 odd);
	else /* an AES without its key length attribute: "aes-?-cbc" */
		snprintf(buf, ALG_STR, "%.*s?%s", (int)(hash - n->words), n->words, hash + 1);
	return buf;
}

bool encr_is_aead(uint16_t encr)
{
	switch (encr) {
	case 14: /* AES-CCM */
	case 15:
	case 16:
	case ENCR_AES_GCM_8:
	case ENCR_AES_GCM_12:
	case ENCR_AES_GCM_16:
	case ENCR_NULL_AUTH_AES_GMAC:
	case ENCR_CHACHA20_POLY1305: return true;
	default: return false;
	}
}

bool encr_has_key_length(uint16_t encr)
{
	const struct alg_name *n = find(TT_ENCR, encr);

	return n && strchr(n->words, '#');
}

const char *suite_str(const struct suite_choice *c, char *buf, size_t cap)
{
	const struct transform parts[] = {{.type = TT_ENCR, .id = c->encr, .key_bits = c->key_bits},
					  {.type = TT_INTEG, .id = c->integ},
					  {.type = TT_PRF, .id = c->prf},
					  {.type = TT_DH, .id = c->dh},
					  {.type = TT_ESN, .id = c->esn}};
	struct sb t = sb_of(buf, cap);
	char one[ALG_STR];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (parts[i].id)
			sb_put(&t, "%s%s", t.len ? "/" : "", prop_alg_str(&parts[i], one));
		for (unsigned k = 0; k < IKE_AKE_MAX && parts[i].type == TT_DH; k++)
			if (c->ake[k])
				sb_put(&t, "+%s",
				       prop_alg_str(&(struct transform){.type = TT_DH, .id = c->ake[k]},
						    one));
	}
	if (!t.len)
		sb_put(&t, "none");
	return buf;
}

/* All transforms of one type, "aes-256-cbc,aes-128-cbc"; NO_EXT_SEQ is left out, it is what everybody has. */
static void put_type(struct sb *t, const struct proposal *p, uint8_t type, bool *first)
{
	const char *sep = *first ? "" : "/";
	char one[ALG_STR];

	for (uint8_t i = 0; i < p->n; i++) {
		const struct transform *x = &p->t[i];

		if (x->type != type || (type == TT_ESN && x->id == ESN_NO && !x->odd))
			continue;
		sb_put(t, "%s%s", sep, prop_alg_str(x, one));
		sep = ",";
		*first = false;
	}
}

const char *proposals_str(const struct proposals *ps, char *buf, size_t cap)
{
	static const uint8_t order[] = {TT_ENCR, TT_INTEG, TT_PRF, TT_DH, TT_ESN, TT_AKE1,
					7,       8,        9,      10,    11,     TT_AKE7};
	struct sb t = sb_of(buf, cap);
	char one[ALG_STR];

	if (!ps->n)
		sb_put(&t, "none");
	for (uint8_t i = 0; i < ps->n; i++) {
		const struct proposal *p = &ps->p[i];
		bool first = true;

		if (i)
			sb_put(&t, " | ");
		for (size_t k = 0; k < sizeof(order); k++)
			put_type(&t, p, order[k], &first);
		for (uint8_t k = 0; k < p->n; k++)
			if (!type_word(p->t[k].type) && !is_ake(p->t[k].type))
				sb_put(&t, "/%s", prop_alg_str(&p->t[k], one));
	}
	return buf;
}
