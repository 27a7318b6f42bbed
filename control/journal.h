/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of each tunnel, for "show vpn history" and "diagnose vpn": up, down and by whom, rekeys, failures,
 * dead peers, moves through NAT.  Kept in memory within bounds and in a file, so that a restart does not forget.
 *
 * What repeats itself is one entry with a count: a peer that fails every minute for a week, a year of hourly
 * rekeys.  What strangers can cause is kept apart, so that it displaces nothing else.
 *
 *     journal.c       the entries
 *     journal_file.c  the file: one JSON object a line, and the generation before it
 *     flaps.c         what the times of outages say
 *
 * Control thread only.  Times are wall-clock milliseconds since 1970: they have to outlive the process.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ike.h"

struct journal;

enum journal_kind {
	JOURNAL_START, /* of the daemon; whatever was up before went with the one before it */
	JOURNAL_STOP,
	JOURNAL_COMMIT,
	JOURNAL_IKE_UP,
	JOURNAL_IKE_REKEY,
	JOURNAL_IKE_DOWN,
	JOURNAL_IKE_FAIL,
	JOURNAL_PEER_DEAD,
	JOURNAL_PEER_MOVED,
	JOURNAL_UP, /* the proxy-ID has its first Child SA, or none any more */
	JOURNAL_REKEY,
	JOURNAL_DOWN,
	JOURNAL_FAIL,
	JOURNAL_MONITOR_UP,
	JOURNAL_MONITOR_DOWN,
	JOURNAL_KINDS
};
const char *journal_kind_str(enum journal_kind k); /* "up" */
/* JOURNAL_KINDS: no such word. */
enum journal_kind journal_kind_of(const char *word);

/* Who brought it about. */
enum journal_by {
	JOURNAL_HERE,
	JOURNAL_PEER,
	JOURNAL_OPERATOR,
	JOURNAL_LIVENESS,
	JOURNAL_LIFETIME,
	JOURNAL_BYS
};
const char *journal_by_str(enum journal_by b); /* "here" */
enum journal_by journal_by_of(const char *word);

struct journal_entry {
	uint64_t number; /* in the order of what happened; set here */
	enum journal_kind kind;
	enum journal_by by;
	uint32_t count;       /* so many times ... */
	int64_t first, last;  /* ... between these times */
	const char *gateway;  /* "" for the daemon's own */
	const char *tunnel;   /* "" for a gateway's own */
	const char *proxy_id; /* "" for a tunnel's own, and for tunnels without proxy-IDs */
	const char *cause;    /* enum ike_cause as a word; "" */
	const char *text;
};

/* path "": memory only.  Entries of an earlier life are there at once.  A file that cannot be used leaves the
 * journal in memory, with why in err (else err is ""); NULL: out of memory. */
struct journal *journal_open(const char *path, char *err, size_t err_len);
void journal_close(struct journal *j);

/* Note what the engine tells.  now_ms: wall clock. */
void journal_ike_event(struct journal *j, const struct ike_event *e, int64_t now_ms);
/* Note something else; e's strings are copied, count and last are set here. */
void journal_note(struct journal *j, const struct journal_entry *e);

/* The entries that concern a tunnel, one of its proxy-IDs ("T:P"), or a gateway, oldest first, with those of the
 * daemon and of the tunnel's gateway.  *list is to be freed, what it points to belongs to the journal and is good
 * until the next note.  -ENOMEM. */
struct journal_query {
	const char *gateway;
	const char *tunnel;   /* NULL: all of the gateway's */
	const char *proxy_id; /* NULL: all of the tunnel's */
};
int journal_collect(const struct journal *j, const struct journal_query *q,
		    const struct journal_entry ***list, size_t *n);

/* ---- what the times of outages say (flaps.c) ------------------------------------------------------- */

/* What an outage's period may equal; seconds, 0 unknown. */
struct flap_periods {
	uint32_t child_lifetime, ike_lifetime, dpd; /* dpd: interval times retries */
};
/* What the journal has as the cause of every one of them; that which only the times can tell is none. */
enum flaps_cause { FLAPS_UNTOLD, FLAPS_PEER_SILENT, FLAPS_MONITOR };
struct flaps {
	unsigned outages;
	int64_t first, last; /* beginning of the first and of the last */
	int64_t down_ms;     /* all of them together, the last one up to now if it lasts */
	bool down;           /* it is down now */
	uint32_t period, min,
		max; /* seconds between beginnings: the median, and bounds; 0 below three outages */
	bool regular;
	bool lasts; /* the last outage is so recent, for their intervals, that the next one is to be expected */
	enum flaps_cause cause;
	char equals
		[160]; /* what a regular period equals: "the Child SA lifetime here, 3600 s"; "" nothing known */
};
/* Of the entries of one proxy-ID, oldest first.  now_ms ends an outage that lasts. */
void flaps_find(const struct journal_entry *const *list, size_t n, const struct flap_periods *p,
		int64_t now_ms, struct flaps *f);

/* ---- between journal.c and journal_file.c ----------------------------------------------------------- */

struct journal_file;
/* Calls back for each entry of the file and of the generation before it, oldest first.  NULL: why in err. */
typedef void journal_entry_fn(void *arg, const struct journal_entry *e);
struct journal_file *journal_file_open(const char *path, journal_entry_fn *cb, void *arg, char *err,
				       size_t err_len);
void journal_file_add(struct journal_file *f, const struct journal_entry *e);
void journal_file_close(struct journal_file *f);
