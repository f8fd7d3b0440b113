/* SPDX-License-Identifier: Apache-2.0 */
/* Retained messages in the embedded driver: rows ordered by the key of topic_seek.h, an index by
 * expiry, and lookups that seek. A retained body is stored with its topic, apart from queues. */
#include "services/store/driver_lmdb_inner.h"

#include "proto/limits.h"

#include <string.h>

#define ROW_HEAD     10   /* u64 expiry, u16 length of the topic */
#define WALK_MIN     2000 /* rows that a page may look at ... */
#define WALK_PER_HIT 8    /* ... and more for each message it may give */

struct retained_row {
    uint64_t expiry_ms;
    struct slice topic;
    struct slice record;
};

static int
row_decode(const MDB_val *value, struct retained_row *out)
{
    struct cursor c = cursor_of(driver_lmdb_slice(value));
    out->expiry_ms = cursor_u64(&c);
    out->topic = cursor_bytes16(&c);
    out->record = cursor_rest(&c);
    return c.err == OK && out->topic.len != 0 ? 0 : MDB_CORRUPTED;
}

static struct slice
expiry_key(uint64_t expiry_ms, struct slice key, uint8_t out[8 + TOPIC_SEEK_KEY])
{
    buf_store_u64(out, expiry_ms);
    memcpy(out + 8, key.data, key.len);
    return slice_of(out, 8 + key.len);
}

/* Takes what the present row (if any) has in the counters and in the index. */
static int
forget(struct driver_lmdb *d, struct slice key)
{
    uint8_t index[8 + TOPIC_SEEK_KEY];
    struct retained_row row;
    MDB_val k = driver_lmdb_val(key);
    MDB_val value;
    int rc = mdb_get(d->txn, d->table[LMDB_RETAINED], &k, &value);
    if (rc != 0)
        return rc == MDB_NOTFOUND ? 0 : rc;
    rc = row_decode(&value, &row);
    if (rc != 0)
        return rc;
    d->retained_bytes -= row.record.len < d->retained_bytes ? row.record.len : d->retained_bytes;
    d->retained_changed = true;
    if (row.expiry_ms != 0)
        rc = driver_lmdb_delete(d, LMDB_EXPIRY, expiry_key(row.expiry_ms, key, index));
    return rc;
}

int
driver_lmdb_retained_apply(struct driver_lmdb *d, const struct batch_op *op)
{
    uint8_t index[8 + TOPIC_SEEK_KEY];
    struct topic_seek_key topic_key;
    struct slice key;
    MDB_val k, v;
    uint8_t *to;
    int rc;
    topic_seek_key_of(op->text, &topic_key);
    key = slice_of(topic_key.bytes, topic_key.len);
    rc = forget(d, key);
    if (rc != 0 || op->kind == BATCH_RETAINED_DELETE)
        return rc != 0 ? rc : driver_lmdb_delete(d, LMDB_RETAINED, key);
    if (op->time_ms != 0)
        rc =
            driver_lmdb_put(d, LMDB_EXPIRY, expiry_key(op->time_ms, key, index), slice_of(NULL, 0));
    if (rc != 0)
        return rc;
    k = driver_lmdb_val(key);
    v = (MDB_val){ROW_HEAD + op->text.len + op->value.len, NULL};
    rc = mdb_put(d->txn, d->table[LMDB_RETAINED], &k, &v, MDB_RESERVE);
    if (rc != 0)
        return rc;
    to = v.mv_data;
    buf_store_u64(to, op->time_ms);
    buf_store_u16(to + 8, (uint16_t)op->text.len);
    memcpy(to + ROW_HEAD, op->text.data, op->text.len);
    if (op->value.len != 0)
        memcpy(to + ROW_HEAD + op->text.len, op->value.data, op->value.len);
    d->retained_bytes += op->value.len;
    d->retained_changed = true;
    return 0;
}

