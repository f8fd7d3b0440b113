/* SPDX-License-Identifier: Apache-2.0 */
/* Peers of the store; see store_link.h.
 *
 * Parking: when the committer's batch or the outbox is full, records of a peer are copied aside and
 * its frames are not declared done; the peer's window then stops it, so what is parked is bounded
 * by that window. */
#include "services/store/store_link.h"

#include "common/cursor.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/feed_records.h"
#include "services/store/access_rows.h"
#include "services/store/core_link.h"
#include "services/store/desks.h"
#include "services/store/neighbours.h"
#include "services/store/retained_limit.h"
#include "services/store/session_life.h"
#include "services/store/session_push.h"
#include "services/store/session_shared.h"

#include <string.h>

#define PARKED_MAX  ((size_t)64 * 1024 * 1024)
#define BACKLOG_MAX ((size_t)32 * 1024 * 1024)
#define FRAME_END   0u /* as a parked type: no record has it */

static struct store_link *
link_of(struct peer *peer)
{
    return peer_user(peer);
}

static struct store_link *
link_new(struct store *store, struct peer *peer, enum store_link_kind kind)
{
    struct store_link *link = mem_zalloc(sizeof(*link));
    link->store = store;
    link->peer = peer_id(peer);
    link->kind = kind;
    link->owner.peer = link->peer;
    link->core = CORE_CLIENT_NO_CORE;
    buf_init(&link->parked, PARKED_MAX);
    buf_init(&link->backlog, BACKLOG_MAX);
    link->next = store->links;
    store->links = link;
    peer_set_user(peer, link);
    return link;
}

static void
link_free(struct store_link *link)
{
    buf_fini(&link->parked);
    buf_fini(&link->backlog);
    mem_free(link);
}

static struct peer *
peer_of_owner(struct store *store, const struct owner *owner)
{
    struct peer *peer = owner->up ? peers_by_id(store->peers, owner->peer) : NULL;
    return peer != NULL && peer_is_up(peer) ? peer : NULL;
}

/* ---- sending */

static void
backlog_put(struct store_link *link, uint8_t type, struct slice body)
{
    buf_put_u8(&link->backlog, type);
    buf_put_u32(&link->backlog, (uint32_t)body.len);
    buf_append_slice(&link->backlog, body);
}

static void
send_to(struct peer *peer, struct store_link *link, uint8_t type, struct slice body)
{
    enum err err = ERR_BUSY;
    if (buf_len(&link->backlog) == 0)
        err = peer_append(peer, FEED_CONTROL, type, &body, 1, NULL);
    if (err == ERR_BUSY)
        backlog_put(link, type, body);
    if (buf_error(&link->backlog) != OK) {
        /* nothing may be left out silently: a new session runs the resync */
        buf_reset(&link->backlog);
        log_error("control_backlog_full", LOG_STR("peer", peer_name(peer)), LOG_END);
        peer_drop(peer, ERR_BUSY);
    }
}

void
store_link_send(struct store *store, const struct owner *owner, uint8_t type, struct slice body)
{
    struct peer *peer = peer_of_owner(store, owner);
    if (peer != NULL)
        send_to(peer, link_of(peer), type, body);
}

enum err
store_link_push(struct store *store, const struct owner *owner, uint8_t type,
                const struct slice *parts, size_t n)
{
    struct peer *peer = peer_of_owner(store, owner);
    if (peer == NULL)
        return ERR_PEER_LOST;
    if (buf_len(&link_of(peer)->backlog) != 0)
        return ERR_BUSY;
    return peer_append(peer, FEED_DATA, type, parts, n, NULL);
}

struct owner *
store_link_owner(struct peer *peer)
{
    struct store_link *link = link_of(peer);
    return link != NULL && link->kind == STORE_LINK_GATEWAY && link->owner.up ? &link->owner : NULL;
}

void
store_link_broadcast(struct store *store, uint8_t type, struct slice body)
{
    struct store_link *link;
    for (link = store->links; link != NULL; link = link->next) {
        if (link->kind == STORE_LINK_GATEWAY)
            store_link_send(store, &link->owner, type, body);
    }
}

bool
store_link_has_gateway(const struct store *store, uint64_t incarnation)
{
    const struct store_link *link;
    for (link = store->links; link != NULL; link = link->next) {
        if (link->kind == STORE_LINK_GATEWAY && link->owner.up &&
            link->owner.incarnation == incarnation)
            return true;
    }
    return false;
}

static void
flush_backlog(struct peer *peer, struct store_link *link)
{
    while (buf_len(&link->backlog) != 0) {
        struct cursor c = cursor_of(buf_slice(&link->backlog));
        uint8_t type = cursor_u8(&c);
        struct slice body = cursor_bytes32(&c);
        if (peer_append(peer, FEED_CONTROL, type, &body, 1, NULL) == ERR_BUSY)
            return;
        buf_consume(&link->backlog, 5 + body.len);
    }
}

/* ---- receiving */

