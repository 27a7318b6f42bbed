/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A commit.  With a hundred thousand proxy-IDs reading the file takes a second, in which peers would wait for their
 * answers: so it is read, checked and compared with what is in force in a thread of its own, and applied in slices.
 *
 *     ctl_commit()     thread: load, check, plan
 *       on_read()      back in the control thread: the problems are told
 *       on_slice()     ... and the plan is applied, a few milliseconds at a time
 *
 * The thread reads the configuration in force, the policies and the interfaces, which nobody but a commit changes.
 */
#include "ctl.h"
#include "ctl_certs.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "ctl_plan.h"
#include "journal.h"
#include "log.h"

/* Long enough to get on, short enough for nobody to wait. */
static const uint64_t SLICE_NS = 2000000;

struct line {
	struct line *prev, *next;
	bool warning;
	char text[];
};

struct ctl_commit {
	struct ctl *c;
	pthread_t thread;
	bool joined;   /* it has ended */
	ev_async read; /* the thread has done its part */
	ev_timer slice;
	/* the thread's, until it says so */
	struct line *lines;
	struct config *next;
	struct ctl_plan plan;
	int rc;
	/* the control thread's */
	struct ctl_apply *apply;
	struct ctl_commit_result result;
	config_say_fn *say;
	ctl_committed_fn *done;
	void *arg;
};

/* ---- in the thread ------------------------------------------------------------------------------------- */

static void keep_line(void *arg, bool warning, const char *text)
{
	struct ctl_commit *m = arg;
	size_t len = strlen(text) + 1;
	struct line *l = malloc(sizeof(*l) + len);

	if (!l)
		return;
	l->warning = warning;
	memcpy(l->text, text, len);
	DL_APPEND(m->lines, l);
}

/* What a running process cannot change: ports, workers, memory. */
static bool needs_restart(const struct ctl *c, const struct config *next, char *what, size_t cap)
{
	/* Made of zeroed memory: padding is alike. */
	if (memcmp(&c->conf->sys, &next->sys, sizeof(next->sys)) != 0) {
		snprintf(what, cap, "section system differs");
		return true;
	}
	return ctl_interfaces_need_restart(c, next, what, cap);
}

static void *prepare(void *arg)
{
	struct ctl_commit *m = arg;
	struct ctl *c = m->c;
	char text[512], what[128];

	m->next = config_load(c->conf_path, keep_line, m);
	m->rc = m->next && ctl_check(m->next, keep_line, m) == 0 ? 0 : -EINVAL;
	if (m->next && needs_restart(c, m->next, what, sizeof(what))) {
		snprintf(
			text, sizeof(text),
			"%s: %s, which takes a restart: a commit changes tunnel interfaces, zones, routes, rules, "
			"profiles, gateways and tunnels; nothing was applied",
			c->conf_path, what);
		keep_line(m, false, text);
		m->rc = -EBUSY;
	}
	if (m->rc == 0)
		m->rc = plan_make(c, m->next, &m->plan);
	ev_async_send(c->loop, &m->read);
	return NULL;
}

/* ---- in the control thread ------------------------------------------------------------------------------ */

static void drop(struct ctl_commit *m)
{
	struct line *l, *tmp;

	if (!m->joined)
		pthread_join(m->thread, NULL);
	ev_async_stop(m->c->loop, &m->read);
	ev_timer_stop(m->c->loop, &m->slice);
	DL_FOREACH_SAFE(m->lines, l, tmp)
	free(l);
	plan_free(&m->plan);
	config_free(m->next);
	ctl_apply_end(m->apply);
	if (m->c->commit == m)
		m->c->commit = NULL;
	free(m);
}

static void tell(struct ctl_commit *m, bool warning, const char *text)
{
	if (m->say)
		m->say(m->arg, warning, text);
	else
		log_event(warning ? LOG_SEV_MEDIUM : LOG_SEV_HIGH, "general", "config", "%s", text);
}

static void finish(struct ctl_commit *m)
{
	struct ctl *c = m->c;

	if (m->result.rc == 0) {
		ctl_certs_watch(c);
		journal_note(c->journal, &(struct journal_entry){.kind = JOURNAL_COMMIT,
								 .by = JOURNAL_OPERATOR,
								 .first = ctl_wall_ms(),
								 .text = "configuration committed"});
		log_event(LOG_SEV_INFORMATIONAL, "general", "config",
			  "%s committed: %zu of %zu gateways changed", c->conf_path,
			  m->result.changed_gateways, m->result.gateways);
	}
	/* From here on another one may begin. */
	c->commit = NULL;
	if (m->done)
		m->done(m->arg, &m->result);
	drop(m);
	ctl_ike_rearm(c);
	if (c->commit_again)
		ctl_commit_again(c);
}

