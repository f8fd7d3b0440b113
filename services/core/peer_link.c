/* SPDX-License-Identifier: Apache-2.0 */
/* Events of common/peer into the router and back. A place's peer is known by number; a session that
 * the router wants ended is ended at the end of the turn, because that calls the router again. */
#include "services/core/peer_link.h"

#include "common/clock.h"
#include "common/crypt.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/peer.h"
#include "proto/feed_records.h"
#include "proto/shard_seats.h"
#include "services/core/on_question.h"
#include <assert.h>
#include <unistd.h>

/* Numbers of kept messages begin somewhere else in every run, far from their end. */
#define KEEP_BASE_MASK UINT64_C(0x7fffffff00000000)

enum {
    FORGET_MS = 24 * 3600 * 1000, /* a store away for less keeps what its feed holds for it */
    PEERS_MAX = 4096,             /* no more than routes.h has places */
    TICK_MS = 100,
    NAME_MAX_BYTES = 64
};

/* In a peer's user pointer. */
struct seat {
    struct peer *peer;
    uint32_t place;
    enum err drop; /* not OK: end the session at the end of the turn */
};

struct peer_link {
    struct loop *loop;
    struct peers *peers;
    struct router *router;
    struct shard_seats shards; /* which store has which */
    uint64_t stores_refused;
    struct on_question questions;
    struct loop_timer timer;
    struct seat *seats[PEERS_MAX]; /* by place */
    bool drops;
};

static struct seat *
seat_of(struct peer *peer)
{
    return peer_user(peer);
}

/* What a store says of its shard is believed or not. */
static bool
take_shard(struct peer_link *link, struct peer *peer, const struct peer_info *info,
           struct shard_claim *claim)
{
    uint32_t former;
    enum err err = shards_claim_decode(info->blob, claim);
    if (err == OK)
        err = shard_seats_take(&link->shards, peer_id(peer), claim, &former);
    if (err == OK)
        return true;
    link->stores_refused++;
    log_error("store_not_believed", LOG_STR("name", info->name), LOG_U64("shard", claim->number),
              LOG_U64("shards", claim->count), LOG_U64("shards_known", link->shards.shards.count),
              LOG_ERR(err), LOG_END);
    return false;
}

/* Whoever sits there has nothing to do with the place any more. */
static void
leave_place(struct peer_link *link, struct seat *seat)
{
    router_gone(link->router, seat->place);
    link->seats[seat->place] = NULL;
    peer_set_user(seat->peer, NULL);
    mem_free(seat);
}

struct inheritance {
    struct router *router;
    uint32_t place;
};

static void
inherit(void *arg, uint8_t type, struct slice body)
{
    const struct inheritance *to = arg;
    router_inherit(to->router, to->place, type, body);
}

/* The shard goes to another store, with all that its predecessor had not finished with. */
static void
take_over(struct peer_link *link, uint32_t place)
{
    struct seat *seat = link->seats[place];
    struct inheritance to = {link->router, place};
    peer_drop(seat->peer, ERR_STALE);
    peer_take_unfinished(seat->peer, inherit, &to);
    router_inherit_end(link->router, place);
    log_warn("shard_taken_over", LOG_STR("from", slice_cstr(peer_name(seat->peer))), LOG_END);
    link->seats[place] = NULL;
    peer_set_user(seat->peer, NULL);
    mem_free(seat);
}

static uint32_t
find_place(struct peer_link *link, const struct peer_info *info, bool store,
           const struct shard_claim *claim)
{
    struct slice name = slice_cstr(info->name);
    return store ? router_store(link->router, claim->number, claim->count, name)
                 : router_place(link->router, name);
}

static enum peer_keep
on_up(void *arg, struct peer *peer, const struct peer_info *info)
{
    struct peer_link *link = arg;
    bool store = strcmp(info->service, "store") == 0;
    struct shard_claim claim = {0};
    struct seat *seat = seat_of(peer);
    uint32_t place = ROUTER_NO_PLACE;
    if (!store && strcmp(info->service, "gateway") != 0)
        return PEER_DROP;
    if (!store || take_shard(link, peer, info, &claim)) {
        place = find_place(link, info, store, &claim);
        if (place == ROUTER_NO_PLACE || !info->has_feed)
            log_warn("peer_refused", LOG_STR("service", slice_cstr(info->service)),
                     LOG_STR("name", slice_cstr(info->name)), LOG_END);
    }
    if (seat != NULL && seat->place != place) { /* another shard, or none any more */
        leave_place(link, seat);
        seat = NULL;
    }
    if (place == ROUTER_NO_PLACE || !info->has_feed)
        return PEER_DROP;
    if (link->seats[place] != NULL && link->seats[place] != seat) {
        /* Another peer with this name or shard: that is its identity, so the newer one has it. */
        if (store)
            take_over(link, place);
        else
            leave_place(link, link->seats[place]);
        place = find_place(link, info, store, &claim);
    }
    if (seat == NULL) {
        seat = mem_zalloc(sizeof(*seat));
        seat->peer = peer;
        peer_set_user(peer, seat);
    }
    seat->place = place;
    seat->drop = OK;
    link->seats[place] = seat;
    router_up(link->router, place);
    router_state(link->router, place, info->incarnation, info->state);
    return store ? PEER_KEEP : PEER_DROP;
}

