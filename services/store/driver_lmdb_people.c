/* SPDX-License-Identifier: Apache-2.0 */
/* Users in the embedded driver. Passwords are hashes already when they come here. */
#include "services/store/driver_lmdb_inner.h"

static void
put_bytes16(struct buf *row, struct slice s)
{
    buf_put_u16(row, (uint16_t)s.len);
    buf_append_slice(row, s);
}

int
driver_lmdb_people_apply(struct driver_lmdb *d, const struct batch_op *op)
{
    struct topic_seek_key key;
    if (op->kind == BATCH_USER_DELETE) {
        topic_seek_text_key_of(op->text, &key);
        return driver_lmdb_delete(d, LMDB_USERS, slice_of(key.bytes, key.len));
    }
    topic_seek_text_key_of(op->user.name, &key);
    buf_reset(&d->row);
    buf_put_u64(&d->row, op->user.changed_ms);
    put_bytes16(&d->row, op->user.name);
    put_bytes16(&d->row, op->user.password);
    put_bytes16(&d->row, op->user.roles);
    return driver_lmdb_put_row(d, LMDB_USERS, slice_of(key.bytes, key.len));
}

static int
user_decode(const MDB_val *value, struct driver_user *out)
{
    struct cursor c = cursor_of(driver_lmdb_slice(value));
    out->changed_ms = cursor_u64(&c);
    out->name = cursor_bytes16(&c);
    out->password = cursor_bytes16(&c);
    out->roles = cursor_bytes16(&c);
    return cursor_end(&c) == OK ? 0 : MDB_CORRUPTED;
}

enum err
driver_lmdb_user_get(struct driver *driver, struct slice name, driver_user_fn fn, void *arg)
{
    struct driver_lmdb *d = driver_lmdb_of(driver);
    struct topic_seek_key at;
    struct driver_user user;
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key, value;
    int rc;
    if (name.len == 0 || name.len > BATCH_TEXT_MAX)
        return ERR_NOT_FOUND;
    topic_seek_text_key_of(name, &at);
    rc = driver_lmdb_read_begin(d, LMDB_USERS, &txn, &cursor);
    key = driver_lmdb_key(&at);
    if (rc == 0)
        rc = mdb_cursor_get(cursor, &key, &value, MDB_SET);
    if (rc == 0)
        rc = user_decode(&value, &user);
    if (rc == 0)
        fn(arg, &user);
    driver_lmdb_read_end(txn, cursor);
    return driver_lmdb_err(rc);
}

enum err
driver_lmdb_user_page(struct driver *driver, struct slice after, size_t max_count,
                      driver_user_fn fn, void *arg, bool *more)
{
    struct driver_lmdb *d = driver_lmdb_of(driver);
    struct topic_seek_key at = {0};
    struct driver_user user;
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key, value;
    size_t count = 0;
    int rc = driver_lmdb_read_begin(d, LMDB_USERS, &txn, &cursor);
    *more = false;
    if (after.len != 0 && after.len <= BATCH_TEXT_MAX)
        topic_seek_text_key_of(after, &at);
    if (rc == 0)
        rc = driver_lmdb_read_seek(d, cursor, slice_of(at.bytes, at.len), &key, &value);
    if (rc == 0 && slice_equal(driver_lmdb_slice(&key), slice_of(at.bytes, at.len)))
        rc = driver_lmdb_read_next(d, cursor, &key, &value);
    while (rc == 0) {
        if (count == max_count) {
            *more = true;
            break;
        }
        rc = user_decode(&value, &user);
        if (rc != 0)
            break;
        fn(arg, &user);
        count++;
        rc = driver_lmdb_read_next(d, cursor, &key, &value);
    }
    driver_lmdb_read_end(txn, cursor);
    return rc == MDB_NOTFOUND ? OK : driver_lmdb_err(rc);
}
