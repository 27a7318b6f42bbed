/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop.  Four things wake it: the data plane's eventfd, a 100 ms tick for the data plane's
 * housekeeping, one timer set to whatever the engine waits for next, and the operator's socket.
 */
#include "ctl.h"
#include "ctl_certs.h"
#include "ctl_fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "capture_file.h"
#include "cli/server.h"
#include "ike_capture.h"
#include "journal.h"
#include "log.h"

static const uint64_t NS = 1000000000;

/* How long peers get to acknowledge our Deletes on SIGTERM. */
enum { STOP_PATIENCE_S = 3 };
/* on_dp_tick() comes every 100 ms. */
enum { TICKS_A_SECOND = 10 };
/* More ports than the data plane takes; dp_port_add() says so. */
enum { CFG_PORTS_MAX = 64 };

uint64_t ctl_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

int64_t ctl_wall(uint64_t now_time)
{
	struct timespec t;

	/* Cut to seconds once, at the end: every look at an event has to give the same second. */
	clock_gettime(CLOCK_REALTIME, &t);
	return ((int64_t)t.tv_sec * (int64_t)NS + t.tv_nsec + (int64_t)(now_time - ctl_now())) / (int64_t)NS;
}

int64_t ctl_wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void ctl_ike_rearm(struct ctl *c)
{
	uint64_t next = ike_next(c->ike), now = ctl_now();

	if (!c->loop)
		return;
	ev_timer_stop(c->loop, &c->ike_timer);
	if (next == UINT64_MAX)
		return;
	ev_now_update(c->loop);
	ev_timer_set(&c->ike_timer, next > now ? (double)(next - now) / 1e9 : 0., 0.);
	ev_timer_start(c->loop, &c->ike_timer);
}

/* While stopping: over once every peer has answered, or patience has. */
static void stop_step(struct ctl *c)
{
	if (c->stopping && (ike_shutdown(c->ike, ctl_now()) || ctl_now() >= c->stop_by_ns))
		ev_break(c->loop, EVBREAK_ALL);
}

static void dp_service_and_rearm(struct ctl *c)
{
	dp_service(ctl_now());
	ctl_capture_flush(c);
	ctl_ike_capture_tick(c);
	ctl_ike_rearm(c);
	stop_step(c);
}

static uint64_t cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

static void on_turn_begins(struct ev_loop *loop, ev_check *w, int revents)
{
	struct ctl *c = w->data;

	c->turns.began_ns = ctl_now();
	c->turns.began_cpu_ns = cpu_now();
}

static void on_turn_ends(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct ctl *c = w->data;
	uint64_t took = c->turns.began_ns ? ctl_now() - c->turns.began_ns : 0;

	c->turns.busy_ns += took;
	c->turns.longest_ns = took > c->turns.longest_ns ? took : c->turns.longest_ns;
	c->turns.long_ones += took > CTL_LONG_TURN_MS * (NS / 1000);
	if (took > c->turns.longest_cpu_ns) {
		took = cpu_now() - c->turns.began_cpu_ns;
		c->turns.longest_cpu_ns = took > c->turns.longest_cpu_ns ? took : c->turns.longest_cpu_ns;
	}
	log_flush();
}

static void on_dp_io(struct ev_loop *loop, ev_io *w, int revents)
{
	dp_service_and_rearm(w->data);
}

static void look_at_load(struct ctl *c)
{
	struct dp_worker_stats s;

	memcpy(c->load[1], c->load[0], sizeof(c->load[0]));
	for (unsigned i = 0; i < DP_WORKERS_MAX && dp_worker_stats(i, &s) == 0; i++)
		c->load[0][i] = (struct ctl_load){.busy_ns = s.busy_ns, .up_ns = s.up_ns};
	c->turns.second_ns = c->turns.busy_ns - c->turns.before_ns;
	c->turns.before_ns = c->turns.busy_ns;
}

static void on_dp_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ctl *c = w->data;

	dp_service_and_rearm(c);
	ctl_dummies(c);
	if (++c->ticks % TICKS_A_SECOND == 0)
		look_at_load(c);
}

