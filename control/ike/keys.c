/* SPDX-License-Identifier: Apache-2.0 */
/* Key derivation and PSK authentication: RFC 7296 2.14, 2.15, 2.17, 2.18. */
#include "crypto.h"
#include "evp.h"

#include <errno.h>

/* Algorithms and sizes of a suite's IKE keys. */
static int size_ike_keys(const struct suite_choice *s, struct ike_keys *k)
{
	const struct encr_alg *e = encr_find(s->encr);
	const struct integ_alg *i = integ_find(s->integ);
	int key_len;

	*k = (struct ike_keys){.prf = s->prf, .encr = s->encr, .key_bits = s->key_bits};
	if (!e || !e->sk || !crypto_have_encr(s->encr, s->key_bits) || !crypto_have_prf(s->prf))
		return -ENOTSUP;
	if (!e->aead && (!i || !crypto_have_integ(s->integ)))
		return -ENOTSUP;
	key_len = encr_key_len(e, s->key_bits);
	if (key_len < 0)
		return -ENOTSUP;
	k->prf_len = prf_len(s->prf);
	k->encr_len = (size_t)key_len + e->salt_len;
	if (!e->aead) {
		k->integ = s->integ;
		k->integ_len = i->key_len;
	}
	return 0;
}

static void take(struct rd *r, uint8_t *to, size_t n)
{
	const uint8_t *p = rd_take(r, n);

	if (p)
		memcpy(to, p, n);
}

/* {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+ (SKEYSEED, Ni | Nr | SPIi | SPIr) */
static int expand(struct ike_keys *k, struct bytes skeyseed, struct bytes ni, struct bytes nr, uint64_t spi_i,
		  uint64_t spi_r)
{
	uint8_t seed[2 * IKE_NONCE_MAX + 2 * IKE_SPI], keymat[KEYMAT_MAX];
	size_t n = 3 * k->prf_len + 2 * k->integ_len + 2 * k->encr_len;
	struct wr w = wr_of(seed, sizeof(seed));
	struct rd r = rd_of(keymat, n);
	int e;

	wr_bytes(&w, ni.p, ni.len);
	wr_bytes(&w, nr.p, nr.len);
	wr_u64(&w, spi_i);
	wr_u64(&w, spi_r);
	if (w.bad || n > sizeof(keymat))
		return -EINVAL;
	e = prf_plus(k->prf, skeyseed, (struct bytes){seed, w.len}, keymat, n);
	if (!e) {
		take(&r, k->d, k->prf_len);
		take(&r, k->ai, k->integ_len);
		take(&r, k->ar, k->integ_len);
		take(&r, k->ei, k->encr_len);
		take(&r, k->er, k->encr_len);
		take(&r, k->pi, k->prf_len);
		take(&r, k->pr, k->prf_len);
	}
	crypto_wipe(keymat, sizeof(keymat));
	return e;
}

int ike_keys_derive(const struct suite_choice *s, struct bytes ni, struct bytes nr, uint64_t spi_i,
		    uint64_t spi_r, struct bytes dh_secret, struct ike_keys *k)
{
	uint8_t nonces[2 * IKE_NONCE_MAX], skeyseed[PRF_MAX];
	struct wr w = wr_of(nonces, sizeof(nonces));
	int e = size_ike_keys(s, k);

	wr_bytes(&w, ni.p, ni.len);
	wr_bytes(&w, nr.p, nr.len);
	if (!e && w.bad)
		e = -EINVAL;
	/* SKEYSEED = prf(Ni | Nr, g^ir); our PRFs take a key of any length whole */
	if (!e)
		e = prf(k->prf, (struct bytes){nonces, w.len}, &dh_secret, 1, skeyseed);
	if (!e)
		e = expand(k, (struct bytes){skeyseed, k->prf_len}, ni, nr, spi_i, spi_r);
	crypto_wipe(skeyseed, sizeof(skeyseed));
	if (e)
		crypto_wipe(k, sizeof(*k));
	return e;
}

int ike_keys_rekey(const struct ike_keys *old, const struct suite_choice *s, struct bytes ni, struct bytes nr,
		   uint64_t spi_i, uint64_t spi_r, struct bytes dh_secret, struct bytes more,
		   struct ike_keys *k)
{
	const struct bytes parts[] = {dh_secret, ni, nr, more};
	uint8_t skeyseed[PRF_MAX];
	int e = size_ike_keys(s, k);

