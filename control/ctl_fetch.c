/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl_fetch.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <utlist.h>

#include "cert_cache.h"
#include "log.h"

enum { FETCHES_MAX = 32, CONNECTIONS_MAX = 8 };

/* One request on its way. */
struct fetch {
	struct ctl_fetcher *of;
	struct fetch *prev, *next;
	struct cert_fetch what;
	CURL *easy;
	struct curl_slist *headers;
	uint8_t *body;
	size_t len;
	bool refused, too_long; /* an address that is not connected to */
	ev_timer never;         /* none of libcurl's: it could not even begin */
};

/* A socket that libcurl wants watched. */
struct watch {
	struct ctl_fetcher *of;
	ev_io io;
};

struct ctl_fetcher {
	struct ctl *c;
	CURLM *multi;
	ev_timer timer;
	struct fetch *all;
	unsigned n;
};

/* ---- one request ------------------------------------------------------------------------------------------------ */

static size_t take(char *p, size_t size, size_t n, void *arg)
{
	struct fetch *f = arg;
	size_t len = size * n;
	uint8_t *b;

	if (len > f->what.max - f->len) {
		f->too_long = true;
		return 0;
	}
	b = realloc(f->body, f->len + len + 1);
	if (!b)
		return 0;
	f->body = b;
	memcpy(b + f->len, p, len);
	f->len += len;
	return len;
}

/* Loopback, link-local, unspecified. */
static bool local_only(const struct sockaddr *s)
{
	if (s->sa_family == AF_INET) {
		uint32_t a = ntohl(((const struct sockaddr_in *)(const void *)s)->sin_addr.s_addr);

		return a >> 24 == 127 || a >> 16 == 0xa9fe || a >> 24 == 0;
	}
	if (s->sa_family == AF_INET6) {
		const struct in6_addr *a = &((const struct sockaddr_in6 *)(const void *)s)->sin6_addr;

		return IN6_IS_ADDR_LOOPBACK(a) || IN6_IS_ADDR_LINKLOCAL(a) || IN6_IS_ADDR_UNSPECIFIED(a) ||
		       IN6_IS_ADDR_V4MAPPED(a);
	}
	return true;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct fetch *f = arg;

	if (local_only(&a->addr)) {
		f->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static void fetch_free(struct fetch *f)
{
	struct ctl_fetcher *x = f->of;

	if (f->easy) {
		curl_multi_remove_handle(x->multi, f->easy);
		curl_easy_cleanup(f->easy);
	}
	curl_slist_free_all(f->headers);
	ev_timer_stop(x->c->loop, &f->never);
	DL_DELETE(x->all, f);
	x->n--;
	free(f->body);
	free(f);
}

static void finish(struct fetch *f, const char *why)
{
	struct ctl *c = f->of->c;
	struct bytes content = {.p = why ? NULL : f->body, .len = why ? 0 : f->len};

	if (why)
		log_event(LOG_SEV_MEDIUM, "ike", "certificate-status", "cannot fetch %s: %s", f->what.url,
			  why);
	ike_fetched(c->ike, &f->what, content, why ? why : "", ctl_now());
	fetch_free(f);
	ctl_ike_rearm(c);
}

static void on_never(struct ev_loop *loop, ev_timer *w, int revents)
{
	finish(w->data, "too many such requests on their way, or no memory");
}

static void ended(struct fetch *f, CURLcode rc)
{
	char why[96];
	long status = 0;

	curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
	if (f->refused)
		snprintf(why, sizeof(why), "its address is this host's own or a link's, which is not asked");
	else if (f->too_long)
		snprintf(why, sizeof(why), "more than %zu bytes", f->what.max);
	else if (rc != CURLE_OK)
		snprintf(why, sizeof(why), "%s", curl_easy_strerror(rc));
	else if (status != 200)
		snprintf(why, sizeof(why), "HTTP status %ld", status);
	else if (!f->len)
		snprintf(why, sizeof(why), "an empty answer");
	else
		why[0] = '\0';
	finish(f, why[0] ? why : NULL);
}

/* ---- libcurl on the loop ----------------------------------------------------------------------------------------- */

static void check(struct ctl_fetcher *x)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(x->multi, &left))) {
		CURLcode rc = m->data.result;
		char *f;

		if (m->msg == CURLMSG_DONE &&
		    curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &f) == CURLE_OK)
			ended((struct fetch *)(void *)f, rc);
	}
}

