/* SPDX-License-Identifier: Apache-2.0 */
/* Between diag.c and diag_down.c: a report being written. */
#pragma once

#include "diag.h"

/* A question and its answer; those beyond DIAG_STEPS are dropped. */
void diag_step(struct diag_report *r, const char *name, enum diag_state state, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The first thing found to be wrong is the verdict; later ones stand in their steps. */
void diag_verdict(struct diag_report *r, const char *word, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* What to do about a verdict, which is known by its word's address; of another verdict it is ignored. */
void diag_fix(struct diag_report *r, const char *word, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A recorded failure in one line: what, ours, theirs. */
const char *diag_told(const struct ike_reason *f, char buf[DIAG_TEXT]);
/* Verdict and what to do from a recorded failure. */
void diag_verdict_of(struct diag_report *r, const char *word, const struct ike_reason *f);

/* Step reachability.  True: packets can leave for the peer. */
bool diag_reach(const struct diag_facts *f, struct diag_report *r);
/* The trees of what is not up. */
void diag_tunnel_down(const struct diag_facts *f, struct diag_report *r);
void diag_phase1_only(const struct diag_facts *f, struct diag_report *r);
/* Our own certificate is out of its time: the step that says so, if it is; false: it is good. */
bool diag_own_cert(const struct diag_facts *f, struct diag_report *r);
/* A NAT was seen, and ESP cannot pass it: says so. */
void diag_nat_off(const struct diag_facts *f, struct diag_report *r);
