/* SPDX-License-Identifier: Apache-2.0 */
/* Everything but show vpn: counters, interfaces, routes, workers, and what commands that act say. */
#include <string.h>

#include "render.h"

void render_counters(FILE *out, const json_t *doc)
{
	const char *unit = strcmp(render_str(doc, "type"), "counter-drop") == 0 ? "packets" : "value";
	size_t i, n = json_array_size(render_list(doc, "entries"));
	const json_t *e;

	if (n) {
		fprintf(out, "%-28s %15s  %s\n%-28s %15s  %s\n", "name", unit, "description", "----",
			unit[0] == 'p' ? "-------" : "-----", "-----------");
		json_array_foreach(render_list(doc, "entries"), i, e)
			fprintf(out, "%-28s %15lld  %s\n", render_str(e, "name"), render_int(e, unit),
				render_str(e, "help"));
		fputc('\n', out);
	}
	fprintf(out, "Total counters shown: %zu\n", n);
}

void render_counters_global(FILE *out, const json_t *doc)
{
	static const struct render_column cols[] = {{"name", 28},    {"value", 14},    {"rate", 10},
						    {"severity", 9}, {"category", 10}, {"description", 0}};
	struct render_table *t = table_new(RENDER_COLUMNS(cols));
	const json_t *e;
	size_t i, n = json_array_size(render_list(doc, "entries"));

	fprintf(out, "Elapsed time since %s: %.3f seconds\n\n",
		render_bool(doc, "delta") ? "last sampling" : "start",
		json_real_value(json_object_get(doc, "seconds")));
	json_array_foreach(render_list(doc, "entries"), i, e)
	{
		table_cell(t, "%s", render_str(e, "name"));
		table_cell(t, "%lld", render_int(e, "value"));
		table_cell(t, "%lld", render_int(e, "rate"));
		table_cell(t, "%s", render_str(e, "severity"));
		table_cell(t, "%s", render_str(e, "category"));
		table_cell(t, "%s", render_str(e, "help"));
	}
	table_print(out, t);
	fprintf(out, "\nTotal counters shown: %zu\n", n);
}

void render_log(FILE *out, const json_t *doc)
{
	const json_t *e;
	size_t i;

	json_array_foreach(render_list(doc, "entries"), i, e) fprintf(out, "%s\n", render_str(e, "line"));
}

/* ---- interfaces ------------------------------------------------------------------------------------ */

static void addresses(const json_t *e, char *to, size_t cap)
{
	const json_t *a;
	size_t i, n = 0;

	to[0] = 0;
	json_array_foreach(render_list(e, "address"), i, a) if (n < cap)
		n += (size_t)snprintf(to + n, cap - n, "%s%s", i ? "," : "", json_string_value(a));
}

static void interface_detail(FILE *out, const json_t *e)
{
	char addr[512];

	addresses(e, addr, sizeof(addr));
	fprintf(out, "Name: %s, ID: %lld\n", render_str(e, "name"), render_int(e, "id"));
	fprintf(out, "Link status: %s\n", render_str(e, "state"));
	if (strcmp(render_str(e, "kind"), "ethernet") == 0) {
		fprintf(out, "MAC address: %s\n", render_str(e, "mac"));
		fprintf(out, "Interface MTU %lld\n", render_int(e, "mtu"));
		if (json_object_get(e, "tag"))
			fprintf(out, "VLAN tag: %lld\n", render_int(e, "tag"));
		else
			fprintf(out, "Port: %s\n", render_str(e, "port"));
	}
	fprintf(out, "Interface IP address: %s\n", addr[0] ? addr : "(none)");
	fprintf(out, "Zone: %s\n", render_str(e, "zone")[0] ? render_str(e, "zone") : "(none)");
	fputs("Counters:\n", out);
	fprintf(out, "  %-24s%lld\n", "packets received", render_int(e, "rx-packets"));
	fprintf(out, "  %-24s%lld\n", "bytes received", render_int(e, "rx-bytes"));
	fprintf(out, "  %-24s%lld\n", "packets transmitted", render_int(e, "tx-packets"));
	fprintf(out, "  %-24s%lld\n", "bytes transmitted", render_int(e, "tx-bytes"));
	fprintf(out, "  %-24s%lld\n", "receive missed", render_int(e, "rx-missed"));
	fprintf(out, "  %-24s%lld\n", "transmit failed", render_int(e, "tx-failed"));
}

