/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test vpn packet: what the data plane would do with a packet, step by step, in the operator's names, and
 * what to do about it when it would be dropped.
 */
#include "handlers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy_state.h"

/* ---- the question ---------------------------------------------------------------------------------- */

static bool number(const char *s, unsigned long max, unsigned long *v)
{
	char *end;

	if (s[0] < '0' || s[0] > '9')
		return false;
	*v = strtoul(s, &end, 10);
	return !*end && *v <= max;
}

static bool protocol(const char *s, uint8_t *proto)
{
	static const struct {
		const char *word;
		uint8_t proto;
	} words[] = {{"icmp", 1}, {"tcp", 6},    {"udp", 17},  {"gre", 47},
		     {"esp", 50}, {"icmp6", 58}, {"sctp", 132}};
	unsigned long v;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i].word, s) == 0) {
			*proto = words[i].proto;
			return true;
		}
	}
	if (!number(s, 255, &v))
		return false;
	*proto = (uint8_t)v;
	return true;
}

static bool refuse(struct cli_job *j, const char *option, const char *found, const char *allowed)
{
	if (found)
		snprintf(j->err, sizeof(j->err), "%s: found \"%s\"; allowed: %s", option, found, allowed);
	else
		snprintf(j->err, sizeof(j->err), "%s: missing; allowed: %s", option, allowed);
	j->exit = CLI_EXIT_USAGE;
	return false;
}

static bool take_address(struct cli_job *j, const char *option, struct addr *a)
{
	const char *s = cli_arg(&j->m, option);

	return (s && addr_parse(s, a) == 0) || refuse(j, option, s, "an IP address");
}

static bool take_port(struct cli_job *j, const char *option, uint16_t *port)
{
	const char *s = cli_arg(&j->m, option);
	unsigned long v = 0;

	if (s && !number(s, UINT16_MAX, &v))
		return refuse(j, option, s, "0 to 65535");
	*port = (uint16_t)v;
	return true;
}

/* ICMP stands for an echo request. */
static bool echo(const struct dp_trace_packet *q)
{
	return q->proto == (q->src.v == 6 ? 58 : 1);
}

static bool take_question(struct cli_job *j, struct dp_trace_packet *q)
{
	const char *proto = cli_arg(&j->m, "protocol"), *ifc = cli_arg(&j->m, "interface");

	q->in_if = DP_IF_NONE;
	if (!take_address(j, "source", &q->src) || !take_address(j, "destination", &q->dst) ||
	    !take_port(j, "source-port", &q->sport) || !take_port(j, "destination-port", &q->dport) ||
	    !take_port(j, "size", &q->len))
		return false;
	if (q->src.v != q->dst.v)
		return refuse(j, "destination", cli_arg(&j->m, "destination"),
			      q->src.v == 6 ? "an IPv6 address, as source is"
					    : "an IPv4 address, as source is");
	q->proto = q->src.v == 6 ? 58 : 1;
	if (proto && !protocol(proto, &q->proto))
		return refuse(j, "protocol", proto, "icmp, icmp6, tcp, udp, gre, esp, sctp, or 0 to 255");
	if (echo(q))
		q->dport = (uint16_t)((q->src.v == 6 ? 128 : 8) << 8);
	for (size_t i = 0; ifc && i < j->c->n_interfaces; i++)
		if (strcmp(j->c->interfaces[i].name, ifc) == 0)
			q->in_if = j->c->interfaces[i].ifindex;
	if (ifc && q->in_if == DP_IF_NONE)
		return refuse(j, "interface", ifc, "an interface; show interface lists them");
	return true;
}

/* ---- names ----------------------------------------------------------------------------------------- */

static const char *if_name(const struct ctl *c, uint16_t ifindex)
{
	for (size_t i = 0; i < c->n_interfaces; i++)
		if (c->interfaces[i].ifindex == ifindex)
			return c->interfaces[i].name;
	return "-";
}

