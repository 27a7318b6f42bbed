/* SPDX-License-Identifier: Apache-2.0 */
#include "journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>
#include <utlist.h>

#include "text.h"
#include "up_count.h"

enum {
	KEEP_EACH = 128,  /* entries of one proxy-ID, gateway, or stranger's side of a gateway */
	KEEP_ALL = 20000, /* of all together; the oldest goes first */
	KEY_MAX = 3 * IKE_NAME + 8,
	TEXT_MAX = 480,
};

struct thing;

struct entry {
	struct journal_entry e; /* strings: the thing's, and `text` below */
	struct thing *of;
	struct entry *prev, *next;       /* all entries by age of their beginning */
	struct entry *of_prev, *of_next; /* those of one thing */
	char cause[24];
	char text[];
};

/* What entries are about: the daemon, a gateway, a proxy-ID. */
struct thing {
	char key[KEY_MAX];
	char gateway[IKE_NAME], tunnel[IKE_NAME], proxy_id[IKE_NAME];
	struct entry *entries;
	unsigned n;
	UT_hash_handle hh;
};

struct journal {
	struct thing *things;
	struct entry *all;
	uint64_t next_number;
	unsigned n;
	struct up_count *ups;
	struct journal_file *file;
};

static const char *const kinds[] = {
	[JOURNAL_START] = "start",
	[JOURNAL_STOP] = "stop",
	[JOURNAL_COMMIT] = "commit",
	[JOURNAL_IKE_UP] = "ike-up",
	[JOURNAL_IKE_REKEY] = "ike-rekey",
	[JOURNAL_IKE_DOWN] = "ike-down",
	[JOURNAL_IKE_FAIL] = "ike-fail",
	[JOURNAL_PEER_DEAD] = "peer-dead",
	[JOURNAL_PEER_MOVED] = "peer-moved",
	[JOURNAL_UP] = "up",
	[JOURNAL_REKEY] = "rekey",
	[JOURNAL_DOWN] = "down",
	[JOURNAL_FAIL] = "fail",
	[JOURNAL_MONITOR_UP] = "monitor-up",
	[JOURNAL_MONITOR_DOWN] = "monitor-down",
};

static const char *const bys[] = {
	[JOURNAL_HERE] = "here",         [JOURNAL_PEER] = "peer",         [JOURNAL_OPERATOR] = "operator",
	[JOURNAL_LIVENESS] = "liveness", [JOURNAL_LIFETIME] = "lifetime",
};

const char *journal_kind_str(enum journal_kind k)
{
	return k < JOURNAL_KINDS ? kinds[k] : "";
}

const char *journal_by_str(enum journal_by b)
{
	return b < JOURNAL_BYS ? bys[b] : "";
}

static unsigned word_index(const char *const *words, unsigned n, const char *word)
{
	unsigned i = 0;

	while (i < n && strcmp(words[i], word) != 0)
		i++;
	return i;
}

enum journal_kind journal_kind_of(const char *word)
{
	return word_index(kinds, JOURNAL_KINDS, word);
}

enum journal_by journal_by_of(const char *word)
{
	return word_index(bys, JOURNAL_BYS, word);
}

/* ---- entries ------------------------------------------------------------------------------------- */

static void drop(struct journal *j, struct entry *x)
{
	struct thing *t = x->of;

	DL_DELETE(j->all, x);
	j->n--;
	DL_DELETE2(t->entries, x, of_prev, of_next);
	free(x);
	if (--t->n == 0) {
		HASH_DEL(j->things, t);
		free(t);
	}
}

static void make_key(char key[KEY_MAX], const struct journal_entry *e, bool stranger)
{
	snprintf(key, KEY_MAX, "%s%s\n%s\n%s", stranger ? "?" : "", e->gateway, e->tunnel, e->proxy_id);
}

/* The thing that an entry is about; a stranger's doings have one of their own. */
static struct thing *thing_of(struct journal *j, const struct journal_entry *e, bool stranger)
{
	struct thing *t;
	char key[KEY_MAX];

	make_key(key, e, stranger);
	HASH_FIND_STR(j->things, key, t);
	if (t)
		return t;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	snprintf(t->key, sizeof(t->key), "%s", key);
	snprintf(t->gateway, sizeof(t->gateway), "%s", e->gateway);
	snprintf(t->tunnel, sizeof(t->tunnel), "%s", e->tunnel);
	snprintf(t->proxy_id, sizeof(t->proxy_id), "%s", e->proxy_id);
	HASH_ADD_STR(j->things, key, t);
	return t;
}

/* Once more what was last said of the thing? */
static bool repeats(const struct thing *t, const struct journal_entry *e)
{
	const struct entry *last = t->entries ? t->entries->of_prev
					      : NULL; /* a list's head points to its tail */

	return last && last->e.kind == e->kind && last->e.by == e->by && strcmp(last->cause, e->cause) == 0 &&
	       (e->kind == JOURNAL_REKEY || e->kind == JOURNAL_IKE_REKEY || e->kind == JOURNAL_FAIL ||
		e->kind == JOURNAL_IKE_FAIL || e->kind == JOURNAL_COMMIT);
}

