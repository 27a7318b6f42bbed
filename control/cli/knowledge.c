/* SPDX-License-Identifier: Apache-2.0 */
#include "knowledge.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define T KNOWLEDGE_TERM
#define C KNOWLEDGE_CARD
#define D KNOWLEDGE_VERDICT
#define V KNOWLEDGE_VENDOR

const struct knowledge knowledge[] = {
	/* ---- terms ---- */
	{T, "ike", "IKE, Internet Key Exchange",
	 "How two gateways prove who they are and agree on keys, on UDP port 500, and on 4500 behind NAT.\n"
	 "IKEv2 (RFC 7296) needs four messages: IKE_SA_INIT, IKE_AUTH and their answers. IKEv1 is its\n"
	 "forerunner; the two do not understand each other. ISAKMP is IKEv1's message format, and in many\n"
	 "vendors' commands another word for IKE.",
	 "ike-sa child-sa nat-t"},
	{T, "ike-sa", "IKE SA, phase 1",
	 "The protected channel between two gateways that everything else is negotiated over. It carries no\n"
	 "user traffic. show vpn ike-sa has Established when it is up.",
	 "child-sa dpd rekey phase1-down"},
	{T, "child-sa", "Child SA, IPsec SA, phase 2",
	 "A pair of ESP SAs, one a direction, for the traffic of one proxy-ID. Up are those that show vpn\n"
	 "ipsec-sa lists. With the IKE SA up and none of these the tunnel is half up: see half-up.",
	 "spi proxy-id esp half-up"},
	{T, "sa", "SA, Security Association",
	 "What one end uses to protect what it sends to the other: keys, algorithms, selectors, limits. It\n"
	 "works one way, so a tunnel has two. Named by its SPI.",
	 "spi child-sa"},
	{T, "spi", "SPI, Security Parameters Index",
	 "The number at the head of every ESP packet by which the receiver finds the SA. Our SPI(in) is the\n"
	 "peer's SPI(out). ESP with an SPI that nobody knows is dropped: after a restart, or when one end has\n"
	 "lost its SAs.",
	 "sa one-way"},
	{T, "esp", "ESP, Encapsulating Security Payload",
	 "The protected packets themselves: IP protocol 50, or UDP port 4500 behind NAT. Firewalls on the way\n"
	 "must pass it both ways; where they pass UDP 500 only, the tunnel comes up and carries nothing.",
	 "nat-t ah one-way"},
	{T, "ah", "AH, Authentication Header",
	 "IP protocol 51: it authenticates and does not encrypt, and no NAT lets it through. Nearly nobody uses\n"
	 "it, and culvert has no AH; ESP with encryption \"null\" or aes-*-gmac does the same.",
	 "esp"},
	{T, "psk", "PSK, pre-shared key",
	 "The secret that both ends know. It is compared byte by byte: case, blanks and line ends count. At least\n"
	 "32 random characters; everybody who knows it can be either end.",
	 "identity auth-failed"},
	{T, "identity", "Identity, IDi and IDr",
	 "What an end says it is, and what its key is looked up by: an address, a name (fqdn), user@name, a key\n"
	 "id. Unless set it is the address, and that is wrong behind NAT: set local-id and peer-id there. Our\n"
	 "local-id is the peer's remote identity.",
	 "psk nat-t"},
	{T, "dh-group", "Diffie-Hellman group",
	 "How the shared secret is made: 14 (2048 bit) is the least to use, 19, 20, 21 and 31 are elliptic curves\n"
	 "and faster. 1, 2 and 5 are broken or near it. IKE uses one always, a Child SA with PFS only.",
	 "pfs"},
	{T, "pfs", "PFS, perfect forward secrecy",
	 "Child SAs get a Diffie-Hellman exchange of their own, so that a stolen IKE key does not open them. Both\n"
	 "ends must have it, with the same group, or both not. In IKEv2 the first Child SA is made without one:\n"
	 "a mismatch shows at the first rekey, an hour later.",
	 "dh-group rekey pfs-mismatch"},
	{T, "proxy-id", "Proxy-ID, traffic selector",
	 "Which packets a Child SA is for: local network, remote network, protocol, ports. Each end's local is the\n"
	 "other's remote. Route-based gateways propose 0.0.0.0/0 both ways; policy-based ones (ASA crypto maps,\n"
	 "many clouds) refuse that and want the very pairs they have.",
	 "ts-policy half-up"},
	{T, "ts-policy", "Narrowing and ts-policy",
	 "IKEv2 lets the responder take a part of what was proposed. ts-policy = \"narrow\" takes any part of the\n"
	 "proxy-ID, \"exact\" only the whole of it.",
	 "proxy-id"},
	{T, "nat-t", "NAT-T, NAT traversal",
	 "IKE finds out whether addresses were changed on the way; if so ESP goes inside UDP port 4500, and\n"
	 "keepalives hold the NAT's entry open. Both ends must allow it.",
	 "esp identity flapping"},
	{T, "dpd", "DPD, dead peer detection, liveness check",
	 "An empty exchange that a living peer answers, when nothing else was heard of it. A peer that does not\n"
	 "answer is dead: its SAs go, and are negotiated again. Wanted on both ends, not too impatient.",
	 "flapping tunnel-monitor"},
	{T, "tunnel-monitor", "Tunnel monitor",
	 "Pings through the tunnel to an address behind the peer. It finds what DPD cannot: IKE alive, and no\n"
	 "packet comes through. wait-recover renegotiates; fail-over gives the routes to another way as well.",
	 "dpd one-way"},
	{T, "rekey", "Rekey, lifetime",
	 "New keys before the old ones expire: at 80 to 90 percent of the lifetime, without loss. Lifetimes may\n"
	 "differ, the shorter one leads; a peer that does not rekey but deletes makes an outage each time.",
	 "flapping pfs"},
	{T, "esn", "ESN, extended sequence numbers",
	 "64 bits instead of 32, so that fast tunnels need no rekey for running out of numbers. Negotiated.",
	 "anti-replay"},
	{T, "anti-replay", "Anti-replay window",
	 "How many packets late one may come and still be taken. Drops with reason esp-replay on a healthy tunnel\n"
	 "mean that packets are put out of order on the way: show vpn flow tells the window that would do.",
	 "slow"},
	{T, "mtu", "MTU and MSS",
	 "ESP adds 50 to 80 bytes, so less fits into a packet. Hosts are told by ICMP, and TCP by the MSS that\n"
	 "culvert lowers; where ICMP is blocked, small packets pass and large ones vanish: test vpn mtu shows it.",
	 "mtu-hole slow some-applications"},
	{T, "initiator", "Initiator and responder",
	 "Who began. The responder sees both proposals and knows why it refused; the initiator hears a short no.\n"
	 "Look for the reason in the responder's log, or let the other end begin.",
	 "phase1-down"},
	{T, "passive", "Passive mode",
	 "A gateway that waits to be called. test vpn does not start it; so does traffic not.", "initiator"},

	/* ---- failures ---- */
	{C, "phase1-down", "Nothing comes up: no IKE SA",
	 "Looks like   show vpn ike-sa has no Established SA.\n"
	 "Causes       peer not reachable; UDP 500 or 4500 blocked; wrong peer address; IKEv1 against IKEv2;\n"
	 "             pre-shared key or identity; IKE crypto profile.\n"
	 "Told apart   diagnose vpn tunnel NAME. No answer at all: the path, or a peer that has no gateway for\n"
	 "             us. An answer: it names what does not fit.\n"
	 "Key test     ping and traceroute the peer; then test vpn ike-sa gateway NAME and show vpn ike-sa gateway\n"
	 "             NAME.",
	 "auth-failed initiator"},
	{C, "auth-failed", "Authentication fails",
	 "Looks like   the exchange goes as far as IKE_AUTH and ends with AUTHENTICATION_FAILED.\n"
	 "Causes       keys that differ in a blank, a line end, upper and lower case; an identity that the other\n"
	 "             end does not expect, often an address behind NAT.\n"
	 "Told apart   by the responder only. As responder culvert says whether key or identity is wrong.\n"
	 "Key test     enter the key anew on both sides; compare local-id and peer-id crosswise.",
	 "psk identity"},
	{C, "half-up", "Half up: IKE SA, but no IPsec SA",
	 "Looks like   show vpn ike-sa is Established, show vpn ipsec-sa is empty.\n"
	 "Causes       proxy-IDs that do not mirror each other; IPsec crypto profile; PFS; nothing has asked yet.\n"
	 "Told apart   TS_UNACCEPTABLE: proxy-IDs. NO_PROPOSAL_CHOSEN: algorithms or PFS.\n"
	 "Key test     test vpn ipsec-sa tunnel NAME, then diagnose vpn tunnel NAME.",
	 "proxy-id pfs-mismatch"},
	{C, "pfs-mismatch", "Up, and gone at the first rekey: PFS",
	 "Looks like   it works for one lifetime, then the rekey is refused.\n"
	 "Causes       PFS on one side, or different groups; IKE_AUTH does not show it.\n"
	 "Key test     show vpn history tunnel NAME; make dh-group of the IPsec crypto profiles equal.",
	 "pfs rekey"},
	{C, "no-traffic", "Up, but no traffic",
	 "Looks like   both SAs are up, encap and decap stay 0.\n"
	 "Causes       no route into the tunnel; a security rule; hosts that use another gateway; source or\n"
	 "             destination outside the proxy-IDs.\n"
	 "Key test     test vpn packet source A destination B tells each step.",
	 "proxy-id one-way"},
	{C, "one-way", "Traffic in one direction",
	 "Looks like   encap counts and decap does not, or the other way round.\n"
	 "Causes       out only: the peer's route or policy, NAT before its tunnel, ESP blocked on the way, an SA\n"
	 "             that the peer has lost. In only: route, rule or hosts here.\n"
	 "Key test     show vpn flow name NAME at both ends: what one sends the other must receive.",
	 "spi nat-t tunnel-monitor"},
	{C, "flapping", "Goes down again and again",
	 "Looks like   outages in show vpn history.\n"
	 "Causes       on schedule: lifetimes (a peer that deletes without rekey), NAT time-outs. Without: lost\n"
	 "             packets, DPD that is too impatient, a peer that restarts.\n"
	 "Told apart   by the recorded cause: a peer that was silent each time restarts, is overloaded or has a bad\n"
	 "             line, whatever the lifetimes are.\n"
	 "Key test     note the period: show vpn history says what it equals.",
	 "rekey dpd nat-t"},
	{C, "certificates", "Certificates are refused",
	 "Looks like   phase 1 fails in IKE_AUTH, at one end with a reason, at the other with AUTHENTICATION_FAILED.\n"
	 "Causes       expired or not valid yet; a clock that is wrong; a CA that is not known, or a chain that is not\n"
	 "             sent; revoked, or nobody to tell; an identity that the certificate does not have.\n"
	 "Key test     diagnose vpn names the certificate and the rule; culvert pki show FILE what it would match.",
	 "cert-untrusted cert-expired cert-identity cert-revoked"},
	{C, "slow", "Slow",
	 "Looks like   pings pass, transfers crawl.\n"
	 "Causes       fragments and blocked ICMP (MTU); a worker without time left; drops on the way; packets out\n"
	 "             of order beyond the anti-replay window.\n"
	 "Key test     test vpn mtu; show dataplane; show counter drop; round-trip time of the monitor beside that to\n"
	 "             the peer itself.",
	 "mtu anti-replay"},
	{C, "some-applications", "Some applications fail",
	 "Looks like   one protocol works, another does not.\n"
	 "Causes       proxy-IDs or rules with ports; large packets only (MTU); names resolved past the tunnel; a\n"
	 "             source address outside the proxy-IDs.\n"
	 "Key test     test vpn packet with the protocol and ports that fail; test vpn mtu; debug capture tunnel\n"
	 "             NAME inner.",
	 "mtu proxy-id"},

	/* ---- verdicts of diagnose ---- */
	{D, "port-down", "The port towards the peer has no link",
	 "Nothing can leave for the peer. show interface tells which port; look at the cable, the other end's port\n"
	 "and its driver. Tunnels come back by themselves.",
	 "no-route-to-peer"},
	{D, "no-route-to-peer", "No route to the peer's address",
	 "IKE and ESP have nowhere to go. Add a route, or a default route, out of the port that the peer is behind;\n"
	 "test routing fib-lookup ip ADDRESS shows what there is.",
	 "port-down"},
	{D, "no-answer", "The peer answers nothing on UDP 500",
	 "Causes       not reachable; UDP 500 blocked, either way; a wrong peer-address; a peer without a gateway for\n"
	 "             us that keeps silent, or one at its limit of half-open negotiations.\n"
	 "Key test     ping host PEER from here; then a capture at the peer: does our IKE_SA_INIT get there?",
	 "phase1-down no-answer-4500 half-open-limit"},
	{D, "peer-address", "The peer seems to call from another address than peer-address",
	 "Nobody answers at peer-address, and somebody calls whom no gateway has. IKE_SA_INIT carries no identity, so it\n"
	 "cannot be told who; ask the peer for its address, or look at what NAT is in front of it. With\n"
	 "peer-address = \"any\" its identity decides, and it has to begin.",
	 "no-answer waits-for-peer"},
	{D, "no-answer-4500", "UDP 500 passes, UDP 4500 does not",
	 "The first exchange was answered, IKE_AUTH was not. Where there is a NAT it goes to port 4500, which is often\n"
	 "forgotten in firewall rules. Otherwise: fragments of a large IKE_AUTH are lost (fragment-size), or the peer\n"
	 "refuses key or identity without a word.",
	 "nat-t no-answer auth-failed"},
	{D, "version-mismatch", "The peer speaks IKEv1",
	 "IKEv1 and IKEv2 do not understand each other, and culvert has IKEv2 only. Set the peer's gateway to IKEv2.\n"
	 "PAN-OS: version ikev2. IOS-XE: crypto ikev2 profile. strongSwan: version = 2.",
	 "ike phase1-down"},
	{D, "identity-mismatch", "One end says it is somebody else than the other expects",
	 "The peer's identity is none that a gateway here has as peer-id, or the peer refuses local-id. Type and\n"
	 "spelling count: an address is not a name. Take what diagnose shows as the peer's, or change it there.",
	 "identity auth-failed"},
	{D, "cert-untrusted", "The peer's certificate leads to no trust anchor",
	 "Nobody in the certificate-profile's ca signed it, nor an intermediate that the peer sent. Add its issuer to\n"
	 "ca, or let the peer send its chain. culvert pki show FILE tells who issued a certificate.",
	 "cert-refused"},
	{D, "cert-expired", "A certificate of the peer's is out of date",
	 "Renew it; or the clock here is wrong: diagnose shows both times. Beyond a few minutes of\n"
	 "skew certificates fail that are good: keep time by NTP.",
	 "cert-not-yet-valid"},
	{D, "cert-not-yet-valid", "A certificate of the peer's is not valid yet",
	 "Nearly always a clock: the CA's when it was issued, or the one here. Compare both with NTP.",
	 "cert-expired"},
	{D, "own-cert-expired", "Our own certificate is out of date",
	 "Renew it at the CA, put it in the place of the old file and commit. Peers refuse it with\n"
	 "AUTHENTICATION_FAILED and no further word; tunnels that are up stay so until their IKE SA is made anew.",
	 "cert-expired auth-failed"},
	{D, "own-cert-not-yet-valid", "Our own certificate is not valid yet",
	 "Nearly always a clock: the CA's when it was issued, or the one here. Compare both with NTP.",
	 "cert-not-yet-valid auth-failed"},
	{D, "cert-revoked", "A certificate of the peer's was revoked",
	 "Its CA took it back, by list or by OCSP. The peer needs a new one.", "cert-status-unknown"},
	{D, "cert-status-unknown", "Whether the peer's certificate is revoked cannot be told",
	 "revocation = \"strict\" wants an answer, and there is none: no list, one that is out of date, or a\n"
	 "responder that is not reached. Give the certificate-profile a current crl, or set\n"
	 "revocation = \"soft-fail\".",
	 "cert-revoked"},
	{D, "cert-identity", "The peer's certificate is somebody else's",
	 "It does not have the identity that the peer says it has, in subjectAltName or as its subject. The record\n"
	 "lists what it has: one of these has to be the peer's local id, and peer-id here.",
	 "identity identity-mismatch"},
	{D, "cert-refused", "The peer's certificate is not made for this",
	 "None was sent, it cannot be read, or it may not sign, not be a CA, not be used for IKE. The record says\n"
	 "which.",
	 "cert-untrusted"},
	{D, "no-proposal", "The IKE crypto profiles have no suite in common",
	 "Encryption, authentication (integrity), PRF and DH group must each have one in common, in one proposal. As\n"
	 "responder culvert shows them beside each other: show vpn ike-sa detail gateway NAME.",
	 "dh-group phase1-down"},
	{D, "dh-group-mismatch", "The peer wants a DH group that we do not offer",
	 "Add its group to dh-group of the IKE crypto profile, or ours to the peer.", "dh-group no-proposal"},
	{D, "ipsec-no-proposal", "The IPsec crypto profiles have no suite in common",
	 "Encryption and authentication of ESP, and at a rekey the DH group (PFS), must have one in common. The IKE SA\n"
	 "is up meanwhile.",
	 "half-up pfs"},
	{D, "proxy-id-mismatch", "The proxy-IDs do not fit",
	 "Each end's local must be the other's remote: networks, masks, protocol, ports. diagnose shows both and how\n"
	 "they differ: another mask, swapped, nothing in common. A peer may also take part of what is offered: the\n"
	 "tunnel is up then, and packets outside of that part are dropped.",
	 "proxy-id half-up ts-policy"},
	{D, "nat-traversal-off", "A NAT on the way, and NAT traversal is off",
	 "ESP has no ports, so no NAT lets it through. Set nat-traversal = \"auto\" here; the peer must have it on too.",
	 "nat-t"},
	{D, "half-open-limit", "Too many half-open negotiations",
	 "Callers that begin and do not go on fill the table, and others are turned away. A flood, or peers whose\n"
	 "further messages are lost. show vpn ike-sa lists them; maximum-half-opened-sa sets the limit.",
	 "no-answer-4500"},
	{D, "not-asked", "Nothing has asked for the tunnel",
	 "It comes up with the first packet for it. If packets should have come: see no-traffic. start = true brings it\n"
	 "up without any.",
	 "no-traffic passive"},
	{D, "child-not-asked", "The IKE SA is up, and nothing has asked for this proxy-ID",
	 "Send traffic for its networks, or test vpn ipsec-sa tunnel NAME.", "not-asked half-up"},
	{D, "waits-for-peer", "This gateway waits to be called",
	 "It is passive, or does not know the peer's address. Start the tunnel at the peer. diagnose vpn lists callers\n"
	 "that were nobody's peer: one of them may be it.",
	 "passive"},
	{D, "waits-its-turn", "Many tunnels come up at once, and this one waits in line",
	 "So many negotiations are begun at a time (maximum-negotiations), one of each gateway in turn; what is up\n"
	 "goes before them, and a peer that does not answer keeps its place for a second only. show vpn capacity\n"
	 "tells how many wait; test vpn ike-sa gateway NAME puts one at the head.",
	 "negotiating"},
	{D, "negotiating", "A negotiation is under way", "Ask again in a few seconds.", "ike"},
	{D, "peer-dead", "The peer was up and has stopped answering",
	 "Requests stayed without an answer for the time that dpd allows. New attempts go on by themselves. Look at the\n"
	 "peer and at the line to it.",
	 "dpd peer-silent"},
	{D, "peer-silent", "A request was sent again and again without an answer",
	 "The tunnel still counts as up. It is given up when dpd's time is over; then: peer-dead.",
	 "dpd peer-dead"},
	{D, "rekey-fails", "New keys are refused",
	 "The tunnel works until its SA expires and is down then. The record says what the peer refuses.",
	 "rekey pfs-mismatch"},
	{D, "monitor-down", "Keys are good, and the monitored destination does not answer",
	 "Is the destination up, does it answer pings, and does the peer let them pass? If it may be down by itself,\n"
	 "monitor several with a quorum.",
	 "tunnel-monitor one-way"},
	{D, "no-route-into-tunnel", "Packets for the remote network are not routed into the tunnel",
	 "They leave in the clear by another route, or not at all. Add a route: destination the proxy-ID's remote\n"
	 "network, interface the tunnel's.",
	 "no-traffic"},
	{D, "rule-denies", "Security rules deny it",
	 "test vpn packet names the rule that decides, show rule-hit-count those that were met. Each direction needs\n"
	 "one.",
	 "no-traffic one-way"},
	{D, "no-packets", "Up, and no packet has come from either side",
	 "See no-traffic: hosts that use another gateway, routes, NAT in front of the tunnel.", "no-traffic"},
	{D, "one-way-out", "Packets go out, nothing comes back",
	 "At the peer: its route for our network into the tunnel, its policy, NAT before its tunnel, an SA that it has\n"
	 "lost. On the way: ESP or UDP 4500 blocked.",
	 "one-way"},
	{D, "one-way-in", "Packets come in, nothing goes out",
	 "The hosts' own route back does not lead here, or a host firewall drops. test vpn packet follows an answer.",
	 "one-way"},
	{D, "mtu-hole", "Large packets vanish on the way",
	 "Small ones pass. A link on the way is narrower than the ends take it to be, and the ICMP that would say so\n"
	 "is blocked or not sent; test vpn mtu has tried it. Set mtu of the port to what it names: all senders are\n"
	 "told then what fits. adjust-tcp-mss helps TCP at once. The narrow way may be the one back, and the peer need\n"
	 "the same.",
	 "mtu slow some-applications"},
	{D, "unsupported", "One end lacks what the other asks for",
	 "A way to authenticate (a pre-shared key against a certificate), or an extension. The record says which: show\n"
	 "vpn ike-sa detail gateway NAME.",
	 "psk cert-refused"},
	{D, "inbound-refused", "Packets come back and are refused",
	 "Integrity: the ends have different keys; clear vpn ipsec-sa on either. Selectors: the peer sends what it did\n"
	 "not negotiate.",
	 "one-way anti-replay"},
	{D, "replay-window", "Packets come further out of order than the window",
	 "Set anti-replay-window to what diagnose names; look for unequal paths or QoS behind the peer.",
	 "anti-replay slow"},
	{D, "busy", "A worker has no time left",
	 "Packets wait or are lost. More workers, or tunnels spread over them: show dataplane.", "slow"},

	/* ---- the other end ---- */
	{V, "paloalto", "Palo Alto Networks, PAN-OS",
	 "Status        show vpn ike-sa gateway G; show vpn ipsec-sa tunnel T; show vpn flow name T\n"
	 "Start         test vpn ike-sa gateway G; test vpn ipsec-sa tunnel T\n"
	 "Clear         clear vpn ike-sa gateway G; clear vpn ipsec-sa tunnel T\n"
	 "Why           show log system subtype equal vpn direction equal backward; less mp-log ikemgr.log\n"
	 "Debug         debug ike gateway G on debug (and off again); debug ike pcap on\n"
	 "Mind          default proxy-ID is 0.0.0.0/0 both ways; NAT traversal and DPD are off unless enabled;\n"
	 "              lifetimes 8 h and 1 h; version default is IKEv1.",
	 "cisco strongswan"},
	{V, "cisco", "Cisco IOS-XE and ASA",
	 "Status        show crypto ikev2 sa detailed (READY is up); show crypto ipsec sa peer A: encaps, decaps\n"
	 "Start         ping B source A repeat 5\n"
	 "Clear         clear crypto ikev2 sa; clear crypto session remote A (ASA: clear crypto ikev2 sa A)\n"
	 "Why           debug crypto ikev2 error; debug crypto ikev2 packet (ASA: debug crypto ikev2 protocol 127)\n"
	 "IKEv1         show crypto isakmp sa: QM_IDLE is up, MM_NO_STATE began and failed; show crypto map\n"
	 "Mind          crypto maps are policy-based: mirror the ACL as proxy-IDs. Lifetimes 24 h and 1 h. Without\n"
	 "              a licence for more, ISRs hold a tunnel to 85 Mbit/s: show platform software cerm-information.\n"
	 "              \"A supplied parameter is incorrect\": crypto parameters or version.",
	 "paloalto strongswan"},
	{V, "strongswan", "strongSwan",
	 "Status        swanctl --list-sas (ipsec statusall with the old configuration); ip -s xfrm state\n"
	 "Start         swanctl --initiate --child C\n"
	 "Clear         swanctl --terminate --ike N; swanctl --terminate --child C\n"
	 "Why           swanctl --log; journalctl -u strongswan; charon-logging in strongswan.conf\n"
	 "Loaded        swanctl --list-conns; swanctl --load-all after a change\n"
	 "Mind          no start without start_action; reauthenticates (with a short outage) when reauth_time or\n"
	 "              ipsec.conf's reauth=yes is set.",
	 "paloalto cisco"},
	{V, "aws", "AWS Site-to-Site VPN",
	 "Status        VPC console, Site-to-Site VPN, tunnel details; logs in CloudWatch when enabled\n"
	 "Two tunnels   one gateway and tunnel here for each outside address; route both, with metrics\n"
	 "Proxy-IDs     0.0.0.0/0 both ways unless the connection narrows them; one pair only\n"
	 "Crypto        IKEv2, aes-256-gcm, sha256, group14 to 21; lifetimes at most 28800 s and 3600 s\n"
	 "Mind          AWS answers, it seldom begins: start = true here, or startup action \"start\" there; DPD on.",
	 "azure gcp"},
	{V, "azure", "Azure VPN Gateway",
	 "Status        portal, connection: Connected; Network Watcher, VPN troubleshoot\n"
	 "Proxy-IDs     route-based: 0.0.0.0/0 both ways, unless \"policy-based traffic selectors\" is on: then the\n"
	 "              pairs of address spaces, one proxy-ID each\n"
	 "Crypto        IKEv2 for route-based gateways; a custom IPsec/IKE policy beats the defaults (DH group 2)\n"
	 "Lifetimes     IKE 28800 s (fixed), IPsec 27000 s by default, also 102400000 KB\n"
	 "Mind          PFS off by default; DPD time-out 45 s.",
	 "aws gcp"},
	{V, "gcp", "Google Cloud VPN",
	 "Status        console, Hybrid connectivity, VPN tunnels; Logs Explorer: resource type vpn_gateway\n"
	 "Proxy-IDs     HA VPN with BGP: 0.0.0.0/0 both ways; policy-based: all pairs in one Child SA, so use\n"
	 "              proxy-id-mode = \"combined\"\n"
	 "Crypto        IKEv2, aes-256-gcm, sha256 as PRF, group14 to 20; lifetimes 36000 s and 10800 s\n"
	 "Mind          PFS is required; the peer's identity is its public address.",
	 "aws azure"},
};
const size_t n_knowledge = sizeof(knowledge) / sizeof(knowledge[0]);

