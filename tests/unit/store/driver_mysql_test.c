/* SPDX-License-Identifier: Apache-2.0 */
/* The MySQL driver against a real MariaDB: the contract that all drivers keep, its tables, and who
 * may use them. Failing connections and servers: driver_mysql_fault_test.c. */
#include "tests/unit/store/driver_mysql_kit.h"

#include <pthread.h>

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
    CU_ASSERT_EQUAL(rows("messages"), 4);
    CU_ASSERT_EQUAL(rows("queue"), 13);
    CU_ASSERT_EQUAL(server_number("SELECT SUM(refs) FROM messages"), 12);
    driver_close(driver);
    driver = open_driver(false);
    for (seq = 1; seq <= 5; seq++) {
        batch_queue_remove(&batch, 1, seq);
        batch_queue_mark_rec(&batch, 2, seq);
    }
    batch_queue_remove(&batch, 3, 1);
    append_shared(&batch, 2, 1); /* replaces nothing, session 1 has gone on */
    append_shared(&batch, 3, 3); /* replaces in 3: the old body of 3 goes */
    driver_contract_apply(driver, &batch);
    CU_ASSERT_EQUAL(rows("messages"), 3);
    CU_ASSERT_EQUAL(server_number("SELECT SUM(refs) FROM messages"), 5);
    batch_session_delete(&batch, 1);
    batch_session_delete(&batch, 2);
    batch_session_delete(&batch, 3);
    driver_contract_apply(driver, &batch);
    CU_ASSERT_EQUAL(rows("messages"), 0);
    CU_ASSERT_EQUAL(rows("queue"), 0);
    batch_fini(&batch);
    driver_close(driver);
}

/* More changes than one stage takes, more rows than one execution. */
static void
a_large_batch_is_one_transaction(void)
{
    struct driver *driver = open_driver(true);
    struct batch batch;
    uint64_t seq;
    batch_init(&batch);
    append_shared(&batch, 1, 20000); /* one body, its entries in two stages */
    for (seq = 2; seq <= 10000; seq++)
        append_shared(&batch, seq, 1);
    driver_fault_set(driver, batch.op_count, 1, ERR_NO_SPACE);
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), ERR_NO_SPACE);
    CU_ASSERT_EQUAL(rows("queue"), 0);
    CU_ASSERT_EQUAL(rows("messages"), 0);
    driver_fault_set(driver, 0, 0, OK);
    driver_contract_apply(driver, &batch);
    CU_ASSERT_EQUAL(rows("queue"), 29999);
    CU_ASSERT_EQUAL(rows("messages"), 1);
    for (seq = 1; seq <= 20000; seq++)
        batch_queue_remove(&batch, seq, 1);
    for (seq = 2; seq <= 10000; seq++)
        batch_queue_remove(&batch, 1, seq);
    driver_contract_apply(driver, &batch);
    CU_ASSERT_EQUAL(rows("queue"), 0);
    CU_ASSERT_EQUAL(rows("messages"), 0);
    batch_fini(&batch);
    driver_close(driver);
}

static void
a_person_can_read_the_tables(void)
{
    struct driver *driver = open_driver(true);
    struct slice record = slice_cstr("kept");
    struct batch batch;
    char text[64];
    batch_init(&batch);
    batch_session_put(&batch, &(struct driver_session){.session = 1,
                                                       .client_id = slice_cstr("it's \"me\""),
                                                       .user = slice_cstr("ann")});
    batch_subscription_put(&batch, &(struct driver_subscription){
                                       .session = 1, .qos = 2, .filter = slice_cstr("a/+/#")});
    batch_retained_put(&batch, slice_cstr("a/b"), 0, &record, 1);
    batch_row_put(&batch, &(struct driver_row){DRIVER_ROW_BAN, slice_cstr("user:bob"),
                                               slice_cstr("rude"), 7});
    driver_contract_apply(driver, &batch);
    server_ask("SELECT filter FROM subscriptions JOIN sessions USING (shard, session) WHERE "
               "client_id = 'it''s \"me\"' AND user = 'ann' AND qos = 2",
               text, sizeof(text));
    CU_ASSERT_STRING_EQUAL(text, "a/+/#");
    server_ask("SELECT record FROM retained WHERE topic = 'a/b'", text, sizeof(text));
    CU_ASSERT_STRING_EQUAL(text, "kept");
    server_ask("SELECT value FROM bans WHERE name = 'user:bob'", text, sizeof(text));
    CU_ASSERT_STRING_EQUAL(text, "rude");
    CU_ASSERT_EQUAL(server_number("SELECT COUNT(*) FROM information_schema.tables WHERE "
                                  "table_schema = 'sluice' AND engine = 'InnoDB' AND "
                                  "table_collation = 'utf8mb4_bin'"),
                    18);
    batch_fini(&batch);
    driver_close(driver);
}

