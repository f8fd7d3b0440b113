/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a session; see session_life.h. */
#include "services/store/session_life.h"

#include "common/clock.h"
#include "common/cursor.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/feed_records.h"
#include "proto/mqtt_packet.h"
#include "proto/records.h"
#include "services/store/session_ending.h"
#include "services/store/session_push.h"
#include "services/store/session_shared.h"
#include "services/store/store_link.h"

#include <string.h>

#define WILL_MAX ((size_t)4 * 1024 * 1024)
#define SEQ_STEP 4096u /* numbers skipped by a restart at most: far below 65535 packet ids */

/* ---- rows */

void
session_life_save(struct store *store, struct session *session)
{
    uint8_t extra[8];
    struct driver_session row = {
        .session = session->number,
        .epoch = session->epoch,
        .owner = session->owner_incarnation,
        .conn = session->conn,
        .expiry_s = session->expiry_s,
        .receive_maximum = session->receive_maximum,
        .version = session->version,
        .client_id = session_client(session),
        .extra = slice_of(extra, sizeof(extra)),
    };
    if (session->lasting == NULL)
        return;
    buf_store_u64(extra, session->lasting->queue.pushed_seq);
    row.created_ms = session->lasting->created_ms;
    if (session->lasting->queue.next_seq + SEQ_STEP / 2 > session->lasting->seq_limit)
        session->lasting->seq_limit = session->lasting->queue.next_seq + SEQ_STEP;
    row.seq_limit = session->lasting->seq_limit;
    row.disconnected_ms = session->disconnected_ms;
    if (session->user != NULL)
        row.user = slice_of(session->user->name, session->user->len);
    batch_session_put(commit_batch(store->commit), &row);
}

/* u8 flags (bits 0-1 QoS, 2 retain, 3 has expiry), u32 delay, u32 expiry, u32 length and bytes of
 * topic and of properties, payload. */
void
session_life_save_will(struct store *store, struct session *session)
{
    const struct session_will *will = session->will;
    struct batch *batch = commit_batch(store->commit);
    struct buf value;
    if (session->lasting == NULL)
        return;
    if (will == NULL) {
        batch_will_delete(batch, session->number);
        return;
    }
    buf_init(&value, WILL_MAX);
    buf_put_u8(&value, (uint8_t)(will->qos | (will->retain ? 4 : 0) | (will->has_expiry ? 8 : 0)));
    buf_put_u32(&value, will->delay_s);
    buf_put_u32(&value, will->expiry_s);
    buf_put_u32(&value, will->topic_len);
    buf_append_slice(&value, session_will_topic(will));
    buf_put_u32(&value, will->properties_len);
    buf_append_slice(&value, session_will_properties(will));
    buf_append_slice(&value, session_will_payload(will));
    if (buf_error(&value) == OK)
        batch_will_put(batch, session->number, session->will_at_ms, buf_slice(&value));
    buf_fini(&value);
}

enum err
session_life_load_will(struct session *session, struct slice value)
{
    struct cursor c = cursor_of(value);
    struct session_will flags = {0};
    struct slice topic;
    struct slice properties;
    struct slice payload;
    uint8_t bits = cursor_u8(&c);
    flags.qos = bits & 3;
    flags.retain = (bits & 4) != 0;
    flags.has_expiry = (bits & 8) != 0;
    flags.delay_s = cursor_u32(&c);
    flags.expiry_s = cursor_u32(&c);
    topic = cursor_bytes32(&c);
    properties = cursor_bytes32(&c);
    payload = cursor_rest(&c);
    if (cursor_end(&c) != OK || flags.qos > 2 || topic.len == 0)
        return ERR_MALFORMED;
    session_set_will(session, topic, properties, payload, &flags);
    return OK;
}

/* ---- own publishes */

/* The outbox has publish records, and bodies of SHARED_RETURN, which begin with NO_NUMBER: no
 * record does, because that is its origin and no outbox has this one. */
