/* SPDX-License-Identifier: Apache-2.0 */
/* Distinguished names, and which identities a certificate has (RFC 4945 3.1, RFC 5280 4.2.1.6). */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cert_int.h"
#include "wire.h"

/* Control characters and what is no ASCII come out escaped: names are whatever a peer wrote. */
enum {
	NAME_FLAGS = (ASN1_STRFLGS_RFC2253 & ~ASN1_STRFLGS_ESC_QUOTE) | XN_FLAG_SEP_CPLUS_SPC | XN_FLAG_FN_SN
};

static const char *bio_text(BIO *b, char *buf, size_t cap)
{
	int n = b ? BIO_read(b, buf, (int)cap - 1) : 0;

	buf[n > 0 ? n : 0] = '\0';
	BIO_free(b);
	return buf;
}

static const char *name_str(const X509_NAME *n, char *buf, size_t cap)
{
	BIO *b = BIO_new(BIO_s_mem());

	if (b)
		X509_NAME_print_ex(b, n, 0, NAME_FLAGS);
	return bio_text(b, buf, cap);
}

static X509_NAME *name_of(struct bytes der)
{
	const uint8_t *p = der.p;
	X509_NAME *n = der.len ? d2i_X509_NAME(NULL, &p, (long)der.len) : NULL;

	if (n && p != der.p + der.len) {
		X509_NAME_free(n);
		n = NULL;
	}
	ERR_clear_error();
	return n;
}

/* ---- distinguished names ------------------------------------------------------------------------------------- */

/* One "CN=gw.example" of `text`, up to an unescaped comma: type and value into buf. */
static const char *rdn(const char *text, char *type, char *value, size_t cap)
{
	size_t n = 0;

	while (*text == ' ')
		text++;
	for (; *text && *text != '=' && n + 1 < cap; text++)
		type[n++] = *text;
	while (n && type[n - 1] == ' ')
		n--;
	type[n] = '\0';
	if (*text++ != '=' || !n)
		return NULL;
	while (*text == ' ')
		text++;
	for (n = 0; *text && *text != ',' && n + 1 < cap; text++) {
		if (*text == '\\' && text[1])
			text++;
		value[n++] = *text;
	}
	while (n && value[n - 1] == ' ')
		n--;
	value[n] = '\0';
	return n ? text : NULL;
}

bool cert_dn_parse(const char *text, struct ike_id *id)
{
	X509_NAME *name = X509_NAME_new();
	char type[IKE_ID_MAX], value[IKE_ID_MAX];
	uint8_t *p = id->data;
	bool ok = name && *text;
	int len = 0;

	while (ok && *text) {
		text = rdn(text, type, value, sizeof(type));
		ok = text && (*text == ',' || !*text) &&
		     X509_NAME_add_entry_by_txt(name, type, MBSTRING_UTF8, (const uint8_t *)value, -1, -1,
						0) == 1;
		if (ok && *text == ',')
			ok = *++text;
	}
	if (ok)
		len = i2d_X509_NAME(name, NULL);
	ok = ok && len > 0 && len <= IKE_ID_MAX && i2d_X509_NAME(name, &p) == len;
	if (ok) {
		id->type = ID_DER_ASN1_DN;
		id->len = (uint8_t)len;
	}
	X509_NAME_free(name);
	ERR_clear_error();
	return ok;
}

const char *cert_dn_str(struct bytes der, char *buf, size_t cap)
{
	X509_NAME *n = name_of(der);
	size_t len = 0;

	if (n) {
		name_str(n, buf, cap);
		X509_NAME_free(n);
		return buf;
	}
	buf[0] = '\0';
	for (size_t i = 0; i < der.len && len + 3 < cap; i++)
		len += (size_t)snprintf(buf + len, cap - len, "%02x", der.p[i]);
	return buf;
}

static bool wild(X509_NAME_ENTRY *e)
{
	const ASN1_STRING *s = X509_NAME_ENTRY_get_data(e);

	return ASN1_STRING_length(s) == 1 && ASN1_STRING_get0_data(s)[0] == '*';
}

/* One attribute alone, so that OpenSSL's comparison of names tells whether two are equal. */
static bool entry_eq(X509_NAME_ENTRY *a, X509_NAME_ENTRY *b)
{
	X509_NAME *x = X509_NAME_new(), *y = X509_NAME_new();
	bool ok = x && y && X509_NAME_add_entry(x, a, 0, 0) == 1 && X509_NAME_add_entry(y, b, 0, 0) == 1 &&
		  !X509_NAME_cmp(x, y);

	X509_NAME_free(x);
	X509_NAME_free(y);
	return ok;
}

static bool name_fits(X509_NAME *want, X509_NAME *got, bool wildcards)
{
	int n = X509_NAME_entry_count(want);

	if (n != X509_NAME_entry_count(got))
		return false;
	for (int i = 0; i < n; i++) {
		X509_NAME_ENTRY *a = X509_NAME_get_entry(want, i), *b = X509_NAME_get_entry(got, i);

		if (OBJ_cmp(X509_NAME_ENTRY_get_object(a), X509_NAME_ENTRY_get_object(b)) != 0 ||
		    X509_NAME_ENTRY_set(a) != X509_NAME_ENTRY_set(b) ||
		    (!(wildcards && wild(a)) && !entry_eq(a, b)))
			return false;
	}
	return true;
}

