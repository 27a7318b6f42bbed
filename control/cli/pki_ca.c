/* SPDX-License-Identifier: Apache-2.0 */
#include "pki_ca.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cert_int.h"

enum { PATH = 1024, SERIAL = 16, DAY = 86400 };

static int complain(const char *what, const char *path)
{
	unsigned long e = ERR_peek_last_error();

	fprintf(stderr, "culvert pki: %s%s%s: %s\n", what, path ? " " : "", path ? path : "",
		e ? ERR_reason_error_string(e) : strerror(errno));
	ERR_clear_error();
	return -1;
}

/* ---- files -------------------------------------------------------------------------------------------------------- */

static const char *at(const char *dir, const char *name, const char *end, char path[PATH])
{
	snprintf(path, PATH, "%s/%s%s", dir, name, end);
	return path;
}

/* A file of its own that nobody else reads before its mode is right. */
static FILE *create(const char *path, bool secret)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_EXCL, secret ? 0600 : 0644);

	return fd < 0 ? NULL : fdopen(fd, "w");
}

/* Close a file that create() made; half of one would be in the way of the next attempt. */
static int done(FILE *f, bool ok, const char *path)
{
	ok = f && fclose(f) == 0 && ok;
	if (!ok) {
		complain("cannot write", path);
		if (f)
			unlink(path);
		return -1;
	}
	printf("%s\n", path);
	return 0;
}

static int write_cert(const char *path, X509 *x)
{
	FILE *f = create(path, false);

	return done(f, f && PEM_write_X509(f, x) == 1, path);
}

static int write_key(const char *path, EVP_PKEY *k)
{
	FILE *f = create(path, true);

	return done(f, f && PEM_write_PKCS8PrivateKey(f, k, NULL, NULL, 0, NULL, NULL) == 1, path);
}

/* Both, or neither: a key without its certificate would be in the way of the next attempt. */
static int write_pair(const char *dir, const char *name, EVP_PKEY *k, X509 *x)
{
	char key[PATH], cert[PATH];

	if (write_key(at(dir, name, ".key", key), k))
		return -1;
	if (!write_cert(at(dir, name, ".pem", cert), x))
		return 0;
	unlink(key);
	return -1;
}

/* In the place of the list that is there, which stays as it is until the new one is on the disk: it is the only record
 * of what was revoked. */
static int write_list(const char *path, X509_CRL *l)
{
	char beside[PATH + 8];
	FILE *f = NULL;
	bool ok;
	int fd;

	snprintf(beside, sizeof(beside), "%s.XXXXXX", path);
	fd = mkostemp(beside, O_CLOEXEC);
	if (fd >= 0)
		f = fdopen(fd, "w");
	ok = f && PEM_write_X509_CRL(f, l) == 1 && fflush(f) == 0 && fchmod(fd, 0644) == 0 && fsync(fd) == 0;
	ok = f && fclose(f) == 0 && ok && rename(beside, path) == 0;
	if (!ok) {
		complain("cannot write", path);
		if (fd >= 0)
			unlink(beside);
		return -1;
	}
	printf("%s\n", path);
	return 0;
}

static X509 *read_cert(const char *path)
{
	FILE *f = fopen(path, "re");
	X509 *x = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;

	if (f)
		fclose(f);
	if (!x)
		complain("cannot read", path);
	return x;
}

static EVP_PKEY *read_key(const char *path)
{
	FILE *f = fopen(path, "re");
	EVP_PKEY *k = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;

	if (f)
		fclose(f);
	if (!k)
		complain("cannot read", path);
	return k;
}

/* The CA's certificate and its key; false: it was said why there are none. */
static bool read_ca(const char *dir, X509 **ca, EVP_PKEY **key)
{
	char cert[PATH], path[PATH];

	*ca = read_cert(at(dir, "ca", ".pem", cert));
	*key = *ca ? read_key(at(dir, "ca", ".key", path)) : NULL;
	if (!*key)
		return false;
	if (X509_check_private_key(*ca, *key) == 1)
		return true;
	ERR_clear_error();
	fprintf(stderr, "culvert pki: %s is not the key of %s\n", path, cert);
	return false;
}

/* ---- parts -------------------------------------------------------------------------------------------------------- */

static EVP_PKEY *new_key(const char *type)
{
	static const struct {
		const char *type, *kind, *curve;
		size_t bits;
	} types[] = {{"p256", "EC", "P-256", 0},     {"p384", "EC", "P-384", 0},
		     {"p521", "EC", "P-521", 0},     {"rsa2048", "RSA", NULL, 2048},
		     {"rsa3072", "RSA", NULL, 3072}, {"rsa4096", "RSA", NULL, 4096},
		     {"ed25519", "ED25519", NULL, 0}};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(types[i].type, type) != 0)
			continue;
		return types[i].curve  ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", types[i].curve)
		       : types[i].bits ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", types[i].bits)
				       : EVP_PKEY_Q_keygen(NULL, NULL, types[i].kind);
	}
	fprintf(stderr,
		"culvert pki: no key type \"%s\"; allowed: p256 p384 p521 rsa2048 rsa3072 rsa4096 ed25519\n",
		type);
	return NULL;
}

