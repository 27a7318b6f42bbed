/* SPDX-License-Identifier: Apache-2.0 */
/* The system log, in the field's own form: time, event id, object, severity, text.  To a file, stderr,
 * or syslog.  Control thread only. */
#pragma once

#include <stdarg.h>

#include "ike.h"

enum log_severity { LOG_SEV_DEBUG, LOG_SEV_INFORMATIONAL, LOG_SEV_MEDIUM, LOG_SEV_HIGH, LOG_SEV_CRITICAL };

/* path "": stderr; "syslog": syslog(3).  -errno when the file cannot be opened. */
int log_open(const char *path);
void log_close(void);
/* From now on lines are kept until log_flush(), which whoever calls this does before it waits: a thousand SAs in one turn
 * are one write, not three thousand. */
void log_hold(bool on);
void log_flush(void);
/* One line: "2026/11/24 04:15:03 informational vpn ikev2-nego-ike-succ GW-A IKEv2 IKE SA …" */
void log_event(enum log_severity sev, const char *event_id, const char *object, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* An engine's event in the words of a PAN-OS system log. */
void log_ike_event(const struct ike_event *e);
