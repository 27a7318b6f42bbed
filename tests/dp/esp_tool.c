/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The production path as a filter, for other implementations to judge: esp_vectors.py is one.
 * Each line of standard input is a command, each has one line of answer; packets are hex, from their
 * outer IP header on.
 *
 *   sa ENCR BITS INTEG KEY SALT INTEG-KEY esn|noesn udp|raw INNER OUTER   new SA pair, outbound SPI 0x00c0ffee:
 *                                     "sa SPI MTU"; ENCR and INTEG are the numbers of dp_api.h, "-" no key,
 *                                     INNER and OUTER 4 or 6; INNER 0: transport mode
 *   seq N                             next number to send is N + 1, highest received is N: "seq N"
 *   seal PACKET                       from the host side; what leaves towards the peer, or "drop REASON"
 *   open PACKET                       from the peer; what arrives at the host, or "drop REASON"
 *   echo PACKET                       from the peer; what leaves towards it, or "drop REASON"
 *
 * Ours is 192.0.2.1, the peer 192.0.2.2; 10.1.0.0/16 is behind us, 10.2.0.0/16 behind the peer.  And 2001:db8:1::1,
 * 2001:db8:1::2; fd00:1::/64, 2001:db8:f::/48.
 */
#include "peer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sad.h"

enum { SPI_OUT = 0x00c0ffee, LINE = 2 * DPT_FRAME_MAX + 512 };

static uint32_t policy4, policy6, host4, host6, spi_in, sa_out;

static void die(const char *what, int err)
{
	fprintf(stderr, "esp_tool: %s: %d\n", what, err);
	exit(1);
}

static uint8_t unhex(const char *s, uint8_t *b, size_t size)
{
	unsigned byte;
	size_t n = 0;

	for (; *s && strcmp(s, "-") != 0; s += 2) {
		if (n == size || sscanf(s, "%2x", &byte) != 1)
			die("bad hex", 0);
		b[n++] = (uint8_t)byte;
	}
	return (uint8_t)n;
}

static void print_hex(const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		printf("%02x", b[i]);
	printf("\n");
}

static uint32_t host_policy(uint16_t tunnel, const char *own, const char *peer)
{
	struct dp_policy_conf c = {.tunnel_if = tunnel, .transport = true};
	uint32_t policy;

	prefix_parse(own, &c.local);
	prefix_parse(peer, &c.remote);
	if (dp_policy_add(&c, &policy) != 0)
		die("host policy", 0);
	return policy;
}

static void make_tunnel(void)
{
	struct dp_route r = {0};
	uint16_t tunnel;

	dpt_init(&(struct dpt_conf){.v6 = true});
	if (dp_tunnel_if_add("tunnel.1", NULL, 0, &tunnel) != 0)
		die("tunnel", 0);
	prefix_parse("10.2.0.0/16", &r.dst);
	r.ifindex = tunnel;
	if (dp_route_add(&r) != 0)
		die("route", 0);
	prefix_parse("2001:db8:f::/48", &r.dst);
	if (dp_route_add(&r) != 0)
		die("route", 0);
	memset(&r, 0, sizeof(r));
	prefix_parse("10.1.0.0/16", &r.dst);
	addr_parse("10.1.1.7", &r.via);
	if (dp_route_add(&r) != 0)
		die("route", 0);
	dpt_neighbour(0, PEER_IP, dpt_peer[0]);
	dpt_neighbour(1, "10.1.1.7", dpt_peer[1]);
	ip6_reachable(0, PEER6, dpt_peer[0]);
	ip6_reachable(1, "fd00:1::7", dpt_peer[1]);
	policy4 = peer_policy(tunnel, "0.0.0.0/0", "0.0.0.0/0", 0, 0, 0);
	policy6 = peer_policy(tunnel, "::/0", "::/0", 0, 0, 0);
	host4 = host_policy(tunnel, OWN_IP "/32", PEER_IP "/32");
	host6 = host_policy(tunnel, OWN6 "/128", PEER6 "/128");
}

static void remove_sa(void)
{
	if (!spi_in)
		return;
	dp_sa_in_remove(spi_in);
	dp_sa_out_remove(sa_out);
	dpt_run();
}

