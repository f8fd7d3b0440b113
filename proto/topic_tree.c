/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The route tree: one node a level, children as in topic_children.h. Level texts come from
 * strangers, so their hash is keyed; nothing recurses: the deepest walk is LIMITS_FILTER_LEVELS.
 */
#include "proto/topic_tree.h"

#include "common/hash.h"
#include "common/mem.h"
#include "proto/limits.h"
#include "proto/topic_children.h"

#include <assert.h>
#include <string.h>

#define LEVELS_MAX LIMITS_FILTER_LEVELS

struct topic_tree {
    struct topic_children *root; /* never NULL */
    size_t cap;
    size_t count;
    size_t bytes;
    size_t depth; /* no filter has had more levels */
    uint64_t key[2];
};

/* -Wpedantic knows no 128 bit integers; only a typedef can carry __extension__. */
__extension__ typedef unsigned __int128 u128;

/* Keyed: without the key nobody can choose levels that collide. Short levels (nearly all) take one
 * 128 bit multiplication; long ones SipHash. */
static inline uint32_t
level_hash(const struct topic_tree *tree, const uint8_t *text, size_t len)
{
    uint64_t a = 0;
    uint64_t b = 0;
    if (len > 16) {
        a = hash_local(text, len);
    } else if (len >= 8) {
        memcpy(&a, text, 8);
        memcpy(&b, text + len - 8, 8);
    } else if (len >= 4) {
        uint32_t low;
        uint32_t high;
        memcpy(&low, text, 4);
        memcpy(&high, text + len - 4, 4);
        a = low;
        b = high;
    } else if (len > 0) {
        a = (uint64_t)text[0] << 16 | (uint64_t)text[len / 2] << 8 | text[len - 1];
    }
    u128 product = (u128)(a ^ tree->key[0]) * (b ^ tree->key[1] ^ (uint64_t)len << 56);
    uint64_t folded = (uint64_t)product ^ (uint64_t)(product >> 64);
    return (uint32_t)(folded ^ folded >> 32);
}

static size_t
node_size(size_t text_len)
{
    return offsetof(struct topic_node, text) + text_len;
}

static struct topic_node *
node_new(struct topic_tree *tree, const struct topic_level *level)
{
    size_t size = node_size(level->len);
    struct topic_node *node = mem_alloc(size);
    tree->bytes += size;
    node->value = NULL;
    node->children = NULL;
    node->len = level->len;
    node->is_filter = false;
    memcpy(node->text, level->text, level->len);
    return node;
}

static void
node_free(struct topic_tree *tree, struct topic_node *node)
{
    tree->bytes -= node_size(node->len);
    mem_free(node);
}

static inline bool
level_is(const struct topic_level *level, char wildcard)
{
    return level->len == 1 && level->text[0] == (uint8_t)wildcard;
}

/* Splits off at most max levels; the result is more than max if there are more. */
static size_t
split(const struct topic_tree *tree, struct slice topic, struct topic_level *levels, size_t max)
{
    const uint8_t *start = topic.data;
    const uint8_t *end = topic.data + topic.len;
    size_t count = 0;
    for (;;) {
        if (count == max)
            return max + 1;
        const uint8_t *p = start;
        while (p < end && *p != '/')
            p++;
        size_t len = (size_t)(p - start);
        levels[count++] = (struct topic_level){start, (uint16_t)len, level_hash(tree, start, len)};
        if (p == end)
            return count;
        start = p + 1;
    }
}

/* Child of this name, or NULL. *place is its index in the arrays, cap for '+' and '#'. */
static struct topic_node *
child_get(const struct topic_children *c, const struct topic_level *level, uint32_t *place)
{
    *place = c->cap;
    if (level_is(level, '+'))
        return c->plus;
    if (level_is(level, '#'))
        return c->many;
    *place = topic_children_find(c, level);
    return *place == c->cap ? NULL : c->places[*place];
}

struct topic_tree *
topic_tree_new(size_t cap)
{
    struct topic_tree *tree = mem_zalloc(sizeof(*tree));
    tree->cap = cap;
    tree->key[0] = hash_local("topic_tree 0", 12);
    tree->key[1] = hash_local("topic_tree 1", 12);
    tree->bytes = sizeof(*tree);
    tree->root = topic_children_new(&tree->bytes, 0);
    return tree;
}

size_t
topic_tree_count(const struct topic_tree *tree)
{
    return tree->count;
}

size_t
topic_tree_bytes(const struct topic_tree *tree)
{
    return tree->bytes;
}

