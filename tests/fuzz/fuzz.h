/* SPDX-License-Identifier: Apache-2.0 */
/* What fuzz targets have in common.  A target linked with replay.c instead of libFuzzer runs over files: the corpus
 * is a test of every build. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Holds whatever the input is. */
#define MUST(x)                                                                                              \
	do {                                                                                                 \
		if (!(x)) {                                                                                  \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #x);               \
			abort();                                                                             \
		}                                                                                            \
	} while (0)
