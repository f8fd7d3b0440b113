/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of a reliable feed (see feed_window.h). Sends nothing and asks no clock.
 *
 * Outgoing frames stand in a queue in the order of this session: first what the preamble appended,
 * then what was kept from the former session, then new ones. The first is the oldest that is not
 * done and has sequence number `base`; `next_send` walks over the queue and falls back to the first
 * not-received frame when something must be repeated:
 *
 *   base ........ acked_received | ........ next_send ........ high_sent | ........ open frame
 *   received, not done             in flight   to be repeated             not yet sent
 *
 * After a silence the number of frames in flight starts small again and doubles with each progress,
 * so that a stopped peer does not fill nng's queues with repetitions.
 */
#include "common/feed_window.h"

#include "common/feed_queue.h"
#include "common/mem.h"

#include <assert.h>
#include <string.h>

#define IN_FLIGHT_MIN  8u
#define GENERATION_MAX ((UINT32_C(1) << 24) - 1)
#define COUNTER_MASK   ((UINT64_C(1) << FEED_WINDOW_SEQ_BITS) - 1)

struct feed_window {
    struct feed_window_config config;
    struct feed_window_stats stats;
    uint32_t generation;
    bool in_session;
    bool in_preamble;
    bool refused; /* an append got ERR_BUSY; room will be told */

    /* going out */
    struct feed_queue queue;
    uint64_t base, next_send, high_sent; /* high_sent: one above the highest number sent */
    uint64_t acked_received, acked_done;
    uint64_t progress_ms;
    uint32_t repeat_ms;
    uint32_t in_flight_limit;
    uint64_t sample_seq, sample_ms; /* round trip being measured, 0: none */

    /* coming in */
    uint64_t received, done;
    uint64_t told_received, told_done;
    uint64_t gap_asked; /* the missing number that was asked for */
    uint64_t awaited;   /* up to here the far end waits to hear about `received` and `done` */
    bool gap_due;
    bool ack_forced;
};

struct feed_window *
feed_window_new(const struct feed_window_config *config)
{
    struct feed_window *w = mem_zalloc(sizeof(*w));
    w->config = *config;
    if (w->config.frame_bytes == 0)
        w->config.frame_bytes = 65536;
    if (w->config.max_record == 0)
        w->config.max_record = 2u << 20;
    if (w->config.window_bytes == 0)
        w->config.window_bytes = 8u << 20;
    if (w->config.reserve_bytes == 0)
        w->config.reserve_bytes = 2u << 20;
    if (w->config.max_in_flight == 0)
        w->config.max_in_flight = 512;
    if (w->config.repeat_ms == 0)
        w->config.repeat_ms = 200;
    if (w->config.repeat_max_ms == 0)
        w->config.repeat_max_ms = 1000;
    feed_queue_init(&w->queue, w->config.frame_bytes);
    return w;
}

void
feed_window_free(struct feed_window *w)
{
    if (w == NULL)
        return;
    feed_queue_fini(&w->queue);
    mem_free(w);
}

void
feed_window_start(struct feed_window *w, uint32_t generation, uint64_t now_ms)
{
    uint64_t zero = (uint64_t)generation << FEED_WINDOW_SEQ_BITS;
    assert(generation > w->generation && generation <= GENERATION_MAX);
    feed_queue_hold(&w->queue);
    w->generation = generation;
    w->in_session = true;
    w->in_preamble = true;
    w->refused = false;
    w->base = w->next_send = w->high_sent = zero + 1;
    w->acked_received = w->acked_done = zero;
    w->progress_ms = now_ms;
    w->repeat_ms = w->config.repeat_ms;
    w->in_flight_limit = w->config.max_in_flight;
    w->sample_seq = 0;
    w->received = w->done = w->told_received = w->told_done = w->awaited = zero;
    w->gap_asked = 0;
    w->gap_due = w->ack_forced = false;
}

size_t
feed_window_release(struct feed_window *w, bool keep)
{
    size_t dropped;
    if (!w->in_preamble)
        return 0;
    w->in_preamble = false;
    dropped = feed_queue_release(&w->queue, keep);
    w->stats.dropped += dropped;
    return dropped;
}

void
feed_window_stop(struct feed_window *w)
{
    feed_queue_close_frame(&w->queue);
    w->in_session = false;
    w->refused = false;
}

