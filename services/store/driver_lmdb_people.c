/* SPDX-License-Identifier: Apache-2.0 */
/* People in the embedded driver: users, and the rows of roles, bans, keys and audit. Passwords and
 * keys are hashes already when they come here. */
#include "services/store/driver_lmdb_inner.h"

#include <string.h>

/* A kind and a text key: the key of a row. */
#define ROW_KEY (1 + TOPIC_SEEK_KEY)

struct people_key {
    size_t len;
    uint8_t bytes[ROW_KEY];
};

/* What a page or a get makes of one value. */
struct people_visit {
    int (*decode)(struct people_visit *visit, const MDB_val *value); /* and calls back */
    uint8_t kind;
    driver_user_fn user;
    driver_row_fn row;
    void *arg;
};

static void
put_bytes16(struct buf *row, struct slice s)
{
    buf_put_u16(row, (uint16_t)s.len);
    buf_append_slice(row, s);
}

static struct slice
key_slice(const struct people_key *key)
{
    return slice_of(key->bytes, key->len);
}

/* kind 0: of a user, whose table has no kinds. An empty name gives the kind alone. */
static void
key_of(uint8_t kind, struct slice name, struct people_key *out)
{
    struct topic_seek_key text = {0};
    out->len = 0;
    if (kind != 0)
        out->bytes[out->len++] = kind;
    if (name.len != 0 && name.len <= BATCH_TEXT_MAX)
        topic_seek_text_key_of(name, &text);
    memcpy(out->bytes + out->len, text.bytes, text.len);
    out->len += text.len;
}

/* ---- changes ---- */

static int
put_user(struct driver_lmdb *d, const struct driver_user *user)
{
    struct people_key key;
    key_of(0, user->name, &key);
    buf_reset(&d->row);
    buf_put_u64(&d->row, user->changed_ms);
    put_bytes16(&d->row, user->name);
    put_bytes16(&d->row, user->password);
    put_bytes16(&d->row, user->roles);
    put_bytes16(&d->row, user->rules);
    return driver_lmdb_put_row(d, LMDB_USERS, key_slice(&key));
}

static int
put_row(struct driver_lmdb *d, const struct driver_row *row)
{
    struct people_key key;
    key_of(row->kind, row->name, &key);
    buf_reset(&d->row);
    buf_put_u64(&d->row, row->time_ms);
    put_bytes16(&d->row, row->name);
    buf_append_slice(&d->row, row->value);
    return driver_lmdb_put_row(d, LMDB_ROWS, key_slice(&key));
}

int
driver_lmdb_people_apply(struct driver_lmdb *d, const struct batch_op *op)
{
    struct people_key key;
    switch (op->kind) {
    case BATCH_USER_PUT:
        return put_user(d, &op->user);
    case BATCH_USER_DELETE:
        key_of(0, op->text, &key);
        return driver_lmdb_delete(d, LMDB_USERS, key_slice(&key));
    case BATCH_ROW_PUT:
        return put_row(d, &op->row);
    default:
        key_of(op->flags, op->text, &key);
        return driver_lmdb_delete(d, LMDB_ROWS, key_slice(&key));
    }
}

/* ---- reads ---- */

static int
visit_user(struct people_visit *visit, const MDB_val *value)
{
    struct cursor c = cursor_of(driver_lmdb_slice(value));
    struct driver_user user = {0};
    user.changed_ms = cursor_u64(&c);
    user.name = cursor_bytes16(&c);
    user.password = cursor_bytes16(&c);
    user.roles = cursor_bytes16(&c);
    if (c.err == OK && c.pos != c.end) /* rows of users from before there were rules end here */
        user.rules = cursor_bytes16(&c);
    if (cursor_end(&c) != OK)
        return MDB_CORRUPTED;
    visit->user(visit->arg, &user);
    return 0;
}

static int
visit_row(struct people_visit *visit, const MDB_val *value)
{
    struct cursor c = cursor_of(driver_lmdb_slice(value));
    struct driver_row row = {.kind = visit->kind};
    row.time_ms = cursor_u64(&c);
    row.name = cursor_bytes16(&c);
    row.value = cursor_rest(&c);
    if (cursor_end(&c) != OK)
        return MDB_CORRUPTED;
    visit->row(visit->arg, &row);
    return 0;
}

static enum err
get(struct driver_lmdb *d, enum driver_lmdb_table table, struct slice name,
    struct people_visit *visit)
{
    struct people_key at;
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key, value;
    int rc;
    if (name.len == 0 || name.len > BATCH_TEXT_MAX)
        return ERR_NOT_FOUND;
    key_of(visit->kind, name, &at);
    rc = driver_lmdb_read_begin(d, table, &txn, &cursor);
    key = driver_lmdb_val(key_slice(&at));
    if (rc == 0)
        rc = mdb_cursor_get(cursor, &key, &value, MDB_SET);
    if (rc == 0)
        rc = visit->decode(visit, &value);
    driver_lmdb_read_end(txn, cursor);
    return driver_lmdb_err(rc);
}

static enum err
page(struct driver_lmdb *d, enum driver_lmdb_table table, struct slice after, size_t max_count,
     struct people_visit *visit, bool *more)
{
    struct slice kind = slice_of(&visit->kind, visit->kind != 0);
    struct people_key at;
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key, value;
    size_t count = 0;
    int rc = driver_lmdb_read_begin(d, table, &txn, &cursor);
    *more = false;
    key_of(visit->kind, after, &at);
    if (rc == 0)
        rc = driver_lmdb_read_seek(d, cursor, key_slice(&at), &key, &value);
    if (rc == 0 && slice_equal(driver_lmdb_slice(&key), key_slice(&at)))
        rc = driver_lmdb_read_next(d, cursor, &key, &value);
    while (rc == 0 && slice_has_prefix(driver_lmdb_slice(&key), kind)) {
        if (count == max_count) {
            *more = true;
            break;
        }
        rc = visit->decode(visit, &value);
        if (rc != 0)
            break;
        count++;
        rc = driver_lmdb_read_next(d, cursor, &key, &value);
    }
    driver_lmdb_read_end(txn, cursor);
    return rc == MDB_NOTFOUND ? OK : driver_lmdb_err(rc);
}

enum err
driver_lmdb_user_get(struct driver *driver, struct slice name, driver_user_fn fn, void *arg)
{
    struct people_visit visit = {.decode = visit_user, .user = fn, .arg = arg};
    return get(driver_lmdb_of(driver), LMDB_USERS, name, &visit);
}

enum err
driver_lmdb_user_page(struct driver *driver, struct slice after, size_t max_count,
                      driver_user_fn fn, void *arg, bool *more)
{
    struct people_visit visit = {.decode = visit_user, .user = fn, .arg = arg};
    return page(driver_lmdb_of(driver), LMDB_USERS, after, max_count, &visit, more);
}

enum err
driver_lmdb_row_get(struct driver *driver, uint8_t kind, struct slice name, driver_row_fn fn,
                    void *arg)
{
    struct people_visit visit = {.decode = visit_row, .kind = kind, .row = fn, .arg = arg};
    return get(driver_lmdb_of(driver), LMDB_ROWS, name, &visit);
}

enum err
driver_lmdb_row_page(struct driver *driver, uint8_t kind, struct slice after, size_t max_count,
                     driver_row_fn fn, void *arg, bool *more)
{
    struct people_visit visit = {.decode = visit_row, .kind = kind, .row = fn, .arg = arg};
    return page(driver_lmdb_of(driver), LMDB_ROWS, after, max_count, &visit, more);
}
