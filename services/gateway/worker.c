/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See worker.h. One turn: events and posts are handled, which marks connections dirty or dying and
 * fills post boxes; then every dirty connection gets one write, the dying are reaped, and the posts
 * of the turn leave with one lock for each receiver.
 */
#include "services/gateway/worker.h"

#include <assert.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/shards.h"
#include "services/gateway/access.h"
#include "services/gateway/access_book.h"
#include "services/gateway/admin_job.h"
#include "services/gateway/bans.h"
#include "services/gateway/connection_limits.h"
#include "services/gateway/desk.h"
#include "services/gateway/pressure.h"
#include "services/gateway/worker_state.h"
#include "services/gateway/worker_trace.h"

#define MAILBOX_CAP    65536u
#define TICK_MS        50u
#define WHEEL_SLOTS    4096u
#define REAPS_PER_TURN 64u
#define WAKE_SLOTS     256u
#define TOKEN_SLOTS    256u
#define RETRY_MS       1u
#define TICKET_MS      15000u /* the hub answers within 10 s; this is for the case that it does not */
#define HOLD_POSTS     2048u  /* posts that wait for a full mailbox: publishers are not read */
#define TLS_LOOK_MS    1000u  /* how often certificates are looked at */
#define STOP_POSTS     32768u /* nobody is read */
#define SCRATCH_CAP    (LIMITS_PACKET_DEFAULT + LIMITS_STRING)

static const struct drops_reason drop_reasons[DROP_REASON_COUNT] = {
#define DROP(name, event, label) [DROP_##name] = {event, label},
    DROP_REASONS(DROP)
#undef DROP
};

void
worker_options_init(struct worker_options *options)
{
    *options = (struct worker_options){.max_packet_size = LIMITS_PACKET_DEFAULT,
                                       .max_inflight = 1024,
                                       .max_queued = 50000,
                                       .max_queued_bytes = 8u << 20,
                                       .max_output = 8u << 20,
                                       .receive_maximum = 1024,
                                       .topic_alias_maximum = 16,
                                       .topic_alias_outbound = 32,
                                       .session_expiry_max_s = 0xFFFFFFFFu,
                                       .connect_timeout_ms = 10000,
                                       .max_filters = 4u << 20,
                                       .max_subscriptions = 1u << 20,
                                       .server_reference = "",
                                       .response_information = "",
                                       .anonymous_role = "",
                                       .retain_available = true};
}

void
worker_to_hub(struct worker *worker, const struct post *post)
{
    struct post copy = *post;
    copy.worker = worker->index;
    post_box_add(worker->to_hub, 0, &copy);
}

void
worker_check_digest(struct worker *worker)
{
    if (worker->digest_valid && worker->digest_until_ms != 0 &&
        clock_monotonic_ms() >= worker->digest_until_ms)
        worker->digest_valid = false;
}

uint64_t
worker_wall_ms(struct worker *worker)
{
    if (worker->wall_ms == 0)
        worker->wall_ms = clock_wall_ms();
    return worker->wall_ms;
}

void
worker_flush_dirty(struct worker *worker)
{
    worker->pool.taken = 0;
    while (worker->dirty != NULL) {
        struct connection *connection = worker->dirty;
        worker->dirty = connection->next_dirty;
        connection->flags &= (uint16_t)~CONNECTION_IS_DIRTY;
        connection_flush(connection);
    }
}

/* When thousands go at once the others are served in between. */
static void
reap(struct worker *worker)
{
    for (unsigned i = 0; worker->dying != NULL && (i < REAPS_PER_TURN || worker->is_stopping);
         i++) {
        struct connection *connection = worker->dying;
        worker->dying = connection->next_dying;
        if (worker->dying == NULL)
            worker->dying_end = &worker->dying;
        connection->next_dying = NULL;
        connection_reap(connection);
    }
    if (worker->dying != NULL)
        loop_again(worker->loop);
}

