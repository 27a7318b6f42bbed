/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket: what clients do to it, by mistake or on purpose, and that the loop goes on.  Server and
 * clients share this thread: a client never blocks, and the loop runs in between.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake_world.h"
#include "log.h"
#include "echo_user.h"
#include "server.h"

static char dir[] = "/tmp/culvert-test-cli-XXXXXX";
static char path[64];
static struct cli_server *server;

static int begin(void **state)
{
	char err[256] = "";

	fake_begin();
	fake->ctl.loop = ev_loop_new(0);
	server = cli_server_start(&fake->ctl, path, err, sizeof(err));
	if (!server)
		print_message("# %s\n", err);
	return server ? 0 : -1;
}

static int end(void **state)
{
	cli_server_stop(server);
	fake_end();
	return 0;
}

static int dial(const char *to)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", to);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void turn(unsigned times)
{
	while (times--)
		ev_run(fake->ctl.loop, EVRUN_NOWAIT);
}

static void put(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Turn the loop until `lines` lines have come or nothing more does.  Returns bytes read; -1 in *closed tells
 * that the server has closed. */
static size_t read_lines(int fd, char *buf, size_t cap, unsigned lines, bool *closed)
{
	size_t n = 0;
	unsigned quiet = 0, got = 0;

	*closed = false;
	while (got < lines && quiet < 50) {
		ssize_t k;

		turn(1);
		k = recv(fd, buf + n, cap - 1 - n, MSG_DONTWAIT);
		if (k == 0 || (k < 0 && errno != EAGAIN)) {
			*closed = true;
			break;
		}
		quiet = k < 0 ? quiet + 1 : 0;
		for (ssize_t i = 0; i < k; i++)
			got += buf[n + (size_t)i] == '\n';
		n += k > 0 ? (size_t)k : 0;
	}
	buf[n] = 0;
	return n;
}

static char big[8 << 20];

static void assert_alive(void)
{
	int fd = dial(path);
	bool closed;

	assert_true(fd >= 0);
	put(fd, "{\"command\":[\"show\",\"system\",\"info\"]}\n");
	read_lines(fd, big, sizeof(big), 2, &closed);
	assert_non_null(strstr(big, "\"type\":\"system-info\""));
	assert_non_null(strstr(big, "{\"status\":\"ok\",\"exit\":0}\n"));
	assert_false(closed);
	close(fd);
	turn(3);
}

static void test_ask(void **state)
{
	assert_alive();
}

static void test_mode(void **state)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
}

static void test_several_on_one_connection(void **state)
{
	int fd = dial(path);
	bool closed;

	put(fd,
	    "{\"command\":[\"debug\",\"ike\",\"on\"]}\n{\"command\":[\"nonsense\"]}\n{\"complete\":[\"sh\"]}\n");
	read_lines(fd, big, sizeof(big), 4, &closed);
	assert_non_null(strstr(big, "debug-ike"));
	assert_non_null(strstr(big, "\"exit\":2"));
	assert_non_null(strstr(big, "\"candidates\":[{\"word\":\"show\""));
	assert_false(closed);
	close(fd);
}

/* A request that comes byte by byte is one request. */
static void test_dribble(void **state)
{
	static const char req[] = "{\"command\":[\"show\",\"system\",\"info\"]}\n";
	int fd = dial(path);
	bool closed;

	for (size_t i = 0; i < sizeof(req) - 1; i++) {
		assert_int_equal(send(fd, req + i, 1, 0), 1);
		turn(2);
	}
	read_lines(fd, big, sizeof(big), 2, &closed);
	assert_non_null(strstr(big, "\"status\":\"ok\""));
	close(fd);
}

/* Requests that stand there whole are answered even if their sender has no more to say. */
static void test_half_closed(void **state)
{
	int fd = dial(path);
	bool closed;

	put(fd, "{\"complete\":[]}\n{\"complete\":[\"sh\"]}\n{\"command\":[\"comm");
	shutdown(fd, SHUT_WR);
	read_lines(fd, big, sizeof(big), 9, &closed);
	assert_true(closed);
	assert_non_null(strstr(big, "\"clear\""));
	assert_string_equal(fake->called, "");
	close(fd);
	assert_alive();
}

