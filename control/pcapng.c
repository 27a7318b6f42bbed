/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file is a section header, an interface description for each interface, and an enhanced packet block for
 * each packet.  Every block is
 *
 *     type (4) | total length (4) | body, padded to 4 | options | total length again (4)
 *
 * in the byte order of the machine, which the magic of the section header tells the reader.
 */
#include "pcapng.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 6,
	MAGIC = 0x1a2b3c4d,
	LINKTYPE_RAW = 101,
	OPT_END = 0,
	OPT_COMMENT = 1,
	SHB_USERAPPL = 4,
	IF_NAME = 2,
	IF_TSRESOL = 9,
	EPB_FLAGS = 2,
	BLOCK_FRAME = 12, /* type and both lengths */
	EPB_HEAD = 20,
	TEXT_MAX = 200,
};

static size_t padded(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

static int put(FILE *f, const void *p, size_t n)
{
	return n == 0 || fwrite(p, 1, n, f) == n ? 0 : -EIO;
}

static int put32(FILE *f, uint32_t v)
{
	return put(f, &v, sizeof(v));
}

static int put_padded(FILE *f, const void *p, size_t n)
{
	static const uint8_t zero[4];

	return put(f, p, n) < 0 || put(f, zero, padded(n) - n) < 0 ? -EIO : 0;
}

static size_t text_len(const char *s)
{
	return strnlen(s, TEXT_MAX);
}

static size_t option_size(size_t n)
{
	return 4 + padded(n);
}

static int put_option(FILE *f, uint16_t code, const void *p, size_t n)
{
	const uint16_t head[2] = {code, (uint16_t)n};

	return put(f, head, sizeof(head)) < 0 || put_padded(f, p, n) < 0 ? -EIO : 0;
}

static int begin_block(FILE *f, uint32_t type, size_t size)
{
	return put32(f, type) < 0 || put32(f, (uint32_t)size) < 0 ? -EIO : 0;
}

static int end_block(FILE *f, size_t size)
{
	return put_option(f, OPT_END, NULL, 0) < 0 || put32(f, (uint32_t)size) < 0 ? -EIO : 0;
}

static int put_section(FILE *f, const char *program)
{
	const struct {
		uint32_t magic;
		uint16_t major, minor;
		uint64_t length; /* unknown */
	} body = {MAGIC, 1, 0, UINT64_MAX};
	size_t n = text_len(program), size = BLOCK_FRAME + sizeof(body) + option_size(n) + option_size(0);

	if (begin_block(f, BLOCK_SECTION, size) < 0 || put(f, &body, sizeof(body)) < 0 ||
	    put_option(f, SHB_USERAPPL, program, n) < 0)
		return -EIO;
	return end_block(f, size);
}

static int put_interface(FILE *f, const char *name)
{
	const struct {
		uint16_t linktype, reserved;
		uint32_t snaplen; /* no limit */
	} body = {LINKTYPE_RAW, 0, 0};
	const uint8_t nanoseconds = 9;
	size_t n = text_len(name);
	size_t size = BLOCK_FRAME + sizeof(body) + option_size(n) + option_size(1) + option_size(0);

	if (begin_block(f, BLOCK_INTERFACE, size) < 0 || put(f, &body, sizeof(body)) < 0 ||
	    put_option(f, IF_NAME, name, n) < 0 || put_option(f, IF_TSRESOL, &nanoseconds, 1) < 0)
		return -EIO;
	return end_block(f, size);
}

int pcapng_begin(FILE *f, const char *program, const char *const interface[2])
{
	if (put_section(f, program) < 0 || put_interface(f, interface[0]) < 0)
		return -EIO;
	return interface[1] ? put_interface(f, interface[1]) : 0;
}

static int refuse_name(const char *file, char *err, size_t err_len)
{
	static const char suffix[] = ".pcapng";
	size_t n = strlen(file);

	if (file[0] == '/' && n > sizeof(suffix) && n < PCAPNG_PATH &&
	    strcmp(file + n - (sizeof(suffix) - 1), suffix) == 0)
		return 0;
	snprintf(err, err_len,
		 "file: found \"%.80s\"; allowed: an absolute path of at most %d bytes ending in %s", file,
		 PCAPNG_PATH - 1, suffix);
	return -EINVAL;
}

int pcapng_create(const char *path, const char *program, const char *const interface[2], FILE **f, char *err,
		  size_t err_len)
{
	int rc = refuse_name(path, err, err_len), fd;

	if (rc < 0)
		return rc;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		rc = -errno;
		snprintf(err, err_len, "%s: %s", path,
			 rc == -EEXIST ? "exists already; a capture never writes over a file"
				       : strerror(-rc));
		return rc;
	}
	*f = fdopen(fd, "wb");
	if (*f && pcapng_begin(*f, program, interface) == 0)
		return 0;
	snprintf(err, err_len, "%s: cannot be written", path);
	if (*f)
		fclose(*f);
	else
		close(fd);
	*f = NULL;
	unlink(path);
	return -EIO;
}

size_t pcapng_size(const struct pcapng_packet *p)
{
	return BLOCK_FRAME + EPB_HEAD + padded(p->kept) + option_size(4) + option_size(text_len(p->comment)) +
	       option_size(0);
}

int pcapng_write(FILE *f, const struct pcapng_packet *p)
{
	const uint32_t head[5] = {p->interface, (uint32_t)(p->at_ns >> 32), (uint32_t)p->at_ns, p->kept,
				  p->len};
	const uint32_t flags = p->inbound ? 1 : 2;
	size_t size = pcapng_size(p);

	static_assert(sizeof(head) == EPB_HEAD, "head of an enhanced packet block");
	if (begin_block(f, BLOCK_PACKET, size) < 0 || put(f, head, sizeof(head)) < 0 ||
	    put_padded(f, p->data, p->kept) < 0 || put_option(f, EPB_FLAGS, &flags, sizeof(flags)) < 0 ||
	    put_option(f, OPT_COMMENT, p->comment, text_len(p->comment)) < 0)
		return -EIO;
	return end_block(f, size);
}