bool
worker_want_route(struct worker *worker, struct route *route, bool is_new,
                  const struct ticket_waiter *waiter)
{
    struct ticket *ticket = route->ticket;
    if (is_new && route->count == 1 && ticket == NULL) {
        ticket = mem_zalloc(sizeof(*ticket));
        ticket->id = ++worker->next_ticket;
        ticket->deadline_ms = loop_now_ms(worker->loop) + TICKET_MS;
        ticket->route = route;
        route->ticket = ticket;
        HASH_ADD(hh, worker->tickets, id, sizeof(ticket->id), ticket);
        worker_to_hub(worker, &(struct post){.kind = POST_FILTER_ADD,
                                             .a = ticket->id,
                                             .body = post_filter_new(route_filter(route))});
    }
    if (ticket == NULL)
        return true;
    if (waiter != NULL) {
        if (ticket->count == ticket->size) {
            ticket->size = ticket->size == 0 ? 2 : ticket->size * 2;
            ticket->waiters =
                mem_realloc_array(ticket->waiters, ticket->size, sizeof(*ticket->waiters));
        }
        ticket->waiters[ticket->count++] = *waiter;
    }
    return false;
}

void
worker_release_route(struct worker *worker, struct route *route)
{
    if (route->count > 0)
        return;
    if (route->ticket != NULL) {
        route->ticket->route = NULL;
        route->ticket = NULL;
    }
    worker_to_hub(worker, &(struct post){.kind = POST_FILTER_REMOVE,
                                         .body = post_filter_new(route_filter(route))});
    client_routes_release(worker->routes, route);
}

static void
expire_tickets(struct worker *worker)
{
    struct ticket *ticket, *next;
    uint64_t now = loop_now_ms(worker->loop);
    HASH_ITER(hh, worker->tickets, ticket, next)
    {
        if (ticket->deadline_ms <= now)
            desk_filter_ready(worker, ticket->id, ERR_TIMEOUT);
    }
}

static void
set_hold(struct worker *worker, uint8_t hold)
{
    uint8_t before = worker->hold;
    worker->hold = hold;
    if (hold == before || (hold == 1 && before == 0))
        return; /* publishers are paused when they next publish */
    for (uint32_t i = 0; i < worker->slot_count; i++) {
        struct connection *connection = worker->slots[i].connection;
        if (connection == NULL)
            continue;
        bool on = hold == 2 || (hold == 1 && (connection->flags & CONNECTION_IS_PUBLISHER));
        connection_pause(connection, PAUSE_HOLD, on);
    }
}

void
worker_hold_stores(struct worker *worker, uint64_t shards)
{
    uint64_t freed = worker->held_shards & ~shards;
    worker->held_shards = shards;
    /* publishers are paused when they next publish */
    for (uint32_t i = 0; freed != 0 && i < worker->slot_count; i++) {
        struct connection *connection = worker->slots[i].connection;
        if (connection != NULL && (connection->pause & PAUSE_STORE) != 0 &&
            (freed >> shards_of_number(connection->session_number) & 1) != 0)
            connection_pause(connection, PAUSE_STORE, false);
    }
}

static void
flush_posts(struct worker *worker)
{
    if (worker->place_version != 0) {
        worker_to_hub(worker, &(struct post){.kind = POST_PLACE_ACK, .a = worker->place_version});
        worker->place_version = 0;
    }
    bool sent = post_box_flush(worker->to_hub);
    sent = post_box_flush(worker->to_workers) && sent;
    if (!sent && !loop_timer_is_started(&worker->retry))
        loop_timer_start(&worker->retry, RETRY_MS, false);
    size_t waiting = post_box_count(worker->to_hub) + post_box_count(worker->to_workers);
    uint8_t hold = waiting > STOP_POSTS ? 2 : waiting > HOLD_POSTS ? 1 : worker->hub_hold;
    if (hold == 0 && worker->overload.is_full)
        hold = 1;
    if (waiting > 0 && worker->hold > hold)
        hold = worker->hold; /* go on only when all is through */
    if (hold != worker->hold)
        set_hold(worker, hold);
}

