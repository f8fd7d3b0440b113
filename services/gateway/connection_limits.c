/* SPDX-License-Identifier: Apache-2.0 */
/* See connection_limits.h. */
#include "services/gateway/connection_limits.h"

#include "common/mem.h"
#include "services/gateway/connection_input.h"
#include "services/gateway/identity.h"
#include "services/gateway/worker_state.h"

#define READ_LEAST  512u
#define READ_MOST   4096u /* where few messages are allowed: what is read has to wait here */
#define FEW         10000u
#define SPREAD_MS   64u /* those that wait for one listener shall not all come back at once */
#define READS_PER_S 8u

void
connection_limits_open(struct connection *connection)
{
    const struct worker_options *options = &connection->worker->options;
    if (options->client_messages == 0 && options->client_bytes == 0)
        return;
    struct connection_limits *limits = mem_zalloc(sizeof(*limits));
    limits->connection = connection;
    throttle_init(&limits->messages, options->client_messages);
    throttle_init(&limits->bytes, options->client_bytes);
    connection->limits = limits;
}

void
connection_limits_close(struct connection *connection)
{
    if (connection->limits == NULL)
        return;
    wheel_cancel(&connection->worker->wake_wheel, &connection->limits->wake);
    mem_free(connection->limits);
    connection->limits = NULL;
}

static void
pause_for(struct connection *connection, uint64_t wait_ms)
{
    struct worker *worker = connection->worker;
    connection_dropped(connection, DROP_THROTTLED);
    connection_pause(connection, PAUSE_RATE, true);
    wheel_arm(&worker->wake_wheel, &connection->limits->wake,
              loop_now_ms(worker->loop) + wait_ms + (uint32_t)connection->handle % SPREAD_MS);
}

bool
connection_limits_take_message(struct connection *connection)
{
    struct connection_limits *limits = connection->limits;
    uint64_t now_ms = loop_now_ms(connection->worker->loop);
    uint64_t wait_ms = throttle_wait_ms(&limits->messages, now_ms);
    if (wait_ms > 0) {
        pause_for(connection, wait_ms);
        return false;
    }
    throttle_spend(&limits->messages, 1, now_ms);
    return true;
}

void
connection_limits_read(struct connection *connection, size_t n)
{
    struct connection_limits *limits = connection->limits;
    uint64_t now_ms = loop_now_ms(connection->worker->loop);
    throttle_spend(&limits->bytes, n, now_ms);
    uint64_t wait_ms = throttle_wait_ms(&limits->bytes, now_ms);
    if (wait_ms > 0)
        pause_for(connection, wait_ms);
}

size_t
connection_limits_read_size(const struct connection *connection)
{
    const struct connection_limits *limits = connection->limits;
    uint64_t share = limits->bytes.rate / READS_PER_S;
    uint64_t most =
        limits->messages.rate > 0 && limits->messages.rate < FEW ? READ_MOST : WORKER_READ_SIZE;
    if (limits->bytes.rate > 0 && share < most)
        most = share > READ_LEAST ? share : READ_LEAST;
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
    struct worker *worker = connection->worker;
    struct slice client =
        connection->identity != NULL ? identity_client_id(connection->identity) : slice_of(NULL, 0);
    worker->counts.dropped[reason]++;
    drops_note(worker->drops, reason, connection->handle, client, loop_now_ms(worker->loop));
}