static const char *zone_name(const struct ctl *c, uint16_t ifindex)
{
	const struct cfg_interface *f = config_interface(c->conf, if_name(c, ifindex));

	return f && f->zone[0] ? f->zone : "(none)";
}

static const char *rule_name(const struct ctl *c, uint32_t id)
{
	for (size_t i = 0; i < c->conf->n_rules; i++)
		if (c->rule_ids[i] == id)
			return c->conf->rules[i].name;
	return id == DP_RULE_INTRAZONE ? "intrazone-default" : "interzone-default";
}

static const struct ctl_policy *policy_of(const struct ctl *c, const struct dp_trace *t)
{
	for (uint32_t i = 0; i < c->n_policies; i++)
		if (c->policies[i].policy == t->policy)
			return &c->policies[i];
	return NULL;
}

/* The tunnel that a route leads into, for a packet that none of its proxy-IDs fits. */
static const char *tunnel_of(const struct ctl *c, uint16_t ifindex)
{
	for (size_t i = 0; i < c->conf->n_tunnels; i++)
		if (strcmp(c->conf->tunnels[i].interface, if_name(c, ifindex)) == 0)
			return c->conf->tunnels[i].name;
	return "-";
}

struct suite_of {
	uint32_t sa_out;
	char text[2 * DOC_ALG];
};

static bool on_child(void *arg, const struct ike_child_info *i)
{
	struct suite_of *s = arg;
	const struct ctl_child *h = i->host;
	char enc[DOC_ALG];

	if (!h || h->sa_out != s->sa_out)
		return true;
	snprintf(s->text, sizeof(s->text), "%s%s%s", doc_encr_long(i->suite.encr, i->suite.key_bits, enc),
		 i->suite.integ ? "/" : "", i->suite.integ ? doc_integ(i->suite.integ) : "");
	return false;
}

/* ---- the answer ------------------------------------------------------------------------------------ */

struct steps {
	struct cli_job *j;
	json_t *list;
	const struct dp_trace_packet *q;
	const struct dp_trace *t;
};