static void
on_turn(void *arg)
{
    struct worker *worker = arg;
    worker->handshake_steps = 0;
    worker->new_reads = 0;
    worker_flush_dirty(worker);
    if (worker->sample.delivery_begun_us != 0) {
        worker_counts_observe(worker->counts.delivery_us,
                              clock_monotonic_us() - worker->sample.delivery_begun_us);
        worker->sample.delivery_begun_us = 0;
    }
    reap(worker);
    if (worker->is_stopping) {
        for (uint32_t i = 0; i < worker->slot_count; i++) {
            struct connection *connection = worker->slots[i].connection;
            if (connection == NULL)
                continue;
            desk_drop_subscriptions(connection);
            connection_free(connection);
        }
        loop_stop(worker->loop);
    } else {
        pressure_turn(worker);
        flush_posts(worker); /* at the end nobody is left to care */
    }
    worker->wall_ms = 0;
    atomic_store_explicit(&worker->connection_count, worker->open_count, memory_order_relaxed);
}

static void
on_retry(void *arg)
{
    (void)arg; /* the turn that this begins tries again */
}

static void
on_wheel(void *arg, struct wheel_node *node)
{
    (void)arg;
    connection_on_timer(WHEEL_OWNER(node, struct connection, timer));
}

static void
on_wake(void *arg, struct wheel_node *node)
{
    (void)arg;
    connection_limits_wake(WHEEL_OWNER(node, struct connection_limits, wake));
}

static void
drain_some(struct worker *worker)
{
    uint64_t now = loop_now_ms(worker->loop);
    uint64_t left_ms = worker->drain_end_ms > now ? worker->drain_end_ms - now : 0;
    uint64_t turns = left_ms / TICK_MS + 1;
    uint64_t n = (worker->open_count + turns - 1) / turns;
    bool elsewhere = worker->options.server_reference[0] != '\0';
    while (n > 0 && worker->drain_slot < worker->slot_count) {
        struct connection *connection = worker->slots[worker->drain_slot++].connection;
        if (connection == NULL || connection->state >= CONNECTION_DYING)
            continue;
        connection_fail(connection,
                        elsewhere ? MQTT_USE_ANOTHER_SERVER : MQTT_SERVER_SHUTTING_DOWN);
        n--;
    }
    if (worker->drain_slot >= worker->slot_count)
        worker->drain_slot = 0;
    if (worker->open_count == 0 && !worker->drained) {
        worker->drained = true;
        worker_to_hub(worker, &(struct post){.kind = POST_DRAINED});
    }
}

static void
on_tick(void *arg)
{
    struct worker *worker = arg;
    wheel_advance(&worker->wheel, loop_now_ms(worker->loop), on_wheel, worker);
    wheel_advance(&worker->wake_wheel, loop_now_ms(worker->loop), on_wake, worker);
    drops_tick(worker->drops, loop_now_ms(worker->loop));
    pressure_tick(worker);
    access_tick(worker);
    if (worker->tickets != NULL)
        expire_tickets(worker);
    if (worker->is_draining)
        drain_some(worker);
    if (worker->traces != NULL)
        worker_trace_tick(worker);
    if (worker->sweep.is_on)
        desk_sweep_tick(worker, TICK_MS);
    worker_counts_publish(&worker->counts);
    if (worker->counts.connections != NULL) {
        metric_gauge_set(worker->counts.connections, worker->open_count);
        metric_gauge_set(worker->counts.clients, worker->client_count);
        metric_gauge_set(worker->counts.clean_subscriptions,
                         (int64_t)(client_routes_subscription_count(worker->routes) -
                                   worker->persistent_subscriptions));
        metric_gauge_set(worker->counts.subscriptions,
                         (int64_t)client_routes_subscription_count(worker->routes));
        metric_gauge_set(worker->counts.output_chunks, (int64_t)worker->pool.in_use);
    }
}

