/* SPDX-License-Identifier: Apache-2.0 */
/* What other threads say to a worker (post.h): which desk it goes to, by a table. */
#include "proto/shards.h"
#include "services/gateway/access_book.h"
#include "services/gateway/desk.h"

/* The body is a filter that somebody else wants, or no longer wants. */
static void
on_place(struct worker *worker, struct post *post)
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
on_message(struct worker *worker, struct post *post)
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
on_drain(struct worker *worker, struct post *post)
{
    worker_unlisten(worker);
    worker->is_draining = true;
    worker->drain_end_ms = loop_now_ms(worker->loop) + post->aux;
}

/* The next ones in turn, so that the same clients are not sent around again and again. */
static void
on_shed(struct worker *worker, struct post *post)
{
    uint32_t n = worker->is_draining ? 0 : post->aux;
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

/* ---- posts to the worker. Who takes the body sets it to NULL; else it is freed behind the desk.
 */

static void *
take_body(struct post *post)
{
    void *body = post->body;
    post->body = NULL;
    return body;
}

static void
on_shared(struct worker *worker, struct post *post)
{
    struct handout *handout = take_body(post);
    if (handout != NULL)
        desk_shared(worker, post->aux, handout);
}

static void
on_opened(struct worker *worker, struct post *post)
{
    desk_opened(worker, connection_get(worker, post->conn), post);
    post->body = NULL; /* freed there */
}

static void
on_filter_ready(struct worker *worker, struct post *post)
{
    desk_filter_ready(worker, post->a, (enum err)post->aux);
}

static void
on_digest_valid(struct worker *worker, struct post *post)
{
    worker->digest_valid = post->flags != 0;
    worker->digest_until_ms = post->a;
    worker_check_digest(worker);
}

static void
on_access(struct worker *worker, struct post *post)
{
    desk_access(worker, post);
}

static void
on_kick(struct worker *worker, struct post *post)
{
    desk_kick(worker, post);
}

static void
on_lapsed(struct worker *worker, struct post *post)
{
    desk_lapsed(worker, post->aux, (uint32_t)post->a);
}

static void
on_hold(struct worker *worker, struct post *post)
{
    worker->hub_hold = post->flags != 0;
}

static void
on_hold_stores(struct worker *worker, struct post *post)
{
    worker_hold_stores(worker, post->a);
}

static void
on_announce(struct worker *worker, struct post *post)
{
    desk_announce(worker, post->a);
    if (post->a == SHARDS_PEOPLE) /* the store that keeps the people: we may have missed changes */
        access_book_doubt(worker->access);
}

static void
on_admin(struct worker *worker, struct post *post)
{
    struct admin_job *job = take_body(post);
    if (job != NULL)
        desk_admin(worker, job);
}

static void
on_trace(struct worker *worker, struct post *post)
{
    desk_trace(worker, post->a, post->flags != 0, take_body(post));
}

static void
on_sweep(struct worker *worker, struct post *post)
{
    desk_sweep(worker, post->aux, post->flags != 0, take_body(post));
}

static void
on_stop(struct worker *worker, struct post *post)
{
    (void)post;
    worker->is_stopping = true;
}

/* ---- posts about one connection that must still be there */

static void
on_subscribed(struct connection *connection, struct post *post)
{
    desk_subscribed(connection, post->a, (enum err)post->aux, take_body(post));
}

static void
on_signed_in(struct connection *connection, struct post *post)
{
    if (post->body != NULL)
        desk_signed_in(connection, post->body, post->flags != 0);
}

static void
on_authed(struct connection *connection, struct post *post)
{
    desk_authed(connection, post->a, take_body(post));
}

static void
on_retained(struct connection *connection, struct post *post)
{
    desk_retained(connection, post->a, (enum err)post->aux, take_body(post));
}

static void
on_token_done(struct connection *connection, struct post *post)
{
    desk_token_done(connection, post->a, post->flags != 0);
}

static void
on_deliver(struct connection *connection, struct post *post)
{
    desk_deliver(connection, post->a, post->flags, take_body(post));
}

static void
on_queue_recorded(struct connection *connection, struct post *post)
{
    desk_queue_recorded(connection, post->a);
}

static void
on_inbound_done(struct connection *connection, struct post *post)
{
    desk_inbound_done(connection, (uint16_t)post->aux, post->flags);
}

static void
on_inbound_released(struct connection *connection, struct post *post)
{
    desk_inbound_released(connection, (uint16_t)post->aux);
}

/* ---- */

static const struct {
    void (*worker)(struct worker *worker, struct post *post);
    void (*connection)(struct connection *connection, struct post *post);
} desks[] = {
    [POST_OPENED] = {.worker = on_opened},
    [POST_FILTER_READY] = {.worker = on_filter_ready},
    [POST_PLACE_ADD] = {.worker = on_place},
    [POST_PLACE_REMOVE] = {.worker = on_place},
    [POST_DIGEST_VALID] = {.worker = on_digest_valid},
    [POST_SUBSCRIBED] = {.connection = on_subscribed},
    [POST_UNSUBSCRIBED] = {.connection = on_subscribed},
    [POST_RETAINED] = {.connection = on_retained},
    [POST_TOKEN_DONE] = {.connection = on_token_done},
    [POST_DELIVER] = {.connection = on_deliver},
    [POST_QUEUE_RECORDED] = {.connection = on_queue_recorded},
    [POST_INBOUND_DONE] = {.connection = on_inbound_done},
    [POST_INBOUND_RELEASED] = {.connection = on_inbound_released},
    [POST_KICK] = {.worker = on_kick},
    [POST_LAPSED] = {.worker = on_lapsed},
    [POST_USER_CHANGED] = {.worker = on_access},
    [POST_HOLD] = {.worker = on_hold},
    [POST_HOLD_STORES] = {.worker = on_hold_stores},
    [POST_ANNOUNCE] = {.worker = on_announce},
    [POST_DRAIN] = {.worker = on_drain},
    [POST_SHED] = {.worker = on_shed},
    [POST_AUTHED] = {.connection = on_authed},
    [POST_STOP] = {.worker = on_stop},
    [POST_MESSAGE] = {.worker = on_message},
    [POST_SHARED] = {.worker = on_shared},
    [POST_SIGNED_IN] = {.connection = on_signed_in},
    [POST_USER_TERMS] = {.worker = on_access},
    [POST_ACCESS_RESET] = {.worker = on_access},
    [POST_ACCESS_END] = {.worker = on_access},
    [POST_ROLE] = {.worker = on_access},
    [POST_BAN] = {.worker = on_access},
    [POST_ADMIN] = {.worker = on_admin},
    [POST_SWEEP] = {.worker = on_sweep},
    [POST_TRACE] = {.worker = on_trace},
};

void
worker_on_post(void *arg, void *item)
{
    struct worker *worker = arg;
    struct post post = *(struct post *)item;
    if (post.kind < sizeof(desks) / sizeof(desks[0]) && !worker->is_stopping) {
        struct connection *connection =
            desks[post.kind].connection != NULL ? connection_get(worker, post.conn) : NULL;
        if (connection != NULL)
            desks[post.kind].connection(connection, &post);
        else if (desks[post.kind].worker != NULL)
            desks[post.kind].worker(worker, &post);
    }
    post_body_free(&post);
}