void render_interface(FILE *out, const json_t *doc)
{
	static const struct render_column cols[] = {
		{"name", 20},        {"id", 6},          {"state", 6},       {"zone", 17},
		{"mac address", 18}, {"rx packets", 16}, {"tx packets", 16}, {"address", 0}};
	struct render_table *t;
	const json_t *e;
	size_t i;

	if (render_bool(doc, "detail")) {
		json_array_foreach(render_list(doc, "entries"), i, e) interface_detail(out, e);
		return;
	}
	fprintf(out, "total configured interfaces: %zu\n\n", json_array_size(render_list(doc, "entries")));
	t = table_new(RENDER_COLUMNS(cols));
	json_array_foreach(render_list(doc, "entries"), i, e)
	{
		char addr[512];

		addresses(e, addr, sizeof(addr));
		table_cell(t, "%s", render_str(e, "name"));
		table_cell(t, "%lld", render_int(e, "id"));
		table_cell(t, "%s", render_str(e, "state"));
		table_cell(t, "%s", render_str(e, "zone"));
		table_cell(t, "%s", render_str(e, "mac"));
		table_cell(t, "%lld", render_int(e, "rx-packets"));
		table_cell(t, "%lld", render_int(e, "tx-packets"));
		table_cell(t, "%s", addr[0] ? addr : "N/A");
	}
	table_print(out, t);
}

/* ---- routes ---------------------------------------------------------------------------------------- */

static const char *flags(const json_t *e, char buf[8])
{
	bool active = render_bool(e, "active");

	snprintf(buf, 8, "%s%s%s", active ? "A " : "  ",
		 strcmp(render_str(e, "type"), "connect") == 0 ? "C" : "S",
		 active && render_bool(e, "ecmp") ? " E" : "");
	return buf;
}

void render_routes_part(FILE *out, const json_t *doc, struct render_parts *p)
{
	static const struct render_column cols[] = {{"destination", 19}, {"nexthop", 16},   {"metric", 7},
						    {"flags", 7},        {"interface", 18}, {"name", 0}};
	struct render_table *t;
	const json_t *e;
	char buf[8];
	size_t i;

	if (!p->list[0].begun)
		fputs("flags: A:active, C:connect, S:static, E:ecmp\n\n", out);
	t = table_new(RENDER_COLUMNS(cols));
	json_array_foreach(render_list(doc, "entries"), i, e)
	{
		table_cell(t, "%s", render_str(e, "destination"));
		table_cell(t, "%s", render_str(e, "nexthop"));
		if (json_object_get(e, "metric"))
			table_cell(t, "%lld", render_int(e, "metric"));
		else
			table_cell(t, "%s", "");
		table_cell(t, "%s", flags(e, buf));
		table_cell(t, "%s", render_str(e, "interface"));
		table_cell(t, "%s", render_str(e, "name"));
	}
	table_print_part(out, t, &p->list[0]);
	if (p->last)
		fprintf(out, "total routes shown: %lld\n", render_int(doc, "shown"));
	if (p->last)
		render_shown(out, doc);
}

void render_routes(FILE *out, const json_t *doc)
{
	render_routes_part(out, doc, &(struct render_parts){.last = true});
}

void render_route_lookup(FILE *out, const json_t *doc)
{
	const json_t *e = json_array_get(render_list(doc, "entries"), 0);

	fprintf(out, "destination:  %s\n", render_str(doc, "for"));
	fprintf(out, "route:        %s%s%s\n", render_str(e, "destination"),
		render_str(e, "name")[0] ? "  " : "", render_str(e, "name"));
	fprintf(out, "interface:    %s\n", render_str(e, "interface"));
	if (strcmp(render_str(e, "nexthop"), "0.0.0.0") != 0)
		fprintf(out, "nexthop:      %s\n", render_str(e, "nexthop"));
	else
		fprintf(out, "nexthop:      None\n");
}

/* ---- the daemon ------------------------------------------------------------------------------------ */

static void render_stages(FILE *out, const json_t *doc)
{
	static const struct render_column cols[] = {
		{"worker", 7}, {"stage", 12}, {"packets", 16}, {"cycles", 8}, {"what", 0}};
	struct render_table *t = table_new(RENDER_COLUMNS(cols));
	const json_t *e, *s;
	size_t i, k;

	json_array_foreach(render_list(doc, "entries"), i, e)
	{
		json_array_foreach(render_list(e, "stages"), k, s)
		{
			table_cell(t, "%lld", render_int(e, "worker"));
			table_cell(t, "%s", render_str(s, "stage"));
			table_cell(t, "%lld", render_int(s, "packets"));
			table_cell(t, "%.1f",
				   (double)render_int(s, "cycles") / (double)render_int(s, "packets"));
			table_cell(t, "%s", render_str(s, "help"));
		}
	}
	fputs("\ncycles per packet of each stage, of a burst now and then\n\n", out);
	table_print(out, t);
}

