/* SPDX-License-Identifier: Apache-2.0 */
/* CALL_RETAINED_GET: a page of retained messages, for clean sessions at a gateway and for rest. It
 * is read when all that was taken before is durable, so that it is not missed. */
#include "common/mem.h"
#include "proto/calls.pb-c.h"
#include "proto/limits.h"
#include "proto/topic.h"
#include "services/store/desks.h"

#define PAGE_COUNT_MAX 1000u
#define PAGE_BYTES     ((size_t)512 * 1024)

struct get_job {
    struct call_request request;
    Sluice__RetainedGet *get;
};

struct page {
    uint64_t now_ms;
    size_t count;
    ProtobufCBinaryData records[PAGE_COUNT_MAX];
};

static bool
take(void *arg, struct slice topic, struct slice bytes)
{
    struct page *page = arg;
    struct publish_record record;
    (void)topic;
    if (page->count == PAGE_COUNT_MAX || publish_record_decode(bytes, &record) != OK ||
        (record.expiry_ms != 0 && record.expiry_ms <= page->now_ms))
        return false;
    page->records[page->count].data = mem_dup(bytes.data, bytes.len);
    page->records[page->count].len = bytes.len;
    page->count++;
    return true;
}

static void
read_page(void *arg, uint64_t a, uint64_t b, uint64_t c)
{
    struct store *store = arg;
    struct get_job *job = (struct get_job *)(uintptr_t)a;
    const Sluice__RetainedGet *get = job->get;
    Sluice__RetainedGot answer = SLUICE__RETAINED_GOT__INIT;
    struct page *page = mem_alloc(sizeof(*page));
    size_t limit = get->limit == 0 || get->limit > PAGE_COUNT_MAX ? PAGE_COUNT_MAX : get->limit;
    struct buf next;
    enum err err;
    size_t i;
    (void)b;
    (void)c;
    page->now_ms = store_wall_ms(store);
    page->count = 0;
    buf_init(&next, LIMITS_TOPIC);
    err = driver_retained_page(store->driver, slice_of(get->filter.data, get->filter.len),
                               slice_of(get->after.data, get->after.len), limit, PAGE_BYTES, take,
                               page, &next);
    answer.n_records = page->count;
    answer.records = page->records;
    if (buf_len(&next) != 0) {
        answer.next.len = buf_len(&next);
        answer.next.data = next.data + next.start;
    }
    store_reply(store, job->request, err, err == OK ? &answer : NULL);
    for (i = 0; i < page->count; i++)
        mem_free(page->records[i].data);
    buf_fini(&next);
    mem_free(page);
    sluice__retained_get__free_unpacked(job->get, NULL);
    mem_free(job);
}

void
on_retained_get(struct store *store, struct peer *peer, struct call_request request,
                struct slice body)
{
    Sluice__RetainedGet *get = sluice__retained_get__unpack(NULL, body.len, body.data);
    struct slice group;
    struct slice inner;
    struct get_job *job;
    (void)peer;
    if (get == NULL || !topic_filter_is_valid(slice_of(get->filter.data, get->filter.len)) ||
        get->after.len > LIMITS_TOPIC ||
        topic_share_parse(slice_of(get->filter.data, get->filter.len), &group, &inner) !=
            TOPIC_SHARE_NONE) {
        if (get != NULL)
            sluice__retained_get__free_unpacked(get, NULL);
        peers_reply(store->peers, request, ERR_MALFORMED, slice_of(NULL, 0));
        return;
    }
    job = mem_alloc(sizeof(*job));
    job->request = request;
    job->get = get;
    commit_mark(store->commit, read_page, store, (uint64_t)(uintptr_t)job, 0, 0);
}
