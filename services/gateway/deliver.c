/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See deliver.h. Two things make fan-out cheap: a packet is encoded once per kind of receiver
 * (version, QoS, retain flag) and copied with its packet id patched; and only when several filters
 * match are receivers gathered first.
 */
#include "services/gateway/deliver.h"

#include <string.h>

#include "common/mem.h"
#include "proto/mqtt_encode.h"
#include "services/gateway/alias_out.h"
#include "services/gateway/connection_limits.h"
#include "services/gateway/desk.h"
#include "services/gateway/worker_state.h"
#include "services/gateway/worker_trace.h"

#define REF_PAYLOAD 3000u /* payloads from here on are referenced, not copied */

struct template
{
    size_t len; /* 0: does not fit a chunk */
    size_t packet_id_at;
    bool is_made;
    uint8_t bytes[OUTPUT_CHUNK_DATA];
};

/* What one client gets of one message. */
struct gathered {
    struct connection *connection;
    uint32_t first_id, id_count; /* in ids[], linked */
    uint8_t qos;
    bool persistent, as_published;
};

struct gathered_id {
    uint32_t identifier;
    uint32_t next; /* index + 1, 0: end */
};

struct deliver {
    uint64_t stamp; /* of the message in hand */
    size_t count, size;
    struct gathered *gathered;
    size_t id_count, id_size;
    struct gathered_id *ids;
    uint32_t *list; /* the identifiers of one client in a row */
    size_t list_size;
    bool any_template;
    struct template templates[2][3][2]; /* 5.0, QoS, retain */
};

struct deliver *
deliver_new(void)
{
    return mem_zalloc(sizeof(struct deliver));
}

void
deliver_free(struct deliver *deliver)
{
    if (deliver == NULL)
        return;
    mem_free(deliver->gathered);
    mem_free(deliver->ids);
    mem_free(deliver->list);
    mem_free(deliver);
}

void
publication_of(struct message *message, struct publication *out)
{
    *out = (struct publication){.topic = message_topic(message),
                                .properties = message_properties(message),
                                .payload = message_payload(message),
                                .expiry_ms = message->expiry_ms,
                                .publisher = message->publisher,
                                .message = message,
                                .qos = message->qos,
                                .retain = message->retain};
}

struct message *
publication_message(struct publication *publication)
{
    if (publication->message == NULL) {
        struct publish_record record = {.expiry_ms = publication->expiry_ms,
                                        .publisher = publication->publisher,
                                        .qos = publication->qos,
                                        .retain = publication->retain,
                                        .topic = slice_by_words(&publication->topic),
                                        .properties = slice_by_words(&publication->properties),
                                        .payload = slice_by_words(&publication->payload)};
        publication->message = message_new(&record);
    }
    return publication->message;
}

struct message *
publication_take(struct publication *publication)
{
    struct message *message = publication_message(publication);
    publication->message = NULL;
    return message;
}

void
publication_end(struct publication *publication)
{
    message_unref(publication->message);
    publication->message = NULL;
}

/* False: it has expired. What was sent before does not expire any more. [MQTT-4.3.3-7] */
static bool
describe(struct worker *worker, const struct publication *publication, uint8_t qos, bool retain,
         bool dup, struct mqtt_publish_out *out)
{
    *out = (struct mqtt_publish_out){.topic = slice_by_words(&publication->topic),
                                     .payload_len = publication->payload.len,
                                     .qos = qos,
                                     .retain = retain,
                                     .dup = dup,
                                     .properties = slice_by_words(&publication->properties)};
    if (publication->expiry_ms != 0) {
        uint64_t now = worker_wall_ms(worker);
        uint64_t left_ms = publication->expiry_ms > now ? publication->expiry_ms - now : 0;
        if (left_ms == 0 && !dup)
            return false;
        out->has_expiry = true;
        out->expiry_s = (uint32_t)((left_ms + 999) / 1000);
    }
    return true;
}

/* Puts the alias of the topic in; a new one only if the packet stays within the client's limit. */
static struct alias_out_choice
use_alias(const struct connection *connection, struct mqtt_publish_out *out)
{
    struct alias_out_choice choice = alias_out_choose(connection->aliases, out->topic);
    out->topic_alias = choice.alias;
    if (choice.is_known) {
        out->topic = slice_of(NULL, 0);
    } else if (choice.alias != 0 && connection->max_packet != 0 &&
               mqtt_encode_publish_size((enum mqtt_version)connection->version, out) >
                   connection->max_packet) {
        out->topic_alias = choice.alias = 0;
    }
    return choice;
}

