/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents as text, laid out as PAN-OS prints them.  The text is made from the very document that --json
 * shows, and from nothing else, so that the two cannot drift apart.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* False: a type of document that this client does not know. */
bool render(FILE *out, const json_t *doc);

/*
 * Long lists are shown as they come: what stands above a list with its first rows, what stands below it with the last
 * page, of which the caller says that it is that (with no rows, and the members of all pages before).  Columns keep their
 * widths, or grow.
 */
enum { RENDER_COLUMNS_MAX = 16 };
struct render_width {
	int col[RENDER_COLUMNS_MAX];
	bool begun;
};
struct render_parts {
	struct render_width list[2];
	bool last;
};
/* Each page by itself: what it tells of goes on. */
bool render_is_live(const json_t *page);
/* Lists that a document of such a kind has shown as they come, NULL behind the last; NULL: it is shown as a whole. */
const char *const *render_as_it_comes(const json_t *first_page);
void render_part(FILE *out, const json_t *page, const char *type, struct render_parts *p);

/* ---- for the renderers ---- */

typedef void render_part_fn(FILE *out, const json_t *page, struct render_parts *p);
render_part_fn render_flow_part, render_ike_sa_part, render_ipsec_sa_part, render_tunnel_part,
	render_routes_part;

typedef void render_fn(FILE *out, const json_t *doc);
render_fn render_ike_sa, render_ike_sa_detail, render_ipsec_sa, render_flow, render_gateway, render_tunnel;
render_fn render_counters, render_counters_global, render_log, render_interface, render_route_lookup,
	render_routes, render_dataplane, render_security_policy, render_rule_hits, render_monitor,
	render_history, render_diagnose, render_knowledge, render_system_info, render_capacity, render_test,
	render_test_packet, render_ping, render_clear_flow, render_request, render_clear, render_debug,
	render_debug_gateway, render_capture, render_commit;

/* Is there something to print of a list: rows, or titles over none at the end? */
bool render_part_due(const struct render_parts *p, unsigned list, const json_t *rows);

/* The failures of a document of IKE SAs; at length: parameters, what to type at the peer, and those before. */
void render_failures(FILE *out, const json_t *doc, bool at_length);
/* Those of one tunnel. */
void render_own_failures(FILE *out, const json_t *tunnel);
/* "at-peer" of a reason. */
void render_at_peer(FILE *out, const json_t *reason, int indent);

/* Members; "" and 0 where there is none. */
const char *render_str(const json_t *o, const char *key);
long long render_int(const json_t *o, const char *key);
bool render_bool(const json_t *o, const char *key);
const json_t *render_list(const json_t *o, const char *key);
/* "3 of 100000 shown." of a document that was asked to leave out the others. */
void render_shown(FILE *out, const json_t *doc);
/*
 * A table: titles over a line of dashes over rows, cell by cell.  A column grows beyond its width where a
 * cell does not fit.  Printing frees the table.
 */
struct render_column {
	const char *title;
	int width; /* with the blanks behind it */
};
struct render_table;
struct render_table *table_new(const struct render_column *cols, int n);
void table_cell(struct render_table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void table_print(FILE *out, struct render_table *t);
/* Titles only if they were not printed before. */
void table_print_part(FILE *out, struct render_table *t, struct render_width *w);
#define RENDER_COLUMNS(cols) (cols), (int)(sizeof(cols) / sizeof((cols)[0]))

/* A column without a table: text, padded to the width, one space at least behind it. */
void render_col(FILE *out, int width, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* "Jun.04 21:09:13" of a member with seconds since 1970; "" for null. */
enum { RENDER_TIME = 24 };
const char *render_time(const json_t *o, const char *key, char buf[RENDER_TIME]);
/* With the year, for what may be years away. */
const char *render_date(const json_t *o, const char *key, char buf[RENDER_TIME]);
