/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ping: echo requests of the gateway's own through the data plane, one a second unless told otherwise; each answer, and
 * each ICMP error about one, is told as it comes.  The job waits in between and costs nothing; it ends when the
 * last request was answered or given up, or when its client has enough, and then sums up.
 */
#include "echo_user.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers.h"

enum {
	DEFAULT_COUNT = 5,
	DEFAULT_SIZE = 56,
	SIZE_MOST = 9000,
	ICMP_HDR = 8,
	TTL_OWN = 64, /* dp_echo_send()'s */
	ANSWERS = 32, /* told at once at most */
	INTERVAL_S = 1,
	INTERVAL_MOST_S = 3600,
	PATIENCE_S = 2, /* for the last answer */
};

struct answer {
	uint16_t seq, len;
	uint8_t ttl;
	bool duplicate;
	uint64_t rtt_ns;
	struct dp_echo_error error; /* instead of all that, if it has a `from` */
};

enum fate { PENDING, FAILED, ANSWERED };

struct ping {
	struct cli_echo user; /* first */
	struct cli_job *job;
	struct dp_echo echo;
	ev_timer timer;
	uint32_t count, interval_s, sent, received, settled, errors, duplicates;
	uint16_t size;
	int err; /* of sending, the last one */
	bool begun, over;
	uint64_t began;
	/* by sequence number */
	uint64_t sent_ns[UINT16_MAX + 1];
	uint8_t fate[UINT16_MAX + 1];
	uint64_t rtt_min, rtt_max, rtt_sum;
	struct dp_echo_error said; /* the last one */
	unsigned n_answers;
	struct answer answers[ANSWERS];
};

static void end(struct cli_job *j)
{
	struct ping *p = j->state;

	ev_timer_stop(j->c->loop, &p->timer);
	cli_echo_close(&p->user);
	free(p);
	j->state = NULL;
}

/* ---- what happens while it waits ------------------------------------------------------------------- */

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ping *p = w->data;

	if (p->sent == p->count) {
		ev_timer_stop(loop, w);
		p->over = true;
		cli_job_wake(p->job);
		return;
	}
	p->echo.seq = (uint16_t)++p->sent;
	p->sent_ns[p->echo.seq] = ctl_now();
	p->err = dp_echo_send(&p->echo);
	p->timer.repeat = p->sent == p->count ? PATIENCE_S : p->interval_s;
	ev_timer_again(loop, w);
	if (p->err == -EMSGSIZE) { /* none of them fits */
		p->over = true;
		cli_job_wake(p->job);
	}
}

/* What came is told when there is room for it, and so is the end when nothing more can come. */
static void came(struct ping *p, const struct answer *a)
{
	if (p->n_answers < ANSWERS)
		p->answers[p->n_answers++] = *a;
	p->over = p->sent == p->count && p->settled == p->count;
	cli_job_wake(p->job);
}

static bool outstanding(const struct ping *p, uint16_t seq)
{
	return seq && seq <= p->sent;
}

static void settle(struct ping *p, uint16_t seq, enum fate fate)
{
	p->settled += p->fate[seq] == PENDING;
	p->fate[seq] = (uint8_t)fate;
}

static void on_answer(struct cli_echo *u, const struct dp_echo_answer *a)
{
	struct ping *p = (struct ping *)u;
	uint16_t seq = a->echo.seq;
	uint64_t now = ctl_now(), sent = p->sent_ns[seq];
	uint64_t rtt = now > sent + a->ago_ns ? now - sent - a->ago_ns : 0;
	struct answer told = {.seq = seq, .len = a->echo.len, .ttl = a->ttl, .rtt_ns = rtt};

	if (!outstanding(p, seq) || !addr_eq(&a->echo.dst, &p->echo.dst) ||
	    !addr_eq(&a->echo.src, &p->echo.src))
		return; /* an answer to nothing, or of somebody else */
	if (p->fate[seq] == ANSWERED) {
		told.duplicate = true;
		p->duplicates++;
		came(p, &told);
		return;
	}
	settle(p, seq, ANSWERED);
	p->received++;
	p->rtt_sum += rtt;
	p->rtt_min = p->received == 1 || rtt < p->rtt_min ? rtt : p->rtt_min;
	p->rtt_max = rtt > p->rtt_max ? rtt : p->rtt_max;
	came(p, &told);
}

static void on_error(struct cli_echo *u, const struct dp_echo_error *e)
{
	struct ping *p = (struct ping *)u;
	struct answer told = {.seq = e->seq, .error = *e};

	if (!outstanding(p, e->seq) || p->fate[e->seq] != PENDING || !addr_eq(&e->host, &p->echo.dst))
		return;
	settle(p, e->seq, FAILED);
	p->errors++;
	p->said = *e;
	came(p, &told);
}

