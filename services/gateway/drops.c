/* SPDX-License-Identifier: Apache-2.0 */
/* See drops.h. */
#include "services/gateway/drops.h"

#include <string.h>

#include "common/mem.h"
#include "common/table.h"

struct key {
    uint64_t who;
    uint64_t reason;
};

struct entry {
    struct key key;
    UT_hash_handle hh;
    uint64_t due_ms; /* of its next line */
    uint64_t count;  /* since the last one */
    size_t name_len;
    uint8_t name[DROPS_NAME_MAX];
};

struct drops {
    drops_fn fn;
    void *arg;
    struct entry *entries;
    unsigned clients[DROP_REASON_COUNT]; /* in entries */
    uint64_t others[DROP_REASON_COUNT];
    uint64_t others_due_ms[DROP_REASON_COUNT];
};

struct drops *
drops_new(drops_fn fn, void *arg)
{
    struct drops *drops = mem_zalloc(sizeof(*drops));
    drops->fn = fn;
    drops->arg = arg;
    return drops;
}

static void
forget(struct drops *drops, struct entry *entry)
{
    drops->clients[entry->key.reason]--;
    HASH_DEL(drops->entries, entry);
    mem_free(entry);
}

void
drops_free(struct drops *drops)
{
    struct entry *entry, *next;
    if (drops == NULL)
        return;
    HASH_ITER(hh, drops->entries, entry, next)
    forget(drops, entry);
    mem_free(drops);
}

static void
say(const struct drops *drops, uint64_t reason, struct slice client, uint64_t count)
{
    static const char *const texts[DROP_REASON_COUNT][2] = {
#define DROP(name, event, label) [DROP_##name] = {event, label},
        DROP_REASONS(DROP)
#undef DROP
    };
    drops->fn(drops->arg, &(struct drops_line){texts[reason][0], texts[reason][1], client, count});
}

void
drops_note(struct drops *drops, enum drop_reason reason, uint64_t who, struct slice client,
           uint64_t now_ms)
{
    const struct key key = {who, (uint64_t)reason};
    struct entry *entry;
    HASH_FIND(hh, drops->entries, &key, sizeof(key), entry);
    if (entry != NULL) {
        entry->count++;
        return;
    }
    if (drops->clients[reason] == DROPS_CLIENTS) {
        if (drops->others[reason]++ == 0)
            drops->others_due_ms[reason] = now_ms + DROPS_INTERVAL_MS;
        return;
    }
    entry = mem_zalloc(sizeof(*entry));
    entry->key = key;
    entry->due_ms = now_ms + DROPS_INTERVAL_MS;
    entry->name_len = client.len < DROPS_NAME_MAX ? client.len : DROPS_NAME_MAX;
    if (entry->name_len > 0)
        memcpy(entry->name, client.data, entry->name_len);
    HASH_ADD(hh, drops->entries, key, sizeof(entry->key), entry);
    drops->clients[reason]++;
    say(drops, key.reason, client, 1);
}

void
drops_tick(struct drops *drops, uint64_t now_ms)
{
    struct entry *entry, *next;
    HASH_ITER(hh, drops->entries, entry, next)
    {
        if (entry->due_ms > now_ms)
            continue;
        if (entry->count == 0) {
            forget(drops, entry);
            continue;
        }
        say(drops, entry->key.reason, slice_of(entry->name, entry->name_len), entry->count);
        entry->count = 0;
        entry->due_ms = now_ms + DROPS_INTERVAL_MS;
    }
    for (unsigned reason = 0; reason < DROP_REASON_COUNT; reason++) {
        if (drops->others[reason] == 0 || drops->others_due_ms[reason] > now_ms)
            continue;
        say(drops, reason, slice_of(NULL, 0), drops->others[reason]);
        drops->others[reason] = 0;
    }
}
