/* SPDX-License-Identifier: Apache-2.0 */
#include "sign.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "wr.h"

/* ---- algorithms ---------------------------------------------------------------------------------------------------- */

enum kind { RSA_PKCS1, RSA_PSS_KIND, ECDSA_KIND, EDDSA_KIND };

/* RFC 7427 appendix A, RFC 8420: AlgorithmIdentifiers, as they are sent.  salt of PSS is the hash's length. */
struct alg {
	const char *name;
	enum kind kind;
	unsigned hash; /* SIG_… */
	int nid;       /* of the OID */
	uint8_t len;
	uint8_t der[SIG_ALG_MAX];
};

#define RSA_OID     0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01
#define SHA2_OID(n) 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, n, 0x05, 0x00
#define PSS_DER(n, salt)                                                                                     \
	{                                                                                                    \
		0x30, 0x41, RSA_OID, 0x0a, 0x30, 0x34, 0xa0, 0x0f, SHA2_OID(n), 0xa1, 0x1c, 0x30, 0x1a,      \
			RSA_OID, 0x08, SHA2_OID(n), 0xa2, 0x03, 0x02, 0x01, salt                             \
	}

static const struct alg algs[] = {
	{"RSA PKCS#1 v1.5 with SHA-256",
	 RSA_PKCS1,
	 SIG_SHA2_256,
	 NID_sha256WithRSAEncryption,
	 15,
	 {0x30, 0x0d, RSA_OID, 0x0b, 0x05, 0x00}},
	{"RSA PKCS#1 v1.5 with SHA-384",
	 RSA_PKCS1,
	 SIG_SHA2_384,
	 NID_sha384WithRSAEncryption,
	 15,
	 {0x30, 0x0d, RSA_OID, 0x0c, 0x05, 0x00}},
	{"RSA PKCS#1 v1.5 with SHA-512",
	 RSA_PKCS1,
	 SIG_SHA2_512,
	 NID_sha512WithRSAEncryption,
	 15,
	 {0x30, 0x0d, RSA_OID, 0x0d, 0x05, 0x00}},
	{"RSA-PSS with SHA-256", RSA_PSS_KIND, SIG_SHA2_256, NID_rsassaPss, 67, PSS_DER(0x01, 32)},
	{"RSA-PSS with SHA-384", RSA_PSS_KIND, SIG_SHA2_384, NID_rsassaPss, 67, PSS_DER(0x02, 48)},
	{"RSA-PSS with SHA-512", RSA_PSS_KIND, SIG_SHA2_512, NID_rsassaPss, 67, PSS_DER(0x03, 64)},
	{"ECDSA with SHA-256",
	 ECDSA_KIND,
	 SIG_SHA2_256,
	 NID_ecdsa_with_SHA256,
	 12,
	 {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02}},
	{"ECDSA with SHA-384",
	 ECDSA_KIND,
	 SIG_SHA2_384,
	 NID_ecdsa_with_SHA384,
	 12,
	 {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03}},
	{"ECDSA with SHA-512",
	 ECDSA_KIND,
	 SIG_SHA2_512,
	 NID_ecdsa_with_SHA512,
	 12,
	 {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04}},
	{"Ed25519", EDDSA_KIND, SIG_IDENTITY, NID_ED25519, 7, {0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70}},
	{"Ed448", EDDSA_KIND, SIG_IDENTITY, NID_ED448, 7, {0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x71}},
};

struct bytes sig_hashes(void)
{
	static const uint8_t body[] = {0, SIG_SHA2_256, 0, SIG_SHA2_384, 0, SIG_SHA2_512, 0, SIG_IDENTITY};

	return (struct bytes){.p = body, .len = sizeof(body)};
}

unsigned sig_hashes_read(struct bytes data)
{
	struct rd r = rd_of(data.p, data.len);
	unsigned bits = 0;

	while (rd_left(&r) >= 2) {
		uint16_t h = rd_u16(&r);

		if (h >= SIG_SHA1 && h <= SIG_IDENTITY)
			bits |= SIG_BIT(h);
	}
	return bits;
}

bool sig_method(uint8_t method)
{
	return method == AUTHM_RSA || (method >= AUTHM_ECDSA_256 && method <= AUTHM_ECDSA_521) ||
	       method == AUTHM_DIGITAL;
}

