/* SPDX-License-Identifier: Apache-2.0 */
/* The bodies of the small records. Straight reads with one strict end check each. */
#include "proto/records.h"

#include "common/buf.h"
#include "common/cursor.h"
#include "proto/limits.h"
#include "proto/publish_record.h"
#include "proto/topic.h"
#include <assert.h>

enum { MEMBERS_MAX = 0xFFFFFF };

static bool
is_share(struct slice filter)
{
    struct slice group, inner;
    return topic_share_parse(filter, &group, &inner) == TOPIC_SHARE_VALID;
}

enum err
records_route_add_decode(struct slice body, struct records_route_add *out)
{
    struct cursor c = cursor_of(body);
    struct records_route_add r;
    r.ticket = cursor_u64(&c);
    r.flags = cursor_u8(&c);
    r.members = (r.flags & ROUTE_SHARED) != 0 ? cursor_u32(&c) : 0;
    r.members_qos0 = (r.flags & ROUTE_SHARED) != 0 ? cursor_u32(&c) : 0;
    r.filter = cursor_rest(&c);
    if (cursor_end(&c) != OK || !topic_filter_is_valid(r.filter) ||
        is_share(r.filter) != ((r.flags & ROUTE_SHARED) != 0) || r.members > MEMBERS_MAX ||
        r.members_qos0 > MEMBERS_MAX)
        return ERR_MALFORMED;
    *out = r;
    return OK;
}

size_t
records_route_add_encode(uint64_t ticket, uint64_t wants, uint8_t *out)
{
    buf_store_u64(out, ticket);
    out[8] = (uint8_t)wants;
    if ((wants & ROUTE_SHARED) == 0)
        return 9;
    buf_store_u32(out + 9, (uint32_t)(wants >> 8) & MEMBERS_MAX);
    buf_store_u32(out + 13, (uint32_t)(wants >> 32) & MEMBERS_MAX);
    return RECORDS_ROUTE_ADD_BYTES;
}

uint64_t
records_route_shared(uint8_t flags, uint32_t members, uint32_t members_qos0)
{
    uint64_t high = members_qos0 < MEMBERS_MAX ? members_qos0 : MEMBERS_MAX;
    uint64_t low = members < MEMBERS_MAX ? members : MEMBERS_MAX;
    return high << 32 | low << 8 | flags | ROUTE_SHARED;
}

/* The share text and the record behind the head of a shared record. */
static enum err
shared_tail(struct cursor *c, struct records_shared *r, struct records_shared *out)
{
    r->share = cursor_bytes16(c);
    r->record = cursor_rest(c);
    if (cursor_end(c) != OK || !topic_filter_is_valid(r->share) || !is_share(r->share) ||
        r->record.len < PUBLISH_RECORD_FIXED)
        return ERR_MALFORMED;
    *out = *r;
    return OK;
}

enum err
records_shared_publish_decode(struct slice body, struct records_shared *out)
{
    struct cursor c = cursor_of(body);
    struct records_shared r = {0};
    r.number = cursor_u64(&c);
    r.flags = cursor_u8(&c);
    r.hops = r.flags & ~SHARED_ASKED & 0xFF;
    r.flags &= SHARED_ASKED;
    r.pick = cursor_u32(&c);
    return shared_tail(&c, &r, out);
}

size_t
records_shared_publish_encode(const struct records_shared *shared, uint8_t *out)
{
    buf_store_u64(out, shared->number);
    out[8] = (uint8_t)(shared->hops | (shared->flags & SHARED_ASKED));
    buf_store_u32(out + 9, shared->pick);
    buf_store_u16(out + 13, (uint16_t)shared->share.len);
    return RECORDS_SHARED_PUBLISH_BYTES;
}

enum err
records_shared_return_decode(struct slice body, struct records_shared *out)
{
    struct cursor c = cursor_of(body);
    struct records_shared r = {0};
    r.number = cursor_u64(&c);
    r.hops = cursor_u8(&c);
    r.flags = cursor_u8(&c);
    return shared_tail(&c, &r, out);
}

size_t
records_shared_return_encode(const struct records_shared *shared, uint8_t *out)
{
    buf_store_u64(out, shared->number);
    out[8] = shared->hops;
    out[9] = shared->flags;
    buf_store_u16(out + 10, (uint16_t)shared->share.len);
    return RECORDS_SHARED_RETURN_BYTES;
}

