/* SPDX-License-Identifier: Apache-2.0 */
/* The Redis driver on a real server: the contract that all drivers keep, the documented keys, and
 * what it asks of a server. What breaks: driver_redis_faults_test.c. Who is let in:
 * driver_redis_login_test.c. */
#include "tests/unit/store/driver_contract_kit.h"
#include "tests/unit/store/driver_redis_kit.h"

static struct redis server;
static struct redis_settings settings;

static struct driver *
open_driver(bool fresh)
{
    if (fresh)
        (void)tell(&server, "FLUSHALL SYNC");
    return driver_on(&settings);
}

static void
append_shared(struct batch *batch, uint64_t seq, uint64_t sessions)
{
    struct slice record = slice_cstr("a message of some forty bytes, as they are");
    uint64_t number;
    batch_message(batch, &record, 1);
    for (number = 1; number <= sessions; number++)
        batch_queue_append(batch, number, seq, 1, NULL, 0);
}

static size_t
count_bodies(void)
{
    redisReply *reply = ask(&server, "KEYS sluice:s:0:body:*");
    size_t count = reply->elements;
    freeReplyObject(reply);
    return count;
}

static void
bodies_leave_with_their_last_entry(void)
{
    struct driver *driver = open_driver(true);
    struct batch batch;
    uint64_t seq;
    batch_init(&batch);
    for (seq = 1; seq <= 4; seq++)
        append_shared(&batch, seq, 3);
    append_shared(&batch, 5, 1); /* lies in its entry */
    driver_contract_apply(driver, &batch);
    CU_ASSERT_EQUAL(count_bodies(), 4);
    for (seq = 1; seq <= 5; seq++) {
        batch_queue_remove(&batch, 1, seq);
        batch_queue_mark_rec(&batch, 2, seq);
    }
    batch_queue_remove(&batch, 3, 1);
    append_shared(&batch, 2, 1);
    append_shared(&batch, 3, 3); /* replaces in 3: the old body of 3 goes */
    driver_contract_apply(driver, &batch);
    CU_ASSERT_EQUAL(count_bodies(), 3);
    batch_session_delete(&batch, 1);
    batch_session_delete(&batch, 2);
    batch_session_delete(&batch, 3);
    driver_contract_apply(driver, &batch);
    CU_ASSERT_EQUAL(count_bodies(), 0);
    CU_ASSERT_EQUAL(count_keys(&server), 3); /* schema, about, lease */
    driver_close(driver);
    batch_fini(&batch);
}

static void
expect_text(const char *command, const char *want, size_t len)
{
    redisReply *reply = ask(&server, command);
    CU_ASSERT_EQUAL_FATAL(reply->type, REDIS_REPLY_ARRAY);
    CU_ASSERT_EQUAL_FATAL(reply->elements, 1);
    CU_ASSERT_EQUAL_FATAL(reply->element[0]->len, len);
    CU_ASSERT_EQUAL(memcmp(reply->element[0]->str, want, len), 0);
    freeReplyObject(reply);
}

/* The examples of services/store/redis.md. */
static void
keys_have_the_documented_bytes(void)
{
    static const uint32_t id = 7;
    struct driver *driver = open_driver(true);
    struct slice record = slice_cstr("hi");
    struct batch batch;
    batch_init(&batch);
    batch_message(&batch, &record, 1);
    batch_queue_append(&batch, 1, 2, 5, &id, 1);
    batch_retained_put(&batch, slice_cstr("a/b"), 500, &record, 1);
    driver_contract_apply(driver, &batch);
    expect_text("ZRANGE sluice:s:0:{0000000000000001}:queue 0 -1",
                "0000000000000002 0000000000000000 05 00000002 01 00000007hi", 59);
    expect_text("ZRANGE sluice:retained:topics 0 -1", "a\0b", 3);
    expect_text("HVALS sluice:retained",
                "\0\0\0\0\0\0\x01\xf4\0\x03"
                "a/bhi",
                15);
    expect_text("ZRANGE sluice:retained:expiry 0 -1",
                "\0\0\0\0\0\0\x01\xf4"
                "a\0b",
                11);
    driver_close(driver);
    batch_fini(&batch);
}

