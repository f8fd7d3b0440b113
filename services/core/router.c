/* SPDX-License-Identifier: Apache-2.0 */
/* Places, sessions, when we serve, and the end of a turn. The records themselves are in on_*.c. */
#include "services/core/router.h"

#include "common/mem.h"
#include "proto/feed_records.h"
#include "proto/records.h"
#include "services/core/router_part.h"
#include <assert.h>

enum { ANSWER_CHUNK = 32768, TICKETS_MAX = 1 << 20, ANSWERS_MAX = 256 << 20 };

struct router *
router_new(const struct router_config *config, const struct router_io *io, void *arg)
{
    struct router *router = mem_zalloc(sizeof(*router));
    router->config = *config;
    if (router->config.routes_max == 0)
        router->config.routes_max = (size_t)16 << 20;
    if (router->config.tokens_max == 0)
        router->config.tokens_max = (size_t)8 << 20;
    if (router->config.digest_entries == 0)
        router->config.digest_entries = 1024;
    if (router->config.store_park_bytes == 0)
        router->config.store_park_bytes = (size_t)64 << 20;
    if (router->config.input_bytes == 0)
        router->config.input_bytes = (size_t)64 << 20;
    router->io = *io;
    router->arg = arg;
    if (router->config.keep_bytes == 0)
        router->config.keep_bytes = (size_t)256 << 20;
    router->routes = routes_new(router->config.routes_max);
    router->groups = groups_new(router->config.routes_max, router->config.strategy);
    router->keeps = keeps_new(router->config.keep_bytes, router->config.keep_base);
    router->inquiries = inquiries_new(router->config.keep_bytes);
    router->ghosts = ghosts_new();
    router->tokens = waits_new(router->config.tokens_max, on_forward_answer, router);
    router->tickets = waits_new(TICKETS_MAX, on_route_answer, router);
    for (uint32_t i = 0; i < ROUTER_STORES_MAX; i++)
        router->stores[i] = ROUTER_NO_PLACE;
    router->totals = totals_new();
    return router;
}

static void
place_free(struct place *place)
{
    park_fini(&place->input);
    park_fini(&place->park);
    park_fini(&place->former);
    park_fini(&place->control);
    buf_fini(&place->tokens_done);
    buf_fini(&place->routes_done);
    buf_fini(&place->claim_waits);
    digest_free(place->digest);
    mem_free(place->name);
    mem_free(place);
}

void
router_free(struct router *router)
{
    uint32_t i;
    if (router == NULL)
        return;
    for (i = 0; i < router->place_count; i++)
        place_free(router->places[i]);
    totals_free(router->totals);
    routes_free(router->routes);
    groups_free(router->groups);
    keeps_free(router->keeps);
    inquiries_free(router->inquiries);
    ghosts_free(router->ghosts);
    waits_free(router->tokens);
    waits_free(router->tickets);
    mem_free(router);
}

static void
place_init(struct place *place, enum router_kind kind, struct slice name)
{
    place->used = true;
    place->kind = kind;
    place->exact = false;
    place->incarnation = 0;
    place->claimed = 0;
    place->lost_incarnation = 0;
    place->claims_news = false;
    place->name = slice_dup(name);
    park_init(&place->input);
    park_init(&place->park);
    park_init(&place->former);
    park_init(&place->control);
    buf_init(&place->tokens_done, ANSWERS_MAX);
    buf_init(&place->routes_done, ANSWERS_MAX);
    buf_init(&place->claim_waits, ANSWERS_MAX);
}

/* A free slot, taken. ROUTER_NO_PLACE: too many. */
static uint32_t
new_place(struct router *router, enum router_kind kind, struct slice name)
{
    uint32_t slot = 0;
    while (slot < router->place_count && router->places[slot]->used)
        slot++;
    if (slot == ROUTES_PLACES_MAX)
        return ROUTER_NO_PLACE;
    if (slot == router->place_count) {
        router->place_count++;
        router->places[slot] = mem_zalloc(sizeof(struct place));
    }
    place_init(router->places[slot], kind, name);
    return slot;
}

