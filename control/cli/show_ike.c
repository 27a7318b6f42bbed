/* SPDX-License-Identifier: Apache-2.0 */
/* show vpn ike-sa, show vpn ipsec-sa: what the engine holds.  A page begins behind the last SA that the one before came to:
 * a walk from the start for each would take the square of their number. */
#include "handlers.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

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
	const struct cfg_gateway *g = cli_gateway_of(c, i->gateway, i->gateway_id);
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

struct sa_walk {
	struct page p;
	const struct cli_filter *f;
	uint32_t slots; /* how far it is in the gateway's list of proxy-IDs */
};

static bool sa_wanted(const struct cli_filter *f, const struct ike_sa_info *i)
{
	return cli_name_fits(f->gateway, i->gateway) && (!f->peer.v || addr_eq(&f->peer, &i->remote.a)) &&
	       cli_state_fits(f, i->state);
}

static bool on_ike_sa(void *arg, const struct ike_sa_info *i)
{
	struct sa_walk *w = arg;
	struct cli_job *j = w->p.j;

	if (!page_look(&w->p))
		return false;
	if (sa_wanted(w->f, i)) {
		if (!page_take(&w->p))
			return false;
		ike_sa(doc_append(w->p.list), j->c, i);
	}
	page_spend(&w->p, i->n_children / COUNTED);
	j->at = i->role == IKE_INITIATOR ? i->spi_i : i->spi_r;
	j->serial = i->serial;
	return true;
}

