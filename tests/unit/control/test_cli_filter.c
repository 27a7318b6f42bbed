/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of a big box: what a filter lets through, that a page costs no more than its share of looking, and that what is
 * shown as it comes is what is shown of the whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "fake_world.h"
#include "filter.h"
#include "json_out.h"
#include "render.h"

/* Gateway gw7 at 203.0.113.7 has the tunnel tun7 with proxy-IDs P0 to P3: 10.1.7.0/24 here, 10.2.7.0/26 and so on there. */
enum { GATEWAYS = 200, PROXIES = 4, POLICIES = GATEWAYS * PROXIES, ROUTES = 3000 };

static struct cfg_gateway gateways[GATEWAYS];
static struct cfg_tunnel tunnels[GATEWAYS];
static struct cfg_proxy_id proxies[GATEWAYS][PROXIES];
static struct ike_child_conf conf_children[GATEWAYS][PROXIES];
static struct ctl_policy policies[POLICIES];
static struct cfg_route routes[ROUTES];
static struct ctl_monitor monitors[GATEWAYS];

static void make_gateway(unsigned g)
{
	struct cfg_gateway *gw = &gateways[g];
	char text[32];

	*gw = fake->conf.gateways[0];
	snprintf(gw->ike.name, sizeof(gw->ike.name), "gw%u", g);
	snprintf(text, sizeof(text), "203.0.113.%u", g);
	addr_parse(text, &gw->ike.remote);
	gw->ike.id = g + 1;
	gw->ike.children = conf_children[g];
	gw->ike.n_children = PROXIES;
	tunnels[g] = fake->conf.tunnels[0];
	snprintf(tunnels[g].name, sizeof(tunnels[g].name), "tun%u", g);
	memcpy(tunnels[g].gateway, gw->ike.name, sizeof(tunnels[g].gateway));
	tunnels[g].proxy_ids = proxies[g];
	tunnels[g].n_proxy_ids = PROXIES;
	tunnels[g].monitor.n = 1;
	monitors[g] = (struct ctl_monitor){.conf = &tunnels[g], .up = g % 10 != 0};
}

static void make_proxy(unsigned g, unsigned x)
{
	struct cfg_proxy_id *p = &proxies[g][x];
	struct ike_child_conf *k = &conf_children[g][x];
	unsigned n = g * PROXIES + x;
	char text[32];

	*p = (struct cfg_proxy_id){0};
	snprintf(p->name, sizeof(p->name), "P%u", x);
	snprintf(text, sizeof(text), "10.1.%u.0/24", g);
	prefix_parse(text, &p->local);
	snprintf(text, sizeof(text), "10.2.%u.%u/26", g, 64 * x);
	prefix_parse(text, &p->remote);
	*k = (struct ike_child_conf){.tunnel_id = n + 1, .policy = 1000 + n, .n_local = 1, .n_remote = 1};
	memcpy(k->tunnel, tunnels[g].name, sizeof(k->tunnel));
	memcpy(k->proxy_id, p->name, sizeof(k->proxy_id));
	k->local[0] = ts_of(&p->local, 0, 0);
	k->remote[0] = ts_of(&p->remote, 0, 0);
	policies[n] = (struct ctl_policy){
		.tunnel = &tunnels[g], .proxy = p, .number = n + 1, .policy = 1000 + n};
	fake->conf_children[n] = (struct ike_conf_child_info){.gw = &gateways[g].ike, .conf = k};
}

static int begin(void **state)
{
	fake_begin();
	for (unsigned g = 0; g < GATEWAYS; g++) {
		make_gateway(g);
		for (unsigned x = 0; x < PROXIES; x++)
			make_proxy(g, x);
	}
	for (unsigned i = 0; i < ROUTES; i++) {
		uint8_t net[4] = {172, (uint8_t)(16 + i / 256), (uint8_t)i, 0};

		routes[i] = fake->conf.routes[1];
		routes[i].dst = (struct prefix){addr_v4(net), 24};
	}
	fake->n_conf_children = POLICIES;
	fake->n_gateways = 0;
	fake->conf.gateways = gateways;
	fake->conf.n_gateways = GATEWAYS;
	fake->conf.tunnels = tunnels;
	fake->conf.n_tunnels = GATEWAYS;
	fake->conf.routes = routes;
	fake->conf.n_routes = ROUTES;
	fake->ctl.policies = policies;
	fake->ctl.n_policies = POLICIES;
	fake->ctl.monitors = monitors;
	fake->ctl.n_monitors = GATEWAYS;
	return 0;
}