/* ---- shards ---- */

static void
see_session(void *arg, const struct driver_session *session)
{
    (void)session;
    (*(size_t *)arg)++;
}

static void
count_entry(void *arg, const struct driver_entry *entry)
{
    (void)entry;
    (*(size_t *)arg)++;
}

static size_t
sessions_of(struct driver *driver)
{
    static const struct driver_visitor visitor = {.session = see_session};
    size_t count = 0;
    CU_ASSERT_EQUAL(driver_load(driver, &visitor, &count), OK);
    return count;
}

static void
shards_are_apart_and_one_store_has_each(void)
{
    struct driver_mysql_config config;
    struct driver *zero = open_driver(true);
    struct driver *one, *other;
    struct batch batch;
    bool more;
    size_t counts = 0;
    batch_init(&batch);
    config = config_of(server_port);
    one = open_shard(&config, 63);
    batch.id = 9;
    batch_session_put(&batch, &(struct driver_session){.session = 1});
    append_shared(&batch, 1, 2);
    CU_ASSERT_EQUAL(driver_apply(one, &batch), OK);
    CU_ASSERT_EQUAL(driver_apply(zero, &batch), OK); /* that id is another shard's */
    batch_reset(&batch, 0);
    batch_session_put(&batch, &(struct driver_session){.session = 2});
    driver_contract_apply(one, &batch);
    batch_session_delete(&batch, 1);
    driver_contract_apply(zero, &batch);
    CU_ASSERT_EQUAL(sessions_of(zero), 0);
    CU_ASSERT_EQUAL(sessions_of(one), 2);
    CU_ASSERT_EQUAL(driver_queue_page(one, 1, 0, 10, 1000, count_entry, &counts, &more), OK);
    CU_ASSERT_EQUAL(counts, 1);
    /* Another store takes shard 0: the one that had it may not write any more. */
    other = open_driver(false);
    batch_session_put(&batch, &(struct driver_session){.session = 3});
    CU_ASSERT_EQUAL(driver_apply(zero, &batch), ERR_STALE);
    CU_ASSERT_PTR_NOT_NULL(strstr(driver_reason(zero), "shard 0"));
    batch.id = 10;
    CU_ASSERT_EQUAL(driver_apply(zero, &batch), ERR_STALE);
    CU_ASSERT_EQUAL(driver_apply(other, &batch), OK);
    CU_ASSERT_EQUAL(driver_apply(one, &batch), OK);
    batch_fini(&batch);
    driver_close(zero);
    driver_close(one);
    driver_close(other);
}

/* ---- versions of the tables ---- */

static void
tables_of_a_newer_program_are_refused(void)
{
    struct driver_mysql_config config = config_of(server_port);
    char why[DRIVER_REASON_SIZE];
    struct driver *driver = open_driver(true);
    driver_close(driver);
    server_sql("INSERT INTO schema_versions (version, program) VALUES (99, 'later')");
    config.start_timeout_ms = 60000; /* no reason to wait */
    CU_ASSERT_EQUAL(try_open(&config, why, &driver), ERR_VERSION);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "99"));
    CU_ASSERT_PTR_NULL(driver);
    server_sql("DELETE FROM schema_versions WHERE version = 99");
    driver = open_driver(false);
    driver_close(driver);
}

static void
a_migration_that_was_cut_off_is_finished(void)
{
    struct driver *driver = open_driver(true);
    driver_close(driver);
    server_sql("DELETE FROM schema_versions");
    server_sql("DROP TABLE queue");
    server_sql("DROP TABLE audit");
    driver = open_driver(false);
    CU_ASSERT_EQUAL(rows("queue"), 0);
    CU_ASSERT_EQUAL(rows("schema_versions"), 2);
    driver_close(driver);
}

/* NULL when it could. */
static void *
open_and_close(void *arg)
{
    const struct driver_mysql_config *config = arg;
    char why[DRIVER_REASON_SIZE];
    struct driver *driver;
    if (try_open(config, why, &driver) != OK)
        return arg;
    driver_close(driver);
    return NULL;
}

static void
stores_that_start_at_once_make_the_tables_once(void)
{
    struct driver_mysql_config configs[4];
    pthread_t threads[4];
    void *bad;
    int i;
    server_sql("DROP DATABASE sluice"); /* it is made again too */
    for (i = 0; i < 4; i++) {
        configs[i] = config_of(server_port);
    }
    for (i = 0; i < 4; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, open_and_close, &configs[i]), 0);
    for (i = 0; i < 4; i++) {
        pthread_join(threads[i], &bad);
        CU_ASSERT_PTR_NULL(bad);
    }
    CU_ASSERT_EQUAL(rows("schema_versions"), 2);
    CU_ASSERT_EQUAL(server_number("SELECT COUNT(*) FROM information_schema.schemata WHERE "
                                  "schema_name = 'sluice' AND default_character_set_name = "
                                  "'utf8mb4'"),
                    1);
}

