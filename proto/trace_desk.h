/* SPDX-License-Identifier: Apache-2.0 */
/* Live traces of a program with one thread: what is watched (trace_watch.h) and what was seen of it
 * (traces.h), and CALL_ADMIN_TRACE about them. Zeroed: nothing is watched. Pure: clocks are told.
 */
#ifndef SLUICE_PROTO_TRACE_DESK_H
#define SLUICE_PROTO_TRACE_DESK_H

#include "proto/trace_watch.h"

struct trace_desk {
    struct trace_watch *watched; /* NULL: nothing; look here before an event is made */
    struct traces *traces;       /* NULL: nothing so far */
};

/* Answers the question; name: of this program, told to who begins. ERR_MALFORMED, ERR_INVALID,
 * ERR_BUSY: too many traces, ERR_NOT_FOUND: no such trace. */
ERR_MUST_USE enum err trace_desk_ask(struct trace_desk *desk, const char *name,
                                     const Sluice__AdminAsk *ask, uint64_t now_ms,
                                     struct admin_writer *writer);
/* Something happened, see trace_watch_tell. */
void trace_desk_tell(struct trace_desk *desk, uint64_t wall_ms, struct slice client,
                     const char *event, struct slice topic, const char *detail);
/* Often: what nobody asks for ends. */
void trace_desk_tick(struct trace_desk *desk, uint64_t now_ms, uint64_t wall_ms);
void trace_desk_fini(struct trace_desk *desk);

#endif
