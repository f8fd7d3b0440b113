/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QoS 2 publishes for groups that their origin sends again, because it has lost the core that had
 * them before: that core may have given one to a member, or do so later, when it goes on after a
 * stop or a cut. So before a place is chosen, every place is asked.
 *
 *   FEED_AGAIN -> FEED_SHARED_ASK to all places -> FEED_SHARED_ANSWER
 *     has it      that place is the choice
 *     no          it promises to take it from nobody but us
 *     passed      another core was asked to do this later: not ours any more
 *   all say no   a place is chosen, as for any other message
 *
 * A gateway that is gone cannot be asked. It is awaited for GONE_LEASES leases, since it may only
 * be cut off from us. If it does not come back and may have had the message, nobody else gets that:
 * its member's session has ended with it [MQTT-4.8.2-5].
 */
#include "common/cursor.h"
#include "proto/feed_records.h"
#include "proto/repeats.h"
#include "proto/takes.h"
#include "services/core/router_part.h"

enum {
    GONE_LEASES = 10,
    SILENT_MS = 1500, /* a gateway says something every second (FEED_COUNTERS); ages are rough */
    SWEEP_MS = 60000
};

static uint64_t
gone_ms(const struct router *router)
{
    return GONE_LEASES * router->config.lease_ms;
}

static void
end(struct router *router, struct inquiry *inquiry)
{
    if (inquiry->wait != WAITS_NONE)
        waits_release(router->tokens, inquiry->wait);
    inquiries_remove(router->inquiries, inquiry);
}

/* Whether a gateway that has not come back, whatever members it had, lived when it was sent. */
static bool
is_from_before(const struct router *router, const struct inquiry *inquiry)
{
    uint32_t i;
    for (i = 0; i < router->place_count; i++) {
        const struct place *place = router->places[i];
        if (place->lost_incarnation != 0 && !inquiry_is_denied(inquiry, place->lost_incarnation) &&
            place->until_ms + SILENT_MS >= inquiry->since_ms)
            return true;
    }
    return false;
}

/* Whether a gateway that has not come back may have had it: it had members when it was sent. What
 * was sent before we began may have been with any: we do not know who had members then. */
static bool
is_doubtful(const struct router *router, const struct inquiry *inquiry, const struct group *group)
{
    const struct ghost *list = NULL;
    size_t count = ghosts_of(router->ghosts, inquiry_share(inquiry), &list), i;
    for (i = 0; i < count; i++) {
        if (!inquiry_is_denied(inquiry, list[i].incarnation) &&
            list[i].until_ms + SILENT_MS >= inquiry->since_ms)
            return true;
    }
    /* In our first leases not everybody had said hello. Persistent members are no gateway's. */
    return inquiry->since_ms <= router->since_ms + 2 * router->config.lease_ms && group != NULL &&
           group_is_fleeting(group) && is_from_before(router, inquiry);
}

static void
give(struct router *router, const struct inquiry *inquiry, struct group *group,
     const struct shared_message *message)
{
    inquiries_decided(router->inquiries, inquiry, keeps_last(router->keeps));
    (void)on_group_give(router, group, message);
}

/* Nobody has it. */
static void
decide(struct router *router, struct inquiry *inquiry)
{
    struct group *group = groups_get(router->groups, inquiry_share(inquiry));
    struct publish_record record;
    struct shared_message message = {.record = &record,
                                     .bytes = inquiry_record(inquiry),
                                     .source = inquiry->source,
                                     .exclude = inquiry->exclude,
                                     .wait = inquiry->wait,
                                     .hops = inquiry->hops,
                                     .asked = true};
    if (is_doubtful(router, inquiry, group))
        router->stats.shared_doubtful++;
    else if (group == NULL || publish_record_decode(message.bytes, &record) != OK)
        router->stats.shared_nobody++;
    else
        give(router, inquiry, group, &message);
    end(router, inquiry);
}

/* The place has it: a gateway in memory. A store may still have to commit it: it gets it once more,
 * and the answer waits for that frame. */
static void
found(struct router *router, struct inquiry *inquiry, uint32_t place)
{
    router->stats.shared_found++;
    if (router->places[place]->kind == ROUTER_STORE)
        on_group_repeat(router, place, inquiry_share(inquiry), inquiry_record(inquiry),
                        inquiry->wait);
    end(router, inquiry);
}

/* Awaits the answer of the place if it speaks of this. */
static void
ask(struct router *router, struct inquiry *inquiry, uint32_t place)
{
    uint8_t head[REPEATS_ASK_BYTES];
    struct repeats_ask question = {
        .id = inquiry->id, .token = inquiry->token, .attempt = inquiry->attempt};
    struct slice parts[2] = {{NULL, 0}, inquiry_share(inquiry)};
    if (!router->places[place]->exact)
        return;
    question.origin = cursor_load_u64(inquiry_record(inquiry).data);
    question.floor = cursor_load_u64(inquiry_record(inquiry).data + 16);
    parts[0] = slice_of(head, repeats_ask_encode(&question, head));
    inquiry_await(inquiry, place);
    /* As data: it must not overtake a copy that is on its way there. */
    if (on_forward_deliver(router, place, FEED_SHARED_ASK, parts, 2, WAITS_NONE) == ON_PUBLISH_LOST)
        (void)inquiry_answered(inquiry, place);
}

