/* SPDX-License-Identifier: Apache-2.0 */
/* Words for the numbers of an IKE message. */
#include "msg.h"
#include "sb.h"

#include <stdio.h>

struct name {
	uint16_t v;
	const char *s, *brief; /* brief: inside N(…) of msg_str; NULL: s */
};

static const struct name notifies[] = {
	{N_UNSUPPORTED_CRITICAL_PAYLOAD, "UNSUPPORTED_CRITICAL_PAYLOAD", "CRIT"},
	{N_INVALID_IKE_SPI, "INVALID_IKE_SPI", NULL},
	{N_INVALID_MAJOR_VERSION, "INVALID_MAJOR_VERSION", "INVAL_MAJOR"},
	{N_INVALID_SYNTAX, "INVALID_SYNTAX", "INVAL_SYN"},
	{N_INVALID_MESSAGE_ID, "INVALID_MESSAGE_ID", "INVAL_MID"},
	{N_INVALID_SPI, "INVALID_SPI", NULL},
	{N_NO_PROPOSAL_CHOSEN, "NO_PROPOSAL_CHOSEN", "NO_PROP"},
	{N_INVALID_KE_PAYLOAD, "INVALID_KE_PAYLOAD", "INVAL_KE"},
	{N_AUTHENTICATION_FAILED, "AUTHENTICATION_FAILED", "AUTH_FAILED"},
	{N_SINGLE_PAIR_REQUIRED, "SINGLE_PAIR_REQUIRED", NULL},
	{N_NO_ADDITIONAL_SAS, "NO_ADDITIONAL_SAS", NULL},
	{N_INTERNAL_ADDRESS_FAILURE, "INTERNAL_ADDRESS_FAILURE", NULL},
	{N_FAILED_CP_REQUIRED, "FAILED_CP_REQUIRED", NULL},
	{N_TS_UNACCEPTABLE, "TS_UNACCEPTABLE", "TS_UNACCEPT"},
	{N_INVALID_SELECTORS, "INVALID_SELECTORS", NULL},
	{N_TEMPORARY_FAILURE, "TEMPORARY_FAILURE", "TEMP_FAIL"},
	{N_CHILD_SA_NOT_FOUND, "CHILD_SA_NOT_FOUND", "NO_CHILD_SA"},
	{N_STATE_NOT_FOUND, "STATE_NOT_FOUND", NULL},
	{N_INITIAL_CONTACT, "INITIAL_CONTACT", "INIT_CONTACT"},
	{N_SET_WINDOW_SIZE, "SET_WINDOW_SIZE", NULL},
	{N_ADDITIONAL_TS_POSSIBLE, "ADDITIONAL_TS_POSSIBLE", NULL},
	{N_IPCOMP_SUPPORTED, "IPCOMP_SUPPORTED", NULL},
	{N_NAT_DETECTION_SOURCE_IP, "NAT_DETECTION_SOURCE_IP", "NATD_S_IP"},
	{N_NAT_DETECTION_DESTINATION_IP, "NAT_DETECTION_DESTINATION_IP", "NATD_D_IP"},
	{N_COOKIE, "COOKIE", NULL},
	{N_USE_TRANSPORT_MODE, "USE_TRANSPORT_MODE", "USE_TRANSP"},
	{N_HTTP_CERT_LOOKUP_SUPPORTED, "HTTP_CERT_LOOKUP_SUPPORTED", "HTTP_CERT_LOOK"},
	{N_REKEY_SA, "REKEY_SA", NULL},
	{N_ESP_TFC_PADDING_NOT_SUPPORTED, "ESP_TFC_PADDING_NOT_SUPPORTED", "ESP_TFC_PAD_N"},
	{N_NON_FIRST_FRAGMENTS_ALSO, "NON_FIRST_FRAGMENTS_ALSO", "NON_FIRST_FRAG"},
	{N_UNACCEPTABLE_ADDRESSES, "UNACCEPTABLE_ADDRESSES", NULL},
	{N_UNEXPECTED_NAT_DETECTED, "UNEXPECTED_NAT_DETECTED", NULL},
	{N_MOBIKE_SUPPORTED, "MOBIKE_SUPPORTED", "MOBIKE_SUP"},
	{N_ADDITIONAL_IP4_ADDRESS, "ADDITIONAL_IP4_ADDRESS", "ADD_4_ADDR"},
	{N_ADDITIONAL_IP6_ADDRESS, "ADDITIONAL_IP6_ADDRESS", "ADD_6_ADDR"},
	{N_NO_ADDITIONAL_ADDRESSES, "NO_ADDITIONAL_ADDRESSES", "NO_ADD_ADDR"},
	{N_UPDATE_SA_ADDRESSES, "UPDATE_SA_ADDRESSES", "UPD_SA_ADDR"},
	{N_COOKIE2, "COOKIE2", NULL},
	{N_NO_NATS_ALLOWED, "NO_NATS_ALLOWED", "NO_NATS"},
	{N_REDIRECT_SUPPORTED, "REDIRECT_SUPPORTED", "REDIR_SUP"},
	{N_REDIRECT, "REDIRECT", "REDIR"},
	{N_REDIRECTED_FROM, "REDIRECTED_FROM", "REDIR_FROM"},
	{N_EAP_ONLY_AUTHENTICATION, "EAP_ONLY_AUTHENTICATION", "EAP_ONLY"},
	{N_CHILDLESS_IKEV2_SUPPORTED, "CHILDLESS_IKEV2_SUPPORTED", "CHDLESS_SUP"},
	{16420, "IKEV2_MESSAGE_ID_SYNC_SUPPORTED", "MSG_ID_SYN_SUP"},
	{N_IKEV2_FRAGMENTATION_SUPPORTED, "IKEV2_FRAGMENTATION_SUPPORTED", "FRAG_SUP"},
	{N_SIGNATURE_HASH_ALGORITHMS, "SIGNATURE_HASH_ALGORITHMS", "HASH_ALG"},
	{N_USE_PPK, "USE_PPK", NULL},
	{N_PPK_IDENTITY, "PPK_IDENTITY", "PPK_ID"},
	{N_NO_PPK_AUTH, "NO_PPK_AUTH", "NO_PPK"},
	{N_INTERMEDIATE_EXCHANGE_SUPPORTED, "INTERMEDIATE_EXCHANGE_SUPPORTED", "IKE_INT_SUP"},
	{N_ADDITIONAL_KEY_EXCHANGE, "ADDITIONAL_KEY_EXCHANGE", "ADD_KE"},
};