static void
handle_gateway(struct store *store, struct store_link *link, uint8_t type, struct slice body)
{
    switch (type) {
    case FEED_SESSION_ANNOUNCE:
        on_session_announce(store, link, body);
        break;
    case FEED_RESYNC_END:
        on_session_resync_end(store, link);
        break;
    case FEED_SESSION_READY:
        on_session_ready(store, link, body);
        break;
    case FEED_SESSION_CLOSE:
        on_session_close(store, link, body);
        break;
    case FEED_QUEUE_ACK:
        on_queue_ack(store, link, body);
        break;
    case FEED_QUEUE_REC:
        on_queue_rec(store, link, body);
        break;
    case FEED_INBOUND_PUBLISH:
        on_inbound_publish(store, link, body);
        break;
    case FEED_INBOUND_RELEASE:
        on_inbound_release(store, link, body);
        break;
    default:
        metric_counter_add(store->counters.malformed, 1);
        break;
    }
}

static void
handle_core(struct store *store, struct store_link *link, uint8_t type, struct slice body)
{
    enum err err;
    if (type == FEED_PUBLISH) {
        on_routed_publish(store, body);
        return;
    }
    if (type == FEED_SHARED_OTHERS) {
        session_shared_others(store, body);
        return;
    }
    if (type == FEED_SHARED_PUBLISH) {
        on_routed_shared(store, link->core, body);
        return;
    }
    if (type == FEED_SHARED_ASK) {
        on_routed_ask(store, link->core, body);
        return;
    }
    err = core_client_record(store->cores, link->core, type, body);
    if (err != OK)
        metric_counter_add(store->counters.malformed, 1);
}

static void
handle(struct store *store, struct store_link *link, uint8_t type, struct slice body)
{
    if (link->kind == STORE_LINK_GATEWAY)
        handle_gateway(store, link, type, body);
    else if (link->kind == STORE_LINK_CORE)
        handle_core(store, link, type, body);
}

/* Everything before is durable: the frame is done. */
static void
frame_committed(void *arg, uint64_t a, uint64_t b, uint64_t c)
{
    struct store *store = arg;
    struct peer *peer = peers_by_id(store->peers, (uint32_t)a);
    (void)c;
    if (peer != NULL)
        peer_done(peer, b);
}

static void
handle_end(struct store *store, struct store_link *link, uint64_t seq)
{
    on_routed_end(store);
    commit_mark(store->commit, frame_committed, store, link->peer, seq, 0);
}

/* Whether it cannot be taken now. */
static bool
must_wait(struct store *store, const struct store_link *link, uint8_t type, struct slice body)
{
    if (!store_has_room(store))
        return true;
    if (link->kind != STORE_LINK_GATEWAY)
        return type == FEED_PUBLISH && retained_limit_waits(store, body);
    if (type == FEED_INBOUND_PUBLISH)
        return !outbox_has_room(store->outbox);
    return (type == FEED_QUEUE_ACK || type == FEED_QUEUE_REC) && on_queue_waits(store, body);
}

static bool
must_park(struct store *store, const struct store_link *link, uint8_t type, struct slice body)
{
    if (link->kind == STORE_LINK_CORE && type != FEED_PUBLISH && type != FEED_SHARED_PUBLISH &&
        type != FEED_SHARED_ASK)
        return false; /* answers make room; a question stays behind what it may be about */
    return buf_len(&link->parked) != 0 || must_wait(store, link, type, body);
}

static void
park(struct store *store, struct peer *peer, uint8_t type, uint64_t seq, struct slice body)
{
    struct store_link *link = link_of(peer);
    buf_put_u8(&link->parked, type);
    buf_put_u64(&link->parked, seq);
    buf_put_u32(&link->parked, (uint32_t)body.len);
    buf_append_slice(&link->parked, body);
    metric_counter_add(store->counters.parked, 1);
    store->parked = true;
    if (buf_error(&link->parked) != OK) {
        buf_reset(&link->parked);
        log_error("parked_too_much", LOG_STR("peer", peer_name(peer)), LOG_END);
        peer_drop(peer, ERR_BUSY);
    }
}

static void
unpark_link(struct store *store, struct store_link *link)
{
    while (buf_len(&link->parked) != 0) {
        struct cursor c = cursor_of(buf_slice(&link->parked));
        uint8_t type = cursor_u8(&c);
        uint64_t seq = cursor_u64(&c);
        struct slice body = cursor_bytes32(&c);
        if (must_wait(store, link, type, body)) {
            /* a frame may end up in two commits here: so do its token sets */
            on_routed_end(store);
            store->parked = true;
            return;
        }
        if (type == FRAME_END)
            handle_end(store, link, seq);
        else
            handle(store, link, type, body);
        buf_consume(&link->parked, 13 + body.len);
    }
}

void
store_link_unpark(struct store *store)
{
    struct store_link *link;
    store->parked = false;
    for (link = store->links; link != NULL; link = link->next)
        unpark_link(store, link);
}

/* ---- events */

