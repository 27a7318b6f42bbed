/* SPDX-License-Identifier: Apache-2.0 */
/* tunnel-monitor: what the file says of it, and that its probes can be sent and answered at all. */
#include "config_read.h"

#include <string.h>

static void read_destinations(struct cfg_obj *o, struct cfg_monitor *mon)
{
	static const char allowed[] = "addresses behind the tunnel, such as (\"10.10.10.1\")";
	const config_setting_t *m = cfg_member(o, "destination", CFG_REQUIRED, allowed), *at = m;
	const char *v;
	int i = 0;

	while (m && (v = cfg_next_string(o, m, "destination", allowed, &i, &at))) {
		struct addr a;

		if (!cfg_addr_of(o, at, "destination", v, allowed, &a))
			continue;
		if (mon->n && a.v != mon->dst[0].v) {
			cfg_error(o, at, "destination",
				  "found \"%s\"; allowed: IPv%u addresses, as the first is", v,
				  mon->dst[0].v);
			continue;
		}
		if (mon->n == CFG_MONITORED) {
			cfg_error(o, at, "destination", "found more than %d; allowed: at most %d",
				  CFG_MONITORED, CFG_MONITORED);
			return;
		}
		mon->dst[mon->n++] = a;
	}
	if (m && i == 0)
		cfg_error(o, m, "destination", "found nothing; allowed: %s", allowed);
}

void cfg_read_monitor(struct cfg_obj *tun, struct cfg_monitor *mon)
{
	static const char *const known[] = {"destination", "source", "interval", "threshold",
					    "action",      "quorum", NULL};
	static const char *const later[] = {"profile", "proxy-id", "enable", NULL};
	static const struct cfg_word actions[] = {{"wait-recover", false}, {"fail-over", true}, {0}};
	const config_setting_t *m = config_setting_get_member(tun->s, "tunnel-monitor");
	const struct cfg_word *w;
	struct cfg_obj o;
	char found[CFG_FOUND], kind[CFG_KIND];
	long long v;

	if (!m)
		return;
	if (!config_setting_is_group(m)) {
		cfg_error(tun, m, "tunnel-monitor",
			  "found %s; allowed: { destination = \"10.10.10.1\"; interval = 3; threshold = 5; "
			  "action = \"wait-recover\"; }",
			  cfg_found(m, false, found));
		return;
	}
	o = cfg_sub(tun, m, "tunnel-monitor", kind);
	cfg_keys(&o, known, later);
	read_destinations(&o, mon);
	cfg_addr(&o, "source", CFG_OPTIONAL, "an address of ours that the peer answers", &mon->source);
	mon->interval_s = 3;
	mon->threshold = 5;
	mon->quorum = 1;
	if (cfg_int(&o, "interval", CFG_OPTIONAL, 1, 100, &v))
		mon->interval_s = (uint16_t)v;
	if (cfg_int(&o, "threshold", CFG_OPTIONAL, 2, 100, &v))
		mon->threshold = (uint16_t)v;
	if (cfg_int(&o, "quorum", CFG_OPTIONAL, 1, mon->n ? mon->n : 1, &v))
		mon->quorum = (uint8_t)v;
	for (unsigned i = 0; i < mon->n; i++)
		for (unsigned k = 0; k < i; k++)
			if (addr_eq(&mon->dst[i], &mon->dst[k]))
				cfg_error(
					&o, config_setting_get_member(m, "destination"), "destination",
					"found one address twice; allowed: each once, for each counts by itself");
	w = cfg_word(&o, "action", CFG_OPTIONAL, actions);
	mon->fail_over = w && w->id;
}

/* ---- with the rest of the configuration ---------------------------------------------------------- */

static bool is_ours(const struct config *c, const struct addr *a)
{
	for (size_t i = 0; i < c->n_interfaces; i++)
		for (unsigned k = 0; k < c->interfaces[i].n_addr; k++)
			if (addr_eq(&c->interfaces[i].addr[k].a, a))
				return true;
	return false;
}

