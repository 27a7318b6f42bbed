/* SPDX-License-Identifier: Apache-2.0 */
/* debug capture: packets of a tunnel into a file. */
#include "handlers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture_file.h"

static enum cli_page usage(struct cli_job *j, const char *fmt, const char *found)
{
	snprintf(j->err, sizeof(j->err), fmt, found);
	j->exit = CLI_EXIT_USAGE;
	return CLI_FAILED;
}

static enum cli_page state(struct cli_job *j, json_t *doc)
{
	static const char *const sides[] = {
		[DP_CAPTURE_INNER] = "inner",
		[DP_CAPTURE_OUTER] = "outer",
		[DP_CAPTURE_INNER | DP_CAPTURE_OUTER] = "both",
	};
	struct capture_state s;

	doc_str(doc, "type", "debug-capture");
	if (!ctl_capture_state(j->c, &s))
		return CLI_LAST;
	doc_bool(doc, "on", s.on);
	doc_str(doc, "tunnel", s.tunnel);
	doc_str(doc, "side", sides[s.sides]);
	doc_str(doc, "file", s.file);
	doc_uint(doc, "count", s.count);
	doc_uint(doc, "packets", s.written);
	doc_uint(doc, "bytes", s.bytes);
	doc_uint(doc, "lost", s.lost);
	if (!s.on)
		doc_str(doc, "ended", s.ended);
	return CLI_LAST;
}

/* The word given, or both; two words say too much. */
static bool sides_of(const struct cli_match *m, unsigned *sides)
{
	unsigned n = (unsigned)cli_given(m, "inner") + cli_given(m, "outer") + cli_given(m, "both");

	*sides = cli_given(m, "inner")   ? DP_CAPTURE_INNER
		 : cli_given(m, "outer") ? DP_CAPTURE_OUTER
					 : DP_CAPTURE_INNER | DP_CAPTURE_OUTER;
	return n <= 1;
}

static bool count_of(const char *s, uint32_t *count)
{
	char *end;
	unsigned long v;

	*count = CAPTURE_COUNT;
	if (!s)
		return true;
	v = s[0] >= '0' && s[0] <= '9' ? strtoul(s, &end, 10) : 0;
	*count = (uint32_t)v;
	return v >= 1 && v <= CAPTURE_COUNT_MAX && !*end;
}

static enum cli_page start(struct cli_job *j, struct capture_conf *conf)
{
	uint32_t *policies = calloc(j->c->n_policies + 1, sizeof(*policies));
	int rc;

	if (!policies) {
		snprintf(j->err, sizeof(j->err), "out of memory");
		return CLI_FAILED;
	}
	for (uint32_t i = 0; i < j->c->n_policies; i++) {
		const struct ctl_policy *p = &j->c->policies[i];

		if (doc_tunnel_is(conf->tunnel, p->tunnel->name, p->proxy->name))
			policies[conf->n_policies++] = p->policy;
	}
	conf->policies = policies;
	rc = ctl_capture_start(j->c, conf, j->err, sizeof(j->err));
	free(policies);
	return rc < 0 ? CLI_FAILED : CLI_LAST;
}

enum cli_page cli_debug_capture(struct cli_job *j, json_t *doc)
{
	struct capture_conf conf = {.tunnel = cli_arg(&j->m, ""), .file = cli_arg(&j->m, "file")};
	const char *count = cli_arg(&j->m, "count");

	if (!conf.tunnel)
		return usage(j, "%s: which tunnel? debug capture tunnel <tunnel> file <file>",
			     "debug capture tunnel");
	if (!cli_tunnel_known(j->c, conf.tunnel))
		return cli_no_tunnel(j, conf.tunnel);
	if (!conf.file)
		return usage(j, "file: missing; %s", "allowed: an absolute path ending in .pcapng");
	if (!sides_of(&j->m, &conf.sides))
		return usage(j, "%s: allowed: one of them", "inner, outer, both");
	if (!count_of(count, &conf.count))
		return usage(j, "count: found \"%.40s\"; allowed: 1 to 1000000", count);
	if (start(j, &conf) == CLI_FAILED)
		return CLI_FAILED;
	return state(j, doc);
}

enum cli_page cli_debug_capture_stop(struct cli_job *j, json_t *doc)
{
	if (!ctl_capture_stop(j->c)) {
		snprintf(j->err, sizeof(j->err), "no capture goes on");
		return CLI_FAILED;
	}
	return state(j, doc);
}

enum cli_page cli_debug_capture_show(struct cli_job *j, json_t *doc)
{
	return state(j, doc);
}
