/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retained messages for new subscriptions of clean sessions: asked for in pages, one filter of a
 * connection at a time, and the next page only when the client has taken the last one, so that a
 * subscription to everything costs no more memory than one page. Persistent sessions get theirs
 * from the store's queue.
 */
#include <string.h>

#include "common/mem.h"
#include "services/gateway/desk.h"

#define PAGE        64u
#define OUTPUT_FULL (64u * 1024u)

struct retained_fetch {
    struct retained_fetch *next;
    uint64_t ticket;    /* 0: nothing is asked now */
    struct slice after; /* owned */
    uint32_t identifier;
    uint8_t qos;
    uint16_t filter_len;
    uint8_t filter[];
};

struct retained_fetch *
retained_fetch_new(struct slice filter, uint8_t qos, uint32_t identifier)
{
    struct retained_fetch *fetch = mem_zalloc(sizeof(*fetch) + filter.len);
    fetch->identifier = identifier;
    fetch->qos = qos;
    fetch->filter_len = (uint16_t)filter.len;
    memcpy(fetch->filter, filter.data, filter.len);
    return fetch;
}

struct retained_fetch **
retained_fetch_next(struct retained_fetch *fetch)
{
    return &fetch->next;
}

static void
set_after(struct retained_fetch *fetch, struct slice after)
{
    mem_free((void *)(uintptr_t)fetch->after.data);
    fetch->after =
        after.len > 0 ? slice_of(mem_dup(after.data, after.len), after.len) : slice_of(NULL, 0);
}

static void
pop(struct connection *connection)
{
    struct retained_fetch *fetch = connection->retained;
    connection->retained = fetch->next;
    set_after(fetch, slice_of(NULL, 0));
    mem_free(fetch);
}

void
retained_fetch_free_all(struct retained_fetch *list)
{
    while (list != NULL) {
        struct retained_fetch *fetch = list;
        list = fetch->next;
        set_after(fetch, slice_of(NULL, 0));
        mem_free(fetch);
    }
}

void
desk_retained_continue(struct connection *connection)
{
    struct retained_fetch *fetch = connection->retained;
    const struct session *session = connection->session;
    if (fetch == NULL || fetch->ticket != 0 || connection->state != CONNECTION_OPEN ||
        connection->output.len > OUTPUT_FULL)
        return;
    if (session != NULL && !session_has_room(session))
        return;
    struct worker *worker = connection->worker;
    fetch->ticket = ++worker->next_ticket;
    worker_to_hub(worker, &(struct post){
                              .kind = POST_RETAINED_GET,
                              .conn = connection->handle,
                              .a = fetch->ticket,
                              .body = retained_request_new(
                                  slice_of(fetch->filter, fetch->filter_len), fetch->after, PAGE)});
}

void
desk_retained(struct connection *connection, uint64_t ticket, enum err err,
              struct retained_answer *answer)
{
    struct retained_fetch *fetch = connection->retained;
    if (fetch == NULL || fetch->ticket != ticket || ticket == 0) {
        retained_answer_free(answer);
        return;
    }
    fetch->ticket = 0;
    if (err != OK || answer == NULL) {
        pop(connection); /* the client has its subscription; what was retained it gets with the next
                            one */
    } else {
        for (uint32_t i = 0; i < answer->count; i++) {
            struct publication publication;
            publication_of(answer->messages[i], &publication);
            uint8_t qos = publication.qos < fetch->qos ? publication.qos : fetch->qos;
            deliver_to(connection, &publication, qos, true, &fetch->identifier,
                       fetch->identifier != 0);
        }
        if (answer->next.len > 0)
            set_after(fetch, answer->next);
        else
            pop(connection);
    }
    retained_answer_free(answer);
    desk_retained_continue(connection);
}
