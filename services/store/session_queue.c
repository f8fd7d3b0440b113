/* SPDX-License-Identifier: Apache-2.0 */
/* What memory knows of a session's queue; see session_queue.h. The ring holds rising sequence
 * numbers without holes made by removal (those stay as GONE until they are the oldest), so that a
 * number is found by binary search. */
#include "services/store/session_queue.h"

#include "common/mem.h"
#include "proto/feed_records.h"

#include <assert.h>
#include <string.h>

#define RING_FIRST 8u

static struct session_queue_entry *
at(const struct session_queue *queue, uint32_t index)
{
    return &queue->ring[(queue->first + index) & (queue->ring_size - 1)];
}

const struct session_queue_entry *
session_queue_at(const struct session_queue *queue, uint32_t index)
{
    assert(index < queue->used);
    return at(queue, index);
}

static void
release(struct session_queue *queue, struct session_queue_entry *entry)
{
    if (entry->body != NULL)
        queue->memory_bytes -= entry->body->len;
    body_unref(entry->body);
    mem_free(entry->ids);
    entry->body = NULL;
    entry->ids = NULL;
    entry->id_count = 0;
}

void
session_queue_init(struct session_queue *queue, uint64_t next_seq)
{
    *queue = (struct session_queue){.next_seq = next_seq, .disk_from = next_seq};
}

static void
drop_ring(struct session_queue *queue)
{
    uint32_t i;
    for (i = 0; i < queue->used; i++)
        release(queue, at(queue, i));
    mem_free(queue->ring);
    queue->ring = NULL;
    queue->ring_size = 0;
    queue->first = 0;
    queue->used = 0;
    queue->pushed = 0;
    queue->in_flight = 0;
    queue->alive = 0;
}

void
session_queue_fini(struct session_queue *queue)
{
    drop_ring(queue);
}

bool
session_queue_has_room(const struct session_queue *queue, size_t len, uint64_t count_max,
                       uint64_t bytes_max)
{
    if (count_max != 0 && queue->count >= count_max)
        return false;
    return bytes_max == 0 || (queue->bytes <= bytes_max && len <= bytes_max - queue->bytes);
}

static void
grow(struct session_queue *queue)
{
    uint32_t size = queue->ring_size == 0 ? RING_FIRST : queue->ring_size * 2;
    struct session_queue_entry *ring = mem_alloc((size_t)size * sizeof(*ring));
    uint32_t i;
    for (i = 0; i < queue->used; i++)
        ring[i] = *at(queue, i);
    mem_free(queue->ring);
    queue->ring = ring;
    queue->ring_size = size;
    queue->first = 0;
}

static bool
memory_has_room(const struct session_queue *queue)
{
    return queue->used - queue->pushed < SESSION_QUEUE_MEMORY_COUNT &&
           queue->memory_bytes < SESSION_QUEUE_MEMORY_BYTES;
}

/* Takes the body. */
static struct session_queue_entry *
put(struct session_queue *queue, uint64_t seq, struct body *body, const uint32_t *ids,
    uint8_t id_count)
{
    struct session_queue_entry *entry;
    if (queue->used == queue->ring_size)
        grow(queue);
    entry = at(queue, queue->used++);
    *entry = (struct session_queue_entry){.seq = seq, .body = body, .id_count = id_count};
    if (id_count != 0)
        entry->ids = mem_dup(ids, id_count * sizeof(*ids));
    queue->alive++;
    queue->memory_bytes += body != NULL ? body->len : 0;
    queue->disk_from = seq + 1;
    return entry;
}

uint64_t
session_queue_append(struct session_queue *queue, struct body *body, uint64_t batch, uint8_t qos,
                     bool retain, const uint32_t *ids, uint8_t id_count, bool keep)
{
    uint64_t seq = queue->next_seq++;
    if (queue->count == 0)
        queue->drop_from = seq;
    queue->count++;
    queue->bytes += body->len;
    if (keep && queue->disk_from == seq && memory_has_room(queue)) {
        struct session_queue_entry *entry = put(queue, seq, body_ref(body), ids, id_count);
        entry->batch = batch;
        entry->qos = qos;
        entry->retain = retain;
    } else if (queue->count == 1) {
        queue->disk_from = seq; /* nothing older is left to read */
    }
    return seq;
}

void
session_queue_read_back(struct session_queue *queue, uint64_t seq, struct body *body, uint8_t qos,
                        bool retain, bool recorded, const uint32_t *ids, uint8_t id_count)
{
    struct session_queue_entry *entry;
    assert(seq >= queue->disk_from && seq < queue->next_seq);
    entry = put(queue, seq, body, ids, id_count);
    entry->qos = qos;
    entry->retain = retain;
    entry->recorded_before = recorded;
}

void
session_queue_read_to(struct session_queue *queue, uint64_t seq)
{
    if (seq > queue->disk_from && seq <= queue->next_seq)
        queue->disk_from = seq;
    if (queue->used == 0)
        queue->drop_from = queue->disk_from;
}

bool
session_queue_wants_disk(const struct session_queue *queue)
{
    return queue->disk_from < queue->next_seq && queue->pushed == queue->used;
}

/* Whether a message in flight has the packet id that seq would get. Only when numbers in flight
 * span more than 65535 (restarts lie between them) anything has to be looked at. */