static const EVP_MD *md_of(unsigned hash)
{
	return hash == SIG_SHA1       ? EVP_sha1()
	       : hash == SIG_SHA2_256 ? EVP_sha256()
	       : hash == SIG_SHA2_384 ? EVP_sha384()
	       : hash == SIG_SHA2_512 ? EVP_sha512()
				      : NULL;
}

int sig_curve(EVP_PKEY *key)
{
	char g[32] = "";
	size_t n;

	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC || EVP_PKEY_get_group_name(key, g, sizeof(g), &n) != 1)
		return 0;
	return !strcmp(g, "prime256v1") || !strcmp(g, "P-256")  ? 256
	       : !strcmp(g, "secp384r1") || !strcmp(g, "P-384") ? 384
	       : !strcmp(g, "secp521r1") || !strcmp(g, "P-521") ? 521
								: 0;
}

static bool key_fits(EVP_PKEY *key, const struct alg *a)
{
	int id = EVP_PKEY_get_base_id(key);

	switch (a->kind) {
	case RSA_PKCS1:
	case RSA_PSS_KIND: return id == EVP_PKEY_RSA;
	case ECDSA_KIND: return sig_curve(key) != 0;
	default: return id == a->nid;
	}
}

/* ---- one signature ------------------------------------------------------------------------------------------------- */

/* What is signed, in one piece: EdDSA takes nothing else. */
static uint8_t *join(const struct bytes *octets, size_t n, size_t *len)
{
	uint8_t *p;

	*len = 0;
	for (size_t i = 0; i < n; i++)
		*len += octets[i].len;
	p = malloc(*len ? *len : 1);
	for (size_t i = 0, at = 0; p && i < n; at += octets[i++].len)
		if (octets[i].len)
			memcpy(p + at, octets[i].p, octets[i].len);
	return p;
}

struct scheme {
	const EVP_MD *md; /* NULL: EdDSA */
	bool pss;
	int salt;
};

static bool set_padding(EVP_PKEY_CTX *pctx, EVP_PKEY *key, const struct scheme *s)
{
	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
		return true;
	if (EVP_PKEY_CTX_set_rsa_padding(pctx, s->pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) != 1)
		return false;
	return !s->pss || EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, s->salt) == 1;
}

static int make(EVP_PKEY *key, const struct scheme *s, const struct bytes *octets, size_t n,
		uint8_t out[SIG_MAX], size_t *len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;
	size_t n_msg;
	uint8_t *msg = join(octets, n, &n_msg);
	bool ok = ctx && msg && EVP_DigestSignInit(ctx, &pctx, s->md, NULL, key) == 1 &&
		  set_padding(pctx, key, s);

	*len = SIG_MAX;
	ok = ok && EVP_DigestSign(ctx, out, len, msg, n_msg) == 1;
	EVP_MD_CTX_free(ctx);
	free(msg);
	ERR_clear_error();
	return ok ? 0 : -EIO;
}

static bool right(EVP_PKEY *key, const struct scheme *s, struct bytes sig, const struct bytes *octets,
		  size_t n)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;
	size_t n_msg;
	uint8_t *msg = join(octets, n, &n_msg);
	bool ok = ctx && msg && EVP_DigestVerifyInit(ctx, &pctx, s->md, NULL, key) == 1 &&
		  set_padding(pctx, key, s) && EVP_DigestVerify(ctx, sig.p, sig.len, msg, n_msg) == 1;

	EVP_MD_CTX_free(ctx);
	free(msg);
	ERR_clear_error();
	return ok;
}

/* ---- ECDSA as RFC 4754 has it: r and s behind one another ------------------------------------------------------------ */

static const struct {
	uint8_t method;
	int curve;
	unsigned hash;
	const char *name;
} ecdsa[] = {
	{AUTHM_ECDSA_256, 256, SIG_SHA2_256, "ECDSA with SHA-256 on P-256"},
	{AUTHM_ECDSA_384, 384, SIG_SHA2_384, "ECDSA with SHA-384 on P-384"},
	{AUTHM_ECDSA_521, 521, SIG_SHA2_512, "ECDSA with SHA-512 on P-521"},
};
enum { N_ECDSA = sizeof(ecdsa) / sizeof(ecdsa[0]) };

static int to_plain(const uint8_t *der, size_t len, size_t half, uint8_t *out)
{
	ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &der, (long)len);
	bool ok = s && BN_bn2binpad(ECDSA_SIG_get0_r(s), out, (int)half) > 0 &&
		  BN_bn2binpad(ECDSA_SIG_get0_s(s), out + half, (int)half) > 0;

	ECDSA_SIG_free(s);
	return ok ? 0 : -EIO;
}

