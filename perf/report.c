/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_version.h>

#include "dp_api.h"

static const char *stage_name(unsigned i)
{
	struct dp_stage s;

	return dp_stage_stats(0, i, &s) == 0 ? s.name : "";
}

const char *report_size(uint16_t size)
{
	static char text[8];

	snprintf(text, sizeof(text), "%u", size);
	return size == INNER_IMIX ? "IMIX" : text;
}

static double mpps(const struct result *r)
{
	return r->cycles > 0 ? (double)rte_get_tsc_hz() / r->cycles / 1e6 : 0;
}

static double gbps(const struct result *r)
{
	return mpps(r) * frames_mean(r->traffic.size) * 8 / 1e3;
}

static const char *direction(const struct result *r)
{
	return r->traffic.inbound ? "in" : "out";
}

static void cpu_name(char *text, size_t len)
{
	char line[256];
	FILE *f = fopen("/proc/cpuinfo", "r");

	snprintf(text, len, "unknown");
	while (f && fgets(line, sizeof(line), f)) {
		const char *name = strncmp(line, "model name", 10) == 0 ? strchr(line, ':') : NULL;

		if (name) {
			snprintf(text, len, "%.*s", (int)strcspn(name + 2, "\n\"\\"), name + 2);
			break;
		}
	}
	if (f)
		fclose(f);
}

void report_head(const struct report_head *h)
{
	char cpu[128];

	cpu_name(cpu, sizeof(cpu));
	printf("%s, TSC %.2f GHz, %s, intel-ipsec-mb %s\n"
	       "cycles per packet on one core; +- is half the distance between quartiles; bound: the library alone\n"
	       "the harness costs %.1f cycles a packet, contained in every figure; a turn without packets %.0f\n",
	       cpu, (double)rte_get_tsc_hz() / 1e9, rte_version(), imb_get_version_str(), h->harness,
	       h->idle_turn);
	if (h->flows)
		printf("%u flows", h->flows);
	else
		printf("every packet a new flow");
	printf("; %u security rules; every packet of another SA by chance; %s pages\n", h->rules,
	       h->hugepages ? "huge" : "ordinary");
	if (h->shared)
		printf("others share the machine: each figure is a tenth from the bottom of many short intervals\n");
}

void report_layout(const struct layout *l, double install_per_s)
{
	printf("\n%s, %u SA pair%s, %u proxy-ID%s a tunnel%s", l->suite->name, l->sas, l->sas == 1 ? "" : "s",
	       l->proxy_ids, l->proxy_ids == 1 ? "" : "s", l->proxy_ids == 1 ? " (any-any)" : "");
	if (l->sas >= 1000)
		printf(", installed at %.0f k/s", install_per_s / 1e3);
	printf("\n%-4s %5s  %8s %5s  %7s %5s  %6s  %6s %6s  %-7s %s\n", "way", "inner", "cycles", "+-",
	       "bound", "+-", "ratio", "Mpps", "Gbit/s", "quiet", "bound by");
}

static void print_stages(const struct result *r)
{
	double sum = 0;

	for (unsigned i = 0; i < STAGE_MAX; i++) {
		if (r->stage[i] > 0)
			printf("%s %s %.0f", sum > 0 ? "" : "           ", stage_name(i), r->stage[i]);
		sum += r->stage[i];
	}
	if (sum > 0)
		putchar('\n');
}

void report_row(const struct result *r)
{
	bool ok = r->verdict == VERDICT_OK;
	char cycles[24], ratio[24];

	snprintf(cycles, sizeof(cycles), ok ? "%.0f" : r->quiet ? "(%.0f)" : "-", r->cycles);
	snprintf(ratio, sizeof(ratio), ok ? "%.2f" : "-", r->ratio);
	printf("%-4s %5s  %8s %3.0f %%  %7.0f %3.0f %%  %6s  %6.2f %6.2f  %3u/%-3u %s%s%s\n", direction(r),
	       report_size(r->traffic.size), cycles, r->spread * 100, r->bound, r->bound_spread * 100, ratio,
	       mpps(r), gbps(r), r->quiet, r->rounds, r->way,
	       ok ? "" : "; not to be believed: ", ok ? "" : verdict_name(r->verdict));
	print_stages(r);
	fflush(stdout);
}

static void json_row(FILE *f, const struct result *r)
{
	const char *comma = "";

	fprintf(f,
		"{\"suite\": \"%s\", \"direction\": \"%s\", \"size\": %s%s%s, \"sas\": %u, \"proxy_ids\": %u, "
		"\"cycles\": %.1f, \"bound\": %.1f, \"ratio\": ",
		r->traffic.suite->name, direction(r), r->traffic.size == INNER_IMIX ? "\"" : "",
		report_size(r->traffic.size), r->traffic.size == INNER_IMIX ? "\"" : "", r->layout.sas,
		r->layout.proxy_ids, r->cycles, r->bound);
	if (r->verdict == VERDICT_OK)
		fprintf(f, "%.3f", r->ratio);
	else
		fprintf(f, "null");
	fprintf(f,
		", \"spread\": %.3f, \"bound_spread\": %.3f, \"verdict\": \"%s\", \"quiet\": %u, \"rounds\": %u, "
		"\"bound_way\": \"%s\", \"mpps\": %.3f, \"gbps\": %.3f, \"flows\": %u, \"rules\": %u, "
		"\"stages\": {",
		r->spread, r->bound_spread, verdict_name(r->verdict), r->quiet, r->rounds, r->way, mpps(r),
		gbps(r), r->traffic.flows, r->rules);
	for (unsigned i = 0; i < STAGE_MAX; i++)
		if (r->stage[i] > 0) {
			fprintf(f, "%s\"%s\": %.1f", comma, stage_name(i), r->stage[i]);
			comma = ", ";
		}
	fprintf(f, "}}");
}

void report_json(const char *path, const struct report_head *h, const struct result *r, unsigned n)
{
	char cpu[128];
	FILE *f = fopen(path, "w");

	if (!f)
		die("%s: %s", path, strerror(errno));
	cpu_name(cpu, sizeof(cpu));
	fprintf(f,
		"{\"cpu\": \"%s\", \"tsc_hz\": %lu, \"dpdk\": \"%s\", \"ipsec_mb\": \"%s\", "
		"\"hugepages\": %s, \"shared\": %s, \"harness_cycles\": %.2f, \"idle_turn_cycles\": %.1f,\n\"results\": [\n",
		cpu, (unsigned long)rte_get_tsc_hz(), rte_version(), imb_get_version_str(),
		h->hugepages ? "true" : "false", h->shared ? "true" : "false", h->harness, h->idle_turn);
	for (unsigned i = 0; i < n; i++) {
		json_row(f, &r[i]);
		fputs(i + 1 < n ? ",\n" : "\n", f);
	}
	fprintf(f, "]}\n");
	if (fclose(f) != 0)
		die("%s: %s", path, strerror(errno));
}
