/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages for shared subscriptions: to one place of each group, to another one when it hands them
 * back or is gone. Whose turn it is, groups.h says.
 *
 *   PUBLISH --choose--> SHARED_PUBLISH to a place; QoS >= 1 to a gateway: a copy is kept
 *     SHARED_DONE    a member has it: the copy goes
 *     SHARED_CLAIM   QoS 2: a member is about to get it: the copy goes, and SHARED_TAKEN says so
 *     SHARED_HELD    QoS 2 for members with QoS 1: as QoS 1
 *     SHARED_RETURN  nobody there can have it: choose again, without that place
 *     gateway gone   each copy: choose again
 *
 * The token of the publish waits for the frame of the chosen place as for any other; when that
 * place is gone before, for the frame of the next one. Of a QoS 2 publish it waits until the
 * gateway has been told that it may give it to a member, too: one that is still under claim when we
 * die is dropped there, and sent again by its source.
 */
#include "common/cursor.h"
#include "common/hash.h"
#include "proto/feed_records.h"
#include "proto/records.h"
#include "proto/repeats.h"
#include "proto/takes.h"
#include "services/core/router_part.h"

enum { FULL_MS = 100 }; /* how long a place that was full is asked after all others */

static bool
is_open(void *arg, uint32_t index)
{
    const struct router *router = arg;
    const struct place *place = router->places[index];
    return place->up && park_first(&place->park) == NULL;
}

/* Whether the numbers of what was taken from a lost gateway still tell a repeat at its new place:
 * at a store, and at a gateway that claims QoS 2, until the publish is answered: its source may
 * send it again through another core. An answered one must not be taken for a repeat because it
 * lies below the floor, nor by a gateway that had it once before and lost its client. */
static bool
is_known_there(const struct router *router, uint32_t index, const struct shared_message *message)
{
    const struct place *place = router->places[index];
    return message->wait != WAITS_NONE &&
           (place->kind == ROUTER_STORE || (place->exact && message->record->qos == 2));
}

/* The publish is not answered before the keep is released. */
static void
hold(struct router *router, struct keep *keep)
{
    if (keep->wait == WAITS_NONE)
        return;
    waits_hold(router->tokens, keep->wait);
    keep->held = true;
}

static void
release(struct router *router, struct keep *keep)
{
    if (keep->held)
        waits_release(router->tokens, keep->wait);
    keep->held = false;
}

static void
forget(struct router *router, struct keep *keep)
{
    release(router, keep);
    keeps_remove(router->keeps, keep);
}

bool
on_group_give(struct router *router, struct group *group, const struct shared_message *message)
{
    const struct publish_record *record = message->record;
    struct groups_ask ask = {.publisher = record->publisher,
                             .topic = hash_stable(record->topic),
                             .random = hash_local(&router->random, sizeof(router->random)),
                             .now_ms = router->now_ms,
                             .source = message->source,
                             .exclude = message->exclude,
                             .qos = record->qos,
                             .only_stores = message->hops > SHARED_HOPS_MAX};
    struct records_shared shared = {.hops = message->hops, .share = group_share(group)};
    uint8_t head[RECORDS_SHARED_PUBLISH_BYTES];
    uint8_t numbers[PUBLISH_RECORD_NUMBERS] = {0};
    struct slice parts[4] = {{NULL, 0},
                             shared.share,
                             slice_sub(message->bytes, 0, sizeof(numbers)),
                             slice_sub(message->bytes, sizeof(numbers), message->bytes.len)};
    struct keep *keep = NULL;
    uint64_t where;
    uint32_t place = GROUPS_NO_PLACE;
    bool wait = false;
    place = groups_choose(router->groups, group, &ask, is_open, router, &shared.pick, &wait);
    if (wait && shared.hops == 0)
        shared.hops = 1; /* nobody could take it at once: it need not come back for that */
    router->random++;
    if (router->is_watched)
        router->io.gave(router->arg, record->topic, shared.share,
                        place == GROUPS_NO_PLACE ? ROUTER_NO_PLACE : place);
    if (place == GROUPS_NO_PLACE) {
        router->stats.shared_nobody++;
        return false;
    }
    if (record->qos != 0 && router->places[place]->kind == ROUTER_GATEWAY) {
        keep = keeps_add(router->keeps, place, shared.share, message->bytes, shared.hops);
        router->stats.shared_unkept += keep == NULL;
    }
    shared.number = keep != NULL ? keep->number : 0;
    shared.flags = message->asked && router->places[place]->exact ? SHARED_ASKED : 0;
    parts[0] = slice_of(head, records_shared_publish_encode(&shared, head));
    if (message->rehomed && !is_known_there(router, place, message))
        parts[2] = slice_of(numbers, sizeof(numbers));
    where = on_forward_deliver(router, place, FEED_SHARED_PUBLISH, parts, 4, message->wait);
    router->stats.shared++;
    if (keep == NULL)
        return true;
    keep->wait = message->wait;
    keep->asked = message->asked;
    keep->ticket = where;
    if (where == ON_PUBLISH_LOST)
        keeps_remove(router->keeps, keep);
    else if (record->qos == 2 && router->places[place]->exact)
        hold(router, keep);
    return true;
}