static void
a_second_driver_takes_the_shard_over(void)
{
    struct redis_settings other = settings;
    struct driver *first = open_driver(true);
    struct driver *second, *third;
    struct batch batch;
    batch_init(&batch);
    batch_meta_put(&batch, "boot", slice_cstr("1"));
    CU_ASSERT_EQUAL(driver_apply(first, &batch), OK);
    other.shard = 63;
    second = driver_on(&other);
    CU_ASSERT_EQUAL(driver_apply(second, &batch), OK);
    CU_ASSERT_EQUAL(driver_apply(first, &batch), OK);
    third = driver_on(&settings);
    CU_ASSERT_EQUAL(driver_apply(first, &batch), ERR_STALE);
    CU_ASSERT_PTR_NOT_NULL(strstr(driver_reason(first), "another store"));
    CU_ASSERT_EQUAL(driver_apply(second, &batch), OK);
    CU_ASSERT_EQUAL(driver_apply(third, &batch), OK);
    driver_close(first);
    driver_close(second);
    driver_close(third);
    batch_fini(&batch);
}

static void
sessions_are_apart_by_shard_and_people_are_not(void)
{
    struct redis_settings other = settings;
    struct driver *first = open_driver(true);
    struct driver *second;
    struct batch batch;
    other.shard = 1;
    second = driver_on(&other);
    batch_init(&batch);
    append_one(&batch, 1, 1, "mine");
    batch_user_put(&batch, &(struct driver_user){.name = slice_cstr("ann")});
    driver_contract_apply(first, &batch);
    EXPECT(second, "user ann,, 0\ntotals 0 0 1\n");
    append_one(&batch, 1, 1, "yours");
    driver_contract_apply(second, &batch);
    EXPECT(first, "queue 1 n=1 bytes=4 1..1\nentry 1 flags=1 ids= mine\n"
                  "user ann,, 0\ntotals 0 0 1\n");
    driver_close(first);
    driver_close(second);
    batch_fini(&batch);
}

static void
scripts_that_the_server_has_forgotten_are_loaded_again(void)
{
    struct driver *driver = open_driver(true);
    struct driver_totals totals;
    struct batch batch;
    batch_init(&batch);
    (void)tell(&server, "SCRIPT FLUSH SYNC");
    batch_meta_put(&batch, "boot", slice_cstr("1"));
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), OK);
    (void)tell(&server, "SCRIPT FLUSH SYNC");
    CU_ASSERT_EQUAL(driver_totals(driver, &totals), OK);
    driver_close(driver);
    batch_fini(&batch);
}

static void
fail_entry(void *arg, const struct driver_entry *entry)
{
    (void)arg;
    (void)entry;
    CU_FAIL("an entry");
}

static void
damaged_keys_are_an_error(void)
{
    static const struct driver_visitor visitor = {NULL};
    static const char *const entries[] = {"short",
                                          "000000000000000g 0000000000000000 01 00000000 00 ",
                                          "0000000000000001 0000000000000000 01 00000009 00 x",
                                          "0000000000000001 0000000000000000 01 00000000 09 ",
                                          "0000000000000001 00000000000000aa 01 00000001 00 "};
    struct driver *driver = open_driver(true);
    struct batch batch;
    size_t i;
    bool more;
    CU_ASSERT_EQUAL(driver_load(driver, &visitor, NULL), OK);
    for (i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        freeReplyObject(ask(&server, "DEL sluice:s:0:{0000000000000001}:queue"));
        freeReplyObject(ask(&server, "ZADD sluice:s:0:{0000000000000001}:queue 0 %s", entries[i]));
        CU_ASSERT_EQUAL(driver_queue_page(driver, 1, 0, 10, 10, fail_entry, NULL, &more),
                        ERR_MALFORMED);
    }
    (void)tell(&server, "SET sluice:s:0:{0000000000000002}:queue x");
    CU_ASSERT_EQUAL(driver_queue_page(driver, 2, 0, 10, 10, fail_entry, NULL, &more),
                    ERR_MALFORMED);
    batch_init(&batch);
    (void)tell(&server, "SET sluice:s:0:meta x");
    batch_meta_put(&batch, "boot", slice_cstr("1"));
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), ERR_MALFORMED);
    driver_close(driver);
    batch_fini(&batch);
}

