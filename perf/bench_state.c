/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it costs to have many SAs: install and removal rate, memory, lookups; one proxy-ID for each SA pair.
 *
 * Each number of pairs has a process of its own, whose tables have just that size.
 */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_malloc.h>

#include "dp_api.h"
#include "measure.h"
#include "prove.h"
#include "quiet.h"

enum { LEAST = 64, TIMES = 3, INNER = 64 };

static const char usage[] = "bench_state [--quick | --verify] [--json FILE]\n"
			    "\n"
			    "  --quick      up to 10000 SA pairs\n"
			    "  --verify     100 pairs, checked, no figures\n"
			    "  --json FILE  write the results there\n";

/* What a process tells of its number of pairs. */
struct state {
	double install, removal; /* pairs a second, the best of a few times */
	double bytes;            /* of memory in use, libc's and DPDK's, with all pairs installed */
	struct result way[2];    /* out, in: INNER bytes, with stages */
};

static bool verify;

static double in_use(void)
{
	struct rte_malloc_socket_stats s;
	double bytes = (double)mallinfo2().uordblks + (double)mallinfo2().hblkhd;

	for (int i = 0; i < RTE_MAX_NUMA_NODES; i++)
		if (rte_malloc_get_socket_stats(i, &s) == 0)
			bytes += (double)s.heap_allocsz_bytes;
	return bytes;
}

/* The bench's own part: both arrays of rig.c, and the peers. */
static double of_the_bench(uint32_t pairs)
{
	return (double)pairs * (sizeof(struct pair) + sizeof(uint32_t) + sizeof(struct sa_out));
}

static void measure_ways(const struct layout *l, struct state *s)
{
	const struct effort effort = {.quiet = 15, .seconds = 2};

	bound_keys(l->suite, l->sas);
	for (unsigned in = 0; in < 2; in++) {
		struct traffic t = {.suite = l->suite, .inbound = in, .size = INNER, .flows = 1000};

		s->way[in] = (struct result){.layout = *l, .traffic = t};
		measure(&effort, &s->way[in]);
	}
	bound_free();
}

static void examine(uint32_t pairs, struct state *s)
{
	const struct dp_suite id = {.encr = DP_AES_GCM_16, .key_bits = 256};
	const struct rig_conf conf = {.max_sas = pairs, .max_proxy_ids = pairs};
	const struct layout l = {.suite = suite_find(&id), .sas = pairs, .proxy_ids = pairs};

	rig_start(&conf);
	if (!verify)
		quiet_init(false);
	for (unsigned i = 0; i < (verify ? 1 : TIMES); i++) {
		double per_s = rig_install(&l);

		s->install = RTE_MAX(s->install, per_s);
		if (i == 0) {
			s->bytes = in_use() - of_the_bench(pairs);
			prove_checks(l.suite, true, false);
			if (pairs > LEAST && !verify)
				measure_ways(&l, s);
		}
		per_s = rig_remove();
		s->removal = RTE_MAX(s->removal, per_s);
	}
	rig_stop();
}

/* The same in a process of its own: DPDK starts only once. */
static struct state examine_apart(uint32_t pairs)
{
	struct state s = {0};
	int fd[2], status = 0;
	ssize_t got;
	pid_t pid;

	fflush(stdout);
	if (pipe(fd) < 0 || (pid = fork()) < 0)
		die("%s", strerror(errno));
	if (pid == 0) {
		examine(pairs, &s);
		_exit(write(fd[1], &s, sizeof(s)) == (ssize_t)sizeof(s) ? 0 : 1);
	}
	close(fd[1]);
	got = read(fd[0], &s, sizeof(s));
	close(fd[0]);
	waitpid(pid, &status, 0);
	if (got != (ssize_t)sizeof(s) || status != 0)
		die("no figures for %u pairs", pairs);
	return s;
}

static const char *cycles(const struct result *r, double v, char text[16])
{
	snprintf(text, 16, r->verdict == VERDICT_OK ? "%.0f" : "(%.0f)", v);
	return text;
}

static void report(uint32_t pairs, const struct state *s, double bytes)
{
	char t[4][16];

	printf("%7u  %8.0f  %8.0f  %6.0f  %7s  %7s  %8s  %8s\n", pairs, s->install / 1e3, s->removal / 1e3,
	       bytes, cycles(&s->way[0], s->way[0].stage[STAGE_OUT_SA], t[0]),
	       cycles(&s->way[1], s->way[1].stage[STAGE_IN_SA], t[1]),
	       cycles(&s->way[0], s->way[0].cycles, t[2]), cycles(&s->way[1], s->way[1].cycles, t[3]));
}

static void report_json(FILE *f, const char *comma, uint32_t pairs, const struct state *s, double bytes)
{
	fprintf(f,
		"%s{\"pairs\": %u, \"install_per_s\": %.0f, \"remove_per_s\": %.0f, \"bytes\": %.0f, "
		"\"out_sa\": %.1f, \"in_sa\": %.1f, \"out\": %.1f, \"in\": %.1f, \"out_verdict\": \"%s\", "
		"\"in_verdict\": \"%s\"}",
		comma, pairs, s->install, s->removal, bytes, s->way[0].stage[STAGE_OUT_SA],
		s->way[1].stage[STAGE_IN_SA], s->way[0].cycles, s->way[1].cycles,
		verdict_name(s->way[0].verdict), verdict_name(s->way[1].verdict));
}

static void bench(uint32_t most, const char *path)
{
	double least = examine_apart(LEAST).bytes;
	FILE *f = path ? fopen(path, "w") : NULL;
	const char *comma = "";

	if (path && !f)
		die("%s: %s", path, strerror(errno));
	printf("AES256-GCM16, a proxy-ID for each SA pair; k/s: thousand pairs a second, the best of %u times;\n"
	       "bytes: of the whole process for each pair, tables included; cycles a packet, %u inner bytes, another\n"
	       "SA for each by chance: the lookups alone, and the whole path; brackets: not to be believed\n\n"
	       "  pairs  install/s  remove/s   bytes   out-sa    in-sa  path out   path in\n"
	       "               k         k\n",
	       TIMES, INNER);
	if (f)
		fprintf(f, "{\"results\": [\n");
	for (uint32_t n = 1000; n <= most; n *= 10) {
		struct state s = examine_apart(n);
		double bytes = (s.bytes - least) / (n - LEAST);

		report(n, &s, bytes);
		if (f)
			report_json(f, comma, n, &s, bytes);
		comma = ",\n";
	}
	if (f && (fprintf(f, "\n]}\n") < 0 || fclose(f) != 0))
		die("%s: %s", path, strerror(errno));
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"quick", 0, NULL, 'q'},
						{"verify", 0, NULL, 'v'},
						{"json", 1, NULL, 'j'},
						{"help", 0, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	const char *path = NULL;
	uint32_t most = 100000;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'q': most = 10000; break;
		case 'v': verify = true; break;
		case 'j': path = optarg; break;
		case 'h': fputs(usage, stdout); return 0;
		default: fputs(usage, stderr); return 2;
		}
	}
	if (verify) {
		struct state s = examine_apart(100);

		printf("100 pairs installed, checked and removed%s\n",
		       s.bytes > 0 ? "" : ", and weigh nothing");
		return s.bytes > 0 ? 0 : 1;
	}
	bench(most, path);
	return 0;
}
