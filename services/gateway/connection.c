/* SPDX-License-Identifier: Apache-2.0 */
/* See connection.h: life and output. Input is in connection_input.c. */
#include "services/gateway/connection.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/feed_records.h"
#include "proto/mqtt_encode.h"
#include "proto/mqtt_properties.h"
#include "proto/mqtt_reason.h"
#include "services/gateway/access.h"
#include "services/gateway/alias_out.h"
#include "services/gateway/auth.h"
#include "services/gateway/connection_input.h"
#include "services/gateway/connection_limits.h"
#include "services/gateway/desk.h"
#include "services/gateway/identity.h"
#include "services/gateway/worker_state.h"
#include "services/gateway/worker_trace.h"

#define IOV_MAX_PIECES 64
#define OPENING_MS     8000u /* the hub answers within 5 s; this is for the case that it does not */
#define LINGER_MS      1000u

static void on_event(evutil_socket_t fd, short what, void *arg);

static void
update_events(struct connection *connection)
{
    unsigned wanted = connection->transport_wants;
    if (connection->pause == 0 || connection->state == CONNECTION_LINGER)
        wanted |= EV_READ;
    if (connection->flags & CONNECTION_IS_BLOCKED)
        wanted |= EV_WRITE;
    if (wanted == connection->wanted)
        return;
    if (connection->wanted != 0)
        event_del(&connection->event);
    connection->wanted = (uint8_t)wanted;
    event_assign(&connection->event, loop_event_base(connection->worker->loop), connection->fd,
                 (short)(wanted | EV_PERSIST), on_event, connection);
    if (wanted != 0)
        event_add(&connection->event, NULL);
    /* What a transport has read ahead makes no descriptor readable. */
    if ((wanted & EV_READ) && connection->transport->has_input != NULL &&
        connection->transport->has_input(connection))
        event_active(&connection->event, EV_READ, 0);
}

static uint32_t
take_slot(struct worker *worker)
{
    if (worker->free_slot != 0) {
        uint32_t slot = worker->free_slot - 1;
        worker->free_slot = worker->slots[slot].next_free;
        return slot;
    }
    if (worker->slot_count == worker->slot_size) {
        worker->slot_size = worker->slot_size == 0 ? 256 : worker->slot_size * 2;
        worker->slots = mem_realloc_array(worker->slots, worker->slot_size, sizeof(*worker->slots));
    }
    worker->slots[worker->slot_count] = (struct worker_slot){.generation = 1};
    return worker->slot_count++;
}

struct connection *
connection_open(struct worker *worker, int fd, enum listener_kind listener,
                const struct address *address)
{
    struct connection_entry entry;
    if (!connection_limits_enter(worker, listener, address, &entry))
        return NULL;
    struct connection *connection = mem_zalloc(sizeof(*connection));
    uint32_t slot = take_slot(worker);
    worker->slots[slot].connection = connection;
    connection->worker = worker;
    connection->handle =
        (uint64_t)worker->index << 56 | (uint64_t)worker->slots[slot].generation << 32 | slot;
    connection->fd = fd;
    connection->listener = (uint8_t)listener;
    connection->address = *address;
    connection->transport =
        worker->options.listeners[listener].proxy ? &transport_proxy : listener_transport(listener);
    connection->version = MQTT_3_1_1;
    connection->active_ms = loop_now_ms(worker->loop);
    worker->open_count++;
    worker->counts.accepted[listener]++;
    if (worker->hold > 1)
        connection->pause |= PAUSE_HOLD;
    connection_limits_open(connection, &entry);
    connection_arm(connection);
    update_events(connection);
    return connection;
}

struct connection *
connection_get(struct worker *worker, uint64_t handle)
{
    uint32_t slot = (uint32_t)handle;
    if (handle >> 56 != worker->index || slot >= worker->slot_count)
        return NULL;
    struct connection *connection = worker->slots[slot].connection;
    if (connection == NULL || connection->handle != handle)
        return NULL;
    return connection->state == CONNECTION_OPENING || connection->state == CONNECTION_OPEN
               ? connection
               : NULL;
}

