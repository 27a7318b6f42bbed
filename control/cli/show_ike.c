/* SPDX-License-Identifier: Apache-2.0 */
/* show vpn ike-sa, show vpn ipsec-sa: what the engine holds. */
#include "handlers.h"

#include <stdio.h>
#include <string.h>

#include "peer_fix.h"

static const char *role_str(enum ike_role r)
{
	return r == IKE_INITIATOR ? "Init" : "Resp";
}

/* A combined-mode cipher has no hash of its own: an IKE SA then shows its PRF's. */
static const char *ike_hash(const struct suite_choice *s)
{
	return s->integ ? doc_integ(s->integ) : doc_prf(s->prf);
}

/* ---- IKE SAs ------------------------------------------------------------------------------------- */

/* How an end authenticated itself: the key's kind, as PAN-OS has it. */
static const char *method_str(uint8_t method, const struct cert_info *i)
{
	if (method == AUTHM_PSK || (!method && !i))
		return "PSK";
	if (method == AUTHM_RSA || (i && !strncmp(i->key, "RSA", 3)))
		return "RSA";
	return i && strncmp(i->key, "ECDSA", 5) != 0 ? "EdDSA" : "ECDSA";
}

static void ike_sa(json_t *o, const struct ctl *c, const struct ike_sa_info *i)
{
	const struct cfg_gateway *g = cli_gateway(c, i->gateway);
	const char *auth = "PSK";
	struct cert_info own;
	char enc[DOC_ALG], dh[DOC_KE], algo[DOC_KE + 3 * DOC_ALG], longer[DOC_ALG];

	if (g && g->ike.own) {
		cert_own_info(g->ike.own, &own);
		auth = method_str(i->auth_local, &own);
	}
	doc_uint(o, "gwid", i->gateway_id);
	doc_str(o, "name", i->gateway);
	doc_str(o, "role", role_str(i->role));
	doc_str(o, "mode", "IKEv2");
	doc_uint(o, "sn", i->serial);
	snprintf(algo, sizeof(algo), "%s/%s/%s/%s", auth, doc_ke(&i->suite, dh),
		 doc_encr(i->suite.encr, i->suite.key_bits, enc), ike_hash(&i->suite));
	/* Nothing is agreed upon before the peer's first answer. */
	doc_str(o, "algo", i->suite.encr ? algo : "");
	doc_str(o, "auth", auth);
	doc_str(o, "peer-auth", method_str(i->auth_remote, i->certificate));
	doc_certificate(o, "peer-certificate", i->certificate);
	if (g && g->ike.own)
		doc_certificate(o, "certificate", &own);
	doc_str(o, "enc", doc_encr_long(i->suite.encr, i->suite.key_bits, longer));
	doc_str(o, "hash", doc_integ(i->suite.integ));
	doc_str(o, "prf", doc_prf(i->suite.prf));
	doc_str(o, "dh", doc_ke(&i->suite, dh));
	doc_str(o, "ppk", i->ppk);
	doc_str(o, "state", i->state);
	doc_bool(o, "established", i->established);
	doc_wall(o, "started", i->created);
	doc_wall(o, "created", i->established_at);
	doc_wall(o, "expires", i->expires);
	doc_wall(o, "rekey-at", i->rekey_at);
	doc_uint(o, "rekeys", i->rekeys);
	doc_bool(o, "reauthenticate", i->reauth);
	doc_uint(o, "retransmits", i->retransmits);
	doc_uint(o, "child", i->n_children);
	doc_spi(o, "spi-i", i->spi_i);
	doc_spi(o, "spi-r", i->spi_r);
	doc_addr(o, "local-ip", &i->local.a);
	doc_uint(o, "local-port", i->local.port);
	doc_addr(o, "remote-ip", &i->remote.a);
	doc_uint(o, "remote-port", i->remote.port);
	doc_id(o, "local-id", &i->local_id, &i->local.a);
	doc_id(o, "remote-id", &i->remote_id, &i->remote.a);
	doc_bool(o, "nat-local", i->nat_local);
	doc_bool(o, "nat-remote", i->nat_remote);
	doc_bool(o, "udp-encap", i->udp_encap);
	doc_uint(o, "msgid-rx", i->msgid_in);
	doc_uint(o, "msgid-tx", i->msgid_out);
	doc_wall(o, "last-heard", i->last_heard);
	doc_uint(o, "dpd-interval", g ? g->ike.dpd_interval_s : 0);
}

struct ike_walk {
	struct page p;
	const char *gateway;
};

static bool on_ike_sa(void *arg, const struct ike_sa_info *i)
{
	struct ike_walk *w = arg;
	bool stop;

	if (w->gateway && strcmp(w->gateway, i->gateway) != 0)
		return true;
	if (page_take(&w->p, &stop))
		ike_sa(doc_append(w->p.list), w->p.j->c, i);
	return !stop;
}

/* ---- Child SAs ----------------------------------------------------------------------------------- */

