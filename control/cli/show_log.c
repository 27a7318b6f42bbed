/* SPDX-License-Identifier: Apache-2.0 */
/* show log system: the end of the log file, and what is added to it. */
#include "handlers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* ---- following --------------------------------------------------------------------------------------- */

enum { LOOK_EVERY_MS = 250 };

struct follow {
	struct cli_job *job;
	char path[CFG_DEVICE];
	ev_timer timer;
	off_t at;
};

static void end(struct cli_job *j)
{
	struct follow *f = j->state;

	ev_timer_stop(j->c->loop, &f->timer);
	free(f);
	j->state = NULL;
}

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : 0;
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct follow *f = w->data;

	if (size_of(f->path) != f->at && f->job->waiting)
		cli_job_wake(f->job);
}

/* Whole lines behind `at`, at most so many bytes of them; to be freed.  A file that is shorter was begun anew. */
static char *added(struct follow *f)
{
	int fd = open(f->path, O_RDONLY | O_CLOEXEC);
	char *text = malloc(BACK + 1), *last;
	ssize_t n;

	if (size_of(f->path) < f->at)
		f->at = 0;
	n = fd >= 0 && text ? pread(fd, text, BACK, f->at) : -1;
	if (fd >= 0)
		close(fd);
	if (n <= 0) {
		free(text);
		return NULL;
	}
	text[n] = 0;
	last = memrchr(text, '\n', (size_t)n);
	if (last)
		last[1] = 0;
	else if (n < BACK)
		text[0] = 0; /* the rest of the line is on its way */
	f->at += (off_t)strlen(text);
	return text;
}

static enum cli_page follow_begin(struct cli_job *j, const char *path)
{
	struct follow *f = calloc(1, sizeof(*f));

	if (!f) {
		snprintf(j->err, sizeof(j->err), "out of memory");
		return CLI_FAILED;
	}
	f->job = j;
	snprintf(f->path, sizeof(f->path), "%s", path);
	f->at = size_of(path);
	j->state = f;
	j->state_end = end;
	ev_timer_init(&f->timer, on_timer, LOOK_EVERY_MS / 1e3, LOOK_EVERY_MS / 1e3);
	f->timer.data = f;
	ev_timer_start(j->c->loop, &f->timer);
	return CLI_MORE;
}

static enum cli_page follow_on(struct cli_job *j, json_t *doc)
{
	char *text = added(j->state);
	json_t *list = doc_list(doc, "entries");

	if (text)
		put_lines(list, text, cli_arg(&j->m, "match"), LINES_MAX);
	free(text);
	doc_str(doc, "type", "log-system");
	doc_bool(doc, "stream", true);
	return json_array_size(list) ? CLI_MORE : j->stopped ? CLI_LAST : CLI_WAIT;
}

static bool follow_given(struct cli_job *j, bool *follow)
{
	const char *text = cli_arg(&j->m, "follow");

	*follow = text && strcmp(text, "yes") == 0;
	if (!text || *follow || strcmp(text, "no") == 0)
		return true;
	snprintf(j->err, sizeof(j->err), "follow: found \"%s\"; allowed: yes, no", text);
	j->exit = CLI_EXIT_USAGE;
	return false;
}

/* ---- the command --------------------------------------------------------------------------------------- */

enum cli_page cli_show_log(struct cli_job *j, json_t *doc)
{
	const char *path = j->c->conf->sys.log_file;
	unsigned count;
	bool follow;
	char *text;

	if (j->state)
		return follow_on(j, doc);
	if (!count_given(j, &count) || !follow_given(j, &follow))
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
	if (!follow)
		return CLI_LAST;
	doc_bool(doc, "stream", true);
	return follow_begin(j, path);
}
