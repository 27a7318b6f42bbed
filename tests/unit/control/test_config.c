/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: a sound file gives the model it describes; every change for the worse gives exactly
 * the line written beside it here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "wire.h"

/* libconfig 1.5 loses its scanner's buffer when a string ends with the file; nothing of ours is excused. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libconfig.so";
}

static char dir[] = "/tmp/culvert-test-config-XXXXXX";

/* Line numbers below count from here. */
static const char base[] =
	/*  1 */
	"system = { hostname = \"hq\"; idle = \"adaptive\"; hugepages = false; };\n"
	/*  2 */ "interfaces = (\n"
	/*  3 */
	" { name = \"ethernet1/1\"; port = \"net_af_packet0,iface=d-wan\"; address = (\"198.51.100.20/24\"); },\n"
	/*  4 */
	" { name = \"ethernet1/2\"; port = \"0000:3b:00.1\"; address = \"10.20.20.1/24\"; zone = \"trust\"; },\n"
	/*  5 */ " { name = \"tunnel.1\"; zone = \"VPN-Zone\"; address = [\"169.254.0.1/30\"]; } );\n"
	/*  6 */ "routes = (\n"
	/*  7 */ " { destination = \"0.0.0.0/0\"; via = \"198.51.100.1\"; },\n"
	/*  8 */
	" { name = \"Route-to-Branch\"; destination = \"10.10.10.0/24\"; interface = \"tunnel.1\"; } );\n"
	/*  9 */ "ike-crypto-profiles = ( { name = \"IKE-P\"; dh-group = (\"group14\", \"group19\");\n"
	/* 10 */
	" authentication = (\"sha256\"); encryption = (\"aes-256-cbc\"); lifetime = \"8h\"; authentication-multiple = 5; } );\n"
	/* 11 */ "ipsec-crypto-profiles = ( { name = \"ESP-P\"; encryption = (\"aes-256-cbc\");\n"
	/* 12 */
	" authentication = (\"sha256\"); dh-group = \"group14\"; lifetime = \"3600s\"; lifesize = \"100gb\"; } );\n"
	/* 13 */ "ike-gateways = ( { name = \"GW\"; version = \"ikev2\"; interface = \"ethernet1/1\";\n"
	/* 14 */ " local-address = \"198.51.100.20\"; peer-address = \"203.0.113.10\";\n"
	/* 15 */ " pre-shared-key = \"0123456789abcdef0123456789abcdef\";\n"
	/* 16 */ " local-id = { type = \"ipaddr\"; value = \"198.51.100.20\"; };\n"
	/* 17 */ " peer-id = { type = \"fqdn\"; value = \"branch.example.com\"; };\n"
	/* 18 */
	" ike-crypto-profile = \"IKE-P\"; dpd = { interval = 20; retry = 5; }; nat-traversal = \"force\";\n"
	/* 19 */ " } );\n"
	/* 20 */
	"ipsec-tunnels = ( { name = \"TUN\"; tunnel-interface = \"tunnel.1\"; ike-gateway = \"GW\";\n"
	/* 21 */
	" ipsec-crypto-profile = \"ESP-P\"; anti-replay-window = 4096; ts-policy = \"exact\"; start = true;\n"
	/* 22 */ " proxy-ids = (\n"
	/* 23 */
	"  { name = \"P1\"; local = \"10.20.20.0/24\"; remote = \"10.10.10.0/24\"; protocol = \"any\"; },\n"
	/* 24 */
	"  { name = \"P2\"; local = \"10.20.21.0/24\"; remote = \"10.10.10.0/24\"; protocol = \"tcp\";\n"
	/* 25 */ "    local-port = 443; } ); } );\n";

struct said {
	unsigned n, warnings;
	char text[8192];
};

static void say(void *arg, bool warning, const char *line)
{
	struct said *s = arg;
	size_t len = strlen(s->text);
	const char *shown = line;

	/* Lines begin with the path of the file, which differs from run to run. */
	if (strncmp(line, dir, strlen(dir)) == 0 && strncmp(line + strlen(dir), "/c.conf", 7) == 0)
		shown = line + strlen(dir) + strlen("/c.conf");
	s->n++;
	s->warnings += warning;
	snprintf(s->text + len, sizeof(s->text) - len, "%s%s\n", warning ? "warning " : "", shown);
}

