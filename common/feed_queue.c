/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that are not done (see feed_queue.h). Sends nothing, numbers nothing. */
#include "common/feed_queue.h"

#include "common/feed_frame.h"
#include "common/mem.h"

#include <assert.h>
#include <string.h>

#define FRAME_SIZE_MIN 1024u

void
feed_queue_init(struct feed_queue *q, size_t frame_bytes)
{
    memset(q, 0, sizeof(*q));
    q->frame_bytes = frame_bytes;
    q->slots = 16;
    q->first_size = FRAME_SIZE_MIN;
    q->ring = mem_zalloc_array(q->slots, sizeof(*q->ring));
}

const struct feed_queue_frame *
feed_queue_at(const struct feed_queue *q, size_t index)
{
    assert(index < q->count);
    return &q->ring[(q->head + index) & (q->slots - 1)];
}

void
feed_queue_fini(struct feed_queue *q)
{
    for (size_t i = 0; i < q->count; i++)
        mem_free(feed_queue_at(q, i)->data);
    for (size_t i = 0; i < q->held_count; i++)
        mem_free(q->held[i].data);
    mem_free(q->open.data);
    mem_free(q->held);
    mem_free(q->ring);
    memset(q, 0, sizeof(*q));
}

static void
ring_push(struct feed_queue *q, const struct feed_queue_frame *frame)
{
    if (q->count == q->slots) {
        struct feed_queue_frame *ring = mem_zalloc_array(q->slots * 2, sizeof(*ring));
        for (size_t i = 0; i < q->count; i++)
            ring[i] = *feed_queue_at(q, i);
        mem_free(q->ring);
        q->ring = ring;
        q->head = 0;
        q->slots *= 2;
    }
    q->ring[(q->head + q->count) & (q->slots - 1)] = *frame;
    q->count++;
}

void
feed_queue_pop(struct feed_queue *q)
{
    const struct feed_queue_frame *frame = feed_queue_at(q, 0);
    q->used -= frame->len + FEED_QUEUE_FRAME_CHARGE;
    mem_free(frame->data);
    q->head = (q->head + 1) & (q->slots - 1);
    q->count--;
    if (q->preamble_left > 0)
        q->preamble_left--;
}

void
feed_queue_close_frame(struct feed_queue *q)
{
    if (q->open.records == 0)
        return;
    if (q->open.len < q->open.size / 2) {
        q->open.data = mem_realloc(q->open.data, q->open.len);
        q->open.size = q->open.len;
    }
    ring_push(q, &q->open);
    if (q->open.preamble)
        q->preamble_left++;
    q->first_size = q->open.len;
    if (q->first_size > q->frame_bytes)
        q->first_size = q->frame_bytes;
    if (q->first_size < FRAME_SIZE_MIN)
        q->first_size = FRAME_SIZE_MIN;
    memset(&q->open, 0, sizeof(q->open));
}

size_t
feed_queue_charge(struct feed_queue *q, size_t body)
{
    size_t need = body + FEED_FRAME_RECORD_OVERHEAD;
    if (q->open.records > 0 && q->open.len + need > q->frame_bytes)
        feed_queue_close_frame(q);
    return need + (q->open.records == 0 ? FEED_QUEUE_FRAME_CHARGE : 0);
}

static void
open_reserve(struct feed_queue *q, size_t need)
{
    size_t size = q->open.size;
    if (need <= size - q->open.len)
        return;
    if (size == 0)
        size = q->first_size;
    while (need > size - q->open.len)
        size *= 2;
    if (size > q->frame_bytes && need <= q->frame_bytes - q->open.len)
        size = q->frame_bytes; /* it gets no longer */
    q->open.data = mem_realloc(q->open.data, size);
    q->open.size = size;
}

uint64_t
feed_queue_append(struct feed_queue *q, uint8_t type, const struct slice *parts, size_t n,
                  size_t body, bool preamble, bool easy)
{
    size_t need = body + FEED_FRAME_RECORD_OVERHEAD;
    uint64_t ticket;
    uint8_t *to;

    q->used += feed_queue_charge(q, body);
    open_reserve(q, need);
    if (q->open.records == 0) {
        q->open.ticket = ++q->last_ticket;
        q->open.preamble = preamble;
        q->open.easy = easy;
    }
    q->open.easy = q->open.easy && easy;
    ticket = q->open.ticket;
    to = q->open.data + q->open.len;
    feed_frame_put_record_header(to, type, body);
    to += FEED_FRAME_RECORD_OVERHEAD;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].len > 0)
            memcpy(to, parts[i].data, parts[i].len);
        to += parts[i].len;
    }
    q->open.len += need;
    q->open.records++;
    if (q->open.len >= q->frame_bytes)
        feed_queue_close_frame(q);
    return ticket;
}

void
feed_queue_hold(struct feed_queue *q)
{
    feed_queue_close_frame(q);
    q->held = mem_realloc_array(q->held, q->held_count + q->count + 1, sizeof(*q->held));
    for (size_t i = 0; i < q->count; i++) {
        const struct feed_queue_frame *frame = feed_queue_at(q, i);
        if (frame->preamble) {
            mem_free(frame->data);
            continue;
        }
        q->held[q->held_count++] = *frame;
        q->held_used += frame->len + FEED_QUEUE_FRAME_CHARGE;
    }
    q->head = q->count = q->preamble_left = 0;
    q->used = 0;
}

size_t
feed_queue_release(struct feed_queue *q, bool keep)
{
    size_t dropped = 0;
    feed_queue_close_frame(q);
    for (size_t i = 0; i < q->held_count; i++) {
        if (keep) {
            ring_push(q, &q->held[i]);
            q->used += q->held[i].len + FEED_QUEUE_FRAME_CHARGE;
            continue;
        }
        dropped += q->held[i].records;
        mem_free(q->held[i].data);
    }
    mem_free(q->held);
    q->held = NULL;
    q->held_count = 0;
    q->held_used = 0;
    return dropped;
}

void
feed_queue_take_held(struct feed_queue *q, feed_queue_record_fn fn, void *arg)
{
    for (size_t i = 0; i < q->held_count; i++) {
        struct slice records = slice_of(q->held[i].data, q->held[i].len);
        struct slice body;
        uint8_t type;
        while (feed_frame_next(&records, &type, &body))
            fn(arg, type, body);
    }
    (void)feed_queue_release(q, false);
}

uint64_t
feed_queue_done_ticket(const struct feed_queue *q)
{
    uint64_t oldest = q->last_ticket + 1;
    if (q->open.records > 0)
        oldest = q->open.ticket;
    if (q->count > 0 && feed_queue_at(q, 0)->ticket < oldest)
        oldest = feed_queue_at(q, 0)->ticket;
    /* what was kept has older tickets than the preamble it stands behind */
    if (q->count > q->preamble_left && feed_queue_at(q, q->preamble_left)->ticket < oldest)
        oldest = feed_queue_at(q, q->preamble_left)->ticket;
    if (q->held_count > 0 && q->held[0].ticket < oldest)
        oldest = q->held[0].ticket;
    return oldest - 1;
}
