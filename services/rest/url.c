/* SPDX-License-Identifier: Apache-2.0 */
/* See url.h. */
#include "services/rest/url.h"

#include "common/mem.h"

static int
digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *
url_decode(struct slice text, bool is_query)
{
    char *out = mem_alloc(text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '%') {
            int high = text.len - i > 2 ? digit(text.data[i + 1]) : -1;
            int low = text.len - i > 2 ? digit(text.data[i + 2]) : -1;
            c = (uint8_t)(high < 0 || low < 0 ? 0 : high << 4 | low);
            i += 2;
        } else if (c == '+' && is_query) {
            c = ' ';
        }
        if (c == 0) {
            mem_free(out);
            return NULL;
        }
        out[len++] = (char)c;
    }
    out[len] = 0;
    if (!str_utf8_is_valid(slice_of(out, len))) {
        mem_free(out);
        return NULL;
    }
    return out;
}

bool
url_segment(struct slice *path, struct slice *segment)
{
    if (path->len == 0)
        return false;
    if (path->data[0] == '/')
        *path = slice_sub(*path, 1, path->len);
    size_t end = slice_find(*path, '/');
    *segment = slice_sub(*path, 0, end);
    *path = slice_sub(*path, end, path->len);
    return true;
}

bool
url_pair(struct slice *query, struct slice *name, struct slice *value)
{
    struct slice pair = {NULL, 0};
    while (pair.len == 0) {
        if (query->len == 0)
            return false;
        size_t end = slice_find(*query, '&');
        pair = slice_sub(*query, 0, end);
        *query = slice_sub(*query, end + 1, query->len);
    }
    size_t equals = slice_find(pair, '=');
    *name = slice_sub(pair, 0, equals);
    *value = slice_sub(pair, equals + 1, pair.len);
    return true;
}

enum err
url_query(struct slice query, const char *name, char **out)
{
    struct slice key, value;
    *out = NULL;
    while (url_pair(&query, &key, &value)) {
        char *decoded = url_decode(key, true);
        bool found = decoded != NULL && strcmp(decoded, name) == 0;
        mem_free(decoded);
        if (!found)
            continue;
        *out = url_decode(value, true);
        return *out != NULL ? OK : ERR_MALFORMED;
    }
    return OK;
}