uint32_t
router_place(struct router *router, struct slice name)
{
    for (uint32_t i = 0; i < router->place_count; i++) {
        const struct place *place = router->places[i];
        if (place->used && place->kind == ROUTER_GATEWAY && slice_equal_cstr(name, place->name))
            return i;
    }
    return new_place(router, ROUTER_GATEWAY, name);
}

uint32_t
router_store(struct router *router, uint32_t shard, uint32_t shards, struct slice name)
{
    uint32_t slot = router->stores[shard];
    assert(router->shards.count == 0 || router->shards.count == shards);
    if (slot == ROUTER_NO_PLACE) {
        slot = router->stores[shard] = new_place(router, ROUTER_STORE, name);
    } else if (!slice_equal_cstr(name, router->places[slot]->name)) {
        mem_free(router->places[slot]->name);
        router->places[slot]->name = slice_dup(name);
    }
    if (router->shards.count == 0)
        shards_init(&router->shards, shards);
    return slot;
}

void
router_up(struct router *router, uint32_t index)
{
    struct place *place = router->places[index];
    if (place->up)
        router_down(router, index);
    place->up = true;
    place->heard_ms = router->now_ms;
    place->resyncing = true;
    place->session++;
    routes_mark(router->routes, index);
    groups_mark(router->groups, index);
    if (place->kind == ROUTER_GATEWAY)
        on_digest_up(router, index);
}

void
router_state(struct router *router, uint32_t index, uint64_t incarnation, uint32_t flags)
{
    struct place *place = router->places[index];
    bool exact = (flags & STATE_EXACT) != 0;
    bool is_new = place->incarnation != incarnation || place->told_session != place->session;
    if (!place->up || (!is_new && place->exact == exact))
        return;
    place->told_session = place->session;
    place->incarnation = incarnation;
    place->exact = exact;
    if (exact && place->kind == ROUTER_GATEWAY)
        on_group_begin(router, index);
    on_ask_up(router, index);
}

void
router_down(struct router *router, uint32_t index)
{
    struct place *place = router->places[index];
    if (!place->up)
        return;
    place->up = false;
    place->exact =
        place->exact && place->kind == ROUTER_STORE; /* which is asked as soon as it is up */
    place->resyncing = false;
    place->session++;
    on_counters_down(router, index);
    buf_fini(&place->tokens_done);
    buf_fini(&place->routes_done);
    park_fini(&place->control);
    if (place->kind == ROUTER_STORE)
        return;
    on_ask_down(router, index);
    on_digest_down(router, index);
    on_route_remove_place(router, index);
    on_group_rehome(router, index);
    on_group_end(router, index);
    on_forward_void(router, index);
}

void
router_inherit(struct router *router, uint32_t place, uint8_t type, struct slice body)
{
    on_forward_inherit(router, place, type, body);
}

void
router_inherit_end(struct router *router, uint32_t place)
{
    on_forward_inherit_end(router, place);
}

void
router_gone(struct router *router, uint32_t index)
{
    struct place *place = router->places[index];
    uint32_t i;
    router_down(router, index);
    if (place->kind == ROUTER_STORE) {
        /* What its feed held is lost. Nobody was told that it is done: a new session makes every
         * source send again what it has not been answered. */
        size_t lost = waits_fail(router->tokens, index);
        on_ask_gone(router, index);
        place->last_ticket = 0;
        place->done_ticket = 0;
        for (i = 0; lost != 0 && i < router->place_count; i++) {
            if (router->places[i]->up)
                router->io.drop(router->arg, i, ERR_PEER_LOST);
        }
        return;
    }
    if (park_first(&place->input) != NULL)
        return; /* still to be routed; the slot stays with its name */
    place->used = false;
    mem_free(place->name);
    place->name = NULL;
}

