/* SPDX-License-Identifier: Apache-2.0 */
/* Calls about the audit, from rest: an entry of its own, and pages of what there is. */
#include "common/mem.h"
#include "proto/access.pb-c.h"
#include "services/store/access_rows.h"
#include "services/store/desks.h"
#include "services/store/row_text.h"

static void
reply_error(struct store *store, struct call_request request, enum err err)
{
    peers_reply(store->peers, request, err, slice_of(NULL, 0));
}

static void
appended(void *arg, uint64_t slot, uint64_t generation, uint64_t c)
{
    struct store *store = arg;
    (void)c;
    reply_error(store, (struct call_request){(uint32_t)slot, (uint32_t)generation}, OK);
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
        reply_error(store, request, err);
    } else {
        access_rows_audit(store, append->actor, append->what, slice_cstr(append->subject),
                          slice_cstr(append->detail));
        commit_mark(store->commit, appended, store, request.slot, request.generation, 0);
    }
    if (append != NULL)
        sluice__audit_append__free_unpacked(append, NULL);
}

struct listing {
    size_t count;
    Sluice__AuditEntry rows[ACCESS_LIST_MAX];
    Sluice__AuditEntry *entries[ACCESS_LIST_MAX];
};

static void
list_one(void *arg, const struct driver_row *row)
{
    struct listing *listing = arg;
    struct audit_entry entry;
    Sluice__AuditEntry *to = &listing->rows[listing->count];
    uint64_t number = audit_read(row, &entry);
    if (listing->count == ACCESS_LIST_MAX || number == 0)
        return;
    sluice__audit_entry__init(to);
    to->number = number;
    to->time_ms = row->time_ms;
    to->actor = slice_dup(entry.actor);
    to->what = slice_dup(entry.what);
    to->subject = slice_dup(entry.subject);
    to->detail = slice_dup(entry.detail);
    listing->count++;
}

static void
listing_free(struct listing *listing)
{
    size_t i;
    for (i = 0; i < listing->count; i++) {
        mem_free(listing->rows[i].actor);
        mem_free(listing->rows[i].what);
        mem_free(listing->rows[i].subject);
        mem_free(listing->rows[i].detail);
    }
    mem_free(listing);
}

void
on_audit_list(struct store *store, struct peer *peer, struct call_request request,
              struct slice body)
{
    Sluice__AuditList *get = sluice__audit_list__unpack(NULL, body.len, body.data);
    Sluice__AuditListed answer = SLUICE__AUDIT_LISTED__INIT;
    const struct audit *audit = &store->access->audit;
    char after[AUDIT_NAME_LEN + 1];
    struct listing *listing;
    size_t i, count;
    bool more;
    enum err err = OK;
    (void)peer;
    if (get == NULL) {
        reply_error(store, request, ERR_MALFORMED);
        return;
    }
    listing = mem_zalloc(sizeof(*listing));
    audit_page(audit, get->oldest_first, get->from, access_rows_limit(get->limit), after, &count,
               &answer.next);
    if (count != 0)
        err = driver_row_page(store->driver, DRIVER_ROW_AUDIT, slice_cstr(after), count, list_one,
                              listing, &more);
    if (err != OK) {
        reply_error(store, request, err);
    } else {
        answer.entries = listing->entries;
        answer.n_entries = listing->count;
        for (i = 0; i < listing->count; i++)
            listing->entries[get->oldest_first ? i : listing->count - 1 - i] = &listing->rows[i];
        if (audit->last >= audit->first) {
            answer.first = audit->first;
            answer.last = audit->last;
        }
        store_reply(store, request, OK, &answer);
    }
    listing_free(listing);
    sluice__audit_list__free_unpacked(get, NULL);
}
