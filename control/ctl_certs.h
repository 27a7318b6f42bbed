/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates of the configuration that are, or soon will be, out of date: told in the log once a day. */
#pragma once

#include "ctl.h"

/* Look at them now, and every day from now on. */
void ctl_certs_watch(struct ctl *c);
void ctl_certs_fini(struct ctl *c);
