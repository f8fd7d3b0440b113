/* SPDX-License-Identifier: Apache-2.0 */
/* The Redis driver when something breaks: connections cut at any byte, answers lost, servers
 * killed, stopped, put back, full, or without their replicas. */
#include "services/store/driver_redis_scripts.h"
#include "tests/unit/store/driver_redis_proxy.h"

static struct redis server;

/* The whole batch whatever happens to connections; what the store's committer does. */
static void
apply_until_done(struct driver *driver, const struct batch *batch)
{
    int i;
    enum err err = ERR_IO;
    for (i = 0; i < 4000 && err == ERR_IO; i++) {
        err = driver_apply(driver, batch);
        if (err == ERR_IO)
            usleep(5000);
    }
    if (err != OK)
        printf("apply: %s: %s\n", err_text(err), driver_reason(driver));
    CU_ASSERT_EQUAL_FATAL(err, OK);
}

static void
dump(struct driver *driver, struct buf *out)
{
    driver_contract_dump(driver, out);
}

/* Two messages to two sessions, and the oldest goes: a second application would be seen. */
static void
fill(struct batch *batch, uint64_t n)
{
    struct slice record = slice_cstr("shared by two");
    batch_reset(batch, 1 << 20);
    append_one(batch, 1, 2 * n, "alone");
    batch_message(batch, &record, 1);
    batch_queue_append(batch, 1, 2 * n + 1, 1, NULL, 0);
    batch_queue_append(batch, 2, n, 1, NULL, 0);
    if (n > 1)
        batch_queue_remove(batch, 2, n - 1);
    batch->id = n;
}

static void
a_connection_cut_at_any_byte_changes_nothing_or_all(void)
{
    struct redis_settings settings;
    struct proxy proxy;
    struct driver *driver, *straight;
    struct batch batch;
    struct buf before, after;
    uint64_t n = 1, at, size;
    redis_start(&server);
    proxy_start(&proxy, &server);
    settings_init(&settings, proxy.socket);
    driver = driver_on(&settings);
    batch_init(&batch);
    buf_init(&before, 1 << 22);
    buf_init(&after, 1 << 22);
    fill(&batch, n);
    apply_until_done(driver, &batch);
    size = 800; /* more than a request has */
    for (at = 0; at < size; at += at < 20 || at > size - 200 ? 1 : 13) {
        int cuts = atomic_load(&proxy.cuts);
        fill(&batch, ++n);
        atomic_store(&proxy.requests_left, (int64_t)at);
        apply_until_done(driver, &batch);
        CU_ASSERT(atomic_load(&proxy.cuts) <= cuts + 1);
        atomic_store(&proxy.requests_left, -1);
    }
    for (at = 0; at < 20; at++) {
        int cuts = atomic_load(&proxy.cuts);
        fill(&batch, ++n);
        atomic_store(&proxy.lose_answer, true);
        apply_until_done(driver, &batch);
        CU_ASSERT_EQUAL(atomic_load(&proxy.cuts), cuts + 1);
    }
    dump(driver, &before);
    driver_close(driver);
    /* The same without anything cut. */
    (void)tell(&server, "FLUSHALL SYNC");
    settings_init(&settings, server.socket);
    straight = driver_on(&settings);
    for (at = 1; at <= n; at++) {
        fill(&batch, at);
        apply_until_done(straight, &batch);
    }
    dump(straight, &after);
    CU_ASSERT(slice_equal(buf_slice(&before), buf_slice(&after)));
    driver_close(straight);
    proxy_end(&proxy);
    batch_fini(&batch);
    buf_fini(&before);
    buf_fini(&after);
    redis_kill(&server, SIGKILL);
}

static void
reads_go_on_over_a_new_connection(void)
{
    struct redis_settings settings;
    struct driver_totals totals;
    struct driver *driver;
    redisReply *reply;
    redis_start(&server);
    (void)tell(&server, "FLUSHALL SYNC");
    settings_init(&settings, server.socket);
    driver = driver_on(&settings);
    CU_ASSERT_EQUAL(driver_totals(driver, &totals), OK);
    reply = ask(&server, "CLIENT KILL TYPE normal");
    freeReplyObject(reply);
    CU_ASSERT_EQUAL(driver_totals(driver, &totals), OK);
    redis_kill(&server, SIGKILL);
    CU_ASSERT_EQUAL(driver_totals(driver, &totals), ERR_IO);
    CU_ASSERT_EQUAL(driver_totals(driver, &totals), ERR_IO);
    redis_start(&server);
    while (driver_totals(driver, &totals) == ERR_IO)
        usleep(5000);
    CU_ASSERT_EQUAL(driver_totals(driver, &totals), OK);
    driver_close(driver);
    redis_kill(&server, SIGKILL);
}