/* DER of the two halves; 0: malformed. */
static size_t from_plain(struct bytes plain, uint8_t out[SIG_MAX])
{
	size_t half = plain.len / 2;
	BIGNUM *r = BN_bin2bn(plain.p, (int)half, NULL), *s = BN_bin2bn(plain.p + half, (int)half, NULL);
	ECDSA_SIG *sig = ECDSA_SIG_new();
	uint8_t *p = out;
	int len = 0;

	if (r && s && sig && ECDSA_SIG_set0(sig, r, s) == 1) {
		r = s = NULL;
		if (i2d_ECDSA_SIG(sig, NULL) <= SIG_MAX)
			len = i2d_ECDSA_SIG(sig, &p);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	return len > 0 ? (size_t)len : 0;
}

static enum sig_result check_ecdsa(EVP_PKEY *key, unsigned i, struct bytes data, const struct bytes *octets,
				   size_t n)
{
	size_t half = ((size_t)ecdsa[i].curve + 7) / 8;
	struct scheme s = {.md = md_of(ecdsa[i].hash)};
	uint8_t der[SIG_MAX];
	size_t len;

	if (sig_curve(key) != ecdsa[i].curve)
		return SIG_KEY;
	if (data.len != 2 * half)
		return SIG_MALFORMED;
	len = from_plain(data, der);
	return len && right(key, &s, (struct bytes){der, len}, octets, n) ? SIG_RIGHT : SIG_WRONG;
}

/* ---- ours ----------------------------------------------------------------------------------------------------------- */

/* The hash that goes with the key's strength, where the peer has it; else the longest that it has. */
static const struct alg *choose(EVP_PKEY *key, const struct sig_way *way)
{
	int bits = EVP_PKEY_get_bits(key), curve = sig_curve(key);
	unsigned want = curve == 384 || bits > 7680 ? SIG_SHA2_384
			: curve == 521              ? SIG_SHA2_512
						    : SIG_SHA2_256;
	const struct alg *found = NULL;

	for (const struct alg *a = algs; a < algs + sizeof(algs) / sizeof(algs[0]); a++) {
		if (!key_fits(key, a) || !(way->peer_hashes & SIG_BIT(a->hash)) ||
		    (a->kind == RSA_PSS_KIND && !way->pss) || (a->kind == RSA_PKCS1 && way->pss))
			continue;
		if (!found || found->hash != want)
			found = a;
	}
	return found;
}

static int make_digital(EVP_PKEY *key, const struct alg *a, const struct bytes *octets, size_t n,
			uint8_t out[SIG_AUTH_MAX], size_t *len)
{
	struct scheme s = {.md = md_of(a->hash), .pss = a->kind == RSA_PSS_KIND};
	uint8_t sig[SIG_MAX];
	size_t sig_len;
	int rc;

	s.salt = s.pss ? EVP_MD_get_size(s.md) : 0;
	rc = make(key, &s, octets, n, sig, &sig_len);
	if (rc)
		return rc;
	/* RFC 7427 3: the AlgorithmIdentifier's length in one octet, itself, the signature. */
	out[0] = a->len;
	memcpy(out + 1, a->der, a->len);
	memcpy(out + 1 + a->len, sig, sig_len);
	*len = 1u + a->len + sig_len;
	return 0;
}

int sig_make(EVP_PKEY *key, const struct sig_way *way, const struct bytes *octets, size_t n, uint8_t *method,
	     uint8_t out[SIG_AUTH_MAX], size_t *len)
{
	const struct alg *a = choose(key, way);
	struct scheme s = {0};
	uint8_t der[SIG_MAX];
	size_t der_len;
	int rc = -ENOTSUP;

	if (a) {
		*method = AUTHM_DIGITAL;
		return make_digital(key, a, octets, n, out, len);
	}
	for (unsigned i = 0; i < N_ECDSA; i++) {
		size_t half = ((size_t)ecdsa[i].curve + 7) / 8;

		if (sig_curve(key) != ecdsa[i].curve)
			continue;
		*method = ecdsa[i].method;
		*len = 2 * half;
		s.md = md_of(ecdsa[i].hash);
		rc = make(key, &s, octets, n, der, &der_len);
		return rc ? rc : to_plain(der, der_len, half, out);
	}
	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA || !way->rsa_sha1)
		return -ENOTSUP;
	*method = AUTHM_RSA;
	s.md = EVP_sha1();
	return make(key, &s, octets, n, out, len);
}

