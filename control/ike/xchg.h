/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges: message IDs, the window of one, retransmission, cached answers, and the queue of what is
 * to be done next (RFC 7296 2.1-2.3).
 */
#pragma once

#include "ike_sa.h"

enum { OUT_MAX = 16384 };

/* The inside of a protected message being written. */
struct out {
	struct msg_wr w;
	uint8_t buf[OUT_MAX];
};
void out_begin(struct out *o);
/* A notify without SPI and data. */
void out_notify(struct out *o, uint16_t type);

/* Header of a protected message of ours. */
struct ike_hdr xchg_header(const struct ike_sa *sa, uint8_t exchange, uint32_t msgid, bool response);
/* Send a protected request and keep it for retransmission.  -EMSGSIZE, -EBUSY. */
int xchg_request(struct ike_sa *sa, uint8_t exchange, const struct out *o, const struct task *t);
/* Just the message, into d. */
int xchg_seal(struct ike_sa *sa, uint8_t exchange, uint32_t msgid, const struct out *o, struct datagram *d);
/* The same for IKE_SA_INIT, complete and unprotected. */
int xchg_request_plain(struct ike_sa *sa, const uint8_t *p, size_t len);
/* Answer the peer's request m; the answer is kept for its retransmissions. */
int xchg_respond(struct ike_sa *sa, const struct msg *m, const struct out *o);
void xchg_respond_notify(struct ike_sa *sa, const struct msg *m, uint16_t type, const void *data, size_t len);
void xchg_respond_empty(struct ike_sa *sa, const struct msg *m);
/* An operator does not want to wait for the next repetition: the outstanding request goes out once more, now.  False:
 * none is out, or it was not repeated yet, or just now.  The patience with the peer stays what it was. */
bool xchg_again(struct ike_sa *sa);
/* The answer came: stop repeating the request. */
void xchg_done(struct ike_sa *sa);
void xchg_send(struct ike_sa *sa, const struct endpoint *local, const struct endpoint *remote,
	       const uint8_t *p, size_t len);
/* An unprotected answer with one notify, outside any SA; xchg_plain_error is rate-limited. */
void xchg_plain(struct ike *k, const struct ike_packet *to, const struct ike_hdr *h, uint16_t type,
		const void *data, size_t len);
void xchg_plain_error(struct ike *k, const struct ike_packet *to, const struct ike_hdr *h, uint16_t type,
		      const void *data, size_t len);
void xchg_hash(const struct ike_packet *p, bool with_source, uint8_t out[20]);

void datagram_free(struct datagram *d);
int datagram_set(struct datagram *d, const void *p, size_t len);

/* Queue a task behind (or in front of) the others, unless it is there already. */
void task_add(struct ike_sa *sa, enum task_kind kind, uint32_t id, bool front);
bool task_queued(const struct ike_sa *sa, enum task_kind kind, uint32_t id);
void task_drop(struct ike_sa *sa, enum task_kind kind, uint32_t id);
void task_flush(struct ike_sa *sa);
/* They were given to another IKE SA. */
void task_forget_all(struct ike_sa *sa);
/* Start the next task if no request is outstanding. */
void task_run(struct ike_sa *sa);

/* The peer answered TEMPORARY_FAILURE to this task: it is queued again, for a little later. */
void xchg_hold(struct ike_sa *sa, enum task_kind kind, uint32_t id);
void xchg_on_hold(struct ike *k, void *sa);
void xchg_on_retransmit(struct ike *k, void *sa);
