/* SPDX-License-Identifier: Apache-2.0 */
/* See repeats.h. */
#include "services/gateway/repeats.h"

#include "common/table.h"
#include "proto/token_set.h"

struct origin {
    uint64_t id;
    uint64_t heard_ms;
    struct token_set *tokens;
    UT_hash_handle hh;
};

struct repeats {
    struct origin *table; /* in the order of insertion: a new word moves nobody */
    struct origin *last;  /* the one asked for last: records come in runs of one origin */
    size_t max;
};

struct repeats *
repeats_new(size_t max)
{
    struct repeats *repeats = mem_zalloc(sizeof(*repeats));
    repeats->max = max;
    return repeats;
}

static void
forget(struct repeats *repeats, struct origin *origin)
{
    if (repeats->last == origin)
        repeats->last = NULL;
    HASH_DEL(repeats->table, origin);
    token_set_free(origin->tokens);
    mem_free(origin);
}

void
repeats_free(struct repeats *repeats)
{
    if (repeats == NULL)
        return;
    while (repeats->table != NULL)
        forget(repeats, repeats->table);
    mem_free(repeats);
}

static struct origin *
oldest(const struct repeats *repeats)
{
    struct origin *found = repeats->table;
    for (struct origin *o = repeats->table; o != NULL; o = o->hh.next)
        if (o->heard_ms < found->heard_ms)
            found = o;
    return found;
}

static struct origin *
find_or_add(struct repeats *repeats, uint64_t id)
{
    struct origin *origin = repeats->last;
    if (origin != NULL && origin->id == id)
        return origin;
    HASH_FIND(hh, repeats->table, &id, sizeof(id), origin);
    if (origin == NULL) {
        if (HASH_COUNT(repeats->table) >= repeats->max)
            forget(repeats, oldest(repeats));
        origin = mem_zalloc(sizeof(*origin));
        origin->id = id;
        origin->tokens = token_set_new();
        HASH_ADD(hh, repeats->table, id, sizeof(origin->id), origin);
    }
    repeats->last = origin;
    return origin;
}

bool
repeats_seen(struct repeats *repeats, uint64_t id, uint64_t token, uint64_t floor, uint64_t now_ms)
{
    struct origin *origin = find_or_add(repeats, id);
    bool seen = false;
    origin->heard_ms = now_ms;
    token_set_raise(origin->tokens, floor);
    if (token_set_add(origin->tokens, token, &seen) != OK)
        return false;
    return seen;
}

void
repeats_expire(struct repeats *repeats, uint64_t now_ms)
{
    struct origin *next;
    for (struct origin *o = repeats->table; o != NULL; o = next) {
        next = o->hh.next;
        if (now_ms > o->heard_ms && now_ms - o->heard_ms > REPEATS_FORGET_MS)
            forget(repeats, o);
    }
}

size_t
repeats_count(const struct repeats *repeats)
{
    return HASH_COUNT(repeats->table);
}
