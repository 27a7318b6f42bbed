/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's counters: X(name, help).  Every reject of a message has its own. */
#pragma once

#define IKE_COUNTERS(X)                                                                                      \
	X(rx, "datagrams received")                                                                          \
	X(rx_bytes, "bytes received")                                                                        \
	X(tx, "datagrams sent")                                                                              \
	X(tx_bytes, "bytes sent")                                                                            \
	X(tx_keepalive, "NAT keepalives sent")                                                               \
	X(tx_retransmit, "requests sent again for want of an answer")                                        \
	X(tx_cached, "answers repeated because the request came again")                                      \
	X(tx_fragmented, "messages sent in fragments")                                                       \
	X(rx_fragmented, "messages put together from fragments")                                             \
	X(tx_plain_error, "unprotected error answers sent")                                                  \
	X(drop_short, "shorter than an IKE header, or its length field disagrees")                           \
	X(drop_version, "major version other than 2")                                                        \
	X(drop_exchange, "unknown exchange type")                                                            \
	X(drop_malformed, "payload chain outside SK malformed")                                              \
	X(drop_flags, "flags, SPIs or message ID do not fit the exchange")                                   \
	X(drop_unknown_spi, "no IKE SA with this SPI")                                                       \
	X(drop_state, "no such message expected in the SA's state")                                          \
	X(drop_msgid_old, "message ID already done with")                                                    \
	X(drop_msgid_ahead, "message ID beyond the window")                                                  \
	X(drop_response_unasked, "answer to no outstanding request")                                         \
	X(drop_not_protected, "unprotected message where only a protected one counts")                       \
	X(drop_integrity, "SK payload does not verify")                                                      \
	X(drop_fragment_unasked, "fragment, but fragmentation was not agreed on")                            \
	X(drop_fragment_again, "fragment that is there already, or of fewer and larger ones")                \
	X(drop_fragment_limit, "fragment beyond what one message may have")                                  \
	X(drop_fragment_memory, "fragments given up for newer ones: too many before authentication")         \
	X(fragment_timeout, "messages whose other fragments did not come")                                   \
	X(auth_waits, "IKE_AUTH that waited for the status of a certificate")                                \
	X(status_fetched, "revocation lists and OCSP answers fetched, or not to be had")                     \
	X(status_fetch_failed, "of these, not to be had")                                                    \
	X(cert_refused, "certificates of peers refused")                                                     \
	X(auth_signature_wrong, "signatures in AUTH that do not verify, or are not accepted")                \
	X(drop_duplicate_init, "duplicate IKE_SA_INIT of an SA that is up")                                  \
	X(drop_half_open_full, "too many half-open SAs")                                                     \
	X(drop_half_open_source, "too many half-open SAs from one source")                                   \
	X(drop_unknown_peer, "IKE_SA_INIT from or to an address without gateway")                            \
	X(drop_stopping, "IKE_SA_INIT while shutting down")                                                  \
	X(drop_cookie_wrong, "COOKIE missing or wrong under load")                                           \
	X(drop_memory, "out of memory")                                                                      \
	X(drop_rate_limited, "unprotected error answers not sent: rate limit")                               \
	X(bad_inner, "protected message malformed inside")                                                   \
	X(bad_payloads, "required payloads missing")                                                         \
	X(bad_critical, "unknown critical payload")                                                          \
	X(payload_ignored, "payloads that have no business in their message, ignored")                       \
	X(cookie_sent, "COOKIE demanded")                                                                    \
	X(cookie_answered, "COOKIE returned as initiator")                                                   \
	X(ke_retry, "INVALID_KE_PAYLOAD sent or obeyed")                                                     \
	X(half_open_expired, "half-open SAs never completed")                                                \
	X(ike_up, "IKE SAs established")                                                                     \
	X(start_waits, "starts that had to wait for their turn")                                             \
	X(ike_fail, "IKE negotiations failed")                                                               \
	X(ppk, "IKE SAs with a postquantum preshared key")                                                   \
	X(intermediate, "IKE_INTERMEDIATE exchanges (additional key exchanges of IKE SAs)")                  \
	X(followup, "IKE_FOLLOWUP_KE exchanges (additional key exchanges of CREATE_CHILD_SA)")               \
	X(followup_unknown, "IKE_FOLLOWUP_KE that belong to nothing: STATE_NOT_FOUND sent")                  \
	X(followup_timeout, "CREATE_CHILD_SA whose IKE_FOLLOWUP_KE did not come")                            \
	X(child_up, "Child SAs established")                                                                 \
	X(child_fail, "Child negotiations failed")                                                           \
	X(ike_rekey, "IKE SAs rekeyed")                                                                      \
	X(child_rekey, "Child SAs rekeyed")                                                                  \
	X(reauth, "IKE SAs started to replace one by authenticating anew")                                   \
	X(reauth_done, "IKE SAs closed because a newly authenticated one has taken over")                    \
	X(collision, "simultaneous rekeyings resolved")                                                      \
	X(temporary_failure, "TEMPORARY_FAILURE sent or received")                                           \
	X(child_not_found, "CHILD_SA_NOT_FOUND sent or received")                                            \
	X(dpd_sent, "liveness requests sent")                                                                \
	X(hint_heeded, "hints that an end has lost an SA: peer asked, or started")                           \
	X(hint_ignored, "such hints not followed: too soon, or a request was on its way already")            \
	X(unknown_esp_spi, "reports of ESP packets with an SPI that is not ours")                            \
	X(invalid_spi_sent, "INVALID_SPI sent inside an IKE SA")                                             \
	X(dpd_dead, "peers declared dead")                                                                   \
	X(initial_contact, "INITIAL_CONTACT received and believed")                                          \
	X(peer_moved, "peer addresses followed behind a NAT")                                                \
	X(redirected, "redirects of a peer obeyed (REDIRECT)")                                               \
	X(redirect_ignored, "redirects not obeyed: not an address, another family, or too many")             \
	X(mobike_moved, "SAs moved to other addresses by MOBIKE")                                            \
	X(duplicate_closed, "duplicate IKE SAs of a simultaneous start closed")                              \
	X(single_pair, "Child SAs asked for again with a single pair of addresses, as the peer wants it")    \
	X(additional_ts, "peers that would take in further Child SAs what they left out")                    \
	X(acquire, "negotiations asked for by traffic")

#define IKE_COUNTER_ENUM(name, help) CNT_##name,
enum ike_counter { IKE_COUNTERS(IKE_COUNTER_ENUM) CNT_MAX };
#undef IKE_COUNTER_ENUM