static int end(void **state)
{
	fake_end();
	return 0;
}

/* An IKE SA of gateway g, and a Child SA of its proxy-ID x. */
static struct ike_sa_info *ike_up(unsigned g)
{
	struct ike_sa_info *i = fake_ike_sa();

	i->gateway = gateways[g].ike.name;
	i->gateway_id = g + 1;
	i->remote.a = gateways[g].ike.remote;
	return i;
}

static struct ike_child_info *child_up(unsigned g, unsigned x)
{
	struct ike_child_info *i = fake_child(1);

	i->gateway = gateways[g].ike.name;
	i->gateway_id = g + 1;
	i->tunnel = tunnels[g].name;
	i->proxy_id = proxies[g][x].name;
	i->policy = policies[g * PROXIES + x].policy;
	i->remote.a = gateways[g].ike.remote;
	i->ts_local.t[0] = conf_children[g][x].local[0];
	i->ts_remote.t[0] = conf_children[g][x].remote[0];
	return i;
}

static void all_up(void)
{
	for (unsigned g = 0; g < GATEWAYS; g++) {
		ike_up(g);
		for (unsigned x = 0; x < PROXIES; x++)
			child_up(g, x);
	}
}

/* ---- asking --------------------------------------------------------------------------------------- */

struct got {
	json_t *doc, *pages, *last;
	size_t n_pages, most_looked; /* elements that the dearest page looked at */
};

static struct cli_job *job_of(const char *words, int page)
{
	json_t *list = json_array(), *o = json_pack("{s:o}", "command", list);
	char buf[256], *line;
	struct cli_job *j;

	snprintf(buf, sizeof(buf), "%s", words);
	for (char *w = strtok(buf, " "); w; w = strtok(NULL, " "))
		json_array_append_new(list, json_string(w));
	if (page)
		json_object_set_new(o, "options", json_pack("{s:i,s:b}", "page", page, "stream", 1));
	line = json_dumps(o, 0);
	j = cli_job_new(&fake->ctl, line, strlen(line));
	free(line);
	json_decref(o);
	return j;
}

static struct got ask(const char *words, int page)
{
	struct got g = {.pages = json_array(), .doc = json_object()};
	struct cli_job *j = job_of(words, page);
	char *line;

	for (size_t before = fake->looked = 0; (line = cli_job_line(j)); before = fake->looked) {
		json_t *o = json_loads(line, 0, NULL), *doc = json_object_get(o, "document");

		free(line);
		g.most_looked = fake->looked - before > g.most_looked ? fake->looked - before : g.most_looked;
		if (!doc) {
			g.last = o;
			continue;
		}
		assert_int_equal(json_is_true(json_object_get(doc, "stream")), page != 0);
		g.n_pages++;
		json_array_append_new(g.pages, json_deep_copy(doc));
		conn_merge(g.doc, doc);
		json_decref(o);
	}
	cli_job_free(j);
	return g;
}

static void got_free(struct got *g)
{
	json_decref(g->doc);
	json_decref(g->pages);
	json_decref(g->last);
}

static size_t rows(const struct got *g, const char *list)
{
	return json_array_size(json_object_get(g->doc, list));
}

static long long member(const struct got *g, const char *key)
{
	return json_integer_value(json_object_get(g->doc, key));
}