static void
count_entry(void *arg, const struct driver_entry *entry)
{
    (void)entry;
    ++*(uint64_t *)arg;
}

static uint64_t
queue_length(struct driver *driver, uint64_t session)
{
    uint64_t count = 0;
    bool more;
    CU_ASSERT_EQUAL(
        driver_queue_page(driver, session, 0, 10000, SIZE_MAX, count_entry, &count, &more), OK);
    CU_ASSERT_FALSE(more);
    return count;
}

struct killer {
    struct redis *redis;
    atomic_bool stop;
    atomic_int kills;
};

static void *
kill_again_and_again(void *arg)
{
    struct killer *killer = arg;
    unsigned ms = 3;
    while (!atomic_load(&killer->stop)) {
        usleep(1000 * ms);
        ms = (ms * 7 + 5) % 150;
        redis_kill(killer->redis, SIGKILL);
        atomic_fetch_add(&killer->kills, 1);
        redis_start(killer->redis);
    }
    return NULL;
}

static void
a_killed_server_has_what_it_acknowledged(void)
{
    struct redis_settings settings;
    struct killer killer = {.redis = &server};
    pthread_t thread;
    struct driver *driver;
    struct batch batch;
    uint64_t n, began = clock_monotonic_ms();
    redis_start(&server);
    (void)tell(&server, "FLUSHALL SYNC");
    settings_init(&settings, server.socket);
    driver = driver_on(&settings);
    batch_init(&batch);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, kill_again_and_again, &killer), 0);
    for (n = 1; (n < 30 || atomic_load(&killer.kills) < 8) && clock_monotonic_ms() - began < 120000;
         n++) {
        fill(&batch, n);
        apply_until_done(driver, &batch);
    }
    atomic_store(&killer.stop, true);
    pthread_join(thread, NULL); /* what it spawned dies with it */
    redis_kill(&server, SIGKILL);
    redis_start(&server);
    fill(&batch, n);
    apply_until_done(driver, &batch);
    CU_ASSERT(n >= 30);
    CU_ASSERT_EQUAL(queue_length(driver, 1), 2 * n);
    CU_ASSERT_EQUAL(queue_length(driver, 2), 1);
    driver_close(driver);
    batch_fini(&batch);
    redis_kill(&server, SIGKILL);
}

static void
a_stopped_server_is_an_error_in_bounded_time(void)
{
    struct redis_settings settings;
    struct driver_totals totals;
    struct driver *driver;
    struct batch batch;
    uint64_t began;
    redis_start(&server);
    (void)tell(&server, "FLUSHALL SYNC");
    settings_init(&settings, server.socket);
    settings.config.timeout_ms = 1000;
    settings.config.connect_timeout_ms = 1000;
    driver = driver_on(&settings);
    batch_init(&batch);
    fill(&batch, 1);
    apply_until_done(driver, &batch);
    kill(server.pid, SIGSTOP);
    began = clock_monotonic_ms();
    fill(&batch, 2);
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), ERR_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(driver_reason(driver), "in time"));
    CU_ASSERT_EQUAL(driver_totals(driver, &totals), ERR_IO);
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), ERR_IO);
    CU_ASSERT(clock_monotonic_ms() - began < 60000);
    kill(server.pid, SIGCONT);
    /* What was given up may still be done, before or after it is tried again: once in all. */
    apply_until_done(driver, &batch);
    fill(&batch, 3);
    apply_until_done(driver, &batch);
    CU_ASSERT_EQUAL(queue_length(driver, 1), 6);
    CU_ASSERT_EQUAL(queue_length(driver, 2), 1);
    driver_close(driver);
    batch_fini(&batch);
    redis_kill(&server, SIGKILL);
}

/* As when its connection was given up while the server stood still, and read to its end later. */
static void
a_batch_that_comes_too_late_is_refused(void)
{
    struct redis_settings settings;
    struct driver *driver;
    struct batch batch;
    char sha[DRIVER_REDIS_SHA_SIZE];
    redisReply *reply, *owner;
    redis_start(&server);
    (void)tell(&server, "FLUSHALL SYNC");
    settings_init(&settings, server.socket);
    driver = driver_on(&settings);
    batch_init(&batch);
    fill(&batch, 1);
    apply_until_done(driver, &batch);
    fill(&batch, 2);
    apply_until_done(driver, &batch);
    owner = ask(&server, "HGET sluice:s:0:about owner");
    /* Batch 2 once more, as it was sent, behind batch 3. */
    fill(&batch, 3);
    apply_until_done(driver, &batch);
    driver_redis_scripts_sha(DRIVER_REDIS_APPLY, sha);
    reply = ask(&server, "EVALSHA %s 0 sluice: sluice:s:0: %s 2 1 p name value", sha, owner->str);
    CU_ASSERT_EQUAL_FATAL(reply->type, REDIS_REPLY_ERROR);
    CU_ASSERT_EQUAL(strncmp(reply->str, "LOST ", 5), 0);
    freeReplyObject(reply);
    freeReplyObject(owner);
    driver_close(driver);
    batch_fini(&batch);
    redis_kill(&server, SIGKILL);
}

