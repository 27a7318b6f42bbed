/* SPDX-License-Identifier: Apache-2.0 */
#include "auth.h"

#include <string.h>

#include "reason.h"

static struct bytes view(const void *p, size_t len)
{
	return (struct bytes){.p = p, .len = len};
}

int auth_octets(const struct ike_sa *sa, bool initiator, struct bytes id_body, struct auth_octets *o)
{
	const struct init *i = sa->init;
	const struct datagram *d = initiator ? &i->request : &i->response;
	struct ike_keys mixed;
	int rc = 0;

	if (i->ppk.len)
		rc = ike_keys_ppk(&sa->keys, i->ppk, &mixed);
	if (!rc)
		rc = auth_maced_id(i->ppk.len ? &mixed : &sa->keys, initiator, id_body, o->maced_id);
	if (i->ppk.len)
		crypto_wipe(&mixed, sizeof(mixed));
	o->n = 0;
	o->part[o->n++] = view(d->p, d->len);
	o->part[o->n++] = initiator ? view(i->nr, i->nr_len) : view(i->ni, i->ni_len);
	o->part[o->n++] = view(o->maced_id, sa->keys.prf_len);
	o->part[o->n++] = view(o->int_auth, inter_octets(sa, o->int_auth));
	return rc;
}

static size_t id_body(const struct ike_id *id, uint8_t out[4 + IKE_ID_MAX])
{
	out[0] = id->type;
	memset(out + 1, 0, 3);
	memcpy(out + 4, id->data, id->len);
	return 4u + id->len;
}

/* ---- pre-shared key ------------------------------------------------------------------------------------------- */

static int psk_value(const struct ike_sa *sa, const struct gw *gw, const struct auth_octets *octets,
		     uint8_t out[PRF_MAX], size_t *len)
{
	return auth_psk(&sa->keys, view(gw->conf.psk, gw->conf.psk_len), octets->part, octets->n, out, len);
}

static int psk_write(struct out *o, struct ike_sa *sa, const struct gw *gw, const struct auth_octets *octets)
{
	uint8_t auth[PRF_MAX];
	size_t len;
	int rc = psk_value(sa, gw, octets, auth, &len);

	if (!rc)
		msg_wr_auth(&o->w, AUTHM_PSK, auth, len);
	sa->auth_local = AUTHM_PSK;
	crypto_wipe(auth, sizeof(auth));
	return rc;
}

static bool psk_right(const struct ike_sa *sa, const struct gw *gw, const struct auth_octets *octets,
		      struct bytes auth)
{
	uint8_t want[PRF_MAX];
	size_t len;
	bool ok = !psk_value(sa, gw, octets, want, &len) && auth.len == len &&
		  crypto_equal(want, auth.p, len);

	crypto_wipe(want, sizeof(want));
	return ok;
}

static bool psk_judge(struct in *in, const struct gw *gw, const struct msg_id *id,
		      const struct auth_octets *octets, struct ike_reason *r)
{
	const struct msg_auth *a = &in->m->auth;
	struct ike_id got;
	char s[ID_STR];

	if (a->method != AUTHM_PSK) {
		reason_set(r, in->k->now, IKE_CAUSE_UNSUPPORTED, in->sa->role, IKE_AUTH,
			   "peer authenticates by %s (method %u), configured is pre-shared key",
			   auth_method_str(a->method), a->method);
		reason_ours(r, "pre-shared-key, and no certificate-profile");
		reason_theirs(r, "%s", auth_method_str(a->method));
		reason_hint(r, "let the peer authenticate itself by pre-shared key, or give the gateway a "
			       "certificate-profile instead of the key");
		return false;
	}
	if (psk_right(in->sa, gw, octets, a->data)) {
		in->sa->auth_remote = AUTHM_PSK;
		return true;
	}
	id_of(id, &got);
	reason_set(r, in->k->now, IKE_CAUSE_AUTH_FAILED, in->sa->role, IKE_AUTH,
		   "peer %.100s proves another pre-shared key than ours", id_str(&got, s, sizeof(s)));
	reason_theirs(r, "local id %s", s);
	reason_hint(r, "likely pre-shared key mismatch: compare it byte by byte on both sides (no stray "
		       "blank or line end)");
	return false;
}

/* ---- either method -------------------------------------------------------------------------------------------- */

int auth_write(struct out *o, struct ike_sa *sa, const struct gw *gw, const struct ike_id *id)
{
	uint8_t body[4 + IKE_ID_MAX];
	struct auth_octets octets;
	int rc = auth_octets(sa, sa->role == IKE_INITIATOR, view(body, id_body(id, body)), &octets);

	if (rc)
		return rc;
	return gw->conf.own ? sig_write(o, sa, gw, &octets) : psk_write(o, sa, gw, &octets);
}

bool auth_judge(struct in *in, const struct gw *gw, struct ike_reason *r)
{
	bool initiator = in->sa->role == IKE_RESPONDER; /* the peer is the other one */
	const struct msg_id *id = initiator ? &in->m->idi : &in->m->idr;
	struct auth_octets octets;

	if (auth_octets(in->sa, initiator, id->body, &octets)) {
		reason_set(r, in->k->now, IKE_CAUSE_UNSUPPORTED, in->sa->role, IKE_AUTH,
			   "cannot compute what the peer's AUTH covers");
		return false;
	}
	return gw->conf.trust ? sig_judge(in, gw, id, &octets, r) : psk_judge(in, gw, id, &octets, r);
}
