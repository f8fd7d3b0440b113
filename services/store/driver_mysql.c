/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing the MySQL driver, and the transaction around a batch. How rows are written is
 * in driver_mysql_write.c, whose the shard is in _lease.c, reads are in _read.c, _retained.c and
 * _load.c. */
#include "services/store/driver_mysql_inner.h"

#include "common/clock.h"
#include "common/crypt.h"
#include "common/mem.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#define TRIES         5 /* of a batch that met a deadlock, at once */
#define START_STEP_MS 200

enum err
driver_mysql_err(enum err err)
{
    switch (err) {
    case OK:
    case ERR_NO_SPACE:
    case ERR_STALE:
    case ERR_MALFORMED:
    case ERR_TOO_LARGE:
    case ERR_NOT_FOUND:
    case ERR_INVALID:
        return err;
    default:
        return ERR_IO;
    }
}

/* ---- apply ---- */

/* Locks the shard's row, and writes the batch's id into it. ERR_EXISTS: that batch is there. */
static enum err
enter(struct driver_mysql *d, uint64_t id)
{
    const struct driver_mysql_value update[] = {MYSQL_NUMBER(id), driver_mysql_shard(d),
                                                MYSQL_NUMBER(d->owner), MYSQL_NUMBER(id)};
    struct driver_mysql_value found[2];
    enum err err;
    if (id == 0) {
        err = driver_mysql_conn_one(&d->writer, MYSQL_SHARD_LOCK, update + 1, found);
    } else {
        err = driver_mysql_conn_run(&d->writer, MYSQL_SHARD_BATCH, update);
        if (err != OK || d->writer.affected != 0)
            return err;
        err = driver_mysql_conn_one(&d->writer, MYSQL_SHARD_GET, update + 1, found);
        if (err == OK)
            err = found[0].number == d->owner && found[1].number == id ? ERR_EXISTS : ERR_NOT_FOUND;
    }
    if (err != ERR_NOT_FOUND)
        return err;
    (void)str_format(d->writer.reason, sizeof(d->writer.reason),
                     "another store has taken over shard %s", d->shard);
    return ERR_STALE;
}

/* The batch is there, but its COMMIT was not answered: a semi-synchronous server shows it to us
 * before a replica has it. A commit behind it is answered when a replica has both. */
static enum err
confirm(struct driver_mysql *d)
{
    const struct driver_mysql_value shard = driver_mysql_shard(d);
    return driver_mysql_conn_run(&d->writer, MYSQL_SHARD_REPEAT, &shard);
}

static enum err
leave(struct driver_mysql *d)
{
    const struct driver_mysql_value totals[] = {MYSQL_NUMBER(d->retained_count),
                                                MYSQL_NUMBER(d->retained_bytes),
                                                MYSQL_NUMBER(d->user_count), driver_mysql_shard(d)};
    enum err err = OK;
    if (d->retained_count != 0 || d->retained_bytes != 0 || d->user_count != 0)
        err = driver_mysql_conn_run(&d->writer, MYSQL_SHARD_TOTALS, totals);
    if (err == OK)
        err = driver_fault_step(&d->driver);
    return err == OK ? driver_mysql_conn_commit(&d->writer) : err;
}

static enum err
write_all(struct driver_mysql *d, const struct batch *batch, bool careful)
{
    enum err err = OK;
    size_t pos = 0;
    size_t i;
    driver_mysql_plan_begin(&d->plan, d->next_body);
    while (err == OK && driver_mysql_plan_stage(&d->plan, batch, &pos))
        err = driver_mysql_write_stage(d, batch, careful);
    d->next_body = d->plan.next_body; /* also of a batch that failed: numbers are not used twice */
    for (i = 0; err == OK && i < batch->op_count; i++)
        err = driver_fault_step(&d->driver);
    return err;
}

static enum err
apply_once(struct driver_mysql *d, const struct batch *batch, bool careful)
{
    enum err err = driver_mysql_pool_writer(d);
    d->retained_count = 0;
    d->retained_bytes = 0;
    d->user_count = 0;
    if (err == OK)
        err = enter(d, batch->id);
    if (err == ERR_EXISTS)
        err = confirm(d);
    else if (err == OK)
        err = write_all(d, batch, careful);
    if (err == OK)
        err = leave(d);
    if (err != OK)
        driver_mysql_conn_rollback(&d->writer);
    return err;
}

