/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker makes no system call per packet, allocates nothing and takes no lock.
 *
 * worker_main() itself, from its first turn to its last, in a process under a seccomp filter that traps on
 * every system call but those named in ALLOWED, and with malloc and friends, rte_malloc and friends and
 * the pthread locks replaced by ones that count.  Through it go packets of every suite both ways, in both
 * encapsulations, and of every kind that ends or leaves the fast path: forged, replayed, malformed, without
 * route, neighbour or SA, for the gateway itself, in fragments, past a limit, from a peer that moved.
 *
 * That the net is tight is shown by worms: each case "caught" does one forbidden thing in the middle and
 * must be found out.
 */
#include "peer.h"

#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_malloc.h>

#include "dp.h"
#include "port.h"
#include "punt.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum { ROUNDS = 400, BATCH = 64, IDLE_TURNS = 200, STATUS_CALL = 3, STATUS_COUNTED = 4 };

/* ---- what is counted ------------------------------------------------------------------------- */

static bool armed;
static unsigned n_alloc, n_lock, n_write, n_sleep;

static void counts(unsigned *n)
{
	if (armed)
		(*n)++;
}

/* The sanitizers bring their own malloc; with them only the system calls of others are watched. */
#if !SANITIZED
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void __libc_free(void *p);

void *malloc(size_t n)
{
	counts(&n_alloc);
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	counts(&n_alloc);
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	counts(&n_alloc);
	return __libc_realloc(p, n);
}

void free(void *p)
{
	counts(&n_alloc);
	__libc_free(p);
}
#endif

#define NEXT(fn) ((__typeof__(&fn))dlsym(RTLD_NEXT, #fn))

void *rte_malloc_socket(const char *type, size_t size, unsigned align, int socket)
{
	counts(&n_alloc);
	return NEXT(rte_malloc_socket)(type, size, align, socket);
}

void *rte_zmalloc_socket(const char *type, size_t size, unsigned align, int socket)
{
	counts(&n_alloc);
	return NEXT(rte_zmalloc_socket)(type, size, align, socket);
}

void *rte_malloc(const char *type, size_t size, unsigned align)
{
	return rte_malloc_socket(type, size, align, SOCKET_ID_ANY);
}

void *rte_zmalloc(const char *type, size_t size, unsigned align)
{
	return rte_zmalloc_socket(type, size, align, SOCKET_ID_ANY);
}

void rte_free(void *p)
{
	counts(&n_alloc);
	NEXT(rte_free)(p);
}

#define LOCK(fn, type)                                                                                       \
	int fn(type *l)                                                                                      \
	{                                                                                                    \
		counts(&n_lock);                                                                             \
		return NEXT(fn)(l);                                                                          \
	}
LOCK(pthread_mutex_lock, pthread_mutex_t)
LOCK(pthread_mutex_trylock, pthread_mutex_t)
LOCK(pthread_spin_lock, pthread_spinlock_t)
LOCK(pthread_rwlock_rdlock, pthread_rwlock_t)
LOCK(pthread_rwlock_wrlock, pthread_rwlock_t)

ssize_t write(int fd, const void *b, size_t n)
{
	counts(&n_write);
	return syscall(SYS_write, fd, b, n);
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *t, struct timespec *rest)
{
	counts(&n_sleep);
	return syscall(SYS_clock_nanosleep, clock, flags, t, rest) == 0 ? 0 : errno;
}

/* ---- what is forbidden ----------------------------------------------------------------------- */

/* Waking control, sleeping when nothing arrives, and the timer slack of that, once at the start. */
#define ALLOW(nr) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* At once: a sanitizer would tidy up on _exit(), by calls that are forbidden here. */
static void leave(int status)
{
	syscall(SYS_exit_group, status);
}

static void on_trap(int sig, siginfo_t *info, void *ctx)
{
	char text[] = "# system call    0\n";

	for (int i = (int)sizeof(text) - 3, nr = info->si_syscall; nr; nr /= 10, i--)
		text[i] = (char)('0' + nr % 10);
	syscall(SYS_write, STDERR_FILENO, text, sizeof(text) - 1);
	leave(STATUS_CALL);
}