static void
expect_refusal(enum err want, const char *text)
{
    char why[DRIVER_REASON_SIZE];
    struct driver *driver = NULL;
    CU_ASSERT_EQUAL(driver_redis_open(&settings.config, why, &driver), want);
    if (strstr(why, text) == NULL)
        printf("why: %s\n", why);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, text));
    CU_ASSERT_PTR_NULL(driver);
    driver_close(driver);
}

static void
data_of_another_layout_is_refused(void)
{
    (void)tell(&server, "FLUSHALL SYNC");
    (void)tell(&server, "SET sluice:schema 99");
    expect_refusal(ERR_VERSION, "99");
}

static void
a_server_that_would_lose_acknowledged_changes_is_refused(void)
{
    struct driver *driver;
    struct batch batch;
    (void)tell(&server, "FLUSHALL SYNC");
    (void)tell(&server, "CONFIG SET maxmemory-policy allkeys-lru");
    expect_refusal(ERR_UNSUPPORTED, "noeviction");
    (void)tell(&server, "CONFIG SET maxmemory-policy noeviction");
    (void)tell(&server, "CONFIG SET appendfsync no");
    expect_refusal(ERR_UNSUPPORTED, "appendfsync always");
    (void)tell(&server, "CONFIG SET appendfsync everysec");
    driver = driver_on(&settings);
    driver_close(driver);
    (void)tell(&server, "CONFIG SET appendfsync always");
    /* A server that is no longer good enough when it is connected again is not used either. */
    driver = driver_on(&settings);
    (void)tell(&server, "CONFIG SET appendonly no");
    freeReplyObject(ask(&server, "CLIENT KILL TYPE normal"));
    batch_init(&batch);
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), ERR_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(driver_reason(driver), "appendonly yes"));
    driver_close(driver);
    batch_fini(&batch);
    expect_refusal(ERR_UNSUPPORTED, "appendonly yes");
    (void)tell(&server, "CONFIG SET appendonly yes");
}

static void
a_cluster_is_refused(void)
{
    struct redis cluster = redis_make();
    struct redis_settings before = settings;
    char bus[16];
    cluster.port = free_port();
    snprintf(bus, sizeof(bus), "%d", free_port());
    cluster.extra[0] = "--cluster-enabled";
    cluster.extra[1] = "yes";
    cluster.extra[2] = "--cluster-port";
    cluster.extra[3] = bus;
    redis_start(&cluster);
    settings_init(&settings, cluster.socket);
    expect_refusal(ERR_UNSUPPORTED, "Cluster");
    settings = before;
    redis_end(&cluster);
}

static void
nobody_there_is_said_with_the_address(void)
{
    static char nowhere[] = "/nonexistent/socket";
    struct redis_settings before = settings;
    settings_init(&settings, nowhere);
    expect_refusal(ERR_IO, "/nonexistent/socket");
    settings = before;
}

/* ---- measured ---- */

/* Processor time of the server so far: what counts on a machine that does other things too. */
static uint64_t
server_cpu_us(void)
{
    redisReply *reply = ask(&server, "INFO cpu");
    const char *system = strstr(reply->str, "used_cpu_sys:");
    const char *user = strstr(reply->str, "used_cpu_user:");
    double seconds = system != NULL && user != NULL ? atof(system + 13) + atof(user + 14) : 0;
    freeReplyObject(reply);
    return (uint64_t)(seconds * 1e6);
}

