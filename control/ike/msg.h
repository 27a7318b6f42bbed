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

enum { MSG_MAX = 65535, MSG_NOTIFIES_MAX = 32, MSG_DELETES_MAX = 8, MSG_CERTS_MAX = 8, MSG_VENDORS_MAX = 16 };

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
	/* SK: the encrypted body (IV, ciphertext, ICV), its offset in raw, and the first inner type. */
	struct bytes sk;
	uint8_t sk_first;
	uint8_t unknown_critical; /* type of the first unknown payload with the critical bit; 0: none */
};

enum msg_error {
	MSG_OK,
	MSG_SHORT,
	MSG_LENGTH,
	MSG_VERSION,
	MSG_EXCHANGE,
	MSG_CHAIN,
	MSG_PAYLOAD,
	MSG_TOO_MANY,
	MSG_DUPLICATE,
	MSG_CRITICAL,
};
const char *msg_error_str(enum msg_error e);

/* Header only: enough to find the SA. */
enum msg_error msg_parse_header(const void *p, size_t len, struct ike_hdr *h);
/* The whole datagram, SK left encrypted. On MSG_CRITICAL m->unknown_critical says which. */
enum msg_error msg_parse(const void *p, size_t len, struct msg *m);
/* A decrypted SK body whose first payload is `first`: fills the payload views of m, keeps hdr and raw. */
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
};

void msg_wr_begin(struct msg_wr *m, void *buf, size_t cap, const struct ike_hdr *h);
/* Continue in a fresh buffer for the inside of an SK payload; *first receives the first inner type. */
void msg_wr_begin_inner(struct msg_wr *m, void *buf, size_t cap);
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
