/* SPDX-License-Identifier: Apache-2.0 */
/* The frames of one direction that are not done: records gather in an open frame, closed frames
 * stand in the order in which they go out, frames of a former session wait apart (held). It bounds
 * their bytes and hands out tickets; sequence numbers and acknowledgement are feed_window.c's. */
#ifndef SLUICE_COMMON_FEED_QUEUE_H
#define SLUICE_COMMON_FEED_QUEUE_H

#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Counted per frame beside its bytes, so that tiny frames are bounded too. */
#define FEED_QUEUE_FRAME_CHARGE 128u

struct feed_queue_frame {
    uint8_t *data; /* records, as in feed_frame.h */
    size_t len;
    size_t size;
    uint64_t ticket;
    uint32_t records;
    bool preamble; /* belongs to one session only */
    bool easy;     /* all its records are (feed_window.h) */
};

/* Zeroed, then feed_queue_init. Fields are read through the functions. */
struct feed_queue {
    size_t frame_bytes;
    struct feed_queue_frame *ring;
    size_t head, count, slots; /* slots is a power of two */
    size_t preamble_left;      /* frames at the front that are preamble */
    struct feed_queue_frame *held;
    size_t held_count;
    struct feed_queue_frame open; /* records > 0: gathering */
    size_t first_size;            /* of a new frame's memory: as long as the last one was */
    size_t used;                  /* charge of ring and open */
    size_t held_used;
    uint64_t last_ticket;
};

void feed_queue_init(struct feed_queue *queue, size_t frame_bytes);
void feed_queue_fini(struct feed_queue *queue);

/* Bytes that appending a body of `body` bytes will add to `used`; may close the open frame. */
size_t feed_queue_charge(struct feed_queue *queue, size_t body);
/* Appends one record of `body` bytes, joined from the parts; returns its ticket. Call
 * feed_queue_charge first and decide whether it fits. */
uint64_t feed_queue_append(struct feed_queue *queue, uint8_t type, const struct slice *parts,
                           size_t n, size_t body, bool preamble, bool easy);
/* Moves the open frame to the end of the ring, if it has records. */
void feed_queue_close_frame(struct feed_queue *queue);

/* The index-th closed frame; borrowed until the next change. */
const struct feed_queue_frame *feed_queue_at(const struct feed_queue *queue, size_t index);
/* Frees the first. */
void feed_queue_pop(struct feed_queue *queue);

/* Takes everything apart for the next session; frames of a preamble are freed. */
void feed_queue_hold(struct feed_queue *queue);
/* What is held follows the ring (keep) or is freed. Returns the records freed. */
size_t feed_queue_release(struct feed_queue *queue, bool keep);

/* Gives each record of what is held, in order, and frees it. */
typedef void (*feed_queue_record_fn)(void *arg, uint8_t type, struct slice body);
void feed_queue_take_held(struct feed_queue *queue, feed_queue_record_fn fn, void *arg);

/* Every ticket up to this one has been popped or freed. */
uint64_t feed_queue_done_ticket(const struct feed_queue *queue);

#endif
