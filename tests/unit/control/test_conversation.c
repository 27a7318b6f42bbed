/* SPDX-License-Identifier: Apache-2.0 */
/* Whole IKE SAs' lives as two strongSwans spoke them (tests/vectors/README.md): every message decoded, every key
 * derived, every AUTH recomputed with what this library has, and compared with strongSwan's own log. */
#include "crypto.h"
#include "msg.h"
#include "proposal.h"
#include "ts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "vectors.h"

/* What a step of the conversation leaves behind. */
struct talk {
	const struct vectors *v;
	struct suite_choice ike, esp;
	struct ike_keys keys;
	struct bytes init[2], ni, nr;
	uint8_t nonce[IKE_NONCE_MAX]; /* holds ni when the next message goes where its own is */
	uint8_t plain[4096];
	struct msg m;
};

static void parse(struct talk *t, unsigned i)
{
	struct bytes raw = vector(t->v, "msg.%u", i);

	assert_int_equal(msg_parse(raw.p, raw.len, &t->m), MSG_OK);
}

/* Message i, decrypted; requests and answers take turns, and all requests are the initiator's. */
static void open_message(struct talk *t, unsigned i, const struct ike_keys *k)
{
	size_t len;

	parse(t, i);
	assert_int_equal(t->m.seen, PL_BIT(PL_SK));
	assert_int_equal(!(t->m.hdr.flags & IKE_FLAG_RESPONSE), !(i & 1));
	assert_int_equal(sk_open(k, !(i & 1), &t->m, t->plain, &len), 0);
	assert_int_equal(msg_parse_inner((struct bytes){t->plain, len}, t->m.sk_first, &t->m), MSG_OK);
}

static void assert_says(const struct talk *t, const char *want)
{
	char buf[300];

	assert_string_equal(msg_str(&t->m, buf, sizeof(buf)), want);
}

/* The SA payload of an answer: one proposal; encoded again it is the same octets. */
static struct suite_choice chosen(const struct talk *t)
{
	struct proposals answer;
	struct suite_choice s;
	uint8_t buf[256];
	struct wr w = wr_of(buf, sizeof(buf));

	assert_int_equal(prop_decode(t->m.sa, &answer), 0);
	prop_encode(&w, &answer);
	assert_bytes((struct bytes){buf, w.len}, t->m.sa);
	assert_int_equal(prop_accept(&answer, &answer, &s), 0);
	w = wr_of(buf, sizeof(buf));
	prop_encode_choice(&w, &s, s.spi, s.spi_len);
	assert_int_equal(w.len, t->m.sa.len);
	return s;
}

static void check_ike_keys(const struct talk *t, const struct ike_keys *k, unsigned n)
{
	const struct vectors *v = t->v;

	assert_bytes((struct bytes){k->d, k->prf_len}, vector(v, "ike.%u.d", n));
	assert_bytes((struct bytes){k->ei, k->encr_len}, vector(v, "ike.%u.ei", n));
	assert_bytes((struct bytes){k->er, k->encr_len}, vector(v, "ike.%u.er", n));
	assert_bytes((struct bytes){k->pi, k->prf_len}, vector(v, "ike.%u.pi", n));
	assert_bytes((struct bytes){k->pr, k->prf_len}, vector(v, "ike.%u.pr", n));
	if (!k->integ_len)
		return;
	assert_bytes((struct bytes){k->ai, k->integ_len}, vector(v, "ike.%u.ai", n));
	assert_bytes((struct bytes){k->ar, k->integ_len}, vector(v, "ike.%u.ar", n));
}

/* strongSwan logs key and salt as one. */
static void check_key(const uint8_t *key, size_t key_len, const uint8_t *salt, size_t salt_len,
		      struct bytes want)
{
	uint8_t both[64];

	memcpy(both, key, key_len);
	if (salt_len)
		memcpy(both + key_len, salt, salt_len);
	assert_bytes((struct bytes){both, key_len + salt_len}, want);
}

static void check_child_keys(const struct talk *t, struct bytes dh, unsigned n)
{
	struct child_keys c;

	assert_int_equal(child_keys_derive(&t->keys, &t->esp, dh, t->ni, t->nr, (struct bytes){0}, &c), 0);
	check_key(c.encr_i, c.encr_len, c.salt_i, c.salt_len, vector(t->v, "child.%u.encr_i", n));
	check_key(c.encr_r, c.encr_len, c.salt_r, c.salt_len, vector(t->v, "child.%u.encr_r", n));
	if (!c.integ_len)
		return;
	check_key(c.integ_i, c.integ_len, NULL, 0, vector(t->v, "child.%u.integ_i", n));
	check_key(c.integ_r, c.integ_len, NULL, 0, vector(t->v, "child.%u.integ_r", n));
}

