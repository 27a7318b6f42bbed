/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lists are asked to leave out, and their pages.  What does not belong to the answer is left out here, so that the
 * operator's client is sent what it shows; one gateway and one tunnel are found by their names, and any other list is
 * looked through in turns of CLI_LOOK elements.
 */
#pragma once

#include "doc.h"
#include "job.h"

/* Members that are not set let everything through. */
struct cli_filter {
	const char *gateway, *tunnel; /* names, of tunnels "tunnel:proxy-id" too; they may end in '*' */
	const char *state;            /* as typed */
	struct addr peer;
	struct prefix prefix; /* of the version 0 when not set */
	/* Those that the names mean, where they are no patterns. */
	const struct cfg_gateway *one_gateway;
	const struct cfg_tunnel *one_tunnel;
	bool any; /* more than one name is asked for: how many of how many is to be told */
};

/* Read the command's options gateway, tunnel (or, where that is how it is called, name), state, peer, prefix.  False: one
 * of them is none, as j->err says. */
bool cli_filter_take(struct cli_job *j, struct cli_filter *f);
/* "abc" is "abc", and fits "abc" and "a*"; NULL is fitted by all. */
bool cli_name_fits(const char *pattern, const char *name);
bool cli_is_pattern(const char *name);
/* The same of "tunnel" and "tunnel:proxy-id", of which either may be meant. */
bool cli_tunnel_fits(const char *pattern, const char *tunnel, const char *proxy_id);
/* "sa-dying" is the state shown as "SA dying". */
bool cli_state_fits(const struct cli_filter *f, const char *shown);
/* Do the addresses of either end overlap the prefix? */
bool cli_prefix_fits(const struct cli_filter *f, const struct ts *local, unsigned n_local,
		     const struct ts *remote, unsigned n_remote);
bool cli_prefixes_fit(const struct cli_filter *f, const struct prefix *local, const struct prefix *remote);
/* What the text says below, or beside, the totals: how many are shown, out of so many, and for what they were chosen. */
void cli_filter_doc(json_t *doc, const struct cli_filter *f, uint64_t shown, uint64_t of);

/*
 * A page of a list that may change between pages: j->at (with j->serial) says where it begins.  An SA that comes or goes
 * meanwhile can make one element stand there twice or not at all, as in any listing of what lives.
 */
struct page {
	struct cli_job *j;
	json_t *list;
	unsigned made, looked;
	bool more;
};
struct page page_begin(struct cli_job *j, json_t *list);
/* There is another element: false when the page has looked at enough of them.  The next page begins with it. */
bool page_look(struct page *p);
/* The element was as dear as n more. */
void page_spend(struct page *p, unsigned n);
/* It belongs to the answer: false when the page is full.  The next page begins with it. */
bool page_take(struct page *p);
/* True when there is another page; else the job's place is back at the beginning. */
bool page_end(struct page *p);
/* The proxy-ID at j->at or behind it that the names of tunnel and gateway let through, with j->at on it: the caller goes on
 * to the next.  NULL: none on this page. */
const struct ctl_policy *page_policy(struct page *p, const struct cli_filter *f);