static bool
fits(const struct feed_window *w, enum feed_class class, size_t charge)
{
    size_t bound = w->config.window_bytes;
    if (feed_class_is_control(class))
        bound += w->config.reserve_bytes;
    return w->queue.used == 0 || (w->queue.used < bound && charge <= bound - w->queue.used);
}

static bool is_easy(enum feed_class class)
{
    return class == FEED_DATA_EASY || class == FEED_CONTROL_EASY;
}

enum err
feed_window_append(struct feed_window *w, enum feed_class class, uint8_t type,
                   const struct slice *parts, size_t n, uint64_t *ticket)
{
    size_t body = 0;
    uint64_t given;

    if (!w->in_session)
        return ERR_PEER_LOST;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].len > w->config.max_record - body)
            return ERR_TOO_LARGE;
        body += parts[i].len;
    }
    if (!fits(w, class, feed_queue_charge(&w->queue, body))) {
        w->refused = true;
        w->stats.full++;
        return ERR_BUSY;
    }
    given = feed_queue_append(&w->queue, type, parts, n, body, w->in_preamble, is_easy(class));
    if (ticket != NULL)
        *ticket = given;
    return OK;
}

void
feed_window_close_frame(struct feed_window *w)
{
    feed_queue_close_frame(&w->queue);
}

static void
fill_acks(struct feed_window *w, struct feed_window_out *out)
{
    out->received = w->told_received = w->received;
    out->done = w->told_done = w->done;
    out->flags = w->gap_due ? FEED_FRAME_GAP : 0;
    w->gap_due = false;
    w->ack_forced = false;
}

/* Far from any bound: its acknowledgement may come late. */
static bool
is_relaxed(const struct feed_window *w)
{
    return w->queue.used < w->config.window_bytes / 4 &&
           w->next_send - 1 - w->acked_received < w->in_flight_limit / 4;
}

bool
feed_window_next(struct feed_window *w, uint64_t now_ms, struct feed_window_out *out)
{
    const struct feed_queue_frame *frame;
    uint64_t seq = w->next_send;
    bool easy;

    if (!w->in_session || seq - w->base >= w->queue.count ||
        seq - 1 - w->acked_received >= w->in_flight_limit)
        return false;
    frame = feed_queue_at(&w->queue, (size_t)(seq - w->base));
    easy = frame->easy && seq >= w->high_sent && is_relaxed(w);
    if (seq - 1 == w->acked_received)
        w->progress_ms = now_ms; /* nothing was in flight: the silence begins here */
    if (seq < w->high_sent) {
        w->stats.repeats++;
    } else {
        w->high_sent = seq + 1;
        w->stats.frames_out++;
        w->stats.records_out += frame->records;
        w->stats.bytes_out += frame->len;
        if (w->sample_seq == 0 && !easy) {
            w->sample_seq = seq;
            w->sample_ms = now_ms;
        }
    }
    w->next_send = seq + 1;
    out->seq = seq;
    out->records = slice_of(frame->data, frame->len);
    fill_acks(w, out);
    if (easy)
        out->flags |= FEED_FRAME_EASY;
    return true;
}

void
feed_window_ack(struct feed_window *w, struct feed_window_out *out)
{
    out->seq = 0;
    out->records = slice_of(NULL, 0);
    fill_acks(w, out);
}

bool
feed_window_ack_due(const struct feed_window *w)
{
    return w->in_session && (w->gap_due || w->ack_forced ||
                             (w->received != w->told_received && w->told_received < w->awaited) ||
                             (w->done != w->told_done && w->told_done < w->awaited));
}

static void
rewind_to_received(struct feed_window *w, uint64_t now_ms)
{
    w->next_send = w->acked_received + 1;
    w->progress_ms = now_ms;
    w->sample_seq = 0; /* an answer could be to either copy */
}

void
feed_window_tick(struct feed_window *w, uint64_t now_ms)
{
    w->awaited = w->received;
    if (!w->in_session || w->next_send - 1 == w->acked_received ||
        now_ms - w->progress_ms < w->repeat_ms)
        return;
    rewind_to_received(w, now_ms);
    w->repeat_ms *= 2;
    if (w->repeat_ms > w->config.repeat_max_ms)
        w->repeat_ms = w->config.repeat_max_ms;
    w->in_flight_limit = IN_FLIGHT_MIN;
    if (w->in_flight_limit > w->config.max_in_flight)
        w->in_flight_limit = w->config.max_in_flight;
}

void
feed_window_rewind(struct feed_window *w, uint64_t now_ms)
{
    if (w->in_session)
        rewind_to_received(w, now_ms);
}

