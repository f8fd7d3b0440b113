/* SPDX-License-Identifier: Apache-2.0 */
/* A batch as the arguments of the script that applies it (driver_redis_scripts_apply.c): a letter
 * for the change, then its fields. Small letters put, capital ones remove. */
#include "services/store/driver_redis_inner.h"

#include "proto/feed_records.h"
#include "services/store/topic_seek.h"

#include <stdio.h>

/* The message that appends refer to. */
struct message {
    struct slice record;
    bool is_shared; /* lies in a key of its own */
};

static void
letter(struct driver_redis *d, char c)
{
    driver_redis_command_add(&d->command, slice_of(&c, 1));
}

static void
encode_session(struct driver_redis *d, const struct driver_session *s)
{
    struct driver_redis_command *c = &d->command;
    letter(d, 's');
    driver_redis_command_hex(c, s->session);
    driver_redis_command_u64(c, s->epoch);
    driver_redis_command_u64(c, s->owner);
    driver_redis_command_u64(c, s->conn);
    driver_redis_command_u64(c, s->created_ms);
    driver_redis_command_u64(c, s->disconnected_ms);
    driver_redis_command_u64(c, s->seq_limit);
    driver_redis_command_u64(c, s->expiry_s);
    driver_redis_command_u64(c, s->receive_maximum);
    driver_redis_command_u64(c, s->version);
    driver_redis_command_add(c, s->client_id);
    driver_redis_command_add(c, s->user);
    driver_redis_command_add(c, s->extra);
}

/* Options are the score: identifier * 64 + qos * 16 + no_local * 8 + retain_as_published * 4 +
 * retain_handling. */
static void
encode_subscription(struct driver_redis *d, const struct driver_subscription *s)
{
    uint64_t options = (uint64_t)s->identifier * 64 + (s->qos & 3u) * 16u +
                       (s->no_local ? 8u : 0u) + (s->retain_as_published ? 4u : 0u) +
                       (s->retain_handling & 3u);
    letter(d, 'f');
    driver_redis_command_hex(&d->command, s->session);
    driver_redis_command_u64(&d->command, options);
    driver_redis_command_add(&d->command, s->filter);
}

static void
encode_message(struct driver_redis *d, const struct batch_op *op, struct message *message)
{
    message->record = op->value;
    message->is_shared = op->count > 1 || op->value.len > DRIVER_REDIS_INLINE;
    if (op->count == 0 || !message->is_shared)
        return;
    letter(d, 'm');
    driver_redis_command_u64(&d->command, op->count);
    driver_redis_command_add(&d->command, op->value);
}

/* What stands behind sequence and body in an entry: flags, length, number of identifiers,
 * identifiers, record (if it is not shared). */
static void
encode_append(struct driver_redis *d, const struct batch_op *op, const struct message *message)
{
    struct driver_redis_command *c = &d->command;
    char head[16];
    size_t inside = message->is_shared ? 0 : message->record.len;
    uint32_t i;
    letter(d, message->is_shared ? 'Q' : 'q');
    driver_redis_command_hex(c, op->number);
    driver_redis_command_hex(c, op->seq);
    (void)snprintf(head, sizeof(head), "%02x %08x %02x ", op->flags, (unsigned)message->record.len,
                   (unsigned)(op->count & 0xff));
    driver_redis_command_begin(c, 15 + (size_t)8 * op->count + inside);
    buf_append(&c->body, head, 15);
    for (i = 0; i < op->count; i++) {
        char id[9];
        crypt_hex(op->ids + (size_t)4 * i, 4, id);
        buf_append(&c->body, id, 8);
    }
    if (inside != 0)
        buf_append_slice(&c->body, message->record);
    driver_redis_command_end(c);
}

static void
encode_retained_put(struct driver_redis *d, const struct batch_op *op)
{
    struct driver_redis_command *c = &d->command;
    uint8_t head[DRIVER_REDIS_ROW_HEAD];
    struct topic_seek_key key;
    topic_seek_key_of(op->text, &key);
    buf_store_u64(head, op->time_ms);
    buf_store_u16(head + 8, (uint16_t)op->text.len);
    letter(d, 'k');
    driver_redis_command_add(c, slice_of(key.bytes, key.len));
    driver_redis_command_begin(c, sizeof(head) + op->text.len + op->value.len);
    buf_append(&c->body, head, sizeof(head));
    buf_append_slice(&c->body, op->text);
    buf_append_slice(&c->body, op->value);
    driver_redis_command_end(c);
    driver_redis_command_begin(c, op->time_ms != 0 ? 8 + key.len : 0);
    if (op->time_ms != 0) {
        buf_append(&c->body, head, 8);
        buf_append(&c->body, key.bytes, key.len);
    }
    driver_redis_command_end(c);
    driver_redis_command_u64(c, op->value.len);
}

static void
encode_user(struct driver_redis *d, const struct driver_user *user)
{
    letter(d, 'u');
    driver_redis_command_add(&d->command, user->name);
    driver_redis_command_add(&d->command, user->password);
    driver_redis_command_add(&d->command, user->roles);
    driver_redis_command_add(&d->command, user->rules);
    driver_redis_command_u64(&d->command, user->changed_ms);
}

static void
encode_retained_delete(struct driver_redis *d, const struct batch_op *op)
{
    struct topic_seek_key key;
    topic_seek_key_of(op->text, &key);
    letter(d, 'K');
    driver_redis_command_add(&d->command, slice_of(key.bytes, key.len));
}

