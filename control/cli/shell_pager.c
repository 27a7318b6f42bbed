/* SPDX-License-Identifier: Apache-2.0 */
/* Long answers a screen at a time: by $PAGER when it is set, else as PAN-OS does, with a line that says how far one has
 * come.  Space or f: next screen; Return or j: next line; G: all the rest; q: enough. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "client.h"

static size_t terminal_rows(void)
{
	struct winsize w;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 2 ? w.ws_row : 24;
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* Print so many lines; returns what is behind them. */
static const char *lines(const char *text, size_t n)
{
	const char *end = text;

	while (n-- && *end)
		end += strcspn(end, "\n") + (strchr(end, '\n') != NULL);
	fwrite(text, 1, (size_t)(end - text), stdout);
	fflush(stdout);
	return end;
}

/* The next key, without waiting for a whole line; 'q' when there is none to come. */
static char key(void)
{
	struct termios saved, raw;
	char c;
	ssize_t n;

	if (tcgetattr(STDIN_FILENO, &saved) < 0)
		return 'q';
	raw = saved;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	n = read(STDIN_FILENO, &c, 1); /* ^C ends it */
	tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	return n == 1 ? c : 'q';
}

static void screens(const char *text, size_t rows)
{
	size_t total = count_lines(text), shown = 0, step = rows - 1;

	while (*text) {
		text = lines(text, step);
		shown += step < total - shown ? step : total - shown;
		if (!*text)
			return;
		fprintf(stdout, "\033[7mlines 1-%zu of %zu\033[0m ", shown, total);
		fflush(stdout);
		switch (key()) {
		case 'q':
		case 'Q': step = 0; break;
		case '\n':
		case '\r':
		case 'j': step = 1; break;
		case 'G': step = total; break;
		default: step = rows - 1;
		}
		fputs("\r\033[K", stdout);
		fflush(stdout);
		if (!step)
			return;
	}
}

void shell_print(const char *text)
{
	const char *pager = getenv("PAGER");
	size_t rows = terminal_rows();
	FILE *to = NULL;

	if (isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) && count_lines(text) >= rows) {
		if (!pager) {
			screens(text, rows);
			return;
		}
		to = pager[0] ? popen(pager, "w") : NULL;
	}
	fputs(text, to ? to : stdout);
	if (to)
		pclose(to);
	fflush(stdout);
}
