/* SPDX-License-Identifier: Apache-2.0 */
/* Whose a shard is, in Redis: the owner in "about", which every batch names, and the lease beside
 * it, by the server's clock. Who may claim what is not decided here. */
#include "services/store/driver_redis_inner.h"

#include "common/clock.h"

#include <string.h>

enum err
driver_redis_shards(struct driver *driver, uint32_t count, driver_shard_fn fn, void *arg)
{
    struct driver_redis *d = driver_redis_of(driver);
    struct driver_redis_command command;
    redisReply *reply = NULL;
    enum err err;
    driver_redis_command_init(&command);
    driver_redis_begin(d, &command, DRIVER_REDIS_SHARDS);
    driver_redis_command_cstr(&command, d->all);
    driver_redis_command_u64(&command, count);
    err = driver_redis_ask(d, DRIVER_REDIS_SHARDS, &command, &reply);
    driver_redis_command_fini(&command);
    if (err == OK && (!driver_redis_is_array(reply, 1) || reply->elements % 4 != 1))
        err = ERR_MALFORMED;
    for (size_t i = 1; err == OK && i < reply->elements; i += 4) {
        bool bad = false;
        uint64_t now_ms = driver_redis_u64(driver_redis_item(reply, 0), &bad);
        struct driver_shard shard = {
            .number = (uint32_t)driver_redis_u64(driver_redis_item(reply, i), &bad),
            .until_ms = driver_redis_u64(driver_redis_item(reply, i + 1), &bad),
            .lease_ms = driver_redis_u64(driver_redis_item(reply, i + 2), &bad),
            .holder = driver_redis_item(reply, i + 3),
        };
        shard.left_ms = shard.until_ms > now_ms ? shard.until_ms - now_ms : 0;
        if (bad)
            err = ERR_MALFORMED;
        else
            fn(arg, &shard);
    }
    freeReplyObject(reply);
    return err;
}

/* Learns what the last batch was, too. */
static enum err
claim(struct driver_redis *d, const struct driver_claim *claim)
{
    redisReply *reply = NULL;
    bool bad = false;
    enum err err;
    driver_redis_begin(d, &d->command, DRIVER_REDIS_CLAIM);
    driver_redis_command_cstr(&d->command, d->shard);
    driver_redis_command_cstr(&d->command, d->owner);
    driver_redis_command_u64(&d->command, clock_wall_ms());
    driver_redis_command_u64(&d->command, claim->lease_ms);
    driver_redis_command_cstr(&d->command, claim->holder);
    if (claim->is_forced)
        driver_redis_command_cstr(&d->command, "");
    else
        driver_redis_command_u64(&d->command, claim->until_ms);
    err = driver_redis_call(d, &d->writer, DRIVER_REDIS_CLAIM, &d->command, true, &reply);
    if (err != OK)
        return err;
    if (slice_equal_cstr(driver_redis_text(reply), "TAKEN"))
        err = ERR_BUSY;
    else
        d->last_batch = driver_redis_u64(driver_redis_text(reply), &bad);
    freeReplyObject(reply);
    if (err == OK && bad)
        err = ERR_MALFORMED;
    return err == OK ? driver_redis_wait(d) : err;
}

enum err
driver_redis_claim(struct driver *driver, const struct driver_claim *wanted)
{
    struct driver_redis *d = driver_redis_of(driver);
    enum err err = str_format(d->shard, sizeof(d->shard), "%ss:%u:", d->all, wanted->number);
    driver->reason[0] = '\0';
    if (err == OK)
        err = claim(d, wanted);
    if (err != OK)
        (void)str_format(driver->reason, sizeof(driver->reason), "%s", d->writer.why);
    driver_redis_command_reset(&d->command);
    return err;
}

enum err
driver_redis_renew(struct driver *driver, uint64_t lease_ms)
{
    struct driver_redis *d = driver_redis_of(driver);
    struct driver_redis_command command;
    redisReply *reply = NULL;
    enum err err;
    driver_redis_command_init(&command);
    driver_redis_begin(d, &command, DRIVER_REDIS_RENEW);
    driver_redis_command_cstr(&command, d->shard);
    driver_redis_command_cstr(&command, d->owner);
    driver_redis_command_u64(&command, lease_ms);
    err = driver_redis_ask(d, DRIVER_REDIS_RENEW, &command, &reply);
    driver_redis_command_fini(&command);
    freeReplyObject(reply);
    return err;
}