static void
take_done(struct feed_window *w, uint64_t done)
{
    while (w->base <= done) {
        feed_queue_pop(&w->queue);
        w->base++;
    }
    if (done > w->acked_done)
        w->acked_done = done;
}

static void
progress(struct feed_window *w, uint64_t now_ms, uint64_t received)
{
    w->acked_received = received;
    if (w->next_send <= received)
        w->next_send = received + 1;
    w->progress_ms = now_ms;
    w->repeat_ms = w->config.repeat_ms;
    w->in_flight_limit *= 2;
    if (w->in_flight_limit > w->config.max_in_flight)
        w->in_flight_limit = w->config.max_in_flight;
    if (w->sample_seq != 0 && received >= w->sample_seq) {
        uint64_t took = now_ms - w->sample_ms;
        uint32_t rtt = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
        w->stats.rtt_ms = w->stats.rtt_ms == 0 ? rtt : (w->stats.rtt_ms * 7u + rtt) / 8u;
        w->sample_seq = 0;
    }
}

enum err
feed_window_acked(struct feed_window *w, uint64_t now_ms, uint64_t received, uint64_t done,
                  uint16_t flags)
{
    if (!w->in_session)
        return ERR_PEER_LOST;
    if (received >= w->high_sent || done > received ||
        done >> FEED_WINDOW_SEQ_BITS != w->generation)
        return ERR_PROTOCOL;
    if (received > w->acked_received)
        progress(w, now_ms, received);
    take_done(w, done);
    /* an older header, overtaken on the way, may still ask for what has arrived meanwhile */
    if ((flags & FEED_FRAME_GAP) != 0 && received == w->acked_received)
        rewind_to_received(w, now_ms);
    return OK;
}

enum feed_arrival
feed_window_arrived(struct feed_window *w, uint64_t seq, uint16_t flags)
{
    if (!w->in_session || seq >> FEED_WINDOW_SEQ_BITS != w->generation)
        return FEED_STALE;
    if (seq <= w->received) {
        w->stats.duplicates_in++;
        w->ack_forced = true;
        return FEED_REPEAT;
    }
    if (seq > w->received + 1) {
        if (w->gap_asked != w->received + 1) {
            w->gap_asked = w->received + 1;
            w->gap_due = true;
            w->stats.gaps_in++;
        }
        return FEED_GAP;
    }
    w->received = seq;
    if ((flags & FEED_FRAME_EASY) == 0)
        w->awaited = seq;
    w->stats.frames_in++;
    return FEED_NEW;
}

void
feed_window_done(struct feed_window *w, uint64_t seq)
{
    if (seq >> FEED_WINDOW_SEQ_BITS != w->generation)
        return;
    assert(seq <= w->received);
    if (seq > w->done)
        w->done = seq;
}

void
feed_window_former_done(struct feed_window *w, uint64_t done)
{
    if (done >> FEED_WINDOW_SEQ_BITS != w->generation || done >= w->high_sent ||
        (done & COUNTER_MASK) == 0)
        return;
    take_done(w, done);
}

void
feed_window_take_unfinished(struct feed_window *w,
                            void (*fn)(void *arg, uint8_t type, struct slice body), void *arg)
{
    if (!w->in_session) {
        feed_queue_hold(&w->queue);
        /* What the far end may still call done is not here. */
        w->base = w->next_send = w->high_sent;
    }
    feed_queue_take_held(&w->queue, fn, arg);
}

uint64_t
feed_window_last_done(const struct feed_window *w)
{
    return w->done;
}

uint64_t
feed_window_done_ticket(const struct feed_window *w)
{
    return feed_queue_done_ticket(&w->queue);
}

uint64_t
feed_window_last_ticket(const struct feed_window *w)
{
    return w->queue.last_ticket;
}

bool
feed_window_has_room(const struct feed_window *w)
{
    return w->queue.used < w->config.window_bytes / 4 * 3;
}

bool
feed_window_take_room(struct feed_window *w)
{
    if (!w->in_session || !w->refused || !feed_window_has_room(w))
        return false;
    w->refused = false;
    return true;
}

bool
feed_window_in_session(const struct feed_window *w)
{
    return w->in_session;
}

bool
feed_window_in_preamble(const struct feed_window *w)
{
    return w->in_session && w->in_preamble;
}

const struct feed_window_stats *
feed_window_stats(struct feed_window *w)
{
    w->stats.used_bytes = w->queue.used + w->queue.held_used;
    return &w->stats;
}