/* SHA-1 of SPIs, address, port (RFC 7296 2.23).  "encap = yes" makes strongSwan lie about its source. */
static void check_natd(const struct talk *t)
{
	const struct bytes parts[] = {{t->m.raw.p, 16}, hex("c0000202 01f4")};
	const struct msg_notify *n = msg_notify_find(&t->m, N_NAT_DETECTION_DESTINATION_IP);
	uint8_t out[20];

	assert_non_null(n);
	assert_int_equal(crypto_sha1(parts, 2, out), 0);
	assert_bytes((struct bytes){out, 20}, n->data);
	assert_non_null(msg_notify_find(&t->m, N_NAT_DETECTION_SOURCE_IP));
	assert_null(msg_notify_error(&t->m));
}

static void ike_sa_init(struct talk *t)
{
	struct bytes pub[2];

	parse(t, 0);
	t->init[0] = t->m.raw;
	t->ni = t->m.nonce;
	pub[0] = t->m.ke.data;
	assert_says(
		t,
		"IKE_SA_INIT request 0 [ SA KE No N(NATD_S_IP) N(NATD_D_IP) N(FRAG_SUP) N(HASH_ALG) N(REDIR_SUP) ]");
	check_natd(t);
	parse(t, 1);
	t->init[1] = t->m.raw;
	t->nr = t->m.nonce;
	pub[1] = t->m.ke.data;
	assert_says(
		t,
		"IKE_SA_INIT response 0 [ SA KE No N(NATD_S_IP) N(NATD_D_IP) N(FRAG_SUP) N(HASH_ALG) N(CHDLESS_SUP) "
		"N(16404) ]");
	t->ike = chosen(t);
	assert_int_equal(t->m.ke.group, t->ike.dh);
	assert_int_equal(pub[0].len, dh_public_len(t->ike.dh));
	assert_int_equal(pub[1].len, dh_public_len(t->ike.dh));
	assert_int_equal(ike_keys_derive(&t->ike, t->ni, t->nr, t->m.hdr.spi_i, t->m.hdr.spi_r,
					 vector(t->v, "ike.1.dh"), &t->keys),
			 0);
	check_ike_keys(t, &t->keys, 1);
}

static void check_auth(const struct talk *t, bool initiator, const struct msg_id *id)
{
	static const char psk[] = "correct horse battery staple";
	uint8_t out[PRF_MAX], maced_id[PRF_MAX];
	const struct bytes octets[] = {
		t->init[!initiator], initiator ? t->nr : t->ni, {maced_id, t->keys.prf_len}};
	size_t len;

	assert_int_equal(auth_maced_id(&t->keys, initiator, id->body, maced_id), 0);
	assert_int_equal(auth_psk(&t->keys, (struct bytes){(const uint8_t *)psk, sizeof(psk) - 1}, octets, 3,
				  out, &len),
			 0);
	assert_bytes((struct bytes){out, len}, t->m.auth.data);
	assert_bytes((struct bytes){out, len}, vector(t->v, "auth.%u", initiator ? 1 : 2));
	assert_int_equal(t->m.auth.method, AUTHM_PSK);
	assert_int_equal(id->type, ID_FQDN);
	assert_memory_equal(id->data.p, initiator ? "ikcda.example" : "ikcdb.example", 13);
}

static void assert_ts(struct bytes body, const char *want)
{
	uint8_t buf[256];
	struct wr w = wr_of(buf, sizeof(buf));
	struct ts_list l;
	char text[300];

	assert_int_equal(ts_decode(body, &l, NULL), 0);
	assert_string_equal(ts_list_str(&l, text, sizeof(text)), want);
	ts_encode(&w, &l);
	assert_bytes((struct bytes){buf, w.len}, body);
}

static void ike_auth(struct talk *t)
{
	open_message(t, 2, &t->keys);
	assert_says(
		t,
		"IKE_AUTH request 1 [ IDi N(INIT_CONTACT) IDr AUTH SA TSi TSr N(16404) N(EAP_ONLY) N(MSG_ID_SYN_SUP) ]");
	check_auth(t, true, &t->m.idi);
	assert_ts(t->m.tsi, "10.1.0.0/16,fd00:1::/64");
	assert_ts(t->m.tsr, "10.2.0.0/16[tcp/443],fd00:2::/64");
	open_message(t, 3, &t->keys);
	assert_says(t, "IKE_AUTH response 1 [ IDr AUTH SA TSi TSr ]");
	check_auth(t, false, &t->m.idr);
	t->esp = chosen(t);
	assert_int_equal(t->esp.spi_len, 4);
	assert_int_equal(t->esp.dh, DH_NONE);
	check_child_keys(t, (struct bytes){0}, 1);
}

