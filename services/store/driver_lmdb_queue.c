/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues and message bodies in the embedded driver. A message with one reference lies in its queue
 * entry: one row to write, one to delete. A message with more lies once in "bodies", its references
 * are counted in a table of their own, so that counting down does not rewrite the body.
 */
#include "services/store/driver_lmdb_inner.h"

#include "proto/feed_records.h"

#include <string.h>

#define KEY_LEN   16
#define ENTRY_MIN 14 /* flags, id count, u32 length, u64 body */

/* A queue entry as it lies on disk. */
struct entry_row {
    uint64_t session;
    uint64_t seq;
    uint8_t flags;
    uint8_t id_count;
    const uint8_t *ids;
    uint32_t len;        /* of the record */
    uint64_t body;       /* 0: the record is in the row */
    struct slice record; /* if body is 0 */
};

static struct slice
entry_key(uint64_t session, uint64_t seq, uint8_t out[KEY_LEN])
{
    buf_store_u64(out, session);
    buf_store_u64(out + 8, seq);
    return slice_of(out, KEY_LEN);
}

static int
entry_decode(const MDB_val *key, const MDB_val *value, struct entry_row *out)
{
    struct cursor c = cursor_of(driver_lmdb_slice(value));
    if (key->mv_size != KEY_LEN)
        return MDB_CORRUPTED;
    out->session = cursor_load_u64(key->mv_data);
    out->seq = cursor_load_u64((const uint8_t *)key->mv_data + 8);
    out->flags = cursor_u8(&c);
    out->id_count = cursor_u8(&c);
    out->ids = cursor_bytes(&c, (size_t)out->id_count * 4).data;
    out->len = cursor_u32(&c);
    out->body = cursor_u64(&c);
    out->record = cursor_rest(&c);
    if (c.err != OK || (out->body == 0 && out->record.len != out->len))
        return MDB_CORRUPTED;
    return 0;
}

/* ---- bodies ---- */

static int
body_store(struct driver_lmdb *d)
{
    uint8_t key_bytes[8];
    uint8_t refs[4];
    MDB_val key = {sizeof(key_bytes), key_bytes};
    MDB_val value = {d->message.len, NULL};
    int rc;
    buf_store_u64(key_bytes, d->next_body);
    rc = mdb_put(d->txn, d->table[LMDB_BODIES], &key, &value, MDB_RESERVE | MDB_APPEND);
    if (rc != 0)
        return rc;
    if (d->message.len != 0)
        memcpy(value.mv_data, d->message.data, d->message.len);
    d->body = d->next_body++;
    buf_store_u32(refs, d->body_refs);
    return driver_lmdb_put(d, LMDB_REFERENCES, slice_of(key_bytes, 8), slice_of(refs, 4));
}

/* One reference less; the last one takes the body along. */
static int
body_release(struct driver_lmdb *d, uint64_t body)
{
    uint8_t key_bytes[8];
    uint8_t refs[4];
    MDB_val key = {sizeof(key_bytes), key_bytes};
    MDB_val value;
    uint32_t left;
    int rc;
    if (body == 0)
        return 0;
    buf_store_u64(key_bytes, body);
    rc = mdb_get(d->txn, d->table[LMDB_REFERENCES], &key, &value);
    if (rc != 0)
        return rc == MDB_NOTFOUND ? 0 : rc; /* nothing to free is no reason to fail for ever */
    left = value.mv_size == 4 ? cursor_load_u32(value.mv_data) : 0;
    if (left > 1) {
        buf_store_u32(refs, left - 1);
        return driver_lmdb_put(d, LMDB_REFERENCES, slice_of(key_bytes, 8), slice_of(refs, 4));
    }
    rc = driver_lmdb_delete(d, LMDB_REFERENCES, slice_of(key_bytes, 8));
    return rc != 0 ? rc : driver_lmdb_delete(d, LMDB_BODIES, slice_of(key_bytes, 8));
}

