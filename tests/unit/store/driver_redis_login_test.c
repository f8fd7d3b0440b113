/* SPDX-License-Identifier: Apache-2.0 */
/* How the Redis driver comes to its server: users and their rights, TLS, several hosts, Sentinel.
 */
#include "tests/unit/store/driver_redis_kit.h"

static struct redis server;

static void
fill(struct batch *batch, uint64_t n)
{
    batch_reset(batch, 1 << 20);
    append_one(batch, 1, n, "message");
    batch->id = n;
}

static enum err
try_open(const struct redis_settings *s, char why[DRIVER_REASON_SIZE])
{
    struct driver *driver = NULL;
    enum err err = driver_redis_open(&s->config, why, &driver);
    driver_close(driver);
    return err;
}

/* Everything that a driver does. */
static void
expect_all_works(struct driver *driver)
{
    struct slice one = slice_cstr("1");
    struct batch batch;
    struct buf got;
    batch_init(&batch);
    buf_init(&got, 10000);
    batch_meta_put(&batch, "boot", one);
    batch_session_put(&batch, &(struct driver_session){.session = 1, .client_id = one});
    batch_subscription_put(&batch, &(struct driver_subscription){.session = 1, .filter = one});
    batch_message(&batch, &one, 1);
    batch_queue_append(&batch, 1, 1, 1, NULL, 0);
    batch_queue_append(&batch, 2, 1, 1, NULL, 0);
    batch_inbound_put(&batch, 1, 1, 1);
    batch_will_put(&batch, 1, 1, one);
    batch_outbox_append(&batch, 1, &one, 1);
    batch_token_set_put(&batch, 1, one);
    batch_retained_put(&batch, one, 1, &one, 1);
    batch_user_put(&batch, &(struct driver_user){.name = one});
    driver_contract_apply(driver, &batch);
    driver_contract_dump(driver, &got);
    batch_queue_mark_rec(&batch, 1, 1);
    batch_queue_remove(&batch, 2, 1);
    batch_session_delete(&batch, 1);
    batch_outbox_remove(&batch, 1);
    batch_token_set_delete(&batch, 1);
    batch_retained_delete(&batch, one);
    batch_user_delete(&batch, one);
    driver_contract_apply(driver, &batch);
    batch_fini(&batch);
    buf_fini(&got);
}

/* The line of services/store/redis.md. */
static void
the_documented_rights_are_enough(void)
{
    static char user[] = "sluice", password[] = "a p'a\"ss", wrong[] = "wrong";
    struct redis_settings settings;
    struct driver *driver;
    char why[DRIVER_REASON_SIZE];
    redisReply *reply;
    redis_start(&server);
    reply = ask(&server,
                "ACL SETUSER sluice on >%s ~sluice:* -@all +@read +@write +@scripting "
                "+@connection +info +time +wait +config|get",
                password);
    CU_ASSERT_EQUAL(reply->type, REDIS_REPLY_STATUS);
    freeReplyObject(reply);
    settings_init(&settings, server.socket);
    settings.config.user = user;
    settings.config.password = password;
    driver = driver_on(&settings);
    expect_all_works(driver);
    (void)tell(&server, "ACL SETUSER sluice -config|get"); /* a warning, no more */
    driver_close(driver);
    driver = driver_on(&settings);
    driver_close(driver);
    settings.config.password = wrong;
    CU_ASSERT_EQUAL(try_open(&settings, why), ERR_DENIED);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "WRONGPASS"));
    CU_ASSERT_PTR_NULL(strstr(why, "wrong"));
    settings.config.user = settings.config.password = redis_nothing;
    (void)tell(&server, "ACL SETUSER default -info");
    CU_ASSERT_EQUAL(try_open(&settings, why), ERR_DENIED);
    (void)tell(&server, "ACL SETUSER default +info");
    redis_kill(&server, SIGKILL);
}

