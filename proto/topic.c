/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Topic names, topic filters, one match. The name check runs for every PUBLISH, so it looks at
 * eight bytes at a time for the four things that cannot be in a plain ASCII name.
 */
#include "proto/topic.h"

#include "proto/limits.h"
#include "proto/utf8.h"

#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)
#define LOW_BITS  UINT64_C(0x0101010101010101)

static const char SHARE_PREFIX[] = "$share/";

/* A high bit is set in the result if a byte of the word is zero. It may also be set for other
 * words, but only if one of their bytes is zero or has its high bit set. */
static inline uint64_t
zero_bytes(uint64_t word)
{
    return (word - LOW_BITS) & ~word;
}

static bool
name_is_valid_slowly(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] == '+' || name.data[i] == '#')
            return false;
    }
    return utf8_is_valid(name);
}

bool
topic_name_is_valid(struct slice name)
{
    if (name.len == 0 || name.len > LIMITS_TOPIC)
        return false;
    size_t at = 0;
    for (; name.len - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, name.data + at, sizeof(word));
        uint64_t bad = word | zero_bytes(word) | zero_bytes(word ^ LOW_BITS * '+') |
                       zero_bytes(word ^ LOW_BITS * '#');
        if ((bad & HIGH_BITS) != 0)
            return name_is_valid_slowly(name);
    }
    for (; at < name.len; at++) {
        uint8_t byte = name.data[at];
        if (byte == '+' || byte == '#' || byte == 0)
            return false;
        if (byte >= 0x80)
            return name_is_valid_slowly(name);
    }
    return true;
}

static bool
wildcards_stand_alone(struct slice filter)
{
    for (size_t i = 0; i < filter.len; i++) {
        uint8_t byte = filter.data[i];
        if (byte != '+' && byte != '#')
            continue;
        if (i > 0 && filter.data[i - 1] != '/')
            return false;
        if (i + 1 < filter.len && (byte == '#' || filter.data[i + 1] != '/'))
            return false;
    }
    return true;
}

bool
topic_filter_is_valid(struct slice filter)
{
    if (filter.len == 0 || filter.len > LIMITS_TOPIC || !utf8_is_valid(filter))
        return false;
    struct slice group;
    struct slice rest = filter;
    if (topic_share_parse(filter, &group, &rest) == TOPIC_SHARE_INVALID)
        return false;
    return wildcards_stand_alone(rest);
}

bool
topic_filter_has_wildcard(struct slice filter)
{
    for (size_t i = 0; i < filter.len; i++) {
        if (filter.data[i] == '+' || filter.data[i] == '#')
            return true;
    }
    return false;
}

size_t
topic_level_count(struct slice topic)
{
    size_t count = 1;
    for (size_t i = 0; i < topic.len; i++)
        count += topic.data[i] == '/';
    return count;
}

bool
topic_matches(struct slice filter, struct slice name)
{
    if (filter.len == 0 || name.len == 0)
        return false;
    if (name.data[0] == '$' && (filter.data[0] == '+' || filter.data[0] == '#'))
        return false;
    size_t f = 0;
    size_t n = 0;
    /* Both stand at the start of a level. */
    for (;;) {
        if (f < filter.len && filter.data[f] == '#')
            return true;
        if (f < filter.len && filter.data[f] == '+') {
            f++;
            while (n < name.len && name.data[n] != '/')
                n++;
        } else {
            while (f < filter.len && n < name.len && filter.data[f] != '/' &&
                   filter.data[f] == name.data[n]) {
                f++;
                n++;
            }
        }
        bool name_ends = n == name.len;
        if (f == filter.len)
            return name_ends;
        if (filter.data[f] != '/')
            return false;
        if (name_ends) /* "a/#" matches its parent "a" */
            return filter.len - f == 2 && filter.data[f + 1] == '#';
        if (name.data[n] != '/')
            return false;
        f++;
        n++;
    }
}

enum topic_share
topic_share_parse(struct slice text, struct slice *group, struct slice *filter)
{
    const size_t prefix_len = sizeof(SHARE_PREFIX) - 1;
    if (!slice_has_prefix(text, slice_of(SHARE_PREFIX, prefix_len)))
        return TOPIC_SHARE_NONE;
    struct slice rest = slice_of(text.data + prefix_len, text.len - prefix_len);
    size_t group_len = slice_find(rest, '/');
    if (group_len == 0 || group_len + 1 >= rest.len)
        return TOPIC_SHARE_INVALID;
    struct slice name = slice_of(rest.data, group_len);
    if (topic_filter_has_wildcard(name))
        return TOPIC_SHARE_INVALID;
    *group = name;
    *filter = slice_of(rest.data + group_len + 1, rest.len - group_len - 1);
    return TOPIC_SHARE_VALID;
}
