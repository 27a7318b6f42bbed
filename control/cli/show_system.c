/* SPDX-License-Identifier: Apache-2.0 */
/* Interfaces, routes, workers, the daemon itself. */
#include "handlers.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* ---- interfaces ------------------------------------------------------------------------------------ */

static void interface(json_t *o, const struct cfg_interface *f, uint16_t ifindex)
{
	struct dp_if_stats s;
	char buf[PREFIX_STR], mac[20];
	json_t *list;

	doc_uint(o, "id", ifindex);
	doc_str(o, "name", f->name);
	doc_str(o, "kind", f->tunnel ? "tunnel" : "ethernet");
	doc_str(o, "zone", f->zone);
	if (f->vlan)
		doc_uint(o, "tag", f->tag);
	else if (!f->tunnel)
		doc_str(o, "port", f->port);
	list = doc_list(o, "address");
	for (unsigned i = 0; i < f->n_addr; i++)
		json_array_append_new(list, json_string(prefix_str(&f->addr[i], buf)));
	if (dp_if_stats(ifindex, &s) < 0)
		return;
	if (s.is_port) {
		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", s.mac[0], s.mac[1], s.mac[2],
			 s.mac[3], s.mac[4], s.mac[5]);
		doc_str(o, "mac", mac);
		doc_uint(o, "mtu", s.mtu);
	}
	doc_str(o, "state", s.link_up ? "up" : "down");
	doc_uint(o, "rx-packets", s.rx_packets);
	doc_uint(o, "rx-bytes", s.rx_bytes);
	doc_uint(o, "tx-packets", s.tx_packets);
	doc_uint(o, "tx-bytes", s.tx_bytes);
	doc_uint(o, "rx-missed", s.rx_missed);
	doc_uint(o, "tx-failed", s.tx_failed);
}

/* Both lists have mostly the same order: one that was added stands elsewhere until the next start. */
static const struct cfg_interface *configured(const struct ctl *c, uint64_t i)
{
	const char *name = c->interfaces[i].name;

	if (i < c->conf->n_interfaces && strcmp(c->conf->interfaces[i].name, name) == 0)
		return &c->conf->interfaces[i];
	return config_interface(c->conf, name);
}

static bool interface_page(struct cli_job *j, json_t *list, const char *name)
{
	struct page p = page_begin(j, list);

	for (; j->at < j->c->n_interfaces && page_look(&p); j->at++) {
		const struct cfg_interface *f = cli_name_fits(name, j->c->interfaces[j->at].name)
							? configured(j->c, j->at)
							: NULL;

		if (!f)
			continue;
		if (!page_take(&p))
			break;
		interface(doc_append(list), f, j->c->interfaces[j->at].ifindex);
	}
	return page_end(&p);
}

enum cli_page cli_show_interface(struct cli_job *j, json_t *doc)
{
	const char *name = cli_arg(&j->m, "");

	if (name && strcmp(name, "all") == 0)
		name = NULL;
	if (name && !cli_is_pattern(name) && !config_interface(j->c->conf, name)) {
		snprintf(j->err, sizeof(j->err), "there is no interface \"%s\"; show interface lists them",
			 name);
		return CLI_FAILED;
	}
	doc_str(doc, "type", "interface");
	doc_bool(doc, "detail", name && !cli_is_pattern(name));
	return interface_page(j, doc_list(doc, "entries"), name) ? CLI_MORE : CLI_LAST;
}

/* ---- routes ---------------------------------------------------------------------------------------- */

static const char *interface_name(const struct ctl *c, uint16_t ifindex)
{
	for (size_t i = 0; i < c->n_interfaces; i++)
		if (c->interfaces[i].ifindex == ifindex)
			return c->interfaces[i].name;
	return "";
}

static const char *interface_towards(const struct ctl *c, const struct addr *a)
{
	for (size_t i = 0; i < c->conf->n_interfaces; i++)
		for (unsigned x = 0; x < c->conf->interfaces[i].n_addr; x++)
			if (prefix_has(&c->conf->interfaces[i].addr[x], a))
				return c->conf->interfaces[i].name;
	return "";
}

static const char *route_name(const struct ctl *c, const struct prefix *dst)
{
	for (size_t i = 0; i < c->conf->n_routes; i++)
		if (prefix_eq(&c->conf->routes[i].dst, dst))
			return c->conf->routes[i].name;
	return "";
}