static void path_in(const char *name, char path[256])
{
	snprintf(path, 256, "%s/%s", dir, name);
}

static void put_file(const char *name, const void *text, size_t len, mode_t mode)
{
	char path[256];
	FILE *f;

	path_in(name, path);
	unlink(path);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static struct config *load(const char *text, struct said *s)
{
	char path[256];

	memset(s, 0, sizeof(*s));
	put_file("c.conf", text, strlen(text), 0600);
	path_in("c.conf", path);
	return config_load(path, say, s);
}

/* base with the first `find` replaced. */
static char *changed(const char *find, const char *replace)
{
	const char *at = strstr(base, find);
	size_t n = strlen(base) + strlen(replace) + 1;
	char *r = malloc(n);

	assert_non_null(r);
	if (!at)
		fail_msg("not in base: %s", find);
	snprintf(r, n, "%.*s%s%s", (int)(at - base), base, replace, at + strlen(find));
	return r;
}

static void test_sound(void **state)
{
	struct said s;
	struct config *c = load(base, &s);
	char buf[PREFIX_STR];

	if (!c) {
		fail_msg("refused: %s", s.text);
		return;
	}
	assert_string_equal(s.text, "");
	assert_string_equal(c->sys.hostname, "hq");
	assert_true(c->sys.adaptive_idle);
	assert_false(c->sys.hugepages);
	assert_int_equal(c->sys.workers, 1);
	assert_int_equal(c->n_interfaces, 3);
	assert_false(c->interfaces[0].tunnel);
	assert_int_equal(c->interfaces[0].mtu, 1500);
	assert_string_equal(c->interfaces[0].port, "net_af_packet0,iface=d-wan");
	assert_string_equal(prefix_str(&c->interfaces[0].addr[0], buf), "198.51.100.20/24");
	assert_true(c->interfaces[2].tunnel);
	assert_int_equal(c->interfaces[2].n_addr, 1);
	assert_int_equal(c->n_routes, 2);
	assert_string_equal(c->routes[1].name, "Route-to-Branch");
	assert_string_equal(c->routes[1].interface, "tunnel.1");
	assert_int_equal(c->routes[1].via.v, 0);
	config_free(c);
}

/* A VLAN is of the port that its name says, wherever that stands, and takes over its MTU. */
static void test_vlan_model(void **state)
{
	struct said s;
	char *text = changed("{ name = \"ethernet1/1\"",
			     "{ name = \"ethernet1/2.100\"; tag = 7; address = \"10.20.21.1/24\"; }, "
			     "{ name = \"ethernet1/1\"");
	struct config *c = load(text, &s);

	assert_non_null(c);
	assert_string_equal(s.text, "");
	assert_true(c->interfaces[0].vlan && !c->interfaces[0].tunnel && !c->interfaces[2].vlan);
	assert_int_equal(c->interfaces[0].tag, 7);
	assert_int_equal(c->interfaces[0].mtu, c->interfaces[2].mtu);
	assert_string_equal(c->interfaces[0].port, "");
	assert_ptr_equal(config_vlan_port(c, &c->interfaces[0]), &c->interfaces[2]);
	assert_null(config_vlan_port(c, &c->interfaces[1]));
	config_free(c);
	free(text);
}

static void test_gateway_model(void **state)
{
	struct said s;
	struct config *c = load(base, &s);
	const struct ike_gw_conf *g;
	char buf[ADDR_STR];

	assert_non_null(c);
	assert_int_equal(c->n_gateways, 1);
	g = &c->gateways[0].ike;
	assert_string_equal(g->name, "GW");
	assert_int_equal(g->id, 1);
	assert_string_equal(addr_str(&g->local, buf), "198.51.100.20");
	assert_string_equal(addr_str(&g->remote, buf), "203.0.113.10");
	assert_int_equal(g->psk_len, 32);
	assert_memory_equal(g->psk, "0123456789abcdef0123456789abcdef", 32);
	assert_int_equal(g->local_id.type, ID_IPV4_ADDR);
	assert_int_equal(g->local_id.len, 4);
	assert_memory_equal(g->local_id.data, "\xc6\x33\x64\x14", 4);
	assert_int_equal(g->remote_id.type, ID_FQDN);
	assert_int_equal(g->remote_id.len, 18);
	assert_memory_equal(g->remote_id.data, "branch.example.com", 18);
	assert_int_equal(g->ike.n_encr, 1);
	assert_int_equal(g->ike.encr[0].id, ENCR_AES_CBC);
	assert_int_equal(g->ike.encr[0].key_bits, 256);
	assert_int_equal(g->ike.n_integ, 1);
	assert_int_equal(g->ike.integ[0], AUTH_HMAC_SHA2_256_128);
	assert_int_equal(g->ike.n_prf, 1);
	assert_int_equal(g->ike.prf[0], PRF_HMAC_SHA2_256);
	assert_int_equal(g->ike.n_dh, 2);
	assert_int_equal(g->ike.dh[0], DH_MODP2048);
	assert_int_equal(g->ike.dh[1], DH_ECP256);
	assert_int_equal(g->lifetime_s, 28800);
	assert_int_equal(g->reauth_every, 5);
	assert_int_equal(g->dpd_interval_s, 20);
	assert_int_equal(g->dpd_retry, 5);
	assert_int_equal(g->natt, IKE_NATT_FORCE);
	assert_int_equal(g->natt_keepalive_s, 20);
	assert_int_equal(g->fragment_size, 1280);
	assert_false(g->passive);
	assert_int_equal(g->n_children, 0);
	config_free(c);
}

static void test_tunnel_model(void **state)
{
	struct said s;
	struct config *c = load(base, &s);
	const struct cfg_tunnel *t;
	char buf[PREFIX_STR];

	assert_non_null(c);
	t = config_tunnel(c, "TUN");
	assert_non_null(t);
	assert_null(config_tunnel(c, "nope"));
	assert_int_equal(t->replay_window, 4096);
	assert_int_equal(t->ts_policy, IKE_TS_EXACT);
	assert_true(t->start);
	assert_int_equal(t->n_proxy_ids, 2);
	assert_string_equal(prefix_str(&t->proxy_ids[1].local, buf), "10.20.21.0/24");
	assert_int_equal(t->proxy_ids[1].proto, 6);
	assert_int_equal(t->proxy_ids[1].local_port, 443);
	assert_int_equal(t->proxy_ids[1].remote_port, 0);
	assert_int_equal(c->ipsec_profiles[0].life_bytes, 100ull << 30);
	assert_int_equal(c->ipsec_profiles[0].lifetime_s, 3600);
	assert_string_equal(config_interface(c, "ethernet1/2")->zone, "trust");
	config_free(c);
}

/* What a file that leaves everything optional out means. */
static void test_defaults(void **state)
{
	static const char text[] =
		"interfaces = ( { name = \"ethernet1/1\"; port = \"3b:00.0\"; address = \"198.51.100.20/24\"; },"
		" { name = \"tunnel.1\"; } );\n"
		"routes = ( { destination = \"0.0.0.0/0\"; interface = \"tunnel.1\"; } );\n"
		"ike-crypto-profiles = ( { name = \"I\"; dh-group = \"group31\"; encryption = \"aes-256-gcm\"; prf = "
		"\"sha384\"; } );\n"
		"ipsec-crypto-profiles = ( { name = \"E\"; dh-group = \"no-pfs\"; encryption = \"aes-128-gcm\"; } );\n"
		"ike-gateways = ( { name = \"G\"; interface = \"ethernet1/1\"; peer-address = \"198.51.100.21\";"
		" pre-shared-key = \"0123456789abcdef0123456789abcdef\"; ike-crypto-profile = \"I\"; } );\n"
		"ipsec-tunnels = ( { name = \"T\"; tunnel-interface = \"tunnel.1\"; ike-gateway = \"G\";"
		" ipsec-crypto-profile = \"E\"; } );\n";
	struct said s;
	struct config *c = load(text, &s);
	const struct ike_gw_conf *g;
	const struct cfg_tunnel *t;
	char buf[PREFIX_STR];

	if (!c) {
		fail_msg("refused: %s", s.text);
		return;
	}
	assert_string_equal(s.text, "");
	assert_true(c->sys.hugepages);
	assert_false(c->sys.adaptive_idle);
	assert_int_equal(c->sys.workers, 1);
	assert_string_equal(c->sys.cli_socket, "/run/culvert/culvert.sock");
	assert_string_equal(c->sys.log_file, "");
	assert_true(strlen(c->sys.hostname) > 0);
	g = &c->gateways[0].ike;
	assert_string_equal(addr_str(&g->local, buf), "198.51.100.20");
	assert_int_equal(g->local_id.type, 0);
	assert_int_equal(g->remote_id.type, 0);
	assert_int_equal(g->natt, IKE_NATT_AUTO);
	assert_int_equal(g->dpd_interval_s, 10);
	assert_int_equal(g->dpd_retry, 3);
	assert_int_equal(g->lifetime_s, 28800);
	assert_int_equal(g->ike.n_integ, 0);
	assert_int_equal(g->ike.n_prf, 1);
	assert_int_equal(g->ike.prf[0], PRF_HMAC_SHA2_384);
	t = &c->tunnels[0];
	assert_int_equal(t->n_proxy_ids, 1);
	assert_string_equal(t->proxy_ids[0].name, "");
	assert_string_equal(prefix_str(&t->proxy_ids[0].local, buf), "0.0.0.0/0");
	assert_string_equal(prefix_str(&t->proxy_ids[0].remote, buf), "0.0.0.0/0");
	assert_int_equal(t->proxy_ids[0].proto, 0);
	assert_int_equal(t->replay_window, 1024);
	assert_int_equal(t->ts_policy, IKE_TS_NARROW);
	assert_false(t->start);
	assert_int_equal(c->ipsec_profiles[0].lifetime_s, 3600);
	assert_int_equal(c->ipsec_profiles[0].life_bytes, 0);
	assert_int_equal(c->ipsec_profiles[0].algs.n_dh, 0);
	config_free(c);
}

/* ---- one thing wrong, and what is said ---------------------------------------------------------- */

struct bad {
	const char *find, *replace, *lines;
};

#define DEVICES                                                                                              \
	"a PCI address such as \"0000:3b:00.0\", or a DPDK device such as \"net_af_packet0,iface=eth1\""
#define GROUPS                                                                                               \
	"group14, group15, group16, group17, group18, group19, group20, group21, group31, group32, group2, " \
	"group5"
#define NAMES   "letters, digits and . _ -, at most 63, a letter or digit first"
#define SECONDS "\"180s\" to \"65535s\", \"3m\" to \"65535m\", \"1h\" to \"65535h\", \"1d\" to \"365d\""
#define BYTES   "\"0\" (no limit), or 1 to 65535 with kb, mb, gb or tb, such as \"100gb\""

static const struct bad bads[] = {
#include "bad_configs.inc"
};

/* Said before libconfig says something else, or nothing. */
static void test_text(void **state)
{
	char text[4096];
	struct said s;

	assert_null(load("\xef\xbb\xbfsystem = { };\n", &s));
	assert_string_equal(s.text,
			    ":1: begins with a byte order mark; allowed: the same text without, as editors "
			    "call it \"UTF-8 without BOM\"\n");
	snprintf(text, sizeof(text), "a = \"((((((((((((((((((((((((((((((((((((((((((((\";\nb = ");
	memset(text + strlen(text), '(', 33);
	assert_null(load(text, &s));
	assert_string_equal(s.text, ":2: brackets in brackets in brackets, more than 32 deep\n");
}

static void test_bad(void **state)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		char *text = changed(bads[i].find, bads[i].replace);
		struct said s;
		struct config *c = load(text, &s);
		bool refused = s.n > s.warnings;

		if (strcmp(s.text, bads[i].lines) != 0) {
			print_message("# %s -> %s\n# want: %s# said: %s", bads[i].find, bads[i].replace,
				      bads[i].lines, s.text);
			wrong++;
		}
		assert_true(refused == !c);
		config_free(c);
		free(text);
	}
	assert_int_equal(wrong, 0);
}

