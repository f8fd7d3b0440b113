/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding of changes into the arena and back. The layout never leaves the process, so it is chosen
 * for few bytes and straight code: a kind byte, then the fields of batch_op in a fixed order, texts
 * behind a u16 and values behind a u32 length. */
#include "services/store/batch.h"

#include "common/cursor.h"

#include <assert.h>

#define BATCH_ARENA_MAX ((size_t)1 << 31)

void
batch_init(struct batch *batch)
{
    *batch = (struct batch){0};
    buf_init(&batch->bytes, BATCH_ARENA_MAX);
}

void
batch_fini(struct batch *batch)
{
    buf_fini(&batch->bytes);
}

void
batch_reset(struct batch *batch, size_t keep)
{
    if (batch->bytes.size > keep)
        buf_fini(&batch->bytes);
    buf_reset(&batch->bytes);
    batch->id = 0;
    batch->op_count = 0;
    batch->message_at = 0;
    batch->has_message = false;
}

enum err
batch_error(const struct batch *batch)
{
    return buf_error(&batch->bytes);
}

static struct buf *
begin(struct batch *batch, enum batch_kind kind)
{
    batch->op_count++;
    buf_put_u8(&batch->bytes, (uint8_t)kind);
    return &batch->bytes;
}

static void
put_text(struct buf *bytes, struct slice text)
{
    assert(text.len <= BATCH_TEXT_MAX);
    buf_put_u16(bytes, (uint16_t)text.len);
    buf_append_slice(bytes, text);
}

static void
put_parts(struct buf *bytes, const struct slice *parts, size_t count)
{
    size_t len = 0;
    size_t i;
    for (i = 0; i < count; i++) {
        assert(parts[i].len <= BATCH_VALUE_MAX - len);
        len += parts[i].len;
    }
    buf_put_u32(bytes, (uint32_t)len);
    for (i = 0; i < count; i++)
        buf_append_slice(bytes, parts[i]);
}

void
batch_meta_put(struct batch *batch, const char *name, struct slice value)
{
    struct slice text = slice_cstr(name);
    struct buf *bytes = begin(batch, BATCH_META_PUT);
    assert(text.len > 0 && text.len <= 100);
    put_text(bytes, text);
    put_parts(bytes, &value, 1);
}

void
batch_session_put(struct batch *batch, const struct driver_session *session)
{
    struct buf *bytes = begin(batch, BATCH_SESSION_PUT);
    buf_put_u64(bytes, session->session);
    buf_put_u64(bytes, session->epoch);
    buf_put_u64(bytes, session->owner);
    buf_put_u64(bytes, session->conn);
    buf_put_u64(bytes, session->created_ms);
    buf_put_u64(bytes, session->disconnected_ms);
    buf_put_u64(bytes, session->seq_limit);
    buf_put_u32(bytes, session->expiry_s);
    buf_put_u32(bytes, session->receive_maximum);
    buf_put_u8(bytes, session->version);
    put_text(bytes, session->client_id);
    put_text(bytes, session->user);
    put_parts(bytes, &session->extra, 1);
}

void
batch_session_delete(struct batch *batch, uint64_t session)
{
    buf_put_u64(begin(batch, BATCH_SESSION_DELETE), session);
}

void
batch_subscription_put(struct batch *batch, const struct driver_subscription *subscription)
{
    struct buf *bytes = begin(batch, BATCH_SUBSCRIPTION_PUT);
    buf_put_u64(bytes, subscription->session);
    buf_put_u32(bytes, subscription->identifier);
    buf_put_u8(bytes, subscription->qos);
    buf_put_u8(bytes, subscription->no_local);
    buf_put_u8(bytes, subscription->retain_as_published);
    buf_put_u8(bytes, subscription->retain_handling);
    put_text(bytes, subscription->filter);
}

void
batch_subscription_delete(struct batch *batch, uint64_t session, struct slice filter)
{
    struct buf *bytes = begin(batch, BATCH_SUBSCRIPTION_DELETE);
    buf_put_u64(bytes, session);
    put_text(bytes, filter);
}

void
batch_message(struct batch *batch, const struct slice *parts, size_t part_count)
{
    struct buf *bytes = begin(batch, BATCH_MESSAGE);
    batch->message_at = buf_len(bytes);
    batch->has_message = true;
    buf_put_u32(bytes, 0);
    put_parts(bytes, parts, part_count);
}

void
batch_queue_append(struct batch *batch, uint64_t session, uint64_t seq, uint8_t flags,
                   const uint32_t *ids, size_t id_count)
{
    struct buf *bytes = begin(batch, BATCH_QUEUE_APPEND);
    size_t i;
    assert(batch->has_message && id_count <= BATCH_IDS_MAX);
    buf_put_u64(bytes, session);
    buf_put_u64(bytes, seq);
    buf_put_u8(bytes, flags);
    buf_put_u8(bytes, (uint8_t)id_count);
    for (i = 0; i < id_count; i++)
        buf_put_u32(bytes, ids[i]);
    /* The count of the message goes up, unless the arena overflowed before it was written. */
    if (buf_error(bytes) == OK) {
        uint32_t refs = cursor_load_u32(buf_slice(bytes).data + batch->message_at);
        buf_patch_u32(bytes, batch->message_at, refs + 1);
    }
}

