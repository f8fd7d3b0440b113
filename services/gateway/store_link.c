/* SPDX-License-Identifier: Apache-2.0 */
/* The hub's side towards the stores: sessions with them, records both ways.
 *
 * There is one struct store a shard. Who has a shard is what the stores say in their hellos
 * (proto/shard_seats.h): when another store takes one over, it gets all that its predecessor had
 * not finished with, as if that one had come back.
 *
 * A session with a store begins with the announcements of all sessions that the workers hold, asked
 * for with POST_ANNOUNCE, then RESYNC_END, then what the feed kept from the session before (nothing
 * that was not declared done is lost), then what was held here. Until then, and while the feed is
 * full, records are held in order and bounded; publishing clients are stopped when much is held. */
#include "services/gateway/store_link.h"

#include "common/log.h"
#include "common/mem.h"
#include "proto/records.h"
#include "services/gateway/sign_in.h"
#include "services/gateway/store_codec.h"

#define PENDING_MAX  262144u
#define HELD_BYTES   (32u * 1024 * 1024)
#define DEPARTED_MAX (16u * 1024 * 1024)
#define PREAMBLE_MAX (SIZE_MAX / 4) /* bounded by the number of connections */

struct store_link *
store_link_new(struct hub *hub)
{
    struct store_link *link = mem_zalloc(sizeof(*link));
    link->hub = hub;
    shard_seats_init(&link->seats, 0);
    link->stores = mem_zalloc_array(SHARDS_MAX, sizeof(*link->stores));
    for (unsigned i = 0; i < SHARDS_MAX; i++) {
        link->stores[i].link = link;
        link->stores[i].index = i;
        held_init(&link->stores[i].preamble, PREAMBLE_MAX);
        held_init(&link->stores[i].held, HELD_BYTES);
        departed_init(&link->stores[i].departed, DEPARTED_MAX);
    }
    link->pending =
        pending_new(PENDING_MAX, SHARDS_MAX + 1, loop_now_ms(hub->loop), store_ask_expired, link);
    return link;
}

void
store_link_free(struct store_link *link)
{
    if (link == NULL)
        return;
    for (unsigned i = 0; i < SHARDS_MAX; i++) {
        held_fini(&link->stores[i].preamble);
        held_fini(&link->stores[i].held);
        departed_fini(&link->stores[i].departed);
    }
    pending_free(link->pending);
    mem_free(link->stores);
    mem_free(link);
}

/* ---- towards the store */

unsigned
store_link_count(const struct store_link *link)
{
    return link->seats.shards.count;
}

struct store *
store_link_of_session(struct store_link *link, uint64_t session)
{
    uint32_t shard = shards_of_number(session);
    return shard < store_link_count(link) ? &link->stores[shard] : NULL;
}

/* The shard of a peer; NULL: it has none. */
static struct store *
store_of(struct store_link *link, const struct hub_peer *peer)
{
    return peer->index < store_link_count(link) ? &link->stores[peer->index] : NULL;
}

bool
store_link_takes_calls(const struct store *store)
{
    return store->link->access_known && store->state == STORE_UP &&
           (peer_state(store->peer->peer) & STATE_SERVING) != 0;
}

void
store_link_access_known(struct store_link *link)
{
    link->access_known = true;
    for (unsigned i = 0; i < store_link_count(link); i++)
        store_ask_pump(&link->stores[i]);
}

static void
check_hold(struct store_link *link)
{
    uint64_t heavy = 0;
    for (unsigned i = 0; i < store_link_count(link); i++)
        heavy |= (uint64_t)held_is_heavy(&link->stores[i].held) << i;
    hub_post_hold_stores(link->hub, heavy);
}

uint64_t
store_link_send(struct store *store, uint8_t type, bool control, const struct slice *parts,
                size_t n)
{
    struct hub *hub = store->link->hub;
    uint64_t ticket = 0;
    enum err err = ERR_BUSY;
    if (store->state == STORE_UP && held_first(&store->held) == NULL)
        err = peer_append(store->peer->peer, control ? FEED_CONTROL : FEED_DATA, type, parts, n,
                          &ticket);
    if (err == OK)
        return ticket;
    if (err == ERR_TOO_LARGE || held_add(&store->held, type, control, parts, n) != OK) {
        static struct log_limit limit;
        uint64_t suppressed = 0;
        metric_counter_add(hub->metric.dropped_records, 1);
        if (log_every(&limit, 1000, &suppressed))
            log_error("record_for_store_dropped", LOG_U64("type", type), LOG_ERR(err),
                      LOG_U64("suppressed", suppressed), LOG_END);
        return DEPARTED_HELD;
    }
    check_hold(store->link);
    return DEPARTED_HELD;
}

