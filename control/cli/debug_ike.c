/* SPDX-License-Identifier: Apache-2.0 */
/* debug ike: of all gateways until it is turned off, or of one for some minutes. */
#include "handlers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ike_capture.h"

static enum cli_page debug_ike(struct cli_job *j, json_t *doc, bool on)
{
	ike_set_debug(j->c->ike, on);
	doc_str(doc, "type", "debug-ike");
	doc_bool(doc, "on", on);
	doc_str(doc, "log", j->c->conf->sys.log_file);
	return CLI_LAST;
}

enum cli_page cli_debug_ike_on(struct cli_job *j, json_t *doc)
{
	return debug_ike(j, doc, true);
}

enum cli_page cli_debug_ike_off(struct cli_job *j, json_t *doc)
{
	return debug_ike(j, doc, false);
}

/* ---- one gateway ----------------------------------------------------------------------------------- */

static enum cli_page refuse(struct cli_job *j, const char *why)
{
	snprintf(j->err, sizeof(j->err), "%s", why);
	j->exit = CLI_EXIT_USAGE;
	return CLI_FAILED;
}

/* 0: no such number. */
static unsigned minutes_of(const char *s)
{
	char *end;
	unsigned long v = s ? strtoul(s, &end, 10) : IKE_DEBUG_MINUTES;

	return s && (s[0] < '0' || s[0] > '9' || *end || v > IKE_DEBUG_MINUTES_MAX) ? 0 : (unsigned)v;
}

static void state(json_t *doc, const struct ctl *c, const char *gateway)
{
	struct ike_capture_state s;
	json_t *o;

	doc_str(doc, "type", "debug-ike-gateway");
	doc_str(doc, "gateway", gateway);
	doc_str(doc, "log", c->conf->sys.log_file);
	if (!ctl_ike_capture_state(c, &s) || strcmp(s.gateway, gateway) != 0)
		return;
	o = doc_object(doc, "capture");
	doc_bool(o, "on", s.on);
	doc_str(o, "file", s.file);
	doc_uint(o, "messages", s.messages);
	doc_wall(o, "until", s.until);
	if (!s.on)
		doc_str(o, "ended", s.ended);
}

enum cli_page cli_debug_ike_gateway(struct cli_job *j, json_t *doc)
{
	const char *gateway = cli_arg(&j->m, ""), *file = cli_arg(&j->m, "pcap");
	bool on = cli_given(&j->m, "on"), off = cli_given(&j->m, "off");
	unsigned minutes = minutes_of(cli_arg(&j->m, "minutes"));
	uint64_t until = ctl_now() + minutes * UINT64_C(60000000000);

	if (!gateway)
		return refuse(j, "a gateway is missing; show vpn gateway lists them");
	if (!cli_gateway(j->c, gateway))
		return cli_no_gateway(j, gateway);
	if (!minutes)
		return refuse(j, "minutes: allowed: 1 to 1440");
	if (off && (on || file))
		return refuse(j, "off goes with nothing else");
	if (off) {
		(void)ctl_ike_capture_stop(j->c, gateway);
		(void)ike_gateway_debug(j->c->ike, gateway, 0);
	}
	if (on)
		(void)ike_gateway_debug(j->c->ike, gateway, until);
	if (file && ctl_ike_capture_start(j->c, gateway, file, until, j->err, sizeof(j->err)) < 0)
		return CLI_FAILED;
	state(doc, j->c, gateway);
	doc_uint(doc, "minutes", on || file ? minutes : 0);
	doc_bool(doc, "on", on);
	doc_bool(doc, "off", off);
	return CLI_LAST;
}
