/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A traffic generator for IPsec gateways: clear packets in at one end, clear packets out at the other.
 *
 *     port A ── gateway 1 ══ ESP ══ gateway 2 ── port B
 *
 * It knows nothing of ESP: whatever the gateways are, what they lose, delay, reorder or alter is seen.  See
 * perf/README.md for the set-up.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>

#include "addr.h"
#include "loop.h"
#include "port.h"
#include "search.h"
#include "trial.h"

static const char usage[] =
	"loadgen --a DEVICE,IP,GATEWAY --b DEVICE,IP,GATEWAY [option...]\n"
	"loadgen --loop [option...]\n"
	"\n"
	"  --a, --b       a port: PCI address or DPDK device (its own options behind ':'), an address for the\n"
	"                 port, the gateway's address; net_memif0:role=client:socket=/run/x,10.1.0.2,10.1.0.1\n"
	"  --loop         no gateway: the ports are rings in memory, each the other's end\n"
	"  --net-a IP, --net-b IP   first host of each side (10.20.0.10, 10.10.0.10)\n"
	"  --hosts N      hosts on each side; host i speaks to host i (1)\n"
	"  --flows N      flows (1000)\n"
	"  --size BYTES   inner packets: 64 to 1500, or IMIX (7 x 64, 4 x 576, 1 x 1420) (64)\n"
	"  --way WHICH    a-to-b, b-to-a, both (both)\n"
	"  --pps N        packets a second each way; max: as fast as it goes (1000)\n"
	"  --seconds S    of a trial (10); --wait S for stragglers (2)\n"
	"  --rounds N     instead of --seconds: N packets of each pair of hosts each way, in turn\n"
	"  --search       the highest rate up to --pps without loss, to 1 % (RFC 2544 26.1; trials of 60 s)\n"
	"  --loss PPM     loss that the search allows (0)\n"
	"  --cores LIST   one or two: a port each (the first that are free)\n"
	"  --memory MB    without hugepages; 0: with them (256)\n"
	"  --json FILE    write the result there\n"
	"\n"
	"SIGINT ends a trial early, and its result is written; not with --search.\n"
	"Exit status 0: nothing lost, reordered or altered (--search: a rate was found); 3: something was.\n";

enum { MBUFS = 32768, MBUF_CACHE = 256, MBUF_ROOM = 2048 + 128, ARGS = 24, TEXT = 256 };
enum { RESOLVE_S = 15, SETTLE_MS = 200 };

static struct {
	char device[2][TEXT];
	struct port port[2];
	struct traffic traffic;
	struct trial_conf trial;
	bool loop, search;
	double loss_ppm, rounds;
	const char *cores, *json;
	unsigned memory;
} g = {
	.traffic = {.net = {0x0a14000a, 0x0a0a000a}, .hosts = 1, .flows = 1000, .size = 64},
	.trial = {.way = {true, true}, .pps = 1000, .wait = 2},
	.memory = 256,
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "loadgen: %s%s%s\n", what, why ? ": " : "", why ? why : "");
	exit(1);
}

static void complain(const char *option, const char *found, const char *allowed)
{
	fprintf(stderr, "loadgen: --%s: found \"%s\"; allowed: %s\n", option, found, allowed);
	exit(2);
}

/* ---- options --------------------------------------------------------------------------------- */

static uint32_t address(const char *option, const char *text)
{
	struct addr a;

	if (addr_parse(text, &a) < 0 || a.v != 4)
		complain(option, text, "an IPv4 address");
	return (uint32_t)a.b[0] << 24 | (uint32_t)a.b[1] << 16 | (uint32_t)a.b[2] << 8 | a.b[3];
}

static double number(const char *option, const char *text, double lo, double hi)
{
	char *end, allowed[64];
	double v = strtod(text, &end);

	snprintf(allowed, sizeof(allowed), "%g to %g", lo, hi);
	if (end == text || *end || !(v >= lo && v <= hi))
		complain(option, text, allowed);
	return v;
}

