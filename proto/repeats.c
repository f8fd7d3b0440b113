/* SPDX-License-Identifier: Apache-2.0 */
/* See repeats.h. Straight reads with one strict end check each. */
#include "proto/repeats.h"

#include "common/buf.h"
#include "common/cursor.h"
#include "proto/feed_records.h"
#include "proto/topic.h"

enum err
repeats_again_decode(struct slice body, struct repeats_again *out)
{
    struct cursor c = cursor_of(body);
    struct repeats_again r = {.attempt = cursor_u64(&c)};
    r.age_ms = cursor_u64(&c);
    r.type = cursor_u8(&c);
    r.body = cursor_rest(&c);
    if (cursor_end(&c) != OK || (r.type != FEED_PUBLISH && r.type != FEED_SHARED_RETURN))
        return ERR_MALFORMED;
    *out = r;
    return OK;
}

size_t
repeats_again_encode(const struct repeats_again *again, uint8_t *out)
{
    buf_store_u64(out, again->attempt);
    buf_store_u64(out + 8, again->age_ms);
    out[16] = again->type;
    return REPEATS_AGAIN_BYTES;
}

enum err
repeats_ask_decode(struct slice body, struct repeats_ask *out)
{
    struct cursor c = cursor_of(body);
    struct repeats_ask r = {.id = cursor_u64(&c)};
    struct slice group, filter;
    r.origin = cursor_u64(&c);
    r.token = cursor_u64(&c);
    r.floor = cursor_u64(&c);
    r.attempt = cursor_u64(&c);
    r.share = cursor_rest(&c);
    if (cursor_end(&c) != OK || r.token == 0 || !topic_filter_is_valid(r.share) ||
        topic_share_parse(r.share, &group, &filter) != TOPIC_SHARE_VALID)
        return ERR_MALFORMED;
    *out = r;
    return OK;
}

size_t
repeats_ask_encode(const struct repeats_ask *ask, uint8_t *out)
{
    buf_store_u64(out, ask->id);
    buf_store_u64(out + 8, ask->origin);
    buf_store_u64(out + 16, ask->token);
    buf_store_u64(out + 24, ask->floor);
    buf_store_u64(out + 32, ask->attempt);
    return REPEATS_ASK_BYTES;
}

enum err
repeats_answer_decode(struct slice body, uint64_t *id, enum repeats_verdict *verdict)
{
    struct cursor c = cursor_of(body);
    uint64_t number = cursor_u64(&c);
    uint8_t value = cursor_u8(&c);
    if (cursor_end(&c) != OK || value > REPEATS_PASSED)
        return ERR_MALFORMED;
    *id = number;
    *verdict = (enum repeats_verdict)value;
    return OK;
}

size_t
repeats_answer_encode(uint64_t id, enum repeats_verdict verdict, uint8_t *out)
{
    buf_store_u64(out, id);
    out[8] = (uint8_t)verdict;
    return REPEATS_ANSWER_BYTES;
}

enum err
repeats_taken_decode(struct slice body, uint64_t *number, uint8_t *flags)
{
    struct cursor c = cursor_of(body);
    uint64_t value = cursor_u64(&c);
    uint8_t bits = cursor_u8(&c);
    if (cursor_end(&c) != OK)
        return ERR_MALFORMED;
    *number = value;
    *flags = bits;
    return OK;
}

size_t
repeats_taken_encode(uint64_t number, uint8_t flags, uint8_t *out)
{
    buf_store_u64(out, number);
    out[8] = flags;
    return REPEATS_TAKEN_BYTES;
}
