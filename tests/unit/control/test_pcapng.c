/* SPDX-License-Identifier: Apache-2.0 */
/* A pcapng file read back block by block; tests/interop has tshark read one. */
#include "pcapng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t u32(const uint8_t *b)
{
	uint32_t v;

	memcpy(&v, b, sizeof(v));
	return v;
}

/* The block at *at: its type, and its body of *len bytes; both lengths agree. */
static uint32_t block(const uint8_t **at, const uint8_t *end, const uint8_t **body, size_t *len)
{
	uint32_t type, size;

	assert_true(end - *at >= 12);
	type = u32(*at);
	size = u32(*at + 4);
	assert_true(size >= 12 && size % 4 == 0 && size <= (size_t)(end - *at));
	assert_int_equal(u32(*at + size - 4), size);
	*body = *at + 8;
	*len = size - 12;
	*at += size;
	return type;
}

static const uint8_t *option(const uint8_t *b, const uint8_t *end, uint16_t code, uint16_t *len)
{
	while (end - b >= 4) {
		uint16_t head[2];

		memcpy(head, b, sizeof(head));
		if (head[0] == code) {
			*len = head[1];
			return b + 4;
		}
		if (head[0] == 0)
			break;
		b += 4 + (head[1] + 3) / 4 * 4;
	}
	return NULL;
}

static void blocks_are_whole(void **state)
{
	static const char *const names[] = {"inner", "outer"};
	static const char text[] = "outbound, SPI 00c0ffee";
	const uint8_t data[] = "a packet of any length", *at, *end, *body, *o;
	char *file = NULL;
	size_t size = 0, len, before;
	uint16_t n;
	FILE *f = open_memstream(&file, &size);

	assert_int_equal(pcapng_begin(f, "culvert", names), 0);
	fflush(f);
	for (uint32_t kept = 0; kept <= sizeof(data); kept++) {
		struct pcapng_packet p = {.interface = kept & 1,
					  .inbound = kept & 2,
					  .at_ns = UINT64_C(0x123456789abcdef0) + kept,
					  .len = 100,
					  .kept = kept,
					  .data = data,
					  .comment = text + kept % 4};

		before = size;
		assert_int_equal(pcapng_write(f, &p), 0);
		fflush(f);
		assert_int_equal(size - before, pcapng_size(&p));
	}
	fclose(f);
	at = (const uint8_t *)file;
	end = at + size;
	assert_int_equal(block(&at, end, &body, &len), 0x0a0d0d0a);
	assert_int_equal(u32(body), 0x1a2b3c4d);
	assert_int_equal(u32(body + 4), 1); /* version 1.0 */
	o = option(body + 16, body + len, 4, &n);
	assert_true(o && n == 7 && memcmp(o, "culvert", 7) == 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(block(&at, end, &body, &len), 1);
		assert_int_equal(u32(body), 101); /* raw IP */
		o = option(body + 8, body + len, 2, &n);
		assert_true(o && n == 5 && memcmp(o, names[i], 5) == 0);
		o = option(body + 8, body + len, 9, &n);
		assert_true(o && n == 1 && *o == 9);
	}
	for (uint32_t kept = 0; kept <= sizeof(data); kept++) {
		const uint32_t head[] = {kept & 1, 0x12345678, 0x9abcdef0 + kept, kept, 100};

		assert_int_equal(block(&at, end, &body, &len), 6);
		assert_memory_equal(body, head, sizeof(head));
		assert_memory_equal(body + 20, data, kept);
		o = option(body + 20 + (kept + 3) / 4 * 4, body + len, 2, &n);
		assert_true(o && n == 4 && u32(o) == (kept & 2 ? 1 : 2));
		o = option(body + 20 + (kept + 3) / 4 * 4, body + len, 1, &n);
		assert_true(o && n == 22 - kept % 4 && memcmp(o, text + kept % 4, n) == 0);
	}
	assert_ptr_equal(at, end);
	free(file);
}

static void a_full_disk_is_seen(void **state)
{
	static const char *const names[] = {"inner", "outer"};
	FILE *f = fopen("/dev/full", "wb");

	assert_non_null(f);
	setvbuf(f, NULL, _IONBF, 0);
	assert_true(pcapng_begin(f, "culvert", names) < 0);
	fclose(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_whole),
		cmocka_unit_test(a_full_disk_is_seen),
	};

	return cmocka_run_group_tests_name("pcapng", tests, NULL, NULL);
}
