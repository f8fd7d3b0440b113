/* SPDX-License-Identifier: Apache-2.0 */
/* The MySQL driver when connections are cut, answers get lost, and the server is killed, hangs or
 * has no room left: all or nothing, once, and in bounded time. */
#include "tests/unit/store/driver_mysql_proxy.h"

static struct driver *
open_through(struct proxy *proxy)
{
    struct driver_mysql_config config = config_of(proxy->port);
    wipe();
    return open_with(&config);
}

/* Some of everything that takes a statement of its own. */
static void
fill(struct batch *batch)
{
    struct slice record = slice_cstr("record");
    batch_session_put(batch, &(struct driver_session){.session = 1});
    batch_session_delete(batch, 9);
    append_shared(batch, 1, 2);
    append_shared(batch, 2, 1);
    batch_queue_remove(batch, 1, 8);
    batch_queue_mark_rec(batch, 1, 7);
    batch_outbox_append(batch, 1, &record, 1);
    batch_retained_put(batch, slice_cstr("a"), 0, &record, 1);
    batch_user_put(batch, &(struct driver_user){.name = slice_cstr("ann")});
    batch->id = 5;
}

static void
a_connection_cut_before_any_command_leaves_nothing_half(void)
{
    struct proxy proxy;
    struct driver *driver;
    struct batch batch;
    struct buf before, whole, after;
    enum err err = ERR_IO;
    int n;
    buf_init(&before, 100000);
    buf_init(&whole, 100000);
    buf_init(&after, 100000);
    batch_init(&batch);
    proxy_start(&proxy);
    for (n = 1; err != OK && n < 100; n++) {
        driver = open_through(&proxy);
        append_shared(&batch, 7, 3);
        append_shared(&batch, 8, 3);
        driver_contract_apply(driver, &batch);
        fill(&batch);
        driver_contract_dump(driver, &before);
        atomic_store(&proxy.cut_in, n);
        err = driver_apply(driver, &batch);
        atomic_store(&proxy.cut_in, 0);
        if (err != OK) {
            CU_ASSERT_EQUAL(err, ERR_IO);
            driver_contract_dump(driver, &after);
            CU_ASSERT(slice_equal(buf_slice(&before), buf_slice(&after)));
            CU_ASSERT_EQUAL(driver_apply(driver, &batch), OK);
        }
        driver_contract_dump(driver, &after);
        if (n == 1) {
            buf_append_slice(&whole, buf_slice(&after));
            CU_ASSERT_FALSE(slice_equal(buf_slice(&before), buf_slice(&whole)));
        }
        CU_ASSERT(slice_equal(buf_slice(&whole), buf_slice(&after)));
        CU_ASSERT_EQUAL(rows("messages"), 3);
        batch_reset(&batch, 0);
        driver_close(driver);
    }
    CU_ASSERT(n > 12 && n < 100);
    proxy_stop(&proxy);
    batch_fini(&batch);
    buf_fini(&before);
    buf_fini(&whole);
    buf_fini(&after);
}

static void
a_commit_whose_answer_is_lost_counts_once(void)
{
    struct proxy proxy;
    struct driver *driver;
    struct driver_totals totals;
    struct batch batch;
    int round;
    proxy_start(&proxy);
    driver = open_through(&proxy);
    batch_init(&batch);
    for (round = 0; round < 5; round++) {
        fill(&batch);
        batch.id = 5 + (uint64_t)round;
        atomic_store(&proxy.lose_commit, true);
        CU_ASSERT_EQUAL(driver_apply(driver, &batch), ERR_IO);
        CU_ASSERT_EQUAL(rows("queue"), 3);
        CU_ASSERT_EQUAL(driver_apply(driver, &batch), OK);
        CU_ASSERT_EQUAL(driver_totals(driver, &totals), OK);
        CU_ASSERT_EQUAL(totals.retained_count, 1);
        CU_ASSERT_EQUAL(totals.user_count, 1);
        CU_ASSERT_EQUAL(rows("queue"), 3);
        CU_ASSERT_EQUAL(server_number("SELECT SUM(refs) FROM messages"), 2);
        CU_ASSERT_EQUAL(server_number("SELECT repeats FROM shards"), (uint64_t)round + 1);
        batch_reset(&batch, 0);
    }
    /* It counts when a commit was answered, not when it is seen. */
    fill(&batch);
    atomic_store(&proxy.lose_commit, true);
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), ERR_IO);
    atomic_store(&proxy.lose_commit, true);
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), ERR_IO);
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), OK);
    proxy_stop(&proxy);
    batch_fini(&batch);
    driver_close(driver);
}

