/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Redis driver's frame: opening, applying, and asking (whose the shard is: _lease.c). A batch
 * is one script with three guards: the owner of the shard must be this driver, a batch whose id is
 * there already is not applied again, and the batch before it must be there. The last one finds a
 * server that has lost what it acknowledged, and keeps a command that was long on its way (its
 * connection given up) from being done after its successors.
 */
#include "services/store/driver_redis_inner.h"

#include "common/clock.h"
#include "common/mem.h"
#include "services/store/driver_redis_server.h"

#include <string.h>

#define SCHEMA      "1"
#define AWAY_MIN_MS 50
#define AWAY_MAX_MS 1000

uint64_t
driver_redis_u64(struct slice text, bool *bad)
{
    uint64_t number = 0;
    if (str_parse_u64(text, 0, UINT64_MAX, &number) != OK)
        *bad = true;
    return number;
}

uint64_t
driver_redis_hex(struct slice text, bool *bad)
{
    uint8_t bytes[8] = {0};
    if (crypt_hex_decode(text, bytes, sizeof(bytes)) != OK)
        *bad = true;
    return cursor_load_u64(bytes);
}

void
driver_redis_begin(const struct driver_redis *d, struct driver_redis_command *command,
                   enum driver_redis_script script)
{
    bool writes = script <= DRIVER_REDIS_APPLY_FREE;
    driver_redis_command_reset(command);
    driver_redis_command_cstr(command, writes ? "EVALSHA" : "EVALSHA_RO");
    driver_redis_command_cstr(command, d->sha[script]);
    driver_redis_command_cstr(command, "0");
}

enum err
driver_redis_connect(struct driver_redis *d, struct driver_redis_link *link, bool durable)
{
    uint64_t now = clock_monotonic_ms();
    uint64_t ms;
    enum err err;
    if (driver_redis_link_is_open(link))
        return OK;
    if (now < atomic_load(&d->away_until_ms))
        return ERR_IO;
    err = driver_redis_link_open(link, d->config, durable);
    if (err == OK) {
        atomic_store(&d->away_ms, 0);
        return OK;
    }
    ms = 2 * atomic_load(&d->away_ms);
    ms = ms < AWAY_MIN_MS ? AWAY_MIN_MS : ms < AWAY_MAX_MS ? ms : AWAY_MAX_MS;
    atomic_store(&d->away_ms, ms);
    atomic_store(&d->away_until_ms, clock_monotonic_ms() + ms / 2 + crypt_random_u64() % ms / 2);
    return err;
}

enum err
driver_redis_promised(enum err err)
{
    return err == ERR_DENIED || err == ERR_UNSUPPORTED || err == ERR_INVALID ? ERR_IO : err;
}

/* ---- reads ---- */

static struct driver_redis_seat *
seat_take(struct driver_redis *d)
{
    size_t i;
    for (i = 0; i < DRIVER_REDIS_SEATS; i++) {
        if (!atomic_exchange(&d->seats[i].taken, true))
            return &d->seats[i];
    }
    return NULL;
}

/* Connects if need be. A connection that has been idle may be dead without our knowing: then once
 * more over a new one. */
enum err
driver_redis_call(struct driver_redis *d, struct driver_redis_link *link,
                  enum driver_redis_script script, const struct driver_redis_command *command,
                  bool durable, redisReply **reply)
{
    int round;
    enum err err = OK;
    for (round = 0; round < 2; round++) {
        bool reused = driver_redis_link_is_open(link) && link->used != 0;
        err = driver_redis_connect(d, link, durable);
        if (err == OK && script == DRIVER_REDIS_SCRIPTS)
            err = driver_redis_link_call(link, command, d->config->timeout_ms, reply);
        else if (err == OK)
            err = driver_redis_link_script(link, script, command, d->config->timeout_ms, reply);
        if (err != ERR_IO || !reused)
            break;
    }
    if (err == OK && (*reply)->type == REDIS_REPLY_ERROR) {
        err = driver_redis_link_refusal(link, *reply);
        freeReplyObject(*reply);
        *reply = NULL;
    }
    return err;
}