static void step(const struct steps *s, const char *name, bool ok, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static void step(const struct steps *s, const char *name, bool ok, const char *fmt, ...)
{
	json_t *e = doc_append(s->list);
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	doc_str(e, "step", name);
	doc_bool(e, "ok", ok);
	doc_str(e, "text", text);
}

/* Was a step reached, and did it let the packet on? */
static bool reached(const struct dp_trace *t, enum dp_trace_step at)
{
	return t->stopped >= at;
}

static bool passed(const struct dp_trace *t, enum dp_trace_step at)
{
	return t->stopped > at;
}

static bool into_tunnel(const struct steps *s)
{
	const struct cfg_interface *f = config_interface(s->j->c->conf, if_name(s->j->c, s->t->out_if));

	return f && f->tunnel && reached(s->t, DP_TRACE_PROXY_ID);
}

static void steps_way(const struct steps *s)
{
	const struct ctl *c = s->j->c;
	const struct dp_trace *t = s->t;
	char route[PREFIX_STR];

	if (!reached(t, DP_TRACE_ROUTE))
		return;
	if (t->in_if == DP_IF_NONE)
		step(s, "ingress", false, "unknown: no route leads back to the source");
	else
		step(s, "ingress", true, "%s, zone %s%s", if_name(c, t->in_if), zone_name(c, t->in_if),
		     s->q->in_if == DP_IF_NONE ? " (where the route to the source leads)" : "");
	if (t->for_us)
		step(s, "route", true, "%s: the gateway itself", prefix_str(&t->route, route));
	else if (t->out_if == DP_IF_NONE)
		step(s, "route", false, "none");
	else
		step(s, "route", true, "%s to %s, zone %s", prefix_str(&t->route, route),
		     if_name(c, t->out_if), zone_name(c, t->out_if));
	if (t->for_us || !reached(t, DP_TRACE_RULE))
		return;
	if (!t->rules)
		step(s, "rule", true, "%s",
		     c->conf->rules_given ? "not asked: the ingress is unknown"
					  : "no security rules are configured");
	else
		step(s, "rule", t->allow, "%s: %s", rule_name(c, t->rule), t->allow ? "allow" : "deny");
}

static void steps_tunnel(const struct steps *s)
{
	const struct ctl *c = s->j->c;
	const struct dp_trace *t = s->t;
	const struct ctl_policy *p = passed(t, DP_TRACE_PROXY_ID) ? policy_of(c, t) : NULL;
	struct suite_of suite = {.sa_out = t->sa_out};
	char name[DOC_NAME], local[PREFIX_STR], remote[PREFIX_STR], peer[ENDPOINT_STR];

	if (!into_tunnel(s))
		return;
	if (!p) {
		step(s, "proxy-id", false, "none of tunnel %s fits", tunnel_of(c, t->out_if));
		return;
	}
	step(s, "proxy-id", true, "%s, local %s, remote %s",
	     doc_tunnel_name(p->tunnel->name, p->proxy->name, name), prefix_str(&p->proxy->local, local),
	     prefix_str(&p->proxy->remote, remote));
	if (!passed(t, DP_TRACE_SA)) {
		step(s, "sa", false, "none");
		return;
	}
	ike_each_child(c->ike, on_child, &suite);
	step(s, "sa", true, "SPI %08X, %s, to %s%s, worker %u", t->spi, suite.text,
	     endpoint_str(&t->remote, peer), t->udp_encap ? " in UDP" : "", t->worker);
	step(s, "selectors", passed(t, DP_TRACE_SELECTOR), "%s what was negotiated",
	     passed(t, DP_TRACE_SELECTOR) ? "inside" : "outside");
	if (reached(t, DP_TRACE_MTU))
		step(s, "mtu", passed(t, DP_TRACE_MTU), "%u bytes of at most %u",
		     s->q->len          ? s->q->len
		     : s->q->src.v == 6 ? 60
					: 40,
		     t->mtu);
}

static void steps_out(const struct steps *s)
{
	const struct ctl *c = s->j->c;
	const struct dp_trace *t = s->t;
	char hop[ADDR_STR];

	if (t->for_us || !reached(t, DP_TRACE_OUTER))
		return;
	if (t->port_if == DP_IF_NONE) {
		step(s, "outer route", false, "none out of a port");
		return;
	}
	step(s, "outer route", passed(t, DP_TRACE_OUTER), "%s, next hop %s", if_name(c, t->port_if),
	     addr_str(&t->next_hop, hop));
	if (passed(t, DP_TRACE_OUTER))
		step(s, "neighbour", true, "%s",
		     t->neighbour ? "known" : "not known yet: the packet would wait for it");
}

static void steps_back(const struct steps *s)
{
	const struct dp_trace *t = s->t;

	if (!into_tunnel(s) || !passed(t, DP_TRACE_SA))
		return;
	step(s, "answer: sa", t->back.sa && t->back.selector, "%s",
	     !t->back.sa        ? "no inbound SA of this proxy-ID"
	     : t->back.selector ? "an inbound SA of this proxy-ID accepts it"
				: "it would be outside the inbound SA's selectors (esp-inner-selector)");
	if (t->rules)
		step(s, "answer: rule", t->back.allow, "%s: %s", rule_name(s->j->c, t->back.rule),
		     t->back.allow ? "allow" : "deny");
	step(s, "answer: route", t->back.route, "%s",
	     t->back.route ? "back to where the packet came from" : "not to where the packet came from");
}

static bool port_fits(uint16_t port, uint16_t lo, uint16_t hi)
{
	return !lo || (port >= lo && port <= hi);
}

/* A proxy-ID that holds the packet, though its route may lead past it. */
static const struct ctl_policy *would_fit(const struct steps *s)
{
	const struct ctl *c = s->j->c;

	for (uint32_t i = 0; i < c->n_policies; i++) {
		const struct cfg_proxy_id *p = c->policies[i].proxy;

		if (prefix_has(&p->local, &s->q->src) && prefix_has(&p->remote, &s->q->dst) &&
		    (!p->proto || p->proto == s->q->proto) &&
		    port_fits(s->q->sport, p->local_port, p->local_port_hi) &&
		    port_fits(s->q->dport, p->remote_port, p->remote_port_hi))
			return &c->policies[i];
	}
	return NULL;
}

/* The proxy-ID of an interface that packets like this one come out of. */
static const struct ctl_policy *comes_from(const struct steps *s, const char *interface)
{
	const struct ctl *c = s->j->c;

	for (uint32_t i = 0; i < c->n_policies; i++) {
		const struct cfg_proxy_id *x = c->policies[i].proxy;

		if (strcmp(c->policies[i].tunnel->interface, interface) == 0 &&
		    prefix_has(&x->remote, &s->q->src) && prefix_has(&x->local, &s->q->dst) &&
		    (!x->proto || x->proto == s->q->proto) &&
		    port_fits(s->q->sport, x->remote_port, x->remote_port_hi) &&
		    port_fits(s->q->dport, x->local_port, x->local_port_hi))
			return &c->policies[i];
	}
	return NULL;
}

static bool selected(const struct ts_list *l, const struct addr *a, uint8_t proto, uint16_t port)
{
	for (unsigned i = 0; i < l->n; i++)
		if (ts_has(&l->t[i], a, proto, port))
			return true;
	return false;
}

/* Of a packet that arrives by a tunnel interface: the SA that it comes out of, which takes only what was negotiated
 * (RFC 4301 5.2).  False: there is none. */
static bool steps_in(const struct steps *s)
{
	const struct cfg_interface *f = config_interface(s->j->c->conf, if_name(s->j->c, s->q->in_if));
	struct proxy_state st = {.p = f && f->tunnel ? comes_from(s, f->name) : NULL};
	const struct dp_trace_packet *q = s->q;
	char name[DOC_NAME];

	if (!f || !f->tunnel)
		return true;
	if (!st.p) {
		step(s, "proxy-id, inbound", false, "none of %s holds what comes from the peer so", f->name);
		return false;
	}
	doc_tunnel_name(st.p->tunnel->name, st.p->proxy->name, name);
	step(s, "proxy-id, inbound", true, "%s", name);
	proxy_state_gather(s->j->c, &st, 1);
	if (!st.n_sas) {
		step(s, "sa, inbound", false, "none");
		return false;
	}
	if (!selected(&st.sa.ts_remote, &q->src, q->proto, q->sport) ||
	    !selected(&st.sa.ts_local, &q->dst, q->proto, q->dport)) {
		step(s, "sa, inbound", false, "SPI %08X, whose selectors do not hold it", st.sa.spi_in);
		return false;
	}
	step(s, "sa, inbound", true, "SPI %08X", st.sa.spi_in);
	return true;
}

/* The commonest way for a tunnel to be up without traffic: a route that leads elsewhere. */
static void advise_way(json_t *doc, const struct steps *s)
{
	const struct ctl_policy *p = s->t->for_us ? NULL : would_fit(s);
	char text[512], dst[ADDR_STR], name[DOC_NAME];

	if (!p || strcmp(p->tunnel->interface, if_name(s->j->c, s->t->out_if)) == 0)
		return;
	doc_tunnel_name(p->tunnel->name, p->proxy->name, name);
	snprintf(text, sizeof(text),
		 "proxy-ID %s holds such packets, but no route takes them to %s%s: add one to %s", name,
		 p->tunnel->interface, s->t->drop ? "" : " and they leave in the clear",
		 addr_str(&s->q->dst, dst));
	step(s, "proxy-id", false, "%s would fit, but the route does not lead to %s", name,
	     p->tunnel->interface);
	doc_str(doc, "advice", text);
}

/* What to do. */
static void advise(json_t *doc, const struct steps *s)
{
	const struct ctl *c = s->j->c;
	const struct dp_trace *t = s->t;
	const struct ctl_policy *p = into_tunnel(s) ? policy_of(c, t) : NULL;
	char text[512] = "", src[ADDR_STR], dst[ADDR_STR], name[DOC_NAME];

	addr_str(&s->q->src, src);
	addr_str(&s->q->dst, dst);
	if (strcmp(t->drop, "no-route") == 0)
		snprintf(text, sizeof(text), "add a route to %s: via a router, or into a tunnel interface",
			 dst);
	else if (strcmp(t->drop, "rule-denied") == 0)
		snprintf(
			text, sizeof(text),
			"add a security rule from zone %s to zone %s, in front of %s: show running security-policy",
			zone_name(c, t->in_if), zone_name(c, t->out_if), rule_name(c, t->rule));
	else if (strcmp(t->drop, "no-matching-proxy-id") == 0)
		snprintf(
			text, sizeof(text),
			"add a proxy-ID to tunnel %s whose local holds %s and whose remote holds %s, and its mirror "
			"at the peer; or correct the route",
			tunnel_of(c, t->out_if), src, dst);
	else if (strcmp(t->drop, "no-sa") == 0 && p)
		snprintf(text, sizeof(text),
			 "test vpn ipsec-sa tunnel %s; if it stays down, show vpn ike-sa gateway %s says why",
			 doc_tunnel_name(p->tunnel->name, p->proxy->name, name), p->tunnel->gateway);
	else if (strcmp(t->drop, "outside-selectors") == 0 && p)
		snprintf(
			text, sizeof(text),
			"the peer agreed to less than the proxy-ID: show vpn flow name %s tells to what; widen it there",
			doc_tunnel_name(p->tunnel->name, p->proxy->name, name));
	else if (strcmp(t->drop, "too-big") == 0)
		snprintf(text, sizeof(text),
			 "send at most %u bytes, or let it be fragmented (DF clear): the sender is told",
			 t->mtu);
	else if (strcmp(t->drop, "outer-route") == 0)
		snprintf(text, sizeof(text),
			 "the peer's address needs a route out of a port, not into a tunnel");
	else if (strcmp(t->drop, "port-not-usable") == 0)
		snprintf(text, sizeof(text), "look after the link of %s: show interface",
			 if_name(c, t->port_if));
	if (text[0])
		doc_str(doc, "advice", text);
}

enum cli_page cli_test_packet(struct cli_job *j, json_t *doc)
{
	struct dp_trace_packet q = {0};
	struct dp_trace t;
	struct steps s = {.j = j, .q = &q, .t = &t};
	char src[ADDR_STR], dst[ADDR_STR];
	bool in;
	int rc;

	if (!take_question(j, &q))
		return CLI_FAILED;
	rc = dp_trace_packet(&q, &t);
	if (rc < 0) {
		snprintf(j->err, sizeof(j->err), "the packet cannot be made: %s", strerror(-rc));
		return CLI_FAILED;
	}
	doc_str(doc, "type", "test-vpn-packet");
	doc_str(doc, "source", addr_str(&q.src, src));
	doc_str(doc, "destination", addr_str(&q.dst, dst));
	doc_uint(doc, "protocol", q.proto);
	doc_uint(doc, "source-port", q.sport);
	doc_uint(doc, "destination-port", echo(&q) ? 0 : q.dport);
	s.list = doc_list(doc, "steps");
	in = steps_in(&s);
	steps_way(&s);
	steps_tunnel(&s);
	steps_out(&s);
	steps_back(&s);
	doc_str(doc, "verdict", t.drop || !in ? "drop" : t.for_us ? "local" : "pass");
	if (!in) {
		doc_str(doc, "reason", "esp-inner-selector");
		doc_str(doc, "help", "the peer may send by an SA only what was negotiated for it");
		doc_str(doc, "advice",
			"show vpn flow name TUNNEL tells what was negotiated; a proxy-ID for such packets "
			"is wanted at both ends");
	} else if (t.drop) {
		doc_str(doc, "reason", t.drop);
		doc_str(doc, "help", t.help);
		advise(doc, &s);
	}
	advise_way(doc, &s);
	return CLI_LAST;
}
