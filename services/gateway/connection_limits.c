/* SPDX-License-Identifier: Apache-2.0 */
/* See connection_limits.h. */
#include "services/gateway/connection_limits.h"

#include <string.h>

#include "common/hash.h"
#include "common/mem.h"
#include "services/gateway/connection_input.h"
#include "services/gateway/identity.h"
#include "services/gateway/quotas.h"
#include "services/gateway/worker_state.h"
#include "services/gateway/worker_trace.h"

#define REFUSING_MAX 256u /* of a worker: connections that are only told why not */
#define READ_LEAST   512u
#define READ_MOST    4096u /* where few messages are allowed: what is read has to wait here */
#define FEW          10000u
#define SPREAD_MS    64u /* those that wait for one listener shall not all come back at once */
#define READS_PER_S  8u

/* ---- coming and going */

static void
note(struct worker *worker, enum drop_reason reason, uint64_t who, struct slice name)
{
    worker->counts.dropped[reason]++;
    drops_note(worker->drops, reason, 1, who, name, loop_now_ms(worker->loop));
}

/* Each address is somebody of its own. */
void
connection_limits_note_address(struct worker *worker, enum drop_reason reason,
                               const struct address *address)
{
    char text[ADDRESS_TEXT_MAX];
    address_format(address, text);
    note(worker, reason, hash_local(text, strlen(text)), slice_cstr(text));
}

/* DROP_NONE: it is counted. */
static enum drop_reason
enter(struct worker *worker, enum listener_kind listener, const struct address *address,
      struct connection_entry *out)
{
    const struct worker_options *options = &worker->options;
    struct quotas *quotas = options->quotas;
    if (worker->overload.is_full)
        return DROP_NO_MEMORY;
    if (quotas == NULL)
        return DROP_NONE;
    enum quotas_result result = quotas_enter(quotas, listener);
    if (result != QUOTAS_OK)
        return result == QUOTAS_GATEWAY_FULL ? DROP_GATEWAY_FULL : DROP_LISTENER_FULL;
    /* A balancer's own address says nothing: the client's comes later. */
    if (address_is_in(address, options->trusted, options->trusted_count))
        return DROP_NONE;
    out->has_address = true;
    if (quotas_enter_address(quotas, address, &out->address_place))
        return DROP_NONE;
    quotas_leave_address(quotas, out->address_place);
    quotas_leave(quotas, listener);
    return DROP_ADDRESS_FULL;
}

bool
connection_limits_enter(struct worker *worker, enum listener_kind listener,
                        const struct address *address, struct connection_entry *out)
{
    *out = (struct connection_entry){.refusal = DROP_NONE};
    out->refusal = enter(worker, listener, address, out);
    if (out->refusal == DROP_NONE || worker->refusing_count < REFUSING_MAX)
        return true;
    connection_limits_note_address(worker, out->refusal, address);
    return false;
}

void
connection_limits_shed(struct worker *worker, const struct address *address)
{
    connection_limits_note_address(worker, DROP_LATE, address);
}

void
connection_limits_open(struct connection *connection, const struct connection_entry *entry)
{
    struct worker *worker = connection->worker;
    const struct worker_options *options = &worker->options;
    struct throttle *messages = NULL, *bytes = NULL;
    connection->refusal = (uint8_t)entry->refusal;
    connection->address_place = entry->address_place;
    if (entry->refusal != DROP_NONE) {
        worker->refusing_count++;
        return;
    }
    if (entry->has_address)
        connection->flags |= CONNECTION_HAS_ADDRESS;
    if (options->quotas != NULL) {
        messages = quotas_messages(options->quotas, connection->listener);
        bytes = quotas_bytes(options->quotas, connection->listener);
    }
    if (options->client_messages == 0 && options->client_bytes == 0 && messages == NULL &&
        bytes == NULL)
        return;
    struct connection_limits *limits = mem_zalloc(sizeof(*limits));
    limits->connection = connection;
    limits->all_messages = messages;
    limits->all_bytes = bytes;
    throttle_init(&limits->messages, options->client_messages);
    throttle_init(&limits->bytes, options->client_bytes);
    connection->limits = limits;
}

enum drop_reason
connection_limits_connect(struct connection *connection, struct slice client_id)
{
    struct worker *worker = connection->worker;
    enum drop_reason refusal = (enum drop_reason)connection->refusal;
    if (refusal == DROP_NONE && worker->options.quotas != NULL &&
        !(connection->flags & CONNECTION_HAS_ADDRESS)) {
        connection->flags |= CONNECTION_HAS_ADDRESS;
        if (!quotas_enter_address(worker->options.quotas, &connection->address,
                                  &connection->address_place))
            refusal = DROP_ADDRESS_FULL;
    }
    if (refusal != DROP_NONE) {
        connection->flags |= CONNECTION_WAS_NOTED;
        note(worker, refusal, connection->handle, client_id);
    }
    return refusal;
}

