/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded driver's frame: the transaction around a batch, and the helpers that its other files
 * use. What the rows of a domain look like is theirs; opening is in driver_lmdb_open.c.
 *
 * Why it is safe when the disk is full: LMDB without WRITEMAP writes with pwrite, a failed write
 * aborts the transaction, and the last good root page stays in force.
 */
#include "services/store/driver_lmdb_inner.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum err
driver_lmdb_err(int rc)
{
    switch (rc) {
    case 0:
        return OK;
    case MDB_NOTFOUND:
        return ERR_NOT_FOUND;
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return ERR_NO_SPACE;
    case MDB_TXN_FULL:
        return ERR_TOO_LARGE;
    case MDB_PANIC:
        return ERR_UNAVAILABLE;
    case MDB_READERS_FULL:
        return ERR_BUSY;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_BAD_VALSIZE:
        return ERR_MALFORMED;
    case MDB_VERSION_MISMATCH:
        return ERR_VERSION;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_DENIED;
    default:
        return ERR_IO;
    }
}

/* ---- helpers for the domains ---- */

int
driver_lmdb_put(struct driver_lmdb *d, enum driver_lmdb_table table, struct slice key,
                struct slice value)
{
    MDB_val k = driver_lmdb_val(key);
    MDB_val v = driver_lmdb_val(value);
    return mdb_put(d->txn, d->table[table], &k, &v, 0);
}

int
driver_lmdb_put_row(struct driver_lmdb *d, enum driver_lmdb_table table, struct slice key)
{
    assert(buf_error(&d->row) == OK);
    return driver_lmdb_put(d, table, key, buf_slice(&d->row));
}