/* False when the feed takes no more now. */
static bool
send_held(struct store *store, struct held *held, bool all_control)
{
    const struct held_record *record;
    while ((record = held_first(held)) != NULL) {
        struct slice part = slice_of(record->body, record->len);
        enum feed_class class = all_control || record->control ? FEED_CONTROL : FEED_DATA;
        enum err err = peer_append(store->peer->peer, class, record->type, &part, 1, NULL);
        if (err == ERR_BUSY || err == ERR_PEER_LOST)
            return false;
        held_pop(held);
    }
    return true;
}

static void
pump(struct store *store)
{
    if (store->state == STORE_RESYNC && send_held(store, &store->preamble, true) &&
        store->announced) {
        store->state = STORE_UP;
        peer_preamble_end(store->peer->peer);
        log_info("store_resynced", LOG_STR("name", peer_name(store->peer->peer)), LOG_END);
    }
    if (store->state == STORE_UP && held_first(&store->held) != NULL) {
        if (send_held(store, &store->held, false))
            departed_sent(&store->departed, peer_last_ticket(store->peer->peer));
        check_hold(store->link);
    }
    store_ask_pump(store);
}

void
store_link_turn(struct store_link *link)
{
    unsigned count = store_link_count(link);
    if (!link->complete && count > 0 && store_link_serving_count(link) == count)
        link->complete = true;
    for (unsigned i = 0; i < store_link_count(link); i++)
        pump(&link->stores[i]);
}

static void
tell(struct store_link *link, uint64_t session, uint8_t type, bool control,
     const struct slice *parts, size_t n)
{
    struct store *store = store_link_of_session(link, session);
    if (store != NULL)
        (void)store_link_send(store, type, control, parts, n);
}

static void
tell_close(struct store_link *link, const struct post *post)
{
    const struct records_session_close record = {
        .session = post->a, .epoch = post->b, .flags = post->flags, .expiry_s = post->aux};
    uint8_t bytes[RECORDS_SESSION_CLOSE_BYTES];
    struct slice part = slice_of(bytes, records_session_close_encode(&record, bytes));
    struct store *store = store_link_of_session(link, post->a);
    uint64_t ticket = 0;
    if (store != NULL)
        ticket = store_link_send(store, FEED_SESSION_CLOSE, true, &part, 1);
    if (store == NULL || post->body == NULL)
        return;
    size_t len = 0;
    uint8_t *announcement = store_codec_announce(post->body, &len);
    if (departed_add(&store->departed, ticket, slice_of(announcement, len)) != OK)
        metric_counter_add(link->hub->metric.dropped_records, 1);
    mem_free(announcement);
}

static void
tell_ready(struct store_link *link, const struct post *post)
{
    const struct records_session_ready record = {
        .session = post->a, .epoch = post->b, .conn = post->conn, .after = post->c};
    uint8_t bytes[RECORDS_SESSION_READY_BYTES];
    struct slice part = slice_of(bytes, records_session_ready_encode(&record, bytes));
    tell(link, post->a, FEED_SESSION_READY, true, &part, 1);
}

static void
tell_queue(struct store_link *link, const struct post *post, uint8_t type)
{
    const struct records_queue record = {.session = post->a, .epoch = post->b, .seq = post->c};
    uint8_t bytes[RECORDS_QUEUE_BYTES];
    struct slice part = slice_of(bytes, records_queue_encode(&record, bytes));
    tell(link, post->a, type, true, &part, 1);
}

