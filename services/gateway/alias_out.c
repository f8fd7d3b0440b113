/* SPDX-License-Identifier: Apache-2.0 */
/* See alias_out.h. Entries 0 to max - 1 are the aliases (index + 1), the others count topics that
 * have none. Both are short, so they are searched in a row: hashes lie together for that. */
#include "services/gateway/alias_out.h"

#include <assert.h>
#include <string.h>

#include "common/hash.h"
#include "common/mem.h"

#define HALVE_AFTER 4096u /* topics counted */
#define CLEARLY     4u    /* how much more often a topic must be sent to take an alias over */

struct alias_out {
    uint32_t max;
    uint32_t used;        /* aliases given */
    uint32_t total;       /* counted since the last halving */
    uint32_t last;        /* entry of the last choice */
    uint32_t turn;        /* where the search for the rarest begins: equals give way in turn */
    struct slice *topics; /* owned; of aliases */
    uint32_t *counts;     /* 2 * max */
    uint64_t hashes[];    /* 2 * max; 0: free */
};

struct alias_out *
alias_out_new(uint16_t max)
{
    if (max > ALIAS_OUT_MAX)
        max = ALIAS_OUT_MAX;
    struct alias_out *aliases =
        mem_zalloc(sizeof(*aliases) + 2 * (size_t)max * sizeof(aliases->hashes[0]));
    aliases->max = max;
    aliases->topics = mem_zalloc_array(max, sizeof(*aliases->topics));
    aliases->counts = mem_zalloc_array(2 * (size_t)max, sizeof(*aliases->counts));
    return aliases;
}

void
alias_out_free(struct alias_out *aliases)
{
    if (aliases == NULL)
        return;
    for (uint32_t i = 0; i < aliases->used; i++)
        mem_free((void *)(uintptr_t)aliases->topics[i].data);
    mem_free(aliases->topics);
    mem_free(aliases->counts);
    mem_free(aliases);
}

static uint32_t
rarest(const struct alias_out *aliases, uint32_t from)
{
    uint32_t max = aliases->max;
    assert(max > 0); /* clients that allow none have no table */
    uint32_t best = from + aliases->turn % max;
    for (uint32_t i = 1; i < max; i++) {
        uint32_t at = from + (aliases->turn + i) % max;
        if (aliases->counts[at] < aliases->counts[best])
            best = at;
    }
    return best;
}

static void
count(struct alias_out *aliases, uint32_t at)
{
    aliases->counts[at]++;
    if (++aliases->total < HALVE_AFTER)
        return;
    aliases->total = 0;
    for (uint32_t i = 0; i < 2 * aliases->max; i++)
        aliases->counts[i] /= 2;
}

/* The entry that counts a topic without an alias; a newcomer takes the place of the rarest. */
static uint32_t
candidate(struct alias_out *aliases, uint64_t hash)
{
    uint32_t max = aliases->max;
    for (uint32_t i = max; i < 2 * max; i++) {
        if (aliases->hashes[i] == hash)
            return i;
    }
    uint32_t at = rarest(aliases, max);
    aliases->turn++;
    aliases->hashes[at] = hash;
    aliases->counts[at] = 0;
    return at;
}

struct alias_out_choice
alias_out_choose(struct alias_out *aliases, struct slice topic)
{
    struct alias_out_choice none = {0};
    if (topic.len < ALIAS_OUT_TOPIC_MIN || topic.len > ALIAS_OUT_TOPIC_MAX)
        return none;
    uint64_t hash = hash_local(topic.data, topic.len) | 1;
    for (uint32_t i = 0; i < aliases->used; i++) {
        if (aliases->hashes[i] != hash)
            continue;
        if (!slice_equal(aliases->topics[i], topic))
            return none; /* two topics with one hash: the other one has the alias */
        count(aliases, i);
        return (struct alias_out_choice){.alias = (uint16_t)(i + 1), .is_known = true};
    }
    if (aliases->used < aliases->max) {
        aliases->last = aliases->used;
        return (struct alias_out_choice){.alias = (uint16_t)(aliases->used + 1)};
    }
    uint32_t at = candidate(aliases, hash);
    count(aliases, at);
    uint32_t holder = rarest(aliases, 0);
    if (aliases->counts[at] < aliases->counts[holder] + CLEARLY)
        return none;
    aliases->last = at;
    return (struct alias_out_choice){.alias = (uint16_t)(holder + 1)};
}

void
alias_out_sent(struct alias_out *aliases, struct alias_out_choice choice, struct slice topic)
{
    if (choice.alias == 0 || choice.is_known)
        return;
    uint32_t to = choice.alias - 1u;
    uint64_t hash = hash_local(topic.data, topic.len) | 1;
    if (to == aliases->used) {
        aliases->used++;
        aliases->counts[to] = 0;
        count(aliases, to);
    } else {
        /* They change places: the former holder goes on being counted. */
        uint32_t from = aliases->last;
        uint32_t held = aliases->counts[to];
        mem_free((void *)(uintptr_t)aliases->topics[to].data);
        aliases->counts[to] = aliases->counts[from];
        aliases->hashes[from] = aliases->hashes[to];
        aliases->counts[from] = held;
    }
    aliases->hashes[to] = hash;
    aliases->topics[to] = slice_of(mem_dup(topic.data, topic.len), topic.len);
}
