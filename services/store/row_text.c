/* SPDX-License-Identifier: Apache-2.0 */
/* See row_text.h. */
#include "services/store/row_text.h"

#include <string.h>

static bool
is_control(uint8_t byte)
{
    return byte < 0x20 || byte == 0x7f;
}

void
row_text_put(struct buf *out, const char *word, struct slice value)
{
    size_t i;
    if (value.len == 0)
        return;
    buf_append_cstr(out, word);
    buf_put_u8(out, ' ');
    for (i = 0; i < value.len; i++)
        buf_put_u8(out, is_control(value.data[i]) ? '?' : value.data[i]);
    buf_put_u8(out, '\n');
}

void
row_text_put_u64(struct buf *out, const char *word, uint64_t value)
{
    if (value != 0)
        buf_printf(out, "%s %llu\n", word, (unsigned long long)value);
}

bool
row_text_next(struct slice *rest, struct slice *word, struct slice *value)
{
    struct slice line = slice_sub(*rest, 0, slice_find(*rest, '\n'));
    size_t space = slice_find(line, ' ');
    if (rest->len == 0)
        return false;
    *rest = slice_sub(*rest, line.len + 1, rest->len);
    *word = slice_sub(line, 0, space);
    *value = slice_sub(line, space + 1, line.len);
    return true;
}

bool
row_text_is_plain(const char *text, size_t max)
{
    size_t i, len = strlen(text);
    if (len > max || !str_utf8_is_valid(slice_of(text, len)))
        return false;
    for (i = 0; i < len; i++) {
        if (is_control((uint8_t)text[i]))
            return false;
    }
    return true;
}