enum err
session_life_send(struct store *store, uint64_t seq, struct slice bytes)
{
    if (bytes.len >= 8 && cursor_load_u64(bytes.data) == RECORDS_SHARED_NO_NUMBER)
        return core_client_return_numbered(store->cores, seq, bytes, seq, 0);
    return core_client_publish_numbered(store->cores, seq, bytes, seq, 0);
}

enum err
session_life_send_again(struct store *store, uint64_t seq, struct slice bytes)
{
    enum { FLOOR_AT = 16 }; /* publish_record.h */
    struct records_shared shared;
    struct slice record =
        records_shared_return_decode(bytes, &shared) == OK ? shared.record : bytes;
    uint64_t now_ms = store_wall_ms(store), written_ms = now_ms;
    enum err err;
    if (record.len >= PUBLISH_RECORD_FIXED)
        written_ms = cursor_load_u64(record.data + FLOOR_AT);
    core_client_recovering(store->cores, true, written_ms < now_ms ? now_ms - written_ms : 0);
    err = session_life_send(store, seq, bytes);
    core_client_recovering(store->cores, false, 0);
    return err;
}

/* The outbox entry is durable: on its way to a core. */
static void
outbox_committed(void *arg, uint64_t a, uint64_t b, uint64_t c)
{
    struct store *store = arg;
    struct buf *record = (struct buf *)(uintptr_t)b;
    enum err err = session_life_send(store, a, buf_slice(record));
    (void)c;
    if (err != OK)
        log_error("outbox_publish_failed", LOG_U64("seq", a), LOG_ERR(err), LOG_END);
    buf_fini(record);
    mem_free(record);
}

/* New: the record on the store's own account, behind the head of a SHARED_RETURN if shared. */
static struct buf *
own_record(const struct store *store, const struct records_shared *shared,
           const struct publish_record *given)
{
    struct publish_record record = *given;
    size_t head = shared != NULL ? RECORDS_SHARED_RETURN_BYTES + shared->share.len : 0;
    size_t size = publish_record_size(&record);
    struct buf *bytes = mem_alloc(sizeof(*bytes));
    record.origin = store->origin;
    record.token = 0;
    record.floor = store_wall_ms(store); /* until it is sent: when it was written */
    buf_init(bytes, head + size);
    if (shared != NULL) {
        buf_commit(bytes, records_shared_return_encode(
                              shared, buf_reserve(bytes, RECORDS_SHARED_RETURN_BYTES)));
        buf_append_slice(bytes, shared->share);
    }
    buf_commit(bytes, publish_record_encode_head(&record, buf_reserve(bytes, size)));
    buf_append_slice(bytes, record.payload);
    return bytes;
}

/* Takes bytes. */
static uint64_t
outbox_put(struct store *store, struct buf *bytes, uint64_t session, uint16_t packet_id)
{
    struct batch *batch = commit_batch(store->commit);
    struct slice whole = buf_slice(bytes);
    uint64_t limit;
    uint64_t seq = outbox_add(store->outbox, session, packet_id, whole.len, &limit);
    if (limit != 0) {
        uint8_t value[8];
        buf_store_u64(value, limit);
        batch_meta_put(batch, "outbox_next", slice_of(value, sizeof(value)));
    }
    batch_outbox_append(batch, seq, &whole, 1);
    if (session != 0)
        batch_inbound_put(batch, session, packet_id, seq);
    commit_mark(store->commit, outbox_committed, store, seq, (uint64_t)(uintptr_t)bytes, 0);
    return seq;
}

uint64_t
session_life_publish(struct store *store, const struct publish_record *record, uint64_t session,
                     uint16_t packet_id)
{
    struct buf *bytes = own_record(store, NULL, record);
    if (record->qos != 0)
        return outbox_put(store, bytes, session, packet_id);
    if (core_client_publish_numbered(store->cores, 0, buf_slice(bytes), 0, 0) != OK)
        metric_counter_add(store->counters.dropped[STORE_DROP_QOS0], 1);
    buf_fini(bytes);
    mem_free(bytes);
    return 0;
}