/* DEVICE,IP,GATEWAY; a device's own options are given with ':' for DPDK's ','. */
static void port_option(unsigned i, const char *option, char *text)
{
	char *ip = strchr(text, ','), *gateway = ip ? strchr(ip + 1, ',') : NULL;

	if (!gateway || strchr(gateway + 1, ',') || (size_t)(ip - text) >= sizeof(g.device[i]))
		complain(option, text, "DEVICE,IP,GATEWAY");
	*ip++ = *gateway++ = '\0';
	snprintf(g.device[i], sizeof(g.device[i]), "%s", text);
	for (char *c = strstr(text, "net_") == text ? g.device[i] : NULL; c && *c; c++)
		if (*c == ':')
			*c = ',';
	g.port[i].ip = address(option, ip);
	g.port[i].gateway = address(option, gateway);
}

static void way_option(const char *w)
{
	bool both = strcmp(w, "both") == 0;

	g.trial.way[0] = both || strcmp(w, "a-to-b") == 0;
	g.trial.way[1] = both || strcmp(w, "b-to-a") == 0;
	if (!g.trial.way[0] && !g.trial.way[1])
		complain("way", w, "a-to-b, b-to-a, both");
}

static uint16_t size_option(const char *w)
{
	return strcasecmp(w, "IMIX") == 0 ? PACKET_IMIX : (uint16_t)number("size", w, PACKET_MIN, PACKET_MAX);
}

static double pps_option(const char *w)
{
	return strcmp(w, "max") == 0 ? 0 : number("pps", w, 1, 1e9);
}

static void option(int c, char *arg)
{
	switch (c) {
	case 'a': port_option(0, "a", arg); break;
	case 'b': port_option(1, "b", arg); break;
	case 'L': g.loop = true; break;
	case 'x': g.traffic.net[0] = address("net-a", arg); break;
	case 'y': g.traffic.net[1] = address("net-b", arg); break;
	case 'n': g.traffic.hosts = (uint32_t)number("hosts", arg, 1, 1 << 24); break;
	case 'f': g.traffic.flows = (uint32_t)number("flows", arg, 1, 1 << 30); break;
	case 'z': g.traffic.size = size_option(arg); break;
	case 'd': way_option(arg); break;
	case 'p': g.trial.pps = pps_option(arg); break;
	case 't': g.trial.seconds = number("seconds", arg, 0.01, 86400); break;
	case 'w': g.trial.wait = number("wait", arg, 0, 60); break;
	case 'r': g.rounds = number("rounds", arg, 1, 1e6); break;
	case 'S': g.search = true; break;
	case 'l': g.loss_ppm = number("loss", arg, 0, 1e6); break;
	case 'c': g.cores = arg; break;
	case 'm': g.memory = (unsigned)number("memory", arg, 0, 65536); break;
	case 'j': g.json = arg; break;
	case 'h': fputs(usage, stdout); exit(0);
	default: fputs(usage, stderr); exit(2);
	}
}

/* As many packets as there are pairs of hosts, so many times. */
static void rounds(void)
{
	if (g.search || g.trial.pps <= 0)
		complain("rounds", g.search ? "--search" : "--pps max", "a number of --pps, and no --search");
	g.traffic.flows = g.traffic.hosts;
	g.traffic.in_order = true;
	g.trial.seconds = g.rounds * g.traffic.hosts / g.trial.pps;
}

static void options(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"a", 1, NULL, 'a'},      {"b", 1, NULL, 'b'},       {"loop", 0, NULL, 'L'},
		{"net-a", 1, NULL, 'x'},  {"net-b", 1, NULL, 'y'},   {"hosts", 1, NULL, 'n'},
		{"flows", 1, NULL, 'f'},  {"size", 1, NULL, 'z'},    {"way", 1, NULL, 'd'},
		{"pps", 1, NULL, 'p'},    {"seconds", 1, NULL, 't'}, {"wait", 1, NULL, 'w'},
		{"search", 0, NULL, 'S'}, {"loss", 1, NULL, 'l'},    {"cores", 1, NULL, 'c'},
		{"rounds", 1, NULL, 'r'}, {"memory", 1, NULL, 'm'},  {"json", 1, NULL, 'j'},
		{"help", 0, NULL, 'h'},   {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "h", long_options, NULL)) != -1)
		option(c, optarg);
	if (g.loop == (*g.device[0] || *g.device[1]) || !*g.device[0] != !*g.device[1] || optind < argc) {
		fputs(usage, stderr);
		exit(2);
	}
	if (g.rounds > 0)
		rounds();
	if (g.trial.seconds <= 0)
		g.trial.seconds = g.search ? 60 : 10;
	if (g.search && g.trial.pps <= 0)
		complain("pps", "max", "a number, with --search: where it starts");
	if (g.traffic.flows < g.traffic.hosts)
		g.traffic.flows = g.traffic.hosts;
}

