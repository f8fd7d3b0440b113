/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 checks. Eight ASCII bytes go at a time, because nearly all topics are ASCII; the rest is
 * read character by character. No tables: the hot path never leaves ASCII.
 */
#include "proto/utf8.h"

#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)
#define LOW_BITS  UINT64_C(0x0101010101010101)

static inline bool
is_tail(uint8_t byte)
{
    return (byte & 0xC0u) == 0x80u;
}

size_t
utf8_char_len(struct slice text)
{
    const uint8_t *s = text.data;
    if (text.len == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    /* C0 and C1 would be overlong, F5 and above lie beyond U+10FFFF. */
    if (s[0] < 0xC2 || s[0] > 0xF4)
        return 0;
    if (s[0] < 0xE0)
        return text.len >= 2 && is_tail(s[1]) ? 2 : 0;
    if (s[0] < 0xF0) {
        if (text.len < 3 || !is_tail(s[1]) || !is_tail(s[2]))
            return 0;
        if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] >= 0xA0))
            return 0; /* overlong; a surrogate */
        return 3;
    }
    if (text.len < 4 || !is_tail(s[1]) || !is_tail(s[2]) || !is_tail(s[3]))
        return 0;
    if ((s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] >= 0x90))
        return 0; /* overlong; beyond U+10FFFF */
    return 4;
}

static bool
check(struct slice text, bool zero_allowed)
{
    size_t at = 0;
    while (at < text.len) {
        if (text.len - at >= 8) {
            uint64_t word;
            memcpy(&word, text.data + at, sizeof(word));
            /* With no high bit set, subtracting 1 from each byte borrows into the high bit of a
             * byte only if that byte (or, after it, a lower one) is zero. */
            uint64_t zeros = zero_allowed ? 0 : word - LOW_BITS;
            if (((word | zeros) & HIGH_BITS) == 0) {
                at += 8;
                continue;
            }
        }
        size_t n = utf8_char_len(slice_of(text.data + at, text.len - at));
        if (n == 0 || (text.data[at] == 0 && !zero_allowed))
            return false;
        at += n;
    }
    return true;
}

bool
utf8_is_valid(struct slice text)
{
    return check(text, false);
}

bool
utf8_is_well_formed(struct slice text)
{
    return check(text, true);
}