	/* SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr | SK(1) | … | SK(n)), with the old SA's PRF */
	if (!e)
		e = prf(old->prf, (struct bytes){old->d, old->prf_len}, parts, 4, skeyseed);
	if (!e)
		e = expand(k, (struct bytes){skeyseed, old->prf_len}, ni, nr, spi_i, spi_r);
	crypto_wipe(skeyseed, sizeof(skeyseed));
	if (e)
		crypto_wipe(k, sizeof(*k));
	return e;
}

int ike_keys_ppk(const struct ike_keys *k, struct bytes ppk, struct ike_keys *out)
{
	struct ike_keys mixed = *k;
	int e = prf_plus(k->prf, ppk, (struct bytes){k->d, k->prf_len}, mixed.d, k->prf_len);

	/* SK_d = prf+ (PPK, SK_d'), and so on; what messages are protected with stays. */
	if (!e)
		e = prf_plus(k->prf, ppk, (struct bytes){k->pi, k->prf_len}, mixed.pi, k->prf_len);
	if (!e)
		e = prf_plus(k->prf, ppk, (struct bytes){k->pr, k->prf_len}, mixed.pr, k->prf_len);
	if (!e)
		*out = mixed;
	crypto_wipe(&mixed, sizeof(mixed));
	return e;
}

int child_key_sizes(const struct suite_choice *s, size_t *encr, size_t *salt, size_t *integ)
{
	const struct encr_alg *e = encr_find(s->encr);
	const struct integ_alg *i = integ_find(s->integ);
	int key_len = e ? encr_key_len(e, s->key_bits) : -ENOTSUP;

	if (key_len < 0 || (s->integ != AUTH_NONE && !i) || (!e->aead && !i))
		return -ENOTSUP;
	*encr = (size_t)key_len;
	*salt = e->salt_len;
	*integ = e->aead ? 0 : i->key_len;
	return 0;
}

/* KEYMAT = prf+ (SK_d, [ g^ir (new) | ] Ni | Nr | SK(1) | … | SK(n)), the initiator's SA first, encryption before integrity; a
 * salt is the end of its encryption key (RFC 4106 8.1). */
int child_keys_derive(const struct ike_keys *ike, const struct suite_choice *s, struct bytes dh_secret,
		      struct bytes ni, struct bytes nr, struct bytes more, struct child_keys *k)
{
	uint8_t seed[(1 + AKE_MAX) * DH_SECRET_MAX + 2 * IKE_NONCE_MAX], keymat[KEYMAT_MAX];
	struct wr w = wr_of(seed, sizeof(seed));
	size_t n;
	struct rd r;
	int e;

	*k = (struct child_keys){0};
	e = child_key_sizes(s, &k->encr_len, &k->salt_len, &k->integ_len);
	if (e)
		return e;
	wr_bytes(&w, dh_secret.p, dh_secret.len);
	wr_bytes(&w, ni.p, ni.len);
	wr_bytes(&w, nr.p, nr.len);
	wr_bytes(&w, more.p, more.len);
	n = 2 * (k->encr_len + k->salt_len + k->integ_len);
	e = w.bad || n > sizeof(keymat) ? -EINVAL
					: prf_plus(ike->prf, (struct bytes){ike->d, ike->prf_len},
						   (struct bytes){seed, w.len}, keymat, n);
	if (!e) {
		r = rd_of(keymat, n);
		take(&r, k->encr_i, k->encr_len);
		take(&r, k->salt_i, k->salt_len);
		take(&r, k->integ_i, k->integ_len);
		take(&r, k->encr_r, k->encr_len);
		take(&r, k->salt_r, k->salt_len);
		take(&r, k->integ_r, k->integ_len);
	}
	crypto_wipe(keymat, sizeof(keymat));
	crypto_wipe(seed, sizeof(seed));
	return e;
}

int auth_maced_id(const struct ike_keys *k, bool initiator, struct bytes id_body, uint8_t out[PRF_MAX])
{
	return prf(k->prf, (struct bytes){initiator ? k->pi : k->pr, k->prf_len}, &id_body, 1, out);
}

int auth_psk(const struct ike_keys *k, struct bytes psk, const struct bytes *octets, size_t n, uint8_t *out,
	     size_t *out_len)
{
	static const char pad[] = "Key Pad for IKEv2";
	const struct bytes pad_part = {(const uint8_t *)pad, sizeof(pad) - 1};
	uint8_t key[PRF_MAX];
	int e = prf(k->prf, psk, &pad_part, 1, key);

	if (!e)
		e = prf(k->prf, (struct bytes){key, k->prf_len}, octets, n, out);
	*out_len = e ? 0 : k->prf_len;
	crypto_wipe(key, sizeof(key));
	return e;
}
