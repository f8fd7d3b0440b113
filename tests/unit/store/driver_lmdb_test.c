/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded driver: the contract that all drivers keep, what only a directory with files can do,
 * and how fast groups are committed. Full disks and kills: driver_lmdb_disk_test.c. */
#include "common/clock.h"
#include "tests/unit/store/driver_contract_kit.h"
#include "tests/unit/store/driver_lmdb_kit.h"

static void
bodies_and_counts_leave_with_their_last_entry(void)
{
    struct driver *driver = open_driver(true);
    struct batch batch;
    uint64_t seq;
    batch_init(&batch);
    for (seq = 1; seq <= 4; seq++)
        append_shared(&batch, seq, 3);
    append_shared(&batch, 5, 1); /* lies in its entry */
    driver_contract_apply(driver, &batch);
    driver_close(driver);
    CU_ASSERT_EQUAL(rows("bodies"), 4);
    CU_ASSERT_EQUAL(rows("references"), 4);
    CU_ASSERT_EQUAL(rows("queue"), 13);
    driver = open_driver(false);
    for (seq = 1; seq <= 5; seq++) {
        batch_queue_remove(&batch, 1, seq);
        batch_queue_mark_rec(&batch, 2, seq);
    }
    batch_queue_remove(&batch, 3, 1);
    append_shared(&batch, 2, 1); /* replaces nothing, session 1 has gone on */
    append_shared(&batch, 3, 3); /* replaces in 3: the old body of 3 goes */
    driver_contract_apply(driver, &batch);
    driver_close(driver);
    CU_ASSERT_EQUAL(rows("bodies"), 3);
    CU_ASSERT_EQUAL(rows("references"), 3);
    driver = open_driver(false);
    batch_session_delete(&batch, 1);
    batch_session_delete(&batch, 2);
    batch_session_delete(&batch, 3);
    driver_contract_apply(driver, &batch);
    driver_close(driver);
    CU_ASSERT_EQUAL(rows("bodies"), 0);
    CU_ASSERT_EQUAL(rows("references"), 0);
    CU_ASSERT_EQUAL(rows("queue"), 0);
    batch_fini(&batch);
}

/* The examples of services/store/embedded.md. */
static void
rows_have_the_documented_bytes(void)
{
    static const uint8_t queue[] = {0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 5,   1,
                                    0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 'h', 'i'};
    static const uint8_t kept[] = {'a', 0,    'b', 0, 0,   0,   0,   0,   0,
                                   1,   0xf4, 0,   3, 'a', '/', 'b', 'h', 'i'};
    static const uint32_t id = 7;
    struct driver *driver = open_driver(true);
    struct slice record = slice_cstr("hi");
    struct batch batch;
    uint8_t got[100];
    size_t len;
    batch_init(&batch);
    batch_message(&batch, &record, 1);
    batch_queue_append(&batch, 1, 2, 5, &id, 1);
    batch_retained_put(&batch, slice_cstr("a/b"), 500, &record, 1);
    driver_contract_apply(driver, &batch);
    driver_close(driver);
    len = only_row("queue", got, sizeof(got));
    CU_ASSERT_EQUAL_FATAL(len, sizeof(queue));
    CU_ASSERT_EQUAL(memcmp(got, queue, sizeof(queue)), 0);
    len = only_row("retained", got, sizeof(got));
    CU_ASSERT_EQUAL_FATAL(len, sizeof(kept));
    CU_ASSERT_EQUAL(memcmp(got, kept, sizeof(kept)), 0);
    batch_fini(&batch);
}

static void
a_second_store_on_the_directory_is_refused_by_name(void)
{
    char why[DRIVER_REASON_SIZE], want[64];
    struct driver *second = NULL;
    struct driver *driver = open_driver(true);
    CU_ASSERT_EQUAL(try_open(0, why, &second), ERR_BUSY);
    snprintf(want, sizeof(want), "process %ld", (long)getpid());
    CU_ASSERT_PTR_NOT_NULL(strstr(why, want));
    CU_ASSERT_PTR_NULL(second);
    driver_close(driver);
    driver = open_driver(false);
    driver_close(driver);
}

static void
an_unusable_directory_is_an_error_that_says_so(void)
{
    char why[DRIVER_REASON_SIZE], file[128];
    struct driver_lmdb_settings settings = {.data_dir = "/nonexistent/below/this"};
    struct driver *driver = NULL;
    FILE *out;
    CU_ASSERT_EQUAL(driver_lmdb_open(&settings, why, &driver), ERR_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "/nonexistent"));
    wipe(data_dir);
    CU_ASSERT_EQUAL(mkdir(data_dir, 0700), 0);
    snprintf(file, sizeof(file), "%s/data.mdb", data_dir);
    out = fopen(file, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    fprintf(out, "%s",
            "this is no database, but it is long enough to be looked at as one ........"
            "....................................................................");
    fclose(out);
    CU_ASSERT_EQUAL(truncate(file, 8192), 0);
    CU_ASSERT_EQUAL(try_open(0, why, &driver), ERR_MALFORMED);
    CU_ASSERT_PTR_NULL(driver);
    wipe(data_dir);
}