static void keep_nonce(struct talk *t)
{
	memcpy(t->nonce, t->m.nonce.p, t->m.nonce.len);
	t->ni = (struct bytes){t->nonce, t->m.nonce.len};
}

/* The Child SA rekeyed with a key exchange of its own, the old one deleted. */
static void child_rekey(struct talk *t)
{
	const struct msg_notify *n;

	open_message(t, 4, &t->keys);
	assert_says(t, "CREATE_CHILD_SA request 2 [ N(REKEY_SA) SA No KE TSi TSr ]");
	n = msg_notify_find(&t->m, N_REKEY_SA);
	assert_int_equal(n->protocol, PROTO_ESP);
	assert_int_equal(n->spi.len, 4);
	keep_nonce(t);
	open_message(t, 5, &t->keys);
	assert_says(t, "CREATE_CHILD_SA response 2 [ SA No KE TSi TSr ]");
	t->nr = t->m.nonce;
	t->esp = chosen(t);
	assert_int_equal(t->esp.dh, t->m.ke.group);
	check_child_keys(t, vector(t->v, "child.2.dh"), 2);
	for (unsigned i = 6; i <= 7; i++) {
		open_message(t, i, &t->keys);
		assert_int_equal(t->m.n_delete, 1);
		assert_int_equal(t->m.del[0].protocol, PROTO_ESP);
		assert_int_equal(t->m.del[0].n, 1);
	}
	assert_says(t, "INFORMATIONAL response 3 [ D ]");
}

static uint64_t spi_of(const struct talk *t)
{
	struct proposals p;
	struct rd r;

	assert_int_equal(prop_decode(t->m.sa, &p), 0);
	assert_int_equal(p.p[0].spi_len, IKE_SPI);
	r = rd_of(p.p[0].spi, IKE_SPI);
	return rd_u64(&r);
}

/* The IKE SA rekeyed, the old one deleted under the old keys, the new one under the new. */
static void ike_rekey(struct talk *t)
{
	uint64_t spi_i, spi_r;
	struct ike_keys next;
	struct suite_choice s;

	open_message(t, 8, &t->keys);
	assert_says(t, "CREATE_CHILD_SA request 4 [ SA No KE ]");
	spi_i = spi_of(t);
	keep_nonce(t);
	open_message(t, 9, &t->keys);
	spi_r = spi_of(t);
	s = chosen(t);
	assert_int_equal(ike_keys_rekey(&t->keys, &s, t->ni, t->m.nonce, spi_i, spi_r,
					vector(t->v, "ike.2.dh"), (struct bytes){0}, &next),
			 0);
	check_ike_keys(t, &next, 2);
	open_message(t, 10, &t->keys);
	assert_int_equal(t->m.del[0].protocol, PROTO_IKE);
	open_message(t, 11, &t->keys);
	assert_says(t, "INFORMATIONAL response 5 [ ]");
	open_message(t, 12, &next);
	assert_true(t->m.hdr.spi_i == spi_i && t->m.hdr.spi_r == spi_r);
	assert_int_equal(t->m.del[0].protocol, PROTO_IKE);
	open_message(t, 13, &next);
	assert_says(t, "INFORMATIONAL response 0 [ ]");
}

static void converse(const char *file, const char *ike, const char *esp)
{
	static struct talk t;
	struct vectors *v = vectors_load(file);
	char text[100];

	assert_non_null(v);
	t = (struct talk){.v = v};
	ike_sa_init(&t);
	assert_string_equal(suite_str(&t.ike, text, sizeof(text)), ike);
	ike_auth(&t);
	child_rekey(&t);
	assert_string_equal(suite_str(&t.esp, text, sizeof(text)), esp);
	ike_rekey(&t);
	vectors_free(v);
}

static void gcm(void **state)
{
	converse("ike-gcm.txt", "aes-256-gcm/prf-sha384/group19", "aes-256-gcm/group20");
}

static void cbc(void **state)
{
	converse("ike-cbc.txt", "aes-128-cbc/sha256/prf-sha256/group14", "aes-256-cbc/sha512/group15");
}

static void chacha(void **state)
{
	converse("ike-chacha.txt", "chacha20-poly1305/prf-sha512/group31", "chacha20-poly1305/group31");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(gcm), cmocka_unit_test(cbc),
					   cmocka_unit_test(chacha)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