static void
on_down(void *arg, struct peer *peer, enum err why)
{
    struct peer_link *link = arg;
    const struct seat *seat = seat_of(peer);
    (void)why; /* common/peer logs sessions */
    shard_seats_down(&link->shards, peer_id(peer));
    if (seat == NULL)
        return;
    on_question_down(&link->questions, seat->place);
    router_down(link->router, seat->place);
}

static void
on_gone(void *arg, struct peer *peer)
{
    struct peer_link *link = arg;
    struct seat *seat = seat_of(peer);
    if (seat == NULL)
        return;
    router_gone(link->router, seat->place);
    link->seats[seat->place] = NULL;
    peer_set_user(peer, NULL);
    mem_free(seat);
}

static void
on_record(void *arg, struct peer *peer, uint8_t type, struct slice body, uint64_t seq)
{
    static struct log_limit limit;
    struct peer_link *link = arg;
    struct seat *seat = seat_of(peer);
    uint64_t suppressed;
    enum err err;
    (void)seq;
    if (seat == NULL)
        return;
    err = type == FEED_ANSWER ? on_question_answer(&link->questions, seat->place, body)
                              : router_record(link->router, seat->place, type, body);
    if (err == OK)
        return;
    if (err == ERR_BUSY) {
        seat->drop = ERR_PROTOCOL;
        link->drops = true;
    }
    if (log_every(&limit, 10000, &suppressed))
        log_warn("record_refused", LOG_STR("name", slice_cstr(peer_name(peer))),
                 LOG_U64("type", type), LOG_ERR(err), LOG_U64("suppressed", suppressed), LOG_END);
}

static void
on_frame_end(void *arg, struct peer *peer, uint64_t seq)
{
    struct peer_link *link = arg;
    const struct seat *seat = seat_of(peer);
    if (seat == NULL)
        peer_done(peer, seq);
    else if (seat->drop == OK) /* else it has records that we did not take */
        router_frame_end(link->router, seat->place, seq);
}

static void
on_done(void *arg, struct peer *peer, uint64_t ticket)
{
    struct peer_link *link = arg;
    const struct seat *seat = seat_of(peer);
    if (seat != NULL)
        router_done(link->router, seat->place, ticket);
}

static void
on_room(void *arg, struct peer *peer)
{
    struct peer_link *link = arg;
    const struct seat *seat = seat_of(peer);
    if (seat != NULL)
        router_room(link->router, seat->place);
}

static void
on_state(void *arg, struct peer *peer, uint32_t flags)
{
    struct peer_link *link = arg;
    const struct seat *seat = seat_of(peer);
    if (seat != NULL)
        router_state(link->router, seat->place, peer_incarnation(peer), flags);
}

static void
on_call(void *arg, struct peer *peer, struct call_request request, uint16_t method,
        struct slice body)
{
    struct peer_link *link = arg;
    (void)peer;
    on_question_call(&link->questions, request, method, body);
}

static enum err
send_question(void *arg, uint32_t place, uint8_t type, const struct slice *parts, size_t n)
{
    struct peer_link *link = arg;
    const struct seat *seat = link->seats[place];
    if (seat == NULL)
        return ERR_PEER_LOST;
    return peer_append(seat->peer, FEED_DATA, type, parts, n, NULL);
}

static enum err
io_append(void *arg, uint32_t place, uint8_t type, const struct slice *parts, size_t n,
          enum feed_class class, uint64_t *ticket)
{
    struct peer_link *link = arg;
    const struct seat *seat = link->seats[place];
    if (seat == NULL)
        return ERR_PEER_LOST;
    return peer_append(seat->peer, class, type, parts, n, ticket);
}

static void
io_finished(void *arg, uint32_t place, uint64_t seq)
{
    struct peer_link *link = arg;
    const struct seat *seat = link->seats[place];
    if (seat != NULL)
        peer_done(seat->peer, seq);
}

static void
io_serving(void *arg, bool serving)
{
    struct peer_link *link = arg;
    log_info(serving ? "serving" : "retiring", LOG_END);
    peers_set_state(link->peers, STATE_EXACT | (serving ? STATE_SERVING : 0));
}

static void
io_gave(void *arg, struct slice topic, struct slice share, uint32_t place)
{
    struct peer_link *link = arg;
    on_question_gave(&link->questions, topic, share, place);
}

static void
io_drop(void *arg, uint32_t place, enum err why)
{
    struct peer_link *link = arg;
    if (link->seats[place] == NULL)
        return;
    link->seats[place]->drop = why;
    link->drops = true;
}

static void
on_turn(void *arg)
{
    struct peer_link *link = arg;
    uint32_t i;
    for (i = 0; link->drops && i < PEERS_MAX; i++) {
        struct seat *seat = link->seats[i];
        enum err why = seat != NULL ? seat->drop : OK;
        if (why == OK)
            continue;
        seat->drop = OK;
        peer_drop(seat->peer, why);
    }
    link->drops = false;
    router_turn(link->router);
}