/* ---- DPDK ------------------------------------------------------------------------------------ */

static bool is_pci(const char *device)
{
	return strncmp(device, "net_", 4) != 0;
}

static void start_dpdk(void)
{
	static char prefix[32], memory[16];
	const char *argv[ARGS];
	int argc = 0;

	snprintf(prefix, sizeof(prefix), "loadgen%d", getpid());
	snprintf(memory, sizeof(memory), "%u", g.memory);
	argv[argc++] = "loadgen";
	argv[argc++] = "--file-prefix";
	argv[argc++] = prefix;
	argv[argc++] = "--no-telemetry";
	argv[argc++] = "--log-level=warning";
	if (g.cores) {
		argv[argc++] = "-l";
		argv[argc++] = g.cores;
	}
	if (g.memory) {
		argv[argc++] = "--no-huge";
		argv[argc++] = "--no-shconf";
		argv[argc++] = "-m";
		argv[argc++] = memory;
	} else {
		argv[argc++] = "--in-memory";
	}
	if (!is_pci(g.device[0]) || g.loop)
		argv[argc++] = "--no-pci";
	for (unsigned i = 0; i < 2 && !g.loop; i++) {
		if (!is_pci(g.device[i]))
			continue;
		argv[argc++] = "-a";
		argv[argc++] = g.device[i];
	}
	argv[argc] = NULL;
	/* It takes char **, and changes none of them. */
	if (rte_eal_init(argc, (char **)(uintptr_t)argv) < 0)
		die("DPDK did not start", rte_strerror(rte_errno));
}

static void open_ports(void)
{
	char err[TEXT] = "";

	g.trial.pool = rte_pktmbuf_pool_create("loadgen", MBUFS, MBUF_CACHE, 0, MBUF_ROOM, SOCKET_ID_ANY);
	if (!g.trial.pool)
		die("packet buffers", rte_strerror(rte_errno));
	if (g.loop) {
		if (loop_make() < 0)
			die("loop", rte_strerror(rte_errno));
		snprintf(g.device[0], sizeof(g.device[0]), "net_ring_loopa");
		snprintf(g.device[1], sizeof(g.device[1]), "net_ring_loopb");
	}
	for (unsigned i = 0; i < 2; i++)
		if (port_open(&g.port[i], g.device[i], g.trial.pool, err, sizeof(err)) < 0)
			die(err, NULL);
	for (unsigned i = 0; i < 2; i++) {
		int rc = port_resolve(&g.port[i], g.trial.pool, RESOLVE_S);

		if (rc < 0)
			die(g.device[i], rc == -ENOLINK ? "no link" : "the gateway does not answer ARP");
	}
	/* A gateway may answer ARP a moment before its routes know of the link. */
	rte_delay_ms(SETTLE_MS);
}

/* ---- results --------------------------------------------------------------------------------- */

static double us(uint64_t cycles)
{
	return (double)cycles * 1e6 / (double)rte_get_tsc_hz();
}

static double rate(const struct trial_way *w)
{
	return (double)w->received / w->seconds;
}

static void print_way(const struct trial_way *w, const char *name)
{
	const struct hist *h = &w->latency;

	printf("%s: sent %lu, received %lu (%.0f a second, %.3f Gbit/s inner), lost %.1f ppm, reordered %lu, "
	       "altered %lu%s\n"
	       "        latency us: 50 %% %.1f, 90 %% %.1f, 99 %% %.1f, 99.9 %% %.1f, most %.1f\n",
	       name, w->sent, w->received, rate(w), rate(w) * packet_mean(g.traffic.size) * 8 / 1e9,
	       trial_loss_ppm(w), w->reordered, w->altered,
	       trial_kept_up(w) ? "" : "; the generator did not keep up", us(hist_percentile(h, 50)),
	       us(hist_percentile(h, 90)), us(hist_percentile(h, 99)), us(hist_percentile(h, 99.9)),
	       us(h->max));
}

static void print_trial(const struct trial_result *r)
{
	if (g.trial.way[0])
		print_way(&r->way[0], "A to B");
	if (g.trial.way[1])
		print_way(&r->way[1], "B to A");
	if (r->other)
		printf("%lu frames of something else\n", r->other);
	fflush(stdout);
}

