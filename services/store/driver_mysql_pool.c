/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which server, and which connection. All connections go to one server: the first of the list that
 * could be reached and written to, and from there on the one that whoever had to connect last has
 * found. Readers must see what the writer wrote, so a change of the server ends all connections to
 * the one before.
 *
 * Failed attempts of readers are spaced out (100 ms, doubling to 2 s); in between reads fail at
 * once. The writer's are paced by the committer.
 */
#include "services/store/driver_mysql_inner.h"

#include "common/clock.h"
#include "common/crypt.h"
#include "common/log.h"
#include "common/mem.h"

#include <string.h>
#include <time.h>

#define DELAY_MIN_MS 100u
#define DELAY_MAX_MS 2000u
#define SKIP_LOG_MS  10000u
#define HOSTS_LOGGED 16u /* as many as the settings take */

void
driver_mysql_pool_init(struct driver_mysql *d)
{
    struct driver_mysql_pool *pool = &d->pool;
    pthread_condattr_t attr;
    size_t i;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->given, &attr);
    pthread_condattr_destroy(&attr);
    pool->count = (size_t)d->config.connections;
    pool->conns = mem_zalloc_array(pool->count, sizeof(*pool->conns));
    pool->taken = mem_zalloc_array(pool->count, sizeof(*pool->taken));
    for (i = 0; i < pool->count; i++)
        driver_mysql_conn_init(&pool->conns[i], &d->config, NULL);
    driver_mysql_conn_init(&d->writer, &d->config, &d->driver);
}

void
driver_mysql_pool_fini(struct driver_mysql *d)
{
    struct driver_mysql_pool *pool = &d->pool;
    size_t i;
    for (i = 0; i < pool->count; i++)
        driver_mysql_conn_close(&pool->conns[i]);
    driver_mysql_conn_close(&d->writer);
    mem_free(pool->conns);
    mem_free(pool->taken);
    pthread_cond_destroy(&pool->given);
    pthread_mutex_destroy(&pool->lock);
}

/* ---- connecting ---- */

static void
say_connected(struct driver_mysql *d, const struct driver_mysql_conn *conn)
{
    const char *host = d->config.hosts.items[conn->host];
    log_info("mysql_connected", LOG_STR("host", host),
             LOG_U64("semi_sync_ms", conn->server.semi_sync_ms), LOG_END);
    if (!conn->server.durable)
        log_warn("mysql_not_durable", LOG_STR("host", host),
                 LOG_STR("reason", "innodb_flush_log_at_trx_commit (and sync_binlog, with a binary "
                                   "log) must be 1, else a crash of the server can lose what was "
                                   "acknowledged"),
                 LOG_END);
    if (conn->server.semi_sync_ms >= d->config.timeout_ms)
        log_warn("mysql_timeout_short", LOG_STR("host", host),
                 LOG_STR("reason", "mysql-timeout should be longer than the server's "
                                   "rpl_semi_sync_master_timeout"),
                 LOG_END);
}

static void
say_skipped(const struct driver_mysql_conn *conn, enum err err)
{
    static struct log_limit limits[HOSTS_LOGGED];
    uint64_t held_back;
    if (log_every(&limits[conn->host % HOSTS_LOGGED], SKIP_LOG_MS, &held_back))
        log_warn("mysql_host_skipped", LOG_ERR(err), LOG_STR("reason", (const char *)conn->reason),
                 LOG_U64("suppressed", held_back), LOG_END);
}

/* Tries each host once, the present one first; the error is what was wrong with that one. */
static enum err
open_any(struct driver_mysql *d, struct driver_mysql_conn *conn, bool writes)
{
    char reason[DRIVER_REASON_SIZE] = "";
    size_t present = atomic_load(&d->host);
    size_t count = d->config.hosts.count;
    enum err first = ERR_IO;
    size_t i;
    for (i = 0; i < count; i++) {
        size_t host = (present + i) % count;
        enum err err = driver_mysql_conn_open(conn, host, writes);
        if (err == OK) {
            if (host != present && atomic_compare_exchange_strong(&d->host, &present, host))
                atomic_fetch_add(&d->generation, 1);
            conn->opened = atomic_load(&d->generation);
            return OK;
        }
        say_skipped(conn, err);
        if (i == 0) {
            first = err;
            memcpy(reason, conn->reason, sizeof(reason));
        }
    }
    memcpy(conn->reason, reason, sizeof(reason));
    return first;
}