static void
a_server_that_was_put_back_is_noticed(void)
{
    char copy[160], path[160];
    struct redis_settings settings;
    struct driver *driver;
    struct batch batch;
    redis_start(&server);
    (void)tell(&server, "FLUSHALL SYNC");
    settings_init(&settings, server.socket);
    driver = driver_on(&settings);
    batch_init(&batch);
    fill(&batch, 1);
    apply_until_done(driver, &batch);
    snprintf(path, sizeof(path), "%s/appendonlydir", server.dir);
    snprintf(copy, sizeof(copy), "%s/copy", server.dir);
    run((const char *const[]){"cp", "-r", path, copy, NULL});
    fill(&batch, 2);
    apply_until_done(driver, &batch);
    redis_kill(&server, SIGKILL);
    run((const char *const[]){"rm", "-r", path, NULL});
    run((const char *const[]){"mv", copy, path, NULL});
    redis_start(&server);
    fill(&batch, 3);
    while (driver_apply(driver, &batch) == ERR_IO)
        usleep(5000);
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), ERR_STALE);
    CU_ASSERT_PTR_NOT_NULL(strstr(driver_reason(driver), "lost changes"));
    driver_close(driver);
    driver = driver_on(&settings); /* starts from what is there */
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), OK);
    CU_ASSERT_EQUAL(queue_length(driver, 1), 4);
    (void)tell(&server, "FLUSHALL SYNC");
    fill(&batch, 4);
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), ERR_STALE);
    driver_close(driver);
    batch_fini(&batch);
    redis_kill(&server, SIGKILL);
}

static void
full_memory_refuses_whole_batches_but_not_removals(void)
{
    static char block[100000];
    struct redis_settings settings;
    struct driver *driver;
    struct batch batch, removal;
    struct buf before, after;
    uint64_t seq = 0;
    enum err err = OK;
    redis_start(&server);
    (void)tell(&server, "FLUSHALL SYNC");
    (void)tell(&server, "CONFIG SET maxmemory 8mb");
    settings_init(&settings, server.socket);
    driver = driver_on(&settings);
    batch_init(&batch);
    batch_init(&removal);
    buf_init(&before, 1 << 22);
    buf_init(&after, 1 << 22);
    memset(block, 'x', sizeof(block) - 1);
    while (err == OK && seq < 1000) {
        batch_reset(&batch, 1 << 20);
        append_one(&batch, 1, ++seq, block);
        append_one(&batch, 1, ++seq, block);
        if (seq > 2)
            batch_queue_remove(&batch, 1, 1);
        batch.id = seq;
        err = driver_apply(driver, &batch);
    }
    CU_ASSERT_EQUAL(err, ERR_NO_SPACE);
    CU_ASSERT(seq > 6);
    dump(driver, &before);
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), ERR_NO_SPACE);
    CU_ASSERT_EQUAL(strncmp(driver_reason(driver), "redis: OOM", 10), 0);
    dump(driver, &after);
    CU_ASSERT(slice_equal(buf_slice(&before), buf_slice(&after)));
    for (seq = 1; seq <= 30; seq++)
        batch_queue_remove(&removal, 1, seq);
    CU_ASSERT_EQUAL(driver_apply(driver, &removal), OK);
    apply_until_done(driver, &batch);
    (void)tell(&server, "CONFIG SET maxmemory 0");
    driver_close(driver);
    batch_fini(&batch);
    batch_fini(&removal);
    buf_fini(&before);
    buf_fini(&after);
    redis_kill(&server, SIGKILL);
}