static enum peer_keep
on_up(void *arg, struct peer *peer, const struct peer_info *info)
{
    struct store *store = arg;
    struct store_link *link = link_of(peer);
    enum store_link_kind kind = strcmp(info->service, "gateway") == 0 ? STORE_LINK_GATEWAY
                                : strcmp(info->service, "core") == 0  ? STORE_LINK_CORE
                                                                      : STORE_LINK_OTHER;
    struct slice nothing = slice_of(NULL, 0);
    log_info("peer_up", LOG_STR("service", info->service), LOG_STR("name", info->name),
             LOG_HEX("incarnation", info->incarnation), LOG_BOOL("lapsed", info->lapsed), LOG_END);
    if (link == NULL)
        link = link_new(store, peer, kind);
    buf_reset(&link->parked);
    buf_reset(&link->backlog);
    if (kind == STORE_LINK_CORE && info->dialed && link->kind == STORE_LINK_CORE) {
        core_link_up(store, link, peer_address(peer), info->state);
    } else if (kind == STORE_LINK_GATEWAY && link->kind == STORE_LINK_GATEWAY && info->has_feed) {
        link->owner.incarnation = info->incarnation;
        link->owner.up = true;
        access_rows_tell_all(store, &link->owner);
        send_to(peer, link, FEED_RESYNC_END, nothing);
    } else if (info->dialed && strcmp(info->service, "store") == 0) {
        neighbours_up(store, peer, info);
    }
    return PEER_DROP;
}

static void
on_down(void *arg, struct peer *peer, enum err why)
{
    struct store *store = arg;
    struct store_link *link = link_of(peer);
    log_warn("peer_down", LOG_STR("service", peer_service(peer)), LOG_STR("name", peer_name(peer)),
             LOG_ERR(why), LOG_END);
    if (link == NULL)
        return;
    buf_reset(&link->parked);
    buf_reset(&link->backlog);
    if (link->kind == STORE_LINK_GATEWAY)
        session_life_owner_lost(store, &link->owner);
    else if (link->kind == STORE_LINK_CORE && link->core != CORE_CLIENT_NO_CORE)
        core_client_down(store->cores, link->core);
    else
        neighbours_down(store, peer);
}

static void
on_record(void *arg, struct peer *peer, uint8_t type, struct slice body, uint64_t seq)
{
    struct store *store = arg;
    struct store_link *link = link_of(peer);
    if (link == NULL || type == FRAME_END)
        return;
    if (must_park(store, link, type, body))
        park(store, peer, type, seq, body);
    else
        handle(store, link, type, body);
}

static void
on_frame_end(void *arg, struct peer *peer, uint64_t seq)
{
    struct store *store = arg;
    struct store_link *link = link_of(peer);
    if (link == NULL)
        return;
    if (buf_len(&link->parked) != 0) {
        on_routed_end(store);
        park(store, peer, FRAME_END, seq, slice_of(NULL, 0));
    } else {
        handle_end(store, link, seq);
    }
}

static void
on_done(void *arg, struct peer *peer, uint64_t ticket)
{
    struct store *store = arg;
    struct store_link *link = link_of(peer);
    if (link != NULL && link->kind == STORE_LINK_CORE && link->core != CORE_CLIENT_NO_CORE)
        core_client_done(store->cores, link->core, ticket);
}

static void
on_room(void *arg, struct peer *peer)
{
    struct store *store = arg;
    struct store_link *link = link_of(peer);
    if (link == NULL)
        return;
    if (link->kind == STORE_LINK_CORE && link->core != CORE_CLIENT_NO_CORE) {
        core_client_room(store->cores, link->core);
    } else if (link->kind == STORE_LINK_GATEWAY) {
        flush_backlog(peer, link);
        session_push_room(store, &link->owner);
    }
}

static void
on_state(void *arg, struct peer *peer, uint32_t flags)
{
    struct store *store = arg;
    struct store_link *link = link_of(peer);
    if (link != NULL && link->kind == STORE_LINK_CORE && link->core != CORE_CLIENT_NO_CORE)
        core_client_state(store->cores, link->core, flags);
}

static void
on_call(void *arg, struct peer *peer, struct call_request request, uint16_t method,
        struct slice body)
{
    on_store_call(arg, peer, request, method, body);
}

static void
on_gone(void *arg, struct peer *peer)
{
    struct store *store = arg;
    struct store_link *link = link_of(peer);
    struct store_link **at;
    if (link == NULL)
        return;
    session_life_owner_lost(store, &link->owner);
    for (at = &store->links; *at != NULL; at = &(*at)->next) {
        if (*at == link) {
            *at = link->next;
            break;
        }
    }
    peer_set_user(peer, NULL);
    link_free(link);
}

const struct peers_events *
store_link_events(void)
{
    static const struct peers_events events = {
        .up = on_up,
        .down = on_down,
        .record = on_record,
        .frame_end = on_frame_end,
        .done = on_done,
        .room = on_room,
        .state = on_state,
        .call = on_call,
        .gone = on_gone,
    };
    return &events;
}

void
store_link_free_all(struct store *store)
{
    while (store->links != NULL) {
        struct store_link *link = store->links;
        store->links = link->next;
        link_free(link);
    }
}