static bool
is_fresh(struct driver_mysql *d, struct driver_mysql_conn *conn)
{
    if (driver_mysql_conn_is_open(conn) && conn->opened != atomic_load(&d->generation))
        driver_mysql_conn_close(conn);
    driver_mysql_conn_look(conn);
    return driver_mysql_conn_is_open(conn);
}

enum err
driver_mysql_pool_writer(struct driver_mysql *d)
{
    enum err err;
    if (is_fresh(d, &d->writer))
        return OK;
    err = open_any(d, &d->writer, true);
    if (err == OK)
        say_connected(d, &d->writer);
    return err;
}

/* ---- readers ---- */

static struct driver_mysql_conn *
find_free(struct driver_mysql_pool *pool)
{
    struct driver_mysql_conn *closed = NULL;
    size_t i;
    for (i = 0; i < pool->count; i++) {
        if (pool->taken[i])
            continue;
        if (driver_mysql_conn_is_open(&pool->conns[i]))
            return &pool->conns[i];
        if (closed == NULL)
            closed = &pool->conns[i];
    }
    return closed;
}

/* A free connection, open or not, waiting for one as long as the settings allow; or NULL. */
static struct driver_mysql_conn *
claim(struct driver_mysql *d)
{
    struct driver_mysql_pool *pool = &d->pool;
    uint64_t until_ms = clock_monotonic_ms() + d->config.timeout_ms;
    struct timespec until = {.tv_sec = (time_t)(until_ms / 1000),
                             .tv_nsec = (long)(until_ms % 1000) * 1000000};
    struct driver_mysql_conn *conn;
    pthread_mutex_lock(&pool->lock);
    conn = find_free(pool);
    while (conn == NULL && pthread_cond_timedwait(&pool->given, &pool->lock, &until) == 0)
        conn = find_free(pool);
    if (conn != NULL)
        pool->taken[conn - pool->conns] = true;
    pthread_mutex_unlock(&pool->lock);
    return conn;
}

static void
release(struct driver_mysql *d, struct driver_mysql_conn *conn)
{
    struct driver_mysql_pool *pool = &d->pool;
    pthread_mutex_lock(&pool->lock);
    pool->taken[conn - pool->conns] = false;
    pthread_cond_signal(&pool->given);
    pthread_mutex_unlock(&pool->lock);
}

static bool
may_try(struct driver_mysql_pool *pool)
{
    bool may;
    pthread_mutex_lock(&pool->lock);
    may = clock_monotonic_ms() >= pool->next_try_ms;
    pthread_mutex_unlock(&pool->lock);
    return may;
}

static void
note_try(struct driver_mysql_pool *pool, bool good)
{
    pthread_mutex_lock(&pool->lock);
    if (good) {
        pool->delay_ms = 0;
        pool->next_try_ms = 0;
    } else {
        pool->delay_ms = pool->delay_ms == 0 ? DELAY_MIN_MS : 2 * pool->delay_ms;
        if (pool->delay_ms > DELAY_MAX_MS)
            pool->delay_ms = DELAY_MAX_MS;
        pool->next_try_ms = clock_monotonic_ms() + pool->delay_ms / 2 +
                            crypt_random_u64() % (pool->delay_ms / 2 + 1);
    }
    pthread_mutex_unlock(&pool->lock);
}

enum err
driver_mysql_pool_take(struct driver_mysql *d, struct driver_mysql_conn **out)
{
    struct driver_mysql_conn *conn = claim(d);
    enum err err = OK;
    if (conn == NULL)
        return ERR_IO;
    if (!is_fresh(d, conn)) {
        err = ERR_IO;
        if (may_try(&d->pool)) {
            err = open_any(d, conn, false);
            note_try(&d->pool, err == OK);
        }
    }
    if (err != OK) {
        release(d, conn);
        return driver_mysql_err(err);
    }
    *out = conn;
    return OK;
}

void
driver_mysql_pool_give(struct driver_mysql *d, struct driver_mysql_conn *conn, enum err err)
{
    if (err == OK || err == ERR_NOT_FOUND)
        driver_mysql_conn_rollback(conn); /* its snapshot must not keep old rows */
    else
        driver_mysql_conn_close(conn); /* rows may be under way */
    release(d, conn);
}
