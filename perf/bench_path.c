/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cycles per packet of the production path on one core, beside bare intel-ipsec-mb in the same run.
 *
 * What is timed is worker_turn(), whole: from the burst that a port returns to the burst handed to a port, with
 * every check on (prove.h).  Filling the buffers with fresh packets, and sealing those for the way in, happens
 * between timed pieces.  scripts/bench builds and runs this.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "measure.h"
#include "prove.h"
#include "quiet.h"
#include "report.h"

enum { LIST_MAX = 16, MANY = 100000, RESULTS_MAX = 16384, SAS_MAX = 1000000 };

/* What a round may take with waiting for quiet; one on a quiet machine takes 5 to 15 ms. */
#define QUICK_ROUND_S  0.06
#define ROUND_S        0.1
#define SHARED_ROUND_S 0.03

static const char usage[] =
	"bench_path [--quick | --verify] [option...]\n"
	"\n"
	"  --quick           corner cases, in less than two minutes\n"
	"  --verify          every suite and layout once, outputs and checks verified, no figures\n"
	"  --suite LIST      suites whose names begin so; quick: some, else all\n"
	"  --size LIST       inner bytes, 28 to 1420, or IMIX\n"
	"  --sas LIST        SA pairs, 1 to 1000000\n"
	"  --direction WAY   in or out\n"
	"  --proxy-ids WHICH one: an any-any one for each SA; many\n"
	"  --flows N         so many known flows (1000); 0: every packet a new one\n"
	"  --rules N         security rules in force, 2 to 20000\n"
	"  --hand-over       what a packet costs more that comes to a worker which does not own its SA\n"
	"  --hugepages       on huge pages, which must be reserved\n"
	"  --shared          others are never quiet here: short intervals, a tenth from the bottom counts\n"
	"  --rounds N        quiet rounds for a figure (quick: 15, else 40)\n"
	"  --json FILE       write everything there\n";

struct numbers {
	unsigned n;
	uint32_t v[LIST_MAX];
};

static struct {
	bool quick, verify, hugepages, shared, hand_over;
	const char *suites, *json;
	struct numbers sizes, sas;
	bool out, in, one, many;
	uint32_t flows, rules;
	struct effort effort;
} want = {.out = true, .in = true, .one = true, .many = true, .flows = 1000};

static struct report_head head;
static struct result results[RESULTS_MAX];
static unsigned n_results, n_verified;

/* ---- options --------------------------------------------------------------------------------- */

static void complain(const char *option, const char *found, const char *allowed)
{
	fprintf(stderr, "bench: --%s: found \"%s\"; allowed: %s\n\n%s", option, found, allowed, usage);
	exit(2);
}

static uint32_t number(const char *option, const char *text, uint32_t lo, uint32_t hi)
{
	char *end, allowed[64];
	unsigned long v = strtoul(text, &end, 10);

	snprintf(allowed, sizeof(allowed), "%u to %u%s", lo, hi, hi == INNER_MAX ? ", IMIX" : "");
	if (end == text || *end || v < lo || v > hi)
		complain(option, text, allowed);
	return (uint32_t)v;
}

