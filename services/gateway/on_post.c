/* SPDX-License-Identifier: Apache-2.0 */
/* What other threads say to a worker (post.h): which desk it goes to. */
#include "proto/shards.h"
#include "services/gateway/access_book.h"
#include "services/gateway/desk.h"

/* The body is a filter that somebody else wants, or no longer wants. */
static void
on_place(struct worker *worker, const struct post *post)
{
    const struct post_filter *filter = post->body;
    if (filter == NULL || post->flags > PLACE_REMOTE)
        return;
    uint64_t bit = UINT64_C(1) << post->flags;
    struct slice bytes = post_filter_slice(filter);
    if (post->kind == POST_PLACE_ADD) {
        struct route *route = client_routes_add(worker->routes, bytes);
        if (route != NULL)
            route->places |= bit;
        else
            worker->always_places |= bit;
    } else {
        struct route *route = client_routes_get(worker->routes, bytes);
        if (route != NULL) {
            route->places &= ~bit;
            client_routes_release(worker->routes, route);
        }
    }
    if (post->a > worker->place_version)
        worker->place_version = post->a;
}

static void
on_message(struct worker *worker, const struct post *post)
{
    if (post->body == NULL)
        return;
    struct publication publication;
    publication_of(post->body, &publication);
    if (post->b != 0)
        publication.publisher = post->b;
    deliver_publication(worker, &publication);
    if (post->c != 0 && publication.is_matched)
        worker->sample.delivery_begun_us = post->c;
}

static void
on_drain(struct worker *worker, const struct post *post)
{
    worker_unlisten(worker);
    worker->is_draining = true;
    worker->drain_end_ms = loop_now_ms(worker->loop) + post->aux;
}

/* The next ones in turn, so that the same clients are not sent around again and again. */
static void
on_shed(struct worker *worker, uint32_t n)
{
    for (uint32_t seen = 0; n > 0 && seen < worker->slot_count; seen++) {
        if (worker->shed_slot >= worker->slot_count)
            worker->shed_slot = 0;
        struct connection *connection = worker->slots[worker->shed_slot++].connection;
        if (connection == NULL || connection->state != CONNECTION_OPEN)
            continue;
        connection_fail(connection, MQTT_USE_ANOTHER_SERVER);
        n--;
    }
}

/* Posts about one connection that must still be there. Takes bodies. */
static void
on_connection(struct worker *worker, struct post *post)
{
    struct connection *connection = connection_get(worker, post->conn);
    if (connection == NULL) {
        post_body_free(post);
        return;
    }
    switch (post->kind) {
    case POST_SUBSCRIBED:
    case POST_UNSUBSCRIBED:
        desk_subscribed(connection, post->a, (enum err)post->aux, post->body);
        break;
    case POST_AUTHED:
        desk_authed(connection, post->a, post->body);
        break;
    case POST_RETAINED:
        desk_retained(connection, post->a, (enum err)post->aux, post->body);
        break;
    case POST_TOKEN_DONE:
        desk_token_done(connection, post->a, post->flags != 0);
        break;
    case POST_DELIVER:
        desk_deliver(connection, post->a, post->flags, post->body);
        break;
    case POST_QUEUE_RECORDED:
        desk_queue_recorded(connection, post->a);
        break;
    case POST_INBOUND_DONE:
        desk_inbound_done(connection, (uint16_t)post->aux, post->flags);
        break;
    default:
        desk_inbound_released(connection, (uint16_t)post->aux);
        break;
    }
}

void
worker_on_post(void *arg, void *item)
{
    struct worker *worker = arg;
    struct post post = *(struct post *)item;
    if (worker->is_stopping) {
        post_body_free(&post);
        return;
    }
    switch (post.kind) {
    case POST_MESSAGE:
        on_message(worker, &post);
        post_body_free(&post);
        break;
    case POST_SHARED:
        if (post.body != NULL)
            desk_shared(worker, post.aux, post.body);
        break;
    case POST_OPENED:
        desk_opened(worker, connection_get(worker, post.conn), &post);
        break;
    case POST_FILTER_READY:
        desk_filter_ready(worker, post.a, (enum err)post.aux);
        break;
    case POST_PLACE_ADD:
    case POST_PLACE_REMOVE:
        on_place(worker, &post);
        post_body_free(&post);
        break;
    case POST_DIGEST_VALID:
        worker->digest_valid = post.flags != 0;
        worker->digest_until_ms = post.a;
        worker_check_digest(worker);
        break;
    case POST_AUTHED:
    case POST_SUBSCRIBED:
    case POST_UNSUBSCRIBED:
    case POST_RETAINED:
    case POST_TOKEN_DONE:
    case POST_DELIVER:
    case POST_QUEUE_RECORDED:
    case POST_INBOUND_DONE:
    case POST_INBOUND_RELEASED:
        on_connection(worker, &post);
        break;
    case POST_SIGNED_IN:
        desk_signed_in(connection_get(worker, post.conn), &post);
        break;
    case POST_USER_CHANGED:
    case POST_USER_TERMS:
    case POST_ACCESS_RESET:
    case POST_ACCESS_END:
    case POST_ROLE:
    case POST_BAN:
        desk_access(worker, &post);
        post_body_free(&post);
        break;
    case POST_KICK:
        desk_kick(worker, &post);
        break;
    case POST_LAPSED:
        desk_lapsed(worker, post.aux, (uint32_t)post.a);
        break;
    case POST_HOLD:
        worker->hub_hold = post.flags != 0;
        break;
    case POST_HOLD_STORES:
        worker_hold_stores(worker, post.a);
        break;
    case POST_ANNOUNCE:
        desk_announce(worker, post.a);
        if (post.a ==
            SHARDS_PEOPLE) /* the store that keeps the people: we may have missed changes */
            access_book_doubt(worker->access);
        break;
    case POST_SHED:
        if (!worker->is_draining)
            on_shed(worker, post.aux);
        break;
    case POST_DRAIN:
        on_drain(worker, &post);
        break;
    case POST_ADMIN:
        if (post.body != NULL)
            desk_admin(worker, post.body);
        break;
    case POST_TRACE:
        desk_trace(worker, post.a, post.flags != 0, post.body);
        break;
    case POST_SWEEP:
        desk_sweep(worker, post.aux, post.flags != 0, post.body);
        break;
    case POST_STOP:
        worker->is_stopping = true;
        break;
    default:
        post_body_free(&post);
        break;
    }
}
