/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a configuration file: a model or complaints, never a crash, a leak or an endless line. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
const char *__lsan_default_suppressions(void);

/* libconfig 1.5 loses its scanner's buffer when a string ends with the file. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libconfig.so";
}

static void say(void *arg, bool warning, const char *line)
{
	unsigned *errors = arg;

	*errors += !warning;
	if (strlen(line) > 4096 || strchr(line, '\n'))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char path[64];
	unsigned errors = 0;
	struct config *c;
	int fd;

	if (memmem(data, len, "@include", 8))
		return 0; /* other files are not the subject */
	fd = memfd_create("fuzz", 0);
	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	c = config_load(path, say, &errors);
	close(fd);
	if (!c == !errors) /* refused without a reason, or taken with one */
		abort();
	config_free(c);
	return 0;
}