void cli_child(json_t *o, const struct ike_child_info *i)
{
	uint64_t now = ctl_now();
	char name[DOC_NAME], buf[DOC_ALG], ke[DOC_KE];

	doc_uint(o, "gwid", i->gateway_id);
	doc_str(o, "gateway", i->gateway);
	doc_uint(o, "tid", i->tunnel_id);
	doc_str(o, "name", doc_tunnel_name(i->tunnel, i->proxy_id, name));
	doc_str(o, "tunnel", i->tunnel);
	doc_str(o, "proxy-id", i->proxy_id);
	doc_addr(o, "remote", &i->remote.a);
	doc_uint(o, "id", i->id);
	doc_uint(o, "parent", i->parent_serial);
	doc_str(o, "role", role_str(i->role));
	doc_str(o, "proto", "ESP");
	doc_str(o, "mode", i->transport ? "trans" : "tunl");
	doc_str(o, "enc", doc_encr(i->suite.encr, i->suite.key_bits, buf));
	doc_str(o, "hash", doc_integ(i->suite.integ));
	doc_str(o, "dh", i->suite.dh ? doc_ke(&i->suite, ke) : "no-pfs");
	doc_bool(o, "esn", i->suite.esn);
	doc_uint(o, "i_spi", i->spi_in);
	doc_uint(o, "o_spi", i->spi_out);
	doc_uint(o, "msgid", i->msgid);
	doc_str(o, "state", i->state);
	doc_uint(o, "life", i->lifetime_s);
	doc_uint(o, "remain", i->expires > now ? (i->expires - now) / 1000000000 : 0);
	doc_uint(o, "kb", i->life_bytes / 1024); /* 0: unlimited */
	doc_uint(o, "packets", i->life_packets);
	doc_wall(o, "created", i->created);
	doc_wall(o, "expires", i->expires);
	doc_wall(o, "rekey-at", i->rekey_at);
	doc_bool(o, "udp-encap", i->udp_encap);
	doc_ts(o, "ts-local", &i->ts_local);
	doc_ts(o, "ts-remote", &i->ts_remote);
}

/* A page of Child SAs begins behind the last one of the page before, which j->at names: a walk from the start for each
 * page would take the square of their number. */
struct child_walk {
	struct cli_job *j;
	json_t *list;
	const char *gateway, *tunnel;
	uint64_t last; /* its id, and its inbound SPI below */
	unsigned made;
	bool more;
};

static bool on_child(void *arg, const struct ike_child_info *i)
{
	struct child_walk *w = arg;

	if ((w->gateway && strcmp(w->gateway, i->gateway) != 0) ||
	    !doc_tunnel_is(w->tunnel, i->tunnel, i->proxy_id))
		return true;
	w->more = w->made == w->j->page_len;
	if (w->more)
		return false;
	w->made++;
	w->last = (uint64_t)i->id << 32 | i->spi_in;
	cli_child(doc_append(w->list), i);
	return true;
}

/* True when there is another page. */
static bool child_page(struct cli_job *j, json_t *list, const char *gateway, const char *tunnel)
{
	struct child_walk w = {.j = j, .list = list, .gateway = gateway, .tunnel = tunnel};

	ike_each_child_after(j->c->ike, (uint32_t)j->at, (uint32_t)(j->at >> 32), on_child, &w);
	j->at = w.more ? w.last : 0;
	return w.more;
}

/* ---- what failed --------------------------------------------------------------------------------- */

struct failure_walk {
	struct page p;
	const char *gateway;
};

static void failure(json_t *o, const struct ike_gw_conf *g, const struct ike_child_conf *child,
		    const struct ike_reason *r)
{
	doc_str(o, "gateway", g->name);
	doc_str(o, "tunnel", child ? child->tunnel : NULL);
	doc_str(o, "proxy-id", child ? child->proxy_id : NULL);
	doc_reason(o, r);
	peer_fix(o, r, g, child);
}

static bool on_gateway_failure(void *arg, const struct ike_gw_info *i)
{
	struct failure_walk *w = arg;
	bool stop = false;

	if ((w->gateway && strcmp(w->gateway, i->conf->name) != 0) || !i->last_failure ||
	    i->last_failure->cause == IKE_CAUSE_NONE)
		return true;
	if (page_take(&w->p, &stop))
		failure(doc_append(w->p.list), i->conf, NULL, i->last_failure);
	return !stop;
}

static bool on_child_failure(void *arg, const struct ike_conf_child_info *i)
{
	struct failure_walk *w = arg;
	bool stop = false;

	if ((w->gateway && strcmp(w->gateway, i->gw->name) != 0) || !i->last_failure ||
	    i->last_failure->cause == IKE_CAUSE_NONE)
		return true;
	if (page_take(&w->p, &stop))
		failure(doc_append(w->p.list), i->gw, i->conf, i->last_failure);
	return !stop;
}