enum err
router_record(struct router *router, uint32_t place, uint8_t type, struct slice body)
{
    enum err err = OK;
    if (!router->places[place]->up)
        return OK;
    router->places[place]->heard_ms = router->now_ms;
    switch (type) {
    case FEED_PUBLISH:
    case FEED_FLUSH:
    case FEED_SHARED_RETURN:
    case FEED_AGAIN:
        err = on_forward_record(router, place, type, body);
        break;
    case FEED_SHARED_DONE:
        err = on_group_done(router, place, body);
        break;
    case FEED_SHARED_CLAIM:
        err = on_group_claim(router, place, body);
        break;
    case FEED_SHARED_HELD:
        err = on_group_held(router, place, body);
        break;
    case FEED_SHARED_ANSWER:
        err = on_ask_answer(router, place, body);
        break;
    case FEED_ROUTE_ADD:
        err = on_route_add(router, place, body);
        break;
    case FEED_ROUTE_REMOVE:
        err = on_route_remove(router, place, body);
        break;
    case FEED_RESYNC_END:
        on_route_resync_end(router, place);
        break;
    case FEED_DIGEST_ACK:
        err = on_digest_ack(router, place, body);
        break;
    case FEED_COUNTERS:
        err = on_counters_record(router, place, body);
        break;
    default:
        router->stats.unknown++;
        return ERR_UNSUPPORTED;
    }
    if (err == ERR_MALFORMED)
        router->stats.malformed++;
    return err;
}

void
router_frame_end(struct router *router, uint32_t place, uint64_t seq)
{
    if (router->places[place]->up)
        on_forward_frame_end(router, place, seq);
}

void
router_done(struct router *router, uint32_t index, uint64_t ticket)
{
    struct place *place = router->places[index];
    place->heard_ms = router->now_ms;
    if (ticket > place->done_ticket)
        place->done_ticket = ticket;
    waits_reach(router->tokens, index, ticket);
}

/* Sends batched answers; what finds no room stays for the next turn. */
static void
answers_send(struct router *router, uint32_t index, uint8_t type, struct buf *answers, size_t item)
{
    while (buf_len(answers) != 0) {
        struct slice part = slice_sub(buf_slice(answers), 0, ANSWER_CHUNK / item * item);
        enum err err =
            router->io.append(router->arg, index, type, &part, 1, FEED_CONTROL_EASY, NULL);
        if (err != OK)
            return;
        buf_consume(answers, part.len);
    }
}

static void
place_turn(struct router *router, uint32_t index)
{
    struct place *place = router->places[index];
    if (!place->up)
        return;
    if (park_first(&place->control) != NULL || place->digest_lost)
        on_digest_pump(router, index);
    if (park_first(&place->park) != NULL)
        on_forward_pump(router, index);
}

void
router_room(struct router *router, uint32_t place)
{
    place_turn(router, place);
}

void
router_turn(struct router *router)
{
    uint32_t i;
    bool stalled;
    for (i = 0; i < router->place_count; i++)
        place_turn(router, i);
    on_group_turn(router);
    if (router->inputs != 0)
        on_forward_inputs(router);
    for (i = 0; i < router->place_count; i++) {
        struct place *place = router->places[i];
        if (!place->up)
            continue;
        answers_send(router, i, FEED_TOKEN_DONE, &place->tokens_done, RECORDS_TOKEN_DONE_BYTES);
        answers_send(router, i, FEED_ROUTE_DONE, &place->routes_done, RECORDS_ROUTE_DONE_BYTES);
    }
    stalled = router->serving && on_forward_is_stalled(router);
    if (stalled && !router->was_stalled)
        router->stats.stalls++;
    router->was_stalled = stalled;
}

uint32_t
router_stores_wanted(const struct router *router)
{
    return router->config.stores > router->shards.count ? router->config.stores
                                                        : router->shards.count;
}

void
router_watch(struct router *router, bool is_watched)
{
    router->is_watched = is_watched;
}

const char *
router_obstacle(const struct router *router)
{
    uint32_t i, stores = 0;
    if (router->retired)
        return "retiring";
    if (router->serving)
        return "";
    if (!router->ticking || router->now_ms - router->since_ms < router->config.lease_ms)
        return "listening for one lease";
    for (i = 0; i < router->shards.count; i++)
        stores +=
            router->stores[i] != ROUTER_NO_PLACE && router->places[router->stores[i]]->resynced;
    if (stores < router_stores_wanted(router))
        return "waiting for stores";
    for (i = 0; i < router->place_count; i++) {
        const struct place *place = router->places[i];
        if (!place->up)
            continue;
        if (place->resyncing)
            return "waiting for the end of a resync";
        if (place->kind == ROUTER_GATEWAY && place->acked != place->version)
            return "waiting for a digest to be acknowledged";
    }
    return "";
}