static void
tell_inbound(struct store_link *link, const struct post *post, uint8_t type)
{
    const struct message *message = type == FEED_INBOUND_PUBLISH ? post->body : NULL;
    const struct records_inbound record = {
        .session = post->a, .epoch = post->b, .packet_id = (uint16_t)post->aux};
    uint8_t bytes[RECORDS_INBOUND_BYTES];
    struct slice parts[2] = {{bytes, records_inbound_encode(&record, bytes)}, {NULL, 0}};
    if (message != NULL)
        parts[1] = message_record(message);
    tell(link, post->a, type, message == NULL, parts, 2);
}

void
store_link_tell(struct store_link *link, struct post *post)
{
    switch (post->kind) {
    case POST_READY:
        tell_ready(link, post);
        break;
    case POST_CLOSE:
        tell_close(link, post);
        break;
    case POST_QUEUE_ACK:
        tell_queue(link, post, FEED_QUEUE_ACK);
        break;
    case POST_QUEUE_REC:
        tell_queue(link, post, FEED_QUEUE_REC);
        break;
    case POST_INBOUND_PUBLISH:
        tell_inbound(link, post, FEED_INBOUND_PUBLISH);
        break;
    default:
        tell_inbound(link, post, FEED_INBOUND_RELEASE);
        break;
    }
}

/* ---- sessions with a store */

/* A store that is new, or restarted, has forgotten the clean sessions that ended without its
 * knowledge: it is told of them, and of their end by what the feed kept or we hold. */
static void
announce_departed(struct store *store)
{
    for (const struct departed_one *one = store->departed.head; one != NULL; one = one->next) {
        struct slice part = slice_of(one->announcement, one->len);
        if (held_add(&store->preamble, FEED_SESSION_ANNOUNCE, true, &part, 1) != OK)
            return; /* without a bound in practice, see PREAMBLE_MAX */
    }
}

void
store_link_done(struct store_link *link, struct hub_peer *peer, uint64_t ticket)
{
    struct store *store = store_of(link, peer);
    if (store != NULL)
        departed_done(&store->departed, ticket);
}

static void
keep_unfinished(void *arg, uint8_t type, struct slice body)
{
    if (held_add(arg, type, type != FEED_INBOUND_PUBLISH, &body, 1) != OK)
        log_error("record_for_store_dropped", LOG_U64("type", type), LOG_END);
}

/* The store that had the shard has it no more. What its feed still has goes before what was held
 * meanwhile, to whoever has the shard now. */
static void
leave_seat(struct store *store)
{
    struct held unfinished;
    held_init(&unfinished, PREAMBLE_MAX); /* no more than the window of a feed */
    peer_take_unfinished(store->peer->peer, keep_unfinished, &unfinished);
    held_put_before(&store->held, &unfinished);
    departed_hold_all(&store->departed);
    store->peer->index = UINT32_MAX;
    store->peer = NULL;
    store->state = STORE_AWAY;
}

/* What a store says of its shard is believed or not. NULL: not. */
static struct store *
take_seat(struct store_link *link, struct hub_peer *peer, const struct peer_info *info)
{
    struct hub *hub = link->hub;
    struct shard_claim claim = {0};
    unsigned count = store_link_count(link);
    uint32_t former = 0;
    enum err err = shards_claim_decode(info->blob, &claim);
    if (err == OK)
        err = shard_seats_take(&link->seats, peer_id(peer->peer), &claim, &former);
    if (err != OK) {
        metric_counter_add(hub->metric.stores_refused, 1);
        log_error("store_not_believed", LOG_STR("name", info->name), LOG_U64("shard", claim.number),
                  LOG_U64("shards", claim.count), LOG_U64("shards_known", count), LOG_ERR(err),
                  LOG_END);
        if (store_of(link, peer) != NULL)
            leave_seat(store_of(link, peer));
        return NULL;
    }
    struct store *store = &link->stores[claim.number];
    if (store->peer != peer) {
        struct hub_peer *before = store->peer;
        if (store_of(link, peer) != NULL)
            leave_seat(store_of(link, peer)); /* it had another shard */
        if (before != NULL) {
            peer_drop(before->peer, ERR_STALE);
            leave_seat(store);
            log_warn("shard_taken_over", LOG_U64("shard", claim.number), LOG_STR("by", info->name),
                     LOG_END);
        }
    }
    peer->index = claim.number;
    store->peer = peer;
    if (count == 0)
        store_ask_place(link);
    return store;
}

