/* SPDX-License-Identifier: Apache-2.0 */
/* Security rules: what the file says of them, and what must hold between them and the zones. */
#include "config_read.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dp_api.h"

enum { RULE_LIST_MAX = 1024, LINT_MAX = 4096 /* rules compared with each other */ };

static const char services_allowed[] =
	"any, icmp, icmp6, tcp, udp, sctp, gre, esp, a protocol number, or tcp, udp, sctp with ports such as "
	"\"tcp/443\" or \"udp/5000-5010\"";

/* Room for the elements of a list, an array or a single value. */
static void *list_room(struct cfg_obj *o, const config_setting_t *m, const char *key, size_t size)
{
	int n = config_setting_is_aggregate(m) ? config_setting_length(m) : 1;
	void *list;

	if (n > RULE_LIST_MAX) {
		cfg_error(o, m, key, "found %d of them; allowed: at most %d", n, RULE_LIST_MAX);
		return NULL;
	}
	list = calloc(n ? (size_t)n : 1, size);
	if (!list)
		cfg_out_of_memory(o->l);
	return list;
}

/* "any" makes a list empty, which stands for everything; it cannot stand beside something else. */
static bool is_any(struct cfg_obj *o, const config_setting_t *m, const config_setting_t *at, const char *key,
		   const char *v)
{
	if (strcmp(v, "any") != 0)
		return false;
	if (config_setting_is_aggregate(m) && config_setting_length(m) > 1)
		cfg_error(o, at, key, "found \"any\" beside others; allowed: any alone");
	return true;
}

static void read_zones(struct cfg_obj *o, const char *key, cfg_zone_name **zones, uint32_t *n)
{
	static const char allowed[] = "names of zones, or \"any\"";
	const config_setting_t *m = cfg_member(o, key, CFG_REQUIRED, allowed), *at = m;
	const char *v;
	int i = 0;

	if (!m || !(*zones = list_room(o, m, key, sizeof(**zones))))
		return;
	while ((v = cfg_next_string(o, m, key, allowed, &i, &at))) {
		if (is_any(o, m, at, key, v))
			continue;
		if (strlen(v) >= CFG_NAME || !cfg_name_ok(v, false))
			cfg_error(o, at, key, "found \"%s\"; allowed: %s", v, allowed);
		else
			memcpy((*zones)[(*n)++], v, strlen(v) + 1);
	}
	if (i == 0)
		cfg_error(o, m, key, "found nothing; allowed: %s", allowed);
}

static void read_prefixes(struct cfg_obj *o, const char *key, struct prefix **list, uint32_t *n)
{
	static const char allowed[] = "networks such as (\"10.10.10.0/24\", \"2001:db8:1::/64\"), or \"any\"";
	const config_setting_t *m = cfg_member(o, key, CFG_REQUIRED, allowed), *at = m;
	const char *v;
	int i = 0;

	if (!m || !(*list = list_room(o, m, key, sizeof(**list))))
		return;
	while ((v = cfg_next_string(o, m, key, allowed, &i, &at)))
		if (!is_any(o, m, at, key, v) && cfg_prefix_of(o, at, key, v, false, &(*list)[*n]))
			(*n)++;
	if (i == 0)
		cfg_error(o, m, key, "found nothing; allowed: %s", allowed);
}

static bool has_ports(uint8_t proto)
{
	return proto == 6 || proto == 17 || proto == 132;
}

static bool service_of(const char *v, struct cfg_service *s)
{
	static const struct {
		const char *word;
		uint8_t proto;
	} protos[] = {{"icmp", 1}, {"tcp", 6},    {"udp", 17},  {"gre", 47},
		      {"esp", 50}, {"icmp6", 58}, {"sctp", 132}};
	size_t n = strcspn(v, "/");
	char *end;
	unsigned long number;

	*s = (struct cfg_service){.port_hi = UINT16_MAX};
	for (size_t i = 0; i < sizeof(protos) / sizeof(protos[0]); i++)
		if (strlen(protos[i].word) == n && strncmp(protos[i].word, v, n) == 0)
			s->proto = protos[i].proto;
	if (!s->proto && isdigit((unsigned char)*v)) {
		number = strtoul(v, &end, 10);
		if (end == v + n && number >= 1 && number <= 254)
			s->proto = (uint8_t)number;
	}
	if (!s->proto)
		return false;
	return !v[n] || (has_ports(s->proto) && cfg_ports_of(v + n + 1, &s->port_lo, &s->port_hi));
}

static bool has_family(const struct prefix *p, uint32_t n, uint8_t v)
{
	for (uint32_t i = 0; i < n; i++)
		if (p[i].a.v == v)
			return true;
	return n == 0;
}

