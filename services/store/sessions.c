/* SPDX-License-Identifier: Apache-2.0 */
/* The table of sessions; see sessions.h. */
#include "services/store/sessions.h"

#include "common/mem.h"
#include "proto/limits.h"
#include "services/store/session_rest.h"

#include <assert.h>
#include <string.h>

struct sessions {
    struct session *clients;
    struct session *numbers;
    uint64_t next;
    uint64_t cap;
};

struct sessions *
sessions_new(uint64_t first, uint64_t cap)
{
    struct sessions *sessions = mem_zalloc(sizeof(*sessions));
    sessions->next = first;
    sessions->cap = cap;
    return sessions;
}

void
sessions_free(struct sessions *sessions)
{
    struct session *session;
    struct session *next;
    if (sessions == NULL)
        return;
    HASH_ITER(by_number, sessions->numbers, session, next)
    {
        sessions_remove(sessions, session);
        session_free(session);
    }
    mem_free(sessions);
}

struct session *
sessions_by_client(struct sessions *sessions, struct slice client_id)
{
    struct session *session = NULL;
    if (client_id.len != 0 && client_id.len <= LIMITS_CLIENT_ID)
        HASH_FIND(by_client, sessions->clients, client_id.data, client_id.len, session);
    return session;
}

struct session *
sessions_by_number(struct sessions *sessions, uint64_t number)
{
    struct session *session = NULL;
    HASH_FIND(by_number, sessions->numbers, &number, sizeof(number), session);
    return session;
}

uint64_t
sessions_count(const struct sessions *sessions)
{
    return HASH_CNT(by_number, sessions->numbers);
}

uint64_t
sessions_next_number(struct sessions *sessions)
{
    return sessions->next++;
}

enum err
sessions_add(struct sessions *sessions, struct slice client_id, uint64_t number,
             struct session **out)
{
    struct session *session;
    if (client_id.len == 0 || client_id.len > LIMITS_CLIENT_ID)
        return ERR_TOO_LARGE;
    if (sessions_count(sessions) >= sessions->cap)
        return ERR_QUOTA;
    if (sessions_by_client(sessions, client_id) != NULL ||
        sessions_by_number(sessions, number) != NULL)
        return ERR_EXISTS;
    session = mem_zalloc(sizeof(*session) + client_id.len);
    session->number = number;
    session->state = SESSION_DISCONNECTED;
    session->client_len = (uint16_t)client_id.len;
    memcpy(session->client, client_id.data, client_id.len);
    HASH_ADD_KEYPTR(by_client, sessions->clients, session->client, client_id.len, session);
    HASH_ADD(by_number, sessions->numbers, number, sizeof(session->number), session);
    *out = session;
    return OK;
}

void
session_make_lasting(struct session *session, uint64_t next_seq)
{
    assert(session->lasting == NULL);
    session->lasting = mem_zalloc(sizeof(*session->lasting));
    session_queue_init(&session->lasting->queue, next_seq);
}

void
sessions_remove(struct sessions *sessions, struct session *session)
{
    assert(session->state != SESSION_REMOVED);
    session_set_owner(session, NULL, 0);
    HASH_DELETE(by_client, sessions->clients, session);
    HASH_DELETE(by_number, sessions->numbers, session);
    session->state = SESSION_REMOVED;
}

void
session_free(struct session *session)
{
    if (session == NULL)
        return;
    assert(session->state == SESSION_REMOVED);
    if (session->lasting != NULL) {
        session_queue_fini(&session->lasting->queue);
        session_rest_free(session->lasting->rest);
        mem_free(session->lasting->inbound);
        mem_free(session->lasting);
    }
    mem_free(session->will);
    mem_free(session);
}

bool
session_is_stalled(const struct session *session)
{
    return session->lasting != NULL && session->lasting->is_stalled;
}

void
session_unstall(struct session *session)
{
    struct lasting *lasting = session->lasting;
    if (!session_is_stalled(session))
        return;
    if (lasting->stalled_prev != NULL)
        lasting->stalled_prev->lasting->stalled_next = lasting->stalled_next;
    else
        session->owner->stalled = lasting->stalled_next;
    if (lasting->stalled_next != NULL)
        lasting->stalled_next->lasting->stalled_prev = lasting->stalled_prev;
    lasting->stalled_next = NULL;
    lasting->stalled_prev = NULL;
    lasting->is_stalled = false;
}

void
session_stall(struct session *session)
{
    struct lasting *lasting = session->lasting;
    if (lasting == NULL || lasting->is_stalled || session->owner == NULL)
        return;
    lasting->is_stalled = true;
    lasting->stalled_prev = NULL;
    lasting->stalled_next = session->owner->stalled;
    if (lasting->stalled_next != NULL)
        lasting->stalled_next->lasting->stalled_prev = session;
    session->owner->stalled = session;
}

