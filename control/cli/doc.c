/* SPDX-License-Identifier: Apache-2.0 */
#include "doc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "wire.h"

void doc_str(json_t *o, const char *key, const char *value)
{
	size_t n = value ? strlen(value) : 0;
	char small[512], *clean = small;
	size_t cap = n * 4 + 1;

	if (!value) {
		doc_null(o, key);
		return;
	}
	if (cap > sizeof(small) && !(clean = malloc(cap)))
		return;
	text_clean(clean, cap, value, n);
	json_object_set_new(o, key, json_string(clean));
	if (clean != small)
		free(clean);
}

void doc_int(json_t *o, const char *key, int64_t value)
{
	json_object_set_new(o, key, json_integer(value));
}

void doc_uint(json_t *o, const char *key, uint64_t value)
{
	/* JSON's integers here are signed; no counter gets there in a century. */
	json_object_set_new(o, key, json_integer(value > INT64_MAX ? INT64_MAX : (int64_t)value));
}

void doc_bool(json_t *o, const char *key, bool value)
{
	json_object_set_new(o, key, json_boolean(value));
}

void doc_null(json_t *o, const char *key)
{
	json_object_set_new(o, key, json_null());
}

json_t *doc_list(json_t *o, const char *key)
{
	json_t *l = json_object_get(o, key);

	if (!l) {
		json_object_set_new(o, key, json_array());
		l = json_object_get(o, key);
	}
	return l;
}

json_t *doc_append(json_t *list)
{
	json_t *e = json_object();

	return json_array_append_new(list, e) == 0 ? e : NULL;
}

json_t *doc_object(json_t *o, const char *key)
{
	json_t *e = json_object();

	return json_object_set_new(o, key, e) == 0 ? e : NULL;
}

void doc_addr(json_t *o, const char *key, const struct addr *a)
{
	char buf[ADDR_STR];

	doc_str(o, key, a->v ? addr_str(a, buf) : "0.0.0.0");
}

void doc_spi(json_t *o, const char *key, uint64_t spi)
{
	char buf[20];

	snprintf(buf, sizeof(buf), "%016llX", (unsigned long long)spi);
	doc_str(o, key, buf);
}

void doc_wall(json_t *o, const char *key, uint64_t now_time)
{
	if (now_time)
		doc_int(o, key, ctl_wall(now_time));
	else
		doc_null(o, key);
}

/* A certificate, or nothing. */
void doc_certificate(json_t *o, const char *key, const struct cert_info *i)
{
	json_t *d;

	if (!i)
		return;
	d = doc_object(o, key);
	doc_str(d, "subject", i->subject);
	doc_str(d, "issuer", i->issuer);
	doc_str(d, "serial", i->serial);
	doc_str(d, "fingerprint", i->fingerprint);
	doc_str(d, "key", i->key);
	doc_int(d, "not-before", i->not_before);
	doc_int(d, "not-after", i->not_after);
}

void doc_id(json_t *o, const char *key, const struct ike_id *id, const struct addr *address)
{
	json_t *d = doc_object(o, key);
	char text[4 * IKE_ID_MAX + 4];
	struct addr a = *address;
	const char *type = "ipaddr";

	switch (id->type) {
	case ID_IPV4_ADDR:
		if (id->len == 4)
			a = addr_v4(id->data);
		break;
	case ID_IPV6_ADDR:
		if (id->len == 16)
			a = addr_v6(id->data);
		break;
	case ID_FQDN: type = "fqdn"; break;
	case ID_RFC822_ADDR: type = "ufqdn"; break;
	case ID_DER_ASN1_DN: type = "dn"; break;
	case ID_KEY_ID: type = "keyid"; break;
	default: break;
	}
	doc_str(d, "type", type);
	if (strcmp(type, "ipaddr") == 0) {
		doc_addr(d, "value", &a);
		return;
	}
	if (id->type == ID_DER_ASN1_DN)
		cert_dn_str((struct bytes){.p = id->data, .len = id->len}, text, sizeof(text));
	else
		text_clean(text, sizeof(text), (const char *)id->data, id->len);
	json_object_set_new(d, "value", json_string(text));
}

