/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU time and memory of IKE SAs: two engines in virtual time, as the unit tests have them, each call measured.
 *
 * One end has many gateways, each of another address, and initiates; the other answers.  Three phases, over
 * and over: every gateway sets up an IKE SA with its Child SA, PSK; every Child SA is rekeyed; every IKE SA
 * is rekeyed.  What a phase costs each end is divided by the number of gateways.  The kernel's count of the
 * thread's CPU time is taken, so that what others do to the machine shows only through caches and clock;
 * phases that were disturbed do not count.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_cycles.h>

#include "ike_meter.h"
#include "quiet.h"
#include "wire.h"

enum { GATEWAYS = 24, ENOUGH = 5, SPREAD_PERCENT = 15, MINUTE_S = 60, DAY_S = 86400, REKEY_S = 3600 };

static const char usage[] = "ike_bench [--quick | --verify] [--group 14,19,31] [--json FILE]\n"
			    "\n"
			    "  --quick      fewer rounds\n"
			    "  --verify     a few SAs of each group, checked, no figures\n"
			    "  --group LIST Diffie-Hellman groups\n"
			    "  --json FILE  write the results there\n";

enum what { SETUP, CHILD_REKEY, CHILD_REKEY_PFS, IKE_REKEY, WHATS };
static const char *const what_name[WHATS] = {
	[SETUP] = "IKE SA + Child SA set up",
	[CHILD_REKEY] = "Child SA rekey",
	[CHILD_REKEY_PFS] = "Child SA rekey, PFS",
	[IKE_REKEY] = "IKE SA rekey",
};

static struct net net;
static unsigned gateways = GATEWAYS;
static struct series cost_us[WHATS][2]; /* by side */
static unsigned quiet_rounds = 20, max_rounds = 80;
static bool verify;
static FILE *json;
static const char *json_comma = "";

static void die(const char *what)
{
	fprintf(stderr, "ike_bench: %s\n", what);
	exit(1);
}

/* ---- gateways -------------------------------------------------------------------------------- */

/* Gateway i of the initiator has an address of its own; the responder knows it by that. */
static void gateway(int side, unsigned i, uint16_t group, bool pfs)
{
	struct ike_gw_conf c = net_conf(side, 1);
	struct addr *far = side == NET_A ? &c.local : &c.remote;
	char text[32];

	snprintf(c.name, sizeof(c.name), "GW-%u", i);
	c.id = i + 1;
	snprintf(text, sizeof(text), "198.18.%u.%u", i / 250, i % 250 + 1);
	if (addr_parse(text, far) < 0)
		die(text);
	c.ike.dh[0] = group;
	c.dpd_interval_s = 0;
	c.lifetime_s = side == NET_A ? REKEY_S : DAY_S;
	c.children[0].policy = i + 1;
	c.children[0].tunnel_id = i + 1;
	c.children[0].lifetime_s = DAY_S;
	snprintf(c.children[0].tunnel, sizeof(c.children[0].tunnel), "T%u", i);
	if (pfs)
		c.children[0].esp.dh[c.children[0].esp.n_dh++] = group;
	net_set(&net, side, &c);
}

static void make_gateways(uint16_t group, bool pfs)
{
	for (int side = NET_B; side >= NET_A; side--)
		for (unsigned i = 0; i < gateways; i++)
			gateway(side, i, group, pfs);
}

/* ---- phases ---------------------------------------------------------------------------------- */

static bool all_up(struct net *n)
{
	for (int i = 0; i < 2; i++)
		if (net_active(&n->host[i]) != gateways || net_children(&n->host[i]) != gateways ||
		    net_sas_all(&n->host[i]) != gateways || net_sas(&n->host[i]) != gateways)
			return false;
	return !n->queue;
}

static uint64_t done(const char *counter)
{
	return net_counter(&net.host[NET_A], counter);
}

static bool children_rekeyed(struct net *n)
{
	return done("child_rekey") == gateways && all_up(n);
}

static bool ikes_rekeyed(struct net *n)
{
	return done("ike_rekey") == gateways && all_up(n);
}

/* The sequence number limit of every outbound Child SA of the initiator comes near. */
static void expire_children(void)
{
	struct net_host *a = &net.host[NET_A];
	uint32_t spi[NET_CHILDREN];
	unsigned n = 0;

	for (unsigned i = 0; i < a->n_child; i++)
		if (a->child[i].used)
			spi[n++] = a->child[i].sa.spi_in;
	net.turn = NET_A;
	for (unsigned i = 0; i < n; i++)
		ike_child_expire(a->ike, spi[i], false, net.now);
}

static void phase(enum what what, bool (*until)(struct net *n), uint64_t patience_s)
{
	bool quiet;

	quiet_wait();
	meter_reset();
	if (what == CHILD_REKEY || what == CHILD_REKEY_PFS)
		expire_children();
	if (!net_until(&net, until, patience_s * NET_S))
		die(what_name[what]);
	quiet = quiet_core();
	net_check_pairs(&net);
	for (int i = 0; quiet && i < 2; i++)
		series_add(&cost_us[what][i], (double)meter[i].cpu_ns / 1e3 / gateways);
}

static void round_of(uint16_t group, bool pfs)
{
	net_init(&net, 1);
	net.latency = NET_MS;
	meter_attach(&net);
	make_gateways(group, pfs);
	/* With PFS only the rekey of Child SAs is another one. */
	phase(SETUP, all_up, MINUTE_S);
	phase(pfs ? CHILD_REKEY_PFS : CHILD_REKEY, children_rekeyed, MINUTE_S);
	phase(IKE_REKEY, ikes_rekeyed, REKEY_S);
	net_end(&net);
}

