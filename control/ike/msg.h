/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An IKEv2 message as a struct of views, and back.
 *
 * msg_parse() checks the header and walks the payload chain; it knows nothing of SAs, keys or
 * configuration, so the fuzz target is twenty lines.  Views point into the datagram and live as long
 * as it does.  Bounds: MSG_NOTIFIES_MAX and so on; what exceeds them is an error, never an overflow.
 */
#pragma once

#include "rd.h"
#include "wire.h"
#include "wr.h"

enum {
	MSG_MAX = 65535,
	MSG_NOTIFIES_MAX = 32,
	MSG_DELETES_MAX = 8,
	MSG_CERTS_MAX = 8,
	MSG_VENDORS_MAX = 16,
	MSG_ORDER_MAX = 64
};

struct ike_hdr {
	uint64_t spi_i, spi_r;
	uint8_t next, version, exchange, flags;
	uint32_t msgid, len;
};

struct msg_ke {
	uint16_t group;
	struct bytes data;
};
struct msg_id {
	uint8_t type;
	struct bytes data;
	struct bytes body; /* whole payload body, for AUTH */
};
struct msg_auth {
	uint8_t method;
	struct bytes data;
};
struct msg_notify {
	uint16_t type;
	uint8_t protocol;
	struct bytes spi, data;
};
struct msg_delete {
	uint8_t protocol, spi_size;
	uint16_t n;
	struct bytes spis;
};
struct msg_cert {
	uint8_t encoding;
	struct bytes data;
};
/* RFC 7383 2.5: one fragment; body is IV, ciphertext, ICV. */
struct msg_fragment {
	uint16_t num, total;
	struct bytes body;
};

/* Which payloads were there: bit (type - 32). */
#define PL_BIT(type) (UINT64_C(1) << ((type)-32))

struct msg {
	struct ike_hdr hdr;
	struct bytes raw; /* the datagram */
	uint64_t seen;    /* PL_BITs of payloads in this chain */
	struct bytes sa;  /* bodies of SA, TSi, TSr: proposal.h and ts.h decode them */
	struct bytes tsi, tsr;
	struct msg_ke ke;
	struct bytes nonce;
	struct msg_id idi, idr;
	struct msg_auth auth;
	struct msg_notify notify[MSG_NOTIFIES_MAX];
	struct msg_delete del[MSG_DELETES_MAX];
	struct msg_cert cert[MSG_CERTS_MAX], certreq[MSG_CERTS_MAX];
	struct bytes vendor[MSG_VENDORS_MAX];
	uint8_t n_notify, n_delete, n_cert, n_certreq, n_vendor;
	struct bytes cp, eap; /* bodies */
	/* SK: the encrypted body (IV, ciphertext, ICV), a view into raw, and the first inner type. */
	struct bytes sk;
	struct msg_fragment skf; /* SKF; sk_first is that of fragment 1, else 0 */
	uint8_t sk_first;
	uint8_t unknown_critical; /* type of the first unknown payload with the critical bit; 0: none */
	uint8_t bad;              /* type of the payload at which parsing stopped; 0: none */
	uint8_t n_order;          /* types as they came, known or not; what exceeds the bound is left out */
	uint8_t order[MSG_ORDER_MAX];
};

enum msg_error {
	MSG_OK,
	MSG_SHORT,     /* no room for an IKE header */
	MSG_LENGTH,    /* header's length is not the datagram's */
	MSG_VERSION,   /* major version is not 2 */
	MSG_EXCHANGE,  /* exchange type unknown */
	MSG_CHAIN,     /* payloads overrun the message, leave bytes behind, or SK is not the last */
	MSG_PAYLOAD,   /* a payload's inside is wrong; m->bad says which */
	MSG_TOO_MANY,  /* more notifies, deletes, certificates or vendor IDs than the bounds above */
	MSG_DUPLICATE, /* two of a payload that comes once; m->bad says which */
	MSG_CRITICAL,  /* unknown payload with the critical bit; m->unknown_critical says which */
};
const char *msg_error_str(enum msg_error e);

/* Header only: enough to find the SA.  *h is filled as far as the bytes reach, on errors too: the
 * version to answer with INVALID_MAJOR_VERSION stands in it.  Minor version and reserved flags are
 * ignored (RFC 7296 3.1). */
enum msg_error msg_parse_header(const void *p, size_t len, struct ike_hdr *h);
/* The whole datagram, SK left encrypted.  The order of payloads does not matter (RFC 7296 2.5), unknown
 * ones are skipped, the critical bit counts on unknown ones only. */
enum msg_error msg_parse(const void *p, size_t len, struct msg *m);
/* A decrypted SK body whose first payload is `first`: fills the payload views of m, keeps hdr, raw and
 * sk.  What stood in front of the SK payload is forgotten. */
enum msg_error msg_parse_inner(struct bytes plain, uint8_t first, struct msg *m);

/* First notify of that type, or NULL. */
const struct msg_notify *msg_notify_find(const struct msg *m, uint16_t type);
/* First error notify (type < 16384), or NULL. */
const struct msg_notify *msg_notify_error(const struct msg *m);

const char *ike_exchange_str(uint8_t exchange);
const char *ike_payload_str(uint8_t type);
const char *ike_notify_str(uint16_t type); /* "NO_PROPOSAL_CHOSEN"; "notify 40999" style for unknown */
/* "IKE_SA_INIT request 0 [ SA KE No N(NATD_S_IP) ]", for logs and debug. */
const char *msg_str(const struct msg *m, char *buf, size_t cap);

/*
 * Building.  A message is written front to back; each payload's type goes into the previous one's
 * next-payload field by msg_wr_payload().
 */
struct msg_wr {
	struct wr w;
	size_t next_at;  /* where the type of the next payload goes */
	size_t len_mark; /* open payload's length */
	size_t start;    /* open payload's start */
	bool inner, any; /* inside of SK; has a payload already */
	uint8_t first;   /* inner: type of the first payload */
};

void msg_wr_begin(struct msg_wr *m, void *buf, size_t cap, const struct ike_hdr *h);
/* The inside of an SK payload in a buffer of its own, for sk_seal(). */
void msg_wr_begin_inner(struct msg_wr *m, void *buf, size_t cap);
/* Type of its first payload; PL_NONE when it is empty, as in a liveness check. */
uint8_t msg_wr_inner_first(const struct msg_wr *m);
/* Open a payload of this type, write its body to &m->w, close it. */
void msg_wr_open(struct msg_wr *m, uint8_t type);
void msg_wr_close(struct msg_wr *m);
/* Whole payloads. */
void msg_wr_bytes(struct msg_wr *m, uint8_t type, const void *body, size_t len);
void msg_wr_ke(struct msg_wr *m, uint16_t group, const void *pub, size_t len);
void msg_wr_id(struct msg_wr *m, uint8_t payload, uint8_t id_type, const void *data, size_t len);
void msg_wr_auth(struct msg_wr *m, uint8_t method, const void *data, size_t len);
void msg_wr_notify(struct msg_wr *m, uint8_t protocol, const void *spi, size_t spi_len, uint16_t type,
		   const void *data, size_t len);
void msg_wr_delete_ike(struct msg_wr *m);
void msg_wr_delete_esp(struct msg_wr *m, const uint32_t *spis, uint16_t n);
/* Set the header's length; the message's length, or 0 when it did not fit. */
size_t msg_wr_end(struct msg_wr *m);
/* The chain written since msg_wr_begin_inner(), possibly empty: 0, or -EMSGSIZE when it did not fit. */
int msg_wr_end_inner(const struct msg_wr *m, struct bytes *plain);
