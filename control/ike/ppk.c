/* SPDX-License-Identifier: Apache-2.0 */
#include "ppk.h"

#include <errno.h>
#include <string.h>

#include "auth.h"
#include "reason.h"

/* RFC 8784 5.1: how a PPK_ID begins. */
enum { PPK_ID_FIXED = 2, AUTH_HDR = IKE_PAYLOAD_HDR + 4 };

static struct bytes view(const void *p, size_t len)
{
	return (struct bytes){.p = p, .len = len};
}

static struct bytes key_of(const struct gw *gw)
{
	return view(gw->conf.ppk, gw->conf.ppk_len);
}

bool ppk_wanted(struct ike *k, const struct addr *local, const struct addr *remote)
{
	return gw_with_ppk(k, local, remote);
}

/* An identity as a peer sends it, for the operator's eyes. */
static const char *name_of(const struct msg_notify *n, char buf[ID_STR])
{
	struct ike_id id = {.type = ID_FQDN};

	if (n->data.len < 2)
		return "empty";
	id.len = (uint8_t)(n->data.len - 1 < IKE_ID_MAX ? n->data.len - 1 : IKE_ID_MAX);
	memcpy(id.data, n->data.p + 1, id.len);
	return id_str(&id, buf, ID_STR);
}

/* ---- initiator ------------------------------------------------------------------------------------------------ */

static void write_id(struct out *o, const struct ike_gw_conf *conf)
{
	uint8_t buf[1 + IKE_ID_MAX];
	size_t len = strnlen(conf->ppk_id, sizeof(conf->ppk_id) - 1);

	buf[0] = PPK_ID_FIXED;
	memcpy(buf + 1, conf->ppk_id, len);
	msg_wr_notify(&o->w, PROTO_NONE, NULL, 0, N_PPK_IDENTITY, buf, 1 + len);
}

/* The data of the AUTH payload without the PPK. */
static int write_no_ppk_auth(struct out *o, struct ike_sa *sa, const struct ike_id *id)
{
	struct out plain;
	int rc;

	out_begin(&plain);
	rc = auth_write(&plain, sa, sa->gw, id);
	if (!rc && (plain.w.w.bad || plain.w.w.len < AUTH_HDR))
		rc = -EMSGSIZE;
	if (!rc)
		msg_wr_notify(&o->w, PROTO_NONE, NULL, 0, N_NO_PPK_AUTH, plain.buf + AUTH_HDR,
			      plain.w.w.len - AUTH_HDR);
	return rc;
}

int ppk_write_request(struct out *o, struct ike_sa *sa, const struct ike_id *id)
{
	const struct ike_gw_conf *conf = &sa->gw->conf;
	struct init *i = sa->init;
	int rc = 0;

	i->ppk = view(NULL, 0);
	if (!conf->ppk_len || !i->ppk_peer)
		return auth_write(o, sa, sa->gw, id);
	write_id(o, conf);
	if (!conf->ppk_required)
		rc = write_no_ppk_auth(o, sa, id);
	i->ppk = key_of(sa->gw);
	return rc ? rc : auth_write(o, sa, sa->gw, id);
}

bool ppk_judge_response(struct in *in, struct ike_reason *r)
{
	struct ike_sa *sa = in->sa;
	const struct ike_gw_conf *conf = &sa->gw->conf;
	bool confirmed = msg_notify_find(in->m, N_PPK_IDENTITY), could = conf->ppk_len && sa->init->ppk_peer;

	if (confirmed && !could) {
		reason_set(r, in->k->now, IKE_CAUSE_MALFORMED, IKE_INITIATOR, IKE_AUTH,
			   "peer confirms a PPK that we have not spoken of");
		return false;
	}
	if (conf->ppk_required && !confirmed) {
		reason_set(r, in->k->now, IKE_CAUSE_AUTH_FAILED, IKE_INITIATOR, IKE_AUTH,
			   "peer does without PPK \"%.100s\", which is required here", conf->ppk_id);
		reason_ours(r, "ppk id %s, required", conf->ppk_id);
		reason_theirs(r, "no PPK of this id");
		reason_hint(r, "give the peer the PPK of this id, or set required = false");
		return false;
	}
	sa->init->ppk = confirmed ? key_of(sa->gw) : view(NULL, 0);
	if (auth_judge(in, sa->gw, r))
		return true;
	if (confirmed && r->cause == IKE_CAUSE_AUTH_FAILED)
		reason_hint(
			r,
			"the peer's AUTH is made with PPK \"%.60s\": that, or the pre-shared key, differs; compare "
			"both byte by byte",
			conf->ppk_id);
	return false;
}

