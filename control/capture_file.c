/* SPDX-License-Identifier: Apache-2.0 */
#include "capture_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl.h"
#include "doc.h"
#include "log.h"
#include "pcapng.h"

static const uint64_t BYTES_MAX = UINT64_C(256) << 20;

struct ctl_capture {
	FILE *f;
	uint64_t from_ns; /* since 1970 */
	bool dirty;
	struct capture_state s;
};

/* ---- start and end --------------------------------------------------------------------------- */

static void end(struct ctl_capture *k, const char *why)
{
	bool failed;

	dp_capture_stop();
	k->s.lost = dp_capture_lost();
	failed = fclose(k->f) != 0;
	k->f = NULL;
	k->s.on = false;
	snprintf(k->s.ended, sizeof(k->s.ended), "%s",
		 failed ? "the file could not be written to its end" : why);
	log_event(LOG_SEV_INFORMATIONAL, "general", k->s.tunnel, "capture to %s ended, %u packets: %s",
		  k->s.file, k->s.written, k->s.ended);
}

int ctl_capture_start(struct ctl *c, const struct capture_conf *conf, char *err, size_t err_len)
{
	static const char *const interfaces[2] = {"inner", "outer"};
	struct ctl_capture *k = c->capture;
	struct timespec now;
	int rc;

	if (k && k->s.on) {
		snprintf(err, err_len, "a capture of %s goes on already; debug capture stop ends it",
			 k->s.tunnel);
		return -EBUSY;
	}
	if (!k)
		k = c->capture = calloc(1, sizeof(*k));
	if (!k) {
		snprintf(err, err_len, "out of memory");
		return -ENOMEM;
	}
	memset(k, 0, sizeof(*k));
	rc = pcapng_create(conf->file, "culvert", interfaces, &k->f, err, err_len);
	if (rc == 0) {
		clock_gettime(CLOCK_REALTIME, &now);
		k->from_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
		rc = dp_capture_start(conf->policies, conf->n_policies, conf->sides);
		if (rc < 0) {
			snprintf(err, err_len, "the data plane refuses the capture: %s", strerror(-rc));
			fclose(k->f);
			unlink(conf->file);
		}
	}
	if (rc < 0) {
		free(k);
		c->capture = NULL;
		return rc;
	}
	k->s.on = true;
	k->s.sides = conf->sides;
	k->s.count = conf->count;
	snprintf(k->s.tunnel, sizeof(k->s.tunnel), "%s", conf->tunnel);
	snprintf(k->s.file, sizeof(k->s.file), "%s", conf->file);
	log_event(LOG_SEV_INFORMATIONAL, "general", k->s.tunnel, "capture to %s, at most %u packets",
		  k->s.file, k->s.count);
	return 0;
}

bool ctl_capture_stop(struct ctl *c)
{
	if (!c->capture || !c->capture->s.on)
		return false;
	end(c->capture, "stopped by the operator");
	return true;
}

bool ctl_capture_state(const struct ctl *c, struct capture_state *s)
{
	if (!c->capture)
		return false;
	*s = c->capture->s;
	if (s->on)
		s->lost = dp_capture_lost();
	return true;
}

void ctl_capture_fini(struct ctl *c)
{
	if (c->capture && c->capture->s.on)
		end(c->capture, "culvertd stopped");
	free(c->capture);
	c->capture = NULL;
}

/* ---- packets --------------------------------------------------------------------------------- */

/* "outbound, SPI c0ffee01, tunnel T:P" */
static void comment(const struct ctl *c, const struct dp_captured *p, char *buf, size_t len)
{
	const char *way = p->inbound ? "inbound" : "outbound";
	char name[DOC_NAME];

	for (uint32_t i = 0; i < c->n_policies; i++) {
		const struct ctl_policy *x = &c->policies[i];

		if (x->policy != p->policy)
			continue;
		snprintf(buf, len, "%s, SPI %08x, tunnel %s", way, p->spi,
			 doc_tunnel_name(x->tunnel->name, x->proxy->name, name));
		return;
	}
	snprintf(buf, len, "%s, SPI %08x", way, p->spi);
}

void ctl_captured(void *ctx, const struct dp_captured *p)
{
	struct ctl *c = ctx;
	struct ctl_capture *k = c->capture;
	char text[256];
	struct pcapng_packet out = {
		.interface = p->side == DP_CAPTURE_OUTER,
		.inbound = p->inbound,
		.len = p->len,
		.kept = p->kept,
		.data = p->data,
		.comment = text,
	};

	if (!k || !k->s.on)
		return;
	out.at_ns = k->from_ns + p->after_ns;
	comment(c, p, text, sizeof(text));
	if (k->s.bytes + pcapng_size(&out) > BYTES_MAX) {
		end(k, "the file is as large as a capture may get");
		return;
	}
	if (pcapng_write(k->f, &out) < 0) {
		end(k, "the file cannot be written");
		return;
	}
	k->dirty = true;
	k->s.bytes += pcapng_size(&out);
	if (++k->s.written == k->s.count)
		end(k, "all packets that were asked for");
}

/* So that whoever watches the file sees whole packets while they come. */
void ctl_capture_flush(struct ctl *c)
{
	struct ctl_capture *k = c->capture;

	if (!k || !k->s.on || !k->dirty)
		return;
	k->dirty = false;
	if (fflush(k->f) != 0)
		end(k, "the file cannot be written");
}
