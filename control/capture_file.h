/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Captures that an operator asks for: packets of a tunnel into a pcapng file.
 *
 * One at a time.  It ends by itself when the count or the largest size of a file is reached, or the file
 * does not take more.  The file holds what the tunnel carries in clear: it is made anew, readable by its
 * owner alone; a name that exists is refused, so that nobody's file is written over and no link followed,
 * and so is a name that does not end in .pcapng, so that a capture is never taken for something else.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dp_api.h"
#include "pcapng.h"

struct ctl;

enum { CAPTURE_COUNT_MAX = 1000000, CAPTURE_COUNT = 1000, CAPTURE_PATH = PCAPNG_PATH, CAPTURE_WHY = 128 };

struct capture_conf {
	const char *tunnel, *file;
	unsigned sides; /* DP_CAPTURE_INNER | DP_CAPTURE_OUTER */
	uint32_t count;
	const uint32_t *policies;
	uint32_t n_policies;
};

struct capture_state {
	bool on;
	char tunnel[2 * DP_NAME + 2], file[CAPTURE_PATH];
	unsigned sides;
	uint32_t count, written;
	uint64_t bytes, lost;
	char ended[CAPTURE_WHY]; /* why, when it is not on */
};

/* 0, or -errno with a text. */
int ctl_capture_start(struct ctl *c, const struct capture_conf *conf, char *err, size_t err_len);
/* False: none was going on. */
bool ctl_capture_stop(struct ctl *c);
/* The one that is going on, or the last; false: there was none. */
bool ctl_capture_state(const struct ctl *c, struct capture_state *s);

/* The event loop: hand what was written to the system; end of the daemon; the data plane's handler. */
void ctl_capture_flush(struct ctl *c);
void ctl_capture_fini(struct ctl *c);
void ctl_captured(void *ctx, const struct dp_captured *p);