void
router_tick(struct router *router, uint64_t now_ms)
{
    if (!router->ticking) {
        router->ticking = true;
        router->since_ms = now_ms;
    }
    router->now_ms = now_ms;
    on_digest_review(router);
    on_counters_tick(router);
    on_ask_tick(router);
    if (router->serving || router->retired || router_obstacle(router)[0] != '\0')
        return;
    router->serving = true;
    router->io.serving(router->arg, true);
    waits_reach(router->tickets, LANE_SERVING, 1);
}

void
router_retire(struct router *router)
{
    if (router->retired)
        return;
    router->retired = true;
    router->io.serving(router->arg, false);
}

bool
router_is_serving(const struct router *router)
{
    return router->serving && !router->retired;
}

bool
router_is_idle(const struct router *router)
{
    return waits_count(router->tokens) == 0 && router->inputs == 0 &&
           inquiries_count(router->inquiries) == 0 && router->gateways_parked == 0;
}

static void
info_fill(const struct router *router, uint32_t index, struct router_place_info *info)
{
    const struct place *place = router->places[index];
    *info = (struct router_place_info){
        .kind = place->kind,
        .name = place->name,
        .up = place->up,
        .resyncing = place->resyncing,
        .routes = routes_of(router->routes, index),
        .digest_entries = place->digest != NULL ? digest_entries(place->digest) : 0,
        .parked_bytes = place->park.bytes + place->control.bytes,
        .input_bytes = place->input.bytes,
        .tokens = waits_in_lane(router->tokens, index),
        .digest_behind = place->version - place->acked,
    };
}

void
router_places(const struct router *router, router_place_fn fn, void *arg)
{
    struct router_place_info info;
    uint32_t i;
    for (i = 0; i < router->place_count; i++) {
        if (!router->places[i]->used)
            continue;
        info_fill(router, i, &info);
        fn(arg, &info);
    }
}

uint32_t
router_gateway(const struct router *router, struct slice name)
{
    uint32_t i;
    for (i = 0; i < router->place_count; i++) {
        const struct place *place = router->places[i];
        if (place->used && place->up && place->kind == ROUTER_GATEWAY &&
            slice_equal_cstr(name, place->name))
            return i;
    }
    return ROUTER_NO_PLACE;
}

const char *
router_place_name(const struct router *router, uint32_t place, enum router_kind *kind)
{
    *kind = router->places[place]->kind;
    return router->places[place]->name != NULL ? router->places[place]->name : "";
}

void
router_groups(const struct router *router, groups_members_fn fn, void *arg)
{
    groups_each_members(router->groups, fn, arg);
}

struct router_stats
router_stats(const struct router *router)
{
    struct router_stats stats = router->stats;
    struct router_place_info info;
    uint32_t i;
    stats.tokens_open = waits_count(router->tokens);
    stats.tickets_open = waits_count(router->tickets);
    stats.filters = routes_filters(router->routes);
    stats.routes = routes_count(router->routes) + groups_places(router->groups);
    stats.groups = groups_count(router->groups);
    stats.kept = keeps_count(router->keeps);
    stats.kept_bytes = keeps_bytes(router->keeps);
    stats.asking = inquiries_count(router->inquiries);
    stats.stalled = router->was_stalled;
    stats.serving = router_is_serving(router);
    for (i = 0; i < router->place_count; i++) {
        if (!router->places[i]->used)
            continue;
        info_fill(router, i, &info);
        stats.digest_entries += info.digest_entries;
        stats.parked_bytes += info.parked_bytes;
        stats.input_bytes += info.input_bytes;
        stats.gateways_up += info.up && info.kind == ROUTER_GATEWAY;
        stats.stores_up += info.up && info.kind == ROUTER_STORE;
    }
    return stats;
}