/* What puts something; false when it is none of those. */
static bool
encode_put(struct driver_redis *d, const struct batch_op *op, struct message *message)
{
    struct driver_redis_command *c = &d->command;
    switch (op->kind) {
    case BATCH_META_PUT:
        letter(d, 'p');
        driver_redis_command_add(c, op->text);
        driver_redis_command_add(c, op->value);
        return true;
    case BATCH_SESSION_PUT:
        encode_session(d, &op->session);
        return true;
    case BATCH_SUBSCRIPTION_PUT:
        encode_subscription(d, &op->subscription);
        return true;
    case BATCH_MESSAGE:
        encode_message(d, op, message);
        return true;
    case BATCH_QUEUE_APPEND:
        encode_append(d, op, message);
        return true;
    case BATCH_INBOUND_PUT:
        letter(d, 'i');
        driver_redis_command_hex(c, op->number);
        driver_redis_command_u64(c, op->packet_id);
        driver_redis_command_u64(c, op->seq);
        return true;
    case BATCH_WILL_PUT:
        letter(d, 'w');
        driver_redis_command_hex(c, op->number);
        driver_redis_command_u64(c, op->time_ms);
        driver_redis_command_add(c, op->value);
        return true;
    case BATCH_OUTBOX_APPEND:
        letter(d, 'o');
        driver_redis_command_hex(c, op->seq);
        driver_redis_command_add(c, op->value);
        return true;
    case BATCH_TOKEN_SET_PUT:
        letter(d, 't');
        driver_redis_command_hex(c, op->number);
        driver_redis_command_add(c, op->value);
        return true;
    case BATCH_RETAINED_PUT:
        encode_retained_put(d, op);
        return true;
    case BATCH_USER_PUT:
        encode_user(d, &op->user);
        return true;
    case BATCH_ROW_PUT:
        letter(d, 'x');
        driver_redis_command_cstr(c, driver_redis_row_kind(op->row.kind));
        driver_redis_command_add(c, op->row.name);
        driver_redis_command_add(c, op->row.value);
        driver_redis_command_u64(c, op->row.time_ms);
        return true;
    default:
        return false;
    }
}

static void
encode_remove(struct driver_redis *d, const struct batch_op *op)
{
    struct driver_redis_command *c = &d->command;
    switch (op->kind) {
    case BATCH_SESSION_DELETE:
        letter(d, 'S');
        driver_redis_command_hex(c, op->number);
        break;
    case BATCH_SUBSCRIPTION_DELETE:
        letter(d, 'F');
        driver_redis_command_hex(c, op->number);
        driver_redis_command_add(c, op->text);
        break;
    case BATCH_QUEUE_REMOVE:
        letter(d, 'r');
        driver_redis_command_hex(c, op->number);
        driver_redis_command_hex(c, op->seq);
        break;
    case BATCH_QUEUE_MARK_REC:
        letter(d, 'R');
        driver_redis_command_hex(c, op->number);
        driver_redis_command_hex(c, op->seq);
        driver_redis_command_u64(c, DELIVER_REL);
        break;
    case BATCH_INBOUND_DELETE:
        letter(d, 'I');
        driver_redis_command_hex(c, op->number);
        driver_redis_command_u64(c, op->packet_id);
        break;
    case BATCH_WILL_DELETE:
        letter(d, 'W');
        driver_redis_command_hex(c, op->number);
        break;
    case BATCH_OUTBOX_REMOVE:
        letter(d, 'O');
        driver_redis_command_hex(c, op->seq);
        break;
    case BATCH_TOKEN_SET_DELETE:
        letter(d, 'T');
        driver_redis_command_hex(c, op->number);
        break;
    case BATCH_RETAINED_DELETE:
        encode_retained_delete(d, op);
        break;
    case BATCH_USER_DELETE:
        letter(d, 'U');
        driver_redis_command_add(c, op->text);
        break;
    default: /* BATCH_ROW_DELETE */
        letter(d, 'X');
        driver_redis_command_cstr(c, driver_redis_row_kind(op->flags));
        driver_redis_command_add(c, op->text);
        break;
    }
}

static bool
only_removes(const struct batch *batch)
{
    struct batch_op op;
    size_t pos = 0;
    while (batch_next(batch, &pos, &op)) {
        switch (op.kind) {
        case BATCH_SESSION_DELETE:
        case BATCH_SUBSCRIPTION_DELETE:
        case BATCH_QUEUE_REMOVE:
        case BATCH_QUEUE_MARK_REC:
        case BATCH_INBOUND_DELETE:
        case BATCH_WILL_DELETE:
        case BATCH_OUTBOX_REMOVE:
        case BATCH_TOKEN_SET_DELETE:
        case BATCH_RETAINED_DELETE:
        case BATCH_USER_DELETE:
        case BATCH_ROW_DELETE:
            break;
        default:
            return false;
        }
    }
    return true;
}

enum err
driver_redis_encode(struct driver_redis *d, const struct batch *batch,
                    enum driver_redis_script *script)
{
    struct message message = {.record = slice_of(NULL, 0)};
    struct batch_op op;
    size_t pos = 0;
    *script = only_removes(batch) ? DRIVER_REDIS_APPLY_FREE : DRIVER_REDIS_APPLY;
    driver_redis_begin(d, &d->command, *script);
    driver_redis_command_cstr(&d->command, d->all);
    driver_redis_command_cstr(&d->command, d->shard);
    driver_redis_command_cstr(&d->command, d->owner);
    driver_redis_command_u64(&d->command, batch->id);
    driver_redis_command_u64(&d->command, d->last_batch);
    while (batch_next(batch, &pos, &op)) {
        enum err err = driver_fault_step(&d->driver);
        if (err != OK)
            return err;
        if (!encode_put(d, &op, &message))
            encode_remove(d, &op);
    }
    return OK;
}