static json_t *route(json_t *list, const char *name, const struct prefix *dst, const struct addr *via,
		     const char *interface_name_, const char *type)
{
	json_t *o = doc_append(list);
	char buf[PREFIX_STR];

	doc_str(o, "name", name);
	doc_str(o, "destination", prefix_str(dst, buf));
	doc_addr(o, "nexthop", via);
	doc_str(o, "interface", interface_name_);
	doc_str(o, "type", type);
	return o;
}

static enum cli_page route_lookup(struct cli_job *j, json_t *doc, const char *text)
{
	struct dp_route r;
	struct addr a;

	if (addr_parse(text, &a) < 0) {
		snprintf(j->err, sizeof(j->err), "destination: found \"%s\"; allowed: an IP address", text);
		j->exit = CLI_EXIT_USAGE;
		return CLI_FAILED;
	}
	if (dp_route_lookup(&a, &r) < 0) {
		snprintf(j->err, sizeof(j->err), "no route leads to %s", text);
		return CLI_FAILED;
	}
	doc_str(doc, "type", "route-lookup");
	doc_str(doc, "for", text);
	route(doc_list(doc, "entries"), route_name(j->c, &r.dst), &r.dst, &r.via,
	      r.via.v ? interface_towards(j->c, &r.via) : interface_name(j->c, r.ifindex),
	      r.via.v || route_name(j->c, &r.dst)[0] ? "static" : "direct");
	return CLI_LAST;
}

static bool route_wanted(const struct cli_filter *f, const struct prefix *dst)
{
	return cli_prefixes_fit(f, dst, dst);
}

/* The networks of the interfaces; those of one stand on one page. */
static bool connected_page(struct cli_job *j, json_t *list, const struct cli_filter *f)
{
	struct page p = page_begin(j, list);

	for (; j->at < j->c->conf->n_interfaces && page_look(&p); j->at++) {
		const struct cfg_interface *i = &j->c->conf->interfaces[j->at];
		unsigned fit = 0;

		for (unsigned x = 0; x < i->n_addr; x++)
			fit += route_wanted(f, &i->addr[x]);
		if (fit && !page_take(&p))
			break;
		for (unsigned x = 0; x < i->n_addr; x++) {
			struct prefix net = prefix_mask(i->addr[x]);

			if (route_wanted(f, &net))
				doc_bool(route(list, "", &net, &i->addr[x].a, i->name, "connect"), "active",
					 true);
		}
		j->shown += fit > 1 ? fit - 1 : 0;
	}
	return page_end(&p);
}

static bool static_page(struct cli_job *j, json_t *list, const struct cli_filter *f)
{
	struct page p = page_begin(j, list);

	for (; j->at < j->c->conf->n_routes && page_look(&p); j->at++) {
		const struct cfg_route *r = &j->c->conf->routes[j->at];
		unsigned together;
		json_t *o;

		if (!route_wanted(f, &r->dst))
			continue;
		if (!page_take(&p))
			break;
		o = route(list, r->name, &r->dst, &r->via,
			  r->via.v ? interface_towards(j->c, &r->via) : r->interface, "static");
		doc_uint(o, "metric", r->metric);
		doc_bool(o, "active", ctl_route_active(j->c, j->at, &together));
		doc_bool(o, "ecmp", together > 1);
	}
	return page_end(&p);
}

static uint64_t count_routes(const struct config *conf)
{
	uint64_t n = conf->n_routes;

	for (size_t i = 0; i < conf->n_interfaces; i++)
		n += conf->interfaces[i].n_addr;
	return n;
}

enum cli_page cli_show_route(struct cli_job *j, json_t *doc)
{
	const char *to = cli_arg(&j->m, j->m.cmd->id == CLI_TEST_FIB_LOOKUP ? "ip" : "destination");
	struct cli_filter f;
	json_t *list;

	if (!to && j->m.cmd->id == CLI_TEST_FIB_LOOKUP) {
		snprintf(j->err, sizeof(j->err), "ip: missing; allowed: an IP address");
		j->exit = CLI_EXIT_USAGE;
		return CLI_FAILED;
	}
	if (to)
		return route_lookup(j, doc, to);
	if (!cli_filter_take(j, &f))
		return CLI_FAILED;
	list = doc_list(doc, "entries");
	doc_str(doc, "type", "routing-route");
	if (j->part == 0 && connected_page(j, list, &f))
		return CLI_MORE;
	if (j->part++ == 0 && json_array_size(list)) /* what is configured begins its own page */
		return CLI_MORE;
	if (static_page(j, list, &f))
		return CLI_MORE;
	cli_filter_doc(doc, &f, j->shown, count_routes(j->c->conf));
	return CLI_LAST;
}