static const struct name *notify_name(uint16_t type)
{
	for (size_t i = 0; i < sizeof(notifies) / sizeof(notifies[0]); i++)
		if (notifies[i].v == type)
			return &notifies[i];
	return NULL;
}

/* Text for a number without a name; several of them may stand in one printf. */
static const char *numbered(const char *what, unsigned v)
{
	static __thread char buf[8][24];
	static __thread unsigned turn;
	char *b = buf[turn++ % 8];

	snprintf(b, sizeof(buf[0]), "%s %u", what, v);
	return b;
}

const char *ike_notify_str(uint16_t type)
{
	const struct name *n = notify_name(type);

	return n ? n->s : numbered("notify", type);
}

const char *ike_exchange_str(uint8_t exchange)
{
	switch (exchange) {
	case IKE_SA_INIT: return "IKE_SA_INIT";
	case IKE_AUTH: return "IKE_AUTH";
	case CREATE_CHILD_SA: return "CREATE_CHILD_SA";
	case INFORMATIONAL: return "INFORMATIONAL";
	case IKE_INTERMEDIATE: return "IKE_INTERMEDIATE";
	case IKE_FOLLOWUP_KE: return "IKE_FOLLOWUP_KE";
	default: return numbered("exchange", exchange);
	}
}

const char *ike_payload_str(uint8_t type)
{
	/* clang-format off */
	static const char *const names[] = {
		[PL_SA - PL_SA] = "SA",         [PL_KE - PL_SA] = "KE",
		[PL_IDI - PL_SA] = "IDi",       [PL_IDR - PL_SA] = "IDr",
		[PL_CERT - PL_SA] = "CERT",     [PL_CERTREQ - PL_SA] = "CERTREQ",
		[PL_AUTH - PL_SA] = "AUTH",     [PL_NONCE - PL_SA] = "No",
		[PL_NOTIFY - PL_SA] = "N",      [PL_DELETE - PL_SA] = "D",
		[PL_VENDOR - PL_SA] = "V",      [PL_TSI - PL_SA] = "TSi",
		[PL_TSR - PL_SA] = "TSr",       [PL_SK - PL_SA] = "SK",
		[PL_CP - PL_SA] = "CP",         [PL_EAP - PL_SA] = "EAP",
		[PL_SKF - PL_SA] = "SKF",
	};
	/* clang-format on */

	if (type >= PL_SA && type < PL_SA + sizeof(names) / sizeof(names[0]) && names[type - PL_SA])
		return names[type - PL_SA];
	return numbered("payload", type);
}

const char *msg_error_str(enum msg_error e)
{
	switch (e) {
	case MSG_OK: return "ok";
	case MSG_SHORT: return "shorter than an IKE header";
	case MSG_LENGTH: return "length in the header is not that of the datagram";
	case MSG_VERSION: return "major version is not 2";
	case MSG_EXCHANGE: return "unknown exchange type";
	case MSG_CHAIN: return "payload chain does not fit the message";
	case MSG_PAYLOAD: return "malformed payload";
	case MSG_TOO_MANY: return "too many payloads of one type";
	case MSG_DUPLICATE: return "payload present twice";
	case MSG_CRITICAL: return "unknown critical payload";
	}
	return "unknown";
}

static void put_notify(struct sb *t, const struct msg_notify *n)
{
	const struct name *name = notify_name(n->type);

	if (name)
		sb_put(t, " N(%s)", name->brief ? name->brief : name->s);
	else
		sb_put(t, " N(%u)", n->type);
}

const char *msg_str(const struct msg *m, char *buf, size_t cap)
{
	struct sb t = sb_of(buf, cap);
	uint8_t notify = 0;

	sb_put(&t, "%s %s %u [", ike_exchange_str(m->hdr.exchange),
	       m->hdr.flags & IKE_FLAG_RESPONSE ? "response" : "request", m->hdr.msgid);
	for (uint8_t i = 0; i < m->n_order; i++) {
		if (m->order[i] == PL_NOTIFY && notify < m->n_notify)
			put_notify(&t, &m->notify[notify++]);
		else
			sb_put(&t, " %s", ike_payload_str(m->order[i]));
	}
	sb_put(&t, " ]");
	return buf;
}
