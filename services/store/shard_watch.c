/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for a shard; see shard_watch.h. */
#include "services/store/shard_watch.h"

#include <string.h>

void
shard_watch_init(struct shard_watch *watch, const struct shard_watch_wish *wish, uint64_t pause_ms)
{
    *watch = (struct shard_watch){.wish = *wish, .pause_ms = pause_ms};
}

void
shard_watch_begin(struct shard_watch *watch, uint64_t now_ms)
{
    /* Nobody could renew anything while the database stood still: what was seen before does not
     * count. */
    if (now_ms - watch->looked_ms > watch->pause_ms)
        memset(watch->seen, 0, sizeof(watch->seen));
    watch->look_ms = now_ms;
    watch->found = false;
    watch->is_own = false;
    watch->number = watch->wish.number;
    watch->until_ms = 0;
    (void)str_format(watch->why, sizeof(watch->why), "spare: no shard is without a store");
}

/* For half its length the lease has been seen to end when it ends now. */
static bool
is_unchanged(struct shard_watch *watch, const struct driver_shard *shard)
{
    uint64_t *until_ms = &watch->seen[shard->number].until_ms;
    uint64_t *since_ms = &watch->seen[shard->number].since_ms;
    if (*until_ms != shard->until_ms || *since_ms == 0) {
        *until_ms = shard->until_ms;
        *since_ms = watch->look_ms;
    }
    return watch->look_ms - *since_ms >= shard->lease_ms / 2;
}

static void
say(struct shard_watch *watch, const struct driver_shard *shard)
{
    int len = shard->holder.len < 60 ? (int)shard->holder.len : 60;
    (void)str_format(watch->why, sizeof(watch->why),
                     "shard %u is held by %.*s, whose lease ends in %llu ms unless renewed",
                     shard->number, len, (const char *)shard->holder.data,
                     (unsigned long long)shard->left_ms);
}

void
shard_watch_note(struct shard_watch *watch, const struct driver_shard *shard)
{
    const struct shard_watch_wish *wish = &watch->wish;
    bool is_wanted = wish->is_spare ? shard->lease_ms != 0 : shard->number == wish->number;
    bool is_own = slice_equal_cstr(shard->holder, wish->holder);
    bool is_free = !wish->is_spare && shard->until_ms == 0;
    bool is_over;
    if (shard->number >= SHARDS_MAX)
        return;
    is_over = is_unchanged(watch, shard) && shard->left_ms == 0;
    if (!is_wanted)
        return;
    if (!wish->is_spare)
        say(watch, shard);
    if (!is_own && !is_free && !is_over)
        return;
    if (watch->found && (watch->is_own || !is_own))
        return; /* that one first */
    watch->found = true;
    watch->is_own = is_own;
    watch->number = shard->number;
    watch->until_ms = shard->until_ms;
}

bool
shard_watch_end(struct shard_watch *watch, uint64_t now_ms, struct driver_claim *claim)
{
    bool is_new = !watch->wish.is_spare && watch->seen[watch->wish.number].since_ms == 0;
    watch->looked_ms = now_ms;
    if (now_ms - watch->look_ms > watch->pause_ms) {
        memset(watch->seen, 0, sizeof(watch->seen));
        watch->found = watch->found && watch->is_own;
    }
    if (!watch->found && !is_new)
        return false;
    claim->number = watch->number;
    claim->until_ms = watch->until_ms;
    return true;
}
