/* SPDX-License-Identifier: Apache-2.0 */
/* The EAL's command line, made from struct dp_conf. */
#pragma once

#include <sched.h>
#include <stddef.h>

#include "dp_api.h"

/* "2-5,8" to a list of CPU numbers, in the order written. Their number, or -EINVAL. */
int eal_parse_cores(const char *s, uint16_t *cpu, int max);
/* The --lcores argument: lcore 0 is the control thread, 1..n_workers are the workers.  Workers are pinned
 * to `cores`, or where that is NULL to CPUs of their own as far as `allowed` has one for every thread;
 * otherwise all float.  0, or -errno and a text in err. */
int eal_lcores(const char *cores, uint16_t n_workers, const cpu_set_t *allowed, char *out, size_t out_len,
	       char *err, size_t err_len);
/* rte_eal_init(). */
int eal_start(const struct dp_conf *conf, char *err, size_t err_len);