bool cert_dn_is(struct bytes want, struct bytes got, bool wildcards)
{
	X509_NAME *a = name_of(want), *b = name_of(got);
	bool ok = a && b && name_fits(a, b, wildcards);

	X509_NAME_free(a);
	X509_NAME_free(b);
	ERR_clear_error();
	return ok;
}

bool cert_dn_has_wildcard(struct bytes der)
{
	X509_NAME *n = name_of(der);
	bool found = false;

	for (int i = 0; n && i < X509_NAME_entry_count(n); i++)
		found = found || wild(X509_NAME_get_entry(n, i));
	X509_NAME_free(n);
	return found;
}

/* ---- certificates --------------------------------------------------------------------------------------------- */

const char *cert_name(const X509 *x, char *buf, size_t cap)
{
	const X509_NAME *n = X509_get_subject_name(x);
	char serial[64];

	if (X509_NAME_entry_count(n))
		return name_str(n, buf, cap);
	BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	char *hex = bn && BN_num_bits(bn) <= 160 ? BN_bn2hex(bn) : NULL;

	snprintf(serial, sizeof(serial), "serial %s", hex ? hex : "unknown");
	OPENSSL_free(hex);
	BN_free(bn);
	snprintf(buf, cap, "%s", serial);
	return buf;
}

static bool is_text(X509 *x, const struct ike_id *id)
{
	const char *s = (const char *)id->data;

	/* A dot in front would stand for any host of a domain. */
	if (!id->len || memchr(s, '\0', id->len) || s[0] == '.')
		return false;
	if (id->type == ID_FQDN)
		return X509_check_host(x, s, id->len,
				       X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
					       X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
				       NULL) == 1;
	return X509_check_email(x, s, id->len, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT) == 1;
}

static bool is_name(const X509 *x, const struct ike_id *id)
{
	X509_NAME *n = name_of((struct bytes){.p = id->data, .len = id->len});
	bool ok = n && !X509_NAME_cmp(n, X509_get_subject_name(x));

	X509_NAME_free(n);
	return ok;
}

static bool is_key_id(X509 *x, const struct ike_id *id)
{
	const ASN1_OCTET_STRING *k = X509_get0_subject_key_id(x);

	return k && ASN1_STRING_length(k) == id->len && !memcmp(ASN1_STRING_get0_data(k), id->data, id->len);
}

bool cert_is(X509 *x, const struct ike_id *id)
{
	bool ok = false;

	switch (id->type) {
	case ID_IPV4_ADDR:
	case ID_IPV6_ADDR: ok = X509_check_ip(x, id->data, id->len, 0) == 1; break;
	case ID_FQDN:
	case ID_RFC822_ADDR: ok = is_text(x, id); break;
	case ID_DER_ASN1_DN: ok = is_name(x, id); break;
	case ID_KEY_ID: ok = is_key_id(x, id); break;
	default: break;
	}
	ERR_clear_error();
	return ok;
}

/* One name of a subjectAltName in print; false: of a kind that is no identity of IKE. */
static bool alt_str(const GENERAL_NAME *g, char *buf, size_t cap)
{
	const ASN1_STRING *s;
	int n, len, type;

	s = GENERAL_NAME_get0_value(g, &type);
	if (type == GEN_IPADD) {
		const uint8_t *b = ASN1_STRING_get0_data(s);
		struct addr a;
		char t[ADDR_STR];

		n = ASN1_STRING_length(s);
		if (n != 4 && n != 16)
			return false;
		a = n == 4 ? addr_v4(b) : addr_v6(b);
		snprintf(buf, cap, "%s", addr_str(&a, t));
		return true;
	}
	if (type != GEN_DNS && type != GEN_EMAIL)
		return false;
	len = ASN1_STRING_length(s);
	for (n = 0; n < len && (size_t)n + 1 < cap; n++) {
		char c = (char)ASN1_STRING_get0_data(s)[n];

		buf[n] = c > ' ' && c < 0x7f ? c : '?';
	}
	buf[n] = '\0';
	return n;
}

void cert_ids(X509 *x, char *buf, size_t cap)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	char one[256];
	size_t n = 0;

	buf[0] = '\0';
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && n < cap; i++)
		if (alt_str(sk_GENERAL_NAME_value(names, i), one, sizeof(one)))
			n += (size_t)snprintf(buf + n, cap - n, "%s%s", n ? ", " : "", one);
	if (n < cap && X509_NAME_entry_count(X509_get_subject_name(x)))
		snprintf(buf + n, cap - n, "%sdn:%s", n ? ", " : "", cert_name(x, one, sizeof(one)));
	GENERAL_NAMES_free(names);
	ERR_clear_error();
}