int
driver_lmdb_delete(struct driver_lmdb *d, enum driver_lmdb_table table, struct slice key)
{
    MDB_val k = driver_lmdb_val(key);
    int rc = mdb_del(d->txn, d->table[table], &k, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int
driver_lmdb_delete_below(struct driver_lmdb *d, enum driver_lmdb_table table, struct slice prefix)
{
    MDB_cursor *cursor;
    MDB_val key = driver_lmdb_val(prefix);
    MDB_val value;
    int rc = mdb_cursor_open(d->txn, d->table[table], &cursor);
    if (rc != 0)
        return rc;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (rc == 0 && slice_has_prefix(driver_lmdb_slice(&key), prefix)) {
        rc = mdb_cursor_del(cursor, 0);
        if (rc == 0)
            rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int
driver_lmdb_read_begin(struct driver_lmdb *d, enum driver_lmdb_table table, MDB_txn **txn,
                       MDB_cursor **cursor)
{
    int rc;
    *txn = NULL;
    *cursor = NULL;
    rc = mdb_txn_begin(d->env, NULL, MDB_RDONLY, txn);
    if (rc != 0) {
        *txn = NULL;
        return rc;
    }
    rc = mdb_cursor_open(*txn, d->table[table], cursor);
    if (rc != 0)
        *cursor = NULL;
    return rc;
}

void
driver_lmdb_read_end(MDB_txn *txn, MDB_cursor *cursor)
{
    if (cursor != NULL)
        mdb_cursor_close(cursor);
    if (txn != NULL)
        mdb_txn_abort(txn);
}

int
driver_lmdb_read_seek(struct driver_lmdb *d, MDB_cursor *cursor, struct slice at, MDB_val *key,
                      MDB_val *value)
{
    atomic_fetch_add_explicit(&d->driver.steps, 1, memory_order_relaxed);
    if (at.len == 0) /* LMDB has no empty keys */
        return mdb_cursor_get(cursor, key, value, MDB_FIRST);
    *key = driver_lmdb_val(at);
    return mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
}

int
driver_lmdb_read_next(struct driver_lmdb *d, MDB_cursor *cursor, MDB_val *key, MDB_val *value)
{
    atomic_fetch_add_explicit(&d->driver.steps, 1, memory_order_relaxed);
    return mdb_cursor_get(cursor, key, value, MDB_NEXT);
}

/* ---- numbers in "about" ---- */

int
driver_lmdb_about_get(struct driver_lmdb *d, MDB_txn *txn, const char *name, uint64_t *out)
{
    MDB_val key = driver_lmdb_val(slice_cstr(name));
    MDB_val value;
    int rc = mdb_get(txn, d->table[LMDB_ABOUT], &key, &value);
    if (rc == 0 && value.mv_size != 8)
        return MDB_CORRUPTED;
    if (rc == 0)
        *out = cursor_load_u64(value.mv_data);
    return rc;
}

int
driver_lmdb_about_put(struct driver_lmdb *d, const char *name, uint64_t number)
{
    uint8_t bytes[8];
    buf_store_u64(bytes, number);
    return driver_lmdb_put(d, LMDB_ABOUT, slice_cstr(name), slice_of(bytes, sizeof(bytes)));
}

/* ---- apply ---- */

static int
apply_op(struct driver_lmdb *d, const struct batch_op *op)
{
    switch (op->kind) {
    case BATCH_MESSAGE:
    case BATCH_QUEUE_APPEND:
    case BATCH_QUEUE_REMOVE:
    case BATCH_QUEUE_MARK_REC:
        return driver_lmdb_queue_apply(d, op);
    case BATCH_RETAINED_PUT:
    case BATCH_RETAINED_DELETE:
        return driver_lmdb_retained_apply(d, op);
    case BATCH_USER_PUT:
    case BATCH_USER_DELETE:
    case BATCH_ROW_PUT:
    case BATCH_ROW_DELETE:
        return driver_lmdb_people_apply(d, op);
    default:
        return driver_lmdb_sessions_apply(d, op);
    }
}

/* LMDB calls a short write EIO; on a disk without room (or at the limit of a file's size) that is
 * what happened. */
static int
io_or_space(struct driver_lmdb *d, int rc, size_t bytes)
{
    struct statvfs fs;
    struct stat st;
    struct rlimit limit;
    mdb_filehandle_t fd;
    uint64_t need = 2 * (uint64_t)bytes + (UINT64_C(1) << 20);
    if (rc != EIO || mdb_env_get_fd(d->env, &fd) != 0)
        return rc;
    if (fstatvfs(fd, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < need)
        return ENOSPC;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        fstat(fd, &st) == 0 && (uint64_t)st.st_size + need > (uint64_t)limit.rlim_cur)
        return EFBIG;
    return rc;
}

static enum err
apply_failed(struct driver_lmdb *d, const struct batch *batch, int rc)
{
    const char *advice = "";
    rc = io_or_space(d, rc, batch_bytes(batch));
    if (rc == MDB_MAP_FULL)
        advice = ": the data has reached its configured size";
    else if (rc == MDB_PANIC)
        advice = ": the store must be started again";
    snprintf(d->driver.reason, sizeof(d->driver.reason), "lmdb: %s%s", mdb_strerror(rc), advice);
    return driver_lmdb_err(rc);
}

/* Everything of the batch into d->txn. *fault: what a test asked to fail with. */
static int
apply_ops(struct driver_lmdb *d, const struct batch *batch, enum err *fault)
{
    struct batch_op op;
    size_t pos = 0;
    int rc = mdb_cursor_open(d->txn, d->table[LMDB_QUEUE], &d->queue);
    if (rc != 0)
        return rc;
    while (rc == 0 && *fault == OK && batch_next(batch, &pos, &op)) {
        *fault = driver_fault_step(&d->driver);
        if (*fault == OK)
            rc = apply_op(d, &op);
    }
    mdb_cursor_close(d->queue);
    d->queue = NULL;
    if (rc == 0 && d->retained_changed)
        rc = driver_lmdb_about_put(d, "retained-bytes", d->retained_bytes);
    if (rc == 0 && batch->id != 0)
        rc = driver_lmdb_about_put(d, "batch", batch->id);
    return rc;
}

enum err
driver_lmdb_apply(struct driver *driver, const struct batch *batch)
{
    struct driver_lmdb *d = driver_lmdb_of(driver);
    uint64_t retained_bytes = d->retained_bytes;
    uint64_t last = 0;
    enum err fault = driver_fault_step(driver);
    int rc;
    driver->reason[0] = '\0';
    d->message = slice_of(NULL, 0);
    d->body = 0;
    d->retained_changed = false;
    if (batch_error(batch) != OK)
        return batch_error(batch);
    if (fault != OK)
        return fault;
    rc = mdb_txn_begin(d->env, NULL, 0, &d->txn);
    if (rc != 0)
        return apply_failed(d, batch, rc);
    rc = driver_lmdb_about_get(d, d->txn, "batch", &last);
    if (rc == 0 && batch->id != 0 && last == batch->id) {
        mdb_txn_abort(d->txn);
        return OK;
    }
    if (rc == 0 || rc == MDB_NOTFOUND)
        rc = apply_ops(d, batch, &fault);
    if (rc == 0 && fault == OK)
        fault = driver_fault_step(driver);
    if (rc == 0 && fault == OK)
        rc = mdb_txn_commit(d->txn); /* ends the transaction also when it fails */
    else
        mdb_txn_abort(d->txn);
    d->txn = NULL;
    if (rc != 0 || fault != OK)
        d->retained_bytes = retained_bytes;
    if (rc != 0)
        return apply_failed(d, batch, rc);
    return fault;
}

enum err
driver_lmdb_totals(struct driver *driver, struct driver_totals *out)
{
    struct driver_lmdb *d = driver_lmdb_of(driver);
    struct driver_totals t = {0};
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_stat retained = {0}, users = {0};
    MDB_envinfo info = {0};
    int rc = driver_lmdb_read_begin(d, LMDB_ABOUT, &txn, &cursor);
    if (rc == 0)
        rc = mdb_stat(txn, d->table[LMDB_RETAINED], &retained);
    if (rc == 0)
        rc = mdb_stat(txn, d->table[LMDB_USERS], &users);
    if (rc == 0)
        rc = driver_lmdb_about_get(d, txn, "retained-bytes", &t.retained_bytes);
    if (rc == 0 || rc == MDB_NOTFOUND)
        rc = mdb_env_info(d->env, &info);
    driver_lmdb_read_end(txn, cursor);
    if (rc != 0)
        return driver_lmdb_err(rc);
    t.retained_count = retained.ms_entries;
    t.user_count = users.ms_entries;
    t.used_bytes = ((uint64_t)info.me_last_pgno + 1) * retained.ms_psize;
    t.limit_bytes = info.me_mapsize;
    *out = t;
    return OK;
}
