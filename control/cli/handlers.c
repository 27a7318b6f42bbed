/* SPDX-License-Identifier: Apache-2.0 */
#include "handlers.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "knowledge.h"

cli_handler *const cli_handlers[CLI_CMD_MAX] = {
	[CLI_SHOW_VPN_IKE_SA] = cli_show_ike_sa,
	[CLI_SHOW_VPN_IPSEC_SA] = cli_show_ipsec_sa,
	[CLI_SHOW_VPN_FLOW] = cli_show_flow,
	[CLI_SHOW_VPN_GATEWAY] = cli_show_gateway,
	[CLI_SHOW_VPN_TUNNEL] = cli_show_tunnel,
	[CLI_SHOW_VPN_MONITOR] = cli_show_monitor,
	[CLI_SHOW_VPN_HISTORY] = cli_show_history,
	[CLI_SHOW_COUNTER_DROP] = cli_show_counter_drop,
	[CLI_SHOW_COUNTER_IKE] = cli_show_counter_ike,
	[CLI_SHOW_COUNTER_GLOBAL] = cli_show_counter_global,
	[CLI_SHOW_LOG_SYSTEM] = cli_show_log,
	[CLI_SHOW_DATAPLANE] = cli_show_dataplane,
	[CLI_SHOW_INTERFACE] = cli_show_interface,
	[CLI_SHOW_SECURITY_POLICY] = cli_show_rules,
	[CLI_SHOW_RULE_HITS] = cli_show_rules,
	[CLI_SHOW_ROUTING_ROUTE] = cli_show_route,
	[CLI_SHOW_SYSTEM_INFO] = cli_show_system_info,
	[CLI_SHOW_VPN_CAPACITY] = cli_show_capacity,
	[CLI_TEST_VPN_IKE_SA] = cli_test_ike_sa,
	[CLI_TEST_VPN_IPSEC_SA] = cli_test_ipsec_sa,
	[CLI_TEST_VPN_PACKET] = cli_test_packet,
	[CLI_TEST_FIB_LOOKUP] = cli_show_route,
	[CLI_DIAGNOSE_VPN] = cli_diagnose,
	[CLI_REKEY_IKE_SA] = cli_rekey_ike_sa,
	[CLI_REKEY_IPSEC_SA] = cli_rekey_ipsec_sa,
	[CLI_REAUTHENTICATE] = cli_reauthenticate,
	[CLI_CLEAR_VPN_IKE_SA] = cli_clear_ike_sa,
	[CLI_CLEAR_VPN_IPSEC_SA] = cli_clear_ipsec_sa,
	[CLI_DEBUG_IKE_ON] = cli_debug_ike_on,
	[CLI_DEBUG_IKE_OFF] = cli_debug_ike_off,
	[CLI_DEBUG_IKE_GATEWAY] = cli_debug_ike_gateway,
	[CLI_CLEAR_VPN_FLOW] = cli_clear_flow,
	[CLI_PING] = cli_ping,
	[CLI_COMMIT] = cli_commit,
	[CLI_EXPLAIN] = cli_explain,
	[CLI_REFERENCE] = cli_explain,
	[CLI_DEBUG_CAPTURE] = cli_debug_capture,
	[CLI_DEBUG_CAPTURE_STOP] = cli_debug_capture_stop,
	[CLI_DEBUG_CAPTURE_SHOW] = cli_debug_capture_show,
};

const struct cfg_gateway *cli_gateway(const struct ctl *c, const char *name)
{
	for (size_t i = 0; i < c->conf->n_gateways; i++)
		if (strcmp(c->conf->gateways[i].ike.name, name) == 0)
			return &c->conf->gateways[i];
	return NULL;
}

const struct cfg_gateway *cli_gateway_of(const struct ctl *c, const char *name, uint32_t id)
{
	const struct config *conf = c->conf;

	if (id && id <= conf->n_gateways && strcmp(conf->gateways[id - 1].ike.name, name) == 0)
		return &conf->gateways[id - 1];
	return cli_gateway(c, name);
}