static void numbers(struct numbers *l, const char *option, char *text, uint32_t lo, uint32_t hi)
{
	l->n = 0;
	for (char *save = NULL, *w = strtok_r(text, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		if (l->n == LIST_MAX)
			complain(option, w, "sixteen at most");
		if (hi == INNER_MAX && strcasecmp(w, "IMIX") == 0)
			l->v[l->n++] = INNER_IMIX;
		else
			l->v[l->n++] = number(option, w, lo, hi);
	}
	if (l->n == 0)
		complain(option, text, "a list, a,b,c");
}

static void set_numbers(struct numbers *l, unsigned n, const uint32_t *v)
{
	if (l->n)
		return;
	l->n = n;
	memcpy(l->v, v, n * sizeof(*v));
}

static void direction(const char *w)
{
	if (strcmp(w, "in") != 0 && strcmp(w, "out") != 0)
		complain("direction", w, "in, out");
	want.in = strcmp(w, "in") == 0;
	want.out = !want.in;
}

static void proxy_ids(const char *w)
{
	if (strcmp(w, "one") != 0 && strcmp(w, "many") != 0)
		complain("proxy-ids", w, "one, many");
	want.one = strcmp(w, "one") == 0;
	want.many = !want.one;
}

static void defaults(void)
{
	static const uint32_t all_sizes[] = {64, 128, 256, INNER_IMIX, 512, 1024, 1420},
			      few_sizes[] = {64, INNER_IMIX, 1420}, all_sas[] = {1, 100, 1000, 10000, 100000},
			      few_sas[] = {1, 1000, 10000, 100000}, tiny_sas[] = {1, 40};

	if (want.verify) {
		set_numbers(&want.sizes, RTE_DIM(few_sizes), few_sizes);
		set_numbers(&want.sas, RTE_DIM(tiny_sas), tiny_sas);
	}
	if (want.quick) {
		set_numbers(&want.sizes, RTE_DIM(few_sizes), few_sizes);
		set_numbers(&want.sas, RTE_DIM(few_sas), few_sas);
	}
	set_numbers(&want.sizes, RTE_DIM(all_sizes), all_sizes);
	set_numbers(&want.sas, RTE_DIM(all_sas), all_sas);
	if (!want.effort.quiet)
		want.effort.quiet = want.shared ? 200 : want.quick ? 15 : 40;
	want.effort.seconds = want.effort.quiet * (want.shared  ? SHARED_ROUND_S
						   : want.quick ? QUICK_ROUND_S
								: ROUND_S);
}

static void options(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"quick", 0, NULL, 'q'},     {"verify", 0, NULL, 'v'},    {"suite", 1, NULL, 'u'},
		{"size", 1, NULL, 'z'},      {"sas", 1, NULL, 's'},       {"direction", 1, NULL, 'd'},
		{"proxy-ids", 1, NULL, 'p'}, {"flows", 1, NULL, 'f'},     {"rules", 1, NULL, 'r'},
		{"rounds", 1, NULL, 'n'},    {"json", 1, NULL, 'j'},      {"help", 0, NULL, 'h'},
		{"hugepages", 0, NULL, 'g'}, {"hand-over", 0, NULL, 'o'}, {"shared", 0, NULL, 'a'},
		{NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		switch (c) {
		case 'q': want.quick = true; break;
		case 'v': want.verify = true; break;
		case 'u': want.suites = optarg; break;
		case 'z': numbers(&want.sizes, "size", optarg, INNER_MIN, INNER_MAX); break;
		case 's': numbers(&want.sas, "sas", optarg, 1, SAS_MAX); break;
		case 'd': direction(optarg); break;
		case 'p': proxy_ids(optarg); break;
		case 'f': want.flows = number("flows", optarg, 0, UINT32_MAX); break;
		case 'r': want.rules = number("rules", optarg, 2, RIG_RULES_MAX); break;
		case 'n': want.effort.quiet = number("rounds", optarg, 1, QUIET_SERIES); break;
		case 'o': want.hand_over = true; break;
		case 'g': want.hugepages = true; break;
		case 'a': want.shared = true; break;
		case 'j': want.json = optarg; break;
		case 'h': fputs(usage, stdout); exit(0);
		default: fputs(usage, stderr); exit(2);
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		exit(2);
	}
	defaults();
}

/* ---- cases ----------------------------------------------------------------------------------- */

/* Does the list name it, by its beginning? */
static bool listed(const char *list, const char *name)
{
	for (const char *at = list; *at;) {
		size_t len = strcspn(at, ",");

		if (len && strncasecmp(at, name, len) == 0)
			return true;
		at += len + (at[len] == ',');
	}
	return false;
}

static bool chosen(const struct suite *s, uint32_t sas)
{
	if (want.suites)
		return listed(want.suites, s->name);
	if (want.quick)
		return listed(sas == 1 ? "AES256-GCM16,AES128-GCM16,AES256-CBC-SHA256,CHACHA20"
				       : "AES256-GCM16",
			      s->name);
	return true;
}

static bool narrow(const struct layout *l)
{
	return l->proxy_ids > 1;
}

/* A tunnel interface for each SA is possible for a box's worth of interfaces only. */
static bool possible(const struct layout *l)
{
	return narrow(l) ? want.many : want.one && l->sas <= RIG_TUNNELS;
}

static void row(const struct layout *l, const struct traffic *t)
{
	struct result *r = &results[n_results];

	if (want.verify) {
		measure_nothing(t);
		n_verified++;
		return;
	}
	if (n_results == RESULTS_MAX)
		die("more than %u cases", RESULTS_MAX);
	*r = (struct result){.layout = *l, .traffic = *t, .rules = want.rules};
	measure(&want.effort, r);
	report_row(r);
	n_results++;
}

static void run_layout(const struct layout *l)
{
	double per_s = rig_install(l);

	prove_checks(l->suite, narrow(l), want.rules);
	bound_keys(l->suite, l->sas);
	if (!want.verify)
		report_layout(l, per_s);
	for (unsigned in = 0; in < 2; in++) {
		if (!(in ? want.in : want.out))
			continue;
		for (unsigned i = 0; i < want.sizes.n; i++) {
			struct traffic t = {.suite = l->suite,
					    .inbound = in,
					    .size = (uint16_t)want.sizes.v[i],
					    .flows = want.flows};

			row(l, &t);
		}
	}
	bound_free();
	rig_remove();
	if (want.json)
		report_json(want.json, &head, results, n_results);
}

static void run_all(void)
{
	for (unsigned i = 0; i < want.sas.n; i++) {
		uint32_t sas = want.sas.v[i], many = want.verify ? 40 : MANY;
		const uint32_t proxies[] = {1, sas == 1 ? many : sas};

		for (unsigned p = 0; p < RTE_DIM(proxies); p++)
			for (unsigned k = 0; k < suite_count; k++) {
				struct layout l = {
					.suite = &suite_table[k], .sas = sas, .proxy_ids = proxies[p]};

				if (possible(&l) && chosen(l.suite, sas))
					run_layout(&l);
			}
	}
}

/* ---- from worker to worker ------------------------------------------------------------------- */

static void fill(void *traffic)
{
	frames_fill(traffic);
}

static void hand_over(void)
{
	const struct suite *s = NULL;
	struct layout l = {.sas = 1, .proxy_ids = 1};

	for (unsigned i = 0; i < suite_count && !s; i++)
		if (chosen(&suite_table[i], 1))
			s = &suite_table[i];
	if (!s)
		die("no such suite");
	l.suite = s;
	rig_install(&l);
	for (unsigned in = 0; in < 2; in++) {
		struct traffic t = {.suite = s, .inbound = in, .size = 64, .flows = want.flows};

		printf("handed over to the worker that owns the SA, %s, %s, 64 bytes: %.0f cycles more a packet\n",
		       s->name, in ? "in" : "out", rig_hand_over(in, fill, &t));
	}
	rig_remove();
}

int main(int argc, char **argv)
{
	struct rig_conf rig = {.max_proxy_ids = 1};

	options(argc, argv);
	for (unsigned i = 0; i < want.sas.n; i++)
		rig.max_sas = RTE_MAX(rig.max_sas, want.sas.v[i]);
	if (want.many)
		rig.max_proxy_ids = want.verify ? 64 : MANY;
	rig.rules = want.rules;
	rig.hugepages = want.hugepages;
	rig.two_workers = want.hand_over;
	rig_start(&rig);
	if (!want.verify) {
		quiet_init(want.shared);
		head = (struct report_head){rig_harness_cost(), rig_idle_turn(), want.flows,
					    want.rules,         want.hugepages,  want.shared};
		report_head(&head);
	}
	if (want.hand_over) {
		hand_over();
		rig_stop();
		return 0;
	}
	run_all();
	rig_stop();
	if (want.verify && n_verified)
		printf("%u cases: outputs and checks verified\n", n_verified);
	return n_verified || n_results ? 0 : (fputs("bench: no such case\n", stderr), 1);
}
