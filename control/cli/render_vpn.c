/* SPDX-License-Identifier: Apache-2.0 */
/* show vpn …: the layouts of PAN-OS.  Golden files under tests/unit/control hold those that are verified. */
#include <string.h>

#include "render.h"

/* ---- ike-sa ---------------------------------------------------------------------------------------- */

static void ike_sas(FILE *out, const json_t *list, struct render_width *w)
{
	static const struct render_column cols[] = {
		{"Gateway ID", 16}, {"Peer-Address", 23}, {"Gateway Name", 23}, {"Role", 5}, {"SN", 9},
		{"Algorithm", 22},  {"Established", 16},  {"Expiration", 16},   {"Xt", 3},   {"Child", 7},
		{"ST", 0}};
	struct render_table *t;
	char when[RENDER_TIME];
	const json_t *e;
	size_t i;

	if (!w->begun)
		fputs("IKEv2 SAs\n", out);
	t = table_new(RENDER_COLUMNS(cols));
	json_array_foreach(list, i, e)
	{
		table_cell(t, "%lld", render_int(e, "gwid"));
		table_cell(t, "%s", render_str(e, "remote-ip"));
		table_cell(t, "%s", render_str(e, "name"));
		table_cell(t, "%s", render_str(e, "role"));
		table_cell(t, "%lld", render_int(e, "sn"));
		table_cell(t, "%s", render_str(e, "algo"));
		table_cell(t, "%s", render_time(e, "created", when));
		table_cell(t, "%s", render_time(e, "expires", when));
		table_cell(t, "%lld", render_int(e, "retransmits"));
		table_cell(t, "%lld", render_int(e, "child"));
		table_cell(t, "%s", render_str(e, "state"));
	}
	table_print_part(out, t, w);
}

static void child_sas(FILE *out, const json_t *list, struct render_width *w)
{
	static const struct render_column cols[] = {
		{"Gateway Name", 23}, {"TnID", 9},    {"Tunnel", 26},  {"ID", 9},    {"Parent", 9},
		{"Role", 5},          {"SPI(in)", 9}, {"SPI(out)", 9}, {"MsgID", 9}, {"ST", 0}};
	struct render_table *t;
	const json_t *e;
	size_t i;

	if (!w->begun)
		fputs("\nIKEv2 IPSec Child SAs\n", out);
	t = table_new(RENDER_COLUMNS(cols));
	json_array_foreach(list, i, e)
	{
		table_cell(t, "%s", render_str(e, "gateway"));
		table_cell(t, "%lld", render_int(e, "tid"));
		table_cell(t, "%s", render_str(e, "name"));
		table_cell(t, "%lld", render_int(e, "id"));
		table_cell(t, "%lld", render_int(e, "parent"));
		table_cell(t, "%s", render_str(e, "role"));
		table_cell(t, "%08llX", render_int(e, "i_spi"));
		table_cell(t, "%08llX", render_int(e, "o_spi"));
		table_cell(t, "%08llX", render_int(e, "msgid"));
		table_cell(t, "%s", render_str(e, "state"));
	}
	table_print_part(out, t, w);
}

static void ike_sa_end(FILE *out, const json_t *doc, const struct render_parts *p)
{
	if (p->list[0].begun) {
		if (!p->list[1].begun && render_list(doc, "children"))
			fputs("\nThere is no IKEv2 IPSec Child SA found.\n", out);
		fprintf(out, "\nShow IKEv2 SA: Total %lld gateways found. %lld ike sa found.\n",
			render_int(doc, "gateways-found"), render_int(doc, "ike-sa-found"));
		render_shown(out, doc);
	} else {
		fputs("There is no IKEv2 SA found.\n", out);
	}
	render_failures(out, doc, false);
}