static void on_ike_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ctl *c = w->data;

	ike_run(c->ike, ctl_now());
	ctl_ike_rearm(c);
	stop_step(c);
}

static void on_stop(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct ctl *c = w->data;

	if (c->stopping) {
		ev_break(loop, EVBREAK_ALL); /* asked twice: do not wait for peers */
		return;
	}
	log_event(LOG_SEV_INFORMATIONAL, "general", "culvertd", "stopping on signal %d", w->signum);
	c->stopping = true;
	c->stop_by_ns = ctl_now() + STOP_PATIENCE_S * NS;
	stop_step(c);
	ctl_ike_rearm(c);
}

static void on_hup(struct ev_loop *loop, ev_signal *w, int revents)
{
	ctl_commit_again(w->data);
}

/* Tell systemd (Type=notify) where we are; nothing happens without it.  sd_notify(3). */
static void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd;

	if (!path || strlen(path) >= sizeof(a.sun_path))
		return;
	memcpy(a.sun_path, path, strlen(path));
	if (a.sun_path[0] == '@')
		a.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&a,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)));
	close(fd);
}

static void dp_log_line(enum dp_log_level level, const char *text)
{
	static const enum log_severity sev[] = {
		[DP_LOG_ERR] = LOG_SEV_HIGH,
		[DP_LOG_WARN] = LOG_SEV_MEDIUM,
		[DP_LOG_INFO] = LOG_SEV_INFORMATIONAL,
		[DP_LOG_DEBUG] = LOG_SEV_DEBUG,
	};

	log_event(sev[level], "general", "dataplane", "%s", text);
}

static uint32_t proxy_ids_of(const struct config *conf)
{
	uint32_t n = 0;

	for (size_t i = 0; i < conf->n_tunnels; i++)
		n += conf->tunnels[i].n_proxy_ids;
	return n;
}

static int start_dataplane(struct ctl *c, const struct config *conf, char *err, size_t err_len)
{
	const char *devices[CFG_PORTS_MAX];
	uint16_t n_devices = 0, max_mtu = 0;

	for (size_t i = 0; i < conf->n_interfaces; i++) {
		const struct cfg_interface *f = &conf->interfaces[i];

		if (!f->port[0] || n_devices == CFG_PORTS_MAX)
			continue;
		devices[n_devices++] = f->port;
		max_mtu = f->mtu > max_mtu ? f->mtu : max_mtu;
	}
	/* Sized for what is configured, with room for a commit that adds to it. */
	struct dp_conf d = {
		.name = conf->sys.hostname,
		.cores = conf->sys.cores[0] ? conf->sys.cores : NULL,
		.n_workers = conf->sys.workers,
		.adaptive_idle = conf->sys.adaptive_idle,
		.hugepages = conf->sys.hugepages,
		.memory_mb = conf->sys.memory_mb,
		.max_sas = conf->sys.max_sas,
		.icmp_rate = conf->sys.icmp_rate,
		.max_datagrams = conf->sys.datagrams,
		.datagram_timeout_s = (uint16_t)conf->sys.datagram_s,
		.max_policies = proxy_ids_of(conf) * 2 + 1024,
		.max_routes = (uint32_t)conf->n_routes * 2 + 1024,
		.max_neighbours = 1024,
		.n_mbufs = 16384,
		.max_mtu = max_mtu,
		.devices = devices,
		.n_devices = n_devices,
		.log = dp_log_line,
	};
	int rc = dp_init(&d, &ctl_dp_handlers, c, err, err_len);

	if (rc == 0)
		rc = ctl_apply_interfaces(c, conf, err, err_len);
	if (rc == 0)
		rc = dp_start(err, err_len);
	return rc;
}

/* History is worth a warning when it cannot be kept, not a gateway that does not start. */
static int open_journal(struct ctl *c, const char *path)
{
	char err[512];

	c->journal = journal_open(path, err, sizeof(err));
	if (!c->journal)
		return -1;
	if (err[0])
		log_event(LOG_SEV_MEDIUM, "general", "journal", "%s", err);
	journal_note(c->journal, &(struct journal_entry){.kind = JOURNAL_START,
							 .first = ctl_wall_ms(),
							 .text = "culvertd started"});
	return 0;
}