bool
on_ask_begin(struct router *router, struct slice share, const struct shared_message *message,
             const struct again *again)
{
    const struct ghost *list = NULL;
    size_t count = ghosts_of(router->ghosts, share, &list), i;
    uint64_t key = takes_key(message->record->origin, share);
    struct inquiry *inquiry;
    uint32_t place;
    if (message->record->qos != 2 || message->record->token == 0)
        return false; /* it may come twice, or says nothing by which it would be known */
    inquiry = inquiries_about(router->inquiries, key, message->record->token);
    if (inquiry != NULL)
        end(router, inquiry); /* its origin lost us, and is back */
    inquiry = inquiries_add(router->inquiries, key, message->record->token, share, message->bytes,
                            router->now_ms);
    if (inquiry == NULL) {
        router->stats.shared_unasked++;
        return false;
    }
    router->stats.shared_asked++;
    inquiry->attempt = again->attempt;
    inquiry->since_ms = again->since_ms;
    inquiry->source = message->source;
    inquiry->exclude = message->exclude;
    inquiry->hops = message->hops;
    inquiry->wait = message->wait;
    if (message->wait != WAITS_NONE)
        waits_hold(router->tokens, message->wait);
    for (place = 0; place < router->place_count; place++) {
        const struct place *at = router->places[place];
        if (at->used && (at->up || at->kind == ROUTER_STORE))
            ask(router, inquiry, place);
    }
    for (i = 0; i < count; i++) {
        const struct place *at = router->places[list[i].place];
        if (!at->up && router->now_ms - at->lost_ms < gone_ms(router))
            inquiry_await(inquiry, list[i].place);
    }
    if (inquiry->left == 0)
        decide(router, inquiry);
    return true;
}

enum err
on_ask_answer(struct router *router, uint32_t place, struct slice body)
{
    enum repeats_verdict verdict;
    struct inquiry *inquiry;
    uint64_t id;
    enum err err = repeats_answer_decode(body, &id, &verdict);
    if (err != OK)
        return err;
    inquiry = inquiries_get(router->inquiries, id);
    if (inquiry == NULL || !inquiry_answered(inquiry, place))
        return OK; /* decided meanwhile, or asked twice */
    if (verdict == REPEATS_NO)
        inquiry_deny(inquiry, router->places[place]->incarnation);
    if (verdict == REPEATS_HAS)
        found(router, inquiry, place);
    else if (verdict == REPEATS_PASSED)
        end(router, inquiry);
    else if (inquiry->left == 0)
        decide(router, inquiry);
    return OK;
}

/* The place will not answer what it has not answered. */
static void
give_up(struct router *router, uint32_t place)
{
    struct inquiry *inquiry = inquiries_next(router->inquiries, NULL), *next;
    for (; inquiry != NULL; inquiry = next) {
        next = inquiries_next(router->inquiries, inquiry);
        if (inquiry_answered(inquiry, place) && inquiry->left == 0)
            decide(router, inquiry);
    }
}

void
on_ask_up(struct router *router, uint32_t place)
{
    struct inquiry *inquiry = inquiries_next(router->inquiries, NULL);
    if (!router->places[place]->exact) {
        give_up(router, place);
        return;
    }
    for (; inquiry != NULL; inquiry = inquiries_next(router->inquiries, inquiry))
        ask(router, inquiry, place);
}

void
on_ask_left(struct router *router, uint32_t place, struct slice share, uint64_t until_ms)
{
    struct ghost ghost = {
        .incarnation = router->places[place]->incarnation, .until_ms = until_ms, .place = place};
    ghosts_add(router->ghosts, share, &ghost);
}

struct down {
    struct router *router;
    uint32_t place;
};

static void
remember(void *arg, struct slice share, uint32_t place, const struct groups_members *members)
{
    const struct down *down = arg;
    if (place == down->place && members->count != 0)
        on_ask_left(down->router, place, share, down->router->places[place]->heard_ms);
}

void
on_ask_down(struct router *router, uint32_t place)
{
    struct down down = {router, place};
    router->places[place]->lost_ms = router->now_ms;
    router->places[place]->until_ms = router->places[place]->heard_ms;
    router->places[place]->lost_incarnation = router->places[place]->incarnation;
    groups_each_members(router->groups, remember, &down);
}

void
on_ask_gone(struct router *router, uint32_t place)
{
    give_up(router, place);
}

void
on_ask_tick(struct router *router)
{
    uint32_t i;
    if (router->now_ms >= router->ghosts_at_ms) {
        router->ghosts_at_ms = router->now_ms + SWEEP_MS;
        if (router->now_ms > SWEEP_MS + gone_ms(router))
            ghosts_sweep(router->ghosts, router->now_ms - SWEEP_MS - gone_ms(router));
    }
    inquiries_tick(router->inquiries, router->now_ms);
    for (i = 0; inquiries_count(router->inquiries) != 0 && i < router->place_count; i++) {
        const struct place *place = router->places[i];
        if (place->kind == ROUTER_GATEWAY && !place->up &&
            router->now_ms - place->lost_ms >= gone_ms(router))
            give_up(router, i);
    }
}