bool cli_leads(const struct ctl *c, const struct ctl_policy *p)
{
	return p->policy >= c->n_leaders || c->leaders[p->policy] == p->policy;
}

const struct cfg_tunnel *cli_tunnel_of(const struct ctl *c, const char *name)
{
	for (size_t i = 0; i < c->conf->n_tunnels; i++) {
		const struct cfg_tunnel *t = &c->conf->tunnels[i];

		if (strcmp(t->name, name) == 0)
			return t;
		if (strncmp(t->name, name, strlen(t->name)) != 0 || name[strlen(t->name)] != ':')
			continue;
		for (uint32_t x = 0; x < t->n_proxy_ids; x++)
			if (doc_tunnel_is(name, t->name, t->proxy_ids[x].name))
				return t;
	}
	return NULL;
}

bool cli_tunnel_known(const struct ctl *c, const char *name)
{
	return cli_tunnel_of(c, name);
}

static bool put_counter(json_t *doc, const char *name, const char *help, uint64_t n, const char *where)
{
	char line[256];
	json_t *lines = doc_list(doc, "lines");

	doc_str(doc, "type", "knowledge");
	doc_str(doc, "command", "explain");
	doc_str(doc, "word", name);
	doc_str(doc, "kind", "counter");
	snprintf(line, sizeof(line), "%s, a counter of %s", name, where);
	doc_str(doc, "title", line);
	snprintf(line, sizeof(line), "%s.", help);
	json_array_append_new(lines, json_string(line));
	snprintf(line, sizeof(line), "So far: %llu", (unsigned long long)n);
	json_array_append_new(lines, json_string(line));
	doc_list(doc, "see");
	return true;
}

/* A drop reason, or one of IKE's counters. */
static bool counter_doc(const struct ctl *c, json_t *doc, const char *word)
{
	struct dp_drop d;
	const char *name;

	for (unsigned i = 0; dp_drop_stats(i, &d) == 0; i++)
		if (strcasecmp(d.name, word) == 0)
			return put_counter(doc, d.name, d.help, d.packets,
					   "packets dropped: show counter drop");
	for (unsigned i = 0; (name = ike_counter_name(i)); i++)
		if (strcasecmp(name, word) == 0)
			return put_counter(doc, name, ike_counter_help(i), ike_counters(c->ike)->v[i],
					   "IKE: show counter ike");
	return false;
}

enum cli_page cli_explain(struct cli_job *j, json_t *doc)
{
	bool vendor = j->m.cmd->id == CLI_REFERENCE;

	if (knowledge_doc(doc, cli_arg(&j->m, ""), vendor) ||
	    (!vendor && counter_doc(j->c, doc, cli_arg(&j->m, ""))))
		return CLI_LAST;
	knowledge_unknown(cli_arg(&j->m, ""), vendor, j->err, sizeof(j->err));
	return CLI_FAILED;
}

const char *cli_child_name(const struct ctl *c, const char *name)
{
	for (size_t i = 0; name && i < c->conf->n_tunnels; i++) {
		const struct cfg_tunnel *t = &c->conf->tunnels[i];

		if (t->combined && strncmp(t->name, name, strlen(t->name)) == 0 &&
		    name[strlen(t->name)] == ':')
			return t->name;
	}
	return name;
}

enum cli_page cli_no_gateway(struct cli_job *j, const char *name)
{
	snprintf(j->err, sizeof(j->err), "there is no gateway \"%s\"; show vpn gateway lists them", name);
	return CLI_FAILED;
}

enum cli_page cli_no_tunnel(struct cli_job *j, const char *name)
{
	snprintf(j->err, sizeof(j->err),
		 "there is no tunnel, or proxy-ID of a tunnel, \"%s\"; show vpn tunnel lists them", name);
	return CLI_FAILED;
}
