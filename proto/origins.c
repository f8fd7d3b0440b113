/* SPDX-License-Identifier: Apache-2.0 */
/* Token sets by origin; see origins.h. */
#include "proto/origins.h"

#include "common/mem.h"
#include "common/table.h"
#include "proto/token_set.h"

struct origin {
    uint64_t number;
    UT_hash_handle hh;
    struct token_set *set;
    uint64_t used_ms;
    struct origin *dirty_next;
    bool dirty;
};

struct origins {
    struct origin *all;
    struct origin *dirty;
    struct origin *last; /* the one asked for before */
    size_t cap;
};

struct origins *
origins_new(size_t cap)
{
    struct origins *origins = mem_zalloc(sizeof(*origins));
    origins->cap = cap;
    return origins;
}

static void
remove_origin(struct origins *origins, struct origin *origin)
{
    HASH_DEL(origins->all, origin);
    if (origins->last == origin)
        origins->last = NULL;
    token_set_free(origin->set);
    mem_free(origin);
}

void
origins_free(struct origins *origins)
{
    struct origin *origin;
    struct origin *next;
    if (origins == NULL)
        return;
    HASH_ITER(hh, origins->all, origin, next)
    {
        remove_origin(origins, origin);
    }
    mem_free(origins);
}

static struct origin *
get_origin(struct origins *origins, uint64_t number)
{
    struct origin *origin = origins->last;
    if (origin != NULL && origin->number == number)
        return origin;
    HASH_FIND(hh, origins->all, &number, sizeof(number), origin);
    if (origin != NULL)
        origins->last = origin;
    return origin;
}

static struct origin *
add_origin(struct origins *origins, uint64_t number, struct token_set *set)
{
    struct origin *origin = mem_zalloc(sizeof(*origin));
    origin->number = number;
    origin->set = set;
    HASH_ADD(hh, origins->all, number, sizeof(origin->number), origin);
    return origin;
}

enum err
origins_take(struct origins *origins, uint64_t number, uint64_t token, uint64_t floor,
             uint64_t now_ms, bool *seen)
{
    struct origin *origin = get_origin(origins, number);
    enum err err;
    if (origin == NULL) {
        if (HASH_COUNT(origins->all) >= origins->cap)
            return ERR_QUOTA;
        origin = add_origin(origins, number, token_set_new());
    }
    origin->used_ms = now_ms;
    token_set_raise(origin->set, floor);
    err = token_set_add(origin->set, token, seen);
    if (err == OK && !*seen && !origin->dirty) {
        origin->dirty = true;
        origin->dirty_next = origins->dirty;
        origins->dirty = origin;
    }
    return err;
}

enum err
origins_load(struct origins *origins, uint64_t number, struct slice encoded, uint64_t now_ms)
{
    struct token_set *set;
    enum err err;
    if (get_origin(origins, number) != NULL)
        return ERR_MALFORMED;
    if (HASH_COUNT(origins->all) >= origins->cap)
        return ERR_QUOTA;
    err = token_set_decode(encoded, &set);
    if (err != OK)
        return err;
    add_origin(origins, number, set)->used_ms = now_ms;
    return OK;
}

void
origins_flush(struct origins *origins, origins_fn fn, void *arg)
{
    struct buf encoded;
    if (origins->dirty == NULL)
        return;
    buf_init(&encoded, TOKEN_SET_ENCODED_MAX);
    while (origins->dirty != NULL) {
        struct origin *origin = origins->dirty;
        origins->dirty = origin->dirty_next;
        origin->dirty_next = NULL;
        origin->dirty = false;
        buf_reset(&encoded);
        token_set_encode(origin->set, &encoded);
        fn(arg, origin->number, buf_slice(&encoded));
    }
    buf_fini(&encoded);
}

void
origins_forget(struct origins *origins, uint64_t now_ms, uint64_t idle_ms, origins_keep_fn keep,
               origins_fn fn, void *arg)
{
    struct origin *origin;
    struct origin *next;
    HASH_ITER(hh, origins->all, origin, next)
    {
        if (origin->dirty || now_ms < origin->used_ms || now_ms - origin->used_ms < idle_ms)
            continue;
        if (keep(arg, origin->number)) {
            origin->used_ms = now_ms;
            continue;
        }
        fn(arg, origin->number, slice_of(NULL, 0));
        remove_origin(origins, origin);
    }
}

size_t
origins_count(const struct origins *origins)
{
    return HASH_COUNT(origins->all);
}