static void cmd_sa(const char *args)
{
	char key[80], salt[16], integ_key[160], esn[8], udp[8];
	unsigned encr, bits, integ, inner, outer;
	struct dp_sa_in_conf in = {.replay_window = 64, .n_local = 1, .n_remote = 1};
	struct dp_sa_out_conf out = {.spi = SPI_OUT, .n_local = 1, .n_remote = 1};
	int err;

	remove_sa();
	if (sscanf(args, "%u %u %u %79s %15s %159s %7s %7s %u %u", &encr, &bits, &integ, key, salt, integ_key,
		   esn, udp, &inner, &outer) != 10)
		die(args, 0);
	in.policy = out.policy = inner == 6 ? policy6 : policy4;
	in.suite = out.suite = (struct dp_suite){(enum dp_encr)encr, (uint16_t)bits, (enum dp_integ)integ};
	in.keys.encr_len = unhex(key, in.keys.encr, sizeof(in.keys.encr));
	in.keys.salt_len = unhex(salt, in.keys.salt, sizeof(in.keys.salt));
	in.keys.integ_len = unhex(integ_key, in.keys.integ, sizeof(in.keys.integ));
	out.keys = in.keys;
	in.esn = out.esn = strcmp(esn, "esn") == 0;
	in.udp_encap = out.udp_encap = strcmp(udp, "udp") == 0;
	in.local = out.local = dpt_ep(outer == 6 ? OWN6 : OWN_IP, in.udp_encap ? 4500 : 0);
	in.remote = out.remote = dpt_ep(outer == 6 ? PEER6 : PEER_IP, in.udp_encap ? 4500 : 0);
	in.ts_local[0] = out.ts_local[0] = peer_ts(inner == 6 ? "fd00:1::/64" : "10.1.0.0/16", 0, 0);
	in.ts_remote[0] = out.ts_remote[0] = peer_ts(inner == 6 ? "2001:db8:f::/48" : "10.2.0.0/16", 0, 0);
	if (inner == 0) {
		in.transport = out.transport = true;
		in.policy = out.policy = outer == 6 ? host6 : host4;
		in.ts_local[0] = out.ts_local[0] = peer_ts(outer == 6 ? OWN6 "/128" : OWN_IP "/32", 0, 0);
		in.ts_remote[0] = out.ts_remote[0] = peer_ts(outer == 6 ? PEER6 "/128" : PEER_IP "/32", 0, 0);
	}
	if ((err = dp_spi_alloc(&spi_in)) != 0)
		die("dp_spi_alloc", err);
	in.spi = spi_in;
	if ((err = dp_sa_in_install(&in)) != 0 || (err = dp_sa_out_install(&out, &sa_out)) != 0 ||
	    (err = dp_policy_bind(in.policy, sa_out)) != 0)
		die(args, err);
	printf("sa %" PRIu32 " %u\n", spi_in, dp_sa_out_mtu(sa_out));
}

/* The data plane has no call for this yet: no SA starts in the middle. */
static void cmd_seq(const char *args)
{
	uint64_t seq = strtoull(args, NULL, 0);

	sad_out_find(sa_out)->seq = seq;
	sad_in_find(spi_in)->seq_top = seq;
	printf("seq %" PRIu64 "\n", seq);
}

static void pass(unsigned from, unsigned to, const char *hex)
{
	uint8_t b[DPT_FRAME_MAX], frame[DPT_FRAME_MAX];
	size_t n = strlen(hex) / 2;
	struct dp_drop d;

	if (n == 0 || n > sizeof(b) - 14)
		die("no packet, or one too long", 0);
	for (size_t i = 0; i < n; i++) {
		unsigned byte;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			die("bad hex", 0);
		b[i] = (uint8_t)byte;
	}
	dpt_mark();
	if (b[0] >> 4 == 6)
		ip6_inject(from, b, n);
	else
		dpt_inject_ip(from, 0, b, n);
	dpt_run();
	n = dpt_take(to, frame, NULL);
	if (n) {
		print_hex(frame + 14, n - 14);
		return;
	}
	for (unsigned i = 0; dp_drop_stats(i, &d) == 0; i++)
		if (dpt_dropped(d.name)) {
			printf("drop %s\n", d.name);
			return;
		}
	printf("lost\n");
}

int main(void)
{
	static char line[LINE];

	make_tunnel();
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		if (strncmp(line, "sa ", 3) == 0)
			cmd_sa(line + 3);
		else if (strncmp(line, "seq ", 4) == 0)
			cmd_seq(line + 4);
		else if (strncmp(line, "seal ", 5) == 0)
			pass(1, 0, line + 5);
		else if (strncmp(line, "open ", 5) == 0)
			pass(0, 1, line + 5);
		else if (strncmp(line, "echo ", 5) == 0)
			pass(0, 0, line + 5);
		else
			die(line, 0);
		fflush(stdout);
	}
	remove_sa();
	dp_policy_del(policy4);
	dp_policy_del(policy6);
	dp_policy_del(host4);
	dp_policy_del(host6);
	dp_fini();
	return 0;
}
