/* SPDX-License-Identifier: Apache-2.0 */
/* What an initiator accepts as the answer to its Child SA request: nothing it did not ask for. */
#include "fsm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "net.h"

static const struct {
	const char *what, *tsi, *tsr;
	uint16_t key_bits;
	uint32_t spi;
	enum ike_ts_policy policy;
	enum ike_cause cause; /* NONE: accepted */
} cases[] = {
	{"as asked", "10.1.0.0/16", "10.2.0.0/16", 128, 0x1000, IKE_TS_NARROW, IKE_CAUSE_NONE},
	{"narrower", "10.1.7.0/24", "10.2.0.0/16", 128, 0x1000, IKE_TS_NARROW, IKE_CAUSE_NONE},
	{"narrower, exact", "10.1.7.0/24", "10.2.0.0/16", 128, 0x1000, IKE_TS_EXACT,
	 IKE_CAUSE_TS_UNACCEPTABLE},
	{"wider here", "10.0.0.0/8", "10.2.0.0/16", 128, 0x1000, IKE_TS_NARROW, IKE_CAUSE_TS_UNACCEPTABLE},
	{"wider there", "10.1.0.0/16", "0.0.0.0/0", 128, 0x1000, IKE_TS_NARROW, IKE_CAUSE_TS_UNACCEPTABLE},
	{"elsewhere", "10.9.0.0/16", "10.2.0.0/16", 128, 0x1000, IKE_TS_NARROW, IKE_CAUSE_TS_UNACCEPTABLE},
	{"mirrored", "10.2.0.0/16", "10.1.0.0/16", 128, 0x1000, IKE_TS_NARROW, IKE_CAUSE_TS_UNACCEPTABLE},
	{"other cipher", "10.1.0.0/16", "10.2.0.0/16", 256, 0x1000, IKE_TS_NARROW, IKE_CAUSE_NO_PROPOSAL},
	{"reserved SPI", "10.1.0.0/16", "10.2.0.0/16", 128, 0xff, IKE_TS_NARROW, IKE_CAUSE_NO_PROPOSAL},
};

static struct bytes ts_body(uint8_t *buf, size_t cap, const char *prefix)
{
	struct ts_list l = {.n = 1};
	struct wr w = wr_of(buf, cap);

	net_ts(&l.t[0], prefix);
	ts_encode(&w, &l);
	return (struct bytes){.p = buf, .len = w.len};
}

static void accept(void **state)
{
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ike_child_conf conf = {.n_local = 1, .n_remote = 1, .ts_policy = cases[i].policy};
		uint32_t spi = cases[i].spi;
		uint8_t wire_spi[4] = {(uint8_t)(spi >> 24), (uint8_t)(spi >> 16), (uint8_t)(spi >> 8),
				       (uint8_t)spi};
		struct ike_algs algs = {.n_encr = 1, .encr = {{ENCR_AES_GCM_16, cases[i].key_bits}}};
		uint8_t sa[256], tsi[64], tsr[64];
		struct slot slot = {.conf = &conf};
		struct proposals answer;
		struct ike k = {.now = 1};
		struct msg m = {.hdr.exchange = CREATE_CHILD_SA};
		struct in in = {.k = &k, .m = &m};
		struct wr w = wr_of(sa, sizeof(sa));
		struct child_plan p;
		struct ike_reason r = {0};
		bool ok;

		conf.esp = algs;
		conf.esp.encr[0].key_bits = 128;
		net_ts(&conf.local[0], "10.1.0.0/16");
		net_ts(&conf.remote[0], "10.2.0.0/16");
		prop_offer(&algs, PROP_ESP, false, wire_spi, 4, &answer);
		prop_encode(&w, &answer);
		m.sa = (struct bytes){.p = sa, .len = w.len};
		m.tsi = ts_body(tsi, sizeof(tsi), cases[i].tsi);
		m.tsr = ts_body(tsr, sizeof(tsr), cases[i].tsr);
		m.n_notify = i & 1; /* RFC 7296 1.3.1: no TFC padding to a peer that says so */
		m.notify[0].type = N_ESP_TFC_PADDING_NOT_SUPPORTED;
		ok = child_plan_accept(&in, &slot, 0x2000, false, &p, &r);
		if (ok != (cases[i].cause == IKE_CAUSE_NONE) || (!ok && r.cause != cases[i].cause))
			fail_msg("%s: %s", cases[i].what, ok ? "accepted" : ike_cause_str(r.cause));
		if (ok)
			assert_true(p.spi_out == spi && p.no_tfc == (i & 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