/* All workers do it; the first one says so. */
static void
on_tls_refresh(void *arg)
{
    struct worker *worker = arg;
    char reason[TLS_REASON_SIZE];
    enum tls_refresh result = tls_refresh(worker->tls, reason);
    if (worker->counts.tls_expires != NULL)
        metric_gauge_set(worker->counts.tls_expires, tls_expires_s(worker->tls));
    if (worker->index != 0 || result == TLS_UNCHANGED)
        return;
    if (result == TLS_RENEWED)
        log_info("certificates_renewed", LOG_I64("expires", tls_expires_s(worker->tls)), LOG_END);
    else
        log_error("certificates_not_renewed", LOG_STR("reason", (const char *)reason),
                  LOG_STR("kept", "the former ones"), LOG_END);
}

struct worker *
worker_new(uint8_t index, const struct worker_options *options, struct metrics *metrics)
{
    assert(index < WORKERS_MAX);
    struct worker *worker = mem_zalloc(sizeof(*worker));
    worker->index = index;
    worker->options = *options;
    if (worker->options.max_inflight < 1 || worker->options.max_inflight > 65000)
        worker->options.max_inflight = 65000;
    if (worker->options.receive_maximum < 1 || worker->options.receive_maximum > 65535)
        worker->options.receive_maximum = 65535;
    worker->loop = loop_new();
    worker->mailbox =
        mailbox_new(worker->loop, sizeof(struct post), MAILBOX_CAP, worker_on_post, worker);
    worker->to_hub = post_box_new(1, post_body_free);
    worker->to_workers = post_box_new(WORKERS_MAX, post_body_free);
    worker->routes = client_routes_new(options->max_filters);
    worker->deliver = deliver_new();
    worker->dying_end = &worker->dying;
    worker->read_buffer = mem_alloc(WORKER_READ_SIZE);
    buf_init(&worker->scratch, SCRATCH_CAP);
    buf_init(&worker->properties, SCRATCH_CAP);
    worker_counts_init(&worker->counts, metrics, index);
    wheel_init(&worker->wheel, TICK_MS, WHEEL_SLOTS, clock_monotonic_ms());
    wheel_init(&worker->wake_wheel, TICK_MS, WAKE_SLOTS, clock_monotonic_ms());
    worker->drops = drops_new(drop_reasons, DROP_REASON_COUNT, drops_log, NULL);
    worker->access = access_open(worker);
    worker->bans = bans_new();
    wheel_init(&worker->token_wheel, TICK_MS, TOKEN_SLOTS, clock_monotonic_ms());
    loop_on_turn(worker->loop, on_turn, worker);
    loop_timer_init(&worker->tick, worker->loop, on_tick, worker);
    loop_timer_init(&worker->retry, worker->loop, on_retry, worker);
    loop_timer_init(&worker->tls_refresh, worker->loop, on_tls_refresh, worker);
    pressure_init(worker);
    loop_timer_start(&worker->tick, TICK_MS, true);
    return worker;
}

