/* SPDX-License-Identifier: Apache-2.0 */
/* See session.h. */
#include "services/gateway/session.h"

#include <assert.h>
#include <string.h>

#include "common/mem.h"
#include "proto/mqtt_packet.h"

#define ACKS_MAX    65535u
#define QUEUED_COST 80u /* besides the record: place in the queue and the head of the message */

struct session *
session_new(uint16_t inflight_max, uint32_t queue_max, size_t queue_bytes_max)
{
    assert(inflight_max >= 1);
    struct session *session = mem_zalloc(sizeof(*session));
    session->inflight_max = inflight_max;
    session->queue_max = queue_max;
    session->queue_bytes_max = queue_bytes_max;
    session->ack_base = 1;
    return session;
}

void
session_free(struct session *session)
{
    if (session == NULL)
        return;
    struct session_queued queued;
    while (session_queue_pop(session, &queued))
        session_queued_free(&queued);
    while (session->handouts != NULL) {
        struct handout *handout = session->handouts;
        HASH_DEL(session->handouts, handout);
        handout_free(handout);
    }
    for (uint16_t i = 0; i < session->alias_max; i++)
        mem_free((void *)(uintptr_t)session->aliases[i].data);
    mem_free(session->aliases);
    mem_free(session->queue);
    mem_free(session->acks);
    idmap_fini(&session->out);
    idmap_fini(&session->in);
    mem_free(session);
}

uint16_t
session_take_id(struct session *session, uint8_t qos)
{
    assert(session->out.count < session->inflight_max);
    uint16_t id = session->next_id;
    do {
        id = (uint16_t)(id == 65535 ? 1 : id + 1);
    } while (idmap_get(&session->out, id) != NULL);
    session->next_id = id;
    idmap_add(&session->out, id)->state = qos == 2 ? SESSION_OUT_REC : SESSION_OUT_ACK;
    return id;
}

void
session_set_id(struct session *session, uint16_t id, uint64_t seq, uint8_t qos, bool rel)
{
    struct idmap_entry *entry = idmap_add(&session->out, id);
    entry->value = seq;
    entry->state = rel ? SESSION_OUT_COMP : qos == 2 ? SESSION_OUT_REC : SESSION_OUT_ACK;
    if (seq > session->last_seq)
        session->last_seq = seq;
}

bool
session_queue_has_room(const struct session *session, const struct message *message)
{
    return session->queue_count < session->queue_max &&
           message->len + QUEUED_COST <= session->queue_bytes_max - session->queue_bytes;
}

bool
session_queue_could_take(const struct session *session, const struct message *message)
{
    return session->queue_max > 0 && message->len + QUEUED_COST <= session->queue_bytes_max;
}

enum err
session_queue_push(struct session *session, struct message *message, uint8_t qos, bool retain,
                   const uint32_t *identifiers, uint32_t count)
{
    if (!session_queue_has_room(session, message))
        return ERR_BUSY;
    if (session->queue_count == session->queue_size) {
        uint32_t size = session->queue_size == 0 ? 16 : session->queue_size * 2;
        struct session_queued *queue = mem_zalloc_array(size, sizeof(*queue));
        for (uint32_t i = 0; i < session->queue_count; i++)
            queue[i] = session->queue[(session->queue_head + i) & (session->queue_size - 1)];
        mem_free(session->queue);
        session->queue = queue;
        session->queue_head = 0;
        session->queue_size = size;
    }
    uint32_t at = (session->queue_head + session->queue_count++) & (session->queue_size - 1);
    struct session_queued *queued = &session->queue[at];
    *queued = (struct session_queued){.message = message, .qos = qos, .retain = retain};
    session->queue_bytes += message->len + QUEUED_COST;
    if (count > 0) {
        queued->identifiers = mem_zalloc_array(count + 1, sizeof(*identifiers));
        queued->identifiers[0] = count;
        memcpy(queued->identifiers + 1, identifiers, count * sizeof(*identifiers));
    }
    return OK;
}

bool
session_queue_pop(struct session *session, struct session_queued *out)
{
    if (session->queue_count == 0)
        return false;
    *out = session->queue[session->queue_head];
    session->queue_head = (session->queue_head + 1) & (session->queue_size - 1);
    session->queue_count--;
    session->queue_bytes -= out->message->len + QUEUED_COST;
    if (session->queue_count == 0 && session->queue_size > 256) {
        mem_free(session->queue);
        session->queue = NULL;
        session->queue_size = session->queue_head = 0;
    }
    return true;
}