/* A rule from one family to the other would never be met. */
static void check_families(struct cfg_obj *o, const struct cfg_rule *r)
{
	static const uint8_t families[] = {4, 6};

	for (int i = 0; i < 2; i++)
		if (has_family(r->source, r->n_source, families[i]) &&
		    has_family(r->destination, r->n_destination, families[i]))
			return;
	cfg_error(
		o, config_setting_get_member(o->s, "destination"), "destination",
		"found IPv%u networks alone, and in source IPv%u networks alone; allowed: some of one family",
		r->destination[0].a.v, r->source[0].a.v);
}

static void read_services(struct cfg_obj *o, struct cfg_rule *r)
{
	static const char key[] = "service";
	const config_setting_t *m = config_setting_get_member(o->s, key), *at = m;
	const char *v;
	int i = 0;

	if (!m || !(r->services = list_room(o, m, key, sizeof(r->services[0]))))
		return;
	while ((v = cfg_next_string(o, m, key, services_allowed, &i, &at))) {
		if (is_any(o, m, at, key, v))
			continue;
		if (service_of(v, &r->services[r->n_services]))
			r->n_services++;
		else
			cfg_error(o, at, key, "found \"%s\"; allowed: %s", v, services_allowed);
	}
	if (i == 0)
		cfg_error(o, m, key, "found nothing; allowed: %s", services_allowed);
}

static void read_source_port(struct cfg_obj *o, struct cfg_rule *r)
{
	static const char allowed[] = "a port or range such as \"443\" or \"5000-5010\"";
	const config_setting_t *m = config_setting_get_member(o->s, "source-port");
	const char *v = cfg_string(o, "source-port", CFG_OPTIONAL, allowed);
	unsigned with = 0;

	r->sport_hi = UINT16_MAX;
	if (!v)
		return;
	if (!cfg_ports_of(v, &r->sport_lo, &r->sport_hi)) {
		cfg_error(o, m, "source-port", "found \"%s\"; allowed: %s", v, allowed);
		return;
	}
	for (uint32_t i = 0; i < r->n_services; i++)
		with += has_ports(r->services[i].proto);
	if (with == 0 || with < r->n_services)
		cfg_error(
			o, m, "source-port",
			"found a port, and a service that has none; allowed: with service tcp, udp or sctp");
}

void cfg_read_rule(struct cfg_obj *o, struct cfg_rule *r)
{
	static const char *const known[] = {"name",    "from",        "to",     "source", "destination",
					    "service", "source-port", "action", "log",    NULL};
	static const char *const later[] = {"application", "profile",     "schedule",      "description",
					    "disabled",    "source-user", "negate-source", "category",
					    "tag",         NULL};
	static const struct cfg_word actions[] = {{"allow", true},
						  {"deny", false},
						  {"drop", false},
						  {"reset-both", 0, 0, "packets are dropped without a word"},
						  {0}};
	const struct cfg_word *w;

	if (cfg_name(o, "name", CFG_REQUIRED, false, r->name))
		memcpy(o->name, r->name, sizeof(o->name));
	cfg_keys(o, known, later);
	read_zones(o, "from", &r->from, &r->n_from);
	read_zones(o, "to", &r->to, &r->n_to);
	read_prefixes(o, "source", &r->source, &r->n_source);
	read_prefixes(o, "destination", &r->destination, &r->n_destination);
	check_families(o, r);
	read_services(o, r);
	read_source_port(o, r);
	w = cfg_word(o, "action", CFG_REQUIRED, actions);
	r->allow = w && w->id;
	r->log = !r->allow; /* a silent drop helps nobody */
	cfg_bool(o, "log", &r->log);
}

void cfg_rule_free(struct cfg_rule *r)
{
	free(r->from);
	free(r->to);
	free(r->source);
	free(r->destination);
	free(r->services);
}

/* ---- between rules and zones --------------------------------------------------------------------- */

static bool zone_exists(const struct config *c, const char *zone)
{
	for (size_t i = 0; i < c->n_interfaces; i++)
		if (strcmp(c->interfaces[i].zone, zone) == 0)
			return true;
	return false;
}

static void check_zones(const struct cfg_obj *o, const char *key, cfg_zone_name *zones, uint32_t n)
{
	const struct config *c = o->l->conf;
	char list[512] = "";
	size_t len = 0;

	for (size_t i = 0; i < c->n_interfaces && len + CFG_NAME + 4 < sizeof(list); i++) {
		const char *z = c->interfaces[i].zone;
		bool first = z[0];

		for (size_t k = 0; k < i; k++)
			first = first && strcmp(c->interfaces[k].zone, z) != 0;
		if (first)
			len += (size_t)snprintf(list + len, sizeof(list) - len, "%s\"%s\"", len ? ", " : "",
						z);
	}
	for (uint32_t i = 0; i < n; i++)
		if (!zone_exists(c, zones[i]))
			cfg_error(o, config_setting_get_member(o->s, key), key,
				  "found \"%s\", but no interface is in that zone; allowed: %s", zones[i],
				  len ? list : "none is configured");
}