enum err
records_shared_others_decode(struct slice body, bool *others, struct slice *share)
{
    struct cursor c = cursor_of(body);
    uint8_t flag = cursor_u8(&c);
    struct slice text = cursor_rest(&c);
    if (cursor_end(&c) != OK || flag > 1 || !topic_filter_is_valid(text) || !is_share(text))
        return ERR_MALFORMED;
    *others = flag == 1;
    *share = text;
    return OK;
}

size_t
records_shared_others_encode(bool others, uint8_t *out)
{
    out[0] = others ? 1 : 0;
    return RECORDS_SHARED_OTHERS_BYTES;
}

enum err
records_filter_decode(struct slice body, struct slice *filter)
{
    if (!topic_filter_is_valid(body))
        return ERR_MALFORMED;
    *filter = body;
    return OK;
}

enum err
records_number_decode(struct slice body, uint64_t *out)
{
    if (body.len != RECORDS_NUMBER_BYTES)
        return ERR_MALFORMED;
    *out = cursor_load_u64(body.data);
    return OK;
}

size_t
records_number_encode(uint64_t number, uint8_t *out)
{
    buf_store_u64(out, number);
    return RECORDS_NUMBER_BYTES;
}

enum err
records_digest_decode(struct slice body, struct records_digest *out)
{
    struct cursor c = cursor_of(body);
    struct records_digest r;
    r.version = cursor_u64(&c);
    r.filter = cursor_rest(&c);
    if (cursor_end(&c) != OK || !topic_filter_is_valid(r.filter))
        return ERR_MALFORMED;
    *out = r;
    return OK;
}

size_t
records_digest_encode(uint64_t version, uint8_t *out)
{
    return records_number_encode(version, out);
}

static enum err
count_items(struct slice body, size_t item, size_t *count)
{
    if (body.len == 0 || body.len % item != 0)
        return ERR_MALFORMED;
    *count = body.len / item;
    return OK;
}

enum err
records_token_done_count(struct slice body, size_t *count)
{
    return count_items(body, RECORDS_TOKEN_DONE_BYTES, count);
}

void
records_token_done_get(struct slice body, size_t index, uint64_t *token, uint8_t *flags)
{
    const uint8_t *at = body.data + index * RECORDS_TOKEN_DONE_BYTES;
    assert((index + 1) * RECORDS_TOKEN_DONE_BYTES <= body.len);
    *token = cursor_load_u64(at);
    *flags = at[8];
}

size_t
records_token_done_encode(uint64_t token, uint8_t flags, uint8_t *out)
{
    buf_store_u64(out, token);
    out[8] = flags;
    return RECORDS_TOKEN_DONE_BYTES;
}

enum err
records_route_done_count(struct slice body, size_t *count)
{
    return count_items(body, RECORDS_ROUTE_DONE_BYTES, count);
}

uint64_t
records_route_done_get(struct slice body, size_t index)
{
    assert((index + 1) * RECORDS_ROUTE_DONE_BYTES <= body.len);
    return cursor_load_u64(body.data + index * RECORDS_ROUTE_DONE_BYTES);
}

enum err
records_counters_decode(struct slice body, struct records_counters *out)
{
    struct cursor c = cursor_of(body);
    struct records_counters r = {.incarnation = cursor_u64(&c)};
    r.flags = cursor_u8(&c);
    while (cursor_left(&c) != 0) {
        uint8_t counter = cursor_u8(&c);
        uint64_t value = cursor_u64(&c);
        if (counter < FEED_COUNTER_MAX)
            r.values[counter] = value;
    }
    if (cursor_end(&c) != OK)
        return ERR_MALFORMED;
    *out = r;
    return OK;
}

size_t
records_counters_encode(const struct records_counters *record, uint8_t *out)
{
    size_t at = 9;
    unsigned i;
    buf_store_u64(out, record->incarnation);
    out[8] = record->flags;
    for (i = 0; i < FEED_COUNTER_MAX; i++) {
        if (record->values[i] == 0)
            continue;
        out[at] = (uint8_t)i;
        buf_store_u64(out + at + 1, record->values[i]);
        at += 9;
    }
    return at;
}

enum err
records_load_decode(struct slice body, struct records_load *out)
{
    if (body.len != RECORDS_LOAD_BYTES)
        return ERR_MALFORMED;
    out->gateways = cursor_load_u32(body.data);
    out->clients = cursor_load_u64(body.data + 4);
    return OK;
}

size_t
records_load_encode(const struct records_load *load, uint8_t *out)
{
    buf_store_u32(out, load->gateways);
    buf_store_u64(out + 4, load->clients);
    return RECORDS_LOAD_BYTES;
}

