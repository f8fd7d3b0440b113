/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk compares filter and topic level by level, and at the first level that differs knows the
 * lowest key that could still match:
 *   - the topic's level is lower than the filter's: the filter's level under the same parent;
 *   - it is higher, or the topic goes on where the filter ends: nothing more here; the next sibling
 *     of the deepest level that a '+' took;
 *   - the topic ends before the filter: below this topic.
 * "Next sibling of p" is p 0x01, since everything below p begins with p 0x00.
 * A conclusion drawn from bytes that a long key does not hold is not used: then row by row.
 */
#include "services/store/topic_seek.h"

#include "common/crypt.h"

#include <string.h>

static void
key_of(struct slice text, struct topic_seek_key *out)
{
    if (text.len <= TOPIC_SEEK_SHORT) {
        if (text.len != 0)
            memcpy(out->bytes, text.data, text.len);
        out->len = text.len;
        return;
    }
    memcpy(out->bytes, text.data, TOPIC_SEEK_SHORT);
    crypt_sha256(text, out->bytes + TOPIC_SEEK_SHORT);
    out->len = TOPIC_SEEK_KEY;
}

static void
slashes_to_zero(uint8_t *bytes, size_t len)
{
    size_t i;
    for (i = 0; i < len; i++) {
        if (bytes[i] == '/')
            bytes[i] = 0;
    }
}

void
topic_seek_text_key_of(struct slice text, struct topic_seek_key *out)
{
    key_of(text, out);
}

void
topic_seek_key_of(struct slice topic, struct topic_seek_key *out)
{
    key_of(topic, out);
    slashes_to_zero(out->bytes, topic.len < TOPIC_SEEK_SHORT ? topic.len : TOPIC_SEEK_SHORT);
}

/* The level at `from` and the offset of its end (a slash or the end of the text). */
static struct slice
level_at(struct slice text, size_t from)
{
    const uint8_t *slash = memchr(text.data + from, '/', text.len - from);
    size_t end = slash != NULL ? (size_t)(slash - text.data) : text.len;
    return slice_of(text.data + from, end - from);
}

static bool
is_one(struct slice level, uint8_t byte)
{
    return level.len == 1 && level.data[0] == byte;
}

/* prefix (of a topic), then one byte (if >= 0), then tail; cut at TOPIC_SEEK_SHORT, where it is
 * still a lower bound. */
static void
seek_set(struct topic_seek_key *seek, struct slice prefix, int byte, struct slice tail)
{
    size_t n = prefix.len < TOPIC_SEEK_SHORT ? prefix.len : TOPIC_SEEK_SHORT;
    if (n != 0)
        memcpy(seek->bytes, prefix.data, n);
    slashes_to_zero(seek->bytes, n);
    if (byte >= 0 && n < TOPIC_SEEK_SHORT)
        seek->bytes[n++] = (uint8_t)byte;
    if (tail.len != 0 && n < TOPIC_SEEK_SHORT) {
        size_t m = tail.len < TOPIC_SEEK_SHORT - n ? tail.len : TOPIC_SEEK_SHORT - n;
        memcpy(seek->bytes + n, tail.data, m);
        n += m;
    }
    seek->len = n;
}

void
topic_seek_start(struct slice filter, struct topic_seek_key *out)
{
    size_t at = 0;
    out->len = 0;
    while (at <= filter.len) {
        struct slice level = level_at(filter, at);
        if (is_one(level, '+') || is_one(level, '#'))
            break;
        at += level.len + 1;
    }
    /* Without its last slash: "a/#" begins at "a" itself, and "a/+" loses only one row by it. */
    if (at > 0)
        seek_set(out, slice_of(filter.data, at - 1), -1, slice_of(NULL, 0));
}

/* Makes sure of progress: a seek that would not move (cut at the end of a key) is a next. */
static enum topic_seek_answer
seek_or_next(const struct topic_seek_key *seek, struct slice key)
{
    struct slice to = slice_of(seek->bytes, seek->len);
    return slice_compare(to, key) > 0 ? TOPIC_SEEK_SEEK : TOPIC_SEEK_NEXT;
}

/* State of one comparison. */
struct walk {
    struct slice key;
    struct slice topic;
    bool has_plus;
    size_t plus_end; /* end of the topic's deepest level that a '+' took */
    struct topic_seek_key *seek;
};

/* Nothing more under this parent; known from the topic's bytes before `decided`. */
static enum topic_seek_answer
back(const struct walk *walk, size_t decided)
{
    if (walk->key.len > TOPIC_SEEK_SHORT && decided > TOPIC_SEEK_SHORT)
        return TOPIC_SEEK_NEXT;
    if (!walk->has_plus)
        return TOPIC_SEEK_DONE;
    seek_set(walk->seek, slice_of(walk->topic.data, walk->plus_end), 1, slice_of(NULL, 0));
    return seek_or_next(walk->seek, walk->key);
}

/* Literal level of the filter against the topic's level at `at`. */
static enum topic_seek_answer
literal_differs(const struct walk *walk, size_t at, struct slice have, struct slice want)
{
    size_t common = have.len < want.len ? have.len : want.len;
    size_t same = 0;
    while (same < common && have.data[same] == want.data[same])
        same++;
    if (slice_compare(have, want) > 0)
        return back(walk, at + same + 1);
    seek_set(walk->seek, slice_of(walk->topic.data, at > 0 ? at - 1 : 0), at > 0 ? 0 : -1, want);
    return seek_or_next(walk->seek, walk->key);
}

enum topic_seek_answer
topic_seek_judge(struct slice filter, struct slice key, struct slice topic,
                 struct topic_seek_key *seek)
{
    struct walk walk = {.key = key, .topic = topic, .seek = seek};
    size_t f = 0; /* begin of the level in the filter; beyond its end: used up */
    size_t t = 0; /* the same in the topic */
    for (;;) {
        struct slice want = level_at(filter, f);
        struct slice have;
        if (t == 0 && topic.data[0] == '$' && (want.len == 1) &&
            (want.data[0] == '+' || want.data[0] == '#')) {
            seek_set(seek, slice_cstr("%"), -1, slice_of(NULL, 0)); /* '$' + 1 [MQTT-4.7.2-1] */
            return TOPIC_SEEK_SEEK;
        }
        if (is_one(want, '#'))
            return TOPIC_SEEK_HIT;
        have = level_at(topic, t);
        if (is_one(want, '+')) {
            walk.has_plus = true;
            walk.plus_end = t + have.len;
        } else if (!slice_equal(want, have)) {
            return literal_differs(&walk, t, have, want);
        }
        f += want.len + 1;
        t += have.len + 1;
        if (f > filter.len && t > topic.len)
            return TOPIC_SEEK_HIT;
        if (f > filter.len)
            return back(&walk, t);
        if (t > topic.len) {
            want = level_at(filter, f);
            if (is_one(want, '#'))
                return TOPIC_SEEK_HIT; /* "a/#" matches "a" */
            /* Topics below this one come next; a literal says how far below. */
            seek_set(seek, topic, 0, is_one(want, '+') ? slice_of(NULL, 0) : want);
            return seek_or_next(seek, key);
        }
    }
}