/* True when there is another page. */
static bool sa_page(struct cli_job *j, json_t *doc, const struct cli_filter *f)
{
	struct sa_walk w = {.p = page_begin(j, doc_list(doc, "entries")), .f = f};
	uint32_t sas, children;

	ike_each_sa_after(j->c->ike, f->one_gateway ? f->gateway : NULL, j->at, (uint32_t)j->serial,
			  on_ike_sa, &w);
	doc_uint(doc, "ike-sa-found", j->shown);
	if (page_end(&w.p))
		return true;
	ike_count(j->c->ike, &sas, &children);
	cli_filter_doc(doc, f, j->shown, sas);
	return false;
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

static bool child_wanted(const struct cli_filter *f, const struct ike_child_info *i)
{
	return cli_name_fits(f->gateway, i->gateway) && (!f->peer.v || addr_eq(&f->peer, &i->remote.a)) &&
	       cli_tunnel_fits(f->tunnel, i->tunnel, i->proxy_id) && cli_state_fits(f, i->state) &&
	       cli_prefix_fits(f, i->ts_local.t, i->ts_local.n, i->ts_remote.t, i->ts_remote.n);
}

static bool on_child(void *arg, const struct ike_child_info *i)
{
	struct sa_walk *w = arg;
	struct cli_job *j = w->p.j;

	if (!page_look(&w->p))
		return false;
	if (child_wanted(w->f, i)) {
		if (!page_take(&w->p))
			return false;
		cli_child(doc_append(w->p.list), i);
	}
	j->at = i->spi_in;
	j->serial = i->id;
	return true;
}

/* The few of one proxy-ID stand on one page. */
static bool on_child_of(void *arg, const struct ike_child_info *i)
{
	struct sa_walk *w = arg;

	page_spend(&w->p, 1);
	if (child_wanted(w->f, i)) {
		w->p.made++;
		w->p.j->shown++;
		cli_child(doc_append(w->p.list), i);
	}
	return true;
}

static bool page_has_room(struct page *p)
{
	p->more = p->made >= p->j->page_len;
	return !p->more;
}

static void children_of_gateway(struct cli_job *j, struct sa_walk *w)
{
	struct ike_gw_info g;

	if (!ike_gateway_read(j->c->ike, w->f->gateway, &g))
		return;
	for (; j->at < g.conf->n_children && page_has_room(&w->p) && page_look(&w->p); j->at++)
		ike_each_child_of(j->c->ike, g.conf->children[j->at].policy, on_child_of, w);
}

static void children_of_tunnel(struct cli_job *j, struct sa_walk *w)
{
	const struct cli_filter whole = {.one_tunnel = w->f->one_tunnel};
	const struct ctl_policy *p;

	while (page_has_room(&w->p) && (p = page_policy(&w->p, &whole))) {
		if (cli_leads(j->c, p))
			ike_each_child_of(j->c->ike, p->policy, on_child_of, w);
		j->at++;
	}
}

/* True when there is another page. */
static bool child_page(struct cli_job *j, json_t *list, const struct cli_filter *f)
{
	struct sa_walk w = {.p = page_begin(j, list), .f = f};

	if (f->one_tunnel)
		children_of_tunnel(j, &w);
	else if (f->one_gateway)
		children_of_gateway(j, &w);
	else
		ike_each_child_after(j->c->ike, (uint32_t)j->at, (uint32_t)j->serial, on_child, &w);
	return page_end(&w.p);
}

/* ---- what failed --------------------------------------------------------------------------------- */

static void failure(json_t *list, const struct ike_gw_conf *g, const struct ike_child_conf *child,
		    const struct ike_reason *r)
{
	json_t *o = doc_append(list);

	doc_str(o, "gateway", g->name);
	doc_str(o, "tunnel", child ? child->tunnel : NULL);
	doc_str(o, "proxy-id", child ? child->proxy_id : NULL);
	doc_reason(o, r);
	peer_fix(o, r, g, child);
}

/* The last one, or those before: of other causes, or mended since.  What one gateway or proxy-ID has stands on one page. */
static void failures_of(struct page *p, bool earlier, const struct ike_gw_conf *g,
			const struct ike_child_conf *child, const struct ike_reason *last,
			const struct ike_reason *const *recent, unsigned n)
{
	unsigned before = (unsigned)json_array_size(p->list);

	if (!earlier && last && last->cause != IKE_CAUSE_NONE)
		failure(p->list, g, child, last);
	for (unsigned i = 0; earlier && i < n; i++)
		if (recent[i] != last)
			failure(p->list, g, child, recent[i]);
	p->made += (unsigned)json_array_size(p->list) - before;
}

static bool gateway_failures(struct cli_job *j, json_t *list, const struct cli_filter *f, bool earlier)
{
	const struct config *conf = j->c->conf;
	struct page p = page_begin(j, list);
	struct ike_gw_info i;

	if (f->one_gateway && j->at == 0)
		j->at = (uint64_t)(f->one_gateway - conf->gateways);
	for (; j->at < conf->n_gateways && page_has_room(&p) && page_look(&p); j->at++) {
		const char *name = conf->gateways[j->at].ike.name;

		if (cli_name_fits(f->gateway, name) && ike_gateway_read(j->c->ike, name, &i)) {
			failures_of(&p, earlier, i.conf, NULL, i.last_failure, i.recent, i.n_recent);
			page_spend(&p, i.n_children / COUNTED);
		}
		if (f->one_gateway)
			break;
	}
	return page_end(&p);
}

static void child_failures_of(struct page *p, uint32_t policy, bool earlier)
{
	struct ike_conf_child_info i;

	if (ike_conf_child_read(p->j->c->ike, policy, &i))
		failures_of(p, earlier, i.gw, i.conf, i.last_failure, i.recent, i.n_recent);
}

static bool child_failures(struct cli_job *j, json_t *list, const struct cli_filter *f, bool earlier)
{
	struct page p = page_begin(j, list);
	const struct ctl_policy *x;
	struct ike_gw_info g;

	if (f->one_gateway) {
		if (!ike_gateway_read(j->c->ike, f->gateway, &g))
			return page_end(&p);
		for (; j->at < g.conf->n_children && page_has_room(&p) && page_look(&p); j->at++)
			child_failures_of(&p, g.conf->children[j->at].policy, earlier);
		return page_end(&p);
	}
	while (page_has_room(&p) && (x = page_policy(&p, f))) {
		if (cli_leads(j->c, x))
			child_failures_of(&p, x->policy, earlier);
		j->at++;
	}
	return page_end(&p);
}

static bool failures_part(struct cli_job *j, json_t *doc, const struct cli_filter *f)
{
	bool earlier = j->part >= 4;
	json_t *list = doc_list(doc, earlier ? "earlier-failures" : "failures");

	return j->part % 2 == 0 ? gateway_failures(j, list, f, earlier) : child_failures(j, list, f, earlier);
}

/* ---- the commands -------------------------------------------------------------------------------- */

/* Child SAs are their IKE SA's as long as it is up: none to show with other states. */
static bool shows_children(const struct cli_filter *f)
{
	return !f->state || strcasecmp(f->state, "established") == 0;
}

static void ike_sa_head(struct cli_job *j, json_t *doc, const struct cli_filter *f)
{
	doc_str(doc, "type", cli_given(&j->m, "detail") ? "vpn-ike-sa-detail" : "vpn-ike-sa");
	doc_uint(doc, "gateways-found", j->c->conf->n_gateways);
	doc_wall(doc, "now", ctl_now());
	doc_list(doc, "entries");
	if (shows_children(f))
		doc_list(doc, "children");
	doc_list(doc, "failures");
	doc_list(doc, "earlier-failures");
}

/* In this order: IKE SAs, Child SAs, failures of gateways, failures of proxy-IDs, and so those before. */
enum { PARTS_SAS = 2, PARTS_ALL = 6 };

enum cli_page cli_show_ike_sa(struct cli_job *j, json_t *doc)
{
	struct cli_filter f, of_parents;
	bool failures, more = false;

	if (!cli_filter_take(j, &f))
		return CLI_FAILED;
	/* What failed is no SA: with a state or an address asked for, it is not asked for. */
	failures = (f.one_gateway || cli_given(&j->m, "detail")) && !f.state && !f.peer.v;
	if (j->part == 0 && j->serial == 0)
		ike_sa_head(j, doc, &f);
	of_parents = f;
	of_parents.state = NULL;
	if (j->part == 0)
		more = sa_page(j, doc, &f);
	else if (j->part == 1 && shows_children(&f))
		more = child_page(j, doc_list(doc, "children"), &of_parents);
	else if (j->part > 1)
		more = failures_part(j, doc, &f);
	if (!more) {
		j->part++;
		j->shown = 0;
	}
	return j->part == (failures ? PARTS_ALL : PARTS_SAS) ? CLI_LAST : CLI_MORE;
}

/* How many tunnels what is shown is out of; true when there is more to count. */
static bool count_tunnels(struct cli_job *j, json_t *doc, const struct cli_filter *f)
{
	struct page p = page_begin(j, NULL);
	const struct ctl_policy *x;
	struct ike_conf_child_info i;

	for (; (x = page_policy(&p, f)); j->at++)
		j->shown += cli_leads(j->c, x) && ike_conf_child_read(j->c->ike, x->policy, &i);
	doc_uint(doc, "ntun", j->shown);
	return page_end(&p);
}

enum cli_page cli_show_ipsec_sa(struct cli_job *j, json_t *doc)
{
	struct cli_filter f;
	uint32_t sas, children;

	if (!cli_filter_take(j, &f))
		return CLI_FAILED;
	if (f.one_tunnel && f.one_tunnel->combined) /* all its proxy-IDs share one */
		f.tunnel = f.one_tunnel->name;
	if (j->part == 0 && j->serial == 0) {
		doc_str(doc, "type", "vpn-ipsec-sa");
		doc_bool(doc, "detail", cli_given(&j->m, "detail"));
	}
	if (j->part == 1)
		return count_tunnels(j, doc, &f) ? CLI_MORE : CLI_LAST;
	if (!child_page(j, doc_list(doc, "entries"), &f)) {
		ike_count(j->c->ike, &sas, &children);
		cli_filter_doc(doc, &f, j->shown, children);
		j->part++;
	}
	doc_uint(doc, "ipsec-sa-found", j->shown);
	if (j->part)
		j->shown = 0;
	return CLI_MORE;
}