enum err
records_session_ready_decode(struct slice body, struct records_session_ready *out)
{
    if (body.len != RECORDS_SESSION_READY_BYTES)
        return ERR_MALFORMED;
    out->session = cursor_load_u64(body.data);
    out->epoch = cursor_load_u64(body.data + 8);
    out->conn = cursor_load_u64(body.data + 16);
    out->after = cursor_load_u64(body.data + 24);
    return OK;
}

size_t
records_session_ready_encode(const struct records_session_ready *record, uint8_t *out)
{
    buf_store_u64(out, record->session);
    buf_store_u64(out + 8, record->epoch);
    buf_store_u64(out + 16, record->conn);
    buf_store_u64(out + 24, record->after);
    return RECORDS_SESSION_READY_BYTES;
}

enum err
records_session_close_decode(struct slice body, struct records_session_close *out)
{
    if (body.len != RECORDS_SESSION_CLOSE_BYTES)
        return ERR_MALFORMED;
    out->session = cursor_load_u64(body.data);
    out->epoch = cursor_load_u64(body.data + 8);
    out->flags = body.data[16];
    out->expiry_s = cursor_load_u32(body.data + 17);
    return OK;
}

size_t
records_session_close_encode(const struct records_session_close *record, uint8_t *out)
{
    buf_store_u64(out, record->session);
    buf_store_u64(out + 8, record->epoch);
    out[16] = record->flags;
    buf_store_u32(out + 17, record->expiry_s);
    return RECORDS_SESSION_CLOSE_BYTES;
}

enum err
records_queue_decode(struct slice body, struct records_queue *out)
{
    if (body.len != RECORDS_QUEUE_BYTES)
        return ERR_MALFORMED;
    out->session = cursor_load_u64(body.data);
    out->epoch = cursor_load_u64(body.data + 8);
    out->seq = cursor_load_u64(body.data + 16);
    return OK;
}

size_t
records_queue_encode(const struct records_queue *record, uint8_t *out)
{
    buf_store_u64(out, record->session);
    buf_store_u64(out + 8, record->epoch);
    buf_store_u64(out + 16, record->seq);
    return RECORDS_QUEUE_BYTES;
}

enum err
records_inbound_publish_decode(struct slice body, struct records_inbound *out)
{
    struct cursor c = cursor_of(body);
    struct records_inbound r;
    r.session = cursor_u64(&c);
    r.epoch = cursor_u64(&c);
    r.packet_id = cursor_u16(&c);
    r.record = cursor_rest(&c);
    if (cursor_end(&c) != OK || r.packet_id == 0 || r.record.len < PUBLISH_RECORD_FIXED)
        return ERR_MALFORMED;
    *out = r;
    return OK;
}

enum err
records_inbound_release_decode(struct slice body, struct records_inbound *out)
{
    struct cursor c = cursor_of(body);
    struct records_inbound r;
    r.session = cursor_u64(&c);
    r.epoch = cursor_u64(&c);
    r.packet_id = cursor_u16(&c);
    r.record = slice_of(NULL, 0);
    if (cursor_end(&c) != OK || r.packet_id == 0)
        return ERR_MALFORMED;
    *out = r;
    return OK;
}

size_t
records_inbound_encode(const struct records_inbound *record, uint8_t *out)
{
    buf_store_u64(out, record->session);
    buf_store_u64(out + 8, record->epoch);
    buf_store_u16(out + 16, record->packet_id);
    return RECORDS_INBOUND_BYTES;
}

/* They go into packets, which have four bytes for each: what is larger would not fit the room that
 * is reckoned for it. */
static bool
identifiers_are_valid(const uint8_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t id = cursor_load_u32(ids + i * 4);
        if (id == 0 || id > LIMITS_SUBSCRIPTION_ID)
            return false;
    }
    return true;
}

enum err
records_deliver_decode(struct slice body, struct records_deliver *out)
{
    struct cursor c = cursor_of(body);
    struct records_deliver r;
    const uint8_t *from;
    uint16_t i;
    r.count = cursor_u16(&c);
    from = c.pos;
    for (i = 0; i < r.count && c.err == OK; i++) {
        const uint8_t *target = cursor_skip(&c, RECORDS_TARGET_BYTES);
        if (target == NULL)
            break;
        const uint8_t *ids = cursor_skip(&c, (size_t)target[17] * 4);
        if ((target[16] & DELIVER_QOS_MASK) == 3 || ids == NULL ||
            !identifiers_are_valid(ids, target[17]))
            cursor_fail(&c, ERR_MALFORMED);
    }
    r.targets = slice_of(from, (size_t)(c.pos - from));
    r.record = cursor_rest(&c);
    if (cursor_end(&c) != OK || r.count == 0 || r.record.len < PUBLISH_RECORD_FIXED)
        return ERR_MALFORMED;
    *out = r;
    return OK;
}

