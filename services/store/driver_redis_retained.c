/* SPDX-License-Identifier: Apache-2.0 */
/* Retained messages in Redis. The walk that seeks is in the script; here is where it begins, its
 * bounds, and rows (u64 expiry, u16 + topic, record). */
#include "services/store/driver_redis_inner.h"

#include "proto/limits.h"
#include "services/store/topic_seek.h"

#define WALK_MIN     2000u /* rows that a page may look at ... */
#define WALK_PER_HIT 8u    /* ... and more for each message it may give */

static enum err
row_decode(struct slice row, uint64_t *expiry_ms, struct slice *topic, struct slice *record)
{
    struct cursor c = cursor_of(row);
    *expiry_ms = cursor_u64(&c);
    *topic = cursor_bytes16(&c);
    *record = cursor_rest(&c);
    return c.err == OK && topic->len != 0 ? OK : ERR_MALFORMED;
}

static void
encode_filter(struct driver_redis_command *command, struct slice filter)
{
    size_t i;
    driver_redis_command_begin(command, filter.len);
    for (i = 0; i < filter.len; i++)
        buf_put_u8(&command->body, filter.data[i] == '/' ? 0 : filter.data[i]);
    driver_redis_command_end(command);
}

/* Where the page begins: behind `after`, at least at the filter's first possible key. */
static void
encode_start(struct driver_redis_command *command, struct slice filter, struct slice after)
{
    struct topic_seek_key start, behind;
    struct slice at;
    topic_seek_start(filter, &start);
    at = slice_of(start.bytes, start.len);
    if (after.len != 0) {
        topic_seek_key_of(after, &behind);
        if (slice_compare(slice_of(behind.bytes, behind.len), at) >= 0) {
            driver_redis_command_add(command, slice_of(behind.bytes, behind.len));
            driver_redis_command_cstr(command, "1");
            return;
        }
    }
    driver_redis_command_add(command, at);
    driver_redis_command_cstr(command, "0");
}

enum err
driver_redis_retained_page(struct driver *driver, struct slice filter, struct slice after,
                           size_t max_count, size_t max_bytes, driver_retained_fn fn, void *arg,
                           struct buf *next)
{
    struct driver_redis *d = driver_redis_of(driver);
    struct driver_redis_command command;
    redisReply *reply = NULL;
    bool bad = false;
    size_t i;
    enum err err;
    buf_reset(next);
    if (filter.len == 0 || filter.len > LIMITS_TOPIC || after.len > LIMITS_TOPIC || max_count == 0)
        return ERR_INVALID;
    if (max_count > DRIVER_REDIS_PAGE_COUNT)
        max_count = DRIVER_REDIS_PAGE_COUNT;
    if (max_bytes > DRIVER_REDIS_PAGE_BYTES)
        max_bytes = DRIVER_REDIS_PAGE_BYTES;
    driver_redis_command_init(&command);
    driver_redis_begin(d, &command, DRIVER_REDIS_RETAINED);
    driver_redis_command_cstr(&command, d->all);
    encode_filter(&command, filter);
    encode_start(&command, filter, after);
    driver_redis_command_u64(&command, max_count);
    driver_redis_command_u64(&command, max_bytes);
    driver_redis_command_u64(&command, WALK_MIN + WALK_PER_HIT * max_count);
    err = driver_redis_ask(d, DRIVER_REDIS_RETAINED, &command, &reply);
    driver_redis_command_fini(&command);
    if (err != OK)
        return err;
    if (!driver_redis_is_array(reply, 2))
        err = ERR_MALFORMED;
    else
        atomic_fetch_add_explicit(&driver->steps,
                                  driver_redis_u64(driver_redis_item(reply, 1), &bad),
                                  memory_order_relaxed);
    for (i = 2; err == OK && i < reply->elements; i++) {
        struct slice topic, record;
        uint64_t expiry_ms;
        err = row_decode(driver_redis_item(reply, i), &expiry_ms, &topic, &record);
        if (err == OK)
            (void)fn(arg, topic, record); /* one that does not count makes the page shorter */
    }
    if (err == OK) {
        buf_append_slice(next, driver_redis_item(reply, 0));
        err = bad ? ERR_MALFORMED : buf_error(next);
    }
    freeReplyObject(reply);
    return err;
}

enum err
driver_redis_retained_expired(struct driver *driver, uint64_t now_ms, size_t max_count,
                              driver_topic_fn fn, void *arg)
{
    struct driver_redis *d = driver_redis_of(driver);
    struct driver_redis_command command;
    redisReply *reply = NULL;
    uint8_t late[8];
    size_t i;
    enum err err;
    buf_store_u64(late, now_ms + 1);
    driver_redis_command_init(&command);
    driver_redis_begin(d, &command, DRIVER_REDIS_EXPIRED);
    driver_redis_command_cstr(&command, d->all);
    driver_redis_command_add(&command, slice_of(late, now_ms == UINT64_MAX ? 0 : sizeof(late)));
    driver_redis_command_u64(
        &command, max_count < DRIVER_REDIS_PAGE_COUNT ? max_count : DRIVER_REDIS_PAGE_COUNT);
    err = driver_redis_ask(d, DRIVER_REDIS_EXPIRED, &command, &reply);
    driver_redis_command_fini(&command);
    if (err != OK)
        return err;
    if (!driver_redis_is_array(reply, 0))
        err = ERR_MALFORMED;
    for (i = 0; err == OK && i < reply->elements; i++) {
        struct slice topic, record;
        uint64_t expiry_ms;
        err = row_decode(driver_redis_item(reply, i), &expiry_ms, &topic, &record);
        if (err == OK)
            fn(arg, topic, expiry_ms);
        atomic_fetch_add_explicit(&driver->steps, 1, memory_order_relaxed);
    }
    freeReplyObject(reply);
    return err;
}
