/* SPDX-License-Identifier: Apache-2.0 */
/* See shares.h. */
#include "services/gateway/shares.h"

#include <assert.h>
#include <string.h>

#include "common/mem.h"
#include "common/table.h"

struct share_entry {
    UT_hash_handle hh;
    struct shares_count *counts; /* by worker */
    struct shares_count total;
    uint32_t len;
    uint8_t text[];
};

struct shares {
    struct share_entry *table;
    unsigned workers;
};

struct shares *
shares_new(unsigned workers)
{
    struct shares *shares = mem_zalloc(sizeof(*shares));
    shares->workers = workers;
    return shares;
}

static void
entry_free(struct shares *shares, struct share_entry *entry)
{
    HASH_DEL(shares->table, entry);
    mem_free(entry->counts);
    mem_free(entry);
}

void
shares_free(struct shares *shares)
{
    if (shares == NULL)
        return;
    while (shares->table != NULL)
        entry_free(shares, shares->table);
    mem_free(shares);
}

static struct share_entry *
find(const struct shares *shares, struct slice share)
{
    struct share_entry *entry;
    HASH_FIND(hh, shares->table, share.data, share.len, entry);
    return entry;
}

struct shares_count
shares_set(struct shares *shares, struct slice share, unsigned worker, struct shares_count count)
{
    struct share_entry *entry = find(shares, share);
    struct shares_count total;
    assert(worker < shares->workers);
    if (entry == NULL) {
        if (count.members == 0 && count.members_qos0 == 0)
            return count;
        entry = mem_zalloc(sizeof(*entry) + share.len);
        entry->counts = mem_zalloc_array(shares->workers, sizeof(*entry->counts));
        entry->len = (uint32_t)share.len;
        memcpy(entry->text, share.data, share.len);
        HASH_ADD_KEYPTR(hh, shares->table, entry->text, entry->len, entry);
    }
    entry->total.members += count.members - entry->counts[worker].members;
    entry->total.members_qos0 += count.members_qos0 - entry->counts[worker].members_qos0;
    entry->total.members_qos2 += count.members_qos2 - entry->counts[worker].members_qos2;
    entry->counts[worker] = count;
    total = entry->total;
    if (total.members == 0 && total.members_qos0 == 0)
        entry_free(shares, entry);
    return total;
}

struct shares_count
shares_get(const struct shares *shares, struct slice share)
{
    static const struct shares_count none;
    const struct share_entry *entry = find(shares, share);
    return entry != NULL ? entry->total : none;
}

static uint32_t
count_of(const struct share_entry *entry, unsigned worker, uint8_t qos, uint32_t without)
{
    if ((without >> worker & 1) != 0)
        return 0;
    return qos == 0 ? entry->counts[worker].members_qos0 : entry->counts[worker].members;
}

bool
shares_pick(const struct shares *shares, struct slice share, uint8_t qos, uint32_t without,
            uint32_t pick, unsigned *worker, uint32_t *worker_pick)
{
    const struct share_entry *entry = find(shares, share);
    uint32_t total = 0;
    for (unsigned w = 0; w < shares->workers && entry != NULL; w++)
        total += count_of(entry, w, qos, without);
    if (total == 0)
        return false;
    pick %= total;
    for (unsigned w = 0; w < shares->workers; w++) {
        uint32_t here = count_of(entry, w, qos, without);
        if (pick < here) {
            *worker = w;
            *worker_pick = pick;
            return true;
        }
        pick -= here;
    }
    return false;
}

size_t
shares_groups(const struct shares *shares)
{
    return HASH_COUNT(shares->table);
}
