/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line an event.  Event ids and texts are those of a PAN-OS system log where it has them, so that what
 * people search for, and what their collectors match, works here.  What comes from a peer is cleaned before
 * it is printed; what a stranger can cause is limited.
 */
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <fcntl.h>
#include <unistd.h>

#include "log_limit.h"
#include "text.h"
#include "up_count.h"

/* Room for a line more than is held: a line is never cut by a full buffer, where others write to the file, too. */
enum { BUFFER = 256 << 10, HELD_MAX = BUFFER - (8 << 10) };
enum { LINE_MAX_LEN = 2048, KEY_LEN = 2 * IKE_NAME + 2 };

static FILE *out; /* NULL: stderr */
static bool to_syslog, hold;
static size_t held; /* bytes */
static struct log_limit limit;

static struct up_count *ups; /* by "tunnel:proxy-id" */

static const char *const severities[] = {
	[LOG_SEV_DEBUG] = "debug", [LOG_SEV_INFORMATIONAL] = "informational", [LOG_SEV_MEDIUM] = "medium",
	[LOG_SEV_HIGH] = "high",   [LOG_SEV_CRITICAL] = "critical",
};

/* ---- the file ---------------------------------------------------------------------------------- */

int log_open(const char *path)
{
	FILE *f = NULL;

	if (strcmp(path, "syslog") == 0) {
		log_close();
		openlog("culvertd", LOG_PID, LOG_DAEMON);
		to_syslog = true;
		return 0;
	}
	if (path[0]) {
		int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

		if (fd < 0)
			return -errno;
		f = fdopen(fd, "a");
		if (!f) {
			close(fd);
			return -ENOMEM;
		}
		setvbuf(f, NULL, _IOFBF, BUFFER);
	}
	log_close();
	out = f;
	return 0;
}

void log_close(void)
{
	if (out)
		fclose(out);
	out = NULL;
	if (to_syslog)
		closelog();
	to_syslog = hold = false;
	held = 0;
	up_count_free(&ups);
	memset(&limit, 0, sizeof(limit));
}

void log_flush(void)
{
	if (held)
		fflush(out);
	held = 0;
}

void log_hold(bool on)
{
	hold = on;
	log_flush();
}

static void line_write(enum log_severity sev, const char *event_id, const char *object, const char *text)
{
	static const int priority[] = {LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERR, LOG_CRIT};
	char when[32], who[3 * KEY_LEN], clean[LINE_MAX_LEN];
	time_t now = time(NULL);
	struct tm tm;
	int n;

	text_clean(who, sizeof(who), object && object[0] ? object : "-",
		   object && object[0] ? strlen(object) : 1);
	text_clean(clean, sizeof(clean), text, strlen(text));
	if (to_syslog) {
		syslog(priority[sev], "%s vpn %s %s %s", severities[sev], event_id, who, clean);
		return;
	}
	localtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y/%m/%d %H:%M:%S", &tm);
	n = fprintf(out ? out : stderr, "%s %s vpn %s %s %s\n", when, severities[sev], event_id, who, clean);
	held += out && n > 0 ? (size_t)n : 0;
	if (!hold || held > HELD_MAX)
		log_flush();
}

