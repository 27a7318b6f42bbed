/* SPDX-License-Identifier: Apache-2.0 */
#include "chance.h"

#include <netinet/in.h>
#include <string.h>

#include "harness.h"

enum { HDR = 20 };

uint64_t chance;

uint32_t below(uint32_t n)
{
	chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((chance >> 32) * n >> 32);
}

void chance_fill(uint8_t *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		b[i] = (uint8_t)below(256);
}

static void put16(uint8_t *b, uint32_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

static void put32(uint8_t *b, uint32_t v)
{
	put16(b, v >> 16);
	put16(b + 2, v);
}

/* Options: their bytes, all of which may stand in a header. */
static size_t put_options(uint8_t *b)
{
	static const uint8_t options[][8] = {
		{1, 1, 1, 0}, {148, 4, 0, 0}, {7, 7, 4, 0, 0, 0, 0, 0}, {131, 3, 4, 0}, {68, 9, 5, 0}};
	const unsigned n = below(sizeof(options) / sizeof(options[0]));
	const size_t len = n == 2 ? 8 : 4;

	memcpy(b, options[n], len);
	return len;
}

static void put_tcp(uint8_t *b, size_t room)
{
	static const uint8_t flags[] = {0x10, 0x10, 0x18, 0x02, 0x12};

	if (room < 24)
		return;
	b[12] = (uint8_t)(once_in(20) ? below(256) : 0x60);
	b[13] = one_of(flags);
	b[20] = 2; /* MSS */
	b[21] = 4;
	put16(b + 22, 1200 + below(300));
}

static void put_upper(uint8_t *b, uint8_t proto, size_t len)
{
	static const uint16_t ports[] = {53, 53, 53, 53, 53, 53, 53, 53, 53, 53, 4500, CHANCE_PORT};

	chance_fill(b, len);
	if (proto == IPPROTO_ICMP && len >= 4)
		put16(b, one_of(((const uint16_t[]){0x0800, 0x0000, 0x0304, 0x0b00})));
	if ((proto == IPPROTO_UDP || proto == IPPROTO_TCP) && len >= 8) {
		put16(b, one_of(ports));
		put16(b + 2, one_of(ports));
		put16(b + 4, once_in(10) ? below(1500) : (uint32_t)len);
	}
	if (proto == IPPROTO_TCP)
		put_tcp(b, len);
}

static size_t some_length(void)
{
	switch (below(8)) {
	case 0: return below(28);
	case 1: return 20 + below(8);
	case 2: return 1340 + below(140);
	case 3: return below(1460);
	default: return 20 + below(120);
	}
}

static uint32_t some_fragment(void)
{
	static const uint16_t all[] = {0x2000, 0x2001, 0x20b9, 0x00b9, 0x8000};

	return once_in(2) ? one_of(all) : below(0x10000);
}

/* Another identification, so that the checksum is one of those at which carries come round. */
static void put_edge(uint8_t *b)
{
	static const uint16_t edges[] = {0xfeff, 0xffff, 0x0000, 0xff00, 0x0100};
	uint32_t id = (uint32_t)(b[4] << 8 | b[5]) + (uint32_t)(b[10] << 8 | b[11]) + 0xffff - one_of(edges);

	put16(b + 4, (id & 0xffff) + (id >> 16));
	dpt_sum4(b);
}

size_t chance_packet(uint8_t *b, uint32_t src, uint32_t dst, uint16_t id)
{
	static const uint8_t protos[] = {17, 17, 17, 17, 17, 17, 6, 6, 6, 6, 6, 50, 1, 132, 47, 0};
	static const uint8_t ttls[] = {64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 255, 2, 1, 0};
	const uint8_t proto = one_of(protos);
	size_t hlen = HDR + (once_in(12) ? put_options(b + HDR) : 0), len = some_length(), total = hlen + len;

	b[0] = (uint8_t)(0x40 | hlen / 4);
	b[1] = (uint8_t)(once_in(2) ? below(256) : 0);
	put16(b + 2, (uint32_t)total);
	put16(b + 4, id);
	put16(b + 6, once_in(3) ? 0x4000 : once_in(10) ? some_fragment() : 0);
	b[8] = one_of(ttls);
	b[9] = proto;
	put32(b + 12, src);
	put32(b + 16, dst);
	put_upper(b + hlen, proto, len);
	if (once_in(40))
		put16(b + 2, below(1500));
	if (once_in(40))
		b[0] = (uint8_t)below(256);
	if ((b[0] & 15) >= 5)
		dpt_sum4(b);
	if (once_in(10) && (b[0] & 15) >= 5)
		put_edge(b);
	if (once_in(40))
		b[10 + below(2)] ^= (uint8_t)(1 + below(255));
	return total;
}
