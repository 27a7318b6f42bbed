/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal's file.  A line is written with one call when something happens, and nothing is ever changed in
 * place: a crash costs at most its last line, and a reader passes over a line that is not sound.  A file that has
 * become large is set aside as the generation before, whose own predecessor goes.
 */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

enum { FILE_MAX = 4 << 20, LINE_ROOM = 4096, PATH_ROOM = 512 };

struct journal_file {
	int fd;
	off_t size;
	char path[PATH_ROOM], before[PATH_ROOM];
};

/* ---- reading ------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* False: no line of ours. */
static bool entry_of(const json_t *o, struct journal_entry *e)
{
	*e = (struct journal_entry){
		.kind = journal_kind_of(text_of(o, "event")),
		.by = journal_by_of(text_of(o, "by")),
		.count = 1,
		.first = json_integer_value(json_object_get(o, "ms")),
		.gateway = text_of(o, "gateway"),
		.tunnel = text_of(o, "tunnel"),
		.proxy_id = text_of(o, "proxy-id"),
		.cause = text_of(o, "cause"),
		.text = text_of(o, "text"),
	};
	e->last = e->first;
	return e->kind < JOURNAL_KINDS && e->by < JOURNAL_BYS && e->first > 0;
}

static void read_all(const char *path, journal_entry_fn *cb, void *arg)
{
	FILE *f = fopen(path, "re");
	char line[LINE_ROOM];

	while (f && fgets(line, sizeof(line), f)) {
		json_t *o = json_loads(line, 0, NULL);
		struct journal_entry e;

		if (o && entry_of(o, &e))
			cb(arg, &e);
		json_decref(o);
	}
	if (f)
		fclose(f);
}

/* ---- writing ------------------------------------------------------------------------------------- */

static int open_for_us(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640), e;

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	e = errno;
	close(fd);
	errno = e;
	return -1;
}

/* The directory is made if its parent exists, as a service's own under /var/lib does. */
static void make_directory(const char *path)
{
	char dir[PATH_ROOM];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash && slash != dir) {
		*slash = 0;
		(void)mkdir(dir, 0750); /* what is missing shows when the file is opened */
	}
}

struct journal_file *journal_file_open(const char *path, journal_entry_fn *cb, void *arg, char *err,
				       size_t err_len)
{
	struct journal_file *f = calloc(1, sizeof(*f));
	struct stat st;

	if (!f)
		return NULL;
	snprintf(f->path, sizeof(f->path), "%s", path);
	snprintf(f->before, sizeof(f->before), "%s.1", path);
	make_directory(path);
	f->fd = open_for_us(path);
	if (f->fd < 0) {
		snprintf(err, err_len, "%s: %s; history is kept in memory only", path,
			 errno == EWOULDBLOCK ? "another culvertd uses it" : strerror(errno));
		free(f);
		return NULL;
	}
	read_all(f->before, cb, arg);
	read_all(f->path, cb, arg);
	f->size = fstat(f->fd, &st) == 0 ? st.st_size : 0;
	return f;
}

static void turn(struct journal_file *f)
{
	int fd;

	if (rename(f->path, f->before) < 0)
		return;
	fd = open_for_us(f->path);
	if (fd < 0)
		return; /* goes on in the old one */
	close(f->fd);
	f->fd = fd;
	f->size = 0;
}

static void put(json_t *o, const char *key, const char *value)
{
	if (value[0])
		json_object_set_new(o, key, json_string(value));
}

void journal_file_add(struct journal_file *f, const struct journal_entry *e)
{
	json_t *o = json_object();
	char line[LINE_ROOM];
	size_t n;

	json_object_set_new(o, "ms", json_integer(e->first));
	put(o, "event", journal_kind_str(e->kind));
	put(o, "by", journal_by_str(e->by));
	put(o, "gateway", e->gateway);
	put(o, "tunnel", e->tunnel);
	put(o, "proxy-id", e->proxy_id);
	put(o, "cause", e->cause);
	put(o, "text", e->text);
	n = json_dumpb(o, line, sizeof(line) - 1, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(o);
	if (n == 0 || n >= sizeof(line))
		return;
	line[n++] = '\n';
	/* A full disk loses history, nothing else. */
	if (write(f->fd, line, n) == (ssize_t)n)
		f->size += (off_t)n;
	if (f->size > FILE_MAX)
		turn(f);
}

void journal_file_close(struct journal_file *f)
{
	if (!f)
		return;
	close(f->fd);
	free(f);
}
