/* SPDX-License-Identifier: Apache-2.0 */
/* Text that came from a peer, made fit for a terminal, a log line, a JSON string. */
#pragma once

#include <stddef.h>

/* Copy len bytes as valid UTF-8 without control characters; each byte that is not part of such a character
 * becomes \xNN, a backslash \\.  Always terminated, cut between characters.  Returns strlen(to). */
size_t text_clean(char *to, size_t cap, const char *from, size_t len);
