/* SPDX-License-Identifier: Apache-2.0 */
/* show vpn flow: the list, and the long form of one tunnel. */
#include <stdarg.h>
#include <string.h>

#include "render.h"

static void flow_head(FILE *out, const json_t *doc)
{
	const char *state = render_str(doc, "filter-state");

	fprintf(out, "%-62s%lld\n", "total tunnels configured:", render_int(doc, "total"));
	fprintf(out, "filter - type IPSec, state %s\n\n", state[0] ? state : "any");
	fprintf(out, "%-62s%lld\n", "total IPSec tunnel configured:", render_int(doc, "num_ipsec"));
	/* Of those that fit a filter the number is known once the last one was found. */
	if (!render_bool(doc, "filtered"))
		fprintf(out, "%-62s%lld\n", "total IPSec tunnel shown:", render_int(doc, "num_shown"));
	fputc('\n', out);
}

static void flow_rows(FILE *out, const json_t *list, struct render_width *w)
{
	static const struct render_column cols[] = {{"id", 6},        {"name", 30},     {"state", 8},
						    {"monitor", 8},   {"local-ip", 30}, {"peer-ip", 30},
						    {"tunnel-i/f", 0}};
	struct render_table *t = table_new(RENDER_COLUMNS(cols));
	const json_t *e;
	size_t i;

	json_array_foreach(list, i, e)
	{
		table_cell(t, "%lld", render_int(e, "id"));
		table_cell(t, "%s", render_str(e, "name"));
		table_cell(t, "%s", render_str(e, "state"));
		table_cell(t, "%s", render_str(e, "mon"));
		table_cell(t, "%s", render_str(e, "localip"));
		table_cell(t, "%s", render_str(e, "peerip"));
		table_cell(t, "%s", render_str(e, "inner-if"));
	}
	table_print_part(out, t, w);
}

void render_flow_part(FILE *out, const json_t *doc, struct render_parts *p)
{
	const json_t *list = render_list(doc, "entries");

	if (render_part_due(p, 0, list)) {
		if (!p->list[0].begun)
			flow_head(out, doc);
		flow_rows(out, list, &p->list[0]);
	}
	if (p->last)
		render_shown(out, doc);
}

/* ---- the long form --------------------------------------------------------------------------------- */