/* ---- the server itself ---- */

static void
a_server_killed_and_started_again_has_everything(void)
{
    struct driver *driver = open_driver(true);
    struct driver_totals totals;
    struct batch batch;
    struct buf before, after;
    uint64_t began;
    buf_init(&before, 100000);
    buf_init(&after, 100000);
    batch_init(&batch);
    fill(&batch);
    driver_contract_apply(driver, &batch);
    driver_contract_dump(driver, &before);
    server_kill();
    append_shared(&batch, 20, 2);
    batch.id = 6;
    began = clock_monotonic_ms();
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), ERR_IO);
    CU_ASSERT_EQUAL(driver_totals(driver, &totals), ERR_IO);
    CU_ASSERT_EQUAL(driver_totals(driver, &totals), ERR_IO);
    CU_ASSERT(clock_monotonic_ms() - began < 60000);
    CU_ASSERT(strlen(driver_reason(driver)) > 0);
    server_start();
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), OK);
    while (driver_totals(driver, &totals) != OK) /* readers' attempts are spaced out */
        poll(NULL, 0, 10);
    CU_ASSERT_EQUAL(rows("queue"), 5);
    batch_reset(&batch, 0);
    batch_queue_remove(&batch, 1, 20);
    batch_queue_remove(&batch, 2, 20);
    driver_contract_apply(driver, &batch);
    driver_contract_dump(driver, &after);
    CU_ASSERT(slice_equal(buf_slice(&before), buf_slice(&after)));
    batch_fini(&batch);
    buf_fini(&before);
    buf_fini(&after);
    driver_close(driver);
}

struct committer {
    struct driver *driver;
    _Atomic bool stop;
    _Atomic uint64_t done; /* batches that were answered OK */
    uint64_t repeats;
};

/* Batch n appends entry n, and removes entry n - 10. */
static void *
committer_main(void *arg)
{
    struct committer *committer = arg;
    struct batch batch;
    uint64_t n = 1;
    batch_init(&batch);
    while (!atomic_load(&committer->stop)) {
        append_shared(&batch, n, 2);
        if (n > 10) {
            batch_queue_remove(&batch, 1, n - 10);
            batch_queue_remove(&batch, 2, n - 10);
        }
        batch.id = n;
        while (driver_apply(committer->driver, &batch) != OK) {
            committer->repeats++;
            poll(NULL, 0, 20);
        }
        batch_reset(&batch, 1 << 20);
        atomic_store(&committer->done, n++);
    }
    batch_fini(&batch);
    return NULL;
}

static void
kills_in_the_middle_of_commits_lose_nothing_and_leave_nothing_half(void)
{
    struct committer committer = {.driver = open_driver(true)};
    pthread_t thread;
    int round;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, committer_main, &committer), 0);
    for (round = 0; round < 3; round++) {
        uint64_t goal = atomic_load(&committer.done) + 50;
        while (atomic_load(&committer.done) < goal)
            poll(NULL, 0, 1);
        server_kill();
        server_start();
    }
    atomic_store(&committer.stop, true);
    pthread_join(thread, NULL);
    CU_ASSERT(committer.repeats > 0);
    CU_ASSERT_EQUAL(rows("queue"), 20);
    CU_ASSERT_EQUAL(rows("messages"), 10);
    CU_ASSERT_EQUAL(server_number("SELECT SUM(refs) FROM messages"), 20);
    CU_ASSERT_EQUAL(server_number("SELECT MAX(seq) FROM queue"), atomic_load(&committer.done));
    driver_close(committer.driver);
}