void
connection_dirty_slow(struct connection *connection)
{
    connection->flags |= CONNECTION_IS_DIRTY;
    connection->next_dirty = connection->worker->dirty;
    connection->worker->dirty = connection;
}

void
connection_send(struct connection *connection, struct slice bytes)
{
    output_append(&connection->output, &connection->worker->pool, bytes);
    connection->worker->counts.packets_out++;
    connection_dirty(connection);
}

void
connection_send_ack(struct connection *connection, enum mqtt_type type, uint16_t packet_id,
                    uint8_t reason)
{
    uint8_t *to =
        output_reserve(&connection->output, &connection->worker->pool, MQTT_ENCODE_ACK_SHORT);
    output_commit(&connection->output, mqtt_encode_ack_short(connection->version, type, packet_id,
                                                             (enum mqtt_reason)reason, to));
    connection->worker->counts.packets_out++;
    connection_dirty(connection);
}

struct session *
connection_session(struct connection *connection)
{
    if (connection->session == NULL) {
        const struct worker_options *options = &connection->worker->options;
        connection->session = session_new(connection->receive_maximum, options->max_queued,
                                          options->max_queued_bytes);
    }
    return connection->session;
}

static void
after_flush(struct connection *connection)
{
    size_t max = connection->worker->options.max_output;
    if (connection->output.len > max / 2)
        connection->pause |= PAUSE_OUTPUT;
    else if (connection->output.len < max / 4)
        connection->pause &= (uint8_t)~PAUSE_OUTPUT;
    update_events(connection);
}

void
connection_flush(struct connection *connection)
{
    struct iovec iov[IOV_MAX_PIECES];
    bool was_waiting = (connection->session != NULL && connection->session->queue_count > 0) ||
                       connection->retained != NULL;
    if (connection->flags & CONNECTION_IS_BLOCKED) {
        after_flush(connection); /* acknowledgements may have piled up meanwhile */
        return;
    }
    while (connection->output.len > 0) {
        int pieces = output_iov(&connection->output, iov, IOV_MAX_PIECES);
        size_t total = 0;
        for (int i = 0; i < pieces; i++)
            total += iov[i].iov_len;
        ssize_t n = connection->transport->writev(connection, iov, pieces);
        if (n == TRANSPORT_CLOSED) {
            output_clear(&connection->output, &connection->worker->pool);
            connection->flags &= (uint16_t)~CONNECTION_SAID_WHY;
            connection_close(connection);
            return;
        }
        if (n > 0) {
            connection->worker->counts.bytes_out += (uint64_t)n;
            output_consume(&connection->output, &connection->worker->pool, (size_t)n);
        }
        if (n < 0 || (size_t)n < total) {
            connection->flags |= CONNECTION_IS_BLOCKED;
            break;
        }
    }
    after_flush(connection);
    if (was_waiting && connection->output.len == 0 && connection->state == CONNECTION_OPEN) {
        deliver_waiting(connection);
        desk_retained_continue(connection);
    }
}

void
connection_close(struct connection *connection)
{
    if (connection->state >= CONNECTION_DYING)
        return;
    connection->state = CONNECTION_DYING;
    *connection->worker->dying_end = connection;
    connection->worker->dying_end = &connection->next_dying;
    if (connection->wanted != 0) { /* it may not be its turn to be reaped at once */
        event_del(&connection->event);
        connection->wanted = 0;
    }
    loop_again(connection->worker->loop);
}

void
connection_fail(struct connection *connection, enum mqtt_reason reason)
{
    struct worker *worker = connection->worker;
    if (connection->state >= CONNECTION_DYING)
        return;
    if (connection->state != CONNECTION_NEW)
        worker->counts.failed++;
    log_debug("client_failed", LOG_HEX("conn", connection->handle),
              LOG_STR("reason", mqtt_reason_name(reason)), LOG_END);
    if (connection->state == CONNECTION_OPEN && connection->version == MQTT_5_0) {
        struct mqtt_properties properties;
        mqtt_properties_init(&properties);
        if (!(connection->flags & CONNECTION_NO_PROBLEM)) {
            mqtt_properties_set(&properties, MQTT_PROPERTY_REASON_STRING);
            properties.reason_string = slice_cstr(mqtt_reason_name(reason));
        }
        if (reason == MQTT_USE_ANOTHER_SERVER && worker->options.server_reference[0] != '\0') {
            mqtt_properties_set(&properties, MQTT_PROPERTY_SERVER_REFERENCE);
            properties.server_reference = slice_cstr(worker->options.server_reference);
        }
        buf_reset(&worker->scratch);
        if (mqtt_encode_disconnect(MQTT_5_0, reason, &properties, connection->max_packet,
                                   &worker->scratch) > 0)
            connection_send(connection, buf_slice(&worker->scratch));
        connection->flags |= CONNECTION_SAID_WHY;
    }
    connection_close(connection);
}