size_t
on_group_publish(struct router *router, uint32_t source, const struct publish_record *record,
                 struct slice bytes, uint32_t wait, const struct again *again)
{
    struct shared_message message = {.record = record,
                                     .bytes = bytes,
                                     .source = source,
                                     .exclude = GROUPS_NO_PLACE,
                                     .wait = wait};
    struct group *const *groups;
    size_t count = groups_match(router->groups, record->topic, &groups), i, given = 0;
    for (i = 0; i < count; i++) {
        if (again != NULL && on_ask_begin(router, group_share(groups[i]), &message, again))
            given++;
        else
            given += on_group_give(router, groups[i], &message);
    }
    return given;
}

enum err
on_group_return(struct router *router, uint32_t source, uint64_t session, struct slice body,
                const struct again *again)
{
    struct records_shared shared;
    struct publish_record record;
    struct keep *keep;
    struct group *group;
    uint32_t wait = WAITS_NONE;
    enum err err = records_shared_return_decode(body, &shared);
    if (err == OK)
        err = publish_record_decode(shared.record, &record);
    if (err != OK)
        return err;
    router->stats.shared_returned++;
    keep = keeps_get(router->keeps, shared.number);
    if (keep != NULL && keep->place == source)
        forget(router, keep);
    if (record.token != 0)
        wait = waits_begin(router->tokens, source, session, record.token);
    group = groups_get(router->groups, shared.share);
    if (group == NULL) {
        router->stats.shared_nobody++;
    } else {
        struct shared_message message = {.record = &record,
                                         .bytes = shared.record,
                                         .source = source,
                                         .exclude = source,
                                         .wait = wait,
                                         .hops = (uint8_t)(shared.hops + 1)};
        if (shared.hops >= SHARED_HOPS_MAX)
            message.hops = SHARED_HOPS_MAX + 1;
        if ((shared.flags & SHARED_FULL) != 0)
            groups_full(group, source, router->now_ms + FULL_MS);
        if (((again != NULL && on_ask_begin(router, shared.share, &message, again)) ||
             on_group_give(router, group, &message)) &&
            wait != WAITS_NONE)
            waits_flags(router->tokens, wait, RECORDS_TOKEN_WANTED);
    }
    if (wait != WAITS_NONE)
        waits_commit(router->tokens, wait);
    return OK;
}

/* Calls fn for each keep of the source whose number the body holds. */
static enum err
each_number(struct router *router, uint32_t source, struct slice body,
            void (*fn)(struct router *router, struct keep *keep))
{
    size_t count, i;
    enum err err = records_route_done_count(body, &count);
    if (err != OK)
        return err;
    for (i = 0; i < count; i++) {
        struct keep *keep = keeps_get(router->keeps, records_route_done_get(body, i));
        if (keep != NULL && keep->place == source)
            fn(router, keep);
    }
    return OK;
}

enum err
on_group_done(struct router *router, uint32_t source, struct slice body)
{
    return each_number(router, source, body, forget);
}

enum err
on_group_held(struct router *router, uint32_t source, struct slice body)
{
    return each_number(router, source, body, release);
}

/* The hold goes on until the gateway has been told. */
static void
grant(struct router *router, struct keep *keep)
{
    if (keep->held)
        buf_put_u32(&router->places[keep->place]->claim_waits, keep->wait);
    keeps_remove(router->keeps, keep);
}

void
on_group_repeat(struct router *router, uint32_t place, struct slice share, struct slice record,
                uint32_t wait)
{
    struct records_shared shared = {.flags = SHARED_ASKED, .share = share};
    uint8_t head[RECORDS_SHARED_PUBLISH_BYTES];
    struct slice parts[3] = {slice_of(head, records_shared_publish_encode(&shared, head)), share,
                             record};
    (void)on_forward_deliver(router, place, FEED_SHARED_PUBLISH, parts, 3, wait);
}