/* ---- changes ---- */

static int
queue_remove(struct driver_lmdb *d, uint64_t session, uint64_t seq)
{
    uint8_t key_bytes[KEY_LEN];
    MDB_val key = driver_lmdb_val(entry_key(session, seq, key_bytes));
    MDB_val value;
    struct entry_row row;
    int rc = mdb_cursor_get(d->queue, &key, &value, MDB_SET_KEY);
    if (rc != 0)
        return rc == MDB_NOTFOUND ? 0 : rc;
    rc = entry_decode(&key, &value, &row);
    if (rc == 0)
        rc = mdb_cursor_del(d->queue, 0);
    return rc != 0 ? rc : body_release(d, row.body);
}

/* Puts a row of head, ids, and (body 0) record. */
static int
entry_put(struct driver_lmdb *d, struct slice key, const struct entry_row *row, unsigned flags)
{
    MDB_val k = driver_lmdb_val(key);
    size_t ids_len = (size_t)row->id_count * 4;
    size_t inside = row->body == 0 ? row->record.len : 0;
    MDB_val v = {ENTRY_MIN + ids_len + inside, NULL};
    uint8_t *to;
    int rc = mdb_cursor_put(d->queue, &k, &v, MDB_RESERVE | flags);
    if (rc != 0)
        return rc;
    to = v.mv_data;
    to[0] = row->flags;
    to[1] = row->id_count;
    if (ids_len != 0)
        memcpy(to + 2, row->ids, ids_len);
    buf_store_u32(to + 2 + ids_len, row->len);
    buf_store_u64(to + 6 + ids_len, row->body);
    if (inside != 0)
        memcpy(to + ENTRY_MIN + ids_len, row->record.data, inside);
    return 0;
}

static int
queue_append(struct driver_lmdb *d, const struct batch_op *op)
{
    uint8_t key_bytes[KEY_LEN];
    struct slice key = entry_key(op->number, op->seq, key_bytes);
    struct entry_row row = {.flags = op->flags,
                            .id_count = (uint8_t)op->count,
                            .ids = op->ids,
                            .len = (uint32_t)d->message.len,
                            .record = d->message};
    int rc = 0;
    if (d->body_refs > 1 && d->body == 0)
        rc = body_store(d);
    if (rc != 0)
        return rc;
    row.body = d->body;
    rc = entry_put(d, key, &row, MDB_NOOVERWRITE);
    if (rc != MDB_KEYEXIST)
        return rc;
    rc = queue_remove(d, op->number, op->seq);
    return rc != 0 ? rc : entry_put(d, key, &row, 0);
}

static int
queue_mark_rec(struct driver_lmdb *d, uint64_t session, uint64_t seq)
{
    uint8_t key_bytes[KEY_LEN];
    struct slice own_key = entry_key(session, seq, key_bytes);
    MDB_val key = driver_lmdb_val(own_key);
    MDB_val value;
    struct entry_row row;
    struct entry_row marked = {0};
    int rc = mdb_cursor_get(d->queue, &key, &value, MDB_SET_KEY);
    if (rc != 0)
        return rc == MDB_NOTFOUND ? 0 : rc;
    rc = entry_decode(&key, &value, &row);
    if (rc != 0)
        return rc;
    marked.flags = row.flags | DELIVER_REL;
    rc = entry_put(d, own_key, &marked, 0);
    return rc != 0 ? rc : body_release(d, row.body);
}

int
driver_lmdb_queue_apply(struct driver_lmdb *d, const struct batch_op *op)
{
    switch (op->kind) {
    case BATCH_MESSAGE:
        d->message = op->value;
        d->body_refs = op->count;
        d->body = 0;
        return 0;
    case BATCH_QUEUE_APPEND:
        return queue_append(d, op);
    case BATCH_QUEUE_REMOVE:
        return queue_remove(d, op->number, op->seq);
    default:
        return queue_mark_rec(d, op->number, op->seq);
    }
}

