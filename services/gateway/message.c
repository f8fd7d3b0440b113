/* SPDX-License-Identifier: Apache-2.0 */
/* See message.h. Plain allocations: the local path of small messages makes none at all. */
#include "services/gateway/message.h"

#include <string.h>

#include "common/mem.h"

static struct message *
allocate(const struct publish_record *record, size_t len)
{
    struct message *message = mem_alloc(sizeof(*message) + len);
    atomic_init(&message->refs, 1);
    message->len = (uint32_t)len;
    message->properties_len = (uint32_t)record->properties.len;
    message->payload_len = (uint32_t)record->payload.len;
    message->expiry_ms = record->expiry_ms;
    message->publisher = record->publisher;
    message->topic_len = (uint16_t)record->topic.len;
    message->qos = record->qos;
    message->retain = record->retain;
    return message;
}

struct message *
message_new(const struct publish_record *record)
{
    size_t len = publish_record_size(record);
    struct message *message = allocate(record, len);
    size_t head = publish_record_encode_head(record, message->bytes);
    if (record->payload.len > 0)
        memcpy(message->bytes + head, record->payload.data, record->payload.len);
    return message;
}

enum err
message_from_record(struct slice bytes, struct message **out)
{
    struct publish_record record;
    enum err err = publish_record_decode(bytes, &record);
    if (err != OK)
        return err;
    struct message *message = allocate(&record, bytes.len);
    memcpy(message->bytes, bytes.data, bytes.len);
    *out = message;
    return OK;
}

struct message *
message_ref(struct message *message)
{
    atomic_fetch_add_explicit(&message->refs, 1, memory_order_relaxed);
    return message;
}

void
message_unref(struct message *message)
{
    if (message == NULL)
        return;
    /* The last one needs no locked operation: nobody else can add to it. */
    if (atomic_load_explicit(&message->refs, memory_order_acquire) == 1 ||
        atomic_fetch_sub_explicit(&message->refs, 1, memory_order_acq_rel) == 1)
        mem_free(message);
}