void render_ike_sa_part(FILE *out, const json_t *doc, struct render_parts *p)
{
	const json_t *sas = render_list(doc, "entries"), *children = render_list(doc, "children");

	if (render_part_due(p, 0, sas)) {
		if (!p->list[0].begun)
			fputs("\nThere is no IKEv1 phase-1 SA found.\n\nThere is no IKEv1 phase-2 SA found.\n\n",
			      out);
		if (json_array_size(sas) || render_bool(doc, "filtered"))
			ike_sas(out, sas, &p->list[0]);
	}
	if (p->list[0].begun && json_array_size(children))
		child_sas(out, children, &p->list[1]);
	if (p->last)
		ike_sa_end(out, doc, p);
}

void render_ike_sa(FILE *out, const json_t *doc)
{
	render_ike_sa_part(out, doc, &(struct render_parts){.last = true});
}

/* ---- ike-sa detail --------------------------------------------------------------------------------- */

static const char *id_type(const json_t *id)
{
	const char *t = render_str(id, "type");

	return strcmp(t, "ipaddr") == 0
		       ? strchr(render_str(id, "value"), ':') ? "IPv6_address" : "IPv4_address"
	       : strcmp(t, "fqdn") == 0  ? "FQDN"
	       : strcmp(t, "ufqdn") == 0 ? "User_FQDN"
	       : strcmp(t, "keyid") == 0 ? "KEY_ID"
					 : "ASN1_DN";
}

static void detail_certificate(FILE *out, const char *what, const json_t *c)
{
	char until[RENDER_TIME];

	if (!c)
		return;
	fprintf(out, "%s: %s\n", what, render_str(c, "subject"));
	fprintf(out, "  issuer:      %s\n", render_str(c, "issuer"));
	fprintf(out, "  serial:      %s\n", render_str(c, "serial"));
	fprintf(out, "  key:         %s\n", render_str(c, "key"));
	fprintf(out, "  valid until: %s\n", render_date(c, "not-after", until));
	fprintf(out, "  SHA-256:     %s\n", render_str(c, "fingerprint"));
}

static void detail_ids(FILE *out, const json_t *e)
{
	const json_t *local = json_object_get(e, "local-id"), *remote = json_object_get(e, "remote-id");
	bool init = strcmp(render_str(e, "role"), "Init") == 0;
	const json_t *i = init ? local : remote, *r = init ? remote : local;

	fprintf(out, "ID local: %s:%s\n", render_str(local, "type"), render_str(local, "value"));
	fprintf(out, "remote: %s:%s\n", render_str(remote, "type"), render_str(remote, "value"));
	fprintf(out, "ID_i: %s:%s\n", id_type(i), render_str(i, "value"));
	fprintf(out, "ID_r: %s:%s\n", id_type(r), render_str(r, "value"));
}

static void detail_nat(FILE *out, const json_t *e)
{
	bool me = render_bool(e, "nat-local"), peer = render_bool(e, "nat-remote");

	if (!me && !peer)
		fputs("NAT: Not detected\n", out);
	else
		fprintf(out, "NAT: %s%s%s\n", me ? "Me behind NAT" : "", me && peer ? ", " : "",
			peer ? "Peer behind NAT" : "");
}

static void detail_child(FILE *out, const json_t *c)
{
	char created[RENDER_TIME], expires[RENDER_TIME], rekey[RENDER_TIME];
	const json_t *t;
	size_t i;

	fprintf(out, "\nChild SA %lld:\nTunnel: %s, ID %lld\n", render_int(c, "id"), render_str(c, "name"),
		render_int(c, "tid"));
	fprintf(out, "SPI: %08llX:%08llX %s\n", render_int(c, "i_spi"), render_int(c, "o_spi"),
		render_str(c, "role"));
	fprintf(out, "State: %s\n", render_str(c, "state"));
	fprintf(out, "Proposal: ESP/%s/%s/%s\n", render_str(c, "enc"), render_str(c, "hash"),
		render_str(c, "dh"));
	json_array_foreach(render_list(c, "ts-local"), i, t)
		fprintf(out, "TS local: %s\n", json_string_value(t));
	json_array_foreach(render_list(c, "ts-remote"), i, t)
		fprintf(out, "TS remote: %s\n", json_string_value(t));
	fprintf(out, "Created: %s, rekey: %s, expires: %s\n", render_time(c, "created", created),
		render_time(c, "rekey-at", rekey), render_time(c, "expires", expires));
}

