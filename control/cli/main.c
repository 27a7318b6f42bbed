/* SPDX-License-Identifier: Apache-2.0 */
/* culvert: the operator's client.  With words, one command; without, a shell. */
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "grammar.h"
#include "pki.h"

static void usage(FILE *out)
{
	fputs("usage: culvert [-s SOCKET] [--json] [COMMAND …]\n"
	      "       culvert pki …      certificates for a lab, and a look into their files; culvert pki help\n"
	      "  -s, --socket PATH  culvertd's socket (default: $CULVERT_SOCKET, or /run/culvert/culvert.sock)\n"
	      "      --json         the answer as JSON\n"
	      "  -V, --version\n"
	      "Without a command: an interactive shell.  Exit status: 0 done, 1 failed or refused, 2 not a command, "
	      "3 culvertd not reachable.\n\nCommands:\n",
	      out);
	client_help(out);
}

/* --json may stand behind the command as well; all else there is the command's, "-1" too. */
static int take_json(int argc, char **argv, int from, bool *json)
{
	int n = from;

	for (int i = from; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			*json = true;
		else
			argv[n++] = argv[i];
	}
	return n;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *env = getenv("CULVERT_SOCKET");
	struct client k = {.socket = env && env[0] ? env : "/run/culvert/culvert.sock"};
	int opt, status;

	setlocale(LC_CTYPE, "");
	if (argc > 1 && strcmp(argv[1], "pki") == 0)
		return pki_main(argc - 1, argv + 1);
	while ((opt = getopt_long(argc, argv, "+s:Vh", options, NULL)) != -1) {
		switch (opt) {
		case 's': k.socket = optarg; break;
		case 'j': k.json = true; break;
		case 'V': puts("culvert " CULVERT_VERSION); return 0;
		case 'h': usage(stdout); return 0;
		default: usage(stderr); return CLI_EXIT_USAGE;
		}
	}
	if (optind < argc && strcmp(argv[optind], "help") == 0) {
		usage(stdout);
		return 0;
	}
	argc = take_json(argc, argv, optind, &k.json);
	if (optind == argc) {
		status = shell_run(&k);
	} else {
		k.live = stdout;
		k.as_it_comes = true;
		status = client_run(&k, (const char *const *)argv + optind, (size_t)(argc - optind), stdout,
				    stderr);
	}
	conn_close(k.conn);
	if (fflush(stdout) != 0 || ferror(stdout))
		status = status ? status : CLI_EXIT_FAILED;
	return status;
}