/* ipsec-mode = "transport" in place of another key of the same length. */
static void put_transport(char *text)
{
	static const char was[] = "anti-replay-window = 4096", is[] = "ipsec-mode = \"transport\" ";
	char *at = strstr(text, was);

	assert_int_equal(sizeof(was), sizeof(is));
	assert_non_null(at);
	memcpy(at, is, sizeof(is) - 1);
}

/* Without proxy-IDs the gateways themselves are meant; they have to be known. */
static void test_transport(void **state)
{
	const char *proxies = strstr(base, " proxy-ids");
	struct said s;
	struct config *c;
	char *text, buf[PREFIX_STR];

	assert_int_equal(asprintf(&text, "%.*s } );\n", (int)(proxies - base), base) > 0, 1);
	put_transport(text);
	c = load(text, &s);
	free(text);
	if (!c) {
		fail_msg("refused: %s", s.text);
		return;
	}
	assert_true(c->tunnels[0].transport);
	assert_int_equal(c->tunnels[0].n_proxy_ids, 1);
	assert_string_equal(prefix_str(&c->tunnels[0].proxy_ids[0].local, buf), "198.51.100.20/32");
	assert_string_equal(prefix_str(&c->tunnels[0].proxy_ids[0].remote, buf), "203.0.113.10/32");
	config_free(c);

	text = changed("peer-address = \"203.0.113.10\"", "peer-address = \"any\"");
	put_transport(text);
	assert_null(load(text, &s));
	assert_non_null(strstr(
		s.text, ":21: ipsec-tunnel \"TUN\": ipsec-mode: found \"transport\", and nobody knows the "
			"address of gateway \"GW\"'s peer; allowed: with a peer-address that is one\n"));
	free(text);
}