/* ---- the daemon ------------------------------------------------------------------------------------ */

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100. * (double)part / (double)whole : 0.;
}

/* In the last full second. */
static double busy(const struct ctl *c, unsigned worker)
{
	const struct ctl_load *now = &c->load[0][worker], *then = &c->load[1][worker];

	return percent(now->busy_ns - then->busy_ns, now->up_ns - then->up_ns);
}

/* Only stages that packets went through. */
static void stages(json_t *list, unsigned worker)
{
	struct dp_stage s;

	for (unsigned i = 0; dp_stage_stats(worker, i, &s) == 0; i++) {
		json_t *e;

		if (s.packets == 0)
			continue;
		e = doc_append(list);
		doc_str(e, "stage", s.name);
		doc_str(e, "help", s.help);
		doc_uint(e, "packets", s.packets);
		doc_uint(e, "cycles", s.cycles);
	}
}

static void control_thread(json_t *doc, const struct ctl_turns *t)
{
	json_t *o = json_object();

	json_object_set_new(o, "busy-percent", json_real((double)t->second_ns / 1e7));
	json_object_set_new(o, "longest-turn-ms", json_real((double)t->longest_ns / 1e6));
	json_object_set_new(o, "longest-turn-cpu-ms", json_real((double)t->longest_cpu_ns / 1e6));
	doc_uint(o, "long-turns", t->long_ones);
	doc_uint(o, "long-turn-ms", CTL_LONG_TURN_MS);
	json_object_set_new(doc, "control-thread", o);
}

enum cli_page cli_show_dataplane(struct cli_job *j, json_t *doc)
{
	json_t *list = doc_list(doc, "entries");
	struct dp_worker_stats s;

	doc_str(doc, "type", "dataplane");
	doc_str(doc, "idle", j->c->conf->sys.adaptive_idle ? "adaptive" : "poll");
	control_thread(doc, &j->c->turns);
	for (unsigned i = 0; i < j->c->conf->sys.workers && dp_worker_stats(i, &s) == 0; i++) {
		json_t *e = doc_append(list);

		doc_uint(e, "worker", i);
		doc_uint(e, "cpu", s.cpu);
		doc_uint(e, "loops", s.loops);
		doc_uint(e, "idle-loops", s.idle_loops);
		doc_uint(e, "busy-ns", s.busy_ns);
		doc_uint(e, "up-ns", s.up_ns);
		json_object_set_new(e, "busy-percent", json_real(busy(j->c, i)));
		json_object_set_new(e, "busy-percent-total", json_real(percent(s.busy_ns, s.up_ns)));
		doc_uint(e, "rx-packets", s.rx_packets);
		doc_uint(e, "rx-bursts", s.rx_bursts);
		doc_uint(e, "known-flow-packets", s.known_flows);
		doc_uint(e, "tx-packets", s.tx_packets);
		doc_uint(e, "handed-over", s.handed_over);
		doc_uint(e, "icmp-sent", s.icmp_sent);
		doc_uint(e, "icmp-limited", s.icmp_limited);
		doc_uint(e, "reassembled", s.reassembled);
		stages(doc_list(e, "stages"), i);
	}
	return CLI_LAST;
}

enum cli_page cli_show_system_info(struct cli_job *j, json_t *doc)
{
	const struct ctl *c = j->c;
	uint32_t sas, children;
	struct utsname u;

	ike_count(c->ike, &sas, &children);
	doc_str(doc, "type", "system-info");
	doc_str(doc, "hostname", c->conf->sys.hostname);
	doc_str(doc, "sw-version", CULVERT_VERSION);
	if (uname(&u) == 0)
		doc_str(doc, "kernel", u.release);
	doc_int(doc, "pid", getpid());
	doc_wall(doc, "time", ctl_now());
	doc_wall(doc, "started", c->started_ns);
	doc_uint(doc, "uptime", (ctl_now() - c->started_ns) / 1000000000);
	doc_str(doc, "configuration", c->conf_path);
	doc_uint(doc, "workers", c->conf->sys.workers);
	doc_uint(doc, "interfaces", c->conf->n_interfaces);
	doc_uint(doc, "gateways", c->conf->n_gateways);
	doc_uint(doc, "tunnels", c->conf->n_tunnels);
	doc_uint(doc, "proxy-ids", c->n_policies);
	doc_uint(doc, "ike-sas", sas);
	doc_uint(doc, "ipsec-sas", children);
	doc_uint(doc, "max-sas", c->conf->sys.max_sas);
	return CLI_LAST;
}
