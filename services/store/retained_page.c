/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of retained messages; see retained_page.h. */
#include "services/store/retained_page.h"

#include "common/mem.h"
#include "proto/limits.h"
#include "services/store/neighbours.h"
#include "services/store/store.h"

static struct retained_page *
page_of(struct read_job *job)
{
    return (struct retained_page *)(void *)job; /* its first member */
}

static void
forget(struct retained_page *page)
{
    size_t i;
    for (i = 0; i < page->count; i++)
        mem_free((void *)(uintptr_t)page->records[i].data);
    page->count = 0;
}

static bool
copy(void *arg, struct slice topic, struct slice bytes)
{
    struct retained_page *page = arg;
    struct publish_record record;
    /* A table of a database that stores share holds the topics of all of them. */
    if (page->store->shards.count > 1 && !neighbours_is_ours(page->store, topic))
        return false;
    if (publish_record_decode(bytes, &record) != OK ||
        (record.expiry_ms != 0 && record.expiry_ms <= page->now_ms))
        return false;
    if (page->count == page->size) {
        page->size = page->size == 0 ? 16 : page->size * 2;
        page->records = mem_realloc_array(page->records, page->size, sizeof(*page->records));
    }
    page->records[page->count++] = slice_of(mem_dup(bytes.data, bytes.len), bytes.len);
    return true;
}

static enum err
read_page(struct read_job *job, struct driver *driver)
{
    struct retained_page *page = page_of(job);
    forget(page);
    return driver_retained_page(driver, buf_slice(&page->filter), buf_slice(&page->after),
                                page->max_count, page->max_bytes, copy, page, &page->next);
}

static void
page_done(struct read_job *job)
{
    struct retained_page *page = page_of(job);
    page->fn(page->store, page);
    forget(page);
    mem_free(page->records);
    buf_fini(&page->filter);
    buf_fini(&page->after);
    buf_fini(&page->next);
    mem_free(page);
}

void
retained_page_read(struct store *store, struct slice filter, struct slice after, size_t max_count,
                   size_t max_bytes, uint64_t deadline_ms, retained_page_fn fn, void *arg)
{
    struct retained_page *page = mem_zalloc(sizeof(*page));
    page->job = (struct read_job){.read = read_page, .done = page_done, .deadline_ms = deadline_ms};
    page->store = store;
    page->fn = fn;
    page->arg = arg;
    page->now_ms = store_wall_ms(store);
    page->max_count = max_count;
    page->max_bytes = max_bytes;
    buf_init(&page->filter, LIMITS_TOPIC);
    buf_init(&page->after, LIMITS_TOPIC);
    buf_init(&page->next, LIMITS_TOPIC);
    buf_append_slice(&page->filter, filter);
    buf_append_slice(&page->after, after);
    read_pool_submit(store->reads, &page->job);
}