static void detail(FILE *out, const json_t *doc, const json_t *e)
{
	char t[RENDER_TIME], u[RENDER_TIME], v[RENDER_TIME];
	const json_t *c;
	size_t i;

	fprintf(out, "IKE Gateway %s, ID %lld %s[%lld] => %s[%lld]\n", render_str(e, "name"),
		render_int(e, "gwid"), render_str(e, "local-ip"), render_int(e, "local-port"),
		render_str(e, "remote-ip"), render_int(e, "remote-port"));
	fprintf(out, "Current time: %s\n\nIKE SA:\n", render_time(doc, "now", t));
	fprintf(out, "SPI: %s:%s %s\n", render_str(e, "spi-i"), render_str(e, "spi-r"),
		render_str(e, "role"));
	fprintf(out, "State: %s\nSN: %lld\n", render_str(e, "state"), render_int(e, "sn"));
	fprintf(out, "Authentication: %s, peer %s\n", render_str(e, "auth"), render_str(e, "peer-auth"));
	detail_certificate(out, "Certificate", json_object_get(e, "certificate"));
	detail_certificate(out, "Peer certificate", json_object_get(e, "peer-certificate"));
	if (render_str(e, "enc")[0])
		fprintf(out, "Proposal: %s/%s/%s\n", render_str(e, "enc"),
			render_str(e, "hash")[0] ? render_str(e, "hash") : render_str(e, "prf"),
			render_str(e, "dh"));
	detail_ids(out, e);
	detail_nat(out, e);
	fprintf(out, "Message ID: rx %lld, tx %lld\n", render_int(e, "msgid-rx"), render_int(e, "msgid-tx"));
	if (render_int(e, "dpd-interval"))
		fprintf(out, "Liveness check: sending informational packet after idle %lld seconds\n",
			render_int(e, "dpd-interval"));
	else
		fputs("Liveness check: off\n", out);
	fprintf(out, "Created: %s, %s: %s, expires: %s\n", render_time(e, "created", t),
		render_bool(e, "reauthenticate") ? "reauthentication" : "rekey",
		render_time(e, "rekey-at", u), render_time(e, "expires", v));
	fprintf(out, "Rekeyed since authentication: %lld\n", render_int(e, "rekeys"));
	json_array_foreach(render_list(doc, "children"), i,
			   c) if (render_int(c, "parent") == render_int(e, "sn")) detail_child(out, c);
	fputc('\n', out);
}

void render_ike_sa_detail(FILE *out, const json_t *doc)
{
	const json_t *e;
	size_t i;

	if (json_array_size(render_list(doc, "entries")) == 0)
		fputs("There is no IKEv2 SA found.\n", out);
	json_array_foreach(render_list(doc, "entries"), i, e) detail(out, doc, e);
	render_shown(out, doc);
	render_failures(out, doc, true);
}

/* ---- ipsec-sa -------------------------------------------------------------------------------------- */

static void ipsec_sa_detail(FILE *out, const json_t *e)
{
	fprintf(out, "IPSec SA of gateway %s, ID %lld => %s", render_str(e, "gateway"), render_int(e, "gwid"),
		render_str(e, "remote"));
	detail_child(out, e);
	if (render_int(e, "kb"))
		fprintf(out, "Life size: %lld KB\n", render_int(e, "kb"));
	else
		fputs("Life size: Unlimited\n", out);
	fprintf(out, "Life time: %lld sec, remaining: %lld sec\n", render_int(e, "life"),
		render_int(e, "remain"));
	fprintf(out, "ESP in UDP: %s\n\n", render_bool(e, "udp-encap") ? "yes" : "no");
}