static const char *exchange_name(uint8_t x)
{
	switch (x) {
	case IKE_SA_INIT: return "IKE_SA_INIT";
	case IKE_AUTH: return "IKE_AUTH";
	case CREATE_CHILD_SA: return "CREATE_CHILD_SA";
	case INFORMATIONAL: return "INFORMATIONAL";
	case IKE_INTERMEDIATE: return "IKE_INTERMEDIATE";
	case IKE_FOLLOWUP_KE: return "IKE_FOLLOWUP_KE";
	default: return NULL;
	}
}

void doc_reason(json_t *o, const struct ike_reason *r)
{
	doc_str(o, "cause", ike_cause_str(r->cause));
	doc_wall(o, "at", r->at);
	doc_str(o, "role", r->role == IKE_INITIATOR ? "initiator" : "responder");
	doc_str(o, "exchange", exchange_name(r->exchange));
	doc_bool(o, "reported-by-peer", r->reported_by_peer);
	doc_str(o, "text", r->text);
	doc_str(o, "ours", r->ours);
	doc_str(o, "theirs", r->theirs);
	doc_str(o, "hint", r->hint);
	doc_uint(o, "count", r->count);
	doc_wall(o, "first", r->first);
	for (unsigned i = 0; i < r->n_diff; i++) {
		json_t *d = doc_append(doc_list(o, "parameters"));

		doc_str(d, "parameter", r->diff[i].what);
		doc_bool(d, "same", r->diff[i].same);
		doc_str(d, "how", r->diff[i].how);
		doc_str(d, "ours", r->diff[i].ours);
		doc_str(d, "theirs", r->diff[i].theirs);
	}
}

void doc_ts(json_t *o, const char *key, const struct ts_list *l)
{
	json_t *list = doc_list(o, key);
	char buf[TS_STR];

	for (unsigned i = 0; i < l->n && i < TS_LIST_MAX; i++)
		json_array_append_new(list, json_string(ts_str(&l->t[i], buf)));
}

/* ---- algorithms ---------------------------------------------------------------------------------- */

const char *doc_encr(uint16_t id, uint16_t key_bits, char buf[DOC_ALG])
{
	switch (id) {
	case ENCR_AES_CBC: snprintf(buf, DOC_ALG, "A%u", key_bits); return buf;
	case ENCR_AES_CTR: snprintf(buf, DOC_ALG, "C%u", key_bits); return buf;
	case ENCR_AES_GCM_8:
	case ENCR_AES_GCM_12:
	case ENCR_AES_GCM_16: snprintf(buf, DOC_ALG, "G%u", key_bits); return buf;
	case ENCR_CHACHA20_POLY1305: return "CHACHA20";
	case ENCR_NULL: return "NULL";
	case ENCR_NULL_AUTH_AES_GMAC: snprintf(buf, DOC_ALG, "GMAC%u", key_bits); return buf;
	case 0: return "";
	default: snprintf(buf, DOC_ALG, "ENCR%u", id); return buf;
	}
}

const char *doc_encr_long(uint16_t id, uint16_t key_bits, char buf[DOC_ALG])
{
	switch (id) {
	case ENCR_AES_CBC: snprintf(buf, DOC_ALG, "AES%u-CBC", key_bits); return buf;
	case ENCR_AES_CTR: snprintf(buf, DOC_ALG, "AES%u-CTR", key_bits); return buf;
	case ENCR_AES_GCM_8: snprintf(buf, DOC_ALG, "AES%u-GCM8", key_bits); return buf;
	case ENCR_AES_GCM_12: snprintf(buf, DOC_ALG, "AES%u-GCM12", key_bits); return buf;
	case ENCR_AES_GCM_16: snprintf(buf, DOC_ALG, "AES%u-GCM16", key_bits); return buf;
	case ENCR_CHACHA20_POLY1305: return "CHACHA20-POLY1305";
	case ENCR_NULL_AUTH_AES_GMAC: snprintf(buf, DOC_ALG, "AES%u-GMAC", key_bits); return buf;
	default: return doc_encr(id, key_bits, buf);
	}
}