static const EVP_MD *digest_of(EVP_PKEY *k)
{
	return EVP_PKEY_get_base_id(k) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();
}

static bool extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;
	bool ok;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	X509V3_set_ctx_nodb(&ctx);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = e && X509_add_ext(x, e, -1) == 1;
	X509_EXTENSION_free(e);
	return ok;
}

static bool add_sans(X509 *x, const struct pki_wish *w)
{
	GENERAL_NAMES *all = GENERAL_NAMES_new();
	bool ok = all;

	for (size_t i = 0; ok && i < w->n_san; i++) {
		ASN1_OCTET_STRING *ip = a2i_IPADDRESS(w->san[i]);
		int type = ip ? GEN_IPADD : strchr(w->san[i], '@') ? GEN_EMAIL : GEN_DNS;
		GENERAL_NAME *g;

		ASN1_OCTET_STRING_free(ip);
		ERR_clear_error();
		g = a2i_GENERAL_NAME(NULL, NULL, NULL, type, w->san[i], 0);
		ok = g && sk_GENERAL_NAME_push(all, g) > 0;
	}
	ok = ok && (!w->n_san || X509_add1_ext_i2d(x, NID_subject_alt_name, all, 0, 0) == 1);
	GENERAL_NAMES_free(all);
	return ok;
}

static bool add_urls(X509 *x, const struct pki_wish *w)
{
	char value[PATH];

	if (w->cdp) {
		snprintf(value, sizeof(value), "URI:%s", w->cdp);
		if (!extend(x, NULL, NID_crl_distribution_points, value))
			return false;
	}
	if (w->ocsp) {
		snprintf(value, sizeof(value), "OCSP;URI:%s", w->ocsp);
		if (!extend(x, NULL, NID_info_access, value))
			return false;
	}
	return true;
}

static bool set_name(X509 *x, const char *text)
{
	struct ike_id id = {0};
	const uint8_t *p = id.data;
	X509_NAME *n;
	bool ok;

	if (!cert_dn_parse(text, &id)) {
		fprintf(stderr,
			"culvert pki: \"%s\" is no name; allowed: such as \"C=CH, O=Example, CN=hq.example.com\"\n",
			text);
		return false;
	}
	n = d2i_X509_NAME(NULL, &p, id.len);
	ok = n && X509_set_subject_name(x, n) == 1;
	X509_NAME_free(n);
	return ok;
}

/* A certificate but for its signature.  issuer NULL: itself. */
static X509 *draft(const struct pki_wish *w, EVP_PKEY *key, X509 *issuer)
{
	X509 *x = X509_new();
	uint8_t serial[SERIAL] = {0};
	BIGNUM *bn = NULL;
	bool ok = RAND_bytes(serial, sizeof(serial)) == 1 && x && X509_set_version(x, X509_VERSION_3) == 1;

	serial[0] = (uint8_t)(ok ? serial[0] & 0x7f : 0);
	bn = ok ? BN_bin2bn(serial, sizeof(serial), NULL) : NULL;
	ok = bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)) && set_name(x, w->name) &&
	     X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x)) == 1 &&
	     X509_gmtime_adj(X509_getm_notBefore(x), -300) &&
	     X509_time_adj_ex(X509_getm_notAfter(x), w->days, 0, NULL) && X509_set_pubkey(x, key) == 1 &&
	     extend(x, issuer ? issuer : x, NID_subject_key_identifier, "hash") &&
	     extend(x, issuer ? issuer : x, NID_authority_key_identifier, "keyid") &&
	     extend(x, NULL, NID_basic_constraints, issuer ? "critical,CA:FALSE" : "critical,CA:TRUE") &&
	     extend(x, NULL, NID_key_usage,
		    issuer ? "critical,digitalSignature" : "critical,keyCertSign,cRLSign") &&
	     (!issuer || extend(x, NULL, NID_ext_key_usage, "serverAuth,clientAuth,1.3.6.1.5.5.7.3.17")) &&
	     add_sans(x, w) && add_urls(x, w);
	BN_free(bn);
	if (ok)
		return x;
	X509_free(x);
	return NULL;
}

/* ---- the three ---------------------------------------------------------------------------------------------------- */

int pki_ca(const struct pki_wish *w)
{
	EVP_PKEY *k = new_key(w->type);
	X509 *x = k ? draft(w, k, NULL) : NULL;
	int rc = -1;

	if (x && X509_sign(x, k, digest_of(k)) > 0)
		rc = write_pair(w->dir, "ca", k, x);
	else if (k)
		rc = complain("cannot make the certificate", NULL);
	X509_free(x);
	EVP_PKEY_free(k);
	return rc;
}

