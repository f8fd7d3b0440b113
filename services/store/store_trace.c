/* SPDX-License-Identifier: Apache-2.0 */
/* See store_trace.h. */
#include "services/store/store_trace.h"

void
store_trace_tell(struct store *store, struct slice client, const char *event, struct slice topic,
                 const char *detail)
{
    trace_desk_tell(&store->trace, store_wall_ms(store), client, event, topic, detail);
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