static void
a_server_that_hangs_is_given_up(void)
{
    struct driver_mysql_config config = config_of(server_port);
    struct driver *driver;
    struct driver_totals totals;
    struct batch batch;
    uint64_t began;
    wipe();
    batch_init(&batch);
    config.timeout_ms = 2000;
    config.connect_timeout_ms = 2000;
    driver = open_with(&config);
    fill(&batch);
    CU_ASSERT_EQUAL(driver_totals(driver, &totals), OK);
    kill(server_pid, SIGSTOP);
    began = clock_monotonic_ms();
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), ERR_IO);
    CU_ASSERT_EQUAL(driver_totals(driver, &totals), ERR_IO);
    CU_ASSERT(clock_monotonic_ms() - began < 60000);
    kill(server_pid, SIGCONT);
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), OK);
    CU_ASSERT_EQUAL(rows("queue"), 3);
    batch_fini(&batch);
    driver_close(driver);
}

static void
a_deadlock_is_tried_again_at_once(void)
{
    struct driver *driver = open_driver(true);
    struct batch batch;
    struct slice record = slice_cstr("record");
    batch_init(&batch);
    batch_retained_put(&batch, slice_cstr("a"), 0, &record, 1);
    batch_retained_put(&batch, slice_cstr("b"), 0, &record, 1);
    driver_contract_apply(driver, &batch);
    driver_fault_set(driver, 3, 3, ERR_AGAIN); /* as the server answers a deadlock */
    batch_retained_delete(&batch, slice_cstr("a"));
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), OK);
    CU_ASSERT_EQUAL(rows("retained"), 1);
    driver_fault_set(driver, 3, 100, ERR_AGAIN);
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), ERR_IO);
    driver_fault_set(driver, 0, 0, OK);
    batch_fini(&batch);
    driver_close(driver);
}

/* Last: its server has other files. */
static void
a_full_server_is_no_space_and_recovers(void)
{
    struct slice record = slice_of(mem_zalloc(500000), 500000);
    struct driver *driver;
    struct batch batch;
    uint64_t seq, kept;
    enum err err = OK;
    server_kill();
    /* All tables in one file that may not grow: to InnoDB that is a full disk. */
    server_extra = "--innodb-data-file-path=ibdata1:12M:autoextend:max:24M";
    server_start();
    server_sql("DROP DATABASE sluice");
    server_sql("SET GLOBAL innodb_file_per_table = 0");
    driver = open_driver(false);
    batch_init(&batch);
    for (seq = 1; err == OK && seq < 200; seq++) {
        batch_reset(&batch, 0);
        batch_message(&batch, &record, 1);
        batch_queue_append(&batch, 1, seq, 1, NULL, 0);
        batch.id = seq;
        err = driver_apply(driver, &batch);
    }
    kept = seq - 2;
    CU_ASSERT_EQUAL(err, ERR_NO_SPACE);
    CU_ASSERT(kept > 3 && kept < 100);
    CU_ASSERT_PTR_NOT_NULL(strstr(driver_reason(driver), "full"));
    CU_ASSERT_EQUAL(rows("queue"), kept);
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), ERR_NO_SPACE);
    /* Somebody makes room. */
    server_kill();
    server_extra = "--innodb-data-file-path=ibdata1:12M:autoextend:max:64M";
    server_start();
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), OK);
    CU_ASSERT_EQUAL(rows("queue"), kept + 1);
    mem_free((void *)(uintptr_t)record.data);
    batch_fini(&batch);
    driver_close(driver);
}

static const struct driver_contract contract = {open_driver};

static const struct cunit_case cases[] = {
    CUNIT_CASE(a_connection_cut_before_any_command_leaves_nothing_half),
    CUNIT_CASE(a_commit_whose_answer_is_lost_counts_once),
    CUNIT_CASE(a_deadlock_is_tried_again_at_once),
    CUNIT_CASE(a_server_killed_and_started_again_has_everything),
    CUNIT_CASE(kills_in_the_middle_of_commits_lose_nothing_and_leave_nothing_half),
    CUNIT_CASE(a_server_that_hangs_is_given_up),
    CUNIT_CASE(a_full_server_is_no_space_and_recovers),
};

int
main(void)
{
    driver_contract_use(&contract);
    return run_with_server("driver_mysql_fault", cases, sizeof(cases) / sizeof(cases[0]));
}