static void
on_tick(void *arg)
{
    struct peer_link *link = arg;
    router_tick(link->router, clock_monotonic_ms());
    on_question_tick(&link->questions, clock_monotonic_ms());
}

static void
link_name(const struct core_config *config, char *out, size_t cap)
{
    char host[NAME_MAX_BYTES + 1] = "core";
    const char *colon = strrchr(config->call_listen, ':');
    if (config->common.instance[0] != '\0') {
        str_format(out, cap, "%s", config->common.instance);
        return;
    }
    (void)gethostname(host, sizeof(host) - 1);
    str_format(out, cap, "%s-%s", host, colon != NULL ? colon + 1 : "");
}

enum err
peer_link_new(struct loop *loop, const struct core_config *config, struct peer_link **out)
{
    static const struct peers_events events = {.up = on_up,
                                               .down = on_down,
                                               .record = on_record,
                                               .frame_end = on_frame_end,
                                               .done = on_done,
                                               .room = on_room,
                                               .state = on_state,
                                               .call = on_call,
                                               .gone = on_gone};
    static const struct router_io io = {io_append, io_finished, io_serving, io_drop, io_gave};
    struct router_config router = {.lease_ms = config->lease_ms,
                                   .stores = (uint32_t)config->stores,
                                   .routes_max = config->routes_max,
                                   .tokens_max = config->tokens_max,
                                   .digest_entries = config->digest_entries,
                                   .store_park_bytes = config->store_park,
                                   .sys_interval_ms = config->sys_interval_ms,
                                   .strategy = (enum groups_strategy)config->shared_strategy,
                                   .keep_bytes = config->shared_keep,
                                   .keep_base = crypt_random_u64() & KEEP_BASE_MASK};
    char name[2 * NAME_MAX_BYTES];
    struct peers_config peers = {.service = "core",
                                 .name = name,
                                 .version = SLUICE_VERSION,
                                 .secret = slice_cstr(config->common.cluster_secret),
                                 .call_listen = config->call_listen,
                                 .feed_listen = config->feed_listen,
                                 .advertise_host = config->advertise,
                                 .lease_ms = (uint32_t)config->lease_ms,
                                 .heartbeat_ms = (uint32_t)config->lease_ms / 3,
                                 .forget_ms = FORGET_MS,
                                 .max_peers = PEERS_MAX,
                                 .window = {.max_record = config->max_record},
                                 .tls_ca = config->common.cluster_ca,
                                 .tls_cert = config->common.cluster_cert,
                                 .tls_key = config->common.cluster_key};
    struct peer_link *link = mem_zalloc(sizeof(*link));
    enum err err;
    link_name(config, name, sizeof(name));
    link->loop = loop;
    shard_seats_init(&link->shards, config->stores > 1 ? (uint32_t)config->stores : 0);
    link->router = router_new(&router, &io, link);
    link->questions = (struct on_question){.conf = config->conf,
                                           .loop = loop,
                                           .router = link->router,
                                           .relays = relays_new(),
                                           .started_ms = clock_monotonic_ms(),
                                           .send = send_question,
                                           .arg = link};
    /* Before the peers' own hook, so that what the router appends leaves in the same turn. */
    loop_on_turn(loop, on_turn, link);
    err = peers_new(loop, &peers, &events, link, &link->peers);
    if (err != OK) {
        loop_on_turn_remove(loop, on_turn, link);
        relays_free(link->questions.relays);
        router_free(link->router);
        mem_free(link);
        return err;
    }
    link->questions.peers = link->peers;
    peers_set_state(link->peers, STATE_EXACT);
    router_tick(link->router, clock_monotonic_ms());
    loop_timer_init(&link->timer, loop, on_tick, link);
    loop_timer_start(&link->timer, TICK_MS, true);
    *out = link;
    return OK;
}

void
peer_link_free(struct peer_link *link)
{
    uint32_t i;
    if (link == NULL)
        return;
    loop_timer_fini(&link->timer);
    loop_on_turn_remove(link->loop, on_turn, link);
    peers_free(link->peers);
    relays_free(link->questions.relays);
    trace_desk_fini(&link->questions.trace);
    router_free(link->router);
    for (i = 0; i < PEERS_MAX; i++)
        mem_free(link->seats[i]);
    mem_free(link);
}

void
peer_link_set_metrics(struct peer_link *link, struct metrics *metrics)
{
    link->questions.metrics = metrics;
}

struct router *
peer_link_router(struct peer_link *link)
{
    return link->router;
}

uint64_t
peer_link_stores_refused(const struct peer_link *link)
{
    return link->stores_refused;
}

const struct peers_stats *
peer_link_stats(const struct peer_link *link)
{
    return peers_stats(link->peers);
}

uint64_t
peer_link_incarnation(const struct peer_link *link)
{
    return peers_incarnation(link->peers);
}

uint16_t
peer_link_call_port(const struct peer_link *link)
{
    return peers_call_port(link->peers);
}

uint16_t
peer_link_feed_port(const struct peer_link *link)
{
    return peers_feed_port(link->peers);
}