static void start_loop(struct ctl *c)
{
	c->loop = ev_default_loop(0);
	ev_io_init(&c->dp_io, on_dp_io, dp_event_fd(), EV_READ);
	ev_timer_init(&c->dp_tick, on_dp_tick, 0.1, 0.1);
	ev_timer_init(&c->ike_timer, on_ike_timer, 0., 0.);
	ev_signal_init(&c->sigterm, on_stop, SIGTERM);
	ev_signal_init(&c->sigint, on_stop, SIGINT);
	ev_signal_init(&c->sighup, on_hup, SIGHUP);
	c->dp_io.data = c->dp_tick.data = c->ike_timer.data = c;
	c->sigterm.data = c->sigint.data = c->sighup.data = c;
	ev_check_init(&c->turn_begins, on_turn_begins);
	ev_prepare_init(&c->turn_ends, on_turn_ends);
	ev_set_priority(&c->turn_begins, EV_MAXPRI); /* before what the turn is for */
	ev_set_priority(&c->turn_ends, EV_MINPRI);
	c->turn_begins.data = c->turn_ends.data = c;
	ev_check_start(c->loop, &c->turn_begins);
	ev_prepare_start(c->loop, &c->turn_ends);
	ev_io_start(c->loop, &c->dp_io);
	ev_timer_start(c->loop, &c->dp_tick);
	ev_signal_start(c->loop, &c->sigterm);
	ev_signal_start(c->loop, &c->sigint);
	ev_signal_start(c->loop, &c->sighup);
}

int ctl_run(struct config *conf, const char *conf_path)
{
	struct ctl c = {.conf_path = conf_path, .started_ns = ctl_now()};
	char err[512] = "";
	int status = 1;

	signal(SIGPIPE, SIG_IGN);
	if (log_open(conf->sys.log_file) < 0) {
		fprintf(stderr, "culvertd: cannot open log file \"%s\": %m\n", conf->sys.log_file);
		config_free(conf);
		return 1;
	}
	if (start_dataplane(&c, conf, err, sizeof(err)) < 0)
		goto out;
	c.ike = ike_new(&ctl_ike_host, &c, ctl_now());
	if (!c.ike || open_journal(&c, conf->sys.journal) < 0) {
		snprintf(err, sizeof(err), "out of memory");
		goto out;
	}
	start_loop(&c);
	if (ctl_apply(&c, conf, err, sizeof(err)) < 0)
		goto out;
	conf = NULL; /* ctl's now */
	ctl_certs_watch(&c);
	c.cli = cli_server_start(&c, c.conf->sys.cli_socket, err, sizeof(err));
	if (!c.cli)
		goto out;
	log_event(LOG_SEV_INFORMATIONAL, "general", "culvertd",
		  "running: %zu gateways, %u proxy-IDs, %u workers", c.conf->n_gateways, c.n_policies,
		  c.conf->sys.workers);
	notify("READY=1");
	ctl_ike_rearm(&c);
	log_hold(true);
	ev_run(c.loop, 0);
	log_hold(false);
	notify("STOPPING=1");
	status = 0;
out:
	if (status) {
		fprintf(stderr, "culvertd: %s\n", err);
		log_event(LOG_SEV_CRITICAL, "general", "culvertd", "cannot start: %s", err);
	}
	journal_note(c.journal, &(struct journal_entry){.kind = JOURNAL_STOP,
							.first = ctl_wall_ms(),
							.text = "culvertd stopped"});
	cli_server_stop(c.cli);
	ctl_commit_fini(&c);
	ctl_certs_fini(&c);
	ctl_fetch_fini(&c);
	ctl_capture_fini(&c);
	ctl_ike_capture_fini(&c);
	ike_free(c.ike);
	dp_fini();
	ctl_apply_fini(&c);
	journal_close(c.journal);
	config_free(conf);
	if (status == 0)
		log_event(LOG_SEV_INFORMATIONAL, "general", "culvertd", "stopped");
	log_close();
	return status;
}
