/* SPDX-License-Identifier: Apache-2.0 */
#include "ike_props.h"

#include <errno.h>
#include <string.h>

#include "fuzz.h"
#include "proposal.h"
#include "ts.h"

struct span {
	const uint8_t *p;
	size_t len;
};

static void inside(const struct span *s, struct bytes b)
{
	MUST(!b.len || (b.p >= s->p && b.len <= s->len && (size_t)(b.p - s->p) <= s->len - b.len));
}

static void check_text(const struct msg *m)
{
	char text[2000], small[40];

	MUST(msg_str(m, text, sizeof(text)) == text && strlen(text) < sizeof(text));
	MUST(strlen(msg_str(m, small, sizeof(small))) < sizeof(small));
	MUST(!strncmp(text, small, sizeof(small) - 1));
}

void check_msg(const struct msg *m, const uint8_t *p, size_t len)
{
	const struct span s = {p, len};

	MUST(m->n_notify <= MSG_NOTIFIES_MAX && m->n_delete <= MSG_DELETES_MAX &&
	     m->n_cert <= MSG_CERTS_MAX && m->n_certreq <= MSG_CERTS_MAX && m->n_vendor <= MSG_VENDORS_MAX &&
	     m->n_order <= MSG_ORDER_MAX);
	inside(&s, m->sa);
	inside(&s, m->tsi);
	inside(&s, m->tsr);
	inside(&s, m->ke.data);
	inside(&s, m->nonce);
	inside(&s, m->idi.data);
	inside(&s, m->idi.body);
	inside(&s, m->idr.data);
	inside(&s, m->idr.body);
	inside(&s, m->auth.data);
	inside(&s, m->cp);
	inside(&s, m->eap);
	for (uint8_t i = 0; i < m->n_notify; i++) {
		inside(&s, m->notify[i].spi);
		inside(&s, m->notify[i].data);
	}
	for (uint8_t i = 0; i < m->n_delete; i++) {
		inside(&s, m->del[i].spis);
		MUST(m->del[i].spis.len == (size_t)m->del[i].n * m->del[i].spi_size);
	}
	for (uint8_t i = 0; i < m->n_cert; i++)
		inside(&s, m->cert[i].data);
	for (uint8_t i = 0; i < m->n_certreq; i++)
		inside(&s, m->certreq[i].data);
	for (uint8_t i = 0; i < m->n_vendor; i++)
		inside(&s, m->vendor[i]);
	check_text(m);
}

static bool same_proposals(const struct proposals *a, const struct proposals *b)
{
	if (a->n != b->n)
		return false;
	for (uint8_t i = 0; i < a->n; i++) {
		const struct proposal *x = &a->p[i], *y = &b->p[i];

		if (x->num != y->num || x->protocol != y->protocol || x->spi_len != y->spi_len ||
		    x->n != y->n || memcmp(x->spi, y->spi, x->spi_len) != 0)
			return false;
		for (uint8_t k = 0; k < x->n; k++)
			if (x->t[k].type != y->t[k].type || x->t[k].id != y->t[k].id ||
			    x->t[k].key_bits != y->t[k].key_bits)
				return false;
	}
	return true;
}

static const struct ike_algs profiles[] = {
	{.n_encr = 3,
	 .encr = {{ENCR_AES_CBC, 256}, {ENCR_AES_GCM_16, 256}, {ENCR_AES_CBC, 128}},
	 .n_integ = 2,
	 .integ = {AUTH_HMAC_SHA2_256_128, AUTH_HMAC_SHA1_96},
	 .n_dh = 3,
	 .dh = {DH_ECP256, DH_MODP2048, DH_NONE}},
	{.n_encr = 2, .encr = {{ENCR_AES_GCM_16, 128}, {ENCR_CHACHA20_POLY1305, 0}}},
	{0},
};

/* A choice is a suite of the profile, and the peer that offered finds it in its offer. */
static void check_choice(const struct proposals *theirs, const struct ike_algs *mine, enum prop_kind kind,
			 enum ike_esn esn)
{
	static struct proposals answer;
	struct suite_choice s, back;
	char why[256], text[200];
	uint8_t buf[256];
	struct wr w = wr_of(buf, sizeof(buf));