static int forbid_calls(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_write),
		ALLOW(SYS_clock_nanosleep),
		ALLOW(SYS_prctl),
		ALLOW(SYS_exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
	};
	struct sock_fprog prog = {.len = sizeof(f) / sizeof(f[0]), .filter = f};
	struct sigaction a = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};

	if (sigaction(SIGSYS, &a, NULL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0 ? -errno : 0;
}

/* ---- packets --------------------------------------------------------------------------------- */

enum { PEERS = 4, FRAMES = 24 };
#define HOST6 "fd00:1::7"
#define FAR6  "2001:db8:f::9"

static uint16_t tunnel;
static struct peer peers[PEERS], six; /* six: IPv6 inside and outside */
/* A batch: what comes in by each port.  The ESP packets of a batch are sealed anew for each round, before
 * the filter is up, for OpenSSL allocates. */
struct arrival {
	uint8_t port;
	uint16_t len;
	uint8_t frame[400];
};
static struct arrival (*rounds)[BATCH];
static uint16_t n_arrivals[ROUNDS];
static unsigned now_round, now_arrival, idle_turns, n_in, n_out, n_out6;
static void (*worm)(void);

static void add(unsigned r, unsigned port, const uint8_t *packet, size_t len)
{
	struct arrival *a = &rounds[r][n_arrivals[r]++];
	uint8_t *at = dpt_eth(a->frame, port, packet[0] >> 4 == 6 ? 0x86dd : 0x0800);

	assert_true(n_arrivals[r] <= BATCH && len + 14 <= sizeof(a->frame));
	memcpy(at, packet, len);
	a->port = (uint8_t)port;
	a->len = (uint16_t)(14 + len);
}

/* The good packets of a round, both ways through every SA. */
static void add_good(unsigned r)
{
	uint8_t packet[DPT_FRAME_MAX], esp[DPT_FRAME_MAX];
	char far[16];

	for (unsigned i = 0; i < PEERS; i++) {
		snprintf(far, sizeof(far), "10.2.%u.9", i);
		for (unsigned k = 0; k < 3; k++) {
			add(r, 1, packet, dpt_echo4(packet, "10.1.0.7", far, (uint16_t)r, 10 * k));
			add(r, 0, esp,
			    peer_seal(&peers[i], packet, dpt_echo4(packet, far, "10.1.0.7", 1, 10 * k), NULL,
				      esp));
		}
	}
}

static void add_good6(unsigned r)
{
	uint8_t packet[DPT_FRAME_MAX], esp[DPT_FRAME_MAX];

	for (unsigned k = 0; k < 3; k++) {
		add(r, 1, packet, ip6_echo(packet, HOST6, FAR6, (uint16_t)r, 10 * k));
		add(r, 0, esp, peer_seal(&six, packet, ip6_echo(packet, FAR6, HOST6, 1, 10 * k), NULL, esp));
	}
}

static void add_odd6(unsigned r)
{
	uint8_t packet[DPT_FRAME_MAX], esp[DPT_FRAME_MAX];
	size_t len = dpt_echo4(packet, "10.2.1.9", "10.1.0.7", 1, 20);

	add(r, 0, esp, peer_seal(&six, packet, len, NULL, esp));                 /* of the other family */
	add(r, 1, packet, ip6_echo(packet, HOST6, "2001:db8:f:8000::1", 1, 20)); /* no SA: acquire */
	add(r, 1, packet, ip6_echo(packet, HOST6, "2001:db8:99::1", 1, 20));     /* no route: told */
}

/* All that leaves the fast path. */
static void add_odd(unsigned r)
{
	const struct peer_how moved = {.udp = true, .src = "192.0.2.77", .sport = 4711}, ce = {.tos = 3};
	const struct peer_how dummy = {.next = 59}, pad = {.bad_pad = true, .more_pad = 16},
			      tfc = {.tfc = 60};
	const struct peer_how *how[] = {&moved, &ce, &dummy, &pad, &tfc};
	uint8_t packet[DPT_FRAME_MAX], esp[DPT_FRAME_MAX];
	size_t n = 0, len = dpt_echo4(packet, "10.2.1.9", "10.1.0.7", 1, 20);

	for (unsigned i = 0; i < 5; i++) {
		n = peer_seal(&peers[1], packet, len, how[i], esp);
		add(r, 0, esp, n);
	}
	add(r, 0, esp, n); /* replay */
	n = peer_seal(&peers[0], packet, len, NULL, esp);
	add(r, 0, esp, n - 3); /* cut */
	esp[n - 1] ^= 1;
	add(r, 0, esp, n); /* forged */
	memset(esp + 20, 0xee, 4);
	add(r, 0, esp, n); /* unknown SPI */
	len = dpt_echo4(packet, "10.9.9.9", "10.1.0.7", 1, 20);
	add(r, 0, esp, peer_seal(&peers[2], packet, len, NULL, esp));          /* outside the selectors */
	add(r, 1, packet, dpt_echo4(packet, "10.1.0.7", "10.2.99.1", 1, 20));  /* no proxy-ID */
	add(r, 1, packet, dpt_echo4(packet, "10.1.0.7", "10.2.50.1", 1, 20));  /* no SA: acquire */
	add(r, 1, packet, dpt_echo4(packet, "10.1.0.7", "172.16.0.1", 1, 20)); /* no route */
	add(r, 1, packet, dpt_echo4(packet, "10.1.0.7", "192.0.2.99", 1, 20)); /* unknown neighbour */
	add(r, 1, packet, dpt_echo4(packet, "10.1.0.7", "10.1.1.1", 1, 20));   /* answered */
	add(r, 0, packet, dpt_udp4(packet, PEER_IP, 500, OWN_IP, 500, "an IKE message, perhaps", 23));
	add(r, 0, packet, dpt_udp4(packet, PEER_IP, 4500, OWN_IP, 4500, "\xff", 1));
	add(r, 0, packet, dpt_udp4(packet, PEER_IP, 53, OWN_IP, 53, "nobody here", 11));
}

/* Half of a packet as its first fragment, and the rest. */
static void add_halves(unsigned r, unsigned port, const uint8_t *whole, size_t len, bool first_comes_first)
{
	enum { HALF = 32 };
	uint8_t part[2][DPT_FRAME_MAX];
	size_t n[2] = {20 + HALF, len - HALF};

	for (unsigned i = 0; i < 2; i++) {
		memcpy(part[i], whole, 20);
		memcpy(part[i] + 20, whole + 20 + i * HALF, n[i] - 20);
		part[i][2] = (uint8_t)(n[i] >> 8);
		part[i][3] = (uint8_t)n[i];
		part[i][4] = (uint8_t)(r >> 8); /* a number of its own in each round */
		part[i][5] = (uint8_t)r;
		part[i][6] = i ? 0 : 0x20;
		part[i][7] = i ? HALF / 8 : 0;
		dpt_sum4(part[i]);
	}
	add(r, port, part[!first_comes_first], n[!first_comes_first]);
	add(r, port, part[first_comes_first], n[first_comes_first]);
}

/* Reassembled, told their ports before and behind the first, twice, overlapping, and never complete. */
static void add_fragments(unsigned r)
{
	uint8_t packet[DPT_FRAME_MAX], esp[DPT_FRAME_MAX];
	struct dpt_ip4 lost = {.src = PEER_IP, .dst = OWN_IP, .proto = 17, .frag = 0x2008};
	size_t len = peer_seal(&peers[2], packet, dpt_echo4(packet, "10.2.2.9", "10.1.0.7", 1, 40), NULL,
			       esp);

	add_halves(r, 0, esp, len, r & 1);
	add_halves(r, 1, packet, dpt_udp4(packet, "10.1.0.7", 1, "10.2.2.9", 5300, esp, 60), r & 1);
	len = dpt_ip4(packet, &lost, esp, 64);
	add(r, 0, packet, len); /* twice */
	add(r, 0, packet, len);
	lost.frag = 0x2004;
	add(r, 0, packet, dpt_ip4(packet, &lost, esp, 64)); /* overlaps */
	lost.src = "192.0.2.78";
	lost.frag = 0x2000 | (r & 7); /* the rest does not come */
	len = dpt_ip4(packet, &lost, esp, 64);
	packet[4] = (uint8_t)(r >> 8);
	packet[5] = (uint8_t)r;
	dpt_sum4(packet);
	add(r, 0, packet, len);
}

static void set_limits(struct dp_sa_out_conf *c)
{
	c->limits = (struct dp_limits){.soft_packets = 100, .hard_packets = 300};
}

static void in6(struct dp_sa_in_conf *c)
{
	c->ts_local[0] = peer_ts("fd00:1::/64", 0, 0);
	c->ts_remote[0] = peer_ts("2001:db8:f::/49", 0, 0);
}

static void out6(struct dp_sa_out_conf *c)
{
	c->ts_local[0] = peer_ts("fd00:1::/64", 0, 0);
	c->ts_remote[0] = peer_ts("2001:db8:f::/49", 0, 0);
}

static const struct peer_edit inner6 = {in6, out6};

static void make_world(void)
{
	const struct peer_edit limited = {.out = set_limits};
	struct dp_route r = {0};
	char net[20];

	dpt_init(&(struct dpt_conf){.v6 = true});
	assert_int_equal(dp_tunnel_if_add("tunnel.1", NULL, 0, &tunnel), 0);
	prefix_parse("10.2.0.0/16", &r.dst);
	r.ifindex = tunnel;
	assert_int_equal(dp_route_add(&r), 0);
	prefix_parse("2001:db8:f::/48", &r.dst);
	assert_int_equal(dp_route_add(&r), 0);
	memset(&r, 0, sizeof(r));
	prefix_parse("10.1.0.0/16", &r.dst);
	addr_parse("10.1.1.7", &r.via);
	assert_int_equal(dp_route_add(&r), 0);
	dpt_neighbour(0, PEER_IP, dpt_peer[0]);
	dpt_neighbour(1, "10.1.1.7", dpt_peer[1]);
	for (unsigned i = 0; i < PEERS; i++) {
		peers[i] = (struct peer){
			.spi_out = 0xc0ffee00 + i, .cbc = i & 1, .udp = i == 1 || i == 2, .esn = i == 3};
		peer_keys(&peers[i], (uint8_t)(i + 1));
		snprintf(net, sizeof(net), "10.2.%u.0/24", i);
		peer_install(&peers[i], peer_policy(tunnel, "10.1.0.0/16", net, 0, 0, 0),
			     i ? NULL : &limited);
	}
	peer_policy(tunnel, "10.1.0.0/16", "10.2.50.0/24", 0, 0, 0);
	six = (struct peer){.outer6 = true, .udp = true, .spi_out = 0xc0ffee66};
	peer_keys(&six, 66);
	peer_install(&six, peer_policy(tunnel, "fd00:1::/64", "2001:db8:f::/49", 0, 0, 0), &inner6);
	peer_policy(tunnel, "::/0", "2001:db8:f:8000::/49", IPPROTO_ICMPV6, 0, 0);
	ip6_reachable(0, PEER6, dpt_peer[0]);
	ip6_reachable(1, HOST6, dpt_peer[1]);
	peer_policy(tunnel, "10.1.0.0/16", "10.2.60.0/24", 17, 0, 5300); /* ports are asked for */
	rounds = malloc(ROUNDS * sizeof(*rounds));
	assert_non_null(rounds);
	for (unsigned k = 0; k < ROUNDS; k++) {
		add_good(k);
		add_good6(k);
		add_odd(k);
		add_odd6(k);
		add_fragments(k);
	}
}

/* ---- the worker ------------------------------------------------------------------------------ */

static uint16_t give(unsigned port, struct rte_mbuf **m, uint16_t max)
{
	uint16_t n = 0;

	while (n < max && now_round < ROUNDS && now_arrival < n_arrivals[now_round] &&
	       rounds[now_round][now_arrival].port == port) {
		const struct arrival *a = &rounds[now_round][now_arrival];

		m[n] = rte_pktmbuf_alloc(dp.pool);
		if (!m[n])
			break;
		memcpy(rte_pktmbuf_append(m[n++], a->len), a->frame, a->len);
		now_arrival++;
		n_in++;
	}
	return n;
}

static uint16_t rx_out(void *queue, struct rte_mbuf **m, uint16_t max)
{
	return give(0, m, max);
}

/* The second port decides when a round is over, when the worker may idle, and when all is done. */
static uint16_t rx_in(void *queue, struct rte_mbuf **m, uint16_t max)
{
	uint16_t n = give(1, m, max);

	if (n == 0 && now_round < ROUNDS && now_arrival == n_arrivals[now_round]) {
		now_round++;
		now_arrival = 0;
		if (now_round == ROUNDS / 2 && worm)
			worm();
	} else if (n == 0 && now_round == ROUNDS && ++idle_turns == IDLE_TURNS) {
		atomic_store(&dp.worker[0]->stop, true);
	}
	return n;
}

static uint16_t tx_free(void *queue, struct rte_mbuf **m, uint16_t n)
{
	n_out += n;
	for (uint16_t i = 0; i < n; i++)
		n_out6 += rte_pktmbuf_mtod(m[i], const struct rte_ether_hdr *)->ether_type ==
			  RTE_BE16(RTE_ETHER_TYPE_IPV6);
	rte_pktmbuf_free_bulk(m, n);
	return n;
}

static void take_port(unsigned i, eth_rx_burst_t rx)
{
	uint16_t ethdev = ports[dp.ifs[dpt_port[i]].port].ethdev;

	rte_eth_fp_ops[ethdev].rx_pkt_burst = rx;
	rte_eth_fp_ops[ethdev].tx_pkt_burst = tx_free;
}

/* What a child process does; its exit status is the verdict. */
static void run_worker(void)
{
	make_world();
	take_port(0, rx_out);
	take_port(1, rx_in);
	dp.conf.adaptive_idle = true;
	if (forbid_calls() < 0)
		leave(1);
	armed = true;
	worker_main(dp.worker[0]);
	armed = false;
	/* Control has not looked, so there was one reason to wake it; sleeps are of idle turns only. */
	if (n_alloc || n_lock || n_write > 1 || n_sleep > IDLE_TURNS)
		leave(STATUS_COUNTED);
	leave(n_in >= ROUNDS * 40 && n_out >= ROUNDS * 2 * PEERS && n_out6 >= ROUNDS * 5 && n_write == 1 &&
			      n_sleep && dp.worker[0]->reassembled >= ROUNDS
		      ? 0
		      : 1);
}

/* ---- worms ----------------------------------------------------------------------------------- */

static void worm_call(void)
{
	(void)syscall(SYS_getpid);
}

static void *volatile kept; /* or the compiler would do without the allocation */

static void worm_alloc(void)
{
	kept = malloc(10);
}

static void worm_rte_alloc(void)
{
	kept = rte_malloc(NULL, 10, 0);
}

static void worm_lock(void)
{
	static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&m);
}

