/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes around a call's body; the layout is drawn in call_frame.h. Nothing else. */
#include "common/call_frame.h"

#include "common/buf.h"
#include "common/cursor.h"

#include <string.h>

void
call_frame_encode_request(const struct call_frame *frame, uint8_t out[CALL_FRAME_REQUEST_LEN])
{
    memset(out, 0, CALL_FRAME_REQUEST_LEN);
    buf_store_u16(out, CALL_FRAME_MAGIC);
    out[2] = frame->kind;
    buf_store_u16(out + 4, frame->method);
    buf_store_u64(out + 8, frame->caller);
    buf_store_u64(out + 16, frame->callee);
    memcpy(out + 24, frame->token, FEED_FRAME_TOKEN_LEN);
}

enum err
call_frame_decode_request(struct slice bytes, struct call_frame *out)
{
    struct call_frame f = {0};
    struct cursor c = cursor_of(bytes);
    uint16_t magic = cursor_u16(&c);
    struct slice token;

    if (c.err == OK && magic != CALL_FRAME_MAGIC)
        return ERR_VERSION;
    f.kind = cursor_u8(&c);
    (void)cursor_u8(&c);
    f.method = cursor_u16(&c);
    (void)cursor_u16(&c);
    f.caller = cursor_u64(&c);
    f.callee = cursor_u64(&c);
    token = cursor_bytes(&c, FEED_FRAME_TOKEN_LEN);
    f.body = cursor_rest(&c);
    if (c.err != OK)
        return c.err;
    memcpy(f.token, token.data, FEED_FRAME_TOKEN_LEN);
    *out = f;
    return OK;
}

void
call_frame_encode_reply(enum err result, uint8_t out[CALL_FRAME_REPLY_LEN])
{
    buf_store_u16(out, CALL_FRAME_MAGIC);
    buf_store_u16(out + 2, (uint16_t)result);
}

enum err
call_frame_decode_reply(struct slice bytes, enum err *result, struct slice *body)
{
    struct cursor c = cursor_of(bytes);
    uint16_t magic = cursor_u16(&c);
    uint16_t code = cursor_u16(&c);
    if (c.err != OK)
        return c.err;
    if (magic != CALL_FRAME_MAGIC)
        return ERR_VERSION;
    *result = err_from_wire(code);
    *body = cursor_rest(&c);
    return OK;
}
