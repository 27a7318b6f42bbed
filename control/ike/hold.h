/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message that cannot be judged yet, kept until what it waits for is there.
 *
 * It is as if it had not come: its message ID is not used up, and a retransmission of the peer's is judged anew.  Only
 * an IKE_AUTH whose signature was right is kept, and one for an SA, so strangers fill no memory.
 */
#pragma once

#include "fsm.h"

struct held;

/* Keep the message that the handler looks at, in place of one kept before. */
void hold(struct in *in);
/* The one that was kept, to be freed by hold_free() after use: header, raw and sk_first stand in m, pkt is where it came
 * from, plain what is inside.  NULL: there is none, or it is not due any more. */
struct held *hold_take(struct ike_sa *sa, struct msg *m, struct ike_packet *pkt, struct bytes *plain);
void hold_free(struct held *h); /* NULL is fine */