enum deliver_result
deliver_encode(struct connection *connection, struct publication *publication, uint8_t qos,
               bool retain, bool dup, uint16_t packet_id, const uint32_t *identifiers,
               uint32_t count)
{
    struct worker *worker = connection->worker;
    struct mqtt_publish_out out;
    if (!describe(worker, publication, qos, retain, dup, &out))
        return DELIVER_EXPIRED;
    out.packet_id = packet_id;
    out.subscription_ids = identifiers;
    out.subscription_id_count = count;
    struct alias_out_choice alias = {0};
    if (connection->aliases != NULL)
        alias = use_alias(connection, &out);
    size_t payload_len = publication->payload.len;
    if (connection->max_packet != 0) {
        size_t size = mqtt_encode_publish_size(connection->version, &out);
        if (size == 0 || size > connection->max_packet)
            return DELIVER_TOO_LARGE;
    }
    size_t max = mqtt_encode_publish_header_max(&out);
    size_t n;
    if (payload_len < REF_PAYLOAD && max + payload_len <= OUTPUT_CHUNK_DATA) {
        uint8_t *to = output_reserve(&connection->output, &worker->pool, max + payload_len);
        n = mqtt_encode_publish_header(connection->version, &out, to, NULL);
        if (n == 0)
            return DELIVER_TOO_LARGE;
        if (payload_len > 0)
            memcpy(to + n, publication->payload.data, payload_len);
        output_commit(&connection->output, n + payload_len);
    } else {
        buf_reset(&worker->scratch);
        uint8_t *to = buf_reserve(&worker->scratch, max);
        n = to != NULL ? mqtt_encode_publish_header(connection->version, &out, to, NULL) : 0;
        if (n == 0)
            return DELIVER_TOO_LARGE;
        output_append(&connection->output, &worker->pool, slice_of(to, n));
        if (payload_len < REF_PAYLOAD) {
            output_append(&connection->output, &worker->pool, publication->payload);
        } else {
            struct message *message = publication_message(publication);
            output_append_ref(&connection->output, &worker->pool, message,
                              message_payload(message));
        }
    }
    if (connection->aliases != NULL)
        alias_out_sent(connection->aliases, alias, publication->topic);
    connection_dirty(connection);
    worker->counts.sent[qos]++;
    return DELIVER_SENT;
}

static void
count_result(struct connection *connection, enum deliver_result result)
{
    if (result != DELIVER_SENT)
        connection_dropped(connection, result == DELIVER_EXPIRED ? DROP_EXPIRED : DROP_SIZE);
}

/* The oldest goes, until the new one fits. */
static void
make_room(struct connection *connection, const struct message *message)
{
    struct session *session = connection->session;
    struct session_queued oldest;
    while (!session_queue_has_room(session, message) && session_queue_pop(session, &oldest)) {
        if (oldest.handout != NULL)
            desk_shared_sent(connection, oldest.handout, DELIVER_TOO_LARGE, 0, oldest.qos);
        else
            connection_dropped(connection, DROP_QUEUE);
        oldest.handout = NULL;
        session_queued_free(&oldest);
    }
}

/* It waits for a place in flight, or for the socket. */
static void
queue_one(struct connection *connection, struct publication *publication, uint8_t qos, bool retain,
          const uint32_t *identifiers, uint32_t count)
{
    struct message *message = message_ref(publication_message(publication));
    if (connection->worker->options.drop_oldest &&
        session_queue_could_take(connection->session, message))
        make_room(connection, message);
    if (session_queue_push(connection->session, message, qos, retain, identifiers, count) == OK)
        return;
    message_unref(message);
    connection_dropped(connection, DROP_QUEUE);
}

/* From the template of its kind; only without identifiers and packet limit. */
static enum deliver_result
send_template(struct connection *connection, struct publication *publication, uint8_t qos,
              bool retain, uint16_t packet_id)
{
    struct worker *worker = connection->worker;
    struct deliver *deliver = worker->deliver;
    struct template *template = &deliver->templates[connection->version == MQTT_5_0][qos][retain];
    if (!template->is_made) {
        struct mqtt_publish_out out;
        if (!describe(worker, publication, qos, retain, false, &out))
            return DELIVER_EXPIRED;
        template->is_made = true;
        deliver->any_template = true;
        template->len = 0;
        if (publication->payload.len < REF_PAYLOAD &&
            mqtt_encode_publish_header_max(&out) + publication->payload.len <= OUTPUT_CHUNK_DATA) {
            out.packet_id = 1;
            size_t n = mqtt_encode_publish_header(connection->version, &out, template->bytes,
                                                  &template->packet_id_at);
            if (publication->payload.len > 0)
                memcpy(template->bytes + n, publication->payload.data, publication->payload.len);
            template->len = n > 0 ? n + publication->payload.len : 0;
        }
    }
    if (template->len == 0)
        return deliver_encode(connection, publication, qos, retain, false, packet_id, NULL, 0);
    uint8_t *to = output_reserve(&connection->output, &worker->pool, template->len);
    memcpy(to, template->bytes, template->len);
    if (qos > 0)
        buf_store_u16(to + template->packet_id_at, packet_id);
    output_commit(&connection->output, template->len);
    connection_dirty(connection);
    worker->counts.sent[qos]++;
    return DELIVER_SENT;
}