static void worm_wake(void)
{
	uint64_t one = 1;

	(void)!write(punt_fd(), &one, sizeof(one));
	(void)!write(punt_fd(), &one, sizeof(one));
}

static int status_of(void (*w)(void))
{
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		worm = w;
		run_worker();
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

int main(void)
{
	static const struct {
		const char *what;
		void (*worm)(void);
		int want;
	} cases[] = {
		{"a worker does none of it", NULL, 0},
		{"caught: a system call", worm_call, STATUS_CALL},
		{"caught: waking control twice", worm_wake, STATUS_COUNTED},
		{"caught: a pthread lock", worm_lock, STATUS_COUNTED},
		{"caught: rte_malloc", worm_rte_alloc, STATUS_COUNTED},
		{"caught: malloc", worm_alloc, STATUS_COUNTED},
	};
	unsigned n = sizeof(cases) / sizeof(cases[0]) - SANITIZED, failed = 0;

	printf("1..%u\n", n);
	for (unsigned i = 0; i < n; i++) {
		int got = status_of(cases[i].worm);

		printf("%sok %u - %s\n", got == cases[i].want ? "" : "not ", i + 1, cases[i].what);
		if (got != cases[i].want) {
			printf("# status %d, wanted %d\n", got, cases[i].want);
			failed++;
		}
	}
	return failed != 0;
}