static void ipsec_sas(FILE *out, const json_t *list, struct render_width *w)
{
	static const struct render_column cols[] = {
		{"GwID/client IP", 16},  {"TnID", 7},          {"Peer-Address", 23},
		{"Tunnel(Gateway)", 47}, {"Algorithm", 19},    {"SPI(in)", 9},
		{"SPI(out)", 9},         {"life(Sec/KB)", 25}, {"remain-time(Sec)", 0}};
	struct render_table *t = table_new(RENDER_COLUMNS(cols));
	const json_t *e;
	size_t i;

	json_array_foreach(list, i, e)
	{
		table_cell(t, "%lld", render_int(e, "gwid"));
		table_cell(t, "%lld", render_int(e, "tid"));
		table_cell(t, "%s", render_str(e, "remote"));
		table_cell(t, "%s(%s)", render_str(e, "name"), render_str(e, "gateway"));
		table_cell(t, "ESP/%s/%s", render_str(e, "enc"), render_str(e, "hash"));
		table_cell(t, "%08llX", render_int(e, "i_spi"));
		table_cell(t, "%08llX", render_int(e, "o_spi"));
		if (render_int(e, "kb"))
			table_cell(t, "%lld/%lld", render_int(e, "life"), render_int(e, "kb"));
		else
			table_cell(t, "%lld/Unlimited", render_int(e, "life"));
		table_cell(t, "%lld", render_int(e, "remain"));
	}
	table_print_part(out, t, w);
}

void render_ipsec_sa_part(FILE *out, const json_t *doc, struct render_parts *p)
{
	const json_t *list = render_list(doc, "entries");

	if (json_array_size(list) || (p->last && !p->list[0].begun && render_bool(doc, "filtered")))
		ipsec_sas(out, list, &p->list[0]);
	if (p->last && p->list[0].begun) {
		fprintf(out, "\nShow IPSec SA: Total %lld tunnels found. %lld ipsec sa found.\n",
			render_int(doc, "ntun"), render_int(doc, "ipsec-sa-found"));
		render_shown(out, doc);
	} else if (p->last) {
		fputs("\nThere is no IPSec SA found.\n", out);
	}
}

void render_ipsec_sa(FILE *out, const json_t *doc)
{
	const json_t *e;
	size_t i;

	if (!render_bool(doc, "detail") || !json_array_size(render_list(doc, "entries"))) {
		render_ipsec_sa_part(out, doc, &(struct render_parts){.last = true});
		return;
	}
	json_array_foreach(render_list(doc, "entries"), i, e) ipsec_sa_detail(out, e);
	render_shown(out, doc);
}

/* ---- gateway, tunnel ------------------------------------------------------------------------------- */

/* "[DH14,DH19]" of a list of words, nothing of an empty one */
static void words(char *to, size_t cap, const json_t *list)
{
	const json_t *w;
	size_t i, n = strlen(to);

	if (json_array_size(list) == 0)
		return;
	n += (size_t)snprintf(to + n, cap - n, "[");
	json_array_foreach(list, i, w) if (n < cap)
		n += (size_t)snprintf(to + n, cap - n, "%s%s", i ? "," : "", json_string_value(w));
	if (n < cap)
		snprintf(to + n, cap - n, "]");
}

static void who(struct render_table *t, const json_t *e, const char *ip, const char *id)
{
	const json_t *d = json_object_get(e, id);
	char text[256];

	/* An identity that is the address says nothing new. */
	if (strcmp(render_str(d, "value"), render_str(e, ip)) == 0)
		d = NULL;
	snprintf(text, sizeof(text), "(%s:%s)", render_str(d, "type"), render_str(d, "value"));
	/* The identity is cut to its column, as there: the document has it whole. */
	table_cell(t, "%.*s%.*s", 30, render_str(e, ip), d ? 30 - (int)strlen(render_str(e, ip)) : 0, text);
}

