/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Encrypted payload (RFC 7296 3.14), with combined-mode ciphers as in RFC 5282.
 *
 *   +---------------+-+-------------+-------------------------------+
 *   | Next Payload  |C|  RESERVED   |         Payload Length        |
 *   +---------------+-+-------------+-------------------------------+
 *   |                     Initialization Vector                     |
 *   +---------------------------------------------------------------+
 *   ~                    Encrypted IKE Payloads                     ~
 *   +               +-----------------------------------------------+
 *   |               |             Padding (0-255 octets)            |
 *   +---------------+                               +---------------+
 *   |                                               |  Pad Length   |
 *   +---------------------------------------------------------------+
 *   ~                    Integrity Checksum Data                    ~
 *   +---------------------------------------------------------------+
 *
 * An Encrypted Fragment payload (RFC 7383 2.5) has two more fields in front of the IV, number and total,
 * which are protected as the header is.
 */
#include "crypto.h"
#include "evp.h"
#include "msg.h"

#include <errno.h>
#include <openssl/err.h>

/* One direction's keys and the sizes that follow from the algorithms. */
struct sk {
	const struct encr_alg *alg;
	const struct integ_alg *integ; /* NULL: combined mode */
	const EVP_CIPHER *cipher;
	const uint8_t *ke, *ka;
	size_t key_len, iv_len, icv_len;
};

static int sk_of(const struct ike_keys *k, bool initiator, struct sk *s)
{
	*s = (struct sk){.alg = encr_find(k->encr), .cipher = evp_cipher(k->encr, k->key_bits)};
	if (!s->alg || !s->cipher)
		return -ENOTSUP;
	s->integ = s->alg->aead ? NULL : integ_find(k->integ);
	if (!s->alg->aead && !s->integ)
		return -ENOTSUP;
	s->ke = initiator ? k->ei : k->er;
	s->ka = initiator ? k->ai : k->ar;
	s->key_len = k->encr_len - s->alg->salt_len;
	s->iv_len = s->alg->iv_len;
	s->icv_len = s->integ ? s->integ->icv_len : s->alg->icv_len;
	return 0;
}

size_t sk_overhead(const struct ike_keys *k)
{
	struct sk s;

	return sk_of(k, true, &s) ? 0 : s.iv_len + s.alg->block + s.icv_len;
}

/* Key, and IV: the salt in front of it where the algorithm has one (RFC 5282 4). */
static EVP_CIPHER_CTX *start(const struct sk *s, const uint8_t *iv, int encrypt)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t nonce[16];
	bool ok;

	memcpy(nonce, s->ke + s->key_len, s->alg->salt_len);
	memcpy(nonce + s->alg->salt_len, iv, s->iv_len);
	ok = ctx && EVP_CipherInit_ex2(ctx, s->cipher, s->ke, nonce, encrypt, NULL) == 1 &&
	     EVP_CIPHER_CTX_set_padding(ctx, 0) == 1;
	crypto_wipe(nonce, sizeof(nonce));
	if (ok)
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

static int icv_hmac(const struct sk *s, struct bytes covered, uint8_t full[64])
{
	struct evp_mac m;
	int e;

	evp_mac_begin(&m, s->integ->hash, (struct bytes){s->ka, s->integ->key_len});
	evp_mac_add(&m, covered);
	e = evp_mac_out(&m, full);
	evp_mac_end(&m);
	return e;
}

/* Encrypt in and then pad to out; for combined modes the tag goes behind. */
static bool encrypt(const struct sk *s, const uint8_t *iv, struct bytes aad, struct bytes in,
		    struct bytes pad, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = start(s, iv, 1);
	int a = 0, n = 0, total = 0;
	bool ok = ctx;

	if (s->alg->aead)
		ok = ok && EVP_CipherUpdate(ctx, NULL, &a, aad.p, (int)aad.len) == 1;
	if (in.len)
		ok = ok && EVP_CipherUpdate(ctx, out, &total, in.p, (int)in.len) == 1;
	ok = ok && EVP_CipherUpdate(ctx, out + total, &n, pad.p, (int)pad.len) == 1;
	total += n;
	ok = ok && EVP_CipherFinal_ex(ctx, out + total, &n) == 1 &&
	     (size_t)total + (size_t)n == in.len + pad.len;
	if (s->alg->aead)
		ok = ok && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, (int)s->icv_len,
					       out + in.len + pad.len) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

/* An IV that never comes twice under a key: CBC's must not be foreseen either (RFC 7296 3.14), a counter
 * mode's may simply count (RFC 5282 3.1). */
static void next_iv(struct ike_keys *k, const struct sk *s, uint8_t *iv)
{
	struct wr w = wr_of(iv, s->iv_len);

	if (s->alg->aead)
		wr_u64(&w, k->iv++);
	else
		crypto_random(iv, s->iv_len);
}

