/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PUBLISH and FLUSH: from a source's frame to the feeds of those who want it, and the way back of
 * the answer. A destination whose feed is full gets its records parked, in order; a publish is
 * always routed as a whole, and a stall begins before the next one.
 */
#include "proto/feed_records.h"
#include "proto/publish_record.h"
#include "proto/records.h"
#include "proto/repeats.h"
#include "services/core/router_part.h"

bool
on_forward_is_stalled(const struct router *router)
{
    return !router->serving || router->gateways_parked != 0 || router->stores_full != 0 ||
           waits_is_full(router->tokens);
}

void
on_forward_answer(void *arg, uint32_t owner, uint64_t session, uint64_t number, uint8_t flags)
{
    struct router *router = arg;
    struct place *place = router->places[owner];
    uint8_t item[RECORDS_TOKEN_DONE_BYTES];
    router->stats.tokens_answered++;
    if (!place->up || place->session != session)
        return;
    buf_append(&place->tokens_done, item, records_token_done_encode(number, flags, item));
}

static void
park_counted(struct router *router, struct place *place, uint8_t type, uint64_t tag,
             const struct slice *parts, size_t n)
{
    size_t bound = router->config.store_park_bytes;
    bool was_empty = park_first(&place->park) == NULL, was_full = place->park.bytes >= bound;
    park_put(&place->park, type, tag, parts, n);
    if (place->kind == ROUTER_GATEWAY)
        router->gateways_parked += was_empty;
    else
        router->stores_full += !was_full && place->park.bytes >= bound;
}

static void
unpark_counted(struct router *router, struct place *place)
{
    size_t bound = router->config.store_park_bytes;
    bool was_full = place->park.bytes >= bound;
    park_drop(&place->park);
    if (place->kind == ROUTER_GATEWAY)
        router->gateways_parked -= park_first(&place->park) == NULL;
    else
        router->stores_full -= was_full && place->park.bytes < bound;
}

/* Appends to the place's feed. OK: the wait is in its lane. ERR_BUSY: park it. Others: it will
 * never have it. */
static enum err
forward(struct router *router, uint32_t index, uint8_t type, const struct slice *parts, size_t n,
        uint32_t wait, uint64_t *where)
{
    struct place *place = router->places[index];
    uint64_t ticket = 0;
    bool is_awaited = wait != WAITS_NONE || place->kind == ROUTER_STORE;
    enum err err;
    if (!place->up)
        return place->kind == ROUTER_STORE ? ERR_BUSY : ERR_PEER_LOST;
    err = router->io.append(router->arg, index, type, parts, n,
                            is_awaited ? FEED_DATA : FEED_DATA_EASY, &ticket);
    if (err == ERR_PEER_LOST && place->kind == ROUTER_STORE)
        return ERR_BUSY;
    if (err != OK)
        return err;
    place->last_ticket = ticket;
    *where = ticket;
    if (wait != WAITS_NONE)
        waits_lane(router->tokens, wait, index, ticket);
    return OK;
}

uint64_t
on_forward_deliver(struct router *router, uint32_t index, uint8_t type, const struct slice *parts,
                   size_t n, uint32_t wait)
{
    struct place *place = router->places[index];
    uint64_t where = ON_PUBLISH_PARKED;
    enum err err = ERR_BUSY;
    if (wait != WAITS_NONE)
        waits_hold(router->tokens, wait);
    if (park_first(&place->park) == NULL)
        err = forward(router, index, type, parts, n, wait, &where);
    if (err == ERR_BUSY) {
        park_counted(router, place, type, wait, parts, n);
    } else if (err != OK) {
        router->stats.undeliverable++;
        if (wait != WAITS_NONE)
            waits_release(router->tokens, wait);
        return ON_PUBLISH_LOST;
    }
    router->stats.records_out++;
    return where;
}

/* The place of the store that keeps the topic's retained message; ROUTER_NO_PLACE: none known. */
static uint32_t
retained_owner(const struct router *router, struct slice topic)
{
    return router->shards.count == 0 ? ROUTER_NO_PLACE
                                     : router->stores[shards_of(&router->shards, topic)];
}