void
worker_free(struct worker *worker)
{
    if (worker == NULL)
        return;
    worker->is_stopping = true;
    mailbox_drain(worker->mailbox);
    worker_unlisten(worker);
    admin_job_free(worker->sweep.job);
    worker_trace_free(worker);
    for (uint32_t i = 0; i < worker->slot_count; i++) {
        struct connection *connection = worker->slots[i].connection;
        if (connection != NULL) {
            desk_drop_subscriptions(connection);
            connection_free(connection);
        }
    }
    struct ticket *ticket, *next;
    HASH_ITER(hh, worker->tickets, ticket, next)
    {
        HASH_DEL(worker->tickets, ticket);
        mem_free(ticket->waiters);
        mem_free(ticket);
    }
    loop_timer_fini(&worker->tick);
    loop_timer_fini(&worker->retry);
    loop_timer_fini(&worker->tls_refresh);
    mailbox_free(worker->mailbox);
    post_box_free(worker->to_hub);
    post_box_free(worker->to_workers);
    client_routes_free(worker->routes);
    deliver_free(worker->deliver);
    output_pool_fini(&worker->pool);
    wheel_fini(&worker->wheel);
    wheel_fini(&worker->wake_wheel);
    drops_free(worker->drops);
    access_book_free(worker->access);
    bans_free(worker->bans);
    tokens_free(worker->tokens);
    wheel_fini(&worker->token_wheel);
    buf_fini(&worker->scratch);
    buf_fini(&worker->properties);
    mem_free(worker->slots);
    mem_free(worker->read_buffer);
    mem_free(worker->wire_buffer);
    tls_free(worker->tls);
    loop_on_turn_remove(worker->loop, on_turn, worker);
    loop_free(worker->loop);
    mem_free(worker);
}

enum err
worker_use_tls(struct worker *worker, const struct tls_settings *settings, uint32_t handshakes,
               char reason[TLS_REASON_SIZE])
{
    enum err err = tls_new(settings, &worker->tls, reason);
    if (err != OK)
        return err;
    if (worker->counts.tls_expires != NULL)
        metric_gauge_set(worker->counts.tls_expires, tls_expires_s(worker->tls));
    pace_init(&worker->handshakes, handshakes);
    loop_timer_start(&worker->tls_refresh, TLS_LOOK_MS, true);
    return OK;
}

enum err
worker_use_tokens(struct worker *worker, const struct tokens_settings *settings,
                  char reason[TOKENS_REASON_SIZE])
{
    return tokens_new(settings, &worker->tokens, reason);
}

enum err
worker_listen(struct worker *worker, enum listener_kind kind, const char *bind, uint16_t port,
              uint16_t *bound)
{
    struct listener *listener;
    if (worker->listener_count == LISTENER_KINDS)
        return ERR_BUSY;
    enum err err = listener_open(worker, kind, bind, port, &listener);
    if (err != OK)
        return err;
    worker->listeners[worker->listener_count++] = listener;
    *bound = listener_port(listener);
    return OK;
}

enum err
worker_listen_on(struct worker *worker, enum listener_kind kind, int fd)
{
    if (worker->listener_count == LISTENER_KINDS)
        return ERR_BUSY;
    worker->listeners[worker->listener_count++] = listener_adopt(worker, kind, fd);
    return OK;
}

void
worker_unlisten(struct worker *worker)
{
    while (worker->listener_count > 0)
        listener_close(worker->listeners[--worker->listener_count]);
}

void
worker_connect_to(struct worker *worker, struct mailbox *hub, struct mailbox *const *workers,
                  uint8_t count)
{
    assert(count <= WORKERS_MAX);
    worker->count = count;
    post_box_set(worker->to_hub, 0, hub);
    for (unsigned i = 0; i < count; i++)
        post_box_set(worker->to_workers, i, workers[i]);
}

struct mailbox *
worker_mailbox(struct worker *worker)
{
    return worker->mailbox;
}

static void *
run(void *arg)
{
    struct worker *worker = arg;
    loop_run(worker->loop);
    return NULL;
}

enum err
worker_start(struct worker *worker)
{
    if (pthread_create(&worker->thread, NULL, run, worker) != 0)
        return ERR_IO;
    worker->is_started = true;
    return OK;
}

void
worker_join(struct worker *worker)
{
    if (!worker->is_started)
        return;
    pthread_join(worker->thread, NULL);
    worker->is_started = false;
}

bool
worker_is_overloaded(const struct worker *worker)
{
    return atomic_load_explicit(&worker->is_overloaded, memory_order_relaxed);
}

uint32_t
worker_connection_count(const struct worker *worker)
{
    return atomic_load_explicit(&worker->connection_count, memory_order_relaxed);
}
