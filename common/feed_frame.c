/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a frame; the layout is drawn in feed_frame.h. Nothing else. */
#include "common/feed_frame.h"

#include "common/buf.h"
#include "common/cursor.h"

#include <assert.h>
#include <string.h>

void
feed_frame_encode_header(const struct feed_frame *frame, uint8_t out[FEED_FRAME_HEADER_LEN])
{
    buf_store_u16(out, FEED_FRAME_MAGIC);
    buf_store_u16(out + 2, frame->flags);
    buf_store_u32(out + 4, frame->state);
    buf_store_u64(out + 8, frame->sender);
    buf_store_u64(out + 16, frame->receiver);
    memcpy(out + 24, frame->token, FEED_FRAME_TOKEN_LEN);
    buf_store_u64(out + 40, frame->seq);
    buf_store_u64(out + 48, frame->received);
    buf_store_u64(out + 56, frame->done);
    buf_store_u32(out + 64, frame->stamp);
    buf_store_u32(out + 68, frame->echo);
}

void
feed_frame_put_record_header(uint8_t out[FEED_FRAME_RECORD_OVERHEAD], uint8_t type, size_t body_len)
{
    assert(body_len < UINT32_MAX);
    buf_store_u32(out, (uint32_t)body_len + 1);
    out[4] = type;
}

static enum err
check_records(struct slice records, size_t max_record)
{
    const uint8_t *pos = records.data;
    size_t left = records.len;
    while (left > 0) {
        size_t len;
        if (FEED_FRAME_RECORD_OVERHEAD > left)
            return ERR_MALFORMED;
        len = cursor_load_u32(pos);
        if (len == 0 || len > left - 4)
            return ERR_MALFORMED;
        if (len - 1 > max_record)
            return ERR_TOO_LARGE;
        pos += 4 + len;
        left -= 4 + len;
    }
    return OK;
}

enum err
feed_frame_decode(struct slice bytes, size_t max_record, struct feed_frame *out)
{
    struct feed_frame frame = {0};
    struct cursor c = cursor_of(bytes);
    uint16_t magic = cursor_u16(&c);
    struct slice token;
    enum err err;

    if (c.err == OK && magic != FEED_FRAME_MAGIC)
        return ERR_VERSION;
    frame.flags = cursor_u16(&c);
    frame.state = cursor_u32(&c);
    frame.sender = cursor_u64(&c);
    frame.receiver = cursor_u64(&c);
    token = cursor_bytes(&c, FEED_FRAME_TOKEN_LEN);
    frame.seq = cursor_u64(&c);
    frame.received = cursor_u64(&c);
    frame.done = cursor_u64(&c);
    frame.stamp = cursor_u32(&c);
    frame.echo = cursor_u32(&c);
    frame.records = cursor_rest(&c);
    if (c.err != OK)
        return c.err;
    memcpy(frame.token, token.data, FEED_FRAME_TOKEN_LEN);
    if ((frame.seq == 0) != (frame.records.len == 0))
        return ERR_MALFORMED;
    err = check_records(frame.records, max_record);
    if (err == OK)
        *out = frame;
    return err;
}

bool
feed_frame_next(struct slice *records, uint8_t *type, struct slice *body)
{
    size_t len;
    if (FEED_FRAME_RECORD_OVERHEAD > records->len)
        return false;
    len = cursor_load_u32(records->data);
    if (len == 0 || len > records->len - 4)
        return false;
    *type = records->data[4];
    *body = slice_of(records->data + FEED_FRAME_RECORD_OVERHEAD, len - 1);
    records->data += 4 + len;
    records->len -= 4 + len;
    return true;
}