static void on_socket_ready(struct ev_loop *loop, ev_io *w, int revents)
{
	struct ctl_fetcher *x = ((struct watch *)w->data)->of;
	int running;

	curl_multi_socket_action(x->multi, w->fd,
				 (revents & EV_READ ? CURL_CSELECT_IN : 0) |
					 (revents & EV_WRITE ? CURL_CSELECT_OUT : 0),
				 &running);
	check(x);
}

static void on_time(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ctl_fetcher *x = w->data;
	int running;

	curl_multi_socket_action(x->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	check(x);
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *old)
{
	struct ctl_fetcher *x = arg;
	struct watch *w = old;

	if (!w) {
		w = calloc(1, sizeof(*w));
		if (!w)
			return -1;
		w->of = x;
		w->io.data = w;
		curl_multi_assign(x->multi, fd, w);
	} else {
		ev_io_stop(x->c->loop, &w->io);
	}
	if (what == CURL_POLL_REMOVE) {
		curl_multi_assign(x->multi, fd, NULL);
		free(w);
		return 0;
	}
	ev_io_init(&w->io, on_socket_ready, fd,
		   (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0));
	w->io.data = w;
	ev_io_start(x->c->loop, &w->io);
	return 0;
}

static int want_time(CURLM *multi, long ms, void *arg)
{
	struct ctl_fetcher *x = arg;

	ev_timer_stop(x->c->loop, &x->timer);
	if (ms >= 0) {
		ev_timer_set(&x->timer, (double)ms / 1000., 0.);
		ev_timer_start(x->c->loop, &x->timer);
	}
	return 0;
}

/* ---- begin and end --------------------------------------------------------------------------------------------------- */

static struct ctl_fetcher *fetcher(struct ctl *c)
{
	struct ctl_fetcher *x = c->fetcher;

	if (x)
		return x;
	x = calloc(1, sizeof(*x));
	if (!x)
		return NULL;
	x->c = c;
	x->multi = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_multi_init() : NULL;
	if (!x->multi) {
		free(x);
		return NULL;
	}
	ev_timer_init(&x->timer, on_time, 0., 0.);
	x->timer.data = x;
	curl_multi_setopt(x->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(x->multi, CURLMOPT_SOCKETDATA, x);
	curl_multi_setopt(x->multi, CURLMOPT_TIMERFUNCTION, want_time);
	curl_multi_setopt(x->multi, CURLMOPT_TIMERDATA, x);
	curl_multi_setopt(x->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS_MAX);
	c->fetcher = x;
	return x;
}

static bool begin(struct ctl_fetcher *x, struct fetch *f)
{
	CURL *e = x->n <= FETCHES_MAX ? curl_easy_init() : NULL;

	if (!e)
		return false;
	f->easy = e;
	curl_easy_setopt(e, CURLOPT_URL, f->what.url);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	/* a resolver's thread whose name server keeps silent is left behind, not waited for by the control thread */
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(e, CURLOPT_PROXY, ""); /* no surprise out of the environment */
	curl_easy_setopt(e, CURLOPT_USERAGENT, "culvert");
	curl_easy_setopt(e, CURLOPT_TIMEOUT, (long)f->what.timeout_s);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, f);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, f);
	curl_easy_setopt(e, CURLOPT_PRIVATE, f);
	if (f->what.post_len) {
		f->headers = curl_slist_append(NULL, "Content-Type: application/ocsp-request");
		curl_easy_setopt(e, CURLOPT_HTTPHEADER, f->headers);
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)f->what.post_len);
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, f->what.post);
	}
	return curl_multi_add_handle(x->multi, e) == CURLM_OK;
}

void ctl_fetch(void *ctx, const struct cert_fetch *what)
{
	struct ctl *c = ctx;
	struct ctl_fetcher *x = fetcher(c);
	struct fetch *f = x ? calloc(1, sizeof(*f)) : NULL;

	if (!f)
		return; /* the entry that waits runs out */
	f->of = x;
	f->what = *what;
	ev_timer_init(&f->never, on_never, 0., 0.);
	f->never.data = f;
	DL_APPEND(x->all, f);
	x->n++;
	if (!begin(x, f))
		ev_timer_start(c->loop, &f->never);
}

void ctl_fetch_fini(struct ctl *c)
{
	struct ctl_fetcher *x = c->fetcher;
	struct fetch *f, *tmp;

	if (!x)
		return;
	c->fetcher = NULL;
	DL_FOREACH_SAFE(x->all, f, tmp)
	fetch_free(f);
	ev_timer_stop(c->loop, &x->timer);
	curl_multi_cleanup(x->multi);
	curl_global_cleanup();
	free(x);
}
