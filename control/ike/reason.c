/* SPDX-License-Identifier: Apache-2.0 */
#include "reason.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "msg.h"
#include "wire.h"

static const char *const causes[IKE_CAUSE_MAX] = {
	[IKE_CAUSE_NONE] = "none",
	[IKE_CAUSE_NO_ANSWER] = "no-answer",
	[IKE_CAUSE_NO_PROPOSAL] = "no-proposal",
	[IKE_CAUSE_AUTH_FAILED] = "auth-failed",
	[IKE_CAUSE_ID_MISMATCH] = "id-mismatch",
	[IKE_CAUSE_TS_UNACCEPTABLE] = "ts-unacceptable",
	[IKE_CAUSE_INVALID_KE] = "invalid-ke",
	[IKE_CAUSE_MALFORMED] = "malformed",
	[IKE_CAUSE_UNSUPPORTED] = "unsupported",
	[IKE_CAUSE_PEER_ERROR] = "peer-error",
	[IKE_CAUSE_PEER_DELETED] = "peer-deleted",
	[IKE_CAUSE_DPD] = "dpd",
	[IKE_CAUSE_EXPIRED] = "expired",
	[IKE_CAUSE_OPERATOR] = "operator",
	[IKE_CAUSE_SHUTDOWN] = "shutdown",
	[IKE_CAUSE_REPLACED] = "replaced",
	[IKE_CAUSE_INSTALL] = "install",
	[IKE_CAUSE_NO_CONFIG] = "no-config",
	[IKE_CAUSE_HALF_OPEN] = "half-open-limit",
	[IKE_CAUSE_VERSION] = "version-mismatch",
	[IKE_CAUSE_CERT_UNTRUSTED] = "cert-untrusted",
	[IKE_CAUSE_CERT_EXPIRED] = "cert-expired",
	[IKE_CAUSE_CERT_NOT_YET] = "cert-not-yet-valid",
	[IKE_CAUSE_CERT_REVOKED] = "cert-revoked",
	[IKE_CAUSE_CERT_STATUS] = "cert-status-unknown",
	[IKE_CAUSE_CERT_IDENTITY] = "cert-identity",
	[IKE_CAUSE_CERT_REFUSED] = "cert-refused",
};

const char *ike_cause_str(enum ike_cause c)
{
	return c < IKE_CAUSE_MAX && causes[c] ? causes[c] : "unknown";
}

void reason_set(struct ike_reason *r, uint64_t now, enum ike_cause cause, enum ike_role role,
		uint8_t exchange, const char *fmt, ...)
{
	va_list ap;

	*r = (struct ike_reason){.cause = cause, .at = now, .role = role, .exchange = exchange};
	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
}

#define FIELD(field)                                                                                         \
	void reason_##field(struct ike_reason *r, const char *fmt, ...)                                      \
	{                                                                                                    \
		va_list ap;                                                                                  \
                                                                                                             \
		va_start(ap, fmt);                                                                           \
		vsnprintf(r->field, sizeof(r->field), fmt, ap);                                              \
		va_end(ap);                                                                                  \
	}
FIELD(ours)
FIELD(theirs)
FIELD(hint)

void reason_notify(struct ike_reason *r, uint16_t type, bool child)
{
	r->reported_by_peer = true;
	snprintf(r->text, sizeof(r->text), "peer answered %s", ike_notify_str(type));
	reason_theirs(r, "%s", ike_notify_str(type));
	switch (type) {
	case N_NO_PROPOSAL_CHOSEN:
		r->cause = IKE_CAUSE_NO_PROPOSAL;
		reason_hint(
			r,
			"the peer accepts nothing we offer: compare the %s crypto profile with the peer's; the "
			"peer's log names the parameter%s",
			child ? "ipsec" : "ike",
			child ? ""
			      : "; some peers answer this too when they have no gateway for our address, or have "
				"it for IKEv1 only");
		break;
	case N_AUTHENTICATION_FAILED:
		r->cause = IKE_CAUSE_AUTH_FAILED;
		reason_hint(
			r,
			"likely pre-shared key mismatch or wrong identity, the peer's log says which: compare "
			"the key byte by byte (no stray blank or line end), local-id here with the peer's remote "
			"id, and peer-id here with the peer's local id, types too");
		break;
	case N_TS_UNACCEPTABLE:
		r->cause = IKE_CAUSE_TS_UNACCEPTABLE;
		reason_hint(
			r,
			"the peer has no selectors that fit our proxy-ID: its local must be our remote and "
			"the other way round, masks included");
		break;
	case N_SINGLE_PAIR_REQUIRED:
		r->cause = IKE_CAUSE_TS_UNACCEPTABLE;
		reason_hint(
			r,
			"the peer takes one selector pair a Child SA: give each pair a proxy-ID of its own");
		break;
	case N_INVALID_KE_PAYLOAD:
		r->cause = IKE_CAUSE_INVALID_KE;
		reason_hint(r, "the peer wants a Diffie-Hellman group we do not offer: compare dh-group%s",
			    child ? " (PFS)" : "");
		break;
	case N_INVALID_MAJOR_VERSION:
		r->cause = IKE_CAUSE_VERSION;
		reason_hint(r, "the peer does not speak IKEv2: set its IKE version to 2");
		break;
	case N_UNSUPPORTED_CRITICAL_PAYLOAD:
		r->cause = IKE_CAUSE_UNSUPPORTED;
		reason_hint(r, "the peer lacks an extension that we asked for");
		break;
	case N_INVALID_SYNTAX:
		r->cause = IKE_CAUSE_MALFORMED;
		reason_hint(r, "the peer calls our message malformed; its log says where");
		break;
	case N_NO_ADDITIONAL_SAS:
		r->cause = IKE_CAUSE_PEER_ERROR;
		reason_hint(r, "the peer allows no further Child SA on this IKE SA");
		break;
	default: r->cause = IKE_CAUSE_PEER_ERROR; reason_hint(r, "the reason is in the peer's log");
	}
}
