/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of a queue in Redis. An entry is a member of a sorted set whose scores are all 0, so that
 * the order is that of its text:
 *
 *     SSSSSSSSSSSSSSSS BBBBBBBBBBBBBBBB FF LLLLLLLL NN IIIIIIII...record
 *
 * sequence, body (zeros: the record stands here), flags, length of the record, number of
 * identifiers, identifiers; all in hex.
 */
#include "services/store/driver_redis_inner.h"

#define AT_FLAGS  34
#define AT_LENGTH 37
#define AT_COUNT  46
#define AT_IDS    49

static enum err
decode(struct slice text, struct slice body, uint8_t ids[4 * BATCH_IDS_MAX],
       struct driver_entry *out)
{
    bool bad = text.len < AT_IDS;
    uint8_t length[4];
    uint32_t len;
    if (bad)
        return ERR_MALFORMED;
    out->seq = driver_redis_hex(slice_sub(text, 0, DRIVER_REDIS_HEX), &bad);
    if (crypt_hex_decode(slice_sub(text, AT_FLAGS, 2), &out->flags, 1) != OK ||
        crypt_hex_decode(slice_sub(text, AT_LENGTH, 8), length, 4) != OK ||
        crypt_hex_decode(slice_sub(text, AT_COUNT, 2), &out->id_count, 1) != OK ||
        crypt_hex_decode(slice_sub(text, AT_IDS, (size_t)8 * out->id_count), ids,
                         (size_t)4 * out->id_count) != OK)
        return ERR_MALFORMED;
    len = cursor_load_u32(length);
    out->ids = ids;
    out->record = slice_sub(text, AT_IDS + (size_t)8 * out->id_count, text.len);
    if (out->record.len == 0)
        out->record = body;
    return bad || out->record.len != len ? ERR_MALFORMED : OK;
}

enum err
driver_redis_queue_page(struct driver *driver, uint64_t session, uint64_t from_seq,
                        size_t max_count, size_t max_bytes, driver_entry_fn fn, void *arg,
                        bool *more)
{
    struct driver_redis *d = driver_redis_of(driver);
    struct driver_redis_command command;
    redisReply *reply = NULL;
    uint8_t ids[4 * BATCH_IDS_MAX];
    bool bad = false;
    size_t i;
    enum err err;
    *more = false;
    driver_redis_command_init(&command);
    driver_redis_begin(d, &command, DRIVER_REDIS_QUEUE);
    driver_redis_command_cstr(&command, d->shard);
    driver_redis_command_hex(&command, session);
    driver_redis_command_hex(&command, from_seq);
    driver_redis_command_u64(
        &command, max_count < DRIVER_REDIS_PAGE_COUNT ? max_count : DRIVER_REDIS_PAGE_COUNT);
    driver_redis_command_u64(
        &command, max_bytes < DRIVER_REDIS_PAGE_BYTES ? max_bytes : DRIVER_REDIS_PAGE_BYTES);
    err = driver_redis_ask(d, DRIVER_REDIS_QUEUE, &command, &reply);
    driver_redis_command_fini(&command);
    if (err != OK)
        return err;
    if (!driver_redis_is_array(reply, 2) || reply->elements % 2 != 0)
        err = ERR_MALFORMED;
    else
        atomic_fetch_add_explicit(&driver->steps,
                                  driver_redis_u64(driver_redis_item(reply, 1), &bad),
                                  memory_order_relaxed);
    for (i = 2; err == OK && i < reply->elements; i += 2) {
        struct driver_entry entry;
        err = decode(driver_redis_item(reply, i), driver_redis_item(reply, i + 1), ids, &entry);
        if (err == OK)
            fn(arg, &entry);
    }
    if (err == OK)
        *more = slice_equal_cstr(driver_redis_item(reply, 0), "1");
    freeReplyObject(reply);
    return bad ? ERR_MALFORMED : err;
}
