/* SPDX-License-Identifier: Apache-2.0 */
/* See store_trace.h. */
#include "services/store/store_trace.h"

#include "common/clock.h"
#include "proto/topic.h"
#include "proto/trace_watch.h"

static void
keep(void *arg, uint64_t number, struct trace_event *event)
{
    struct store *store = arg;
    traces_add(store->traces, number, event);
}

static enum err
begin(struct store *store, uint64_t number, const Sluice__AdminAsk *ask,
      struct admin_writer *writer)
{
    struct slice client = admin_ask_text(ask, "client"), filter = admin_ask_text(ask, "topic");
    bool is_new;
    enum err err;
    if ((client.len == 0 && filter.len == 0) || (filter.len != 0 && !topic_filter_is_valid(filter)))
        return ERR_INVALID;
    if (store->traces == NULL)
        store->traces = traces_new();
    err = traces_begin(store->traces, number, clock_monotonic_ms(), &is_new);
    if (err != OK)
        return err;
    trace_watch_begin(&store->watched, number, client, filter);
    admin_text(writer, "name", slice_cstr(peers_name(store->peers)));
    (void)admin_item_end(writer);
    return OK;
}

enum err
store_trace_ask(struct store *store, const Sluice__AdminAsk *ask, struct admin_writer *writer)
{
    uint64_t number = admin_ask_number(ask, "trace"), after = 0;
    enum err err = admin_ask_after(ask, &after);
    if (err != OK)
        return err;
    if (admin_ask_flag(ask, "begin"))
        return begin(store, number, ask, writer);
    if (store->traces == NULL)
        return ERR_NOT_FOUND;
    if (!admin_ask_flag(ask, "end"))
        return traces_read(store->traces, number, after, clock_monotonic_ms(), writer);
    (void)traces_end(store->traces, number);
    trace_watch_end(&store->watched, number);
    return OK;
}

void
store_trace_tick(struct store *store, uint64_t now_ms)
{
    uint64_t number;
    if (store->watched == NULL)
        return;
    trace_watch_tick(store->watched, store_wall_ms(store), keep, store);
    while ((number = traces_expire(store->traces, now_ms)) != 0)
        trace_watch_end(&store->watched, number);
}

void
store_trace_free(struct store *store)
{
    trace_watch_end_all(&store->watched);
    traces_free(store->traces);
    store->traces = NULL;
}

void
store_trace_tell(struct store *store, struct slice client, const char *event, struct slice topic,
                 const char *detail)
{
    trace_watch_tell(store->watched, store_wall_ms(store), client, event, topic, detail, keep,
                     store);
}

void
store_trace_queued(struct store *store, const struct session *session, struct slice topic)
{
    char detail[96];
    str_format(detail, sizeof(detail), "%s; %llu in the queue",
               session->state == SESSION_CONNECTED ? "goes out when it is on disk"
                                                   : "the client is not connected",
               (unsigned long long)session->lasting->queue.count);
    store_trace_tell(store, session_client(session), "queued", topic, detail);
}

void
store_trace_dropped(struct store *store, const struct session *session, enum store_drop why,
                    uint64_t times, struct slice record)
{
    struct publish_record message = {0};
    char detail[96];
    const char *reason = store_metrics_drops[why].label;
    if (record.len != 0 && publish_record_decode(record, &message) != OK)
        return;
    str_format(detail, sizeof(detail), times == 1 ? "%s" : "%s, %llu messages", reason,
               (unsigned long long)times);
    store_trace_tell(store, session_client(session), "dropped", message.topic, detail);
}
