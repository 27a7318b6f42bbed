/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test vpn mtu: how large a packet gets through a tunnel and back.  Where a way is narrower than it should be and nobody
 * on it says so, small packets pass and large ones vanish: no counter and no log here shows that, so it is tried, as
 * RFC 4821 does.  Echo requests that may not be cut go to a host behind the peer, in rounds of several sizes: first
 * a small one, whether the host answers at all; then sizes between the largest that was answered and the
 * smallest that was not, until these are neighbours.  Each is sent more than once, so that one lost packet says nothing.
 */
#include "handlers.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "echo_user.h"
#include "log.h"
#include "mtu_found.h"

enum {
	SMALL4 = 84, /* what ping sends */
	SMALL6 = 104,
	SIZES = 8, /* of a round */
	COPIES = 3,
	PORT_MTU_MIN = 576, /* what "mtu" of an interface may be */
};
static const double SPACING_S = 0.02, PATIENCE_S = 1;

struct attempt {
	uint16_t size;
	bool answered;
};

struct sweep {
	struct cli_echo user; /* first */
	struct cli_job *job;
	char name[DOC_NAME], port[CFG_NAME];
	uint32_t number, policy;
	uint16_t way_mtu,
		mtu_before; /* when it began: of the way to the peer as far as known, of the tunnel */
	struct dp_echo echo;
	ev_timer timer;
	uint16_t mtu;     /* the tunnel's now; 0: it is down */
	uint16_t carried; /* the largest that was answered; 0: none was */
	uint16_t lost;    /* the smallest above that, which was not */
	struct attempt tries[SIZES];
	unsigned n_tries, sent;
	struct addr told; /* who says of larger ones that they do not fit */
	uint16_t first_seq;
	bool begun, round_over;
};

static void end(struct cli_job *j)
{
	struct sweep *s = j->state;

	ev_timer_stop(j->c->loop, &s->timer);
	cli_echo_close(&s->user);
	free(s);
	j->state = NULL;
}

/* ---- a round --------------------------------------------------------------------------------------- */

static void round_over(struct sweep *s)
{
	ev_timer_stop(s->job->c->loop, &s->timer);
	s->round_over = true;
	cli_job_wake(s->job);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct sweep *s = w->data;

	if (s->sent == s->n_tries * COPIES) {
		round_over(s);
		return;
	}
	s->echo.seq = (uint16_t)(s->first_seq + s->sent);
	s->echo.len = s->tries[s->sent % s->n_tries].size;
	(void)dp_echo_send(&s->echo); /* one that could not be sent is lost like any other */
	s->sent++;
	s->timer.repeat = s->sent == s->n_tries * COPIES ? PATIENCE_S : SPACING_S;
	ev_timer_again(loop, w);
}

/* Some hosts cut their answer: that it came says that the request did. */
static void on_answer(struct cli_echo *u, const struct dp_echo_answer *a)
{
	struct sweep *s = (struct sweep *)u;
	unsigned i = (uint16_t)(a->echo.seq - s->first_seq);
	unsigned left = 0;

	if (s->round_over || i >= s->sent || !addr_eq(&a->echo.dst, &s->echo.dst) ||
	    !addr_eq(&a->echo.src, &s->echo.src))
		return;
	s->tries[i % s->n_tries].answered = true;
	for (unsigned k = 0; k < s->n_tries; k++)
		left += !s->tries[k].answered;
	if (!left)
		round_over(s);
}

/* The tunnel's own way says so of outer packets, to the data plane; of these a router behind the peer does. */
static void on_error(struct cli_echo *u, const struct dp_echo_error *e)
{
	struct sweep *s = (struct sweep *)u;
	bool too_big = e->from.v == 6 ? e->type == 2 : e->type == 3 && e->code == 4;

	if (too_big && addr_eq(&e->host, &s->echo.dst))
		s->told = e->from;
}