static bool protects(const struct cfg_tunnel *t, const struct addr *src, const struct addr *dst)
{
	for (uint32_t i = 0; i < t->n_proxy_ids; i++) {
		const struct cfg_proxy_id *p = &t->proxy_ids[i];

		if (prefix_has(&p->local, src) && prefix_has(&p->remote, dst) &&
		    (p->proto == 0 || p->proto == (dst->v == 4 ? 1 : 58)))
			return true;
	}
	return false;
}

static bool protects_all(const struct cfg_tunnel *t, const struct addr *src)
{
	for (unsigned i = 0; i < t->monitor.n; i++)
		if (!protects(t, src, &t->monitor.dst[i]))
			return false;
	return true;
}

/* The tunnel interface's own address, or any of ours that all destinations may be asked from. */
static void choose_source(const struct config *c, struct cfg_tunnel *t)
{
	const struct cfg_interface *f = config_interface(c, t->interface);

	for (unsigned k = 0; f && k < f->n_addr; k++)
		if (!t->monitor.source.v && protects_all(t, &f->addr[k].a))
			t->monitor.source = f->addr[k].a;
	for (size_t i = 0; i < c->n_interfaces; i++)
		for (unsigned k = 0; k < c->interfaces[i].n_addr; k++)
			if (!t->monitor.source.v && protects_all(t, &c->interfaces[i].addr[k].a))
				t->monitor.source = c->interfaces[i].addr[k].a;
}

static void check_monitor(const struct cfg_obj *tun, struct cfg_tunnel *t)
{
	const struct config *c = tun->l->conf;
	const config_setting_t *m = config_setting_get_member(tun->s, "tunnel-monitor");
	char kind[CFG_KIND], a[ADDR_STR], b[ADDR_STR];
	struct cfg_obj o = cfg_sub(tun, m, "tunnel-monitor", kind);

	if (!t->monitor.source.v && !config_setting_get_member(m, "source")) {
		choose_source(c, t);
		if (!t->monitor.source.v)
			cfg_error(
				&o, NULL, "source",
				"missing, and no address of ours may ask every destination by the tunnel's proxy-IDs; "
				"allowed: one of ours inside a proxy-ID");
	} else if (t->monitor.source.v && !is_ours(c, &t->monitor.source)) {
		cfg_error(&o, config_setting_get_member(m, "source"), "source",
			  "found %s, which is no address of ours; allowed: one of an interface's",
			  addr_str(&t->monitor.source, a));
	} else if (t->monitor.source.v) {
		for (unsigned i = 0; i < t->monitor.n; i++)
			if (!protects(t, &t->monitor.source, &t->monitor.dst[i]))
				cfg_error(
					&o, config_setting_get_member(m, "destination"), "destination",
					"found %s, and no proxy-ID of the tunnel holds it with source %s; allowed: "
					"addresses inside the proxy-IDs",
					addr_str(&t->monitor.dst[i], a), addr_str(&t->monitor.source, b));
	}
	for (size_t i = 0; t->monitor.fail_over && i < c->n_tunnels; i++)
		if (&c->tunnels[i] != t && strcmp(c->tunnels[i].interface, t->interface) == 0)
			cfg_error(
				&o, config_setting_get_member(m, "action"), "action",
				"found \"fail-over\", and tunnel \"%s\" is on %s as well; allowed: a tunnel interface "
				"of its own",
				c->tunnels[i].name, t->interface);
}

void cfg_check_monitors(struct cfg_load *l)
{
	for (size_t i = 0; i < l->conf->n_tunnels; i++) {
		struct cfg_tunnel *t = &l->conf->tunnels[i];
		struct cfg_obj o = {.l = l, .s = l->src.tunnels[i], .kind = "ipsec-tunnel"};

		memcpy(o.name, t->name, sizeof(o.name));
		if (t->monitor.n)
			check_monitor(&o, t);
	}
}