/* ---- how it begins --------------------------------------------------------------------------------- */

/* The address of the interface that the packet would leave by. */
static bool source_of(const struct ctl *c, struct addr *src, const struct addr *dst)
{
	struct dp_route way;
	const struct cfg_interface *i;

	if (dp_route_lookup(dst, &way) < 0)
		return false;
	i = config_interface(c->conf, ctl_interface_name(c, way.ifindex));
	for (unsigned k = 0; i && k < i->n_addr; k++) {
		if (i->addr[k].a.v != dst->v)
			continue;
		*src = i->addr[k].a;
		return true;
	}
	return false;
}

static enum cli_page refuse(struct cli_job *j, const char *fmt, const char *what)
{
	snprintf(j->err, sizeof(j->err), fmt, what);
	return CLI_FAILED;
}

/* Which it is to be, from where; CLI_FAILED with the reason in err. */
static enum cli_page addresses(struct cli_job *j, struct dp_echo *e)
{
	const char *host = cli_arg(&j->m, "host"), *source = cli_arg(&j->m, "source");
	struct dp_route way;

	if (!host || addr_parse(host, &e->dst) < 0) {
		j->exit = CLI_EXIT_USAGE;
		return refuse(j, "ping: host %s: an address is needed, such as 192.0.2.1 or 2001:db8::1",
			      host ? host : "is missing");
	}
	if (cli_own_address(j->c, &e->dst))
		return refuse(j, "ping: %s is an address of this gateway's own", host);
	if (dp_route_lookup(&e->dst, &way) < 0)
		return refuse(j, "ping: no route leads to %s: show routing route", host);
	if (!source && !source_of(j->c, &e->src, &e->dst))
		return refuse(
			j,
			"ping: the interface towards %s has no address of that family: say which is the "
			"source; for a tunnel one that the proxy-ID's local network holds",
			host);
	if (source && (addr_parse(source, &e->src) < 0 || !cli_own_address(j->c, &e->src)))
		return refuse(
			j,
			"ping: source %s is none of this gateway's addresses; show interface all lists them",
			source);
	if (e->src.v != e->dst.v)
		return refuse(j, "ping: source and host %s are of different families", host);
	return CLI_LAST;
}

/* An option's number within bounds; false with the reason in err. */
static bool number(struct cli_job *j, const char *option, uint32_t least, uint32_t most, uint32_t *v)
{
	const char *text = cli_arg(&j->m, option);
	char *rest;
	unsigned long n;

	if (!text)
		return true;
	n = text[0] >= '0' && text[0] <= '9' ? strtoul(text, &rest, 10) : ULONG_MAX;
	if (n <= most && n >= least && !*rest) {
		*v = (uint32_t)n;
		return true;
	}
	snprintf(j->err, sizeof(j->err), "%s: found \"%s\"; allowed: %u to %u", option, text, least, most);
	j->exit = CLI_EXIT_USAGE;
	return false;
}

static bool dont_fragment(struct cli_job *j, bool *df)
{
	const char *text = cli_arg(&j->m, "do-not-fragment");

	*df = text && strcmp(text, "yes") == 0;
	if (!text || *df || strcmp(text, "no") == 0)
		return true;
	snprintf(j->err, sizeof(j->err), "do-not-fragment: found \"%s\"; allowed: yes, no", text);
	j->exit = CLI_EXIT_USAGE;
	return false;
}

static enum cli_page begin(struct cli_job *j)
{
	uint32_t count = DEFAULT_COUNT, size = DEFAULT_SIZE, interval = INTERVAL_S, ttl = 0, tos = 0;
	struct dp_echo e = {0};
	struct ping *p;
	int rc;