/* Those before: of other causes, or mended since. */
static bool earlier(struct failure_walk *w, const struct ike_gw_conf *g, const struct ike_child_conf *child,
		    const struct ike_reason *last, const struct ike_reason *const *recent, unsigned n)
{
	bool stop = false;

	if (w->gateway && strcmp(w->gateway, g->name) != 0)
		return true;
	for (unsigned i = 0; i < n && !stop; i++)
		if (recent[i] != last && page_take(&w->p, &stop))
			failure(doc_append(w->p.list), g, child, recent[i]);
	return !stop;
}

static bool on_gateway_earlier(void *arg, const struct ike_gw_info *i)
{
	return earlier(arg, i->conf, NULL, i->last_failure, i->recent, i->n_recent);
}

static bool on_child_earlier(void *arg, const struct ike_conf_child_info *i)
{
	return earlier(arg, i->gw, i->conf, i->last_failure, i->recent, i->n_recent);
}

/* ---- the commands -------------------------------------------------------------------------------- */

struct count {
	const char *gateway, *tunnel;
	uint64_t n;
};

static bool count_ike_sa(void *arg, const struct ike_sa_info *i)
{
	struct count *c = arg;

	c->n += !c->gateway || strcmp(c->gateway, i->gateway) == 0;
	return true;
}

static bool count_child(void *arg, const struct ike_child_info *i)
{
	struct count *c = arg;

	c->n += doc_tunnel_is(c->tunnel, i->tunnel, i->proxy_id);
	return true;
}

static bool count_conf_child(void *arg, const struct ike_conf_child_info *i)
{
	struct count *c = arg;

	c->n += doc_tunnel_is(c->tunnel, i->conf->tunnel, i->conf->proxy_id);
	return true;
}

static void ike_sa_head(struct cli_job *j, json_t *doc, const char *gateway)
{
	struct count n = {.gateway = gateway};

	ike_each_sa(j->c->ike, count_ike_sa, &n);
	doc_str(doc, "type", cli_given(&j->m, "detail") ? "vpn-ike-sa-detail" : "vpn-ike-sa");
	doc_uint(doc, "gateways-found", j->c->conf->n_gateways);
	doc_uint(doc, "ike-sa-found", n.n);
	doc_wall(doc, "now", ctl_now());
	doc_list(doc, "entries");
	doc_list(doc, "children");
	doc_list(doc, "failures");
	doc_list(doc, "earlier-failures");
}

static bool failures_part(struct cli_job *j, json_t *doc, const char *gateway)
{
	struct failure_walk w = {page_begin(j, doc_list(doc, j->part < 4 ? "failures" : "earlier-failures")),
				 gateway};

	switch (j->part) {
	case 2: ike_each_gateway(j->c->ike, on_gateway_failure, &w); break;
	case 3: ike_each_conf_child(j->c->ike, on_child_failure, &w); break;
	case 4: ike_each_gateway(j->c->ike, on_gateway_earlier, &w); break;
	default: ike_each_conf_child(j->c->ike, on_child_earlier, &w);
	}
	return page_end(&w.p);
}

/* In this order: IKE SAs, Child SAs, failures of gateways, failures of proxy-IDs, and so those before. */
enum { PARTS_SAS = 2, PARTS_ALL = 6 };

enum cli_page cli_show_ike_sa(struct cli_job *j, json_t *doc)
{
	const char *gateway = cli_arg(&j->m, "gateway");
	bool failures = gateway || cli_given(&j->m, "detail"), more = false;

	if (gateway && !cli_gateway(j->c, gateway))
		return cli_no_gateway(j, gateway);
	if (j->part == 0 && j->at == 0)
		ike_sa_head(j, doc, gateway);
	if (j->part == 0) {
		struct ike_walk w = {page_begin(j, doc_list(doc, "entries")), gateway};

		ike_each_sa(j->c->ike, on_ike_sa, &w);
		more = page_end(&w.p);
	} else if (j->part == 1) {
		more = child_page(j, doc_list(doc, "children"), gateway, NULL);
	} else {
		more = failures_part(j, doc, gateway);
	}
	if (!more)
		j->part++;
	return j->part == (failures ? PARTS_ALL : PARTS_SAS) ? CLI_LAST : CLI_MORE;
}

enum cli_page cli_show_ipsec_sa(struct cli_job *j, json_t *doc)
{
	const char *tunnel = cli_arg(&j->m, "tunnel");

	if (tunnel && !cli_tunnel_known(j->c, tunnel))
		return cli_no_tunnel(j, tunnel);
	if (j->at == 0) {
		struct count tunnels = {.tunnel = tunnel}, sas = {.tunnel = tunnel};

		ike_each_conf_child(j->c->ike, count_conf_child, &tunnels);
		ike_each_child(j->c->ike, count_child, &sas);
		doc_str(doc, "type", "vpn-ipsec-sa");
		doc_bool(doc, "detail", cli_given(&j->m, "detail"));
		doc_uint(doc, "ntun", tunnels.n);
		doc_uint(doc, "ipsec-sa-found", sas.n);
	}
	return child_page(j, doc_list(doc, "entries"), NULL, tunnel) ? CLI_MORE : CLI_LAST;
}