/* The file's name: the common name, or the whole name, with what is no part of a file's name left out. */
static void file_name(const X509 *x, char name[128])
{
	char cn[128] = "";
	size_t n = 0;

	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn, sizeof(cn));
	if (!cn[0])
		cert_name(x, cn, sizeof(cn));
	for (const char *p = cn; *p; p++)
		if (*p > ' ' && *p != '/' && *p != 0x7f)
			name[n++] = *p;
	name[n] = '\0';
}

int pki_issue(const struct pki_wish *w)
{
	char name[128];
	X509 *ca, *x = NULL;
	EVP_PKEY *ca_key, *k = read_ca(w->dir, &ca, &ca_key) ? new_key(w->type) : NULL;
	int rc = -1;

	if (k)
		x = draft(w, k, ca);
	if (x && X509_sign(x, ca_key, digest_of(ca_key)) > 0) {
		file_name(x, name);
		rc = write_pair(w->dir, name, k, x);
	} else if (k) {
		rc = complain("cannot make the certificate", NULL);
	}
	X509_free(x);
	X509_free(ca);
	EVP_PKEY_free(k);
	EVP_PKEY_free(ca_key);
	return rc;
}

/* Only what this CA issued, and each once: another CA's serial number may be that of a good certificate of ours. */
static bool may_revoke(X509_CRL *l, X509 *ca, X509 *x, const char *path)
{
	X509_REVOKED *there;
	bool ours = !X509_NAME_cmp(X509_get_issuer_name(x), X509_get_subject_name(ca)) &&
		    X509_verify(x, X509_get0_pubkey(ca)) == 1;
	bool listed = ours && X509_CRL_get0_by_serial(l, &there, X509_get_serialNumber(x));

	ERR_clear_error();
	if (!ours)
		fprintf(stderr, "culvert pki: %s was not issued by this CA\n", path);
	if (listed)
		fprintf(stderr, "culvert pki: %s is on the list already\n", path);
	return ours && !listed;
}

static bool add_revoked(X509_CRL *l, X509 *ca, const char *path)
{
	X509 *x = read_cert(path);
	X509_REVOKED *r = x && may_revoke(l, ca, x, path) ? X509_REVOKED_new() : NULL;
	ASN1_TIME *now = X509_gmtime_adj(NULL, 0);
	bool ok = r && now && X509_REVOKED_set_serialNumber(r, X509_get_serialNumber(x)) == 1 &&
		  X509_REVOKED_set_revocationDate(r, now) == 1 && X509_CRL_add0_revoked(l, r) == 1;

	if (!ok)
		X509_REVOKED_free(r);
	ASN1_TIME_free(now);
	X509_free(x);
	return ok;
}

/* The entries of the list that is there, so that nothing revoked comes back. */
static bool take_over(X509_CRL *l, const char *path)
{
	FILE *f = fopen(path, "re");
	X509_CRL *old = f ? PEM_read_X509_CRL(f, NULL, NULL, NULL) : NULL;
	STACK_OF(X509_REVOKED) *all = old ? X509_CRL_get_REVOKED(old) : NULL;
	bool ok = old || (!f && errno == ENOENT);

	for (int i = 0; ok && i < sk_X509_REVOKED_num(all); i++) {
		X509_REVOKED *r = X509_REVOKED_dup(sk_X509_REVOKED_value(all, i));

		ok = r && X509_CRL_add0_revoked(l, r) == 1;
	}
	if (!ok)
		complain("cannot take over", path);
	if (f)
		fclose(f);
	X509_CRL_free(old);
	return ok;
}

static bool fill(X509_CRL *l, const struct pki_wish *w, X509 *ca, char **files, size_t n, const char *path)
{
	ASN1_TIME *now = X509_gmtime_adj(NULL, 0), *next = X509_time_adj_ex(NULL, w->days, 0, NULL);
	bool ok = now && next && X509_CRL_set_version(l, X509_CRL_VERSION_2) == 1 &&
		  X509_CRL_set_issuer_name(l, X509_get_subject_name(ca)) == 1 &&
		  X509_CRL_set1_lastUpdate(l, now) == 1 && X509_CRL_set1_nextUpdate(l, next) == 1;

	if (!ok)
		complain("cannot make the list", NULL);
	ok = ok && take_over(l, path);
	for (size_t i = 0; ok && i < n; i++)
		ok = add_revoked(l, ca, files[i]);
	ASN1_TIME_free(now);
	ASN1_TIME_free(next);
	return ok && X509_CRL_sort(l) == 1;
}

int pki_crl(const struct pki_wish *w, char **files, size_t n)
{
	char to[PATH];
	X509 *ca;
	EVP_PKEY *k;
	X509_CRL *l = read_ca(w->dir, &ca, &k) ? X509_CRL_new() : NULL;
	int rc = -1;

	at(w->dir, "ca", ".crl", to);
	if (l && fill(l, w, ca, files, n, to))
		rc = X509_CRL_sign(l, k, digest_of(k)) > 0 ? write_list(to, l) : complain("cannot sign", to);
	X509_CRL_free(l);
	X509_free(ca);
	EVP_PKEY_free(k);
	return rc;
}