void log_event(enum log_severity sev, const char *event_id, const char *object, const char *fmt, ...)
{
	char text[LINE_MAX_LEN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	line_write(sev, event_id, object, text);
}

/* ---- IKE's events -------------------------------------------------------------------------------- */

struct line {
	size_t n;
	char text[LINE_MAX_LEN];
};

static void add(struct line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct line *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(l->text + l->n, sizeof(l->text) - l->n, fmt, ap);
	va_end(ap);
	l->n += strlen(l->text + l->n);
}

static void add_pair(struct line *l, const struct ike_event *e)
{
	char a[ENDPOINT_STR], b[ENDPOINT_STR];

	add(l, "%s-%s", endpoint_str(&e->local, a), endpoint_str(&e->remote, b));
}

static void add_ike_sa(struct line *l, const char *what, const struct ike_event *e)
{
	add(l, " %s SA: ", what);
	add_pair(l, e);
	add(l, " SPI:%016llx:%016llx SN:%u", (unsigned long long)e->spi_i, (unsigned long long)e->spi_r,
	    e->serial);
}

static void add_child_sa(struct line *l, const char *what, const struct ike_event *e)
{
	add(l, " %s SA: ", what);
	add_pair(l, e);
	if (e->spi_in || e->spi_out)
		add(l, " SPI:0x%08X/0x%08X", e->spi_in, e->spi_out);
}

/* The reason record, as one sentence after the other. */
static void add_reason(struct line *l, const struct ike_event *e)
{
	const struct ike_reason *r = e->reason;

	if (e->text && e->text[0])
		add(l, " %s", e->text);
	if (!r)
		return;
	add(l, " Due to %s: %s", ike_cause_str(r->cause), r->text[0] ? r->text : "no further detail");
	if (l->n > 0 && l->n < sizeof(l->text) && l->text[l->n - 1] != '.')
		add(l, ".");
	if (r->ours[0])
		add(l, " Ours: %s.", r->ours);
	if (r->theirs[0] && !strstr(r->text, r->theirs))
		add(l, " Theirs: %s.", r->theirs);
	if (r->hint[0])
		add(l, " Hint: %s", r->hint);
}

static void add_nego(struct line *l, const char *what, const char *how, const struct ike_event *e)
{
	add(l, "IKEv2 %s SA negotiation is %s as %s, %s.", what, how,
	    e->role == IKE_INITIATOR ? "initiator" : "responder", e->rekey ? "rekey" : "non-rekey");
}

static const char *child_object(const struct ike_event *e, char key[KEY_LEN])
{
	snprintf(key, KEY_LEN, "%s%s%s", e->tunnel ? e->tunnel : "", e->proxy_id && e->proxy_id[0] ? ":" : "",
		 e->proxy_id ? e->proxy_id : "");
	return key;
}

static void child_up(const struct ike_event *e)
{
	char key[KEY_LEN];
	struct line l = {0}, k = {0};

	add_nego(&l, "child", "succeeded", e);
	add_child_sa(&l, "Established", e);
	add(&l, " parent SN:%u.", e->serial);
	add_reason(&l, e);
	line_write(LOG_SEV_INFORMATIONAL, "ikev2-nego-child-succ", child_object(e, key), l.text);
	add(&k, "IPSec key installed.");
	add_child_sa(&k, "Installed", e);
	add(&k, " lifetime %u Sec.", e->lifetime_s);
	line_write(LOG_SEV_INFORMATIONAL, "ipsec-key-install", key, k.text);
	if (up_count_change(&ups, key, true))
		log_event(LOG_SEV_INFORMATIONAL, "tunnel-status-up", key, "Tunnel %s is up", key);
}

static void child_down(const struct ike_event *e)
{
	enum ike_cause cause = e->reason ? e->reason->cause : IKE_CAUSE_NONE;
	bool expired = cause == IKE_CAUSE_EXPIRED;
	char key[KEY_LEN];
	struct line l = {0};

	child_object(e, key);
	if (cause == IKE_CAUSE_PEER_DELETED)
		log_event(LOG_SEV_INFORMATIONAL, "ikev2-recv-p2-delete", key,
			  "IKEv2 IPSec SA delete message received from peer. SPI:0x%08X", e->spi_out);
	else if (cause == IKE_CAUSE_OPERATOR || cause == IKE_CAUSE_SHUTDOWN)
		log_event(LOG_SEV_INFORMATIONAL, "ikev2-send-p2-delete", key,
			  "IKEv2 IPSec SA delete message sent to peer. SPI:0x%08X", e->spi_in);
	add(&l, expired ? "IPSec key lifetime expired." : "IPSec key deleted.");
	add_child_sa(&l, expired ? "Expired" : "Deleted", e);
	add_reason(&l, e);
	line_write(LOG_SEV_INFORMATIONAL, expired ? "ipsec-key-expire" : "ipsec-key-delete", key, l.text);
	if (up_count_change(&ups, key, false))
		log_event(LOG_SEV_CRITICAL, "tunnel-status-down", key, "Tunnel %s is down", key);
}

static void ike_down(const struct ike_event *e)
{
	enum ike_cause cause = e->reason ? e->reason->cause : IKE_CAUSE_NONE;
	const char *id = "ikev2-ike-sa-down";
	struct line l = {0};

	if (cause == IKE_CAUSE_PEER_DELETED) {
		id = "ikev2-recv-p1-delete";
		add(&l, "IKEv2 IKE SA delete message received from peer.");
	} else if (cause == IKE_CAUSE_OPERATOR || cause == IKE_CAUSE_SHUTDOWN) {
		id = "ikev2-send-p1-delete";
		add(&l, "IKEv2 IKE SA delete message sent to peer.");
	} else if (cause == IKE_CAUSE_EXPIRED) {
		id = "ikev2-nego-ike-expire";
		add(&l, "IKEv2 IKE SA lifetime expired.");
	} else {
		add(&l, "IKEv2 IKE SA is down.");
	}
	add_ike_sa(&l, "Deleted", e);
	add_reason(&l, e);
	line_write(LOG_SEV_INFORMATIONAL, id, e->gateway, l.text);
}

static void ike_nego(const struct ike_event *e)
{
	struct line l = {0};

	switch (e->type) {
	case IKE_EV_IKE_START:
		add_nego(&l, "IKE", "started", e);
		add_ike_sa(&l, "Initiated", e);
		line_write(LOG_SEV_INFORMATIONAL, "ikev2-nego-ike-start", e->gateway, l.text);
		break;
	case IKE_EV_IKE_UP:
		add_nego(&l, "IKE", "succeeded", e);
		add_ike_sa(&l, "Established", e);
		add(&l, " lifetime %u Sec.", e->lifetime_s);
		if (e->text)
			add(&l, " Attention: %s.", e->text);
		line_write(LOG_SEV_INFORMATIONAL, "ikev2-nego-ike-succ", e->gateway, l.text);
		break;
	default:
		add_nego(&l, "IKE", "failed", e);
		add_ike_sa(&l, "Failed", e);
		add_reason(&l, e);
		line_write(LOG_SEV_MEDIUM, "ikev2-nego-ike-fail", e->gateway, l.text);
		break;
	}
}

static void child_nego(const struct ike_event *e)
{
	bool failed = e->type == IKE_EV_CHILD_FAIL;
	char key[KEY_LEN];
	struct line l = {0};

	add_nego(&l, "child", failed ? "failed" : "started", e);
	add_child_sa(&l, failed ? "Failed" : "Initiated", e);
	add(&l, " parent SN:%u.", e->serial);
	add_reason(&l, e);
	line_write(failed ? LOG_SEV_MEDIUM : LOG_SEV_INFORMATIONAL,
		   failed ? "ikev2-nego-child-fail" : "ikev2-nego-child-start", child_object(e, key), l.text);
}

static void unknown_peer(const struct ike_event *e)
{
	enum ike_cause cause = e->reason ? e->reason->cause : IKE_CAUSE_NONE;
	char peer[ENDPOINT_STR];
	struct line l = {0};

	endpoint_str(&e->remote, peer);
	if (cause == IKE_CAUSE_HALF_OPEN)
		add(&l,
		    "IKEv2 negotiation is failed. Half-open limit reached, request of peer IP %s refused.",
		    peer);
	else if (cause == IKE_CAUSE_VERSION)
		add(&l,
		    "IKE phase-1 negotiation is failed. Couldn't find configuration for IKE phase-1 request for "
		    "peer IP %s.",
		    peer);
	else
		add(&l,
		    "IKEv2 negotiation is failed. Couldn't find configuration for IKEv2 request for peer IP %s.",
		    peer);
	add_reason(&l, e);
	line_write(LOG_SEV_MEDIUM, "ikev2-nego-fail-common", e->gateway, l.text);
}

static void peer_event(const struct ike_event *e)
{
	struct line l = {0};

	if (e->type == IKE_EV_PEER_DEAD) {
		add(&l, "IKEv2 IKE SA is down determined by DPD.");
		add_ike_sa(&l, "Dead", e);
		add_reason(&l, e);
		line_write(LOG_SEV_HIGH, "ikev2-nego-ike-dpd-dn", e->gateway, l.text);
	} else {
		add(&l, "IKEv2 peer's address or port changed.");
		add_ike_sa(&l, "Moved", e);
		add_reason(&l, e);
		line_write(LOG_SEV_INFORMATIONAL, "ikev2-peer-moved", e->gateway, l.text);
	}
}

/* Whoever caused this has proved nothing yet: anybody may, as often as he likes. */
static bool by_stranger(const struct ike_event *e)
{
	if (e->type == IKE_EV_UNKNOWN_PEER)
		return true;
	return (e->type == IKE_EV_IKE_START || e->type == IKE_EV_IKE_FAIL) && e->role == IKE_RESPONDER &&
	       !e->rekey;
}

static bool limited(const struct ike_event *e)
{
	enum ike_cause cause = e->reason ? e->reason->cause : IKE_CAUSE_NONE;
	uint64_t suppressed = 0, h = LOG_LIMIT_SEED;
	struct timespec t;

	h = log_limit_hash(h, &e->type, sizeof(e->type));
	h = log_limit_hash(h, &cause, sizeof(cause));
	h = log_limit_hash(h, e->remote.a.b, sizeof(e->remote.a.b));
	if (e->gateway)
		h = log_limit_hash(h, e->gateway, (uint32_t)strlen(e->gateway));
	clock_gettime(CLOCK_MONOTONIC, &t);
	if (!log_limit_pass(&limit, h, (uint64_t)t.tv_sec, &suppressed))
		return true;
	if (suppressed)
		log_event(LOG_SEV_MEDIUM, "ikev2-log-limited", NULL,
			  "%llu lines about unauthenticated peers were suppressed",
			  (unsigned long long)suppressed);
	return false;
}

void log_ike_event(const struct ike_event *e)
{
	if (by_stranger(e) && limited(e))
		return;
	switch (e->type) {
	case IKE_EV_IKE_START:
	case IKE_EV_IKE_UP:
	case IKE_EV_IKE_FAIL: ike_nego(e); break;
	case IKE_EV_IKE_DOWN: ike_down(e); break;
	case IKE_EV_CHILD_START:
	case IKE_EV_CHILD_FAIL: child_nego(e); break;
	case IKE_EV_CHILD_UP: child_up(e); break;
	case IKE_EV_CHILD_DOWN: child_down(e); break;
	case IKE_EV_PEER_DEAD:
	case IKE_EV_PEER_MOVED: peer_event(e); break;
	case IKE_EV_UNKNOWN_PEER: unknown_peer(e); break;
	case IKE_EV_DEBUG:
		line_write(LOG_SEV_DEBUG, "ikev2-debug", e->gateway, e->text ? e->text : "");
		break;
	}
}
