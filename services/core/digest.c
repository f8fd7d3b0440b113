/* SPDX-License-Identifier: Apache-2.0 */
/* A table of shortened filters with counts. Shortening by a level merges entries and adds their
 * counts, so it never has to look at the routes again. */
#include "services/core/digest.h"

#include "common/buf.h"
#include "common/mem.h"
#include "common/table.h"
#include "proto/limits.h"
#include "proto/topic.h"

struct entry {
    UT_hash_handle hh;
    size_t count;
    size_t len;
    uint8_t bytes[];
};

struct digest {
    struct entry *entries;
    size_t bound;
    size_t depth; /* levels that are kept at most; SIZE_MAX: all */
    size_t total;
    struct buf key;
};

struct digest *
digest_new(size_t bound)
{
    struct digest *digest = mem_zalloc(sizeof(*digest));
    digest->bound = bound;
    digest->depth = SIZE_MAX;
    buf_init(&digest->key, LIMITS_TOPIC + 2);
    return digest;
}

static void
entries_free(struct entry *entries)
{
    struct entry *entry, *next;
    HASH_ITER(hh, entries, entry, next)
    {
        HASH_DEL(entries, entry);
        mem_free(entry);
    }
}

void
digest_free(struct digest *digest)
{
    if (digest == NULL)
        return;
    entries_free(digest->entries);
    buf_fini(&digest->key);
    mem_free(digest);
}

/* The entry's bytes for a filter at the present depth, in digest->key or the filter itself. */
static struct slice
shorten(struct digest *digest, struct slice filter)
{
    size_t depth = digest->depth, at = 0, levels = 0;
    if (depth == SIZE_MAX)
        return filter;
    if (depth == 0 && filter.data[0] == '$')
        depth = 1;
    if (depth == 0)
        return slice_cstr("#");
    for (at = 0; at < filter.len; at++) {
        if (filter.data[at] == '/' && ++levels == depth)
            break;
    }
    if (at == filter.len)
        return filter;
    buf_reset(&digest->key);
    buf_append_slice(&digest->key, slice_of(filter.data, at));
    buf_append_cstr(&digest->key, "/#");
    return buf_slice(&digest->key);
}

static struct entry *
entry_find(struct entry *entries, struct slice key)
{
    struct entry *entry;
    HASH_FIND(hh, entries, key.data, key.len, entry);
    return entry;
}

static struct entry *
entry_new(struct entry **entries, struct slice key)
{
    struct entry *entry = mem_zalloc(sizeof(*entry) + key.len);
    entry->len = key.len;
    memcpy(entry->bytes, key.data, key.len);
    HASH_ADD_KEYPTR(hh, *entries, entry->bytes, entry->len, entry);
    return entry;
}

/* Levels of the deepest entry that a smaller depth could still shorten. */
static size_t
deepest(const struct digest *digest)
{
    const struct entry *entry;
    size_t most = 0;
    for (entry = digest->entries; entry != NULL; entry = entry->hh.next) {
        size_t levels = topic_level_count(slice_of(entry->bytes, entry->len));
        if (entry->len >= 2 && entry->bytes[entry->len - 1] == '#')
            levels--; /* "a/b/#" has the depth of "a/b" */
        if (levels > most)
            most = levels;
    }
    return most;
}

static void
merge(struct digest *digest)
{
    struct entry *former = digest->entries, *entry, *next;
    digest->entries = NULL;
    HASH_ITER(hh, former, entry, next)
    {
        struct slice key = shorten(digest, slice_of(entry->bytes, entry->len));
        struct entry *into = entry_find(digest->entries, key);
        if (into == NULL)
            into = entry_new(&digest->entries, key);
        into->count += entry->count;
    }
    entries_free(former);
}

enum digest_change
digest_add(struct digest *digest, struct slice filter, struct slice *entry)
{
    struct slice key = shorten(digest, filter);
    struct entry *found = entry_find(digest->entries, key);
    bool shortened = false;
    digest->total++;
    if (found != NULL) {
        found->count++;
        return DIGEST_SAME;
    }
    found = entry_new(&digest->entries, key);
    found->count = 1;
    while (HASH_COUNT(digest->entries) > digest->bound && digest->depth != 0) {
        size_t most = deepest(digest);
        digest->depth = most == 0 ? 0 : (most < digest->depth ? most : digest->depth) - 1;
        merge(digest);
        shortened = true;
    }
    if (shortened)
        return DIGEST_WHOLE;
    *entry = slice_of(found->bytes, found->len);
    return DIGEST_ENTRY;
}

enum digest_change
digest_remove(struct digest *digest, struct slice filter, struct slice *entry)
{
    struct slice key = shorten(digest, filter);
    struct entry *found = entry_find(digest->entries, key);
    if (found == NULL)
        return DIGEST_SAME;
    digest->total--;
    if (--found->count != 0)
        return DIGEST_SAME;
    /* The caller's filter may be freed next: the result lives in our own buffer. */
    HASH_DEL(digest->entries, found);
    buf_reset(&digest->key);
    buf_append(&digest->key, found->bytes, found->len);
    mem_free(found);
    *entry = buf_slice(&digest->key);
    return DIGEST_ENTRY;
}

void
digest_each(const struct digest *digest, digest_fn fn, void *arg)
{
    const struct entry *entry;
    for (entry = digest->entries; entry != NULL; entry = entry->hh.next)
        fn(arg, slice_of(entry->bytes, entry->len));
}

size_t
digest_entries(const struct digest *digest)
{
    return HASH_COUNT(digest->entries);
}

size_t
digest_total(const struct digest *digest)
{
    return digest->total;
}

bool
digest_is_shortened(const struct digest *digest)
{
    return digest->depth != SIZE_MAX;
}
