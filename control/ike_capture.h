/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug ike gateway G pcap: IKE messages in clear in a pcapng file, for some minutes.  One file at a time; as with
 * captures of packets it is new and its owner's alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture_file.h"
#include "ike.h"

enum { IKE_DEBUG_MINUTES = 10, IKE_DEBUG_MINUTES_MAX = 1440 };

struct ike_capture_state {
	bool on;
	char gateway[IKE_NAME], file[CAPTURE_PATH];
	uint32_t messages;
	uint64_t until; /* now-time */
	char ended[CAPTURE_WHY];
};

/* 0, or -errno with a text. */
int ctl_ike_capture_start(struct ctl *c, const char *gateway, const char *file, uint64_t until, char *err,
			  size_t err_len);
/* False: none was going on for this gateway. */
bool ctl_ike_capture_stop(struct ctl *c, const char *gateway);
/* The one that is going on, or the last; false: there was none. */
bool ctl_ike_capture_state(const struct ctl *c, struct ike_capture_state *s);

/* The event loop: end what is over, hand what was written to the system; the engine's host; end of the daemon. */
void ctl_ike_capture_tick(struct ctl *c);
void ctl_ike_clear(void *ctx, const struct ike_clear *m);
void ctl_ike_capture_fini(struct ctl *c);
