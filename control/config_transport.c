/* SPDX-License-Identifier: Apache-2.0 */
/* ipsec-mode = "transport": a tunnel's proxy-IDs are the two gateways themselves. */
#include "config_read.h"

#include <string.h>

static const struct cfg_gateway *gateway_of(const struct config *c, const struct cfg_tunnel *t)
{
	for (size_t i = 0; i < c->n_gateways; i++)
		if (strcmp(c->gateways[i].ike.name, t->gateway) == 0)
			return &c->gateways[i];
	return NULL;
}

static struct prefix only(const struct addr *a)
{
	return (struct prefix){.a = *a, .len = (uint8_t)(addr_len(a) * 8)};
}

static void check_side(const struct cfg_obj *o, const char *key, const struct prefix *p,
		       const struct addr *own, const char *what)
{
	struct prefix want = only(own);
	char found[PREFIX_STR], text[PREFIX_STR];

	if (!p->a.v || prefix_eq(p, &want)) /* or it has been complained about */
		return;
	cfg_error(o, config_setting_get_member(o->s, key), key,
		  "found %s, with ipsec-mode = \"transport\"; allowed: %s, the gateway's %s",
		  prefix_str(p, found), prefix_str(&want, text), what);
}

static void check_tunnel(struct cfg_obj *o, struct cfg_tunnel *t, const struct ike_gw_conf *g)
{
	const config_setting_t *list = config_setting_get_member(o->s, "proxy-ids");
	char kind[CFG_KIND];

	if (!g->remote.v) {
		cfg_error(o, config_setting_get_member(o->s, "ipsec-mode"), "ipsec-mode",
			  "found \"transport\", and nobody knows the address of gateway \"%s\"'s peer; "
			  "allowed: with a peer-address that is one",
			  g->name);
		return;
	}
	if (!list || config_setting_length(list) == 0) { /* what is meant is clear */
		t->proxy_ids[0].local = only(&g->local);
		t->proxy_ids[0].remote = only(&g->remote);
		return;
	}
	for (uint32_t i = 0; i < t->n_proxy_ids; i++) {
		struct cfg_obj p = cfg_sub(o, config_setting_get_elem(list, i), "proxy-id", kind);

		memcpy(p.name, t->proxy_ids[i].name, sizeof(p.name));
		check_side(&p, "local", &t->proxy_ids[i].local, &g->local, "local-address");
		check_side(&p, "remote", &t->proxy_ids[i].remote, &g->remote, "peer-address");
	}
}

void cfg_check_transport(struct cfg_load *l)
{
	struct config *c = l->conf;
	uint32_t n = 0;

	for (size_t i = 0; i < c->n_tunnels; i++) {
		struct cfg_tunnel *t = &c->tunnels[i];
		const struct cfg_gateway *g = t->transport ? gateway_of(c, t) : NULL;
		struct cfg_obj o = {.l = l, .s = l->src.tunnels[i], .kind = "ipsec-tunnel"};

		if (!g || !g->ike.local.v) /* complained about */
			continue;
		memcpy(o.name, t->name, sizeof(o.name));
		check_tunnel(&o, t, &g->ike);
		n += t->n_proxy_ids;
		if (n > DP_HOSTS_MAX && n - t->n_proxy_ids <= DP_HOSTS_MAX)
			cfg_error(&o, config_setting_get_member(o.s, "ipsec-mode"), "ipsec-mode",
				  "found more than %d proxy-IDs of transport mode; allowed: at most %d",
				  DP_HOSTS_MAX, DP_HOSTS_MAX);
	}
}