static void keep(struct journal *j, const struct journal_entry *e, bool stranger)
{
	struct thing *t = thing_of(j, e, stranger);
	size_t len = strnlen(e->text, TEXT_MAX);
	struct entry *x;

	if (!t)
		return;
	if (repeats(t, e)) {
		t->entries->of_prev->e.count += e->count;
		t->entries->of_prev->e.last = e->last;
		return;
	}
	x = calloc(1, sizeof(*x) + len + 1);
	if (!x) {
		if (t->n == 0) {
			HASH_DEL(j->things, t);
			free(t);
		}
		return;
	}
	x->of = t;
	x->e = *e;
	x->e.number = j->next_number++;
	x->e.gateway = t->gateway;
	x->e.tunnel = t->tunnel;
	x->e.proxy_id = t->proxy_id;
	snprintf(x->cause, sizeof(x->cause), "%s", e->cause);
	x->e.cause = x->cause;
	memcpy(x->text, e->text, len);
	x->e.text = x->text;
	DL_APPEND(j->all, x);
	j->n++;
	DL_APPEND2(t->entries, x, of_prev, of_next);
	if (++t->n > KEEP_EACH)
		drop(j, t->entries);
	else if (j->n > KEEP_ALL)
		drop(j, j->all);
}

/* ---- life ---------------------------------------------------------------------------------------- */

/* In the file a stranger's entry is one like others: a restart is rare enough. */
static void from_file(void *arg, const struct journal_entry *e)
{
	keep(arg, e, false);
}

struct journal *journal_open(const char *path, char *err, size_t err_len)
{
	struct journal *j = calloc(1, sizeof(*j));

	if (err_len)
		err[0] = 0;
	if (j && path[0])
		j->file = journal_file_open(path, from_file, j, err, err_len);
	return j;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	while (j->all)
		drop(j, j->all);
	up_count_free(&j->ups);
	journal_file_close(j->file);
	free(j);
}

static void note(struct journal *j, const struct journal_entry *e, bool stranger)
{
	keep(j, e, stranger);
	/* What strangers do is not worth the disk's time. */
	if (j->file && !stranger)
		journal_file_add(j->file, e);
}

void journal_note(struct journal *j, const struct journal_entry *e)
{
	struct journal_entry x = *e;

	x.count = 1;
	x.last = x.first;
	x.gateway = x.gateway ? x.gateway : "";
	x.tunnel = x.tunnel ? x.tunnel : "";
	x.proxy_id = x.proxy_id ? x.proxy_id : "";
	x.cause = x.cause ? x.cause : "";
	x.text = x.text ? x.text : "";
	if (j)
		note(j, &x, false);
}

/* ---- the engine's events --------------------------------------------------------------------------- */

static enum journal_by by_whom(const struct ike_event *e)
{
	switch (e->reason ? e->reason->cause : IKE_CAUSE_NONE) {
	case IKE_CAUSE_PEER_DELETED: return JOURNAL_PEER;
	case IKE_CAUSE_OPERATOR: return JOURNAL_OPERATOR;
	case IKE_CAUSE_DPD:
	case IKE_CAUSE_NO_ANSWER: return JOURNAL_LIVENESS;
	case IKE_CAUSE_EXPIRED: return JOURNAL_LIFETIME;
	case IKE_CAUSE_REPLACED: return e->role == IKE_INITIATOR ? JOURNAL_HERE : JOURNAL_PEER;
	case IKE_CAUSE_NONE: return e->role == IKE_INITIATOR ? JOURNAL_HERE : JOURNAL_PEER;
	default: return e->reason->reported_by_peer ? JOURNAL_PEER : JOURNAL_HERE;
	}
}

/* What an event is worth: JOURNAL_KINDS is nothing. */
static enum journal_kind kind_of(struct journal *j, const struct ike_event *e)
{
	char name[2 * IKE_NAME + 2];

	switch (e->type) {
	case IKE_EV_IKE_UP: return e->rekey ? JOURNAL_IKE_REKEY : JOURNAL_IKE_UP;
	case IKE_EV_IKE_FAIL: return JOURNAL_IKE_FAIL;
	case IKE_EV_IKE_DOWN:
		return e->reason && e->reason->cause == IKE_CAUSE_REPLACED ? JOURNAL_KINDS : JOURNAL_IKE_DOWN;
	case IKE_EV_PEER_DEAD: return JOURNAL_PEER_DEAD;
	case IKE_EV_PEER_MOVED: return JOURNAL_PEER_MOVED;
	case IKE_EV_CHILD_FAIL: return JOURNAL_FAIL;
	case IKE_EV_CHILD_UP:
	case IKE_EV_CHILD_DOWN: break;
	default: return JOURNAL_KINDS;
	}
	snprintf(name, sizeof(name), "%s:%s", e->tunnel, e->proxy_id);
	if (up_count_change(&j->ups, name, e->type == IKE_EV_CHILD_UP))
		return e->type == IKE_EV_CHILD_UP ? JOURNAL_UP : JOURNAL_DOWN;
	/* one more beside those that are up: new keys */
	return e->type == IKE_EV_CHILD_UP ? JOURNAL_REKEY : JOURNAL_KINDS;
}