static void
databases_and_prefixes_are_apart(void)
{
    static char prefix[] = "other-one";
    struct redis_settings settings;
    struct driver *first, *second, *third;
    struct batch batch;
    struct buf got;
    redis_start(&server);
    (void)tell(&server, "FLUSHALL SYNC");
    settings_init(&settings, server.socket);
    first = driver_on(&settings);
    settings.config.database = 3;
    second = driver_on(&settings);
    settings.config.prefix = prefix;
    third = driver_on(&settings);
    batch_init(&batch);
    buf_init(&got, 1000);
    fill(&batch, 1);
    driver_contract_apply(first, &batch);
    driver_contract_dump(second, &got);
    CU_ASSERT(slice_equal_cstr(buf_slice(&got), "totals 0 0 0\n"));
    fill(&batch, 1);
    driver_contract_apply(second, &batch);
    driver_contract_dump(third, &got);
    CU_ASSERT(slice_equal_cstr(buf_slice(&got), "totals 0 0 0\n"));
    driver_close(first);
    driver_close(second);
    driver_close(third);
    batch_fini(&batch);
    buf_fini(&got);
    redis_kill(&server, SIGKILL);
}

static void
tls_checks_the_server_and_shows_a_certificate(void)
{
    static char cert[100], key[100], port[8], address[32], wrong_name[] = "elsewhere";
    struct redis_settings settings;
    struct driver *driver;
    char why[DRIVER_REASON_SIZE];
    int tls_port = free_port();
    snprintf(cert, sizeof(cert), "%s/cert.pem", server.dir);
    snprintf(key, sizeof(key), "%s/key.pem", server.dir);
    snprintf(port, sizeof(port), "%d", tls_port);
    snprintf(address, sizeof(address), "127.0.0.1:%d", tls_port);
    run((const char *const[]){"openssl",
                              "req",
                              "-batch",
                              "-x509",
                              "-newkey",
                              "ec",
                              "-pkeyopt",
                              "ec_paramgen_curve:prime256v1",
                              "-nodes",
                              "-keyout",
                              key,
                              "-out",
                              cert,
                              "-days",
                              "2",
                              "-subj",
                              "/CN=redis",
                              "-addext",
                              "subjectAltName=IP:127.0.0.1,DNS:redis.test",
                              NULL});
    memcpy(server.extra,
           ((const char *const[]){"--tls-port", port, "--tls-cert-file", cert, "--tls-key-file",
                                  key, "--tls-ca-cert-file", cert, NULL}),
           9 * sizeof(char *));
    redis_start(&server);
    (void)tell(&server, "FLUSHALL SYNC");
    settings_init(&settings, address);
    settings.config.tls = true;
    settings.config.tls_ca = settings.config.tls_cert = cert;
    settings.config.tls_key = key;
    driver = driver_on(&settings);
    expect_all_works(driver);
    driver_close(driver);
    settings.config.tls_name = wrong_name;
    CU_ASSERT_EQUAL(try_open(&settings, why), ERR_DENIED);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "mismatch"));
    settings.config.tls_name = redis_nothing;
    settings.config.tls_cert = settings.config.tls_key = redis_nothing;
    CU_ASSERT_EQUAL(try_open(&settings, why), ERR_IO);
    settings.config.tls_ca = key;
    CU_ASSERT_EQUAL(try_open(&settings, why), ERR_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "redis-tls-ca"));
    settings.config.tls = false;
    settings.config.connect_timeout_ms = 300;
    CU_ASSERT_EQUAL(try_open(&settings, why), ERR_IO);
    server.extra[0] = NULL;
    redis_kill(&server, SIGKILL);
}

/* A replica of that server, in sync. */
static struct redis
replica_start(const struct redis *of)
{
    struct redis replica = redis_make();
    redisReply *reply = NULL;
    replica.port = free_port();
    replica.extra[0] = "--replicaof";
    replica.extra[1] = "127.0.0.1";
    replica.extra[2] = of->port_text;
    redis_start(&replica);
    do {
        freeReplyObject(reply);
        usleep(5000);
        reply = ask(&replica, "INFO replication");
    } while (strstr(reply->str, "master_link_status:up") == NULL);
    freeReplyObject(reply);
    return replica;
}

static void
of_several_hosts_the_master_is_used(void)
{
    struct redis_settings settings;
    struct redis replica;
    struct driver *driver;
    struct batch batch;
    char why[DRIVER_REASON_SIZE];
    server.port = free_port();
    redis_start(&server);
    (void)tell(&server, "FLUSHALL SYNC");
    replica = replica_start(&server);
    settings_init(&settings, replica.socket);
    CU_ASSERT_EQUAL(try_open(&settings, why), ERR_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "replica"));
    settings.hosts[1] = server.socket;
    settings.config.hosts.count = 2;
    driver = driver_on(&settings);
    batch_init(&batch);
    fill(&batch, 1);
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), OK);
    /* The other one becomes the master, this one its replica: READONLY, then over there. */
    while (tell(&replica, "ZCARD sluice:s:0:{0000000000000001}:queue") < 1)
        usleep(1000); /* WAIT would wait for what this connection has written only */
    (void)tell(&replica, "REPLICAOF NO ONE");
    freeReplyObject(ask(&server, "REPLICAOF 127.0.0.1 %d", replica.port));
    fill(&batch, 2);
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), ERR_IO);
    while (driver_apply(driver, &batch) == ERR_IO)
        usleep(5000);
    CU_ASSERT_EQUAL(driver_apply(driver, &batch), OK);
    CU_ASSERT_EQUAL(tell(&replica, "ZCARD sluice:s:0:{0000000000000001}:queue"), 2);
    driver_close(driver);
    batch_fini(&batch);
    redis_end(&replica);
    redis_kill(&server, SIGKILL);
}