static bool zones_meet(cfg_zone_name *a, uint32_t n_a, cfg_zone_name *b, uint32_t n_b)
{
	if (!n_a || !n_b)
		return true;
	for (uint32_t i = 0; i < n_a; i++)
		for (uint32_t k = 0; k < n_b; k++)
			if (strcmp(a[i], b[k]) == 0)
				return true;
	return false;
}

static bool prefixes_meet(const struct prefix *a, uint32_t n_a, const struct prefix *b, uint32_t n_b)
{
	if (!n_a || !n_b)
		return true;
	for (uint32_t i = 0; i < n_a; i++)
		for (uint32_t k = 0; k < n_b; k++)
			if (a[i].len <= b[k].len ? prefix_has(&a[i], &b[k].a) : prefix_has(&b[k], &a[i].a))
				return true;
	return false;
}

static bool services_meet(const struct cfg_rule *a, const struct cfg_rule *b)
{
	if (!a->n_services || !b->n_services)
		return true;
	for (uint32_t i = 0; i < a->n_services; i++)
		for (uint32_t k = 0; k < b->n_services; k++)
			if (a->services[i].proto == b->services[k].proto)
				return true;
	return false;
}

/* Might b let the answers to what a allows through? */
static bool answers(const struct cfg_rule *a, const struct cfg_rule *b)
{
	return b->allow && zones_meet(a->from, a->n_from, b->to, b->n_to) &&
	       zones_meet(a->to, a->n_to, b->from, b->n_from) &&
	       prefixes_meet(a->source, a->n_source, b->destination, b->n_destination) &&
	       prefixes_meet(a->destination, a->n_destination, b->source, b->n_source) && services_meet(a, b);
}

/* Between zones nothing comes back by itself: rules keep no sessions. */
static void check_answers(struct cfg_load *l, size_t i)
{
	const struct config *c = l->conf;
	const struct cfg_rule *r = &c->rules[i];
	struct cfg_obj o = {.l = l, .s = l->src.rules[i], .kind = "security-rule"};
	bool within = r->n_from == 1 && r->n_to == 1 && strcmp(r->from[0], r->to[0]) == 0;

	if (!r->allow || within || c->n_rules > LINT_MAX)
		return;
	for (size_t k = 0; k < c->n_rules; k++)
		if (answers(r, &c->rules[k]))
			return;
	memcpy(o.name, r->name, sizeof(o.name));
	cfg_warn(
		&o, NULL, NULL,
		"allows one direction only, and rules keep no sessions: answers from %s to %s need a rule of their own",
		r->n_to ? r->to[0] : "any", r->n_from ? r->from[0] : "any");
}

static uint64_t or_one(uint32_t n)
{
	return n ? n : 1;
}

void cfg_check_rules(struct cfg_load *l)
{
	struct config *c = l->conf;
	uint64_t terms = 0;

	if (!c->rules_given)
		return;
	for (size_t i = 0; i < c->n_rules; i++) {
		const struct cfg_rule *r = &c->rules[i];
		struct cfg_obj o = {.l = l, .s = l->src.rules[i], .kind = "security-rule"};

		memcpy(o.name, r->name, sizeof(o.name));
		check_zones(&o, "from", r->from, r->n_from);
		check_zones(&o, "to", r->to, r->n_to);
		check_answers(l, i);
		terms += or_one(r->n_from) * or_one(r->n_to) * or_one(r->n_source) *
			 or_one(r->n_destination) * or_one(r->n_services);
	}
	if (terms > DP_RULE_TERMS_MAX)
		cfg_file_error(
			l, NULL, 0,
			"security-rules: found %llu combinations of zones, networks and services; allowed: "
			"at most %d in all rules together",
			(unsigned long long)terms, DP_RULE_TERMS_MAX);
	for (size_t i = 0; i < c->n_interfaces; i++) {
		struct cfg_obj o = {.l = l, .s = l->src.interfaces[i], .kind = "interface"};

		memcpy(o.name, c->interfaces[i].name, sizeof(o.name));
		if (!c->interfaces[i].zone[0])
			cfg_warn(
				&o, NULL, "zone",
				"missing: only rules with from or to \"any\" apply to packets of this interface");
	}
}