/* ---- responder ------------------------------------------------------------------------------------------------- */

static bool id_is_ours(const struct gw *gw, const struct msg_notify *n)
{
	size_t len = strnlen(gw->conf.ppk_id, sizeof(gw->conf.ppk_id));

	return gw->conf.ppk_len && n->data.len == 1 + len && !memcmp(n->data.p + 1, gw->conf.ppk_id, len);
}

/* By NO_PPK_AUTH in place of AUTH. */
static bool judge_without(struct in *in, const struct gw *gw, const struct msg_notify *n,
			  struct ike_reason *r)
{
	struct msg m = *in->m;
	struct in other = *in;

	m.auth.data = n->data;
	other.m = &m;
	in->sa->init->ppk = view(NULL, 0);
	if (auth_judge(&other, gw, r))
		return true;
	in->wait = other.wait;
	return false;
}

static bool refuse(struct in *in, const struct gw *gw, const struct msg_notify *id, struct ike_reason *r)
{
	char s[ID_STR];

	if (!id)
		reason_set(r, in->k->now, IKE_CAUSE_AUTH_FAILED, IKE_RESPONDER, IKE_AUTH,
			   "peer uses no PPK, and one is required here");
	else if (gw->conf.ppk_len)
		reason_set(r, in->k->now, IKE_CAUSE_AUTH_FAILED, IKE_RESPONDER, IKE_AUTH,
			   "peer's PPK is \"%.90s\", configured is \"%.90s\"", name_of(id, s),
			   gw->conf.ppk_id);
	else
		reason_set(r, in->k->now, IKE_CAUSE_AUTH_FAILED, IKE_RESPONDER, IKE_AUTH,
			   "peer insists on PPK \"%.100s\", and none is configured here", name_of(id, s));
	if (gw->conf.ppk_len)
		reason_ours(r, "ppk id %s%s", gw->conf.ppk_id, gw->conf.ppk_required ? ", required" : "");
	else
		reason_ours(r, "no ppk");
	if (id)
		reason_theirs(r, "PPK %s", name_of(id, s));
	else
		reason_theirs(r, "no PPK");
	reason_hint(r, "give both ends the same PPK under the same id%s",
		    gw->conf.ppk_required ? ", or set required = false" : "");
	return false;
}

/* The id is the same and AUTH is wrong.  Where the peer sent AUTH without the PPK, too, that tells which secret it is. */
static void explain(struct in *in, const struct gw *gw, const struct msg_notify *without,
		    struct ike_reason *r)
{
	struct ike_reason other;

	if (r->cause != IKE_CAUSE_AUTH_FAILED)
		return;
	if (!without) {
		reason_hint(r, "the pre-shared key or PPK \"%.60s\" differs: compare both byte by byte",
			    gw->conf.ppk_id);
		return;
	}
	if (!judge_without(in, gw, without, &other))
		return; /* the pre-shared key, as it says */
	reason_set(r, in->k->now, IKE_CAUSE_AUTH_FAILED, IKE_RESPONDER, IKE_AUTH,
		   "peer's PPK \"%.90s\" is another one than ours; all else is right", gw->conf.ppk_id);
	reason_ours(r, "ppk id %s", gw->conf.ppk_id);
	reason_hint(r, "compare the key of this PPK byte by byte on both sides");
}

bool ppk_judge_request(struct in *in, const struct gw *gw, struct ike_reason *r)
{
	const struct msg_notify *id = msg_notify_find(in->m, N_PPK_IDENTITY),
				*without = msg_notify_find(in->m, N_NO_PPK_AUTH);
	bool ours = id && id_is_ours(gw, id);

	in->sa->init->ppk = ours ? key_of(gw) : view(NULL, 0);
	if (!ours && (gw->conf.ppk_required || (id && !without)))
		return refuse(in, gw, id, r);
	if (id && !ours)
		return judge_without(in, gw, without, r);
	if (auth_judge(in, gw, r))
		return true;
	if (ours)
		explain(in, gw, without, r);
	return false;
}

void ppk_write_answer(struct out *o, const struct ike_sa *sa)
{
	if (sa->init->ppk.len)
		out_notify(o, N_PPK_IDENTITY);
}

/* ---- both ------------------------------------------------------------------------------------------------------- */

int ppk_apply(struct ike_sa *sa)
{
	int rc;

	if (!sa->init->ppk.len)
		return 0;
	rc = ike_keys_ppk(&sa->keys, sa->init->ppk, &sa->keys);
	sa->ppk = !rc;
	if (!rc)
		COUNT(sa->k, ppk);
	return rc;
}
