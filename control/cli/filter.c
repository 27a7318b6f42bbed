/* SPDX-License-Identifier: Apache-2.0 */
#include "filter.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "handlers.h"

/* ---- names ----------------------------------------------------------------------------------------- */

bool cli_is_pattern(const char *name)
{
	size_t n = strlen(name);

	return n && name[n - 1] == '*';
}

bool cli_name_fits(const char *pattern, const char *name)
{
	if (!pattern)
		return true;
	return cli_is_pattern(pattern) ? strncmp(pattern, name, strlen(pattern) - 1) == 0
				       : strcmp(pattern, name) == 0;
}

bool cli_tunnel_fits(const char *pattern, const char *tunnel, const char *proxy_id)
{
	char name[DOC_NAME];

	return cli_name_fits(pattern, tunnel) ||
	       cli_name_fits(pattern, doc_tunnel_name(tunnel, proxy_id, name));
}

/* The tunnel that "tunnel" or "tunnel:proxy-id" is of. */
static const struct cfg_tunnel *tunnel_of(const struct ctl *c, const char *name)
{
	const struct cfg_tunnel *t = config_tunnel(c->conf, name);
	char head[CFG_NAME];

	for (const char *colon = strchr(name, ':'); !t && colon; colon = strchr(colon + 1, ':')) {
		size_t n = (size_t)(colon - name);

		if (n >= sizeof(head))
			break;
		memcpy(head, name, n);
		head[n] = 0;
		t = config_tunnel(c->conf, head);
		for (uint32_t x = 0; t && x < t->n_proxy_ids; x++)
			if (strcmp(t->proxy_ids[x].name, colon + 1) == 0)
				return t;
		t = NULL;
	}
	return t;
}

static bool take_names(struct cli_job *j, struct cli_filter *f)
{
	f->gateway = cli_arg(&j->m, j->m.cmd->id == CLI_SHOW_VPN_GATEWAY ? "name" : "gateway");
	f->tunnel = j->m.cmd->id == CLI_SHOW_VPN_GATEWAY ? NULL : cli_arg(&j->m, "name");
	if (!f->tunnel)
		f->tunnel = cli_arg(&j->m, "tunnel");
	if (f->gateway && !cli_is_pattern(f->gateway)) {
		f->one_gateway = cli_gateway(j->c, f->gateway);
		if (!f->one_gateway)
			return cli_no_gateway(j, f->gateway) != CLI_FAILED;
	}
	if (f->tunnel && !cli_is_pattern(f->tunnel)) {
		f->one_tunnel = tunnel_of(j->c, f->tunnel);
		if (!f->one_tunnel)
			return cli_no_tunnel(j, f->tunnel) != CLI_FAILED;
	}
	return true;
}

/* ---- values ---------------------------------------------------------------------------------------- */

static bool bad_value(struct cli_job *j, const char *option, const char *found, const char *allowed)
{
	snprintf(j->err, sizeof(j->err), "%s: found \"%s\"; allowed: %s", option, found, allowed);
	j->exit = CLI_EXIT_USAGE;
	return false;
}

static bool take_state(struct cli_job *j, struct cli_filter *f)
{
	const char *const *words = NULL;
	char allowed[128] = "";
	size_t n = 0;

	f->state = cli_arg(&j->m, "state");
	if (!f->state)
		return true;
	for (unsigned i = 0; i < CLI_OPTIONS; i++)
		if (j->m.arg[i] == f->state)
			words = cli_arg_words(j->m.cmd->options[i].arg);
	for (; words && *words; words++) {
		if (strcasecmp(*words, f->state) == 0)
			return true;
		n += (size_t)snprintf(allowed + n, sizeof(allowed) - n, "%s%s", n ? ", " : "", *words);
	}
	return bad_value(j, "state", f->state, allowed);
}

static bool take_addresses(struct cli_job *j, struct cli_filter *f)
{
	const char *peer = cli_arg(&j->m, "peer"), *prefix = cli_arg(&j->m, "prefix");

	if (peer && addr_parse(peer, &f->peer) < 0)
		return bad_value(j, "peer", peer, "an IP address");
	if (prefix && prefix_parse(prefix, &f->prefix) < 0)
		return bad_value(j, "prefix", prefix, "an IP prefix, as 10.1.0.0/16, or an address");
	return true;
}

