/* SPDX-License-Identifier: Apache-2.0 */
/* What makes a lossy link a feed: sequence numbers, acknowledgement, repetition, bounds, for both
 * directions of one peer. Pure: no socket, no clock (time is told), no tokens or leases;
 * peer_feed.c joins it to those.
 *
 * Sessions. Each hello starts a session with a rising generation (24 bits). Sequence numbers of a
 * session are generation << 40 | 1, 2, 3 ...: a number of a former session can be told from a
 * present one and is ignored.
 *
 * Tickets. What the application gets for an appended record is a ticket: it rises for the life of
 * the window and survives sessions, while a frame kept over a session gets a new sequence number.
 * All records of one frame share its ticket. feed_window_done_ticket() is cumulative: every ticket
 * up to it is done (or was dropped).
 *
 * Life of a frame going out: open (records gather) -> closed -> sent (may be repeated) -> received
 * -> done, freed.
 */
#ifndef SLUICE_COMMON_FEED_WINDOW_H
#define SLUICE_COMMON_FEED_WINDOW_H

#include "common/err.h"
#include "common/feed_frame.h"
#include "common/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FEED_WINDOW_SEQ_BITS 40u

struct feed_window_config {
    size_t
        frame_bytes;   /* records of one frame; a larger record gets its own frame. Default 65536 */
    size_t max_record; /* largest body. Default 2 MiB */
    size_t window_bytes;    /* not-done bytes above which data is refused. Default 8 MiB */
    size_t reserve_bytes;   /* what control records may use beyond that. Default 2 MiB */
    uint32_t max_in_flight; /* sent, not received frames. Default 512 */
    uint32_t repeat_ms;     /* first repetition without progress. Default 200 */
    uint32_t repeat_max_ms; /* back-off ends here. Default 1000 */
};

enum feed_class {
    FEED_DATA,    /* refused when the window is full */
    FEED_CONTROL, /* may use the reserve: acknowledgements, route changes, so that they never wait
                     behind data */
    /* The same, but nobody waits to hear that it is there: while the window is nearly empty the far
     * end says so with what it sends anyway, or with its next tick. At a low rate that is half of
     * all frames, and of all that wakes for them. */
    FEED_DATA_EASY,
    FEED_CONTROL_EASY,
};

static inline bool feed_class_is_control(enum feed_class class)
{
    return class == FEED_CONTROL || class == FEED_CONTROL_EASY;
}

enum feed_arrival {
    FEED_NEW,    /* deliver its records now */
    FEED_REPEAT, /* seen before: drop */
    FEED_GAP,    /* something before it is missing: drop */
    FEED_STALE,  /* not of this session: drop */
};

struct feed_window_stats {
    uint64_t frames_out, records_out, bytes_out; /* first transmissions */
    uint64_t repeats;                            /* frames transmitted again */
    uint64_t frames_in, duplicates_in, gaps_in;
    uint64_t full;     /* appends refused with ERR_BUSY */
    uint64_t dropped;  /* records dropped at a session change */
    size_t used_bytes; /* not done, held ones included */
    uint32_t rtt_ms;   /* smoothed time from sending a frame to its `received`; no easy ones */
};

/* One frame to transmit. `records` is borrowed until the next call on the window. */
struct feed_window_out {
    uint64_t seq; /* 0: acknowledgement only */
    uint64_t received, done;
    uint16_t flags;
    struct slice records;
};

struct feed_window;

/* Zero fields of `config` mean the defaults. New; the caller owns it. */
struct feed_window *feed_window_new(const struct feed_window_config *config);
void feed_window_free(struct feed_window *window);

/* Starts a session. Frames that are not done become *held*; what is appended from now on goes
 * before them (the preamble) until feed_window_release. `generation` must be above the former one.
 */
void feed_window_start(struct feed_window *window, uint32_t generation, uint64_t now_ms);
/* Ends the preamble: held frames follow it (keep) or are dropped. Returns the number of records
 * dropped. */
size_t feed_window_release(struct feed_window *window, bool keep);
/* Ends the session: nothing is sent or taken any more, appends get ERR_PEER_LOST. Held and
 * unfinished frames stay. */
void feed_window_stop(struct feed_window *window);

/* Appends one record made of `n` parts. ERR_BUSY: window full. ERR_TOO_LARGE: above max_record.
 * ERR_PEER_LOST: no session. On OK `*ticket` (may be NULL) names it. */
enum err feed_window_append(struct feed_window *window, enum feed_class class, uint8_t type,
                            const struct slice *parts, size_t n, uint64_t *ticket) ERR_MUST_USE;
/* Closes the open frame so that it can be sent. */
void feed_window_close_frame(struct feed_window *window);

/* Next data frame to transmit now, and counts it as sent; false: none. */
bool feed_window_next(struct feed_window *window, uint64_t now_ms, struct feed_window_out *out);
/* Acknowledgement-only frame; always possible in a session. Clears feed_window_ack_due. */
void feed_window_ack(struct feed_window *window, struct feed_window_out *out);
/* True when the far end should hear about `received`, `done` or a gap now and no frame has said it
 * yet. */
bool feed_window_ack_due(const struct feed_window *window);
/* Repetition by time, and acknowledgements that could wait until now; call every tick. */
void feed_window_tick(struct feed_window *window, uint64_t now_ms);
/* The link was connected anew: whatever was in flight is sent again. */
void feed_window_rewind(struct feed_window *window, uint64_t now_ms);

/* Takes the acknowledgements of an incoming header. ERR_PROTOCOL: they name what was never sent. */
enum err feed_window_acked(struct feed_window *window, uint64_t now_ms, uint64_t received,
                           uint64_t done, uint16_t flags) ERR_MUST_USE;
/* What to do with an incoming data frame. After FEED_NEW it counts as received. */
enum feed_arrival feed_window_arrived(struct feed_window *window, uint64_t seq, uint16_t flags);
/* The application has finished with all incoming frames up to `seq`. A number of a former session
 * is ignored. */
void feed_window_done(struct feed_window *window, uint64_t seq);

/* The far end's `done` of the session that ended, learned in the hello; ignored if of another
 * session. Call before feed_window_start, so that what was finished is not sent again. */
void feed_window_former_done(struct feed_window *window, uint64_t done);
/* Takes out what is not done of the session that ended: outside a session, or before anything was
 * appended to a new one. Gives each record, in order. */
void feed_window_take_unfinished(struct feed_window *window,
                                 void (*fn)(void *arg, uint8_t type, struct slice body), void *arg);
/* Our own, to be told in the hello. */
uint64_t feed_window_last_done(const struct feed_window *window);

/* Every ticket up to this one is done or dropped. */
uint64_t feed_window_done_ticket(const struct feed_window *window);
uint64_t
feed_window_last_ticket(const struct feed_window *window); /* newest ticket given out; 0: none */
/* Below 3/4 of window_bytes. */
bool feed_window_has_room(const struct feed_window *window);
/* True once when an append was refused and the window is below 3/4 again. */
bool feed_window_take_room(struct feed_window *window);
bool feed_window_in_session(const struct feed_window *window);
bool feed_window_in_preamble(const struct feed_window *window);
const struct feed_window_stats *feed_window_stats(struct feed_window *window); /* borrowed */

#endif
