/* SPDX-License-Identifier: Apache-2.0 */
/* See drops.h. */
#include "common/drops.h"

#include <string.h>

#include "common/log.h"
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

struct of_reason {
    unsigned clients; /* in entries */
    uint64_t others, others_due_ms;
};

struct drops {
    drops_fn fn;
    void *arg;
    struct entry *entries;
    const struct drops_reason *reasons;
    unsigned count;
    struct of_reason of[]; /* of each reason */
};

struct drops *
drops_new(const struct drops_reason *reasons, unsigned count, drops_fn fn, void *arg)
{
    struct drops *drops = mem_zalloc(sizeof(*drops) + count * sizeof(drops->of[0]));
    drops->reasons = reasons;
    drops->count = count;
    drops->fn = fn;
    drops->arg = arg;
    return drops;
}

static void
forget(struct drops *drops, struct entry *entry)
{
    drops->of[entry->key.reason].clients--;
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
    drops->fn(drops->arg, &(struct drops_line){&drops->reasons[reason], client, count});
}

void
drops_note(struct drops *drops, unsigned reason, uint64_t times, uint64_t who, struct slice client,
           uint64_t now_ms)
{
    const struct key key = {who, reason};
    struct entry *entry;
    HASH_FIND(hh, drops->entries, &key, sizeof(key), entry);
    if (entry != NULL) {
        entry->count += times;
        return;
    }
    if (drops->of[reason].clients == DROPS_CLIENTS) {
        if (drops->of[reason].others == 0)
            drops->of[reason].others_due_ms = now_ms + DROPS_INTERVAL_MS;
        drops->of[reason].others += times;
        return;
    }
    entry = mem_zalloc(sizeof(*entry));
    entry->key = key;
    entry->due_ms = now_ms + DROPS_INTERVAL_MS;
    entry->name_len = client.len < DROPS_NAME_MAX ? client.len : DROPS_NAME_MAX;
    if (entry->name_len > 0)
        memcpy(entry->name, client.data, entry->name_len);
    HASH_ADD(hh, drops->entries, key, sizeof(entry->key), entry);
    drops->of[reason].clients++;
    say(drops, key.reason, client, times);
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
    for (unsigned reason = 0; reason < drops->count; reason++) {
        if (drops->of[reason].others == 0 || drops->of[reason].others_due_ms > now_ms)
            continue;
        say(drops, reason, slice_of(NULL, 0), drops->of[reason].others);
        drops->of[reason].others = 0;
    }
}

void
drops_log(void *arg, const struct drops_line *line)
{
    (void)arg;
    log_warn(line->reason->event, LOG_STR("reason", line->reason->label),
             LOG_STR("client", line->client), LOG_U64("count", line->count), LOG_END);
}