void **
topic_tree_get(const struct topic_tree *tree, struct slice filter)
{
    struct topic_level levels[LEVELS_MAX];
    if (filter.len == 0 || filter.len > LIMITS_TOPIC)
        return NULL;
    size_t count = split(tree, filter, levels, LEVELS_MAX);
    if (count > LEVELS_MAX)
        return NULL;
    const struct topic_children *c = tree->root;
    struct topic_node *node = NULL;
    for (size_t i = 0; i < count; i++) {
        uint32_t place;
        node = c == NULL ? NULL : child_get(c, &levels[i], &place);
        if (node == NULL)
            return NULL;
        c = node->children;
    }
    return node != NULL && node->is_filter ? &node->value : NULL;
}

void **
topic_tree_add(struct topic_tree *tree, struct slice filter)
{
    void **found = topic_tree_get(tree, filter);
    if (found != NULL)
        return found;
    struct topic_level levels[LEVELS_MAX];
    if (filter.len == 0 || filter.len > LIMITS_TOPIC || tree->count >= tree->cap)
        return NULL;
    size_t count = split(tree, filter, levels, LEVELS_MAX);
    if (count > LEVELS_MAX)
        return NULL;
    struct topic_children **at = &tree->root;
    struct topic_node *node = NULL;
    for (size_t i = 0; i < count; i++) {
        uint32_t place;
        if (*at == NULL)
            *at = topic_children_new(
                &tree->bytes, level_is(&levels[i], '+') || level_is(&levels[i], '#') ? 0 : 1);
        node = child_get(*at, &levels[i], &place);
        if (node == NULL) {
            node = node_new(tree, &levels[i]);
            if (level_is(&levels[i], '+')) {
                (*at)->plus = node;
            } else if (level_is(&levels[i], '#')) {
                (*at)->many = node;
            } else {
                topic_children_make_room(&tree->bytes, at);
                topic_children_insert(*at, node, levels[i].hash);
            }
        }
        at = &node->children;
    }
    assert(node != NULL); /* split gives at least one level */
    node->is_filter = true;
    tree->count++;
    if (count > tree->depth)
        tree->depth = count;
    return &node->value;
}

/* Takes the node out of *at (which is freed when it becomes empty, unless it is the root's). */
static void
child_remove(struct topic_tree *tree, struct topic_children **at, struct topic_node *node,
             uint32_t place)
{
    if ((*at)->plus == node)
        (*at)->plus = NULL;
    else if ((*at)->many == node)
        (*at)->many = NULL;
    else
        topic_children_drop(*at, place);
    node_free(tree, node);
}

void *
topic_tree_remove(struct topic_tree *tree, struct slice filter)
{
    struct topic_level levels[LEVELS_MAX];
    struct topic_children **path[LEVELS_MAX + 1];
    struct topic_node *nodes[LEVELS_MAX];
    uint32_t places[LEVELS_MAX];
    if (filter.len == 0 || filter.len > LIMITS_TOPIC)
        return NULL;
    size_t count = split(tree, filter, levels, LEVELS_MAX);
    if (count > LEVELS_MAX)
        return NULL;
    path[0] = &tree->root;
    for (size_t i = 0; i < count; i++) {
        nodes[i] = *path[i] == NULL ? NULL : child_get(*path[i], &levels[i], &places[i]);
        if (nodes[i] == NULL)
            return NULL;
        path[i + 1] = &nodes[i]->children;
    }
    assert(count > 0); /* split gives at least one level */
    struct topic_node *last = nodes[count - 1];
    if (!last->is_filter)
        return NULL;
    void *value = last->value;
    last->value = NULL;
    last->is_filter = false;
    tree->count--;
    for (size_t i = count; i-- > 0 && nodes[i]->children == NULL && !nodes[i]->is_filter;) {
        child_remove(tree, path[i], nodes[i], places[i]);
        topic_children_shrink(&tree->bytes, path[i]);
    }
    if (tree->root == NULL)
        tree->root = topic_children_new(&tree->bytes, 0);
    return value;
}

/* fn NULL: only look whether there is a hit. */
static size_t
match(const struct topic_tree *tree, struct slice topic, topic_tree_match_fn fn, void *arg)
{
    struct topic_level levels[LEVELS_MAX + 1];
    /* Each step takes one off and puts two on at most, and a step down is a level: depth + 1. */
    struct {
        const struct topic_children *children;
        size_t level;
    } stack[LEVELS_MAX + 2];
    size_t top = 0;
    size_t hits = 0;
    if (topic.len == 0 || topic.len > LIMITS_TOPIC || tree->count == 0)
        return 0;
    size_t count = split(tree, topic, levels, tree->depth);
    bool wildcards = topic.data[0] != '$';
    stack[top].children = tree->root;
    stack[top++].level = 0;
    while (top > 0) {
        const struct topic_children *c = stack[--top].children;
        size_t level = stack[top].level;
        struct topic_node *next[2] = {NULL, NULL};
        /* Only at the root can wildcards be off: below it they were passed or not. */
        if (wildcards || level > 0) {
            const struct topic_node *many = c->many;
            if (many != NULL && many->value != NULL) {
                hits++;
                if (fn == NULL)
                    return hits;
                fn(arg, many->value);
            }
            if (level < count)
                next[0] = c->plus;
        }
        if (level >= count)
            continue;
        if (level < tree->depth && c->count > 0) {
            uint32_t place = topic_children_find(c, &levels[level]);
            if (place != c->cap)
                next[1] = c->places[place];
        }
        level++;
        for (size_t i = 0; i < 2; i++) {
            if (next[i] == NULL)
                continue;
            if (level == count && next[i]->value != NULL) {
                hits++;
                if (fn == NULL)
                    return hits;
                fn(arg, next[i]->value);
            }
            if (next[i]->children != NULL) {
                assert(top < LEVELS_MAX + 2);
                stack[top].children = next[i]->children;
                stack[top++].level = level;
            }
        }
    }
    return hits;
}