/* part.total 0: an SK payload with all of it. */
static int seal(struct ike_keys *k, bool initiator, const struct ike_hdr *h, uint8_t first,
		struct sk_part part, struct bytes plain, struct wr *w)
{
	uint8_t pad[16] = {0}, full[64], *out = w->base + w->len, *iv, *body, *icv;
	size_t n_pad, total;
	struct bytes aad;
	struct msg_wr m;
	struct sk s;
	int e = sk_of(k, initiator, &s);

	if (e)
		return e;
	n_pad = s.alg->block - plain.len % s.alg->block; /* the length octet is one of them */
	pad[n_pad - 1] = (uint8_t)(n_pad - 1);
	msg_wr_begin(&m, out, w->cap - w->len, h);
	msg_wr_open(&m, part.total ? PL_SKF : PL_SK);
	if (part.total) {
		wr_u16(&m.w, part.num);
		wr_u16(&m.w, part.total);
	}
	aad = (struct bytes){out, m.w.len};
	iv = wr_room(&m.w, s.iv_len);
	body = plain.len > MSG_MAX ? NULL : wr_room(&m.w, plain.len + n_pad);
	icv = wr_room(&m.w, s.icv_len);
	msg_wr_close(&m);
	total = msg_wr_end(&m);
	if (!body || !total)
		return -EMSGSIZE;
	/* The next payload is the first one inside; fragments behind the first have none. */
	out[IKE_HDR] = part.num > 1 ? PL_NONE : first;
	next_iv(k, &s, iv);
	if (!encrypt(&s, iv, aad, plain, (struct bytes){pad, n_pad}, body))
		e = -EIO;
	if (!e && s.integ) {
		e = icv_hmac(&s, (struct bytes){out, total - s.icv_len}, full);
		if (!e)
			memcpy(icv, full, s.icv_len);
	}
	ERR_clear_error();
	if (e) {
		crypto_wipe(out, total);
		return e;
	}
	w->len += total;
	return 0;
}

int sk_seal(struct ike_keys *k, bool initiator, const struct ike_hdr *h, uint8_t first, struct bytes plain,
	    uint8_t *out, size_t cap, size_t *out_len)
{
	struct wr w = wr_of(out, cap);
	int e = seal(k, initiator, h, first, (struct sk_part){0}, plain, &w);

	if (!e)
		*out_len = w.len;
	return e;
}

int sk_seal_part(struct ike_keys *k, bool initiator, const struct ike_hdr *h, uint8_t first,
		 struct sk_part part, struct bytes plain, struct wr *w)
{
	return part.total ? seal(k, initiator, h, first, part, plain, w) : -EINVAL;
}

static bool decrypt(const struct sk *s, const uint8_t *iv, struct bytes aad, struct bytes in,
		    const uint8_t *icv, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = start(s, iv, 0);
	uint8_t tag[16];
	int a = 0, n = 0, m = 0;
	bool ok = ctx;

	if (s->alg->aead) {
		memcpy(tag, icv, s->icv_len);
		ok = ok && EVP_CipherUpdate(ctx, NULL, &a, aad.p, (int)aad.len) == 1 &&
		     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, (int)s->icv_len, tag) == 1;
	}
	ok = ok && EVP_CipherUpdate(ctx, out, &n, in.p, (int)in.len) == 1 &&
	     EVP_CipherFinal_ex(ctx, out + n, &m) == 1 && (size_t)n + (size_t)m == in.len;
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

int sk_open(const struct ike_keys *k, bool initiator, const struct msg *m, uint8_t *plain, size_t *plain_len)
{
	struct bytes sealed = m->seen & PL_BIT(PL_SKF) ? m->skf.body : m->sk;
	struct rd r = rd_of(sealed.p, sealed.len);
	const uint8_t *iv, *icv;
	struct bytes ct, aad;
	uint8_t full[64];
	struct sk s;
	int e = sk_of(k, initiator, &s);

	*plain_len = 0;
	if (e)
		return e;
	/* The ICV ends SK, and SK ends the message: msg_parse() saw to it. */
	if (sealed.len < s.iv_len + s.alg->block + s.icv_len ||
	    sealed.p + sealed.len != m->raw.p + m->raw.len)
		return -EBADMSG;
	iv = rd_take(&r, s.iv_len);
	ct = rd_bytes(&r, rd_left(&r) - s.icv_len);
	icv = rd_take(&r, s.icv_len);
	if (!rd_done(&r) || ct.len % s.alg->block)
		return -EBADMSG;
	if (s.integ) {
		e = icv_hmac(&s, (struct bytes){m->raw.p, m->raw.len - s.icv_len}, full);
		if (e || !crypto_equal(full, icv, s.icv_len))
			return -EBADMSG;
	}
	aad = (struct bytes){m->raw.p, (size_t)(sealed.p - m->raw.p)};
	/* RFC 7296 3.14: the recipient accepts any padding, if only it fits */
	if (!decrypt(&s, iv, aad, ct, icv, plain) || plain[ct.len - 1] >= ct.len) {
		crypto_wipe(plain, ct.len);
		ERR_clear_error();
		return -EBADMSG;
	}
	*plain_len = ct.len - 1 - plain[ct.len - 1];
	return 0;
}