static void
put_entry(struct batch *batch, enum batch_kind kind, uint64_t session, uint64_t seq)
{
    struct buf *bytes = begin(batch, kind);
    buf_put_u64(bytes, session);
    buf_put_u64(bytes, seq);
}

void
batch_queue_remove(struct batch *batch, uint64_t session, uint64_t seq)
{
    put_entry(batch, BATCH_QUEUE_REMOVE, session, seq);
}

void
batch_queue_mark_rec(struct batch *batch, uint64_t session, uint64_t seq)
{
    put_entry(batch, BATCH_QUEUE_MARK_REC, session, seq);
}

void
batch_inbound_put(struct batch *batch, uint64_t session, uint16_t packet_id, uint64_t outbox_seq)
{
    struct buf *bytes = begin(batch, BATCH_INBOUND_PUT);
    buf_put_u64(bytes, session);
    buf_put_u16(bytes, packet_id);
    buf_put_u64(bytes, outbox_seq);
}

void
batch_inbound_delete(struct batch *batch, uint64_t session, uint16_t packet_id)
{
    struct buf *bytes = begin(batch, BATCH_INBOUND_DELETE);
    buf_put_u64(bytes, session);
    buf_put_u16(bytes, packet_id);
}

void
batch_will_put(struct batch *batch, uint64_t session, uint64_t due_ms, struct slice value)
{
    struct buf *bytes = begin(batch, BATCH_WILL_PUT);
    buf_put_u64(bytes, session);
    buf_put_u64(bytes, due_ms);
    put_parts(bytes, &value, 1);
}

void
batch_will_delete(struct batch *batch, uint64_t session)
{
    buf_put_u64(begin(batch, BATCH_WILL_DELETE), session);
}

void
batch_outbox_append(struct batch *batch, uint64_t seq, const struct slice *parts, size_t part_count)
{
    struct buf *bytes = begin(batch, BATCH_OUTBOX_APPEND);
    buf_put_u64(bytes, seq);
    put_parts(bytes, parts, part_count);
}

void
batch_outbox_remove(struct batch *batch, uint64_t seq)
{
    buf_put_u64(begin(batch, BATCH_OUTBOX_REMOVE), seq);
}

void
batch_token_set_put(struct batch *batch, uint64_t origin, struct slice value)
{
    struct buf *bytes = begin(batch, BATCH_TOKEN_SET_PUT);
    buf_put_u64(bytes, origin);
    put_parts(bytes, &value, 1);
}

void
batch_token_set_delete(struct batch *batch, uint64_t origin)
{
    buf_put_u64(begin(batch, BATCH_TOKEN_SET_DELETE), origin);
}

void
batch_retained_put(struct batch *batch, struct slice topic, uint64_t expiry_ms,
                   const struct slice *parts, size_t part_count)
{
    struct buf *bytes = begin(batch, BATCH_RETAINED_PUT);
    buf_put_u64(bytes, expiry_ms);
    put_text(bytes, topic);
    put_parts(bytes, parts, part_count);
}

void
batch_retained_delete(struct batch *batch, struct slice topic)
{
    put_text(begin(batch, BATCH_RETAINED_DELETE), topic);
}

void
batch_user_put(struct batch *batch, const struct driver_user *user)
{
    struct buf *bytes = begin(batch, BATCH_USER_PUT);
    buf_put_u64(bytes, user->changed_ms);
    put_text(bytes, user->name);
    put_text(bytes, user->password);
    put_text(bytes, user->roles);
    put_text(bytes, user->rules);
}

void
batch_user_delete(struct batch *batch, struct slice name)
{
    put_text(begin(batch, BATCH_USER_DELETE), name);
}

void
batch_row_put(struct batch *batch, const struct driver_row *row)
{
    struct buf *bytes = begin(batch, BATCH_ROW_PUT);
    assert(row->name.len != 0 && row->value.len <= BATCH_ROW_MAX);
    buf_put_u8(bytes, row->kind);
    buf_put_u64(bytes, row->time_ms);
    put_text(bytes, row->name);
    put_parts(bytes, &row->value, 1);
}

void
batch_row_delete(struct batch *batch, uint8_t kind, struct slice name)
{
    struct buf *bytes = begin(batch, BATCH_ROW_DELETE);
    buf_put_u8(bytes, kind);
    put_text(bytes, name);
}

/* ---- reading ---- */