/* So many are listed, whatever the size of pages, each but once; and the document says so. */
static void assert_rows(const char *words, size_t n, long long of)
{
	static const int pages[] = {1, 3, 64, 1000};

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		struct got g = ask(words, pages[i]);

		if (json_object_get(g.last, "error"))
			fail_msg("%s: %s", words, json_string_value(json_object_get(g.last, "error")));
		if (rows(&g, "entries") != n)
			fail_msg("%s: %zu rows, not %zu", words, rows(&g, "entries"), n);
		if (of)
			assert_int_equal(member(&g, "shown"), n);
		if (of)
			assert_int_equal(member(&g, "of"), of);
		got_free(&g);
	}
}

static void assert_error(const char *words, int status, const char *error)
{
	struct got g = ask(words, 0);

	assert_string_equal(json_string_value(json_object_get(g.last, "error")), error);
	assert_int_equal(json_integer_value(json_object_get(g.last, "exit")), status);
	got_free(&g);
}

static char *text_of(const json_t *doc)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_true(render(f, doc));
	fclose(f);
	return text;
}

static void assert_has(const char *words, const char *part)
{
	struct got g = ask(words, 0);
	char *text = text_of(g.doc);

	if (!strstr(text, part))
		fail_msg("%s: no \"%s\" in:\n%s", words, part, text);
	free(text);
	got_free(&g);
}

/* ---- what is let through ---------------------------------------------------------------------------- */

static void test_names(void **state)
{
	assert_true(cli_name_fits(NULL, "x"));
	assert_true(cli_name_fits("gw1", "gw1"));
	assert_false(cli_name_fits("gw1", "gw10"));
	assert_true(cli_name_fits("gw1*", "gw10"));
	assert_true(cli_name_fits("*", ""));
	assert_false(cli_name_fits("", "x"));
	assert_true(cli_tunnel_fits("T", "T", "P"));
	assert_true(cli_tunnel_fits("T:P", "T", "P"));
	assert_false(cli_tunnel_fits("T:P", "T", "P1"));
	assert_true(cli_tunnel_fits("T:P*", "T", "P1"));
	assert_false(cli_tunnel_fits("T:*", "T", ""));
	assert_true(cli_tunnel_fits("T*", "T1", "P"));
}

static void test_ike_sa(void **state)
{
	all_up();
	fake->sas[7].state = "Init sent";
	fake->sas[8].state = "SA dying";
	assert_rows("show vpn ike-sa", GATEWAYS, GATEWAYS);
	assert_rows("show vpn ike-sa gateway gw7", 1, GATEWAYS);
	assert_rows("show vpn ike-sa gateway gw1*", 111, GATEWAYS); /* gw1, gw10 to gw19, gw100 to gw199 */
	assert_rows("show vpn ike-sa peer 203.0.113.44", 1, GATEWAYS);
	assert_rows("show vpn ike-sa peer 2001:db8::1", 0, GATEWAYS);
	assert_rows("show vpn ike-sa state init-sent", 1, GATEWAYS);
	assert_rows("show vpn ike-sa state SA-dying gateway gw8", 1, GATEWAYS);
	assert_rows("show vpn ike-sa state established", GATEWAYS - 2, GATEWAYS);
	assert_rows("show vpn ike-sa state rekeyed", 0, GATEWAYS);
	assert_has("show vpn ike-sa state rekeyed", "Gateway ID      Peer-Address ");
	assert_has("show vpn ike-sa state rekeyed", "\n0 of 200 shown.\n");
}

static void test_children_of_ike_sa(void **state)
{
	struct got g;

	all_up();
	g = ask("show vpn ike-sa gateway gw7", 3);
	assert_int_equal(rows(&g, "children"), PROXIES);
	got_free(&g);
	g = ask("show vpn ike-sa peer 203.0.113.44", 64);
	assert_int_equal(rows(&g, "children"), PROXIES);
	got_free(&g);
	g = ask("show vpn ike-sa state init-sent", 64); /* has none */
	assert_null(json_object_get(g.doc, "children"));
	got_free(&g);
}

