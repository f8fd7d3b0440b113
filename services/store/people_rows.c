/* SPDX-License-Identifier: Apache-2.0 */
/* See people_rows.h. */
#include "services/store/people_rows.h"

#include "common/mem.h"

#include <string.h>

static void
row_free(struct people_row *row)
{
    mem_free(row->name);
    mem_free(row->value);
    mem_free(row);
}

void
people_rows_fini(struct people_rows *rows)
{
    size_t i;
    for (i = 0; i < rows->count; i++)
        row_free(rows->rows[i]);
    mem_free(rows->rows);
    *rows = (struct people_rows){0};
}

/* Where the name is, or belongs. */
static size_t
place_of(const struct people_rows *rows, const char *name, bool *found)
{
    size_t low = 0, high = rows->count;
    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, rows->rows[middle]->name);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

struct people_row *
people_rows_get(const struct people_rows *rows, const char *name)
{
    bool found;
    size_t at = place_of(rows, name, &found);
    return found ? rows->rows[at] : NULL;
}

enum err
people_rows_put(struct people_rows *rows, const char *name, struct slice value, uint64_t revision,
                struct people_row **out)
{
    bool found;
    size_t at = place_of(rows, name, &found);
    size_t former = found ? rows->rows[at]->value_len : 0;
    struct people_row *row;
    if (rows->bytes - former + value.len > PEOPLE_ROWS_BYTES)
        return ERR_QUOTA;
    if (!found) {
        if (rows->count == PEOPLE_ROWS_MAX)
            return ERR_QUOTA;
        if (rows->count == rows->size) {
            rows->size = rows->size == 0 ? 16 : rows->size * 2;
            rows->rows = mem_realloc_array(rows->rows, rows->size, sizeof(struct people_row *));
        }
        memmove(rows->rows + at + 1, rows->rows + at,
                (rows->count - at) * sizeof(struct people_row *));
        rows->rows[at] = mem_zalloc(sizeof(*row));
        rows->rows[at]->name = mem_strdup(name);
        rows->count++;
    }
    row = rows->rows[at];
    mem_free(row->value);
    row->value = slice_dup(value);
    row->value_len = value.len;
    rows->bytes += value.len - former;
    row->revision = revision;
    row->until_ms = 0;
    memset(row->hash, 0, sizeof(row->hash));
    *out = row;
    return OK;
}

void
people_rows_remove(struct people_rows *rows, const char *name)
{
    bool found;
    size_t at = place_of(rows, name, &found);
    if (!found)
        return;
    rows->bytes -= rows->rows[at]->value_len;
    row_free(rows->rows[at]);
    rows->count--;
    memmove(rows->rows + at, rows->rows + at + 1, (rows->count - at) * sizeof(struct people_row *));
}

size_t
people_rows_after(const struct people_rows *rows, const char *name)
{
    bool found;
    size_t at = place_of(rows, name, &found);
    return found ? at + 1 : at;
}
