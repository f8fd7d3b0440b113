/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growing, shrinking and changing the children of a node. Searching is inline in the header.
 */
#include "proto/topic_children.h"

#include "common/mem.h"

#include <assert.h>

struct topic_node topic_children_tomb;

static size_t
size_of(uint32_t cap)
{
    return sizeof(struct topic_children) +
           (size_t)cap * (sizeof(struct topic_node *) + sizeof(uint32_t));
}

void
topic_children_insert(struct topic_children *c, struct topic_node *node, uint32_t hash)
{
    uint32_t at = c->count;
    if (c->cap > TOPIC_CHILDREN_SMALL) {
        uint32_t mask = c->cap - 1;
        at = hash & mask;
        while (c->places[at] != NULL)
            at = (at + 1) & mask;
    }
    c->places[at] = node;
    topic_children_hashes(c)[at] = hash;
    c->count++;
    c->used++;
}

struct topic_children *
topic_children_new(size_t *bytes, uint32_t cap)
{
    *bytes += size_of(cap);
    struct topic_children *c = mem_zalloc(size_of(cap));
    c->cap = cap;
    return c;
}

void
topic_children_free(size_t *bytes, struct topic_children *c)
{
    *bytes -= size_of(c->cap);
    mem_free(c);
}

static void
resize(size_t *bytes, struct topic_children **at, uint32_t cap)
{
    struct topic_children *old = *at;
    struct topic_children *c = topic_children_new(bytes, cap);
    c->plus = old->plus;
    c->many = old->many;
    for (uint32_t i = 0; i < old->cap; i++) {
        if (old->places[i] != NULL && old->places[i] != &topic_children_tomb)
            topic_children_insert(c, old->places[i], topic_children_hashes(old)[i]);
    }
    *at = c;
    topic_children_free(bytes, old);
}

/* Fitting capacity for count children: exact steps while packed, else at most half used. */
static uint32_t
cap_for(uint32_t count)
{
    if (count <= 1)
        return count;
    if (count <= TOPIC_CHILDREN_SMALL)
        return count <= 2 ? 2 : count <= 4 ? 4 : TOPIC_CHILDREN_SMALL;
    assert(count < UINT32_C(1) << 30);
    uint32_t cap = 2 * TOPIC_CHILDREN_SMALL;
    while (cap < count * 2)
        cap *= 2;
    return cap;
}

void
topic_children_make_room(size_t *bytes, struct topic_children **at)
{
    struct topic_children *c = *at;
    if (c->cap <= TOPIC_CHILDREN_SMALL) {
        if (c->count == c->cap)
            resize(bytes, at, cap_for(c->count + 1));
    } else if ((c->used + 1) > c->cap / 4 * 3) {
        /* With few tombs this doubles, with many it only sweeps them out. */
        resize(bytes, at, cap_for(c->count + c->count / 8 + 1));
    }
}

void
topic_children_shrink(size_t *bytes, struct topic_children **at)
{
    struct topic_children *c = *at;
    if (c->count == 0 && c->plus == NULL && c->many == NULL) {
        *at = NULL;
        topic_children_free(bytes, c);
    } else if (c->count <= c->cap / 8 ||
               (c->cap <= TOPIC_CHILDREN_SMALL && c->count <= c->cap / 4)) {
        if (cap_for(c->count) < c->cap)
            resize(bytes, at, cap_for(c->count));
    }
}

void
topic_children_drop(struct topic_children *c, uint32_t place)
{
    uint32_t *hashes = topic_children_hashes(c);
    c->count--;
    if (c->cap <= TOPIC_CHILDREN_SMALL) {
        memmove(c->places + place, c->places + place + 1,
                (c->count - place) * sizeof(struct topic_node *));
        memmove(hashes + place, hashes + place + 1, (c->count - place) * sizeof(hashes[0]));
        c->places[c->count] = NULL;
        c->used--;
    } else if (c->places[(place + 1) & (c->cap - 1)] == NULL) {
        c->places[place] = NULL;
        c->used--;
    } else {
        c->places[place] = &topic_children_tomb;
    }
}