static bool
packet_id_is_taken(const struct session_queue *queue, uint64_t seq)
{
    uint32_t i;
    if (queue->in_flight == 0 || seq - at(queue, 0)->seq < 65535)
        return false;
    for (i = 0; i < queue->pushed; i++) {
        const struct session_queue_entry *entry = at(queue, i);
        if (entry->state != SESSION_QUEUE_GONE && FEED_PACKET_ID(entry->seq) == FEED_PACKET_ID(seq))
            return true;
    }
    return false;
}

static void
drop_gone(struct session_queue *queue)
{
    while (queue->used != 0 && at(queue, 0)->state == SESSION_QUEUE_GONE) {
        queue->first = (queue->first + 1) & (queue->ring_size - 1);
        queue->used--;
        if (queue->pushed != 0)
            queue->pushed--;
    }
    queue->drop_from = queue->used != 0 ? at(queue, 0)->seq : queue->disk_from;
    if (queue->used == 0 && queue->ring_size > 64) {
        mem_free(queue->ring);
        queue->ring = NULL;
        queue->ring_size = 0;
        queue->first = 0;
    }
}

struct session_queue_entry *
session_queue_next(struct session_queue *queue, uint32_t window, uint64_t committed)
{
    struct session_queue_entry *entry;
    while (queue->pushed < queue->used && at(queue, queue->pushed)->state == SESSION_QUEUE_GONE)
        queue->pushed++;
    if (queue->pushed == queue->used || queue->in_flight >= window)
        return NULL;
    entry = at(queue, queue->pushed);
    if (entry->batch > committed || packet_id_is_taken(queue, entry->seq))
        return NULL;
    return entry;
}

struct session_queue_entry *
session_queue_oldest_waiting(struct session_queue *queue)
{
    uint32_t i;
    for (i = queue->pushed; i < queue->used; i++) {
        if (at(queue, i)->state == SESSION_QUEUE_WAITING)
            return at(queue, i);
    }
    return NULL;
}

bool
session_queue_set_pushed(struct session_queue *queue, struct session_queue_entry *entry)
{
    bool again = entry->seq <= queue->pushed_seq;
    assert(entry == at(queue, queue->pushed) && entry->state == SESSION_QUEUE_WAITING);
    entry->state = entry->recorded_before ? SESSION_QUEUE_RECORDED : SESSION_QUEUE_PUSHED;
    queue->pushed++;
    queue->in_flight++;
    if (!again)
        queue->pushed_seq = entry->seq;
    return again;
}

struct session_queue_entry *
session_queue_get(struct session_queue *queue, uint64_t seq)
{
    uint32_t low = 0;
    uint32_t high = queue->used;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct session_queue_entry *entry = at(queue, middle);
        if (entry->seq == seq)
            return entry->state != SESSION_QUEUE_GONE ? entry : NULL;
        if (entry->seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

void
session_queue_removed(struct session_queue *queue, struct session_queue_entry *entry, uint64_t len)
{
    if (entry != NULL)
        len = entry->body != NULL ? entry->body->len : 0;
    queue->count -= queue->count != 0 ? 1 : 0;
    queue->bytes -= len < queue->bytes ? len : queue->bytes;
    if (entry == NULL)
        return;
    queue->alive--;
    if (entry->state == SESSION_QUEUE_PUSHED || entry->state == SESSION_QUEUE_RECORDED)
        queue->in_flight--;
    entry->state = SESSION_QUEUE_GONE;
    release(queue, entry);
    drop_gone(queue);
}

void
session_queue_set_recorded(struct session_queue *queue, struct session_queue_entry *entry)
{
    uint64_t len = entry->body != NULL ? entry->body->len : 0;
    queue->bytes -= len < queue->bytes ? len : queue->bytes;
    release(queue, entry);
    if (entry->state == SESSION_QUEUE_WAITING)
        entry->recorded_before = true; /* said by a former connection */
    else
        entry->state = SESSION_QUEUE_RECORDED;
}

void
session_queue_rewind(struct session_queue *queue)
{
    for (uint32_t i = 0; i < queue->pushed; i++) {
        struct session_queue_entry *entry = at(queue, i);
        if (entry->state == SESSION_QUEUE_GONE)
            continue;
        entry->recorded_before |= entry->state == SESSION_QUEUE_RECORDED;
        entry->state = SESSION_QUEUE_WAITING;
    }
    queue->pushed = 0;
    queue->in_flight = 0;
}

void
session_queue_forget(struct session_queue *queue)
{
    drop_ring(queue);
    queue->disk_from = queue->count == 0 ? queue->next_seq : queue->drop_from;
}

void
session_queue_resume(struct session_queue *queue, uint64_t seq)
{
    while (queue->pushed < queue->used && at(queue, queue->pushed)->seq <= seq) {
        struct session_queue_entry *entry = at(queue, queue->pushed);
        if (entry->state == SESSION_QUEUE_WAITING) {
            entry->state = entry->recorded_before ? SESSION_QUEUE_RECORDED : SESSION_QUEUE_PUSHED;
            queue->in_flight++;
        }
        queue->pushed++;
    }
    if (seq > queue->pushed_seq)
        queue->pushed_seq = seq;
}
