/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the character at s (RFC 3629), 0 when there is none there or it is a control character. */
static size_t char_len(const uint8_t *s, size_t left)
{
	uint32_t c = s[0];
	size_t n = c < 0x80             ? 1
		   : (c & 0xe0) == 0xc0 ? 2
		   : (c & 0xf0) == 0xe0 ? 3
		   : (c & 0xf8) == 0xf0 ? 4
					: 0;
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

	if (n == 0 || n > left)
		return 0;
	if (n == 1)
		return c >= 0x20 && c != 0x7f && c != '\\';
	c &= 0xffu >> (n + 1);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	/* overlong, surrogate, out of range, C1 control, line and paragraph separators, bidirectional marks */
	if (c < least[n] || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff || c < 0xa0)
		return 0;
	if ((c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f)
		return 0;
	return n;
}

size_t text_clean(char *to, size_t cap, const char *from, size_t len)
{
	const uint8_t *s = (const uint8_t *)from;
	size_t n = 0, i = 0;

	while (i < len) {
		size_t k = char_len(s + i, len - i);
		char esc[8];
		size_t room;

		if (k == 0)
			snprintf(esc, sizeof(esc), s[i] == '\\' ? "\\\\" : "\\x%02x", s[i]);
		room = k ? k : strlen(esc);
		if (n + room >= cap)
			break;
		memcpy(to + n, k ? from + i : esc, room);
		n += room;
		i += k ? k : 1;
	}
	if (cap)
		to[n] = 0;
	return n;
}