/* All that an open session holds goes; the store hears of it. */
static void
end_session(struct connection *connection)
{
    struct worker *worker = connection->worker;
    desk_drop_subscriptions(connection);
    /* Also of one that was overtaken: the store keeps its will until it hears whether it is due. */
    if (connection->session_number != 0) {
        bool has_will = !(connection->flags & CONNECTION_ENDED) && access_may_will(connection);
        uint8_t flags = has_will ? CLOSE_WILL : 0;
        if (connection->flags & CONNECTION_HAS_EXPIRY)
            flags |= CLOSE_HAS_EXPIRY;
        struct post post = {.kind = POST_CLOSE,
                            .conn = connection->handle,
                            .a = connection->session_number,
                            .b = connection->epoch,
                            .flags = flags,
                            .aux = connection->expiry_s};
        /* A store that restarts before it hears of this has no will of a clean session any more. */
        if ((flags & CLOSE_WILL) && connection->identity->will != NULL &&
            !(connection->flags & CONNECTION_IS_PERSISTENT))
            post.body = desk_announcement(connection);
        worker_to_hub(worker, &post);
    }
    if (connection->session_number != 0)
        worker->client_count--;
    connection->session_number = 0;
    if (connection->session != NULL)
        desk_shared_end(connection);
    session_free(connection->session);
    connection->session = NULL;
    retained_fetch_free_all(connection, connection->retained);
    connection->retained = NULL;
    session_opened_free(connection->opened);
    connection->opened = NULL;
    access_leave(connection);
    identity_free(connection->identity);
    connection->identity = NULL;
    alias_out_free(connection->aliases);
    connection->aliases = NULL;
    auth_free(connection->auth);
    connection->auth = NULL;
    mem_free(connection->input);
    connection->input = NULL;
}

void
connection_reap(struct connection *connection)
{
    struct worker *worker = connection->worker;
    if (connection->flags & CONNECTION_SAID_WHY)
        connection_flush(connection);
    TRACE(connection, "closed", slice_of(NULL, 0),
          connection->flags & CONNECTION_ENDED      ? "the client said goodbye"
          : connection->flags & CONNECTION_KICKED   ? "the session was taken from it"
          : connection->flags & CONNECTION_SAID_WHY ? "ended from here"
                                                    : "the connection broke");
    end_session(connection);
    worker->counts.closed++;
    if (!(connection->flags & CONNECTION_SAID_WHY) || worker->is_stopping) {
        connection_free(connection);
        return;
    }
    connection->state = CONNECTION_LINGER;
    if (connection->output.len == 0)
        connection->transport->shutdown(connection);
    connection_arm(connection);
    update_events(connection);
}

void
connection_free(struct connection *connection)
{
    struct worker *worker = connection->worker;
    if (connection->flags & CONNECTION_IS_DIRTY) {
        struct connection **at = &worker->dirty;
        while (*at != connection)
            at = &(*at)->next_dirty;
        *at = connection->next_dirty;
    }
    if (connection->wanted != 0)
        event_del(&connection->event);
    wheel_cancel(&worker->wheel, &connection->timer);
    connection_limits_close(connection);
    session_free(connection->session);
    retained_fetch_free_all(connection, connection->retained);
    session_opened_free(connection->opened);
    access_leave(connection);
    identity_free(connection->identity);
    alias_out_free(connection->aliases);
    auth_free(connection->auth);
    mem_free(connection->input);
    mem_free(connection->proxy_user);
    output_clear(&connection->output, &worker->pool);
    if (connection->transport->fini != NULL)
        connection->transport->fini(connection);
    close(connection->fd);
    uint32_t slot = (uint32_t)connection->handle;
    worker->slots[slot].connection = NULL;
    worker->slots[slot].generation = worker->slots[slot].generation % 0xFFFFFF + 1;
    worker->slots[slot].next_free = worker->free_slot;
    worker->free_slot = slot + 1;
    worker->open_count--;
    mem_free(connection);
}