void render_gateway(FILE *out, const json_t *doc)
{
	static const struct render_column cols[] = {
		{"GwID", 9},      {"Name", 21},    {"Peer-Address/ID", 31}, {"Local Address/ID", 31},
		{"Protocol", 12}, {"Proposals", 0}};
	struct render_table *t;
	const json_t *e;
	size_t i;

	t = table_new(RENDER_COLUMNS(cols));
	json_array_foreach(render_list(doc, "entries"), i, e)
	{
		char proposals[512] = "";

		table_cell(t, "%lld", render_int(e, "gwid"));
		table_cell(t, "%s", render_str(e, "name"));
		who(t, e, "peer-ip", "peer-id");
		who(t, e, "local-ip", "local-id");
		table_cell(t, "%s", render_str(e, "proto"));
		words(proposals, sizeof(proposals), render_list(e, "dh"));
		words(proposals, sizeof(proposals), render_list(e, "enc"));
		words(proposals, sizeof(proposals), render_list(e, "hash"));
		table_cell(t, "[%s]%s%lld-sec", render_str(e, "auth"), proposals, render_int(e, "life"));
	}
	table_print(out, t);
	json_array_foreach(render_list(doc, "entries"), i, e)
	{
		const json_t *c = json_object_get(e, "certificate");
		char until[RENDER_TIME];

		if (c)
			fprintf(out, "%s: certificate %s, %s, valid until %s\n", render_str(e, "name"),
				render_str(c, "subject"), render_str(c, "key"),
				render_date(c, "not-after", until));
	}
	fprintf(out, "\nShow IKE gateway config: Total %lld gateways found.\n",
		render_int(doc, "gateways-found"));
	render_shown(out, doc);
}

enum { PORTS = 24 };
static const char *ports(const json_t *e, const char *lo, const char *hi, char buf[PORTS])
{
	if (render_int(e, hi))
		snprintf(buf, PORTS, "%lld-%lld", render_int(e, lo), render_int(e, hi));
	else
		snprintf(buf, PORTS, "%lld", render_int(e, lo));
	return buf;
}

void render_tunnel_part(FILE *out, const json_t *doc, struct render_parts *p)
{
	const json_t *e;
	size_t i;

	if (!p->list[0].begun)
		fputs("TnID    Name(Gateway)                        Local Proxy IP     Ptl:Port      Remote Proxy IP    "
		      "Ptl:Port         Proposals\n"
		      "----    -------------                        --------------     --------      ---------------    "
		      "--------         ---------\n",
		      out);
	p->list[0].begun = true;
	json_array_foreach(render_list(doc, "entries"), i, e)
	{
		char proposals[512] = "", port[PORTS];

		render_col(out, 11, "%lld", render_int(e, "id"));
		render_col(out, 34, "%s(%s)", render_str(e, "name"), render_str(e, "gw"));
		render_col(out, 19, "%s/%lld", render_str(e, "TSi_ip"), render_int(e, "TSi_prefix"));
		render_col(out, 14, "%lld:%s", render_int(e, "TSi_proto"),
			   ports(e, "TSi_port", "TSi_port_end", port));
		render_col(out, 19, "%s/%lld", render_str(e, "TSr_ip"), render_int(e, "TSr_prefix"));
		render_col(out, 12, "%lld:%s", render_int(e, "TSr_proto"),
			   ports(e, "TSr_port", "TSr_port_end", port));
		if (json_array_size(render_list(e, "dh")))
			words(proposals, sizeof(proposals), render_list(e, "dh"));
		else
			snprintf(proposals, sizeof(proposals), "[no-pfs]");
		words(proposals, sizeof(proposals), render_list(e, "enc"));
		words(proposals, sizeof(proposals), render_list(e, "hash"));
		fputs("ESP tunl ", out);
		render_col(out, 22, "%s", proposals);
		fprintf(out, "%lld-sec\n", render_int(e, "life"));
	}
	if (!p->last)
		return;
	fprintf(out, "\nShow IPSec tunnel config: Total %lld tunnels found\n",
		render_int(doc, "tunnels-found"));
	render_shown(out, doc);
}

void render_tunnel(FILE *out, const json_t *doc)
{
	const json_t *e;
	size_t i;

	render_tunnel_part(out, doc, &(struct render_parts){.last = true});
	/* The table is what one asks about all for; of one there is room for why it is down. */
	if (render_bool(doc, "detail"))
		json_array_foreach(render_list(doc, "entries"), i, e) render_own_failures(out, e);
}
