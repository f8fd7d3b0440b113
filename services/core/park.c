/* SPDX-License-Identifier: Apache-2.0 */
/* One allocation an item: parking is the exception, not the way of every record. */
#include "services/core/park.h"

#include "common/mem.h"
#include <assert.h>

void
park_init(struct park *park)
{
    *park = (struct park){0};
    park->tail = &park->head;
}

void
park_fini(struct park *park)
{
    while (park->head != NULL)
        park_drop(park);
}

void
park_put(struct park *park, uint8_t type, uint64_t tag, const struct slice *parts, size_t n)
{
    struct park_item *item;
    size_t len = 0, at = 0, i;
    for (i = 0; i < n; i++)
        len += parts[i].len;
    assert(len <= UINT32_MAX);
    item = mem_alloc(sizeof(*item) + len);
    *item = (struct park_item){.tag = tag, .len = (uint32_t)len, .type = type};
    for (i = 0; i < n; i++) {
        if (parts[i].len != 0)
            memcpy(item->bytes + at, parts[i].data, parts[i].len);
        at += parts[i].len;
    }
    *park->tail = item;
    park->tail = &item->next;
    park->count++;
    park->bytes += sizeof(*item) + len;
}

void
park_join(struct park *park, struct park *from)
{
    if (from->head == NULL)
        return;
    *park->tail = from->head;
    park->tail = from->tail;
    park->count += from->count;
    park->bytes += from->bytes;
    park_init(from);
}

void
park_drop(struct park *park)
{
    struct park_item *item = park->head;
    assert(item != NULL);
    park->head = item->next;
    if (park->head == NULL)
        park->tail = &park->head;
    park->count--;
    park->bytes -= sizeof(*item) + item->len;
    mem_free(item);
}