void
session_life_return(struct store *store, const struct records_shared *shared,
                    const struct publish_record *record)
{
    (void)outbox_put(store, own_record(store, shared, record), 0, 0);
}

static void
publish_will_of(struct store *store, const struct session_will *will, uint64_t publisher)
{
    struct publish_record record = {
        .publisher = publisher,
        .qos = will->qos,
        .retain = will->retain,
        .topic = session_will_topic(will),
        .properties = session_will_properties(will),
        .payload = session_will_payload(will),
    };
    if (will->has_expiry)
        record.expiry_ms = store_wall_ms(store) + (uint64_t)will->expiry_s * 1000;
    (void)session_life_publish(store, &record, 0, 0);
    metric_counter_add(store->counters.wills, 1);
}

static void
publish_will(struct store *store, struct session *session)
{
    publish_will_of(store, session->will, session->number);
    session_drop_will(session);
    session_life_save_will(store, session);
}

/* ---- connections */

void
session_life_kick(struct store *store, const struct owner *owner, uint64_t conn, uint64_t number,
                  uint64_t epoch, uint8_t reason)
{
    struct records_session_kick record = {conn, number, epoch, reason};
    uint8_t body[RECORDS_SESSION_KICK_BYTES];
    size_t len = records_session_kick_encode(&record, body);
    store_link_send(store, owner, FEED_SESSION_KICK, slice_of(body, len));
}

void
session_life_connect(struct store *store, struct session *session, struct owner *owner,
                     uint64_t conn)
{
    if (session->state != SESSION_CONNECTED)
        store->connected++;
    wheel_cancel(&store->deadlines, &session->deadline);
    session->expire_at_ms = 0;
    session->will_at_ms = 0;
    session->disconnected_ms = 0;
    session_set_owner(session, owner, conn);
    session_shared_wake(store, session);
}

/* What a queue of an absent session holds in memory goes when disk knows all that memory does. */
static void
release_memory(void *arg, uint64_t number, uint64_t b, uint64_t c)
{
    struct store *store = arg;
    struct session *session = sessions_by_number(store->sessions, number);
    (void)b;
    (void)c;
    if (session == NULL || session->lasting == NULL || session->state == SESSION_CONNECTED)
        return;
    if (session->lasting->touched) {
        session->lasting->touched = false;
        commit_mark(store->commit, release_memory, store, number, 0, 0);
        return;
    }
    session_queue_forget(&session->lasting->queue);
}

static void
detach(struct store *store, struct session *session)
{
    if (session->state == SESSION_CONNECTED)
        store->connected--;
    users_leave(store->users, session->user);
    session->user = NULL;
    session_set_owner(session, NULL, 0);
    session->state = SESSION_DISCONNECTED;
    session->request = 0;
    session->disconnected_ms = store_wall_ms(store);
    if (session->lasting == NULL)
        return;
    session_queue_rewind(&session->lasting->queue);
    session->lasting->resume_to = 0;
    session->lasting->touched = false;
    commit_mark(store->commit, release_memory, store, session->number, 0, 0);
    session_shared_wake(store, session);
}

void
session_life_arm(struct store *store, struct session *session)
{
    uint64_t at = session->will_at_ms;
    uint64_t now_ms = store_wall_ms(store);
    uint64_t monotonic_ms = clock_monotonic_ms();
    if (session->expire_at_ms != 0 && (at == 0 || session->expire_at_ms < at))
        at = session->expire_at_ms;
    if (at == 0)
        wheel_cancel(&store->deadlines, &session->deadline);
    else
        wheel_arm(&store->deadlines, &session->deadline,
                  monotonic_ms + (at > now_ms ? at - now_ms : 0));
}