static void on_slice(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ctl_commit *m = w->data;
	char err[512] = "";
	int rc = ctl_apply_step(m->apply, SLICE_NS, &m->result.partly, err, sizeof(err));

	ctl_ike_rearm(m->c);
	if (rc == -EAGAIN) {
		ev_timer_set(&m->slice, 0., 0.);
		ev_timer_start(loop, &m->slice);
		return;
	}
	m->apply = NULL;
	m->result.rc = rc;
	if (rc == 0)
		m->next = NULL; /* in force now */
	else
		tell(m, false, err);
	finish(m);
}

static uint64_t count_routes(const struct config *conf, uint8_t v)
{
	uint64_t n = 0;

	for (size_t i = 0; i < conf->n_routes; i++)
		n += conf->routes[i].dst.a.v == v;
	return n;
}

/* What the new configuration needs of a table beyond what is in it; old entries go last. */
static uint64_t more_of(const struct ctl_commit *m, const char *table)
{
	const struct config *old = m->c->conf, *new = m->next;
	uint64_t n = 0;

	if (strcmp(table, "proxy-ids") == 0) {
		for (uint32_t i = 0; i < m->plan.n; i++)
			n += m->plan.table[i].fresh;
	} else if (strcmp(table, "interfaces") == 0) {
		for (size_t i = 0; i < new->n_interfaces; i++)
			n += !ctl_interface_find(m->c, new->interfaces[i].name);
	} else if (strcmp(table, "routes-ipv4") == 0 || strcmp(table, "routes-ipv6") == 0) {
		uint8_t v = table[sizeof("routes-ipv") - 1] == '4' ? 4 : 6;
		uint64_t before = count_routes(old, v), now = count_routes(new, v);

		n = now > before ? now - before : 0;
	}
	return n;
}

/* Tables have the size that they had at the start: known before anything is touched. */
static bool fits(struct ctl_commit *m)
{
	struct dp_capacity t;
	char text[512];

	for (unsigned i = 0; dp_capacity(i, &t) == 0; i++) {
		uint64_t more = more_of(m, t.name);

		if (!more || t.used + more <= t.limit)
			continue;
		snprintf(
			text, sizeof(text),
			"%s: %llu more %s do not fit: of %llu that there was room for at the start %llu are taken; a "
			"restart makes room; nothing was applied",
			m->c->conf_path, (unsigned long long)more, t.name, (unsigned long long)t.limit,
			(unsigned long long)t.used);
		tell(m, false, text);
		return false;
	}
	return true;
}

static void on_read(struct ev_loop *loop, ev_async *w, int revents)
{
	struct ctl_commit *m = w->data;
	struct line *l;

	pthread_join(m->thread, NULL);
	m->joined = true;
	DL_FOREACH (m->lines, l)
		tell(m, l->warning, l->text);
	m->result.rc = m->rc;
	if (m->rc == 0 && !fits(m))
		m->result.rc = -ENOSPC;
	if (m->result.rc == 0) {
		m->result.changed_gateways = m->plan.n_changed;
		m->result.gateways = m->next->n_gateways;
		m->apply = ctl_apply_begin(m->c, m->next, &m->plan);
		if (!m->apply)
			m->result.rc = -ENOMEM;
	}
	if (m->result.rc)
		finish(m);
	else
		ev_timer_start(loop, &m->slice);
}

int ctl_commit(struct ctl *c, config_say_fn *say, ctl_committed_fn *done, void *arg)
{
	struct ctl_commit *m;
	int rc;

	if (c->commit)
		return -EALREADY;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->c = c;
	m->say = say;
	m->done = done;
	m->arg = arg;
	ev_async_init(&m->read, on_read);
	ev_timer_init(&m->slice, on_slice, 0., 0.);
	m->read.data = m->slice.data = m;
	ev_async_start(c->loop, &m->read);
	rc = pthread_create(&m->thread, NULL, prepare, m);
	if (rc) {
		ev_async_stop(c->loop, &m->read);
		free(m);
		return -rc;
	}
	c->commit = m;
	return 0;
}

void ctl_commit_again(struct ctl *c)
{
	c->commit_again = ctl_commit(c, NULL, NULL, NULL) == -EALREADY;
}

void ctl_commit_forget(struct ctl *c, void *arg)
{
	if (!c->commit || c->commit->arg != arg)
		return;
	c->commit->say = NULL;
	c->commit->done = NULL;
}

void ctl_commit_fini(struct ctl *c)
{
	if (c->commit)
		drop(c->commit);
}
