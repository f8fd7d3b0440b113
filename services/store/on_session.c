/* SPDX-License-Identifier: Apache-2.0 */
/* What gateways say about the sessions they hold: those they have (resync), ready, closed. */
#include "common/log.h"
#include "proto/calls.pb-c.h"
#include "proto/feed_records.h"
#include "proto/limits.h"
#include "proto/mqtt_packet.h"
#include "proto/records.h"
#include "proto/topic.h"
#include "services/store/desks.h"
#include "services/store/neighbours.h"
#include "services/store/open_request.h"
#include "services/store/session_life.h"
#include "services/store/session_push.h"
#include "services/store/session_read.h"

/* A gateway still holds a session that we know in this epoch. */
static void
resume(struct store *store, struct store_link *link, struct session *session,
       const Sluice__SessionAnnounce *announce)
{
    struct lasting *lasting = session->lasting;
    uint32_t i;
    users_leave(store->users, session->user);
    session_life_connect(store, session, &link->owner, announce->open->conn);
    open_request_apply(store, session, announce->open);
    session_life_save_will(store, session);
    session->ready = true;
    if (lasting == NULL)
        return;
    session_life_save(store, session);
    session_queue_rewind(&lasting->queue);
    for (i = 0; i < lasting->inbound_count; i++) {
        const struct session_inbound *inbound = &lasting->inbound[i];
        uint8_t body[RECORDS_INBOUND_DONE_BYTES];
        size_t len;
        if (inbound->state != SESSION_INBOUND_DONE)
            continue;
        len = records_inbound_done_encode(session->conn, inbound->packet_id, inbound->reason, body);
        store_link_send(store, session->owner, FEED_INBOUND_DONE, slice_of(body, len));
    }
    session_read_resume(store, session, announce->last_seq);
}

/* A gateway holds a clean session that we forgot over a restart. */
static void
adopt(struct store *store, struct store_link *link, const Sluice__SessionAnnounce *announce)
{
    struct slice client_id =
        slice_of(announce->open->client_id.data, announce->open->client_id.len);
    struct session *session;
    enum err err = sessions_add(store->sessions, client_id, announce->session, &session);
    if (err != OK) {
        session_life_kick(store, &link->owner, announce->open->conn, announce->session,
                          announce->epoch, MQTT_SERVER_SHUTTING_DOWN);
        return;
    }
    session->epoch = announce->epoch;
    session_life_connect(store, session, &link->owner, announce->open->conn);
    open_request_apply(store, session, announce->open);
    session->ready = true;
}

static void
announced(struct store *store, struct store_link *link, const Sluice__SessionAnnounce *announce)
{
    struct slice client_id =
        slice_of(announce->open->client_id.data, announce->open->client_id.len);
    struct session *session = sessions_by_number(store->sessions, announce->session);
    struct session *other = sessions_by_client(store->sessions, client_id);
    if (!neighbours_is_ours(store, client_id) ||
        shards_of_number(announce->session) != store->shard) {
        neighbours_refused(store, "session_announce");
        return;
    }
    if (session != NULL && session == other && session->epoch == announce->epoch &&
        (session->owner == NULL || session->owner == &link->owner) &&
        (session->lasting == NULL || !session->lasting->ending)) {
        resume(store, link, session, announce);
        return;
    }
    if (session == NULL && announce->open->expiry_s == 0 &&
        (other == NULL || other->epoch < announce->epoch)) {
        if (other != NULL) {
            session_life_take(store, other, true, MQTT_SESSION_TAKEN_OVER);
            session_life_end(store, other);
        }
        adopt(store, link, announce);
        return;
    }
    metric_counter_add(store->counters.stale, 1);
    session_life_kick(store, &link->owner, announce->open->conn, announce->session, announce->epoch,
                      other != NULL ? MQTT_SESSION_TAKEN_OVER : MQTT_SERVER_SHUTTING_DOWN);
}

void
on_session_announce(struct store *store, struct store_link *link, struct slice body)
{
    Sluice__SessionAnnounce *announce = sluice__session_announce__unpack(NULL, body.len, body.data);
    if (announce == NULL || announce->open == NULL || announce->session == 0 ||
        announce->epoch == 0 || !open_request_is_valid(announce->open) ||
        announce->open->client_id.len == 0)
        metric_counter_add(store->counters.malformed, 1);
    else
        announced(store, link, announce);
    if (announce != NULL)
        sluice__session_announce__free_unpacked(announce, NULL);
}

void
on_session_resync_end(struct store *store, struct store_link *link)
{
    session_life_release_limbo(store, link->owner.incarnation);
    log_info("gateway_resynced", LOG_HEX("gateway", link->owner.incarnation),
             LOG_U64("sessions", link->owner.count), LOG_END);
}

/* The session in this epoch at this gateway, or NULL. */
static struct session *
find_session(struct store *store, const struct store_link *link, uint64_t number, uint64_t epoch)
{
    struct session *session = sessions_by_number(store->sessions, number);
    return session != NULL && session->epoch == epoch && session->owner == &link->owner ? session
                                                                                        : NULL;
}

/* The same where an old epoch is worth counting. */
static struct session *
session_of(struct store *store, const struct store_link *link, uint64_t number, uint64_t epoch)
{
    struct session *session = find_session(store, link, number, epoch);
    if (session == NULL)
        metric_counter_add(store->counters.stale, 1);
    return session;
}

void
on_session_ready(struct store *store, struct store_link *link, struct slice body)
{
    struct records_session_ready record;
    struct session *session;
    if (records_session_ready_decode(body, &record) != OK) {
        metric_counter_add(store->counters.malformed, 1);
        return;
    }
    session = session_of(store, link, record.session, record.epoch);
    if (session == NULL || session->conn != record.conn || session->ready)
        return;
    if (!session_life_waits_for_former(store, session, record.after))
        session_push_ready(store, session, record.after);
}

void
on_session_close(struct store *store, struct store_link *link, struct slice body)
{
    struct records_session_close record;
    struct session *session;
    if (records_session_close_decode(body, &record) != OK) {
        metric_counter_add(store->counters.malformed, 1);
        return;
    }
    session_life_late_close(store, record.session, record.epoch, (record.flags & CLOSE_WILL) != 0);
    session_life_former_closed(store, record.session, record.epoch);
    /* Every connection that was taken over is closed in its old epoch. */
    session = find_session(store, link, record.session, record.epoch);
    if (session == NULL)
        return;
    if ((record.flags & CLOSE_HAS_EXPIRY) != 0 && session->lasting != NULL)
        session->expiry_s = record.expiry_s;
    session_life_close(store, session, (record.flags & CLOSE_WILL) != 0);
}