void
connection_transport_wants(struct connection *connection, bool writable)
{
    connection->transport_wants = writable ? EV_WRITE : 0;
    update_events(connection);
}

void
connection_pause(struct connection *connection, uint8_t reasons, bool on)
{
    if (on)
        connection->pause |= reasons;
    else
        connection->pause &= (uint8_t)~reasons;
    if (connection->state < CONNECTION_DYING)
        update_events(connection);
}

void
connection_arm(struct connection *connection)
{
    struct worker *worker = connection->worker;
    uint64_t now = loop_now_ms(worker->loop);
    uint64_t deadline;
    switch (connection->state) {
    case CONNECTION_NEW:
        deadline = connection->active_ms + worker->options.connect_timeout_ms;
        break;
    case CONNECTION_OPENING:
        deadline = now + OPENING_MS;
        break;
    case CONNECTION_OPEN:
        if (connection->keep_alive_s == 0) {
            wheel_cancel(&worker->wheel, &connection->timer);
            return;
        }
        deadline = connection->active_ms + connection->keep_alive_s * UINT64_C(1500);
        break;
    default:
        deadline = now + LINGER_MS;
        break;
    }
    wheel_arm(&worker->wheel, &connection->timer, deadline);
}

void
connection_on_timer(struct connection *connection)
{
    struct worker *worker = connection->worker;
    switch (connection->state) {
    case CONNECTION_NEW:
        worker->counts.connect_timed_out++;
        connection_close(connection);
        break;
    case CONNECTION_OPENING:
        connection->flags |= CONNECTION_ENDED; /* never was connected: no will */
        desk_refuse(connection, MQTT_SERVER_UNAVAILABLE,
                    slice_cstr(connection->opened == NULL
                                   ? "the store did not answer in time"
                                   : "the subscriptions could not be restored in time"));
        break;
    case CONNECTION_OPEN:
        /* A client that we do not read cannot show that it lives. [MQTT-3.1.2-22] */
        if (connection->pause & (PAUSE_HOLD | PAUSE_SUBACK | PAUSE_RATE | PAUSE_STORE))
            connection->active_ms = loop_now_ms(worker->loop);
        if (connection->active_ms + connection->keep_alive_s * UINT64_C(1500) >
            loop_now_ms(worker->loop)) {
            connection_arm(connection);
            break;
        }
        worker->counts.timed_out++;
        connection_fail(connection, MQTT_KEEP_ALIVE_TIMEOUT);
        break;
    case CONNECTION_LINGER:
        connection_free(connection);
        break;
    default:
        break;
    }
}

bool
connection_user(const struct connection *connection, char *name, struct slice *out)
{
    if (connection->proxy_user != NULL) {
        *out = slice_cstr(connection->proxy_user);
        return true;
    }
    return connection->transport->user != NULL &&
           connection->transport->user(connection, name, out);
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
    struct connection *connection = arg;
    (void)fd;
    if ((what & EV_WRITE) && connection->transport_wants != 0) {
        if (connection->transport->on_writable(connection) == TRANSPORT_CLOSED) {
            if (connection->state == CONNECTION_LINGER)
                connection_free(connection);
            else
                connection_close(connection);
            return;
        }
        if (connection->pause == 0)
            what |= EV_READ; /* a handshake that had to wait may go on */
    }
    if (what & EV_WRITE) {
        connection->flags &= (uint16_t)~CONNECTION_IS_BLOCKED;
        connection->active_ms = connection->pause & PAUSE_OUTPUT
                                    ? loop_now_ms(connection->worker->loop)
                                    : connection->active_ms;
        connection_flush(connection);
        if (connection->state == CONNECTION_LINGER && connection->output.len == 0)
            connection->transport->shutdown(connection);
    }
    if (what & EV_READ)
        connection_input_read(connection);
}