static void
read_session(struct cursor *c, struct driver_session *session)
{
    session->session = cursor_u64(c);
    session->epoch = cursor_u64(c);
    session->owner = cursor_u64(c);
    session->conn = cursor_u64(c);
    session->created_ms = cursor_u64(c);
    session->disconnected_ms = cursor_u64(c);
    session->seq_limit = cursor_u64(c);
    session->expiry_s = cursor_u32(c);
    session->receive_maximum = cursor_u32(c);
    session->version = cursor_u8(c);
    session->client_id = cursor_bytes16(c);
    session->user = cursor_bytes16(c);
    session->extra = cursor_bytes32(c);
}

static void
read_subscription(struct cursor *c, struct driver_subscription *subscription)
{
    subscription->session = cursor_u64(c);
    subscription->identifier = cursor_u32(c);
    subscription->qos = cursor_u8(c);
    subscription->no_local = cursor_u8(c) != 0;
    subscription->retain_as_published = cursor_u8(c) != 0;
    subscription->retain_handling = cursor_u8(c);
    subscription->filter = cursor_bytes16(c);
}

static void
read_op(struct cursor *c, struct batch_op *op)
{
    switch (op->kind) {
    case BATCH_META_PUT:
        op->text = cursor_bytes16(c);
        op->value = cursor_bytes32(c);
        break;
    case BATCH_SESSION_PUT:
        read_session(c, &op->session);
        break;
    case BATCH_SESSION_DELETE:
    case BATCH_WILL_DELETE:
    case BATCH_TOKEN_SET_DELETE:
        op->number = cursor_u64(c);
        break;
    case BATCH_SUBSCRIPTION_PUT:
        read_subscription(c, &op->subscription);
        break;
    case BATCH_SUBSCRIPTION_DELETE:
        op->number = cursor_u64(c);
        op->text = cursor_bytes16(c);
        break;
    case BATCH_MESSAGE:
        op->count = cursor_u32(c);
        op->value = cursor_bytes32(c);
        break;
    case BATCH_QUEUE_APPEND:
        op->number = cursor_u64(c);
        op->seq = cursor_u64(c);
        op->flags = cursor_u8(c);
        op->count = cursor_u8(c);
        op->ids = cursor_bytes(c, (size_t)op->count * 4).data;
        break;
    case BATCH_QUEUE_REMOVE:
    case BATCH_QUEUE_MARK_REC:
        op->number = cursor_u64(c);
        op->seq = cursor_u64(c);
        break;
    case BATCH_INBOUND_PUT:
        op->number = cursor_u64(c);
        op->packet_id = cursor_u16(c);
        op->seq = cursor_u64(c);
        break;
    case BATCH_INBOUND_DELETE:
        op->number = cursor_u64(c);
        op->packet_id = cursor_u16(c);
        break;
    case BATCH_WILL_PUT:
        op->number = cursor_u64(c);
        op->time_ms = cursor_u64(c);
        op->value = cursor_bytes32(c);
        break;
    case BATCH_OUTBOX_APPEND:
        op->seq = cursor_u64(c);
        op->value = cursor_bytes32(c);
        break;
    case BATCH_OUTBOX_REMOVE:
        op->seq = cursor_u64(c);
        break;
    case BATCH_TOKEN_SET_PUT:
        op->number = cursor_u64(c);
        op->value = cursor_bytes32(c);
        break;
    case BATCH_RETAINED_PUT:
        op->time_ms = cursor_u64(c);
        op->text = cursor_bytes16(c);
        op->value = cursor_bytes32(c);
        break;
    case BATCH_RETAINED_DELETE:
    case BATCH_USER_DELETE:
        op->text = cursor_bytes16(c);
        break;
    case BATCH_USER_PUT:
        op->user.changed_ms = cursor_u64(c);
        op->user.name = cursor_bytes16(c);
        op->user.password = cursor_bytes16(c);
        op->user.roles = cursor_bytes16(c);
        op->user.rules = cursor_bytes16(c);
        break;
    case BATCH_ROW_PUT:
        op->row.kind = cursor_u8(c);
        op->row.time_ms = cursor_u64(c);
        op->row.name = cursor_bytes16(c);
        op->row.value = cursor_bytes32(c);
        break;
    case BATCH_ROW_DELETE:
        op->flags = cursor_u8(c);
        op->text = cursor_bytes16(c);
        break;
    default:
        assert(!"a kind that no builder writes");
    }
}

bool
batch_next(const struct batch *batch, size_t *pos, struct batch_op *op)
{
    struct slice all = buf_slice(&batch->bytes);
    struct cursor c;
    if (*pos >= all.len)
        return false;
    c = cursor_of(slice_of(all.data + *pos, all.len - *pos));
    op->kind = (enum batch_kind)cursor_u8(&c);
    read_op(&c, op);
    assert(c.err == OK); /* our own process wrote it */
    *pos = (size_t)(c.pos - all.data);
    return true;
}

void
batch_copy(struct batch *to, const struct batch *from, size_t begin, size_t end)
{
    struct batch_op op;
    size_t pos = begin;
    while (pos < end && batch_next(from, &pos, &op))
        to->op_count++;
    buf_append_slice(&to->bytes, slice_sub(buf_slice(&from->bytes), begin, end - begin));
}