size_t
topic_tree_match(const struct topic_tree *tree, struct slice topic, topic_tree_match_fn fn,
                 void *arg)
{
    assert(fn != NULL);
    return match(tree, topic, fn, arg);
}

bool
topic_tree_has_match(const struct topic_tree *tree, struct slice topic)
{
    return match(tree, topic, NULL, NULL) > 0;
}

/* One level of a walk over everything: index counts down over the places, then '+', then '#'. */
struct walk {
    struct topic_children **children;
    struct topic_node *node; /* the child we are in */
    uint32_t index;
    uint32_t text_len; /* of the filter before this level */
};

#define WALK_PLUS 1u
#define WALK_MANY 0u

static struct topic_node *
walk_child(const struct walk *w)
{
    const struct topic_children *c = *w->children;
    if (w->index == WALK_MANY)
        return c->many;
    if (w->index == WALK_PLUS)
        return c->plus;
    struct topic_node *node = c->places[w->index - 2];
    return node == &topic_children_tomb ? NULL : node;
}

/* Walks all nodes, a filter before those below it; it goes from
 * the end of each block to the start, which topic_children_drop allows for. */
static void
walk_tree(struct topic_tree *tree, topic_tree_each_fn fn, void *arg, bool prune)
{
    struct walk stack[LEVELS_MAX + 1];
    uint8_t *text = mem_alloc(LIMITS_TOPIC + 1);
    size_t top = 0;
    stack[0] = (struct walk){&tree->root, NULL, tree->root->cap + 2, 0};
    for (;;) {
        struct walk *w = &stack[top];
        if (w->node != NULL) {
            /* Back from the children of this node: it goes when nothing is left of it. */
            if (prune && w->node->children == NULL && !w->node->is_filter)
                child_remove(tree, w->children, w->node, w->index < 2 ? 0 : w->index - 2);
            w->node = NULL;
        }
        if (w->index == 0) {
            if (prune)
                topic_children_shrink(&tree->bytes, w->children);
            if (top == 0)
                break;
            top--;
            continue;
        }
        w->index--;
        struct topic_node *node = walk_child(w);
        if (node == NULL)
            continue;
        uint32_t len = w->text_len;
        if (top > 0)
            text[len++] = '/';
        memcpy(text + len, node->text, node->len);
        len += node->len;
        if (node->is_filter && !fn(arg, slice_of(text, len), &node->value) && prune) {
            node->is_filter = false;
            node->value = NULL;
            tree->count--;
        }
        w->node = node;
        if (node->children != NULL)
            stack[++top] = (struct walk){&node->children, NULL, node->children->cap + 2, len};
    }
    mem_free(text);
    if (tree->root == NULL)
        tree->root = topic_children_new(&tree->bytes, 0);
}

void
topic_tree_each(const struct topic_tree *tree, topic_tree_each_fn fn, void *arg)
{
    /* Without prune the walk writes nothing. */
    walk_tree((struct topic_tree *)(uintptr_t)tree, fn, arg, false);
}

void
topic_tree_prune(struct topic_tree *tree, topic_tree_each_fn fn, void *arg)
{
    walk_tree(tree, fn, arg, true);
}

struct free_value {
    topic_tree_free_fn fn;
    void *arg;
};

static bool
free_one(void *arg, struct slice filter, void **value)
{
    const struct free_value *f = arg;
    (void)filter;
    if (f->fn != NULL && *value != NULL)
        f->fn(f->arg, *value);
    return false;
}

void
topic_tree_free(struct topic_tree *tree, topic_tree_free_fn free_value, void *arg)
{
    if (tree == NULL)
        return;
    struct free_value f = {free_value, arg};
    topic_tree_prune(tree, free_one, &f);
    topic_children_free(&tree->bytes, tree->root);
    mem_free(tree);
}