static void test_garbage(void **state)
{
	static char noise[20000];
	int fd = dial(path);
	bool closed;

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (char)(i * 7 + i / 251);
	assert_true(send(fd, noise, sizeof(noise), MSG_NOSIGNAL) > 0);
	put(fd, "\n{\"complete\":[\"sh\"]}\n");
	read_lines(fd, big, sizeof(big), 200, &closed);
	assert_non_null(strstr(big, "\"exit\":2"));
	assert_non_null(strstr(big, "\"word\":\"show\"")); /* and the next request is heard */
	assert_false(closed);
	close(fd);
	assert_alive();
}

/* Deeply nested JSON is refused by depth, not by the stack. */
static void test_deep(void **state)
{
	static char deep[60001];
	int fd = dial(path);
	bool closed;

	memset(deep, '[', sizeof(deep) - 1);
	put(fd, deep);
	put(fd, "\n");
	read_lines(fd, big, sizeof(big), 1, &closed);
	assert_non_null(strstr(big, "\"status\":\"error\""));
	close(fd);
	assert_alive();
}

static void test_endless_line(void **state)
{
	static char line[70000];
	int fd = dial(path);
	bool closed;
	size_t sent = 0;

	memset(line, 'x', sizeof(line));
	while (sent < sizeof(line)) {
		ssize_t n = send(fd, line + sent, sizeof(line) - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN)
			break;
		sent += n > 0 ? (size_t)n : 0;
		turn(2);
	}
	read_lines(fd, big, sizeof(big), 9, &closed);
	assert_string_equal(
		big,
		"{\"status\":\"error\",\"error\":\"a request is at most 65536 bytes long\",\"exit\":2}\n");
	assert_true(closed);
	close(fd);
	assert_alive();
}

/* A client that asks for much and reads nothing costs one page; others are answered meanwhile, and when it
 * reads at last it gets all of it. */
static void test_slow_reader(void **state)
{
	enum { SAS = 4000 };
	int slow = dial(path), one = 1;
	bool closed;
	size_t n;
	const char *p;
	unsigned found = 0;

	for (int i = 0; i < SAS; i++)
		fake_ike_sa();
	setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &one, sizeof(one));
	put(slow, "{\"command\":[\"show\",\"vpn\",\"ike-sa\"]}\n");
	turn(500);
	for (int i = 0; i < 5; i++)
		assert_alive();
	n = read_lines(slow, big, sizeof(big), 1000, &closed);
	assert_true(n > 1000000);
	assert_false(closed);
	for (p = big; (p = strstr(p, "\"sn\":")); p++)
		found++;
	assert_int_equal(found, SAS);
	assert_non_null(strstr(big, "{\"status\":\"ok\",\"exit\":0}\n"));
	close(slow);
}

static void test_reader_that_leaves(void **state)
{
	for (int i = 0; i < 4000; i++)
		fake_ike_sa();
	for (int i = 0; i < 20; i++) {
		int fd = dial(path);

		put(fd, "{\"command\":[\"show\",\"vpn\",\"ike-sa\"]}\n");
		turn((unsigned)i);
		close(fd);
		turn(5);
	}
	assert_alive();
}

static void test_too_many(void **state)
{
	int fds[70];
	unsigned refused = 0;

	for (size_t i = 0; i < 70; i++) {
		bool closed;

		fds[i] = dial(path);
		assert_true(fds[i] >= 0);
		turn(2);
		read_lines(fds[i], big, sizeof(big), 1, &closed);
		refused += strstr(big, "too many clients") != NULL;
	}
	assert_int_equal(refused, 6);
	for (size_t i = 0; i < 70; i++)
		close(fds[i]);
	turn(80);
	assert_alive();
}

/* ---- patience ------------------------------------------------------------------------------------- */

/* Has the server closed?  Bytes that are there are read away. */
static bool gone(int fd)
{
	char buf[4096];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		continue;
	return n == 0 || errno != EAGAIN;
}

static bool gone_in_time(int fd)
{
	for (unsigned i = 0; i < 500 && !gone(fd); i++) {
		turn(2);
		usleep(10000);
	}
	return gone(fd);
}