static void test_ipsec_sa(void **state)
{
	all_up();
	fake->children[4 * PROXIES].state = "Dying";
	assert_rows("show vpn ipsec-sa", POLICIES, POLICIES);
	assert_rows("show vpn ipsec-sa gateway gw7", PROXIES, POLICIES);
	assert_rows("show vpn ipsec-sa gateway gw19*", 11 * PROXIES, POLICIES);
	assert_rows("show vpn ipsec-sa tunnel tun7:P2", 1, POLICIES);
	assert_rows("show vpn ipsec-sa tunnel tun7:P2 gateway gw8", 0, POLICIES);
	assert_rows("show vpn ipsec-sa tunnel tun7:*", PROXIES, POLICIES);
	assert_rows("show vpn ipsec-sa state dying", 1, POLICIES);
	assert_rows("show vpn ipsec-sa state dying gateway gw4", 1, POLICIES);
	assert_rows("show vpn ipsec-sa state dying tunnel tun5", 0, POLICIES);
	assert_rows("show vpn ipsec-sa prefix 10.2.9.64/26", 1, POLICIES);
	assert_rows("show vpn ipsec-sa prefix 10.1.9.1", PROXIES, POLICIES);
	assert_rows("show vpn ipsec-sa prefix 10.0.0.0/8 gateway gw3", PROXIES, POLICIES);
	assert_has("show vpn ipsec-sa gateway gw7 state mature",
		   "Total 4 tunnels found. 4 ipsec sa found.\n4 of 800 shown.\n");
	assert_has("show vpn ipsec-sa prefix 192.0.2.0/24", "GwID/client IP ");
	assert_has("show vpn ipsec-sa prefix 192.0.2.0/24", "\n0 of 800 shown.\n");
}

/* All proxy-IDs of such a tunnel have the Child SA of the first. */
static void test_combined(void **state)
{
	uint32_t leaders[1000 + POLICIES];

	for (uint32_t i = 0; i < 1000 + POLICIES; i++)
		leaders[i] = i;
	for (uint32_t x = 0; x < PROXIES; x++)
		leaders[policies[3 * PROXIES + x].policy] = policies[3 * PROXIES].policy;
	tunnels[3].combined = true;
	conf_children[3][0].proxy_id[0] = 0;
	child_up(3, 0)->proxy_id = "";
	fake->ctl.leaders = leaders;
	fake->ctl.n_leaders = 1000 + POLICIES;
	assert_rows("show vpn tunnel name tun3", 1, POLICIES - PROXIES + 1);
	assert_rows("show vpn ipsec-sa tunnel tun3:P2", 1, 1);
	assert_rows("show vpn flow tunnel tun3 state active", PROXIES, POLICIES);
	fake->ctl.leaders = NULL;
	fake->ctl.n_leaders = 0;
}

static void test_flow(void **state)
{
	child_up(5, 1);
	child_up(5, 2);
	fake->conf_children[6 * PROXIES].negotiating = true;
	assert_rows("show vpn flow", POLICIES, POLICIES);
	assert_rows("show vpn flow state active", 2, POLICIES);
	assert_rows("show vpn flow state init", 1, POLICIES);
	assert_rows("show vpn flow state inactive", POLICIES - 3, POLICIES);
	assert_rows("show vpn flow gateway gw5 state active", 2, POLICIES);
	assert_rows("show vpn flow tunnel tun5", PROXIES, POLICIES);
	assert_rows("show vpn flow tunnel tun5:P3", 1, POLICIES);
	assert_rows("show vpn flow prefix 10.2.5.64/26 state active", 1, POLICIES);
	assert_rows("show vpn flow prefix 10.2.5.0/24", PROXIES, POLICIES);
	assert_rows("show vpn flow prefix 10.0.0.0/8", POLICIES, POLICIES);
	assert_rows("show vpn flow prefix ::/0", 0, POLICIES);
	assert_rows("show vpn flow name tun5", PROXIES, POLICIES);
	assert_rows("show vpn flow tunnel-id 22", 1, POLICIES);
	assert_has("show vpn flow state active", "filter - type IPSec, state active\n");
	assert_has("show vpn flow state active", "\n2 of 800 shown.\n");
	assert_has("show vpn flow prefix ::/0", "id    name ");
	assert_has("show vpn flow prefix ::/0", "\n0 of 800 shown.\n");
	assert_has("show vpn flow name tun5:P1", "        gateway id:             6\n");
}