/* Bytes of heap of each end for an IKE SA and its Child SA. */
static void memory(uint16_t group, double bytes[2])
{
	net_init(&net, 1);
	meter_attach(&net);
	make_gateways(group, false);
	meter_heap = true;
	if (!net_until(&net, all_up, MINUTE_S * NET_S))
		die("no SAs to weigh");
	net_run(&net, MINUTE_S * NET_S); /* what the exchanges kept for retransmission is given back */
	meter_heap = false;
	for (int i = 0; i < 2; i++)
		bytes[i] = (double)meter[i].heap / gateways;
	net_end(&net);
}

/* ---- report ---------------------------------------------------------------------------------- */

static const char *verdict(const struct series *s, double spread)
{
	return s->n < ENOUGH ? "noisy" : spread > SPREAD_PERCENT / 100. ? "unsteady" : "ok";
}

static void figure(const struct series *s, char *text, size_t len)
{
	double spread, us = series_figure(s, &spread);
	const char *v = verdict(s, spread);

	if (strcmp(v, "ok") == 0)
		snprintf(text, len, "%8.0f %3.0f %%", us, spread * 100);
	else
		snprintf(text, len, "  (%.0f: %s)", us, v);
}

static void report_what(unsigned group, enum what what)
{
	static const char *const side[2] = {"initiator", "responder"};
	char text[2][32];

	for (int i = 0; i < 2; i++) {
		const struct series *s = &cost_us[what][i];
		double spread, us = series_figure(s, &spread);

		figure(s, text[i], sizeof(text[i]));
		if (json) {
			fprintf(json,
				"%s{\"group\": %u, \"what\": \"%s\", \"side\": \"%s\", \"cpu_us\": %.1f, "
				"\"spread\": %.3f, \"quiet\": %u, \"verdict\": \"%s\"}",
				json_comma, group, what_name[what], side[i], us, spread, s->n,
				verdict(s, spread));
			json_comma = ",\n";
		}
	}
	printf("%5u  %-25s %-18s %-18s", group, what_name[what], text[0], text[1]);
	if (strchr(text[1], '%'))
		printf(" %8.0f", 1e6 / series_figure(&cost_us[what][1], NULL));
	putchar('\n');
}

static void report_memory(unsigned group, const double bytes[2])
{
	printf("%5u  %-25s %8.0f           %8.0f\n", group, "bytes of heap for both", bytes[0], bytes[1]);
	if (json)
		fprintf(json,
			"%s{\"group\": %u, \"what\": \"heap\", \"initiator\": %.0f, \"responder\": %.0f}",
			json_comma, group, bytes[0], bytes[1]);
}

static void head(void)
{
	printf("CPU time in us for each SA, and its spread; %u gateways, PSK, one core; of the last column what a "
	       "responder can do\n"
	       "the meter adds %.2f us to each call of an engine, contained in the figures\n\n"
	       "group  %-25s %-18s %-18s %s\n",
	       gateways, meter_cost_ns() / 1e3, "", "initiator   +-", "responder   +-", "a second");
}

static void bench(const char *text)
{
	uint16_t group = (uint16_t)strtoul(text, NULL, 10);
	double bytes[2];

	if (group != DH_MODP2048 && group != DH_ECP256 && group != DH_CURVE25519) {
		fprintf(stderr, "ike_bench: --group: found \"%s\"; allowed: 14, 19, 31\n", text);
		exit(2);
	}

	memset(cost_us, 0, sizeof(cost_us));
	for (unsigned i = 0; i < max_rounds && (cost_us[CHILD_REKEY][0].n < quiet_rounds ||
						cost_us[CHILD_REKEY_PFS][0].n < quiet_rounds);
	     i++)
		round_of(group, i & 1);
	if (verify)
		return;
	memory(group, bytes);
	for (enum what w = SETUP; w < WHATS; w++)
		report_what(group, w);
	report_memory(group, bytes);
	fflush(stdout);
}

static void open_json(const char *path)
{
	json = fopen(path, "w");
	if (!json)
		die(path);
	fprintf(json, "{\"gateways\": %u, \"meter_ns\": %.0f, \"results\": [\n", gateways, meter_cost_ns());
}

static void close_json(void)
{
	fprintf(json, "\n]}\n");
	if (fclose(json) != 0)
		die("cannot write the results");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"quick", 0, NULL, 'q'}, {"verify", 0, NULL, 'v'},
						{"group", 1, NULL, 'g'}, {"json", 1, NULL, 'j'},
						{"help", 0, NULL, 'h'},  {NULL, 0, NULL, 0}};
	char all[] = "14,19,31", *groups = all;
	const char *json_path = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'q': quiet_rounds = 8; break;
		case 'v': verify = true; break;
		case 'g': groups = optarg; break;
		case 'j': json_path = optarg; break;
		case 'h': fputs(usage, stdout); return 0;
		default: fputs(usage, stderr); return 2;
		}
	}
	if (verify) {
		gateways = 3;
		max_rounds = 2;
	} else {
		max_rounds = quiet_rounds * 6;
		quiet_init(false);
		if (json_path)
			open_json(json_path);
		head();
	}
	for (char *save = NULL, *g = strtok_r(groups, ",", &save); g; g = strtok_r(NULL, ",", &save))
		bench(g);
	if (json)
		close_json();
	if (verify)
		puts("SAs set up and rekeyed, keys of both ends compared");
	return 0;
}