static void round_begin(struct sweep *s)
{
	unsigned gap = s->carried ? s->lost - 1u - s->carried : 0;

	s->first_seq = (uint16_t)(s->first_seq + s->sent);
	s->sent = 0;
	s->round_over = false;
	s->n_tries = !s->carried ? 1 : gap < SIZES ? gap : SIZES;
	for (unsigned i = 0; i < s->n_tries; i++)
		s->tries[i] = (struct attempt){.size = (uint16_t)(s->carried + gap * (i + 1) / s->n_tries)};
	if (!s->carried)
		s->tries[0].size = s->echo.dst.v == 6 ? SMALL6 : SMALL4;
	ev_timer_set(&s->timer, 0, SPACING_S);
	ev_timer_start(s->job->c->loop, &s->timer);
}

static uint16_t mtu_of(uint32_t policy)
{
	struct dp_policy_stats p;

	return dp_policy_stats(policy, &p) == 0 ? dp_sa_out_mtu(p.sa_out) : 0;
}

/* What the round says; a router that was heard meanwhile has made the tunnel's MTU less. */
static void round_judge(struct sweep *s)
{
	for (unsigned i = 0; i < s->n_tries; i++)
		if (s->tries[i].answered && s->tries[i].size > s->carried)
			s->carried = s->tries[i].size;
	for (unsigned i = 0; i < s->n_tries; i++)
		if (s->tries[i].size > s->carried && s->tries[i].size < s->lost)
			s->lost = s->tries[i].size;
	s->mtu = mtu_of(s->policy);
	if (s->mtu < s->lost)
		s->lost = (uint16_t)(s->mtu + 1);
}

/* ---- how it begins --------------------------------------------------------------------------------- */