enum err
driver_redis_ask(struct driver_redis *d, enum driver_redis_script script,
                 const struct driver_redis_command *command, redisReply **reply)
{
    struct driver_redis_seat *seat = seat_take(d);
    redisReply *got = NULL;
    enum err err;
    if (seat == NULL)
        return ERR_BUSY;
    err = driver_redis_call(d, &seat->link, script, command, false, &got);
    atomic_store(&seat->taken, false);
    if (err == OK)
        *reply = got;
    return driver_redis_promised(err);
}

enum err
driver_redis_totals(struct driver *driver, struct driver_totals *out)
{
    struct driver_redis *d = driver_redis_of(driver);
    struct driver_totals t = {0};
    struct driver_redis_command command;
    redisReply *reply = NULL, *info = NULL;
    bool bad = false;
    enum err err;
    driver_redis_command_init(&command);
    driver_redis_begin(d, &command, DRIVER_REDIS_TOTALS);
    driver_redis_command_cstr(&command, d->all);
    err = driver_redis_ask(d, DRIVER_REDIS_TOTALS, &command, &reply);
    driver_redis_command_reset(&command);
    driver_redis_command_cstr(&command, "INFO");
    driver_redis_command_cstr(&command, "memory");
    if (err == OK)
        err = driver_redis_ask(d, DRIVER_REDIS_SCRIPTS, &command, &info);
    driver_redis_command_fini(&command);
    if (err == OK && driver_redis_is_array(reply, 3)) {
        struct slice text = driver_redis_text(info);
        bool unknown = false;
        t.retained_count = driver_redis_u64(driver_redis_item(reply, 0), &bad);
        t.retained_bytes = driver_redis_u64(driver_redis_item(reply, 1), &bad);
        t.user_count = driver_redis_u64(driver_redis_item(reply, 2), &bad);
        t.used_bytes = driver_redis_u64(driver_redis_server_info(text, "used_memory"), &unknown);
        t.limit_bytes = driver_redis_u64(driver_redis_server_info(text, "maxmemory"), &unknown);
    } else {
        bad = true;
    }
    if (err == OK && bad)
        err = ERR_MALFORMED;
    if (err == OK)
        *out = t;
    freeReplyObject(reply);
    freeReplyObject(info);
    return err;
}

/* ---- apply ---- */

enum err
driver_redis_wait(struct driver_redis *d)
{
    const struct driver_redis_config *config = d->config;
    redisReply *reply = NULL;
    enum err err;
    if (config->wait == 0)
        return OK;
    driver_redis_command_reset(&d->command);
    driver_redis_command_cstr(&d->command, "WAIT");
    driver_redis_command_u64(&d->command, config->wait);
    driver_redis_command_u64(&d->command, config->wait_timeout_ms);
    err = driver_redis_link_call(&d->writer, &d->command,
                                 config->wait_timeout_ms + config->timeout_ms, &reply);
    if (err != OK)
        return err;
    if (reply->type == REDIS_REPLY_ERROR) {
        err = driver_redis_link_refusal(&d->writer, reply);
    } else if (reply->type != REDIS_REPLY_INTEGER || reply->integer < (long long)config->wait) {
        (void)str_format(d->writer.why, sizeof(d->writer.why),
                         "redis: %lld of %llu replicas have the change within %llu ms",
                         reply->integer, (unsigned long long)config->wait,
                         (unsigned long long)config->wait_timeout_ms);
        err = ERR_IO;
    }
    freeReplyObject(reply);
    return err;
}

static enum err
send_batch(struct driver_redis *d, const struct batch *batch, enum driver_redis_script script)
{
    redisReply *reply = NULL;
    enum err err = driver_redis_call(d, &d->writer, script, &d->command, true, &reply);
    freeReplyObject(reply);
    if (err == OK)
        err = driver_redis_wait(d);
    if (err == OK && batch->id != 0)
        d->last_batch = batch->id;
    return driver_redis_promised(err);
}