/* ---- servers that cannot be used ---- */

static void
a_wrong_password_is_denied_at_once(void)
{
    struct driver_mysql_config config = config_of(server_port);
    char why[DRIVER_REASON_SIZE], wrong[] = "wrong";
    struct driver *driver;
    config.password = wrong;
    config.start_timeout_ms = 60000;
    CU_ASSERT_EQUAL(try_open(&config, why, &driver), ERR_DENIED);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "Access denied"));
    CU_ASSERT_PTR_NULL(strstr(why, "wrong"));
}

static void
a_server_without_tls_is_refused_when_tls_is_wanted(void)
{
    struct driver_mysql_config config = config_of(server_port);
    char why[DRIVER_REASON_SIZE], ca[] = "/dev/null";
    struct driver *driver;
    config.tls_ca = ca;
    config.tls_verify = false; /* even so */
    CU_ASSERT_EQUAL(try_open(&config, why, &driver), ERR_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "TLS"));
    config.tls_verify = true;
    CU_ASSERT_EQUAL(try_open(&config, why, &driver), ERR_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "SSL"));
}

static void
a_server_without_room_for_our_records_is_refused(void)
{
    struct driver_mysql_config config = config_of(server_port);
    char why[DRIVER_REASON_SIZE];
    struct driver *driver;
    config.max_record = 256u << 20;
    CU_ASSERT_EQUAL(try_open(&config, why, &driver), ERR_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "max_allowed_packet"));
}

static void
a_record_larger_than_a_packet_is_too_large(void)
{
    struct driver *driver = open_driver(true);
    struct slice record = slice_of(mem_zalloc(17u << 20), 17u << 20);
    struct batch batch;
    batch_init(&batch);
    append_shared(&batch, 1, 1);
    batch_message(&batch, &record, 1);
    batch_queue_append(&batch, 1, 2, 1, NULL, 0);
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), ERR_TOO_LARGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(driver_reason(driver), "max_allowed_packet"));
    CU_ASSERT_EQUAL(rows("queue"), 0);
    batch_reset(&batch, 0);
    append_shared(&batch, 1, 1);
    driver_contract_apply(driver, &batch);
    batch_fini(&batch);
    mem_free((void *)(uintptr_t)record.data);
    driver_close(driver);
}

static void
servers_that_are_away_or_read_only_are_passed_over(void)
{
    struct driver_mysql_config config = config_of((unsigned)free_port());
    char why[DRIVER_REASON_SIZE];
    struct driver *driver;
    struct batch batch;
    wipe();
    batch_init(&batch);
    CU_ASSERT_EQUAL(try_open(&config, why, &driver), ERR_IO);
    snprintf(host_text[1], sizeof(host_text[1]), "127.0.0.1:%u", server_port);
    config.hosts.count = 2;
    driver = open_with(&config);
    append_shared(&batch, 1, 1);
    driver_contract_apply(driver, &batch);
    server_sql("SET GLOBAL read_only = 1");
    append_shared(&batch, 2, 1);
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), ERR_IO);
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), ERR_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(driver_reason(driver), "read only"));
    server_sql("SET GLOBAL read_only = 0");
    driver_contract_apply(driver, &batch);
    CU_ASSERT_EQUAL(rows("queue"), 2);
    batch_fini(&batch);
    driver_close(driver);
}

static const struct driver_contract contract = {open_driver};

static const struct cunit_case cases[] = {
    DRIVER_CONTRACT_SHARED_CASES //
        CUNIT_CASE(bodies_and_counts_leave_with_their_last_entry),
    CUNIT_CASE(a_large_batch_is_one_transaction),
    CUNIT_CASE(a_person_can_read_the_tables),
    CUNIT_CASE(shards_are_apart_and_one_store_has_each),
    CUNIT_CASE(tables_of_a_newer_program_are_refused),
    CUNIT_CASE(a_migration_that_was_cut_off_is_finished),
    CUNIT_CASE(stores_that_start_at_once_make_the_tables_once),
    CUNIT_CASE(a_wrong_password_is_denied_at_once),
    CUNIT_CASE(a_server_without_tls_is_refused_when_tls_is_wanted),
    CUNIT_CASE(a_server_without_room_for_our_records_is_refused),
    CUNIT_CASE(a_record_larger_than_a_packet_is_too_large),
    CUNIT_CASE(servers_that_are_away_or_read_only_are_passed_over),
};

int
main(void)
{
    driver_contract_use(&contract);
    return run_with_server("driver_mysql", cases, sizeof(cases) / sizeof(cases[0]));
}
