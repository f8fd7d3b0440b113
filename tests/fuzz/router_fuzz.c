/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A core whose gateways and stores are hostile: the input is a list of steps (what comes from a
 * place, sessions that begin and end, feeds that are full, time), and whatever they are, the core
 * must keep its own rules (its assertions) and its bounds. Places: 0 and 1 gateways, 2 a store.
 */
#include "common/buf.h"
#include "common/cursor.h"
#include "proto/feed_records.h"
#include "proto/publish_record.h"
#include "proto/records.h"
#include "proto/repeats.h"
#include "services/core/router.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PLACES = 3, STEPS_MAX = 400, PARK = 4096, INPUT = 8192, TOKENS = 64 };

static const char *const filters[] = {
    "a",    "a/b",        "a/+",          "#",          "+/b",          "a/b/c/d",
    "$x/#", "$share/g/a", "$share/g/a/#", "$share/h/#", "$share/g/a/b", "a/b/#",
    "b",    "$share/h/b"};
static const char *const topics[] = {"a", "a/b", "b", "a/b/c/d", "$x/y", "c"};

struct place {
    uint32_t number;
    uint64_t seq, ticket, done;
    uint64_t version; /* of the digest, as last told */
    uint64_t shared;  /* number of the last SHARED_PUBLISH */
    uint64_t asked;   /* id of the last SHARED_ASK */
    uint64_t entered; /* sessions so far: incarnations, every fourth of an older version */
    bool up, full, drop;
};

struct stage {
    struct router *router;
    struct place places[PLACES];
    uint64_t now_ms, token;
};

static void
require(bool holds)
{
    if (!holds)
        abort();
}

static enum err
io_append(void *arg, uint32_t number, uint8_t type, const struct slice *parts, size_t n,
          enum feed_class class, uint64_t *ticket)
{
    struct stage *stage = arg;
    struct place *place = NULL;
    for (unsigned i = 0; i < PLACES; i++)
        if (stage->places[i].number == number)
            place = &stage->places[i];
    require(place != NULL);
    if (!place->up)
        return ERR_PEER_LOST;
    if (place->full && !feed_class_is_control(class))
        return ERR_BUSY;
    if (type >= FEED_DIGEST_RESET && type <= FEED_DIGEST_REMOVE)
        place->version = cursor_load_u64(parts[0].data);
    if (type == FEED_SHARED_PUBLISH && parts[0].len >= 8)
        place->shared = cursor_load_u64(parts[0].data);
    require(n == 0 || parts[n - 1].len <= 1u << 20);
    if (type == FEED_SHARED_ASK)
        place->asked = cursor_load_u64(parts[0].data);
    place->ticket++;
    if (ticket != NULL)
        *ticket = place->ticket;
    return OK;
}

static void
io_finished(void *arg, uint32_t place, uint64_t seq)
{
    (void)arg;
    (void)place;
    (void)seq;
}

static void
io_serving(void *arg, bool serving)
{
    (void)arg;
    (void)serving;
}

static void
io_drop(void *arg, uint32_t number, enum err why)
{
    struct stage *stage = arg;
    (void)why;
    for (unsigned i = 0; i < PLACES; i++)
        if (stage->places[i].number == number)
            stage->places[i].drop = true;
}

static void
enter(struct stage *stage, unsigned i)
{
    struct place *place = &stage->places[i];
    place->number = i == 2 ? router_store(stage->router, 0, 1, slice_cstr("store"))
                           : router_place(stage->router, slice_cstr(i == 0 ? "one" : "two"));
    place->up = true;
    router_up(stage->router, place->number);
    router_state(stage->router, place->number, place->entered,
                 place->entered % 4 != 3 ? STATE_EXACT : 0);
    place->entered++;
}

static void
leave(struct stage *stage, struct place *place)
{
    place->up = place->drop = false;
    router_down(stage->router, place->number);
}

static void
take(struct stage *stage, struct place *place, uint8_t type, struct slice body)
{
    if (place->up && router_record(stage->router, place->number, type, body) == ERR_BUSY)
        place->drop = true;
}