enum err
driver_redis_apply(struct driver *driver, const struct batch *batch)
{
    struct driver_redis *d = driver_redis_of(driver);
    enum driver_redis_script script = DRIVER_REDIS_APPLY;
    enum err err = driver_fault_step(driver);
    driver->reason[0] = '\0';
    if (batch_error(batch) != OK)
        return batch_error(batch);
    if (err == OK)
        err = driver_redis_encode(d, batch, &script);
    if (err == OK)
        err = driver_fault_step(driver);
    if (err != OK)
        return err;
    err = send_batch(d, batch, script);
    driver_redis_command_reset(&d->command);
    if (err != OK)
        (void)str_format(driver->reason, sizeof(driver->reason), "%s", d->writer.why);
    return err;
}

/* ---- opening and closing ---- */

static void
redis_close(struct driver *driver)
{
    struct driver_redis *d = driver_redis_of(driver);
    size_t i;
    for (i = 0; i < DRIVER_REDIS_SEATS; i++)
        driver_redis_link_close(&d->seats[i].link);
    driver_redis_link_close(&d->writer);
    driver_redis_command_fini(&d->command);
    mem_free(d);
}

static const struct driver_ops ops = {
    .name = "redis",
    .close = redis_close,
    .shards = driver_redis_shards,
    .claim = driver_redis_claim,
    .renew = driver_redis_renew,
    .apply = driver_redis_apply,
    .load = driver_redis_load,
    .queue_page = driver_redis_queue_page,
    .retained_page = driver_redis_retained_page,
    .retained_expired = driver_redis_retained_expired,
    .user_get = driver_redis_user_get,
    .user_page = driver_redis_user_page,
    .row_get = driver_redis_row_get,
    .row_page = driver_redis_row_page,
    .totals = driver_redis_totals,
};

/* The layout of the data is the one that this program knows; set by whoever comes first. */
static enum err
check_schema(struct driver_redis *d, char why[DRIVER_REASON_SIZE])
{
    char key[64];
    redisReply *reply = NULL;
    struct slice was;
    enum err err;
    (void)str_format(key, sizeof(key), "%sschema", d->all);
    driver_redis_command_reset(&d->command);
    driver_redis_command_cstr(&d->command, "SET");
    driver_redis_command_cstr(&d->command, key);
    driver_redis_command_cstr(&d->command, SCHEMA);
    driver_redis_command_cstr(&d->command, "NX");
    driver_redis_command_cstr(&d->command, "GET");
    err = driver_redis_call(d, &d->writer, DRIVER_REDIS_SCRIPTS, &d->command, true, &reply);
    if (err != OK)
        return err;
    was = driver_redis_text(reply);
    if (was.len != 0 && !slice_equal_cstr(was, SCHEMA)) {
        (void)str_format(why, DRIVER_REASON_SIZE,
                         "the data in Redis has layout %.*s, this program knows layout %s",
                         (int)(was.len < 20 ? was.len : 20), (const char *)was.data, SCHEMA);
        err = ERR_VERSION;
    }
    freeReplyObject(reply);
    return err;
}

enum err
driver_redis_open(const struct driver_redis_config *config, char why[DRIVER_REASON_SIZE],
                  struct driver **out)
{
    struct driver_redis *d = mem_zalloc(sizeof(*d));
    uint8_t owner[16];
    size_t i;
    enum err err = OK;
    why[0] = '\0';
    d->driver.ops = &ops;
    d->config = config;
    driver_redis_command_init(&d->command);
    driver_redis_link_init(&d->writer);
    for (i = 0; i < DRIVER_REDIS_SEATS; i++)
        driver_redis_link_init(&d->seats[i].link);
    for (i = 0; i < DRIVER_REDIS_SCRIPTS; i++)
        driver_redis_scripts_sha((enum driver_redis_script)i, d->sha[i]);
    crypt_random(owner, sizeof(owner));
    crypt_hex(owner, sizeof(owner), d->owner);
    if (str_format(d->all, sizeof(d->all), "%s:", config->prefix) != OK) {
        (void)str_format(why, DRIVER_REASON_SIZE, "redis: the prefix is too long");
        err = ERR_INVALID;
    }
    if (err == OK)
        err = check_schema(d, why);
    if (err == OK) {
        *out = &d->driver;
        return OK;
    }
    if (why[0] == '\0')
        memcpy(why, d->writer.why, DRIVER_REASON_SIZE);
    redis_close(&d->driver);
    return err;
}