static void test_configured(void **state)
{
	fake->conf_children[9].up = true;
	assert_rows("show vpn gateway", GATEWAYS, GATEWAYS);
	assert_rows("show vpn gateway name gw9", 1, GATEWAYS);
	assert_rows("show vpn gateway name gw9*", 11, GATEWAYS);
	assert_rows("show vpn gateway peer 203.0.113.9", 1, GATEWAYS);
	assert_rows("show vpn tunnel", POLICIES, POLICIES);
	assert_rows("show vpn tunnel name tun9:P1", 1, POLICIES);
	assert_rows("show vpn tunnel gateway gw9", PROXIES, POLICIES);
	assert_rows("show vpn tunnel state active", 1, POLICIES);
	assert_rows("show vpn tunnel name tun9* prefix 10.2.99.0/26", 1, POLICIES);
	assert_has("show vpn tunnel state init", "Total 0 tunnels found\n0 of 800 shown.\n");
	assert_has("show vpn gateway name x*", "Total 0 gateways found.\n0 of 200 shown.\n");
}

static void test_others(void **state)
{
	assert_rows("show vpn tunnel-monitor", GATEWAYS, GATEWAYS);
	assert_rows("show vpn tunnel-monitor state down", GATEWAYS / 10, GATEWAYS);
	assert_rows("show vpn tunnel-monitor tunnel tun3", 1, GATEWAYS);
	assert_rows("show vpn tunnel-monitor gateway gw3", 1, GATEWAYS);
	assert_rows("show routing route", ROUTES + 1, ROUTES + 1);
	assert_rows("show routing route prefix 172.16.4.0/22", 4, ROUTES + 1);
	assert_rows("show routing route prefix 198.51.100.7", 1, ROUTES + 1);
	assert_has("show routing route prefix 192.0.2.0/24", "total routes shown: 0\n0 of 3001 shown.\n");
	assert_rows("show interface", 2, 0);
	assert_rows("show interface tun*", 1, 0);
	assert_rows("show interface x*", 0, 0);
}

static void test_history(void **state)
{
	struct got g = ask("show vpn history gateway gw3*", 5);

	assert_int_equal(rows(&g, "tunnels"), 11 * PROXIES);
	assert_int_equal(member(&g, "of"), POLICIES);
	assert_false(json_is_true(json_object_get(g.doc, "detail")));
	got_free(&g);
	g = ask("show vpn history tunnel tun3:P1", 5);
	assert_int_equal(rows(&g, "tunnels"), 1);
	assert_true(json_is_true(json_object_get(g.doc, "detail")));
	got_free(&g);
}

static void test_refused(void **state)
{
	assert_error("show vpn ipsec-sa gateway gw", 1,
		     "there is no gateway \"gw\"; show vpn gateway lists them");
	assert_error("show vpn flow tunnel tun5:P9", 1,
		     "there is no tunnel, or proxy-ID of a tunnel, \"tun5:P9\"; show vpn tunnel lists them");
	assert_error("show vpn flow state up", 2, "state: found \"up\"; allowed: active, init, inactive");
	assert_error(
		"show vpn ike-sa state active", 2,
		"state: found \"active\"; allowed: established, init-sent, auth-sent, init-received, rekeyed, "
		"sa-dying");
	assert_error("show vpn ike-sa peer gw1", 2, "peer: found \"gw1\"; allowed: an IP address");
	assert_error("show vpn ipsec-sa prefix 10.0.0.0/33", 2,
		     "prefix: found \"10.0.0.0/33\"; allowed: an IP prefix, as 10.1.0.0/16, or an address");
}

/* ---- what a page costs ------------------------------------------------------------------------------ */

