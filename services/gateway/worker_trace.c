/* SPDX-License-Identifier: Apache-2.0 */
/* See worker_trace.h. */
#include "services/gateway/worker_trace.h"

#include "proto/trace_watch.h"
#include "services/gateway/connection.h"
#include "services/gateway/identity.h"
#include "services/gateway/worker_state.h"

void
worker_trace_begin(struct worker *worker, uint64_t number, struct slice client, struct slice filter)
{
    trace_watch_begin(&worker->traces, number, client, filter);
}

void
worker_trace_end(struct worker *worker, uint64_t number)
{
    trace_watch_end(&worker->traces, number);
}

void
worker_trace_free(struct worker *worker)
{
    trace_watch_end_all(&worker->traces);
}

static void
to_hub(void *arg, uint64_t number, struct trace_event *event)
{
    worker_to_hub(arg, &(struct post){.kind = POST_TRACE_EVENT, .a = number, .body = event});
}

void
worker_trace_tell(struct connection *connection, const char *event, struct slice topic,
                  const char *detail)
{
    struct worker *worker = connection->worker;
    struct slice client =
        connection->identity != NULL ? identity_client_id(connection->identity) : slice_of(NULL, 0);
    trace_watch_tell(worker->traces, worker_wall_ms(worker), client, event, topic, detail, to_hub,
                     worker);
}

void
worker_trace_tick(struct worker *worker)
{
    trace_watch_tick(worker->traces, worker_wall_ms(worker), to_hub, worker);
}
