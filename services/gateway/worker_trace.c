/* SPDX-License-Identifier: Apache-2.0 */
/* See worker_trace.h. */
#include "services/gateway/worker_trace.h"

#include "common/mem.h"
#include "proto/topic.h"
#include "services/gateway/connection.h"
#include "services/gateway/identity.h"
#include "services/gateway/worker_state.h"

struct worker_traces {
    struct worker_traces *next;
    uint64_t number;
    uint64_t lost;  /* since the last tick */
    uint32_t count; /* events since then */
    struct slice client, filter;
    uint8_t bytes[];
};

void
trace_event_free(struct trace_event *event)
{
    mem_free(event);
}

static struct slice
copy(uint8_t **at, struct slice from)
{
    struct slice to = slice_of(*at, from.len);
    if (from.len != 0)
        memcpy(*at, from.data, from.len);
    *at += from.len;
    return to;
}

void
worker_trace_begin(struct worker *worker, uint64_t number, struct slice client, struct slice filter)
{
    for (const struct worker_traces *one = worker->traces; one != NULL; one = one->next)
        if (one->number == number)
            return;
    struct worker_traces *trace = mem_zalloc(sizeof(*trace) + client.len + filter.len);
    uint8_t *at = trace->bytes;
    trace->number = number;
    trace->client = copy(&at, client);
    trace->filter = copy(&at, filter);
    trace->next = worker->traces;
    worker->traces = trace;
}

void
worker_trace_end(struct worker *worker, uint64_t number)
{
    struct worker_traces **at = &worker->traces;
    while (*at != NULL && (*at)->number != number)
        at = &(*at)->next;
    if (*at == NULL)
        return;
    struct worker_traces *gone = *at;
    *at = gone->next;
    mem_free(gone);
}

void
worker_trace_free(struct worker *worker)
{
    while (worker->traces != NULL)
        worker_trace_end(worker, worker->traces->number);
}

static void
send_event(struct worker *worker, struct worker_traces *trace, struct slice client,
           const char *event, struct slice topic, const char *detail)
{
    struct slice name = slice_cstr(event), more = slice_cstr(detail);
    struct trace_event *out =
        mem_alloc(sizeof(*out) + client.len + topic.len + name.len + more.len);
    uint8_t *at = out->bytes;
    out->time_ms = worker_wall_ms(worker);
    out->client = copy(&at, client);
    out->topic = copy(&at, topic);
    out->event = copy(&at, name);
    out->detail = copy(&at, more);
    worker_to_hub(worker,
                  &(struct post){.kind = POST_TRACE_EVENT, .a = trace->number, .body = out});
}

static bool
is_of(const struct worker_traces *trace, struct slice client, struct slice topic)
{
    if (trace->client.len != 0 && !slice_equal(trace->client, client))
        return false;
    if (trace->filter.len == 0)
        return true;
    return topic.len != 0 && topic_name_is_valid(topic) && topic_matches(trace->filter, topic);
}

void
worker_trace_tell(struct connection *connection, const char *event, struct slice topic,
                  const char *detail)
{
    struct worker *worker = connection->worker;
    struct slice client =
        connection->identity != NULL ? identity_client_id(connection->identity) : slice_of(NULL, 0);
    for (struct worker_traces *trace = worker->traces; trace != NULL; trace = trace->next) {
        if (!is_of(trace, client, topic))
            continue;
        if (trace->count < TRACE_EVENTS_MAX) {
            trace->count++;
            send_event(worker, trace, client, event, topic, detail);
        } else {
            trace->lost++;
        }
    }
}

void
worker_trace_tick(struct worker *worker)
{
    char text[64];
    for (struct worker_traces *trace = worker->traces; trace != NULL; trace = trace->next) {
        if (trace->lost != 0) {
            str_format(text, sizeof(text), "%llu events came too fast and are left out",
                       (unsigned long long)trace->lost);
            send_event(worker, trace, slice_of(NULL, 0), "lost", slice_of(NULL, 0), text);
        }
        trace->lost = 0;
        trace->count = 0;
    }
}
