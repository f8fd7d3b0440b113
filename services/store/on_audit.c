/* SPDX-License-Identifier: Apache-2.0 */
/* Calls about the audit, from rest: an entry of its own, and pages of what there is. */
#include "common/clock.h"
#include "common/mem.h"
#include "proto/access.pb-c.h"
#include "services/store/access_rows.h"
#include "services/store/desks.h"
#include "services/store/row_text.h"

#define DEADLINE_MS 8000u /* for reading */

static void
appended(void *arg, uint64_t slot, uint64_t generation, uint64_t c)
{
    struct store *store = arg;
    (void)c;
    store_reply(store, (struct call_request){(uint32_t)slot, (uint32_t)generation}, OK, NULL);
}

static enum err
check_append(const struct store *store, const Sluice__AuditAppend *append)
{
    if (append == NULL)
        return ERR_MALFORMED;
    if (append->what[0] == '\0' || !row_text_is_plain(append->actor, AUDIT_TEXT_MAX) ||
        !row_text_is_plain(append->what, AUDIT_TEXT_MAX) ||
        !row_text_is_plain(append->subject, AUDIT_TEXT_MAX) ||
        !row_text_is_plain(append->detail, AUDIT_TEXT_MAX))
        return ERR_INVALID;
    return commit_state(store->commit) != OK ? commit_state(store->commit)
                                             : commit_room(store->commit);
}

void
on_audit_append(struct store *store, struct peer *peer, struct call_request request,
                struct slice body)
{
    Sluice__AuditAppend *append = sluice__audit_append__unpack(NULL, body.len, body.data);
    enum err err = check_append(store, append);
    (void)peer;
    if (err != OK) {
        store_reply(store, request, err, NULL);
    } else {
        access_rows_audit(store, append->actor, append->what, slice_cstr(append->subject),
                          slice_cstr(append->detail));
        commit_mark(store->commit, appended, store, request.slot, request.generation, 0);
    }
    if (append != NULL)
        sluice__audit_append__free_unpacked(append, NULL);
}

struct list_job {
    struct read_job job;
    struct store *store;
    struct call_request request;
    bool oldest_first;
    char after[AUDIT_NAME_LEN + 1];
    size_t wanted;
    uint64_t next;
    size_t count;
    Sluice__AuditEntry rows[ACCESS_LIST_MAX];
    Sluice__AuditEntry *entries[ACCESS_LIST_MAX];
};

static void
list_one(void *arg, const struct driver_row *row)
{
    struct list_job *job = arg;
    struct audit_entry entry;
    Sluice__AuditEntry *to = &job->rows[job->count];
    uint64_t number = audit_read(row, &entry);
    if (job->count == ACCESS_LIST_MAX || number == 0)
        return;
    sluice__audit_entry__init(to);
    to->number = number;
    to->time_ms = row->time_ms;
    to->actor = slice_dup(entry.actor);
    to->what = slice_dup(entry.what);
    to->subject = slice_dup(entry.subject);
    to->detail = slice_dup(entry.detail);
    job->count++;
}

static void
forget_list(struct list_job *job)
{
    size_t i;
    for (i = 0; i < job->count; i++) {
        mem_free(job->rows[i].actor);
        mem_free(job->rows[i].what);
        mem_free(job->rows[i].subject);
        mem_free(job->rows[i].detail);
    }
    job->count = 0;
}

static enum err
read_list(struct read_job *base, struct driver *driver)
{
    struct list_job *job = (struct list_job *)(void *)base; /* its first member */
    bool more;
    forget_list(job);
    return job->wanted == 0 ? OK
                            : driver_row_page(driver, DRIVER_ROW_AUDIT, slice_cstr(job->after),
                                              job->wanted, list_one, job, &more);
}

static void
list_read(struct read_job *base)
{
    struct list_job *job = (struct list_job *)(void *)base;
    const struct audit *audit = &job->store->access->audit;
    Sluice__AuditListed answer = SLUICE__AUDIT_LISTED__INIT;
    size_t i;
    answer.entries = job->entries;
    answer.n_entries = job->count;
    answer.next = job->next;
    for (i = 0; i < job->count; i++)
        job->entries[job->oldest_first ? i : job->count - 1 - i] = &job->rows[i];
    if (audit->last >= audit->first) {
        answer.first = audit->first;
        answer.last = audit->last;
    }
    if (base->err == OK)
        store_reply(job->store, job->request, OK, &answer);
    else
        store_reply(job->store, job->request, base->err, NULL);
    forget_list(job);
    mem_free(job);
}

void
on_audit_list(struct store *store, struct peer *peer, struct call_request request,
              struct slice body)
{
    Sluice__AuditList *get = sluice__audit_list__unpack(NULL, body.len, body.data);
    struct list_job *job;
    (void)peer;
    if (get == NULL) {
        store_reply(store, request, ERR_MALFORMED, NULL);
        return;
    }
    job = mem_zalloc(sizeof(*job));
    job->job = (struct read_job){
        .read = read_list, .done = list_read, .deadline_ms = clock_monotonic_ms() + DEADLINE_MS};
    job->store = store;
    job->request = request;
    job->oldest_first = get->oldest_first;
    audit_page(&store->access->audit, get->oldest_first, get->from, access_rows_limit(get->limit),
               job->after, &job->wanted, &job->next);
    read_pool_submit(store->reads, &job->job);
    sluice__audit_list__free_unpacked(get, NULL);
}