/* Writes a row past the driver. */
static void
put_row_into(const char *table, const char *name, const uint8_t *bytes, size_t len)
{
    MDB_val key = {strlen(name), (void *)(uintptr_t)name};
    MDB_val value = {len, (void *)(uintptr_t)bytes};
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    CU_ASSERT_EQUAL_FATAL(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 20);
    CU_ASSERT_EQUAL_FATAL(mdb_env_open(env, data_dir, 0, 0600), 0);
    CU_ASSERT_EQUAL_FATAL(mdb_txn_begin(env, NULL, 0, &txn), 0);
    CU_ASSERT_EQUAL_FATAL(mdb_dbi_open(txn, table, 0, &dbi), 0);
    CU_ASSERT_EQUAL(mdb_put(txn, dbi, &key, &value, 0), 0);
    CU_ASSERT_EQUAL(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void
data_of_another_layout_is_refused(void)
{
    char why[DRIVER_REASON_SIZE];
    struct driver *driver = open_driver(true);
    static const uint8_t version[8] = {0, 0, 0, 0, 0, 0, 0, 99};
    driver_close(driver);
    put_row_into("about", "schema", version, sizeof(version));
    CU_ASSERT_EQUAL(try_open(0, why, &driver), ERR_VERSION);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "99"));
}

/* A user as stores wrote it before users had rules. */
static void
a_user_from_before_rules_is_read(void)
{
    static const uint8_t row[] = {0,   0,   0,   0, 0, 0,   0, 9, 0,  3,
                                  'a', 'n', 'n', 0, 1, 'h', 0, 1, 'r'};
    struct driver *driver = open_driver(true);
    struct buf got;
    buf_init(&got, 1000);
    driver_close(driver);
    put_row_into("users", "ann", row, sizeof(row));
    driver = open_driver(false);
    CU_ASSERT_EQUAL(driver_user_get(driver, slice_cstr("ann"), driver_contract_dump_user, &got),
                    OK);
    CU_ASSERT(slice_equal_cstr(buf_slice(&got), "user ann,h,r 9\n"));
    buf_fini(&got);
    driver_close(driver);
}

/* ---- measured ---- */

static void
group_commit_throughput_is_printed(void)
{
    static uint8_t bytes[200];
    struct slice record = slice_of(bytes, sizeof(bytes));
    struct driver *driver = open_driver(true);
    struct batch batch;
    uint64_t group, seq = 1, began = clock_monotonic_us(), took, number;
    batch_init(&batch);
    for (group = 0; group < 100; group++) {
        int i;
        for (i = 0; i < 100; i++, seq++) {
            batch_message(&batch, &record, 1);
            batch_queue_append(&batch, 1 + seq % 50, seq, 1, NULL, 0);
            if (seq > 1000)
                batch_queue_remove(&batch, 1 + (seq - 1000) % 50, seq - 1000);
        }
        driver_contract_apply(driver, &batch);
    }
    took = clock_monotonic_us() - began;
    printf("\n    groups of 100 appends and 100 removals: %llu messages/s, %llu us per commit ",
           (unsigned long long)(10000 * UINT64_C(1000000) / (took + 1)),
           (unsigned long long)(took / 100));
    began = clock_monotonic_us();
    for (group = 0; group < 10; group++) {
        int i;
        for (i = 0; i < 5000; i++, seq++) {
            batch_message(&batch, &record, 1);
            batch_queue_append(&batch, 1 + seq % 50, seq, 1, NULL, 0);
            batch_queue_remove(&batch, 1 + (seq - 1000) % 50, seq - 1000);
        }
        driver_contract_apply(driver, &batch);
    }
    took = clock_monotonic_us() - began;
    printf("\n    groups of 5,000: %llu messages/s, %llu us per commit ",
           (unsigned long long)(50000 * UINT64_C(1000000) / (took + 1)),
           (unsigned long long)(took / 10));
    batch_message(&batch, &record, 1);
    for (number = 1; number <= 10000; number++)
        batch_queue_append(&batch, number, seq, 1, NULL, 0);
    began = clock_monotonic_us();
    driver_contract_apply(driver, &batch);
    printf("\n    one message to 10,000 sessions: %llu us ",
           (unsigned long long)(clock_monotonic_us() - began));
    batch_fini(&batch);
    driver_close(driver);
}

static const struct driver_contract contract = {open_driver};

static const struct cunit_case cases[] = {
    DRIVER_CONTRACT_CASES //
        CUNIT_CASE(bodies_and_counts_leave_with_their_last_entry),
    CUNIT_CASE(rows_have_the_documented_bytes),
    CUNIT_CASE(a_second_store_on_the_directory_is_refused_by_name),
    CUNIT_CASE(an_unusable_directory_is_an_error_that_says_so),
    CUNIT_CASE(data_of_another_layout_is_refused),
    CUNIT_CASE(a_user_from_before_rules_is_read),
    CUNIT_CASE(group_commit_throughput_is_printed),
};

int
main(void)
{
    driver_contract_use(&contract);
    return run_in_directory("driver_lmdb", cases, sizeof(cases) / sizeof(cases[0]));
}