enum err
driver_mysql_apply(struct driver *driver, const struct batch *batch)
{
    struct driver_mysql *d = driver_mysql_of(driver);
    enum err err = driver_fault_step(driver);
    bool careful = false;
    int tries = 0;
    driver->reason[0] = '\0';
    if (batch_error(batch) != OK)
        return batch_error(batch);
    if (err != OK || batch_is_empty(batch))
        return err;
    do {
        err = apply_once(d, batch, careful);
        careful = careful || err == ERR_CONFLICT;
    } while ((err == ERR_CONFLICT || err == ERR_AGAIN) && ++tries < TRIES);
    if (err != OK)
        (void)str_format(driver->reason, sizeof(driver->reason), "mysql: %.150s", d->writer.reason);
    return driver_mysql_err(err);
}

enum err
driver_mysql_totals(struct driver *driver, struct driver_totals *out)
{
    struct driver_mysql *d = driver_mysql_of(driver);
    struct driver_mysql_value v[3];
    struct driver_mysql_conn *conn;
    enum err err = driver_mysql_pool_take(d, &conn);
    size_t i;
    if (err != OK)
        return err;
    err = driver_mysql_conn_one(conn, MYSQL_TOTALS, NULL, v);
    driver_mysql_pool_give(d, conn, err);
    if (err != OK)
        return driver_mysql_err(err);
    for (i = 0; i < 3; i++) {
        if (v[i].number > INT64_MAX) /* somebody changed rows by hand */
            v[i].number = 0;
    }
    *out = (struct driver_totals){
        .retained_count = v[0].number, .retained_bytes = v[1].number, .user_count = v[2].number};
    return OK;
}

/* ---- life ---- */

static void
mysql_driver_close(struct driver *driver)
{
    struct driver_mysql *d = driver_mysql_of(driver);
    driver_mysql_pool_fini(d);
    driver_mysql_write_fini(d);
    driver_mysql_plan_fini(&d->plan);
    mem_free(d);
}

static enum err
start(struct driver_mysql *d, char why[DRIVER_REASON_SIZE])
{
    enum err err = driver_mysql_pool_writer(d);
    why[0] = '\0';
    if (err == OK)
        err = driver_mysql_schema_update(&d->writer, d->config.database, why);
    driver_mysql_conn_rollback(&d->writer);
    if (err != OK && why[0] == '\0')
        (void)str_format(why, DRIVER_REASON_SIZE, "mysql: %.150s", d->writer.reason);
    return err;
}

enum err
driver_mysql_open(const struct driver_mysql_config *config, char why[DRIVER_REASON_SIZE],
                  struct driver **out)
{
    static const struct driver_ops ops = {
        .name = "mysql",
        .close = mysql_driver_close,
        .shards = driver_mysql_shards,
        .claim = driver_mysql_claim,
        .renew = driver_mysql_renew,
        .apply = driver_mysql_apply,
        .load = driver_mysql_load,
        .queue_page = driver_mysql_queue_page,
        .retained_page = driver_mysql_retained_page,
        .retained_expired = driver_mysql_retained_expired,
        .user_get = driver_mysql_user_get,
        .user_page = driver_mysql_user_page,
        .row_get = driver_mysql_row_get,
        .row_page = driver_mysql_row_page,
        .totals = driver_mysql_totals,
    };
    struct driver_mysql *d = mem_zalloc(sizeof(*d));
    uint64_t until_ms = clock_monotonic_ms() + config->start_timeout_ms;
    enum err err;
    d->driver.ops = &ops;
    d->config = *config;
    do
        d->owner = crypt_random_u64();
    while (d->owner == 0);
    driver_mysql_pool_init(d);
    driver_mysql_plan_init(&d->plan);
    driver_mysql_write_init(d);
    d->writer.makes_database = true;
    err = start(d, why);
    /* A server that is away, or not writable yet, may be there in a moment. */
    while (err != OK && err != ERR_VERSION && err != ERR_DENIED &&
           clock_monotonic_ms() < until_ms) {
        (void)poll(NULL, 0, START_STEP_MS);
        err = start(d, why);
    }
    d->writer.makes_database = false; /* a server without it is not the one we had */
    if (err == OK) {
        *out = &d->driver;
        return OK;
    }
    mysql_driver_close(&d->driver);
    return err == ERR_VERSION || err == ERR_DENIED ? err : driver_mysql_err(err);
}
