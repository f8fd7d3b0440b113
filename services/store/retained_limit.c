/* SPDX-License-Identifier: Apache-2.0 */
/* See retained_limit.h. */
#include "services/store/retained_limit.h"

#include "common/hash.h"
#include "common/mem.h"
#include "common/table.h"
#include "services/store/neighbours.h"
#include "services/store/retained_page.h"

#define TOPICS_MAX 8192u

/* What was found for a topic lately. */
struct topic {
    UT_hash_handle hh;
    uint64_t hash;
    bool reading;
    bool exists;
};

struct retained_limit {
    struct topic *topics;
    uint64_t count; /* put since the totals were read: some of them replaced others */
    uint64_t bytes;
};

struct retained_limit *
retained_limit_new(void)
{
    return mem_zalloc(sizeof(struct retained_limit));
}

static void
forget(struct retained_limit *limit, bool all)
{
    struct topic *topic;
    struct topic *next;
    HASH_ITER(hh, limit->topics, topic, next)
    {
        if (topic->reading && !all)
            continue;
        HASH_DEL(limit->topics, topic);
        mem_free(topic);
    }
}

void
retained_limit_free(struct retained_limit *limit)
{
    if (limit == NULL)
        return;
    forget(limit, true);
    mem_free(limit);
}

static bool
may_be_reached(const struct store *store)
{
    const struct retained_limit *limit = store->retained_limit;
    return store->totals.retained_count + limit->count >= store->config->retained_max ||
           store->totals.retained_bytes + limit->bytes >= store->config->retained_max_bytes;
}

static struct topic *
find(struct retained_limit *limit, uint64_t hash)
{
    struct topic *topic;
    HASH_FIND(hh, limit->topics, &hash, sizeof(hash), topic);
    return topic;
}

static void
topic_read(struct store *store, struct retained_page *page)
{
    struct slice name = buf_slice(&page->filter);
    struct topic *topic = find(store->retained_limit, hash_local(name.data, name.len));
    if (topic == NULL)
        return;
    topic->reading = false;
    topic->exists = page->job.err != OK || page->count != 0;
}

bool
retained_limit_waits(struct store *store, struct slice bytes)
{
    struct retained_limit *limit = store->retained_limit;
    struct publish_record record;
    struct topic *topic;
    uint64_t hash;
    if (!may_be_reached(store)) {
        if (limit->topics != NULL)
            forget(limit, false);
        return false;
    }
    if (publish_record_decode(bytes, &record) != OK || !record.retain || record.payload.len == 0 ||
        !neighbours_is_ours(store, record.topic))
        return false;
    hash = hash_local(record.topic.data, record.topic.len);
    topic = find(limit, hash);
    if (topic != NULL)
        return topic->reading;
    if (HASH_COUNT(limit->topics) >= TOPICS_MAX)
        forget(limit, false);
    topic = mem_zalloc(sizeof(*topic));
    topic->hash = hash;
    topic->reading = true;
    HASH_ADD(hh, limit->topics, hash, sizeof(topic->hash), topic);
    retained_page_read(store, record.topic, slice_of(NULL, 0), 1, 1, 0, topic_read, NULL);
    return true;
}

bool
retained_limit_take(struct store *store, const struct publish_record *record, size_t len)
{
    struct retained_limit *limit = store->retained_limit;
    if (may_be_reached(store)) {
        const struct topic *topic = find(limit, hash_local(record->topic.data, record->topic.len));
        if (topic != NULL && !topic->reading && !topic->exists)
            return false;
    }
    limit->count++;
    limit->bytes += len;
    return true;
}

void
retained_limit_deleted(struct store *store, struct slice name)
{
    struct topic *topic = find(store->retained_limit, hash_local(name.data, name.len));
    if (topic != NULL)
        topic->exists = false;
}

void
retained_limit_counted(struct store *store)
{
    store->retained_limit->count = 0;
    store->retained_limit->bytes = 0;
}
