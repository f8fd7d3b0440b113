/* SPDX-License-Identifier: Apache-2.0 */
/* See departed.h. */
#include "services/gateway/departed.h"

#include "common/mem.h"

#include <string.h>

void
departed_init(struct departed *departed, size_t cap_bytes)
{
    *departed = (struct departed){.cap = cap_bytes};
    departed->tail = &departed->head;
}

static void
pop(struct departed *departed)
{
    struct departed_one *one = departed->head;
    departed->head = one->next;
    if (departed->head == NULL)
        departed->tail = &departed->head;
    departed->bytes -= sizeof(*one) + one->len;
    mem_free(one);
}

void
departed_fini(struct departed *departed)
{
    while (departed->head != NULL)
        pop(departed);
}

enum err
departed_add(struct departed *departed, uint64_t ticket, struct slice announcement)
{
    struct departed_one *one;
    size_t cost = sizeof(*one) + announcement.len;
    if (cost > departed->cap - departed->bytes || announcement.len > UINT32_MAX)
        return ERR_BUSY;
    one = mem_alloc(cost);
    *one = (struct departed_one){.ticket = ticket, .len = (uint32_t)announcement.len};
    memcpy(one->announcement, announcement.data, announcement.len);
    *departed->tail = one;
    departed->tail = &one->next;
    departed->bytes += cost;
    return OK;
}

void
departed_hold_all(struct departed *departed)
{
    for (struct departed_one *one = departed->head; one != NULL; one = one->next)
        one->ticket = DEPARTED_HELD;
}

void
departed_sent(struct departed *departed, uint64_t ticket)
{
    for (struct departed_one *one = departed->head; one != NULL; one = one->next)
        if (one->ticket == DEPARTED_HELD)
            one->ticket = ticket;
}

void
departed_done(struct departed *departed, uint64_t ticket)
{
    while (departed->head != NULL && departed->head->ticket <= ticket)
        pop(departed);
}