static void assert_bounded(const char *words, size_t most)
{
	struct got g = ask(words, 0);

	if (g.most_looked > most || g.last == NULL)
		fail_msg("%s: a page looked at %zu", words, g.most_looked);
	got_free(&g);
}

/* A filter that lets nothing through is no reason to look through the box in one turn. */
static void test_looks(void **state)
{
	struct got g;

	for (unsigned i = 0; i < FAKE_MAX; i++) {
		child_up(i % GATEWAYS, i / GATEWAYS % PROXIES)->id = i + 1;
		ike_up(i % GATEWAYS);
	}
	assert_bounded("show vpn ike-sa", CLI_LOOK + 1);
	assert_bounded("show vpn ike-sa detail", CLI_LOOK + 1);
	assert_bounded("show vpn ike-sa state rekeyed", CLI_LOOK + 1);
	assert_bounded("show vpn ike-sa peer 192.0.2.1", CLI_LOOK + 1);
	assert_bounded("show vpn ipsec-sa", CLI_LOOK + 1);
	assert_bounded("show vpn ipsec-sa state dying", CLI_LOOK + 1);
	assert_bounded("show vpn ipsec-sa prefix 192.0.2.0/24", CLI_LOOK + 1);
	assert_bounded("show vpn flow state init", 2 * CLI_LOOK);
	assert_bounded("show vpn tunnel state init", 2 * CLI_LOOK);
	assert_bounded("show vpn gateway name x*", CLI_LOOK);
	assert_bounded("clear vpn flow", CLI_LOOK + PROXIES * FAKE_MAX / POLICIES);
	g = ask("show vpn ipsec-sa state dying", 0);
	assert_true(g.n_pages >= FAKE_MAX / CLI_LOOK);
	got_free(&g);
	g = ask("show routing route prefix 192.0.2.0/24",
		0); /* routes are in no table of the fake's: pages tell */
	assert_true(g.n_pages >= ROUTES / CLI_LOOK);
	got_free(&g);
}

/* One gateway and one tunnel are found, not looked for. */
static void test_found(void **state)
{
	all_up();
	assert_bounded("show vpn ike-sa gateway gw150", 10 * PROXIES);
	assert_bounded("show vpn ipsec-sa gateway gw150", 10 * PROXIES);
	assert_bounded("show vpn ipsec-sa tunnel tun150:P3", 10 * PROXIES);
	assert_bounded("show vpn flow name tun150", 10 * PROXIES);
	assert_bounded("show vpn tunnel name tun150:P3", 10 * PROXIES);
	assert_bounded("show vpn gateway name gw150", 2);
}

/* Configuration that shrinks between two pages ends the list. */
static void test_shrinks(void **state)
{
	struct cli_job *j = job_of("show vpn flow state inactive", 10);
	unsigned lines = 0;
	char *line;

	while ((line = cli_job_line(j))) {
		free(line);
		if (++lines == 3)
			fake->ctl.n_policies = 8;
	}
	assert_true(lines < 10);
	cli_job_free(j);
}

/* ---- shown as it comes ------------------------------------------------------------------------------ */

static const char *const lists[] = {"show vpn flow",
				    "show vpn flow state init",
				    "show vpn ipsec-sa",
				    "show vpn ipsec-sa gateway gw2*",
				    "show vpn ike-sa",
				    "show vpn tunnel",
				    "show vpn tunnel state init",
				    "show vpn ike-sa state rekeyed",
				    "show routing route",
				    "show vpn ipsec-sa state dying",
				    "show vpn ike-sa state established"};