/* To a client whose state and kind were looked at. many: it pays to make a template. */
static void
send_one(struct connection *connection, struct publication *publication, uint8_t qos, bool retain,
         const uint32_t *identifiers, uint32_t count, bool many)
{
    struct worker *worker = connection->worker;
    struct session *session = NULL;
    uint16_t id = 0;
    if (qos == 0) {
        if (connection->output.len > worker->qos0_output_max) {
            connection_dropped(connection, connection->output.len > worker->options.max_output
                                               ? DROP_SLOW
                                               : DROP_MEMORY);
            return;
        }
    } else {
        session = connection_session(connection);
        if (!session_has_room(session) || connection->output.len > worker->options.max_output) {
            TRACE(connection, "queued", publication->topic, "until the client acknowledges others");
            queue_one(connection, publication, qos, retain, identifiers, count);
            return;
        }
        id = session_take_id(session, qos);
    }
    enum deliver_result result =
        many && count == 0 && connection->max_packet == 0 && connection->aliases == NULL
            ? send_template(connection, publication, qos, retain, id)
            : deliver_encode(connection, publication, qos, retain, false, id, identifiers, count);
    if (result == DELIVER_SENT) {
        TRACE(connection, "delivered", publication->topic, qos == 0 ? "QoS 0" : "in flight");
        return;
    }
    if (id != 0)
        idmap_remove(&session->out, id);
    count_result(connection, result);
}

/* A message that is published now; the state of the connection was looked at. */
static inline void
send_live(struct connection *connection, struct publication *publication, uint8_t qos, bool retain,
          const uint32_t *identifiers, uint32_t count, bool many)
{
    if (publication->retain && connection->retained_seen != NULL)
        desk_retained_note(connection, publication->topic);
    send_one(connection, publication, qos, retain, identifiers, count, many);
}

void
deliver_to(struct connection *connection, struct publication *publication, uint8_t qos, bool retain,
           const uint32_t *identifiers, uint32_t count)
{
    if (connection->state == CONNECTION_OPEN)
        send_one(connection, publication, qos, retain, identifiers, count, false);
}

void
deliver_waiting(struct connection *connection)
{
    struct session *session = connection->session;
    struct session_queued queued;
    if (session == NULL || connection->state != CONNECTION_OPEN)
        return;
    while (session->queue_count > 0 && session->out.count < session->inflight_max &&
           connection->output.len <= connection->worker->options.max_output) {
        session_queue_pop(session, &queued);
        struct publication publication;
        publication_of(queued.message, &publication);
        uint16_t id = session_take_id(session, queued.qos);
        enum deliver_result result =
            deliver_encode(connection, &publication, queued.qos, queued.retain, false, id,
                           queued.identifiers != NULL ? queued.identifiers + 1 : NULL,
                           queued.identifiers != NULL ? queued.identifiers[0] : 0);
        if (result != DELIVER_SENT) {
            idmap_remove(&session->out, id);
            count_result(connection, result);
        }
        if (queued.handout != NULL)
            desk_shared_sent(connection, queued.handout, result, id, queued.qos);
        queued.handout = NULL;
        session_queued_free(&queued);
    }
}

static inline bool
wants(const struct subscription *subscription, const struct publication *publication)
{
    const struct connection *connection = subscription->connection;
    if (connection->state != CONNECTION_OPEN)
        return false;
    return !(subscription->flags & SUBSCRIPTION_NO_LOCAL) || publication->publisher == 0 ||
           connection->session_number != publication->publisher;
}

/* One filter matches: nobody can get it twice. */
static void
deliver_route(struct worker *worker, const struct route *route, struct publication *publication)
{
    struct subscription *const *list = route_list(route);
    bool many = route->count > 1;
    for (uint32_t i = 0; i < route->count; i++) {
        const struct subscription *subscription = list[i];
        if (!wants(subscription, publication))
            continue;
        uint8_t qos = subscription->flags & SUBSCRIPTION_QOS;
        if (qos > publication->qos)
            qos = publication->qos;
        if (qos > 0 && (subscription->flags & SUBSCRIPTION_PERSISTENT))
            continue;
        send_live(subscription->connection, publication, qos,
                  publication->retain && (subscription->flags & SUBSCRIPTION_AS_PUBLISHED),
                  &subscription->identifier, subscription->identifier != 0, many);
        if (worker->pool.taken > WORKER_FLUSH_CHUNKS)
            worker_flush_dirty(worker);
    }
}