	if (!number(j, "count", 1, UINT16_MAX, &count) || !number(j, "size", 0, SIZE_MOST, &size) ||
	    !number(j, "interval", 1, INTERVAL_MOST_S, &interval) || !number(j, "ttl", 1, UINT8_MAX, &ttl) ||
	    !number(j, "tos", 0, UINT8_MAX, &tos) || !dont_fragment(j, &e.df) ||
	    addresses(j, &e) == CLI_FAILED)
		return CLI_FAILED;
	p = calloc(1, sizeof(*p));
	if (!p)
		return refuse(j, "ping: %s", strerror(ENOMEM));
	p->user.answer = on_answer;
	p->user.error = on_error;
	rc = cli_echo_open(&p->user);
	if (rc < 0) {
		free(p);
		return refuse(j, "ping: %s", "others are using all there are at once; try again");
	}
	e.id = p->user.id;
	e.ttl = (uint8_t)ttl;
	e.tos = (uint8_t)tos;
	p->interval_s = interval;
	p->job = j;
	p->count = count;
	p->size = (uint16_t)size;
	e.len = (uint16_t)(p->size + ICMP_HDR + (e.dst.v == 6 ? 40 : 20));
	p->echo = e;
	p->began = ctl_now();
	j->state = p;
	j->state_end = end;
	ev_timer_init(&p->timer, on_timer, 0, INTERVAL_S);
	p->timer.data = p;
	ev_timer_start(j->c->loop, &p->timer);
	return CLI_MORE;
}

/* ---- what is told ---------------------------------------------------------------------------------- */

static void head(json_t *doc, const struct ping *p)
{
	doc_str(doc, "type", "ping");
	doc_bool(doc, "stream", true);
	doc_addr(doc, "host", &p->echo.dst);
	doc_list(doc, "replies");
	doc_list(doc, "errors");
}

/* Of the first page only. */
static void start(json_t *doc, const struct ping *p)
{
	json_t *o = doc_object(doc, "start");

	doc_addr(o, "source", &p->echo.src);
	doc_uint(o, "size", p->size);
	doc_uint(o, "length", p->echo.len);
	doc_uint(o, "count", p->count);
	doc_uint(o, "interval", p->interval_s);
	doc_uint(o, "ttl", p->echo.ttl ? p->echo.ttl : TTL_OWN);
	doc_uint(o, "tos", p->echo.tos);
	doc_bool(o, "do-not-fragment", p->echo.df);
}

/* RFC 792, 1812 5.2.7.1; RFC 4443 3. */
static const char *error_words(const struct dp_echo_error *e, char *buf, size_t cap)
{
	static const char *const unreachable[] = {
		[0] = "Destination Net Unreachable",
		[1] = "Destination Host Unreachable",
		[2] = "Destination Protocol Unreachable",
		[3] = "Destination Port Unreachable",
		[5] = "Source Route Failed",
		[9] = "Net Administratively Prohibited",
		[10] = "Host Administratively Prohibited",
		[13] = "Packet filtered",
	};
	static const char *const unreachable6[] = {
		[0] = "No route to Destination",
		[1] = "Administratively Prohibited",
		[2] = "Beyond scope of Source",
		[3] = "Address Unreachable",
		[4] = "Port Unreachable",
		[5] = "Source Policy Failed",
		[6] = "Reject Route",
	};
	bool v6 = e->from.v == 6;
	const char *word = NULL;

	if (v6 ? e->type == 1 && e->code < sizeof(unreachable6) / sizeof(unreachable6[0])
	       : e->type == 3 && e->code < sizeof(unreachable) / sizeof(unreachable[0]))
		word = (v6 ? unreachable6 : unreachable)[e->code];
	else if (e->type == (v6 ? 3 : 11))
		word = e->code ? "Fragment reassembly time exceeded" : "Time to live exceeded";
	if (v6 ? e->type == 2 : e->type == 3 && e->code == 4)
		snprintf(buf, cap, "Frag needed and DF set (mtu = %u)", e->mtu);
	else if (word)
		snprintf(buf, cap, "%s", word);
	else
		snprintf(buf, cap, "ICMP error of type %u, code %u", e->type, e->code);
	return buf;
}

static void reply(json_t *o, const struct ping *p, const struct answer *a)
{
	doc_uint(o, "bytes", a->len - (p->echo.len - p->size - ICMP_HDR));
	doc_uint(o, "ttl", a->ttl);
	doc_uint(o, "rtt-ns", a->rtt_ns);
	doc_bool(o, "duplicate", a->duplicate);
}

static void replies(json_t *doc, struct ping *p)
{
	char text[80];

	for (unsigned i = 0; i < p->n_answers; i++) {
		const struct answer *a = &p->answers[i];
		json_t *o = doc_append(doc_list(doc, a->error.from.v ? "errors" : "replies"));

		doc_uint(o, "seq", a->seq);
		if (!a->error.from.v) {
			reply(o, p, a);
			continue;
		}
		doc_addr(o, "from", &a->error.from);
		doc_str(o, "text", error_words(&a->error, text, sizeof(text)));
	}
	p->n_answers = 0;
}

static bool holds(const struct ctl_policy *x, const struct ping *p)
{
	return prefix_has(&x->proxy->local, &p->echo.src) && prefix_has(&x->proxy->remote, &p->echo.dst);
}

