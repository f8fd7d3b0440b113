/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retained messages for new subscriptions of clean sessions: asked for in pages, one filter of a
 * connection at a time, and the next page only when the client has taken the last one, so that a
 * subscription to everything costs no more memory than one page. Persistent sessions get theirs
 * from the store's queue.
 *
 * Order: the subscription counts before its retained messages are here, so a newer retained publish
 * may go out first. The topics of such are remembered while anything is fetched for the client, and
 * not sent again. Their number is bounded; beyond it an old one may follow a new one. A live
 * message without RETAIN replaces nothing: what is retained still comes, after it.
 */
#include <assert.h>
#include <string.h>

#include "common/hash.h"
#include "common/mem.h"
#include "services/gateway/desk.h"

#define PAGE        64u
#define OUTPUT_FULL (64u * 1024u)
#define SEEN_MAX    1024u
#define FETCHES_MAX 4096u /* that a filter may be asked for once more */

struct retained_fetch {
    struct retained_fetch *next;
    uint64_t ticket;    /* 0: nothing is asked now */
    struct slice after; /* owned */
    uint64_t visited;   /* as in struct retained_request */
    uint8_t shard;
    uint32_t identifier;
    uint8_t qos;
    uint16_t filter_len;
    uint8_t filter[];
};

/* Topics as hashes: a collision costs one retained message, once in 2^64. */
struct retained_seen {
    uint32_t fetches; /* that need it */
    uint32_t count, size;
    uint64_t *topics;
};

void
desk_retained_note(struct connection *connection, struct slice topic)
{
    struct retained_seen *seen = connection->retained_seen;
    if (seen->count == SEEN_MAX)
        return;
    if (seen->count == seen->size) {
        seen->size = seen->size == 0 ? 16 : seen->size * 2;
        seen->topics = mem_realloc_array(seen->topics, seen->size, sizeof(*seen->topics));
    }
    seen->topics[seen->count++] = hash_local(topic.data, topic.len);
}

static bool
is_replaced(const struct connection *connection, struct slice topic)
{
    const struct retained_seen *seen = connection->retained_seen;
    if (seen->count == 0)
        return false;
    uint64_t hash = hash_local(topic.data, topic.len);
    uint32_t i = 0;
    while (i < seen->count && seen->topics[i] != hash)
        i++;
    return i < seen->count;
}

struct retained_fetch *
retained_fetch_new(struct connection *connection, struct slice filter, uint8_t qos,
                   uint32_t identifier)
{
    if (connection->retained_seen == NULL)
        connection->retained_seen = mem_zalloc(sizeof(*connection->retained_seen));
    connection->retained_seen->fetches++;
    struct retained_fetch *fetch = mem_zalloc(sizeof(*fetch) + filter.len);
    fetch->identifier = identifier;
    fetch->shard = RETAINED_ANY_SHARD;
    fetch->qos = qos;
    fetch->filter_len = (uint16_t)filter.len;
    memcpy(fetch->filter, filter.data, filter.len);
    return fetch;
}

bool
retained_fetch_has_room(const struct connection *connection)
{
    return connection->retained_seen == NULL || connection->retained_seen->fetches < FETCHES_MAX;
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
go_on(struct retained_fetch *fetch, const struct retained_answer *answer)
{
    set_after(fetch, answer->next);
    fetch->visited = answer->visited;
    fetch->shard = answer->shard;
}

static void
free_first(struct connection *connection, struct retained_fetch **list)
{
    struct retained_fetch *fetch = *list;
    struct retained_seen *seen = connection->retained_seen;
    assert(seen != NULL); /* made with the first fetch */
    *list = fetch->next;
    set_after(fetch, slice_of(NULL, 0));
    mem_free(fetch);
    if (--seen->fetches > 0)
        return;
    mem_free(seen->topics);
    mem_free(seen);
    connection->retained_seen = NULL;
}

static void
pop(struct connection *connection)
{
    free_first(connection, &connection->retained);
}

void
retained_fetch_free_all(struct connection *connection, struct retained_fetch *list)
{
    while (list != NULL)
        free_first(connection, &list);
}

void
retained_fetch_cancel(struct connection *connection, struct retained_fetch **list,
                      struct slice filter)
{
    while (*list != NULL) {
        if (slice_equal(slice_of((*list)->filter, (*list)->filter_len), filter))
            free_first(connection, list);
        else
            list = &(*list)->next;
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
    struct retained_request *request =
        retained_request_new(slice_of(fetch->filter, fetch->filter_len), fetch->after, PAGE);
    request->visited = fetch->visited;
    request->shard = fetch->shard;
    fetch->ticket = ++worker->next_ticket;
    worker_to_hub(worker, &(struct post){.kind = POST_RETAINED_GET,
                                         .conn = connection->handle,
                                         .a = fetch->ticket,
                                         .body = request});
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
            if (is_replaced(connection, publication.topic))
                continue;
            uint8_t qos = publication.qos < fetch->qos ? publication.qos : fetch->qos;
            deliver_to(connection, &publication, qos, true, &fetch->identifier,
                       fetch->identifier != 0);
        }
        if (answer->more)
            go_on(fetch, answer);
        else
            pop(connection);
    }
    retained_answer_free(answer);
    desk_retained_continue(connection);
}
