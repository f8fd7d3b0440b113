/* SPDX-License-Identifier: Apache-2.0 */
/* Live traces of the store: while an operator watches a client or a topic, what queues and retained
 * messages do with it is kept for him (trace_desk.h). Off, it costs one look at a pointer. */
#ifndef SERVICES_STORE_STORE_TRACE_H
#define SERVICES_STORE_STORE_TRACE_H

#include "services/store/store.h"

/* Only while store->trace.watched is not NULL: STORE_TRACE. client may be empty. */
void store_trace_tell(struct store *store, struct slice client, const char *event,
                      struct slice topic, const char *detail);
/* The message has entered the queue of this session. */
void store_trace_queued(struct store *store, const struct session *session, struct slice topic);
/* Messages of this session are lost; record: of the one, as encoded, or empty. */
void store_trace_dropped(struct store *store, const struct session *session, enum store_drop why,
                         uint64_t times, struct slice record);

#define STORE_TRACE(store_, ...)                                                                   \
    do {                                                                                           \
        if (__builtin_expect((store_)->trace.watched != NULL, 0))                                  \
            store_trace_tell((store_), __VA_ARGS__);                                               \
    } while (0)

#endif