/* ---- the peer's ----------------------------------------------------------------------------------------------------- */

/* Parameters of RSASSA-PSS: hash and the mask's hash have to be the same one of ours. */
static bool read_pss(const ASN1_TYPE *param, struct scheme *s)
{
	RSA_PSS_PARAMS *p;
	const ASN1_OBJECT *mgf, *h, *mh;
	X509_ALGOR *mask = NULL;
	int type;
	const void *v;
	bool ok = false;

	if (!param || param->type != V_ASN1_SEQUENCE)
		return false;
	p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_PSS_PARAMS), param);
	if (p && p->hashAlgorithm && p->maskGenAlgorithm && p->saltLength) {
		X509_ALGOR_get0(&h, NULL, NULL, p->hashAlgorithm);
		X509_ALGOR_get0(&mgf, &type, &v, p->maskGenAlgorithm);
		if (OBJ_obj2nid(mgf) == NID_mgf1 && type == V_ASN1_SEQUENCE)
			mask = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(X509_ALGOR),
							 p->maskGenAlgorithm->parameter);
		s->md = EVP_get_digestbyobj(h);
		s->salt = (int)ASN1_INTEGER_get(p->saltLength);
		s->pss = true;
		if (mask)
			X509_ALGOR_get0(&mh, NULL, NULL, mask);
		ok = mask && OBJ_cmp(h, mh) == 0 && s->salt >= 0 && s->salt <= EVP_MAX_MD_SIZE &&
		     (s->md == EVP_sha256() || s->md == EVP_sha384() || s->md == EVP_sha512());
	}
	X509_ALGOR_free(mask);
	RSA_PSS_PARAMS_free(p);
	return ok;
}

/* The algorithm that an AlgorithmIdentifier names; NULL: none of ours. */
static const struct alg *find(const X509_ALGOR *x, struct scheme *s)
{
	const ASN1_OBJECT *oid;
	int nid;

	X509_ALGOR_get0(&oid, NULL, NULL, x);
	nid = OBJ_obj2nid(oid);
	if (nid == NID_rsassaPss && !read_pss(x->parameter, s))
		return NULL;
	for (const struct alg *a = algs; a < algs + sizeof(algs) / sizeof(algs[0]); a++) {
		if (a->nid != nid || (nid == NID_rsassaPss && md_of(a->hash) != s->md))
			continue;
		s->md = md_of(a->hash);
		return a;
	}
	return NULL;
}

static enum sig_result check_digital(EVP_PKEY *key, struct bytes data, const struct bytes *octets, size_t n,
				     const char **what)
{
	struct rd r = rd_of(data.p, data.len);
	struct bytes alg = rd_bytes(&r, rd_u8(&r)), sig = rd_rest(&r);
	const uint8_t *p = alg.p;
	X509_ALGOR *x = alg.len ? d2i_X509_ALGOR(NULL, &p, (long)alg.len) : NULL;
	struct scheme s = {0};
	const struct alg *a = NULL;
	bool whole = x && p == alg.p + alg.len && sig.len;

	if (whole)
		a = find(x, &s);
	X509_ALGOR_free(x);
	ERR_clear_error();
	if (!whole)
		return SIG_MALFORMED;
	if (!a)
		return SIG_REFUSED;
	*what = a->name;
	if (!key_fits(key, a))
		return SIG_KEY;
	return right(key, &s, sig, octets, n) ? SIG_RIGHT : SIG_WRONG;
}

enum sig_result sig_check(EVP_PKEY *key, uint8_t method, struct bytes data, bool rsa_sha1,
			  const struct bytes *octets, size_t n, const char **what)
{
	struct scheme s = {.md = EVP_sha1()};

	*what = "an algorithm that we do not have";
	if (method == AUTHM_DIGITAL)
		return check_digital(key, data, octets, n, what);
	for (unsigned i = 0; i < N_ECDSA; i++)
		if (ecdsa[i].method == method) {
			*what = ecdsa[i].name;
			return check_ecdsa(key, i, data, octets, n);
		}
	if (method != AUTHM_RSA)
		return SIG_REFUSED;
	*what = "RSA with SHA-1";
	if (!rsa_sha1)
		return SIG_REFUSED;
	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
		return SIG_KEY;
	return right(key, &s, data, octets, n) ? SIG_RIGHT : SIG_WRONG;
}