/* Nobody has proved to be the peer yet. */
static bool by_stranger(const struct ike_event *e)
{
	return e->type == IKE_EV_IKE_FAIL && e->role == IKE_RESPONDER && !e->rekey;
}

static void say(char text[TEXT_MAX], const struct ike_event *e)
{
	const struct ike_reason *r = e->reason;
	char raw[4 * 256], at[ENDPOINT_STR];

	if (r && r->text[0])
		snprintf(raw, sizeof(raw), "%s%s%s%s%s", r->text, r->ours[0] ? "; ours: " : "", r->ours,
			 r->theirs[0] ? "; theirs: " : "", r->theirs);
	else if (e->type == IKE_EV_PEER_MOVED)
		snprintf(raw, sizeof(raw), "now at %s", endpoint_str(&e->remote, at));
	else if (e->type == IKE_EV_CHILD_UP)
		snprintf(raw, sizeof(raw), "SPI %08X/%08X", e->spi_in, e->spi_out);
	else
		snprintf(raw, sizeof(raw), "%s", e->text ? e->text : "");
	text_clean(text, TEXT_MAX, raw, strlen(raw));
}

void journal_ike_event(struct journal *j, const struct ike_event *e, int64_t now_ms)
{
	struct journal_entry x = {.count = 1, .first = now_ms, .last = now_ms, .by = by_whom(e)};
	char text[TEXT_MAX];

	if (!j)
		return;
	x.kind = kind_of(j, e);
	if (x.kind == JOURNAL_KINDS)
		return;
	say(text, e);
	x.text = text;
	x.gateway = e->gateway ? e->gateway : "";
	x.tunnel = e->tunnel ? e->tunnel : "";
	x.proxy_id = e->proxy_id ? e->proxy_id : "";
	x.cause = e->reason && e->reason->cause != IKE_CAUSE_NONE ? ike_cause_str(e->reason->cause) : "";
	note(j, &x, by_stranger(e));
}

/* ---- reading ------------------------------------------------------------------------------------- */

struct gather {
	const struct journal_entry **list;
	size_t n, room;
	bool failed;
};

static void take(struct gather *g, const struct thing *t)
{
	struct entry *x;

	if (g->n + t->n > g->room) {
		size_t room = 2 * (g->n + t->n);
		void *more = reallocarray(g->list, room, sizeof(g->list[0]));

		if (!more) {
			g->failed = true;
			return;
		}
		g->list = more;
		g->room = room;
	}
	DL_FOREACH2(t->entries, x, of_next)
	g->list[g->n++] = &x->e;
}

/* Of a query that leaves something open. */
static bool concerns(const struct thing *t, const struct journal_query *q)
{
	if (t->gateway[0] == 0)
		return true;
	if (strcmp(t->gateway, q->gateway) != 0)
		return false;
	return !q->tunnel || t->tunnel[0] == 0 || strcmp(t->tunnel, q->tunnel) == 0;
}

/* Of one proxy-ID: no walk over all there is. */
static void take_exact(const struct journal *j, const struct journal_query *q, struct gather *g)
{
	const struct journal_entry all[] = {
		{.gateway = "", .tunnel = "", .proxy_id = ""},
		{.gateway = q->gateway, .tunnel = "", .proxy_id = ""},
		{.gateway = q->gateway, .tunnel = q->tunnel, .proxy_id = ""},
		{.gateway = q->gateway, .tunnel = q->tunnel, .proxy_id = q->proxy_id},
	};

	/* a tunnel without proxy-IDs is its own one */
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]) - !q->proxy_id[0]; i++)
		for (int stranger = 0; stranger < 2; stranger++) {
			char key[KEY_MAX];
			struct thing *t;

			make_key(key, &all[i], stranger);
			HASH_FIND_STR(j->things, key, t);
			if (t)
				take(g, t);
		}
}

static int by_age(const void *a, const void *b)
{
	const struct journal_entry *x = *(const struct journal_entry *const *)a,
				   *y = *(const struct journal_entry *const *)b;

	return x->number < y->number ? -1 : x->number > y->number;
}

int journal_collect(const struct journal *j, const struct journal_query *q,
		    const struct journal_entry ***list, size_t *n)
{
	struct gather g = {.list = calloc(1, sizeof(g.list[0]))};

	if (q->tunnel && q->proxy_id) {
		take_exact(j, q, &g);
	} else {
		for (const struct thing *t = j->things; t; t = t->hh.next)
			if (concerns(t, q))
				take(&g, t);
	}
	if (g.failed || !g.list) {
		free(g.list);
		return -ENOMEM;
	}
	qsort(g.list, g.n, sizeof(g.list[0]), by_age);
	*list = g.list;
	*n = g.n;
	return 0;
}
