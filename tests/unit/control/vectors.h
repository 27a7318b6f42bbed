/* SPDX-License-Identifier: Apache-2.0 */
/* Files of tests/vectors: lines of "name = hex". */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rd.h"

struct vectors;
/* NULL, with a message on stderr, when the file is not there or has a line that is none. */
struct vectors *vectors_load(const char *file);
void vectors_free(struct vectors *v);
bool vectors_has(const struct vectors *v, const char *name);
/* The value of that name, put together like printf; fails the running test when there is none. */
struct bytes vector(const struct vectors *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Fails the running test unless both are the same bytes. */
void assert_bytes(struct bytes got, struct bytes want);
/* Hex in a string literal, blanks allowed, to bytes; good until 16 calls later. */
struct bytes hex(const char *s);
