/* SPDX-License-Identifier: Apache-2.0 */
#include "prove.h"

#include <stdlib.h>
#include <string.h>

#include "rig.h"

enum { SIZE = 200 };

static void refused(const struct traffic *t, const char *why)
{
	frames_fill(t);
	rig_all_dropped(t->inbound, why);
}

/* What the peer sent comes once more, byte by byte. */
static void replay(const struct traffic *t)
{
	static struct {
		uint16_t len;
		uint8_t b[2048];
	} copy[FRAMES];

	frames_fill(t);
	for (unsigned i = 0; i < FRAMES; i++) {
		copy[i].len = rig_frame[i]->data_len;
		memcpy(copy[i].b, rte_pktmbuf_mtod(rig_frame[i], void *), copy[i].len);
	}
	rig_run(true, false);
	rig_all_passed();
	frames_check(t);
	for (unsigned i = 0; i < FRAMES; i++) {
		struct rte_mbuf *m = rig_frame[i];

		m->data_off = rig_frame_off[i];
		m->data_len = copy[i].len;
		m->pkt_len = m->data_len;
		memcpy(rte_pktmbuf_mtod(m, void *), copy[i].b, copy[i].len);
	}
	rig_all_dropped(true, "esp-replay");
}

static void altered(const struct traffic *t)
{
	frames_fill(t);
	for (unsigned i = 0; i < FRAMES; i++)
		*rte_pktmbuf_mtod_offset(rig_frame[i], uint8_t *, rig_frame[i]->data_len - 1 - i % 8) ^= 1;
	rig_all_dropped(true, "esp-auth-failed");
}

void prove_checks(const struct suite *s, bool narrow, bool rules)
{
	struct traffic out = {.suite = s, .size = SIZE, .flows = 100}, in = out;

	in.inbound = true;
	replay(&in);
	altered(&in);
	frames_fill(&out);
	rig_run(false, false);
	rig_all_passed();
	frames_check(&out);
	if (narrow) {
		out.astray = rig_targets();
		refused(&out, "no-matching-proxy-id");
		out.astray = 0;
		in.astray = UINT32_C(0x1000000); /* 11.128.0.0/9, which no SA covers */
		refused(&in, "esp-inner-selector");
	}
	if (rules) {
		out.dport = RIG_DENIED_PORT;
		refused(&out, "rule-denied");
	}
}
