/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What live traces watch: a list that is NULL while there is none, so that nobody pays for it. An
 * event of a watched client or topic is made and handed on. Bounded: at most TRACE_WATCH_EVENTS
 * between two ticks, the rest is counted. Who keeps events and gives them out: traces.h. Pure.
 */
#ifndef SLUICE_PROTO_TRACE_WATCH_H
#define SLUICE_PROTO_TRACE_WATCH_H

#include "proto/traces.h"

#define TRACE_WATCH_EVENTS 500u

struct trace_watch;

/* Takes the event of the trace with this number. */
typedef void (*trace_watch_fn)(void *arg, uint64_t number, struct trace_event *event);

/* client or filter may be empty, not both; copied. The number is the asker's. One that is there: no
 * change. */
void trace_watch_begin(struct trace_watch **list, uint64_t number, struct slice client,
                       struct slice filter);
void trace_watch_end(struct trace_watch **list, uint64_t number);
void trace_watch_end_all(struct trace_watch **list);
/* Something happened. client empty: of nobody; topic empty: of none. */
void trace_watch_tell(struct trace_watch *list, uint64_t time_ms, struct slice client,
                      const char *event, struct slice topic, const char *detail, trace_watch_fn fn,
                      void *arg);
/* Events may come again; how many were left out is an event too. */
void trace_watch_tick(struct trace_watch *list, uint64_t time_ms, trace_watch_fn fn, void *arg);

#endif