/* It leaves by a port; should it, if some proxy-ID has such packets? */
static void beside(const struct ctl *c, const struct ping *p, const char *port, char *buf, size_t cap)
{
	char name[DOC_NAME];

	for (uint32_t i = 0; i < c->n_policies; i++) {
		const struct ctl_policy *x = &c->policies[i];

		if (!holds(x, p))
			continue;
		snprintf(buf, cap,
			 ": proxy-ID %s holds such packets, but the route leads out of %s, in clear",
			 doc_tunnel_name(x->tunnel->name, x->proxy->name, name), port);
		return;
	}
}

/* Into which tunnel it goes, as far as configuration and SAs tell; "" when there is nothing to say. */
static void tunnel_words(const struct ctl *c, const struct ping *p, char *buf, size_t cap)
{
	const struct addr *dst = &p->echo.dst;
	const struct cfg_interface *into;
	char name[DOC_NAME];
	struct dp_route way;

	buf[0] = 0;
	if (dp_route_lookup(dst, &way) < 0)
		return;
	into = config_interface(c->conf, ctl_interface_name(c, way.ifindex));
	if (!into)
		return;
	if (!into->tunnel) {
		beside(c, p, into->name, buf, cap);
		return;
	}
	snprintf(buf, cap, ": it goes to %s, where no proxy-ID holds such packets", into->name);
	for (uint32_t i = 0; i < c->n_policies; i++) {
		const struct ctl_policy *x = &c->policies[i];
		struct dp_policy_stats s;
		uint16_t mtu;

		if (strcmp(ctl_interface_name(c, way.ifindex), x->tunnel->interface) != 0 || !holds(x, p) ||
		    dp_policy_stats(x->policy, &s) < 0)
			continue;
		mtu = dp_sa_out_mtu(s.sa_out);
		doc_tunnel_name(x->tunnel->name, x->proxy->name, name);
		buf[0] = 0;
		if (!mtu)
			snprintf(buf, cap, ": the tunnel, %s, is not up: diagnose vpn tunnel %s", name, name);
		else if (p->echo.df && p->echo.len > mtu)
			snprintf(
				buf, cap,
				": the tunnel carries packets of %u bytes, these have %u and are not to be cut",
				mtu, p->echo.len);
		return;
	}
}

static enum cli_page summary(struct cli_job *j, json_t *doc, const struct ping *p)
{
	json_t *o = doc_object(doc, "summary");
	char host[ADDR_STR], src[ADDR_STR], tunnel[3 * DOC_NAME];

	doc_uint(o, "sent", p->sent);
	doc_uint(o, "received", p->received);
	doc_uint(o, "duplicates", p->duplicates);
	doc_uint(o, "errors", p->errors);
	doc_uint(o, "time-ms", (ctl_now() - p->began) / 1000000);
	if (p->received) {
		doc_uint(o, "rtt-min-ns", p->rtt_min);
		doc_uint(o, "rtt-avg-ns", p->rtt_sum / p->received);
		doc_uint(o, "rtt-max-ns", p->rtt_max);
		return CLI_LAST;
	}
	if (p->err == -EMSGSIZE) {
		snprintf(j->err, sizeof(j->err), "ping: size %u is more than a packet buffer holds", p->size);
		return CLI_LAST;
	}
	if (p->errors) {
		snprintf(j->err, sizeof(j->err), "ping: no answer: %s says: %s", addr_str(&p->said.from, src),
			 error_words(&p->said, tunnel, sizeof(tunnel)));
		return CLI_LAST;
	}
	tunnel_words(j->c, p, tunnel, sizeof(tunnel));
	snprintf(
		j->err, sizeof(j->err),
		"ping: no answer%s; test vpn packet source %s destination %s size %u tells where such a packet goes, "
		"show counter drop what was dropped",
		tunnel, addr_str(&p->echo.src, src), addr_str(&p->echo.dst, host), p->echo.len);
	return CLI_LAST;
}

enum cli_page cli_ping(struct cli_job *j, json_t *doc)
{
	struct ping *p = j->state;

	if (!p) {
		if (begin(j) == CLI_FAILED)
			return CLI_FAILED;
		p = j->state;
	}
	if (!p->begun) {
		head(doc, p);
		start(doc, p);
		p->begun = true;
		return CLI_MORE;
	}
	if (!p->n_answers && !p->over && !j->stopped)
		return CLI_WAIT;
	head(doc, p);
	replies(doc, p);
	return p->over || j->stopped ? summary(j, doc, p) : CLI_MORE;
}
