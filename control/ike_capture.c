/* SPDX-License-Identifier: Apache-2.0 */
#include "ike_capture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl.h"
#include "log.h"
#include "pcapng.h"

enum { BYTES_MAX = 64 << 20, IP_UDP_MAX = 48, UDP = 17, UDP_HDR = 8 };

struct ctl_ike_capture {
	FILE *f;
	uint64_t bytes;
	struct ike_capture_state s;
};

/* ---- a message as a packet: what a dissector wants around it -------------------------------------------------- */

static void put16(uint8_t *b, size_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

static uint32_t sum16(const uint8_t *b, size_t n, uint32_t sum)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)b[i] << 8 | b[i + 1];
	if (n & 1)
		sum += (uint32_t)b[n - 1] << 8;
	return sum;
}

static uint16_t folded(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* IP and UDP header, port 500 on both sides whatever it was: on 4500 a marker would stand before the message. */
static size_t put_headers(uint8_t *b, const struct addr *src, const struct addr *dst, const uint8_t *data,
			  size_t len)
{
	const size_t ip = src->v == 6 ? 40 : 20, alen = src->v == 6 ? 16 : 4, total = ip + UDP_HDR + len;
	uint8_t *udp = b + ip;
	uint32_t sum;

	memset(b, 0, ip + UDP_HDR);
	if (src->v == 6) {
		b[0] = 0x60;
		put16(b + 4, UDP_HDR + len);
		b[6] = UDP;
		b[7] = 64;
		memcpy(b + 8, src->b, alen);
		memcpy(b + 24, dst->b, alen);
	} else {
		b[0] = 0x45;
		put16(b + 2, total);
		b[8] = 64;
		b[9] = UDP;
		memcpy(b + 12, src->b, alen);
		memcpy(b + 16, dst->b, alen);
		put16(b + 10, folded(sum16(b, ip, 0)));
	}
	put16(udp, 500);
	put16(udp + 2, 500);
	put16(udp + 4, UDP_HDR + len);
	sum = sum16(b + ip - 2 * alen, 2 * alen, UDP + (uint32_t)(UDP_HDR + len));
	sum = folded(sum16(data, len, sum16(udp, UDP_HDR, sum)));
	put16(udp + 6, sum ? sum : 0xffff);
	return ip + UDP_HDR;
}

/* ---- start and end ------------------------------------------------------------------------------------------- */

static void end(struct ctl *c, const char *why)
{
	struct ctl_ike_capture *k = c->ike_capture;
	bool failed = fclose(k->f) != 0;

	k->f = NULL;
	k->s.on = false;
	snprintf(k->s.ended, sizeof(k->s.ended), "%s",
		 failed ? "the file could not be written to its end" : why);
	(void)ike_gateway_tap(c->ike, k->s.gateway, 0); /* it may have been removed meanwhile */
	log_event(LOG_SEV_INFORMATIONAL, "general", k->s.gateway,
		  "capture of IKE to %s ended, %u messages: %s", k->s.file, k->s.messages, k->s.ended);
}

int ctl_ike_capture_start(struct ctl *c, const char *gateway, const char *file, uint64_t until, char *err,
			  size_t err_len)
{
	static const char *const interfaces[2] = {"ike, in clear"};
	struct ctl_ike_capture *k = c->ike_capture;
	int rc;

	if (k && k->s.on) {
		snprintf(err, err_len,
			 "a capture of gateway %s goes on already; debug ike gateway %s off ends it",
			 k->s.gateway, k->s.gateway);
		return -EBUSY;
	}
	if (!k)
		k = c->ike_capture = calloc(1, sizeof(*k));
	if (!k) {
		snprintf(err, err_len, "out of memory");
		return -ENOMEM;
	}
	rc = pcapng_create(file, "culvert", interfaces, &k->f, err, err_len);
	if (rc < 0)
		return rc;
	k->s = (struct ike_capture_state){.on = true, .until = until};
	k->bytes = 0;
	snprintf(k->s.gateway, sizeof(k->s.gateway), "%s", gateway);
	snprintf(k->s.file, sizeof(k->s.file), "%s", file);
	rc = ike_gateway_tap(c->ike, gateway, until);
	if (rc < 0) {
		snprintf(err, err_len, "there is no gateway \"%s\"", gateway);
		end(c, "no such gateway");
		return rc;
	}
	log_event(LOG_SEV_INFORMATIONAL, "general", gateway, "capture of IKE, in clear, to %s", file);
	return 0;
}

bool ctl_ike_capture_stop(struct ctl *c, const char *gateway)
{
	struct ctl_ike_capture *k = c->ike_capture;

	if (!k || !k->s.on || strcmp(k->s.gateway, gateway) != 0)
		return false;
	end(c, "stopped by the operator");
	return true;
}

bool ctl_ike_capture_state(const struct ctl *c, struct ike_capture_state *s)
{
	if (!c->ike_capture || !c->ike_capture->s.file[0])
		return false;
	*s = c->ike_capture->s;
	return true;
}

void ctl_ike_capture_fini(struct ctl *c)
{
	if (c->ike_capture && c->ike_capture->s.on)
		end(c, "culvertd stopped");
	free(c->ike_capture);
	c->ike_capture = NULL;
}

/* ---- messages ------------------------------------------------------------------------------------------------ */

void ctl_ike_clear(void *ctx, const struct ike_clear *m)
{
	struct ctl *c = ctx;
	struct ctl_ike_capture *k = c->ike_capture;
	const struct endpoint *src = m->inbound ? &m->remote : &m->local,
			      *dst = m->inbound ? &m->local : &m->remote;
	uint8_t *packet;
	char text[IKE_NAME + 32];
	struct timespec now;
	struct pcapng_packet p = {.inbound = m->inbound, .comment = text};

	if (!k || !k->s.on || strcmp(k->s.gateway, m->gateway) != 0)
		return;
	packet = malloc(IP_UDP_MAX + m->len);
	if (!packet)
		return;
	p.len = p.kept = (uint32_t)put_headers(packet, &src->a, &dst->a, m->data, m->len);
	memcpy(packet + p.len, m->data, m->len);
	p.len = p.kept += (uint32_t)m->len;
	p.data = packet;
	clock_gettime(CLOCK_REALTIME, &now);
	p.at_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	snprintf(text, sizeof(text), "%s, gateway %s, port %u", m->inbound ? "inbound" : "outbound",
		 m->gateway, m->remote.port);
	k->bytes += pcapng_size(&p);
	if (k->bytes > BYTES_MAX)
		end(c, "the file is as large as it may get");
	else if (pcapng_write(k->f, &p) < 0)
		end(c, "the file cannot be written");
	else
		k->s.messages++;
	free(packet);
}

void ctl_ike_capture_tick(struct ctl *c)
{
	struct ctl_ike_capture *k = c->ike_capture;

	if (!k || !k->s.on)
		return;
	if (ctl_now() >= k->s.until)
		end(c, "its time is over");
	else if (fflush(k->f) != 0)
		end(c, "the file cannot be written");
}
