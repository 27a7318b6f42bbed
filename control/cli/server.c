/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients on a UNIX socket, from the event loop.  Nothing here blocks and nothing grows with a client's
 * slowness: a request is a line of bounded length, one at a time is answered, and the next line of an
 * answer is made only when the one before has been written.  Each wake-up does one line of one client, so
 * that a long listing shares the loop with everything else.
 *
 * Nor does a client keep its place for nothing: one that asks nothing is let go after a while, and so is one that does not
 * come to the end of its request, or does not take the line that is written to it.  A command that goes on and has
 * nothing to tell, as "show log system follow yes", may take any time: its client is read meanwhile, and seen to leave.
 */
#include "server.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl.h"
#include "job.h"
#include "log.h"

enum {
	CLIENTS_MAX = 64,
	REQUEST_MAX = 65536,
	IDLE_S = 60,  /* for the next request to begin: the shell connects anew without a word */
	STALL_S = 60, /* for a request to be there whole; for a line of an answer to be taken */
	REFUSE_S = 1, /* pause of accept() when descriptors ran out */
	BACKLOG = 16,
};

/* What a client is waited for. */
enum wait { WAIT_NONE, WAIT_REQUEST, WAIT_END_OF_REQUEST, WAIT_READER };

struct client {
	struct cli_server *s;
	struct client *next, **link;
	ev_io in, out;
	ev_timer timer; /* of what it is waited for */
	enum wait wait;
	int fd;
	char *req; /* what has arrived and was not taken yet */
	size_t req_len;
	char *line; /* being written */
	size_t line_len, line_done;
	struct cli_job *job;
	bool eof, doomed; /* doomed: closed once `line` is out */
};

struct cli_server {
	struct ctl *c;
	int fd;
	ev_io accept;
	ev_timer pause;
	struct client *clients;
	unsigned n_clients;
	double idle_s, stall_s;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	dev_t dev;
	ino_t ino;
};

/* ---- one client ------------------------------------------------------------------------------------ */

static void client_close(struct client *k)
{
	struct ev_loop *loop = k->s->c->loop;

	ev_io_stop(loop, &k->in);
	ev_io_stop(loop, &k->out);
	ev_timer_stop(loop, &k->timer);
	close(k->fd);
	cli_job_free(k->job);
	free(k->req);
	free(k->line);
	*k->link = k->next;
	if (k->next)
		k->next->link = k->link;
	k->s->n_clients--;
	free(k);
}

/* From now on for this; what it is waited for already goes on, be it bit by bit. */
static void client_wait(struct client *k, enum wait what)
{
	if (k->wait == what)
		return;
	k->wait = what;
	k->timer.repeat = what == WAIT_NONE      ? 0 /* stops */
			  : what == WAIT_REQUEST ? k->s->idle_s
						 : k->s->stall_s;
	ev_timer_again(k->s->c->loop, &k->timer);
}

/* Its job has more to tell. */
static void client_wake(void *arg)
{
	struct client *k = arg;

	ev_io_stop(k->s->c->loop, &k->in);
	ev_io_start(k->s->c->loop, &k->out);
}

/* Take the first whole line of what has arrived as the next request. */
static bool client_next_job(struct client *k)
{
	char *nl = k->req_len ? memchr(k->req, '\n', k->req_len) : NULL;
	size_t n;

	if (!nl)
		return false;
	n = (size_t)(nl - k->req) + 1;
	k->job = cli_job_new(k->s->c, k->req, n - 1);
	if (k->job) {
		k->job->wake = client_wake;
		k->job->wake_arg = k;
	}
	k->req_len -= n;
	memmove(k->req, k->req + n, k->req_len);
	return k->job;
}

static void client_refuse(struct client *k, const char *why)
{
	char text[256];

	snprintf(text, sizeof(text), "{\"status\":\"error\",\"error\":\"%s\",\"exit\":%d}\n", why,
		 CLI_EXIT_USAGE);
	k->doomed = true;
	k->line = strdup(text);
	k->line_len = k->line ? strlen(text) : 0;
	k->line_done = 0;
}

