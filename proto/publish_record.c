/* SPDX-License-Identifier: Apache-2.0 */
/* The PUBLISH record's bytes. Does not route, number or expire anything. */
#include "proto/publish_record.h"

#include "common/buf.h"
#include "common/cursor.h"
#include "proto/topic.h"
#include <assert.h>

enum { FLAGS_QOS = 3, FLAGS_RETAIN = 1 << 2 };

enum err
publish_record_decode(struct slice bytes, struct publish_record *out)
{
    struct cursor c = cursor_of(bytes);
    struct publish_record r;
    uint8_t flags;
    r.origin = cursor_u64(&c);
    r.token = cursor_u64(&c);
    r.floor = cursor_u64(&c);
    r.expiry_ms = cursor_u64(&c);
    r.publisher = cursor_u64(&c);
    flags = cursor_u8(&c);
    r.topic = cursor_bytes16(&c);
    r.properties = cursor_bytes32(&c);
    r.payload = cursor_rest(&c);
    if (cursor_end(&c) != OK)
        return ERR_MALFORMED;
    /* Bits that a newer version may define are let through: records are forwarded as they are. */
    r.qos = flags & FLAGS_QOS;
    r.retain = (flags & FLAGS_RETAIN) != 0;
    if (r.qos > 2 || !topic_name_is_valid(r.topic))
        return ERR_MALFORMED;
    *out = r;
    return OK;
}

size_t
publish_record_size(const struct publish_record *record)
{
    return PUBLISH_RECORD_FIXED + record->topic.len + record->properties.len + record->payload.len;
}

size_t
publish_record_encode_head(const struct publish_record *record, uint8_t *out)
{
    size_t at = 41;
    assert(record->topic.len <= UINT16_MAX && record->properties.len <= UINT32_MAX);
    buf_store_u64(out, record->origin);
    buf_store_u64(out + 8, record->token);
    buf_store_u64(out + 16, record->floor);
    buf_store_u64(out + 24, record->expiry_ms);
    buf_store_u64(out + 32, record->publisher);
    out[40] = (uint8_t)((record->qos & FLAGS_QOS) | (record->retain ? FLAGS_RETAIN : 0));
    buf_store_u16(out + at, (uint16_t)record->topic.len);
    at += 2;
    if (record->topic.len != 0)
        memcpy(out + at, record->topic.data, record->topic.len);
    at += record->topic.len;
    buf_store_u32(out + at, (uint32_t)record->properties.len);
    at += 4;
    if (record->properties.len != 0)
        memcpy(out + at, record->properties.data, record->properties.len);
    return at + record->properties.len;
}

void
publish_record_set_numbers(uint8_t *bytes, uint64_t origin, uint64_t token, uint64_t floor)
{
    buf_store_u64(bytes, origin);
    buf_store_u64(bytes + 8, token);
    buf_store_u64(bytes + 16, floor);
}
