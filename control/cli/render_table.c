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
	struct render_table *t = n <= RENDER_COLUMNS_MAX ? calloc(1, sizeof(*t)) : NULL;

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

static void put_rows(FILE *out, const struct render_table *t, const int *width)
{
	struct row r = {.out = out};

	for (size_t i = 0; i < t->n_cells; i++) {
		put(&r, width[i % (size_t)t->n_cols], t->cell[i] ? t->cell[i] : "");
		if ((i + 1) % (size_t)t->n_cols == 0)
			end_row(&r);
	}
}

static void put_titles(FILE *out, const struct render_table *t, const int *width)
{
	static const char dashes[] = "------------------------------------------------";
	struct row r = {.out = out};

	for (int i = 0; i < t->n_cols; i++)
		put(&r, width[i], t->col[i].title);
	end_row(&r);
	for (int i = 0; i < t->n_cols; i++)
		put(&r, width[i], dashes + sizeof(dashes) - 1 - strlen(t->col[i].title));
	end_row(&r);
}

void table_print_part(FILE *out, struct render_table *t, struct render_width *w)
{
	if (!t)
		return;
	for (int i = 0; i < t->n_cols; i++)
		w->col[i] = t->col[i].width > w->col[i] ? t->col[i].width : w->col[i];
	for (size_t i = 0; i < t->n_cells; i++) {
		int *width = &w->col[i % (size_t)t->n_cols];
		int len = t->cell[i] ? (int)strlen(t->cell[i]) : 0;

		*width = len >= *width ? len + 1 : *width;
	}
	if (!w->begun)
		put_titles(out, t, w->col);
	w->begun = true;
	put_rows(out, t, w->col);
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cell[i]);
	free(t->cell);
	free(t);
}

void table_print(FILE *out, struct render_table *t)
{
	struct render_width w = {0};

	table_print_part(out, t, &w);
}