void
session_queued_free(struct session_queued *queued)
{
    message_unref(queued->message);
    mem_free(queued->identifiers);
    handout_free(queued->handout);
}

void
session_queue_handout(struct session *session, struct handout *handout)
{
    assert(session->queue_count > 0);
    uint32_t at = (session->queue_head + session->queue_count - 1) & (session->queue_size - 1);
    session->queue[at].handout = handout;
}

void
session_queue_forget(struct session *session, uint32_t core)
{
    for (uint32_t i = 0; i < session->queue_count; i++) {
        struct session_queued *queued =
            &session->queue[(session->queue_head + i) & (session->queue_size - 1)];
        if (queued->handout == NULL || queued->handout->core != core ||
            queued->handout->number == 0)
            continue;
        handout_free(queued->handout);
        queued->handout = NULL;
    }
}

uint64_t
session_ack_push(struct session *session, uint8_t type, uint16_t packet_id)
{
    if (session->ack_count >= ACKS_MAX)
        return 0;
    if (session->ack_count == session->ack_size) {
        uint32_t size = session->ack_size == 0 ? 16 : session->ack_size * 2;
        struct session_ack *acks = mem_zalloc_array(size, sizeof(*acks));
        for (uint32_t i = 0; i < session->ack_count; i++)
            acks[i] = session->acks[(session->ack_head + i) & (session->ack_size - 1)];
        mem_free(session->acks);
        session->acks = acks;
        session->ack_head = 0;
        session->ack_size = size;
    }
    uint32_t at = (session->ack_head + session->ack_count) & (session->ack_size - 1);
    session->acks[at] = (struct session_ack){.packet_id = packet_id, .type = type};
    if (type == MQTT_PUBACK)
        session->puback_count++;
    return session->ack_base + session->ack_count++;
}

/* NULL: popped long ago, or never given out. */
static struct session_ack *
find_ack(struct session *session, uint64_t cookie)
{
    if (cookie < session->ack_base || cookie - session->ack_base >= session->ack_count)
        return NULL;
    uint32_t offset = (uint32_t)(cookie - session->ack_base);
    return &session->acks[(session->ack_head + offset) & (session->ack_size - 1)];
}

void
session_ack_lonely(struct session *session, uint64_t cookie)
{
    struct session_ack *ack = find_ack(session, cookie);
    if (ack != NULL)
        ack->is_lonely = true;
}

void
session_ack_done(struct session *session, uint64_t cookie, uint8_t reason)
{
    struct session_ack *ack = find_ack(session, cookie);
    if (ack == NULL)
        return;
    ack->is_done = true;
    ack->reason = reason;
}

void
session_ack_answered(struct session *session, uint64_t cookie, bool wanted)
{
    const struct session_ack *ack = find_ack(session, cookie);
    if (ack != NULL)
        session_ack_done(session, cookie,
                         ack->is_lonely && !wanted ? MQTT_NO_MATCHING_SUBSCRIBERS : MQTT_SUCCESS);
}

bool
session_ack_pop(struct session *session, struct session_ack *out)
{
    if (session->ack_count == 0 || !session->acks[session->ack_head].is_done)
        return false;
    *out = session->acks[session->ack_head];
    session->ack_head = (session->ack_head + 1) & (session->ack_size - 1);
    session->ack_count--;
    session->ack_base++;
    if (out->type == MQTT_PUBACK)
        session->puback_count--;
    return true;
}

enum err
session_alias_set(struct session *session, uint16_t max, uint16_t alias, struct slice topic)
{
    if (alias == 0 || alias > max)
        return ERR_INVALID;
    if (session->aliases == NULL) {
        session->aliases = mem_zalloc_array(max, sizeof(*session->aliases));
        session->alias_max = max;
    }
    if (alias > session->alias_max)
        return ERR_INVALID;
    struct slice *slot = &session->aliases[alias - 1];
    if (slice_equal(*slot, topic))
        return OK;
    mem_free((void *)(uintptr_t)slot->data);
    *slot = slice_of(mem_dup(topic.data, topic.len), topic.len);
    return OK;
}

struct slice
session_alias_get(const struct session *session, uint16_t alias)
{
    if (alias == 0 || alias > session->alias_max)
        return slice_of(NULL, 0);
    return session->aliases[alias - 1];
}

size_t
session_bytes(const struct session *session)
{
    size_t bytes = session->queue_bytes;
    for (uint16_t i = 0; i < session->alias_max; i++)
        bytes += session->aliases[i].len;
    return bytes;
}