void render_dataplane(FILE *out, const json_t *doc)
{
	static const struct render_column cols[] = {
		{"worker", 7},       {"cpu", 5},          {"busy%", 7},        {"total%", 8},
		{"rx packets", 16},  {"per burst", 10},   {"known flow%", 12}, {"tx packets", 16},
		{"handed over", 16}, {"icmp errors", 12}, {"reassembled", 12}, {"loops", 0}};
	const json_t *e, *control = json_object_get(doc, "control-thread");
	struct render_table *t;
	size_t i;

	fprintf(out, "idle mode: %s\nbusy%%: of the last second; total%%: since the start\n",
		render_str(doc, "idle"));
	fprintf(out,
		"control thread: busy %.1f%%, longest turn %.1f ms (%.1f ms on its core), %lld turns beyond %lld ms\n\n",
		json_real_value(json_object_get(control, "busy-percent")),
		json_real_value(json_object_get(control, "longest-turn-ms")),
		json_real_value(json_object_get(control, "longest-turn-cpu-ms")),
		render_int(control, "long-turns"), render_int(control, "long-turn-ms"));
	t = table_new(RENDER_COLUMNS(cols));
	json_array_foreach(render_list(doc, "entries"), i, e)
	{
		long long rx = render_int(e, "rx-packets"), bursts = render_int(e, "rx-bursts");

		table_cell(t, "%lld", render_int(e, "worker"));
		table_cell(t, "%lld", render_int(e, "cpu"));
		table_cell(t, "%.1f", json_real_value(json_object_get(e, "busy-percent")));
		table_cell(t, "%.1f", json_real_value(json_object_get(e, "busy-percent-total")));
		table_cell(t, "%lld", rx);
		table_cell(t, "%.1f", bursts > 0 ? (double)rx / (double)bursts : 0.);
		table_cell(t, "%.1f",
			   rx > 0 ? 100. * (double)render_int(e, "known-flow-packets") / (double)rx : 0.);
		table_cell(t, "%lld", render_int(e, "tx-packets"));
		table_cell(t, "%lld", render_int(e, "handed-over"));
		table_cell(t, "%lld", render_int(e, "icmp-sent"));
		table_cell(t, "%lld", render_int(e, "reassembled"));
		table_cell(t, "%lld", render_int(e, "loops"));
	}
	table_print(out, t);
	render_stages(out, doc);
}

void render_capacity(FILE *out, const json_t *doc)
{
	static const struct render_column cols[] = {{"table", 19}, {"used", 12}, {"limit", 12},
						    {"left", 12},  {"used%", 7}, {"what", 0}};
	struct render_table *t = table_new(RENDER_COLUMNS(cols));
	const json_t *e;
	size_t i;

	json_array_foreach(render_list(doc, "entries"), i, e)
	{
		long long used = render_int(e, "used"), limit = render_int(e, "limit");

		table_cell(t, "%s", render_str(e, "name"));
		table_cell(t, "%lld", used);
		if (limit) {
			table_cell(t, "%lld", limit);
			table_cell(t, "%lld", render_int(e, "left"));
			table_cell(t, "%.1f", 100. * (double)used / (double)limit);
		} else {
			table_cell(t, "%s", "-");
			table_cell(t, "%s", "-");
			table_cell(t, "%s", "-");
		}
		table_cell(t, "%s", render_str(e, "help"));
	}
	table_print(out, t);
}

void render_system_info(FILE *out, const json_t *doc)
{
	static const char *const keys[] = {"workers",   "interfaces", "gateways",  "tunnels",
					   "proxy-ids", "ike-sas",    "ipsec-sas", "max-sas"};
	long long up = render_int(doc, "uptime");
	char t[RENDER_TIME];

	fprintf(out, "hostname: %s\n", render_str(doc, "hostname"));
	fprintf(out, "time: %s\n", render_time(doc, "time", t));
	fprintf(out, "uptime: %lld days, %lld:%02lld:%02lld\n", up / 86400, up / 3600 % 24, up / 60 % 60,
		up % 60);
	fprintf(out, "sw-version: culvert %s\n", render_str(doc, "sw-version"));
	fprintf(out, "kernel: %s\n", render_str(doc, "kernel"));
	fprintf(out, "configuration: %s\n", render_str(doc, "configuration"));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		fprintf(out, "%s: %lld\n", keys[i], render_int(doc, keys[i]));
}

/* ---- commands that act ----------------------------------------------------------------------------- */