/* ---- files ----------------------------------------------------------------------------------------- */

static void test_files(void **state)
{
	char path[256];
	struct said s = {0};

	path_in("nothing-here", path);
	assert_null(config_load(path, say, &s));
	assert_non_null(strstr(s.text, "cannot be read: No such file or directory"));
	s = (struct said){0};
	assert_null(config_load(dir, say, &s));
	assert_non_null(strstr(s.text, "cannot be read: Is a directory"));
	s = (struct said){0};
	assert_null(config_load("/dev/null", say, &s));
	assert_non_null(strstr(s.text, "/dev/null: cannot be read: not a regular file"));
	put_file("c.conf", "a\0b", 3, 0600);
	path_in("c.conf", path);
	s = (struct said){0};
	assert_null(config_load(path, say, &s));
	assert_string_equal(s.text, ": is not text: it holds a NUL byte\n");
	assert_null(load("", &s));
	assert_string_equal(s.text, ": interfaces: none configured; allowed: one or more\n");
	assert_null(load("interfaces = (\n { name = ; } );", &s));
	assert_string_equal(
		s.text,
		":2: syntax error; allowed: NAME = VALUE; with \"texts\", ( lists ), { groups }; look for what is "
		"missing here or in the line before\n");
}

/* libconfig alone takes this for a syntax error. */
static void test_last_line(void **state)
{
	struct said s;
	char *text = changed("system =", "system =");
	size_t n = strlen(text);
	char *more = realloc(text, n + 32);
	struct config *c;

	assert_non_null(more);
	memcpy(more + n, "# no line end", sizeof("# no line end"));
	c = load(more, &s);
	assert_non_null(c);
	assert_null(strstr(s.text, "error"));
	config_free(c);
	free(more);
}