/* What the client waits for next: to be read from, or written to; closes it when there is nothing left. */
static void client_settle(struct client *k)
{
	struct ev_loop *loop = k->s->c->loop;

	if (k->job && k->job->waiting && !k->line) {
		/* Read meanwhile, if only to see it leave. */
		ev_io_stop(loop, &k->out);
		if (k->req_len < REQUEST_MAX)
			ev_io_start(loop, &k->in);
		else
			ev_io_stop(loop, &k->in);
		client_wait(k, WAIT_NONE);
		return;
	}
	if (!k->job && !k->line && !k->doomed && !client_next_job(k) && k->req_len >= REQUEST_MAX)
		client_refuse(k, "a request is at most 65536 bytes long");
	if (k->job || k->line) {
		/* Not read while being answered: the kernel's buffer is all that a client can pile up. */
		client_wait(k, WAIT_READER);
		ev_io_stop(loop, &k->in);
		ev_io_start(loop, &k->out);
		return;
	}
	if (k->eof || k->doomed) {
		client_close(k);
		return;
	}
	ev_io_stop(loop, &k->out);
	ev_io_start(loop, &k->in);
	client_wait(k, k->req_len ? WAIT_END_OF_REQUEST : WAIT_REQUEST);
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct client *k = w->data;
	ssize_t n = recv(k->fd, k->req + k->req_len, REQUEST_MAX - k->req_len, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		client_close(k);
		return;
	}
	if (n == 0)
		k->eof = true; /* half a request is nobody's; whole ones before it are answered */
	if (k->eof && k->job) {
		cli_job_stop(k->job); /* one that left altogether is closed when that is written to it */
		return;
	}
	k->req_len += n > 0 ? (size_t)n : 0;
	client_settle(k);
}

/* The answer's next line; ends the job behind the last. */
static void client_next_line(struct client *k)
{
	k->line = cli_job_line(k->job);
	k->line_len = k->line ? strlen(k->line) : 0;
	k->line_done = 0;
	client_wait(k, WAIT_NONE);
	client_wait(k, WAIT_READER);
	if (k->line || k->job->waiting)
		return;
	cli_job_free(k->job);
	k->job = NULL;
}

static void on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct client *k = w->data;
	ssize_t n;

	if (!k->line && k->job)
		client_next_line(k);
	if (!k->line) {
		client_settle(k);
		return;
	}
	n = send(k->fd, k->line + k->line_done, k->line_len - k->line_done, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		client_close(k);
		return;
	}
	k->line_done += (size_t)n;
	if (k->line_done < k->line_len)
		return;
	free(k->line);
	k->line = NULL;
	if (!k->job)
		client_settle(k);
}

static void on_timeout(struct ev_loop *loop, ev_timer *w, int revents)
{
	client_close(w->data);
}

static struct client *client_new(struct cli_server *s, int fd)
{
	struct client *k = calloc(1, sizeof(*k));

	if (k)
		k->req = malloc(REQUEST_MAX);
	if (!k || !k->req) {
		free(k);
		close(fd);
		return NULL;
	}
	k->s = s;
	k->fd = fd;
	k->link = &s->clients;
	k->next = s->clients;
	if (k->next)
		k->next->link = &k->next;
	s->clients = k;
	s->n_clients++;
	ev_io_init(&k->in, on_readable, fd, EV_READ);
	ev_io_init(&k->out, on_writable, fd, EV_WRITE);
	ev_init(&k->timer, on_timeout);
	k->in.data = k->out.data = k->timer.data = k;
	return k;
}

/* ---- accepting ------------------------------------------------------------------------------------- */

static void say_full(int fd)
{
	char text[160];
	int n = snprintf(
		text, sizeof(text),
		"{\"status\":\"error\",\"error\":\"too many clients: culvertd answers %d at a time; try again "
		"when one has left\",\"exit\":%d}\n",
		CLIENTS_MAX, CLI_EXIT_FAILED);

	(void)!send(fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void on_accept(struct ev_loop *loop, ev_io *w, int revents)
{
	struct cli_server *s = w->data;
	int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client *k;

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			/* The connection stays in the queue: without a pause the loop would spin on it. */
			ev_io_stop(loop, &s->accept);
			ev_timer_again(loop, &s->pause);
		}
		return;
	}
	if (s->n_clients >= CLIENTS_MAX) {
		say_full(fd);
		close(fd);
		return;
	}
	k = client_new(s, fd);
	if (k)
		client_settle(k);
}