enum err
on_group_claim(struct router *router, uint32_t source, struct slice body)
{
    struct place *place = router->places[source];
    enum err err = each_number(router, source, body, grant);
    if (err != OK)
        return err;
    place->claimed = records_route_done_get(body, body.len / RECORDS_ROUTE_DONE_BYTES - 1);
    place->claims_news = true;
    return OK;
}

static void
tell_taken(struct router *router, uint32_t index)
{
    struct place *place = router->places[index];
    struct slice waits = buf_slice(&place->claim_waits);
    uint8_t bytes[REPEATS_TAKEN_BYTES];
    struct slice part = slice_of(bytes, repeats_taken_encode(place->claimed, 0, bytes));
    uint64_t ticket = 0;
    size_t i;
    if (park_first(&place->control) != NULL)
        return; /* what waits there began the session */
    if (router->io.append(router->arg, index, FEED_SHARED_TAKEN, &part, 1, FEED_CONTROL, &ticket) !=
        OK)
        return; /* in the next turn; or it goes down */
    place->last_ticket = ticket;
    for (i = 0; i < waits.len; i += sizeof(uint32_t))
        waits_lane(router->tokens, cursor_load_u32(waits.data + i), index, ticket);
    buf_reset(&place->claim_waits);
    place->claims_news = false;
}

void
on_group_end(struct router *router, uint32_t index)
{
    struct place *place = router->places[index];
    struct slice waits = buf_slice(&place->claim_waits);
    size_t i;
    for (i = 0; i < waits.len; i += sizeof(uint32_t))
        waits_release(router->tokens, cursor_load_u32(waits.data + i));
    buf_fini(&place->claim_waits);
    place->claims_news = false;
}

void
on_group_begin(struct router *router, uint32_t index)
{
    uint8_t bytes[REPEATS_TAKEN_BYTES];
    uint64_t claimed = router->places[index]->claimed;
    struct slice part = slice_of(bytes, repeats_taken_encode(claimed, TAKEN_BEGIN, bytes));
    on_digest_control(router, index, FEED_SHARED_TAKEN, &part, 1);
}

void
on_group_sent(struct router *router, struct slice body, uint64_t ticket)
{
    struct records_shared shared;
    struct keep *keep = NULL;
    if (records_shared_publish_decode(body, &shared) == OK)
        keep = keeps_get(router->keeps, shared.number);
    if (keep == NULL)
        return;
    keep->ticket = ticket;
    if (ticket == ON_PUBLISH_LOST)
        forget(router, keep);
}

/* Given to another. */
static void
rehome(struct router *router, struct keep *keep, uint64_t done_ticket)
{
    struct shared_message message = {.source = keep->place,
                                     .exclude = keep->place,
                                     .wait = keep->held || keep->ticket > done_ticket ? keep->wait
                                                                                      : WAITS_NONE,
                                     .hops = keep->hops,
                                     .rehomed = true,
                                     .asked = keep->asked};
    struct group *group = groups_get(router->groups, keep_share(keep));
    struct publish_record record;
    message.bytes = keep_record(keep);
    router->stats.shared_rehomed++;
    if (publish_record_decode(message.bytes, &record) != OK || group == NULL) {
        router->stats.shared_nobody++;
        return;
    }
    if (record.qos == 2 &&
        inquiries_voids(router->inquiries, takes_key(record.origin, keep_share(keep)), record.token,
                        keep->number))
        return; /* it came again meanwhile, and is, or will be, elsewhere */
    message.record = &record;
    (void)on_group_give(router, group, &message);
}

void
on_group_rehome(struct router *router, uint32_t index)
{
    struct keep *keep;
    while ((keep = keeps_first(router->keeps, index)) != NULL) {
        rehome(router, keep, router->places[index]->done_ticket);
        forget(router, keep);
    }
}

void
on_group_turn(struct router *router)
{
    uint32_t place;
    struct slice share;
    bool others;
    for (place = 0; place < router->place_count; place++) {
        if (router->places[place]->claims_news && router->places[place]->up)
            tell_taken(router, place);
    }
    while (groups_news(router->groups, &place, &share, &others)) {
        uint8_t flag[RECORDS_SHARED_OTHERS_BYTES];
        struct slice parts[2] = {slice_of(flag, records_shared_others_encode(others, flag)), share};
        if (router->places[place]->up)
            on_digest_control(router, place, FEED_SHARED_OTHERS, parts, 2);
    }
}
