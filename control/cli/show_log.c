/* SPDX-License-Identifier: Apache-2.0 */
/* show log system: the end of the log file. */
#include "handlers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	BACK = 256 << 10, /* so much of the file's end is looked at, that the event loop is not kept */
	LINES = 50,
	LINES_MAX = 1000,
};

/* The end of a file, from the beginning of a line on; to be freed. */
static char *end_of(const char *path, char *err, size_t err_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END), from = size > BACK ? size - BACK : 0;
	char *text = malloc(BACK + 1), *line;
	ssize_t n = text && size >= 0 ? pread(fd, text, BACK, from) : -1;

	if (n < 0) {
		snprintf(err, err_len, "%s cannot be read: %s", path, strerror(errno));
		free(text);
		text = NULL;
	} else {
		text[n] = 0;
		line = from ? strchr(text, '\n') : NULL;
		if (line)
			memmove(text, line + 1, strlen(line + 1) + 1);
	}
	if (fd >= 0)
		close(fd);
	return text;
}

static bool count_given(struct cli_job *j, unsigned *count)
{
	const char *s = cli_arg(&j->m, "count");
	char *end;
	unsigned long v = s ? strtoul(s, &end, 10) : LINES;

	if (s && (s[0] < '0' || s[0] > '9' || *end || v == 0 || v > LINES_MAX)) {
		snprintf(j->err, sizeof(j->err), "count: found \"%s\"; allowed: 1 to %d", s, LINES_MAX);
		j->exit = CLI_EXIT_USAGE;
		return false;
	}
	*count = (unsigned)v;
	return true;
}

/* The last `count` lines that have the text in them, oldest first. */
static void put_lines(json_t *list, char *text, const char *match, unsigned count)
{
	char *line[LINES_MAX], *next;
	unsigned n = 0;

	for (char *s = text; *s; s = next) {
		size_t len = strcspn(s, "\n");

		next = s + len + (s[len] != 0);
		s[len] = 0;
		if (*s && (!match || strcasestr(s, match)))
			line[n++ % count] = s;
	}
	for (unsigned i = n > count ? n - count : 0; i < n; i++) {
		json_t *o = doc_append(list);

		doc_str(o, "line", line[i % count]);
	}
}

enum cli_page cli_show_log(struct cli_job *j, json_t *doc)
{
	const char *path = j->c->conf->sys.log_file;
	unsigned count;
	char *text;

	if (!count_given(j, &count))
		return CLI_FAILED;
	if (!path[0] || strcmp(path, "syslog") == 0) {
		snprintf(
			j->err, sizeof(j->err),
			"the log goes to %s: journalctl -t culvertd, or set log in the section system to a file",
			path[0] ? "syslog" : "standard error");
		return CLI_FAILED;
	}
	text = end_of(path, j->err, sizeof(j->err));
	if (!text)
		return CLI_FAILED;
	doc_str(doc, "type", "log-system");
	put_lines(doc_list(doc, "entries"), text, cli_arg(&j->m, "match"), count);
	free(text);
	return CLI_LAST;
}
