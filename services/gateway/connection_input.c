/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See connection_input.h. Normally the worker's one big buffer is all that is needed: what is left
 * of an incomplete packet is copied aside and put back in front of the next read. A packet longer
 * than half that buffer is gathered in a buffer of its own, which grows as its bytes really come: a
 * client that only claims a long packet costs nothing.
 */
#include "services/gateway/connection_input.h"

#include <string.h>

#include "common/mem.h"
#include "proto/mqtt_decode.h"
#include "services/gateway/connection_limits.h"
#include "services/gateway/desk.h"
#include "services/gateway/worker_state.h"

#define READS_PER_TURN 4 /* of a transport that holds decrypted bytes */
#define LONG_PACKET    (WORKER_READ_SIZE / 2)
#define NEW_PER_TURN                                                                               \
    64u /* CONNECTs are dear: when thousands come the others are served in between */

/* Handles every whole packet; returns the bytes used and says how long the next packet is. */
static size_t
parse(struct connection *connection, const uint8_t *data, size_t len, size_t *need)
{
    size_t max = connection->worker->options.max_packet_size;
    size_t used = 0;
    *need = 0;
    while (used < len) {
        if (connection->state >= CONNECTION_DYING)
            return len;
        if (connection->state == CONNECTION_OPENING)
            return used;
        if (connection->state == CONNECTION_NEW && max > LIMITS_CONNECT_PACKET)
            max = LIMITS_CONNECT_PACKET;
        struct mqtt_frame frame;
        enum err err = mqtt_decode_frame(data + used, len - used, max, need, &frame);
        if (err == ERR_AGAIN)
            return used;
        if (err != OK) {
            connection_fail(connection,
                            err == ERR_TOO_LARGE ? MQTT_PACKET_TOO_LARGE : MQTT_MALFORMED_PACKET);
            return len;
        }
        if (connection->limits != NULL && frame.type == MQTT_PUBLISH &&
            !connection_limits_take_message(connection)) {
            *need = 0;
            return used;
        }
        connection->worker->counts.packets_in++;
        desk_packet(connection, &frame);
        used += frame.total_len;
        *need = 0;
    }
    return used;
}

static struct input *
grow_input(struct input *input, size_t size)
{
    input = mem_realloc(input, sizeof(*input) + size);
    input->size = size;
    return input;
}

/* Keeps what was not used; data does not lie in connection->input. */
static void
keep(struct connection *connection, const uint8_t *data, size_t len, size_t need)
{
    struct input *input = connection->input;
    if (len == 0) {
        mem_free(input);
        connection->input = NULL;
        return;
    }
    if (input == NULL || input->size < len)
        input = grow_input(input, len < 128 ? 128 : len);
    memcpy(input->bytes, data, len);
    input->len = len;
    input->need = need;
    connection->input = input;
}

/* Works on what lies in connection->input; keeps the rest there. */
static void
parse_input(struct connection *connection)
{
    struct input *input = connection->input;
    size_t need;
    connection->input = NULL; /* nothing below may look at it */
    size_t used = parse(connection, input->bytes, input->len, &need);
    if (used == input->len || connection->state >= CONNECTION_DYING) {
        mem_free(input);
        return;
    }
    memmove(input->bytes, input->bytes + used, input->len - used);
    input->len -= used;
    input->need = need;
    if (input->size > LONG_PACKET && input->len < LONG_PACKET / 4)
        input = grow_input(input, input->len);
    connection->input = input;
}

static ssize_t
read_long(struct connection *connection)
{
    struct input *input = connection->input;
    if (input->len == input->size) {
        size_t size = input->size * 2;
        input = connection->input = grow_input(input, size > input->need ? input->need : size);
    }
    ssize_t n = connection->transport->read(connection, input->bytes + input->len,
                                            input->size - input->len);
    if (n > 0) {
        worker_check_digest(connection->worker);
        input->len += (size_t)n;
        if (input->len >= input->need)
            parse_input(connection);
    }
    return n;
}

static ssize_t
read_short(struct connection *connection)
{
    uint8_t *buffer = connection->worker->read_buffer;
    size_t held = 0;
    if (connection->input != NULL) {
        held = connection->input->len;
        memcpy(buffer, connection->input->bytes, held);
    }
    size_t room = WORKER_READ_SIZE - held;
    /* Until CONNECT there is nothing that would wait here, and a request head needs the room. */
    if (connection->limits != NULL && connection->state == CONNECTION_OPEN) {
        size_t most = connection_limits_read_size(connection);
        room = most < room ? most : room;
    }
    ssize_t n = connection->transport->read(connection, buffer + held, room);
    if (n > 0) {
        size_t need;
        size_t len = held + (size_t)n;
        worker_check_digest(connection->worker);
        size_t used = parse(connection, buffer, len, &need);
        keep(connection, buffer + used, connection->state >= CONNECTION_DYING ? 0 : len - used,
             need);
    }
    return n;
}

static void
drop_input(struct connection *connection)
{
    ssize_t n =
        connection->transport->read(connection, connection->worker->read_buffer, WORKER_READ_SIZE);
    if (n == TRANSPORT_CLOSED)
        connection_free(connection);
}

/* A connection without a session whose turn is the next one: its descriptor stays readable. */
static bool
must_wait(struct connection *connection)
{
    if (connection->state != CONNECTION_NEW || ++connection->worker->new_reads <= NEW_PER_TURN)
        return false;
    return connection->transport->has_input == NULL ||
           !connection->transport->has_input(connection);
}

void
connection_input_read(struct connection *connection)
{
    struct worker *worker = connection->worker;
    if (connection->state == CONNECTION_LINGER) {
        drop_input(connection);
        return;
    }
    if (must_wait(connection))
        return;
    for (int i = 0;
         i < READS_PER_TURN && connection->state < CONNECTION_DYING && connection->pause == 0;
         i++) {
        const struct input *input = connection->input;
        bool is_long = input != NULL && input->need > LONG_PACKET;
        ssize_t n = is_long ? read_long(connection) : read_short(connection);
        if (n == TRANSPORT_CLOSED) {
            connection_close(connection);
            return;
        }
        if (n > 0) {
            worker->counts.bytes_in += (uint64_t)n;
            connection->active_ms = loop_now_ms(worker->loop);
            if (connection->limits != NULL && connection->state < CONNECTION_DYING)
                connection_limits_read(connection, (size_t)n);
        }
        if (connection->transport->has_input == NULL ||
            !connection->transport->has_input(connection))
            return;
    }
    if (connection->state < CONNECTION_DYING && connection->pause == 0)
        event_active(&connection->event, EV_READ, 0);
}

void
connection_input_resume(struct connection *connection)
{
    if (connection->input != NULL)
        parse_input(connection);
}

void
connection_resume(struct connection *connection)
{
    connection_pause(connection, PAUSE_OPENING, false);
    connection_input_resume(connection);
}
