/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every reason a packet can die for.  One list gives the enum, the counter's name and the sentence
 * the operator reads; whoever drops a packet names one of these, there is no other way to free one.
 */
#pragma once

#include <stdint.h>

/* clang-format off */
/*   enum                   counter                    help */
#define DROP_REASONS(X) \
	X(DROP_L2_TRUNCATED,      "l2-truncated",            "frame shorter than an Ethernet header") \
	X(DROP_L2_TOO_BIG,        "l2-frame-too-big",        "frame larger than one packet buffer") \
	X(DROP_L2_MULTICAST,      "l2-multicast",            "broadcast or multicast frame that nothing here listens for") \
	X(DROP_L2_NOT_FOR_US,     "l2-not-for-us",           "frame addressed to another host's MAC") \
	X(DROP_L2_TYPE,           "l2-unknown-type",         "EtherType is neither IPv4, IPv6 nor ARP") \
	X(DROP_VLAN_TRUNCATED,    "vlan-truncated",          "frame ends within its VLAN tag") \
	X(DROP_VLAN_NESTED,       "vlan-nested",             "frame with more than one VLAN tag, or with a provider's (802.1ad)") \
	X(DROP_VLAN_UNKNOWN,      "vlan-unknown",            "frame of a VLAN that no interface of its port has as its tag") \
	X(DROP_VLAN_MISSING,      "vlan-missing",            "frame without VLAN tag on a port that has addresses on VLANs only") \
	X(DROP_ARP_MALFORMED,     "arp-malformed",           "ARP packet too short or not Ethernet/IPv4") \
	X(DROP_ARP_FOREIGN,       "arp-not-for-us",          "ARP packet that neither asks for an address of ours nor answers us") \
	X(DROP_ARP_DONE,          "arp-done",                "ARP packet, done its work by arriving") \
	X(DROP_ND_OFF_LINK,       "nd-off-link",             "neighbour discovery that came through a router: hop limit is not 255") \
	X(DROP_ND_MALFORMED,      "nd-malformed",            "neighbour discovery too short, with a wrong checksum, option or address") \
	X(DROP_ND_FOREIGN,        "nd-not-for-us",           "neighbour discovery that neither asks for an address of ours nor tells us anything") \
	X(DROP_ND_DONE,           "nd-done",                 "neighbour discovery, done its work by arriving") \
	X(DROP_IP_TRUNCATED,      "ip-truncated",            "frame shorter than its IP header says; on net_af_packet also one cut off at its framesz") \
	X(DROP_IP_HEADER,         "ip-bad-header",           "IP version, header length or total length is wrong") \
	X(DROP_IP_CHECKSUM,       "ip-bad-checksum",         "IPv4 header checksum is wrong") \
	X(DROP_IP_FRAGMENT,       "ip-fragment",             "fragment that is malformed, at odds with others of its datagram, or of a kind not taken") \
	X(DROP_FRAG_DUPLICATE,    "fragment-duplicate",      "fragment for the gateway that has come before") \
	X(DROP_FRAG_OVERLAP,      "fragment-overlap",        "fragments of one datagram overlap: all of them are refused (RFC 5722)") \
	X(DROP_FRAG_TIMEOUT,      "fragment-timeout",        "the rest of the fragment's datagram did not come in time") \
	X(DROP_FRAG_FULL,         "fragment-table-full",     "too many datagrams wait for fragments: the oldest gives way") \
	X(DROP_FRAG_TINY,         "fragment-tiny",           "first fragment without a whole TCP, UDP or ICMP header, where ports are asked for (RFC 1858)") \
	X(DROP_FRAG_TOO_BIG,      "fragment-too-big",        "datagram for the gateway larger than a packet buffer, or in too many fragments") \
	X(DROP_IP_OPTIONS,        "ip-source-route",         "source route refused: IPv4 option or IPv6 routing header") \
	X(DROP_IPV6_EXTENSION,    "ipv6-bad-extension",      "IPv6 extension headers out of order, too many, or longer than the packet") \
	X(DROP_L4_TRUNCATED,      "l4-truncated",            "TCP, UDP or ICMP header or UDP length does not fit the packet") \
	X(DROP_UDP_CHECKSUM,      "udp-bad-checksum",        "IKE datagram with a wrong UDP checksum; on a veth: switch its tx offload off") \
	X(DROP_IP_TTL,            "ip-ttl-exceeded",         "TTL or hop limit reached zero here") \
	X(DROP_IP_MARTIAN,        "ip-martian-address",      "source or destination address cannot be forwarded") \
	X(DROP_NO_ROUTE,          "no-route",                "no route to the destination address") \
	X(DROP_RULE,              "rule-denied",             "denied by a security rule, or by the default between zones") \
	X(DROP_TOO_BIG,           "too-big",                 "packet larger than the way out carries") \
	X(DROP_NEIGH_UNRESOLVED,  "neighbour-unresolved",    "next hop did not answer ARP or neighbour solicitation") \
	X(DROP_NEIGH_TABLE,       "neighbour-table-full",    "no room to remember one more next hop") \
	X(DROP_NEIGH_QUEUE,       "neighbour-queue-full",    "too many packets already wait for this next hop") \
	X(DROP_LOCAL_NO_SERVICE,  "local-no-service",        "addressed to the gateway, where nothing listens for it") \
	X(DROP_PMTU_LEARNED,      "pmtu-learned",            "ICMP error that taught us the MTU of the way to a peer") \
	X(DROP_PMTU_UNKNOWN,      "pmtu-unknown-packet",     "ICMP error of a packet too big that quotes none of our outer packets") \
	X(DROP_PMTU_IMPLAUSIBLE,  "pmtu-implausible",        "ICMP error of a packet too big that is old or would not lower the MTU") \
	X(DROP_ICMP_MALFORMED,    "icmp-malformed",          "ICMP message too short or with a wrong checksum") \
	X(DROP_PROBE_DONE,        "monitor-answer",          "answer that a tunnel monitor or ping waited for") \
	X(DROP_PUNT_FULL,         "punt-ring-full",          "control plane is behind; packet for it dropped") \
	X(DROP_PUNT_RATE,         "punt-rate-limited",       "more packets of this class for the control plane than allowed") \
	X(DROP_TUNNEL_NO_PROXY_ID,"no-matching-proxy-id",    "routed into a tunnel but outside all its proxy-IDs") \
	X(DROP_TUNNEL_NO_SA,      "no-sa",                   "proxy-ID has no SA yet; keys were asked for") \
	X(DROP_TUNNEL_SELECTOR,   "outside-selectors",       "inside the proxy-ID, but outside what the peer narrowed it to") \
	X(DROP_TUNNEL_OUTER_ROUTE,"outer-route",             "the peer's address itself has no route out of a port") \
	X(DROP_HOST_CLEAR,        "clear-text-refused",      "in the clear from where a tunnel, or transport mode, is to protect what comes") \
	X(DROP_ESP_TRUNCATED,     "esp-truncated",           "ESP packet shorter than its headers, IV and ICV") \
	X(DROP_ESP_ALIGN,         "esp-misaligned",          "ESP ciphertext is not a whole number of blocks") \
	X(DROP_ESP_NO_SA,         "esp-unknown-spi",         "no SA for this SPI") \
	X(DROP_ESP_REPLAY,        "esp-replay",              "sequence number seen before or left of the window") \
	X(DROP_ESP_AUTH,          "esp-auth-failed",         "integrity check failed: wrong key or altered packet") \
	X(DROP_ESP_PADDING,       "esp-bad-padding",         "authenticated, but padding or pad length is wrong") \
	X(DROP_ESP_NEXT_HEADER,   "esp-next-header",         "authenticated, but next header is not a tunnelled IP packet") \
	X(DROP_ESP_DUMMY,         "esp-dummy",               "dummy packet for traffic-flow confidentiality") \
	X(DROP_ESP_INNER,         "esp-inner-malformed",     "authenticated, but the inner packet is not a sound IP packet") \
	X(DROP_ESP_SELECTOR,      "esp-inner-selector",      "authenticated, but the inner packet is outside the SA's selectors") \
	X(DROP_ESP_ECN,           "esp-ecn",                 "congestion was marked on the way and the inner packet cannot carry the mark") \
	X(DROP_ESP_CRYPTO,        "esp-crypto-failed",       "the crypto library did not finish the packet") \
	X(DROP_ESP_SEQ_EXHAUSTED, "esp-sequence-exhausted",  "outbound sequence numbers used up; waits for rekey") \
	X(DROP_ESP_LIFETIME,      "esp-lifetime-expired",    "SA is past its hard byte or packet lifetime") \
	X(DROP_NO_ROOM,           "no-buffer-room",          "packet buffer too short for ESP header and trailer") \
	X(DROP_NATT_MALFORMED,    "natt-malformed",          "UDP 4500 datagram is neither ESP, IKE nor keepalive") \
	X(DROP_NATT_KEEPALIVE,    "natt-keepalive",          "NAT keepalive, done its work by arriving") \
	X(DROP_HANDOVER_FULL,     "handover-ring-full",      "worker that owns the SA is behind") \
	X(DROP_INJECT_FULL,       "inject-ring-full",        "worker is behind; packet of the control plane dropped") \
	X(DROP_TX_FULL,           "tx-ring-full",            "port did not take the packet") \
	X(DROP_PORT_DOWN,         "port-not-usable",         "way out leads to a port whose link is down") \
	X(DROP_NO_MBUF,           "no-buffers",              "packet buffers used up")
/* clang-format on */

enum drop {
	DROP_NONE, /* alive */
#define X(id, name, help) id,
	DROP_REASONS(X)
#undef X
		DROP_MAX
};
