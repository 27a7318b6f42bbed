/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which message is expected in which state, with which payloads, and who handles it.
 *
 * A message gets here decrypted, with the right message ID.  The table checks the payload sets, so a
 * handler never asks whether a required payload is there.
 */
#pragma once

#include "child.h"
#include "ike_sa.h"

/* A message on its way through a handler. */
struct in {
	struct ike *k;
	struct ike_sa *sa; /* NULL: IKE_SA_INIT request */
	const struct msg *m;
	const struct ike_packet *pkt;
	struct bytes plain; /* what was encrypted */
	bool wait;          /* it cannot be judged yet (hold.h) */
};

void fsm_dispatch(struct in *in);

/* ex_init.c.  old: the SA that the new one is to replace, or NULL. */
int init_start(struct gw *gw, struct slot *first, const struct ike_sa *old);
void init_request(struct in *in);
void init_response(struct in *in);
void init_response_again(struct in *in);
void init_response_error(struct in *in);

/* ex_intermediate.c */
void inter_request(struct in *in);
void inter_response(struct in *in);
void inter_response_error(struct in *in);

/* ex_auth.c */
int auth_start(struct ike_sa *sa);
/* For a further answer to IKE_SA_INIT: sent, and kept in req.d, but armed already. */
int auth_start_again(struct ike_sa *sa);
void auth_request(struct in *in);
void auth_request_eap(struct in *in);
void auth_response(struct in *in);
void auth_response_error(struct in *in);
/* The peer refused our AUTH: note in r which identities we gave it. */
void auth_refused_ids(const struct ike_sa *sa, struct ike_reason *r);
/* The same of one that called us, by key, and was answered. */
void auth_refused_us(const struct ike_sa *sa, struct ike_reason *r);

/* ex_child.c.  child_start: true when a request went out. */
bool child_start(struct ike_sa *sa, struct slot *s, struct child_sa *old, uint16_t group);
void child_request(struct in *in);
void child_response(struct in *in);
void child_response_error(struct in *in);
/* The peer deletes what both rekey, so its rekey counts. */
void child_rival_stands(struct child_sa *old);

/* child_part.c: SA and TS payloads of IKE_AUTH (first) and CREATE_CHILD_SA. */
void child_write_sa(struct msg_wr *w, const struct slot *s, uint32_t spi_in, bool first);
void child_write_choice(struct msg_wr *w, const struct child_plan *p);
/* As the plan's role has them: the initiator's in TSi. */
void child_write_ts(struct msg_wr *w, const struct ts_list *local, const struct ts_list *remote,
		    enum ike_role role);
/* The responder's, with ADDITIONAL_TS_POSSIBLE where that is so. */
void child_write_answer_ts(struct msg_wr *w, const struct child_plan *p);
/* What slot s is configured with. */
void child_conf_ts(const struct slot *s, struct ts_list *local, struct ts_list *remote);
/* What to ask the peer for; old: the child to be rekeyed. */
void child_ask_ts(const struct slot *s, const struct child_sa *old, struct ts_list *local,
		  struct ts_list *remote);
/* The peer wants a single pair of addresses (SINGLE_PAIR_REQUIRED): true when there is one to ask for, which
 * the next attempt will do. */
bool child_single_pair(struct slot *s, uint16_t notify);
/* Responder: pick the slot (that of old when the request rekeys old) and the suite, reserve an SPI.
 * false: *notify is the answer, r says why, p->slot is the one that came nearest, if any. */
bool child_plan_answer(struct in *in, struct gw *gw, const struct child_sa *old, bool first,
		       struct child_plan *p, uint16_t *notify, struct ike_reason *r);
/* Initiator: is the answer what we asked for? */
bool child_plan_accept(struct in *in, struct slot *s, uint32_t spi_in, bool first, struct child_plan *p,
		       struct ike_reason *r);

/* The peer refused by notify: what we had asked for goes beside it. */
void child_refused(const struct slot *s, bool first, uint16_t notify, struct ike_reason *r);

/* ex_rekey.c */
bool rekey_start(struct ike_sa *sa, uint16_t group);
void rekey_request(struct in *in);
void rekey_response(struct in *in);
void rekey_response_error(struct in *in);
/* The peer's rekey of the same IKE SA stands, ours does not. */
void rekey_rival_wins(struct ike_sa *old);
/* The lower of two nonces, as RFC 7296 2.8 compares them. */
struct bytes nonce_min(struct bytes a, struct bytes b);
bool nonce_less(struct bytes a, struct bytes b);

/* ex_followup.c */
void followup_request(struct in *in);
void followup_response(struct in *in);
void followup_response_error(struct in *in);
/* The last IKE_FOLLOWUP_KE is done.  Initiator, in ex_child.c and ex_rekey.c: */
void child_followed(struct in *in, struct followup *f);
void rekey_followed(struct in *in, const struct followup *f);
/* Responder: false when it comes to nothing after all; child_complete() says why.  The keys are made before, and
 * the new IKE SA takes over behind the answer. */
bool child_complete(struct in *in, const struct followup *f, uint16_t *notify);
bool rekey_complete(struct in *in, const struct followup *f);
void rekey_take_over(struct ike_sa *fresh, struct ike_sa *old);

/* ex_info.c */
bool info_start(struct ike_sa *sa, const struct task *t);
void info_request(struct in *in);
void info_response(struct in *in);

/* The message was bad: what the RFC demands of a request and of a response. */
void fsm_bad_request(struct in *in, uint16_t notify, const char *what);
void fsm_bad_response(struct in *in, const char *what);