const struct knowledge *knowledge_find(const char *word, bool vendor)
{
	for (size_t i = 0; i < n_knowledge; i++)
		if (strcasecmp(knowledge[i].word, word) == 0 && (knowledge[i].kind == V) == vendor)
			return &knowledge[i];
	return NULL;
}

static const char *kind_word(enum knowledge_kind k)
{
	return k == T ? "term" : k == C ? "failure" : k == D ? "verdict" : "vendor";
}

static void head(json_t *o, const struct knowledge *k)
{
	json_object_set_new(o, "word", json_string(k->word));
	json_object_set_new(o, "kind", json_string(kind_word(k->kind)));
	json_object_set_new(o, "title", json_string(k->title));
}

static void put_lines(json_t *o, const char *key, const char *text, char between)
{
	json_t *list = json_array();

	json_object_set_new(o, key, list);
	while (*text) {
		size_t n = strcspn(text, (const char[]){between, 0});

		json_array_append_new(list, json_stringn(text, n));
		text += n + (text[n] != 0);
	}
}

bool knowledge_doc(json_t *doc, const char *word, bool vendor)
{
	const struct knowledge *k = word ? knowledge_find(word, vendor) : NULL;
	json_t *list;

	if (word && !k)
		return false;
	json_object_set_new(doc, "type", json_string("knowledge"));
	json_object_set_new(doc, "command", json_string(vendor ? "reference" : "explain"));
	if (!k) {
		list = json_array();
		json_object_set_new(doc, "entries", list);
		for (size_t i = 0; i < n_knowledge; i++)
			if ((knowledge[i].kind == V) == vendor) {
				json_t *o = json_object();

				head(o, &knowledge[i]);
				json_array_append_new(list, o);
			}
		return true;
	}
	head(doc, k);
	put_lines(doc, "lines", k->text, '\n');
	put_lines(doc, "see", k->see, ' ');
	return true;
}

void knowledge_unknown(const char *word, bool vendor, char *buf, size_t cap)
{
	snprintf(buf, cap, "there is nothing about \"%s\"; %s lists what there is", word,
		 vendor ? "reference" : "explain");
}
