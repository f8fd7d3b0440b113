/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cores of a gateway are hostile: the input is a list of steps (records of two cores, sessions
 * that begin and end, full feeds, publishes and filters of our own, time). Every publish is
 * answered at most once and every ticket exactly once; bounds hold; nothing is left at the end.
 */
#include "common/buf.h"
#include "common/cursor.h"
#include "proto/core_client.h"
#include "proto/publish_record.h"
#include "proto/records.h"
#include "proto/topic.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CORES = 2, STEPS_MAX = 400, TOKENS = 32, TICKETS = 8, DIGEST = 4 };

static const char *const filters[] = {"a", "a/+", "#", "b/#", "$share/g/a", "$SYS/#"};
static const char *const topics[] = {"a", "b", "a/b", "c", "d", "e"};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

struct stage {
    struct core_client *client;
    bool up[CORES], full[CORES];
    uint64_t seq[CORES], done[CORES];
    uint64_t token, flush, ticket; /* as last told to a core */
    uint64_t stamp, now_ms, next;
    size_t published, answered, tickets, tickets_ended, in_digest;
    bool applying;
};

static void
require(bool holds)
{
    if (!holds)
        abort();
}

static enum err
io_append(void *arg, uint32_t core, uint8_t type, const struct slice *parts, size_t n, bool control,
          uint64_t *seq)
{
    struct stage *stage = arg;
    require(core < CORES);
    if (!stage->up[core])
        return ERR_PEER_LOST;
    if (stage->full[core] && (!control || stage->now_ms % 2 == 0))
        return ERR_BUSY;
    if (type == FEED_PUBLISH && n > 0 && parts[0].len >= PUBLISH_RECORD_NUMBERS)
        stage->token = cursor_load_u64(parts[0].data + 8);
    else if (type == FEED_FLUSH)
        stage->flush = cursor_load_u64(parts[0].data);
    else if (type == FEED_ROUTE_ADD)
        stage->ticket = cursor_load_u64(parts[0].data);
    stage->seq[core]++;
    if (seq != NULL)
        *seq = stage->seq[core];
    return OK;
}

static void
io_routes(void *arg, core_client_route_fn fn, void *fn_arg)
{
    (void)arg;
    fn(fn_arg, slice_cstr(filters[0]), 0);
    fn(fn_arg, slice_cstr(filters[4]), records_route_shared(0, 1, 1));
}

static void
io_route_done(void *arg, uint64_t cookie, enum err err)
{
    struct stage *stage = arg;
    require(cookie == 7 && (err == OK || err == ERR_TIMEOUT));
    stage->tickets_ended++;
}

static void
io_token_done(void *arg, uint64_t a, uint64_t b, bool wanted)
{
    struct stage *stage = arg;
    (void)wanted;
    require(a == 1 && b == 2);
    stage->answered++;
}

static void
io_digest_add(void *arg, struct slice filter)
{
    struct stage *stage = arg;
    require(topic_filter_is_valid(filter));
    stage->in_digest++;
}

static void
io_digest_remove(void *arg, struct slice filter)
{
    struct stage *stage = arg;
    (void)filter;
    require(stage->in_digest > 0);
    stage->in_digest--;
}

static void
io_digest_apply(void *arg, uint64_t stamp)
{
    struct stage *stage = arg;
    require(!stage->applying);
    stage->applying = true;
    stage->stamp = stamp;
}

static void
io_digest_valid(void *arg, bool valid)
{
    const struct stage *stage = arg;
    require(valid == core_client_digest_is_valid(stage->client));
}

static void
io_hold(void *arg, bool on)
{
    const struct stage *stage = arg;
    require(on == core_client_is_holding(stage->client));
}

static void
take(struct stage *stage, uint32_t core, uint8_t type, struct slice body)
{
    if (stage->up[core])
        (void)!core_client_record(stage->client, core, type, body);
}

static void
speak(struct stage *stage, uint32_t core, uint8_t how, uint8_t what)
{
    struct slice filter = slice_cstr(filters[what % COUNT(filters)]);
    uint8_t bytes[64];
    size_t len;
    switch (how % 6) {
    case 0:
        len = records_token_done_encode(stage->token - what % 4, what >> 7, bytes);
        len += records_token_done_encode(stage->flush, 0, bytes + len);
        take(stage, core, FEED_TOKEN_DONE, slice_of(bytes, len));
        break;
    case 1:
        len = records_number_encode(stage->ticket - what % 3, bytes);
        take(stage, core, FEED_ROUTE_DONE, slice_of(bytes, len));
        break;
    case 2:
        len = records_number_encode(what, bytes);
        take(stage, core, FEED_DIGEST_RESET, slice_of(bytes, len));
        break;
    case 3:
    case 4:
        len = records_digest_encode(what, bytes);
        memcpy(bytes + len, filter.data, filter.len);
        take(stage, core, how % 6 == 3 ? FEED_DIGEST_ADD : FEED_DIGEST_REMOVE,
             slice_of(bytes, len + filter.len));
        break;
    default:
        take(stage, core, FEED_RESYNC_END, slice_of(NULL, 0));
        break;
    }
}

