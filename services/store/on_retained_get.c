/* SPDX-License-Identifier: Apache-2.0 */
/* CALL_RETAINED_GET: a page of retained messages, for clean sessions at a gateway and for rest. It
 * is read when all that was taken before is durable, so that it is not missed. */
#include "common/clock.h"
#include "common/mem.h"
#include "proto/calls.pb-c.h"
#include "proto/limits.h"
#include "proto/topic.h"
#include "services/store/desks.h"
#include "services/store/neighbours.h"
#include "services/store/retained_page.h"

#define PAGE_COUNT_MAX 1000u
#define PAGE_BYTES     ((size_t)512 * 1024)
#define DEADLINE_MS    10000u

struct get_job {
    struct call_request request;
    Sluice__RetainedGet *get;
};

static void
job_free(struct get_job *job)
{
    sluice__retained_get__free_unpacked(job->get, NULL);
    mem_free(job);
}

static void
page_came(struct store *store, struct retained_page *page)
{
    struct get_job *job = page->arg;
    Sluice__RetainedGot answer = SLUICE__RETAINED_GOT__INIT;
    struct slice next = buf_slice(&page->next);
    enum err err = page->job.err;
    size_t i;
    answer.records = mem_zalloc_array(page->count + 1, sizeof(*answer.records));
    for (i = 0; i < page->count; i++) {
        /* only read by the packer */
        answer.records[i].data = (uint8_t *)(uintptr_t)page->records[i].data;
        answer.records[i].len = page->records[i].len;
    }
    answer.n_records = page->count;
    answer.next.data = (uint8_t *)(uintptr_t)next.data;
    answer.next.len = next.len;
    store_reply(store, job->request, err, err == OK ? &answer : NULL);
    mem_free(answer.records);
    job_free(job);
}

static void
read_page(void *arg, uint64_t a, uint64_t b, uint64_t c)
{
    struct store *store = arg;
    struct get_job *job = (struct get_job *)(uintptr_t)a;
    const Sluice__RetainedGet *get = job->get;
    size_t limit = get->limit == 0 || get->limit > PAGE_COUNT_MAX ? PAGE_COUNT_MAX : get->limit;
    (void)b;
    (void)c;
    retained_page_read(store, slice_of(get->filter.data, get->filter.len),
                       slice_of(get->after.data, get->after.len), limit, PAGE_BYTES,
                       clock_monotonic_ms() + DEADLINE_MS, page_came, job);
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
    if (!topic_filter_has_wildcard(slice_of(get->filter.data, get->filter.len)) &&
        !neighbours_is_ours(store, slice_of(get->filter.data, get->filter.len))) {
        sluice__retained_get__free_unpacked(get, NULL);
        neighbours_refused(store, "retained_get");
        peers_reply(store->peers, request, ERR_INVALID, slice_of(NULL, 0));
        return;
    }
    job = mem_alloc(sizeof(*job));
    job->request = request;
    job->get = get;
    commit_mark(store->commit, read_page, store, (uint64_t)(uintptr_t)job, 0, 0);
}
