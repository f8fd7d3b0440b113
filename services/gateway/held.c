/* SPDX-License-Identifier: Apache-2.0 */
/* See held.h. */
#include "services/gateway/held.h"

#include <string.h>

#include "common/mem.h"

void
held_init(struct held *held, size_t cap_bytes)
{
    *held = (struct held){.cap = cap_bytes};
    held->tail = &held->head;
}

void
held_fini(struct held *held)
{
    while (held->head != NULL)
        held_pop(held);
}

enum err
held_add(struct held *held, uint8_t type, bool control, const struct slice *parts, size_t n)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++)
        len += parts[i].len;
    size_t cost = sizeof(struct held_record) + len;
    size_t cap = control ? held->cap * 2 : held->cap;
    if (held->bytes > cap || cost > cap - held->bytes)
        return ERR_BUSY;
    struct held_record *record = mem_alloc(cost);
    record->next = NULL;
    record->len = (uint32_t)len;
    record->type = type;
    record->control = control;
    uint8_t *to = record->body;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].len > 0)
            memcpy(to, parts[i].data, parts[i].len);
        to += parts[i].len;
    }
    *held->tail = record;
    held->tail = &record->next;
    held->bytes += cost;
    held->count++;
    return OK;
}

const struct held_record *
held_first(const struct held *held)
{
    return held->head;
}

void
held_pop(struct held *held)
{
    struct held_record *record = held->head;
    held->head = record->next;
    if (held->head == NULL)
        held->tail = &held->head;
    held->bytes -= sizeof(*record) + record->len;
    held->count--;
    mem_free(record);
}

void
held_put_before(struct held *held, struct held *front)
{
    if (front->head == NULL)
        return;
    *front->tail = held->head;
    if (held->head == NULL)
        held->tail = front->tail;
    held->head = front->head;
    held->bytes += front->bytes;
    held->count += front->count;
    held_init(front, front->cap);
}

bool
held_is_heavy(const struct held *held)
{
    return held->bytes > held->cap / 2;
}
