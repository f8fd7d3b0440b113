/* SPDX-License-Identifier: Apache-2.0 */
/* A directory for the tests of the embedded driver, and looks into its files behind its back. */
#ifndef SLUICE_TESTS_DRIVER_LMDB_KIT_H
#define SLUICE_TESTS_DRIVER_LMDB_KIT_H

#include "common/mem.h"
#include "services/store/driver_lmdb.h"
#include "tests/unit/cunit_main.h"
#include "tests/unit/store/driver_contract.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char base_dir[64];
static char data_dir[96];

static inline void
wipe(const char *path)
{
    static const char *const names[] = {"data.mdb", "lock.mdb", "store.lock"};
    char file[160];
    size_t i;
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(file, sizeof(file), "%s/%s", path, names[i]);
        unlink(file);
    }
    rmdir(path);
}

static inline enum err
try_open(uint64_t max_bytes, char why[DRIVER_REASON_SIZE], struct driver **out)
{
    struct driver_lmdb_settings settings = {.data_dir = data_dir, .max_bytes = max_bytes};
    return driver_lmdb_open(&settings, why, out);
}

static inline struct driver *
open_driver(bool fresh)
{
    char why[DRIVER_REASON_SIZE];
    struct driver *driver = NULL;
    enum err err;
    if (fresh)
        wipe(data_dir);
    err = try_open(UINT64_C(4) << 30, why, &driver);
    if (err != OK)
        printf("open: %s\n", why);
    CU_ASSERT_EQUAL_FATAL(err, OK);
    return driver;
}

/* Rows in a table, read behind the driver's back (it is closed). */
static inline size_t
rows(const char *table)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_stat stat = {0};
    CU_ASSERT_EQUAL_FATAL(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 20);
    CU_ASSERT_EQUAL_FATAL(mdb_env_open(env, data_dir, MDB_RDONLY, 0600), 0);
    CU_ASSERT_EQUAL_FATAL(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
    if (mdb_dbi_open(txn, table, 0, &dbi) == 0)
        mdb_stat(txn, dbi, &stat);
    mdb_txn_abort(txn);
    mdb_env_close(env);
    return stat.ms_entries;
}

/* Bytes of the only row of a table, its key first; returns how many. The driver is closed. */
static inline size_t
only_row(const char *table, uint8_t *out, size_t size)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_cursor *cursor;
    MDB_val key = {0, NULL}, value = {0, NULL};
    size_t len = 0;
    CU_ASSERT_EQUAL_FATAL(rows(table), 1);
    CU_ASSERT_EQUAL_FATAL(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 20);
    CU_ASSERT_EQUAL_FATAL(mdb_env_open(env, data_dir, MDB_RDONLY, 0600), 0);
    CU_ASSERT_EQUAL_FATAL(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
    CU_ASSERT_EQUAL_FATAL(mdb_dbi_open(txn, table, 0, &dbi), 0);
    CU_ASSERT_EQUAL_FATAL(mdb_cursor_open(txn, dbi, &cursor), 0);
    CU_ASSERT_EQUAL_FATAL(mdb_cursor_get(cursor, &key, &value, MDB_FIRST), 0);
    if (key.mv_size + value.mv_size <= size) {
        memcpy(out, key.mv_data, key.mv_size);
        memcpy(out + key.mv_size, value.mv_data, value.mv_size);
        len = key.mv_size + value.mv_size;
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    mdb_env_close(env);
    return len;
}

static inline void
append_shared(struct batch *batch, uint64_t seq, uint64_t sessions)
{
    struct slice record = slice_cstr("a message of some forty bytes, as they are");
    uint64_t number;
    batch_message(batch, &record, 1);
    for (number = 1; number <= sessions; number++)
        batch_queue_append(batch, number, seq, 1, NULL, 0);
}

/* Makes the directory, runs the cases, removes it. */
static inline int
run_in_directory(const char *name, const struct cunit_case *cases, size_t count)
{
    int failed;
    snprintf(base_dir, sizeof(base_dir), "%s", "/tmp/sluice-driver-XXXXXX");
    if (mkdtemp(base_dir) == NULL)
        return 2;
    snprintf(data_dir, sizeof(data_dir), "%s/data", base_dir);
    failed = cunit_run(name, cases, count);
    wipe(data_dir);
    rmdir(base_dir);
    return failed;
}

#endif
