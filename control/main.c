/* SPDX-License-Identifier: Apache-2.0 */
/* culvertd: arguments, then ctl_run(). */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"

static const char usage[] =
	"usage: culvertd -c FILE [--check]\n"
	"  -c, --config FILE  configuration\n"
	"      --check        validate it, say what is wrong, change nothing; exit 0 or 1\n"
	"  -V, --version\n";

static void say(void *arg, bool warning, const char *line)
{
	unsigned *errors = arg;

	fprintf(stderr, "%s: %s\n", warning ? "warning" : "error", line);
	*errors += !warning;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'k'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *path = NULL;
	struct config *conf;
	bool check = false;
	unsigned errors = 0;
	int opt;

	while ((opt = getopt_long(argc, argv, "c:Vh", options, NULL)) != -1) {
		switch (opt) {
		case 'c': path = optarg; break;
		case 'k': check = true; break;
		case 'V': puts("culvertd " CULVERT_VERSION); return 0;
		case 'h': fputs(usage, stdout); return 0;
		default: fputs(usage, stderr); return 2;
		}
	}
	if (!path || optind != argc) {
		fputs(usage, stderr);
		return 2;
	}
	conf = config_load(path, say, &errors);
	if (conf)
		ctl_check(conf, say, &errors);
	if (!conf || errors) {
		fprintf(stderr, "%s: %u error%s; nothing was started\n", path, errors,
			errors == 1 ? "" : "s");
		config_free(conf);
		return 1;
	}
	if (check) {
		printf("%s: configuration is sound (%zu interfaces, %zu gateways, %zu tunnels)\n", path,
		       conf->n_interfaces, conf->n_gateways, conf->n_tunnels);
		config_free(conf);
		return 0;
	}
	return ctl_run(conf, path);
}
