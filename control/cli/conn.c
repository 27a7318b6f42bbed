/* SPDX-License-Identifier: Apache-2.0 */
#include "conn.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A line of an answer is a page; far beyond any page there is something else at the other end. */
enum { LINE_MAX_LEN = 64 << 20 };

struct conn {
	FILE *in;
	int fd;
	char *line;
	size_t cap;
	volatile sig_atomic_t interrupted, streaming, spent;
	conn_page_fn *on_page;
	void *on_page_arg;
};

struct conn *conn_open(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct conn *c;
	int fd, err;

	if (strlen(path) >= sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	memcpy(a.sun_path, path, strlen(path) + 1);
	c = calloc(1, sizeof(*c));
	fd = c ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		c->in = fdopen(fd, "r");
	if (c && c->in) {
		c->fd = fd;
		return c;
	}
	err = errno;
	if (fd >= 0)
		close(fd);
	free(c);
	errno = err;
	return NULL;
}

void conn_close(struct conn *c)
{
	if (!c)
		return;
	fclose(c->in);
	free(c->line);
	free(c);
}

/* The reader may be about to read and not do so yet: a signal alone would be lost on it. */
void conn_interrupt(struct conn *c)
{
	c->interrupted = 1;
	shutdown(c->fd, SHUT_RDWR);
}

bool conn_stop(struct conn *c)
{
	if (!c->streaming || c->spent)
		return false;
	c->spent = 1;
	return shutdown(c->fd, SHUT_WR) == 0;
}

bool conn_spent(const struct conn *c)
{
	return c->spent;
}

void conn_on_page(struct conn *c, conn_page_fn *cb, void *arg)
{
	c->on_page = cb;
	c->on_page_arg = arg;
}

json_t *conn_request(const char *what, const char *const *words, size_t n)
{
	json_t *o = json_object(), *list = json_array();

	json_object_set_new(o, what, list);
	for (size_t i = 0; i < n; i++) {
		/* One word less would be another command. */
		if (json_array_append_new(list, json_string(words[i])) < 0) {
			json_decref(o);
			return NULL;
		}
	}
	return o;
}

void conn_merge(json_t *to, json_t *page)
{
	const char *key;
	json_t *v;

	json_object_foreach(page, key, v)
	{
		json_t *there = json_object_get(to, key);

		if (json_is_array(v) && json_is_array(there))
			json_array_extend(there, v);
		else
			json_object_set(to, key, v);
	}
}

static bool send_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

static bool broke(struct answer *a, const char *why)
{
	snprintf(a->err, sizeof(a->err), "%s", why);
	return false;
}

void answer_free(struct answer *a)
{
	json_decref(a->doc);
	json_decref(a->last);
	*a = (struct answer){0};
}

bool conn_ask(struct conn *c, const json_t *request, struct answer *a)
{
	char *text = json_dumps(request, JSON_COMPACT);
	bool sent;

	*a = (struct answer){0};
	if (!text)
		return broke(a, "the words are not text");
	sent = send_all(c->fd, text, strlen(text)) && send_all(c->fd, "\n", 1);
	free(text);
	/* A daemon that refuses and closes may do so before it has read: its words are there all the same. */
	for (;;) {
		json_t *o, *doc;
		ssize_t n;

		n = getline(&c->line, &c->cap, c->in);
		if (n <= 0 && c->interrupted) {
			a->begun = true;
			return broke(a, "interrupted");
		}
		if (n <= 0 || n > LINE_MAX_LEN)
			return broke(a, sent ? "culvertd closed the connection" : "culvertd does not read");
		o = json_loadb(c->line, (size_t)n, 0, NULL);
		if (!json_is_object(o)) {
			json_decref(o);
			return broke(a, "what answered does not speak culvert's protocol");
		}
		doc = json_object_get(o, "document");
		if (!doc) {
			a->last = o;
			break;
		}
		a->begun = true;
		c->streaming = json_is_true(json_object_get(doc, "stream"));
		if (c->on_page && c->streaming)
			c->on_page(c->on_page_arg, doc);
		else if (!a->doc)
			a->doc = json_incref(doc);
		else
			conn_merge(a->doc, doc);
		json_decref(o);
	}
	c->streaming = 0;
	a->exit = (int)json_integer_value(json_object_get(a->last, "exit"));
	if (json_string_value(json_object_get(a->last, "error")))
		snprintf(a->err, sizeof(a->err), "%s", json_string_value(json_object_get(a->last, "error")));
	return true;
}