/* Where a page begins: behind `after`, at least at the filter's first possible key. */
static int
page_start(struct driver_lmdb *d, MDB_cursor *cursor, struct slice filter, struct slice after,
           MDB_val *key, MDB_val *value)
{
    struct topic_seek_key start, behind;
    struct slice at;
    int rc;
    topic_seek_start(filter, &start);
    at = slice_of(start.bytes, start.len);
    if (after.len == 0)
        return driver_lmdb_read_seek(d, cursor, at, key, value);
    topic_seek_key_of(after, &behind);
    if (slice_compare(slice_of(behind.bytes, behind.len), at) < 0)
        return driver_lmdb_read_seek(d, cursor, at, key, value);
    at = slice_of(behind.bytes, behind.len);
    rc = driver_lmdb_read_seek(d, cursor, at, key, value);
    if (rc == 0 && slice_equal(driver_lmdb_slice(key), at))
        rc = driver_lmdb_read_next(d, cursor, key, value);
    return rc;
}

enum err
driver_lmdb_retained_page(struct driver *driver, struct slice filter, struct slice after,
                          size_t max_count, size_t max_bytes, driver_retained_fn fn, void *arg,
                          struct buf *next)
{
    struct driver_lmdb *d = driver_lmdb_of(driver);
    struct topic_seek_key seek;
    struct retained_row row;
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key, value;
    size_t rows_left = WALK_MIN + WALK_PER_HIT * (max_count < 100000 ? max_count : 100000);
    size_t count = 0, bytes = 0;
    int rc;
    buf_reset(next);
    if (filter.len == 0 || filter.len > LIMITS_TOPIC || after.len > LIMITS_TOPIC || max_count == 0)
        return ERR_INVALID;
    rc = driver_lmdb_read_begin(d, LMDB_RETAINED, &txn, &cursor);
    if (rc == 0)
        rc = page_start(d, cursor, filter, after, &key, &value);
    while (rc == 0) {
        enum topic_seek_answer answer;
        rc = row_decode(&value, &row);
        if (rc != 0)
            break;
        answer = topic_seek_judge(filter, driver_lmdb_slice(&key), row.topic, &seek);
        if (answer == TOPIC_SEEK_DONE)
            break;
        if (answer == TOPIC_SEEK_HIT && fn(arg, row.topic, row.record)) {
            count++;
            bytes += row.record.len;
        }
        if (count >= max_count || bytes >= max_bytes || --rows_left == 0) {
            buf_append_slice(next, row.topic);
            break;
        }
        if (answer == TOPIC_SEEK_SEEK)
            rc = driver_lmdb_read_seek(d, cursor, slice_of(seek.bytes, seek.len), &key, &value);
        else
            rc = driver_lmdb_read_next(d, cursor, &key, &value);
    }
    driver_lmdb_read_end(txn, cursor);
    if (rc != 0 && rc != MDB_NOTFOUND)
        return driver_lmdb_err(rc);
    return buf_error(next);
}

enum err
driver_lmdb_retained_expired(struct driver *driver, uint64_t now_ms, size_t max_count,
                             driver_topic_fn fn, void *arg)
{
    struct driver_lmdb *d = driver_lmdb_of(driver);
    struct retained_row row;
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key, value, none;
    size_t count = 0;
    int rc = driver_lmdb_read_begin(d, LMDB_EXPIRY, &txn, &cursor);
    if (rc == 0)
        rc = driver_lmdb_read_seek(d, cursor, slice_of(NULL, 0), &key, &none);
    while (rc == 0 && count < max_count) {
        if (key.mv_size <= 8) {
            rc = MDB_CORRUPTED;
            break;
        }
        if (cursor_load_u64(key.mv_data) > now_ms)
            break;
        key = driver_lmdb_val(slice_sub(driver_lmdb_slice(&key), 8, key.mv_size));
        rc = mdb_get(txn, d->table[LMDB_RETAINED], &key, &value);
        if (rc == 0)
            rc = row_decode(&value, &row);
        if (rc != 0) {
            rc = MDB_CORRUPTED; /* an index entry without its row */
            break;
        }
        fn(arg, row.topic, row.expiry_ms);
        count++;
        rc = driver_lmdb_read_next(d, cursor, &key, &none);
    }
    driver_lmdb_read_end(txn, cursor);
    return rc == MDB_NOTFOUND ? OK : driver_lmdb_err(rc);
}