static void json_way(FILE *f, const char *comma, unsigned i, const struct trial_way *w)
{
	const struct hist *h = &w->latency;

	fprintf(f,
		"%s{\"way\": \"%s\", \"offered\": %lu, \"sent\": %lu, \"received\": %lu, \"seconds\": %g, "
		"\"loss_ppm\": %.3f, \"reordered\": %lu, \"altered\": %lu, \"kept_up\": %s, \"latency_us\": "
		"{\"50\": %.2f, \"90\": %.2f, \"99\": %.2f, \"99.9\": %.2f, \"max\": %.2f}}",
		comma, i ? "b-to-a" : "a-to-b", w->offered, w->sent, w->received, w->seconds,
		trial_loss_ppm(w), w->reordered, w->altered, trial_kept_up(w) ? "true" : "false",
		us(hist_percentile(h, 50)), us(hist_percentile(h, 90)), us(hist_percentile(h, 99)),
		us(hist_percentile(h, 99.9)), us(h->max));
}

static void write_json(const struct trial_result *r, double found, bool limited)
{
	FILE *f = g.json ? fopen(g.json, "w") : NULL;
	const char *comma = "";

	if (!g.json)
		return;
	if (!f)
		die(g.json, strerror(errno));
	fprintf(f, "{\"size\": %u, \"hosts\": %u, \"flows\": %u, \"pps\": %g, ", g.traffic.size,
		g.traffic.hosts, g.traffic.flows, g.trial.pps);
	if (g.search)
		fprintf(f, "\"non_drop_pps\": %.0f, \"limited_by_generator\": %s, ", found,
			limited ? "true" : "false");
	fprintf(f, "\"other\": %lu, \"results\": [", r->other);
	for (unsigned i = 0; i < 2; i++) {
		if (!g.trial.way[i])
			continue;
		json_way(f, comma, i, &r->way[i]);
		comma = ", ";
	}
	fprintf(f, "]}\n");
	if (fclose(f) != 0)
		die(g.json, strerror(errno));
}

/* ---- what is done ---------------------------------------------------------------------------- */

static bool faultless(const struct trial_result *r)
{
	bool ok = true;

	for (unsigned i = 0; i < 2; i++)
		ok &= r->way[i].received == r->way[i].sent && !r->way[i].reordered && !r->way[i].altered;
	return ok;
}

static enum search_outcome one_trial(void *arg, double pps)
{
	struct trial_result *r = arg;
	enum search_outcome o = SEARCH_PASS;

	g.trial.pps = pps;
	trial_run(&g.trial, r);
	printf("%.0f a second each way:\n", pps);
	print_trial(r);
	for (unsigned i = 0; i < 2; i++) {
		if (!g.trial.way[i])
			continue;
		if (trial_loss_ppm(&r->way[i]) > g.loss_ppm || r->way[i].altered)
			return SEARCH_LOSS;
		if (!trial_kept_up(&r->way[i]))
			o = SEARCH_SHORT;
	}
	return o;
}

static int search(void)
{
	static struct trial_result r;
	struct search s = {.most = g.trial.pps, .resolution = 0.01, .trial = one_trial, .arg = &r};
	bool limited;
	double found = search_run(&s, &limited);

	printf("non-drop rate: %.0f packets a second each way, %.3f Gbit/s inner%s\n", found,
	       found * packet_mean(g.traffic.size) * 8 / 1e9,
	       limited ? "; the generator could not do more, the gateway may" : "");
	write_json(&r, found, limited);
	return found > 0 ? 0 : 3;
}

static void on_interrupt(int sig)
{
	(void)sig;
	trial_enough = 1;
}

int main(int argc, char **argv)
{
	static struct trial_result r;

	options(argc, argv);
	start_dpdk();
	g.trial.traffic = &g.traffic;
	g.trial.port = g.port;
	g.trial.two_cores = g.cores && strchr(g.cores, ',') != NULL;
	open_ports();
	if (g.search)
		return search();
	signal(SIGINT, on_interrupt);
	printf("sending\n");
	fflush(stdout);
	trial_run(&g.trial, &r);
	print_trial(&r);
	write_json(&r, 0, false);
	return faultless(&r) ? 0 : 3;
}