void
connection_limits_close(struct connection *connection)
{
    struct worker *worker = connection->worker;
    struct quotas *quotas = worker->options.quotas;
    if (connection->refusal != DROP_NONE) {
        worker->refusing_count--;
        if (!(connection->flags & CONNECTION_WAS_NOTED))
            connection_limits_note_address(worker, (enum drop_reason)connection->refusal,
                                           &connection->address);
    } else if (quotas != NULL) {
        quotas_leave(quotas, connection->listener);
        if (connection->flags & CONNECTION_HAS_ADDRESS)
            quotas_leave_address(quotas, connection->address_place);
    }
    if (connection->limits == NULL)
        return;
    wheel_cancel(&worker->wake_wheel, &connection->limits->wake);
    mem_free(connection->limits);
    connection->limits = NULL;
}

/* ---- being read */

/* Pauses it for the longer of two waits; false: both are 0. */
static bool
wait_for(struct connection *connection, uint64_t own_ms, uint64_t all_ms)
{
    struct worker *worker = connection->worker;
    uint64_t wait_ms = own_ms > all_ms ? own_ms : all_ms;
    if (wait_ms == 0)
        return false;
    connection_dropped(connection, own_ms >= all_ms ? DROP_THROTTLED : DROP_LISTENER_RATE);
    connection_pause(connection, PAUSE_RATE, true);
    wheel_arm(&worker->wake_wheel, &connection->limits->wake,
              loop_now_ms(worker->loop) + wait_ms + (uint32_t)connection->handle % SPREAD_MS);
    return true;
}

static uint64_t
shared_wait_ms(const struct throttle *throttle, uint64_t now_ms)
{
    return throttle != NULL ? throttle_wait_ms(throttle, now_ms) : 0;
}

bool
connection_limits_take_message(struct connection *connection)
{
    struct connection_limits *limits = connection->limits;
    uint64_t now_ms = loop_now_ms(connection->worker->loop);
    if (wait_for(connection, throttle_wait_ms(&limits->messages, now_ms),
                 shared_wait_ms(limits->all_messages, now_ms)))
        return false;
    throttle_spend(&limits->messages, 1, now_ms);
    if (limits->all_messages != NULL)
        throttle_spend(limits->all_messages, 1, now_ms);
    return true;
}

void
connection_limits_read(struct connection *connection, size_t n)
{
    struct connection_limits *limits = connection->limits;
    uint64_t now_ms = loop_now_ms(connection->worker->loop);
    throttle_spend(&limits->bytes, n, now_ms);
    if (limits->all_bytes != NULL)
        throttle_spend(limits->all_bytes, n, now_ms);
    (void)wait_for(connection, throttle_wait_ms(&limits->bytes, now_ms),
                   shared_wait_ms(limits->all_bytes, now_ms));
}

/* The lower of two rates of which 0 is none. */
static uint64_t
lower_rate(const struct throttle *own, const struct throttle *all)
{
    uint64_t rate = all != NULL ? all->rate : 0;
    return own->rate != 0 && (rate == 0 || own->rate < rate) ? own->rate : rate;
}

size_t
connection_limits_read_size(const struct connection *connection)
{
    const struct connection_limits *limits = connection->limits;
    uint64_t messages = lower_rate(&limits->messages, limits->all_messages);
    uint64_t bytes = lower_rate(&limits->bytes, limits->all_bytes);
    uint64_t most = messages > 0 && messages < FEW ? READ_MOST : WORKER_READ_SIZE;
    if (bytes > 0 && bytes / READS_PER_S < most)
        most = bytes / READS_PER_S > READ_LEAST ? bytes / READS_PER_S : READ_LEAST;
    return (size_t)most;
}

void
connection_limits_wake(struct connection_limits *limits)
{
    struct connection *connection = limits->connection;
    if (connection->state >= CONNECTION_DYING)
        return;
    connection->active_ms = loop_now_ms(connection->worker->loop); /* we did not listen */
    connection_pause(connection, PAUSE_RATE, false);
    if (connection->state == CONNECTION_OPEN)
        connection_input_resume(connection);
}

void
connection_dropped(struct connection *connection, enum drop_reason reason)
{
    struct slice client =
        connection->identity != NULL ? identity_client_id(connection->identity) : slice_of(NULL, 0);
    TRACE(connection, "dropped", connection->worker->traced_topic, drop_reason_label(reason));
    note(connection->worker, reason, connection->handle, client);
}