static void test_include(void **state)
{
	char *text = changed("routes = (", "@include \"more.conf\"\nxroutes = (");
	static const char more[] =
		"\n\nroutes = ( { destination = \"10.10.10.0/33\"; interface = \"tunnel.1\"; } );\n";
	struct said s;

	put_file("more.conf", more, strlen(more), 0600);
	assert_null(load(text, &s));
	assert_non_null(strstr(s.text, "more.conf:3: route no. 1: destination: found \"10.10.10.0/33\";"));
	free(text);
}

static void test_psk_file(void **state)
{
	char *text = changed("pre-shared-key = \"0123456789abcdef0123456789abcdef\"",
			     "pre-shared-key-file = \"key\"");
	static const char key[] = "0123456789abcdef0123456789abcdeX\n";
	char big[400];
	struct said s;
	struct config *c;

	assert_null(load(text, &s));
	assert_non_null(strstr(s.text, ":15: ike-gateway \"GW\": pre-shared-key-file: "));
	assert_non_null(strstr(s.text, "/key\": No such file or directory\n"));
	put_file("key", key, strlen(key), 0600);
	c = load(text, &s);
	assert_string_equal(s.text, "");
	assert_non_null(c);
	assert_int_equal(c->gateways[0].ike.psk_len, 32);
	assert_memory_equal(c->gateways[0].ike.psk, key, 32);
	config_free(c);
	put_file("key", key, strlen(key), 0644);
	c = load(text, &s);
	assert_non_null(c);
	assert_int_equal(s.warnings, 1);
	assert_non_null(strstr(s.text, "/key\" may be read or written by others; recommended: mode 0600\n"));
	config_free(c);
	memset(big, 'k', sizeof(big));
	put_file("key", big, 256, 0600);
	assert_null(load(text, &s));
	assert_string_equal(
		s.text,
		":15: ike-gateway \"GW\": pre-shared-key-file: found 256 characters; allowed: 1 to 255\n");
	put_file("key", big, 400, 0600);
	assert_null(load(text, &s));
	assert_non_null(strstr(s.text, "/key\": longer than any key\n"));
	put_file("key", "\n", 1, 0600);
	assert_null(load(text, &s));
	assert_string_equal(
		s.text,
		":15: ike-gateway \"GW\": pre-shared-key-file: found 0 characters; allowed: 1 to 255\n");
	free(text);
}

