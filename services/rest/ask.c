/* SPDX-License-Identifier: Apache-2.0 */
/* See ask.h. */
#include "services/rest/ask.h"

#include "common/mem.h"

#define REPLY_MAX ((size_t)16 << 20)

enum err
ask_program(struct upstream *upstream, enum upstream_kind kind, size_t index, uint16_t method,
            const ProtobufCMessage *message, const ProtobufCMessageDescriptor *expected,
            uint32_t deadline_ms, ProtobufCMessage **out)
{
    struct buf reply;
    size_t len = message != NULL ? protobuf_c_message_get_packed_size(message) : 0;
    uint8_t *packed = mem_alloc(len);
    if (message != NULL)
        protobuf_c_message_pack(message, packed);
    buf_init(&reply, REPLY_MAX);
    enum err err =
        upstream_ask(upstream, kind, index, method, slice_of(packed, len), deadline_ms, &reply);
    if (err == OK)
        err = buf_error(&reply);
    if (err == OK && expected != NULL) {
        struct slice body = buf_slice(&reply);
        *out = protobuf_c_message_unpack(expected, NULL, body.len, body.data);
        if (*out == NULL)
            err = ERR_INTERNAL;
    }
    buf_fini(&reply);
    mem_free_secret(packed, len); /* passwords travel here */
    return err;
}

enum err
ask_people(struct upstream *upstream, uint16_t method, const ProtobufCMessage *message,
           const ProtobufCMessageDescriptor *expected, ProtobufCMessage **out)
{
    return ask_program(upstream, UPSTREAM_STORE, 0, method, message, expected, 0, out);
}

void
ask_free(ProtobufCMessage *answer)
{
    if (answer != NULL)
        protobuf_c_message_free_unpacked(answer, NULL);
}
