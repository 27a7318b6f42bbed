/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of the heap that are in use, also where AddressSanitizer has its own heap, of which mallinfo2() is silent. */
#pragma once

#include <malloc.h>
#include <stddef.h>

size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static inline size_t heap_used(void)
{
	return __sanitizer_get_current_allocated_bytes ? __sanitizer_get_current_allocated_bytes()
						       : mallinfo2().uordblks;
}