int
driver_lmdb_queue_delete_session(struct driver_lmdb *d, uint64_t session)
{
    uint8_t key_bytes[KEY_LEN];
    MDB_val key = driver_lmdb_val(entry_key(session, 0, key_bytes));
    MDB_val value;
    struct entry_row row;
    int rc = mdb_cursor_get(d->queue, &key, &value, MDB_SET_RANGE);
    while (rc == 0) {
        rc = entry_decode(&key, &value, &row);
        if (rc != 0 || row.session != session)
            return rc;
        rc = mdb_cursor_del(d->queue, 0);
        if (rc == 0)
            rc = body_release(d, row.body);
        if (rc == 0)
            rc = mdb_cursor_get(d->queue, &key, &value, MDB_NEXT);
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* ---- reads ---- */

int
driver_lmdb_queue_load(struct driver_lmdb *d, MDB_txn *txn,
                       void (*fn)(void *, const struct driver_queue *), void *arg)
{
    struct driver_queue queue = {0};
    struct entry_row row;
    MDB_cursor *cursor;
    MDB_val key, value;
    int rc = mdb_cursor_open(txn, d->table[LMDB_QUEUE], &cursor);
    if (rc != 0)
        return rc;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    while (rc == 0) {
        rc = entry_decode(&key, &value, &row);
        if (rc != 0)
            break;
        if (queue.count != 0 && queue.session != row.session) {
            fn(arg, &queue);
            queue.count = 0;
        }
        if (queue.count == 0)
            queue = (struct driver_queue){.session = row.session, .first_seq = row.seq};
        queue.count++;
        queue.bytes += row.len;
        queue.last_seq = row.seq;
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    if (rc == MDB_NOTFOUND && queue.count != 0)
        fn(arg, &queue);
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
body_read(struct driver_lmdb *d, MDB_txn *txn, const struct entry_row *row, struct slice *out)
{
    uint8_t key_bytes[8];
    MDB_val key = {sizeof(key_bytes), key_bytes};
    MDB_val value;
    int rc;
    if (row->body == 0) {
        *out = row->record;
        return 0;
    }
    buf_store_u64(key_bytes, row->body);
    rc = mdb_get(txn, d->table[LMDB_BODIES], &key, &value);
    if (rc == 0)
        *out = driver_lmdb_slice(&value);
    return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
}

enum err
driver_lmdb_queue_page(struct driver *driver, uint64_t session, uint64_t from_seq, size_t max_count,
                       size_t max_bytes, driver_entry_fn fn, void *arg, bool *more)
{
    struct driver_lmdb *d = driver_lmdb_of(driver);
    uint8_t key_bytes[KEY_LEN];
    struct entry_row row;
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key, value;
    size_t count = 0, bytes = 0;
    int rc = driver_lmdb_read_begin(d, LMDB_QUEUE, &txn, &cursor);
    *more = false;
    if (rc == 0)
        rc =
            driver_lmdb_read_seek(d, cursor, entry_key(session, from_seq, key_bytes), &key, &value);
    while (rc == 0) {
        struct driver_entry entry;
        rc = entry_decode(&key, &value, &row);
        if (rc != 0 || row.session != session)
            break;
        if (count >= max_count || (count > 0 && bytes >= max_bytes)) {
            *more = true;
            break;
        }
        entry = (struct driver_entry){
            .seq = row.seq, .flags = row.flags, .id_count = row.id_count, .ids = row.ids};
        rc = body_read(d, txn, &row, &entry.record);
        if (rc != 0)
            break;
        fn(arg, &entry);
        count++;
        bytes += entry.record.len;
        rc = driver_lmdb_read_next(d, cursor, &key, &value);
    }
    driver_lmdb_read_end(txn, cursor);
    return rc == MDB_NOTFOUND ? OK : driver_lmdb_err(rc);
}