/* One that says nothing, and one that says half a request, however slowly it goes on. */
static void test_idle(void **state)
{
	int idle = dial(path), half = dial(path);
	bool closed = false;

	cli_server_patience(server, 0.1, 0.1);
	turn(5);
	for (unsigned i = 0; i < 500 && !closed; i++) {
		closed = send(half, "x", 1, MSG_NOSIGNAL) < 0;
		turn(2);
		usleep(10000);
	}
	assert_true(closed);
	assert_true(gone_in_time(idle));
	close(idle);
	close(half);
	assert_alive();
}

/* One that asks and does not read, or reads a few bytes now and then, is let go; nobody waits for it. */
static void test_no_reader(void **state)
{
	int fd = dial(path), one = 1;
	bool closed = false;

	for (int i = 0; i < 4000; i++)
		fake_ike_sa();
	cli_server_patience(server, 0.1, 0.1);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &one, sizeof(one));
	put(fd, "{\"command\":[\"show\",\"vpn\",\"ike-sa\"]}\n");
	for (unsigned i = 0; i < 1000 && !closed; i++) {
		/* The server has closed when nothing can be sent to it any more. */
		closed = send(fd, "\n", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN;
		(void)!recv(fd, big, 1, MSG_DONTWAIT);
		turn(2);
		usleep(2000);
	}
	assert_true(closed);
	close(fd);
	assert_alive();
}

/* A command that has nothing to tell for long keeps its client. */
static void test_patient_command(void **state)
{
	int fd = dial(path);
	bool closed;

	cli_server_patience(server, 0.05, 0.05);
	put(fd, "{\"command\":[\"ping\",\"host\",\"203.0.113.10\",\"source\",\"198.51.100.20\"]}\n");
	read_lines(fd, big, sizeof(big), 1, &closed);
	for (unsigned i = 0; i < 40; i++) {
		turn(2);
		usleep(10000);
	}
	cli_echo_answer(&(struct dp_echo_answer){.echo = fake->echo, .ttl = 63});
	read_lines(fd, big, sizeof(big), 1, &closed);
	assert_false(closed);
	assert_non_null(strstr(big, "\"ttl\":63"));
	close(fd);
	turn(5);
}

/* ---- the path ------------------------------------------------------------------------------------- */

static void test_second_daemon(void **state)
{
	char err[256] = "", other[80];
	struct cli_server *s;
	struct stat st;

	assert_null(cli_server_start(&fake->ctl, path, err, sizeof(err)));
	assert_non_null(strstr(err, "another culvertd listens there"));
	assert_alive(); /* and the first is not harmed */
	snprintf(other, sizeof(other), "%s/second/cli", dir);
	s = cli_server_start(&fake->ctl, other, err, sizeof(err));
	assert_non_null(s);
	assert_alive();
	cli_server_stop(s);
	assert_true(stat(other, &st) < 0);
	snprintf(other, sizeof(other), "%s/second", dir);
	assert_int_equal(rmdir(other), 0);
}

static void test_stale_socket(void **state)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char err[256] = "";
	struct cli_server *s;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/stale", dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);
	s = cli_server_start(&fake->ctl, a.sun_path, err, sizeof(err));
	if (!s)
		fail_msg("%s", err);
	cli_server_stop(s);
}