/* Eight spaces, the label to column 32, the value. */
static void field(FILE *out, const char *label, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void field(FILE *out, const char *label, const char *fmt, ...)
{
	char name[64];
	va_list ap;

	snprintf(name, sizeof(name), "%s:", label);
	fprintf(out, "        %-24s", name);
	va_start(ap, fmt);
	vfprintf(out, fmt, ap);
	va_end(ap);
	fputc('\n', out);
}

static void field_int(FILE *out, const char *label, const json_t *e, const char *key)
{
	field(out, label, "%lld", render_int(e, key));
}

static void field_bool(FILE *out, const char *label, const json_t *e, const char *key)
{
	field(out, label, "%s", render_bool(e, key) ? "yes" : "no");
}

static const char *protocol(long long proto, char buf[24])
{
	if (proto == 0)
		return "any";
	snprintf(buf, 24, "%lld", proto);
	return buf;
}

static void traffic_selectors(FILE *out, const json_t *ts)
{
	const json_t *local = render_list(ts, "local"), *remote = render_list(ts, "remote");
	size_t n = json_array_size(local) > json_array_size(remote) ? json_array_size(local)
								    : json_array_size(remote);
	const json_t *first = json_array_get(local, 0);
	char buf[24];

	fputs("        traffic selector:\n", out);
	field(out, "  protocol", "%s", protocol(render_int(first, "proto"), buf));
	for (size_t i = 0; i < n; i++) {
		for (int side = 0; side < 2; side++) {
			const json_t *t = json_array_get(side ? remote : local, i);

			if (!t)
				continue;
			field(out, side ? "  remote ip range" : "  local ip range", "%s - %s",
			      render_str(t, "sip"), render_str(t, "eip"));
			field(out, side ? "  remote port range" : "  local port range", "%lld - %lld",
			      render_int(t, "sport"), render_int(t, "eport"));
		}
	}
}

static void proxy_port(FILE *out, const char *label, const json_t *p, const char *lo, const char *hi)
{
	if (render_int(p, hi))
		field(out, label, "%lld - %lld", render_int(p, lo), render_int(p, hi));
	else
		field(out, label, "%lld", render_int(p, lo));
}

static void proxy_id(FILE *out, const json_t *p)
{
	char buf[24];

	field(out, "proxy-id local ip", "%s/%lld", render_str(p, "lip"), render_int(p, "lprefix"));
	field(out, "proxy-id remote ip", "%s/%lld", render_str(p, "rip"), render_int(p, "rprefix"));
	field(out, "proxy-id protocol", "%s", protocol(render_int(p, "proto"), buf));
	proxy_port(out, "proxy-id local port", p, "lport", "lport-end");
	proxy_port(out, "proxy-id remote port", p, "rport", "rport-end");
}

static void monitor(FILE *out, const json_t *m)
{
	const json_t *d;
	char bits[6];
	size_t i;

	field(out, "monitor", "%s", m ? "on" : "off");
	if (!m)
		return;
	for (i = 0; i < 5; i++)
		bits[i] = (char)('0' + (render_int(m, "bitmap") >> (4 - i) & 1));
	bits[5] = 0;
	field(out, "  monitor status", "%s", render_str(m, "status"));
	json_array_foreach(render_list(m, "dst"), i, d)
		field(out, "  monitor dest", "%s", json_string_value(d));
	field(out, "  monitor interval", "%lld seconds", render_int(m, "interval"));
	field(out, "  monitor threshold", "%lld probe losses", render_int(m, "threshold"));
	field(out, "  monitor bitmap", "%s", bits);
	field_int(out, "  monitor packets sent", m, "pkt-sent");
	field_int(out, "  monitor packets recv", m, "pkt-recv");
}

static void flow_life(FILE *out, const json_t *e)
{
	const json_t *size = json_object_get(e, "remainsize");

	field_int(out, "tunnel mtu", e, "mtu");
	if (json_object_get(e, "path-mtu"))
		field_int(out, "path mtu learned", e, "path-mtu");
	field_int(out, "soft lifetime", e, "softtime");
	field_int(out, "hard lifetime", e, "hardtime");
	field(out, "lifetime remain", "%lld sec", render_int(e, "remaintime"));
	if (json_is_integer(size))
		field(out, "lifesize remain", "%lld KB", (long long)json_integer_value(size) / 1024);
	else
		field(out, "lifesize remain", "N/A");
	field(out, "latest rekey", "%lld seconds ago", render_int(e, "last-rekey"));
}

static void flow_counters(FILE *out, const json_t *e)
{
	static const struct {
		const char *label, *key;
	} counters[] = {
		{"authentication errors", "auth-err"},   {"decryption errors", "dec-err"},
		{"inner packet warnings", "inner-warn"}, {"replay packets", "pkt-replay"},
		{"sending sequence", "seq-send"},        {"receive sequence", "seq-recv"},
		{"encap packets", "pkt-encap"},          {"decap packets", "pkt-decap"},
		{"encap bytes", "byte-encap"},           {"decap bytes", "byte-decap"},
		{"key acquire requests", "acquire"},     {"dropped without SA", "no-sa-drops"},
	};

	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		field_int(out, counters[i].label, e, counters[i].key);
}

/* Only where it is configured: PAN-OS has no such line. */
static void flow_tfc(FILE *out, const json_t *e)
{
	const json_t *to = json_object_get(e, "tfc-pad-to");
	const char *refused = render_bool(e, "tfc-refused") ? ", but the peer takes none" : "";

	if (json_is_integer(to))
		field(out, "TFC padding", "to %lld bytes%s", (long long)json_integer_value(to), refused);
	else if (to)
		field(out, "TFC padding", "to the tunnel mtu%s", refused);
	if (render_int(e, "tfc-dummy-rate"))
		field(out, "TFC dummies", "%lld a second", render_int(e, "tfc-dummy-rate"));
}

/* Packets that did not come in order, by how far behind the newest they came. */
static void flow_reorder(FILE *out, const json_t *e)
{
	long long needed = render_int(e, "window-needed");
	const json_t *b;
	size_t i;

	field_int(out, "late packets", e, "pkt-late");
	field_int(out, "left of window", e, "pkt-left");
	json_array_foreach(render_list(e, "reorder"), i, b)
	{
		const json_t *to = json_object_get(b, "to");
		char label[48];

		if (json_is_integer(to))
			snprintf(label, sizeof(label), "  behind %lld-%lld", render_int(b, "from"),
				 (long long)json_integer_value(to));
		else
			snprintf(label, sizeof(label), "  behind %lld and more", render_int(b, "from"));
		field(out, label, "%lld late, %lld left of window", render_int(b, "late"),
		      render_int(b, "left"));
	}
	if (!needed)
		field(out, "window needed", "any: all came in order");
	else
		field(out, "window needed", "%lld%s", needed,
		      needed > 16384 ? ", more than the largest, 16384" : "");
}

/* What a tunnel that is up carries, and where to look when that is half of it. */
static void flow_traffic(FILE *out, const json_t *e)
{
	const char *t = render_str(e, "traffic");
	long long s = render_int(e, "one-way-s");

	if (strcmp(t, "out only") == 0)
		field(out, "traffic",
		      "out only for %lld s: nothing comes back through the tunnel; look at the peer for a route or "
		      "policy back, NAT before the tunnel, ESP blocked on the way, an SA that it lost",
		      s);
	else if (strcmp(t, "in only") == 0)
		field(out, "traffic",
		      "in only for %lld s: nothing goes back through the tunnel; look here for a security rule, a "
		      "route into it and the hosts' own route (test vpn packet, show counter drop)",
		      s);
	else
		field(out, "traffic", "%s", t);
}

static void flow_detail(FILE *out, const json_t *e)
{
	const json_t *ts = json_object_get(e, "ts");
	bool up = ts;

	fprintf(out, "tunnel  %s\n", render_str(e, "name"));
	field_int(out, "id", e, "id");
	field(out, "type", "%s", render_str(e, "type"));
	field_int(out, "gateway id", e, "gwid");
	field(out, "local ip", "%s", render_str(e, "localip"));
	field(out, "peer ip", "%s", render_str(e, "peerip"));
	field(out, "inner interface", "%s", render_str(e, "inner-if"));
	field(out, "outer interface", "%s", render_str(e, "outer-if"));
	field(out, "state", "%s", render_str(e, "state"));
	if (up)
		flow_life(out, e);
	monitor(out, json_object_get(e, "monitor"));
	if (up) {
		field(out, "local spi", "%s", render_str(e, "local-spi"));
		field(out, "remote spi", "%s", render_str(e, "remote-spi"));
	}
	field(out, "key type", "%s", render_str(e, "keytype"));
	field(out, "protocol", "%s", render_str(e, "proto"));
	if (strcmp(render_str(e, "mode"), "trans") == 0) /* PAN-OS has no such line */
		field(out, "mode", "transport");
	field(out, "auth algorithm", "%s", up ? render_str(e, "auth") : "not established");
	field(out, "enc  algorithm", "%s", up ? render_str(e, "enc") : "not established");
	if (up && render_bool(e, "natt"))
		field(out, "NAT traversal", "UDP %lld - %lld", render_int(e, "natt-lp"),
		      render_int(e, "natt-rp"));
	if (up)
		traffic_selectors(out, ts);
	else
		proxy_id(out, json_object_get(e, "proxy-id"));
	field_bool(out, "anti replay check", e, "anti-replay");
	field_int(out, "anti replay window", e, "anti-replay-window");
	flow_tfc(out, e);
	field_bool(out, "copy tos", e, "copy-tos");
	field(out, "outer DF", "%s", render_str(e, "df"));
	field_bool(out, "adjust tcp mss", e, "adjust-tcp-mss");
	field_bool(out, "enable gre encap", e, "enable-gre-encap");
	if (up)
		field_bool(out, "initiator", e, "initiator");
	if (up)
		flow_traffic(out, e);
	flow_counters(out, e);
	flow_reorder(out, e);
	if (up)
		field_int(out, "owner cpuid", e, "owner-cpuid");
	fputc('\n', out);
}

void render_flow(FILE *out, const json_t *doc)
{
	const json_t *e;
	size_t i;

	if (!render_bool(doc, "detail")) {
		render_flow_part(out, doc, &(struct render_parts){.last = true});
		return;
	}
	json_array_foreach(render_list(doc, "entries"), i, e) flow_detail(out, e);
}