static void test_readable_by_all(void **state)
{
	char path[256];
	struct said s = {0};
	struct config *c;

	put_file("c.conf", base, strlen(base), 0644);
	path_in("c.conf", path);
	c = config_load(path, say, &s);
	assert_non_null(c);
	assert_string_equal(s.text,
			    "warning :13: ike-gateways: the file holds pre-shared keys and may be read by "
			    "everybody; recommended: mode 0640, or pre-shared-key-file\n");
	config_free(c);
}

/* No complaint may tell a key. */
static void test_secrets_untold(void **state)
{
	static const char *const forms[] = {
		"pre-shared-key = 99123123",       "pre-shared-key = \" 99123123\"",
		"pre-shared-key = (\"99123123\")", "pre-shared-keys = \"99123123\"",
		"pre-shared-key = \"99123123",     "pre-shared-key = 99123123.5"};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		char *text = changed("pre-shared-key = \"0123456789abcdef0123456789abcdef\"", forms[i]);
		struct said s;
		struct config *c = load(text, &s);

		assert_true(s.n > 0);
		assert_null(strstr(s.text, "99123123"));
		config_free(c);
		free(text);
	}
}

static void test_all_at_once(void **state)
{
	char *text = changed("ike-gateway = \"GW\"", "ike-gateway = \"GV\"; colour = 1");
	char *also = strstr(text, "group14");
	struct said s;

	also[5] = also[6] = '7'; /* group77 */
	assert_null(load(text, &s));
	assert_string_equal(
		s.text,
		":9: ike-crypto-profile \"IKE-P\": dh-group: found \"group77\"; allowed: " GROUPS "\n"
		":20: ipsec-tunnel \"TUN\": colour: unknown key; allowed: name, tunnel-interface, ike-gateway, "
		"ipsec-crypto-profile, proxy-ids, anti-replay, anti-replay-window, tfc, ts-policy, proxy-id-mode, ipsec-mode, start, "
		"adjust-tcp-mss, df, dscp, copy-tos, tunnel-monitor\n"
		":20: ipsec-tunnel \"TUN\": ike-gateway: found \"GV\", but no ike-gateway has that name; did you mean "
		"\"GW\"?\n"
		"warning :13: ike-gateway \"GW\": no ipsec-tunnel names this gateway: it does nothing\n");
	free(text);
}

/* A string of the file that is told as it stands still makes one line. */
static void test_one_line(void **state)
{
	char *text = changed("hostname = \"hq\"", "cli-socket = \"a\\nb\\x1b[2J\"");
	struct said s;

	assert_null(load(text, &s));
	assert_string_equal(
		s.text, ":1: system: cli-socket: found \"a?b?[2J\"; allowed: a path from the root on, such "
			"as \"/run/culvert/culvert.sock\"\n");
	free(text);
}