static enum cli_page refuse(struct cli_job *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static enum cli_page refuse(struct cli_job *j, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(j->err, sizeof(j->err), fmt, ap);
	va_end(ap);
	return CLI_FAILED;
}

/* An address of ours that the proxy-ID's local network holds: the monitor's, if it has one. */
static bool own_in(const struct ctl *c, const struct ctl_policy *p, struct addr *src)
{
	const struct cfg_monitor *m = &p->tunnel->monitor;

	*src = m->source;
	if (m->n && prefix_has(&p->proxy->local, src))
		return true;
	for (size_t i = 0; i < c->conf->n_interfaces; i++) {
		for (unsigned k = 0; k < c->conf->interfaces[i].n_addr; k++) {
			*src = c->conf->interfaces[i].addr[k].a;
			if (prefix_has(&p->proxy->local, src))
				return true;
		}
	}
	return false;
}

static bool monitored_in(const struct ctl_policy *p, struct addr *dst)
{
	for (unsigned i = 0; i < p->tunnel->monitor.n; i++) {
		*dst = p->tunnel->monitor.dst[i];
		if (prefix_has(&p->proxy->remote, dst))
			return true;
	}
	return false;
}

/* The proxy-ID of this name that such a packet belongs to; what was not given is found. */
static const struct ctl_policy *policy_of(const struct ctl *c, const char *tunnel, struct dp_echo *e)
{
	const struct addr dst = e->dst, src = e->src;

	for (uint32_t i = 0; i < c->n_policies; i++) {
		const struct ctl_policy *p = &c->policies[i];

		if (doc_tunnel_is(tunnel, p->tunnel->name, p->proxy->name) &&
		    (dst.v ? prefix_has(&p->proxy->remote, &dst) : monitored_in(p, &e->dst)) &&
		    (src.v ? prefix_has(&p->proxy->local, &src) : own_in(c, p, &e->src)))
			return p;
	}
	return NULL;
}

static bool address(struct cli_job *j, const char *option, struct addr *a)
{
	const char *text = cli_arg(&j->m, option);

	if (!text || addr_parse(text, a) == 0)
		return true;
	snprintf(j->err, sizeof(j->err), "%s: found \"%s\"; allowed: an IP address", option, text);
	j->exit = CLI_EXIT_USAGE;
	return false;
}

/* Whose packets they are, addresses filled in; NULL with the reason in err. */
static const struct ctl_policy *where(struct cli_job *j, const char *tunnel, struct dp_echo *e)
{
	const char *host = cli_arg(&j->m, "host"), *source = cli_arg(&j->m, "source");
	const struct ctl_policy *p;
	struct dp_route way;

	if (!cli_tunnel_known(j->c, tunnel)) {
		cli_no_tunnel(j, tunnel);
		return NULL;
	}
	if (!address(j, "host", &e->dst) || !address(j, "source", &e->src))
		return NULL;
	if (source && !cli_own_address(j->c, &e->src)) {
		refuse(j,
		       "test vpn mtu: source %s is none of this gateway's addresses; show interface all lists them",
		       source);
		return NULL;
	}
	p = policy_of(j->c, tunnel, e);
	if (p && dp_route_lookup(&e->dst, &way) == 0 &&
	    strcmp(ctl_interface_name(j->c, way.ifindex), p->tunnel->interface) == 0)
		return p;
	if (p)
		refuse(j,
		       "test vpn mtu: no route leads to the host through %s: show routing route; diagnose vpn tunnel %s",
		       p->tunnel->interface, tunnel);
	else if (host)
		refuse(j,
		       "test vpn mtu: no proxy-ID of %s holds packets from %s to that host: name a source and a host that "
		       "one does",
		       tunnel, source ? source : "an address of this gateway's");
	else
		refuse(j,
		       "test vpn mtu: tunnel %s has no monitored destination: name a host behind the peer that answers "
		       "pings: test vpn mtu tunnel %s host ADDRESS",
		       tunnel, tunnel);
	return NULL;
}

static void take_port(struct sweep *s, const struct cfg_tunnel *t)
{
	struct dp_policy_stats p;
	uint16_t told = dp_policy_stats(s->policy, &p) == 0 ? dp_sa_out_pmtu(p.sa_out) : 0;
	const struct cfg_gateway *g = cli_gateway(s->job->c, t->gateway);
	const struct cfg_interface *i = g ? config_interface(s->job->c->conf, g->interface) : NULL;

	if (!i)
		return;
	snprintf(s->port, sizeof(s->port), "%s", i->name);
	s->way_mtu = told && told < i->mtu ? told : i->mtu;
}

static enum cli_page begin(struct cli_job *j)
{
	const char *tunnel = cli_arg(&j->m, "tunnel");
	const struct ctl_policy *p;
	struct dp_echo e = {.df = true};
	struct sweep *s;

	if (!tunnel) {
		j->exit = CLI_EXIT_USAGE;
		return refuse(
			j,
			"tunnel: missing; allowed: a tunnel, or tunnel:proxy-id; show vpn tunnel lists them");
	}
	p = where(j, tunnel, &e);
	if (!p)
		return CLI_FAILED;
	s = calloc(1, sizeof(*s));
	if (!s)
		return refuse(j, "test vpn mtu: out of memory");
	s->job = j;
	s->policy = p->policy;
	s->number = p->number;
	s->mtu = s->mtu_before = mtu_of(s->policy);
	s->lost = (uint16_t)(s->mtu + 1);
	s->user.answer = on_answer;
	s->user.error = on_error;
	take_port(s, p->tunnel);
	doc_tunnel_name(p->tunnel->name, p->proxy->name, s->name);
	if (!s->mtu) {
		refuse(j, "test vpn mtu: tunnel %s is not up: diagnose vpn tunnel %s", s->name, s->name);
		free(s);
		return CLI_FAILED;
	}
	if (cli_echo_open(&s->user) < 0) {
		free(s);
		return refuse(
			j, "test vpn mtu: others are using all echo requests there are at once; try again");
	}
	e.id = s->user.id;
	s->echo = e;
	j->state = s;
	j->state_end = end;
	ev_init(&s->timer, on_timer);
	s->timer.data = s;
	round_begin(s);
	return CLI_MORE;
}

/* ---- what is told ---------------------------------------------------------------------------------- */

static void head(json_t *doc)
{
	doc_str(doc, "type", "test-vpn-mtu");
	doc_bool(doc, "stream", true);
	doc_list(doc, "tries");
}

/* Of the first page only. */
static void start(json_t *doc, const struct sweep *s)
{
	json_t *o = doc_object(doc, "start");

	doc_str(o, "tunnel", s->name);
	doc_addr(o, "source", &s->echo.src);
	doc_addr(o, "host", &s->echo.dst);
	doc_uint(o, "mtu", s->mtu);
}

static void tries(json_t *doc, const struct sweep *s)
{
	for (unsigned i = 0; i < s->n_tries; i++) {
		json_t *o = doc_append(doc_list(doc, "tries"));

		doc_uint(o, "bytes", s->tries[i].size);
		doc_bool(o, "answered", s->tries[i].answered);
	}
}

static void hole(struct sweep *s, json_t *o, const struct mtu_found *f)
{
	char text[400], advice[500], port[200] = "";

	snprintf(
		text, sizeof(text),
		"packets of up to %u bytes are answered; larger ones, up to the %u that the tunnel carries, vanish on the "
		"way there or back, and no router says so",
		s->carried, s->mtu);
	if (f->port_mtu)
		snprintf(port, sizeof(port), "set mtu = %u for %s, and every sender is told what fits; or ",
			 f->port_mtu, s->port);
	snprintf(
		advice, sizeof(advice),
		"%sset adjust-tcp-mss = %u for the tunnel, which helps TCP only; or have the narrow link widened, or its "
		"router send ICMP \"fragmentation needed\"",
		port, mtu_found_mss(f));
	doc_str(o, "verdict", "mtu-hole");
	doc_str(o, "text", text);
	doc_str(o, "advice", advice);
	log_event(LOG_SEV_MEDIUM, "tunnel-mtu-hole", s->name, "Tunnel %s: %s; what to do: %s", s->name, text,
		  advice);
}

static enum cli_page result(struct cli_job *j, json_t *doc, struct sweep *s)
{
	json_t *o = doc_object(doc, "result");
	struct mtu_found f = {.number = s->number,
			      .at = ctl_now(),
			      .mtu = s->mtu,
			      .carried = s->carried,
			      .host = s->echo.dst,
			      .told = s->told};
	char host[ADDR_STR], told[ADDR_STR], text[240];
	int port = s->way_mtu - (s->mtu_before - s->carried);

	addr_str(&s->echo.dst, host);
	if (!s->mtu)
		return refuse(j, "test vpn mtu: the tunnel, %s, went down meanwhile: diagnose vpn tunnel %s",
			      s->name, s->name);
	if (!s->carried)
		return refuse(
			j,
			"test vpn mtu: %s answers no small packet either, which says nothing of sizes: name another host that "
			"answers pings; diagnose vpn tunnel %s",
			host, s->name);
	if (port >= PORT_MTU_MIN)
		f.port_mtu = (uint16_t)port;
	doc_uint(o, "mtu", s->mtu);
	doc_uint(o, "carried", s->carried);
	mtu_found_note(&f);
	if (s->carried < s->mtu && s->told.v) {
		snprintf(
			text, sizeof(text),
			"packets of up to %u bytes are answered, and of larger ones %s, behind the peer, says that they do not "
			"fit: hosts are told so, too",
			s->carried, addr_str(&s->told, told));
		doc_str(o, "verdict", "ok");
		doc_str(o, "text", text);
		return CLI_LAST;
	}
	if (s->carried < s->mtu) {
		hole(s, o, &f);
		return CLI_LAST;
	}
	doc_str(o, "verdict", "ok");
	doc_str(o, "text",
		s->mtu < s->mtu_before
			? "a router on the way asked for less than the port carries, and was heeded: all that the tunnel carries "
			  "now is answered"
			: "all that the tunnel carries is answered");
	return CLI_LAST;
}

enum cli_page cli_test_mtu(struct cli_job *j, json_t *doc)
{
	struct sweep *s = j->state;

	if (!s) {
		if (begin(j) == CLI_FAILED)
			return CLI_FAILED;
		s = j->state;
	}
	if (!s->begun) {
		head(doc);
		start(doc, s);
		s->begun = true;
		return CLI_MORE;
	}
	if (!s->round_over)
		return CLI_WAIT;
	head(doc);
	tries(doc, s);
	round_judge(s);
	if (s->carried && s->lost > s->carried + 1) {
		round_begin(s);
		return CLI_MORE;
	}
	return result(j, doc, s);
}
