/* SPDX-License-Identifier: Apache-2.0 */
/* The walk over everything at start, page by page. What is per session comes in the order of the
 * sorted set of their numbers. The pages are not of one moment: whoever loads owns the shard, so
 * nobody changes it meanwhile. */
#include "services/store/driver_redis_inner.h"

#include "common/clock.h"

#include <poll.h>
#include <string.h>

#define PATIENCE_MS 30000
#define RETRY_MS    50

struct loading {
    const struct driver_visitor *visitor;
    void *arg;
    struct driver_queue queue; /* put together from several pages; count 0: none yet */
};

typedef bool (*row_fn)(struct loading *l, const struct slice *f); /* whether it is well formed */

static bool
load_meta(struct loading *l, const struct slice *f)
{
    char name[101];
    if (f[0].len == 0 || f[0].len >= sizeof(name))
        return false;
    memcpy(name, f[0].data, f[0].len);
    name[f[0].len] = '\0';
    l->visitor->meta(l->arg, name, f[1]);
    return true;
}

static bool
load_session(struct loading *l, const struct slice *f)
{
    bool bad = false;
    struct driver_session s = {
        .session = driver_redis_hex(f[0], &bad),
        .epoch = driver_redis_u64(f[1], &bad),
        .owner = driver_redis_u64(f[2], &bad),
        .conn = driver_redis_u64(f[3], &bad),
        .created_ms = driver_redis_u64(f[4], &bad),
        .disconnected_ms = driver_redis_u64(f[5], &bad),
        .seq_limit = driver_redis_u64(f[6], &bad),
        .expiry_s = (uint32_t)driver_redis_u64(f[7], &bad),
        .receive_maximum = (uint32_t)driver_redis_u64(f[8], &bad),
        .version = (uint8_t)driver_redis_u64(f[9], &bad),
        .client_id = f[10],
        .user = f[11],
        .extra = f[12],
    };
    if (bad || s.client_id.len > BATCH_TEXT_MAX || s.user.len > BATCH_TEXT_MAX)
        return false;
    l->visitor->session(l->arg, &s);
    return true;
}

/* The score: see encode_subscription. */
static bool
load_subscription(struct loading *l, const struct slice *f)
{
    bool bad = false;
    uint64_t options = driver_redis_u64(f[2], &bad);
    struct driver_subscription s = {
        .session = driver_redis_hex(f[0], &bad),
        .identifier = (uint32_t)(options >> 6),
        .qos = (uint8_t)(options >> 4 & 3),
        .no_local = (options & 8) != 0,
        .retain_as_published = (options & 4) != 0,
        .retain_handling = (uint8_t)(options & 3),
        .filter = f[1],
    };
    if (bad || options >> 6 > UINT32_MAX || s.filter.len == 0 || s.filter.len > BATCH_TEXT_MAX)
        return false;
    l->visitor->subscription(l->arg, &s);
    return true;
}

static void
queue_done(struct loading *l)
{
    if (l->queue.count != 0)
        l->visitor->queue(l->arg, &l->queue);
    l->queue.count = 0;
}

static bool
load_queue(struct loading *l, const struct slice *f)
{
    bool bad = false;
    struct driver_queue q = {
        .session = driver_redis_hex(f[0], &bad),
        .count = driver_redis_u64(f[1], &bad),
        .bytes = driver_redis_u64(f[2], &bad),
        .first_seq = driver_redis_hex(f[3], &bad),
        .last_seq = driver_redis_hex(f[4], &bad),
    };
    if (bad)
        return false;
    if (l->queue.count == 0 || l->queue.session != q.session) {
        queue_done(l);
        l->queue = q;
        return true;
    }
    l->queue.count += q.count;
    l->queue.bytes += q.bytes;
    l->queue.last_seq = q.last_seq;
    return true;
}

static bool
load_inbound(struct loading *l, const struct slice *f)
{
    bool bad = false;
    uint64_t session = driver_redis_hex(f[0], &bad);
    uint64_t packet_id = driver_redis_u64(f[1], &bad);
    uint64_t seq = driver_redis_u64(f[2], &bad);
    if (bad || packet_id > UINT16_MAX)
        return false;
    l->visitor->inbound(l->arg, session, (uint16_t)packet_id, seq);
    return true;
}