static enum err
publish(struct router *router, uint32_t source, uint64_t session, struct slice body,
        const struct again *again)
{
    struct publish_record record;
    const uint32_t *places;
    uint32_t wait = WAITS_NONE, owner = ROUTER_NO_PLACE;
    size_t count, i, wanted = 0;
    enum err err = publish_record_decode(body, &record);
    if (err != OK)
        return err;
    router->stats.publishes++;
    if (record.token != 0) /* not full: a stall would have begun before */
        wait = waits_begin(router->tokens, source, session, record.token);
    if (record.retain)
        owner = retained_owner(router, record.topic);
    count = routes_match(router->routes, record.topic, record.qos, &places);
    for (i = 0; i < count; i++) {
        /* A gateway has delivered to its own clients before it asked us. */
        if (places[i] == source && router->places[source]->kind == ROUTER_GATEWAY)
            continue;
        if (places[i] == owner)
            owner = ROUTER_NO_PLACE;
        (void)on_forward_deliver(router, places[i], FEED_PUBLISH, &body, 1, wait);
        wanted++;
    }
    wanted += on_group_publish(router, source, &record, body, wait, again);
    router->stats.unwanted += wanted == 0 && owner == ROUTER_NO_PLACE;
    if (owner != ROUTER_NO_PLACE) /* kept, which is no subscriber's wish */
        (void)on_forward_deliver(router, owner, FEED_PUBLISH, &body, 1, wait);
    if (wait != WAITS_NONE) {
        waits_flags(router->tokens, wait, wanted != 0 ? RECORDS_TOKEN_WANTED : 0);
        waits_commit(router->tokens, wait);
    }
    return OK;
}

/* Waits for all that is on its way to anybody. */
static enum err
flush(struct router *router, uint32_t source, uint64_t session, struct slice body)
{
    uint64_t token;
    uint32_t wait, i;
    enum err err = records_number_decode(body, &token);
    if (err != OK)
        return err;
    wait = waits_begin(router->tokens, source, session, token);
    for (i = 0; i < router->place_count; i++) {
        struct place *place = router->places[i];
        if (!place->used)
            continue;
        if (park_first(&place->park) != NULL) {
            waits_hold(router->tokens, wait);
            park_counted(router, place, PARKED_MARK, wait, NULL, 0);
        } else if (place->last_ticket > place->done_ticket) {
            waits_hold(router->tokens, wait);
            waits_lane(router->tokens, wait, i, place->last_ticket);
        }
    }
    waits_commit(router->tokens, wait);
    return OK;
}

/* Of a FEED_AGAIN in an input: not its age but when it was first sent. */
#define SINCE (UINT64_C(1) << 63)

static enum err
publish_again(struct router *router, uint32_t source, uint64_t session, struct slice body)
{
    struct repeats_again record;
    struct again again;
    enum err err = repeats_again_decode(body, &record);
    if (err != OK)
        return err;
    again.attempt = record.attempt;
    again.since_ms = (record.age_ms & SINCE) != 0     ? record.age_ms & ~SINCE
                     : record.age_ms < router->now_ms ? router->now_ms - record.age_ms
                                                      : 0;
    return record.type == FEED_PUBLISH
               ? publish(router, source, session, record.body, &again)
               : on_group_return(router, source, session, record.body, &again);
}

static enum err
take(struct router *router, uint32_t source, uint64_t session, uint8_t type, struct slice body)
{
    switch (type) {
    case FEED_FLUSH:
        return flush(router, source, session, body);
    case FEED_SHARED_RETURN:
        return on_group_return(router, source, session, body, NULL);
    case FEED_AGAIN:
        return publish_again(router, source, session, body);
    default:
        return publish(router, source, session, body, NULL);
    }
}

/* Until we can take it. */
static void
input_put(struct router *router, struct place *place, uint8_t type, struct slice body)
{
    struct repeats_again again;
    uint8_t head[REPEATS_AGAIN_BYTES];
    struct slice parts[2] = {slice_of(NULL, 0), body};
    if (type == FEED_AGAIN && repeats_again_decode(body, &again) == OK) {
        again.age_ms = SINCE | (again.age_ms < router->now_ms ? router->now_ms - again.age_ms : 0);
        parts[0] = slice_of(head, repeats_again_encode(&again, head));
        parts[1] = again.body;
    }
    park_put(&place->input, type, place->session, parts, 2);
    router->inputs++;
}