static size_t
put_publish(struct stage *stage, uint8_t what, uint8_t *out)
{
    const struct publish_record record = {
        .origin = what >> 6,
        .token = (what & 3) != 0 ? ++stage->token : 0,
        .qos = what & 3 ? (what & 3) % 2 + 1 : 0,
        .retain = (what & 4) != 0,
        .topic = slice_cstr(topics[(what >> 3) % (sizeof(topics) / sizeof(topics[0]))])};
    return publish_record_encode_head(&record, out);
}

/* What keeps QoS 2 from coming to two members of a group. */
static void
repeat(struct stage *stage, struct place *place, uint8_t how, uint8_t what)
{
    struct records_shared shared = {.number = place->shared, .share = slice_cstr("$share/g/a")};
    struct repeats_again again = {
        .attempt = what >> 4, .age_ms = what & 15, .type = FEED_SHARED_RETURN};
    uint8_t bytes[256];
    size_t len;
    switch (how % 4) {
    case 0:
        len = repeats_again_encode(&again, bytes);
        len += records_shared_return_encode(&shared, bytes + len);
        memcpy(bytes + len, shared.share.data, shared.share.len);
        len += shared.share.len;
        len += put_publish(stage, what | 1, bytes + len);
        take(stage, place, FEED_AGAIN, slice_of(bytes, len));
        break;
    case 1:
        again.type = FEED_PUBLISH;
        len = repeats_again_encode(&again, bytes);
        if (what % 2 != 0 && stage->token > 0)
            stage->token--; /* the last one, once more */
        len += put_publish(stage, what | 1, bytes + len);
        take(stage, place, FEED_AGAIN, slice_of(bytes, len));
        break;
    case 2:
        len = records_number_encode(place->shared + what % 2, bytes);
        take(stage, place, what > 200 ? FEED_SHARED_HELD : FEED_SHARED_CLAIM, slice_of(bytes, len));
        break;
    default:
        len = repeats_answer_encode(place->asked - (what > 250), (enum repeats_verdict)(what % 3),
                                    bytes);
        take(stage, place, FEED_SHARED_ANSWER, slice_of(bytes, len));
        break;
    }
}

/* Records that make sense, so that what lies behind them is reached, too. */
static void
speak(struct stage *stage, struct place *place, uint8_t how, uint8_t what)
{
    struct slice filter = slice_cstr(filters[what % (sizeof(filters) / sizeof(filters[0]))]);
    bool is_share = slice_has_prefix(filter, slice_cstr("$share/"));
    uint8_t bytes[256];
    size_t len = 0;
    switch (how % 8) {
    case 0:
        len = put_publish(stage, what, bytes);
        take(stage, place, FEED_PUBLISH, slice_of(bytes, len));
        break;
    case 1:
        len = records_route_add_encode(
            what, is_share ? records_route_shared(0, what >> 4, what >> 5) : what >> 7, bytes);
        memcpy(bytes + len, filter.data, filter.len);
        take(stage, place, FEED_ROUTE_ADD, slice_of(bytes, len + filter.len));
        break;
    case 2:
        take(stage, place, FEED_ROUTE_REMOVE, filter);
        break;
    case 3:
        len = records_number_encode(place->version - (what > 250), bytes);
        take(stage, place, FEED_DIGEST_ACK, slice_of(bytes, len));
        break;
    case 4:
        len = records_number_encode(place->shared, bytes);
        take(stage, place, FEED_SHARED_DONE, slice_of(bytes, len));
        break;
    case 5: {
        struct records_shared shared = {.number = place->shared,
                                        .hops = what & 7,
                                        .flags = what >> 7,
                                        .share = slice_cstr("$share/g/a")};
        len = records_shared_return_encode(&shared, bytes);
        memcpy(bytes + len, shared.share.data, shared.share.len);
        len += shared.share.len;
        len += put_publish(stage, what | 1, bytes + len);
        take(stage, place, FEED_SHARED_RETURN, slice_of(bytes, len));
        break;
    }
    case 6:
        repeat(stage, place, how / 8, what);
        break;
    default:
        take(stage, place, FEED_RESYNC_END, slice_of(NULL, 0));
        break;
    }
}

