/* SPDX-License-Identifier: Apache-2.0 */
#include "render.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

static const struct {
	const char *type;
	render_fn *fn;
} renderers[] = {
	{"vpn-ike-sa", render_ike_sa},
	{"vpn-ike-sa-detail", render_ike_sa_detail},
	{"vpn-ipsec-sa", render_ipsec_sa},
	{"vpn-flow", render_flow},
	{"vpn-gateway", render_gateway},
	{"vpn-tunnel", render_tunnel},
	{"counter-drop", render_counters},
	{"counter-ike", render_counters},
	{"counter-global", render_counters_global},
	{"log-system", render_log},
	{"interface", render_interface},
	{"route-lookup", render_route_lookup},
	{"routing-route", render_routes},
	{"dataplane", render_dataplane},
	{"security-policy", render_security_policy},
	{"rule-hit-count", render_rule_hits},
	{"vpn-tunnel-monitor", render_monitor},
	{"vpn-history", render_history},
	{"diagnose-vpn", render_diagnose},
	{"knowledge", render_knowledge},
	{"system-info", render_system_info},
	{"capacity", render_capacity},
	{"test-vpn", render_test},
	{"test-vpn-packet", render_test_packet},
	{"request-vpn", render_request},
	{"clear-vpn", render_clear},
	{"clear-vpn-flow", render_clear_flow},
	{"ping", render_ping},
	{"debug-ike", render_debug},
	{"debug-ike-gateway", render_debug_gateway},
	{"debug-capture", render_capture},
	{"commit", render_commit},
};

bool render(FILE *out, const json_t *doc)
{
	for (size_t i = 0; i < sizeof(renderers) / sizeof(renderers[0]); i++) {
		if (strcmp(renderers[i].type, render_str(doc, "type")) == 0) {
			renderers[i].fn(out, doc);
			return true;
		}
	}
	return false;
}

static const struct {
	const char *type;
	render_part_fn *fn;
} in_parts[] = {
	{"vpn-flow", render_flow_part},         {"vpn-ike-sa", render_ike_sa_part},
	{"vpn-ipsec-sa", render_ipsec_sa_part}, {"vpn-tunnel", render_tunnel_part},
	{"routing-route", render_routes_part},
};

bool render_is_live(const json_t *page)
{
	return strcmp(render_str(page, "type"), "log-system") == 0 ||
	       strcmp(render_str(page, "type"), "ping") == 0;
}

bool render_part_due(const struct render_parts *p, unsigned list, const json_t *rows)
{
	return json_array_size(rows) || (p->last && !p->list[list].begun);
}

const char *const *render_as_it_comes(const json_t *first_page)
{
	static const char *const lists[] = {"entries", "children", NULL};

	for (size_t i = 0; i < sizeof(in_parts) / sizeof(in_parts[0]); i++)
		if (strcmp(in_parts[i].type, render_str(first_page, "type")) == 0)
			return render_bool(first_page, "detail") ? NULL : lists;
	return NULL;
}

void render_part(FILE *out, const json_t *page, const char *type, struct render_parts *p)
{
	for (size_t i = 0; i < sizeof(in_parts) / sizeof(in_parts[0]); i++)
		if (strcmp(in_parts[i].type, type) == 0)
			in_parts[i].fn(out, page, p);
}

const char *render_str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

long long render_int(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

bool render_bool(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

const json_t *render_list(const json_t *o, const char *key)
{
	return json_object_get(o, key);
}

void render_shown(FILE *out, const json_t *doc)
{
	if (render_bool(doc, "filtered"))
		fprintf(out, "%lld of %lld shown.\n", render_int(doc, "shown"), render_int(doc, "of"));
}

void render_col(FILE *out, int width, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vfprintf(out, fmt, ap);
	va_end(ap);
	fprintf(out, "%*s", n < width ? width - n : 1, "");
}

static const char *format_time(const json_t *o, const char *key, const char *fmt, char buf[RENDER_TIME])
{
	const json_t *v = json_object_get(o, key);
	time_t t = (time_t)json_integer_value(v);
	struct tm tm;

	buf[0] = 0;
	if (json_is_integer(v) && localtime_r(&t, &tm) && strftime(buf, RENDER_TIME, fmt, &tm) == 0)
		buf[0] = 0;
	return buf;
}

const char *render_time(const json_t *o, const char *key, char buf[RENDER_TIME])
{
	return format_time(o, key, "%b.%d %H:%M:%S", buf);
}

const char *render_date(const json_t *o, const char *key, char buf[RENDER_TIME])
{
	return format_time(o, key, "%Y-%m-%d %H:%M:%S", buf);
}