static struct gathered *
gather_client(struct deliver *deliver, struct connection *connection)
{
    if (connection->gather_stamp == deliver->stamp)
        return &deliver->gathered[connection->gather_index];
    if (deliver->count == deliver->size) {
        deliver->size = deliver->size == 0 ? 64 : deliver->size * 2;
        deliver->gathered =
            mem_realloc_array(deliver->gathered, deliver->size, sizeof(*deliver->gathered));
    }
    connection->gather_stamp = deliver->stamp;
    connection->gather_index = (uint32_t)deliver->count;
    struct gathered *gathered = &deliver->gathered[deliver->count++];
    *gathered = (struct gathered){.connection = connection};
    return gathered;
}

static void
gather_id(struct deliver *deliver, struct gathered *gathered, uint32_t identifier)
{
    if (deliver->id_count == deliver->id_size) {
        deliver->id_size = deliver->id_size == 0 ? 64 : deliver->id_size * 2;
        deliver->ids = mem_realloc_array(deliver->ids, deliver->id_size, sizeof(*deliver->ids));
    }
    deliver->ids[deliver->id_count] = (struct gathered_id){identifier, gathered->first_id};
    gathered->first_id = (uint32_t)++deliver->id_count;
    gathered->id_count++;
}

static void
gather_route(struct deliver *deliver, const struct route *route,
             const struct publication *publication)
{
    struct subscription *const *list = route_list(route);
    for (uint32_t i = 0; i < route->count; i++) {
        const struct subscription *subscription = list[i];
        if (!wants(subscription, publication))
            continue;
        struct gathered *gathered = gather_client(deliver, subscription->connection);
        uint8_t qos = subscription->flags & SUBSCRIPTION_QOS;
        if (qos > gathered->qos)
            gathered->qos = qos;
        gathered->persistent |= (subscription->flags & SUBSCRIPTION_PERSISTENT) != 0;
        gathered->as_published |= (subscription->flags & SUBSCRIPTION_AS_PUBLISHED) != 0;
        if (subscription->identifier != 0 && gathered->id_count < LIMITS_SUBSCRIPTION_IDS)
            gather_id(deliver, gathered, subscription->identifier);
    }
}

static void
send_gathered(struct worker *worker, struct publication *publication)
{
    struct deliver *deliver = worker->deliver;
    for (size_t i = 0; i < deliver->count; i++) {
        const struct gathered *gathered = &deliver->gathered[i];
        uint8_t qos = gathered->qos < publication->qos ? gathered->qos : publication->qos;
        if (gathered->connection->state != CONNECTION_OPEN || (qos > 0 && gathered->persistent))
            continue;
        if (gathered->id_count > deliver->list_size) {
            deliver->list_size = gathered->id_count;
            deliver->list =
                mem_realloc_array(deliver->list, deliver->list_size, sizeof(*deliver->list));
        }
        uint32_t n = gathered->id_count;
        for (uint32_t at = gathered->first_id; at != 0; at = deliver->ids[at - 1].next)
            deliver->list[--n] = deliver->ids[at - 1].identifier;
        send_live(gathered->connection, publication, qos,
                  publication->retain && gathered->as_published, deliver->list, gathered->id_count,
                  deliver->count > 1);
        if (worker->pool.taken > WORKER_FLUSH_CHUNKS)
            worker_flush_dirty(worker);
    }
}

uint64_t
deliver_publication(struct worker *worker, struct publication *publication)
{
    struct deliver *deliver = worker->deliver;
    size_t count;
    struct route *const *found = client_routes_match(worker->routes, publication->topic, &count);
    uint64_t places = 0;
    size_t local = 0;
    if (worker->traces != NULL)
        worker->traced_topic = publication->topic;
    if (deliver->any_template) {
        for (size_t i = 0; i < 12; i++)
            deliver->templates[i / 6][i / 2 % 3][i % 2].is_made = false;
        deliver->any_template = false;
    }
    const struct route *only = NULL;
    for (size_t i = 0; i < count; i++) {
        places |= found[i]->places;
        if (found[i]->count > 0) {
            local++;
            only = found[i];
        }
    }
    publication->is_matched = local > 0;
    if (local == 1) {
        deliver_route(worker, only, publication);
    } else if (local > 1) {
        deliver->count = deliver->id_count = 0;
        deliver->stamp++;
        for (size_t i = 0; i < count; i++)
            gather_route(deliver, found[i], publication);
        send_gathered(worker, publication);
    }
    worker->traced_topic = slice_of(NULL, 0);
    return places & ~(UINT64_C(1) << worker->index);
}