bool cli_filter_take(struct cli_job *j, struct cli_filter *f)
{
	*f = (struct cli_filter){0};
	if (!take_names(j, f) || !take_state(j, f) || !take_addresses(j, f))
		return false;
	f->any = f->state || f->peer.v || f->prefix.a.v || (f->gateway && f->tunnel) ||
		 (f->gateway && !f->one_gateway) || (f->tunnel && !f->one_tunnel);
	return true;
}

bool cli_state_fits(const struct cli_filter *f, const char *shown)
{
	const char *s = f->state;

	if (!s)
		return true;
	for (; *s && *shown; s++, shown++)
		if (tolower((unsigned char)*s) != (*shown == ' ' ? '-' : tolower((unsigned char)*shown)))
			return false;
	return *s == *shown;
}

static bool list_overlaps(const struct ts *of, const struct ts *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (list[i].lo.v == of->lo.v && addr_cmp(&list[i].lo, &of->hi) <= 0 &&
		    addr_cmp(&of->lo, &list[i].hi) <= 0)
			return true;
	return false;
}

bool cli_prefix_fits(const struct cli_filter *f, const struct ts *local, unsigned n_local,
		     const struct ts *remote, unsigned n_remote)
{
	struct ts range;

	if (!f->prefix.a.v)
		return true;
	range = ts_of(&f->prefix, 0, 0);
	return list_overlaps(&range, local, n_local) || list_overlaps(&range, remote, n_remote);
}

bool cli_prefixes_fit(const struct cli_filter *f, const struct prefix *local, const struct prefix *remote)
{
	struct ts l, r;

	if (!f->prefix.a.v)
		return true;
	l = ts_of(local, 0, 0);
	r = ts_of(remote, 0, 0);
	return cli_prefix_fits(f, &l, 1, &r, 1);
}

void cli_filter_doc(json_t *doc, const struct cli_filter *f, uint64_t shown, uint64_t of)
{
	doc_bool(doc, "filtered", f->any);
	doc_uint(doc, "shown", shown);
	doc_uint(doc, "of", of);
}

/* ---- pages ----------------------------------------------------------------------------------------- */

struct page page_begin(struct cli_job *j, json_t *list)
{
	return (struct page){.j = j, .list = list};
}

bool page_look(struct page *p)
{
	p->more = p->looked >= CLI_LOOK;
	p->looked += !p->more;
	return !p->more;
}

void page_spend(struct page *p, unsigned n)
{
	p->looked += n;
}

bool page_take(struct page *p)
{
	p->more = p->made == p->j->page_len;
	p->made += !p->more;
	p->j->shown += !p->more;
	return !p->more;
}

bool page_end(struct page *p)
{
	if (!p->more)
		p->j->at = p->j->serial = 0;
	return p->more;
}

/* Proxy-IDs stand together by their tunnels, in the order of the configuration. */
static uint64_t first_of(const struct ctl *c, const struct cfg_tunnel *t)
{
	uint64_t lo = 0, hi = c->n_policies;

	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (c->policies[mid].tunnel < t)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct ctl_policy *page_policy(struct page *p, const struct cli_filter *f)
{
	const struct ctl *c = p->j->c;

	if (f->one_tunnel && p->j->at == 0)
		p->j->at = first_of(c, f->one_tunnel);
	while (p->j->at < c->n_policies && page_look(p)) {
		const struct ctl_policy *x = &c->policies[p->j->at];

		if (f->one_tunnel && x->tunnel != f->one_tunnel)
			p->j->at = c->n_policies;
		else if (!cli_name_fits(f->gateway, x->tunnel->gateway)) /* nor will its other proxy-IDs */
			p->j->at += x->tunnel->n_proxy_ids - (uint64_t)(x->proxy - x->tunnel->proxy_ids);
		else if (!cli_tunnel_fits(f->tunnel, x->tunnel->name, x->proxy->name))
			p->j->at++;
		else
			return x;
	}
	return NULL;
}
