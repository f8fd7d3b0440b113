/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of queues; see queue_page.h. */
#include "services/store/queue_page.h"

#include "common/cursor.h"
#include "common/mem.h"
#include "proto/feed_records.h"
#include "services/store/store.h"

static struct queue_page *
page_of(const struct read_job *job)
{
    return (struct queue_page *)(uintptr_t)job; /* its first member */
}

static void
forget(struct queue_page *page)
{
    size_t i;
    for (i = 0; i < page->count; i++) {
        body_unref(page->entries[i].body);
        mem_free(page->entries[i].ids);
    }
    page->count = 0;
}

static void
copy(void *arg, const struct driver_entry *entry)
{
    struct queue_page *page = arg;
    struct queue_page_entry *to;
    struct publish_record record;
    struct body *body = NULL;
    unsigned i;
    if ((entry->flags & DELIVER_REL) == 0) {
        if (publish_record_decode(entry->record, &record) != OK)
            return;
        body = body_new(0, entry->record, record.expiry_ms);
    }
    if (page->count == page->size) {
        page->size = page->size == 0 ? 16 : page->size * 2;
        page->entries = mem_realloc_array(page->entries, page->size, sizeof(*page->entries));
    }
    to = &page->entries[page->count++];
    *to = (struct queue_page_entry){.seq = entry->seq,
                                    .body = body,
                                    .len = (uint32_t)entry->record.len,
                                    .flags = entry->flags,
                                    .id_count = entry->id_count};
    if (entry->id_count == 0)
        return;
    to->ids = mem_alloc(entry->id_count * sizeof(*to->ids));
    for (i = 0; i < entry->id_count; i++)
        to->ids[i] = cursor_load_u32(entry->ids + (size_t)i * 4);
}

static enum err
read_page(struct read_job *job, struct driver *driver)
{
    struct queue_page *page = page_of(job);
    forget(page);
    return driver_queue_page(driver, page->session, page->from, page->max_count, page->max_bytes,
                             copy, page, &page->more);
}

static bool
is_wanted(const struct read_job *job)
{
    const struct queue_page *page = page_of(job);
    return sessions_by_number(page->store->sessions, page->session) != NULL;
}

static void
page_done(struct read_job *job)
{
    struct queue_page *page = page_of(job);
    if (!page->store->stopping)
        page->fn(page->store, sessions_by_number(page->store->sessions, page->session), page);
    forget(page);
    mem_free(page->entries);
    mem_free(page);
}

void
queue_page_read(struct store *store, const struct session *session, uint64_t from, size_t max_count,
                size_t max_bytes, queue_page_fn fn, void *arg)
{
    struct queue_page *page = mem_zalloc(sizeof(*page));
    page->job = (struct read_job){.read = read_page, .done = page_done, .wanted = is_wanted};
    page->store = store;
    page->fn = fn;
    page->arg = arg;
    page->session = session->number;
    page->epoch = session->epoch;
    page->from = from;
    page->max_count = max_count;
    page->max_bytes = max_bytes;
    read_pool_submit(store->reads, &page->job);
}