static void test_flood(void **state)
{
	enum { N = 1000 };
	char *text = malloc(N * 32 + 64);
	size_t n = 0;
	struct said s;

	assert_non_null(text);
	n += (size_t)sprintf(text, "interfaces = (");
	for (int i = 0; i < N; i++)
		n += (size_t)sprintf(text + n, "%s 5", i ? "," : "");
	sprintf(text + n, ");");
	assert_null(load(text, &s));
	assert_int_equal(s.n, 201);
	free(text);
}

/* Sixty thousand proxy-IDs below one gateway are loaded and checked, and the two that are equal are found. */
static void test_many(void **state)
{
	enum { N = 60000 };
	char *head = changed("system = { ", "system = { max-sas = 400000; "), *text = malloc(N * 96 + 8192);
	char *cut = strstr(head, "  { name = \"P1\"");
	size_t n;
	struct said s;
	struct config *c;

	assert_non_null(text);
	assert_non_null(cut);
	*cut = 0;
	for (int twice = 0; twice < 2; twice++) {
		n = (size_t)sprintf(text, "%s", head);
		for (int i = 0; i < N; i++)
			n += (size_t)sprintf(
				text + n,
				"%s{ name = \"P%d\"; local = \"10.20.20.0/24\"; remote = \"10.%d.%d.%d/32\"; }\n",
				i ? "," : "", i, 64 + i / 65536, i / 256 % 256,
				twice && i == N - 1 ? 0 : i % 256);
		sprintf(text + n, "); } );\n");
		c = load(text, &s);
		if (twice) {
			assert_null(c);
			assert_non_null(strstr(
				s.text, "the same local, remote, protocol and ports as \"TUN:P59904\" of "
					"the same tunnel-interface \"tunnel.1\""));
		} else {
			if (!c)
				fail_msg("refused: %s", s.text);
			assert_int_equal(c->tunnels[0].n_proxy_ids, N);
		}
		config_free(c);
	}
	free(head);
	free(text);
}

/* The examples that are shipped. */
static void test_examples(void **state)
{
	struct said s = {0};
	struct config *c = config_load(CONF_DIR "/hq.conf", say, &s);

	if (!c) {
		fail_msg("refused: %s", s.text);
		return;
	}
	assert_non_null(strstr(s.text, "pre-shared-key: has 26 characters; recommended: at least 32\n"));
	assert_int_equal(c->n_gateways, 1);
	assert_string_equal(c->gateways[0].ike.name, "IKE-GW-Cisco-ISR");
	assert_string_equal(c->tunnels[0].proxy_ids[0].name, "Proxy-Branch-to-HQ");
	config_free(c);

	/* Whose keys stand in files that nobody has: they are all that is missing. */
	s = (struct said){0};
	assert_null(config_load(CONF_DIR "/multi.conf", say, &s));
	assert_int_equal(s.n - s.warnings, 3);
	assert_int_equal(s.warnings, 0);
	assert_non_null(strstr(
		s.text, "\"partner\": pre-shared-key-file: \"/etc/culvert/partner.psk\": No such file"));
}

static int set_up(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	static const char *const names[] = {"c.conf", "key", "more.conf"};
	char path[256];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		path_in(names[i], path);
		unlink(path);
	}
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sound),          cmocka_unit_test(test_vlan_model),
		cmocka_unit_test(test_gateway_model),  cmocka_unit_test(test_tunnel_model),
		cmocka_unit_test(test_defaults),       cmocka_unit_test(test_text),
		cmocka_unit_test(test_defaults),       cmocka_unit_test(test_bad),
		cmocka_unit_test(test_transport),      cmocka_unit_test(test_files),
		cmocka_unit_test(test_last_line),      cmocka_unit_test(test_include),
		cmocka_unit_test(test_psk_file),       cmocka_unit_test(test_readable_by_all),
		cmocka_unit_test(test_secrets_untold), cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_flood),          cmocka_unit_test(test_one_line),
		cmocka_unit_test(test_many),           cmocka_unit_test(test_examples),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