enum peer_keep
store_link_up(struct store_link *link, struct hub_peer *peer, const struct peer_info *info)
{
    struct store *store = take_seat(link, peer, info);
    if (store == NULL)
        return PEER_DROP;
    store->state = STORE_RESYNC;
    store->announced = false;
    store->ends_due += link->hub->workers;
    if (info->lapsed) {
        struct post post = {.kind = POST_LAPSED, .aux = 2};
        hub_post_to_all(link->hub, &post);
    } else {
        announce_departed(store);
    }
    if (store->index == SHARDS_PEOPLE)
        sign_in_doubt(link->hub->sign_in);
    struct post post = {.kind = POST_ANNOUNCE, .a = store->index};
    hub_post_to_all(link->hub, &post);
    return PEER_KEEP_LATER;
}

void
store_link_down(struct store_link *link, struct hub_peer *peer)
{
    struct store *store = store_of(link, peer);
    if (store == NULL)
        return;
    shard_seats_down(&link->seats, peer_id(peer->peer));
    store->state = STORE_AWAY;
    held_fini(&store->preamble);
    held_init(&store->preamble, PREAMBLE_MAX);
}

void
store_link_announcement(struct store_link *link, struct post *post)
{
    if (post->a >= store_link_count(link))
        return;
    struct store *store = &link->stores[post->a];
    enum err err = OK;
    if (post->body == NULL) {
        if (store->ends_due > 0 && --store->ends_due == 0 && store->state == STORE_RESYNC) {
            store->announced = true;
            err = held_add(&store->preamble, FEED_RESYNC_END, true, NULL, 0);
        }
    } else if (store->state == STORE_RESYNC) {
        struct session_announcement *announcement = post->body;
        size_t len = 0;
        uint8_t *bytes = store_codec_announce(announcement, &len);
        struct slice part = slice_of(bytes, len);
        err = held_add(&store->preamble, FEED_SESSION_ANNOUNCE, true, &part, 1);
        mem_free(bytes);
    }
    if (err != OK)
        log_error("announcement_dropped", LOG_ERR(err), LOG_END);
}

void
store_link_room(struct store_link *link, struct hub_peer *peer)
{
    if (store_of(link, peer) != NULL)
        pump(store_of(link, peer));
}

void
store_link_state(struct store_link *link, struct hub_peer *peer, uint32_t flags)
{
    if (store_of(link, peer) != NULL && (flags & STATE_SERVING) != 0)
        pump(store_of(link, peer));
}

void
store_link_tick(struct store_link *link, uint64_t now_ms)
{
    pending_expire(link->pending, now_ms);
}

/* ---- for the probes */

unsigned
store_link_serving_count(const struct store_link *link)
{
    unsigned count = 0;
    for (unsigned i = 0; i < store_link_count(link); i++)
        if (link->stores[i].peer != NULL && store_link_takes_calls(&link->stores[i]))
            count++;
    return count;
}

bool
store_link_is_ready(const struct store_link *link)
{
    return link->complete && store_link_serving_count(link) > 0;
}

struct store_link_info
store_link_info(const struct store_link *link, unsigned shard)
{
    const struct store *store = &link->stores[shard];
    struct store_link_info info = {.name = "",
                                   .held_bytes = store->held.bytes + store->preamble.bytes};
    if (store->peer == NULL)
        return info;
    info.name = peer_name(store->peer->peer);
    info.serving = store_link_takes_calls(store);
    return info;
}

size_t
store_link_pending_count(const struct store_link *link)
{
    return pending_count(link->pending);
}

size_t
store_link_held_bytes(const struct store_link *link)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < store_link_count(link); i++)
        bytes += link->stores[i].held.bytes + link->stores[i].preamble.bytes;
    return bytes;
}

bool
store_link_is_quiet(const struct store_link *link)
{
    for (unsigned i = 0; i < store_link_count(link); i++) {
        const struct store *store = &link->stores[i];
        if (store->state == STORE_AWAY)
            continue; /* nobody to wait for */
        if (store->held.count > 0 || peer_feed_stats(store->peer->peer)->used_bytes > 0)
            return false;
    }
    return true;
}
