/* SPDX-License-Identifier: Apache-2.0 */
/* Tables: PAN-OS' column widths, widened where a name would not fit, so that columns stay columns. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "render.h"

struct render_table {
	const struct render_column *col;
	int n_cols;
	char **cell;
	size_t n_cells, cap;
};

struct render_table *table_new(const struct render_column *cols, int n)
{
	struct render_table *t = calloc(1, sizeof(*t));

	if (t) {
		t->col = cols;
		t->n_cols = n;
	}
	return t;
}

void table_cell(struct render_table *t, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	if (!t)
		return;
	if (t->n_cells == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 256;
		char **cell = realloc(t->cell, cap * sizeof(cell[0]));

		if (!cell)
			return;
		t->cell = cell;
		t->cap = cap;
	}
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	t->cell[t->n_cells++] = text;
}

/* A line in the making: blanks are put when something follows them, so that no line ends with any. */
struct row {
	FILE *out;
	int blanks;
};

static void put(struct row *r, int width, const char *text)
{
	int len = (int)strlen(text);

	if (len) {
		fprintf(r->out, "%*s%s", r->blanks, "", text);
		r->blanks = 0;
	}
	r->blanks += width - len;
}

static void end_row(struct row *r)
{
	fputc('\n', r->out);
	r->blanks = 0;
}

void table_print(FILE *out, struct render_table *t)
{
	static const char dashes[] = "------------------------------------------------";
	struct row r = {.out = out};
	int *width = t ? calloc((size_t)t->n_cols, sizeof(width[0])) : NULL;

	for (int i = 0; width && i < t->n_cols; i++)
		width[i] = t->col[i].width;
	for (size_t i = 0; width && i < t->n_cells; i++) {
		int *w = &width[i % (size_t)t->n_cols];
		int len = t->cell[i] ? (int)strlen(t->cell[i]) : 0;

		*w = len >= *w ? len + 1 : *w;
	}
	for (int i = 0; width && i < t->n_cols; i++)
		put(&r, width[i], t->col[i].title);
	end_row(&r);
	for (int i = 0; width && i < t->n_cols; i++)
		put(&r, width[i], dashes + sizeof(dashes) - 1 - strlen(t->col[i].title));
	end_row(&r);
	for (size_t i = 0; width && i < t->n_cells; i++) {
		put(&r, width[i % (size_t)t->n_cols], t->cell[i] ? t->cell[i] : "");
		if ((i + 1) % (size_t)t->n_cols == 0)
			end_row(&r);
	}
	free(width);
	for (size_t i = 0; t && i < t->n_cells; i++)
		free(t->cell[i]);
	if (t)
		free(t->cell);
	free(t);
}