void
session_life_close(struct store *store, struct session *session, bool with_will)
{
    uint64_t now_ms = store_wall_ms(store);
    detach(store, session);
    if (session->will != NULL && !with_will) {
        session_drop_will(session);
        session_life_save_will(store, session);
    }
    if (session->will != NULL) {
        uint32_t delay_s = session->will->delay_s;
        if (session->expiry_s < delay_s)
            delay_s = session->expiry_s;
        if (delay_s == 0) {
            publish_will(store, session);
        } else {
            session->will_at_ms = now_ms + (uint64_t)delay_s * 1000;
            session_life_save_will(store, session);
        }
    }
    if (session->expiry_s == 0) {
        session_life_end_soon(store, session);
        return;
    }
    if (session->expiry_s != SESSION_EXPIRY_NEVER)
        session->expire_at_ms = now_ms + (uint64_t)session->expiry_s * 1000;
    session_shared_leave(store, session, false);
    session_life_save(store, session);
    session_life_arm(store, session);
}

void
session_life_take(struct store *store, struct session *session, bool clean_start, uint8_t reason)
{
    bool had_connection = session->state != SESSION_DISCONNECTED;
    if (session->owner != NULL) {
        session_life_kick(store, session->owner, session->conn, session->number, session->epoch,
                          reason);
        metric_counter_add(store->counters.takeovers, 1);
    }
    if (session->will != NULL) {
        /* a connection that ends publishes its will at once unless it has a delay that this new
         * connection cuts short; a session that ends publishes what still waits [MQTT-3.1.2-8] */
        bool wanted = clean_start || (had_connection && session->will->delay_s == 0);
        if (wanted && session->owner != NULL) {
            /* its gateway may be about to tell that it ended with a goodbye */
            late_wills_add(store->late_wills, session->number, session->epoch, session->will,
                           clock_monotonic_ms() + store->config->lease_ms);
            session->will = NULL;
        } else if (wanted) {
            publish_will(store, session);
        }
        session_drop_will(session);
        session_life_save_will(store, session);
    }
    if (session->lasting != NULL) {
        session->lasting->former_epoch = session->owner != NULL ? session->epoch : 0;
        session->lasting->ready_waits = false;
    }
    if (had_connection)
        detach(store, session);
    session->will_at_ms = 0;
    session->expire_at_ms = 0;
    wheel_cancel(&store->deadlines, &session->deadline);
}

/* ---- end */

static void
route_gone(void *arg, struct slice filter)
{
    struct store *store = arg;
    core_client_route_remove(store->cores, filter);
}

static void
free_removed(void *arg, uint64_t a, uint64_t b, uint64_t c)
{
    (void)arg;
    (void)b;
    (void)c;
    session_free((struct session *)(uintptr_t)a);
}

void
session_life_end(struct store *store, struct session *session)
{
    if (session->state != SESSION_DISCONNECTED)
        detach(store, session);
    if (session->will != NULL)
        publish_will(store, session);
    wheel_cancel(&store->deadlines, &session->deadline);
    if (session->lasting != NULL) {
        struct session_queue *queue = &session->lasting->queue;
        store->persistent--;
        session_shared_leave(store, session, true);
        subscriptions_remove_all(store->subscriptions, session, route_gone, store);
        batch_session_delete(commit_batch(store->commit), session->number);
        store->queue_count -= queue->count;
        store->queue_bytes -= queue->bytes;
        if (queue->count > 0)
            session_push_dropped(store, session, STORE_DROP_SESSION_END, queue->count,
                                 slice_of(NULL, 0));
    }
    sessions_remove(store->sessions, session);
    commit_mark(store->commit, free_removed, store, (uint64_t)(uintptr_t)session, 0, 0);
}

