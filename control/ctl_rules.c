/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Security rules: the configuration's names and lists become numbers and terms.  A rule keeps its
 * number, and with it its hits, as long as a rule of its name stands in the configuration.
 */
#include "ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

/* ---- rules ----------------------------------------------------------------------------------- */

static size_t or_one(uint32_t n)
{
	return n ? n : 1;
}

static size_t terms_of(const struct cfg_rule *r)
{
	return or_one(r->n_from) * or_one(r->n_to) * or_one(r->n_source) * or_one(r->n_destination) *
	       or_one(r->n_services);
}

/* No packet goes from an address of one family to one of the other. */
static bool families_meet(const struct dp_rule_term *t)
{
	return t->src.a.v == 0 || t->dst.a.v == 0 || t->src.a.v == t->dst.a.v;
}

/* Combination number i of a rule's lists, as one reads a number with mixed bases. */
static struct dp_rule_term term_of(const struct ctl *c, const struct cfg_rule *r, uint32_t rule, size_t i)
{
	static const struct cfg_service any = {.port_hi = UINT16_MAX};
	size_t service = i % or_one(r->n_services), dst, src, to, from;
	const struct cfg_service *s = r->n_services ? &r->services[service] : &any;

	i /= or_one(r->n_services);
	dst = i % or_one(r->n_destination);
	i /= or_one(r->n_destination);
	src = i % or_one(r->n_source);
	i /= or_one(r->n_source);
	to = i % or_one(r->n_to);
	from = i / or_one(r->n_to);
	return (struct dp_rule_term){
		.rule = rule,
		.from = r->n_from ? ctl_zone(c, r->from[from]) : DP_ZONE_NONE,
		.to = r->n_to ? ctl_zone(c, r->to[to]) : DP_ZONE_NONE,
		.src = r->n_source ? r->source[src] : (struct prefix){{0}, 0},
		.dst = r->n_destination ? r->destination[dst] : (struct prefix){{0}, 0},
		.proto = s->proto,
		.sport_lo = r->sport_lo,
		.sport_hi = r->sport_hi,
		.dport_lo = s->port_lo,
		.dport_hi = s->port_hi,
	};
}

static uint32_t id_of(struct ctl *c, const char *name)
{
	for (size_t i = 0; c->conf && c->rule_ids && i < c->conf->n_rules; i++)
		if (strcmp(c->conf->rules[i].name, name) == 0)
			return c->rule_ids[i];
	return c->next_rule_id++ % DP_RULE_ID_MAX;
}

int ctl_apply_rules(struct ctl *c, const struct config *conf, uint32_t **ids, char *err, size_t err_len)
{
	struct dp_rule *rules = calloc(conf->n_rules + 1, sizeof(rules[0]));
	struct dp_rule_term *terms = NULL;
	size_t n = 0, room = 0;
	int rc = -ENOMEM;

	*ids = calloc(conf->n_rules + 1, sizeof(**ids));
	for (size_t i = 0; i < conf->n_rules; i++)
		room += terms_of(&conf->rules[i]);
	terms = calloc(room + 1, sizeof(terms[0]));
	if (!rules || !*ids || !terms)
		goto out;
	for (size_t i = 0; i < conf->n_rules; i++) {
		const struct cfg_rule *r = &conf->rules[i];

		(*ids)[i] = id_of(c, r->name);
		rules[i] = (struct dp_rule){.id = (*ids)[i], .allow = r->allow, .log = r->log};
		for (size_t k = 0; k < terms_of(r); k++) {
			terms[n] = term_of(c, r, (uint32_t)i, k);
			n += families_meet(&terms[n]);
		}
	}
	rc = dp_rules_set(conf->rules_given ? rules : NULL, (uint32_t)conf->n_rules, terms, (uint32_t)n);
out:
	if (rc < 0)
		snprintf(err, err_len, "security-rules: %s", strerror(-rc));
	free(rules);
	free(terms);
	return rc;
}

/* ---- the log --------------------------------------------------------------------------------- */

static const char *rule_name(const struct ctl *c, uint32_t id)
{
	if (id == DP_RULE_INTRAZONE)
		return "intrazone-default";
	if (id == DP_RULE_INTERZONE)
		return "interzone-default";
	for (size_t i = 0; c->conf && c->rule_ids && i < c->conf->n_rules; i++)
		if (c->rule_ids[i] == id)
			return c->conf->rules[i].name;
	return "-"; /* gone while its packet's report was on its way */
}

static const char *zone_name(const struct ctl *c, uint16_t ifindex)
{
	const struct cfg_interface *f = config_interface(c->conf, ctl_interface_name(c, ifindex));

	return f && f->zone[0] ? f->zone : "-";
}

void ctl_rule_hit(struct ctl *c, const struct dp_rule_hit *h)
{
	char src[ENDPOINT_STR], dst[ENDPOINT_STR];
	const char *rule;

	if (!c->conf)
		return;
	rule = rule_name(c, h->rule);
	log_event(h->allow ? LOG_SEV_INFORMATIONAL : LOG_SEV_MEDIUM,
		  h->allow ? "traffic-allow" : "traffic-deny", rule,
		  "%s by rule %s: zone %s (%s) to zone %s (%s), %s to %s, protocol %u",
		  h->allow ? "Allowed" : "Denied", rule, zone_name(c, h->in_if),
		  ctl_interface_name(c, h->in_if), zone_name(c, h->out_if), ctl_interface_name(c, h->out_if),
		  endpoint_str(&h->src, src), endpoint_str(&h->dst, dst), h->proto);
}
