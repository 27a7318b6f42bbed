/* SPDX-License-Identifier: Apache-2.0 */
/* Security rules: what is in force, and what each has decided. */
#include "handlers.h"

#include <stdio.h>
#include <string.h>

static void names(json_t *o, const char *key, cfg_zone_name *zones, uint32_t n)
{
	json_t *list = doc_list(o, key);

	if (n == 0)
		json_array_append_new(list, json_string("any"));
	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(zones[i]));
}

static void prefixes(json_t *o, const char *key, const struct prefix *p, uint32_t n)
{
	json_t *list = doc_list(o, key);
	char buf[PREFIX_STR];

	if (n == 0)
		json_array_append_new(list, json_string("any"));
	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(prefix_str(&p[i], buf)));
}

/* As the configuration writes it. */
static const char *service_text(const struct cfg_service *s, char buf[32])
{
	const char *word = s->proto == 1     ? "icmp"
			   : s->proto == 6   ? "tcp"
			   : s->proto == 17  ? "udp"
			   : s->proto == 47  ? "gre"
			   : s->proto == 50  ? "esp"
			   : s->proto == 58  ? "icmp6"
			   : s->proto == 132 ? "sctp"
					     : NULL;
	int n = word ? snprintf(buf, 32, "%s", word) : snprintf(buf, 32, "%u", s->proto);

	if (s->port_lo || s->port_hi != UINT16_MAX)
		snprintf(buf + n, 32 - (size_t)n, s->port_lo == s->port_hi ? "/%u" : "/%u-%u", s->port_lo,
			 s->port_hi);
	return buf;
}

static void services(json_t *o, const struct cfg_rule *r)
{
	json_t *list = doc_list(o, "service");
	char buf[32];

	if (r->n_services == 0)
		json_array_append_new(list, json_string("any"));
	for (uint32_t i = 0; i < r->n_services; i++)
		json_array_append_new(list, json_string(service_text(&r->services[i], buf)));
	if (r->sport_lo || r->sport_hi != UINT16_MAX) {
		snprintf(buf, sizeof(buf), r->sport_lo == r->sport_hi ? "%u" : "%u-%u", r->sport_lo,
			 r->sport_hi);
		doc_str(o, "source-port", buf);
	}
}

static void decided(json_t *o, const char *name, uint32_t id, bool allow, bool log)
{
	struct dp_rule_stats s;

	doc_str(o, "name", name);
	doc_str(o, "action", allow ? "allow" : "deny");
	doc_bool(o, "log", log);
	if (dp_rule_stats(id, &s) < 0)
		s = (struct dp_rule_stats){0};
	doc_uint(o, "hit-count", s.packets);
	doc_wall(o, "last-hit", s.last_hit_ns);
}

static void rule(json_t *o, const struct cfg_rule *r, uint32_t id, uint64_t index)
{
	doc_uint(o, "index", index);
	decided(o, r->name, id, r->allow, r->log);
	names(o, "from", r->from, r->n_from);
	names(o, "to", r->to, r->n_to);
	prefixes(o, "source", r->source, r->n_source);
	prefixes(o, "destination", r->destination, r->n_destination);
	services(o, r);
}

static void defaults(json_t *list)
{
	static const struct {
		const char *name;
		uint32_t id;
		bool allow;
	} d[] = {{"intrazone-default", DP_RULE_INTRAZONE, true},
		 {"interzone-default", DP_RULE_INTERZONE, false}};

	for (size_t i = 0; i < sizeof(d) / sizeof(d[0]); i++)
		decided(doc_append(list), d[i].name, d[i].id, d[i].allow, !d[i].allow);
}

enum cli_page cli_show_rules(struct cli_job *j, json_t *doc)
{
	const struct config *conf = j->c->conf;
	json_t *list = doc_list(doc, "entries");
	uint64_t end = j->at + j->page_len;

	if (j->part++ == 0) {
		doc_str(doc, "type",
			j->m.cmd->id == CLI_SHOW_RULE_HITS ? "rule-hit-count" : "security-policy");
		doc_bool(doc, "configured", conf->rules_given);
	}
	for (; j->at < conf->n_rules && j->at < end; j->at++)
		rule(doc_append(list), &conf->rules[j->at], j->c->rule_ids[j->at], j->at + 1);
	if (j->at < conf->n_rules)
		return CLI_MORE;
	if (conf->rules_given)
		defaults(list);
	return CLI_LAST;
}