bool
records_target_next(struct slice *targets, struct records_target *out)
{
    const uint8_t *at = targets->data;
    size_t len;
    if (targets->len == 0)
        return false;
    assert(targets->len >= RECORDS_TARGET_BYTES);
    len = RECORDS_TARGET_BYTES + (size_t)at[17] * 4;
    assert(len <= targets->len);
    out->conn = cursor_load_u64(at);
    out->seq = cursor_load_u64(at + 8);
    out->flags = at[16];
    out->id_count = at[17];
    out->ids = at + RECORDS_TARGET_BYTES;
    *targets = slice_of(at + len, targets->len - len);
    return true;
}

uint32_t
records_target_id(const struct records_target *target, uint8_t index)
{
    assert(index < target->id_count);
    return cursor_load_u32(target->ids + (size_t)index * 4);
}

size_t
records_deliver_encode(uint16_t count, uint8_t *out)
{
    buf_store_u16(out, count);
    return RECORDS_DELIVER_BYTES;
}

size_t
records_target_encode(uint64_t conn, uint64_t seq, uint8_t flags, const uint32_t *ids,
                      uint8_t id_count, uint8_t *out)
{
    uint8_t i;
    buf_store_u64(out, conn);
    buf_store_u64(out + 8, seq);
    out[16] = flags;
    out[17] = id_count;
    for (i = 0; i < id_count; i++)
        buf_store_u32(out + RECORDS_TARGET_BYTES + (size_t)i * 4, ids[i]);
    return RECORDS_TARGET_BYTES + (size_t)id_count * 4;
}

enum err
records_queue_recorded_decode(struct slice body, uint64_t *conn, uint64_t *seq)
{
    if (body.len != RECORDS_QUEUE_RECORDED_BYTES)
        return ERR_MALFORMED;
    *conn = cursor_load_u64(body.data);
    *seq = cursor_load_u64(body.data + 8);
    return OK;
}

size_t
records_queue_recorded_encode(uint64_t conn, uint64_t seq, uint8_t *out)
{
    buf_store_u64(out, conn);
    buf_store_u64(out + 8, seq);
    return RECORDS_QUEUE_RECORDED_BYTES;
}

enum err
records_inbound_done_decode(struct slice body, uint64_t *conn, uint16_t *packet_id, uint8_t *reason)
{
    if (body.len != RECORDS_INBOUND_DONE_BYTES || cursor_load_u16(body.data + 8) == 0)
        return ERR_MALFORMED;
    *conn = cursor_load_u64(body.data);
    *packet_id = cursor_load_u16(body.data + 8);
    *reason = body.data[10];
    return OK;
}

size_t
records_inbound_done_encode(uint64_t conn, uint16_t packet_id, uint8_t reason, uint8_t *out)
{
    buf_store_u64(out, conn);
    buf_store_u16(out + 8, packet_id);
    out[10] = reason;
    return RECORDS_INBOUND_DONE_BYTES;
}

enum err
records_inbound_released_decode(struct slice body, uint64_t *conn, uint16_t *packet_id)
{
    if (body.len != RECORDS_INBOUND_RELEASED_BYTES || cursor_load_u16(body.data + 8) == 0)
        return ERR_MALFORMED;
    *conn = cursor_load_u64(body.data);
    *packet_id = cursor_load_u16(body.data + 8);
    return OK;
}

size_t
records_inbound_released_encode(uint64_t conn, uint16_t packet_id, uint8_t *out)
{
    buf_store_u64(out, conn);
    buf_store_u16(out + 8, packet_id);
    return RECORDS_INBOUND_RELEASED_BYTES;
}

enum err
records_session_kick_decode(struct slice body, struct records_session_kick *out)
{
    if (body.len != RECORDS_SESSION_KICK_BYTES)
        return ERR_MALFORMED;
    out->conn = cursor_load_u64(body.data);
    out->session = cursor_load_u64(body.data + 8);
    out->epoch = cursor_load_u64(body.data + 16);
    out->reason = body.data[24];
    return OK;
}

size_t
records_session_kick_encode(const struct records_session_kick *record, uint8_t *out)
{
    buf_store_u64(out, record->conn);
    buf_store_u64(out + 8, record->session);
    buf_store_u64(out + 16, record->epoch);
    out[24] = record->reason;
    return RECORDS_SESSION_KICK_BYTES;
}
