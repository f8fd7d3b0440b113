/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live traces of a worker: while an operator watches a client or a topic, what happens to them goes
 * to the hub as events (trace_watch.h). Off, it costs one look at a pointer. The hub keeps and
 * gives them out (traces.h).
 */
#ifndef SERVICES_GATEWAY_WORKER_TRACE_H
#define SERVICES_GATEWAY_WORKER_TRACE_H

#include "common/str.h"

#include <stdint.h>

struct connection;
struct worker;

/* client or filter may be empty, not both. The number is the asker's. Begins again: no change. */
void worker_trace_begin(struct worker *worker, uint64_t number, struct slice client,
                        struct slice filter);
void worker_trace_end(struct worker *worker, uint64_t number);
/* Every tick: events may come again; how many were left out is told. */
void worker_trace_tick(struct worker *worker);
void worker_trace_free(struct worker *worker);

/* An event of this connection; only while worker->traces is not NULL (TRACE). */
void worker_trace_tell(struct connection *connection, const char *event, struct slice topic,
                       const char *detail);

#define TRACE(connection_, ...)                                                                    \
    do {                                                                                           \
        if (__builtin_expect((connection_)->worker->traces != NULL, 0))                            \
            worker_trace_tell((connection_), __VA_ARGS__);                                         \
    } while (0)

#endif