static void on_pause_over(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct cli_server *s = w->data;

	ev_timer_stop(loop, &s->pause);
	ev_io_start(loop, &s->accept);
}

/* ---- the socket ------------------------------------------------------------------------------------ */

static int try_connect(const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)a, sizeof(*a)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

/* Remove what a daemon that died has left; complain about anything else. */
static int clear_path(const struct sockaddr_un *a, char *err, size_t err_len)
{
	struct stat st;
	int rc;

	if (lstat(a->sun_path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(err, err_len, "cli-socket \"%s\" exists and is not a socket", a->sun_path);
		return -EEXIST;
	}
	rc = try_connect(a);
	if (rc != -ECONNREFUSED) {
		snprintf(err, err_len, "cli-socket \"%s\": %s", a->sun_path,
			 rc == 0 || rc == -EAGAIN ? "another culvertd listens there" : strerror(-rc));
		return -EADDRINUSE;
	}
	if (unlink(a->sun_path) < 0) {
		snprintf(err, err_len, "cli-socket \"%s\" cannot be replaced: %s", a->sun_path,
			 strerror(errno));
		return -errno;
	}
	return 0;
}

/* The folder of the socket, as /run is empty after every boot. */
static void make_folder(const char *path)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return;
	*slash = 0;
	(void)mkdir(dir, 0755);
}

static void share_with_group(const char *path)
{
	struct group *g = getgrnam("culvert");

	if (g && lchown(path, (uid_t)-1, g->gr_gid) < 0)
		log_event(LOG_SEV_MEDIUM, "general", "cli", "%s cannot be given to group culvert: %s", path,
			  strerror(errno));
	(void)chmod(path, 0660);
}

static int listen_at(struct cli_server *s, char *err, size_t err_len)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct stat st;
	mode_t mask;
	int rc;

	memcpy(a.sun_path, s->path, sizeof(a.sun_path));
	make_folder(s->path);
	if (clear_path(&a, err, err_len) < 0)
		return -1;
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mask = umask(0177); /* nobody else gets in before the group is set */
	rc = s->fd < 0 ? -1 : bind(s->fd, (struct sockaddr *)&a, sizeof(a));
	umask(mask);
	if (rc == 0) {
		share_with_group(s->path);
		rc = listen(s->fd, BACKLOG);
	}
	if (rc < 0) {
		snprintf(err, err_len, "cli-socket \"%s\": %s", s->path, strerror(errno));
		return -1;
	}
	if (stat(s->path, &st) == 0) {
		s->dev = st.st_dev;
		s->ino = st.st_ino;
	}
	return 0;
}

struct cli_server *cli_server_start(struct ctl *c, const char *path, char *err, size_t err_len)
{
	struct cli_server *s = calloc(1, sizeof(*s));

	if (!s || strlen(path) >= sizeof(s->path)) {
		snprintf(err, err_len, s ? "cli-socket: the path is too long" : "out of memory");
		free(s);
		return NULL;
	}
	s->c = c;
	s->idle_s = IDLE_S;
	s->stall_s = STALL_S;
	s->fd = -1;
	memcpy(s->path, path, strlen(path) + 1);
	if (listen_at(s, err, err_len) < 0) {
		if (s->fd >= 0)
			close(s->fd);
		free(s);
		return NULL;
	}
	ev_io_init(&s->accept, on_accept, s->fd, EV_READ);
	ev_init(&s->pause, on_pause_over);
	s->pause.repeat = REFUSE_S;
	s->accept.data = s->pause.data = s;
	ev_io_start(c->loop, &s->accept);
	return s;
}

void cli_server_patience(struct cli_server *s, double idle_s, double stall_s)
{
	s->idle_s = idle_s;
	s->stall_s = stall_s;
}

void cli_server_stop(struct cli_server *s)
{
	struct stat st;

	if (!s)
		return;
	for (struct client *k = s->clients, *next; k; k = next) {
		next = k->next;
		client_close(k);
	}
	ev_io_stop(s->c->loop, &s->accept);
	ev_timer_stop(s->c->loop, &s->pause);
	close(s->fd);
	if (stat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		unlink(s->path);
	free(s);
}