const char *doc_integ(uint16_t id)
{
	switch (id) {
	case AUTH_HMAC_SHA1_96: return "SHA1";
	case AUTH_HMAC_SHA2_256_128: return "SHA256";
	case AUTH_HMAC_SHA2_384_192: return "SHA384";
	case AUTH_HMAC_SHA2_512_256: return "SHA512";
	default: return "";
	}
}

const char *doc_prf(uint16_t id)
{
	switch (id) {
	case PRF_HMAC_SHA1: return "SHA1";
	case PRF_HMAC_SHA2_256: return "SHA256";
	case PRF_HMAC_SHA2_384: return "SHA384";
	case PRF_HMAC_SHA2_512: return "SHA512";
	default: return "";
	}
}

const char *doc_dh(uint16_t id, char buf[DOC_ALG])
{
	if (id == DH_NONE)
		return "";
	if (id >= KE_ML_KEM_512 && id <= KE_ML_KEM_1024)
		return id == KE_ML_KEM_512   ? "ML-KEM-512"
		       : id == KE_ML_KEM_768 ? "ML-KEM-768"
					     : "ML-KEM-1024";
	snprintf(buf, DOC_ALG, "DH%u", id);
	return buf;
}

const char *doc_ke(const struct suite_choice *s, char buf[DOC_KE])
{
	char one[DOC_ALG];
	size_t n = (size_t)snprintf(buf, DOC_KE, "%s", doc_dh(s->dh, one));

	for (unsigned i = 0; i < IKE_AKE_MAX; i++)
		if (s->ake[i] && n < DOC_KE)
			n += (size_t)snprintf(buf + n, DOC_KE - n, "+%s", doc_dh(s->ake[i], one));
	return buf;
}

/* "AES256", "AES256-GCM": as proposals of configured objects are printed. */
static const char *encr_offer(const struct ike_alg *a, char buf[DOC_ALG])
{
	if (a->id != ENCR_AES_CBC && a->id != ENCR_AES_GCM_16)
		return doc_encr_long(a->id, a->key_bits, buf);
	snprintf(buf, DOC_ALG, a->id == ENCR_AES_CBC ? "AES%u" : "AES%u-GCM", a->key_bits);
	return buf;
}

void doc_algs(json_t *o, const struct ike_algs *a)
{
	json_t *enc = doc_list(o, "enc"), *hash = doc_list(o, "hash"), *dh = doc_list(o, "dh"), *ake = NULL;
	char buf[DOC_ALG];

	for (unsigned i = 0; i < a->n_encr; i++)
		json_array_append_new(enc, json_string(encr_offer(&a->encr[i], buf)));
	for (unsigned i = 0; i < a->n_integ; i++)
		json_array_append_new(hash, json_string(doc_integ(a->integ[i])));
	for (unsigned i = 0; i < a->n_dh; i++)
		json_array_append_new(dh, json_string(doc_dh(a->dh[i], buf)));
	if (a->n_ake)
		ake = doc_list(o, "additional-key-exchange");
	for (unsigned i = 0; i < a->n_ake; i++) {
		json_t *one = json_array();

		for (unsigned m = 0; m < a->n_ake_algs[i]; m++)
			json_array_append_new(one,
					      json_string(a->ake[i][m] ? doc_dh(a->ake[i][m], buf) : "none"));
		json_array_append_new(ake, one);
	}
}

/* ---- names --------------------------------------------------------------------------------------- */

const char *doc_tunnel_name(const char *tunnel, const char *proxy_id, char buf[DOC_NAME])
{
	snprintf(buf, DOC_NAME, "%s%s%s", tunnel, proxy_id && proxy_id[0] ? ":" : "",
		 proxy_id ? proxy_id : "");
	return buf;
}

bool doc_tunnel_is(const char *filter, const char *tunnel, const char *proxy_id)
{
	char name[DOC_NAME];

	return !filter || strcmp(filter, tunnel) == 0 ||
	       strcmp(filter, doc_tunnel_name(tunnel, proxy_id, name)) == 0;
}