enum err
on_forward_record(struct router *router, uint32_t index, uint8_t type, struct slice body)
{
    struct place *place = router->places[index];
    if (park_first(&place->input) == NULL && !on_forward_is_stalled(router))
        return take(router, index, place->session, type, body);
    if (place->input.bytes + body.len > router->config.input_bytes)
        return ERR_BUSY;
    input_put(router, place, type, body);
    return OK;
}

void
on_forward_frame_end(struct router *router, uint32_t index, uint64_t seq)
{
    struct place *place = router->places[index];
    if (park_first(&place->input) == NULL) {
        router->io.finished(router->arg, index, seq);
        return;
    }
    park_put(&place->input, PARKED_MARK, seq, NULL, 0);
    router->inputs++;
}

static void
input_run(struct router *router, uint32_t index)
{
    struct place *place = router->places[index];
    const struct park_item *item;
    while ((item = park_first(&place->input)) != NULL) {
        if (item->type == PARKED_MARK) {
            router->io.finished(router->arg, index, item->tag);
        } else {
            if (on_forward_is_stalled(router))
                return;
            if (take(router, index, item->tag, item->type, slice_of(item->bytes, item->len)) != OK)
                router->stats.malformed++;
        }
        park_drop(&place->input);
        router->inputs--;
    }
}

void
on_forward_inputs(struct router *router)
{
    uint32_t i;
    if (on_forward_is_stalled(router))
        return;
    for (i = 0; i < router->place_count && router->inputs != 0; i++)
        input_run(router, i);
}

void
on_forward_pump(struct router *router, uint32_t index)
{
    struct place *place = router->places[index];
    const struct park_item *item;
    while ((item = park_first(&place->park)) != NULL) {
        struct slice body = slice_of(item->bytes, item->len);
        uint32_t wait = (uint32_t)item->tag;
        enum err err = OK;
        if (item->type == PARKED_MARK) {
            if (place->last_ticket > place->done_ticket)
                waits_lane(router->tokens, wait, index, place->last_ticket);
            else
                waits_release(router->tokens, wait);
        } else {
            uint64_t where = ON_PUBLISH_LOST;
            err = forward(router, index, item->type, &body, 1, wait, &where);
            if (item->type == FEED_SHARED_PUBLISH && err != ERR_BUSY)
                on_group_sent(router, body, where);
        }
        if (err == ERR_BUSY)
            return;
        if (err != OK) {
            router->stats.undeliverable++;
            if (wait != WAITS_NONE)
                waits_release(router->tokens, wait);
        }
        unpark_counted(router, place);
    }
}

void
on_forward_void(struct router *router, uint32_t index)
{
    struct place *place = router->places[index];
    const struct park_item *item;
    while ((item = park_first(&place->park)) != NULL) {
        uint32_t wait = (uint32_t)item->tag;
        unpark_counted(router, place);
        if (wait != WAITS_NONE)
            waits_release(router->tokens, wait);
    }
    waits_void(router->tokens, index);
    place->last_ticket = 0;
    place->done_ticket = 0;
}

void
on_forward_inherit(struct router *router, uint32_t index, uint8_t type, struct slice body)
{
    /* Anything else was said to the former store about its own session. */
    if (type == FEED_PUBLISH || type == FEED_SHARED_PUBLISH)
        park_put(&router->places[index]->former, type, WAITS_NONE, &body, 1);
}

static void
mark_wait(void *arg, uint32_t wait)
{
    park_put(arg, PARKED_MARK, wait, NULL, 0);
}

void
on_forward_inherit_end(struct router *router, uint32_t index)
{
    struct place *place = router->places[index];
    size_t bound = router->config.store_park_bytes;
    bool was_full = place->park.bytes >= bound;
    waits_unlane(router->tokens, index, mark_wait, &place->former);
    park_join(&place->former, &place->park);
    park_join(&place->park, &place->former);
    router->stores_full += place->park.bytes >= bound;
    router->stores_full -= was_full;
    place->last_ticket = 0;
    place->done_ticket = 0;
}
