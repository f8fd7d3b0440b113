/* SPDX-License-Identifier: Apache-2.0 */
/* See subscription_hits.h. */
#include "services/store/subscription_hits.h"

#include "common/hash.h"
#include "common/mem.h"
#include "services/store/sessions.h"

#include <string.h>

struct id_node {
    uint32_t id;
    uint32_t next;
};

struct subscription_hits {
    struct subscription_hit *list;
    size_t count;
    size_t size;
    struct id_node *ids;
    uint32_t id_count;
    uint32_t id_size;
    uint32_t *slots; /* open addressing: session -> hit + 1; used from the second filter on */
    size_t slot_size;
    unsigned filters;
};

struct subscription_hits *
subscription_hits_new(void)
{
    return mem_zalloc(sizeof(struct subscription_hits));
}

void
subscription_hits_free(struct subscription_hits *hits)
{
    mem_free(hits->list);
    mem_free(hits->ids);
    mem_free(hits->slots);
    mem_free(hits);
}

void
subscription_hits_clear(struct subscription_hits *hits)
{
    hits->count = 0;
    hits->id_count = 0;
    hits->filters = 0;
}

static size_t
slot_of(const struct subscription_hits *hits, const struct session *session)
{
    return hash_mix64(session->number) & (hits->slot_size - 1);
}

static void
slot_put(struct subscription_hits *hits, size_t hit)
{
    size_t slot = slot_of(hits, hits->list[hit].session);
    while (hits->slots[slot] != 0)
        slot = (slot + 1) & (hits->slot_size - 1);
    hits->slots[slot] = (uint32_t)hit + 1;
}

/* Makes the slots at least four times as many as there will be hits, and fills them. */
static void
slots_prepare(struct subscription_hits *hits, size_t more)
{
    size_t need = (hits->count + more) * 2;
    size_t i;
    if (need > hits->slot_size || hits->filters == 2) {
        size_t size = hits->slot_size == 0 ? 64 : hits->slot_size;
        while (size < need * 2)
            size *= 2;
        if (size != hits->slot_size) {
            mem_free(hits->slots);
            hits->slots = mem_zalloc_array(size, sizeof(*hits->slots));
            hits->slot_size = size;
        } else {
            memset(hits->slots, 0, size * sizeof(*hits->slots));
        }
        for (i = 0; i < hits->count; i++)
            slot_put(hits, i);
    }
}

static struct subscription_hit *
hit_find(struct subscription_hits *hits, const struct session *session)
{
    size_t slot = slot_of(hits, session);
    while (hits->slots[slot] != 0) {
        struct subscription_hit *hit = &hits->list[hits->slots[slot] - 1];
        if (hit->session == session)
            return hit;
        slot = (slot + 1) & (hits->slot_size - 1);
    }
    return NULL;
}

void
subscription_hits_add_id(struct subscription_hits *hits, struct subscription_hit *hit, uint32_t id)
{
    uint32_t node;
    if (id == 0 || hit->id_count == UINT8_MAX)
        return;
    if (hits->id_count == hits->id_size) {
        hits->id_size = hits->id_size == 0 ? 16 : hits->id_size * 2;
        hits->ids = mem_realloc_array(hits->ids, hits->id_size, sizeof(*hits->ids));
    }
    node = hits->id_count++;
    hits->ids[node] = (struct id_node){id, UINT32_MAX};
    if (hit->id_count == 0)
        hit->first_id = node;
    else
        hits->ids[hit->last_id].next = node;
    hit->last_id = node;
    hit->id_count++;
}

static struct subscription_hit *
hit_new(struct subscription_hits *hits, struct session *session)
{
    struct subscription_hit *hit;
    if (hits->count == hits->size) {
        hits->size = hits->size == 0 ? 16 : hits->size * 2;
        hits->list = mem_realloc_array(hits->list, hits->size, sizeof(*hits->list));
    }
    hit = &hits->list[hits->count];
    *hit = (struct subscription_hit){.session = session};
    if (hits->filters > 1)
        slot_put(hits, hits->count);
    hits->count++;
    return hit;
}

void
subscription_hits_filter(struct subscription_hits *hits, size_t count)
{
    hits->filters++;
    if (hits->filters > 1)
        slots_prepare(hits, count);
}

struct subscription_hit *
subscription_hits_of(struct subscription_hits *hits, struct session *session)
{
    struct subscription_hit *hit = hits->filters > 1 ? hit_find(hits, session) : NULL;
    return hit != NULL ? hit : hit_new(hits, session);
}

struct subscription_hit *
subscription_hits_list(struct subscription_hits *hits, size_t *count)
{
    *count = hits->count;
    return hits->list;
}

void
subscription_hits_ids(const struct subscription_hits *hits, const struct subscription_hit *hit,
                      uint32_t ids[255])
{
    uint32_t node = hit->first_id;
    unsigned i;
    for (i = 0; i < hit->id_count; i++) {
        ids[i] = hits->ids[node].id;
        node = hits->ids[node].next;
    }
}