static bool
load_will(struct loading *l, const struct slice *f)
{
    bool bad = false;
    uint64_t session = driver_redis_hex(f[0], &bad);
    uint64_t due_ms = driver_redis_u64(f[1], &bad);
    if (!bad)
        l->visitor->will(l->arg, session, due_ms, f[2]);
    return !bad;
}

static bool
load_outbox(struct loading *l, const struct slice *f)
{
    bool bad = false;
    uint64_t seq = driver_redis_hex(f[0], &bad);
    if (!bad)
        l->visitor->outbox(l->arg, seq, f[1]);
    return !bad;
}

static bool
load_token_set(struct loading *l, const struct slice *f)
{
    bool bad = false;
    uint64_t origin = driver_redis_hex(f[0], &bad);
    if (!bad)
        l->visitor->token_set(l->arg, origin, f[1]);
    return !bad;
}

#define FIELDS_MAX 13

/* In the order of struct driver_visitor. */
static const struct {
    const char *kind;
    size_t fields;
    row_fn fn;
} kinds[] = {
    {"meta", 2, load_meta},
    {"session", 13, load_session},
    {"subscription", 3, load_subscription},
    {"queue", 5, load_queue},
    {"inbound", 3, load_inbound},
    {"will", 3, load_will},
    {"outbox", 2, load_outbox},
    {"tokens", 2, load_token_set},
};

/* The rows of one page. */
static enum err
take_page(struct loading *l, size_t kind, const redisReply *reply)
{
    size_t width = kinds[kind].fields;
    size_t i, k;
    if (!driver_redis_is_array(reply, 2) || (reply->elements - 2) % width != 0)
        return ERR_MALFORMED;
    for (i = 2; i < reply->elements; i += width) {
        struct slice fields[FIELDS_MAX];
        for (k = 0; k < width; k++)
            fields[k] = driver_redis_item(reply, i + k);
        if (!kinds[kind].fn(l, fields))
            return ERR_MALFORMED;
    }
    return OK;
}

/* One page. A server that goes while a store starts, and comes back soon, does not end the start.
 */
static enum err
ask_page(struct driver_redis *d, const struct driver_redis_command *command, redisReply **reply)
{
    uint64_t until_ms = clock_monotonic_ms() + PATIENCE_MS;
    enum err err = driver_redis_ask(d, DRIVER_REDIS_LOAD, command, reply);
    while (err == ERR_IO && clock_monotonic_ms() < until_ms) {
        (void)poll(NULL, 0, RETRY_MS);
        err = driver_redis_ask(d, DRIVER_REDIS_LOAD, command, reply);
    }
    return err;
}

static enum err
load_kind(struct driver_redis *d, struct loading *l, size_t kind)
{
    struct driver_redis_command command;
    redisReply *last = NULL; /* the page before: it says where to go on */
    bool more = true;
    enum err err = OK;
    driver_redis_command_init(&command);
    while (err == OK && more) {
        redisReply *reply = NULL;
        driver_redis_begin(d, &command, DRIVER_REDIS_LOAD);
        driver_redis_command_cstr(&command, d->shard);
        driver_redis_command_cstr(&command, kinds[kind].kind);
        driver_redis_command_add(&command,
                                 last != NULL ? driver_redis_item(last, 0) : slice_of(NULL, 0));
        driver_redis_command_add(&command,
                                 last != NULL ? driver_redis_item(last, 1) : slice_of(NULL, 0));
        err = ask_page(d, &command, &reply);
        if (err == OK)
            err = take_page(l, kind, reply);
        more = err == OK && driver_redis_item(reply, 0).len != 0;
        freeReplyObject(last);
        last = reply;
    }
    freeReplyObject(last);
    driver_redis_command_fini(&command);
    return err;
}

enum err
driver_redis_load(struct driver *driver, const struct driver_visitor *v, void *arg)
{
    const bool wanted[] = {v->meta != NULL,   v->session != NULL,  v->subscription != NULL,
                           v->queue != NULL,  v->inbound != NULL,  v->will != NULL,
                           v->outbox != NULL, v->token_set != NULL};
    struct loading loading = {.visitor = v, .arg = arg};
    size_t kind;
    enum err err = OK;
    for (kind = 0; err == OK && kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
        if (wanted[kind])
            err = load_kind(driver_redis_of(driver), &loading, kind);
        if (err == OK && kinds[kind].fn == load_queue)
            queue_done(&loading);
    }
    return err;
}
