/* SPDX-License-Identifier: Apache-2.0 */
/* See origins.h. */
#include "proto/origins.h"

#include "common/cursor.h"
#include "common/mem.h"
#include "common/table.h"
#include "proto/token_set.h"

struct origin {
    uint64_t number;
    UT_hash_handle hh;
    struct token_set *set;
    uint64_t era; /* newest; 0: none was told */
    uint64_t used_ms;
    struct origin *dirty_next;
    bool dirty;
};

struct origins {
    struct origin *all;
    struct origin *dirty;
    struct origin *last; /* the one asked for before: records come in runs of one origin */
    enum origins_kind kind;
    size_t cap;
    size_t with_era; /* origins with one: while there are none, QoS 0 costs no look-up */
};

struct origins *
origins_new(enum origins_kind kind, size_t cap)
{
    struct origins *origins = mem_zalloc(sizeof(*origins));
    origins->kind = kind;
    origins->cap = cap;
    return origins;
}

static void
remove_origin(struct origins *origins, struct origin *origin)
{
    HASH_DEL(origins->all, origin);
    if (origins->last == origin)
        origins->last = NULL;
    origins->with_era -= origin->era != 0;
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

/* Makes room for one more. */
static bool
has_room(struct origins *origins)
{
    struct origin *silent = origins->all, *o;
    if (HASH_COUNT(origins->all) < origins->cap)
        return true;
    if (origins->kind == ORIGINS_WRITTEN)
        return false;
    for (o = origins->all; o != NULL; o = o->hh.next) {
        if (o->used_ms < silent->used_ms)
            silent = o;
    }
    remove_origin(origins, silent);
    return true;
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

/* NULL: there are too many. */
static struct origin *
get_or_add(struct origins *origins, uint64_t number)
{
    struct origin *origin = get_origin(origins, number);
    if (origin == NULL && has_room(origins))
        origin = add_origin(origins, number, token_set_new());
    return origin;
}

static void
set_dirty(struct origins *origins, struct origin *origin)
{
    if (origins->kind != ORIGINS_WRITTEN || origin->dirty)
        return;
    origin->dirty = true;
    origin->dirty_next = origins->dirty;
    origins->dirty = origin;
}

static void
set_era(struct origins *origins, struct origin *origin, uint64_t era)
{
    origins->with_era += origin->era == 0 && era != 0;
    origin->era = era;
}

enum err
origins_take(struct origins *origins, uint64_t number, uint64_t token, uint64_t floor,
             uint64_t now_ms, bool *seen)
{
    struct origin *origin = get_or_add(origins, number);
    enum err err;
    if (origin == NULL)
        return ERR_QUOTA;
    origin->used_ms = now_ms;
    token_set_raise(origin->set, floor);
    err = token_set_add(origin->set, token, seen);
    if (err == OK && !*seen)
        set_dirty(origins, origin);
    return err;
}

bool
origins_has(struct origins *origins, uint64_t number, uint64_t token)
{
    const struct origin *origin = get_origin(origins, number);
    return origin != NULL && token_set_has(origin->set, token);
}

bool
origins_is_late(struct origins *origins, uint64_t number, uint64_t era, uint64_t now_ms)
{
    struct origin *origin;
    if (era == 0 && origins->with_era == 0)
        return false;
    origin = era == 0 ? get_origin(origins, number) : get_or_add(origins, number);
    if (origin == NULL)
        return false; /* too many: the cap is far above what an order of QoS 0 is worth */
    origin->used_ms = now_ms;
    if (era <= origin->era)
        return era < origin->era;
    set_era(origins, origin, era);
    set_dirty(origins, origin);
    return false;
}

enum err
origins_load(struct origins *origins, uint64_t number, struct slice encoded, uint64_t now_ms)
{
    struct cursor cursor = cursor_of(encoded);
    struct origin *origin;
    struct token_set *set;
    uint64_t era;
    enum err err;
    if (get_origin(origins, number) != NULL)
        return ERR_MALFORMED;
    if (!has_room(origins))
        return ERR_QUOTA;
    era = cursor_u64(&cursor);
    if (cursor.err != OK)
        return cursor.err;
    err = token_set_decode(cursor_rest(&cursor), &set);
    if (err != OK)
        return err;
    origin = add_origin(origins, number, set);
    origin->used_ms = now_ms;
    set_era(origins, origin, era);
    return OK;
}

void
origins_flush(struct origins *origins, origins_fn fn, void *arg)
{
    struct buf encoded;
    if (origins->dirty == NULL)
        return;
    buf_init(&encoded, sizeof(uint64_t) + TOKEN_SET_ENCODED_MAX);
    while (origins->dirty != NULL) {
        struct origin *origin = origins->dirty;
        origins->dirty = origin->dirty_next;
        origin->dirty_next = NULL;
        origin->dirty = false;
        buf_reset(&encoded);
        buf_put_u64(&encoded, origin->era);
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
        if (keep != NULL && keep(arg, origin->number)) {
            origin->used_ms = now_ms;
            continue;
        }
        if (fn != NULL)
            fn(arg, origin->number, slice_of(NULL, 0));
        remove_origin(origins, origin);
    }
}

size_t
origins_count(const struct origins *origins)
{
    return HASH_COUNT(origins->all);
}