static void
a_full_disk_is_no_space_until_there_is_some(void)
{
    static char block[100000];
    struct redis_settings settings;
    struct driver *driver;
    struct batch batch;
    uint64_t seq = 0;
    enum err err = OK;
    server.file_limit = 3000; /* KiB */
    server.extra[0] = "--appendfsync";
    server.extra[1] = "everysec";
    redis_start(&server);
    settings_init(&settings, server.socket);
    driver = driver_on(&settings);
    batch_init(&batch);
    memset(block, 'x', sizeof(block) - 1);
    while (err == OK && seq < 1000) {
        batch_reset(&batch, 1 << 20);
        append_one(&batch, 1, ++seq, block);
        batch.id = seq;
        err = driver_apply(driver, &batch);
    }
    CU_ASSERT_EQUAL(err, ERR_NO_SPACE);
    CU_ASSERT_PTR_NOT_NULL(strstr(driver_reason(driver), "MISCONF"));
    run((const char *const[]){"prlimit", "--pid", server.pid_text, "--fsize=unlimited", NULL});
    for (seq = 0; seq < 4000 && err == ERR_NO_SPACE; seq++) {
        usleep(5000);
        err = driver_apply(driver, &batch);
    }
    CU_ASSERT_EQUAL(err, OK);
    driver_close(driver);
    batch_fini(&batch);
    redis_kill(&server, SIGKILL);
    server.extra[0] = NULL;
    server.file_limit = 0;
}

/* With appendfsync always Redis ends itself; what it acknowledged is there when it has room. */
static void
a_full_disk_ends_a_server_that_always_syncs_without_loss(void)
{
    static char block[100000];
    struct redis_settings settings;
    struct driver *driver;
    struct batch batch;
    uint64_t seq = 0;
    enum err err = OK;
    redis_start(&server);
    (void)tell(&server, "FLUSHALL SYNC");
    (void)tell(&server, "BGREWRITEAOF");
    redis_kill(&server, SIGKILL);
    server.file_limit = 6000;
    redis_start(&server);
    settings_init(&settings, server.socket);
    driver = driver_on(&settings);
    batch_init(&batch);
    memset(block, 'x', sizeof(block) - 1);
    while (err == OK && seq < 1000) {
        batch_reset(&batch, 1 << 20);
        append_one(&batch, 1, ++seq, block);
        batch.id = seq;
        err = driver_apply(driver, &batch);
    }
    CU_ASSERT_EQUAL(err, ERR_IO);
    CU_ASSERT(seq > 2);
    redis_kill(&server, SIGKILL);
    server.file_limit = 0;
    redis_start(&server);
    apply_until_done(driver, &batch);
    CU_ASSERT_EQUAL(queue_length(driver, 1), seq);
    driver_close(driver);
    batch_fini(&batch);
    redis_kill(&server, SIGKILL);
}

static void
a_change_counts_when_replicas_have_it(void)
{
    struct redis replica = redis_make();
    struct redis_settings settings;
    struct driver *driver;
    struct batch batch;
    server.port = free_port();
    redis_start(&server);
    (void)tell(&server, "FLUSHALL SYNC");
    replica.port = free_port();
    replica.extra[0] = "--replicaof";
    replica.extra[1] = "127.0.0.1";
    replica.extra[2] = server.port_text;
    redis_start(&replica);
    settings_init(&settings, server.socket);
    settings.config.wait = 1;
    settings.config.wait_timeout_ms = 10000;
    driver = driver_on(&settings);
    settings.config.wait_timeout_ms = 50;
    batch_init(&batch);
    fill(&batch, 1);
    apply_until_done(driver, &batch);
    kill(replica.pid, SIGSTOP);
    fill(&batch, 2);
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), ERR_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(driver_reason(driver), "0 of 1 replicas"));
    /* Again, over a connection that has written nothing yet: the replica still has not got it. */
    freeReplyObject(ask(&server, "CLIENT KILL TYPE normal"));
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), ERR_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(driver_reason(driver), "0 of 1 replicas"));
    kill(replica.pid, SIGCONT);
    apply_until_done(driver, &batch);
    CU_ASSERT_EQUAL(queue_length(driver, 1), 4);
    driver_close(driver);
    batch_fini(&batch);
    redis_end(&replica);
    redis_kill(&server, SIGKILL);
    server.port = 0;
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(a_connection_cut_at_any_byte_changes_nothing_or_all),
    CUNIT_CASE(reads_go_on_over_a_new_connection),
    CUNIT_CASE(a_killed_server_has_what_it_acknowledged),
    CUNIT_CASE(a_stopped_server_is_an_error_in_bounded_time),
    CUNIT_CASE(a_batch_that_comes_too_late_is_refused),
    CUNIT_CASE(a_server_that_was_put_back_is_noticed),
    CUNIT_CASE(full_memory_refuses_whole_batches_but_not_removals),
    CUNIT_CASE(a_full_disk_is_no_space_until_there_is_some),
    CUNIT_CASE(a_full_disk_ends_a_server_that_always_syncs_without_loss),
    CUNIT_CASE(a_change_counts_when_replicas_have_it),
};

int
main(void)
{
    int failed;
    (void)signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_LEVEL_ERROR);
    server = redis_make();
    failed = cunit_run("driver_redis_faults", cases, sizeof(cases) / sizeof(cases[0]));
    redis_end(&server);
    return failed;
}
