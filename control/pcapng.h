/* SPDX-License-Identifier: Apache-2.0 */
/* Writing pcapng files (draft-ietf-opsawg-pcapng): one or two interfaces of raw IP, nanoseconds, comments. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct pcapng_packet {
	unsigned interface; /* 0 or 1, in the order given to pcapng_begin() */
	bool inbound;
	uint64_t at_ns; /* since 1970 */
	uint32_t len, kept;
	const uint8_t *data;
	const char *comment;
};

/* A new file for packets of one interface or two (the second may be NULL), for its owner alone.  The name is
 * absolute and ends in .pcapng, so that a capture is never taken for something else, nor anything written over.
 * 0, or -errno with why in err. */
enum { PCAPNG_PATH = 256 };
int pcapng_create(const char *path, const char *program, const char *const interface[2], FILE **f, char *err,
		  size_t err_len);
/* 0, or -EIO when the file does not take it. */
int pcapng_begin(FILE *f, const char *program, const char *const interface[2]);
int pcapng_write(FILE *f, const struct pcapng_packet *p);
/* Bytes that pcapng_write() would add. */
size_t pcapng_size(const struct pcapng_packet *p);