/* Applies the batch `groups` times over, filled by `fill`, and prints what one took. */
static void
measure(struct driver *driver, const char *what, unsigned groups,
        void (*fill_group)(struct batch *batch, uint64_t group))
{
    struct batch batch;
    uint64_t cpu = server_cpu_us(), took = 0;
    unsigned group;
    batch_init(&batch);
    for (group = 0; group < groups; group++) {
        uint64_t began;
        fill_group(&batch, group);
        began = clock_monotonic_us();
        driver_contract_apply(driver, &batch);
        took += clock_monotonic_us() - began;
    }
    printf("\n    %s: %llu us, %llu us of the server's processor ", what,
           (unsigned long long)(took / groups),
           (unsigned long long)((server_cpu_us() - cpu) / groups));
    batch_fini(&batch);
}

static uint8_t bytes[200];

static void
fill_appends_and_removals(struct batch *batch, uint64_t first, uint64_t count)
{
    struct slice record = slice_of(bytes, sizeof(bytes));
    uint64_t seq;
    for (seq = first; seq < first + count; seq++) {
        batch_message(batch, &record, 1);
        batch_queue_append(batch, 1 + seq % 50, seq, 1, NULL, 0);
        if (seq > 1000)
            batch_queue_remove(batch, 1 + (seq - 1000) % 50, seq - 1000);
    }
}

static void
fill_hundred(struct batch *batch, uint64_t group)
{
    fill_appends_and_removals(batch, 1 + 100 * group, 100);
}

static void
fill_thousands(struct batch *batch, uint64_t group)
{
    fill_appends_and_removals(batch, 5001 + 5000 * group, 5000);
}

static void
fill_fan_out(struct batch *batch, uint64_t group)
{
    struct slice record = slice_of(bytes, sizeof(bytes));
    uint64_t number;
    batch_message(batch, &record, 1);
    for (number = 1; number <= 10000; number++)
        batch_queue_append(batch, number, 1000000 + group, 1, NULL, 0);
}

static void
what_groups_cost_is_printed(void)
{
    struct driver *driver = open_driver(true);
    measure(driver, "100 appends and 100 removals", 50, fill_hundred);
    measure(driver, "5,000 of each", 4, fill_thousands);
    measure(driver, "one message to 10,000 sessions", 3, fill_fan_out);
    driver_close(driver);
}

/* More arguments than Redis before 7 took. */
static void
a_batch_of_a_million_arguments_is_one_batch(void)
{
    struct driver *driver = open_driver(true);
    struct batch batch;
    uint64_t seq;
    batch_init(&batch);
    append_one(&batch, 1, 350000, "message");
    for (seq = 1; seq <= 350000; seq++)
        batch_queue_remove(&batch, 1, seq);
    driver_contract_apply(driver, &batch);
    EXPECT(driver, "totals 0 0 0\n");
    batch_fini(&batch);
    driver_close(driver);
}

static const struct driver_contract contract = {open_driver};

static const struct cunit_case cases[] = {
    DRIVER_CONTRACT_SHARED_CASES //
        CUNIT_CASE(bodies_leave_with_their_last_entry),
    CUNIT_CASE(keys_have_the_documented_bytes),
    CUNIT_CASE(a_second_driver_takes_the_shard_over),
    CUNIT_CASE(sessions_are_apart_by_shard_and_people_are_not),
    CUNIT_CASE(scripts_that_the_server_has_forgotten_are_loaded_again),
    CUNIT_CASE(damaged_keys_are_an_error),
    CUNIT_CASE(data_of_another_layout_is_refused),
    CUNIT_CASE(a_server_that_would_lose_acknowledged_changes_is_refused),
    CUNIT_CASE(a_cluster_is_refused),
    CUNIT_CASE(nobody_there_is_said_with_the_address),
    CUNIT_CASE(a_batch_of_a_million_arguments_is_one_batch),
    CUNIT_CASE(what_groups_cost_is_printed),
};

int
main(void)
{
    int failed;
    (void)signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_LEVEL_ERROR);
    server = redis_make();
    redis_start(&server);
    settings_init(&settings, server.socket);
    driver_contract_use(&contract);
    failed = cunit_run("driver_redis", cases, sizeof(cases) / sizeof(cases[0]));
    redis_end(&server);
    return failed;
}
