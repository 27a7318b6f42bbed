/* SPDX-License-Identifier: Apache-2.0 */
#include "eal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "device.h"
#include "dp.h"

enum { ARGS_MAX = 24 + 2 * PORTS_MAX, LCORES_LEN = 8192, MEMORY_MB = 512 };

static bool number(const char **s, unsigned long max, unsigned long *v)
{
	char *end;

	if (!isdigit((unsigned char)**s))
		return false;
	errno = 0;
	*v = strtoul(*s, &end, 10);
	*s = end;
	return errno == 0 && *v <= max;
}

int eal_parse_cores(const char *s, uint16_t *cpu, int max)
{
	int n = 0;

	for (;;) {
		unsigned long lo, hi;

		if (!number(&s, CPU_SETSIZE - 1, &lo))
			return -EINVAL;
		hi = lo;
		if (*s == '-') {
			s++;
			if (!number(&s, CPU_SETSIZE - 1, &hi) || hi < lo)
				return -EINVAL;
		}
		for (; lo <= hi; lo++) {
			for (int i = 0; i < n; i++)
				if (cpu[i] == lo)
					return -EINVAL;
			if (n == max)
				return -EINVAL;
			cpu[n++] = (uint16_t)lo;
		}
		if (*s == 0)
			return n;
		if (*s++ != ',')
			return -EINVAL;
	}
}

/* "(0-3,8)", the EAL's way to say that an lcore may run on any of them. */
static void print_set(const cpu_set_t *set, char *out, size_t len)
{
	size_t at = (size_t)snprintf(out, len, "(");

	for (int i = 0; i < CPU_SETSIZE && at < len; i++) {
		int last = i;

		if (!CPU_ISSET(i, set))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
			last++;
		at += (size_t)snprintf(out + at, len - at, at > 1 ? ",%d-%d" : "%d-%d", i, last);
		i = last;
	}
	if (at < len)
		snprintf(out + at, len - at, ")");
}

/* The CPUs of pinned workers, or 0 when they float. */
static int choose_cpus(const char *cores, uint16_t n_workers, const cpu_set_t *allowed, uint16_t *cpu,
		       char *err, size_t err_len)
{
	int n = 0;

	if (!cores) {
		if (CPU_COUNT(allowed) <= n_workers)
			return 0;
		/* The first one is left to the control thread. */
		for (int i = 0, seen = 0; n < n_workers; i++)
			if (CPU_ISSET(i, allowed) && seen++ > 0)
				cpu[n++] = (uint16_t)i;
		return n;
	}
	n = eal_parse_cores(cores, cpu, CPU_SETSIZE);
	if (n < 0)
		return dp_fail(err, err_len, EINVAL,
			       "cores \"%s\": a list like \"2-5,8\" is wanted, each core once", cores);
	if (n < n_workers)
		return dp_fail(err, err_len, EINVAL, "cores \"%s\": %d cores for %u workers", cores, n,
			       n_workers);
	for (int i = 0; i < n_workers; i++)
		if (!CPU_ISSET(cpu[i], allowed))
			return dp_fail(err, err_len, EINVAL,
				       "cores \"%s\": core %u does not exist or this process may not use it",
				       cores, cpu[i]);
	return n_workers;
}

int eal_lcores(const char *cores, uint16_t n_workers, const cpu_set_t *allowed, char *out, size_t out_len,
	       char *err, size_t err_len)
{
	uint16_t cpu[CPU_SETSIZE] = {0};
	int pinned = choose_cpus(cores, n_workers, allowed, cpu, err, err_len);
	cpu_set_t rest = *allowed;
	char all[LCORES_LEN / 4], others[LCORES_LEN / 4];
	size_t at;

	if (pinned < 0)
		return pinned;
	for (int i = 0; i < pinned; i++)
		CPU_CLR(cpu[i], &rest);
	print_set(allowed, all, sizeof(all));
	print_set(CPU_COUNT(&rest) ? &rest : allowed, others, sizeof(others));
	at = (size_t)snprintf(out, out_len, "0@%s", others);
	for (uint16_t i = 0; i < n_workers && at < out_len; i++) {
		if (pinned)
			at += (size_t)snprintf(out + at, out_len - at, ",%u@%u", i + 1u, cpu[i]);
		else
			at += (size_t)snprintf(out + at, out_len - at, ",%u@%s", i + 1u, all);
	}
	if (at >= out_len)
		return dp_fail(err, err_len, EINVAL, "too many cores to name");
	return 0;
}

/* The prefix becomes a file name, and two processes on a host must not share one. */
static void file_prefix(const char *name, char *out, size_t len)
{
	snprintf(out, len, "%s", name && *name ? name : "culvert");
	for (; *out; out++)
		if (!isalnum((unsigned char)*out) && !strchr("._-", *out))
			*out = '_';
}

static int count_pci(const struct dp_conf *conf)
{
	int n = 0;

	for (uint16_t i = 0; i < conf->n_devices; i++)
		n += device_is_pci(conf->devices[i]);
	return n;
}

/* rte_eal_init() takes char **, and changes none of them. */
static char *arg(const char *text)
{
	return (char *)(uintptr_t)text;
}

int eal_start(const struct dp_conf *conf, char *err, size_t err_len)
{
	static char prog[] = "culvert", prefix[DP_NAME], lcores[LCORES_LEN], memory[16];
	char *argv[ARGS_MAX];
	cpu_set_t allowed;
	int argc = 0, rc;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return dp_fail(err, err_len, errno, "allowed CPUs: %s", strerror(errno));
	rc = eal_lcores(conf->cores, conf->n_workers, &allowed, lcores, sizeof(lcores), err, err_len);
	if (rc < 0)
		return rc;
	file_prefix(conf->name, prefix, sizeof(prefix));
	snprintf(memory, sizeof(memory), "%u", conf->memory_mb ? conf->memory_mb : MEMORY_MB);
	argv[argc++] = prog;
	argv[argc++] = arg("--file-prefix");
	argv[argc++] = prefix;
	argv[argc++] = arg("--lcores");
	argv[argc++] = lcores;
	argv[argc++] = arg("--no-telemetry");
	argv[argc++] = arg("--log-level=warning");
	if (conf->hugepages) {
		argv[argc++] = arg("--in-memory");
	} else { /* --no-huge implies what --in-memory forbids; --no-shconf instead keeps it off the disk */
		argv[argc++] = arg("--no-huge");
		argv[argc++] = arg("--no-shconf");
		argv[argc++] = arg("-m");
		argv[argc++] = memory;
	}
	if (count_pci(conf) == 0)
		argv[argc++] = arg("--no-pci");
	for (uint16_t i = 0; i < conf->n_devices; i++) {
		if (!device_is_pci(conf->devices[i]))
			continue;
		if (argc + 3 > ARGS_MAX)
			return dp_fail(err, err_len, E2BIG, "more than %d PCI devices", PORTS_MAX);
		argv[argc++] = arg("-a");
		argv[argc++] = arg(conf->devices[i]);
	}
	argv[argc] = NULL;
	rte_openlog_stream(stderr); /* the default is syslog as well */
	if (rte_eal_init(argc, argv) < 0)
		return dp_fail(err, err_len, rte_errno ? rte_errno : EIO, "DPDK did not start: %s%s",
			       rte_strerror(rte_errno),
			       conf->hugepages ? " (are huge pages reserved?)"
					       : " (is there enough memory?)");
	return 0;
}
