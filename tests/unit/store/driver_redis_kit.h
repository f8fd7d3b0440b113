/* SPDX-License-Identifier: Apache-2.0 */
/* Real Redis servers for the tests of the Redis driver: started in a directory of their own on a
 * UNIX socket (and a free port if asked), killed with the test whatever happens to it. */
#ifndef SLUICE_TESTS_DRIVER_REDIS_KIT_H
#define SLUICE_TESTS_DRIVER_REDIS_KIT_H

#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "services/store/driver_redis.h"
#include "tests/unit/cunit_main.h"
#include "tests/unit/free_port.h"
#include "tests/unit/store/driver_contract.h"

#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define REDIS_ARGS 40

struct redis {
    pid_t pid; /* 0: not running */
    int port;  /* 0: socket only */
    char dir[64];
    char socket[80];
    char port_text[8];
    char pid_text[16];
    unsigned file_limit;           /* KiB that a file of its may have; 0: any */
    const char *extra[REDIS_ARGS]; /* more arguments, ended by NULL */
};

/* What a test cannot go on without, also outside of a case. */
static inline void
must(bool ok, const char *what)
{
    if (ok)
        return;
    printf("cannot go on: %s\n", what);
    fflush(stdout);
    _exit(2);
}

/* Runs a program until it ends by itself or is killed; dies with this one. file_limit: as in
 * struct redis; a write beyond it fails as on a full disk. */
static inline pid_t
spawn(const char *const *argv, unsigned file_limit)
{
    struct rlimit limit = {(rlim_t)file_limit * 1024, RLIM_INFINITY};
    pid_t parent = getpid();
    pid_t pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent || freopen("/dev/null", "w", stdout) == NULL)
            _exit(127);
        if (file_limit != 0 &&
            (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || setrlimit(RLIMIT_FSIZE, &limit) != 0))
            _exit(127);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return pid;
}

static inline void
run(const char *const *argv)
{
    int status = -1;
    pid_t pid = spawn(argv, 0);
    must(waitpid(pid, &status, 0) == pid && status == 0, argv[0]);
}

/* Behind the driver's back; freeReplyObject. */
static inline redisReply *
ask(const struct redis *redis, const char *format, ...)
{
    va_list args;
    redisContext *context = redisConnectUnix(redis->socket);
    redisReply *reply = NULL;
    if (context != NULL && context->err == 0) {
        va_start(args, format);
        reply = redisvCommand(context, format, args);
        va_end(args);
    }
    if (context != NULL)
        redisFree(context);
    return reply;
}

/* A command whose answer is OK or a number. */
static inline long long
tell(const struct redis *redis, const char *command)
{
    redisReply *reply = ask(redis, command);
    long long number = -1;
    must(reply != NULL, command);
    if (reply->type == REDIS_REPLY_ERROR)
        must(false, reply->str);
    if (reply->type == REDIS_REPLY_INTEGER)
        number = reply->integer;
    freeReplyObject(reply);
    return number;
}

/* Whether it answers within a minute. */
static inline bool
redis_await(const struct redis *redis)
{
    int i;
    for (i = 0; i < 12000; i++) {
        redisReply *reply = ask(redis, "PING");
        bool up = reply != NULL && reply->type == REDIS_REPLY_STATUS;
        freeReplyObject(reply);
        if (up)
            return true;
        usleep(5000);
    }
    return false;
}

/* (Re)starts it on its directory. */
static inline void
redis_start(struct redis *redis)
{
    const char *argv[REDIS_ARGS + 20];
    size_t n = 0, i;
    static const char *const common[] = {"redis-server",
                                         "--save",
                                         "",
                                         "--appendonly",
                                         "yes",
                                         "--appendfsync",
                                         "always",
                                         "--repl-diskless-sync-delay",
                                         "0",
                                         NULL};
    for (i = 0; common[i] != NULL; i++)
        argv[n++] = common[i];
    snprintf(redis->port_text, sizeof(redis->port_text), "%d", redis->port);
    argv[n++] = "--port";
    argv[n++] = redis->port_text;
    argv[n++] = "--dir";
    argv[n++] = redis->dir;
    argv[n++] = "--unixsocket";
    argv[n++] = redis->socket;
    for (i = 0; redis->extra[i] != NULL; i++)
        argv[n++] = redis->extra[i];
    argv[n] = NULL;
    redis->pid = spawn(argv, redis->file_limit);
    snprintf(redis->pid_text, sizeof(redis->pid_text), "%d", (int)redis->pid);
    must(redis_await(redis), "redis-server does not start");
}

static inline void
redis_kill(struct redis *redis, int signal_number)
{
    if (redis->pid <= 0)
        return;
    kill(redis->pid, signal_number);
    (void)waitpid(redis->pid, NULL, 0);
    redis->pid = 0;
}

static inline struct redis
redis_make(void)
{
    struct redis redis = {0};
    snprintf(redis.dir, sizeof(redis.dir), "/tmp/sluice-redis-XXXXXX");
    must(mkdtemp(redis.dir) != NULL, redis.dir);
    snprintf(redis.socket, sizeof(redis.socket), "%s/socket", redis.dir);
    return redis;
}

static inline void
redis_end(struct redis *redis)
{
    redis_kill(redis, SIGKILL);
    if (redis->dir[0] != '\0')
        run((const char *const[]){"rm", "-r", redis->dir, NULL});
    redis->dir[0] = '\0';
}

/* ---- the driver on it ---- */

/* Settings as --help has them, with one server. */
struct redis_settings {
    struct driver_redis_config config;
    char *hosts[4];
    char *sentinels[4];
    uint32_t shard;
};

static char redis_nothing[] = "";
static char redis_prefix[] = "sluice";

static inline void
settings_init(struct redis_settings *s, char *address)
{
    memset(s, 0, sizeof(*s));
    s->hosts[0] = address;
    s->config = (struct driver_redis_config){.hosts = {s->hosts, 1},
                                             .sentinels = {s->sentinels, 0},
                                             .user = redis_nothing,
                                             .password = redis_nothing,
                                             .prefix = redis_prefix,
                                             .master = redis_nothing,
                                             .sentinel_user = redis_nothing,
                                             .sentinel_password = redis_nothing,
                                             .tls_ca = redis_nothing,
                                             .tls_cert = redis_nothing,
                                             .tls_key = redis_nothing,
                                             .tls_name = redis_nothing,
                                             .connect_timeout_ms = 5000,
                                             .timeout_ms = 20000,
                                             .wait_timeout_ms = 2000};
}

static inline struct driver *
driver_on(const struct redis_settings *s)
{
    char why[DRIVER_REASON_SIZE] = "";
    struct driver *driver = NULL;
    enum err err = driver_redis_open(&s->config, why, &driver);
    if (err != OK)
        printf("open: %s: %s\n", err_text(err), why);
    CU_ASSERT_EQUAL_FATAL(err, OK);
    driver_contract_claim(driver, s->shard);
    return driver;
}

static inline void
append_one(struct batch *batch, uint64_t session, uint64_t seq, const char *record)
{
    struct slice part = slice_cstr(record);
    batch_message(batch, &part, 1);
    batch_queue_append(batch, session, seq, 1, NULL, 0);
}

static inline uint64_t
count_keys(const struct redis *redis)
{
    return (uint64_t)tell(redis, "DBSIZE");
}

#endif