	memset(why, 'x', sizeof(why));
	if (prop_choose(theirs, mine, kind, esn, &s, why, sizeof(why)) < 0) {
		MUST(memchr(why, 0, sizeof(why)) && why[0]);
		return;
	}
	MUST(s.encr && (encr_is_aead(s.encr) ? !s.integ : s.integ));
	MUST(kind == PROP_IKE ? s.prf && s.dh && !s.esn : !s.prf);
	MUST(kind != PROP_ESP_FIRST || !s.dh);
	MUST(kind == PROP_IKE || esn == IKE_ESN_PREFER || s.esn == (esn == IKE_ESN_YES));
	suite_str(&s, text, sizeof(text));
	prop_encode_choice(&w, &s, s.spi, s.spi_len);
	MUST(!w.bad && prop_decode((struct bytes){buf, w.len}, &answer) == 0);
	if (kind != PROP_ESP_FIRST) { /* there a peer's DH transforms go unanswered */
		MUST(prop_accept(&answer, theirs, &back) == 0);
		MUST(back.encr == s.encr && back.key_bits == s.key_bits && back.integ == s.integ &&
		     back.prf == s.prf && back.dh == s.dh && back.esn == s.esn && back.num == s.num);
	}
}

void check_sa(struct bytes body)
{
	static struct proposals p, again;
	static uint8_t buf[65536];
	struct suite_choice s;
	char text[300];
	struct wr w = wr_of(buf, sizeof(buf));
	int e = prop_decode(body, &p);

	MUST(e == 0 || e == -EINVAL || e == -E2BIG);
	if (e)
		return;
	MUST(p.n && p.n <= PROPOSALS_MAX);
	MUST(strlen(proposals_str(&p, text, sizeof(text))) < sizeof(text));
	prop_encode(&w, &p);
	MUST(!w.bad && w.len <= body.len && prop_decode((struct bytes){buf, w.len}, &again) == 0);
	MUST(same_proposals(&p, &again));
	for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
		for (enum prop_kind kind = PROP_IKE; kind <= PROP_ESP; kind++) {
			for (enum ike_esn esn = IKE_ESN_NO; esn <= IKE_ESN_YES; esn++)
				check_choice(&p, &profiles[i], kind, esn);
			prop_offer(&profiles[i], kind, IKE_ESN_PREFER, "\1\2\3\4", kind == PROP_IKE ? 0 : 4,
				   &again);
			prop_accept(&p, &again, &s);
		}
}

static struct ts_list own_selectors(void)
{
	struct ts_list l = {0};
	struct prefix p;

	MUST(prefix_parse("10.0.0.0/8", &p) == 0);
	l.t[l.n++] = ts_of(&p, 0, 0);
	l.t[l.n++] = ts_of(&p, 6, 443);
	MUST(prefix_parse("2001:db8::/32", &p) == 0);
	l.t[l.n++] = ts_of(&p, 17, 0);
	return l;
}

void check_ts(struct bytes body)
{
	struct ts_list mine = own_selectors(), theirs, again, common;
	unsigned skipped = 0;
	uint8_t buf[1024];
	char text[200];
	struct wr w = wr_of(buf, sizeof(buf));

	if (ts_decode(body, &theirs, &skipped) < 0)
		return;
	MUST(theirs.n <= TS_LIST_MAX && theirs.n + skipped > 0);
	MUST(strlen(ts_list_str(&theirs, text, sizeof(text))) < sizeof(text));
	if (theirs.n) {
		ts_encode(&w, &theirs);
		MUST(!w.bad && ts_decode((struct bytes){buf, w.len}, &again, &skipped) == 0);
		MUST(!skipped && again.n == theirs.n);
		for (uint8_t i = 0; i < again.n; i++)
			MUST(ts_eq(&theirs.t[i], &again.t[i]));
	}
	ts_narrow(&mine, &theirs, &common);
	MUST(ts_list_within(&common, &mine) && ts_list_within(&common, &theirs));
	ts_narrow(&theirs, &theirs, &common);
	MUST(ts_list_within(&common, &theirs) && ts_list_within(&theirs, &common));
}
