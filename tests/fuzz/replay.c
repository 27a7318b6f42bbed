/* SPDX-License-Identifier: Apache-2.0 */
/* replay FILE|FOLDER...: run a fuzz target once over each file; fails when there was none. */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static int run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	long len;

	if (!f || fseek(f, 0, SEEK_END) < 0 || (len = ftell(f)) < 0) {
		perror(path);
		exit(2);
	}
	rewind(f);
	data = malloc((size_t)len + !len); /* exactly, so that a sanitizer sees the end */
	MUST(data && fread(data, 1, (size_t)len, f) == (size_t)len);
	fclose(f);
	LLVMFuzzerTestOneInput(data, (size_t)len);
	free(data);
	return 1;
}

static int run(const char *path)
{
	struct dirent *e;
	struct stat st;
	int n = 0;
	DIR *d;

	if (stat(path, &st) < 0) {
		perror(path);
		exit(2);
	}
	if (!S_ISDIR(st.st_mode))
		return run_file(path);
	d = opendir(path);
	MUST(d);
	while ((e = readdir(d))) {
		char inside[4096];

		if (e->d_name[0] == '.')
			continue;
		snprintf(inside, sizeof(inside), "%s/%s", path, e->d_name);
		n += run(inside);
	}
	closedir(d);
	return n;
}

int main(int argc, char **argv)
{
	int n = 0;

	for (int i = 1; i < argc; i++)
		n += run(argv[i]);
	printf("%d inputs\n", n);
	return n ? 0 : 1;
}