static void
count_entry(void *arg, const struct driver_entry *entry)
{
    (void)entry;
    ++*(uint64_t *)arg;
}

/* Sentinel makes a replica the master; what one replica had acknowledged is there. */
static void
a_failover_keeps_what_a_replica_acknowledged(void)
{
    static char master_name[] = "sluice-master", sentinel_at[32], dead[] = "127.0.0.1:1";
    struct redis sentinel = redis_make();
    struct redis replicas[2];
    struct redis_settings settings;
    struct driver *driver;
    struct batch batch;
    char path[100];
    uint64_t n, count = 0, began;
    bool more;
    FILE *conf;
    server.port = free_port();
    redis_start(&server);
    (void)tell(&server, "FLUSHALL SYNC");
    replicas[0] = replica_start(&server);
    replicas[1] = replica_start(&server);
    sentinel.port = free_port();
    snprintf(sentinel_at, sizeof(sentinel_at), "127.0.0.1:%d", sentinel.port);
    snprintf(path, sizeof(path), "%s/sentinel.conf", sentinel.dir);
    conf = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
    fprintf(conf,
            "port %d\nunixsocket %s\nsentinel monitor %s 127.0.0.1 %d 1\n"
            "sentinel down-after-milliseconds %s 300\nsentinel failover-timeout %s 2000\n",
            sentinel.port, sentinel.socket, master_name, server.port, master_name, master_name);
    fclose(conf);
    sentinel.pid = spawn((const char *const[]){"redis-server", path, "--sentinel", NULL}, 0);
    CU_ASSERT_TRUE_FATAL(redis_await(&sentinel));
    settings_init(&settings, redis_nothing);
    settings.config.hosts.count = 0;
    settings.sentinels[0] = dead;
    settings.sentinels[1] = sentinel_at;
    settings.config.sentinels.count = 2;
    settings.config.master = master_name;
    settings.config.wait = 1;
    settings.config.wait_timeout_ms = 1000;
    settings.config.connect_timeout_ms = 2000;
    driver = driver_on(&settings);
    batch_init(&batch);
    began = clock_monotonic_ms();
    for (n = 1; n <= 400; n++) {
        enum err err;
        fill(&batch, n);
        if (n == 200)
            redis_kill(&server, SIGKILL);
        do {
            err = driver_apply(driver, &batch);
            if (err == ERR_IO)
                usleep(2000);
        } while (err == ERR_IO && clock_monotonic_ms() - began < 120000);
        CU_ASSERT_EQUAL_FATAL(err, OK);
    }
    CU_ASSERT_EQUAL(driver_queue_page(driver, 1, 0, 1000, SIZE_MAX, count_entry, &count, &more),
                    OK);
    CU_ASSERT_EQUAL(count, 400);
    printf("\n    failover: %llu ms ", (unsigned long long)(clock_monotonic_ms() - began));
    driver_close(driver);
    batch_fini(&batch);
    redis_end(&sentinel);
    redis_end(&replicas[0]);
    redis_end(&replicas[1]);
    server.port = 0;
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(the_documented_rights_are_enough),
    CUNIT_CASE(databases_and_prefixes_are_apart),
    CUNIT_CASE(tls_checks_the_server_and_shows_a_certificate),
    CUNIT_CASE(of_several_hosts_the_master_is_used),
    CUNIT_CASE(a_failover_keeps_what_a_replica_acknowledged),
};

int
main(void)
{
    int failed;
    (void)signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_LEVEL_ERROR);
    server = redis_make();
    failed = cunit_run("driver_redis_login", cases, sizeof(cases) / sizeof(cases[0]));
    redis_end(&server);
    return failed;
}