/* Another store has the shard, with what the feed of its predecessor still had. */
static void
inherit(struct stage *stage, struct place *place, uint8_t what)
{
    uint8_t bytes[128];
    for (uint64_t left = place->ticket - place->done; left > 0 && what > 0; left--, what /= 2)
        router_inherit(stage->router, place->number, FEED_PUBLISH,
                       slice_of(bytes, put_publish(stage, what, bytes)));
    router_inherit_end(stage->router, place->number);
    place->ticket = place->done = 0;
}

static void
session(struct stage *stage, unsigned i, uint8_t what)
{
    struct place *place = &stage->places[i];
    if (!place->up) {
        if (i == 2 && what % 2 == 0)
            inherit(stage, place, what);
        enter(stage, i);
        return;
    }
    leave(stage, place);
    if (what % 4 == 0) { /* forgotten: its feed begins anew */
        router_gone(stage->router, place->number);
        place->ticket = place->done = 0;
        enter(stage, i);
    }
}

static void
step(struct stage *stage, uint8_t what, uint8_t how, struct cursor *c)
{
    unsigned i = how % PLACES;
    struct place *place = &stage->places[i];
    uint8_t type;
    struct slice body;
    switch (what % 10) {
    case 0: /* any bytes */
        type = cursor_u8(c);
        body = cursor_bytes(c, cursor_u8(c));
        if (c->err == OK)
            take(stage, place, type, body);
        break;
    case 1:
    case 2:
    case 3:
        speak(stage, place, how / PLACES, cursor_u8(c));
        break;
    case 4:
        session(stage, i, how / PLACES);
        break;
    case 5:
        if (place->up)
            router_frame_end(stage->router, place->number, ++place->seq);
        break;
    case 6: /* a store's feed is read on behind a restart, a gateway's is not */
        place->done += (place->ticket - place->done) / (1 + how % 2);
        if (place->up)
            router_done(stage->router, place->number, place->done);
        break;
    case 7:
        place->full = how % 2 == 0;
        if (place->up && !place->full)
            router_room(stage->router, place->number);
        break;
    case 8:
        router_turn(stage->router);
        break;
    default:
        stage->now_ms += how;
        router_tick(stage->router, stage->now_ms);
        break;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct router_io io = {io_append, io_finished, io_serving, io_drop, NULL};
    const struct router_config config = {.lease_ms = 20,
                                         .stores = 1,
                                         .routes_max = 8,
                                         .tokens_max = TOKENS,
                                         .digest_entries = 3,
                                         .store_park_bytes = PARK,
                                         .sys_interval_ms = 1000,
                                         .keep_bytes = 1024,
                                         .input_bytes = INPUT,
                                         .strategy = size > 0 ? data[0] % 6 : 0};
    struct stage stage = {.now_ms = 1};
    struct cursor c = cursor_of(slice_of(data, size));
    (void)cursor_u8(&c);
    stage.router = router_new(&config, &io, &stage);
    for (unsigned i = 0; i < PLACES; i++) {
        enter(&stage, i);
        take(&stage, &stage.places[i], FEED_RESYNC_END, slice_of(NULL, 0));
        speak(&stage, &stage.places[i], 3, 0);
    }
    router_tick(stage.router, 1);
    stage.now_ms += 20;
    router_tick(stage.router, stage.now_ms);
    for (unsigned n = 0; n < STEPS_MAX && cursor_left(&c) >= 2; n++) {
        uint8_t what = cursor_u8(&c), how = cursor_u8(&c);
        step(&stage, what, how, &c);
        for (unsigned i = 0; i < PLACES; i++)
            if (stage.places[i].drop && stage.places[i].up)
                leave(&stage, &stage.places[i]);
    }
    struct router_stats stats = router_stats(stage.router);
    require(stats.tokens_open <= TOKENS && stats.filters <= 8);
    require(stats.input_bytes <= PLACES * (INPUT + 64u * STEPS_MAX));
    router_free(stage.router);
    return 0;
}