void
session_set_owner(struct session *session, struct owner *owner, uint64_t conn)
{
    if (session->owner != NULL) {
        session_unstall(session);
        if (session->owner_prev != NULL)
            session->owner_prev->owner_next = session->owner_next;
        else
            session->owner->sessions = session->owner_next;
        if (session->owner_next != NULL)
            session->owner_next->owner_prev = session->owner_prev;
        session->owner->count--;
    }
    session->owner = owner;
    session->owner_next = NULL;
    session->owner_prev = NULL;
    session->conn = conn;
    session->ready = false;
    if (owner == NULL) {
        session->owner_incarnation = 0;
        return;
    }
    session->owner_incarnation = owner->incarnation;
    session->state = SESSION_CONNECTED;
    session->owner_next = owner->sessions;
    if (owner->sessions != NULL)
        owner->sessions->owner_prev = session;
    owner->sessions = session;
    owner->count++;
}

struct slice
session_client(const struct session *session)
{
    return slice_of(session->client, session->client_len);
}

void
session_set_will(struct session *session, struct slice topic, struct slice properties,
                 struct slice payload, const struct session_will *flags)
{
    struct session_will *will = mem_alloc(sizeof(*will) + topic.len + properties.len + payload.len);
    *will = *flags;
    will->topic_len = (uint32_t)topic.len;
    will->properties_len = (uint32_t)properties.len;
    will->payload_len = (uint32_t)payload.len;
    if (topic.len != 0)
        memcpy(will->bytes, topic.data, topic.len);
    if (properties.len != 0)
        memcpy(will->bytes + topic.len, properties.data, properties.len);
    if (payload.len != 0)
        memcpy(will->bytes + topic.len + properties.len, payload.data, payload.len);
    session_drop_will(session);
    session->will = will;
}

void
session_drop_will(struct session *session)
{
    mem_free(session->will);
    session->will = NULL;
    session->will_at_ms = 0;
}

struct slice
session_will_topic(const struct session_will *will)
{
    return slice_of(will->bytes, will->topic_len);
}

struct slice
session_will_properties(const struct session_will *will)
{
    return slice_of(will->bytes + will->topic_len, will->properties_len);
}

struct slice
session_will_payload(const struct session_will *will)
{
    return slice_of(will->bytes + will->topic_len + will->properties_len, will->payload_len);
}

struct session_inbound *
session_inbound_get(struct session *session, uint16_t packet_id)
{
    struct lasting *lasting = session->lasting;
    uint32_t i;
    if (lasting == NULL)
        return NULL;
    /* a short list, oldest first: a client releases in the order in which it published */
    for (i = 0; i < lasting->inbound_count; i++) {
        if (lasting->inbound[i].packet_id == packet_id)
            return &lasting->inbound[i];
    }
    return NULL;
}

enum err
session_inbound_add(struct session *session, uint16_t packet_id)
{
    struct lasting *lasting = session->lasting;
    assert(lasting != NULL);
    if (session_inbound_get(session, packet_id) != NULL)
        return ERR_EXISTS;
    if (lasting->inbound_count == lasting->inbound_size) {
        lasting->inbound_size = lasting->inbound_size == 0 ? 4 : lasting->inbound_size * 2;
        lasting->inbound =
            mem_realloc_array(lasting->inbound, lasting->inbound_size, sizeof(*lasting->inbound));
    }
    lasting->inbound[lasting->inbound_count++] =
        (struct session_inbound){packet_id, SESSION_INBOUND_PENDING, 0};
    return OK;
}

bool
session_inbound_remove(struct session *session, uint16_t packet_id)
{
    struct session_inbound *inbound = session_inbound_get(session, packet_id);
    struct lasting *lasting = session->lasting;
    size_t rest;
    if (inbound == NULL)
        return false;
    rest = lasting->inbound_count - 1 - (size_t)(inbound - lasting->inbound);
    memmove(inbound, inbound + 1, rest * sizeof(*inbound));
    lasting->inbound_count--;
    return true;
}

void
sessions_each(struct sessions *sessions, sessions_each_fn fn, void *arg)
{
    struct session *session;
    struct session *next;
    HASH_ITER(by_number, sessions->numbers, session, next)
    {
        fn(arg, session);
    }
}

/* The bits of a bucket's number are counted from the highest: when the table doubles, a bucket
 * becomes two that follow each other in this order, so that none is left out. */
static uint64_t
next_bucket(uint64_t bucket, uint64_t mask)
{
    uint64_t bit = (mask >> 1) + 1;
    while (bit != 0 && (bucket & bit) != 0) {
        bucket &= ~bit;
        bit >>= 1;
    }
    return bucket | bit; /* 0: all were set, it was the last */
}

uint64_t
sessions_scan(struct sessions *sessions, uint64_t cursor, size_t max_looks,
              void (*fn)(void *arg, struct session *session), void *arg)
{
    UT_hash_table *table;
    size_t looks = 0;
    if (sessions->numbers == NULL)
        return 0;
    table = sessions->numbers->by_number.tbl;
    cursor &= table->num_buckets - 1;
    do {
        UT_hash_handle *at = table->buckets[cursor].hh_head;
        for (; at != NULL; at = at->hh_next, looks++)
            fn(arg, ELMT_FROM_HH(table, at));
        cursor = next_bucket(cursor, table->num_buckets - 1);
        looks++; /* empty buckets cost as well */
    } while (cursor != 0 && looks < max_looks);
    return cursor;
}