static void
rest_was_read(struct store *store, uint64_t number, void *arg, enum err err)
{
    struct session *session = sessions_by_number(store->sessions, number);
    (void)arg;
    if (err == OK && session != NULL)
        session_life_end_soon(store, session);
}

void
session_life_end_soon(struct store *store, struct session *session)
{
    session->expire_at_ms = 0;
    if (session->lasting != NULL)
        session->lasting->ending = true;
    if (!session_ending_must_wait(store, session, rest_was_read, NULL))
        session_life_end(store, session);
}

void
session_life_owner_lost(struct store *store, struct owner *owner)
{
    uint64_t count = owner->count;
    owner->up = false;
    while (owner->sessions != NULL)
        session_life_close(store, owner->sessions, true);
    if (count != 0)
        log_warn("gateway_sessions_lost", LOG_HEX("gateway", owner->incarnation),
                 LOG_U64("sessions", count), LOG_END);
}

bool
session_life_waits_for_former(struct store *store, struct session *session, uint64_t after)
{
    struct lasting *lasting = session->lasting;
    if (lasting == NULL || lasting->former_epoch == 0)
        return false;
    lasting->ready_waits = true;
    lasting->ready_after = after;
    wheel_arm(&store->deadlines, &session->deadline, clock_monotonic_ms() + SESSION_HANDOVER_MS);
    return true;
}

/* The wait for the former connection is over. */
static void
handover_end(struct store *store, struct session *session)
{
    wheel_cancel(&store->deadlines, &session->deadline);
    session_push_ready(store, session, session->lasting->ready_after);
}

void
session_life_former_closed(struct store *store, uint64_t number, uint64_t epoch)
{
    struct session *session = sessions_by_number(store->sessions, number);
    if (session == NULL || session->lasting == NULL || session->lasting->former_epoch != epoch)
        return;
    session->lasting->former_epoch = 0;
    if (session->lasting->ready_waits)
        handover_end(store, session);
}

static void
deadline_passed(void *arg, struct wheel_node *node)
{
    struct store *store = arg;
    struct session *session = WHEEL_OWNER(node, struct session, deadline);
    uint64_t now_ms = store_wall_ms(store);
    if (session->state == SESSION_CONNECTED) {
        if (session->lasting != NULL && session->lasting->ready_waits)
            handover_end(store, session);
        return;
    }
    if (session->will_at_ms != 0 && session->will_at_ms <= now_ms && session->will != NULL)
        publish_will(store, session);
    if (session->expire_at_ms != 0 && session->expire_at_ms <= now_ms) {
        metric_counter_add(store->counters.expired, 1);
        session_life_end_soon(store, session);
    } else {
        session_life_arm(store, session);
    }
}

void
session_life_late_close(struct store *store, uint64_t session, uint64_t epoch, bool with_will)
{
    struct session_will *will = late_wills_take(store->late_wills, session, epoch);
    if (will != NULL && with_will)
        publish_will_of(store, will, session);
    mem_free(will);
}

void
session_life_tick(struct store *store)
{
    uint64_t now_ms = clock_monotonic_ms();
    struct session_will *will;
    uint64_t session;
    while ((will = late_wills_due(store->late_wills, now_ms, &session)) != NULL) {
        publish_will_of(store, will, session);
        mem_free(will);
    }
    (void)wheel_advance(&store->deadlines, now_ms, deadline_passed, store);
}

struct release {
    struct store *store;
    uint64_t incarnation;
};

static void
release_one(void *arg, struct session *session)
{
    const struct release *release = arg;
    if (session->state != SESSION_LIMBO)
        return;
    if (release->incarnation != 0
            ? session->owner_incarnation == release->incarnation
            : !store_link_has_gateway(release->store, session->owner_incarnation))
        session_life_close(release->store, session, true);
}

void
session_life_release_limbo(struct store *store, uint64_t incarnation)
{
    struct release release = {store, incarnation};
    if (store->limbo)
        sessions_each(store->sessions, release_one, &release);
}
