/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and closing the embedded driver: the directory, its lock, the tables. The map is made at
 * its limit at once: that costs addresses, not memory or disk, and nothing ever has to wait for a
 * resize.
 */
#include "services/store/driver_lmdb_inner.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEMA_VERSION 1u
#define READERS_MAX    256u

static const char *const table_names[LMDB_TABLES] = {
    [LMDB_ABOUT] = "about",
    [LMDB_META] = "meta",
    [LMDB_SESSIONS] = "sessions",
    [LMDB_SUBSCRIPTIONS] = "subscriptions",
    [LMDB_QUEUE] = "queue",
    [LMDB_BODIES] = "bodies",
    [LMDB_REFERENCES] = "references",
    [LMDB_INBOUND] = "inbound",
    [LMDB_WILLS] = "wills",
    [LMDB_OUTBOX] = "outbox",
    [LMDB_TOKENS] = "tokens",
    [LMDB_RETAINED] = "retained",
    [LMDB_EXPIRY] = "expiry",
    [LMDB_USERS] = "users",
    [LMDB_ROWS] = "rows",
};

static void
lmdb_close(struct driver *driver)
{
    struct driver_lmdb *d = driver_lmdb_of(driver);
    if (d->env != NULL)
        mdb_env_close(d->env);
    if (d->lock_fd >= 0)
        close(d->lock_fd); /* gives the lock back */
    buf_fini(&d->row);
    mem_free(d);
}

static const struct driver_ops ops = {
    .name = "lmdb",
    .close = lmdb_close,
    .apply = driver_lmdb_apply,
    .load = driver_lmdb_load,
    .queue_page = driver_lmdb_queue_page,
    .retained_page = driver_lmdb_retained_page,
    .retained_expired = driver_lmdb_retained_expired,
    .user_get = driver_lmdb_user_get,
    .user_page = driver_lmdb_user_page,
    .row_get = driver_lmdb_row_get,
    .row_page = driver_lmdb_row_page,
    .totals = driver_lmdb_totals,
};

static int
lock_directory(struct driver_lmdb *d, const char *dir, char why[DRIVER_REASON_SIZE])
{
    char path[4096];
    char pid[32] = "";
    ssize_t n;
    if (str_format(path, sizeof(path), "%s/store.lock", dir) != OK)
        return ENAMETOOLONG;
    d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (d->lock_fd < 0)
        return errno;
    if (flock(d->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        n = pread(d->lock_fd, pid, sizeof(pid) - 1, 0);
        pid[n > 0 ? n : 0] = '\0';
        pid[strspn(pid, "0123456789")] = '\0';
        snprintf(why, DRIVER_REASON_SIZE, "another store (process %s) runs on this directory",
                 pid[0] != '\0' ? pid : "unknown");
        return EWOULDBLOCK;
    }
    n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    /* The number is for people only: a full disk must not keep a store from starting. */
    if (ftruncate(d->lock_fd, 0) == 0) {
        ssize_t written = pwrite(d->lock_fd, pid, (size_t)n, 0);
        (void)written;
    }
    return 0;
}

/* Opens the tables and reads what this driver itself must know; makes them in a new environment. */
static int
open_tables(struct driver_lmdb *d, uint64_t *schema)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int i;
    int rc = mdb_txn_begin(d->env, NULL, 0, &d->txn);
    if (rc != 0)
        return rc;
    for (i = 0; rc == 0 && i < LMDB_TABLES; i++)
        rc = mdb_dbi_open(d->txn, table_names[i], MDB_CREATE, &d->table[i]);
    if (rc == 0) {
        rc = driver_lmdb_about_get(d, d->txn, "schema", schema);
        if (rc == MDB_NOTFOUND) {
            *schema = SCHEMA_VERSION;
            rc = driver_lmdb_about_put(d, "schema", SCHEMA_VERSION);
        }
    }
    if (rc == 0) {
        rc = driver_lmdb_about_get(d, d->txn, "retained-bytes", &d->retained_bytes);
        rc = rc == MDB_NOTFOUND ? 0 : rc;
    }
    if (rc == 0)
        rc = mdb_cursor_open(d->txn, d->table[LMDB_BODIES], &cursor);
    if (rc == 0) {
        rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
        d->next_body = 1;
        if (rc == 0 && key.mv_size == 8)
            d->next_body = cursor_load_u64(key.mv_data) + 1;
        else if (rc == 0)
            rc = MDB_CORRUPTED;
        rc = rc == MDB_NOTFOUND ? 0 : rc;
        mdb_cursor_close(cursor);
    }
    if (rc == 0 && *schema == SCHEMA_VERSION)
        rc = mdb_txn_commit(d->txn);
    else
        mdb_txn_abort(d->txn);
    d->txn = NULL;
    return rc;
}

/* The names of new files must be as durable as what will be in them. */
static int
sync_directory(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = 0;
    if (fd < 0)
        return errno;
    if (fsync(fd) != 0)
        rc = errno;
    close(fd);
    return rc;
}

static int
open_environment(struct driver_lmdb *d, const struct driver_lmdb_settings *settings,
                 char why[DRIVER_REASON_SIZE])
{
    uint64_t max = settings->max_bytes != 0 ? settings->max_bytes : DRIVER_LMDB_MAX_BYTES;
    uint64_t schema = 0;
    int rc;
    if (mkdir(settings->data_dir, 0700) != 0 && errno != EEXIST)
        return errno;
    rc = lock_directory(d, settings->data_dir, why);
    if (rc == 0)
        rc = mdb_env_create(&d->env);
    if (rc == 0)
        rc = mdb_env_set_mapsize(d->env, (size_t)(max & ~UINT64_C(0xffff)));
    if (rc == 0)
        rc = mdb_env_set_maxdbs(d->env, LMDB_TABLES);
    if (rc == 0)
        rc = mdb_env_set_maxreaders(d->env, READERS_MAX);
    if (rc == 0) {
        rc = mdb_env_open(d->env, settings->data_dir, MDB_NOTLS, 0600);
        if (rc == ENOMEM)
            snprintf(why, DRIVER_REASON_SIZE, "no address space for %llu bytes of data",
                     (unsigned long long)max);
    }
    if (rc == 0)
        rc = open_tables(d, &schema);
    if (rc == 0 && schema != SCHEMA_VERSION) {
        snprintf(why, DRIVER_REASON_SIZE, "the data has layout %llu, this program knows %u",
                 (unsigned long long)schema, SCHEMA_VERSION);
        return MDB_VERSION_MISMATCH;
    }
    if (rc == 0)
        rc = sync_directory(settings->data_dir);
    return rc;
}

enum err
driver_lmdb_open(const struct driver_lmdb_settings *settings, char why[DRIVER_REASON_SIZE],
                 struct driver **out)
{
    struct driver_lmdb *d = mem_zalloc(sizeof(*d));
    int rc;
    why[0] = '\0';
    d->driver.ops = &ops;
    d->lock_fd = -1;
    buf_init(&d->row, (size_t)1 << 30);
    rc = open_environment(d, settings, why);
    if (rc != 0) {
        if (why[0] == '\0')
            snprintf(why, DRIVER_REASON_SIZE, "%.80s: %.70s", settings->data_dir, mdb_strerror(rc));
        lmdb_close(&d->driver);
        return rc == EWOULDBLOCK ? ERR_BUSY : driver_lmdb_err(rc);
    }
    *out = &d->driver;
    return OK;
}