static void test_not_a_socket(void **state)
{
	char err[256] = "", file[80];
	struct stat st;
	int fd;

	snprintf(file, sizeof(file), "%s/file", dir);
	fd = open(file, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_null(cli_server_start(&fake->ctl, file, err, sizeof(err)));
	assert_non_null(strstr(err, "exists and is not a socket"));
	assert_int_equal(stat(file, &st), 0); /* and it is still there */
	unlink(file);
	assert_null(cli_server_start(&fake->ctl, "/proc/nowhere/cli", err, sizeof(err)));
	assert_non_null(strstr(err, "No such file or directory"));
}

/* Stopping removes our socket, not one that has taken its place. */
static void test_stop_leaves_others(void **state)
{
	char err[256] = "", mine[80];
	struct stat st;
	struct cli_server *s;
	int fd;

	snprintf(mine, sizeof(mine), "%s/mine", dir);
	s = cli_server_start(&fake->ctl, mine, err, sizeof(err));
	assert_non_null(s);
	/* Its successor is made before it goes, so that it cannot get the same inode. */
	snprintf(big, sizeof(big), "%s.new", mine);
	fd = open(big, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_int_equal(rename(big, mine), 0);
	cli_server_stop(s);
	assert_int_equal(stat(mine, &st), 0);
	unlink(mine);
	cli_server_stop(NULL);
}

/* A job that waits costs no turns, keeps nobody else waiting, and ends with its client. */
static void test_waiting(void **state)
{
	int fd = dial(path);
	bool closed;

	assert_true(fd >= 0);
	put(fd, "{\"command\":[\"ping\",\"host\",\"203.0.113.10\",\"source\",\"198.51.100.20\"]}\n");
	read_lines(fd, big, sizeof(big), 1, &closed);
	assert_non_null(strstr(big, "\"type\":\"ping\""));
	turn(5);
	assert_int_equal(fake->echoes, 1);
	assert_int_equal(read_lines(fd, big, sizeof(big), 1, &closed), 0);
	assert_false(closed);
	assert_alive();
	cli_echo_answer(&(struct dp_echo_answer){.echo = fake->echo, .ttl = 63});
	read_lines(fd, big, sizeof(big), 1, &closed);
	assert_non_null(strstr(big, "\"ttl\":63"));
	assert_non_null(strstr(big, "\"duplicate\":false"));
	cli_echo_answer(&(struct dp_echo_answer){.echo = fake->echo, .ttl = 63});
	read_lines(fd, big, sizeof(big), 1, &closed);
	assert_non_null(strstr(big, "\"duplicate\":true"));
	assert_int_equal(fake->echo_closed, 0);
	close(fd);
	turn(5);
	assert_int_equal(fake->echo_closed, 1);
	cli_echo_answer(&(struct dp_echo_answer){.echo = fake->echo, .ttl = 63});
	assert_alive();
}

/* Who has enough shuts down his side: what is there is summed up, and the connection ends. */
static void test_enough(void **state)
{
	int fd = dial(path);
	struct dp_echo_error e = {.type = 11};
	bool closed;

	put(fd, "{\"command\":[\"ping\",\"host\",\"203.0.113.10\",\"source\",\"198.51.100.20\"]}\n");
	read_lines(fd, big, sizeof(big), 1, &closed);
	turn(5);
	e.host = fake->echo.dst;
	e.id = fake->echo.id;
	e.seq = fake->echo.seq;
	addr_parse("192.0.2.1", &e.from);
	cli_echo_error(&e);
	cli_echo_error(&e); /* the second says nothing new */
	e.seq++;
	cli_echo_error(&e); /* of a request that was not sent */
	read_lines(fd, big, sizeof(big), 1, &closed);
	assert_non_null(strstr(
		big, "\"errors\":[{\"seq\":1,\"from\":\"192.0.2.1\",\"text\":\"Time to live exceeded\"}]"));
	shutdown(fd, SHUT_WR);
	read_lines(fd, big, sizeof(big), 2, &closed);
	assert_non_null(strstr(big, "\"summary\":{\"sent\":1,\"received\":0,\"duplicates\":0,\"errors\":1,"));
	assert_non_null(strstr(big, "192.0.2.1 says: Time to live exceeded"));
	read_lines(fd, big, sizeof(big), 1, &closed);
	assert_true(closed);
	assert_int_equal(fake->echo_closed, 1);
	close(fd);
	assert_alive();
}

static int set_up(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/cli", dir);
	return 0;
}

static int tear_down(void **state)
{
	return rmdir(dir);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_ask),
		T(test_mode),
		T(test_waiting),
		T(test_enough),
		T(test_several_on_one_connection),
		T(test_dribble),
		T(test_half_closed),
		T(test_garbage),
		T(test_deep),
		T(test_endless_line),
		T(test_slow_reader),
		T(test_reader_that_leaves),
		T(test_too_many),
		T(test_idle),
		T(test_no_reader),
		T(test_patient_command),
		T(test_second_daemon),
		T(test_stale_socket),
		T(test_not_a_socket),
		T(test_stop_leaves_others),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
