/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events of live traces that a program keeps until operators have fetched them: a ring for each
 * trace. A trace that nobody asks for ends. What is watched, trace_watch.h knows. Pure: the clock
 * is told.
 */
#ifndef SLUICE_PROTO_TRACES_H
#define SLUICE_PROTO_TRACES_H

#include "common/err.h"
#include "proto/admin_codec.h"

#include <stdbool.h>
#include <stdint.h>

#define TRACES_MAX     16u
#define TRACES_EVENTS  1024u  /* kept of each */
#define TRACES_IDLE_MS 15000u /* not asked for so long: it ends */
#define TRACES_TEXT    1024u  /* bytes of a client id or topic in an event: the rest is cut */

/* Something that happened; owned by whoever has it. */
struct trace_event {
    uint64_t time_ms; /* wall clock */
    struct slice client, topic, event, detail;
    uint8_t bytes[];
};
struct traces;

/* New; everything is copied. Texts are UTF-8. */
struct trace_event *trace_event_new(uint64_t time_ms, struct slice client, const char *event,
                                    struct slice topic, const char *detail);
void trace_event_free(struct trace_event *event);

struct traces *traces_new(void);
void traces_free(struct traces *traces);

/* *is_new: it was not there. ERR_BUSY: as many as may be. */
ERR_MUST_USE enum err traces_begin(struct traces *traces, uint64_t number, uint64_t now_ms,
                                   bool *is_new);
/* False: there is none. */
bool traces_end(struct traces *traces, uint64_t number);
/* Takes the event; of no trace: dropped. The oldest goes when the ring is full. */
void traces_add(struct traces *traces, uint64_t number, struct trace_event *event);
/* Writes events behind `after` (0: all), as many as fit, and where to go on (always).
 * ERR_NOT_FOUND: no such trace. */
ERR_MUST_USE enum err traces_read(struct traces *traces, uint64_t number, uint64_t after,
                                  uint64_t now_ms, struct admin_writer *writer);
/* Ends one that nobody asked for lately; its number, 0: none. */
uint64_t traces_expire(struct traces *traces, uint64_t now_ms);

#endif
