/* SPDX-License-Identifier: Apache-2.0 */
/* See audit.h. */
#include "services/store/audit.h"

#include "common/crypt.h"
#include "common/cursor.h"
#include "services/store/row_text.h"

static void
name_of(uint64_t number, char name[AUDIT_NAME_LEN + 1])
{
    (void)str_format(name, AUDIT_NAME_LEN + 1, "%016llx", (unsigned long long)number);
}

static uint64_t
number_of(struct slice name)
{
    uint8_t bytes[8];
    return crypt_hex_decode(name, bytes, sizeof(bytes)) == OK ? cursor_load_u64(bytes) : 0;
}

static void
note_number(void *arg, const struct driver_row *row)
{
    uint64_t *number = arg;
    *number = number_of(row->name);
}

/* The first number behind; 0: none. */
static enum err
first_behind(struct driver *driver, uint64_t number, uint64_t *out)
{
    char name[AUDIT_NAME_LEN + 1];
    bool more;
    name_of(number, name);
    *out = 0;
    return driver_row_page(driver, DRIVER_ROW_AUDIT, slice_cstr(name), 1, note_number, out, &more);
}

/* The driver only walks upwards: the newest is found by asking what lies behind, in halves. */
enum err
audit_load(struct audit *audit, struct driver *driver, uint64_t max)
{
    uint64_t low, high, step = 1, found;
    enum err err = first_behind(driver, 0, &low);
    *audit = (struct audit){.first = 1, .last = 0, .max = max};
    if (err != OK || low == 0)
        return err;
    audit->first = low;
    /* low is there; grow until nothing lies behind high */
    for (high = low;; high = low + step, step *= 2) {
        err = first_behind(driver, high, &found);
        if (err != OK)
            return err;
        if (found == 0)
            break;
        low = found;
    }
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        err = first_behind(driver, middle, &found);
        if (err != OK)
            return err;
        if (found != 0)
            low = found;
        else
            high = middle;
    }
    audit->last = low;
    return OK;
}

static struct slice
cut(struct slice text)
{
    return slice_sub(text, 0, AUDIT_TEXT_MAX);
}

void
audit_append(struct audit *audit, struct batch *batch, uint64_t now_ms,
             const struct audit_entry *entry)
{
    char name[AUDIT_NAME_LEN + 1];
    struct driver_row row = {.kind = DRIVER_ROW_AUDIT, .time_ms = now_ms};
    struct buf text;
    buf_init(&text, 5 * (AUDIT_TEXT_MAX + 16));
    row_text_put(&text, "actor", cut(entry->actor));
    row_text_put(&text, "what", cut(entry->what));
    row_text_put(&text, "subject", cut(entry->subject));
    row_text_put(&text, "detail", cut(entry->detail));
    name_of(++audit->last, name);
    row.name = slice_cstr(name);
    row.value = buf_slice(&text);
    batch_row_put(batch, &row);
    while (audit->last - audit->first + 1 > audit->max) {
        name_of(audit->first++, name);
        batch_row_delete(batch, DRIVER_ROW_AUDIT, slice_cstr(name));
    }
    buf_fini(&text);
}

void
audit_page(const struct audit *audit, bool oldest_first, uint64_t from, size_t limit,
           char after[AUDIT_NAME_LEN + 1], size_t *count, uint64_t *next)
{
    uint64_t low, high;
    *count = 0;
    *next = 0;
    if (from == 0)
        from = oldest_first ? audit->first : audit->last;
    if (oldest_first) {
        low = from < audit->first ? audit->first : from;
        high = audit->last - low + 1 > limit ? low + limit - 1 : audit->last;
        if (low <= audit->last && high < audit->last)
            *next = high + 1;
    } else {
        high = from > audit->last ? audit->last : from;
        low = high >= audit->first && high - audit->first + 1 > limit ? high - limit + 1
                                                                      : audit->first;
        if (high >= audit->first && low > audit->first)
            *next = low - 1;
    }
    if (low > high || low > audit->last)
        return;
    name_of(low - 1, after);
    *count = (size_t)(high - low + 1);
}

uint64_t
audit_read(const struct driver_row *row, struct audit_entry *out)
{
    struct slice rest = row->value, word, value;
    *out = (struct audit_entry){0};
    while (row_text_next(&rest, &word, &value)) {
        if (slice_equal_cstr(word, "actor"))
            out->actor = value;
        else if (slice_equal_cstr(word, "what"))
            out->what = value;
        else if (slice_equal_cstr(word, "subject"))
            out->subject = value;
        else if (slice_equal_cstr(word, "detail"))
            out->detail = value;
    }
    return number_of(row->name);
}
