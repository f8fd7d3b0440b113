/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The children of one node of the route tree; only topic_tree.c uses it. '+' and '#' have fixed
 * places; all others lie in two parallel arrays (pointers, 32 bit hashes), so that a search reads
 * hashes side by side and touches a node only when its hash fits. Up to TOPIC_CHILDREN_SMALL of
 * them lie packed and are searched straight; more make the arrays an open-addressed table (linear
 * probing, at most 3/4 used, a tomb for a removed child).
 */
#ifndef SLUICE_PROTO_TOPIC_CHILDREN_H
#define SLUICE_PROTO_TOPIC_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TOPIC_CHILDREN_SMALL 8u

/* One level of a filter. */
struct topic_node {
    void *value;                     /* the caller's; NULL unless is_filter */
    struct topic_children *children; /* owned; NULL: none */
    uint16_t len;
    bool is_filter; /* a filter ends here; else only on the way to others */
    uint8_t text[];
};

struct topic_children {
    struct topic_node *plus;
    struct topic_node *many;     /* '#' */
    uint32_t count;              /* children in the arrays */
    uint32_t used;               /* count and tombs */
    uint32_t cap;                /* places: packed up to SMALL, above a table of a power of two */
    struct topic_node *places[]; /* cap pointers, then cap hashes */
};

/* A level that is looked for. */
struct topic_level {
    const uint8_t *text; /* borrowed */
    uint16_t len;
    uint32_t hash;
};

/* Stands in a table where a child was removed in the middle of a run. */
extern struct topic_node topic_children_tomb;

/* New, with room for cap children. *bytes is kept at the number of bytes asked for. */
struct topic_children *topic_children_new(size_t *bytes, uint32_t cap);
/* Takes the block, not the nodes. */
void topic_children_free(size_t *bytes, struct topic_children *c);
/* Makes room for one more child; *at may move. */
void topic_children_make_room(size_t *bytes, struct topic_children **at);
/* Gives memory back when the block has become much too large; *at becomes NULL when nothing is
 * left in it. */
void topic_children_shrink(size_t *bytes, struct topic_children **at);
/* Adds a child that is not there yet; there must be room. */
void topic_children_insert(struct topic_children *c, struct topic_node *node, uint32_t hash);
/* Removes the child at this place. No child that lies before it moves, so a walk from the end to
 * the start may remove as it goes and sees every child once. */
void topic_children_drop(struct topic_children *c, uint32_t place);

static inline uint32_t *
topic_children_hashes(const struct topic_children *c)
{
    /* The arrays share one allocation; the cast drops only the const of the view. */
    return (uint32_t *)(uintptr_t)(c->places + c->cap);
}

static inline bool
topic_children_is(const struct topic_node *node, const struct topic_level *level)
{
    return node->len == level->len && memcmp(node->text, level->text, level->len) == 0;
}

/* Place of the child in the arrays, or cap. */
static inline uint32_t
topic_children_find(const struct topic_children *c, const struct topic_level *level)
{
    const uint32_t *hashes = topic_children_hashes(c);
    if (c->cap <= TOPIC_CHILDREN_SMALL) {
        for (uint32_t i = 0; i < c->count; i++) {
            if (hashes[i] == level->hash && topic_children_is(c->places[i], level))
                return i;
        }
        return c->cap;
    }
    uint32_t mask = c->cap - 1;
    for (uint32_t i = level->hash & mask; c->places[i] != NULL; i = (i + 1) & mask) {
        if (hashes[i] == level->hash && c->places[i] != &topic_children_tomb &&
            topic_children_is(c->places[i], level))
            return i;
    }
    return c->cap;
}

#endif