void render_test(FILE *out, const json_t *doc)
{
	bool ike = strcmp(render_str(doc, "what"), "ike-sa") == 0;
	long long n = render_int(doc, "initiated"), again = render_int(doc, "asked-again");
	char t[RENDER_TIME];

	fprintf(out, "Start time: %s\n", render_time(doc, "start", t));
	if (!ike && render_str(doc, "name")[0])
		fprintf(out, "Initiate %lld IPSec SA for tunnel %s.\n", n, render_str(doc, "name"));
	else
		fprintf(out, "Initiate %lld %s SA.\n", n, ike ? "IKE" : "IPSec");
	if (again == 1)
		fputs("Asked again: the negotiation that waits for its peer.\n", out);
	else if (again)
		fprintf(out, "Asked again: %lld negotiations that wait for their peer.\n", again);
	else if (n == 0)
		fputs("Nothing to do: what was asked for is up, or being negotiated, or waits for its peer.\n",
		      out);
}

void render_request(FILE *out, const json_t *doc)
{
	const char *what = render_str(doc, "what");
	bool reauth = strcmp(what, "reauthenticate") == 0, ipsec = strcmp(what, "rekey-ipsec-sa") == 0;

	fprintf(out, "%s %lld %s SA.\n", reauth ? "Reauthenticate" : "Rekey", render_int(doc, "started"),
		ipsec ? "IPSec" : "IKE");
	if (render_int(doc, "started") == 0)
		fputs("Nothing to do: what was asked for is not up, or is being replaced already.\n", out);
}

void render_clear(FILE *out, const json_t *doc)
{
	fprintf(out, "Clear %s SA: %lld IKEv1 SA, %lld IKEv2 SA.\n",
		strcmp(render_str(doc, "what"), "ike-sa") == 0 ? "IKE" : "IPSec", render_int(doc, "ikev1"),
		render_int(doc, "ikev2"));
}

void render_clear_flow(FILE *out, const json_t *doc)
{
	fprintf(out, "Clear flow counters: %lld tunnels.\n", render_int(doc, "cleared"));
}

void render_debug_gateway(FILE *out, const json_t *doc)
{
	const char *gateway = render_str(doc, "gateway");
	const json_t *k = json_object_get(doc, "capture");

	if (render_bool(doc, "on"))
		fprintf(out, "IKE messages of gateway %s are logged to %s for %lld minutes.\n", gateway,
			render_str(doc, "log")[0] ? render_str(doc, "log") : "standard error",
			render_int(doc, "minutes"));
	if (render_bool(doc, "off"))
		fprintf(out, "IKE of gateway %s: events only.\n", gateway);
	if (!k && !render_bool(doc, "on") && !render_bool(doc, "off"))
		fprintf(out, "There was no capture of IKE of gateway %s.\n", gateway);
	if (!k)
		return;
	if (render_bool(k, "on"))
		fprintf(out, "Its messages go, decrypted, to %s; %lld so far.\n", render_str(k, "file"),
			render_int(k, "messages"));
	else
		fprintf(out, "%s holds %lld messages: %s.\n", render_str(k, "file"),
			render_int(k, "messages"), render_str(k, "ended"));
}

void render_debug(FILE *out, const json_t *doc)
{
	const char *log = render_str(doc, "log");

	if (render_bool(doc, "on"))
		fprintf(out, "IKE messages are logged to %s. Remember: debug ike off\n",
			log[0] ? log : "culvertd's standard error");
	else
		fputs("IKE messages are not logged any more.\n", out);
}

void render_capture(FILE *out, const json_t *doc)
{
	const char *ended = render_str(doc, "ended");

	if (!render_str(doc, "file")[0]) {
		fputs("There was no capture.\n", out);
		return;
	}
	fprintf(out, "Capture of tunnel %s, %s, to %s\n", render_str(doc, "tunnel"), render_str(doc, "side"),
		render_str(doc, "file"));
	fprintf(out, "%lld of %lld packets, %lld bytes, %lld packets lost; %s\n", render_int(doc, "packets"),
		render_int(doc, "count"), render_int(doc, "bytes"), render_int(doc, "lost"),
		render_bool(doc, "on") ? "going on" : ended);
}

void render_commit(FILE *out, const json_t *doc)
{
	const json_t *e;
	size_t i;

	json_array_foreach(render_list(doc, "entries"), i, e)
		fprintf(out, "%s: %s\n", render_str(e, "severity"), render_str(e, "text"));
	if (render_bool(doc, "committed"))
		fprintf(out, "%s is committed: %lld of %lld gateways changed.\n",
			render_str(doc, "configuration"), render_int(doc, "changed-gateways"),
			render_int(doc, "gateways"));
}