static void
publish(struct stage *stage, uint8_t what)
{
    const struct publish_record record = {.qos = what % 3,
                                          .topic = slice_cstr(topics[what / 3 % COUNT(topics)])};
    struct records_shared shared = {
        .number = 5, .share = slice_cstr("$share/g/a"), .flags = what >> 7};
    uint8_t bytes[256];
    size_t head = 0, len;
    enum err err;
    if (what % 3 != 0 && what % 5 == 0) {
        head = records_shared_return_encode(&shared, bytes);
        memcpy(bytes + head, shared.share.data, shared.share.len);
        head += shared.share.len;
    }
    len = head + publish_record_encode_head(&record, bytes + head);
    err = head != 0 ? core_client_return(stage->client, slice_of(bytes, len), 1, 2)
                    : core_client_publish(stage->client, slice_of(bytes, len), 1, 2);
    require(err != ERR_MALFORMED);
    stage->published += err == OK && record.qos > 0;
}

static void
session(struct stage *stage, uint32_t core, uint8_t how)
{
    if (stage->up[core]) {
        stage->up[core] = false;
        core_client_down(stage->client, core);
    } else {
        stage->up[core] = true;
        (void)core_client_up(stage->client, core, how % 2 == 0 ? STATE_SERVING : 0);
    }
}

static void
step(struct stage *stage, uint8_t what, uint8_t how, struct cursor *c)
{
    uint32_t core = how % CORES;
    struct slice filter = slice_cstr(filters[how % COUNT(filters)]);
    uint64_t wants = how % COUNT(filters) == 4 ? records_route_shared(0, 2, 2) : 0;
    uint8_t type;
    struct slice body;
    switch (what % 13) {
    case 0:
        type = cursor_u8(c);
        body = cursor_bytes(c, cursor_u8(c));
        if (c->err == OK)
            take(stage, core, type, body);
        break;
    case 1:
    case 2:
    case 3:
        speak(stage, core, how / CORES, cursor_u8(c));
        break;
    case 4:
        session(stage, core, how / CORES);
        break;
    case 5:
        if (stage->up[core])
            core_client_state(stage->client, core, how / CORES % 2 == 0 ? STATE_SERVING : 0);
        break;
    case 6:
        publish(stage, how);
        break;
    case 7:
        if (core_client_route_add(stage->client, filter, wants, 7, stage->now_ms + how) == OK)
            stage->tickets++;
        break;
    case 8:
        core_client_route_remove(stage->client, filter);
        break;
    case 9:
        stage->full[core] = how / CORES % 2 == 0;
        if (stage->up[core] && !stage->full[core])
            core_client_room(stage->client, core);
        break;
    case 10:
        if (stage->applying) {
            stage->applying = false;
            core_client_digest_applied(stage->client, stage->stamp);
        }
        break;
    case 11:
        stage->done[core] += (stage->seq[core] - stage->done[core]) / (1 + how % 3);
        if (stage->up[core])
            core_client_done(stage->client, core, stage->done[core]);
        break;
    default:
        stage->now_ms += how;
        core_client_tick(stage->client, stage->now_ms);
        break;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct core_client_io io = {io_append,       io_routes,       io_route_done,
                                             io_token_done,   io_digest_add,   io_digest_remove,
                                             io_digest_apply, io_digest_valid, io_hold};
    const struct core_client_config config = {.origin = 1,
                                              .ticket_base = UINT64_C(1) << 32,
                                              .digests = true,
                                              .tokens_max = TOKENS,
                                              .bytes_max = 8192,
                                              .tickets_max = TICKETS,
                                              .backlog_bytes = 1024,
                                              .digest_max = DIGEST,
                                              .flush_ms = 300,
                                              .grace_ms = 100};
    struct stage stage = {.now_ms = 1};
    struct cursor c = cursor_of(slice_of(data, size));
    stage.client = core_client_new(&config, &io, &stage);
    for (unsigned i = 0; i < CORES; i++)
        (void)core_client_core_add(stage.client, slice_cstr(i == 0 ? "one:1" : "two:2"));
    core_client_tick(stage.client, stage.now_ms);
    for (unsigned n = 0; n < STEPS_MAX && cursor_left(&c) >= 2; n++) {
        uint8_t what = cursor_u8(&c), how = cursor_u8(&c);
        step(&stage, what, how, &c);
        struct core_client_stats stats = core_client_stats(stage.client);
        require(stats.tokens_span <= TOKENS && stats.tokens_open <= stats.tokens_span);
        require(stats.bytes_kept <= 8192 + 1024 && stats.tickets_open <= TICKETS);
        require(stats.digest_filters <= 2 * DIGEST * CORES &&
                stats.digest_filters == stage.in_digest);
        require(stage.answered + stats.tokens_open == stage.published);
        require(stage.tickets_ended + stats.tickets_open == stage.tickets);
    }
    core_client_free(stage.client);
    return 0;
}