static void test_text_as_it_comes(void **state)
{
	all_up();
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct got g = ask(lists[i], 50);
		struct render_parts parts = {0};
		char *whole = text_of(g.doc), *text = NULL;
		json_t *doc = json_object(), *page;
		const char *const *names = render_as_it_comes(json_array_get(g.pages, 0));
		size_t n, k;
		FILE *f = open_memstream(&text, &n);

		assert_non_null(names);
		json_array_foreach(g.pages, k, page)
		{
			conn_merge(doc, page);
			render_part(f, doc, json_string_value(json_object_get(doc, "type")), &parts);
			for (const char *const *l = names; *l; l++)
				json_array_clear(json_object_get(doc, *l));
		}
		parts.last = true;
		render_part(f, doc, json_string_value(json_object_get(doc, "type")), &parts);
		fclose(f);
		if (strcmp(text, whole) != 0)
			fail_msg("%s", lists[i]);
		free(text);
		free(whole);
		json_decref(doc);
		got_free(&g);
	}
}

static void test_json_as_it_comes(void **state)
{
	all_up();
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct got g = ask(lists[i], 50);
		struct json_out o = {0};
		json_t *page, *doc;
		char *text = NULL;
		size_t n, k;

		o.out = open_memstream(&text, &n);
		json_array_foreach(g.pages, k, page) json_out_page(&o, page);
		assert_true(json_out_end(&o));
		fclose(o.out);
		doc = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
		json_object_del(g.doc, "stream");
		if (!json_equal(doc, g.doc))
			fail_msg("%s: %s", lists[i], text);
		json_decref(doc);
		free(text);
		got_free(&g);
	}
}

/* One page alone looks as it does without all this. */
static void test_json_of_one_page(void **state)
{
	json_t *page = json_pack("{s:s,s:[s],s:b}", "type", "x", "entries", "a", "stream", 1);
	struct json_out o = {0};
	char *text = NULL;
	size_t n;

	o.out = open_memstream(&text, &n);
	assert_false(json_out_end(&o));
	json_out_page(&o, page);
	assert_true(json_out_end(&o));
	fclose(o.out);
	assert_string_equal(text, "{\n  \"type\": \"x\",\n  \"entries\": [\n    \"a\"\n  ]\n}\n");
	free(text);
	json_decref(page);
}

/* ---- completion ------------------------------------------------------------------------------------- */

static void assert_completes(const char *line, const char *want)
{
	struct cli_job *j = cli_job_new(&fake->ctl, line, strlen(line));
	char *text = cli_job_line(j), list[512] = "";
	json_t *o = json_loads(text, 0, NULL), *e;
	size_t i, n = 0;

	json_array_foreach(json_object_get(o, "candidates"), i, e)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n ? " " : "",
				      json_string_value(json_object_get(e, "word")));
	assert_string_equal(list, want);
	json_decref(o);
	free(text);
	cli_job_free(j);
}

static void test_completion(void **state)
{
	assert_completes("{\"complete\":[\"show\",\"vpn\",\"flow\",\"state\",\"\"]}", "active init inactive");
	assert_completes("{\"complete\":[\"show\",\"vpn\",\"ipsec-sa\",\"state\",\"d\"]}", "dying");
	assert_completes("{\"complete\":[\"show\",\"vpn\",\"ipsec-sa\",\"gateway\",\"gw19\"]}",
			 "gw19 gw190 gw191 gw192 gw193 gw194 gw195 gw196 gw197 gw198 gw199");
	assert_completes("{\"complete\":[\"show\",\"vpn\",\"flow\",\"tunnel\",\"tun7:\"]}",
			 "tun7:P0 tun7:P1 tun7:P2 tun7:P3");
	assert_completes("{\"complete\":[\"show\",\"vpn\",\"tunnel-monitor\",\"state\",\"\"]}", "up down");
	assert_completes("{\"complete\":[\"show\",\"routing\",\"route\",\"prefix\",\"\"]}", "<ip-prefix>");
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		T(test_ike_sa),
		T(test_children_of_ike_sa),
		T(test_ipsec_sa),
		T(test_combined),
		T(test_flow),
		T(test_configured),
		T(test_others),
		T(test_history),
		T(test_refused),
		T(test_looks),
		T(test_found),
		T(test_shrinks),
		T(test_text_as_it_comes),
		T(test_json_as_it_comes),
		cmocka_unit_test(test_json_of_one_page),
		T(test_completion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
